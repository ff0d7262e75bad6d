//! Response actions. They change the back end, so they run only where it tells what was changed
//! ([`crate::World::mutations`]), and put back what they can.

use edr_core::{
    AlertChange, Answer, Because, ConnectionState, ContainmentState, Error, ErrorKind, Feature, Host, Noun,
    ProcessRef, Receipt, ResponseAction, Result as Reply, Standing, Tag, Target,
};

use super::errors::{refused_before_the_wire, stranger};
use crate::{CaseResult, Disturbance, Failure, Ran, World};

/// The tag that is put on a host and taken away.
const TAG: &str = "edr-conformance";

/// How often the vendor has changed something.
pub(crate) fn changes(world: &dyn World, uid: &str) -> usize {
    world.mutations().unwrap_or_default().iter().filter(|target| *target == uid).count()
}

/// A host that is online and not contained.
pub(super) async fn idle(world: &dyn World) -> Result<Option<Host>, Failure> {
    let found = world.provider().hosts_by_uid(&world.host_uids()).await?;
    let fits = |h: &Host| {
        h.connection_state == ConnectionState::Online && h.containment_state == ContainmentState::Normal
    };
    Ok(found.hosts.into_iter().find(fits))
}

/// Skips the case unless changes are told and sensors can be made to act; gives a host that is idle.
macro_rules! idle_host {
    ($world:expr) => {{
        needs!($world.mutations().is_some(), "the back end does not tell what was changed");
        needs!($world.settle().await, "the sensors cannot be made to act");
        match idle($world).await? {
            Some(host) => host,
            None => return Ok(Ran::Skipped("no host is online and not contained".to_owned())),
        }
    }};
}

pub(super) async fn ask(world: &dyn World, action: &ResponseAction, ids: &[String]) -> Reply<Vec<Receipt>> {
    world.provider().respond(action, ids, &Because::new().reason("conformance")).await
}

/// The receipts of a call: one for each id, in the order asked.
async fn receipts(
    world: &dyn World,
    action: &ResponseAction,
    ids: &[String],
) -> Result<Vec<Receipt>, Failure> {
    let receipts = ask(world, action, ids).await?;
    let uids: Vec<&String> = receipts.iter().map(|r| &r.uid).collect();
    ensure!(uids == ids.iter().collect::<Vec<_>>(), "{}: receipts for {uids:?}, not {ids:?}", action.verb());
    Ok(receipts)
}

pub(super) async fn receipt(
    world: &dyn World,
    action: &ResponseAction,
    uid: &str,
) -> Result<Receipt, Failure> {
    let mut all = receipts(world, action, &[uid.to_owned()]).await?;
    all.pop().ok_or_else(|| Failure::new("there is no receipt"))
}

pub(super) async fn standing(
    world: &dyn World,
    action: &ResponseAction,
    receipt: &Receipt,
) -> Result<Standing, Failure> {
    let mut all = world.provider().progress(action, &[Target::from(receipt)]).await?;
    let seen = all.pop().filter(|p| p.uid == receipt.uid && all.is_empty());
    seen.map(|p| p.standing).ok_or_else(|| Failure::new("the progress is not that of the target"))
}

async fn containment(world: &dyn World, uid: &str) -> Result<ContainmentState, Failure> {
    Ok(world.provider().host(uid).await?.containment_state)
}

/// Gives an order, and follows it until the sensor has confirmed it.
async fn through(
    world: &dyn World,
    action: &ResponseAction,
    uid: &str,
    state: &ContainmentState,
) -> Result<(), Failure> {
    let verb = action.verb();
    let before = changes(world, uid);
    let receipt = receipt(world, action, uid).await?;
    ensure!(matches!(receipt.answer, Answer::Accepted), "{verb}: the answer is {:?}", receipt.answer);
    let early = standing(world, action, &receipt).await?;
    ensure!(!early.is_final(), "{verb} is {early:?} before the sensor has confirmed it");
    ensure!(containment(world, uid).await? != *state, "{verb} is shown before the sensor has confirmed it");
    world.settle().await;
    let late = standing(world, action, &receipt).await?;
    ensure!(late == Standing::Done, "{verb} is {late:?} after the sensor has confirmed it");
    ensure!(containment(world, uid).await? == *state, "{verb} is done and is not shown");
    let again = self::receipt(world, action, uid).await?;
    ensure!(matches!(again.answer, Answer::Already), "{verb} again: the answer is {:?}", again.answer);
    ensure!(changes(world, uid) == before + 1, "{verb} was done {} times", changes(world, uid) - before);
    Ok(())
}

/// Lifts containment, so that the next case finds the host as it was.
async fn put_back(world: &dyn World, uid: &str) -> Result<(), Failure> {
    world.settle().await;
    receipt(world, &ResponseAction::Release, uid).await?;
    world.settle().await;
    Ok(())
}

/// A host is contained when its sensor has confirmed it, and not before; then it is there already. The same with its
/// release.
///
/// # Errors
/// When an order is done too early, not at all, or twice.
pub async fn contain(world: &dyn World) -> CaseResult {
    needs_feature!(world, Feature::HostContain, Feature::HostRelease);
    let host = idle_host!(world);
    through(world, &ResponseAction::Contain, &host.uid, &ContainmentState::Contained).await?;
    through(world, &ResponseAction::Release, &host.uid, &ContainmentState::Normal).await?;
    Ok(Ran::Passed)
}

/// An order for a host that is offline waits for it, and says so.
///
/// # Errors
/// When it is told as done, or as waiting for a host that is online.
pub async fn offline(world: &dyn World) -> CaseResult {
    needs_feature!(world, Feature::HostContain, Feature::HostRelease, Feature::ConnectionState);
    let uid = idle_host!(world).uid;
    needs!(world.set_online(&uid, false).await, "a host cannot be taken off its network");
    let receipt = receipt(world, &ResponseAction::Contain, &uid).await?;
    world.settle().await;
    let away = standing(world, &ResponseAction::Contain, &receipt).await;
    world.set_online(&uid, true).await;
    world.settle().await;
    let back = standing(world, &ResponseAction::Contain, &receipt).await?;
    put_back(world, &uid).await?;
    let away = away?;
    ensure!(away == Standing::PendingOffline, "it is {away:?} while the host is offline");
    ensure!(back == Standing::Done, "it is {back:?} when the host is back");
    Ok(Ran::Passed)
}

/// An id that is not there is refused, and the others of its call are served.
///
/// # Errors
/// When it is not refused, or spoils the others.
pub async fn unknown_id(world: &dyn World) -> CaseResult {
    needs_feature!(world, Feature::HostContain, Feature::HostRelease);
    let known = idle_host!(world).uid;
    let Some(nobody) = stranger(&world.host_uids()) else {
        return Ok(Ran::Skipped("every id of this form is there".to_owned()));
    };
    match ask(world, &ResponseAction::Contain, std::slice::from_ref(&nobody)).await {
        Ok(alone) => refused(&alone)?,
        Err(error) => ensure!(!error.is_outcome_unknown(), "nobody's containment is in doubt: {error}"),
    }
    let most = world.provider().capabilities().batch(Feature::HostContain);
    if most > 1 {
        let both = receipts(world, &ResponseAction::Contain, &[known.clone(), nobody.clone()]).await?;
        put_back(world, &known).await?;
        ensure!(matches!(both[0].answer, Answer::Accepted), "the other's answer is {:?}", both[0].answer);
        refused(&both[1..])?;
    }
    ensure!(changes(world, &nobody) == 0, "something was done to a host that is not there");
    let mut absent = world.provider().progress(&ResponseAction::Contain, &[Target::new(nobody)]).await?;
    let seen = absent.pop().map(|p| p.standing);
    ensure!(seen.as_ref().is_some_and(|s| !s.is_final()), "a host that is not there is {seen:?}");
    Ok(Ran::Passed)
}

pub(super) fn refused(receipts: &[Receipt]) -> Result<(), Failure> {
    for receipt in receipts {
        let Answer::Refused(error) = &receipt.answer else {
            return Err(Failure::new(format!("{} is not there, and was {:?}", receipt.uid, receipt.answer)));
        };
        ensure!(error.tenant().is_some(), "the refusal of {} names no tenant: {error}", receipt.uid);
    }
    Ok(())
}

/// An action of every kind that is offered, as far as it can be tried anywhere.
pub(super) fn samples(world: &dyn World) -> Vec<ResponseAction> {
    let path = "/tmp/edr-conformance".to_owned();
    let tags = vec![TAG.to_owned()];
    let mut all = vec![
        ResponseAction::Contain,
        ResponseAction::FetchFile { path: path.clone() },
        ResponseAction::KillProcess { process: ProcessRef::Uid("AdjBWqwT+XwAABZ0AAAAAA==".to_owned()) },
        ResponseAction::QuarantineFile { path, sha256: Some("ab".repeat(32)) },
        ResponseAction::Release,
        ResponseAction::Scan { paths: Vec::new() },
        ResponseAction::Tag { tags: tags.clone() },
        ResponseAction::Untag { tags },
    ];
    let script = world.script().map(|(script, args)| ResponseAction::RunScript { script, args });
    all.extend(script);
    all.retain(|action| world.provider().capabilities().has(action.feature()));
    all
}

/// No host, a blank or doubled one, more than one call takes, and an action that says nothing are refused before
/// anything is sent.
///
/// # Errors
/// When one of them is sent or answered.
pub async fn before_the_wire(world: &dyn World) -> CaseResult {
    let samples = samples(world);
    needs!(!samples.is_empty(), "no action is offered");
    needs!(world.requests().is_some(), "the back end does not count requests");
    for action in &samples {
        let most = world.provider().capabilities().batch(action.feature());
        for ids in wrong_ids(most) {
            let what = format!("{} of {} ids", action.verb(), ids.len());
            let asked = async { ask(world, action, &ids).await.map(drop) };
            invalid(refused_before_the_wire(world, &what, asked).await?, &what)?;
        }
    }
    let blank = ResponseAction::Tag { tags: vec![" ".to_owned()] };
    if world.provider().capabilities().has(blank.feature()) {
        let asked = async { ask(world, &blank, &world.host_uids()[..1]).await.map(drop) };
        invalid(refused_before_the_wire(world, "a blank tag", asked).await?, "a blank tag")?;
    }
    if world.provider().capabilities().has(Feature::AlertUpdate) {
        let most = world.provider().capabilities().batch(Feature::AlertUpdate);
        let change = AlertChange::new().status(edr_core::AlertStatus::New);
        for ids in wrong_ids(most) {
            let what = format!("a change of {} alerts", ids.len());
            let asked = async { world.provider().update_alerts(&change, &ids).await.map(drop) };
            invalid(refused_before_the_wire(world, &what, asked).await?, &what)?;
        }
        let nothing = AlertChange::new();
        let asked =
            async { world.provider().update_alerts(&nothing, &world.alert_uids()[..1]).await.map(drop) };
        invalid(refused_before_the_wire(world, "an empty change", asked).await?, "an empty change")?;
    }
    Ok(Ran::Passed)
}

fn wrong_ids(most: usize) -> Vec<Vec<String>> {
    let id = |n: usize| format!("{n:032x}");
    let mut all = vec![vec![], vec![" ".to_owned()], vec![id(1), id(1)]];
    if most < 100_000 {
        all.push((0..=most).map(id).collect());
    }
    all
}

fn invalid(error: Error, what: &str) -> Result<(), Failure> {
    ensure!(error.kind() == ErrorKind::InvalidRequest, "{what} is {}: {error}", error.kind().as_str());
    Ok(())
}

/// An order whose answer is lost was sent once, and its outcome is unknown.
///
/// # Errors
/// When it is sent again, or told as done or as not done.
pub async fn lost_answer(world: &dyn World) -> CaseResult {
    needs_feature!(world, Feature::HostContain, Feature::HostRelease);
    let uid = idle_host!(world).uid;
    let before = changes(world, &uid);
    needs!(world.disturb(Noun::Host, Disturbance::LoseAnswer).await, "an answer cannot be lost here");
    let answer = ask(world, &ResponseAction::Contain, std::slice::from_ref(&uid)).await;
    world.calm().await;
    let done = changes(world, &uid) - before;
    put_back(world, &uid).await?;
    in_doubt(answer)?;
    ensure!(done == 1, "it was done {done} times");
    Ok(Ran::Passed)
}

/// Fails unless nobody can say what was done.
pub(crate) fn in_doubt(answer: Reply<Vec<Receipt>>) -> Result<(), Failure> {
    match answer {
        Err(error) => ensure!(error.is_outcome_unknown(), "a lost answer is told as not done: {error}"),
        Ok(receipts) => {
            let open = receipts.iter().all(|r| matches!(r.answer, Answer::Unknown(_)));
            ensure!(open, "a lost answer is told as {receipts:?}");
        }
    }
    Ok(())
}

/// A tag that is added is there, and gone when it is removed.
///
/// # Errors
/// When it is not.
pub async fn tags(world: &dyn World) -> CaseResult {
    needs_feature!(world, Feature::HostTag, Feature::HostUntag);
    let host = idle_host!(world);
    let tags = vec![TAG.to_owned()];
    let has = async || -> Result<bool, Failure> {
        let now = world.provider().host(&host.uid).await?;
        Ok(now.tags.iter().any(|t: &Tag| t.value == TAG))
    };
    let steps = [(ResponseAction::Tag { tags: tags.clone() }, true), (ResponseAction::Untag { tags }, false)];
    for (action, wanted) in steps {
        let receipt = receipt(world, &action, &host.uid).await?;
        let verb = action.verb();
        ensure!(matches!(receipt.answer, Answer::Accepted), "{verb}: the answer is {:?}", receipt.answer);
        world.settle().await;
        let seen = standing(world, &action, &receipt).await?;
        ensure!(seen == Standing::Done && has().await? == wanted, "{verb} is {seen:?}, and is not shown");
    }
    Ok(Ran::Passed)
}

/// Hosts by id come in the order asked, as they are read one by one, and the others are named.
///
/// # Errors
/// When one is lost or is another.
pub async fn by_uid(world: &dyn World) -> CaseResult {
    needs_feature!(world, Feature::HostGet);
    let mut ids = world.host_uids();
    ids.truncate(5);
    ids.reverse();
    let wanted = ids.clone();
    let Some(nobody) = stranger(&world.host_uids()) else {
        return Ok(Ran::Skipped("every id of this form is there".to_owned()));
    };
    ids.insert(1, nobody.clone());
    let found = world.provider().hosts_by_uid(&ids).await?;
    let uids: Vec<&String> = found.hosts.iter().map(|h| &h.uid).collect();
    ensure!(uids == wanted.iter().collect::<Vec<_>>(), "asked for {wanted:?}, and got {uids:?}");
    ensure!(found.missing == [nobody.clone()], "{nobody} is not there, but missing are {:?}", found.missing);
    for host in &found.hosts {
        let one = world.provider().host(&host.uid).await?;
        let states = |h: &Host| (h.containment_state.clone(), h.connection_state.clone(), h.hostname.clone());
        ensure!(states(&one) == states(host), "{} is {:?} alone", host.uid, states(&one));
    }
    let none = world.provider().hosts_by_uid(&[]).await?;
    ensure!(none.hosts.is_empty() && none.missing.is_empty(), "nobody was asked for, and somebody came");
    Ok(Ran::Passed)
}
