//! What works for a tenant: the way there, the token, the region, each scope, the rate.

use std::borrow::Cow;
use std::sync::Arc;

use edr_core::{Diagnosis, Error, Probe, Result};
use edr_http::{FullReply, Skew, Token};
use http::HeaderMap;

use super::{Falcon, is_missing_route, status};
use crate::api::{self, Expect, PROBES, PROVIDER_OPERATIONS, Resources, ScopeProbe};
use crate::config::Cloud;
use crate::dialect;

/// How the notice of a region that was found begins.
const REGION: &str = "the tenant's region is at ";
const NOTICE: &str = "nothing fails for it now; docs/TROUBLESHOOTING.md says more";

/// What a scope's request found: how many there are, and the headers of the answer.
struct Seen {
    total: Option<u64>,
    headers: HeaderMap,
}

impl Falcon {
    pub(super) async fn look(&self, found: &mut Diagnosis) {
        self.look_from_the_way(found).await;
        // What the token endpoint told of the region stands in its probe.
        let notices = self.client().http().take_notices().into_iter();
        for notice in notices.filter(|n| !n.starts_with(REGION)) {
            found.add(Probe::warned("notice", notice, NOTICE));
        }
    }

    async fn look_from_the_way(&self, found: &mut Diagnosis) {
        let reach = self.client().http().reach().await;
        found.probes.extend(reach.probes(late));
        if let Some(obstacle) = reach.obstacle() {
            return skip_from(found, &["token", "region"], obstacle);
        }
        match self.new_token().await {
            Ok(token) => {
                let minutes = token.remaining().as_secs().div_ceil(60);
                found.add(Probe::passed("token", format!("issued, lives {minutes} min")));
                found.add(Probe::passed("region", self.region()));
            }
            Err(error) => {
                refused(found, error);
                return skip_from(found, &[], "there is no token");
            }
        }
        self.look_at_scopes(found).await;
    }

    /// A token of an earlier run would show that the credentials were good then.
    async fn new_token(&self) -> Result<Arc<Token>> {
        let _aside = self.0.setup.store.as_ref().map(|store| store.aside());
        self.0.setup.oauth.token().await
    }

    fn region(&self) -> String {
        match self.cloud() {
            None => "an address of your own stands in for the cloud".to_owned(),
            Some(cloud) if self.0.setup.cloud == Cloud::Autodiscover => format!("{cloud}, found by itself"),
            Some(cloud) => format!("{cloud}, as configured"),
        }
    }

    /// One harmless request for each scope that the operations here need.
    async fn look_at_scopes(&self, found: &mut Diagnosis) {
        let mut headers = None;
        for scope in api::required_scopes(&PROVIDER_OPERATIONS) {
            let Some(probe) = PROBES.iter().find(|p| p.scope == scope) else {
                found.add(Probe::skipped(scope_name(scope), "no harmless request shows it").needing(scope));
                continue;
            };
            found.add(
                match self.try_scope(probe).await {
                    Ok(seen) => {
                        let total = seen.total.map(|n| format!("; {n} in all")).unwrap_or_default();
                        headers = Some(seen.headers);
                        Probe::passed(probe.name, format!("can be read{total}"))
                    }
                    Err(error) => Probe::failed(probe.name, error),
                }
                .needing(scope),
            );
        }
        found.add(headers.as_ref().map_or_else(
            || Probe::skipped("rate", "no answer told it"),
            |headers| rate(headers, self.0.setup.rate_share),
        ));
    }

    /// The first of the probe's requests that this cloud has.
    async fn try_scope(&self, probe: &ScopeProbe) -> Result<Seen> {
        let mut missing = None;
        for request in probe.requests {
            let plan = request();
            match self.client().http().fetch(&plan).await {
                Ok(reply) => return self.seen(&reply, plan.operation),
                Err(error) if is_missing_route(&error) => missing = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(missing.unwrap_or_else(|| Error::unsupported("there is no request for this scope")))
    }

    fn seen(&self, reply: &FullReply, operation: &'static edr_http::Operation) -> Result<Seen> {
        let arrived = Resources::of(&reply.body) == Some(Resources::List);
        let tail = self.client().tail(operation, Expect::Listing, arrived, &reply.body, &reply.headers)?;
        match tail.failure {
            Some(error) => Err(error),
            None => Ok(Seen { total: tail.envelope.pagination().count(), headers: reply.headers.clone() }),
        }
    }
}

fn late(_: Skew) -> Cow<'static, str> {
    "set it, best by NTP: --since, --last-seen and the waits of rate limits are reckoned with it".into()
}

/// A redirect to another cloud is about the region; the credentials were not looked at.
fn refused(found: &mut Diagnosis, error: Error) {
    if matches!(status(&error), Some(300..=399)) {
        found.add(Probe::skipped("token", "it was asked for in another region than the tenant's"));
        found.add(Probe::failed("region", error));
    } else {
        let hint = "this says nothing about the credentials: try again in some minutes; if it stays, look whether a \
                    proxy answers in the vendor's place, or ask the vendor's support";
        found.add(Probe::failed("token", error.with_hint(hint)));
        found.skip(&["region"], "it is known with the token");
    }
}

/// Skips these, every scope and the rate.
fn skip_from(found: &mut Diagnosis, names: &[&'static str], because: &str) {
    found.skip(names, because);
    for scope in api::required_scopes(&PROVIDER_OPERATIONS) {
        found.add(Probe::skipped(scope_name(scope), because).needing(scope));
    }
    found.skip(&["rate"], because);
}

/// The name of a scope's probe: `hosts` for "Hosts: read", `hosts_write` for "Hosts: write".
fn scope_name(scope: &'static str) -> Cow<'static, str> {
    if let Some(probe) = PROBES.iter().find(|p| p.scope == scope) {
        return Cow::Borrowed(probe.name);
    }
    let words = scope.to_ascii_lowercase();
    let words = words.strip_suffix(": read").unwrap_or(&words);
    Cow::Owned(words.replace(": ", "_").replace(' ', "_"))
}

/// The budget of the tenant, which all its users share, and the part of it that is ours.
fn rate(headers: &HeaderMap, share: f64) -> Probe {
    let Some((left, limit)) = dialect::budget(headers) else {
        return Probe::skipped("rate", "the answers tell no limit");
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32")]
    let ours = (f64::from(limit) * share) as u32;
    let part = if ours < limit {
        format!("; rate_share leaves {} of them to others", limit - ours)
    } else {
        String::new()
    };
    let value = format!("{left} of {limit} requests a minute are left{part}");
    if left <= (limit - ours).max(limit / 10) {
        let hint = "others use up this tenant's budget, so edr slows down: find them by API client in the \
                    console's audit log, or lower their pace";
        return Probe::warned("rate", value, hint);
    }
    Probe::passed("rate", value)
}

#[cfg(test)]
#[path = "diagnose_tests.rs"]
mod tests;
