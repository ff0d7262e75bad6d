use chrono::{TimeZone as _, Utc};
use edr_http::Operation;
use http::{HeaderName, HeaderValue, StatusCode};

use super::*;
use crate::api::hosts;

const DIALECT: FalconDialect = FalconDialect { cloud: Cloud::Us1, on_cloud: true, member: false };

fn with<T>(
    status: u16,
    headers: &[(&'static str, &str)],
    body: &str,
    operation: &'static Operation,
    judge: impl Fn(&Failure<'_>) -> T,
) -> T {
    let pair =
        |(n, v): &(&'static str, &str)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap());
    let headers = headers.iter().map(pair).collect();
    let now = Utc.timestamp_opt(1_700_000_000, 0).unwrap();
    let status = StatusCode::from_u16(status).unwrap();
    judge(&Failure { operation, status, headers: &headers, body: body.as_bytes(), has_items: false, now })
}

fn judge(status: u16, headers: &[(&'static str, &str)], body: &str) -> Verdict {
    with(status, headers, body, &hosts::COMBINED, |f| DIALECT.judge(f))
}

fn inside(body: &str) -> Option<Verdict> {
    with(200, &[], body, &hosts::ENTITIES, |f| DIALECT.judge_success(f))
}

fn gateway(code: u16, message: &str) -> String {
    format!(
        r#"{{"meta":{{"query_time":1.29e-07,"powered_by":"crowdstrike-api-gateway","trace_id":"trace-1"}},
            "errors":[{{"code":{code},"message":"{message}"}}]}}"#
    )
}

fn service(code: &str, message: &str) -> String {
    format!(
        r#"{{"meta":{{"query_time":0.002,"powered_by":"device-api","trace_id":"trace-2"}},"resources":null,
            "errors":[{{"code":{code},"message":"{message}"}}]}}"#
    )
}

/// What a verdict is, and its error.
fn parts(verdict: Verdict) -> (&'static str, Error) {
    match verdict {
        Verdict::Fail(error) => ("fail", error),
        Verdict::Reauthenticate(error) => ("again", error),
        Verdict::Relocate(_, error) => ("move", error),
        Verdict::Retry { error, unprocessed: true, .. } => ("retry any", error),
        Verdict::Retry { error, .. } => ("retry", error),
        _ => panic!("a new verdict"),
    }
}

#[test]
fn every_error_is_told_apart() {
    use ErrorKind::*;
    for (status, body, what, kind, says) in [
        (401, gateway(401, "access denied, invalid bearer token"), "again", Authentication, "IP allow-list"),
        (
            403,
            gateway(403, "access denied, scope not permitted"),
            "fail",
            Permission,
            "add the scope \"Hosts: read\"",
        ),
        (
            403,
            r#"{"errors":[{"code":403,"message":"access denied, scope not permitted"}]}"#.into(),
            "fail",
            Permission,
            "Hosts: read",
        ),
        (
            403,
            gateway(403, "access denied, authorization failed"),
            "fail",
            Permission,
            "a scope does not mend this",
        ),
        (
            404,
            gateway(404, "404: Page Not Found"),
            "fail",
            Unsupported,
            "this cloud does not have the operation",
        ),
        (405, String::new(), "fail", Unsupported, "does not have the operation"),
        (404, service("404", "device not found"), "fail", NotFound, "device not found"),
        (404, "<html>nginx</html>".into(), "fail", InvalidRequest, "not Falcon's"),
        (
            404,
            service("404", "Search context expired, 'after' key no longer valid"),
            "fail",
            CursorExpired,
            "expired",
        ),
        (400, service("400", "Invalid offset supplied: it has expired"), "fail", CursorExpired, ""),
        (
            400,
            service("\"400\"", "Invalid filter expression supplied"),
            "fail",
            InvalidRequest,
            "does not take this filter",
        ),
        (
            400,
            service("400", "limit + offset must be less than 10000"),
            "fail",
            InvalidRequest,
            "limit + offset",
        ),
        (409, service("409", "already"), "fail", Conflict, ""),
        (413, gateway(413, "request too large"), "fail", InvalidRequest, "fewer ids"),
        (429, gateway(429, "API rate limit exceeded."), "retry any", RateLimited, "rate_share"),
        (408, String::new(), "retry", Timeout, ""),
        (500, service("500", "internal error"), "retry", Vendor, "internal error"),
        (500, service("400", "cannot sort"), "fail", InvalidRequest, "cannot sort"),
        (500, service("\"InternalError\"", "oops"), "retry", Vendor, "code InternalError"),
        (502, "<html>Bad gateway</html>".into(), "retry", Vendor, "HTTP 502"),
        (501, service("501", "not implemented"), "fail", Vendor, "not implemented"),
        (503, service("503", "unavailable"), "retry", Vendor, "unavailable"),
        (
            404,
            r#"{"code":40401,"message":"Could not establish sensor comms"}"#.into(),
            "fail",
            NotFound,
            "code 40401",
        ),
    ] {
        let (verdict, error) = parts(judge(status, &[], &body));
        assert_eq!((verdict, error.kind()), (what, kind), "{status} {body}: {error}");
        assert!(error.to_string().contains(says), "{status} {body}: {error}");
    }
}

#[test]
fn the_trace_is_the_headers_or_the_envelopes() {
    let body = gateway(403, "no");
    let trace = |headers: &[(&'static str, &str)]| {
        let (_, error) = parts(judge(403, headers, &body));
        error.trace_id().unwrap().into_owned()
    };
    assert_eq!(trace(&[]), "trace-1");
    assert_eq!(trace(&[("x-cs-traceid", "trace-9")]), "trace-9");
}

#[test]
fn a_wait_is_read_in_every_form() {
    for (name, value, seconds) in [
        ("x-ratelimit-retryafter", "1700000030", Some(30)),
        ("x-ratelimit-retryafter", "1700000030000", Some(30)),
        ("retry-after", "7", Some(7)),
        ("retry-after", "Tue, 14 Nov 2023 22:13:50 GMT", Some(30)),
        ("retry-after", "soon", None),
    ] {
        let Verdict::Retry { delay, .. } = judge(429, &[(name, value)], "") else { panic!("no retry") };
        assert_eq!(delay.map(|d| d.as_secs()), seconds, "{name}: {value}");
    }
}

#[test]
fn an_error_inside_a_success_is_seen() {
    for body in [
        r#"{"meta":{},"errors":[],"resources":[]}"#,
        r#"{"meta":{},"errors":null,"resources":null}"#,
        r#"{"meta":{},"resources":[]}"#,
        r#"{"errors":[{"code":404,"message":"not found","id":"x"}],"resources":[]}"#,
        r#"{"errors":[{"code":500,"message":"a part failed"}],"resources":[{"id":"x"}]}"#,
        r#"{"errors":[{"code":404,"message":"gone"}],"resources":[ ]}"#,
        r#"{"errors":[{"code":500,"message":"a part failed"}],"resources":{"x":{}}}"#,
    ] {
        assert!(inside(body).is_none(), "{body}");
    }
    for (body, what, kind) in [
        (r#"{"errors":[{"code":500,"message":"m"}],"resources":null}"#, "retry", ErrorKind::Vendor),
        // Nothing came, and asking again may help.
        (r#"{"errors":[{"code":500,"message":"m"}],"resources":[]}"#, "retry", ErrorKind::Vendor),
        (
            r#"{"errors":[{"code":400,"message":"invalid aggregate type"}]}"#,
            "fail",
            ErrorKind::InvalidRequest,
        ),
        (r#"{"errors":[{"code":429,"message":"m"}]}"#, "retry any", ErrorKind::RateLimited),
        (r#"{"errors":[{"code":429,"message":"m"}],"resources":[]}"#, "retry any", ErrorKind::RateLimited),
        // A part may have been done.
        (r#"{"errors":[{"code":429,"message":"m","id":"x"}]}"#, "retry", ErrorKind::RateLimited),
        (
            r#"{"errors":[{"code":429,"message":"m"},{"code":409,"message":"n"}]}"#,
            "retry",
            ErrorKind::RateLimited,
        ),
        (
            r#"{"errors":[{"code":404,"message":"n","id":"x"},{"code":429,"message":"m"}]}"#,
            "retry",
            ErrorKind::RateLimited,
        ),
        (
            r#"{"meta":{"writes":{"resources_affected":1}},"errors":[{"code":429,"message":"m"}]}"#,
            "retry",
            ErrorKind::RateLimited,
        ),
        (r#"{"errors":[{"code":403,"message":"m"}]}"#, "fail", ErrorKind::Permission),
        (r#"{"errors":[{"code":404,"message":"m"}]}"#, "fail", ErrorKind::NotFound),
        (
            r#"{"errors":[{"code":404,"message":"m","id":"x"},{"code":500,"message":"n"}]}"#,
            "retry",
            ErrorKind::Vendor,
        ),
        (
            r#"{"errors":[{"code":404,"message":"Search context expired, 'after' key no longer valid"}],"resources":null}"#,
            "fail",
            ErrorKind::CursorExpired,
        ),
    ] {
        let (verdict, error) = parts(inside(body).unwrap());
        assert_eq!((verdict, error.kind()), (what, kind), "{body}");
    }
}

#[test]
fn a_listing_without_items_has_the_error_that_stands_in_their_place() {
    let read = |code: u16| {
        let body = format!(r#"{{"resources":[],"errors":[{{"code":{code},"message":"m"}}]}}"#);
        with(200, &[("retry-after", "7")], &body, &hosts::COMBINED, error_inside).unwrap()
    };
    for (code, kind, retry) in [
        (500, ErrorKind::Vendor, RetryStatus::Temporary),
        (429, ErrorKind::RateLimited, RetryStatus::Temporary),
        (404, ErrorKind::NotFound, RetryStatus::Permanent),
        (403, ErrorKind::Permission, RetryStatus::Permanent),
    ] {
        let error = read(code);
        assert_eq!((error.kind(), error.retry_status()), (kind, retry), "{error}");
    }
    assert_eq!(read(429).retry_after().map(|d| d.as_secs()), Some(7));
    let gone = r#"{"resources":[],"errors":[{"code":404,"message":"m","id":"x"}]}"#;
    assert!(with(200, &[], gone, &hosts::COMBINED, error_inside).is_none());
}

#[test]
fn the_client_id_is_in_no_part_of_an_error() {
    let body = r#"{"errors":[{"code":403,"message":"x"},{"code":403,"message":"Failed to issue access token for clientID=canary."}]}"#;
    let (_, error) = parts(with(403, &[], body, &oauth2::TOKEN, |f| DIALECT.judge(f)));
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    assert_eq!(FalconDetail::read(403, &HeaderMap::new(), body.as_bytes()).errors.len(), 2);
}

#[test]
fn a_redirect_from_a_base_url_says_to_remove_it() {
    let headers = [("location", "https://api.us-2.crowdstrike.com/oauth2/token")];
    let hint = |on_cloud: bool| {
        let dialect = FalconDialect { on_cloud, ..DIALECT };
        let (_, error) = parts(with(308, &headers, "", &oauth2::TOKEN, |f| dialect.judge(f)));
        error.hint().unwrap().to_owned()
    };
    assert!(hint(true).starts_with("set cloud = \"us-2\""));
    assert_eq!(hint(false), "remove base_url or point it at https://api.us-2.crowdstrike.com");
}

#[test]
fn only_the_tenants_own_budget_is_believed() {
    let budget = |limit: &str, left: &str| {
        let pairs = [("x-ratelimit-limit", limit), ("x-ratelimit-remaining", left)];
        with(200, &pairs, "", &hosts::COMBINED, |f| DIALECT.budget(f.headers))
    };
    assert_eq!(budget("6000", "5989"), Some((5989, 6000)));
    assert_eq!(budget("15", "3"), None);
    assert_eq!(budget("300", "299"), None);
    assert_eq!(budget("x", "1"), None);
}

#[test]
fn a_message_is_one_line_without_the_client_id() {
    let said = |message: &str| clean(message).into_owned();
    assert_eq!(
        said("Failed to generate access token for clientID=canary."),
        "Failed to generate access token"
    );
    assert_eq!(said("no access token for client_id=canary"), "no access token");
    assert_eq!(said("a\nb"), "a b");
    assert_eq!(said(&"x".repeat(1000)).len(), 400);
}

#[test]
fn a_detail_can_be_had_back() {
    let (_, error) = parts(judge(404, &[], &gateway(404, "404: Page Not Found")));
    let detail = error.detail().unwrap().as_any().downcast_ref::<FalconDetail>().unwrap();
    assert!(detail.is_missing_route());
    assert_eq!(detail.powered_by.as_deref(), Some("crowdstrike-api-gateway"));
}

proptest::proptest! {
    #[test]
    fn any_answer_is_judged_without_panic(status in 100u16..1000, body: String, location in "\\PC*") {
        let headers = HeaderValue::from_str(&location).ok().map(|_| ("location", location.as_str()));
        let headers: Vec<_> = headers.into_iter().collect();
        drop(judge(status, &headers, &body));
        drop(inside(&body));
    }
}
