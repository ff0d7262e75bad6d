//! Pages and cursors.

use std::collections::BTreeSet;

use edr_core::{
    AlertQuery, Cursor, ErrorKind, HostQuery, Noun, Op, Query as _, Raw, Result as Answer, TenantId,
};

use super::listing::filter;
use crate::gather::{exactly, gather, items, pages, same, size, uids};
use crate::{CaseResult, Failure, Item, Ran, World};

/// Every page size gives the same items, a page is never larger than asked for, and a size beyond
/// the vendor's limit is brought down to it.
///
/// # Errors
/// When a size gives other items.
pub async fn sizes<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let truth = I::truth(world);
    let smallest = if truth.len() <= 25 { 1 } else { size(truth.len(), 20) };
    for size in [smallest, size(truth.len(), 7), size(truth.len(), 2), 1_000_000] {
        of_size::<I>(world, &truth, size).await.map_err(|e| e.at(format!("page size {size}")))?;
    }
    Ok(Ran::Passed)
}

async fn of_size<I: Item>(world: &dyn World, truth: &BTreeSet<String>, size: u32) -> Result<(), Failure> {
    let read = pages::<I>(world, &I::sized(I::query(), size)).await?;
    for page in &read {
        let count = page.items.len() + page.rejected.len() + page.filtered_out.len();
        ensure!(count as u64 <= u64::from(size), "a page holds {count} items");
    }
    exactly(truth, &items(&read))
}

/// A cursor can be kept as text, read again and resumed: the rest of the listing arrives.
///
/// # Errors
/// When something else arrives.
pub async fn resumes_from_text<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let query = I::sized(I::query(), size(I::truth(world).len(), 3));
    let first = I::page(world.provider(), &query, None).await?;
    let Some(cursor) = first.next() else { return Ok(one_page()) };
    let kept = cursor.to_string();
    let again = Cursor::from(kept);
    let rest = gather(world, I::walk(world.provider(), &query, Some(again))).await?.complete()?;
    rest_of(&I::truth(world), &first.items, &rest.items)?;
    Ok(Ran::Passed)
}

fn one_page() -> Ran {
    Ran::Skipped("the listing has one page only".to_owned())
}

/// Fails unless `rest` is what `truth` holds beyond `before`.
fn rest_of<I: Item>(truth: &BTreeSet<String>, before: &[I], rest: &[I]) -> Result<(), Failure> {
    let before = uids(before);
    exactly(&truth.difference(&before).cloned().collect(), rest)
}

/// A walk can be taken up at each of its checkpoints.
///
/// # Errors
/// When a resumed walk does not bring the rest.
pub async fn resumes_at_checkpoints<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let query = I::sized(I::query(), size(I::truth(world).len(), 4));
    let walked = gather(world, I::walk(world.provider(), &query, None)).await?.complete()?;
    needs!(!walked.checkpoints.is_empty(), "the listing has one page only");
    for (number, (before, cursor)) in walked.checkpoints.iter().enumerate() {
        let rest =
            gather(world, I::walk(world.provider(), &query, Some(cursor.clone()))).await?.complete()?;
        rest_of(&I::truth(world), &walked.items[..*before], &rest.items)
            .map_err(|e| e.at(format!("from checkpoint {number}")))?;
    }
    Ok(Ran::Passed)
}

/// A cursor of another query, noun or tenant is refused as an invalid request that names the
/// tenant; so is a text that is no cursor.
///
/// # Errors
/// When one is taken, or refused in another way.
pub async fn refuses_foreign_cursors<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let query = I::sized(I::query(), size(I::truth(world).len(), 3));
    let first = I::page(world.provider(), &query, None).await?;
    let Some(cursor) = first.next() else { return Ok(one_page()) };

    let other = I::filtered(query.clone(), filter::<I>(world, I::NAME, Op::Ne, &["x"])?);
    refused(world, "a cursor of another query", I::page(world.provider(), &other, Some(cursor)).await)?;
    of_another_noun::<I>(world, cursor).await?;
    for (what, cursor) in forged::<I>(world, &query, cursor)? {
        refused(world, what, I::page(world.provider(), &query, Some(&cursor)).await)?;
    }
    Ok(Ran::Passed)
}

async fn of_another_noun<I: Item>(world: &dyn World, cursor: &Cursor) -> Result<(), Failure> {
    let (provider, what) = (world.provider(), "a cursor of another noun");
    if I::NOUN != Noun::Alert && provider.capabilities().has(edr_core::Feature::AlertList) {
        refused(world, what, provider.alerts(&AlertQuery::new(), Some(cursor)).await)?;
    }
    if I::NOUN != Noun::Host && provider.capabilities().has(edr_core::Feature::HostList) {
        refused(world, what, provider.hosts(&HostQuery::new(), Some(cursor)).await)?;
    }
    Ok(())
}

/// Cursors with this one's page state, made out to others; and texts that are no cursors.
fn forged<I: Item>(
    world: &dyn World,
    query: &I::Query,
    cursor: &Cursor,
) -> Result<Vec<(&'static str, Cursor)>, Failure> {
    let (tenant, print) = (world.provider().tenant(), query.fingerprint());
    let other = TenantId::new(&format!("{tenant}-other"));
    // A provider with cursors of its own making is tried with a made-up state.
    let state = cursor.open::<Raw>(tenant, I::NOUN, print).unwrap_or_else(|_| Raw::new("0"));
    let text = cursor.as_str();
    let half = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    Ok(vec![
        ("a cursor of another tenant", Cursor::seal(&other, I::NOUN, print, &state)?),
        ("a cursor with another fingerprint", Cursor::seal(tenant, I::NOUN, print ^ 1, &state)?),
        ("half a cursor", Cursor::from(text[..half].to_owned())),
        ("an empty cursor", Cursor::from(String::new())),
        ("a text that is no cursor", Cursor::from("no cursor at all".to_owned())),
    ])
}

fn refused<T>(world: &dyn World, what: &str, answer: Answer<T>) -> Result<(), Failure> {
    let Err(error) = answer else { return Err(Failure::new(format!("{what} was taken"))) };
    let kind = error.kind();
    ensure!(kind == ErrorKind::InvalidRequest, "{what} was refused as {}: {error}", kind.as_str());
    ensure!(error.tenant() == Some(world.provider().tenant()), "the refusal names no tenant: {error}");
    Ok(())
}

/// Everything before a cursor together with everything after it is the whole listing.
pub(crate) fn joined<I: Item>(
    truth: &BTreeSet<String>,
    before: &[I],
    after: &BTreeSet<String>,
) -> Result<(), Failure> {
    same(truth, &uids(before).union(after).cloned().collect())
}
