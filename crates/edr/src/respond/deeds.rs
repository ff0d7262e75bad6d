//! What an operation did, host by host, for those who write it down elsewhere.

use edr_core::{Deed, Fate, Standing};

use super::operation::{HostOutcome, Operation, Outcome};

impl Operation {
    /// What was asked for of each host, and what became of it. Hosts that were left out, or whose turn has not come, have
    /// nothing to tell.
    #[must_use]
    pub fn deeds(&self) -> Vec<Deed> {
        self.hosts.iter().filter_map(|host| self.deed(host)).collect()
    }

    fn deed(&self, at: &HostOutcome) -> Option<Deed> {
        let mut host = edr_core::HostRef::default();
        host.uid = Some(at.host.uid.clone());
        host.hostname = Some(at.host.hostname.clone()).filter(|name| !name.is_empty());
        let (vendor, tenant) = (at.host.vendor.as_str(), at.host.tenant.as_str());
        let mut deed = Deed::new(vendor, tenant, &*self.id, self.action.clone(), host, self.began)
            .with_fate(fate(&at.outcome)?, at.as_of);
        deed.because = self.because.clone();
        deed.by = Some(self.by.clone());
        deed.handle.clone_from(&at.handle);
        deed.trace_id.clone_from(&at.trace_id);
        Some(deed)
    }
}

fn fate(outcome: &Outcome) -> Option<Fate> {
    let refused = |reason: &String| Fate::Refused { kind: None, reason: reason.clone() };
    Some(match outcome {
        Outcome::Already => Fate::Already,
        Outcome::Done => Fate::Taken(Standing::Done),
        Outcome::Accepted | Outcome::Pending => Fate::Taken(Standing::Pending),
        Outcome::Offline => Fate::Taken(Standing::PendingOffline),
        Outcome::Failed { reason } => Fate::Taken(Standing::Failed { reason: reason.clone() }),
        Outcome::NotSent { reason } | Outcome::Refused { reason } => refused(reason),
        Outcome::Unknown { reason } => Fate::Taken(Standing::Unknown { word: reason.clone() }),
        Outcome::LeftOut { .. } | Outcome::Moved { .. } | Outcome::Waiting => return None,
    })
}

#[cfg(test)]
mod tests {
    use edr_core::{ErrorKind, Fate, Quirk, ResponseAction, Standing};

    use super::super::tests::{Bench, tenant};

    #[tokio::test]
    async fn each_host_that_was_asked_for_has_its_deed() {
        let one = tenant("a", 3).build();
        one.quirk("a-web-1", Quirk::RefusesCall(ErrorKind::Conflict));
        let bench = Bench::new([one]);
        let operation = bench.contain(&["web-0", "web-1", "web-2"]).await.unwrap();
        let deeds = operation.deeds();
        assert_eq!(deeds.len(), 3);
        assert_eq!(deeds[0].host.uid.as_deref(), Some("a-web-0"));
        assert_eq!((&deeds[0].action, &deeds[0].operation), (&ResponseAction::Contain, &operation.id));
        assert_eq!(deeds[0].fate, Fate::Taken(Standing::Pending));
        assert!(matches!(&deeds[1].fate, Fate::Refused { .. }), "{:?}", deeds[1]);
        assert_eq!(deeds[0].by.as_deref(), Some("ann@soc"));
    }

    #[tokio::test]
    async fn a_host_that_the_plan_left_out_has_none() {
        let bench = Bench::new([tenant("a", 1).build()]);
        bench.contain(&["web-0"]).await.unwrap();
        let again = bench.contain(&["web-0"]).await.unwrap();
        assert_eq!(again.hosts.len(), 1);
        let fates: Vec<_> = again.deeds().into_iter().map(|deed| deed.fate).collect();
        assert!(fates.iter().all(|fate| !matches!(fate, Fate::Taken(Standing::Done))), "{fates:?}");
    }
}
