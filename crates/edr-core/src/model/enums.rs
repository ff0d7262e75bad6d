//! Open enums: known values by name, everything else as `Other` with the vendor's own word.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Makes an open enum with its stable words.
macro_rules! open_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident => $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
            /// A value outside the tables: the vendor's own word.
            Other(String),
        }

        impl $name {
            /// The known values, in order.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// The stable word, or the vendor's own for `Other`.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                $(if word.eq_ignore_ascii_case($word) { return Self::$variant; })+
                Self::Other(word.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d).map(|s| Self::from(s.as_str()))
            }
        }
    };
}

/// Gives an enum that has `Unknown` its default.
macro_rules! unknown_by_default {
    ($($name:ident),+) => {$(
        impl Default for $name {
            fn default() -> Self {
                Self::Unknown
            }
        }

        impl $name {
            /// True when nothing is known.
            #[must_use]
            pub fn is_unknown(&self) -> bool {
                *self == Self::Unknown
            }
        }
    )+};
}

open_enum! {
    /// How bad it is: OCSF `severity_id` 0 to 5 (`Other` is 99). Variants are in order, so
    /// [`Severity::rank`] compares.
    Severity {
        /// Not stated.
        Unknown => "unknown",
        /// For information.
        Informational => "informational",
        /// Low.
        Low => "low",
        /// Medium.
        Medium => "medium",
        /// High.
        High => "high",
        /// Critical.
        Critical => "critical",
    }
}

impl Severity {
    /// 0 for unknown (and for words outside the table) to 5 for critical.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Unknown | Self::Other(_) => 0,
            Self::Informational => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
            Self::Critical => 5,
        }
    }
}

open_enum! {
    /// The family of the operating system: OCSF `os.type_id`.
    Platform {
        /// Android (201).
        Android => "android",
        /// iOS (301).
        Ios => "ios",
        /// iPadOS (302).
        Ipados => "ipados",
        /// Linux (200).
        Linux => "linux",
        /// macOS (300).
        Macos => "macos",
        /// Not stated.
        Unknown => "unknown",
        /// Windows (100).
        Windows => "windows",
    }
}

open_enum! {
    /// The form of the machine: OCSF `device.type_id`.
    HostType {
        /// A desktop or workstation.
        Desktop => "desktop",
        /// A laptop.
        Laptop => "laptop",
        /// A phone or tablet.
        Mobile => "mobile",
        /// A server, domain controllers included.
        Server => "server",
        /// Not stated.
        Unknown => "unknown",
    }
}

open_enum! {
    /// Whether the agent talks to its cloud now.
    ConnectionState {
        /// Silent for so long that the vendor counts it as lost.
        Lost => "lost",
        /// Not connected.
        Offline => "offline",
        /// Connected.
        Online => "online",
        /// The agent was removed.
        Uninstalled => "uninstalled",
        /// Not known, or not asked.
        Unknown => "unknown",
    }
}

open_enum! {
    /// Network containment, as the vendor states it. A request that was accepted is `*_pending`
    /// until the vendor says otherwise.
    ContainmentState {
        /// The host is contained.
        Contained => "contained",
        /// Containment is asked for; the sensor has not confirmed it.
        ContainmentPending => "containment_pending",
        /// Release is asked for; the sensor has not confirmed it.
        LiftPending => "lift_pending",
        /// Not contained.
        Normal => "normal",
        /// Not stated.
        Unknown => "unknown",
    }
}

open_enum! {
    /// Whether the agent does its work.
    AgentHealth {
        /// Works with restrictions (reduced functionality, partial protection).
        Degraded => "degraded",
        /// Works.
        Ok => "ok",
        /// Not stated.
        Unknown => "unknown",
        /// Does not protect.
        Unprotected => "unprotected",
    }
}

open_enum! {
    /// Where an alert stands: OCSF 2004 `status_id`.
    AlertStatus {
        /// Being worked on (2).
        InProgress => "in_progress",
        /// Not looked at (1).
        New => "new",
        /// Opened again (2, with its caption kept).
        Reopened => "reopened",
        /// Done (4).
        Resolved => "resolved",
        /// Hidden or excluded by a rule (3).
        Suppressed => "suppressed",
        /// Not stated (0).
        Unknown => "unknown",
    }
}

open_enum! {
    /// What a person or the vendor decided that it was: OCSF `verdict_id`.
    Verdict {
        /// Known and expected (5).
        Benign => "benign",
        /// Not worth work (3).
        Disregard => "disregard",
        /// The same as another (10).
        Duplicate => "duplicate",
        /// Wrong (1).
        FalsePositive => "false_positive",
        /// Undecided but suspicious (4).
        Suspicious => "suspicious",
        /// A security test (6).
        Test => "test",
        /// Right (2).
        TruePositive => "true_positive",
        /// Not decided (0).
        Unknown => "unknown",
    }
}

open_enum! {
    /// What the product did about it: OCSF `action_id`.
    Action {
        /// Let it happen (1).
        Allowed => "allowed",
        /// Stopped it (2).
        Denied => "denied",
        /// Changed it (4).
        Modified => "modified",
        /// Watched (3).
        Observed => "observed",
        /// Not stated (0).
        Unknown => "unknown",
    }
}

open_enum! {
    /// What became of it: OCSF `disposition_id`.
    Disposition {
        /// Allowed (1).
        Allowed => "allowed",
        /// Blocked (2).
        Blocked => "blocked",
        /// The user was asked (23).
        Challenge => "challenge",
        /// A custom action (7).
        CustomAction => "custom_action",
        /// Detected only (15).
        Detected => "detected",
        /// Dropped (6).
        Dropped => "dropped",
        /// The machine was isolated (4).
        Isolated => "isolated",
        /// Put into quarantine (3).
        Quarantined => "quarantined",
        /// The connection was reset (21).
        Reset => "reset",
        /// The attempt to stop it failed (13).
        Uncorrected => "uncorrected",
        /// Not stated (0).
        Unknown => "unknown",
    }
}

open_enum! {
    /// What sort of account it is.
    UserKind {
        /// A machine account (`NAME$`).
        Machine => "machine",
        /// A service account.
        Service => "service",
        /// The system itself (S-1-5-18, -19, -20).
        System => "system",
        /// Not stated.
        Unknown => "unknown",
        /// A person.
        User => "user",
    }
}

open_enum! {
    /// How a normalised value came about.
    Provenance {
        /// Mapped by a table.
        Converted => "converted",
        /// Nothing was said; a default stands in.
        Default => "default",
        /// Worked out from other values.
        Derived => "derived",
        /// Taken as it was.
        Direct => "direct",
    }
}

open_enum! {
    /// Where a case stands: OCSF 2005 `status_id`.
    CaseStatus {
        /// Done, and nobody looks at it any more (5).
        Closed => "closed",
        /// Being worked on (2).
        InProgress => "in_progress",
        /// Not looked at (1).
        New => "new",
        /// Put aside (3).
        OnHold => "on_hold",
        /// Opened again (2, with its caption kept).
        Reopened => "reopened",
        /// Done (4).
        Resolved => "resolved",
        /// Not stated (0).
        Unknown => "unknown",
    }
}

impl CaseStatus {
    /// True when the work is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Closed | Self::Resolved)
    }
}

open_enum! {
    /// What an indicator is: OCSF `osint.type_id`.
    IocType {
        /// A domain with all that is below it (2).
        AllSubdomains => "all_subdomains",
        /// A domain (2).
        Domain => "domain",
        /// The name of a file (11).
        FileName => "file_name",
        /// The path of a file (11).
        FilePath => "file_path",
        /// A digest of which the vendor does not say the sort (4).
        Hash => "hash",
        /// An address of which the vendor does not say the version (1).
        Ip => "ip",
        /// An address of version 4 (1).
        Ipv4 => "ipv4",
        /// An address of version 6 (1).
        Ipv6 => "ipv6",
        /// An MD5 (4).
        Md5 => "md5",
        /// A SHA-1 (4).
        Sha1 => "sha1",
        /// A SHA-256 (4).
        Sha256 => "sha256",
        /// Not stated.
        Unknown => "unknown",
        /// A URL (5).
        Url => "url",
    }
}

open_enum! {
    /// What is done when an indicator is seen.
    IocAction {
        /// It is let through, and told by nobody.
        Allow => "allow",
        /// It is stopped and told.
        Block => "block",
        /// It is told.
        Detect => "detect",
        /// Nothing but a note.
        Monitor => "monitor",
        /// Not stated.
        Unknown => "unknown",
    }
}

open_enum! {
    /// How a group finds its hosts.
    GroupKind {
        /// By a rule.
        Dynamic => "dynamic",
        /// Host by host.
        Static => "static",
        /// Not stated.
        Unknown => "unknown",
    }
}

open_enum! {
    /// Where a vulnerability of a host stands.
    VulnerabilityStatus {
        /// It is mended.
        Closed => "closed",
        /// The host has not been seen for long.
        Expired => "expired",
        /// It is there.
        Open => "open",
        /// It was mended and is there again.
        Reopened => "reopened",
        /// Not stated.
        Unknown => "unknown",
    }
}

open_enum! {
    /// How an act that was noted has ended.
    AuditResult {
        /// It did not work.
        Failure => "failure",
        /// It worked.
        Success => "success",
        /// Not stated.
        Unknown => "unknown",
    }
}

open_enum! {
    /// Which of a vendor's records an audit event stands in.
    AuditSource {
        /// What agents report of themselves.
        Agent => "agent",
        /// What was done in the console and by the API.
        Console => "console",
        /// What was done to the tokens that sensors show when they are installed.
        InstallToken => "install_token",
        /// The sessions in which people worked on hosts.
        RemoteSession => "remote_session",
        /// Not stated.
        Unknown => "unknown",
    }
}

unknown_by_default!(
    Action,
    AgentHealth,
    AlertStatus,
    AuditResult,
    AuditSource,
    CaseStatus,
    ConnectionState,
    ContainmentState,
    Disposition,
    GroupKind,
    HostType,
    IocAction,
    IocType,
    Platform,
    Severity,
    UserKind,
    Verdict,
    VulnerabilityStatus
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_and_strangers_survive() {
        for severity in Severity::KNOWN {
            assert_eq!(&Severity::from(severity.as_str()), severity);
        }
        assert_eq!(Severity::from("HIGH"), Severity::High);
        let odd: Platform = serde_json::from_str("\"BeOS\"").unwrap();
        assert_eq!(odd, Platform::Other("BeOS".into()));
        assert_eq!(serde_json::to_string(&odd).unwrap(), "\"BeOS\"");
    }

    #[test]
    fn ranks_rise() {
        assert!(Severity::KNOWN.windows(2).all(|w| w[0].rank() < w[1].rank()));
        assert_eq!(Severity::Other("odd".into()).rank(), 0);
    }
}
