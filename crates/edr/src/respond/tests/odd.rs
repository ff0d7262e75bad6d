//! A tenant with a host that cannot be decoded, and one that does not tell its groups.

use std::sync::Arc;

use async_trait::async_trait;
use edr_core::{
    Alert, AlertQuery, Because, Capabilities, Cursor, EdrProvider, Error, ErrorKind, FoundHosts, Host,
    HostGroup, HostGroupQuery, HostQuery, InMemory, Page, Progress, Receipt, ResponseAction, Result, Script,
    Target, TenantCheck, TenantId, Vendor,
};

use super::{Bench, contained, tenant};
use crate::ProtectedConfig;
use crate::respond::{By, Consent, Draft, Found, Outcome, Protection, Selector};

/// Its second host is a row that nobody can read, when it is asked for by id; and its groups are not told.
#[derive(Clone, Debug)]
struct Odd(InMemory);

const ODD: &str = "a-web-1";

#[async_trait]
impl EdrProvider for Odd {
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
        match uid {
            ODD => Err(Error::new(ErrorKind::Decode, "no such shape")),
            uid => self.0.host(uid).await,
        }
    }
    async fn alerts(&self, query: &AlertQuery, cursor: Option<&Cursor>) -> Result<Page<Alert>> {
        self.0.alerts(query, cursor).await
    }
    async fn alert(&self, uid: &str) -> Result<Alert> {
        self.0.alert(uid).await
    }
    async fn groups(&self, _: &HostGroupQuery, _: Option<&Cursor>) -> Result<Page<HostGroup>> {
        Err(Error::new(ErrorKind::Permission, "a scope is missing"))
    }
    async fn respond(
        &self,
        action: &ResponseAction,
        hosts: &[String],
        why: &Because,
    ) -> Result<Vec<Receipt>> {
        self.0.respond(action, hosts, why).await
    }
    async fn progress(&self, action: &ResponseAction, targets: &[Target]) -> Result<Vec<Progress>> {
        self.0.progress(action, targets).await
    }
}

fn bench() -> (InMemory, Bench) {
    let one = tenant("a", 3).build();
    (one.clone(), Bench::of([Arc::new(Odd(one)) as _]))
}

const NAMES: [&str; 3] = ["web-0", "web-1", "web-2"];

#[tokio::test]
async fn a_host_that_cannot_be_decoded_is_left_out_alone() {
    let (one, bench) = bench();
    let plan = bench.plan(&NAMES, &Draft::contain()).await;
    let decided: Vec<String> = plan.hosts.iter().map(|h| h.decision.to_string()).collect();
    assert_eq!([&decided[0], &decided[2]], ["act", "act"]);
    assert!(
        decided[1].starts_with("unread: it cannot be read:") && decided[1].contains("no such shape"),
        "{decided:?}"
    );
    assert!(plan.unread.is_empty(), "the tenant is read: {:?}", plan.unread);
    let operation = bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap();
    assert_eq!((operation.counts().accepted, operation.counts().left_out), (2, 1));
    assert_eq!(contained(&one), ["a-web-0", "a-web-2"]);
}

#[tokio::test]
async fn a_host_that_was_readable_when_it_was_planned_has_moved() {
    let one = tenant("a", 3).build();
    let mut bench = Bench::new([one.clone()]);
    let plan = bench.plan(&NAMES, &Draft::contain()).await;
    bench.providers = vec![Arc::new(Odd(one.clone())) as _];
    let refused = bench.responder().apply(&plan, &Consent::yes(9)).await.unwrap_err();
    assert!(
        refused.to_string().contains("web-1") && refused.to_string().contains("cannot be read"),
        "{refused}"
    );
    let mut consent = Consent::yes(9);
    consent.without_moved = true;
    bench.responder().apply(&plan, &consent).await.unwrap();
    assert_eq!(contained(&one), ["a-web-0", "a-web-2"]);
}

#[tokio::test]
async fn an_id_whose_host_cannot_be_decoded_is_not_unknown() {
    let (_, bench) = bench();
    let ids = ["a-web-0", ODD, "a-web-9"].map(|uid| Selector::by(By::Uid, uid));
    let resolved = bench.responder().resolve(&ids).await.unwrap();
    assert_eq!(resolved.hosts.len(), 1);
    assert!(matches!(resolved.findings[1].found, Found::Unproven { .. }), "{:?}", resolved.findings);
    assert!(resolved.unread[0].reason.contains(ODD), "{:?}", resolved.unread);
}

#[tokio::test(start_paused = true)]
async fn a_host_in_doubt_that_cannot_be_decoded_stays_in_doubt() {
    let (one, bench) = bench();
    let plan = {
        let whole = Bench { providers: vec![Arc::new(one.clone()) as _], ..Bench::new([]) };
        whole.plan(&["web-1"], &Draft::contain()).await
    };
    let whole = Bench::new([one.clone()]);
    whole.die(&one, Script::LoseAnswer(0), &plan).await;
    let again = Bench { folder: whole.folder, ..bench };
    let operation = again.responder().apply(&plan, &Consent::yes(9)).await.unwrap();
    let Outcome::Unknown { reason } = &operation.hosts[0].outcome else { panic!("{operation:?}") };
    assert!(reason.contains("it cannot be read"), "{reason}");
    assert_eq!(one.writes(), 1, "it is not asked for again on a guess");
}

#[tokio::test]
async fn groups_that_cannot_be_read_leave_their_tenant_unread() {
    let (one, mut bench) = bench();
    let config = ProtectedConfig { groups: vec!["Crown Jewels".to_owned()], ..ProtectedConfig::default() };
    bench.safety.protected = Protection::of(&config, None).unwrap();
    let plan = bench.plan(&NAMES, &Draft::contain()).await;
    assert!(plan.hosts.iter().all(|h| h.decision.as_str() == "unread"), "{:?}", plan.hosts);
    assert!(plan.unread[0].reason.contains("a scope is missing"), "{:?}", plan.unread);
    assert_eq!(one.writes(), 0);
}

#[test]
fn behind_a_row_without_an_id_each_that_is_missing_may_stand() {
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let of = |row: Option<&str>| {
        FoundHosts::new(Vec::new(), ids(&["a1", "b2"]))
            .with_unreadable([(row.map(str::to_owned), "odd".to_owned())])
    };
    let named = of(Some("A1"));
    assert_eq!((named.missing.clone(), named.why_unreadable("a1")), (ids(&["b2"]), Some("odd")));
    let nameless = of(None);
    assert_eq!((nameless.missing.len(), nameless.unreadable.len()), (0, 2));
    assert_eq!(of(Some("c3")).missing.len(), 2, "a row that nobody asked for hides nobody");
}
