//! Host groups.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, PerId, Reply};
use crate::api::host_groups::{self, HostGroup, HostGroupChange, MemberAction, NewHostGroup};
use crate::api::hosts::{self, Device};
use crate::api::{Accepted, ListParams};

impl Identified for HostGroup {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl Identified for String {
    fn uid(&self) -> Option<&str> {
        Some(self)
    }
}

impl FalconClient {
    /// A page of whole groups.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn host_groups(&self, params: &ListParams) -> Result<Reply<HostGroup>> {
        self.listing(host_groups::combined(params)).await
    }

    /// A page of ids of groups.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn host_group_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(host_groups::query(params)).await
    }

    /// Groups by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn host_groups_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<HostGroup>> {
        self.find(ids, Room::url(host_groups::MAX_IDS), host_groups::entities).await
    }

    /// A page of the devices in a group.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn host_group_members(&self, group: &str, params: &ListParams) -> Result<Reply<Device>> {
        self.listing(host_groups::members(group, params)).await
    }

    /// A page of the ids of the devices in a group.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn host_group_member_ids(&self, group: &str, params: &ListParams) -> Result<Reply<String>> {
        self.listing(host_groups::member_ids(group, params)).await
    }

    /// Makes groups.
    ///
    /// # Errors
    /// As the vendor answers; what it refused beside what it made is in [`Reply::errors`].
    pub async fn create_host_groups(&self, groups: &[NewHostGroup]) -> Result<Reply<HostGroup>> {
        self.entities(host_groups::create(groups)).await
    }

    /// Changes groups.
    ///
    /// # Errors
    /// As the vendor answers; what it refused beside what it changed is in [`Reply::errors`].
    pub async fn update_host_groups(&self, changes: &[HostGroupChange]) -> Result<Reply<HostGroup>> {
        self.entities(host_groups::update(changes)).await
    }

    /// Deletes groups, in any number. A group that something still has is refused; that it was taken off
    /// there shows here a few seconds later.
    ///
    /// # Errors
    /// As the vendor answers the first call; what comes after that stands in the result.
    pub async fn delete_host_groups<S: AsRef<str>>(&self, ids: &[S]) -> Result<PerId<String>> {
        self.change(ids, Room::url(host_groups::MAX_IDS), None, host_groups::delete).await
    }

    /// Puts devices into a static group or takes them out, in any number, 500 in a call. The vendor
    /// answers with the group, so a device of a call that it took counts as taken.
    ///
    /// # Errors
    /// [`edr_core::ErrorKind::InvalidRequest`] before anything is sent when something is no device id; as
    /// the vendor answers the first call. What comes after that stands in the result.
    pub async fn change_host_group<S: AsRef<str>>(
        &self,
        action: &MemberAction,
        group: &str,
        devices: &[S],
    ) -> Result<PerId<Accepted>> {
        let empty = host_groups::ACTIONS.plan();
        if devices.is_empty() || devices.iter().any(|id| !hosts::is_device_id(id.as_ref())) {
            return Err(self.refuse(&empty, "something is no device id", "a device id has 32 hex digits"));
        }
        let plan = |ids: &[String]| {
            // Device ids can always stand in FQL.
            host_groups::change_members(action, group, ids).unwrap_or_else(|_| empty.clone())
        };
        self.change(devices, Room::body(host_groups::MAX_DEVICES), Some(Accepted::default()), plan).await
    }
}
