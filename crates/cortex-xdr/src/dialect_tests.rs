use chrono::{DateTime, TimeZone as _, Utc};
use edr_http::Operation;
use http::HeaderMap;

use super::*;

static OP: Operation = Operation::read("endpoints/get_endpoint", "the Viewer role");

fn now() -> DateTime<Utc> {
    Utc.timestamp_opt(1_700_000_000, 0).unwrap()
}

fn judge_with(status: u16, headers: &HeaderMap, body: &str) -> Verdict {
    let failure = Failure {
        has_items: false,
        operation: &OP,
        status: StatusCode::from_u16(status).unwrap(),
        headers,
        body: body.as_bytes(),
        now: now(),
    };
    let dialect = Cortex { key_type: KeyType::Advanced };
    if failure.status.is_success() {
        dialect.judge_success(&failure).expect("an error inside a success")
    } else {
        dialect.judge(&failure)
    }
}

fn judge(status: u16, body: &str) -> Verdict {
    judge_with(status, &HeaderMap::new(), body)
}

/// What is done about it, its kind, and the whole line.
fn outcome(verdict: Verdict) -> (&'static str, ErrorKind, String) {
    let (what, error) = match verdict {
        Verdict::Fail(error) => ("fail", error),
        Verdict::Reauthenticate(error) => ("reauthenticate", error),
        Verdict::Retry { error, .. } => ("retry", error),
        _ => panic!("no other verdict"),
    };
    (what, error.kind(), error.to_string())
}

#[test]
fn every_status_has_its_meaning() {
    use ErrorKind::*;
    for (status, body, what, kind, says) in [
        (400, r#"{"err_code":"400","err_msg":"Bad","err_extra":"why"}"#, "fail", InvalidRequest, "Bad: why"),
        (
            401,
            r#"{"reply":{"err_code":401,"err_msg":"\tNo."}}"#,
            "reauthenticate",
            Authentication,
            "used as advanced",
        ),
        (402, "", "fail", Licence, "licence"),
        (403, "{}", "fail", Permission, "the Viewer role"),
        (404, "<html>nginx</html>", "fail", Configuration, "FQDN"),
        (405, "", "fail", Configuration, "generation"),
        (413, "", "fail", InvalidRequest, "in parts"),
        (422, r#"{"errorCode":"V","message":"odd"}"#, "fail", InvalidRequest, "odd"),
        (429, "", "retry", RateLimited, "rate_share"),
        (307, "", "fail", Configuration, "redirect"),
        (500, "", "retry", Vendor, "HTTP 500"),
        (500, r#"{"reply":{"err_code":500,"err_msg":"Internal server error"}}"#, "retry", Vendor, "Internal"),
        (
            500,
            r#"{"reply":{"err_code":500,"err_msg":"Internal server error","err_extra":"queue"}}"#,
            "retry",
            Vendor,
            "queue",
        ),
        (500, r#"{"reply":{"err_msg":"Isolation is already in progress"}}"#, "fail", Conflict, "progress"),
        (500, r#"{"reply":{"err_msg":"Hash already exists"}}"#, "fail", Conflict, "exists"),
        (
            500,
            r#"{"reply":{"err_msg":"No endpoint was found for creating the action"}}"#,
            "fail",
            InvalidRequest,
            "endpoint",
        ),
        (
            500,
            r#"{"reply":{"err_msg":"Failed","err_extra":{"parse_err":"line 1"}}}"#,
            "fail",
            InvalidRequest,
            "line 1",
        ),
        (
            500,
            r#"{"reply":{"err_msg":"Error","err_extra":"Got an invalid filter field: x"}}"#,
            "fail",
            InvalidRequest,
            "field",
        ),
        (502, "<html>", "retry", Vendor, "HTTP 502"),
        (501, "", "fail", Vendor, "HTTP 501"),
        (503, "", "retry", Vendor, "HTTP 503"),
        (504, "", "retry", Vendor, "HTTP 504"),
        (418, "", "fail", InvalidRequest, "HTTP 418"),
        (200, r#"{"reply":{"err_code":500,"err_msg":"Internal server error"}}"#, "retry", Vendor, "Internal"),
        (
            200,
            r#"{"reply":{"err_code":"401","err_msg":"Unauthorized"}}"#,
            "fail",
            Authentication,
            "Unauthorized",
        ),
        (200, r#"{"err_code":"odd","err_msg":"x"}"#, "retry", Vendor, "code odd"),
        (200, r#"{"reply":{"err_code":400,"err_msg":"Bad"}}"#, "fail", InvalidRequest, "Bad"),
    ] {
        let (did, got, line) = outcome(judge(status, body));
        assert_eq!((did, got), (what, kind), "{status} {body}: {line}");
        assert!(line.contains(says), "{status} {body}: {line}");
    }
}

#[test]
fn a_refusal_never_blames_the_clock_and_names_the_key_type() {
    let (_, _, line) = outcome(judge(401, ""));
    assert!(!line.contains("clock") && line.contains("not standard"), "{line}");
}

#[test]
fn a_success_is_left_alone() {
    let dialect = Cortex { key_type: KeyType::Standard };
    for body in [
        "true",
        r#"{"reply":true}"#,
        r#"{"reply":{"total_count":1,"endpoints":[]}}"#,
        r#"{"reply":{"err_code":0}}"#,
        r#"{"reply":{"data":{"err_code":500,"err_msg":"of an action"}}}"#,
        r#"{"reply":[{"err_code":500},{"err_code":500}]}"#,
    ] {
        let headers = HeaderMap::new();
        let reply = Failure {
            has_items: false,
            operation: &OP,
            status: StatusCode::OK,
            headers: &headers,
            body: body.as_bytes(),
            now: now(),
        };
        assert!(dialect.judge_success(&reply).is_none(), "{body}");
    }
}

#[test]
fn a_success_that_is_not_whole_is_asked_for_again() {
    let dialect = Cortex { key_type: KeyType::Standard };
    for (status, body, again) in
        [(200, "", true), (200, "<html>", true), (200, "{\"reply\":", true), (204, "", false)]
    {
        let headers = HeaderMap::new();
        let status = StatusCode::from_u16(status).unwrap();
        let reply = Failure {
            has_items: false,
            operation: &OP,
            status,
            headers: &headers,
            body: body.as_bytes(),
            now: now(),
        };
        let retried = matches!(dialect.judge_success(&reply), Some(Verdict::Retry { .. }));
        assert_eq!(retried, again, "{status} {body}");
    }
}

#[test]
fn a_rate_limit_is_waited_for_in_every_form() {
    for (value, millis) in [
        (Some("7"), 7_000),
        (Some("0.5"), 500),
        (Some("1700000030"), 30_000),
        (Some("Tue, 14 Nov 2023 22:13:50 GMT"), 30_000),
        (Some("soon"), 1_000),
        (None, 1_000),
    ] {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(RETRY_AFTER, value.parse().unwrap());
        }
        match judge_with(429, &headers, "") {
            Verdict::Retry { delay: Some(delay), unprocessed: true, .. } => {
                assert_eq!(delay, Duration::from_millis(millis), "{value:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}
