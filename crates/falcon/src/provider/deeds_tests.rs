use edr_core::{
    AlertChange, AlertStatus, Assignee, Because, ContainmentState, Fit, ProcessRef, User, Verdict,
};
use edr_http::{TransportError, TransportErrorKind};

use super::*;
use crate::testing::{Sent, composite_id, device_id, falcon, ids_of, json};

const ACTIONS: &str = "/devices/entities/devices-actions/v2";
const TAGS: &str = "/devices/entities/devices/tags/v1";
const DEVICES: &str = "/devices/entities/devices/v2";
const ONLINE: &str = "/devices/entities/online-state/v1";
const UPDATE: &str = "/alerts/entities/alerts/v3";

fn ids(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(|n| device_id(*n)).collect()
}

fn words(receipts: &[Receipt]) -> Vec<String> {
    let word = |answer: &Answer| match answer {
        Answer::Accepted => "accepted".to_owned(),
        Answer::Already => "already".to_owned(),
        Answer::Refused(error) => error.kind().as_str().to_owned(),
        Answer::Unknown(error) => {
            assert!(error.is_outcome_unknown() && error.tenant().is_some(), "{error}");
            "unknown".to_owned()
        }
        _ => "new".to_owned(),
    };
    receipts.iter().map(|r| word(&r.answer)).collect()
}

fn mixed(_: &Sent) -> crate::testing::Answer {
    let error = |n, code, text: &str| {
        format!(r#"{{"code":{code},"message":"Device is in state {text}","id":"{}"}}"#, device_id(n))
    };
    let errors = [
        error(1, 409, "contained and cannot take this action"),
        error(2, 409, "lift_containment_pending and cannot take this action"),
        error(3, 404, "none"),
        error(4, 500, "trouble"),
    ];
    let body = format!(
        r#"{{"meta":{{"trace_id":"t-1"}},"resources":[{{"id":"{}"}}],"errors":[{}]}}"#,
        device_id(0).to_uppercase(),
        errors.join(",")
    );
    json(202, &body)
}

#[tokio::test(start_paused = true)]
async fn a_mixed_answer_is_a_receipt_for_each() {
    let (falcon, log) = falcon(mixed);
    let asked = ids(&[0, 1, 2, 3, 4, 5]);
    let receipts = falcon.respond(&ResponseAction::Contain, &asked, &Because::new()).await.unwrap();
    assert_eq!(words(&receipts), ["accepted", "already", "conflict", "not_found", "unknown", "unknown"]);
    assert!(receipts[1].ordered, "Falcon was asked");
    assert!(receipts.iter().zip(&asked).all(|(r, id)| r.uid == *id));
    assert_eq!(receipts[0].trace_id.as_deref(), Some("t-1"));
    let sent = log.to(ACTIONS);
    assert_eq!((sent.len(), sent[0].get("action_name")), (1, Some("contain")));
    let released = falcon.respond(&ResponseAction::Release, &asked, &Because::new()).await.unwrap();
    assert_eq!(
        words(&released)[1..3],
        ["conflict", "already"],
        "a contained host that is not released is told"
    );
    assert_eq!(log.to(ACTIONS)[1].get("action_name"), Some("lift_containment"));
}

#[tokio::test(start_paused = true)]
async fn refusals_without_a_success_are_still_told_one_by_one() {
    let (falcon, _) = falcon(|_| {
        let (one, two) = (device_id(1), device_id(2));
        let errors = format!(
            r#"[{{"code":404,"message":"no","id":"{one}"}},{{"code":409,"message":"contained","id":"{two}"}}]"#
        );
        json(202, &format!(r#"{{"resources":[],"errors":{errors}}}"#))
    });
    let receipts = falcon.respond(&ResponseAction::Contain, &ids(&[1, 2]), &Because::new()).await.unwrap();
    assert_eq!(words(&receipts), ["not_found", "already"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_sent_once_and_is_unknown() {
    for lose in [
        (|_: &Sent| Err(TransportError::new(TransportErrorKind::Interrupted))) as fn(&Sent) -> _,
        |_| json(504, "<html>"),
        |_| json(200, "<html>"),
        |_| json(200, r#"{"errors":[{"code":500,"message":"internal error"}]}"#),
    ] {
        let (falcon, log) = falcon(lose);
        let error = falcon.respond(&ResponseAction::Contain, &ids(&[1]), &Because::new()).await.unwrap_err();
        assert!(error.is_outcome_unknown() && log.to(ACTIONS).len() == 1, "{error}");
        let change = AlertChange::new().status(AlertStatus::Resolved);
        let error = falcon.update_alerts(&change, &[composite_id(1)]).await.unwrap_err();
        assert!(error.is_outcome_unknown() && log.to(UPDATE).len() == 1, "{error}");
    }
    let (falcon, _) = falcon(|_| json(403, r#"{"errors":[{"code":403,"message":"no"}]}"#));
    let error = falcon.respond(&ResponseAction::Contain, &ids(&[1]), &Because::new()).await.unwrap_err();
    assert!(error.is_permission() && !error.is_outcome_unknown());
}

#[tokio::test(start_paused = true)]
async fn containment_is_read_back() {
    let (falcon, log) = falcon(|sent| match sent.path.as_str() {
        DEVICES => {
            let states = ["contained", "containment_pending", "containment_pending", "normal"];
            let device = |(n, id): (usize, &String)| {
                format!(r#"{{"device_id":"{id}","cid":"c","status":"{}"}}"#, states[n])
            };
            let found: Vec<_> = ids_of(sent).iter().take(4).enumerate().map(device).collect();
            json(200, &format!(r#"{{"resources":[{}]}}"#, found.join(",")))
        }
        _ => {
            let online = |id: &&str| {
                let state = if *id == device_id(2) { "offline" } else { "online" };
                format!(r#"{{"id":"{id}","state":"{state}"}}"#)
            };
            let states: Vec<_> = sent.every("ids").iter().map(online).collect();
            json(200, &format!(r#"{{"resources":[{}]}}"#, states.join(",")))
        }
    });
    let targets: Vec<Target> = ids(&[0, 1, 2, 3, 4]).into_iter().map(Target::new).collect();
    let seen = falcon.progress(&ResponseAction::Contain, &targets).await.unwrap();
    let standings: Vec<Standing> = seen.into_iter().map(|p| p.standing).collect();
    let unknown = |word: &str| Standing::Unknown { word: word.to_owned() };
    assert_eq!(
        standings,
        [
            Standing::Done,
            Standing::Pending,
            Standing::PendingOffline,
            unknown("normal"),
            unknown("no such host")
        ]
    );
    assert_eq!((log.to(DEVICES).len(), log.to(ONLINE).len()), (1, 1), "in one call each");
}

#[tokio::test(start_paused = true)]
async fn hosts_by_id_come_in_the_order_asked_and_the_others_are_missing() {
    let (falcon, log) = falcon(|sent| match sent.path.as_str() {
        DEVICES => {
            let one = format!(r#"{{"device_id":"{}","status":"contained"}}"#, device_id(1));
            let two = format!(r#"{{"device_id":"{}"}}"#, device_id(2));
            let missing = format!(r#"[{{"code":404,"message":"gone","id":"{}"}}]"#, device_id(3));
            json(200, &format!(r#"{{"resources":[{one},{two}],"errors":{missing}}}"#))
        }
        _ => json(403, r#"{"errors":[{"code":403,"message":"no"}]}"#),
    });
    let asked = vec![device_id(3), device_id(2), "*".to_owned(), device_id(1).to_uppercase()];
    let found = falcon.hosts_by_uid(&asked).await.unwrap();
    let uids: Vec<_> = found.hosts.iter().map(|h| h.uid.clone()).collect();
    assert_eq!(uids, ids(&[2, 1]));
    assert_eq!(found.missing, [device_id(3), "*".to_owned()]);
    assert_eq!(found.hosts[1].containment_state, ContainmentState::Contained);
    assert_eq!(found.hosts[0].anomalies.len(), 1, "that the state was not told is told");
    assert!(!log.to(DEVICES)[0].body.contains('*'));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_cannot_be_decoded_spoils_no_other() {
    let (falcon, log) = falcon(|sent| match sent.path.as_str() {
        DEVICES => {
            let good = format!(r#"{{"device_id":"{}","status":"contained"}}"#, device_id(1));
            let odd = format!(r#"{{"device_id":"{}","hostname": }}"#, device_id(2));
            let nameless = if asks(sent, 4) { ",17" } else { "" };
            json(200, &format!(r#"{{"resources":[{good},{odd}{nameless}]}}"#))
        }
        _ => json(200, r#"{"resources":[]}"#),
    });
    let found = falcon.hosts_by_uid(&ids(&[1, 2, 3])).await.unwrap();
    assert_eq!((found.hosts.len(), found.missing.clone()), (1, ids(&[3])));
    assert!(found.why_unreadable(&device_id(2)).unwrap().contains("cannot be read"), "{found:?}");
    let nameless = falcon.hosts_by_uid(&ids(&[1, 2, 4])).await.unwrap();
    assert!(nameless.missing.is_empty(), "the row without an id may be the one: {nameless:?}");
    assert!(nameless.why_unreadable(&device_id(4)).is_some());
    let targets: Vec<Target> = ids(&[1, 2]).into_iter().map(Target::new).collect();
    let seen = falcon.progress(&ResponseAction::Contain, &targets).await.unwrap();
    assert_eq!(seen[0].standing, Standing::Done);
    assert!(
        matches!(&seen[1].standing, Standing::Unknown { word } if word.contains("cannot be read")),
        "{seen:?}"
    );
    assert_eq!(log.to(DEVICES).len(), 3, "one call each");
}

fn asks(sent: &Sent, number: u64) -> bool {
    ids_of(sent).contains(&device_id(number))
}

#[tokio::test(start_paused = true)]
async fn tags_are_those_of_groups() {
    let (falcon, log) = falcon(|sent| match sent.path.as_str() {
        TAGS => json(
            202,
            &format!(
                r#"{{"resources":[{{"device_id":"{}","updated":true,"code":202}},{{"device_id":"{}","updated":false,"code":404,"error":"gone"}}]}}"#,
                device_id(1),
                device_id(2)
            ),
        ),
        _ => json(
            200,
            &format!(
                r#"{{"resources":[{{"device_id":"{}","tags":["FalconGroupingTags/a","SensorGroupingTags/b"]}}]}}"#,
                device_id(1)
            ),
        ),
    });
    let tag = |tags: &[&str]| ResponseAction::Tag { tags: tags.iter().map(|t| (*t).to_owned()).collect() };
    let receipts = falcon.respond(&tag(&["a"]), &ids(&[1, 2]), &Because::new()).await.unwrap();
    assert_eq!(words(&receipts), ["accepted", "not_found"]);
    assert_eq!(log.to(TAGS)[0].json()["tags"][0], "FalconGroupingTags/a");
    let standing = async |action: ResponseAction| {
        falcon.progress(&action, &[Target::new(device_id(1))]).await.unwrap().remove(0).standing
    };
    assert_eq!(standing(tag(&["a"])).await, Standing::Done);
    assert!(!standing(tag(&["b"])).await.is_final(), "a tag of the sensor is another");
    let foreign = falcon.respond(&tag(&["SensorGroupingTags/b"]), &ids(&[1]), &Because::new()).await;
    assert_eq!(foreign.unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert_eq!(log.to(TAGS).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_alerts_is_one_call_of_steps() {
    let (falcon, log) = falcon(|_| {
        let gone = format!(r#"[{{"code":404,"message":"alert not found","id":"{}"}}]"#, composite_id(2));
        json(200, &format!(r#"{{"meta":{{"trace_id":"t"}},"errors":{gone}}}"#))
    });
    let user = User { email: Some("a@example.com".into()), uid: Some("u".into()), ..User::default() };
    let change = AlertChange::new()
        .status(AlertStatus::Resolved)
        .verdict(Verdict::FalsePositive)
        .assignee(Assignee::User(user))
        .comment("seen")
        .add_label("x")
        .remove_label("y");
    assert_eq!(falcon.alert_fit(&change).unwrap(), Fit::Exact);
    let receipts = falcon.update_alerts(&change, &[composite_id(1), composite_id(2)]).await.unwrap();
    assert_eq!(words(&receipts), ["accepted", "not_found"]);
    let sent = log.to(UPDATE)[0].json();
    let steps: Vec<String> = sent["action_parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| format!("{}={}", p["name"].as_str().unwrap(), p["value"].as_str().unwrap()))
        .collect();
    assert_eq!(
        steps,
        [
            "update_status=closed",
            "remove_tag=ignored",
            "remove_tag=true_positive",
            "remove_tag=suspicious",
            "add_tag=false_positive",
            "assign_to_user_id=a@example.com",
            "append_comment=seen",
            "remove_tag=y",
            "add_tag=x"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_falcon_cannot_say_is_refused_before_the_wire() {
    let (falcon, log) = falcon(|_| json(200, r#"{"meta":{}}"#));
    let alerts = [composite_id(1)];
    let lossy = [Verdict::Benign, Verdict::Test, Verdict::Duplicate, Verdict::Suspicious];
    for verdict in lossy.into_iter().chain([Verdict::Other("odd".into())]) {
        let change = AlertChange::new().verdict(verdict.clone());
        assert!(matches!(falcon.alert_fit(&change).unwrap(), Fit::Lossy { .. }), "{verdict}");
        assert!(falcon.update_alerts(&change, &alerts).await.unwrap_err().is_unsupported());
    }
    for status in [AlertStatus::Suppressed, AlertStatus::Unknown, AlertStatus::Other("odd".into())] {
        let error = falcon.update_alerts(&AlertChange::new().status(status), &alerts).await.unwrap_err();
        assert!(error.is_unsupported() && error.tenant().is_some(), "{error}");
    }
    for label in ["True_Positive", "suspicious"] {
        let label = AlertChange::new().add_label(label);
        let error = falcon.update_alerts(&label, &alerts).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
    let many: Vec<String> = (0..1_001).map(composite_id).collect();
    let open = AlertChange::new().status(AlertStatus::New);
    assert_eq!(falcon.update_alerts(&open, &many).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    for (feature, reason) in LACKING {
        assert!(!falcon.capabilities().has(*feature) && !reason.is_empty());
    }
    for action in [
        ResponseAction::Scan { paths: vec![] },
        ResponseAction::QuarantineFile { path: "/x".into(), sha256: None },
        ResponseAction::KillProcess { process: ProcessRef::Uid("u".into()) },
    ] {
        assert!(falcon.order_fit(&action).unwrap_err().is_unsupported(), "{action:?}");
        let error = falcon.respond(&action, &ids(&[1]), &Because::new()).await.unwrap_err();
        assert!(error.is_unsupported(), "{error}");
    }
    assert!(log.all().is_empty(), "nothing was sent");
    falcon.update_alerts(&AlertChange::new().verdict(Verdict::Test).nearest(), &alerts).await.unwrap();
    let body = &log.to(UPDATE)[0].body;
    assert!(body.contains("ignored") && body.contains("verdict: test"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn a_scan_is_one_for_all_its_hosts_and_each_reports_for_itself() {
    let (falcon, log) = falcon(|sent| match sent.path.as_str() {
        "/ods/entities/scans/v1" => json(201, r#"{"meta":{"trace_id":"t"},"resources":[{"id":"5ca0"}]}"#),
        "/ods/queries/scan-hosts/v1" if sent.get("filter").is_some_and(|f| f.contains("5ca0")) => {
            json(200, r#"{"meta":{"pagination":{"total":2}},"resources":["m1","m2"]}"#)
        }
        "/ods/entities/scan-hosts/v1" => {
            let row = |id: &str, host, status| {
                format!(
                    r#"{{"id":"{id}","scan_id":"5ca0","host_id":"{}","status":"{status}"}}"#,
                    device_id(host)
                )
            };
            json(
                200,
                &format!(r#"{{"resources":[{},{}]}}"#, row("m1", 1, "completed"), row("m2", 2, "pending")),
            )
        }
        DEVICES => {
            let device = |id: &String| format!(r#"{{"device_id":"{id}"}}"#);
            let all: Vec<_> = ids_of(sent).iter().map(device).collect();
            json(200, &format!(r#"{{"resources":[{}]}}"#, all.join(",")))
        }
        ONLINE => json(200, &format!(r#"{{"resources":[{{"id":"{}","state":"offline"}}]}}"#, device_id(2))),
        _ => json(200, r#"{"meta":{"pagination":{"total":0}},"resources":[]}"#),
    });
    let scan = ResponseAction::Scan { paths: vec!["/tmp/*".into()] };
    let receipts = falcon.respond(&scan, &ids(&[1, 2, 3]), &Because::new()).await.unwrap();
    assert_eq!(words(&receipts), ["accepted"; 3]);
    assert_eq!(receipts[0].handle.as_deref(), Some("5ca0"));
    let sent = log.to("/ods/entities/scans/v1");
    assert_eq!((sent.len(), sent[0].json()["hosts"].as_array().unwrap().len()), (1, 3));
    let mut targets: Vec<Target> = receipts.iter().map(Target::from).collect();
    targets.extend([Target::new(device_id(1)), Target::new(device_id(1))]);
    (targets[3].handle, targets[4].handle) = (Some("other".into()), Some("*".into()));
    let seen = falcon.progress(&scan, &targets).await.unwrap();
    let standings: Vec<Standing> = seen.into_iter().map(|p| p.standing).collect();
    let lost = Standing::Unknown { word: "no such scan".into() };
    assert_eq!(standings, [Standing::Done, Standing::PendingOffline, Standing::Pending, lost.clone(), lost]);
}
