//! A small raw client, so that the tests see what is on the wire.

#![allow(dead_code, reason = "each test program uses a part")]

use edr_sim::{Sim, SimBuilder};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;

pub(crate) struct Raw {
    pub(crate) sim: Sim,
    pub(crate) http: Client,
    pub(crate) base: String,
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: String,
}

pub(crate) type Answer = (StatusCode, reqwest::header::HeaderMap, Value);

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    (status, headers, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

pub(crate) async fn start(builder: SimBuilder) -> Raw {
    let sim = builder.start().await.unwrap();
    let ready: Value = serde_json::from_str(&sim.ready_line()).unwrap();
    let tenant = &ready["tenants"][0];
    let text = |key: &str| tenant[key].as_str().unwrap().to_owned();
    let http =
        Client::builder().no_proxy().no_gzip().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut raw = Raw {
        base: text("base_url"),
        id: text("client_id"),
        secret: text("client_secret"),
        sim,
        http,
        token: String::new(),
    };
    raw.login().await;
    raw
}

impl Raw {
    pub(crate) fn token_request(&self) -> RequestBuilder {
        let form = [("client_id", self.id.as_str()), ("client_secret", self.secret.as_str())];
        self.http.post(format!("{}/oauth2/token", self.base)).form(&form)
    }

    pub(crate) async fn login(&mut self) {
        let (status, _, body) = send(self.token_request()).await;
        if status == 201 {
            self.token = body["access_token"].as_str().unwrap().to_owned();
        }
    }

    pub(crate) fn get(&self, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.base)).query(query).bearer_auth(&self.token)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base)).json(body).bearer_auth(&self.token)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> RequestBuilder {
        self.http.patch(format!("{}{path}", self.base)).json(body).bearer_auth(&self.token)
    }

    pub(crate) fn delete(&self, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        self.http.delete(format!("{}{path}", self.base)).query(query).bearer_auth(&self.token)
    }

    pub(crate) fn control(&self, method: reqwest::Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.sim.control_url()))
    }
}

pub(crate) fn ids(body: &Value) -> Vec<String> {
    let id = |v: &Value| {
        v.as_str()
            .or_else(|| v["device_id"].as_str())
            .or_else(|| v["composite_id"].as_str())
            .map(str::to_owned)
    };
    body["resources"].as_array().unwrap().iter().filter_map(id).collect()
}

pub(crate) fn message(body: &Value) -> &str {
    body["errors"][0]["message"].as_str().unwrap_or_default()
}
