//! Lists every device of one Falcon tenant on loopback with `rusty_falcon`, and tells how long it took.
//!
//! usage: `rusty-falcon combined|details BASE_URL CLIENT_ID CLIENT_SECRET`. One line of JSON comes out: how many devices
//! there were, how many milliseconds it took from asking for the token, and how large the process was at its largest.

use std::error::Error;
use std::net::IpAddr;
use std::time::Instant;

use rusty_falcon::apis::configuration::Configuration;
use rusty_falcon::apis::{hosts_api, oauth2_api};
use rusty_falcon::models::MsaIdsRequest;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The largest page of the combined endpoint.
const COMBINED: i32 = 10_000;
/// As the example `falcon_host_details` of the crate has it.
const DETAILS: i32 = 5_000;

/// What a program has to do after its allocator is chosen.
///
/// # Errors
/// What is wrong with the arguments, or with an answer.
pub async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [way, base, id, secret] = arguments.as_slice() else {
        return Err("usage: rusty-falcon combined|details BASE_URL CLIENT_ID CLIENT_SECRET".into());
    };
    loopback_only(base)?;
    let began = Instant::now();
    let mut configuration = Configuration { base_path: base.clone(), ..Configuration::default() };
    let token = oauth2_api::oauth2_access_token(&configuration, id, secret, None).await?;
    configuration.oauth_access_token = token.access_token;
    let items = match way.as_str() {
        "combined" => combined(&configuration).await?,
        "details" => details(&configuration).await?,
        other => return Err(format!("there is no way '{other}'").into()),
    };
    let ms = began.elapsed().as_secs_f64() * 1e3;
    println!("{{\"items\":{items},\"ms\":{ms:.3},\"peak_kib\":{}}}", peak_kib());
    Ok(())
}

/// Credentials and requests stay on this machine.
fn loopback_only(base: &str) -> Result<()> {
    let host = base.strip_prefix("http://").and_then(|rest| rest.rsplit_once(':')).map(|(host, _)| host);
    let loopback = host.and_then(|host| host.parse::<IpAddr>().ok()).is_some_and(|ip| ip.is_loopback());
    if loopback { Ok(()) } else { Err(format!("{base} is not http://LOOPBACK:PORT").into()) }
}

/// Whole devices, page after page.
async fn combined(configuration: &Configuration) -> Result<usize> {
    let (mut items, mut offset) = (0, None::<String>);
    loop {
        let page = hosts_api::combined_devices_by_filter(configuration, offset.as_deref(), Some(COMBINED), None, None, None);
        let page = page.await?;
        items += page.resources.len();
        offset = page.meta.pagination.and_then(|p| p.next).filter(|key| !key.is_empty());
        if offset.is_none() || page.resources.is_empty() {
            return Ok(items);
        }
    }
}

/// Ids, and the devices of each page of them.
async fn details(configuration: &Configuration) -> Result<usize> {
    let (mut items, mut offset) = (0, String::new());
    loop {
        let page = hosts_api::query_devices_by_filter_scroll(configuration, Some(&offset), Some(DETAILS), None, None);
        let page = page.await?;
        if page.resources.is_empty() {
            return Ok(items);
        }
        let devices = hosts_api::post_device_details_v2(configuration, MsaIdsRequest::new(page.resources)).await?;
        items += devices.resources.len();
        let Some(pagination) = page.meta.pagination else { return Ok(items) };
        if i64::try_from(items)? >= pagination.total {
            return Ok(items);
        }
        offset = pagination.offset;
    }
}

/// The largest part of memory that the process has had, in KiB; 0 where the system does not tell.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or_default()
}
