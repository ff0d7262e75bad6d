//! On-demand scans.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, PerId, Reply};
use crate::api::ods::{self, MaliciousFile, NewScan, Scan, ScanHost, ScanSchedule, ScheduledScan};
use crate::api::{Aggregate, AggregateSpec, Endpoint, ListParams};

macro_rules! identified {
    ($($kind:ident)+) => {
        $(
            impl Identified for $kind {
                fn uid(&self) -> Option<&str> {
                    self.id.as_deref()
                }
            }
        )+
    };
}

identified! { MaliciousFile Scan ScanHost ScheduledScan }

impl FalconClient {
    /// A page of ids of scans.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent without a filter; as the vendor answers.
    pub async fn scan_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.filtered(ods::query(params)).await
    }

    /// Scans by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn scans_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<Scan>> {
        self.find(ids, Room::url(ods::MAX_IDS), |ids| ods::ENTITIES.by_query("ids", ids)).await
    }

    /// A page of ids of what single hosts have done.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent without a filter; as the vendor answers.
    pub async fn scan_host_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.filtered(ods::query_hosts(params)).await
    }

    /// What single hosts have done, by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn scan_hosts_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<ScanHost>> {
        self.find(ids, Room::url(ods::MAX_IDS), |ids| ods::HOSTS.by_query("ids", ids)).await
    }

    /// A page of ids of malicious files that scans have found.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent without a filter; as the vendor answers.
    pub async fn malicious_file_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.filtered(ods::query_files(params)).await
    }

    /// Malicious files that scans have found, by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn malicious_files_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<MaliciousFile>> {
        self.find(ids, Room::url(ods::MAX_IDS), |ids| ods::FILES.by_query("ids", ids)).await
    }

    /// A page of ids of planned scans.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent without a filter; as the vendor answers.
    pub async fn scheduled_scan_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.filtered(ods::query_scheduled(params)).await
    }

    /// Planned scans by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn scheduled_scans_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<ScheduledScan>> {
        self.find(ids, Room::url(ods::MAX_IDS), |ids| ods::SCHEDULED.by_query("ids", ids)).await
    }

    /// Counts by one of [`ods::COUNT_SCANS`], [`ods::COUNT_HOSTS`] and [`ods::COUNT_SCHEDULED`]. The vendor wants
    /// the scope to write for them.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent when a question lacks what its kind
    /// needs; as the vendor answers.
    pub async fn scan_counts(
        &self,
        of: &'static Endpoint,
        specs: &[AggregateSpec],
    ) -> Result<Reply<Aggregate>> {
        self.counts(ods::counts(of, specs), specs).await
    }

    /// Starts a scan. It is under way when [`Scan::status`] says so; hosts that are offline begin when they are back.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent without a path, or without hosts; as the
    /// vendor answers.
    pub async fn start_scan(&self, scan: &NewScan) -> Result<Reply<Scan>> {
        let plan = ods::create(scan);
        self.is_whole(scan, &plan)?;
        self.entities(plan).await
    }

    /// Stops scans, in any number. One that is at its end is refused.
    ///
    /// # Errors
    /// As the vendor answers the first call; what comes after that stands in the result.
    pub async fn cancel_scans<S: AsRef<str>>(&self, ids: &[S]) -> Result<PerId<String>> {
        self.change(ids, Room::body(ods::MAX_IDS), None, ods::cancel).await
    }

    /// Plans a scan.
    ///
    /// # Errors
    /// As for [`Self::start_scan`].
    pub async fn schedule_scan(
        &self,
        scan: &NewScan,
        schedule: &ScanSchedule,
    ) -> Result<Reply<ScheduledScan>> {
        let plan = ods::schedule(scan, schedule);
        self.is_whole(scan, &plan)?;
        self.entities(plan).await
    }

    /// Takes planned scans away, in any number.
    ///
    /// # Errors
    /// As the vendor answers the first call; what comes after that stands in the result.
    pub async fn delete_scheduled_scans<S: AsRef<str>>(&self, ids: &[S]) -> Result<PerId<String>> {
        self.change(ids, Room::url(ods::MAX_IDS), None, ods::delete_scheduled).await
    }

    fn is_whole(&self, scan: &NewScan, plan: &edr_http::RequestPlan) -> Result<()> {
        let paths = scan.file_paths.is_empty() && scan.settings.scan_inclusions.is_none();
        if paths || scan.hosts.is_empty() == scan.host_groups.is_empty() {
            let hint = "name paths, and either hosts or groups of hosts";
            return Err(self.refuse(plan, "it is not said what is scanned", hint));
        }
        Ok(())
    }
}
