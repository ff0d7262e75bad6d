//! One tenant's place among those that share a pace.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Operation, Pacer};

/// One tenant's place in the queue of a [`Pacer`].
///
/// The requests of a lane wait in a queue of its own, and only the first of them stands in the common
/// queue. So turns go round among the lanes that wait: a tenant with a thousand requests delays
/// another one's first request by a single turn.
#[derive(Debug)]
pub struct Lane {
    pacer: Arc<Pacer>,
    /// First come, first served, within the lane.
    queue: tokio::sync::Mutex<()>,
    /// The places in the queues of operations that have a quota.
    quotas: Mutex<HashMap<&'static str, Arc<Lane>>>,
}

/// How long a turn was waited for, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waited {
    pub(crate) pace: Duration,
    pub(crate) cooldown: Duration,
}

impl Lane {
    pub(crate) fn new(pacer: Arc<Pacer>) -> Self {
        Self { pacer, queue: tokio::sync::Mutex::default(), quotas: Mutex::default() }
    }

    /// The pace that the lane belongs to.
    #[must_use]
    pub fn pacer(&self) -> &Arc<Pacer> {
        &self.pacer
    }

    /// Waits for a turn.
    pub async fn turn(&self) {
        let _first = self.queue.lock().await;
        self.pacer.turn().await;
    }

    /// Waits for a turn of this operation: for its quota, of which `share` is ours (none is kept without one), and then for the
    /// account's budget. In this order, because a call that waits for a slow quota must not stand in
    /// the way of those that have none.
    pub(crate) async fn turn_for(&self, operation: &'static Operation, share: Option<f64>) -> Waited {
        let start = Instant::now();
        if let Some(lane) = share.and_then(|share| self.quota(operation, share)) {
            lane.turn().await;
        }
        self.turn().await;
        let cooldown = self.pacer.cooled_since(start);
        Waited { pace: start.elapsed().saturating_sub(cooldown), cooldown }
    }

    fn quota(&self, operation: &'static Operation, share: f64) -> Option<Arc<Self>> {
        let budget = operation.quota?.shared(share);
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(self.pacer.quota(operation.name, budget).lane());
        Some(quotas.entry(operation.name).or_insert_with(make).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Budget;

    static SLOW: Operation = Operation::read("Slow", "none").with_quota(10, Duration::from_secs(60));
    static FAST: Operation = Operation::read("Fast", "none");

    fn pacer() -> Arc<Pacer> {
        Arc::new(Pacer::new(Budget::per_second(10.0)))
    }

    /// This many requests wait in the lane.
    async fn crowd(lane: &Arc<Lane>, count: usize, operation: &'static Operation) {
        for _ in 0..count {
            let lane = lane.clone();
            tokio::spawn(async move { lane.turn_for(operation, Some(1.0)).await });
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    }

    async fn timed(lane: &Lane, operation: &'static Operation) -> Duration {
        let start = Instant::now();
        lane.turn_for(operation, Some(1.0)).await;
        start.elapsed()
    }

    /// What one turn takes at 10 a second, with the pacer's margin.
    const TURN: Duration = Duration::from_millis(105);

    #[tokio::test(start_paused = true)]
    async fn a_thousand_requests_delay_another_tenant_by_one_turn() {
        let pacer = pacer();
        let (busy, other) = (Arc::new(pacer.lane()), pacer.lane());
        crowd(&busy, 1000, &FAST).await;
        for _ in 0..5 {
            let waited = timed(&other, &FAST).await;
            assert!(waited <= 2 * TURN, "the turn under way, and one's own: {waited:?}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let same = timed(&busy, &FAST).await;
        assert!(same > Duration::from_secs(60), "within a lane it is first come, first served: {same:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_share_the_budget_and_alternate() {
        let pacer = pacer();
        let lanes = [Arc::new(pacer.lane()), Arc::new(pacer.lane()), Arc::new(pacer.lane())];
        let order = Arc::new(Mutex::new(Vec::new()));
        let start = Instant::now();
        let mut tasks = Vec::new();
        for (name, lane) in lanes.iter().enumerate() {
            for _ in 0..40 {
                let (lane, order) = (lane.clone(), order.clone());
                tasks.push(tokio::spawn(async move {
                    lane.turn().await;
                    order.lock().unwrap().push(name);
                }));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        let rate = 120.0 / start.elapsed().as_secs_f64();
        assert!((9.0..=10.6).contains(&rate), "{rate} a second over all lanes");
        let order = order.lock().unwrap().clone();
        for window in order[6..105].chunks(3) {
            let mut turns = window.to_vec();
            turns.sort_unstable();
            assert_eq!(turns, [0, 1, 2], "each lane once in three turns: {order:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_holds_over_all_lanes_and_holds_up_nobody_else() {
        let pacer = pacer();
        let (busy, other) = (Arc::new(pacer.lane()), Arc::new(pacer.lane()));
        let start = Instant::now();
        crowd(&busy, 30, &SLOW).await;
        for lane in [&busy, &other] {
            assert!(timed(lane, &FAST).await <= TURN, "a call without a quota passes by");
        }
        let first = timed(&other, &SLOW).await;
        assert!(first <= Duration::from_secs(13), "a quota has lanes, too: {first:?}");
        crowd(&busy, 60, &SLOW).await;
        let last = timed(&busy, &SLOW).await;
        let all = start.elapsed().as_secs_f64();
        // 92 turns: five at once, the others one in six seconds.
        assert!((516.0..=576.6).contains(&all), "{all} s, the last {last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_of_a_quota_is_slower() {
        let lane = pacer().lane();
        let start = Instant::now();
        for _ in 0..11 {
            lane.turn_for(&SLOW, Some(0.5)).await;
        }
        assert!(start.elapsed() >= Duration::from_secs(120), "five a minute: {:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_is_not_saved_up_while_the_account_cools_down() {
        let pacer = pacer();
        let lane = Arc::new(pacer.lane());
        lane.turn_for(&SLOW, Some(1.0)).await;
        crowd(&lane, 12, &SLOW).await;
        pacer.cool_down(Duration::from_secs(120));
        let cooled = Instant::now() + Duration::from_secs(120);
        let others: Vec<_> = (0..12)
            .map(|_| {
                let lane = lane.clone();
                tokio::spawn(async move {
                    lane.turn_for(&SLOW, Some(1.0)).await;
                    Instant::now()
                })
            })
            .collect();
        let mut early = 0;
        for other in others {
            early += u32::from(other.await.unwrap() < cooled + Duration::from_secs(60));
        }
        assert!(early <= 10, "{early} in the first minute");
        let start = Instant::now();
        for _ in 0..20 {
            lane.turn_for(&SLOW, None).await;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "no quota is kept where none is asked for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_names_its_cause() {
        let pacer = pacer();
        let lane = pacer.lane();
        assert_eq!(lane.turn_for(&FAST, Some(1.0)).await, Waited::default());
        pacer.cool_down(Duration::from_secs(7));
        let waited = lane.turn_for(&FAST, Some(1.0)).await;
        assert_eq!((waited.cooldown.as_secs(), waited.pace.as_secs()), (7, 0));
        for _ in 0..20 {
            lane.turn().await;
        }
        let waited = lane.turn_for(&FAST, Some(1.0)).await;
        assert!(waited.pace > Duration::from_millis(50) && waited.cooldown.is_zero(), "{waited:?}");
    }
}
