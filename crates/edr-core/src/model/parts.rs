//! Smaller things that several nouns share.

use std::borrow::Cow;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Platform, Provenance, UserKind};

/// Where a normalised value came from: the vendor's own word, and how it was turned into ours. Kept
/// for mapped enums and for every value that was not taken as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The model's field name.
    pub field: Cow<'static, str>,
    /// The vendor's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_value: Option<Cow<'static, str>>,
    /// How the value came about.
    pub provenance: Provenance,
}

/// A value that could not be believed and was left out: a host clock in the year 2610, a hash of the
/// wrong length. The vendor's text is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomaly {
    /// The vendor's field name.
    pub field: Cow<'static, str>,
    /// The vendor's value.
    pub value: String,
    /// Why it was left out.
    pub reason: Cow<'static, str>,
}

/// A host that something else names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HostRef {
    /// The vendor's own id of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The host's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The domain that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The family of its operating system.
    #[serde(skip_serializing_if = "Platform::is_unknown")]
    pub platform: Platform,
    /// The operating system in the vendor's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// The account name, without its domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The domain or machine that the account belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The security identifier, or the vendor's id of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The e-mail address or principal name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// What sort of account it is.
    pub kind: UserKind,
}

impl User {
    /// What the account is called, the surest first: e-mail address, id, name. Blank ones are none.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let all = [&self.email, &self.uid, &self.name];
        all.into_iter().flatten().map(String::as_str).filter(|name| !name.trim().is_empty())
    }
}

/// Digests of a file, in lower-case hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hashes {
    /// MD5, 32 digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-1, 40 digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// SHA-256, 64 digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Hashes {
    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.md5.is_none() && self.sha1.is_none() && self.sha256.is_none()
    }

    /// Puts a digest where its length says that it belongs (vendors mix them up); false when it is
    /// no digest.
    pub fn insert(&mut self, digest: &str) -> bool {
        let Some(clean) = super::read::hash(digest) else { return false };
        match clean.len() {
            32 => self.md5 = Some(clean),
            40 => self.sha1 = Some(clean),
            _ => self.sha256 = Some(clean),
        }
        true
    }
}

/// A code signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Signature {
    /// The vendor's own word for its state.
    pub status: String,
    /// Who signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// The operating system's process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The vendor's id of this one run of the process; never a pid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The file name of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The path of the image as the vendor has it (Windows paths may be NT device paths).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The command line, verbatim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd_line: Option<String>,
    /// Digests of the image.
    #[serde(skip_serializing_if = "Hashes::is_empty")]
    pub hashes: Hashes,
    /// The account that it runs as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// When it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_time: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminated_time: Option<DateTime<Utc>>,
    /// The signature of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// The process that started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Box<Process>>,
    /// Ancestors beyond the parent, nearest first. The last may be the root of a causality chain,
    /// with unknown generations between.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ancestry: Vec<Process>,
}

impl Process {
    /// True when nothing identifies it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pid.is_none()
            && self.uid.is_none()
            && self.name.is_none()
            && self.path.is_none()
            && self.cmd_line.is_none()
            && self.hashes.is_empty()
    }
}

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct File {
    /// The file name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The path, as the vendor has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Digests of the content.
    #[serde(skip_serializing_if = "Hashes::is_empty")]
    pub hashes: Hashes,
    /// What was done to it: `accessed`, `written`, `quarantined`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<DateTime<Utc>>,
}

/// One end of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkEndpoint {
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The name, when the vendor knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The country, as the vendor has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

/// A connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkActivity {
    /// The local end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<NetworkEndpoint>,
    /// The remote end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<NetworkEndpoint>,
    /// The protocol, lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// `inbound` or `outbound`, when the vendor says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<DateTime<Utc>>,
}

/// A name that was looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    /// The name.
    pub query: String,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<DateTime<Utc>>,
}

/// A registry key or value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Registry {
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The name of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The data of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}
