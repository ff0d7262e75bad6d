//! Orders that a host does not show by itself: a process is ended, a file is fetched and saved, a script is run. Nothing is
//! said to be done before the vendor says so.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use edr_sim::Access;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::bench::{Bench, ONLINE, Ran, given, tenant};

const OFFLINE: &str = "platform = \"linux\"\nform = \"server\"\nonline = false\ncontainment = \"normal\"";

/// Two hosts that are online and one that is not, at each vendor.
async fn bench() -> Bench {
    let hosts = |mark: &str| {
        vec![
            given(format!("{mark}-1"), ONLINE),
            given(format!("{mark}-2"), ONLINE),
            given(format!("{mark}-AWAY"), OFFLINE),
        ]
    };
    Bench::new(&(tenant("falcon", &hosts("F")) + &tenant("cortex", &hosts("C")))).await
}

/// How often commands reached hosts, in the simulator's log.
fn orders(bench: &Bench) -> usize {
    let operations = ["BatchActiveResponderCmd", "v1/endpoints/file_retrieval", "v1/scripts/run_script"];
    bench.sim.log().iter().filter(|e| operations.contains(&e.operation.as_str())).count()
}

fn outcomes(ran: &Ran) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    ran.records().iter().map(|r| (text(&r["hostname"]), text(&r["outcome"]))).collect()
}

fn told(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(host, outcome)| ((*host).to_owned(), (*outcome).to_owned())).collect()
}

/// A file that was saved: whole, with the digest that is told, and the owner's alone.
fn is_whole(record: &Value) -> Vec<u8> {
    let saved = &record["saved"];
    let path = Path::new(saved["path"].as_str().unwrap());
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(saved["bytes"].as_u64(), Some(bytes.len() as u64), "{saved}");
    let digest: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(saved["sha256"].as_str(), Some(digest.as_str()), "{saved}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_falcon_is_fetched_saved_whole_and_written_down() {
    let bench = bench().await;
    let out = bench.path("evidence");
    let fetch =
        ["hosts", "fetch-file", "-t", "falcon-1", "--path", "/tmp/x.log", "--host", "F-1", "--host", "F-2"];
    let with = |more: &[&'static str]| [&fetch[..], more].concat();

    let dry = bench.run(&with(&["--host", "F-AWAY", "-n", "-o", "json"])).await;
    let decisions: Vec<_> =
        dry.records().iter().map(|r| r["decision"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        (dry.code, decisions),
        (Some(0), vec!["act".to_owned(), "act".to_owned(), "offline".to_owned()])
    );
    bench.run(&with(&["--yes"])).await.is_refused("yes_needs_max_hosts");
    bench.run(&with(&["--yes", "--max-hosts", "1"])).await.is_refused("max_hosts");
    bench.run(&with(&["--yes", "--max-hosts", "2", "--out", "x"])).await.is_usage("--wait");
    assert_eq!(orders(&bench), 0);

    let folder = out.display().to_string();
    let apply =
        with(&["--host", "F-AWAY", "--yes", "--max-hosts", "3", "--wait", "--timeout", "30s", "-o", "json"]);
    let mut words: Vec<&str> = apply.clone();
    words.extend(["--out", &folder]);
    let ran = bench.run(&words).await;
    assert_eq!(ran.code, Some(3), "one waits for its host: {ran:?}");
    assert_eq!(outcomes(&ran), told(&[("F-1", "done"), ("F-2", "done"), ("F-AWAY", "offline")]));
    assert_eq!(orders(&bench), 3, "each was sent once");
    let outcome = ran.outcome();
    assert_eq!((outcome["saved"].as_u64(), outcome["unsaved"].as_u64()), (Some(2), Some(0)));
    let records = ran.records();
    for record in &records[..2] {
        assert!(is_whole(record).starts_with(b"7z\xBC\xAF\x27\x1C"), "an archive of 7-Zip");
        assert_eq!(record["saved"]["content_sha256"].as_str().map(str::len), Some(64));
        assert_eq!(record["saved"]["password"].as_str(), Some("infected"));
    }
    assert!(records[2]["saved"].is_null(), "nothing came from the host that is away");

    // The host comes back; another process learns it, and saves its file.
    let id = outcome["operation"].as_str().unwrap().to_owned();
    let away = records[2]["uid"].as_str().unwrap().to_owned();
    bench.sim.set_online("falcon-1", &away, true).unwrap();
    let later = ["respond", "status", &id, "--wait", "--timeout", "30s", "-o", "json", "--out", &folder];
    let ran = bench.run(&later).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(outcomes(&ran), told(&[("F-1", "done"), ("F-2", "done"), ("F-AWAY", "done")]));
    is_whole(&ran.records()[2]);
    assert_eq!(orders(&bench), 3, "nothing was sent again");

    let audit = bench.run(&["audit", "list", "--operation", &id, "-o", "json"]).await;
    let saved = audit.records().iter().filter(|r| r["event"]["event"] == "saved").count();
    assert_eq!(saved, 3, "what lies there whole is not fetched again: {audit:?}");
    assert_eq!(bench.run(&["audit", "verify"]).await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_saved_is_told_and_can_be_saved_later() {
    let bench = bench().await;
    // A file stands where the folder should be.
    let bad = bench.write("taken", "");
    let words = ["hosts", "fetch-file", "-t", "cortex-1", "--path", "/tmp/x.log", "--host", "C-1"];
    let words =
        [&words[..], &["--yes", "--max-hosts", "1", "--wait", "--timeout", "30s", "-o", "json"]].concat();
    let ran = bench.run(&[&words[..], &["--out", &bad]].concat()).await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(outcomes(&ran), told(&[("C-1", "done")]));
    let outcome = ran.outcome();
    assert_eq!((outcome["saved"].as_u64(), outcome["unsaved"].as_u64()), (Some(0), Some(1)));
    assert!(ran.err.contains("the file of") && ran.err.contains("taken"), "{ran:?}");
    let id = outcome["operation"].as_str().unwrap().to_owned();
    assert_eq!(outcome["next"], format!("edr respond status {id} --out DIR"));
    let folder = bench.path("evidence").display().to_string();
    let ran = bench.run(&["respond", "status", &id, "--out", &folder, "-o", "json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let record = &ran.records()[0];
    assert!(is_whole(record).starts_with(b"PK"), "a ZIP");
    assert!(record["saved"]["path"].as_str().unwrap().ends_with(".zip"));
    assert_eq!(orders(&bench), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_falcon_is_killed_by_its_number_and_never_later() {
    let bench = bench().await;
    let kill =
        ["hosts", "kill-process", "-t", "falcon-1", "--pid", "4242", "--host", "F-1", "--host", "F-AWAY"];
    let apply =
        [&kill[..], &["--yes", "--max-hosts", "2", "--wait", "--timeout", "30s", "-o", "json"]].concat();
    let ran = bench.run(&apply).await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(outcomes(&ran), told(&[("F-1", "done"), ("F-AWAY", "refused")]));
    let away = ran.records()[1].clone();
    assert!(away["reason"].as_str().unwrap().contains("sensor comms"), "{away}");
    bench.sim.set_online("falcon-1", away["uid"].as_str().unwrap(), true).unwrap();
    assert_eq!(orders(&bench), 1, "by then it may be the number of another process");

    let by_uid = ["hosts", "kill-process", "-t", "falcon-1", "--process", "pid:1:2", "--host", "F-1"];
    let ran = bench.run(&[&by_uid[..], &["--yes", "--max-hosts", "1", "-o", "json"]].concat()).await;
    assert!(ran.code != Some(0) && (ran.out.clone() + &ran.err).contains("by its process id"), "{ran:?}");
    let quarantine =
        ["hosts", "quarantine-file", "-t", "falcon-1", "--path", "/tmp/x", "--host", "F-1", "-n"];
    let ran = bench.run(&[&quarantine[..], &["-o", "json"]].concat()).await;
    assert_eq!(ran.records()[0]["decision"], "unsupported");
    assert!(ran.records()[0]["reason"].as_str().unwrap().contains("no order that quarantines"), "{ran:?}");
    assert_eq!(orders(&bench), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_falcon_waits_for_a_host_that_is_away() {
    let bench = bench().await;
    let words = ["hosts", "run-script", "-t", "falcon-1", "--script", "collect", "--arg", "path=/tmp"];
    let apply = ["--host", "F-1", "--host", "F-AWAY", "--yes", "--max-hosts", "2", "-o", "json"];
    let apply = [&words[..], &apply, &["--wait", "--timeout", "30s"]].concat();
    let ran = bench.run(&apply).await;
    assert!(ran.code != Some(0) && (ran.out.clone() + &ran.err).contains("no script"), "{ran:?}");
    assert_eq!(orders(&bench), 0);
    let tenants = bench.sim.tenants();
    let falcon = tenants.iter().find(|t| t.name == "falcon-1").unwrap().clone();
    tokio::task::spawn_blocking(move || make_script(&falcon.base_url, &falcon.access)).await.unwrap();
    let ran = bench.run(&apply).await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(outcomes(&ran), told(&[("F-1", "done"), ("F-AWAY", "offline")]));
    assert!(ran.outcome()["message"].as_str().unwrap().contains("1 pending because offline"), "{ran:?}");
    let journal = std::fs::read_to_string(bench.journal()).unwrap();
    assert!(!journal.contains("\"/tmp\""), "the values of parameters are not kept");

    bench.sim.set_online("falcon-1", ran.records()[1]["uid"].as_str().unwrap(), true).unwrap();
    let id = ran.outcome()["operation"].as_str().unwrap().to_owned();
    // The host is back, and has not answered yet at the first look.
    let ran = bench.run(&["respond", "status", &id, "--wait", "--timeout", "30s", "-o", "json"]).await;
    assert_eq!(outcomes(&ran), told(&[("F-1", "done"), ("F-AWAY", "done")]));
    assert_eq!(orders(&bench), 2);
}

/// Keeps a script in the tenant, by hand.
fn make_script(base: &str, access: &Access) {
    let Access::Falcon { client_id, client_secret, .. } = access else { panic!("{access:?}") };
    let form = format!("client_id={client_id}&client_secret={client_secret}");
    let token = ask(base, "/oauth2/token", "Content-Type: application/x-www-form-urlencoded", &form);
    let part = |name: &str, text: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let parts = [("name", "collect"), ("description", "d"), ("content", "ls"), ("permission_type", "public")];
    let body: String = parts.iter().map(|(name, text)| part(name, text)).collect::<String>() + "--x--\r\n";
    let bearer = token["access_token"].as_str().unwrap();
    let header = format!("Authorization: Bearer {bearer}\r\nContent-Type: multipart/form-data; boundary=x");
    let made = ask(base, "/real-time-response/entities/scripts/v1", &header, &body);
    assert!(made["errors"].as_array().is_none_or(Vec::is_empty), "{made}");
}

fn ask(base: &str, path: &str, header: &str, body: &str) -> Value {
    let host = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.0\r\nHost: {host}\r\n{header}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}
