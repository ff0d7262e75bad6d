//! What is asked for.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};

use crate::{
    Alert, Application, AuditEvent, AuditSource, Case, CaseStatus, ConnectionState, ContainmentState, Field,
    Filter, Host, HostGroup, Ioc, IocAction, IocType, Noun, Op, Platform, Raw, Severity, TenantId, Vendor,
    Vulnerability, VulnerabilityStatus,
};

/// An order. A provider sorts only where its vendor does; see [`crate::Capabilities`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// The field to sort by.
    pub field: &'static Field,
    /// Largest first.
    pub descending: bool,
}

/// What the queries of all nouns have in common.
pub trait Query: Clone + Debug + Send + Sync + 'static {
    /// What is listed.
    type Item: Listing;

    /// The filters, all of which must hold.
    fn filters(&self) -> &[Filter];

    /// The order asked for.
    fn sort(&self) -> Option<Sort>;

    /// The page size asked for.
    fn page_size(&self) -> Option<u32>;

    /// The model's fields that are wanted; empty means all.
    fn fields(&self) -> &[&'static str];

    /// True when the item passes every filter.
    fn matches(&self, item: &Self::Item) -> bool {
        self.filters().iter().all(|f| Self::Item::passes(item, f))
    }

    /// A number that tells two queries apart, so that a cursor is not used for the wrong one. Page
    /// size is not part of it.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for filter in self.filters() {
            (filter.field().name, filter.op().sign(), filter.texts()).hash(&mut hasher);
        }
        self.sort().map(|s| (s.field.name, s.descending)).hash(&mut hasher);
        self.fields().hash(&mut hasher);
        hasher.finish()
    }
}

/// What a listed item must tell about itself.
pub trait Listing: Clone + Debug + Send + Sync + 'static {
    /// Which noun it is.
    const NOUN: Noun;

    /// Its tenant.
    fn tenant(&self) -> &TenantId;

    /// Its vendor.
    fn vendor(&self) -> &Vendor;

    /// The vendor's own id.
    fn uid(&self) -> &str;

    /// The vendor's own id of the tenant that it belongs to, where the vendor says: what a parent of
    /// several tenants lists need not be its own.
    fn tenant_uid(&self) -> Option<&str> {
        None
    }

    /// The vendor's own JSON, for dropping or copying it.
    fn raw_mut(&mut self) -> &mut Raw;

    /// True when the item passes the filter.
    fn passes(&self, filter: &Filter) -> bool;

    /// A key for noticing duplicates: exact for ids of 32 hex digits, a 128-bit hash for others.
    fn key(&self) -> u128 {
        uid_key(self.uid())
    }
}

pub(crate) fn uid_key(uid: &str) -> u128 {
    let hex = (uid.len() == 32).then(|| u128::from_str_radix(uid, 16).ok()).flatten();
    hex.unwrap_or_else(|| {
        let half = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            (seed, uid).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        half(0) << 64 | half(1)
    })
}

macro_rules! listing {
    ($name:ident, $noun:ident, $passes:ident) => {
        impl Listing for $name {
            const NOUN: Noun = Noun::$noun;

            fn tenant(&self) -> &TenantId {
                &self.tenant
            }
            fn vendor(&self) -> &Vendor {
                &self.vendor
            }
            fn uid(&self) -> &str {
                &self.uid
            }
            fn tenant_uid(&self) -> Option<&str> {
                self.tenant_uid.as_deref()
            }
            fn raw_mut(&mut self) -> &mut Raw {
                &mut self.raw
            }
            fn passes(&self, filter: &Filter) -> bool {
                filter.$passes(self)
            }
        }
    };
}

listing!(Host, Host, passes_host);
listing!(Alert, Alert, passes_alert);
listing!(Application, Application, passes_application);
listing!(AuditEvent, AuditEvent, passes_audit_event);
listing!(Case, Case, passes_case);
listing!(HostGroup, HostGroup, passes_group);
listing!(Ioc, Ioc, passes_ioc);
listing!(Vulnerability, Vulnerability, passes_vulnerability);

macro_rules! query {
    ($(#[$meta:meta])* $name:ident, $item:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            /// All must hold.
            pub filters: Vec<Filter>,
            /// The order; the vendor's stable order when absent.
            pub sort: Option<Sort>,
            /// Items a page; the provider's own choice when absent.
            pub page_size: Option<u32>,
            /// The model's fields that are wanted; empty means all. A vendor that can select fields
            /// sends fewer, and the raw payload is as small.
            pub fields: Vec<&'static str>,
            /// Ask the vendor whether each host is online, where that takes a call of its own.
            pub with_connection: bool,
        }

        impl $name {
            /// Everything.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            /// Adds a filter.
            #[must_use]
            pub fn filter(mut self, filter: Filter) -> Self {
                self.filters.push(filter);
                self
            }

            /// Asks for an order.
            #[must_use]
            pub fn sort_by(mut self, sort: Sort) -> Self {
                self.sort = Some(sort);
                self
            }

            /// Asks for a page size; the provider stays within its vendor's limit.
            #[must_use]
            pub fn page_size(mut self, size: u32) -> Self {
                self.page_size = Some(size.max(1));
                self
            }

            /// Asks for these fields only.
            #[must_use]
            pub fn fields(mut self, fields: impl IntoIterator<Item = &'static str>) -> Self {
                self.fields = fields.into_iter().collect();
                self
            }
        }

        impl Query for $name {
            type Item = $item;

            fn filters(&self) -> &[Filter] {
                &self.filters
            }
            fn sort(&self) -> Option<Sort> {
                self.sort
            }
            fn page_size(&self) -> Option<u32> {
                self.page_size
            }
            fn fields(&self) -> &[&'static str] {
                &self.fields
            }
        }
    };
}

query! {
    /// Which hosts.
    ///
    /// ```
    /// use edr_core::{ContainmentState, HostQuery, Platform};
    /// let query = HostQuery::new().platform(Platform::Windows).containment(ContainmentState::Contained);
    /// assert_eq!(query.filters.len(), 2);
    /// ```
    HostQuery, Host
}

query! {
    /// Which alerts.
    ///
    /// ```
    /// use edr_core::{AlertQuery, Severity};
    /// let query = AlertQuery::new().severity_at_least(Severity::High);
    /// assert_eq!(query.filters[0].to_string(), "severity >= high");
    /// ```
    AlertQuery, Alert
}

query! {
    /// Which cases.
    ///
    /// ```
    /// use edr_core::{CaseQuery, CaseStatus};
    /// let query = CaseQuery::new().status(CaseStatus::New);
    /// assert_eq!(query.filters[0].to_string(), "status = new");
    /// ```
    CaseQuery, Case
}

query! {
    /// Which indicators.
    ///
    /// ```
    /// use edr_core::{IocQuery, IocType};
    /// let query = IocQuery::new().kind(IocType::Domain).value("evil.example");
    /// assert_eq!(query.filters.len(), 2);
    /// ```
    IocQuery, Ioc
}

query! {
    /// Which groups of hosts.
    ///
    /// ```
    /// use edr_core::HostGroupQuery;
    /// let query = HostGroupQuery::new().name("Servers");
    /// assert_eq!(query.filters[0].to_string(), "name = Servers");
    /// ```
    HostGroupQuery, HostGroup
}

query! {
    /// Which vulnerabilities.
    ///
    /// ```
    /// use edr_core::{Severity, VulnerabilityQuery};
    /// let query = VulnerabilityQuery::new().severity_at_least(Severity::High).of_host("0f3a");
    /// assert_eq!(query.filters[1].to_string(), "host.uid = 0f3a");
    /// ```
    VulnerabilityQuery, Vulnerability
}

query! {
    /// Which applications.
    ///
    /// ```
    /// use edr_core::ApplicationQuery;
    /// let query = ApplicationQuery::new().name("Chrome").of_host("0f3a");
    /// assert_eq!(query.filters.len(), 2);
    /// ```
    ApplicationQuery, Application
}

query! {
    /// Which entries of the vendor's own audit.
    ///
    /// ```
    /// use edr_core::{AuditQuery, AuditSource};
    /// let query = AuditQuery::new().source(AuditSource::Console).actor("ann@corp.example");
    /// assert_eq!(query.filters[0].to_string(), "source = console");
    /// ```
    AuditQuery, AuditEvent
}

impl HostQuery {
    /// Only this platform.
    #[must_use]
    pub fn platform(self, platform: Platform) -> Self {
        self.filter(Filter::word(Noun::Host, "os.type", platform.as_str()))
    }

    /// Only this connection state; asks the vendor for it.
    #[must_use]
    pub fn connection(mut self, state: ConnectionState) -> Self {
        self.with_connection = true;
        self.filter(Filter::word(Noun::Host, "connection_state", state.as_str()))
    }

    /// Only this containment state.
    #[must_use]
    pub fn containment(self, state: ContainmentState) -> Self {
        self.filter(Filter::word(Noun::Host, "containment_state", state.as_str()))
    }

    /// Only hosts with exactly this name.
    #[must_use]
    pub fn hostname(self, name: &str) -> Self {
        self.filter(Filter::word(Noun::Host, "hostname", name))
    }

    /// Only hosts last seen at or after this time.
    #[must_use]
    pub fn seen_since(self, time: DateTime<Utc>) -> Self {
        self.filter(Filter::time(Noun::Host, "last_seen", Op::Ge, time))
    }

    /// Also asks whether each host is online.
    #[must_use]
    pub fn with_connection(mut self) -> Self {
        self.with_connection = true;
        self
    }
}

impl AlertQuery {
    /// Only alerts at least this bad.
    #[must_use]
    pub fn severity_at_least(self, severity: Severity) -> Self {
        self.filter(Filter::rank(Noun::Alert, Op::Ge, &severity))
    }

    /// Only alerts stored at or after this time.
    #[must_use]
    pub fn since(self, time: DateTime<Utc>) -> Self {
        self.filter(Filter::time(Noun::Alert, "created_time", Op::Ge, time))
    }

    /// Only alerts stored before this time.
    #[must_use]
    pub fn until(self, time: DateTime<Utc>) -> Self {
        self.filter(Filter::time(Noun::Alert, "created_time", Op::Lt, time))
    }
}

impl CaseQuery {
    /// Only cases at least this bad.
    #[must_use]
    pub fn severity_at_least(self, severity: Severity) -> Self {
        self.filter(Filter::rank(Noun::Case, Op::Ge, &severity))
    }

    /// Only cases that stand here.
    #[must_use]
    pub fn status(self, status: CaseStatus) -> Self {
        self.filter(Filter::word(Noun::Case, "status", status.as_str()))
    }

    /// Only cases made at or after this time.
    #[must_use]
    pub fn since(self, time: DateTime<Utc>) -> Self {
        self.filter(Filter::time(Noun::Case, "created_time", Op::Ge, time))
    }

    /// Only cases made before this time.
    #[must_use]
    pub fn until(self, time: DateTime<Utc>) -> Self {
        self.filter(Filter::time(Noun::Case, "created_time", Op::Lt, time))
    }
}

impl IocQuery {
    /// Only indicators of this type.
    #[must_use]
    pub fn kind(self, kind: IocType) -> Self {
        self.filter(Filter::word(Noun::Ioc, "type", kind.as_str()))
    }

    /// Only indicators with exactly this value.
    #[must_use]
    pub fn value(self, value: &str) -> Self {
        self.filter(Filter::word(Noun::Ioc, "value", value))
    }

    /// Only indicators with this action.
    #[must_use]
    pub fn action(self, action: IocAction) -> Self {
        self.filter(Filter::word(Noun::Ioc, "action", action.as_str()))
    }
}

impl VulnerabilityQuery {
    /// Only vulnerabilities at least this bad.
    #[must_use]
    pub fn severity_at_least(self, severity: Severity) -> Self {
        self.filter(Filter::rank(Noun::Vulnerability, Op::Ge, &severity))
    }

    /// Only those that stand here.
    #[must_use]
    pub fn status(self, status: VulnerabilityStatus) -> Self {
        self.filter(Filter::word(Noun::Vulnerability, "status", status.as_str()))
    }

    /// Only this one, by its id in the list of CVE.
    #[must_use]
    pub fn cve(self, cve: &str) -> Self {
        self.filter(Filter::word(Noun::Vulnerability, "cve", cve))
    }

    /// Only those of this host, by the vendor's own id.
    #[must_use]
    pub fn of_host(self, uid: &str) -> Self {
        self.filter(Filter::word(Noun::Vulnerability, "host.uid", uid))
    }
}

impl AuditQuery {
    /// Only this of the vendor's records.
    #[must_use]
    pub fn source(self, source: AuditSource) -> Self {
        self.filter(Filter::word(Noun::AuditEvent, "source", source.as_str()))
    }

    /// True unless the filters leave out everything of this record: it need not be asked for then.
    ///
    /// ```
    /// use edr_core::{AuditQuery, AuditSource};
    /// let query = AuditQuery::new().source(AuditSource::Console);
    /// assert!(query.wants(AuditSource::Console) && !query.wants(AuditSource::Agent));
    /// ```
    #[must_use]
    pub fn wants(&self, source: AuditSource) -> bool {
        let any = AuditEvent { source, ..Default::default() };
        self.filters.iter().filter(|f| f.field().name == "source").all(|f| f.passes_audit_event(&any))
    }

    /// Only what was done by the account with this e-mail address.
    #[must_use]
    pub fn actor(self, email: &str) -> Self {
        self.filter(Filter::word(Noun::AuditEvent, "actor.email", email))
    }

    /// Only what happened at or after this time.
    #[must_use]
    pub fn since(self, time: DateTime<Utc>) -> Self {
        self.filter(Filter::time(Noun::AuditEvent, "time", Op::Ge, time))
    }

    /// Only what happened before this time.
    #[must_use]
    pub fn until(self, time: DateTime<Utc>) -> Self {
        self.filter(Filter::time(Noun::AuditEvent, "time", Op::Lt, time))
    }
}

impl ApplicationQuery {
    /// Only applications with exactly this name.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.filter(Filter::word(Noun::Application, "name", name))
    }

    /// Only those on this host, by the vendor's own id.
    #[must_use]
    pub fn of_host(self, uid: &str) -> Self {
        self.filter(Filter::word(Noun::Application, "host.uid", uid))
    }
}

impl HostGroupQuery {
    /// Only groups with exactly this name.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.filter(Filter::word(Noun::HostGroup, "name", name))
    }
}
