//! The native typed client: Falcon's own words, through the same plumbing.

use std::fmt;
use std::sync::Arc;

use edr_core::{Error, ErrorKind, Raw, Result};
use edr_http::{Failure, HttpClient, ItemEvent, Operation, RequestPlan};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use crate::api::alerts::{self, AlertEntity, AlertsParams};
use crate::api::hosts::{self, Device, HostsParams, OnlineState};
use crate::api::{ApiError, Envelope, Expect, Pagination, RESOURCES, Resources};
use crate::dialect::error_inside;

/// One reply of a typed call.
#[derive(Clone, Debug)]
pub struct Reply<T> {
    /// The resources, in the vendor's order.
    pub resources: Vec<T>,
    /// Resources that could not be decoded; never left out.
    pub undecoded: Vec<Raw>,
    /// The envelope: pagination, trace id, and errors that came beside the resources.
    pub envelope: Envelope,
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
/// Every method is one request (with retries); for walks over all pages and for the model that is
/// common to all vendors use [`crate::Falcon`] as an [`edr_core::EdrProvider`]. What has no method
/// yet goes through [`FalconClient::http`] and [`FalconClient::fetch`] with a plan of the caller's own.
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
        self.typed(plan, Expect::Listing).await.map(|(reply, _)| reply)
    }

    async fn by_id<T: DeserializeOwned>(&self, plan: RequestPlan) -> Result<Reply<T>> {
        self.typed(plan, Expect::Entities).await.map(|(reply, _)| reply)
    }

    /// A reply in types, and the errors that came beside its items as one.
    async fn typed<T: DeserializeOwned>(
        &self,
        plan: RequestPlan,
        expect: Expect,
    ) -> Result<(Reply<T>, Option<Error>)> {
        let raw = self.raw(plan, expect).await?;
        let mut reply = Reply { resources: Vec::new(), undecoded: Vec::new(), envelope: raw.tail.envelope };
        for item in raw.items {
            match serde_json::from_slice(&item) {
                Ok(resource) => reply.resources.push(resource),
                Err(_) => reply.undecoded.push(Raw::new(item)),
            }
        }
        Ok((reply, raw.tail.failure))
    }

    /// A page of whole devices; go on with `pagination().next` as the offset.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn hosts(&self, params: &HostsParams) -> Result<Reply<Device>> {
        self.listing(hosts::combined(params)).await
    }

    /// A page of device ids by scroll; go on with `pagination().offset`.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn host_ids(&self, params: &HostsParams) -> Result<Reply<String>> {
        self.listing(hosts::scroll(params)).await
    }

    /// Devices by id, in any number: asked for in pieces, and in no order.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn hosts_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<Vec<Reply<Device>>> {
        let plans: Vec<RequestPlan> = ids.chunks(hosts::MAX_IDS).map(hosts::entities).collect();
        stream::iter(plans).then(|plan| self.by_id(plan)).try_collect().await
    }

    /// Whether devices are connected, in any number: asked for in pieces of 100, up to eight at once.
    ///
    /// # Errors
    /// As the vendor answers; an error beside some of the states is one, too.
    pub async fn online_state<S: AsRef<str> + Sync>(&self, ids: &[S]) -> Result<Vec<OnlineState>> {
        let plans: Vec<RequestPlan> = ids.chunks(hosts::MAX_ONLINE_IDS).map(hosts::online_state).collect();
        let states = |plan| async {
            let (reply, failure) = self.typed::<OnlineState>(plan, Expect::Entities).await?;
            failure.map_or(Ok(reply.resources), Err)
        };
        let replies: Vec<Vec<OnlineState>> =
            stream::iter(plans).map(states).buffer_unordered(8).try_collect().await?;
        Ok(replies.into_iter().flatten().collect())
    }

    /// A page of whole alerts; go on with `pagination().after`.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn alerts(&self, params: &AlertsParams) -> Result<Reply<AlertEntity>> {
        self.listing(alerts::combined(params)).await
    }

    /// A page of composite ids; go on with a larger offset. Offset and limit together stay below 10,000.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] before anything is sent when they do not; as the vendor answers.
    pub async fn alert_ids(&self, params: &AlertsParams) -> Result<Reply<String>> {
        if params.offset.saturating_add(params.limit.unwrap_or(100)) >= alerts::OFFSET_CAP {
            return Err(Error::new(ErrorKind::InvalidRequest, "offset and limit together reach 10,000")
                .with_operation(alerts::QUERY.name)
                .with_tenant(self.http.tenant(), self.http.vendor())
                .with_hint("narrow created_timestamp and begin again at offset 0"));
        }
        self.listing(alerts::query(params)).await
    }

    /// Alerts by composite id, in any number: asked for in pieces, and in no order.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn alerts_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<Vec<Reply<AlertEntity>>> {
        let plans: Vec<RequestPlan> = ids.chunks(alerts::MAX_IDS).map(alerts::entities).collect();
        stream::iter(plans).then(|plan| self.by_id(plan)).try_collect().await
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
        let named =
            |e: Error| e.with_operation(operation.name).with_tenant(self.http.tenant(), self.http.vendor());
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
