//! Where a secret comes from.

use std::fmt;
use std::process::{Command, Stdio};

use edr_core::{Error, ErrorKind, Result};
use secrecy::SecretString;

/// The source of a credential. It is read when the tenant is connected, not before, so that one
/// tenant's missing secret does not stop the others.
#[derive(Clone)]
pub enum SecretSource {
    /// The first line that a program prints. The program is run as it is, without a shell.
    Command(Vec<String>),
    /// An environment variable.
    Env(String),
    /// The content of a file, trimmed.
    File(String),
    /// The secret itself, written into the configuration.
    Plain(SecretString),
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(words) => write!(f, "Command({:?} …)", words.first()),
            Self::Env(name) => write!(f, "Env({name})"),
            Self::File(path) => write!(f, "File({path})"),
            Self::Plain(_) => f.write_str("Plain([redacted])"),
        }
    }
}

impl SecretSource {
    /// Reads a value of the configuration: a string, or a table with `env`, `file` or `command`.
    pub(crate) fn from_toml(key: &str, value: &toml::Value) -> Result<Self> {
        let wrong = || {
            let forms =
                "\"text\", { env = \"NAME\" }, { file = \"PATH\" } or { command = [\"program\", \"word\"] }";
            Error::new(ErrorKind::Configuration, format!("{key} must be {forms}"))
        };
        if let Some(text) = value.as_str() {
            return Ok(Self::Plain(SecretString::from(text.to_owned())));
        }
        let table = value.as_table().filter(|t| t.len() == 1).ok_or_else(wrong)?;
        let (form, inner) = table.iter().next().ok_or_else(wrong)?;
        let text = || inner.as_str().map(str::to_owned).ok_or_else(wrong);
        match form.as_str() {
            "env" => text().map(Self::Env),
            "file" => text().map(Self::File),
            "command" => {
                let words = inner.as_array().ok_or_else(wrong)?;
                let words: Option<Vec<String>> =
                    words.iter().map(|w| w.as_str().map(str::to_owned)).collect();
                words.filter(|w| !w.is_empty()).map(Self::Command).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    /// True when the secret stands in the configuration itself.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Reads the secret; `key` is the name that errors use.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] when it cannot be read or is empty. The error never holds it.
    pub fn read(&self, key: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<SecretString> {
        let text = match self {
            Self::Plain(secret) => return Ok(secret.clone()),
            Self::Env(name) => {
                env(name).ok_or_else(|| absent(key, &format!("the variable {name} is not set")))?
            }
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|e| absent(key, &format!("{path} cannot be read: {e}")).with_source(e))?,
            Self::Command(words) => run(key, words)?,
        };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(absent(key, &format!("{self:?} is empty")));
        }
        Ok(SecretString::from(trimmed.to_owned()))
    }
}

fn absent(key: &str, why: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("{key}: {why}"))
}

/// Its output is never part of an error, and what it says on stderr is not passed on: both may hold the
/// secret.
fn run(key: &str, words: &[String]) -> Result<String> {
    let (program, arguments) = words.split_first().ok_or_else(|| absent(key, "the command is empty"))?;
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|e| absent(key, &format!("{program} cannot be run: {e}")).with_source(e))?;
    if !output.status.success() {
        let why = format!("{program} ended with {}", output.status);
        return Err(absent(key, &why).with_hint("run the command by hand to see what it says"));
    }
    let text =
        String::from_utf8(output.stdout).map_err(|_| absent(key, &format!("{program} printed no text")))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn source(text: &str) -> Result<SecretSource> {
        let table: toml::Table = text.parse().unwrap();
        SecretSource::from_toml("api_key", &table["k"])
    }

    fn read(text: &str) -> Result<String> {
        let env = |name: &str| (name == "SET").then(|| " from-env \n".to_owned());
        source(text)?.read("api_key", &env).map(|s| s.expose_secret().to_owned())
    }

    #[test]
    fn every_source_is_read_and_trimmed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from-file\n").unwrap();
        assert_eq!(read("k = 'plain'").unwrap(), "plain");
        assert_eq!(read("k = { env = 'SET' }").unwrap(), "from-env");
        assert_eq!(read(&format!("k = {{ file = '{}' }}", file.path().display())).unwrap(), "from-file");
        assert_eq!(read("k = { command = ['printf', 'one\\ntwo'] }").unwrap(), "one");
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (text, says) in [
            ("k = { env = 'UNSET' }", "api_key: the variable UNSET is not set"),
            ("k = { file = '/nonexistent/x' }", "/nonexistent/x cannot be read"),
            ("k = { command = ['false'] }", "false ended with"),
            ("k = { command = ['true'] }", "is empty"),
            ("k = { command = [] }", "api_key must be"),
            ("k = { vault = 'x' }", "api_key must be"),
            ("k = 7", "api_key must be"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_plain_secret_is_not_printed() {
        assert!(!format!("{:?}", source("k = 'canary'").unwrap()).contains("canary"));
    }
}
