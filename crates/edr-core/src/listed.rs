//! The nouns that can be listed and read one by one, seen alike.

use futures_util::future::BoxFuture;

use crate::{
    Alert, AlertQuery, Application, ApplicationQuery, AuditEvent, AuditQuery, Case, CaseQuery, Cursor,
    EdrProvider, Feature, Host, HostGroup, HostGroupQuery, HostQuery, Ioc, IocQuery, Listing, Opener, Page,
    PartStream, Query, Result, Vulnerability, VulnerabilityQuery,
};

/// A noun that every provider lists in the same way. What is written for it (a walk, a search over all
/// tenants, a case of the conformance suite) works for hosts, alerts and all that comes after them.
pub trait Listed: Listing {
    /// How it is asked for.
    type Query: Query<Item = Self>;
    /// The feature behind the listing.
    const LIST: Feature;
    /// The feature behind the reading of one.
    const GET: Feature;

    /// One page.
    fn page<'a, P: EdrProvider + ?Sized>(
        provider: &'a P,
        query: &'a Self::Query,
        cursor: Option<&'a Cursor>,
    ) -> BoxFuture<'a, Result<Page<Self>>>;

    /// One item, by the vendor's own id.
    fn one<'a, P: EdrProvider + ?Sized>(provider: &'a P, uid: &'a str) -> BoxFuture<'a, Result<Self>>;

    /// The parts of one page.
    fn parts<'a, P: EdrProvider + ?Sized>(
        provider: &'a P,
        query: &'a Self::Query,
        cursor: Option<Cursor>,
    ) -> PartStream<'a, Self>;

    /// The pages of one walk, as it asks for them.
    fn pages<'a, P: EdrProvider + ?Sized>(provider: &'a P, query: &'a Self::Query) -> Opener<'a, Self> {
        Box::new(move |cursor| Self::parts(provider, query, cursor))
    }
}

macro_rules! listed {
    ($item:ident, $query:ident, $list:ident, $get:ident, $page:ident, $one:ident, $parts:ident $(, $pages:ident)?) => {
        impl Listed for $item {
            type Query = $query;
            const LIST: Feature = Feature::$list;
            const GET: Feature = Feature::$get;

            fn page<'a, P: EdrProvider + ?Sized>(
                provider: &'a P,
                query: &'a $query,
                cursor: Option<&'a Cursor>,
            ) -> BoxFuture<'a, Result<Page<Self>>> {
                provider.$page(query, cursor)
            }

            fn one<'a, P: EdrProvider + ?Sized>(
                provider: &'a P,
                uid: &'a str,
            ) -> BoxFuture<'a, Result<Self>> {
                provider.$one(uid)
            }

            fn parts<'a, P: EdrProvider + ?Sized>(
                provider: &'a P,
                query: &'a $query,
                cursor: Option<Cursor>,
            ) -> PartStream<'a, Self> {
                provider.$parts(query, cursor)
            }
            $(
                fn pages<'a, P: EdrProvider + ?Sized>(provider: &'a P, query: &'a $query) -> Opener<'a, Self> {
                    provider.$pages(query)
                }
            )?
        }
    };
}

listed!(Alert, AlertQuery, AlertList, AlertGet, alerts, alert, alert_parts);
listed!(
    Application,
    ApplicationQuery,
    ApplicationList,
    ApplicationGet,
    applications,
    application,
    application_parts
);
listed!(AuditEvent, AuditQuery, AuditList, AuditGet, audit_events, audit_event, audit_event_parts);
listed!(Case, CaseQuery, CaseList, CaseGet, cases, case, case_parts);
listed!(Host, HostQuery, HostList, HostGet, hosts, host, host_parts, host_pages);
listed!(HostGroup, HostGroupQuery, GroupList, GroupGet, groups, group, group_parts);
listed!(Ioc, IocQuery, IocList, IocGet, iocs, ioc, ioc_parts);
listed!(
    Vulnerability,
    VulnerabilityQuery,
    VulnerabilityList,
    VulnerabilityGet,
    vulnerabilities,
    vulnerability,
    vulnerability_parts
);
