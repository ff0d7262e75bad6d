//! The nouns, seen alike.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use edr_core::{
    Alert, AlertQuery, Application, ApplicationQuery, AuditEvent, AuditQuery, Case, CaseQuery, Cursor,
    EdrProvider, EdrProviderExt as _, Filter, Host, HostGroup, HostGroupQuery, HostQuery, Ioc, IocQuery,
    Listed, Raw, Result, Vulnerability, VulnerabilityQuery, WalkStream,
};
use futures_util::stream::BoxStream;

use crate::World;
use crate::sample;

mod sealed {
    pub trait Sealed {}
    impl Sealed for edr_core::Alert {}
    impl Sealed for edr_core::Application {}
    impl Sealed for edr_core::AuditEvent {}
    impl Sealed for edr_core::Case {}
    impl Sealed for edr_core::Host {}
    impl Sealed for edr_core::HostGroup {}
    impl Sealed for edr_core::Ioc {}
    impl Sealed for edr_core::Vulnerability {}
}

/// A noun that can be listed. Implemented for [`Host`], [`Alert`], [`Case`], [`Ioc`], [`HostGroup`], [`Application`], [`AuditEvent`] and [`Vulnerability`]; a
/// case of the suite that is a promise of all of them takes it as a parameter.
pub trait Item: Listed + sealed::Sealed {
    /// The field that names it to a person.
    const NAME: &'static str;
    /// Fields that the selection of fields is tried with.
    const SELECTION: &'static [&'static str];
    /// Fields on which the listing and the reading of one must agree.
    const STEADY: &'static [&'static str];

    /// The ids that the back end holds.
    fn truth(world: &dyn World) -> BTreeSet<String> {
        world.uids(Self::NOUN).into_iter().collect()
    }
    /// Everything.
    fn query() -> Self::Query;
    /// With a page size.
    fn sized(query: Self::Query, size: u32) -> Self::Query;
    /// With one more filter.
    fn filtered(query: Self::Query, filter: Filter) -> Self::Query;
    /// With these fields only.
    fn selecting(query: Self::Query, fields: &[&'static str]) -> Self::Query;
    /// Asks for the connection state too, where the noun has one.
    fn connected(query: Self::Query) -> Self::Query {
        query
    }
    /// The walk over all pages.
    fn walk<'a>(
        provider: &'a dyn EdrProvider,
        query: &'a Self::Query,
        from: Option<Cursor>,
    ) -> WalkStream<'a, Self> {
        provider.walk_from(query, from)
    }
    /// The plain stream.
    fn stream<'a>(provider: &'a dyn EdrProvider, query: &'a Self::Query) -> BoxStream<'a, Result<Self>> {
        provider.stream(query)
    }
    /// The vendor's own JSON.
    fn raw(&self) -> &Raw;
    /// The values of a field that can be filtered on, as text that a filter takes.
    fn values(&self, field: &str) -> Vec<String>;
    /// Every time in it that is past, by name.
    fn times(&self) -> Vec<(&'static str, Option<DateTime<Utc>>)>;
}

macro_rules! ask {
    ($query:ident, $values:path) => {
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
        fn raw(&self) -> &Raw {
            &self.raw
        }
        fn values(&self, field: &str) -> Vec<String> {
            $values(self, field)
        }
    };
}

impl Item for Host {
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

    ask!(HostQuery, sample::of_host);

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
    const NAME: &'static str = "title";
    const SELECTION: &'static [&'static str] = &["created_time", "severity", "title"];
    const STEADY: &'static [&'static str] =
        &["title", "severity", "status", "verdict", "created_time", "time", "device.hostname", "device.uid"];

    ask!(AlertQuery, sample::of_alert);

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

impl Item for Case {
    const NAME: &'static str = "title";
    const SELECTION: &'static [&'static str] = &["created_time", "severity", "title"];
    const STEADY: &'static [&'static str] =
        &["title", "severity", "status", "verdict", "created_time", "hosts", "assignee.email"];

    ask!(CaseQuery, sample::of_case);

    fn times(&self) -> Vec<(&'static str, Option<DateTime<Utc>>)> {
        vec![
            ("created_time", self.created_time),
            ("first_seen", self.first_seen),
            ("last_seen", self.last_seen),
            ("modified_time", self.modified_time),
            ("resolved_time", self.resolved_time),
        ]
    }
}

impl Item for Ioc {
    const NAME: &'static str = "value";
    const SELECTION: &'static [&'static str] = &["action", "modified_time", "value"];
    const STEADY: &'static [&'static str] =
        &["type", "value", "action", "severity", "platforms", "expiration", "modified_time", "tags"];

    ask!(IocQuery, sample::of_ioc);

    fn times(&self) -> Vec<(&'static str, Option<DateTime<Utc>>)> {
        vec![("created_time", self.created_time), ("modified_time", self.modified_time)]
    }
}

impl Item for Application {
    const NAME: &'static str = "name";
    const SELECTION: &'static [&'static str] = &["host.hostname", "name", "version"];
    const STEADY: &'static [&'static str] =
        &["name", "publisher", "version", "category", "host.uid", "installed", "last_used", "last_user.name"];

    ask!(ApplicationQuery, sample::of_application);

    fn times(&self) -> Vec<(&'static str, Option<DateTime<Utc>>)> {
        vec![
            ("first_seen", self.first_seen),
            ("installed", self.installed),
            ("last_used", self.last_used),
            ("modified_time", self.modified_time),
        ]
    }
}

impl Item for AuditEvent {
    const NAME: &'static str = "desc";
    const SELECTION: &'static [&'static str] = &["actor.name", "desc", "time"];
    const STEADY: &'static [&'static str] =
        &["source", "type", "action", "desc", "time", "actor.email", "host.uid", "result", "targets"];

    ask!(AuditQuery, sample::of_audit_event);

    fn times(&self) -> Vec<(&'static str, Option<DateTime<Utc>>)> {
        vec![("created_time", self.created_time), ("time", self.time)]
    }
}

impl Item for Vulnerability {
    const NAME: &'static str = "name";
    const SELECTION: &'static [&'static str] = &["host.hostname", "name", "severity"];
    const STEADY: &'static [&'static str] =
        &["name", "cve", "severity", "priority", "status", "host.uid", "packages.name", "created_time"];

    ask!(VulnerabilityQuery, sample::of_vulnerability);

    fn times(&self) -> Vec<(&'static str, Option<DateTime<Utc>>)> {
        vec![
            ("closed_time", self.closed_time),
            ("created_time", self.created_time),
            ("modified_time", self.modified_time),
            ("published_time", self.published_time),
        ]
    }
}

impl Item for HostGroup {
    const NAME: &'static str = "name";
    const SELECTION: &'static [&'static str] = &["created_time", "name", "type"];
    const STEADY: &'static [&'static str] = &["name", "type", "rule", "created_by", "created_time"];

    ask!(HostGroupQuery, sample::of_group);

    fn times(&self) -> Vec<(&'static str, Option<DateTime<Utc>>)> {
        vec![("created_time", self.created_time), ("modified_time", self.modified_time)]
    }
}
