//! Scenes of malicious files: those that were taken away, and the scans that look for more.

use std::time::Duration;

use chrono::TimeDelta;
use edr_core::ErrorKind;
use edr_sim::Sim;
use falcon::api::alerts::AlertsParams;
use falcon::api::ods::{self, CpuPriority, NewScan, ScanLevel, ScanSchedule, ScanStatus};
use falcon::api::quarantine::{self, FilesParams, QuarantineAction, QuarantineState, QuarantinedFile};
use falcon::api::{AggregateKind, AggregateSpec, ListParams};

use super::{Wire, World, all, kind};

async fn file(world: &World, id: &str) -> QuarantinedFile {
    world.client().quarantined_files_by_id(&[id]).await.unwrap().found.remove(0)
}

pub(crate) async fn quarantined_files_are_read_and_released(wire: &Wire) {
    let world = World::of(wire, Sim::builder().falcon_hosts(60).alerts(200)).await;
    let c = world.client();
    let params = FilesParams { rows: ListParams { limit: Some(3), ..ListParams::filtered("*") }, q: None };
    let ids = all::<String>(c.pages(quarantine::query(&params), None)).await;
    assert!(ids.len() > 6, "{ids:?}");
    let unknown = format!("{}_{}", "0".repeat(32), "0".repeat(64));
    let found = c.quarantined_files_by_id(&[ids[4].clone(), unknown.clone(), ids[1].clone()]).await.unwrap();
    assert_eq!(
        (found.missing.as_slice(), found.found[1].id.as_ref()),
        ([unknown.clone()].as_slice(), Some(&ids[1]))
    );
    let first = &found.found[0];
    assert!(ids[4].ends_with(first.sha256.as_ref().unwrap()));
    let alerts = c.alerts_by_id(&first.alert_ids).await.unwrap();
    assert!(!alerts.found.is_empty() && alerts.missing.is_empty(), "a file is that of an alert");
    assert_eq!(alerts.found[0].agent_id, first.aid);
    let by_name = FilesParams { rows: ListParams::default(), q: first.hostname.clone() };
    assert!(c.quarantined_file_ids(&by_name).await.unwrap().resources.contains(&ids[4]));

    let asked = [ids[0].clone(), unknown];
    let done = c.order_quarantined_files(&QuarantineAction::Release, &asked, "harmless").await.unwrap();
    assert_eq!((done.done.len(), done.refused.len()), (1, 1), "{done:?}");
    assert_eq!(file(&world, &ids[0]).await.state, Some(QuarantineState::ReleasePending));
    world.sim.advance(Duration::from_secs(600));
    assert_eq!(file(&world, &ids[0]).await.state, Some(QuarantineState::Released));
    let again = c.order_quarantined_files(&QuarantineAction::Release, &ids[..1], "").await.unwrap();
    assert_eq!(again.refused[0].error.code.as_deref(), Some("400"), "it is released already");
    assert!(c.order_quarantined_files(&QuarantineAction::Unrelease, &ids[..1], "").await.unwrap().is_whole());
    assert_eq!(file(&world, &ids[0]).await.state, Some(QuarantineState::UnreleasePending));

    let counts = c.quarantine_action_counts("state:'quarantined'").await.unwrap().resources;
    let release = counts.iter().find(|a| a.name.as_deref() == Some("release")).unwrap();
    assert_eq!(release.buckets[0].count, i64::try_from(ids.len() - 1).ok());
    let by_state = AggregateSpec::new("states", AggregateKind::Terms, "state");
    let states = c.quarantined_file_counts(&by_state).await.unwrap().resources.remove(0);
    assert_eq!(states.buckets.iter().filter_map(|b| b.count).sum::<i64>(), i64::try_from(ids.len()).unwrap());

    let delete = QuarantineAction::Delete;
    assert_eq!(kind(c.order_quarantined_files_where(&delete, "*", "").await), ErrorKind::InvalidRequest);
    c.order_quarantined_files_where(&delete, "state:'quarantined'", "clean").await.unwrap();
    world.sim.advance(Duration::from_secs(600));
    let left = FilesParams { rows: ListParams::filtered("state:'deleted'"), q: None };
    assert_eq!(c.quarantined_file_ids(&left).await.unwrap().pagination().count(), Some(ids.len() as u64 - 1));
    assert!(world.log().contains(&"UpdateQfByQuery".to_owned()));
    assert!(c.alert_ids(&AlertsParams::default()).await.unwrap().resources.len() > 1);
}

pub(crate) async fn a_scan_is_started_watched_and_done(wire: &Wire) {
    let world = World::small(wire).await;
    let (c, hosts) = (world.client(), world.host_ids().await);
    assert_eq!(
        kind(c.start_scan(&NewScan::of_hosts("C:\\*", Vec::<String>::new())).await),
        ErrorKind::InvalidRequest
    );
    let mut new = NewScan::of_hosts("C:\\Users\\*", hosts.iter().take(20).cloned());
    new.settings.quarantine = Some(true);
    new.settings.cpu_priority = Some(CpuPriority::Low);
    new.settings.cloud_ml_level_detection = Some(ScanLevel::Moderate);
    new.settings.description = Some("weekly".to_owned());
    let scan = c.start_scan(&new).await.unwrap().resources.remove(0);
    let id = scan.id.clone().unwrap();
    assert_eq!(
        (scan.status, scan.cpu_priority, scan.targeted_host_count),
        (Some(ScanStatus::Pending), Some(2), Some(20))
    );
    let unknown = NewScan::of_hosts("/", ["f".repeat(32)]);
    assert_eq!(kind(c.start_scan(&unknown).await), ErrorKind::InvalidRequest);

    world.sim.advance(Duration::from_secs(45));
    let scan = c.scans_by_id(&[&id]).await.unwrap().found.remove(0);
    assert_eq!(scan.status, Some(ScanStatus::Running));
    assert!(scan.filecount.unwrap().scanned > Some(0) && scan.scan_completed_on.is_none());
    world.sim.advance(Duration::from_secs(600));
    let scan = c.scans_by_id(&[&id, &"0".repeat(32)]).await.unwrap();
    assert_eq!(scan.missing.len(), 1);
    let scan = &scan.found[0];
    assert_eq!(scan.status, Some(ScanStatus::Completed));
    assert!(scan.scan_completed_on.as_ref().unwrap().utc() > scan.scan_started_on.as_ref().unwrap().utc());

    // Version 1 has the hosts inside of the scan.
    let old = c.send(http::Method::GET, "/ods/entities/scans/v1", &[("ids", &id)], None).await.unwrap();
    assert!(String::from_utf8_lossy(old.body.as_bytes()).contains("scan_host_metadata_id"));

    let of_it = |limit| ListParams { limit: Some(limit), ..ListParams::filtered(format!("scan_id:'{id}'")) };
    let parts = all::<String>(c.pages(ods::query_hosts(&of_it(6)), None)).await;
    assert_eq!(parts.len(), 20);
    let parts = c.scan_hosts_by_id(&parts).await.unwrap().found;
    assert!(parts.iter().all(|p| hosts.contains(p.host_id.as_ref().unwrap())));
    let completed = parts.iter().filter(|p| p.status == Some(ScanStatus::Completed)).count();
    assert_eq!(i64::try_from(completed).ok(), scan.completed_host_count);
    let files = c.malicious_file_ids(&of_it(100)).await.unwrap().resources;
    let files = c.malicious_files_by_id(&files).await.unwrap().found;
    assert_eq!(i64::try_from(files.len()).ok(), scan.filecount.as_ref().unwrap().malicious);
    assert!(!files.is_empty() && files.iter().all(|f| f.quarantined == Some(true)));
    assert!(c.scan_host_ids(&of_it(3)).await.unwrap().next.is_some());

    let by_status = [AggregateSpec::new("status", AggregateKind::Terms, "status")];
    for (of, count) in [(&ods::COUNT_SCANS, 1), (&ods::COUNT_HOSTS, 20)] {
        let told = c.scan_counts(of, &by_status).await.unwrap().resources.remove(0);
        assert_eq!(told.buckets.iter().filter_map(|b| b.count).sum::<i64>(), count);
    }
    assert_eq!(
        kind(c.scan_ids(&ListParams::default()).await),
        ErrorKind::InvalidRequest,
        "a filter is wanted"
    );
}

pub(crate) async fn scans_are_cancelled_and_planned(wire: &Wire) {
    let world = World::small(wire).await;
    let (c, hosts) = (world.client(), world.host_ids().await);
    let new = NewScan::of_hosts("/*", hosts.iter().take(8).cloned());
    let id = c.start_scan(&new).await.unwrap().resources.remove(0).id.unwrap();
    world.sim.advance(Duration::from_secs(20));
    let done = c.cancel_scans(&[id.clone(), "0".repeat(32)]).await.unwrap();
    assert_eq!((done.done.len(), done.refused.len()), (1, 1), "{done:?}");
    world.sim.advance(Duration::from_secs(600));
    let scan = c.scans_by_id(&[&id]).await.unwrap().found.remove(0);
    assert_eq!((scan.status, scan.completed_host_count), (Some(ScanStatus::Canceled), Some(0)));
    assert_eq!(c.cancel_scans(&[&id]).await.unwrap().refused.len(), 1, "it is at its end");

    let group = c.host_group_ids(&ListParams::default()).await.unwrap().resources.remove(0);
    let at = ScanSchedule { interval: None, start_timestamp: world.sim.now() + TimeDelta::hours(2) };
    let planned = c.schedule_scan(&NewScan::of_group("/*", &group), &at).await.unwrap().resources.remove(0);
    let plan = planned.id.unwrap();
    assert_eq!(planned.schedule.unwrap().start_timestamp.unwrap().utc(), Some(at.start_timestamp));
    let every = ListParams::filtered("created_on:>'2000-01-01T00:00:00Z'");
    assert_eq!(c.scheduled_scan_ids(&every).await.unwrap().resources, std::slice::from_ref(&plan));
    assert_eq!(c.scheduled_scans_by_id(&[&plan]).await.unwrap().found[0].status, Some(ScanStatus::Scheduled));
    let by_status = [AggregateSpec::new("status", AggregateKind::Terms, "status")];
    assert_eq!(
        c.scan_counts(&ods::COUNT_SCHEDULED, &by_status).await.unwrap().resources[0].buckets[0].count,
        Some(1)
    );
    assert_eq!(c.scan_ids(&every).await.unwrap().resources.len(), 1);
    world.sim.advance(Duration::from_secs(3 * 3_600));
    assert_eq!(c.scan_ids(&every).await.unwrap().resources.len(), 2, "its time has come");
    assert!(c.delete_scheduled_scans(&[plan]).await.unwrap().is_whole());
    assert!(c.scheduled_scan_ids(&every).await.unwrap().resources.is_empty());
    let log = world.log();
    for operation in ["create-scan", "cancel-scans", "schedule-scan", "delete-scheduled-scans"] {
        assert!(log.contains(&operation.to_owned()), "{operation}");
    }
}
