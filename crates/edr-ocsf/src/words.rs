//! The model's words as numbers and captions of OCSF 1.8.0.

use edr_core::{
    Action, AlertStatus, CaseStatus, Disposition, HostType, IocType, Platform, Severity, UserKind, Verdict,
    Vulnerability, VulnerabilityStatus,
};

use chrono::{DateTime, Utc};

/// A number and its caption.
pub(crate) type Word<'a> = (u64, &'a str);

/// A value outside the tables.
const OTHER: u64 = 99;

pub(crate) fn severity(severity: &Severity) -> Word<'_> {
    match severity {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
        Severity::Other(word) => (OTHER, word),
        _ => (0, "Unknown"),
    }
}

/// A finding is created once; what has changed since is an update, and what is done is closed.
pub(crate) fn finding_activity(
    done: bool,
    made: Option<DateTime<Utc>>,
    changed: Option<DateTime<Utc>>,
) -> Word<'static> {
    let later = changed.zip(made).is_some_and(|(changed, made)| changed > made);
    match (done, later) {
        (true, _) => (3, "Close"),
        (_, true) => (2, "Update"),
        _ => (1, "Create"),
    }
}

/// `reopened` has no number of its own: it is in progress, with its own caption.
pub(crate) fn status(status: &AlertStatus) -> Word<'_> {
    match status {
        AlertStatus::New => (1, "New"),
        AlertStatus::InProgress | AlertStatus::Reopened => (2, "In Progress"),
        AlertStatus::Suppressed => (3, "Suppressed"),
        AlertStatus::Resolved => (4, "Resolved"),
        AlertStatus::Other(word) => (OTHER, word),
        _ => (0, "Unknown"),
    }
}

/// `reopened` has no number of its own here either.
pub(crate) fn case_status(status: &CaseStatus) -> Word<'_> {
    match status {
        CaseStatus::New => (1, "New"),
        CaseStatus::InProgress | CaseStatus::Reopened => (2, "In Progress"),
        CaseStatus::OnHold => (3, "On Hold"),
        CaseStatus::Resolved => (4, "Resolved"),
        CaseStatus::Closed => (5, "Closed"),
        CaseStatus::Other(word) => (OTHER, word),
        _ => (0, "Unknown"),
    }
}

/// What people live with is suppressed, whether it is there or not; what was not seen for long is archived.
pub(crate) fn vulnerability_status(found: &Vulnerability) -> Word<'_> {
    if found.is_suppressed == Some(true) {
        return (3, "Suppressed");
    }
    match &found.status {
        VulnerabilityStatus::Open | VulnerabilityStatus::Reopened => (1, "New"),
        VulnerabilityStatus::Closed => (4, "Resolved"),
        VulnerabilityStatus::Expired => (5, "Archived"),
        VulnerabilityStatus::Other(word) => (OTHER, word),
        _ => (0, "Unknown"),
    }
}

pub(crate) fn verdict(verdict: &Verdict) -> Word<'_> {
    match verdict {
        Verdict::FalsePositive => (1, "False Positive"),
        Verdict::TruePositive => (2, "True Positive"),
        Verdict::Disregard => (3, "Disregard"),
        Verdict::Suspicious => (4, "Suspicious"),
        Verdict::Benign => (5, "Benign"),
        Verdict::Test => (6, "Test"),
        Verdict::Duplicate => (10, "Duplicate"),
        Verdict::Other(word) => (OTHER, word),
        _ => (0, "Unknown"),
    }
}

pub(crate) fn action(action: &Action) -> Word<'_> {
    match action {
        Action::Allowed => (1, "Allowed"),
        Action::Denied => (2, "Denied"),
        Action::Observed => (3, "Observed"),
        Action::Modified => (4, "Modified"),
        Action::Other(word) => (OTHER, word),
        _ => (0, "Unknown"),
    }
}

pub(crate) fn disposition(disposition: &Disposition) -> Word<'_> {
    match disposition {
        Disposition::Allowed => (1, "Allowed"),
        Disposition::Blocked => (2, "Blocked"),
        Disposition::Quarantined => (3, "Quarantined"),
        Disposition::Isolated => (4, "Isolated"),
        Disposition::Dropped => (6, "Dropped"),
        Disposition::CustomAction => (7, "Custom Action"),
        Disposition::Uncorrected => (13, "Uncorrected"),
        Disposition::Detected => (15, "Detected"),
        Disposition::Reset => (21, "Reset"),
        Disposition::Challenge => (23, "Challenge"),
        Disposition::Other(word) => (OTHER, word),
        _ => (0, "Unknown"),
    }
}

pub(crate) fn device(kind: &HostType) -> Word<'_> {
    match kind {
        HostType::Server => (1, "Server"),
        HostType::Desktop => (2, "Desktop"),
        HostType::Laptop => (3, "Laptop"),
        HostType::Mobile => (5, "Mobile"),
        HostType::Other(word) => (OTHER, word),
        _ => (0, "Unknown"),
    }
}

pub(crate) fn os(platform: &Platform) -> Word<'_> {
    match platform {
        Platform::Windows => (100, "Windows"),
        Platform::Linux => (200, "Linux"),
        Platform::Android => (201, "Android"),
        Platform::Macos => (300, "macOS"),
        Platform::Ios => (301, "iOS"),
        Platform::Ipados => (302, "iPadOS"),
        Platform::Other(word) => (OTHER, word),
        _ => (0, "Unknown"),
    }
}

/// A machine account has no number of its own.
pub(crate) fn user(kind: &UserKind) -> Word<'_> {
    match kind {
        UserKind::User => (1, "User"),
        UserKind::System => (3, "System"),
        UserKind::Service => (4, "Service"),
        UserKind::Machine => (OTHER, "Machine"),
        UserKind::Other(word) => (OTHER, word),
        _ => (0, "Unknown"),
    }
}

/// Of the model's sorts, an indicator is the exact match of a value.
pub(crate) fn analytic(kind: Option<&str>) -> Word<'_> {
    match kind {
        Some("rule" | "correlation") => (1, "Rule"),
        Some("behavioral") => (2, "Behavioral"),
        Some("statistical") => (3, "Statistical"),
        Some("learning") => (4, "Learning (ML/DL)"),
        Some("indicator") => (9, "Exact Data Match"),
        Some(word) if !word.is_empty() => (OTHER, word),
        _ => (0, "Unknown"),
    }
}

/// What an indicator is, as `osint.type_id`.
pub(crate) fn osint(kind: &IocType) -> Word<'_> {
    match kind {
        IocType::Ip | IocType::Ipv4 | IocType::Ipv6 => (1, "IP Address"),
        IocType::AllSubdomains | IocType::Domain => (2, "Domain"),
        IocType::Hash | IocType::Md5 | IocType::Sha1 | IocType::Sha256 => (4, "Hash"),
        IocType::Url => (5, "URL"),
        IocType::FileName | IocType::FilePath => (11, "File"),
        IocType::Other(word) => (OTHER, word),
        _ => (0, "Unknown"),
    }
}

/// What an indicator is, as the type of an observable; nothing for what has no type there.
pub(crate) fn indicator(kind: &str) -> Option<Word<'static>> {
    Some(match kind {
        "domain" => (1, "Hostname"),
        "ip" | "ipv4" | "ipv6" => (2, "IP Address"),
        "url" => (6, "URL String"),
        "file_name" => (7, "File Name"),
        "hash" | "md5" | "sha1" | "sha256" => (8, "Hash"),
        "file_path" => (45, "File Path"),
        _ => return None,
    })
}

/// How far a source can be relied on, from the letters A to G.
pub(crate) fn confidence(letter: &str) -> Word<'_> {
    match letter.trim() {
        "A" | "B" | "a" | "b" => (3, "High"),
        "C" | "c" => (2, "Medium"),
        "D" | "E" | "d" | "e" => (1, "Low"),
        "F" | "G" | "f" | "g" | "" => (0, "Unknown"),
        _ => (OTHER, letter),
    }
}

pub(crate) fn direction(word: Option<&str>) -> Word<'_> {
    match word {
        Some("inbound") => (1, "Inbound"),
        Some("outbound") => (2, "Outbound"),
        Some(word) if !word.is_empty() => (OTHER, word),
        _ => (0, "Unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every known word has a number of the standard, but for the unknown ones; strangers keep their word.
    #[test]
    fn known_words_are_in_the_tables() {
        let unknown = |(id, says): Word<'_>| id == 0 && says == "Unknown";
        assert_eq!(Severity::KNOWN.iter().filter(|w| unknown(severity(w))).count(), 1);
        assert_eq!(AlertStatus::KNOWN.iter().filter(|w| unknown(status(w))).count(), 1);
        assert_eq!(Verdict::KNOWN.iter().filter(|w| unknown(verdict(w))).count(), 1);
        assert_eq!(Action::KNOWN.iter().filter(|w| unknown(action(w))).count(), 1);
        assert_eq!(Disposition::KNOWN.iter().filter(|w| unknown(disposition(w))).count(), 1);
        assert_eq!(HostType::KNOWN.iter().filter(|w| unknown(device(w))).count(), 1);
        assert_eq!(Platform::KNOWN.iter().filter(|w| unknown(os(w))).count(), 1);
        assert_eq!(UserKind::KNOWN.iter().filter(|w| unknown(user(w))).count(), 1);
        assert_eq!(CaseStatus::KNOWN.iter().filter(|w| unknown(case_status(w))).count(), 1);
        assert_eq!(IocType::KNOWN.iter().filter(|w| unknown(osint(w))).count(), 1);
        let of = |status: &VulnerabilityStatus| {
            let mut found = Vulnerability::default();
            found.status = status.clone();
            found
        };
        let unknown_found = |w: &&VulnerabilityStatus| vulnerability_status(&of(w)) == (0, "Unknown");
        assert_eq!(VulnerabilityStatus::KNOWN.iter().filter(unknown_found).count(), 1);
        let mut borne = of(&VulnerabilityStatus::Open);
        borne.is_suppressed = Some(true);
        assert_eq!(vulnerability_status(&borne), (3, "Suppressed"));
        assert_eq!(severity(&Severity::Other("odd".into())), (99, "odd"));
        assert_eq!(analytic(Some("signature")), (99, "signature"));
    }
}
