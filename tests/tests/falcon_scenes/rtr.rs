//! Real Time Response: sessions, commands, files, scripts and batches.

use std::time::Duration;

use edr_core::ErrorKind;
use edr_sim::Sim;
use edr_sim::estate::machine::Platform;
use falcon::api::rtr::{
    AuditParams, BaseCommand, Command, Content, HostResult, Level, NewPutFile, NewScript, Permission,
    ScriptChange, ScriptPlatform, SessionRecord, Version, Wait,
};
use falcon::api::{AggregateKind, AggregateSpec, ListParams};
use falcon::{Batch, BatchOptions, Download, FileSource, Ran, Session, SessionOptions};

use super::{Wire, World, all, kind};

const LONG: Duration = Duration::from_secs(60);

impl World {
    /// Hosts of a system that are on line, or not.
    fn hosts(&self, online: bool, windows: bool) -> Vec<String> {
        let estate = self.sim.estate("falcon-1").unwrap();
        let fits = |n: &u64| {
            estate.online(*n) == online && (estate.machine(*n).platform() == Platform::Windows) == windows
        };
        (0..estate.host_count()).filter(fits).map(|n| estate.host_id(n)).collect()
    }

    async fn session(&self, device: &str, queue_offline: bool) -> Session {
        let options = SessionOptions { origin: "a scene".to_owned(), queue_offline, wait: Wait::default() };
        self.client().rtr_session(device, &options).await.unwrap()
    }
}

/// What a command said, which must be done.
fn stdout(ran: Ran) -> String {
    let Ran::Done(output) = ran else { panic!("{ran:?}") };
    output.stdout
}

pub(crate) async fn a_session_runs_commands_of_every_level(wire: &Wire) {
    let world = World::small(wire).await;
    let (c, device) = (world.client(), world.hosts(true, true).remove(0));
    let session = world.session(&device, false).await;
    assert_eq!((session.head().pwd.as_deref(), session.is_queued()), (Some("C:\\"), false));
    assert!(session.head().scripts.iter().any(|s| s.command.as_deref() == Some("reg query")));
    let list = Command::ls(r"C:\Program Files");
    let ran = session.run(Level::ReadOnly, &list, LONG).await.unwrap();
    let output = ran.output().unwrap();
    assert!(output.pieces > 2 && output.stdout.starts_with("Directory of C:\\Program Files\n"), "{output:?}");
    assert_eq!(output.stdout.lines().count(), 41);
    for level in [Level::ActiveResponder, Level::Admin] {
        assert_eq!(stdout(session.run(level, &list, LONG).await.unwrap()), output.stdout);
    }
    let removed = session.run(Level::ActiveResponder, &Command::new(BaseCommand::Rm).arg("x y"), LONG).await;
    assert!(matches!(removed.unwrap(), Ran::Done(_)));
    let script = Command::raw_script("echo \"one\"\necho two");
    assert!(stdout(session.run(Level::Admin, &script, LONG).await.unwrap()).contains("echo two"));
    let failed = session.run(Level::Admin, &Command::put("nothing"), LONG).await.unwrap();
    assert_eq!(failed.output().unwrap().stderr, "no file nothing");
    // The host has no such command.
    let odd = session.run(Level::ReadOnly, &Command::new(BaseCommand::IfConfig), LONG).await;
    assert_eq!(kind(odd), ErrorKind::InvalidRequest);

    let ids: Vec<String> =
        all(c.pages(falcon::api::rtr::session_ids(&ListParams::filtered("user_id:'@me'")), None)).await;
    assert_eq!(ids, [session.id()]);
    let none = ListParams::filtered("base_command:'memdump'");
    assert!(c.rtr_session_ids(&none).await.unwrap().resources.is_empty());
    let found = c.rtr_sessions_by_id(&[session.id(), "nothing"]).await.unwrap();
    assert_eq!((found.found[0].logs.len(), found.missing), (6, vec!["nothing".to_owned()]));
    assert!(found.found[0].created_at.as_ref().unwrap().utc().is_some());
    let audit = AuditParams { with_commands: true, ..AuditParams::default() };
    let seen: Vec<SessionRecord> = all(c.pages(falcon::api::rtr::audit(&audit), None)).await;
    assert_eq!(seen[0].cloud_request_ids.len(), 6);
    assert!(c.rtr_audit(&AuditParams::default()).await.unwrap().resources[0].cloud_request_ids.is_empty());
    let spec = AggregateSpec::new("commands", AggregateKind::Terms, "base_command");
    let counts = c.rtr_count_sessions(&[spec]).await.unwrap().resources.remove(0);
    let of = |label: &str| counts.buckets.iter().find(|b| b.label.as_deref() == Some(label)).unwrap().count;
    assert_eq!(of("ls"), Some(3));

    world.sim.advance(Duration::from_secs(540));
    session.refresh().await.unwrap();
    world.sim.advance(Duration::from_secs(540));
    session.close().await.unwrap();
    assert!(c.rtr_refresh(&device, "").await.unwrap_err().is_not_found());
    let again = world.session(&device, false).await;
    world.sim.advance(Duration::from_secs(601));
    assert!(again.run(Level::ReadOnly, &list, LONG).await.unwrap_err().is_not_found(), "it slept too long");
    assert_eq!(world.log().iter().filter(|o| *o == "RTR-InitSession").count(), 2);
}

pub(crate) async fn commands_wait_for_a_host_that_is_away(wire: &Wire) {
    let world = World::small(wire).await;
    let (c, device) = (world.client(), world.hosts(false, true).remove(0));
    let refused = c.rtr_session(&device, &SessionOptions::default()).await.unwrap_err();
    assert!(refused.is_not_found() && refused.vendor_code().as_deref() == Some("40401"), "{refused:?}");
    let session = world.session(&device, true).await;
    assert!(session.is_queued());
    let run = |command: Command| {
        let session = &session;
        async move {
            match session.run(Level::ReadOnly, &command, LONG).await.unwrap() {
                Ran::Queued(ticket) => ticket,
                other => panic!("{other:?}"),
            }
        }
    };
    let (first, second) = (run(Command::new(BaseCommand::Ps)).await, run(Command::ls("C:\\")).await);
    c.rtr_delete_queued(session.id(), &second.cloud_request_id).await.unwrap();
    let waits = c.rtr_queued_by_id(&[session.id(), "nothing"]).await.unwrap();
    let states: Vec<_> = waits.found[0].commands.iter().map(|c| c.status.as_deref().unwrap()).collect();
    assert_eq!((states, waits.missing.len()), (vec!["PENDING", "CANCELLED"], 1));
    let early = session.follow(&first, Duration::from_millis(300)).await;
    assert!(matches!(early, Ran::Running { because: None, .. }), "{early:?}");
    world.sim.set_online("falcon-1", &device, true).unwrap();
    assert!(stdout(c.rtr_follow(&first, LONG).await).contains("falcon-sensor"));
    assert!(world.log().contains(&"sim/rtr".to_owned()));
}

pub(crate) async fn files_come_from_a_host(wire: &Wire) {
    let world = World::small(wire).await;
    let (c, device) = (world.client(), world.hosts(true, false).remove(0));
    let (session, folder) = (world.session(&device, false).await, tempfile::tempdir().unwrap());
    for (version, path) in [(Version::V2, "/var/log/a b.log"), (Version::V1, "/etc/passwd")] {
        let ran = session.run(Level::ActiveResponder, &Command::get(path), LONG).await.unwrap();
        let request = ran.output().unwrap().cloud_request_id.clone();
        assert_eq!(stdout(ran), path);
        let file = session.fetched(&request, LONG).await.unwrap().unwrap();
        let (target, name) = (folder.path().join("file.7z"), file.name.clone().unwrap());
        let written = session.download(&file, Download::to(&target)).await.unwrap();
        assert_eq!((name.as_str(), file.progress, written.sha256.len()), (path, Some(100.0), 64));
        let bytes = std::fs::read(&target).unwrap();
        assert!(bytes.starts_with(b"7z\xBC\xAF\x27\x1C") && bytes.len() as u64 == written.bytes);
        let listed = c.rtr_files(version, session.id()).await.unwrap().resources.remove(0);
        c.rtr_delete_file(version, session.id(), &listed.id.unwrap()).await.unwrap();
        assert!(session.files().await.unwrap().is_empty());
        let gone = session.download(&file, Download::to(folder.path().join("gone"))).await.unwrap_err();
        assert!(gone.is_not_found() && !folder.path().join("gone").exists(), "{gone:?}");
    }
}

pub(crate) async fn a_batch_says_what_became_of_each_host(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let (windows, linux, away) =
        (world.hosts(true, true), world.hosts(true, false), world.hosts(false, true));
    let hosts = [windows[1].clone(), away[0].clone(), windows[0].clone(), linux[0].clone(), "0".repeat(32)];
    let mut batch: Batch = c.rtr_batch(&hosts, &BatchOptions::default()).await.unwrap();
    assert_eq!(batch.hosts(), [&hosts[0], &hosts[2], &hosts[3]]);
    let refused: Vec<&str> = batch.opened().refused.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(refused, [&hosts[1], &hosts[4]]);
    assert_eq!(batch.opened().refused[0].error.code.as_deref(), Some("40401"));
    let list = Command::ls("/");
    for level in [Level::ReadOnly, Level::ActiveResponder, Level::Admin] {
        let ran = batch.run(level, &list).await.unwrap();
        assert!(ran.is_whole() && ran.done.iter().all(|(_, row)| row.complete == Some(true)), "{ran:?}");
    }
    let odd = batch.run(Level::ReadOnly, &Command::new(BaseCommand::IpConfig)).await.unwrap();
    assert_eq!((odd.done.len(), odd.refused[0].id.as_str()), (2, hosts[3].as_str()));
    let some = batch.run_on(Level::ReadOnly, &list, &[&hosts[3], &hosts[4]]).await.unwrap();
    assert_eq!((some.done.len(), some.unsent), (1, vec![hosts[4].clone()]));

    let fetch = batch.get("/etc/hosts").await.unwrap();
    let come = batch.fetched(&fetch, LONG).await.unwrap();
    let ids: Vec<&str> = come.found.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!((ids, come.missing.len()), (batch.hosts(), 0));
    let folder = tempfile::tempdir().unwrap();
    let file = &come.found[1].1;
    assert!(batch.download(file, Download::to(folder.path().join("x"))).await.unwrap().bytes > 1_000);

    let kept = batch.refresh(&[&hosts[2]]).await.unwrap();
    assert_eq!((kept.done.len(), batch.hosts().len()), (2, 2));
    world.sim.advance(Duration::from_secs(601));
    let over = batch.refresh(&[""; 0]).await.unwrap();
    assert_eq!(over.refused.len(), 2, "they slept too long: {over:?}");
    let slow = BatchOptions {
        queue_offline: true,
        wait: Wait { host: Some(Duration::from_millis(500)), ..Wait::default() },
    };
    let _there = world.session(&hosts[0], false).await;
    let some = c.rtr_batch(&[&hosts[0], &hosts[2]], &slow).await.unwrap();
    assert_eq!((some.hosts(), some.opened().refused.len()), (vec![hosts[0].as_str()], 1));
    let ran = some.run(Level::ReadOnly, &list).await.unwrap();
    assert_eq!(
        ran.done.len() + ran.refused.len(),
        1,
        "a host whose session began late does nothing: {ran:?}"
    );
    let mixed = c.rtr_batch(&hosts[..2], &slow).await.unwrap();
    let late = mixed.run(Level::ReadOnly, &list).await.unwrap();
    let codes = |row: &HostResult| row.errors.first().and_then(|e| e.code.clone());
    let rows: Vec<_> = late.done.iter().map(|(_, row)| (row.offline_queued, codes(row))).collect();
    assert_eq!(rows.len(), 2, "one that is too slow is at it: {late:?}");
    assert!(rows.contains(&(Some(true), None)) && rows.contains(&(Some(false), Some("40801".to_owned()))));
    // The first of them is away, and nobody else is asked for.
    let nobody = c.rtr_batch(&away[1..3], &BatchOptions::default()).await.unwrap();
    assert_eq!((nobody.ids().len(), nobody.opened().refused.len()), (0, 2));
}

pub(crate) async fn put_files_and_scripts_live_their_whole_life(wire: &Wire) {
    let world = World::small(wire).await;
    let (c, folder) = (world.client(), tempfile::tempdir().unwrap());
    let source = folder.path().join("tool.bin");
    std::fs::write(&source, vec![7_u8; 300_000]).unwrap();
    let content = Content::File(FileSource::new(&source).await.unwrap());
    let mut file = NewPutFile::new("tool.bin", "a tool", content);
    file.comments_for_audit_log = Some("for a scene".to_owned());
    let made = c.create_put_file(Version::V2, &file).await.unwrap().resources.remove(0);
    assert_eq!((made.size, made.name.as_deref()), (Some(300_000), Some("tool.bin")));
    assert_eq!(kind(c.create_put_file(Version::V2, &file).await), ErrorKind::Conflict);
    let second = NewPutFile::new("note.txt", "a note", Content::Bytes("hello".into()));
    assert!(c.create_put_file(Version::V1, &second).await.unwrap().resources.is_empty());
    let ids: Vec<String> = all(c.pages(falcon::api::rtr::put_file_ids(&ListParams::default()), None)).await;
    assert_eq!(ids.len(), 2);
    for version in [Version::V1, Version::V2] {
        let found = c.put_files_by_id(version, &[ids[0].as_str(), "nothing"]).await.unwrap();
        assert_eq!((found.found.len(), found.missing.len()), (1, 1));
    }
    let id = made.id.clone().unwrap();
    let back = Download::to(folder.path().join("back")).sha256(&made.sha256.unwrap()).unwrap();
    assert_eq!(c.download_put_file(&id, back).await.unwrap().bytes, 300_000);
    let session = world.session(&world.hosts(true, true)[0], false).await;
    assert_eq!(stdout(session.run(Level::Admin, &Command::put("tool.bin"), LONG).await.unwrap()), "");
    c.delete_put_file(&id).await.unwrap();
    assert!(c.delete_put_file(&id).await.unwrap_err().is_not_found());

    let mut script = NewScript::new("collect", "collects", Content::Bytes("Get-Process".into()));
    (script.permission, script.platforms) =
        (Permission::Private, vec![ScriptPlatform::Windows, ScriptPlatform::Linux]);
    let made = c.create_script(Version::V2, &script).await.unwrap().resources.remove(0);
    assert_eq!((made.content.as_deref(), made.platform.len()), (Some("Get-Process"), 2));
    script.name = "other".to_owned();
    c.create_script(Version::V1, &script).await.unwrap();
    let ids = c.script_ids(&ListParams::filtered("name:'collect'")).await.unwrap().resources;
    let text = || Content::Bytes("Get-Service".into());
    let mut change = ScriptChange::new(&ids[0], text());
    change.permission = Some(Permission::Public);
    let changed = c.update_script(Version::V2, &change).await.unwrap().resources.remove(0);
    assert_eq!(
        (changed.content.as_deref(), changed.permission_type),
        (Some("Get-Service"), Some(Permission::Public))
    );
    let mut renamed = ScriptChange::new(&ids[0], text());
    renamed.name = Some("gather".to_owned());
    c.update_script(Version::V1, &renamed).await.unwrap();
    for version in [Version::V1, Version::V2] {
        assert_eq!(c.scripts_by_id(version, &ids).await.unwrap().found[0].name.as_deref(), Some("gather"));
    }
    let run = Command::cloud_script("gather", Some("-Days \"3\""));
    assert_eq!(
        stdout(session.run(Level::ActiveResponder, &run, LONG).await.unwrap()),
        "gather -Days \"3\"\n"
    );
    c.delete_script(&ids[0]).await.unwrap();
    assert_eq!(c.scripts_by_id(Version::V2, &ids).await.unwrap().missing, ids);
    let brought = c.falcon_script_ids(&ListParams::default()).await.unwrap().resources;
    let found = c.falcon_scripts_by_id(&brought).await.unwrap().found;
    assert!(found.iter().any(|s| s.is_disruptive == Some(true)));
}

pub(crate) async fn each_level_of_response_names_its_scope(wire: &Wire) {
    for (scope, level, says) in [
        ("real-time-response:write", Level::ActiveResponder, "Real time response: write"),
        ("real-time-response-admin:write", Level::Admin, "Real time response (admin): write"),
    ] {
        let world = World::of(wire, Sim::builder().falcon_hosts(30).without_scope(scope)).await;
        let session = world.session(&world.hosts(true, true)[0], false).await;
        assert!(matches!(session.run(Level::ReadOnly, &Command::ls("/"), LONG).await.unwrap(), Ran::Done(_)));
        let error = session.run(level, &Command::ls("/"), LONG).await.unwrap_err();
        assert!(error.is_permission() && error.hint().unwrap().contains(says), "{error:?}");
    }
}
