//! From the vendor's records to the model: pure functions, one file a noun. They take the present
//! time to tell plausible times from absurd ones, and never fail: what cannot be believed is left
//! out and told as an anomaly.

mod alert;
mod attack;
mod audit;
mod case;
mod device;
mod evidence;
mod host;
mod ioc;
mod process;
mod vulnerability;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use edr_core::model::{read, time};
use edr_core::{Anomaly, Hashes, Noun, Origin, Provenance, Raw, Rejected, TenantId, Vendor};
use serde_json::Value;

use crate::wire::{self, Stamp};

pub(crate) use alert::alert;
pub(crate) use audit::{agent_report, management_log};
pub(crate) use case::{case, incident};
pub(crate) use host::host;
pub(crate) use ioc::ioc;
pub(crate) use vulnerability::vulnerability;

/// What every item of a tenant gets.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) tenant: TenantId,
    pub(crate) vendor: Vendor,
    /// The tenant's FQDN, where it is known: no payload holds it.
    pub(crate) tenant_uid: Option<String>,
    pub(crate) now: DateTime<Utc>,
}

impl Context {
    /// An item that cannot be decoded.
    pub(crate) fn rejected(&self, noun: Noun, raw: &Raw, ids: &[&str], reason: String) -> Rejected {
        Rejected {
            tenant: self.tenant.clone(),
            vendor: self.vendor.clone(),
            noun,
            uid: wire::readable_id(raw.as_bytes(), ids),
            reason,
            raw: raw.clone(),
        }
    }
}

/// Where values came from, and which were left out.
#[derive(Debug)]
pub(crate) struct Notes {
    now: DateTime<Utc>,
    origins: Vec<Origin>,
    anomalies: Vec<Anomaly>,
}

impl Notes {
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        // An endpoint has seven.
        Self { now, origins: Vec::with_capacity(8), anomalies: Vec::new() }
    }

    pub(crate) fn into_parts(self) -> (Vec<Origin>, Vec<Anomaly>) {
        (self.origins, self.anomalies)
    }

    /// A value that a table turned into ours.
    pub(crate) fn converted(&mut self, field: &'static str, vendor_value: &str) {
        self.origin(field, vendor_value, Provenance::Converted);
    }

    /// A value that was worked out from another.
    pub(crate) fn derived(&mut self, field: &'static str, vendor_value: &str) {
        self.origin(field, vendor_value, Provenance::Derived);
    }

    fn origin(&mut self, field: &'static str, vendor_value: &str, provenance: Provenance) {
        self.origins.push(Origin { field: field.into(), vendor_value: Some(word(vendor_value)), provenance });
    }

    /// A value that was left out.
    pub(crate) fn odd(&mut self, field: &str, value: String, reason: &'static str) {
        let anomaly = Anomaly { field: field.to_owned().into(), value, reason: reason.into() };
        if !self.anomalies.contains(&anomaly) {
            self.anomalies.push(anomaly);
        }
    }

    /// A time of a typed record.
    pub(crate) fn stamp(&mut self, field: &str, stamp: &Stamp) -> Option<DateTime<Utc>> {
        let text = stamp.text.as_deref()?;
        self.reading(field, time::from_text(text, self.now), || text.to_owned())
    }

    /// A time of an alert.
    pub(crate) fn time(&mut self, field: &str, value: Option<&Value>) -> Option<DateTime<Utc>> {
        let value = value?;
        self.reading(field, wire::reading(value, self.now), || wire::scalar(value).unwrap_or_default())
    }

    fn reading(
        &mut self,
        field: &str,
        reading: time::Reading,
        text: impl FnOnce() -> String,
    ) -> Option<DateTime<Utc>> {
        if reading == time::Reading::Absurd {
            self.odd(field, text(), "no time that can be true");
        }
        reading.at()
    }

    /// An address.
    pub(crate) fn ip(&mut self, field: &str, text: &str) -> Option<IpAddr> {
        let ip = read::ip(text);
        if ip.is_none() && text.trim().parse::<IpAddr>().is_err() {
            self.odd(field, text.to_owned(), "not an address");
        }
        ip
    }

    /// A MAC.
    pub(crate) fn mac(&mut self, field: &str, text: &str) -> Option<String> {
        let mac = read::mac(text);
        let nothing = text.chars().all(|c| matches!(c, '0' | 'f' | 'F' | ':' | '-' | '.'));
        if mac.is_none() && !nothing {
            self.odd(field, text.to_owned(), "not a MAC");
        }
        mac
    }

    /// Digests, each put where its length says.
    pub(crate) fn hashes(&mut self, named: &[(&str, Option<String>)]) -> Hashes {
        let mut hashes = Hashes::default();
        for (field, text) in named {
            let Some(text) = text else { continue };
            let zeroes = text.bytes().all(|b| b == b'0');
            if !hashes.insert(text) && !zeroes {
                self.odd(field, text.clone(), "not a digest");
            }
        }
        hashes
    }
}

/// A word of the vendor's; those that nearly every endpoint has are not copied.
fn word(word: &str) -> Cow<'static, str> {
    Cow::Borrowed(match word {
        "AGENT_ISOLATED" => "AGENT_ISOLATED",
        "AGENT_OS_LINUX" => "AGENT_OS_LINUX",
        "AGENT_OS_MAC" => "AGENT_OS_MAC",
        "AGENT_OS_WINDOWS" => "AGENT_OS_WINDOWS",
        "AGENT_TYPE_SERVER" => "AGENT_TYPE_SERVER",
        "AGENT_TYPE_WORKSTATION" => "AGENT_TYPE_WORKSTATION",
        "AGENT_UNISOLATED" => "AGENT_UNISOLATED",
        "CONNECTED" => "CONNECTED",
        "DISCONNECTED" => "DISCONNECTED",
        "LOST" => "LOST",
        "PARTIALLY_PROTECTED" => "PARTIALLY_PROTECTED",
        "PROTECTED" => "PROTECTED",
        other => return Cow::Owned(other.to_owned()),
    })
}

/// A domain, unless it is the name of no domain.
fn domain(text: Option<String>) -> Option<String> {
    text.filter(|domain| !domain.eq_ignore_ascii_case("workgroup"))
}

/// `22631` of `Windows 11 [10.0 (Build 22631)]`.
fn build_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("Build ")?;
    let digits: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let build = digits.trim_end_matches('.');
    (!build.is_empty()).then(|| build.to_owned())
}

/// Adds what is not there yet.
fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}
