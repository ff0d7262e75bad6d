//! Zero Trust Assessment: how well a device is set up. Scope "Zero Trust Assessment".

use edr_http::RequestPlan;

use super::{AfterParams, Endpoint, Paging, Verb};
use crate::time::Timestamp;
use crate::wire::wire;

const READ: &str = "Zero Trust Assessment: read";

/// Assessments by device id.
pub static ENTITIES: Endpoint =
    Endpoint::read("getAssessmentV1", Verb::Get, "/zero-trust-assessment/entities/assessments/v1", READ)
        .ids(MAX_IDS as u32)
        .query(&["ids"]);
/// Scores of devices. The filter is required.
pub static BY_SCORE: Endpoint = Endpoint::read(
    "getAssessmentsByScoreV1",
    Verb::Get,
    "/zero-trust-assessment/queries/assessments/v1",
    READ,
)
.pages(Paging::After, 1_000)
.query(&["after", "filter", "limit", "sort"]);
/// The averages of the account.
pub static AUDIT: Endpoint =
    Endpoint::read("getAuditV1", Verb::Get, "/zero-trust-assessment/entities/audit/v1", READ);

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] = &[&ENTITIES, &BY_SCORE, &AUDIT];

/// The most devices in one call; the URL is the limit, and no other is published.
pub const MAX_IDS: usize = 100;

/// Assessments of devices, at most [`MAX_IDS`].
#[must_use]
pub fn entities<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    ENTITIES.by_query("ids", ids)
}

/// A page of scores. The service wants a filter: without one, every score passes.
#[must_use]
pub fn by_score(params: &AfterParams) -> RequestPlan {
    let mut params = params.clone();
    if params.filter.is_empty() {
        "score:>=0".clone_into(&mut params.filter);
    }
    params.plan(&BY_SCORE)
}

/// The averages of the account.
#[must_use]
pub fn audit() -> RequestPlan {
    AUDIT.plan()
}

wire! {
    /// How well a device is set up, `domain.SignalProperties`.
    pub struct Assessment {
        aid: Option<String>,
        assessment: Option<Scores>,
        assessment_items: Option<Signals>,
        cid: Option<String>,
        event_platform: Option<String>,
        modified_time: Option<Timestamp>,
        product_type_desc: Option<String>,
        sensor_file_status: Option<String>,
        system_serial_number: Option<String>,
    }
}

wire! {
    /// Scores, from 0 to 100.
    pub struct Scores {
        os: Option<i64>,
        overall: Option<i64>,
        sensor_config: Option<i64>,
        version: Option<String>,
    }
}

wire! {
    /// What the scores rest on.
    pub struct Signals {
        os_signals: Vec<Signal>,
        sensor_signals: Vec<Signal>,
    }
}

wire! {
    /// One thing that is looked at; `meets_criteria` is `yes` or `no`.
    pub struct Signal {
        criteria: Option<String>,
        group_name: Option<String>,
        meets_criteria: Option<String>,
        signal_id: Option<String>,
        signal_name: Option<String>,
    }
}

wire! {
    /// The score of a device.
    pub struct Score {
        aid: Option<String>,
        score: Option<i64>,
    }
}

wire! {
    /// The averages of an account.
    pub struct Audit {
        average_overall_score: Option<f64>,
        cid: Option<String>,
        num_aids: Option<i64>,
        platforms: Vec<PlatformAudit>,
    }
}

wire! {
    /// The averages of a platform.
    pub struct PlatformAudit {
        average_overall_score: Option<f64>,
        name: Option<String>,
        num_aids: Option<i64>,
    }
}
