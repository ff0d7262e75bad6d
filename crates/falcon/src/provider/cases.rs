//! Cases: a page of them by ids and entities, and the work on them.

use bytes::Bytes;
use edr_core::{
    Answer, Assignee, Case, CaseChange, CaseQuery, CaseStatus, Cursor, Drift, EdrProvider as _, Error,
    ErrorKind, Feature, Fit, Listing as _, Noun, Page, PageEnd, Part, Query as _, Receipt, Rejected, Result,
    Severity, Sort, User,
};
use serde::{Deserialize, Serialize};

use super::{Falcon, filters, ids, in_order};
use crate::api::cases::{self, CaseChange as Change, CaseFields, CaseStatus as Word, CasesParams};
use crate::api::{Expect, ListParams};
use crate::fql::field;
use crate::map;

/// The largest page that is asked for; its cases are read by id, at most [`cases::MAX_IDS`] in a call.
pub(super) const MAX_PAGE: u32 = 500;

/// Where a listing stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Place {
    /// Rows on the pages before.
    o: u64,
    /// How many rows there were on the page before.
    c: Option<u64>,
}

/// The model's fields that the vendor sorts by, with its own names for them.
const SORTS: &[(&str, &str)] = &[
    ("created_time", "created_timestamp"),
    ("modified_time", "updated_timestamp"),
    ("severity", "severity"),
];

/// The fields that cases can be sorted by.
pub(super) fn sorts() -> Vec<&'static str> {
    SORTS.iter().map(|(own, _)| *own).collect()
}

/// The vendor's order: newest first unless another is asked for.
fn sort(sort: Option<Sort>) -> Result<String> {
    let Some(sort) = sort else { return Ok("created_timestamp.desc".to_owned()) };
    let known = SORTS.iter().find(|(own, _)| *own == sort.field.name);
    let (_, field) = known.ok_or_else(|| {
        Error::unsupported(format!("cases cannot be sorted by {}", sort.field.name))
            .with_hint(format!("sort by one of {}", sorts().join(", ")))
    })?;
    Ok(format!("{field}.{}", if sort.descending { "desc" } else { "asc" }))
}

impl Falcon {
    pub(super) async fn case_page(&self, query: &CaseQuery, cursor: Option<&Cursor>) -> Result<Page<Case>> {
        let named = |e: Error| self.named(e, cases::QUERY.operation.name);
        let context = self.context();
        let print = query.fingerprint();
        let place: Place = match cursor {
            Some(cursor) => cursor.open(&context.tenant, Noun::Case, print).map_err(named)?,
            None => Place::default(),
        };
        let limit = query.page_size.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
        let rows = ListParams {
            filter: filters::cases(&query.filters).to_string(),
            sort: Some(sort(query.sort).map_err(named)?),
            limit: Some(limit),
            offset: place.o,
        };
        let params = CasesParams { rows, q: None };
        let reply = self.client().raw(cases::query(&params), Expect::Listing).await?;
        let (found, rejected) = ids(&reply.items, &context, Noun::Case);
        let mut part = Part { rejected, ..Part::default() };
        self.beside(&reply.tail, &mut part);
        for chunk in found.chunks(cases::MAX_IDS) {
            self.case_entities(query, chunk, &context, &mut part).await?;
        }
        let total = reply.tail.envelope.pagination().count();
        // Rows that left the listing have moved the others towards its beginning.
        if place.c.zip(total).is_some_and(|(before, now)| now < before) {
            part.drift = Drift::Seen;
        }
        let offset = place.o + reply.items.len() as u64;
        let over = total.map_or(reply.items.len() < limit as usize, |total| offset >= total);
        let stuck = reply.items.is_empty();
        let next = (!over && !stuck)
            .then(|| Cursor::seal(&context.tenant, Noun::Case, print, &Place { o: offset, c: total }));
        part.end = Some(PageEnd { next: next.transpose()?, total });
        part.warnings.extend(self.notices());
        let mut page = Page::default();
        page.absorb(self.counted(part));
        Ok(page)
    }

    async fn case_entities(
        &self,
        query: &CaseQuery,
        ids: &[String],
        context: &map::Context,
        part: &mut Part<Case>,
    ) -> Result<()> {
        let entities = self.entities(cases::entities(ids)).await?;
        let before = part.rejected.len();
        let found = sift(&entities.items, context, &mut part.rejected);
        let (found, missing) = in_order(found, &part.rejected[before..], ids);
        self.miss(missing, &entities.tail, part);
        for case in found {
            if query.matches(&case) {
                part.items.push(case);
            } else {
                part.filtered_out.push(case.key());
            }
        }
        Ok(())
    }

    /// One call a case: each may be refused by itself.
    pub(super) async fn change_cases(&self, change: &CaseChange, uids: &[String]) -> Result<Vec<Receipt>> {
        self.admit(Feature::CaseUpdate, uids)?;
        let operation = cases::UPDATE.operation.name;
        change.check().map_err(|e| self.named(e, operation))?;
        let fit = fit(change).and_then(|fit| change.admit(&fit));
        fit.map_err(|e| self.named(e, operation))?;
        let fields = self.case_fields(change).await.map_err(|e| self.named(e, operation))?;
        let mut receipts = Vec::new();
        for uid in uids {
            let sent = Change { expected_version: None, fields: fields.clone(), id: uid.clone() };
            let receipt = match self.client().update_case(&sent).await {
                Ok(reply) => {
                    let done = reply.resources.iter().any(|c| c.id.as_deref() == Some(uid));
                    let unsaid = || {
                        let message = reply.errors().first().map(super::says);
                        let message = message.unwrap_or_else(|| "the answer does not mention it".to_owned());
                        let error = Error::new(ErrorKind::Vendor, message).with_outcome_unknown();
                        Answer::Unknown(self.named(error, operation))
                    };
                    Receipt::new(uid, if done { Answer::Accepted } else { unsaid() })
                }
                Err(error) if error.is_outcome_unknown() => Receipt::new(uid, Answer::Unknown(error)),
                Err(error) => Receipt::new(uid, Answer::Refused(error)),
            };
            receipts.push(receipt);
        }
        Ok(receipts)
    }

    async fn case_fields(&self, change: &CaseChange) -> Result<CaseFields> {
        let mut fields = CaseFields {
            severity: change.severity.as_ref().map(number).transpose()?,
            status: change.status.as_ref().map(word).transpose()?.map(|(word, _)| word),
            ..CaseFields::default()
        };
        match &change.assignee {
            Some(Assignee::User(user)) => fields.assigned_to_user_uuid = Some(self.uuid_of(user).await?),
            Some(_) => fields.remove_user_assignment = true,
            None => {}
        }
        Ok(fields)
    }

    /// Cases know accounts by their id alone.
    async fn uuid_of(&self, user: &User) -> Result<String> {
        if let Some(uid) = &user.uid {
            return Ok(uid.clone());
        }
        let name = user.names().next().unwrap_or_default();
        let absent = || {
            Error::new(
                ErrorKind::InvalidRequest,
                format!("no user of the console has the e-mail address {name:?}"),
            )
            .with_hint("give the e-mail address or the id of a user of the tenant")
        };
        let filter = field("uid").and_then(|f| f.eq(name)).map_err(|_| absent())?;
        let found = self.client().user_ids(&ListParams::filtered(filter.to_string())).await?.resources;
        match <[String; 1]>::try_from(found) {
            Ok([uuid]) => Ok(uuid),
            Err(_) => Err(absent()),
        }
    }
}

fn sift(raw: &[Bytes], context: &map::Context, rejected: &mut Vec<Rejected>) -> Vec<Case> {
    let mut found = Vec::with_capacity(raw.len());
    for item in raw {
        match map::case(item, context) {
            Ok(case) => found.push(case),
            Err(refused) => rejected.push(*refused),
        }
    }
    found
}

/// How well Falcon can express a change.
pub(super) fn fit(change: &CaseChange) -> Result<Fit> {
    if change.comment.is_some() {
        return Err(Error::unsupported("the API of Falcon takes no comments on cases"));
    }
    if change.verdict.is_some() {
        return Err(Error::unsupported("Falcon keeps no verdict of a case")
            .with_hint("set the verdict of its alerts"));
    }
    change.severity.as_ref().map(number).transpose()?;
    let status = change.status.as_ref().map(word).transpose()?;
    Ok(match (status, &change.status) {
        (Some((sent, false)), Some(wanted)) => {
            Fit::Lossy { wanted: wanted.to_string(), sent: sent.as_str().to_owned() }
        }
        _ => Fit::Exact,
    })
}

/// The vendor's word for a status, and whether it means the same.
fn word(status: &CaseStatus) -> Result<(Word, bool)> {
    match status {
        CaseStatus::Closed => Ok((Word::Closed, true)),
        CaseStatus::InProgress => Ok((Word::InProgress, true)),
        CaseStatus::New => Ok((Word::New, true)),
        CaseStatus::Reopened => Ok((Word::Reopened, true)),
        CaseStatus::Resolved => Ok((Word::Closed, false)),
        other => Err(Error::unsupported(format!("Falcon knows no status {other} of a case"))),
    }
}

/// The middle of the range that is read as this severity.
fn number(severity: &Severity) -> Result<u8> {
    match severity {
        Severity::Informational => Ok(10),
        Severity::Low => Ok(30),
        Severity::Medium => Ok(50),
        Severity::High => Ok(70),
        Severity::Critical => Ok(90),
        other => Err(Error::unsupported(format!("a case of Falcon cannot have the severity {other}"))),
    }
}

/// True for what can be the id of a case.
pub(super) fn is_case_id(uid: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':' | b'_');
    !uid.is_empty() && uid.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use edr_core::Verdict;

    use super::*;

    #[test]
    fn what_can_be_told_exactly_nearly_and_not_at_all() {
        for (change, exact) in [
            (CaseChange::new().status(CaseStatus::Closed), true),
            (CaseChange::new().status(CaseStatus::Resolved), false),
            (CaseChange::new().severity(Severity::High).assignee(Assignee::Nobody), true),
        ] {
            assert_eq!(fit(&change).unwrap() == Fit::Exact, exact, "{change:?}");
        }
        for change in [
            CaseChange::new().status(CaseStatus::OnHold),
            CaseChange::new().comment("x"),
            CaseChange::new().status(CaseStatus::Closed).verdict(Verdict::Test),
            CaseChange::new().severity(Severity::Unknown),
        ] {
            assert!(fit(&change).is_err(), "{change:?}");
        }
    }
}
