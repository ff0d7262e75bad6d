use std::time::Duration;

use edr_core::{Feature, Quirk};

use super::{Bench, tenant};
use crate::respond::{Consent, Draft, Outcome, Waiting};

#[tokio::test(start_paused = true)]
async fn three_counts_that_are_never_mixed() {
    let one = tenant("a", 4).settles_after(3).build();
    one.set_online("a-web-2", false);
    one.quirk("a-web-3", Quirk::Fails);
    let bench = Bench::new([one.clone()]);
    let plan = bench.plan(&["web-0", "web-1", "web-2", "web-3"], &Draft::contain()).await;
    let responder = bench.responder();
    let operation = responder.apply(&plan, &Consent::yes(9)).await.unwrap();
    assert_eq!((operation.counts().accepted, operation.counts().done), (4, 0), "taken is not done");
    let before = one.requests();
    let confirmed = responder.confirm(&plan.id, &Waiting::default()).await.unwrap();
    let counts = confirmed.operation.counts();
    assert_eq!((counts.done, counts.offline, counts.failed), (2, 1, 1));
    assert!(!confirmed.timed_out && confirmed.unread.is_empty());
    assert_eq!(one.requests() - before, 3, "one call a round for all hosts");
    // Once the host is back, it is looked at again.
    one.set_online("a-web-2", true);
    one.settle();
    let confirmed = responder.confirm(&plan.id, &Waiting::default()).await.unwrap();
    assert_eq!((confirmed.operation.counts().done, confirmed.operation.counts().offline), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_rest_is_still_pending() {
    let one = tenant("a", 2).settles_after(1000).build();
    let bench = Bench::new([one.clone()]);
    let plan = bench.plan(&["web-0", "web-1"], &Draft::contain()).await;
    let responder = bench.responder();
    responder.apply(&plan, &Consent::yes(9)).await.unwrap();
    let begin = tokio::time::Instant::now();
    let confirmed = responder.confirm(&plan.id, &Waiting::at_most(Duration::from_secs(60))).await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), 60);
    assert!(confirmed.timed_out);
    assert_eq!((confirmed.operation.counts().pending, confirmed.operation.counts().done), (2, 0));
    assert!(one.requests() < 20, "the pauses grow: {}", one.requests());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_cannot_be_asked_is_not_waited_for() {
    let one = tenant("a", 1).build();
    let bench = Bench::new([one.clone()]);
    let plan = bench.plan(&["web-0"], &Draft::contain()).await;
    bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap();
    let mut lost = Bench::new([tenant("a", 1).without(Feature::HostContain, "the licence is over").build()]);
    lost.folder = bench.folder;
    let confirmed = lost.responder().confirm(&plan.id, &Waiting::default()).await.unwrap();
    assert_eq!(confirmed.unread[0].0.as_str(), "a");
    assert_eq!(confirmed.operation.hosts[0].outcome, Outcome::Accepted, "as it was last known");
    assert!(lost.responder().confirm("nobody", &Waiting::default()).await.is_err());
}
