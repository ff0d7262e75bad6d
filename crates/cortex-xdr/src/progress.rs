//! Where an action stands: read back from the endpoints where they show it, and asked for by the action's id where
//! they do not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use edr_core::{
    ConnectionState, EdrProvider as _, Error, ErrorKind, FoundHosts, Host, Progress, Raw, ResponseAction,
    Result, SavedFile, Standing, Target,
};
use edr_http::Download;

use crate::api::actions::{ActionId, ActionState};
use crate::api::files;
use crate::api::{self, PageRequest};
use crate::{CortexXdr, Filters, map};

/// What the vendor says of one action.
enum Told {
    /// By endpoint, with the reason where it failed. Nothing yet, right after the order.
    States(BTreeMap<String, (ActionState, Option<String>)>),
    /// It does not know the action.
    Lost(String),
}

/// A host; or its id, as far as it can be read, and what is wrong with it.
type Row = std::result::Result<Host, (Option<String>, String)>;

impl CortexXdr {
    /// Endpoints by their ids, a hundred a call, in the order asked. One that cannot be decoded spoils no other.
    pub(crate) async fn found(&self, ids: &[String]) -> Result<FoundHosts> {
        let (mut all, mut odd): (BTreeMap<String, Host>, _) = (BTreeMap::new(), Vec::new());
        let good: Vec<&String> = ids.iter().filter(|id| !id.trim().is_empty()).collect();
        for chunk in good.chunks(api::MAX_WINDOW as usize) {
            for row in self.endpoints_of(chunk).await? {
                match row {
                    Ok(host) => drop(all.insert(host.uid.clone(), host)),
                    Err(row) => odd.push(row),
                }
            }
        }
        let mut found = FoundHosts::default();
        for id in ids {
            match all.remove(id) {
                Some(host) => found.hosts.push(host),
                None if found.hosts.iter().any(|h| h.uid == *id) => {}
                None => found.missing.push(id.clone()),
            }
        }
        Ok(found.with_unreadable(odd))
    }

    /// One call's worth: each as a host, or as what can be read of its id and what is wrong. Such a one is not missing.
    async fn endpoints_of(&self, ids: &[&String]) -> Result<Vec<Row>> {
        let filters = Filters::new().one_of("endpoint_id_list", ids.iter().map(|id| id.as_str()))?;
        let batch =
            self.client().endpoints(&PageRequest::window(0, api::MAX_WINDOW).filters(filters)).await?;
        let context = self.client().context();
        let host = |raw: Raw| map::host(&context, raw).map_err(|rejected| (rejected.uid, rejected.reason));
        // The native type is stricter than the model: what it does not take may be a host all the same.
        let raw = batch.items.into_iter().map(|item| item.raw);
        let rows = raw.chain(batch.undecodable.into_iter().map(|(raw, _)| raw));
        Ok(rows.map(host).collect())
    }

    /// Where an action stands for each target.
    pub(crate) async fn follow(&self, action: &ResponseAction, targets: &[Target]) -> Result<Vec<Progress>> {
        self.capabilities().require(action.feature()).map_err(|e| self.dress(e, action.verb()))?;
        let ids: Vec<String> = targets.iter().map(|t| t.uid.clone()).collect();
        let found = self.found(&ids).await?;
        let host = |uid: &str| found.hosts.iter().find(|h| h.uid == uid);
        let shown = |target: &Target| host(&target.uid).and_then(|h| action.standing_of(h));
        let open = |target: &&Target| !shown(target).is_some_and(|s| s.is_final());
        let handles: BTreeSet<&str> =
            targets.iter().filter(open).filter_map(|t| t.handle.as_deref()).collect();
        let mut told = BTreeMap::new();
        for handle in handles {
            told.insert(handle, self.told(action, handle).await?);
        }
        let now = self.client().now();
        let standing = |target: &Target| {
            let by_handle = target.handle.as_deref().and_then(|handle| told.get(handle));
            match host(&target.uid) {
                Some(host) => joined(shown(target), host, by_handle, &target.uid),
                None => {
                    let word = found.why_unreadable(&target.uid).unwrap_or("no such endpoint");
                    Standing::Unknown { word: word.to_owned() }
                }
            }
        };
        Ok(targets.iter().map(|t| Progress::new(t.uid.as_str(), standing(t), now)).collect())
    }

    /// Saves what an endpoint has brought: a ZIP. The service tells no SHA-256.
    pub(crate) async fn fetched_file(&self, target: &Target, to: &Path) -> Result<SavedFile> {
        let absent =
            |why: &'static str| self.dress(Error::new(ErrorKind::NotFound, why), files::DETAILS.name);
        let handle = target.handle.as_deref().ok_or_else(|| absent("the order has no id"))?;
        let links = self.client().retrieval(&ActionId::from(handle)).await?.links;
        let link = links.into_iter().find(|(id, _)| *id == target.uid).and_then(|(_, link)| link);
        let link = link.ok_or_else(|| absent("the endpoint has brought no file"))?;
        let done = self.client().download(&link, &Download::to(SavedFile::place(to, "zip"))).await?;
        Ok(SavedFile::new(done.path, done.bytes, done.sha256))
    }

    /// What the vendor says of an action.
    async fn told(&self, action: &ResponseAction, handle: &str) -> Result<Told> {
        let id = ActionId::from(handle);
        let asked = match action {
            ResponseAction::RunScript { .. } => self.ran(&id).await.map_err(|e| action.discreet_outcome(e)),
            _ => self.client().action_status(&id).await.map(|status| {
                let reasons = status.reasons;
                let with_reason = |(id, state): (String, ActionState)| {
                    let reason = reasons.get(&id).cloned();
                    (id, (state, reason))
                };
                status.endpoints.into_iter().map(with_reason).collect()
            }),
        };
        match asked {
            Ok(states) => Ok(Told::States(states)),
            Err(error) if is_lost(&error) => Ok(Told::Lost(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// How far a script is on each endpoint: its results say so, the status gives counts alone. Why it failed is not
    /// repeated: the values of its parameters may stand in it.
    async fn ran(&self, id: &ActionId) -> Result<BTreeMap<String, (ActionState, Option<String>)>> {
        let results = self.client().script_results(id).await?;
        let bytes = results.error_message.map_or(0, |text| text.trim().len());
        let why = |state: &ActionState| match end(state, None)? {
            Standing::Failed { reason } | Standing::Partial { reason } if bytes > 0 => Some(format!(
                "{reason}; the service says why in {bytes} bytes: read the action {id} in the vendor's console"
            )),
            _ => None,
        };
        let state = |result: api::scripts::ScriptResult| {
            let state = result.execution_status?;
            let why = why(&state);
            Some((result.endpoint_id?, (state, why)))
        };
        Ok(results.results.into_iter().filter_map(state).collect())
    }
}

/// The vendor answers 500 for an action that it does not know.
fn is_lost(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidRequest | ErrorKind::NotFound)
}

/// What the endpoint shows comes first, when it is the end or the way there; then what the action says.
fn joined(shown: Option<Standing>, host: &Host, told: Option<&Told>, uid: &str) -> Standing {
    let unshown = match shown {
        Some(standing) if standing.is_final() => return standing,
        Some(Standing::Unknown { word }) => Some(word),
        Some(standing) => return ended(told, uid).unwrap_or(standing),
        None => None,
    };
    match told {
        Some(Told::Lost(said)) => Standing::Unknown { word: said.clone() },
        Some(Told::States(states)) => match (states.get(uid), unshown) {
            // The endpoint shows another state than the one that was reached: late, or taken back.
            (Some((ActionState::CompletedSuccessfully, _)), Some(word)) => Standing::Unknown { word },
            (Some((state, reason)), _) => standing(state, reason.as_deref(), host),
            (None, _) => waiting(host),
        },
        None => Standing::Unknown { word: unshown.unwrap_or_else(|| "the action has no id".to_owned()) },
    }
}

/// An action that came to another end than success, while the endpoint still shows that it waits.
fn ended(told: Option<&Told>, uid: &str) -> Option<Standing> {
    let Some(Told::States(states)) = told else { return None };
    let (state, reason) = states.get(uid)?;
    let end = end(state, reason.as_deref())?;
    (end != Standing::Done).then_some(end)
}

fn waiting(host: &Host) -> Standing {
    use ConnectionState::{Lost, Offline, Uninstalled};
    let away = matches!(host.connection_state, Lost | Offline | Uninstalled);
    if away { Standing::PendingOffline } else { Standing::Pending }
}

fn standing(state: &ActionState, reason: Option<&str>, host: &Host) -> Standing {
    match state {
        ActionState::Pending => waiting(host),
        ActionState::InProgress | ActionState::PendingAbort => Standing::Running,
        other => end(other, reason).unwrap_or_else(|| Standing::Unknown { word: other.to_string() }),
    }
}

fn end(state: &ActionState, reason: Option<&str>) -> Option<Standing> {
    let reason = |word: &str| reason.unwrap_or(word).to_owned();
    Some(match state {
        ActionState::Aborted | ActionState::Canceled => Standing::Cancelled,
        ActionState::CompletedPartial => Standing::Partial { reason: reason("done in part") },
        ActionState::CompletedSuccessfully => Standing::Done,
        ActionState::Expired => Standing::Expired,
        ActionState::Failed => Standing::Failed { reason: reason("the endpoint says that it failed") },
        ActionState::Timeout => Standing::Failed { reason: reason("the endpoint did not answer in time") },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use edr_core::ContainmentState;

    use super::*;

    fn host(containment: ContainmentState, connection: ConnectionState) -> Host {
        let mut host = Host::new("cortex", "acme", "a", "{}");
        (host.containment_state, host.connection_state) = (containment, connection);
        host
    }

    fn seen(action: &ResponseAction, host: &Host, state: Option<&str>) -> Standing {
        let states = state.map(|word| ("a".to_owned(), (ActionState::read(word), None)));
        let told = Told::States(states.into_iter().collect());
        joined(action.standing_of(host), host, Some(&told), "a")
    }

    #[test]
    fn what_the_endpoint_shows_comes_first() {
        use ContainmentState::{Contained, ContainmentPending, Normal};
        let contain = ResponseAction::Contain;
        let online = |state| host(state, ConnectionState::Online);
        let away = host(ContainmentPending, ConnectionState::Lost);
        assert_eq!(seen(&contain, &online(Contained), Some("FAILED")), Standing::Done);
        assert_eq!(seen(&contain, &online(Contained), None), Standing::Done);
        assert_eq!(seen(&contain, &online(ContainmentPending), Some("PENDING")), Standing::Pending);
        assert_eq!(seen(&contain, &away, Some("PENDING")), Standing::PendingOffline);
        assert_eq!(seen(&contain, &away, Some("EXPIRED")), Standing::Expired);
        assert_eq!(seen(&contain, &online(Normal), None), Standing::Pending, "the first answer is empty");
        let late = seen(&contain, &online(Normal), Some("COMPLETED_SUCCESSFULLY"));
        assert_eq!(late, Standing::Unknown { word: "normal".into() });
    }

    #[test]
    fn every_word_of_an_action_has_a_standing() {
        let scan = ResponseAction::Scan { paths: Vec::new() };
        let online = host(ContainmentState::Normal, ConnectionState::Online);
        for (word, expected) in [
            ("PENDING", Standing::Pending),
            ("IN_PROGRESS", Standing::Running),
            ("PENDING_ABORT", Standing::Running),
            ("SCAN_STATUS_IN_PROGRESS", Standing::Running),
            ("CANCELED", Standing::Cancelled),
            ("CANCELLED", Standing::Cancelled),
            ("ABORTED", Standing::Cancelled),
            ("EXPIRED", Standing::Expired),
            ("COMPLETED_SUCCESSFULLY", Standing::Done),
            ("COMPLETED_PARTIAL", Standing::Partial { reason: "done in part".into() }),
            ("FAILED", Standing::Failed { reason: "the endpoint says that it failed".into() }),
            ("TIMEOUT", Standing::Failed { reason: "the endpoint did not answer in time".into() }),
            ("SLEEPING", Standing::Unknown { word: "SLEEPING".into() }),
        ] {
            assert_eq!(seen(&scan, &online, Some(word)), expected, "{word}");
        }
        let lost = Told::Lost("no such action".into());
        let unknown = joined(None, &online, Some(&lost), "a");
        assert_eq!(unknown, Standing::Unknown { word: "no such action".into() });
        assert!(!joined(None, &online, None, "a").is_final());
    }
}
