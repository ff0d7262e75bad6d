//! Queries: pending for half of the sensor's delay, then done. No query is understood: a row for each host comes, as
//! many as the stage `limit` allows.
//!
//! Facts: cortex-xdr-api section 6.4: four at once, a daily budget, more than a thousand rows as a stream, which may
//! be packed, and in which times and truth values are texts.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Call;
use super::desk::{load, note, save, text};
use super::envelope::{Answer, Refusal, Reply};
use super::orders::packed;
use crate::estate::hash::{hex32, mix2};

const QUERIES: &str = "queries";
/// What one query costs, in compute units.
const COST: f64 = 0.01;
/// The units of a day.
const LICENCE: f64 = 5.0;
/// Queries at once.
const PARALLEL: usize = 4;
/// The most rows of an answer.
const MAX_ROWS: u64 = 1_000;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Query {
    id: String,
    text: String,
    since: i64,
}

impl Query {
    fn is_over(&self, call: &Call<'_>) -> bool {
        call.estate().clock().now_ms() - self.since >= call.estate().sensor_delay_ms() / 2
    }

    /// The number behind the stage `limit`, up to the hosts that there are.
    fn rows(&self, call: &Call<'_>) -> u64 {
        let limit = self.text.rsplit_once("limit").and_then(|(_, n)| n.trim().parse::<u64>().ok());
        limit.unwrap_or(1_000_000).min(call.estate().host_count())
    }
}

/// `POST xql/start_xql_query`.
pub(super) fn start(call: &Call<'_>) -> Answer {
    let query = text(call, "query")?;
    if !query.starts_with("dataset") && !query.starts_with("preset") {
        let message =
            json!({"line": 1, "column": 1, "message": format!("no viable alternative at input '{query}'")});
        return Err(Refusal::business(message.to_string(), json!({"parse_err": message["message"]})));
    }
    let _turn = call.turn();
    let mut all: Vec<Query> = load(call.estate(), QUERIES);
    if all.iter().filter(|query| !query.is_over(call)).count() >= PARALLEL {
        return Err(Refusal::rate_limited(1));
    }
    if LICENCE - COST * (all.len() as f64) < COST {
        return Err(Refusal::business("The query quota of the day is used up", Value::Null));
    }
    let number = all.len() as u64 + 1;
    let id = format!("{}_{number}_inv", &hex32(mix2(call.estate().tag() ^ 0x0C1, number))[..14]);
    all.push(Query { id: id.clone(), text: query.to_owned(), since: call.estate().clock().now_ms() });
    save(call.estate(), QUERIES, &all);
    note(call, &id, Value::Null, json!({"query": query}));
    Reply::of(&id)
}

fn known(call: &Call<'_>, key: &str) -> Result<Query, Refusal> {
    let id = text(call, key)?;
    let all: Vec<Query> = load(call.estate(), QUERIES);
    let absent = || Refusal::business(format!("No query was found for the given {key}"), json!(id));
    all.into_iter().find(|query| query.id == id).ok_or_else(absent)
}

fn row(call: &Call<'_>, index: u64, as_text: bool) -> Value {
    let machine = call.estate().machine(index);
    let at = call.estate().clock().start_ms();
    let time = crate::clock::from_ms(at).format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string();
    json!({
        "agent_id": machine.id, "agent_hostname": machine.hostname, "agent_ip": machine.ip, "_vendor": "PANW",
        "_time": if as_text { json!(time) } else { json!(at) },
        "is_online": if as_text { json!("TRUE") } else { json!(true) },
        "event_sub_type": "NULL",
    })
}

/// `POST xql/get_query_results`. A query for the dataset `broken` fails.
pub(super) fn results(call: &Call<'_>) -> Answer {
    let query = known(call, "query_id")?;
    if !query.is_over(call) {
        return Reply::of(&json!({"status": "PENDING"}));
    }
    if query.text.contains("broken") {
        return Reply::of(&json!({"status": "FAIL", "error_details": "The dataset broken was not found"}));
    }
    let limit = call.data.get("limit").and_then(Value::as_u64);
    let count = query.rows(call).min(limit.unwrap_or(u64::MAX));
    let results = match count > MAX_ROWS {
        true => json!({"stream_id": query.id}),
        false => json!({"data": (0..count).map(|index| row(call, index, false)).collect::<Vec<_>>()}),
    };
    let used: Vec<Query> = load(call.estate(), QUERIES);
    Reply::of(&json!({
        "status": "SUCCESS", "number_of_results": count, "query_cost": {call.tenant.name.clone(): COST},
        "remaining_quota": LICENCE - COST * (used.len() as f64), "results": results,
    }))
}

/// `POST xql/get_query_results_stream`: a row a line, packed where that is asked for.
pub(super) fn stream(call: &Call<'_>) -> Answer {
    let query = known(call, "stream_id")?;
    let lines: String = (0..query.rows(call)).map(|index| format!("{}\n", row(call, index, true))).collect();
    let zipped = call.data.get("is_gzip_compressed").and_then(Value::as_bool) == Some(true);
    Ok(Reply::bytes(if zipped { packed(lines.as_bytes()) } else { lines.into_bytes() }))
}
