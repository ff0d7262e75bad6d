//! The command line as a process: its memory, its start, its size, and how long the libraries take to build.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Bench;
use crate::page::{Section, Verdict};
use crate::race::Series;
use crate::stage::{Run, SimServer, command, watch};
use crate::{Outcome, now};

/// Warm runs of a command that is over at once.
const STARTS: usize = 20;
/// 64 MiB and 40 bytes a host, in KiB.
fn memory_budget(hosts: u64) -> f64 {
    64.0 * 1024.0 + hosts as f64 * 40.0 / 1024.0
}

/// The largest release binary, in MiB.
const BINARY_MIB: f64 = 25.0;
/// The libraries that are built from cold.
const LIBRARIES: [&str; 5] = ["edr-core", "edr-http", "falcon", "cortex-xdr", "edr"];

/// Measures the released command line.
///
/// # Errors
/// When it fails.
pub fn measure(bench: &Bench) -> Outcome<Section> {
    let Some(edr) = &bench.edr else {
        return Ok(Section {
            text: String::new(),
            verdicts: vec![Verdict::missing("3. and 5.", "edr is not built for release")],
        });
    };
    let mut section = memory(bench, edr)?;
    for part in [start(edr)?, size(edr)?, build()?] {
        section.text += &part.text;
        section.verdicts.extend(part.verdicts);
    }
    Ok(section)
}

/// `edr hosts list -o jsonl` of a simulator, three fifths of the hosts Falcon's.
fn memory(bench: &Bench, edr: &Path) -> Outcome<Section> {
    let mut text = "## Memory of the command line\n\n`edr hosts list --all-tenants -o jsonl`, its output dropped:\n\n| hosts | peak memory | budget | time | runs |\n| ---: | ---: | ---: | ---: | ---: |\n".to_owned();
    let mut verdicts = Vec::new();
    for (hosts, runs) in [(bench.sizes.many / 20, bench.sizes.runs), (bench.sizes.many, 1)] {
        let falcon = hosts * 3 / 5;
        let (of_falcon, of_cortex) = (falcon.to_string(), (hosts - falcon).to_string());
        let flags = ["--falcon-hosts", &of_falcon, "--cortex-hosts", &of_cortex, "--enforce-limits", "off"];
        let sim = SimServer::start(edr, &flags)?;
        let arguments = ["hosts", "list", "--all-tenants", "-o", "jsonl", "--config"];
        let once = || watch(command(edr).args(arguments).arg(&sim.config));
        let series = Series::of("", (0..runs).map(|_| once()).collect::<Outcome<Vec<Run>>>()?);
        let (peak, budget) = (series.peak_kib() as f64, memory_budget(hosts));
        let [peak_mib, budget_mib] = [peak, budget].map(|kib| kib / 1024.0);
        let time = series.median() / 1e3;
        let _ =
            writeln!(text, "| {hosts} | {peak_mib:.1} MiB | {budget_mib:.1} MiB | {time:.1} s | {runs} |");
        let promise = format!(
            "3. `edr hosts list -o jsonl` of {hosts} hosts: at most 64 MiB and 40 bytes a host ({budget_mib:.1} MiB)"
        );
        verdicts.push(Verdict::at_most(&promise, peak_mib, budget_mib, "MiB"));
        eprintln!("  {hosts} hosts: {peak_mib:.1} MiB");
    }
    Ok(Section { text, verdicts })
}

fn start(edr: &Path) -> Outcome<Section> {
    let commands: [(&[&str], f64); 2] = [(&["--version"], 10.0), (&["hosts", "list", "--demo"], 300.0)];
    let mut text = format!(
        "\n## Start\n\nMedians of {STARTS} warm runs, the start of the process included:\n\n| | median | from – to |\n| --- | ---: | ---: |\n"
    );
    let mut verdicts = Vec::new();
    for (arguments, most) in commands {
        let once = || timed(command(edr).args(arguments));
        once()?;
        let series = Series::of("", (0..STARTS).map(|_| once()).collect::<Outcome<Vec<Run>>>()?);
        let ((from, to), words) = (series.spread(), arguments.join(" "));
        let _ = writeln!(text, "| `edr {words}` | {:.1} ms | {from:.1} – {to:.1} ms |", series.median());
        let promise = format!("5. `edr {words}` within {most:.0} ms");
        verdicts.push(Verdict::at_most(&promise, series.median(), most, "ms"));
    }
    Ok(Section { text, verdicts })
}

/// A command that is over too soon to be looked at.
fn timed(command: &mut Command) -> Outcome<Run> {
    let began = now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let ms = began.elapsed().as_secs_f64() * 1e3;
    if status.success() {
        Ok(Run { ms, ..Run::default() })
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}

fn size(edr: &Path) -> Outcome<Section> {
    let mib = std::fs::metadata(edr)?.len() as f64 / f64::from(1 << 20);
    let promise = format!("5. the release binary: at most {BINARY_MIB} MiB");
    let verdicts = vec![Verdict::at_most(&promise, mib, BINARY_MIB, "MiB")];
    Ok(Section {
        text: format!("\nThe release binary has {mib:.1} MiB, stripped, with the simulator in it.\n"),
        verdicts,
    })
}

/// Everything that the libraries need is compiled anew, in a folder of its own, from crates that are there already.
fn build() -> Outcome<Section> {
    let promise = "5. cold `cargo build` of the libraries: under 3 minutes";
    if std::env::var("EDR_BENCH_COLD_BUILD").is_ok_and(|v| v == "0") {
        return Ok(Section { text: String::new(), verdicts: vec![Verdict::missing(promise, "turned off")] });
    }
    let folder = tempfile::tempdir()?;
    let mut cargo = command(env!("CARGO"));
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).args([
        "build",
        "--locked",
        "--quiet",
        "--target-dir",
    ]);
    cargo.arg(folder.path()).args(LIBRARIES.iter().flat_map(|library| ["--package", library]));
    cargo.env_remove("CARGO_INCREMENTAL");
    let seconds = timed(&mut cargo)?.ms / 1e3;
    let text = format!(
        "\nA cold `cargo build` of {} took {seconds:.0} s, without downloads.\n",
        LIBRARIES.join(", ")
    );
    Ok(Section { text, verdicts: vec![Verdict::at_most(promise, seconds, 180.0, "s")] })
}
