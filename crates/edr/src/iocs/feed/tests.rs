use chrono::TimeZone as _;
use edr_core::{IocType, Platform};

use super::*;

fn reading() -> Reading {
    Reading::new(Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap())
}

fn read(text: &str) -> Feed {
    Feed::read(text.as_bytes(), &reading()).unwrap()
}

fn remarks(feed: &Feed, kind: RemarkKind) -> Vec<(u64, &str)> {
    feed.remarks.iter().filter(|r| r.kind == kind).map(|r| (r.line, r.message.as_str())).collect()
}

#[test]
fn a_table_is_read_leniently_and_every_row_is_accounted_for() {
    let sha = "AB".repeat(32);
    let text = format!(
        "\u{feff}# a comment\nIndicator;Indicator Type;Action;Severity;Valid-Until;Labels;OS;owner\n\
         {sha};;block;Critical;90d;apt|feed;windows,mac;ann\n\
         Evil[.]Example.;domain;;;2027-01-01;;;\n\
         10.0.0.1;ip;;;;;;\n\
         evil.example;;detect;high;never;beacon;;\n\
         evil.example;;block;;;;;\n\
         old.example;;;;2020-01-01;;;\n\
         nonsense here;;;;;;;\n\
         x.example;beacon;;;;;;\n\
         y.example;;smash;;;;;\n\
         z.example;;;;;;;;;;\n"
    );
    let feed = read(&text);
    assert_eq!(feed.entries.len(), 2, "{feed:?}");
    let file = &feed.entries[0].ioc;
    assert_eq!((feed.entries[0].line, &file.kind, &file.value), (3, &IocType::Sha256, &sha.to_lowercase()));
    assert_eq!((&file.action, &file.severity), (&IocAction::Block, &Severity::Critical));
    assert_eq!(file.tags, ["apt", "feed"]);
    assert_eq!(file.platforms, [Platform::Windows, Platform::Macos]);
    // A span ends with its day: 90 days after the first of March is the 30th of May.
    assert_eq!(file.expiration.to_string(), "2026-05-31T00:00:00Z");
    let domain = &feed.entries[1].ioc;
    assert_eq!((domain.value.as_str(), &domain.severity), ("evil.example", &Severity::High));
    assert_eq!((domain.expiration, domain.tags.len()), (Expiration::Never, 1));
    let refused: Vec<u64> = feed.refused().map(|r| r.line).collect();
    assert_eq!(refused, [5, 7, 9, 10, 11, 12], "{:#?}", feed.remarks);
    assert_eq!(remarks(&feed, RemarkKind::Merged)[0].0, 6);
    assert!(remarks(&feed, RemarkKind::Merged)[0].1.contains("severity, expiration, tags"));
    assert_eq!(remarks(&feed, RemarkKind::Over)[0].0, 8);
    assert_eq!(remarks(&feed, RemarkKind::Note), [(2, "these columns are not used: owner")]);
    assert_eq!(remarks(&feed, RemarkKind::Cleaned)[1], (4, "read as evil.example"));
}

#[test]
fn a_list_of_values_and_columns_of_types_are_tables_too() {
    let list = read("evil.example\n203[.]0[.]114[.]7\n");
    assert_eq!(
        list.entries.iter().map(|e| e.ioc.key()).collect::<Vec<_>>(),
        ["domain:evil.example", "ipv4:203.0.114.7"]
    );
    let wide = read(&format!("sha256,md5,description\n{},{},dropper\n", "a1".repeat(32), "b2".repeat(16)));
    assert_eq!(wide.entries.iter().map(|e| e.ioc.kind.as_str()).collect::<Vec<_>>(), ["md5", "sha256"]);
    assert!(wide.entries.iter().all(|e| e.ioc.desc.as_deref() == Some("dropper")));
    let fault = Feed::read(b"a,b\n1,2\n", &reading()).unwrap_err();
    assert_eq!(fault.line, Some(1));
    assert!(read("").entries.is_empty());
}

#[test]
fn lines_are_counted_as_an_editor_does() {
    let text = "# one\r\nvalue,note\r\n\r\n# four\r\n10.0.0.5,\"two\r\nlines\"\r\n\r\n10.0.0.8,\r\n";
    assert_eq!(read(text).refused().map(|r| r.line).collect::<Vec<_>>(), [5, 8]);
}

#[test]
fn records_are_read_in_an_array_and_one_a_line() {
    let array = "[\n {\"type\": \"domain\", \"value\": \"evil.example\", \"tags\": [\"a\"], \"severity\": \"low\"},\n 7,\n {\"value\": \"x.example\", \"groups\": [{\"uid\": \"1\"}]},\n \"y.example\"\n]";
    let feed = read(array);
    assert_eq!(
        feed.entries.iter().map(|e| (e.line, e.ioc.value.as_str())).collect::<Vec<_>>(),
        [(2, "evil.example"), (5, "y.example")]
    );
    assert_eq!(feed.refused().map(|r| r.line).collect::<Vec<_>>(), [3, 4]);
    let lines = read(
        "{\"value\": \"evil.example\"}\n\n{\"value\": \n{\"ioc\": \"x.example\", \"expiration\": 1900000000}\n",
    );
    assert_eq!(lines.entries.iter().map(|e| e.line).collect::<Vec<_>>(), [1, 4]);
    assert_eq!(lines.refused().map(|r| r.line).collect::<Vec<_>>(), [3]);
    assert!(lines.entries[1].ioc.expiration.time().is_some());
    assert!(Feed::read(b"[{\"value\": 1}", &reading()).is_err());
}

#[test]
fn what_is_listed_can_be_pushed_again() {
    let mut ioc = Ioc::of(IocType::Ipv4, "203.0.114.9", IocAction::Monitor);
    ioc.tags = vec!["feed".to_owned(), "edr:soc".to_owned()];
    ioc.desc = Some("seen [edr:them] [edr:soc]".to_owned());
    let text = serde_json::to_string(&[ioc.clone()]).unwrap();
    ioc.tags.pop();
    ioc.desc = Some("seen".to_owned());
    assert_eq!(read(&text).entries[0].ioc, ioc, "the mark of an owner is not the feed's to set");
    assert_eq!(Feed::of([ioc.clone()], &reading()).entries[0].ioc, ioc);
}

#[test]
fn a_bundle_gives_its_single_values_and_lists_the_rest() {
    let bundle = r#"{"type": "bundle", "id": "bundle--1", "objects": [
 {"type": "indicator", "id": "indicator--1", "name": "C2", "pattern_type": "stix", "valid_until": "2027-01-01T00:00:00Z",
  "pattern": "[domain-name:value = 'evil.example' OR ipv4-addr:value = '203.0.114.7']", "labels": ["malicious-activity"]},
 {"type": "indicator", "id": "indicator--2", "pattern": "[file:name = 'a' AND file:size = 5]"},
 {"type": "indicator", "id": "indicator--3", "pattern_type": "sigma", "pattern": "x"},
 {"type": "indicator", "id": "indicator--4", "pattern": "rubbish"},
 {"type": "indicator", "id": "indicator--5", "pattern": "[url:value = 'http://x.example']", "revoked": true},
 {"type": "malware"}, {"type": "malware"}, {"type": "identity"}
]}"#;
    let feed = read(bundle);
    assert_eq!(
        feed.entries.iter().map(|e| (e.line, e.ioc.key())).collect::<Vec<_>>(),
        [(2, "domain:evil.example".to_owned()), (2, "ipv4:203.0.114.7".to_owned())]
    );
    let first = &feed.entries[0].ioc;
    assert_eq!((first.desc.as_deref(), first.tags.len()), (Some("C2"), 1));
    assert_eq!(remarks(&feed, RemarkKind::NotExpressible).iter().map(|r| r.0).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(feed.refused().map(|r| r.line).collect::<Vec<_>>(), [6]);
    assert_eq!(remarks(&feed, RemarkKind::Over), [(7, "the indicator is revoked")]);
    assert!(remarks(&feed, RemarkKind::Note)[0].1.ends_with("1 identity, 2 malware"));
    let broken = Feed::read(br#"{"type": "bundle", "objects": 7}"#, &reading());
    assert!(broken.is_err());
}

#[test]
fn flags_win_over_rows_and_force_over_sense() {
    let mut reading = reading().expires("2026-04-01").unwrap();
    (reading.action, reading.severity, reading.force) = (Some(IocAction::Monitor), Some(Severity::Low), true);
    let feed =
        Feed::read(b"value,action,severity,expires\n10.0.0.1,block,high,\nmicrosoft.com,,,never\n", &reading)
            .unwrap();
    assert_eq!(feed.refused().count(), 0);
    let seen: Vec<String> = feed
        .entries
        .iter()
        .map(|e| format!("{} {} {}", e.ioc.action, e.ioc.severity, e.ioc.expiration))
        .collect();
    assert_eq!(seen, ["monitor low 2026-04-01T00:00:00Z", "monitor low never"]);
}

#[test]
fn too_much_is_refused() {
    assert!(Feed::read(&vec![b'a'; MAX_FEED + 1], &reading()).unwrap_err().message.contains("64 MiB"));
    assert!(Feed::read(b"value\n\xff\n", &reading()).unwrap_err().message.contains("UTF-8"));
}

#[test]
fn a_quote_that_is_not_closed_swallows_nothing_in_silence() {
    let refused = |text: &str| {
        let feed = read(text);
        let told: Vec<(u64, String)> = feed.refused().map(|r| (r.line, r.message.clone())).collect();
        (feed.entries.iter().map(|e| e.ioc.value.clone()).collect::<Vec<_>>(), told)
    };
    for text in [
        "value,note\na.example,x\n# c, \"\nb.example,\"open\nc.example,x\nd.example,y\n",
        "value,note\na.example,x\n\nb.example,\"open",
        "value,note\r\na.example,x\r\n\r\nb.example,\"open\r\n",
    ] {
        let (taken, told) = refused(text);
        assert_eq!((taken, told.len(), told[0].0), (vec!["a.example".to_owned()], 1, 4), "{text:?}");
        assert!(told[0].1.contains("never closed"), "{told:?}");
    }
    for text in [
        "value,note\na.example,\"open\nb.example,\"x\"\nc.example,\n",
        "value,note\na.example,\"\nb.example,\"\nc.example,\n",
    ] {
        let (taken, told) = refused(text);
        assert_eq!((taken, told.len(), told[0].0), (vec!["c.example".to_owned()], 1, 2), "{text:?}");
        assert!(told[0].1.contains("line 3"), "{told:?}");
    }
    let good = "value,note\na.example,\"say \"\"it\"\", now\"\nb.example,5\" disk\nc.example,\"\"\"\"\n";
    assert_eq!(refused(good).0, ["a.example", "b.example", "c.example"]);
    assert!(Feed::read(b"value,\"note\na.example,\n", &reading()).unwrap_err().line == Some(1));
}

#[test]
fn a_record_of_several_values_gives_each_and_none_is_lost() {
    let values = |text: &str| read(text).entries.iter().map(|e| e.ioc.value.clone()).collect::<Vec<_>>();
    let both = ["a.example", "b.example"];
    assert_eq!(values(r#"[{"value": ["a.example", "b.example"], "severity": "low"}]"#), both);
    assert_eq!(values(r#"{"value": "a.example", "ioc": "b.example"}"#), both);
    assert_eq!(values(r#"{"value": "a.example", "value": "b.example"}"#), both);
    assert_eq!(values("value,indicator\na.example,b.example\n"), both);
    assert_eq!(values(r#"{"value": "a.example", "ioc": "a.example"}"#), ["a.example"]);
    for text in [
        r#"{"value": "a.example", "action": ["block", "allow"]}"#,
        "value,expires,valid_until\na.example,never,2027-01-01\n",
    ] {
        let feed = read(text);
        assert_eq!((feed.entries.len(), feed.refused().count()), (0, 1), "{text}");
    }
    let said = read("value,severity,sev,note,comment\na.example,low,LOW,one,two\n");
    assert_eq!(said.entries[0].ioc.desc.as_deref(), Some("one; two"));
}

#[test]
fn more_rows_than_a_feed_may_have_are_refused_by_every_reader() {
    let many = MAX_ROWS + 1;
    let item = r#"{"type": "indicator", "pattern_type": "yara", "pattern": "x"}"#;
    let values = vec![r#""a""#; many].join(",");
    for text in [
        format!("value,note\n{}", "a,b,c\n".repeat(many)),
        format!("[{}{{}}]", "{},".repeat(many)),
        format!("[{values}]"),
        "{\"value\": 7\n".repeat(many),
        format!(r#"{{"value": ["b",{values}]}}"#),
        format!(r#"{{"type": "bundle", "objects": [{}]}}"#, vec![item; many].join(",")),
    ] {
        let fault = Feed::read(text.as_bytes(), &reading()).unwrap_err();
        assert!(fault.message.contains("more than 500000 rows"), "{fault}");
    }
}

#[test]
fn the_lines_of_many_items_are_counted_once() {
    // Counted from the start for each item this would be some 10^11 bytes.
    let rows = 300_000;
    let pad = " ".repeat(20);
    let array = format!("[\"b.example\",{}\n\"a.example\"]", format!("\n{pad}7,").repeat(rows));
    let feed = read(&array);
    assert_eq!((feed.entries[1].line, feed.refused().count()), (rows as u64 + 2, rows));
    assert_eq!(feed.remarks.last().unwrap().line, rows as u64 + 1);
}
