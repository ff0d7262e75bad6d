//! What must hold before anything is sent. Every refusal names its rule.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use edr_core::{ResponseAction, TenantId};

use super::approve::{ApprovalKey, Signature};
use super::error::Refusal;
use super::host::{HostKey, HostRef};
use super::plan::{Decision, Plan};
use super::safety::Safety;

/// The most hosts of a run that does not say otherwise.
pub const DEFAULT_MAX_HOSTS: usize = 25;

/// A rule of safety.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// `[safety] approvals`: too few of the configured keys have signed the plan.
    Approvals,
    /// `[safety] max_hosts`: the ceiling that nothing passes.
    Ceiling,
    /// The number that was given to confirm is not the plan's.
    Confirm,
    /// Nobody agreed.
    Consent,
    /// Nothing is selected. That never means everything.
    EmptySelection,
    /// The lease of the operation is over: nothing more is contained for it.
    Lease,
    /// More hosts than the run may act on.
    MaxHosts,
    /// More indicators than the run may change.
    MaxIocs,
    /// The estate moved under the plan.
    Moved,
    /// `[safety] per_hour`: too many hosts within an hour.
    PerHour,
    /// `[safety] per_tenant`: too many hosts of one tenant within an hour.
    PerTenant,
    /// `[safety] plan_age`: the plan is too old.
    PlanAge,
    /// The plan is not as it was made.
    PlanEdited,
    /// `[safety] read_only`.
    ReadOnly,
    /// A signature does not count.
    Signature,
    /// Something was left out, and the run was to be strict.
    Strict,
    /// A pattern where a host is meant.
    Wildcard,
    /// Agreed in advance, without saying how many hosts at most.
    YesNeedsMaxHosts,
    /// Agreed in advance, without saying how many indicators at most.
    YesNeedsMaxIocs,
}

impl Rule {
    /// The rule as a stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approvals => "approvals",
            Self::Ceiling => "ceiling",
            Self::Confirm => "confirm",
            Self::Consent => "consent",
            Self::EmptySelection => "empty_selection",
            Self::Lease => "lease",
            Self::MaxHosts => "max_hosts",
            Self::MaxIocs => "max_iocs",
            Self::Moved => "moved",
            Self::PerHour => "per_hour",
            Self::PerTenant => "per_tenant",
            Self::PlanAge => "plan_age",
            Self::PlanEdited => "plan_edited",
            Self::ReadOnly => "read_only",
            Self::Signature => "signature",
            Self::Strict => "strict",
            Self::Wildcard => "wildcard",
            Self::YesNeedsMaxHosts => "yes_needs_max_hosts",
            Self::YesNeedsMaxIocs => "yes_needs_max_iocs",
        }
    }
}

/// How somebody agreed to a plan. Without any of it nothing runs.
///
/// ```
/// use edr::respond::Consent;
/// let typed = Consent::typed(12);
/// let automatic = Consent::yes(40).confirm(38);
/// assert_ne!(typed, automatic);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Consent {
    /// The run may act on so many hosts; [`DEFAULT_MAX_HOSTS`] unless said otherwise.
    pub max_hosts: Option<usize>,
    /// The plan must act on exactly so many hosts.
    pub confirm: Option<usize>,
    /// The number that a person typed after seeing the plan.
    pub typed: Option<usize>,
    /// Agreed in advance.
    pub yes: bool,
    /// What is left out refuses the whole run.
    pub strict: bool,
    /// Go on with the hosts that are as the plan saw them, when others are not.
    pub without_moved: bool,
    /// Who signed the plan.
    pub signatures: Vec<Signature>,
    /// A lease that is due: agreed when the hosts were contained.
    pub(super) lease: bool,
}

impl Consent {
    /// A person saw the plan and typed its number of hosts.
    #[must_use]
    pub fn typed(hosts: usize) -> Self {
        Self { typed: Some(hosts), ..Self::default() }
    }

    /// Agreed in advance, for at most so many hosts.
    #[must_use]
    pub fn yes(max_hosts: usize) -> Self {
        Self { yes: true, max_hosts: Some(max_hosts), ..Self::default() }
    }

    /// The plan must act on exactly so many hosts.
    #[must_use]
    pub fn confirm(mut self, hosts: usize) -> Self {
        self.confirm = Some(hosts);
        self
    }

    /// What is left out refuses the whole run.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// The run may act on so many hosts.
    #[must_use]
    pub fn max_hosts(mut self, hosts: usize) -> Self {
        self.max_hosts = Some(hosts);
        self
    }

    /// Go on with the hosts that are as the plan saw them, when others are not.
    #[must_use]
    pub fn without_moved(mut self) -> Self {
        self.without_moved = true;
        self
    }

    /// With these signatures.
    #[must_use]
    pub fn signed(mut self, signatures: Vec<Signature>) -> Self {
        self.signatures = signatures;
        self
    }
}

/// Holds plans against the rules. [`super::Responder::apply`] asks it every time; asking it before only tells earlier.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'a> {
    safety: &'a Safety,
}

impl<'a> Guard<'a> {
    /// A guard with these rules.
    #[must_use]
    pub fn new(safety: &'a Safety) -> Self {
        Self { safety }
    }

    /// Every rule that the plan and the consent decide by themselves. What other runs did, and where the hosts are
    /// now, is looked at when the plan is applied.
    ///
    /// # Errors
    /// The first rule that refuses.
    pub fn check(&self, plan: &Plan, consent: &Consent) -> Result<(), Refusal> {
        self.writable()?;
        if consent.lease {
            return gives_back(plan);
        }
        self.strict(plan, consent)?;
        self.check_count(plan.count(), "hosts", consent)?;
        self.approved(plan, consent)
    }

    /// The rules about how many, for a run that acts on so many hosts by several plans.
    ///
    /// # Errors
    /// The first rule that refuses.
    pub fn check_hosts(&self, hosts: usize, consent: &Consent) -> Result<(), Refusal> {
        self.check_count(hosts, "hosts", consent)
    }

    /// The rules about how many, and whether somebody agreed.
    pub(super) fn check_count(&self, count: usize, noun: &str, consent: &Consent) -> Result<(), Refusal> {
        self.writable()?;
        self.counts(count, noun, consent)?;
        agreed(count, noun, consent)
    }

    /// Nothing that changes runs in a process that may only read.
    ///
    /// # Errors
    /// [`Rule::ReadOnly`].
    pub fn writable(&self) -> Result<(), Refusal> {
        if self.safety.read_only {
            return Err(Refusal::new(Rule::ReadOnly, "[safety] read_only lets nothing be changed"));
        }
        Ok(())
    }

    fn strict(&self, plan: &Plan, consent: &Consent) -> Result<(), Refusal> {
        if !consent.strict {
            return Ok(());
        }
        let hindered = |h: &&super::plan::PlannedHost| h.decision.is_hindrance();
        let hosts: Vec<HostRef> = plan.hosts.iter().filter(hindered).map(|h| h.host.clone()).collect();
        let left_out = hosts.len() + plan.unresolved.len();
        if left_out + plan.unread.len() > 0 {
            let message = format!(
                "{left_out} hosts or names would be left out, and {} tenants were not read to their end",
                plan.unread.len()
            );
            return Err(Refusal::new(Rule::Strict, message).about(hosts));
        }
        Ok(())
    }

    fn counts(&self, count: usize, noun: &str, consent: &Consent) -> Result<(), Refusal> {
        if let Some(ceiling) = self.safety.max_hosts.filter(|ceiling| count > *ceiling) {
            let message = format!(
                "the plan acts on {count} {noun}; [safety] max_hosts is {ceiling}, and no flag passes it"
            );
            return Err(Refusal::new(Rule::Ceiling, message));
        }
        let most = consent.max_hosts.unwrap_or(DEFAULT_MAX_HOSTS);
        if count > most {
            let message = format!(
                "the plan acts on {count} {noun}, and the run may act on {most}; raise it with --max-hosts"
            );
            return Err(Refusal::new(Rule::MaxHosts, message));
        }
        match consent.confirm {
            Some(n) if n != count => Err(Refusal::new(
                Rule::Confirm,
                format!("the plan acts on {count} {noun}, not on exactly {n}"),
            )),
            _ => Ok(()),
        }
    }

    fn approved(&self, plan: &Plan, consent: &Consent) -> Result<(), Refusal> {
        if self.safety.approvals == 0 {
            return Ok(());
        }
        let mut signers: Vec<&str> = Vec::new();
        for signature in &consent.signatures {
            let signer = signature.signer(plan, &self.safety.keys)?.name();
            if signers.contains(&signer) {
                let message = format!("{signer} signed twice; each approval needs a key of its own");
                return Err(Refusal::new(Rule::Approvals, message));
            }
            signers.push(signer);
        }
        if signers.len() < self.safety.approvals {
            let message = format!("{} of {} keys have signed the plan", signers.len(), self.safety.approvals);
            return Err(Refusal::new(Rule::Approvals, message));
        }
        Ok(())
    }

    /// The keys of the configuration that have signed the plan, each once. Where no approval is asked for, a signature
    /// that proves nothing refuses nothing; but it is nobody's approval.
    pub(super) fn signers(&self, plan: &Plan, consent: &Consent) -> Vec<&'a ApprovalKey> {
        let mut signers: Vec<&ApprovalKey> = Vec::new();
        for signer in consent.signatures.iter().filter_map(|s| s.signer(plan, &self.safety.keys).ok()) {
            if !signers.contains(&signer) {
                signers.push(signer);
            }
        }
        signers
    }

    /// A plan that waited for too long shows an estate that is gone.
    pub(super) fn age(&self, plan: &Plan, now: DateTime<Utc>) -> Result<(), Refusal> {
        let age = now - plan.created;
        if age > self.safety.plan_age || plan.created > now + chrono::TimeDelta::minutes(10) {
            let message = format!("the plan was made at {}, and it is {}; make a new one", plan.created, now);
            return Err(Refusal::new(Rule::PlanAge, message));
        }
        Ok(())
    }

    /// The caps over all runs: `before` are the hosts of the last hour, `sends` those of this run.
    pub(super) fn caps<'h>(
        &self,
        action: &ResponseAction,
        before: impl Iterator<Item = &'h HostKey>,
        sends: &'h [HostKey],
    ) -> Result<(), Refusal> {
        // What undoes is never held up by a brake.
        if matches!(action, ResponseAction::Release) {
            return Ok(());
        }
        let all: std::collections::BTreeSet<&HostKey> = before.chain(sends).collect();
        if let Some(cap) = self.safety.per_hour.filter(|cap| all.len() > *cap) {
            let message =
                format!("it would make {} hosts within an hour; [safety] per_hour is {cap}", all.len());
            return Err(Refusal::new(Rule::PerHour, message));
        }
        let mut tenants: BTreeMap<&TenantId, usize> = BTreeMap::new();
        all.iter().for_each(|key| *tenants.entry(&key.tenant).or_default() += 1);
        let over = |(tenant, n): (&TenantId, usize), cap: usize| {
            let message =
                format!("it would make {n} hosts of {tenant} within an hour; [safety] per_tenant is {cap}");
            Refusal::new(Rule::PerTenant, message)
        };
        let cap = self.safety.per_tenant.unwrap_or(usize::MAX);
        tenants.into_iter().find(|(_, n)| *n > cap).map_or(Ok(()), |found| Err(over(found, cap)))
    }
}

/// A lease that is due is agreement to give back what it took, and to nothing else.
fn gives_back(plan: &Plan) -> Result<(), Refusal> {
    if plan.action == ResponseAction::Release && plan.releases.is_some() {
        return Ok(());
    }
    Err(Refusal::new(Rule::Consent, "a lease that is over agrees to its release alone"))
}

fn agreed(count: usize, noun: &str, consent: &Consent) -> Result<(), Refusal> {
    match (consent.typed, consent.yes, consent.max_hosts) {
        (Some(n), ..) if n == count => Ok(()),
        (Some(n), ..) => {
            Err(Refusal::new(Rule::Confirm, format!("{n} was typed, and the plan acts on {count} {noun}")))
        }
        (None, true, Some(_)) => Ok(()),
        (None, true, None) => {
            Err(Refusal::new(Rule::YesNeedsMaxHosts, "--yes without a terminal needs --max-hosts"))
        }
        (None, false, _) => Err(Refusal::new(Rule::Consent, "nobody agreed to the plan")),
    }
}

impl Decision {
    /// True when the host is left out for a reason that a strict run does not bear.
    #[must_use]
    pub fn is_hindrance(&self) -> bool {
        !matches!(
            self,
            Self::Act | Self::AlreadyDone | Self::Offline | Self::OtherAgent { .. } | Self::Pending
        )
    }
}
