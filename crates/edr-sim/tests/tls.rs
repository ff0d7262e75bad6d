//! Both vendors over TLS.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::send;
use edr_sim::{Access, KeyType, Sim, TenantInfo};
use reqwest::{Certificate, Client, ClientBuilder};
use serde_json::{Value, json};

async fn sim() -> Sim {
    Sim::builder()
        .tls(true)
        .falcon_hosts(3)
        .cortex_hosts(3)
        .key_type(KeyType::Standard)
        .start()
        .await
        .unwrap()
}

fn client(sim: &Sim) -> ClientBuilder {
    let ca = Certificate::from_pem(sim.ca_pem().unwrap().as_bytes()).unwrap();
    Client::builder().no_proxy().tls_certs_only([ca])
}

fn port(tenant: &TenantInfo) -> u16 {
    tenant.base_url.rsplit(':').next().unwrap().parse().unwrap()
}

async fn token(http: &Client, base: &str, tenant: &TenantInfo) -> (u16, Value) {
    let Access::Falcon { client_id, client_secret, .. } = &tenant.access else { panic!("no Falcon tenant") };
    let form = [("client_id", client_id), ("client_secret", client_secret)];
    let (status, _, body) = send(http.post(format!("{base}/oauth2/token")).form(&form)).await;
    (status.as_u16(), body)
}

#[tokio::test]
async fn falcon_answers_by_name_and_address() {
    let sim = sim().await;
    let tenant = &sim.tenants()[0];
    let http = client(&sim).build().unwrap();
    assert!(tenant.base_url.starts_with("https://127.0.0.1:") && tenant.fqdn.is_none());
    for base in [tenant.base_url.clone(), format!("https://localhost:{}", port(tenant))] {
        let (status, body) = token(&http, &base, tenant).await;
        assert_eq!((status, body["expires_in"].as_u64()), (201, Some(1799)), "{base}");
    }
}

#[tokio::test]
async fn cortex_answers_under_the_name_that_clients_make_of_its_fqdn() {
    let sim = sim().await;
    let tenant = &sim.tenants()[1];
    let fqdn = tenant.fqdn.clone().unwrap();
    assert_eq!(fqdn, format!("cortex-1.localhost:{}", port(tenant)));
    // Resolvers differ on names under localhost; this one is told.
    let loopback = ([127, 0, 0, 1], port(tenant)).into();
    let http = client(&sim).resolve("api-cortex-1.localhost", loopback).build().unwrap();
    let Access::Cortex { api_key_id, api_key, .. } = &tenant.access else { panic!("no Cortex tenant") };
    let request = http
        .post(format!("https://api-{fqdn}/public_api/v1/endpoints/get_endpoint"))
        .header("x-xdr-auth-id", api_key_id)
        .header("authorization", api_key)
        .json(&json!({"request_data": {}}));
    let (status, _, body) = send(request).await;
    assert_eq!((status.as_u16(), body["reply"]["total_count"].as_u64()), (200, Some(3)));
}

#[tokio::test]
async fn nobody_else_is_trusted_and_each_run_has_its_own_authority() {
    let (one, other) = (sim().await, sim().await);
    assert_ne!(one.ca_pem(), other.ca_pem());
    assert!(!one.ca_pem().unwrap().contains("PRIVATE"));
    let http = client(&other).build().unwrap();
    let error = http.get(&one.tenants()[0].base_url).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    let plain = one.tenants()[0].base_url.replace("https", "http");
    assert!(http.get(plain).send().await.is_err(), "plain HTTP must not pass on the TLS port");
    let control = send(http.get(format!("{}/sim/clock", one.control_url()))).await;
    assert_eq!(control.0, 200, "the control plane stays on plain HTTP");
}

#[tokio::test]
async fn the_ready_line_and_the_configuration_name_the_file() {
    let mut sim = sim().await;
    assert!(serde_json::from_str::<Value>(&sim.ready_line()).unwrap()["ca"].is_null());
    sim.write_ca(None).unwrap();
    let path = sim.ca_path().unwrap().to_owned();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), sim.ca_pem().unwrap());
    let ready: Value = serde_json::from_str(&sim.ready_line()).unwrap();
    assert_eq!(ready["ca"].as_str(), path.to_str());
    let config: toml::Table = sim.config_toml().parse().unwrap();
    assert_eq!(config["network"]["ca_file"].as_str(), path.to_str());
    sim.shutdown().await;
    assert!(!path.exists());
    let plain = Sim::builder().start().await.unwrap();
    assert!(plain.ca_pem().is_none() && !plain.config_toml().contains("ca_file"));
}
