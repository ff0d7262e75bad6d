//! A host from an endpoint. Sources: reference, normalisation 2.1.

use edr_core::model::read;
use edr_core::{
    Agent, Cloud, Group, Host, NetworkInterface, Noun, Os, Platform, Policy, Raw, Rejected, Tag, User,
};

use super::{Context, Notes, build_in, domain};
use crate::api::Endpoint;
use crate::{api, words};

/// Decodes and maps one item of either listing of endpoints.
///
/// # Errors
/// The item as a [`Rejected`] when it cannot be decoded.
pub(crate) fn host(context: &Context, raw: Raw) -> Result<Host, Box<Rejected>> {
    match api::endpoints::decode(raw.as_bytes()) {
        Ok(endpoint) => Ok(mapped(context, endpoint, raw)),
        Err(reason) => Err(Box::new(context.rejected(Noun::Host, &raw, api::endpoints::ID_KEYS, reason))),
    }
}

fn mapped(context: &Context, mut endpoint: Endpoint, raw: Raw) -> Host {
    let mut notes = Notes::new(context.now);
    let mut host = Host::default();
    host.tenant = context.tenant.clone();
    host.vendor = context.vendor.clone();
    host.tenant_uid = context.tenant_uid.clone();
    host.raw = raw;
    states(&mut host, &endpoint, &mut notes);
    times(&mut host, &endpoint, &mut notes);
    network(&mut host, &endpoint, &mut notes);
    host.os = os(&mut endpoint, &mut notes);
    host.tags = tags(&mut endpoint);
    host.policies = policies(&mut endpoint);
    host.cloud = cloud(&mut endpoint);
    people(&mut host, &endpoint.users, &mut notes);
    host.uid = endpoint.endpoint_id.unwrap_or_default();
    host.hostname = endpoint.endpoint_name.unwrap_or_default();
    host.name = endpoint.alias;
    host.domain = domain(endpoint.domain);
    host.ou = endpoint.active_directory;
    host.agent.version = endpoint.endpoint_version;
    host.agent.content_version = endpoint.content_version;
    host.groups = endpoint.group_name.into_iter().map(|name| Group { uid: None, name: Some(name) }).collect();
    (host.origins, host.anomalies) = notes.into_parts();
    host
}

fn states(host: &mut Host, endpoint: &Endpoint, notes: &mut Notes) {
    if let Some(word) = &endpoint.endpoint_type {
        host.kind = words::host_type(word);
        notes.converted("type", word);
    }
    if let Some(word) = &endpoint.endpoint_status {
        host.connection_state = words::connection(word);
        notes.converted("connection_state", word);
    }
    if let Some(word) = &endpoint.is_isolated {
        host.containment_state = words::containment(word);
        notes.converted("containment_state", word);
    }
    if let Some(word) = &endpoint.operational_status {
        host.agent = Agent { health: words::health(word), ..Agent::default() };
        notes.converted("agent.health", word);
    }
}

fn times(host: &mut Host, endpoint: &Endpoint, notes: &mut Notes) {
    host.first_seen = notes.stamp("first_seen", &endpoint.first_seen);
    host.last_seen = notes.stamp("last_seen", &endpoint.last_seen);
    host.installed = notes.stamp("install_date", &endpoint.install_date);
    host.contained_time = notes.stamp("isolated_date", &endpoint.isolated_date);
}

fn os(endpoint: &mut Endpoint, notes: &mut Notes) -> Os {
    let mut os =
        Os { version: endpoint.os_version.take(), name: endpoint.operating_system.take(), ..Os::default() };
    if let Some(word) = &endpoint.os_type {
        os.platform = words::platform(word);
        notes.converted("os.type", word);
    }
    let caption = words::platform_caption(&os.platform).filter(|_| os.name.is_none());
    if caption.is_some() {
        notes.derived("os.name", endpoint.os_type.as_deref().unwrap_or_default());
    }
    let build = |text: &String| build_in(text).or_else(|| windows_build(&os.platform, text));
    let told = [&os.name, &os.version].into_iter().flatten();
    let found = told.filter_map(|text| Some((build(text)?, text))).next();
    if let Some((_, text)) = &found {
        notes.derived("os.build", text);
    }
    os.build = found.map(|(build, _)| build);
    os.name = os.name.or_else(|| caption.map(str::to_owned));
    os
}

/// The build of Windows is the third number of its version: `10.0.19045`.
fn windows_build(platform: &Platform, version: &str) -> Option<String> {
    let numbers = version.split('.').all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    let third = version.split('.').nth(2).filter(|_| *platform == Platform::Windows && numbers);
    third.map(str::to_owned)
}

/// The lists of addresses and MACs are not aligned: only where there is one of each do they belong together.
fn network(host: &mut Host, endpoint: &Endpoint, notes: &mut Notes) {
    let v4: Vec<_> = endpoint.ip.iter().filter_map(|ip| notes.ip("ip", ip)).collect();
    let v6: Vec<_> = endpoint.ipv6.iter().filter_map(|ip| notes.ip("ipv6", ip)).collect();
    let macs: Vec<String> = endpoint.mac_address.iter().filter_map(|m| notes.mac("mac_address", m)).collect();
    host.external_ip = endpoint.public_ip.as_deref().and_then(|ip| notes.ip("public_ip", ip));
    host.ip = v4.first().or(v6.first()).copied();
    host.network_interfaces = interfaces(v4.into_iter().chain(v6).collect(), macs);
}

/// One entry for an address and a MAC where there is one of each, else one for each of them.
pub(super) fn interfaces(ips: Vec<std::net::IpAddr>, mut macs: Vec<String>) -> Vec<NetworkInterface> {
    if let ([ip], 1) = (&ips[..], macs.len()) {
        return vec![NetworkInterface { name: None, ip: Some(*ip), mac: macs.pop() }];
    }
    let mut all = Vec::with_capacity(ips.len() + macs.len());
    for ip in ips {
        super::add(&mut all, NetworkInterface { ip: Some(ip), ..NetworkInterface::default() });
    }
    for mac in macs {
        super::add(&mut all, NetworkInterface { mac: Some(mac), ..NetworkInterface::default() });
    }
    all
}

/// Of several users nobody says who was the last.
fn people(host: &mut Host, names: &[String], notes: &mut Notes) {
    let mut users: Vec<User> = Vec::with_capacity(names.len().min(4));
    for user in names.iter().filter_map(|name| read::user(name, None)) {
        super::add(&mut users, user);
    }
    if let [only] = &users[..] {
        host.last_user = Some(only.clone());
        notes.derived("last_user", &names.join(", "));
    }
    host.users = users;
}

fn tags(endpoint: &mut Endpoint) -> Vec<Tag> {
    let mut tags = Vec::new();
    for (source, value) in std::mem::take(&mut endpoint.tags) {
        super::add(&mut tags, Tag { source, value });
    }
    for value in std::mem::take(&mut endpoint.endpoint_tags) {
        super::add(&mut tags, Tag { source: Some("endpoint_tags".to_owned()), value });
    }
    tags
}

fn policies(endpoint: &mut Endpoint) -> Vec<Policy> {
    let policy = |name: Option<String>, kind: &'static str| {
        name.map(|name| Policy { name: Some(name), kind: Some(kind.into()), ..Policy::default() })
    };
    let prevention = policy(endpoint.assigned_prevention_policy.take(), "prevention");
    let extensions = policy(endpoint.assigned_extensions_policy.take(), "extensions");
    prevention.into_iter().chain(extensions).collect()
}

fn cloud(endpoint: &mut Endpoint) -> Option<Cloud> {
    let cloud = Cloud {
        provider: endpoint.cloud_provider.as_deref().map(provider),
        account: endpoint.cloud_provider_account_id.take(),
        region: endpoint.cloud_region.take(),
        zone: None,
        instance_uid: endpoint.cloud_instance_id.take().or_else(|| endpoint.cloud_id.take()),
    };
    (cloud != Cloud::default()).then_some(cloud)
}

/// The model's word for a cloud, or the vendor's.
pub(super) fn provider(word: &str) -> String {
    match word.to_lowercase().as_str() {
        "aws" | "amazon" | "amazon web services" => "aws".to_owned(),
        "azure" | "microsoft azure" => "azure".to_owned(),
        "gcp" | "google" | "google cloud" | "google cloud platform" => "gcp".to_owned(),
        _ => word.to_owned(),
    }
}
