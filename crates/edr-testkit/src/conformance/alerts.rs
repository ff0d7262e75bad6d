//! What only alerts promise.

use edr_core::{Alert, AlertQuery, Feature, Op};

use super::listing::filter;
use crate::gather::{all, size};
use crate::{CaseResult, Failure, Item as _, Ran, World};

/// Alerts come newest first by the time at which they were stored: in one page, over several, and
/// with a filter.
///
/// # Errors
/// When an older alert comes before a newer one.
pub async fn newest_first(world: &dyn World) -> CaseResult {
    needs_feature!(world, Feature::AlertList);
    let count = Alert::truth(world).len();
    let open = filter::<Alert>(world, "status", Op::Ne, &["resolved"])?;
    let queries = [
        ("in one page", AlertQuery::new()),
        ("over several pages", AlertQuery::new().page_size(size(count, 5))),
        ("with a filter", AlertQuery::new().filter(open)),
    ];
    for (at, query) in queries {
        let alerts = all::<Alert>(world, &query).await?.items;
        needs!(alerts.iter().filter(|a| a.created_time.is_some()).count() > 1, "too few alerts have a time");
        in_order(&alerts).map_err(|e| e.at(at))?;
    }
    Ok(Ran::Passed)
}

fn in_order(alerts: &[Alert]) -> Result<(), Failure> {
    let timed: Vec<&Alert> = alerts.iter().filter(|a| a.created_time.is_some()).collect();
    for pair in timed.windows(2) {
        let (one, next) = (pair[0], pair[1]);
        ensure!(
            one.created_time >= next.created_time,
            "{} of {:?} comes before {} of {:?}",
            one.uid,
            one.created_time,
            next.uid,
            next.created_time
        );
    }
    Ok(())
}
