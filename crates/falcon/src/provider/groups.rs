//! Groups of hosts: which page of them, and how many hosts one has.

use bytes::Bytes;
use edr_core::{Error, ErrorKind, Filter, HostGroup, Rejected, Result};
use edr_http::RequestPlan;

use super::rows::Rows;
use super::{Falcon, filters};
use crate::api::host_groups;
use crate::api::{AfterParams, Endpoint, ListParams};
use crate::fql::Fql;
use crate::map;

/// The most groups on a page.
pub(super) const MAX_PAGE: u32 = 5_000;

impl Rows for HostGroup {
    const ENDPOINT: &'static Endpoint = &host_groups::COMBINED;
    const BY_OFFSET: bool = true;
    const MOST: u32 = MAX_PAGE;
    const SORTS: &'static [(&'static str, &'static str)] =
        &[("created_time", "created_timestamp"), ("modified_time", "modified_timestamp"), ("name", "name")];
    /// A new one joins at the end.
    const ORDER: Option<&'static str> = Some("created_timestamp.asc");
    const SIGN: char = '.';

    fn filter(filters: &[Filter]) -> Fql {
        filters::groups(filters)
    }

    fn plan(rows: AfterParams, offset: u64) -> RequestPlan {
        let AfterParams { filter, sort, limit, .. } = rows;
        host_groups::combined(&ListParams { filter, sort, limit, offset })
    }

    fn map(raw: &Bytes, context: &map::Context) -> Result<Self, Box<Rejected>> {
        map::group(raw, context)
    }
}

impl Falcon {
    /// One group, with the number of its hosts.
    pub(super) async fn one_group(&self, uid: &str) -> Result<HostGroup> {
        if uid.is_empty() || !uid.bytes().all(|b| b.is_ascii_hexdigit()) {
            let error = Error::new(ErrorKind::InvalidRequest, format!("{uid:?} is not the id of a group"));
            let error = error.with_hint("an id has hex digits");
            return Err(self.named(error, host_groups::ENTITIES.operation.name));
        }
        let mut group = self.one(host_groups::entities(&[uid]), uid, map::group).await?;
        let params = ListParams { limit: Some(1), ..ListParams::default() };
        let members = self.client().host_group_member_ids(uid, &params).await?;
        group.host_count = members.pagination().count().and_then(|n| u32::try_from(n).ok());
        Ok(group)
    }
}
