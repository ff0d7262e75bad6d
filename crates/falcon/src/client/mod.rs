//! The native typed client: Falcon's own words, through the same plumbing.

mod alerts;
mod by_id;
mod cases;
mod discover;
mod escape;
mod exclusions;
mod flight_control;
mod host_groups;
mod hosts;
mod install_tokens;
mod iocs;
mod ods;
mod paging;
mod policies;
mod quarantine;
#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod request_tests;
mod sensors;
mod spotlight;
#[cfg(test)]
mod tests;
mod users;
mod zero_trust;

use std::fmt;
use std::sync::Arc;

use edr_core::{Error, ErrorKind, Raw, Result};
use edr_http::{Failure, HttpClient, ItemEvent, Operation, RequestPlan};
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use crate::api::{Aggregate, AggregateSpec, ApiError, Envelope, Expect, Pagination, RESOURCES, Resources};
use crate::dialect::error_inside;
pub use by_id::{ById, Identified, PerId, Refusal};
pub use escape::Answer;
pub use paging::{ListingCap, PageKey, Pages};

/// One reply of a typed call.
#[derive(Clone, Debug)]
pub struct Reply<T> {
    /// The resources, in the vendor's order.
    pub resources: Vec<T>,
    /// Resources that could not be decoded; never left out.
    pub undecoded: Vec<Raw>,
    /// The envelope: pagination, trace id, and errors that came beside the resources.
    pub envelope: Envelope,
    /// Where a listing goes on; `None` on its last page, and in a reply that is no listing.
    pub next: Option<PageKey>,
}

impl<T> Reply<T> {
    /// Where the listing goes on, and how many match.
    #[must_use]
    pub fn pagination(&self) -> Pagination {
        self.envelope.pagination()
    }

    /// Errors that came beside the resources, such as a 404 for each id that is not there.
    #[must_use]
    pub fn errors(&self) -> &[ApiError] {
        &self.envelope.errors
    }
}

/// A whole reply as raw items.
#[derive(Debug, Default)]
pub(crate) struct RawReply {
    pub(crate) items: Vec<bytes::Bytes>,
    pub(crate) tail: Tail,
}

/// What a reply says besides its items.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    pub(crate) envelope: Envelope,
    /// The errors that came beside the items, as one; that an id is not there is none.
    pub(crate) failure: Option<Error>,
}

/// Falcon's API in Falcon's types. Cheap to clone; clones share connections, token and pace.
///
/// A method that lists gives one page; [`FalconClient::pages`] walks over all of them. A method that
/// takes ids takes any number, sends them in pieces, and says of each id what became of it ([`ById`],
/// [`PerId`]). What has no method goes through [`FalconClient::send`] and [`FalconClient::list`] by path,
/// or through [`FalconClient::fetch`] with a plan of the caller's own. For the model that is common to all
/// vendors use [`crate::Falcon`] as an [`edr_core::EdrProvider`].
///
/// Every method fails as the vendor answers, after the retries that its operation allows.
#[derive(Clone)]
pub struct FalconClient {
    http: HttpClient,
    told: Arc<std::sync::Mutex<Vec<&'static str>>>,
}

impl fmt::Debug for FalconClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FalconClient").field("http", &self.http).finish_non_exhaustive()
    }
}

impl FalconClient {
    pub(crate) fn new(http: HttpClient) -> Self {
        Self { http, told: Arc::default() }
    }

    /// The plumbing, for plans of the caller's own.
    #[must_use]
    pub fn http(&self) -> &HttpClient {
        &self.http
    }

    /// Sends a plan and decodes its resources as a type of the caller's.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn fetch<T: DeserializeOwned>(&self, plan: RequestPlan) -> Result<Reply<T>> {
        self.typed(plan, Expect::Any).await.map(|(reply, _)| reply)
    }

    async fn listing<T: DeserializeOwned>(&self, plan: RequestPlan) -> Result<Reply<T>> {
        let turn = paging::Turn::of(&plan);
        let (mut reply, _) = self.typed(plan, Expect::Listing).await?;
        // A cap is an error to who walks on; a caller of one page has the page.
        reply.next = turn.next(&reply).unwrap_or_default();
        Ok(reply)
    }

    /// A reply with a list that is no listing.
    async fn entities<T: DeserializeOwned>(&self, plan: RequestPlan) -> Result<Reply<T>> {
        self.typed(plan, Expect::Entities).await.map(|(reply, _)| reply)
    }

    /// A reply in types, and the errors that came beside its items as one.
    async fn typed<T: DeserializeOwned>(
        &self,
        plan: RequestPlan,
        expect: Expect,
    ) -> Result<(Reply<T>, Option<Error>)> {
        let raw = self.raw(plan, expect).await?;
        let mut reply =
            Reply { resources: Vec::new(), undecoded: Vec::new(), envelope: raw.tail.envelope, next: None };
        for item in raw.items {
            match serde_json::from_slice(&item) {
                Ok(resource) => reply.resources.push(resource),
                Err(_) => reply.undecoded.push(Raw::new(item)),
            }
        }
        Ok((reply, raw.tail.failure))
    }

    /// A page of a service that wants a filter: without one nothing is sent.
    async fn filtered<T: DeserializeOwned>(&self, plan: RequestPlan) -> Result<Reply<T>> {
        let filter = plan.query.iter().find(|(key, _)| key == "filter");
        if filter.is_none_or(|(_, filter)| filter.trim().is_empty()) {
            let hint = "for all rows name a time that is long ago, such as created_timestamp:>'2000-01-01T00:00:00Z'";
            return Err(self.refuse(&plan, "the service answers no listing without a filter", hint));
        }
        self.listing(plan).await
    }

    /// Counts by questions, of which each must be whole.
    async fn counts(&self, plan: RequestPlan, specs: &[AggregateSpec]) -> Result<Reply<Aggregate>> {
        if specs.is_empty() || specs.iter().any(|s| s.lacks().is_some()) {
            let hint = "a date_histogram needs an interval, a date_range and a range need their spans";
            return Err(self.refuse(&plan, "a question of the aggregate is not whole", hint));
        }
        self.entities(plan).await
    }

    /// An error of ours, before anything is sent.
    fn refuse(&self, plan: &RequestPlan, message: &'static str, hint: &'static str) -> Error {
        Error::new(ErrorKind::InvalidRequest, message)
            .with_operation(plan.operation.name)
            .with_tenant(self.http.tenant(), self.http.vendor())
            .with_hint(hint)
    }

    /// A whole reply, its items raw.
    pub(crate) async fn raw(&self, plan: RequestPlan, expect: Expect) -> Result<RawReply> {
        let operation = plan.operation;
        let mut reader = self.http.items(plan, RESOURCES);
        let mut out = RawReply::default();
        while let Some(event) = reader.next().await {
            match event? {
                ItemEvent::Items(items) => out.items.extend(items),
                ItemEvent::Restarted => out.items.clear(),
                ItemEvent::End { skeleton, headers } => {
                    out.tail = self.tail(operation, expect, !out.items.is_empty(), &skeleton, &headers)?;
                }
            }
        }
        Ok(out)
    }

    /// What stands around the items of a success, of which there are some when `arrived`. Errors in
    /// place of items are the caller's error; an answer that is not what the operation answers is not
    /// Falcon's.
    pub(crate) fn tail(
        &self,
        operation: &'static Operation,
        expect: Expect,
        arrived: bool,
        skeleton: &[u8],
        headers: &HeaderMap,
    ) -> Result<Tail> {
        self.look_at(operation.name, headers);
        let named = |e: Error| {
            let e = operation.doubt(e).with_operation(operation.name);
            e.with_tenant(self.http.tenant(), self.http.vendor())
        };
        let now = self.http.clock().now();
        let reply =
            Failure { operation, status: StatusCode::OK, headers, body: skeleton, has_items: false, now };
        let envelope = Envelope::read(skeleton).unwrap_or_default();
        let failure = match expect {
            // The operation is the caller's, who may expect something beside errors that is no list.
            Expect::Any if Resources::of(skeleton) == Some(Resources::Other) => None,
            _ => error_inside(&reply).map(named),
        };
        if let Some(error) = &failure {
            // Whoever asks again for what is missing does so after a pause.
            self.http.hold(error);
            if !arrived {
                return Err(error.clone());
            }
        }
        if !expect.fits(&envelope, Resources::of(skeleton)) {
            let error = Error::new(ErrorKind::Decode, "the answer has not the shape of Falcon's envelope")
                .with_hint("check the base URL and what stands between here and the API");
            return Err(named(error));
        }
        Ok(Tail { envelope, failure })
    }

    /// Passes on that the vendor means to retire an operation, once for each.
    fn look_at(&self, operation: &'static str, headers: &HeaderMap) {
        let Some((_, value)) = headers.iter().find(|(n, _)| n.as_str().starts_with("x-api-deprecat")) else {
            return;
        };
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !told.contains(&operation) {
            told.push(operation);
            let what: String = value.to_str().unwrap_or_default().chars().take(200).collect();
            self.http.notice(format!("Falcon means to retire {operation}: {what}"));
        }
    }
}
