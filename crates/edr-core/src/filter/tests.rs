use super::*;
use crate::{Alert, AlertQuery, ConnectionState, ContainmentState, Host, HostQuery, Platform};
use chrono::TimeZone;

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 8, 0, 0, 0).unwrap()
}

fn host() -> Host {
    let mut host = Host::new("v", "t", "u1", "{}");
    host.hostname = "WIN-Build-01".into();
    host.os.platform = Platform::Windows;
    host.os.build = Some("19045".into());
    host.policies = vec![crate::Policy { name: Some("Servers".into()), ..crate::Policy::default() }];
    host.ip = "10.0.0.5".parse().ok();
    host.tags = vec![
        crate::Tag { source: None, value: "gold".into() },
        crate::Tag { source: None, value: "dmz".into() },
    ];
    host.last_seen = Some(now() - TimeDelta::days(3));
    host
}

fn passes(text: &str) -> bool {
    Filter::parse(Noun::Host, text, now()).unwrap().passes_host(&host())
}

#[test]
fn operators_do_what_the_module_says() {
    for (text, expected) in [
        ("hostname = WIN-Build-01", true),
        ("hostname = win-build-01", false),
        ("hostname ~ build", true),
        ("hostname ~ 'WIN*01'", true),
        ("hostname ~ *build", false),
        ("hostname~*o*b*0*", false),
        ("hostname ~ w*b*0*", true),
        ("hostname != x", true),
        ("os.type = WINDOWS", true),
        ("os.type != windows", false),
        ("tags = dmz", true),
        ("tags != dmz", false),
        ("tags != silver", true),
        ("os.build = 19045", true),
        ("policies ~ server*", true),
        ("contained_time > 1d", false),
        ("domain = corp", false),
        ("domain != corp", true),
        ("ip = ::ffff:10.0.0.5", true),
        ("last_seen >= 7d", true),
        ("last_seen > 24h", false),
        ("last_seen < 2026-01-06", true),
        ("last_seen<=2026-01-05T00:00:00Z", true),
        ("boot_time > 1d", false),
    ] {
        assert_eq!(passes(text), expected, "{text}");
    }
}

#[test]
fn wrong_filters_say_what_is_wrong() {
    for (text, says) in [
        ("hostname", "is not a filter"),
        ("= x", "is not a filter"),
        ("hostname == web", "is not a filter"),
        ("hostname =~ web", "is not a filter"),
        ("hostname = ''", "'' is not a value for hostname"),
        (
            "platform = windows",
            "hosts cannot be filtered by 'platform'; they can be filtered by agent.content_version",
        ),
        ("version = 1", "did you mean agent.version or os.version?"),
        ("os.type = beos", "one of windows, linux"),
        ("os.type > windows", "does not take '>'"),
        ("last_seen = 2026-01-01", "it takes > >= < <="),
        ("last_seen > yesterday", "is not a time"),
        ("last_seen > 99999999999999999999d", "is not a time"),
        ("is_hidden = maybe", "true or false"),
    ] {
        let error = Filter::parse(Noun::Host, text, now()).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn severities_have_an_order() {
    let mut alert = Alert::new("v", "t", "1", "{}");
    alert.severity = Severity::High;
    let parse = |text| Filter::parse(Noun::Alert, text, now()).unwrap();
    assert!(parse("severity >= high").passes_alert(&alert));
    assert!(!parse("severity > high").passes_alert(&alert));
    assert_eq!(parse("severity >= high").severities(), [Severity::High, Severity::Critical]);
    assert_eq!(parse("severity != high").severities().len(), 5);
    assert!(!parse("severity != high").passes_alert(&alert));
}

#[test]
fn the_shorthands_name_real_fields() {
    let hosts = HostQuery::new()
        .platform(Platform::Linux)
        .connection(ConnectionState::Online)
        .containment(ContainmentState::Normal)
        .hostname("a")
        .seen_since(now());
    let names: Vec<_> = hosts.filters.iter().map(|f| f.field().name).collect();
    assert_eq!(names, ["os.type", "connection_state", "containment_state", "hostname", "last_seen"]);
    let alerts = AlertQuery::new().severity_at_least(Severity::Low).since(now()).until(now());
    let names: Vec<_> = alerts.filters.iter().map(|f| f.field().name).collect();
    assert_eq!(names, ["severity", "created_time", "created_time"]);
}

#[test]
fn names_are_sorted_and_unique() {
    for noun in Noun::ALL {
        assert!(noun.fields().windows(2).all(|w| w[0].name < w[1].name), "{noun}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_parsed_without_panic(text in "\\PC*") {
        let _ = Filter::parse(Noun::Host, &text, now());
        let _ = Filter::parse(Noun::Alert, &format!("created_time > {text}"), now());
    }

    #[test]
    fn a_pattern_with_stars_matches_what_it_was_cut_from(parts in proptest::collection::vec("[a-z]{0,4}", 1..5)) {
        proptest::prop_assert!(like(&parts.join("xyz"), &parts.join("*")));
    }
}
