//! The estate: the same for the same seed, ids that lead back to their host, realistic proportions.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeZone, Utc};
use proptest::prelude::*;

use super::alert::{Severity, Status};
use super::machine::{Form, Platform};
use super::*;

fn estate(seed: u64, vendor: Vendor, hosts: u64) -> TenantEstate {
    let epoch = Utc.with_ymd_and_hms(2026, 6, 1, 12, 0, 0).single();
    let spec = EstateSpec {
        seed,
        vendor,
        ordinal: 1,
        hosts,
        shared: hosts.div_ceil(10),
        alerts: 500,
        sensor_delay_ms: 5_000,
        search_lag_ms: 1_000,
    };
    TenantEstate::new(spec, Arc::new(Clock::new(epoch)))
}

proptest! {
    #[test]
    fn ids_lead_back(seed: u64, hosts in 1..5_000_000_u64, at in 0.0..1.0_f64) {
        let estate = estate(seed, Vendor::Falcon, hosts);
        let index = ((hosts as f64 * at) as u64).min(hosts - 1);
        let id = estate.host_id(index);
        prop_assert_eq!(estate.host_index(&id), Some(index));
        prop_assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        if index > 0 {
            prop_assert!(estate.host_id(index - 1) < id);
        }
    }

    #[test]
    fn no_text_is_an_id_by_chance(text in ".{0,40}", hex in "[0-9a-f]{32}") {
        let estate = estate(1, Vendor::Cortex, 1_000);
        prop_assert_eq!(estate.host_index(&text), None);
        prop_assert_eq!(estate.host_index(&hex), None);
    }

    #[test]
    fn alert_numbers_lead_back(index in 0..500_u64) {
        let estate = estate(3, Vendor::Cortex, 100);
        prop_assert_eq!(estate.alert_index_of_number(estate.alert_number(index)), Some(index));
    }
}

#[test]
fn the_seed_decides_everything() {
    let all = |seed| {
        let estate = estate(seed, Vendor::Falcon, 50);
        let alerts: Vec<String> = (0..50).map(|j| format!("{:?}", estate.detection(j))).collect();
        ((0..50).map(|i| estate.machine(i)).collect::<Vec<_>>(), alerts)
    };
    assert_eq!(all(7), all(7));
    assert_ne!(all(7).0, all(8).0);
}

#[test]
fn proportions_are_those_of_a_company() {
    let estate = estate(1, Vendor::Falcon, 4_000);
    let hosts: Vec<_> = (0..4_000).map(|i| estate.machine(i)).collect();
    let share = |p: &dyn Fn(&Machine) -> bool| hosts.iter().filter(|m| p(m)).count() as f64 / 40.0;
    assert!((55.0..67.0).contains(&share(&|m| m.form.is_workstation())));
    assert!((64.0..76.0).contains(&share(&|m| m.platform() == Platform::Windows)));
    assert!((10.0..20.0).contains(&share(&|m| m.platform() == Platform::MacOs)));
    assert!((10.0..20.0).contains(&share(&|m| m.platform() == Platform::Linux)));
    assert!((1.0..6.0).contains(&share(&|m| m.stale)));
    assert!(share(&|m| m.form == Form::ContainerHost) > 0.5);
    assert!(hosts.iter().all(|m| m.first_seen < m.last_seen && m.last_seen <= estate.clock().now()));
    assert!(hosts.iter().filter(|m| m.stale).all(|m| (estate.clock().now() - m.last_seen).num_days() >= 30));
}

#[test]
fn a_small_estate_has_domain_controllers_and_a_few_double_names() {
    let estate = estate(1, Vendor::Cortex, 200);
    let hosts: Vec<_> = (0..200).map(|i| estate.machine(i)).collect();
    let controllers = hosts.iter().filter(|m| m.form == Form::DomainController).count();
    assert!((2..=4).contains(&controllers), "{controllers}");
    let mut names: HashMap<&str, u64> = HashMap::new();
    hosts.iter().for_each(|m| *names.entry(&m.hostname).or_default() += 1);
    assert_eq!(names.values().filter(|n| **n > 1).count(), 1);
    assert_eq!(hosts[77].serial, hosts[76].serial);
    assert_ne!(hosts[77].id, hosts[76].id);
    assert_eq!(hosts[199].hostname, AMBIGUOUS_NAME);
    let addresses: HashSet<_> = hosts.iter().map(|m| m.ip).collect();
    assert_eq!(addresses.len(), 199);
}

#[test]
fn the_first_machines_carry_both_agents() {
    let (falcon, cortex) = (estate(1, Vendor::Falcon, 200), estate(1, Vendor::Cortex, 200));
    for i in 0..20 {
        let (f, c) = (falcon.machine(i), cortex.machine(i));
        assert_eq!(
            (&f.hostname, &f.serial, &f.macs, f.ip, &f.cloud, f.form, f.os),
            (&c.hostname, &c.serial, &c.macs, c.ip, &c.cloud, c.form, c.os)
        );
        assert!(f.shared && f.id != c.id);
    }
    let names: HashSet<_> = (20..199).map(|i| falcon.machine(i).hostname).collect();
    assert!((20..199).all(|i| !names.contains(&cortex.machine(i).hostname)));
}

#[test]
fn alerts_lie_in_the_last_thirty_days_in_order() {
    let estate = estate(1, Vendor::Falcon, 300);
    let all: Vec<_> = (0..500).map(|j| estate.detection(j)).collect();
    let start = estate.clock().now();
    assert!(all.windows(2).all(|w| w[0].created <= w[1].created));
    assert!(all.iter().all(|d| d.created <= start
        && (start - d.created).num_days() <= 30
        && d.happened < d.created
        && d.updated >= d.created
        && d.updated <= start));
    let kinds: HashSet<_> = all.iter().map(|d| d.kind.name).collect();
    assert!(kinds.len() >= 10, "{kinds:?}");
    for severity in
        [Severity::Informational, Severity::Low, Severity::Medium, Severity::High, Severity::Critical]
    {
        assert!(all.iter().any(|d| d.severity == severity), "{severity:?}");
    }
    for status in [Status::New, Status::InProgress, Status::Reopened, Status::Closed] {
        assert!(all.iter().any(|d| d.status == status), "{status:?}");
    }
    assert!(all.iter().all(|d| (d.status == Status::Closed) == d.verdict.is_some()));
    assert!(all.iter().all(|d| d.kind.platforms.contains(&estate.machine(d.machine).platform())));
}

#[test]
fn added_alerts_are_created_now_and_may_be_late() {
    let estate = estate(1, Vendor::Falcon, 10);
    estate.clock.advance(Duration::from_secs(60));
    let first = estate.add_alerts(3, 7_200_000);
    assert_eq!((first, estate.alert_count()), (500, 503));
    let late = estate.detection(502);
    assert_eq!(late.created, estate.clock().now());
    assert!((late.created - late.happened).num_minutes() >= 120);
    estate.reset();
    assert_eq!(estate.alert_count(), 500);
}

#[test]
fn containment_waits_for_the_sensor() {
    let estate = estate(1, Vendor::Falcon, 200);
    let pick = |online: bool| {
        (0..200)
            .find(|i| estate.online(*i) == online && estate.containment(*i) == Containment::Normal)
            .unwrap()
    };
    let (up, down) = (pick(true), pick(false));
    estate.request_contain(up).unwrap();
    estate.request_contain(down).unwrap();
    assert!(estate.request_contain(up).is_err());
    assert!(estate.request_lift(up).is_err());
    estate.clock.advance(Duration::from_secs(5));
    assert!(matches!(estate.containment(up), Containment::Contained { .. }));
    assert!(estate.containment(down).is_pending());
    estate.set_online(down, true);
    assert!(estate.containment(down).is_pending());
    estate.clock.advance(Duration::from_secs(5));
    assert!(matches!(estate.containment(down), Containment::Contained { .. }));
    estate.request_lift(up).unwrap();
    estate.set_online(up, false);
    estate.clock.advance(Duration::from_secs(60));
    assert!(estate.containment(up).is_pending());
}

#[test]
fn changes_of_an_alert_are_seen_in_order_and_late_where_they_are() {
    let estate = estate(1, Vendor::Falcon, 10);
    let tags = || estate.detection(3).tags.len();
    let tag = |o: &mut AlertOverlay| {
        o.tags = Some(vec!["t".to_owned(); o.tags.as_ref().map_or(1, |t| t.len() + 1)])
    };
    estate.update_alert_later(3, tag);
    estate.clock.advance(Duration::from_millis(400));
    estate.update_alert_later(3, tag);
    assert_eq!((tags(), estate.newest_alert_overlay(3).tags.map(|t| t.len())), (0, Some(2)));
    estate.clock.advance(Duration::from_millis(600));
    assert_eq!(tags(), 1);
    estate.clock.advance(Duration::from_millis(400));
    assert_eq!(tags(), 2);
    estate.update_alert(3, tag);
    assert_eq!(tags(), 3);
}

#[test]
fn searches_see_a_contained_host_after_the_lag() {
    let estate = estate(1, Vendor::Falcon, 200);
    let up = (0..200).find(|i| estate.online(*i) && estate.containment(*i) == Containment::Normal).unwrap();
    estate.request_contain(up).unwrap();
    assert!(estate.fields(up).containment().is_pending());
    assert_eq!(estate.searched(up).containment(), Containment::Normal);
    estate.clock.advance(Duration::from_secs(1));
    assert!(estate.searched(up).containment().is_pending());
}
