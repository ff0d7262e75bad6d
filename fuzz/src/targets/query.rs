//! What comes back to us as text: filters and cursors.
//!
//! The first byte chooses: `c` the text of a cursor; `s` a page state as JSON, sealed as one of our own; anything
//! else is a filter, on hosts and on alerts.

use std::fmt::Debug;

use cortex_xdr::Generation;
use edr_core::{
    Alert, AlertQuery, Cursor, EdrProviderExt as _, Filter, Host, HostQuery, Listing, Noun, Query,
};
use serde::Serialize;
use serde_json::Value;

use super::choice;
use crate::listing::hold;
use crate::wire::{TENANT, block_on, cortex, falcon, now};

/// Runs the target.
pub fn run(data: &[u8]) {
    let (way, rest) = choice(data);
    let Ok(text) = str::from_utf8(rest) else { return };
    match way {
        b'c' => cursor(text),
        b's' => state(text),
        _ => {
            filter(Noun::Host, text, |f| f.passes_host(&Host::new("falcon", TENANT, "1", "{}")));
            filter(Noun::Alert, text, |f| f.passes_alert(&Alert::new("falcon", TENANT, "1", "{}")));
        }
    }
}

/// A filter can be evaluated, and its parts make the same filter.
fn filter(noun: Noun, text: &str, passes: impl Fn(&Filter) -> bool) {
    let Ok(filter) = Filter::parse(noun, text, now()) else { return };
    let texts = filter.texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let again = Filter::new(noun, filter.field().name, filter.op(), &texts, now());
    let again = again.unwrap_or_else(|e| panic!("{text:?} became {filter}, which is refused: {e}"));
    assert_eq!(again, filter, "{text:?}");
    assert_eq!(passes(&again), passes(&filter));
}

/// A cursor of somebody else's is refused, and one that is opened is sealed alike.
fn cursor(text: &str) {
    let (tenant, query) = (TENANT.into(), HostQuery::new());
    let cursor = Cursor::from(text.to_owned());
    if let Ok(state) = cursor.open::<Value>(&tenant, Noun::Host, query.fingerprint()) {
        assert!(cursor.open::<Value>(&"other".into(), Noun::Host, query.fingerprint()).is_err());
        let again = Cursor::seal(&tenant, Noun::Host, query.fingerprint(), &state);
        let again = again.and_then(|c| c.open::<Value>(&tenant, Noun::Host, query.fingerprint()));
        assert_eq!(again.ok(), Some(state));
    }
    ask(&cursor, &cursor);
}

/// Any state in a cursor of the right tenant and query is refused, or leads to a listing that ends.
fn state(text: &str) {
    let Ok(state) = serde_json::from_str::<Value>(text) else { return };
    let seal =
        |noun, fingerprint| Cursor::seal(&TENANT.into(), noun, fingerprint, &state).expect("JSON is sealed");
    ask(
        &seal(Noun::Host, HostQuery::new().fingerprint()),
        &seal(Noun::Alert, AlertQuery::new().fingerprint()),
    );
}

const PAGE: &[u8] = br#"200

{"meta":{"pagination":{"total":3,"next":"n","after":"a","offset":"o"}},"resources":[]}"#;
const WINDOW: &[u8] = br#"200

{"reply":{"total_count":9999,"endpoints":[],"alerts":[],"data":[]}}"#;

fn ask(hosts: &Cursor, alerts: &Cursor) {
    let (host_query, alert_query) = (HostQuery::new(), AlertQuery::new());
    let falcon = falcon(PAGE);
    let cortex = cortex(WINDOW).generation(Generation::Xdr3).build().expect("the settings are good");
    block_on(async {
        walk(falcon.walk_hosts_from(&host_query, Some(hosts.clone()))).await;
        walk(falcon.walk_alerts_from(&alert_query, Some(alerts.clone()))).await;
        walk(cortex.walk_hosts_from(&host_query, Some(hosts.clone()))).await;
        walk(cortex.walk_alerts_from(&alert_query, Some(alerts.clone()))).await;
    });
}

async fn walk<T: Listing + Serialize + Debug>(walk: edr_core::WalkStream<'_, T>) {
    hold(walk).await;
}
