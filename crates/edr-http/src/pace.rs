//! Keeping within the vendor's rate, before it has to say so.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::Lane;

/// So many requests in any window of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Requests in a window.
    pub requests: u32,
    /// The length of the window.
    pub window: Duration,
}

impl Budget {
    /// Requests a second; none for 0, which means unpaced.
    #[must_use]
    pub fn per_second(rate: f64) -> Option<Self> {
        if rate <= 0.0 || !rate.is_finite() {
            return None;
        }
        let rate = rate.max(0.001);
        // A rate that is no whole number is kept by a longer window.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at least 1, and saturating"
        )]
        let requests = rate.ceil() as u32;
        Some(Self { requests, window: Duration::from_secs_f64(f64::from(requests) / rate) })
    }

    /// Requests a minute, scaled by the share of the budget that we may use (0 to 1).
    #[must_use]
    pub fn per_minute(requests: u32, share: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32")]
        let ours = (f64::from(requests) * share.clamp(0.0, 1.0)).floor() as u32;
        Self { requests: ours.max(1), window: Duration::from_secs(60) }
    }

    /// A share of it (0 to 1), and at least one request a window.
    #[must_use]
    pub fn shared(self, share: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32")]
        let ours = (f64::from(self.requests) * share.clamp(0.0, 1.0)).floor() as u32;
        Self { requests: ours.max(1), ..self }
    }

    fn is_stricter_than(self, other: Self) -> bool {
        f64::from(self.requests) * other.window.as_secs_f64()
            < f64::from(other.requests) * self.window.as_secs_f64()
    }
}

/// The pace of one account: a cooldown that all share, a budget over a sliding window, and the slower
/// quotas of single operations.
///
/// A few requests go out at once. When half of a window's budget has been used, the rest is spread
/// evenly, so that a vendor which counts by a window of its own sees a steady stream.
///
/// Tenants that use one account share its pacer, each with a [`Lane`] of its own ([`Pacer::lane`]), so
/// that one with much to ask does not keep the others waiting.
#[derive(Debug)]
pub struct Pacer {
    /// First come, first served; a waiter that is dropped leaves it.
    queue: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    quotas: Mutex<HashMap<&'static str, Arc<Pacer>>>,
}

#[derive(Debug, Default)]
struct State {
    budget: Option<Budget>,
    /// When the last requests went out; never earlier than they were due.
    sent: VecDeque<Instant>,
    /// When the last request was due.
    due: Option<Instant>,
    cooldown: Option<Instant>,
    gap: Option<Duration>,
    /// Nothing is spread over the window.
    in_bursts: bool,
    /// What others should find of the vendor's budget; the largest that was asked for.
    reserve: u32,
}

/// The network, and a machine that is busy, may bring two requests closer together than they were sent: a window is kept
/// longer by this part of it, and by this time at least.
const MARGIN: f64 = 0.02;
const LEAST_MARGIN: Duration = Duration::from_millis(40);

impl Pacer {
    /// A pacer with this budget, or with the cooldown alone.
    #[must_use]
    pub fn new(budget: Option<Budget>) -> Self {
        Self::of(State { budget, ..State::default() })
    }

    /// A pacer that lets a whole window's budget go at once, for requests that come in crowds and then
    /// not for long, such as those for tokens.
    #[must_use]
    pub fn in_bursts(budget: Budget) -> Self {
        Self::of(State { budget: Some(budget), in_bursts: true, ..State::default() })
    }

    fn of(state: State) -> Self {
        Self { queue: tokio::sync::Mutex::default(), state: Mutex::new(state), quotas: Mutex::default() }
    }

    /// A place of one tenant's own in the queue; places that wait get their turns by rotation.
    #[must_use]
    pub fn lane(self: &Arc<Self>) -> Lane {
        Lane::new(self.clone())
    }

    /// Keeps to this budget, too: of all that were asked for, the strictest holds. None asks for nothing.
    pub fn tighten(&self, budget: Option<Budget>) {
        let mut state = self.state();
        if let Some(budget) = budget
            && state.budget.is_none_or(|present| budget.is_stricter_than(present))
        {
            state.budget = Some(budget);
        }
    }

    /// Waits for a turn. Turns are given in the order of asking; one that is no longer waited for costs
    /// nothing.
    pub async fn turn(&self) {
        let _place = self.queue.lock().await;
        let mut due = None;
        loop {
            let now = Instant::now();
            let at = self.earliest(now);
            if at <= now {
                return self.record(due.unwrap_or(now), now);
            }
            // A cooldown that begins during the wait moves the turn, so it is looked at again.
            due = Some(at);
            sleep_until(at).await;
        }
    }

    /// Holds every request of the account for this long from now.
    pub fn cool_down(&self, delay: Duration) {
        let until = Instant::now() + delay;
        {
            let mut state = self.state();
            state.cooldown = Some(state.cooldown.map_or(until, |c| c.max(until)));
        }
        // Turns of a quota that were given now would be used all at once when the cooldown ends.
        let quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        quotas.values().for_each(|quota| quota.cool_down(delay));
    }

    /// Takes note of what the vendor says is left of its budget; `reserve` is what others should find.
    pub fn observe(&self, remaining: u32, reserve: u32) {
        let mut state = self.state();
        state.reserve = state.reserve.max(reserve);
        let slow = remaining <= state.reserve.max(10);
        state.gap = slow.then_some(Duration::from_millis(200));
    }

    /// When the cooldown ends, if one is on.
    #[must_use]
    pub fn cooldown(&self) -> Option<Instant> {
        self.state().cooldown.filter(|until| *until > Instant::now())
    }

    /// How much of the time since `start` a cooldown was on.
    pub(crate) fn cooled_since(&self, start: Instant) -> Duration {
        let until = self.state().cooldown.map_or(start, |c| c.min(Instant::now()));
        until.saturating_duration_since(start)
    }

    /// The pace of one operation that has a quota.
    pub(crate) fn quota(&self, operation: &'static str, budget: Budget) -> Arc<Self> {
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        let pacer = quotas.entry(operation).or_insert_with(|| Arc::new(Self::new(None))).clone();
        pacer.tighten(Some(budget));
        let cooldown = self.state().cooldown;
        pacer.state().cooldown = cooldown.max(pacer.cooldown());
        pacer
    }

    fn earliest(&self, now: Instant) -> Instant {
        let state = self.state();
        let mut at = state.cooldown.map_or(now, |c| c.max(now));
        if let (Some(gap), Some(last)) = (state.gap, state.sent.back()) {
            at = at.max(*last + gap);
        }
        state.budget.map_or(at, |budget| at.max(state.by_budget(budget, now)))
    }

    fn record(&self, due: Instant, now: Instant) {
        let mut state = self.state();
        let keep = state.budget.map_or(1, |b| b.requests as usize);
        state.due = Some(due);
        while state.sent.len() >= keep {
            state.sent.pop_front();
        }
        state.sent.push_back(now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The earliest turn that keeps any window within the budget.
    fn by_budget(&self, budget: Budget, now: Instant) -> Instant {
        let window = budget.window + budget.window.mul_f64(MARGIN).max(LEAST_MARGIN);
        let full = self.sent.len() >= budget.requests as usize;
        let mut at = if full { self.sent[self.sent.len() - budget.requests as usize] + window } else { now };
        let recent = self.sent.iter().rev().take_while(|t| **t + window > now).count();
        if let Some(due) = self.due
            && recent * 2 >= budget.requests as usize
            && !self.in_bursts
        {
            // From when the last one was due: one that was woken late does not delay all that follow.
            at = at.max(due + window / budget.requests);
        }
        at.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn times(pacer: &Pacer, count: usize) -> Vec<Duration> {
        let start = Instant::now();
        let mut out = Vec::new();
        for _ in 0..count {
            pacer.turn().await;
            out.push(start.elapsed());
        }
        out
    }

    #[tokio::test(start_paused = true)]
    async fn no_window_holds_more_than_the_budget() {
        let pacer = Pacer::new(Budget::per_second(10.0));
        let times = times(&pacer, 200).await;
        for (i, from) in times.iter().enumerate() {
            let within = times[i..].iter().take_while(|t| **t < *from + Duration::from_secs(1)).count();
            assert!(within <= 10, "{within} requests within a second of {from:?}");
        }
        let seconds = times.last().unwrap().as_secs_f64();
        assert!(200.0 / seconds >= 9.5, "only {} a second", 200.0 / seconds);
    }

    /// The times of turns on a machine that wakes whoever waits only every so often.
    async fn times_if_woken_every(step: Duration, count: usize) -> Vec<Duration> {
        let start = Instant::now();
        let turns = tokio::spawn(async move {
            let (pacer, mut out) = (Pacer::new(Budget::per_second(10.0)), Vec::new());
            for _ in 0..count {
                pacer.turn().await;
                out.push(start.elapsed());
            }
            out
        });
        while !turns.is_finished() {
            tokio::time::advance(step).await;
        }
        turns.await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn late_wake_ups_do_not_add_up_and_break_no_window() {
        for step in [11, 19] {
            let times = times_if_woken_every(Duration::from_millis(step), 300).await;
            for (i, from) in times.iter().enumerate() {
                let within = times[i..].iter().take_while(|t| **t < *from + Duration::from_secs(1)).count();
                assert!(within <= 10, "{within} requests within a second of {from:?}");
            }
            let rate = 300.0 / times.last().unwrap().as_secs_f64();
            assert!(rate >= 9.3, "only {rate} a second where a wake-up is up to {step} ms late");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_a_whole_window_and_no_more() {
        let pacer = Pacer::in_bursts(Budget::per_minute(240, 1.0));
        let times = times(&pacer, 600).await;
        assert_eq!(times[239], Duration::ZERO);
        assert!(times[240] >= Duration::from_secs(60) && times[480] >= Duration::from_secs(120));
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_requests_do_not_wait() {
        let pacer = Pacer::new(Budget::per_second(10.0));
        assert_eq!(times(&pacer, 5).await[4], Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cooldown_holds_everyone_even_those_already_waiting() {
        let pacer = std::sync::Arc::new(Pacer::new(Budget::per_second(1.0)));
        pacer.turn().await;
        let waiting = tokio::spawn({
            let pacer = pacer.clone();
            async move {
                pacer.turn().await;
                Instant::now()
            }
        });
        tokio::task::yield_now().await;
        let start = Instant::now();
        pacer.cool_down(Duration::from_secs(30));
        assert!(waiting.await.unwrap() >= start + Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_gives_up_takes_no_turn() {
        let pacer = std::sync::Arc::new(Pacer::new(Budget::per_second(1.0)));
        pacer.turn().await;
        for _ in 0..100 {
            let gone = tokio::time::timeout(Duration::from_millis(1), pacer.turn()).await;
            assert!(gone.is_err());
        }
        let start = Instant::now();
        pacer.turn().await;
        assert!(start.elapsed() <= Duration::from_millis(1100));
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_waited_out_a_cooldown_do_not_leave_as_one() {
        let pacer = std::sync::Arc::new(Pacer::new(Budget::per_second(10.0)));
        pacer.cool_down(Duration::from_secs(30));
        let start = Instant::now();
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let pacer = pacer.clone();
                tokio::spawn(async move {
                    pacer.turn().await;
                    Instant::now()
                })
            })
            .collect();
        let mut early = 0;
        for task in tasks {
            early += u32::from(task.await.unwrap() < start + Duration::from_secs(31));
        }
        assert!(early <= 10, "{early} requests in the first second");
    }

    #[tokio::test(start_paused = true)]
    async fn zero_means_unpaced() {
        let pacer = Pacer::new(Budget::per_second(0.0));
        assert_eq!(times(&pacer, 1000).await[999], Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_low_remainder_slows_down() {
        let pacer = Pacer::new(None);
        pacer.observe(5, 0);
        let start = Instant::now();
        pacer.turn().await;
        pacer.turn().await;
        assert_eq!(start.elapsed(), Duration::from_millis(200));
        pacer.observe(5000, 0);
        pacer.turn().await;
        assert_eq!(start.elapsed(), Duration::from_millis(200));
    }

    #[tokio::test(start_paused = true)]
    async fn the_strictest_budget_and_the_largest_reserve_hold() {
        let pacer = Pacer::new(None);
        pacer.tighten(Budget::per_second(10.0));
        pacer.tighten(Budget::per_second(2.0));
        pacer.tighten(Budget::per_second(5.0));
        pacer.tighten(None);
        let times = times(&pacer, 21).await;
        assert!(times[20] >= Duration::from_secs(9), "{:?}", times[20]);
        let pacer = Pacer::new(None);
        pacer.observe(2000, 3000);
        pacer.observe(2000, 0);
        let start = Instant::now();
        pacer.turn().await;
        pacer.turn().await;
        assert_eq!(start.elapsed(), Duration::from_millis(200), "the other's reserve still counts");
    }

    #[test]
    fn tiny_rates_do_not_overflow() {
        assert!(Budget::per_second(1e-300).is_some());
    }

    #[test]
    fn odd_rates_keep_their_average() {
        let budget = Budget::per_second(2.5).unwrap();
        assert_eq!((budget.requests, budget.window), (3, Duration::from_millis(1200)));
        assert_eq!(Budget::per_minute(6000, 0.5).requests, 3000);
        assert_eq!(Budget::per_minute(10, 1.0).shared(0.5).requests, 5);
        assert_eq!(Budget::per_minute(10, 1.0).shared(0.01).requests, 1);
    }
}
