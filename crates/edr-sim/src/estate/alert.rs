//! One alert of the estate, in no vendor's words, computed on demand from its index.

use chrono::{DateTime, Utc};

use super::TenantEstate;
use super::catalog::{FIRST_NAMES, LAST_NAMES};
use super::given::{GivenAlert, GivenProcess};
use super::hash::{below, hex_words, mix_str, mix2, pick};
pub use super::kinds::{Family, Kind, Proof};
use super::kinds::{KINDS, Program, tree};
use super::machine::{Platform, User};
use super::overlay::Comment;
use crate::clock::from_ms;

/// How severe an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Informational (Falcon: 1 to 19).
    Informational,
    /// Low (20 to 39).
    Low,
    /// Medium (40 to 59).
    Medium,
    /// High (60 to 79).
    High,
    /// Critical (80 to 100).
    Critical,
}

impl Severity {
    /// The level of a score from 1 to 100, as Falcon draws the lines (falcon-api 5.1).
    #[must_use]
    pub fn of_score(score: u8) -> Self {
        match score {
            0..20 => Self::Informational,
            20..40 => Self::Low,
            40..60 => Self::Medium,
            60..80 => Self::High,
            _ => Self::Critical,
        }
    }

    /// Its English name with a capital.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
        }
    }

    /// A score in the middle of the level.
    #[must_use]
    pub fn score(self) -> u8 {
        match self {
            Self::Informational => 10,
            Self::Low => 30,
            Self::Medium => 50,
            Self::High => 70,
            Self::Critical => 90,
        }
    }
}

/// Where the work on an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has looked.
    New,
    /// Somebody is on it.
    InProgress,
    /// Closed once and opened again (Falcon only).
    Reopened,
    /// Done.
    Closed,
}

/// What a closed alert turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// An attack.
    TruePositive,
    /// A mistake of the detection.
    FalsePositive,
    /// True, and harmless here (Falcon: ignored; Cortex: known issue).
    Benign,
    /// A test (Cortex: security testing).
    Testing,
    /// Reported twice (Cortex: duplicate).
    Duplicate,
}

/// A person who works on alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analyst {
    /// The full name.
    pub name: String,
    /// The mail address.
    pub email: String,
    /// The id.
    pub uuid: String,
}

/// One process of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// The id that the operating system gave it.
    pub pid: u32,
    /// The vendor's unique id of it (beyond 2^53).
    pub unique: u64,
    /// The file name.
    pub name: String,
    /// The full path, in the operating system's form.
    pub path: String,
    /// The command line.
    pub command_line: String,
    /// SHA-256 of the image.
    pub sha256: String,
    /// MD5 of the image.
    pub md5: String,
    /// When it started.
    pub started: DateTime<Utc>,
    /// Who signed the image; `None` for an unsigned one.
    pub signer: Option<&'static str>,
}

impl Process {
    /// The path as Falcon shows it on Windows: a device instead of a drive letter.
    #[must_use]
    pub fn device_path(&self) -> String {
        device_path(&self.path)
    }
}

/// A path with `\Device\HarddiskVolume3` in the place of `C:`.
#[must_use]
pub fn device_path(path: &str) -> String {
    path.strip_prefix("C:").map_or_else(|| path.to_owned(), |rest| format!(r"\Device\HarddiskVolume3{rest}"))
}

/// A file in evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEvidence {
    /// The folder, with its last separator.
    pub folder: String,
    /// The name.
    pub name: String,
    /// SHA-256 of it.
    pub sha256: String,
    /// Whether it was taken to quarantine.
    pub quarantined: bool,
}

/// A connection in evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkEvidence {
    /// The local address.
    pub local_ip: String,
    /// The local port.
    pub local_port: u16,
    /// The remote address.
    pub remote_ip: String,
    /// The remote port.
    pub remote_port: u16,
    /// Whether the host connected (else it was connected to).
    pub outbound: bool,
}

/// A registry value in evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryEvidence {
    /// The key.
    pub key: String,
    /// The value's name.
    pub value: String,
    /// The value's data.
    pub data: String,
}

/// One alert.
#[derive(Debug, Clone)]
pub struct Detection {
    /// Its index in the tenant.
    pub index: u64,
    /// Its kind, with name, description and ATT&CK.
    pub kind: &'static Kind,
    /// When the service created it.
    pub created: DateTime<Utc>,
    /// When it was last changed.
    pub updated: DateTime<Utc>,
    /// When it happened on the host.
    pub happened: DateTime<Utc>,
    /// How severe it is.
    pub severity: Severity,
    /// The same as a score from 1 to 100.
    pub score: u8,
    /// How sure the engine is, 0 to 100.
    pub confidence: u8,
    /// Where the work on it stands.
    pub status: Status,
    /// What it turned out to be.
    pub verdict: Option<Verdict>,
    /// Who works on it.
    pub assigned_to: Option<Analyst>,
    /// The index of the host.
    pub machine: u64,
    /// Whose account it was.
    pub user: Option<User>,
    /// The process that triggered it.
    pub process: Process,
    /// Its parent.
    pub parent: Process,
    /// Its grandparent.
    pub grandparent: Process,
    /// Whether the agent stopped it.
    pub prevented: bool,
    /// Files in evidence.
    pub files: Vec<FileEvidence>,
    /// Connections in evidence.
    pub network: Vec<NetworkEvidence>,
    /// Registry values in evidence.
    pub registry: Vec<RegistryEvidence>,
    /// Names that were looked up.
    pub dns: Vec<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether it is shown in the console.
    pub show_in_ui: bool,
    /// Comments, oldest first.
    pub comments: Vec<Comment>,
}

/// The values of an alert that filters and sorting need, without the rest.
#[derive(Debug, Clone, Copy)]
pub struct Outline {
    root: u64,
    /// The index of the host.
    pub machine: u64,
    /// The kind.
    pub kind: &'static Kind,
    /// The generated score.
    pub score: u8,
    /// The generated status.
    pub status: Status,
    /// The platform of the host.
    pub platform: Platform,
}

/// The cheap part of an alert.
#[must_use]
pub fn outline(estate: &TenantEstate, index: u64) -> Outline {
    let root = mix2(mix2(estate.tag() ^ 0xA7, index), 0);
    let given = estate.given.alert(index);
    let machine = given.and_then(|g| g.host).unwrap_or_else(|| below(mix2(root, 1), estate.host_count()));
    let platform = estate.fields(machine).platform();
    let fitting: Vec<&'static Kind> = KINDS.iter().filter(|k| k.platforms.contains(&platform)).collect();
    let wanted = given.and_then(|g| g.alert.kind).map(|name| name.0);
    let kind = wanted.unwrap_or_else(|| pick(&fitting, mix2(root, 2)));
    let shift = below(mix2(root, 3), 21) as i16 - 10;
    let score = (i16::from(kind.score) + shift).clamp(1, 100) as u8;
    let score = given.and_then(|g| g.alert.severity).map_or(score, Severity::score);
    let status = given.and_then(|g| g.alert.status.or(g.alert.verdict.map(|_| Status::Closed)));
    let status = status.unwrap_or_else(|| born_status(estate, index, mix2(root, 4)));
    Outline { root, machine, kind, score, status, platform }
}

/// Old alerts are mostly closed, young ones mostly new.
fn born_status(estate: &TenantEstate, index: u64, h: u64) -> Status {
    let age_days = (estate.clock().start_ms() - estate.alert_created_ms(index)) / 86_400_000;
    let roll = below(h, 100) as i64;
    match age_days {
        _ if roll >= 98 => Status::Reopened,
        0 => {
            if roll < 85 {
                Status::New
            } else {
                Status::InProgress
            }
        }
        days if roll < 20 + 3 * days.min(24) => Status::Closed,
        _ if roll % 3 == 0 => Status::InProgress,
        _ => Status::New,
    }
}

pub(super) fn generate(estate: &TenantEstate, index: u64) -> Detection {
    let o = outline(estate, index);
    let created = estate.alert_created_ms(index);
    let late = estate.batch_of(index).map_or(0, |b| b.late_ms);
    let told = estate.given.alert(index).and_then(|g| g.alert.happened);
    let happened = told.map_or_else(
        || created - late - 1000 * (5 + below(mix2(o.root, 5), 90) as i64),
        |when| when.ms(estate.clock().start_ms()),
    );
    let host = estate.fields(o.machine);
    let user = host.users().into_iter().next();
    let build = Builder {
        o,
        tag: estate.tag(),
        given: estate.given.alert(index).map(|settled| &settled.alert),
        start_ms: estate.clock().start_ms(),
        host_name: host.hostname(),
        user: user.as_ref().map(|u| u.name.clone()).unwrap_or_default(),
        happened,
    };
    let [process, parent, grandparent] = build.tree();
    let prevented = o.kind.family == Family::Endpoint && below(mix2(o.root, 6), 10) < 6;
    let mut detection = Detection {
        index,
        kind: o.kind,
        created: from_ms(created),
        updated: from_ms(created + 60_000 * below(mix2(o.root, 7), 600) as i64),
        happened: from_ms(happened),
        severity: Severity::of_score(o.score),
        score: o.score,
        confidence: pick(&[100, 90, 80, 80, 70, 50, 30], mix2(o.root, 8)),
        status: o.status,
        verdict: (o.status == Status::Closed).then(|| born_verdict(mix2(o.root, 9))),
        assigned_to: (o.status != Status::New).then(|| analyst(estate, mix2(o.root, 10))),
        machine: o.machine,
        user,
        files: build.files(&process, prevented),
        network: build.network(&host.ip().to_string()),
        registry: build.registry(),
        dns: build.dns(),
        process,
        parent,
        grandparent,
        prevented,
        tags: Vec::new(),
        show_in_ui: true,
        comments: Vec::new(),
    };
    // A change that is still to come has not happened: until then the alert is as it was made. (It must not
    // follow the clock either: an order by this time would shift under every reader.)
    if detection.updated > estate.clock().now() {
        detection.updated = detection.created;
    }
    apply_given(estate, &mut detection);
    apply_overlay(estate, &mut detection);
    detection
}

fn apply_given(estate: &TenantEstate, detection: &mut Detection) {
    let Some(given) = estate.given.alert(detection.index).map(|settled| &settled.alert) else { return };
    detection.verdict = given.verdict.or(detection.verdict);
    if let Some(who) = &given.assigned_to {
        detection.assigned_to = Some(analyst_named(estate, who));
    }
    detection.tags = given.tags.clone().unwrap_or_default();
}

fn apply_overlay(estate: &TenantEstate, detection: &mut Detection) {
    let Some(overlay) = estate.alert_overlay(detection.index) else { return };
    detection.updated = from_ms(overlay.updated);
    detection.status = overlay.status.unwrap_or(detection.status);
    if let Some(verdict) = overlay.verdict {
        detection.verdict = verdict;
    }
    if let Some(assigned) = overlay.assigned_to {
        detection.assigned_to = assigned.map(|who| analyst_named(estate, &who));
    }
    if let Some(severity) = overlay.severity {
        (detection.severity, detection.score) = (severity, severity.score());
    }
    if let Some(tags) = overlay.tags {
        detection.tags = tags;
    }
    detection.show_in_ui = overlay.show_in_ui.unwrap_or(detection.show_in_ui);
    detection.comments = overlay.comments;
}

fn born_verdict(h: u64) -> Verdict {
    use Verdict::{Benign, Duplicate, FalsePositive, Testing, TruePositive};
    pick(
        &[TruePositive, TruePositive, TruePositive, FalsePositive, FalsePositive, Benign, Testing, Duplicate],
        h,
    )
}

/// The analysts of the company.
#[must_use]
pub fn analysts(estate: &TenantEstate) -> Vec<Analyst> {
    (0..6).map(|who| analyst_number(estate, who)).collect()
}

/// One of the six.
fn analyst(estate: &TenantEstate, h: u64) -> Analyst {
    analyst_number(estate, below(h, 6))
}

fn analyst_number(estate: &TenantEstate, who: u64) -> Analyst {
    let (first, last) =
        (estate.company_pick(FIRST_NAMES, 900 + who), estate.company_pick(LAST_NAMES, 950 + who));
    analyst_named(estate, &format!("{first}.{last}@{}", estate.company().domain))
}

/// The analyst with a name or a mail address.
fn analyst_named(estate: &TenantEstate, who: &str) -> Analyst {
    let account = who.split('@').next().unwrap_or(who);
    let email = if who.contains('@') {
        who.to_owned()
    } else {
        format!("{}@{}", who.replace(' ', "."), estate.company().domain)
    };
    let name = account.split(['.', ' ']).map(capital).collect::<Vec<_>>().join(" ");
    let uuid = super::hash::uuid(mix_str(estate.company_seed(), &email.to_lowercase()));
    Analyst { name, email, uuid }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |c| c.to_uppercase().chain(letters).collect())
}

struct Builder<'a> {
    o: Outline,
    tag: u64,
    given: Option<&'a GivenAlert>,
    start_ms: i64,
    host_name: String,
    user: String,
    happened: i64,
}

impl Builder<'_> {
    fn h(&self, field: u64) -> u64 {
        mix2(self.o.root, field)
    }

    fn fill(&self, template: &str) -> String {
        let hex = &hex_words(self.h(20), 1)[..8];
        template.replace("{user}", &self.user).replace("{host}", &self.host_name).replace("{hex}", hex)
    }

    fn tree(&self) -> [Process; 3] {
        let [process, parent, grandparent] = tree(self.o.kind, self.o.platform);
        [self.process(process, 0), self.process(parent, 1), self.process(grandparent, 2)]
    }

    fn process(&self, (path, command_line): Program, level: u64) -> Process {
        let given = self.given.and_then(|alert| alert.family(level));
        let path = given.and_then(|g| g.path.clone()).unwrap_or_else(|| self.fill(path));
        // The same image has the same hash on every host.
        let image = mix_str(0x1A6E, &path.to_lowercase());
        let name = path.rsplit(['\\', '/']).next().unwrap_or_default().to_owned();
        let ours = path.starts_with(r"C:\Windows") || path.contains("Microsoft Office");
        let process = Process {
            pid: 4 * (300 + below(self.h(30 + level), 8_000) as u32),
            unique: (1 << 58) + (below(self.h(33 + level), 1 << 57)),
            command_line: self.fill(command_line),
            sha256: hex_words(image, 4),
            md5: hex_words(mix2(image, 5), 2),
            started: from_ms(self.happened / 1000 * 1000 - 1000 * (level as i64 * level as i64 * 900 + 1)),
            signer: match self.o.platform {
                Platform::Windows if ours => Some("Microsoft Corporation"),
                Platform::MacOs if !path.starts_with("/Users") => Some("Apple Inc."),
                _ => None,
            },
            name,
            path,
        };
        match given {
            Some(given) => self.as_told(given, process),
            None => process,
        }
    }

    fn as_told(&self, given: &GivenProcess, process: Process) -> Process {
        let again = |pid: &u32| {
            let run = mix_str(mix2(self.tag, u64::from(*pid)), &process.path);
            (1 << 58) + below(mix2(run, self.o.machine), 1 << 57)
        };
        Process {
            pid: given.pid.unwrap_or(process.pid),
            unique: given.pid.as_ref().map_or(process.unique, again),
            command_line: given.command_line.clone().unwrap_or(process.command_line),
            sha256: given.sha256.clone().unwrap_or(process.sha256),
            started: given.started.map_or(process.started, |when| from_ms(when.ms(self.start_ms))),
            ..process
        }
    }

    /// The file by hand: its folder with the last separator, and its name.
    fn given_file(&self) -> Option<FileEvidence> {
        let file = self.given?.file.as_ref()?;
        let cut = file.path.rfind(['\\', '/']).map_or(0, |at| at + 1);
        let (folder, name) = file.path.split_at(cut);
        let (folder, name, sha256) = (folder.to_owned(), name.to_owned(), file.sha256.clone());
        Some(FileEvidence { folder, name, sha256, quarantined: false })
    }

    fn files(&self, process: &Process, prevented: bool) -> Vec<FileEvidence> {
        if self.o.kind.proof != Proof::File {
            return Vec::new();
        }
        let (folder, name) = match self.o.platform {
            Platform::Windows => (r"C:\Users\{user}\AppData\Local\Temp\", "{hex}.dll"),
            Platform::MacOs => ("/Users/{user}/Library/LaunchAgents/", "com.{hex}.plist"),
            Platform::Linux => ("/var/tmp/", ".{hex}"),
        };
        let invented = || FileEvidence {
            folder: self.fill(folder),
            name: self.fill(name),
            sha256: hex_words(self.h(40), 4),
            quarantined: false,
        };
        let dropped = self.given_file().unwrap_or_else(invented);
        let dropped = FileEvidence { quarantined: prevented, ..dropped };
        let split = process.path.len() - process.name.len();
        let image = FileEvidence {
            folder: process.path[..split].to_owned(),
            name: process.name.clone(),
            sha256: process.sha256.clone(),
            quarantined: false,
        };
        vec![dropped, image]
    }

    fn network(&self, local_ip: &str) -> Vec<NetworkEvidence> {
        if !matches!(self.o.kind.proof, Proof::Network | Proof::Dns) {
            return Vec::new();
        }
        let remote = self.given.and_then(|alert| alert.remote);
        let address = || format!("192.0.2.{}", 1 + below(self.h(42), 250));
        vec![NetworkEvidence {
            local_ip: local_ip.to_owned(),
            local_port: 49_152 + below(self.h(41), 16_000) as u16,
            remote_ip: remote.map_or_else(address, |end| end.ip().to_string()),
            remote_port: remote
                .map_or_else(|| pick(&[443, 80, 4444, 8443, 53], self.h(43)), |end| end.port()),
            outbound: self.o.kind.family != Family::Identity,
        }]
    }

    fn registry(&self) -> Vec<RegistryEvidence> {
        if self.o.kind.proof != Proof::Registry {
            return Vec::new();
        }
        vec![RegistryEvidence {
            key: r"HKEY_CURRENT_USER\Software\Microsoft\Windows\CurrentVersion\Run".to_owned(),
            value: "Updater".to_owned(),
            data: self.fill(r"C:\Users\{user}\AppData\Roaming\{hex}.exe"),
        }]
    }

    fn dns(&self) -> Vec<String> {
        if self.o.kind.proof != Proof::Dns {
            return Vec::new();
        }
        vec![self.fill("{hex}.cdn-sync.example"), "beacon.update-check.example".to_owned()]
    }
}
