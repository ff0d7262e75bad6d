//! Cortex's words for the vendor-neutral estate: names of alerts, sources, actions, severities and states.
//!
//! Facts: cortex-xdr-api section 5.3 (sources, action codes, `resolution_status`, `SEV_0x0_*`), 4.1 (agents) and
//! normalisation 3.1 to 3.7. Names of alerts are the simulator's own, in the vendor's style.

use crate::estate::alert::{Family, Kind, Proof, Severity, Status, Verdict};
use crate::estate::hash::{below, mix2};
use crate::estate::machine::{CloudProvider, Form, Health, Platform};
use crate::estate::overlay::Containment;

/// How Cortex presents one kind of alert.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wording {
    /// `name`.
    pub(super) name: &'static str,
    /// `category`.
    pub(super) category: &'static str,
    /// `module_id` of alerts of the agent.
    pub(super) module: &'static str,
    /// The name of the technique above a sub-technique.
    pub(super) technique: &'static str,
}

/// Rows of (kind, name, category, module, technique above).
const WORDINGS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "SuspiciousPowerShellDownload",
        "PowerShell Downloads And Runs Code",
        "Execution",
        "Behavioral Threat Protection",
        "Command and Scripting Interpreter",
    ),
    (
        "OfficeSpawnedShell",
        "Office Process Spawned A Shell",
        "Malware",
        "Behavioral Threat Protection",
        "Phishing",
    ),
    (
        "CredentialDumpFromLsass",
        "Memory Dump Of LSASS",
        "Credential Access",
        "Credential Gathering Protection",
        "OS Credential Dumping",
    ),
    (
        "RunKeyPersistence",
        "Run Key Added By Unsigned Script",
        "Persistence",
        "Behavioral Threat Protection",
        "Boot or Logon Autostart Execution",
    ),
    ("ShadowCopiesDeleted", "Shadow Copies Deleted", "Impact", "Anti-Ransomware Protection", ""),
    ("MaliciousFileWritten", "WildFire Malware", "Malware", "WildFire", ""),
    (
        "BeaconToKnownServer",
        "Periodic Beacon To Command And Control",
        "Command and Control",
        "Behavioral Threat Protection",
        "Application Layer Protocol",
    ),
    (
        "RemoteServiceCreated",
        "Remote Service Creation Over SMB",
        "Lateral Movement",
        "Behavioral Threat Protection",
        "Remote Services",
    ),
    (
        "UserExecutedDownload",
        "Rare Unsigned Download Executed",
        "Execution",
        "Local Analysis",
        "User Execution",
    ),
    (
        "LaunchAgentPersistence",
        "Launch Agent Installed By Script",
        "Persistence",
        "Behavioral Threat Protection",
        "Create or Modify System Process",
    ),
    (
        "ReverseShell",
        "Reverse Shell",
        "Execution",
        "Reverse Shell Protection",
        "Command and Scripting Interpreter",
    ),
    ("CryptominerInContainer", "Coin Miner In A Container", "Malware", "Cryptominers Protection", ""),
    (
        "SshKeyAdded",
        "Authorized Keys Of Root Modified",
        "Persistence",
        "Behavioral Threat Protection",
        "Account Manipulation",
    ),
    (
        "UnusualLogonToServer",
        "User Logged On To A Server For The First Time",
        "Lateral Movement",
        "",
        "Valid Accounts",
    ),
    (
        "KerberoastingAttempt",
        "Kerberos Tickets With Weak Encryption",
        "Credential Access",
        "",
        "Steal or Forge Kerberos Tickets",
    ),
    ("MaliciousFileFoundByScan", "Local Analysis Malware", "Malware", "Local Analysis", ""),
    ("HandsOnKeyboard", "Managed Threat Hunting Report", "Malware", "", ""),
    ("AdwareInstalled", "Grayware Installed", "Malware", "Local Analysis", ""),
];

/// The wording of a kind; a kind without a row keeps its own name.
pub(super) fn wording(kind: &'static Kind) -> Wording {
    WORDINGS.iter().find(|row| row.0 == kind.name).map_or(
        Wording {
            name: kind.name,
            category: "Malware",
            module: "Behavioral Threat Protection",
            technique: "",
        },
        |&(_, name, category, module, technique)| Wording { name, category, module, technique },
    )
}

/// Whether an id is of MITRE ATT&CK: Cortex knows no other framework.
fn is_attack(id: &str) -> bool {
    id.starts_with("TA") || id.starts_with('T')
}

/// "TA0002 - Execution", or nothing for a kind outside ATT&CK.
pub(super) fn tactic(kind: &Kind) -> Option<String> {
    is_attack(kind.tactic.0).then(|| format!("{} - {}", kind.tactic.0, kind.tactic.1))
}

/// "T1059.001 - Command and Scripting Interpreter: PowerShell".
pub(super) fn technique(kind: &'static Kind) -> Option<String> {
    let (id, name) = kind.technique;
    let above = wording(kind).technique;
    let name = if above.is_empty() { name.to_owned() } else { format!("{above}: {name}") };
    is_attack(id).then(|| format!("{id} - {name}"))
}

/// Where an alert comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The agent itself.
    Agent,
    /// Identity analytics.
    Analytics,
    /// A behavioural indicator: its description is a list in the first version of the API.
    Bioc,
    /// The managed hunters.
    Hunting,
    /// A firewall: no agent, no host.
    Ngfw,
}

/// The source of an alert of this kind; `roll` is a hash of the alert. A quarter of what goes over the network is seen
/// by the firewall alone.
pub(super) fn source(kind: &Kind, roll: u64) -> Source {
    match kind.family {
        Family::Identity => Source::Analytics,
        Family::Hunting => Source::Hunting,
        Family::Endpoint
            if matches!(kind.proof, Proof::Network | Proof::Dns) && below(mix2(roll, 1), 4) == 0 =>
        {
            Source::Ngfw
        }
        Family::Endpoint if below(mix2(roll, 2), 3) == 0 => Source::Bioc,
        Family::Endpoint | Family::Scan | Family::Workload => Source::Agent,
    }
}

impl Source {
    /// `source` of the documented shapes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Agent => "XDR Agent",
            Self::Analytics => "XDR Analytics",
            Self::Bioc => "XDR BIOC",
            Self::Hunting => "XDR Managed Threat Hunting",
            Self::Ngfw => "PAN NGFW",
        }
    }

    /// `alert_source` of `get_alerts_by_filter_data`, the internal name ("TRAPS" is in a public fixture).
    pub(super) fn internal(self) -> &'static str {
        match self {
            Self::Agent => "TRAPS",
            Self::Analytics => "MAGNIFIER",
            Self::Bioc => "BIOC",
            Self::Hunting => "MTH",
            Self::Ngfw => "FW",
        }
    }

    /// The tag that names the data source.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Ngfw => "DS:PANW/NGFW",
            _ => "DS:PANW/XDR Agent",
        }
    }
}

/// (`action`, `action_pretty`).
pub(super) fn action(source: Source, family: Family, prevented: bool) -> (&'static str, &'static str) {
    match (source, family) {
        (Source::Ngfw, _) if prevented => {
            ("BLOCKED_3", "Prevented (Dropped The Session And Sent A TCP Reset)")
        }
        (Source::Ngfw, _) => ("DETECTED_4", "Detected (Raised An Alert)"),
        (Source::Hunting, _) => ("DETECTED_MTH", "Detected (XDR Managed Threat Hunting)"),
        (_, Family::Scan) => ("SCANNED", "Detected (Scanned)"),
        (Source::Agent, _) if prevented => ("BLOCKED", "Prevented (Blocked)"),
        (Source::Agent, _) => ("REPORTED", "Detected (Reported)"),
        (Source::Analytics | Source::Bioc, _) => ("DETECTED", "Detected"),
    }
}

/// `severity` of alerts, in requests and replies.
pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "informational",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// `severity` of cases ("info") as they are asked for and as they are told.
pub(super) fn case_severity(level: Severity) -> &'static str {
    match level {
        Severity::Informational => "info",
        other => severity(other),
    }
}

/// `severity` of issues.
pub(super) fn issue_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "INFO",
        Severity::Low => "LOW",
        Severity::Medium => "MEDIUM",
        Severity::High => "HIGH",
        Severity::Critical => "CRITICAL",
    }
}

/// A severity in the words of issues.
pub(super) fn issue_severity_of(word: &str) -> Option<Severity> {
    use Severity::{Critical, High, Informational, Low, Medium};
    [Informational, Low, Medium, High, Critical].into_iter().find(|s| issue_severity(*s) == word)
}

/// The internal form of a severity (`SEV_040_HIGH`).
pub(super) fn internal_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "SEV_010_INFO",
        Severity::Low => "SEV_020_LOW",
        Severity::Medium => "SEV_030_MEDIUM",
        Severity::High => "SEV_040_HIGH",
        Severity::Critical => "SEV_050_CRITICAL",
    }
}

/// `resolution_status` of alerts.
pub(super) fn resolution_status(status: Status, verdict: Option<Verdict>) -> &'static str {
    match (status, verdict) {
        (Status::New, _) => "STATUS_010_NEW",
        (Status::InProgress | Status::Reopened, _) => "STATUS_020_UNDER_INVESTIGATION",
        (Status::Closed, Some(Verdict::Benign)) => "STATUS_040_RESOLVED_KNOWN_ISSUE",
        (Status::Closed, Some(Verdict::Duplicate)) => "STATUS_050_RESOLVED_DUPLICATE",
        (Status::Closed, Some(Verdict::FalsePositive)) => "STATUS_060_RESOLVED_FALSE_POSITIVE",
        (Status::Closed, Some(Verdict::Testing)) => "STATUS_100_RESOLVED_SECURITY_TESTING",
        (Status::Closed, Some(Verdict::TruePositive)) => "STATUS_090_RESOLVED_TRUE_POSITIVE",
        (Status::Closed, None) => "STATUS_070_RESOLVED_OTHER",
    }
}

/// `status` of incidents, in requests and replies (facts 5.4).
pub(super) fn incident_status(status: Status, verdict: Option<Verdict>) -> &'static str {
    match (status, verdict) {
        (Status::New, _) => "new",
        (Status::InProgress | Status::Reopened, _) => "under_investigation",
        (Status::Closed, Some(Verdict::Benign)) => "resolved_known_issue",
        (Status::Closed, Some(Verdict::Duplicate)) => "resolved_duplicate",
        (Status::Closed, Some(Verdict::FalsePositive)) => "resolved_false_positive",
        (Status::Closed, Some(Verdict::Testing)) => "resolved_security_testing",
        (Status::Closed, Some(Verdict::TruePositive)) => "resolved_true_positive",
        (Status::Closed, None) => "resolved_other",
    }
}

/// What a `status` of a request means; `resolved_threat_handled` is the old word (facts 5.2).
pub(super) fn status_of(word: &str) -> Option<(Status, Option<Verdict>)> {
    let word = word.to_lowercase();
    let verdicts = [
        Some(Verdict::Benign),
        Some(Verdict::Duplicate),
        Some(Verdict::FalsePositive),
        Some(Verdict::Testing),
        Some(Verdict::TruePositive),
        None,
    ];
    let open = [(Status::New, None), (Status::InProgress, None)];
    let closed = verdicts.map(|verdict| (Status::Closed, verdict));
    let known = open.into_iter().chain(closed).find(|(s, v)| incident_status(*s, *v) == word);
    known.or((word == "resolved_threat_handled").then_some((Status::Closed, Some(Verdict::TruePositive))))
}

/// What a `severity` of a request means.
pub(super) fn severity_of(word: &str) -> Option<Severity> {
    use Severity::{Critical, High, Informational, Low, Medium};
    [Informational, Low, Medium, High, Critical].into_iter().find(|s| severity(*s) == word.to_lowercase())
}

/// `status.progress` of issues and `status_progress` of cases.
pub(super) fn progress(status: Status) -> &'static str {
    match status {
        Status::New => "New",
        Status::InProgress | Status::Reopened => "In Progress",
        Status::Closed => "Resolved",
    }
}

/// `status.resolution_reason` of issues and `resolve_reason` of cases.
pub(super) fn resolution_reason(verdict: Option<Verdict>) -> Option<&'static str> {
    verdict.map(|verdict| match verdict {
        Verdict::Benign => "Resolved - Known Issue",
        Verdict::Duplicate => "Resolved - Duplicate",
        Verdict::FalsePositive => "Resolved - False Positive",
        Verdict::Testing => "Resolved - Security Testing",
        Verdict::TruePositive => "Resolved - True Positive",
    })
}

/// `platform` as endpoints are asked for.
pub(super) fn platform(platform: Platform) -> &'static str {
    match platform {
        Platform::Linux => "linux",
        Platform::MacOs => "macos",
        Platform::Windows => "windows",
    }
}

/// `os_type` of endpoints; macOS is AGENT_OS_MAC in reality, which broke a client (facts 4.1).
pub(super) fn os_type(platform: Platform) -> &'static str {
    match platform {
        Platform::Linux => "AGENT_OS_LINUX",
        Platform::MacOs => "AGENT_OS_MAC",
        Platform::Windows => "AGENT_OS_WINDOWS",
    }
}

/// `agent_os_type` of alerts.
pub(super) fn agent_os(platform: Platform) -> &'static str {
    match platform {
        Platform::Linux => "Linux",
        Platform::MacOs => "macOS",
        Platform::Windows => "Windows",
    }
}

/// `endpoint_type` of endpoints, and `agent_type` of the light list.
pub(super) fn endpoint_type(form: Form) -> (&'static str, &'static str) {
    match form {
        Form::Laptop | Form::Desktop => ("AGENT_TYPE_WORKSTATION", "Workstation"),
        Form::Server | Form::DomainController | Form::CloudInstance => ("AGENT_TYPE_SERVER", "Server"),
        Form::ContainerHost => ("AGENT_TYPE_KUBERNETES_NODE", "Kubernetes Node"),
    }
}

/// `is_isolated` of endpoints.
pub(super) fn isolation(containment: Containment) -> &'static str {
    match containment {
        Containment::Normal => "AGENT_UNISOLATED",
        Containment::ContainPending { .. } => "AGENT_PENDING_ISOLATION",
        Containment::Contained { .. } => "AGENT_ISOLATED",
        Containment::LiftPending { .. } => "AGENT_PENDING_ISOLATION_CANCELLATION",
    }
}

/// `operational_status` of endpoints, and the error code of its description.
pub(super) fn operational(health: Health) -> (&'static str, Option<u32>) {
    match health {
        Health::Ok => ("PROTECTED", None),
        Health::Partial => ("PARTIALLY_PROTECTED", Some(10_004)),
        Health::Reduced => ("UNPROTECTED", Some(10_007)),
    }
}

/// `cloud_provider` of endpoints (XDR 5).
pub(super) fn cloud_provider(provider: CloudProvider) -> &'static str {
    match provider {
        CloudProvider::Aws => "AWS",
        CloudProvider::Azure => "AZURE",
        CloudProvider::Gcp => "GCP",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estate::kinds::KINDS;

    #[test]
    fn every_kind_has_a_wording() {
        for kind in KINDS {
            assert!(WORDINGS.iter().any(|row| row.0 == kind.name), "{}", kind.name);
        }
    }

    #[test]
    fn techniques_name_what_they_belong_to() {
        let named = |name: &str| KINDS.iter().find(|kind| kind.name == name).unwrap();
        assert_eq!(
            technique(named("ReverseShell")).unwrap(),
            "T1059.004 - Command and Scripting Interpreter: Unix Shell"
        );
        assert_eq!(tactic(named("ShadowCopiesDeleted")).unwrap(), "TA0040 - Impact");
        assert_eq!(tactic(named("AdwareInstalled")), None);
        for kind in KINDS.iter().filter(|kind| kind.technique.0.contains('.')) {
            assert!(!wording(kind).technique.is_empty(), "{}", kind.name);
        }
    }
}
