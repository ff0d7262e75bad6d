//! The tables that the estate is drawn from. All invented, in the vendors' forms.

use super::machine::Platform;

/// A company: one for each pair `falcon-N`, `cortex-N`.
#[derive(Debug, Clone, Copy)]
pub struct Company {
    /// The DNS domain of its directory.
    pub domain: &'static str,
    /// The NetBIOS name of its directory.
    pub netbios: &'static str,
}

pub(crate) const COMPANIES: &[Company] = &[
    Company { domain: "corp.meridian.example", netbios: "MERIDIAN" },
    Company { domain: "ad.halden.example", netbios: "HALDEN" },
    Company { domain: "int.orobic.example", netbios: "OROBIC" },
    Company { domain: "corp.tessellate.example", netbios: "TESSEL" },
    Company { domain: "ad.kestrelworks.example", netbios: "KESTREL" },
];

pub(crate) const SITES: &[(&str, &str)] =
    &[("BER", "Berlin"), ("LIS", "Lisbon"), ("AUS", "Austin"), ("SIN", "Singapore"), ("YYZ", "Toronto")];

pub(crate) const DEPARTMENTS: &[&str] =
    &["Finance", "Engineering", "Sales", "Legal", "People", "Operations", "Support"];

pub(crate) const FIRST_NAMES: &[&str] = &[
    "anna", "bruno", "carla", "deniz", "emma", "farid", "greta", "hugo", "ines", "jonas", "keiko", "lars",
    "mina", "nils", "olga", "pablo", "rosa", "samir", "tara", "ugo", "vera", "wei", "yara", "zoe",
];

pub(crate) const LAST_NAMES: &[&str] = &[
    "alder", "brandt", "castro", "duarte", "egger", "fischer", "garcia", "haas", "ivanov", "jansen",
    "keller", "lopez", "moreau", "novak", "okafor", "pereira", "quist", "rossi", "santos", "tanaka", "ueda",
    "vogel", "weber", "yilmaz",
];

/// An operating system as an agent sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Os {
    /// The platform.
    pub platform: Platform,
    /// Its short name ("Windows Server 2022", "Sonoma (14)", "Ubuntu 22.04").
    pub name: &'static str,
    /// The full product name.
    pub product: &'static str,
    /// The version number ("10.0.20348", "14.6.1", "22.04").
    pub version: &'static str,
    /// The major version as Falcon reports it.
    pub major: &'static str,
    /// The minor version as Falcon reports it.
    pub minor: &'static str,
    /// The build ("20348"; empty on Linux).
    pub build: &'static str,
    /// The kernel version.
    pub kernel: &'static str,
}

#[expect(clippy::too_many_arguments, reason = "a table row")]
const fn os(
    platform: Platform,
    name: &'static str,
    product: &'static str,
    version: &'static str,
    major: &'static str,
    minor: &'static str,
    build: &'static str,
    kernel: &'static str,
) -> Os {
    Os { platform, name, product, version, major, minor, build, kernel }
}

use Platform::{Linux, MacOs, Windows};

pub(crate) const WINDOWS_CLIENTS: &[Os] = &[
    os(Windows, "Windows 11", "Windows 11 Enterprise", "10.0.26100", "10", "0", "26100", "10.0.26100.3194"),
    os(Windows, "Windows 11", "Windows 11 Enterprise", "10.0.22631", "10", "0", "22631", "10.0.22631.4890"),
    os(Windows, "Windows 10", "Windows 10 Pro", "10.0.19045", "10", "0", "19045", "10.0.19045.5487"),
];

pub(crate) const WINDOWS_SERVERS: &[Os] = &[
    os(
        Windows,
        "Windows Server 2022",
        "Windows Server 2022 Datacenter",
        "10.0.20348",
        "10",
        "0",
        "20348",
        "10.0.20348.3207",
    ),
    os(
        Windows,
        "Windows Server 2019",
        "Windows Server 2019 Standard",
        "10.0.17763",
        "10",
        "0",
        "17763",
        "10.0.17763.6893",
    ),
    os(
        Windows,
        "Windows Server 2016",
        "Windows Server 2016 Standard",
        "10.0.14393",
        "10",
        "0",
        "14393",
        "10.0.14393.7785",
    ),
    os(
        Windows,
        "Windows Server 2025",
        "Windows Server 2025 Datacenter",
        "10.0.26100",
        "10",
        "0",
        "26100",
        "10.0.26100.3194",
    ),
];

pub(crate) const MACS: &[Os] = &[
    os(MacOs, "Sequoia (15)", "macOS Sequoia", "15.3.1", "24", "3", "24D70", "24.3.0"),
    os(MacOs, "Sonoma (14)", "macOS Sonoma", "14.7.4", "23", "6", "23H420", "23.6.0"),
    os(MacOs, "Ventura (13)", "macOS Ventura", "13.7.4", "22", "6", "22H420", "22.6.0"),
];

pub(crate) const LINUXES: &[Os] = &[
    os(Linux, "Ubuntu 22.04", "Ubuntu 22.04.5 LTS", "22.04", "5", "15", "", "5.15.0-133-generic"),
    os(Linux, "Ubuntu 24.04", "Ubuntu 24.04.2 LTS", "24.04", "6", "8", "", "6.8.0-53-generic"),
    os(
        Linux,
        "RHEL 9.5",
        "Red Hat Enterprise Linux 9.5",
        "9.5",
        "5",
        "14",
        "",
        "5.14.0-503.23.2.el9_5.x86_64",
    ),
    os(Linux, "Debian GNU 12", "Debian GNU/Linux 12", "12", "6", "1", "", "6.1.0-31-amd64"),
    os(
        Linux,
        "Amazon Linux 2023",
        "Amazon Linux 2023",
        "2023",
        "6",
        "1",
        "",
        "6.1.127-135.201.amzn2023.x86_64",
    ),
];

/// (manufacturer, model, BIOS maker, BIOS version, first three octets of its network cards).
pub(crate) type Hardware = (&'static str, &'static str, &'static str, &'static str, [u8; 3]);

pub(crate) const LAPTOPS: &[Hardware] = &[
    ("Dell Inc.", "Latitude 7440", "Dell Inc.", "1.21.0", [0xF4, 0x8E, 0x38]),
    ("LENOVO", "21HMCTO1WW", "LENOVO", "N3XET58W (1.33 )", [0x48, 0x2A, 0xE3]),
    ("HP", "HP EliteBook 840 G10", "HP", "V72 Ver. 01.07.01", [0x84, 0xA9, 0x3E]),
];

pub(crate) const DESKTOPS: &[Hardware] = &[
    ("Dell Inc.", "OptiPlex 7010", "Dell Inc.", "1.19.0", [0xA4, 0xBB, 0x6D]),
    ("HP", "HP Elite Mini 800 G9", "HP", "U21 Ver. 02.16.00", [0x84, 0xA9, 0x3E]),
];

pub(crate) const APPLES: &[Hardware] = &[
    ("Apple Inc.", "Mac15,6", "Apple Inc.", "11881.81.4", [0x3C, 0x22, 0xFB]),
    ("Apple Inc.", "Mac14,2", "Apple Inc.", "11881.81.4", [0xF0, 0x18, 0x98]),
];

pub(crate) const SERVERS: &[Hardware] = &[
    ("VMware, Inc.", "VMware20,1", "VMware, Inc.", "VMW201.00V.21805430.B64", [0x00, 0x50, 0x56]),
    ("Dell Inc.", "PowerEdge R650", "Dell Inc.", "1.15.2", [0xB0, 0x7B, 0x25]),
    ("HPE", "ProLiant DL380 Gen10 Plus", "HPE", "U46", [0x94, 0x40, 0xC9]),
];

pub(crate) const AWS: Hardware = ("Amazon EC2", "m6i.large", "Amazon EC2", "1.0", [0x02, 0xC7, 0x57]);
pub(crate) const AZURE: Hardware = (
    "Microsoft Corporation",
    "Virtual Machine",
    "Microsoft Corporation",
    "Hyper-V UEFI Release v4.1",
    [0x00, 0x0D, 0x3A],
);
pub(crate) const GCP: Hardware = ("Google", "Google Compute Engine", "Google", "Google", [0x42, 0x01, 0x0A]);

pub(crate) const AWS_REGIONS: &[&str] = &["eu-central-1", "us-east-1", "ap-southeast-1"];
pub(crate) const AZURE_REGIONS: &[&str] = &["westeurope", "eastus", "southeastasia"];
pub(crate) const GCP_REGIONS: &[&str] = &["europe-west3", "us-central1", "asia-southeast1"];

/// Versions of the agents, newest first; the last is old enough to be unsupported.
pub(crate) const FALCON_AGENTS: &[&str] =
    &["7.22.19410.0", "7.21.19205.0", "7.20.19011.0", "7.18.18604.0", "6.58.17212.0"];
pub(crate) const CORTEX_AGENTS: &[&str] =
    &["8.7.0.14829", "8.6.1.13201", "8.5.1.12874", "8.3.0.49900", "7.9.2.30441"];

/// Names of server roles, as they stand in host names.
pub(crate) const ROLES: &[&str] = &["sql", "web", "app", "file", "mail", "build", "jump", "backup"];
