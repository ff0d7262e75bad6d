//! Where a secret comes from.

use std::fmt;
use std::io::Read as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use edr_core::{Error, ErrorKind, Result};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use crate::file;

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

impl PartialEq for SecretSource {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Command(a), Self::Command(b)) => a == b,
            (Self::Env(a), Self::Env(b)) | (Self::File(a), Self::File(b)) => a == b,
            (Self::Plain(a), Self::Plain(b)) => a.expose_secret() == b.expose_secret(),
            _ => false,
        }
    }
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
        self.read_until(key, env, None)
    }

    /// As [`Self::read`]; a program that has not answered by then is stopped.
    ///
    /// # Errors
    /// As [`Self::read`], and [`ErrorKind::Timeout`].
    pub fn read_until(
        &self,
        key: &str,
        env: &dyn Fn(&str) -> Option<String>,
        until: Option<Instant>,
    ) -> Result<SecretString> {
        let text = match self {
            Self::Plain(secret) => return Ok(secret.clone()),
            Self::Env(name) => env(name).ok_or_else(|| unset(key, name))?,
            Self::File(path) => {
                file::text(path.as_ref(), file::SMALL).map_err(|e| unreadable(key, path, e))?
            }
            Self::Command(words) => run(key, words, until)?,
        };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(absent(key, &format!("{} is empty", self.place())).with_hint(self.cure()));
        }
        Ok(SecretString::from(trimmed.to_owned()))
    }

    fn place(&self) -> String {
        match self {
            Self::Command(words) => {
                format!("the output of {}", words.first().map_or("the command", String::as_str))
            }
            Self::Env(name) => format!("the variable {name}"),
            Self::File(path) => path.clone(),
            Self::Plain(_) => "the text".to_owned(),
        }
    }

    fn cure(&self) -> &'static str {
        match self {
            Self::Command(_) => "run the command by hand: it must print the secret on its first line",
            Self::Env(_) => "set it to the secret, and export it",
            Self::File(_) => "write the secret into the file",
            Self::Plain(_) => "write the secret, or name where it comes from",
        }
    }
}

fn absent(key: &str, why: &str) -> Error {
    Error::new(ErrorKind::Configuration, format!("{key}: {why}"))
}

fn unset(key: &str, name: &str) -> Error {
    absent(key, &format!("the variable {name} is not set"))
        .with_hint(format!("set and export {name}, or name another source in the configuration"))
}

fn unreadable(key: &str, path: &str, error: std::io::Error) -> Error {
    absent(key, &format!("{path} cannot be read: {error}"))
        .with_source(error)
        .with_hint("give the path of a text file that this user can read")
}

/// Its output is never part of an error, and what it says on stderr is not passed on: both may hold the
/// secret.
fn run(key: &str, words: &[String], until: Option<Instant>) -> Result<String> {
    const BY_HAND: &str = "run the command by hand to see what it says";
    let (program, arguments) = words.split_first().ok_or_else(|| absent(key, "the command is empty"))?;
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| {
            absent(key, &format!("{program} cannot be run: {e}"))
                .with_source(e)
                .with_hint("check the name and the PATH: it is run as it is, without a shell")
        })?;
    let (status, bytes) = finish(child, until).map_err(|e| match e.kind() {
        std::io::ErrorKind::TimedOut => late(key, program),
        _ => absent(key, &format!("{program} cannot be waited for: {e}")).with_source(e),
    })?;
    if !status.success() {
        return Err(absent(key, &format!("{program} ended with {status}")).with_hint(BY_HAND));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| absent(key, &format!("{program} printed no text")).with_hint(BY_HAND))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

fn late(key: &str, program: &str) -> Error {
    let message = format!("{key}: {program} gave no answer in its time, and was stopped");
    Error::new(ErrorKind::Timeout, message)
        .with_hint("run the command by hand: it may wait for somebody; or raise --timeout")
}

/// The status and the output of a child, which is killed when its time is over. A thread of its own
/// reads, for a pipe cannot be read with a time limit.
fn finish(mut child: Child, until: Option<Instant>) -> std::io::Result<(ExitStatus, Vec<u8>)> {
    let mut pipe = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.read_to_end(&mut bytes).map(|_| bytes);
        // Nobody listens any more when the time was over.
        let _ = sender.send(read);
    });
    let left = || until.map(|at| at.saturating_duration_since(Instant::now()));
    let read = match left() {
        Some(left) => receiver.recv_timeout(left).map_err(|_| std::io::ErrorKind::TimedOut.into()),
        None => receiver.recv().map_err(|_| std::io::ErrorKind::BrokenPipe.into()),
    };
    let ended = read.and_then(|bytes| wait(&mut child, &left).map(|status| (status, bytes)));
    if ended.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let (status, bytes) = ended?;
    Ok((status, bytes?))
}

/// A child that has closed its output may still run.
fn wait(child: &mut Child, left: &dyn Fn() -> Option<Duration>) -> std::io::Result<ExitStatus> {
    const STEP: Duration = Duration::from_millis(10);
    loop {
        match (left(), child.try_wait()?) {
            (_, Some(status)) => return Ok(status),
            (None, None) => return child.wait(),
            (Some(Duration::ZERO), None) => return Err(std::io::ErrorKind::TimedOut.into()),
            (Some(left), None) => std::thread::sleep(left.min(STEP)),
        }
    }
}

#[cfg(test)]
mod tests {
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
            ("k = { command = ['true'] }", "the output of true is empty"),
            ("k = { command = ['/nonexistent/x'] }", "check the name and the PATH"),
            ("k = { command = [] }", "api_key must be"),
            ("k = { vault = 'x' }", "api_key must be"),
            ("k = 7", "api_key must be"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(says), "{text}: {error}");
            assert!(error.hint().is_some() || says.contains("must be"), "{text}: {error}");
        }
    }

    #[test]
    fn a_program_that_hangs_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("late");
        let script = format!("exec 1>&-; sleep 1; touch {}", mark.display());
        for words in [vec!["sleep", "600"], vec!["sh", "-c", &script]] {
            let source = SecretSource::Command(words.iter().map(|w| (*w).to_owned()).collect());
            let until = Instant::now() + Duration::from_millis(100);
            let error = source.read_until("api_key", &|_| None, Some(until)).unwrap_err();
            assert!(error.is_timeout() && error.to_string().contains("api_key"), "{error}");
        }
        std::thread::sleep(Duration::from_millis(1200));
        assert!(!mark.exists(), "the program went on");
    }

    #[test]
    fn a_plain_secret_is_not_printed() {
        assert!(!format!("{:?}", source("k = 'canary'").unwrap()).contains("canary"));
    }
}
