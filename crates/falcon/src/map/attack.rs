//! Tactics and techniques. CrowdStrike has a framework of its own beside MITRE ATT&CK, under ids that
//! begin with `CST`, or under its names alone; those are categories here, not attacks.

use edr_core::{Attack, AttackRef, Provenance};

use super::{Notes, text};
use crate::api::alerts::{AlertEntity, Mitre};

/// Tactics of CrowdStrike's own, without blanks. Both frameworks come without ids in some alerts.
const OWN_TACTICS: &[&str] = &[
    "adware/pup",
    "aipoweredioa",
    "customintelligence",
    "exploit",
    "falconintel",
    "falconoverwatch",
    "insecuresecurityposture",
    "machinelearning",
    "malware",
    "post-exploit",
];

/// Techniques of CrowdStrike's own that ATT&CK has none of the same name as.
const OWN_TECHNIQUES: &[&str] =
    &["adware/pup", "cloud-basedml", "indicatorofcompromise", "maliciousactivity", "sensor-basedml"];

/// The attacks of an alert, and the ids and names of the vendor's own framework.
pub(super) fn read(wire: &mut AlertEntity, notes: &mut Notes) -> (Vec<Attack>, Vec<String>) {
    let mut entries = std::mem::take(&mut wire.mitre_attack);
    let own = Mitre {
        tactic: wire.tactic.take(),
        tactic_id: wire.tactic_id.take(),
        technique: wire.technique.take(),
        technique_id: wire.technique_id.take(),
        ..Mitre::default()
    };
    if entries.is_empty() {
        entries.push(own);
    }
    let (mut attacks, mut types) = (Vec::new(), Vec::new());
    for entry in entries {
        let (tactic, own) = tactic(text(entry.tactic_id), text(entry.tactic), &mut types, notes);
        let technique = technique(text(entry.technique_id), text(entry.technique), own, &mut types);
        let (technique, sub_technique) = technique.map_or((None, None), split);
        let attack = Attack { tactic, technique, sub_technique };
        if attack != Attack::default() && !attacks.contains(&attack) {
            attacks.push(attack);
        }
    }
    (attacks, types)
}

/// A tactic of ATT&CK, by its id or by its name; or one more category, and true when it is one of the vendor's own.
fn tactic(
    uid: Option<String>,
    name: Option<String>,
    types: &mut Vec<String>,
    notes: &mut Notes,
) -> (Option<AttackRef>, bool) {
    match (uid, name) {
        (Some(uid), name) if is_tactic(&uid) => (Some(AttackRef { uid: Some(uid), name }), false),
        (None, Some(name)) if !is_own(&name, OWN_TACTICS) => {
            let known = AttackRef::tactic(&name);
            if known.is_some() {
                notes.origin("attacks.tactic", Some(&name), Provenance::Converted);
            }
            (Some(known.unwrap_or(AttackRef { uid: None, name: Some(name) })), false)
        }
        (uid, name) => {
            let own = uid.is_some() || name.is_some();
            types.extend(uid.into_iter().chain(name));
            (None, own)
        }
    }
}

/// A technique of ATT&CK, or one more category. One without an id is of the framework of its tactic.
fn technique(
    uid: Option<String>,
    name: Option<String>,
    own: bool,
    types: &mut Vec<String>,
) -> Option<AttackRef> {
    match (uid, name) {
        (Some(uid), name) if is_technique(&uid) => Some(AttackRef { uid: Some(uid), name }),
        (None, Some(name)) if !own && !is_own(&name, OWN_TECHNIQUES) => {
            Some(AttackRef { uid: None, name: Some(name) })
        }
        (uid, name) => {
            types.extend(uid.into_iter().chain(name));
            None
        }
    }
}

/// True for one of these names, with blanks or without.
fn is_own(name: &str, names: &[&str]) -> bool {
    let plain: String = name.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    names.contains(&plain.as_str())
}

fn digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_tactic(uid: &str) -> bool {
    uid.strip_prefix("TA").is_some_and(|d| digits(d, 4))
}

fn is_technique(uid: &str) -> bool {
    let Some(rest) = uid.strip_prefix('T') else { return false };
    match rest.split_once('.') {
        Some((main, sub)) => digits(main, 4) && digits(sub, 3),
        None => digits(rest, 4),
    }
}

/// A sub-technique brings its technique along; the names of both stand around a colon.
fn split(entry: AttackRef) -> (Option<AttackRef>, Option<AttackRef>) {
    let main = entry.uid.as_deref().and_then(|u| u.split_once('.')).map(|(main, _)| main.to_owned());
    if main.is_none() {
        return (Some(entry), None);
    }
    let names = entry.name.as_deref().map(|n| n.split_once(": ").map_or((None, n), |(a, b)| (Some(a), b)));
    let (first, second) = names.map_or((None, None), |(a, b)| (a.map(str::to_owned), Some(b.to_owned())));
    (Some(AttackRef { uid: main, name: first }), Some(AttackRef { uid: entry.uid, name: second }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> (Vec<Attack>, Vec<String>) {
        read(&mut serde_json::from_str(json).unwrap(), &mut Notes::new(chrono::DateTime::UNIX_EPOCH))
    }

    #[test]
    fn ids_are_sorted_by_framework() {
        let (attacks, types) = of(r#"{"tactic":"ignored","mitre_attack":[
                {"tactic_id":"TA0002","tactic":"Execution","technique_id":"T1059.001","technique":"Command and Scripting Interpreter: PowerShell"},
                {"tactic_id":"TA0002","technique_id":"CST0007","technique":"Sensor-based ML"},
                {"tactic_id":"CSTA0004","tactic":"Machine Learning","technique_id":"T1204","technique":"User Execution"},
                {"tactic_id":"TA0002","technique_id":"CST0007"}]}"#);
        assert_eq!(types, ["CST0007", "Sensor-based ML", "CSTA0004", "Machine Learning", "CST0007"]);
        assert_eq!(attacks.len(), 3);
        let sub = attacks[0].sub_technique.as_ref().unwrap();
        assert_eq!((sub.uid.as_deref(), sub.name.as_deref()), (Some("T1059.001"), Some("PowerShell")));
        assert_eq!(attacks[0].technique.as_ref().unwrap().uid.as_deref(), Some("T1059"));
        assert!(attacks[1].technique.is_none() && attacks[2].tactic.is_none());
    }

    #[test]
    fn the_single_pair_stands_in_and_names_alone_are_kept() {
        let (attacks, types) = of(r#"{"tactic":"Odd","technique":"Odder","technique_id":null}"#);
        assert_eq!(attacks[0].tactic.as_ref().unwrap().name.as_deref(), Some("Odd"));
        assert_eq!(attacks[0].technique.as_ref().unwrap().name.as_deref(), Some("Odder"));
        assert!(types.is_empty());
        assert_eq!(of("{}"), (vec![], vec![]));
        for (uid, good) in
            [("T1089", true), ("T108", false), ("T1059.1", false), ("TA0002", false), ("", false)]
        {
            assert_eq!(is_technique(uid), good, "{uid}");
        }
    }

    #[test]
    fn names_without_ids_are_sorted_by_framework_too() {
        for json in [
            r#"{"tactic":"MachineLearning","technique":"Sensor-based ML"}"#,
            r#"{"tactic":"Machine Learning","technique":"A new ML"}"#,
            r#"{"tactic":"Falcon Overwatch","technique":"MaliciousActivity"}"#,
            r#"{"tactic_id":"CSTA0001","tactic":"Malware","technique":"Malicious File"}"#,
            r#"{"tactic":"","technique":"Sensor-based ML"}"#,
        ] {
            let (attacks, types) = of(json);
            assert!(attacks.is_empty() && !types.is_empty(), "{json}: {attacks:?}");
        }
        let (attacks, types) = of(r#"{"tactic":"CommandAndControl","technique":"Web Protocols"}"#);
        let tactic = attacks[0].tactic.as_ref().unwrap();
        assert_eq!(
            (tactic.uid.as_deref(), tactic.name.as_deref()),
            (Some("TA0011"), Some("Command and Control"))
        );
        assert_eq!(attacks[0].technique.as_ref().unwrap().name.as_deref(), Some("Web Protocols"));
        assert!(types.is_empty());
        let json = r#"{"composite_id":"c","tactic":"Execution"}"#;
        let context = super::super::Context { tenant: "t".into(), now: chrono::DateTime::UNIX_EPOCH };
        let alert = super::super::alert(&json.into(), &context).unwrap();
        let told = alert.origins.iter().find(|o| o.field == "attacks.tactic").unwrap();
        assert_eq!(
            (told.vendor_value.as_deref(), &told.provenance),
            (Some("Execution"), &Provenance::Converted)
        );
    }
}
