//! The groups that were found, and why.

use std::collections::{BTreeSet, HashMap, VecDeque};

use chrono::{DateTime, Utc};
use edr_core::{AlertStatus, Severity, TenantId, Vendor, Verdict};
use serde::{Deserialize, Serialize};

use super::score::Link;
use super::trace::Trace;

/// The alerts about one activity on one machine; often a single one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AlertGroup {
    /// The URN of the alert that happened first. Every other alert's URN leads here, too: [`Groups::of`].
    pub uid: String,
    /// The highest severity of its alerts.
    pub severity: Severity,
    /// The machine, as [`crate::identity::Machine::uid`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The name of the machine, else what the first alert calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// First activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<DateTime<Utc>>,
    /// Last activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<DateTime<Utc>>,
    /// The ids of the ATT&CK techniques.
    pub techniques: Vec<String>,
    /// The status that is furthest from done.
    pub status: AlertStatus,
    /// What was decided, each verdict once. Several are a conflict between people, which is shown and not settled.
    pub verdicts: Vec<Verdict>,
    /// Something of it was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prevented: Option<bool>,
    /// The alerts, the first before the others.
    pub members: Vec<GroupMember>,
    /// What holds them together: one link less than there are alerts.
    pub links: Vec<Link>,
}

/// An alert in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupMember {
    /// The alert's URN.
    pub urn: String,
    /// Its tenant.
    pub tenant: TenantId,
    /// Its vendor.
    pub vendor: Vendor,
    /// The vendor's own id of it.
    pub uid: String,
    /// Its title.
    pub title: String,
    /// Its own severity.
    pub severity: Severity,
    /// Where it stands.
    pub status: AlertStatus,
    /// First activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<DateTime<Utc>>,
}

impl AlertGroup {
    pub(super) fn of(
        traces: &[&Trace],
        links: Vec<Link>,
        machine: Option<&str>,
        hostname: Option<String>,
    ) -> Self {
        let mut faces: Vec<_> = traces.iter().map(|t| &t.face).collect();
        faces.sort_by(|a, b| (a.first.is_none(), a.first, &a.urn).cmp(&(b.first.is_none(), b.first, &b.urn)));
        let techniques: BTreeSet<&String> = faces.iter().flat_map(|f| &f.techniques).collect();
        let verdicts: BTreeSet<&Verdict> =
            faces.iter().map(|f| &f.verdict).filter(|v| !v.is_unknown()).collect();
        let severity = faces.iter().map(|f| &f.severity).max_by_key(|s| (s.rank(), *s));
        let status = faces.iter().map(|f| &f.status).min_by_key(|s| (doneness(s), *s));
        let member = |f: &&super::trace::Face| GroupMember {
            urn: f.urn.clone(),
            tenant: f.tenant.clone(),
            vendor: f.vendor.clone(),
            uid: f.uid.clone(),
            title: f.title.clone(),
            severity: f.severity.clone(),
            status: f.status.clone(),
            first_seen: f.first,
        };
        Self {
            uid: faces.first().map(|f| f.urn.clone()).unwrap_or_default(),
            severity: severity.cloned().unwrap_or_default(),
            machine: machine.map(str::to_owned),
            hostname: hostname.or_else(|| faces.iter().find_map(|f| f.hostname.clone())),
            first_seen: faces.iter().filter_map(|f| f.first).min(),
            last_seen: faces.iter().filter_map(|f| f.last).max(),
            techniques: techniques.into_iter().cloned().collect(),
            status: status.cloned().unwrap_or_default(),
            verdicts: verdicts.into_iter().cloned().collect(),
            prevented: faces.iter().filter_map(|f| f.prevented).max(),
            members: faces.iter().map(member).collect(),
            links,
        }
    }

    /// The tenants.
    #[must_use]
    pub fn tenants(&self) -> BTreeSet<&TenantId> {
        self.members.iter().map(|m| &m.tenant).collect()
    }

    /// The vendors, with how many alerts each has in it.
    #[must_use]
    pub fn sources(&self) -> Vec<(Vendor, usize)> {
        let vendors: BTreeSet<&Vendor> = self.members.iter().map(|m| &m.vendor).collect();
        let count = |vendor: &Vendor| self.members.iter().filter(|m| m.vendor == *vendor).count();
        vendors.into_iter().map(|vendor| (vendor.clone(), count(vendor))).collect()
    }
}

/// How near to done a status is.
fn doneness(status: &AlertStatus) -> u8 {
    match status {
        AlertStatus::New => 0,
        AlertStatus::Reopened => 1,
        AlertStatus::InProgress => 2,
        AlertStatus::Suppressed => 4,
        AlertStatus::Resolved => 5,
        _ => 3,
    }
}

/// All groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    groups: Vec<AlertGroup>,
    places: HashMap<String, usize>,
}

impl Groups {
    pub(super) fn new(mut groups: Vec<AlertGroup>) -> Self {
        groups.sort_by(|a, b| (a.first_seen, &a.uid).cmp(&(b.first_seen, &b.uid)));
        let all = groups.iter().enumerate();
        let places = all.flat_map(|(at, g)| g.members.iter().map(move |m| (m.urn.clone(), at))).collect();
        Self { groups, places }
    }

    /// How many groups there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The groups, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &AlertGroup> {
        self.groups.iter()
    }

    /// The group that an alert stands in, by the alert's URN.
    #[must_use]
    pub fn of(&self, urn: &str) -> Option<&AlertGroup> {
        self.places.get(urn).and_then(|at| self.groups.get(*at))
    }

    /// Why two alerts stand together: the links that lead from one to the other. Empty when they do not.
    #[must_use]
    pub fn explain(&self, a: &str, b: &str) -> Vec<&Link> {
        let Some(group) = self.of(a).filter(|group| group.members.iter().any(|m| m.urn == b)) else {
            return Vec::new();
        };
        // The links make a tree, so that there is one way.
        let mut ways: HashMap<&str, Vec<&Link>> = HashMap::from([(a, Vec::new())]);
        let mut open = VecDeque::from([a]);
        while let Some(at) = open.pop_front() {
            let way = ways.get(at).cloned().unwrap_or_default();
            for link in group.links.iter().filter(|l| l.alerts.0 == at || l.alerts.1 == at) {
                let next = if link.alerts.0 == at { &link.alerts.1 } else { &link.alerts.0 };
                if !ways.contains_key(next.as_str()) {
                    ways.insert(next, way.iter().copied().chain([link]).collect());
                    open.push_back(next);
                }
            }
        }
        ways.remove(b).unwrap_or_default()
    }
}

impl<'a> IntoIterator for &'a Groups {
    type Item = &'a AlertGroup;
    type IntoIter = std::slice::Iter<'a, AlertGroup>;

    fn into_iter(self) -> Self::IntoIter {
        self.groups.iter()
    }
}
