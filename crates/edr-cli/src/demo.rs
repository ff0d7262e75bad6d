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
            .enforce_limits(false);
        let sim =
            builder.start().await.map_err(|e| Failure::Other(format!("the demo does not start: {e}")))?;
        let mut config = Config::from_toml(&sim.config_toml())?;
        // Its secrets open nothing but itself.
        config.warnings.clear();
        Ok(Self { config, _sim: sim })
    }
}
