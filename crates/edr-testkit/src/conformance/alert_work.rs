//! Changes of alerts. They change the back end, so they run only where it tells what was changed.

use edr_core::{
    Alert, AlertChange, AlertStatus, Answer, Assignee, Feature, Fit, Noun, Receipt, User, Verdict,
};

use super::deeds::{changes, in_doubt};
use super::errors::{refused_before_the_wire, stranger};
use crate::{CaseResult, Disturbance, Failure, Ran, World};

const CLOSED: &str = "closed by the conformance suite";
const EMAIL: &str = "conformance@example.com";
const LABEL: &str = "edr-conformance";
const TEXT: &str = "looked at by the conformance suite";

/// Skips the case unless changes are told; gives an alert that can be read.
macro_rules! an_alert {
    ($world:expr) => {{
        needs_feature!($world, Feature::AlertUpdate, Feature::AlertGet);
        needs!($world.mutations().is_some(), "the back end does not tell what was changed");
        needs!($world.settle().await, "a change cannot be waited for");
        let Some(uid) = $world.alert_uids().into_iter().next() else {
            return Ok(Ran::Skipped("there is no alert".to_owned()));
        };
        // Whoever must find something out about the tenant does it now.
        $world.provider().alert(&uid).await?;
        uid
    }};
}

async fn update(world: &dyn World, change: &AlertChange, uid: &str) -> Result<Receipt, Failure> {
    let mut all = world.provider().update_alerts(change, &[uid.to_owned()]).await?;
    let receipt = all.pop().filter(|r| r.uid == uid && all.is_empty());
    receipt.ok_or_else(|| Failure::new("there is no receipt for the alert"))
}

/// Changes an alert as the provider says that it can exactly, and reads it.
async fn exactly(world: &dyn World, change: &AlertChange, uid: &str) -> Result<Alert, Failure> {
    let receipt = update(world, change, uid).await?;
    let taken = matches!(receipt.answer, Answer::Accepted | Answer::Already);
    ensure!(taken, "{change:?}: the answer is {:?}", receipt.answer);
    world.settle().await;
    Ok(world.provider().alert(uid).await?)
}

/// A change that is lossy is refused before anything is sent, unless the nearest is asked for.
async fn lossily(world: &dyn World, change: &AlertChange, uid: &str) -> Result<(), Failure> {
    unsaid(world, change, uid).await?;
    let receipt = update(world, &change.clone().nearest(), uid).await?;
    let taken = matches!(receipt.answer, Answer::Accepted | Answer::Already);
    ensure!(taken, "{change:?}: the nearest is {:?}", receipt.answer);
    Ok(())
}

/// What cannot be said is refused before anything is sent.
async fn unsaid(world: &dyn World, change: &AlertChange, uid: &str) -> Result<(), Failure> {
    let ids = [uid.to_owned()];
    let asked = async { world.provider().update_alerts(change, &ids).await.map(drop) };
    let error = refused_before_the_wire(world, &format!("{change:?}"), asked).await?;
    ensure!(error.is_unsupported(), "{change:?} is {}: {error}", error.kind().as_str());
    Ok(())
}

/// Every status with every verdict: what the provider says that it can express exactly reads back the same; what it
/// can express nearly or not at all is refused before anything is sent.
///
/// # Errors
/// When something else is read back, or something is sent that was not asked for.
pub async fn words(world: &dyn World) -> CaseResult {
    let uid = an_alert!(world);
    needs!(world.requests().is_some(), "the back end does not count requests");
    let mut exact = 0;
    for status in AlertStatus::KNOWN {
        for verdict in Verdict::KNOWN.iter().map(Some).chain([None]) {
            let change = AlertChange::new().status(status.clone());
            let change = verdict.into_iter().cloned().fold(change, AlertChange::verdict);
            match world.provider().alert_fit(&change) {
                Ok(Fit::Exact) => {
                    let alert = exactly(world, &change, &uid).await?;
                    let said = verdict.is_none_or(|v| *v == alert.verdict) && alert.status == *status;
                    ensure!(said, "{change:?} is read back as {} {}", alert.status, alert.verdict);
                    exact += 1;
                }
                Ok(_) => lossily(world, &change, &uid).await?,
                Err(_) => unsaid(world, &change, &uid).await?,
            }
        }
    }
    ensure!(exact >= 3, "next to nothing can be expressed");
    Ok(Ran::Passed)
}

/// A change, and whether an alert shows it.
type Trial = (AlertChange, fn(&Alert) -> bool);

fn trials() -> [Trial; 6] {
    let mut someone = User::default();
    (someone.email, someone.name) = (Some(EMAIL.to_owned()), Some(EMAIL.to_owned()));
    let closed = AlertChange::new().status(AlertStatus::Resolved).verdict(Verdict::TruePositive);
    [
        (AlertChange::new().assignee(Assignee::User(someone)), |a| {
            a.assignee.as_ref().is_some_and(|who| who.names().any(|name| name == EMAIL))
        }),
        (AlertChange::new().assignee(Assignee::Nobody), |a| a.assignee.is_none()),
        (AlertChange::new().comment(TEXT), |a| a.comments.iter().any(|c| c.text == TEXT)),
        (closed.comment(CLOSED), |a| a.comments.iter().any(|c| c.text == CLOSED)),
        (AlertChange::new().add_label(LABEL), |a| a.labels.iter().any(|label| label == LABEL)),
        (AlertChange::new().remove_label(LABEL), |a| !a.labels.iter().any(|label| label == LABEL)),
    ]
}

/// Assignee, comment and labels: what can be expressed exactly is read back.
///
/// # Errors
/// When it is not, or when something is sent that cannot be expressed.
pub async fn details(world: &dyn World) -> CaseResult {
    let uid = an_alert!(world);
    needs!(world.requests().is_some(), "the back end does not count requests");
    for (change, shown) in trials() {
        match world.provider().alert_fit(&change) {
            Ok(Fit::Exact) => {
                let alert = exactly(world, &change, &uid).await?;
                ensure!(shown(&alert), "{change:?} is not read back");
            }
            Ok(_) => lossily(world, &change, &uid).await?,
            Err(_) => unsaid(world, &change, &uid).await?,
        }
    }
    Ok(Ran::Passed)
}

/// An alert that is not there is refused, and nothing is changed.
///
/// # Errors
/// When it is not refused.
pub async fn unknown_id(world: &dyn World) -> CaseResult {
    an_alert!(world);
    let Some(nobody) = stranger(&world.alert_uids()) else {
        return Ok(Ran::Skipped("every id of this form is there".to_owned()));
    };
    let before = world.mutations().map(|all| all.len());
    let change = AlertChange::new().status(AlertStatus::InProgress);
    match world.provider().update_alerts(&change, std::slice::from_ref(&nobody)).await {
        Err(error) => ensure!(!error.is_outcome_unknown(), "nobody's change is in doubt: {error}"),
        Ok(receipts) => {
            let refused = receipts.iter().all(|r| matches!(r.answer, Answer::Refused(_)));
            ensure!(refused && receipts.len() == 1, "an alert that is not there was {receipts:?}");
        }
    }
    ensure!(world.mutations().map(|all| all.len()) == before, "something was changed");
    Ok(Ran::Passed)
}

/// A change whose answer is lost was sent once, and its outcome is unknown.
///
/// # Errors
/// When it is sent again, or told as done or as not done.
pub async fn lost_answer(world: &dyn World) -> CaseResult {
    let uid = an_alert!(world);
    let reset = AlertChange::new().status(AlertStatus::New);
    exactly(world, &reset, &uid).await?;
    let before = changes(world, &uid);
    needs!(world.disturb(Noun::Alert, Disturbance::LoseAnswer).await, "an answer cannot be lost here");
    let change = AlertChange::new().status(AlertStatus::InProgress);
    let answer = world.provider().update_alerts(&change, std::slice::from_ref(&uid)).await;
    world.calm().await;
    in_doubt(answer)?;
    let done = changes(world, &uid) - before;
    ensure!(done == 1, "it was done {done} times");
    Ok(Ran::Passed)
}
