//! Actions: what an order answers, and how far it has come.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use edr_core::Result;
use edr_http::{Operation, RequestPlan};
use serde_json::{Value, json};

use super::system::VIEWER;
use super::{ApiCall, reply};
use crate::record::{Lenient, Record, field, read, record, words};
use crate::wire;

/// How far an action has come on each of its endpoints.
pub static STATUS: Operation = Operation::read("actions/get_action_status", VIEWER);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![ApiCall::both(&STATUS).limit("1 action")]
}

/// The id of an action, which replies give as a number or as its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionId(String);

impl ActionId {
    /// The id as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Requests want a number; an id that is none is sent as it is.
    pub(crate) fn json(&self) -> Value {
        self.0.parse::<u64>().map_or_else(|_| json!(self.0), |number| json!(number))
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<u64> for ActionId {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

impl From<&str> for ActionId {
    fn from(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl Lenient for Option<ActionId> {
    fn lenient(value: &Value) -> Self {
        wire::text(value).map(ActionId)
    }
}

record! {
    /// The answer to an order.
    pub struct ActionStarted {
        /// The action, by which its state is asked for. Old tenants give this alone, and some orders are
        /// answered by `true` without one.
        pub action_id: Option<ActionId> = "action_id" | "group_action_id",
        /// The vendor's number for its state; 1 where everything went well.
        pub status: Option<u64> = "status",
        /// How many endpoints it is for.
        pub endpoints_count: Option<u64> = "endpoints_count",
    }
}

/// Reads the answer to an order; `true` and an empty answer are one without a number.
pub(crate) fn started(body: &[u8]) -> Result<ActionStarted> {
    reply::done(body)?;
    Ok(read::<ActionStarted>(&reply::inner(body)?).unwrap_or_default())
}

words! {
    /// How far an action has come on an endpoint.
    pub enum ActionState {
        /// It was taken back.
        Aborted = "ABORTED" | "SCAN_STATUS_ABORTED",
        /// It was taken back before it began.
        Canceled = "CANCELED" | "CANCELLED" | "SCAN_STATUS_CANCELED" | "SCAN_STATUS_CANCEL",
        /// It was done in part.
        CompletedPartial = "COMPLETED_PARTIAL",
        /// It was done.
        CompletedSuccessfully = "COMPLETED_SUCCESSFULLY" | "SUCCESS" | "SCAN_STATUS_SUCCESS",
        /// The endpoint was away for too long.
        Expired = "EXPIRED",
        /// It failed.
        Failed = "FAILED" | "ERROR" | "SCAN_STATUS_ERROR",
        /// The endpoint is at it.
        InProgress = "IN_PROGRESS" | "SCAN_STATUS_IN_PROGRESS",
        /// The endpoint has not asked for it yet.
        Pending = "PENDING" | "SCAN_STATUS_PENDING",
        /// It is being taken back.
        PendingAbort = "PENDING_ABORT" | "SCAN_STATUS_PENDING_CANCELLATION" | "PENDING_CANCELLATION",
        /// The endpoint did not answer in time.
        Timeout = "TIMEOUT",
    }
}

impl ActionState {
    /// True when nothing further will happen. A word that is not known is taken for an end, so that
    /// nobody waits for ever.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::InProgress | Self::Pending | Self::PendingAbort)
    }

    /// True when it was done as ordered.
    #[must_use]
    pub fn is_done(&self) -> bool {
        *self == Self::CompletedSuccessfully
    }
}

/// How far an action has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActionStatus {
    /// The state by endpoint. It is empty right after the order was given: that is no end.
    pub endpoints: BTreeMap<String, ActionState>,
    /// Why it failed, by endpoint, where the tenant tells.
    pub reasons: BTreeMap<String, String>,
}

impl ActionStatus {
    /// True when every endpoint has come to an end. An empty answer is none.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.endpoints.is_empty() && self.endpoints.values().all(ActionState::is_over)
    }

    /// True when every endpoint has done as ordered.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !self.endpoints.is_empty() && self.endpoints.values().all(ActionState::is_done)
    }
}

impl Record for ActionStatus {
    fn from_object(object: &serde_json::Map<String, Value>) -> Self {
        let empty = serde_json::Map::new();
        let data = object.get("data").and_then(Value::as_object).unwrap_or(&empty);
        let state = |(id, value): (&String, &Value)| {
            // Newer tenants may nest the word.
            let word = value.get("status").unwrap_or(value);
            Some((id.clone(), ActionState::read(&wire::text(word)?)))
        };
        let reasons: BTreeMap<String, String> = object
            .get("errorReasons")
            .and_then(Value::as_object)
            .unwrap_or(&empty)
            .iter()
            .filter_map(|(id, value)| Some((id.clone(), reason(value)?)))
            .collect();
        Self { endpoints: data.iter().filter_map(state).collect(), reasons }
    }
}

/// A reason: a text, or an object with one.
fn reason(value: &Value) -> Option<String> {
    let object = value.as_object();
    object
        .and_then(|o| field(o, &["errorDescription", "errorText", "message", "reason"]))
        .or_else(|| wire::text(value))
}

/// How far an action has come.
#[must_use]
pub fn action_status(id: &ActionId) -> RequestPlan {
    super::post(&STATUS, &json!({"group_action_id": id.json()}))
}

/// How often to ask for something that takes its time, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Patience {
    /// The wait before the second question.
    pub first: Duration,
    /// What each wait is multiplied by.
    pub growth: f64,
    /// The longest wait between two questions.
    pub longest: Duration,
    /// The time after which nothing more is asked.
    pub limit: Duration,
}

impl Default for Patience {
    /// After 2 s, then less and less often, at least every 30 s, for ten minutes.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            growth: 1.5,
            longest: Duration::from_secs(30),
            limit: Duration::from_secs(600),
        }
    }
}

impl Patience {
    /// The same for so long.
    #[must_use]
    pub fn for_at_most(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// The wait after the one before.
    pub(crate) fn next(&self, wait: Duration) -> Duration {
        let growth = if self.growth.is_finite() { self.growth.clamp(1.0, 10.0) } else { 1.0 };
        wait.mul_f64(growth).min(self.longest).max(Duration::from_millis(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_answered_in_many_forms() {
        for body in [
            r#"{"reply":{"action_id":673,"status":1,"endpoints_count":5}}"#,
            r#"{"reply":{"action_id":"673","status":"1","endpoints_count":"5"}}"#,
            r#"{"reply":[{"action_id":673,"status":1,"endpoints_count":5}]}"#,
        ] {
            let answer = started(body.as_bytes()).unwrap();
            assert_eq!(answer.action_id.unwrap().json(), json!(673));
            assert_eq!((answer.status, answer.endpoints_count), (Some(1), Some(5)));
        }
        assert_eq!(started(br#"{"reply":true}"#).unwrap(), ActionStarted::default());
        assert!(started(br#"{"reply":false}"#).is_err());
        assert_eq!(ActionId::from("<id>").json(), json!("<id>"));
    }

    #[test]
    fn every_state_is_known_and_an_empty_answer_is_no_end() {
        for (word, over) in [
            ("PENDING", false),
            ("IN_PROGRESS", false),
            ("PENDING_ABORT", false),
            ("SCAN_STATUS_IN_PROGRESS", false),
            ("CANCELLED", true),
            ("CANCELED", true),
            ("ABORTED", true),
            ("EXPIRED", true),
            ("COMPLETED_PARTIAL", true),
            ("COMPLETED_SUCCESSFULLY", true),
            ("FAILED", true),
            ("TIMEOUT", true),
        ] {
            let state = ActionState::read(word);
            assert!(!matches!(state, ActionState::Other(_)), "{word}");
            assert_eq!(state.is_over(), over, "{word}");
        }
        assert!(ActionState::read("NEW_ONE").is_over());
        let status = |body: &str| reply::object::<ActionStatus>(body.as_bytes()).unwrap();
        for empty in [r#"{"reply":{"data":{}}}"#, r#"{"reply":{"data":null}}"#, r#"{"reply":{}}"#] {
            assert!(!status(empty).is_over() && !status(empty).is_done(), "{empty}");
        }
        let mixed = status(
            r#"{"reply":{"data":{"a":"FAILED","b":"PENDING"},"errorReasons":{"a":{"errorDescription":"no"}}}}"#,
        );
        assert_eq!((mixed.is_over(), mixed.reasons["a"].as_str()), (false, "no"));
        assert!(status(r#"{"reply":{"data":{"a":"COMPLETED_SUCCESSFULLY"}}}"#).is_done());
    }

    #[test]
    fn waits_grow_and_are_bounded() {
        let patience = Patience::default();
        let waits: Vec<u64> = std::iter::successors(Some(patience.first), |wait| Some(patience.next(*wait)))
            .take(9)
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!((waits[0], waits[1], waits[8]), (2, 3, 30));
        assert!(Patience { growth: f64::NAN, ..patience }.next(Duration::ZERO) > Duration::ZERO);
    }
}
