//! Pushing and taking away: guarded, in pieces that the vendor takes, and written down before and after.

use std::collections::BTreeMap;

use edr_core::{
    Answer, Because, EdrProvider, Error as VendorError, ErrorKind, Feature, Ioc, Receipt, TenantId,
};
use futures_util::future::join_all;

use super::compare::{is_on_list, uid_on_list};
use super::consent::IocConsent;
use super::diff::{Indicators, Item, Shelf, Step, TenantDiff};
use super::outcome::{Became, Done, IocResult};
use super::readback::Asked;
use crate::respond::{self, AnswerWord, Event, IocDeed, JournalAnswer, JournalIoc, Result, hex};

/// How often what was lost, and is seen to have left everything as it was, is asked for.
const ROUNDS: usize = 3;

/// After so many pieces without an answer in a row nothing more is sent to a tenant.
const SILENT: usize = 2;

impl Indicators<'_> {
    /// Does what the plan says: adds, changes and removes, and nothing else. Each tenant is read again before, and what
    /// is not as the plan saw it is left alone; and after, to say what is really so.
    ///
    /// # Errors
    /// When a rule refuses or another process is at it, and nothing is sent then; or when the journal cannot be written.
    pub async fn apply(
        &self,
        plan: &[TenantDiff],
        consent: &IocConsent,
        because: &Because,
    ) -> Result<Vec<Done>> {
        let run = hex(&self.responder.dice());
        self.admit(plan, consent, &run)?;
        let _lock = self.responder.lock_iocs()?;
        let tenants = plan.iter().map(|tenant| self.apply_to(tenant, &run, because));
        let done: Result<Vec<Vec<Done>>> = join_all(tenants).await.into_iter().collect();
        Ok(done?.concat())
    }

    async fn apply_to(&self, tenant: &TenantDiff, run: &str, because: &Because) -> Result<Vec<Done>> {
        let mut became: BTreeMap<usize, Became> = BTreeMap::new();
        if tenant.changes() > 0 {
            match self.provider(&tenant.tenant) {
                Ok(provider) => {
                    let work = Work { indicators: self, provider: provider.as_ref(), tenant, run, because };
                    work.run(&mut became).await?;
                }
                Err(error) => became.extend(not_sent(tenant.items.iter().enumerate(), &error)),
            }
        }
        let done = |(at, item): (usize, &Item)| {
            let became = became.remove(&at).unwrap_or_else(|| Became::unsent(item));
            done(tenant, item, became)
        };
        Ok(tenant.items.iter().enumerate().map(done).collect())
    }
}

fn done(tenant: &TenantDiff, item: &Item, became: Became) -> Done {
    let there = item.there.as_ref().map(|there| &there.uid);
    let known = || [Some(&item.ioc.uid), there].into_iter().flatten().find(|uid| !uid.is_empty()).cloned();
    Done {
        tenant: tenant.tenant.clone(),
        vendor: tenant.vendor.clone(),
        item: item.clone(),
        result: became.result,
        uid: became.uid.or_else(known),
        trace_id: became.trace_id,
        error: became.error.map(|e| e.with_tenant(&tenant.tenant, &tenant.vendor)),
    }
}

/// Those that would change something, and were not sent.
fn not_sent<'i>(
    items: impl Iterator<Item = (usize, &'i Item)>,
    error: &VendorError,
) -> impl Iterator<Item = (usize, Became)> {
    let became = Became::because(IocResult::NotSent, error.clone());
    items.filter(|(_, item)| item.step.is_change()).map(move |(at, _)| (at, became.clone()))
}

/// The work in one tenant.
pub(super) struct Work<'a> {
    pub(super) indicators: &'a Indicators<'a>,
    pub(super) provider: &'a dyn EdrProvider,
    pub(super) tenant: &'a TenantDiff,
    pub(super) run: &'a str,
    because: &'a Because,
}

/// What a call came to.
enum Told {
    /// There is an answer for its items.
    All,
    /// Its answer was lost.
    Nothing,
    /// It was refused whole. Who may not ask, or not now, may not ask for the next ones either.
    Refused(VendorError),
}

/// What became of the items so far, by their place in the plan.
type Book = BTreeMap<usize, Became>;

impl<'a> Work<'a> {
    async fn run(&self, became: &mut Book) -> Result<()> {
        let records = self.indicators.responder.journal().records()?;
        match self.indicators.shelf(self.provider, &records).await {
            Ok(shelf) => self.leave_moved(&shelf, became),
            Err(error) => {
                became.extend(not_sent(self.tenant.items.iter().enumerate(), &error));
                return Ok(());
            }
        }
        self.remember(became)?;
        for round in 1..=ROUNDS {
            let mut asked = Vec::new();
            for deed in [IocDeed::Put, IocDeed::Delete] {
                asked.extend(self.send(deed, became).await?);
            }
            let untouched = self.read_back(&asked, became).await?;
            if untouched.is_empty() || round == ROUNDS {
                break;
            }
            untouched.iter().for_each(|at| drop(became.remove(at)));
        }
        Ok(())
    }

    /// Somebody was here since the plan was made: what they did is not undone without being seen.
    fn leave_moved(&self, shelf: &Shelf, became: &mut Book) {
        let changes = self.tenant.items.iter().enumerate().filter(|(_, item)| item.step.is_change());
        for (at, _) in changes.filter(|(_, item)| !shelf.is_as_seen(&self.tenant.vendor, item)) {
            let message = "it is not as the plan saw it: somebody changed it meanwhile";
            let error = VendorError::new(ErrorKind::Conflict, message).with_hint("make the plan again");
            became.insert(at, Became::because(IocResult::Refused, error));
        }
    }

    /// The items that this deed is about, and of which nothing is known yet.
    fn items(&self, deed: IocDeed, became: &Book) -> Vec<(usize, &'a Item)> {
        let is_its = |item: &Item| match item.step {
            Step::Add | Step::Change { .. } => deed == IocDeed::Put && !self.is_kept_here(item),
            Step::Remove { .. } => deed == IocDeed::Delete,
            _ => false,
        };
        let items = self.tenant.items.iter().enumerate();
        items.filter(|(at, item)| is_its(item) && !became.contains_key(at)).collect()
    }

    /// The end of a file on a list is nowhere but in the journal.
    fn is_kept_here(&self, item: &Item) -> bool {
        let end_alone = matches!(&item.step, Step::Change { fields } if *fields == ["expiration"]);
        end_alone && is_on_list(&self.tenant.vendor, &item.ioc.action)
    }

    /// Writes down what the vendor keeps no record of.
    fn remember(&self, became: &mut Book) -> Result<()> {
        let items = self.tenant.items.iter().enumerate();
        let kept: Vec<(usize, &Item)> =
            items.filter(|(at, item)| self.is_kept_here(item) && !became.contains_key(at)).collect();
        if kept.is_empty() {
            return Ok(());
        }
        let intent = self.intend(IocDeed::Put, &kept)?;
        let receipt = |item: &Item| Receipt::new(item.ioc.key(), Answer::Already);
        let answers = kept.iter().map(|(_, item)| answer(&item.ioc.key(), &receipt(item)));
        self.answered(intent, answers.collect(), None)?;
        became.extend(kept.iter().map(|(at, _)| (*at, Became::of(IocResult::Changed))));
        Ok(())
    }

    /// Sends piece by piece, and gives back what was asked for.
    async fn send(&self, deed: IocDeed, became: &mut Book) -> Result<Vec<Asked>> {
        let feature = if deed == IocDeed::Put { Feature::IocPush } else { Feature::IocDelete };
        let items = self.items(deed, became);
        let (mut asked, mut silent) = (Vec::new(), 0);
        for piece in items.chunks(self.provider.capabilities().batch(feature).clamp(1, 1_000)) {
            let intent = self.intend(deed, piece)?;
            match self.send_piece(intent, deed, piece, became).await? {
                Told::All => silent = 0,
                Told::Nothing => silent += 1,
                Told::Refused(error) => {
                    let rest: Vec<(usize, &Item)> =
                        items.iter().filter(|(at, _)| !became.contains_key(at)).copied().collect();
                    became.extend(not_sent(rest.into_iter(), &error));
                    break;
                }
            }
            asked.extend(piece.iter().map(|(at, _)| Asked { intent, at: *at, deed }));
            if silent >= SILENT {
                break;
            }
        }
        Ok(asked)
    }

    async fn send_piece(
        &self,
        intent: u64,
        deed: IocDeed,
        piece: &[(usize, &Item)],
        became: &mut Book,
    ) -> Result<Told> {
        match self.ask(deed, piece).await {
            Ok(receipts) => self.take(intent, deed, piece, receipts, became).map(|()| Told::All),
            Err(error) if error.is_outcome_unknown() => {
                let lost = |item: &Item| Receipt::new(name(deed, item), Answer::Unknown(error.clone()));
                let receipts = piece.iter().map(|(_, item)| lost(item)).collect();
                self.take(intent, deed, piece, receipts, became).map(|()| Told::Nothing)
            }
            Err(error) => {
                self.answered(intent, Vec::new(), Some(&error))?;
                Ok(Told::Refused(error))
            }
        }
    }

    async fn ask(&self, deed: IocDeed, piece: &[(usize, &Item)]) -> edr_core::Result<Vec<Receipt>> {
        match deed {
            IocDeed::Put => {
                let iocs: Vec<Ioc> = piece.iter().map(|(_, item)| item.ioc.clone()).collect();
                self.provider.push_iocs(&iocs).await
            }
            IocDeed::Delete => {
                let uids: Vec<String> = piece.iter().map(|(_, item)| item.ioc.uid.clone()).collect();
                self.provider.delete_iocs(&uids).await
            }
        }
    }

    /// Writes the answers down, and believes them for now.
    fn take(
        &self,
        intent: u64,
        deed: IocDeed,
        piece: &[(usize, &Item)],
        receipts: Vec<Receipt>,
        became: &mut Book,
    ) -> Result<()> {
        let receipts = in_order(deed, piece, receipts);
        let answers =
            piece.iter().zip(&receipts).map(|((_, item), receipt)| answer(&item.ioc.key(), receipt));
        self.answered(intent, answers.collect(), None)?;
        let places = piece.iter().map(|(at, _)| *at);
        became.extend(places.zip(receipts.into_iter().map(Became::answered)));
        Ok(())
    }

    fn intend(&self, deed: IocDeed, piece: &[(usize, &Item)]) -> Result<u64> {
        let vendor = &self.tenant.vendor;
        let known = |ioc: &Ioc| Some(ioc.uid.clone()).filter(|uid| !uid.is_empty());
        let one = |(_, item): &(usize, &Item)| JournalIoc {
            key: item.ioc.key(),
            // A run that is killed before its answer knows what to take off a list.
            uid: known(&item.ioc).or_else(|| uid_on_list(vendor, &item.ioc)),
            action: item.ioc.action.clone(),
            severity: item.ioc.severity.clone(),
            expiration: item.ioc.expiration,
        };
        self.indicators.responder.journal().append(Event::IocsIntended {
            run: self.run.to_owned(),
            tenant: self.tenant.tenant.clone(),
            vendor: self.tenant.vendor.clone(),
            owner: self.indicators.owner.to_string(),
            deed,
            because: self.because.clone(),
            iocs: piece.iter().map(one).collect(),
        })
    }

    fn answered(&self, intent: u64, answers: Vec<JournalAnswer>, error: Option<&VendorError>) -> Result<()> {
        let (run, tenant) = (self.run.to_owned(), self.tenant.tenant.clone());
        let error = error.map(respond::Told::from);
        let event = Event::IocsAnswered { run, tenant, intent, answers, error };
        self.indicators.responder.journal().append(event).map(drop)
    }
}

impl Indicators<'_> {
    fn provider(&self, tenant: &TenantId) -> edr_core::Result<std::sync::Arc<dyn EdrProvider>> {
        let member = self.responder.estate().members().iter().find(|m| m.tenant == *tenant);
        let absent = || VendorError::new(ErrorKind::Configuration, "the tenant is not in this run");
        member.ok_or_else(absent)?.provider.clone()
    }
}

/// What a receipt names an item by.
fn name(deed: IocDeed, item: &Item) -> String {
    if deed == IocDeed::Put { item.ioc.key() } else { item.ioc.uid.clone() }
}

/// The receipts in the order asked. What has none is in doubt.
fn in_order(deed: IocDeed, piece: &[(usize, &Item)], receipts: Vec<Receipt>) -> Vec<Receipt> {
    let mut receipts: BTreeMap<String, Receipt> = receipts.into_iter().map(|r| (r.uid.clone(), r)).collect();
    let silent =
        || VendorError::new(ErrorKind::Decode, "the answer does not mention it").with_outcome_unknown();
    let one = |(_, item): &(usize, &Item)| {
        let name = name(deed, item);
        receipts.remove(&name).unwrap_or_else(|| Receipt::new(name, Answer::Unknown(silent())))
    };
    piece.iter().map(one).collect()
}

fn answer(key: &str, receipt: &Receipt) -> JournalAnswer {
    let (answer, error) = match &receipt.answer {
        Answer::Accepted => (AnswerWord::Accepted, None),
        Answer::Already => (AnswerWord::Already, None),
        Answer::Refused(error) => (AnswerWord::Refused, Some(error)),
        Answer::Unknown(error) => (AnswerWord::Unknown, Some(error)),
        _ => (AnswerWord::Unknown, None),
    };
    let (handle, trace_id) = (receipt.handle.clone(), receipt.trace_id.clone());
    let error = error.map(respond::Told::from);
    JournalAnswer { uid: key.to_owned(), answer, ordered: false, handle, trace_id, error }
}
