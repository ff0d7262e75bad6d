//! What a simulated tenant holds, asked for by hand: without the clients that are under test.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use edr_core::clock::{Clock as _, SystemClock};
use edr_sim::KeyType;
use edr_sim::estate::Vendor;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::sim::SimWorld;

/// One request, answered with JSON.
pub(crate) fn ask(base: &str, line: &str, header: &str, body: &str) -> Value {
    let host = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).expect("the simulator listens");
    let length = body.len();
    let head =
        format!("{line} HTTP/1.0\r\nHost: {host}\r\n{header}\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(head.as_bytes()).expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is read");
    let json = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{line}: {e}: {answer}"))
}

impl SimWorld {
    /// The same with something in the vendor's audit, put there without the client that is under test.
    #[must_use]
    pub fn with_audit(self) -> Self {
        match self.vendor() {
            Vendor::Cortex => self.host_ids(12).iter().for_each(|id| {
                let one = json!([{"field": "endpoint_id_list", "operator": "in", "value": [id]}]);
                self.cortex(
                    "/public_api/v1/endpoints/update_agent_name",
                    &json!({"filters": one, "alias": "x"}),
                );
            }),
            Vendor::Falcon => self.falcon_work(),
        }
        self
    }

    fn host_ids(&self, most: u64) -> Vec<String> {
        let estate = self.sim().estate(self.tenant()).expect("the tenant");
        (0..estate.host_count().min(most)).map(|n| estate.host_id(n)).collect()
    }

    /// Tokens that are made and revoked, and sessions that wait for their hosts.
    fn falcon_work(&self) {
        for n in 0..6 {
            let made = self
                .falcon("POST /installation-tokens/entities/tokens/v1", &json!({"label": format!("t{n}")}));
            let id = made["resources"][0]["id"].as_str().expect("an id").to_owned();
            let revoke = format!("PATCH /installation-tokens/entities/tokens/v1?ids={id}");
            self.falcon(&revoke, &json!({"revoked": true}));
        }
        for id in self.host_ids(8) {
            let body = json!({"device_id": id, "origin": "o'brien", "queue_offline": true});
            self.falcon("POST /real-time-response/entities/sessions/v1", &body);
        }
    }

    fn falcon(&self, line: &str, body: &Value) -> Value {
        let header = format!("{}\r\nContent-Type: application/json", self.falcon_bearer());
        ask(&self.base_url(), line, &header, &body.to_string())
    }

    /// The ids of Falcon's two audits.
    pub(crate) fn falcon_audit(&self) -> Vec<String> {
        let mut all = self.falcon_ids("/installation-tokens/queries/audit-events/v1?limit=1000");
        let path = "GET /real-time-response-audit/combined/sessions/v1?limit=1000";
        let sessions = ask(&self.base_url(), path, &self.falcon_bearer(), "");
        let rows = sessions["resources"].as_array().expect("sessions");
        all.extend(rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()));
        all
    }

    /// A call of Cortex, signed.
    pub(crate) fn cortex(&self, path: &str, data: &Value) -> Value {
        let state = self.sim().state();
        let credentials = state.tenant(self.tenant()).and_then(|t| t.cortex()).expect("Cortex");
        let key = &credentials.api_key;
        let signed = match credentials.key_type {
            KeyType::Standard => format!("Authorization: {key}"),
            KeyType::Advanced => {
                // Signatures are held against the real time.
                let at = SystemClock.now().timestamp_millis();
                let nonce: String = self.nonce();
                let digest = hex(&Sha256::digest(format!("{key}{nonce}{at}")));
                format!("Authorization: {digest}\r\nx-xdr-nonce: {nonce}\r\nx-xdr-timestamp: {at}")
            }
        };
        let header = format!(
            "x-xdr-auth-id: {}\r\n{signed}\r\nContent-Type: application/json",
            credentials.api_key_id
        );
        let body = json!({"request_data": data}).to_string();
        ask(&self.base_url(), &format!("POST {path}"), &header, &body)["reply"].clone()
    }

    /// What the log of changes holds, and the reports of agents.
    pub(crate) fn cortex_audit(&self) -> Vec<String> {
        let log = self.sim().log().into_iter().enumerate();
        let own = log.filter(|(_, m)| m.tenant == self.tenant()).map(|(n, _)| (n + 1).to_string());
        let mut all: Vec<String> = own.collect();
        let mut from = 0;
        loop {
            let window = json!({"search_from": from, "search_to": from + 100});
            let page = self.cortex("/public_api/v1/audits/agents_reports", &window);
            let rows = page["data"].as_array().expect("reports");
            all.extend(rows.iter().map(report));
            from += rows.len();
            if rows.len() < 100 {
                return all;
            }
        }
    }

    /// The ids of what XDR 5 finds.
    pub(crate) fn cortex_findings(&self) -> Vec<String> {
        let path = "/vulnerability-management/v1/vulnerability-finding/search";
        let page = self.cortex(path, &json!({"page_size": 10_000}));
        assert!(page["next_page_token"].is_null(), "all findings stand on one page");
        let rows = page["data"].as_array().expect("findings");
        rows.iter().map(|row| row["platform_id"].as_str().expect("an id").to_owned()).collect()
    }
}

/// The id of a report that has none, as `docs/MAPPING.md` has it.
fn report(row: &Value) -> String {
    let keys = [
        "ENDPOINTID",
        "ENDPOINTNAME",
        "TIMESTAMP",
        "RECEIVEDTIME",
        "CATEGORY",
        "TYPE",
        "SUBTYPE",
        "RESULT",
        "REASON",
        "DESCRIPTION",
    ];
    let told = keys.map(|key| match &row[key] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    hex(&Sha256::digest(told.join("\n")))[..32].to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
