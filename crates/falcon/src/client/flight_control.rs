//! Flight Control.

use edr_core::Result;

use super::by_id::Room;
use super::{ById, FalconClient, Identified, PerId, Reply};
use crate::api::flight_control::{
    self, Child, FlightGroup, GroupMembers, GroupOf, Link, LinkParams, NewGroup, NewLink,
};
use crate::api::{Accepted, ListParams};

impl Identified for Child {
    fn uid(&self) -> Option<&str> {
        self.child_cid.as_deref()
    }
}

impl Identified for FlightGroup {
    fn uid(&self) -> Option<&str> {
        self.cid_group_id.as_deref().or(self.user_group_id.as_deref())
    }
}

impl Identified for GroupMembers {
    fn uid(&self) -> Option<&str> {
        self.cid_group_id.as_deref().or(self.user_group_id.as_deref())
    }
}

impl Identified for Link {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

const ROOM: usize = flight_control::MAX_IDS;

impl FalconClient {
    /// A page of the customer ids of children.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn child_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(flight_control::query_children(params)).await
    }

    /// Children by customer id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn children_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<Child>> {
        self.find(ids, Room::body(ROOM), flight_control::children).await
    }

    /// A page of ids of groups, of one name where it is given.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn flight_group_ids(
        &self,
        of: GroupOf,
        name: Option<&str>,
        params: &ListParams,
    ) -> Result<Reply<String>> {
        self.listing(flight_control::query_groups(of, name, params)).await
    }

    /// Groups by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn flight_groups_by_id<S: AsRef<str>>(
        &self,
        of: GroupOf,
        ids: &[S],
    ) -> Result<ById<FlightGroup>> {
        self.find(ids, Room::url(ROOM), |ids| flight_control::groups(of, ids)).await
    }

    /// Makes groups.
    ///
    /// # Errors
    /// As the vendor answers; what it refused beside what it made is in [`Reply::errors`].
    pub async fn create_flight_groups(&self, of: GroupOf, new: &[NewGroup]) -> Result<Reply<FlightGroup>> {
        self.entities(flight_control::create_groups(of, new)).await
    }

    /// Changes a group.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn update_flight_group(
        &self,
        of: GroupOf,
        id: &str,
        new: &NewGroup,
    ) -> Result<Reply<FlightGroup>> {
        self.entities(flight_control::update_group(of, id, new)).await
    }

    /// Deletes groups, in any number. What the service answers for one that it deleted is not published: a
    /// group without an error counts as deleted.
    ///
    /// # Errors
    /// As the vendor answers the first call; what comes after that stands in the result.
    pub async fn delete_flight_groups<S: AsRef<str>>(
        &self,
        of: GroupOf,
        ids: &[S],
    ) -> Result<PerId<Accepted>> {
        let plan = |ids: &[String]| flight_control::delete_groups(of, ids);
        self.change(ids, Room::url(ROOM), Some(Accepted::default()), plan).await
    }

    /// A page of ids of the groups that a child or a user is in.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn flight_groups_with(
        &self,
        of: GroupOf,
        member: &str,
        params: &ListParams,
    ) -> Result<Reply<String>> {
        self.listing(flight_control::groups_with(of, member, params)).await
    }

    /// Who is in groups, in any number of groups.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn flight_group_members<S: AsRef<str>>(
        &self,
        of: GroupOf,
        groups: &[S],
    ) -> Result<ById<GroupMembers>> {
        self.find(groups, Room::url(ROOM), |ids| flight_control::members(of, ids)).await
    }

    /// Puts members into a group, or takes them out. The reply has the group's members; members that
    /// were refused are in [`Reply::errors`].
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn change_flight_group<S: AsRef<str>>(
        &self,
        of: GroupOf,
        add: bool,
        group: &str,
        members: &[S],
    ) -> Result<Reply<GroupMembers>> {
        self.entities(flight_control::change_members(of, add, group, members)).await
    }

    /// A page of ids of links.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn link_ids(&self, params: &LinkParams) -> Result<Reply<String>> {
        self.listing(flight_control::query_links(params)).await
    }

    /// Links by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn links_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<Link>> {
        self.find(ids, Room::url(ROOM), flight_control::links).await
    }

    /// Gives roles to groups of users over groups of children, or takes them away.
    ///
    /// # Errors
    /// As the vendor answers; what it refused beside what it took is in [`Reply::errors`].
    pub async fn change_links(&self, add: bool, links: &[NewLink]) -> Result<Reply<Link>> {
        self.entities(flight_control::change_links(add, links)).await
    }
}
