//! Incidents of XDR 3 and cases of XDR 5, each in its own words, and both as one noun: [`Case`].

use chrono::{DateTime, Utc};
use edr_core::{Error, ErrorKind, Raw, Result, Severity};

use super::{Batch, CortexClient, Item, Listing, Position};
use crate::api::cases::{self, CaseArtifact, CaseFilters, CaseProgress, CaseReason, CaseRecord, Entry};
use crate::api::incidents::{self, Incident, IncidentExtra, IncidentFilters, IncidentStatus, IncidentUpdate};
use crate::api::{PageRequest, reply};
use crate::filter::Filters;
use crate::{Generation, words};

/// An incident or a case.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Case {
    /// Its id: digits, which stay the same when a tenant goes from XDR 3 to XDR 5.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// How far it is.
    pub progress: Option<CaseProgress>,
    /// Why it was closed.
    pub reason: Option<CaseReason>,
    /// What was said when it was closed.
    pub resolve_comment: Option<String>,
    /// How bad it is; what somebody has set comes before what was computed.
    pub severity: Option<Severity>,
    /// When it was made.
    pub created: Option<DateTime<Utc>>,
    /// When it was changed.
    pub modified: Option<DateTime<Utc>>,
    /// When it was closed.
    pub resolved: Option<DateTime<Utc>>,
    /// The mail of who has it.
    pub assignee: Option<String>,
    /// How many alerts or issues it has.
    pub alerts: Option<u64>,
    /// Hosts.
    pub hosts: Vec<String>,
    /// Users.
    pub users: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Starred.
    pub starred: Option<bool>,
    /// Its page in the console.
    pub url: Option<String>,
    /// The vendor's JSON.
    pub raw: Raw,
}

/// The ways to close, on both generations.
const REASONS: [(IncidentStatus, CaseReason); 8] = [
    (IncidentStatus::ResolvedAuto, CaseReason::Auto),
    (IncidentStatus::ResolvedDuplicate, CaseReason::Duplicate),
    (IncidentStatus::ResolvedFalsePositive, CaseReason::FalsePositive),
    (IncidentStatus::ResolvedKnownIssue, CaseReason::KnownIssue),
    (IncidentStatus::ResolvedOther, CaseReason::Another),
    (IncidentStatus::ResolvedSecurityTesting, CaseReason::SecurityTesting),
    (IncidentStatus::ResolvedThreatHandled, CaseReason::ThreatHandled),
    (IncidentStatus::ResolvedTruePositive, CaseReason::TruePositive),
];

/// The state of an incident in the words of cases.
fn seen_as_case(status: &IncidentStatus) -> (CaseProgress, Option<CaseReason>) {
    let reason = REASONS.iter().find(|(known, _)| known == status).map(|(_, reason)| reason.clone());
    let progress = match status {
        IncidentStatus::New => CaseProgress::New,
        IncidentStatus::UnderInvestigation => CaseProgress::InProgress,
        status if status.is_resolved() => CaseProgress::Resolved,
        other => CaseProgress::Other(other.as_str().to_owned()),
    };
    (progress, reason)
}

impl Case {
    fn of_incident(item: Item<Incident>) -> Self {
        let Item { value: incident, raw } = item;
        let state = incident.status.as_ref().map(seen_as_case);
        let severity = incident.manual_severity.or(incident.severity);
        Self {
            id: incident.incident_id.unwrap_or_default(),
            name: incident.incident_name,
            description: incident.manual_description.or(incident.description),
            reason: state.as_ref().and_then(|(_, reason)| reason.clone()),
            progress: state.map(|(progress, _)| progress),
            resolve_comment: incident.resolve_comment,
            severity: severity.map(|word| words::severity(word.as_str())),
            created: incident.creation_time.time,
            modified: incident.modification_time.time,
            resolved: incident.resolved_timestamp.time,
            assignee: incident.assigned_user_mail,
            alerts: incident.alert_count,
            hosts: incident.hosts,
            users: incident.users,
            tags: incident.tags,
            starred: incident.starred,
            url: incident.xdr_url,
            raw,
        }
    }

    fn of_case(item: Item<CaseRecord>) -> Self {
        let Item { value: case, raw } = item;
        let severity = case.user_severity.or(case.severity);
        Self {
            id: case.case_id.unwrap_or_default(),
            name: case.case_name,
            description: case.description,
            progress: case.status_progress,
            reason: case.resolve_reason,
            resolve_comment: case.resolve_comment,
            severity: severity.map(|word| words::severity(word.as_str())),
            created: case.creation_time.time,
            modified: case.modification_time.time,
            resolved: case.resolved_timestamp.time,
            assignee: case.assigned_user_mail,
            alerts: case.issue_count,
            hosts: case.hosts,
            users: case.users,
            tags: case.tags,
            starred: case.starred,
            url: case.xdr_url,
            raw,
        }
    }
}

/// Which cases, on either generation.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CaseQuery {
    /// These.
    pub ids: Vec<String>,
    /// Made from this time on.
    pub created_from: Option<DateTime<Utc>>,
    /// Made up to this time.
    pub created_to: Option<DateTime<Utc>>,
    /// Changed from this time on.
    pub modified_from: Option<DateTime<Utc>>,
    /// Starred or not.
    pub starred: Option<bool>,
}

impl CaseQuery {
    fn incidents(&self) -> Result<Filters> {
        let mut filters = IncidentFilters::new();
        if !self.ids.is_empty() {
            filters = filters.ids(self.ids.iter().cloned())?;
        }
        filters = self.created_from.map_or(filters.clone(), |at| filters.created_from(at));
        filters = self.created_to.map_or(filters.clone(), |at| filters.created_to(at));
        filters = self.modified_from.map_or(filters.clone(), |at| filters.modified_from(at));
        Ok(self.starred.map_or(filters.clone(), |starred| filters.starred(starred)).into())
    }

    fn cases(&self) -> Result<Filters> {
        let mut filters = CaseFilters::new();
        if !self.ids.is_empty() {
            filters = filters.ids(self.ids.iter().map(|id| number(id)).collect::<Result<Vec<u64>>>()?)?;
        }
        filters = self.created_from.map_or(filters.clone(), |at| filters.created_from(at));
        filters = self.created_to.map_or(filters.clone(), |at| filters.created_to(at));
        filters = self.modified_from.map_or(filters.clone(), |at| filters.modified_from(at));
        Ok(self.starred.map_or(filters.clone(), |starred| filters.starred(starred)).into())
    }
}

fn number(id: &str) -> Result<u64> {
    let wrong = |_| Error::new(ErrorKind::InvalidRequest, "the id of a case is a number");
    id.trim().parse().map_err(wrong)
}

/// A listing of cases on either generation.
#[derive(Debug)]
pub struct CaseListing(Adapter);

#[derive(Debug)]
enum Adapter {
    Three(Listing<Incident>),
    Five(Listing<CaseRecord>),
}

impl CaseListing {
    /// The next window; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<CaseBatch>> {
        Some(match &mut self.0 {
            Adapter::Three(listing) => {
                listing.next().await?.map(|batch| CaseBatch::of(batch, Case::of_incident))
            }
            Adapter::Five(listing) => listing.next().await?.map(|batch| CaseBatch::of(batch, Case::of_case)),
        })
    }

    /// Goes on from a place.
    #[must_use]
    pub fn resume(self, position: Position) -> Self {
        Self(match self.0 {
            Adapter::Three(listing) => Adapter::Three(listing.resume(position)),
            Adapter::Five(listing) => Adapter::Five(listing.resume(position)),
        })
    }

    /// Where the next window begins.
    #[must_use]
    pub fn position(&self) -> &Position {
        match &self.0 {
            Adapter::Three(listing) => listing.position(),
            Adapter::Five(listing) => listing.position(),
        }
    }

    /// As [`Listing::shifted`].
    #[must_use]
    pub fn shifted(&self) -> bool {
        match &self.0 {
            Adapter::Three(listing) => listing.shifted(),
            Adapter::Five(listing) => listing.shifted(),
        }
    }

    /// Everything that is left.
    ///
    /// # Errors
    /// That of the window that fails.
    pub async fn collect(mut self) -> Result<CaseBatch> {
        let mut all = CaseBatch::default();
        while let Some(batch) = self.next().await {
            let batch = batch?;
            all.cases.extend(batch.cases);
            all.undecodable.extend(batch.undecodable);
        }
        all.shifted = self.shifted();
        Ok(all)
    }
}

/// A window of cases.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CaseBatch {
    /// The cases.
    pub cases: Vec<Case>,
    /// What cannot be decoded: its JSON, and why.
    pub undecodable: Vec<(Raw, String)>,
    /// What [`Listing::shifted`] says by now.
    pub shifted: bool,
}

impl CaseBatch {
    fn of<T>(batch: Batch<T>, case: fn(Item<T>) -> Case) -> Self {
        let Batch { items, undecodable, shifted, .. } = batch;
        Self { cases: items.into_iter().map(case).collect(), undecodable, shifted }
    }
}

/// What is to be changed on a case of either generation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CaseChange {
    /// It is being looked at.
    Begin,
    /// It is closed, for this reason.
    Resolve {
        /// Why.
        reason: CaseReason,
        /// Why, in words.
        comment: Option<String>,
    },
    /// It is as new again.
    Reopen,
}

impl CaseChange {
    fn incident(&self) -> Result<IncidentUpdate> {
        let update = IncidentUpdate::new();
        Ok(match self {
            Self::Begin => update.status(IncidentStatus::UnderInvestigation),
            Self::Reopen => update.status(IncidentStatus::New),
            Self::Resolve { reason, comment } => {
                let known = REASONS.iter().find(|(_, known)| known == reason);
                let unknown = || Error::unsupported("XDR 3 does not know this reason to close an incident");
                let update = update.status(known.ok_or_else(unknown)?.0.clone());
                comment.as_ref().map_or(update.clone(), |text| update.resolve_comment(text))
            }
        })
    }

    fn case(&self) -> cases::CaseUpdate {
        let update = cases::CaseUpdate::new();
        match self {
            Self::Begin => update.progress(CaseProgress::InProgress),
            Self::Reopen => update.progress(CaseProgress::New),
            Self::Resolve { reason, comment } => {
                let update = update.resolve(reason.clone());
                comment.as_ref().map_or(update.clone(), |text| update.resolve_comment(text))
            }
        }
    }
}

impl CortexClient {
    /// Cases of XDR 5 or incidents of XDR 3, oldest first.
    ///
    /// # Errors
    /// For an id that is no number, and when the generation cannot be found.
    pub async fn all_cases(&self, query: &CaseQuery) -> Result<CaseListing> {
        Ok(CaseListing(match self.generation().await? {
            Generation::Xdr3 => Adapter::Three(self.incidents(query.incidents()?)),
            Generation::Xdr5 => Adapter::Five(self.cases(query.cases()?)),
        }))
    }

    /// One case or incident.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, and as the vendor answers.
    pub async fn one_case(&self, id: &str) -> Result<Case> {
        let query = CaseQuery { ids: vec![id.trim().to_owned()], ..CaseQuery::default() };
        let found = self.all_cases(&query).await?.collect().await?;
        let absent = || Error::new(ErrorKind::NotFound, format!("there is no case {}", id.trim()));
        found.cases.into_iter().find(|case| case.id == id.trim()).ok_or_else(absent)
    }

    /// Changes a case or an incident.
    ///
    /// # Errors
    /// For a reason that the generation does not know, and as the vendor answers.
    pub async fn change_case(&self, id: &str, change: &CaseChange) -> Result<()> {
        match self.generation().await? {
            Generation::Xdr3 => self.update_incident(id, &change.incident()?).await,
            Generation::Xdr5 => self.update_case(id, &change.case()).await,
        }
    }

    /// Writes a comment on a case or an incident.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn comment_case(&self, id: &str, text: &str) -> Result<()> {
        match self.generation().await? {
            Generation::Xdr3 => self.update_incident(id, &IncidentUpdate::new().comment(text)).await,
            Generation::Xdr5 => self.reply(self.planned(cases::write_entry(id, text))?, reply::done).await,
        }
    }

    /// Incidents of XDR 3, oldest first.
    #[must_use]
    pub fn incidents(&self, filters: impl Into<Filters>) -> Listing<Incident> {
        Listing::new(self, &incidents::SHEET, filters.into())
    }

    /// A window of incidents of XDR 3, in an order of one's own.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn incident_page(&self, page: &PageRequest) -> Result<Batch<Incident>> {
        self.sheet(&incidents::SHEET, page).await
    }

    /// An incident of XDR 3 with its alerts and artifacts. The vendor allows ten such calls a minute.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn incident_extra(&self, id: &str, alerts_limit: Option<u32>) -> Result<IncidentExtra> {
        self.reply(self.planned(incidents::incident_extra(id, alerts_limit))?, reply::object).await
    }

    /// A window of incidents of XDR 3 with at most fifty alerts each: one call in place of many of the
    /// scarce ones. Where [`IncidentExtra::is_cut_off`] says so, ask for the incident alone.
    ///
    /// # Errors
    /// As the vendor answers; tenants need not have the call.
    pub async fn incidents_extra(&self, page: &PageRequest) -> Result<Vec<IncidentExtra>> {
        self.reply(incidents::incidents_extra(page), incidents::extras).await
    }

    /// Changes an incident of XDR 3.
    ///
    /// # Errors
    /// For an empty change and one that contradicts itself, and as the vendor answers.
    pub async fn update_incident(&self, id: &str, update: &IncidentUpdate) -> Result<()> {
        self.reply(self.planned(incidents::update_incident(id, update))?, reply::done).await
    }

    /// Cases of XDR 5, oldest first.
    #[must_use]
    pub fn cases(&self, filters: impl Into<Filters>) -> Listing<CaseRecord> {
        Listing::new(self, &cases::SHEET, filters.into())
    }

    /// Changes a case of XDR 5.
    ///
    /// # Errors
    /// As [`Self::update_incident`].
    pub async fn update_case(&self, id: &str, update: &cases::CaseUpdate) -> Result<()> {
        self.reply(self.planned(cases::update_case(id, update))?, reply::done).await
    }

    /// What a case of XDR 5 speaks of.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn case_artifacts(&self, id: &str) -> Result<Vec<CaseArtifact>> {
        let plan = self.planned(cases::case_artifacts(id))?;
        self.reply(plan, |body| reply::list(body, &["DATA", "artifacts"])).await
    }

    /// What was written on a case of XDR 5.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn case_entries(&self, id: &str) -> Result<Vec<Entry>> {
        let plan = self.planned(cases::entries(id))?;
        self.reply(plan, |body| reply::list(body, &["entries", "DATA", "data"])).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::cases::CaseSeverity;
    use crate::api::incidents::IncidentSeverity;

    #[test]
    fn states_of_incidents_are_those_of_cases() {
        assert_eq!(seen_as_case(&IncidentStatus::New), (CaseProgress::New, None));
        let closed = seen_as_case(&IncidentStatus::read("RESOLVED_FALSE_POSITIVE"));
        assert_eq!(closed, (CaseProgress::Resolved, Some(CaseReason::FalsePositive)));
        assert_eq!(seen_as_case(&IncidentStatus::read("resolved_x")), (CaseProgress::Resolved, None));
        assert_eq!(seen_as_case(&IncidentStatus::read("odd")).0, CaseProgress::Other("odd".into()));
        assert_eq!(
            words::severity(CaseSeverity::Info.as_str()),
            words::severity(IncidentSeverity::read("informational").as_str())
        );
    }
}
