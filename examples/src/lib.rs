//! What the examples share: a configuration of the user's own, or an embedded simulator.

pub mod cortex;
pub mod falcon;

use std::path::Path;

use edr::Config;
use edr_sim::Sim;

/// Where an example finds its tenants.
#[derive(Debug)]
pub struct Source {
    config: Config,
    /// Kept so that it runs as long as the example does.
    sim: Option<Sim>,
}

impl Source {
    /// The configuration named as the first argument; without one, a simulated estate of both vendors.
    ///
    /// # Errors
    /// When the file cannot be used, or the simulator cannot listen on loopback.
    pub async fn from_arguments() -> anyhow::Result<Self> {
        match std::env::args().nth(1) {
            Some(path) => {
                let config = Config::load(Some(Path::new(&path)), &|name| std::env::var(name).ok())?;
                Ok(Self { config, sim: None })
            }
            None => Self::simulated().await,
        }
    }

    /// A simulated estate of both vendors.
    ///
    /// # Errors
    /// When the simulator cannot listen on loopback.
    pub async fn simulated() -> anyhow::Result<Self> {
        let sim = Sim::builder().falcon_hosts(40).cortex_hosts(40).alerts(120).start().await?;
        Ok(Self { config: Config::from_toml(&sim.config_toml())?, sim: Some(sim) })
    }

    /// The tenants.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The simulator, if there is one.
    #[must_use]
    pub fn sim(&self) -> Option<&Sim> {
        self.sim.as_ref()
    }
}
