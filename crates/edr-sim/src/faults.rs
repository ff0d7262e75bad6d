//! Faults by rule: which call of which operation goes wrong, and how.
//!
//! Transport faults ([`Faults::pick`]) are applied by one layer for both vendors (`gate`); page faults
//! ([`Faults::page`]) are asked for by the handlers that answer pages.

use std::sync::{Mutex, PoisonError};

use serde::de::value::MapAccessDeserializer;
use serde::de::{IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::estate::hash::{mix_str, mix2};

/// What goes wrong below the level of the vendor's handlers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// 429 with the vendor's own header.
    #[serde(rename = "429")]
    TooMany,
    /// 429 with `Retry-After` in seconds.
    #[serde(rename = "429-seconds")]
    TooManySeconds,
    /// 429 with `Retry-After` as a date.
    #[serde(rename = "429-date")]
    TooManyDate,
    /// 429 with `X-Ratelimit-Retryafter` in epoch seconds.
    #[serde(rename = "429-epoch")]
    TooManyEpoch,
    /// 429 without any hint.
    #[serde(rename = "429-bare")]
    TooManyBare,
    /// 500.
    #[serde(rename = "500")]
    Internal,
    /// 502, as a proxy says it.
    #[serde(rename = "502")]
    BadGateway,
    /// 503.
    #[serde(rename = "503")]
    Unavailable,
    /// 504.
    #[serde(rename = "504")]
    GatewayTimeout,
    /// 500 that means "refused", not "broken", as Cortex XDR answers.
    #[serde(rename = "business-500")]
    Business,
    /// 200 with an error in the body.
    #[serde(rename = "200-error")]
    OkError,
    /// 401.
    #[serde(rename = "401")]
    Unauthorized,
    /// 402 for want of a licence; Falcon says it as a 403.
    #[serde(rename = "402-licence")]
    Licence,
    /// 403 for want of a scope or role.
    #[serde(rename = "403-scope")]
    Scope,
    /// The connection is closed before any header.
    Reset,
    /// The connection is closed in the middle of the body.
    CloseMidBody,
    /// The body ends early, with a correct length.
    TruncatedJson,
    /// Bytes that are no JSON, labelled as JSON.
    Garbage,
    /// A page of HTML with status 200.
    Html,
    /// 200 without a body.
    EmptyBody,
    /// The body arrives a few bytes at a time (`delay_ms` between them, default 200).
    SlowDrip,
    /// The headers arrive late (`delay_ms`, default 30,000).
    StallHeaders,
    /// The body goes on and on (`bytes`, default 64 MiB).
    Oversized,
    /// 308 to a foreign host (`location`).
    ForeignRedirect,
    /// The true body, compressed.
    Gzip,
    /// The true body, compressed twice.
    DoubleGzip,
    /// A `Content-Length` that promises more than follows.
    WrongLength,
    /// Something on the way hands the call on twice, and gives back the second answer.
    Replayed,
    /// The `Date` header and the clock that signatures are checked against are `seconds` off (default 600).
    Skew,
    /// One item of the page cannot be decoded.
    BadItem,
    /// A page without items that is not the last.
    EmptyPage,
    /// The cursor that was sent comes back.
    RepeatCursor,
    /// The cursor is refused as expired.
    ExpiredCursor,
    /// The items have moved by `shift` since the last page (default 1: the last item of it comes again;
    /// a negative shift leaves items out). In an event stream `shift` lines come again, or are left out.
    Drift,
    /// An event stream breaks off in the middle of a line.
    BreakOff,
    /// An event stream says nothing more, not even a heartbeat.
    Silence,
}

impl FaultKind {
    fn is_page(self) -> bool {
        matches!(
            self,
            Self::BadItem
                | Self::BreakOff
                | Self::Drift
                | Self::EmptyPage
                | Self::ExpiredCursor
                | Self::RepeatCursor
                | Self::Silence
        )
    }
}

/// A fault with its parameters; in JSON the bare name or `{"kind": name, …}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "FaultForm", into = "FaultForm")]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Whether the call is carried out all the same, and only its answer lost.
    pub after: bool,
    /// For 429: the wait that the header asks for.
    pub retry_after_secs: u64,
    /// A delay, for the slow kinds.
    pub delay_ms: Option<u64>,
    /// A size, for `oversized`.
    pub bytes: Option<u64>,
    /// A shift, for `drift`.
    pub shift: i64,
    /// An offset, for `skew`.
    pub seconds: i64,
    /// A target, for `foreign-redirect`.
    pub location: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum FaultForm {
    Name(FaultKind),
    Full(FullFault),
}

/// By hand, for the errors: those of an untagged enum tell neither what was wrong nor what would be right.
impl<'de> Deserialize<'de> for FaultForm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(FormVisitor)
    }
}

struct FormVisitor;

impl<'de> Visitor<'de> for FormVisitor {
    type Value = FaultForm;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name of a fault, or an object with the name as kind")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<FaultForm, E> {
        FaultKind::deserialize(name.into_deserializer()).map(FaultForm::Name)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FaultForm, A::Error> {
        FullFault::deserialize(MapAccessDeserializer::new(map)).map(FaultForm::Full)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FullFault {
    kind: FaultKind,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    after: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shift: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
}

impl From<FaultForm> for Fault {
    fn from(form: FaultForm) -> Self {
        match form {
            FaultForm::Name(kind) => kind.into(),
            FaultForm::Full(full) => Self {
                after: full.after,
                retry_after_secs: full.retry_after.unwrap_or(1),
                delay_ms: full.delay_ms,
                bytes: full.bytes,
                shift: full.shift.unwrap_or(1),
                seconds: full.seconds.unwrap_or(600),
                location: full.location,
                ..full.kind.into()
            },
        }
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self {
            kind,
            after: false,
            retry_after_secs: 1,
            delay_ms: None,
            bytes: None,
            shift: 1,
            seconds: 600,
            location: None,
        }
    }
}

impl From<Fault> for FaultForm {
    fn from(fault: Fault) -> Self {
        let plain = Fault::from(fault.kind);
        if fault == plain {
            return Self::Name(fault.kind);
        }
        Self::Full(FullFault {
            kind: fault.kind,
            after: fault.after,
            retry_after: Some(fault.retry_after_secs),
            delay_ms: fault.delay_ms,
            bytes: fault.bytes,
            shift: Some(fault.shift),
            seconds: Some(fault.seconds),
            location: fault.location,
        })
    }
}

/// One number or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Nth {
    /// One call.
    One(u64),
    /// Several calls.
    Many(Vec<u64>),
}

impl Nth {
    fn holds(&self, call: u64) -> bool {
        match self {
            Self::One(n) => *n == call,
            Self::Many(list) => list.contains(&call),
        }
    }
}

/// When which fault happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// The operation: Falcon's operationId, Cortex's path after `/public_api/`, or `*`.
    pub operation: String,
    /// The tenant; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The matching calls that fail, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<Nth>,
    /// How likely a matching call fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Every matching call fails; so it is when neither `nth` nor `probability` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub always: Option<bool>,
    /// What goes wrong.
    pub fault: Fault,
    /// The seed of the dice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl FaultRule {
    /// A rule that makes every call of an operation fail.
    #[must_use]
    pub fn always(operation: &str, fault: impl Into<Fault>) -> Self {
        let fault = fault.into();
        Self {
            operation: operation.to_owned(),
            tenant: None,
            nth: None,
            probability: None,
            always: Some(true),
            fault,
            seed: None,
        }
    }

    /// A rule that makes the `n`th call of an operation fail.
    #[must_use]
    pub fn nth(operation: &str, n: u64, fault: impl Into<Fault>) -> Self {
        Self { nth: Some(Nth::One(n)), always: None, ..Self::always(operation, fault) }
    }

    fn names(&self, operation: &str) -> bool {
        let rule = canonical(&self.operation);
        // A Cortex path may be given without its version.
        let tail = operation.strip_suffix(rule).is_some_and(|head| head.ends_with('/'));
        rule == "*" || rule == operation || tail
    }

    fn matches(&self, operation: &str, tenant: Option<&str>) -> bool {
        self.names(operation) && self.tenant.as_deref().is_none_or(|t| Some(t) == tenant)
    }

    /// Refuses a rule that could never strike because of a name in it: a test with such a rule would prove nothing.
    pub(crate) fn check_names(&self, operations: &[&str], tenants: &[&str]) -> Result<(), String> {
        if !operations.iter().any(|known| self.names(known)) {
            let (asked, known) = (&self.operation, operations.join(", "));
            return Err(format!("no operation is called {asked:?}; the operations are *, {known}"));
        }
        // These are faults of an event stream, and of nothing else.
        let of_stream = matches!(self.fault.kind, FaultKind::BreakOff | FaultKind::Silence);
        if of_stream && !self.names(crate::falcon::STREAM) {
            let stream = crate::falcon::STREAM;
            return Err(format!("break-off and silence are faults of {stream}, not of {:?}", self.operation));
        }
        match self.tenant.as_deref().filter(|t| !tenants.contains(t)) {
            Some(asked) => {
                Err(format!("no tenant is called {asked:?}; the tenants are {}", tenants.join(", ")))
            }
            None => Ok(()),
        }
    }

    fn strikes(&self, call: u64) -> bool {
        if let Some(nth) = &self.nth {
            return nth.holds(call);
        }
        if let Some(p) = self.probability {
            let dice = mix2(mix_str(self.seed.unwrap_or(0), &self.operation), call);
            return (dice >> 11) as f64 / (1_u64 << 53) as f64 <= p && p > 0.0;
        }
        self.always.unwrap_or(true)
    }

    /// Why a rule makes no sense, if it does not.
    fn fault_of(&self) -> Option<String> {
        let choices = usize::from(self.nth.is_some())
            + usize::from(self.probability.is_some())
            + usize::from(self.always.is_some());
        if choices > 1 {
            return Some("give one of nth, probability and always".to_owned());
        }
        let p = self.probability?;
        (!(0.0..=1.0).contains(&p)).then(|| format!("probability {p} is not between 0 and 1"))
    }
}

/// The names of every operation of both vendors, each once.
#[must_use]
pub fn operations() -> Vec<&'static str> {
    let falcon = crate::falcon::OPERATIONS.iter().map(|(_, _, name, _)| *name);
    let cortex = crate::cortex::OPERATIONS.iter().map(|operation| canonical(operation.path));
    let mut names: Vec<&str> = falcon.chain(cortex).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The name of an operation in this simulator, for the names that other SDKs give it.
#[must_use]
pub fn canonical(operation: &str) -> &str {
    match operation {
        "GetQueriesAlertsV2" => "QueryV2",
        "PostEntitiesAlertsV2" => "GetV2",
        "PatchEntitiesAlertsV3" => "UpdateV3",
        "GetOnlineState_V1" => "GetOnlineState.V1",
        other => {
            let path = other.trim_matches('/');
            path.strip_prefix("public_api/").unwrap_or(path)
        }
    }
}

/// A fault that the handler of a page carries out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFault {
    /// One item of the page is replaced by something that cannot be decoded.
    BadItem,
    /// The page has no items, but the cursor and total say that it is not the last.
    EmptyPage,
    /// The cursor that was sent comes back.
    RepeatCursor,
    /// The cursor is refused as expired.
    ExpiredCursor,
    /// Items have moved towards the end by `shift` since the last page.
    Drift {
        /// By how many items; negative: towards the start.
        shift: i64,
    },
    /// An event stream breaks off in the middle of a line.
    BreakOff,
    /// An event stream says nothing more.
    Silence,
}

/// By how much the server's clock is off in this call, in milliseconds (fault `skew`).
///
/// A request extension: handlers that check signatures add it to the real clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockSkew(pub i64);

#[derive(Debug)]
struct Armed {
    rule: FaultRule,
    calls: u64,
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Armed>>,
}

impl Faults {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Armed>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds rules after those in force; the first that strikes wins. Names are checked by `SimState::inject`.
    ///
    /// # Errors
    /// Why a rule makes no sense; then none is added.
    pub fn add(&self, rules: Vec<FaultRule>) -> Result<(), String> {
        for (i, rule) in rules.iter().enumerate() {
            if let Some(why) = rule.fault_of() {
                return Err(format!("rule {i} ({}): {why}", rule.operation));
            }
        }
        self.lock().extend(rules.into_iter().map(|rule| Armed { rule, calls: 0 }));
        Ok(())
    }

    /// Takes every rule away.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The rules in force, with the number of calls each has matched.
    #[must_use]
    pub fn list(&self) -> Vec<Value> {
        let with_calls = |armed: &Armed| {
            let mut value = serde_json::to_value(&armed.rule).unwrap_or_default();
            value["calls"] = armed.calls.into();
            value
        };
        self.lock().iter().map(with_calls).collect()
    }

    fn strike(&self, operation: &str, tenant: Option<&str>, page: bool) -> Option<Fault> {
        let mut struck = None;
        for armed in self.lock().iter_mut() {
            if armed.rule.fault.kind.is_page() != page || !armed.rule.matches(operation, tenant) {
                continue;
            }
            armed.calls += 1;
            if struck.is_none() && armed.rule.strikes(armed.calls) {
                struck = Some(armed.rule.fault.clone());
            }
        }
        struck
    }

    /// The transport fault of this call, which is counted. The gate asks once a call; handlers do not.
    #[must_use]
    pub fn pick(&self, operation: &str, tenant: Option<&str>) -> Option<Fault> {
        self.strike(operation, tenant, false)
    }

    /// The page fault of this call, which is counted: a handler asks once a call.
    #[must_use]
    pub fn page(&self, operation: &str, tenant: &str) -> Option<PageFault> {
        let fault = self.strike(operation, Some(tenant), true)?;
        Some(match fault.kind {
            FaultKind::BadItem => PageFault::BadItem,
            FaultKind::EmptyPage => PageFault::EmptyPage,
            FaultKind::RepeatCursor => PageFault::RepeatCursor,
            FaultKind::ExpiredCursor => PageFault::ExpiredCursor,
            FaultKind::BreakOff => PageFault::BreakOff,
            FaultKind::Silence => PageFault::Silence,
            _ => PageFault::Drift { shift: fault.shift },
        })
    }
}

/// Reads a JSON array of rules.
///
/// # Errors
/// What is wrong with it.
pub fn parse_rules(text: &[u8]) -> Result<Vec<FaultRule>, String> {
    serde_json::from_slice(text).map_err(|e| {
        format!(
            "fault rules are a JSON array of {{operation, tenant, nth|probability|always, fault, seed}}: {e}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Faults {
        let faults = Faults::default();
        faults.add(parse_rules(json.as_bytes()).unwrap()).unwrap();
        faults
    }

    #[test]
    fn nth_counts_matching_calls_from_one() {
        let faults =
            rules(r#"[{"operation":"A","nth":2,"fault":"500"},{"operation":"A","nth":[3,4],"fault":"503"}]"#);
        let kinds: Vec<_> = (0..5).map(|_| faults.pick("A", None).map(|f| f.kind)).collect();
        let unavailable = Some(FaultKind::Unavailable);
        assert_eq!(kinds, [None, Some(FaultKind::Internal), unavailable, unavailable, None]);
        assert_eq!(faults.pick("B", None), None);
        assert_eq!(faults.list()[0]["calls"], 5);
    }

    #[test]
    fn names_that_nobody_has_are_refused() {
        let (operations, tenants) = (operations(), ["falcon-1", "falcon-1/retail"]);
        let check = |operation: &str, tenant: Option<&str>| {
            let rule = FaultRule {
                tenant: tenant.map(str::to_owned),
                ..FaultRule::always(operation, FaultKind::Reset)
            };
            rule.check_names(&operations, &tenants)
        };
        let good = [
            "*",
            "QueryV2",
            "GetQueriesAlertsV2",
            "endpoints/get_endpoint",
            "/public_api/v1/endpoints/get_endpoint/",
        ];
        for operation in good {
            assert_eq!(check(operation, Some("falcon-1/retail")), Ok(()), "{operation}");
        }
        for kind in [FaultKind::BreakOff, FaultKind::Silence] {
            let why = FaultRule::always("QueryV2", kind).check_names(&operations, &tenants).unwrap_err();
            assert!(why.contains("faults of ReadEventStream"), "{why}");
            assert!(FaultRule::always("*", kind).check_names(&operations, &tenants).is_ok());
        }
        let why = check("QueryV3", None).unwrap_err();
        assert!(why.starts_with("no operation is called \"QueryV3\"") && why.contains("QueryV2, "), "{why}");
        assert!(check("get_endpoin", None).is_err() && check("", None).is_err());
        assert_eq!(
            check("QueryV2", Some("falcon-3")).unwrap_err(),
            "no tenant is called \"falcon-3\"; the tenants are falcon-1, falcon-1/retail"
        );
    }

    #[test]
    fn a_rule_can_name_a_tenant_or_everything() {
        let faults = rules(r#"[{"operation":"*","tenant":"falcon-2","fault":"reset"}]"#);
        assert!(faults.pick("X", Some("falcon-1")).is_none());
        assert_eq!(faults.pick("X", Some("falcon-2")).unwrap().kind, FaultKind::Reset);
    }

    #[test]
    fn probability_is_seeded() {
        let run = || {
            let faults = rules(r#"[{"operation":"A","probability":0.3,"seed":7,"fault":"502"}]"#);
            (0..200).filter(|_| faults.pick("A", None).is_some()).count()
        };
        assert_eq!(run(), run());
        assert!((30..90).contains(&run()), "{}", run());
    }

    #[test]
    fn page_and_transport_faults_are_counted_apart() {
        let faults = rules(
            r#"[{"operation":"A","fault":{"kind":"drift","shift":-2}},{"operation":"A","nth":1,"fault":"gzip"}]"#,
        );
        assert_eq!(faults.page("A", "t"), Some(PageFault::Drift { shift: -2 }));
        assert_eq!(faults.pick("A", Some("t")).unwrap().kind, FaultKind::Gzip);
    }

    #[test]
    fn other_names_are_understood() {
        let faults = rules(
            r#"[{"operation":"PostEntitiesAlertsV2","fault":"401"},{"operation":"/public_api/v1/x/","fault":"401"}]"#,
        );
        assert!(faults.pick("GetV2", None).is_some());
        assert!(faults.pick("v1/x", None).is_some());
    }

    #[test]
    fn bad_rules_are_refused() {
        for bad in [
            r#"{"operation":"A"}"#,
            r#"[{"operation":"A","fault":"no-such"}]"#,
            r#"[{"operation":"A","fault":"500","often":true}]"#,
            r#"[{"operation":"A","fault":{"kind":"500","colour":1}}]"#,
        ] {
            assert!(parse_rules(bad.as_bytes()).is_err(), "{bad}");
        }
        let both = parse_rules(br#"[{"operation":"A","fault":"500","nth":1,"always":true}]"#).unwrap();
        assert!(Faults::default().add(both).is_err());
        let odd = parse_rules(br#"[{"operation":"A","fault":"500","probability":7}]"#).unwrap();
        assert!(Faults::default().add(odd).is_err());
    }

    #[test]
    fn an_unknown_fault_is_named_with_those_there_are() {
        for (fault, says) in [
            (r#""no-such""#, "unknown variant `no-such`, expected one of `429`, `429-seconds`"),
            (r#"{"kind":"no-such"}"#, "unknown variant `no-such`, expected one of `429`, `429-seconds`"),
            (r#"{"kind":"500","colour":1}"#, "unknown field `colour`"),
            ("500", "expected the name of a fault, or an object with the name as kind"),
        ] {
            let why =
                parse_rules(format!(r#"[{{"operation":"A","fault":{fault}}}]"#).as_bytes()).unwrap_err();
            assert!(why.contains(says) && why.contains("line 1"), "{why}");
            assert!(!says.contains("429") || why.contains("`drift`"), "{why}");
        }
    }

    #[test]
    fn a_fault_is_written_as_it_is_read() {
        let full: Fault = serde_json::from_str(r#"{"kind":"slow-drip","delay_ms":5,"after":true}"#).unwrap();
        assert!(full.after);
        let again: Fault = serde_json::from_str(&serde_json::to_string(&full).unwrap()).unwrap();
        assert_eq!(full, again);
        assert_eq!(serde_json::to_string(&Fault::from(FaultKind::TooMany)).unwrap(), "\"429\"");
    }
}
