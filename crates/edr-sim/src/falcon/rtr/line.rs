//! Command lines: which commands there are, at which level and on which systems, and how a line is cut into words.

use crate::estate::machine::Platform;

/// What a command needs: read-only, active responder, administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Read,
    Act,
    Admin,
}

/// (name, level, systems: w, m, l).
const COMMANDS: &[(&str, Level, &str)] = &[
    ("cat", Level::Read, "wml"),
    ("cd", Level::Read, "wml"),
    ("clear", Level::Read, "wml"),
    ("csrutil", Level::Read, "m"),
    ("env", Level::Read, "wml"),
    ("eventlog", Level::Read, "w"),
    ("filehash", Level::Read, "wml"),
    ("getsid", Level::Read, "wm"),
    ("help", Level::Read, "wml"),
    ("history", Level::Read, "wml"),
    ("ifconfig", Level::Read, "ml"),
    ("ipconfig", Level::Read, "w"),
    ("ls", Level::Read, "wml"),
    ("mount", Level::Read, "wml"),
    ("netstat", Level::Read, "wml"),
    ("ps", Level::Read, "wml"),
    ("reg query", Level::Read, "w"),
    ("users", Level::Read, "ml"),
    ("cp", Level::Act, "wml"),
    ("encrypt", Level::Act, "w"),
    ("get", Level::Act, "wml"),
    ("kill", Level::Act, "wml"),
    ("map", Level::Act, "w"),
    ("memdump", Level::Act, "w"),
    ("mkdir", Level::Act, "wml"),
    ("mv", Level::Act, "wml"),
    ("reg delete", Level::Act, "w"),
    ("reg load", Level::Act, "w"),
    ("reg set", Level::Act, "w"),
    ("reg unload", Level::Act, "w"),
    ("restart", Level::Act, "wml"),
    ("rm", Level::Act, "wml"),
    ("runscript", Level::Act, "wml"),
    ("shutdown", Level::Act, "wml"),
    ("tar", Level::Act, "ml"),
    ("umount", Level::Act, "ml"),
    ("unmap", Level::Act, "w"),
    ("update history", Level::Act, "w"),
    ("update install", Level::Act, "w"),
    ("update list", Level::Act, "w"),
    ("update query", Level::Act, "w"),
    ("xmemdump", Level::Act, "w"),
    ("zip", Level::Act, "wml"),
    ("cswindiag", Level::Admin, "w"),
    ("falconscript", Level::Admin, "wml"),
    ("put", Level::Admin, "wml"),
    ("put-and-run", Level::Admin, "wml"),
    ("run", Level::Admin, "wml"),
];

fn letter(platform: Platform) -> char {
    match platform {
        Platform::Windows => 'w',
        Platform::MacOs => 'm',
        Platform::Linux => 'l',
    }
}

/// A line that the service understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) level: Level,
    systems: &'static str,
    /// What stands behind the name.
    pub(super) rest: Vec<String>,
}

impl Line {
    /// Reads a line whose base command is said beside it; why not, otherwise.
    pub(super) fn read(base: &str, text: &str) -> Result<Self, &'static str> {
        let words = words(text).ok_or("Command is not valid: a quote is not closed")?;
        let found = |n: usize| {
            let name = words.get(..n)?.join(" ");
            COMMANDS.iter().find(|(known, _, _)| *known == name).map(|known| (n, known))
        };
        let (n, (name, level, systems)) = found(2).or_else(|| found(1)).ok_or("Command not found")?;
        // A base may be shorter than the name or longer, as `reg` and `eventlog view` are.
        if !base.split(' ').enumerate().all(|(n, word)| words.get(n).is_some_and(|w| w == word)) {
            return Err("base_command and command_string name different commands");
        }
        let rest = words.get(n..).unwrap_or_default().to_vec();
        let raw = rest.iter().any(|word| word.starts_with("-Raw="));
        let level = if raw { Level::Admin } else { *level };
        Ok(Self { name, level, systems, rest })
    }

    pub(super) fn runs_on(&self, platform: Platform) -> bool {
        self.systems.contains(letter(platform))
    }

    /// The value of `-Name=value`.
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.rest.iter().find_map(|word| word.strip_prefix('-')?.strip_prefix(name)?.strip_prefix('='))
    }

    /// The first word that is no option.
    pub(super) fn first(&self) -> Option<&str> {
        self.rest.iter().map(String::as_str).find(|word| !word.starts_with('-'))
    }
}

/// What can be run on a system at a level.
pub(super) fn known(platform: Platform, level: Level) -> Vec<&'static str> {
    let fits =
        |(_, needs, systems): &&(&str, Level, &str)| *needs <= level && systems.contains(letter(platform));
    COMMANDS.iter().filter(fits).map(|(name, _, _)| *name).collect()
}

/// Cuts a line into its words. Double quotes and triple backticks hold a text together, and a backslash is a
/// backslash everywhere. `None` when one of them is not closed.
///
/// ```
/// use edr_sim::falcon::rtr::words;
/// assert_eq!(words(r#"cd "C:\Program Files""#).unwrap(), ["cd", r"C:\Program Files"]);
/// assert_eq!(words("runscript -Raw=```a \"b\"```").unwrap(), ["runscript", "-Raw=a \"b\""]);
/// assert!(words("ls \"C:").is_none());
/// ```
#[must_use]
pub fn words(line: &str) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let mark = ["```", "\""].into_iter().find(|mark| rest.starts_with(mark));
        if let Some(mark) = mark {
            let (inner, after) = rest[mark.len()..].split_once(mark)?;
            word.get_or_insert_default().push_str(inner);
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        if c.is_whitespace() {
            out.extend(word.take());
        } else {
            word.get_or_insert_default().push(c);
        }
    }
    out.extend(word);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_command_of_its_base() {
        let read = |base: &str, text: &str| Line::read(base, text);
        let query = read("reg query", r"reg query HKLM\Software").unwrap();
        assert_eq!(
            (query.name, query.level, query.first()),
            ("reg query", Level::Read, Some(r"HKLM\Software"))
        );
        assert_eq!(read("reg", "reg delete x").unwrap().level, Level::Act);
        assert_eq!(read("eventlog view", "eventlog view System").unwrap().first(), Some("view"));
        assert!(read("ls", "rm -Force x").is_err() && read("fly", "fly").is_err() && read("ls", "").is_err());
        assert!(query.runs_on(Platform::Windows) && !query.runs_on(Platform::Linux));
        let raw = read("runscript", "runscript -Raw=```x```").unwrap();
        assert_eq!((raw.level, raw.option("Raw")), (Level::Admin, Some("x")));
        assert!(known(Platform::MacOs, Level::Read).contains(&"csrutil"));
    }

    #[test]
    fn quotes_hold_together_and_must_close() {
        assert_eq!(words("a  b\t\"c d\"e").unwrap(), ["a", "b", "c de"]);
        assert_eq!(words("a \"\"").unwrap(), ["a", ""]);
        assert_eq!(words("").unwrap(), [""; 0]);
        assert!(words("a ```b").is_none());
    }
}
