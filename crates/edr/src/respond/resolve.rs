//! Names to agents, in all chosen tenants: what is proven, what is not, and what stands for several hosts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use edr_core::{Host, TenantId};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::guard::Rule;
use super::host::{HostKey, HostRef, key, one_machine, same_machine};
use super::search::{Answer, Pass, search};
use super::selector::{By, Selector};
use crate::Estate;

/// What one selector stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "found")]
#[non_exhaustive]
pub enum Found {
    /// Several machines: nobody but a person can choose.
    Ambiguous {
        /// All of them.
        hosts: Vec<HostRef>,
    },
    /// One machine that carries several agents.
    DoubleAgented {
        /// Its agents.
        hosts: Vec<HostRef>,
    },
    /// A host that another selector stands for already.
    Duplicate {
        /// The host.
        host: HostRef,
        /// The other selector.
        of: String,
    },
    /// The hosts of a filter, none included.
    Many {
        /// All of them.
        hosts: Vec<HostRef>,
    },
    /// One host.
    One {
        /// The host.
        host: HostRef,
    },
    /// One host that its vendor has not seen for long.
    Stale {
        /// The host.
        host: HostRef,
    },
    /// No tenant has such a host. Every tenant was read to its end.
    Unknown,
    /// No such host was found, and these tenants were not read to their end: it may be there.
    Unproven {
        /// The tenants.
        tenants: Vec<TenantId>,
    },
}

/// One selector and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// The selector, as it was written.
    pub selector: String,
    /// What it stands for.
    pub found: Found,
}

/// A tenant that was not read to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unread {
    /// The tenant.
    pub tenant: TenantId,
    /// Why.
    pub reason: String,
}

/// What a selection stands for: the input of a plan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Resolved {
    /// Each selector, in the order given.
    pub findings: Vec<Finding>,
    /// The hosts that are meant, each once, in the order of tenant and id. Ambiguous ones are not among them.
    pub hosts: Vec<Host>,
    /// Tenants that were not read to their end. A host of the same name may be there.
    pub unread: Vec<Unread>,
    /// When.
    pub as_of: DateTime<Utc>,
}

impl Resolved {
    /// Chooses one of the candidates of an ambiguous selector, as a person does.
    ///
    /// # Errors
    /// When the host is not a candidate of this selector.
    pub fn pick(&mut self, selector: &str, host: Host) -> Result<()> {
        let candidates = |f: &Finding| match &f.found {
            Found::Ambiguous { hosts } => {
                f.selector == selector && hosts.iter().any(|c| c.key() == key(&host))
            }
            _ => false,
        };
        let finding = self.findings.iter_mut().find(|f| candidates(f));
        let finding = finding.ok_or_else(|| {
            Error::Selection(format!("{} is no candidate of {selector}", HostRef::from(&host)))
        })?;
        finding.found = Found::One { host: HostRef::from(&host) };
        if !self.hosts.iter().any(|h| key(h) == key(&host)) {
            self.hosts.push(host);
            self.hosts.sort_by_key(key);
        }
        Ok(())
    }
}

/// Resolves the selectors in every tenant of the estate.
pub(super) async fn resolve(
    estate: &Estate,
    selectors: &[Selector],
    stale_after: Option<TimeDelta>,
    now: DateTime<Utc>,
) -> Result<Resolved> {
    if selectors.is_empty() {
        return Err(Error::refused(Rule::EmptySelection, "nothing is selected; that never means every host"));
    }
    selectors.iter().try_for_each(Selector::check)?;
    let mut sight =
        Sight { members: estate.members().iter().map(|m| m.tenant.clone()).collect(), ..Sight::default() };
    if let Some(stranger) = selectors.iter().filter_map(Selector::tenant).find(|t| !sight.members.contains(t))
    {
        return Err(Error::Selection(format!("the tenant {stranger} is not among those that are chosen")));
    }
    let all: Vec<(usize, Selector)> = selectors.iter().cloned().enumerate().collect();
    sight.look(estate, all, Pass::First, now).await;
    let nameless = |(at, s): &(usize, Selector)| {
        matches!(s, Selector::Host { by: By::Any, .. }) && sight.hosts_of(*at, s).is_empty()
    };
    let rest: Vec<(usize, Selector)> = selectors.iter().cloned().enumerate().filter(nameless).collect();
    if !rest.is_empty() {
        sight.look(estate, rest, Pass::Last, now).await;
    }
    Ok(sight.judge(selectors, stale_after, now))
}

/// Everything that was seen.
#[derive(Default)]
struct Sight {
    members: Vec<TenantId>,
    pool: BTreeMap<HostKey, Host>,
    direct: BTreeMap<usize, BTreeSet<HostKey>>,
    unread: Vec<Unread>,
}

impl Sight {
    async fn look(&mut self, estate: &Estate, wants: Vec<(usize, Selector)>, pass: Pass, now: DateTime<Utc>) {
        let asked = estate.each(|provider| {
            let tenant = provider.tenant().clone();
            let here = |(_, s): &&(usize, Selector)| s.tenant().is_none_or(|t| *t == tenant);
            let wants: Vec<_> = wants.iter().filter(here).cloned().collect();
            async move { Ok(search(provider.as_ref(), &wants, pass, now).await) }.boxed()
        });
        for (member, answer) in asked.await {
            let mut answer =
                answer.unwrap_or_else(|error| Answer { error: Some(error), ..Answer::default() });
            // What a parent shows of a child that is a member, too, would be acted on twice.
            answer.pool.retain(|host| member.owns(host));
            answer.direct.values_mut().for_each(|hosts| hosts.retain(|host| member.owns(host)));
            self.take(&member.tenant, answer);
        }
    }

    fn take(&mut self, tenant: &TenantId, answer: Answer) {
        for (at, hosts) in answer.direct {
            self.direct.entry(at).or_default().extend(hosts.iter().map(key));
            self.pool.extend(hosts.into_iter().map(|h| (key(&h), h)));
        }
        self.pool.extend(answer.pool.into_iter().map(|h| (key(&h), h)));
        if let Some(error) = answer.error
            && !self.unread.iter().any(|u| u.tenant == *tenant)
        {
            self.unread.push(Unread { tenant: tenant.clone(), reason: error.to_string() });
        }
    }

    fn hosts_of(&self, at: usize, selector: &Selector) -> Vec<&Host> {
        match selector {
            Selector::Host { .. } => self.pool.values().filter(|host| selector.names(host)).collect(),
            _ => self.direct.get(&at).into_iter().flatten().filter_map(|key| self.pool.get(key)).collect(),
        }
    }

    fn judge(self, selectors: &[Selector], stale_after: Option<TimeDelta>, now: DateTime<Utc>) -> Resolved {
        let mut taken: BTreeMap<HostKey, String> = BTreeMap::new();
        let mut findings = Vec::new();
        for (at, selector) in selectors.iter().enumerate() {
            let hosts = self.hosts_of(at, selector);
            let found = self.found(selector, &hosts, &taken, |h| is_stale(h, stale_after, now));
            if !matches!(found, Found::Ambiguous { .. }) {
                for host in hosts {
                    taken.entry(key(host)).or_insert_with(|| selector.label());
                }
            }
            findings.push(Finding { selector: selector.label(), found });
        }
        let hosts =
            self.pool.into_iter().filter(|(key, _)| taken.contains_key(key)).map(|(_, host)| host).collect();
        Resolved { findings, hosts, unread: self.unread, as_of: now }
    }

    fn found(
        &self,
        selector: &Selector,
        hosts: &[&Host],
        taken: &BTreeMap<HostKey, String>,
        stale: impl Fn(&Host) -> bool,
    ) -> Found {
        let refs = || hosts.iter().map(|h| HostRef::from(*h)).collect::<Vec<_>>();
        match hosts {
            _ if matches!(selector, Selector::Filters(_)) => Found::Many { hosts: refs() },
            [] => self.absent(selector),
            [one] => match taken.get(&key(one)) {
                Some(of) => Found::Duplicate { host: HostRef::from(*one), of: of.clone() },
                None if stale(one) => Found::Stale { host: HostRef::from(*one) },
                None => Found::One { host: HostRef::from(*one) },
            },
            several if one_machine(several) => Found::DoubleAgented { hosts: refs() },
            _ => Found::Ambiguous { hosts: refs() },
        }
    }

    fn absent(&self, selector: &Selector) -> Found {
        let here = |u: &&Unread| selector.tenant().is_none_or(|t| *t == u.tenant);
        let tenants: Vec<TenantId> = self.unread.iter().filter(here).map(|u| u.tenant.clone()).collect();
        if tenants.is_empty() { Found::Unknown } else { Found::Unproven { tenants } }
    }
}

/// True when the vendor has not seen the host for this long; a vendor that does not say proves nothing.
pub(super) fn is_stale(host: &Host, after: Option<TimeDelta>, now: DateTime<Utc>) -> bool {
    after.is_some_and(|after| host.last_seen.is_some_and(|seen| seen < now - after))
}

/// The other agents of the same machine among these hosts.
pub(super) fn twins<'a>(host: &Host, all: &'a [Host]) -> Vec<&'a Host> {
    all.iter()
        .filter(|other| key(other) != key(host) && other.tenant != host.tenant && same_machine(host, other))
        .collect()
}
