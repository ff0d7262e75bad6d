//! What is to be changed about the nouns that people work on.

use serde::{Deserialize, Serialize};

use crate::{AlertChange, Assignee, CaseStatus, Error, ErrorKind, Feature, Fit, Result, Severity, Verdict};

/// What is to be changed about cases; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CaseChange {
    /// The status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<CaseStatus>,
    /// The verdict; a vendor may know it only for a case that is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Who works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee: Option<Assignee>,
    /// A comment to add.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// How bad it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Take the nearest that the vendor can express, where it cannot express it exactly.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub nearest: bool,
}

impl CaseChange {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the status.
    #[must_use]
    pub fn status(self, status: CaseStatus) -> Self {
        Self { status: Some(status), ..self }
    }

    /// Sets the verdict.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Self {
        Self { verdict: Some(verdict), ..self }
    }

    /// Gives it to somebody, or to nobody.
    #[must_use]
    pub fn assignee(self, assignee: Assignee) -> Self {
        Self { assignee: Some(assignee), ..self }
    }

    /// Adds a comment.
    #[must_use]
    pub fn comment(self, text: impl Into<String>) -> Self {
        Self { comment: Some(text.into()), ..self }
    }

    /// Sets the severity.
    #[must_use]
    pub fn severity(self, severity: Severity) -> Self {
        Self { severity: Some(severity), ..self }
    }

    /// Takes the nearest that the vendor can express.
    #[must_use]
    pub fn nearest(self) -> Self {
        Self { nearest: true, ..self }
    }

    /// True when nothing is to be changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        Self { nearest: false, ..self.clone() } == Self::default()
    }

    /// Refuses what says nothing.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`], naming what is wrong.
    pub fn check(&self) -> Result<()> {
        let wrong = if self.is_empty() {
            "nothing is to change"
        } else if self.comment.as_deref().is_some_and(|c| c.trim().is_empty()) {
            "the comment is blank"
        } else if matches!(&self.assignee, Some(Assignee::User(user)) if user.names().next().is_none()) {
            "nobody is named to assign it to"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::InvalidRequest, wrong).with_operation(Feature::CaseUpdate.as_str()))
    }

    /// Refuses what a vendor can express only nearly, unless [`Self::nearest`] allows it.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], with what was wanted and what would be sent.
    pub fn admit(&self, fit: &Fit) -> Result<()> {
        AlertChange { nearest: self.nearest, ..AlertChange::default() }.admit(fit)
    }
}
