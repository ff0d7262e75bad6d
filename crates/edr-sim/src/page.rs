//! The page at `/` of the control plane: what there is, what was asked, and what is wrong on purpose.
//!
//! One file without anything from elsewhere. Everything that comes from a request or an estate is escaped.

use std::fmt::Write as _;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use crate::falcon::containment_name;
use crate::log::{RequestEntry, RequestReport, rfc3339};
use crate::region::NAMES;
use crate::state::{SimState, TenantState};

/// How many rows of each kind are shown.
const ROWS: usize = 20;

/// Nothing is loaded from anywhere but this page itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'";

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>edr-sim</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<noscript><meta http-equiv="refresh" content="3"></noscript>
<style>
:root{color-scheme:light dark;--line:#8884;--dim:#777;--bad:#c22;--good:#282}
@media (prefers-color-scheme:dark){:root{--dim:#999;--bad:#f77;--good:#7d7}}
body{font:14px/1.5 system-ui,sans-serif;margin:1.5rem auto;max-width:78rem;padding:0 1rem}
h1{font-size:1.3rem;margin:0}h2{font-size:1rem;margin:1.6rem 0 .3rem}
table{border-collapse:collapse;width:100%;display:block;overflow-x:auto}
th,td{text-align:left;padding:.15rem .7rem .15rem 0;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;color:var(--dim)}code,td.c{font-family:ui-monospace,monospace;font-size:.92em}
.bad{color:var(--bad)}.good{color:var(--good)}.dim{color:var(--dim)}
details{margin:.2rem 0}summary{cursor:pointer}
</style></head><body><main>
"#;

/// Every two seconds the page asks for itself and takes what changed; what is unfolded stays so.
const FOOT: &str = r#"</main><script>
setInterval(async()=>{try{
const text=await(await fetch(location.href,{cache:"no-store"})).text();
const fresh=new DOMParser().parseFromString(text,"text/html").querySelector("main");
const main=document.querySelector("main");
const open=new Set([...main.querySelectorAll("details[open]")].map(d=>d.id));
fresh.querySelectorAll("details").forEach(d=>{d.open=open.has(d.id)});
main.replaceWith(fresh);
}catch(e){document.title="edr-sim (stopped)"}},2000);
</script></body></html>
"#;

/// The answer to `GET /`.
pub(crate) fn response(state: &SimState) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, render(state)).into_response()
}

/// A text that is safe between tags and in attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A table in the making; every cell is escaped. Writing to a String does not fail.
struct Table<'a>(&'a mut String);

impl<'a> Table<'a> {
    fn begin(out: &'a mut String, heads: &[&str]) -> Self {
        out.push_str("<table><tr>");
        heads.iter().for_each(|head| out.push_str(&format!("<th>{}</th>", escape(head))));
        out.push_str("</tr>\n");
        Self(out)
    }

    fn row(&mut self, cells: &[String]) {
        self.0.push_str("<tr>");
        cells.iter().for_each(|cell| self.0.push_str(&format!("<td>{}</td>", escape(cell))));
        self.0.push_str("</tr>\n");
    }

    fn end(self) {
        self.0.push_str("</table>\n");
    }
}

fn render(state: &SimState) -> String {
    let report = state.requests.report();
    let mut page = HEAD.to_owned();
    clock(&mut page, state);
    tenants(&mut page, state, &report);
    faults(&mut page, state);
    requests(&mut page, &report);
    changes(&mut page, state);
    for (place, tenant) in state.tenants.iter().enumerate().take(ROWS) {
        estate(&mut page, place, tenant);
    }
    controls(&mut page);
    page.push_str(FOOT);
    page
}

fn clock(page: &mut String, state: &SimState) {
    let moved = state.clock.offset_ms() / 1000;
    let _ = writeln!(
        page,
        "<h1>edr-sim</h1><p>virtual time <code>{}</code> <span class=\"dim\">moved by {moved} s, seed {}</span></p>",
        rfc3339(state.clock.now_ms()),
        state.options.seed
    );
}

fn tenants(page: &mut String, state: &SimState, report: &RequestReport) {
    page.push_str("<h2>Tenants</h2>");
    let mut table = Table::begin(page, &["tenant", "hosts", "alerts", "requests", "region"]);
    for (place, tenant) in state.tenants.iter().enumerate() {
        let asked: u64 = report.counters.get(&tenant.name).map_or(0, |ops| ops.values().sum());
        let region = tenant.falcon().map_or("", |_| NAMES[state.regions.of(state.root(place))]);
        let (hosts, alerts) = (tenant.estate.host_count(), tenant.estate.alert_count());
        table.row(&[
            tenant.name.clone(),
            hosts.to_string(),
            alerts.to_string(),
            asked.to_string(),
            region.to_owned(),
        ]);
    }
    table.end();
}

fn faults(page: &mut String, state: &SimState) {
    let rules = state.faults.list();
    let _ = writeln!(page, "<h2>Faults in force: {}</h2>", rules.len());
    if rules.is_empty() {
        return;
    }
    let mut table = Table::begin(page, &["operation", "tenant", "when", "fault", "matching calls"]);
    let text = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for rule in rules {
        let when = ["nth", "probability"].iter().find_map(|key| rule.get(key).map(|v| format!("{key} {v}")));
        table.row(&[
            text(&rule["operation"]),
            rule.get("tenant").map_or_else(|| "every".to_owned(), text),
            when.unwrap_or_else(|| "always".to_owned()),
            text(&rule["fault"]),
            text(&rule["calls"]),
        ]);
    }
    table.end();
}

fn requests(page: &mut String, report: &RequestReport) {
    let _ = writeln!(page, "<h2>Requests: {}</h2>", report.total);
    let mut table = Table::begin(page, &["time", "tenant", "operation", "call", "status", "ms", "fault"]);
    report.last.iter().rev().take(ROWS).for_each(|entry| table.row(&request(entry)));
    table.end();
}

fn request(entry: &RequestEntry) -> [String; 7] {
    let query = entry.query.as_deref().map(|q| format!("?{q}")).unwrap_or_default();
    let call: String = format!("{} {}{query}", entry.method, entry.path).chars().take(120).collect();
    [
        entry.time.clone(),
        entry.tenant.clone().unwrap_or_else(|| "-".to_owned()),
        entry.operation.clone(),
        call,
        if entry.status == 0 { "closed".to_owned() } else { entry.status.to_string() },
        entry.millis.to_string(),
        entry.fault.as_ref().map(ToString::to_string).unwrap_or_default(),
    ]
}

fn changes(page: &mut String, state: &SimState) {
    let log = state.log.entries();
    let _ = writeln!(page, "<h2>Accepted changes: {}</h2>", log.len());
    if log.is_empty() {
        return;
    }
    let mut table = Table::begin(page, &["time", "tenant", "operation", "target", "before", "after"]);
    for change in log.iter().rev().take(ROWS) {
        let c = change.clone();
        table.row(&[c.time, c.tenant, c.operation, c.target, c.before.to_string(), c.after.to_string()]);
    }
    table.end();
}

fn estate(page: &mut String, place: usize, tenant: &TenantState) {
    let (hosts, alerts) = (tenant.estate.host_count(), tenant.estate.alert_count());
    let name = escape(&tenant.name);
    let _ = writeln!(page, "<details id=\"t{place}\"><summary>{name}: first hosts, last alerts</summary>");
    let mut table = Table::begin(page, &["host", "platform", "connection", "containment", "id"]);
    for h in (0..hosts.min(ROWS as u64)).map(|i| tenant.estate.fields(i)) {
        table.row(&[
            h.hostname(),
            format!("{:?}", h.platform()),
            if h.online() { "online" } else { "offline" }.to_owned(),
            containment_name(h.containment()).to_owned(),
            h.id(),
        ]);
    }
    table.end();
    let mut table = Table::begin(page, &["alert", "severity", "status", "created", "host"]);
    for d in (alerts.saturating_sub(ROWS as u64)..alerts).rev().map(|i| tenant.estate.detection(i)) {
        table.row(&[
            d.kind.name.to_owned(),
            d.severity.name().to_owned(),
            format!("{:?}", d.status),
            rfc3339(d.created.timestamp_millis()),
            tenant.estate.fields(d.machine).hostname(),
        ]);
    }
    table.end();
    page.push_str("</details>\n");
}

fn controls(page: &mut String) {
    page.push_str("<h2>Controls</h2><pre>");
    page.push_str(&escape(concat!(
        "GET /sim/log\nGET /sim/requests\nGET /sim/operations\nGET /sim/tenants\n",
        "GET /sim/clock\nPOST /sim/clock {\"advance\": \"30m\"}\n",
        "PATCH /sim/tenants/{tenant} {\"region\": \"sim-2\"}\n",
        "PATCH /sim/hosts/{tenant}/{id} {\"online\": false}\nPOST /sim/alerts {\"tenant\", \"count\", \"late_by\"}\n",
        "GET|POST|DELETE /sim/faults [{\"operation\", \"tenant\", \"nth\"|\"probability\"|\"always\", \"fault\", \"seed\"}]\nPOST /sim/reset",
    )));
    page.push_str("</pre>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place() {
        assert_eq!(
            escape(r#"<a href="x" onclick='y'>&"#),
            "&lt;a href=&quot;x&quot; onclick=&#39;y&#39;&gt;&amp;"
        );
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        for text in [HEAD, FOOT] {
            assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("src="));
        }
    }
}
