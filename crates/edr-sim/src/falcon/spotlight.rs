//! Vulnerabilities (Spotlight): what is wrong with the software of a machine, and what mends it (falcon-api section 7).
//! They follow from what is installed, and nothing here can be changed.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::Method;
use serde_json::{Value, json};

use super::derived::{Derived, Part};
use super::discover::merge;
use super::envelope::Envelope;
use super::fql::{Dialect, Kind};
use super::groups::ids_of;
use super::guard::Context;
use super::hosts_list::Refused;
use super::render_host::{platform, product_desc, site, stamp, tag};
use super::things::{Ask, Style, bad, by_id, no_method, service};
use crate::estate::HostFields;
use crate::estate::hash::{hex32, mix_str, mix2};
use crate::estate::software::{Flaw, Installed, PRODUCTS, Product, installed};
use crate::state::SimState;
use Kind::{Bool, Exact, Number, Text, Time};

const SERVICE: &str = "spapi";
const READ: Option<&str> = Some("spotlight-vulnerabilities:read");
const DAY: i64 = 86_400_000;

pub(super) const OPERATIONS: &[super::Operation] = &[
    ("GET", "/spotlight/combined/vulnerabilities/v1", "combinedQueryVulnerabilities", READ),
    ("GET", "/spotlight/queries/vulnerabilities/v1", "queryVulnerabilities", READ),
    ("GET", "/spotlight/entities/vulnerabilities/v2", "getVulnerabilities", READ),
    ("GET", "/spotlight/entities/remediations/v2", "getRemediationsV2", READ),
    ("GET", "/spotlight/combined/evaluation-logic/v1", "combinedQueryEvaluationLogic", READ),
    ("GET", "/spotlight/queries/evaluation-logic/v1", "queryEvaluationLogic", READ),
    ("GET", "/spotlight/entities/evaluation-logic/v1", "getEvaluationLogic", READ),
];

pub(super) fn router() -> Router<Arc<SimState>> {
    Router::new()
        .route("/spotlight/combined/vulnerabilities/v1", service(list))
        .route("/spotlight/queries/vulnerabilities/v1", service(list))
        .route("/spotlight/entities/vulnerabilities/v2", service(entities))
        .route("/spotlight/entities/remediations/v2", service(remediations))
        .route("/spotlight/combined/evaluation-logic/v1", service(list))
        .route("/spotlight/queries/evaluation-logic/v1", service(list))
        .route("/spotlight/entities/evaluation-logic/v1", service(entities))
}

const fn style(dialect: &'static Dialect, sort: &'static str) -> Style {
    Style {
        service: SERVICE,
        dialect,
        most: 5_000,
        default: 100,
        sort,
        pipe: false,
        next_offset: false,
        silent: false,
    }
}

const VULNERABILITIES: Derived =
    Derived { style: style(&FIELDS, "updated_timestamp|asc"), of_host: vulnerabilities, shared: false };
const LOGIC: Derived =
    Derived { style: style(&LOGIC_FIELDS, "created_timestamp|asc"), of_host: logic, shared: false };

fn kind(path: &str) -> Derived {
    if path.contains("evaluation-logic") { LOGIC } else { VULNERABILITIES }
}

/// Filters with wildcards are refused, and a walk that rests for two minutes is over.
fn list(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::GET {
        return no_method();
    }
    let ids = ask.path.contains("/queries/");
    let mut kind = kind(ask.path);
    if ids {
        kind.style.most = 400;
    }
    if ask.get("filter").is_some_and(|filter| filter.contains('*')) {
        return Err(bad(SERVICE, "wildcards are not supported in filters"));
    }
    let Part { mut rows, pagination } = kind.by_after(ask, true)?;
    if ids {
        rows.iter_mut().for_each(|row| *row = row["id"].take());
    } else {
        show(&mut rows, |facet| ask.every("facet").iter().any(|f| f == facet));
    }
    Ok(Envelope::new(SERVICE).paged(pagination).with(&rows).into_response())
}

/// An entity has every facet.
fn entities(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids = ask.ids(SERVICE, "ids", 400)?;
    let estate = &ask.c.tenant.estate;
    let place = |id: &str| estate.host_index(id.get(..32)?);
    let kind = kind(ask.path);
    let mut rows: Vec<Value> = ids
        .iter()
        .filter_map(|id| (kind.of_host)(ask.c, place(id)?).into_iter().find(|r| r["id"] == *id))
        .collect();
    show(&mut rows, |_| true);
    Ok(by_id(SERVICE, &rows, "id", &ids, "entity").into_response())
}

/// Takes away what filters alone see, and the facets that were not asked for.
fn show(rows: &mut [Value], wants: impl Fn(&str) -> bool) {
    for row in rows.iter_mut().filter(|row| row.get("cve").is_some()) {
        let remove = |value: &mut Value, key: &str| drop(value.as_object_mut().map(|o| o.remove(key)));
        remove(row, "last_seen_within");
        remove(&mut row["host_info"], "platform_name");
        remove(&mut row["cve"], "is_cisa_kev");
        if !wants("host_info") {
            remove(row, "host_info");
        }
        if !wants("cve") {
            row["cve"] = json!({"id": row["cve"]["id"]});
        }
        if !wants("remediation") {
            remove(&mut row["remediation"], "entities");
        }
        if !wants("evaluation_logic") {
            row["apps"][0]["evaluation_logic"] = json!({"id": row["apps"][0]["evaluation_logic"]["id"]});
        }
    }
}

/// What was found on a host: of each product that is behind, what its version has.
fn found(c: Context<'_>, h: &HostFields<'_>) -> Vec<(Installed, &'static Flaw)> {
    let all = installed(h, c.tenant.estate.tag());
    all.into_iter().flat_map(|i| i.flaws().map(move |flaw| (i, flaw))).collect()
}

fn remediation_id(product: &Product) -> String {
    hex32(mix_str(0x4E3D, product.name))
}

fn remediation(product: &Product) -> Value {
    let newest = product.versions[0];
    json!({"id": remediation_id(product), "reference": format!("cpe:/a:{}", product.name), "title": format!("Update {}", product.name),
        "action": format!("Install {} {newest} or newer", product.name), "link": "", "vendor_url": "", "provider": "falcon",
        "type": "patch", "recommendation_type": "recommended", "created_timestamp": "2025-02-01T00:00:00Z",
        "updated_timestamp": "2025-02-01T00:00:00Z"})
}

fn remediations(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids = ask.ids(SERVICE, "ids", 400)?;
    let rows: Vec<Value> = PRODUCTS.iter().map(remediation).collect();
    Ok(by_id(SERVICE, &rows, "id", &ids, "remediation").into_response())
}

/// One in eight is mended, one in seventeen came back, and those of hosts that are gone have expired.
fn status(h: &HostFields<'_>, root: u64) -> &'static str {
    match root {
        _ if h.stale() => "expired",
        r if r.is_multiple_of(8) => "closed",
        r if r.is_multiple_of(17) => "reopen",
        _ => "open",
    }
}

fn vulnerabilities(c: Context<'_>, index: u64) -> Vec<Value> {
    let h = c.tenant.estate.searched(index);
    let found = found(c, &h);
    if found.is_empty() {
        return Vec::new();
    }
    let host = host_info(c, &h);
    found.into_iter().map(|(i, flaw)| vulnerability(c, &h, &host, i, flaw)).collect()
}

fn vulnerability(c: Context<'_>, h: &HostFields<'_>, host: &Value, i: Installed, flaw: &Flaw) -> Value {
    let root = mix_str(i.root, flaw.cve);
    let (id, status) = (h.id(), status(h, root));
    let created = h.first_seen_ms() + (root % 10) as i64 * DAY;
    let updated = created.max(h.last_seen_ms() - (root % 7) as i64 * DAY);
    let days = (c.state.clock.now_ms() - h.last_seen_ms()).div_euclid(DAY);
    let p = i.product;
    let mut row = json!({"id": format!("{id}_{}", hex32(root)), "cid": c.falcon.cid, "aid": id, "status": status,
        "vulnerability_id": flaw.cve, "created_timestamp": stamp(created), "updated_timestamp": stamp(updated),
        "confidence": "confirmed", "last_seen_within": (days + 1..=45).collect::<Vec<_>>(),
        "apps": [{"product_name_version": format!("{} {}", p.name, i.version()), "product_name_normalized": p.name,
            "vendor_normalized": p.vendor, "sub_status": if status == "closed" { "closed" } else { "open" },
            "remediation": {"ids": [remediation_id(p)]}, "evaluation_logic": logic_of(c, h, i)}],
        "suppression_info": {"is_suppressed": false},
        "data_providers": [{"provider": "Falcon sensor", "rating": flaw.severity()}],
        "cve": cve(flaw), "host_info": host, "remediation": {"ids": [remediation_id(p)], "entities": [remediation(p)]}});
    if status == "closed" {
        row["closed_timestamp"] = stamp(updated).into();
    }
    row
}

fn cve(flaw: &Flaw) -> Value {
    let published = format!("{}T00:00:00Z", flaw.published);
    let rating = if flaw.exploited { "CRITICAL" } else { flaw.severity() };
    json!({"id": flaw.cve, "base_score": flaw.score, "severity": flaw.severity(), "exprt_rating": rating,
        "exploit_status": if flaw.exploited { 90 } else { 0 }, "is_cisa_kev": flaw.exploited,
        "cisa_info": {"is_cisa_kev": flaw.exploited}, "remediation_level": "O", "cwes": [flaw.cwe],
        "types": ["Vulnerability"], "description": flaw.about, "published_date": published,
        "spotlight_published_date": published, "references": [format!("https://nvd.nist.gov/vuln/detail/{}", flaw.cve)],
        "vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H"})
}

fn host_info(c: Context<'_>, h: &HostFields<'_>) -> Value {
    let groups = h.groups();
    let ids = ids_of(c.tenant, c.falcon, h);
    let named =
        |(n, id): (usize, &String)| json!({"id": id, "name": groups.get(n).cloned().unwrap_or_default()});
    let os = platform(h.platform()).1;
    let mut row = json!({"hostname": h.hostname(), "local_ip": h.ip().to_string(), "machine_domain": h.domain(),
        "os_version": h.os().name, "os_build": h.os().build, "ou": h.ou().join(";"), "platform": os, "platform_name": os,
        "product_type_desc": product_desc(h.form()), "site_name": site(h.domain(), h.site().1),
        "system_manufacturer": h.hardware().0, "tags": h.tags().iter().map(|t| tag(t)).collect::<Vec<_>>(),
        "groups": ids.iter().enumerate().map(named).collect::<Vec<_>>(), "managed_by": "Falcon sensor",
        "asset_criticality": "Unassigned", "internet_exposure": "No", "host_last_seen_timestamp": stamp(h.last_seen_ms())});
    if let Some(cloud) = h.cloud() {
        merge(
            &mut row,
            json!({"instance_id": cloud.instance_id, "service_provider_account_id": cloud.account}),
        );
    }
    row
}

/// How a sensor found that a version is too old: one check of a file's version.
fn logic_of(c: Context<'_>, h: &HostFields<'_>, i: Installed) -> Value {
    let root = mix2(i.root, 0x10C);
    let fixed = i.product.versions[0];
    let compared = json!({"actual_value_field": "version", "expected_value": fixed, "operation": "less than",
        "value_datatype": "version"});
    // Ids of checks are greater than what fits into a signed number of 64 bits.
    let item = json!({"id": root | 1 << 63, "title": format!("{} is older than {fixed}", i.product.name), "type": "inventory_item",
        "status": "true", "negate": false, "existence_check": "at_least_one_exists", "comparison_check": "at_least_one",
        "determined_by_comparison": true, "items": [{"name": i.product.name, "version": i.version()}],
        "comparisons": {"state_operator": "AND", "state_comparisons": [{"entity_operator": "AND", "entity_comparisons": [compared]}]}});
    json!({"id": format!("{}_{}", h.id(), hex32(root)), "aid": h.id(), "cid": c.falcon.cid, "complex_check_operator": "AND",
        "created_timestamp": stamp(h.first_seen_ms()), "updated_timestamp": stamp(h.last_seen_ms()), "logic": [item]})
}

fn logic(c: Context<'_>, index: u64) -> Vec<Value> {
    let h = c.tenant.estate.searched(index);
    let behind = installed(&h, c.tenant.estate.tag()).into_iter().filter(|i| i.flaws().next().is_some());
    behind.map(|i| logic_of(c, &h, i)).collect()
}

const FIELDS: Dialect = Dialect {
    strict: false,
    properties: &[
        ("id", Exact),
        ("aid", Exact),
        ("apps.remediation.ids", Exact),
        ("cid", Exact),
        ("closed_timestamp", Time),
        ("confidence", Text),
        ("created_timestamp", Time),
        ("cve.base_score", Number),
        ("cve.cwes", Text),
        ("cve.exploit_status", Number),
        ("cve.exprt_rating", Text),
        ("cve.id", Text),
        ("cve.is_cisa_kev", Bool),
        ("cve.remediation_level", Text),
        ("cve.severity", Text),
        ("cve.types", Text),
        ("data_providers.provider", Text),
        ("data_providers.rating", Text),
        ("host_info.asset_criticality", Text),
        ("host_info.groups", Exact),
        ("host_info.internet_exposure", Text),
        ("host_info.managed_by", Text),
        ("host_info.platform_name", Text),
        ("host_info.product_type_desc", Text),
        ("host_info.tags", Exact),
        ("last_seen_within", Number),
        ("status", Text),
        ("suppression_info.is_suppressed", Bool),
        ("updated_timestamp", Time),
        ("vulnerability_id", Text),
    ],
};

const LOGIC_FIELDS: Dialect = Dialect {
    strict: false,
    properties: &[
        ("id", Exact),
        ("aid", Exact),
        ("cid", Exact),
        ("created_timestamp", Time),
        ("updated_timestamp", Time),
    ],
};
