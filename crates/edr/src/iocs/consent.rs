//! What must hold before an indicator is changed: how many, who agreed, and what the configuration forbids.

use super::diff::{Indicators, TenantDiff};
use crate::respond::{Event, Refusal, Result, Rule, Safety};

/// The most indicators that a run changes which does not say otherwise.
pub const DEFAULT_MAX_IOCS: usize = 1_000;

/// How somebody agreed to change indicators. Without any of it nothing is sent.
///
/// ```
/// use edr::iocs::IocConsent;
/// assert_ne!(IocConsent::typed(12), IocConsent::at_most(12));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IocConsent {
    /// At most so many, over all tenants; [`DEFAULT_MAX_IOCS`] unless said otherwise.
    pub max_iocs: Option<usize>,
    /// Exactly so many, over all tenants.
    pub confirm: Option<usize>,
    /// The number that a person typed after seeing the plan.
    pub typed: Option<usize>,
    /// Agreed in advance.
    pub yes: bool,
}

impl IocConsent {
    /// Agreed in advance, to exactly so many changes.
    #[must_use]
    pub fn exactly(changes: usize) -> Self {
        Self { confirm: Some(changes), yes: true, ..Self::default() }
    }

    /// Agreed in advance, to at most so many changes.
    #[must_use]
    pub fn at_most(changes: usize) -> Self {
        Self { max_iocs: Some(changes), yes: true, ..Self::default() }
    }

    /// A person saw the plan and typed its number of changes.
    #[must_use]
    pub fn typed(changes: usize) -> Self {
        Self { typed: Some(changes), ..Self::default() }
    }
}

impl Indicators<'_> {
    /// Holds a plan against the rules; nothing is sent.
    ///
    /// # Errors
    /// The rule that refuses.
    pub fn check(&self, plan: &[TenantDiff], consent: &IocConsent) -> std::result::Result<(), Refusal> {
        let changes: usize = plan.iter().map(TenantDiff::changes).sum();
        if changes == 0 {
            return Ok(());
        }
        self.responder.guard().writable()?;
        unsigned(self.responder.safety())?;
        counted(changes, consent, self.responder.safety())?;
        agreed(changes, consent)
    }

    /// As [`Self::check`], and a refusal goes into the journal.
    pub(super) fn admit(&self, plan: &[TenantDiff], consent: &IocConsent, run: &str) -> Result<()> {
        let Err(refusal) = self.check(plan, consent) else { return Ok(()) };
        let (rule, message) = (refusal.rule.as_str().to_owned(), refusal.message.clone());
        self.responder.journal().append(Event::Refused { plan: run.to_owned(), rule, message })?;
        Err(refusal.into())
    }
}

/// Signatures are put on plans of hosts. Where a second person must agree, nobody changes indicators alone.
fn unsigned(safety: &Safety) -> std::result::Result<(), Refusal> {
    if safety.approvals == 0 {
        return Ok(());
    }
    let message = format!(
        "[safety] approvals asks for {} signatures, and a change of indicators cannot be signed",
        safety.approvals
    );
    Err(Refusal::new(Rule::Approvals, message))
}

fn counted(changes: usize, consent: &IocConsent, safety: &Safety) -> std::result::Result<(), Refusal> {
    if let Some(ceiling) = safety.max_iocs.filter(|ceiling| changes > *ceiling) {
        let message = format!(
            "{changes} indicators would change; [safety] max_iocs is {ceiling}, and no flag passes it"
        );
        return Err(Refusal::new(Rule::Ceiling, message));
    }
    if let Some(exact) = consent.confirm.filter(|exact| *exact != changes) {
        let message = format!("{changes} indicators would change, not exactly {exact}");
        return Err(Refusal::new(Rule::Confirm, message));
    }
    // An exact number says more than a ceiling.
    let max = consent.max_iocs.or(consent.confirm).unwrap_or(DEFAULT_MAX_IOCS);
    if changes > max {
        let message = format!(
            "{changes} indicators would change, and the run may change {max}; raise it with --max-iocs"
        );
        return Err(Refusal::new(Rule::MaxIocs, message));
    }
    Ok(())
}

fn agreed(changes: usize, consent: &IocConsent) -> std::result::Result<(), Refusal> {
    match (consent.typed, consent.yes, consent.max_iocs.or(consent.confirm)) {
        (Some(n), ..) if n == changes => Ok(()),
        (Some(n), ..) => {
            let message = format!("{n} was typed, and {changes} indicators would change");
            Err(Refusal::new(Rule::Confirm, message))
        }
        (None, true, Some(_)) => Ok(()),
        (None, true, None) => {
            let message = "--yes without a terminal needs --max-iocs or --confirm";
            Err(Refusal::new(Rule::YesNeedsMaxIocs, message))
        }
        (None, false, _) => {
            Err(Refusal::new(Rule::Consent, format!("nobody agreed to change {changes} indicators")))
        }
    }
}
