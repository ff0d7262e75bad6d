//! The demo: both vendors, every format, without credentials.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{command, edr, identities, run};

#[test]
fn both_vendors_are_there() {
    for noun in ["hosts", "alerts"] {
        let run = edr(&[noun, "list", "--demo", "-o", "jsonl"]).ends(0);
        let records = run.records();
        identities(&records);
        let vendors: BTreeSet<&str> = records.iter().map(|r| r["vendor"].as_str().unwrap()).collect();
        assert_eq!(vendors, BTreeSet::from(["cortex", "falcon"]), "{noun}");
        for vendor in ["cortex", "falcon"] {
            assert!(records.iter().filter(|r| r["vendor"] == vendor).count() <= 200);
        }
        let outcome = run.objects().pop().unwrap();
        assert_eq!(
            (&outcome["type"], &outcome["outcome"]),
            (&Value::from("outcome"), &Value::from("complete"))
        );
        assert_eq!(outcome["items"].as_u64().unwrap(), records.len() as u64);
    }
}

#[test]
fn every_record_begins_with_its_identity_and_has_no_raw() {
    for line in edr(&["hosts", "list", "--demo", "-o", "jsonl", "--limit", "20"]).ends(0).out.lines() {
        let keys: Vec<usize> =
            ["{\"tenant\":", "\"vendor\":", "\"uid\":"].iter().map(|k| line.find(k).unwrap()).collect();
        assert!(keys[0] == 0 && keys.is_sorted(), "{line}");
        assert!(!line.contains("\"raw\":"), "{line}");
    }
    let raw = edr(&["alerts", "list", "--demo", "-o", "jsonl", "--limit", "4", "--raw"]).ends(0);
    assert!(raw.records().iter().all(|r| r["raw"].is_object()));
}

#[test]
fn a_table_fits_and_a_pipe_gets_tabs() {
    let table = run(command(&["hosts", "list", "--demo", "-o", "table"]).env("COLUMNS", "100")).ends(0);
    assert!(table.out.starts_with("TENANT "), "{}", table.out);
    assert!(table.out.lines().all(|l| l.chars().count() <= 100), "{}", table.out);
    assert!(table.out.contains("● online") && table.out.contains(" ago"), "{}", table.out);
    assert!(!table.out.contains('\u{1b}'));
    let colored = edr(&["alerts", "list", "--demo", "-o", "table", "--color", "always"]).ends(0);
    assert!(colored.out.contains("\u{1b}[31mhigh\u{1b}[0m"));
    let tabs = edr(&["hosts", "list", "--demo"]).ends(0);
    let widths: BTreeSet<usize> = tabs.out.lines().map(|l| l.split('\t').count()).collect();
    assert_eq!(widths.len(), 1, "{}", tabs.out);
    assert!(tabs.out.starts_with("tenant\tvendor\tuid\thostname\t"), "{}", tabs.out);
    assert!(tabs.last().starts_with("complete: 2 tenants, "), "{}", tabs.err);
}

#[test]
fn every_format_is_well_formed() {
    let json = edr(&["hosts", "list", "--demo", "-o", "json"]).ends(0);
    let all: Vec<Value> = serde_json::from_str(&json.out).unwrap();
    identities(&all);
    let yaml = edr(&["hosts", "list", "--demo", "-o", "yaml"]).ends(0);
    let list: Vec<serde_yaml_ng::Value> = serde_yaml_ng::from_str(&yaml.out).unwrap();
    assert_eq!(list.len(), all.len());
    let csv = edr(&["alerts", "list", "--demo", "-o", "csv"]).ends(0);
    let mut reader = csv::Reader::from_reader(csv.out.as_bytes());
    assert!(reader.records().all(|r| r.is_ok()));
    let wide = edr(&["hosts", "list", "--demo", "-o", "wide"]).ends(0);
    assert!(wide.out.contains("AGENT VERSION"), "{}", wide.out);
}

#[test]
fn limits_are_kept_and_told() {
    let hosts = edr(&["hosts", "list", "--demo", "-o", "jsonl", "--limit", "7"]).ends(0);
    let records = hosts.records();
    assert_eq!(records.len(), 7);
    let tenants: BTreeSet<&str> = records.iter().map(|r| r["tenant"].as_str().unwrap()).collect();
    assert_eq!(tenants.len(), 2, "both share the limit");
    assert!(hosts.objects().iter().any(|o| o["code"] == "cut"), "{}", hosts.err);
    let newest = |words: &[&str]| -> Vec<(String, String)> {
        let records = edr(words).ends(0).records();
        records.iter().map(|a| (text(a, "created_time"), text(a, "uid"))).collect()
    };
    let ten = newest(&["alerts", "list", "--demo", "-o", "jsonl", "--limit", "10", "--until", "1d"]);
    let mut all = newest(&["alerts", "list", "--demo", "-o", "jsonl", "--until", "1d"]);
    all.sort_by(|a, b| b.cmp(a));
    let uids = |list: &[(String, String)]| list.iter().map(|(_, uid)| uid.clone()).collect::<BTreeSet<_>>();
    assert_eq!(uids(&ten), uids(&all[..10]), "the newest of all tenants");
    assert_eq!(ten.len(), 10);
}

fn text(record: &Value, key: &str) -> String {
    record[key].as_str().unwrap().to_owned()
}

#[test]
fn filters_hold() {
    let list = |words: &[&str]| {
        let mut all = vec!["hosts", "list", "--demo", "-o", "jsonl"];
        all.extend_from_slice(words);
        edr(&all).ends(0).records()
    };
    let both = list(&["--platform", "linux,macos"]);
    assert!(
        !both.is_empty() && both.iter().all(|h| h["os"]["type"] == "linux" || h["os"]["type"] == "macos")
    );
    let online = list(&["--status", "online"]);
    assert!(!online.is_empty() && online.iter().all(|h| h["connection_state"] == "online"));
    let seen = list(&["--last-seen", "1d", "--filter", "type = server"]);
    assert!(!seen.is_empty() && seen.iter().all(|h| h["type"] == "server"));
    assert!(list(&["--filter", "hostname = nobody"]).is_empty());
    let falcon = list(&["--vendor", "falcon"]);
    assert!(!falcon.is_empty() && falcon.iter().all(|h| h["tenant"] == "falcon-1"));
}

#[test]
fn alerts_are_chosen_by_severity_status_and_time() {
    let list = |words: &[&str]| {
        let mut all = vec!["alerts", "list", "--demo", "-o", "jsonl"];
        all.extend_from_slice(words);
        edr(&all).ends(0).records()
    };
    let bad = list(&["--severity", "high+"]);
    assert!(!bad.is_empty() && bad.iter().all(|a| a["severity"] == "high" || a["severity"] == "critical"));
    let some = list(&["--severity", "low,critical", "--status", "new,in_progress"]);
    assert!(some.iter().all(|a| a["severity"] == "low" || a["severity"] == "critical"));
    assert!(some.iter().all(|a| a["status"] == "new" || a["status"] == "in_progress"));
    let (all, since, until) =
        (list(&[]).len(), list(&["--since", "10d"]).len(), list(&["--until", "10d"]).len());
    assert!(since > 0 && until > 0 && since + until == all, "{since} + {until} = {all}");
}

#[test]
fn things_are_found_by_name_and_id() {
    let first = &edr(&["hosts", "list", "--demo", "-o", "jsonl", "--limit", "1"]).ends(0).records()[0];
    let (name, uid) = (first["hostname"].as_str().unwrap(), first["uid"].as_str().unwrap());
    for term in [name, uid, &name.to_lowercase()] {
        let found = edr(&["hosts", "get", term, "--demo", "-o", "jsonl"]).ends(0).records();
        assert!(found.iter().any(|h| h["uid"] == uid), "{term}");
        let listed = edr(&["hosts", "list", "--host", term, "--demo", "-o", "jsonl"]).ends(0).records();
        assert!(listed.iter().any(|h| h["uid"] == uid), "{term}");
    }
    let card = edr(&["hosts", "get", uid, "--demo", "-o", "table"]).ends(0);
    assert!(card.out.starts_with(name) && card.out.contains("last seen"), "{}", card.out);
    let alert = &edr(&["alerts", "list", "--demo", "-o", "jsonl", "--limit", "1"]).ends(0).records()[0];
    let card = edr(&["alerts", "get", alert["uid"].as_str().unwrap(), "--demo", "-o", "table"]).ends(0);
    assert!(card.out.starts_with(alert["title"].as_str().unwrap()), "{}", card.out);
}

#[test]
fn what_is_not_there_is_5_and_what_is_half_there_is_3() {
    let none = edr(&["hosts", "get", "nobody", "no-one", "--demo"]).ends(5);
    assert!(none.err.contains("'nobody'") && none.err.contains("'no-one'"), "{}", none.err);
    assert!(none.last().starts_with("failed: 2 hosts not found"), "{}", none.err);
    let name = edr(&["hosts", "list", "--demo", "--columns", "uid", "--limit", "1"]).ends(0);
    let uid = name.out.lines().last().unwrap().to_owned();
    let half = edr(&["hosts", "get", &uid, "nobody", "--demo", "-o", "json"]).ends(3);
    assert_eq!(serde_json::from_str::<Vec<Value>>(&half.out).unwrap().len(), 1);
    assert!(half.objects().iter().any(|o| o["code"] == "not_found"), "{}", half.err);
    edr(&["alerts", "get", "nothing", "--demo", "-o", "json"]).ends(5).objects();
}

#[test]
fn a_name_that_nothing_answers_to_is_in_the_outcome() {
    let none = edr(&["hosts", "list", "--host", "nobody", "--demo", "-o", "json"]).ends(5);
    assert_eq!(none.out, "[]\n");
    let outcome = none.objects().pop().unwrap();
    assert_eq!((&outcome["not_found"], &outcome["missing"][0]), (&1.into(), &"nobody".into()));
    let name = edr(&["hosts", "list", "--demo", "--columns", "uid", "--limit", "1"]).ends(0);
    let uid = name.out.lines().last().unwrap().to_owned();
    let some = edr(&["hosts", "list", "--host", &uid, "--host", "nobody", "--demo", "-q"]).ends(3);
    assert!(some.last().starts_with("partial: 1 host not found: 'nobody'; "), "{}", some.err);
    // Neither proves that there is no such host.
    for words in
        [["hosts", "list", "--status", "lost", "--host"], ["alerts", "list", "--status", "new", "--host"]]
    {
        let run = edr(&[&words[..], &["nobody", "--demo", "-q"]].concat()).ends(0);
        assert!(run.last().ends_with("; nothing for 'nobody'"), "{}", run.err);
    }
}

#[test]
fn a_limit_that_is_the_count_leaves_nothing_open() {
    for noun in ["hosts", "alerts"] {
        let all = edr(&[noun, "list", "--demo", "-o", "jsonl"]).ends(0).records().len();
        let outcome = |limit: usize| {
            let run = edr(&[noun, "list", "--demo", "-o", "jsonl", "--limit", &limit.to_string()]).ends(0);
            let objects = run.objects();
            let cut = objects
                .iter()
                .find(|o| o["code"] == "cut")
                .map(|o| o["message"].as_str().unwrap().to_owned());
            let last = objects.last().unwrap();
            (run.records().len(), last["more"].as_bool().unwrap(), last["total"].as_u64(), cut)
        };
        assert_eq!(outcome(all), (all, false, Some(all as u64), None), "{noun}");
        let (shown, more, _, cut) = outcome(all - 1);
        assert_eq!((shown, more), (all - 1, true), "{noun}");
        assert!(cut.unwrap().starts_with(&format!("showing {} of ", all - 1)), "{noun}");
    }
}

#[test]
fn a_table_fits_a_narrow_terminal() {
    for (noun, width) in [("hosts", 60), ("hosts", 80), ("alerts", 60), ("alerts", 80)] {
        let mut table = command(&[noun, "list", "--demo", "-o", "table"]);
        let table = run(table.env("COLUMNS", width.to_string())).ends(0);
        assert!(table.out.lines().all(|l| l.chars().count() <= width), "{noun} {width}\n{}", table.out);
    }
}

#[test]
fn the_wire_log_names_every_request_and_no_secret() {
    let run = edr(&["hosts", "list", "--demo", "--debug", "--limit", "3"]).ends(0);
    let sent = run.err.lines().filter(|l| l.starts_with("debug: > ")).count();
    let answered = run.err.lines().filter(|l| l.starts_with("debug: < ")).count();
    assert!(answered >= 4 && sent >= answered, "{}", run.err);
    for says in ["falcon-1 falcon", "cortex-1 cortex", "http://127.0.0.1:", "authorization", "[redacted]"] {
        assert!(run.err.contains(says), "{says}: {}", run.err);
    }
    let mut asked = command(&["hosts", "list", "--demo", "-o", "jsonl", "--limit", "3"]);
    let objects = crate::support::run(asked.env("EDR_DEBUG", "1")).ends(0).objects();
    let debug: Vec<&Value> = objects.iter().filter(|o| o["type"] == "debug").collect();
    assert!(debug.len() >= 8, "{objects:?}");
    assert!(debug.iter().all(|o| o["tenant"].is_string() && o["operation"].is_string()), "{debug:?}");
    let quiet =
        crate::support::run(command(&["hosts", "list", "--demo", "-q"]).env("EDR_DEBUG", "0")).ends(0);
    assert_eq!(quiet.err.lines().count(), 1, "{}", quiet.err);
}

#[test]
fn columns_and_zones_are_honoured() {
    let csv = edr(&["hosts", "list", "--demo", "--columns", "hostname,os.type", "-o", "csv", "--limit", "3"])
        .ends(0);
    assert!(csv.out.starts_with("hostname,os.type\n") && csv.out.lines().count() == 4, "{}", csv.out);
    let json =
        edr(&["hosts", "list", "--demo", "--columns", "hostname", "-o", "jsonl", "--limit", "1"]).ends(0);
    let keys: Vec<String> = json.records()[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys.len(), 4, "{keys:?}");
    let zone = edr(&["alerts", "list", "--demo", "--tz", "+02:00", "-o", "jsonl", "--limit", "1"]).ends(0);
    assert!(zone.records()[0]["created_time"].as_str().unwrap().ends_with("+02:00"));
}

#[test]
fn quiet_leaves_the_outcome() {
    let run = edr(&["hosts", "list", "--demo", "-q", "--limit", "3"]).ends(0);
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert!(run.err.starts_with("complete: "));
}
