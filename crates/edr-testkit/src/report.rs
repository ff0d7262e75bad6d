//! What became of the cases.

use std::fmt;

/// How a case went when it did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// The promise holds.
    Passed,
    /// It could not be tried, for this reason.
    Skipped(String),
}

/// Why a promise does not hold. `Debug` prints the same as `Display`, so that `unwrap` in a test is readable.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure with a message for a person.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0
    }

    /// Says where it happened.
    #[must_use]
    pub fn at(self, place: impl fmt::Display) -> Self {
        Self(format!("{place}: {}", self.0))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

impl From<edr_core::Error> for Failure {
    fn from(error: edr_core::Error) -> Self {
        Self(format!("the provider failed: {error}"))
    }
}

/// What a case function returns.
pub type CaseResult = Result<Ran, Failure>;

/// What became of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The promise does not hold.
    Failed(Failure),
    /// The promise holds.
    Passed,
    /// It could not be tried, for this reason.
    Skipped(String),
}

impl From<CaseResult> for Verdict {
    fn from(result: CaseResult) -> Self {
        match result {
            Ok(Ran::Passed) => Self::Passed,
            Ok(Ran::Skipped(reason)) => Self::Skipped(reason),
            Err(failure) => Self::Failed(failure),
        }
    }
}

/// One line of a [`Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseReport {
    /// The case's name.
    pub name: &'static str,
    /// The promise in one sentence.
    pub promise: &'static str,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of all cases, in the suite's order.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let report = edr_testkit::run_all(&edr_testkit::MemoryWorld::new()).await;
/// assert_eq!(report.failed().count(), 0);
/// assert!(report.to_string().contains("hosts.whole"));
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a report that nobody reads proves nothing"]
pub struct Report {
    /// The cases.
    pub cases: Vec<CaseReport>,
}

impl Report {
    /// The names of the cases that passed.
    pub fn passed(&self) -> impl Iterator<Item = &'static str> {
        self.cases.iter().filter(|c| c.verdict == Verdict::Passed).map(|c| c.name)
    }

    /// The cases that failed, with their messages.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, &Failure)> {
        self.cases.iter().filter_map(|c| match &c.verdict {
            Verdict::Failed(failure) => Some((c.name, failure)),
            _ => None,
        })
    }

    /// The cases that could not be tried, with the reasons.
    pub fn skipped(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.cases.iter().filter_map(|c| match &c.verdict {
            Verdict::Skipped(reason) => Some((c.name, reason.as_str())),
            _ => None,
        })
    }

    /// An error that lists every failure, if there is one.
    ///
    /// # Errors
    /// When a case failed, or when none passed: a suite that tried nothing has proven nothing.
    pub fn into_result(self) -> Result<(), Failure> {
        if self.failed().next().is_none() && self.passed().next().is_some() {
            return Ok(());
        }
        Err(Failure::new(format!("the provider does not conform\n{self}")))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in &self.cases {
            match &case.verdict {
                Verdict::Passed => writeln!(f, "passed   {}", case.name)?,
                Verdict::Skipped(reason) => writeln!(f, "skipped  {}: {reason}", case.name)?,
                Verdict::Failed(failure) => {
                    writeln!(f, "FAILED   {}: {failure}\n         promise: {}", case.name, case.promise)?;
                }
            }
        }
        let counts = (self.passed().count(), self.failed().count(), self.skipped().count());
        write!(f, "{} passed, {} failed, {} skipped", counts.0, counts.1, counts.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdicts: &[Verdict]) -> Report {
        let case = |v: &Verdict| CaseReport { name: "a.case", promise: "It holds.", verdict: v.clone() };
        Report { cases: verdicts.iter().map(case).collect() }
    }

    #[test]
    fn one_failure_fails_the_whole() {
        let error =
            report(&[Verdict::Passed, Verdict::Failed(Failure::new("no"))]).into_result().unwrap_err();
        assert!(error.message().contains("FAILED   a.case: no"), "{error}");
        assert!(error.message().ends_with("1 passed, 1 failed, 0 skipped"), "{error}");
    }

    #[test]
    fn nothing_tried_is_no_success() {
        assert!(report(&[]).into_result().is_err());
        assert!(report(&[Verdict::Skipped("none".into())]).into_result().is_err());
        assert!(report(&[Verdict::Passed, Verdict::Skipped("none".into())]).into_result().is_ok());
    }
}
