//! One indicator, as it is wanted and as it is there.

use chrono::{DateTime, TimeDelta, Utc};
use edr_core::{Expiration, Ioc, IocAction, Vendor};

/// Cortex XDR ends a rule without an end after 7, 30, 90 or 180 days, and tells of no type which: a day before the first
/// of them.
const MAY_END: TimeDelta = TimeDelta::days(6);

/// What tells two indicators of a tenant apart. Cortex XDR has a rule and a place on its lists of files for one digest.
pub(super) fn slot(vendor: &Vendor, ioc: &Ioc) -> String {
    let list = if is_on_list(vendor, &ioc.action) { "list:" } else { "" };
    format!("{list}{}", ioc.key())
}

/// The blocklist and the allowlist of Cortex XDR: they can be written and never read, and keep no end.
pub(super) fn is_on_list(vendor: &Vendor, action: &IocAction) -> bool {
    vendor.as_str() == "cortex" && matches!(action, IocAction::Allow | IocAction::Block)
}

/// What the lists name a file by: a list tells no id, and needs none.
pub(super) fn uid_on_list(vendor: &Vendor, ioc: &Ioc) -> Option<String> {
    let list = if ioc.action == IocAction::Block { "blocklist" } else { "allowlist" };
    is_on_list(vendor, &ioc.action).then(|| format!("{list}:{}", ioc.kind.spelt(&ioc.value)))
}

/// True for a rule without an end that was sent so long ago that the vendor ends it, or has ended it.
pub(super) fn may_end(vendor: &Vendor, sent: &Ioc, now: DateTime<Utc>) -> bool {
    let ends = vendor.as_str() == "cortex" && !is_on_list(vendor, &sent.action);
    let is_old = |time| now.signed_duration_since(time) >= MAY_END;
    ends && sent.expiration == Expiration::VendorDefault && sent.modified_time.is_some_and(is_old)
}

/// The fields in which what is there is not what is wanted. What the vendor does not keep is no difference, nor is what
/// nobody asked for.
pub(super) fn differing(wish: &Ioc, there: &Ioc, lost: &[String], remembered: bool) -> Vec<&'static str> {
    let kept = |field: &str| !lost.iter().any(|l| l == field);
    let text = |a: &Option<String>, b: &Option<String>| a.is_some() && a != b;
    let tags = wish.tags.iter().any(|tag| !there.tags.contains(tag));
    let all = [
        ("action", wish.action != there.action),
        ("severity", !wish.severity.is_unknown() && kept("severity") && wish.severity != there.severity),
        ("expiration", ends_apart(&wish.expiration, &there.expiration)),
        (
            "platforms",
            !remembered && kept("platforms") && !wish.platforms.is_empty() && elsewhere(wish, there),
        ),
        ("tags", !remembered && kept("tags") && tags),
        ("desc", !remembered && text(&wish.desc, &there.desc)),
        ("source", !remembered && kept("source") && text(&wish.source, &there.source)),
        ("file_name", !remembered && kept("file_name") && text(&wish.file_name, &there.file_name)),
    ];
    all.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect()
}

/// The wish, and what it does not say as it is there: an indicator is written as a whole, and nothing is to change but
/// what the plan shows.
pub(super) fn completed(wish: &Ioc, there: &Ioc) -> Ioc {
    let text = |own: &Option<String>, theirs: &Option<String>| own.clone().or_else(|| theirs.clone());
    let mut whole = wish.clone();
    if wish.severity.is_unknown() {
        whole.severity.clone_from(&there.severity);
    }
    if wish.expiration == Expiration::VendorDefault {
        whole.expiration = there.expiration;
    }
    if wish.platforms.is_empty() {
        whole.platforms.clone_from(&there.platforms);
    }
    // A feed cannot say for which hosts.
    whole.groups.clone_from(&there.groups);
    whole.is_global = there.is_global.or(wish.is_global);
    whole.is_enabled = wish.is_enabled.or(there.is_enabled);
    whole.source = text(&wish.source, &there.source);
    whole.file_name = text(&wish.file_name, &there.file_name);
    whole.reputation = text(&wish.reputation, &there.reputation);
    whole.reliability = text(&wish.reliability, &there.reliability);
    whole
}

/// True when two readings of one place are the same.
pub(super) fn is_same(a: &Ioc, b: &Ioc) -> bool {
    let said = |ioc: &Ioc| (ioc.desc.clone(), ioc.source.clone(), ioc.file_name.clone(), ioc.tags.clone());
    (&a.uid, &a.action, &a.severity) == (&b.uid, &b.action, &b.severity)
        && !ends_apart(&a.expiration, &b.expiration)
        && !elsewhere(a, b)
        && (a.is_global, &a.groups) == (b.is_global, &b.groups)
        && said(a) == said(b)
}

/// Vendors cut off parts of a second.
fn ends_apart(wish: &Expiration, there: &Expiration) -> bool {
    match (wish, there) {
        (Expiration::VendorDefault, _) => false,
        (Expiration::At(a), Expiration::At(b)) => a.timestamp() != b.timestamp(),
        (a, b) => a != b,
    }
}

fn elsewhere(wish: &Ioc, there: &Ioc) -> bool {
    wish.platforms.len() != there.platforms.len()
        || !wish.platforms.iter().all(|platform| there.platforms.contains(platform))
}
