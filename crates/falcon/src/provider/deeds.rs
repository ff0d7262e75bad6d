//! Response actions: containment and tags, and the way to the others.
//!
//! Falcon answers for each device (202 with an error per id), and tells nothing of what comes of it: progress is
//! read back from the devices.

use edr_core::{
    Answer, Error, ErrorKind, Feature, FoundHosts, Host, PlainDetail, Progress, Receipt, Rejected,
    ResponseAction, Result, Standing, Target,
};

use super::{Anomaly, EdrProvider as _, Falcon, in_order};
use crate::api::ApiError;
use crate::api::hosts::{self, HostAction, TAG_PREFIX, TagAction};
use crate::client::{PerId, Refusal};
use crate::map;

/// What cannot be done, and why.
pub(super) const LACKING: &[(Feature, &str)] = &[(
    Feature::FileQuarantine,
    "Falcon has no order that quarantines a file on a host; block its hash, and the sensor does it when it runs",
)];

impl Falcon {
    /// One call for one action.
    pub(super) async fn act(&self, action: &ResponseAction, ids: &[String]) -> Result<Vec<Receipt>> {
        self.admit(action.feature(), ids)?;
        action.check().map_err(|e| self.named(e, action.verb()))?;
        match action {
            ResponseAction::Contain => self.order(action, &HostAction::Contain, ids).await,
            ResponseAction::Release => self.order(action, &HostAction::LiftContainment, ids).await,
            ResponseAction::Scan { paths } => self.scan(paths, ids).await,
            ResponseAction::Tag { tags } => self.mark(&TagAction::Add, ids, tags).await,
            ResponseAction::Untag { tags } => self.mark(&TagAction::Remove, ids, tags).await,
            ResponseAction::FetchFile { .. }
            | ResponseAction::KillProcess { .. }
            | ResponseAction::RunScript { .. } => self.command(action, ids).await,
            other => Err(self.lacking(other.feature())),
        }
    }

    async fn order(
        &self,
        action: &ResponseAction,
        name: &HostAction,
        ids: &[String],
    ) -> Result<Vec<Receipt>> {
        let taken = self.client().order_hosts(name, ids).await?;
        let already = |error: &ApiError| is_already(action, error);
        Ok(self.receipts(ids, taken, hosts::ACTIONS.operation.name, already))
    }

    async fn mark(&self, name: &TagAction, ids: &[String], tags: &[String]) -> Result<Vec<Receipt>> {
        let foreign = |tag: &&String| tag.starts_with("SensorGroupingTags/");
        if let Some(tag) = tags.iter().find(foreign) {
            let error = Error::new(ErrorKind::InvalidRequest, format!("{tag} is a tag of the sensor"))
                .with_hint("it is set where the sensor is installed, and cannot be changed from here");
            return Err(self.named(error, hosts::TAGS.operation.name));
        }
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let taken = self.client().tag_hosts(name, ids, &tags).await?;
        Ok(self.receipts(ids, taken, hosts::TAGS.operation.name, |_| false))
    }

    /// What a call answered, for each id in the order asked.
    pub(super) fn receipts<T>(
        &self,
        ids: &[String],
        taken: PerId<T>,
        operation: &'static str,
        already: impl Fn(&ApiError) -> bool,
    ) -> Vec<Receipt> {
        let beside = taken.errors.first().map(super::says);
        let unsaid = || {
            let said = beside.clone().unwrap_or_else(|| "the answer does not mention it".to_owned());
            let error = Error::new(ErrorKind::Vendor, said).with_outcome_unknown();
            Answer::Unknown(self.named(error, operation))
        };
        let answer = |id: &String| {
            let is_it = |other: &str| other.eq_ignore_ascii_case(id);
            if taken.done.iter().any(|(done, _)| is_it(done)) {
                return Answer::Accepted;
            }
            match taken.refused.iter().find(|r| is_it(&r.id)) {
                Some(refusal) if already(&refusal.error) => Answer::Already,
                Some(refusal) => self.answered(refusal, operation),
                None => unsaid(),
            }
        };
        ids.iter()
            .map(|id| Receipt::new(id.as_str(), answer(id)).with_trace(taken.trace_id.clone()).ordered())
            .collect()
    }

    /// What an error about one id means. Only a definite refusal is one: a failure, or an error without a code that is
    /// known, leaves open what was done.
    pub(super) fn answered(&self, refusal: &Refusal, operation: &'static str) -> Answer {
        let error = self.named(refused(&refusal.error), operation);
        match refusal.error.class() {
            Some(400..=407 | 409..=499) => Answer::Refused(error),
            _ => Answer::Unknown(error.with_outcome_unknown()),
        }
    }

    /// Where an action stands, as the devices show it.
    pub(super) async fn follow(&self, action: &ResponseAction, targets: &[Target]) -> Result<Vec<Progress>> {
        self.capabilities().require(action.feature()).map_err(|e| self.named(e, action.verb()))?;
        match action {
            ResponseAction::Scan { .. } => return self.follow_scan(targets).await,
            ResponseAction::FetchFile { .. }
            | ResponseAction::KillProcess { .. }
            | ResponseAction::RunScript { .. } => {
                let followed = self.follow_command(action, targets).await;
                return followed.map_err(|e| action.discreet_outcome(e));
            }
            _ => {}
        }
        let action = &as_shown(action);
        let ids: Vec<String> = targets.iter().map(|t| t.uid.clone()).collect();
        let connect = matches!(action, ResponseAction::Contain | ResponseAction::Release);
        let found = self.found(&ids, connect).await?;
        let now = self.context().now;
        let standing = |uid: &str| {
            let host = found.hosts.iter().find(|h| h.uid.eq_ignore_ascii_case(uid));
            let word = found.why_unreadable(uid).unwrap_or("no such host");
            let absent = || Standing::Unknown { word: word.to_owned() };
            host.and_then(|h| action.standing_of(h)).unwrap_or_else(absent)
        };
        Ok(targets.iter().map(|t| Progress::new(t.uid.as_str(), standing(&t.uid), now)).collect())
    }

    /// Hosts by their ids, [`hosts::MAX_IDS`] in a call, in the order asked.
    pub(super) async fn found(&self, ids: &[String], connect: bool) -> Result<FoundHosts> {
        let (good, strange): (Vec<String>, Vec<String>) =
            ids.iter().cloned().partition(|id| hosts::is_device_id(id));
        // Falcon writes them in lower case.
        let good: Vec<String> = good.iter().map(|id| id.to_ascii_lowercase()).collect();
        let (mut all, mut odd) = (Vec::new(), Vec::new());
        for chunk in good.chunks(hosts::MAX_IDS) {
            for row in self.devices(chunk).await? {
                match row {
                    Ok(host) => all.push(host),
                    Err(rejected) => odd.push((rejected.uid, rejected.reason)),
                }
            }
        }
        let (mut all, missing) = in_order(all, &[], &good);
        if connect {
            self.connect_or_tell(&mut all).await;
        }
        let mut found = FoundHosts::new(all, missing).with_unreadable(odd);
        found.missing.extend(strange);
        Ok(found)
    }

    /// One call's worth of hosts. One that cannot be decoded spoils no other, and is not missing.
    async fn devices(&self, ids: &[String]) -> Result<Vec<Result<Host, Box<Rejected>>>> {
        let reply = self.entities(hosts::entities(ids)).await?;
        if let Some(failure) = reply.tail.failure {
            return Err(failure);
        }
        let context = self.context();
        Ok(reply.items.iter().map(|raw| map::host(raw, &context)).collect())
    }

    /// Asks which hosts are online. They are there; that it could not be asked is told on them.
    pub(super) async fn connect_or_tell(&self, hosts: &mut [Host]) {
        if let Err(error) = self.connect(hosts).await {
            for host in hosts {
                host.anomalies.push(Anomaly {
                    field: "connection_state".into(),
                    value: error.to_string(),
                    reason: "the vendor did not tell".into(),
                });
            }
        }
    }
}

/// An error about one id, in the vendor's words.
pub(super) fn refused(said: &ApiError) -> Error {
    let kind = match said.class() {
        Some(401 | 403) => ErrorKind::Permission,
        Some(404) => ErrorKind::NotFound,
        Some(408) => ErrorKind::Timeout,
        Some(409) => ErrorKind::Conflict,
        Some(429) => ErrorKind::RateLimited,
        Some(400..500) => ErrorKind::InvalidRequest,
        _ => ErrorKind::Vendor,
    };
    let detail =
        PlainDetail { code: said.code.clone(), message: said.message.clone(), ..PlainDetail::default() };
    Error::new(kind, "").with_detail(detail)
}

/// True when a refusal says that nothing had to be done. The service says 409 for a device in any state
/// that does not take the order; only a text that names the state, or the way to it, counts.
fn is_already(action: &ResponseAction, error: &ApiError) -> bool {
    let said = error.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    let lifting = said.contains("lift_containment");
    let free = said.contains("state normal") || said.contains("not contained");
    let named = match action {
        ResponseAction::Contain => {
            !lifting && !free && (said.contains("contained") || said.contains("containment_pending"))
        }
        _ => lifting || free,
    };
    error.code.as_deref() == Some("409") && named
}

/// The tags as Falcon has them, so that one of the same name that the sensor set is not taken for it.
pub(super) fn as_shown(action: &ResponseAction) -> ResponseAction {
    let whole = |tags: &[String]| {
        let one = |tag: &String| {
            if tag.starts_with(TAG_PREFIX) { tag.clone() } else { format!("{TAG_PREFIX}{tag}") }
        };
        tags.iter().map(one).collect()
    };
    match action {
        ResponseAction::Tag { tags } => ResponseAction::Tag { tags: whole(tags) },
        ResponseAction::Untag { tags } => ResponseAction::Untag { tags: whole(tags) },
        other => other.clone(),
    }
}

#[cfg(test)]
#[path = "deeds_tests.rs"]
mod tests;
