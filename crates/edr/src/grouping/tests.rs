//! One test for each trap: what looks like one attack and is not, and the other way round.

use edr_core::{
    Attack, AttackRef, Dns, Evidence, File, Hashes, Host, NetworkActivity, NetworkEndpoint, Process,
    Severity, User,
};

use chrono::DateTime;

use super::*;
use crate::identity::IdentityConfig;

const NOON: i64 = 1_790_000_000;

/// An alert `after` seconds after noon, on the host of its vendor.
fn alert(vendor: &str, uid: &str, after: i64) -> Alert {
    let tenant = if vendor == "falcon" { "acme" } else { "acme-xdr" };
    let mut alert = Alert::new(vendor, tenant, uid, "{}");
    alert.time = DateTime::from_timestamp(NOON + after, 0);
    alert.created_time = DateTime::from_timestamp(NOON + after + 30, 0);
    alert.users = vec![user("ann")];
    on(alert, "h1")
}

fn user(name: &str) -> User {
    User { name: Some(name.to_owned()), ..User::default() }
}

/// Moves an alert to another host of its tenant, whose name is its id.
fn on(mut alert: Alert, host: &str) -> Alert {
    let mut device = Host::new(alert.vendor.as_str(), alert.tenant.as_str(), host, "{}");
    (device.hostname, device.domain) = (format!("lt-{host}"), Some("corp.example".to_owned()));
    alert.device = Some(Box::new(device));
    alert
}

fn process(pid: u32, name: &str, line: &str) -> Process {
    Process { pid: Some(pid), name: Some(name.into()), cmd_line: Some(line.into()), ..Process::default() }
}

trait With: Sized {
    fn ran(self, process: Process) -> Self;
    fn under(self, parent: Process) -> Self;
    fn saw(self, evidence: Evidence) -> Self;
    fn by(self, technique: &str) -> Self;
}

impl With for Alert {
    fn ran(self, process: Process) -> Self {
        self.saw(Evidence { process: Some(process), ..Evidence::default() })
    }
    fn under(mut self, parent: Process) -> Self {
        let own = self.evidences.iter_mut().find_map(|e| e.process.as_mut());
        own.unwrap().parent = Some(Box::new(parent));
        self
    }
    fn saw(mut self, evidence: Evidence) -> Self {
        self.evidences.push(evidence);
        self
    }
    fn by(mut self, technique: &str) -> Self {
        let entry = |uid: &str| Some(AttackRef { uid: Some(uid.to_owned()), name: None });
        self.attacks.push(Attack { technique: entry(technique), ..Attack::default() });
        self
    }
}

fn file(name: &str, digest: &str) -> Evidence {
    let hashes = Hashes { sha256: Some(digest.repeat(64)), ..Hashes::default() };
    Evidence {
        file: Some(File { name: Some(name.into()), hashes, ..File::default() }),
        ..Evidence::default()
    }
}

fn far(ip: &str) -> Evidence {
    let remote = NetworkEndpoint { ip: ip.parse().ok(), port: Some(443), ..NetworkEndpoint::default() };
    let network = NetworkActivity { remote: Some(remote), ..NetworkActivity::default() };
    Evidence { network: Some(network), ..Evidence::default() }
}

fn identity() -> Identity {
    Identity::new(IdentityConfig::new().one_customer("acme", ["acme", "acme-xdr"]))
}

fn grouping<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Grouping {
    let mut grouping = Grouping::new(GroupingConfig::new());
    grouping.upsert(alerts);
    grouping
}

fn groups<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> Groups {
    grouping(alerts).resolve(&identity())
}

fn count<const N: usize>(alerts: [Alert; N]) -> usize {
    groups(&alerts).len()
}

#[test]
fn one_process_seen_by_both_is_one_attack_with_the_highest_severity() {
    let mut one = alert("falcon", "f", 0).ran(process(7, "A.exe", "a.exe -x")).by("T1059.001");
    let mut two = alert("cortex", "c", 60).ran(process(7, "a.exe", r"C:\a.exe -X")).by("T1059");
    (one.severity, two.severity) = (Severity::Medium, Severity::Critical);
    (one.status, two.status) = (edr_core::AlertStatus::Resolved, edr_core::AlertStatus::New);
    (one.verdict, two.verdict) = (edr_core::Verdict::Test, edr_core::Verdict::TruePositive);
    (one.prevented, two.prevented) = (Some(false), Some(true));
    let found = groups([&one, &two]);
    assert_eq!(found.len(), 1);
    let group = found.of(&two.urn()).unwrap();
    assert_eq!((group.uid.as_str(), group.severity.clone()), ("edr:falcon:acme:alert:f", Severity::Critical));
    assert_eq!(group.sources(), [("cortex".into(), 1), ("falcon".into(), 1)]);
    assert_eq!(group.hostname.as_deref(), Some("lt-h1"));
    assert_eq!(group.techniques, ["T1059", "T1059.001"]);
    assert_eq!((group.status.as_str(), group.verdicts.len(), group.prevented), ("new", 2, Some(true)));
    assert_eq!((group.first_seen, group.last_seen), (one.time, two.time));
    let why = found.explain(&one.urn(), &two.urn());
    assert_eq!(
        why[0].to_string(),
        "120 points (+60 same process: a.exe 7; +40 same command line: a.exe -x; +10 same technique: T1059; \
         +10 same account: ann)"
    );
}

#[test]
fn one_attack_on_two_machines_is_two() {
    let ran = |a: Alert| a.ran(process(7, "a.exe", "a.exe -x")).saw(file("b.dll", "b")).by("T1059");
    let both = [ran(alert("falcon", "f", 0)), on(ran(alert("cortex", "c", 0)), "h2")];
    assert_eq!(groups(&both).len(), 2);
}

#[test]
fn two_attacks_on_one_machine_stay_apart() {
    let shell = |pid, line| process(pid, "powershell.exe", line);
    let explorer = || process(4, "explorer.exe", "explorer.exe");
    let both = [
        alert("falcon", "f", 0).ran(shell(7, "powershell -c one")).under(explorer()).by("T1059"),
        alert("cortex", "c", 90).ran(shell(9, "powershell -c two")).under(explorer()).by("T1059"),
    ];
    assert_eq!(groups(&both).len(), 2, "an account, a technique and a shell are not enough");
}

#[test]
fn what_two_programs_told_a_tool_in_the_same_words_are_two_things() {
    let shadows = || Process { pid: None, ..process(0, "vssadmin.exe", "vssadmin delete shadows /all") };
    let ran = |vendor, uid, above: &str, pid| {
        alert(vendor, uid, 0).ran(shadows()).under(process(pid, above, "x -1")).by("T1490")
    };
    assert_eq!(count([ran("falcon", "f", "one.exe", 7), ran("cortex", "c", "two.exe", 9)]), 2);
    let mut both = [ran("falcon", "f", "one.exe", 7), alert("falcon", "c", 0).ran(shadows()).by("T1490")];
    assert_eq!(groups(&both).len(), 1, "nothing speaks against it");
    for (alert, key) in both.iter_mut().zip(["a", "b"]) {
        alert.group_keys = vec![key.to_owned()];
    }
    assert_eq!(groups(&both).len(), 2, "the vendor does");
}

#[test]
fn two_runs_of_one_command_are_two_unless_something_ties_them() {
    let run =
        |vendor, uid, after, pid| alert(vendor, uid, after).ran(process(pid, "inv.exe", "inv.exe -all"));
    assert_eq!(count([run("falcon", "f", 0, 7), run("cortex", "c", 200, 9)]), 2);
    let agent = || process(3, "payload.exe", "payload.exe");
    assert_eq!(
        count([run("falcon", "f", 0, 7).under(agent()), run("cortex", "c", 200, 9).under(agent())]),
        1
    );
}

#[test]
fn a_routine_stands_with_its_own_process_alone() {
    let agent = || process(3, "ccmexec.exe", "ccmexec.exe -k");
    let run = |vendor, n: u32| {
        let ran = process(100 + n, "powershell.exe", "powershell -file inventory.ps1");
        alert(vendor, &n.to_string(), i64::from(n) * 200).ran(ran).under(agent())
    };
    let mut all: Vec<Alert> = (0..6).map(|n| run("falcon", n)).collect();
    all.extend((0..6).map(|n| run("cortex", n)));
    let found = groups(&all);
    assert_eq!(found.len(), 6);
    assert!(found.iter().all(|g| g.sources().len() == 2), "each run was seen by both");
}

#[test]
fn the_image_of_a_tool_says_nothing_by_whomever_it_is_told() {
    let mut image = process(7, "cmd.exe", "cmd.exe /c a");
    image.hashes.sha256 = Some("c".repeat(64));
    let dropped = file("renamed.exe", "c");
    assert_eq!(count([alert("falcon", "f", 0).ran(image), alert("cortex", "c", 9).saw(dropped.clone())]), 2);
    assert_eq!(
        count([alert("falcon", "f", 0).saw(dropped.clone()), alert("cortex", "c", 9).saw(dropped)]),
        1
    );
}

#[test]
fn one_vendor_may_see_only_what_the_other_ones_process_started() {
    let payload = || process(7, "payload.exe", "payload.exe -s");
    let both = [
        alert("falcon", "f", 0).ran(payload()),
        alert("cortex", "c", 300).ran(process(9, "net.exe", "net user /add")).under(payload()),
    ];
    let found = groups(&both);
    assert_eq!(found.len(), 1);
    assert_eq!(found.iter().next().unwrap().links[0].reasons[0].sign, Sign::ParentProcess);
}

#[test]
fn what_starts_everything_is_nobodys_parent() {
    let services = || process(7, "services.exe", "services.exe");
    let under =
        |vendor, uid, pid| alert(vendor, uid, 0).ran(process(pid, "x.exe", "x.exe")).under(services());
    assert_eq!(count([under("falcon", "f", 8), under("cortex", "c", 9)]), 2);
}

#[test]
fn clocks_may_differ_a_little_and_a_wrong_one_leaves_the_process() {
    let ran = |a: Alert| a.ran(process(7, "a.exe", "a.exe -x")).saw(file("b.dll", "b"));
    let pair = |apart| [ran(alert("falcon", "f", 0)), ran(alert("cortex", "c", apart))];
    assert_eq!(count(pair(12 * 60)), 1);
    assert_eq!(count(pair(13 * 60)), 2);
    let mut wrong = pair(86_400);
    wrong[1].created_time = wrong[0].created_time;
    assert_eq!(groups(&wrong).len(), 1, "stored at once, and the same process");
    wrong[1].evidences.remove(0);
    assert_eq!(groups(&wrong).len(), 2, "a file alone may have waited there for a day");
}

#[test]
fn the_same_name_at_two_customers_is_two_machines() {
    let ran = |a: Alert| a.ran(process(7, "a.exe", "a.exe -x"));
    let mut other = ran(alert("cortex", "c", 0));
    other.tenant = "globex-xdr".into();
    other.device.as_mut().unwrap().tenant = "globex-xdr".into();
    other.uid_alt = Some("ind:0123456789abcdef".into());
    let mut own = ran(alert("falcon", "f", 0));
    own.uid_alt = other.uid_alt.clone();
    assert_eq!(groups([&own, &other]).len(), 2, "not even where one repeats the other's id");
    let config = IdentityConfig::new().one_customer("one", ["acme", "globex-xdr"]);
    assert_eq!(grouping([&own, &other]).resolve(&Identity::new(config)).len(), 1);
}

#[test]
fn an_alert_without_a_host_joins_nobody_but_its_original() {
    let mut wall = alert("cortex", "c", 0).saw(far("198.51.100.7"));
    wall.device = None;
    let own =
        alert("falcon", "ind:0123456789abcdef", 0).saw(far("198.51.100.7")).ran(process(7, "a.exe", "a -x"));
    assert_eq!(groups([&own, &wall]).len(), 2);
    wall.uid_alt = Some(own.uid.clone());
    assert_eq!(groups([&own, &wall]).len(), 1);
}

#[test]
fn a_host_that_an_alert_only_names_is_found_by_its_name() {
    let own = alert("falcon", "f", 0).ran(process(7, "a.exe", "a.exe -x"));
    let mut named = alert("cortex", "c", 0).ran(process(7, "a.exe", "a.exe -x"));
    let listed = *named.device.clone().unwrap();
    named.device.as_mut().unwrap().uid = String::new();
    let mut identity = identity();
    assert_eq!(grouping([&own, &named]).resolve(&identity).len(), 2);
    identity.upsert([&listed]);
    assert_eq!(grouping([&own, &named]).resolve(&identity).len(), 1);
}

#[test]
fn a_name_is_looked_for_among_the_hosts_of_the_same_child_of_a_parent() {
    let ran = |uid: &str, child: &str, host: &str| {
        let mut alert = alert("falcon", uid, 0).ran(process(7, "a.exe", "a.exe -x"));
        alert.tenant_uid = Some(child.to_owned());
        let device = alert.device.as_mut().unwrap();
        (device.uid, device.hostname) = (host.to_owned(), "DC01".to_owned());
        alert
    };
    let (one, two) = (ran("a", "child-1", "h1"), ran("b", "child-2", "h2"));
    let named = ran("n", "child-1", "");
    let apart = Identity::new(IdentityConfig::new());
    let found = grouping([&two, &named]).resolve(&apart);
    assert_eq!((found.len(), found.of(&named.urn()).unwrap().machine.clone()), (2, None));
    let found = grouping([&one, &two, &named]).resolve(&apart);
    assert_eq!(found.len(), 2);
    assert_eq!(found.of(&named.urn()), found.of(&one.urn()), "the other child's machine has the same name");
    let found = grouping([&two, &named]).resolve(&identity());
    assert_eq!(found.len(), 1, "the parent is one customer");
}

#[test]
fn weak_signs_add_up_only_with_strong_ones() {
    let dns =
        || Evidence { dns: Some(Dns { query: "c2.example".into(), time: None }), ..Evidence::default() };
    let saw = |vendor, uid| alert(vendor, uid, 0).saw(far("198.51.100.7")).by("T1071.004");
    assert_eq!(count([saw("falcon", "f"), saw("cortex", "c")]), 2, "a proxy is everybody's remote end");
    assert_eq!(count([saw("falcon", "f").saw(dns()), saw("cortex", "c").saw(dns())]), 1);
}

#[test]
fn the_vendors_own_word_counts_unless_it_means_a_program_that_starts_everything() {
    let keyed = |uid: &str, after, root: &str| {
        let mut alert = alert("falcon", uid, after).ran(process(7, &format!("{uid}.exe"), "x -a"));
        alert.group_keys = vec!["aggind:aid:99".into(), "case-1".into()];
        alert.case_uids = vec!["case-1".into()];
        let parent =
            Process { uid: Some("pid:aid:99".into()), name: Some(root.into()), ..Process::default() };
        alert.under(parent)
    };
    assert_eq!(count([keyed("a", 0, "payload.exe"), keyed("b", 300, "payload.exe")]), 1);
    assert_eq!(count([keyed("a", 0, "explorer.exe"), keyed("b", 300, "explorer.exe")]), 2);
}

#[test]
fn a_chain_that_starts_one_command_again_and_again_is_no_activity() {
    let keyed = |uid: &str, after, pid, line: &str| {
        let name = line.split(' ').next().unwrap();
        let mut alert = alert("cortex", uid, after).ran(process(pid, name, line));
        alert.group_keys = vec!["chain".into()];
        alert
    };
    let steps = || [keyed("a", 0, 7, "cmd.exe /c a"), keyed("b", 200, 8, "net.exe user b")];
    assert_eq!(count(steps()), 1, "nothing but the chain ties them");
    let [a, b] = steps();
    assert_eq!(count([a, b, keyed("c", 400, 9, "cmd.exe /c a")]), 3, "nor does it tie what it started once");
    let [a, mut b] = steps();
    let mut again = keyed("c", 400, 7, "cmd.exe /c a");
    assert_eq!(count([a, b.clone(), again.clone()]), 1, "one run that was seen twice");
    for alert in [&mut b, &mut again] {
        alert.evidences[0].process.as_mut().unwrap().pid = None;
    }
    let after = |seconds| {
        let mut late = again.clone();
        late.uid = "d".to_owned();
        late.time = late.time.map(|time| time + TimeDelta::seconds(seconds));
        late
    };
    let late = after(100);
    assert_eq!(count([b.clone(), again.clone(), late]), 1, "one run, for all that is known");
    assert_eq!(count([b, again.clone(), after(900)]), 3, "no run lasts that long");
}

#[test]
fn a_chain_that_nobody_names_is_told_by_what_it_started() {
    let keyed = |uid: &str, process: Process| {
        let mut alert = alert("cortex", uid, 0).ran(process);
        alert.group_keys = vec!["chain".into()];
        alert
    };
    let shell = |pid| process(pid, "cmd.exe", &format!("cmd /c {pid}.bat"));
    let tool = process(9, "reg.exe", "reg add x");
    let pair = |one: &Process, two: &Process| [keyed("a", one.clone()), keyed("b", two.clone())];
    assert_eq!(count(pair(&shell(7), &tool)), 1, "two programs in one chain");
    assert_eq!(count(pair(&shell(7), &shell(8))), 2, "two runs of one program, under nobody knows what");
    let root = Process { uid: Some("chain".into()), name: Some("a.exe".into()), ..Process::default() };
    let [one, two] = pair(&shell(7), &shell(8)).map(|alert| alert.under(root.clone()));
    assert_eq!(count([one, two]), 1, "it has a name, and that starts nothing but this");
    let seen = |uid: &str, own: &Process, from: &str| {
        alert("falcon", uid, 5).ran(own.clone()).under(process(3, from, from))
    };
    let [one, two] = pair(&shell(7), &tool);
    let (left, right) = (seen("f", &shell(7), "explorer.exe"), seen("g", &tool, "explorer.exe"));
    assert_eq!(
        count([one.clone(), two.clone(), left, right]),
        2,
        "the other vendor saw the desktop start both"
    );
    let (left, right) = (seen("f", &shell(7), "a.exe"), seen("g", &tool, "a.exe"));
    assert_eq!(count([one, two, left, right]), 1);
}

#[test]
fn a_run_without_a_number_is_told_by_its_time_if_it_is_one_of_a_tool() {
    let run = |vendor, after, pid, name: &str| {
        let own = Process { pid, ..process(7, name, &format!("{name} -all")) };
        alert(vendor, "x", after).ran(own).by("T1490")
    };
    let (tool, other) = ("vssadmin.exe", "payload.exe");
    assert_eq!(count([run("falcon", 0, Some(7), tool), run("cortex", 100, None, tool)]), 1);
    assert_eq!(count([run("falcon", 0, Some(7), tool), run("cortex", 200, None, tool)]), 2);
    assert_eq!(count([run("falcon", 0, Some(7), other), run("cortex", 200, None, other)]), 1);
}

#[test]
fn a_technique_is_the_same_by_its_name() {
    let named = |mut alert: Alert, name: &str| {
        let entry = AttackRef { uid: None, name: Some(name.to_owned()) };
        alert.attacks = vec![Attack { technique: Some(entry), ..Attack::default() }];
        alert
    };
    let ran =
        |vendor, uid, pid| alert(vendor, uid, 0).ran(Process { pid, ..process(7, "a.exe", "a.exe -x") });
    let (falcon, cortex) = (ran("falcon", "f", Some(7)), ran("cortex", "c", None));
    let count = |cortex: Alert| count([named(falcon.clone(), "Valid Accounts"), cortex]);
    assert_eq!(count(named(cortex.clone(), "VALID_ACCOUNTS")), 1);
    assert_eq!(count(named(cortex, "EXPLOITATION")), 2);
}

#[test]
fn of_an_alert_that_comes_again_the_later_version_is_kept() {
    let mut old = alert("falcon", "f", 0);
    old.modified_time = DateTime::from_timestamp(NOON, 0);
    let mut new = old.clone();
    (new.modified_time, new.title) = (DateTime::from_timestamp(NOON + 5, 0), "new".into());
    for order in [[&old, &new], [&new, &old]] {
        let found = groups(order);
        assert_eq!((found.len(), found.iter().next().unwrap().members[0].title.as_str()), (1, "new"));
    }
    let mut grouping = grouping([&new]);
    grouping.remove(&new.urn());
    assert!(grouping.resolve(&identity()).is_empty());
}

#[test]
fn a_way_leads_from_any_alert_of_a_group_to_any_other() {
    let step = |uid: &str, n: u32| {
        let vendor = if n.is_multiple_of(2) { "falcon" } else { "cortex" };
        let above = process(n, "payload.exe", &format!("payload.exe {n}"));
        let own = process(n + 1, "payload.exe", &format!("payload.exe {}", n + 1));
        alert(vendor, uid, i64::from(n) * 400).ran(own).under(above)
    };
    let all = [step("a", 1), step("b", 2), step("c", 3), step("d", 4)];
    let found = groups(&all);
    assert_eq!((found.len(), found.iter().next().unwrap().links.len()), (1, 3));
    assert_eq!(found.explain(&all[0].urn(), &all[3].urn()).len(), 3, "first and last have nothing in common");
    assert!(found.explain(&all[0].urn(), "edr:falcon:acme:alert:nobody").is_empty());
}

/// The alert with an id of the other vendor's as its second one.
fn also(mut alert: Alert, uid: &str) -> Alert {
    alert.uid_alt = Some(uid.to_owned());
    alert
}

#[test]
fn an_original_is_found_behind_one_of_another_machine() {
    let original = "1234567890abcdef";
    let taken = also(on(alert("falcon", "f", 0), "h2"), original);
    let elsewhere = also(alert("cortex", "a", 9_000), original);
    let same = also(on(alert("cortex", "b", 9_000), "h2"), original);
    let found = groups([&taken, &elsewhere, &same]);
    assert_eq!(found.len(), 2);
    assert_eq!(found.of(&taken.urn()).unwrap().uid, found.of(&same.urn()).unwrap().uid);
    assert_eq!(found.of(&elsewhere.urn()).unwrap().members.len(), 1);
}

#[test]
fn an_alert_without_a_machine_never_ties_two_machines_together() {
    let original = "1234567890abcdef";
    let mut wall = also(alert("cortex", "wall", 0), original);
    wall.device = None;
    let here = also(alert("falcon", "x", 0), original);
    let there = also(on(alert("falcon", "y", 0), "h2"), original);
    let found = groups([&wall, &here, &there]);
    assert_eq!(found.len(), 2, "the machines stay apart, and the alert stands with one of them");
    assert_ne!(found.of(&here.urn()).unwrap().machine, found.of(&there.urn()).unwrap().machine);
    assert_eq!(found.of(&wall.urn()).unwrap().members.len(), 2);
}

#[test]
fn versions_of_alerts_give_the_same_groups_in_every_order() {
    let version = |changed, title: &str, name: &str| {
        let mut alert = alert("falcon", "f", 0).ran(process(7, "a.exe", "a.exe -x"));
        alert.modified_time = DateTime::from_timestamp(NOON + changed, 0);
        alert.title = title.to_owned();
        alert.device.as_mut().unwrap().hostname = name.to_owned();
        alert
    };
    // The old version is wrong about the host; two that changed at the same time differ in what they tell.
    let versions = [version(0, "old", "wrong"), version(5, "new", "lt-h1"), version(5, "newer", "other")];
    let cortex = alert("cortex", "c", 0).ran(process(7, "a.exe", "a.exe -x"));
    let told = |order: [usize; 3]| {
        let found = groups(order.map(|at| &versions[at]).into_iter().chain([&cortex]));
        found.iter().cloned().collect::<Vec<_>>()
    };
    let first = told([0, 1, 2]);
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(told(order), first, "{order:?}");
    }
}

#[test]
fn the_host_of_a_version_that_was_replaced_is_forgotten() {
    let mut old = alert("falcon", "f", 10).ran(process(7, "a.exe", "a.exe -x"));
    old.device.as_mut().unwrap().hostname = "wrong".to_owned();
    let mut new = on(old.clone(), "h2");
    new.modified_time = DateTime::from_timestamp(NOON + 5, 0);
    let other = alert("falcon", "g", 0).ran(process(7, "a.exe", "a.exe -x"));
    let cortex = alert("cortex", "c", 0).ran(process(7, "a.exe", "a.exe -x"));
    for order in [[&old, &new, &other, &cortex], [&new, &old, &other, &cortex]] {
        let found = groups(order);
        let group = found.of(&cortex.urn()).unwrap();
        assert_eq!((found.len(), group.members.len()), (2, 2), "{group:?}");
    }
}

#[test]
fn an_agent_that_only_its_alerts_tell_of_lived_while_there_were_alerts() {
    const DAYS: i64 = 86_400;
    let listed = |vendor: &str, uid: &str, days: i64| {
        let tenant = if vendor == "falcon" { "acme" } else { "acme-xdr" };
        let mut host = Host::new(vendor, tenant, uid, "{}");
        (host.hostname, host.domain) = ("lt-h1".into(), Some("corp.example".into()));
        host.first_seen = DateTime::from_timestamp(NOON - days * DAYS, 0);
        host.last_seen = DateTime::from_timestamp(NOON, 0);
        host
    };
    let mut identity = identity();
    identity.upsert([&listed("falcon", "new", 2), &listed("cortex", "h1", 90)]);
    // The agent before it is not listed any more; its last alert is five days old.
    let before = |uid: &str, days: i64| alert("falcon", uid, -days * DAYS).ran(process(1, "x.exe", "x"));
    let mut now = alert("falcon", "f", 0).ran(process(7, "a.exe", "a.exe -x"));
    let mut device = listed("falcon", "new", 2);
    (device.first_seen, device.last_seen) = (None, None);
    now.device = Some(Box::new(device));
    let other = alert("cortex", "c", 5).ran(process(7, "a.exe", "a.exe -x"));
    let all = [before("old-1", 9), before("old-2", 5), now, other];
    let found = grouping(&all).resolve(&identity);
    assert_eq!(found.of(&all[2].urn()), found.of(&all[3].urn()), "it is one machine");
    let machine = |alert: &Alert| found.of(&alert.urn()).unwrap().machine.clone();
    assert_eq!(machine(&all[0]), machine(&all[2]), "and the agent before it was on it");
    // One that raises alerts beside the listed one is another machine of the same name: the name says nothing.
    let beside = [all[0].clone(), before("old-3", 1), all[2].clone(), all[3].clone()];
    let found = grouping(&beside).resolve(&identity);
    assert_ne!(found.of(&all[2].urn()), found.of(&all[3].urn()));
}
