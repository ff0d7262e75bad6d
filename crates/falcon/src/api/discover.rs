//! Assets (Falcon Discover): machines with and without a sensor, what is installed on them, the accounts that are
//! used there, and their logins. Scope "Assets". All of it is read alone.
//!
//! Ids begin with the customer id; those of machines are no device ids: a machine with a sensor names it in `aid`.

use edr_http::RequestPlan;
use serde::de::DeserializeOwned;

use super::{Endpoint, FacetParams, ListParams, Paging, Verb};
use crate::Identified;
use crate::time::Timestamp;
use crate::wire::wire;
use crate::words::words;

const READ: &str = "Assets: read";
const LISTING: &[&str] = &["filter", "limit", "offset", "sort"];
const COMBINED: &[&str] = &["after", "facet", "filter", "limit", "sort"];
/// Offset and limit together may reach 10,000.
const CAPPED: Paging = Paging::Offset { cap: Some(10_001) };

macro_rules! queries {
    ($($(#[$meta:meta])* $name:ident = $kind:literal;)+) => {
        $(
            $(#[$meta])*
            pub static $name: Endpoint = Endpoint::read(
                concat!("query-", $kind),
                Verb::Get,
                concat!("/discover/queries/", $kind, "/v1"),
                READ,
            )
            .pages(CAPPED, 100)
            .query(LISTING);
        )+
    };
}

macro_rules! entities {
    ($($(#[$meta:meta])* $name:ident = $kind:literal;)+) => {
        $(
            $(#[$meta])*
            pub static $name: Endpoint = Endpoint::read(
                concat!("get-", $kind),
                Verb::Get,
                concat!("/discover/entities/", $kind, "/v1"),
                READ,
            )
            .ids(MAX_IDS as u32)
            .query(&["ids"]);
        )+
    };
}

/// Whole machines. The filter is required.
pub static COMBINED_HOSTS: Endpoint =
    Endpoint::read("combined-hosts", Verb::Get, "/discover/combined/hosts/v1", READ)
        .pages(Paging::After, MAX_PAGE)
        .query(COMBINED);
/// Whole applications. The filter is required.
pub static COMBINED_APPLICATIONS: Endpoint =
    Endpoint::read("combined-applications", Verb::Get, "/discover/combined/applications/v1", READ)
        .pages(Paging::After, MAX_PAGE)
        .query(COMBINED);

queries! {
    /// Ids of machines.
    QUERY_HOSTS = "hosts";
    /// Ids of applications.
    QUERY_APPLICATIONS = "applications";
    /// Ids of accounts.
    QUERY_ACCOUNTS = "accounts";
    /// Ids of logins.
    QUERY_LOGINS = "logins";
}

entities! {
    /// Machines by id.
    HOSTS = "hosts";
    /// Applications by id.
    APPLICATIONS = "applications";
    /// Accounts by id.
    ACCOUNTS = "accounts";
    /// Logins by id.
    LOGINS = "logins";
}

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] = &[
    &COMBINED_HOSTS,
    &COMBINED_APPLICATIONS,
    &QUERY_HOSTS,
    &QUERY_APPLICATIONS,
    &QUERY_ACCOUNTS,
    &QUERY_LOGINS,
    &HOSTS,
    &APPLICATIONS,
    &ACCOUNTS,
    &LOGINS,
];

/// The most rows on a page of whole rows.
pub const MAX_PAGE: u32 = 1_000;
/// The most ids in one call.
pub const MAX_IDS: usize = 100;

/// A kind of asset: [`AssetHost`], [`Application`], [`Account`] or [`Login`].
pub trait AssetKind:
    sealed::Sealed + DeserializeOwned + Identified + Clone + std::fmt::Debug + Send + 'static
{
    /// Where its ids are listed, and where it is read by id.
    fn endpoints() -> (&'static Endpoint, &'static Endpoint);
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! kinds {
    ($($kind:ident: $query:ident $entities:ident,)+) => {
        $(
            impl sealed::Sealed for $kind {}
            impl AssetKind for $kind {
                fn endpoints() -> (&'static Endpoint, &'static Endpoint) {
                    (&$query, &$entities)
                }
            }
        )+
    };
}

kinds! {
    Account: QUERY_ACCOUNTS ACCOUNTS,
    Application: QUERY_APPLICATIONS APPLICATIONS,
    AssetHost: QUERY_HOSTS HOSTS,
    Login: QUERY_LOGINS LOGINS,
}

words! {
    /// A further part of an application.
    pub enum ApplicationFacet {
        /// What it is as an extension of a browser.
        BrowserExtension = "browser_extension",
        /// What it is as a package of a programming language.
        DevPackage = "dev_package",
        /// The machine that it is on.
        HostInfo = "host_info",
        /// What it is as an extension of a development environment.
        IdeExtension = "ide_extension",
        /// Who used it last, and when.
        InstallUsage = "install_usage",
    }
}

words! {
    /// A further part of a machine.
    pub enum HostFacet {
        /// How much depends on it, and whether it is open to the internet.
        RiskFactors = "risk_factors",
        /// Its hardware, disks and load.
        SystemInsights = "system_insights",
        /// What other systems know of it.
        ThirdParty = "third_party",
    }
}

words! {
    /// What is known of a machine.
    pub enum EntityType {
        /// It has a sensor.
        Managed = "managed",
        /// It could have one and has none.
        Unmanaged = "unmanaged",
        /// There is no sensor for it.
        Unsupported = "unsupported",
    }
}

words! {
    /// A truth as this service writes it.
    pub enum YesNo {
        /// False.
        No = "No",
        /// True.
        Yes = "Yes",
    }
}

/// A page of whole machines.
#[must_use]
pub fn combined_hosts(params: &FacetParams<HostFacet>) -> RequestPlan {
    params.plan(&COMBINED_HOSTS)
}

/// A page of whole applications.
#[must_use]
pub fn combined_applications(params: &FacetParams<ApplicationFacet>) -> RequestPlan {
    params.plan(&COMBINED_APPLICATIONS)
}

/// A page of ids of a kind.
#[must_use]
pub fn query<K: AssetKind>(params: &ListParams) -> RequestPlan {
    params.plan(K::endpoints().0)
}

/// Assets of a kind by id, at most [`MAX_IDS`].
#[must_use]
pub fn entities<K: AssetKind, S: AsRef<str>>(ids: &[S]) -> RequestPlan {
    K::endpoints().1.by_query("ids", ids)
}

wire! {
    /// A machine, `domain.DiscoverAPIHost`. Without a sensor it has no `aid`.
    pub struct AssetHost {
        account_enabled: Option<YesNo>,
        agent_version: Option<String>,
        aid: Option<String>,
        asset_roles: Vec<String>,
        assigned_to: Option<String>,
        bios_manufacturer: Option<String>,
        bios_version: Option<String>,
        cid: Option<String>,
        city: Option<String>,
        classification: Option<String>,
        cloud_account_id: Option<String>,
        cloud_instance_id: Option<String>,
        cloud_provider: Option<String>,
        cloud_region: Option<String>,
        confidence: Option<i64>,
        country: Option<String>,
        cpu_processor_name: Option<String>,
        creation_timestamp: Option<Timestamp>,
        criticality: Option<String>,
        current_local_ip: Option<String>,
        current_network_prefix: Option<String>,
        data_providers: Vec<String>,
        data_providers_count: Option<i64>,
        department: Option<String>,
        discoverer_aids: Vec<String>,
        discoverer_count: Option<i64>,
        discoverer_hostnames: Vec<String>,
        discovering_by: Vec<String>,
        email: Option<String>,
        encryption_status: Option<String>,
        entity_type: Option<EntityType>,
        external_ip: Option<String>,
        first_seen_timestamp: Option<Timestamp>,
        form_factor: Option<String>,
        fqdn: Option<String>,
        groups: Vec<String>,
        hostname: Option<String>,
        id: Option<String>,
        internet_exposure: Option<String>,
        kernel_version: Option<String>,
        last_discoverer_aid: Option<String>,
        last_discoverer_hostname: Option<String>,
        last_seen_timestamp: Option<Timestamp>,
        local_ip_addresses: Vec<String>,
        local_ips_count: Option<i64>,
        location: Option<String>,
        logical_core_count: Option<i64>,
        mac_addresses: Vec<String>,
        machine_domain: Option<String>,
        managed_by: Option<String>,
        memory_total: Option<i64>,
        network_interfaces: Vec<NetworkInterface>,
        number_of_disk_drives: Option<i64>,
        os_is_eol: Option<String>,
        os_service_pack: Option<String>,
        os_version: Option<String>,
        ous: Vec<String>,
        owned_by: Option<String>,
        physical_core_count: Option<i64>,
        platform_name: Option<String>,
        product_type: Option<String>,
        product_type_desc: Option<String>,
        reduced_functionality_mode: Option<String>,
        servicenow_id: Option<String>,
        site_name: Option<String>,
        state: Option<String>,
        system_manufacturer: Option<String>,
        system_product_name: Option<String>,
        system_serial_number: Option<String>,
        tags: Vec<String>,
        total_disk_space: Option<i64>,
        total_memory: Option<i64>,
        triage: Option<AssetTriage>,
        used_for: Option<String>,
        vulnerability_assessment_date: Option<Timestamp>,
    }
}

wire! {
    /// An interface of a machine.
    pub struct NetworkInterface {
        interface_alias: Option<String>,
        interface_description: Option<String>,
        local_ip: Option<String>,
        mac_address: Option<String>,
        network_prefix: Option<String>,
    }
}

wire! {
    /// What people decided about a machine without a sensor.
    pub struct AssetTriage {
        action: Option<String>,
        assigned_to: Option<String>,
        description: Option<String>,
        status: Option<String>,
        updated_by: Option<String>,
        updated_timestamp: Option<Timestamp>,
    }
}

wire! {
    /// An application on a machine, `domain.DiscoverAPIApplication`: each version on each machine is one of its own.
    pub struct Application {
        architectures: Vec<String>,
        browser_extension: Option<BrowserExtension>,
        category: Option<String>,
        cid: Option<String>,
        extension_id: Option<String>,
        first_seen_timestamp: Option<Timestamp>,
        groups: Vec<String>,
        homepage: Option<String>,
        host: Option<ApplicationHost>,
        id: Option<String>,
        installation_paths: Vec<String>,
        installation_timestamp: Option<Timestamp>,
        is_normalized: Option<bool>,
        is_suspicious: Option<bool>,
        last_published: Option<Timestamp>,
        last_updated_timestamp: Option<Timestamp>,
        last_used_file_hash: Option<String>,
        last_used_file_name: Option<String>,
        last_used_timestamp: Option<Timestamp>,
        last_used_user_name: Option<String>,
        last_used_user_sid: Option<String>,
        name: Option<String>,
        name_vendor: Option<String>,
        name_vendor_version: Option<String>,
        software_type: Option<String>,
        suspicious_indicators: Vec<SuspiciousIndicator>,
        vendor: Option<String>,
        version: Option<String>,
        versioning_scheme: Option<String>,
    }
}

wire! {
    /// The machine that an application is on.
    pub struct ApplicationHost {
        agent_version: Option<String>,
        aid: Option<String>,
        country: Option<String>,
        current_mac_address: Option<String>,
        current_network_prefix: Option<String>,
        external_ip: Option<String>,
        groups: Vec<String>,
        hostname: Option<String>,
        id: Option<String>,
        internet_exposure: Option<String>,
        kernel_version: Option<String>,
        machine_domain: Option<String>,
        os_version: Option<String>,
        ous: Vec<String>,
        platform_name: Option<String>,
        product_type_desc: Option<String>,
        site_name: Option<String>,
        system_manufacturer: Option<String>,
        tags: Vec<String>,
    }
}

wire! {
    /// What an application is as an extension of a browser.
    pub struct BrowserExtension {
        architecture: Option<String>,
        browser_name: Option<String>,
        enabled: Option<bool>,
        id: Option<String>,
        permission_severity: Option<String>,
        permissions: Vec<String>,
        store_url: Option<String>,
    }
}

wire! {
    /// Why an application is suspicious.
    pub struct SuspiciousIndicator {
        name: Option<String>,
        severity: Option<String>,
    }
}

wire! {
    /// An account that is used on machines, `domain.DiscoverAPIAccount`.
    pub struct Account {
        account_name: Option<String>,
        account_type: Option<String>,
        admin_privileges: Option<YesNo>,
        cid: Option<String>,
        first_seen_timestamp: Option<Timestamp>,
        id: Option<String>,
        last_failed_login_hostname: Option<String>,
        last_failed_login_timestamp: Option<Timestamp>,
        last_failed_login_type: Option<String>,
        last_successful_login_host_city: Option<String>,
        last_successful_login_host_country: Option<String>,
        last_successful_login_hostname: Option<String>,
        last_successful_login_remote_ip: Option<String>,
        last_successful_login_timestamp: Option<Timestamp>,
        last_successful_login_type: Option<String>,
        local_admin_privileges: Option<YesNo>,
        login_domain: Option<String>,
        password_last_set_timestamp: Option<Timestamp>,
        user_sid: Option<String>,
        username: Option<String>,
    }
}

wire! {
    /// Logins of an account on a machine in a span of time, `domain.DiscoverAPILogin`.
    pub struct Login {
        account_id: Option<String>,
        account_name: Option<String>,
        account_type: Option<String>,
        admin_privileges: Option<YesNo>,
        aggregation_time_interval: Option<String>,
        aid: Option<String>,
        cid: Option<String>,
        failure_description: Option<String>,
        host_city: Option<String>,
        host_country: Option<String>,
        host_id: Option<String>,
        hostname: Option<String>,
        id: Option<String>,
        is_suspicious: Option<bool>,
        local_admin_privileges: Option<YesNo>,
        local_ip: Option<String>,
        login_domain: Option<String>,
        login_event_count: Option<i64>,
        login_status: Option<String>,
        login_timestamp: Option<Timestamp>,
        login_type: Option<String>,
        remote_ip: Option<String>,
        user_sid: Option<String>,
        username: Option<String>,
    }
}
