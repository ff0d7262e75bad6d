//! On-demand scans: made, watched, cancelled, and planned for later. Scope "On-demand scans (ODS)".
//!
//! Every listing wants a filter. The order is written with a pipe (`created_on|desc`); where none is given, the
//! service's own default is sent, because it wants one.

use chrono::{DateTime, SecondsFormat, Utc};
use edr_http::RequestPlan;
use serde::{Serialize, Serializer};

use super::{AggregateSpec, Endpoint, ListParams, Paging, Verb};
use crate::time::Timestamp;
use crate::wire::wire;
use crate::words::words;

const READ: &str = "On-demand scans (ODS): read";
const WRITE: &str = "On-demand scans (ODS): write";
const LISTING: &[&str] = &["filter", "limit", "offset", "sort"];
const PAGES: Paging = Paging::Offset { cap: None };

macro_rules! scan_endpoints {
    ($($(#[$meta:meta])* $name:ident: list $operation:literal $path:literal;)+) => {
        $(
            $(#[$meta])*
            pub static $name: Endpoint =
                Endpoint::read($operation, Verb::Get, $path, READ).pages(PAGES, MAX_PAGE).query(LISTING);
        )+
    };
    ($($(#[$meta:meta])* $name:ident: get $operation:literal $path:literal;)+) => {
        $(
            $(#[$meta])*
            pub static $name: Endpoint =
                Endpoint::read($operation, Verb::Get, $path, READ).ids(MAX_IDS as u32).query(&["ids"]);
        )+
    };
    // They read, and the vendor wants the scope to write.
    ($($(#[$meta:meta])* $name:ident: count $operation:literal $path:literal;)+) => {
        $(
            $(#[$meta])*
            pub static $name: Endpoint = Endpoint::read($operation, Verb::Post, $path, WRITE);
        )+
    };
}

scan_endpoints! {
    /// Ids of scans.
    QUERY: list "query-scans" "/ods/queries/scans/v1";
    /// Ids of what single hosts have done.
    QUERY_HOSTS: list "query-scan-host-metadata" "/ods/queries/scan-hosts/v1";
    /// Ids of malicious files that were found.
    QUERY_FILES: list "query-malicious-files" "/ods/queries/malicious-files/v1";
    /// Ids of planned scans.
    QUERY_SCHEDULED: list "query-scheduled-scans" "/ods/queries/scheduled-scans/v1";
}

scan_endpoints! {
    /// Scans by id.
    ENTITIES: get "get-scans-by-scan-ids-v2" "/ods/entities/scans/v2";
    /// What single hosts have done, by id.
    HOSTS: get "get-scan-host-metadata-by-ids" "/ods/entities/scan-hosts/v1";
    /// Malicious files that were found, by id.
    FILES: get "get-malicious-files-by-ids" "/ods/entities/malicious-files/v1";
    /// Planned scans by id.
    SCHEDULED: get "get-scheduled-scans-by-scan-ids" "/ods/entities/scheduled-scans/v1";
}

scan_endpoints! {
    /// Counts of scans.
    COUNT_SCANS: count "aggregate-scans" "/ods/aggregates/scans/v1";
    /// Counts of what hosts have done.
    COUNT_HOSTS: count "aggregate-query-scan-host-metadata" "/ods/aggregates/scan-hosts/v1";
    /// Counts of planned scans.
    COUNT_SCHEDULED: count "aggregate-scheduled-scans" "/ods/aggregates/scheduled-scans/v1";
}

/// Starts a scan.
pub static CREATE: Endpoint = Endpoint::write("create-scan", Verb::Post, "/ods/entities/scans/v1", WRITE);
/// Stops scans.
pub static CANCEL: Endpoint =
    Endpoint::repeatable("cancel-scans", Verb::Post, "/ods/entities/scan-control-actions/cancel/v1", WRITE)
        .ids(MAX_IDS as u32);
/// Plans a scan.
pub static SCHEDULE: Endpoint =
    Endpoint::write("schedule-scan", Verb::Post, "/ods/entities/scheduled-scans/v1", WRITE);
/// Takes planned scans away.
pub static DELETE_SCHEDULED: Endpoint =
    Endpoint::write("delete-scheduled-scans", Verb::Delete, "/ods/entities/scheduled-scans/v1", WRITE)
        .ids(MAX_IDS as u32)
        .query(&["ids"]);

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] = &[
    &QUERY,
    &QUERY_HOSTS,
    &QUERY_FILES,
    &QUERY_SCHEDULED,
    &ENTITIES,
    &HOSTS,
    &FILES,
    &SCHEDULED,
    &COUNT_SCANS,
    &COUNT_HOSTS,
    &COUNT_SCHEDULED,
    &CREATE,
    &CANCEL,
    &SCHEDULE,
    &DELETE_SCHEDULED,
];

/// The most rows on a page.
pub const MAX_PAGE: u32 = 500;
/// The most ids in one call; the URL is the limit, and no other is published.
pub const MAX_IDS: usize = 100;

/// How eagerly the machine learning looks, or stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScanLevel {
    /// Off.
    Disabled = 0,
    /// Weakest.
    Cautious = 1,
    /// Between.
    Moderate = 2,
    /// Next to strongest.
    Aggressive = 3,
    /// Strongest.
    ExtraAggressive = 4,
}

impl Serialize for ScanLevel {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u8(*self as u8)
    }
}

/// How much of the processor a scan may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CpuPriority {
    /// Up to 1 %.
    Lowest = 1,
    /// Up to 25 %.
    Low = 2,
    /// Up to 50 %.
    Medium = 3,
    /// Up to 75 %.
    High = 4,
    /// All of it.
    Highest = 5,
}

impl Serialize for CpuPriority {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u8(*self as u8)
    }
}

words! {
    /// Where a scan stands.
    pub enum ScanStatus {
        /// It was stopped.
        Canceled = "canceled",
        /// It is done.
        Completed = "completed",
        /// It broke.
        Failed = "failed",
        /// It has not begun.
        Pending = "pending",
        /// It is under way.
        Running = "running",
        /// It is planned.
        Scheduled = "scheduled",
    }
}

/// A request of which unset fields are not sent.
macro_rules! sparse {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$doc:meta])* $field:ident: $ty:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct $name {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$ty>,)+
        }
    };
}

sparse! {
    /// How a scan is done; what is unset is as the vendor has it.
    pub struct ScanSettings {
        /// From where on the cloud's machine learning tells.
        cloud_ml_level_detection: ScanLevel,
        /// From where on it stops.
        cloud_ml_level_prevention: ScanLevel,
        /// From where on the cloud tells of adware.
        cloud_pup_adware_level_detection: ScanLevel,
        /// From where on it stops adware.
        cloud_pup_adware_level_prevention: ScanLevel,
        /// How much of the processor it may take.
        cpu_priority: CpuPriority,
        /// What it is for.
        description: String,
        /// Whether people at the machine are told.
        endpoint_notification: bool,
        /// As on Windows, on macOS.
        mac_cloud_ml_level_detection: ScanLevel,
        /// As on Windows, on macOS.
        mac_cloud_ml_level_prevention: ScanLevel,
        /// As on Windows, on macOS.
        mac_cloud_pup_adware_level_detection: ScanLevel,
        /// As on Windows, on macOS.
        mac_cloud_pup_adware_level_prevention: ScanLevel,
        /// Patterns of paths that are left out on macOS.
        mac_scan_exclusions: Vec<String>,
        /// Patterns of paths that are scanned on macOS.
        mac_scan_inclusions: Vec<String>,
        /// As on Windows, on macOS.
        mac_sensor_ml_level_detection: ScanLevel,
        /// As on Windows, on macOS.
        mac_sensor_ml_level_prevention: ScanLevel,
        /// As on Windows, on macOS.
        mac_sensor_pup_adware_level_detection: ScanLevel,
        /// As on Windows, on macOS.
        mac_sensor_pup_adware_level_prevention: ScanLevel,
        /// The most hours that it may take, up to 24; 0 for as long as it takes.
        max_duration: u8,
        /// The hours that it may be paused, up to 24.
        pause_duration: u8,
        /// Whether malicious files are locked away.
        quarantine: bool,
        /// Patterns of paths that are left out.
        scan_exclusions: Vec<String>,
        /// Patterns of paths that are scanned.
        scan_inclusions: Vec<String>,
        /// From where on the sensor's machine learning tells.
        sensor_ml_level_detection: ScanLevel,
        /// From where on it stops.
        sensor_ml_level_prevention: ScanLevel,
    }
}

/// A scan to be started: of hosts, or of groups of hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewScan {
    /// The paths, with wildcards.
    pub file_paths: Vec<String>,
    /// Groups of hosts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host_groups: Vec<String>,
    /// Hosts, by device id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// How it is done.
    #[serde(flatten)]
    pub settings: ScanSettings,
}

impl NewScan {
    /// Paths on hosts, with the vendor's settings.
    #[must_use]
    pub fn of_hosts<S: Into<String>>(path: &str, hosts: impl IntoIterator<Item = S>) -> Self {
        let hosts = hosts.into_iter().map(Into::into).collect();
        Self { file_paths: vec![path.to_owned()], hosts, ..Self::default() }
    }

    /// Paths on the hosts of a group, with the vendor's settings.
    #[must_use]
    pub fn of_group(path: &str, group: &str) -> Self {
        Self { file_paths: vec![path.to_owned()], host_groups: vec![group.to_owned()], ..Self::default() }
    }
}

fn stamp<S: Serializer>(time: &DateTime<Utc>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// When a planned scan is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScanSchedule {
    /// How often it is repeated, in the service's own unit (falconpy says seconds); `None` for once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u32>,
    /// The first time.
    #[serde(serialize_with = "stamp")]
    pub start_timestamp: DateTime<Utc>,
}

#[derive(Serialize)]
struct Planned<'a> {
    #[serde(flatten)]
    scan: &'a NewScan,
    schedule: &'a ScanSchedule,
}

/// A page of a listing of this service; without an order, in this one.
fn page(endpoint: &'static Endpoint, params: &ListParams, sort: &str) -> RequestPlan {
    let mut params = params.clone();
    params.sort.get_or_insert_with(|| sort.to_owned());
    params.plan(endpoint)
}

/// A page of ids of scans.
#[must_use]
pub fn query(params: &ListParams) -> RequestPlan {
    page(&QUERY, params, "created_on|desc")
}

/// A page of ids of what single hosts have done.
#[must_use]
pub fn query_hosts(params: &ListParams) -> RequestPlan {
    page(&QUERY_HOSTS, params, "last_updated|desc")
}

/// A page of ids of malicious files that were found.
#[must_use]
pub fn query_files(params: &ListParams) -> RequestPlan {
    page(&QUERY_FILES, params, "last_updated|desc")
}

/// A page of ids of planned scans.
#[must_use]
pub fn query_scheduled(params: &ListParams) -> RequestPlan {
    page(&QUERY_SCHEDULED, params, "schedule.start_timestamp|desc")
}

/// Counts by one of [`COUNT_SCANS`], [`COUNT_HOSTS`] and [`COUNT_SCHEDULED`].
#[must_use]
pub fn counts(of: &'static Endpoint, specs: &[AggregateSpec]) -> RequestPlan {
    of.json(&specs)
}

/// Starts a scan.
#[must_use]
pub fn create(scan: &NewScan) -> RequestPlan {
    CREATE.json(scan)
}

/// Stops scans, at most [`MAX_IDS`].
#[must_use]
pub fn cancel<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    CANCEL.by_body(ids)
}

/// Plans a scan.
#[must_use]
pub fn schedule(scan: &NewScan, schedule: &ScanSchedule) -> RequestPlan {
    SCHEDULE.json(&Planned { scan, schedule })
}

/// Takes planned scans away, at most [`MAX_IDS`].
#[must_use]
pub fn delete_scheduled<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    DELETE_SCHEDULED.by_query("ids", ids)
}

wire! {
    /// A scan, `domain.ScanV2`.
    pub struct Scan {
        affected_hosts_count: Option<i64>,
        cid: Option<String>,
        cloud_ml_level_detection: Option<i64>,
        cloud_ml_level_prevention: Option<i64>,
        completed_host_count: Option<i64>,
        cpu_priority: Option<i64>,
        created_by: Option<String>,
        created_on: Option<Timestamp>,
        description: Option<String>,
        endpoint_notification: Option<bool>,
        file_paths: Vec<String>,
        filecount: Option<FileCount>,
        host_groups: Vec<String>,
        hosts: Vec<String>,
        id: Option<String>,
        incomplete_host_count: Option<i64>,
        initiated_from: Option<String>,
        last_updated: Option<Timestamp>,
        max_duration: Option<i64>,
        missing_host_count: Option<i64>,
        not_started_host_count: Option<i64>,
        pause_duration: Option<i64>,
        profile_id: Option<String>,
        quarantine: Option<bool>,
        scan_completed_on: Option<Timestamp>,
        scan_exclusions: Vec<String>,
        scan_inclusions: Vec<String>,
        scan_started_on: Option<Timestamp>,
        sensor_ml_level_detection: Option<i64>,
        sensor_ml_level_prevention: Option<i64>,
        severity: Option<i64>,
        started_host_count: Option<i64>,
        status: Option<ScanStatus>,
        targeted_host_count: Option<i64>,
        targeted_platforms: Vec<String>,
    }
}

wire! {
    /// Files, by what became of them.
    pub struct FileCount {
        malicious: Option<i64>,
        quarantined: Option<i64>,
        scanned: Option<i64>,
        skipped: Option<i64>,
        traversed: Option<i64>,
    }
}

wire! {
    /// What one host has done of a scan, `domain.ScanHostMetadata`.
    pub struct ScanHost {
        cid: Option<String>,
        completed_on: Option<Timestamp>,
        filecount: Option<FileCount>,
        host_id: Option<String>,
        host_scan_id: Option<String>,
        id: Option<String>,
        last_updated: Option<Timestamp>,
        platform_name: Option<String>,
        profile_id: Option<String>,
        scan_control_reason: Option<String>,
        scan_id: Option<String>,
        severity: Option<i64>,
        started_on: Option<Timestamp>,
        status: Option<ScanStatus>,
    }
}

wire! {
    /// A malicious file that a scan has found.
    pub struct MaliciousFile {
        cid: Option<String>,
        filename: Option<String>,
        filepath: Option<String>,
        hash: Option<String>,
        host_id: Option<String>,
        host_scan_id: Option<String>,
        id: Option<String>,
        last_updated: Option<Timestamp>,
        pattern_id: Option<i64>,
        quarantined: Option<bool>,
        scan_id: Option<String>,
        severity: Option<i64>,
    }
}

wire! {
    /// A planned scan, `domain.ScanProfile`.
    pub struct ScheduledScan {
        cid: Option<String>,
        cpu_priority: Option<i64>,
        created_by: Option<String>,
        created_on: Option<Timestamp>,
        deleted: Option<bool>,
        description: Option<String>,
        file_paths: Vec<String>,
        host_groups: Vec<String>,
        hosts: Vec<String>,
        id: Option<String>,
        initiated_from: Option<String>,
        last_updated: Option<Timestamp>,
        max_duration: Option<i64>,
        quarantine: Option<bool>,
        scan_exclusions: Vec<String>,
        scan_inclusions: Vec<String>,
        schedule: Option<Schedule>,
        status: Option<ScanStatus>,
        targeted_host_count: Option<i64>,
        targeted_platforms: Vec<String>,
    }
}

wire! {
    /// When a planned scan is done.
    pub struct Schedule {
        interval: Option<i64>,
        start_timestamp: Option<Timestamp>,
    }
}
