//! The device entity to a host.

use edr_core::model::read;
use edr_core::{
    Agent, AgentHealth, Cloud, ConnectionState, ContainmentState, Group, Host, HostType, Kubernetes,
    NetworkInterface, Os, Platform, Policy, Provenance, Tag, User,
};

use super::needed::{Needed, Said};
use super::{Context, Notes, said, said_word, text, texts, verbatim};
use crate::VENDOR;
use crate::api::hosts::{HostPlatform, HostVisibility, ProductType};

/// A host of a listing; nothing when it has no id.
pub(super) fn map(device: Needed<'_>, context: &Context) -> Option<Host> {
    let mut notes = Notes::new(context.now);
    let mut host = part(device, context, &mut notes)?;
    notes.origin("connection_state", None, Provenance::Default);
    (host.origins, host.anomalies) = (notes.origins, notes.anomalies);
    Some(host)
}

/// The host that a device describes, wherever it stands. What is noticed goes to `notes`.
pub(super) fn part(mut device: Needed<'_>, context: &Context, notes: &mut Notes) -> Option<Host> {
    let mut host = Host::default();
    host.tenant = context.tenant.clone();
    host.vendor = VENDOR;
    host.uid = text(device.device_id.take())?;
    host.tenant_uid = text(device.cid.take());
    name(&mut host, &mut device);
    host.kind = kind(&device, notes);
    if device.product_type_desc == Some(ProductType::DomainController)
        || device.product_type.as_deref() == Some("2")
    {
        host.roles.push("domain_controller".to_owned());
    }
    host.os = os(&mut device, notes);
    host.agent = agent(&mut device, notes);
    hardware(&mut host, &mut device, notes);
    network(&mut host, &device, notes);
    state(&mut host, &mut device, notes);
    times(&mut host, &device, notes);
    people(&mut host, &mut device);
    place(&mut host, &mut device, notes);
    host.policies = policies(&mut device);
    Some(host)
}

fn name(host: &mut Host, device: &mut Needed<'_>) {
    let info = device.hostinfo.take().unwrap_or_default();
    host.hostname = verbatim(device.hostname.take()).unwrap_or_default();
    host.domain = verbatim(device.machine_domain.take()).or_else(|| verbatim(info.domain));
    host.ou = texts(std::mem::take(&mut device.ou));
    if host.ou.is_empty() {
        host.ou = texts(info.active_directory_dn_display);
    }
    host.site = text(device.site_name.take());
}

/// A portable chassis outweighs the product type, which calls every client a workstation.
fn kind(device: &Needed<'_>, notes: &mut Notes) -> HostType {
    let chassis = device.chassis_type_desc.as_deref().unwrap_or_default();
    let portable = ["laptop", "notebook", "portable"].iter().any(|w| holds(chassis, w));
    let (kind, word) = match device.product_type_desc.as_ref().map(|w| w.as_str().trim()) {
        _ if portable => (HostType::Laptop, Some(chassis)),
        Some(word @ ("Server" | "Domain Controller")) => (HostType::Server, Some(word)),
        Some(word @ "Workstation") => (HostType::Desktop, Some(word)),
        Some(word @ "Mobile") => (HostType::Mobile, Some(word)),
        None | Some("") => (HostType::Unknown, None),
        Some(word) => (HostType::Other(word.to_owned()), Some(word)),
    };
    notes.origin("type", word, if word.is_some() { Provenance::Converted } else { Provenance::Default });
    kind
}

/// Whether the text holds the word, in any case.
fn holds(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

/// The family by its name; by its number where the name is missing.
pub(super) fn platform(name: Option<&str>, id: Option<&str>, notes: &mut Notes) -> Platform {
    const FAMILIES: &[(&str, Platform)] = &[
        ("Windows", Platform::Windows),
        ("Mac", Platform::Macos),
        ("macOS", Platform::Macos),
        ("Linux", Platform::Linux),
        ("Android", Platform::Android),
        ("iOS", Platform::Ios),
        ("iPadOS", Platform::Ipados),
    ];
    let word = name.map(str::trim).filter(|n| !n.is_empty());
    let (platform, said, provenance) = match (word, id) {
        (Some(word), _) => match FAMILIES.iter().find(|(family, _)| family.eq_ignore_ascii_case(word)) {
            Some((_, platform)) => (platform.clone(), Some(word), Provenance::Converted),
            None => (Platform::Other(word.to_owned()), Some(word), Provenance::Direct),
        },
        (None, Some("0")) => (Platform::Windows, id, Provenance::Derived),
        (None, Some("1")) => (Platform::Macos, id, Provenance::Derived),
        (None, Some("3")) => (Platform::Linux, id, Provenance::Derived),
        (None, _) => (Platform::Unknown, id, Provenance::Default),
    };
    notes.origin("os.type", said, provenance);
    platform
}

fn os(device: &mut Needed<'_>, notes: &mut Notes) -> Os {
    let platform = platform(
        device.platform_name.as_ref().map(HostPlatform::as_str),
        device.platform_id.as_deref(),
        notes,
    );
    let product = device.os_version.text();
    let kernel = text(device.kernel_version.take());
    let numbers = || match (device.major_version.text(), device.minor_version.text()) {
        (Some(major), Some(minor)) => Some([major, ".", minor].concat()),
        (major, _) => major.map(str::to_owned),
    };
    let (version, kernel) = if platform == Platform::Windows {
        (kernel.or_else(|| derived("os.version", numbers(), notes)), None)
    } else {
        (product_version(product, notes), kernel.or_else(|| derived("os.kernel", numbers(), notes)))
    };
    Os {
        platform,
        name: device.os_product_name.text().or(product).map(str::to_owned),
        version,
        build: device.os_build.kept().or_else(|| device.build_number.kept()),
        kernel,
    }
}

/// A version that is made of its numbers.
fn derived(field: &'static str, numbers: Option<String>, notes: &mut Notes) -> Option<String> {
    let numbers = numbers?;
    notes.origin(field, Some(&numbers), Provenance::Derived);
    Some(numbers)
}

/// Elsewhere `major_version` counts kernels, so the version is the number in the product's name:
/// `Sequoia (15)`, `Ubuntu 22.04`.
fn product_version(product: Option<&str>, notes: &mut Notes) -> Option<String> {
    let product = product?;
    let numeric = |w: &&str| {
        w.starts_with(|c: char| c.is_ascii_digit()) && w.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    let version = product.split(['(', ')', ' ']).find(numeric)?.trim_end_matches('.').to_owned();
    notes.origin("os.version", Some(product), Provenance::Derived);
    Some(version)
}

fn agent(device: &mut Needed<'_>, notes: &mut Notes) -> Agent {
    let stated = device.reduced_functionality_mode.is_some();
    let reduced = device.reduced_functionality_mode.as_ref().map(|w| w.as_str().trim());
    let is = |word: &str| reduced.is_some_and(|reduced| reduced.eq_ignore_ascii_case(word));
    let provision = device.provision_status.as_ref().map(|w| w.as_str().trim()).filter(|w| !w.is_empty());
    let (health, said, provenance) = match provision {
        _ if is("yes") => (AgentHealth::Degraded, Some("yes"), Provenance::Converted),
        Some(word) if word.eq_ignore_ascii_case("NotProvisioned") => {
            (AgentHealth::Unprotected, Some(word), Provenance::Converted)
        }
        _ if is("no") => (AgentHealth::Ok, Some("no"), Provenance::Converted),
        Some(word @ "Provisioned") if !stated => (AgentHealth::Ok, Some(word), Provenance::Derived),
        provision => {
            let word = reduced.filter(|word| !word.is_empty()).or(provision);
            (AgentHealth::Unknown, word, Provenance::Default)
        }
    };
    notes.origin("agent.health", said, provenance);
    Agent { version: verbatim(device.agent_version.take()), content_version: None, health }
}

fn hardware(host: &mut Host, device: &mut Needed<'_>, notes: &mut Notes) {
    host.serial_number = text(device.serial_number.take()).filter(|serial| {
        let blank = read::is_no_serial(serial);
        if blank {
            notes.anomaly("serial_number", serial, "a placeholder");
        }
        !blank
    });
    host.smbios_uuid = host.serial_number.as_deref().and_then(read::smbios_uuid);
    if host.smbios_uuid.is_some() {
        notes.origin("smbios_uuid", host.serial_number.as_deref(), Provenance::Derived);
    }
    host.manufacturer = text(device.system_manufacturer.take());
    host.model = text(device.system_product_name.take());
    host.bios_manufacturer = text(device.bios_manufacturer.take());
    host.bios_version = text(device.bios_version.take());
    host.chassis = device.chassis_type_desc.kept().or_else(|| device.chassis_type.kept());
}

fn network(host: &mut Host, device: &Needed<'_>, notes: &mut Notes) {
    let mut interface = |ip: (&'static str, &Said<'_>), mac: (&'static str, &Said<'_>)| {
        let found = NetworkInterface {
            name: None,
            ip: notes.ip(ip.0, ip.1.as_deref()),
            mac: notes.mac(mac.0, mac.1.as_deref()),
        };
        (found.ip.is_some() || found.mac.is_some()).then_some(found)
    };
    let local = interface(("local_ip", &device.local_ip), ("mac_address", &device.mac_address));
    let connected = interface(
        ("connection_ip", &device.connection_ip),
        ("connection_mac_address", &device.connection_mac_address),
    );
    host.ip = local.as_ref().and_then(|i| i.ip);
    let second = connected
        .filter(|c| local.as_ref().is_none_or(|l| l.ip != c.ip || (c.mac.is_some() && l.mac != c.mac)));
    host.network_interfaces = local.into_iter().chain(second).collect();
    host.external_ip = notes.ip("external_ip", device.external_ip.as_deref());
    host.default_gateway = notes.ip("default_gateway_ip", device.default_gateway_ip.as_deref());
}

fn state(host: &mut Host, device: &mut Needed<'_>, notes: &mut Notes) {
    host.connection_state = ConnectionState::Unknown;
    let word = device.status.as_ref().map(|word| word.as_str()).filter(|word| said(word)).map(str::trim);
    host.containment_state = containment(word);
    let provenance = if word.is_some() { Provenance::Converted } else { Provenance::Default };
    notes.origin("containment_state", word, provenance);
    host.fs_containment_state = said_word(device.filesystem_containment_status.take());
    host.is_hidden = match device.host_hidden_status {
        Some(HostVisibility::Hidden) => Some(true),
        Some(HostVisibility::Visible) => Some(false),
        _ => None,
    };
}

fn containment(word: Option<&str>) -> ContainmentState {
    match word {
        None => ContainmentState::Unknown,
        Some("normal") => ContainmentState::Normal,
        Some("containment_pending") => ContainmentState::ContainmentPending,
        Some("contained") => ContainmentState::Contained,
        Some("lift_containment_pending") => ContainmentState::LiftPending,
        Some(word) => ContainmentState::Other(word.to_owned()),
    }
}

fn times(host: &mut Host, device: &Needed<'_>, notes: &mut Notes) {
    host.first_seen = notes.time("first_seen", device.first_seen.as_deref());
    host.last_seen = notes.time("last_seen", device.last_seen.as_deref());
    host.modified = notes.time("modified_timestamp", device.modified_timestamp.as_deref());
    host.boot_time = notes.time("last_reboot", device.last_reboot.as_deref());
    host.last_login = notes.time("last_login_timestamp", device.last_login_timestamp.as_deref());
    // The host's own clock is read for what is wrong with it alone.
    notes.time("agent_local_time", device.agent_local_time.as_deref());
}

fn people(host: &mut Host, device: &mut Needed<'_>) {
    let sid = device.last_login_user_sid.text().or_else(|| device.last_login_uid.text());
    host.last_user = read::user(device.last_login_user.as_deref().unwrap_or_default(), sid);
    let first = read::user(device.first_login_user.as_deref().unwrap_or_default(), None);
    let other = first.filter(|f| host.last_user.as_ref().is_none_or(|l| !same_account(l, f)));
    host.users = host.last_user.clone().into_iter().chain(other).collect();
    host.owner_email = text(device.email.take());
}

fn same_account(a: &User, b: &User) -> bool {
    a.name == b.name && (a.domain == b.domain || a.domain.is_none() || b.domain.is_none())
}

fn place(host: &mut Host, device: &mut Needed<'_>, notes: &mut Notes) {
    let group = |uid| Group { uid: Some(uid), name: None };
    host.groups = texts(std::mem::take(&mut device.groups)).into_iter().map(group).collect();
    host.tags = texts(std::mem::take(&mut device.tags)).iter().map(|t| tag(t)).collect();
    host.cloud = cloud(device, notes);
    let k8s = Kubernetes {
        cluster: text(device.k8s_cluster_id.take()),
        namespace: text(device.pod_namespace.take()),
        pod: text(device.pod_name.take()).or_else(|| text(device.pod_id.take())),
        container: None,
    };
    host.k8s = (k8s != Kubernetes::default()).then_some(k8s);
    host.criticality = text(device.criticality.take());
}

/// `FalconGroupingTags/gold` is `gold` of the kind `FalconGroupingTags`.
fn tag(text: &str) -> Tag {
    match text.split_once('/') {
        Some((source, value)) if !source.is_empty() && !value.is_empty() => {
            Tag { source: Some(source.to_owned()), value: value.to_owned() }
        }
        _ => Tag { source: None, value: text.to_owned() },
    }
}

fn cloud(device: &mut Needed<'_>, notes: &mut Notes) -> Option<Cloud> {
    let word = said_word(device.service_provider.take());
    let provider = match word.as_deref() {
        Some("AWS_EC2" | "AWS_EC2_V2" | "AWS") => Some("aws".to_owned()),
        Some("AZURE") => Some("azure".to_owned()),
        Some("GCP") => Some("gcp".to_owned()),
        _ => word.clone(),
    };
    let zone = text(device.zone_group.take());
    let aws = provider.as_deref() == Some("aws");
    let region = zone.as_deref().filter(|_| aws).and_then(aws_region);
    let cloud = Cloud {
        provider,
        account: verbatim(device.service_provider_account_id.take()),
        region,
        zone,
        instance_uid: verbatim(device.instance_id.take()),
    };
    if cloud == Cloud::default() {
        return None;
    }
    if word.is_some() {
        notes.origin("cloud.provider", word.as_deref(), Provenance::Converted);
    }
    if cloud.region.is_some() {
        notes.origin("cloud.region", cloud.zone.as_deref(), Provenance::Derived);
    }
    Some(cloud)
}

/// `eu-west-3a` lies in `eu-west-3`.
fn aws_region(zone: &str) -> Option<String> {
    let region = zone.strip_suffix(|c: char| c.is_ascii_lowercase())?;
    region.ends_with(|c: char| c.is_ascii_digit()).then(|| region.to_owned())
}

fn policies(device: &mut Needed<'_>) -> Vec<Policy> {
    let all = std::mem::take(&mut device.device_policies).0;
    if all.is_empty() { std::mem::take(&mut device.policies).0 } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_zone_of_aws_has_a_letter_to_strip() {
        assert_eq!(aws_region("eu-west-3a").as_deref(), Some("eu-west-3"));
        assert_eq!(aws_region("eu-west-3"), None);
        assert_eq!(aws_region("europe-westb"), None);
    }

    #[test]
    fn a_version_is_found_in_the_name_of_the_product() {
        let mut notes = Notes::new(chrono::DateTime::UNIX_EPOCH);
        for (product, version) in [
            ("Sequoia (15)", Some("15")),
            ("Ventura(13)", Some("13")),
            ("Ubuntu 22.04", Some("22.04")),
            ("Arch", None),
        ] {
            assert_eq!(product_version(Some(product), &mut notes).as_deref(), version, "{product}");
        }
    }

    #[test]
    fn platforms_forms_and_containment_follow_the_tables() {
        let mut notes = Notes::new(chrono::DateTime::UNIX_EPOCH);
        for (name, id, expected) in [
            (Some("Windows"), Some("1"), Platform::Windows),
            (Some("Mac"), None, Platform::Macos),
            (Some("Linux"), None, Platform::Linux),
            (Some("Android"), None, Platform::Android),
            (Some("iOS"), None, Platform::Ios),
            (Some("iPadOS"), None, Platform::Ipados),
            (Some("Kubernetes"), None, Platform::Other("Kubernetes".into())),
            (None, Some("0"), Platform::Windows),
            (Some(""), Some("1"), Platform::Macos),
            (None, Some("3"), Platform::Linux),
            (None, Some("7"), Platform::Unknown),
        ] {
            assert_eq!(platform(name, id, &mut notes), expected, "{name:?} {id:?}");
        }
        for (product, chassis, expected) in [
            ("Workstation", "Laptop", HostType::Laptop),
            ("Workstation", "Notebook", HostType::Laptop),
            ("Workstation", "Portable", HostType::Laptop),
            ("Workstation", "Desktop", HostType::Desktop),
            ("Domain Controller", "", HostType::Server),
            ("Server", "", HostType::Server),
            ("Mobile", "", HostType::Mobile),
            ("Pod", "", HostType::Other("Pod".into())),
            ("", "", HostType::Unknown),
        ] {
            let json = format!(r#"{{"product_type_desc":"{product}","chassis_type_desc":"{chassis}"}}"#);
            assert_eq!(kind(&serde_json::from_str(&json).unwrap(), &mut notes), expected, "{json}");
        }
        for (word, expected) in [
            (Some("normal"), ContainmentState::Normal),
            (Some("containment_pending"), ContainmentState::ContainmentPending),
            (Some("contained"), ContainmentState::Contained),
            (Some("lift_containment_pending"), ContainmentState::LiftPending),
            (Some("odd"), ContainmentState::Other("odd".into())),
            (None, ContainmentState::Unknown),
        ] {
            assert_eq!(containment(word), expected, "{word:?}");
        }
    }

    #[test]
    fn a_tag_is_split_at_its_first_slash() {
        assert_eq!(
            tag("FalconGroupingTags/a/b"),
            Tag { source: Some("FalconGroupingTags".into()), value: "a/b".into() }
        );
        assert_eq!(tag("/a"), Tag { source: None, value: "/a".into() });
    }
}
