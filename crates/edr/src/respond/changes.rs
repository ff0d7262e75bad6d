//! Changing alerts and cases: looked at before, written down before and after the wire, and told one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use edr_core::{
    Alert, AlertChange, Because, Case, CaseChange, EdrProvider, Error as VendorError, ErrorKind, Feature,
    Fit, Listed, Receipt, Result as VendorResult, TenantId, Vendor,
};
use serde::Serialize;

use super::error::{Refusal, Result};
use super::guard::{Consent, Rule};
use super::plan::{Decision, uuid};
use super::record::{Event, JournalAnswer, Record, Told};
use super::responder::Responder;
use super::send::{all, answers};
use super::tale::of_answer;
use super::{AnswerWord, Outcome};

/// One alert or case of a change, and what would happen to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedItem {
    /// The tenant.
    pub tenant: TenantId,
    /// The vendor.
    pub vendor: Vendor,
    /// The vendor's own id.
    pub uid: String,
    /// What it says.
    pub title: String,
    /// Where it stands: a word of [`edr_core::AlertStatus`] or [`edr_core::CaseStatus`].
    pub status: String,
    /// What would happen: [`Decision::Act`], or why nothing.
    pub decision: Decision,
}

/// A change, and the alerts or cases that it is for. It is made and applied by one process.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChangePlan<C> {
    /// Its id.
    pub id: String,
    /// What is to change.
    pub change: C,
    /// Why.
    pub because: Because,
    /// What it is for, in the order of tenant and id.
    pub items: Vec<PlannedItem>,
    /// What was asked for and is not among [`Self::items`]: ids that nobody knows, tenants that could not be read. A
    /// strict run does not bear it.
    pub missing: Vec<String>,
    /// How the vendor of each tenant expresses the change that it is sent.
    pub fits: BTreeMap<TenantId, Fit>,
}

impl<C> ChangePlan<C> {
    /// How many items are changed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.items.iter().filter(|i| i.decision.is_sent()).count()
    }
}

/// What became of one alert or case. A vendor changes them at once: [`Outcome::Accepted`] is all that it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ItemOutcome {
    /// The tenant.
    pub tenant: TenantId,
    /// The vendor's own id.
    pub uid: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The id under which the vendor's support finds the request.
    pub trace_id: Option<String>,
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::AlertChange {}
    impl Sealed for super::CaseChange {}
}

/// A change that is planned, guarded and journaled: [`AlertChange`] and [`CaseChange`], and no other.
#[async_trait]
pub trait Change: sealed::Sealed + Clone + PartialEq + Send + Sync {
    /// What it changes.
    type Item: Listed;
    /// What a tenant must be able to do.
    #[doc(hidden)]
    const FEATURE: Feature;
    /// One and several of them.
    #[doc(hidden)]
    const NOUNS: (&'static str, &'static str);

    #[doc(hidden)]
    fn check(&self) -> VendorResult<()>;
    #[doc(hidden)]
    fn fit(&self, provider: &dyn EdrProvider) -> VendorResult<Fit>;
    #[doc(hidden)]
    fn admit(&self, fit: &Fit) -> VendorResult<()>;
    #[doc(hidden)]
    fn comments(&self) -> bool;
    /// The item, with nothing decided.
    #[doc(hidden)]
    fn planned(item: &Self::Item) -> PlannedItem;
    #[doc(hidden)]
    async fn send(&self, provider: &dyn EdrProvider, uids: &[String]) -> VendorResult<Vec<Receipt>>;
    #[doc(hidden)]
    fn intended(plan: &ChangePlan<Self>, tenant: TenantId, uids: Vec<String>) -> Event;
    #[doc(hidden)]
    fn answered(
        plan: String,
        tenant: TenantId,
        intent: u64,
        answers: Vec<JournalAnswer>,
        error: Option<Told>,
    ) -> Event;
    #[doc(hidden)]
    fn trace(event: &Event) -> Option<Trace<'_, Self>>;
}

/// What the journal knows of a change.
#[doc(hidden)]
#[derive(Debug)]
pub enum Trace<'a, C> {
    /// It was announced: where, what, and for which.
    Intended(&'a TenantId, &'a C, &'a [String]),
    /// It was answered: where, to which announcement, and how.
    Answered(&'a TenantId, u64, &'a [JournalAnswer]),
}

macro_rules! change {
    ($change:ident, $item:ident, $feature:ident, $nouns:expr, $fit:ident, $update:ident, $intended:ident, $answered:ident, $uids:ident) => {
        #[async_trait]
        impl Change for $change {
            type Item = $item;
            const FEATURE: Feature = Feature::$feature;
            const NOUNS: (&'static str, &'static str) = $nouns;

            fn check(&self) -> VendorResult<()> {
                self.check()
            }

            fn fit(&self, provider: &dyn EdrProvider) -> VendorResult<Fit> {
                provider.$fit(self)
            }

            fn admit(&self, fit: &Fit) -> VendorResult<()> {
                self.admit(fit)
            }

            fn comments(&self) -> bool {
                self.comment.is_some()
            }

            fn planned(item: &$item) -> PlannedItem {
                PlannedItem {
                    tenant: item.tenant.clone(),
                    vendor: item.vendor.clone(),
                    uid: item.uid.clone(),
                    title: item.title.clone(),
                    status: item.status.to_string(),
                    decision: Decision::Act,
                }
            }

            async fn send(&self, provider: &dyn EdrProvider, uids: &[String]) -> VendorResult<Vec<Receipt>> {
                provider.$update(self, uids).await
            }

            fn intended(plan: &ChangePlan<Self>, tenant: TenantId, $uids: Vec<String>) -> Event {
                let (change, because) = (plan.change.clone(), plan.because.clone());
                Event::$intended { plan: plan.id.clone(), tenant, change, because, $uids }
            }

            fn answered(
                plan: String,
                tenant: TenantId,
                intent: u64,
                answers: Vec<JournalAnswer>,
                error: Option<Told>,
            ) -> Event {
                Event::$answered { plan, tenant, intent, answers, error }
            }

            fn trace(event: &Event) -> Option<Trace<'_, Self>> {
                match event {
                    Event::$intended { tenant, change, $uids, .. } => {
                        Some(Trace::Intended(tenant, change, $uids))
                    }
                    Event::$answered { tenant, intent, answers, .. } => {
                        Some(Trace::Answered(tenant, *intent, answers))
                    }
                    _ => None,
                }
            }
        }
    };
}

change!(
    AlertChange,
    Alert,
    AlertUpdate,
    ("alert", "alerts"),
    alert_fit,
    update_alerts,
    AlertsIntended,
    AlertsAnswered,
    alerts
);
change!(
    CaseChange,
    Case,
    CaseUpdate,
    ("case", "cases"),
    case_fit,
    update_cases,
    CasesIntended,
    CasesAnswered,
    cases
);

impl Responder {
    /// What would happen to these alerts or cases. Nothing is sent.
    ///
    /// # Errors
    /// When the change makes no sense.
    pub fn plan_change<C: Change>(
        &self,
        items: &[C::Item],
        change: C,
        because: Because,
    ) -> Result<ChangePlan<C>> {
        change.check()?;
        let doubtful = self.journal().look(|records| in_doubt(records, &change))?;
        let mut fits = BTreeMap::new();
        let mut planned: BTreeMap<(TenantId, String), PlannedItem> = BTreeMap::new();
        for item in items {
            let mut item = C::planned(item);
            let key = (item.tenant.clone(), item.uid.clone());
            item.decision = match self.provider(&item.tenant) {
                Err(error) => Decision::Unread { reason: error.to_string() },
                Ok(_) if doubtful.contains(&key) => Decision::Unread {
                    reason: "nobody can say whether it was commented on before; look at it".to_owned(),
                },
                Ok(provider) => match admitted(&change, provider.as_ref()) {
                    Ok(fit) => {
                        fits.insert(item.tenant.clone(), fit);
                        Decision::Act
                    }
                    Err(error) => Decision::Unsupported { reason: error.to_string() },
                },
            };
            planned.insert(key, item);
        }
        let id = uuid(self.clock().now(), self.dice());
        let items = planned.into_values().collect();
        Ok(ChangePlan { id, change, because, items, missing: Vec::new(), fits })
    }

    /// Changes the alerts or cases, once each. What single items and tenants answered is in the list; it has every item
    /// that the plan acts on.
    ///
    /// # Errors
    /// [`super::Error::Refused`] with the rule, or a journal that cannot be written. Nothing was sent then, unless the
    /// journal failed on the way.
    pub async fn change<C: Change>(
        &self,
        plan: &ChangePlan<C>,
        consent: &Consent,
    ) -> Result<Vec<ItemOutcome>> {
        if let Err(refusal) = self.admit(plan, consent) {
            let (rule, message) = (refusal.rule.as_str().to_owned(), refusal.message.clone());
            self.journal().append(Event::Refused { plan: plan.id.clone(), rule, message })?;
            return Err(refusal.into());
        }
        let mut tenants: BTreeMap<&TenantId, Vec<String>> = BTreeMap::new();
        for item in plan.items.iter().filter(|i| i.decision.is_sent()) {
            tenants.entry(&item.tenant).or_default().push(item.uid.clone());
        }
        let mut outcomes = Vec::new();
        for (tenant, uids) in tenants {
            outcomes.extend(self.change_in(plan, &self.provider(tenant)?, &uids).await?);
        }
        Ok(outcomes)
    }

    /// What would refuse the change, for asking before a person is asked.
    ///
    /// # Errors
    /// The first rule that refuses.
    pub fn admit<C: Change>(&self, plan: &ChangePlan<C>, consent: &Consent) -> Result<(), Refusal> {
        let left_out = plan.items.len() - plan.count() + plan.missing.len();
        let (_, several) = C::NOUNS;
        if consent.strict && left_out > 0 {
            let message =
                format!("{left_out} of what was asked for would be left out: {several}, ids or tenants");
            return Err(Refusal::new(Rule::Strict, message));
        }
        self.guard().check_count(plan.count(), several, consent)
    }

    async fn change_in<C: Change>(
        &self,
        plan: &ChangePlan<C>,
        provider: &Arc<dyn EdrProvider>,
        uids: &[String],
    ) -> Result<Vec<ItemOutcome>> {
        let batch = provider.capabilities().batch(C::FEATURE).max(1);
        let mut outcomes = Vec::new();
        let mut stopped: Option<VendorError> = None;
        for chunk in uids.chunks(batch) {
            if let Some(error) = &stopped {
                outcomes.extend(chunk.iter().map(|uid| not_sent(provider, uid, error)));
                continue;
            }
            let tenant = provider.tenant().clone();
            let intent = self.journal().append(C::intended(plan, tenant.clone(), chunk.to_vec()))?;
            let (told, error) = match plan.change.send(provider.as_ref(), chunk).await {
                Ok(receipts) => (answers(chunk, receipts), None),
                Err(error) if error.is_outcome_unknown() => (all(chunk, AnswerWord::Unknown, &error), None),
                Err(error) => (all(chunk, AnswerWord::Refused, &error), Some(error)),
            };
            let wrong = error.as_ref().map(Told::from);
            self.journal().append(C::answered(plan.id.clone(), tenant, intent, told.clone(), wrong))?;
            outcomes.extend(told.iter().map(|answer| outcome(provider, answer)));
            stopped = error.filter(|e| is_about_the_caller(e.kind()));
        }
        Ok(outcomes)
    }
}

/// How the tenant's vendor expresses the change, unless it is too far from what is wanted.
fn admitted<C: Change>(change: &C, provider: &dyn EdrProvider) -> VendorResult<Fit> {
    let fit = change.fit(provider)?;
    change.admit(&fit)?;
    Ok(fit)
}

fn outcome(provider: &Arc<dyn EdrProvider>, answer: &JournalAnswer) -> ItemOutcome {
    let (tenant, uid) = (provider.tenant().clone(), answer.uid.clone());
    ItemOutcome { tenant, uid, outcome: of_answer(answer), trace_id: answer.trace_id.clone() }
}

fn not_sent(provider: &Arc<dyn EdrProvider>, uid: &str, error: &VendorError) -> ItemOutcome {
    let outcome = Outcome::NotSent { reason: error.to_string() };
    ItemOutcome { tenant: provider.tenant().clone(), uid: uid.to_owned(), outcome, trace_id: None }
}

/// The next chunk would be refused for the same reason.
fn is_about_the_caller(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Authentication | ErrorKind::Permission | ErrorKind::RateLimited)
}

/// What was asked to take this comment, and of which no answer is known: a comment is the only change that is not the
/// same when it is made twice.
fn in_doubt<C: Change>(records: &[Record], change: &C) -> BTreeSet<(TenantId, String)> {
    let mut doubtful = BTreeSet::new();
    if !change.comments() {
        return doubtful;
    }
    let mut intents: BTreeSet<u64> = BTreeSet::new();
    for record in records {
        match C::trace(&record.event) {
            Some(Trace::Intended(tenant, before, uids)) if before == change => {
                intents.insert(record.seq);
                doubtful.extend(uids.iter().map(|uid| (tenant.clone(), uid.clone())));
            }
            Some(Trace::Answered(tenant, intent, answers)) if intents.contains(&intent) => {
                for answer in answers.iter().filter(|a| a.answer != AnswerWord::Unknown) {
                    doubtful.remove(&(tenant.clone(), answer.uid.clone()));
                }
            }
            _ => {}
        }
    }
    doubtful
}
