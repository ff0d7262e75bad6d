//! Cases: incidents of XDR 3 and cases of XDR 5, listed, read and worked on.

use edr_core::{
    Answer, Assignee, Case, CaseChange, CaseQuery, CaseStatus, Cursor, EdrProvider as _, Error, ErrorKind,
    Feature, Fit, PartStream, Query as _, Receipt, Result, Severity, User, Verdict,
};

use super::CortexXdr;
use crate::api::cases::{CaseProgress, CaseReason, CaseUpdate};
use crate::api::incidents::{IncidentSeverity, IncidentStatus, IncidentUpdate};
use crate::api::{cases, incidents};
use crate::windows::{self, Book, Key, Leg, Windows};
use crate::{Filters, Generation, map, push};

impl CortexXdr {
    pub(super) async fn open_cases<'a>(
        &'a self,
        query: &'a CaseQuery,
        cursor: Option<Cursor>,
    ) -> Result<PartStream<'a, Case>> {
        let descending = match query.sort {
            None => true,
            Some(sort) if sort.field.name == "created_time" => sort.descending,
            Some(sort) => {
                let reason = format!("Cortex XDR does not sort cases by {}", sort.field.name);
                return Err(Error::unsupported(reason).with_hint("sort by created_time"));
            }
        };
        let generation = self.client().generation().await?;
        let windows = Windows {
            client: self.client(),
            query,
            book: match generation {
                Generation::Xdr3 => Book::of(&incidents::SHEET),
                Generation::Xdr5 => Book::of(&cases::SHEET),
            },
            filters: push::cases(query.filters(), generation),
            key: Some(Key {
                field: "creation_time",
                descending,
                read: Some(|case| Some(case.created_time?.timestamp_millis())),
            }),
            decode: match generation {
                Generation::Xdr3 => map::incident,
                Generation::Xdr5 => map::case,
            },
            leg: Leg::ONLY,
        };
        windows.open(cursor.as_ref())
    }

    pub(super) async fn one_case(&self, uid: &str) -> Result<Case> {
        let number: u64 = uid.parse().map_err(|_| {
            Error::new(ErrorKind::NotFound, format!("there is no case {uid:?}"))
                .with_hint("ids of cases and incidents are numbers")
        })?;
        let client = self.client();
        match client.generation().await? {
            Generation::Xdr3 => {
                let filters = Filters::new().one_of("incident_id_list", [number.to_string()])?;
                windows::one(client, &incidents::SHEET, filters, uid, map::incident).await
            }
            Generation::Xdr5 => {
                let filters = Filters::new().one_of("case_id", [number])?;
                windows::one(client, &cases::SHEET, filters, uid, map::case).await
            }
        }
    }

    /// One call a case, or two where a comment goes to another place.
    pub(super) async fn change_cases(&self, change: &CaseChange, uids: &[String]) -> Result<Vec<Receipt>> {
        self.admit(Feature::CaseUpdate, uids)?;
        change.check()?;
        let generation = self.client().generation().await?;
        change.admit(&fit(change, generation)?)?;
        let mut receipts = Vec::new();
        for uid in uids {
            let answer = match self.change_case(change, generation, uid).await {
                Ok(()) => Answer::Accepted,
                Err(error) if error.is_outcome_unknown() => Answer::Unknown(error),
                Err(error) => Answer::Refused(error),
            };
            receipts.push(Receipt::new(uid.clone(), answer));
        }
        Ok(receipts)
    }

    async fn change_case(&self, change: &CaseChange, generation: Generation, uid: &str) -> Result<()> {
        let client = self.client();
        if generation == Generation::Xdr3 {
            return client.update_incident(uid, &incident_update(change)?).await;
        }
        if let Some(update) = case_update(change)? {
            client.update_case(uid, &update).await?;
            let Some(text) = &change.comment else { return Ok(()) };
            // The state is changed by now, so that a refusal here is none of the whole.
            return client.comment_case(uid, text).await.map_err(|e| {
                e.with_outcome_unknown().with_hint("the state was changed; only the comment may be missing")
            });
        }
        match &change.comment {
            Some(text) => client.comment_case(uid, text).await,
            None => Ok(()),
        }
    }
}

/// How a verdict is told when a case is closed, and whether that is what it means.
fn reason(verdict: Option<&Verdict>) -> (IncidentStatus, CaseReason, bool) {
    match verdict {
        Some(Verdict::FalsePositive) => {
            (IncidentStatus::ResolvedFalsePositive, CaseReason::FalsePositive, true)
        }
        Some(Verdict::TruePositive) => (IncidentStatus::ResolvedTruePositive, CaseReason::TruePositive, true),
        Some(Verdict::Disregard) => (IncidentStatus::ResolvedKnownIssue, CaseReason::KnownIssue, true),
        Some(Verdict::Test) => (IncidentStatus::ResolvedSecurityTesting, CaseReason::SecurityTesting, true),
        Some(Verdict::Duplicate) => (IncidentStatus::ResolvedDuplicate, CaseReason::Duplicate, true),
        _ => (IncidentStatus::ResolvedOther, CaseReason::Another, false),
    }
}

/// How well a change can be told.
pub(super) fn fit(change: &CaseChange, generation: Generation) -> Result<Fit> {
    let done = change.status.as_ref().is_some_and(CaseStatus::is_done);
    if change.verdict.is_some() && !done {
        return Err(Error::unsupported("Cortex XDR knows a verdict only for a case that is resolved")
            .with_hint("set the status resolved, too"));
    }
    settable(change, generation)?;
    let mut near: Vec<(String, String)> = Vec::new();
    if let Some(status) = &change.status {
        match status {
            CaseStatus::InProgress | CaseStatus::New | CaseStatus::Resolved => {}
            CaseStatus::Closed => near.push(("closed".into(), "resolved".into())),
            CaseStatus::Reopened => near.push(("reopened".into(), "new".into())),
            other => return Err(Error::unsupported(format!("Cortex XDR knows no status {other} of a case"))),
        }
    }
    let (told, _, exact) = reason(change.verdict.as_ref());
    // Only XDR 3 cannot resolve without saying how.
    let says_how = change.verdict.is_some() || generation == Generation::Xdr3;
    if done && !exact && says_how {
        let wanted = change.verdict.as_ref().map_or("resolved", |verdict| verdict.as_str());
        near.push((wanted.to_owned(), told.as_str().to_owned()));
    }
    Ok(near.into_iter().next().map_or(Fit::Exact, |(wanted, sent)| Fit::Lossy { wanted, sent }))
}

/// Refuses what the generation cannot set at all.
fn settable(change: &CaseChange, generation: Generation) -> Result<()> {
    let five = generation == Generation::Xdr5;
    if five && change.assignee.is_some() {
        return Err(Error::unsupported("the API of Cortex XDR 5 does not assign cases"));
    }
    if five && change.severity.is_some() {
        return Err(Error::unsupported("the API of Cortex XDR 5 does not set the severity of cases"));
    }
    if let Some(Assignee::User(user)) = &change.assignee {
        mail(user)?;
    }
    change.severity.as_ref().map_or(Ok(()), |severity| self::severity(severity).map(drop))
}

/// Incidents are given to accounts by mail.
fn mail(user: &User) -> Result<&str> {
    let named = user.email.as_deref().or(user.name.as_deref()).filter(|mail| mail.contains('@'));
    named.ok_or_else(|| {
        Error::new(ErrorKind::InvalidRequest, "Cortex XDR assigns incidents by e-mail address")
            .with_hint("give the address of a user of the tenant")
    })
}

fn severity(severity: &Severity) -> Result<IncidentSeverity> {
    match severity {
        Severity::Low => Ok(IncidentSeverity::Low),
        Severity::Medium => Ok(IncidentSeverity::Medium),
        Severity::High => Ok(IncidentSeverity::High),
        Severity::Critical => Ok(IncidentSeverity::Critical),
        other => Err(Error::unsupported(format!("an incident cannot have the severity {other}"))
            .with_hint("use low, medium, high or critical")),
    }
}

fn incident_update(change: &CaseChange) -> Result<IncidentUpdate> {
    let mut update = IncidentUpdate::new();
    if let Some(status) = &change.status {
        update = update.status(match status {
            CaseStatus::InProgress => IncidentStatus::UnderInvestigation,
            status if status.is_done() => reason(change.verdict.as_ref()).0,
            _ => IncidentStatus::New,
        });
    }
    update = match &change.assignee {
        Some(Assignee::User(user)) => update.assign(mail(user)?),
        Some(_) => update.unassign(),
        None => update,
    };
    if let Some(severity) = &change.severity {
        update = update.severity(Some(self::severity(severity)?));
    }
    Ok(match &change.comment {
        Some(text) => update.comment(text.clone()),
        None => update,
    })
}

/// What goes to the state of a case; nothing where only a comment is written.
fn case_update(change: &CaseChange) -> Result<Option<CaseUpdate>> {
    let Some(status) = &change.status else { return Ok(None) };
    let update = CaseUpdate::new();
    Ok(Some(match status {
        CaseStatus::InProgress => update.progress(CaseProgress::InProgress),
        status if status.is_done() && change.verdict.is_some() => {
            update.resolve(reason(change.verdict.as_ref()).1)
        }
        status if status.is_done() => update.progress(CaseProgress::Resolved),
        _ => update.progress(CaseProgress::New),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(verdict: Verdict) -> CaseChange {
        CaseChange::new().status(CaseStatus::Resolved).verdict(verdict)
    }

    #[test]
    fn what_can_be_told_exactly_nearly_and_not_at_all() {
        use Generation::{Xdr3, Xdr5};
        for (change, generation, exact) in [
            (done(Verdict::FalsePositive), Xdr3, true),
            (done(Verdict::Benign), Xdr3, false),
            (done(Verdict::Benign), Xdr5, false),
            (CaseChange::new().status(CaseStatus::Resolved), Xdr3, false),
            (CaseChange::new().status(CaseStatus::Resolved), Xdr5, true),
            (CaseChange::new().status(CaseStatus::Closed), Xdr5, false),
            (CaseChange::new().status(CaseStatus::Reopened), Xdr5, false),
            (CaseChange::new().comment("x"), Xdr5, true),
            (CaseChange::new().severity(Severity::High), Xdr3, true),
        ] {
            let fit = fit(&change, generation).unwrap();
            assert_eq!(fit == Fit::Exact, exact, "{change:?} {fit:?}");
        }
        for (change, generation) in [
            (CaseChange::new().verdict(Verdict::Test), Xdr3),
            (CaseChange::new().severity(Severity::High), Xdr5),
            (CaseChange::new().severity(Severity::Informational), Xdr3),
            (CaseChange::new().status(CaseStatus::OnHold), Xdr3),
            (CaseChange::new().assignee(Assignee::Nobody), Xdr5),
            (CaseChange::new().assignee(Assignee::User(User::default())), Xdr3),
        ] {
            assert!(fit(&change, generation).is_err(), "{change:?}");
        }
    }

    #[test]
    fn a_change_becomes_the_update_of_either_generation() {
        let user = User { email: Some("ann@corp.example".to_owned()), ..User::default() };
        let change = done(Verdict::Duplicate).assignee(Assignee::User(user)).comment("as 8");
        let expected = IncidentUpdate::new()
            .status(IncidentStatus::ResolvedDuplicate)
            .assign("ann@corp.example")
            .comment("as 8");
        assert_eq!(incident_update(&change).unwrap(), expected);
        assert_eq!(case_update(&change).unwrap(), Some(CaseUpdate::new().resolve(CaseReason::Duplicate)));
        assert_eq!(case_update(&CaseChange::new().comment("x")).unwrap(), None);
    }
}
