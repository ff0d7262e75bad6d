//! Users, roles and groups, API keys, and what the licence has.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use edr_core::{Error, Result};
use edr_http::{Operation, RequestPlan};
use serde_json::{Map, Value, json};

use super::system::{ADMIN, VIEWER};
use super::{ApiCall, Sheet, refused};
use crate::record::{Lenient, Record, field, record, words};
use crate::wire::{self, Stamp};

/// Users.
pub static USERS: Operation = Operation::read("rbac/get_users", ADMIN);
/// Roles.
pub static ROLES: Operation = Operation::read("rbac/get_roles", ADMIN);
/// Groups of users.
pub static GROUPS: Operation = Operation::read("rbac/get_user_group", ADMIN);
/// Gives users a role.
pub static SET_ROLE: Operation = Operation::write("rbac/set_user_role", ADMIN);
/// API keys in windows.
pub static KEYS: Operation = Operation::read("api_keys/get_api_keys", ADMIN);
/// The score of a user or host.
pub static RISK: Operation = Operation::read("get_risk_score", VIEWER);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::both(&USERS),
        ApiCall::both(&ROLES),
        ApiCall::both(&GROUPS),
        ApiCall::both(&SET_ROLE),
        ApiCall::five(&KEYS).paged("id"),
        ApiCall::three(&RISK),
    ]
}

record! {
    /// A user.
    pub struct User {
        /// The mail, by which users are known.
        pub email: Option<String> = "user_email" | "email",
        /// The first name.
        pub first_name: Option<String> = "user_first_name" | "first_name",
        /// The last name.
        pub last_name: Option<String> = "user_last_name" | "last_name",
        /// The role.
        pub role: Option<String> = "role_name" | "role",
        /// The last time that they came.
        pub last_logged_in: Stamp = "last_logged_in",
        /// `SSO`, `CSP`, …
        pub kind: Option<String> = "user_type",
        /// Groups.
        pub groups: Vec<String> = "groups",
    }
}

record! {
    /// A role.
    pub struct Role {
        /// Its name.
        pub name: Option<String> = "pretty_name" | "role_name" | "name",
        /// What it is for.
        pub description: Option<String> = "description",
        /// What it allows.
        pub permissions: Vec<String> = "permissions",
        /// Users with it.
        pub users: Vec<String> = "users",
        /// Groups with it.
        pub groups: Vec<String> = "groups",
        /// Who made it.
        pub created_by: Option<String> = "created_by",
    }
}

record! {
    /// A group of users.
    pub struct UserGroup {
        /// Its name.
        pub name: Option<String> = "group_name" | "name",
        /// What it is for.
        pub description: Option<String> = "description",
        /// The role of its members.
        pub role: Option<String> = "role_name" | "pretty_name",
        /// Its members, by mail.
        pub users: Vec<String> = "user_email" | "users",
    }
}

/// Users; all of them.
#[must_use]
pub fn users() -> RequestPlan {
    super::post(&USERS, &json!({}))
}

/// Roles by name.
///
/// # Errors
/// For none.
pub fn roles(names: &[&str]) -> Result<RequestPlan> {
    named(&ROLES, "role_names", names)
}

/// Groups by name.
///
/// # Errors
/// For none.
pub fn user_groups(names: &[&str]) -> Result<RequestPlan> {
    named(&GROUPS, "group_names", names)
}

fn named(operation: &'static Operation, key: &str, names: &[&str]) -> Result<RequestPlan> {
    if names.is_empty() || names.iter().any(|name| name.trim().is_empty()) {
        return Err(refused(operation, "no name is given, or an empty one"));
    }
    Ok(super::post(operation, &json!({ key: names })))
}

/// Gives users a role; `None` takes theirs away.
///
/// # Errors
/// For no users, and an empty name of a role.
pub fn set_user_role(emails: &[&str], role: Option<&str>) -> Result<RequestPlan> {
    if emails.is_empty() || emails.iter().any(|email| email.trim().is_empty()) {
        return Err(refused(&SET_ROLE, "no user is named"));
    }
    if role.is_some_and(|role| role.trim().is_empty()) {
        return Err(refused(&SET_ROLE, "the name of the role is empty; to take roles away, give none"));
    }
    Ok(super::post(&SET_ROLE, &json!({"user_emails": emails, "role_name": role.unwrap_or_default()})))
}

/// How long before its end a key is spoken of.
pub const KEY_WARNING: TimeDelta = TimeDelta::days(7);

record! {
    /// An API key, without the key.
    pub struct ApiKey {
        /// Its number.
        pub id: Option<String> = "id",
        /// Its roles.
        pub roles: Vec<String> = "roles",
        /// Who made it.
        pub created_by: Option<String> = "created_by",
        /// When.
        pub creation_time: Stamp = "creation_time",
        /// When it ends; absent where it never does.
        pub expiration: Stamp = "expiration",
        /// `advanced`, `standard`.
        pub security_level: Option<String> = "security_level",
        /// What it is for.
        pub comment: Option<String> = "comment",
    }
}

impl ApiKey {
    /// The time that is left, when it is seven days or less; negative after the end.
    #[must_use]
    pub fn ends_soon(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        self.expiration.time.map(|end| end - now).filter(|left| *left <= KEY_WARNING)
    }
}

pub(crate) static KEY_SHEET: Sheet<ApiKey> = Sheet {
    operation: &KEYS,
    paths: &[&["reply", "DATA"], &["DATA"]],
    lists: &["DATA"],
    counts: &["FILTER_COUNT", "TOTAL_COUNT"],
    cap: None,
    capitals: false,
    more: &[],
    id: |key| key.id.as_deref(),
    time: None,
};

/// What a licence has of something: a number, or a number of something.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Amount {
    /// How much.
    pub number: f64,
    /// Of what: `agents`, `tb`.
    pub unit: Option<String>,
}

/// The licences of a tenant, by their names in the reply without `purchased_` and the like.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TenantInfo {
    /// What was bought.
    pub purchased: BTreeMap<String, Amount>,
    /// What is installed or switched on.
    pub used: BTreeMap<String, Amount>,
    /// When it ends.
    pub expirations: BTreeMap<String, DateTime<Utc>>,
}

impl Record for TenantInfo {
    fn from_object(object: &Map<String, Value>) -> Self {
        let mut info = Self::default();
        for (key, value) in object {
            if let Some(name) = key.strip_suffix("_expiration") {
                info.expirations.extend(worded(value).map(|end| (name.to_owned(), end)));
            } else if let Some(name) = key.strip_prefix("purchased_") {
                info.purchased.extend(amount(value).map(|amount| (name.to_owned(), amount)));
            } else if let Some(name) =
                ["installed_", "enabled_", "data_enabled_"].iter().find_map(|prefix| key.strip_prefix(prefix))
            {
                info.used.extend(amount(value).map(|amount| (name.to_owned(), amount)));
            }
        }
        info
    }
}

fn amount(value: &Value) -> Option<Amount> {
    match value {
        Value::Object(units) => {
            let (unit, number) = units.iter().next()?;
            Some(Amount { number: Option::<f64>::lenient(number)?, unit: Some(unit.clone()) })
        }
        other => Some(Amount { number: Option::<f64>::lenient(other)?, unit: None }),
    }
}

/// `May 18th 2023 08:51:59`, in UTC; 0 is none. Tenants may send milliseconds, too.
fn worded(value: &Value) -> Option<DateTime<Utc>> {
    let text = wire::scalar(value)?;
    let mut words = text.split_whitespace();
    let (month, day) = (words.next()?, words.next().unwrap_or_default());
    let day = day.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ',');
    let rest: Vec<&str> = words.collect();
    let plain = format!("{month} {day} {}", rest.join(" "));
    let time = ["%B %d %Y %H:%M:%S", "%b %d %Y %H:%M:%S"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&plain, form).ok());
    time.map(|time| time.and_utc()).or_else(|| Stamp::read(value).time)
}

/// The score of a user or host of XDR 3.
///
/// # Errors
/// For an empty id.
pub fn risk_score(id: &str) -> Result<RequestPlan, Error> {
    if id.trim().is_empty() {
        return Err(refused(&RISK, "the id is empty"));
    }
    Ok(super::post(&RISK, &json!({"id": id})))
}

words! {
    /// What a score is of.
    pub enum RiskKind {
        /// A host.
        Host = "host",
        /// A user.
        User = "user",
    }
}

record! {
    /// A reason for a score.
    pub struct RiskReason {
        /// When; the key has a blank in it.
        pub created: Stamp = "date created" | "date_created",
        /// What.
        pub description: Option<String> = "description",
        /// `SEV_040_HIGH`, …
        pub severity: Option<String> = "severity",
        /// Its state.
        pub status: Option<String> = "status",
        /// What it adds.
        pub points: Option<f64> = "points",
    }
}

record! {
    /// The score of a user or host.
    pub struct RiskScore {
        /// Whose.
        pub id: Option<String> = "id",
        /// What it is of.
        pub kind: Option<RiskKind> = "type",
        /// It.
        pub score: Option<f64> = "score",
        /// Why.
        pub reasons: Vec<RiskReason> = "reasons",
    }
}

/// What is read of a key beside the listing: whether it is good.
pub(crate) fn is_valid(body: &[u8]) -> Option<bool> {
    let value: Value = serde_json::from_slice(body).ok()?;
    match &value {
        Value::Object(object) => field(object, &["reply", "valid"]),
        other => wire::flag(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_words() {
        let at = worded(&json!("May 18th 2023 08:51:59")).unwrap();
        assert_eq!(at.to_rfc3339(), "2023-05-18T08:51:59+00:00");
        assert_eq!(
            worded(&json!("December 1st 2026 00:00:00")).unwrap().to_rfc3339(),
            "2026-12-01T00:00:00+00:00"
        );
        assert_eq!(worded(&json!(0)), None);
        assert_eq!(worded(&json!("soon")), None);
    }

    #[test]
    fn a_key_is_spoken_of_from_a_week_before() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let key = |left: TimeDelta| ApiKey {
            expiration: Stamp::read(&json!((now + left).timestamp_millis())),
            ..ApiKey::default()
        };
        assert!(key(TimeDelta::days(8)).ends_soon(now).is_none());
        assert!(key(TimeDelta::days(7)).ends_soon(now).is_some());
        assert!(key(TimeDelta::days(-1)).ends_soon(now).unwrap() < TimeDelta::zero());
        assert!(ApiKey::default().ends_soon(now).is_none());
    }

    #[test]
    fn roles_are_not_taken_away_by_mistake() {
        assert!(set_user_role(&["a@b"], Some(" ")).is_err());
        assert!(set_user_role(&[], Some("Viewer")).is_err());
        assert!(set_user_role(&["a@b"], None).is_ok());
        assert!(roles(&[]).is_err() && user_groups(&[""]).is_err() && risk_score("").is_err());
    }

    #[test]
    fn a_key_check_in_every_form() {
        for yes in ["\"true\"", "true", r#"{"reply":true}"#] {
            assert_eq!(is_valid(yes.as_bytes()), Some(true), "{yes}");
        }
        assert_eq!((is_valid(b"false"), is_valid(b"<html>")), (Some(false), None));
    }
}
