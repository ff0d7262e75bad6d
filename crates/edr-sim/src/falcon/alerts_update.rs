//! `PATCH /alerts/entities/alerts/v3` (falcon-api section 5): every value is a string, and the change is seen later.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ActionParameter;
use super::alerts::{SERVICE, bad};
use super::envelope::{ApiError, Envelope, gateway};
use super::guard::{Caller, Context};
use super::hosts_list::{Refused, run};
use super::render_alert::{find, resolution, status};
use crate::estate::alert::{Status, Verdict};
use crate::estate::{AlertOverlay, Comment, Detection};
use crate::state::SimState;

/// The text of every refusal of a body.
const INVALID: &str = "invalid element in the request";

#[derive(Deserialize)]
struct Order {
    composite_ids: Vec<String>,
    action_parameters: Vec<ActionParameter>,
}

/// What one parameter does.
enum Step {
    Status(Status),
    Assign(Option<String>),
    Comment(String),
    RemoveTag(String),
    RemoveTags(String),
    AddTag(String),
    Show(bool),
    Nothing,
}

impl Step {
    fn of(c: Context<'_>, parameter: &ActionParameter) -> Option<Self> {
        let value = parameter.value.clone();
        let text = || Some(value.clone()).filter(|text| !text.is_empty());
        Some(match parameter.name.as_str() {
            "update_status" => Self::Status(status_named(&value)?),
            "assign_to_uuid" => Self::Assign(Some(analyst_with(c, &value)?)),
            "assign_to_user_id" | "assign_to_name" => Self::Assign(Some(text()?)),
            "unassign" => Self::Assign(None),
            "append_comment" => Self::Comment(text()?),
            "add_tag" => Self::AddTag(text()?),
            "remove_tag" => Self::RemoveTag(text()?),
            "remove_tags_by_prefix" => Self::RemoveTags(text()?),
            "show_in_ui" => Self::Show(value.parse().ok()?),
            "new_behavior_processed" => Self::Nothing,
            _ => return None,
        })
    }

    /// Tags are removed before any is added, whatever the order of the parameters.
    fn rank(&self) -> u8 {
        match self {
            Self::RemoveTag(_) | Self::RemoveTags(_) => 0,
            Self::AddTag(_) => 1,
            _ => 2,
        }
    }

    fn apply(&self, overlay: &mut AlertOverlay, c: Context<'_>, born: &Detection) {
        self.resolve(overlay, born.verdict);
        let tags = overlay.tags.get_or_insert_with(|| born.tags.clone());
        match self {
            Self::RemoveTag(gone) => tags.retain(|tag| tag != gone),
            Self::RemoveTags(prefix) => tags.retain(|tag| !tag.starts_with(prefix.as_str())),
            Self::AddTag(new) if tags.contains(new) => {}
            Self::AddTag(new) => tags.push(new.clone()),
            Self::Status(status) => overlay.status = Some(*status),
            Self::Assign(who) => overlay.assigned_to = Some(who.clone()),
            Self::Comment(text) => overlay.comments.push(Comment {
                text: text.clone(),
                author: c.falcon.client_id.clone(),
                at: c.state.clock.now_ms(),
            }),
            Self::Show(show) => overlay.show_in_ui = Some(*show),
            Self::Nothing => {}
        }
    }

    /// A tag of a verdict fills the resolution, and empties it when it goes.
    fn resolve(&self, overlay: &mut AlertOverlay, born: Option<Verdict>) {
        let now = overlay.verdict.unwrap_or(born);
        match self {
            Self::AddTag(tag) => {
                let known = [Verdict::TruePositive, Verdict::FalsePositive, Verdict::Benign];
                let said = known.into_iter().find(|verdict| resolution(*verdict) == tag);
                overlay.verdict = said.map(Some).or(overlay.verdict);
            }
            Self::RemoveTag(tag) if now.is_some_and(|verdict| resolution(verdict) == tag) => {
                overlay.verdict = Some(None);
            }
            _ => {}
        }
    }
}

fn status_named(name: &str) -> Option<Status> {
    [Status::New, Status::InProgress, Status::Reopened, Status::Closed]
        .into_iter()
        .find(|s| status(*s) == name)
}

/// The mail address of the analyst with an id.
fn analyst_with(c: Context<'_>, uuid: &str) -> Option<String> {
    crate::estate::alert::analysts(&c.tenant.estate)
        .into_iter()
        .find(|who| who.uuid == uuid)
        .map(|who| who.email)
}

/// The handler: 200 with nothing but `meta` and `errors`.
pub(crate) async fn update(
    State(state): State<Arc<SimState>>,
    caller: Option<Extension<Caller>>,
    body: Bytes,
) -> Response {
    run(&state, caller, |c| {
        let order: Order = serde_json::from_slice(&body).map_err(|_| bad(INVALID))?;
        if order.composite_ids.len() > 1_000 {
            return Err(Box::new(gateway(StatusCode::PAYLOAD_TOO_LARGE, "request too large")));
        }
        let steps = steps(c, &order)?;
        let mut envelope = Envelope::new(SERVICE);
        envelope.resources = None;
        for id in &order.composite_ids {
            match find(c.tenant, c.falcon, id) {
                Some(detection) => carry_out(c, id, &detection, &steps),
                None => envelope.errors.push(ApiError::of(404, "alert not found", id)),
            }
        }
        envelope.writes = Some((order.composite_ids.len() - envelope.errors.len()) as u64);
        Ok(envelope.into_response())
    })
}

fn steps(c: Context<'_>, order: &Order) -> Result<Vec<Step>, Refused> {
    if order.composite_ids.is_empty() || order.action_parameters.is_empty() {
        return Err(bad(INVALID));
    }
    let steps: Option<Vec<Step>> = order.action_parameters.iter().map(|p| Step::of(c, p)).collect();
    let mut steps = steps.ok_or_else(|| bad(INVALID))?;
    steps.sort_by_key(Step::rank);
    Ok(steps)
}

fn carry_out(c: Context<'_>, id: &str, detection: &Detection, steps: &[Step]) {
    let estate = &c.tenant.estate;
    let born = detection.clone();
    let picture = |overlay: &AlertOverlay| picture(&born, overlay);
    let before = picture(&estate.newest_alert_overlay(detection.index));
    estate.update_alert_later(detection.index, |overlay| {
        steps.iter().for_each(|step| step.apply(overlay, c, &born));
    });
    let after = picture(&estate.newest_alert_overlay(detection.index));
    c.state.log.push(&c.tenant.name, "UpdateV3", id, before, after);
}

/// What can change on an alert, for the event log.
fn picture(born: &Detection, overlay: &AlertOverlay) -> Value {
    let assigned = match &overlay.assigned_to {
        Some(changed) => changed.clone(),
        None => born.assigned_to.as_ref().map(|who| who.email.clone()),
    };
    json!({
        "status": status(overlay.status.unwrap_or(born.status)),
        "resolution": overlay.verdict.unwrap_or(born.verdict).map(resolution),
        "assigned_to": assigned,
        "tags": overlay.tags.as_ref().unwrap_or(&born.tags),
        "comments": overlay.comments.len(),
        "show_in_ui": overlay.show_in_ui.unwrap_or(born.show_in_ui),
    })
}
