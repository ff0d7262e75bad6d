//! Changing alerts: looked at before, written down before and after the wire, and told alert by alert.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use edr_core::{
    Alert, AlertChange, AlertStatus, Because, EdrProvider, Error as VendorError, ErrorKind, Feature,
    TenantId, Vendor,
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

/// One alert of a change, and what would happen to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlannedAlert {
    /// The tenant.
    pub tenant: TenantId,
    /// The vendor.
    pub vendor: Vendor,
    /// The vendor's own id.
    pub uid: String,
    /// What it says.
    pub title: String,
    /// Where it stands.
    pub status: AlertStatus,
    /// What would happen: [`Decision::Act`], or why nothing.
    pub decision: Decision,
}

/// A change, and the alerts that it is for. It is made and applied by one process.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AlertPlan {
    /// Its id.
    pub id: String,
    /// What is to change.
    pub change: AlertChange,
    /// Why.
    pub because: Because,
    /// The alerts, in the order of tenant and id.
    pub alerts: Vec<PlannedAlert>,
}

impl AlertPlan {
    /// How many alerts are changed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.alerts.iter().filter(|a| a.decision.is_sent()).count()
    }
}

/// What became of one alert. A vendor changes alerts at once: [`Outcome::Accepted`] is all that it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AlertOutcome {
    /// The tenant.
    pub tenant: TenantId,
    /// The vendor's own id.
    pub uid: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The id under which the vendor's support finds the request.
    pub trace_id: Option<String>,
}

impl Responder {
    /// What would happen to these alerts. Nothing is sent.
    ///
    /// # Errors
    /// When the change makes no sense.
    pub fn plan_alerts(&self, alerts: &[Alert], change: AlertChange, because: Because) -> Result<AlertPlan> {
        change.check()?;
        let doubtful = self.journal().look(|records| in_doubt(records, &change))?;
        let mut planned: BTreeMap<(TenantId, String), PlannedAlert> = BTreeMap::new();
        for alert in alerts {
            let key = (alert.tenant.clone(), alert.uid.clone());
            let decision = match self.provider(&alert.tenant) {
                Err(error) => Decision::Unread { reason: error.to_string() },
                Ok(_) if doubtful.contains(&key) => Decision::Unread {
                    reason: "nobody can say whether it was commented on before; look at it".to_owned(),
                },
                Ok(provider) => match provider.alert_fit(&change).and_then(|fit| change.admit(&fit)) {
                    Ok(()) => Decision::Act,
                    Err(error) => Decision::Unsupported { reason: error.to_string() },
                },
            };
            let (tenant, vendor, uid) = (alert.tenant.clone(), alert.vendor.clone(), alert.uid.clone());
            let (title, status) = (alert.title.clone(), alert.status.clone());
            planned.insert(key, PlannedAlert { tenant, vendor, uid, title, status, decision });
        }
        let id = uuid(self.clock().now(), self.dice());
        Ok(AlertPlan { id, change, because, alerts: planned.into_values().collect() })
    }

    /// Changes the alerts, once each. What single alerts and tenants answered is in the list; it has every alert that
    /// the plan acts on.
    ///
    /// # Errors
    /// [`super::Error::Refused`] with the rule, or a journal that cannot be written. Nothing was sent then, unless the
    /// journal failed on the way.
    pub async fn change_alerts(&self, plan: &AlertPlan, consent: &Consent) -> Result<Vec<AlertOutcome>> {
        if let Err(refusal) = self.admit(plan, consent) {
            let (rule, message) = (refusal.rule.as_str().to_owned(), refusal.message.clone());
            self.journal().append(Event::Refused { plan: plan.id.clone(), rule, message })?;
            return Err(refusal.into());
        }
        let mut tenants: BTreeMap<&TenantId, Vec<String>> = BTreeMap::new();
        for alert in plan.alerts.iter().filter(|a| a.decision.is_sent()) {
            tenants.entry(&alert.tenant).or_default().push(alert.uid.clone());
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
    pub fn admit(&self, plan: &AlertPlan, consent: &Consent) -> Result<(), Refusal> {
        let left_out = plan.alerts.len() - plan.count();
        if consent.strict && left_out > 0 {
            return Err(Refusal::new(Rule::Strict, format!("{left_out} alerts would be left out")));
        }
        self.guard().check_count(plan.count(), "alerts", consent)
    }

    async fn change_in(
        &self,
        plan: &AlertPlan,
        provider: &Arc<dyn EdrProvider>,
        uids: &[String],
    ) -> Result<Vec<AlertOutcome>> {
        let batch = provider.capabilities().batch(Feature::AlertUpdate).max(1);
        let mut outcomes = Vec::new();
        let mut stopped: Option<VendorError> = None;
        for chunk in uids.chunks(batch) {
            if let Some(error) = &stopped {
                outcomes.extend(chunk.iter().map(|uid| not_sent(provider, uid, error)));
                continue;
            }
            let intent = self.journal().append(Event::AlertsIntended {
                plan: plan.id.clone(),
                tenant: provider.tenant().clone(),
                change: plan.change.clone(),
                because: plan.because.clone(),
                alerts: chunk.to_vec(),
            })?;
            let (told, error) = match provider.update_alerts(&plan.change, chunk).await {
                Ok(receipts) => (answers(chunk, receipts), None),
                Err(error) if error.is_outcome_unknown() => (all(chunk, AnswerWord::Unknown, &error), None),
                Err(error) => (all(chunk, AnswerWord::Refused, &error), Some(error)),
            };
            let (tenant, told_error) = (provider.tenant().clone(), error.as_ref().map(Told::from));
            let (plan, answers) = (plan.id.clone(), told.clone());
            self.journal().append(Event::AlertsAnswered {
                plan,
                tenant,
                intent,
                answers,
                error: told_error,
            })?;
            outcomes.extend(told.iter().map(|answer| outcome(provider, answer)));
            stopped = error.filter(|e| is_about_the_caller(e.kind()));
        }
        Ok(outcomes)
    }
}

fn outcome(provider: &Arc<dyn EdrProvider>, answer: &JournalAnswer) -> AlertOutcome {
    let (tenant, uid) = (provider.tenant().clone(), answer.uid.clone());
    AlertOutcome { tenant, uid, outcome: of_answer(answer), trace_id: answer.trace_id.clone() }
}

fn not_sent(provider: &Arc<dyn EdrProvider>, uid: &str, error: &VendorError) -> AlertOutcome {
    let outcome = Outcome::NotSent { reason: error.to_string() };
    AlertOutcome { tenant: provider.tenant().clone(), uid: uid.to_owned(), outcome, trace_id: None }
}

/// The next chunk would be refused for the same reason.
fn is_about_the_caller(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Authentication | ErrorKind::Permission | ErrorKind::RateLimited)
}

/// Alerts that were asked to take this comment, and of which no answer is known: a comment is the only change that is not
/// the same when it is made twice.
fn in_doubt(records: &[Record], change: &AlertChange) -> BTreeSet<(TenantId, String)> {
    let mut doubtful = BTreeSet::new();
    if change.comment.is_none() {
        return doubtful;
    }
    let mut intents: BTreeMap<u64, (&TenantId, &[String])> = BTreeMap::new();
    for record in records {
        match &record.event {
            Event::AlertsIntended { tenant, change: before, alerts, .. } if before == change => {
                intents.insert(record.seq, (tenant, alerts));
                doubtful.extend(alerts.iter().map(|uid| (tenant.clone(), uid.clone())));
            }
            Event::AlertsAnswered { tenant, intent, answers, .. } if intents.contains_key(intent) => {
                let known = answers.iter().filter(|a| a.answer != AnswerWord::Unknown);
                for answer in known {
                    doubtful.remove(&(tenant.clone(), answer.uid.clone()));
                }
            }
            _ => {}
        }
    }
    doubtful
}
