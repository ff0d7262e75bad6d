//! What every listing and every single call promises, whatever the vendor sends.

use std::collections::HashSet;
use std::fmt::Debug;

use edr_core::{Error, Listing, Outcome, Rejected, Result, WalkStream, Walked};
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::wire::{SECRETS, TENANT};

/// Walks to the end and looks at everything that comes.
///
/// # Panics
/// When a promise is broken.
pub async fn hold<T: Listing + Serialize>(mut walk: WalkStream<'_, T>) {
    let (mut keys, mut rejected, mut end) = (HashSet::new(), 0_u64, None);
    while let Some(event) = walk.next().await {
        assert!(end.is_none(), "an event after the end: {event:?}");
        quiet(&event);
        match event {
            Walked::Items(items) => {
                items.iter().for_each(|i| assert!(keys.insert(sound(i)), "{} came twice", i.uid()))
            }
            Walked::Rejected(bad) => {
                rejected += 1;
                whose(&bad);
            }
            Walked::Warning(warning) => assert_eq!(warning.tenant.as_str(), TENANT),
            Walked::End { outcome, items, .. } => end = Some((outcome, items)),
            _ => {}
        }
    }
    let (outcome, items) = end.expect("a listing has an end");
    assert_eq!(items, keys.len() as u64, "the end counts the items that came");
    judge(&outcome, items, rejected);
}

/// Complete means that nothing was lost; anything else says what, and whose it is.
fn judge(outcome: &Outcome, items: u64, rejected: u64) {
    match outcome {
        Outcome::Complete => {}
        Outcome::Partial { gaps, error } => {
            assert!(!gaps.is_empty(), "a partial listing names its gaps");
            assert!(error.is_some() || items + rejected > 0 || gaps.iter().all(|g| !g.reason.is_empty()));
        }
        Outcome::Failed { error } => {
            assert_eq!(items, 0, "a listing that gave items has not failed");
            named(error);
        }
    }
    outcome.error().into_iter().for_each(named);
    assert!(!outcome.summary().contains('\n'), "a summary is one line: {:?}", outcome.summary());
}

/// Looks at the answer of a single call.
///
/// # Panics
/// When a promise is broken.
pub fn single<T: Debug>(answer: &Result<T>) {
    quiet(answer);
    if let Err(error) = answer {
        named(error);
        quiet(&error.to_string());
    }
}

/// An item belongs to the tenant, has an id and can be written; gives its key.
///
/// # Panics
/// When it does not.
pub fn sound<T: Listing + Serialize>(item: &T) -> u128 {
    assert_eq!(item.tenant().as_str(), TENANT);
    assert!(!item.uid().is_empty(), "an item without an id: {item:?}");
    let written = serde_json::to_value(item);
    assert!(written.is_ok(), "an item that cannot be written: {item:?}");
    item.key()
}

fn whose(bad: &Rejected) {
    assert_eq!(bad.tenant.as_str(), TENANT);
    assert!(!bad.reason.is_empty(), "a rejected item without a reason");
}

/// An error names the tenant and is one line.
fn named(error: &Error) {
    assert_eq!(error.tenant().map(edr_core::TenantId::as_str), Some(TENANT), "{error:?}");
    assert!(!error.to_string().contains('\n'), "an error is one line: {error}");
}

/// No secret is in what is printed.
///
/// # Panics
/// When there is one.
pub fn quiet(shown: &impl Debug) {
    let text = format!("{shown:?}");
    assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "a secret is shown: {text}");
}
