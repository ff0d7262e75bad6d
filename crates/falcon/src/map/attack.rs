//! Tactics and techniques. CrowdStrike has a framework of its own beside MITRE ATT&CK, under ids that
//! begin with `CST`; those are categories here, not attacks.

use edr_core::{Attack, AttackRef};

use super::text;
use crate::api::alerts::{AlertEntity, Mitre};

/// The attacks of an alert, and the ids and names of the vendor's own framework.
pub(super) fn read(wire: &mut AlertEntity) -> (Vec<Attack>, Vec<String>) {
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
        let tactic = sort(text(entry.tactic_id), text(entry.tactic), is_tactic, &mut types);
        let technique = sort(text(entry.technique_id), text(entry.technique), is_technique, &mut types);
        let (technique, sub_technique) = technique.map_or((None, None), split);
        let attack = Attack { tactic, technique, sub_technique };
        if attack != Attack::default() && !attacks.contains(&attack) {
            attacks.push(attack);
        }
    }
    (attacks, types)
}

/// An entry of ATT&CK, or, with an id of another framework, one more category.
fn sort(
    uid: Option<String>,
    name: Option<String>,
    ours: fn(&str) -> bool,
    types: &mut Vec<String>,
) -> Option<AttackRef> {
    match uid {
        Some(uid) if ours(&uid) => Some(AttackRef { uid: Some(uid), name }),
        Some(uid) => {
            types.push(uid);
            types.extend(name);
            None
        }
        None => name.map(|name| AttackRef { uid: None, name: Some(name) }),
    }
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
        read(&mut serde_json::from_str(json).unwrap())
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
        let (attacks, types) = of(r#"{"tactic":"MachineLearning","technique":"","technique_id":null}"#);
        assert_eq!(attacks[0].tactic.as_ref().unwrap().name.as_deref(), Some("MachineLearning"));
        assert!(types.is_empty());
        assert_eq!(of("{}"), (vec![], vec![]));
        for (uid, good) in
            [("T1089", true), ("T108", false), ("T1059.1", false), ("TA0002", false), ("", false)]
        {
            assert_eq!(is_technique(uid), good, "{uid}");
        }
    }
}
