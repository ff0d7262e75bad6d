//! `--demo`: an estate in this process.

use edr::Config;

use crate::errors::Failure;

/// A running simulator and the configuration that reaches it. It stops when it is dropped.
pub(crate) struct Demo {
    /// The tenants.
    pub(crate) config: Config,
    _sim: edr_sim::Sim,
}

/// Hosts of each vendor.
const FALCON_HOSTS: u64 = 120;
const CORTEX_HOSTS: u64 = 80;
const ALERTS: u64 = 60;

impl Demo {
    /// Starts the simulator, without rate limits.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let builder = edr_sim::Sim::builder()
            .seed(1)
            .falcon_hosts(FALCON_HOSTS)
            .cortex_hosts(CORTEX_HOSTS)
            .alerts(ALERTS)
            .sensor_delay(std::time::Duration::ZERO)
            .search_lag(std::time::Duration::ZERO)
            .enforce_limits(false);
        let sim =
            builder.start().await.map_err(|e| Failure::Other(format!("the demo does not start: {e}")))?;
        for tenant in ["falcon-1", "cortex-1"] {
            contain_some(&sim, tenant);
        }
        let mut config = Config::from_toml(&sim.config_toml())?;
        // Its secrets open nothing but itself.
        config.warnings.clear();
        // Some machines of the estate carry both agents.
        config.customers.insert("demo".to_owned(), vec!["falcon-1".into(), "cortex-1".into()]);
        Ok(Self { config, _sim: sim })
    }
}

/// A few hosts are contained, and one that is off line waits for it, so that there is something to see.
fn contain_some(sim: &edr_sim::Sim, tenant: &str) {
    let Some(estate) = sim.estate(tenant) else { return };
    let (online, offline): (Vec<u64>, Vec<u64>) = (0..estate.host_count()).partition(|i| estate.online(*i));
    for index in online.iter().skip(9).step_by(31).take(2).chain(offline.iter().take(1)) {
        // A host that is contained already is as good.
        let _ = estate.request_contain(*index);
    }
}
