//! Pushing and taking away: guarded, in pieces that the vendor takes, and written down before and after.

use std::collections::BTreeMap;

use edr_core::{
    Answer, Because, EdrProvider, Error as VendorError, ErrorKind, Feature, Ioc, Receipt, TenantId, Vendor,
};
use futures_util::future::join_all;
use serde::Serialize;

use super::compare::is_on_list;
use super::diff::{Indicators, Item, Step, TenantDiff};
use crate::respond::{
    AnswerWord, Event, IocDeed, JournalAnswer, JournalIoc, Readback, Refusal, Result, Rule, Told,
};

/// The most indicators that a run changes which does not say otherwise.
pub const DEFAULT_MAX_IOCS: usize = 1_000;

/// After so many pieces without an answer in a row nothing more is sent to a tenant.
const SILENT: usize = 2;

/// How somebody agreed to change indicators. Without any of it nothing is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IocConsent {
    /// At most so many, over all tenants; [`DEFAULT_MAX_IOCS`] unless said otherwise.
    pub max: Option<usize>,
    /// Exactly so many, over all tenants.
    pub exact: Option<usize>,
    /// Somebody agreed.
    pub agreed: bool,
}

impl IocConsent {
    /// Agreed to exactly so many changes.
    #[must_use]
    pub fn exactly(changes: usize) -> Self {
        Self { max: Some(changes), exact: Some(changes), agreed: true }
    }

    /// Agreed to at most so many changes.
    #[must_use]
    pub fn at_most(changes: usize) -> Self {
        Self { max: Some(changes), exact: None, agreed: true }
    }
}

/// What became of one indicator of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IocResult {
    /// The vendor took it as a new one.
    Added,
    /// It was there already.
    Already,
    /// The vendor took it for one that was there.
    Changed,
    /// The vendor cannot express it.
    NotExpressible,
    /// It was not sent, for what came before it.
    NotSent,
    /// The vendor refused it, or it is somebody else's.
    Refused,
    /// The vendor took it away.
    Removed,
    /// Nobody can say.
    Unknown,
}

impl IocResult {
    /// The result as a stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Already => "already",
            Self::Changed => "changed",
            Self::NotExpressible => "not_expressible",
            Self::NotSent => "not_sent",
            Self::Refused => "refused",
            Self::Removed => "removed",
            Self::Unknown => "unknown",
        }
    }
}

/// What became of one indicator of one tenant, with the reason.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Done {
    /// The tenant.
    pub tenant: TenantId,
    /// The vendor.
    pub vendor: Vendor,
    /// The indicator, and what was to be done.
    pub item: Item,
    /// What became of it.
    pub result: IocResult,
    /// The vendor's own id, where it is known.
    pub uid: Option<String>,
    /// Why it was refused, or why nobody can say.
    pub error: Option<VendorError>,
}

/// What one item became.
type Became = (IocResult, Option<String>, Option<VendorError>);

impl Indicators<'_> {
    /// Does what the plan says: adds, changes and removes, and nothing else.
    ///
    /// # Errors
    /// When a rule refuses, and nothing is sent then; or when the journal cannot be written.
    pub async fn apply(
        &self,
        plan: &[TenantDiff],
        consent: &IocConsent,
        because: &Because,
    ) -> Result<Vec<Done>> {
        self.check(plan, consent)?;
        let run = run_id(self.responder.dice());
        let tenants = plan.iter().map(|tenant| self.apply_to(tenant, &run, because));
        let done: Result<Vec<Vec<Done>>> = join_all(tenants).await.into_iter().collect();
        Ok(done?.concat())
    }

    /// Holds a plan against the rules; nothing is sent.
    ///
    /// # Errors
    /// The rule that refuses.
    pub fn check(&self, plan: &[TenantDiff], consent: &IocConsent) -> Result<()> {
        let changes: usize = plan.iter().map(TenantDiff::changes).sum();
        if changes == 0 {
            return Ok(());
        }
        self.responder.guard().writable()?;
        let max = consent.max.unwrap_or(DEFAULT_MAX_IOCS);
        if changes > max {
            let message = format!("{changes} indicators would change, and this run may change {max}");
            return Err(Refusal::new(Rule::MaxIocs, message).into());
        }
        if let Some(exact) = consent.exact.filter(|exact| *exact != changes) {
            let message = format!("{changes} indicators would change, not {exact}");
            return Err(Refusal::new(Rule::Confirm, message).into());
        }
        if consent.agreed {
            return Ok(());
        }
        Err(Refusal::new(Rule::Consent, format!("nobody agreed to change {changes} indicators")).into())
    }

    async fn apply_to(&self, tenant: &TenantDiff, run: &str, because: &Because) -> Result<Vec<Done>> {
        let mut became: BTreeMap<usize, Became> = BTreeMap::new();
        let member = self.responder.estate().members().iter().find(|m| m.tenant == tenant.tenant);
        if let Some(Ok(provider)) = member.map(|m| m.provider.clone())
            && tenant.changes() > 0
        {
            let work = Work { indicators: self, provider: provider.as_ref(), tenant, run, because };
            work.remember(&mut became)?;
            work.send(IocDeed::Put, &mut became).await?;
            work.send(IocDeed::Delete, &mut became).await?;
        }
        let done = |(at, item): (usize, &Item)| {
            let (result, uid, error) = became.remove(&at).unwrap_or_else(|| unsent(item));
            let uid = uid.or_else(|| Some(item.ioc.uid.clone()).filter(|uid| !uid.is_empty()));
            let error = error.map(|e| e.with_tenant(&tenant.tenant, &tenant.vendor));
            let (tenant, vendor) = (tenant.tenant.clone(), tenant.vendor.clone());
            Done { tenant, vendor, item: item.clone(), result, uid, error }
        };
        Ok(tenant.items.iter().enumerate().map(done).collect())
    }
}

/// The work in one tenant.
struct Work<'a> {
    indicators: &'a Indicators<'a>,
    provider: &'a dyn EdrProvider,
    tenant: &'a TenantDiff,
    run: &'a str,
    because: &'a Because,
}

impl Work<'_> {
    /// The items that this deed is about.
    fn items(&self, deed: IocDeed) -> Vec<(usize, &Item)> {
        let is_its = |item: &Item| match item.step {
            Step::Add | Step::Change { .. } => deed == IocDeed::Put && !self.is_kept_here(item),
            Step::Remove { .. } => deed == IocDeed::Delete,
            _ => false,
        };
        self.tenant.items.iter().enumerate().filter(|(_, item)| is_its(item)).collect()
    }

    /// The end of a file on a list is nowhere but in the journal.
    fn is_kept_here(&self, item: &Item) -> bool {
        let end_alone = matches!(&item.step, Step::Change { fields } if *fields == ["expiration"]);
        end_alone && is_on_list(&self.tenant.vendor, &item.ioc.action)
    }

    /// Writes down what the vendor keeps no record of.
    fn remember(&self, became: &mut BTreeMap<usize, Became>) -> Result<()> {
        let kept: Vec<(usize, &Item)> =
            self.tenant.items.iter().enumerate().filter(|(_, item)| self.is_kept_here(item)).collect();
        if kept.is_empty() {
            return Ok(());
        }
        let intent = self.intend(IocDeed::Put, &kept)?;
        let answers = kept.iter().map(|(_, item)| answer(&item.ioc.key(), &Answer::Already, None, None));
        self.answered(intent, answers.collect(), None)?;
        became.extend(kept.iter().map(|(at, _)| (*at, (IocResult::Changed, None, None))));
        Ok(())
    }

    async fn send(&self, deed: IocDeed, became: &mut BTreeMap<usize, Became>) -> Result<()> {
        let feature = if deed == IocDeed::Put { Feature::IocPush } else { Feature::IocDelete };
        let items = self.items(deed);
        let mut silent = 0;
        let mut doubtful = Vec::new();
        for piece in items.chunks(self.provider.capabilities().batch(feature).clamp(1, 1_000)) {
            if silent >= SILENT {
                break;
            }
            let intent = self.intend(deed, piece)?;
            match self.ask(deed, piece).await {
                Ok(receipts) => {
                    silent = 0;
                    let receipts = in_order(deed, piece, receipts);
                    let answers = receipts
                        .iter()
                        .map(|r| answer(&r.0, &r.1.answer, r.1.handle.clone(), r.1.trace_id.clone()));
                    self.answered(intent, answers.collect(), None)?;
                    for ((at, item), (_, receipt)) in piece.iter().zip(receipts) {
                        if matches!(receipt.answer, Answer::Unknown(_)) {
                            doubtful.push((intent, *at));
                        }
                        became.insert(*at, of_answer(item, receipt));
                    }
                }
                Err(error) if error.is_outcome_unknown() => {
                    silent += 1;
                    let unknown = Answer::Unknown(error.clone());
                    let answers =
                        piece.iter().map(|(_, item)| answer(&name(deed, item), &unknown, None, None));
                    self.answered(intent, answers.collect(), None)?;
                    doubtful.extend(piece.iter().map(|(at, _)| (intent, *at)));
                    became.extend(
                        piece.iter().map(|(at, _)| (*at, (IocResult::Unknown, None, Some(error.clone())))),
                    );
                }
                Err(error) => {
                    // Who may not ask, or not now, may not ask for the next ones either.
                    self.answered(intent, Vec::new(), Some(&error))?;
                    let not_sent =
                        |(at, _): &(usize, &Item)| (*at, (IocResult::NotSent, None, Some(error.clone())));
                    became.extend(
                        items
                            .iter()
                            .filter(|(at, _)| !became.contains_key(at))
                            .map(not_sent)
                            .collect::<Vec<_>>(),
                    );
                    break;
                }
            }
        }
        self.settle(deed, &doubtful, became).await
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

    /// Reads back what nobody can say anything of. What cannot be read stays unknown.
    async fn settle(
        &self,
        deed: IocDeed,
        doubtful: &[(u64, usize)],
        became: &mut BTreeMap<usize, Became>,
    ) -> Result<()> {
        if doubtful.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(self.indicators.responder.grace()).await;
        let Ok(shelf) = self.indicators.shelf(self.provider, &[]).await else { return Ok(()) };
        let mut told: BTreeMap<u64, Vec<Readback>> = BTreeMap::new();
        for (intent, at) in doubtful {
            let Some(item) = self.tenant.items.get(*at) else { continue };
            let held = shelf.holds(&self.tenant.vendor, &item.ioc);
            let done = held.map(|held| held == (deed == IocDeed::Put));
            let seen = match held {
                None => "the vendor does not let anybody read it",
                Some(true) => "it is there",
                Some(false) => "it is not there",
            };
            told.entry(*intent).or_default().push(Readback {
                uid: item.ioc.key(),
                done,
                seen: seen.to_owned(),
            });
            if done == Some(true) {
                became.insert(*at, (wanted_result(item), None, None));
            }
        }
        for (intent, iocs) in told {
            let (run, tenant) = (self.run.to_owned(), self.tenant.tenant.clone());
            self.indicators.responder.journal().append(Event::IocsSettled { run, tenant, intent, iocs })?;
        }
        Ok(())
    }

    fn intend(&self, deed: IocDeed, piece: &[(usize, &Item)]) -> Result<u64> {
        let one = |(_, item): &(usize, &Item)| JournalIoc {
            key: item.ioc.key(),
            uid: Some(item.ioc.uid.clone()).filter(|uid| !uid.is_empty()),
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
        let error = error.map(Told::from);
        let event = Event::IocsAnswered { run, tenant, intent, answers, error };
        self.indicators.responder.journal().append(event).map(drop)
    }
}

fn run_id(dice: [u8; 16]) -> String {
    crate::respond::hex(&dice)
}

/// What a receipt names an item by.
fn name(deed: IocDeed, item: &Item) -> String {
    if deed == IocDeed::Put { item.ioc.key() } else { item.ioc.uid.clone() }
}

/// The receipts in the order asked, by key. What has none is in doubt.
fn in_order(deed: IocDeed, piece: &[(usize, &Item)], receipts: Vec<Receipt>) -> Vec<(String, Receipt)> {
    let mut receipts: BTreeMap<String, Receipt> = receipts.into_iter().map(|r| (r.uid.clone(), r)).collect();
    let silent =
        || VendorError::new(ErrorKind::Decode, "the answer does not mention it").with_outcome_unknown();
    let one = |(_, item): &(usize, &Item)| {
        let name = name(deed, item);
        let receipt = receipts.remove(&name).unwrap_or_else(|| Receipt::new(name, Answer::Unknown(silent())));
        (item.ioc.key(), receipt)
    };
    piece.iter().map(one).collect()
}

fn answer(key: &str, answer: &Answer, handle: Option<String>, trace_id: Option<String>) -> JournalAnswer {
    let (answer, error) = match answer {
        Answer::Accepted => (AnswerWord::Accepted, None),
        Answer::Already => (AnswerWord::Already, None),
        Answer::Refused(error) => (AnswerWord::Refused, Some(error)),
        Answer::Unknown(error) => (AnswerWord::Unknown, Some(error)),
        _ => (AnswerWord::Unknown, None),
    };
    JournalAnswer { uid: key.to_owned(), answer, handle, trace_id, error: error.map(Told::from) }
}

fn of_answer(item: &Item, receipt: Receipt) -> Became {
    let (result, error) = match receipt.answer {
        Answer::Accepted => (wanted_result(item), None),
        Answer::Already => (IocResult::Already, None),
        Answer::Refused(error) => (IocResult::Refused, Some(error)),
        Answer::Unknown(error) => (IocResult::Unknown, Some(error)),
        _ => (IocResult::Unknown, None),
    };
    (result, receipt.handle, error)
}

fn wanted_result(item: &Item) -> IocResult {
    match item.step {
        Step::Change { .. } => IocResult::Changed,
        Step::Remove { .. } => IocResult::Removed,
        _ => IocResult::Added,
    }
}

/// What is said of an item that nothing was sent for.
fn unsent(item: &Item) -> Became {
    match &item.step {
        Step::Leave => (IocResult::Already, None, None),
        Step::NotExpressible { reason } => {
            (IocResult::NotExpressible, None, Some(VendorError::unsupported(reason.clone())))
        }
        Step::Foreign { fields } if fields.is_empty() => {
            let message = "nothing of the kind is known there with the mark of this owner";
            (IocResult::Refused, None, Some(VendorError::new(ErrorKind::NotFound, message)))
        }
        Step::Foreign { fields } => {
            let message =
                format!("it is there without the mark of this owner, and differs in {}", fields.join(", "));
            (IocResult::Refused, None, Some(VendorError::new(ErrorKind::Conflict, message)))
        }
        _ => {
            let error =
                VendorError::new(ErrorKind::Cancelled, "the tenant did not answer, and it was not sent");
            (IocResult::NotSent, None, Some(error))
        }
    }
}
