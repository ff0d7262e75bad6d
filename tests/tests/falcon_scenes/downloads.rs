//! Installers on their way to disk.

use edr_core::ErrorKind;
use edr_sim::{FaultKind, FaultRule, Sim};
use falcon::Download;
use falcon::api::{ListParams, sensors};

use super::{Wire, World, kind};

const NAME: &str = "DownloadSensorInstallerByIdV3";

/// So many bytes take more than one write.
const SIZE: u64 = 700_000;

pub(crate) async fn installers_are_downloaded_and_proven(wire: &Wire) {
    for ranges in [true, false] {
        let builder = Sim::builder().falcon_hosts(5).alerts(0).download_bytes(SIZE).download_ranges(ranges);
        let world = World::of(wire, builder).await;
        let c = world.client();
        let found = c.installers(&ListParams::default()).await.unwrap().resources.remove(0);
        let (id, folder) = (found.sha256.unwrap(), tempfile::tempdir().unwrap());
        let target = folder.path().join(found.name.unwrap());
        for fault in
            [FaultKind::CloseMidBody, FaultKind::WrongLength, FaultKind::TooManyBare, FaultKind::Html]
        {
            world.sim.inject(vec![FaultRule::nth(NAME, 1, fault)]).unwrap();
            let done = c.download_installer(&id, Download::to(&target)).await.unwrap();
            assert_eq!((done.bytes, &done.sha256), (SIZE, &id), "{fault:?}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no part is left behind");
            std::fs::remove_file(&target).unwrap();
            world.sim.clear_faults();
        }
        // A run that was killed has left half of it.
        c.download_installer(&id, Download::to(&target)).await.unwrap();
        let whole = std::fs::read(&target).unwrap();
        std::fs::write(folder.path().join("other.part"), &whole[..300_000]).unwrap();
        let done = c.download_installer(&id, Download::to(folder.path().join("other"))).await.unwrap();
        assert_eq!(done.kept, if ranges { 300_000 } else { 0 });
        assert_eq!(std::fs::read(folder.path().join("other")).unwrap(), whole);
    }
    let world = World::small(wire).await;
    let (c, folder) = (world.client(), tempfile::tempdir().unwrap());
    let target = folder.path().join("sensor");
    let absent = c.download_installer(&"0".repeat(64), Download::to(&target)).await;
    assert_eq!(kind(absent), ErrorKind::NotFound);
    assert_eq!(kind(c.download_installer("latest", Download::to(&target)).await), ErrorKind::InvalidRequest);
    let id = c.installer_ids(&ListParams::default()).await.unwrap().resources.remove(0);
    for version in ["v1", "v2"] {
        let path = format!("/sensors/entities/download-installer/{version}");
        let answer = c.send(http::Method::GET, &path, &[("id", &id)], None).await.unwrap();
        assert_eq!(answer.body.as_bytes().len(), 200_000);
    }
    // A redirect is nothing that the specification knows of.
    let world = World::small(&Wire::default()).await;
    let c = world.client();
    world.sim.inject(vec![FaultRule::always(NAME, FaultKind::ForeignRedirect)]).unwrap();
    let redirected = c.download_installer(&id, Download::to(&target)).await.unwrap_err();
    assert!(redirected.to_string().contains("redirect"), "{redirected}");
    assert_eq!(redirected.operation(), Some(sensors::DOWNLOAD.name));
    assert!(!target.exists());
}
