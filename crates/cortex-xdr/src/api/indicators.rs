//! Indicators of compromise, and the rules of behaviour (BIOC).

use chrono::{DateTime, Utc};
use edr_core::{Error, ErrorKind, Result};
use edr_http::{Operation, RequestPlan};
use serde_json::{Value, json};

use super::system::{ADMIN, SECURITY};
use super::{ApiCall, Sheet, refused, reply};
use crate::filter::{Filters, filters};
use crate::record::{read, record, words};
use crate::wire::Stamp;

/// Puts indicators there. One that is there is written anew, so that it is looked up before it is sent again.
pub static INSERT_JSON: Operation = Operation::write("indicators/insert_jsons", SECURITY);
/// Puts indicators there, as CSV.
pub static INSERT_CSV: Operation = Operation::write("indicators/insert_csv", SECURITY);
/// Switches indicators on; may be repeated.
pub static ENABLE: Operation = Operation::repeatable("indicators/enable_iocs", SECURITY);
/// Switches indicators off; may be repeated.
pub static DISABLE: Operation = Operation::repeatable("indicators/disable_iocs", SECURITY);
/// Indicators in windows.
pub static LIST: Operation = Operation::read("indicators/get", ADMIN);
/// Takes indicators away.
pub static DELETE: Operation = Operation::write("indicators/delete", ADMIN);
/// Rules of behaviour in windows.
pub static BIOC: Operation = Operation::read("bioc/get", ADMIN);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::both(&INSERT_JSON),
        ApiCall::both(&INSERT_CSV),
        ApiCall::both(&ENABLE).seen_in_clients(),
        ApiCall::both(&DISABLE).seen_in_clients(),
        ApiCall::five(&LIST).paged("rule_id"),
        ApiCall::five(&DELETE),
        ApiCall::five(&BIOC).paged("rule_id"),
    ]
}

words! {
    /// What an indicator is.
    pub enum IndicatorType {
        /// A domain name.
        DomainName = "DOMAIN_NAME",
        /// The name of a file.
        Filename = "FILENAME",
        /// A hash: SHA-256 or MD5.
        Hash = "HASH",
        /// An address.
        Ip = "IP",
        /// A path.
        Path = "PATH",
    }
}

words! {
    /// How bad it is when an indicator is seen. Replies write `SEV_040_HIGH`.
    pub enum IndicatorSeverity {
        /// The worst.
        Critical = "CRITICAL" | "SEV_050_CRITICAL",
        /// Bad.
        High = "HIGH" | "SEV_040_HIGH",
        /// Good to know.
        Info = "INFO" | "INFORMATIONAL" | "SEV_010_INFO",
        /// The least that is bad.
        Low = "LOW" | "SEV_020_LOW",
        /// Not so bad.
        Medium = "MEDIUM" | "SEV_030_MEDIUM",
        /// Nobody knows.
        Unknown = "UNKNOWN" | "SEV_090_UNKNOWN",
    }
}

words! {
    /// What is thought of an indicator.
    pub enum Reputation {
        /// It is bad.
        Bad = "BAD",
        /// It is good.
        Good = "GOOD",
        /// Nobody has said.
        NoReputation = "NO_REPUTATION",
        /// It may be bad.
        Suspicious = "SUSPICIOUS",
        /// It is not known.
        Unknown = "UNKNOWN",
    }
}

/// When an indicator ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expiration {
    /// At this time.
    At(DateTime<Utc>),
    /// As its type has it: after 7 to 180 days.
    #[default]
    ByType,
    /// Never.
    Never,
}

/// An indicator to put there.
#[derive(Clone, Debug, PartialEq)]
pub struct Indicator {
    indicator: String,
    kind: IndicatorType,
    severity: IndicatorSeverity,
    expiration: Expiration,
    comment: Option<String>,
    reputation: Option<Reputation>,
    reliability: Option<char>,
}

impl Indicator {
    /// An indicator.
    #[must_use]
    pub fn new(indicator: impl Into<String>, kind: IndicatorType, severity: IndicatorSeverity) -> Self {
        Self {
            indicator: indicator.into(),
            kind,
            severity,
            expiration: Expiration::ByType,
            comment: None,
            reputation: None,
            reliability: None,
        }
    }

    /// Says when it ends.
    #[must_use]
    pub fn expires(self, expiration: Expiration) -> Self {
        Self { expiration, ..self }
    }

    /// Says where it is from.
    #[must_use]
    pub fn comment(self, text: impl Into<String>) -> Self {
        Self { comment: Some(text.into()), ..self }
    }

    /// Says what is thought of it.
    #[must_use]
    pub fn reputation(self, reputation: Reputation) -> Self {
        Self { reputation: Some(reputation), ..self }
    }

    /// Says how far its source can be relied on, from `A` to `G`.
    #[must_use]
    pub fn reliability(self, letter: char) -> Self {
        Self { reliability: Some(letter.to_ascii_uppercase()), ..self }
    }

    fn check(&self, operation: &'static Operation) -> Result<()> {
        if self.indicator.trim().is_empty() {
            return Err(refused(operation, "an indicator is empty"));
        }
        if self.reliability.is_some_and(|letter| !('A'..='G').contains(&letter)) {
            return Err(refused(operation, "the reliability is a letter from A to G"));
        }
        Ok(())
    }

    /// Its columns, in the order of CSV; absent ones are left out of JSON.
    fn columns(&self) -> [(&'static str, Option<Value>); 7] {
        let expiration = match self.expiration {
            Expiration::At(at) => Some(json!(at.timestamp_millis())),
            Expiration::ByType => None,
            Expiration::Never => Some(json!("Never")),
        };
        [
            ("indicator", Some(json!(self.indicator))),
            ("type", Some(Value::from(&self.kind))),
            ("severity", Some(Value::from(&self.severity))),
            ("expiration_date", expiration),
            ("comment", self.comment.as_ref().map(|text| json!(text))),
            ("reputation", self.reputation.as_ref().map(Value::from)),
            ("reliability", self.reliability.map(|letter| json!(letter.to_string()))),
        ]
    }

    fn json(&self) -> Value {
        let told = self.columns().into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Value::Object(told.collect())
    }

    fn csv(&self) -> String {
        let cell = |value: Option<Value>| match value {
            Some(Value::String(text)) => quoted(&text),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        self.columns().map(|(_, value)| cell(value)).join(",")
    }
}

/// A cell of CSV.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

record! {
    /// An indicator that was refused.
    pub struct Refused {
        /// It.
        pub indicator: Option<String> = "indicator",
        /// Why.
        pub error: Option<String> = "error" | "message",
    }
}

record! {
    /// What became of indicators. The vendor says `success` and still refuses some of them.
    pub struct Inserted {
        /// The call as a whole went well.
        pub success: Option<bool> = "success",
        /// What was refused.
        pub refused: Vec<Refused> = "validation_errors",
    }
}

/// Puts indicators there, with their errors in the answer.
///
/// # Errors
/// For none, an empty one, and a reliability that is none.
pub fn insert_indicators(indicators: &[Indicator]) -> Result<RequestPlan> {
    checked(&INSERT_JSON, indicators)?;
    let rows: Vec<Value> = indicators.iter().map(Indicator::json).collect();
    let body = json!({"request_data": rows, "validate": true}).to_string();
    Ok(RequestPlan::post_json(&INSERT_JSON, "/public_api/v1/indicators/insert_jsons", body))
}

/// Puts indicators there, as CSV with a header.
///
/// # Errors
/// As [`insert_indicators`].
pub fn insert_indicators_csv(indicators: &[Indicator]) -> Result<RequestPlan> {
    checked(&INSERT_CSV, indicators)?;
    let header = "indicator,type,severity,expiration_date,comment,reputation,reliability".to_owned();
    let rows = std::iter::once(header).chain(indicators.iter().map(Indicator::csv));
    let csv = rows.collect::<Vec<_>>().join("\n");
    let body = json!({"request_data": csv, "validate": true}).to_string();
    Ok(RequestPlan::post_json(&INSERT_CSV, "/public_api/v1/indicators/insert_csv", body))
}

fn checked(operation: &'static Operation, indicators: &[Indicator]) -> Result<()> {
    if indicators.is_empty() {
        return Err(refused(operation, "no indicator is given"));
    }
    indicators.iter().try_for_each(|indicator| indicator.check(operation))
}

/// Reads what became of indicators: an object, or `true` for all. A refusal as a whole is an error.
pub(crate) fn inserted(body: &[u8]) -> Result<Inserted> {
    let reply = reply::inner(body)?;
    match read::<Inserted>(&reply) {
        Some(told) if told.success == Some(false) && told.refused.is_empty() => {
            Err(Error::new(ErrorKind::Vendor, "the service refused the indicators and gives no reason"))
        }
        Some(told) => Ok(told),
        None => reply::done(body).map(|()| Inserted { success: Some(true), ..Inserted::default() }),
    }
}

/// Switches indicators on or off.
///
/// # Errors
/// For none.
pub fn switch_indicators(indicators: &[String], on: bool) -> Result<RequestPlan> {
    let operation = if on { &ENABLE } else { &DISABLE };
    if indicators.is_empty() || indicators.iter().any(|indicator| indicator.trim().is_empty()) {
        return Err(refused(operation, "no indicator is given, or an empty one"));
    }
    Ok(super::post(operation, &json!(indicators)))
}

filters! {
    /// Which indicators of XDR 5.
    pub struct IndicatorFilters {
        /// These rules.
        rule_ids: in "rule_id" of u64,
        /// These indicators.
        indicators: in "indicator" of String,
        /// Of these types.
        types: in "type" of IndicatorType,
        /// Of these severities.
        severities: in "severity" of IndicatorSeverity,
    }
}

record! {
    /// An indicator that is there.
    pub struct IndicatorRule {
        /// Its id.
        pub rule_id: Option<String> = "rule_id" | "RULE_ID",
        /// It.
        pub indicator: Option<String> = "indicator" | "RULE_INDICATOR",
        /// What it is.
        pub kind: Option<IndicatorType> = "type" | "IOC_TYPE",
        /// How bad it is.
        pub severity: Option<IndicatorSeverity> = "severity" | "RULE_SEVERITY",
        /// What is thought of it.
        pub reputation: Option<Reputation> = "reputation" | "REPUTATION",
        /// How far its source can be relied on.
        pub reliability: Option<String> = "reliability" | "RELIABILITY",
        /// `ENABLED`, `DISABLED`.
        pub status: Option<String> = "status" | "RULE_STATUS",
        /// When it ends; absent where it never does.
        pub expiration: Stamp = "expiration_date" | "RULE_EXPIRATION_TIME",
        /// Its comment.
        pub comment: Option<String> = "comment" | "RULE_COMMENT",
        /// When it was changed.
        pub modified: Stamp = "modify_time" | "RULE_MODIFY_TIME",
    }
}

pub(crate) static SHEET: Sheet<IndicatorRule> = Sheet {
    operation: &LIST,
    paths: &[&["reply", "objects"], &["reply", "DATA"], &["reply"]],
    lists: &["objects", "DATA"],
    counts: &["objects_count", "FILTER_COUNT", "total_count"],
    cap: None,
    capitals: false,
    more: &[("extended_view", true)],
    id: |rule| rule.rule_id.as_deref(),
    time: None,
};

record! {
    /// A rule of behaviour.
    pub struct BiocRule {
        /// Its id.
        pub rule_id: Option<String> = "rule_id",
        /// Its name.
        pub name: Option<String> = "name",
        /// What kind of rule it is.
        pub kind: Option<String> = "type",
        /// How bad it is.
        pub severity: Option<IndicatorSeverity> = "severity",
        /// `ENABLED`, `DISABLED`.
        pub status: Option<String> = "status",
        /// Its comment.
        pub comment: Option<String> = "comment",
        /// It runs on XQL.
        pub is_xql: Option<bool> = "is_xql",
        /// What it looks for, as text.
        pub indicator: Option<String> = "indicator_text" | "indicator",
        /// Tactics.
        pub tactics: Vec<String> = "mitre_tactic_id_and_name",
        /// Techniques.
        pub techniques: Vec<String> = "mitre_technique_id_and_name",
    }
}

pub(crate) static BIOC_SHEET: Sheet<BiocRule> = Sheet {
    operation: &BIOC,
    paths: &[&["reply", "objects"], &["reply", "DATA"]],
    lists: &["objects", "DATA"],
    counts: &["objects_count", "FILTER_COUNT", "total_count"],
    cap: None,
    capitals: false,
    more: &[("extended_view", true)],
    id: |rule| rule.rule_id.as_deref(),
    time: None,
};

/// Takes indicators of XDR 5 away.
///
/// # Errors
/// Without a condition: that would be all of them.
pub fn delete_indicators(filters: impl Into<Filters>) -> Result<RequestPlan> {
    let filters = filters.into();
    if filters.is_empty() {
        return Err(refused(&DELETE, "no condition says which indicators are meant"));
    }
    Ok(super::post(&DELETE, &json!({"filters": filters})))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(plan: &RequestPlan) -> Value {
        let edr_http::Body::Bytes(_, bytes) = &plan.body else { panic!("a body") };
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn indicators_as_json_and_as_csv() {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let rows = [
            Indicator::new("evil.example", IndicatorType::DomainName, IndicatorSeverity::High)
                .expires(Expiration::At(at))
                .reliability('b'),
            Indicator::new("a.exe", IndicatorType::Filename, IndicatorSeverity::Low)
                .expires(Expiration::Never)
                .comment("one, \"two\"")
                .reputation(Reputation::Bad),
        ];
        let sent = body(&insert_indicators(&rows).unwrap());
        assert_eq!(sent["validate"], true);
        assert_eq!(
            sent["request_data"][0],
            json!({"indicator": "evil.example", "type": "DOMAIN_NAME", "severity": "HIGH", "expiration_date": 1_800_000_000_000_i64, "reliability": "B"})
        );
        let csv = body(&insert_indicators_csv(&rows).unwrap())["request_data"].as_str().unwrap().to_owned();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[1], "evil.example,DOMAIN_NAME,HIGH,1800000000000,,,B");
        assert_eq!(lines[2], r#"a.exe,FILENAME,LOW,Never,"one, ""two""",BAD,"#);
        assert!(insert_indicators(&[]).is_err());
        assert!(insert_indicators(&[rows[0].clone().reliability('Z')]).is_err());
        assert!(delete_indicators(Filters::new()).is_err());
        assert_eq!(body(&switch_indicators(&["a".into()], false).unwrap())["request_data"], json!(["a"]));
    }

    #[test]
    fn success_may_hold_refusals() {
        let told = inserted(
            br#"{"reply":{"success":true,"validation_errors":[{"indicator":"x","error":"mismatch"}]}}"#,
        )
        .unwrap();
        assert_eq!((told.success, told.refused[0].error.as_deref()), (Some(true), Some("mismatch")));
        for word in ["true", r#"{"reply":true}"#] {
            assert_eq!(inserted(word.as_bytes()).unwrap().success, Some(true));
        }
        assert!(inserted(br#"{"reply":{"success":false}}"#).is_err());
        assert!(inserted(br#"{"reply":false}"#).is_err());
    }
}
