//! What works for a tenant: the way there, the key, the generation, each role, the key's end, the pace.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use edr_core::{AlertQuery, Diagnosis, EdrProvider as _, Error, ErrorKind, Probe, ProbeState, Result};
use edr_http::{Reach, Skew, is_loopback};
use url::Url;

use crate::api::admin::{ApiKey, KEY_WARNING};
use crate::api::{self, PageRequest, Skeleton};
use crate::dialect::is_path_missing;
use crate::{CortexDetail, CortexXdr, Generation, KeyType};

/// Beyond this an Advanced key is refused, by all that is known.
const TOLERATED: TimeDelta = TimeDelta::minutes(5);
/// The vendor's limit, by all that is known: requests a second of a tenant.
const LIMIT: f64 = 10.0;

/// How the notice of a clock that is off begins.
const CLOCK: &str = "this machine's clock is ";
const NOTICE: &str = "nothing fails for it now; docs/TROUBLESHOOTING.md says more";

const KEYS: &str = "Settings > Configurations > API Keys";

impl CortexXdr {
    pub(crate) async fn look(&self, found: &mut Diagnosis) {
        let reach = self.client().http().reach().await;
        found.probes.extend(reach.probes(|skew| late(skew, self.client().key_type())));
        let after = &["generation", "endpoints", "alerts", "health", "expiry"];
        if let Some(obstacle) = reach.obstacle() {
            found.skip(&["key"], obstacle);
            found.skip(after, obstacle);
        } else if let Some(endpoints) = self.look_at_key(&reach, found).await {
            self.look_at_generation(found).await;
            found.add(endpoints);
            self.look_at_alerts(found).await;
            self.look_at_health(found).await;
            self.look_at_expiry(found).await;
        } else {
            found.skip(after, "nothing shows that the key works");
        }
        found.add(self.pace());
        // What was learned about the clock stands in its probe.
        for notice in self.client().take_notices().into_iter().filter(|n| !n.starts_with(CLOCK)) {
            found.add(Probe::warned("notice", notice, NOTICE));
        }
    }

    /// The key, by the smallest listing of endpoints; returns the probe of that listing when the key is
    /// accepted. A missing role is told after the key has been checked.
    async fn look_at_key(&self, reach: &Reach, found: &mut Diagnosis) -> Option<Probe> {
        let kind = self.client().key_type();
        let accepted = Probe::passed("key", format!("accepted, used as {kind}"));
        let (key, endpoints) = match self.count_endpoints().await {
            Ok(total) => {
                let value = format!("can be read{}", counted(total));
                (accepted, Some(Probe::passed("endpoints", value)))
            }
            Err(error) if is_refusal(&error) => (accepted, Some(Probe::failed("endpoints", error))),
            Err(error) if error.is_authentication() => (self.refused_key(reach, error).await, None),
            Err(error) if is_path_missing(&error) => (Probe::failed("key", error).advising(NO_TENANT), None),
            Err(error) => (Probe::failed("key", error.with_hint(UNEXPLAINED)), None),
        };
        found.add(key);
        endpoints.map(|probe| probe.needing(api::VIEWER))
    }

    async fn count_endpoints(&self) -> Result<Option<u64>> {
        let reply = self.client().http().fetch(&api::endpoints(&PageRequest::window(0, 1))).await?;
        Ok(Skeleton::read_whole(&reply.body, "endpoints", api::endpoints::COUNT)?.total)
    }

    /// The service says the same for a wrong key, id, type and clock; the type can be tried.
    async fn refused_key(&self, reach: &Reach, error: Error) -> Probe {
        let kind = self.client().key_type();
        let other = kind.other();
        let base = &reach.base;
        let tried = match may_be_tried_as(other, base) {
            true => Some(self.works_as_other_type().await),
            false => None,
        };
        let probe = Probe::failed("key", error);
        if tried == Some(true) {
            return probe.advising(works_as(other));
        }
        let type_said = match tried {
            Some(_) => format!("it is refused as {other}, too"),
            None => format!("{other} was not tried, because the address is not the vendor's"),
        };
        let clock = reach.skew().filter(|s| s.exceeds(TOLERATED)).map(|_| "; set the clock first");
        probe.advising(format!(
            "{type_said}; look in {KEYS}, in this order: whether the id is the number of this very key, whether the \
             key has expired or was deleted, and whether it was copied whole (128 characters){}",
            clock.unwrap_or_default()
        ))
    }

    /// The error of a check: a key that was refused, and works as the other type, is told so.
    pub(crate) async fn explained(&self, error: Error) -> Error {
        let other = self.client().key_type().other();
        let tried = error.is_authentication() && may_be_tried_as(other, &self.client().http().base());
        if !(tried && self.works_as_other_type().await) {
            return error;
        }
        let message = format!("the key is refused as {}", self.client().key_type());
        let told =
            Error::new(error.kind(), message).with_hint(works_as(other)).with_attempts(error.attempts());
        match error.detail().and_then(|detail| detail.as_any().downcast_ref::<CortexDetail>()) {
            Some(detail) => told.with_detail(detail.clone()),
            None => told.with_source(error),
        }
    }

    /// The end of the key, when it is near. What cannot be told is no finding.
    pub(crate) async fn near_end(&self) -> Option<String> {
        if self.client().known_generation() != Some(Generation::Xdr5) {
            return None;
        }
        let probe = expiry(&self.client().own_key().await.ok()??, self.client().now());
        let is_near = probe.state == ProbeState::Warned;
        let hint = probe.hint().unwrap_or_default();
        probe.value.as_ref().filter(|_| is_near).map(|end| format!("ends on {end}: {hint}"))
    }

    /// One request that is signed as the other type of key would be. A role that is missing shows as well as
    /// an answer that the key is accepted.
    async fn works_as_other_type(&self) -> bool {
        let mut plan = api::endpoints(&PageRequest::window(0, 1));
        plan.operation = &api::OTHER_KEY_TYPE;
        match self.client().http().fetch(&plan).await {
            Ok(_) => true,
            Err(error) => is_refusal(&error),
        }
    }

    async fn look_at_generation(&self, found: &mut Diagnosis) {
        let configured = self.client().known_generation();
        let proven = match configured {
            Some(_) => self.client().probe().await,
            None => self.client().generation().await,
        };
        found.add(match (configured, proven) {
            (Some(ours), Ok(theirs)) if ours != theirs => Probe::warned(
                "generation",
                format!("configured as {}, and the tenant is of generation {}", ours.number(), named(theirs)),
                format!("set generation = {} for this tenant, or leave it out", theirs.number()),
            ),
            (Some(ours), Ok(_)) => Probe::passed("generation", format!("{}, as configured", named(ours))),
            (Some(ours), Err(_)) => {
                Probe::passed("generation", format!("{}, as configured; nothing shows it", named(ours)))
            }
            (None, Ok(theirs)) => Probe::passed("generation", format!("{}, found by itself", named(theirs))),
            (None, Err(error)) => Probe::failed("generation", error).needing(api::VIEWER),
        });
    }

    async fn look_at_alerts(&self, found: &mut Diagnosis) {
        if self.client().known_generation().is_none() {
            let because = "the generation is not known";
            return found.add(Probe::skipped("alerts", because).needing(api::VIEWER));
        }
        let probe = match self.alerts(&AlertQuery::new().page_size(1), None).await {
            Ok(page) => {
                // A page takes the notices that were left by then; they are told at the end.
                page.warnings.into_iter().for_each(|w| self.client().http().notice(w.message));
                Probe::passed("alerts", format!("can be read{}", counted(page.end.total)))
            }
            Err(error) => Probe::failed("alerts", error),
        };
        found.add(probe.needing(api::VIEWER));
    }

    async fn look_at_health(&self, found: &mut Diagnosis) {
        found.add(match self.client().healthcheck().await {
            Ok(word) if word.eq_ignore_ascii_case("available") => Probe::passed("health", word),
            Ok(word) => {
                Probe::warned("health", word, "the vendor's own word for its state: look at its status page")
            }
            Err(error) => untold("health", &error),
        });
    }

    async fn look_at_expiry(&self, found: &mut Diagnosis) {
        let generation = self.client().known_generation();
        if generation == Some(Generation::Xdr3) {
            let because = format!("generation 3 has no call that tells it; look in {KEYS}");
            return found.add(Probe::skipped("expiry", because));
        }
        let probe = match self.client().own_key().await {
            Ok(Some(key)) => expiry(&key, self.client().now()),
            Ok(None) => Probe::skipped("expiry", "it is not among the first 100 keys that the tenant lists"),
            Err(error) => untold("expiry", &error),
        };
        found.add(probe.needing(api::ADMIN));
    }

    /// The vendor's answers tell no limit, so it is what we keep to.
    fn pace(&self) -> Probe {
        let pace = (self.client().pace() * 10.0).round() / 10.0;
        let simulated = is_loopback(&self.client().http().base());
        let hint = "the vendor allows about 10 requests a second: lower requests_per_second, or leave it out";
        match pace {
            _ if pace <= 0.0 && simulated => Probe::passed("rate", "not paced; this machine's own address"),
            _ if pace <= 0.0 => Probe::warned("rate", "not paced", hint),
            _ if pace > LIMIT => Probe::warned("rate", format!("up to {pace} requests a second"), hint),
            _ => Probe::passed("rate", format!("up to {pace} requests a second, kept here")),
        }
    }
}

const NO_TENANT: &str = "no tenant answers at this address: take it anew from Copy API URL in Settings > Configurations > \
                         API Keys";

const UNEXPLAINED: &str = "this says nothing about the key: try again in some minutes; if it stays, look whether a proxy \
                           answers in the vendor's place, or ask the vendor's support";

/// The key is good, and may not do this.
fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Permission | ErrorKind::Licence)
}

/// A key travels as it is only to the vendor, and to this machine.
fn may_travel(base: &Url) -> bool {
    is_loopback(base) || base.host_str().is_some_and(|host| host.ends_with(".paloaltonetworks.com"))
}

/// As an Advanced key it does not travel at all.
fn may_be_tried_as(other: KeyType, base: &Url) -> bool {
    may_travel(base) || other == KeyType::Advanced
}

fn works_as(other: KeyType) -> String {
    format!("the key works as {other}: set key_type = \"{other}\" for this tenant")
}

fn late(skew: Skew, kind: KeyType) -> Cow<'static, str> {
    match kind {
        KeyType::Advanced if skew.exceeds(TOLERATED) => {
            "set it, best by NTP: an Advanced key is refused beyond 5 minutes. edr signs with the vendor's time, \
             other programs do not"
        }
        KeyType::Advanced => "set it, best by NTP: beyond 5 minutes an Advanced key is refused",
        KeyType::Standard => "set it, best by NTP: --since and --last-seen are reckoned with it",
    }
    .into()
}

fn named(generation: Generation) -> &'static str {
    match generation {
        Generation::Xdr3 => "3 (alerts)",
        Generation::Xdr5 => "5 (issues)",
    }
}

/// Absent where the vendor counts no further.
fn counted(total: Option<u64>) -> String {
    total.map(|n| format!("; {n} in all")).unwrap_or_default()
}

/// What a call that nothing else depends on could not tell.
fn untold(name: &'static str, error: &Error) -> Probe {
    if is_path_missing(error) {
        return Probe::skipped(name, "the tenant does not serve this call");
    }
    if is_refusal(error) {
        return Probe::skipped(name, "the key's role does not have this call");
    }
    let hint = error.hint().unwrap_or("try again later").to_owned();
    Probe::warned(name, format!("not told: {}", error.kind().as_str().replace('_', " ")), hint)
}

fn expiry(key: &ApiKey, now: DateTime<Utc>) -> Probe {
    let Some(end) = key.expiration.time else {
        return match &key.expiration.text {
            None => Probe::passed("expiry", "the key has no end"),
            Some(text) => Probe::skipped("expiry", format!("its date cannot be read: {text}")),
        };
    };
    let left = end - now;
    let value = format!("{}, in {}", end.format("%Y-%m-%d"), span(left));
    if left > KEY_WARNING {
        return Probe::passed("expiry", value);
    }
    let hint = format!("make a new key in {KEYS}, put it into the configuration, and delete this one");
    Probe::warned("expiry", value, hint)
}

/// `5 days`, `20 h`, `30 min`.
fn span(left: TimeDelta) -> String {
    match left.num_hours() {
        ..1 => format!("{} min", left.num_minutes().max(0)),
        1..48 => format!("{} h", left.num_hours()),
        _ => format!("{} days", left.num_days()),
    }
}
