//! What changes something, carried out at one tenant that faults strike, and what the caller is told of it.
//!
//! The simulator's log is the truth: a claim that contradicts it is a lie, whatever the fault.

use std::collections::BTreeMap;
use std::time::Duration;

use edr::Estate;
use edr::iocs::{Done, Feed, Indicators, IocConsent, IocResult, Owner, Reading, TenantDiff};
use edr::respond::{By, Consent, Draft, Outcome, Plan, Responder, Selector, Waiting};
use edr_core::clock::{Clock as _, SystemClock};
use edr_core::{
    AlertChange, AlertQuery, AlertStatus, Answer, Because, ConnectionState, ContainmentState, EdrProvider,
    EdrProviderExt as _, ErrorKind, HostQuery, Ioc, IocAction, IocQuery, IocType, ProcessRef, Receipt,
    ResponseAction, Result, Severity,
};
use edr_sim::Sim;
use tempfile::TempDir;

use crate::chaos::{Bench, Product};
use crate::sim;

/// How many hosts or alerts a deed is about.
pub const TARGETS: usize = 3;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Hosts are contained, by the provider.
    Contain,
    /// Hosts are released, by the provider.
    Release,
    /// Hosts get a tag, by the provider.
    Tag,
    /// Alerts get a status, by the provider.
    Update,
    /// Indicators are put there, by the provider.
    Push,
    /// Indicators are deleted, by the provider.
    Drop,
    /// A process is ended, by the provider.
    Kill,
    /// A file is fetched, by the provider.
    Fetch,
    /// A script is run, by the provider.
    Script,
    /// A plan that contains hosts is applied by the response engine.
    PlanContain,
    /// A plan that releases hosts is applied by the response engine.
    PlanRelease,
    /// A feed of indicators is pushed by the engine, which reads them back where it can.
    Feed,
    /// Files are put on the blocklist by the engine. Nobody can read that list.
    Block,
}

impl Deed {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Contain,
        Self::Release,
        Self::Tag,
        Self::Update,
        Self::Push,
        Self::Drop,
        Self::Kill,
        Self::Fetch,
        Self::Script,
        Self::PlanContain,
        Self::PlanRelease,
        Self::Feed,
        Self::Block,
    ];

    /// True when it is a plan of the response engine.
    #[must_use]
    pub fn is_planned(self) -> bool {
        matches!(self, Self::PlanContain | Self::PlanRelease)
    }

    /// True when it is done anew each time, and nothing shows that it was done before.
    #[must_use]
    pub fn is_order(self) -> bool {
        matches!(self, Self::Kill | Self::Fetch | Self::Script)
    }

    /// True when the engine pushes indicators.
    #[must_use]
    pub fn is_pushed(self) -> bool {
        matches!(self, Self::Feed | Self::Block)
    }

    /// True when it is written down before and after.
    #[must_use]
    pub fn has_journal(self) -> bool {
        self.is_planned() || self.is_pushed()
    }

    /// True when the vendor's facts say that twice is once, so that it may be sent again.
    #[must_use]
    pub fn is_repeatable(self) -> bool {
        self == Self::Tag
    }

    /// True when a product has it, and has it in another way than the others of its vendor.
    #[must_use]
    pub fn is_of(self, product: Product) -> bool {
        match product {
            // Its blocks are indicators like others.
            Product::Falcon => self != Self::Block,
            Product::FalconIds => false,
            // Its indicators cannot be deleted.
            Product::Cortex3 => self != Self::Drop,
            // Its indicators can be read.
            Product::Cortex5 => matches!(self, Self::Update | Self::Drop | Self::Feed),
        }
    }

    /// The simulator's name of the operation, and its path.
    #[must_use]
    pub fn operation(self, product: Product) -> (&'static str, &'static str) {
        match (product.is_falcon(), self) {
            (true, Self::Tag) => ("UpdateDeviceTags", "/devices/entities/devices/tags/v1"),
            (true, Self::Update) => ("UpdateV3", "/alerts/entities/alerts/v3"),
            (true, Self::Feed | Self::Push) => ("indicator.create.v1", "/iocs/entities/indicators/v1"),
            (true, Self::Kill | Self::Fetch | Self::Script) => {
                ("BatchActiveResponderCmd", "/real-time-response/combined/batch-active-responder-command/v1")
            }
            (_, Self::Kill) => {
                ("v1/endpoints/terminate_process", "/public_api/v1/endpoints/terminate_process")
            }
            (_, Self::Fetch) => ("v1/endpoints/file_retrieval", "/public_api/v1/endpoints/file_retrieval"),
            (_, Self::Script) => ("v1/scripts/run_script", "/public_api/v1/scripts/run_script"),
            (true, Self::Drop) => ("indicator.delete.v1", "/iocs/entities/indicators/v1"),
            (true, _) => ("PerformActionV2", "/devices/entities/devices-actions/v2"),
            (_, Self::Tag) => ("v1/tags/agents/assign", "/public_api/v1/tags/agents/assign"),
            (_, Self::Update) if product == Product::Cortex5 => {
                ("v1/issue/{issue-id}", "/public_api/v1/issue/")
            }
            (_, Self::Block) => ("v1/hash_exceptions/blocklist", "/public_api/v1/hash_exceptions/blocklist"),
            (_, Self::Feed | Self::Push) => {
                ("v1/indicators/insert_jsons", "/public_api/v1/indicators/insert_jsons")
            }
            (_, Self::Drop) => ("v1/indicators/delete", "/public_api/v1/indicators/delete"),
            (_, Self::Update) => ("v1/alerts/update_alerts", "/public_api/v1/alerts/update_alerts"),
            (_, Self::Contain | Self::PlanContain) => {
                ("v1/endpoints/isolate", "/public_api/v1/endpoints/isolate")
            }
            (_, Self::Release | Self::PlanRelease) => {
                ("v1/endpoints/unisolate", "/public_api/v1/endpoints/unisolate")
            }
        }
    }

    fn action(self, product: Product) -> ResponseAction {
        match self {
            Self::Kill if product.is_falcon() => {
                ResponseAction::KillProcess { process: ProcessRef::Pid(4_242) }
            }
            Self::Kill => {
                let process = ProcessRef::Uid("AdjBWqwT+XwAABZ0AAAAAA==".to_owned());
                ResponseAction::KillProcess { process }
            }
            Self::Fetch => ResponseAction::FetchFile { path: "/tmp/under-fire".to_owned() },
            Self::Script => {
                let args = vec![("path".to_owned(), "/tmp".to_owned())];
                ResponseAction::RunScript { script: sim::SCRIPT.to_owned(), args }
            }
            Self::Release | Self::PlanRelease => ResponseAction::Release,
            Self::Tag => ResponseAction::Tag { tags: vec!["under-fire".to_owned()] },
            _ => ResponseAction::Contain,
        }
    }
}

/// What the caller is told of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The vendor took it.
    Taken,
    /// It was so already, or on its way.
    Already,
    /// Nothing was done to it.
    Nothing(Option<ErrorKind>),
    /// Nobody can say.
    Unknown(Option<ErrorKind>),
}

/// A deed that is ready to be done: everything that goes before it has gone well.
pub struct Ready {
    deed: Deed,
    /// What the receipts are about: the vendor's own ids, or the keys of indicators.
    pub targets: Vec<String>,
    /// What the log of the simulator calls them.
    marks: Vec<String>,
    seen: usize,
    plan: Option<(Planned, Plan)>,
    push: Option<Planned>,
}

/// A response engine with a state of its own.
pub struct Planned {
    /// The folder of the state.
    pub folder: TempDir,
    /// The engine.
    pub responder: Responder,
}

/// Long enough for what was sent to take effect at a simulator.
const GRACE: Duration = Duration::from_millis(20);

impl Planned {
    /// An engine for this estate. It waits only for a moment before it reads back.
    #[must_use]
    pub fn new(estate: Estate) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let responder = Responder::builder(estate, folder.path()).actor("ann@soc").grace(GRACE);
        Self { responder: responder.open().expect("the state opens"), folder }
    }

    /// Another process on the same state, with an estate that remembers nothing.
    #[must_use]
    pub fn again(self, estate: Estate) -> Self {
        let Self { folder, responder } = self;
        drop(responder);
        let responder = Responder::builder(estate, folder.path()).actor("ann@soc").grace(GRACE);
        Self { responder: responder.open().expect("the state opens"), folder }
    }

    /// A plan for these hosts.
    pub async fn plan(&self, draft: &Draft, hosts: &[String]) -> Plan {
        let selectors: Vec<Selector> = hosts.iter().map(|uid| Selector::by(By::Uid, uid)).collect();
        let resolved = self.responder.resolve(&selectors).await.expect("the hosts are there");
        let plan = self.responder.plan(&resolved, draft).await.expect("a plan");
        assert!(plan.count() > 0, "{:?}", plan.hosts);
        plan
    }

    /// Pushes a feed, with everything that belongs to it.
    ///
    /// # Panics
    /// When the engine gives up.
    pub async fn push(&self, feed: &Feed) -> Vec<Done> {
        let indicators = Indicators::new(&self.responder, Owner::new("soc").expect("a name"));
        let plan = indicators.diff(feed).await.expect("the journal can be read");
        let plan: Vec<TenantDiff> = plan.into_iter().map(TenantDiff::without_removals).collect();
        let unread = plan.iter().find_map(|tenant| tenant.error.as_ref());
        assert!(unread.is_none(), "{unread:?}");
        let pushed = indicators.apply(&plan, &IocConsent::at_most(1_000), &Because::new()).await;
        pushed.expect("the engine goes on to the end")
    }

    /// What is claimed of each of these hosts.
    #[must_use]
    pub fn claims(&self, plan: &Plan, hosts: &[String]) -> Vec<Claim> {
        let told = self.responder.operation(&plan.id).expect("the journal knows it");
        let claim = |uid: &String| {
            let host = told.hosts.iter().find(|h| h.host.uid == *uid);
            host.map_or(Claim::Nothing(None), |host| match host.outcome {
                Outcome::Accepted | Outcome::Done | Outcome::Offline | Outcome::Pending => Claim::Taken,
                Outcome::Already => Claim::Already,
                Outcome::Unknown { .. } => Claim::Unknown(None),
                _ => Claim::Nothing(None),
            })
        };
        hosts.iter().map(claim).collect()
    }
}

impl Ready {
    /// Chooses targets, and does what has to come before.
    pub async fn new(bench: &Bench, deed: Deed) -> Self {
        let (targets, marks) = match deed {
            Deed::Feed | Deed::Push => {
                (indicators().iter().map(Ioc::key).collect(), VALUES.map(str::to_owned).to_vec())
            }
            Deed::Block => (files().iter().map(Ioc::key).collect(), DIGITS.map(digest).to_vec()),
            Deed::Drop => (pushed(bench).await, VALUES.map(str::to_owned).to_vec()),
            _ => {
                let targets = targets(bench, deed).await;
                (targets.clone(), targets)
            }
        };
        let action = deed.action(bench.product);
        if deed == Deed::Script && bench.product.is_falcon() {
            let falcon = sim::FalconByHand::new(bench.sim(), bench.product.tenant());
            let made = tokio::task::spawn_blocking(move || falcon.make_script());
            made.await.expect("a script can be made");
        }
        if action == ResponseAction::Release {
            let taken = bench.provider().respond(&ResponseAction::Contain, &targets, &Because::new()).await;
            taken.expect("the hosts can be contained");
            bench.sim().advance(Duration::from_secs(60));
        }
        let plan = match deed.is_planned() {
            true => {
                let planned = Planned::new(Estate::of([bench.provider().clone()]));
                let mut draft = Draft::new(action).stale_too();
                if deed == Deed::PlanContain {
                    draft = draft.lease(chrono::TimeDelta::hours(4));
                }
                let plan = planned.plan(&draft, &targets).await;
                Some((planned, plan))
            }
            false => None,
        };
        let push = deed.is_pushed().then(|| Planned::new(Estate::of([bench.provider().clone()])));
        Self { deed, targets, marks, seen: bench.sim().log().len(), plan, push }
    }

    /// Does it, and says what the caller is told of each target.
    pub async fn go(&self, bench: &Bench) -> Vec<Claim> {
        if let Some((planned, plan)) = &self.plan {
            let applied = planned.responder.apply(plan, &Consent::yes(TARGETS)).await;
            return match applied {
                Ok(_) => planned.claims(plan, &self.targets),
                Err(error) => panic!("the engine gives up: {error}"),
            };
        }
        if let Some(planned) = &self.push {
            return planned.push(&self.feed()).await.iter().map(|done| told(done.result)).collect();
        }
        claims(&self.targets, self.ask(bench).await)
    }

    fn feed(&self) -> Feed {
        let iocs = if self.deed == Deed::Block { files() } else { indicators() };
        Feed::of(iocs, &Reading::new(SystemClock.now()))
    }

    /// The provider's own answer.
    ///
    /// # Errors
    /// As the provider says.
    pub async fn ask(&self, bench: &Bench) -> Result<Vec<Receipt>> {
        let provider = bench.provider();
        match self.deed {
            Deed::Update => {
                let change = AlertChange::new().status(AlertStatus::InProgress);
                provider.update_alerts(&change, &self.targets).await
            }
            Deed::Push => provider.push_iocs(&indicators()).await,
            Deed::Drop => provider.delete_iocs(&self.targets).await,
            deed => {
                let action = deed.action(bench.product);
                provider.respond(&action, &self.targets, &Because::new()).await
            }
        }
    }

    /// How often each target was changed since it was ready.
    #[must_use]
    pub fn applied(&self, sim: &Sim) -> Vec<usize> {
        let mut log = sim.log().split_off(self.seen);
        log.retain(|entry| !self.deed.is_order() || !sim::NO_ORDERS.contains(&entry.operation.as_str()));
        let times = changes(&log);
        self.marks.iter().map(|mark| times.get(mark).copied().unwrap_or_default()).collect()
    }

    /// Takes a plan up again without faults, and waits for the vendor's word. Says what is wrong then.
    pub async fn finish(&self, bench: &Bench) -> Vec<String> {
        if let Some(planned) = &self.push {
            return self.finish_push(planned, bench).await;
        }
        let Some((planned, plan)) = &self.plan else { return Vec::new() };
        bench.calm();
        let again = planned.responder.apply(plan, &Consent::yes(TARGETS)).await;
        bench.sim().advance(Duration::from_secs(60));
        let mut waiting = Waiting::at_most(Duration::from_secs(5));
        waiting.first = Duration::from_millis(10);
        let confirmed = planned.responder.confirm(&plan.id, &waiting).await.expect("the journal knows it");
        let counts = confirmed.operation.counts();
        let mut wrong: Vec<String> =
            again.err().map(|e| format!("it cannot be taken up again: {e}")).into_iter().collect();
        if counts.done + counts.already != TARGETS {
            wrong.push(format!("taken up again it ends with {counts:?}"));
        }
        let applied = self.applied(bench.sim());
        if applied.iter().any(|times| *times != 1) {
            wrong.push(format!("in the end the targets were changed {applied:?} times"));
        }
        let held = planned.responder.held_by(&plan.id).expect("the journal knows it").len();
        if plan.action == ResponseAction::Contain && held != TARGETS {
            wrong.push(format!("the lease holds {held} of the hosts that it contained"));
        }
        let audit = planned.responder.journal().verify().expect("the journal can be read");
        wrong.extend(audit.fault.map(|fault| format!("the journal: {fault:?}")));
        wrong
    }

    /// Pushes again without faults. Of a file that stands on one of the lists the vendor does not say on which.
    async fn finish_push(&self, planned: &Planned, bench: &Bench) -> Vec<String> {
        bench.calm();
        let again: Vec<Claim> =
            planned.push(&self.feed()).await.iter().map(|done| told(done.result)).collect();
        let is_good = |claim: &Claim| match claim {
            Claim::Unknown(_) => self.deed == Deed::Block,
            other => matches!(other, Claim::Already | Claim::Taken),
        };
        let mut wrong = Vec::new();
        if !again.iter().all(is_good) {
            wrong.push(format!("pushed again it ends with {again:?}"));
        }
        let applied = self.applied(bench.sim());
        if applied.iter().any(|times| *times != 1) {
            wrong.push(format!("in the end the targets were changed {applied:?} times"));
        }
        let audit = planned.responder.journal().verify().expect("the journal can be read");
        wrong.extend(audit.fault.map(|fault| format!("the journal: {fault:?}")));
        wrong
    }

    /// Everything that the engine wrote: its journal, plans and locks.
    #[must_use]
    pub fn written(&self) -> Vec<(String, String)> {
        let engines = self.plan.iter().map(|(planned, _)| planned).chain(&self.push);
        let mut folders: Vec<_> = engines.map(|planned| planned.folder.path().to_owned()).collect();
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("the state").flatten() {
                match entry.file_type().expect("a kind of file").is_dir() {
                    true => folders.push(entry.path()),
                    false => {
                        let bytes = std::fs::read(entry.path()).expect("a file");
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        files.push((entry.path().display().to_string(), text));
                    }
                }
            }
        }
        files
    }
}

/// The indicators that are put there.
const VALUES: [&str; TARGETS] = ["a.under-fire.example", "b.under-fire.example", "c.under-fire.example"];

fn indicators() -> Vec<Ioc> {
    let one = |value| {
        let mut ioc = Ioc::of(IocType::Domain, value, IocAction::Detect);
        ioc.severity = Severity::High;
        ioc
    };
    VALUES.map(one).to_vec()
}

/// The files that are blocked.
const DIGITS: [u8; TARGETS] = [0xa1, 0xb2, 0xc3];

fn digest(byte: u8) -> String {
    format!("{byte:02x}").repeat(32)
}

fn files() -> Vec<Ioc> {
    DIGITS.map(|byte| Ioc::of(IocType::Sha256, digest(byte), IocAction::Block)).to_vec()
}

/// What the engine claims by one of its words.
fn told(result: IocResult) -> Claim {
    match result {
        IocResult::Accepted | IocResult::Added | IocResult::Changed | IocResult::Removed => Claim::Taken,
        IocResult::Already => Claim::Already,
        IocResult::Unconfirmed | IocResult::Unknown => Claim::Unknown(None),
        _ => Claim::Nothing(None),
    }
}

/// The ids of the indicators, when they are there.
async fn pushed(bench: &Bench) -> Vec<String> {
    let provider = bench.provider();
    provider.push_iocs(&indicators()).await.expect("indicators can be put there");
    let there = provider.collect(&IocQuery::new()).await.expect("indicators").items;
    let uid = |value: &&str| there.iter().find(|ioc| ioc.value == **value).map(|ioc| ioc.uid.clone());
    VALUES.iter().map(|value| uid(value).expect("it is there")).collect()
}

/// How often each target was really changed. An indicator is called by its value, whatever its id.
#[must_use]
pub fn changes(log: &[edr_sim::log::Mutation]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for entry in log.iter().filter(|entry| entry.before != entry.after) {
        let value = [&entry.after, &entry.before].into_iter().find_map(|state| state["value"].as_str());
        *times.entry(value.unwrap_or(&entry.target).to_owned()).or_default() += 1;
    }
    times
}

/// What an answer claims of each target, in their order.
fn claims(targets: &[String], told: Result<Vec<Receipt>>) -> Vec<Claim> {
    let receipts = match told {
        Ok(receipts) => receipts,
        Err(error) if error.is_outcome_unknown() => {
            return vec![Claim::Unknown(Some(error.kind())); targets.len()];
        }
        Err(error) => return vec![Claim::Nothing(Some(error.kind())); targets.len()],
    };
    let claim = |uid: &String| match receipts.iter().find(|r| r.uid == *uid).map(|r| &r.answer) {
        Some(Answer::Accepted) => Claim::Taken,
        Some(Answer::Already) => Claim::Already,
        Some(Answer::Refused(error)) => Claim::Nothing(Some(error.kind())),
        Some(Answer::Unknown(error)) => Claim::Unknown(Some(error.kind())),
        _ => panic!("{uid} has no receipt: {receipts:?}"),
    };
    targets.iter().map(claim).collect()
}

/// Why a claim contradicts what was done to its target.
#[must_use]
pub fn lie(claim: Claim, applied: usize) -> Option<String> {
    match (claim, applied) {
        (_, 2..) => Some(format!("changed {applied} times")),
        (Claim::Taken | Claim::Already, 0) => Some("told to be done, and nothing was".to_owned()),
        (Claim::Nothing(_), 1) => Some("told that nothing was done, and it was".to_owned()),
        _ => None,
    }
}

/// Hosts that can be contained and would be at once, or new alerts.
async fn targets(bench: &Bench, deed: Deed) -> Vec<String> {
    let provider = bench.provider();
    if deed == Deed::Update {
        let most = provider.capabilities().batch(edr_core::Feature::AlertUpdate).min(TARGETS);
        let alerts = provider.collect_alerts(&AlertQuery::new()).await.expect("alerts").items;
        let new = alerts.into_iter().filter(|alert| alert.status == AlertStatus::New);
        return new.map(|alert| alert.uid).take(most).collect();
    }
    // An order may be for fewer than the deed is about: Cortex ends processes on one endpoint a call.
    let feature = deed.action(bench.product).feature();
    free_hosts(provider.as_ref(), provider.capabilities().batch(feature).min(TARGETS)).await
}

/// Hosts of a tenant that can be contained, and would be at once.
pub async fn free_hosts(provider: &dyn EdrProvider, most: usize) -> Vec<String> {
    let hosts = provider.collect_hosts(&HostQuery::new().with_connection()).await.expect("hosts").items;
    let free = hosts.into_iter().filter(|host| {
        host.containment_state == ContainmentState::Normal
            && host.connection_state == ConnectionState::Online
            && host.roles.is_empty()
    });
    free.map(|host| host.uid).take(most).collect()
}
