//! A list of hosts contained in two simulated tenants, and what the simulator says about it.

#![expect(clippy::unwrap_used, reason = "these are tests: what fails here fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use edr::core::ResponseAction;
use edr::respond::{
    Confirmed, Consent, Decision, Draft, Operation, Outcome, Plan, Responder, Waiting, read_list,
};
use edr::{Config, Estate, EstateEvent, Host, HostQuery, Options, Selection};
use edr_sim::{EstateFile, Sim};
use futures_util::StreamExt as _;

async fn sim() -> Sim {
    let sim =
        Sim::builder().falcon_hosts(150).cortex_hosts(150).alerts(0).sensor_delay(Duration::from_secs(1));
    sim.start().await.unwrap()
}

fn estate(sim: &Sim) -> Estate {
    let config = Config::from_toml(&sim.config_toml()).unwrap();
    Estate::connect(&config, &Selection::all(), &Options::default()).unwrap()
}

fn responder(sim: &Sim, folder: &Path) -> Responder {
    Responder::builder(estate(sim), folder).actor("ann@soc").open().unwrap()
}

async fn hosts(sim: &Sim) -> Vec<Host> {
    let mut all = Vec::new();
    let mut events = estate(sim).hosts(HostQuery::new().with_connection());
    while let Some(event) = events.next().await {
        match event {
            EstateEvent::Items(items) => all.extend(items),
            EstateEvent::Done(done) => assert!(done.outcome.is_complete(), "{:?}", done.outcome),
            _ => {}
        }
    }
    all
}

/// What is confirmed a minute later, when every sensor that is there has done what it was told.
async fn later(sim: &Sim, responder: &Responder, plan: &Plan) -> Confirmed {
    sim.advance(Duration::from_secs(60));
    let mut waiting = Waiting::at_most(Duration::from_secs(4));
    waiting.first = Duration::from_millis(50);
    responder.confirm(&plan.id, &waiting).await.unwrap()
}

/// How often the simulator was made to contain each host.
fn log(sim: &Sim) -> BTreeMap<(String, String), usize> {
    let mut times = BTreeMap::new();
    let orders = ["PerformActionV2", "v1/endpoints/isolate"];
    for entry in sim.log().iter().filter(|entry| orders.iter().any(|o| entry.operation.contains(o))) {
        *times.entry((entry.tenant.clone(), entry.target.clone())).or_default() += 1;
    }
    times
}

fn keys(operation: &Operation, take: impl Fn(&Outcome) -> bool) -> BTreeSet<(String, String)> {
    let taken = operation.hosts.iter().filter(|h| take(&h.outcome));
    taken.map(|h| (h.host.tenant.to_string(), h.host.uid.clone())).collect()
}

fn requests(sim: &Sim) -> u64 {
    sim.requests().total
}

#[tokio::test]
async fn a_list_of_two_tenants_is_contained_exactly_and_once() {
    let (sim, folder) = (sim().await, tempfile::tempdir().unwrap());
    let all = hosts(&sim).await;
    let names: BTreeSet<&str> = all.iter().map(|h| h.hostname.as_str()).filter(|n| !n.is_empty()).collect();

    // Somebody contained a few hosts before.
    let online = |h: &&Host| h.connection_state == edr::ConnectionState::Online && h.roles.is_empty();
    let before: Vec<String> = all.iter().filter(online).take(4).map(|h| format!("{}\n", h.uid)).collect();
    let other = responder(&sim, &folder.path().join("other"));
    let resolved = other.resolve(&read_list(&before.concat()).unwrap()).await.unwrap();
    let plan = other.plan(&resolved, &Draft::contain()).await.unwrap();
    other.apply(&plan, &Consent::yes(4).confirm(4)).await.unwrap();
    let waited = later(&sim, &other, &plan).await;
    assert_eq!(waited.operation.counts().done, 4);
    let earlier = log(&sim);

    let csv = names.iter().fold("hostname,site\n".to_owned(), |text, name| text + name + ",Berlin\n");
    let responder = responder(&sim, &folder.path().join("state"));
    let start = requests(&sim);
    let resolved = responder.resolve(&read_list(&(csv + "no-such-host,Oslo\n")).unwrap()).await.unwrap();
    let looked = requests(&sim) - start;
    assert!(resolved.unread.is_empty(), "{:?}", resolved.unread);
    let draft = Draft::contain().stale_too();
    let plan = responder.plan(&resolved, &draft).await.unwrap();
    let decided = |word: &str| plan.hosts.iter().filter(|h| h.decision.as_str() == word).count();
    let already = decided("already_done");
    assert!(already >= 4, "the simulator's estate has some of its own: {already}");
    assert!(
        decided("offline") > 0 && decided("protected") > 0 && !plan.unresolved.is_empty(),
        "{:?}",
        plan.blast_radius()
    );

    let operation = responder.apply(&plan, &Consent::yes(300).confirm(plan.count())).await.unwrap();
    let confirmed = later(&sim, &responder, &plan).await;
    let counts = confirmed.operation.counts();
    println!(
        "{} names, {} requests to resolve, {} in all; {counts:?}",
        names.len() + 1,
        looked,
        requests(&sim) - start
    );

    let mut now = log(&sim);
    now.retain(|key, _| !earlier.contains_key(key));
    let acted: BTreeSet<(String, String)> = now.keys().cloned().collect();
    assert!(now.values().all(|times| *times == 1), "nobody is contained twice: {now:?}");
    assert_eq!(keys(&operation, |o| *o == Outcome::Accepted), acted);
    assert_eq!(keys(&confirmed.operation, |o| o.is_under_way() || *o == Outcome::Done), acted);
    assert_eq!((counts.already, counts.failed + counts.unknown + counts.not_sent), (already, 0));
    // Nobody claims that a host is offline of which the vendor does not say whether it is connected.
    let silent = plan.sends().filter(|h| h.connection.is_unknown()).count();
    assert_eq!((counts.pending, confirmed.timed_out), (silent, silent > 0));
    let protected = plan.hosts.iter().filter(|h| matches!(h.decision, Decision::Protected { .. }));
    assert!(protected.into_iter().all(|h| !acted.contains(&(h.host.tenant.to_string(), h.host.uid.clone()))));
    let seen = hosts(&sim).await;
    let contained = seen.iter().filter(|h| h.containment_state == edr::ContainmentState::Contained).count();
    assert_eq!(contained, counts.done + counts.already);
    let audit = responder.journal().verify().unwrap();
    assert!(audit.fault.is_none() && audit.records > 0);

    // Again: nothing is left to do, and nothing is sent.
    responder.apply(&plan, &Consent::yes(300)).await.unwrap();
    assert_eq!(log(&sim).len(), earlier.len() + acted.len());
}

#[tokio::test]
async fn a_tag_of_the_sensor_is_not_taken_for_the_tag_that_is_asked_for() {
    let file = r#"
        [[tenant]]
        vendor = "falcon"
        hosts = 2
        alerts = 0
        [[tenant.host]]
        hostname = "BY-SENSOR"
        tags = ["SensorGroupingTags/pci"]
        [[tenant.host]]
        hostname = "BY-US"
        tags = ["pci"]
    "#;
    let sim = Sim::builder().estate(EstateFile::from_toml(file).unwrap()).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let responder = responder(&sim, folder.path());
    let list = read_list("BY-SENSOR\nBY-US\n").unwrap();
    let resolved = responder.resolve(&list).await.unwrap();
    let draft = Draft::new(ResponseAction::Tag { tags: vec!["pci".to_owned()] }).stale_too();
    let plan = responder.plan(&resolved, &draft).await.unwrap();
    let decision = |name: &str| {
        let host = plan.hosts.iter().find(|h| h.host.hostname == name).unwrap();
        (host.decision.is_sent(), host.decision.as_str())
    };
    assert!(decision("BY-SENSOR").0, "{:?}", decision("BY-SENSOR"));
    assert_eq!(decision("BY-US"), (false, "already_done"));
    responder.apply(&plan, &Consent::yes(1)).await.unwrap();
    let hosts = hosts(&sim).await;
    let tagged = |h: &&Host| {
        h.tags.iter().any(|t| t.source.as_deref() == Some("FalconGroupingTags") && t.value == "pci")
    };
    assert_eq!(
        hosts.iter().filter(tagged).count(),
        2,
        "{:?}",
        hosts.iter().map(|h| &h.tags).collect::<Vec<_>>()
    );
}
