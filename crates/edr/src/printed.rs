//! What programs print: secrets of several tenants, read side by side.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use edr_core::Result;
use secrecy::SecretString;
use tokio::time::Instant;

use crate::SecretSource;

/// Programs that run at the same time. Each may take seconds; a hundred at once would hurt the machine.
const AT_ONCE: usize = 8;

type Asked = (&'static str, SecretSource);

/// What programs have printed. One that several tenants name is run once.
#[derive(Default)]
pub(crate) struct Printed(Vec<(Asked, Result<SecretString>)>);

impl Printed {
    /// Runs the programs among the sources; one that has not answered by then is stopped.
    pub(crate) fn run<'a>(
        sources: impl Iterator<Item = (&'static str, &'a SecretSource)>,
        until: Option<Instant>,
    ) -> Self {
        let mut asked: Vec<Asked> = Vec::new();
        for (key, source) in sources.filter(|(_, s)| matches!(s, SecretSource::Command(_))) {
            let one = (key, source.clone());
            if !asked.contains(&one) {
                asked.push(one);
            }
        }
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || {
            while let Some((key, source)) = asked.get(next.fetch_add(1, Ordering::Relaxed)) {
                let read = source.read_until(key, &|_| None, until);
                done.lock().unwrap_or_else(PoisonError::into_inner).push(((*key, source.clone()), read));
            }
        };
        std::thread::scope(|scope| (0..asked.len().min(AT_ONCE)).for_each(|_| drop(scope.spawn(work))));
        Self(done.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the program of this key printed; nothing for a source of another kind.
    pub(crate) fn of(&self, key: &str, source: &SecretSource) -> Option<Result<SecretString>> {
        let found = self.0.iter().find(|((k, s), _)| *k == key && s == source);
        found.map(|(_, read)| read.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn command(words: &[&str]) -> SecretSource {
        SecretSource::Command(words.iter().map(|w| (*w).to_owned()).collect())
    }

    #[test]
    fn one_that_hangs_takes_no_time_from_the_others() {
        let (hangs, prints) = (command(&["sleep", "600"]), command(&["echo", "word"]));
        let env = SecretSource::Env("X".into());
        let sources = [("client_secret", &hangs), ("api_key", &prints), ("api_key_id", &env)];
        let printed = Printed::run(sources.into_iter(), Some(Instant::now() + Duration::from_millis(700)));
        assert!(printed.of("client_secret", &hangs).unwrap().unwrap_err().is_timeout());
        assert_eq!(printed.of("api_key", &prints).unwrap().unwrap().expose_secret(), "word");
        assert!(printed.of("api_key_id", &env).is_none());
    }

    #[test]
    fn the_same_program_runs_once() {
        let folder = tempfile::tempdir().unwrap();
        let count = folder.path().join("count");
        let script = format!("echo x >> {}; echo word", count.display());
        let source = command(&["sh", "-c", &script]);
        let printed = Printed::run([("api_key", &source), ("api_key", &source)].into_iter(), None);
        assert!(printed.of("api_key", &source).unwrap().is_ok());
        assert_eq!(std::fs::read_to_string(&count).unwrap().lines().count(), 1);
    }
}
