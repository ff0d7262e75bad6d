//! Who may speak to the control plane: nobody from a page of the web.
//!
//! A browser on this machine reaches loopback for every page that it shows. Such a page is known by the `Origin` of
//! its call, and one whose name was rebound to loopback by the `Host`.

use std::net::IpAddr;

use axum::extract::Request;
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method};

/// Why a request to the control plane is refused, if it is.
pub(crate) fn foreign(request: &Request) -> Option<&'static str> {
    let headers = request.headers();
    let host = text(headers, &HOST);
    // Every browser sends a Host: a call without one comes from no page.
    if headers.contains_key(HOST) && !host.is_some_and(is_here) {
        return Some("the control plane answers under localhost and loopback addresses only");
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads || !headers.contains_key(ORIGIN) {
        return None;
    }
    let own = text(headers, &ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
    let same = own.zip(host).is_some_and(|(own, host)| own.eq_ignore_ascii_case(host));
    (!same).then_some("the control plane takes no orders from other origins")
}

/// The one value of a header; of several, none is believed.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

fn is_here(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || name.ends_with(".localhost") || address.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_this_machine() {
        for here in ["localhost", "LOCALHOST:8080", "sim.localhost:1", "127.0.0.1:9", "127.8.0.1", "[::1]:80"]
        {
            assert!(is_here(here), "{here}");
        }
        for away in [
            "",
            "evil.example",
            "localhost.evil.example:80",
            "127.0.0.1.evil.example",
            "10.0.0.1:80",
            "[::2]",
        ] {
            assert!(!is_here(away), "{away}");
        }
    }
}
