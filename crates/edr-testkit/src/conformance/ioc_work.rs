//! Indicators that are put there and taken away. They change the back end, so they run only where it tells what was
//! changed, and take away what they put there.

use edr_core::{
    Answer, EdrProviderExt as _, Feature, Fit, Ioc, IocAction, IocQuery, IocType, Noun, Receipt, Severity,
};

use super::deeds::in_doubt;
use super::errors::refused_before_the_wire;
use crate::{CaseResult, Disturbance, Failure, Ran, World};

/// Names that nobody has.
const NAMES: [&str; 2] = ["one.edr-conformance.example", "two.edr-conformance.example"];

fn wish(name: &str, severity: Severity) -> Ioc {
    let mut ioc = Ioc::of(IocType::Domain, name, IocAction::Detect);
    ioc.severity = severity;
    ioc
}

fn wishes(severity: &Severity) -> Vec<Ioc> {
    NAMES.iter().map(|name| wish(name, severity.clone())).collect()
}

/// How often the back end changed anything.
fn changes(world: &dyn World) -> usize {
    world.mutations().unwrap_or_default().len()
}

/// A vendor may list indicators in some tenants alone.
async fn lists(world: &dyn World) -> bool {
    !matches!(world.provider().collect(&IocQuery::new()).await, Err(error) if error.is_unsupported())
}

/// Puts indicators there: a receipt for each, in the order given.
async fn put(world: &dyn World, iocs: &[Ioc]) -> Result<Vec<Receipt>, Failure> {
    let receipts = world.provider().push_iocs(iocs).await?;
    let keys: Vec<String> = receipts.iter().map(|r| r.uid.clone()).collect();
    let asked: Vec<String> = iocs.iter().map(Ioc::key).collect();
    ensure!(keys == asked, "receipts for {keys:?}, not {asked:?}");
    Ok(receipts)
}

/// Those of ours that are there.
async fn there(world: &dyn World) -> Result<Vec<Ioc>, Failure> {
    let keys: Vec<String> = wishes(&Severity::Low).iter().map(Ioc::key).collect();
    let mut all = world.provider().collect(&IocQuery::new()).await?.items;
    all.retain(|ioc| keys.contains(&ioc.key()));
    all.sort_by_key(Ioc::key);
    Ok(all)
}

async fn put_back(world: &dyn World) -> Result<(), Failure> {
    let uids: Vec<String> = there(world).await?.into_iter().map(|ioc| ioc.uid).collect();
    if !uids.is_empty() {
        world.provider().delete_iocs(&uids).await?;
    }
    Ok(())
}

/// An indicator that is put there is read back; one that is there for the same value is changed and not doubled; it is
/// gone when it is deleted, and deleting it again is no failure.
///
/// # Errors
/// When it is there twice, or not as it was put, or after it was deleted.
pub async fn there_and_gone(world: &dyn World) -> CaseResult {
    needs_feature!(world, Feature::IocPush, Feature::IocList, Feature::IocDelete);
    needs!(world.mutations().is_some(), "the back end does not tell what was changed");
    needs!(lists(world).await, "this tenant does not list indicators");
    for severity in [Severity::Low, Severity::High] {
        let receipts = put(world, &wishes(&severity)).await?;
        let taken = receipts.iter().all(|r| matches!(r.answer, Answer::Accepted));
        ensure!(taken, "{severity}: the answers are {receipts:?}");
        let there = there(world).await?;
        let severities: Vec<&Severity> = there.iter().map(|ioc| &ioc.severity).collect();
        ensure!(severities == [&severity, &severity], "put with {severity}, and there are {severities:?}");
        let handles = receipts.iter().zip(&there).filter_map(|(r, ioc)| Some((r.handle.as_ref()?, &ioc.uid)));
        for (handle, uid) in handles {
            ensure!(handle == uid, "the handle is {handle}, and the id {uid}");
        }
    }
    let uids: Vec<String> = there(world).await?.into_iter().map(|ioc| ioc.uid).collect();
    for again in [false, true] {
        let receipts = world.provider().delete_iocs(&uids).await?;
        let told: Vec<&String> = receipts.iter().map(|r| &r.uid).collect();
        ensure!(told == uids.iter().collect::<Vec<_>>(), "receipts for {told:?}, not {uids:?}");
        let good = receipts.iter().all(|r| matches!(r.answer, Answer::Accepted | Answer::Already));
        ensure!(good, "deleted (again: {again}): the answers are {receipts:?}");
        ensure!(self::there(world).await?.is_empty(), "what is deleted is there");
    }
    Ok(Ran::Passed)
}

/// What cannot be expressed is refused in its receipt and the others of its call are served; a call for nothing, for too
/// many, or for one thing twice is refused before anything is sent.
///
/// # Errors
/// When it is sent, or takes the others with it.
pub async fn before_the_wire(world: &dyn World) -> CaseResult {
    needs_feature!(world, Feature::IocPush);
    needs!(world.requests().is_some(), "the back end does not count requests");
    let most = world.provider().capabilities().batch(Feature::IocPush);
    let twice = vec![wish(NAMES[0], Severity::Low), wish(NAMES[0], Severity::High)];
    let mut wrong = vec![Vec::new(), twice];
    if most < 10_000 {
        wrong.push((0..=most).map(|n| wish(&format!("{n}.{}", NAMES[0]), Severity::Low)).collect());
    }
    for iocs in wrong {
        let what = format!("a push of {} indicators", iocs.len());
        let asked = async { world.provider().push_iocs(&iocs).await.map(drop) };
        refused_before_the_wire(world, &what, asked).await?;
    }
    let odd = Ioc::of(IocType::from("edr-conformance"), "odd", IocAction::Detect);
    // Where everything can be expressed, that is all there is to ask.
    if world.provider().ioc_fit(&odd).is_ok() {
        return Ok(Ran::Passed);
    }
    let before = world.requests();
    let receipts = put(world, std::slice::from_ref(&odd)).await?;
    let refused = receipts.iter().all(|r| matches!(&r.answer, Answer::Refused(e) if e.is_unsupported()));
    ensure!(refused, "what cannot be expressed is answered by {receipts:?}");
    ensure!(world.requests() == before, "what cannot be expressed was sent");
    Ok(Ran::Passed)
}

/// What the provider says that it can express exactly is read back as it was put.
///
/// # Errors
/// When it is not.
pub async fn exactly(world: &dyn World) -> CaseResult {
    needs_feature!(world, Feature::IocPush, Feature::IocList, Feature::IocDelete);
    needs!(world.mutations().is_some(), "the back end does not tell what was changed");
    needs!(lists(world).await, "this tenant does not list indicators");
    for severity in [Severity::Informational, Severity::Medium, Severity::Critical] {
        let mut ioc = wish(NAMES[0], severity);
        ioc.desc = Some("put there by the conformance suite".to_owned());
        if world.provider().ioc_fit(&ioc)? != Fit::Exact {
            continue;
        }
        put(world, std::slice::from_ref(&ioc)).await?;
        let there = there(world).await?;
        put_back(world).await?;
        let [seen] = there.as_slice() else {
            return Err(Failure::new(format!("{} of them are there", there.len())));
        };
        let same = (&seen.action, &seen.severity, &seen.desc) == (&ioc.action, &ioc.severity, &ioc.desc);
        ensure!(same, "put as {ioc:?}, and read back as {seen:?}");
    }
    Ok(Ran::Passed)
}

/// Indicators whose answer is lost are never doubled, and told as in doubt, unless the vendor's facts let them be sent
/// again until there is an answer.
///
/// # Errors
/// When they are there twice, or told as refused.
pub async fn lost_answer(world: &dyn World) -> CaseResult {
    needs_feature!(world, Feature::IocPush, Feature::IocList, Feature::IocDelete);
    needs!(world.mutations().is_some(), "the back end does not tell what was changed");
    needs!(lists(world).await, "this tenant does not list indicators");
    needs!(world.disturb(Noun::Ioc, Disturbance::LoseAnswer).await, "an answer cannot be lost here");
    let before = changes(world);
    let answer = world.provider().push_iocs(&wishes(&Severity::Low)).await;
    world.calm().await;
    let (done, there) = (changes(world) - before, there(world).await?);
    put_back(world).await?;
    let sent_again = answer.as_ref().is_ok_and(|receipts| {
        receipts.iter().all(|r| matches!(r.answer, Answer::Accepted | Answer::Already))
    });
    if !sent_again {
        in_doubt(answer)?;
        ensure!(done == NAMES.len(), "{done} changes, and {} were asked for once", NAMES.len());
    }
    ensure!(there.len() == NAMES.len(), "{} are there of {}", there.len(), NAMES.len());
    Ok(Ran::Passed)
}
