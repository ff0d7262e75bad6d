//! Filters: what comes back is what [`edr_core::Filter`] lets through, wherever it is evaluated.
//!
//! Each case reads the whole listing once, makes filters from the values in it, and compares each
//! filtered listing with the whole one filtered here.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use edr_core::{Field, FieldKind, Filter, Op, Query as _, Severity};

use super::listing::filter;
use crate::gather::{all, exactly, pages, uids};
use crate::{CaseResult, Failure, Item, Ran, World};

const ORDERS: [Op; 4] = [Op::Gt, Op::Ge, Op::Lt, Op::Le];
const EQUALITIES: [Op; 2] = [Op::Eq, Op::Ne];

/// The whole listing, and what was wrong with the filtered ones.
struct Bench<'a, I> {
    world: &'a dyn World,
    whole: Vec<I>,
    tried: usize,
    wrong: Vec<String>,
}

impl<'a, I: Item> Bench<'a, I> {
    async fn new(world: &'a dyn World) -> Result<Self, Failure> {
        let whole = all::<I>(world, &I::connected(I::query())).await?.items;
        Ok(Self { world, whole, tried: 0, wrong: Vec::new() })
    }

    /// `field op value`, with the value alone.
    async fn one(&mut self, field: &str, op: Op, value: &str) -> Result<(), Failure> {
        self.together(vec![filter::<I>(self.world, field, op, &[value])?]).await;
        Ok(())
    }

    /// All of these filters at once.
    async fn together(&mut self, filters: Vec<Filter>) {
        self.tried += 1;
        let names: Vec<String> = filters.iter().map(ToString::to_string).collect();
        let connected = filters.iter().any(|f| f.field().name == "connection_state");
        let plain = if connected { I::connected(I::query()) } else { I::query() };
        let query = filters.into_iter().fold(plain, I::filtered);
        if let Err(failure) = self.compare(&query).await {
            self.wrong.push(format!("[{}] {failure}", names.join(" and ")));
        }
    }

    async fn compare(&self, query: &I::Query) -> Result<(), Failure> {
        let passing: Vec<I> = self.whole.iter().filter(|i| query.matches(i)).cloned().collect();
        exactly(&uids(&passing), &all::<I>(self.world, query).await?.items)
    }

    /// Distinct values of a field, in order.
    fn values(&self, field: &str) -> Vec<String> {
        let all: BTreeSet<String> = self.whole.iter().flat_map(|i| i.values(field)).collect();
        all.into_iter().collect()
    }

    fn verdict(self) -> CaseResult {
        needs!(self.tried > 0, "no {} has a value to filter by", I::NOUN);
        let (count, shown) = (self.wrong.len(), self.wrong.iter().take(4).cloned().collect::<Vec<_>>());
        ensure!(count == 0, "{count} of {} filters differ: {}", self.tried, shown.join("; "));
        Ok(Ran::Passed)
    }
}

fn fields<I: Item>(kind: impl Fn(FieldKind) -> bool) -> impl Iterator<Item = &'static Field> {
    I::NOUN.fields().iter().filter(move |f| kind(f.kind))
}

/// Text fields: `=` to the letter, `!=`, `~` with a part and with `*`, in either case.
///
/// # Errors
/// When a filtered listing differs from the whole one filtered here.
pub async fn text<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let mut bench = Bench::<I>::new(world).await?;
    for field in fields::<I>(|k| k == FieldKind::Text) {
        for value in telling(&bench.values(field.name)) {
            for (op, value) in asked(&value) {
                bench.one(field.name, op, &value).await?;
            }
        }
    }
    bench.verdict()
}

/// The first, the last and the two that are hardest to quote.
fn telling(values: &[String]) -> Vec<String> {
    let plain = values.first().into_iter().chain(values.last());
    let mut hard: Vec<&String> = values.iter().collect();
    hard.sort_by_key(|v| std::cmp::Reverse(v.chars().filter(|c| !c.is_ascii_alphanumeric()).count()));
    plain.chain(hard.into_iter().take(2)).cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// What is asked about a text.
fn asked(value: &str) -> Vec<(Op, String)> {
    let letters: Vec<char> = value.chars().collect();
    let cut = |from: usize, to: usize| letters[from.min(to)..to].iter().collect::<String>();
    let (third, end) = (letters.len() / 3, letters.len());
    vec![
        (Op::Eq, value.to_owned()),
        (Op::Ne, value.to_owned()),
        (Op::Eq, flipped(value)),
        (Op::Ne, flipped(value)),
        (Op::Like, flipped(value)),
        (Op::Like, cut(third, end - third)),
        (Op::Like, format!("{}*", cut(0, end.div_ceil(2)))),
        (Op::Like, format!("*{}", flipped(&cut(end / 2, end)))),
        (Op::Like, format!("*{}*", cut(third, end - third))),
    ]
}

/// The same letters in the other case.
pub(crate) fn flipped(value: &str) -> String {
    let flip = |c: char| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    value.chars().map(flip).collect()
}

/// Fields with words of the model: each word, known in the listing or not, with `=` and `!=`.
///
/// # Errors
/// When a filtered listing differs from the whole one filtered here.
pub async fn words<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let mut bench = Bench::<I>::new(world).await?;
    for field in fields::<I>(|k| matches!(k, FieldKind::Enum(_))) {
        let FieldKind::Enum(words) = field.kind else { continue };
        for word in words {
            bench.one(field.name, Op::Eq, word).await?;
            bench.one(field.name, Op::Ne, &word.to_uppercase()).await?;
        }
    }
    bench.verdict()
}

/// Yes-or-no fields, where an absent value is neither.
///
/// # Errors
/// When a filtered listing differs from the whole one filtered here.
pub async fn bools<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let mut bench = Bench::<I>::new(world).await?;
    for field in fields::<I>(|k| k == FieldKind::Bool) {
        for (op, value) in EQUALITIES.into_iter().flat_map(|op| [(op, "true"), (op, "false")]) {
            bench.one(field.name, op, value).await?;
        }
    }
    bench.verdict()
}

/// Severities and numbers, with every operator that compares.
///
/// # Errors
/// When a filtered listing differs from the whole one filtered here.
pub async fn ordered<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let mut bench = Bench::<I>::new(world).await?;
    for field in fields::<I>(|k| matches!(k, FieldKind::Severity | FieldKind::Number)) {
        let values = match field.kind {
            FieldKind::Severity => Severity::KNOWN.iter().map(|s| s.as_str().to_owned()).collect(),
            _ => telling(&bench.values(field.name)),
        };
        for value in values {
            for op in ORDERS.into_iter().chain(EQUALITIES) {
                bench.one(field.name, op, &value).await?;
            }
        }
    }
    bench.verdict()
}

/// Times, with every operator that compares, at instants that occur in the listing and beside them.
///
/// # Errors
/// When a filtered listing differs from the whole one filtered here.
pub async fn times<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let mut bench = Bench::<I>::new(world).await?;
    for field in fields::<I>(|k| k == FieldKind::Time) {
        let values = bench.values(field.name);
        let Some((first, last)) = values.first().zip(values.last()) else { continue };
        for op in ORDERS {
            bench.one(field.name, op, &values[values.len() / 2]).await?;
        }
        for (op, value) in [(Op::Lt, first), (Op::Le, first), (Op::Gt, last), (Op::Ge, last)] {
            bench.one(field.name, op, value).await?;
        }
        bench.one(field.name, Op::Ge, "3d").await?;
        bench.one(field.name, Op::Lt, "2000-01-01").await?;
    }
    bench.verdict()
}

/// Signs that mean something in a vendor's query language, or in a URL, a pattern or JSON.
const SIGNS: [&str; 26] = [
    "'",
    "\"",
    "\\",
    "\\'",
    "''",
    "*",
    "**",
    "?",
    "[a-z]",
    "%",
    "_",
    "(",
    ")",
    ",",
    ":",
    "+",
    "!",
    "&",
    "null",
    "x' || 'y",
    "'+uid:!'x",
    "a\",\"b",
    "two words",
    " ",
    "\u{df}\u{e9}\u{65e5}\u{672c}",
    "{}",
];

/// Signs that mean something to a vendor are text: alone, and put before and after a value that is there.
///
/// # Errors
/// When a filtered listing differs from the whole one filtered here.
pub async fn hostile<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let mut bench = Bench::<I>::new(world).await?;
    for sign in SIGNS {
        bench.one(I::NAME, Op::Eq, sign).await?;
        bench.one(I::NAME, Op::Like, sign).await?;
    }
    let values = bench.values(I::NAME);
    let Some(name) = values.last() else { return bench.verdict() };
    for sign in ["'", "\"", "\\", "*", "?", " ", "' + '"] {
        bench.one(I::NAME, Op::Eq, &format!("{name}{sign}")).await?;
        bench.one(I::NAME, Op::Ne, &format!("{sign}{name}")).await?;
    }
    let letters = name.chars().count();
    let stem: String = name.chars().take(letters.div_ceil(2)).collect();
    bench.one(I::NAME, Op::Eq, &format!("{stem}*")).await?;
    bench.one(I::NAME, Op::Ne, &format!("{stem}*")).await?;
    bench.verdict()
}

/// All filters of a query hold at once: of different fields, of one field, and in contradiction.
///
/// # Errors
/// When a filtered listing differs from the whole one filtered here.
pub async fn several<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let mut bench = Bench::<I>::new(world).await?;
    let make = |field: &str, op: Op, value: &str| filter::<I>(world, field, op, &[value]);
    let names = bench.values(I::NAME);
    let Some((low, high)) = names.first().zip(names.last()) else { return bench.verdict() };
    bench.together(vec![make(I::NAME, Op::Eq, low)?, make(I::NAME, Op::Eq, high)?]).await;
    bench.together(vec![make(I::NAME, Op::Ne, low)?, make(I::NAME, Op::Ne, high)?]).await;
    for time in fields::<I>(|k| k == FieldKind::Time) {
        let values = bench.values(time.name);
        let Some(middle) = values.get(values.len() / 2) else { continue };
        let from = make(time.name, Op::Ge, &values[values.len() / 4])?;
        bench.together(vec![from.clone(), make(time.name, Op::Lt, middle)?]).await;
        bench.together(vec![from, make(I::NAME, Op::Ne, low)?, make("uid", Op::Like, "*")?]).await;
    }
    for words in fields::<I>(|k| matches!(k, FieldKind::Enum(_))) {
        for word in telling(&bench.values(words.name)) {
            let Ok(equal) = make(words.name, Op::Eq, &word) else { continue };
            bench.together(vec![equal.clone(), make(I::NAME, Op::Ne, high)?]).await;
            bench.together(vec![equal, make(words.name, Op::Ne, &word)?]).await;
        }
    }
    bench.verdict()
}

/// A filter with several values passes what one of them passes.
///
/// # Errors
/// When a filtered listing differs from the whole one filtered here.
pub async fn alternatives<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let mut bench = Bench::<I>::new(world).await?;
    for field in [I::NAME, "uid"] {
        let values = bench.values(field);
        let Some((first, last)) = values.first().zip(values.last()) else { continue };
        for op in [Op::Eq, Op::Ne, Op::Like] {
            let both = filter::<I>(world, field, op, &[first, last, "no such value"])?;
            bench.together(vec![both]).await;
        }
    }
    for field in fields::<I>(|k| matches!(k, FieldKind::Enum(_))) {
        let FieldKind::Enum(words) = field.kind else { continue };
        for op in EQUALITIES {
            bench.together(vec![filter::<I>(world, field.name, op, &words[..2])?]).await;
        }
    }
    bench.verdict()
}

/// A filter that matches nothing gives an empty listing that says complete, page by page too.
///
/// # Errors
/// When there is something, or the listing does not say that it is complete.
pub async fn nothing<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let future = (world.now() + TimeDelta::days(400)).to_rfc3339();
    let time = fields::<I>(|k| k == FieldKind::Time).next().map_or("", |f| f.name);
    let none =
        [(I::NAME, Op::Eq, "no such name"), ("uid", Op::Eq, "no such id"), (time, Op::Gt, future.as_str())];
    for (field, op, value) in none {
        let query = I::filtered(I::query(), filter::<I>(world, field, op, &[value])?);
        let walked = all::<I>(world, &query).await.map_err(|e| e.at(field))?;
        ensure!(walked.items.is_empty(), "{} items pass a filter on {field}", walked.items.len());
        let read = pages::<I>(world, &query).await.map_err(|e| e.at(field))?;
        ensure!(read.iter().all(|p| p.items.is_empty()), "a page holds items, filtered on {field}");
    }
    Ok(Ran::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_values_are_among_the_telling_ones() {
        let values = ["a", "b", "c'\\\"", "d", "e"].map(str::to_owned);
        assert_eq!(telling(&values), ["a", "c'\\\"", "e"].map(str::to_owned));
        assert!(telling(&[]).is_empty());
    }

    #[test]
    fn short_values_can_be_asked_about() {
        for value in ["a", "ab", "\u{df}", "a*b"] {
            assert!(asked(value).iter().all(|(_, v)| !v.is_empty()), "{value}");
        }
    }
}
