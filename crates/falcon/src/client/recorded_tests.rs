//! Recorded replies of the real API go through the typed calls, and nothing in them is lost.

#![allow(clippy::print_stdout, reason = "a test that skips says so")]

use std::path::PathBuf;

use serde_json::Value;

use crate::api::iocs::{IocAction, IocOptions, IocPlatform, IocSeverity};
use crate::api::policies::{Prevention, SettingKind};
use crate::api::{AfterParams, ListParams};
use crate::testing::{falcon, json};
use crate::{Falcon, PageKey};

/// A tenant that answers with a recording; `None` without recordings, which in CI is a failure.
fn recorded(name: &str) -> Option<(Falcon, Value)> {
    let Some(folder) = std::env::var_os("EDR_SAMPLES_DIR") else {
        assert!(std::env::var("CI").is_err(), "EDR_SAMPLES_DIR is not set");
        println!("skipped: EDR_SAMPLES_DIR is not set");
        return None;
    };
    let bytes = std::fs::read(PathBuf::from(folder).join(name)).unwrap();
    let whole: Value = serde_json::from_slice(&bytes).unwrap();
    let body =
        [&whole["response"]["body"], &whole["body"], &whole].into_iter().find(|b| b["meta"].is_object());
    let body = body.unwrap().clone();
    let text = body.to_string();
    Some((falcon(move |_| json(200, &text)).0, body))
}

fn texts(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|row| row[key].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn policies_of_2019_are_read_whole() {
    let Some((acme, body)) = recorded("falcon_get_policy_combined_prevention_v1_200_jupiterone.json") else {
        return;
    };
    let page = acme.client().policies::<Prevention>(&ListParams::default()).await.unwrap();
    assert!(page.undecoded.is_empty());
    assert_eq!(page.next, None, "the offset of the reply is the next one: six of six");
    let ids: Vec<String> = page.resources.iter().filter_map(|p| p.id.clone()).collect();
    assert_eq!(ids, texts(&body["resources"], "id"));
    for policy in &page.resources {
        assert!(policy.created_timestamp.as_ref().unwrap().utc().is_some());
        for setting in policy.prevention_settings.iter().flat_map(|c| &c.settings) {
            let value = setting.value.as_ref().unwrap();
            match setting.kind.as_ref().unwrap() {
                SettingKind::Toggle => assert!(value.enabled.is_some()),
                SettingKind::Slider => assert!(value.detection.is_some() && value.prevention.is_some()),
                other => panic!("{other}"),
            }
        }
    }
}

#[tokio::test]
async fn indicators_are_read_whole() {
    let Some((acme, _)) = recorded("falcon_ioc_create_201_sekoia.json") else { return };
    let new = super::request_tests::ioc("a");
    let made = acme.client().create_iocs(&[new], &IocOptions::default()).await.unwrap();
    let ioc = &made.resources[0];
    assert_eq!(
        (ioc.action.clone(), ioc.severity.clone()),
        (Some(IocAction::Prevent), Some(IocSeverity::High))
    );
    assert_eq!(ioc.platforms, [IocPlatform::Mac, IocPlatform::Windows, IocPlatform::Linux]);
    assert_eq!(ioc.metadata.as_ref().unwrap().av_hits, Some(-1));
    assert_eq!(ioc.created_on.as_ref().unwrap().utc().unwrap().timestamp_subsec_nanos(), 73_346_862);
}

#[tokio::test]
async fn a_page_of_one_indicator_names_a_next_one_and_ends_all_the_same() {
    use futures_util::TryStreamExt as _;
    let Some((acme, body)) = recorded("falcon_ioc_query_200_opencti.json") else { return };
    let page = acme.client().ioc_ids(&AfterParams::default()).await.unwrap();
    let after = body["meta"]["pagination"]["after"].as_str().unwrap().to_owned();
    assert_eq!(page.next, Some(PageKey::from(after)));
    let pages = acme.client().pages::<String>(crate::api::iocs::query(&AfterParams::default()), None);
    assert_eq!(pages.try_collect::<Vec<_>>().await.unwrap().len(), 1);
}

#[tokio::test]
async fn assessments_are_read_whole() {
    let name = "falcon_get_zero-trust-assessment_entities_assessments_v1_200_jupiterone.json";
    let Some((acme, body)) = recorded(name) else { return };
    let ids = texts(&body["resources"], "aid");
    let found = acme.client().assessments_by_id(&ids).await.unwrap();
    assert_eq!((found.found.len(), found.missing.len(), found.undecoded.len()), (ids.len(), 0, 0));
    let first = &found.found[0];
    let row = body["resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["aid"] == first.aid.as_deref().unwrap())
        .unwrap();
    assert_eq!(first.assessment.as_ref().unwrap().overall, row["assessment"]["overall"].as_i64());
    let signals = row["assessment_items"]["os_signals"].as_array().unwrap().len();
    assert_eq!(first.assessment_items.as_ref().unwrap().os_signals.len(), signals);
    assert!(first.modified_time.as_ref().unwrap().utc().is_some());
}

#[tokio::test]
async fn scores_and_members_are_read() {
    let name = "falcon_get_zero-trust-assessment_queries_assessments_v1_200_jupiterone.json";
    let Some((acme, body)) = recorded(name) else { return };
    let page = acme.client().scores(&AfterParams::default()).await.unwrap();
    assert_eq!(page.resources.len(), body["resources"].as_array().unwrap().len());
    assert_eq!(page.next, None, "an empty `after` is the end");
    let Some((acme, body)) = recorded("falcon_get_policy_queries_prevention-members_v1_200_jupiterone.json")
    else {
        return;
    };
    let page = acme.client().policy_member_ids::<Prevention>("p", &ListParams::default()).await.unwrap();
    assert_eq!(page.resources.len(), body["resources"].as_array().unwrap().len());
}
