//! A tenant in memory in which single reads fail as long as a test wants it, and that has files to save.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use edr_core::{
    Alert, AlertQuery, Because, Capabilities, ContainmentState, Cursor, EdrProvider, Error, ErrorKind,
    FoundHosts, Host, HostGroup, HostGroupQuery, HostQuery, InMemory, Page, Progress, Receipt,
    ResponseAction, Result, SavedFile, Target, TenantCheck, TenantId, Vendor,
};

use crate::respond::canon::sha256;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// A host is no longer read by its id.
    Hosts,
    /// The list of groups is not read.
    Groups,
    /// The list of groups lacks them all.
    ShortList,
    /// A group is not read by its id.
    Group,
    /// The vendor dropped the files.
    Files,
    /// A file comes, and never to its end.
    Stall,
    /// Something on the way hands each order on twice, and the second answer is the one that comes back.
    Twice,
    /// The vendor has no words for the order.
    Unfit,
    /// The provider looks itself before it sends, and sends nothing for a host that is there already.
    Looks,
}

#[derive(Clone, Debug)]
pub(super) struct Flaky {
    pub(super) inner: InMemory,
    faults: Arc<Mutex<BTreeSet<Fault>>>,
    /// So many more looks at hosts show them as they were before.
    lag: Arc<AtomicUsize>,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Flaky {
    pub(super) fn new(inner: InMemory) -> Self {
        Self { inner, faults: Arc::default(), lag: Arc::default(), calls: Arc::default() }
    }

    pub(super) fn begin(&self, fault: Fault) {
        self.faults.lock().unwrap().insert(fault);
    }

    pub(super) fn end(&self, fault: Fault) {
        self.faults.lock().unwrap().remove(&fault);
    }

    /// The next so many looks at hosts show none contained.
    pub(super) fn lag(&self, looks: usize) {
        self.lag.store(looks, Ordering::SeqCst);
    }

    /// The look-ups of groups and files so far.
    pub(super) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn has(&self, fault: Fault) -> bool {
        self.faults.lock().unwrap().contains(&fault)
    }

    fn fails(&self, fault: Fault) -> Result<()> {
        if self.has(fault) { Err(Error::new(ErrorKind::Vendor, "it is down")) } else { Ok(()) }
    }

    fn called(&self, what: String) {
        self.calls.lock().unwrap().push(what);
    }
}

#[async_trait]
impl EdrProvider for Flaky {
    fn tenant(&self) -> &TenantId {
        self.inner.tenant()
    }
    fn vendor(&self) -> &Vendor {
        self.inner.vendor()
    }
    fn capabilities(&self) -> &Capabilities {
        self.inner.capabilities()
    }
    async fn check(&self) -> Result<TenantCheck> {
        self.inner.check().await
    }
    async fn hosts(&self, query: &HostQuery, cursor: Option<&Cursor>) -> Result<Page<Host>> {
        self.inner.hosts(query, cursor).await
    }
    async fn host(&self, uid: &str) -> Result<Host> {
        self.inner.host(uid).await
    }
    async fn hosts_by_uid(&self, uids: &[String]) -> Result<FoundHosts> {
        self.fails(Fault::Hosts)?;
        let mut found = self.inner.hosts_by_uid(uids).await?;
        let left = self.lag.load(Ordering::SeqCst);
        if left > 0 {
            self.lag.store(left - 1, Ordering::SeqCst);
            found.hosts.iter_mut().for_each(|h| h.containment_state = ContainmentState::Normal);
        }
        Ok(found)
    }
    async fn alerts(&self, query: &AlertQuery, cursor: Option<&Cursor>) -> Result<Page<Alert>> {
        self.inner.alerts(query, cursor).await
    }
    async fn alert(&self, uid: &str) -> Result<Alert> {
        self.inner.alert(uid).await
    }
    async fn groups(&self, query: &HostGroupQuery, cursor: Option<&Cursor>) -> Result<Page<HostGroup>> {
        self.called("groups".to_owned());
        self.fails(Fault::Groups)?;
        if self.has(Fault::ShortList) {
            return Ok(Page::default());
        }
        self.inner.groups(query, cursor).await
    }
    async fn group(&self, uid: &str) -> Result<HostGroup> {
        self.called(format!("group {uid}"));
        self.fails(Fault::Group)?;
        self.inner.group(uid).await
    }
    async fn respond(
        &self,
        action: &ResponseAction,
        hosts: &[String],
        why: &Because,
    ) -> Result<Vec<Receipt>> {
        if self.has(Fault::Twice) {
            self.inner.respond(action, hosts, why).await?;
        }
        let mut receipts = self.inner.respond(action, hosts, why).await?;
        receipts.iter_mut().for_each(|r| r.ordered &= !self.has(Fault::Looks));
        Ok(receipts)
    }
    fn order_fit(&self, _: &ResponseAction) -> Result<()> {
        if self.has(Fault::Unfit) { Err(Error::unsupported("by no such id")) } else { Ok(()) }
    }
    async fn progress(&self, action: &ResponseAction, targets: &[Target]) -> Result<Vec<Progress>> {
        self.inner.progress(action, targets).await
    }
    async fn save_file(&self, target: &Target, to: &Path) -> Result<SavedFile> {
        self.called(format!("save {}", target.uid));
        self.fails(Fault::Files)?;
        if self.has(Fault::Stall) {
            std::future::pending::<()>().await;
        }
        let (path, text) = (SavedFile::place(to, "zip"), format!("of {}", target.uid));
        std::fs::write(&path, &text).unwrap();
        Ok(SavedFile::new(path, text.len() as u64, sha256(text.as_bytes())))
    }
}
