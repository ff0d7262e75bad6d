//! A dead, a slow and a rate-limited tenant among many: each is named, and the others are complete.
//! How little the others are delayed is measured in `benches/benches/isolation.rs`.

use std::time::Duration;

use edr_tests::crowd::{Crowd, check};

#[tokio::test(flavor = "multi_thread")]
async fn the_sick_are_named_and_the_well_are_complete() {
    let crowd = Crowd::start(100, 5, Duration::ZERO).await;
    let estate = crowd.beside().with_deadline(Duration::from_secs(15));
    check(&crowd.outcomes(&estate).await, 200, 5);
}
