//! Reading back: what a vendor took is not there before it is seen there.

use std::collections::BTreeMap;

use edr_core::{Error as VendorError, ErrorKind};

use super::apply::Work;
use super::diff::{Item, Shelf};
use super::outcome::{Became, IocResult, effect};
use crate::respond::{Event, IocDeed, Readback, Result};

/// How often a tenant is read before what is not seen counts as not there.
const LOOKS: u32 = 3;

/// One item that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// The record that announced it.
    pub(super) intent: u64,
    /// Its place in the plan.
    pub(super) at: usize,
    /// What was asked for.
    pub(super) deed: IocDeed,
}

impl Work<'_> {
    /// Reads the tenant until everything that was taken is seen, and everything in doubt is seen to be so or not. Gives
    /// back what was lost and left its place as the plan saw it: that may be sent again.
    pub(super) async fn read_back(
        &self,
        asked: &[Asked],
        became: &mut BTreeMap<usize, Became>,
    ) -> Result<Vec<usize>> {
        let is_open = |asked: &&Asked| became.get(&asked.at).is_some_and(|b| b.result != IocResult::Refused);
        let mut open: Vec<Asked> = asked.iter().filter(is_open).copied().collect();
        let grace = self.indicators.responder.grace();
        // What was lost may still be on its way.
        if open.iter().any(|asked| is_unknown(became, asked.at)) {
            tokio::time::sleep(grace).await;
        }
        let mut untouched = Vec::new();
        for look in 1..=LOOKS {
            if open.is_empty() {
                break;
            }
            match self.indicators.shelf(self.provider, &[]).await {
                Ok(shelf) => {
                    self.compare(&shelf, &mut open, became)?;
                    untouched = self.untouched(&shelf, &open, became);
                }
                Err(error) if look == LOOKS => unread(&open, &error, became),
                Err(_) => {}
            }
            if !open.is_empty() && look < LOOKS {
                tokio::time::sleep(grace / 4 * look).await;
            }
        }
        Ok(untouched)
    }

    fn untouched(&self, shelf: &Shelf, open: &[Asked], became: &BTreeMap<usize, Became>) -> Vec<usize> {
        let as_seen = |at: usize| {
            let item = self.tenant.items.get(at);
            item.is_some_and(|item| shelf.is_as_seen(&self.tenant.vendor, item))
        };
        let lost = open.iter().map(|asked| asked.at).filter(|at| is_unknown(became, *at));
        lost.filter(|at| as_seen(*at)).collect()
    }

    /// Takes out of `open` what is seen to be so, and what nobody can see.
    fn compare(
        &self,
        shelf: &Shelf,
        open: &mut Vec<Asked>,
        became: &mut BTreeMap<usize, Became>,
    ) -> Result<()> {
        let mut told: BTreeMap<u64, Vec<Readback>> = BTreeMap::new();
        let mut left = Vec::new();
        for asked in std::mem::take(open) {
            let Some(item) = self.tenant.items.get(asked.at) else { continue };
            let held = shelf.shows(&self.tenant.vendor, item, asked.deed == IocDeed::Put);
            if let Some(held) = held {
                let seen = seen(asked.deed, held);
                told.entry(asked.intent).or_default().push(Readback {
                    uid: item.ioc.key(),
                    done: Some(held),
                    seen: seen.to_owned(),
                });
            }
            if held == Some(false) {
                left.push(asked);
            }
            if let Some(entry) = became.get_mut(&asked.at) {
                weigh(entry, item, held);
            }
        }
        *open = left;
        for (intent, iocs) in told {
            let (run, tenant) = (self.run.to_owned(), self.tenant.tenant.clone());
            self.indicators.responder.journal().append(Event::IocsSettled { run, tenant, intent, iocs })?;
        }
        Ok(())
    }
}

fn is_unknown(became: &BTreeMap<usize, Became>, at: usize) -> bool {
    became.get(&at).is_some_and(|b| b.result == IocResult::Unknown)
}

fn seen(deed: IocDeed, held: bool) -> &'static str {
    match (deed, held) {
        (IocDeed::Put, true) => "it is there as it was sent",
        (IocDeed::Put, false) => "it is not there as it was sent",
        (IocDeed::Delete, true) => "it is gone",
        (IocDeed::Delete, false) => "it is still there",
    }
}

/// What is said of an item now. What nobody can read stays as the vendor answered it; a request that was lost and shows
/// no effect may still have one.
fn weigh(became: &mut Became, item: &Item, held: Option<bool>) {
    match (held, became.result) {
        (None, _) | (Some(true), IocResult::Already) | (Some(false), IocResult::Unknown) => {}
        (Some(true), _) => (became.result, became.error) = (effect(item), None),
        (Some(false), _) => {
            let message = "the vendor took it, and reading back does not show it";
            let error =
                VendorError::new(ErrorKind::Vendor, message).with_hint("look again with edr iocs diff");
            (became.result, became.error) = (IocResult::Unconfirmed, Some(error));
        }
    }
}

/// Nothing could be read to the end.
fn unread(open: &[Asked], error: &VendorError, became: &mut BTreeMap<usize, Became>) {
    for asked in open {
        match became.get_mut(&asked.at) {
            Some(entry) if entry.result == IocResult::Accepted => {
                (entry.result, entry.error) = (IocResult::Unconfirmed, Some(error.clone()));
            }
            _ => {}
        }
    }
}
