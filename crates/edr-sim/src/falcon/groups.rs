//! Host groups: the ones that every estate is born with, those that a client made, and who is in them.
//!
//! Facts: falcon-api section 7. A dynamic group has a rule in FQL; the hosts of a static one were added to it. Which
//! groups a host is in is computed when it is asked for: the estate has no lists of members.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::fql::{Filter, FqlError};
use super::render_host::group_ids;
use super::view::{HOSTS, HostView};
use crate::estate::catalog::SITES;
use crate::estate::hash::{hex32, mix_str, mix2};
use crate::estate::{HostFields, TenantEstate};
use crate::state::{FalconCredentials, TenantState};

/// How the hosts of a group are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupKind {
    Dynamic,
    Static,
    StaticById,
}

impl GroupKind {
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Dynamic, Self::Static, Self::StaticById].into_iter().find(|kind| kind.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
            Self::Static => "static",
            Self::StaticById => "staticByID",
        }
    }
}

/// A group. Its rule decides only when it was made by a client: the born groups follow the estate.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: GroupKind,
    pub(crate) description: String,
    pub(crate) rule: Option<String>,
    pub(crate) created_by: String,
    pub(crate) created_ms: i64,
    pub(crate) modified_by: String,
    pub(crate) modified_ms: i64,
    pub(crate) compiled: Option<Arc<Filter>>,
}

/// Checks a rule.
pub(crate) fn compile(rule: &str, now_ms: i64) -> Result<Arc<Filter>, FqlError> {
    Filter::compile(rule, &HOSTS, now_ms).map(Arc::new)
}

/// The groups of one tenant; nothing is kept until one is changed.
#[derive(Debug, Default)]
pub(crate) struct GroupBook {
    changed: RwLock<Option<Vec<Group>>>,
    made: AtomicU64,
}

impl GroupBook {
    pub(crate) fn reset(&self) {
        *self.changed.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.made.store(0, Ordering::Relaxed);
    }

    /// The groups, those that a client made behind the others.
    pub(crate) fn list(&self, estate: &TenantEstate) -> Vec<Group> {
        let changed = self.changed.read().unwrap_or_else(PoisonError::into_inner);
        changed.clone().unwrap_or_else(|| born(estate))
    }

    /// Changes the groups, whole.
    pub(crate) fn change<T>(&self, estate: &TenantEstate, work: impl FnOnce(&mut Vec<Group>) -> T) -> T {
        let mut changed = self.changed.write().unwrap_or_else(PoisonError::into_inner);
        work(changed.get_or_insert_with(|| born(estate)))
    }

    /// The id of the next group.
    pub(crate) fn next_id(&self, estate: &TenantEstate) -> String {
        hex32(mix2(estate.tag() ^ 0x6E3D, self.made.fetch_add(1, Ordering::Relaxed)))
    }
}

/// (name, kind, rule) of the groups that every tenant is born with.
fn patterns() -> Vec<(String, GroupKind, Option<String>)> {
    let fixed = [
        ("Workstations", "product_type_desc:'Workstation'"),
        ("Servers", "product_type_desc:'Server'"),
        ("Domain Controllers", "product_type_desc:'Domain Controller'"),
        ("Cloud", "service_provider:!null"),
        ("Kubernetes", "deployment_type:'DaemonSet'"),
    ];
    let fixed = fixed.map(|(name, rule)| (name.to_owned(), GroupKind::Dynamic, Some(rule.to_owned())));
    let sites = SITES
        .iter()
        .map(|(_, city)| (format!("Site {city}"), GroupKind::Dynamic, Some(format!("site_name:'{city}'"))));
    let pilot = ("Pilot ring".to_owned(), GroupKind::StaticById, None);
    fixed.into_iter().chain(sites).chain([pilot]).collect()
}

fn born(estate: &TenantEstate) -> Vec<Group> {
    const DAY: i64 = 86_400_000;
    let start = estate.clock().start_ms();
    let group = |(name, kind, rule): (String, GroupKind, Option<String>)| {
        let id = group_ids(estate.tag(), std::slice::from_ref(&name)).remove(0);
        let at = start - DAY * (200 + (mix_str(estate.tag(), &name) % 200) as i64);
        let by = format!("admin@{}", estate.company().domain);
        Group {
            description: format!("{name}, by rule"),
            created_by: by.clone(),
            modified_by: by,
            created_ms: at,
            modified_ms: at,
            compiled: None,
            id,
            name,
            kind,
            rule,
        }
    };
    patterns().into_iter().map(group).collect()
}

/// The ids of the groups that a host is in.
pub(crate) fn ids_of(tenant: &TenantState, falcon: &FalconCredentials, host: &HostFields<'_>) -> Vec<String> {
    let mut ids = group_ids(tenant.estate.tag(), &host.groups());
    let (joined, left) = host.group_changes();
    let changed = tenant.groups.changed.read().unwrap_or_else(PoisonError::into_inner);
    if changed.is_none() && joined.is_empty() && left.is_empty() {
        return ids;
    }
    let view = || HostView::plain(tenant, falcon, host.index());
    let groups = changed.as_deref().map_or_else(|| born(&tenant.estate), <[Group]>::to_vec);
    let ruled = |group: &&Group| group.compiled.as_ref().is_some_and(|rule| rule.matches(&view()));
    let by_rule: Vec<String> = groups.iter().filter(ruled).map(|group| group.id.clone()).collect();
    ids.extend(by_rule);
    ids.extend(joined.iter().cloned());
    ids.retain(|id| !left.contains(id) && groups.iter().any(|group| group.id == *id));
    ids
}
