//! Changes of alerts.

use crate::{
    Alert, AlertChange, AlertStatus, Answer, Assignee, Comment, EdrProvider as _, Error, Fit, Noun, Receipt,
    Result,
};

use super::{Content, InMemory, Quirk};

impl InMemory {
    /// Everything is expressed as it is, but for verdicts that a test made lossy.
    pub(super) fn fit(&self, change: &AlertChange) -> Result<Fit> {
        change.check()?;
        if let Some(status @ (AlertStatus::Other(_) | AlertStatus::Suppressed | AlertStatus::Unknown)) =
            &change.status
        {
            return Err(Error::unsupported(format!("the status {status} cannot be set")));
        }
        let near = self.nearest.iter().find(|(wanted, _)| change.verdict.as_ref() == Some(wanted));
        Ok(near.map_or(Fit::Exact, |(wanted, sent)| Fit::Lossy {
            wanted: wanted.to_string(),
            sent: sent.to_string(),
        }))
    }

    /// The change as it can be expressed.
    pub(super) fn nearest(&self, change: &AlertChange) -> AlertChange {
        let near = self.nearest.iter().find(|(wanted, _)| change.verdict.as_ref() == Some(wanted));
        let verdict = near.map(|(_, sent)| sent.clone()).or_else(|| change.verdict.clone());
        AlertChange { verdict, ..change.clone() }
    }

    /// Changes each alert, in the order asked.
    pub(super) fn change(
        &self,
        content: &mut Content,
        change: &AlertChange,
        alerts: &[String],
    ) -> Vec<Receipt> {
        alerts.iter().map(|uid| Receipt::new(uid, self.change_one(content, change, uid))).collect()
    }

    fn change_one(&self, content: &mut Content, change: &AlertChange, uid: &str) -> Answer {
        let quirk = content.quirks.get(uid).copied();
        if let Some(Quirk::Refused(kind)) = quirk {
            return Answer::Refused(self.said(kind, "this alert is refused"));
        }
        let now = self.clock.now();
        let Some(alert) = content.alerts.iter_mut().find(|a| a.uid == uid) else {
            return Answer::Refused(self.absent(Noun::Alert, uid));
        };
        let before = alert.clone();
        apply(change, alert);
        if *alert == before {
            return Answer::Already;
        }
        alert.modified_time = Some(now);
        content.log("update_alert", uid);
        match quirk {
            Some(Quirk::Unmentioned) => Answer::Unknown(self.lost()),
            _ => Answer::Accepted,
        }
    }

    /// Refuses what cannot be expressed as it was asked for, unless the nearest will do.
    pub(super) fn admit_change(&self, change: &AlertChange) -> Result<()> {
        change
            .admit(&self.alert_fit(change)?)
            .map_err(|e| e.with_operation("alert_update").with_tenant(&self.tenant, &self.vendor))
    }
}

fn apply(change: &AlertChange, alert: &mut Alert) {
    if let Some(status) = &change.status {
        alert.status = status.clone();
    }
    if let Some(verdict) = &change.verdict {
        alert.verdict = verdict.clone();
    }
    match &change.assignee {
        Some(Assignee::Nobody) => alert.assignee = None,
        Some(Assignee::User(user)) => alert.assignee = Some(user.clone()),
        None => {}
    }
    if let Some(text) = &change.comment {
        alert.comments.push(Comment { text: text.clone(), ..Comment::default() });
    }
    alert.labels.retain(|label| !change.remove_labels.contains(label));
    for label in &change.add_labels {
        if !alert.labels.contains(label) {
            alert.labels.push(label.clone());
        }
    }
}
