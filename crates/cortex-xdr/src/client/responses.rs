//! Orders to endpoints, and what becomes of them.

use std::collections::BTreeMap;

use edr_core::Result;
use edr_http::from_now;
use tokio::time::sleep;

use super::{CortexClient, Listing};
use crate::api::actions::{self, ActionId, ActionStarted, ActionStatus, Patience};
use crate::api::device_control::{self, Violation};
use crate::api::responses::{self, Endpoints, Terminate};
use crate::api::{Endpoint, endpoints, reply, tags};
use crate::filter::Filters;

impl CortexClient {
    /// Cuts endpoints off from the network. The answer is a receipt: [`Self::wait_for_action`] tells
    /// when they are.
    ///
    /// # Errors
    /// For more than 1,000; a conflict where an action is under way already; not found where none of them
    /// can be isolated, be it that it is so already; and as the vendor answers.
    pub async fn isolate(&self, endpoints: &Endpoints, incident: Option<&str>) -> Result<ActionStarted> {
        self.reply(self.planned(responses::isolate(endpoints, incident))?, actions::started).await
    }

    /// Ends an isolation.
    ///
    /// # Errors
    /// As [`Self::isolate`].
    pub async fn unisolate(&self, endpoints: &Endpoints, incident: Option<&str>) -> Result<ActionStarted> {
        self.reply(self.planned(responses::unisolate(endpoints, incident))?, actions::started).await
    }

    /// Scans endpoints for malware, which may take hours.
    ///
    /// # Errors
    /// For more than 1,000, and as the vendor answers.
    pub async fn scan(&self, endpoints: &Endpoints, incident: Option<&str>) -> Result<ActionStarted> {
        self.reply(self.planned(responses::scan(endpoints, incident))?, actions::started).await
    }

    /// Ends the scans of endpoints.
    ///
    /// # Errors
    /// For more than 1,000, and as the vendor answers.
    pub async fn abort_scan(&self, endpoints: &Endpoints, incident: Option<&str>) -> Result<ActionStarted> {
        self.reply(self.planned(responses::abort_scan(endpoints, incident))?, actions::started).await
    }

    /// Takes endpoints out of the console.
    ///
    /// # Errors
    /// For more than 1,000, and as the vendor answers.
    pub async fn delete_endpoints(&self, endpoints: &Endpoints) -> Result<()> {
        self.reply(self.planned(responses::delete_endpoints(endpoints))?, reply::done).await
    }

    /// Gives endpoints an alias; an empty one takes it away.
    ///
    /// # Errors
    /// For more than 1,000, and as the vendor answers.
    pub async fn set_alias(&self, endpoints: &Endpoints, alias: &str) -> Result<()> {
        self.reply(self.planned(responses::set_alias(endpoints, alias))?, reply::done).await
    }

    /// The name of the policy that an endpoint has.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn policy(&self, endpoint_id: &str) -> Result<String> {
        let plan = self.planned(responses::policy(endpoint_id))?;
        self.reply(plan, |body| reply::text(body, &["policy_name"])).await
    }

    /// Ends a process or a chain of them, on XDR 3.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn terminate(
        &self,
        endpoint_id: &str,
        what: &Terminate,
        incident: Option<&str>,
    ) -> Result<ActionStarted> {
        self.reply(self.planned(responses::terminate(endpoint_id, what, incident))?, actions::started).await
    }

    /// Brings agents to other versions, on XDR 5.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn upgrade(
        &self,
        endpoints: &Endpoints,
        versions: &BTreeMap<String, String>,
    ) -> Result<ActionStarted> {
        self.reply(self.planned(responses::upgrade(endpoints, versions))?, actions::started).await
    }

    /// Gives endpoints a tag.
    ///
    /// # Errors
    /// For an empty tag, more than 1,000 endpoints, and as the vendor answers.
    pub async fn assign_tag(&self, endpoints: &Endpoints, tag: &str) -> Result<()> {
        self.reply(self.planned(tags::assign_tag(endpoints, tag))?, reply::done).await
    }

    /// Takes a tag from endpoints.
    ///
    /// # Errors
    /// As [`Self::assign_tag`].
    pub async fn remove_tag(&self, endpoints: &Endpoints, tag: &str) -> Result<()> {
        self.reply(self.planned(tags::remove_tag(endpoints, tag))?, reply::done).await
    }

    /// Makes a tag known.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn create_tag(&self, tag: &str) -> Result<()> {
        self.reply(self.planned(tags::create_tag(tag))?, reply::done).await
    }

    /// Takes tags from every endpoint and from the list of tags.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn delete_tags(&self, tags: &[&str], reason: &str) -> Result<()> {
        self.reply(self.planned(tags::delete_tags(tags, reason))?, reply::done).await
    }

    /// Violations of device control, oldest first.
    #[must_use]
    pub fn violations(&self, filters: impl Into<Filters>) -> Listing<Violation> {
        Listing::new(self, &device_control::SHEET, filters.into())
    }

    /// How far an action has come. The first answer after an order may be empty.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn action_status(&self, id: &ActionId) -> Result<ActionStatus> {
        self.reply(actions::action_status(id), reply::object).await
    }

    /// Asks for an action until every endpoint has come to an end, or the time is up. Look at
    /// [`ActionStatus::is_over`]: an endpoint that is away may take days.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn wait_for_action(&self, id: &ActionId, patience: &Patience) -> Result<ActionStatus> {
        self.poll(patience, || self.action_status(id), ActionStatus::is_over).await
    }

    /// Asks until the answer is final or the time is up; gives the last one.
    pub(crate) async fn poll<T, F: Future<Output = Result<T>>>(
        &self,
        patience: &Patience,
        mut ask: impl FnMut() -> F,
        is_over: impl Fn(&T) -> bool,
    ) -> Result<T> {
        let end = from_now(patience.limit);
        let mut wait = patience.first;
        loop {
            let answer = ask().await?;
            if is_over(&answer) || from_now(wait) > end {
                return Ok(answer);
            }
            sleep(wait).await;
            wait = patience.next(wait);
        }
    }

    /// All endpoints that meet the conditions, oldest first, as they are.
    #[must_use]
    pub fn endpoint_listing(&self, filters: impl Into<Filters>) -> Listing<Endpoint> {
        Listing::new(self, &endpoints::SHEET, filters.into())
    }
}
