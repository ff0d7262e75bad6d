//! What is installed on machines, and what is wrong with it: the tables, and the choice for each machine.

use super::HostFields;
use super::hash::{below, mix_str, mix2};
use super::machine::Platform::{self, Linux, MacOs, Windows};

/// A product.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) name: &'static str,
    pub(crate) vendor: &'static str,
    pub(crate) category: &'static str,
    pub(crate) platforms: &'static [Platform],
    /// On how many of a hundred machines of these platforms it is.
    pub(crate) share: u64,
    /// Its versions, the newest first.
    pub(crate) versions: &'static [&'static str],
    pub(crate) flaws: &'static [Flaw],
}

/// A vulnerability of a product, as it is published.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub(crate) cve: &'static str,
    pub(crate) score: f64,
    /// Exploited in the wild, by CISA's list.
    pub(crate) exploited: bool,
    /// The place of the newest version that has it.
    pub(crate) since: usize,
    pub(crate) published: &'static str,
    pub(crate) cwe: &'static str,
    pub(crate) about: &'static str,
}

impl Flaw {
    /// The word for the score, by CVSS version 3.
    pub(crate) fn severity(&self) -> &'static str {
        match self.score {
            s if s >= 9.0 => "CRITICAL",
            s if s >= 7.0 => "HIGH",
            s if s >= 4.0 => "MEDIUM",
            _ => "LOW",
        }
    }
}

/// A product on a machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Installed {
    pub(crate) product: &'static Product,
    /// The place of its version in the product's list.
    pub(crate) version: usize,
    /// A hash of the pair of machine and product.
    pub(crate) root: u64,
}

impl Installed {
    pub(crate) fn version(self) -> &'static str {
        self.product.versions.get(self.version).copied().unwrap_or_default()
    }

    /// The flaws that this version has.
    pub(crate) fn flaws(self) -> impl Iterator<Item = &'static Flaw> {
        self.product.flaws.iter().filter(move |flaw| self.version >= flaw.since)
    }
}

/// What is installed on a machine.
pub(crate) fn installed(host: &HostFields<'_>, tag: u64) -> Vec<Installed> {
    let (platform, id) = (host.platform(), mix2(tag ^ 0x50F7, host.index()));
    let fitting = PRODUCTS.iter().filter(|p| p.platforms.contains(&platform));
    let choice = fitting.filter_map(|product| {
        let root = mix_str(id, product.name);
        let there = below(mix2(root, 1), 100) < product.share;
        // Half of the machines are up to date; the others lag behind.
        let behind = below(mix2(root, 2), 2) == 1;
        let older = below(mix2(root, 3), product.versions.len() as u64) as usize;
        there.then_some(Installed { product, version: if behind { older } else { 0 }, root })
    });
    choice.collect()
}

const fn flaw(
    cve: &'static str,
    score: f64,
    exploited: bool,
    since: usize,
    published: &'static str,
    cwe: &'static str,
    about: &'static str,
) -> Flaw {
    Flaw { cve, score, exploited, since, published, cwe, about }
}

const ALL: &[Platform] = &[Windows, MacOs, Linux];
const DESKTOP: &[Platform] = &[Windows, MacOs];

pub(crate) const PRODUCTS: &[Product] = &[
    Product {
        name: "Chrome",
        vendor: "Google",
        category: "Web Browsers",
        platforms: DESKTOP,
        share: 80,
        versions: &["133.0.6943.98", "124.0.6367.155", "116.0.5845.180", "113.0.5672.93"],
        flaws: &[
            flaw(
                "CVE-2024-4671",
                9.6,
                true,
                1,
                "2024-05-14",
                "CWE-416",
                "Use after free in Visuals in Google Chrome",
            ),
            flaw(
                "CVE-2023-4863",
                8.8,
                true,
                2,
                "2023-09-12",
                "CWE-787",
                "Heap buffer overflow in libwebp in Google Chrome",
            ),
            flaw(
                "CVE-2023-2725",
                8.8,
                false,
                3,
                "2023-05-16",
                "CWE-416",
                "Use after free in Guest View in Google Chrome",
            ),
        ],
    },
    Product {
        name: "Firefox",
        vendor: "Mozilla",
        category: "Web Browsers",
        platforms: ALL,
        share: 45,
        versions: &["135.0", "131.0", "118.0"],
        flaws: &[
            flaw(
                "CVE-2024-9680",
                9.8,
                true,
                1,
                "2024-10-09",
                "CWE-416",
                "Use after free in Animation timelines",
            ),
            flaw("CVE-2023-5217", 8.8, true, 2, "2023-09-28", "CWE-787", "Heap buffer overflow in libvpx"),
        ],
    },
    Product {
        name: "7-Zip",
        vendor: "Igor Pavlov",
        category: "File Archivers",
        platforms: &[Windows],
        share: 55,
        versions: &["24.09", "24.05", "22.01"],
        flaws: &[
            flaw(
                "CVE-2024-11477",
                7.8,
                false,
                1,
                "2024-11-22",
                "CWE-191",
                "Integer underflow in Zstandard decompression",
            ),
            flaw("CVE-2023-31102", 7.8, false, 2, "2023-11-03", "CWE-191", "Integer underflow in Ppmd7.c"),
        ],
    },
    Product {
        name: "WinRAR",
        vendor: "RARLAB",
        category: "File Archivers",
        platforms: &[Windows],
        share: 20,
        versions: &["7.01", "6.22"],
        flaws: &[
            flaw(
                "CVE-2023-38831",
                7.8,
                true,
                1,
                "2023-08-23",
                "CWE-345",
                "Code runs when a harmless file of an archive is opened",
            ),
            flaw(
                "CVE-2023-40477",
                7.8,
                false,
                1,
                "2023-08-17",
                "CWE-129",
                "Improper validation of an array index in recovery volumes",
            ),
        ],
    },
    Product {
        name: "Zoom Workplace",
        vendor: "Zoom",
        category: "Collaboration",
        platforms: DESKTOP,
        share: 60,
        versions: &["6.3.11", "5.15.1"],
        flaws: &[flaw(
            "CVE-2023-39213",
            9.8,
            false,
            1,
            "2023-08-08",
            "CWE-138",
            "Improper neutralization of special elements",
        )],
    },
    Product {
        name: "VLC media player",
        vendor: "VideoLAN",
        category: "Media Players",
        platforms: ALL,
        share: 25,
        versions: &["3.0.21", "3.0.17"],
        flaws: &[flaw(
            "CVE-2022-41325",
            7.8,
            false,
            1,
            "2022-12-06",
            "CWE-190",
            "Integer overflow in the VNC module",
        )],
    },
    Product {
        name: "Git",
        vendor: "The Git Development Community",
        category: "Development Tools",
        platforms: ALL,
        share: 35,
        versions: &["2.48.1", "2.44.0"],
        flaws: &[flaw(
            "CVE-2024-32002",
            9.0,
            false,
            1,
            "2024-05-14",
            "CWE-59",
            "Recursive clones run hooks out of submodules",
        )],
    },
    Product {
        name: "Visual Studio Code",
        vendor: "Microsoft",
        category: "Development Tools",
        platforms: ALL,
        share: 30,
        versions: &["1.97.2", "1.95.3"],
        flaws: &[],
    },
    Product {
        name: "OpenSSH",
        vendor: "OpenBSD",
        category: "Remote Access",
        platforms: &[Linux],
        share: 90,
        versions: &["9.9p2", "9.6p1", "9.5p1"],
        flaws: &[
            flaw(
                "CVE-2024-6387",
                8.1,
                false,
                1,
                "2024-07-01",
                "CWE-362",
                "A race in the signal handler of sshd",
            ),
            flaw(
                "CVE-2023-48795",
                5.9,
                false,
                2,
                "2023-12-18",
                "CWE-354",
                "The Terrapin attack on the integrity of the channel",
            ),
        ],
    },
    Product {
        name: "OpenSSL",
        vendor: "OpenSSL",
        category: "Libraries",
        platforms: &[Linux],
        share: 95,
        versions: &["3.4.1", "3.0.7", "3.0.6"],
        flaws: &[
            flaw(
                "CVE-2023-0286",
                7.4,
                false,
                1,
                "2023-02-08",
                "CWE-843",
                "Type confusion of X.400 addresses in X.509 GeneralName",
            ),
            flaw(
                "CVE-2022-3602",
                7.5,
                false,
                2,
                "2022-11-01",
                "CWE-787",
                "Buffer overflow in the check of X.509 certificates",
            ),
        ],
    },
    Product {
        name: "sudo",
        vendor: "Todd C. Miller",
        category: "System Tools",
        platforms: &[Linux],
        share: 98,
        versions: &["1.9.16p2", "1.9.5p1"],
        flaws: &[flaw(
            "CVE-2021-3156",
            7.8,
            true,
            1,
            "2021-01-26",
            "CWE-193",
            "Off-by-one error that ends in a heap overflow",
        )],
    },
    Product {
        name: "Log4j",
        vendor: "Apache",
        category: "Libraries",
        platforms: &[Windows, Linux],
        share: 12,
        versions: &["2.24.3", "2.14.1"],
        flaws: &[flaw(
            "CVE-2021-44228",
            10.0,
            true,
            1,
            "2021-12-10",
            "CWE-502",
            "JNDI features run code that an attacker controls",
        )],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_hold_together() {
        for product in PRODUCTS {
            assert!(!product.versions.is_empty() && product.share <= 100, "{}", product.name);
            for flaw in product.flaws {
                // The newest version of all has no flaw: an up-to-date machine is clean.
                assert!((1..product.versions.len()).contains(&flaw.since), "{}", flaw.cve);
                assert!((0.1..=10.0).contains(&flaw.score), "{}", flaw.cve);
            }
        }
    }
}
