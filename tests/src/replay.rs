//! A server on loopback that answers with recorded replies, byte for byte.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use edr::{Config, Estate, Options, Selection};
use edr_core::EdrProvider;
use serde_json::{Value, json};

/// The folder of recorded replies, if the environment names one; says aloud when it does not.
#[must_use]
#[expect(clippy::print_stderr, reason = "a test that skips must say so")]
pub fn samples() -> Option<PathBuf> {
    let folder = std::env::var_os("EDR_SAMPLES_DIR").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: EDR_SAMPLES_DIR is not set, so no recorded reply is read");
    }
    folder
}

/// The body of a recorded reply: the file itself, or its response where the request was recorded with it.
#[must_use]
pub fn body(name: &str) -> Option<Value> {
    let path = samples()?.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
    let Some(body) = file.pointer("/response/body") else { return Some(file) };
    // Some recorders keep the body as text.
    Some(body.as_str().map_or_else(|| body.clone(), |t| serde_json::from_str(t).expect("the body is JSON")))
}

/// Paths and what they answer; everything else is not found.
type Replies = Arc<BTreeMap<String, Value>>;

async fn answer(State(replies): State<Replies>, request: Request) -> Response {
    let path = request.uri().path().trim_end_matches('/');
    let (status, body) = match replies.get(path) {
        Some(body) if path == "/oauth2/token" => (201, body.clone()),
        Some(body) => (200, body.clone()),
        None => (
            404,
            json!({"errors": [{"code": 404, "message": "404: Page Not Found"}], "reply": {"err_code": 404, "err_msg": "Not found", "err_extra": null}}),
        ),
    };
    let status = axum::http::StatusCode::from_u16(status).expect("a status");
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}

/// A running replay; it ends with the test's runtime.
async fn serve(replies: impl IntoIterator<Item = (&'static str, Value)>) -> String {
    let replies: BTreeMap<String, Value> = replies.into_iter().map(|(p, v)| (p.to_owned(), v)).collect();
    let app = Router::new().fallback(answer).with_state(Arc::new(replies));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

fn connect(config: &str) -> Arc<dyn EdrProvider> {
    let config = Config::from_toml(config).expect("the configuration is good");
    let estate = Estate::connect(&config, &Selection::all(), &Options::default()).expect("one tenant");
    estate.members()[0].clone().provider.expect("the tenant can be connected")
}

/// A Falcon client before these replies.
pub async fn falcon(replies: Vec<(&'static str, Value)>) -> Arc<dyn EdrProvider> {
    let token = json!({"access_token": "a-token", "token_type": "bearer", "expires_in": 1799});
    let base = serve(replies.into_iter().chain([("/oauth2/token", token)])).await;
    connect(&format!(
        "[tenants.recorded]\nvendor = \"falcon\"\nbase_url = \"{base}\"\nclient_id = \"an-id\"\nclient_secret = \"a-secret\"\n"
    ))
}

/// A Cortex client before these replies.
pub async fn cortex(generation: u8, replies: Vec<(&'static str, Value)>) -> Arc<dyn EdrProvider> {
    let base = serve(replies).await;
    connect(&format!(
        "[tenants.recorded]\nvendor = \"cortex\"\nbase_url = \"{base}\"\napi_key_id = \"1\"\napi_key = \"a-key\"\n\
         key_type = \"standard\"\ngeneration = {generation}\nrequests_per_second = 0\n"
    ))
}
