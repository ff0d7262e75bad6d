//! What the journal remembers of indicators, for places that the vendor does not let anybody read.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use edr_core::{Ioc, IocType, TenantId, Vendor};

use super::compare::{slot, uid_on_list};
use super::mark::Owner;
use crate::respond::{AnswerWord, Event, IocDeed, JournalIoc, Record};

/// What was pushed to one tenant, by its slot.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// What the vendor took, and nobody has taken away since.
    pub(super) there: BTreeMap<String, Ioc>,
    /// What was announced, and of which no answer is known.
    pub(super) doubtful: BTreeMap<String, Ioc>,
}

/// A request that was announced.
struct Intent<'r> {
    deed: IocDeed,
    owner: &'r str,
    vendor: &'r Vendor,
    iocs: &'r [JournalIoc],
    time: DateTime<Utc>,
    /// What was in doubt already. A refusal of this request says nothing about that.
    before: BTreeMap<String, Ioc>,
}

impl Memory {
    /// Reads the records of a tenant.
    pub(super) fn of(records: &[Record], tenant: &TenantId) -> Self {
        let mut memory = Self::default();
        let mut intents: BTreeMap<u64, Intent<'_>> = BTreeMap::new();
        for record in records {
            match &record.event {
                Event::IocsIntended { tenant: at, vendor, owner, deed, iocs, .. } if at == tenant => {
                    let (time, before) = (record.time, BTreeMap::new());
                    let mut intent = Intent { deed: *deed, owner, vendor, iocs, time, before };
                    let told: Vec<Ioc> = iocs.iter().map(|ioc| intent.recall(ioc)).collect();
                    for ioc in told {
                        let slot = slot(vendor, &ioc);
                        if let Some(doubt) = memory.doubtful.insert(slot.clone(), ioc) {
                            intent.before.insert(slot, doubt);
                        }
                    }
                    intents.insert(record.seq, intent);
                }
                Event::IocsAnswered { tenant: at, intent, answers, error, .. } if at == tenant => {
                    let Some(intent) = intents.get(intent) else { continue };
                    let done = |key: &str| {
                        let answer = answers.iter().find(|answer| answer.uid == key);
                        let nothing = error.as_ref().map(|_| AnswerWord::Refused);
                        (answer.map(|a| a.answer).or(nothing), answer.and_then(|a| a.handle.clone()))
                    };
                    memory.answered(intent, done);
                }
                Event::IocsSettled { tenant: at, intent, iocs, .. } if at == tenant => {
                    let Some(intent) = intents.get(intent) else { continue };
                    let word = |done| if done { AnswerWord::Accepted } else { AnswerWord::Unknown };
                    let done = |key: &str| {
                        let back = iocs.iter().find(|back| back.uid == key);
                        (back.map(|b| b.done.map_or(AnswerWord::Unknown, word)), None)
                    };
                    memory.answered(intent, done);
                }
                _ => {}
            }
        }
        memory
    }

    fn answered(&mut self, intent: &Intent<'_>, done: impl Fn(&str) -> (Option<AnswerWord>, Option<String>)) {
        for told in intent.iocs {
            let mut ioc = intent.recall(told);
            let slot = slot(intent.vendor, &ioc);
            let (Some(answer), handle) = done(&told.key) else { continue };
            ioc.uid = handle.unwrap_or(ioc.uid);
            match (answer, intent.deed) {
                (AnswerWord::Unknown, IocDeed::Put) => {
                    self.doubtful.entry(slot).and_modify(|doubt| keep_uid(&mut doubt.uid, &ioc.uid));
                }
                (AnswerWord::Unknown, IocDeed::Delete) => {}
                (AnswerWord::Refused, _) => match intent.before.get(&slot) {
                    Some(doubt) => drop(self.doubtful.insert(slot, doubt.clone())),
                    None => drop(self.doubtful.remove(&slot)),
                },
                (_, IocDeed::Put) => {
                    self.doubtful.remove(&slot);
                    if let Some(there) = self.there.get(&slot).filter(|there| there.action == ioc.action) {
                        let told = std::mem::replace(&mut ioc.uid, there.uid.clone());
                        keep_uid(&mut ioc.uid, &told);
                    }
                    self.there.insert(slot, ioc);
                }
                (_, IocDeed::Delete) => {
                    self.doubtful.remove(&slot);
                    self.there.remove(&slot);
                }
            }
        }
    }
}

/// An id that is known is not lost to an answer that tells none.
fn keep_uid(uid: &mut String, told: &str) {
    if !told.is_empty() {
        told.clone_into(uid);
    }
}

impl Intent<'_> {
    /// The indicator, as far as it was written down.
    fn recall(&self, told: &JournalIoc) -> Ioc {
        let (kind, value) = told.key.split_once(':').unwrap_or(("unknown", &told.key));
        let mut ioc = Ioc::of(IocType::from(kind), value, told.action.clone());
        (ioc.severity, ioc.expiration) = (told.severity.clone(), told.expiration);
        ioc.uid = told.uid.clone().or_else(|| uid_on_list(self.vendor, &ioc)).unwrap_or_default();
        ioc.modified_time = Some(self.time);
        ioc.tags = Owner::new(self.owner).map(|owner| owner.mark()).into_iter().collect();
        ioc
    }
}
