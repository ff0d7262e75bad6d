//! What a listing holds.

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use edr_core::{Filter, Op, Page, Query as _, Raw};
use futures_util::{StreamExt as _, future};

use crate::gather::{all, by_uid, exactly, gather, items, pages, same, size};
use crate::{CaseResult, Failure, Item, Ran, World};

/// The listing is what the back end holds, each item once: page by page, and as a walk.
///
/// # Errors
/// When it is not.
pub async fn whole<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let truth = I::truth(world);
    let read = pages::<I>(world, &I::query()).await?;
    exactly(&truth, &items(&read)).map_err(|e| e.at("page by page"))?;
    let walked = all::<I>(world, &I::query()).await?;
    exactly(&truth, &walked.items).map_err(|e| e.at("as a walk"))?;
    ensure!(walked.rejected.is_empty(), "{} sound items were rejected", walked.rejected.len());
    Ok(Ran::Passed)
}

/// Every item names tenant, vendor and a non-empty id, and keeps the vendor's JSON.
///
/// # Errors
/// When one does not.
pub async fn identity<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    for item in all::<I>(world, &I::query()).await?.items {
        identified(world, &item)?;
    }
    Ok(Ran::Passed)
}

/// Fails unless the item says whose it is.
fn identified<I: Item>(world: &dyn World, item: &I) -> Result<(), Failure> {
    let (uid, provider) = (item.uid(), world.provider());
    ensure!(!uid.trim().is_empty(), "a {} has no uid", I::NOUN);
    ensure!(item.tenant() == provider.tenant(), "{uid} is of tenant '{}'", item.tenant());
    ensure!(item.vendor() == provider.vendor(), "{uid} is of vendor '{}'", item.vendor());
    ensure!(!item.raw().is_empty(), "{uid} has no raw payload");
    ensure!(item.raw().parse::<Raw>().is_ok(), "the raw payload of {uid} is not JSON");
    Ok(())
}

/// A total that is told is the number of items that arrive, rejected and filtered ones included:
/// without a filter, and with one.
///
/// # Errors
/// When it is another number.
pub async fn total<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let read = pages::<I>(world, &I::query()).await?;
    let plain = counted(&read)?;
    let first = items(&read).first().and_then(|i| i.values(I::NAME).pop());
    if let Some(name) = first {
        let filter = filter::<I>(world, I::NAME, Op::Eq, &[&name])?;
        let query = I::filtered(I::query(), filter);
        counted(&pages::<I>(world, &query).await?).map_err(|e| e.at("with a filter"))?;
    }
    needs!(plain, "no totals are told");
    Ok(Ran::Passed)
}

/// False when no page tells a total.
fn counted<I: Item>(pages: &[Page<I>]) -> Result<bool, Failure> {
    let arrived: usize = pages.iter().map(|p| p.items.len() + p.rejected.len() + p.filtered_out.len()).sum();
    let totals: Vec<u64> = pages.iter().filter_map(|p| p.end.total).collect();
    for total in &totals {
        ensure!(*total == arrived as u64, "the total is told as {total}, and {arrived} items arrived");
    }
    Ok(!totals.is_empty())
}

/// An item that is read by id is the one that was listed.
///
/// # Errors
/// When it differs.
pub async fn get<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST, I::GET);
    let listed = all::<I>(world, &I::query()).await?.items;
    needs!(!listed.is_empty(), "there is no {}", I::NOUN);
    for item in listed.iter().step_by(listed.len().div_ceil(8)) {
        let read = I::one(world.provider(), item.uid()).await?;
        identified(world, &read)?;
        ensure!(read.uid() == item.uid(), "asked for {}, got {}", item.uid(), read.uid());
        agree(item, &read, I::STEADY)?;
    }
    Ok(Ran::Passed)
}

fn agree<I: Item>(expected: &I, got: &I, fields: &[&str]) -> Result<(), Failure> {
    for field in fields {
        let (expected, value) = (expected.values(field), got.values(field));
        ensure!(expected == value, "{field} of {} is {value:?} instead of {expected:?}", got.uid());
    }
    Ok(())
}

/// A selection of fields loses no item, no identity, and none of the fields that were asked for.
///
/// # Errors
/// When it does.
pub async fn fields<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let whole = all::<I>(world, &I::query()).await?;
    let few = all::<I>(world, &I::selecting(I::query(), I::SELECTION)).await?;
    same(&whole.uids(), &few.uids())?;
    let full = by_uid(&whole.items);
    for item in &few.items {
        identified(world, item)?;
        if let Some(expected) = full.get(item.uid()) {
            agree(*expected, item, I::SELECTION)?;
        }
    }
    Ok(Ran::Passed)
}

/// A page that is given out in parts is the same page: items, rejected items, total, and whether
/// the listing goes on. The end comes once, and last.
///
/// # Errors
/// When it differs.
pub async fn parts<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let query = I::sized(I::query(), size(I::truth(world).len(), 3));
    let mut cursor = None;
    for number in 1..=4 {
        let page = I::page(world.provider(), &query, cursor.as_ref()).await?;
        let whole = put_together::<I>(world, &query, cursor).await.map_err(|e| e.at(number))?;
        same_page(&page, &whole).map_err(|e| e.at(format!("page {number}")))?;
        cursor = page.end.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(Ran::Passed)
}

async fn put_together<I: Item>(
    world: &dyn World,
    query: &I::Query,
    cursor: Option<edr_core::Cursor>,
) -> Result<Page<I>, Failure> {
    let (mut page, mut ends) = (Page::default(), 0);
    let mut parts = I::parts(world.provider(), query, cursor);
    while let Some(part) = parts.next().await {
        let part = part?;
        ensure!(ends == 0, "a part came after the end of the page");
        ends += usize::from(part.end.is_some());
        page.absorb(part);
    }
    ensure!(ends == 1, "the page ended without an end");
    Ok(page)
}

fn same_page<I: Item>(page: &Page<I>, parts: &Page<I>) -> Result<(), Failure> {
    let order = |p: &Page<I>| p.items.iter().map(|i| i.uid().to_owned()).collect::<Vec<_>>();
    ensure!(order(page) == order(parts), "the parts hold other items: {:?}", order(parts));
    ensure!(page.rejected.len() == parts.rejected.len(), "{} items are rejected", parts.rejected.len());
    ensure!(page.filtered_out.len() == parts.filtered_out.len(), "other items are filtered out");
    ensure!(page.end.total == parts.end.total, "the total is {:?}", parts.end.total);
    ensure!(page.next().is_some() == parts.next().is_some(), "they disagree about whether it goes on");
    Ok(())
}

/// Listings that run at the same time, of different page sizes, do not touch each other.
///
/// # Errors
/// When one of them is not whole.
pub async fn concurrent<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let truth = I::truth(world);
    let queries: Vec<I::Query> = (1..=4).map(|n| I::sized(I::query(), size(truth.len(), n))).collect();
    let walks = queries.iter().map(|q| gather::<I>(world, I::walk(world.provider(), q, None)));
    for (query, walked) in queries.iter().zip(future::join_all(walks).await) {
        let at = || format!("page size {:?}", query.page_size());
        exactly(&truth, &walked?.complete().map_err(|e| e.at(at()))?.items).map_err(|e| e.at(at()))?;
    }
    Ok(Ran::Passed)
}

/// Every time lies between the year 2000 and a day from now.
///
/// # Errors
/// When one does not.
pub async fn plausible_times<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let mut any = false;
    for item in all::<I>(world, &I::query()).await?.items {
        for (name, time) in item.times() {
            let Some(time) = time else { continue };
            any = true;
            ensure!(plausible(time, world.now()), "{name} of {} is {time}", item.uid());
        }
    }
    needs!(any, "no {} has a time", I::NOUN);
    Ok(Ran::Passed)
}

fn plausible(time: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    time.year() >= 2000 && time <= now + TimeDelta::days(1)
}

/// A filter of this noun.
pub(crate) fn filter<I: Item>(
    world: &dyn World,
    field: &str,
    op: Op,
    values: &[&str],
) -> Result<Filter, Failure> {
    Filter::new(I::NOUN, field, op, values, world.now())
        .map_err(|e| Failure::new(format!("the suite's own filter is wrong: {e}")))
}
