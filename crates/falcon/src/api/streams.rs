//! Event streams: which there are, and keeping them alive. Scope "Event streams". The stream itself is read by
//! [`crate::FalconClient::events`].

use edr_core::{Error, ErrorKind, Result};
use edr_http::{Body, CheckedUrl, Operation, RequestPlan};
use http::Method;

use super::{Endpoint, Verb};
use crate::time::Timestamp;
use crate::wire::{Secret, wire};
use crate::words::words;

const READ: &str = "Event streams: read";
/// The only action there is.
const RENEW: &str = "refresh_active_stream_session";

/// The streams of the tenant, one for each partition.
pub static DISCOVER: Endpoint =
    Endpoint::read("listAvailableStreamsOAuth2", Verb::Get, "/sensors/entities/datafeed/v2", READ)
        .query(&["appId"]);
/// Keeps the session of a stream alive.
pub static REFRESH: Endpoint = Endpoint::repeatable(
    "refreshActiveStreamSession",
    Verb::Post,
    "/sensors/entities/datafeed-actions/v1/{partition}",
    READ,
)
.query(&["action_name", "appId"])
.actions(&[RENEW])
.without_body();
/// A stream as it is read, on a host of its own; the published specification does not have it.
pub static FOLLOW: Operation = Operation::read("ReadEventStream", READ);

/// The endpoints of this file.
pub(crate) const ENDPOINTS: &[&Endpoint] = &[&DISCOVER, &REFRESH];

/// The name under which a program reads the event stream. Each reader needs a name of its own: under one name the
/// vendor serves one reader at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AppId(String);

impl AppId {
    /// A name of 1 to 32 letters and digits.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for any other text.
    pub fn new(name: &str) -> Result<Self> {
        let fits = (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then(|| Self(name.to_owned())).ok_or_else(|| {
            Error::new(ErrorKind::Configuration, "the name of a reader of event streams cannot be used")
                .with_hint("take 1 to 32 letters (a-z, A-Z) and digits")
        })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The streams that a reader of this name may have. None are found while somebody reads under it.
#[must_use]
pub fn discover(app: &AppId) -> RequestPlan {
    DISCOVER.plan().query("appId", app.as_str())
}

/// Keeps the session of a partition alive for another interval.
#[must_use]
pub fn refresh(app: &AppId, partition: u32) -> RequestPlan {
    let path = REFRESH.path.replace("{partition}", &partition.to_string());
    let mut plan = RequestPlan::new(&REFRESH.operation, Method::POST, path)
        .query("action_name", RENEW)
        .query("appId", app.as_str());
    // Without a content type it is refused, although it has no body.
    plan.body = Body::Bytes("application/json", bytes::Bytes::new());
    plan
}

/// Where in a stream to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whence {
    Newest,
    Offset(u64),
}

/// The events of a partition, from an offset on. The session's token is for the caller to add.
pub(crate) fn follow(url: CheckedUrl, from: Whence, types: &[EventType]) -> RequestPlan {
    let plan = RequestPlan::at(&FOLLOW, Method::GET, url);
    let plan = match from {
        Whence::Newest => plan.query("whence", "2"),
        Whence::Offset(offset) => plan.query("offset", offset.to_string()),
    };
    let types: Vec<&str> = types.iter().map(EventType::as_str).collect();
    plan.maybe("eventType", (!types.is_empty()).then(|| types.join(",")))
}

wire! {
    /// A stream that can be read, `main.availableStreamV2`.
    pub struct AvailableStream {
        data_feed_url("dataFeedURL"): Option<String>,
        refresh_interval("refreshActiveSessionInterval"): Option<i64>,
        refresh_url("refreshActiveSessionURL"): Option<String>,
        session("sessionToken"): Option<SessionToken>,
    }
}

wire! {
    /// What opens a stream, `main.SessionToken`.
    pub struct SessionToken {
        expiration: Option<Timestamp>,
        token: Option<Secret>,
    }
}

impl AvailableStream {
    /// The number of its partition, as it stands in its addresses.
    #[must_use]
    pub fn partition(&self) -> Option<u32> {
        let behind = |url: &str, mark: &str| {
            let digits = url.split_once(mark)?.1;
            digits.split(['?', '/']).next()?.parse().ok()
        };
        let renewed = self.refresh_url.as_deref().and_then(|url| behind(url, "/datafeed-actions/v1/"));
        renewed.or_else(|| self.data_feed_url.as_deref().and_then(|url| behind(url, "/datafeed/v1/")))
    }
}

words! {
    /// The types of events. The set is open.
    pub enum EventType {
        /// A request to the API.
        ApiActivityAudit = "APIActivityAuditEvent",
        /// A login, and what is done to users and API clients.
        AuthActivityAudit = "AuthActivityAuditEvent",
        /// Several findings that belong together.
        AutomatedLeadSummary = "AutomatedLeadSummaryEvent",
        /// A cloud posture indicator of attack.
        CspmIoa = "CSPMIOAStreamingEvent",
        /// A cloud posture indicator of misconfiguration.
        CspmSearch = "CSPMSearchStreamingEvent",
        /// A detection as the detections API of old had it.
        DetectionSummary = "DetectionSummaryEvent",
        /// A detection on an endpoint.
        EppDetectionSummary = "EppDetectionSummaryEvent",
        /// A firewall rule that matched.
        FirewallMatch = "FirewallMatchEvent",
        /// Identity protection as it was before its detections.
        IdentityProtection = "IdentityProtectionEvent",
        /// A detection of identity protection.
        IdpDetectionSummary = "IdpDetectionSummaryEvent",
        /// An incident.
        IncidentSummary = "IncidentSummaryEvent",
        /// A detection on a mobile device.
        MobileDetectionSummary = "MobileDetectionSummaryEvent",
        /// The end of a session of Real Time Response.
        RemoteResponseSessionEnd = "RemoteResponseSessionEndEvent",
        /// The beginning of a session of Real Time Response.
        RemoteResponseSessionStart = "RemoteResponseSessionStartEvent",
        /// What a user of the console did.
        UserActivityAudit = "UserActivityAuditEvent",
        /// A detection across products.
        XdrDetectionSummary = "XdrDetectionSummaryEvent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_letters_and_digits() {
        assert_eq!(AppId::new("siem01").unwrap().as_str(), "siem01");
        for bad in ["", "a b", "a-b", "a&x=y", "é", &"a".repeat(33)] {
            assert_eq!(AppId::new(bad).unwrap_err().kind(), ErrorKind::Configuration, "{bad}");
        }
    }

    #[test]
    fn the_partition_is_read_off_the_addresses() {
        let read = |refresh: &str, feed: &str| {
            let json = format!(r#"{{"refreshActiveSessionURL":"{refresh}","dataFeedURL":"{feed}"}}"#);
            serde_json::from_str::<AvailableStream>(&json).unwrap().partition()
        };
        let refresh = "https://api.example.com/sensors/entities/datafeed-actions/v1/3?appId=a";
        assert_eq!(read(refresh, ""), Some(3));
        assert_eq!(read("", "https://firehose.example.com/sensors/entities/datafeed/v1/0?appId=a"), Some(0));
        assert_eq!(read("https://api.example.com/x/v9/3", "nonsense"), None);
    }

    #[test]
    fn a_session_token_is_not_shown() {
        let stream: AvailableStream = serde_json::from_str(
            r#"{"sessionToken":{"token":"canary","expiration":"2026-01-01T00:00:00Z"}}"#,
        )
        .unwrap();
        assert!(!format!("{stream:?}").contains("canary"));
        assert!(stream.session.unwrap().token.is_some());
    }
}
