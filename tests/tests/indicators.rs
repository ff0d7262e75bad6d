//! Feeds pushed to both vendors: desired against actual, against the simulator's own log.

#![expect(clippy::unwrap_used, reason = "these are tests: what fails here fails the test")]

use std::sync::Arc;
use std::time::Duration;

use edr::iocs::{Done, Feed, Indicators, IocConsent, Owner, Reading, TenantDiff};
use edr::respond::Responder;
use edr::{Config, Estate, Options, Selection};
use edr_core::Because;
use edr_core::clock::{Clock as _, SystemClock};
use edr_sim::{FaultKind, FaultRule, Nth, Sim};
use edr_testkit::Verdict;
use edr_tests::sim::{SimWorld, small};

const BACK_ENDS: [(&str, u8); 3] = [("falcon-1", 3), ("cortex-1", 3), ("cortex-1", 5)];

struct Desk {
    sim: Sim,
    tenant: &'static str,
    folder: tempfile::TempDir,
}

impl Desk {
    async fn start((tenant, generation): (&'static str, u8)) -> Self {
        let sim = small().cortex_generation(generation).start().await.unwrap();
        Self { sim, tenant, folder: tempfile::tempdir().unwrap() }
    }

    /// The engine as a process of its own would open it.
    fn responder(&self) -> Responder {
        let config = Config::from_toml(&self.sim.config_toml()).unwrap();
        let estate = Estate::connect(&config, &Selection::names([self.tenant]), &Options::default()).unwrap();
        Responder::builder(estate, self.folder.path()).grace(Duration::ZERO).open().unwrap()
    }

    async fn diff(&self, feed: &Feed) -> TenantDiff {
        let responder = self.responder();
        let mut plan = soc(&responder).diff(feed).await.unwrap();
        plan.remove(0)
    }

    async fn push(&self, feed: &Feed) -> Vec<Done> {
        let responder = self.responder();
        let plan: Vec<TenantDiff> = soc(&responder).diff(feed).await.unwrap();
        let plan: Vec<TenantDiff> = plan.into_iter().map(TenantDiff::without_removals).collect();
        soc(&responder).apply(&plan, &IocConsent::at_most(10_000), &Because::new()).await.unwrap()
    }

    /// What the simulator did to indicators: each target in its order.
    fn log(&self) -> Vec<String> {
        let is_its = |o: &str| o.contains("indicator") || o.contains("hash_exceptions");
        let log = self.sim.log().into_iter().filter(|m| m.tenant == self.tenant && is_its(&m.operation));
        log.map(|m| m.target).collect()
    }
}

fn soc(responder: &Responder) -> Indicators<'_> {
    Indicators::new(responder, Owner::new("soc").unwrap())
}

fn feed(text: &str) -> Feed {
    Feed::read(text.as_bytes(), &Reading::new(SystemClock.now())).unwrap()
}

fn words(done: &[Done]) -> Vec<&'static str> {
    done.iter().map(|d| d.result.as_str()).collect()
}

/// What is said of an indicator that was taken: some can be read back, and of a list of files nobody can.
fn taken((tenant, generation): (&str, u8), on_list: bool) -> &'static str {
    if tenant == "falcon-1" || (generation == 5 && !on_list) { "added" } else { "accepted" }
}

fn mixed() -> Feed {
    let (block, detect) = ("ab".repeat(32), "cd".repeat(16));
    feed(&format!(
        "value,action,severity,expires,note,tags\n{block},block,high,never,dropper,apt\n{detect},detect,low,90d,,\n\
         evil.example,detect,medium,30d,c2,\n203.0.114.7,detect,critical,,,\nhttps://evil.example/x,detect,low,,,\n"
    ))
}

#[tokio::test]
async fn a_second_push_changes_nothing_and_the_difference_is_empty() {
    for back_end in BACK_ENDS {
        let desk = Desk::start(back_end).await;
        let first = desk.push(&mixed()).await;
        let rule = taken(back_end, false);
        let expected = [taken(back_end, true), rule, rule, rule, "not_expressible"];
        assert_eq!(words(&first), expected, "{back_end:?}: {first:#?}");
        let log = desk.log();
        assert_eq!(log.len(), 4, "{back_end:?}: {log:?}");
        let diff = desk.diff(&mixed()).await;
        assert_eq!((diff.changes(), diff.error.is_some()), (0, false), "{back_end:?}: {diff:#?}");
        let again = desk.push(&mixed()).await;
        assert_eq!(words(&again), ["already", "already", "already", "already", "not_expressible"]);
        assert_eq!(desk.log(), log, "{back_end:?}: nothing is sent for what is there");
    }
}

#[tokio::test]
async fn pruning_takes_what_is_mine_and_not_wanted_and_leaves_the_rest() {
    for back_end in [BACK_ENDS[0], BACK_ENDS[2]] {
        let desk = Desk::start(back_end).await;
        desk.push(&mixed()).await;
        let responder = desk.responder();
        let theirs = Indicators::new(&responder, Owner::new("them").unwrap());
        let other = feed("value,severity\nother.example,low\n");
        let plan = theirs.diff(&other).await.unwrap();
        let plan: Vec<TenantDiff> = plan.into_iter().map(TenantDiff::without_removals).collect();
        theirs.apply(&plan, &IocConsent::exactly(1), &Because::new()).await.unwrap();

        let left = feed("value,severity,expires,note\nevil.example,medium,30d,c2\n");
        let plan = soc(&responder).stale(Some(&left), false).await.unwrap();
        assert_eq!(plan[0].changes(), 3, "{back_end:?}: {plan:#?}");
        let done = soc(&responder).apply(&plan, &IocConsent::exactly(3), &Because::new()).await.unwrap();
        let gone = if back_end.0 == "falcon-1" { "removed" } else { "accepted" };
        let mut told = words(&done);
        told.sort_unstable();
        assert_eq!(told, [gone, "removed", "removed"], "{back_end:?}: {done:#?}");
        assert_eq!(desk.diff(&left).await.changes(), 0);
        let theirs = theirs.diff(&other).await.unwrap();
        assert_eq!(theirs[0].changes(), 0, "theirs is still there");
        assert!(responder.journal().verify().unwrap().fault.is_none());
    }
}

#[tokio::test]
async fn what_is_over_is_pruned_even_where_the_vendor_keeps_no_end() {
    for back_end in BACK_ENDS {
        let desk = Desk::start(back_end).await;
        let end = SystemClock.now() + chrono::TimeDelta::milliseconds(2_500);
        let text =
            format!("value,action,severity,expires\n{},block,high,{}\n", "ab".repeat(32), end.to_rfc3339());
        assert_eq!(words(&desk.push(&feed(&text)).await), [taken(back_end, true)], "{back_end:?}");
        let responder = desk.responder();
        assert_eq!(soc(&responder).stale(None, true).await.unwrap()[0].changes(), 0, "{back_end:?}: not yet");
        let left = (end - SystemClock.now()).to_std().unwrap_or_default();
        tokio::time::sleep(left + Duration::from_millis(50)).await;
        let plan = soc(&responder).stale(None, true).await.unwrap();
        let done = soc(&responder).apply(&plan, &IocConsent::exactly(1), &Because::new()).await.unwrap();
        let gone = if back_end.0 == "falcon-1" { "removed" } else { "accepted" };
        assert_eq!(words(&done), [gone], "{back_end:?}: {done:#?}");
        assert_eq!(desk.log().len(), 2, "{back_end:?}");
    }
}

#[tokio::test]
async fn a_run_that_dies_half_way_is_finished_by_the_next() {
    for back_end in BACK_ENDS {
        let desk = Desk::start(back_end).await;
        let rows: String = (0..350).map(|n| format!("evil-{n}.example,low\n")).collect();
        let feed = Arc::new(feed(&format!("value,severity\n{rows}")));
        {
            let (responder, feed) = (desk.responder(), feed.clone());
            let plan = soc(&responder).diff(&feed).await.unwrap();
            let (consent, because) = (IocConsent::exactly(350), Because::new());
            let indicators = soc(&responder);
            let run = indicators.apply(&plan, &consent, &because);
            // Dropped wherever it is, as a process that is killed.
            let _ = tokio::time::timeout(Duration::from_millis(40), run).await;
        }
        let done = desk.push(&feed).await;
        assert!(
            done.iter().all(|d| ["accepted", "added", "already", "changed"].contains(&d.result.as_str())),
            "{back_end:?}"
        );
        assert_eq!(desk.diff(&feed).await.changes(), 0, "{back_end:?}");
        let mut targets = desk.log();
        targets.sort_unstable();
        if back_end.0 == "falcon-1" {
            let count = targets.len();
            targets.dedup();
            assert_eq!((count, targets.len()), (350, 350), "each is made once");
        }
        assert!(desk.responder().journal().verify().unwrap().fault.is_none());
    }
}

#[tokio::test]
async fn five_thousand_go_in_pieces_that_the_vendor_takes() {
    for back_end in [BACK_ENDS[0], BACK_ENDS[2]] {
        let desk = Desk::start(back_end).await;
        let rows: String = (0..5_000).map(|n| format!("{n:064x}\n")).skip(1).collect();
        let feed = feed(&format!("sha256\n{rows}{}\n", "f".repeat(64)));
        assert_eq!(feed.entries.len(), 5_000);
        let done = desk.push(&feed).await;
        assert_eq!(done.iter().filter(|d| d.result.as_str() == "added").count(), 5_000, "{back_end:?}");
        assert_eq!(desk.log().len(), 5_000, "{back_end:?}");
        assert_eq!(desk.diff(&feed).await.changes(), 0, "{back_end:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_read_back_and_never_asked_for_twice() {
    for (back_end, operation) in
        [(BACK_ENDS[0], "indicator.create.v1"), (BACK_ENDS[2], "v1/indicators/insert_jsons")]
    {
        let desk = Desk::start(back_end).await;
        let rule = FaultRule {
            nth: Some(Nth::One(1)),
            always: None,
            ..FaultRule::always(operation, FaultKind::CloseMidBody)
        };
        desk.sim.inject(vec![rule]).unwrap();
        let done = desk.push(&feed("value,severity\na.example,low\nb.example,low\n")).await;
        assert_eq!(words(&done), ["added", "added"], "{back_end:?}: {done:#?}");
        assert_eq!(desk.log().len(), 2, "{back_end:?}");
    }
}

#[tokio::test]
async fn what_the_vendor_refuses_is_listed_and_the_rest_proceeds() {
    for back_end in BACK_ENDS {
        let desk = Desk::start(back_end).await;
        // A name without a dot is one that neither vendor takes for a domain; Falcon takes any, so that its limit of length is used.
        let odd = if back_end.0 == "falcon-1" {
            format!("{}.example", vec!["a".repeat(60); 4].join("."))
        } else {
            "odd".to_owned()
        };
        let mut reading = Reading::new(SystemClock.now());
        reading.force = true;
        let text = format!(
            "value,type,severity\ngood.example,domain,low\n{odd},domain,low\nfine.example,domain,low\n"
        );
        let done = desk.push(&Feed::read(text.as_bytes(), &reading).unwrap()).await;
        let good = taken(back_end, false);
        assert_eq!(words(&done), [good, "refused", good], "{back_end:?}: {done:#?}");
        let why = done[1].error.as_ref().unwrap().to_string();
        assert!(why.contains(if back_end.0 == "falcon-1" { "invalid value" } else { "mismatch" }), "{why}");
        assert_eq!(desk.log().len(), 2);
    }
}

#[tokio::test]
async fn a_file_that_may_be_on_either_list_stays_in_doubt_until_it_is_taken_off() {
    let desk = Desk::start(BACK_ENDS[1]).await;
    let rule = FaultRule {
        nth: Some(Nth::One(1)),
        always: None,
        ..FaultRule::always("v1/hash_exceptions/blocklist", FaultKind::CloseMidBody)
    };
    desk.sim.inject(vec![rule]).unwrap();
    let file = feed(&format!("value,action\n{},block\n", "ab".repeat(32)));
    assert_eq!(words(&desk.push(&file).await), ["unknown"], "the answer is lost");
    assert_eq!(words(&desk.push(&file).await), ["unknown"], "it stands on one of the lists");
    assert_eq!(desk.log().len(), 1, "and was put there once");
    let responder = desk.responder();
    let plan = soc(&responder).withdrawn(&file).await.unwrap();
    let off = soc(&responder).apply(&plan, &IocConsent::exactly(1), &Because::new()).await.unwrap();
    assert_eq!(words(&off), ["accepted"], "{off:#?}");
    assert_eq!(words(&desk.push(&file).await), ["accepted"]);
    assert_eq!(words(&desk.push(&file).await), ["already"]);
    assert_eq!(desk.log().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_promises_about_indicators_are_kept_where_they_can_be_looked_at() {
    for (back_end, kept) in [(BACK_ENDS[0], 4), (BACK_ENDS[1], 1), (BACK_ENDS[2], 4)] {
        let world = SimWorld::start(small().cortex_generation(back_end.1), back_end.0).await.with_iocs();
        let report = edr_testkit::run_some(&world, |case| case.starts_with("ioc_work.")).await;
        let passed = report.cases.iter().filter(|case| case.verdict == Verdict::Passed).count();
        assert_eq!(passed, kept, "{back_end:?}: {:?}", report.cases);
        report.into_result().unwrap();
    }
}
