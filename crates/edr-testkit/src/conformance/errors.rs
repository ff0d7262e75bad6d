//! Errors, and what is not offered.

use edr_core::{
    AlertChange, AlertQuery, AlertStatus, ApplicationQuery, AuditQuery, Because, CaseQuery,
    EdrProviderExt as _, Error, ErrorKind, Feature, HostGroupQuery, HostQuery, IocQuery, Probe, ProbeState,
    ProcessRef, ResponseAction, Result as Answer, VulnerabilityQuery,
};

use crate::{CaseResult, Disturbance, Failure, Item, Ran, World};

/// An id that is well formed and not there is not found, and the error names tenant, vendor and operation.
///
/// # Errors
/// When it is found, or the error is another one.
pub async fn unknown_id<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::GET);
    let Some(uid) = stranger(&I::truth(world).into_iter().collect::<Vec<_>>()) else {
        return Ok(Ran::Skipped("every id of this form is there".to_owned()));
    };
    let error = failed(I::one(world.provider(), &uid).await, &format!("{} {uid}", I::NOUN))?;
    ensure!(error.is_not_found(), "{uid} is {}: {error}", error.kind().as_str());
    says_where(world, &error)?;
    Ok(Ran::Passed)
}

/// An id of the same form that is not among those that are there.
pub(crate) fn stranger(truth: &[String]) -> Option<String> {
    let known = truth.first().cloned().unwrap_or_else(|| "0".repeat(32));
    (0..10_000).scan(known, |uid, _| Some(step(uid))).find(|uid| !truth.contains(uid))
}

/// The error of something that is refused before anything is sent.
pub(crate) async fn refused_before_the_wire(
    world: &dyn World,
    what: &str,
    asked: impl Future<Output = Answer<()>>,
) -> Result<Error, Failure> {
    let sent = world.requests();
    let Err(error) = asked.await else { return Err(Failure::new(format!("{what} was answered"))) };
    ensure!(world.requests() == sent, "{what} was sent before it was refused");
    says_where(world, &error)?;
    Ok(error)
}

/// Counts the id up by one, from its last letter or digit on, so that its form stays.
fn step(uid: &mut String) -> String {
    let mut letters: Vec<char> = uid.chars().collect();
    for letter in letters.iter_mut().rev().filter(|c| c.is_ascii_alphanumeric()) {
        let (next, carry) = match *letter {
            '9' => ('0', true),
            'f' | 'z' => ('a', true),
            'F' | 'Z' => ('A', true),
            c => (char::from_u32(u32::from(c) + 1).unwrap_or('0'), false),
        };
        *letter = next;
        if !carry {
            break;
        }
    }
    *uid = letters.into_iter().collect();
    uid.clone()
}

fn failed<T>(answer: Answer<T>, what: &str) -> Result<Error, Failure> {
    answer.err().ok_or_else(|| Failure::new(format!("{what} was answered as if it were there")))
}

fn says_where(world: &dyn World, error: &Error) -> Result<(), Failure> {
    let provider = world.provider();
    ensure!(error.tenant() == Some(provider.tenant()), "the error does not name the tenant: {error}");
    ensure!(error.vendor() == Some(provider.vendor()), "the error does not name the vendor: {error}");
    ensure!(error.operation().is_some_and(|o| !o.is_empty()), "the error names no operation: {error}");
    Ok(())
}

/// A malformed id (empty, with signs of a path, a query or a filter) is not found or an invalid
/// request; it never reaches another item.
///
/// # Errors
/// When it is answered, or the error is another one.
pub async fn hostile_id<I: Item>(world: &dyn World) -> CaseResult {
    needs_feature!(world, I::GET);
    let first = I::truth(world).first().cloned().unwrap_or_default();
    let tail = [format!("{first}&ids=0"), format!("{first}'"), format!("{first}/../{first}")];
    let plain =
        ["", " ", "*", "'", "../../..", "?limit=1", "%2e%2e", "\u{e9}", "a\nb", "{}"].map(str::to_owned);
    for uid in plain.into_iter().chain(tail) {
        let error = failed(I::one(world.provider(), &uid).await, &format!("the id {uid:?}"))?;
        let fits = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidRequest);
        ensure!(fits, "the id {uid:?} is {}: {error}", error.kind().as_str());
        ensure!(error.tenant() == Some(world.provider().tenant()), "the error names no tenant: {error}");
    }
    Ok(Ran::Passed)
}

/// The tenant's check works; while every request is refused, it fails as a refusal.
///
/// # Errors
/// When it does not work, or does not notice the refusal.
pub async fn check(world: &dyn World) -> CaseResult {
    let found = world.provider().check().await?;
    ensure!(found.tenant_uid.is_none_or(|uid| !uid.trim().is_empty()), "the tenant's own id is empty");
    if world.disturb(edr_core::Noun::Host, Disturbance::Denied).await {
        let refused = world.provider().check().await;
        world.calm().await;
        let Err(error) = refused else { return Err(Failure::new("the check found a refused tenant good")) };
        refusal(world, &error)?;
    }
    Ok(Ran::Passed)
}

/// A diagnosis finds a good tenant good and a refused one not; each of its probes has a name, a failed one its error
/// with the tenant, a skipped one its reason, and one that warns says what to do.
///
/// # Errors
/// When it does not.
pub async fn diagnosis(world: &dyn World) -> CaseResult {
    let found = world.provider().diagnose().await;
    ensure!(!found.probes.is_empty(), "nothing was looked at");
    ensure!(found.works(), "a good tenant is found bad: {:?}", found.failures().next());
    found.probes.iter().try_for_each(|probe| speaks(world, probe))?;
    if world.disturb(edr_core::Noun::Host, Disturbance::Denied).await {
        let refused = world.provider().diagnose().await;
        world.calm().await;
        ensure!(!refused.works(), "the diagnosis found a refused tenant good");
        refused.probes.iter().try_for_each(|probe| speaks(world, probe))?;
    }
    Ok(Ran::Passed)
}

fn speaks(world: &dyn World, probe: &Probe) -> Result<(), Failure> {
    let says = |text: Option<&str>| text.is_some_and(|t| !t.trim().is_empty());
    ensure!(says(Some(&probe.name)), "a probe has no name: {probe:?}");
    let names = |error: &Error| error.tenant() == Some(world.provider().tenant());
    let fits = match probe.state {
        ProbeState::Failed => probe.error.as_ref().is_some_and(names),
        ProbeState::Warned => says(probe.value.as_deref()) && says(probe.hint()),
        _ => says(probe.value.as_deref()),
    };
    ensure!(fits, "the probe {} does not say what a {} one must", probe.name, probe.state.as_str());
    Ok(())
}

/// Fails unless the error is a refusal that names the tenant.
pub(crate) fn refusal(world: &dyn World, error: &Error) -> Result<(), Failure> {
    let fits = error.is_permission() || error.is_authentication();
    ensure!(fits, "a refused request is {}: {error}", error.kind().as_str());
    ensure!(error.tenant() == Some(world.provider().tenant()), "the refusal names no tenant: {error}");
    Ok(())
}

/// The capabilities are consistent: filters name fields of their noun once, page sizes are not 0,
/// and a reason is given for each feature that is missing or restricted.
///
/// # Errors
/// When they are not.
pub async fn capabilities(world: &dyn World) -> CaseResult {
    let offered = world.provider().capabilities();
    for filter in &offered.server_filters {
        let (noun, field) = (filter.noun, &filter.field);
        ensure!(noun.field(field).is_some(), "{noun} has no field '{field}' to filter on");
        let named = offered.server_filters.iter().filter(|f| f.noun == noun && f.field == *field).count();
        ensure!(named == 1, "the filter on {noun} {field} is listed {named} times");
    }
    for (noun, size) in &offered.max_page {
        ensure!(*size > 0, "a page of {noun} holds nothing");
    }
    for (feature, support) in &offered.features {
        let said = match support {
            edr_core::Support::Full => continue,
            edr_core::Support::None { reason } => reason,
            edr_core::Support::Restricted { note } => note,
        };
        ensure!(!said.trim().is_empty(), "no reason is given for {}", feature.as_str());
    }
    Ok(Ran::Passed)
}

/// What is not offered is refused as unsupported, with tenant, vendor and operation, before
/// anything is sent.
///
/// # Errors
/// When it is answered, refused in another way, or sent.
pub async fn unsupported(world: &dyn World) -> CaseResult {
    let offered = world.provider().capabilities();
    let missing: Vec<Feature> = FEATURES.into_iter().filter(|f| !offered.has(*f)).collect();
    needs!(!missing.is_empty(), "everything is offered");
    for feature in missing {
        let error = refused_before_the_wire(world, feature.as_str(), attempt(world, feature)).await?;
        ensure!(error.is_unsupported(), "{} is {}: {error}", feature.as_str(), error.kind().as_str());
    }
    Ok(Ran::Passed)
}

/// What can be tried without knowing the back end.
const FEATURES: [Feature; 28] = [
    Feature::AlertGet,
    Feature::AlertList,
    Feature::AlertUpdate,
    Feature::ApplicationGet,
    Feature::ApplicationList,
    Feature::AuditGet,
    Feature::AuditList,
    Feature::CaseGet,
    Feature::CaseList,
    Feature::FileFetch,
    Feature::FileQuarantine,
    Feature::GroupGet,
    Feature::GroupList,
    Feature::HostContain,
    Feature::HostGet,
    Feature::HostHistory,
    Feature::HostList,
    Feature::HostRelease,
    Feature::HostRisk,
    Feature::HostScan,
    Feature::HostTag,
    Feature::HostUntag,
    Feature::IocGet,
    Feature::IocList,
    Feature::ProcessKill,
    Feature::ScriptRun,
    Feature::VulnerabilityGet,
    Feature::VulnerabilityList,
];

async fn attempt(world: &dyn World, feature: Feature) -> Answer<()> {
    let provider = world.provider();
    let ids = ["0".repeat(32)];
    let tags = vec!["edr".to_owned()];
    let process = ProcessRef::Pid(4_242);
    let action = match feature {
        Feature::AlertGet => return provider.alert("0").await.map(drop),
        Feature::AlertList => return provider.alerts(&AlertQuery::new(), None).await.map(drop),
        Feature::AlertUpdate => {
            let change = AlertChange::new().status(AlertStatus::New);
            return provider.update_alerts(&change, &ids).await.map(drop);
        }
        Feature::ApplicationGet => return provider.application("0").await.map(drop),
        Feature::ApplicationList => {
            return provider.applications(&ApplicationQuery::new(), None).await.map(drop);
        }
        Feature::AuditGet => return provider.audit_event("0").await.map(drop),
        Feature::AuditList => return provider.audit_events(&AuditQuery::new(), None).await.map(drop),
        Feature::CaseGet => return provider.case("0").await.map(drop),
        Feature::CaseList => return provider.cases(&CaseQuery::new(), None).await.map(drop),
        Feature::FileFetch => ResponseAction::FetchFile { path: "/x".to_owned() },
        Feature::FileQuarantine => ResponseAction::QuarantineFile { path: "/x".to_owned(), sha256: None },
        Feature::GroupGet => return provider.group("0").await.map(drop),
        Feature::GroupList => return provider.groups(&HostGroupQuery::new(), None).await.map(drop),
        Feature::HostContain => ResponseAction::Contain,
        Feature::HostGet => return provider.host("0").await.map(drop),
        Feature::HostHistory => return provider.host_history("0").await.map(drop),
        Feature::HostRisk => return provider.host_risk("0").await.map(drop),
        Feature::HostRelease => ResponseAction::Release,
        Feature::HostScan => ResponseAction::Scan { paths: Vec::new() },
        Feature::HostTag => ResponseAction::Tag { tags },
        Feature::HostUntag => ResponseAction::Untag { tags },
        Feature::IocGet => return provider.ioc("0").await.map(drop),
        Feature::IocList => return provider.iocs(&IocQuery::new(), None).await.map(drop),
        Feature::ProcessKill => ResponseAction::KillProcess { process },
        Feature::ScriptRun => ResponseAction::RunScript { script: "x".to_owned(), args: Vec::new() },
        Feature::VulnerabilityGet => return provider.vulnerability("0").await.map(drop),
        Feature::VulnerabilityList => {
            return provider.vulnerabilities(&VulnerabilityQuery::new(), None).await.map(drop);
        }
        _ => return provider.hosts(&HostQuery::new(), None).await.map(drop),
    };
    provider.respond(&action, &ids, &Because::new()).await.map(drop)
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_id_is_counted_up_in_its_form() {
        for (uid, next) in [("1", "2"), ("9", "0"), ("0f", "1a"), ("ind:a9", "ind:b0"), ("A-zz", "B-aa")] {
            assert_eq!(super::step(&mut uid.to_owned()), next, "{uid}");
        }
    }
}
