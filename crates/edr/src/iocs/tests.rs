use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, TimeZone as _, Utc};
use edr_core::clock::{Clock, ManualClock};
use edr_core::{
    Alert, AlertQuery, Answer, Because, Capabilities, Cursor, EdrProvider, ErrorKind, Expiration, Feature,
    Fit, Group, Host, HostQuery, InMemory, Ioc, IocAction, IocQuery, IocType, Page, Platform, Quirk, Receipt,
    Script, Severity, TenantCheck, TenantId, Vendor,
};

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
    bench_of(memory.clone(), memory, safety)
}

fn bench_of(memory: Arc<InMemory>, provider: Arc<dyn EdrProvider>, safety: Safety) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let estate = Estate::of([provider]);
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
        (Safety::default(), IocConsent { confirm: Some(4), ..IocConsent::at_most(9) }, Rule::Confirm),
        (Safety::default(), IocConsent { yes: true, ..IocConsent::default() }, Rule::YesNeedsMaxIocs),
        (Safety::default(), IocConsent { confirm: Some(3), ..IocConsent::default() }, Rule::Consent),
        (Safety::default(), IocConsent::typed(2), Rule::Confirm),
        (Safety { read_only: true, ..Safety::default() }, IocConsent::exactly(3), Rule::ReadOnly),
        (Safety { max_iocs: Some(2), ..Safety::default() }, IocConsent::at_most(9), Rule::Ceiling),
        (Safety { approvals: 2, ..Safety::default() }, IocConsent::exactly(3), Rule::Approvals),
    ] {
        let bench = bench(safety);
        let plan = bench.soc().diff(&wish).await.unwrap();
        let refused = bench.soc().apply(&plan, &consent, &Because::new()).await.unwrap_err();
        assert_eq!(refused.rule(), Some(rule));
        let mut count = 0;
        bench.memory.edit_iocs(|iocs| count = iocs.len());
        assert_eq!(count, 0, "{rule:?}");
        let records = bench.responder.journal().records().unwrap();
        let Event::Refused { rule: told, .. } = &records[0].event else { panic!("{records:?}") };
        assert_eq!((told.as_str(), records.len()), (rule.as_str(), 1));
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

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// A vendor that takes everything and keeps nothing: accepted is not effective.
    Forgets,
    /// One at which somebody else puts there what was to be put there, while the answer is lost.
    Hijacked,
    /// One that lets nobody list what is there.
    Hides,
}

#[derive(Debug)]
struct Odd {
    memory: Arc<InMemory>,
    way: Way,
}

#[async_trait::async_trait]
impl EdrProvider for Odd {
    fn tenant(&self) -> &TenantId {
        self.memory.tenant()
    }

    fn vendor(&self) -> &Vendor {
        self.memory.vendor()
    }

    fn capabilities(&self) -> &Capabilities {
        self.memory.capabilities()
    }

    async fn check(&self) -> edr_core::Result<TenantCheck> {
        self.memory.check().await
    }

    async fn hosts(&self, query: &HostQuery, cursor: Option<&Cursor>) -> edr_core::Result<Page<Host>> {
        self.memory.hosts(query, cursor).await
    }

    async fn host(&self, uid: &str) -> edr_core::Result<Host> {
        self.memory.host(uid).await
    }

    async fn alerts(&self, query: &AlertQuery, cursor: Option<&Cursor>) -> edr_core::Result<Page<Alert>> {
        self.memory.alerts(query, cursor).await
    }

    async fn alert(&self, uid: &str) -> edr_core::Result<Alert> {
        self.memory.alert(uid).await
    }

    async fn iocs(&self, query: &IocQuery, cursor: Option<&Cursor>) -> edr_core::Result<Page<Ioc>> {
        if self.way == Way::Hides {
            return Err(edr_core::Error::unsupported("nothing of it can be listed"));
        }
        self.memory.iocs(query, cursor).await
    }

    fn ioc_fit(&self, ioc: &Ioc) -> edr_core::Result<Fit> {
        self.memory.ioc_fit(ioc)
    }

    async fn push_iocs(&self, iocs: &[Ioc]) -> edr_core::Result<Vec<Receipt>> {
        match self.way {
            Way::Hides => return self.memory.push_iocs(iocs).await,
            Way::Forgets => {
                return Ok(iocs.iter().map(|ioc| Receipt::new(ioc.key(), Answer::Accepted)).collect());
            }
            Way::Hijacked => {}
        }
        let theirs = |ioc: &Ioc| {
            let mut theirs = ioc.clone();
            (theirs.severity, theirs.tags) = (Severity::Critical, Vec::new());
            theirs
        };
        self.memory.edit_iocs(|there| there.extend(iocs.iter().map(theirs)));
        Err(edr_core::Error::new(ErrorKind::Timeout, "the answer was lost").with_outcome_unknown())
    }

    async fn delete_iocs(&self, uids: &[String]) -> edr_core::Result<Vec<Receipt>> {
        self.memory.delete_iocs(uids).await
    }
}

/// Pushes to one tenant, and gives what became of it with the records of the journal.
async fn push_to(odd: Odd, feed: &Feed) -> (Vec<Done>, Vec<crate::respond::Record>) {
    let folder = tempfile::tempdir().unwrap();
    let estate = Estate::of([Arc::new(odd) as Arc<dyn EdrProvider>]);
    let responder = Responder::builder(estate, folder.path()).clock(clock()).grace(Duration::ZERO);
    let responder = responder.open().unwrap();
    let indicators = Indicators::new(&responder, Owner::new("soc").unwrap());
    let plan = indicators.diff(feed).await.unwrap();
    let done = indicators.apply(&plan, &IocConsent::at_most(9), &Because::new()).await.unwrap();
    (done, responder.journal().records().unwrap())
}

#[tokio::test]
async fn what_is_taken_and_not_seen_is_not_told_as_done() {
    let odd = Odd { memory: Arc::new(InMemory::builder("acme").build()), way: Way::Forgets };
    let (done, records) = push_to(odd, &feed("a.example\n")).await;
    assert_eq!(words(&done), ["a.example unconfirmed"]);
    assert!(!done[0].result.is_settled() && done[0].error.is_some());
    let Event::IocsSettled { iocs, .. } = &records.last().unwrap().event else { panic!("{records:?}") };
    assert_eq!((iocs[0].done, iocs[0].seen.as_str()), (Some(false), "it is not there as it was sent"));
}

#[tokio::test]
async fn what_is_lost_is_looked_up_before_it_is_sent_again() {
    for (script, first, after) in [
        (Script::LoseAnswer(0), "added", "already"),
        (Script::LoseRequest(0), "added", "already"),
        (Script::RefuseCall(0, ErrorKind::Permission), "not_sent", "added"),
    ] {
        let bench = bench(Safety::default());
        bench.memory.script(script);
        let wish = feed("a.example\nb.example\n");
        let both = |word: &str| [format!("a.example {word}"), format!("b.example {word}")];
        assert_eq!(bench.push(&wish).await, both(first), "{script:?}");
        assert_eq!(bench.push(&wish).await, both(after), "{script:?}");
        let put = bench.memory.mutations().iter().filter(|m| m.verb == "push_ioc").count();
        assert_eq!(put, 2, "{script:?}: each is put there once");
    }
}

#[tokio::test]
async fn what_the_vendor_refuses_or_does_not_mention_is_told_one_by_one() {
    let bench = bench(Safety::default());
    bench.memory.quirk("domain:b.example", Quirk::Refused(ErrorKind::InvalidRequest));
    bench.memory.quirk("domain:c.example", Quirk::Unmentioned);
    let done = bench.push(&feed("a.example\nb.example\nc.example\n")).await;
    assert_eq!(done, ["a.example added", "b.example refused", "c.example added"]);
}

#[tokio::test]
async fn a_tenant_that_moved_under_the_plan_is_left_as_it_is() {
    let bench = bench(Safety::default());
    bench.push(&feed("value,severity\nmine.example,low\nother.example,low\n")).await;
    let wish = feed("value,severity\nmine.example,high\nnew.example,low\nfree.example,low\n");
    let plan = bench.soc().diff(&wish).await.unwrap();
    assert_eq!(plan[0].changes(), 4);
    let mut theirs = Ioc::of(IocType::Domain, "new.example", IocAction::Block);
    theirs.uid = "t-1".to_owned();
    bench.memory.edit_iocs(|iocs| {
        iocs.iter_mut().for_each(|ioc| ioc.tags = vec!["edr:them".to_owned()]);
        iocs.push(theirs);
    });
    let done = bench.soc().apply(&plan, &IocConsent::exactly(4), &Because::new()).await.unwrap();
    let expected =
        ["mine.example refused", "new.example refused", "free.example added", "other.example refused"];
    assert_eq!(words(&done), expected);
    let mut left = Vec::new();
    bench.memory.edit_iocs(|iocs| left = iocs.iter().map(|i| (i.value.clone(), i.tags.clone())).collect());
    assert_eq!(left.iter().filter(|(_, tags)| tags.contains(&"edr:them".to_owned())).count(), 2);
}

#[tokio::test]
async fn two_tenants_are_never_mixed() {
    let [acme, globex] = ["acme", "globex"].map(|name| Arc::new(InMemory::builder(name).build()));
    let folder = tempfile::tempdir().unwrap();
    let estate = Estate::of([acme.clone() as Arc<dyn EdrProvider>, globex.clone() as _]);
    let responder = Responder::builder(estate, folder.path()).clock(clock()).grace(Duration::ZERO);
    let responder = responder.open().unwrap();
    let indicators = Indicators::new(&responder, Owner::new("soc").unwrap());
    let mut there = indicators.owner.sign(&feed("a.example\n").entries[0].ioc, acme.as_ref());
    there.uid = "same-id".to_owned();
    acme.edit_iocs(|iocs| iocs.push(there.clone()));
    there.value = "other.example".to_owned();
    globex.edit_iocs(|iocs| iocs.push(there));

    let plan = indicators.diff(&feed("a.example\n")).await.unwrap();
    assert_eq!(steps(&plan), ["a.example leave", "a.example add", "other.example remove"]);
    let mine: Vec<TenantDiff> = plan.iter().filter(|t| t.tenant.as_str() == "globex").cloned().collect();
    let done = indicators.apply(&mine, &IocConsent::exactly(2), &Because::new()).await.unwrap();
    assert_eq!(words(&done), ["a.example added", "other.example removed"]);
    assert!(done.iter().all(|d| d.tenant.as_str() == "globex"));
    assert!(acme.mutations().is_empty(), "the id of one tenant is not taken for that of another");
    assert_eq!(globex.mutations().len(), 2);

    // A plan for a tenant that is not in the run is sent nowhere.
    let lone = Estate::of([acme.clone() as Arc<dyn EdrProvider>]);
    let responder = Responder::builder(lone, folder.path()).clock(clock()).open().unwrap();
    let indicators = Indicators::new(&responder, Owner::new("soc").unwrap());
    let done = indicators.apply(&mine, &IocConsent::exactly(2), &Because::new()).await.unwrap();
    assert_eq!(words(&done), ["a.example not_sent", "other.example not_sent"]);
}

#[tokio::test]
async fn what_is_lost_every_time_is_not_told_as_done() {
    let bench = bench(Safety::default());
    (0..3).for_each(|call| bench.memory.script(Script::LoseRequest(call)));
    let wish = feed("a.example\n");
    assert_eq!(bench.push(&wish).await, ["a.example unknown"]);
    assert_eq!((bench.memory.writes(), bench.memory.mutations().len()), (3, 0));
    assert_eq!(bench.push(&wish).await, ["a.example added"]);
}

#[tokio::test]
async fn what_was_lost_is_not_sent_over_what_somebody_else_put_there() {
    let memory = Arc::new(InMemory::builder("acme").build());
    let odd = Odd { memory: memory.clone(), way: Way::Hijacked };
    let done = push_to(odd, &feed("value,severity\na.example,low\n")).await;
    assert_eq!(words(&done.0), ["a.example unknown"]);
    let mut left = Vec::new();
    memory.edit_iocs(|iocs| left.clone_from(iocs));
    assert_eq!((left.len(), &left[0].severity), (1, &Severity::Critical), "it was asked for once");
}

#[tokio::test]
async fn one_at_a_time_changes_indicators() {
    let bench = bench(Safety::default());
    let plan = bench.soc().diff(&feed("a.example\n")).await.unwrap();
    let held = bench.responder.lock_iocs().unwrap();
    let error = bench.soc().apply(&plan, &IocConsent::exactly(1), &Because::new()).await.unwrap_err();
    assert!(error.to_string().contains("the work on indicators"), "{error}");
    assert_eq!(bench.memory.writes(), 0);
    drop(held);
    bench.soc().apply(&plan, &IocConsent::exactly(1), &Because::new()).await.unwrap();
    assert_eq!(bench.memory.writes(), 1);
}

const DIGEST: &str = "4ac8f3d1e0b6725d9a1f03b7c2e4586d7f90a1b2c3d4e5f60718293a4b5c6d7e";

/// A tenant of Cortex XDR, whose lists of files nobody can read.
fn cortex() -> Bench {
    let memory = Arc::new(InMemory::builder("acme").vendor("cortex").build());
    bench_of(memory.clone(), Arc::new(Odd { memory, way: Way::Hides }), Safety::default())
}

fn removals(plan: &[TenantDiff]) -> Vec<String> {
    steps(plan).into_iter().filter(|step| step.contains(" remove") || step.contains("not_expr")).collect()
}

#[tokio::test]
async fn the_feed_that_was_pushed_takes_nothing_away_whatever_its_rows_say_to_do() {
    let bench = cortex();
    let mut reading = Reading::new(clock().now());
    reading.action = Some(IocAction::Block);
    let pushed = Feed::read(format!("{DIGEST}\n").as_bytes(), &reading).unwrap();
    assert_eq!(bench.push(&pushed).await, [format!("{DIGEST} accepted")]);
    // The same text without the flag says to detect.
    let stale = bench.soc().stale(Some(&feed(&format!("{DIGEST}\n"))), false).await.unwrap();
    assert_eq!(removals(&stale), [""; 0]);
    let other = bench.soc().stale(Some(&feed("a.example\n")), false).await.unwrap();
    assert_eq!(removals(&other), [format!("{DIGEST} remove")]);
}

fn blocked(end: &str) -> Feed {
    feed(&format!("value,action,expires\n{DIGEST},block,{end}\n"))
}

#[tokio::test]
async fn a_file_that_somebody_else_put_on_a_list_is_theirs_unless_it_is_adopted() {
    let bench = cortex();
    assert_eq!(bench.push(&blocked("2026-06-01")).await, [format!("{DIGEST} accepted")]);
    let them = Indicators::new(&bench.responder, Owner::new("them").unwrap());
    let plan = them.diff(&blocked("never")).await.unwrap();
    assert_eq!(plan[0].items[0].step, Step::Foreign { fields: vec!["expiration"] });
    assert_eq!(removals(&bench.soc().stale(Some(&feed("a.example\n")), false).await.unwrap()).len(), 1);
    let adopting = them.adopting(true).diff(&blocked("never")).await.unwrap();
    assert_eq!(adopting[0].items[0].step, Step::Change { fields: vec!["expiration"] });
}

#[tokio::test]
async fn a_file_whose_end_was_changed_is_still_taken_off_its_list() {
    let bench = cortex();
    bench.push(&blocked("2026-06-01")).await;
    assert_eq!(bench.push(&blocked("2026-03-02")).await, [format!("{DIGEST} changed")]);
    let mut uid = String::new();
    bench.memory.edit_iocs(|iocs| uid.clone_from(&iocs[0].uid));
    let plan = bench.soc().stale(Some(&feed("a.example\n")), false).await.unwrap();
    assert_eq!(removals(&plan), [format!("{DIGEST} remove")]);
    assert_eq!(plan[0].items[0].ioc.uid, uid, "the id that the vendor told is kept");
    let done = bench.soc().apply(&plan, &IocConsent::exactly(1), &Because::new()).await.unwrap();
    assert_eq!(words(&done), [format!("{DIGEST} accepted")]);
    bench.memory.edit_iocs(|iocs| assert!(iocs.is_empty(), "{iocs:?}"));
}

#[tokio::test]
async fn a_file_whose_time_is_over_is_told_for_it_does_not_end_by_itself() {
    let later: Arc<dyn Clock> = Arc::new(ManualClock::at(clock().now() + TimeDelta::days(9)));
    for (lacks, word) in [(false, "remove"), (true, "not_expressible")] {
        let memory = InMemory::builder("acme").vendor("cortex");
        let memory = if lacks { memory.without(Feature::IocDelete, "no call") } else { memory };
        let memory = Arc::new(memory.build());
        let provider = Arc::new(Odd { memory: memory.clone(), way: Way::Hides });
        let bench = bench_of(memory, provider.clone(), Safety::default());
        bench.push(&blocked("2026-03-02")).await;
        let estate = Estate::of([provider as Arc<dyn EdrProvider>]);
        let responder = Responder::builder(estate, bench._folder.path()).clock(later.clone()).open().unwrap();
        let indicators = Indicators::new(&responder, Owner::new("soc").unwrap());
        for (wish, expired) in [(None, true), (Some(feed("a.example\n")), false)] {
            let plan = indicators.stale(wish.as_ref(), expired).await.unwrap();
            assert_eq!(removals(&plan), [format!("{DIGEST} {word}")], "{expired}");
        }
    }
}

/// A tenant of Cortex XDR 3, and a clock that can be moved.
fn dated(folder: &std::path::Path) -> (Arc<InMemory>, ManualClock, Responder) {
    let memory = Arc::new(InMemory::builder("acme").vendor("cortex").build());
    let time = ManualClock::at(clock().now());
    let odd = Odd { memory: memory.clone(), way: Way::Hides };
    let responder = Responder::builder(Estate::of([Arc::new(odd) as Arc<dyn EdrProvider>]), folder);
    let responder = responder.clock(Arc::new(time.clone())).grace(Duration::ZERO).open().unwrap();
    (memory, time, responder)
}

async fn push_as(indicators: &Indicators<'_>, feed: &Feed) -> Vec<String> {
    let plan = indicators.diff(feed).await.unwrap();
    let plan: Vec<TenantDiff> = plan.into_iter().map(TenantDiff::without_removals).collect();
    words(&indicators.apply(&plan, &IocConsent::at_most(9), &Because::new()).await.unwrap())
}

#[tokio::test]
async fn a_rule_that_the_vendor_may_end_by_itself_is_put_there_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (memory, time, responder) = dated(folder.path());
    let [soc, them] = ["soc", "them"].map(|owner| Indicators::new(&responder, Owner::new(owner).unwrap()));
    let wish = feed(&format!(
        "value,action,severity,expires\na.example,detect,high,\nb.example,detect,high,never\n\
         c.example,detect,high,2026-06-01\n{DIGEST},block,high,\n"
    ));
    assert!(push_as(&soc, &wish).await.iter().all(|word| word.ends_with(" accepted")));
    let held = [
        "a.example already".to_owned(),
        "b.example already".to_owned(),
        "c.example already".to_owned(),
        format!("{DIGEST} already"),
    ];
    let before = memory.writes();
    time.advance(TimeDelta::days(5));
    assert_eq!((push_as(&soc, &wish).await, memory.writes()), (held.to_vec(), before));

    time.advance(TimeDelta::days(3));
    let plan = soc.diff(&wish).await.unwrap();
    let [first, rest @ ..] = plan[0].items.as_slice() else { panic!("{plan:?}") };
    assert_eq!(first.step, Step::Change { fields: vec!["expiration"] });
    assert!(first.doubt.unwrap().contains("7 to 180 days"), "it says why");
    assert!(rest.iter().all(|item| item.step == Step::Leave && item.doubt.is_none()), "{rest:?}");
    let foreign = &them.diff(&wish).await.unwrap()[0].items[0];
    assert_eq!(
        foreign.step,
        Step::Foreign { fields: vec!["expiration"] },
        "nobody knows whether it is there"
    );
    memory.edit_iocs(|iocs| iocs.retain(|ioc| ioc.value != "a.example"));
    assert_eq!(push_as(&soc, &wish).await[..2], ["a.example accepted", "b.example already"]);
    memory.edit_iocs(|iocs| assert!(iocs.iter().any(|ioc| ioc.value == "a.example"), "{iocs:?}"));
    assert_eq!(memory.writes(), before + 1);
    time.advance(TimeDelta::days(5));
    assert_eq!(push_as(&soc, &wish).await, held, "what counts is when it was last sent");
    // A feed that is pushed once a week leaves no time without it.
    time.advance(TimeDelta::days(2) - TimeDelta::minutes(1));
    assert_eq!(steps(&soc.diff(&wish).await.unwrap())[0], "a.example change");
}

#[tokio::test]
async fn a_rule_whose_time_was_over_is_not_there_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let (_, time, responder) = dated(folder.path());
    let soc = Indicators::new(&responder, Owner::new("soc").unwrap());
    push_as(&soc, &feed("value,severity,expires\na.example,high,2026-03-04\n")).await;
    let wish = feed("value,severity\na.example,high\n");
    assert_eq!(steps(&soc.diff(&wish).await.unwrap()), ["a.example leave"]);
    time.advance(TimeDelta::days(3));
    assert_eq!(steps(&soc.diff(&wish).await.unwrap()), ["a.example add"]);
    assert_eq!(push_as(&soc, &wish).await, ["a.example accepted"]);
    assert_eq!(steps(&soc.diff(&wish).await.unwrap()), ["a.example leave"]);
}

#[tokio::test]
async fn a_block_in_doubt_stays_so_when_a_later_call_is_refused() {
    let bench = cortex();
    bench.memory.script(Script::LoseAnswer(0));
    assert_eq!(bench.push(&blocked("never")).await, [format!("{DIGEST} unknown")]);
    bench.memory.script(Script::RefuseCall(0, ErrorKind::Permission));
    assert_eq!(bench.push(&blocked("never")).await, [format!("{DIGEST} not_sent")]);
    let plan = bench.soc().withdrawn(&blocked("never")).await.unwrap();
    assert_eq!(removals(&plan), [format!("{DIGEST} remove")]);
    assert_eq!(plan[0].items[0].ioc.uid, format!("blocklist:{DIGEST}"));
}

#[tokio::test]
async fn a_run_that_was_killed_before_its_answer_leaves_what_can_be_taken_off() {
    let bench = cortex();
    bench.push(&blocked("never")).await;
    let mut records = bench.responder.journal().records().unwrap();
    records.truncate(1);
    let Event::IocsIntended { iocs, .. } = &records[0].event else { panic!("{records:?}") };
    assert_eq!(iocs[0].uid, Some(format!("blocklist:{DIGEST}")));
    let memory = super::memory::Memory::of(&records, &"acme".into());
    assert!(memory.there.is_empty());
    assert_eq!(memory.doubtful.values().next().unwrap().uid, format!("blocklist:{DIGEST}"));
}

#[tokio::test]
async fn what_the_feed_does_not_say_stays_as_it_is() {
    let bench = bench(Safety::default());
    let mut there = Ioc::of(IocType::Domain, "a.example", IocAction::Detect);
    (there.uid, there.severity, there.is_global) = ("t-1".to_owned(), Severity::High, Some(false));
    there.expiration = Expiration::At(clock().now() + TimeDelta::days(9));
    there.groups = vec![Group { uid: Some("g-1".to_owned()), name: None }];
    there.platforms = vec![Platform::Windows];
    (there.desc, there.source) = (Some("seen".to_owned()), Some("us".to_owned()));
    (there.file_name, there.tags) = (Some("a.exe".to_owned()), vec!["edr:soc".to_owned(), "keep".to_owned()]);
    bench.memory.edit_iocs(|iocs| iocs.push(there.clone()));
    let plan = bench.soc().diff(&feed("value,severity\na.example,low\n")).await.unwrap();
    assert_eq!(plan[0].items[0].step, Step::Change { fields: vec!["severity"] });
    let done = bench.soc().apply(&plan, &IocConsent::exactly(1), &Because::new()).await.unwrap();
    assert_eq!(words(&done), ["a.example changed"]);
    let mut left = Vec::new();
    bench.memory.edit_iocs(|iocs| left.clone_from(iocs));
    (there.tenant, there.vendor) = (left[0].tenant.clone(), left[0].vendor.clone());
    there.severity = Severity::Low;
    assert_eq!(left, [there]);
}
