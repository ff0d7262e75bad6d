//! Flight Control: the children of a parent, groups of them, groups of users, and the links between
//! these. Scope "Flight Control".

use edr_http::RequestPlan;
use serde::Serialize;

use super::common::Resources;
use super::{Endpoint, ListParams, Paging, Verb};
use crate::time::Timestamp;
use crate::wire::wire;

const READ: &str = "Flight Control: read";
const WRITE: &str = "Flight Control: write";
const UNCAPPED: Paging = Paging::Offset { cap: None };
const MEMBERS: &str = "/mssp/entities/cid-group-members/v1";
const GROUPS: &str = "/mssp/entities/cid-groups/v1";
const ROLES: &str = "/mssp/entities/mssp-roles/v1";
const USER_GROUPS: &str = "/mssp/entities/user-groups/v1";
const USERS: &str = "/mssp/entities/user-group-members/v1";

/// Ids of children. Without a limit the service gives ten.
pub static QUERY_CHILDREN: Endpoint =
    Endpoint::read("queryChildren", Verb::Get, "/mssp/queries/children/v1", READ)
        .pages(UNCAPPED, MAX_PAGE)
        .query(&["filter", "limit", "offset", "sort"]);
/// Children by id.
pub static CHILDREN: Endpoint =
    Endpoint::read("getChildrenV2", Verb::Post, "/mssp/entities/children/GET/v2", READ).ids(MAX_IDS as u32);
/// Ids of groups of children.
pub static QUERY_CID_GROUPS: Endpoint =
    Endpoint::read("queryCIDGroups", Verb::Get, "/mssp/queries/cid-groups/v1", READ)
        .pages(UNCAPPED, MAX_PAGE)
        .query(&["limit", "name", "offset", "sort"]);
/// Groups of children by id.
pub static CID_GROUPS: Endpoint =
    Endpoint::read("getCIDGroupByIdV2", Verb::Get, "/mssp/entities/cid-groups/v2", READ)
        .ids(MAX_IDS as u32)
        .query(&["ids"]);
/// Makes groups of children.
pub static CREATE_CID_GROUPS: Endpoint = Endpoint::write("createCIDGroups", Verb::Post, GROUPS, WRITE);
/// Changes groups of children.
pub static UPDATE_CID_GROUPS: Endpoint = Endpoint::repeatable("updateCIDGroups", Verb::Patch, GROUPS, WRITE);
/// Deletes groups of children.
pub static DELETE_CID_GROUPS: Endpoint = Endpoint::write("deleteCIDGroups", Verb::Delete, GROUPS, WRITE)
    .ids(MAX_IDS as u32)
    .query(&["cid_group_ids"]);
/// The groups that a child is in.
pub static QUERY_CID_MEMBERS: Endpoint =
    Endpoint::read("queryCIDGroupMembers", Verb::Get, "/mssp/queries/cid-group-members/v1", READ)
        .pages(UNCAPPED, MAX_PAGE)
        .query(&["cid", "limit", "offset", "sort"]);
/// The children in groups.
pub static CID_MEMBERS: Endpoint =
    Endpoint::read("getCIDGroupMembersByV2", Verb::Get, "/mssp/entities/cid-group-members/v2", READ)
        .ids(MAX_IDS as u32)
        .query(&["ids"]);
/// Puts children into groups.
pub static ADD_CID_MEMBERS: Endpoint = Endpoint::write("addCIDGroupMembers", Verb::Post, MEMBERS, WRITE);
/// Takes children out of groups.
pub static REMOVE_CID_MEMBERS: Endpoint =
    Endpoint::write("deleteCIDGroupMembersV2", Verb::Delete, "/mssp/entities/cid-group-members/v2", WRITE)
        .with_body();
/// Ids of groups of users.
pub static QUERY_USER_GROUPS: Endpoint =
    Endpoint::read("queryUserGroups", Verb::Get, "/mssp/queries/user-groups/v1", READ)
        .pages(UNCAPPED, MAX_PAGE)
        .query(&["limit", "name", "offset", "sort"]);
/// Groups of users by id.
pub static GET_USER_GROUPS: Endpoint =
    Endpoint::read("getUserGroupsByIDV2", Verb::Get, "/mssp/entities/user-groups/v2", READ)
        .ids(MAX_IDS as u32)
        .query(&["ids"]);
/// Makes groups of users.
pub static CREATE_USER_GROUPS: Endpoint = Endpoint::write("createUserGroups", Verb::Post, USER_GROUPS, WRITE);
/// Changes groups of users.
pub static UPDATE_USER_GROUPS: Endpoint =
    Endpoint::repeatable("updateUserGroups", Verb::Patch, USER_GROUPS, WRITE);
/// Deletes groups of users.
pub static DELETE_USER_GROUPS: Endpoint =
    Endpoint::write("deleteUserGroups", Verb::Delete, USER_GROUPS, WRITE)
        .ids(MAX_IDS as u32)
        .query(&["user_group_ids"]);
/// The groups that a user is in.
pub static QUERY_USER_MEMBERS: Endpoint =
    Endpoint::read("queryUserGroupMembers", Verb::Get, "/mssp/queries/user-group-members/v1", READ)
        .pages(UNCAPPED, MAX_PAGE)
        .query(&["limit", "offset", "sort", "user_uuid"]);
/// The users in groups.
pub static USER_MEMBERS: Endpoint =
    Endpoint::read("getUserGroupMembersByIDV2", Verb::Get, "/mssp/entities/user-group-members/v2", READ)
        .ids(MAX_IDS as u32)
        .query(&["ids"]);
/// Puts users into groups.
pub static ADD_USER_MEMBERS: Endpoint = Endpoint::write("addUserGroupMembers", Verb::Post, USERS, WRITE);
/// Takes users out of groups.
pub static REMOVE_USER_MEMBERS: Endpoint =
    Endpoint::write("deleteUserGroupMembers", Verb::Delete, USERS, WRITE).with_body();
/// Ids of links.
pub static QUERY_LINKS: Endpoint =
    Endpoint::read("queryRoles", Verb::Get, "/mssp/queries/mssp-roles/v1", READ)
        .pages(UNCAPPED, MAX_PAGE)
        .query(&["cid_group_id", "limit", "offset", "role_id", "sort", "user_group_id"]);
/// Links by id.
pub static LINKS: Endpoint =
    Endpoint::read("getRolesByID", Verb::Get, ROLES, READ).ids(MAX_IDS as u32).query(&["ids"]);
/// Gives roles to a group of users over a group of children.
pub static ADD_LINKS: Endpoint = Endpoint::write("addRole", Verb::Post, ROLES, WRITE);
/// Takes them away.
pub static REMOVE_LINKS: Endpoint = Endpoint::write("deletedRoles", Verb::Delete, ROLES, WRITE).with_body();

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] = &[
    &QUERY_CHILDREN,
    &CHILDREN,
    &QUERY_CID_GROUPS,
    &CID_GROUPS,
    &CREATE_CID_GROUPS,
    &UPDATE_CID_GROUPS,
    &DELETE_CID_GROUPS,
    &QUERY_CID_MEMBERS,
    &CID_MEMBERS,
    &ADD_CID_MEMBERS,
    &REMOVE_CID_MEMBERS,
    &QUERY_USER_GROUPS,
    &GET_USER_GROUPS,
    &CREATE_USER_GROUPS,
    &UPDATE_USER_GROUPS,
    &DELETE_USER_GROUPS,
    &QUERY_USER_MEMBERS,
    &USER_MEMBERS,
    &ADD_USER_MEMBERS,
    &REMOVE_USER_MEMBERS,
    &QUERY_LINKS,
    &LINKS,
    &ADD_LINKS,
    &REMOVE_LINKS,
];

/// Rows a page: the service publishes no limit, and gives ten where none is named.
pub const MAX_PAGE: u32 = 100;
/// The most ids in one call; the service publishes no limit.
pub const MAX_IDS: usize = 100;

/// A page of ids of children.
#[must_use]
pub fn query_children(params: &ListParams) -> RequestPlan {
    params.plan(&QUERY_CHILDREN)
}

/// Children by id, at most [`MAX_IDS`].
#[must_use]
pub fn children<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    CHILDREN.by_body(ids)
}

/// A group's kind: of children or of users. It chooses the endpoints and the names of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupOf {
    /// Customer ids.
    Children,
    /// Users.
    Users,
}

impl GroupOf {
    fn pick<T>(self, children: T, users: T) -> T {
        match self {
            Self::Children => children,
            Self::Users => users,
        }
    }
}

/// A page of ids of groups, of one name where it is given. The filter is not looked at.
#[must_use]
pub fn query_groups(of: GroupOf, name: Option<&str>, params: &ListParams) -> RequestPlan {
    let params = ListParams { filter: String::new(), ..params.clone() };
    params.plan(of.pick(&QUERY_CID_GROUPS, &QUERY_USER_GROUPS)).maybe("name", name)
}

/// Groups by id, at most [`MAX_IDS`].
#[must_use]
pub fn groups<S: AsRef<str>>(of: GroupOf, ids: &[S]) -> RequestPlan {
    of.pick(&CID_GROUPS, &GET_USER_GROUPS).by_query("ids", ids)
}

/// A group to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewGroup {
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its name.
    pub name: String,
}

/// Makes groups.
#[must_use]
pub fn create_groups(of: GroupOf, new: &[NewGroup]) -> RequestPlan {
    of.pick(&CREATE_CID_GROUPS, &CREATE_USER_GROUPS).json(&Resources { resources: new })
}

fn with_id(of: GroupOf, id: &str, key: &str, what: serde_json::Value) -> serde_json::Value {
    let mut row = serde_json::Map::new();
    row.insert(of.pick("cid_group_id", "user_group_id").to_owned(), id.into());
    row.insert(key.to_owned(), what);
    row.into()
}

/// Changes a group: its name, and its description where one is given.
#[must_use]
pub fn update_group(of: GroupOf, id: &str, new: &NewGroup) -> RequestPlan {
    let mut row = with_id(of, id, "name", new.name.as_str().into());
    if let (Some(row), Some(text)) = (row.as_object_mut(), &new.description) {
        row.insert("description".to_owned(), text.as_str().into());
    }
    of.pick(&UPDATE_CID_GROUPS, &UPDATE_USER_GROUPS).json(&Resources { resources: &[row] })
}

/// Deletes groups, at most [`MAX_IDS`].
#[must_use]
pub fn delete_groups<S: AsRef<str>>(of: GroupOf, ids: &[S]) -> RequestPlan {
    let (endpoint, key) =
        of.pick((&DELETE_CID_GROUPS, "cid_group_ids"), (&DELETE_USER_GROUPS, "user_group_ids"));
    endpoint.by_query(key, ids)
}

/// A page of ids of the groups that a child (by customer id) or a user (by uuid) is in.
#[must_use]
pub fn groups_with(of: GroupOf, member: &str, params: &ListParams) -> RequestPlan {
    let params = ListParams { filter: String::new(), ..params.clone() };
    let (endpoint, key) = of.pick((&QUERY_CID_MEMBERS, "cid"), (&QUERY_USER_MEMBERS, "user_uuid"));
    params.plan(endpoint).query(key, member)
}

/// Who is in groups, at most [`MAX_IDS`] groups.
#[must_use]
pub fn members<S: AsRef<str>>(of: GroupOf, groups: &[S]) -> RequestPlan {
    of.pick(&CID_MEMBERS, &USER_MEMBERS).by_query("ids", groups)
}

/// Puts members into a group, or takes them out. A group has at most 500.
#[must_use]
pub fn change_members<S: AsRef<str>>(of: GroupOf, add: bool, group: &str, members: &[S]) -> RequestPlan {
    let members = members.iter().map(|m| m.as_ref()).collect();
    let row = with_id(of, group, of.pick("cids", "user_uuids"), members);
    let endpoint = match add {
        true => of.pick(&ADD_CID_MEMBERS, &ADD_USER_MEMBERS),
        false => of.pick(&REMOVE_CID_MEMBERS, &REMOVE_USER_MEMBERS),
    };
    endpoint.json(&Resources { resources: &[row] })
}

/// What a link must have to be listed; nothing lets all through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkParams {
    /// Over this group of children.
    pub cid_group_id: Option<String>,
    /// With this role.
    pub role_id: Option<String>,
    /// For this group of users.
    pub user_group_id: Option<String>,
    /// The page; its filter is not looked at.
    pub page: ListParams,
}

/// A page of ids of links.
#[must_use]
pub fn query_links(params: &LinkParams) -> RequestPlan {
    ListParams { filter: String::new(), ..params.page.clone() }
        .plan(&QUERY_LINKS)
        .maybe("cid_group_id", params.cid_group_id.as_deref())
        .maybe("role_id", params.role_id.as_deref())
        .maybe("user_group_id", params.user_group_id.as_deref())
}

/// Links by id (`<group of children>:<group of users>`), at most [`MAX_IDS`].
#[must_use]
pub fn links<S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    LINKS.by_query("ids", ids)
}

/// The roles of a group of users over a group of children.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NewLink {
    /// The group of children.
    pub cid_group_id: String,
    /// The roles.
    pub role_ids: Vec<String>,
    /// The group of users.
    pub user_group_id: String,
}

/// Gives roles, or takes them away; a link without roles is gone.
#[must_use]
pub fn change_links(add: bool, links: &[NewLink]) -> RequestPlan {
    let endpoint = if add { &ADD_LINKS } else { &REMOVE_LINKS };
    endpoint.json(&Resources { resources: links })
}

wire! {
    /// A child of a parent, `domain.ChildLink`. Children of children may stand among them: see `child_of`.
    pub struct Child {
        checksum: Option<String>,
        child_cid: Option<String>,
        child_gcid: Option<String>,
        child_of: Option<String>,
        domains: Vec<String>,
        last_modified_timestamp: Option<Timestamp>,
        name: Option<String>,
        status: Option<String>,
    }
}

wire! {
    /// A group: of children with `cid_group_id`, of users with `user_group_id`.
    pub struct FlightGroup {
        cid: Option<String>,
        cid_group_id: Option<String>,
        description: Option<String>,
        is_default: Option<bool>,
        name: Option<String>,
        user_group_id: Option<String>,
    }
}

wire! {
    /// Who is in a group: `cids` in one of children, `user_uuids` in one of users.
    pub struct GroupMembers {
        cid_group_id: Option<String>,
        cids: Vec<String>,
        user_group_id: Option<String>,
        user_uuids: Vec<String>,
    }
}

wire! {
    /// The roles of a group of users over a group of children, `domain.MSSPRoles`.
    pub struct Link {
        cid_group_id: Option<String>,
        id: Option<String>,
        role_ids: Vec<String>,
        user_group_id: Option<String>,
    }
}
