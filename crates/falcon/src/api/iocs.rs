//! Indicators of compromise that a tenant manages itself. Scope "IOC Management".

use chrono::{DateTime, SecondsFormat, Utc};
use edr_http::RequestPlan;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::{AfterParams, Endpoint, ListParams, Paging, Verb};
use crate::time::Timestamp;
use crate::wire::{Lists, wire};
use crate::words::words;

const READ: &str = "IOC Management: read";
const WRITE: &str = "IOC Management: write";
const INDICATORS: &str = "/iocs/entities/indicators/v1";
const SEARCH: &[&str] = &["after", "filter", "from_parent", "limit", "offset", "sort"];
const PAGE: &[&str] = &["limit", "offset"];
const UNCAPPED: Paging = Paging::Offset { cap: None };

/// Whole indicators.
pub static COMBINED: Endpoint =
    Endpoint::read("indicator.combined.v1", Verb::Get, "/iocs/combined/indicator/v1", READ)
        .pages(Paging::AfterCounted, MAX_PAGE)
        .query(SEARCH);
/// Ids of indicators.
pub static QUERY: Endpoint =
    Endpoint::read("indicator.search.v1", Verb::Get, "/iocs/queries/indicators/v1", READ)
        .pages(Paging::AfterCounted, MAX_PAGE)
        .query(SEARCH);
/// Indicators by id. The URL is the limit.
pub static ENTITIES: Endpoint =
    Endpoint::read("indicator.get.v1", Verb::Get, INDICATORS, READ).ids(MAX_IDS as u32).query(&["ids"]);
/// Makes indicators, all or none.
pub static CREATE: Endpoint = Endpoint::write("indicator.create.v1", Verb::Post, INDICATORS, WRITE)
    .query(&["ignore_warnings", "retrodetects"]);
/// Changes indicators, by id or by filter.
pub static UPDATE: Endpoint = Endpoint::write("indicator.update.v1", Verb::Patch, INDICATORS, WRITE)
    .query(&["ignore_warnings", "retrodetects"]);
/// Deletes indicators, by id or by filter.
pub static DELETE: Endpoint = Endpoint::write("indicator.delete.v1", Verb::Delete, INDICATORS, WRITE)
    .ids(MAX_IDS as u32)
    .query(&["comment", "filter", "from_parent", "ids"]);
/// On how many devices an indicator was seen.
pub static DEVICE_COUNT: Endpoint = Endpoint::read(
    "indicator.get.device_count.v1",
    Verb::Get,
    "/iocs/aggregates/indicators/device-count/v1",
    READ,
)
.query(&["type", "value"]);
/// The devices on which an indicator was seen.
pub static DEVICES: Endpoint =
    Endpoint::read("indicator.get.devices_ran_on.v1", Verb::Get, "/iocs/queries/indicators/devices/v1", READ)
        .pages(UNCAPPED, 100)
        .query(&["limit", "offset", "type", "value"]);
/// The processes of a device in which an indicator was seen.
pub static PROCESSES: Endpoint = Endpoint::read(
    "indicator.get.processes_ran_on.v1",
    Verb::Get,
    "/iocs/queries/indicators/processes/v1",
    READ,
)
.pages(UNCAPPED, 100)
.query(&["device_id", "limit", "offset", "type", "value"]);
/// The ids of the actions that there are.
pub static ACTIONS: Endpoint = Endpoint::read("action.query.v1", Verb::Get, "/iocs/queries/actions/v1", READ)
    .pages(UNCAPPED, 100)
    .query(PAGE);
/// What an action can be used for.
pub static ACTION_ENTITIES: Endpoint =
    Endpoint::read("action.get.v1", Verb::Get, "/iocs/entities/actions/v1", READ).ids(100).query(&["ids"]);
/// The types that there are.
pub static TYPES: Endpoint =
    Endpoint::read("ioc_type.query.v1", Verb::Get, "/iocs/queries/ioc-types/v1", READ)
        .pages(UNCAPPED, 100)
        .query(PAGE);
/// The platforms that there are.
pub static PLATFORMS: Endpoint =
    Endpoint::read("platform.query.v1", Verb::Get, "/iocs/queries/platforms/v1", READ)
        .pages(UNCAPPED, 100)
        .query(PAGE);
/// The severities that there are.
pub static SEVERITIES: Endpoint =
    Endpoint::read("severity.query.v1", Verb::Get, "/iocs/queries/severities/v1", READ)
        .pages(UNCAPPED, 100)
        .query(PAGE);

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] = &[
    &COMBINED,
    &QUERY,
    &ENTITIES,
    &CREATE,
    &UPDATE,
    &DELETE,
    &DEVICE_COUNT,
    &DEVICES,
    &PROCESSES,
    &ACTIONS,
    &ACTION_ENTITIES,
    &TYPES,
    &PLATFORMS,
    &SEVERITIES,
];

/// The most indicators on a page.
pub const MAX_PAGE: u32 = 2_000;
/// The most ids in one call; the URL holds about a hundred.
pub const MAX_IDS: usize = 100;
/// The most indicators in one call of [`create`].
pub const MAX_CREATE: usize = 2_000;

words! {
    /// What an indicator is.
    pub enum IocType {
        /// A domain with all that is below it; mobile platforms alone.
        AllSubdomains = "all_subdomains",
        /// A domain.
        Domain = "domain",
        /// An address of version 4.
        Ipv4 = "ipv4",
        /// An address of version 6.
        Ipv6 = "ipv6",
        /// The MD5 of a file.
        Md5 = "md5",
        /// The SHA-256 of a file.
        Sha256 = "sha256",
    }
}

words! {
    /// What is done when an indicator is seen. Domains and addresses take no more than to detect.
    pub enum IocAction {
        /// It is let through.
        Allow = "allow",
        /// It is told.
        Detect = "detect",
        /// Nothing.
        NoAction = "no_action",
        /// It is stopped and told.
        Prevent = "prevent",
        /// It is stopped, and told on no screen.
        PreventNoUi = "prevent_no_ui",
    }
}

words! {
    /// How bad it is.
    pub enum IocSeverity {
        /// The worst.
        Critical = "critical",
        /// Bad.
        High = "high",
        /// Good to know.
        Informational = "informational",
        /// Not very.
        Low = "low",
        /// Between.
        Medium = "medium",
    }
}

words! {
    /// Where an indicator applies. The mobile ones need Falcon for Mobile.
    pub enum IocPlatform {
        /// Android.
        Android = "android",
        /// iOS.
        Ios = "ios",
        /// Linux.
        Linux = "linux",
        /// macOS.
        Mac = "mac",
        /// Windows.
        Windows = "windows",
    }
}

impl IocPlatform {
    fn is_mobile(&self) -> bool {
        matches!(self, Self::Android | Self::Ios)
    }
}

fn stamp<S: Serializer>(time: &Option<DateTime<Utc>>, s: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => s.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true)),
        None => s.serialize_none(),
    }
}

/// The one part of the metadata that can be set.
fn metadata<S: Serializer>(name: &Option<String>, s: S) -> Result<S::Ok, S::Error> {
    let mut map = s.serialize_map(Some(1))?;
    map.serialize_entry("filename", name)?;
    map.end()
}

/// What an indicator says and does: the parts that can be set and changed. What is absent is unset in a
/// new indicator, and stays as it is in a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IocBody {
    /// What is done on Windows, macOS and Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<IocAction>,
    /// True for all devices; otherwise host groups are named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_globally: Option<bool>,
    /// Why it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it stops to act. The year 1 takes an expiration away.
    #[serde(serialize_with = "stamp", skip_serializing_if = "Option::is_none")]
    pub expiration: Option<DateTime<Utc>>,
    /// The groups of hosts that it applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_groups: Option<Vec<String>>,
    /// The name of the file that a hash is of.
    #[serde(rename = "metadata", serialize_with = "metadata", skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// What is done on iOS and Android.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mobile_action: Option<IocAction>,
    /// Where it applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platforms: Option<Vec<IocPlatform>>,
    /// How bad it is: needed to detect or prevent, refused otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<IocSeverity>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its tags; an empty list takes all away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

impl IocBody {
    /// For all devices of these platforms.
    #[must_use]
    pub fn everywhere(platforms: &[IocPlatform], action: IocAction) -> Self {
        let mobile = platforms.iter().any(IocPlatform::is_mobile);
        let desktop = platforms.iter().any(|p| !p.is_mobile());
        Self {
            action: desktop.then(|| action.clone()),
            mobile_action: mobile.then_some(action),
            applied_globally: Some(true),
            platforms: Some(platforms.to_vec()),
            ..Self::default()
        }
    }

    /// With a severity.
    #[must_use]
    pub fn severity(mut self, severity: IocSeverity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// With an end.
    #[must_use]
    pub fn until(mut self, time: DateTime<Utc>) -> Self {
        self.expiration = Some(time);
        self
    }

    /// With the name of the file that a hash is of.
    #[must_use]
    pub fn file_name(mut self, name: &str) -> Self {
        self.file_name = Some(name.to_owned());
        self
    }
}

/// An indicator to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIoc {
    /// What it is.
    pub kind: IocType,
    /// Its value.
    pub value: String,
    /// What it says and does.
    pub body: IocBody,
}

/// A change of one indicator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IocChange {
    /// The indicator.
    pub id: String,
    /// What changes.
    pub body: IocBody,
}

/// How a change is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IocOptions {
    /// A comment for the audit log.
    pub comment: Option<String>,
    /// Takes indicators about which the service warns, one that is there already included.
    pub ignore_warnings: bool,
    /// Looks for them in what has happened already.
    pub retrodetects: Option<bool>,
}

/// A body with the fields before it, written flat: the wire has them side by side.
fn flat(first: &[(&str, &str)], body: &IocBody) -> serde_json::Value {
    let mut object = serde_json::Map::new();
    for (key, value) in first {
        object.insert((*key).to_owned(), (*value).into());
    }
    if let Ok(serde_json::Value::Object(rest)) = serde_json::to_value(body) {
        object.extend(rest);
    }
    serde_json::Value::Object(object)
}

fn change(endpoint: &'static Endpoint, key: &str, what: serde_json::Value, o: &IocOptions) -> RequestPlan {
    let mut body = serde_json::Map::new();
    if let Some(comment) = &o.comment {
        body.insert("comment".to_owned(), comment.as_str().into());
    }
    body.insert(key.to_owned(), what);
    endpoint
        .bytes(serde_json::Value::Object(body).to_string())
        .query("ignore_warnings", o.ignore_warnings.to_string())
        .maybe("retrodetects", o.retrodetects)
}

/// Makes indicators, at most [`MAX_CREATE`]: all, or none.
#[must_use]
pub fn create(iocs: &[NewIoc], options: &IocOptions) -> RequestPlan {
    let row = |i: &NewIoc| flat(&[("type", i.kind.as_str()), ("value", &i.value)], &i.body);
    change(&CREATE, "indicators", iocs.iter().map(row).collect(), options)
}

/// Changes indicators by id.
#[must_use]
pub fn update(changes: &[IocChange], options: &IocOptions) -> RequestPlan {
    let row = |c: &IocChange| flat(&[("id", &c.id)], &c.body);
    change(&UPDATE, "indicators", changes.iter().map(row).collect(), options)
}

/// Changes every indicator that a filter lets through in the same way.
#[must_use]
pub fn update_where(filter: &str, body: &IocBody, options: &IocOptions) -> RequestPlan {
    change(&UPDATE, "bulk_update", flat(&[("filter", filter)], body), options)
}

/// Deletes indicators by id, at most [`MAX_IDS`].
#[must_use]
pub fn delete<S: AsRef<str>>(ids: &[S], comment: Option<&str>) -> RequestPlan {
    DELETE.by_query("ids", ids).maybe("comment", comment)
}

/// Deletes every indicator that a filter lets through. An empty filter would be all of them: none is sent
/// for it by [`crate::FalconClient::delete_iocs_where`].
#[must_use]
pub fn delete_where(filter: &str, comment: Option<&str>) -> RequestPlan {
    DELETE.plan().query("filter", filter).maybe("comment", comment)
}

/// A page of whole indicators.
#[must_use]
pub fn combined(params: &AfterParams) -> RequestPlan {
    params.plan(&COMBINED)
}

/// A page of ids of indicators.
#[must_use]
pub fn query(params: &AfterParams) -> RequestPlan {
    params.plan(&QUERY)
}

/// Indicators by id, at most [`MAX_IDS`].
#[must_use]
pub fn entities<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    ENTITIES.by_query("ids", ids)
}

/// On how many devices an indicator was seen.
#[must_use]
pub fn device_count(kind: &IocType, value: &str) -> RequestPlan {
    DEVICE_COUNT.plan().query("type", kind.as_str()).query("value", value)
}

/// A page of the ids of devices on which an indicator was seen.
#[must_use]
pub fn devices(kind: &IocType, value: &str, page: &ListParams) -> RequestPlan {
    page.plan(&DEVICES).query("type", kind.as_str()).query("value", value)
}

/// A page of the ids of processes of a device in which an indicator was seen.
#[must_use]
pub fn processes(kind: &IocType, value: &str, device: &str, page: &ListParams) -> RequestPlan {
    page.plan(&PROCESSES).query("type", kind.as_str()).query("value", value).query("device_id", device)
}

/// Actions by id, at most 100.
#[must_use]
pub fn action_entities<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    ACTION_ENTITIES.by_query("ids", ids)
}

wire! {
    /// An indicator, `api.IndicatorV1`. What is unset is absent.
    pub struct Ioc {
        action: Option<IocAction>,
        applied_globally: Option<bool>,
        created_by: Option<String>,
        created_on: Option<Timestamp>,
        deleted: Option<bool>,
        description: Option<String>,
        expiration: Option<Timestamp>,
        expired: Option<bool>,
        from_parent: Option<bool>,
        host_groups: Vec<String>,
        id: Option<String>,
        message: Option<String>,
        message_type: Option<String>,
        metadata: Option<IocMetadata>,
        mobile_action: Option<IocAction>,
        modified_by: Option<String>,
        modified_on: Option<Timestamp>,
        parent_cid_name: Option<String>,
        platforms: Vec<IocPlatform>,
        severity: Option<IocSeverity>,
        source: Option<String>,
        tags: Vec<String>,
        kind("type"): Option<IocType>,
        value: Option<String>,
    }
}

impl Ioc {
    /// Why it was not taken: a service that refuses a row puts its fault where the indicator would be.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        let is_error = self.message_type.as_deref().is_some_and(|word| word.eq_ignore_ascii_case("error"));
        is_error.then(|| self.message.as_deref().unwrap_or("refused without a reason"))
    }
}

wire! {
    /// What is known of the file that a hash is of.
    pub struct IocMetadata {
        av_hits: Option<i64>,
        company_name: Option<String>,
        file_description: Option<String>,
        file_version: Option<String>,
        filename: Option<String>,
        original_filename: Option<String>,
        product_name: Option<String>,
        product_version: Option<String>,
        signed: Option<bool>,
    }
}

wire! {
    /// On how many devices an indicator was seen.
    pub struct DeviceCount {
        device_count: Option<i64>,
        limit_exceeded: Option<bool>,
        kind("type"): Option<IocType>,
        value: Option<String>,
    }
}

wire! {
    /// What an action can be used for, `api.ActionV1`.
    pub struct ActionInfo {
        id: Option<String>,
        platforms_by_type: Lists,
        severities: Vec<IocSeverity>,
    }
}
