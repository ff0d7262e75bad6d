//! What a host was before.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::User;

/// Who has logged in on a host, and which addresses it has had, as far back as the vendor tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HostHistory {
    /// Logins, the latest first.
    pub logins: Vec<HostLogin>,
    /// Addresses, the latest first.
    pub addresses: Vec<HostAddress>,
}

impl HostHistory {
    /// A history, put in order: the latest first, and what has no time last.
    #[must_use]
    pub fn new(mut logins: Vec<HostLogin>, mut addresses: Vec<HostAddress>) -> Self {
        logins.sort_by_key(|login| std::cmp::Reverse(login.time));
        addresses.sort_by_key(|address| std::cmp::Reverse(address.time));
        Self { logins, addresses }
    }
}

/// One login on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostLogin {
    /// Who.
    pub user: User,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<DateTime<Utc>>,
}

/// One address that a host has had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostAddress {
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The hardware address, in capitals and with dashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// When it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<DateTime<Utc>>,
}
