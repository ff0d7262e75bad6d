//! Hosts and alerts, seen alike.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use edr_core::{
    Alert, AlertQuery, Cursor, EdrProvider, EdrProviderExt as _, Feature, Filter, Host, HostQuery, Listing,
    Page, PartStream, Query, Raw, Result, WalkStream,
};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::World;
use crate::sample;

mod sealed {
    pub trait Sealed {}
    impl Sealed for edr_core::Alert {}
    impl Sealed for edr_core::Host {}
}

/// A noun that can be listed. Implemented for [`Host`] and [`Alert`]; a case that is a promise of
/// both takes it as a parameter.
pub trait Item: Listing + sealed::Sealed {
    /// How it is asked for.
    type Query: Query<Item = Self>;
    /// The feature behind the listing.
    const LIST: Feature;
    /// The feature behind the reading of one.
    const GET: Feature;
    /// The field that names it to a person.
    const NAME: &'static str;
    /// Fields that the selection of fields is tried with.
    const SELECTION: &'static [&'static str];
    /// Fields on which the listing and the reading of one must agree.
    const STEADY: &'static [&'static str];

    /// The ids that the back end holds.
    fn truth(world: &dyn World) -> BTreeSet<String>;
    /// Everything.
    fn query() -> Self::Query;
    /// With a page size.
    fn sized(query: Self::Query, size: u32) -> Self::Query;
    /// With one more filter.
    fn filtered(query: Self::Query, filter: Filter) -> Self::Query;
    /// With these fields only.
    fn selecting(query: Self::Query, fields: &[&'static str]) -> Self::Query;
    /// Asks for the connection state too, where the noun has one.
    fn connected(query: Self::Query) -> Self::Query;
    /// One page.
    fn page<'a>(
        provider: &'a dyn EdrProvider,
        query: &'a Self::Query,
        cursor: Option<&'a Cursor>,
    ) -> BoxFuture<'a, Result<Page<Self>>>;
    /// One item.
    fn one<'a>(provider: &'a dyn EdrProvider, uid: &'a str) -> BoxFuture<'a, Result<Self>>;
    /// The parts of one page.
    fn parts<'a>(
        provider: &'a dyn EdrProvider,
        query: &'a Self::Query,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, Self>;
    /// The walk over all pages.
    fn walk<'a>(
        provider: &'a dyn EdrProvider,
        query: &'a Self::Query,
        from: Option<Cursor>,
    ) -> WalkStream<'a, Self>;
    /// The plain stream.
    fn stream<'a>(provider: &'a dyn EdrProvider, query: &'a Self::Query) -> BoxStream<'a, Result<Self>>;
    /// The vendor's own JSON.
    fn raw(&self) -> &Raw;
    /// The values of a field that can be filtered on, as text that a filter takes.
    fn values(&self, field: &str) -> Vec<String>;
    /// Every time in it, by name.
    fn times(&self) -> Vec<(&'static str, Option<DateTime<Utc>>)>;
}

macro_rules! ask {
    ($query:ident, $page:ident, $one:ident, $parts:ident, $walk:ident, $stream:ident, $truth:ident, $values:path) => {
        type Query = $query;

        fn truth(world: &dyn World) -> BTreeSet<String> {
            world.$truth().into_iter().collect()
        }
        fn query() -> $query {
            $query::new()
        }
        fn sized(query: $query, size: u32) -> $query {
            query.page_size(size)
        }
        fn filtered(query: $query, filter: Filter) -> $query {
            query.filter(filter)
        }
        fn selecting(query: $query, fields: &[&'static str]) -> $query {
            query.fields(fields.iter().copied())
        }
        fn page<'a>(
            provider: &'a dyn EdrProvider,
            query: &'a $query,
            cursor: Option<&'a Cursor>,
        ) -> BoxFuture<'a, Result<Page<Self>>> {
            provider.$page(query, cursor)
        }
        fn one<'a>(provider: &'a dyn EdrProvider, uid: &'a str) -> BoxFuture<'a, Result<Self>> {
            provider.$one(uid)
        }
        fn parts<'a>(
            provider: &'a dyn EdrProvider,
            query: &'a $query,
            cursor: Option<Cursor>,
        ) -> PartStream<'a, Self> {
            provider.$parts(query, cursor)
        }
        fn walk<'a>(
            provider: &'a dyn EdrProvider,
            query: &'a $query,
            from: Option<Cursor>,
        ) -> WalkStream<'a, Self> {
            provider.$walk(query, from)
        }
        fn stream<'a>(provider: &'a dyn EdrProvider, query: &'a $query) -> BoxStream<'a, Result<Self>> {
            provider.$stream(query)
        }
        fn raw(&self) -> &Raw {
            &self.raw
        }
        fn values(&self, field: &str) -> Vec<String> {
            $values(self, field)
        }
    };
}

impl Item for Host {
    const LIST: Feature = Feature::HostList;
    const GET: Feature = Feature::HostGet;
    const NAME: &'static str = "hostname";
    const SELECTION: &'static [&'static str] = &["hostname", "last_seen", "os.type"];
    const STEADY: &'static [&'static str] = &[
        "hostname",
        "os.type",
        "os.version",
        "agent.version",
        "containment_state",
        "first_seen",
        "ip",
        "tags",
    ];

    ask!(HostQuery, hosts, host, host_parts, walk_hosts_from, host_stream, host_uids, sample::of_host);

    fn connected(query: HostQuery) -> HostQuery {
        query.with_connection()
    }

    fn times(&self) -> Vec<(&'static str, Option<DateTime<Utc>>)> {
        vec![
            ("boot_time", self.boot_time),
            ("contained_time", self.contained_time),
            ("first_seen", self.first_seen),
            ("installed", self.installed),
            ("last_login", self.last_login),
            ("last_seen", self.last_seen),
            ("modified", self.modified),
        ]
    }
}

impl Item for Alert {
    const LIST: Feature = Feature::AlertList;
    const GET: Feature = Feature::AlertGet;
    const NAME: &'static str = "title";
    const SELECTION: &'static [&'static str] = &["created_time", "severity", "title"];
    const STEADY: &'static [&'static str] =
        &["title", "severity", "status", "verdict", "created_time", "time", "device.hostname", "device.uid"];

    ask!(
        AlertQuery,
        alerts,
        alert,
        alert_parts,
        walk_alerts_from,
        alert_stream,
        alert_uids,
        sample::of_alert
    );

    fn connected(query: AlertQuery) -> AlertQuery {
        query
    }

    fn times(&self) -> Vec<(&'static str, Option<DateTime<Utc>>)> {
        vec![
            ("created_time", self.created_time),
            ("first_seen", self.first_seen),
            ("last_seen", self.last_seen),
            ("modified_time", self.modified_time),
            ("time", self.time),
        ]
    }
}
