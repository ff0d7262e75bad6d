//! What is told about the machine, and about processes on it.

use std::fs;
use std::process::Command;

/// A line of a file under `/proc` that begins with a word.
fn line(path: &str, word: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        Some(line.strip_prefix(word)?.trim_start_matches([':', ' ', '\t']).trim().to_owned())
    })
}

/// The number in a line such as `VmHWM:  1234 kB`.
fn kib(path: &str, word: &str) -> Option<u64> {
    line(path, word)?.split_ascii_whitespace().next()?.parse().ok()
}

/// The largest part of memory that this process has had, in KiB; 0 where the system does not tell.
#[must_use]
pub fn peak_kib() -> u64 {
    kib("/proc/self/status", "VmHWM").unwrap_or_default()
}

/// The same of another process, as long as it lives.
#[must_use]
pub fn peak_kib_of(process: u32) -> Option<u64> {
    kib(&format!("/proc/{process}/status"), "VmHWM")
}

/// How busy the machine was in the last minute; 0 where the system does not tell.
#[must_use]
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

/// Cores, processor, memory, system and compiler, in one line.
#[must_use]
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let processor = line("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = kib("/proc/meminfo", "MemTotal").unwrap_or_default() as f64 / f64::from(1 << 20);
    let kernel = line("/proc/sys/kernel/osrelease", "").unwrap_or_default();
    let system = std::env::consts::OS;
    format!("{cores} cores ({processor}), {memory:.0} GiB of memory, {system} {kernel}, {}", rustc())
}

fn rustc() -> String {
    let asked = Command::new("rustc").arg("--version").output().ok();
    let told = asked.and_then(|output| String::from_utf8(output.stdout).ok());
    told.map_or_else(|| "an unknown rustc".to_owned(), |text| text.trim().to_owned())
}
