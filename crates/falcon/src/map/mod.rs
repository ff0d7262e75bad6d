//! From Falcon's JSON to the model: pure functions of one item's bytes.
//!
//! Each value that is mapped by a table or worked out leaves an [`Origin`]; each that cannot be true
//! (a host clock in the year 2610) leaves an [`Anomaly`] and is left out. Field by field:
//! `docs/MAPPING.md`.

mod alert;
mod application;
mod attack;
mod audit;
mod case;
mod disposition;
mod evidence;
mod history;
mod host;
mod host_group;
mod ioc;
mod needed;
mod vulnerability;

use std::borrow::Cow;
use std::net::IpAddr;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use edr_core::model::time::Reading;
use edr_core::model::{read, time};
use edr_core::{
    Alert, Anomaly, Application, AuditEvent, Case, Hashes, Host, HostGroup, HostHistory, Ioc, Listing, Noun,
    Origin, Provenance, Raw, Rejected, Risk, TenantId, Vulnerability,
};

use serde::Deserialize;

use crate::VENDOR;

/// What a mapping needs to know besides the item.
#[derive(Clone, Debug)]
pub struct Context {
    /// The tenant that the item belongs to.
    pub tenant: TenantId,
    /// The present time, which bounds what can be true.
    pub now: DateTime<Utc>,
}

/// Maps a device entity.
///
/// # Errors
/// [`Rejected`] when it is no JSON object, or has no id.
pub fn host(raw: &Bytes, context: &Context) -> Result<Host, Box<Rejected>> {
    decode(raw, context, "device_id", |device| host::map(device, context))
}

/// Maps an alert entity.
///
/// # Errors
/// [`Rejected`] when it is no JSON object, or has no id.
pub fn alert(raw: &Bytes, context: &Context) -> Result<Alert, Box<Rejected>> {
    decode(raw, context, "composite_id", |alert| alert::map(alert, context))
}

/// Maps a case.
///
/// # Errors
/// [`Rejected`] when it is no JSON object, or has no id.
pub fn case(raw: &Bytes, context: &Context) -> Result<Case, Box<Rejected>> {
    decode(raw, context, "id", |row| case::map(row, context))
}

/// Maps an indicator.
///
/// # Errors
/// [`Rejected`] when it is no JSON object, or has no id.
pub fn ioc(raw: &Bytes, context: &Context) -> Result<Ioc, Box<Rejected>> {
    decode(raw, context, "id", |row| ioc::map(row, context))
}

/// What the histories of a host tell.
pub(crate) fn history(
    logins: Vec<crate::api::hosts::Login>,
    addresses: Vec<crate::api::hosts::NetworkAddress>,
    context: &Context,
) -> HostHistory {
    history::map(logins, addresses, context)
}

/// The score of an assessment.
pub(crate) fn posture(score: i64) -> Risk {
    history::posture(score)
}

/// Maps a group of hosts.
///
/// # Errors
/// [`Rejected`] when it is no JSON object, or has no id.
pub fn group(raw: &Bytes, context: &Context) -> Result<HostGroup, Box<Rejected>> {
    decode(raw, context, "id", |row| host_group::map(row, context))
}

/// Maps an application.
///
/// # Errors
/// [`Rejected`] when it is no JSON object, or has no id.
pub fn application(raw: &Bytes, context: &Context) -> Result<Application, Box<Rejected>> {
    decode(raw, context, "id", |row| application::map(row, context))
}

/// Maps a vulnerability.
///
/// # Errors
/// [`Rejected`] when it is no JSON object, or has no id.
pub fn vulnerability(raw: &Bytes, context: &Context) -> Result<Vulnerability, Box<Rejected>> {
    decode(raw, context, "id", |row| vulnerability::map(row, context))
}

/// Maps an entry of the audit of installation tokens.
///
/// # Errors
/// [`Rejected`] when it is no JSON object, or has no id.
pub fn token_event(raw: &Bytes, context: &Context) -> Result<AuditEvent, Box<Rejected>> {
    decode(raw, context, "id", |row| audit::token_event(row, context))
}

/// Maps a session of Real Time Response.
///
/// # Errors
/// [`Rejected`] when it is no JSON object, or has no id.
pub fn remote_session(raw: &Bytes, context: &Context) -> Result<AuditEvent, Box<Rejected>> {
    decode(raw, context, "id", |row| audit::remote_session(row, context))
}

/// Reads and maps an item; `map` gives nothing when the item has no id.
fn decode<'a, W, T>(
    raw: &'a Bytes,
    context: &Context,
    key: &str,
    map: impl FnOnce(W) -> Option<T>,
) -> Result<T, Box<Rejected>>
where
    W: Deserialize<'a>,
    T: Listing,
{
    let reject = |reason: String| Box::new(rejected(raw, context, T::NOUN, key, reason));
    let wire: W = read::json(raw).map_err(|e| reject(format!("it cannot be read: {e}")))?;
    let mut item = map(wire).ok_or_else(|| reject(format!("it has no {key}")))?;
    *item.raw_mut() = Raw::new(raw.clone());
    Ok(item)
}

/// An item that cannot be decoded, with its id when that much can be read.
pub(crate) fn rejected(raw: &Bytes, context: &Context, noun: Noun, key: &str, reason: String) -> Rejected {
    Rejected {
        tenant: context.tenant.clone(),
        vendor: VENDOR,
        noun,
        uid: glimpse(raw, key),
        reason,
        raw: Raw::new(raw.clone()),
    }
}

/// The text under a key, found without reading the JSON around it.
fn glimpse(raw: &[u8], key: &str) -> Option<String> {
    let text = String::from_utf8_lossy(raw);
    let (_, rest) = text.split_once(&format!("\"{key}\""))?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (id, _) = value.split_once('"')?;
    let fits = !id.is_empty() && id.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    fits.then(|| id.to_owned())
}

/// What is noticed while an item is mapped.
pub(crate) struct Notes {
    pub(crate) origins: Vec<Origin>,
    pub(crate) anomalies: Vec<Anomaly>,
    now: DateTime<Utc>,
}

impl Notes {
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        // A host or an alert has about a dozen.
        Self { origins: Vec::with_capacity(12), anomalies: Vec::new(), now }
    }

    /// Says where a value came from.
    pub(crate) fn origin(&mut self, field: &'static str, value: Option<&str>, provenance: Provenance) {
        let vendor_value = value.map(word);
        self.origins.push(Origin { field: Cow::Borrowed(field), vendor_value, provenance });
    }

    /// Says that a value was not believed.
    pub(crate) fn anomaly(&mut self, field: &'static str, value: &str, reason: &'static str) {
        let (field, reason) = (Cow::Borrowed(field), Cow::Borrowed(reason));
        self.anomalies.push(Anomaly { field, value: value.to_owned(), reason });
    }

    pub(crate) fn time(&mut self, field: &'static str, value: Option<&str>) -> Option<DateTime<Utc>> {
        let value = value?;
        match time::from_text(value, self.now) {
            Reading::At(at) => Some(at),
            Reading::None => None,
            Reading::Absurd => {
                self.anomaly(field, value, "not a time that can be true");
                None
            }
        }
    }

    pub(crate) fn ip(&mut self, field: &'static str, value: Option<&str>) -> Option<IpAddr> {
        let value = value.filter(|v| said(v))?;
        let ip = read::ip(value);
        let unspecified = || value.trim().parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        if ip.is_none() && !unspecified() {
            self.anomaly(field, value, "not an address");
        }
        ip
    }

    pub(crate) fn mac(&mut self, field: &'static str, value: Option<&str>) -> Option<String> {
        let value = value.filter(|v| said(v))?;
        let mac = read::mac(value);
        // All zeroes and all ones are ways to say "none".
        let none = || value.chars().filter(char::is_ascii_alphanumeric).all(|c| matches!(c, '0' | 'f' | 'F'));
        if mac.is_none() && !none() {
            self.anomaly(field, value, "not a MAC address");
        }
        mac
    }

    /// Puts each digest where its length says that it belongs.
    pub(crate) fn hashes(&mut self, digests: &[(&'static str, Option<&str>)]) -> Hashes {
        let mut hashes = Hashes::default();
        for (field, value) in digests {
            let Some(value) = value.filter(|v| said(v)) else { continue };
            // Falcon sends a SHA-1 of zeroes with every alert.
            if !hashes.insert(value) && !value.bytes().all(|b| b == b'0') {
                self.anomaly(field, value, "not a digest");
            }
        }
        hashes
    }
}

/// A word of the vendor's; those that nearly every host has are not copied.
fn word(word: &str) -> Cow<'static, str> {
    Cow::Borrowed(match word {
        "Linux" => "Linux",
        "Mac" => "Mac",
        "Provisioned" => "Provisioned",
        "Server" => "Server",
        "Windows" => "Windows",
        "Workstation" => "Workstation",
        "no" => "no",
        "normal" => "normal",
        other => return Cow::Owned(other.to_owned()),
    })
}

/// True unless the text is one of the ways to say nothing.
fn said(text: &str) -> bool {
    let text = if is_trimmed(text) { text } else { text.trim() };
    !text.is_empty() && !text.eq_ignore_ascii_case("n/a") && text != "null"
}

/// True for text of nothing but white space.
fn is_blank(text: &str) -> bool {
    !is_trimmed(text) && text.trim().is_empty()
}

/// True for what plainly has nothing to trim.
fn is_trimmed(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_graphic) && bytes.last().is_some_and(u8::is_ascii_graphic)
}

/// Text that says something, trimmed; the allocation is kept where nothing is cut off.
pub(crate) fn text(value: Option<String>) -> Option<String> {
    let value = value.filter(|v| said(v))?;
    if is_trimmed(&value) || value.trim().len() == value.len() {
        return Some(value);
    }
    Some(value.trim().to_owned())
}

/// A word of the vendor's as text.
pub(crate) fn said_word<W: std::fmt::Display>(value: Option<W>) -> Option<String> {
    text(value.map(|w| w.to_string()))
}

/// Text as it is, unless blank: for fields whose filter the vendor evaluates on the untrimmed value.
pub(crate) fn verbatim(value: Option<String>) -> Option<String> {
    value.filter(|v| !is_blank(v))
}

/// The texts of a list that say something.
pub(crate) fn texts(values: Vec<String>) -> Vec<String> {
    values.into_iter().filter_map(|v| text(Some(v))).collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
