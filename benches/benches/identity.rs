//! The machines behind 100,000 agents. It fails when finding them takes five seconds or more.

use std::process::ExitCode;
use std::time::Duration;

use edr::identity::{Identity, IdentityConfig};
use edr_benches::Times;
use edr_tests::fleet;

const MACHINES: u32 = 45_600;
const RUNS: usize = 5;
const MOST: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let agents = fleet::agents(1, MACHINES);
    let mut whole = Times::default();
    let mut found = 0;
    for _ in 0..RUNS {
        #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
        let begin = std::time::Instant::now();
        let config = IdentityConfig::new().one_customer("acme", ["acme", "acme-xdr"]);
        let mut identity = Identity::new(config);
        identity.upsert(agents.iter().map(|a| &a.host));
        found = identity.resolve().len();
        whole.add(begin.elapsed());
    }
    println!("{} agents on {MACHINES} machines: {found} machines found, {whole}", agents.len());
    if whole.median() >= MOST {
        eprintln!("slower than {} s", MOST.as_secs());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
