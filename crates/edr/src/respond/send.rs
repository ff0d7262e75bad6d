//! One tenant's part of a run: chunks, refused batches cut in halves, and reading back what is in doubt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use edr_core::{Answer, EdrProvider, Error as VendorError, ErrorKind, Receipt};

use super::decide::is_done;
use super::error::Result;
use super::host::HostKey;
use super::operation::{HostOutcome, Outcome};
use super::plan::Plan;
use super::record::{AnswerWord, Event, JournalAnswer, Readback, Told};
use super::responder::Responder;
use super::tale::operation;

/// How often hosts of which nobody can say are read back and, when they are untouched, asked for again.
const ROUNDS: usize = 3;

/// So many hosts refused one by one, and none taken: the tenant refuses everything.
const HOPELESS: usize = 20;

/// How a part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Done,
    /// An answer was lost: nothing more is sent before the hosts are read back.
    Doubt,
    Stopped,
}

/// One tenant's part of a run.
pub(super) struct TenantRun<'a> {
    responder: &'a Responder,
    plan: &'a Plan,
    provider: Arc<dyn EdrProvider>,
}

impl<'a> TenantRun<'a> {
    pub(super) fn new(responder: &'a Responder, plan: &'a Plan, provider: Arc<dyn EdrProvider>) -> Self {
        Self { responder, plan, provider }
    }

    /// Asks for those of these hosts that were not asked for yet. Others of the operation may have come out of doubt
    /// meanwhile; nobody looked at them or counted them before this run.
    pub(super) async fn run(&self, sends: &BTreeSet<HostKey>) -> Result<()> {
        let open = |h: &HostOutcome| {
            h.in_doubt.is_none() && matches!(h.outcome, Outcome::Waiting | Outcome::NotSent { .. })
        };
        for _ in 0..ROUNDS {
            let waiting = self.uids(|h| open(h) && sends.contains(&h.host.key()))?;
            if waiting.is_empty() {
                break;
            }
            if self.send_all(&waiting).await? == Flow::Stopped {
                break;
            }
            self.settle().await?;
        }
        Ok(())
    }

    async fn send_all(&self, uids: &[String]) -> Result<Flow> {
        let batch = self.provider.capabilities().batch(self.plan.action.feature()).max(1);
        let mut refused = 0;
        for chunk in uids.chunks(batch) {
            let flow = self.send(chunk.to_vec(), &mut refused).await?;
            if flow != Flow::Done {
                return Ok(flow);
            }
        }
        Ok(Flow::Done)
    }

    /// One chunk. A vendor that refuses all of it because of one host gets it in halves.
    async fn send(&self, chunk: Vec<String>, refused: &mut usize) -> Result<Flow> {
        let mut parts = vec![chunk];
        while let Some(mut part) = parts.pop() {
            let intent = self.intend(&part)?;
            let answer = self.provider.respond(&self.plan.action, &part, &self.plan.because).await;
            match answer {
                Ok(receipts) => {
                    let answers = self.with_late(answers(&part, receipts))?;
                    let in_doubt = answers.iter().any(|a| a.answer == AnswerWord::Unknown);
                    *refused = 0;
                    self.answered(intent, answers, None)?;
                    if in_doubt {
                        return Ok(Flow::Doubt);
                    }
                }
                Err(error) if error.is_outcome_unknown() => {
                    self.answered(intent, all(&part, AnswerWord::Unknown, &error), None)?;
                    return Ok(Flow::Doubt);
                }
                Err(error) if !is_about_hosts(&error) => {
                    self.answered(intent, Vec::new(), Some(&error))?;
                    self.stop(&error)?;
                    return Ok(Flow::Stopped);
                }
                Err(error) if part.len() > 1 => {
                    self.answered(intent, Vec::new(), Some(&error))?;
                    let rest = part.split_off(part.len() / 2);
                    parts.extend([rest, part]);
                }
                Err(error) => {
                    self.answered(intent, all(&part, AnswerWord::Refused, &error), None)?;
                    *refused += 1;
                    if *refused >= HOPELESS {
                        self.stop(&error)?;
                        return Ok(Flow::Stopped);
                    }
                }
            }
        }
        Ok(Flow::Done)
    }

    /// A provider that looks and then sends nothing may see what was sent shortly before, whose answer was lost.
    fn with_late(&self, mut answers: Vec<JournalAnswer>) -> Result<Vec<JournalAnswer>> {
        let silent = |a: &JournalAnswer| a.answer == AnswerWord::Already && !a.ordered;
        if answers.iter().any(silent) {
            let now = self.responder.clock().now();
            let late = self.uids(|h| h.may_show_late(now))?;
            answers.iter_mut().filter(|a| silent(a)).for_each(|a| a.ordered = late.contains(&a.uid));
        }
        Ok(answers)
    }

    /// Reads back the hosts of which nobody can say, once what was sent has had time to take effect.
    pub(super) async fn settle(&self) -> Result<()> {
        let doubtful = self.hosts(|h| h.in_doubt.is_some())?;
        let Some(last) = doubtful.iter().filter_map(|h| h.in_doubt).max() else { return Ok(()) };
        tokio::time::sleep(self.rest_of_grace(last)).await;
        let uids: Vec<String> = doubtful.iter().map(|h| h.host.uid.clone()).collect();
        let found = match self.provider.hosts_by_uid(&uids).await {
            Ok(found) => found,
            // Still in doubt, and told as such; whoever takes the plan up again reads back first.
            Err(_) => return Ok(()),
        };
        let seen: BTreeMap<&str, &edr_core::Host> = found.hosts.iter().map(|h| (h.uid.as_str(), h)).collect();
        let back = |uid: &String| {
            let unreadable = found.why_unreadable(uid);
            self.readback(uid, seen.get(uid.as_str()).copied(), unreadable)
        };
        let hosts = uids.iter().map(back).collect();
        let (plan, tenant) = (self.plan.id.clone(), self.provider.tenant().clone());
        self.responder.journal().append(Event::Settled { plan, tenant, hosts })?;
        Ok(())
    }

    fn readback(&self, uid: &str, host: Option<&edr_core::Host>, unreadable: Option<&str>) -> Readback {
        let done = host.and_then(|host| is_done(&self.provider.as_shown(&self.plan.action), host));
        let seen = match host {
            None if unreadable.is_some() => format!("it cannot be read: {}", unreadable.unwrap_or_default()),
            None => "the tenant does not have it any more".to_owned(),
            Some(_) if done.is_none() => "a look at the host does not tell whether it was done".to_owned(),
            Some(host) => host.containment_state.to_string(),
        };
        Readback { uid: uid.to_owned(), done, seen }
    }

    fn rest_of_grace(&self, since: DateTime<Utc>) -> Duration {
        let passed = (self.responder.clock().now() - since).to_std().unwrap_or_default();
        self.responder.grace.saturating_sub(passed)
    }

    /// The tenant's hosts in this operation, as the journal knows them now.
    fn hosts(&self, take: impl Fn(&HostOutcome) -> bool) -> Result<Vec<HostOutcome>> {
        let tenant = self.provider.tenant();
        let now = self.responder.journal().look(|records| operation(records, &self.plan.id))?;
        let hosts = now.into_iter().flat_map(|now| now.hosts);
        Ok(hosts.filter(|h| h.host.tenant == *tenant && take(h)).collect())
    }

    fn uids(&self, take: impl Fn(&HostOutcome) -> bool) -> Result<Vec<String>> {
        Ok(self.hosts(take)?.into_iter().map(|h| h.host.uid).collect())
    }

    fn intend(&self, part: &[String]) -> Result<u64> {
        self.responder.journal().append(Event::Intended {
            plan: self.plan.id.clone(),
            tenant: self.provider.tenant().clone(),
            vendor: self.provider.vendor().clone(),
            hosts: part.to_vec(),
        })
    }

    fn answered(&self, intent: u64, answers: Vec<JournalAnswer>, error: Option<&VendorError>) -> Result<()> {
        let (plan, tenant) = (self.plan.id.clone(), self.provider.tenant().clone());
        let error = error.map(Told::from);
        self.responder.journal().append(Event::Answered { plan, tenant, intent, answers, error }).map(drop)
    }

    fn stop(&self, error: &VendorError) -> Result<()> {
        let (plan, tenant) = (self.plan.id.clone(), self.provider.tenant().clone());
        self.responder.journal().append(Event::Stopped { plan, tenant, error: Told::from(error) }).map(drop)
    }
}

/// True when the vendor refuses because of what was asked for, and not because of who asks or how often.
fn is_about_hosts(error: &VendorError) -> bool {
    match error.kind() {
        ErrorKind::Conflict | ErrorKind::InvalidRequest | ErrorKind::NotFound => true,
        ErrorKind::Vendor => !error.is_retryable(),
        _ => false,
    }
}

pub(super) fn all(part: &[String], answer: AnswerWord, error: &VendorError) -> Vec<JournalAnswer> {
    let told = Told::from(error);
    let one = |uid: &String| JournalAnswer {
        uid: uid.clone(),
        answer,
        ordered: false,
        handle: None,
        trace_id: told.trace_id.clone(),
        error: Some(told.clone()),
    };
    part.iter().map(one).collect()
}

/// The receipts in the order asked. A host that has none is in doubt.
pub(super) fn answers(part: &[String], receipts: Vec<Receipt>) -> Vec<JournalAnswer> {
    let mut receipts: BTreeMap<String, Receipt> = receipts.into_iter().map(|r| (r.uid.clone(), r)).collect();
    let silent = || VendorError::new(ErrorKind::Decode, "the answer does not mention the host");
    let one = |uid: &String| {
        let receipt = receipts.remove(uid).unwrap_or_else(|| Receipt::new(uid, Answer::Unknown(silent())));
        let (answer, error) = match receipt.answer {
            Answer::Accepted => (AnswerWord::Accepted, None),
            Answer::Already => (AnswerWord::Already, None),
            Answer::Refused(error) => (AnswerWord::Refused, Some(error)),
            Answer::Unknown(error) => (AnswerWord::Unknown, Some(error)),
            _ => (AnswerWord::Unknown, None),
        };
        let (handle, trace_id) = (receipt.handle, receipt.trace_id);
        let ordered = receipt.ordered && answer == AnswerWord::Already;
        let error = error.as_ref().map(Told::from);
        JournalAnswer { uid: uid.clone(), answer, ordered, handle, trace_id, error }
    };
    part.iter().map(one).collect()
}
