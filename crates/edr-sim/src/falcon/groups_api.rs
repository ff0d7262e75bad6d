//! The nine operations of host groups (falcon-api section 7, falcon-appendix A).

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::envelope::{ApiError, Envelope};
use super::fql::{Dialect, Filter, Kind, Record, Val};
use super::groups::{Group, GroupKind, compile, ids_of};
use super::guard::{Caller, Context};
use super::hosts::ids_of as query_ids;
use super::hosts_list::{Refused, SERVICE, limit, refuse, run};
use super::render_host::{nanos, render};
use super::view::{HOSTS, HostView};
use super::writer::items;
use super::{ActionParameter, first, form};
use crate::estate::hash::mix_str;
use crate::state::SimState;

type Shared = State<Arc<SimState>>;

/// What groups can be filtered by, and sorted but for the id.
const GROUPS: Dialect = Dialect {
    strict: true,
    properties: &[
        ("id", Kind::Exact),
        ("name", Kind::Text),
        ("group_type", Kind::Text),
        ("created_by", Kind::Text),
        ("created_timestamp", Kind::Time),
        ("modified_by", Kind::Text),
        ("modified_timestamp", Kind::Time),
    ],
};

impl Record for Group {
    fn values(&self, property: &'static str) -> Vec<Val> {
        vec![match property {
            "id" => self.id.as_str().into(),
            "name" => self.name.as_str().into(),
            "group_type" => self.kind.name().into(),
            "created_by" => self.created_by.as_str().into(),
            "created_timestamp" => Val::Time(self.created_ms),
            "modified_by" => self.modified_by.as_str().into(),
            _ => Val::Time(self.modified_ms),
        }]
    }
}

fn bad(message: &str) -> Refused {
    refuse(StatusCode::BAD_REQUEST, message)
}

fn bad_about(message: &str, id: &str) -> Refused {
    let mut envelope = Envelope::error(StatusCode::BAD_REQUEST, SERVICE, message);
    envelope.errors = vec![ApiError::of(400, message, id)];
    Box::new(envelope.into_response())
}

fn body<T: for<'a> Deserialize<'a>>(bytes: &Bytes) -> Result<T, Refused> {
    serde_json::from_slice(bytes).map_err(|_| bad("Failed to parse request body"))
}

fn row(c: Context<'_>, group: &Group) -> Value {
    let mut row = json!({
        "id": group.id, "name": group.name, "group_type": group.kind.name(), "description": group.description,
        "created_by": group.created_by, "created_timestamp": nanos(group.created_ms, mix_str(1, &group.id)),
        "modified_by": group.modified_by, "modified_timestamp": nanos(group.modified_ms, mix_str(2, &group.id)),
    });
    if let Some(rule) = rule(c, group) {
        row["assignment_rule"] = rule.into();
    }
    row
}

/// The rule; that of a static group lists its members, ids first and then names.
fn rule(c: Context<'_>, group: &Group) -> Option<String> {
    if group.kind == GroupKind::Dynamic {
        return group.rule.clone();
    }
    let joined = c.tenant.estate.joined(&group.id);
    let list = |texts: Vec<String>| texts.iter().map(|t| format!("'{t}'")).collect::<Vec<_>>().join(",");
    let (ids, names) = match group.kind {
        GroupKind::StaticById => (joined.iter().map(|i| c.tenant.estate.host_id(*i)).collect(), Vec::new()),
        _ => (Vec::new(), joined.iter().map(|i| c.tenant.estate.fields(*i).hostname()).collect()),
    };
    Some(format!("device_id:[{}],hostname:[{}]", list(ids), list(names)))
}

fn rows(c: Context<'_>, groups: &[Group]) -> Vec<Value> {
    groups.iter().map(|group| row(c, group)).collect()
}

/// One page of a list by number.
struct Numbered<T> {
    page: Vec<T>,
    pagination: Value,
}

fn numbered<T>(found: Vec<T>, query: &[(String, String)]) -> Result<Numbered<T>, Refused> {
    let limit = limit(query, 5_000)?;
    let offset = offset(query)?;
    let pagination = json!({"offset": offset, "limit": limit, "total": found.len()});
    let page = found.into_iter().skip(offset as usize).take(limit as usize).collect();
    Ok(Numbered { page, pagination })
}

fn offset(query: &[(String, String)]) -> Result<u64, Refused> {
    first(query, "offset").map_or(Ok(0), str::parse).map_err(|_| bad("Invalid offset supplied"))
}

fn search(c: Context<'_>, query: &[(String, String)]) -> Result<Numbered<Group>, Refused> {
    let filter = Filter::compile(first(query, "filter").unwrap_or_default(), &GROUPS, c.state.clock.now_ms())
        .map_err(|_| bad("Invalid filter expression supplied"))?;
    let mut found = c.tenant.groups.list(&c.tenant.estate);
    found.retain(|group| filter.is_empty() || filter.matches(group));
    let sort = first(query, "sort").filter(|s| !s.is_empty()).unwrap_or("name.asc");
    let (field, down) =
        super::hosts_list::order(sort).ok_or_else(|| bad("Invalid sort expression supplied"))?;
    let known = GROUPS.property(field).filter(|(name, _)| *name != "id");
    let (field, _) = known.ok_or_else(|| bad("Invalid sort expression supplied"))?;
    let key = |group: &Group| super::hosts_list::sort_key(group.values(field).pop());
    found.sort_by_cached_key(key);
    if down {
        found.reverse();
    }
    numbered(found, query)
}

/// `GET /devices/combined/host-groups/v1`.
pub(crate) async fn combined(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| {
        let found = search(c, &form(&query.unwrap_or_default()))?;
        Ok(Envelope::new(SERVICE).paged(found.pagination).with(&rows(c, &found.page)).into_response())
    })
}

/// `GET /devices/queries/host-groups/v1`.
pub(crate) async fn query(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| {
        let found = search(c, &form(&query.unwrap_or_default()))?;
        let ids: Vec<&str> = found.page.iter().map(|group| group.id.as_str()).collect();
        Ok(Envelope::new(SERVICE).paged(found.pagination).with(&ids).into_response())
    })
}

/// The groups with these ids in an order of the service's own, and an error for each of the others.
fn entities(c: Context<'_>, ids: &[String]) -> Result<Envelope, Refused> {
    if ids.is_empty() {
        return Err(bad("ids is required"));
    }
    let mut found = c.tenant.groups.list(&c.tenant.estate);
    let missing = ids.iter().filter(|id| !found.iter().any(|group| group.id == **id));
    let errors: Vec<ApiError> = missing.map(|id| ApiError::of(404, "Group not found", id)).collect();
    found.retain(|group| ids.contains(&group.id));
    found.sort_by_key(|group| mix_str(0x0DD, &group.id));
    let mut envelope = Envelope::new(SERVICE).with(&rows(c, &found));
    envelope.errors = errors;
    if found.is_empty() {
        envelope.status = StatusCode::NOT_FOUND;
    }
    Ok(envelope)
}

/// `GET /devices/entities/host-groups/v1`.
pub(crate) async fn get(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| Ok(entities(c, &query_ids(query))?.into_response()))
}

#[derive(Deserialize)]
struct Wishes<T> {
    resources: Vec<T>,
}

#[derive(Deserialize)]
struct NewGroup {
    name: String,
    group_type: String,
    #[serde(default)]
    description: String,
    assignment_rule: Option<String>,
}

impl NewGroup {
    fn make(self, c: Context<'_>) -> Result<Group, Refused> {
        let now = c.state.clock.now_ms();
        let kind = GroupKind::named(&self.group_type)
            .ok_or_else(|| bad_about("group_type must be static, dynamic or staticByID", &self.name))?;
        let rule = self.assignment_rule.filter(|rule| !rule.is_empty());
        if self.name.trim().is_empty() {
            return Err(bad("name is required"));
        }
        if rule.is_some() && kind != GroupKind::Dynamic {
            let kind = kind.name();
            return Err(bad_about(
                &format!("May not specify 'assignment_rule' if 'group_type' is '{kind}'"),
                &self.name,
            ));
        }
        let compiled = rule.as_deref().map(|rule| compile(rule, now)).transpose();
        let compiled = compiled.map_err(|_| bad_about("Invalid assignment_rule supplied", &self.name))?;
        Ok(Group {
            id: c.tenant.groups.next_id(&c.tenant.estate),
            name: self.name,
            kind,
            description: self.description,
            rule,
            created_by: c.falcon.client_id.clone(),
            created_ms: now,
            modified_by: c.falcon.client_id.clone(),
            modified_ms: now,
            compiled,
        })
    }
}

/// `POST /devices/entities/host-groups/v1`: all or none, 201.
pub(crate) async fn create(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    bytes: Bytes,
) -> Response {
    run(&state, caller, |c| {
        let wishes: Wishes<NewGroup> = body(&bytes)?;
        if wishes.resources.is_empty() {
            return Err(bad("resources is required"));
        }
        let made: Vec<Group> =
            wishes.resources.into_iter().map(|wish| wish.make(c)).collect::<Result<_, _>>()?;
        c.tenant.groups.change(&c.tenant.estate, |groups| {
            if let Some(double) = made.iter().find(|new| groups.iter().any(|old| old.name == new.name)) {
                return Err(bad_about("A group with this name already exists", &double.name));
            }
            groups.extend(made.iter().cloned());
            Ok(())
        })?;
        made.iter().for_each(|group| note(c, "createHostGroups", group, Value::Null, row(c, group)));
        let mut envelope = Envelope::new(SERVICE).with(&rows(c, &made));
        envelope.status = StatusCode::CREATED;
        Ok(envelope.into_response())
    })
}

fn note(c: Context<'_>, operation: &str, group: &Group, before: Value, after: Value) {
    c.state.log.push(&c.tenant.name, operation, &group.id, before, after);
}

#[derive(Deserialize)]
struct GroupChange {
    id: String,
    name: Option<String>,
    description: Option<String>,
    assignment_rule: Option<String>,
}

impl GroupChange {
    fn apply(self, c: Context<'_>, group: &mut Group) -> Result<(), Refused> {
        let now = c.state.clock.now_ms();
        if let Some(rule) = self.assignment_rule {
            if group.kind != GroupKind::Dynamic {
                return Err(bad_about("May not specify 'assignment_rule' of a static group", &group.name));
            }
            let compiled = compile(&rule, now);
            group.compiled =
                Some(compiled.map_err(|_| bad_about("Invalid assignment_rule supplied", &group.name))?);
            group.rule = Some(rule);
        }
        group.name = self.name.unwrap_or_else(|| group.name.clone());
        group.description = self.description.unwrap_or_else(|| group.description.clone());
        (group.modified_ms, group.modified_by) = (now, c.falcon.client_id.clone());
        Ok(())
    }
}

/// `PATCH /devices/entities/host-groups/v1`.
pub(crate) async fn update(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    bytes: Bytes,
) -> Response {
    run(&state, caller, |c| {
        let changes: Wishes<GroupChange> = body(&bytes)?;
        let ids: Vec<String> = changes.resources.iter().map(|change| change.id.clone()).collect();
        let (old, mut new) = (c.tenant.groups.list(&c.tenant.estate), c.tenant.groups.list(&c.tenant.estate));
        for change in changes.resources {
            if let Some(group) = new.iter_mut().find(|group| group.id == change.id) {
                change.apply(c, group)?;
            }
        }
        c.tenant.groups.change(&c.tenant.estate, |groups| groups.clone_from(&new));
        for (before, after) in old.iter().zip(&new).filter(|(_, after)| ids.contains(&after.id)) {
            note(c, "updateHostGroups", after, row(c, before), row(c, after));
        }
        Ok(entities(c, &ids)?.into_response())
    })
}

/// `DELETE /devices/entities/host-groups/v1`.
pub(crate) async fn delete(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| {
        let ids = query_ids(query);
        let known = entities(c, &ids)?;
        let gone = c.tenant.groups.change(&c.tenant.estate, |groups| {
            let (gone, kept) = groups.drain(..).partition(|group| ids.contains(&group.id));
            *groups = kept;
            gone as Vec<Group>
        });
        gone.iter()
            .for_each(|group| note(c, "deleteHostGroups", group, json!({"name": group.name}), Value::Null));
        let gone: Vec<&str> = gone.iter().map(|group| group.id.as_str()).collect();
        let mut envelope = Envelope::new(SERVICE).with(&gone);
        (envelope.status, envelope.errors) = (known.status, known.errors);
        Ok(envelope.into_response())
    })
}

/// The members of a group, those that pass a filter, in the order of their ids; without a group, of every one.
fn members(c: Context<'_>, query: &[(String, String)]) -> Result<Numbered<u64>, Refused> {
    let limit = limit(query, 5_000)?;
    if offset(query)? + limit >= 10_500 {
        return Err(bad("limit + offset must be less than 10500"));
    }
    let filter = Filter::compile(first(query, "filter").unwrap_or_default(), &HOSTS, c.state.clock.now_ms())
        .map_err(|_| bad("Invalid filter expression supplied"))?;
    let group = first(query, "id").filter(|id| !id.is_empty());
    let known = |id: &&str| c.tenant.groups.list(&c.tenant.estate).iter().any(|group| group.id == *id);
    if let Some(id) = group.filter(|id| !known(id)) {
        let mut envelope = Envelope::error(StatusCode::NOT_FOUND, SERVICE, "Group not found");
        envelope.errors = vec![ApiError::of(404, "Group not found", id)];
        return Err(Box::new(envelope.into_response()));
    }
    let is_in = |index: &u64| {
        let host = c.tenant.estate.searched(*index);
        let ids = ids_of(c.tenant, c.falcon, &host);
        group.map_or(!ids.is_empty(), |id| ids.iter().any(|of_host| of_host == id))
            && (filter.is_empty() || filter.matches(&HostView::of(c.tenant, c.falcon, *index)))
    };
    numbered((0..c.tenant.estate.host_count()).filter(is_in).collect(), query)
}

/// `GET /devices/combined/host-group-members/v1`.
pub(crate) async fn combined_members(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| {
        let found = members(c, &form(&query.unwrap_or_default()))?;
        let mut envelope = Envelope::new(SERVICE).paged(found.pagination);
        envelope.resources = Some(items(found.page, |out, i| render(out, c.tenant, c.falcon, i, None)));
        Ok(envelope.into_response())
    })
}

/// `GET /devices/queries/host-group-members/v1`.
pub(crate) async fn query_members(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Response {
    run(&state, caller, |c| {
        let found = members(c, &form(&query.unwrap_or_default()))?;
        let ids: Vec<String> = found.page.iter().map(|i| c.tenant.estate.host_id(*i)).collect();
        Ok(Envelope::new(SERVICE).paged(found.pagination).with(&ids).into_response())
    })
}

#[derive(Deserialize)]
struct GroupAction {
    ids: Vec<String>,
    #[serde(default)]
    action_parameters: Vec<ActionParameter>,
}

/// `POST /devices/entities/host-group-actions/v1`: adds the hosts that a filter names to static groups, or takes them out.
pub(crate) async fn act(
    State(state): Shared,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
    bytes: Bytes,
) -> Response {
    run(&state, caller, |c| {
        let query = form(&query.unwrap_or_default());
        let add = match first(&query, "action_name") {
            Some("add-hosts") => true,
            Some("remove-hosts") => false,
            _ => return Err(bad("action_name must be add-hosts or remove-hosts")),
        };
        let order: GroupAction = body(&bytes)?;
        let text = order.action_parameters.iter().find(|p| p.name == "filter").map(|p| p.value.as_str());
        let text = text.filter(|t| !t.trim().is_empty()).ok_or_else(|| bad("a filter is required"))?;
        let filter = Filter::compile(text, &HOSTS, c.state.clock.now_ms())
            .map_err(|_| bad("Invalid filter expression supplied"))?;
        let groups = c.tenant.groups.list(&c.tenant.estate);
        let named = |group: &&Group| order.ids.contains(&group.id);
        if let Some(group) = groups.iter().filter(named).find(|g| g.kind == GroupKind::Dynamic) {
            return Err(bad_about("The hosts of a dynamic group are chosen by its rule", &group.id));
        }
        let answer = entities(c, &order.ids)?;
        let passes = |i: &u64| filter.matches(&HostView::of(c.tenant, c.falcon, *i));
        let hosts: Vec<u64> = (0..c.tenant.estate.host_count()).filter(passes).collect();
        groups.iter().filter(named).for_each(|group| change_members(c, group, &hosts, add));
        Ok(if answer.status == StatusCode::OK { entities(c, &order.ids)? } else { answer }.into_response())
    })
}

fn change_members(c: Context<'_>, group: &Group, hosts: &[u64], add: bool) {
    for index in hosts {
        let was = ids_of(c.tenant, c.falcon, &c.tenant.estate.fields(*index)).contains(&group.id);
        if was == add {
            continue;
        }
        c.tenant.estate.update_overlay(*index, |overlay| {
            let (to, from) = if add {
                (&mut overlay.joined, &mut overlay.left)
            } else {
                (&mut overlay.left, &mut overlay.joined)
            };
            from.remove(&group.id);
            to.insert(group.id.clone());
        });
        let member = |is: bool| json!({"group": group.id, "member": is});
        let id = c.tenant.estate.host_id(*index);
        c.state.log.push(&c.tenant.name, "performGroupAction", &id, member(was), member(add));
    }
}
