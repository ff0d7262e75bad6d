use super::*;

fn read(json: &str) -> StreamEvent {
    StreamEvent::read(0, Raw::new(json.to_owned())).unwrap()
}

/// A line with this type and inside.
fn line(kind: &str, event: &str) -> String {
    format!(
        r#"{{"metadata":{{"customerIDString":"c","offset":189,"eventType":"{kind}","eventCreationTime":1657174538000,"version":"1.0"}},"event":{event}}}"#
    )
}

#[test]
fn detections_old_and_new_say_the_same_under_other_keys() {
    let new = read(&line(
        "EppDetectionSummaryEvent",
        r#"{"Hostname":"PC","AgentId":"a","Name":"Malware","CompositeId":"c:ind:a:1","Severity":70,"SeverityName":"High",
            "ProcessId":1719309930613520072,"ProcessStartTime":1719309930,"PatternDispositionFlags":{"KillProcess":true},
            "FilesWritten":[{"Timestamp":1719309966,"FileName":"x","FilePath":"/tmp/"}]}"#,
    ));
    let old = read(&line(
        "DetectionSummaryEvent",
        r#"{"ComputerName":"PC","SensorId":"a","DetectName":"Malware","DetectId":"ldt:a:1","Severity":4}"#,
    ));
    let EventBody::Detection(n) = &new.body else { panic!("{new:?}") };
    let EventBody::Detection(o) = &old.body else { panic!("{old:?}") };
    assert_eq!((n.host(), n.agent(), n.title()), (o.host(), o.agent(), o.title()));
    assert_eq!((n.id(), o.id()), (Some("c:ind:a:1"), Some("ldt:a:1")));
    assert_eq!((new.severity(), old.severity()), (Some(Severity::High), Some(Severity::High)));
    assert_eq!(n.process_id.as_deref(), Some("1719309930613520072"));
    assert_eq!(n.process_start.as_ref().unwrap().utc().unwrap().timestamp(), 1_719_309_930);
    assert_eq!(n.disposition_flags.as_ref().unwrap().kill_process, Some(true));
    assert_eq!(n.files_written[0].file_name.as_deref(), Some("x"));
    assert_eq!((new.offset, new.created.unwrap().utc().unwrap().timestamp()), (189, 1_657_174_538));
}

#[test]
fn audits_have_their_pairs_in_either_form() {
    for pairs in
        [r#"[{"Key":"target_name","ValueString":"x"},7,{"Key":"n"}]"#, r#"{"target_name":"x","n":""}"#]
    {
        let event = read(&line(
            "AuthActivityAuditEvent",
            &format!(
                r#"{{"OperationName":"deleteUser","Success":true,"UTCTimestamp":1657203917,"AuditKeyValues":{pairs}}}"#
            ),
        ));
        let EventBody::Audit(audit) = &event.body else { panic!("{event:?}") };
        assert_eq!((audit.operation.as_deref(), audit.success), (Some("deleteUser"), Some(true)));
        assert_eq!((audit.pairs.get("target_name"), audit.pairs.get("n")), (Some("x"), Some("")));
        assert_eq!(event.severity(), None);
    }
}

#[test]
fn what_is_not_known_is_kept_as_it_came() {
    let json = line("TomorrowsEvent", r#"{"x":[1]}"#);
    let event = read(&json);
    assert_eq!((event.event_type.as_str(), &event.body), ("TomorrowsEvent", &EventBody::Other));
    assert_eq!(event.raw.as_str(), Some(json.as_str()));
    assert_eq!(read(&line("UserActivityAuditEvent", "{}")).body, EventBody::Audit(Box::default()));
}

#[test]
fn what_is_no_event_says_why() {
    for (json, why) in [
        ("{", "no event"),
        ("[]", "no event"),
        (r#"{"errors":[{"code":401}]}"#, "metadata"),
        (r#"{"metadata":7}"#, "it has no metadata"),
        (r#"{"metadata":{"eventType":"X"}}"#, "it has no offset"),
        (r#"{"metadata":{"eventType":"X","offset":-1}}"#, "it has no offset"),
        (r#"{"metadata":{"offset":1}}"#, "it has no type"),
        (&line("EppDetectionSummaryEvent", "[]"), "no EppDetectionSummaryEvent"),
    ] {
        let error = StreamEvent::read(0, Raw::new(json.to_owned())).unwrap_err();
        assert!(error.contains(why), "{json}: {error}");
    }
}

#[test]
fn the_offset_of_a_broken_line_is_found() {
    for (line, offset) in [
        (r#"{"metadata":{"offset":17,"eve"#, Some(17)),
        (r#"{"metadata":{"offset" : 17}"#, Some(17)),
        (r#"{"metadata":{"offset":-1"#, None),
        (r#"{"metadata":{"off"#, None),
        ("\u{0}\"offset\":99999999999999999999999", None),
    ] {
        assert_eq!(offset_in(line.as_bytes()), offset, "{line}");
    }
}

#[test]
fn numbers_have_the_scale_of_their_type() {
    let of = |kind: &str, number: i64| {
        read(&line(kind, &format!(r#"{{"Severity":{number}}}"#))).severity().unwrap()
    };
    for (number, severity) in [
        (1, Severity::Informational),
        (2, Severity::Low),
        (3, Severity::Medium),
        (4, Severity::High),
        (5, Severity::Critical),
    ] {
        assert_eq!(of("DetectionSummaryEvent", number), severity);
        assert_eq!(of("EppDetectionSummaryEvent", number * 20 - 1), severity);
        assert_eq!(of("IdpDetectionSummaryEvent", number * 20 - 20), severity);
    }
}

/// The recorded lines, where there are some.
#[test]
fn recorded_events_are_read_whole() {
    let Some(folder) = std::env::var_os("EDR_SAMPLES_DIR") else { return };
    for (name, title) in
        [("DetectionSummaryEvent", "Overwatch Detection"), ("EppDetectionSummaryEvent", "Known Malware")]
    {
        let path = std::path::Path::new(&folder).join(format!("falcon_stream_{name}_sekoia.json"));
        let recorded: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let event = read(&recorded["event"].to_string());
        let EventBody::Detection(detection) = &event.body else { panic!("{event:?}") };
        assert_eq!((event.event_type.as_str(), detection.title()), (name, Some(title)));
        assert!(event.severity() > Some(Severity::Medium) && detection.host() == Some("example.com"));
        assert!(detection.process_start.as_ref().unwrap().utc().is_some());
    }
}

proptest::proptest! {
    #[test]
    fn no_line_makes_it_panic(line: Vec<u8>) {
        let _ = offset_in(&line);
        let _ = StreamEvent::read(0, Raw::new(line));
    }
}
