//! Audits: what was done in the console and by the API, and what the agents report.
//!
//! Facts: cortex-xdr-api section 6.5. What the log of changes holds for the tenant is what the console's audit tells; each
//! agent reports that it was installed and has a policy, at times with a fraction.

use serde_json::{Value, json};

use super::Call;
use super::envelope::{Answer, Refusal};
use super::filter::{self, Clause, Field, Kind, Op, Sort, field};
use super::page::{Indices, Names, Page};
use super::paging::{ALERTS_CAP, Window};

const IN: &[Op] = &[Op::In];
const BOUNDS: &[Op] = &[Op::Gte, Op::Lte];

static MANAGEMENT: &[Field] = &[
    field("email", IN, Kind::Text),
    field("type", IN, Kind::Text),
    field("sub_type", IN, Kind::Text),
    field("result", IN, Kind::Text),
    field("timestamp", BOUNDS, Kind::Int),
];

static REPORTS: &[Field] = &[
    field("endpoint_id", IN, Kind::Text),
    field("endpoint_name", IN, Kind::Text),
    field("type", IN, Kind::Text),
    field("sub_type", IN, Kind::Text),
    field("result", IN, Kind::Text),
    field("domain", IN, Kind::Text),
    field("xdr_version", IN, Kind::Text),
    field("category", IN, Kind::Text),
    field("timestamp", BOUNDS, Kind::Int),
];

const SORTS: &[&str] = &["timestamp", "type", "sub_type", "result"];
const REPORT_SORTS: &[&str] = &["timestamp", "type", "category", "trapsversion", "domain"];
const DEFAULT_SORT: Sort = Sort { field: "timestamp", descending: true };

static NAMES: Names = names("AUDIT_ID");
static REPORT_NAMES: Names = names("ENDPOINTID");

const fn names(id: &'static str) -> Names {
    Names { total: "total_count", count: "result_count", items: "data", id, empty_is_null: false }
}

/// `POST audits/management_logs`.
pub(super) fn management_logs(call: &Call<'_>) -> Answer {
    let entries = call.sim().log.entries().into_iter().enumerate();
    let own = entries.filter(|(_, mutation)| mutation.tenant == call.tenant.name);
    let rows = own.map(|(number, mutation)| log(number, &mutation)).collect();
    let key = |name: &str| match name {
        "email" => "AUDIT_OWNER_EMAIL",
        "type" => "AUDIT_ENTITY",
        "sub_type" => "AUDIT_ENTITY_SUBTYPE",
        "result" => "AUDIT_RESULT",
        _ => "AUDIT_INSERT_TIME",
    };
    answer(call, rows, &NAMES, (MANAGEMENT, SORTS), key)
}

fn log(number: usize, mutation: &crate::log::Mutation) -> Value {
    let at = chrono::DateTime::parse_from_rfc3339(&mutation.time).map_or(0, |at| at.timestamp_millis());
    json!({
        "AUDIT_ID": number + 1, "AUDIT_OWNER_NAME": "", "AUDIT_OWNER_EMAIL": "", "AUDIT_ASSET_JSON": mutation.after.to_string(),
        "AUDIT_ASSET_NAMES": mutation.target, "AUDIT_HOSTNAME": null, "AUDIT_RESULT": "SUCCESS", "AUDIT_REASON": null,
        "AUDIT_DESCRIPTION": mutation.operation, "AUDIT_ENTITY": "PUBLIC_API", "AUDIT_ENTITY_SUBTYPE": mutation.operation,
        "AUDIT_SESSION_ID": null, "AUDIT_CASE_ID": null, "AUDIT_INSERT_TIME": at, "AUDIT_SEVERITY": "SEV_010_INFO",
        "AUDIT_SOURCE_IP": "127.0.0.1", "AUDIT_USER_ROLES": ["Instance Administrator"],
    })
}

/// `POST audits/agents_reports`.
pub(super) fn agents_reports(call: &Call<'_>) -> Answer {
    let rows = (0..call.estate().host_count()).flat_map(|index| reports(call, index)).collect();
    let key = |name: &str| match name {
        "endpoint_id" => "ENDPOINTID",
        "endpoint_name" => "ENDPOINTNAME",
        "type" => "TYPE",
        "sub_type" => "SUBTYPE",
        "result" => "RESULT",
        "domain" => "DOMAIN",
        "xdr_version" | "trapsversion" => "TRAPSVERSION",
        "category" => "CATEGORY",
        _ => "TIMESTAMP",
    };
    answer(call, rows, &REPORT_NAMES, (REPORTS, REPORT_SORTS), key)
}

fn reports(call: &Call<'_>, index: u64) -> [Value; 2] {
    let (estate, host) = (call.estate(), call.estate().fields(index));
    let report = |at: i64, category: &str, kind: &str, subtype: &str, text: &str| {
        json!({
            "TIMESTAMP": at as f64 + 0.4631, "RECEIVEDTIME": at as f64 + 1_200.25, "ENDPOINTID": host.id(),
            "ENDPOINTNAME": host.hostname(), "DOMAIN": estate.company().domain, "TRAPSVERSION": "8.4.0.51588",
            "SEVERITY": "SEV_010_INFO", "CATEGORY": category, "TYPE": kind, "SUBTYPE": subtype, "RESULT": "SUCCESS",
            "REASON": null, "DESCRIPTION": text,
        })
    };
    let first = host.first_seen_ms();
    [
        report(first, "status", "Installation", "Install", "XDR Agent was installed"),
        report(first + 3_600_000, "audit", "Policy", "Update", "XDR Agent has a new policy"),
    ]
}

/// A window of the rows that the filters keep, in the order that is asked for.
fn answer(
    call: &Call<'_>,
    rows: Vec<Value>,
    names: &Names,
    (table, sorts): (&'static [Field], &'static [&'static str]),
    key: impl Fn(&str) -> &'static str,
) -> Answer {
    let clauses = filter::parse(&call.data, table)?;
    let sort = Sort::parse(&call.data, sorts, DEFAULT_SORT)?;
    let window = Window::parse(&call.data)?;
    let mut kept: Vec<Value> = rows
        .into_iter()
        .filter(|row| clauses.iter().all(|clause| holds(clause, &row[key(clause.field)])))
        .collect();
    let column = key(sort.field);
    kept.sort_by(|a, b| match (a[column].as_f64(), b[column].as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a[column].as_str().cmp(&b[column].as_str()),
    });
    if sort.descending {
        kept.reverse();
    }
    let places = (0..kept.len()).map(u32::try_from).collect::<Result<Vec<u32>, _>>();
    let places = places.map_err(|_| Refusal::invalid("too many rows"))?;
    let page = Page::cut(names, &Indices::Listed(&places), window, ALERTS_CAP, call.page_fault());
    page.render(|at| usize::try_from(at).ok().and_then(|at| kept.get(at)).cloned().unwrap_or_default())
}

fn holds(clause: &Clause, value: &Value) -> bool {
    match (value.as_f64(), value.as_str()) {
        (Some(at), _) => clause.float(at),
        (None, Some(text)) => clause.text(text),
        (None, None) => false,
    }
}
