//! What `cargo bench -p edr-benches --bench micro` has found, where it has run.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::Outcome;
use crate::page::Section;

/// Reads the estimates that are there.
///
/// # Errors
/// When one cannot be read.
pub fn read() -> Outcome<Section> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), Into::into);
    let mut lines = Vec::new();
    for group in std::fs::read_dir(target.join("criterion")).into_iter().flatten() {
        for bench in std::fs::read_dir(group?.path()).into_iter().flatten() {
            lines.extend(line(&bench?.path()));
        }
    }
    lines.sort();
    if lines.is_empty() {
        return Ok(Section::default());
    }
    let head = "## The parts\n\nOne thread, the system's allocator (`cargo bench -p edr-benches --bench micro`):\n\n| | median of one | 95 % sure |\n| --- | ---: | ---: |\n";
    Ok(Section { text: format!("{head}{}", lines.concat()), verdicts: Vec::new() })
}

fn line(folder: &Path) -> Option<String> {
    let read = |name: &str| -> Option<Value> {
        serde_json::from_str(&std::fs::read_to_string(folder.join("new").join(name)).ok()?).ok()
    };
    let (estimates, benchmark) = (read("estimates.json")?, read("benchmark.json")?);
    let median = &estimates["median"];
    let interval = &median["confidence_interval"];
    let each = benchmark["throughput"]["Elements"].as_f64().unwrap_or(1.0);
    let micros = |value: &Value| value.as_f64().map(|nanos| nanos / 1e3 / each);
    let mut text = String::new();
    let name = benchmark["full_id"].as_str()?;
    let (low, high) = (micros(&interval["lower_bound"])?, micros(&interval["upper_bound"])?);
    writeln!(text, "| {name} | {:.2} µs | {low:.2} – {high:.2} µs |", micros(&median["point_estimate"])?)
        .ok()?;
    Some(text)
}
