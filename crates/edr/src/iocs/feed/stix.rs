//! A feed as a STIX 2.1 bundle: what its indicators say in patterns of single values.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::draft::{Draft, Name};
use super::records::{Lines, Rows};
use super::{Fault, Feed, pattern};

#[derive(serde::Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, default)]
    objects: Rows<'a>,
}

/// True for a document that says to be a bundle.
pub(super) fn is_bundle(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Head {
        #[serde(rename = "type", default)]
        kind: Value,
    }
    serde_json::from_str::<Head>(text).is_ok_and(|head| head.kind == json!("bundle"))
}

/// Reads the indicators of a bundle.
pub(super) fn read(text: &str, feed: &mut Feed) -> Result<Vec<Draft>, Fault> {
    let bundle: Bundle<'_> =
        serde_json::from_str(text).map_err(|e| Fault::new(format!("this is no bundle of STIX: {e}")))?;
    let mut drafts = Vec::new();
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    let mut lines = Lines::of(text);
    for object in bundle.objects.within()? {
        feed.has_room(&drafts)?;
        let line = lines.line(object.get());
        match serde_json::from_str::<Value>(object.get()) {
            Ok(object) if object["type"] == "indicator" => indicator(&object, line, &mut drafts, feed),
            Ok(object) => {
                *others.entry(object["type"].as_str().unwrap_or("nameless").to_owned()).or_default() += 1;
            }
            Err(e) => feed.refuse(line, "", format!("this is no JSON: {e}")),
        }
    }
    feed.has_room(&drafts)?;
    if !others.is_empty() {
        let told: Vec<String> = others.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        feed.note(1, "", format!("objects that are no indicators are not used: {}", told.join(", ")));
    }
    Ok(drafts)
}

fn indicator(object: &Value, line: u64, drafts: &mut Vec<Draft>, feed: &mut Feed) {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let told = if text("pattern").is_empty() { text("id") } else { text("pattern") };
    if object["revoked"] == true {
        return feed.over(line, told, "the indicator is revoked");
    }
    if !matches!(text("pattern_type"), "" | "stix") {
        let why = format!("a pattern of {} is for neither vendor", text("pattern_type"));
        return feed.inexpressible(line, told, why);
    }
    let values = match pattern::values(text("pattern")) {
        Ok(values) => values,
        Err(pattern::Why::Compound(why)) => return feed.inexpressible(line, told, why),
        Err(pattern::Why::Wrong(why)) => return feed.refuse(line, told, why),
    };
    let mut draft = Draft { line, ..Draft::default() };
    draft.set(Name::Desc, if text("name").is_empty() { text("description") } else { text("name") });
    draft.set(Name::Expiration, text("valid_until"));
    for key in ["labels", "indicator_types"] {
        let labels = object[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        labels.for_each(|label| draft.set(Name::Tags, label));
    }
    drafts.extend(values.into_iter().map(|(kind, value)| Draft {
        kind: kind.to_owned(),
        value,
        ..draft.clone()
    }));
}
