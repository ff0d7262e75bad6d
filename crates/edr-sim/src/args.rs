//! `edr sim serve`: its flags, and its life from the ready line to the signal.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::builder::{MOST_CHILDREN, SimBuilder};
use crate::config::FIRST_LINE;
use crate::estate_file::EstateFile;
use crate::faults::parse_rules;
use crate::files::{file_error, read_up_to, refuse_foreign, write_whole};
use crate::sim::{Sim, SimError};
use crate::state::KeyType;

/// How large a file of fault rules may be.
const FAULTS_MIB: u64 = 1;

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnOff {
    /// On.
    On,
    /// Off.
    Off,
}

/// The flags of `edr sim serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Where to listen; port 0 takes free ports, port P takes P for the control plane, P+1 for Falcon, P+2… for Cortex, and the next for the second region
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0", value_parser = loopback)]
    pub listen: SocketAddr,
    /// Answer over TLS, with a certificate of an authority made for this run; the control plane stays on plain HTTP
    #[arg(long)]
    pub tls: bool,
    /// Where to write the authority's certificate [default: a file in a new temporary folder, named in the ready line]
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub ca_file: Option<PathBuf>,
    /// Open a second region of Falcon (sim-2), to which the control plane moves tenants: the other answers 308
    #[arg(long)]
    pub second_region: bool,
    /// The seed of the estate, the ids and the credentials
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How many Falcon tenants
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=1000))]
    pub falcon_tenants: u64,
    /// How many Cortex tenants
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=1000))]
    pub cortex_tenants: u64,
    /// How many children each Falcon tenant has (Flight Control), each with hosts and alerts of its own
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=MOST_CHILDREN))]
    pub children: u64,
    /// Hosts of each Falcon tenant
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub falcon_hosts: u64,
    /// Hosts of each Cortex tenant
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub cortex_hosts: u64,
    /// Alerts of each tenant
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(0..=1_000_000_000))]
    pub alerts: u64,
    /// Tenants, hosts and alerts by hand (TOML or JSON), or a recorded reply or a folder of them; replaces the counts of tenants
    #[arg(long, value_name = "FILE", conflicts_with_all = ["falcon_tenants", "cortex_tenants", "children"])]
    pub estate: Option<PathBuf>,
    /// A delay before every answer (150ms, 2s)
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = duration)]
    pub latency: Duration,
    /// Whether rate limits are enforced
    #[arg(long, value_enum, default_value_t = OnOff::On)]
    pub enforce_limits: OnOff,
    /// A JSON array of fault rules
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// The generation of the Cortex tenants: 3 (alerts, incidents) or 5 (issues, cases)
    #[arg(long, value_name = "3|5", default_value_t = 3, value_parser = generation)]
    pub cortex_generation: u8,
    /// The kind of the Cortex keys
    #[arg(long, value_enum, default_value_t = KeyType::Advanced)]
    pub key_type: KeyType,
    /// How long the Cortex keys live from the start on; without an end when it is not given
    #[arg(long, value_name = "DURATION", value_parser = life)]
    pub key_expires: Option<Duration>,
    /// How long a Falcon token lives
    #[arg(long, value_name = "DURATION", default_value = "1799s", value_parser = life)]
    pub token_ttl: Duration,
    /// How long a sensor that is online takes to carry out an order
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub sensor_delay: Duration,
    /// How long a change takes to reach Falcon's searches, and a change of a Falcon alert to be seen at all
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
    pub search_lag: Duration,
    /// Into how many partitions Falcon cuts its event stream
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub stream_partitions: u64,
    /// How long an event stream of Falcon is silent before it sends a heartbeat
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = life)]
    pub stream_heartbeat: Duration,
    /// Where to write a configuration of `edr` that reaches the tenants (mode 600); only a file written by this flag is overwritten
    #[arg(long, value_name = "FILE")]
    pub write_config: Option<PathBuf>,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| format!("{text} is not ADDR:PORT"))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("the simulator listens on loopback only".to_owned())
    }
}

fn generation(text: &str) -> Result<u8, String> {
    match text {
        "3" => Ok(3),
        "5" => Ok(5),
        _ => Err("the generation is 3 or 5".to_owned()),
    }
}

/// A duration as people write it: `150ms`, `2s`, `30m`, `1h30m`, `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a duration such as 150ms, 2s, 30m, 1h30m or 7d");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let millis = unit(&rest[..letters])
            .and_then(|ms| number.checked_mul(ms))
            .filter(|ms| *ms < 1 << 52)
            .ok_or_else(wrong)?;
        total = total.saturating_add(Duration::from_millis(millis));
        rest = &rest[letters..];
    }
    Ok(total)
}

/// A duration in which something can be used at all.
fn life(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must live longer than that".to_owned()),
        life => Ok(life),
    }
}

fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    })
}

impl ServeArgs {
    fn builder(&self) -> Result<SimBuilder, SimError> {
        let mut builder = Sim::builder()
            .listen(self.listen)
            .seed(self.seed)
            .falcon_tenants(self.falcon_tenants)
            .cortex_tenants(self.cortex_tenants)
            .children(self.children)
            .falcon_hosts(self.falcon_hosts)
            .cortex_hosts(self.cortex_hosts)
            .alerts(self.alerts)
            .latency(self.latency)
            .enforce_limits(self.enforce_limits == OnOff::On)
            .cortex_generation(self.cortex_generation)
            .key_type(self.key_type)
            .cortex_key_life(self.key_expires)
            .token_ttl(self.token_ttl)
            .tls(self.tls)
            .second_region(self.second_region)
            .sensor_delay(self.sensor_delay)
            .stream_partitions(self.stream_partitions)
            .stream_heartbeat(self.stream_heartbeat)
            .search_lag(self.search_lag);
        if let Some(path) = &self.estate {
            builder = builder.estate(EstateFile::read(path)?);
        }
        if let Some(path) = &self.faults {
            let text = read_up_to(path, FAULTS_MIB)?;
            let rules =
                parse_rules(&text).map_err(|why| SimError::Invalid(format!("{}: {why}", path.display())))?;
            builder = builder.faults(rules);
        }
        Ok(builder)
    }
}

/// Serves until SIGINT or SIGTERM. Prints exactly one line on standard output, when everything is ready.
///
/// # Errors
/// When an address, a file or a value is no good.
pub async fn serve(args: ServeArgs) -> Result<(), SimError> {
    // Before the ready line: a signal that comes right after it must not kill.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    if let Some(path) = &args.write_config {
        refuse_foreign(path, |text| text.starts_with(FIRST_LINE.as_bytes()))?;
    }
    let mut sim = args.builder()?.start().await?;
    sim.write_ca(args.ca_file.as_deref())?;
    if let Some(path) = &args.write_config {
        write_whole(path, &sim.config_toml(), 0o600).map_err(|e| file_error(path, e))?;
    }
    let mut out = std::io::stdout();
    writeln!(out, "{}", sim.ready_line())?;
    out.flush()?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    sim.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let ms = |text| duration(text).map(|d| d.as_millis());
        assert_eq!(ms("150ms"), Ok(150));
        assert_eq!(ms("1h30m"), Ok(5_400_000));
        assert_eq!(ms("7d"), Ok(604_800_000));
        for bad in ["", "5", "m", "5x", "-5s", "5 s", "99999999999999999999s", "18446744073709551615d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        serve: ServeArgs,
    }

    #[test]
    fn what_is_dead_from_the_start_is_refused() {
        use clap::Parser;
        for flag in ["--token-ttl", "--key-expires"] {
            let parse = |life| Line::try_parse_from(["edr-sim", flag, life]);
            assert!(parse("1ms").is_ok(), "{flag}");
            for zero in ["0s", "0ms", "0d0h"] {
                let why = parse(zero).unwrap_err().to_string();
                assert!(why.contains(flag) && why.contains("must live longer"), "{why}");
            }
        }
    }

    #[test]
    fn rules_without_an_end_are_refused() {
        use clap::Parser;
        let line = Line::try_parse_from(["edr-sim", "--faults", "/dev/zero"]).unwrap();
        let why = line.serve.builder().unwrap_err().to_string();
        assert_eq!(why, "/dev/zero: is larger than 1 MiB");
    }

    #[test]
    fn only_loopback() {
        assert!(loopback("127.0.0.1:0").is_ok());
        assert!(loopback("0.0.0.0:80").is_err());
        assert!(loopback("here").is_err());
    }
}
