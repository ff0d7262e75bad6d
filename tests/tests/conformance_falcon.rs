//! Falcon keeps every promise of the suite, with the combined endpoints and without them.

use edr_testkit::{Report, run_some};
use edr_tests::sim::{SimWorld, is_sampled, small};

/// The suite is longer than the other tests here, so it is done in thirds: two processors are then done at the same time.
fn third(case: &str) -> u32 {
    case.bytes().map(u32::from).sum::<u32>() % 3
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn falcon_conforms_in_the_first_third() {
    conforms(|case| third(case) == 0).await.into_result().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn falcon_conforms_in_the_second_third() {
    conforms(|case| third(case) == 1).await.into_result().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn falcon_conforms_in_the_last_third() {
    conforms(|case| third(case) == 2).await.into_result().unwrap();
}

async fn conforms(wanted: impl Fn(&str) -> bool) -> Report {
    let world = SimWorld::start(small(), "falcon-1").await.with_iocs().with_audit();
    let report = run_some(&world, wanted).await;
    let asked = world.counters();
    assert!(asked.contains_key("CombinedDevicesByFilter"), "{asked:?}");
    assert!(asked.contains_key("PostCombinedAlertsV1"), "{asked:?}");
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_without_the_combined_endpoints_conforms() {
    let world = SimWorld::start(small().falcon_without_combined(true), "falcon-1").await;
    // Whole rows have no second way that is known to hold in such a cloud, and orders are given to batches of sessions,
    // which are of the combined endpoints, too.
    let whole = ["applications.", "audit_events.", "groups.", "iocs.", "orders.", "vulnerabilities."];
    let wanted = |case: &str| !whole.iter().any(|noun| case.starts_with(noun));
    run_some(&world, |case| wanted(case) && is_sampled(case)).await.into_result().unwrap();
    let asked = world.counters();
    assert!(asked.contains_key("QueryDevicesByFilterScroll"), "{asked:?}");
    assert!(asked.contains_key("QueryV2"), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estate_of_another_seed_conforms() {
    let world = SimWorld::start(small().seed(7), "falcon-1").await.with_iocs().with_audit();
    run_some(&world, is_sampled).await.into_result().unwrap();
}
