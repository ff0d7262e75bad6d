//! A row of JSON as the cells of its columns.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::columns::{self, Column, Kind};
use crate::{Format, Noun};

/// The value of a column in one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Boolean(bool),
    Double(f64),
    Long(i64),
    Text(String),
}

/// Where each attribute of a class goes.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) columns: Vec<Column>,
    tree: BTreeMap<&'static str, Node>,
    rest: usize,
    /// The column of the vendor's own JSON, where that is JSON in the row as well.
    raw: Option<usize>,
}

#[derive(Debug)]
enum Node {
    Column(usize),
    Group(BTreeMap<&'static str, Node>),
}

impl Shape {
    pub(crate) fn of(noun: Noun, format: Format) -> Self {
        let columns = columns::of(noun, format);
        let mut tree = BTreeMap::new();
        for (at, column) in columns.iter().enumerate() {
            plant(&mut tree, &column.parts(), at);
        }
        let rest = columns.iter().position(|c| c.name == columns::rest(format)).unwrap_or_default();
        let raw = columns.iter().position(|c| c.name == "raw");
        Self { columns, tree, rest, raw }
    }

    /// The cells of a row, one a column. The vendor's own JSON stays as it is, character by character: it may say things twice,
    /// and have numbers, texts and depths that no value of ours can hold.
    pub(crate) fn read(&self, row: &[u8]) -> serde_json::Result<Vec<Option<Cell>>> {
        let mut fields: BTreeMap<String, &RawValue> = serde_json::from_slice(row)?;
        let raw = self.raw.and_then(|at| Some((at, fields.remove("raw")?)));
        let parsed = fields.into_iter().map(|(key, value)| Ok((key, serde_json::from_str(value.get())?)));
        let mut cells = self.cells(parsed.collect::<serde_json::Result<_>>()?);
        if let Some((at, raw)) = raw.filter(|(_, raw)| raw.get() != "null") {
            cells[at] = Some(Cell::Text(raw.get().to_owned()));
        }
        Ok(cells)
    }

    fn cells(&self, row: Map<String, Value>) -> Vec<Option<Cell>> {
        let mut cells = vec![None; self.columns.len()];
        let mut rest = Map::new();
        self.walk(&self.tree, row, "", &mut cells, &mut rest);
        if !rest.is_empty() {
            cells[self.rest] = Some(joined(cells[self.rest].take(), rest));
        }
        cells
    }

    fn walk(
        &self,
        tree: &BTreeMap<&'static str, Node>,
        object: Map<String, Value>,
        at: &str,
        cells: &mut [Option<Cell>],
        rest: &mut Map<String, Value>,
    ) {
        for (key, value) in object {
            let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            match (tree.get(key.as_str()), value) {
                (_, Value::Null) => {}
                (Some(Node::Group(inner)), Value::Object(object)) => {
                    self.walk(inner, object, &path, cells, rest);
                }
                (Some(Node::Column(column)), value) => match cell(self.columns[*column].kind, value) {
                    Ok(cell) => cells[*column] = Some(cell),
                    Err(value) => drop(rest.insert(path, value)),
                },
                (_, value) => drop(rest.insert(path, value)),
            }
        }
    }
}

fn plant(tree: &mut BTreeMap<&'static str, Node>, parts: &[&'static str], column: usize) {
    match parts {
        [] => {}
        [name] => drop(tree.insert(name, Node::Column(column))),
        [group, below @ ..] => {
            let node = tree.entry(group).or_insert_with(|| Node::Group(BTreeMap::new()));
            if let Node::Group(inner) = node {
                plant(inner, below, column);
            }
        }
    }
}

/// The value as a cell, or back when the column cannot hold it.
fn cell(kind: Kind, value: Value) -> Result<Cell, Value> {
    let found = match (kind, &value) {
        (Kind::Boolean, Value::Bool(is)) => Some(Cell::Boolean(*is)),
        (Kind::Double, Value::Number(number)) => number.as_f64().map(Cell::Double),
        (Kind::Long, Value::Number(number)) => number.as_i64().map(Cell::Long),
        (Kind::Text, Value::String(_)) => None,
        (Kind::Time, Value::String(text)) => {
            DateTime::parse_from_rfc3339(text).ok().map(|time| Cell::Long(time.timestamp_micros()))
        }
        (Kind::Json, value) => Some(Cell::Text(value.to_string())),
        _ => None,
    };
    match (found, kind, value) {
        (Some(cell), _, _) => Ok(cell),
        (None, Kind::Text, Value::String(text)) => Ok(Cell::Text(text)),
        (None, _, value) => Err(value),
    }
}

/// What the column of the rest holds already, with more beside it.
fn joined(had: Option<Cell>, rest: Map<String, Value>) -> Cell {
    let had = match had {
        Some(Cell::Text(text)) => serde_json::from_str(&text).unwrap_or_default(),
        _ => Value::Null,
    };
    let mut all = match had {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    all.extend(rest);
    Cell::Text(Value::Object(all).to_string())
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use edr_core::{Alert, Host};
    use serde_json::json;

    use super::*;
    use crate::Projection;

    fn cells(shape: &Shape, row: Value) -> BTreeMap<&'static str, Cell> {
        let Value::Object(row) = row else { panic!("no object") };
        let names = shape.columns.iter().map(|c| c.name);
        names.zip(shape.cells(row)).filter_map(|(name, cell)| Some((name, cell?))).collect()
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn a_row_becomes_cells_and_nothing_is_lost() {
        let shape = Shape::of(Noun::Alerts, Format::Ocsf);
        let row = json!({
            "time": 5, "is_alert": true, "device": {"hostname": "A", "stranger": [1]}, "severity_id": "four",
            "evidences": [{"a": 1}], "message": null, "unmapped": {"edr": {"tenant": "acme"}},
        });
        let found = cells(&shape, row);
        assert_eq!(found["time"], Cell::Long(5));
        assert_eq!(found["is_alert"], Cell::Boolean(true));
        assert_eq!(found["device.hostname"], text("A"));
        assert_eq!(found["evidences"], text("[{\"a\":1}]"));
        let rest = r#"{"device.stranger":[1],"edr":{"tenant":"acme"},"severity_id":"four"}"#;
        assert_eq!(found["unmapped"], text(rest));
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn the_vendors_own_json_stays_as_it_is() {
        let shape = Shape::of(Noun::Alerts, Format::Native);
        let deep = "[".repeat(200) + &"]".repeat(200);
        let raw =
            format!(r#"{{"z":"\ud83d","a":1,"a":2,"n":123456789012345678901234567890.10,"deep":{deep}}}"#);
        let found = shape.read(format!(r#"{{"title":"t","raw":{raw}}}"#).as_bytes()).unwrap();
        let at = |name: &str| shape.columns.iter().position(|c| c.name == name).unwrap();
        assert_eq!(found[at("raw")], Some(text(&raw)));
        assert_eq!(found[at("title")], Some(text("t")));
        assert_eq!(shape.read(br#"{"raw":null}"#).unwrap()[at("raw")], None);
    }

    #[test]
    fn times_are_microseconds_where_the_row_has_words() {
        let shape = Shape::of(Noun::Hosts, Format::Ecs);
        let found =
            cells(&shape, json!({"@timestamp": "2026-01-08T12:00:00.5Z", "host": {"ip": ["10.0.0.1"]}}));
        assert_eq!(found["@timestamp"], Cell::Long(1_767_873_600_500_000));
        assert_eq!(found["host.ip"], text("[\"10.0.0.1\"]"));
        let found = cells(&shape, json!({"@timestamp": "yesterday"}));
        assert_eq!(found["edr.rest"], text("{\"@timestamp\":\"yesterday\"}"));
    }

    /// What our own projections write has columns.
    #[test]
    fn a_plain_item_needs_no_rest() {
        for format in [Format::Ecs, Format::Native, Format::Ocsf] {
            let projection = Projection::new(format, DateTime::<Utc>::UNIX_EPOCH);
            let mut alert = Alert::new("falcon", "acme", "1", "{}");
            alert.device = Some(Box::new(Host::new("falcon", "acme", "2", "{}")));
            let rows = [
                (Noun::Alerts, projection.alert(alert).unwrap()),
                (Noun::Hosts, projection.host(Host::new("falcon", "acme", "2", "{}")).unwrap()),
            ];
            for (noun, row) in rows {
                let found = cells(&Shape::of(noun, format), serde_json::from_slice(&row.json).unwrap());
                let rest = found.get(columns::rest(format)).cloned();
                let rest = rest.filter(|_| format != Format::Ocsf);
                let fine = rest.is_none() || (format, noun) == (Format::Native, Noun::Alerts);
                assert!(fine, "{noun:?} {format:?}: {rest:?}");
            }
        }
    }
}
