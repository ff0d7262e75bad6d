//! The tenant itself: users, keys, licences, packages, audits.

use edr_core::{Error, ErrorKind, Result};
use edr_http::{Download, Downloaded};

use super::{Batch, CortexClient, Listing};
use crate::api::admin::{self, ApiKey, RiskScore, Role, TenantInfo, User, UserGroup};
use crate::api::audits::{self, AgentReport, ManagementLog};
use crate::api::distributions::{self, Distribution, NewPackage, PackageForm, Versions};
use crate::api::{self, PageRequest, Skeleton, reply};
use crate::filter::Filters;

impl CortexClient {
    /// What was done in the console, oldest first.
    #[must_use]
    pub fn management_logs(&self, filters: impl Into<Filters>) -> Listing<ManagementLog> {
        Listing::new(self, &audits::MANAGEMENT_SHEET, filters.into())
    }

    /// A window of what the agents report.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn agent_reports(&self, page: &PageRequest) -> Result<Batch<AgentReport>> {
        let envelope = |body: &[u8]| Skeleton::read(body, &["data"], &["total_count"]);
        self.batch(audits::agent_reports(page), &[&["reply", "data"]], audits::report, envelope).await
    }

    /// The versions of the agent, by platform.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn agent_versions(&self) -> Result<Versions> {
        self.reply(distributions::versions(), reply::object).await
    }

    /// Makes a package; gives its id.
    ///
    /// # Errors
    /// For a missing name or version, and as the vendor answers.
    pub async fn create_distribution(
        &self,
        name: &str,
        package: &NewPackage,
        description: Option<&str>,
    ) -> Result<String> {
        let plan = self.planned(distributions::create_distribution(name, package, description))?;
        self.reply(plan, |body| reply::text(body, &["distribution_id"])).await
    }

    /// How far a package is, in the vendor's word.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn distribution_status(&self, id: &str) -> Result<String> {
        let plan = self.planned(distributions::distribution_status(id))?;
        self.reply(plan, |body| reply::text(body, &["status"])).await
    }

    /// Where a package lies, for [`Self::download`].
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn distribution_url(&self, id: &str, form: &PackageForm) -> Result<String> {
        let plan = self.planned(distributions::distribution_url(id, form))?;
        self.reply(plan, |body| reply::text(body, &["distribution_url"])).await
    }

    /// Downloads a package that is done.
    ///
    /// # Errors
    /// As [`Self::download`].
    pub async fn download_distribution(
        &self,
        id: &str,
        form: &PackageForm,
        to: &Download,
    ) -> Result<Downloaded> {
        self.download(&self.distribution_url(id, form).await?, to).await
    }

    /// Packages.
    #[must_use]
    pub fn distributions(&self, filters: impl Into<Filters>) -> Listing<Distribution> {
        Listing::new(self, &distributions::SHEET, filters.into())
    }

    /// Takes a package away.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn delete_distribution(&self, id: &str) -> Result<()> {
        self.reply(self.planned(distributions::delete_distribution(id))?, reply::done).await
    }

    /// Users.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn users(&self) -> Result<Vec<User>> {
        self.reply(admin::users(), |body| reply::list(body, &["data", "users"])).await
    }

    /// Roles by name.
    ///
    /// # Errors
    /// For none, and as the vendor answers.
    pub async fn roles(&self, names: &[&str]) -> Result<Vec<Role>> {
        self.reply(self.planned(admin::roles(names))?, |body| reply::list(body, &["data", "roles"])).await
    }

    /// Groups of users by name.
    ///
    /// # Errors
    /// For none, and as the vendor answers.
    pub async fn user_groups(&self, names: &[&str]) -> Result<Vec<UserGroup>> {
        self.reply(self.planned(admin::user_groups(names))?, |body| reply::list(body, &["data", "groups"]))
            .await
    }

    /// Gives users a role; `None` takes theirs away.
    ///
    /// # Errors
    /// For no users, and as the vendor answers.
    pub async fn set_user_role(&self, emails: &[&str], role: Option<&str>) -> Result<()> {
        self.reply(self.planned(admin::set_user_role(emails, role))?, reply::done).await
    }

    /// API keys of XDR 5.
    #[must_use]
    pub fn api_keys(&self, filters: impl Into<Filters>) -> Listing<ApiKey> {
        Listing::new(self, &admin::KEY_SHEET, filters.into())
    }

    /// The tenant's own word about the key in use, of XDR 5; `None` when its list does not have it.
    ///
    /// # Errors
    /// As the vendor answers; the call takes more than the role of a reader.
    pub async fn own_key(&self) -> Result<Option<ApiKey>> {
        let all = self.api_keys(Filters::new()).collect().await?;
        let mut keys = all.items.into_iter().map(|item| item.value);
        Ok(keys.find(|key| key.id.as_deref() == Some(self.key_id())))
    }

    /// The keys of XDR 5 that have ended or will within seven days.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn keys_that_end(&self) -> Result<Vec<ApiKey>> {
        let now = self.now();
        let all = self.api_keys(Filters::new()).collect().await?;
        let keys = all.items.into_iter().map(|item| item.value);
        Ok(keys.filter(|key| key.ends_soon(now).is_some()).collect())
    }

    /// Whether the key is good, without side effects.
    ///
    /// # Errors
    /// [`ErrorKind::Authentication`] when it is not, and as the vendor answers.
    pub async fn validate_key(&self) -> Result<bool> {
        let form = || Error::new(ErrorKind::Decode, "the answer says neither true nor false");
        self.reply(api::validate_key(), |body| admin::is_valid(body).ok_or_else(form)).await
    }

    /// Licences and their ends.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn tenant_info(&self) -> Result<TenantInfo> {
        self.reply(api::tenant_info(), reply::object).await
    }

    /// The score of a user or host of XDR 3.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn risk_score(&self, id: &str) -> Result<RiskScore> {
        self.reply(self.planned(admin::risk_score(id))?, reply::object).await
    }
}
