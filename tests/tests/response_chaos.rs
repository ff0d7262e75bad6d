//! Random faults over plans for two tenants: whatever happens on the way, nobody is told what is not so, and a plan that is taken up
//! again without faults ends with each host contained just once.
//!
//! A case is a number, as in `reconcile`: `EDR_CASE=n` runs the one that a failure names, and the nightly run sets
//! `PROPTEST_CASES=10000`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use edr::Estate;
use edr::respond::{Consent, Draft, Waiting};
use edr_core::clock::{Clock as _, SystemClock};
use edr_sim::{Fault, FaultKind as K, FaultRule, Nth, Sim};
use edr_tests::chaos::{provider, rule};
use edr_tests::deeds::{Planned, changes, free_hosts, lie};
use edr_tests::dice::{Dice, numbers};
use edr_tests::wire::Wire;
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, timeout};

/// Cases of a run without settings.
const CASES: u64 = 48;

/// How many cases run at the same time.
const AT_ONCE: usize = 8;

/// No case may take longer.
const LONGEST: Duration = Duration::from_secs(60);

/// What a plan asks of the vendors, the orders most of all.
const OPERATIONS: [&str; 8] = [
    "PerformActionV2",
    "PerformActionV2",
    "PostDeviceDetailsV2",
    "oauth2AccessToken",
    "v1/endpoints/isolate",
    "v1/endpoints/isolate",
    "v1/endpoints/get_endpoint",
    "*",
];

/// Slow faults are slow by milliseconds; what a real stall does is in the matrix.
fn fault(dice: &mut Dice) -> Fault {
    let kind = dice.pick(&[
        K::TooManySeconds,
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
        K::Skew,
        K::Replayed,
    ]);
    // What says that nothing was done is not said of what was done.
    let honest = matches!(
        kind,
        K::TooManySeconds | K::TooManyBare | K::Business | K::Unauthorized | K::Scope | K::ForeignRedirect
    );
    Fault {
        after: !honest && dice.within(0, 1) == 1,
        retry_after_secs: 0,
        delay_ms: Some(dice.within(1, 4)),
        ..kind.into()
    }
}

fn one_rule(dice: &mut Dice) -> FaultRule {
    let operation = dice.pick(&OPERATIONS);
    let rule = rule(operation, fault(dice));
    match dice.within(0, 3) {
        0 => FaultRule {
            probability: Some(dice.within(5, 60) as f64 / 100.0),
            seed: Some(dice.roll()),
            ..rule
        },
        1 => FaultRule { nth: Some(Nth::Many((0..3).map(|_| dice.within(1, 6)).collect())), ..rule },
        _ => FaultRule { nth: Some(Nth::One(dice.within(1, 3))), ..rule },
    }
}

/// Runs a case: how the run under faults ended, or what is wrong.
async fn run(number: u64) -> Result<&'static str, String> {
    let mut dice = Dice(number);
    let builder = Sim::builder().falcon_hosts(24).cortex_hosts(24).alerts(0).enforce_limits(false);
    let sim = builder
        .epoch(SystemClock.now())
        .seed(dice.within(0, 999))
        .start()
        .await
        .map_err(|e| e.to_string())?;
    let wire = Arc::new(Wire::default());
    let connect =
        || -> Vec<_> { sim.tenants().iter().map(|t| provider(t, Arc::clone(&wire) as _)).collect() };
    let providers = connect();
    let mut hosts = Vec::new();
    for provider in &providers {
        hosts.extend(free_hosts(provider.as_ref(), dice.within(1, 7) as usize).await);
    }
    let planned = Planned::new(Estate::of(providers.iter().cloned()));
    let plan = planned.plan(&Draft::contain().stale_too(), &hosts).await;
    // Of two agents on one machine one is asked.
    let hosts: Vec<String> = plan.sends().map(|planned| planned.host.uid.clone()).collect();
    let rules: Vec<FaultRule> = (0..dice.within(1, 4)).map(|_| one_rule(&mut dice)).collect();
    sim.inject(rules.clone()).map_err(|e| e.to_string())?;

    let consent = Consent::yes(hosts.len());
    let told = |what: String| format!("{what}: {rules:?}");
    let ended = planned.responder.apply(&plan, &consent).await;
    let times = |sim: &Sim| -> BTreeMap<String, usize> { changes(&sim.log()) };
    let now = times(&sim);
    if ended.is_ok() {
        let claims = planned.claims(&plan, &hosts);
        let mut lies = hosts.iter().zip(claims).filter_map(|(uid, claim)| {
            let why = lie(claim, now.get(uid).copied().unwrap_or_default())?;
            Some(format!("{uid}: {claim:?}: {why}"))
        });
        if let Some(lie) = lies.next() {
            return Err(told(lie));
        }
    }

    sim.clear_faults();
    // In the same process credentials that were refused may rest for half a minute; another one has no such memory.
    drop(planned.responder.apply(&plan, &consent).await);
    let planned = planned.again(Estate::of(connect()));
    planned.responder.apply(&plan, &consent).await.map_err(|e| told(e.to_string()))?;
    sim.advance(Duration::from_secs(60));
    let mut waiting = Waiting::at_most(Duration::from_secs(10));
    waiting.first = Duration::from_millis(5);
    let confirmed = planned.responder.confirm(&plan.id, &waiting).await.map_err(|e| told(e.to_string()))?;
    let (counts, now) = (confirmed.operation.counts(), times(&sim));
    if counts.done + counts.already != hosts.len() {
        return Err(told(format!("of {} hosts: {counts:?}", hosts.len())));
    }
    if now.len() != hosts.len() || now.values().any(|times| *times != 1) {
        return Err(told(format!("contained: {now:?}")));
    }
    let audit = planned.responder.journal().verify().map_err(|e| e.to_string())?;
    if let Some(fault) = audit.fault {
        return Err(told(format!("the journal: {fault:?}")));
    }
    Ok(match ended {
        Err(_) => "refused",
        Ok(operation) if operation.is_open() => "open",
        Ok(_) => "whole",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_under_random_faults_ends_with_each_host_contained_once() {
    let (numbers, began) = (numbers(CASES), Instant::now());
    let runs = numbers.clone().map(|n| async move {
        let late = |_| Err("it takes too long".to_owned());
        (n, timeout(LONGEST, run(n)).await.unwrap_or_else(late))
    });
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
    assert!(!all || ends.len() >= 2, "cases that all end alike show little: {ends:?}");
}
