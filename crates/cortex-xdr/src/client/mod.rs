//! The native client: pages as the vendor has them, typed and lenient; and what is known of the tenant.
//! Each service has a file of its own below.

mod admin;
pub(crate) mod assets;
mod cases;
mod files;
mod listing;
mod raw;
mod responses;
mod threats;
mod xql;

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};
use edr_core::{Error, ErrorKind, Raw, Result, Warning};
use edr_http::{HttpClient, ItemEvent, RequestPlan};
use futures_util::lock::Mutex;
use serde::Deserialize;
use tokio::sync::Semaphore;

pub use assets::FindingListing;
pub use cases::{Case, CaseBatch, CaseChange, CaseListing, CaseQuery};
pub use listing::{Listing, Position};
pub use raw::RawPage;
pub use xql::{Rows, XqlRun};

use crate::api::{self, Agent, AlertRecord, AlertsPath, Endpoint, PageRequest, Sheet, Skeleton};
use crate::auth::Signer;
use crate::dialect::is_path_missing;
use crate::map::Context;
use crate::record::Record;
use crate::{Generation, KeyType};

/// The native client of one tenant. Clones share connections, pace and what was learned.
///
/// Every request is signed, paced and tried again as [`edr_http`] has it. What is not typed here can be
/// sent with [`Self::send`], or with [`Self::http`] and a plan of one's own.
#[derive(Clone)]
pub struct CortexClient(Arc<Inner>);

struct Inner {
    http: HttpClient,
    signer: Arc<Signer>,
    tenant_uid: Option<String>,
    generation: OnceLock<Generation>,
    probing: Mutex<()>,
    /// The first of [`AlertsPath::ALL`] that the tenant serves.
    path: AtomicUsize,
    /// The tenant refuses to sort by the time of storage.
    unstored: AtomicBool,
    /// Requests a second; 0 for no limit.
    pace: f64,
    /// Turns for queries that run at once.
    queries: Arc<Semaphore>,
}

impl fmt::Debug for CortexClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CortexClient")
            .field("http", &self.0.http)
            .field("key_type", &self.key_type())
            .field("generation", &self.known_generation())
            .finish_non_exhaustive()
    }
}

/// An item with the JSON that it was read from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Item<T> {
    /// What was read.
    pub value: T,
    /// The vendor's JSON.
    pub raw: Raw,
}

impl<T> Deref for Item<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A page in the vendor's own types.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Batch<T> {
    /// The items.
    pub items: Vec<Item<T>>,
    /// The items that cannot be decoded: their JSON, and why.
    pub undecodable: Vec<(Raw, String)>,
    /// The vendor's count of what matches; for alerts and issues it ends at 9,999.
    pub total: Option<u64>,
    /// What [`Listing::shifted`] says by now; false for a page of one's own.
    pub shifted: bool,
}

impl<T> Batch<T> {
    /// How many items came, those that cannot be decoded included.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        (self.items.len() + self.undecodable.len()) as u64
    }
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { items: Vec::new(), undecodable: Vec::new(), total: None, shifted: false }
    }
}

impl CortexClient {
    pub(crate) fn new(
        http: HttpClient,
        signer: Arc<Signer>,
        tenant_uid: Option<String>,
        generation: Option<Generation>,
        pace: f64,
    ) -> Self {
        let known = generation.map(OnceLock::from).unwrap_or_default();
        Self(Arc::new(Inner {
            http,
            signer,
            tenant_uid,
            generation: known,
            probing: Mutex::new(()),
            path: AtomicUsize::new(0),
            unstored: AtomicBool::new(false),
            pace,
            queries: Arc::new(Semaphore::new(api::xql::PARALLEL)),
        }))
    }

    /// The way to every other call: plans of one's own, signed and paced like ours.
    #[must_use]
    pub fn http(&self) -> &HttpClient {
        &self.0.http
    }

    /// How the key is used.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        self.0.signer.key_type()
    }

    /// Requests a second; 0 for no limit.
    pub(crate) fn pace(&self) -> f64 {
        self.0.pace
    }

    pub(crate) fn key_id(&self) -> &str {
        self.0.signer.id()
    }

    /// How far this machine's clock is behind the vendor's, as learned from a refusal.
    #[must_use]
    pub fn clock_offset(&self) -> TimeDelta {
        self.0.signer.offset()
    }

    /// The present time, corrected by what was learned.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.0.signer.now()
    }

    /// What every item of this tenant gets.
    pub(crate) fn context(&self) -> Context {
        Context {
            tenant: self.0.http.tenant().clone(),
            vendor: self.0.http.vendor().clone(),
            tenant_uid: self.0.tenant_uid.clone(),
            now: self.now(),
        }
    }

    /// The tenant's FQDN, where the address is one.
    #[must_use]
    pub fn tenant_uid(&self) -> Option<&str> {
        self.0.tenant_uid.as_deref()
    }

    /// What the user should know and has not been told: a clock that is off, a path that is missing.
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        let mut notices = self.0.http.take_notices();
        notices.extend(self.0.signer.take_notices());
        notices
    }

    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let tenant = self.0.http.tenant();
        let warning = |message| Warning { tenant: tenant.clone(), message };
        self.take_notices().into_iter().map(warning).collect()
    }

    /// The generation, when it is configured or has been found.
    #[must_use]
    pub fn known_generation(&self) -> Option<Generation> {
        self.0.generation.get().copied()
    }

    /// The generation: configured, or found by one probe that all callers share. A tenant that serves
    /// `issue/search` is of generation 5; the old paths may live on there and prove nothing.
    ///
    /// # Errors
    /// When the probe fails for another reason than a missing path.
    pub async fn generation(&self) -> Result<Generation> {
        if let Some(known) = self.known_generation() {
            return Ok(known);
        }
        let _turn = self.0.probing.lock().await;
        if let Some(known) = self.known_generation() {
            return Ok(known);
        }
        let found = self.probe().await?;
        Ok(*self.0.generation.get_or_init(|| found))
    }

    /// Looks which generation it is, whatever is configured.
    pub(crate) async fn probe(&self) -> Result<Generation> {
        let one = PageRequest::window(0, 1);
        let refused = match self.0.http.fetch(&api::issues(&one)).await {
            Ok(_) => return Ok(Generation::Xdr5),
            Err(error) if is_path_missing(&error) => return Ok(Generation::Xdr3),
            Err(error) => error,
        };
        // A gateway may forbid what is not there: alerts that answer show generation 3.
        let forbidden = matches!(refused.kind(), ErrorKind::Permission | ErrorKind::Licence);
        if forbidden && self.0.http.fetch(&api::alerts(AlertsPath::V2Events, &one)).await.is_ok() {
            return Ok(Generation::Xdr3);
        }
        Err(refused)
    }

    /// The paths of alerts that may be served, the known one first.
    pub(crate) fn alert_paths(&self) -> &'static [AlertsPath] {
        &AlertsPath::ALL[self.0.path.load(Ordering::Relaxed).min(AlertsPath::ALL.len() - 1)..]
    }

    /// Remembers the path that answered; says so once, when it is not the preferred one.
    pub(crate) fn answers(&self, path: AlertsPath) {
        let at = AlertsPath::ALL.iter().position(|p| *p == path).unwrap_or_default();
        if self.0.path.fetch_max(at, Ordering::Relaxed) < at {
            let (missing, serves) = (AlertsPath::ALL[0].operation().name, path.operation().name);
            self.0.http.notice(format!("the tenant does not serve {missing}; alerts are read by {serves}"));
        }
    }

    /// True when the tenant has refused to sort by the time of storage.
    pub(crate) fn is_unstored(&self) -> bool {
        self.0.unstored.load(Ordering::Relaxed)
    }

    /// Remembers that it has; says so once.
    pub(crate) fn refuses_stored(&self) {
        if !self.0.unstored.swap(true, Ordering::Relaxed) {
            self.0.http.notice(
                "the tenant does not sort alerts by the time of storage; they come in the order in which they \
                 happened, so an alert that arrives late stands further down",
            );
        }
    }

    /// The service failed when asked for the order by storage, and answered for another: an outage or a
    /// refusal, so nothing is remembered.
    pub(crate) fn failed_stored(&self) {
        self.0.http.notice(
            "the service failed when it was asked for alerts by the time of storage; this listing is in the order \
             in which they happened",
        );
    }

    /// A window of endpoints.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn endpoints(&self, page: &PageRequest) -> Result<Batch<Endpoint>> {
        let envelope = |body: &[u8]| Skeleton::read(body, api::endpoints::LIST, api::endpoints::COUNT);
        let decode = |body: &[u8]| api::endpoints::decode(body);
        self.batch(api::endpoints(page), api::endpoints::ENDPOINTS, decode, envelope).await
    }

    /// All agents at once, with five fields each.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn endpoint_list(&self) -> Result<Batch<Agent>> {
        let decode = |body: &[u8]| serde_json::from_slice(body).map_err(|e| e.to_string());
        self.batch(api::endpoint_list(), api::endpoints::AGENTS, decode, Skeleton::read_bare).await
    }

    /// A window of alerts by one of the paths of XDR 3.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn alerts(&self, path: AlertsPath, page: &PageRequest) -> Result<Batch<AlertRecord>> {
        let envelope = |body: &[u8]| Skeleton::read(body, api::alerts::LIST, api::alerts::COUNT);
        self.batch(api::alerts(path, page), api::alerts::ALERTS, record, envelope).await
    }

    /// A window of issues of XDR 5.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn issues(&self, page: &PageRequest) -> Result<Batch<AlertRecord>> {
        let envelope = |body: &[u8]| Skeleton::read(body, api::issues::LIST, api::issues::COUNT);
        self.batch(api::issues(page), api::issues::ISSUES, record, envelope).await
    }

    /// The API's word for its own state, such as `available`.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn healthcheck(&self) -> Result<String> {
        #[derive(Deserialize)]
        struct Health {
            status: String,
        }
        let reply = self.0.http.fetch(&api::healthcheck()).await?;
        let unread = |e| self.unread(api::healthcheck().operation.name, e);
        serde_json::from_slice::<Health>(&reply.body).map(|health| health.status).map_err(unread)
    }

    /// A window of a listing.
    pub(crate) async fn sheet<T: Record>(
        &self,
        sheet: &'static Sheet<T>,
        page: &PageRequest,
    ) -> Result<Batch<T>> {
        let envelope = |body: &[u8]| sheet.envelope(body);
        self.batch(sheet.plan(page), sheet.paths, |body| sheet.decode(body), envelope).await
    }

    /// Sends a plan and reads the whole answer.
    pub(crate) async fn reply<T>(
        &self,
        plan: RequestPlan,
        read: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T> {
        let reply = self.0.http.fetch(&plan).await?;
        read(&reply.body).map_err(|e| self.dressed(plan.operation.doubt(e), plan.operation.name))
    }

    /// A plan that could not be made names its tenant, too.
    pub(crate) fn planned(&self, plan: Result<RequestPlan>) -> Result<RequestPlan> {
        plan.map_err(|e| e.with_tenant(self.0.http.tenant(), self.0.http.vendor()))
    }

    fn dressed(&self, error: Error, operation: &'static str) -> Error {
        error.with_operation(operation).with_tenant(self.0.http.tenant(), self.0.http.vendor())
    }

    fn unread(&self, operation: &'static str, error: serde_json::Error) -> Error {
        Error::new(ErrorKind::Decode, "the answer has another form")
            .with_operation(operation)
            .with_tenant(self.0.http.tenant(), self.0.http.vendor())
            .with_source(error)
    }

    async fn batch<T>(
        &self,
        plan: RequestPlan,
        paths: &'static [&'static [&'static str]],
        decode: impl Fn(&[u8]) -> Result<T, String>,
        envelope: impl Fn(&[u8]) -> Result<Skeleton>,
    ) -> Result<Batch<T>> {
        let operation = plan.operation.name;
        let dressed = |e: Error| self.dressed(e, operation);
        let mut reader = self.0.http.items(plan, paths);
        let mut batch = Batch::default();
        while let Some(event) = reader.next().await {
            match event? {
                ItemEvent::Items(items) => {
                    items.into_iter().map(Raw::new).for_each(|raw| match decode(raw.as_bytes()) {
                        Ok(value) => batch.items.push(Item { value, raw }),
                        Err(reason) => batch.undecodable.push((raw, reason)),
                    })
                }
                ItemEvent::Restarted => batch = Batch::default(),
                ItemEvent::End { skeleton, .. } => {
                    batch.total = envelope(&skeleton).map_err(dressed)?.total;
                }
            }
        }
        Ok(batch)
    }
}

fn record(body: &[u8]) -> Result<AlertRecord, String> {
    AlertRecord::read(body).map_err(|e| format!("not an alert: {e}"))
}
