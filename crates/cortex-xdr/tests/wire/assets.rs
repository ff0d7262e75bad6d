//! Assets and findings of XDR 5 against a tenant in memory: odd replies, pages that end badly, what is not there.

use cortex_xdr::api::assets::{AssetFilters, FindingSeverity};
use cortex_xdr::{CortexXdr, Filters, Generation};
use edr_core::ErrorKind;
use serde_json::{Value, json};

use crate::common::{Answer, Log, Seen, builder, error, missing, ok};

fn five(handler: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> (CortexXdr, Log) {
    let (builder, log) = builder(handler);
    (builder.generation(Generation::Xdr5).build().unwrap(), log)
}

fn finding(number: usize) -> Value {
    json!({"platform_id": number.to_string(), "cve_id": "CVE-2025-1", "cvss_severity": "HIGH"})
}

#[tokio::test(start_paused = true)]
async fn assets_are_read_window_by_window() {
    let (cortex, log) = five(|seen| {
        let (from, to) = seen.window();
        let rows: Vec<Value> =
            (from..to.min(130)).map(|n| json!({"xdm.asset.id": n, "xdm.asset.group_ids": [1, 2]})).collect();
        ok(&json!({"reply": {"data": rows, "metadata": {"filter_count": "130", "total_count": 900}}}))
    });
    let all = cortex.client().assets(Filters::new()).collect().await.unwrap();
    assert_eq!((all.items.len(), all.total), (130, Some(130)));
    assert_eq!(all.items[0].group_ids, ["1", "2"]);
    assert_eq!(log.paths(), ["v1/assets", "v1/assets"]);
    assert_eq!(log.all()[0].data["filters"], Value::Null, "nothing is sent for no condition");
    assert!(AssetFilters::new().ids(Vec::<String>::new()).is_err());
}

#[tokio::test(start_paused = true)]
async fn an_asset_costs_itself_and_null_is_an_empty_list() {
    let rows = json!([{"xdm.asset.name": "nameless"}, 7, {"xdm.asset.id": "a", "xdm.asset.first_observed": "2026-01-01 10:00:00"}]);
    let (cortex, _) = five(move |_| ok(&json!({"reply": {"data": rows.clone()}})));
    let all = cortex.client().assets(Filters::new()).collect().await.unwrap();
    assert_eq!((all.items.len(), all.undecodable.len()), (1, 2));
    assert!(all.items[0].first_observed.time.is_some());
    let (cortex, _) = five(|_| ok(&json!({"reply": {"data": null, "metadata": {"filter_count": 0}}})));
    assert_eq!(cortex.client().assets(Filters::new()).collect().await.unwrap().arrived(), 0);
    assert_eq!(cortex.client().asset("a").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn findings_follow_their_token_to_the_end() {
    let (cortex, log) = five(|seen| {
        let (rows, next) = match seen.data["next_page_token"].as_str() {
            None => (vec![finding(1)], json!("b")),
            Some("b") => (vec![], json!("c")),
            _ => (vec![finding(2), json!({"cve_id": "CVE-2025-2"})], json!("")),
        };
        ok(&json!({"reply": {"data": rows, "filter_count": 3, "next_page_token": next}}))
    });
    let mut listing = cortex.client().findings(Filters::new());
    let first = listing.next().await.unwrap().unwrap();
    assert_eq!((first.items[0].cvss_severity.clone(), first.total), (Some(FindingSeverity::High), Some(3)));
    assert_eq!(listing.token(), Some("b"));
    let rest = listing.collect().await.unwrap();
    assert_eq!((rest.items.len(), rest.undecodable.len(), log.len()), (1, 1, 3));
    let resumed = cortex.client().findings(Filters::new()).resume("c").collect().await.unwrap();
    assert_eq!((resumed.items.len(), log.len()), (1, 4));
}

#[tokio::test(start_paused = true)]
async fn findings_go_in_no_circle_and_not_on_for_ever() {
    let (cortex, log) = five(|_| ok(&json!({"reply": {"data": [finding(1)], "next_page_token": "same"}})));
    assert_eq!(cortex.client().findings(Filters::new()).collect().await.unwrap().items.len(), 2);
    assert_eq!(log.len(), 2);
    let (cortex, log) = five(|seen| {
        let next = format!("{}x", seen.data["next_page_token"].as_str().unwrap_or_default());
        ok(&json!({"reply": {"data": [], "next_page_token": next}}))
    });
    let endless = cortex.client().findings(Filters::new()).collect().await.unwrap_err();
    assert_eq!((endless.kind(), log.len()), (ErrorKind::Vendor, 3));
    let (cortex, _) = five(|_| ok(&json!({"reply": {"next_page_token": "x"}})));
    let formless = cortex.client().findings(Filters::new()).collect().await.unwrap_err();
    assert_eq!(formless.kind(), ErrorKind::Decode);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_none_and_what_fails_is_an_error() {
    let (cortex, _) = five(|_| missing());
    assert_eq!(cortex.client().finding("a1").await.unwrap(), None);
    assert_eq!(cortex.client().asset("a1").await.unwrap(), None);
    let (cortex, log) = five(|_| error(403, "no"));
    assert_eq!(cortex.client().finding("a1").await.unwrap_err().kind(), ErrorKind::Permission);
    let sent = log.len();
    for bad in ["", "a/b", "..", "a?b", "a b"] {
        assert_eq!(cortex.client().asset(bad).await.unwrap_err().kind(), ErrorKind::InvalidRequest, "{bad}");
    }
    assert_eq!(log.len(), sent, "nothing is sent for what is no id");
    let (builder, _) = builder(|_| missing());
    let three = builder.generation(Generation::Xdr3).build().unwrap();
    assert_eq!(three.client().finding("a1").await.unwrap_err().kind(), ErrorKind::Configuration);
}
