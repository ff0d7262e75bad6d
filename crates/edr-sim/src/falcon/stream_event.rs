//! Alerts as the event stream tells them: other names than the alert entity, and one type for each product.

use serde_json::{Value, json};

use super::guard::Context;
use super::render_alert::{aggregate_id, alert_type, composite_id, domain, source_product};
use super::render_host as rh;
use crate::estate::Detection;
use crate::estate::alert::{Family, Severity};
use crate::estate::machine::Machine;

const EPP: &str = "EppDetectionSummaryEvent";
const IDENTITY: &str = "IdpDetectionSummaryEvent";
/// What the detections API of old sent; findings of hunters still come so.
const OLD: &str = "DetectionSummaryEvent";

fn kind_of(family: Family) -> &'static str {
    match family {
        Family::Identity => IDENTITY,
        Family::Hunting => OLD,
        _ => EPP,
    }
}

/// The type of the event of an alert.
pub(super) fn kind(c: Context<'_>, index: u64) -> &'static str {
    kind_of(crate::estate::alert::outline(&c.tenant.estate, index).kind.family)
}

/// The event of an alert.
pub(super) fn of_alert(c: Context<'_>, index: u64) -> (&'static str, Value) {
    let d = c.tenant.estate.detection(index);
    let m = c.tenant.estate.machine(d.machine);
    let scene = Scene { c, d: &d, m: &m, composite: composite_id(c.tenant, c.falcon, &d) };
    let kind = kind_of(d.kind.family);
    let event = match kind {
        IDENTITY => scene.identity(),
        OLD => scene.old(),
        _ => scene.endpoint(),
    };
    (kind, event)
}

struct Scene<'a> {
    c: Context<'a>,
    d: &'a Detection,
    m: &'a Machine,
    composite: String,
}

/// Adds the fields of one object to another.
fn join(mut to: Value, from: Value) -> Value {
    if let (Value::Object(to), Value::Object(from)) = (&mut to, from) {
        to.extend(from);
    }
    to
}

/// The old events have 1 to 5 under the key where the new ones have 1 to 100.
fn old_severity(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 2,
        Severity::Medium => 3,
        Severity::High => 4,
        Severity::Critical => 5,
    }
}

impl Scene<'_> {
    fn link(&self) -> String {
        let cid = &self.c.falcon.cid[..8];
        format!("https://falcon.crowdstrike.com/activity-v2/detections/{}?_cid={cid}", self.composite)
    }

    fn groups(&self) -> String {
        let fields = self.c.tenant.estate.fields(self.m.index);
        super::groups::ids_of(self.c.tenant, self.c.falcon, &fields).join(",")
    }

    /// What both detections of endpoints have.
    fn process(&self) -> Value {
        let (d, p) = (self.d, &self.d.process);
        let folder = p.device_path();
        let folder = folder.rsplit_once(['\\', '/']).map_or("", |(folder, _)| folder);
        json!({
            "ProcessStartTime": p.started.timestamp(), "ProcessEndTime": 0, "ProcessId": p.unique,
            "ParentProcessId": d.parent.unique, "UserName": d.user.as_ref().map_or("", |u| u.name.as_str()),
            "SeverityName": d.severity.name(), "FileName": p.name, "FilePath": folder,
            "CommandLine": p.command_line, "SHA256String": p.sha256, "MD5String": p.md5,
            "SHA1String": "0".repeat(40), "FalconHostLink": self.link(), "LocalIP": self.m.ip.to_string(),
            "MACAddress": rh::mac(self.m.macs[0]), "Tactic": d.kind.tactic.1, "Technique": d.kind.technique.1,
            "Objective": d.kind.objective, "HostGroups": self.groups(),
            "ParentImageFileName": d.parent.name, "ParentCommandLine": d.parent.command_line,
        })
    }

    fn endpoint(&self) -> Value {
        let d = self.d;
        let own = json!({
            "Hostname": self.m.hostname, "Name": d.kind.name, "Description": d.kind.description,
            "Severity": d.score, "AgentId": self.m.id, "CompositeId": self.composite,
            "LogonDomain": d.user.as_ref().map_or("", |u| u.domain.as_str()), "LocalIPv6": "",
            "FilesWritten": self.files(), "GrandParentImageFileName": d.grandparent.name,
            "GrandParentCommandLine": d.grandparent.command_line, "PatternId": d.kind.pattern,
            "SourceVendors": "CrowdStrike", "SourceProducts": source_product(d.kind.family),
            "DataDomains": domain(d.kind.family), "AggregateId": aggregate_id(self.c.tenant, d),
            "Type": alert_type(d.kind.family), "PlatformName": rh::platform(self.m.platform()).1,
        });
        join(join(self.process(), own), self.disposition())
    }

    fn old(&self) -> Value {
        let d = self.d;
        let own = json!({
            "ComputerName": self.m.hostname, "DetectName": d.kind.name, "DetectDescription": d.kind.description,
            "Severity": old_severity(d.severity), "SensorId": self.m.id, "MachineDomain": self.m.domain,
            "DetectId": format!("ldt:{}:{}", self.m.id, d.grandparent.unique),
        });
        join(join(self.process(), own), self.disposition())
    }

    fn files(&self) -> Vec<Value> {
        let at = self.d.happened.timestamp();
        let file = |f: &crate::estate::alert::FileEvidence| json!({"Timestamp": at, "FileName": f.name, "FilePath": f.folder});
        self.d.files.iter().map(file).collect()
    }

    fn disposition(&self) -> Value {
        let quarantined = self.d.files.iter().any(|f| f.quarantined);
        let (mask, text) = match (self.d.prevented, quarantined) {
            (false, _) => (0, "Detection, standard detection."),
            (true, false) => (2048, "Prevention, process was blocked from execution."),
            (true, true) => (2176, "Prevention, process was blocked and file quarantined."),
        };
        json!({
            "PatternDispositionDescription": text, "PatternDispositionValue": mask,
            "PatternDispositionFlags": {
                "Indicator": false, "Detect": false, "InddetMask": false, "SensorOnly": false, "Rooting": false,
                "KillProcess": false, "KillSubProcess": false, "QuarantineMachine": false,
                "QuarantineFile": mask == 2176, "PolicyDisabled": false, "KillParent": false,
                "OperationBlocked": false, "ProcessBlocked": self.d.prevented,
            },
        })
    }

    fn identity(&self) -> Value {
        let (d, m) = (self.d, self.m);
        let user = d.user.as_ref();
        let at = d.happened.timestamp();
        let name = user.map_or("", |u| u.name.as_str());
        json!({
            "ContextTimeStamp": at, "StartTime": at - 60, "EndTime": at, "FalconHostLink": self.link(),
            "Severity": d.score, "SeverityName": d.severity.name(), "Tactic": d.kind.tactic.1,
            "Technique": d.kind.technique.1, "Objective": d.kind.objective, "SourceAccountDomain": m.domain,
            "SourceAccountName": name, "SourceAccountUpn": format!("{name}@{}", m.domain),
            "SourceAccountObjectSid": user.map_or("", |u| u.sid.as_str()), "SourceEndpointHostName": m.hostname,
            "SourceEndpointIpAddress": m.ip.to_string(), "SourceEndpointSensorId": m.id,
            "PatternId": d.kind.pattern, "SourceVendors": "CrowdStrike",
            "SourceProducts": source_product(d.kind.family), "DataDomains": domain(d.kind.family),
            "CompositeId": self.composite, "Name": d.kind.name, "Description": d.kind.description,
            "MitreAttack": [{
                "Tactic": d.kind.tactic.1, "TacticID": d.kind.tactic.0, "Technique": d.kind.technique.1,
                "TechniqueID": d.kind.technique.0, "PatternID": d.kind.pattern,
            }],
        })
    }
}
