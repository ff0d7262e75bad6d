//! Known secrets go through the fault matrix while everything is listened to: no log line at any
//! level, no error with its causes, no `Debug` and no URL may hold one.

#![expect(clippy::expect_used, reason = "these are tests: what fails here fails the test")]

use std::collections::{BTreeSet, HashSet};
use std::error::Error as _;
use std::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use edr::{Config, Estate, Options, Selection};
use edr_core::{EdrProviderExt as _, Error};
use edr_http::{Operation, RequestPlan};
use edr_sim::{Access, FaultRule, KeyType, Sim};
use edr_tests::chaos::{Bench, Product, Task};
use edr_tests::deeds::{Deed, Ready};
use edr_tests::matrix::{Cell, ITEMS, Mode, PAGE, Row, Strike, cells, rows};
use edr_tests::write_matrix::{self as writes, Blow, When};
use futures_util::{StreamExt as _, stream};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How many cells run at the same time.
const AT_ONCE: usize = 8;

/// A piece of a secret of this length is as bad as the whole.
const PIECE: usize = 20;

/// Takes in whatever is written.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<u8>>>);

impl Ear {
    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl io::Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Ear {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What was said where, and the secrets that must not be in it.
#[derive(Default)]
struct Trial {
    said: Vec<(String, String)>,
    secrets: BTreeSet<String>,
}

impl Trial {
    fn join(&mut self, other: Self) {
        self.said.extend(other.said);
        self.secrets.extend(other.secrets);
    }

    /// Both forms of `Debug`.
    fn shows(&mut self, place: &str, value: &dyn Debug) {
        self.said.push((place.to_owned(), format!("{value:?} {value:#?}")));
    }

    /// An error in every form, with its causes.
    fn fails(&mut self, place: &str, error: &Error) {
        self.shows(place, error);
        self.said.push((place.to_owned(), error.to_string()));
        let mut cause = error.source();
        while let Some(error) = cause {
            self.said.push((format!("{place}, a cause"), format!("{error} {error:?}")));
            cause = error.source();
        }
    }

    fn knows(&mut self, sim: &Sim) {
        for tenant in sim.tenants() {
            self.secrets.insert(match &tenant.access {
                Access::Falcon { client_secret, .. } => client_secret.clone(),
                Access::Cortex { api_key, .. } => api_key.clone(),
            });
        }
    }

    /// The lines in which a secret stands.
    fn leaks(&self) -> Vec<String> {
        let pieces: HashSet<&[u8]> = self.secrets.iter().flat_map(|s| pieces(s.as_bytes())).collect();
        let tells = |line: &&str| line.as_bytes().windows(PIECE).any(|window| pieces.contains(window));
        let leak = |(place, text): &(String, String)| {
            let line = text.lines().find(tells)?;
            Some(format!("{place}: {}", line.chars().take(600).collect::<String>()))
        };
        self.said.iter().filter_map(leak).collect()
    }
}

/// The beginning, the middle and the end.
fn pieces(secret: &[u8]) -> [&[u8]; 3] {
    assert!(secret.len() >= PIECE, "a secret too short to be told from other text");
    let rest = secret.len() - PIECE;
    [0, rest / 2, rest].map(|from| &secret[from..from + PIECE])
}

/// Cells that wait for long or move much say nothing that others do not.
fn is_quick(row: &Row) -> bool {
    !matches!(
        row.name,
        "oversized" | "stall-body" | "stall-headers" | "429-date" | "429-epoch" | "429-seconds"
    )
}

/// Faults strike an operation while a task is carried out; everything that can be read afterwards.
async fn strike(name: &str, bench: &Bench, rules: Vec<FaultRule>, task: Task) -> Trial {
    let (truth, mut trial) = (bench.truth(task), Trial::default());
    bench.sim().inject(rules).expect("the rules make sense");
    let ended = bench.run(task, &truth, PAGE).await;
    trial.shows(&format!("{name}: the outcome"), &(&ended.outcome, &ended.rejected));
    trial.said.push((format!("{name}: the warnings"), ended.warnings.join("\n")));
    trial.said.push((format!("{name}: the summary"), ended.outcome.summary()));
    if let Some(error) = ended.outcome.error() {
        trial.fails(&format!("{name}: the error"), error);
    }
    trial.shows(&format!("{name}: the provider"), bench.provider());
    if task == Task::Check {
        let found = bench.provider().diagnose().await;
        trial.shows(&format!("{name}: the diagnosis"), &found);
        found.failures().for_each(|error| trial.fails(&format!("{name}: a probe"), error));
    }
    let urls = bench.sim().requests().last.into_iter().map(|r| format!("{} {:?}", r.path, r.query));
    trial.said.push((format!("{name}: the URLs"), urls.collect::<Vec<_>>().join("\n")));
    trial.knows(bench.sim());
    trial.secrets.extend(bench.wire.secrets());
    trial
}

async fn cell(cell: Cell<'_>, key: KeyType) -> Trial {
    let bench = Bench::start(cell.product, cell.product.simulator(ITEMS, ITEMS).key_type(key)).await;
    let (operation, path) = cell.product.operation(cell.task);
    let rules = match &cell.row.strike {
        Strike::Fault(fault) => vec![cell.mode.rule(cell.task, operation, fault.clone())],
        Strike::Refused => {
            bench.wire.refuse(&path, cell.mode.refuses(cell.task));
            Vec::new()
        }
    };
    strike(&format!("{} with the {} key", cell.name(), key.as_str()), &bench, rules, cell.task).await
}

/// The same faults where the token comes from: a token that cannot be read must not be quoted.
async fn token(row: &Row, mode: Mode) -> Trial {
    let Strike::Fault(fault) = &row.strike else { return Trial::default() };
    let bench = Bench::start(Product::Falcon, Product::Falcon.simulator(3, 0)).await;
    let rule = mode.rule(Task::Check, "oauth2AccessToken", fault.clone());
    strike(&format!("{} at the token endpoint, {mode:?}", row.name), &bench, vec![rule], Task::Check).await
}

/// The same for what changes something: receipts and their errors, and all that the response engine writes.
async fn change(cell: writes::Cell<'_>) -> Trial {
    let bench = Bench::start(cell.product, cell.product.simulator(ITEMS, ITEMS)).await;
    let ready = Ready::new(&bench, cell.deed).await;
    let (name, (operation, path)) = (cell.name(), cell.deed.operation(cell.product));
    match &cell.row.blow {
        Blow::Fault(fault) => {
            let rule = cell.when.rule(operation, fault.clone());
            bench.sim().inject(vec![rule]).expect("the rules make sense");
        }
        Blow::Nobody => bench.wire.refuse_from_now(path, cell.when.refuses()),
        _ => {}
    }
    let mut trial = Trial::default();
    if cell.deed.has_journal() {
        trial.shows(&format!("{name}: the claims"), &ready.go(&bench).await);
    } else {
        match ready.ask(&bench).await {
            Ok(receipts) => trial.shows(&format!("{name}: the receipts"), &receipts),
            Err(error) => trial.fails(&format!("{name}: the error"), &error),
        }
    }
    let written = ready.written();
    let least = if cell.deed.is_planned() { 3 } else { 2 };
    assert!(
        written.len() >= least || !cell.deed.has_journal(),
        "a journal, its head and a plan: {written:?}"
    );
    trial.said.extend(written);
    trial.knows(bench.sim());
    trial.secrets.extend(bench.wire.secrets());
    trial
}

/// What exists before a request is made.
async fn before() -> Trial {
    let mut trial = Trial::default();
    let sim = Sim::builder().falcon_tenants(2).cortex_tenants(2).start().await.expect("the simulator starts");
    trial.knows(&sim);
    let text = sim.config_toml();
    let config = Config::from_toml(&text).expect("a good configuration");
    trial.shows("the configuration", &config);
    trial.shows("the options", &Options::default());
    let estate = Estate::connect(&config, &Selection::all(), &Options::default()).expect("an estate");
    trial.shows("the estate", &estate);
    for (what, spoilt) in [
        ("an unknown key", text.replace("client_id", "client_ids")),
        ("no vendor", text.replace("vendor = ", "vendors = ")),
        (
            "a list of secrets",
            text.replace("client_secret = \"", "client_secret = [\"").replace("\"\n", "\"]\n"),
        ),
        ("damage behind a secret", text.replace("\"\nvendor", "\nvendor")),
        ("an address that is none", text.replace("http://", "http:")),
        ("plain http to a stranger", text.replace("http://127.0.0.1", "http://198.51.100.1")),
        (
            "exchanged credentials",
            text.replace("client_id", "x")
                .replace("client_secret", "client_id")
                .replace("x =", "client_secret ="),
        ),
    ] {
        refused(&mut trial, what, &spoilt);
    }
    for tenant in sim.tenants() {
        shown(&mut trial, &tenant.access);
    }
    trial
}

/// A configuration that is wrong is quoted in errors, and must not be with its secrets.
fn refused(trial: &mut Trial, what: &str, text: &str) {
    let connected = Config::from_toml(text)
        .and_then(|config| Estate::connect(&config, &Selection::all(), &Options::default()));
    match connected {
        Err(error) => trial.fails(what, &error),
        Ok(estate) => {
            trial.shows(what, &estate);
            let errors = estate.members().iter().filter_map(|m| m.provider.as_ref().err());
            errors.for_each(|error| trial.fails(what, error));
        }
    }
}

/// Builders, and a plan whose body holds the secret.
fn shown(trial: &mut Trial, access: &Access) {
    static SECRET: Operation = Operation::read("Secret", "none");
    let secret = match access {
        Access::Falcon { client_id, client_secret, .. } => {
            let builder = falcon::Falcon::builder("t", client_id, client_secret.clone().into());
            trial.shows("a builder of Falcon", &builder);
            trial.shows("Falcon", &builder.build());
            client_secret
        }
        Access::Cortex { api_key_id, api_key, .. } => {
            let builder = cortex_xdr::CortexXdr::builder("t", api_key_id, api_key.clone().into());
            trial.shows("a builder of Cortex XDR", &builder);
            let fqdn = "acme.xdr.eu.paloaltonetworks.com".parse().expect("an FQDN");
            trial.shows("Cortex XDR", &builder.fqdn(fqdn).build());
            api_key
        }
    };
    let plan = RequestPlan::post_form(&SECRET, "/oauth2/token", &[("client_secret", secret)]);
    trial.shows("a plan", &plan.query("token", secret.as_str()));
    trial.shows("a body", &RequestPlan::post_json(&SECRET, "/x", secret.clone()).body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_ever_told() {
    let ear = Ear::default();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(ear.clone())
        .init();
    let rows: Vec<Row> = rows().into_iter().filter(is_quick).collect();
    let mut trial = before().await;
    let broad = |cell: &Cell<'_>| cell.mode != Mode::Late && cell.task != Task::Alerts;
    let chosen: Vec<Cell<'_>> = cells(&rows).into_iter().filter(broad).collect();
    let count = chosen.len();
    let kinds = [KeyType::Advanced, KeyType::Standard];
    let trials = chosen.into_iter().enumerate().map(|(n, one)| cell(one, kinds[n % 2]));
    let mut trials = stream::iter(trials).buffer_unordered(AT_ONCE);
    while let Some(one) = trials.next().await {
        trial.join(one);
    }
    for row in &rows {
        trial.join(token(row, Mode::Once).await);
        trial.join(token(row, Mode::Ever).await);
    }
    let fates = writes::rows();
    let quick = |cell: &writes::Cell<'_>| {
        let slow = cell.row.name.starts_with("oversized") || cell.row.name.starts_with("stall");
        let all = matches!(cell.deed, Deed::PlanContain | Deed::Push);
        !slow && all && cell.when == When::Once
    };
    let changes: Vec<_> = writes::cells(&fates).into_iter().filter(quick).map(change).collect();
    let mut changes = stream::iter(changes).buffer_unordered(AT_ONCE);
    while let Some(one) = changes.next().await {
        trial.join(one);
    }
    let log = ear.heard();
    println!(
        "{count} cells, {} secrets, {} texts, {} bytes of log",
        trial.secrets.len(),
        trial.said.len(),
        log.len()
    );
    assert!(count > 200 && trial.secrets.len() > 500, "{count} cells, {} secrets", trial.secrets.len());
    for level in ["TRACE edr.request", "DEBUG edr.request", "[redacted]", "hyper"] {
        assert!(log.contains(level), "nothing was heard of {level}");
    }
    trial.said.extend(log.lines().map(|line| ("the log".to_owned(), line.to_owned())));
    let leaks = trial.leaks();
    assert!(
        leaks.is_empty(),
        "{} leaks:\n{}",
        leaks.len(),
        leaks.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
    );
    // The search itself can find: a secret that is put among the rest is told of.
    let planted = trial.secrets.iter().next_back().cloned().expect("a secret");
    trial.said.push(("planted".to_owned(), format!("x{planted}y")));
    assert_eq!(trial.leaks().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_through_the_estate_tells_none_either() {
    let bench = Bench::start(Product::Falcon, Product::Falcon.simulator(3, 0)).await;
    let found = bench.provider().find_hosts("nobody").await.expect("a search that finds nothing");
    assert!(found.is_empty());
    let mut trial = Trial::default();
    trial.knows(bench.sim());
    trial.secrets.extend(bench.wire.secrets());
    trial.shows("what a search leaves behind", bench.provider());
    assert!(trial.secrets.len() >= 2 && trial.leaks().is_empty());
}
