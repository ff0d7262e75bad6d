//! A crowd of simulated tenants of both vendors, of which three can be sick: one is dead, one is slow,
//! one is rate-limited.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use edr::{Config, ErrorKind, Estate, EstateEvent, HostQuery, Options, Outcome, Selection, TenantOutcome};
use edr_sim::{Fault, FaultKind, FaultRule, Sim};
use futures_util::StreamExt as _;
use tokio::time::Instant;

/// Nobody listens at its address.
pub const DEAD: &str = "t001-falcon";
/// It answers every call after half a minute.
pub const SLOW: &str = "t002-cortex";
/// It answers every call with 429 and asks for a second.
pub const LIMITED: &str = "t003-falcon";
/// The three. They come first in the order of names, so that they hold their turns from the beginning.
pub const SICK: [&str; 3] = [DEAD, SLOW, LIMITED];

/// The crowd.
#[derive(Debug)]
pub struct Crowd {
    sim: Sim,
}

impl Crowd {
    /// So many tenants of each vendor, each with so many hosts, and a delay before every answer.
    pub async fn start(pairs: u64, hosts: u64, latency: Duration) -> Self {
        let sim = Sim::builder().falcon_tenants(pairs).cortex_tenants(pairs).alerts(0).latency(latency);
        // Run after run from one address would soon use up Falcon's allowance of tokens for an address.
        let sim = sim.falcon_hosts(hosts).cortex_hosts(hosts).enforce_limits(false);
        Self { sim: sim.start().await.expect("the simulator starts") }
    }

    /// All tenants, and all are well.
    #[must_use]
    pub fn well(&self) -> Estate {
        self.sim.clear_faults();
        connect(&config(&self.sim, None), &Selection::all())
    }

    /// The tenants that are well, alone.
    #[must_use]
    pub fn without(&self) -> Estate {
        self.sim.clear_faults();
        let config = config(&self.sim, None);
        let names = config.tenants.iter().map(|t| t.name.to_string()).filter(|n| !SICK.contains(&n.as_str()));
        connect(&config, &Selection::names(names))
    }

    /// All tenants, of which three are sick.
    #[must_use]
    pub fn beside(&self) -> Estate {
        self.sim.clear_faults();
        let slow = Fault { delay_ms: Some(30_000), ..FaultKind::StallHeaders.into() };
        let rules = [("cortex-2", slow), ("falcon-3", FaultKind::TooManySeconds.into())];
        let rules = rules.map(|(tenant, fault)| FaultRule {
            tenant: Some(tenant.to_owned()),
            ..FaultRule::always("*", fault)
        });
        self.sim.inject(rules.to_vec()).expect("the rules make sense");
        connect(&config(&self.sim, Some(&nowhere())), &Selection::all())
    }

    /// How long it takes until all tenants but these are complete. The rest is given up then.
    pub async fn time(&self, estate: &Estate, but: &[&str]) -> Duration {
        let counts = |name: &str| !but.contains(&name);
        let mut open = estate.members().iter().filter(|m| counts(m.tenant.as_str())).count();
        let began = Instant::now();
        let mut events = estate.hosts(HostQuery::new());
        while open > 0 {
            match events.next().await.expect("every tenant ends") {
                EstateEvent::Done(end) if counts(end.tenant.as_str()) => {
                    assert!(end.outcome.is_complete(), "{}: {}", end.tenant, end.outcome.summary());
                    open -= 1;
                }
                _ => {}
            }
        }
        began.elapsed()
    }

    /// How each tenant ends.
    pub async fn outcomes(&self, estate: &Estate) -> Vec<TenantOutcome> {
        let mut outcomes = Vec::new();
        let mut events = estate.hosts(HostQuery::new());
        while let Some(event) = events.next().await {
            if let EstateEvent::Done(end) = event {
                outcomes.push(end);
            }
        }
        outcomes
    }
}

/// The three are named with what is wrong with them, and all others are complete.
///
/// # Panics
/// When it is not so.
pub fn check(outcomes: &[TenantOutcome], tenants: u64, hosts: u64) {
    assert_eq!(outcomes.len() as u64, tenants, "each tenant ends once");
    let sick: BTreeMap<&str, ErrorKind> =
        [(DEAD, ErrorKind::Network), (SLOW, ErrorKind::Timeout), (LIMITED, ErrorKind::RateLimited)].into();
    for end in outcomes {
        let name = end.tenant.as_str();
        let summary = end.outcome.summary();
        match (sick.get(name), &end.outcome) {
            (Some(kind), Outcome::Failed { error }) => {
                assert_eq!((error.kind(), error.tenant()), (*kind, Some(&end.tenant)), "{name}: {summary}");
            }
            (None, Outcome::Complete) => assert_eq!(end.items, hosts, "{name}"),
            _ => panic!("{name}: {summary}"),
        }
    }
}

fn connect(config: &Config, selection: &Selection) -> Estate {
    Estate::connect(config, selection, &Options::default()).expect("the tenants are there")
}

/// An address on which nobody listens.
fn nowhere() -> String {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    format!("http://{free}")
}

/// The simulator's configuration, its tenants renamed so that both vendors take turns; one may be at
/// another address.
fn config(sim: &Sim, dead: Option<&str>) -> Config {
    let mut name = String::new();
    let mut text = String::new();
    for line in sim.config_toml().lines() {
        if let Some((vendor, number)) = line.strip_prefix("[tenants.").and_then(|l| l.split_once('-')) {
            let number: u64 = number.trim_end_matches(']').parse().expect("tenants are numbered");
            name = format!("t{number:03}-{vendor}");
            text.push_str(&format!("[tenants.{name}]\n"));
        } else if let Some(address) = dead.filter(|_| name == DEAD && line.starts_with("base_url")) {
            text.push_str(&format!("base_url = \"{address}\"\n"));
        } else {
            text.push_str(&format!("{line}\n"));
        }
    }
    Config::from_toml(&text).expect("the simulator's configuration is good")
}
