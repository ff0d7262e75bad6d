//! Children of Flight Control: as tenants of their own, and in the configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Run, Sim, command, identities, run};

const FAMILY: [&str; 6] = ["--children", "3", "--falcon-hosts", "6", "--cortex-hosts", "2"];
const LIST: &str = "queryChildren";
const TOKEN: &str = "oauth2AccessToken";

/// The configuration without tables of children; `more` is said of the parent.
fn parent(sim: &Sim, more: &str) -> PathBuf {
    sim.changed(|text| {
        let tables: Vec<&str> = text.split("\n[").filter(|t| !t.starts_with("tenants.\"falcon-1/")).collect();
        tables.join("\n[").replace("[tenants.falcon-1]\n", &format!("[tenants.falcon-1]\n{more}\n"))
    })
}

fn with(sim: &Sim, config: &Path, words: &[&str]) -> Run {
    run(command(&[]).env("XDG_STATE_HOME", sim.state()).arg("--config").arg(config).args(words))
}

/// The names of the children, as the simulator has them.
fn names(sim: &Sim) -> Vec<String> {
    let tenants = sim.ready["tenants"].as_array().unwrap().iter();
    let names = tenants.map(|t| t["name"].as_str().unwrap().to_owned());
    let mut names: Vec<String> = names.filter(|n| n.contains('/')).collect();
    names.sort();
    assert_eq!(names.len(), 3);
    names
}

/// The tenants of an outcome with how each ended.
fn ends(run: &Run) -> Vec<(String, String)> {
    let outcome = run.objects().pop().unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    outcome["tenants"].as_array().unwrap().iter().map(|t| (text(&t["tenant"]), text(&t["outcome"]))).collect()
}

fn ended(names: &[&str]) -> Vec<(String, String)> {
    names.iter().map(|n| ((*n).to_owned(), "complete".to_owned())).collect()
}

#[test]
fn every_child_is_a_tenant_with_one_token() {
    let sim = Sim::serve(&FAMILY, "[]");
    let config = parent(&sim, "children = true\ntags = ['gold']");
    let explicit = sim.edr(&["hosts", "list", "-o", "jsonl"]).ends(0).records();
    assert_eq!((identities(&explicit).len(), sim.requests(TOKEN)), (26, 4));
    let found = with(&sim, &config, &["hosts", "list", "-o", "jsonl"]).ends(0);
    assert_eq!(identities(&found.records()), identities(&explicit));
    assert_eq!((sim.requests(LIST), sim.requests(TOKEN)), (1, 4), "tokens are kept by child");
    let all = names(&sim);
    let [one, two, three] = [&*all[0], &*all[1], &*all[2]];
    let reads = |words: &[&str]| {
        let run = with(&sim, &config, &[&["hosts", "list", "-o", "jsonl"], words].concat()).ends(0);
        ends(&run)
    };
    assert_eq!(reads(&["-t", "falcon-1"]), ended(&["falcon-1"]));
    assert_eq!(sim.requests(LIST), 1, "who asks for no child has none looked up");
    assert_eq!(reads(&["-t", two]), ended(&[two]));
    assert_eq!(reads(&["--children-of", "falcon-1"]), ended(&[one, two, three]));
    assert_eq!(
        reads(&["--children-of", "falcon-1", "-t", "cortex-1"]),
        ended(&["cortex-1", one, two, three])
    );
    assert_eq!(reads(&["--tenant-tag", "gold"]), ended(&["falcon-1", one, two, three]));
    assert_eq!(reads(&["--vendor", "cortex"]), ended(&["cortex-1"]));
    assert_eq!((sim.requests(LIST), sim.requests(TOKEN)), (5, 4));
    let host = found.records().into_iter().find(|h| h["tenant"] == one).unwrap();
    let got = with(&sim, &config, &["hosts", "get", host["uid"].as_str().unwrap(), "-o", "jsonl"]).ends(0);
    assert_eq!((got.records().len(), &got.records()[0]["tenant"]), (1, &host["tenant"]));
}

#[test]
fn a_table_of_a_child_stands_for_it() {
    let sim = Sim::serve(&FAMILY, "[]");
    let all = names(&sim);
    let text = fs::read_to_string(sim.config()).unwrap();
    let config = sim.folder.path().join("both.toml");
    let both = text.replace("[tenants.falcon-1]\n", "[tenants.falcon-1]\nchildren = true\n");
    crate::support::write_private(&config, &both.replace(&all[0], "falcon-1/pinned"));
    let run = with(&sim, &config, &["hosts", "list", "-o", "jsonl", "--children-of", "falcon-1"]).ends(0);
    let mut expected = ended(&["falcon-1/pinned", &all[1], &all[2]]);
    expected.sort();
    assert_eq!(ends(&run), expected);
    assert_eq!(identities(&run.records()).len(), 18);
}

#[test]
fn children_that_cannot_be_listed_are_a_failed_tenant() {
    let rule = format!(r#"[{{"operation": "{LIST}", "always": true, "fault": "403-scope"}}]"#);
    let sim = Sim::serve(&FAMILY, &rule);
    let config = parent(&sim, "children = true");
    let listed = with(&sim, &config, &["hosts", "list", "-o", "jsonl"]).ends(3);
    assert_eq!(identities(&listed.records()).len(), 8, "the parent itself, and the other vendor");
    let failed = ("falcon-1/*".to_owned(), "failed".to_owned());
    assert_eq!(ends(&listed), [&ended(&["cortex-1", "falcon-1"])[..], &[failed]].concat());
    let error = listed.objects().into_iter().find(|o| o["type"] == "error").unwrap();
    assert_eq!((&error["code"], &error["operation"]), (&"permission".into(), &LIST.into()), "{error}");
    assert!(error.to_string().contains("Flight Control: read"), "{error}");
    with(&sim, &config, &["hosts", "list", "--children-of", "falcon-1"]).ends(4);
    let one = with(&sim, &config, &["hosts", "list", "-t", "falcon-1/any", "-o", "jsonl"]).ends(4);
    assert_eq!(ends(&one), [("falcon-1/any".to_owned(), "failed".to_owned())]);
    let doctor = with(&sim, &config, &["doctor"]).ends(3);
    assert!(doctor.out.contains("falcon-1/*"), "{}", doctor.out);
    with(&sim, &config, &["tenants", "import"]).ends(4);
}

#[test]
fn names_that_do_not_come_change_no_tenant_in_silence() {
    let rule =
        |fault: &str| format!(r#"[{{"operation": "getChildrenV2", "always": true, "fault": "{fault}"}}]"#);
    let sim = Sim::serve(&FAMILY, &rule("bad-item"));
    let config = parent(&sim, "children = true");
    let spoilt = with(&sim, &config, &["hosts", "list", "-o", "jsonl"]).ends(3);
    assert_eq!(identities(&spoilt.records()).len(), 8, "no child under another name");
    let failed = ("falcon-1/*".to_owned(), "failed".to_owned());
    assert_eq!(ends(&spoilt), [&ended(&["cortex-1", "falcon-1"])[..], &[failed]].concat());
    let sim = Sim::serve(&FAMILY, &rule("empty-page"));
    let config = parent(&sim, "children = true");
    let nameless = with(&sim, &config, &["hosts", "list", "-o", "jsonl"]).ends(0);
    assert_eq!(identities(&nameless.records()).len(), 26);
    let told = |run: &Run| run.objects().into_iter().filter(|o| o["code"] == "read").collect::<Vec<_>>();
    let warnings = told(&nameless);
    assert_eq!((warnings.len(), &warnings[0]["tenant"]), (1, &"falcon-1".into()), "{warnings:?}");
    assert!(warnings[0]["message"].as_str().unwrap().contains("no name of 3 of"), "{warnings:?}");
    let path = by_hand(&sim);
    let import = |sim: &Sim| {
        with(sim, &path, &["tenants", "import", "--children-of", "falcon-1", "-o", "jsonl"]).ends(0)
    };
    let new = import(&sim);
    assert_eq!(told(&new).len(), 3, "{}", new.err);
    let again = import(&sim);
    assert!(results(&again).iter().all(|(_, result)| result == "present"), "{}", again.out);
    let named = fs::read_to_string(&path).unwrap().replacen("tenants.\"falcon-1/", "tenants.\"falcon-1/x", 1);
    fs::write(&path, named).unwrap();
    let kept = import(&sim);
    assert!(
        results(&kept).iter().all(|(_, result)| result == "present"),
        "no name is no new name: {}",
        kept.err
    );
}

#[test]
fn a_list_that_hangs_leaves_the_others_their_time() {
    let rule = format!(
        r#"[{{"operation": "{LIST}", "always": true, "fault": {{"kind": "stall-headers", "delay_ms": 60000}}}}]"#
    );
    let sim = Sim::serve(&FAMILY, &rule);
    let config = parent(&sim, "children = true");
    let began = tokio::time::Instant::now();
    let run = with(&sim, &config, &["hosts", "list", "-o", "jsonl", "--timeout", "4s"]).ends(3);
    assert!(began.elapsed().as_secs() < 7, "{:?}", began.elapsed());
    assert_eq!(identities(&run.records()).len(), 8, "{}", run.err);
    assert!(run.err.contains("did not come within 2s"), "{}", run.err);
}

#[test]
fn names_are_exact_and_lists_send_nothing() {
    let sim = Sim::serve(&FAMILY, "[]");
    let (config, plain) = (parent(&sim, "children = true"), sim.folder.path().join("plain.toml"));
    for (words, says) in [
        (vec!["hosts", "list", "-t", "falcon-1/nobody"], "no tenant is called 'falcon-1/nobody'"),
        (vec!["hosts", "list", "-t", "cortex-1/x"], "no tenant is called 'cortex-1/x'"),
        (vec!["hosts", "list", "--children-of", "cortex-1"], "no children of 'cortex-1'"),
        (vec!["hosts", "list", "--children-of", "nobody"], "no tenant is called 'nobody'"),
        (vec!["hosts", "list", "--children-of", "falcon-1", "--all-tenants"], "cannot be used with"),
        (vec!["tenants", "list", "-t", "falcon-1/x"], "not in the configuration"),
        (vec!["tenants", "import", "-t", "falcon-1"], "--children-of"),
    ] {
        let run = with(&sim, &config, &words).ends(2);
        assert!(run.err.contains(says), "{words:?}: {}", run.err);
    }
    let before = sim.requests(LIST);
    let list = with(&sim, &config, &["tenants", "list", "-o", "jsonl"]).ends(0).records();
    assert_eq!((list.len(), &list[1]["children"]), (2, &Value::Bool(true)));
    assert_eq!(sim.requests(LIST), before, "nothing is sent");
    let test = with(&sim, &config, &["tenants", "test", "-o", "jsonl"]).ends(0).records();
    assert_eq!(test.len(), 5);
    let doctor = with(&sim, &config, &["doctor"]).ends(0);
    assert!(doctor.out.contains("3 children found"), "{}", doctor.out);
    fs::rename(parent(&sim, ""), &plain).unwrap();
    let run = with(&sim, &plain, &["hosts", "list", "--children-of", "falcon-1"]).ends(2);
    assert!(run.err.contains("edr tenants import --children-of falcon-1"), "{}", run.err);
}

/// The vendor does not list the child any more whose host is leased.
#[test]
fn a_lease_of_a_child_that_is_gone_is_told_and_hinders_nothing() {
    let (before, after) = (Sim::serve(&FAMILY, "[]"), Sim::serve(&["--children", "1"], "[]"));
    let (all, children) = (names(&before), "children = true");
    let gone = all.iter().find(|name| !after.ready["tenants"].to_string().contains(name.as_str())).unwrap();
    let (had, has) = (parent(&before, children), parent(&after, children));
    let hosts = with(&before, &had, &["hosts", "list", "-t", gone, "-o", "jsonl"]).ends(0).records();
    let plain = |h: &&Value| h["roles"].is_null() && h["containment_state"] == "normal";
    let uid = hosts.iter().find(plain).unwrap()["uid"].as_str().unwrap();
    let words = ["hosts", "contain", "-t", gone, "--host", uid, "--stale-too", "--for", "1s"];
    with(&before, &had, &[&words[..], &["--yes", "--max-hosts", "1"]].concat()).ends(0);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let run = with(&before, &has, &["respond", "run", "-o", "jsonl"]).ends(3);
    let told = |o: &Value| o["code"] == "unread" && o["tenant"] == gone.as_str();
    assert_eq!(run.objects().iter().filter(|o| told(o)).count(), 1, "{}", run.err);
    assert_eq!(run.objects().pop().unwrap()["overdue"], 1, "{}", run.err);
}

/// A configuration with a comment at either end, a mode of its own, and no end of the last line.
fn by_hand(sim: &Sim) -> PathBuf {
    let text = fs::read_to_string(parent(sim, "# the parent\ntags = [ 'gold' ]")).unwrap();
    let path = sim.folder.path().join("hand.toml");
    fs::write(&path, format!("# by hand\n{text}\n# the end")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    path
}

fn results(run: &Run) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    run.records().iter().map(|r| (text(&r["tenant"]), text(&r["result"]))).collect()
}

#[test]
fn children_are_written_into_the_configuration_once() {
    let sim = Sim::serve(&FAMILY, "[]");
    let (path, all) = (by_hand(&sim), names(&sim));
    let before = fs::read_to_string(&path).unwrap();
    let import = |words: &[&str]| {
        with(&sim, &path, &[&["tenants", "import", "--children-of", "falcon-1"], words].concat()).ends(0)
    };
    let dry = import(&["-n"]);
    assert_eq!(dry.out.lines().filter(|l| l.starts_with("+[tenants.\"falcon-1/")).count(), 3, "{}", dry.out);
    let secrets = sim.ready["tenants"].as_array().unwrap().iter().filter_map(|t| t["client_secret"].as_str());
    assert!(secrets.into_iter().all(|s| !dry.out.contains(s) && !dry.err.contains(s)), "{}", dry.out);
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    assert!(results(&import(&["-n", "-o", "jsonl"])).iter().all(|(_, result)| result == "new"));
    let added = results(&import(&["-o", "jsonl"]));
    let with_word = |word: &str| all.iter().map(|n| (n.clone(), word.to_owned())).collect::<Vec<_>>();
    assert_eq!(added, with_word("added"));
    let after = fs::read_to_string(&path).unwrap();
    assert!(after.starts_with(&format!("{before}\n")), "{after}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(results(&import(&["-o", "jsonl"])), with_word("present"));
    assert_eq!((import(&["-n"]).out.as_str(), fs::read_to_string(&path).unwrap()), ("", after.clone()));
    let asked = sim.requests(LIST);
    let listed = with(&sim, &path, &["hosts", "list", "-o", "jsonl"]).ends(0);
    assert_eq!((identities(&listed.records()).len(), sim.requests(LIST)), (26, asked));
    let below = with(&sim, &path, &["hosts", "list", "-o", "jsonl", "--children-of", "falcon-1"]).ends(0);
    assert_eq!(identities(&below.records()).len(), 18);
    let tagged = with(&sim, &path, &["hosts", "list", "-o", "jsonl", "--tenant-tag", "gold"]).ends(0);
    assert_eq!(identities(&tagged.records()).len(), 24);
}

#[test]
fn a_child_that_was_renamed_or_is_gone_is_told_and_left_alone() {
    let sim = Sim::serve(&FAMILY, "[]");
    let (path, all) = (by_hand(&sim), names(&sim));
    let import =
        || with(&sim, &path, &["tenants", "import", "--children-of", "falcon-1", "-o", "jsonl"]).ends(0);
    import();
    let text = fs::read_to_string(&path).unwrap().replace(&all[1], "falcon-1/before");
    let gone =
        format!("[tenants.\"falcon-1/gone\"]\nparent = \"falcon-1\"\nmember_cid = \"{}\"\n", "f".repeat(32));
    fs::write(&path, format!("{text}{gone}")).unwrap();
    let run = import();
    let results = results(&run);
    for (tenant, result) in [("falcon-1/before", "renamed"), ("falcon-1/gone", "gone"), (&all[0], "present")]
    {
        assert!(results.contains(&(tenant.to_owned(), result.to_owned())), "{tenant}: {results:?}");
    }
    let told: Vec<Value> = run.objects().into_iter().filter(|o| o["type"] == "warning").collect();
    assert_eq!(told.len(), 2, "{}", run.err);
    assert!(told[0]["message"].as_str().unwrap().contains(&all[1]), "{told:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{text}{gone}"));
}

#[test]
fn a_file_that_cannot_take_more_is_left_alone() {
    let sim = Sim::serve(&FAMILY, "[]");
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(parent(&sim, "")).unwrap();
    let get = |key: &str| {
        let at = text.find("[tenants.falcon-1]").unwrap();
        let line = text[at..].lines().find(|l| l.starts_with(key)).unwrap();
        line.to_owned()
    };
    let inline = format!(
        "tenants = {{ acme = {{ vendor = 'falcon', {}, {}, {} }} }}\n",
        get("base_url"),
        get("client_id"),
        get("client_secret")
    );
    let path = folder.path().join("inline.toml");
    crate::support::write_private(&path, &inline);
    let run = with(&sim, &path, &["tenants", "import", "--children-of", "acme"]).ends(1);
    assert!(run.err.contains("nothing was written"), "{}", run.err);
    assert_eq!(fs::read_to_string(&path).unwrap(), inline);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let demo = crate::support::edr(&["tenants", "import", "--demo", "--children-of", "falcon-1"]).ends(2);
    assert!(demo.err.contains("no configuration file"), "{}", demo.err);
}
