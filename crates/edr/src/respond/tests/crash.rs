//! A run that dies anywhere, again and again, acts on no host twice and forgets none.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use edr_core::{
    Alert, AlertQuery, Because, Capabilities, Cursor, EdrProvider, ErrorKind, FoundHosts, Host, HostQuery,
    InMemory, Page, Progress, Quirk, Receipt, ResponseAction, Result, Script, Target, TenantCheck, TenantId,
    Vendor,
};
use proptest::prelude::*;
use tokio::task::yield_now;

use super::{Bench, contained, tenant};
use crate::respond::{Consent, Draft, Outcome, Plan};

/// A provider whose calls can be cut off before and after they take effect, and which does not answer the next so many
/// looks at hosts.
#[derive(Clone, Debug)]
pub(super) struct Frail(pub(super) InMemory, pub(super) Arc<AtomicUsize>);

#[async_trait]
impl EdrProvider for Frail {
    fn tenant(&self) -> &TenantId {
        self.0.tenant()
    }
    fn vendor(&self) -> &Vendor {
        self.0.vendor()
    }
    fn capabilities(&self) -> &Capabilities {
        self.0.capabilities()
    }
    async fn check(&self) -> Result<TenantCheck> {
        self.0.check().await
    }
    async fn hosts(&self, query: &HostQuery, cursor: Option<&Cursor>) -> Result<Page<Host>> {
        self.0.hosts(query, cursor).await
    }
    async fn host(&self, uid: &str) -> Result<Host> {
        self.0.host(uid).await
    }
    async fn alerts(&self, query: &AlertQuery, cursor: Option<&Cursor>) -> Result<Page<Alert>> {
        self.0.alerts(query, cursor).await
    }
    async fn alert(&self, uid: &str) -> Result<Alert> {
        self.0.alert(uid).await
    }
    async fn hosts_by_uid(&self, uids: &[String]) -> Result<FoundHosts> {
        yield_now().await;
        if self.1.load(Ordering::SeqCst) > 0 {
            self.1.fetch_sub(1, Ordering::SeqCst);
            return Err(edr_core::Error::new(ErrorKind::Timeout, "nobody answers"));
        }
        self.0.hosts_by_uid(uids).await
    }
    async fn respond(
        &self,
        action: &ResponseAction,
        hosts: &[String],
        why: &Because,
    ) -> Result<Vec<Receipt>> {
        yield_now().await;
        let answer = self.0.respond(action, hosts, why).await;
        yield_now().await;
        answer
    }
    async fn progress(&self, action: &ResponseAction, targets: &[Target]) -> Result<Vec<Progress>> {
        self.0.progress(action, targets).await
    }
}

/// Runs until it ends or has been looked at so often; then it is as dead as after kill -9.
async fn until<T>(polls: usize, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut left) = (pin!(work), polls);
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

#[derive(Clone, Debug)]
struct Story {
    hosts: [usize; 2],
    batch: u32,
    faults: Vec<(bool, u64, u8)>,
    quirks: Vec<(bool, usize, u8)>,
    /// After how many polls each run dies, and what it leaves half-written.
    deaths: Vec<(usize, Option<u8>, bool)>,
}

fn stories() -> impl Strategy<Value = Story> {
    let faults = prop::collection::vec((any::<bool>(), 0..6u64, 0..6u8), 0..4);
    let quirks = prop::collection::vec((any::<bool>(), 0..8usize, 0..3u8), 0..3);
    let deaths = prop::collection::vec((1..45usize, prop::option::of(1..40u8), any::<bool>()), 0..7);
    (1..8usize, 0..8usize, 1..5u32, faults, quirks, deaths).prop_map(
        |(a, b, batch, faults, quirks, deaths)| Story { hosts: [a, b], batch, faults, quirks, deaths },
    )
}

fn script(kind: u8, call: u64) -> Script {
    match kind {
        0 | 1 => Script::LoseAnswer(call),
        2 => Script::LoseRequest(call),
        3 => Script::RefuseCall(call, ErrorKind::RateLimited),
        4 => Script::RefuseCall(call, ErrorKind::Vendor),
        _ => Script::RefuseCall(call, ErrorKind::Conflict),
    }
}

fn quirk(kind: u8) -> Quirk {
    match kind {
        0 => Quirk::Refused(ErrorKind::Conflict),
        1 => Quirk::RefusesCall(ErrorKind::Vendor),
        _ => Quirk::Unmentioned,
    }
}

/// What a process leaves that died while it wrote: half a record, or a head that is one behind.
fn leave(bench: &Bench, torn: Option<u8>, late_head: bool) {
    let path = bench.responder().journal().path();
    let Ok(text) = std::fs::read_to_string(&path) else { return };
    let lines: Vec<&str> = text.lines().collect();
    if late_head && lines.len() > 3 {
        let record: Option<serde_json::Value> = serde_json::from_str(lines[lines.len() - 2]).ok();
        if let Some(record) = record {
            let head = serde_json::json!({"seq": record["seq"], "hash": record["hash"]});
            std::fs::write(bench.path().join("journal.head"), head.to_string()).unwrap();
        }
    }
    if let (Some(torn), Some(line)) = (torn, lines.first()) {
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&line.as_bytes()[..usize::from(torn)]).unwrap();
    }
}

async fn tell(story: &Story) {
    let tenants = ["a", "b"].map(|name| {
        let at = usize::from(name == "b");
        let host = |i| super::host(name, &format!("{name}{i}"));
        (0..story.hosts[at]).fold(tenant(name, 0).batch(story.batch), |b, i| b.host(host(i))).build()
    });
    let bench =
        Bench::of(tenants.clone().map(|t| Arc::new(Frail(t, Arc::default())) as Arc<dyn EdrProvider>));
    let names: Vec<String> = ["a", "b"]
        .iter()
        .zip(story.hosts)
        .flat_map(|(t, n)| (0..n).map(move |i| format!("{t}{i}")))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let plan = bench.plan(&names, &Draft::contain()).await;
    let mut odd: BTreeMap<String, u8> = BTreeMap::new();
    for (second, at, kind) in &story.quirks {
        let (name, at) = (if *second { "b" } else { "a" }, *at);
        let uid = format!("{name}-{name}{at}");
        if at < story.hosts[usize::from(*second)] && !odd.contains_key(&uid) {
            tenants[usize::from(*second)].quirk(&uid, quirk(*kind));
            odd.insert(uid, *kind);
        }
    }
    for (second, call, kind) in &story.faults {
        tenants[usize::from(*second)].script(script(*kind, *call));
    }
    let consent = Consent::yes(100);
    for (polls, torn, late_head) in &story.deaths {
        let responder = bench.responder();
        if let Some(ended) = until(*polls, responder.apply(&plan, &consent)).await {
            ended.unwrap();
        }
        leave(&bench, *torn, *late_head);
    }
    finish(&bench, &plan, &consent).await;
    check(&bench, &plan, &tenants, &odd);
}

/// Whoever comes next takes the plan up, until the scripted faults are used up.
async fn finish(bench: &Bench, plan: &Plan, consent: &Consent) {
    for _ in 0..12 {
        bench.responder().apply(plan, consent).await.unwrap();
    }
}

fn check(bench: &Bench, plan: &Plan, tenants: &[InMemory; 2], odd: &BTreeMap<String, u8>) {
    let responder = bench.responder();
    let operation = responder.operation(&plan.id).unwrap();
    assert_eq!(operation.hosts.len(), plan.hosts.len(), "nobody is forgotten");
    let done: Vec<String> = tenants.iter().flat_map(contained).collect();
    for host in &operation.hosts {
        let uid = &host.host.uid;
        let times = done.iter().filter(|d| *d == uid).count();
        let refused = odd.get(uid).is_some_and(|kind| *kind < 2);
        let expected = if refused { 0 } else { 1 };
        assert_eq!(times, expected, "{uid} was contained {times} times: {:?}", host.outcome);
        if refused {
            assert!(matches!(host.outcome, Outcome::Refused { .. }), "{uid}: {:?}", host.outcome);
        } else {
            assert_eq!(host.outcome, Outcome::Accepted, "{uid}");
            assert!(host.ours, "{uid}");
        }
    }
    let audit = responder.journal().verify().unwrap();
    assert_eq!(audit.fault, None);
    assert_eq!(audit.records as usize, responder.journal().records().unwrap().len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_host_twice_and_none_forgotten(story in stories()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(tell(&story));
    }
}

/// Each case waits for the disk many times, so a nightly run gets a tenth of the cases of other properties.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse::<u32>().ok()).map_or(32, |n| n / 10)
}

/// Every single point of one plain run, one after the other.
#[tokio::test(start_paused = true)]
async fn every_point_of_a_run_can_be_the_last() {
    for polls in 1..30 {
        let story = Story {
            hosts: [4, 2],
            batch: 2,
            faults: vec![],
            quirks: vec![],
            deaths: vec![(polls, Some(20), true)],
        };
        tell(&story).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_in_doubt_that_cannot_be_read_back_is_left_alone() {
    for polls in 2..12 {
        let (one, blind) = (tenant("a", 2).build(), Arc::<AtomicUsize>::default());
        let bench = Bench::of([Arc::new(Frail(one.clone(), blind.clone())) as Arc<dyn EdrProvider>]);
        let plan = bench.plan(&["web-0", "web-1"], &Draft::contain()).await;
        let died = until(polls, bench.responder().apply(&plan, &Consent::yes(9))).await.is_none();
        let begun = bench.responder().operation(&plan.id).is_ok_and(|op| op.counts().unknown > 0);
        if !(died && begun) {
            continue;
        }
        let sent = one.writes();
        blind.store(9, Ordering::SeqCst);
        let operation = bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap();
        assert_eq!((operation.counts().unknown, one.writes()), (2, sent), "nobody asks on a guess");
        blind.store(0, Ordering::SeqCst);
        let operation = bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap();
        assert_eq!((operation.counts().accepted, contained(&one).len(), one.writes()), (2, 2, 1));
        return;
    }
    panic!("no run died while a host was in doubt");
}
