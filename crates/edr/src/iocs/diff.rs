//! What a tenant has against what it should have.

use std::collections::{BTreeMap, BTreeSet};

use edr_core::{
    EdrProvider, EdrProviderExt as _, Error as VendorError, ErrorKind, Expiration, Feature, Ioc, IocQuery,
    TenantId, Vendor,
};
use futures_util::future::join_all;
use serde::Serialize;

use super::compare::{completed, differing, is_on_list, is_same, may_end, slot};
use super::feed::{Entry, Feed};
use super::mark::{Owner, is_mark, lost};
use super::memory::Memory;
use crate::Member;
use crate::respond::{Record, Responder, Result};

/// The work on indicators, in one owner's name, with the rules and the journal of an engine.
#[derive(Clone, Debug)]
pub struct Indicators<'a> {
    pub(super) responder: &'a Responder,
    pub(super) owner: Owner,
    adopts: bool,
}

/// What is to be done about one indicator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "step")]
#[non_exhaustive]
pub enum Step {
    /// It is not there.
    Add,
    /// It is there, and differs.
    Change {
        /// In these fields.
        fields: Vec<&'static str>,
    },
    /// It is there, it differs, and it does not carry the owner's mark: it is left as it is.
    Foreign {
        /// In these fields.
        fields: Vec<&'static str>,
    },
    /// It is there.
    Leave,
    /// The vendor cannot express it.
    NotExpressible {
        /// Why.
        reason: String,
    },
    /// It carries the owner's mark, and is not wanted any more.
    Remove {
        /// Why.
        reason: &'static str,
    },
}

impl Step {
    /// The step as a stable word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change { .. } => "change",
            Self::Foreign { .. } => "foreign",
            Self::Leave => "leave",
            Self::NotExpressible { .. } => "not_expressible",
            Self::Remove { .. } => "remove",
        }
    }

    /// True when the tenant would be another after it.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Add | Self::Change { .. } | Self::Remove { .. })
    }
}

/// One indicator of one tenant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Item {
    /// Its line in the feed, where it is in the feed.
    pub line: Option<u64>,
    /// The indicator as it would be pushed; as it is there, where it is to be removed.
    pub ioc: Ioc,
    /// What is to be done.
    pub step: Step,
    /// What the vendor does not keep of it.
    pub lost: Vec<String>,
    /// What the plan saw in its place; nothing was there when absent.
    pub there: Option<Box<Ioc>>,
    /// The vendor cannot be asked whether it is there: this is what the journal remembers.
    pub remembered: bool,
    /// Why it cannot be taken to be there as it is remembered.
    pub doubt: Option<&'static str>,
}

/// What is to be done in one tenant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TenantDiff {
    /// The tenant.
    pub tenant: TenantId,
    /// The vendor.
    pub vendor: Vendor,
    /// One for each indicator of the feed, and for each that is to be removed.
    pub items: Vec<Item>,
    /// Why nothing is known of the tenant; nothing is sent to it then.
    pub error: Option<VendorError>,
}

impl TenantDiff {
    /// How many indicators would be added, changed or removed.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.items.iter().filter(|item| item.step.is_change()).count()
    }

    /// Without what is to be removed: what a push does.
    #[must_use]
    pub fn without_removals(mut self) -> Self {
        self.items.retain(|item| item.line.is_some());
        self
    }
}

/// What is there, by its slot.
pub(super) struct Shelf {
    there: BTreeMap<String, Ioc>,
    /// Announced by an earlier run, and nobody knows whether it arrived; with the vendor's id where it is known.
    doubtful: BTreeMap<String, Ioc>,
    /// The rules could be read.
    listed: bool,
}

impl Shelf {
    fn is_remembered(&self, vendor: &Vendor, ioc: &Ioc) -> bool {
        !self.listed || is_on_list(vendor, &ioc.action)
    }

    /// Whether it is there as it was sent, or gone; nothing where the vendor lets nobody read it.
    pub(super) fn shows(&self, vendor: &Vendor, item: &Item, put: bool) -> Option<bool> {
        let found = self.there.get(&slot(vendor, &item.ioc));
        let held = match found {
            Some(there) if put => differing(&item.ioc, there, &item.lost, false).is_empty(),
            Some(there) => there.uid != item.ioc.uid,
            None => !put,
        };
        (!self.is_remembered(vendor, &item.ioc)).then_some(held)
    }

    /// True when nobody has been here since the plan was made.
    pub(super) fn is_as_seen(&self, vendor: &Vendor, item: &Item) -> bool {
        match (&item.there, self.there.get(&slot(vendor, &item.ioc))) {
            (None, None) => true,
            (Some(seen), Some(there)) => is_same(seen, there),
            // What is in doubt is nowhere, and may be taken away.
            (Some(_), None) => self.doubtful.contains_key(&slot(vendor, &item.ioc)),
            (None, Some(_)) => false,
        }
    }
}

impl<'a> Indicators<'a> {
    /// Works in this owner's name.
    #[must_use]
    pub fn new(responder: &'a Responder, owner: Owner) -> Self {
        Self { responder, owner, adopts: false }
    }

    /// Changes indicators that do not carry the owner's mark, too, and gives them the mark.
    #[must_use]
    pub fn adopting(mut self, adopts: bool) -> Self {
        self.adopts = adopts;
        self
    }

    /// Holds the feed against every tenant. Nothing is changed.
    ///
    /// # Errors
    /// When the journal cannot be read. A tenant that cannot be read has its [`TenantDiff::error`].
    pub async fn diff(&self, feed: &Feed) -> Result<Vec<TenantDiff>> {
        let records = self.responder.journal().records()?;
        let members = self.responder.estate().members().iter();
        Ok(join_all(members.map(|member| self.of_member(member, Some(feed), &records))).await)
    }

    /// What carries the owner's mark and is over; with a feed, also what is not in it. Nothing is changed.
    ///
    /// # Errors
    /// As for [`Self::diff`].
    pub async fn stale(&self, feed: Option<&Feed>, expired: bool) -> Result<Vec<TenantDiff>> {
        let records = self.responder.journal().records()?;
        let members = self.responder.estate().members().iter();
        let mut all = join_all(members.map(|member| self.of_member(member, feed, &records))).await;
        for tenant in &mut all {
            let vendor = &tenant.vendor;
            tenant.items.retain(|item| {
                // A rule that is over has ended by itself; a file stays on its list.
                let stays = is_on_list(vendor, &item.ioc.action);
                match item.step {
                    Step::Remove { reason } if reason == OVER => expired || (feed.is_some() && stays),
                    Step::Remove { reason } => feed.is_some() && reason == UNWANTED,
                    Step::NotExpressible { .. } if item.line.is_some() => false,
                    Step::NotExpressible { .. } if self.is_over(&item.ioc) => {
                        stays && (expired || feed.is_some())
                    }
                    Step::NotExpressible { .. } => feed.is_some(),
                    _ => false,
                }
            });
        }
        Ok(all)
    }

    /// What of the feed is there with the owner's mark, to be removed. Nothing is changed.
    ///
    /// # Errors
    /// As for [`Self::diff`].
    pub async fn withdrawn(&self, feed: &Feed) -> Result<Vec<TenantDiff>> {
        let records = self.responder.journal().records()?;
        let members = self.responder.estate().members().iter();
        let mut all = join_all(members.map(|member| self.of_member(member, None, &records))).await;
        for tenant in all.iter_mut().filter(|tenant| tenant.error.is_none()) {
            let mut there = std::mem::take(&mut tenant.items);
            there.extend(doubts(&Memory::of(&records, &tenant.tenant), &self.owner));
            tenant.items =
                feed.entries.iter().map(|entry| withdrawal(&tenant.vendor, &there, entry)).collect();
        }
        Ok(all)
    }

    async fn of_member(&self, member: &Member, feed: Option<&Feed>, records: &[Record]) -> TenantDiff {
        let (tenant, vendor) = (member.tenant.clone(), member.vendor.clone());
        let found = match &member.provider {
            Ok(provider) => {
                let shelf = self.shelf(provider.as_ref(), records).await;
                shelf.map(|shelf| self.of_shelf(provider.as_ref(), &shelf, feed))
            }
            Err(error) => Err(error.clone()),
        };
        let error = |e: VendorError| e.with_tenant(&tenant, &vendor);
        let (items, error) = match found {
            Ok(items) => (items, None),
            Err(e) => (Vec::new(), Some(error(e))),
        };
        TenantDiff { tenant, vendor, items, error }
    }

    /// Everything that is there. What cannot be listed is remembered.
    pub(super) async fn shelf(
        &self,
        provider: &dyn EdrProvider,
        records: &[Record],
    ) -> edr_core::Result<Shelf> {
        let vendor = provider.vendor();
        let memory = Memory::of(records, provider.tenant());
        let listed = match provider.collect(&IocQuery::new()).await {
            Ok(all) if all.outcome.is_complete() && all.rejected.is_empty() => Some(all.items),
            Ok(_) => {
                let message = "not all indicators could be listed, and nothing is pushed on a guess";
                return Err(VendorError::new(ErrorKind::Vendor, message));
            }
            Err(error) if error.is_unsupported() => None,
            Err(error) => return Err(error),
        };
        let is_listed = listed.is_some();
        // A rule that is over has ended by itself; a file stays on its list.
        let unread = |ioc: &Ioc| is_on_list(vendor, &ioc.action) || (!is_listed && !self.is_over(ioc));
        let mut there: BTreeMap<String, Ioc> =
            memory.there.into_iter().filter(|(_, ioc)| unread(ioc)).collect();
        there.extend(listed.into_iter().flatten().map(|ioc| (slot(vendor, &ioc), ioc)));
        Ok(Shelf { there, doubtful: memory.doubtful, listed: is_listed })
    }

    fn of_shelf(&self, provider: &dyn EdrProvider, shelf: &Shelf, feed: Option<&Feed>) -> Vec<Item> {
        let vendor = provider.vendor();
        let entries = feed.map(|feed| feed.entries.as_slice()).unwrap_or_default();
        let mut items: Vec<Item> = entries.iter().map(|entry| self.wanted(provider, shelf, entry)).collect();
        // Whatever is to be done about a thing of the feed: a file of it is not taken off a list for its row says another
        // action, or none.
        let wanted: BTreeSet<String> = entries.iter().map(|entry| entry.ioc.key()).collect();
        let rest = shelf.there.iter().filter(|(_, ioc)| !wanted.contains(&ioc.key()) && self.owner.owns(ioc));
        let removable = |ioc: &Ioc| provider.capabilities().has(Feature::IocDelete) && !ioc.uid.is_empty();
        items.extend(rest.map(|(_, ioc)| {
            let reason = if self.is_over(ioc) { OVER } else { UNWANTED };
            let stuck = || "the vendor has no call that takes it away, or does not tell its id".to_owned();
            let step = if removable(ioc) {
                Step::Remove { reason }
            } else {
                Step::NotExpressible { reason: stuck() }
            };
            let remembered = shelf.is_remembered(vendor, ioc);
            let there = Some(Box::new(ioc.clone()));
            Item { line: None, ioc: ioc.clone(), step, lost: Vec::new(), there, remembered, doubt: None }
        }));
        items
    }

    fn is_over(&self, ioc: &Ioc) -> bool {
        let now = self.responder.clock().now();
        ioc.is_expired == Some(true) || matches!(ioc.expiration, Expiration::At(end) if end <= now)
    }

    fn wanted(&self, provider: &dyn EdrProvider, shelf: &Shelf, entry: &Entry) -> Item {
        let vendor = provider.vendor();
        let mut item = Item {
            line: Some(entry.line),
            ioc: self.owner.sign(&entry.ioc, provider),
            step: Step::Add,
            lost: Vec::new(),
            there: shelf.there.get(&slot(vendor, &entry.ioc)).cloned().map(Box::new),
            remembered: shelf.is_remembered(vendor, &entry.ioc),
            doubt: None,
        };
        let fit = match provider.ioc_fit(&entry.ioc) {
            Err(error) => {
                item.step = Step::NotExpressible { reason: error.message().to_owned() };
                return item;
            }
            fit => fit,
        };
        item.lost = lost(fit);
        let slot = slot(vendor, &entry.ioc);
        if let Some(there) = shelf.there.get(&slot) {
            item.ioc.uid.clone_from(&there.uid);
            item.step = self.held(provider, entry, there, &mut item);
        }
        let is_mine = item.there.as_deref().is_some_and(|there| self.owner.owns(there));
        if item.step == Step::Leave && is_mine && shelf.doubtful.contains_key(&slot) && item.remembered {
            // The last word of the journal about it is an announcement: it is sent again, which changes nothing twice.
            (item.step, item.doubt) = (Step::Change { fields: Vec::new() }, Some(DOUBTFUL));
        }
        item
    }

    fn held(&self, provider: &dyn EdrProvider, entry: &Entry, there: &Ioc, item: &mut Item) -> Step {
        let own = self.owner.owns(there);
        if is_on_list(provider.vendor(), &there.action) {
            return match on_list(&entry.ioc, there) {
                Step::Change { fields } if !own && !self.adopts => Step::Foreign { fields },
                step => step,
            };
        }
        let remembered = item.remembered;
        let mut whole = completed(&item.ioc, there);
        if entry.ioc.desc.is_none() {
            whole.desc = self.owner.said_there(&item.ioc, there);
        }
        let mut fields = if own {
            differing(&whole, there, &item.lost, remembered)
        } else {
            differing(&entry.ioc, there, &item.lost, remembered)
        };
        let may_end = remembered && may_end(provider.vendor(), there, self.responder.clock().now());
        if may_end && !fields.contains(&"expiration") {
            fields.push("expiration");
            item.doubt = Some(ENDS);
        }
        if fields.is_empty() {
            return Step::Leave;
        }
        if !own && !self.adopts {
            return Step::Foreign { fields };
        }
        item.ioc = whole;
        match provider.ioc_fit(&item.ioc) {
            Err(error) => return Step::NotExpressible { reason: error.message().to_owned() },
            fit => item.lost = lost(fit),
        }
        // Tags of other people stay; another owner's mark does not.
        let tags = there.tags.iter().filter(|tag| !is_mark(tag) && !item.ioc.tags.contains(tag)).cloned();
        let tags: Vec<String> = tags.collect();
        item.ioc.tags.extend(tags);
        Step::Change { fields }
    }
}

/// A file stands on one list at a time, and a list knows nothing but that.
fn on_list(wish: &Ioc, there: &Ioc) -> Step {
    if wish.action != there.action {
        let reason = format!("the file is on the list of files to {}; take it off first", there.action);
        return Step::NotExpressible { reason };
    }
    match wish.expiration {
        Expiration::VendorDefault => Step::Leave,
        end if end == there.expiration => Step::Leave,
        _ => Step::Change { fields: vec!["expiration"] },
    }
}

/// Files that an earlier run of this owner sent to a list, and of which nobody knows whether they stand on it.
fn doubts(memory: &Memory, owner: &Owner) -> Vec<Item> {
    let known = memory.doubtful.values().filter(|ioc| !ioc.uid.is_empty() && owner.owns(ioc));
    let item = |ioc: &Ioc| Item {
        line: None,
        ioc: ioc.clone(),
        step: Step::Remove { reason: WITHDRAWN },
        lost: Vec::new(),
        there: Some(Box::new(ioc.clone())),
        remembered: true,
        doubt: None,
    };
    known.map(item).collect()
}

/// What is mine of this entry, to be removed; what is not there, or not mine, is left alone.
fn withdrawal(vendor: &Vendor, there: &[Item], entry: &Entry) -> Item {
    let is_it = |item: &&Item| {
        slot(vendor, &item.ioc) == slot(vendor, &entry.ioc) && item.ioc.action == entry.ioc.action
    };
    let line = Some(entry.line);
    match there.iter().find(is_it) {
        Some(item) if matches!(item.step, Step::Remove { .. }) => {
            Item { line, step: Step::Remove { reason: WITHDRAWN }, ..item.clone() }
        }
        Some(item) => Item { line, ..item.clone() },
        None => Item {
            line,
            ioc: entry.ioc.clone(),
            step: Step::Foreign { fields: Vec::new() },
            lost: Vec::new(),
            there: None,
            remembered: false,
            doubt: None,
        },
    }
}

/// Why something cannot be taken to be there.
const DOUBTFUL: &str = "an earlier run announced it, and nobody knows whether it arrived";
const ENDS: &str =
    "an earlier run sent it without an end: the vendor ends it after 7 to 180 days, and may have done so";

/// Why something is to be removed.
const OVER: &str = "its time is over";
const UNWANTED: &str = "it is not in the feed";
const WITHDRAWN: &str = "it is not wanted any more";
