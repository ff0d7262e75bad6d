//! What time does to a provider.

use chrono::TimeDelta;

use super::paging::joined;
use crate::gather::{all, exactly, gather, size};
use crate::{CaseResult, Item, Ran, World};

/// Hours later the provider still works: tokens were renewed, clocks still agree.
///
/// # Errors
/// When the listing is not whole any more.
pub async fn later<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    all::<I>(world, &I::query()).await?;
    needs!(world.advance(TimeDelta::hours(7)).await, "the world's time cannot be moved");
    exactly(&I::truth(world), &all::<I>(world, &I::query()).await?.items)?;
    Ok(Ran::Passed)
}

/// A cursor that has waited for an hour is resumed, or has expired and the listing is read again:
/// nothing is lost.
///
/// # Errors
/// When something is.
pub async fn late_resume<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let query = I::sized(I::query(), size(I::truth(world).len(), 3));
    let first = I::page(world.provider(), &query, None).await?;
    let Some(cursor) = first.next().cloned() else {
        return Ok(Ran::Skipped("the listing has one page only".to_owned()));
    };
    needs!(world.advance(TimeDelta::hours(1)).await, "the world's time cannot be moved");
    let rest = gather(world, I::walk(world.provider(), &query, Some(cursor))).await?.complete()?;
    joined(&I::truth(world), &first.items, &rest.uids())?;
    Ok(Ran::Passed)
}
