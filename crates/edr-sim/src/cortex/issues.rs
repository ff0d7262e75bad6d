//! `issue/search` of XDR 5: what alerts are on XDR 3, with dotted keys and upper-case severities.
//!
//! Facts: cortex-xdr-api section 5.5. Techniques and tactics in `normalized_fields` are names without ids (normalisation 3.8).
//! The keys are those of the vendor's own example of a reply (the process that acted and the one that it acted on, the id of
//! the causality chain, signatures, lists on the side of the target), and for what that has no key for, those of the public
//! data model XDM. Neither has a name for the process above the one that acted, nor for the root of the chain.

use serde_json::{Map, Value, json};

use super::Call;
use super::alert::{Alert, Event};
use super::alerts::{Column, Query, Vocabulary};
use super::envelope::{Answer, Refusal};
use super::event_keys::{instance, signed};
use super::filter::{Field, Kind, Op, Sort, field};
use super::page::{Names, Page};
use super::paging::{ALERTS_CAP, Window};
use super::words;
use crate::estate::Machine;
use crate::estate::alert::{Process, Status};

const IN: &[Op] = &[Op::In];
const TIME: &[Op] = &[Op::Gte, Op::Lte];

static FILTERS: &[Field] = &[
    field("id", IN, Kind::Int),
    field("external_id", IN, Kind::Text),
    field("detection.method", IN, Kind::Text),
    field("issue_domain", IN, Kind::Text),
    field("severity", IN, Kind::Text),
    field("_insert_time", TIME, Kind::Int),
    field("last_modified", TIME, Kind::Int),
    field("observation_time", TIME, Kind::Int),
    field("status.progress", IN, Kind::Text),
    field("assigned_to", IN, Kind::Text),
    field("assigned_to_pretty", IN, Kind::Text),
];

const SORTS: &[&str] = &["_insert_time", "observation_time", "last_modified", "severity", "id"];
const DEFAULT_SORT: Sort = Sort { field: "_insert_time", descending: true };

static WORDS: Vocabulary = Vocabulary {
    name: "issues",
    columns: &[
        ("id", Column::Number),
        ("external_id", Column::ExternalId),
        ("detection.method", Column::Source),
        ("issue_domain", Column::Domain),
        ("severity", Column::Severity),
        ("_insert_time", Column::Inserted),
        ("last_modified", Column::Modified),
        ("observation_time", Column::Happened),
        ("status.progress", Column::Progress),
        ("assigned_to", Column::Assignee),
        ("assigned_to_pretty", Column::AssigneeName),
    ],
    severity: words::issue_severity,
};

static NAMES: Names =
    Names { total: "TOTAL_COUNT", count: "FILTER_COUNT", items: "DATA", id: "id", empty_is_null: false };

/// `POST issue/search`.
pub(super) fn search(call: &Call<'_>) -> Answer {
    let query = Query::parse(call, &WORDS, FILTERS, SORTS, DEFAULT_SORT)?;
    let window = Window::parse(&call.data)?;
    let wanted = Wanted::parse(&call.data)?;
    let list = query.list(call);
    let page =
        Page::cut(&NAMES, &query.indices(call, list.as_deref()), window, ALERTS_CAP, call.page_fault());
    page.with_filter_count().render(|index| wanted.issue(&Alert::new(call.estate(), index)))
}

/// Which parts of an issue are asked for.
struct Wanted {
    fields: Option<Vec<String>>,
    evidences: bool,
    actions: bool,
}

impl Wanted {
    fn parse(data: &Value) -> Result<Self, Refusal> {
        let flag = |key: &str| data.get(key).and_then(Value::as_bool).unwrap_or(false);
        let fields = match data.get("include_fields") {
            None | Some(Value::Null) => None,
            Some(Value::Array(names)) => {
                Some(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
            }
            Some(other) => {
                return Err(Refusal::invalid(format!(
                    "include_fields must be an array of strings, got {other}"
                )));
            }
        };
        Ok(Self { fields, evidences: flag("include_evidences"), actions: flag("include_actions") })
    }

    fn has(&self, key: &str) -> bool {
        key == "id" || self.fields.as_ref().is_none_or(|fields| fields.iter().any(|field| field == key))
    }

    fn issue(&self, alert: &Alert) -> Map<String, Value> {
        let mut issue = issue(alert);
        if self.evidences {
            issue.push(("evidences", json!(alert.events().map(evidence).collect::<Vec<_>>())));
        }
        if self.actions {
            issue.push(("actions", json!([])));
        }
        issue
            .into_iter()
            .filter(|(key, _)| self.has(key))
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }
}

fn issue(alert: &Alert) -> Vec<(&'static str, Value)> {
    let d = &alert.detection;
    let machine = alert.machine.as_ref();
    let otherwise = (d.status == Status::Closed).then_some("Resolved - Other");
    let rule =
        (alert.source == words::Source::Bioc).then(|| crate::estate::hash::uuid(u64::from(d.kind.pattern)));
    vec![
        ("id", json!(alert.id)),
        ("_insert_time", json!(alert.inserted_ms())),
        ("external_id", json!(alert.external_id())),
        ("name", json!(alert.wording.name)),
        ("description", json!(alert.description())),
        ("observation_time", json!(alert.happened_ms())),
        ("last_modified", json!(d.updated.timestamp_millis())),
        ("domain", json!("Security")),
        ("category", json!(alert.wording.category)),
        ("severity", json!(words::issue_severity(d.severity))),
        ("detection.method", json!(alert.source.name())),
        ("detection.rule_id", json!(rule)),
        ("status.progress", json!(words::progress(d.status))),
        ("status.resolution_reason", json!(words::resolution_reason(d.verdict).or(otherwise))),
        ("status.resolution_comment", json!(d.comments.last().map(|comment| &comment.text))),
        ("assigned_to", json!(d.assigned_to.as_ref().map(|who| &who.email))),
        ("assigned_to_pretty", json!(d.assigned_to.as_ref().map(|who| &who.name))),
        ("case_ids", json!([alert.incident])),
        ("asset_ids", json!(machine.map(|machine| vec![&machine.id]))),
        ("asset_names", json!(machine.map(|machine| vec![&machine.hostname]))),
        ("starred", json!(d.score >= 90)),
        ("is_excluded", json!(false)),
        ("tags", json!(alert.tags())),
        ("normalized_fields", normalized(alert)),
        ("custom_fields", json!({})),
    ]
}

/// "Command and Control" as COMMAND_AND_CONTROL.
fn enum_name(name: &str) -> String {
    name.to_uppercase().replace([' ', '-', '/'], "_")
}

fn normalized(alert: &Alert) -> Value {
    let d = &alert.detection;
    let event = Event { alert, at: 0 };
    let (tactic, technique) = (words::tactic(d.kind), words::technique(d.kind));
    let mut fields = json!({
        "xdm.alert.name": alert.wording.name,
        "xdm.alert.severity": words::issue_severity(d.severity),
        "xdm.alert.original_alert_id": alert.external_id(),
        "xdm.alert.mitre_tactics": tactic.iter().map(|_| enum_name(d.kind.tactic.1)).collect::<Vec<_>>(),
        "xdm.alert.mitre_techniques": technique.iter().map(|_| enum_name(d.kind.technique.1)).collect::<Vec<_>>(),
        "xdm.observer.action": words::action(alert.source, d.kind.family, d.prevented).0,
        "xdm.event.type": event.kind().name(),
        "xdm.source.identity.username": alert.user(),
        "xdm.source.ipv4": alert.host_ips().first(),
        "xdm.target.ipv4": event.network().map(|network| vec![&network.remote_ip]),
        "xdm.target.port": event.network().map(|network| network.remote_port),
        "xdm.network.dns.dns_question.name": event.dns(),
        "xdm.target.file.path": event.file().map(|file| format!("{}{}", file.folder, file.name)),
        "xdm.target.file.filename": event.file().map(|file| &file.name),
        "xdm.target.file.sha256": event.file().map(|file| &file.sha256),
        "xdm.target.registry.key": event.registry().map(|value| &value.key),
        "xdm.target.registry.value": event.registry().map(|value| &value.value),
        "xdm.target.registry.data": event.registry().map(|value| &value.data),
    });
    if let Some(machine) = &alert.machine {
        host(machine, &mut fields);
    }
    process(event.actor(), "source", &mut fields);
    process(event.started(), "target", &mut fields);
    if event.actor().is_some() {
        fields["xdm.source.process.causality_id"] = json!(instance(event.causality()));
    }
    fields
}

fn host(machine: &Machine, fields: &mut Value) {
    fields["xdm.source.host.hostname"] = json!(machine.hostname);
    fields["xdm.source.host.fqdn"] = json!(super::alert_keys::fqdn(machine));
    fields["xdm.source.host.os_family"] = json!(enum_name(words::agent_os(machine.platform())));
    fields["xdm.source.host.ipv4_addresses"] =
        json!(std::iter::once(&machine.ip).chain(&machine.more_ips).collect::<Vec<_>>());
    fields["xdm.source.host.mac_addresses"] =
        json!(machine.macs.iter().map(super::endpoint::mac).collect::<Vec<_>>());
    fields["xdm.source.agent.identifier"] = json!(machine.id);
    fields["xdm.source.agent.version"] = json!(machine.agent_version);
}

fn process(process: Option<&Process>, side: &str, fields: &mut Value) {
    let Some(process) = process else { return };
    let mut set = |key: &str, value: Value| fields[format!("xdm.{side}.process.{key}")] = value;
    set("name", json!(process.name));
    set("command_line", json!(process.command_line));
    set("pid", json!(process.pid));
    // What may be several on the side of the target is a list, however many there are.
    set("executable.path", if side == "target" { json!([process.path]) } else { json!(process.path) });
    set("executable.filename", json!(process.name));
    set("executable.sha256", json!(process.sha256));
    set("executable.md5", json!(process.md5));
    set("executable.signature_status", json!(signed(Some(process))));
    if side == "target" {
        set("executable.signer", json!(process.signer.as_slice()));
    }
}

fn evidence(event: Event<'_>) -> Value {
    json!({"type": event.kind().name(), "timestamp": event.at_ms(), "process": event.actor().map(|process| &process.path)})
}
