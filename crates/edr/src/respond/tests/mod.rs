//! The engine on providers in memory: what a rule refuses, what a crash leaves, what is told.

mod apply;
mod changes;
mod confirm;
mod crash;
mod files;
mod flaky;
mod groups;
mod guards;
mod journal;
mod lease;
mod odd;
mod ours;
mod plan;
mod release;
mod resolve;
mod twins;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeZone as _, Utc};
use edr_core::clock::ManualClock;
use edr_core::{ConnectionState, ContainmentState, EdrProvider, Host, InMemory, InMemoryBuilder, Script};

use super::{Consent, Draft, Operation, Plan, Responder, ResponderBuilder, Result, Safety, Selector};
use crate::Estate;

pub(super) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 1, 3, 0, 0).unwrap()
}

/// A host called `{name}` whose id is `{tenant}-{name}`.
pub(super) fn host(tenant: &str, name: &str) -> Host {
    let mut host = Host::new("memory", tenant, &format!("{tenant}-{name}"), "{}");
    host.hostname = name.to_owned();
    host.containment_state = ContainmentState::Normal;
    host.connection_state = ConnectionState::Online;
    host.last_seen = Some(now());
    host
}

/// A tenant with the hosts `web-0` to `web-{n-1}`.
pub(super) fn tenant(name: &str, hosts: usize) -> InMemoryBuilder {
    (0..hosts).fold(InMemory::builder(name), |b, i| b.host(host(name, &format!("web-{i}"))))
}

/// An engine in a folder of its own, at a standing clock.
pub(super) struct Bench {
    pub(super) folder: tempfile::TempDir,
    pub(super) clock: ManualClock,
    providers: Vec<Arc<dyn EdrProvider>>,
    pub(super) safety: Safety,
    count: Arc<AtomicU8>,
}

impl Bench {
    pub(super) fn new(providers: impl IntoIterator<Item = InMemory>) -> Self {
        Self::of(providers.into_iter().map(|p| Arc::new(p) as Arc<dyn EdrProvider>))
    }

    pub(super) fn of(providers: impl IntoIterator<Item = Arc<dyn EdrProvider>>) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: ManualClock::at(now()),
            providers: providers.into_iter().collect(),
            safety: Safety::default(),
            count: Arc::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn builder(&self) -> ResponderBuilder {
        let count = self.count.clone();
        Responder::builder(Estate::of(self.providers.clone()), self.path())
            .safety(self.safety.clone())
            .actor("ann@soc")
            .tool("edr test")
            .clock(Arc::new(self.clock.clone()))
            .dice(Arc::new(move || [count.fetch_add(1, Ordering::SeqCst); 16]))
    }

    /// What a new process would open.
    pub(super) fn responder(&self) -> Responder {
        self.builder().open().unwrap()
    }

    pub(super) async fn plan(&self, names: &[&str], draft: &Draft) -> Plan {
        let selectors: Vec<Selector> = names.iter().map(|name| Selector::host(*name)).collect();
        let responder = self.responder();
        let resolved = responder.resolve(&selectors).await.unwrap();
        responder.plan(&resolved, draft).await.unwrap()
    }

    /// Applies a plan whose first request meets this, in a process that dies while it waits for reading back.
    pub(super) async fn die(&self, provider: &InMemory, script: Script, plan: &Plan) {
        provider.script(script);
        let (responder, consent) = (self.responder(), Consent::yes(9));
        let run = responder.apply(plan, &consent);
        tokio::time::timeout(Duration::from_secs(1), run).await.unwrap_err();
        assert!(self.responder().operation(&plan.id).unwrap().counts().unknown > 0);
    }

    /// Contains these hosts by a plan of their own.
    pub(super) async fn contain(&self, names: &[&str]) -> Result<Operation> {
        let plan = self.plan(names, &Draft::contain()).await;
        self.responder().apply(&plan, &Consent::yes(1000)).await
    }
}

pub(super) fn released(provider: &InMemory) -> Vec<String> {
    provider.mutations().into_iter().filter(|m| m.verb == "release").map(|m| m.uid).collect()
}

pub(super) fn contained(provider: &InMemory) -> Vec<String> {
    provider.mutations().into_iter().filter(|m| m.verb == "contain").map(|m| m.uid).collect()
}
