//! Alerts: the alert entity and the calls that read it. Scope "Alerts: read".

use edr_http::{Operation, RequestPlan};

use super::hosts::Device;
use super::{ScopeProbe, id_list, json_text};
use crate::wire::wire;

const SCOPE: &str = "Alerts: read";

/// `POST /alerts/combined/alerts/v1`: whole alerts, walked by `after`.
pub static COMBINED: Operation = Operation::read("PostCombinedAlertsV1", SCOPE);
/// `GET /alerts/queries/alerts/v2`: ids, by offset, up to 10,000.
pub static QUERY: Operation = Operation::read("QueryV2", SCOPE);
/// `POST /alerts/entities/alerts/v2`: alerts by composite id.
pub static ENTITIES: Operation = Operation::read("GetV2", SCOPE);

/// The most alerts on a page of [`combined`].
pub const MAX_PAGE: u32 = 1_000;
/// The most ids in one call of [`entities`].
pub const MAX_IDS: usize = 1_000;
/// Offset and limit of [`query`] together stay below this.
pub const OFFSET_CAP: u32 = 10_000;

/// Whether alerts can be read.
pub(crate) const PROBE: ScopeProbe =
    ScopeProbe { name: "alerts", scope: SCOPE, requests: &[|| combined(&one()), || query(&one())] };

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
    RequestPlan::post_json(&COMBINED, "/alerts/combined/alerts/v1", format!("{{{}}}", parts.join(",")))
}

/// A page of composite ids, hidden alerts included.
#[must_use]
pub fn query(params: &AlertsParams) -> RequestPlan {
    let some = (!params.filter.is_empty()).then_some(params.filter.as_str());
    RequestPlan::get(&QUERY, "/alerts/queries/alerts/v2")
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
    RequestPlan::post_json(&ENTITIES, "/alerts/entities/alerts/v2", id_list("composite_ids", ids))
        .query("include_hidden", "true")
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
        context_timestamp: Option<String>,
        control_graph_id: Option<String>,
        created_timestamp: Option<String>,
        description: Option<String>,
        device: Option<Box<Device>>,
        display_name: Option<String>,
        dns_requests: Vec<DnsRequest>,
        documents_accessed: Vec<FileTrace>,
        end_time: Option<String>,
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
        platform: Option<String>,
        process_end_time: Option<String>,
        process_id: Option<String>,
        process_start_time: Option<String>,
        product: Option<String>,
        quarantined: Option<bool>,
        quarantined_files: Vec<QuarantinedFile>,
        resolution: Option<String>,
        scenario: Option<String>,
        severity: Option<f64>,
        severity_name: Option<String>,
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
        start_time: Option<String>,
        status: Option<String>,
        tactic: Option<String>,
        tactic_id: Option<String>,
        tags: Vec<String>,
        technique: Option<String>,
        technique_id: Option<String>,
        timestamp: Option<String>,
        triggering_process_graph_id: Option<String>,
        kind("type"): Option<String>,
        updated_timestamp: Option<String>,
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
        timestamp: Option<String>,
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
        timestamp: Option<String>,
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
        access_timestamp: Option<String>,
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
        load_time: Option<String>,
        request_type: Option<String>,
        timestamp: Option<String>,
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
        created: Option<String>,
        end: Option<String>,
        id: Option<String>,
        score: Option<f64>,
        start: Option<String>,
    }
}

wire! {
    /// A comment.
    pub struct AlertComment {
        falcon_user_id: Option<String>,
        timestamp: Option<String>,
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
