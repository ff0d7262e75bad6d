//! Logins, addresses and scores of a host.

use edr_core::model::read;
use edr_core::{HostAddress, HostHistory, HostLogin, Risk};

use super::{Context, Notes, text};
use crate::api::hosts::{Login, NetworkAddress};

/// What cannot be true is left out.
pub(super) fn map(logins: Vec<Login>, addresses: Vec<NetworkAddress>, context: &Context) -> HostHistory {
    let mut notes = Notes::new(context.now);
    let login = |login: Login, notes: &mut Notes| {
        let user = read::user(text(login.user_name)?.as_str(), None)?;
        Some(HostLogin { user, time: notes.time("login_time", login.login_time.as_deref()) })
    };
    let address = |address: NetworkAddress, notes: &mut Notes| {
        let ip = notes.ip("ip_address", address.ip_address.as_deref());
        let mac = notes.mac("mac_address", address.mac_address.as_deref());
        let time = notes.time("timestamp", address.timestamp.as_deref());
        (ip.is_some() || mac.is_some()).then_some(HostAddress { ip, mac, time })
    };
    let logins = logins.into_iter().filter_map(|l| login(l, &mut notes)).collect();
    let addresses = addresses.into_iter().filter_map(|a| address(a, &mut notes)).collect();
    HostHistory::new(logins, addresses)
}

/// The overall score, 1 to 100: a higher one is better.
#[expect(clippy::cast_precision_loss, reason = "a score has two or three digits")]
pub(super) fn posture(score: i64) -> Risk {
    Risk { score: score as f64, higher_is_worse: false, level: None }
}
