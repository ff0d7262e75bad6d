//! What only alerts and cases promise.

use chrono::{DateTime, Utc};
use edr_core::Op;

use super::listing::filter;
use crate::gather::{all, size};
use crate::{CaseResult, Failure, Item, Ran, World};

/// Alerts and cases come newest first by the time at which they were stored, to the millisecond that vendors compare:
/// in one page, over several, and with a filter.
///
/// # Errors
/// When an older one comes before a newer one.
pub async fn newest_first<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::LIST);
    let count = I::truth(world).len();
    let open = filter::<I>(world, "status", Op::Ne, &["resolved"])?;
    let queries = [
        ("in one page", I::query()),
        ("over several pages", I::sized(I::query(), size(count, 5))),
        ("with a filter", I::filtered(I::query(), open)),
    ];
    for (at, query) in queries {
        let items = all::<I>(world, &query).await?.items;
        let timed: Vec<(&I, DateTime<Utc>)> = items.iter().filter_map(|i| Some((i, stored(i)?))).collect();
        needs!(timed.len() > 1, "too few {} have a time", I::NOUN.plural());
        in_order(&timed).map_err(|e| e.at(at))?;
    }
    Ok(Ran::Passed)
}

fn stored<I: Item>(item: &I) -> Option<DateTime<Utc>> {
    item.times().into_iter().find(|(name, _)| *name == "created_time")?.1
}

fn in_order<I: Item>(timed: &[(&I, DateTime<Utc>)]) -> Result<(), Failure> {
    for pair in timed.windows(2) {
        let ((one, at), (next, then)) = (pair[0], pair[1]);
        ensure!(
            at.timestamp_millis() >= then.timestamp_millis(),
            "{} of {at} comes before {} of {then}",
            one.uid(),
            next.uid()
        );
    }
    Ok(())
}
