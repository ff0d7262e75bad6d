//! Changes of alerts (XDR 3) and issues (XDR 5). A verdict is the way in which an alert is closed: it has none
//! before, and cannot be closed without one.

use edr_core::{
    AlertChange, AlertStatus, Answer, EdrProvider as _, Error, ErrorKind, Feature, Fit, Receipt, Result,
    Verdict,
};
use edr_http::Operation;

use crate::api::alert_work::{self, AlertUpdate};
use crate::api::incidents::IncidentStatus;
use crate::api::issues::{self, IssueProgress, IssueReason, IssueUpdate};
use crate::{CortexXdr, Generation};

/// A state as both generations have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    InProgress,
    Closed(Reason),
}

/// A way to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Duplicate,
    FalsePositive,
    KnownIssue,
    Other,
    SecurityTesting,
    TruePositive,
}

/// The way to close for a verdict, and whether it says just that.
fn reason(verdict: &Verdict) -> (Reason, bool) {
    match verdict {
        Verdict::Disregard => (Reason::KnownIssue, true),
        Verdict::Duplicate => (Reason::Duplicate, true),
        Verdict::FalsePositive => (Reason::FalsePositive, true),
        Verdict::Test => (Reason::SecurityTesting, true),
        Verdict::TruePositive => (Reason::TruePositive, true),
        Verdict::Other(word) => (Reason::Other, word.eq_ignore_ascii_case("other")),
        _ => (Reason::Other, false),
    }
}

/// The state that is sent, if one is, and how well it says what is asked for.
fn state(change: &AlertChange) -> Result<(Option<State>, Fit)> {
    let undecided = matches!(change.verdict, None | Some(Verdict::Unknown));
    let open = |state, fit| match undecided {
        true => Ok((Some(state), fit)),
        false => Err(early()),
    };
    match &change.status {
        None if change.verdict.is_some() => Err(early()),
        None => Ok((None, Fit::Exact)),
        Some(AlertStatus::New) => open(State::New, Fit::Exact),
        Some(AlertStatus::InProgress) => open(State::InProgress, Fit::Exact),
        Some(AlertStatus::Reopened) => open(State::InProgress, lossy("reopened", "in_progress")),
        Some(AlertStatus::Resolved) => Ok(closed(change.verdict.as_ref())),
        Some(other) => Err(Error::unsupported(format!("Cortex XDR has no status {other} to be set"))
            .with_hint("it has new, in_progress and resolved")),
    }
}

fn closed(verdict: Option<&Verdict>) -> (Option<State>, Fit) {
    let (reason, exact) = verdict.map_or((Reason::Other, false), reason);
    let wanted = verdict.map_or("resolved without a verdict", Verdict::as_str);
    let fit = if exact { Fit::Exact } else { lossy(wanted, "resolved as other") };
    (Some(State::Closed(reason)), fit)
}

fn lossy(wanted: &str, sent: &str) -> Fit {
    Fit::Lossy { wanted: wanted.to_owned(), sent: sent.to_owned() }
}

fn early() -> Error {
    Error::unsupported("Cortex XDR keeps a verdict only on an alert that is resolved")
        .with_hint("set the status resolved with the verdict")
}

/// How well a generation can express a change.
fn fit(change: &AlertChange, generation: Generation) -> Result<Fit> {
    change.check()?;
    if change.assignee.is_some() {
        return Err(Error::unsupported("an alert of Cortex XDR is not assigned by the API")
            .with_hint("its incident or case can be"));
    }
    if !(change.add_labels.is_empty() && change.remove_labels.is_empty()) {
        return Err(Error::unsupported("the tags of an alert of Cortex XDR cannot be changed by the API"));
    }
    let (state, fit) = state(change)?;
    let closes = matches!(state, Some(State::Closed(_)));
    if generation == Generation::Xdr5 && change.comment.is_some() && !closes {
        return Err(Error::unsupported("an issue of XDR 5 takes a comment only when it is resolved"));
    }
    Ok(fit)
}

fn of_alert(change: &AlertChange) -> Result<AlertUpdate> {
    let word = |state| match state {
        State::New => IncidentStatus::New,
        State::InProgress => IncidentStatus::UnderInvestigation,
        State::Closed(Reason::Duplicate) => IncidentStatus::ResolvedDuplicate,
        State::Closed(Reason::FalsePositive) => IncidentStatus::ResolvedFalsePositive,
        State::Closed(Reason::KnownIssue) => IncidentStatus::ResolvedKnownIssue,
        State::Closed(Reason::Other) => IncidentStatus::ResolvedOther,
        State::Closed(Reason::SecurityTesting) => IncidentStatus::ResolvedSecurityTesting,
        State::Closed(Reason::TruePositive) => IncidentStatus::ResolvedTruePositive,
    };
    let update = state(change)?.0.map(word).into_iter().fold(AlertUpdate::new(), AlertUpdate::status);
    Ok(change.comment.iter().fold(update, |update, text| update.comment(text.as_str())))
}

fn of_issue(change: &AlertChange) -> Result<IssueUpdate> {
    let update = IssueUpdate::new();
    let update = match state(change)?.0 {
        None => update,
        Some(State::New) => update.progress(IssueProgress::New),
        Some(State::InProgress) => update.progress(IssueProgress::InProgress),
        Some(State::Closed(reason)) => update.resolved(match reason {
            Reason::Duplicate => IssueReason::Duplicate,
            Reason::FalsePositive => IssueReason::FalsePositive,
            Reason::KnownIssue => IssueReason::KnownIssue,
            Reason::Other => IssueReason::Another,
            Reason::SecurityTesting => IssueReason::SecurityTesting,
            Reason::TruePositive => IssueReason::TruePositive,
        }),
    };
    Ok(change.comment.iter().fold(update, |update, text| update.comment(text.as_str())))
}

impl CortexXdr {
    /// How well the tenant can express a change; where its generation is not known, how well both can.
    pub(crate) fn fit(&self, change: &AlertChange) -> Result<Fit> {
        let fit =
            |generation| fit(change, generation).map_err(|e| self.dress(e, Feature::AlertUpdate.as_str()));
        match self.client().known_generation() {
            Some(generation) => fit(generation),
            None => fit(Generation::Xdr3).and(fit(Generation::Xdr5)),
        }
    }

    /// One call for one change.
    pub(crate) async fn change_alerts(&self, change: &AlertChange, ids: &[String]) -> Result<Vec<Receipt>> {
        self.admit(Feature::AlertUpdate, ids)?;
        let generation = self.client().generation().await?;
        change.admit(&self.fit(change)?).map_err(|e| self.dress(e, Feature::AlertUpdate.as_str()))?;
        match generation {
            Generation::Xdr3 => self.change_alerts_of_3(change, ids).await,
            Generation::Xdr5 => self.change_issue(change, &ids[0]).await.map(|receipt| vec![receipt]),
        }
    }

    /// Alerts that the answer does not name were not there.
    async fn change_alerts_of_3(&self, change: &AlertChange, ids: &[String]) -> Result<Vec<Receipt>> {
        let operation = &alert_work::UPDATE;
        let done = match self.client().update_alerts(ids, &of_alert(change)?).await {
            Ok(done) => done,
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => return Err(error),
        };
        let answer = |id: &String| if done.contains(id) { Answer::Accepted } else { self.absent(operation) };
        Ok(ids.iter().map(|id| Receipt::new(id.as_str(), answer(id))).collect())
    }

    async fn change_issue(&self, change: &AlertChange, id: &str) -> Result<Receipt> {
        let answer = match self.client().update_issue(id, &of_issue(change)?).await {
            Ok(()) => Answer::Accepted,
            Err(error) if error.is_not_found() => self.absent(&issues::UPDATE),
            Err(error) => return Err(error),
        };
        Ok(Receipt::new(id, answer))
    }

    fn absent(&self, operation: &'static Operation) -> Answer {
        let error = Error::new(ErrorKind::NotFound, "there is no such alert");
        Answer::Refused(self.dress(error, operation.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words;

    const FIVE: Generation = Generation::Xdr5;
    const THREE: Generation = Generation::Xdr3;

    #[test]
    fn what_is_exact_is_read_back_as_it_was_asked_for() {
        let mut exact = 0;
        for status in AlertStatus::KNOWN {
            for verdict in Verdict::KNOWN.iter().chain([&Verdict::Other("other".into())]) {
                let change = AlertChange::new().status(status.clone()).verdict(verdict.clone());
                let Ok(Fit::Exact) = fit(&change, THREE) else { continue };
                assert_eq!(fit(&change, FIVE).unwrap(), Fit::Exact);
                exact += 1;
                let word = serde_json::to_value(of_alert(&change).unwrap().status_word()).unwrap();
                let (read, within) = words::status(word.as_str().unwrap());
                assert_eq!((&read, &within.unwrap_or_default()), (status, verdict));
                let update = of_issue(&change).unwrap();
                let (progress, reason) = update.words();
                assert_eq!(&words::status(progress.unwrap()).0, status);
                assert_eq!(&reason.map(words::verdict).unwrap_or_default(), verdict);
            }
        }
        assert_eq!(exact, 8, "new and in progress without a verdict, resolved with six");
    }

    #[test]
    fn what_cannot_be_said_is_told() {
        let lossy = |change: AlertChange| matches!(fit(&change, THREE), Ok(Fit::Lossy { .. }));
        let resolved = AlertChange::new().status(AlertStatus::Resolved);
        assert!(lossy(resolved.clone()) && lossy(AlertChange::new().status(AlertStatus::Reopened)));
        for verdict in [Verdict::Benign, Verdict::Suspicious, Verdict::Unknown, Verdict::Other("odd".into())]
        {
            assert!(lossy(resolved.clone().verdict(verdict.clone())), "{verdict}");
        }
        let refused =
            |change: &AlertChange, generation| fit(change, generation).is_err_and(|e| e.is_unsupported());
        for change in [
            AlertChange::new().verdict(Verdict::TruePositive),
            AlertChange::new().status(AlertStatus::New).verdict(Verdict::TruePositive),
            AlertChange::new().status(AlertStatus::Suppressed),
            AlertChange::new().assignee(edr_core::Assignee::Nobody),
            AlertChange::new().add_label("x"),
            AlertChange::new().remove_label("x"),
        ] {
            assert!(refused(&change, THREE) && refused(&change, FIVE), "{change:?}");
        }
        let comment = AlertChange::new().comment("x");
        assert!(!refused(&comment, THREE) && refused(&comment, FIVE));
    }
}
