//! What only hosts promise.

use edr_core::{EdrProviderExt as _, Feature, Host, HostQuery};

use super::filters::flipped;
use crate::gather::{all, uids};
use crate::{CaseResult, Ran, World};

/// The connection and containment states that the capabilities promise are told for some host.
///
/// # Errors
/// When a state is promised and unknown for every host.
pub async fn states(world: &dyn World) -> CaseResult {
    needs_feature!(world, Feature::HostList);
    let hosts = all::<Host>(world, &HostQuery::new().with_connection()).await?.items;
    needs!(!hosts.is_empty(), "there is no host");
    let offered = world.provider().capabilities();
    if offered.has(Feature::ConnectionState) {
        let told = hosts.iter().any(|h| !h.connection_state.is_unknown());
        ensure!(told, "the connection state is promised, and unknown for every host");
    }
    if offered.has(Feature::ContainmentState) {
        let told = hosts.iter().any(|h| !h.containment_state.is_unknown());
        ensure!(told, "the containment state is promised, and unknown for every host");
    }
    Ok(Ran::Passed)
}

/// A host is found by its exact name, and by its name in another case when no host has that one.
///
/// # Errors
/// When another set of hosts is found.
pub async fn find(world: &dyn World) -> CaseResult {
    needs_feature!(world, Feature::HostList);
    let hosts = all::<Host>(world, &HostQuery::new()).await?.items;
    let Some(name) = hosts.iter().map(|h| &h.hostname).find(|n| has_case(n)) else {
        return Ok(Ran::Skipped("no host has a name with letters".to_owned()));
    };
    for wanted in [name.clone(), flipped(name), format!("{name}-no-such-host")] {
        let found = uids(&world.provider().find_hosts(&wanted).await?);
        let exact: Vec<Host> = hosts.iter().filter(|h| h.hostname == wanted).cloned().collect();
        let near: Vec<Host> =
            hosts.iter().filter(|h| h.hostname.eq_ignore_ascii_case(&wanted)).cloned().collect();
        let expected = uids(if exact.is_empty() { &near } else { &exact });
        ensure!(found == expected, "'{wanted}' finds {found:?} instead of {expected:?}");
    }
    Ok(Ran::Passed)
}

/// A name of ASCII letters without a wildcard, for which the two searches have one meaning.
fn has_case(name: &str) -> bool {
    name.is_ascii() && name.contains(|c: char| c.is_ascii_alphabetic()) && !name.contains('*')
}
