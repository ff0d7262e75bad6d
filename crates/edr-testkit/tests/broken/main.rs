//! The suite can fail: every case, under a provider that is broken in the one way that the case is about.

mod provider;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use edr_core::{EdrProvider, Feature, Noun};
use edr_testkit::{Disturbance, MemoryWorld, Verdict, World, case, cases, run_all, run_some};
use provider::{Broken, Fault};

/// The world in memory, whose provider knows that time was moved.
struct Aging {
    inner: MemoryWorld,
    old: Arc<AtomicBool>,
}

impl Aging {
    fn with(fault: Fault) -> Self {
        let old = Arc::new(AtomicBool::new(false));
        let seen = old.clone();
        let inner = MemoryWorld::wrapping(move |inner| Arc::new(Broken::new(inner, fault, seen)));
        Self { inner, old }
    }
}

#[async_trait]
impl World for Aging {
    fn provider(&self) -> &dyn EdrProvider {
        self.inner.provider()
    }

    fn host_uids(&self) -> Vec<String> {
        self.inner.host_uids()
    }

    fn alert_uids(&self) -> Vec<String> {
        self.inner.alert_uids()
    }

    fn uids(&self, noun: Noun) -> Vec<String> {
        self.inner.uids(noun)
    }

    fn now(&self) -> DateTime<Utc> {
        self.inner.now()
    }

    fn requests(&self) -> Option<u64> {
        self.inner.requests()
    }

    async fn disturb(&self, noun: Noun, disturbance: Disturbance) -> bool {
        self.inner.disturb(noun, disturbance).await
    }

    async fn calm(&self) {
        self.old.store(false, Ordering::SeqCst);
        self.inner.calm().await;
    }

    fn mutations(&self) -> Option<Vec<String>> {
        self.inner.mutations()
    }

    fn script(&self) -> Option<(String, Vec<(String, String)>)> {
        self.inner.script()
    }

    async fn set_online(&self, uid: &str, online: bool) -> bool {
        self.inner.set_online(uid, online).await
    }

    async fn settle(&self) -> bool {
        self.inner.settle().await
    }

    async fn advance(&self, by: TimeDelta) -> bool {
        self.old.store(true, Ordering::SeqCst);
        self.inner.advance(by).await
    }
}

/// Every noun.
fn every(names: &[&str]) -> Vec<String> {
    let nouns =
        ["hosts", "alerts", "cases", "iocs", "groups", "applications", "audit_events", "vulnerabilities"];
    names.iter().flat_map(|name| nouns.map(|noun| format!("{noun}.{name}"))).collect()
}

/// The nouns that have an order of their values.
fn ordered() -> Vec<String> {
    ["alerts", "cases", "iocs", "groups", "audit_events", "vulnerabilities"]
        .map(|noun| format!("{noun}.filters.ordered"))
        .to_vec()
}

/// The nouns that have a field that is true or false.
fn with_bools() -> Vec<String> {
    let all = every(&["filters.bools"]);
    all.into_iter().filter(|name| !UNASKED.contains(&name.as_str())).collect()
}

/// What each fault must be caught by.
fn expected() -> Vec<(Fault, Vec<String>)> {
    let one = |name: &str| vec![name.to_owned()];
    let many = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let lost =
        many(&["deeds.lost_answer", "orders.lost_answer", "alert_work.lost_answer", "ioc_work.lost_answer"]);
    vec![
        (Fault::Absurd, every(&["times"])),
        (Fault::AcceptedIsDone, many(&["deeds.contain", "orders.taken"])),
        (Fault::AnyBatch, many(&["deeds.before_the_wire", "ioc_work.before_the_wire"])),
        (Fault::AnyCursor, every(&["paging.foreign"])),
        (Fault::Busy, every(&["concurrent"])),
        (Fault::CaseBlind, [every(&["filters.text"]), one("hosts.find")].concat()),
        (Fault::CheckFails, vec!["check".to_owned(), "diagnosis".to_owned()]),
        (Fault::CheckIsBlind, vec!["check".to_owned(), "diagnosis".to_owned()]),
        (Fault::DeniedIsEmpty, every(&["disturbed.denied"])),
        (Fault::DropsLast, every(&["whole", "paging.sizes"])),
        (Fault::EmptyIsEnd, every(&["disturbed.empty_page"])),
        (Fault::EverythingIsExact, one("alert_work.words")),
        (Fault::ExpiredToken, every(&["times.later"])),
        (Fault::FirstFilterOnly, every(&["filters.several"])),
        (Fault::FirstValueOnly, every(&["filters.alternatives"])),
        (Fault::ForgetsTenant, every(&["identity"])),
        (Fault::ForgetsUid, every(&["identity"])),
        (Fault::GetsAnother, every(&["get"])),
        (Fault::HidesOffline, many(&["deeds.offline", "orders.offline"])),
        (Fault::HidesTotal, every(&["disturbed.shift"])),
        (Fault::IgnoresBools, with_bools()),
        (Fault::IgnoresOrders, ordered()),
        (Fault::IgnoresPageSize, every(&["paging.sizes"])),
        (Fault::IgnoresText, every(&["filters.text", "filters.nothing", "filters.hostile"])),
        (Fault::IgnoresTimes, every(&["filters.times"])),
        (Fault::IgnoresWords, every(&["filters.words"])),
        (Fault::LastIsLost, every(&["parts"])),
        (Fault::LosesComments, many(&["alert_work.details", "ioc_work.exactly"])),
        (Fault::LosesFields, every(&["fields"])),
        (Fault::LosesRaw, every(&["identity"])),
        (Fault::LosesTags, one("deeds.tags")),
        (Fault::LostIsNotDone, lost.clone()),
        (Fault::MissingIsDropped, one("deeds.by_uid")),
        (Fault::MuteProbes, one("diagnosis")),
        (Fault::NamesNoTenant, every(&["errors.unknown", "errors.hostile", "paging.foreign"])),
        (Fault::NothingIsAnError, every(&["filters.nothing"])),
        (Fault::OddCapabilities, one("capabilities")),
        (Fault::OffByOne, [every(&["filters.times"]), ordered()].concat()),
        (Fault::OldestFirst, many(&["alerts.newest_first", "cases.newest_first"])),
        (Fault::RawIsNoJson, every(&["identity"])),
        (Fault::RepeatIsEnd, every(&["disturbed.repeated_cursor"])),
        (Fault::ResumesLate, every(&["paging.text", "paging.checkpoint"])),
        (Fault::ResumesNothingLater, every(&["times.late_resume"])),
        (Fault::TakesNothing, one("ioc_work.there_and_gone")),
        (Fault::SendsTwice, many(&["deeds.lost_answer", "orders.lost_answer", "alert_work.lost_answer"])),
        (Fault::SendsUnsupported, one("unsupported")),
        (Fault::StatesUnknown, one("hosts.states")),
        (Fault::StripsQuotes, every(&["filters.hostile"])),
        (Fault::SwallowsRejected, every(&["disturbed.bad_item", "disturbed.stream"])),
        (Fault::TellsWrongTotal, every(&["total"])),
        (Fault::Twice, every(&["whole"])),
        (Fault::UnknownIsAccepted, many(&["deeds.unknown", "orders.unknown", "alert_work.unknown"])),
        (Fault::UnknownIsFound, every(&["errors.unknown", "errors.hostile"])),
        (Fault::UnknownIsVendor, every(&["errors.unknown"])),
        (Fault::UnsupportedIsNotFound, one("unsupported")),
        (Fault::WildcardEquals, every(&["filters.hostile"])),
    ]
}

/// Neither noun has a field that is true or false.
const UNASKED: [&str; 2] = ["groups.filters.bools", "audit_events.filters.bools"];

#[tokio::test]
async fn every_fault_is_caught_by_the_right_case_and_every_case_catches_one() {
    let mut caught = BTreeSet::new();
    for (fault, names) in expected() {
        let report = run_some(&Aging::with(fault), |case| names.iter().any(|n| n == case)).await;
        let failed: BTreeSet<String> = report.failed().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            assert!(failed.contains(&name), "{fault:?} is not caught by {name}\n{report}");
            caught.insert(name);
        }
    }
    let never = |name: &&str| !caught.contains(*name) && !UNASKED.contains(name);
    let blunt: Vec<&str> = cases().iter().map(|c| c.name).filter(never).collect();
    assert!(blunt.is_empty(), "no fault is made out to {blunt:?}");
}

#[tokio::test]
async fn the_reference_passes_everything_that_it_can_be_asked() {
    let report = run_all(&MemoryWorld::new()).await;
    let skipped: Vec<_> = report.skipped().map(|(name, _)| name).collect();
    assert_eq!(skipped, [UNASKED[0], UNASKED[1], "unsupported"], "{report}");
    report.into_result().unwrap();
}

#[tokio::test]
async fn a_wrapper_without_a_fault_passes_too() {
    run_all(&Aging::with(Fault::None)).await.into_result().unwrap();
}

#[tokio::test]
async fn what_is_missing_and_refused_is_no_failure() {
    let world = Aging::with(Fault::RefusesAlerts);
    assert!(!world.provider().capabilities().has(Feature::AlertList));
    let report = run_all(&world).await;
    assert!(report.passed().any(|n| n == "unsupported"), "{report}");
    assert!(report.skipped().any(|(n, why)| n == "alerts.whole" && why == "no alerts here"), "{report}");
    report.into_result().unwrap();
}

#[tokio::test]
async fn a_panic_is_a_failure() {
    let verdict = case("hosts.whole").unwrap().run(&Aging::with(Fault::Panics)).await;
    let Verdict::Failed(failure) = verdict else { panic!("{verdict:?}") };
    assert_eq!(failure.message(), "panicked: broken on purpose");
}

#[tokio::test]
async fn a_listing_without_an_end_is_a_failure() {
    let verdict = case("hosts.whole").unwrap().run(&Aging::with(Fault::Endless)).await;
    let Verdict::Failed(failure) = verdict else { panic!("{verdict:?}") };
    assert!(failure.message().contains("does not end"), "{failure}");
}
