//! An indicator of compromise that a tenant manages, after OCSF `osint` (5021).

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Anomaly, Group, IocAction, IocType, Origin, Platform, Raw, Severity, TenantId, Vendor, read};

/// One indicator of compromise that a tenant manages itself (Falcon: custom indicator; Cortex XDR: IOC rule).
/// What an alert names as an indicator is an [`super::Indicator`].
///
/// Field by field, with both vendors' sources: `docs/MAPPING.md`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Ioc {
    /// The tenant that the indicator belongs to.
    pub tenant: TenantId,
    /// The vendor that keeps it.
    pub vendor: Vendor,
    /// The vendor's own id; empty for an indicator that is yet to be pushed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The vendor's own id of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_uid: Option<String>,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: IocType,
    /// Its value, as the vendor has it; [`Self::key`] compares.
    pub value: String,
    /// What is done when it is seen.
    pub action: IocAction,
    /// How bad it is when it is seen.
    pub severity: Severity,
    /// When it ends.
    pub expiration: Expiration,
    /// Where it applies; everywhere that the vendor has it when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<Platform>,
    /// It applies to all hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_global: Option<bool>,
    /// The groups of hosts that it applies to, where it does not apply to all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// It is switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_enabled: Option<bool>,
    /// Its time is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_expired: Option<bool>,
    /// Tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Why it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The name of the file that a hash is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_name: Option<String>,
    /// What is thought of it, in the vendor's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reputation: Option<String>,
    /// How far its source can be relied on, in the vendor's word (Cortex XDR: A to G).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reliability: Option<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_time: Option<DateTime<Utc>>,
    /// Who made it: an account or an API client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// When it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_time: Option<DateTime<Utc>>,
    /// Who changed it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_by: Option<String>,
    /// Where mapped and derived values came from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Origin>,
    /// Values that were left out because they cannot be true.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub anomalies: Vec<Anomaly>,
    /// The vendor's own JSON.
    #[serde(skip_serializing_if = "Raw::is_empty")]
    pub raw: Raw,
}

impl Ioc {
    /// An indicator with its identity and payload; everything else is unknown.
    #[must_use]
    pub fn new(vendor: &str, tenant: &str, uid: &str, raw: &str) -> Self {
        Self {
            tenant: tenant.into(),
            vendor: vendor.into(),
            uid: uid.to_owned(),
            raw: Raw::new(raw.to_owned()),
            ..Self::default()
        }
    }

    /// An indicator that is yet to be pushed: for all hosts, as the vendor ends it.
    ///
    /// ```
    /// use edr_core::{Ioc, IocAction, IocType};
    /// let ioc = Ioc::of(IocType::Domain, "Evil.Example.", IocAction::Detect);
    /// assert_eq!(ioc.key(), "domain:evil.example");
    /// ```
    #[must_use]
    pub fn of(kind: IocType, value: impl Into<String>, action: IocAction) -> Self {
        Self { kind, value: value.into(), action, is_global: Some(true), ..Self::default() }
    }

    /// The identity across vendors and tenants: `edr:{vendor}:{tenant}:ioc:{uid}`.
    #[must_use]
    pub fn urn(&self) -> String {
        format!("edr:{}:{}:ioc:{}", self.vendor, self.tenant, self.uid)
    }

    /// What two indicators for the same thing share, whatever their vendors: `{type}:{value}`, with the
    /// value in one spelling.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}", self.kind, self.kind.spelt(&self.value))
    }
}

impl IocType {
    /// A value of this type in one spelling: digests and names in small letters, names without the dot at their
    /// end, addresses in their short form. What cannot be read stays as it is.
    #[must_use]
    pub fn spelt(&self, value: &str) -> String {
        let value = value.trim();
        match self {
            Self::Hash | Self::Md5 | Self::Sha1 | Self::Sha256 => value.to_ascii_lowercase(),
            Self::AllSubdomains | Self::Domain => value.trim_end_matches('.').to_lowercase(),
            Self::Ip | Self::Ipv4 | Self::Ipv6 => {
                read::ip(value).map_or_else(|| value.to_owned(), |ip| ip.to_string())
            }
            _ => value.to_owned(),
        }
    }
}

/// When an indicator ends. As text: `never`, `vendor_default`, or a time in RFC 3339.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Expiration {
    /// At this time.
    At(DateTime<Utc>),
    /// Never.
    Never,
    /// As the vendor has it for the type: Falcon never, Cortex XDR after 7 to 180 days.
    #[default]
    VendorDefault,
}

impl Expiration {
    /// The time, where there is one.
    #[must_use]
    pub fn time(&self) -> Option<&DateTime<Utc>> {
        match self {
            Self::At(time) => Some(time),
            Self::Never | Self::VendorDefault => None,
        }
    }
}

impl fmt::Display for Expiration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Self::Never => f.write_str("never"),
            Self::VendorDefault => f.write_str("vendor_default"),
        }
    }
}

impl Serialize for Expiration {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Expiration {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        match text.as_str() {
            "never" => Ok(Self::Never),
            "vendor_default" => Ok(Self::VendorDefault),
            other => {
                let time = DateTime::parse_from_rfc3339(other).map_err(serde::de::Error::custom)?;
                Ok(Self::At(time.with_timezone(&Utc)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_has_one_key() {
        for (kind, value, key) in [
            (IocType::Sha256, " AB01 ", "sha256:ab01"),
            (IocType::Domain, "Evil.Example.", "domain:evil.example"),
            (IocType::Ipv6, "2001:DB8:0:0::1", "ipv6:2001:db8::1"),
            (IocType::Ipv4, "rubbish", "ipv4:rubbish"),
            (IocType::FilePath, "C:\\Temp\\A.exe", "file_path:C:\\Temp\\A.exe"),
        ] {
            assert_eq!(Ioc::of(kind, value, IocAction::Detect).key(), key);
        }
    }

    #[test]
    fn the_end_is_a_word_or_a_time() {
        for text in ["never", "vendor_default", "2026-01-02T03:04:05Z"] {
            let read: Expiration = serde_json::from_value(text.into()).unwrap();
            assert_eq!(read.to_string(), text);
        }
        assert!(serde_json::from_str::<Expiration>("\"soon\"").is_err());
    }
}
