//! Assets of XDR 5, the vulnerabilities on them, and the score of a host of XDR 3.
//!
//! Facts: cortex-xdr-api sections 1 (paths), 3 ("A second style") and 6.7; the catalogue for what is sent; the vendor's
//! page of findings for their rows. Every host is an asset, and what it has is what Falcon's Spotlight would find.

use serde_json::{Map, Value, json};

use super::Call;
use super::envelope::{Answer, Refusal, Reply};
use super::paging::Window;
use crate::estate::HostFields;
use crate::estate::hash::{hex_words, hex32, mix_str, mix2};
use crate::estate::software::{Flaw, Installed, installed};

/// The widest window of assets (the vendor's own client says so).
const MAX_ASSETS: u64 = 1_000;
/// The largest page of findings, and the one that comes unasked.
const MAX_FINDINGS: u64 = 10_000;
const FINDINGS: u64 = 1_000;

fn asset_id(call: &Call<'_>, index: u64) -> String {
    hex_words(mix2(call.estate().tag() ^ 0xA55E, index), 4)
}

fn asset(call: &Call<'_>, index: u64) -> Value {
    let host = call.estate().fields(index);
    let (category, kind) = match host.cloud() {
        Some(_) => ("VM Instance", "Cloud VM"),
        None => ("Endpoint", "Managed Endpoint"),
    };
    let macs: Vec<String> = host.macs().iter().map(super::endpoint::mac).collect();
    json!({
        "xdm.asset.id": asset_id(call, index), "xdm.asset.strong_id": host.id(), "xdm.asset.name": host.hostname(),
        "xdm.asset.type.id": "100000000", "xdm.asset.type.class": "Compute", "xdm.asset.type.category": category,
        "xdm.asset.type.name": kind, "xdm.asset.provider": "ON_PREM", "xdm.asset.realm": call.estate().company().domain,
        "xdm.asset.external_provider_id": null, "xdm.asset.group_ids": [1],
        "xdm.asset.first_observed": host.first_seen_ms(), "xdm.asset.last_observed": host.last_seen_ms(),
        "xdm.host.fqdn": format!("{}.{}", host.hostname(), host.domain()), "xdm.host.ipv4_addresses": [host.ip()],
        "xdm.host.mac_addresses": macs, "xdm.asset.related_issues.critical_issues": 0,
        "xdm.asset.related_cases.critical_cases": 0,
    })
}

fn assets(call: &Call<'_>) -> Vec<Value> {
    (0..call.estate().host_count()).map(|index| asset(call, index)).collect()
}

/// `POST assets`: rows under `data`, counts under `metadata`.
pub(super) fn list(call: &Call<'_>) -> Answer {
    let window = Window::parse_within(&call.data, MAX_ASSETS)?;
    let all = assets(call);
    let total = all.len();
    let mut rows = filtered(all, call.data.get("filters"), "NOT_IN", str::to_owned)?;
    sort(&mut rows, call.data.get("sort"), str::to_owned)?;
    Reply::of(
        &json!({"data": window.slice(&rows), "metadata": {"filter_count": rows.len(), "total_count": total}}),
    )
}

/// `GET assets/{id}`: a list of one, or of none.
pub(super) fn one(call: &Call<'_>) -> Answer {
    let id = call.last_segment();
    let found = (0..call.estate().host_count()).find(|index| asset_id(call, *index) == id);
    Reply::of(&json!({"data": found.map(|index| asset(call, index)).into_iter().collect::<Vec<_>>()}))
}

fn of_host(call: &Call<'_>, index: u64) -> Vec<Value> {
    let host = call.estate().fields(index);
    let all = installed(&host, call.estate().tag());
    let found = all.into_iter().flat_map(|i| i.flaws().map(move |flaw| (i, flaw)));
    found.map(|(software, flaw)| finding(call, &host, software, flaw)).collect()
}

fn finding(call: &Call<'_>, host: &HostFields<'_>, software: Installed, flaw: &Flaw) -> Value {
    let (root, product) = (mix_str(software.root, flaw.cve), software.product);
    let newest = product.versions.first().copied().unwrap_or_default();
    let mut row = json!({
        "platform_id": hex32(root), "cve_id": flaw.cve, "cve_description": flaw.about,
        "asset_id": asset_id(call, host.index()), "asset_name": host.hostname(), "asset_type": "ENDPOINT",
        "asset_category": "Endpoint", "asset_type_class": "Compute", "asset_group_ids": [1], "type_id": "100000000",
        "ipv4_addresses": [host.ip()], "ipv6_addresses": [], "provider": "ON_PREM",
        "operating_system": host.os().version, "os_family": super::words::agent_os(host.platform()), "location": null,
        "internet_exposed": root.is_multiple_of(9), "cvss_score": flaw.score, "cvss_severity": flaw.severity(),
        "epss_score": if flaw.exploited { 0.91 } else { 0.004 }, "cortex_vulnerability_risk_score": null,
        "cve_risk_factors": ["Attack vector: network"], "has_kev": flaw.exploited, "exploitable": flaw.exploited,
        "exploit_level": if flaw.exploited { "WEAPONIZED" } else { "NONE" },
    });
    if let Some(fields) = row.as_object_mut() {
        fields.extend(package(software, newest));
        fields.extend(times(host, flaw));
    }
    row
}

fn package(software: Installed, newest: &str) -> Map<String, Value> {
    let name = software.product.name;
    fields(json!({
        "affected_software": [format!("{name} {}", software.version())], "package_version": software.version(),
        "package_type": "APPLICATION", "package_purl": null, "package_in_use": null, "package_licenses": [],
        "fix_available": true, "fix_versions": [newest], "fix_date": null, "file_path": null, "image": null,
        "remediation": format!("Install {name} {newest} or newer"), "finding_sources": ["CORTEX_XDR_AGENT"],
        "has_issue": false, "issue_id": null,
    }))
}

fn times(host: &HostFields<'_>, flaw: &Flaw) -> Map<String, Value> {
    let published = chrono::NaiveDate::parse_from_str(flaw.published, "%Y-%m-%d").ok();
    let published = published.and_then(|day| Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis()));
    fields(json!({
        "published_date": published, "cve_publish_date": published,
        "first_observed": host.first_seen_ms(), "last_observed": host.last_seen_ms(),
    }))
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// `POST vulnerability-finding/search`: pages by a token, which is good for one filter.
pub(super) fn findings(call: &Call<'_>) -> Answer {
    let size = match call.data.get("page_size") {
        None | Some(Value::Null) => FINDINGS,
        Some(size) => size.as_u64().filter(|size| (1..=MAX_FINDINGS).contains(size)).ok_or_else(|| {
            Refusal::bad_request(format!("page_size must be between 1 and {MAX_FINDINGS}, got {size}"))
        })?,
    };
    let condition = call.data.get("filter");
    let all: Vec<Value> = (0..call.estate().host_count()).flat_map(|index| of_host(call, index)).collect();
    let total = all.len();
    let mut rows = filtered(all, condition, "NIN", |column| column.to_lowercase())?;
    sort(&mut rows, call.data.get("sort"), |column| column.to_lowercase())?;
    let print = hex32(mix_str(0x70C3, &json!([condition, call.data.get("sort"), size]).to_string()));
    let from = match call.data.get("next_page_token") {
        None | Some(Value::Null) => 0,
        Some(token) => place(token, &print)?,
    };
    let page: Vec<&Value> =
        rows.iter().skip(from).take(usize::try_from(size).unwrap_or(usize::MAX)).collect();
    let to = from + page.len();
    let next = (to < rows.len()).then(|| format!("{print}.{to}"));
    Reply::of(
        &json!({"data": page, "filter_count": rows.len(), "total_count": total, "next_page_token": next}),
    )
}

/// Where a token leads to.
fn place(token: &Value, print: &str) -> Result<usize, Refusal> {
    let place = token.as_str().and_then(|token| token.strip_prefix(print)?.strip_prefix('.')?.parse().ok());
    place.ok_or_else(|| Refusal::bad_request("The page token is invalid or has expired"))
}

/// `POST vulnerability-finding/{platform_id}`.
pub(super) fn finding_by_id(call: &Call<'_>) -> Answer {
    let id = call.last_segment();
    let mut all = (0..call.estate().host_count()).flat_map(|index| of_host(call, index));
    match all.find(|row| row["platform_id"] == id) {
        Some(row) => Reply::of(&json!({"data": [row]})),
        None => Err(Refusal::not_found(call.path)),
    }
}

/// `POST get_risk_score` of XDR 3: of a host by its name.
pub(super) fn risk_score(call: &Call<'_>) -> Answer {
    let id = super::desk::text(call, "id")?;
    let found = (0..call.estate().host_count()).find(|index| call.estate().fields(*index).hostname() == id);
    let index = found.ok_or_else(|| Refusal::business("The given id was not found", json!(id)))?;
    let points = mix2(call.estate().tag(), index) % 60;
    Reply::of(&json!({"type": "host", "id": id, "score": points + 10, "reasons": [
        {"date created": "2026-01-05 09:59:28", "description": "Rare process", "severity": "SEV_030_MEDIUM",
            "status": "ACTIVE", "points": points},
    ]}))
}

fn filtered(
    rows: Vec<Value>,
    condition: Option<&Value>,
    not_in: &str,
    key: fn(&str) -> String,
) -> Result<Vec<Value>, Refusal> {
    let condition = match condition {
        None | Some(Value::Null) => return Ok(rows),
        Some(Value::Object(parts)) if parts.is_empty() => return Ok(rows),
        Some(condition) => condition,
    };
    let mut kept = Vec::new();
    for row in rows {
        if holds(&row, condition, not_in, key)? {
            kept.push(row);
        }
    }
    Ok(kept)
}

/// A tree of `AND`, `OR` and triples.
fn holds(row: &Value, condition: &Value, not_in: &str, key: fn(&str) -> String) -> Result<bool, Refusal> {
    for (word, all) in [("AND", true), ("OR", false)] {
        if let Some(parts) = condition.get(word).and_then(Value::as_array) {
            return parts.iter().try_fold(all, |so_far, part| {
                let holds = holds(row, part, not_in, key)?;
                Ok(if all { so_far && holds } else { so_far || holds })
            });
        }
    }
    let part = |name: &str| {
        let text = condition.get(name).and_then(Value::as_str);
        text.ok_or_else(|| Refusal::invalid(format!("a condition must have {name}: {condition}")))
    };
    let (field, kind) = (part("SEARCH_FIELD")?, part("SEARCH_TYPE")?);
    let actual = row.get(key(field)).ok_or_else(|| invalid_field(field))?;
    let wanted = condition.get("SEARCH_VALUE").unwrap_or(&Value::Null);
    compare(actual, if kind == not_in { "NOT_IN" } else { kind }, wanted)
        .ok_or_else(|| Refusal::invalid(format!("Got an invalid SEARCH_TYPE: {kind}")))
}

fn invalid_field(field: &str) -> Refusal {
    Refusal::invalid(format!("Got an invalid SEARCH_FIELD: {field}"))
}

/// `None` for a comparison that is not known. A severity of a filter has a number in front of its word.
fn compare(actual: &Value, kind: &str, wanted: &Value) -> Option<bool> {
    let plain = |value: &Value| match value.as_str().and_then(|word| word.strip_prefix("SEV_")) {
        Some(word) => json!(word.split_once('_').map_or(word, |(_, word)| word)),
        None => value.clone(),
    };
    let same = |wanted: &Value| *actual == plain(wanted);
    let among = || wanted.as_array().is_some_and(|values| values.iter().any(same));
    let order = || actual.as_f64().zip(wanted.as_f64()).and_then(|(a, b)| a.partial_cmp(&b));
    let contains = || actual.as_str().zip(wanted.as_str()).is_some_and(|(a, b)| a.contains(b));
    Some(match kind {
        "EQ" => same(wanted),
        "NEQ" => !same(wanted),
        "IN" => among(),
        "NOT_IN" => !among(),
        "CONTAINS" => contains(),
        "GT" => order().is_some_and(std::cmp::Ordering::is_gt),
        "GTE" => order().is_some_and(std::cmp::Ordering::is_ge),
        "LT" => order().is_some_and(std::cmp::Ordering::is_lt),
        "LTE" => order().is_some_and(std::cmp::Ordering::is_le),
        _ => return None,
    })
}

/// `sort: [{"FIELD", "ORDER"}]`.
fn sort(rows: &mut [Value], sort: Option<&Value>, key: fn(&str) -> String) -> Result<(), Refusal> {
    let first = match sort {
        None | Some(Value::Null) => return Ok(()),
        Some(sort) => {
            sort.get(0).ok_or_else(|| Refusal::invalid("sort must be an array of FIELD and ORDER"))?
        }
    };
    let field = first["FIELD"].as_str().unwrap_or_default();
    if rows.first().is_some_and(|row| row.get(key(field)).is_none()) {
        return Err(invalid_field(field));
    }
    let field = key(field);
    let order = |a: &Value, b: &Value| match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.as_str().cmp(&b.as_str()),
    };
    rows.sort_by(|a, b| order(&a[&field], &b[&field]));
    if first["ORDER"] == "DESC" {
        rows.reverse();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons() {
        for (actual, kind, wanted, expected) in [
            (json!("HIGH"), "IN", json!(["SEV_060_HIGH"]), Some(true)),
            (json!("HIGH"), "EQ", json!("SEV_050_MEDIUM"), Some(false)),
            (json!(7.5), "GTE", json!(7), Some(true)),
            (json!(7), "LT", json!(7.0), Some(false)),
            (json!(true), "NEQ", json!(true), Some(false)),
            (json!("abc"), "CONTAINS", json!("b"), Some(true)),
            (json!("a"), "NOT_IN", json!(["b"]), Some(true)),
            (json!("a"), "LIKE", json!("a"), None),
        ] {
            assert_eq!(compare(&actual, kind, &wanted), expected, "{actual} {kind} {wanted}");
        }
    }

    #[test]
    fn trees_hold_and_strange_fields_are_refused() {
        let row = json!({"a": 1, "b": "x"});
        let is = |field: &str, value: Value| json!({"SEARCH_FIELD": field, "SEARCH_TYPE": "EQ", "SEARCH_VALUE": value});
        let holds = |condition: Value| holds(&row, &condition, "NIN", |column| column.to_lowercase());
        assert!(
            holds(json!({"AND": [is("A", json!(1)), {"OR": [is("B", json!("y")), is("B", json!("x"))]}]}))
                .unwrap()
        );
        assert!(!holds(json!({"AND": [is("A", json!(2)), is("B", json!("x"))]})).unwrap());
        assert!(holds(is("C", json!(1))).is_err() && holds(json!({"SEARCH_FIELD": "A"})).is_err());
    }

    #[test]
    fn a_token_is_good_for_its_own_filter() {
        assert_eq!(place(&json!("ab.40"), "ab").unwrap(), 40);
        for bad in [json!("cd.40"), json!("ab40"), json!("ab.x"), json!(7)] {
            assert!(place(&bad, "ab").is_err(), "{bad}");
        }
    }
}
