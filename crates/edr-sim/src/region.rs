//! Where Falcon tenants live: the other region answers 308 to everything (falcon-api 1.3).
//!
//! The regions are called `sim-1` and `sim-2`, and both are listeners of this simulator on loopback: a client that
//! follows the answer never leaves it, and no real region is ever named.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use axum::response::{IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderValue, StatusCode, Uri};

use crate::falcon::{MINUTE, too_many};
use crate::state::SimState;

/// The names of the regions.
pub const NAMES: [&str; 2] = ["sim-1", "sim-2"];

/// The regions that are open, and who moved.
#[derive(Debug, Default)]
pub struct Regions {
    urls: OnceLock<Vec<String>>,
    moved: Mutex<BTreeMap<usize, usize>>,
}

impl Regions {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, usize>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says where the regions answer; once.
    pub(crate) fn open(&self, urls: Vec<String>) {
        // Nobody calls this twice; the first word stands.
        let _ = self.urls.set(urls);
    }

    /// Where each region answers.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        self.urls.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// The region of a tenant, by their places.
    #[must_use]
    pub fn of(&self, tenant: usize) -> usize {
        self.lock().get(&tenant).copied().unwrap_or(0)
    }

    /// Everybody is at home again.
    pub fn reset(&self) {
        self.lock().clear();
    }
}

/// Moves a Falcon tenant and its children. The tokens that are out are good in neither region.
pub(crate) fn relocate(state: &SimState, tenant: &str, region: &str) -> Result<(), String> {
    let place = state.place(tenant).ok_or_else(|| format!("no tenant {tenant}"))?;
    if state.tenants[place].falcon().is_none() || state.tenants[place].parent.is_some() {
        return Err(format!(
            "{tenant} cannot move: only a Falcon tenant can, and a child goes with its parent"
        ));
    }
    let open = &NAMES[..state.regions.urls().len().min(NAMES.len())];
    let wanted = open.iter().position(|name| *name == region);
    let wanted = wanted.ok_or_else(|| format!("no region {region}; open are {}", open.join(", ")))?;
    let before = state.regions.lock().insert(place, wanted).unwrap_or(0);
    if before != wanted {
        crate::falcon::expire(state, place);
    }
    let named = |n: usize| serde_json::json!({"region": NAMES[n]});
    state.log.push(tenant, "sim/tenants", tenant, named(before), named(wanted));
    Ok(())
}

/// The answer of a region to a call for a tenant that lives elsewhere; such a call counts as one without a token.
pub(crate) fn elsewhere(state: &SimState, tenant: Option<usize>, here: usize, uri: &Uri) -> Option<Response> {
    let home = state.regions.of(state.root(tenant?));
    let url = state.regions.urls().get(home).filter(|_| home != here)?;
    let (key, limit) =
        if uri.path().starts_with("/oauth2/") { ("falcon:token", 300) } else { ("falcon:anonymous", 15) };
    let decision = state.limits.check(key, limit, MINUTE, state.clock.real_ms());
    if !decision.allowed {
        return Some(too_many(decision));
    }
    let target = format!("{url}{}", uri.path_and_query().map_or("/", |p| p.as_str()));
    let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_str(&target).ok()?);
    headers.insert("x-cs-region", HeaderValue::from_static(NAMES[home]));
    headers.insert("x-ratelimit-limit", HeaderValue::from(decision.limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(decision.remaining));
    Some(response)
}
