//! What goes wrong on the way, and must not be silent.

use std::collections::BTreeSet;

use edr_core::Outcome;
use futures_util::StreamExt as _;

use super::errors::refusal;
use crate::gather::{Gathered, exactly, gather, size};
use crate::{CaseResult, Disturbance, Failure, Item, Ran, World};

/// Fewer items do not make the pages that the disturbances are about.
const ENOUGH: usize = 4;

/// Reads everything in about four pages.
async fn read<I: Item>(world: &dyn World) -> Result<Gathered<I>, Failure> {
    let query = I::sized(I::query(), size(I::truth(world).len(), 4));
    let gathered = gather(world, I::walk(world.provider(), &query, None)).await;
    world.calm().await;
    gathered
}

macro_rules! needs_disturbance {
    ($world:expr, $noun:ty, $disturbance:ident) => {
        needs_feature!($world, <$noun>::LIST);
        needs!(<$noun>::truth($world).len() >= ENOUGH, "too few items");
        let able = $world.disturb(<$noun>::NOUN, Disturbance::$disturbance).await;
        needs!(able, "the world cannot do {:?}", Disturbance::$disturbance);
    };
}

/// An item that cannot be decoded becomes a rejected item with its identity and a partial outcome;
/// the rest arrives.
///
/// # Errors
/// When it is passed over, or takes others with it.
pub async fn bad_item<I: Item>(world: &dyn World) -> CaseResult {
    needs_disturbance!(world, I, BadItem);
    let (truth, got) = (I::truth(world), read::<I>(world).await?);
    ensure!(!got.rejected.is_empty(), "the bad item is not told");
    ensure!(matches!(got.outcome, Outcome::Partial { .. }), "the outcome is {}", got.outcome.summary());
    let (rejected, there) = (got.rejected.len(), got.items.len());
    ensure!(
        there + rejected == truth.len(),
        "{there} arrived and {rejected} were rejected of {}",
        truth.len()
    );
    let mut named: BTreeSet<String> = got.uids();
    for one in &got.rejected {
        let ours = one.tenant == *world.provider().tenant() && one.vendor == *world.provider().vendor();
        ensure!(ours && one.noun == I::NOUN, "a rejected item does not say whose it is: {one:?}");
        ensure!(!one.reason.trim().is_empty(), "a rejected item gives no reason: {one:?}");
        named.extend(one.uid.clone());
    }
    ensure!(named.is_subset(&truth), "items are told that are not there");
    Ok(Ran::Passed)
}

/// The plain stream gives out what arrives, and an error for what does not.
///
/// # Errors
/// When it ends as if nothing were missing.
pub async fn stream<I: Item>(world: &dyn World) -> CaseResult {
    needs_disturbance!(world, I, BadItem);
    let (truth, query) = (I::truth(world), I::query());
    let all: Vec<_> = I::stream(world.provider(), &query).take(truth.len() + 100).collect().await;
    world.calm().await;
    let there = all.iter().filter(|r| r.is_ok()).count();
    ensure!(there < all.len(), "the stream ends without an error");
    ensure!(there + 1 >= truth.len(), "{there} of {} items arrived", truth.len());
    let named = all.iter().filter_map(|r| r.as_ref().err()).any(|e| e.tenant().is_some());
    ensure!(named, "no error in the stream names the tenant");
    Ok(Ran::Passed)
}

/// An empty page in the middle loses nothing.
///
/// # Errors
/// When it does.
pub async fn empty_page<I: Item>(world: &dyn World) -> CaseResult {
    needs_disturbance!(world, I, EmptyPage);
    exactly(&I::truth(world), &read::<I>(world).await?.complete()?.items)?;
    Ok(Ran::Passed)
}

/// A repeated cursor does not turn for ever: the listing is mended and whole, or partial and says
/// what is missing.
///
/// # Errors
/// When it is silently short.
pub async fn repeated_cursor<I: Item>(world: &dyn World) -> CaseResult {
    needs_disturbance!(world, I, RepeatCursor);
    let got = read::<I>(world).await?;
    mended_or_told(&I::truth(world), &I::truth(world), &got)?;
    Ok(Ran::Passed)
}

/// Pages that slip while they are read are mended, or the outcome is partial and names the shortfall.
///
/// # Errors
/// When an item that was there all the time is silently missing.
pub async fn shift<I: Item>(world: &dyn World) -> CaseResult {
    let before = I::truth(world);
    needs_disturbance!(world, I, ShiftWhileReading);
    let got = read::<I>(world).await?;
    mended_or_told(&before, &I::truth(world), &got)?;
    Ok(Ran::Passed)
}

/// `before` and `after` are what the back end held when the reading began and when it ended.
fn mended_or_told<I: Item>(
    before: &BTreeSet<String>,
    after: &BTreeSet<String>,
    got: &Gathered<I>,
) -> Result<(), Failure> {
    let uids = got.uids();
    ensure!(uids.len() == got.items.len(), "items came more than once");
    let strange = uids.iter().find(|u| !before.contains(*u) && !after.contains(*u));
    ensure!(strange.is_none(), "{strange:?} was never there");
    match &got.outcome {
        Outcome::Complete => {
            let lost = before.intersection(after).filter(|u| !uids.contains(*u)).count();
            ensure!(lost == 0, "the listing says complete, and {lost} items are missing");
        }
        Outcome::Partial { gaps, .. } => {
            ensure!(!gaps.is_empty(), "the listing is partial, and does not say what is missing");
        }
        Outcome::Failed { error } => return Err(Failure::new(format!("the listing failed: {error}"))),
    }
    Ok(())
}

/// A listing that is refused is an error that names the tenant, never an empty listing.
///
/// # Errors
/// When it is empty and complete.
pub async fn denied<I: Item>(world: &dyn World) -> CaseResult {
    needs_disturbance!(world, I, Denied);
    let got = read::<I>(world).await?;
    match &got.outcome {
        Outcome::Failed { error } => refusal(world, error)?,
        other => return Err(Failure::new(format!("a refused listing ended as {}", other.summary()))),
    }
    Ok(Ran::Passed)
}
