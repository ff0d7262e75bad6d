//! Assets (Falcon Discover): what the sensors see of machines, their neighbours, software, accounts and logins
//! (falcon-api section 7). Nothing here can be changed.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::Method;
use serde_json::{Value, json};

use super::derived::{Derived, Part, facets, host_of, id_on};
use super::envelope::Envelope;
use super::fql::{Dialect, Kind};
use super::guard::Context;
use super::hosts_list::Refused;
use super::render_host::{last_login_ms, mac, platform, product_desc, reduced, site, stamp, tag};
use super::things::{Ask, Style, bad, no_method, service};
use crate::estate::HostFields;
use crate::estate::hash::{hex_words, mix_str, mix2};
use crate::estate::machine::User;
use crate::estate::software::{Installed, installed};
use crate::state::SimState;
use Kind::{Bool, Exact, Ip, Number, Text, Time};

const SERVICE: &str = "discover-api";
const READ: Option<&str> = Some("discover:read");
const DAY: i64 = 86_400_000;

pub(super) const OPERATIONS: &[super::Operation] = &[
    ("GET", "/discover/combined/hosts/v1", "combined-hosts", READ),
    ("GET", "/discover/combined/applications/v1", "combined-applications", READ),
    ("GET", "/discover/queries/hosts/v1", "query-hosts", READ),
    ("GET", "/discover/queries/applications/v1", "query-applications", READ),
    ("GET", "/discover/queries/accounts/v1", "query-accounts", READ),
    ("GET", "/discover/queries/logins/v1", "query-logins", READ),
    ("GET", "/discover/entities/hosts/v1", "get-hosts", READ),
    ("GET", "/discover/entities/applications/v1", "get-applications", READ),
    ("GET", "/discover/entities/accounts/v1", "get-accounts", READ),
    ("GET", "/discover/entities/logins/v1", "get-logins", READ),
];

pub(super) fn router() -> Router<Arc<SimState>> {
    let kinds = ["hosts", "applications", "accounts", "logins"];
    let router = Router::new()
        .route("/discover/combined/hosts/v1", service(combined))
        .route("/discover/combined/applications/v1", service(combined));
    kinds.iter().fold(router, |r, kind| {
        r.route(&format!("/discover/queries/{kind}/v1"), service(query))
            .route(&format!("/discover/entities/{kind}/v1"), service(entities))
    })
}

const fn style(dialect: &'static Dialect, most: usize, sort: &'static str) -> Style {
    Style {
        service: SERVICE,
        dialect,
        most,
        default: 100,
        sort,
        pipe: false,
        next_offset: false,
        silent: false,
    }
}

const HOSTS: Derived =
    Derived { style: style(&HOST_FIELDS, 1_000, "id|asc"), of_host: assets, shared: false };
const APPLICATIONS: Derived =
    Derived { style: style(&APPLICATION_FIELDS, 1_000, "id|asc"), of_host: applications, shared: false };
const ACCOUNTS: Derived =
    Derived { style: style(&ACCOUNT_FIELDS, 100, "id|asc"), of_host: accounts, shared: true };
const LOGINS: Derived =
    Derived { style: style(&LOGIN_FIELDS, 100, "id|asc"), of_host: logins, shared: false };

/// What a path is about.
fn kind(path: &str) -> Derived {
    match path.split('/').nth(3) {
        Some("applications") => APPLICATIONS,
        Some("accounts") => ACCOUNTS,
        Some("logins") => LOGINS,
        _ => HOSTS,
    }
}

const HOST_FACETS: &[(&str, &[&str])] = &[
    ("risk_factors", &["criticality", "internet_exposure"]),
    (
        "system_insights",
        &["memory_total", "number_of_disk_drives", "encryption_status", "cpu_processor_name"],
    ),
    ("third_party", &["servicenow_id", "owned_by"]),
];
const APPLICATION_FACETS: &[(&str, &[&str])] = &[
    ("host_info", &["host"]),
    (
        "install_usage",
        &["last_used_user_name", "last_used_user_sid", "last_used_file_name", "last_used_timestamp"],
    ),
];

fn show(ask: &Ask<'_>, rows: &mut [Value]) {
    facets(ask, rows, HOST_FACETS);
    facets(ask, rows, APPLICATION_FACETS);
}

/// The filter is required here, and nowhere else.
fn combined(ask: &Ask<'_>) -> Result<Response, Refused> {
    if ask.method != Method::GET {
        return no_method();
    }
    let Part { mut rows, pagination } = kind(ask.path).by_after(ask, false)?;
    show(ask, &mut rows);
    Ok(Envelope::new(SERVICE).paged(pagination).with(&rows).into_response())
}

fn query(ask: &Ask<'_>) -> Result<Response, Refused> {
    let mut kind = kind(ask.path);
    kind.style.most = 100;
    let part = kind.by_offset(ask, 10_000)?;
    Ok(Envelope::new(SERVICE).paged(part.pagination.clone()).with(&part.ids()).into_response())
}

fn entities(ask: &Ask<'_>) -> Result<Response, Refused> {
    let ids = ask.ids(SERVICE, "ids", 100)?;
    let (c, kind) = (ask.c, kind(ask.path));
    let own = format!("{}_", c.falcon.cid);
    if ids.iter().any(|id| id.len() != own.len() + 32) {
        return Err(bad(SERVICE, "invalid ids"));
    }
    let place = |id: &str| {
        let rest = id.strip_prefix(&own)?;
        // An account is on several hosts.
        if kind.shared { kind.search(c, id) } else { host_of(c, rest) }
    };
    let envelope = kind.by_ids(c, &ids, place, "entity");
    Ok(envelope.into_response())
}

fn full_id(c: Context<'_>, host: u64, what: &str) -> String {
    format!("{}_{}", c.falcon.cid, id_on(c, host, what))
}

fn host_part(c: Context<'_>, h: &HostFields<'_>) -> Value {
    json!({"id": full_id(c, h.index(), "asset"), "aid": h.id(), "hostname": h.hostname(),
        "platform_name": platform(h.platform()).1, "os_version": h.os().name, "kernel_version": h.os().kernel,
        "product_type_desc": product_desc(h.form()), "machine_domain": h.domain(), "ous": h.ou(),
        "site_name": site(h.domain(), h.site().1), "tags": tags(h), "groups": super::groups::ids_of(c.tenant, c.falcon, h),
        "system_manufacturer": h.hardware().0, "agent_version": h.agent_version(),
        "external_ip": h.external_ip().to_string(), "current_mac_address": mac(h.macs()[0])})
}

fn tags(h: &HostFields<'_>) -> Vec<String> {
    h.tags().iter().map(|t| tag(t)).collect()
}

/// The machine, and beside some machines a neighbour without a sensor.
fn assets(c: Context<'_>, index: u64) -> Vec<Value> {
    let h = c.tenant.estate.searched(index);
    let mut row = host_part(c, &h);
    let root = mix2(c.tenant.estate.tag() ^ 0xA55E, index);
    let more = json!({"cid": c.falcon.cid, "entity_type": "managed", "confidence": 100, "city": h.site().1,
        "first_seen_timestamp": stamp(h.first_seen_ms()), "last_seen_timestamp": stamp(h.last_seen_ms()),
        "system_product_name": h.hardware().1, "system_serial_number": h.serial(),
        "bios_manufacturer": h.hardware().2, "bios_version": h.hardware().3,
        "current_local_ip": h.ip().to_string(), "local_ip_addresses": [h.ip().to_string()], "local_ips_count": 1,
        "mac_addresses": h.macs().iter().map(|m| mac(*m)).collect::<Vec<_>>(),
        "network_interfaces": [{"local_ip": h.ip().to_string(), "mac_address": mac(h.macs()[0]), "interface_alias": "Ethernet"}],
        "reduced_functionality_mode": reduced(h.health()), "data_providers": ["Falcon sensor"], "data_providers_count": 1,
        "criticality": (["Critical", "High", "Noncritical", "Unassigned"])[(root % 4) as usize],
        "internet_exposure": if root.is_multiple_of(13) { "Yes" } else { "No" },
        "memory_total": 8192 << (root % 4), "number_of_disk_drives": 1 + root % 2,
        "encryption_status": if root.is_multiple_of(5) { "Unencrypted" } else { "Encrypted" },
        "cpu_processor_name": "AMD EPYC 7763", "owned_by": "IT", "servicenow_id": hex_words(root, 2)});
    merge(&mut row, more);
    drop(row.as_object_mut().map(|row| row.remove("current_mac_address")));
    let neighbour = root.is_multiple_of(6).then(|| neighbour(c, &h, root));
    std::iter::once(row).chain(neighbour).collect()
}

fn neighbour(c: Context<'_>, h: &HostFields<'_>, root: u64) -> Value {
    let hardware =
        mac([2, 0x1B, (root >> 8) as u8, (root >> 16) as u8, (root >> 24) as u8, (root >> 32) as u8]);
    json!({"id": full_id(c, h.index(), "neighbour"), "cid": c.falcon.cid, "entity_type": "unmanaged",
        "hostname": format!("PRN-{:04X}", root & 0xFFFF), "platform_name": "Linux", "product_type_desc": "Workstation",
        "confidence": 25 + root % 75, "first_seen_timestamp": stamp(h.first_seen_ms() + DAY),
        "last_seen_timestamp": stamp(h.last_seen_ms()), "mac_addresses": [hardware], "city": h.site().1,
        "last_discoverer_aid": h.id(), "discoverer_aids": [h.id()], "discoverer_count": 1,
        "discovering_by": ["Passive"], "internet_exposure": "No", "criticality": "Unassigned"})
}

/// Puts the keys of one object into another.
pub(super) fn merge(into: &mut Value, more: Value) {
    if let (Some(into), Value::Object(more)) = (into.as_object_mut(), more) {
        into.extend(more);
    }
}

fn applications(c: Context<'_>, index: u64) -> Vec<Value> {
    let h = c.tenant.estate.searched(index);
    let host = host_part(c, &h);
    installed(&h, c.tenant.estate.tag()).into_iter().map(|i| application(c, &h, &host, i)).collect()
}

fn application(c: Context<'_>, h: &HostFields<'_>, host: &Value, i: Installed) -> Value {
    let (p, user) = (i.product, h.users().into_iter().next());
    let at = h.first_seen_ms() + (i.root % 20) as i64 * DAY;
    let used = last_login_ms(h).map_or(at, |login| login.max(at));
    let (folder, file) = match h.platform() {
        crate::estate::machine::Platform::Windows => (r"C:\Program Files", ".exe"),
        crate::estate::machine::Platform::MacOs => ("/Applications", ".app"),
        crate::estate::machine::Platform::Linux => ("/usr/bin", ""),
    };
    let short = p.name.to_lowercase().replace(' ', "-");
    let mut row = json!({"id": full_id(c, h.index(), p.name), "cid": c.falcon.cid, "name": p.name, "vendor": p.vendor,
        "version": i.version(), "name_vendor": format!("{}-{}", p.name, p.vendor),
        "name_vendor_version": format!("{}-{}-{}", p.name, p.vendor, i.version()), "category": p.category,
        "software_type": "application", "is_normalized": true, "is_suspicious": false, "architectures": ["x64"],
        "versioning_scheme": "semver", "installation_paths": [format!("{folder}/{short}{file}").replace("Files/", r"Files\")],
        "installation_timestamp": stamp(at), "first_seen_timestamp": stamp(at), "last_updated_timestamp": stamp(used),
        "last_used_file_name": format!("{short}{file}"), "last_used_timestamp": stamp(used), "host": host});
    if let Some(user) = user {
        row["last_used_user_name"] = user.name.into();
        row["last_used_user_sid"] = user.sid.into();
    }
    row
}

fn is_local(h: &HostFields<'_>, user: &User) -> bool {
    user.domain == h.hostname()
}

fn admin(user: &User) -> &'static str {
    let names = ["Administrator", "root", "it-support"];
    if names.contains(&user.name.as_str()) || user.name.starts_with("svc-") { "Yes" } else { "No" }
}

/// The id of an account is the same on every host where it logs on.
fn account_id(c: Context<'_>, h: &HostFields<'_>, user: &User) -> String {
    let place = if is_local(h, user) { h.id() } else { user.domain.clone() };
    let root = mix_str(c.tenant.estate.tag(), &format!("account {place} {} {}", user.sid, user.name));
    format!("{}_{}", c.falcon.cid, hex_words(root, 2))
}

fn accounts(c: Context<'_>, index: u64) -> Vec<Value> {
    let h = c.tenant.estate.searched(index);
    h.users().iter().map(|user| account(c, &h, user)).collect()
}

fn account(c: Context<'_>, h: &HostFields<'_>, user: &User) -> Value {
    let last = last_login_ms(h).map(stamp);
    json!({"id": account_id(c, h, user), "cid": c.falcon.cid, "account_name": format!("{}\\{}", user.domain, user.name),
        "account_type": if is_local(h, user) { "Local" } else { "Domain" }, "username": user.name, "user_sid": user.sid,
        "admin_privileges": admin(user), "local_admin_privileges": admin(user), "login_domain": user.domain,
        "first_seen_timestamp": stamp(h.first_seen_ms()), "last_successful_login_hostname": h.hostname(),
        "last_successful_login_timestamp": last, "last_successful_login_type": "Interactive",
        "last_successful_login_host_city": h.site().1, "password_last_set_timestamp": stamp(h.first_seen_ms() - 9 * DAY)})
}

/// Up to three logins of each account that logs on to a host; one in twelve has failed.
fn logins(c: Context<'_>, index: u64) -> Vec<Value> {
    let h = c.tenant.estate.searched(index);
    let Some(last) = last_login_ms(&h) else { return Vec::new() };
    let users = h.users();
    let each = users.iter().flat_map(|user| (0..3).map(move |n| (user, n)));
    each.map(|(user, n)| login(c, &h, user, (n, last - n * DAY))).collect()
}

fn login(c: Context<'_>, h: &HostFields<'_>, user: &User, (n, at): (i64, i64)) -> Value {
    let what = format!("login {} {n}", user.name);
    let failed = mix_str(c.tenant.estate.tag() ^ h.index(), &what).is_multiple_of(12);
    let mut row = account(c, h, user);
    let keep = [
        "cid",
        "account_name",
        "account_type",
        "username",
        "user_sid",
        "admin_privileges",
        "local_admin_privileges",
        "login_domain",
    ];
    if let Some(row) = row.as_object_mut() {
        row.retain(|key, _| keep.contains(&key.as_str()));
    }
    let more = json!({"id": full_id(c, h.index(), &what), "account_id": account_id(c, h, user), "aid": h.id(),
        "host_id": full_id(c, h.index(), "asset"), "hostname": h.hostname(), "local_ip": h.ip().to_string(),
        "login_status": if failed { "Failed" } else { "Successful" }, "login_timestamp": stamp(at),
        "login_type": "Interactive", "login_event_count": 1, "aggregation_time_interval": "DAILY",
        "is_suspicious": false, "host_city": h.site().1});
    merge(&mut row, more);
    if failed {
        row["failure_description"] = "Wrong password".into();
    }
    row
}

const HOST_FIELDS: Dialect = Dialect {
    strict: false,
    properties: &[
        ("id", Exact),
        ("aid", Exact),
        ("agent_version", Text),
        ("bios_manufacturer", Text),
        ("bios_version", Text),
        ("city", Text),
        ("confidence", Number),
        ("criticality", Text),
        ("current_local_ip", Ip),
        ("data_providers", Text),
        ("data_providers_count", Number),
        ("discoverer_aids", Exact),
        ("discoverer_count", Number),
        ("discovering_by", Text),
        ("encryption_status", Text),
        ("entity_type", Text),
        ("external_ip", Ip),
        ("first_seen_timestamp", Time),
        ("groups", Exact),
        ("hostname", Text),
        ("internet_exposure", Text),
        ("kernel_version", Text),
        ("last_discoverer_aid", Exact),
        ("last_seen_timestamp", Time),
        ("local_ip_addresses", Ip),
        ("local_ips_count", Number),
        ("mac_addresses", Text),
        ("machine_domain", Text),
        ("network_interfaces.local_ip", Ip),
        ("os_version", Text),
        ("owned_by", Text),
        ("platform_name", Text),
        ("product_type_desc", Text),
        ("reduced_functionality_mode", Text),
        ("servicenow_id", Text),
        ("site_name", Text),
        ("system_manufacturer", Text),
        ("system_product_name", Text),
        ("system_serial_number", Text),
        ("tags", Exact),
    ],
};

const APPLICATION_FIELDS: Dialect = Dialect {
    strict: false,
    properties: &[
        ("id", Exact),
        ("architectures", Text),
        ("category", Text),
        ("cid", Exact),
        ("first_seen_timestamp", Time),
        ("host.agent_version", Text),
        ("host.aid", Exact),
        ("host.external_ip", Ip),
        ("host.groups", Exact),
        ("host.hostname", Text),
        ("host.id", Exact),
        ("host.kernel_version", Text),
        ("host.machine_domain", Text),
        ("host.os_version", Text),
        ("host.platform_name", Text),
        ("host.product_type_desc", Text),
        ("host.site_name", Text),
        ("host.system_manufacturer", Text),
        ("host.tags", Exact),
        ("installation_paths", Text),
        ("installation_timestamp", Time),
        ("is_normalized", Bool),
        ("is_suspicious", Bool),
        ("last_updated_timestamp", Time),
        ("last_used_file_name", Text),
        ("last_used_timestamp", Time),
        ("last_used_user_name", Text),
        ("last_used_user_sid", Text),
        ("name", Text),
        ("name_vendor", Text),
        ("name_vendor_version", Text),
        ("software_type", Text),
        ("vendor", Text),
        ("version", Text),
        ("versioning_scheme", Text),
    ],
};

const ACCOUNT_FIELDS: Dialect = Dialect {
    strict: false,
    properties: &[
        ("id", Exact),
        ("account_name", Text),
        ("account_type", Text),
        ("admin_privileges", Text),
        ("cid", Exact),
        ("first_seen_timestamp", Time),
        ("last_successful_login_host_city", Text),
        ("last_successful_login_hostname", Text),
        ("last_successful_login_timestamp", Time),
        ("last_successful_login_type", Text),
        ("local_admin_privileges", Text),
        ("login_domain", Text),
        ("password_last_set_timestamp", Time),
        ("user_sid", Text),
        ("username", Text),
    ],
};

const LOGIN_FIELDS: Dialect = Dialect {
    strict: false,
    properties: &[
        ("id", Exact),
        ("account_id", Exact),
        ("account_name", Text),
        ("account_type", Text),
        ("admin_privileges", Text),
        ("aggregation_time_interval", Text),
        ("aid", Exact),
        ("cid", Exact),
        ("failure_description", Text),
        ("host_city", Text),
        ("host_id", Exact),
        ("hostname", Text),
        ("is_suspicious", Bool),
        ("local_admin_privileges", Text),
        ("local_ip", Ip),
        ("login_domain", Text),
        ("login_event_count", Number),
        ("login_status", Text),
        ("login_timestamp", Time),
        ("login_type", Text),
        ("user_sid", Text),
    ],
};
