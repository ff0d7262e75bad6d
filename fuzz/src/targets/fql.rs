//! FQL: what we write is read by the simulator's parser, which was written apart from it, as what was meant.
//!
//! The first byte chooses: `f` a filter on hosts and `a` one on alerts, as people write them, one a line; `p` an
//! expression for the parser; anything else is a program for the writer, one instruction a line.

use edr_core::{AlertQuery, EdrProvider as _, Filter, HostQuery, Noun};
use edr_sim::falcon::fql::{Expr, Literal, Op, Term, parse};
use falcon::fql::{Fql, FqlError, Property, field};

use super::choice;
use crate::wire::{block_on, falcon_builder, now};

/// Deeper than this the parser does not go.
const DEPTH: usize = 20;

/// Runs the target.
pub fn run(data: &[u8]) {
    let (way, rest) = choice(data);
    let Ok(text) = str::from_utf8(rest) else { return };
    match way {
        b'a' => filters(Noun::Alert, text),
        b'f' => filters(Noun::Host, text),
        b'p' => read(text),
        _ => write(text),
    }
}

/// An expression that can be read is printed as one that is read alike.
fn read(text: &str) {
    let Ok(expr) = parse(text) else { return };
    let printed = expr.to_string();
    assert_eq!(parse(&printed).as_ref(), Ok(&expr), "{text:?} is printed as {printed:?}");
}

/// Builds an expression and what it means side by side, on a stack.
fn write(text: &str) {
    let mut stack: Vec<(Fql, Expr, usize)> = Vec::new();
    for line in text.lines().take(60) {
        match line.as_bytes() {
            [sign @ (b'+' | b','), ..] => {
                let from = stack.len().saturating_sub(line.len());
                let parts = stack.split_off(from);
                stack.extend(join(*sign == b',', parts));
            }
            _ => stack.extend(term(line).and_then(Result::ok).map(|(fql, term)| (fql, Expr::Term(term), 0))),
        }
    }
    for (fql, meant, _) in stack {
        let read = parse(fql.as_str()).unwrap_or_else(|e| panic!("{fql} cannot be read: {e}"));
        assert_eq!(flat(read), flat(meant), "{fql}");
    }
}

fn join(any: bool, parts: Vec<(Fql, Expr, usize)>) -> Option<(Fql, Expr, usize)> {
    let depth = parts.iter().map(|p| p.2).max()? + 1;
    if depth > DEPTH {
        return None;
    }
    let (fqls, exprs): (Vec<Fql>, Vec<Expr>) = parts.into_iter().map(|(f, e, _)| (f, e)).unzip();
    Some(if any {
        (Fql::any(fqls), Expr::Or(exprs), depth)
    } else {
        (Fql::all(fqls), Expr::And(exprs), depth)
    })
}

/// `property op value`, with the words of the writer.
fn term(line: &str) -> Option<Result<(Fql, Term), FqlError>> {
    let (name, rest) = line.split_once(' ')?;
    let (op, value) = rest.split_once(' ').unwrap_or((rest, ""));
    let property = field(name).ok()?;
    let quoted = |text: &str| vec![Literal::Quoted(text.to_owned())];
    let (fql, op, values) = match op {
        "ne" => (property.ne(value), Op::Ne, quoted(value)),
        "in" => any_of(&property, value),
        "like" => (property.matches(value), Op::Glob, quoted(value)),
        "has" => (property.holds(value), Op::Words, quoted(value)),
        "null" => (Ok(property.is_null()), Op::Eq, vec![Literal::Null]),
        "set" => (Ok(property.is_set()), Op::Ne, vec![Literal::Null]),
        "is" => {
            (Ok(property.is(value == "true")), Op::Eq, vec![Literal::Bare((value == "true").to_string())])
        }
        "ge" => {
            let number: i64 = value.parse().unwrap_or_default();
            (Ok(property.at_least(number)), Op::Ge, vec![Literal::Bare(number.to_string())])
        }
        _ => (property.eq(value), Op::Eq, quoted(value)),
    };
    Some(fql.map(|fql| (fql, Term { property: name.to_owned(), op, values })))
}

fn any_of(property: &Property, value: &str) -> (Result<Fql, FqlError>, Op, Vec<Literal>) {
    let words: Vec<&str> = value.split('|').collect();
    let values = words.iter().map(|word| Literal::Quoted((*word).to_owned())).collect();
    (property.any_of(&words), Op::Eq, values)
}

/// The same expression without needless levels.
fn flat(expr: Expr) -> Expr {
    let (parts, all) = match expr {
        Expr::Term(term) => return Expr::Term(term),
        Expr::And(parts) => (parts, true),
        Expr::Or(parts) => (parts, false),
    };
    let spread = |part| match (part, all) {
        (Expr::And(inner), true) | (Expr::Or(inner), false) => inner,
        (other, _) => vec![other],
    };
    let mut parts: Vec<Expr> = parts.into_iter().map(flat).flat_map(spread).collect();
    match parts.len() {
        1 => parts.remove(0),
        _ if all => Expr::And(parts),
        _ => Expr::Or(parts),
    }
}

/// Filters as people write them become FQL that can be read, whatever stands in their values.
fn filters(noun: Noun, text: &str) {
    let filters: Vec<Filter> = text.lines().filter_map(|l| Filter::parse(noun, l, now()).ok()).collect();
    let (builder, visited) = falcon_builder(b"200\n\n{\"resources\":[]}", true);
    let falcon = builder.build().expect("the settings are good");
    let most = filters.len();
    block_on(async {
        match noun {
            Noun::Host => {
                let query = filters.into_iter().fold(HostQuery::new(), HostQuery::filter);
                drop(falcon.hosts(&query, None).await);
            }
            _ => {
                let query = filters.into_iter().fold(AlertQuery::new(), AlertQuery::filter);
                drop(falcon.alerts(&query, None).await);
            }
        }
    });
    for url in visited.urls() {
        let sent = url.query_pairs().find(|(key, _)| key == "filter");
        if let Some((_, fql)) = sent {
            let expr = parse(&fql).unwrap_or_else(|e| panic!("{fql} cannot be read: {e}"));
            let parts = if let Expr::And(parts) = flat(expr) { parts.len() } else { 1 };
            assert!(parts <= most, "{most} filters became {parts} conditions: {fql}");
        }
    }
}
