//! Random faults over random estates: a listing brings just what there is, or says what is missing.
//!
//! A case is a number: it decides vendor, size of the estate, size of the pages, one to four rules, and
//! which requests they strike. A run without settings takes 150 cases from the same numbers each time.
//! The nightly run sets `PROPTEST_CASES=10000`, as for every other property; `EDR_CASES` does the same
//! for this test alone, and `EDR_CASE=n` runs the one case that a failure names.

use std::collections::BTreeMap;
use std::time::Duration;

use edr_core::Outcome;
use edr_sim::{Fault, FaultKind as K, FaultRule, Nth};
use edr_tests::chaos::{Bench, Product, Task, rule, silent_loss};
use edr_tests::dice::{Dice, numbers};
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, timeout};

/// Cases of a run without settings.
const CASES: u64 = 150;

/// How many cases run at the same time.
const AT_ONCE: usize = 12;

/// No case may take longer: three passes, each page tried to the end.
const LONGEST: Duration = Duration::from_secs(120);

/// Every fault that a reading call can meet. Slow ones are slow by milliseconds, so that a
/// thousand cases end within an hour; what a real stall does is in the matrix.
fn faults(dice: &mut Dice) -> Fault {
    let kind = dice.pick(&[
        K::TooManySeconds,
        K::TooManyDate,
        K::TooManyBare,
        K::Internal,
        K::BadGateway,
        K::Unavailable,
        K::GatewayTimeout,
        K::Business,
        K::OkError,
        K::Unauthorized,
        K::Scope,
        K::Reset,
        K::CloseMidBody,
        K::WrongLength,
        K::TruncatedJson,
        K::Garbage,
        K::Html,
        K::EmptyBody,
        K::SlowDrip,
        K::StallHeaders,
        K::ForeignRedirect,
        K::Gzip,
        K::DoubleGzip,
        K::Skew,
        K::BadItem,
        K::BadItem,
        K::EmptyPage,
        K::EmptyPage,
        K::RepeatCursor,
        K::RepeatCursor,
        K::ExpiredCursor,
        K::ExpiredCursor,
        K::Drift,
        K::Drift,
        K::Drift,
    ]);
    Fault {
        retry_after_secs: 0,
        delay_ms: Some(dice.within(1, 4)),
        bytes: (kind == K::SlowDrip).then(|| dice.within(512, 8_192)),
        shift: dice.pick(&[-7, -3, -2, -1, 1, 2, 5]),
        seconds: dice.pick(&[-600, 600]),
        ..kind.into()
    }
}

fn one_rule(dice: &mut Dice, operation: &str) -> FaultRule {
    let rule = rule(operation, faults(dice));
    match dice.within(0, 3) {
        0 => FaultRule {
            probability: Some(dice.within(5, 50) as f64 / 100.0),
            seed: Some(dice.roll()),
            ..rule
        },
        1 => FaultRule { nth: Some(Nth::Many((0..3).map(|_| dice.within(1, 9)).collect())), ..rule },
        _ => FaultRule { nth: Some(Nth::One(dice.within(1, 6))), ..rule },
    }
}

/// One case, as its number decides.
#[derive(Debug)]
struct Case {
    product: Product,
    combined: bool,
    task: Task,
    items: u64,
    page: u32,
    seed: u64,
    rules: Vec<FaultRule>,
}

impl Case {
    fn of(number: u64) -> Self {
        let mut dice = Dice(number);
        let product = dice.pick(&[Product::Falcon, Product::Cortex3, Product::Cortex5]);
        let task = dice.pick(&[Task::Hosts, Task::Hosts, Task::Alerts]);
        let combined = product != Product::Falcon || dice.within(0, 2) > 0;
        let operations: Vec<&str> = match (combined, task) {
            (true, _) => vec![product.operation(task).0],
            (false, Task::Hosts) => vec!["QueryDevicesByFilterScroll", "PostDeviceDetailsV2"],
            (false, _) => vec!["QueryV2", "GetV2"],
        };
        let count = dice.within(1, 4);
        let rules = (0..count).map(|_| {
            let operation = dice.pick(&operations);
            one_rule(&mut dice, operation)
        });
        let rules = rules.collect();
        let (items, page) = (dice.within(0, 70), dice.within(3, 30) as u32);
        Self { product, combined, task, items, page, seed: dice.roll() % 1_000, rules }
    }

    /// By how many items the simulator's counts may fall short: with the fault `drift` it counts what has
    /// moved away as gone, and gives it out all the same in a later pass.
    fn lies(&self) -> u64 {
        let drifts = self.rules.iter().filter(|rule| rule.fault.kind == K::Drift);
        drifts.map(|rule| rule.fault.shift.min(0).unsigned_abs()).max().unwrap_or_default()
    }

    /// Runs the case: how it ended, or why it breaks the property.
    async fn run(self) -> Result<&'static str, String> {
        let builder = self.product.simulator(self.items, self.items).seed(self.seed);
        let bench = Bench::start(self.product, builder.falcon_without_combined(!self.combined)).await;
        let truth = bench.truth(self.task);
        bench.sim().inject(self.rules.clone()).map_err(|e| e.to_string())?;
        let ended = timeout(LONGEST, bench.run(self.task, &truth, self.page)).await;
        let ended = ended.map_err(|_| format!("it takes too long: {self:?}"))?;
        let outcome = ended.outcome.summary();
        silent_loss(&ended, &truth, self.lies())
            .map_or(Ok(word(&ended.outcome)), |why| Err(format!("{why}: {outcome}: {self:?}")))
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Partial { .. } => "partial",
        Outcome::Failed { .. } => "failed",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_brings_what_there_is_or_names_what_is_missing() {
    let (numbers, began) = (numbers(CASES), Instant::now());
    let runs = numbers.clone().map(|n| async move { (n, Case::of(n).run().await) });
    let mut runs = stream::iter(runs).buffer_unordered(AT_ONCE);
    let (mut ends, mut wrong) = (BTreeMap::new(), Vec::new());
    while let Some((number, result)) = runs.next().await {
        match result {
            Ok(end) => *ends.entry(end).or_insert(0_u64) += 1,
            Err(why) => wrong.push(format!("EDR_CASE={number}: {why}")),
        }
    }
    println!("{} cases in {:?}: {ends:?}", numbers.end - numbers.start, began.elapsed());
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    let all = numbers.end - numbers.start >= CASES;
    assert!(!all || ends.len() == 3, "cases that all end alike show little: {ends:?}");
}
