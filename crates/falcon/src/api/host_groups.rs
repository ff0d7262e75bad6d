//! Host groups, static and dynamic, and who is in them. Scope "Host groups".

use edr_http::RequestPlan;
use serde::Serialize;

use super::common::{Resources, action};
use super::{ActionParameter, Endpoint, ListParams, Paging, Verb};
use crate::fql::{FqlError, field};
use crate::time::Timestamp;
use crate::wire::wire;
use crate::words::words;

const READ: &str = "Host groups: read";
const WRITE: &str = "Host groups: write";
const LISTING: &[&str] = &["filter", "limit", "offset", "sort"];
const MEMBERS_OF: &[&str] = &["filter", "id", "limit", "offset", "sort"];
const GROUPS: &str = "/devices/entities/host-groups/v1";

/// Whole groups.
pub static COMBINED: Endpoint =
    Endpoint::read("queryCombinedHostGroups", Verb::Get, "/devices/combined/host-groups/v1", READ)
        .pages(Paging::Offset { cap: None }, 5_000)
        .query(LISTING);
/// Ids of groups.
pub static QUERY: Endpoint =
    Endpoint::read("queryHostGroups", Verb::Get, "/devices/queries/host-groups/v1", READ)
        .pages(Paging::Offset { cap: None }, 5_000)
        .query(LISTING);
/// The devices in a group.
pub static MEMBERS: Endpoint =
    Endpoint::read("queryCombinedGroupMembers", Verb::Get, "/devices/combined/host-group-members/v1", READ)
        .pages(Paging::Offset { cap: Some(MEMBERS_CAP) }, 5_000)
        .query(MEMBERS_OF);
/// The ids of the devices in a group.
pub static MEMBER_IDS: Endpoint =
    Endpoint::read("queryGroupMembers", Verb::Get, "/devices/queries/host-group-members/v1", READ)
        .pages(Paging::Offset { cap: Some(MEMBERS_CAP) }, 5_000)
        .query(MEMBERS_OF);
/// Groups by id.
pub static ENTITIES: Endpoint =
    Endpoint::read("getHostGroups", Verb::Get, GROUPS, READ).ids(MAX_IDS as u32).query(&["ids"]);
/// Makes groups.
pub static CREATE: Endpoint = Endpoint::write("createHostGroups", Verb::Post, GROUPS, WRITE);
/// Changes groups; the same change twice is one.
pub static UPDATE: Endpoint = Endpoint::repeatable("updateHostGroups", Verb::Patch, GROUPS, WRITE);
/// Deletes groups. One that a policy or an indicator still has is refused (409).
pub static DELETE: Endpoint =
    Endpoint::write("deleteHostGroups", Verb::Delete, GROUPS, WRITE).ids(MAX_IDS as u32).query(&["ids"]);
/// Puts devices into a static group and takes them out; twice is once.
pub static ACTIONS: Endpoint =
    Endpoint::repeatable("performGroupAction", Verb::Post, "/devices/entities/host-group-actions/v1", WRITE)
        .ids(MAX_DEVICES as u32)
        .query(&["action_name", "disable_hostname_check"])
        .actions(&["add-hosts", "remove-hosts"]);

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] =
    &[&COMBINED, &QUERY, &MEMBERS, &MEMBER_IDS, &ENTITIES, &CREATE, &UPDATE, &DELETE, &ACTIONS];

/// Offset and limit of [`members`] and [`member_ids`] together stay below this.
pub const MEMBERS_CAP: u32 = 10_500;
/// The most groups by id in one call; the URL is the limit, and no other is published.
pub const MAX_IDS: usize = 100;
/// The most devices in one call of [`change_members`].
pub const MAX_DEVICES: usize = 500;

/// A page of whole groups.
#[must_use]
pub fn combined(params: &ListParams) -> RequestPlan {
    params.plan(&COMBINED)
}

/// A page of ids of groups.
#[must_use]
pub fn query(params: &ListParams) -> RequestPlan {
    params.plan(&QUERY)
}

/// A page of the devices in a group; the filter is one of hosts.
#[must_use]
pub fn members(group: &str, params: &ListParams) -> RequestPlan {
    params.plan(&MEMBERS).query("id", group)
}

/// A page of the ids of the devices in a group.
#[must_use]
pub fn member_ids(group: &str, params: &ListParams) -> RequestPlan {
    params.plan(&MEMBER_IDS).query("id", group)
}

/// Groups by id, at most [`MAX_IDS`].
#[must_use]
pub fn entities<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    ENTITIES.by_query("ids", ids)
}

words! {
    /// How a group finds its devices.
    pub enum GroupType {
        /// By a rule in FQL.
        Dynamic = "dynamic",
        /// By hostname, device by device.
        Static = "static",
        /// By device id, device by device.
        StaticById = "staticByID",
    }
}

/// A group to be made. A rule belongs to a dynamic group alone: the service refuses it in another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewHostGroup {
    /// FQL over hosts, for a dynamic group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment_rule: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How it finds its devices.
    pub group_type: GroupType,
    /// Its name.
    pub name: String,
}

impl NewHostGroup {
    /// A group with a name.
    #[must_use]
    pub fn new(name: &str, group_type: GroupType) -> Self {
        Self { assignment_rule: None, description: None, group_type, name: name.to_owned() }
    }

    /// With a rule.
    #[must_use]
    pub fn rule(mut self, fql: impl Into<String>) -> Self {
        self.assignment_rule = Some(fql.into());
        self
    }
}

/// A change of a group; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HostGroupChange {
    /// The group.
    pub id: String,
    /// Another rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignment_rule: Option<String>,
    /// Another description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Makes groups.
#[must_use]
pub fn create(groups: &[NewHostGroup]) -> RequestPlan {
    CREATE.json(&Resources { resources: groups })
}

/// Changes groups.
#[must_use]
pub fn update(changes: &[HostGroupChange]) -> RequestPlan {
    UPDATE.json(&Resources { resources: changes })
}

/// Deletes groups, at most [`MAX_IDS`].
#[must_use]
pub fn delete<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    DELETE.by_query("ids", ids)
}

words! {
    /// What becomes of devices in a static group.
    pub enum MemberAction {
        /// They are put in.
        Add = "add-hosts",
        /// They are taken out.
        Remove = "remove-hosts",
    }
}

/// Puts devices into a static group or takes them out, at most [`MAX_DEVICES`].
///
/// # Errors
/// When an id cannot stand in FQL, or there is none.
pub fn change_members<S: AsRef<str>>(
    name: &MemberAction,
    group: &str,
    devices: &[S],
) -> Result<RequestPlan, FqlError> {
    let filter = field("device_id")?.any_of(devices)?;
    let parameter = ActionParameter::new("filter", format!("({filter})"));
    Ok(action(&ACTIONS, name.as_str(), &[group], &[parameter]).query("disable_hostname_check", "true"))
}

wire! {
    /// A group, `host_groups.HostGroupV1`. In the policies of a Flight Control parent its id may be empty.
    pub struct HostGroup {
        assignment_rule: Option<String>,
        created_by: Option<String>,
        created_timestamp: Option<Timestamp>,
        description: Option<String>,
        group_type: Option<GroupType>,
        id: Option<String>,
        modified_by: Option<String>,
        modified_timestamp: Option<Timestamp>,
        name: Option<String>,
    }
}
