//! Changes of endpoints that need no agent: tags and the alias.
//!
//! Facts: cortex-xdr-api section 4.3 (`tags/agents/assign` and `remove` take filters and one tag, and answer a boolean;
//! `endpoints/update_agent_name` takes filters and an alias, an empty one clears).

use serde_json::{Value, json};

use super::endpoint::{SERVER_TAGS, alias, server_tags};
use super::endpoints::selected;
use super::envelope::{Answer, Refusal, Reply};
use super::{Call, desk};

/// A required text of a request.
fn text<'a>(call: &'a Call<'_>, key: &str) -> Result<&'a str, Refusal> {
    let value = call.data.get(key).ok_or_else(|| {
        Refusal::bad_request(format!("Missing at least one required parameter: ['{key}']."))
    })?;
    value.as_str().ok_or_else(|| Refusal::invalid(format!("{key} must be a string, got {value}")))
}

fn note(call: &Call<'_>, index: u64, before: Value, after: Value) {
    let id = call.estate().host_id(index);
    call.sim().log.push(&call.tenant.name, call.name(), &id, before, after);
}

/// `POST tags/agents/assign`.
pub(super) fn assign_tag(call: &Call<'_>) -> Answer {
    change_tags(call, |tags, tag| {
        if !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    })
}

/// `POST tags/agents/remove`.
pub(super) fn remove_tag(call: &Call<'_>) -> Answer {
    change_tags(call, |tags, tag| tags.retain(|known| known != tag))
}

fn change_tags(call: &Call<'_>, change: fn(&mut Vec<String>, &str)) -> Answer {
    let tag = text(call, "tag")?.trim();
    if tag.is_empty() || tag.contains('\n') {
        return Err(Refusal::invalid("tag must be a non-empty text of one line"));
    }
    for index in selected(call)? {
        let before = call.estate().fields(index).tags();
        let (mut after, mut on_server) = (before.clone(), server_tags(call.estate(), index));
        change(&mut after, tag);
        change(&mut on_server, tag);
        call.estate().update_overlay(index, |overlay| {
            overlay.tags = Some(after.clone());
            overlay.extra.insert(SERVER_TAGS, on_server.join("\n"));
        });
        note(call, index, json!({"tags": before}), json!({"tags": after}));
    }
    Reply::of(&true)
}

const TAGS: &str = "tags";

/// `POST tags/agents/create`: a tag that is known already is refused.
pub(super) fn create_tag(call: &Call<'_>) -> Answer {
    let tag = desk::text(call, "tag")?;
    let _turn = call.turn();
    let mut known: Vec<String> = desk::load(call.estate(), TAGS);
    if known.iter().any(|one| one == tag) {
        return Err(Refusal::business(format!("The tag {tag} already exists"), json!(tag)));
    }
    known.push(tag.to_owned());
    desk::save(call.estate(), TAGS, &known);
    desk::note(call, tag, Value::Null, json!({"tag": tag}));
    Reply::of(&true)
}

/// `POST tags/agents/delete_permanently`: from the list and from every endpoint.
pub(super) fn delete_tags(call: &Call<'_>) -> Answer {
    let gone = desk::texts(call, "tags")?;
    let _turn = call.turn();
    let mut known: Vec<String> = desk::load(call.estate(), TAGS);
    known.retain(|tag| !gone.contains(tag));
    desk::save(call.estate(), TAGS, &known);
    for index in 0..call.estate().host_count() {
        let before = call.estate().fields(index).tags();
        if before.iter().any(|tag| gone.contains(tag)) {
            strip(call, index, &before, &gone);
        }
    }
    Reply::of(&true)
}

fn strip(call: &Call<'_>, index: u64, before: &[String], gone: &[String]) {
    let without =
        |tags: &[String]| -> Vec<String> { tags.iter().filter(|tag| !gone.contains(tag)).cloned().collect() };
    let (after, on_server) = (without(before), without(&server_tags(call.estate(), index)));
    call.estate().update_overlay(index, |overlay| {
        overlay.tags = Some(after.clone());
        overlay.extra.insert(SERVER_TAGS, on_server.join("\n"));
    });
    note(call, index, json!({"tags": before}), json!({"tags": after}));
}

/// `POST endpoints/update_agent_name`.
pub(super) fn rename(call: &Call<'_>) -> Answer {
    let new = text(call, "alias")?;
    for index in selected(call)? {
        let before = alias(call.estate(), index);
        call.estate().update_overlay(index, |overlay| {
            overlay.extra.insert("alias", new.to_owned());
        });
        note(call, index, json!({"alias": before}), json!({"alias": new}));
    }
    Reply::of(&true)
}
