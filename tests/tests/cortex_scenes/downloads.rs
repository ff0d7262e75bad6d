//! What is too large for memory, on its way to disk.

use cortex_xdr::api::distributions::PackageForm;
use cortex_xdr::api::scripts::RunOptions;
use cortex_xdr::{Download, Endpoints};
use edr_sim::{FaultKind, FaultRule};
use futures_util::TryStreamExt as _;
use serde_json::json;

use super::World;

/// A connection that breaks half way costs nothing but the rest.
pub(super) async fn files_arrive(w: &World, link: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("files.zip");
    for fault in [FaultKind::CloseMidBody, FaultKind::OkError, FaultKind::Html] {
        w.sim.inject(vec![FaultRule::nth("v1/download/{token}", 1, fault)]).unwrap();
        let done = w.client.download(link, &Download::to(&path)).await.unwrap();
        w.sim.clear_faults();
        let zip = std::fs::read(&path).unwrap();
        assert_eq!((zip.len() as u64, done.kept), (done.bytes, 0), "{fault:?}");
        assert!(zip.starts_with(b"PK\x03\x04") && zip.len() > 200_000);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

pub(super) async fn script_files_arrive(w: &World, on: &Endpoints) {
    let scripts = w.client.scripts(cortex_xdr::Filters::new()).await.unwrap();
    let commands = scripts.iter().find(|s| s.name.as_deref() == Some("execute_commands")).unwrap();
    let values = json!({"commands_list": "ls"}).as_object().unwrap().clone();
    let uid = commands.script_uid.as_deref().unwrap();
    let run = w.client.run_script(uid, &values, on, RunOptions::default()).await.unwrap().action_id.unwrap();
    w.pass(6);
    let endpoint = w.client.script_results(&run).await.unwrap().results[0].endpoint_id.clone().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let to = Download::to(folder.path().join("script.zip"));
    let done = w.client.download_script_files(&run, &endpoint, &to).await.unwrap().unwrap();
    assert!(done.bytes > 200_000);
}

pub(super) async fn a_package_arrives(w: &World, id: &str) {
    let folder = tempfile::tempdir().unwrap();
    let to = Download::to(folder.path().join("agent.rpm"));
    assert_eq!(w.client.download_distribution(id, &PackageForm::Rpm, &to).await.unwrap().bytes, 200_000);
}

pub(super) async fn rows_arrive(w: &World, stream: &str, gzip: bool) {
    let rows = w.client.query_rows(stream, gzip).await.unwrap().into_stream();
    assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap().len(), 60);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows");
    w.client.download_query(stream, gzip, &Download::to(&path)).await.unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.starts_with(&[0x1f, 0x8b]), gzip, "a file has the bytes that were sent");
    if !gzip {
        assert_eq!(bytes.iter().filter(|b| **b == b'\n').count(), 60);
    }
}
