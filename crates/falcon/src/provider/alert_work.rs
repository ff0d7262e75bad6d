//! Changes of alerts. Falcon keeps a verdict as a tag, which fills the console's column "Resolution"; it knows three.

use edr_core::{
    AlertChange, AlertStatus, Assignee, EdrProvider as _, Error, ErrorKind, Feature, Fit, Receipt, Result,
    User, Verdict,
};

use super::Falcon;
use crate::api::alerts::{self, AlertStatus as Word, AlertStep};

/// The verdicts that have a tag.
const VERDICTS: [(Verdict, &str); 3] = [
    (Verdict::Disregard, "ignored"),
    (Verdict::FalsePositive, "false_positive"),
    (Verdict::TruePositive, "true_positive"),
];

/// What stands in for a verdict that has no tag of Falcon's own.
const SUSPICIOUS: &str = "suspicious";

/// How a verdict is said.
struct Said {
    /// The tag.
    tag: Option<&'static str>,
    /// The comment that says what the tag cannot.
    comment: Option<String>,
    /// What is sent, where it is only nearly what was asked for.
    nearly: Option<String>,
}

fn say(verdict: &Verdict) -> Said {
    if let Some((_, tag)) = VERDICTS.iter().find(|(known, _)| known == verdict) {
        return Said { tag: Some(tag), comment: None, nearly: None };
    }
    match verdict {
        Verdict::Unknown => Said { tag: None, comment: None, nearly: None },
        Verdict::Suspicious => {
            Said { tag: Some(SUSPICIOUS), comment: None, nearly: Some("the tag suspicious".to_owned()) }
        }
        Verdict::Benign => Said { tag: Some("ignored"), comment: None, nearly: Some("ignored".to_owned()) },
        other => Said {
            tag: Some("ignored"),
            comment: Some(format!("verdict: {other}")),
            nearly: Some("ignored, with a comment".to_owned()),
        },
    }
}

fn word(status: &AlertStatus) -> Result<Word> {
    match status {
        AlertStatus::InProgress => Ok(Word::InProgress),
        AlertStatus::New => Ok(Word::New),
        AlertStatus::Reopened => Ok(Word::Reopened),
        AlertStatus::Resolved => Ok(Word::Closed),
        AlertStatus::Suppressed => {
            Err(Error::unsupported("Falcon has no such status: a rule hides an alert")
                .with_hint("the native client hides one with show_in_ui"))
        }
        other => Err(Error::unsupported(format!("Falcon has no status {other}"))
            .with_hint("it has new, in_progress, reopened and resolved")),
    }
}

/// How well Falcon can express a change.
pub(super) fn fit(change: &AlertChange) -> Result<Fit> {
    change.check()?;
    change.status.as_ref().map(word).transpose()?;
    let verdict_tag = |label: &&String| {
        VERDICTS.iter().map(|(_, tag)| *tag).chain([SUSPICIOUS]).any(|tag| tag.eq_ignore_ascii_case(label))
    };
    if let Some(label) = change.add_labels.iter().chain(&change.remove_labels).find(verdict_tag) {
        return Err(Error::new(ErrorKind::InvalidRequest, format!("the tag {label} is a verdict in Falcon"))
            .with_hint("set the verdict instead"));
    }
    let nearly = change.verdict.as_ref().and_then(|v| Some((v.to_string(), say(v).nearly?)));
    Ok(nearly.map_or(Fit::Exact, |(wanted, sent)| Fit::Lossy { wanted, sent }))
}

/// The change in Falcon's steps.
fn steps(change: &AlertChange) -> Result<Vec<AlertStep>> {
    let mut steps = Vec::new();
    if let Some(status) = &change.status {
        steps.push(AlertStep::SetStatus(word(status)?));
        // An alert that a rule hides reads as suppressed, whatever its status, unless it is closed.
        if *status != AlertStatus::Resolved {
            steps.push(AlertStep::ShowInUi(true));
        }
    }
    if let Some(said) = change.verdict.as_ref().map(say) {
        let all = VERDICTS.iter().map(|(_, tag)| *tag).chain([SUSPICIOUS]);
        let others = all.filter(|tag| Some(*tag) != said.tag);
        steps.extend(others.map(|tag| AlertStep::RemoveTag(tag.to_owned())));
        steps.extend(said.tag.map(|tag| AlertStep::AddTag(tag.to_owned())));
        steps.extend(said.comment.map(AlertStep::AppendComment));
    }
    match &change.assignee {
        Some(Assignee::User(user)) => steps.extend(give(user)),
        Some(_) => steps.push(AlertStep::Unassign),
        None => {}
    }
    steps.extend(change.comment.clone().map(AlertStep::AppendComment));
    steps.extend(change.remove_labels.iter().cloned().map(AlertStep::RemoveTag));
    steps.extend(change.add_labels.iter().cloned().map(AlertStep::AddTag));
    Ok(steps)
}

/// The surest name first: the e-mail address, the id, the name.
fn give(user: &User) -> Option<AlertStep> {
    let name = user.names().next()?.to_owned();
    Some(if name.contains('@') {
        AlertStep::AssignToUserId(name)
    } else if user.uid.as_ref() == Some(&name) {
        AlertStep::AssignToUuid(name)
    } else {
        AlertStep::AssignToName(name)
    })
}

impl Falcon {
    /// One call for one change.
    pub(super) async fn change_alerts(&self, change: &AlertChange, ids: &[String]) -> Result<Vec<Receipt>> {
        self.admit(Feature::AlertUpdate, ids)?;
        let operation = alerts::UPDATE.operation.name;
        let sendable = fit(change).and_then(|fit| change.admit(&fit)).and_then(|()| steps(change));
        let steps = sendable.map_err(|e| self.named(e, operation))?;
        let taken = self.client().update_alerts(ids, &steps).await?;
        Ok(self.receipts(ids, taken, operation, |_| false))
    }
}
