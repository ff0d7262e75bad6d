//! What an alert can be compared by.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use edr_core::{
    Alert, AlertStatus, Evidence, File, Hashes, Host, NetworkEndpoint, Process, Raw, Severity, TenantId,
    User, UserKind, Vendor, Verdict,
};

use super::tools::{is_starter, is_tool};

/// One alert, reduced to what its group is told by and what it is compared by.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub(super) face: Face,
    pub(super) modified: Option<DateTime<Utc>>,
    /// When it happened by the host's clock, and when its vendor stored it, in milliseconds.
    pub(super) at: i64,
    pub(super) stored: Option<i64>,
    /// The host by its URN.
    pub(super) host: Option<String>,
    /// The vendor's id of whose alert it is.
    pub(super) owner: Option<String>,
    /// The host as the alert tells it, for when nobody has listed it.
    pub(super) device: Option<Box<Host>>,
    /// The processes that it is about, and those above them.
    pub(super) own: Vec<Run>,
    pub(super) above: Vec<Run>,
    /// The first of them of which it is known what started it, with what stands above it, upwards.
    pub(super) line: Vec<Run>,
    pub(super) digests: BTreeSet<String>,
    /// Digests that belong to tools.
    pub(super) worthless: BTreeSet<String>,
    pub(super) files: BTreeSet<String>,
    pub(super) remotes: BTreeSet<String>,
    pub(super) lookups: BTreeSet<String>,
    pub(super) users: BTreeSet<String>,
    pub(super) techniques: BTreeSet<String>,
    /// The vendor's own keys of one activity.
    pub(super) keys: BTreeSet<String>,
    /// The vendor's ids of it, which another vendor that took it in may repeat.
    pub(super) ids: BTreeSet<String>,
}

/// What a group tells of an alert.
#[derive(Clone, Debug)]
pub(super) struct Face {
    pub(super) urn: String,
    pub(super) uid: String,
    pub(super) tenant: TenantId,
    pub(super) vendor: Vendor,
    pub(super) hostname: Option<String>,
    pub(super) title: String,
    pub(super) severity: Severity,
    pub(super) status: AlertStatus,
    pub(super) verdict: Verdict,
    pub(super) prevented: Option<bool>,
    pub(super) first: Option<DateTime<Utc>>,
    pub(super) last: Option<DateTime<Utc>>,
    pub(super) techniques: Vec<String>,
}

/// One run of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) pid: Option<u32>,
    /// The vendor's id, with the vendor and tenant that it is of.
    pub(super) uid: Option<String>,
    /// The file name of the image, in lower case.
    pub(super) name: String,
    /// What follows the program on its command line.
    pub(super) args: Option<String>,
    pub(super) started: Option<i64>,
}

fn told(device: &Host, alert: &Alert) -> Box<Host> {
    let mut host = device.clone();
    host.tenant_uid = host.tenant_uid.or_else(|| alert.tenant_uid.clone());
    host.raw = Raw::default();
    (host.origins, host.anomalies) = (Vec::new(), Vec::new());
    Box::new(host)
}

impl Trace {
    pub(super) fn of(alert: &Alert) -> Self {
        let side = format!("{}:{}", alert.vendor, alert.tenant);
        let processes: Vec<&Process> = alert.evidences.iter().filter_map(|e| e.process.as_ref()).collect();
        let above = processes.iter().flat_map(|p| p.parent.as_deref().into_iter().chain(&p.ancestry));
        let mut trace = Self {
            face: Face::of(alert),
            modified: alert.modified_time,
            at: first(alert).map_or(0, |t| t.timestamp_millis()),
            stored: alert.created_time.map(|t| t.timestamp_millis()),
            host: alert.device.as_ref().filter(|d| !d.uid.is_empty()).map(|d| d.urn()),
            owner: alert.tenant_uid.clone(),
            device: alert.device.as_deref().filter(|d| !d.uid.is_empty()).map(|d| told(d, alert)),
            own: runs(processes.iter().copied(), &side),
            above: runs(above, &side),
            line: line(&processes, &side),
            digests: BTreeSet::new(),
            worthless: BTreeSet::new(),
            files: alert.evidences.iter().filter_map(|e| path(e.file.as_ref()?.path.as_deref()?)).collect(),
            remotes: alert.evidences.iter().filter_map(remote).collect(),
            lookups: alert.evidences.iter().filter_map(|e| Some(lower(&e.dns.as_ref()?.query))).collect(),
            users: users(alert),
            techniques: techniques(alert).map(|t| stem(t).to_owned()).chain(named(alert)).collect(),
            keys: BTreeSet::new(),
            ids: [Some(alert.uid.clone()), alert.uid_alt.clone()].into_iter().flatten().collect(),
        };
        trace.keys = trace.keys_of(alert, &side);
        trace.read_digests(alert);
        // Short numbers are ids in every tenant.
        trace.ids.retain(|id| id.len() >= 16);
        trace
    }

    /// Whether this version of an alert is the one to keep. Of two that changed at the same time any would do, as long as
    /// it is the same one in every order of arrival.
    pub(super) fn replaces(&self, known: &Self) -> bool {
        let change = self.modified.cmp(&known.modified);
        change.then_with(|| format!("{self:?}").cmp(&format!("{known:?}"))).is_gt()
    }

    /// How late its word about its host is.
    pub(super) fn recency(&self) -> (i64, Option<DateTime<Utc>>, &str) {
        (self.stored.unwrap_or(self.at), self.modified, &self.face.urn)
    }

    /// The vendor's keys, without cases (which hold many attacks) and without those of a program that starts everything.
    fn keys_of(&self, alert: &Alert, side: &str) -> BTreeSet<String> {
        let starters = self.above.iter().chain(&self.own).filter(|run| is_starter(&run.name));
        let starters: BTreeSet<&str> = starters.filter_map(|run| run.uid.as_deref().map(number)).collect();
        let keys = alert.group_keys.iter().filter(|key| !alert.case_uids.contains(key));
        keys.filter(|key| !starters.contains(number(key))).map(|key| format!("{side}:{key}")).collect()
    }

    /// True when it tells of the process that a key is the id of.
    pub(super) fn names(&self, key: &str) -> bool {
        let mut ids = self.own.iter().chain(&self.above).filter_map(|run| run.uid.as_deref());
        ids.any(|id| number(id) == number(key))
    }

    fn read_digests(&mut self, alert: &Alert) {
        for evidence in &alert.evidences {
            if let Some(process) = &evidence.process {
                self.take(&process.hashes, &name(process));
            }
            if let Some(File { name, hashes, .. }) = &evidence.file {
                self.take(hashes, &lower(name.as_deref().unwrap_or_default()));
            }
        }
        // What stands above is there to say which digests belong to tools.
        let processes = alert.evidences.iter().filter_map(|e| e.process.as_ref());
        for process in processes.flat_map(|p| p.parent.as_deref().into_iter().chain(&p.ancestry)) {
            if is_tool(&name(process)) {
                self.take(&process.hashes, &name(process));
            }
        }
        let named = alert.iocs.iter().filter(|ioc| matches!(ioc.kind.as_str(), "sha256" | "sha1" | "md5"));
        self.digests.extend(named.map(|ioc| lower(&ioc.value)));
    }

    fn take(&mut self, hashes: &Hashes, name: &str) {
        let to = if is_tool(name) { &mut self.worthless } else { &mut self.digests };
        to.extend([&hashes.sha256, &hashes.sha1, &hashes.md5].into_iter().flatten().cloned());
    }

    /// The process right above the first.
    pub(super) fn parent(&self) -> Option<&Run> {
        self.line.get(1)
    }

    /// What it was told to do: the program and its arguments.
    pub(super) fn commands(&self) -> impl Iterator<Item = (&str, &str)> {
        self.own.iter().filter_map(|run| Some((run.name.as_str(), run.args.as_deref()?)))
    }
}

impl Face {
    fn of(alert: &Alert) -> Self {
        let mut techniques: Vec<String> = techniques(alert).map(str::to_owned).collect();
        techniques.sort();
        techniques.dedup();
        let first = first(alert);
        Self {
            urn: alert.urn(),
            uid: alert.uid.clone(),
            tenant: alert.tenant.clone(),
            vendor: alert.vendor.clone(),
            hostname: alert.device.as_ref().map(|d| d.hostname.clone()).filter(|name| !name.is_empty()),
            title: alert.title.clone(),
            severity: alert.severity.clone(),
            status: alert.status.clone(),
            verdict: alert.verdict.clone(),
            prevented: alert.prevented,
            first,
            last: alert.last_seen.or(alert.time).max(first),
            techniques,
        }
    }
}

/// When it began; where the vendor does not say, when it was stored.
fn first(alert: &Alert) -> Option<DateTime<Utc>> {
    alert.first_seen.or(alert.time).or(alert.created_time)
}

fn lower(text: &str) -> String {
    text.trim().to_lowercase()
}

fn name(process: &Process) -> String {
    let path = || process.path.as_deref().and_then(|p| p.rsplit(['\\', '/']).next());
    lower(process.name.as_deref().or_else(path).unwrap_or_default())
}

fn run(process: &Process, side: &str) -> Run {
    Run {
        pid: process.pid,
        uid: process.uid.as_ref().map(|uid| format!("{side}:{uid}")),
        name: name(process),
        args: process.cmd_line.as_deref().and_then(args),
        started: process.created_time.map(|t| t.timestamp_millis()),
    }
}

fn runs<'a>(processes: impl Iterator<Item = &'a Process>, side: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for run in processes.map(|process| run(process, side)) {
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    runs
}

fn line(processes: &[&Process], side: &str) -> Vec<Run> {
    let known = processes.iter().find(|p| p.parent.is_some()).or(processes.first());
    known.map_or_else(Vec::new, |own| {
        let above = own.parent.as_deref().into_iter().chain(&own.ancestry);
        std::iter::once(*own).chain(above).map(|process| run(process, side)).collect()
    })
}

/// What an id ends with, behind what says of whom it is.
fn number(id: &str) -> &str {
    id.rsplit(':').next().unwrap_or_default()
}

/// The arguments of a command line, blanks and case evened out: the program itself is written in many ways.
fn args(line: &str) -> Option<String> {
    let line = line.trim();
    let rest = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').map_or("", |(_, rest)| rest),
        None => line.split_once(char::is_whitespace).map_or("", |(_, rest)| rest),
    };
    let args = rest.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    (!args.is_empty()).then_some(args)
}

/// A path without the drive, which one vendor knows by its letter and the other by its device.
fn path(text: &str) -> Option<String> {
    let lower = lower(text).replace('/', "\\");
    let device = lower
        .strip_prefix("\\device\\harddiskvolume")
        .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let letter = || lower.split_once(':').filter(|(drive, _)| drive.len() == 1).map(|(_, rest)| rest);
    let path = device.or_else(letter).unwrap_or(&lower);
    let file = path.rsplit('\\').next().unwrap_or_default();
    (!file.is_empty() && !is_tool(file)).then(|| path.to_owned())
}

fn remote(evidence: &Evidence) -> Option<String> {
    let NetworkEndpoint { ip: Some(ip), port: Some(port), .. } =
        evidence.network.as_ref()?.remote.as_ref()?
    else {
        return None;
    };
    (!ip.is_loopback() && !ip.is_unspecified()).then(|| format!("{ip} {port}"))
}

/// The accounts by their names; an account of the system is on every machine.
fn users(alert: &Alert) -> BTreeSet<String> {
    let own = alert
        .evidences
        .iter()
        .flat_map(|e| e.user.iter().chain(e.process.iter().filter_map(|p| p.user.as_ref())));
    let person =
        |user: &&User| !matches!(user.kind, UserKind::System | UserKind::Service | UserKind::Machine);
    alert.users.iter().chain(own).filter(person).filter_map(|u| Some(lower(u.name.as_deref()?))).collect()
}

fn techniques(alert: &Alert) -> impl Iterator<Item = &str> {
    alert.attacks.iter().filter_map(|attack| {
        let entry = attack.sub_technique.as_ref().or(attack.technique.as_ref())?;
        entry.uid.as_deref()
    })
}

/// The techniques by their names, as letters alone: one vendor writes `Valid Accounts`, another `VALID_ACCOUNTS` and no id.
fn named(alert: &Alert) -> impl Iterator<Item = String> {
    let entries =
        alert.attacks.iter().flat_map(|attack| attack.sub_technique.iter().chain(&attack.technique));
    let letters = |name: &String| name.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    entries
        .filter_map(move |entry| Some(letters(entry.name.as_ref()?).to_lowercase()))
        .filter(|name| !name.is_empty())
}

/// The technique above a sub-technique.
fn stem(technique: &str) -> &str {
    technique.split('.').next().unwrap_or(technique)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_what_the_program_was_told() {
        for (line, said) in [
            ("powershell.exe -nop  -w HIDDEN", Some("-nop -w hidden")),
            (r#""C:\Program Files\A b\x.exe" /S"#, Some("/s")),
            (r"C:\Windows\Explorer.EXE", None),
            (r#""C:\Program Files\x.exe""#, None),
            ("", None),
        ] {
            assert_eq!(args(line).as_deref(), said, "{line}");
        }
    }

    #[test]
    fn one_file_has_one_path() {
        for text in [r"C:\Temp\A.dll", r"\Device\HarddiskVolume3\temp\a.DLL", r"d:\temp\a.dll"] {
            assert_eq!(path(text).as_deref(), Some(r"\temp\a.dll"), "{text}");
        }
        assert_eq!(path("/var/tmp/.x").as_deref(), Some(r"\var\tmp\.x"));
        assert_eq!(path(r"C:\Windows\System32\cmd.exe"), None);
        assert_eq!(path(r"C:\Temp\"), None);
    }
}
