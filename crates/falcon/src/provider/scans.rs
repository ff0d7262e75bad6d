//! On-demand scans as a response action. One order makes one scan of all its hosts; each host reports for itself.

use std::collections::{BTreeMap, BTreeSet};

use edr_core::{Answer, ConnectionState, Error, ErrorKind, Progress, Receipt, Result, Standing, Target};

use super::Falcon;
use crate::api::ListParams;
use crate::api::ods::{self, NewScan, ScanHost, ScanStatus};
use crate::fql::field;

/// The most hosts of one order: what each has done is then read in one call.
pub(super) const MAX_HOSTS: u32 = 100;

pub(super) fn no_word_for_all() -> Error {
    Error::unsupported("Falcon scans the paths that it is given, and has no word for all")
        .with_hint("name the paths, with wildcards, as in C:\\* or /*")
}

impl Falcon {
    /// Starts one scan. Falcon refuses a call whole.
    pub(super) async fn scan(&self, paths: &[String], ids: &[String]) -> Result<Vec<Receipt>> {
        let operation = ods::CREATE.operation.name;
        if paths.is_empty() {
            return Err(self.named(no_word_for_all(), operation));
        }
        let order = NewScan { file_paths: paths.to_vec(), hosts: ids.to_vec(), ..NewScan::default() };
        let reply = match self.client().start_scan(&order).await {
            Err(error) if ids.len() == 1 && is_about_it(&error) => {
                return Ok(vec![Receipt::new(ids[0].as_str(), Answer::Refused(error))]);
            }
            reply => reply?,
        };
        let handle = reply.resources.into_iter().find_map(|scan| scan.id);
        let trace = reply.envelope.meta.and_then(|meta| meta.trace_id);
        let answer = || match &handle {
            Some(_) => Answer::Accepted,
            None => {
                let error = Error::new(ErrorKind::Vendor, "the answer names no scan").with_outcome_unknown();
                Answer::Unknown(self.named(error, operation))
            }
        };
        let receipt = |id: &String| Receipt::new(id.as_str(), answer()).with_trace(trace.clone());
        Ok(ids.iter().map(|id| receipt(id).with_handle(handle.clone())).collect())
    }

    /// Where a scan stands on each host.
    pub(super) async fn follow_scan(&self, targets: &[Target]) -> Result<Vec<Progress>> {
        let handles: BTreeSet<&str> = targets.iter().filter_map(|t| t.handle.as_deref()).collect();
        let mut told = BTreeMap::new();
        for handle in handles {
            told.insert(handle, self.scanned(handle).await?);
        }
        let mut standings: Vec<Standing> = targets.iter().map(|t| reported(t, &told)).collect();
        let waiting: Vec<String> = (targets.iter().zip(&standings))
            .filter(|(_, standing)| **standing == Standing::Pending)
            .map(|(target, _)| target.uid.clone())
            .collect();
        let away = self.away(&waiting).await?;
        for (target, standing) in targets.iter().zip(&mut standings) {
            if *standing == Standing::Pending && away.contains(&target.uid.to_ascii_lowercase()) {
                *standing = Standing::PendingOffline;
            }
        }
        let now = self.context().now;
        Ok(targets.iter().zip(standings).map(|(t, s)| Progress::new(t.uid.as_str(), s, now)).collect())
    }

    /// Those of the hosts that are offline, in lower case.
    pub(super) async fn away(&self, uids: &[String]) -> Result<BTreeSet<String>> {
        if uids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let found = self.found(uids, true).await?;
        let offline = found.hosts.into_iter().filter(|h| h.connection_state == ConnectionState::Offline);
        Ok(offline.map(|host| host.uid.to_ascii_lowercase()).collect())
    }

    /// What the hosts of a scan report; `None` when there is no such scan.
    async fn scanned(&self, handle: &str) -> Result<Option<Vec<ScanHost>>> {
        // What cannot be written in a filter is no id of a scan.
        let Ok(filter) = field("scan_id").and_then(|scan| scan.eq(handle)) else { return Ok(None) };
        let params = ListParams { limit: Some(ods::MAX_PAGE), ..ListParams::filtered(filter.to_string()) };
        let ids = self.client().scan_host_ids(&params).await?.resources;
        if ids.is_empty() {
            let scans = self.client().scans_by_id(&[handle]).await?;
            return Ok((!scans.found.is_empty()).then(Vec::new));
        }
        Ok(Some(self.client().scan_hosts_by_id(&ids).await?.found))
    }
}

/// A refusal that speaks of the host, and not of the caller.
fn is_about_it(error: &Error) -> bool {
    let refused =
        matches!(error.kind(), ErrorKind::Conflict | ErrorKind::InvalidRequest | ErrorKind::NotFound);
    refused && !error.is_outcome_unknown()
}

/// What a host reports; one that has not reported yet is pending.
fn reported(target: &Target, told: &BTreeMap<&str, Option<Vec<ScanHost>>>) -> Standing {
    let unknown = |word: &str| Standing::Unknown { word: word.to_owned() };
    let Some(handle) = target.handle.as_deref() else { return unknown("the scan has no id") };
    let Some(Some(hosts)) = told.get(handle) else { return unknown("no such scan") };
    let is_it =
        |host: &&ScanHost| host.host_id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(&target.uid));
    match hosts.iter().find(is_it).and_then(|host| host.status.as_ref()) {
        None | Some(ScanStatus::Pending | ScanStatus::Scheduled) => Standing::Pending,
        Some(ScanStatus::Canceled) => Standing::Cancelled,
        Some(ScanStatus::Completed) => Standing::Done,
        Some(ScanStatus::Failed) => Standing::Failed { reason: "the host says that it failed".to_owned() },
        Some(ScanStatus::Running) => Standing::Running,
        Some(other) => unknown(other.as_str()),
    }
}
