//! What the sensor did: from its 28 flags, in the order of the table in the normalisation reference.

use edr_core::{Action, Alert, Disposition, Provenance};

use super::Notes;
use crate::api::alerts::{AlertEntity, DispositionFlags};

type Row = (Action, Disposition, Option<bool>);

const BLOCKED: Row = (Action::Denied, Disposition::Blocked, Some(true));
const QUARANTINED: Row = (Action::Denied, Disposition::Quarantined, Some(true));
const ISOLATED: Row = (Action::Denied, Disposition::Isolated, Some(true));
const FAILED: Row = (Action::Allowed, Disposition::Uncorrected, Some(false));
const DETECTED: Row = (Action::Observed, Disposition::Detected, Some(false));
const UNKNOWN: Row = (Action::Unknown, Disposition::Unknown, None);

/// The bits of `pattern_disposition` that are known; the flags count where both are there.
const BIT_QUARANTINE: u64 = 128;
const BIT_BLOCKED: u64 = 2048;

pub(super) fn set(alert: &mut Alert, wire: &AlertEntity, notes: &mut Notes) {
    let bits = bits(wire.pattern_disposition);
    let flags = wire.pattern_disposition_details.as_ref().filter(|f| **f != DispositionFlags::default());
    let (row, mut provenance) = match (flags, bits) {
        (Some(flags), bits) => by_flags(flags, bits),
        (None, Some(bits)) => by_bits(bits),
        (None, None) => by_scan(wire),
    };
    if wire.is_synthetic_quarantine_disposition == Some(true) && row != UNKNOWN {
        provenance = Provenance::Derived;
    }
    (alert.action, alert.disposition, alert.prevented) = row;
    let toothless = flags.is_some_and(|f| f.policy_disabled == Some(true)) && alert.prevented == Some(false);
    alert.would_prevent = toothless.then_some(true);
    let said = wire.pattern_disposition_description.clone().or_else(|| bits.map(|b| b.to_string()));
    notes.origin("disposition", said.as_deref(), provenance);
}

fn bits(number: Option<f64>) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked, and saturating")]
    number.filter(|n| *n >= 0.0).map(|n| n as u64)
}

fn by_flags(f: &DispositionFlags, bits: Option<u64>) -> (Row, Provenance) {
    let any = |flags: &[Option<bool>]| flags.contains(&Some(true));
    let blocked =
        any(&[f.process_blocked, f.operation_blocked, f.fs_operation_blocked, f.registry_operation_blocked]);
    let killed =
        any(&[f.kill_process, f.kill_subprocess, f.kill_parent, f.suspend_process, f.suspend_parent]);
    let quarantined = any(&[f.quarantine_file]);
    let seen =
        [f.policy_disabled, f.blocking_unsupported_or_disabled, f.sensor_only, f.inddet_mask, f.rooting];
    let row = if quarantined && blocked {
        QUARANTINED
    } else if blocked || killed {
        BLOCKED
    } else if any(&[f.quarantine_machine]) {
        ISOLATED
    } else if quarantined {
        QUARANTINED
    } else if any(&[f.kill_action_failed, f.response_action_failed]) {
        FAILED
    } else if any(&seen) || any(&[f.detect, f.indicator]) || bits.unwrap_or(0) == 0 {
        DETECTED
    } else {
        // A flag outside the table is up: what was done is not known.
        return (UNKNOWN, Provenance::Default);
    };
    (row, Provenance::Converted)
}

/// Without flags only the bits that recordings explain are read.
fn by_bits(bits: u64) -> (Row, Provenance) {
    match (bits & BIT_BLOCKED != 0, bits & BIT_QUARANTINE != 0) {
        (_, true) => (QUARANTINED, Provenance::Derived),
        (true, false) => (BLOCKED, Provenance::Derived),
        (false, false) if bits == 0 => (DETECTED, Provenance::Derived),
        (false, false) => (UNKNOWN, Provenance::Default),
    }
}

/// A scan on demand has neither, and says whether it put the file into quarantine.
fn by_scan(wire: &AlertEntity) -> (Row, Provenance) {
    if wire.quarantined == Some(true) {
        (QUARANTINED, Provenance::Derived)
    } else {
        (UNKNOWN, Provenance::Default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> (Action, Disposition, Option<bool>, Option<bool>) {
        let wire: AlertEntity = serde_json::from_str(json).unwrap();
        let mut alert = Alert::new("v", "t", "1", "{}");
        set(&mut alert, &wire, &mut Notes::new(chrono::DateTime::UNIX_EPOCH));
        (alert.action, alert.disposition, alert.prevented, alert.would_prevent)
    }

    fn flags(flags: &[&str], bits: u32) -> (Action, Disposition, Option<bool>, Option<bool>) {
        let list: Vec<String> = flags.iter().map(|f| format!("\"{f}\":true")).collect();
        of(&format!(
            "{{\"pattern_disposition\":{bits},\"pattern_disposition_details\":{{\"detect\":null,\"rooting\":false,{}}}}}",
            if list.is_empty() { "\"indicator\":false".to_owned() } else { list.join(",") }
        ))
    }

    #[test]
    fn the_table_holds_in_its_order() {
        let denied = |d| (Action::Denied, d, Some(true), None);
        let seen = (Action::Observed, Disposition::Detected, Some(false), None);
        for (names, bits, expected) in [
            (&["quarantine_file", "process_blocked"][..], 2176, denied(Disposition::Quarantined)),
            (&["operation_blocked", "kill_action_failed"], 1, denied(Disposition::Blocked)),
            (&["kill_parent"], 1, denied(Disposition::Blocked)),
            (&["suspend_process", "quarantine_machine"], 1, denied(Disposition::Blocked)),
            (&["quarantine_machine", "quarantine_file"], 1, denied(Disposition::Isolated)),
            (&["quarantine_file"], 128, denied(Disposition::Quarantined)),
            (
                &["kill_action_failed", "detect"],
                1,
                (Action::Allowed, Disposition::Uncorrected, Some(false), None),
            ),
            (&["policy_disabled"], 1, (Action::Observed, Disposition::Detected, Some(false), Some(true))),
            (&["sensor_only"], 1, seen.clone()),
            (&["indicator"], 1, seen.clone()),
            (&[], 0, seen),
            (&["mfa_required"], 4096, (Action::Unknown, Disposition::Unknown, None, None)),
        ] {
            assert_eq!(flags(names, bits), expected, "{names:?}");
        }
    }

    #[test]
    fn flags_and_bits_agree_where_both_are_known() {
        for (names, bits) in [
            (&[][..], 0),
            (&["quarantine_file"], 128),
            (&["process_blocked"], 2048),
            (&["process_blocked", "quarantine_file"], 2176),
        ] {
            let alone = of(&format!("{{\"pattern_disposition\":{bits}}}"));
            assert_eq!(flags(names, bits), alone, "{bits}");
        }
        assert_eq!(of("{}").1, Disposition::Unknown);
        assert_eq!(of(r#"{"pattern_disposition":4}"#).1, Disposition::Unknown);
        assert_eq!(of(r#"{"pattern_disposition_details":{"detect":null}}"#).1, Disposition::Unknown);
        assert_eq!(of(r#"{"quarantined":true}"#).1, Disposition::Quarantined);
    }
}
