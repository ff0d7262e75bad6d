//! Cortex XDR keeps every promise of the suite, in both generations and with both kinds of key.

use edr_sim::KeyType;
use edr_testkit::{run_all, run_some};
use edr_tests::sim::{SimWorld, is_sampled, small};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cortex_conforms() {
    let world = SimWorld::start(small(), "cortex-1").await.with_iocs().with_audit();
    run_all(&world).await.into_result().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newer_generation_conforms() {
    let world = SimWorld::start(small().cortex_generation(5), "cortex-1").await.with_iocs().with_audit();
    run_all(&world).await.into_result().unwrap();
    let asked = world.counters();
    assert!(asked.keys().any(|operation| operation.contains("issue/search")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standard_key_conforms() {
    let world =
        SimWorld::start(small().key_type(KeyType::Standard), "cortex-1").await.with_iocs().with_audit();
    run_some(&world, is_sampled).await.into_result().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_nonce_is_never_sent_twice() {
    let world = SimWorld::start(small().cortex_strict_nonce(true), "cortex-1").await.with_iocs().with_audit();
    run_some(&world, is_sampled).await.into_result().unwrap();
}
