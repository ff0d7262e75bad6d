//! Users of the console and their roles.

use edr_core::{ErrorKind, Result};

use super::by_id::Room;
use super::{ById, FalconClient, Identified, PerId, Reply};
use crate::api::users::{self, Grant, GrantAction, GrantChange, NewUser, Role, User, UserAction};
use crate::api::{Accepted, Expect, ListParams};

impl Identified for User {
    fn uid(&self) -> Option<&str> {
        self.uuid.as_deref()
    }
}

impl Identified for Role {
    fn uid(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl FalconClient {
    /// A page of ids of users.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn user_ids(&self, params: &ListParams) -> Result<Reply<String>> {
        self.listing(users::query(params)).await
    }

    /// Users by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn users_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<User>> {
        self.find(ids, Room::body(users::MAX_IDS), users::entities).await
    }

    /// Makes a user; with `validate_only` only says whether it could be made.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn create_user(&self, user: &NewUser, validate_only: bool) -> Result<Reply<User>> {
        self.typed(users::create(user, validate_only), Expect::Any).await.map(|(reply, _)| reply)
    }

    /// Changes a user's name.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn update_user(
        &self,
        uuid: &str,
        first_name: Option<&str>,
        last_name: Option<&str>,
    ) -> Result<Reply<User>> {
        self.entities(users::update(uuid, first_name, last_name)).await
    }

    /// Deletes a user.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn delete_user(&self, uuid: &str) -> Result<()> {
        self.done(users::delete(uuid)).await
    }

    /// Resets the password or second factor of users, in any number. The service answers without rows: a
    /// user without an error counts as done.
    ///
    /// # Errors
    /// As the vendor answers the first call; what comes after that stands in the result.
    pub async fn reset_users<S: AsRef<str>>(
        &self,
        action: &UserAction,
        ids: &[S],
    ) -> Result<PerId<Accepted>> {
        let plan = |ids: &[String]| users::perform(action, ids);
        self.change(ids, Room::body(users::MAX_IDS), Some(Accepted::default()), plan).await
    }

    /// Gives roles to a user or takes them away: all, or none. Reads show it more than half a minute later.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] before anything is sent when there are more than
    /// [`users::MAX_IDS`] roles, or none; as the vendor answers.
    pub async fn change_user_roles(&self, change: &GrantChange) -> Result<()> {
        let plan = users::change_roles(change);
        if !(1..=users::MAX_IDS).contains(&change.role_ids.len()) {
            let hint = "a call gives all of its roles or none, so it is not split: give 1 to 100";
            return Err(self.refuse(&plan, "too many roles for one call, or none", hint));
        }
        self.done(plan).await
    }

    /// A page of the roles that a user has, in a customer id where one is named.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn user_grants(
        &self,
        uuid: &str,
        cid: Option<&str>,
        direct_only: bool,
        params: &ListParams,
    ) -> Result<Reply<Grant>> {
        self.listing(users::grants(uuid, cid, direct_only, params)).await
    }

    /// Ids of the roles that can be given, or that a user has.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn role_ids(
        &self,
        action: Option<&GrantAction>,
        cid: Option<&str>,
        user_uuid: Option<&str>,
    ) -> Result<Reply<String>> {
        self.listing(users::roles(action, cid, user_uuid)).await
    }

    /// Roles by id, in any number.
    ///
    /// # Errors
    /// As the vendor answers.
    pub async fn roles_by_id<S: AsRef<str>>(&self, ids: &[S]) -> Result<ById<Role>> {
        self.find(ids, Room::body(users::MAX_IDS), users::role_entities).await
    }

    /// A change whose answer says nothing but errors.
    pub(super) async fn done(&self, plan: edr_http::RequestPlan) -> Result<()> {
        let operation = plan.operation;
        let (reply, failure) = self.typed::<Accepted>(plan, Expect::Any).await?;
        let error = failure.or_else(|| {
            let error = reply.envelope.all_errors().into_iter().next()?;
            let message = error.message.unwrap_or_default();
            Some(edr_core::Error::new(ErrorKind::NotFound, crate::dialect::clean(&message).into_owned()))
        });
        error.map_or(Ok(()), |e| {
            Err(e.with_operation(operation.name).with_tenant(self.http.tenant(), self.http.vendor()))
        })
    }
}
