//! Scenes with the native Falcon client against the simulator, service by service: what is made can be read, changed
//! and deleted, every change is in the simulator's log, and the service's rules are kept. Each is a test of its own,
//! and what goes over the wire in all of them is held against the specification.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod downloads;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use edr_core::{Error, ErrorKind};
use edr_sim::{Access, Sim, SimBuilder};
use edr_tests::recorder::Recorder;
use falcon::api::alerts::{self, AlertEntity, AlertStatus, AlertStep, AlertsParams};
use falcon::api::flight_control::{GroupOf, LinkParams, NewGroup, NewLink};
use falcon::api::host_groups::{GroupType, HostGroupChange, MemberAction, NewHostGroup};
use falcon::api::hosts::{self, Device, HistoryParams, HostAction, HostsParams, TagAction};
use falcon::api::iocs::{
    self, Ioc, IocAction, IocBody, IocChange, IocOptions, IocPlatform, IocSeverity, IocType, NewIoc,
};
use falcon::api::policies::{
    self, BuildStage, NewPolicy, NewScheduler, NewValue, PolicyAction, PolicyChange, PolicyKind,
    PolicyPlatform, Prevention, Response, SensorUpdate, SensorUpdateSettings, SettingChange, SliderLevel,
    UninstallProtection,
};
use falcon::api::sensors::{self, Span, UsageParams};
use falcon::api::users::{GrantAction, GrantChange, NewUser, UserAction};
use falcon::api::zero_trust::{self, Score};
use falcon::api::{AfterParams, AggregateKind, AggregateSpec, ListParams};
use falcon::{Falcon, FalconClient, PageKey, Pages, Reply};
use futures_util::TryStreamExt as _;
use secrecy::ExposeSecret as _;

pub(crate) use downloads::installers_are_downloaded_and_proven;
mod casework;
mod files;
mod read;
mod rules;

pub(crate) use casework::*;
pub(crate) use files::*;
pub(crate) use read::*;
pub(crate) use rules::*;

/// What carries a scene's requests, and remembers them.
pub(crate) type Wire = Arc<Recorder>;

/// Hands the names of all scenes to a macro.
macro_rules! each_scene {
    ($then:ident) => {
        $then! {
            hosts_are_walked_in_every_style
            hosts_are_hidden_tagged_contained_and_remembered
            groups_are_made_filled_changed_and_deleted
            alerts_are_walked_counted_and_worked_on
            indicators_live_their_whole_life
            indicators_keep_the_services_rules
            every_kind_of_policy_keeps_the_same_rules
            policies_set_what_they_are_for
            users_are_made_given_roles_and_deleted
            children_are_grouped_and_linked
            posture_is_told_for_those_that_were_assessed
            installers_and_usage_are_read
            installers_are_downloaded_and_proven
            a_session_runs_commands_of_every_level
            commands_wait_for_a_host_that_is_away
            files_come_from_a_host
            a_batch_says_what_became_of_each_host
            put_files_and_scripts_live_their_whole_life
            each_level_of_response_names_its_scope
            events_are_followed_as_they_happen
            events_are_gone_on_with_by_the_next_run
            event_sessions_are_renewed_and_begun_anew
            an_event_stream_that_breaks_off_or_falls_silent_goes_on
            holes_and_repetitions_of_an_event_stream_are_told
            event_partitions_are_read_side_by_side
            two_readers_of_one_name_cannot_read_events
            assets_are_machines_software_accounts_and_logins
            accounts_are_on_machines_and_log_in
            assets_end_at_their_cap
            vulnerabilities_are_walked_with_their_parts
            vulnerabilities_keep_the_services_rules
            evaluation_logic_is_read
            cases_are_read
            cases_live_their_whole_life
            incidents_are_gone
            quarantined_files_are_read_and_released
            a_scan_is_started_watched_and_done
            scans_are_cancelled_and_planned
            exclusions_live_their_whole_life
            installation_tokens_live_their_whole_life
            a_missing_scope_is_named
            a_reset_takes_every_change_back
        }
    };
}
pub(crate) use each_scene;

mod rtr;
pub(crate) use rtr::*;
mod events;
pub(crate) use events::*;

struct World {
    sim: Sim,
    acme: Falcon,
}

impl World {
    async fn of(wire: &Wire, builder: SimBuilder) -> Self {
        let sim =
            builder.cortex_tenants(0).epoch("2026-03-01T12:00:00Z".parse().unwrap()).start().await.unwrap();
        let tenant = sim.tenants()[0].clone();
        let Access::Falcon { client_id, client_secret, .. } = tenant.access else {
            panic!("a Falcon tenant")
        };
        let acme = Falcon::builder("acme", &client_id, client_secret.into())
            .base_url(tenant.base_url.parse().unwrap())
            .transport(Arc::clone(wire) as _)
            .build()
            .unwrap();
        Self { sim, acme }
    }

    async fn small(wire: &Wire) -> Self {
        Self::of(wire, Sim::builder().falcon_hosts(60).alerts(40)).await
    }

    fn client(&self) -> &FalconClient {
        self.acme.client()
    }

    /// The operations of the log, in order.
    fn log(&self) -> Vec<String> {
        self.sim.log().into_iter().map(|m| m.operation).collect()
    }

    async fn host_ids(&self) -> Vec<String> {
        all::<String>(self.client().pages(hosts::scroll(&HostsParams::default()), None)).await
    }
}

async fn all<T: Send + 'static>(pages: Pages<T>) -> Vec<T> {
    let pages: Vec<Reply<T>> = pages.try_collect().await.unwrap();
    pages.into_iter().flat_map(|p| p.resources).collect()
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

pub(crate) async fn hosts_are_walked_in_every_style(wire: &Wire) {
    let world = World::of(wire, Sim::builder().falcon_hosts(230).alerts(0)).await;
    let c = world.client();
    let params = HostsParams { limit: Some(100), ..HostsParams::default() };
    let whole = all::<Device>(c.pages(hosts::combined(&params), None)).await;
    let ids: Vec<String> = whole.iter().filter_map(|d| d.device_id.clone()).collect();
    assert_eq!(ids.len(), 230);
    assert_eq!(all::<String>(c.pages(hosts::scroll(&params), None)).await, ids);
    let by_offset = ListParams { limit: Some(100), ..ListParams::default() };
    assert_eq!(all::<String>(c.pages(hosts::query(&by_offset), None)).await, ids);
    let rest: Vec<String> =
        all(c.pages(hosts::query(&by_offset), Some(PageKey::from("200".to_owned())))).await;
    assert_eq!(rest, ids[200..]);
    assert!(whole[0].last_seen.as_ref().unwrap().utc().is_some());

    let mut asked = ids.clone();
    asked.reverse();
    asked.insert(3, "0".repeat(32));
    let found = c.hosts_by_id(&asked).await.unwrap();
    assert_eq!(found.missing, ["0".repeat(32)]);
    let order: Vec<String> = found.found.iter().filter_map(|d| d.device_id.clone()).collect();
    asked.remove(3);
    assert_eq!(order, asked);
}

pub(crate) async fn hosts_are_hidden_tagged_contained_and_remembered(wire: &Wire) {
    let world = World::small(wire).await;
    let (c, ids) = (world.client(), world.host_ids().await);
    let done = c.order_hosts(&HostAction::Hide, &ids[..2]).await.unwrap();
    assert!(done.is_whole(), "{done:?}");
    world.sim.advance(Duration::from_secs(120));
    let hidden = c.hidden_hosts(&HostsParams::default()).await.unwrap();
    assert_eq!(hidden.resources.len(), 2);
    assert_eq!(c.hidden_host_ids(&ListParams::default()).await.unwrap().resources.len(), 2);
    assert!(c.order_hosts(&HostAction::Unhide, &ids[..2]).await.unwrap().is_whole());

    let odd = [ids[5].clone(), "f".repeat(32)];
    let tagged = c.tag_hosts(&TagAction::Add, &odd, &["ring-one"]).await.unwrap();
    assert_eq!((tagged.done.len(), tagged.refused.len()), (1, 1), "{tagged:?}");
    let device = c.hosts_by_id(&ids[5..6]).await.unwrap().found.remove(0);
    assert!(device.tags.contains(&"FalconGroupingTags/ring-one".to_owned()));

    let contained = c.order_hosts(&HostAction::Contain, &ids[6..8]).await.unwrap();
    assert_eq!(contained.done.len() + contained.refused.len(), 2);

    let logins =
        c.login_history(&ids[..25], &HistoryParams { limit: Some(3), ..Default::default() }).await.unwrap();
    assert_eq!((logins.found.len(), logins.missing.len()), (25, 0));
    assert_eq!(logins.found[7].device_id.as_deref(), Some(ids[7].as_str()));
    let history = c.network_history(&ids[..3]).await.unwrap();
    assert!(history.found[0].history[0].timestamp.as_ref().unwrap().utc().is_some());
}

pub(crate) async fn groups_are_made_filled_changed_and_deleted(wire: &Wire) {
    let world = World::small(wire).await;
    let (c, ids) = (world.client(), world.host_ids().await);
    let bad = NewHostGroup::new("bad", GroupType::Static).rule("hostname:'a'");
    assert_eq!(kind(c.create_host_groups(&[bad]).await), ErrorKind::InvalidRequest);
    let made = c.create_host_groups(&[NewHostGroup::new("ring", GroupType::StaticById)]).await.unwrap();
    let group = made.resources[0].id.clone().unwrap();
    assert_eq!(made.resources[0].group_type, Some(GroupType::StaticById));
    let done = c.change_host_group(&MemberAction::Add, &group, &ids[..4]).await.unwrap();
    assert!(done.is_whole(), "{done:?}");
    world.sim.advance(Duration::from_secs(120));
    let members = c.host_group_member_ids(&group, &ListParams::default()).await.unwrap();
    assert_eq!(members.resources.len(), 4);
    let change =
        HostGroupChange { id: group.clone(), name: Some("ring two".to_owned()), ..Default::default() };
    let changed = c.update_host_groups(&[change]).await.unwrap();
    assert_eq!(changed.resources[0].name.as_deref(), Some("ring two"));

    // A group that a policy has is not deleted.
    let policy = made_policy::<Prevention>(c, "holds a group", PolicyPlatform::Windows).await;
    let add = PolicyAction::AddHostGroup(group.clone());
    assert!(c.change_policies::<Prevention>(&add, &[&policy]).await.unwrap().is_whole());
    let held = c.delete_host_groups(&[&group]).await.unwrap();
    assert_eq!(held.refused[0].error.code.as_deref(), Some("409"));
    let remove = PolicyAction::RemoveHostGroup(group.clone());
    c.change_policies::<Prevention>(&remove, &[&policy]).await.unwrap();
    let gone = c.delete_host_groups(&[group.clone(), "0".repeat(32)]).await.unwrap();
    assert_eq!((gone.done.len(), gone.refused.len()), (1, 1), "{gone:?}");
    assert_eq!(c.host_groups_by_id(std::slice::from_ref(&group)).await.unwrap().missing, [group]);
    assert!(world.log().contains(&"deleteHostGroups".to_owned()));
}

pub(crate) async fn alerts_are_walked_counted_and_worked_on(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let params = AlertsParams { limit: Some(15), ..AlertsParams::default() };
    let whole = all::<AlertEntity>(c.pages(alerts::combined(&params), None)).await;
    assert_eq!(whole.len(), 40);
    let id = whole[0].composite_id.clone().unwrap();
    let steps = [AlertStep::SetStatus(AlertStatus::Closed), AlertStep::AddTag("false_positive".to_owned())];
    assert!(c.update_alerts(&[&id], &steps).await.unwrap().is_whole());
    world.sim.advance(Duration::from_secs(120));
    let alert = c.alerts_by_id(&[&id]).await.unwrap().found.remove(0);
    assert_eq!(alert.status, Some(falcon::api::alerts::AlertStatus::Closed));
    assert!(alert.tags.contains(&"false_positive".to_owned()));

    let by_severity = AggregateSpec::new("severity", AggregateKind::Terms, "severity_name");
    let products = AggregateSpec::new("products", AggregateKind::Cardinality, "product");
    let reply = c.alert_counts(&[by_severity, products]).await.unwrap();
    let terms = reply.resources.iter().find(|a| a.name.as_deref() == Some("severity")).unwrap();
    assert_eq!(terms.buckets.iter().filter_map(|b| b.count).sum::<i64>(), 40);
}

fn hash(n: u32) -> NewIoc {
    let body = IocBody::everywhere(&[IocPlatform::Windows, IocPlatform::Linux], IocAction::Prevent);
    let body = body.severity(IocSeverity::High).file_name("dropper.exe");
    NewIoc { kind: IocType::Sha256, value: format!("{n:064x}"), body }
}

pub(crate) async fn indicators_live_their_whole_life(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let options = IocOptions { comment: Some("test".to_owned()), ..IocOptions::default() };
    let new: Vec<NewIoc> = (0..250).map(hash).collect();
    let made = c.create_iocs(&new, &options).await.unwrap();
    assert_eq!(made.resources.len(), 250);
    assert_eq!(made.resources[0].severity, Some(IocSeverity::High));

    // One that is there makes the whole call fail, and nothing is made.
    let error = c.create_iocs(&[hash(999), hash(3)], &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    let ignoring = IocOptions { ignore_warnings: true, ..options.clone() };
    assert_eq!(c.create_iocs(&[hash(999), hash(3)], &ignoring).await.unwrap().resources.len(), 1);

    let params =
        AfterParams { limit: Some(100), sort: Some("value.asc".to_owned()), ..AfterParams::default() };
    let listed = all::<Ioc>(c.pages(iocs::combined(&params), None)).await;
    assert_eq!(listed.len(), 251, "an `after` comes with the last page, too");
    let ids: Vec<String> = listed.iter().filter_map(|i| i.id.clone()).collect();
    assert_eq!(all::<String>(c.pages(iocs::query(&params), None)).await, ids);
    let found = c.iocs_by_id(&ids).await.unwrap();
    assert_eq!((found.found.len(), found.missing.len()), (251, 0));
    assert_eq!(found.found[17].id.as_ref(), Some(&ids[17]));

    let body = IocBody::default().until(world.sim.now() + TimeDelta::hours(1));
    let changed = c.update_iocs(&[IocChange { id: ids[0].clone(), body }], &options).await.unwrap();
    assert_eq!(
        changed.resources[0].expiration.as_ref().unwrap().utc(),
        Some(world.sim.now() + TimeDelta::hours(1))
    );
    world.sim.advance(Duration::from_secs(7_200));
    let over = c.iocs_by_id(&ids[..1]).await.unwrap().found.remove(0);
    assert_eq!((over.expired, over.action), (Some(true), Some(IocAction::NoAction)));

    let wide = IocBody { description: Some("all".to_owned()), ..IocBody::default() };
    let bulk = c.update_iocs_where("type:'sha256'+expired:false", &wide, &options).await.unwrap();
    assert_eq!(bulk.resources.len(), 250);
    assert_eq!(kind(c.update_iocs_where(" ", &wide, &options).await), ErrorKind::InvalidRequest);
    assert_eq!(kind(c.delete_iocs_where("", None).await), ErrorKind::InvalidRequest);

    let gone = c.delete_iocs(&[ids[0].clone(), "0".repeat(64)], Some("over")).await.unwrap();
    assert_eq!((gone.done.len(), gone.refused.len()), (1, 1));
    assert_eq!(c.delete_iocs_where("type:'sha256'", None).await.unwrap().resources.len(), 250);
    assert_eq!(c.iocs(&AfterParams::default()).await.unwrap().resources.len(), 0);
    let log = world.log();
    let count = |name: &str| log.iter().filter(|o| *o == name).count();
    assert_eq!(count("indicator.create.v1"), 251);
    assert_eq!(count("indicator.update.v1"), 251);
    assert_eq!(count("indicator.delete.v1"), 251);
}

pub(crate) async fn indicators_keep_the_services_rules(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let domain = |action: IocAction| NewIoc {
        kind: IocType::Domain,
        value: "bad.example".to_owned(),
        body: IocBody::everywhere(&[IocPlatform::Windows], action),
    };
    let options = IocOptions::default();
    let refused = [
        domain(IocAction::Prevent),
        domain(IocAction::Detect),
        NewIoc { value: "short".to_owned(), ..hash(1) },
        NewIoc { kind: IocType::Other("sha1".to_owned()), ..hash(1) },
        NewIoc { body: IocBody::everywhere(&[IocPlatform::Ios], IocAction::NoAction), ..hash(1) },
        NewIoc { body: hash(1).body.until(world.sim.now() - TimeDelta::days(1)), ..hash(1) },
        NewIoc { body: IocBody { applied_globally: Some(false), ..hash(1).body }, ..hash(1) },
    ];
    for ioc in refused {
        assert_eq!(
            kind(c.create_iocs(std::slice::from_ref(&ioc), &options).await),
            ErrorKind::InvalidRequest,
            "{ioc:?}"
        );
    }
    let good = domain(IocAction::Detect);
    let good = NewIoc { body: good.body.clone().severity(IocSeverity::Low), ..good };
    assert_eq!(c.create_iocs(&[good], &options).await.unwrap().resources.len(), 1);
    let words: Vec<String> = c.ioc_words(&iocs::TYPES).await.unwrap().resources;
    assert!(words.contains(&"all_subdomains".to_owned()));
    for (list, word) in
        [(&iocs::ACTIONS, "prevent_no_ui"), (&iocs::PLATFORMS, "linux"), (&iocs::SEVERITIES, "critical")]
    {
        assert!(c.ioc_words(list).await.unwrap().resources.contains(&word.to_owned()), "{word}");
    }
    let actions = c.ioc_actions(&["detect", "nothing"]).await.unwrap();
    assert_eq!((actions.found.len(), actions.missing.len()), (1, 1));
    assert!(!actions.found[0].platforms_by_type.0.is_empty());
    let count = c.ioc_device_count(&IocType::Domain, "bad.example").await.unwrap();
    assert_eq!(count.resources[0].device_count, Some(0));
    assert!(
        c.ioc_devices(&IocType::Domain, "bad.example", &ListParams::default()).await.unwrap().next.is_none()
    );
    let device = world.host_ids().await.remove(0);
    let page = ListParams::default();
    let processes = c.ioc_processes(&IocType::Domain, "bad.example", &device, &page).await.unwrap();
    assert!(processes.resources.is_empty());
}

async fn made_policy<P: PolicyKind>(c: &FalconClient, name: &str, platform: PolicyPlatform) -> String {
    let made = c.create_policies::<P>(&[NewPolicy::new(name, platform)]).await.unwrap();
    falcon::Identified::uid(&made.resources[0]).unwrap().to_owned()
}

async fn policy_rules<P: PolicyKind>(world: &World) {
    let c = world.client();
    let first = made_policy::<P>(c, "first", PolicyPlatform::Windows).await;
    let second = made_policy::<P>(c, "second", PolicyPlatform::Windows).await;
    let double = c.create_policies::<P>(&[NewPolicy::new("first", PolicyPlatform::Linux)]).await;
    assert_eq!(kind(double), ErrorKind::InvalidRequest);
    assert_eq!(c.policy_ids::<P>(&ListParams::default()).await.unwrap().resources.len(), 5);
    let own = ListParams::filtered("platform_name:'Windows'+enabled:false");
    assert_eq!(c.policies::<P>(&own).await.unwrap().resources.len(), 2);

    let enabled = c.change_policies::<P>(&PolicyAction::Enable, &[&first, &second]).await.unwrap();
    assert!(enabled.is_whole(), "{enabled:?}");
    let held = c.delete_policies::<P>(&[&first]).await.unwrap();
    assert_eq!(held.refused.len(), 1, "an enabled policy is not deleted");

    let short = c.order_policies::<P>(&PolicyPlatform::Windows, &[&second]).await;
    assert_eq!(kind(short), ErrorKind::InvalidRequest);
    c.order_policies::<P>(&PolicyPlatform::Windows, &[&second, &first]).await.unwrap();
    let order = ListParams {
        sort: Some("precedence.asc".to_owned()),
        ..ListParams::filtered("platform_name:'Windows'")
    };
    assert_eq!(c.policy_ids::<P>(&order).await.unwrap().resources[..2], [second.clone(), first.clone()]);

    let change = PolicyChange { name: Some("renamed".to_owned()), ..PolicyChange::of(&first) };
    c.update_policies::<P>(&[change]).await.unwrap();
    c.change_policies::<P>(&PolicyAction::Disable, &[&first]).await.unwrap();

    let default = ListParams::filtered("platform_name:'Windows'+name:'platform_default'");
    let default = c.policy_ids::<P>(&default).await.unwrap().resources.remove(0);
    let members = c.policy_members::<P>(&default, &ListParams::default()).await.unwrap().resources;
    let ids = c.policy_member_ids::<P>(&default, &ListParams::default()).await.unwrap().resources;
    assert!(!ids.is_empty());
    assert_eq!(members.iter().filter_map(|d| d.device_id.clone()).collect::<Vec<_>>(), ids);

    let gone = c.delete_policies::<P>(&[first.clone(), "0".repeat(32)]).await.unwrap();
    assert_eq!((gone.done.len(), gone.refused.len()), (1, 1), "{gone:?}");
    assert_eq!(c.policies_by_id::<P>(&[&first]).await.unwrap().missing, [first]);
}

pub(crate) async fn every_kind_of_policy_keeps_the_same_rules(wire: &Wire) {
    let world = World::small(wire).await;
    policy_rules::<Prevention>(&world).await;
    policy_rules::<SensorUpdate>(&world).await;
    policy_rules::<Response>(&world).await;
    assert!(world.log().contains(&"setSensorUpdatePoliciesPrecedence".to_owned()));
}

pub(crate) async fn policies_set_what_they_are_for(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let settings = vec![
        SettingChange { id: "AdditionalUserModeData".to_owned(), value: NewValue::Toggle(true) },
        SettingChange {
            id: "CloudAntiMalware".to_owned(),
            value: NewValue::Slider { detection: SliderLevel::Aggressive, prevention: SliderLevel::Moderate },
        },
    ];
    let new = NewPolicy::new("strict", PolicyPlatform::Windows).settings(settings);
    let made = c.create_policies::<Prevention>(&[new]).await.unwrap().resources.remove(0);
    let all: Vec<_> = made.prevention_settings.iter().flat_map(|c| c.settings.clone()).collect();
    let value = |id: &str| all.iter().find(|s| s.id.as_deref() == Some(id)).unwrap().value.clone().unwrap();
    assert_eq!(value("AdditionalUserModeData").enabled, Some(true));
    assert_eq!(value("CloudAntiMalware").prevention, Some(SliderLevel::Moderate));
    let default = ListParams::filtered("platform_name:'Windows'+name:'platform_default'");
    let default = c.policy_ids::<Prevention>(&default).await.unwrap().resources.remove(0);
    let members = all_members(c, &default).await;
    assert!(
        !members.is_empty()
            && members.iter().all(|d| d.platform_name == Some(falcon::api::hosts::HostPlatform::Windows))
    );

    let settings = SensorUpdateSettings {
        build: Some("18905".to_owned()),
        scheduler: Some(NewScheduler::default()),
        uninstall_protection: Some(UninstallProtection::Enabled),
        ..SensorUpdateSettings::default()
    };
    let new = NewPolicy::new("steady", PolicyPlatform::Linux).settings(settings);
    let made = c.create_policies::<SensorUpdate>(&[new]).await.unwrap().resources.remove(0).settings.unwrap();
    assert_eq!(made.uninstall_protection, Some(UninstallProtection::Enabled));
    assert_eq!(made.scheduler.unwrap().timezone.as_deref(), Some("Etc/UTC"));
    let builds = c.sensor_builds(Some("linux"), &[BuildStage::EarlyAdopter]).await.unwrap().resources;
    assert_eq!(builds.len(), 1);
    assert_eq!(builds[0].stage, Some(BuildStage::EarlyAdopter));
    assert_eq!(all_kernels(c).await, 40);

    let device = world.host_ids().await.remove(0);
    let token = c.uninstall_token(&device, "it goes").await.unwrap().resources.remove(0);
    let secret = token.uninstall_token.clone().unwrap();
    assert_eq!(secret.0.expose_secret().len(), 32);
    assert!(!format!("{token:?}").contains(secret.0.expose_secret()));
    assert!(c.uninstall_token(policies::MAINTENANCE, "all").await.is_ok());
}

async fn all_members(c: &FalconClient, policy: &str) -> Vec<Device> {
    let params = ListParams { limit: Some(7), ..ListParams::default() };
    all(c.pages(policies::members::<Prevention>(policy, &params), None)).await
}

async fn all_kernels(c: &FalconClient) -> usize {
    let params = ListParams { limit: Some(11), ..ListParams::default() };
    all::<policies::Kernel>(c.pages(policies::kernels(&params), None)).await.len()
}

pub(crate) async fn users_are_made_given_roles_and_deleted(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let new = NewUser {
        uid: "Eva.Lind@acme.example".to_owned(),
        password: Some("canary".into()),
        ..NewUser::default()
    };
    assert!(!format!("{new:?}").contains("canary"));
    let before = c.user_ids(&ListParams::default()).await.unwrap().resources.len();
    assert!(c.create_user(&new, true).await.unwrap().resources.is_empty());
    let user = c.create_user(&new, false).await.unwrap().resources.remove(0).uuid.unwrap();
    assert_eq!(kind(c.create_user(&new, false).await), ErrorKind::InvalidRequest);
    assert!(!format!("{:?}", world.sim.log()).contains("canary"));
    let users = c.user_ids(&ListParams::default()).await.unwrap().resources;
    assert_eq!(users.len(), before + 1);
    let named = c.update_user(&user, Some("Eva"), None).await.unwrap();
    assert_eq!(named.resources[0].first_name.as_deref(), Some("Eva"));

    let roles = c.role_ids(Some(&GrantAction::Grant), None, None).await.unwrap().resources;
    assert_eq!(c.roles_by_id(&roles).await.unwrap().found.len(), roles.len());
    let mut change = GrantChange {
        action: GrantAction::Grant,
        cid: None,
        expires_at: Some(world.sim.now() + TimeDelta::days(30)),
        role_ids: vec![roles[0].clone(), "no_such_role".to_owned()],
        uuid: user.clone(),
    };
    assert_eq!(kind(c.change_user_roles(&change).await), ErrorKind::InvalidRequest);
    change.role_ids.pop();
    c.change_user_roles(&change).await.unwrap();
    let page = ListParams { limit: Some(10), ..ListParams::default() };
    let grants = || c.user_grants(&user, None, true, &page);
    assert!(grants().await.unwrap().resources.is_empty(), "reads lag behind grants");
    world.sim.advance(Duration::from_secs(40));
    let granted = grants().await.unwrap().resources;
    assert_eq!(granted[0].role_id, Some(roles[0].clone()));
    assert!(granted[0].expires_at.as_ref().unwrap().utc().is_some());

    let reset = c.reset_users(&UserAction::Reset2fa, &[user.clone(), "nobody".to_owned()]).await.unwrap();
    assert_eq!((reset.done.len(), reset.refused.len()), (1, 1));
    c.delete_user(&user).await.unwrap();
    assert!(kind(c.delete_user(&user).await) == ErrorKind::NotFound);
    assert_eq!(c.users_by_id(std::slice::from_ref(&user)).await.unwrap().missing, [user]);
}

pub(crate) async fn children_are_grouped_and_linked(wire: &Wire) {
    let world = World::of(wire, Sim::builder().falcon_hosts(10).alerts(0).children(12)).await;
    let c = world.client();
    let children =
        falcon::api::flight_control::query_children(&ListParams { limit: Some(5), ..Default::default() });
    let cids = all::<String>(c.pages(children, None)).await;
    assert_eq!(cids.len(), 12);
    assert_eq!(
        c.child_ids(&ListParams::default()).await.unwrap().resources.len(),
        10,
        "the service's own limit"
    );
    let found = c.children_by_id(&[cids[0].clone(), "0".repeat(32)]).await.unwrap();
    assert_eq!((found.found.len(), found.missing.len()), (1, 1));
    assert_eq!(found.found[0].child_cid.as_ref(), Some(&cids[0]));

    let new = |name: &str| NewGroup { name: name.to_owned(), description: Some("test".to_owned()) };
    let made = c.create_flight_groups(GroupOf::Children, &[new("north"), new("north")]).await.unwrap();
    assert_eq!((made.resources.len(), made.errors().len()), (1, 1), "the second is refused, and told");
    let north = made.resources[0].cid_group_id.clone().unwrap();
    let staff = c.create_flight_groups(GroupOf::Users, &[new("staff")]).await.unwrap();
    let staff = staff.resources[0].user_group_id.clone().unwrap();
    let renamed = c.update_flight_group(GroupOf::Users, &staff, &new("team")).await.unwrap();
    assert_eq!(renamed.resources[0].name.as_deref(), Some("team"));

    let odd = [cids[0].clone(), "0".repeat(32)];
    let filled = c.change_flight_group(GroupOf::Children, true, &north, &odd).await.unwrap();
    assert_eq!((filled.resources[0].cids.len(), filled.errors().len()), (1, 1));
    let user = c.user_ids(&ListParams::default()).await.unwrap().resources.remove(0);
    c.change_flight_group(GroupOf::Users, true, &staff, &[&user]).await.unwrap();
    let with = c.flight_groups_with(GroupOf::Users, &user, &ListParams::default()).await.unwrap();
    assert_eq!(with.resources, std::slice::from_ref(&staff));
    let members = c.flight_group_members(GroupOf::Users, &[&staff]).await.unwrap();
    assert_eq!(members.found[0].user_uuids, std::slice::from_ref(&user));

    let page = ListParams::default();
    let with = c.flight_groups_with(GroupOf::Children, &cids[0], &page).await.unwrap();
    assert_eq!(with.resources, std::slice::from_ref(&north));
    let members = c.flight_group_members(GroupOf::Children, &[&north]).await.unwrap();
    assert_eq!(members.found[0].cids, cids[..1]);
    for (of, name, id) in [(GroupOf::Children, "north", &north), (GroupOf::Users, "team", &staff)] {
        let named = c.flight_group_ids(of, Some(name), &page).await.unwrap();
        assert_eq!(named.resources, std::slice::from_ref(id));
        assert_eq!(c.flight_groups_by_id(of, &named.resources).await.unwrap().found.len(), 1);
    }
    let moved = c.update_flight_group(GroupOf::Children, &north, &new("far north")).await.unwrap();
    assert_eq!(moved.resources[0].name.as_deref(), Some("far north"));

    let link = NewLink {
        cid_group_id: north.clone(),
        role_ids: vec!["falcon_analyst".to_owned()],
        user_group_id: staff.clone(),
    };
    let linked = c.change_links(true, std::slice::from_ref(&link)).await.unwrap();
    let id = linked.resources[0].id.clone().unwrap();
    assert_eq!(id, format!("{north}:{staff}"));
    let by_role = LinkParams { role_id: Some("falcon_analyst".to_owned()), ..LinkParams::default() };
    assert_eq!(c.link_ids(&by_role).await.unwrap().resources, std::slice::from_ref(&id));
    c.change_links(false, &[link]).await.unwrap();
    assert_eq!(c.links_by_id(std::slice::from_ref(&id)).await.unwrap().missing, [id]);
    let emptied = c.change_flight_group(GroupOf::Children, false, &north, &cids[..1]).await.unwrap();
    assert!(emptied.errors().is_empty(), "{emptied:?}");
    assert!(
        c.change_flight_group(GroupOf::Users, false, &staff, &[&user]).await.unwrap().errors().is_empty()
    );
    assert!(c.delete_flight_groups(GroupOf::Users, &[&staff]).await.unwrap().is_whole());
    let gone = c.delete_flight_groups(GroupOf::Children, &[north.clone(), "0".repeat(32)]).await.unwrap();
    assert_eq!((gone.done.len(), gone.refused.len()), (1, 1));
    assert_eq!(
        c.flight_groups_by_id(GroupOf::Children, std::slice::from_ref(&north)).await.unwrap().missing,
        [north]
    );
}

pub(crate) async fn posture_is_told_for_those_that_were_assessed(wire: &Wire) {
    let world = World::of(wire, Sim::builder().falcon_hosts(90).alerts(0)).await;
    let (c, ids) = (world.client(), world.host_ids().await);
    let params =
        AfterParams { limit: Some(20), sort: Some("score|desc".to_owned()), ..AfterParams::default() };
    let scores = all::<Score>(c.pages(zero_trust::by_score(&params), None)).await;
    let assessed = c.assessments_by_id(&ids).await.unwrap();
    assert_eq!(assessed.found.len(), scores.len());
    assert_eq!(assessed.found.len() + assessed.missing.len(), 90);
    assert!(!assessed.missing.is_empty() && assessed.errors.is_empty());
    assert!(scores.is_sorted_by_key(|s| std::cmp::Reverse(s.score)));
    let audit = c.score_audit().await.unwrap().resources.remove(0);
    assert_eq!(audit.num_aids, i64::try_from(scores.len()).ok());
}

pub(crate) async fn installers_and_usage_are_read(wire: &Wire) {
    let world = World::small(wire).await;
    let c = world.client();
    let params = ListParams { limit: Some(4), ..ListParams::filtered("platform:'linux'") };
    let ids = all::<String>(c.pages(sensors::query(&params), None)).await;
    assert_eq!(ids.len(), 5);
    assert_eq!(c.installers(&params).await.unwrap().resources.len(), 4);
    let found = c.installers_by_id(&[ids[2].clone(), "0".repeat(64)]).await.unwrap();
    assert_eq!((found.found.len(), found.missing.len()), (1, 1));
    assert!(found.found[0].release_date.as_ref().unwrap().utc().is_some());
    let ccid = c.ccid().await.unwrap().resources.remove(0);
    assert_eq!((ccid.len(), ccid.to_uppercase() == ccid), (35, true));
    let usage = UsageParams { period: Some(28), ..UsageParams::default() };
    assert_eq!(c.sensor_usage(Span::Weekly, &usage).await.unwrap().resources.len(), 4);
    assert!(!c.sensor_usage(Span::Hourly, &usage).await.unwrap().resources.is_empty());
}

pub(crate) async fn a_missing_scope_is_named(wire: &Wire) {
    let world = World::of(wire, Sim::builder().falcon_hosts(5).without_scope("ioc:write")).await;
    let error = world.client().create_iocs(&[hash(1)], &IocOptions::default()).await.unwrap_err();
    assert!(error.is_permission());
    assert!(error.hint().unwrap().contains("IOC Management: write"), "{error:?}");
}

pub(crate) async fn a_reset_takes_every_change_back(wire: &Wire) {
    let world = World::small(wire).await;
    world.client().create_iocs(&[hash(1)], &IocOptions::default()).await.unwrap();
    world.sim.reset();
    assert!(world.client().iocs(&AfterParams::default()).await.unwrap().resources.is_empty());
}
