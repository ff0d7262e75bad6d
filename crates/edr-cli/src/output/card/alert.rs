//! The page of an alert: what, where, who, how, and the tree of its processes.

use edr::Alert;
use edr::core::{Attack, AttackRef, Comment, Evidence, NetworkActivity, NetworkEndpoint};

use super::{Card, Page, tree};
use crate::output::style::Look;

impl Card for Alert {
    fn card(&self, page: &mut Page<'_>) {
        let glance = [(Look::Severity, self.severity.as_str()), (Look::Status, self.status.as_str())];
        page.head(&self.title, &glance);
        page.columns(self, IDENTITY);
        page.columns(self, WORK);
        page.line("about", self.desc.as_deref().unwrap_or_default());
        page.columns(self, SCENE);
        attacks(self, page);
        evidence(self, page);
        indicators(self, page);
        comments(&self.comments, page);
    }
}

const IDENTITY: &[(&str, &str)] = &[
    ("tenant", "tenant"),
    ("vendor", "vendor"),
    ("uid", "id"),
    ("time", "happened"),
    ("created_time", "created"),
    ("modified_time", "changed"),
    ("first_seen", "first activity"),
    ("last_seen", "last activity"),
];

const WORK: &[(&str, &str)] = &[
    ("verdict", "verdict"),
    ("assignee.name", "assigned to"),
    ("action", "action"),
    ("disposition", "disposition"),
    ("prevented", "prevented"),
    ("confidence_score", "confidence"),
    ("product_feature", "raised by"),
    ("analytic.name", "rule"),
    ("case_uids", "cases"),
    ("labels", "labels"),
    ("console_url", "console"),
];

const SCENE: &[(&str, &str)] = &[
    ("device.hostname", "host"),
    ("device.uid", "host id"),
    ("device.ip", "host address"),
    ("device.os.name", "host system"),
    ("users", "users"),
];

fn attacks(alert: &Alert, page: &mut Page<'_>) {
    if alert.attacks.is_empty() {
        return;
    }
    page.section("ATT&CK");
    alert.attacks.iter().for_each(|attack| page.free(&chain(attack)));
}

pub(super) fn chain(attack: &Attack) -> String {
    let parts = [&attack.tactic, &attack.technique, &attack.sub_technique];
    let named: Vec<String> = parts.into_iter().flatten().map(entry).collect();
    named.join(" > ")
}

fn entry(entry: &AttackRef) -> String {
    match (entry.uid.as_deref(), entry.name.as_deref()) {
        (Some(uid), Some(name)) => format!("{uid} {name}"),
        (uid, name) => uid.or(name).unwrap_or_default().to_owned(),
    }
}

fn evidence(alert: &Alert, page: &mut Page<'_>) {
    let processes = alert.evidences.iter().filter_map(|e| e.process.as_ref());
    let lines = tree::lines(processes);
    if !lines.is_empty() {
        page.section("Processes");
        lines.iter().for_each(|line| page.free(line));
    }
    let others: Vec<(&str, String)> = alert.evidences.iter().flat_map(other_evidence).collect();
    if !others.is_empty() {
        page.section("Evidence");
        others.iter().for_each(|(label, value)| page.line(label, value));
    }
}

/// Everything in a piece of evidence but its process.
fn other_evidence(evidence: &Evidence) -> Vec<(&'static str, String)> {
    let file = evidence.file.as_ref().map(|f| {
        let name = f.path.as_deref().or(f.name.as_deref()).unwrap_or_default();
        let hash = f.hashes.sha256.as_deref().map(|h| format!("  sha256 {h}"));
        ("file", format!("{name}{}", hash.unwrap_or_default()))
    });
    let network = evidence.network.as_ref().map(|n| ("network", connection(n)));
    let dns = evidence.dns.as_ref().map(|d| ("looked up", d.query.clone()));
    let registry = evidence.registry.as_ref().map(|r| {
        let parts = [r.key.as_deref(), r.value.as_deref(), r.data.as_deref()];
        ("registry", parts.into_iter().flatten().collect::<Vec<_>>().join("  "))
    });
    [file, network, dns, registry].into_iter().flatten().collect()
}

fn connection(network: &NetworkActivity) -> String {
    let end = |e: &Option<NetworkEndpoint>| e.as_ref().map_or_else(|| "?".to_owned(), endpoint);
    let protocol = network.protocol.as_deref().map(|p| format!(" ({p})")).unwrap_or_default();
    format!("{} → {}{protocol}", end(&network.local), end(&network.remote))
}

fn endpoint(end: &NetworkEndpoint) -> String {
    let host =
        end.ip.map(|ip| ip.to_string()).or_else(|| end.hostname.clone()).unwrap_or_else(|| "?".to_owned());
    end.port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
}

fn indicators(alert: &Alert, page: &mut Page<'_>) {
    if !alert.iocs.is_empty() {
        page.section("Indicators");
    }
    alert.iocs.iter().for_each(|ioc| page.line(&ioc.kind.clone(), &ioc.value));
}

pub(super) fn comments(comments: &[Comment], page: &mut Page<'_>) {
    if !comments.is_empty() {
        page.section("Comments");
    }
    for comment in comments {
        let when = comment.time.map(|t| page.when(t)).unwrap_or_default();
        let author = comment.author.as_deref().unwrap_or("?");
        page.free(&format!("{author}  {when}  {}", comment.text));
    }
}
