//! Listing hosts end to end, beside the peers: the tables and verdicts of `docs/PERFORMANCE.md`.
//!
//! `benches/run` builds everything that takes part, runs this, and writes the page. Run alone, it measures the library and
//! the command line, and the peers that the environment names. Its sizes: `EDR_BENCH_SCALE` (per cent), `EDR_BENCH_RUNS`,
//! `EDR_BENCH_COLD_BUILD=0`; `EDR_BENCH_ONLY=falcon,cortex,tenants,process` leaves parts out; `EDR_BENCH_STRICT=1` fails
//! where a promise does not hold that did; `EDR_BENCH_PAGE` names the page to write, `EDR_BENCH_MIMALLOC` this program built with its
//! feature of that name, and `EDR_BIN` the released `edr` where it is not beside this.
//!
//! Each contender is a process of its own: this program is its own server (`serve`), the library (`list`) and the bare
//! client (`unread`, `gathered`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use edr_benches::sections::{Bench, Peers, cortex, falcon, micro, process, tenants};
use edr_benches::sizes::Sizes;
use edr_benches::stage::ShelfServer;
use edr_benches::{Outcome, list, machine, now, page, serve, unread};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Outcome<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match words.as_slice() {
        ["serve", devices, endpoints] => {
            runtime()?.block_on(serve::serve(devices.parse()?, endpoints.parse()?))?
        }
        ["list", config] => runtime()?.block_on(list::list(Path::new(config)))?,
        [mode @ ("unread" | "gathered"), address, falcon, cortex, hosts] => {
            let page = if *mode == "unread" { unread::Page::Dropped } else { unread::Page::Gathered };
            let numbers = (falcon.parse()?, cortex.parse()?, hosts.parse()?);
            runtime()?.block_on(unread::unread(page, address, numbers.0, numbers.1, numbers.2))?;
        }
        _ => return measure(),
    }
    Ok(ExitCode::SUCCESS)
}

type Part = fn(&Bench) -> Outcome<page::Section>;

/// Everything, in the order of the page.
fn measure() -> Outcome<ExitCode> {
    let sizes = Sizes::of_environment();
    let (began, load) = (now(), machine::load());
    let bench = Bench {
        shelf: ShelfServer::start(sizes.falcon.max(sizes.each), sizes.cortex.max(sizes.each))?,
        sizes,
        edr: edr(),
        mimalloc: named("EDR_BENCH_MIMALLOC"),
        peers: Peers::of_environment(),
        folder: tempfile::tempdir()?,
    };
    let only = std::env::var("EDR_BENCH_ONLY").unwrap_or_default();
    let mut sections = Vec::new();
    let parts: [(&str, Part); 4] = [
        ("falcon", falcon::measure),
        ("cortex", cortex::measure),
        ("tenants", tenants::measure),
        ("process", process::measure),
    ];
    for (name, part) in parts {
        if only.is_empty() || only.split(',').any(|wanted| wanted == name) {
            eprintln!("{name}, after {:.0} s", began.elapsed().as_secs_f64());
            sections.push(part(&bench)?);
        }
    }
    sections.push(micro::read()?);
    let text = page::render(&head(&bench.sizes, load, began.elapsed().as_secs_f64()), &sections);
    println!("{text}");
    if let Some(path) = std::env::var_os("EDR_BENCH_PAGE") {
        page::write(Path::new(&path), &text)?;
    }
    Ok(verdict(&bench.sizes, &sections))
}

/// `edr` as it is released, beside the benchmarks.
fn edr() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.ancestors().nth(2)?.join("edr");
    Some(named("EDR_BIN").unwrap_or(beside)).filter(|path| path.is_file())
}

/// A file that the environment names.
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn head(sizes: &Sizes, load: f64, seconds: f64) -> String {
    let machine = machine::describe();
    let (scale, runs) = (sizes.scale, sizes.runs);
    let part = if sizes.is_full() {
        String::new()
    } else {
        format!("**A quick try: {scale} % of the hosts, {runs} runs; the promises are for all of them.** ")
    };
    let after = machine::load();
    format!(
        "{part}One run of `benches/run` ({seconds:.0} s) on one machine: {machine}. Load before it {load:.2}, after it {after:.2}. \
         Medians of {runs} runs."
    )
}

/// A promise that does not hold fails where that is asked for, and only at the sizes that it was made for; one that never
/// held does where it is further from it than it was.
fn verdict(sizes: &Sizes, sections: &[page::Section]) -> ExitCode {
    let broken = sections.iter().flat_map(|s| &s.verdicts).filter(|v| v.fails).count();
    let strict = std::env::var("EDR_BENCH_STRICT").is_ok_and(|v| v == "1");
    if broken > 0 && strict && sizes.is_full() {
        eprintln!("{broken} promises do not hold that did, or are further from it than they were");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
