//! Scenes with the native client of Cortex XDR against the simulator, service by service, on both generations. Each is
//! a test of its own, and what goes over the wire in all of them is held against the catalogue.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

mod downloads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use cortex_xdr::api::actions::ActionId;
use cortex_xdr::api::admin::RiskKind;
use cortex_xdr::api::alert_work::{AlertUpdate, Comparison, ParsedAlert, SearchFilter};
use cortex_xdr::api::assets::{AssetFilters, ExploitLevel, FindingFilters, FindingSeverity};
use cortex_xdr::api::audits::ManagementFilters;
use cortex_xdr::api::cases::{CaseFilters, CaseProgress, CaseReason};
use cortex_xdr::api::distributions::{NewPackage, PackageForm, PackagePlatform};
use cortex_xdr::api::endpoints::{EndpointFilters, EndpointStatus};
use cortex_xdr::api::files::{FileOnEndpoint, FilePaths, RestoreOn};
use cortex_xdr::api::hashes::HashList;
use cortex_xdr::api::incidents::{IncidentStatus, IncidentUpdate};
use cortex_xdr::api::indicators::{Indicator, IndicatorFilters, IndicatorSeverity, IndicatorType};
use cortex_xdr::api::issues::{IssueReason, IssueUpdate};
use cortex_xdr::api::scripts::{RunOptions, ScriptFilters};
use cortex_xdr::api::xql::XqlQuery;
use cortex_xdr::{
    ActionState, CaseChange, CaseQuery, CortexClient, CortexXdr, Download, Endpoints, Filters, Generation,
    KeyType, PageRequest, Terminate,
};
use edr_core::ErrorKind;
use edr_core::clock::{Clock as _, SystemClock};
use edr_sim::{Access, Sim};
use edr_tests::recorder::Recorder;
use serde_json::json;

/// What carries the requests of the scenes, and remembers them, for each generation.
#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) xdr3: Arc<Recorder>,
    pub(crate) xdr5: Arc<Recorder>,
}

/// Hands the names of all scenes to a macro.
macro_rules! each_scene {
    ($then:ident) => {
        $then! {
            orders_are_carried_out_when_the_sensor_checks_in
            what_one_does_to_endpoints
            cases_are_read_changed_and_commented_on_both_generations
            the_own_words_of_each_generation
            work_on_alerts_of_xdr_3
            hashes_are_blocked_and_allowed
            indicators_are_put_there_and_refused_one_by_one
            a_script_runs_and_gives_something_back
            files_are_fetched_and_put_into_quarantine
            queries_end_well_badly_and_as_a_stream
            the_tenant_itself
            assets_and_what_was_found_on_them
            tags_are_made_and_taken_away_everywhere
            the_score_of_a_host
        }
    };
}
pub(crate) use each_scene;

const TENANT: &str = "cortex-1";

struct World {
    sim: Sim,
    client: CortexClient,
}

async fn world(wire: &Wire, generation: Generation) -> World {
    let (number, recorder) = if generation == Generation::Xdr5 { (5, &wire.xdr5) } else { (3, &wire.xdr3) };
    let builder = Sim::builder().falcon_tenants(0).cortex_hosts(60).alerts(40).cortex_generation(number);
    let sim = builder.enforce_limits(false).epoch(SystemClock.now()).start().await.unwrap();
    let tenant = &sim.tenants()[0];
    let Access::Cortex { api_key_id, api_key, .. } = &tenant.access else { panic!("not a Cortex tenant") };
    let cortex = CortexXdr::builder(TENANT, api_key_id, api_key.clone().into())
        .base_url(tenant.base_url.parse().unwrap())
        .key_type(KeyType::Advanced)
        .generation(generation)
        .requests_per_second(0.0)
        .transport(Arc::clone(recorder) as _)
        .build()
        .unwrap();
    let client = cortex.client().clone();
    World { sim, client }
}

const BOTH: [Generation; 2] = [Generation::Xdr3, Generation::Xdr5];

impl World {
    async fn endpoint(&self, status: EndpointStatus) -> String {
        let filters = EndpointFilters::new().statuses([status]).unwrap();
        let found = self.client.endpoint_listing(filters).collect().await.unwrap();
        found.items[0].endpoint_id.clone().unwrap()
    }

    async fn online(&self) -> Endpoints {
        Endpoints::ids([self.endpoint(EndpointStatus::Connected).await]).unwrap()
    }

    /// The state of an action with one endpoint.
    async fn state(&self, id: &ActionId) -> Option<ActionState> {
        self.client.action_status(id).await.unwrap().endpoints.into_values().next()
    }

    fn pass(&self, seconds: u64) {
        self.sim.advance(Duration::from_secs(seconds));
    }

    fn changes(&self, operation: &str) -> usize {
        self.sim.log().iter().filter(|m| m.operation.ends_with(operation)).count()
    }
}

pub(crate) async fn orders_are_carried_out_when_the_sensor_checks_in(wire: &Wire) {
    for generation in BOTH {
        let w = world(wire, generation).await;
        let one = w.online().await;
        let scan = w.client.scan(&one, None).await.unwrap().action_id.unwrap();
        assert_eq!(w.state(&scan).await, None, "the first answer is empty");
        assert_eq!(w.state(&scan).await, Some(ActionState::Pending));
        w.pass(3);
        assert_eq!(w.state(&scan).await, Some(ActionState::InProgress));
        w.pass(3);
        assert!(w.client.action_status(&scan).await.unwrap().is_done());
        let again = w.client.scan(&one, None).await.unwrap().action_id.unwrap();
        w.client.abort_scan(&one, None).await.unwrap();
        w.state(&again).await;
        assert_eq!(w.state(&again).await, Some(ActionState::Aborted));
        // An endpoint that is away leaves it pending until it is back.
        let away = w.endpoint(EndpointStatus::Disconnected).await;
        let order =
            w.client.isolate(&Endpoints::ids([&away]).unwrap(), None).await.unwrap().action_id.unwrap();
        w.state(&order).await;
        w.pass(3_600);
        assert_eq!(w.state(&order).await, Some(ActionState::Pending));
        w.sim.set_online(TENANT, &away, true).unwrap();
        w.pass(6);
        assert_eq!(w.state(&order).await, Some(ActionState::CompletedSuccessfully));
        let back =
            w.client.unisolate(&Endpoints::ids([&away]).unwrap(), None).await.unwrap().action_id.unwrap();
        w.state(&back).await;
        w.pass(6);
        assert_eq!(w.state(&back).await, Some(ActionState::CompletedSuccessfully));
        let gone = w.endpoint(EndpointStatus::Uninstalled).await;
        let refused = w.client.scan(&Endpoints::ids([gone]).unwrap(), None).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotFound);
        assert_eq!(w.changes("endpoints/scan"), 2);
    }
}

pub(crate) async fn what_one_does_to_endpoints(wire: &Wire) {
    for generation in BOTH {
        let w = world(wire, generation).await;
        let (id, one) = (w.endpoint(EndpointStatus::Connected).await, w.online().await);
        w.client.set_alias(&one, "front desk").await.unwrap();
        w.client.assign_tag(&one, "edr-test").await.unwrap();
        w.client.remove_tag(&one, "edr-test").await.unwrap();
        assert!(w.client.policy(&id).await.unwrap().ends_with("Default"));
        assert_eq!(w.client.violations(Filters::new()).collect().await.unwrap().items.len(), 3);
        w.client.delete_endpoints(&one).await.unwrap();
        assert_eq!(
            (w.changes("update_agent_name"), w.changes("agents/assign"), w.changes("endpoints/delete")),
            (1, 1, 1)
        );
        let end = w.client.terminate(&id, &Terminate::Process("i".into()), None).await;
        let versions = BTreeMap::from([("linux".to_owned(), "8.5".to_owned())]);
        let upgrade = w.client.upgrade(&one, &versions).await;
        match generation {
            Generation::Xdr5 => assert!(end.is_err() && upgrade.is_ok()),
            _ => {
                assert!(end.is_ok() && upgrade.is_err());
                let chain = Terminate::Causality("c".into());
                assert!(w.client.terminate(&id, &chain, None).await.unwrap().action_id.is_some());
            }
        }
    }
}

pub(crate) async fn cases_are_read_changed_and_commented_on_both_generations(wire: &Wire) {
    for generation in BOTH {
        let w = world(wire, generation).await;
        let all = w.client.all_cases(&CaseQuery::default()).await.unwrap().collect().await.unwrap();
        assert_eq!(all.cases.len(), 10);
        assert!(all.cases.windows(2).all(|pair| pair[0].created <= pair[1].created), "oldest first");
        let id = all.cases[3].id.clone();
        w.client.change_case(&id, &CaseChange::Begin).await.unwrap();
        assert_eq!(w.client.one_case(&id).await.unwrap().progress, Some(CaseProgress::InProgress));
        let change =
            CaseChange::Resolve { reason: CaseReason::FalsePositive, comment: Some("the scanner".into()) };
        w.client.change_case(&id, &change).await.unwrap();
        w.client.comment_case(&id, "told the owner").await.unwrap();
        let one = w.client.one_case(&id).await.unwrap();
        assert_eq!(
            (one.progress, one.reason, one.resolve_comment.as_deref()),
            (Some(CaseProgress::Resolved), Some(CaseReason::FalsePositive), Some("the scanner")),
            "{generation:?}"
        );
        w.client.change_case(&id, &CaseChange::Reopen).await.unwrap();
        assert_eq!(w.client.one_case(&id).await.unwrap().progress, Some(CaseProgress::New));
        assert!(w.client.change_case("999", &CaseChange::Begin).await.is_err());
    }
}

pub(crate) async fn the_own_words_of_each_generation(wire: &Wire) {
    let w = world(wire, Generation::Xdr3).await;
    let extra = w.client.incident_extra("2", None).await.unwrap();
    assert_eq!((extra.alerts.len(), extra.is_cut_off()), (4, false));
    assert!(!extra.file_artifacts.is_empty());
    let several = w.client.incidents_extra(&PageRequest::window(0, 3)).await.unwrap();
    assert_eq!(several.len(), 3);
    w.client.update_incident("2", &IncidentUpdate::new().comment("seen")).await.unwrap();
    let commented = w.client.incident_extra("2", Some(1)).await.unwrap();
    assert_eq!((commented.incident.comments.len(), commented.is_cut_off()), (1, true));
    assert_eq!(
        w.client.cases(CaseFilters::new()).collect().await.unwrap_err().kind(),
        ErrorKind::Configuration
    );
    let w = world(wire, Generation::Xdr5).await;
    w.client.comment_case("2", "seen").await.unwrap();
    assert_eq!(w.client.case_entries("2").await.unwrap()[0].contents.as_deref(), Some("seen"));
    assert!(!w.client.case_artifacts("2").await.unwrap().is_empty());
    let issue = w.client.issues(&PageRequest::window(0, 1)).await.unwrap().items[0].text("id").unwrap();
    let closed = IssueUpdate::new().resolved(IssueReason::FalsePositive).comment("seen");
    w.client.update_issue(&issue, &closed).await.unwrap();
    let nobody = w.client.update_issue("99999999", &closed).await.unwrap_err();
    assert_eq!((nobody.kind(), w.changes("issue/{issue-id}")), (ErrorKind::NotFound, 1));
    let new = CaseFilters::new().progress([CaseProgress::New]).unwrap();
    assert!(w.client.cases(new).collect().await.unwrap().items.len() < 10);
    assert_eq!(w.client.incident_extra("2", None).await.unwrap_err().kind(), ErrorKind::Configuration);
}

pub(crate) async fn work_on_alerts_of_xdr_3(wire: &Wire) {
    let w = world(wire, Generation::Xdr3).await;
    let found = w.client.alerts_by_filter_data(&[], 0, 100).await.unwrap();
    assert_eq!((found.items.len(), found.total), (40, Some(40)));
    let id = found.items[0].text("alert_id").unwrap();
    let one = SearchFilter::new("internal_id", Comparison::Equals, id.parse::<u64>().unwrap());
    assert_eq!(w.client.alerts_by_filter_data(&[one], 0, 100).await.unwrap().items.len(), 1);
    let originals = w.client.original_alerts(&[id.parse().unwrap()]).await.unwrap();
    assert_eq!(originals[0].record.text("alert_id").as_deref(), Some(id.as_str()));
    let update = AlertUpdate::new().status(IncidentStatus::UnderInvestigation).comment("mine");
    assert_eq!(w.client.update_alerts(std::slice::from_ref(&id), &update).await.unwrap(), [id]);
    let at: DateTime<Utc> = SystemClock.now();
    let own = ParsedAlert::new(
        ("Acme", "Wall"),
        "Odd",
        at,
        ("10.0.0.1".parse().unwrap(), 80),
        ("10.0.0.2".parse().unwrap(), 443),
    );
    w.client.insert_parsed_alerts(&[own]).await.unwrap();
    w.client.insert_cef_alerts(&["CEF:0|Acme|Wall|1|7|Odd|5|src=10.0.0.1".into()]).await.unwrap();
    assert_eq!((w.changes("insert_parsed_alerts"), w.changes("insert_cef_alerts")), (1, 1));
}

pub(crate) async fn hashes_are_blocked_and_allowed(wire: &Wire) {
    for generation in BOTH {
        let w = world(wire, generation).await;
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let done =
            w.client.change_hashes(HashList::Block, std::slice::from_ref(&a), Some("bad")).await.unwrap();
        assert_eq!(done.added, std::slice::from_ref(&a));
        let done = w.client.change_hashes(HashList::Allow, &[a.clone(), b.clone()], None).await.unwrap();
        assert_eq!((done.added, done.excluded), (vec![b.clone()], vec![a.clone()]));
        let twice =
            w.client.change_hashes(HashList::Block, std::slice::from_ref(&a), None).await.unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::Conflict);
        w.client.change_hashes(HashList::Unblock, std::slice::from_ref(&a), None).await.unwrap();
        let gone = w.client.change_hashes(HashList::Unblock, &[a], None).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
        w.client.change_hashes(HashList::Unallow, &[b], None).await.unwrap();
        assert_eq!(w.changes("blocklist") + w.changes("blocklist/remove"), 2);
    }
}

pub(crate) async fn indicators_are_put_there_and_refused_one_by_one(wire: &Wire) {
    for generation in BOTH {
        let w = world(wire, generation).await;
        let good = Indicator::new("evil.example", IndicatorType::DomainName, IndicatorSeverity::High)
            .comment("a, b");
        let bad = Indicator::new("testtest.com", IndicatorType::Hash, IndicatorSeverity::High);
        for told in [
            w.client.insert_indicators(&[good.clone(), bad.clone()]).await.unwrap(),
            w.client.insert_indicators_csv(&[good, bad]).await.unwrap(),
        ] {
            assert_eq!(told.success, Some(true));
            assert_eq!(
                told.refused[0].error.as_deref(),
                Some("Got type: HASH, Indicator: testtest.com mismatch")
            );
        }
        w.client.disable_indicators(&["evil.example".into()]).await.unwrap();
        w.client.enable_indicators(&["evil.example".into()]).await.unwrap();
        w.client.disable_indicators(&["evil.example".into()]).await.unwrap();
        if generation == Generation::Xdr5 {
            let rules = w.client.indicators(IndicatorFilters::new()).collect().await.unwrap();
            assert_eq!((rules.items.len(), rules.items[0].status.as_deref()), (1, Some("DISABLED")));
            assert_eq!(rules.items[0].comment.as_deref(), Some("a, b"));
            w.client.enable_indicators(&["evil.example".into()]).await.unwrap();
            let these = IndicatorFilters::new().indicators(["evil.example"]).unwrap();
            w.client.delete_indicators(these).await.unwrap();
            assert!(w.client.indicators(Filters::new()).collect().await.unwrap().items.is_empty());
            assert_eq!(w.client.bioc_rules(Filters::new()).collect().await.unwrap().items.len(), 2);
        }
    }
}

pub(crate) async fn a_script_runs_and_gives_something_back(wire: &Wire) {
    for generation in BOTH {
        let w = world(wire, generation).await;
        let one = w.online().await;
        let named = ScriptFilters::new().names(["list_directories"]).unwrap();
        let uid = w.client.scripts(named).await.unwrap()[0].script_uid.clone().unwrap();
        let metadata = w.client.script_metadata(&uid).await.unwrap();
        assert_eq!(metadata.inputs[0].name.as_deref(), Some("path"));
        assert!(w.client.script_code(&uid).await.unwrap().starts_with("def run(path):\n    "));
        let values = json!({"path": "/"}).as_object().unwrap().clone();
        let run =
            w.client.run_script(&uid, &values, &one, RunOptions::default()).await.unwrap().action_id.unwrap();
        assert!(!w.client.script_status(&run).await.unwrap().is_over());
        w.pass(6);
        assert!(w.client.script_status(&run).await.unwrap().is_over());
        let results = w.client.script_results(&run).await.unwrap();
        assert_eq!(results.script_parameters[0].value.as_deref(), Some("/"));
        let result = &results.results[0];
        assert_eq!(result.execution_status, Some(ActionState::CompletedSuccessfully));
        assert!(result.standard_output.as_deref().unwrap().ends_with('\n'));
        assert_eq!(w.client.script_files(&run, result.endpoint_id.as_deref().unwrap()).await.unwrap(), None);
        downloads::script_files_arrive(&w, &one).await;
        let snippet = w.client.run_snippet("print(1)", &one, RunOptions::default()).await.unwrap();
        assert_eq!(snippet.endpoints_count, Some(1));
        assert!(w.client.run_script("nobody", &values, &one, RunOptions::default()).await.is_err());
    }
}

pub(crate) async fn files_are_fetched_and_put_into_quarantine(wire: &Wire) {
    for generation in BOTH {
        let w = world(wire, generation).await;
        let (id, one) = (w.endpoint(EndpointStatus::Connected).await, w.online().await);
        let paths = FilePaths::new().windows("C:\\Übung\\a.txt").linux("/etc/hosts");
        let order = w.client.retrieve_files(&one, &paths, None).await.unwrap().action_id.unwrap();
        assert_eq!(w.client.retrieval(&order).await.unwrap().links[&id], None);
        w.pass(6);
        let links = w.client.retrieval(&order).await.unwrap().links;
        let link = links[&id].as_deref().unwrap();
        downloads::files_arrive(&w, link).await;
        let (elsewhere, to) = (link.replace("127.0.0.1", "127.0.0.2"), Download::to("nothing-is-written"));
        assert_eq!(w.client.download(&elsewhere, &to).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
        let file = FileOnEndpoint { endpoint_id: id.clone(), path: "/x".into(), sha256: "c".repeat(64) };
        let held =
            async || w.client.quarantine_status(std::slice::from_ref(&file)).await.unwrap()[0].quarantined;
        w.client.quarantine(&one, "/x", &file.sha256, None).await.unwrap();
        assert_eq!(held().await, Some(false), "accepted is not done");
        w.pass(6);
        assert_eq!(held().await, Some(true));
        w.client.restore(&file.sha256, RestoreOn::Everywhere, None).await.unwrap();
        w.pass(6);
        assert_eq!(held().await, Some(false));
    }
}

pub(crate) async fn queries_end_well_badly_and_as_a_stream(wire: &Wire) {
    for generation in BOTH {
        let w = world(wire, generation).await;
        let run = w.client.start_query(&XqlQuery::new("dataset = xdr_data | limit 10")).await.unwrap();
        assert!(!run.results().await.unwrap().is_over());
        w.pass(6);
        let done = run.results().await.unwrap();
        assert_eq!((done.rows.len(), done.number_of_results), (10, Some(10)));
        assert!(done.rows[0].time("_time").is_some() && done.rows[0].text("event_sub_type").is_none());
        let broken = w.client.start_query(&XqlQuery::new("dataset = broken")).await.unwrap();
        w.pass(6);
        let failed = broken.wait(&cortex_xdr::Patience::default()).await.unwrap_err();
        assert!(failed.to_string().contains("broken was not found"), "{failed}");
        assert!(
            w.client
                .start_query(&XqlQuery::new("alter2"))
                .await
                .unwrap_err()
                .to_string()
                .contains("no viable")
        );
        for gzip in [false, true] {
            let id = done_id(&w).await;
            let rows = w.client.query_stream(&id, gzip).await.unwrap();
            assert_eq!((rows.len(), rows[0].flag("is_online")), (60, Some(true)));
            downloads::rows_arrive(&w, &id, gzip).await;
        }
        assert!(w.client.xql_quota().await.unwrap().left().is_some());
    }
}

async fn done_id(w: &World) -> String {
    let run = w.client.start_query(&XqlQuery::new("dataset = xdr_data")).await.unwrap();
    w.pass(6);
    run.id().to_owned()
}

pub(crate) async fn the_tenant_itself(wire: &Wire) {
    for generation in BOTH {
        let w = world(wire, generation).await;
        w.client.set_alias(&w.online().await, "x").await.unwrap();
        let logs = w.client.management_logs(ManagementFilters::new()).collect().await.unwrap();
        assert_eq!(logs.items[0].description.as_deref(), Some("v1/endpoints/update_agent_name"));
        assert_eq!(w.client.endpoint_list().await.unwrap().items.len(), 60);
        let reports = w.client.agent_reports(&PageRequest::window(0, 100)).await.unwrap();
        assert_eq!((reports.items.len(), reports.total), (100, Some(120)));
        assert!(reports.items.iter().all(|report| report.at.time.is_some()));
        let version = w.client.agent_versions().await.unwrap().linux[0].clone();
        let package = NewPackage::Standalone { platform: PackagePlatform::Linux, version: Some(version) };
        let id = w.client.create_distribution("p", &package, None).await.unwrap();
        assert!(w.client.distribution_url(&id, &PackageForm::Rpm).await.is_err(), "still in progress");
        w.pass(6);
        assert_eq!(w.client.distribution_status(&id).await.unwrap(), "Completed");
        assert!(w.client.distribution_url(&id, &PackageForm::Rpm).await.unwrap().ends_with(".rpm"));
        downloads::a_package_arrives(&w, &id).await;
        assert_eq!(w.client.distributions(Filters::new()).collect().await.unwrap().items.len(), 1);
        w.client.delete_distribution(&id).await.unwrap();
        let users = w.client.users().await.unwrap();
        let mail = users[0].email.clone().unwrap();
        w.client.set_user_role(&[&mail], Some("Privileged Responder")).await.unwrap();
        let role = async || w.client.users().await.unwrap()[0].role.clone();
        assert_eq!(role().await.as_deref(), Some("Privileged Responder"));
        w.client.set_user_role(&[&mail], None).await.unwrap();
        assert_eq!(role().await, None);
        assert_eq!(w.client.roles(&["Viewer"]).await.unwrap()[0].name.as_deref(), Some("Viewer"));
        assert!(!w.client.user_groups(&["SOC"]).await.unwrap()[0].users.is_empty());
        assert!(w.client.validate_key().await.unwrap());
        assert!(!w.client.tenant_info().await.unwrap().purchased.is_empty());
        assert_eq!(w.client.send("healthcheck", &json!(null)).await.unwrap()["status"], "available");
        w.sim.reset();
        assert!(w.client.management_logs(Filters::new()).collect().await.unwrap().items.is_empty());
    }
}

pub(crate) async fn assets_and_what_was_found_on_them(wire: &Wire) {
    let w = world(wire, Generation::Xdr5).await;
    let all = w.client.assets(Filters::new()).collect().await.unwrap();
    assert_eq!((all.items.len(), all.total, all.undecodable.len()), (60, Some(60), 0));
    let first = &all.items[0].value;
    assert!(first.first_observed.time.is_some() && first.last_observed.time.is_some());
    let id = first.id.as_deref().unwrap();
    assert_eq!(w.client.asset(id).await.unwrap().unwrap(), *first);
    assert_eq!(w.client.asset("nothing").await.unwrap(), None);
    let named = AssetFilters::new().names([first.name.clone().unwrap()]).unwrap();
    let found = w.client.assets(named).collect().await.unwrap();
    assert!(found.items.iter().all(|item| item.value.name == first.name));
    assert_eq!(found.total, Some(found.items.len() as u64));
    let findings = w.client.findings(Filters::new()).collect().await.unwrap();
    assert_eq!((findings.total, findings.undecodable.len()), (Some(findings.items.len() as u64), 0));
    let known: Vec<_> = findings.items.iter().map(|item| &item.value).collect();
    assert!(known.iter().all(|finding| all.items.iter().any(|item| item.value.id == finding.asset_id)));
    let high = FindingFilters::new().severities([&FindingSeverity::High]).unwrap().has_kev(true);
    let some = w.client.findings(high).collect().await.unwrap();
    let expected = known
        .iter()
        .filter(|f| f.cvss_severity == Some(FindingSeverity::High))
        .filter(|f| f.has_kev == Some(true));
    assert_eq!(some.items.len(), expected.count());
    assert!(!some.items.is_empty() && some.items.len() < known.len());
    let one = &some.items[0].value;
    assert!(one.published.time.is_some() && one.exploit_level == Some(ExploitLevel::Weaponized));
    assert_eq!(w.client.finding(one.id.as_deref().unwrap()).await.unwrap().unwrap(), *one);
    assert_eq!(w.client.finding("nothing").await.unwrap(), None);
    let stale = w.client.findings(Filters::new()).resume("stale").next().await.unwrap().unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::InvalidRequest);
    let w = world(wire, Generation::Xdr3).await;
    let absent = w.client.assets(Filters::new()).collect().await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::Configuration);
}

pub(crate) async fn tags_are_made_and_taken_away_everywhere(wire: &Wire) {
    for generation in BOTH {
        let w = world(wire, generation).await;
        let one = w.online().await;
        w.client.create_tag("seen").await.unwrap();
        assert!(w.client.create_tag("seen").await.is_err());
        w.client.assign_tag(&one, "seen").await.unwrap();
        w.client.delete_tags(&["seen"], "over").await.unwrap();
        let all = w.client.endpoint_listing(EndpointFilters::new()).collect().await.unwrap();
        assert!(all.items.iter().all(|item| !item.value.tags.iter().any(|(_, tag)| tag == "seen")));
        w.client.create_tag("seen").await.unwrap();
        assert_eq!((w.changes("tags/agents/create"), w.changes("delete_permanently")), (2, 1));
    }
}

pub(crate) async fn the_score_of_a_host(wire: &Wire) {
    let w = world(wire, Generation::Xdr3).await;
    let name = w.client.endpoint_list().await.unwrap().items[0].value.host_name.clone().unwrap();
    let risk = w.client.risk_score(&name).await.unwrap();
    assert_eq!((risk.kind, risk.id.as_deref()), (Some(RiskKind::Host), Some(name.as_str())));
    assert!(risk.score.is_some() && risk.reasons[0].created.time.is_some());
    assert!(w.client.risk_score("nobody").await.is_err());
}
