//! Whether the vendor can be reached at all: its name, a connection, TLS, and what its clock says.
//! Nothing here carries credentials, and nothing is tried twice.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use edr_core::{Error, ErrorKind, Probe};
use http::{HeaderMap, StatusCode, header};
use hyper_util::client::proxy::matcher::Matcher;
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use crate::{
    HttpClient, Operation, ProxyChoice, RequestPlan, TransportError, TransportErrorKind, is_loopback,
};

/// Time for a name.
const NAME: Duration = Duration::from_secs(5);
/// Time for connection, TLS and the head of an answer.
const ANSWER: Duration = Duration::from_secs(15);
/// A clock that is off by no more than this is right.
const RIGHT: TimeDelta = TimeDelta::seconds(60);

static REACH: Operation = Operation::read("reach", "");

/// What became of a host's name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Resolution {
    /// Its addresses.
    Addresses(Vec<IpAddr>),
    /// It has none, or nobody could be asked.
    Failed(Error),
    /// A proxy finds it.
    Proxy {
        /// The proxy's host and port, without credentials.
        name: String,
        /// It was given with the options ([`ProxyChoice::Url`]); otherwise the environment or the system tells it.
        is_configured: bool,
    },
    /// The transport does not tell.
    Untold,
}

/// An answer, of whatever status: the connection works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answered {
    /// The HTTP status.
    pub status: StatusCode,
    /// Time from the name to the head of the answer.
    pub took: Duration,
    /// How the vendor's clock differs, where it tells its time.
    pub skew: Option<Skew>,
}

/// How the vendor's clock differs from this machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skew {
    /// The vendor's time less ours: negative when this machine's clock is ahead.
    pub offset: TimeDelta,
    /// How far that may be wrong: half the round trip, and the second that the `Date` is rounded to.
    pub margin: TimeDelta,
}

/// What [`HttpClient::reach`] found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reach {
    /// The address that was tried.
    pub base: Url,
    /// What became of its name.
    pub resolution: Resolution,
    /// What became of a request without credentials; `None` when there was nobody to send it to.
    pub answer: Option<Result<Answered, Error>>,
}

impl HttpClient {
    /// Looks the vendor's host up and sends one request without credentials, once. Every answer proves
    /// connection and TLS, and its `Date` tells the vendor's time.
    pub async fn reach(&self) -> Reach {
        let base = self.base();
        let resolution = self.transport().resolve(&base).await;
        let answer = match resolution {
            Resolution::Failed(_) => None,
            _ => Some(self.knock(&base, &resolution).await),
        };
        Reach { base, resolution, answer }
    }

    async fn knock(&self, base: &Url, resolution: &Resolution) -> Result<Answered, Error> {
        let path = if base.path().is_empty() { "/" } else { base.path() };
        let request = RequestPlan::get(&REACH, path).build(&root(base), self.user_agent())?;
        let (asked, before) = (Instant::now(), self.clock().now());
        let sent = timeout(ANSWER, self.transport().send(request)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(unreachable(base, resolution, error)),
            Err(_) => {
                return Err(unreachable(base, resolution, TransportError::new(TransportErrorKind::Timeout)));
            }
        };
        let took = asked.elapsed();
        let skew = skew(response.headers(), before, took);
        Ok(Answered { status: response.status(), took, skew })
    }
}

/// The scheme, host and port alone.
fn root(base: &Url) -> Url {
    let mut root = base.clone();
    root.set_path("");
    root.set_query(None);
    root.set_fragment(None);
    root
}

fn skew(headers: &HeaderMap, before: DateTime<Utc>, took: Duration) -> Option<Skew> {
    let text = headers.get(header::DATE)?.to_str().ok()?;
    let date = DateTime::<Utc>::from(httpdate::parse_http_date(text).ok()?);
    let half = TimeDelta::from_std(took / 2).ok()?;
    // The time is cut to the second: on average it was half a second later.
    let rounding = TimeDelta::milliseconds(500);
    Some(Skew { offset: date + rounding - (before + half), margin: half + rounding })
}

impl Skew {
    /// True when the difference is certain, and larger than `tolerance`.
    #[must_use]
    pub fn exceeds(self, tolerance: TimeDelta) -> bool {
        self.offset.abs() - self.margin > tolerance
    }

    /// `10 min behind the vendor's`, `right within 1 s`.
    #[must_use]
    pub fn told(self) -> String {
        if !self.exceeds(TimeDelta::seconds(1)) {
            let sure = self.offset.abs().max(self.margin);
            return format!("right within {} s", (sure.num_milliseconds() + 999) / 1000);
        }
        let side = if self.offset > TimeDelta::zero() { "behind" } else { "ahead of" };
        format!("{} {side} the vendor's", span(self.offset))
    }
}

/// `45 s`, `10 min`, `3 h`, `12 days`.
fn span(offset: TimeDelta) -> String {
    let seconds = (offset.num_milliseconds().abs() + 500) / 1_000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", (seconds + 30) / 60),
        7_200..172_800 => format!("{} h", (seconds + 1_800) / 3_600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

impl Reach {
    /// How the vendor's clock differs, where it was told.
    #[must_use]
    pub fn skew(&self) -> Option<Skew> {
        self.answer.as_ref()?.as_ref().ok()?.skew
    }

    /// Why nothing can be asked of the vendor, in a few words; `None` when it answers.
    #[must_use]
    pub fn obstacle(&self) -> Option<&'static str> {
        match (&self.resolution, &self.answer) {
            (Resolution::Failed(_), _) => Some("the host has no address"),
            (_, Some(Ok(_))) => None,
            _ => Some("there is no connection"),
        }
    }

    /// Three probes: `address`, `connection` and `clock`. `late` says what follows from a clock that is off
    /// by more than a minute.
    #[must_use]
    pub fn probes(&self, late: impl Fn(Skew) -> Cow<'static, str>) -> [Probe; 3] {
        [self.address(), self.connection(), self.clock(late)]
    }

    fn address(&self) -> Probe {
        let host = self.base.host_str().unwrap_or_default();
        match &self.resolution {
            Resolution::Addresses(all) if matches!(self.base.host(), Some(Host::Domain(_))) => {
                Probe::passed("address", format!("{host} is {}", listed(all)))
            }
            Resolution::Addresses(_) => Probe::passed("address", format!("{host}, no name to look up")),
            Resolution::Failed(error) => Probe::failed("address", error.clone()),
            Resolution::Proxy { name, .. } => {
                Probe::passed("address", format!("{host}, looked up by the proxy {name}"))
            }
            Resolution::Untold => Probe::passed("address", host),
        }
    }

    fn connection(&self) -> Probe {
        match &self.answer {
            None => Probe::skipped("connection", "the host has no address"),
            Some(Err(error)) => Probe::failed("connection", error.clone()),
            Some(Ok(answered)) => {
                let how = if self.base.scheme() == "https" { "TLS" } else { "plain http on this machine" };
                let took = answered.took.as_millis();
                Probe::passed("connection", format!("{how}, answers in {took} ms"))
            }
        }
    }

    fn clock(&self, late: impl Fn(Skew) -> Cow<'static, str>) -> Probe {
        match (self.obstacle(), self.skew()) {
            (Some(obstacle), _) => Probe::skipped("clock", obstacle),
            (None, None) => Probe::skipped("clock", "the vendor's answer tells no time"),
            (None, Some(skew)) if skew.exceeds(RIGHT) => {
                Probe::warned("clock", format!("this machine's clock is {}", skew.told()), late(skew))
            }
            (None, Some(skew)) => Probe::passed("clock", skew.told()),
        }
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    const SHOWN: usize = 2;
    let shown = addresses.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match addresses.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Looks the host of a URL up, as the real client would reach it. Addresses of this machine go through no
/// proxy.
pub(crate) async fn resolve(url: &Url, choice: &ProxyChoice) -> Resolution {
    if !is_loopback(url)
        && let Some(name) = proxy_for(url, choice)
    {
        return Resolution::Proxy { name, is_configured: matches!(choice, ProxyChoice::Url(_)) };
    }
    let (host, port) = (url.host(), url.port_or_known_default().unwrap_or(443));
    match host {
        Some(Host::Domain(name)) => look_up(name, port).await,
        Some(Host::Ipv4(ip)) => Resolution::Addresses(vec![ip.into()]),
        Some(Host::Ipv6(ip)) => Resolution::Addresses(vec![ip.into()]),
        None => Resolution::Failed(nameless("the address", "it has no host")),
    }
}

/// The proxy that the client takes for this URL, without its credentials: the same rules, by the same code.
fn proxy_for(url: &Url, choice: &ProxyChoice) -> Option<String> {
    let named =
        |host: &str, port: Option<u16>| port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    match choice {
        ProxyChoice::None => None,
        ProxyChoice::System => {
            let found = Matcher::from_system().intercept(&url.as_str().parse().ok()?)?;
            Some(named(found.uri().host()?, found.uri().port_u16()))
        }
        ProxyChoice::Url(address) => {
            let proxy = Url::parse(address.expose_secret()).ok()?;
            Some(named(proxy.host_str()?, proxy.port()))
        }
    }
}

async fn look_up(name: &str, port: u16) -> Resolution {
    match timeout(NAME, tokio::net::lookup_host((name, port))).await {
        Ok(Ok(found)) => {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in found.map(|a| a.ip()) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            if addresses.is_empty() {
                return Resolution::Failed(nameless(name, "it has no address"));
            }
            Resolution::Addresses(addresses)
        }
        Ok(Err(error)) => Resolution::Failed(nameless(name, &error.to_string()).with_source(error)),
        Err(_) => Resolution::Failed(
            Error::new(ErrorKind::Timeout, format!("{name} was not found within {} s", NAME.as_secs()))
                .with_hint("the name servers do not answer: check the network and the VPN of this machine"),
        ),
    }
}

fn nameless(name: &str, why: &str) -> Error {
    let why = why.strip_prefix("failed to lookup address information: ").unwrap_or(why);
    Error::new(ErrorKind::Network, format!("{name} is not found: {why}"))
        .with_hint("check the address for a typing error, and the name servers of this machine")
}

/// A failure below HTTP, with its innermost cause and where to look for it.
fn unreachable(base: &Url, resolution: &Resolution, error: TransportError) -> Error {
    let cause = innermost(&error);
    let speaks_no_tls = cause.as_deref().is_some_and(|c| c.contains("InvalidContentType"));
    let (kind, hint) = match error.kind {
        TransportErrorKind::Tls if speaks_no_tls => {
            (ErrorKind::Tls, "what answers at this port does not speak TLS: check the port and the address")
        }
        TransportErrorKind::Tls => (
            ErrorKind::Tls,
            "a proxy between here and the vendor opens TLS, or the certificate's authority is not trusted here: ask \
             whoever runs the network for the authority's certificate, and trust it on this machine",
        ),
        TransportErrorKind::Timeout => (
            ErrorKind::Timeout,
            "nothing answers: a firewall probably drops the connection; allow outgoing traffic to this host",
        ),
        _ => (ErrorKind::Network, "check the port, the firewall, and that the address is the right one"),
    };
    // A cause that is known says more than the stage at which it failed.
    let hint = error.hint().unwrap_or(hint);
    let (by, hint) = match resolution {
        Resolution::Proxy { name, is_configured } => {
            (format!(" by the proxy {name}"), format!("{hint}; {}", origin(*is_configured)))
        }
        _ => (String::new(), hint.to_owned()),
    };
    let host = base.host_str().unwrap_or_default();
    let port = base.port_or_known_default().unwrap_or_default();
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    let message = format!("{host} port {port}{by}: {error}{cause}");
    Error::new(kind, message).with_hint(hint).with_source(error)
}

/// Who put the proxy there.
fn origin(is_configured: bool) -> &'static str {
    match is_configured {
        true => "`proxy` in the configuration puts the proxy there",
        false => "HTTPS_PROXY and NO_PROXY, or the system's settings, put the proxy there",
    }
}

fn innermost(error: &TransportError) -> Option<String> {
    let mut last: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(next) = last.and_then(StdError::source) {
        last = Some(next);
    }
    last.map(ToString::to_string)
}

#[cfg(test)]
#[path = "reach_tests.rs"]
mod tests;
