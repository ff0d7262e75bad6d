//! The orders that a host does not show by itself: a scan, the end of a process, a file that is fetched or locked away, a
//! script. They are followed by their handle. They run where the cases of [`super::deeds`] run.

use edr_core::{Answer, Noun, ProcessRef, Receipt, ResponseAction, Result as Reply, Standing};

use super::deeds::{ask, changes, idle, in_doubt, refused, samples, standing};
use super::errors::stranger;
use crate::{CaseResult, Disturbance, Failure, Ran, World};

/// How often the sensors are let act before an order must have ended.
const PATIENCE: usize = 5;

/// The orders that are offered.
fn offered(world: &dyn World) -> Vec<ResponseAction> {
    use ResponseAction::{Contain, Release, Tag, Untag};
    let shown = |a: &ResponseAction| matches!(a, Contain | Release | Tag { .. } | Untag { .. });
    samples(world).into_iter().filter(|a| !shown(a)).collect()
}

/// Skips the case unless there are orders to try; gives them and a host that is idle.
macro_rules! orders_and_host {
    ($world:expr) => {{
        needs!($world.mutations().is_some(), "the back end does not tell what was changed");
        needs!($world.settle().await, "the sensors cannot be made to act");
        let all = offered($world);
        needs!(!all.is_empty(), "no order is offered beside containment and tags");
        match idle($world).await? {
            Some(host) => (all, host.uid),
            None => return Ok(Ran::Skipped("no host is online and not contained".to_owned())),
        }
    }};
}

/// The same order in the words of other vendors: a scan of a path where all cannot be said, and a process by its number.
fn in_other_words(action: &ResponseAction) -> Option<ResponseAction> {
    match action {
        ResponseAction::Scan { .. } => Some(ResponseAction::Scan { paths: vec!["/tmp/*".to_owned()] }),
        ResponseAction::KillProcess { .. } => {
            Some(ResponseAction::KillProcess { process: ProcessRef::Pid(4_242) })
        }
        _ => None,
    }
}

/// Gives an order, in words that the vendor has.
async fn given(
    world: &dyn World,
    action: ResponseAction,
    uid: &str,
) -> (ResponseAction, Reply<Vec<Receipt>>) {
    let ids = [uid.to_owned()];
    match (ask(world, &action, &ids).await, in_other_words(&action)) {
        (Err(error), Some(other)) if error.is_unsupported() => {
            let answer = ask(world, &other, &ids).await;
            (other, answer)
        }
        (answer, _) => (action, answer),
    }
}

async fn taken(
    world: &dyn World,
    action: ResponseAction,
    uid: &str,
) -> Result<(ResponseAction, Receipt), Failure> {
    let (action, answer) = given(world, action, uid).await;
    let receipt = answer?.pop().ok_or_else(|| Failure::new("there is no receipt"))?;
    Ok((action, receipt))
}

/// Lets the sensors act until the order has come to an end, or long enough.
async fn ended(world: &dyn World, action: &ResponseAction, receipt: &Receipt) -> Result<Standing, Failure> {
    let mut seen = standing(world, action, receipt).await?;
    for _ in 0..PATIENCE {
        if seen.is_final() {
            break;
        }
        world.settle().await;
        seen = standing(world, action, receipt).await?;
    }
    Ok(seen)
}

/// Every order that is offered is taken once, is under way, and ends.
///
/// # Errors
/// When it is done too early, not at all, or twice.
pub async fn taken_once(world: &dyn World) -> CaseResult {
    let (all, uid) = orders_and_host!(world);
    let done = || world.mutations().unwrap_or_default().len();
    for action in all {
        let before = done();
        let (action, receipt) = taken(world, action, &uid).await?;
        let verb = action.verb();
        ensure!(matches!(receipt.answer, Answer::Accepted), "{verb}: the answer is {:?}", receipt.answer);
        let early = standing(world, &action, &receipt).await?;
        ensure!(!early.is_final(), "{verb} is {early:?} at once");
        let late = ended(world, &action, &receipt).await?;
        ensure!(late == Standing::Done, "{verb} is {late:?} in the end");
        ensure!(done() == before + 1, "{verb} was done {} times", done() - before);
    }
    Ok(Ran::Passed)
}

/// An order for a host that is offline waits for it, and says so, or is refused, and does not happen later.
///
/// # Errors
/// When it is told as under way or done, is lost, or comes after all.
pub async fn offline(world: &dyn World) -> CaseResult {
    let (all, uid) = orders_and_host!(world);
    needs!(world.set_online(&uid, false).await, "a host cannot be taken off its network");
    let mut outcome = Ok(Ran::Passed);
    for action in all {
        world.set_online(&uid, false).await;
        outcome = waits(world, action, &uid).await;
        world.set_online(&uid, true).await;
        world.settle().await;
        if outcome.is_err() {
            break;
        }
    }
    outcome
}

async fn waits(world: &dyn World, action: ResponseAction, uid: &str) -> CaseResult {
    let done = || world.mutations().unwrap_or_default().len();
    let before = done();
    let (action, receipt) = taken(world, action, uid).await?;
    let verb = action.verb();
    world.settle().await;
    let wanted = if let Answer::Refused(_) = receipt.answer { 0 } else { 1 };
    if wanted == 1 {
        ensure!(matches!(receipt.answer, Answer::Accepted), "{verb}: the answer is {:?}", receipt.answer);
        let away = standing(world, &action, &receipt).await?;
        ensure!(away == Standing::PendingOffline, "{verb} is {away:?} while the host is offline");
    }
    world.set_online(uid, true).await;
    world.settle().await;
    if wanted == 1 {
        let back = ended(world, &action, &receipt).await?;
        ensure!(back == Standing::Done, "{verb} is {back:?} when the host is back");
    }
    ensure!(done() == before + wanted, "{verb} was done {} times, not {wanted}", done() - before);
    Ok(Ran::Passed)
}

/// An order for a host that is not there is refused, and leaves nothing in doubt.
///
/// # Errors
/// When it is taken, or told as in doubt.
pub async fn unknown_id(world: &dyn World) -> CaseResult {
    let (all, _) = orders_and_host!(world);
    let Some(nobody) = stranger(&world.host_uids()) else {
        return Ok(Ran::Skipped("every id of this form is there".to_owned()));
    };
    for action in all {
        let (action, answer) = given(world, action, &nobody).await;
        match answer {
            Ok(receipts) => refused(&receipts)?,
            Err(error) => {
                ensure!(!error.is_outcome_unknown(), "{} of nobody is in doubt: {error}", action.verb());
            }
        }
        ensure!(changes(world, &nobody) == 0, "{} was done to a host that is not there", action.verb());
    }
    Ok(Ran::Passed)
}

/// An order whose answer is lost was sent once, and its outcome is unknown.
///
/// # Errors
/// When it is sent again, or told as done or as not done.
pub async fn lost_answer(world: &dyn World) -> CaseResult {
    let (all, uid) = orders_and_host!(world);
    let done = || world.mutations().unwrap_or_default().len();
    for action in all {
        let before = done();
        needs!(world.disturb(Noun::Host, Disturbance::LoseAnswer).await, "an answer cannot be lost here");
        let (action, answer) = given(world, action, &uid).await;
        world.calm().await;
        let times = done() - before;
        world.settle().await;
        world.settle().await;
        in_doubt(answer).map_err(|f| Failure::new(format!("{}: {f}", action.verb())))?;
        ensure!(times == 1, "{} was done {times} times", action.verb());
    }
    Ok(Ran::Passed)
}
