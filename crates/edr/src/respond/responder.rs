//! The engine: an estate, its rules, and where it keeps what it did.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edr_core::clock::{Clock, SystemClock};
use edr_core::{EdrProvider, ErrorKind, TenantId};

use super::error::{Error, Result};
use super::guard::{Guard, Rule};
use super::journal::Journal;
use super::operation::Operation;
use super::plan::Plan;
use super::resolve::{Resolved, resolve};
use super::safety::Safety;
use super::selector::Selector;
use super::state::{Lock, State};
use super::tale::{operation, operations};
use crate::Estate;

/// Sixteen random bytes at a time.
pub type Dice = Arc<dyn Fn() -> [u8; 16] + Send + Sync>;

/// The response engine. Its stages are methods: [`Self::resolve`], [`Self::plan`], [`Self::apply`], [`Self::confirm`],
/// and for giving back [`Self::plan_release_of`] and [`Self::run_due`].
pub struct Responder {
    estate: Estate,
    safety: Safety,
    state: State,
    journal: Journal,
    actor: String,
    tool: String,
    clock: Arc<dyn Clock>,
    dice: Dice,
    pub(super) grace: Duration,
}

/// Builds a [`Responder`].
pub struct ResponderBuilder {
    estate: Estate,
    folder: PathBuf,
    safety: Safety,
    actor: String,
    tool: String,
    clock: Arc<dyn Clock>,
    dice: Dice,
    grace: Duration,
}

impl ResponderBuilder {
    /// The rules; by default those of [`Safety::default`].
    #[must_use]
    pub fn safety(mut self, safety: Safety) -> Self {
        self.safety = safety;
        self
    }

    /// Who acts, as in `ann@soc-7`. It stands in every plan and record.
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = actor.into();
        self
    }

    /// The program that acts, and its version.
    #[must_use]
    pub fn tool(mut self, tool: impl Into<String>) -> Self {
        self.tool = tool.into();
        self
    }

    /// The clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where randomness comes from.
    #[must_use]
    pub fn dice(mut self, dice: Dice) -> Self {
        self.dice = dice;
        self
    }

    /// How long a request whose answer was lost may still take effect: only after it a host that looks untouched is asked
    /// for again. 15 seconds unless said otherwise.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Opens the state.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(self) -> Result<Responder> {
        let state = State::open(&self.folder)?;
        let journal = Journal::open(&self.folder, self.clock.clone(), &self.actor, &self.tool)?;
        Ok(Responder {
            estate: self.estate,
            safety: self.safety,
            state,
            journal,
            actor: self.actor,
            tool: self.tool,
            clock: self.clock,
            dice: self.dice,
            grace: self.grace,
        })
    }
}

impl fmt::Debug for ResponderBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponderBuilder").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").field("folder", &self.state.folder()).finish_non_exhaustive()
    }
}

impl Responder {
    /// An engine for this estate, with its state in this folder: processes that are to keep the same caps and leases share it.
    #[must_use]
    pub fn builder(estate: Estate, folder: impl Into<PathBuf>) -> ResponderBuilder {
        ResponderBuilder {
            estate,
            folder: folder.into(),
            safety: Safety::default(),
            actor: "unnamed".to_owned(),
            tool: concat!("edr ", env!("CARGO_PKG_VERSION")).to_owned(),
            clock: SystemClock::shared(),
            dice: Arc::new(rand::random),
            grace: Duration::from_secs(15),
        }
    }

    /// What the selectors stand for, in every tenant of the estate. Nothing is changed.
    ///
    /// # Errors
    /// When nothing is selected, or a selector makes no sense. A tenant that cannot be read is no error: what it hides is
    /// said in [`Resolved::unread`].
    pub async fn resolve(&self, selectors: &[Selector]) -> Result<Resolved> {
        resolve(&self.estate, selectors, self.safety.stale_after, self.clock.now()).await
    }

    /// The rules, for asking before a plan is applied.
    #[must_use]
    pub fn guard(&self) -> Guard<'_> {
        Guard::new(&self.safety)
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Every operation of the journal, the oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn operations(&self) -> Result<Vec<Operation>> {
        self.journal.look(operations)
    }

    /// One operation.
    ///
    /// # Errors
    /// When the journal cannot be read, or knows no such operation.
    pub fn operation(&self, id: &str) -> Result<Operation> {
        let found = self.journal.look(|records| operation(records, id))?;
        found.ok_or_else(|| Error::UnknownOperation(id.to_owned()))
    }

    /// Where the plan of an operation is kept, for taking it up again.
    ///
    /// # Errors
    /// [`Error::UnknownOperation`] for what is no id: it would be the name of some other file.
    pub fn plan_path(&self, id: &str) -> Result<PathBuf> {
        self.state.plan(id)
    }

    /// The plan that is kept of this operation, if it is the one that was applied.
    pub(super) fn kept_plan(&self, operation: &Operation) -> Result<Plan> {
        let plan = Plan::load(&self.state.plan(&operation.id)?)?;
        if plan.id == operation.id && plan.digest == operation.digest {
            return Ok(plan);
        }
        let message = format!("the plan that is kept for {} is not the one that was applied", operation.id);
        Err(Error::refused(Rule::PlanEdited, message))
    }

    /// The rules.
    #[must_use]
    pub fn safety(&self) -> &Safety {
        &self.safety
    }

    /// The folder of the state.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.state.folder()
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn estate(&self) -> &Estate {
        &self.estate
    }

    /// One process at a time changes indicators, or two could send the same where nobody can read it back.
    pub(crate) fn lock_iocs(&self) -> Result<Lock> {
        self.state.lock_iocs(&self.actor)
    }

    pub(crate) fn grace(&self) -> Duration {
        self.grace
    }

    pub(super) fn actor(&self) -> &str {
        &self.actor
    }

    pub(super) fn tool(&self) -> &str {
        &self.tool
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    pub(crate) fn dice(&self) -> [u8; 16] {
        (self.dice)()
    }

    /// The tenant's provider, or why there is none.
    pub(super) fn provider(&self, tenant: &TenantId) -> edr_core::Result<Arc<dyn EdrProvider>> {
        let member = self.estate.members().iter().find(|m| m.tenant == *tenant);
        let absent = || {
            edr_core::Error::new(
                ErrorKind::Configuration,
                format!("the tenant {tenant} is not among those that are chosen"),
            )
        };
        member.ok_or_else(absent)?.provider.clone()
    }
}
