//! Installers of the sensor, and how many sensors are in use. Scopes "Sensor Download" and "Sensor Usage".

use chrono::NaiveDate;
use edr_http::RequestPlan;

use super::{Endpoint, ListParams, Paging, Verb};
use crate::time::Timestamp;
use crate::wire::wire;

const READ: &str = "Sensor Download: read";
const USAGE: &str = "Sensor Usage: read";
const LISTING: &[&str] = &["filter", "limit", "offset", "sort"];
const UNCAPPED: Paging = Paging::Offset { cap: None };

/// Whole installers.
pub static COMBINED: Endpoint = Endpoint::read(
    "GetCombinedSensorInstallersByQueryV3",
    Verb::Get,
    "/sensors/combined/installers/v3",
    READ,
)
.pages(UNCAPPED, 500)
.query(LISTING);
/// The SHA-256 of installers, which are their ids.
pub static QUERY: Endpoint =
    Endpoint::read("GetSensorInstallersByQueryV3", Verb::Get, "/sensors/queries/installers/v3", READ)
        .pages(UNCAPPED, 500)
        .query(LISTING);
/// Installers by id.
pub static ENTITIES: Endpoint =
    Endpoint::read("GetSensorInstallersEntitiesV3", Verb::Get, "/sensors/entities/installers/v3", READ)
        .ids(MAX_IDS as u32)
        .query(&["ids"]);
/// An installer itself.
pub static DOWNLOAD: Endpoint = Endpoint::read(
    "DownloadSensorInstallerByIdV3",
    Verb::Get,
    "/sensors/entities/download-installer/v3",
    READ,
)
.query(&["id"]);
/// The customer id with its checksum, as a sensor is installed with it.
pub static CCID: Endpoint =
    Endpoint::read("GetSensorInstallersCCIDByQuery", Verb::Get, "/sensors/queries/installers/ccid/v1", READ);
/// Sensors in use, averaged over weeks.
pub static WEEKLY: Endpoint = Endpoint::read(
    "GetSensorUsageWeekly",
    Verb::Get,
    "/billing-dashboards-usage/aggregates/weekly-average/v1",
    USAGE,
)
.query(&["filter"]);
/// Sensors in use, averaged over hours.
pub static HOURLY: Endpoint = Endpoint::read(
    "GetSensorUsageHourly",
    Verb::Get,
    "/billing-dashboards-usage/aggregates/hourly-average/v1",
    USAGE,
)
.query(&["filter"]);

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] =
    &[&COMBINED, &QUERY, &ENTITIES, &DOWNLOAD, &CCID, &WEEKLY, &HOURLY];

/// The most ids in one call; the URL is the limit, and no other is published.
pub const MAX_IDS: usize = 100;

/// A page of whole installers.
#[must_use]
pub fn combined(params: &ListParams) -> RequestPlan {
    params.plan(&COMBINED)
}

/// A page of ids of installers.
#[must_use]
pub fn query(params: &ListParams) -> RequestPlan {
    params.plan(&QUERY)
}

/// Installers by id, at most [`MAX_IDS`].
#[must_use]
pub fn entities<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    ENTITIES.by_query("ids", ids)
}

/// An installer itself, by its id.
#[must_use]
pub fn download(sha256: &str) -> RequestPlan {
    DOWNLOAD.plan().query("id", sha256)
}

/// The customer id with its checksum.
#[must_use]
pub fn ccid() -> RequestPlan {
    CCID.plan()
}

/// How finely usage is averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Hour by hour.
    Hourly,
    /// Week by week.
    Weekly,
}

/// Which usage. The service takes its last complete days (two days ago and the 28 before) when nothing
/// is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageParams {
    /// The last day.
    pub event_date: Option<NaiveDate>,
    /// How many days, 1 to 395.
    pub period: Option<u16>,
    /// Customer ids, at most 100; all when none is named.
    pub cids: Vec<String>,
}

/// Sensors in use. All values of the filter are texts.
#[must_use]
pub fn usage(span: Span, params: &UsageParams) -> RequestPlan {
    let endpoint = match span {
        Span::Hourly => &HOURLY,
        Span::Weekly => &WEEKLY,
    };
    let calm = |text: &str| text.chars().filter(|c| c.is_ascii_alphanumeric() || "-,".contains(*c)).collect();
    let term = |name: &str, value: String| format!("{name}:'{value}'");
    let date = params.event_date.map(|d| term("event_date", d.to_string()));
    let period = params.period.map(|p| term("period", p.clamp(1, 395).to_string()));
    let cids = (!params.cids.is_empty()).then(|| term("selected_cids", calm(&params.cids.join(","))));
    let terms: Vec<String> = date.into_iter().chain(period).chain(cids).collect();
    endpoint.plan().maybe("filter", (!terms.is_empty()).then(|| terms.join("+")))
}

wire! {
    /// An installer, `domain.SensorInstallerV3`. Its SHA-256 is its id.
    pub struct Installer {
        architectures: Vec<String>,
        description: Option<String>,
        file_size: Option<i64>,
        file_type: Option<String>,
        is_lts: Option<bool>,
        lts_expiry_date: Option<Timestamp>,
        ltv_expiry_date: Option<Timestamp>,
        ltv_promoted_date: Option<Timestamp>,
        name: Option<String>,
        os: Option<String>,
        os_version: Option<String>,
        platform: Option<String>,
        release_date: Option<Timestamp>,
        sha256: Option<String>,
        version: Option<String>,
    }
}

wire! {
    /// Sensors in use on a day, by kind.
    pub struct Usage {
        chrome_os: Option<f64>,
        containers: Option<f64>,
        date: Option<Timestamp>,
        lumos: Option<f64>,
        mobile: Option<f64>,
        public_cloud_with_containers: Option<f64>,
        public_cloud_without_containers: Option<f64>,
        servers_with_containers: Option<f64>,
        servers_without_containers: Option<f64>,
        workstations: Option<f64>,
    }
}
