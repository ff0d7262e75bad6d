//! Alerts of XDR 3: one detection, three paths, three shapes.

use edr_http::{Operation, RequestPlan};

use super::ApiCall;
use super::page::PageRequest;
use super::system::VIEWER;

/// Alerts, the values of their events as arrays at the root.
pub static V2: Operation = Operation::read("v2/alerts/get_alerts_multi_events", VIEWER);
/// Alerts, with a list of events.
pub static V1: Operation = Operation::read("alerts/get_alerts_multi_events", VIEWER);
/// Alerts, flat.
pub static FLAT: Operation = Operation::read("alerts/get_alerts", VIEWER);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::three(&V2).at(AlertsPath::V2Events.path()).paged("alert_id"),
        ApiCall::three(&V1).paged("alert_id"),
        ApiCall::three(&FLAT).paged("alert_id"),
    ]
}

/// Where the items of all three stand.
pub(crate) const ALERTS: &[&[&str]] = &[&["reply", "alerts"]];
/// The name of the list.
pub(crate) const LIST: &[&str] = &["alerts"];
/// The name of the count, which is capped at [`CAP`].
pub(crate) const COUNT: &[&str] = &["total_count"];
/// The highest count that the vendor reports for alerts; beyond it there is no telling.
pub(crate) const CAP: u64 = 9_999;

/// The paths that list alerts, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AlertsPath {
    /// `v2/alerts/get_alerts_multi_events`: the values of events are arrays at the root.
    V2Events,
    /// `v1/alerts/get_alerts_multi_events`, called legacy: events are a list of objects.
    V1Events,
    /// `v1/alerts/get_alerts`: everything flat, one event.
    V1Flat,
}

impl AlertsPath {
    /// All, in the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::V2Events, Self::V1Events, Self::V1Flat];

    /// The operation.
    #[must_use]
    pub fn operation(self) -> &'static Operation {
        match self {
            Self::V2Events => &V2,
            Self::V1Events => &V1,
            Self::V1Flat => &FLAT,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::V2Events => "/public_api/v2/alerts/get_alerts_multi_events",
            Self::V1Events => "/public_api/v1/alerts/get_alerts_multi_events",
            Self::V1Flat => "/public_api/v1/alerts/get_alerts",
        }
    }
}

/// A window of alerts. Filters: `alert_id_list` (numbers), `alert_source`, `severity` (small letters),
/// `external_id_list` with `in`; `creation_time` (when it happened on the host) and
/// `server_creation_time` (when the service stored it) with `gte` and `lte`. Sorts: `severity`,
/// `creation_time`; `server_creation_time` where the tenant takes it.
#[must_use]
pub fn alerts(path: AlertsPath, page: &PageRequest) -> RequestPlan {
    RequestPlan::post_json(path.operation(), path.path(), page.body(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Filters;
    use crate::api::Order;

    #[test]
    fn a_window_of_alerts_is_asked_for_in_small_letters() {
        let filters = Filters::new().one_of("severity", ["high"]).unwrap().at_most("server_creation_time", 9);
        let page = PageRequest::window(0, 100).filters(filters).order(Order::descending("creation_time"));
        let expected = r#"{"request_data":{"filters":[{"field":"severity","operator":"in","value":["high"]},{"field":"server_creation_time","operator":"lte","value":9}],"search_from":0,"search_to":100,"sort":{"field":"creation_time","keyword":"desc"}}}"#;
        for (path, at) in [
            (AlertsPath::V2Events, "/public_api/v2/alerts/get_alerts_multi_events"),
            (AlertsPath::V1Events, "/public_api/v1/alerts/get_alerts_multi_events"),
            (AlertsPath::V1Flat, "/public_api/v1/alerts/get_alerts"),
        ] {
            let plan = alerts(path, &page);
            assert_eq!(plan.target, edr_http::Target::Path(at.into()));
            assert_eq!(plan.body, edr_http::Body::Bytes("application/json", expected.into()));
        }
    }
}
