use std::sync::atomic::{AtomicU32, Ordering};

use edr_core::ErrorKind;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::json;

use super::*;
use crate::testing::{Log, Sent, falcon, json as answer, page};

const PATH: &str = "/new/combined/things/v1";
const HOSTS: &str = crate::api::hosts::COMBINED.path;
const ALERTS: &str = crate::api::alerts::COMBINED.path;

type Served = (Vec<String>, String);

/// All items of an unknown path whose pages the closure makes, the error behind them, and what was sent.
async fn walked(
    method: Method,
    body: Option<&'static str>,
    serve: impl Fn(&Sent) -> Served + Send + Sync + 'static,
) -> (Vec<String>, Option<edr_core::Error>, Log) {
    let (acme, log) = falcon(move |sent| {
        let (rows, pagination) = serve(sent);
        page(&rows, &pagination)
    });
    let mut pages = acme.client().walk_any(method, PATH, &[("limit", "2")], body.map(Into::into));
    let (mut items, mut error) = (Vec::new(), None);
    while let Some(page) = pages.next().await {
        assert!(items.len() < 100, "a walk without an end");
        match page {
            Ok(page) => items.extend(page.resources.iter().map(|raw| raw.as_str().unwrap().to_owned())),
            Err(e) => error = Some(e),
        }
    }
    (items, error, log)
}

fn rows(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// Five rows, two a page, from the row that the key names.
fn from(key: Option<&str>) -> (Vec<String>, u64) {
    let at = key.map_or(0, |k| k.trim_start_matches('k').parse().unwrap());
    (rows(at..(at + 2).min(5)), at + 2)
}

#[tokio::test]
async fn pages_of_an_unknown_path_are_turned_as_the_first_one_shows() {
    let counted = |sent: &Sent| {
        let (rows, _) = from(sent.get("offset"));
        (rows, r#"{"offset":0,"limit":2,"total":5}"#.to_owned())
    };
    let after = |sent: &Sent| {
        let (rows, next) = from(sent.get("after"));
        (rows, format!(r#"{{"after":"k{next}","total":5}}"#))
    };
    let next = |sent: &Sent| {
        let (rows, next) = from(sent.get("offset"));
        let key = if next < 5 { format!("k{next}") } else { String::new() };
        (rows, format!(r#"{{"next":"{key}","total":5}}"#))
    };
    let scroll = |sent: &Sent| {
        let (rows, next) = from(sent.get("offset"));
        (rows, format!(r#"{{"offset":"k{next}","total":5}}"#))
    };
    let untold = |_: &Sent| (rows(0..2), "{}".to_owned());
    for (name, (items, error, log), pages) in [
        ("counted", walked(Method::GET, None, counted).await, 3),
        // Nobody says which page is the last one: the one without rows does.
        ("after", walked(Method::GET, None, after).await, 4),
        ("next", walked(Method::GET, None, next).await, 3),
        ("scroll", walked(Method::GET, None, scroll).await, 4),
    ] {
        assert!(error.is_none(), "{name}: {error:?}");
        assert_eq!((items, log.to(PATH).len()), (rows(0..5), pages), "{name}");
    }
    let (items, error, log) = walked(Method::GET, None, untold).await;
    assert_eq!((items, error.is_none(), log.to(PATH).len()), (rows(0..2), true, 1));
}

#[tokio::test]
async fn fewer_rows_than_the_vendor_counts_are_no_end() {
    // The second page has no key, or no rows.
    let keyless = |key: &'static str| {
        move |sent: &Sent| match (sent.get(key), sent.json()[key].as_str()) {
            (None, None) => (rows(0..2), format!(r#"{{"total":5,"{key}":"k2"}}"#)),
            _ => (rows(2..4), r#"{"total":5}"#.to_owned()),
        }
    };
    let next = |sent: &Sent| match sent.get("offset") {
        None => (rows(0..2), r#"{"next":"k2","total":5}"#.to_owned()),
        Some(_) => (rows(2..4), r#"{"next":"","total":5}"#.to_owned()),
    };
    let empty = |sent: &Sent| match sent.get("after") {
        None => (rows(0..4), r#"{"after":"k4","total":5}"#.to_owned()),
        Some(_) => (Vec::new(), r#"{"after":"k4","total":0}"#.to_owned()),
    };
    for (name, (items, error, _)) in [
        ("after", walked(Method::GET, None, keyless("after")).await),
        ("after in a body", walked(Method::POST, Some("{}"), keyless("after")).await),
        ("next", walked(Method::GET, None, next).await),
        ("scroll", walked(Method::GET, None, keyless("offset")).await),
        ("an empty page", walked(Method::GET, None, empty).await),
    ] {
        assert_eq!(items, rows(0..4), "{name}: what came is given out first");
        let error = error.unwrap_or_else(|| panic!("{name}: no error"));
        assert_eq!(error.message(), "the listing broke off: 4 of 5 rows came", "{name}");
        assert!(error.tenant().is_some() && error.operation().is_some(), "{name}: {error:?}");
    }
    let nothing = |_: &Sent| (Vec::new(), r#"{"offset":0,"limit":2,"total":5}"#.to_owned());
    let (_, error, _) = walked(Method::GET, None, nothing).await;
    assert_eq!(error.unwrap().message(), "the listing broke off: 0 of 5 rows came");
}

#[tokio::test]
async fn a_count_that_falls_and_a_place_of_the_callers_are_no_loss() {
    let fell = |sent: &Sent| match sent.get("after") {
        None => (rows(0..3), r#"{"after":"k3","total":5}"#.to_owned()),
        Some(_) => (rows(3..4), r#"{"after":"","total":4}"#.to_owned()),
    };
    let grew = |sent: &Sent| match sent.get("after") {
        None => (rows(0..3), r#"{"after":"k3","total":4}"#.to_owned()),
        Some(_) => (rows(3..4), r#"{"after":"","total":5}"#.to_owned()),
    };
    // It counts nothing, or less than it gives.
    let uncounted = |sent: &Sent| match sent.get("after") {
        None => (rows(0..3), r#"{"after":"k3"}"#.to_owned()),
        Some(_) => (rows(3..4), r#"{"after":"","total":0}"#.to_owned()),
    };
    for (name, (items, error, _)) in [
        ("fell", walked(Method::GET, None, fell).await),
        ("grew", walked(Method::GET, None, grew).await),
        ("uncounted", walked(Method::GET, None, uncounted).await),
    ] {
        assert!(error.is_none(), "{name}: {error:?}");
        assert_eq!(items, rows(0..4), "{name}");
    }
    let (acme, _) = falcon(|_| page(&rows(4..5), r#"{"after":"","next":"","total":5}"#));
    for (method, path, query, body) in [
        (Method::GET, HOSTS, Some(("offset", "k4")), None),
        (Method::GET, PATH, Some(("after", "k4")), None),
        (Method::GET, PATH, Some(("offset", "k4")), None),
        (Method::GET, PATH, Some(("offset", "4")), None),
        (Method::POST, ALERTS, None, Some(r#"{"after":"k4"}"#.into())),
    ] {
        let pages = acme.client().walk_any(method, path, query.as_slice(), body);
        let pages: Vec<_> = pages.collect().await;
        assert!(pages.len() == 1 && pages[0].is_ok(), "{path} {query:?}: {pages:?}");
    }
}

#[tokio::test]
async fn a_key_goes_into_the_body_of_a_post() {
    let serve = |sent: &Sent| {
        let body = sent.json();
        let (rows, next) = from(body["after"].as_str());
        let key = if next < 5 { format!("k{next}") } else { String::new() };
        (rows, format!(r#"{{"after":"{key}","total":5}}"#))
    };
    let (items, error, log) = walked(Method::POST, Some(r#"{"filter":"x"}"#), serve).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(items, rows(0..5));
    assert_eq!(log.to(PATH)[1].json(), json!({"filter": "x", "after": "k2"}));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_passed_on_and_a_write_is_repeated_only_when_it_may_be() {
    let (acme, log) = falcon(|sent| match sent.path.as_str() {
        "/good" => answer(200, r#"{"resources":[],"errors":[{"code":404,"id":"x"}]}"#),
        _ => answer(503, r#"{"errors":[{"code":503,"message":"later"}]}"#),
    });
    let pass = |method: Method, path: &'static str, repeatable| {
        let client = acme.client().clone();
        async move { client.pass(method, path, &[("a", "b c")], Some("{}".into()), repeatable).await }
    };
    let passed = pass(Method::GET, "/good", false).await.unwrap();
    let pieces: Vec<Bytes> = passed.body.try_collect().await.unwrap();
    assert!(pieces.concat().starts_with(b"{\"resources\""));
    assert_eq!(log.to("/good")[0].get("a"), Some("b c"));
    let refusal = pass(Method::POST, "/bad", false).await.unwrap_err();
    let told = refusal.answer.unwrap();
    assert_eq!((told.status.as_u16(), refusal.error.kind()), (503, ErrorKind::Vendor));
    assert!(told.body.starts_with(b"{\"errors\""));
    assert_eq!(log.to("/bad").len(), 1);
    pass(Method::POST, "/bad", true).await.unwrap_err();
    assert!(log.to("/bad").len() > 2);
    let asked = AtomicU32::new(0);
    let (acme, log) = falcon(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => answer(401, r#"{"errors":[{"code":401,"message":"access denied, invalid bearer token"}]}"#),
        _ => answer(200, "{}"),
    });
    acme.client().pass(Method::POST, "/new", &[], None, false).await.unwrap();
    assert_eq!(log.to("/new").len(), 2, "a token that was refused is replaced, for a write, too");
}
