//! Things by id: in pieces that fit, in the order asked for, and with a word about each.

use std::collections::{HashMap, HashSet};

use edr_core::{Error, Result};
use edr_http::RequestPlan;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::de::DeserializeOwned;

use super::{FalconClient, Reply};
use crate::FalconDetail;
use crate::api::{ApiError, Expect};

/// Something that has an id of the vendor's.
pub trait Identified {
    /// Its id.
    fn uid(&self) -> Option<&str>;

    /// Why the vendor did not do what was asked of it, where the row itself says so.
    fn refusal(&self) -> Option<ApiError> {
        None
    }

    /// Whether the row shows that what was asked is under way, whatever error is told of it elsewhere.
    fn is_begun(&self) -> bool {
        false
    }
}

/// Things that were asked for by id.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ById<T> {
    /// Those that are there, in the order asked for.
    pub found: Vec<T>,
    /// The ids that are not there, in the order asked for.
    pub missing: Vec<String>,
    /// What the vendor said beside the things, except that an id is not there.
    pub errors: Vec<ApiError>,
    /// Things that could not be decoded, as many as came; their ids are among the missing.
    pub undecoded: Vec<edr_core::Raw>,
}

/// An id of which the vendor did not do what was asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// The id.
    pub id: String,
    /// What the vendor said.
    pub error: ApiError,
}

/// What became of a change, id by id: each id that was given stands in exactly one of `done`, `refused`,
/// `unanswered`, `open` and `unsent`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PerId<T> {
    /// Those that the vendor took, in the order given.
    pub done: Vec<(String, T)>,
    /// Those that it refused.
    pub refused: Vec<Refusal>,
    /// Those that it was sent and said nothing about.
    pub unanswered: Vec<String>,
    /// Those of the call that failed: whether it was done is open.
    pub open: Vec<String>,
    /// Those that were not sent because a call before had failed.
    pub unsent: Vec<String>,
    /// What the vendor said about none of them.
    pub errors: Vec<ApiError>,
    /// Why a call failed.
    pub failure: Option<Error>,
    /// The id under which support finds the last call that was answered.
    pub trace_id: Option<String>,
}

impl<T> Default for PerId<T> {
    fn default() -> Self {
        let (done, refused, unanswered, open) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            done,
            refused,
            unanswered,
            open,
            unsent: Vec::new(),
            errors: Vec::new(),
            failure: None,
            trace_id: None,
        }
    }
}

impl<T> PerId<T> {
    /// True when every id was taken.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let rest = self.refused.len() + self.unanswered.len() + self.open.len() + self.unsent.len();
        rest == 0 && self.errors.is_empty() && self.failure.is_none()
    }

    /// Sorts an answer by its ids. `rows` is what the answer says about each, by id in lower case.
    pub(super) fn take(
        &mut self,
        ids: &[String],
        mut rows: HashMap<String, T>,
        errors: Vec<ApiError>,
        silent: Option<T>,
    ) where
        T: Clone + Identified,
    {
        let about = |e: &ApiError, id: &str| e.id.as_deref().is_some_and(|e| e.eq_ignore_ascii_case(id));
        for id in ids {
            let row = rows.remove(&id.to_ascii_lowercase());
            let said = errors.iter().find(|e| about(e, id)).cloned();
            let said = said.filter(|_| !row.as_ref().is_some_and(Identified::is_begun));
            let error = said.or_else(|| row.as_ref().and_then(Identified::refusal));
            match (error, row.or_else(|| silent.clone())) {
                (Some(error), _) => self.refused.push(Refusal { id: id.clone(), error }),
                (None, Some(row)) => self.done.push((id.clone(), row)),
                (None, None) => self.unanswered.push(id.clone()),
            }
        }
        let of_one = |e: &ApiError| self.refused.iter().any(|r| about(e, &r.id));
        self.errors.extend(errors.into_iter().filter(|e| !of_one(e)));
    }
}

/// How many ids and bytes of them fit into one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) ids: usize,
    bytes: usize,
    /// What an id costs besides its letters.
    each: usize,
}

impl Room {
    /// Ids in the query: some servers take no more than 8 KiB of URL.
    pub(super) fn url(ids: usize) -> Self {
        Self { ids, bytes: 7_000, each: "composite_ids=&".len() }
    }

    /// Ids in the body, of which the gateway takes 1 MiB.
    pub(super) fn body(ids: usize) -> Self {
        Self { ids, bytes: 900_000, each: "\"\",".len() }
    }

    fn cost(self, id: &str) -> usize {
        let letter = |b: u8| if b.is_ascii_alphanumeric() { 1 } else { 3 };
        self.each + id.bytes().map(letter).sum::<usize>()
    }

    /// Pieces that fit. An id that is too long for any stands alone: the vendor says so.
    pub(super) fn split(self, ids: &[String]) -> Vec<Vec<String>> {
        let mut pieces: Vec<Vec<String>> = Vec::new();
        let mut room = 0;
        for id in ids {
            let cost = self.cost(id);
            match pieces.last_mut().filter(|piece| piece.len() < self.ids && cost <= room) {
                Some(piece) => piece.push(id.clone()),
                None => {
                    room = self.bytes;
                    pieces.push(vec![id.clone()]);
                }
            }
            room = room.saturating_sub(cost);
        }
        pieces
    }
}

/// The ids, each once, in order.
pub(super) fn distinct<S: AsRef<str>>(ids: &[S]) -> Vec<String> {
    let mut seen = HashSet::new();
    let ids = ids.iter().map(|id| id.as_ref().to_owned());
    ids.filter(|id| seen.insert(id.to_ascii_lowercase())).collect()
}

/// The errors of a refused call, where each is about one of its ids.
fn refusals(error: &Error, ids: &[String]) -> Option<Vec<ApiError>> {
    let detail: &FalconDetail = error.detail()?.as_any().downcast_ref()?;
    let one = |e: &ApiError| ids.iter().any(|id| e.id.as_deref().is_some_and(|e| e.eq_ignore_ascii_case(id)));
    let all = !detail.errors.is_empty() && detail.errors.iter().all(one);
    (all && (200..500).contains(&detail.status) && detail.status != 429).then(|| detail.errors.clone())
}

fn by_uid<T: Identified>(rows: Vec<T>) -> HashMap<String, T> {
    rows.into_iter().filter_map(|row| Some((row.uid()?.to_ascii_lowercase(), row))).collect()
}

impl FalconClient {
    /// Things by id, in pieces, up to four at once.
    pub(super) async fn find<T, S>(
        &self,
        ids: &[S],
        room: Room,
        plan: impl Fn(&[String]) -> RequestPlan,
    ) -> Result<ById<T>>
    where
        T: DeserializeOwned + Identified,
        S: AsRef<str>,
    {
        let ids = distinct(ids);
        let plans: Vec<RequestPlan> = room.split(&ids).iter().map(|piece| plan(piece)).collect();
        let replies: Vec<Reply<T>> =
            stream::iter(plans).map(|plan| self.some(plan)).buffered(4).try_collect().await?;
        let mut out =
            ById { found: Vec::new(), missing: Vec::new(), errors: Vec::new(), undecoded: Vec::new() };
        let mut rows = HashMap::new();
        for reply in replies {
            out.errors.extend(reply.envelope.all_errors().into_iter().filter(|e| !e.is_about_id()));
            out.undecoded.extend(reply.undecoded);
            rows.extend(by_uid(reply.resources));
        }
        for id in ids {
            match rows.remove(&id.to_ascii_lowercase()) {
                Some(row) => out.found.push(row),
                None => out.missing.push(id),
            }
        }
        Ok(out)
    }

    /// Entities of a plan; that none of the ids is there may be said by a 404.
    async fn some<T: DeserializeOwned>(&self, plan: RequestPlan) -> Result<Reply<T>> {
        match self.typed(plan, Expect::Entities).await {
            Err(error) if error.is_not_found() => Ok(Reply::empty()),
            reply => reply.map(|(reply, _)| reply),
        }
    }

    /// A change of things by id, in pieces, one after the other: the first call that fails ends it.
    /// `silent` stands for an id about which a good answer says nothing, where that means that it was done.
    pub(super) async fn change<T, S>(
        &self,
        ids: &[S],
        room: Room,
        silent: Option<T>,
        plan: impl Fn(&[String]) -> RequestPlan,
    ) -> Result<PerId<T>>
    where
        T: Clone + DeserializeOwned + Identified,
        S: AsRef<str>,
    {
        let ids = distinct(ids);
        let mut out = PerId::default();
        let mut pieces = room.split(&ids).into_iter();
        let mut first = true;
        while let Some(piece) = pieces.next() {
            match self.typed::<T>(plan(&piece), Expect::Any).await {
                Ok((reply, _)) => {
                    let errors = reply.envelope.all_errors();
                    out.trace_id = reply.envelope.meta.and_then(|meta| meta.trace_id);
                    out.take(&piece, by_uid(reply.resources), errors, silent.clone());
                }
                Err(error) => match refusals(&error, &piece) {
                    Some(errors) => {
                        out.trace_id = error.trace_id().map(|id| id.into_owned());
                        out.take(&piece, HashMap::new(), errors, None);
                    }
                    None if first => return Err(error),
                    None => {
                        out.failure = Some(error);
                        out.open = piece;
                        out.unsent = pieces.by_ref().flatten().collect();
                    }
                },
            }
            first = false;
        }
        Ok(out)
    }
}

impl<T> Reply<T> {
    fn empty() -> Self {
        let envelope = crate::api::Envelope::default();
        Self { resources: Vec::new(), undecoded: Vec::new(), envelope, next: None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_hold_every_id_once_and_fit(
            ids in proptest::collection::vec("[a-z:]{1,40}", 0..200),
            most in 1_usize..50,
        ) {
            let room = Room { ids: most, bytes: 500, each: 5 };
            let pieces = room.split(&ids);
            prop_assert_eq!(pieces.concat(), ids);
            for piece in pieces {
                prop_assert!(!piece.is_empty() && piece.len() <= most);
                prop_assert!(piece.len() == 1 || piece.iter().map(|id| room.cost(id)).sum::<usize>() <= 500);
            }
        }
    }
}
