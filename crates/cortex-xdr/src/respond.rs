//! Response actions. Cortex XDR refuses a whole call because of one endpoint that cannot take it, and answers no
//! endpoint by name: so the endpoints are read first, and only those that can take the order are in it.

use edr_core::{
    Answer, Because, ConnectionState, ContainmentState, EdrProvider as _, Error, ErrorKind, FoundHosts, Host,
    Platform, ProcessRef, Receipt, ResponseAction, Result,
};
use edr_http::Operation;
use serde_json::{Map, Value};

use crate::api::actions::ActionStarted;
use crate::api::files::{self, FilePaths};
use crate::api::responses::{self, Endpoints, Terminate};
use crate::api::scripts::{self, RunOptions, ScriptFilters};
use crate::api::tags;
use crate::{CortexXdr, Generation};

impl CortexXdr {
    /// One order. Reads go before it, and may go wrong without harm.
    pub(crate) async fn act(
        &self,
        action: &ResponseAction,
        ids: &[String],
        because: &Because,
    ) -> Result<Vec<Receipt>> {
        self.admit(action.feature(), ids)?;
        check(action).map_err(|e| self.dress(e, action.verb()))?;
        if matches!(action, ResponseAction::KillProcess { .. })
            && self.client().generation().await? == Generation::Xdr5
        {
            return Err(self.dress(Error::unsupported(crate::push::NO_KILL), action.verb()));
        }
        let script = self.script(action).await?;
        let found = self.found(ids).await?;
        let (mut receipts, hosts) = self.sorted(action, ids, &found);
        if !hosts.is_empty() {
            let sent = self.send_order(action, &hosts, because, script.as_deref()).await;
            match sent.map_err(|e| action.discreet_order(e, &[])) {
                Err(error) if is_about_it(&error) => match self.since(action, &hosts).await {
                    Since::There => {
                        let there = |h: &&Host| Receipt::new(h.uid.as_str(), Answer::Already).ordered();
                        receipts.extend(hosts.iter().map(there));
                    }
                    Since::AsTold => receipts.extend(self.answers(action, &hosts, Err(error))?),
                    Since::Unread => {
                        let error = self.dress(error.with_outcome_unknown().with_hint(UNREAD), action.verb());
                        let doubt = |h: &&Host| Receipt::new(h.uid.as_str(), Answer::Unknown(error.clone()));
                        receipts.extend(hosts.iter().map(doubt));
                    }
                },
                sent => receipts.extend(self.answers(action, &hosts, sent)?),
            }
        }
        let place = |uid: &str| ids.iter().position(|id| id == uid);
        receipts.sort_by_key(|receipt| place(&receipt.uid));
        Ok(receipts)
    }

    /// After a refusal of all of them: what has become of them. Something on the way may have handed the order on twice, so
    /// that the refusal is the answer to the second; or somebody else was first.
    async fn since(&self, action: &ResponseAction, hosts: &[&Host]) -> Since {
        if !matches!(action, ResponseAction::Contain | ResponseAction::Release) {
            return Since::AsTold;
        }
        let ids: Vec<String> = hosts.iter().map(|h| h.uid.clone()).collect();
        let Ok(now) = self.found(&ids).await else { return Since::Unread };
        let is_there = |h| matches!(beforehand(action, h), Some(Answer::Already));
        match now.hosts.len() == hosts.len() && now.hosts.iter().all(is_there) {
            true => Since::There,
            false if now.unreadable.is_empty() => Since::AsTold,
            false => Since::Unread,
        }
    }

    /// The receipts of endpoints that no order is needed or possible for, and the others.
    fn sorted<'h>(
        &self,
        action: &ResponseAction,
        ids: &[String],
        found: &'h FoundHosts,
    ) -> (Vec<Receipt>, Vec<&'h Host>) {
        let (mut receipts, mut rest) = (Vec::new(), Vec::new());
        for id in ids {
            let host = found.hosts.iter().find(|host| host.uid == *id);
            let answer = match host {
                None => Some(Answer::Refused(match found.why_unreadable(id) {
                    Some(why) => Error::new(ErrorKind::Decode, why.to_owned()),
                    None => Error::new(ErrorKind::NotFound, "there is no such endpoint"),
                })),
                Some(host) => beforehand(action, host),
            };
            match (answer, host) {
                (None, Some(host)) => rest.push(host),
                (answer, _) => {
                    receipts.extend(answer.map(|a| Receipt::new(id.as_str(), self.named(a, action))))
                }
            }
        }
        (receipts, rest)
    }

    fn named(&self, answer: Answer, action: &ResponseAction) -> Answer {
        let verb = action.verb();
        match answer {
            Answer::Refused(error) => Answer::Refused(self.dress(error, verb)),
            Answer::Unknown(error) => Answer::Unknown(self.dress(error, verb)),
            other => other,
        }
    }

    /// What an order's answer means for each endpoint.
    fn answers(
        &self,
        action: &ResponseAction,
        hosts: &[&Host],
        sent: Result<ActionStarted>,
    ) -> Result<Vec<Receipt>> {
        let all = |answer: &dyn Fn() -> Answer, handle: Option<String>| {
            let receipt = |h: &&Host| {
                Receipt::new(h.uid.as_str(), self.named(answer(), action)).with_handle(handle.clone())
            };
            hosts.iter().map(receipt).collect()
        };
        let started = match sent {
            Ok(started) => started,
            Err(error) if hosts.len() == 1 && is_about_it(&error) => {
                return Ok(all(&|| Answer::Refused(error.clone()), None));
            }
            Err(error) => return Err(error),
        };
        let handle = started.action_id.map(|id| id.to_string());
        let counted = started.endpoints_count.and_then(|count| usize::try_from(count).ok());
        Ok(match counted {
            Some(count) if count < hosts.len() => {
                let message =
                    format!("the order is for {count} of {} endpoints; which is not said", hosts.len());
                let doubt = Error::new(ErrorKind::Vendor, message).with_outcome_unknown();
                all(&|| Answer::Unknown(doubt.clone()), handle)
            }
            _ => all(&|| Answer::Accepted, handle),
        })
    }

    /// The one call that changes something; of tags, one for each tag, since a call takes one.
    async fn send_order(
        &self,
        action: &ResponseAction,
        hosts: &[&Host],
        because: &Because,
        script: Option<&str>,
    ) -> Result<ActionStarted> {
        let endpoints = Endpoints::ids(hosts.iter().map(|h| h.uid.as_str()))?;
        let (client, case) = (self.client(), because.case_uid.as_deref());
        match action {
            ResponseAction::Contain => client.isolate(&endpoints, case).await,
            ResponseAction::Release => client.unisolate(&endpoints, case).await,
            ResponseAction::Scan { .. } => client.scan(&endpoints, case).await,
            ResponseAction::KillProcess { process: ProcessRef::Uid(uid) } => {
                client.terminate(&hosts[0].uid, &Terminate::Process(uid.clone()), case).await
            }
            ResponseAction::QuarantineFile { path, sha256: Some(sha256) } => {
                client.quarantine(&endpoints, path, sha256, case).await
            }
            ResponseAction::FetchFile { path } => {
                client.retrieve_files(&endpoints, &paths(path, hosts), case).await
            }
            ResponseAction::RunScript { args, .. } => {
                let values: Map<String, Value> =
                    args.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
                let options = RunOptions { incident: case, ..RunOptions::default() };
                client.run_script(script.unwrap_or_default(), &values, &endpoints, options).await
            }
            ResponseAction::Tag { tags } => self.mark(&endpoints, tags, true).await,
            ResponseAction::Untag { tags } => self.mark(&endpoints, tags, false).await,
            other => Err(self.lacking(other.feature())),
        }
    }

    /// A tag a call. What was done before a call that failed stays done, so that the outcome is unknown then.
    async fn mark(&self, endpoints: &Endpoints, tags: &[String], add: bool) -> Result<ActionStarted> {
        for (done, tag) in tags.iter().enumerate() {
            let sent = if add {
                self.client().assign_tag(endpoints, tag).await
            } else {
                self.client().remove_tag(endpoints, tag).await
            };
            let part = format!("{done} of {} tags were done before; it may be repeated", tags.len());
            sent.map_err(|e| if done == 0 { e } else { e.with_outcome_unknown().with_hint(part) })?;
        }
        Ok(ActionStarted::default())
    }

    /// The id of the script that is meant: by its id, or by its whole name.
    async fn script(&self, action: &ResponseAction) -> Result<Option<String>> {
        let ResponseAction::RunScript { script, .. } = action else { return Ok(None) };
        if script.len() == 32 && script.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Some(script.clone()));
        }
        let found = self.client().scripts(ScriptFilters::new().names([script.as_str()])?).await?;
        let named = found.into_iter().filter(|s| s.name.as_deref() == Some(script));
        let mut uids: Vec<String> = named.filter_map(|s| s.script_uid).collect();
        let error = match uids.len() {
            1 => return Ok(uids.pop()),
            0 => Error::new(ErrorKind::NotFound, format!("there is no script {script:?}")),
            many => Error::new(ErrorKind::InvalidRequest, format!("{many} scripts are called {script:?}"))
                .with_hint("give the id of the one that is meant"),
        };
        Err(self.dress(error, scripts::LIST.name))
    }
}

/// What has become of endpoints whose isolation, or its end, was refused.
enum Since {
    /// Each is where the order was to bring it.
    There,
    /// Nothing was done, as the vendor says.
    AsTold,
    /// They cannot be read, so that nobody can say.
    Unread,
}

const UNREAD: &str =
    "an order before this one may have been carried out: see what state the endpoints are in";

/// A refusal that speaks of the endpoint, and not of the caller.
fn is_about_it(error: &Error) -> bool {
    let refused =
        matches!(error.kind(), ErrorKind::Conflict | ErrorKind::InvalidRequest | ErrorKind::NotFound);
    refused && !error.is_outcome_unknown()
}

/// What is known of an endpoint before it is sent anything.
fn beforehand(action: &ResponseAction, host: &Host) -> Option<Answer> {
    use ContainmentState::{Contained, ContainmentPending, LiftPending, Normal};
    let refused = |why| Some(Answer::Refused(Error::new(ErrorKind::Conflict, why)));
    if host.connection_state == ConnectionState::Uninstalled {
        return refused("the agent was removed from this endpoint");
    }
    match (action, &host.containment_state) {
        (ResponseAction::Contain, Contained | ContainmentPending)
        | (ResponseAction::Release, Normal | LiftPending) => Some(Answer::Already),
        (ResponseAction::Contain, LiftPending) => refused("its release is under way"),
        (ResponseAction::Release, ContainmentPending) => refused("its isolation is under way"),
        (ResponseAction::FetchFile { .. }, _) if platform(host).is_none() => {
            refused("files are fetched from Windows, Linux and macOS alone")
        }
        _ => None,
    }
}

/// Whether Cortex XDR can be told the order, whatever the endpoint. What is wrong with an order for anybody is told when it
/// is sent.
pub(crate) fn fit(action: &ResponseAction, generation: Option<Generation>) -> Result<()> {
    if matches!(action, ResponseAction::KillProcess { .. }) && generation == Some(Generation::Xdr5) {
        return Err(Error::unsupported(crate::push::NO_KILL));
    }
    check(action).or_else(|e| if e.kind() == ErrorKind::Unsupported { Err(e) } else { Ok(()) })
}

/// Refuses what Cortex XDR cannot be told, beside what nobody can.
fn check(action: &ResponseAction) -> Result<()> {
    action.check()?;
    match action {
        ResponseAction::KillProcess { process: ProcessRef::Pid(_) } => {
            Err(Error::unsupported("Cortex XDR ends a process by its instance id, not by a process id")
                .with_operation(responses::TERMINATE_PROCESS.name)
                .with_hint("the evidence of an alert has it as the process's uid"))
        }
        ResponseAction::QuarantineFile { sha256: None, .. } => {
            wanting(&files::QUARANTINE, "the file's SHA-256")
        }
        ResponseAction::Scan { paths } if !paths.is_empty() => {
            Err(Error::unsupported("Cortex XDR scans whole endpoints, and no single paths")
                .with_operation(responses::SCAN.name))
        }
        ResponseAction::Tag { tags } | ResponseAction::Untag { tags }
            if tags.iter().any(|t| t.contains('\n')) =>
        {
            wanting(&tags::ASSIGN, "tags of one line")
        }
        _ => Ok(()),
    }
}

fn wanting(operation: &Operation, what: &str) -> Result<()> {
    let error = Error::new(ErrorKind::InvalidRequest, format!("Cortex XDR wants {what}"));
    Err(error.with_operation(operation.name))
}

fn platform(host: &Host) -> Option<&'static str> {
    match host.os.platform {
        Platform::Linux => Some("linux"),
        Platform::Macos => Some("macos"),
        Platform::Windows => Some("windows"),
        _ => None,
    }
}

/// The path, for each platform that is among the endpoints.
fn paths(path: &str, hosts: &[&Host]) -> FilePaths {
    let has = |wanted| hosts.iter().any(|h| platform(h) == Some(wanted));
    let mut paths = FilePaths::new();
    if has("linux") {
        paths = paths.linux(path);
    }
    if has("macos") {
        paths = paths.macos(path);
    }
    if has("windows") {
        paths = paths.windows(path);
    }
    paths
}
