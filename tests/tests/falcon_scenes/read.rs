//! Scenes of what is known of machines beside their sensors: assets and vulnerabilities.

use std::collections::BTreeSet;
use std::time::Duration;

use edr_core::ErrorKind;
use edr_sim::Sim;
use falcon::api::discover::{
    self, Account, Application, ApplicationFacet, AssetHost, EntityType, HostFacet, Login, YesNo,
};
use falcon::api::spotlight::{self, EvaluationLogic, Vulnerability, VulnerabilityFacet, VulnerabilityStatus};
use falcon::api::{AfterParams, FacetParams, ListParams};

use super::{Wire, World, all, kind};

pub(crate) async fn assets_are_machines_software_accounts_and_logins(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let devices: BTreeSet<String> = world.host_ids().await.into_iter().collect();
    let mut whole =
        FacetParams::filtered("first_seen_timestamp:>'2000-01-01T00:00:00Z'", [HostFacet::SystemInsights]);
    whole.rows.limit = Some(25);
    let machines = all::<AssetHost>(c.pages(discover::combined_hosts(&whole), None)).await;
    let managed: BTreeSet<String> = machines.iter().filter_map(|m| m.aid.clone()).collect();
    assert_eq!(managed, devices);
    assert!(machines.iter().any(|m| m.entity_type == Some(EntityType::Unmanaged) && m.aid.is_none()));
    let of_sensor = machines.iter().find(|m| m.aid.is_some()).unwrap();
    assert!(
        of_sensor.memory_total.is_some() && of_sensor.criticality.is_none(),
        "the facet that was asked for"
    );

    let sudo =
        FacetParams::filtered("name:'sudo'", [ApplicationFacet::HostInfo, ApplicationFacet::InstallUsage]);
    let page = c.applications(&sudo).await.unwrap();
    assert!(!page.resources.is_empty() && page.next.is_none());
    assert!(page.resources.iter().all(|a| a.vendor.as_deref() == Some("Todd C. Miller")));
    let host = page.resources[0].host.as_ref().unwrap();
    assert!(devices.contains(host.aid.as_ref().unwrap()));
    let plain = c.applications(&FacetParams::filtered("name:'sudo'", [])).await.unwrap();
    assert!(plain.resources[0].host.is_none() && plain.resources[0].last_used_timestamp.is_none());
    assert_eq!(kind(c.applications(&FacetParams::default()).await), ErrorKind::InvalidRequest);
    assert_eq!(kind(c.asset_hosts(&FacetParams::default()).await), ErrorKind::InvalidRequest);

    let on_it = ListParams {
        limit: Some(2),
        ..ListParams::filtered(format!("host.aid:'{}'", host.aid.as_ref().unwrap()))
    };
    let mut ids = all::<String>(c.pages(discover::query::<Application>(&on_it), None)).await;
    assert!(ids.len() > 2, "{ids:?}");
    ids.reverse();
    let unknown = format!("{}0000", &ids[0][..ids[0].len() - 4]);
    ids.insert(1, unknown.clone());
    let found = c.assets_by_id::<Application, _>(&ids).await.unwrap();
    assert_eq!(found.missing, [unknown]);
    ids.remove(1);
    assert_eq!(found.found.iter().filter_map(|a| a.id.clone()).collect::<Vec<_>>(), ids);
}

pub(crate) async fn accounts_are_on_machines_and_log_in(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let every = ListParams::default();
    let hosts = c.asset_ids::<AssetHost>(&every).await.unwrap().resources;
    let found = c.assets_by_id::<AssetHost, _>(&hosts[..5]).await.unwrap();
    assert_eq!(found.found.len(), 5);
    let ids = all::<String>(c.pages(discover::query::<Account>(&every), None)).await;
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "an account is one on all its hosts");
    let accounts = c.assets_by_id::<Account, _>(&ids).await.unwrap();
    assert_eq!((accounts.found.len(), accounts.missing.len()), (ids.len(), 0));
    let admins = ListParams::filtered("admin_privileges:'Yes'");
    let admins = c.asset_ids::<Account>(&admins).await.unwrap().resources;
    let of_admins = accounts.found.iter().filter(|a| a.admin_privileges == Some(YesNo::Yes)).count();
    assert_eq!(admins.len(), of_admins);
    let account = &accounts.found[0];
    let logins = ListParams::filtered(format!("account_id:'{}'", account.id.as_ref().unwrap()));
    let logins = c.asset_ids::<Login>(&logins).await.unwrap().resources;
    let logins = c.assets_by_id::<Login, _>(&logins).await.unwrap();
    assert!(
        logins
            .found
            .iter()
            .all(|l| l.username == account.username && l.login_timestamp.as_ref().unwrap().utc().is_some())
    );
    assert!(!logins.found.is_empty() && logins.missing.is_empty());
}

pub(crate) async fn assets_end_at_their_cap(wire: &Wire) {
    let world = World::of(wire, Sim::builder().falcon_hosts(4_000).alerts(0)).await;
    let c = world.client();
    let beyond = ListParams { offset: 9_950, limit: Some(100), ..ListParams::default() };
    let refused = c.asset_ids::<Application>(&beyond).await.unwrap_err();
    assert!(refused.to_string().contains("less than or equal to 10000"), "{refused}");
    let last = ListParams { offset: 9_900, ..beyond };
    assert_eq!(c.asset_ids::<Application>(&last).await.unwrap().resources.len(), 100);
}

fn open() -> FacetParams<VulnerabilityFacet> {
    FacetParams::filtered("status:'open'", [])
}

pub(crate) async fn vulnerabilities_are_walked_with_their_parts(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let facets = [VulnerabilityFacet::Cve, VulnerabilityFacet::HostInfo];
    let mut params = FacetParams::filtered("status:['open','reopen','closed','expired']", facets);
    params.rows.limit = Some(20);
    params.rows.sort = Some("updated_timestamp|asc".to_owned());
    let whole = all::<Vulnerability>(c.pages(spotlight::combined(&params), None)).await;
    assert!(whole.len() > 40, "{}", whole.len());
    let described =
        |v: &Vulnerability| v.cve.as_ref().is_some_and(|c| c.base_score.is_some() && c.severity.is_some());
    assert!(whole.iter().all(described), "the facets are asked for on every page");
    assert!(whole.iter().all(|v| v.host_info.is_some()));
    assert!(whole.is_sorted_by_key(|v| v.updated_timestamp.as_ref().and_then(|t| t.utc())));
    let ids: Vec<String> = whole.iter().filter_map(|v| v.id.clone()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());

    let rows = AfterParams { limit: Some(7), ..params.rows.clone() };
    assert_eq!(all::<String>(c.pages(spotlight::query(&rows), None)).await, ids);
    let odd = format!("{}_{}", "0".repeat(32), "f".repeat(32));
    let asked = [ids[2].clone(), odd.clone(), ids[0].clone()];
    let found = c.vulnerabilities_by_id(&asked).await.unwrap();
    assert_eq!((found.missing.as_slice(), found.found.len()), ([odd].as_slice(), 2));
    assert_eq!(found.found[1].id.as_ref(), Some(&ids[0]));

    let mends = &found.found[0].remediation.as_ref().unwrap();
    assert_eq!(mends.entities[0].id.as_ref(), mends.ids.first());
    let remediations = c.remediations_by_id(&mends.ids).await.unwrap();
    assert_eq!(remediations.found, mends.entities);
    let closed = c.vulnerabilities(&FacetParams::filtered("status:'closed'", [])).await.unwrap();
    assert!(closed.resources.iter().all(|v| v.status == Some(VulnerabilityStatus::Closed)));
    assert!(closed.resources.iter().all(|v| v.closed_timestamp.as_ref().unwrap().utc().is_some()));
    let exploited =
        FacetParams::filtered("cve.is_cisa_kev:true+cve.base_score:>9", [VulnerabilityFacet::Cve]);
    let exploited = c.vulnerabilities(&exploited).await.unwrap().resources;
    let cve = exploited[0].cve.as_ref().unwrap();
    assert!(
        cve.id.as_ref().unwrap().starts_with("CVE-")
            && cve.cisa_info.as_ref().unwrap().is_cisa_kev == Some(true)
    );
}

pub(crate) async fn vulnerabilities_keep_the_services_rules(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    assert_eq!(kind(c.vulnerabilities(&FacetParams::default()).await), ErrorKind::InvalidRequest);
    let wild = FacetParams::filtered("cve.id:'CVE-2023*'", []);
    assert_eq!(kind(c.vulnerabilities(&wild).await), ErrorKind::InvalidRequest);
    let plain = c.vulnerabilities(&open()).await.unwrap().resources.remove(0);
    assert!(plain.host_info.is_none() && plain.cve.unwrap().base_score.is_none());

    // A key that rests for more than two minutes is dead.
    let mut few = open();
    few.rows.limit = Some(2);
    let next = c.vulnerabilities(&few).await.unwrap().next.unwrap();
    few.rows.after = Some(next.as_str().to_owned());
    assert_eq!(c.vulnerabilities(&few).await.unwrap().resources.len(), 2);
    world.sim.advance(Duration::from_secs(180));
    let error = c.vulnerabilities(&few).await.unwrap_err();
    assert!(error.is_cursor_expired(), "{error:?}");

    let lately = |days: u32| FacetParams::filtered(format!("last_seen_within:'{days}'"), []);
    let month = c.vulnerabilities(&lately(45)).await.unwrap().pagination().count();
    assert!(month > Some(0) && c.vulnerabilities(&lately(3)).await.unwrap().pagination().count() <= month);
}

pub(crate) async fn evaluation_logic_is_read(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let params =
        AfterParams { limit: Some(30), ..AfterParams::filtered("created_timestamp:>'2000-01-01T00:00:00Z'") };
    let whole = all::<EvaluationLogic>(c.pages(spotlight::combined_logic(&params), None)).await;
    let ids = all::<String>(c.pages(spotlight::query_logic(&params), None)).await;
    assert_eq!(whole.iter().filter_map(|l| l.id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(c.evaluation_logic(&params).await.unwrap().resources.len(), 30);
    assert_eq!(c.evaluation_logic_ids(&params).await.unwrap().resources.len(), 30);
    let one = c.evaluation_logic_by_id(&ids[..1]).await.unwrap().found.remove(0);
    let id: u64 = one.logic[0].id.as_ref().unwrap().parse().unwrap();
    assert!(id > i64::MAX as u64, "an id that no signed number holds");
    let facet = FacetParams::filtered("status:'open'", [VulnerabilityFacet::EvaluationLogic]);
    let v = c.vulnerabilities(&facet).await.unwrap().resources.remove(0);
    assert!(!v.apps[0].evaluation_logic.as_ref().unwrap().logic.is_empty());
}
