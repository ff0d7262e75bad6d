//! Policies.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, PerId, Reply};
use crate::api::hosts::Device;
use crate::api::policies::{
    self, Build, BuildStage, Kernel, NewPolicy, PolicyAction, PolicyChange, PolicyKind, PolicyPlatform,
    PreventionPolicy, ResponsePolicy, SensorUpdatePolicy, UninstallToken,
};
use crate::api::{Expect, ListParams};

impl Identified for PreventionPolicy {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for ResponsePolicy {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for SensorUpdatePolicy {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl FalconClient {
    /// A page of whole policies of a kind. Those of a Flight Control parent have its children's among
    /// them: look at `cid`.
    ///
    /// ```no_run
    /// use falcon::api::{ListParams, policies::Prevention};
    /// # async fn example(acme: falcon::Falcon) -> edr_core::Result<()> {
    /// let page = acme.client().policies::<Prevention>(&ListParams::filtered("enabled:true")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn policies<P: PolicyKind>(&self, params: &ListParams) -> Result<Reply<P::Policy>> {
        self.listing(policies::combined::<P>(params)).await
    }

    /// A page of ids of policies of a kind.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn policy_ids<P: PolicyKind>(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(policies::query::<P>(params)).await
    }

    /// Policies by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn policies_by_id<P: PolicyKind>(&self, ids: &[impl AsRef<str>]) -> Result<ById<P::Policy>> {
        self.find(ids, Room::url(policies::MAX_IDS), policies::entities::<P, String>).await
    }

    /// A page of the devices that a policy is meant for.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn policy_members<P: PolicyKind>(
        &self,
        policy: &str,
        params: &ListParams,
    ) -> Result<Reply<Device>> {
        self.listing(policies::members::<P>(policy, params)).await
    }

    /// A page of the ids of the devices that a policy is meant for.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn policy_member_ids<P: PolicyKind>(
        &self,
        policy: &str,
        params: &ListParams,
    ) -> Result<Reply<String>> {
        self.listing(policies::member_ids::<P>(policy, params)).await
    }

    /// Makes policies; they are disabled and have no groups.
    ///
    /// # Errors
    /// As the vendor answers; what it refused beside what it made is in [`Reply::errors`].
    pub async fn create_policies<P: PolicyKind>(
        &self,
        new: &[NewPolicy<P::Settings>],
    ) -> Result<Reply<P::Policy>> {
        self.entities(policies::create::<P>(new)).await
    }

    /// Changes policies.
    ///
    /// # Errors
    /// As the vendor answers; what it refused beside what it changed is in [`Reply::errors`].
    pub async fn update_policies<P: PolicyKind>(
        &self,
        changes: &[PolicyChange<P::Settings>],
    ) -> Result<Reply<P::Policy>> {
        self.entities(policies::update::<P>(changes)).await
    }

    /// Deletes policies, in any number. One that is enabled is refused: disable it first.
    ///
    /// # Errors
    /// As the vendor answers the first call; what comes after that stands in the result.
    pub async fn delete_policies<P: PolicyKind>(&self, ids: &[impl AsRef<str>]) -> Result<PerId<String>> {
        self.change(ids, Room::url(policies::MAX_IDS), None, policies::delete::<P, String>).await
    }

    /// Enables or disables policies, or gives groups to them, in any number. The vendor answers with the
    /// policies as they are then.
    ///
    /// # Errors
    /// As the vendor answers the first call; what comes after that stands in the result.
    pub async fn change_policies<P: PolicyKind>(
        &self,
        action: &PolicyAction,
        ids: &[impl AsRef<str>],
    ) -> Result<PerId<P::Policy>> {
        let plan = |ids: &[String]| policies::perform::<P, _>(action, ids);
        self.change(ids, Room::body(policies::MAX_IDS), None, plan).await
    }

    /// Puts the policies of a platform in order, the strongest first: all of them but the default one,
    /// and none of a child's.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn order_policies<P: PolicyKind>(
        &self,
        platform: &PolicyPlatform,
        ids: &[impl AsRef<str>],
    ) -> Result<Reply<String>> {
        self.typed(policies::precedence::<P, _>(platform, ids), Expect::Any).await.map(|(reply, _)| reply)
    }

    /// The builds of the sensor that there are.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn sensor_builds(&self, platform: Option<&str>, stages: &[BuildStage]) -> Result<Reply<Build>> {
        self.listing(policies::builds(platform, stages)).await
    }

    /// A page of the Linux kernels that builds support.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn sensor_kernels(&self, params: &ListParams) -> Result<Reply<Kernel>> {
        self.listing(policies::kernels(params)).await
    }

    /// Shows the token that uninstalls the sensor of a device, or, for [`policies::MAINTENANCE`], that of
    /// all in maintenance mode. It stands in the audit log with the message.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn uninstall_token(&self, device: &str, audit_message: &str) -> Result<Reply<UninstallToken>> {
        self.entities(policies::uninstall_token(device, audit_message)).await
    }
}
