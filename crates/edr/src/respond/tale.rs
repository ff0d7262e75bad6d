//! Operations, read from the journal's records.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use edr_core::{Standing, TenantId};

use super::host::HostKey;
use super::operation::{HostOutcome, Operation, Outcome, StoppedTenant};
use super::plan::Decision;
use super::record::{AnswerWord, Event, JournalAnswer, JournalHost, Readback, Record, Told};

/// All operations of these records, the oldest first.
pub(super) fn operations(records: &[Record]) -> Vec<Operation> {
    let mut order: Vec<String> = Vec::new();
    let mut all: BTreeMap<String, Tale> = BTreeMap::new();
    for record in records {
        let Some(plan) = record.event.plan() else { continue };
        if let Event::Began { .. } = &record.event
            && !all.contains_key(plan)
        {
            order.push(plan.to_owned());
            all.extend(Tale::begin(record).map(|tale| (plan.to_owned(), tale)));
        } else if let Some(tale) = all.get_mut(plan) {
            tale.go_on(record);
        }
    }
    order.iter().filter_map(|id| all.remove(id)).map(|tale| tale.operation).collect()
}

/// One operation of these records.
pub(super) fn operation(records: &[Record], id: &str) -> Option<Operation> {
    let mut tale: Option<Tale> = None;
    for record in records.iter().filter(|r| r.event.plan() == Some(id)) {
        match &mut tale {
            None => tale = Tale::begin(record),
            Some(tale) => tale.go_on(record),
        }
    }
    tale.map(|tale| tale.operation)
}

/// An operation while its records are read.
struct Tale {
    operation: Operation,
    places: BTreeMap<HostKey, usize>,
    /// The hosts of each intention that has no answer yet.
    intents: BTreeMap<u64, Vec<HostKey>>,
    /// The number and the time of the record that begins its last run, right after the hosts were looked at.
    looked: (u64, DateTime<Utc>),
}

impl Tale {
    fn begin(record: &Record) -> Option<Self> {
        let Event::Began { plan, digest, action, because, hosts, unresolved, lease_until, releases, .. } =
            &record.event
        else {
            return None;
        };
        let outcome = |decision: &Decision| match decision {
            Decision::Act | Decision::Offline => Outcome::Waiting,
            Decision::AlreadyDone => Outcome::Already,
            Decision::Pending => Outcome::Pending,
            other => Outcome::LeftOut { decision: other.clone() },
        };
        let host = |h: &JournalHost| HostOutcome {
            host: h.host.clone(),
            outcome: outcome(&h.decision),
            ours: false,
            as_of: record.time,
            handle: None,
            trace_id: None,
            saved: None,
            in_doubt: None,
            asked: false,
            doubted: None,
            presumed: None,
            deed: (record.seq, record.time),
        };
        let hosts: Vec<HostOutcome> = hosts.iter().map(host).collect();
        let places = hosts.iter().enumerate().map(|(at, h)| (h.host.key(), at)).collect();
        let operation = Operation {
            id: plan.clone(),
            digest: digest.clone(),
            action: action.clone(),
            because: because.clone(),
            by: record.by.clone(),
            began: record.time,
            ended: None,
            lease_until: *lease_until,
            releases: releases.clone(),
            unresolved: unresolved.clone(),
            stopped: Vec::new(),
            hosts,
        };
        Some(Self { operation, places, intents: BTreeMap::new(), looked: (record.seq, record.time) })
    }

    fn host(&mut self, tenant: &TenantId, uid: &str) -> Option<&mut HostOutcome> {
        let at = *self.places.get(&HostKey::new(tenant, uid))?;
        self.operation.hosts.get_mut(at)
    }

    fn set(&mut self, tenant: &TenantId, uid: &str, outcome: Outcome, time: DateTime<Utc>) {
        if let Some(host) = self.host(tenant, uid) {
            (host.outcome, host.as_of, host.in_doubt) = (outcome, time, None);
        }
    }

    fn go_on(&mut self, record: &Record) {
        let time = record.time;
        match &record.event {
            Event::Answered { tenant, intent, answers, error, .. } => {
                self.answered(tenant, *intent, answers, error.as_ref(), (record.seq, time));
            }
            Event::Ended { .. } => self.operation.ended = Some(time),
            Event::Intended { tenant, hosts, .. } => self.intended(record.seq, tenant, hosts, time),
            Event::Moved { hosts, .. } => {
                for moved in hosts {
                    let now = moved.now.clone();
                    self.set(&moved.host.tenant, &moved.host.uid, Outcome::Moved { now }, time);
                }
            }
            Event::Observed { tenant, hosts, .. } => {
                for seen in hosts {
                    self.set(tenant, &seen.uid, of_standing(&seen.standing), time);
                }
            }
            Event::Resumed { sends, .. } => {
                self.looked = (record.seq, time);
                self.resumed(sends);
            }
            Event::Saved { tenant, uid, file, .. } => {
                if let Some(host) = self.host(tenant, uid) {
                    host.saved = Some(file.clone());
                }
            }
            Event::Settled { tenant, hosts, .. } => self.settled(tenant, hosts, (record.seq, time)),
            Event::Stopped { tenant, error, .. } => self.stopped(tenant, error, time),
            _ => {}
        }
    }

    fn intended(&mut self, seq: u64, tenant: &TenantId, uids: &[String], time: DateTime<Utc>) {
        for uid in uids {
            let reason = "a request was announced, and no answer is known".to_owned();
            self.set(tenant, uid, Outcome::Unknown { reason }, time);
            if let Some(host) = self.host(tenant, uid) {
                (host.in_doubt, host.asked, host.deed) = (Some(time), true, (seq, time));
            }
        }
        self.intents.insert(seq, uids.iter().map(|uid| HostKey::new(tenant, uid)).collect());
    }

    fn answered(
        &mut self,
        tenant: &TenantId,
        intent: u64,
        answers: &[JournalAnswer],
        error: Option<&Told>,
        deed: (u64, DateTime<Utc>),
    ) {
        let (time, looked) = (deed.1, self.looked);
        let asked = self.intents.remove(&intent).unwrap_or_default();
        if let Some(error) = error {
            for key in asked {
                let reason = error.message.clone();
                self.set(&key.tenant, &key.uid, Outcome::NotSent { reason }, time);
            }
        }
        for answer in answers {
            self.set(tenant, &answer.uid, of_answer(answer), time);
            if let Some(host) = self.host(tenant, &answer.uid) {
                match answer.answer {
                    AnswerWord::Accepted => (host.ours, host.presumed) = (true, None),
                    AnswerWord::Already if !host.ours && answer.ordered => {
                        (host.ours, host.presumed) = (true, Some(looked));
                    }
                    _ => {}
                }
                host.deed = deed;
                host.in_doubt = Some(time).filter(|_| answer.answer == AnswerWord::Unknown);
                host.handle.clone_from(&answer.handle);
                host.trace_id.clone_from(&answer.trace_id);
            }
        }
    }

    fn settled(&mut self, tenant: &TenantId, hosts: &[Readback], deed: (u64, DateTime<Utc>)) {
        let looked = self.looked;
        for back in hosts {
            let outcome = match back.done {
                Some(true) => Outcome::Accepted,
                Some(false) => Outcome::Waiting,
                None => Outcome::Unknown { reason: back.seen.clone() },
            };
            let before = self.host(tenant, &back.uid).and_then(|h| h.in_doubt);
            self.set(tenant, &back.uid, outcome, deed.1);
            if let Some(host) = self.host(tenant, &back.uid) {
                if back.done == Some(true) {
                    (host.ours, host.presumed, host.deed) = (true, Some(looked), deed);
                }
                host.doubted = before.filter(|_| back.done == Some(false)).or(host.doubted);
                host.in_doubt = before.filter(|_| back.done.is_none());
            }
        }
    }

    fn stopped(&mut self, tenant: &TenantId, error: &Told, time: DateTime<Utc>) {
        self.operation.stopped.retain(|s| s.tenant != *tenant);
        self.operation.stopped.push(StoppedTenant { tenant: tenant.clone(), error: error.clone() });
        for host in self.operation.hosts.iter_mut().filter(|h| h.host.tenant == *tenant) {
            if host.outcome == Outcome::Waiting {
                (host.outcome, host.as_of) = (Outcome::NotSent { reason: error.message.clone() }, time);
            }
        }
    }

    fn resumed(&mut self, sends: &[HostKey]) {
        self.operation.ended = None;
        self.operation.stopped.clear();
        for key in sends {
            if let Some(host) = self.host(&key.tenant, &key.uid)
                && host.in_doubt.is_none()
            {
                host.outcome = Outcome::Waiting;
            }
        }
    }
}

pub(super) fn of_answer(answer: &JournalAnswer) -> Outcome {
    let reason = || answer.error.as_ref().map_or_else(String::new, |e| e.message.clone());
    match answer.answer {
        AnswerWord::Accepted => Outcome::Accepted,
        AnswerWord::Already => Outcome::Already,
        AnswerWord::Refused => Outcome::Refused { reason: reason() },
        AnswerWord::Unknown => Outcome::Unknown { reason: reason() },
    }
}

/// What the vendor says of a host that it has in hand.
pub(super) fn of_standing(standing: &Standing) -> Outcome {
    let failed = |reason: &str| Outcome::Failed { reason: reason.to_owned() };
    match standing {
        Standing::Done => Outcome::Done,
        Standing::PendingOffline => Outcome::Offline,
        Standing::Cancelled => failed("cancelled"),
        Standing::Expired => failed("the vendor gave up waiting for the host"),
        Standing::Failed { reason } | Standing::Partial { reason } => failed(reason),
        _ => Outcome::Pending,
    }
}
