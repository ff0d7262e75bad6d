//! Reading listings to their end, without trusting the provider to have one.

use std::collections::{BTreeMap, BTreeSet};

use edr_core::{Cursor, Outcome, Page, Rejected, WalkStream, Walked};
use futures_util::StreamExt as _;

use crate::{Failure, Item, World};

/// More events than any sound listing of this many items has.
fn limit(items: usize) -> usize {
    items * 8 + 200
}

/// Everything that a walk told.
#[derive(Debug)]
pub(crate) struct Gathered<I> {
    pub(crate) items: Vec<I>,
    pub(crate) rejected: Vec<Rejected>,
    /// Each checkpoint with the number of items that came before it.
    pub(crate) checkpoints: Vec<(usize, Cursor)>,
    pub(crate) outcome: Outcome,
}

impl<I: Item> Gathered<I> {
    pub(crate) fn uids(&self) -> BTreeSet<String> {
        uids(&self.items)
    }

    /// Fails unless the walk says that nothing is missing.
    pub(crate) fn complete(self) -> Result<Self, Failure> {
        ensure!(self.outcome.is_complete(), "the listing ended as {}", self.outcome.summary());
        Ok(self)
    }
}

/// Runs a walk to its end.
pub(crate) async fn gather<I: Item>(
    world: &dyn World,
    mut walk: WalkStream<'_, I>,
) -> Result<Gathered<I>, Failure> {
    let (mut items, mut rejected, mut checkpoints) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..limit(I::truth(world).len()) {
        match walk.next().await {
            Some(Walked::Items(more)) => items.extend(more),
            Some(Walked::Rejected(one)) => rejected.push(one),
            Some(Walked::Checkpoint(cursor)) => checkpoints.push((items.len(), cursor)),
            Some(Walked::End { outcome, .. }) => {
                return Ok(Gathered { items, rejected, checkpoints, outcome });
            }
            Some(_) => {}
            None => return Err(Failure::new("the walk ended without an outcome")),
        }
    }
    Err(Failure::new("the listing does not end"))
}

/// All items of a query, by a walk that must be complete.
pub(crate) async fn all<I: Item>(world: &dyn World, query: &I::Query) -> Result<Gathered<I>, Failure> {
    gather(world, I::walk(world.provider(), query, None)).await?.complete()
}

/// All pages of a query, page by page and without the walk's mending.
pub(crate) async fn pages<I: Item>(world: &dyn World, query: &I::Query) -> Result<Vec<Page<I>>, Failure> {
    let (mut pages, mut seen, mut cursor) = (Vec::new(), BTreeSet::new(), None);
    for _ in 0..limit(I::truth(world).len()) {
        let page = I::page(world.provider(), query, cursor.as_ref()).await?;
        cursor = page.next().cloned();
        pages.push(page);
        match &cursor {
            None => return Ok(pages),
            Some(next) => ensure!(seen.insert(next.to_string()), "page {} repeats a cursor", pages.len()),
        }
    }
    Err(Failure::new("the listing does not end"))
}

/// The items of some pages, in order.
pub(crate) fn items<I: Item>(pages: &[Page<I>]) -> Vec<I> {
    pages.iter().flat_map(|p| p.items.iter().cloned()).collect()
}

/// The ids of some items.
pub(crate) fn uids<I: Item>(items: &[I]) -> BTreeSet<String> {
    items.iter().map(|i| i.uid().to_owned()).collect()
}

/// Some items by id.
pub(crate) fn by_uid<I: Item>(items: &[I]) -> BTreeMap<&str, &I> {
    items.iter().map(|i| (i.uid(), i)).collect()
}

/// Fails unless both sets are the same; names a few of what differs.
pub(crate) fn same(expected: &BTreeSet<String>, got: &BTreeSet<String>) -> Result<(), Failure> {
    let missing = few(expected.difference(got));
    let extra = few(got.difference(expected));
    ensure!(missing.is_empty(), "{} of {} are there, missing: {missing}", got.len(), expected.len());
    ensure!(extra.is_empty(), "{} instead of {} are there, too many: {extra}", got.len(), expected.len());
    Ok(())
}

/// Fails unless the items are exactly these, each once.
pub(crate) fn exactly<I: Item>(expected: &BTreeSet<String>, items: &[I]) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    let twice = few(items.iter().map(|i| i.uid().to_owned()).filter(|uid| !seen.insert(uid.clone())));
    ensure!(twice.is_empty(), "these came more than once: {twice}");
    same(expected, &seen)
}

fn few<T: ToString>(uids: impl Iterator<Item = T>) -> String {
    let uids: Vec<String> = uids.map(|u| u.to_string()).collect();
    let rest = uids.len().saturating_sub(3);
    let shown = uids[..uids.len() - rest].join(", ");
    if rest == 0 { shown } else { format!("{shown} and {rest} more") }
}

/// A size that cuts a listing of `count` items into about `parts` pages.
pub(crate) fn size(count: usize, parts: usize) -> u32 {
    u32::try_from(count.div_ceil(parts)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use edr_core::Host;

    fn set(uids: &[&str]) -> BTreeSet<String> {
        uids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_differs_is_named() {
        let says = |a: &[&str], b: &[&str]| same(&set(a), &set(b)).unwrap_err().to_string();
        assert_eq!(says(&["1", "2"], &["1"]), "1 of 2 are there, missing: 2");
        assert_eq!(says(&["1"], &["1", "2"]), "2 instead of 1 are there, too many: 2");
        assert!(says(&["1", "2", "3", "4", "5"], &[]).ends_with("1, 2, 3 and 2 more"));
        assert!(same(&set(&["1"]), &set(&["1"])).is_ok());
    }

    #[test]
    fn twice_is_not_once() {
        let host = |uid: &str| Host::new("v", "t", uid, "{}");
        let error = exactly(&set(&["1", "2"]), &[host("1"), host("2"), host("1")]).unwrap_err();
        assert_eq!(error.to_string(), "these came more than once: 1");
    }
}
