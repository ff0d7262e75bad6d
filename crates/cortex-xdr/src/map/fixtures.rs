//! Detections of our own making, each in every shape in which the vendor could tell it.

use serde_json::{Map, Value, json};

/// One detection: what is told of the alert, and of each event, under the canonical names.
pub(super) struct Detection {
    pub(super) kind: &'static str,
    pub(super) alert: Value,
    pub(super) events: Vec<Value>,
}

/// The forms of alerts on generation 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    FilterData,
    Flat,
    Incident,
    V1Events,
    V2Events,
}

impl Shape {
    pub(super) const ALL: [Self; 5] =
        [Self::V1Events, Self::V2Events, Self::Flat, Self::Incident, Self::FilterData];

    /// A flat shape has room for one event.
    pub(super) fn is_flat(self) -> bool {
        matches!(self, Self::Flat | Self::Incident)
    }
}

const LISTS: [&str; 6] = [
    "host_ip",
    "mac_addresses",
    "mitre_tactic_id_and_name",
    "mitre_technique_id_and_name",
    "tags",
    "malicious_urls",
];

const RENAMED: [(&str, &str); 7] = [
    ("alert_id", "internal_id"),
    ("name", "alert_name"),
    ("category", "alert_category"),
    ("action", "alert_action_status"),
    ("endpoint_id", "agent_id"),
    ("host_name", "agent_hostname"),
    ("detection_timestamp", "source_insert_ts"),
];

impl Detection {
    fn own(&self) -> Map<String, Value> {
        self.alert.as_object().unwrap().clone()
    }

    pub(super) fn render(&self, shape: Shape) -> String {
        let value = match shape {
            Shape::V1Events => self.v1(),
            Shape::V2Events => self.v2(),
            Shape::Flat => self.flat(""),
            Shape::Incident => self.flat(" "),
            Shape::FilterData => json!({"alert_fields": self.filter_data(), "incident_fields": null}),
        };
        value.to_string()
    }

    fn v1(&self) -> Value {
        let mut alert = self.own();
        if let Some(text) = alert.get("description").and_then(Value::as_str) {
            let items: Vec<Value> =
                text.split(' ').map(|w| json!({"pretty_name": w, "render_type": "value"})).collect();
            alert.insert("description".into(), json!(items));
        }
        alert.insert("events".into(), json!(self.events));
        Value::Object(alert)
    }

    fn v2(&self) -> Value {
        let mut alert = self.own();
        alert.insert("alert_id".into(), alert["alert_id"].as_str().unwrap().parse::<u64>().unwrap().into());
        alert.insert("events".into(), Value::Null);
        alert.extend(self.columns());
        Value::Object(alert)
    }

    /// Each event-level key with one slot an event.
    fn columns(&self) -> Map<String, Value> {
        let keys = self.events.iter().flat_map(|event| event.as_object().unwrap().keys());
        keys.map(|key| (key.clone(), self.events.iter().map(|event| event[key].clone()).collect())).collect()
    }

    /// Lists as texts with commas, everything at the root; `pad` ends texts other than command lines.
    fn flat(&self, pad: &str) -> Value {
        let mut alert = self.own();
        for key in LISTS {
            if let Some(Value::Array(items)) = alert.get(key) {
                let texts: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                alert.insert(key.into(), json!(texts.join(",")));
            }
        }
        alert.extend(self.events[0].as_object().unwrap().clone());
        for (key, value) in &mut alert {
            if let Value::String(text) = value
                && !key.ends_with("command_line")
                && !key.ends_with("registry_data")
            {
                text.push_str(pad);
            }
        }
        alert.insert("events_length".into(), json!(self.events.len()));
        Value::Object(alert)
    }

    fn filter_data(&self) -> Value {
        let mut alert = self.own();
        for (from, to) in RENAMED {
            if let Some(value) = alert.remove(from) {
                alert.insert(to.into(), value);
            }
        }
        let source = alert.remove("source").unwrap();
        alert.insert("alert_source".into(), json!(internal(source.as_str().unwrap())));
        let severity = alert["severity"].as_str().unwrap().to_uppercase().replace("INFORMATIONAL", "INFO");
        alert.insert("severity".into(), json!(format!("SEV_0x0_{severity}")));
        alert.extend(self.columns());
        Value::Object(alert)
    }

    /// The same as an issue of generation 5, which carries less.
    pub(super) fn issue(&self) -> String {
        let (alert, event) = (&self.alert, &self.events[0]);
        let mut normalised = Map::new();
        for (key, name) in crate::api::normalised_names() {
            let value = if event[key].is_null() { &alert[key] } else { &event[key] };
            if !value.is_null() && !key.starts_with("mitre") {
                normalised.insert((*name).to_owned(), value.clone());
            }
        }
        let severity = alert["severity"].as_str().unwrap().to_uppercase().replace("INFORMATIONAL", "INFO");
        let status = alert["resolution_status"].as_str().unwrap_or("STATUS_010_NEW");
        let (progress, reason) = match status.split_once("RESOLVED_") {
            Some((_, reason)) => ("Resolved", Some(format!("Resolved - {}", reason.replace('_', " ")))),
            None if status.contains("UNDER") => ("In Progress", None),
            None => ("New", None),
        };
        json!({
            "id": alert["alert_id"].as_str().unwrap().parse::<u64>().unwrap(),
            "external_id": alert["external_id"], "name": alert["name"], "description": alert["description"],
            "category": alert["category"], "severity": severity, "domain": "Security",
            "observation_time": alert["detection_timestamp"], "_insert_time": alert["local_insert_ts"].to_string(),
            "last_modified": alert["last_modified_ts"],
            "detection.method": alert["source"], "detection.rule_id": alert["matching_service_rule_id"],
            "status.progress": progress, "status.resolution_reason": reason,
            "status.resolution_comment": alert["resolution_comment"],
            "case_ids": [alert["case_id"]], "tags": alert["tags"], "is_excluded": alert["is_whitelisted"],
            "normalized_fields": normalised,
        })
        .to_string()
    }
}

fn internal(source: &str) -> &str {
    match source {
        "XDR Agent" => "TRAPS",
        "XDR Analytics" => "MAGNIFIER",
        "XDR BIOC" => "BIOC",
        "XDR IOC" => "IOC",
        "PAN NGFW" => "FW",
        "Correlation" => "CORRELATION",
        other => other,
    }
}

const SHA: &str = "AB00000000000000000000000000000000000000000000000000000000000012";

/// What the alerts of all kinds have in common, with these changes.
fn alert(id: u32, changes: &Value) -> Value {
    let mut alert = json!({
        "alert_id": id.to_string(), "external_id": format!("ext-{id}"), "case_id": 41, "severity": "high",
        "name": "Something was seen", "category": "Malware", "description": "A process did it", "source": "XDR Agent",
        "action": "DETECTED", "action_pretty": "Prevented (nonsense)", "alert_type": "Unclassified",
        "detection_timestamp": 1_767_225_600_000_i64 + i64::from(id), "local_insert_ts": 1_767_225_660_000_i64,
        "last_modified_ts": 1_767_229_200_000_i64, "resolution_status": "STATUS_010_NEW", "resolution_comment": null,
        "is_whitelisted": false, "matching_service_rule_id": null, "deduplicate_tokens": "tok-1,tok-2",
        "malicious_urls": null, "tags": ["DS:PANW/XDR Agent", "EG:Finance", "ET:gold"], "starred": false,
        "mitre_tactic_id_and_name": ["TA0002 - Execution"],
        "mitre_technique_id_and_name": ["T1059.001 - Command and Scripting Interpreter: PowerShell"],
        "endpoint_id": "0f3a0f3a0f3a0f3a0f3a0f3a0f3a0f3a", "host_name": "WIN-01", "host_ip": ["10.0.0.5", "10.9.0.5"],
        "mac_addresses": ["00:11:22:33:44:55"], "agent_version": "8.5.0.1", "agent_os_type": "Windows",
        "agent_os_sub_type": "Windows 11 [10.0 (Build 22631)]", "agent_device_domain": "CORP", "agent_is_vdi": false,
    });
    let fields = alert.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    alert
}

fn event(changes: &Value) -> Value {
    let mut event = json!({
        "event_type": "Process Execution", "event_timestamp": 1_767_225_599_000_i64, "user_name": "CORP\\ann",
        "agent_host_boot_time": 1_767_100_000_000_i64, "action_country": "UNKNOWN", "fw_is_phishing": "N/A",
        "actor_process_image_name": "cmd.exe", "actor_process_image_path": "C:\\Windows\\cmd.exe",
        "actor_process_command_line": "cmd.exe /c \"run\" ", "actor_process_os_pid": 996,
        "actor_process_instance_id": "QUFB", "actor_process_image_sha256": SHA, "actor_process_image_md5": "0".repeat(32),
        "actor_process_signature_status": "Signed", "actor_process_signature_vendor": "Contoso",
        "causality_actor_process_image_name": "explorer.exe", "causality_actor_process_image_path": "C:\\Windows\\explorer.exe",
        "causality_actor_process_command_line": "explorer.exe", "causality_actor_causality_id": "Q0dP",
        "causality_actor_process_execution_time": 1_767_200_000_000_i64,
        "causality_actor_process_signature_status": "N/A",
    });
    event.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    event
}

fn detection(kind: &'static str, id: u32, changes: &Value, events: &[Value]) -> Detection {
    Detection { kind, alert: alert(id, changes), events: events.iter().map(event).collect() }
}

/// Twelve kinds of alerts.
pub(super) fn detections() -> Vec<Detection> {
    let nobody = json!({"actor_process_image_name": null, "actor_process_image_path": null, "actor_process_command_line": null,
        "actor_process_os_pid": null, "actor_process_instance_id": null, "actor_process_image_sha256": null,
        "actor_process_image_md5": null, "actor_process_signature_status": "N/A", "actor_process_signature_vendor": null,
        "causality_actor_process_image_name": null, "causality_actor_process_image_path": null,
        "causality_actor_process_command_line": null, "causality_actor_causality_id": null,
        "causality_actor_process_execution_time": null, "agent_host_boot_time": null});
    let merged = |changes: Value| {
        let mut all = nobody.clone();
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        all
    };
    vec![
        detection("agent, blocked", 1, &json!({"action": "BLOCKED", "severity": "critical"}), &[json!({})]),
        detection(
            "rule, a process was started",
            2,
            &json!({"source": "XDR BIOC", "matching_service_rule_id": "rule-9"}),
            &[
                json!({"action_process_image_name": "powershell.exe", "action_process_image_command_line": "powershell -enc AA==",
                "action_process_instance_id": "QkJC", "action_process_image_sha256": SHA.to_lowercase(),
                "os_actor_process_image_name": "svchost.exe", "os_actor_process_image_path": "C:\\svchost.exe",
                "os_actor_process_os_pid": "12", "os_actor_effective_username": "NT AUTHORITY\\SYSTEM"}),
            ],
        ),
        detection(
            "connections, several events",
            3,
            &json!({"mitre_tactic_id_and_name": ["TA0011 - Command and Control", "TA0005 - Defense Evasion"]}),
            &[
                json!({"event_type": "Network Event", "action_local_ip": "10.0.0.5", "action_local_port": 50_001, "action_remote_ip": "203.0.113.7",
                    "action_remote_port": 443, "action_external_hostname": "bad.example", "action_country": "NL", "dns_query_name": "bad.example"}),
                json!({"event_type": "Network Event", "event_timestamp": 1_767_225_700_000_i64, "action_local_ip": "10.0.0.5", "action_local_port": "50002",
                    "action_remote_ip": "203.0.113.8", "action_remote_port": 80, "action_external_hostname": null, "dns_query_name": null}),
            ],
        ),
        detection(
            "file",
            4,
            &json!({"action": "BLOCKED_26", "category": "Ransomware"}),
            &[
                json!({"event_type": "File Event", "action_file_name": "x.docm", "action_file_path": "C:\\Users\\ann\\x.docm",
                "action_file_sha256": SHA, "action_file_md5": "N/A"}),
            ],
        ),
        detection(
            "registry",
            5,
            &json!({"resolution_status": "STATUS_080_RESOLVED_TRUE_POSITIVE", "resolution_comment": "cleaned"}),
            &[
                json!({"event_type": "Registry Event", "action_registry_key_name": "HKLM\\Run", "action_registry_value_name": "x",
                "action_registry_data": " c:\\x.exe "}),
            ],
        ),
        detection(
            "firewall, no host",
            6,
            &json!({"source": "PAN NGFW", "action": "BLOCKED_9", "endpoint_id": "192.168.2.2", "host_name": null, "host_ip": ["192.168.2.2"],
                "mac_addresses": null, "agent_version": null, "agent_os_type": "NO_HOST", "agent_os_sub_type": null,
                "agent_device_domain": null, "agent_is_vdi": null, "tags": ["DS:PANW/NGFW"]}),
            &[merged(
                json!({"event_type": "Network Event", "user_name": null, "action_local_ip": "192.168.2.2",
                "action_remote_ip": "198.51.100.3", "action_remote_port": 80}),
            )],
        ),
        detection(
            "identity",
            7,
            &json!({"source": "XDR Analytics", "severity": "medium", "is_whitelisted": true}),
            &[merged(json!({"event_type": "Login", "user_name": "ann@corp.example"}))],
        ),
        detection(
            "indicator with addresses of the web",
            8,
            &json!({"source": "XDR IOC", "severity": "low", "malicious_urls": ["https://bad.example/a", "https://bad.example/b"]}),
            &[json!({})],
        ),
        detection(
            "container",
            9,
            &json!({"agent_os_type": "Linux", "agent_os_sub_type": "22.04", "host_name": "node-1"}),
            &[
                json!({"container_id": "c-1", "cluster_name": "prod", "namespace": "shop", "user_name": "root"}),
            ],
        ),
        detection(
            "correlation of a third party",
            10,
            &json!({"source": "Someone - VPN", "action": "REPORTED", "severity": "informational", "endpoint_id": null, "host_name": null,
                "host_ip": null, "mac_addresses": null, "agent_version": null, "agent_os_type": null, "agent_os_sub_type": null,
                "agent_device_domain": null, "agent_is_vdi": null, "tags": null,
                "mitre_tactic_id_and_name": [""], "mitre_technique_id_and_name": [""]}),
            &[merged(json!({"event_type": "VPN Event", "user_name": "CORP\\bob"}))],
        ),
        detection(
            "root that is the actor",
            11,
            &json!({"resolution_status": "STATUS_020_UNDER_INVESTIGATION"}),
            &[
                json!({"causality_actor_causality_id": "QUFB", "causality_actor_process_image_name": "cmd.exe"}),
            ],
        ),
        detection(
            "IPv6 and a resolved one",
            12,
            &json!({"resolution_status": "STATUS_050_RESOLVED_SECURITY_TESTING", "host_ip": ["fe80::1", "2001:db8::5"]}),
            &[
                json!({"event_type": "Network Event", "action_local_ip_v6": "2001:db8::5", "action_remote_ip_v6": "2001:DB8::6", "action_remote_port": 53}),
            ],
        ),
    ]
}
