//! The way to every call that has no method of its own.

use std::borrow::Cow;

use edr_core::{Error, ErrorKind, Result};
use edr_http::{Operation, RequestPlan};
use http::Method;
use serde_json::{Value, json};

use super::CortexClient;
use crate::api;

/// A call that is not in our table: nobody knows whether it may be repeated, so it is not.
static RAW: Operation = Operation::write("raw", "the right for this call");

impl CortexClient {
    /// Sends `request_data` to a path and gives the answer as it is; null where it has no body. A bare
    /// path, such as `brokers/get`, is of the first version of the API.
    ///
    /// What our table knows of the path holds here, too: its role, whether it may be repeated, GET. A path that
    /// it does not know is sent with POST, and never again after an answer that leaves open whether it was done.
    ///
    /// ```
    /// # async fn run(cortex: &cortex_xdr::CortexClient) -> edr_core::Result<()> {
    /// let reply = cortex.send("get_risk_score", &serde_json::json!({"id": "acme\\ann"})).await?;
    /// println!("{}", reply["reply"]["score"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// For a path that leaves the API, and as the vendor answers.
    pub async fn send(&self, path: &str, request_data: &Value) -> Result<Value> {
        self.send_body(path, &json!({"request_data": request_data})).await
    }

    /// As [`Self::send`], with a body of one's own: some calls know no `request_data`.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_body(&self, path: &str, body: &Value) -> Result<Value> {
        let path = full(path)?;
        let known = api::find(&path);
        let operation = known.as_ref().map_or(&RAW, |call| call.operation);
        let plan = match known {
            Some(call) if call.method == Method::GET => RequestPlan::get(operation, path),
            _ => RequestPlan::post_json(operation, path, body.to_string()),
        };
        let read = |body: &[u8]| match body.trim_ascii() {
            b"" => Ok(Value::Null),
            json => serde_json::from_slice(json).map_err(|e| api::reply::strange("no JSON").with_source(e)),
        };
        self.reply(plan, read).await
    }
}

/// The path with its prefix.
fn full(path: &str) -> Result<String> {
    let full = match path.starts_with('/') {
        true => Cow::Borrowed(path),
        false => Cow::Owned(format!("/public_api/v1/{path}")),
    };
    let strange = |byte: u8| !(0x21..0x7f).contains(&byte) || matches!(byte, b'?' | b'#' | b'\\' | b'%');
    if full.starts_with("//") || full.contains("..") || full.contains("://") || full.bytes().any(strange) {
        return Err(Error::new(ErrorKind::InvalidRequest, format!("'{path}' is no path of the API"))
            .with_hint("give what stands behind the host, such as incidents/get_incidents"));
    }
    Ok(full.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_in_the_api() {
        assert_eq!(full("brokers/x").unwrap(), "/public_api/v1/brokers/x");
        assert_eq!(full("/platform/iam/v1/y").unwrap(), "/platform/iam/v1/y");
        for bad in ["//evil.example/x", "https://evil.example", "../x", "a?b=c", "a b", "a%2e%2e"] {
            assert!(full(bad).is_err(), "{bad}");
        }
    }
}
