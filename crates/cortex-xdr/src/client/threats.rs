//! Alerts to work on, hashes to block and allow, indicators.

use edr_core::Result;

use super::{Batch, CortexClient, Listing};
use crate::api::alert_work::{self, AlertUpdate, OriginalAlert, ParsedAlert, SearchFilter};
use crate::api::hashes::{self, HashChange, HashList};
use crate::api::indicators::{self, BiocRule, Indicator, IndicatorRule, Inserted};
use crate::api::issues::{self, IssueUpdate};
use crate::api::{AlertRecord, Skeleton, reply};
use crate::filter::Filters;

/// Where the items of `get_alerts_by_filter_data` stand.
const FILTER_DATA: &[&[&str]] = &[&["reply", "DATA"], &["reply", "alerts"]];

impl CortexClient {
    /// A window of alerts of XDR 3 by the columns of the console's table, newest first.
    ///
    /// # Errors
    /// As the vendor answers; tenants need not have the call.
    pub async fn alerts_by_filter_data(
        &self,
        filters: &[SearchFilter],
        from: u64,
        size: u32,
    ) -> Result<Batch<AlertRecord>> {
        let counts = &["FILTER_COUNT", "TOTAL_COUNT"];
        let envelope = |body: &[u8]| Skeleton::read(body, &["DATA", "alerts"], counts);
        let plan = alert_work::alerts_by_filter_data(filters, from, size);
        self.batch(plan, FILTER_DATA, super::record, envelope).await
    }

    /// Alerts of XDR 3 as they came in, at most a hundred.
    ///
    /// # Errors
    /// For none or more, and as the vendor answers.
    pub async fn original_alerts(&self, ids: &[u64]) -> Result<Vec<OriginalAlert>> {
        self.reply(self.planned(alert_work::original_alerts(ids))?, alert_work::originals).await
    }

    /// Changes alerts of XDR 3, at most a hundred; gives the ids of those that were changed.
    ///
    /// # Errors
    /// For none or more, an empty change, and as the vendor answers.
    pub async fn update_alerts(&self, ids: &[String], update: &AlertUpdate) -> Result<Vec<String>> {
        let plan = self.planned(alert_work::update_alerts(ids, update))?;
        self.reply(plan, |body| alert_work::updated(body, ids)).await
    }

    /// Changes an issue of XDR 5.
    ///
    /// # Errors
    /// For an id that is none, a change that contradicts itself, and as the vendor answers.
    pub async fn update_issue(&self, id: &str, update: &IssueUpdate) -> Result<()> {
        self.reply(self.planned(issues::update_issue(id, update))?, reply::done).await
    }

    /// Brings alerts of one's own in, at most sixty a call and 600 a minute.
    ///
    /// # Errors
    /// For none or more, and as the vendor answers.
    pub async fn insert_parsed_alerts(&self, alerts: &[ParsedAlert]) -> Result<()> {
        self.reply(self.planned(alert_work::insert_parsed_alerts(alerts))?, reply::done).await
    }

    /// Brings alerts in as lines of CEF, at most sixty a call and 600 a minute.
    ///
    /// # Errors
    /// For none or more, a line that is no CEF, and as the vendor answers.
    pub async fn insert_cef_alerts(&self, lines: &[String]) -> Result<()> {
        self.reply(self.planned(alert_work::insert_cef_alerts(lines))?, reply::done).await
    }

    /// Blocks or allows files by their SHA-256, or ends that: at most a hundred a call.
    ///
    /// # Errors
    /// For none, more, or what is no SHA-256, and as the vendor answers. A call that fails as a whole is
    /// refused with the vendor's words.
    pub async fn change_hashes(
        &self,
        list: HashList,
        hashes: &[String],
        comment: Option<&str>,
    ) -> Result<HashChange> {
        self.reply(self.planned(hashes::change_hashes(list, hashes, comment))?, hashes::changed).await
    }

    /// Puts indicators there. Look at [`Inserted::refused`]: one bad row does not fail the others.
    ///
    /// # Errors
    /// For none, and as the vendor answers.
    pub async fn insert_indicators(&self, indicators: &[Indicator]) -> Result<Inserted> {
        self.reply(self.planned(indicators::insert_indicators(indicators))?, indicators::inserted).await
    }

    /// Puts indicators there, as CSV.
    ///
    /// # Errors
    /// As [`Self::insert_indicators`].
    pub async fn insert_indicators_csv(&self, indicators: &[Indicator]) -> Result<Inserted> {
        self.reply(self.planned(indicators::insert_indicators_csv(indicators))?, indicators::inserted).await
    }

    /// Switches indicators on.
    ///
    /// # Errors
    /// For none, and as the vendor answers.
    pub async fn enable_indicators(&self, indicators: &[String]) -> Result<()> {
        self.reply(self.planned(indicators::switch_indicators(indicators, true))?, reply::done).await
    }

    /// Switches indicators off.
    ///
    /// # Errors
    /// For none, and as the vendor answers.
    pub async fn disable_indicators(&self, indicators: &[String]) -> Result<()> {
        self.reply(self.planned(indicators::switch_indicators(indicators, false))?, reply::done).await
    }

    /// Indicators of XDR 5.
    #[must_use]
    pub fn indicators(&self, filters: impl Into<Filters>) -> Listing<IndicatorRule> {
        Listing::new(self, &indicators::SHEET, filters.into())
    }

    /// Takes indicators of XDR 5 away.
    ///
    /// # Errors
    /// Without a condition, and as the vendor answers.
    pub async fn delete_indicators(&self, filters: impl Into<Filters>) -> Result<()> {
        self.reply(self.planned(indicators::delete_indicators(filters))?, reply::done).await
    }

    /// Rules of behaviour of XDR 5.
    #[must_use]
    pub fn bioc_rules(&self, filters: impl Into<Filters>) -> Listing<BiocRule> {
        Listing::new(self, &indicators::BIOC_SHEET, filters.into())
    }
}
