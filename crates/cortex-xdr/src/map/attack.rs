//! MITRE ATT&CK from texts such as `T1059.001 - Command and Scripting Interpreter: PowerShell`.
//! Rules: reference, normalisation 3.8.

use edr_core::{Attack, AttackRef};

use crate::AlertRecord;

/// Tactics and techniques of an alert. They are paired only when there is exactly one tactic: the
/// vendor's lists are not aligned.
pub(super) fn attacks(record: &AlertRecord) -> Vec<Attack> {
    of_lists(&record.list("mitre_tactic_id_and_name"), &record.list("mitre_technique_id_and_name"))
}

/// As [`attacks`], from the two lists.
pub(super) fn of_lists(told_tactics: &[String], told_techniques: &[String]) -> Vec<Attack> {
    let (mut tactics, mut techniques) = (Vec::new(), Vec::new());
    for (technique_key, told) in [(false, told_tactics), (true, told_techniques)] {
        for text in entries(told) {
            let entry = entry(&text);
            // The vendor's own samples have the two lists swapped: the id decides, then the key.
            let is_technique = entry.uid.as_deref().map_or(technique_key, |uid| !uid.starts_with("TA"));
            if is_technique { &mut techniques } else { &mut tactics }.push(entry);
        }
    }
    paired(tactics, techniques)
}

fn paired(tactics: Vec<AttackRef>, techniques: Vec<AttackRef>) -> Vec<Attack> {
    let only = if tactics.len() == 1 && !techniques.is_empty() { tactics.first().cloned() } else { None };
    let alone = if only.is_some() { Vec::new() } else { tactics };
    let mut attacks = Vec::new();
    for tactic in alone {
        super::add(&mut attacks, Attack { tactic: Some(tactic), ..Attack::default() });
    }
    for technique in techniques {
        super::add(&mut attacks, with_parent(only.clone(), technique));
    }
    attacks
}

/// The texts of a list, or of a text with commas; a comma within a name is no separator.
fn entries(told: &[String]) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for part in told {
        let continues = !is_listed(part) && entries.last().is_some_and(|last| is_listed(last));
        match entries.last_mut() {
            Some(last) if continues => *last = format!("{last}, {part}"),
            _ => entries.push(part.clone()),
        }
    }
    entries
}

/// True for a text that begins with an id.
fn is_listed(text: &str) -> bool {
    is_id(text.split(" - ").next().unwrap_or_default().trim())
}

/// `TA0002`, `T1059`, `T1059.001`.
fn is_id(text: &str) -> bool {
    let digits = |t: &str, n: usize| t.len() == n && t.bytes().all(|b| b.is_ascii_digit());
    if let Some(tactic) = text.strip_prefix("TA") {
        return digits(tactic, 4);
    }
    let Some(technique) = text.strip_prefix('T') else { return false };
    match technique.split_once('.') {
        Some((main, sub)) => digits(main, 4) && digits(sub, 3),
        None => digits(technique, 4),
    }
}

/// Id and name, split at the first ` - `; a name alone is looked up, or put into readable letters.
fn entry(text: &str) -> AttackRef {
    let (head, name) =
        text.split_once(" - ").map_or((text.trim(), None), |(h, n)| (h.trim(), Some(n.trim())));
    if is_id(head) {
        let name = name.filter(|n| !n.is_empty()).map(str::to_owned);
        return AttackRef { uid: Some(head.to_owned()), name };
    }
    AttackRef::tactic(text).unwrap_or_else(|| AttackRef { uid: None, name: Some(readable(text)) })
}

/// `ABUSE_ELEVATION_CONTROL_MECHANISM` in readable letters; any other text as it is.
fn readable(text: &str) -> String {
    let enum_word = text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if !enum_word {
        return text.trim().to_owned();
    }
    let capital = |word: &str| {
        let lower = word.to_lowercase();
        let mut letters = lower.chars();
        letters
            .next()
            .map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
    };
    text.split('_').filter(|w| !w.is_empty()).map(capital).collect::<Vec<_>>().join(" ")
}

/// A sub-technique names its technique before the first `: `.
fn with_parent(tactic: Option<AttackRef>, entry: AttackRef) -> Attack {
    let Some((main, _)) = entry.uid.as_deref().and_then(|uid| uid.split_once('.')) else {
        return Attack { tactic, technique: Some(entry), sub_technique: None };
    };
    let names =
        entry.name.as_deref().map(|name| name.split_once(": ").map_or((None, name), |(t, s)| (Some(t), s)));
    let technique = AttackRef {
        uid: Some(main.to_owned()),
        name: names.and_then(|(technique, _)| technique).map(str::to_owned),
    };
    let name = names.map(|(_, sub)| sub.to_owned());
    let sub_technique = Some(AttackRef { uid: entry.uid.clone(), name });
    Attack { tactic, technique: Some(technique), sub_technique }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// `tactic/technique/sub-technique` of each attack, as `uid name`.
    fn read(tactics: Value, techniques: Value) -> Vec<String> {
        let value = json!({"mitre_tactic_id_and_name": tactics, "mitre_technique_id_and_name": techniques});
        let record = AlertRecord::read(value.to_string().as_bytes()).unwrap();
        let show = |r: &Option<AttackRef>| {
            let part = |t: &Option<String>| t.clone().unwrap_or_else(|| "-".to_owned());
            r.as_ref().map_or_else(String::new, |r| format!("{} {}", part(&r.uid), part(&r.name)))
        };
        attacks(&record)
            .iter()
            .map(|a| format!("{}/{}/{}", show(&a.tactic), show(&a.technique), show(&a.sub_technique)))
            .collect()
    }

    #[test]
    fn texts_become_tactics_and_techniques() {
        let one = ["TA0002 Execution/T1059 Command and Scripting Interpreter/T1059.001 PowerShell"];
        let technique = "T1059.001 - Command and Scripting Interpreter: PowerShell";
        assert_eq!(read(json!(["TA0002 - Execution"]), json!([technique])), one);
        assert_eq!(read(json!("TA0002 - Execution"), json!(technique)), one);
        assert_eq!(read(json!([""]), json!([""])), [""; 0]);
        assert_eq!(read(json!(null), json!(["T1089"])), ["/T1089 -/"]);
        assert_eq!(
            read(json!(["T1055 - Injection"]), json!(["TA0004 - Privilege Escalation"])),
            ["TA0004 Privilege Escalation/T1055 Injection/"]
        );
    }

    #[test]
    fn several_tactics_are_not_paired() {
        let read = read(
            json!("TA0003 - Persistence,TA0005 - Defense Evasion"),
            json!("T1070 - Indicator Removal, on Host,T1112 - Modify - Registry"),
        );
        let expected = [
            "TA0003 Persistence//",
            "TA0005 Defense Evasion//",
            "/T1070 Indicator Removal, on Host/",
            "/T1112 Modify - Registry/",
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn names_without_ids_are_looked_up_or_kept() {
        assert_eq!(
            read(json!(["PRIVILEGE_ESCALATION"]), json!(["ABUSE_ELEVATION_CONTROL_MECHANISM"])),
            ["TA0004 Privilege Escalation/- Abuse Elevation Control Mechanism/"]
        );
        assert_eq!(read(json!(null), json!(["T9 - Odd"])), ["/- T9 - Odd/"]);
    }
}
