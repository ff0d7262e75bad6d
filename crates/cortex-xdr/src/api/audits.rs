//! What was done in the console, and what the agents report of themselves.

use chrono::{DateTime, Utc};
use edr_http::{Operation, RequestPlan};
use serde_json::Value;

use super::system::VIEWER;
use super::{ApiCall, PageRequest, Sheet, TimeKey};
use crate::filter::filters;
use crate::record::{read, record, words};
use crate::wire::Stamp;

/// What was done in the console.
pub static MANAGEMENT: Operation = Operation::read("audits/management_logs", VIEWER);
/// What the agents report.
pub static AGENTS: Operation = Operation::read("audits/agents_reports", VIEWER);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::both(&MANAGEMENT).paged("AUDIT_ID"),
        ApiCall::both(&AGENTS).paged("none: reports have no id"),
    ]
}

words! {
    /// How it ended.
    pub enum AuditResult {
        /// It did not work.
        Fail = "FAIL",
        /// It worked.
        Success = "SUCCESS",
    }
}

words! {
    /// What an agent reports on.
    pub enum ReportCategory {
        /// Something was done.
        Audit = "audit",
        /// It was watched.
        Monitoring = "monitoring",
        /// It is in a state.
        Status = "status",
    }
}

filters! {
    /// Which acts in the console.
    pub struct ManagementFilters {
        /// By these users.
        emails: in "email" of String,
        /// Of these types.
        types: in "type" of String,
        /// Of these subtypes.
        subtypes: in "sub_type" of String,
        /// With these ends.
        results: in "result" of AuditResult,
        /// From this time on.
        from: gte "timestamp" of DateTime<Utc>,
        /// Up to this time.
        to: lte "timestamp" of DateTime<Utc>,
    }
}

filters! {
    /// Which reports of agents.
    pub struct ReportFilters {
        /// Of these endpoints.
        endpoints: in "endpoint_id" of String,
        /// Of endpoints with these names.
        names: in "endpoint_name" of String,
        /// Of these types.
        types: in "type" of String,
        /// Of these subtypes.
        subtypes: in "sub_type" of String,
        /// With these ends.
        results: in "result" of AuditResult,
        /// In these domains.
        domains: in "domain" of String,
        /// Of these versions.
        versions: in "xdr_version" of String,
        /// Of these categories.
        categories: in "category" of ReportCategory,
        /// From this time on.
        from: gte "timestamp" of DateTime<Utc>,
        /// Up to this time.
        to: lte "timestamp" of DateTime<Utc>,
    }
}

record! {
    /// An act in the console.
    pub struct ManagementLog {
        /// Its id.
        pub id: Option<String> = "AUDIT_ID",
        /// When.
        pub at: Stamp = "AUDIT_INSERT_TIME",
        /// Who, by name.
        pub owner: Option<String> = "AUDIT_OWNER_NAME",
        /// Who, by mail.
        pub email: Option<String> = "AUDIT_OWNER_EMAIL",
        /// What kind of act.
        pub entity: Option<String> = "AUDIT_ENTITY",
        /// What kind more closely.
        pub subtype: Option<String> = "AUDIT_ENTITY_SUBTYPE",
        /// What, in words.
        pub description: Option<String> = "AUDIT_DESCRIPTION",
        /// How it ended.
        pub result: Option<AuditResult> = "AUDIT_RESULT",
        /// Why.
        pub reason: Option<String> = "AUDIT_REASON",
        /// How bad.
        pub severity: Option<String> = "AUDIT_SEVERITY",
        /// On which host.
        pub hostname: Option<String> = "AUDIT_HOSTNAME",
        /// On what.
        pub assets: Vec<String> = "AUDIT_ASSET_NAMES",
        /// For which incident or case.
        pub case_id: Option<String> = "AUDIT_CASE_ID",
        /// In which session.
        pub session: Option<String> = "AUDIT_SESSION_ID",
        /// From where.
        pub source_ip: Option<String> = "AUDIT_SOURCE_IP",
        /// In which roles.
        pub roles: Vec<String> = "AUDIT_USER_ROLES",
    }
}

record! {
    /// A report of an agent. The times are milliseconds with a fraction.
    pub struct AgentReport {
        /// When it happened.
        pub at: Stamp = "TIMESTAMP",
        /// When it arrived.
        pub received: Stamp = "RECEIVEDTIME",
        /// The endpoint.
        pub endpoint_id: Option<String> = "ENDPOINTID",
        /// Its name.
        pub endpoint_name: Option<String> = "ENDPOINTNAME",
        /// Its domain.
        pub domain: Option<String> = "DOMAIN",
        /// The version of the agent.
        pub version: Option<String> = "XDRVERSION" | "TRAPSVERSION",
        /// On what it reports.
        pub category: Option<ReportCategory> = "CATEGORY",
        /// What kind of report.
        pub kind: Option<String> = "TYPE",
        /// What kind more closely.
        pub subtype: Option<String> = "SUBTYPE",
        /// How bad.
        pub severity: Option<String> = "SEVERITY",
        /// How it ended.
        pub result: Option<AuditResult> = "RESULT",
        /// Why.
        pub reason: Option<String> = "REASON",
        /// What, in words.
        pub description: Option<String> = "DESCRIPTION",
    }
}

pub(crate) static MANAGEMENT_SHEET: Sheet<ManagementLog> = Sheet {
    operation: &MANAGEMENT,
    paths: &[&["reply", "data"]],
    lists: &["data"],
    counts: &["total_count"],
    cap: Some(9_999),
    capitals: false,
    more: &[],
    id: |log| log.id.as_deref(),
    time: Some(TimeKey { field: "timestamp", read: |log| log.at.time.map(|time| time.timestamp_millis()) }),
};

/// A window of reports of agents. Sorts: `timestamp`, `type`, `category`, `trapsversion`, `domain`.
#[must_use]
pub fn agent_reports(page: &PageRequest) -> RequestPlan {
    super::post(&AGENTS, &Value::Object(page.data(false)))
}

/// Reads a report.
pub(crate) fn report(bytes: &[u8]) -> Result<AgentReport, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|e| format!("not JSON: {e}"))?;
    read(&value).ok_or_else(|| "not an object".to_owned())
}
