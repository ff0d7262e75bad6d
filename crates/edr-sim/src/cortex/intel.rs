//! Hashes that are blocked or allowed, indicators, and rules of behaviour.
//!
//! Facts: cortex-xdr-api sections 6.1 and 6.2: a hash on either list is left out, a call of nothing but such hashes is
//! refused with 500; `success` of indicators is true beside errors of single ones.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Call;
use super::desk::{load, missing, note, save, texts};
use super::envelope::{Answer, Refusal, Reply};
use super::paging::Window;

const HASHES: &str = "hashes";
const INDICATORS: &str = "indicators";

fn hashes(call: &Call<'_>) -> Result<Vec<String>, Refusal> {
    let given = texts(call, "hash_list")?;
    match given.iter().find(|hash| hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit())) {
        Some(bad) => Err(Refusal::invalid(format!("hash_list must hold SHA-256, got {bad}"))),
        None => Ok(given.iter().map(|hash| hash.to_lowercase()).collect()),
    }
}

fn put(call: &Call<'_>, list: &str) -> Answer {
    let _turn = call.turn();
    let mut known: BTreeMap<String, String> = load(call.estate(), HASHES);
    let (excluded, added): (Vec<String>, Vec<String>) =
        hashes(call)?.into_iter().partition(|hash| known.contains_key(hash));
    if added.is_empty() {
        let message = "All hashes have already been added to the allow or block list";
        return Err(Refusal::business(message, Value::Null));
    }
    for hash in &added {
        known.insert(hash.clone(), list.to_owned());
        note(call, hash, Value::Null, json!({"list": list}));
    }
    save(call.estate(), HASHES, &known);
    match call.data.get("detailed_response") {
        Some(Value::Bool(true)) => Reply::of(&json!({"added_hashes": added, "excluded_hashes": excluded})),
        _ => Reply::of(&true),
    }
}

fn take(call: &Call<'_>, list: &str) -> Answer {
    let _turn = call.turn();
    let mut known: BTreeMap<String, String> = load(call.estate(), HASHES);
    let given = hashes(call)?;
    if given.iter().all(|hash| known.get(hash).is_none_or(|on| on != list)) {
        return Err(Refusal::business(format!("The hash does not exist on the {list} list"), Value::Null));
    }
    for hash in given {
        if known.get(&hash).is_some_and(|on| on == list) {
            known.remove(&hash);
            note(call, &hash, json!({"list": list}), Value::Null);
        }
    }
    save(call.estate(), HASHES, &known);
    Reply::of(&true)
}

/// `POST hash_exceptions/blocklist`.
pub(super) fn block(call: &Call<'_>) -> Answer {
    put(call, "block")
}

/// `POST hash_exceptions/allowlist`.
pub(super) fn allow(call: &Call<'_>) -> Answer {
    put(call, "allow")
}

/// `POST hash_exceptions/blocklist/remove`.
pub(super) fn unblock(call: &Call<'_>) -> Answer {
    take(call, "block")
}

/// `POST hash_exceptions/allowlist/remove`.
pub(super) fn unallow(call: &Call<'_>) -> Answer {
    take(call, "allow")
}

/// What is wrong with an indicator.
fn complaint(row: &Value) -> Option<String> {
    let indicator = row["indicator"].as_str().unwrap_or_default();
    let kind = row["type"].as_str().unwrap_or_default();
    let hex = indicator.bytes().all(|b| b.is_ascii_hexdigit());
    let fits = match kind {
        "HASH" => hex && matches!(indicator.len(), 32 | 64),
        "IP" => indicator.parse::<std::net::IpAddr>().is_ok(),
        "DOMAIN_NAME" => indicator.contains('.') && !indicator.contains(['/', ' ']),
        "FILENAME" | "PATH" => !indicator.is_empty(),
        _ => false,
    };
    (!fits).then(|| format!("Got type: {kind}, Indicator: {indicator} mismatch"))
}

fn insert(call: &Call<'_>, rows: Vec<Value>) -> Answer {
    let _turn = call.turn();
    let mut known: BTreeMap<String, Value> = load(call.estate(), INDICATORS);
    let mut errors = Vec::new();
    let now = call.estate().clock().now_ms();
    for row in rows {
        let indicator = row["indicator"].as_str().unwrap_or_default().to_owned();
        if let Some(error) = complaint(&row) {
            errors.push(json!({"indicator": indicator, "error": error}));
            continue;
        }
        let before = known.get(&indicator).cloned().unwrap_or_default();
        let number = before["rule_id"].as_u64().unwrap_or(known.len() as u64 + 1);
        let mut rule = row;
        rule["rule_id"] = json!(number);
        rule["status"] = json!("ENABLED");
        rule["modify_time"] = json!(now);
        note(call, &indicator, before, rule.clone());
        known.insert(indicator, rule);
    }
    save(call.estate(), INDICATORS, &known);
    Reply::of(&json!({"success": true, "validation_errors": errors}))
}

/// `POST indicators/insert_jsons`: `request_data` is an array.
pub(super) fn insert_jsons(call: &Call<'_>) -> Answer {
    match call.data.as_array().filter(|rows| !rows.is_empty()) {
        Some(rows) => insert(call, rows.clone()),
        None => Err(Refusal::bad_request("request_data must be a non-empty array")),
    }
}

/// `POST indicators/insert_csv`: `request_data` is a text with a header.
pub(super) fn insert_csv(call: &Call<'_>) -> Answer {
    let text = call.data.as_str().ok_or_else(|| Refusal::bad_request("request_data must be a string"))?;
    let mut lines = text.lines().map(cells);
    let header = lines.next().filter(|header| header.iter().any(|name| name == "indicator"));
    let header = header.ok_or_else(|| Refusal::bad_request("the first line must name the columns"))?;
    let row = |cells: Vec<String>| {
        let named = header.iter().cloned().zip(cells).filter(|(_, cell)| !cell.is_empty());
        Value::Object(named.map(|(name, cell)| (name, json!(cell))).collect())
    };
    insert(call, lines.map(row).collect())
}

/// The cells of a line of CSV.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    cells.push(cell);
    cells
}

fn switch(call: &Call<'_>, word: &str) -> Answer {
    let given = call.data.as_array().ok_or_else(|| Refusal::bad_request("request_data must be an array"))?;
    let _turn = call.turn();
    let mut known: BTreeMap<String, Value> = load(call.estate(), INDICATORS);
    for indicator in given.iter().filter_map(Value::as_str) {
        if let Some(rule) = known.get_mut(indicator) {
            let before = rule.clone();
            rule["status"] = json!(word);
            note(call, indicator, before, rule.clone());
        }
    }
    save(call.estate(), INDICATORS, &known);
    Reply::of(&true)
}

/// `POST indicators/enable_iocs`.
pub(super) fn enable(call: &Call<'_>) -> Answer {
    switch(call, "ENABLED")
}

/// `POST indicators/disable_iocs`.
pub(super) fn disable(call: &Call<'_>) -> Answer {
    switch(call, "DISABLED")
}

fn holds(rule: &Value, filters: &Value) -> bool {
    filters.as_array().into_iter().flatten().all(|filter| {
        let field = filter["field"].as_str().unwrap_or_default();
        filter["value"].as_array().is_some_and(|values| values.contains(&rule[field]))
    })
}

/// `POST indicators/get`.
pub(super) fn list(call: &Call<'_>) -> Answer {
    let window = Window::parse(&call.data)?;
    let known: BTreeMap<String, Value> = load(call.estate(), INDICATORS);
    let mut rules: Vec<&Value> = known.values().filter(|rule| holds(rule, &call.data["filters"])).collect();
    rules.sort_by_key(|rule| rule["rule_id"].as_u64());
    Reply::of(&json!({"objects_count": rules.len(), "objects": window.slice(&rules), "objects_type": "ioc"}))
}

/// `POST indicators/delete`.
pub(super) fn delete(call: &Call<'_>) -> Answer {
    let filters = call.data.get("filters").ok_or_else(|| missing("filters"))?;
    if filters.as_array().is_none_or(Vec::is_empty) {
        return Err(Refusal::invalid("filters must have at least one filter"));
    }
    let _turn = call.turn();
    let mut known: BTreeMap<String, Value> = load(call.estate(), INDICATORS);
    let gone: Vec<String> =
        known.iter().filter(|(_, rule)| holds(rule, filters)).map(|(name, _)| name.clone()).collect();
    for name in &gone {
        note(call, name, known.remove(name).unwrap_or_default(), Value::Null);
    }
    save(call.estate(), INDICATORS, &known);
    Reply::of(&json!({"objects_count": gone.len(), "objects": gone}))
}

/// `POST bioc/get`: two rules that everybody has.
pub(super) fn bioc(call: &Call<'_>) -> Answer {
    let window = Window::parse(&call.data)?;
    let rule = |(id, name): (u64, &str)| {
        json!({"rule_id": id, "name": name, "type": "CREDENTIAL_ACCESS", "severity": "SEV_040_HIGH", "status": "ENABLED",
            "comment": "", "is_xql": false, "indicator_text": "Process action type = execution", "mitre_tactic_id_and_name": ["TA0006 - Credential Access"]})
    };
    let rules: Vec<Value> =
        [(1, "Memory of lsass read"), (2, "Shadow copies deleted")].into_iter().map(rule).collect();
    Reply::of(&json!({"objects_count": rules.len(), "objects": window.slice(&rules), "objects_type": "bioc"}))
}
