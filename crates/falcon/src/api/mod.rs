//! Falcon's services, one file each: parameters to a request, and bytes to types. Pure.

mod aggregate;
pub mod alerts;
pub mod cases;
mod common;
pub mod discover;
mod endpoint;
pub mod exclusions;
pub mod flight_control;
pub mod host_groups;
mod host_words;
pub mod hosts;
pub mod install_tokens;
pub mod iocs;
pub mod oauth2;
pub mod ods;
pub mod policies;
pub mod quarantine;
pub mod rtr;
mod scopes;
pub mod sensors;
pub mod spotlight;
pub mod streams;
pub mod users;
pub mod zero_trust;

use std::fmt::Write as _;

use edr_http::{Operation, RequestPlan};
use serde::{Deserialize as _, Deserializer};
use serde_json::value::RawValue;

pub use aggregate::{Aggregate, AggregateKind, AggregateSpec, Bucket, DateSpan, NumberSpan};
pub use common::{Accepted, ActionParameter, AfterParams, FacetParams, ListParams};
pub use endpoint::{Endpoint, Paging, Verb};
pub use scopes::{ScopeIdentifier, required_scopes, scope_identifier};

use crate::wire::wire;

/// Where the items of a listing stand in a reply.
pub(crate) const RESOURCES: &[&[&str]] = &[&["resources"]];

/// The endpoints, service by service.
const SERVICES: &[&[&Endpoint]] = &[
    &[&oauth2::TOKEN, &oauth2::REVOKE],
    hosts::ENDPOINTS,
    host_groups::ENDPOINTS,
    alerts::ENDPOINTS,
    iocs::ENDPOINTS,
    flight_control::ENDPOINTS,
    policies::PREVENTION_ENDPOINTS,
    policies::SENSOR_UPDATE_ENDPOINTS,
    policies::FURTHER_ENDPOINTS,
    policies::RESPONSE_ENDPOINTS,
    rtr::ENDPOINTS,
    users::ENDPOINTS,
    zero_trust::ENDPOINTS,
    sensors::ENDPOINTS,
    streams::ENDPOINTS,
    discover::ENDPOINTS,
    spotlight::ENDPOINTS,
    cases::ENDPOINTS,
    quarantine::ENDPOINTS,
    ods::ENDPOINTS,
    exclusions::IOA_ENDPOINTS,
    exclusions::ML_ENDPOINTS,
    exclusions::SENSOR_ENDPOINTS,
    install_tokens::ENDPOINTS,
];

const COUNT: usize = {
    let (mut count, mut at) = (0, 0);
    while at < SERVICES.len() {
        count += SERVICES[at].len();
        at += 1;
    }
    count
};

/// Every endpoint that this crate has a method for: the table of `docs/FALCON.md`.
pub static ENDPOINTS: [&Endpoint; COUNT] = {
    let mut all = [&oauth2::TOKEN; COUNT];
    let (mut service, mut to) = (0, 0);
    while service < SERVICES.len() {
        let mut at = 0;
        while at < SERVICES[service].len() {
            all[to] = SERVICES[service][at];
            at += 1;
            to += 1;
        }
        service += 1;
    }
    all
};

/// Every operation that this crate has a method for, with the scope that it needs.
pub static OPERATIONS: [&Operation; COUNT] = {
    let mut all = [&oauth2::TOKEN.operation; COUNT];
    let mut at = 0;
    while at < COUNT {
        all[at] = &ENDPOINTS[at].operation;
        at += 1;
    }
    all
};

/// The operations that [`crate::Falcon`] uses as an [`edr_core::EdrProvider`] for hosts and alerts: what an API client
/// for it must at least be able to do, and all that its diagnosis looks at. Cases, indicators, audit events, groups,
/// vulnerabilities, applications, a host's score, and every change need scopes of their own, which stand in [`ENDPOINTS`].
pub static PROVIDER_OPERATIONS: [&Operation; 8] = [
    &oauth2::TOKEN.operation,
    &hosts::COMBINED.operation,
    &hosts::ENTITIES.operation,
    &hosts::ONLINE_STATE.operation,
    &hosts::SCROLL.operation,
    &alerts::COMBINED.operation,
    &alerts::ENTITIES.operation,
    &alerts::QUERY.operation,
];

/// The operations that [`crate::Falcon`] uses for response actions and changes of alerts, beside
/// [`PROVIDER_OPERATIONS`]: what an API client that acts must be able to do.
pub static RESPONSE_OPERATIONS: [&Operation; 15] = [
    &alerts::UPDATE.operation,
    &hosts::ACTIONS.operation,
    &hosts::TAGS.operation,
    &ods::CREATE.operation,
    &ods::ENTITIES.operation,
    &ods::HOSTS.operation,
    &ods::QUERY_HOSTS.operation,
    &rtr::BATCH_ACTIVE.operation,
    &rtr::BATCH_INIT.operation,
    &rtr::EXTRACTED.operation,
    &rtr::FILES_V2.operation,
    &rtr::QUEUED.operation,
    &rtr::SCRIPTS_V2.operation,
    &rtr::SCRIPT_IDS.operation,
    &rtr::STATUS_ACTIVE.operation,
];

/// The endpoint of an operation, by its name.
pub(crate) fn endpoint(name: &str) -> Option<&'static Endpoint> {
    ENDPOINTS.iter().copied().find(|e| e.name == name)
}

/// Harmless requests that show whether the API client has a scope. Every scope that only reads has one.
pub(crate) struct ScopeProbe {
    /// The probe's name in a diagnosis.
    pub(crate) name: &'static str,
    /// The scope, in the words of the console.
    pub(crate) scope: &'static str,
    /// The next is for clouds that lack the one before.
    pub(crate) requests: &'static [fn() -> RequestPlan],
}

/// The probes of this crate; a new scope of [`PROVIDER_OPERATIONS`] adds its own.
pub(crate) const PROBES: &[ScopeProbe] = &[alerts::PROBE, hosts::PROBE];

wire! {
    /// `meta` of a reply.
    pub struct Meta {
        pagination: Option<Pagination>,
        powered_by: Option<String>,
        query_time: Option<f64>,
        trace_id: Option<String>,
    }
}

wire! {
    /// `meta.pagination` in any of its shapes. What is called `offset` is the request's in some
    /// services and the next one in others, a text here and a number there: it is no cursor, except
    /// that of a scroll.
    pub struct Pagination {
        after: Option<String>,
        expires_at: Option<f64>,
        limit: Option<f64>,
        next: Option<String>,
        offset: Option<String>,
        total: Option<f64>,
    }
}

impl Pagination {
    /// How many items match.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked, and saturating"
        )]
        self.total.filter(|t| *t >= 0.0).map(|t| t as u64)
    }
}

wire! {
    /// One error of a reply; the code is a number at the gateway and a text in some services.
    pub struct ApiError {
        code: Option<String>,
        id: Option<String>,
        message: Option<String>,
    }
}

wire! {
    /// A reply without its resources.
    pub struct Envelope {
        code: Option<String>,
        errors: Vec<ApiError>,
        message: Option<String>,
        meta: Option<Meta>,
    }
}

impl Envelope {
    /// Reads the envelope around a listing; `None` when it is no JSON object.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    /// The pagination, empty when there is none.
    #[must_use]
    pub fn pagination(&self) -> Pagination {
        self.meta.as_ref().and_then(|m| m.pagination.clone()).unwrap_or_default()
    }

    /// The errors; one that stands bare, outside the list, included.
    pub(crate) fn all_errors(&self) -> Vec<ApiError> {
        if !self.errors.is_empty() || (self.code.is_none() && self.message.is_none()) {
            return self.errors.clone();
        }
        vec![ApiError { code: self.code.clone(), id: None, message: self.message.clone() }]
    }
}

impl ApiError {
    /// That an id is not there: an answer about the id, and no failure of the call.
    pub(crate) fn is_about_id(&self) -> bool {
        self.code.as_deref() == Some("404") && self.id.is_some()
    }

    /// The HTTP status that the code stands for: Real Time Response adds two digits, as in 40401.
    pub(crate) fn class(&self) -> Option<u16> {
        let code: u16 = self.code.as_deref()?.parse().ok()?;
        Some(if code < 1_000 { code } else { code / 100 })
    }
}

/// What stands under `resources` in a reply whose items have been cut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resources {
    Absent,
    /// A list without items, as in the envelope of a listing.
    Empty,
    List,
    Null,
    /// A map, a text: nothing that an operation of this crate answers.
    Other,
}

impl Resources {
    /// Looks; `None` when the reply is no JSON object, or names its resources twice.
    pub(crate) fn of(body: &[u8]) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Reply<'a> {
            // `Some` for a null, too: that the key is there is what counts.
            #[serde(borrow, default, deserialize_with = "there")]
            resources: Option<&'a RawValue>,
            /// Where commands of a batch have theirs.
            #[serde(borrow, default, deserialize_with = "there")]
            combined: Option<&'a RawValue>,
        }
        fn there<'de, D: Deserializer<'de>>(d: D) -> Result<Option<&'de RawValue>, D::Error> {
            <&RawValue>::deserialize(d).map(Some)
        }
        let begins = |byte| body.trim_ascii_start().first() == Some(&byte);
        let reply: Reply<'_> = begins(b'{').then(|| serde_json::from_slice(body).ok()).flatten()?;
        let combined = reply.combined.filter(|c| c.get().starts_with('{'));
        Some(match reply.resources.map(|r| r.get().as_bytes()) {
            None if combined.is_some() => Self::Other,
            None => Self::Absent,
            Some([b'[', inner @ .., b']']) if inner.trim_ascii().is_empty() => Self::Empty,
            Some([b'[', ..]) => Self::List,
            Some(b"null") => Self::Null,
            Some(_) => Self::Other,
        })
    }
}

/// What a reply must be to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A JSON object: the caller knows the operation.
    Any,
    /// Resources by id: a list, or errors in its place.
    Entities,
    /// A page of a listing: `meta`, and a list. An empty listing must be said, because it is taken as
    /// proof that there is nothing: `resources` may be absent only beside a total of 0.
    Listing,
}

impl Expect {
    pub(crate) fn fits(self, envelope: &Envelope, resources: Option<Resources>) -> bool {
        let Some(resources) = resources else { return false };
        match (self, resources) {
            (Self::Any, _) => true,
            (_, Resources::Other) => false,
            (Self::Entities, Resources::Absent) => !envelope.all_errors().is_empty(),
            (Self::Entities, _) => true,
            (Self::Listing, Resources::Absent) => envelope.pagination().count() == Some(0),
            (Self::Listing, _) => envelope.meta.is_some(),
        }
    }
}

/// `{"key":["a","b"]}`.
pub(crate) fn id_list<S: AsRef<str>>(key: &str, ids: &[S]) -> String {
    let mut out = format!("{{{}:[", json_text(key));
    for (i, id) in ids.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(&json_text(id.as_ref()));
    }
    out.push_str("]}");
    out
}

/// A JSON string.
pub(crate) fn json_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // Writing to a String cannot fail.
            c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_read_in_every_shape() {
        let whole = Envelope::read(
            br#"{"meta":{"query_time":1.29e-7,"pagination":{"total":4,"offset":0,"next":"n","expires_at":1684860388051871405},
                "trace_id":"t"},"errors":[{"code":404,"message":"m","id":"x"},{"code":"NotFound"}],"resources":[]}"#,
        )
        .unwrap();
        assert_eq!(whole.pagination().count(), Some(4));
        assert_eq!(whole.pagination().offset.as_deref(), Some("0"));
        assert_eq!(whole.errors[0].code.as_deref(), Some("404"));
        assert_eq!(whole.errors[1].code.as_deref(), Some("NotFound"));
        for none in ["{}", r#"{"errors":null,"meta":null}"#, r#"{"errors":[]}"#] {
            assert!(Envelope::read(none.as_bytes()).unwrap().all_errors().is_empty(), "{none}");
        }
        let bare = Envelope::read(br#"{"code":40401,"message":"m"}"#).unwrap().all_errors();
        assert_eq!(bare[0].code.as_deref(), Some("40401"));
        assert!(Envelope::read(b"<html>").is_none());
    }

    #[test]
    fn an_empty_listing_must_be_said() {
        let fits = |body: &str, expect: Expect| {
            let envelope = Envelope::read(body.as_bytes()).unwrap_or_default();
            expect.fits(&envelope, Resources::of(body.as_bytes()))
        };
        for (body, listing, entities) in [
            (r#"{"meta":{},"resources":[]}"#, true, true),
            (r#" {"meta":{},"resources": null }"#, true, true),
            (r#"{"meta":{"pagination":{"total":0}}}"#, true, false),
            (r#"{"meta":{"pagination":{"total":3}}}"#, false, false),
            (r#"{"meta":{}}"#, false, false),
            (r#"{"errors":[{"code":404,"id":"x"}]}"#, false, true),
            (r#"{"resources":[]}"#, false, true),
            (r#"{"meta":7,"resources":[]}"#, false, true),
            (r#"{"meta":{},"resources":"x"}"#, false, false),
            (r#"{"meta":{},"resources":{"a":1}}"#, false, false),
            (r#"{"meta":{},"resources":[],"resources":{}}"#, false, false),
            ("{}", false, false),
            (r#"{"ok":true}"#, false, false),
            (r#"{"data":[]}"#, false, false),
            ("[]", false, false),
            ("17", false, false),
        ] {
            assert_eq!(fits(body, Expect::Listing), listing, "{body}");
            assert_eq!(fits(body, Expect::Entities), entities, "{body}");
        }
    }

    #[test]
    fn every_operation_names_its_scope() {
        assert_eq!(required_scopes(&PROVIDER_OPERATIONS), ["Alerts: read", "Hosts: read"]);
        assert_eq!(
            required_scopes(&RESPONSE_OPERATIONS),
            [
                "Alerts: write",
                "Hosts: write",
                "On-demand scans (ODS): read",
                "On-demand scans (ODS): write",
                "Real time response (admin): write",
                "Real time response: read",
                "Real time response: write",
            ]
        );
        let bare = ENDPOINTS.iter().filter(|e| e.scope.is_empty() && !e.path.starts_with("/oauth2/"));
        assert_eq!(bare.map(|e| e.name).collect::<Vec<_>>(), [""; 0]);
        let mut names: Vec<_> = OPERATIONS.iter().map(|o| o.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ENDPOINTS.len(), "each once");
    }

    #[test]
    fn every_scope_that_reads_has_its_probe() {
        for scope in required_scopes(&PROVIDER_OPERATIONS).into_iter().filter(|s| s.ends_with(": read")) {
            let probe = PROBES.iter().find(|p| p.scope == scope).unwrap_or_else(|| panic!("{scope}"));
            for request in probe.requests {
                let plan = request();
                assert!(plan.operation.scope == scope && plan.operation.idempotent, "{scope}");
                let limit = plan.query.iter().find(|(key, _)| key == "limit");
                let asks_one = limit.is_some_and(|(_, n)| n == "1")
                    || matches!(&plan.body, edr_http::Body::Bytes(_, b) if b.windows(9).any(|w| w == b"\"limit\":1"));
                assert!(asks_one, "{scope}: {plan:?}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn json_text_is_json(text: String) {
            let read: String = serde_json::from_str(&json_text(&text)).unwrap();
            proptest::prop_assert_eq!(read, text);
        }
    }
}
