//! Any path: pages of listings that this crate does not know, and answers as they come.

use crate::common::{Answer, Log, Seen, error, ok, tenant};
use bytes::Bytes;
use edr_core::{Error, ErrorKind};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::Method;
use serde_json::{Value, json};

/// All items of a listing, and the error behind them.
async fn walked(
    body: Option<&'static str>,
    answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> (usize, Option<Error>, Log) {
    let (cortex, log) = tenant(answer);
    let mut pages = cortex.client().walk_any(Method::POST, "things/get_things", &[], body.map(Into::into));
    let (mut items, mut error) = (0, None);
    while let Some(page) = pages.next().await {
        assert!(items < 10_000, "a walk without an end");
        match page {
            Ok(page) => items += page.items.len(),
            Err(e) => error = Some(e),
        }
    }
    (items, error, log)
}

/// A page of so many things in all.
fn things(seen: &Seen, there: u64, told: Value) -> Answer {
    let (from, to) = seen.window();
    let list: Vec<Value> = (from.min(there)..to.min(there)).map(|n| json!({"id": n})).collect();
    ok(&json!({"reply": {"total_count": told, "result_count": list.len(), "things": list, "hidden": [0]}}))
}

#[tokio::test(start_paused = true)]
async fn windows_go_on_to_the_end_whatever_is_counted() {
    let (items, error, log) = walked(None, |seen| things(seen, 230, json!(230))).await;
    assert!(error.is_none(), "{error:?}");
    let windows: Vec<_> = log.all().iter().map(Seen::window).collect();
    assert_eq!((items, windows), (230, vec![(0, 100), (100, 200), (200, 300)]));
    let body = r#"{"request_data":{"search_from":10,"search_to":20,"sort":{"field":"id"}},"x":1}"#;
    let (items, error, log) = walked(Some(body), |seen| things(seen, 35, json!("9"))).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((items, log.len()), (25, 3), "a full page leads on beyond the count");
    let last: Value = serde_json::from_slice(&log.all()[2].body).unwrap();
    assert_eq!((&last["x"], &last["request_data"]["sort"]), (&json!(1), &json!({"field": "id"})));
    // An empty page in the middle is passed over and told; a listing of nothing but empty pages is not.
    let hole = |seen: &Seen| match seen.window().0 {
        100 => ok(&json!({"reply": {"total_count": 250, "things": []}})),
        _ => things(seen, 250, json!(250)),
    };
    let (items, error, log) = walked(None, hole).await;
    assert_eq!(
        (items, error.unwrap().message(), log.len()),
        (150, "the listing broke off: 150 of 250 rows came", 3)
    );
    let (_, error, log) = walked(None, |_| ok(&json!({"reply": {"total_count": 900, "things": []}}))).await;
    assert!(error.unwrap().to_string().contains("no end") && log.len() == 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_given_is_held_against_the_count() {
    // However much is asked for, no more than `most` come.
    let clamped = |there: u64, most: u64| {
        move |seen: &Seen| {
            let (from, to) = seen.window();
            let list: Vec<u64> = (from.min(there)..to.min(there).min(from + most)).collect();
            ok(&json!({"reply": {"total_count": there, "things": list}}))
        }
    };
    let wide = Some(r#"{"request_data":{"search_to":1000}}"#);
    for (body, there, most, requests) in [(wide, 250, 100, 3), (wide, 1_200, 100, 13), (None, 100, 40, 3)] {
        let (items, error, log) = walked(body, clamped(there, most)).await;
        assert!(error.is_none(), "{most}: {error:?}");
        assert_eq!((items as u64, log.len()), (there, requests), "{most}");
    }
    // Where the caller begins is no loss, and what is lost behind it is one.
    let later = Some(r#"{"request_data":{"search_from":200,"search_to":250}}"#);
    let (items, error, _) = walked(later, |seen| things(seen, 230, json!(230))).await;
    assert_eq!((items, error.is_none()), (30, true));
    let (items, error, _) = walked(later, |seen| things(seen, 230, json!(260))).await;
    assert_eq!((items, error.unwrap().message()), (30, "the listing broke off: 30 of 60 rows came"));
    // What the key may not see is cut out of a window: the others come once.
    let hidden = |seen: &Seen| {
        let (from, to) = seen.window();
        let list: Vec<u64> = (from.min(150)..to.min(150)).filter(|n| *n != 20).collect();
        ok(&json!({"reply": {"total_count": 150, "things": list}}))
    };
    let (items, error, _) = walked(None, hidden).await;
    assert_eq!((items, error.unwrap().message()), (149, "the listing broke off: 149 of 150 rows came"));
    // A count that falls is no loss.
    let fell = |seen: &Seen| match seen.window().0 {
        0 => things(seen, 150, json!(160)),
        _ => things(seen, 150, json!(150)),
    };
    let (items, error, _) = walked(None, fell).await;
    assert_eq!((items, error.is_none()), (150, true));
    let all =
        |_: &Seen| ok(&json!({"reply": {"total_count": 400, "things": (0..150).collect::<Vec<u32>>()}}));
    let (items, error, log) = walked(None, all).await;
    assert_eq!((items, log.len()), (150, 1));
    let error = error.unwrap();
    assert_eq!(error.message(), "the listing broke off: 150 of 400 rows came");
    assert!(error.tenant().is_some() && error.operation().is_some(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_page_is_not_read_for_ever() {
    let all = |_: &Seen| ok(&json!({"reply": {"things": (0..150).collect::<Vec<u32>>()}}));
    let (items, error, log) = walked(None, all).await;
    assert_eq!((items, error.is_none(), log.len()), (150, true, 1));
    let same = |_: &Seen| ok(&json!({"reply": {"things": (0..100).collect::<Vec<u32>>()}}));
    let (items, error, _) = walked(None, same).await;
    assert_eq!(items, 100);
    assert!(error.unwrap().to_string().contains("the same page came twice"));
    let bare = |_: &Seen| ok(&json!({"reply": [1, 2, 3]}));
    assert_eq!(walked(None, bare).await.0, 3);
    for body in ["[]", r#"{"request_data":7}"#, r#"{"request_data":{"search_from":5,"search_to":5}}"#] {
        let (_, error, log) = walked(Some(body), bare).await;
        assert_eq!((error.unwrap().kind(), log.len()), (ErrorKind::InvalidRequest, 0), "{body}");
    }
    let (items, error, _) = walked(None, |seen| match seen.window().0 {
        0 => things(seen, 200, json!(200)),
        _ => crate::common::error(403, "no"),
    })
    .await;
    assert_eq!((items, error.unwrap().kind()), (100, ErrorKind::Permission));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_passed_on_as_it_is() {
    let (cortex, log) = tenant(|seen| match seen.path.as_str() {
        "/public_api/v1/good" => ok(&json!({"reply": true})),
        _ => error(503, "later"),
    });
    let client = cortex.client();
    let passed = client.pass(Method::POST, "good", &[], Some("{\"a\": 1}".into()), false).await.unwrap();
    let pieces: Vec<Bytes> = passed.body.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), br#"{"reply":true}"#);
    assert_eq!(log.all()[0].body, Bytes::from_static(b"{\"a\": 1}"), "the body goes as it is");
    let refusal = client.pass(Method::POST, "bad", &[], None, false).await.unwrap_err();
    assert_eq!((refusal.answer.unwrap().status.as_u16(), log.len()), (503, 2));
    client.pass(Method::POST, "bad", &[], None, true).await.unwrap_err();
    assert!(log.len() > 4);
    let refusal = client.pass(Method::GET, "//evil.example/", &[], None, false).await.unwrap_err();
    assert!(refusal.answer.is_none() && refusal.error.tenant().is_some());
}
