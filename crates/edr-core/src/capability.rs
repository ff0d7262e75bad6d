//! What a tenant can do, as plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Filter, Noun, Op};

/// One thing that a provider can or cannot do. Later features are added here; a provider that does
/// not mention one does not have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Feature {
    /// Read one alert by id.
    AlertGet,
    /// List alerts.
    AlertList,
    /// Change alerts: status, verdict, assignee, comment, labels.
    AlertUpdate,
    /// Read one application by id.
    ApplicationGet,
    /// List applications.
    ApplicationList,
    /// Read one audit event by id.
    AuditGet,
    /// List what the vendor has noted of what was done.
    AuditList,
    /// Read one case by id.
    CaseGet,
    /// List cases.
    CaseList,
    /// Change cases: status, verdict, assignee, comment, severity.
    CaseUpdate,
    /// Tell whether a host is online now.
    ConnectionState,
    /// Tell whether a host is contained.
    ContainmentState,
    /// Fetch a file from a host.
    FileFetch,
    /// Move a file on a host into quarantine.
    FileQuarantine,
    /// Read one group of hosts by id.
    GroupGet,
    /// List groups of hosts.
    GroupList,
    /// Contain a host.
    HostContain,
    /// Read one host by id.
    HostGet,
    /// Tell who has logged in on a host, and which addresses it has had.
    HostHistory,
    /// List hosts.
    HostList,
    /// Lift the containment of a host.
    HostRelease,
    /// Score a host: how well it is set up, or how likely it is harmed.
    HostRisk,
    /// Scan a host on demand.
    HostScan,
    /// Add tags to a host.
    HostTag,
    /// Remove tags from a host.
    HostUntag,
    /// Delete indicators.
    IocDelete,
    /// Read one indicator by id.
    IocGet,
    /// List indicators.
    IocList,
    /// Put indicators there, or change those that are.
    IocPush,
    /// End a process on a host.
    ProcessKill,
    /// Run a stored script on a host.
    ScriptRun,
    /// Read one vulnerability by id.
    VulnerabilityGet,
    /// List vulnerabilities.
    VulnerabilityList,
}

impl Feature {
    /// The feature as a stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlertGet => "alert_get",
            Self::AlertList => "alert_list",
            Self::AlertUpdate => "alert_update",
            Self::ApplicationGet => "application_get",
            Self::ApplicationList => "application_list",
            Self::AuditGet => "audit_get",
            Self::AuditList => "audit_list",
            Self::CaseGet => "case_get",
            Self::CaseList => "case_list",
            Self::CaseUpdate => "case_update",
            Self::ConnectionState => "connection_state",
            Self::ContainmentState => "containment_state",
            Self::FileFetch => "file_fetch",
            Self::FileQuarantine => "file_quarantine",
            Self::GroupGet => "group_get",
            Self::GroupList => "group_list",
            Self::HostContain => "host_contain",
            Self::HostGet => "host_get",
            Self::HostHistory => "host_history",
            Self::HostList => "host_list",
            Self::HostRelease => "host_release",
            Self::HostRisk => "host_risk",
            Self::HostScan => "host_scan",
            Self::HostTag => "host_tag",
            Self::HostUntag => "host_untag",
            Self::IocDelete => "ioc_delete",
            Self::IocGet => "ioc_get",
            Self::IocList => "ioc_list",
            Self::IocPush => "ioc_push",
            Self::ProcessKill => "process_kill",
            Self::ScriptRun => "script_run",
            Self::VulnerabilityGet => "vulnerability_get",
            Self::VulnerabilityList => "vulnerability_list",
        }
    }
}

/// Whether a feature is there, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "support")]
pub enum Support {
    /// It works.
    Full,
    /// It does not, for this reason.
    None {
        /// The reason, for a person.
        reason: String,
    },
    /// It works with a restriction.
    Restricted {
        /// The restriction, for a person.
        note: String,
    },
}

/// Where a filter is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Site {
    /// Here, after the items have arrived: every page is read.
    Client,
    /// By the vendor: only matching items are sent.
    Server,
}

/// One filter that the vendor evaluates. What is not listed is evaluated here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterSupport {
    /// The noun that is filtered.
    pub noun: Noun,
    /// The model's field name.
    pub field: String,
    /// The operators that the vendor evaluates.
    pub ops: Vec<Op>,
}

/// What one tenant can do. Data, not code: it can be printed, compared and used to choose tests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// The features that are mentioned; see [`Self::support`].
    pub features: BTreeMap<Feature, Support>,
    /// The filters that the vendor evaluates.
    pub server_filters: Vec<FilterSupport>,
    /// The fields that the vendor sorts by, by noun. Another order is refused before anything is sent.
    pub sorts: BTreeMap<Noun, Vec<String>>,
    /// The largest page that the provider asks for, by noun.
    pub max_page: BTreeMap<Noun, u32>,
    /// The most targets that one call takes, by feature; without limit where it is silent.
    pub max_batch: BTreeMap<Feature, u32>,
}

impl Capabilities {
    /// Nothing at all; add to it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds features that work.
    #[must_use]
    pub fn with(mut self, features: impl IntoIterator<Item = Feature>) -> Self {
        self.features.extend(features.into_iter().map(|f| (f, Support::Full)));
        self
    }

    /// Adds a feature that works with a restriction.
    #[must_use]
    pub fn with_restricted(mut self, feature: Feature, note: impl Into<String>) -> Self {
        self.features.insert(feature, Support::Restricted { note: note.into() });
        self
    }

    /// Adds a feature that is missing, with the reason.
    #[must_use]
    pub fn without(mut self, feature: Feature, reason: impl Into<String>) -> Self {
        self.features.insert(feature, Support::None { reason: reason.into() });
        self
    }

    /// Adds a filter that the vendor evaluates.
    #[must_use]
    pub fn with_filter(mut self, noun: Noun, field: &str, ops: &[Op]) -> Self {
        let support = FilterSupport { noun, field: field.to_owned(), ops: ops.to_vec() };
        self.server_filters.push(support);
        self
    }

    /// Adds fields that the vendor sorts by.
    #[must_use]
    pub fn with_sorts(mut self, noun: Noun, fields: &[&str]) -> Self {
        self.sorts.entry(noun).or_default().extend(fields.iter().map(|f| (*f).to_owned()));
        self
    }

    /// True when the vendor sorts by this field.
    #[must_use]
    pub fn sorts_by(&self, noun: Noun, field: &str) -> bool {
        self.sorts.get(&noun).is_some_and(|fields| fields.iter().any(|f| f == field))
    }

    /// Sets the largest page of a noun.
    #[must_use]
    pub fn with_max_page(mut self, noun: Noun, size: u32) -> Self {
        self.max_page.insert(noun, size);
        self
    }

    /// Sets the most targets that one call takes.
    #[must_use]
    pub fn with_max_batch(mut self, feature: Feature, size: u32) -> Self {
        self.max_batch.insert(feature, size);
        self
    }

    /// The most targets that one call takes.
    #[must_use]
    pub fn batch(&self, feature: Feature) -> usize {
        self.max_batch.get(&feature).map_or(usize::MAX, |size| usize::try_from(*size).unwrap_or(usize::MAX))
    }

    /// Whether a feature is there; a feature that nobody mentioned is not.
    #[must_use]
    pub fn support(&self, feature: Feature) -> Support {
        let silent =
            || Support::None { reason: format!("this provider does not offer {}", feature.as_str()) };
        self.features.get(&feature).cloned().unwrap_or_else(silent)
    }

    /// True unless the feature is missing.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        !matches!(self.support(feature), Support::None { .. })
    }

    /// Refuses what is missing, before anything is sent.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unsupported`] with the reason.
    pub fn require(&self, feature: Feature) -> Result<(), Error> {
        match self.support(feature) {
            Support::None { reason } => Err(Error::unsupported(reason).with_operation(feature.as_str())),
            _ => Ok(()),
        }
    }

    /// Where this filter is evaluated.
    #[must_use]
    pub fn site(&self, noun: Noun, filter: &Filter) -> Site {
        let served = self
            .server_filters
            .iter()
            .any(|s| s.noun == noun && s.field == filter.field().name && s.ops.contains(&filter.op()));
        if served { Site::Server } else { Site::Client }
    }
}
