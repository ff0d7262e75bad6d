//! An indicator from a rule of XDR 5. Sources: reference, normalisation 2.4.

use edr_core::{Expiration, Ioc, IocAction, IocType, Noun, Raw, Rejected};
use serde_json::Value;

use super::{Context, Notes};
use crate::api::indicators::{self, IndicatorRule, IndicatorType};
use crate::{wire, words};

/// Decodes and maps an indicator.
///
/// # Errors
/// The item as a [`Rejected`] when it cannot be decoded.
pub(crate) fn ioc(context: &Context, raw: Raw) -> Result<Ioc, Box<Rejected>> {
    match indicators::SHEET.decode(raw.as_bytes()) {
        Ok(rule) => Ok(mapped(context, rule, raw)),
        Err(reason) => Err(Box::new(context.rejected(Noun::Ioc, &raw, &["rule_id", "RULE_ID"], reason))),
    }
}

fn mapped(context: &Context, rule: IndicatorRule, raw: Raw) -> Ioc {
    let mut notes = Notes::new(context.now);
    let mut ioc = Ioc::default();
    ioc.tenant = context.tenant.clone();
    ioc.vendor = context.vendor.clone();
    ioc.tenant_uid = context.tenant_uid.clone();
    ioc.uid = rule.rule_id.unwrap_or_default();
    ioc.value = rule.indicator.unwrap_or_default();
    if let Some(word) = &rule.kind {
        ioc.kind = kind(word, &ioc.value);
        notes.converted("type", word.as_str());
    }
    // A rule of indicators does nothing else; blocked and allowed files stand on lists that cannot be read.
    ioc.action = IocAction::Detect;
    notes.derived("action", "IOC rule");
    if let Some(word) = &rule.severity {
        ioc.severity = words::severity(word.as_str());
        notes.converted("severity", word.as_str());
    }
    ioc.expiration = expiration(&raw, rule.expiration.time);
    ioc.is_global = Some(true);
    ioc.is_enabled = rule.status.as_deref().map(|word| word.eq_ignore_ascii_case("enabled"));
    ioc.is_expired = ioc.expiration.time().map(|at| *at <= context.now);
    ioc.desc = rule.comment;
    ioc.reputation = rule.reputation.map(|word| word.as_str().to_owned());
    ioc.reliability = rule.reliability;
    ioc.modified_time = notes.stamp("modify_time", &rule.modified);
    ioc.raw = raw;
    (ioc.origins, ioc.anomalies) = notes.into_parts();
    ioc
}

/// The vendor tells neither the sort of a digest nor the version of an address: the value does.
fn kind(word: &IndicatorType, value: &str) -> IocType {
    match word {
        IndicatorType::DomainName => IocType::Domain,
        IndicatorType::Filename => IocType::FileName,
        IndicatorType::Hash => match edr_core::model::read::hash(value).map(|digest| digest.len()) {
            Some(32) => IocType::Md5,
            Some(40) => IocType::Sha1,
            Some(64) => IocType::Sha256,
            _ => IocType::Hash,
        },
        IndicatorType::Ip => match value.trim().parse() {
            Ok(std::net::IpAddr::V4(_)) => IocType::Ipv4,
            Ok(std::net::IpAddr::V6(_)) => IocType::Ipv6,
            Err(_) => IocType::Ip,
        },
        IndicatorType::Path => IocType::FilePath,
        other => IocType::Other(other.as_str().to_owned()),
    }
}

/// -1 and `Never` are never; a time that is absent is not told.
fn expiration(raw: &Raw, time: Option<chrono::DateTime<chrono::Utc>>) -> Expiration {
    if let Some(at) = time {
        return Expiration::At(at);
    }
    let row: Value = serde_json::from_slice(raw.as_bytes()).unwrap_or_default();
    let told = ["expiration_date", "RULE_EXPIRATION_TIME"].into_iter().find_map(|key| row.get(key));
    match told.and_then(wire::scalar).as_deref().map(str::trim) {
        Some("-1") => Expiration::Never,
        Some(word) if word.eq_ignore_ascii_case("never") => Expiration::Never,
        _ => Expiration::VendorDefault,
    }
}
