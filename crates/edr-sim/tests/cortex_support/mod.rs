//! One simulated Cortex tenant and a client that signs as the vendor describes it.

#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edr_sim::faults::FaultRule;
use edr_sim::log::Mutation;
use edr_sim::state::KeyType;
use edr_sim::{Sim, SimBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The tenant of these tests.
const TENANT: &str = "cortex-1";

/// Describes a world: limits off, an Advanced key, generation 3.
pub fn world() -> Builder {
    Builder(Sim::builder().falcon_tenants(0).enforce_limits(false))
}

pub struct Builder(SimBuilder);

impl Builder {
    pub fn hosts(self, count: u64) -> Self {
        Self(self.0.cortex_hosts(count))
    }

    pub fn alerts(self, count: u64) -> Self {
        Self(self.0.alerts(count))
    }

    pub fn generation(self, generation: u8) -> Self {
        Self(self.0.cortex_generation(generation))
    }

    pub fn key(self, key_type: KeyType) -> Self {
        Self(self.0.key_type(key_type))
    }

    pub fn key_life(self, life: Duration) -> Self {
        Self(self.0.cortex_key_life(Some(life)))
    }

    pub fn limits(self) -> Self {
        Self(self.0.enforce_limits(true))
    }

    pub fn strict_nonce(self, strict: bool) -> Self {
        Self(self.0.cortex_strict_nonce(strict))
    }

    pub async fn start(self) -> World {
        let sim = self.0.start().await.unwrap();
        World { sim, http: reqwest::Client::builder().no_proxy().build().unwrap(), nonces: AtomicU64::new(1) }
    }
}

pub struct World {
    pub sim: Sim,
    http: reqwest::Client,
    nonces: AtomicU64,
}

pub type Headers = Vec<(&'static str, String)>;

impl World {
    /// The id of the key, and the key.
    pub fn key(&self) -> (String, String) {
        let key = self.sim.state().tenant(TENANT).unwrap().cortex().unwrap().clone();
        (key.api_key_id, key.api_key)
    }

    pub fn real_ms(&self) -> i64 {
        self.sim.state().clock.real_ms()
    }

    pub fn nonce(&self) -> String {
        format!("{:064}", self.nonces.fetch_add(1, Ordering::Relaxed))
    }

    /// The headers of an Advanced key: id, signature, nonce, timestamp.
    pub fn signed(&self, id: &str, key: &str, nonce: &str, at: i64) -> Headers {
        let digest = Sha256::digest(format!("{key}{nonce}{at}"));
        let signature = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        vec![
            ("x-xdr-auth-id", id.to_owned()),
            ("authorization", signature),
            ("x-xdr-nonce", nonce.to_owned()),
            ("x-xdr-timestamp", at.to_string()),
        ]
    }

    fn good(&self) -> Headers {
        let (id, key) = self.key();
        match self.sim.state().tenant(TENANT).unwrap().cortex().unwrap().key_type {
            KeyType::Advanced => self.signed(&id, &key, &self.nonce(), self.real_ms()),
            KeyType::Standard => vec![("x-xdr-auth-id", id), ("authorization", key)],
        }
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, String)],
        body: Option<&Value>,
    ) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.sim.tenants()[0].base_url);
        let request = self.http.request(method.parse().unwrap(), url);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, String)],
        body: Option<&Value>,
    ) -> (u16, Value) {
        let response = self.request(method, path, headers, body).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, &self.good(), None).await
    }

    pub async fn get_with_headers(&self, path: &str) -> Option<reqwest::header::HeaderMap> {
        Some(self.request("GET", path, &self.good(), None).send().await.ok()?.headers().clone())
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("POST", path, &self.good(), Some(&body)).await
    }

    /// The bytes of an answer.
    pub async fn raw(&self, path: &str, data: Value) -> usize {
        let request = self.request("POST", path, &self.good(), Some(&json!({"request_data": data})));
        request.send().await.unwrap().bytes().await.unwrap().len()
    }

    /// The `reply` of a call that is accepted.
    pub async fn reply(&self, path: &str, data: Value) -> Value {
        let (status, mut body) = self.post(path, json!({"request_data": data})).await;
        assert_eq!(status, 200, "{path} {body}");
        body["reply"].take()
    }

    pub fn faults(&self, rules: Vec<FaultRule>) {
        self.sim.inject(rules).unwrap();
    }

    pub fn advance(&self, by: Duration) {
        self.sim.advance(by);
    }

    pub fn set_online(&self, id: &str, online: bool) {
        self.sim.set_online(TENANT, id, online).unwrap();
    }

    pub fn add_alerts(&self, count: u64, late_by: Duration) -> u64 {
        self.sim.add_alerts(TENANT, count, late_by).unwrap()
    }

    pub fn mutations(&self) -> Vec<Mutation> {
        self.sim.log()
    }

    pub fn reset(&self) {
        self.sim.reset();
    }
}
