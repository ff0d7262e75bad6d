//! `docs/MAPPING.md` against the model.

use std::collections::{BTreeMap, BTreeSet};

/// The structures of the model: each with its fields, by the names that JSON has, and their types.
#[derive(Debug, Default)]
pub struct Model(BTreeMap<String, BTreeMap<String, String>>);

impl Model {
    /// Reads the sources of the model.
    #[must_use]
    pub fn read(sources: &[String]) -> Self {
        let mut model = Self::default();
        sources.iter().for_each(|source| model.take(source));
        model
    }

    fn take(&mut self, source: &str) {
        let mut open: Option<String> = None;
        let mut renamed = None;
        for line in source.lines() {
            if let Some(name) = line.strip_prefix("pub struct ").and_then(|rest| rest.strip_suffix(" {")) {
                open = Some(name.to_owned());
            } else if line == "}" {
                open = None;
            } else if let Some(name) = &open {
                let quoted = line.split_once("rename = \"").and_then(|(_, rest)| rest.split_once('"'));
                renamed = quoted.map(|(word, _)| word.to_owned()).or(renamed);
                if let Some((field, kind)) =
                    line.strip_prefix("    pub ").and_then(|rest| rest.split_once(": "))
                {
                    let word = renamed.take().unwrap_or_else(|| field.trim_start_matches("r#").to_owned());
                    let kind = kind.trim_end_matches(',').to_owned();
                    self.0.entry(name.clone()).or_default().insert(word, kind);
                }
            }
        }
    }

    /// The fields of a structure.
    #[must_use]
    pub fn fields(&self, of: &str) -> BTreeSet<String> {
        self.0.get(of).map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
    }

    /// True when a path such as `evidences[].process.pid` leads to a field.
    #[must_use]
    pub fn has(&self, of: &str, path: &str) -> bool {
        let mut at = of.to_owned();
        path.split('.').all(|part| {
            let kind = self.0.get(&at).and_then(|fields| fields.get(part.trim_end_matches("[]"))).cloned();
            let inner =
                kind.as_deref().map(|k| k.rsplit('<').next().unwrap_or(k).trim_end_matches('>').to_owned());
            at = inner.unwrap_or_default();
            kind.is_some()
        })
    }
}

/// The first column of each table under a heading whose head begins with `field`: by the head of the second column.
#[must_use]
pub fn tables(page: &str, heading: &str) -> Vec<(String, Vec<String>)> {
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap_or_default();
    let mut tables: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in section.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match (line.starts_with('|'), cells.get(1), cells.get(2)) {
            (true, Some(&"field"), Some(head)) => {
                tables.push(((*head).to_owned(), Vec::new()));
                inside = true;
            }
            (true, Some(cell), _) if inside && !cell.starts_with("---") => {
                if let Some((_, rows)) = tables.last_mut() {
                    rows.extend(names(cell));
                }
            }
            (false, ..) => inside = false,
            _ => {}
        }
    }
    tables
}

/// The names in backticks. One that begins with a dot goes on from the one before it: the last part is another.
fn names(cell: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for word in cell.split('`').skip(1).step_by(2) {
        let word = word.strip_prefix('…').unwrap_or(word);
        let before = names.last().and_then(|last| last.rsplit_once('.').map(|(parent, _)| parent.to_owned()));
        match word.strip_prefix('.') {
            Some(rest) => names.extend(before.map(|parent| format!("{parent}.{rest}"))),
            None => names.push(word.to_owned()),
        }
    }
    names
}
