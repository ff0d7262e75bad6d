//! The key check, the health check, the tenant and the XQL quota.

use serde_json::json;

use super::Call;
use super::envelope::{Answer, Reply};
use crate::clock::from_ms;

/// `/api_keys/validate`: the JSON string "true", without an envelope (facts 2, "Key check").
pub(super) fn validate_key(_call: &Call<'_>) -> Answer {
    Reply::bare("true")
}

/// `GET /public_api/v1/healthcheck`: `{"status"}`, without an envelope (facts 6.7).
pub(super) fn healthcheck(_call: &Call<'_>) -> Answer {
    Reply::bare(&json!({"status": "available"}))
}

/// `system/get_tenant_info`: dates in words, 0 for none, and amounts that are numbers or objects (facts 6.7).
pub(super) fn tenant_info(call: &Call<'_>) -> Answer {
    const DAY: i64 = 86_400_000;
    let hosts = call.estate().host_count();
    let words = |days: i64| {
        from_ms(call.sim().clock.start_ms() + days * DAY).format("%b %d{} %Y %H:%M:%S").to_string()
    };
    let date = |days: i64| {
        let day = from_ms(call.sim().clock.start_ms() + days * DAY).format("%-d").to_string();
        words(days).replace("{}", suffix(&day))
    };
    Reply::of(&json!({
        "pro_per_endpoint_expiration": date(300),
        "purchased_pro_per_endpoint": {"agents": hosts.next_multiple_of(100).max(200)},
        "data_enabled_pro_per_endpoint": hosts,
        "prevent_expiration": 0,
        "purchased_prevent": 0,
        "installed_prevent": 0,
        "pro_tb_expiration": 0,
        "purchased_pro_tb": {"tb": 0},
        "installed_pro_tb": 0,
        "compute_unit_expiration": date(120),
        "purchased_compute_unit": 10,
        "compute_unit_is_trial": false,
        "host_insights_expiration": date(300),
        "enabled_host_insights": hosts,
        "purchased_host_insights": hosts.max(200),
        "forensics_expiration": 0,
        "purchased_forensics": 0,
    }))
}

/// The ending of an ordinal number.
fn suffix(day: &str) -> &'static str {
    match day {
        "1" | "21" | "31" => "st",
        "2" | "22" => "nd",
        "3" | "23" => "rd",
        _ => "th",
    }
}

/// `xql/get_quota` (facts 6.4); nothing here uses it up yet.
pub(super) fn xql_quota(_call: &Call<'_>) -> Answer {
    Reply::of(&json!({"license_quota": 5, "additional_purchased_quota": 0.0, "used_quota": 0.0}))
}
