//! Scenes of cases, and of the incidents that they took the place of.

use edr_core::ErrorKind;
use falcon::api::ListParams;
use falcon::api::alerts::AlertsParams;
use falcon::api::cases::{self, CaseChange, CaseFields, CaseStatus, CasesParams, NewCase};

use super::{Wire, World, all, kind};

pub(crate) async fn cases_are_read(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let params = CasesParams { rows: ListParams { limit: Some(2), ..ListParams::default() }, q: None };
    let ids = all::<String>(c.pages(cases::query(&params), None)).await;
    assert!(ids.len() > 3, "{ids:?}");
    let asked = [ids[2].clone(), "0".repeat(32), ids[0].clone()];
    let found = c.cases_by_id(&asked).await.unwrap();
    assert_eq!((found.missing.as_slice(), found.found[1].id.as_ref()), (&asked[1..2], Some(&ids[0])));
    let case = &found.found[0];
    let alerts = &case.evidence.as_ref().unwrap().alerts.as_ref().unwrap().records;
    let composite: Vec<String> = alerts.iter().filter_map(|r| r.id.clone()).collect();
    let alerts = c.alerts_by_id(&composite).await.unwrap();
    assert!(!alerts.found.is_empty() && alerts.missing.is_empty());
    let host = &case.analysis_results.as_ref().unwrap().hosts.as_ref().unwrap().records[0];
    assert!(alerts.found.iter().all(|a| a.agent_id.is_none() || a.agent_id == host.aid));
    let on_host = |q: Option<String>, filter: String| CasesParams { rows: ListParams::filtered(filter), q };
    let by_filter = on_host(None, format!("aids:'{}'", host.aid.as_ref().unwrap()));
    assert_eq!(c.case_ids(&by_filter).await.unwrap().resources, asked[..1]);
    let by_text = on_host(host.hostname.clone(), "*".to_owned());
    assert!(c.case_ids(&by_text).await.unwrap().resources.contains(&asked[0]));
}

pub(crate) async fn cases_live_their_whole_life(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let alerts =
        c.alert_ids(&AlertsParams { limit: Some(3), ..AlertsParams::default() }).await.unwrap().resources;
    let mut new = NewCase::new("from a test", 70).alerts(&alerts[..1]);
    new.tags = vec!["first".to_owned()];
    let made = c.create_case(&new).await.unwrap().resources.remove(0);
    let id = made.id.clone().unwrap();
    assert_eq!((made.status, made.severity, made.version), (Some(CaseStatus::New), Some(70), Some(1)));
    let wrong = NewCase::new("of nothing", 70).alerts(["no:such:alert"]);
    assert_eq!(kind(c.create_case(&wrong).await), ErrorKind::InvalidRequest);

    let fields =
        CaseFields { status: Some(CaseStatus::InProgress), severity: Some(90), ..CaseFields::default() };
    let change = CaseChange { expected_version: Some(1), fields, id: id.clone() };
    let changed = c.update_case(&change).await.unwrap().resources.remove(0);
    assert_eq!((changed.status, changed.version), (Some(CaseStatus::InProgress), Some(2)));
    assert_eq!(kind(c.update_case(&change).await), ErrorKind::InvalidRequest, "somebody else was faster");

    let tagged = c.tag_case(&id, &["second", "third"]).await.unwrap().resources.remove(0);
    assert_eq!(tagged.tags, ["first", "second", "third"]);
    let untagged = c.untag_case(&id, &["first", "third"]).await.unwrap().resources.remove(0);
    assert_eq!(untagged.tags, ["second"]);
    let more = c.add_case_alerts(&id, &alerts).await.unwrap().resources.remove(0);
    assert_eq!(more.evidence.unwrap().alerts.unwrap().records.len(), 3);
    let more = c.add_case_events(&id, &["event-1"]).await.unwrap().resources.remove(0);
    assert_eq!(more.evidence.unwrap().events.unwrap().records.len(), 1);

    let other = c.create_case(&NewCase::new("the other", 10)).await.unwrap().resources.remove(0).id.unwrap();
    c.merge_cases(&id, &other).await.unwrap();
    let both = c.cases_by_id(&[&id, &other]).await.unwrap().found;
    assert_eq!(both[0].status, Some(CaseStatus::Closed));
    assert_eq!(both[1].evidence.clone().unwrap().alerts.unwrap().records.len(), 3);
    assert_eq!(kind(c.tag_case(&id, &["late"]).await), ErrorKind::InvalidRequest, "it can be read alone");
    assert!(c.tag_case("nobody", &["x"]).await.unwrap_err().is_not_found());
    let log = world.log();
    let count = |name: &str| log.iter().filter(|o| *o == name).count();
    assert_eq!(count("entities.cases.put.v2"), 2);
    assert_eq!(count("entities.cases.patch.v2"), 1);
    assert_eq!(count("entities.merge.post.v1"), 2);
}

pub(crate) async fn incidents_are_gone(wire: &Wire) {
    let world = World::small(wire).await;
    let paths = ["queries/incidents/v1", "queries/behaviors/v1", "combined/crowdscores/v1"];
    for path in paths {
        let path = format!("/incidents/{path}");
        let gone = world.client().send(http::Method::GET, &path, &[], None).await;
        assert_eq!(kind(gone), ErrorKind::Unsupported, "{path}");
    }
}
