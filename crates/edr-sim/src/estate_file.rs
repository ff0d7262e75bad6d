//! An estate from a file: tenants, hosts and alerts by hand, or the hosts of recorded replies.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::estate::Vendor;
use crate::estate::given::{GivenAlert, GivenContainment, GivenHost, Kept, Mac, When, intern};
use crate::estate::machine::{Form, Platform};
use crate::files::read_up_to;
use crate::sim::SimError;
use crate::state::KeyType;

/// How large one file of an estate may be.
const ESTATE_MIB: u64 = 64;

/// An estate as a file describes it (docs/SIMULATOR.md). What it leaves out is generated.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstateFile {
    #[serde(rename = "tenant")]
    pub(crate) tenants: Vec<FileTenant>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileTenant {
    pub(crate) vendor: Vendor,
    pub(crate) name: Option<String>,
    /// How many hosts in all, those by hand among them.
    pub(crate) hosts: Option<u64>,
    /// How many generated alerts, when none is given by hand.
    pub(crate) alerts: Option<u64>,
    pub(crate) generation: Option<u8>,
    pub(crate) key_type: Option<KeyType>,
    #[serde(default, rename = "host")]
    pub(crate) host: Vec<GivenHost>,
    #[serde(default, rename = "alert")]
    pub(crate) alert: Vec<GivenAlert>,
    #[serde(default, rename = "child")]
    pub(crate) children: Vec<FileChild>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileChild {
    pub(crate) name: String,
    pub(crate) hosts: Option<u64>,
    pub(crate) alerts: Option<u64>,
    #[serde(default, rename = "host")]
    pub(crate) host: Vec<GivenHost>,
    #[serde(default, rename = "alert")]
    pub(crate) alert: Vec<GivenAlert>,
}

impl EstateFile {
    /// Reads the form of docs/SIMULATOR.md in TOML.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn from_toml(text: &str) -> Result<Self, SimError> {
        let file: Self = toml::from_str(text).map_err(|e| SimError::Invalid(e.to_string()))?;
        file.checked()
    }

    /// Reads the same form in JSON, or a recorded reply: of Falcon's hosts (`resources`) or Cortex's endpoints
    /// (`reply.endpoints`), whose hosts become those of one tenant.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn from_json(text: &str) -> Result<Self, SimError> {
        let invalid = |e: serde_json::Error| SimError::Invalid(e.to_string());
        let value: Value = serde_json::from_str(text).map_err(invalid)?;
        match recorded(&value) {
            Some(tenant) => Self { tenants: vec![tenant] }.checked(),
            // Once more from the text: only then an error tells its line.
            None => serde_json::from_str::<Self>(text).map_err(invalid)?.checked(),
        }
    }

    /// Reads a file (`.toml`, or JSON), or a folder of JSON files, each a tenant or more, in the order of their names.
    ///
    /// # Errors
    /// When something cannot be read, or what is wrong in it, and where.
    pub fn read(path: &Path) -> Result<Self, SimError> {
        let failed = |source| SimError::File { path: path.display().to_string(), source };
        if !path.is_dir() {
            let text = String::from_utf8(read_up_to(path, ESTATE_MIB)?)
                .map_err(|e| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, e)))?;
            let toml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
            let read = if toml { Self::from_toml(&text) } else { Self::from_json(&text) };
            return read.map_err(|e| SimError::Invalid(format!("{}: {e}", path.display())));
        }
        let entries =
            std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
        let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")));
        files.sort();
        let all: Vec<Self> = files.iter().map(|file| Self::read(file)).collect::<Result<_, _>>()?;
        let tenants: Vec<FileTenant> = all.into_iter().flat_map(|file| file.tenants).collect();
        if tenants.is_empty() {
            return Err(SimError::Invalid(format!("{}: no JSON file is in this folder", path.display())));
        }
        Self { tenants }.checked()
    }

    fn checked(self) -> Result<Self, SimError> {
        let wrong = |place: usize, why: &str| Err(SimError::Invalid(format!("tenant {}: {why}", place + 1)));
        if self.tenants.is_empty() {
            return Err(SimError::Invalid("there is no tenant in it".to_owned()));
        }
        for (place, tenant) in self.tenants.iter().enumerate() {
            if !tenant.name.as_deref().is_none_or(is_name)
                || !tenant.children.iter().all(|c| is_name(&c.name))
            {
                return wrong(
                    place,
                    "a name has lower-case letters, digits and dashes, and at most 40 of them",
                );
            }
            if tenant.vendor == Vendor::Cortex && !tenant.children.is_empty() {
                return wrong(place, "only Falcon has children");
            }
            if tenant.vendor == Vendor::Falcon && (tenant.generation.is_some() || tenant.key_type.is_some()) {
                return wrong(place, "generation and key_type are Cortex's");
            }
            if tenant.generation.is_some_and(|g| ![3, 5].contains(&g)) {
                return wrong(place, "the generation of Cortex is 3 or 5");
            }
            if let Err(why) = tenant.check_hosts() {
                return wrong(place, &why);
            }
        }
        Ok(self)
    }
}

impl FileTenant {
    fn check_hosts(&self) -> Result<(), String> {
        check_count(self.hosts, self.host.len())?;
        self.children.iter().try_for_each(|child| {
            check_count(child.hosts, child.host.len()).map_err(|why| format!("child {}: {why}", child.name))
        })
    }
}

/// Hosts are numbered with 32 bits, and those by hand are among them.
fn check_count(hosts: Option<u64>, by_hand: usize) -> Result<(), String> {
    match hosts {
        Some(hosts) if hosts > u64::from(u32::MAX) => {
            Err(format!("{hosts} hosts are more than 4,294,967,295"))
        }
        Some(hosts) if hosts < by_hand as u64 => {
            Err(format!("hosts = {hosts} is less than the {by_hand} hosts listed below it"))
        }
        _ => Ok(()),
    }
}

/// Names become parts of host names.
fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=40).contains(&name.len()) && name.chars().all(letter)
}

/// A tenant from a recorded reply; `None` for what is none.
fn recorded(value: &Value) -> Option<FileTenant> {
    let body = value.pointer("/response/body").unwrap_or(value);
    let (vendor, list, read): (_, _, fn(&Value) -> GivenHost) =
        match (body.get("resources"), body.pointer("/reply/endpoints")) {
            (Some(Value::Array(list)), _) => (Vendor::Falcon, list, of_device),
            (_, Some(Value::Array(list))) => (Vendor::Cortex, list, of_endpoint),
            _ => return None,
        };
    let host = list.iter().filter(|row| row.is_object()).map(read).collect();
    Some(FileTenant {
        vendor,
        name: None,
        hosts: None,
        alerts: None,
        generation: None,
        key_type: None,
        host,
        alert: Vec::new(),
        children: Vec::new(),
    })
}

fn text(row: &Value, key: &str) -> Option<String> {
    row.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn parsed<T: std::str::FromStr>(row: &Value, key: &str) -> Option<T> {
    text(row, key)?.parse().ok()
}

fn texts(row: &Value, key: &str) -> Option<Vec<String>> {
    let list = row.get(key)?.as_array()?;
    Some(list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect())
}

/// An id in the vendor's form; recordings may have another in its place, which is then generated.
fn id(row: &Value, key: &str) -> Option<String> {
    text(row, key)
        .filter(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
}

fn platform(name: &str) -> Option<Platform> {
    match name {
        "Windows" | "AGENT_OS_WINDOWS" => Some(Platform::Windows),
        "Mac" | "AGENT_OS_MAC" | "AGENT_OS_MACOS" => Some(Platform::MacOs),
        "Linux" | "AGENT_OS_LINUX" => Some(Platform::Linux),
        _ => None,
    }
}

fn form(name: &str) -> Option<Form> {
    match name {
        "Workstation" | "AGENT_TYPE_WORKSTATION" => Some(Form::Desktop),
        "Domain Controller" => Some(Form::DomainController),
        "Server" | "AGENT_TYPE_SERVER" => Some(Form::Server),
        "AGENT_TYPE_KUBERNETES_NODE" => Some(Form::ContainerHost),
        _ => None,
    }
}

fn stamp(row: &Value, key: &str) -> Option<When> {
    let at = chrono::DateTime::parse_from_rfc3339(row.get(key)?.as_str()?).ok()?;
    Some(When::At(at.timestamp_millis()))
}

fn of_device(row: &Value) -> GivenHost {
    let unprefixed = |tag: String| tag.strip_prefix("FalconGroupingTags/").map_or(tag.clone(), str::to_owned);
    GivenHost {
        id: id(row, "device_id"),
        hostname: text(row, "hostname"),
        domain: text(row, "machine_domain").map(|t| Kept(intern(&t))),
        platform: text(row, "platform_name").and_then(|t| platform(&t)),
        form: text(row, "product_type_desc").and_then(|t| form(&t)),
        os_version: text(row, "os_version").map(|t| Kept(intern(&t))),
        agent_version: text(row, "agent_version").map(|t| Kept(intern(&t))),
        serial: text(row, "serial_number"),
        ip: parsed(row, "local_ip"),
        external_ip: parsed(row, "external_ip"),
        mac: text(row, "mac_address").and_then(|t| Mac::parse(&t)),
        user: text(row, "last_login_user"),
        ou: texts(row, "ou"),
        tags: texts(row, "tags").map(|tags| tags.into_iter().map(unprefixed).collect()),
        containment: match row.get("status").and_then(Value::as_str) {
            Some("contained" | "lift_containment_pending") => Some(GivenContainment::Contained),
            Some("containment_pending") => Some(GivenContainment::ContainmentPending),
            Some("normal") => Some(GivenContainment::Normal),
            _ => None,
        },
        first_seen: stamp(row, "first_seen"),
        last_seen: stamp(row, "last_seen"),
        ..GivenHost::default()
    }
}

fn of_endpoint(row: &Value) -> GivenHost {
    let at = |key: &str| row.get(key)?.as_i64().map(When::At);
    let first = |key: &str| texts(row, key)?.into_iter().next();
    GivenHost {
        id: id(row, "endpoint_id"),
        hostname: text(row, "endpoint_name"),
        domain: text(row, "domain").map(|t| Kept(intern(&t))),
        platform: text(row, "os_type").and_then(|t| platform(&t)),
        form: text(row, "endpoint_type").and_then(|t| form(&t)),
        os_version: text(row, "operating_system").map(|t| Kept(intern(&t))),
        agent_version: text(row, "endpoint_version").map(|t| Kept(intern(&t))),
        ip: first("ip").and_then(|t| t.parse().ok()),
        external_ip: parsed(row, "public_ip"),
        mac: first("mac_address").and_then(|t| Mac::parse(&t)),
        user: first("users").or_else(|| text(row, "users")),
        groups: texts(row, "group_name"),
        online: text(row, "endpoint_status").map(|t| t == "CONNECTED"),
        containment: match row.get("is_isolated").and_then(Value::as_str) {
            Some("AGENT_ISOLATED" | "AGENT_PENDING_ISOLATION_CANCELLATION") => {
                Some(GivenContainment::Contained)
            }
            Some("AGENT_PENDING_ISOLATION") => Some(GivenContainment::ContainmentPending),
            Some("AGENT_UNISOLATED") => Some(GivenContainment::Normal),
            _ => None,
        },
        first_seen: at("first_seen"),
        last_seen: at("last_seen"),
        ..GivenHost::default()
    }
}
