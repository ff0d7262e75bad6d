//! Waiting until the vendors say what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use edr_core::{Progress, Standing, Target, TenantId};
use futures_util::stream::{self, StreamExt as _};
use tokio::time::{Instant, sleep};

use super::error::Result;
use super::host::HostKey;
use super::make::SIDE_BY_SIDE;
use super::operation::{HostOutcome, Operation, Outcome};
use super::record::{Event, Seen, Told};
use super::responder::Responder;
use super::tale::of_standing;

/// How long to wait, and how often to ask.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Waiting {
    /// Give up after so long; the operation goes on. Ten minutes unless said otherwise: a host of which the vendor does not
    /// say whether it is connected may never be confirmed.
    pub deadline: Option<Duration>,
    /// The first pause. Each next is half as long again.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            deadline: Some(Duration::from_secs(600)),
            first: Duration::from_secs(2),
            longest: Duration::from_secs(30),
        }
    }
}

impl Waiting {
    /// For at most so long.
    #[must_use]
    pub fn at_most(deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..Self::default() }
    }
}

/// What is known when the waiting is over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Confirmed {
    /// The operation with what the vendors said.
    pub operation: Operation,
    /// Hosts that are still on their way: the time was over.
    pub timed_out: bool,
    /// Tenants that could not be asked any more. Their hosts stay as they were last known.
    pub unread: Vec<(TenantId, Told)>,
}

/// A tenant that cannot be asked so many times in a row is not waited for.
const PATIENCE: u32 = 5;

/// One tenant that is asked.
#[derive(Default)]
struct Watch {
    failures: u32,
    given_up: Option<Told>,
}

impl Responder {
    /// Asks the vendors, in few calls, until each host is done, has failed, or waits because it is offline. What is
    /// learnt is written to the journal.
    ///
    /// # Errors
    /// When the journal cannot be used, or knows no such operation.
    pub async fn confirm(&self, id: &str, waiting: &Waiting) -> Result<Confirmed> {
        let begin = Instant::now();
        // The journal leaves out what a script is given; the plan has it.
        let action = self.kept_plan(&self.operation(id)?).map(|plan| plan.action);
        let mut watches: BTreeMap<TenantId, Watch> = BTreeMap::new();
        let mut pause = waiting.first;
        let mut first = true;
        loop {
            let operation = self.operation(id)?;
            let action = action.as_ref().unwrap_or(&operation.action);
            let wanted = |h: &&HostOutcome| is_watched(h, first) && !is_given_up(&watches, &h.host.tenant);
            let hosts: Vec<HostOutcome> = operation.hosts.iter().filter(wanted).cloned().collect();
            self.ask(id, action, hosts, &mut watches).await?;
            first = false;
            let operation = self.operation(id)?;
            let open = operation
                .hosts
                .iter()
                .any(|h| is_watched(h, false) && !is_given_up(&watches, &h.host.tenant));
            let left = waiting.deadline.map(|d| d.saturating_sub(begin.elapsed()));
            if !open || left.is_some_and(|left| left.is_zero()) {
                let unread =
                    watches.into_iter().filter_map(|(tenant, w)| Some((tenant, w.given_up?))).collect();
                return Ok(Confirmed { operation, timed_out: open, unread });
            }
            sleep(left.map_or(pause, |left| pause.min(left))).await;
            pause = (pause * 3 / 2).min(waiting.longest);
        }
    }

    async fn ask(
        &self,
        id: &str,
        action: &edr_core::ResponseAction,
        hosts: Vec<HostOutcome>,
        watches: &mut BTreeMap<TenantId, Watch>,
    ) -> Result<()> {
        let tenants: BTreeSet<TenantId> = hosts.iter().map(|h| h.host.tenant.clone()).collect();
        let asks = tenants.into_iter().map(|tenant| {
            let target = |h: &HostOutcome| Target { uid: h.host.uid.clone(), handle: h.handle.clone() };
            let targets: Vec<Target> = hosts.iter().filter(|h| h.host.tenant == tenant).map(target).collect();
            async move {
                let answer = match self.provider(&tenant) {
                    Ok(provider) => provider.progress(action, &targets).await,
                    Err(error) => Err(error),
                };
                (tenant, answer)
            }
        });
        let answers: Vec<_> = stream::iter(asks).buffer_unordered(SIDE_BY_SIDE).collect().await;
        for (tenant, answer) in answers {
            let watch = watches.entry(tenant.clone()).or_default();
            match answer {
                Ok(progress) => {
                    watch.failures = 0;
                    self.observed(id, &tenant, progress, &hosts)?;
                }
                Err(error) => {
                    watch.failures += 1;
                    if !error.is_retryable() || watch.failures >= PATIENCE {
                        watch.given_up = Some(Told::from(&error));
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes down what is new. That a host which somebody else contained is so still is not.
    fn observed(
        &self,
        id: &str,
        tenant: &TenantId,
        progress: Vec<Progress>,
        before: &[HostOutcome],
    ) -> Result<()> {
        let known: BTreeMap<HostKey, &HostOutcome> = before.iter().map(|h| (h.host.key(), h)).collect();
        let is_new = |p: &Progress| match (known.get(&HostKey::new(tenant, &p.uid)), of_standing(&p.standing))
        {
            (Some(h), outcome) if h.outcome == Outcome::Already => {
                outcome.is_under_way() || (h.ours && outcome == Outcome::Done)
            }
            (Some(before), outcome) => before.outcome != outcome,
            (None, _) => false,
        };
        let seen = |p: Progress| Seen { uid: p.uid, standing: told(p.standing) };
        let hosts: Vec<Seen> = progress.into_iter().filter(|p| is_new(p)).map(seen).collect();
        if hosts.is_empty() {
            return Ok(());
        }
        let (plan, tenant) = (id.to_owned(), tenant.clone());
        self.journal().append(Event::Observed { plan, tenant, hosts }).map(drop)
    }
}

/// A vendor's own word is one line, and not a whole answer.
fn told(standing: Standing) -> Standing {
    let short = |text: String| text.chars().filter(|c| !c.is_control()).take(300).collect();
    match standing {
        Standing::Failed { reason } => Standing::Failed { reason: short(reason) },
        Standing::Partial { reason } => Standing::Partial { reason: short(reason) },
        Standing::Unknown { word } => Standing::Unknown { word: short(word) },
        other => other,
    }
}

/// Offline hosts are looked at once: they may be back, and are not waited for. So are those of which the vendor said that
/// nothing had to be done: they may be on their way.
fn is_watched(host: &HostOutcome, first: bool) -> bool {
    match host.outcome {
        Outcome::Accepted | Outcome::Pending => true,
        Outcome::Offline => first,
        Outcome::Already => first && host.asked,
        _ => false,
    }
}

fn is_given_up(watches: &BTreeMap<TenantId, Watch>, tenant: &TenantId) -> bool {
    watches.get(tenant).is_some_and(|watch| watch.given_up.is_some())
}
