//! Every format over fixed records.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use edr::{Alert, Host};
use serde_json::Value as Json;

use super::columns::Record;
use super::fixture::{alert, evil_host, host, now, other_alert, view};
use super::style::Palette;
use super::time::Zone;
use super::{Format, View, card, sink};

/// A writer that can be looked into.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn print<T: Record>(view: &View, items: &[T]) -> String {
    let out = Shared::default();
    let mut sink = sink::<T>(view, Box::new(out.clone()));
    items.iter().for_each(|item| sink.item(item).unwrap());
    sink.finish().unwrap();
    String::from_utf8(out.0.take()).unwrap()
}

fn bare_hosts() -> Vec<Host> {
    [evil_host(), host()]
        .map(|mut h| {
            h.raw = edr::core::Raw::default();
            h
        })
        .to_vec()
}

fn alerts() -> Vec<Alert> {
    vec![alert(), other_alert()]
}

#[test]
fn tables_fit_100_columns() {
    let hosts = print(&view(Format::Table), &bare_hosts());
    let alerts = print(&view(Format::Table), &alerts());
    for line in hosts.lines().chain(alerts.lines()) {
        assert!(super::text::width(line) <= 100, "{line}");
    }
    insta::assert_snapshot!("hosts-table", hosts);
    insta::assert_snapshot!("alerts-table", alerts);
}

#[test]
fn narrow_and_wide_terminals_are_fitted() {
    for width in [60, 80, 140, 200] {
        let text = print(&View { width, ..view(Format::Table) }, &bare_hosts());
        assert!(text.lines().all(|l| super::text::width(l) <= width), "{width}\n{text}");
        assert_eq!(text.contains("0f3a5c7e9b1d4f6a8c0e2b4d6f8a1c3e"), width >= 140, "{width}\n{text}");
    }
}

/// One is measured as wider than its characters are.
#[test]
fn an_emoji_at_the_edge_of_a_cell_keeps_its_row_within_the_terminal() {
    for sign in ["\u{26A0}\u{FE0F}", "\u{2764}\u{FE0F}", "1\u{FE0F}\u{20E3}", "\u{1F469}\u{200D}\u{1F52C}"] {
        for before in 0..12 {
            let mut odd = host();
            odd.hostname = "x".repeat(before) + &sign.repeat(40);
            let text = print(&View { width: 60, ..view(Format::Table) }, &[odd, host()]);
            assert!(text.lines().all(|l| super::text::width(l) <= 60), "{before} {sign}\n{text}");
        }
    }
}

#[test]
fn the_least_important_columns_leave_first() {
    let heads = |width| {
        let view = View { width, ..view(Format::Table) };
        let (hosts, alerts) = (print(&view, &bare_hosts()), print(&view, &self::alerts()));
        assert!(alerts.lines().all(|l| super::text::width(l) <= width), "{width}\n{alerts}");
        [hosts, alerts].map(|text| {
            text.lines()
                .next()
                .unwrap()
                .split("  ")
                .map(str::trim)
                .filter(|w| !w.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        })
    };
    for width in [60, 80, 100, 120] {
        insta::assert_snapshot!(format!("heads-{width}"), heads(width).join("\n"));
    }
}

#[test]
fn colour_comes_with_words() {
    let text = print(&View { palette: Palette(true), ..view(Format::Table) }, &alerts());
    assert!(text.contains("\u{1b}[1;31mcritical\u{1b}[0m"), "{text:?}");
    assert!(!print(&view(Format::Table), &alerts()).contains('\u{1b}'));
}

#[test]
fn nothing_a_vendor_sends_reaches_the_terminal() {
    for format in [Format::Table, Format::Wide, Format::Tsv, Format::Csv] {
        let text = print(&view(format), &[evil_host()]);
        assert!(!text.contains('\u{1b}'), "{format:?}: {text:?}");
        assert_eq!(text.lines().count(), 2, "{format:?}: {text:?}");
    }
    let mut page = Vec::new();
    card::print(&[evil_host()], &view(Format::Table), &mut page).unwrap();
    assert!(!String::from_utf8(page).unwrap().contains('\u{1b}'));
}

#[test]
fn formats_are_as_they_were() {
    insta::assert_snapshot!("hosts-wide", print(&view(Format::Wide), &bare_hosts()));
    insta::assert_snapshot!("hosts-tsv", print(&view(Format::Tsv), &bare_hosts()));
    insta::assert_snapshot!("hosts-csv", print(&view(Format::Csv), &bare_hosts()));
    insta::assert_snapshot!("hosts-json", print(&view(Format::Json), &bare_hosts()));
    insta::assert_snapshot!("hosts-jsonl-raw", print(&view(Format::Jsonl), &[host()]));
    insta::assert_snapshot!("hosts-yaml", print(&view(Format::Yaml), &bare_hosts()));
    insta::assert_snapshot!("alerts-tsv", print(&view(Format::Tsv), &alerts()));
    insta::assert_snapshot!("alerts-jsonl", print(&view(Format::Jsonl), &[other_alert()]));
}

#[test]
fn cards_are_as_they_were() {
    let card = |page: &mut Vec<u8>| String::from_utf8(std::mem::take(page)).unwrap();
    let mut page = Vec::new();
    card::print(&[host(), evil_host()], &view(Format::Table), &mut page).unwrap();
    insta::assert_snapshot!("card-hosts", card(&mut page));
    card::print(&[alert()], &view(Format::Table), &mut page).unwrap();
    insta::assert_snapshot!("card-alert", card(&mut page));
}

#[test]
fn json_is_json_and_begins_with_identity() {
    let text = print(&view(Format::Json), &bare_hosts());
    assert!(matches!(serde_json::from_str(&text).unwrap(), Json::Array(all) if all.len() == 2));
    assert_eq!(print::<Host>(&view(Format::Json), &[]), "[]\n");
    assert_eq!(print::<Host>(&view(Format::Jsonl), &[]), "");
    assert_eq!(print::<Host>(&view(Format::Yaml), &[]), "[]\n");
    let line = print(&view(Format::Jsonl), &[host()]);
    assert!(line.starts_with(r#"{"tenant":"acme","vendor":"falcon","uid":"0f3a"#), "{line}");
    assert!(line.contains(r#""raw":{"device_id":"0f3a"}"#), "{line}");
}

#[test]
fn yaml_is_one_list() {
    let text = print(&view(Format::Yaml), &bare_hosts());
    let list: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
    let list = list.as_sequence().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(list[1]["hostname"].as_str(), Some("WIN-BUILD-01"));
    assert_eq!(list[0]["hostname"].as_str(), Some(evil_host().hostname.as_str()));
}

#[test]
fn columns_choose_and_order() {
    let columns = Some(vec!["hostname".to_owned(), "os.type".to_owned()]);
    let csv = print(&View { columns: columns.clone(), ..view(Format::Csv) }, &[host()]);
    assert_eq!(csv, "hostname,os.type\nWIN-BUILD-01,windows\n");
    let json = print(&View { columns, ..view(Format::Jsonl) }, &[host()]);
    assert_eq!(
        json,
        concat!(
            r#"{"tenant":"acme","vendor":"falcon","uid":"0f3a5c7e9b1d4f6a8c0e2b4d6f8a1c3e","#,
            r#""hostname":"WIN-BUILD-01","os":{"type":"windows"}}"#,
            "\n"
        )
    );
}

#[test]
fn times_take_the_zone() {
    let zone: Zone = "+02:00".parse().unwrap();
    let seen = "2026-01-08T13:57:00+02:00";
    for format in [Format::Json, Format::Yaml, Format::Tsv, Format::Csv] {
        assert!(print(&View { zone, ..view(format) }, &[host()]).contains(seen), "{format:?}");
    }
}

/// Every column is a field of the record: the names of columns and of JSON are the same.
#[test]
fn every_column_is_a_field_of_the_model() {
    fn check<T: Record>(item: &T) {
        let json = serde_json::to_value(item).unwrap();
        for column in T::COLUMNS {
            let found = column.name.split('.').try_fold(&json, |at, key| at.get(key));
            assert!(found.is_some(), "{} is not in the record", column.name);
            let value = (column.get)(item);
            assert_ne!(value, super::columns::Value::Empty, "{} is empty in the fixture", column.name);
        }
        for name in
            T::TABLE.iter().map(|f| f.name).chain(T::PIPE.iter().copied()).chain(T::WIDE.iter().copied())
        {
            assert!(T::column(name).is_some(), "{name}");
        }
        assert!(T::TABLE.iter().all(|f| T::PIPE.contains(&f.name)));
    }
    check(&host());
    check(&alert());
    let _ = now();
}

#[test]
fn a_long_table_is_printed_in_blocks() {
    let out = Shared::default();
    let mut sink = sink::<Host>(&view(Format::Table), Box::new(out.clone()));
    for i in 0..10_001 {
        let mut one = Host::new("v", "t", &format!("{i}"), "{}");
        one.hostname = format!("H{:05}", 20_000 - i);
        sink.item(&one).unwrap();
    }
    sink.finish().unwrap();
    assert!(sink.in_blocks());
    let text = String::from_utf8(out.0.take()).unwrap();
    assert_eq!(text.lines().count(), 10_002);
    assert!(text.lines().nth(1).unwrap().contains("H10001"));
    assert!(text.lines().last().unwrap().contains("H10000"));
}

/// The contract in writing names the columns of the program.
#[test]
fn the_documentation_lists_the_columns() {
    let page = include_str!("../../../../docs/OUTPUT.md");
    for names in [Host::PIPE, Host::WIDE, Alert::PIPE, Alert::WIDE] {
        let line = names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" ");
        assert!(page.contains(&line), "{line}");
    }
}

/// Every field that a record can have stands in the contract.
#[test]
fn the_documentation_lists_the_fields() {
    let page = include_str!("../../../../docs/OUTPUT.md");
    let fields =
        |json: Json| json.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let all =
        [serde_json::to_value(host()).unwrap(), serde_json::to_value(alert()).unwrap()].map(fields).concat();
    for field in all {
        let named = [format!("`{field}`"), format!("`{field}[]`")].iter().any(|n| page.contains(n));
        assert!(named, "{field}");
    }
}
