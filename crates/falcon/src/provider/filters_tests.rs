use chrono::{DateTime, TimeZone as _, Utc};

use super::*;

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 1, 8, 0, 0, 0).unwrap()
}

fn filter(noun: Noun, text: &str) -> Filter {
    Filter::parse(noun, text, now()).unwrap()
}

#[test]
fn what_the_vendor_evaluates_is_written_in_fql() {
    for (text, fql) in [
        ("hostname = O'Neil\\x", r"hostname:'O\'Neil\\x'"),
        ("os.type = windows", "platform_name:'Windows',platform_id:'0'"),
        ("os.type = macos", "platform_name:['Mac','macOS'],platform_id:'1'"),
        ("os.type = ios", "platform_name:'iOS'"),
        ("last_seen >= 7d", "last_seen:>='2026-01-01T00:00:00Z'"),
        ("first_seen < 2026-01-02T03:04:05.5Z", "first_seen:<='2026-01-02T03:04:06Z'"),
        ("modified > 2026-01-02", "modified_timestamp:>='2026-01-02T00:00:00Z'"),
        ("external_ip = 203.0.113.9", "external_ip:'203.0.113.9'"),
        ("cloud.instance_uid = i-0a", "instance_id:'i-0a'"),
        ("domain = corp.example", "machine_domain:'corp.example'"),
        // Left to us.
        ("hostname = PC*", ""),
        ("hostname ~ PC*", ""),
        ("hostname != PC", ""),
        ("external_ip = 2001:db8::1", ""),
        ("os.type = unknown", ""),
        ("containment_state = contained", ""),
        ("tags = gold", ""),
        ("ip = 10.0.0.1", ""),
    ] {
        assert_eq!(hosts(&[filter(Noun::Host, text)]).to_string(), fql, "{text}");
    }
}

#[test]
fn alerts_are_filtered_by_what_their_mapping_looks_at() {
    for (text, fql) in [
        (
            "severity >= high",
            "severity_name:['High','high','HIGH','Critical','critical','CRITICAL'],severity:>=60",
        ),
        ("severity = medium", "severity_name:['Medium','medium','MEDIUM'],(severity:>=40+severity:<60)"),
        ("severity <= medium", ""),
        ("severity != high", ""),
        ("severity = unknown", ""),
        ("status = resolved", "status:['closed','Closed','true_positive','false_positive','ignored']"),
        ("status = in_progress", "status:['in_progress','In Progress','in progress']"),
        ("status = reopened", "status:['reopened','Reopened']"),
        ("status = new", "status:['new','New']"),
        ("status = suppressed", ""),
        ("device.uid = 0a", "device.device_id:'0a',agent_id:'0a',product:'idp'"),
        ("device.hostname = PC", "device.hostname:'PC',product:'idp'"),
        ("is_suppressed = true", "show_in_ui:false"),
        ("uid = c:ind:a:1", "composite_id:'c:ind:a:1'"),
        ("created_time >= 24h", "created_timestamp:>='2026-01-07T00:00:00Z'"),
        ("verdict = true_positive", ""),
    ] {
        assert_eq!(alerts(&[filter(Noun::Alert, text)]).to_string(), fql, "{text}");
    }
}

#[test]
fn several_severities_make_as_few_ranges_as_there_are_gaps() {
    let severities = |words: &[&str]| {
        let filter = Filter::new(Noun::Alert, "severity", Op::Eq, words, now()).unwrap();
        let text = alerts(&[filter]).to_string();
        text.split_once("],").unwrap().1.to_owned()
    };
    assert_eq!(severities(&["low", "medium"]), "(severity:>=20+severity:<60)");
    assert_eq!(severities(&["low", "high"]), "(severity:>=20+severity:<40),(severity:>=60+severity:<80)");
}

#[test]
fn filters_are_joined_within_the_limits() {
    let two = [filter(Noun::Host, "os.type = linux"), filter(Noun::Host, "hostname = a")];
    assert_eq!(hosts(&two).to_string(), "(platform_name:'Linux',platform_id:'3')+hostname:'a'");
    let many: Vec<Filter> = (0..40).map(|i| filter(Noun::Host, &format!("hostname = a{i}"))).collect();
    assert_eq!(hosts(&many).terms(), MAX_PROPERTIES);
    let names: Vec<String> = (0..1000).map(|i| format!("host-{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let long = Filter::new(Noun::Host, "hostname", Op::Eq, &names, now()).unwrap();
    assert!(hosts(&[long]).is_empty(), "too long for a URL");
    let twice = [filter(Noun::Host, "hostname = a"), filter(Noun::Host, "hostname = a")];
    assert_eq!(hosts(&twice).to_string(), "hostname:'a'");
}

#[test]
fn what_is_said_to_be_served_is_served() {
    for (noun, name, ops) in SERVED {
        assert!(noun.field(name).is_some(), "{noun} {name}");
        for op in *ops {
            let value = match *name {
                "os.type" => "windows",
                "severity" => "high",
                "status" if *noun == Noun::Vulnerability => "open",
                "status" => "new",
                "priority" => "high",
                "is_global" | "is_known_exploited" => "true",
                "type" => "domain",
                "is_suppressed" => "true",
                "external_ip" => "203.0.113.9",
                _ if RANGE.contains(op) => "24h",
                _ => "x",
            };
            let filter = Filter::new(*noun, name, *op, &[value], now()).unwrap();
            let served = match noun {
                Noun::Application => application,
                Noun::Case => case,
                Noun::Host => host,
                Noun::HostGroup => group,
                Noun::Ioc => ioc,
                Noun::Vulnerability => vulnerability,
                _ => alert,
            };
            let fql = compile(&[filter], served);
            assert!(!fql.is_empty(), "{noun} {name} {op:?}");
        }
    }
}

#[test]
fn what_wants_a_filter_has_one() {
    assert_eq!(applications(&[]).to_string(), "cid:!'none'");
    assert_eq!(vulnerabilities(&[]).to_string(), "created_timestamp:>='1970-01-01T00:00:00Z'");
    for (text, fql) in [
        ("cve = CVE-2023-2725", "cve.id:'CVE-2023-2725'"),
        ("severity >= high", "cve.severity:['HIGH','CRITICAL']"),
        ("priority = informational", "cve.exprt_rating:'NONE'"),
        ("status = reopened", "status:'reopen'"),
        ("is_known_exploited = true", "cve.is_cisa_kev:true"),
        ("modified_time >= 24h", "updated_timestamp:>='2026-01-07T00:00:00Z'"),
        // The service refuses a wildcard, and takes a `*` for one.
        ("host.uid = a*", "created_timestamp:>='1970-01-01T00:00:00Z'"),
    ] {
        assert_eq!(vulnerabilities(&[filter(Noun::Vulnerability, text)]).to_string(), fql, "{text}");
    }
}
