use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, TimeZone as _, Utc};
use edr_core::clock::{Clock, ManualClock};
use edr_core::{Because, Expiration, InMemory, Ioc, IocAction, IocType, Severity};

use super::*;
use crate::Estate;
use crate::respond::{Event, Responder, Rule, Safety};

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap()))
}

struct Bench {
    memory: Arc<InMemory>,
    responder: Responder,
    _folder: tempfile::TempDir,
}

fn bench(safety: Safety) -> Bench {
    let memory = Arc::new(InMemory::builder("acme").build());
    let folder = tempfile::tempdir().unwrap();
    let estate = Estate::of([memory.clone() as Arc<dyn edr_core::EdrProvider>]);
    let responder = Responder::builder(estate, folder.path()).safety(safety).clock(clock());
    let responder = responder.grace(Duration::ZERO).open().unwrap();
    Bench { memory, responder, _folder: folder }
}

fn feed(text: &str) -> Feed {
    Feed::read(text.as_bytes(), &Reading::new(clock().now())).unwrap()
}

fn words(done: &[Done]) -> Vec<String> {
    done.iter().map(|d| format!("{} {}", d.item.ioc.value, d.result.as_str())).collect()
}

fn steps(plan: &[TenantDiff]) -> Vec<String> {
    plan.iter().flat_map(|t| &t.items).map(|i| format!("{} {}", i.ioc.value, i.step.as_str())).collect()
}

impl Bench {
    fn soc(&self) -> Indicators<'_> {
        Indicators::new(&self.responder, Owner::new("soc").unwrap())
    }

    async fn push(&self, feed: &Feed) -> Vec<String> {
        let plan: Vec<TenantDiff> =
            self.soc().diff(feed).await.unwrap().into_iter().map(TenantDiff::without_removals).collect();
        words(&self.soc().apply(&plan, &IocConsent::at_most(100), &Because::new()).await.unwrap())
    }
}

#[tokio::test]
async fn what_is_pushed_twice_is_there_once_and_what_is_taken_away_was_mine() {
    let bench = bench(Safety::default());
    let mut theirs = Ioc::of(IocType::Domain, "theirs.example", IocAction::Detect);
    (theirs.uid, theirs.severity) = ("t-1".to_owned(), Severity::High);
    bench.memory.edit_iocs(|iocs| iocs.push(theirs));
    let first = feed("value,severity,tags\na.example,high,x\nb.example,low,\ntheirs.example,low,\n");
    assert_eq!(bench.push(&first).await, ["a.example added", "b.example added", "theirs.example refused"]);
    assert_eq!(
        bench.push(&first).await,
        ["a.example already", "b.example already", "theirs.example refused"]
    );

    let second = feed("value,severity\na.example,critical\n");
    let plan = bench.soc().diff(&second).await.unwrap();
    assert_eq!(steps(&plan), ["a.example change", "b.example remove"]);
    let mine = bench.soc().stale(Some(&second), false).await.unwrap();
    assert_eq!(steps(&mine), ["b.example remove"]);
    let done = bench.soc().apply(&plan, &IocConsent::exactly(2), &Because::new()).await.unwrap();
    assert_eq!(words(&done), ["a.example changed", "b.example removed"]);
    let mut left = Vec::new();
    bench.memory.edit_iocs(|iocs| left = iocs.clone());
    let left: Vec<(&str, &Severity)> = left.iter().map(|i| (i.value.as_str(), &i.severity)).collect();
    assert_eq!(left, [("theirs.example", &Severity::High), ("a.example", &Severity::Critical)]);
    assert_eq!(bench.responder.journal().verify().unwrap().fault, None);
}

#[tokio::test]
async fn somebody_elses_is_adopted_when_that_is_asked_for() {
    let bench = bench(Safety::default());
    let mut theirs = Ioc::of(IocType::Domain, "a.example", IocAction::Detect);
    (theirs.uid, theirs.tags) = ("t-1".to_owned(), vec!["edr:them".to_owned(), "keep".to_owned()]);
    bench.memory.edit_iocs(|iocs| iocs.push(theirs));
    let wish = feed("value,severity\na.example,high\n");
    assert_eq!(steps(&bench.soc().diff(&wish).await.unwrap()), ["a.example foreign"]);
    let adopting = bench.soc().adopting(true);
    let plan = adopting.diff(&wish).await.unwrap();
    let done = adopting.apply(&plan, &IocConsent::exactly(1), &Because::new()).await.unwrap();
    assert_eq!(words(&done), ["a.example changed"]);
    let mut tags = Vec::new();
    bench.memory.edit_iocs(|iocs| tags.clone_from(&iocs[0].tags));
    assert_eq!(tags, ["edr:soc", "keep"]);
}

#[tokio::test]
async fn only_what_is_mine_and_over_is_pruned() {
    let bench = bench(Safety::default());
    let old = Expiration::At(clock().now() - TimeDelta::hours(1));
    let ioc = |value: &str, end, tag: &str| {
        let mut ioc = Ioc::of(IocType::Domain, value, IocAction::Detect);
        (ioc.uid, ioc.expiration, ioc.tags) = (value.to_owned(), end, vec![tag.to_owned()]);
        ioc
    };
    bench.memory.edit_iocs(|iocs| {
        iocs.extend([
            ioc("mine-over.example", old, "edr:soc"),
            ioc("mine-good.example", Expiration::Never, "edr:soc"),
            ioc("theirs-over.example", old, "edr:them"),
            ioc("nobodys-over.example", old, "seen"),
        ]);
    });
    let plan = bench.soc().stale(None, true).await.unwrap();
    assert_eq!(steps(&plan), ["mine-over.example remove"]);
}

#[tokio::test]
async fn every_rule_refuses_before_anything_is_sent() {
    let wish = feed("a.example\nb.example\nc.example\n");
    for (safety, consent, rule) in [
        (Safety::default(), IocConsent::default(), Rule::Consent),
        (Safety::default(), IocConsent::at_most(2), Rule::MaxIocs),
        (Safety::default(), IocConsent { exact: Some(4), ..IocConsent::at_most(9) }, Rule::Confirm),
        (Safety { read_only: true, ..Safety::default() }, IocConsent::exactly(3), Rule::ReadOnly),
    ] {
        let bench = bench(safety);
        let plan = bench.soc().diff(&wish).await.unwrap();
        let refused = bench.soc().apply(&plan, &consent, &Because::new()).await.unwrap_err();
        assert_eq!(refused.rule(), Some(rule));
        let mut count = 0;
        bench.memory.edit_iocs(|iocs| count = iocs.len());
        assert_eq!((count, bench.responder.journal().records().unwrap().len()), (0, 0), "{rule:?}");
    }
}

#[tokio::test]
async fn the_journal_knows_every_indicator_before_and_after() {
    let bench = bench(Safety::default());
    bench.push(&feed("a.example\nb.example\n")).await;
    let records = bench.responder.journal().records().unwrap();
    let Event::IocsIntended { iocs, owner, .. } = &records[0].event else { panic!("{records:?}") };
    assert_eq!((iocs.len(), iocs[0].key.as_str(), owner.as_str()), (2, "domain:a.example", "soc"));
    let Event::IocsAnswered { intent, answers, .. } = &records[1].event else { panic!("{records:?}") };
    assert_eq!((*intent, answers.len()), (records[0].seq, 2));
    assert!(answers.iter().all(|a| a.handle.is_some()));
    assert!(bench.responder.operations().unwrap().is_empty(), "they are no operations on hosts");
}
