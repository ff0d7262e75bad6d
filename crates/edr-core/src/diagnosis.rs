//! What works for a tenant and what does not, probe by probe.

use std::borrow::Cow;

use crate::{Error, Result, TenantCheck, TenantId, Vendor};

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProbeState {
    /// It does not work; [`Probe::error`] says why.
    Failed,
    /// It works.
    Passed,
    /// It was not tried; [`Probe::value`] says because of what.
    Skipped,
    /// It works, but something about it needs attention; [`Probe::hint`] says what.
    Warned,
}

impl ProbeState {
    /// The state as a stable word, as in JSON output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::Warned => "warned",
        }
    }
}

/// One thing that was looked at. It holds no secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Probe {
    /// A stable word, such as `address`, `token` or `alerts`.
    pub name: Cow<'static, str>,
    /// How it ended.
    pub state: ProbeState,
    /// What was seen, or why nothing was looked at.
    pub value: Option<String>,
    /// The scope or role that it takes, in the words of the vendor's console.
    pub needs: Option<Cow<'static, str>>,
    /// Why it failed.
    pub error: Option<Error>,
    hint: Option<Cow<'static, str>>,
}

impl Probe {
    fn new(name: impl Into<Cow<'static, str>>, state: ProbeState) -> Self {
        Self { name: name.into(), state, value: None, needs: None, error: None, hint: None }
    }

    /// It does not work.
    #[must_use]
    pub fn failed(name: impl Into<Cow<'static, str>>, error: Error) -> Self {
        Self { error: Some(error), ..Self::new(name, ProbeState::Failed) }
    }

    /// It works.
    #[must_use]
    pub fn passed(name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        Self { value: Some(value.into()), ..Self::new(name, ProbeState::Passed) }
    }

    /// It was not tried, because of this.
    #[must_use]
    pub fn skipped(name: impl Into<Cow<'static, str>>, because: impl Into<String>) -> Self {
        Self { value: Some(because.into()), ..Self::new(name, ProbeState::Skipped) }
    }

    /// It works, but needs attention.
    #[must_use]
    pub fn warned(
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { value: Some(value.into()), hint: Some(hint.into()), ..Self::new(name, ProbeState::Warned) }
    }

    /// Names the scope or role that it takes.
    #[must_use]
    pub fn needing(mut self, scope: impl Into<Cow<'static, str>>) -> Self {
        self.needs = Some(scope.into());
        self
    }

    /// Says what to do, in place of what the error says.
    #[must_use]
    pub fn advising(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref().or_else(|| self.error.as_ref()?.hint())
    }

    /// True when it does not work.
    #[must_use]
    pub fn is_failed(&self) -> bool {
        self.state == ProbeState::Failed
    }
}

/// What works for one tenant and what does not, in the order in which it was looked at.
///
/// It never fails as a whole: a probe that fails is a value, and those that depend on it are
/// skipped with the reason.
///
/// ```
/// use edr_core::{EdrProviderExt, InMemory, ProbeState};
/// # futures_util::future::FutureExt::now_or_never(async {
/// let found = InMemory::builder("acme").build().diagnose().await;
/// assert!(found.works());
/// assert_eq!(found.probe("check").map(|p| p.state), Some(ProbeState::Passed));
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The probes.
    pub probes: Vec<Probe>,
}

impl Diagnosis {
    /// Nothing has been looked at.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a probe.
    pub fn add(&mut self, probe: Probe) {
        self.probes.push(probe);
    }

    /// Adds probes that are not tried, all for one reason.
    pub fn skip(&mut self, names: &[&'static str], because: &str) {
        self.probes.extend(names.iter().map(|name| Probe::skipped(*name, because)));
    }

    /// Adds what a harmless request found: one probe, `check`.
    pub fn add_check(&mut self, checked: Result<TenantCheck>) {
        self.add(match checked {
            Ok(check) => Probe::passed("check", told(&check)),
            Err(error) => Probe::failed("check", error),
        });
    }

    /// The probe of this name.
    #[must_use]
    pub fn probe(&self, name: &str) -> Option<&Probe> {
        self.probes.iter().find(|p| p.name == name)
    }

    /// What does not work.
    pub fn failures(&self) -> impl Iterator<Item = &Error> {
        self.probes.iter().filter(|p| p.is_failed()).filter_map(|p| p.error.as_ref())
    }

    /// How many probes ended so.
    #[must_use]
    pub fn count(&self, state: ProbeState) -> usize {
        self.probes.iter().filter(|p| p.state == state).count()
    }

    /// True when nothing has failed.
    #[must_use]
    pub fn works(&self) -> bool {
        !self.probes.iter().any(Probe::is_failed)
    }

    /// Names the tenant in every error.
    pub fn name(&mut self, tenant: &TenantId, vendor: &Vendor) {
        for error in self.probes.iter_mut().filter_map(|p| p.error.as_mut()) {
            *error = error.clone().with_tenant(tenant, vendor);
        }
    }
}

fn told(check: &TenantCheck) -> String {
    if check.findings.is_empty() {
        return "answers".to_owned();
    }
    let one = |(what, value): &(String, String)| format!("{what}: {value}");
    check.findings.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_hint_of_its_own_comes_before_that_of_the_error() {
        let refused = || Error::new(ErrorKind::Permission, "no").with_hint("add the scope");
        assert_eq!(Probe::failed("hosts", refused()).hint(), Some("add the scope"));
        assert_eq!(Probe::failed("hosts", refused()).advising("ask").hint(), Some("ask"));
        assert_eq!(Probe::warned("clock", "10 min", "set it").hint(), Some("set it"));
        assert_eq!(Probe::passed("clock", "right").hint(), None);
    }

    #[test]
    fn a_failed_probe_is_a_value_and_names_the_tenant() {
        let mut found = Diagnosis::new();
        found.add(Probe::passed("address", "10.0.0.1"));
        found.add_check(Err(Error::new(ErrorKind::Network, "gone")));
        found.skip(&["token", "hosts"], "there is no connection");
        found.name(&"acme".into(), &"falcon".into());
        assert!(!found.works());
        let count = |state| found.count(state);
        assert_eq!((count(ProbeState::Passed), count(ProbeState::Skipped)), (1, 2));
        let error = found.failures().next().unwrap();
        assert_eq!(error.tenant().map(|t| t.as_str()), Some("acme"));
        assert_eq!(found.probe("hosts").unwrap().value.as_deref(), Some("there is no connection"));
    }

    #[test]
    fn a_check_is_told_whole() {
        let mut found = Diagnosis::new();
        found.add_check(Ok(TenantCheck::default().found("cloud", "us-1").found("hosts", "3")));
        assert_eq!(found.probe("check").unwrap().value.as_deref(), Some("cloud: us-1; hosts: 3"));
    }
}
