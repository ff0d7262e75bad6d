//! Which of the model's filters the vendor evaluates, and in what words.
//!
//! A filter is pushed down only where the vendor keeps everything that passes here; every item that
//! comes back is checked again. [`host_capabilities`] and [`alert_capabilities`] say the same as data.
//! Values outside the vendor's words leave their filter to us: a pending state of containment, an
//! IPv6 address (of which the vendor compares the text), a severity that is unknown.

use std::net::Ipv4Addr;

use chrono::{DateTime, Utc};
use edr_core::{Capabilities, Feature, Filter, Noun, Op, PageEnd, Part};

use crate::filter::Filters;
use crate::{Generation, words};

/// How the values of a field become the vendor's.
#[derive(Clone, Copy)]
enum How {
    /// Exact text.
    Text,
    /// A whole number.
    Number,
    /// IPv4 addresses.
    Ipv4,
    /// `true` or `false`.
    Bool,
    /// A word of a table.
    Word(fn(&str) -> Option<&'static str>),
    /// A time in epoch milliseconds, with `gte` and `lte`.
    Time,
    /// Severities, in the words of this table.
    Severity(fn(&edr_core::Severity) -> Option<&'static str>),
}

/// A field of the model, and the field of requests that keeps all that passes.
struct Rule {
    field: &'static str,
    request: &'static str,
    how: How,
}

const fn rule(field: &'static str, request: &'static str, how: How) -> Rule {
    Rule { field, request, how }
}

static HOSTS: &[Rule] = &[
    rule("uid", "endpoint_id_list", How::Text),
    rule("hostname", "hostname", How::Text),
    rule("name", "alias", How::Text),
    rule("groups", "group_name", How::Text),
    rule("ip", "ip_list", How::Ipv4),
    rule("external_ip", "public_ip_list", How::Ipv4),
    rule("os.type", "platform", How::Word(words::ask_platform)),
    rule("connection_state", "endpoint_status", How::Word(words::ask_connection)),
    rule("containment_state", "isolate", How::Word(words::ask_containment)),
    rule("first_seen", "first_seen", How::Time),
    rule("last_seen", "last_seen", How::Time),
];

/// What generation 5 filters hosts by besides.
static HOSTS_5: &[Rule] = &[
    rule("cloud.region", "cloud_region", How::Text),
    rule("cloud.account", "cloud_provider_account_id", How::Text),
];

static ALERTS: &[Rule] = &[
    rule("uid", "alert_id_list", How::Number),
    rule("product_feature", "alert_source", How::Text),
    rule("severity", "severity", How::Severity(words::ask_severity)),
    rule("time", "creation_time", How::Time),
    rule("created_time", "server_creation_time", How::Time),
];

static ISSUES: &[Rule] = &[
    rule("uid", "id", How::Number),
    rule("product_feature", "detection.method", How::Text),
    rule("severity", "severity", How::Severity(words::ask_issue_severity)),
    rule("status", "status.progress", How::Word(words::ask_progress)),
    rule("time", "observation_time", How::Time),
    rule("created_time", "_insert_time", How::Time),
];

static INCIDENTS: &[Rule] = &[
    rule("uid", "incident_id_list", How::Text),
    rule("created_time", "creation_time", How::Time),
    rule("modified_time", "modification_time", How::Time),
];

/// The severity is not among them: what a person has set counts here, and not there.
static CASES: &[Rule] = &[
    rule("uid", "case_id", How::Number),
    rule("status", "status_progress", How::Word(words::ask_progress)),
    rule("created_time", "creation_time", How::Time),
    rule("modified_time", "last_update_time", How::Time),
];

static IOCS: &[Rule] = &[rule("uid", "rule_id", How::Number), rule("value", "indicator", How::Text)];

static MANAGEMENT: &[Rule] = &[rule("actor.email", "email", How::Text), rule("time", "timestamp", How::Time)];

static REPORTS: &[Rule] = &[
    rule("host.hostname", "endpoint_name", How::Text),
    rule("host.uid", "endpoint_id", How::Text),
    rule("time", "timestamp", How::Time),
];

static FINDINGS: &[Rule] = &[
    rule("created_time", "FIRST_OBSERVED", How::Time),
    rule("cve", "CVE_ID", How::Text),
    rule("host.hostname", "ASSET_NAME", How::Text),
    rule("is_fix_available", "FIX_AVAILABLE", How::Bool),
    rule("is_known_exploited", "HAS_KEV", How::Bool),
    rule("severity", "CVSS_SEVERITY", How::Severity(words::ask_finding_severity)),
];

fn host_rules(generation: Option<Generation>) -> impl Iterator<Item = &'static Rule> {
    let more = if generation == Some(Generation::Xdr5) { HOSTS_5 } else { &[] };
    HOSTS.iter().chain(more)
}

/// Where the generation is not known yet, what both have: alerts and issues share all but the status.
fn alert_rules(generation: Option<Generation>) -> &'static [Rule] {
    if generation == Some(Generation::Xdr5) { ISSUES } else { ALERTS }
}

/// Where the generation is not known yet, what both have.
fn case_rules(generation: Option<Generation>) -> &'static [Rule] {
    match generation {
        Some(Generation::Xdr3) => INCIDENTS,
        Some(Generation::Xdr5) => CASES,
        None => &[],
    }
}

/// The conditions that stand for these filters of incidents or cases.
pub(crate) fn cases(filters: &[Filter], generation: Generation) -> Filters {
    pushed(filters, case_rules(Some(generation)))
}

/// The conditions that stand for these filters of indicators.
pub(crate) fn iocs(filters: &[Filter]) -> Filters {
    pushed(filters, IOCS)
}

/// The conditions that stand for these filters of what was done in the console.
pub(crate) fn management_logs(filters: &[Filter]) -> Filters {
    pushed(filters, MANAGEMENT)
}

/// The conditions that stand for these filters of what agents report.
pub(crate) fn agent_reports(filters: &[Filter]) -> Filters {
    pushed(filters, REPORTS)
}

/// The conditions that stand for these filters of vulnerabilities.
pub(crate) fn vulnerabilities(filters: &[Filter]) -> Filters {
    pushed(filters, FINDINGS)
}

/// A listing of which the filters leave nothing.
pub(crate) fn nothing<T>() -> Part<T> {
    let end = Some(PageEnd { next: None, total: Some(0) });
    Part { end, ..Part::default() }
}

fn pushed(filters: &[Filter], rules: &[Rule]) -> Filters {
    filters.iter().fold(Filters::new(), |pushed, filter| {
        match rules.iter().find(|rule| rule.field == filter.field().name) {
            Some(rule) => push(pushed, rule, filter),
            None => pushed,
        }
    })
}

/// The conditions that stand for these filters of hosts.
pub(crate) fn hosts(filters: &[Filter], generation: Option<Generation>) -> Filters {
    filters.iter().fold(Filters::new(), |pushed, filter| {
        match host_rules(generation).find(|rule| rule.field == filter.field().name) {
            Some(rule) => push(pushed, rule, filter),
            None => pushed,
        }
    })
}

/// The conditions that stand for these filters of alerts.
pub(crate) fn alerts(filters: &[Filter], generation: Generation) -> Filters {
    pushed(filters, alert_rules(Some(generation)))
}

fn push(pushed: Filters, rule: &Rule, filter: &Filter) -> Filters {
    if matches!(rule.how, How::Time) {
        return push_time(pushed, rule, filter);
    }
    // A second condition on one field is left to us: what the vendor makes of two is not known.
    if pushed.has(rule.request, "in") || pushed.has(rule.request, "eq") {
        return pushed;
    }
    let values = match rule.how {
        How::Severity(words) => severities(filter, words),
        _ if filter.op() != Op::Eq => None,
        how => filter.texts().iter().map(|text| asked(how, text)).collect::<Option<Vec<_>>>(),
    };
    match values.as_deref() {
        Some([one]) if matches!(rule.how, How::Bool) => return pushed.equal(rule.request, one.clone()),
        _ if matches!(rule.how, How::Bool) => return pushed,
        _ => {}
    }
    match values {
        Some(values) if !values.is_empty() => pushed.clone().one_of(rule.request, values).unwrap_or(pushed),
        _ => pushed,
    }
}

/// A value in the vendor's words; none where it has no word that keeps all that passes.
fn asked(how: How, text: &str) -> Option<serde_json::Value> {
    match how {
        How::Bool => text.parse::<bool>().ok().map(Into::into),
        How::Text => Some(text.into()),
        How::Number => text.parse::<i64>().ok().map(Into::into),
        How::Ipv4 => text.parse::<Ipv4Addr>().ok().map(|ip| ip.to_string().into()),
        How::Word(table) => table(text).map(Into::into),
        How::Time | How::Severity(_) => None,
    }
}

/// The severities that pass. Words outside the table rank with `unknown`, so a filter that lets
/// `unknown` pass lets words pass that cannot be asked for.
fn severities(
    filter: &Filter,
    words: fn(&edr_core::Severity) -> Option<&'static str>,
) -> Option<Vec<serde_json::Value>> {
    let passing = filter.severities();
    let closed = filter.op() != Op::Ne && !passing.contains(&edr_core::Severity::Unknown);
    closed.then(|| passing.iter().map(|s| words(s).map(Into::into)).collect::<Option<Vec<_>>>())?
}

/// The vendor compares whole milliseconds, and some replies tell whole seconds of them: a lower bound is
/// rounded down, an upper one up to the end of its second, which keeps all that passes here. Several
/// values are alternatives: the widest counts.
fn push_time(pushed: Filters, rule: &Rule, filter: &Filter) -> Filters {
    let texts = filter.texts();
    let times: Option<Vec<i64>> = texts
        .iter()
        .map(|text| Some(DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc).timestamp_millis()))
        .collect();
    let Some(times) = times else { return pushed };
    match (filter.op(), times.iter().min(), times.iter().max()) {
        (Op::Ge | Op::Gt, Some(least), _) => pushed.at_least(rule.request, *least),
        (Op::Le | Op::Lt, _, Some(most)) => {
            pushed.at_most(rule.request, most.div_euclid(1000).saturating_mul(1000).saturating_add(999))
        }
        _ => pushed,
    }
}

fn ops(how: How) -> &'static [Op] {
    match how {
        How::Time => &[Op::Ge, Op::Gt, Op::Le, Op::Lt],
        How::Severity(_) => &[Op::Eq, Op::Ge, Op::Gt, Op::Le, Op::Lt],
        _ => &[Op::Eq],
    }
}

/// Why XDR 5 ends no process.
pub(crate) const NO_KILL: &str = "XDR 5 has no call that ends a process; a script can";

/// What changes something, and how many it takes at once.
fn writes(plain: Capabilities, generation: Option<Generation>) -> Capabilities {
    let five = generation == Some(Generation::Xdr5);
    let all = [
        (Feature::FileFetch, 10),
        (Feature::FileQuarantine, 1_000),
        (Feature::HostContain, 1_000),
        (Feature::HostRelease, 1_000),
        (Feature::HostScan, 1_000),
        (Feature::HostTag, 1_000),
        (Feature::HostUntag, 1_000),
        (Feature::ProcessKill, 1),
        (Feature::ScriptRun, 1_000),
        // One issue a call; while the generation is not known, what both take.
        (Feature::AlertUpdate, if generation == Some(Generation::Xdr3) { 100 } else { 1 }),
    ];
    let with =
        all.into_iter().fold(plain, |c, (feature, most)| c.with([feature]).with_max_batch(feature, most));
    let with = with
        .with_restricted(
            Feature::AlertUpdate,
            "status, verdict and comment; nobody is assigned, and no label is changed",
        )
        .with_restricted(Feature::FileQuarantine, "with the file's SHA-256")
        .with_restricted(Feature::HostScan, "whole endpoints, no single paths")
        .with_restricted(Feature::HostTag, "a call a tag")
        .with_restricted(Feature::HostUntag, "a call a tag; tags that the agent brings cannot be removed");
    match five {
        true => with.without(Feature::ProcessKill, NO_KILL),
        false => with.with_restricted(Feature::ProcessKill, "on XDR 3, by the instance id of the process"),
    }
}

/// What a tenant can do.
pub(crate) fn capabilities(generation: Option<Generation>) -> Capabilities {
    let window = crate::api::MAX_WINDOW;
    let plain = Capabilities::new()
        .with([
            Feature::AlertGet,
            Feature::AlertList,
            Feature::ConnectionState,
            Feature::ContainmentState,
            Feature::HostGet,
            Feature::HostList,
        ])
        .with_max_page(Noun::Host, window)
        .with_max_page(Noun::Alert, window)
        .with_sorts(Noun::Host, &["first_seen", "last_seen", "uid"])
        .with_sorts(Noun::Alert, &["created_time", "severity", "time"]);
    let add = |capabilities: Capabilities, noun, rule: &Rule| {
        capabilities.with_filter(noun, rule.field, ops(rule.how))
    };
    let plain = writes(plain, generation);
    let hosts = host_rules(generation).fold(plain, |c, rule| add(c, Noun::Host, rule));
    let alerts = alert_rules(generation).iter().fold(hosts, |c, rule| add(c, Noun::Alert, rule));
    let cases = case_rules(generation).iter().fold(alerts, |c, rule| add(c, Noun::Case, rule));
    nouns(IOCS.iter().fold(cases, |c, rule| add(c, Noun::Ioc, rule)), generation)
}

/// What holds for cases and indicators.
fn nouns(capabilities: Capabilities, generation: Option<Generation>) -> Capabilities {
    let window = crate::api::MAX_WINDOW;
    let all = capabilities
        .with([Feature::CaseGet, Feature::CaseList])
        .with_max_page(Noun::Case, window)
        .with_max_page(Noun::Ioc, window)
        .with_sorts(Noun::Case, &["created_time"])
        .with_max_batch(Feature::CaseUpdate, 100)
        .with_max_batch(Feature::IocDelete, 100)
        .with_max_batch(Feature::IocPush, 100)
        .with_restricted(
            Feature::IocPush,
            "blocks and allows files by their SHA-256 alone; detects the rest, without URLs and SHA-1",
        )
        .with_restricted(Feature::IocDelete, DELETES)
        .with_restricted(Feature::AuditList, AUDITS)
        .with_max_page(Noun::AuditEvent, window);
    // What holds for both of the records.
    let all = all.with_filter(Noun::AuditEvent, "time", ops(How::Time));
    let all = LACKING.iter().fold(all, |all, (feature, reason)| all.without(*feature, *reason));
    let some = match generation {
        Some(Generation::Xdr3) => all.with([Feature::CaseUpdate]),
        _ => all.with_restricted(
            Feature::CaseUpdate,
            "a case of XDR 5 takes status, verdict and comment, not assignee and severity",
        ),
    };
    let some = findings(some, generation);
    [Feature::IocGet, Feature::IocList].into_iter().fold(some, |c, feature| match generation {
        Some(Generation::Xdr3) => c.without(feature, NO_LIST),
        Some(Generation::Xdr5) => c.with([feature]),
        None => c.with_restricted(feature, "only where the tenant is found to be one of XDR 5"),
    })
}

/// What holds for vulnerabilities.
fn findings(capabilities: Capabilities, generation: Option<Generation>) -> Capabilities {
    let features = [Feature::VulnerabilityGet, Feature::VulnerabilityList];
    let all = features.into_iter().fold(capabilities, |c, feature| match generation {
        Some(Generation::Xdr3) => c.without(feature, NO_VULNERABILITIES),
        Some(Generation::Xdr5) => c.with_restricted(feature, FINDS),
        None => c.with_restricted(feature, "only where the tenant is found to be one of XDR 5"),
    });
    if generation != Some(Generation::Xdr5) {
        return all;
    }
    let all = all.with_max_page(Noun::Vulnerability, crate::api::assets::MAX_FINDINGS);
    FINDINGS.iter().fold(all, |c, rule| c.with_filter(Noun::Vulnerability, rule.field, ops(rule.how)))
}

/// What is read of no Cortex tenant, and why.
const LACKING: [(Feature, &str); 7] = [
    (Feature::ApplicationGet, NO_APPLICATIONS),
    (Feature::ApplicationList, NO_APPLICATIONS),
    (Feature::GroupGet, NO_GROUPS),
    (Feature::GroupList, NO_GROUPS),
    (Feature::HostHistory, NO_HISTORY),
    (Feature::HostRisk, NO_RISK),
    (Feature::AuditGet, NO_AUDIT_BY_ID),
];
const NO_APPLICATIONS: &str = "Cortex XDR tells applications by the host inventory add-on alone, through a query in XQL; the answer of its call for affected software is not published";
const NO_AUDIT_BY_ID: &str =
    "no call of Cortex XDR reads one entry of an audit, and reports of agents have no id; list them";
const AUDITS: &str =
    "the console's audit first, then what agents report; an order is there for one of them at a time";
const NO_GROUPS: &str = "Cortex XDR has no call that lists groups of endpoints; a host names its own";
const NO_HISTORY: &str = "Cortex XDR tells of logins and addresses through queries in XQL alone";
const NO_RISK: &str =
    "Cortex XDR 3 scores hosts by an id that its endpoints do not tell, and XDR 5 has no such call";
/// Why XDR 3 tells no vulnerabilities.
pub(crate) const NO_VULNERABILITIES: &str = "Cortex XDR 3 has no call for vulnerabilities";
const FINDS: &str = "findings of XDR 5 on all assets; the host by its name alone, and without a state";

/// Why XDR 3 lists no indicators.
pub(crate) const NO_LIST: &str = "Cortex XDR 3 has no call that lists indicators";
const DELETES: &str = "rules by their number on XDR 5 alone; blocked and allowed files as blocklist:SHA256 and allowlist:SHA256";

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    fn now() -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 1, 8, 0, 0, 0).unwrap()
    }

    fn filters(noun: Noun, texts: &[&str]) -> Vec<Filter> {
        texts.iter().map(|text| Filter::parse(noun, text, now()).unwrap()).collect()
    }

    fn host(texts: &[&str]) -> String {
        serde_json::to_string(&hosts(&filters(Noun::Host, texts), None)).unwrap()
    }

    fn alert(generation: Generation, texts: &[&str]) -> String {
        serde_json::to_string(&alerts(&filters(Noun::Alert, texts), generation)).unwrap()
    }

    #[test]
    fn hosts_are_asked_for_in_the_words_of_requests() {
        for (text, expected) in [
            ("uid = 0f", r#"[{"field":"endpoint_id_list","operator":"in","value":["0f"]}]"#),
            ("os.type = macos", r#"[{"field":"platform","operator":"in","value":["macos"]}]"#),
            (
                "connection_state = online",
                r#"[{"field":"endpoint_status","operator":"in","value":["connected"]}]"#,
            ),
            (
                "containment_state = contained",
                r#"[{"field":"isolate","operator":"in","value":["isolated"]}]"#,
            ),
            ("containment_state = normal", r#"[{"field":"isolate","operator":"in","value":["unisolated"]}]"#),
            ("ip = 10.0.0.5", r#"[{"field":"ip_list","operator":"in","value":["10.0.0.5"]}]"#),
            ("hostname = WIN-1", r#"[{"field":"hostname","operator":"in","value":["WIN-1"]}]"#),
            ("last_seen >= 2026-01-01", r#"[{"field":"last_seen","operator":"gte","value":1767225600000}]"#),
            (
                "last_seen < 2026-01-01T00:00:00.0009Z",
                r#"[{"field":"last_seen","operator":"lte","value":1767225600999}]"#,
            ),
        ] {
            assert_eq!(host(&[text]), expected, "{text}");
        }
    }

    #[test]
    fn what_the_vendor_could_lose_stays_here() {
        for text in [
            "containment_state = lift_pending",
            "connection_state = unknown",
            "os.type = ios",
            "ip = 2001:db8::1",
            "ip = rubbish",
            "ip ~ 10.*",
            "hostname ~ win",
            "hostname != win",
            "last_user.name = ann",
            "cloud.region = eu-west-1",
        ] {
            assert_eq!(host(&[text]), "[]", "{text}");
        }
        for text in [
            "severity <= low",
            "severity != high",
            "severity = unknown",
            "severity > critical",
            "uid = abc",
            "status = new",
            "title = x",
        ] {
            assert_eq!(alert(Generation::Xdr3, &[text]), "[]", "{text}");
        }
    }

    #[test]
    fn alerts_and_issues_have_their_own_words() {
        let texts =
            ["severity >= high", "created_time >= 2026-01-01", "created_time >= 2026-01-02", "uid = 7"];
        assert_eq!(
            alert(Generation::Xdr3, &texts),
            r#"[{"field":"severity","operator":"in","value":["high","critical"]},{"field":"server_creation_time","operator":"gte","value":1767312000000},{"field":"alert_id_list","operator":"in","value":[7]}]"#
        );
        assert_eq!(
            alert(
                Generation::Xdr5,
                &["severity = informational", "status = in_progress", "time < 2026-01-01"]
            ),
            r#"[{"field":"severity","operator":"in","value":["INFO"]},{"field":"status.progress","operator":"in","value":["In Progress"]},{"field":"observation_time","operator":"lte","value":1767225600999}]"#
        );
    }

    #[test]
    fn audits_and_findings_have_their_own_fields() {
        let told = |of: fn(&[Filter]) -> Filters, noun, texts: &[&str]| {
            let triples = of(&filters(noun, texts));
            let told = triples.triples().iter().map(|t| format!("{} {} {}", t.field, t.operator, t.value));
            told.collect::<Vec<_>>().join("; ")
        };
        let audit = ["actor.email = ann@corp.example", "host.uid = 0f", "time >= 2026-01-01", "action = x"];
        assert_eq!(
            told(management_logs, Noun::AuditEvent, &audit),
            r#"email in ["ann@corp.example"]; timestamp gte 1767225600000"#
        );
        assert_eq!(
            told(agent_reports, Noun::AuditEvent, &audit),
            r#"endpoint_id in ["0f"]; timestamp gte 1767225600000"#
        );
        let found =
            ["severity >= high", "is_known_exploited = true", "is_known_exploited = false", "cve = CVE-1"];
        assert_eq!(
            told(vulnerabilities, Noun::Vulnerability, &found),
            r#"CVSS_SEVERITY in ["SEV_060_HIGH","SEV_070_CRITICAL"]; HAS_KEV eq true; CVE_ID in ["CVE-1"]"#
        );
        // What is informational is two words there.
        assert_eq!(told(vulnerabilities, Noun::Vulnerability, &["severity = informational"]), "");
    }

    #[test]
    fn a_second_selection_of_one_field_is_left_to_us() {
        assert_eq!(
            host(&["hostname = a", "hostname = b"]),
            r#"[{"field":"hostname","operator":"in","value":["a"]}]"#
        );
    }

    #[test]
    fn capabilities_name_what_is_pushed() {
        let three = capabilities(None);
        let five = capabilities(Some(Generation::Xdr5));
        let site = |c: &Capabilities, noun, text| c.site(noun, &Filter::parse(noun, text, now()).unwrap());
        assert_eq!(site(&three, Noun::Host, "uid = a"), edr_core::Site::Server);
        assert_eq!(site(&three, Noun::Host, "cloud.region = a"), edr_core::Site::Client);
        assert_eq!(site(&five, Noun::Host, "cloud.region = a"), edr_core::Site::Server);
        assert_eq!(site(&three, Noun::Alert, "status = new"), edr_core::Site::Client);
        assert_eq!(site(&five, Noun::Alert, "status = new"), edr_core::Site::Server);
        assert_eq!(site(&three, Noun::Alert, "title = new"), edr_core::Site::Client);
    }
}
