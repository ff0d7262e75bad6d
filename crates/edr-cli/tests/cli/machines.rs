//! Which hosts are one machine, said by hand and explained, and alerts as groups, on the simulator.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Run, Sim, command, edr, run};

struct World {
    sim: Sim,
    config: String,
}

impl World {
    /// One customer with both vendors, and a second one with Falcon.
    fn new() -> Self {
        Self::with("[]")
    }

    fn with(faults: &str) -> Self {
        let sim =
            Sim::serve(&["--falcon-hosts", "40", "--cortex-hosts", "40", "--falcon-tenants", "2"], faults);
        let customers = "[customers]\nacme = [\"falcon-1\", \"cortex-1\"]\nglobex = [\"falcon-2\"]\n";
        let config = sim.changed(|text| format!("{text}\n{customers}"));
        Self { config: config.to_str().unwrap().to_owned(), sim }
    }

    fn edr(&self, words: &[&str]) -> Run {
        let all: Vec<&str> = ["--config", &self.config].into_iter().chain(words.iter().copied()).collect();
        run(command(&all).env("XDG_STATE_HOME", self.sim.state()))
    }

    /// The URNs of a machine with two agents.
    fn pair(&self) -> [String; 2] {
        let machines = self.edr(&["hosts", "list", "--merge", "-o", "jsonl"]).ends(0).records();
        let both = machines.iter().find(|m| m["hosts"].as_array().unwrap().len() == 2).unwrap();
        [urn(&both["hosts"][0]), urn(&both["hosts"][1])]
    }

    /// Two hosts of Falcon, which is read without Cortex.
    fn falcons(&self) -> [Value; 2] {
        let mut hosts = self.edr(&["hosts", "list", "-t", "falcon-1", "-o", "jsonl"]).ends(0).records();
        [hosts.remove(0), hosts.remove(0)]
    }

    fn links(&self) -> std::path::PathBuf {
        self.sim.state().join("edr/links.json")
    }

    fn machines(&self) -> usize {
        self.edr(&["hosts", "list", "--merge", "-o", "jsonl"]).ends(0).records().len()
    }
}

fn urn(host: &Value) -> String {
    let text = |key: &str| host[key].as_str().unwrap();
    format!("edr:{}:{}:host:{}", text("vendor"), text("tenant"), text("uid"))
}

#[test]
fn what_is_said_by_hand_is_kept_and_explained() {
    let world = World::new();
    let [a, b] = world.pair();
    let before = world.machines();
    let row = |run: Run| run.ends(0).records().into_iter().next().unwrap();

    let explained = world.edr(&["hosts", "explain", &a, "-o", "jsonl"]).ends(0).records();
    let same = explained.iter().find(|r| r["hosts"][1]["urn"] == b.as_str()).unwrap();
    assert_eq!(same["standing"], "same");
    let points: i64 =
        same["evidence"].as_array().unwrap().iter().map(|e| e["points"].as_i64().unwrap()).sum();
    assert!(same["points"].as_i64().unwrap() == points && points >= 30, "{same}");

    let unlinked = row(world.edr(&["hosts", "unlink", &a, &b, "-o", "jsonl"]));
    assert_eq!(unlinked["standing"], "unlinked");
    assert_eq!(world.machines(), before + 1, "in another run");
    let links = std::fs::read_to_string(world.sim.state().join("edr/links.json")).unwrap();
    assert!(links.contains(&a) && links.contains("unlinked"), "{links}");

    let linked = row(world.edr(&["hosts", "link", &a, &b, "-o", "jsonl"]));
    assert_eq!((&linked["standing"], world.machines()), (&"linked".into(), before));
    let forgotten = row(world.edr(&["hosts", "link", "--forget", &a, &b, "-o", "jsonl"]));
    assert_eq!(forgotten["standing"], "same");
    let table = world.edr(&["hosts", "explain", &a, "-o", "table"]).ends(0);
    assert!(table.out.starts_with("STANDING") && table.out.contains("same"), "{}", table.out);
}

#[test]
fn hosts_of_two_customers_are_never_linked() {
    let world = World::new();
    let hosts = world.edr(&["hosts", "list", "-o", "jsonl"]).ends(0).records();
    let of = |tenant: &str| urn(hosts.iter().find(|h| h["tenant"] == tenant).unwrap());
    let refused = world.edr(&["hosts", "link", &of("cortex-1"), &of("falcon-2")]).ends(6);
    assert!(refused.err.contains("different customers"), "{}", refused.err);
    assert!(!world.sim.state().join("edr/links.json").exists());
    let nobody = world.edr(&["hosts", "link", &of("cortex-1"), "nobody"]).ends(5);
    assert!(nobody.err.contains("'nobody'"), "{}", nobody.err);
    world.edr(&["hosts", "link", &of("cortex-1"), &of("cortex-1")]).ends(2);
    world.edr(&["hosts", "explain", "nobody"]).ends(5);
    edr(&["hosts", "link", "a", "b", "--demo"]).ends(2);
}

#[test]
fn pairs_to_be_settled_are_listed_best_first() {
    let world = World::new();
    let pairs = world.edr(&["hosts", "review", "-o", "jsonl"]).ends(0).records();
    let points: Vec<i64> = pairs.iter().map(|p| p["points"].as_i64().unwrap()).collect();
    assert!(points.is_sorted_by(|a, b| a >= b) && points.iter().all(|p| *p >= 18), "{points:?}");
    for pair in &pairs {
        assert!(matches!(pair["standing"].as_str(), Some("candidate" | "refused")), "{pair}");
    }
}

#[test]
fn alerts_are_listed_as_groups_and_none_is_lost() {
    let world = World::new();
    let alerts = world.edr(&["alerts", "list", "-o", "jsonl"]).ends(0).records();
    let groups = world.edr(&["alerts", "list", "--group", "-o", "jsonl"]).ends(0).records();
    let members: usize = groups.iter().map(|g| g["members"].as_array().unwrap().len()).sum();
    assert_eq!(members, alerts.len());
    let first = |g: &Value| g["first_seen"].as_str().unwrap_or_default().to_owned();
    assert!(groups.windows(2).all(|two| first(&two[0]) >= first(&two[1])), "the newest first");
    let rows =
        world.edr(&["alerts", "list", "--group", "-o", "csv", "--columns", "severity,sources"]).ends(0);
    assert_eq!(rows.out.lines().count(), groups.len() + 1);
    let table = world.edr(&["alerts", "list", "--group", "-o", "table", "--limit", "3"]).ends(0);
    assert!(table.out.starts_with("SEVERITY") && table.err.contains("showing 3 of "), "{}", table.out);
    world.edr(&["alerts", "list", "--group", "--raw", "-o", "json"]).ends(2);
    let few =
        world.edr(&["alerts", "list", "--group", "--severity", "critical", "-o", "jsonl"]).ends(0).records();
    assert!(few.iter().all(|g| g["severity"] == "critical"));
}

/// Cortex XDR gives out no hosts.
const NO_HOSTS: &str = r#"[{"operation": "v1/endpoints/get_endpoint", "tenant": "cortex-1", "always": true, "fault": "403-scope"}]"#;

#[test]
fn while_hosts_are_missing_only_urns_are_written_down() {
    let world = World::with(NO_HOSTS);
    let [one, two] = world.falcons();
    let name = |host: &Value| host["hostname"].as_str().unwrap().to_owned();
    for words in [[name(&one), name(&two)], [urn(&one), name(&two)], [urn(&one), "edr:x:y:host:z".to_owned()]]
    {
        let refused = world.edr(&["hosts", "link", &words[0], &words[1]]).ends(6);
        assert!(refused.err.contains("not all hosts could be read"), "{}", refused.err);
    }
    assert!(!world.links().exists());
    world.edr(&["hosts", "link", &urn(&one), &urn(&two), "-o", "jsonl"]).ends(3);
    assert!(std::fs::read_to_string(world.links()).unwrap().contains(&urn(&one)));
}

#[test]
fn what_was_said_of_a_host_that_is_gone_is_taken_back() {
    let world = World::new();
    let [one, _] = world.falcons();
    let gone = "edr:falcon:falcon-1:host:gone";
    let say = |words: &[&str]| world.edr(&[&["hosts", "unlink"], words].concat());
    std::fs::create_dir_all(world.links().parent().unwrap()).unwrap();
    let links = serde_json::json!({"unlinked": [[gone, urn(&one)]]});
    std::fs::write(world.links(), links.to_string()).unwrap();
    say(&[gone, &urn(&one)]).ends(5);
    say(&["--forget", "edr:falcon:falcon-1:host:other", &urn(&one)]).ends(5);
    let forgotten = say(&["--forget", gone, &urn(&one)]).ends(0);
    assert!(forgotten.err.contains("forgotten"), "{}", forgotten.err);
    assert!(!std::fs::read_to_string(world.links()).unwrap().contains("gone"));
}

#[test]
fn an_interrupted_link_writes_nothing() {
    let stall = r#"[{"operation": "v1/endpoints/get_endpoint", "always": true, "fault": {"kind": "stall-headers", "delay_ms": 60000}}]"#;
    let world = World::with(stall);
    let [one, two] = world.falcons();
    let words = ["--config", &world.config, "hosts", "link", &urn(&one), &urn(&two)];
    let mut link = command(&words);
    let link = link.env("XDG_STATE_HOME", world.sim.state()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = link.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(130), 0), "{err}");
    assert!(err.contains("interrupted"), "{err}");
    assert!(!world.links().exists());
}

#[test]
fn a_filter_chooses_machines_and_not_their_hosts() {
    let world = World::new();
    let all = world.edr(&["hosts", "list", "--merge", "-o", "jsonl"]).ends(0).records();
    let both = all.iter().find(|m| m["hosts"].as_array().unwrap().len() == 2).unwrap();
    for host in both["hosts"].as_array().unwrap() {
        let filter = format!("uid = {}", host["uid"].as_str().unwrap());
        let found = world.edr(&["hosts", "list", "--merge", "--filter", &filter, "-o", "jsonl"]).ends(0);
        let found = found.records();
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0]["uid"], &found[0]["vendors"]), (&both["uid"], &both["vendors"]));
        assert_eq!(found[0]["hosts"].as_array().unwrap().len(), 2, "with both of its hosts");
    }
    let none = world.edr(&["hosts", "list", "--merge", "--filter", "uid = nobody", "-o", "jsonl"]).ends(0);
    assert!(none.records().is_empty());
}

#[test]
fn groups_are_partial_when_the_hosts_are() {
    let world = World::with(NO_HOSTS);
    let run = world.edr(&["alerts", "list", "--group", "-o", "jsonl"]).ends(3);
    let outcome = run.objects().pop().unwrap();
    assert_eq!(outcome["outcome"], "partial", "{}", run.err);
    let cortex = outcome["tenants"].as_array().unwrap().iter().find(|t| t["tenant"] == "cortex-1").unwrap();
    assert_eq!((&cortex["outcome"], &cortex["reason"]), (&"partial".into(), &"hosts: permission".into()));
    assert!(run.objects().iter().any(|o| o["type"] == "warning" && o["code"] == "gap"), "{}", run.err);
    let prose = world.edr(&["alerts", "list", "--group"]).ends(3);
    assert!(prose.last().starts_with("partial: cortex-1 partial, "), "{}", prose.err);
}
