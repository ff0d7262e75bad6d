//! Users of the console, their roles, and who has which. Scope "User management".

use chrono::{DateTime, SecondsFormat, Utc};
use edr_http::RequestPlan;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, Serializer};

use super::{Endpoint, ListParams, Paging, Verb};
use crate::time::Timestamp;
use crate::wire::wire;
use crate::words::words;

const READ: &str = "User management: read";
const WRITE: &str = "User management: write";
const USERS: &str = "/user-management/entities/users/v1";
const UNCAPPED: Paging = Paging::Offset { cap: None };

/// Ids of users. Orders are written `field|asc`.
pub static QUERY: Endpoint =
    Endpoint::read("queryUserV1", Verb::Get, "/user-management/queries/users/v1", READ)
        .pages(UNCAPPED, 500)
        .query(&["filter", "limit", "offset", "sort"]);
/// Users by id.
pub static ENTITIES: Endpoint =
    Endpoint::read("retrieveUsersGETV1", Verb::Post, "/user-management/entities/users/GET/v1", READ)
        .ids(MAX_IDS as u32);
/// Makes a user.
pub static CREATE: Endpoint =
    Endpoint::write("createUserV1", Verb::Post, USERS, WRITE).query(&["validate_only"]);
/// Changes a user's name; twice is once.
pub static UPDATE: Endpoint =
    Endpoint::repeatable("updateUserV1", Verb::Patch, USERS, WRITE).query(&["user_uuid"]);
/// Deletes a user.
pub static DELETE: Endpoint =
    Endpoint::write("deleteUserV1", Verb::Delete, USERS, WRITE).query(&["user_uuid"]);
/// Resets a user's password or second factor.
pub static ACTIONS: Endpoint =
    Endpoint::write("userActionV1", Verb::Post, "/user-management/entities/user-actions/v1", WRITE)
        .ids(MAX_IDS as u32)
        .actions(&["reset_2fa", "reset_password"]);
/// Gives roles to a user and takes them away, all of the call or none.
pub static ROLE_ACTIONS: Endpoint =
    Endpoint::write("userRolesActionV1", Verb::Post, "/user-management/entities/user-role-actions/v1", WRITE)
        .ids(MAX_IDS as u32)
        .actions(&["grant", "revoke"]);
/// Which roles a user has.
pub static GRANTS: Endpoint =
    Endpoint::read("CombinedUserRolesV2", Verb::Get, "/user-management/combined/user-roles/v2", READ)
        .pages(UNCAPPED, 500)
        .query(&["cid", "direct_only", "filter", "limit", "offset", "sort", "user_uuid"]);
/// Ids of the roles that can be given.
pub static ROLES: Endpoint =
    Endpoint::read("queriesRolesV1", Verb::Get, "/user-management/queries/roles/v1", READ).query(&[
        "action",
        "cid",
        "user_uuid",
    ]);
/// Roles by id.
pub static ROLE_ENTITIES: Endpoint =
    Endpoint::read("entitiesRolesGETV2", Verb::Post, "/user-management/entities/roles/GET/v2", READ)
        .ids(MAX_IDS as u32)
        .query(&["cid"]);

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] =
    &[&QUERY, &ENTITIES, &CREATE, &UPDATE, &DELETE, &ACTIONS, &ROLE_ACTIONS, &GRANTS, &ROLES, &ROLE_ENTITIES];

/// The most ids in one call: 5,000 are documented for users, 100 are what clients send.
pub const MAX_IDS: usize = 100;

/// A page of ids of users.
#[must_use]
pub fn query(params: &ListParams) -> RequestPlan {
    params.plan(&QUERY)
}

/// Users by id, at most [`MAX_IDS`].
#[must_use]
pub fn entities<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    ENTITIES.by_body(ids)
}

/// A user to be made.
#[derive(Clone, Debug, Default, Serialize)]
pub struct NewUser {
    /// The customer id that the user belongs to; the caller's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// The first name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// The last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// A password; without one the user is asked to choose it.
    #[serde(serialize_with = "exposed", skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretString>,
    /// The e-mail address.
    pub uid: String,
}

/// The one place where a password leaves its wrapping: the body of the request.
fn exposed<S: Serializer>(secret: &Option<SecretString>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(secret.as_ref().map(|s| s.expose_secret()).unwrap_or_default())
}

/// Makes a user; with `validate_only` only says whether it could be made.
#[must_use]
pub fn create(user: &NewUser, validate_only: bool) -> RequestPlan {
    CREATE.json(user).maybe("validate_only", validate_only.then_some("true"))
}

/// Changes a user's name.
#[must_use]
pub fn update(uuid: &str, first_name: Option<&str>, last_name: Option<&str>) -> RequestPlan {
    #[derive(Serialize)]
    struct Names<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        first_name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        last_name: Option<&'a str>,
    }
    UPDATE.json(&Names { first_name, last_name }).query("user_uuid", uuid)
}

/// Deletes a user.
#[must_use]
pub fn delete(uuid: &str) -> RequestPlan {
    DELETE.plan().query("user_uuid", uuid)
}

words! {
    /// What is done with users.
    pub enum UserAction {
        /// The second factor is to be set up anew.
        Reset2fa = "reset_2fa",
        /// The password is to be chosen anew.
        ResetPassword = "reset_password",
    }
}

/// Resets the password or second factor of users, at most [`MAX_IDS`].
#[must_use]
pub fn perform<S: AsRef<str>>(action: &UserAction, ids: &[S]) -> RequestPlan {
    #[derive(Serialize)]
    struct Named<'a> {
        action_name: &'a UserAction,
    }
    #[derive(Serialize)]
    struct Body<'a> {
        action: Named<'a>,
        ids: Vec<&'a str>,
    }
    let ids = ids.iter().map(AsRef::as_ref).collect();
    ACTIONS.json(&Body { action: Named { action_name: action }, ids })
}

words! {
    /// What becomes of roles.
    pub enum GrantAction {
        /// The user gets them.
        Grant = "grant",
        /// The user loses them.
        Revoke = "revoke",
    }
}

/// Roles to be given to a user or taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrantChange {
    /// Given or taken.
    pub action: GrantAction,
    /// In which customer id; the caller's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
    /// Until when they are given.
    #[serde(serialize_with = "stamp", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// The roles, at most [`MAX_IDS`]: all, or none.
    pub role_ids: Vec<String>,
    /// The user.
    pub uuid: String,
}

fn stamp<S: Serializer>(time: &Option<DateTime<Utc>>, s: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => s.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true)),
        None => s.serialize_none(),
    }
}

/// Gives roles to a user or takes them away. Reads show it more than half a minute later.
#[must_use]
pub fn change_roles(change: &GrantChange) -> RequestPlan {
    ROLE_ACTIONS.json(change)
}

/// A page of the roles that a user has, in a customer id where one is named.
#[must_use]
pub fn grants(uuid: &str, cid: Option<&str>, direct_only: bool, params: &ListParams) -> RequestPlan {
    params
        .plan(&GRANTS)
        .query("user_uuid", uuid)
        .maybe("cid", cid)
        .maybe("direct_only", direct_only.then_some("true"))
}

/// Ids of the roles that can be given, or that a user has: `action` is `grant` or `revoke`.
#[must_use]
pub fn roles(action: Option<&GrantAction>, cid: Option<&str>, user_uuid: Option<&str>) -> RequestPlan {
    ROLES.plan().maybe("action", action).maybe("cid", cid).maybe("user_uuid", user_uuid)
}

/// Roles by id, at most [`MAX_IDS`].
#[must_use]
pub fn role_entities<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    ROLE_ENTITIES.by_body(ids)
}

wire! {
    /// A user of the console, `domain.User`.
    pub struct User {
        access_granted_at: Option<Timestamp>,
        cid: Option<String>,
        created_at: Option<Timestamp>,
        factors: Vec<String>,
        first_name: Option<String>,
        last_login_at: Option<Timestamp>,
        last_name: Option<String>,
        status: Option<String>,
        uid: Option<String>,
        updated_at: Option<Timestamp>,
        user_type: Option<String>,
        uuid: Option<String>,
    }
}

wire! {
    /// A role of a user, `flightcontrolapi.CombinedUserRolesResourceV2`.
    pub struct Grant {
        cid: Option<String>,
        cid_group_id: Option<String>,
        cid_group_name: Option<String>,
        expires_at: Option<Timestamp>,
        grant_type: Option<String>,
        parent_cid: Option<String>,
        role_id: Option<String>,
        role_name: Option<String>,
        user_group_id: Option<String>,
        user_group_name: Option<String>,
        user_type: Option<String>,
        uuid: Option<String>,
    }
}

wire! {
    /// A role.
    pub struct Role {
        cid: Option<String>,
        description: Option<String>,
        display_name: Option<String>,
        id: Option<String>,
        is_global: Option<bool>,
        kind("type"): Option<String>,
    }
}
