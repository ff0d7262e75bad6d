//! Alerts: the alert entity, the calls that read it, count it and work on it. Scope "Alerts".

use edr_http::RequestPlan;
use serde::Serialize;

use super::hosts::Device;
use super::hosts::HostPlatform;
use super::{ActionParameter, AggregateSpec, Endpoint, Paging, ScopeProbe, Verb, id_list, json_text};
use crate::time::Timestamp;
use crate::wire::wire;
use crate::words::words;

const READ: &str = "Alerts: read";
const WRITE: &str = "Alerts: write";

/// Whole alerts, walked by `after`.
pub static COMBINED: Endpoint =
    Endpoint::read("PostCombinedAlertsV1", Verb::Post, "/alerts/combined/alerts/v1", READ)
        .pages(Paging::After, MAX_PAGE);
/// Ids, by offset, up to 10,000.
pub static QUERY: Endpoint = Endpoint::read("QueryV2", Verb::Get, "/alerts/queries/alerts/v2", READ)
    .pages(Paging::Offset { cap: Some(OFFSET_CAP) }, OFFSET_CAP)
    .query(&["filter", "include_hidden", "limit", "offset", "q", "sort"]);
/// Alerts by composite id.
pub static ENTITIES: Endpoint = Endpoint::read("GetV2", Verb::Post, "/alerts/entities/alerts/v2", READ)
    .ids(MAX_IDS as u32)
    .query(&["include_hidden"]);
/// Counts of alerts.
pub static AGGREGATES: Endpoint =
    Endpoint::read("GetAggregateV2", Verb::Post, "/alerts/aggregates/alerts/v2", READ)
        .query(&["include_hidden"]);
/// Works on alerts. To assign, set a status or add a tag twice is to do it once; to append a comment is
/// not.
pub static UPDATE: Endpoint = Endpoint::write("UpdateV3", Verb::Patch, "/alerts/entities/alerts/v3", WRITE)
    .ids(MAX_IDS as u32)
    .query(&["include_hidden"])
    .actions(&[
        "add_tag",
        "append_comment",
        "assign_to_name",
        "assign_to_user_id",
        "assign_to_uuid",
        "new_behavior_processed",
        "remove_tag",
        "remove_tags_by_prefix",
        "show_in_ui",
        "unassign",
        "update_status",
    ]);

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] = &[&COMBINED, &QUERY, &ENTITIES, &AGGREGATES, &UPDATE];

/// The most alerts on a page of [`combined`].
pub const MAX_PAGE: u32 = 1_000;
/// The most ids in one call of [`entities`].
pub const MAX_IDS: usize = 1_000;
/// Offset and limit of [`query`] together stay below this.
pub const OFFSET_CAP: u32 = 10_000;

/// Whether alerts can be read.
pub(crate) const PROBE: ScopeProbe =
    ScopeProbe { name: "alerts", scope: READ, requests: &[|| combined(&one()), || query(&one())] };

fn one() -> AlertsParams {
    AlertsParams { limit: Some(1), ..AlertsParams::default() }
}

/// Which alerts, in which order, and which page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertsParams {
    /// FQL; empty for all.
    pub filter: String,
    /// `field|asc` or `field|desc`; newest first when absent.
    pub sort: Option<String>,
    /// Rows a page.
    pub limit: Option<u32>,
    /// The page key of the page before. For [`combined`] alone.
    pub after: Option<String>,
    /// Rows to pass over. For [`query`] alone.
    pub offset: u32,
}

/// A page of whole alerts.
#[must_use]
pub fn combined(params: &AlertsParams) -> RequestPlan {
    let text = |key: &str, value: &str| format!("\"{key}\":{}", json_text(value));
    let mut parts = Vec::new();
    if !params.filter.is_empty() {
        parts.push(text("filter", &params.filter));
    }
    parts.extend(params.sort.as_deref().map(|sort| text("sort", sort)));
    parts.extend(params.limit.map(|limit| format!("\"limit\":{}", limit.clamp(1, MAX_PAGE))));
    parts.extend(params.after.as_deref().map(|after| text("after", after)));
    COMBINED.bytes(format!("{{{}}}", parts.join(",")))
}

/// A page of composite ids, hidden alerts included.
#[must_use]
pub fn query(params: &AlertsParams) -> RequestPlan {
    let some = (!params.filter.is_empty()).then_some(params.filter.as_str());
    QUERY
        .plan()
        .maybe("filter", some)
        .maybe("sort", params.sort.as_deref())
        .maybe("limit", params.limit)
        .query("offset", params.offset.to_string())
        .query("include_hidden", "true")
}

/// Alerts by composite id, at most [`MAX_IDS`], hidden ones included; in no order, and without those
/// that are not there.
#[must_use]
pub fn entities<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    ENTITIES.bytes(id_list("composite_ids", ids)).query("include_hidden", "true")
}

words! {
    /// Where the work on an alert stands.
    pub enum AlertStatus {
        /// Done.
        Closed = "closed",
        /// Somebody is at it.
        InProgress = "in_progress",
        /// Nobody has looked.
        New = "new",
        /// Closed once, and open again.
        Reopened = "reopened",
    }
}

words! {
    /// The product that raised an alert.
    pub enum AlertProduct {
        /// Endpoint protection.
        Epp = "epp",
        /// Identity protection.
        Idp = "idp",
        /// Falcon for mobile devices.
        Mobile = "mobile",
        /// CrowdStrike's hunters.
        Overwatch = "overwatch",
        /// Correlation over several sources.
        Xdr = "xdr",
    }
}

words! {
    /// How bad an alert is.
    pub enum AlertSeverity {
        /// 80 to 100.
        Critical = "Critical",
        /// 60 to 79.
        High = "High",
        /// 1 to 19.
        Informational = "Informational",
        /// 20 to 39.
        Low = "Low",
        /// 40 to 59.
        Medium = "Medium",
    }
}

words! {
    /// What an alert was decided to be. It is set by a tag of the same word.
    pub enum Resolution {
        /// Wrong.
        FalsePositive = "false_positive",
        /// Not worth work.
        Ignored = "ignored",
        /// Right.
        TruePositive = "true_positive",
    }
}

/// One step of work on alerts. Falcon takes the steps of a call together; it removes tags before it adds
/// any, whatever the order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AlertStep {
    /// Adds a tag. A verdict is a tag, too: `true_positive`, `false_positive` or `ignored`.
    AddTag(String),
    /// Appends a comment.
    AppendComment(String),
    /// Gives it to the user of this name.
    AssignToName(String),
    /// Gives it to the user of this e-mail address.
    AssignToUserId(String),
    /// Gives it to the user of this id.
    AssignToUuid(String),
    /// Says that its new behaviour has been looked at.
    NewBehaviorProcessed(bool),
    /// Takes a tag away.
    RemoveTag(String),
    /// Takes every tag that begins so away.
    RemoveTagsByPrefix(String),
    /// Sets the status.
    SetStatus(AlertStatus),
    /// Shows it in the console, or hides it there.
    ShowInUi(bool),
    /// Takes it from whoever has it.
    Unassign,
}

impl AlertStep {
    /// The step as the API has it. Values are texts: a boolean is refused with a 400.
    #[must_use]
    pub fn parameter(&self) -> ActionParameter {
        let (name, value) = match self {
            Self::AddTag(tag) => ("add_tag", tag.clone()),
            Self::AppendComment(text) => ("append_comment", text.clone()),
            Self::AssignToName(name) => ("assign_to_name", name.clone()),
            Self::AssignToUserId(id) => ("assign_to_user_id", id.clone()),
            Self::AssignToUuid(id) => ("assign_to_uuid", id.clone()),
            Self::NewBehaviorProcessed(yes) => ("new_behavior_processed", yes.to_string()),
            Self::RemoveTag(tag) => ("remove_tag", tag.clone()),
            Self::RemoveTagsByPrefix(prefix) => ("remove_tags_by_prefix", prefix.clone()),
            Self::SetStatus(status) => ("update_status", status.as_str().to_owned()),
            Self::ShowInUi(yes) => ("show_in_ui", yes.to_string()),
            Self::Unassign => ("unassign", String::new()),
        };
        ActionParameter::new(name, value)
    }
}

/// Works on alerts, at most [`MAX_IDS`], hidden ones included. What is read right afterwards may be the
/// old state.
#[must_use]
pub fn update<S: AsRef<str>>(ids: &[S], steps: &[AlertStep]) -> RequestPlan {
    #[derive(Serialize)]
    struct Update<'a> {
        action_parameters: Vec<ActionParameter>,
        composite_ids: Vec<&'a str>,
    }
    UPDATE
        .json(&Update {
            action_parameters: steps.iter().map(AlertStep::parameter).collect(),
            composite_ids: ids.iter().map(AsRef::as_ref).collect(),
        })
        .query("include_hidden", "true")
}

/// Counts of alerts, several at once, hidden ones included. The answers come in no order: know them by
/// their names.
#[must_use]
pub fn aggregates(specs: &[AggregateSpec]) -> RequestPlan {
    AGGREGATES.json(&specs).query("include_hidden", "true")
}

/// True for what a composite id can look like.
#[must_use]
pub fn is_composite_id(text: &str) -> bool {
    let fits = |b: u8| {
        b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'.' | b'=' | b'+' | b'@' | b'|' | b'~')
    };
    (1..=512).contains(&text.len()) && text.bytes().all(fits)
}

wire! {
    /// An alert, `detects.Alert`. Of the fields that the published model requires, a live alert lacks
    /// about twenty; alerts of other products than endpoint protection share only the first few.
    pub struct AlertEntity {
        agent_id: Option<String>,
        aggregate_id: Option<String>,
        assigned_to_name: Option<String>,
        assigned_to_uid: Option<String>,
        assigned_to_uuid: Option<String>,
        associated_files: Vec<FileTrace>,
        cid: Option<String>,
        cmdline: Option<String>,
        comment: Option<String>,
        comments: Vec<AlertComment>,
        composite_id: Option<String>,
        confidence: Option<f64>,
        context_timestamp: Option<Timestamp>,
        control_graph_id: Option<String>,
        created_timestamp: Option<Timestamp>,
        description: Option<String>,
        device: Option<Box<Device>>,
        display_name: Option<String>,
        dns_requests: Vec<DnsRequest>,
        documents_accessed: Vec<FileTrace>,
        end_time: Option<Timestamp>,
        executables_written: Vec<FileTrace>,
        external: Option<bool>,
        falcon_host_link: Option<String>,
        file_writes: Vec<FileTrace>,
        filename: Option<String>,
        filepath: Option<String>,
        files_accessed: Vec<FileTrace>,
        files_written: Vec<FileTrace>,
        grandparent_details: Option<Box<ProcessDetails>>,
        id: Option<String>,
        incident: Option<IncidentRef>,
        ioc_context: Vec<IocContext>,
        ioc_description: Option<String>,
        ioc_source: Option<String>,
        ioc_type: Option<String>,
        ioc_value: Option<String>,
        ioc_values: Vec<String>,
        is_synthetic_quarantine_disposition: Option<bool>,
        linked_case_ids: Vec<String>,
        local_process_id: Option<String>,
        logon_domain: Option<String>,
        md5: Option<String>,
        mitre_attack: Vec<Mitre>,
        name: Option<String>,
        network_accesses: Vec<NetworkAccess>,
        objective: Option<String>,
        parent_details: Option<Box<ProcessDetails>>,
        parent_process_id: Option<String>,
        pattern_disposition: Option<f64>,
        pattern_disposition_description: Option<String>,
        pattern_disposition_details: Option<DispositionFlags>,
        pattern_id: Option<String>,
        platform: Option<HostPlatform>,
        process_end_time: Option<Timestamp>,
        process_id: Option<String>,
        process_start_time: Option<Timestamp>,
        product: Option<AlertProduct>,
        quarantined: Option<bool>,
        quarantined_files: Vec<QuarantinedFile>,
        resolution: Option<Resolution>,
        scenario: Option<String>,
        severity: Option<f64>,
        severity_name: Option<AlertSeverity>,
        sha1: Option<String>,
        sha256: Option<String>,
        show_in_ui: Option<bool>,
        source_account_domain: Option<String>,
        source_account_name: Option<String>,
        source_account_object_sid: Option<String>,
        source_account_upn: Option<String>,
        source_endpoint_address_ip4: Option<String>,
        source_endpoint_host_name: Option<String>,
        source_endpoint_sensor_id: Option<String>,
        source_products: Vec<String>,
        source_vendors: Vec<String>,
        start_time: Option<Timestamp>,
        status: Option<AlertStatus>,
        tactic: Option<String>,
        tactic_id: Option<String>,
        tags: Vec<String>,
        technique: Option<String>,
        technique_id: Option<String>,
        timestamp: Option<Timestamp>,
        triggering_process_graph_id: Option<String>,
        kind("type"): Option<String>,
        updated_timestamp: Option<Timestamp>,
        user_id: Option<String>,
        user_name: Option<String>,
        user_principal: Option<String>,
    }
}

wire! {
    /// A parent or grandparent of the process.
    pub struct ProcessDetails {
        cmdline: Option<String>,
        filename: Option<String>,
        filepath: Option<String>,
        local_process_id: Option<String>,
        md5: Option<String>,
        process_graph_id: Option<String>,
        process_id: Option<String>,
        sha256: Option<String>,
        timestamp: Option<Timestamp>,
        user_id: Option<String>,
        user_name: Option<String>,
    }
}

wire! {
    /// An entry of `mitre_attack`, whose ids may be those of CrowdStrike's own framework.
    pub struct Mitre {
        pattern_id: Option<String>,
        tactic: Option<String>,
        tactic_id: Option<String>,
        technique: Option<String>,
        technique_id: Option<String>,
    }
}

wire! {
    /// A file that was touched; which keys it has depends on the list that it stands in.
    pub struct FileTrace {
        filename: Option<String>,
        filepath: Option<String>,
        md5: Option<String>,
        name: Option<String>,
        sha256: Option<String>,
        timestamp: Option<Timestamp>,
    }
}

wire! {
    /// A file in quarantine.
    pub struct QuarantinedFile {
        filename: Option<String>,
        id: Option<String>,
        sha256: Option<String>,
        state: Option<String>,
    }
}

wire! {
    /// A connection.
    pub struct NetworkAccess {
        access_timestamp: Option<Timestamp>,
        access_type: Option<String>,
        connection_direction: Option<String>,
        local_address: Option<String>,
        local_port: Option<String>,
        protocol: Option<String>,
        remote_address: Option<String>,
        remote_port: Option<String>,
    }
}

wire! {
    /// A name that was looked up.
    pub struct DnsRequest {
        domain_name: Option<String>,
        load_time: Option<Timestamp>,
        request_type: Option<String>,
        timestamp: Option<Timestamp>,
    }
}

wire! {
    /// An indicator that the alert rests on.
    pub struct IocContext {
        ioc_description: Option<String>,
        ioc_source: Option<String>,
        ioc_type: Option<String>,
        ioc_value: Option<String>,
        md5: Option<String>,
        sha256: Option<String>,
        kind("type"): Option<String>,
    }
}

wire! {
    /// The incident that the alert was joined to (the service is retired, the reference stays).
    pub struct IncidentRef {
        created: Option<Timestamp>,
        end: Option<Timestamp>,
        id: Option<String>,
        score: Option<f64>,
        start: Option<Timestamp>,
    }
}

wire! {
    /// A comment.
    pub struct AlertComment {
        falcon_user_id: Option<String>,
        timestamp: Option<Timestamp>,
        value: Option<String>,
    }
}

wire! {
    /// What the sensor did, flag by flag; each may be null.
    pub struct DispositionFlags {
        blocking_unsupported_or_disabled: Option<bool>,
        bootup_safeguard_enabled: Option<bool>,
        containment_file_system: Option<bool>,
        critical_process_disabled: Option<bool>,
        detect: Option<bool>,
        fs_operation_blocked: Option<bool>,
        handle_operation_downgraded: Option<bool>,
        inddet_mask: Option<bool>,
        indicator: Option<bool>,
        kill_action_failed: Option<bool>,
        kill_parent: Option<bool>,
        kill_process: Option<bool>,
        kill_subprocess: Option<bool>,
        mfa_required: Option<bool>,
        operation_blocked: Option<bool>,
        policy_disabled: Option<bool>,
        prevention_provisioning_enabled: Option<bool>,
        process_blocked: Option<bool>,
        quarantine_file: Option<bool>,
        quarantine_machine: Option<bool>,
        registry_operation_blocked: Option<bool>,
        response_action_already_applied: Option<bool>,
        response_action_failed: Option<bool>,
        response_action_triggered: Option<bool>,
        rooting: Option<bool>,
        sensor_only: Option<bool>,
        suspend_parent: Option<bool>,
        suspend_process: Option<bool>,
    }
}

#[cfg(test)]
mod tests {
    use edr_http::Body;

    use super::*;

    fn body(plan: &RequestPlan) -> String {
        match &plan.body {
            Body::Bytes(_, bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => String::new(),
        }
    }

    #[test]
    fn a_combined_page_is_asked_for_in_the_body() {
        let params = AlertsParams {
            filter: "status:'new'+name:'a\\\\\\'b'".to_owned(),
            sort: Some("created_timestamp|desc".to_owned()),
            limit: Some(9_999),
            after: Some("k\"1".to_owned()),
            offset: 0,
        };
        let read: serde_json::Value = serde_json::from_str(&body(&combined(&params))).unwrap();
        assert_eq!(
            read,
            serde_json::json!({"filter": params.filter, "sort": "created_timestamp|desc", "limit": 1000, "after": "k\"1"})
        );
        assert_eq!(body(&combined(&AlertsParams::default())), "{}");
    }

    #[test]
    fn ids_are_asked_for_with_the_hidden_ones() {
        let plan = query(&AlertsParams { offset: 20, limit: Some(10), ..AlertsParams::default() });
        let pairs: Vec<_> = plan.query.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("limit", "10"), ("offset", "20"), ("include_hidden", "true")]);
        let plan = entities(&["c:ind:a:1-2-3"]);
        assert_eq!(body(&plan), r#"{"composite_ids":["c:ind:a:1-2-3"]}"#);
        assert_eq!(plan.query[0].0, "include_hidden");
    }

    #[test]
    fn a_composite_id_holds_no_tricks() {
        assert!(is_composite_id("0a:ind:0b:1-2-3"));
        for bad in ["", " ", "*", "a'b", "../x", "a?b", "a&b", "%2e", "é", "a\nb", "{}"] {
            assert!(!is_composite_id(bad), "{bad}");
        }
    }
}
