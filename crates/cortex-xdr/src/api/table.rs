//! Every operation that this crate covers, as a table: who has it, who may call it, and its limits.
//! `docs/CORTEX-XDR.md` is made from it.

use std::fmt;
use std::time::Duration;

use edr_http::Operation;
use http::Method;

use crate::Generation;

/// The generations of the product that have an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Generations {
    /// XDR 3 and XDR 5.
    Both,
    /// XDR 5 only.
    Five,
    /// XDR 3 only.
    Three,
}

impl Generations {
    /// True when this generation has it.
    #[must_use]
    pub fn includes(self, generation: Generation) -> bool {
        match self {
            Self::Both => true,
            Self::Five => generation == Generation::Xdr5,
            Self::Three => generation == Generation::Xdr3,
        }
    }
}

impl fmt::Display for Generations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Both => "3, 5",
            Self::Five => "5",
            Self::Three => "3",
        })
    }
}

/// What is known of one operation.
#[derive(Debug)]
#[non_exhaustive]
pub struct ApiCall {
    /// Its name, idempotency and role.
    pub operation: &'static Operation,
    /// The method.
    pub method: Method,
    /// The path, with the names of its parts in braces.
    pub path: String,
    /// Who has it.
    pub generations: Generations,
    /// The widest window of a listing.
    pub page: Option<u32>,
    /// A budget of its own beside the tenant's: so many requests in this time.
    pub quota: Option<(u32, Duration)>,
    /// The most that one request may carry, in words.
    pub limit: Option<&'static str>,
    /// The key under which its items carry their identity.
    pub key: Option<&'static str>,
    /// It stands in the vendor's reference. The others are known from clients that use them.
    pub documented: bool,
}

impl ApiCall {
    fn new(operation: &'static Operation, generations: Generations) -> Self {
        let path = format!("/public_api/v1/{}", operation.name);
        Self {
            operation,
            method: Method::POST,
            path,
            generations,
            page: None,
            quota: operation.quota.map(|quota| (quota.requests, quota.window)),
            limit: None,
            key: None,
            documented: true,
        }
    }

    pub(crate) fn both(operation: &'static Operation) -> Self {
        Self::new(operation, Generations::Both)
    }

    pub(crate) fn three(operation: &'static Operation) -> Self {
        Self::new(operation, Generations::Three)
    }

    pub(crate) fn five(operation: &'static Operation) -> Self {
        Self::new(operation, Generations::Five)
    }

    /// A listing in windows of a hundred, whose items are known by `key`.
    pub(crate) fn paged(self, key: &'static str) -> Self {
        Self { page: Some(super::MAX_WINDOW), key: Some(key), ..self }
    }

    pub(crate) fn get(self) -> Self {
        Self { method: Method::GET, ..self }
    }

    pub(crate) fn at(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    pub(crate) fn limit(self, limit: &'static str) -> Self {
        Self { limit: Some(limit), ..self }
    }

    pub(crate) fn seen_in_clients(self) -> Self {
        Self { documented: false, ..self }
    }
}

/// Every operation, by service.
#[must_use]
pub fn operations() -> Vec<ApiCall> {
    let services: [fn() -> Vec<ApiCall>; 20] = [
        super::system::table,
        super::endpoints::table,
        super::responses::table,
        super::tags::table,
        super::device_control::table,
        super::actions::table,
        super::files::table,
        super::scripts::table,
        super::alerts::table,
        super::alert_work::table,
        super::incidents::table,
        super::issues::table,
        super::cases::table,
        super::hashes::table,
        super::indicators::table,
        super::xql::table,
        super::audits::table,
        super::distributions::table,
        super::admin::table,
        super::assets::table,
    ];
    services.into_iter().flat_map(|table| table()).collect()
}

/// The operation at a path such as `incidents/get_incidents` or `/public_api/v1/incidents/get_incidents/`.
pub(crate) fn find(path: &str) -> Option<ApiCall> {
    let plain = |path: &str| path.trim_end_matches('/').to_owned();
    operations().into_iter().find(|call| plain(&call.path) == plain(path))
}

/// The roles that an API key needs for these operations, each once. A role of one's own that allows
/// the same acts does as well.
///
/// ```
/// use cortex_xdr::api;
/// let roles = api::required_roles(&[&api::endpoints::GET_ENDPOINT, &api::system::TENANT_INFO]);
/// assert_eq!(roles, ["the role Viewer"]);
/// ```
#[must_use]
pub fn required_roles(operations: &[&Operation]) -> Vec<&'static str> {
    let mut roles: Vec<&'static str> = operations.iter().map(|operation| operation.scope).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}
