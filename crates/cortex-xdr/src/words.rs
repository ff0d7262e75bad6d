//! The vendor's words, in one table a noun: what stands in replies, what requests take, and what it
//! means here. The two differ: endpoints are asked for as `connected` and answer `CONNECTED`.
//!
//! Numbers in `SEV_040_HIGH` and `STATUS_020_…` mean different things in different APIs and are never
//! read: the word behind them is.

use std::borrow::Cow;

use edr_core::{
    Action, AgentHealth, AlertStatus, ConnectionState, ContainmentState, Disposition, HostType, Platform,
    Severity, Verdict,
};

/// One meaning: the word that requests take, if they take it, and the words of replies without prefix.
struct Row<T: 'static> {
    value: T,
    request: Option<&'static str>,
    replies: &'static [&'static str],
}

const fn row<T>(value: T, request: Option<&'static str>, replies: &'static [&'static str]) -> Row<T> {
    Row { value, request, replies }
}

/// `endpoint_status`; also `STATUS_010_CONNECTED`.
static CONNECTION: &[Row<ConnectionState>] = &[
    row(ConnectionState::Online, Some("connected"), &["CONNECTED"]),
    row(ConnectionState::Offline, Some("disconnected"), &["DISCONNECTED"]),
    row(ConnectionState::Lost, Some("lost"), &["LOST"]),
    row(ConnectionState::Uninstalled, Some("uninstalled"), &["UNINSTALLED"]),
];

/// `is_isolated`. The filter `isolate` knows two words only, and does not say where the pending
/// states belong: these are never asked for.
static CONTAINMENT: &[Row<ContainmentState>] = &[
    row(ContainmentState::Normal, Some("unisolated"), &["UNISOLATED"]),
    row(ContainmentState::Contained, Some("isolated"), &["ISOLATED"]),
    row(ContainmentState::ContainmentPending, None, &["PENDING_ISOLATION"]),
    row(ContainmentState::LiftPending, None, &["PENDING_ISOLATION_CANCELLATION"]),
];

/// `os_type`, `agent_os_type`, and the family in normalised fields.
static PLATFORM: &[Row<Platform>] = &[
    row(Platform::Windows, Some("windows"), &["WINDOWS"]),
    row(Platform::Linux, Some("linux"), &["LINUX"]),
    row(Platform::Macos, Some("macos"), &["MAC", "MACOS", "MAC_OS", "OSX", "MACOSX"]),
    row(Platform::Android, Some("android"), &["ANDROID"]),
    row(Platform::Ios, None, &["IOS"]),
    row(Platform::Ipados, None, &["IPADOS"]),
];

/// `endpoint_type`; the light list writes the word alone.
static KIND: &[Row<HostType>] = &[
    row(HostType::Server, None, &["SERVER"]),
    row(HostType::Desktop, None, &["WORKSTATION"]),
    row(HostType::Laptop, None, &["LAPTOP"]),
    row(HostType::Mobile, None, &["MOBILE"]),
];

/// `operational_status`.
static HEALTH: &[Row<AgentHealth>] = &[
    row(AgentHealth::Ok, None, &["PROTECTED"]),
    row(AgentHealth::Degraded, None, &["PARTIALLY_PROTECTED"]),
    row(AgentHealth::Unprotected, None, &["UNPROTECTED"]),
];

/// `severity` of alerts; issues write the same in capitals, with INFO.
static SEVERITY: &[Row<Severity>] = &[
    row(Severity::Unknown, Some("unknown"), &["UNKNOWN", "NONE"]),
    row(Severity::Informational, Some("informational"), &["INFORMATIONAL", "INFO"]),
    row(Severity::Low, Some("low"), &["LOW"]),
    row(Severity::Medium, Some("medium"), &["MEDIUM"]),
    row(Severity::High, Some("high"), &["HIGH"]),
    row(Severity::Critical, Some("critical"), &["CRITICAL"]),
];

/// `status.progress` of issues; `resolution_status` of alerts has more words, see [`status`].
static PROGRESS: &[Row<AlertStatus>] = &[
    row(AlertStatus::New, Some("New"), &["NEW"]),
    row(AlertStatus::InProgress, Some("In Progress"), &["UNDER_INVESTIGATION", "IN_PROGRESS"]),
    row(AlertStatus::Reopened, None, &["REOPENED"]),
    row(AlertStatus::Resolved, Some("Resolved"), &["RESOLVED"]),
];

/// How an alert was decided, without `RESOLVED_`. `OTHER` stays the vendor's.
static VERDICT: &[Row<Verdict>] = &[
    row(Verdict::Unknown, None, &["", "RESOLVED", "AUTO", "AUTO_RESOLVE", "AUTO_RESOLVED"]),
    row(Verdict::FalsePositive, None, &["FALSE_POSITIVE"]),
    row(Verdict::TruePositive, None, &["TRUE_POSITIVE", "THREAT_HANDLED"]),
    row(Verdict::Disregard, None, &["KNOWN_ISSUE"]),
    row(Verdict::Test, None, &["SECURITY_TESTING"]),
    row(
        Verdict::Duplicate,
        None,
        &["DUPLICATE", "DUPLICATE_INCIDENT", "DUPLICATE_CASE", "DUPLICATE_ISSUE", "DUPLICATE_ALERT"],
    ),
];

fn from_reply<T: Clone>(table: &[Row<T>], bare: &str) -> Option<T> {
    table.iter().find(|row| row.replies.contains(&bare)).map(|row| row.value.clone())
}

fn to_request<T: PartialEq>(table: &[Row<T>], value: &T) -> Option<&'static str> {
    table.iter().find(|row| row.value == *value).and_then(|row| row.request)
}

/// Capitals with underscores, without these prefixes and without `SEV_010_`, `STATUS_020_`.
fn bare<'a>(word: &'a str, prefixes: &[&str]) -> Cow<'a, str> {
    let word = word.trim();
    if is_plain(word) {
        return Cow::Borrowed(stripped(word, prefixes));
    }
    let upper = word.to_uppercase();
    let plain: Vec<&str> = upper.split(|c: char| !c.is_alphanumeric()).filter(|p| !p.is_empty()).collect();
    Cow::Owned(stripped(&plain.join("_"), prefixes).to_owned())
}

/// True for capitals and digits with single underscores between them, as nearly all words come.
fn is_plain(word: &str) -> bool {
    let letter = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    word.split('_').all(|part| !part.is_empty() && part.bytes().all(letter))
}

fn stripped<'a>(word: &'a str, prefixes: &[&str]) -> &'a str {
    let rest = prefixes.iter().fold(word, |rest, prefix| rest.strip_prefix(prefix).unwrap_or(rest));
    without_number(rest, "SEV_").or_else(|| without_number(rest, "STATUS_")).unwrap_or(rest)
}

/// The rest of `{prefix}123_REST`.
fn without_number<'a>(word: &'a str, prefix: &str) -> Option<&'a str> {
    let (number, rest) = word.strip_prefix(prefix)?.split_once('_')?;
    (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'X')).then_some(rest)
}

/// Whether the agent is connected.
pub(crate) fn connection(word: &str) -> ConnectionState {
    from_reply(CONNECTION, &bare(word, &[])).unwrap_or_else(|| ConnectionState::Other(word.to_owned()))
}

/// The word with which endpoints in this state are asked for.
pub(crate) fn ask_connection(state: &str) -> Option<&'static str> {
    to_request(CONNECTION, &ConnectionState::from(state))
}

/// Network containment.
pub(crate) fn containment(word: &str) -> ContainmentState {
    from_reply(CONTAINMENT, &bare(word, &["AGENT_"]))
        .unwrap_or_else(|| ContainmentState::Other(word.to_owned()))
}

/// The word with which endpoints in this state are asked for.
pub(crate) fn ask_containment(state: &str) -> Option<&'static str> {
    to_request(CONTAINMENT, &ContainmentState::from(state))
}

/// The platform; `NO_HOST` means that there is no host.
pub(crate) fn platform(word: &str) -> Platform {
    let bare = bare(word, &["XDM_CONST_", "AGENT_OS_", "OS_FAMILY_"]);
    match bare.as_ref() {
        "NO_HOST" | "UNKNOWN" | "NA" | "" => Platform::Unknown,
        known => from_reply(PLATFORM, known).unwrap_or_else(|| Platform::Other(word.to_owned())),
    }
}

/// The word with which endpoints of this platform are asked for.
pub(crate) fn ask_platform(platform: &str) -> Option<&'static str> {
    to_request(PLATFORM, &Platform::from(platform))
}

/// The name of a platform, where the vendor gives none.
pub(crate) fn platform_caption(platform: &Platform) -> Option<&'static str> {
    match platform {
        Platform::Android => Some("Android"),
        Platform::Ios => Some("iOS"),
        Platform::Ipados => Some("iPadOS"),
        Platform::Linux => Some("Linux"),
        Platform::Macos => Some("macOS"),
        Platform::Windows => Some("Windows"),
        _ => None,
    }
}

/// The form of the machine.
pub(crate) fn host_type(word: &str) -> HostType {
    from_reply(KIND, &bare(word, &["AGENT_TYPE_"])).unwrap_or_else(|| HostType::Other(word.to_owned()))
}

/// Whether the agent does its work.
pub(crate) fn health(word: &str) -> AgentHealth {
    from_reply(HEALTH, &bare(word, &[])).unwrap_or_else(|| AgentHealth::Other(word.to_owned()))
}

/// The severity, by the word.
pub(crate) fn severity(word: &str) -> Severity {
    from_reply(SEVERITY, &bare(word, &[])).unwrap_or_else(|| Severity::Other(word.to_owned()))
}

/// The word with which alerts of this severity are asked for.
pub(crate) fn ask_severity(severity: &Severity) -> Option<&'static str> {
    to_request(SEVERITY, severity)
}

/// The word with which findings of this severity are asked for. What is informational here is two words there.
pub(crate) fn ask_finding_severity(severity: &Severity) -> Option<&'static str> {
    Some(match severity {
        Severity::Low => "SEV_040_LOW",
        Severity::Medium => "SEV_050_MEDIUM",
        Severity::High => "SEV_060_HIGH",
        Severity::Critical => "SEV_070_CRITICAL",
        _ => return None,
    })
}

/// The word with which issues of this severity are asked for.
pub(crate) fn ask_issue_severity(severity: &Severity) -> Option<&'static str> {
    Some(match severity {
        Severity::Informational => "INFO",
        Severity::Low => "LOW",
        Severity::Medium => "MEDIUM",
        Severity::High => "HIGH",
        Severity::Critical => "CRITICAL",
        _ => return None,
    })
}

/// Where an alert stands, and the verdict that its word holds.
pub(crate) fn status(word: &str) -> (AlertStatus, Option<Verdict>) {
    let bare = bare(word, &[]);
    match (from_reply(PROGRESS, &bare), bare.strip_prefix("RESOLVED_")) {
        (Some(status), _) => (status, None),
        (None, Some(rest)) => (AlertStatus::Resolved, Some(decided(rest))),
        (None, None) => (AlertStatus::Other(word.to_owned()), None),
    }
}

/// The word with which issues in this state are asked for.
pub(crate) fn ask_progress(status: &str) -> Option<&'static str> {
    to_request(PROGRESS, &AlertStatus::from(status))
}

/// The verdict of `status.resolution_reason`: `Resolved - True Positive`.
pub(crate) fn verdict(word: &str) -> Verdict {
    decided(&bare(word, &["RESOLVED_"]).replace("RESOLVED_", ""))
}

fn decided(bare: &str) -> Verdict {
    from_reply(VERDICT, bare).unwrap_or_else(|| Verdict::Other(bare.to_lowercase()))
}

/// What the product did: by the code, never by the words of `action_pretty`.
pub(crate) fn action(code: &str) -> (Action, Disposition) {
    let upper = code.trim().to_uppercase();
    let (family, number) = upper.split_once('_').unwrap_or((&upper, ""));
    match (family, number) {
        ("BLOCKED", "2" | "3" | "7" | "8" | "17" | "24") => (Action::Denied, Disposition::Dropped),
        ("BLOCKED", "9" | "10" | "11") => (Action::Denied, Disposition::Reset),
        ("BLOCKED", "13" | "16") => (Action::Denied, Disposition::Challenge),
        ("BLOCKED", _) | ("PROMPT", "BLOCK") => (Action::Denied, Disposition::Blocked),
        ("DETECTED", "0") | ("PROMPT", "ALLOW") => (Action::Allowed, Disposition::Allowed),
        ("DETECTED", "23") => (Action::Modified, Disposition::CustomAction),
        ("DETECTED" | "REPORTED", _) | ("SCANNED" | "DOWNLOAD", "") | ("POST", "DETECTED") => {
            (Action::Observed, Disposition::Detected)
        }
        _ => (Action::Other(code.to_owned()), Disposition::Unknown),
    }
}

/// The product's part, for the internal names that one undocumented call has.
pub(crate) fn source(word: &str) -> &str {
    match word {
        "TRAPS" => "XDR Agent",
        "MAGNIFIER" => "XDR Analytics",
        "ANALYTICS_BIOC" | "MAGNIFIER_BIOC" => "XDR Analytics BIOC",
        "BIOC" => "XDR BIOC",
        "IOC" => "XDR IOC",
        "FW" => "PAN NGFW",
        "CORRELATION" => "Correlation",
        "MTH" => "XDR Managed Threat Hunting",
        other => other,
    }
}

/// The sort of rule behind an alert of this source, in the model's words.
pub(crate) fn analytic_kind(source: &str) -> Option<&'static str> {
    let upper = source.to_uppercase();
    match upper.as_str() {
        s if s.contains("ANALYTICS") => Some("behavioral"),
        s if s.contains("BIOC") => Some("rule"),
        s if s.contains("IOC") || s == "THREAT INTELLIGENCE" => Some("indicator"),
        s if s.contains("CORRELATION") => Some("correlation"),
        _ => None,
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
