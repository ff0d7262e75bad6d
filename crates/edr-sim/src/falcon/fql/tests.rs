//! Cases of FQL.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::eval::glob_match;
use super::*;

const NOW: i64 = 1_760_000_000_000; // 2025-10-09T08:53:20Z

const TABLE: &[(&str, Kind)] = &[
    ("hostname", Kind::Text),
    ("os_version", Kind::Brittle),
    ("tags", Kind::Exact),
    ("last_seen", Kind::Time),
    ("severity", Kind::Number),
    ("show_in_ui", Kind::Bool),
    ("local_ip", Kind::Ip),
    ("device.hostname", Kind::Text),
];
const STRICT: Dialect = Dialect { properties: TABLE, strict: true };
const LOOSE: Dialect = Dialect { properties: TABLE, strict: false };

struct Row(BTreeMap<&'static str, Vec<Val>>);

impl Record for Row {
    fn values(&self, property: &'static str) -> Vec<Val> {
        self.0.get(property).cloned().unwrap_or_default()
    }
}

fn row() -> Row {
    Row(BTreeMap::from([
        ("hostname", vec!["PC-Berlin-01".into()]),
        ("os_version", vec!["Windows 11".into()]),
        ("tags", vec!["FalconGroupingTags/pci".into(), "a,b+c".into()]),
        ("last_seen", vec![Val::Time(NOW - 3_600_000)]),
        ("severity", vec![Val::Num(70.0)]),
        ("show_in_ui", vec![Val::Bool(true)]),
        ("local_ip", vec!["10.1.2.3".into()]),
        ("device.hostname", vec!["it's \\here".into()]),
    ]))
}

fn on(dialect: &Dialect, filter: &str) -> bool {
    Filter::compile(filter, dialect, NOW).unwrap_or_else(|e| panic!("{filter}: {e}")).matches(&row())
}

#[test]
fn filters_that_match() {
    for filter in [
        "",
        "hostname:'PC-Berlin-01'",
        "hostname:'pc-berlin-01'",
        "hostname:\"PC-Berlin-01\"",
        "hostname:'PC*'",
        "hostname:'*-01'",
        "hostname:'PC*01'",
        "hostname:*'*Berlin*'",
        "hostname:!'other'",
        "hostname:!*'*Lisbon*'",
        "hostname:!null",
        "hostname:['x','PC-Berlin-01']",
        "hostname:!['x','y']",
        "hostname:~'berlin'",
        "hostname:~'01 pc'",
        "os_version:'Windows 11'",
        "tags:'FalconGroupingTags/pci'",
        "tags:'a,b+c'",
        "last_seen:>'now-2h'",
        "last_seen:>='2025-10-09T07:53:20Z'",
        "last_seen:<'now'",
        "last_seen:<='2025-10-09T09:53:20.123+02:00'",
        "last_seen:>'2025-10-01'",
        "last_seen:>now-7d",
        "local_ip:'10.1.2.3'",
        "local_ip:'10.1.0.0/16'",
        "local_ip:*'10.*'",
        "device.hostname:'it\\'s \\\\here'",
        "hostname:'x'+hostname:'y',hostname:'PC*'",
        "hostname:'PC*'+(os_version:'x',os_version:'Windows 11')",
        "(((hostname:'PC*')))",
        " hostname:'PC*' + os_version:'Windows 11' ",
    ] {
        assert!(on(&STRICT, filter), "{filter}");
    }
}

#[test]
fn filters_that_do_not_match() {
    for filter in [
        "hostname:'PC'",
        "hostname:'*Berlin*'",
        "hostname:null",
        "hostname:''",
        "tags:'falcongroupingtags/pci'",
        "last_seen:>'now-30m'",
        "local_ip:'10.2.0.0/16'",
        "hostname:'PC*',hostname:'x'+hostname:'y'+os_version:!null,os_version:'z'",
        "(hostname:'PC*',hostname:'x')+os_version:'Windows 10'",
    ] {
        assert_eq!(on(&STRICT, filter), filter.contains("PC*',hostname:'x'+"), "{filter}");
    }
}

#[test]
fn numbers_and_booleans_of_the_looser_services() {
    for (filter, expected) in [
        ("severity:>=70", true),
        ("severity:>'69'", true),
        ("severity:<70", false),
        ("severity:70", true),
        ("severity:[10,70]", true),
        ("show_in_ui:true", true),
        ("show_in_ui:'false'", false),
        ("show_in_ui:!false", true),
        ("hostname:!~'berlin'", false),
        ("hostname:'*Berlin*'", true),
        ("hostname:'*'", true),
        ("hostname:!'*'", false),
    ] {
        assert_eq!(on(&LOOSE, filter), expected, "{filter}");
    }
}

#[test]
fn filters_that_are_refused() {
    let refused = |filter: &str| Filter::compile(filter, &STRICT, NOW).expect_err(filter);
    for filter in [
        "hostname",
        "hostname:",
        "hostname:*",
        ":'x'",
        "hostname:'x",
        "hostname:'x' os_version:'y'",
        "hostname:'x'+",
        "(hostname:'x'",
        "hostname:'x')",
        "hostname:['x'",
        "hostname:[]",
        "hostname:'a\nb'",
    ] {
        assert!(matches!(refused(filter), FqlError::Syntax(_)), "{filter}");
    }
    assert_eq!(refused("colour:'red'"), FqlError::UnknownProperty("colour".into()));
    assert_eq!(refused("os_version:'Win*'"), FqlError::Breaks("os_version".into()));
    for filter in [
        "hostname:>'a'",
        "last_seen:>'yesterday'",
        "hostname:!~'x'",
        "severity:>5",
        "local_ip:'10.0.0.0/40'",
        "last_seen:>null",
    ] {
        assert!(matches!(refused(filter), FqlError::BadValue(_)), "{filter}");
    }
    let many = vec!["hostname:'x'"; 21].join("+");
    assert_eq!(refused(&many), FqlError::TooMany);
    let deep = format!("{}hostname:'x'{}", "(".repeat(500), ")".repeat(500));
    assert!(matches!(refused(&deep), FqlError::Syntax(_)));
}

#[test]
fn and_binds_tighter_than_or() {
    let expr = parse("a:'1',b:'2'+c:'3'").unwrap();
    assert!(
        matches!(&expr, Expr::Or(parts) if parts.len() == 2 && matches!(parts[1], Expr::And(_))),
        "{expr:?}"
    );
}

#[test]
fn globs() {
    for (glob, text, expected) in [
        ("a*c", "abc", true),
        ("a*c", "ac", true),
        ("ab*ba", "aba", false),
        ("*b*d*", "abcde", true),
        ("*d*b*", "abcde", false),
        ("**", "", true),
        ("*", "", false),
        ("abc", "abc", true),
    ] {
        assert_eq!(glob_match(glob, text), expected, "{glob} {text}");
    }
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        "[^\\n\\r]{0,12}".prop_map(Literal::Quoted),
        "[a-z0-9][a-z0-9_.:-]{0,8}".prop_filter("null is its own", |w| w != "null").prop_map(Literal::Bare),
        Just(Literal::Null),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop::sample::select(vec![
        Op::Eq,
        Op::Ne,
        Op::Gt,
        Op::Ge,
        Op::Lt,
        Op::Le,
        Op::Words,
        Op::NotWords,
        Op::Glob,
        Op::NotGlob,
    ])
}

fn expr() -> impl Strategy<Value = Expr> {
    let term = ("[a-z][a-z0-9_.]{0,8}", op(), prop::collection::vec(literal(), 1..4))
        .prop_map(|(property, op, values)| Expr::Term(Term { property, op, values }));
    term.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner, 2..4).prop_map(Expr::Or),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(expr in expr()) {
        let text = expr.to_string();
        prop_assert_eq!(parse(&text), Ok(expr), "{}", text);
    }

    #[test]
    fn nothing_makes_the_parser_panic(text in ".{0,60}") {
        let _ = Filter::compile(&text, &LOOSE, NOW);
    }
}
