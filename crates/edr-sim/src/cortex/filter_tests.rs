use super::*;
use serde_json::json;

const TABLE: &[Field] = &[
    field("name", &[Op::In, Op::Eq, Op::Neq, Op::Nin, Op::Contains], Kind::Text),
    field("id", &[Op::In, Op::Nin], Kind::Int),
    field("seen", &[Op::Gte, Op::Lte, Op::Eq], Kind::Int),
    field("starred", &[Op::Eq], Kind::Bool),
];

fn one(field: &str, operator: &str, value: Value) -> Result<Clause, String> {
    let data = json!({"filters": [{"field": field, "operator": operator, "value": value}]});
    parse(&data, TABLE).map(|mut clauses| clauses.remove(0)).map_err(|refusal| refusal.extra.to_string())
}

#[test]
fn texts() {
    for (operator, value, actual, expected) in [
        ("in", json!(["a", "b"]), "b", true),
        ("in", json!(["a", "b"]), "c", false),
        ("IN", json!(["a"]), "a", true),
        ("in", json!(["A"]), "a", false),
        ("nin", json!(["a"]), "a", false),
        ("nin", json!(["a"]), "b", true),
        ("eq", json!("a"), "a", true),
        ("eq", json!("a"), "b", false),
        ("neq", json!("a"), "b", true),
        ("contains", json!("el"), "hello", true),
        ("contains", json!("El"), "hello", false),
    ] {
        assert_eq!(
            one("name", operator, value.clone()).unwrap().text(actual),
            expected,
            "{operator} {value} {actual}"
        );
    }
}

#[test]
fn numbers() {
    for (field, operator, value, actual, expected) in [
        ("seen", "gte", json!(5), 5, true),
        ("seen", "gte", json!(5), 4, false),
        ("seen", "lte", json!(5), 5, true),
        ("seen", "lte", json!(5), 6, false),
        ("seen", "eq", json!(5), 5, true),
        ("id", "in", json!([1, 2]), 2, true),
        ("id", "in", json!([1, 2]), 3, false),
        ("id", "nin", json!([1, 2]), 3, true),
    ] {
        assert_eq!(
            one(field, operator, value.clone()).unwrap().int(actual),
            expected,
            "{field} {operator} {value} {actual}"
        );
    }
    assert!(one("starred", "eq", json!(true)).unwrap().bool(true));
    assert!(!one("starred", "eq", json!(true)).unwrap().bool(false));
}

#[test]
fn refused() {
    for (field, operator, value, names) in [
        ("hostname", "in", json!(["a"]), "name, id, seen, starred"),
        ("name", "gte", json!("a"), "in, eq, neq, nin, contains"),
        ("name", "matches", json!("a"), "in, eq"),
        ("name", "in", json!("a"), "array of strings"),
        ("name", "in", json!([]), "array of strings"),
        ("name", "in", json!([1]), "array of strings"),
        ("name", "eq", json!(["a"]), "a string"),
        ("id", "in", json!(["1"]), "array of integers"),
        ("id", "in", json!(1), "array of integers"),
        ("seen", "gte", json!("2024-01-01"), "an integer"),
        ("seen", "gte", json!(1.5), "an integer"),
        ("seen", "gte", json!([1]), "an integer"),
        ("seen", "gte", json!(null), "an integer"),
        ("starred", "eq", json!("true"), "a boolean"),
    ] {
        let extra = one(field, operator, value.clone()).unwrap_err();
        assert!(extra.contains(names), "{field} {operator} {value}: {extra}");
    }
}

#[test]
fn the_shape_of_filters() {
    assert!(parse(&json!({}), TABLE).unwrap().is_empty());
    assert!(parse(&json!({"filters": null}), TABLE).unwrap().is_empty());
    assert!(parse(&json!({"filters": []}), TABLE).unwrap().is_empty());
    for filters in [
        json!("all"),
        json!({}),
        json!([1]),
        json!([{"field": "name", "operator": "in"}]),
        json!([{"field": 1, "operator": "in", "value": []}]),
    ] {
        assert!(parse(&json!({"filters": filters}), TABLE).is_err(), "{filters}");
    }
}

#[test]
fn sorts() {
    const FIELDS: &[&str] = &["first_seen", "last_seen"];
    let default = Sort { field: "first_seen", descending: true };
    let sort = |value: Value| Sort::parse(&json!({"sort": value}), FIELDS, default);
    assert_eq!(Sort::parse(&json!({}), FIELDS, default), Ok(default));
    assert_eq!(
        sort(json!({"field": "last_seen", "keyword": "ASC"})),
        Ok(Sort { field: "last_seen", descending: false })
    );
    assert_eq!(
        sort(json!({"field": "last_seen", "keyword": "desc"})),
        Ok(Sort { field: "last_seen", descending: true })
    );
    assert!(
        sort(json!({"field": "hostname", "keyword": "asc"}))
            .unwrap_err()
            .extra
            .to_string()
            .contains("first_seen, last_seen")
    );
    assert!(sort(json!({"field": "last_seen", "keyword": "up"})).is_err());
}
