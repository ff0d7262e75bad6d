//! One event of a stream in types. The line as it came is kept with each.

use std::fmt;

use edr_core::{Raw, Severity};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::api::streams::EventType;
use crate::time::Timestamp;
use crate::wire::{Field, Lenient, wire};

/// One event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StreamEvent {
    /// The partition that it came in.
    pub partition: u32,
    /// Its place in the partition; rises.
    pub offset: u64,
    /// Its type.
    pub event_type: EventType,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// The customer id.
    pub customer_id: Option<String>,
    /// The version of its form.
    pub version: Option<String>,
    /// What it says, in types where the type is known.
    pub body: EventBody,
    /// The whole line.
    pub raw: Raw,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventBody {
    /// Somebody did something.
    Audit(Box<AuditEvent>),
    /// Something was found on an endpoint.
    Detection(Box<DetectionEvent>),
    /// Something was found by identity protection.
    IdentityDetection(Box<IdentityDetectionEvent>),
    /// A session of Real Time Response began or ended.
    RemoteResponse(Box<RemoteResponseEvent>),
    /// An event without types of its own here; [`StreamEvent::raw`] has it all.
    Other,
}

wire! {
    /// `metadata` of an event.
    pub struct EventMetadata {
        created("eventCreationTime"): Option<Timestamp>,
        customer_id("customerIDString"): Option<String>,
        event_type("eventType"): Option<EventType>,
        offset: Option<i64>,
        version: Option<String>,
    }
}

wire! {
    /// `EppDetectionSummaryEvent`, and the older `DetectionSummaryEvent`, which has other names for the host, the
    /// sensor, the finding and its id.
    pub struct DetectionEvent {
        agent_id("AgentId"): Option<String>,
        aggregate_id("AggregateId"): Option<String>,
        command_line("CommandLine"): Option<String>,
        composite_id("CompositeId"): Option<String>,
        computer_name("ComputerName"): Option<String>,
        data_domains("DataDomains"): Option<String>,
        description("Description"): Option<String>,
        detect_description("DetectDescription"): Option<String>,
        detect_id("DetectId"): Option<String>,
        detect_name("DetectName"): Option<String>,
        disposition("PatternDispositionDescription"): Option<String>,
        disposition_flags("PatternDispositionFlags"): Option<DispositionFlags>,
        disposition_value("PatternDispositionValue"): Option<i64>,
        falcon_host_link("FalconHostLink"): Option<String>,
        file_name("FileName"): Option<String>,
        file_path("FilePath"): Option<String>,
        files_written("FilesWritten"): Vec<WrittenFile>,
        grandparent_command_line("GrandParentCommandLine"): Option<String>,
        grandparent_file_name("GrandParentImageFileName"): Option<String>,
        grandparent_file_path("GrandParentImageFilePath"): Option<String>,
        host_groups("HostGroups"): Option<String>,
        hostname("Hostname"): Option<String>,
        ioc_type("IOCType"): Option<String>,
        ioc_value("IOCValue"): Option<String>,
        local_ip("LocalIP"): Option<String>,
        local_ipv6("LocalIPv6"): Option<String>,
        logon_domain("LogonDomain"): Option<String>,
        mac_address("MACAddress"): Option<String>,
        machine_domain("MachineDomain"): Option<String>,
        md5("MD5String"): Option<String>,
        name("Name"): Option<String>,
        network_accesses("NetworkAccesses"): Vec<NetworkAccess>,
        objective("Objective"): Option<String>,
        parent_command_line("ParentCommandLine"): Option<String>,
        parent_file_name("ParentImageFileName"): Option<String>,
        parent_file_path("ParentImageFilePath"): Option<String>,
        parent_process_id("ParentProcessId"): Option<String>,
        pattern_id("PatternId"): Option<i64>,
        platform("PlatformName"): Option<String>,
        process_end("ProcessEndTime"): Option<Timestamp>,
        process_id("ProcessId"): Option<String>,
        process_start("ProcessStartTime"): Option<Timestamp>,
        sensor_id("SensorId"): Option<String>,
        severity("Severity"): Option<i64>,
        severity_name("SeverityName"): Option<String>,
        sha1("SHA1String"): Option<String>,
        sha256("SHA256String"): Option<String>,
        source_products("SourceProducts"): Option<String>,
        source_vendors("SourceVendors"): Option<String>,
        tactic("Tactic"): Option<String>,
        technique("Technique"): Option<String>,
        kind("Type"): Option<String>,
        user_name("UserName"): Option<String>,
    }
}

wire! {
    /// `PatternDispositionFlags`: what the sensor did, bit by bit.
    pub struct DispositionFlags {
        blocking_unsupported_or_disabled("BlockingUnsupportedOrDisabled"): Option<bool>,
        bootup_safeguard_enabled("BootupSafeguardEnabled"): Option<bool>,
        critical_process_disabled("CriticalProcessDisabled"): Option<bool>,
        detect("Detect"): Option<bool>,
        fs_operation_blocked("FsOperationBlocked"): Option<bool>,
        handle_operation_downgraded("HandleOperationDowngraded"): Option<bool>,
        inddet_mask("InddetMask"): Option<bool>,
        indicator("Indicator"): Option<bool>,
        kill_action_failed("KillActionFailed"): Option<bool>,
        kill_parent("KillParent"): Option<bool>,
        kill_process("KillProcess"): Option<bool>,
        kill_sub_process("KillSubProcess"): Option<bool>,
        operation_blocked("OperationBlocked"): Option<bool>,
        policy_disabled("PolicyDisabled"): Option<bool>,
        process_blocked("ProcessBlocked"): Option<bool>,
        quarantine_file("QuarantineFile"): Option<bool>,
        quarantine_machine("QuarantineMachine"): Option<bool>,
        registry_operation_blocked("RegistryOperationBlocked"): Option<bool>,
        rooting("Rooting"): Option<bool>,
        sensor_only("SensorOnly"): Option<bool>,
        suspend_parent("SuspendParent"): Option<bool>,
        suspend_process("SuspendProcess"): Option<bool>,
    }
}

wire! {
    /// A file that was written.
    pub struct WrittenFile {
        file_name("FileName"): Option<String>,
        file_path("FilePath"): Option<String>,
        at("Timestamp"): Option<Timestamp>,
    }
}

wire! {
    /// A connection.
    pub struct NetworkAccess {
        direction("ConnectionDirection"): Option<i64>,
        local_address("LocalAddress"): Option<String>,
        local_port("LocalPort"): Option<i64>,
        protocol("Protocol"): Option<String>,
        remote_address("RemoteAddress"): Option<String>,
        remote_port("RemotePort"): Option<i64>,
    }
}

wire! {
    /// `IdpDetectionSummaryEvent`.
    pub struct IdentityDetectionEvent {
        activity_id("ActivityId"): Option<String>,
        composite_id("CompositeId"): Option<String>,
        context_time("ContextTimeStamp"): Option<Timestamp>,
        data_domains("DataDomains"): Option<String>,
        description("Description"): Option<String>,
        end_time("EndTime"): Option<Timestamp>,
        falcon_host_link("FalconHostLink"): Option<String>,
        mitre_attack("MitreAttack"): Vec<Mitre>,
        name("Name"): Option<String>,
        objective("Objective"): Option<String>,
        pattern_id("PatternId"): Option<i64>,
        severity("Severity"): Option<i64>,
        severity_name("SeverityName"): Option<String>,
        source_account_domain("SourceAccountDomain"): Option<String>,
        source_account_name("SourceAccountName"): Option<String>,
        source_account_sid("SourceAccountObjectSid"): Option<String>,
        source_account_upn("SourceAccountUpn"): Option<String>,
        source_hostname("SourceEndpointHostName"): Option<String>,
        source_ip("SourceEndpointIpAddress"): Option<String>,
        source_products("SourceProducts"): Option<String>,
        source_sensor_id("SourceEndpointSensorId"): Option<String>,
        source_vendors("SourceVendors"): Option<String>,
        start_time("StartTime"): Option<Timestamp>,
        tactic("Tactic"): Option<String>,
        target_hostname("TargetEndpointHostName"): Option<String>,
        target_service("TargetServiceAccessIdentifier"): Option<String>,
        technique("Technique"): Option<String>,
    }
}

wire! {
    /// Tactic and technique of ATT&CK.
    pub struct Mitre {
        pattern_id("PatternID"): Option<i64>,
        tactic("Tactic"): Option<String>,
        tactic_id("TacticID"): Option<String>,
        technique("Technique"): Option<String>,
        technique_id("TechniqueID"): Option<String>,
    }
}

wire! {
    /// `AuthActivityAuditEvent`, `UserActivityAuditEvent` and `APIActivityAuditEvent`.
    pub struct AuditEvent {
        attributes("Attributes"): AuditPairs,
        message("Message"): Option<String>,
        operation("OperationName"): Option<String>,
        pairs("AuditKeyValues"): AuditPairs,
        service("ServiceName"): Option<String>,
        source("Source"): Option<String>,
        source_ip("SourceIp"): Option<String>,
        success("Success"): Option<bool>,
        at("UTCTimestamp"): Option<Timestamp>,
        user_id("UserId"): Option<String>,
        user_ip("UserIp"): Option<String>,
    }
}

wire! {
    /// `RemoteResponseSessionStartEvent` and `RemoteResponseSessionEndEvent`.
    pub struct RemoteResponseEvent {
        commands("Commands"): Vec<String>,
        ended("EndTimestamp"): Option<Timestamp>,
        hostname("HostnameField"): Option<String>,
        session_id("SessionId"): Option<String>,
        started("StartTimestamp"): Option<Timestamp>,
        user_name("UserName"): Option<String>,
    }
}

wire! {
    /// One entry of a list of keys and values.
    pub struct AuditPair {
        key("Key"): Option<String>,
        value("ValueString"): Option<String>,
    }
}

/// What an audit event says beside its fields: keys and values in the order of arrival. It comes as a list of pairs or
/// as an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditPairs(pub Vec<(String, String)>);

impl AuditPairs {
    /// The first value under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }
}

impl<'de> Field<'de> for AuditPairs {
    fn read<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = AuditPairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys and values")
    }
    fn visit_bool<E>(self, _: bool) -> Result<AuditPairs, E> {
        Ok(AuditPairs::default())
    }
    fn visit_f64<E>(self, _: f64) -> Result<AuditPairs, E> {
        Ok(AuditPairs::default())
    }
    fn visit_i64<E>(self, _: i64) -> Result<AuditPairs, E> {
        Ok(AuditPairs::default())
    }
    fn visit_u64<E>(self, _: u64) -> Result<AuditPairs, E> {
        Ok(AuditPairs::default())
    }
    fn visit_str<E>(self, _: &str) -> Result<AuditPairs, E> {
        Ok(AuditPairs::default())
    }
    fn visit_unit<E>(self) -> Result<AuditPairs, E> {
        Ok(AuditPairs::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<AuditPairs, A::Error> {
        let mut out = Vec::new();
        while let Some(pair) = seq.next_element::<Lenient<Option<AuditPair>>>()? {
            let pair = pair.0.unwrap_or_default();
            out.extend(pair.key.map(|key| (key, pair.value.unwrap_or_default())));
        }
        Ok(AuditPairs(out))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AuditPairs, A::Error> {
        let mut out = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            out.push((key, map.next_value::<Lenient<Option<String>>>()?.0.unwrap_or_default()));
        }
        Ok(AuditPairs(out))
    }
}

impl DetectionEvent {
    /// The host's name, under either key.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.hostname.as_deref().or(self.computer_name.as_deref())
    }

    /// The sensor's id, under either key.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        self.agent_id.as_deref().or(self.sensor_id.as_deref())
    }

    /// What was found, under either key.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.name.as_deref().or(self.detect_name.as_deref())
    }

    /// The id of the alert, or of the detection of old.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.composite_id.as_deref().or(self.detect_id.as_deref())
    }
}

impl StreamEvent {
    /// How severe what was found is; `None` for an event that found nothing. The old and the new events have numbers
    /// of different scales under the same key: the name counts first, and the type says what the number means.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        let (name, number) = match &self.body {
            EventBody::Detection(d) => (d.severity_name.as_deref(), d.severity),
            EventBody::IdentityDetection(d) => (d.severity_name.as_deref(), d.severity),
            _ => return None,
        };
        let old = self.event_type == EventType::DetectionSummary;
        name.and_then(named).or_else(|| Some(numbered(number?, old)))
    }

    /// Reads a line.
    ///
    /// # Errors
    /// Why the line is no event.
    pub fn read(partition: u32, raw: Raw) -> Result<Self, String> {
        let line: Line<'_> = raw.parse().map_err(|e| format!("no event: {e}"))?;
        let metadata = line.metadata.0.ok_or("it has no metadata")?;
        let offset = metadata.offset.and_then(|n| u64::try_from(n).ok()).ok_or("it has no offset")?;
        let event_type = metadata.event_type.ok_or("it has no type")?;
        let inside = line.event.map_or("{}", RawValue::get);
        let body = EventBody::read(&event_type, inside).map_err(|e| format!("no {event_type}: {e}"))?;
        Ok(Self {
            partition,
            offset,
            event_type,
            created: metadata.created,
            customer_id: metadata.customer_id,
            version: metadata.version,
            body,
            raw,
        })
    }
}

impl EventBody {
    fn read(kind: &EventType, json: &str) -> serde_json::Result<Self> {
        use EventType as T;
        Ok(match kind {
            T::ApiActivityAudit | T::AuthActivityAudit | T::UserActivityAudit => {
                Self::Audit(serde_json::from_str(json).map(Box::new)?)
            }
            T::DetectionSummary | T::EppDetectionSummary => {
                Self::Detection(serde_json::from_str(json).map(Box::new)?)
            }
            T::IdpDetectionSummary => Self::IdentityDetection(serde_json::from_str(json).map(Box::new)?),
            T::RemoteResponseSessionEnd | T::RemoteResponseSessionStart => {
                Self::RemoteResponse(serde_json::from_str(json).map(Box::new)?)
            }
            _ => Self::Other,
        })
    }
}

/// A line before its inside is read.
#[derive(Deserialize)]
struct Line<'a> {
    metadata: Lenient<Option<EventMetadata>>,
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
}

fn named(name: &str) -> Option<Severity> {
    Some(match name.trim().to_ascii_lowercase().as_str() {
        "critical" => Severity::Critical,
        "high" => Severity::High,
        "medium" => Severity::Medium,
        "low" => Severity::Low,
        "informational" | "info" => Severity::Informational,
        _ => return None,
    })
}

/// The old scale is 1 to 5, the new one 0 to 100.
fn numbered(number: i64, old: bool) -> Severity {
    let level = if old { number - 1 } else { number.clamp(0, 99) / 20 };
    match level {
        ..=0 => Severity::Informational,
        1 => Severity::Low,
        2 => Severity::Medium,
        3 => Severity::High,
        _ => Severity::Critical,
    }
}

/// The offset of a line that cannot be read, where it shows one.
pub(crate) fn offset_in(line: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(line);
    let behind = text.split_once("\"offset\"")?.1.trim_start().strip_prefix(':')?.trim_start();
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    behind[..digits].parse().ok()
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
