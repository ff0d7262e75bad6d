//! Tags of endpoints, as the server keeps them.

use edr_core::Result;
use edr_http::{Operation, RequestPlan};
use serde_json::{Value, json};

use super::responses::{Endpoints, MAX_ENDPOINTS, order};
use super::system::DEPLOYER;
use super::{ApiCall, refused};

/// Gives endpoints a tag. What has it already keeps it, so it may be repeated.
pub static ASSIGN: Operation = Operation::repeatable("tags/agents/assign", DEPLOYER);
/// Takes a tag from endpoints; may be repeated.
pub static REMOVE: Operation = Operation::repeatable("tags/agents/remove", DEPLOYER);
/// Makes a tag known.
pub static CREATE: Operation = Operation::write("tags/agents/create", DEPLOYER);
/// Takes tags from everywhere.
pub static DELETE: Operation = Operation::write("tags/agents/delete_permanently", DEPLOYER);

pub(crate) fn table() -> Vec<ApiCall> {
    vec![
        ApiCall::both(&ASSIGN).limit("1,000 endpoints"),
        ApiCall::both(&REMOVE).limit("1,000 endpoints"),
        ApiCall::both(&CREATE),
        ApiCall::both(&DELETE),
    ]
}

/// Gives endpoints a tag.
///
/// # Errors
/// For an empty tag, and for more than 1,000 endpoints.
pub fn assign_tag(endpoints: &Endpoints, tag: &str) -> Result<RequestPlan> {
    tagging(&ASSIGN, endpoints, tag)
}

/// Takes a tag from endpoints.
///
/// # Errors
/// As [`assign_tag`].
pub fn remove_tag(endpoints: &Endpoints, tag: &str) -> Result<RequestPlan> {
    tagging(&REMOVE, endpoints, tag)
}

fn tagging(operation: &'static Operation, endpoints: &Endpoints, tag: &str) -> Result<RequestPlan> {
    let mut data = order(endpoints.at_most(operation, MAX_ENDPOINTS)?, None);
    data.insert("tag".to_owned(), json!(word(operation, tag)?));
    Ok(super::post(operation, &Value::Object(data)))
}

/// Makes a tag known.
///
/// # Errors
/// For an empty tag.
pub fn create_tag(tag: &str) -> Result<RequestPlan> {
    Ok(super::post(&CREATE, &json!({"tag": word(&CREATE, tag)?})))
}

/// Takes tags from every endpoint and from the list of tags.
///
/// # Errors
/// For no tags, and an empty one.
pub fn delete_tags(tags: &[&str], reason: &str) -> Result<RequestPlan> {
    if tags.is_empty() {
        return Err(refused(&DELETE, "no tag is named"));
    }
    let tags = tags.iter().map(|tag| word(&DELETE, tag)).collect::<Result<Vec<_>>>()?;
    Ok(super::post(&DELETE, &json!({"tags": tags, "reason": reason})))
}

fn word<'a>(operation: &'static Operation, tag: &'a str) -> Result<&'a str> {
    let tag = tag.trim();
    if tag.is_empty() { Err(refused(operation, "the tag is empty")) } else { Ok(tag) }
}
