//! What we did to one host, and what changed on it: as much as a record for others needs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Because, ContainmentState, ErrorKind, Host, HostRef, ResponseAction, Standing, TenantId, Vendor,
};

/// One response action on one host, and what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Deed {
    /// The tenant that the host belongs to.
    pub tenant: TenantId,
    /// The vendor that was asked.
    pub vendor: Vendor,
    /// The id of the operation that it is a part of.
    pub operation: String,
    /// What was asked for.
    pub action: ResponseAction,
    /// Why.
    #[serde(default)]
    pub because: Because,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The host.
    pub host: HostRef,
    /// What became of it.
    pub fate: Fate,
    /// When it was asked for.
    pub requested: DateTime<Utc>,
    /// When what became of it was learnt.
    pub as_of: DateTime<Utc>,
    /// The vendor's id of the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// The id under which the vendor's support finds the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

/// What became of a request for one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fate")]
#[non_exhaustive]
pub enum Fate {
    /// Nothing had to be done.
    Already,
    /// Nothing was done: the vendor was not asked, or refused.
    Refused {
        /// The kind of refusal, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<ErrorKind>,
        /// Why.
        reason: String,
    },
    /// The vendor took it, and it stands so.
    Taken(Standing),
}

impl Deed {
    /// A deed that the vendor has taken and of which nothing more is known.
    #[must_use]
    pub fn new(
        vendor: impl Into<Vendor>,
        tenant: impl Into<TenantId>,
        operation: impl Into<String>,
        action: ResponseAction,
        host: HostRef,
        requested: DateTime<Utc>,
    ) -> Self {
        Self {
            tenant: tenant.into(),
            vendor: vendor.into(),
            operation: operation.into(),
            action,
            because: Because::new(),
            by: None,
            host,
            fate: Fate::Taken(Standing::Pending),
            requested,
            as_of: requested,
            handle: None,
            trace_id: None,
        }
    }

    /// With what became of it, when that was learnt.
    #[must_use]
    pub fn with_fate(mut self, fate: Fate, as_of: DateTime<Utc>) -> Self {
        (self.fate, self.as_of) = (fate, as_of);
        self
    }

    /// The identity: `edr:{vendor}:{tenant}:deed:{operation}/{host}`.
    #[must_use]
    pub fn urn(&self) -> String {
        let host = self.host.uid.as_deref().or(self.host.hostname.as_deref()).unwrap_or_default();
        format!("edr:{}:{}:deed:{}/{host}", self.vendor, self.tenant, self.operation)
    }

    /// The change of containment that it made, when it made one.
    #[must_use]
    pub fn containment_change(&self) -> Option<ContainmentChange> {
        let after = match (&self.action, &self.fate) {
            (ResponseAction::Contain, Fate::Taken(Standing::Done)) => ContainmentState::Contained,
            (ResponseAction::Release, Fate::Taken(Standing::Done)) => ContainmentState::Normal,
            _ => return None,
        };
        let uid = self.host.uid.as_deref().unwrap_or_default();
        let mut host = Host::new(self.vendor.as_str(), self.tenant.as_str(), uid, "");
        host.hostname = self.host.hostname.clone().unwrap_or_default();
        host.domain.clone_from(&self.host.domain);
        host.os.platform = self.host.platform.clone();
        host.containment_state = after;
        Some(ContainmentChange { host, before: ContainmentState::Unknown, time: self.as_of })
    }
}

/// A host whose containment is another than before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContainmentChange {
    /// The host as it is now.
    pub host: Host,
    /// Its containment before; unknown when nobody looked.
    pub before: ContainmentState,
    /// When the change was seen.
    pub time: DateTime<Utc>,
}

impl ContainmentChange {
    /// The change between two looks at one host; none when its containment is the same.
    ///
    /// ```
    /// use chrono::DateTime;
    /// use edr_core::{ContainmentChange, ContainmentState, Host};
    ///
    /// let before = Host::new("falcon", "acme", "0f3a", "{}");
    /// let mut after = before.clone();
    /// assert!(ContainmentChange::between(&before, &after, DateTime::UNIX_EPOCH).is_none());
    /// after.containment_state = ContainmentState::Contained;
    /// assert!(ContainmentChange::between(&before, &after, DateTime::UNIX_EPOCH).is_some());
    /// ```
    #[must_use]
    pub fn between(before: &Host, after: &Host, time: DateTime<Utc>) -> Option<Self> {
        let changed = before.containment_state != after.containment_state;
        changed.then(|| Self { host: after.clone(), before: before.containment_state.clone(), time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(action: ResponseAction, fate: Fate) -> Deed {
        let host = HostRef { uid: Some("0f3a".into()), hostname: Some("ANN".into()), ..HostRef::default() };
        Deed::new("falcon", "acme", "op1", action, host, DateTime::UNIX_EPOCH)
            .with_fate(fate, DateTime::UNIX_EPOCH)
    }

    #[test]
    fn only_what_is_done_has_changed_the_host() {
        let done = || Fate::Taken(Standing::Done);
        let change = deed(ResponseAction::Contain, done()).containment_change().unwrap();
        assert_eq!((change.host.uid.as_str(), change.host.hostname.as_str()), ("0f3a", "ANN"));
        assert_eq!(change.host.containment_state, ContainmentState::Contained);
        let change = deed(ResponseAction::Release, done()).containment_change().unwrap();
        assert_eq!(change.host.containment_state, ContainmentState::Normal);
        for fate in [Fate::Already, Fate::Taken(Standing::Pending)] {
            assert!(deed(ResponseAction::Contain, fate).containment_change().is_none());
        }
        assert!(deed(ResponseAction::Scan { paths: Vec::new() }, done()).containment_change().is_none());
    }

    #[test]
    fn it_is_known_by_operation_and_host() {
        assert_eq!(deed(ResponseAction::Contain, Fate::Already).urn(), "edr:falcon:acme:deed:op1/0f3a");
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let refused = Fate::Refused { kind: Some(ErrorKind::Unsupported), reason: "no".into() };
        let failed = Fate::Taken(Standing::Failed { reason: "gone".into() });
        for fate in [Fate::Already, refused, failed] {
            let deed = deed(ResponseAction::Contain, fate);
            let text = serde_json::to_string(&deed).unwrap();
            assert_eq!(serde_json::from_str::<Deed>(&text).unwrap(), deed, "{text}");
        }
    }
}
