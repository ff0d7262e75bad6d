//! Requests and answers, one file a service: pure functions from parameters to a
//! [`edr_http::RequestPlan`], and what comes back.

pub(crate) mod alerts;
pub(crate) mod endpoints;
pub(crate) mod issues;
mod keys;
mod page;
mod record;
pub(crate) mod system;

pub use alerts::{AlertsPath, alerts};
pub use endpoints::{Agent, Endpoint, endpoint_list, endpoints};
pub use issues::issues;
pub use keys::{KeyRecord, api_keys};
pub use page::{Order, PageRequest};
pub use record::{AlertRecord, EventRecord};
pub use system::{healthcheck, tenant_info, validate_key};

pub(crate) use keys::{KEY_ADMIN, OTHER_KEY_TYPE, read_keys};
pub(crate) use page::{MAX_WINDOW, Skeleton};
pub(crate) use system::VIEWER;

#[cfg(test)]
pub(crate) use record::normalised_names;
