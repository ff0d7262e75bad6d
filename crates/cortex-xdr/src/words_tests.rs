use super::*;

#[test]
fn requests_and_replies_have_their_own_words() {
    for state in [
        ConnectionState::Online,
        ConnectionState::Offline,
        ConnectionState::Lost,
        ConnectionState::Uninstalled,
    ] {
        let asked = ask_connection(state.as_str()).unwrap();
        assert_eq!(asked, asked.to_lowercase());
        assert_eq!(connection(&asked.to_uppercase()), state);
    }
    assert_eq!(ask_connection("unknown"), None);
    for state in ["containment_pending", "lift_pending", "unknown"] {
        assert_eq!(ask_containment(state), None, "{state}");
    }
    assert_eq!((ask_platform("macos"), ask_platform("ios")), (Some("macos"), None));
    assert_eq!(ask_severity(&Severity::Informational), Some("informational"));
    assert_eq!(ask_issue_severity(&Severity::Informational), Some("INFO"));
    assert_eq!(ask_progress("in_progress"), Some("In Progress"));
}

#[test]
fn states_of_hosts() {
    assert_eq!(connection("STATUS_010_CONNECTED"), ConnectionState::Online);
    assert_eq!(connection("Disconnected"), ConnectionState::Offline);
    assert_eq!(connection("VDI_PENDING_LOG_ON"), ConnectionState::Other("VDI_PENDING_LOG_ON".into()));
    assert_eq!(containment("AGENT_PENDING_ISOLATION"), ContainmentState::ContainmentPending);
    assert_eq!(containment("AGENT_PENDING_ISOLATION_CANCELLATION"), ContainmentState::LiftPending);
    assert_eq!(containment("odd"), ContainmentState::Other("odd".into()));
    for mac in ["AGENT_OS_MAC", "AGENT_OS_MACOS", "macOS", "Mac", "XDM_CONST.OS_FAMILY_MACOS"] {
        assert_eq!(platform(mac), Platform::Macos, "{mac}");
    }
    assert_eq!(platform("NO_HOST"), Platform::Unknown);
    assert_eq!(platform("AGENT_OS_SERVERLESS"), Platform::Other("AGENT_OS_SERVERLESS".into()));
    assert_eq!(host_type("AGENT_TYPE_WORKSTATION"), HostType::Desktop);
    assert_eq!(host_type("Server"), HostType::Server);
    assert_eq!(host_type("AGENT_TYPE_KUBERNETES_NODE"), HostType::Other("AGENT_TYPE_KUBERNETES_NODE".into()));
    assert_eq!(health("PARTIALLY_PROTECTED"), AgentHealth::Degraded);
}

#[test]
fn severities_are_read_by_the_word() {
    for (word, expected) in [
        ("high", Severity::High),
        ("HIGH", Severity::High),
        // Of alerts.
        ("SEV_010_INFO", Severity::Informational),
        ("SEV_020_LOW", Severity::Low),
        ("SEV_030_MEDIUM", Severity::Medium),
        ("SEV_040_HIGH", Severity::High),
        ("SEV_050_CRITICAL", Severity::Critical),
        // Of vulnerabilities, where the same numbers mean something else.
        ("SEV_030_INFO", Severity::Informational),
        ("SEV_040_LOW", Severity::Low),
        ("SEV_050_MEDIUM", Severity::Medium),
        ("SEV_060_HIGH", Severity::High),
        ("SEV_070_CRITICAL", Severity::Critical),
        ("INFO", Severity::Informational),
        ("SEV_090_UNKNOWN", Severity::Unknown),
        ("apocalyptic", Severity::Other("apocalyptic".into())),
    ] {
        assert_eq!(severity(word), expected, "{word}");
    }
}

#[test]
fn states_of_alerts() {
    for (word, expected, decided) in [
        ("STATUS_010_NEW", AlertStatus::New, None),
        ("new", AlertStatus::New, None),
        ("STATUS_020_UNDER_INVESTIGATION", AlertStatus::InProgress, None),
        ("In Progress", AlertStatus::InProgress, None),
        ("STATUS_025_RESOLVED", AlertStatus::Resolved, None),
        ("Resolved", AlertStatus::Resolved, None),
        ("STATUS_080_RESOLVED_TRUE_POSITIVE", AlertStatus::Resolved, Some(Verdict::TruePositive)),
        ("STATUS_090_RESOLVED_TRUE_POSITIVE", AlertStatus::Resolved, Some(Verdict::TruePositive)),
        ("resolved_false_positive", AlertStatus::Resolved, Some(Verdict::FalsePositive)),
        ("resolved_threat_handled", AlertStatus::Resolved, Some(Verdict::TruePositive)),
        ("resolved_known_issue", AlertStatus::Resolved, Some(Verdict::Disregard)),
        ("resolved_duplicate_incident", AlertStatus::Resolved, Some(Verdict::Duplicate)),
        ("STATUS_100_RESOLVED_SECURITY_TESTING", AlertStatus::Resolved, Some(Verdict::Test)),
        ("resolved_auto_resolve", AlertStatus::Resolved, Some(Verdict::Unknown)),
        ("resolved_other", AlertStatus::Resolved, Some(Verdict::Other("other".into()))),
        ("STATUS_X", AlertStatus::Other("STATUS_X".into()), None),
    ] {
        assert_eq!(status(word), (expected, decided), "{word}");
    }
    for (word, expected) in [
        ("Resolved - True Positive", Verdict::TruePositive),
        ("Resolved - Duplicate Case", Verdict::Duplicate),
        ("STATUS_070_RESOLVED_OTHER", Verdict::Other("other".into())),
        ("resolved_security_testing", Verdict::Test),
        ("Resolved", Verdict::Unknown),
    ] {
        assert_eq!(verdict(word), expected, "{word}");
    }
}

#[test]
fn actions_are_read_by_the_code() {
    use Action::{Allowed, Denied, Modified, Observed};
    for (codes, expected) in [
        (
            "BLOCKED BLOCKED_1 BLOCKED_5 BLOCKED_6 BLOCKED_14 BLOCKED_15 BLOCKED_25 BLOCKED_26 BLOCKED_99 BLOCKED_TRIGGER_4 PROMPT_BLOCK",
            (Denied, Disposition::Blocked),
        ),
        ("BLOCKED_2 BLOCKED_3 BLOCKED_7 BLOCKED_8 BLOCKED_17 BLOCKED_24", (Denied, Disposition::Dropped)),
        ("BLOCKED_9 BLOCKED_10 BLOCKED_11", (Denied, Disposition::Reset)),
        ("BLOCKED_13 BLOCKED_16", (Denied, Disposition::Challenge)),
        (
            "DETECTED DETECTED_4 POST_DETECTED REPORTED REPORTED_TRIGGER_4 SCANNED DETECTED_MTH DETECTED_18 DETECTED_19 DETECTED_20 DETECTED_21 DETECTED_22 DOWNLOAD",
            (Observed, Disposition::Detected),
        ),
        ("DETECTED_0 PROMPT_ALLOW", (Allowed, Disposition::Allowed)),
        ("DETECTED_23", (Modified, Disposition::CustomAction)),
    ] {
        for code in codes.split(' ') {
            assert_eq!(action(code), expected, "{code}");
        }
    }
    assert_eq!(action("WEIRD").0, Action::Other("WEIRD".into()));
}

#[test]
fn sources_tell_the_sort_of_rule() {
    assert_eq!(source("TRAPS"), "XDR Agent");
    assert_eq!(source("Someone - VPN"), "Someone - VPN");
    for (source, kind) in [
        ("XDR BIOC", Some("rule")),
        ("XDR IOC", Some("indicator")),
        ("XDR Analytics BIOC", Some("behavioral")),
        ("XDR Analytics", Some("behavioral")),
        ("Correlation", Some("correlation")),
        ("XDR Agent", None),
    ] {
        assert_eq!(analytic_kind(source), kind, "{source}");
    }
}
