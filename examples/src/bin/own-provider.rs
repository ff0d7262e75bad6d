//! A provider of one's own: hosts and alerts from two lists, held to the conformance suite.
//!
//! ```console
//! cargo run -p edr-examples --bin own-provider
//! ```

use std::sync::Arc;

use async_trait::async_trait;
use edr_core::{
    Alert, AlertQuery, Capabilities, Cursor, EdrProvider, Error, ErrorKind, Feature, Host, HostQuery,
    Listing, Page, PageEnd, Platform, Query, Result, Severity, TenantCheck, TenantId, Vendor,
};
use edr_testkit::{Still, run_all};

static VENDOR: Vendor = Vendor::from_static("inventory");

#[derive(Debug)]
struct Inventory {
    tenant: TenantId,
    capabilities: Capabilities,
    hosts: Vec<Host>,
    alerts: Vec<Alert>,
}

impl Inventory {
    fn new(tenant: &str, mut hosts: Vec<Host>, mut alerts: Vec<Alert>) -> Self {
        hosts.sort_by(|a, b| a.uid.cmp(&b.uid));
        alerts.sort_by_key(|alert| std::cmp::Reverse(alert.created_time));
        let features = [Feature::HostList, Feature::HostGet, Feature::AlertList, Feature::AlertGet];
        Self { tenant: tenant.into(), capabilities: Capabilities::new().with(features), hosts, alerts }
    }

    /// One page: what matches, from the offset that the cursor holds.
    fn page<Q: Query>(&self, query: &Q, cursor: Option<&Cursor>, all: &[Q::Item]) -> Result<Page<Q::Item>> {
        if let Some(sort) = query.sort() {
            return Err(self.error(ErrorKind::Unsupported, format!("no order by {}", sort.field.name)));
        }
        let (noun, print) = (Q::Item::NOUN, query.fingerprint());
        let from: usize =
            cursor.map_or(Ok(0), |c| c.open(&self.tenant, noun, print)).map_err(|e| self.own(e))?;
        let matching: Vec<&Q::Item> = all.iter().filter(|item| query.matches(item)).collect();
        let size = query.page_size().map_or(50, |s| s.min(50) as usize);
        let to = (from + size).min(matching.len());
        let next = (to < matching.len()).then(|| Cursor::seal(&self.tenant, noun, print, &to)).transpose()?;
        let items = matching[from.min(to)..to].iter().map(|item| (*item).clone()).collect();
        let end = PageEnd { next, total: Some(matching.len() as u64) };
        Ok(Page { items, end, ..Page::default() })
    }

    fn one<T: Listing>(&self, all: &[T], uid: &str) -> Result<T> {
        let found = all.iter().find(|item| item.uid() == uid).cloned();
        let operation = format!("{}_get", T::NOUN);
        found.ok_or_else(|| {
            self.error(ErrorKind::NotFound, format!("no {} {uid}", T::NOUN)).with_operation(operation)
        })
    }

    fn error(&self, kind: ErrorKind, message: String) -> Error {
        self.own(Error::new(kind, message))
    }

    fn own(&self, error: Error) -> Error {
        error.with_tenant(&self.tenant, &VENDOR)
    }
}

#[async_trait]
impl EdrProvider for Inventory {
    fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn vendor(&self) -> &Vendor {
        &VENDOR
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn check(&self) -> Result<TenantCheck> {
        Ok(TenantCheck::default().found("hosts", self.hosts.len().to_string()))
    }

    async fn hosts(&self, query: &HostQuery, cursor: Option<&Cursor>) -> Result<Page<Host>> {
        self.page(query, cursor, &self.hosts)
    }

    async fn host(&self, uid: &str) -> Result<Host> {
        self.one(&self.hosts, uid)
    }

    async fn alerts(&self, query: &AlertQuery, cursor: Option<&Cursor>) -> Result<Page<Alert>> {
        self.page(query, cursor, &self.alerts)
    }

    async fn alert(&self, uid: &str) -> Result<Alert> {
        self.one(&self.alerts, uid)
    }
}

fn host(number: u32, platform: Platform) -> Host {
    let uid = format!("{number:032x}");
    let mut host = Host::new("inventory", "lab", &uid, &format!(r#"{{"asset":"{uid}"}}"#));
    host.hostname = format!("LAB-{number:03}");
    host.os.platform = platform;
    host
}

fn alert(number: u32, severity: Severity) -> Alert {
    let mut alert = Alert::new("inventory", "lab", &format!("a-{number}"), "{}");
    alert.title = format!("Finding {number}");
    alert.severity = severity;
    alert.created_time = chrono::DateTime::from_timestamp(1_760_000_000 + i64::from(number), 0);
    alert
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let platforms = [Platform::Windows, Platform::Linux, Platform::Macos];
    let hosts: Vec<Host> = (1..=120).map(|n| host(n, platforms[n as usize % 3].clone())).collect();
    let alerts: Vec<Alert> = (1..=80).map(|n| alert(n, Severity::KNOWN[n as usize % 6].clone())).collect();
    let (host_uids, alert_uids): (Vec<_>, Vec<_>) =
        (hosts.iter().map(|h| h.uid.clone()).collect(), alerts.iter().map(|a| a.uid.clone()).collect());

    let provider = Arc::new(Inventory::new("lab", hosts, alerts));
    let report = run_all(&Still::new(provider).hosts(host_uids).alerts(alert_uids)).await;
    println!("{report}");
    report.into_result()?;
    Ok(())
}
