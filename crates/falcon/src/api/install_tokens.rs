//! Installation tokens: what a sensor must show when it is installed, where a tenant wants that. Scopes
//! "Installation tokens" and "Installation tokens settings".

use chrono::{DateTime, SecondsFormat, Utc};
use edr_http::RequestPlan;
use serde::{Serialize, Serializer};

use super::{Endpoint, ListParams, Paging, Verb};
use crate::time::Timestamp;
use crate::wire::{Secret, wire};
use crate::words::words;

const READ: &str = "Installation tokens: read";
const WRITE: &str = "Installation tokens: write";
const TOKENS: &str = "/installation-tokens/entities/tokens/v1";
const SETTINGS: &str = "/installation-tokens/entities/customer-settings/v1";
const LISTING: &[&str] = &["filter", "limit", "offset", "sort"];
const PAGES: Paging = Paging::Offset { cap: None };

/// Ids of tokens.
pub static QUERY: Endpoint =
    Endpoint::read("tokens-query", Verb::Get, "/installation-tokens/queries/tokens/v1", READ)
        .pages(PAGES, MAX_PAGE)
        .query(LISTING);
/// Tokens by id.
pub static ENTITIES: Endpoint =
    Endpoint::read("tokens-read", Verb::Get, TOKENS, READ).ids(MAX_IDS as u32).query(&["ids"]);
/// Makes a token.
pub static CREATE: Endpoint = Endpoint::write("tokens-create", Verb::Post, TOKENS, WRITE);
/// Changes a token. One id a call: the specification separates ids by commas, and clients repeat the key.
pub static UPDATE: Endpoint =
    Endpoint::repeatable("tokens-update", Verb::Patch, TOKENS, WRITE).ids(1).query(&["ids"]);
/// Deletes a token. One id a call, as for [`UPDATE`].
pub static DELETE: Endpoint =
    Endpoint::write("tokens-delete", Verb::Delete, TOKENS, WRITE).ids(1).query(&["ids"]);
/// Ids of what was done to tokens.
pub static QUERY_EVENTS: Endpoint =
    Endpoint::read("audit-events-query", Verb::Get, "/installation-tokens/queries/audit-events/v1", READ)
        .pages(PAGES, MAX_PAGE)
        .query(LISTING);
/// What was done to tokens, by id.
pub static EVENTS: Endpoint =
    Endpoint::read("audit-events-read", Verb::Get, "/installation-tokens/entities/audit-events/v1", READ)
        .ids(MAX_IDS as u32)
        .query(&["ids"]);
/// Whether tokens are wanted.
pub static READ_SETTINGS: Endpoint = Endpoint::read("customer-settings-read", Verb::Get, SETTINGS, READ);
/// Changes whether tokens are wanted.
pub static UPDATE_SETTINGS: Endpoint = Endpoint::repeatable(
    "customer-settings-update",
    Verb::Patch,
    SETTINGS,
    "Installation tokens settings: write",
);

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] =
    &[&QUERY, &ENTITIES, &CREATE, &UPDATE, &DELETE, &QUERY_EVENTS, &EVENTS, &READ_SETTINGS, &UPDATE_SETTINGS];

/// The most ids on a page.
pub const MAX_PAGE: u32 = 1_000;
/// The most ids in one call; the URL is the limit, and no other is published.
pub const MAX_IDS: usize = 100;

words! {
    /// Whether a token opens anything.
    pub enum TokenStatus {
        /// Its time is over.
        Expired = "expired",
        /// It was revoked.
        Revoked = "revoked",
        /// It does.
        Valid = "valid",
    }
}

fn stamp<S: Serializer>(time: &Option<DateTime<Utc>>, s: S) -> Result<S::Ok, S::Error> {
    time.map(|t| t.to_rfc3339_opts(SecondsFormat::Secs, true)).serialize(s)
}

/// A token to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewToken {
    /// When it stops to open anything; never when absent.
    #[serde(serialize_with = "stamp", skip_serializing_if = "Option::is_none")]
    pub expires_timestamp: Option<DateTime<Utc>>,
    /// Its name.
    pub label: String,
}

/// What changes of a token: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TokenChange {
    /// When it stops to open anything.
    #[serde(serialize_with = "stamp", skip_serializing_if = "Option::is_none")]
    pub expires_timestamp: Option<DateTime<Utc>>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether it is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<bool>,
}

/// What changes of the settings: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TokenSettingsChange {
    /// How many tokens may be valid at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_active_tokens: Option<u32>,
    /// Whether a sensor must show one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_required: Option<bool>,
}

/// A page of ids of tokens.
#[must_use]
pub fn query(params: &ListParams) -> RequestPlan {
    params.plan(&QUERY)
}

/// A page of ids of what was done to tokens.
#[must_use]
pub fn query_events(params: &ListParams) -> RequestPlan {
    params.plan(&QUERY_EVENTS)
}

/// Makes a token.
#[must_use]
pub fn create(new: &NewToken) -> RequestPlan {
    CREATE.json(new)
}

/// Changes a token.
#[must_use]
pub fn update(id: &str, change: &TokenChange) -> RequestPlan {
    UPDATE.json(change).query("ids", id)
}

/// Changes the settings.
#[must_use]
pub fn update_settings(change: &TokenSettingsChange) -> RequestPlan {
    UPDATE_SETTINGS.json(change)
}

wire! {
    /// A token. Its value is what opens: `Debug` does not show it.
    pub struct InstallToken {
        created_timestamp: Option<Timestamp>,
        expires_timestamp: Option<Timestamp>,
        id: Option<String>,
        label: Option<String>,
        last_used_timestamp: Option<Timestamp>,
        revoked_timestamp: Option<Timestamp>,
        status: Option<TokenStatus>,
        kind("type"): Option<String>,
        value: Option<Secret>,
    }
}

wire! {
    /// What was done to a token.
    pub struct TokenEvent {
        action: Option<String>,
        actor: Option<String>,
        description: Option<String>,
        id: Option<String>,
        timestamp: Option<Timestamp>,
        token_id: Option<String>,
    }
}

wire! {
    /// Whether tokens are wanted.
    pub struct TokenSettings {
        max_active_tokens: Option<i64>,
        tokens_required: Option<bool>,
    }
}
