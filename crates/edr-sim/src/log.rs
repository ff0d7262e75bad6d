//! What the simulator remembers of its callers: accepted mutations, and requests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::Value;

use crate::clock::Clock;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An accepted mutation.
#[derive(Debug, Clone, Serialize)]
pub struct Mutation {
    /// The virtual time of it.
    pub time: String,
    /// The tenant.
    pub tenant: String,
    /// The operation.
    pub operation: String,
    /// What was changed: the vendor's id.
    pub target: String,
    /// The state before.
    pub before: Value,
    /// The state after.
    pub after: Value,
}

/// Every accepted mutation, in order.
#[derive(Debug)]
pub struct MutationLog {
    clock: Arc<Clock>,
    entries: Mutex<Vec<Mutation>>,
}

impl MutationLog {
    pub(crate) fn new(clock: Arc<Clock>) -> Self {
        Self { clock, entries: Mutex::default() }
    }

    /// Notes a mutation.
    pub fn push(
        &self,
        tenant: &str,
        operation: &str,
        target: &str,
        before: impl Into<Value>,
        after: impl Into<Value>,
    ) {
        lock(&self.entries).push(Mutation {
            time: rfc3339(self.clock.now_ms()),
            tenant: tenant.to_owned(),
            operation: operation.to_owned(),
            target: target.to_owned(),
            before: before.into(),
            after: after.into(),
        });
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Mutation> {
        lock(&self.entries).clone()
    }

    /// Those behind the first `seen`.
    pub(crate) fn since(&self, seen: usize) -> Vec<Mutation> {
        lock(&self.entries).get(seen..).unwrap_or_default().to_vec()
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        lock(&self.entries).clear();
    }
}

/// A time in milliseconds as RFC 3339 with milliseconds, in UTC.
#[must_use]
pub fn rfc3339(ms: i64) -> String {
    crate::clock::from_ms(ms).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// One request, without anything that could be a secret (no header, no body).
#[derive(Debug, Clone, Serialize)]
pub struct RequestEntry {
    /// The virtual time at which it came.
    pub time: String,
    /// The tenant, where it could be told.
    pub tenant: Option<String>,
    /// The operation.
    pub operation: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, as sent.
    pub query: Option<String>,
    /// The status of the answer; 0 when the connection was closed instead, by us or by the client.
    pub status: u16,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The fault that struck, if one did.
    pub fault: Option<Value>,
}

/// How many of the last requests are kept.
pub const KEPT_REQUESTS: usize = 500;

#[derive(Debug, Default)]
struct Seen {
    counters: BTreeMap<String, BTreeMap<String, u64>>,
    last: VecDeque<RequestEntry>,
    total: u64,
}

/// Counters per tenant and operation, and the last requests.
#[derive(Debug, Default)]
pub struct RequestLog {
    seen: Mutex<Seen>,
    numbers: AtomicU64,
}

/// A picture of the request log.
#[derive(Debug, Clone, Serialize)]
pub struct RequestReport {
    /// How many requests in all.
    pub total: u64,
    /// Tenant → operation → number, of every request that has come, answered or not. Requests of no known tenant stand under `-`.
    pub counters: BTreeMap<String, BTreeMap<String, u64>>,
    /// The last requests that are over, oldest first.
    pub last: Vec<RequestEntry>,
}

impl RequestReport {
    /// How often a tenant was asked for an operation.
    #[must_use]
    pub fn count(&self, tenant: &str, operation: &str) -> u64 {
        let operation = crate::faults::canonical(operation);
        self.counters.get(tenant).and_then(|ops| ops.get(operation)).copied().unwrap_or(0)
    }
}

impl RequestLog {
    /// The number of a request that begins.
    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a request that has come.
    pub(crate) fn count(&self, tenant: Option<&str>, operation: &str) {
        let mut seen = lock(&self.seen);
        let tenant = tenant.unwrap_or("-").to_owned();
        *seen.counters.entry(tenant).or_default().entry(operation.to_owned()).or_default() += 1;
        seen.total += 1;
    }

    /// Notes a request that is over.
    pub(crate) fn push(&self, entry: RequestEntry) {
        let mut seen = lock(&self.seen);
        if seen.last.len() == KEPT_REQUESTS {
            seen.last.pop_front();
        }
        seen.last.push_back(entry);
    }

    /// A picture of it.
    #[must_use]
    pub fn report(&self) -> RequestReport {
        let seen = lock(&self.seen);
        RequestReport {
            total: seen.total,
            counters: seen.counters.clone(),
            last: seen.last.iter().cloned().collect(),
        }
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        *lock(&self.seen) = Seen::default();
        self.numbers.store(0, Ordering::Relaxed);
    }
}
