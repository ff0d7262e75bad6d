//! `edr report`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use edr::coverage::Check;

use super::global::VendorChoice;
use crate::output::time::duration;

/// Reports.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub(crate) enum ReportCommand {
    /// What runs which agent, and what runs none
    #[command(after_help = COVERAGE)]
    Coverage(Box<CoverageArgs>),
}

const COVERAGE: &str = "\
Examples:
  edr report coverage --demo
  edr report coverage --denominator cmdb.csv --out coverage.html
  edr report coverage --denominator ad.csv --check 'coverage>=98%' --check 'unprotected=0' -q
  edr report coverage -o csv | grep ,missing,

A table shows the figures, and `wide` the machines as well; json and yaml are the whole report; csv, jsonl and
a pipe get one row a machine. The denominator is a CSV file with a header; columns such as hostname, fqdn, domain,
serial, mac and ip are recognised in any order.
Exit code 10 when a check is not met, 3 when a tenant was not read to its end. docs/REPORT.md has all of it.";

/// What `report coverage` takes.
#[derive(Debug, Args)]
pub(crate) struct CoverageArgs {
    /// The machines that should be there: a CSV file, such as a CMDB or a directory writes it
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) denominator: Option<PathBuf>,
    /// An agent that was not seen for so long is stale
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = duration)]
    pub(crate) stale: Duration,
    /// The newest release of an agent, where the newest that was seen is not it: falcon=7.30, cortex/linux=9.1 (repeatable)
    #[arg(long, value_name = "VENDOR[/PLATFORM]=VERSION", value_parser = newest)]
    pub(crate) newest: Vec<Newest>,
    /// What must hold, such as coverage>=98% or stale<=10 (repeatable)
    #[arg(long, value_name = "CHECK", value_parser = check)]
    pub(crate) check: Vec<Check>,
    /// Write into this file; without -o its ending says the format: html, json, jsonl, csv or yaml
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// The newest release of an agent.
#[derive(Clone, Debug)]
pub(crate) struct Newest {
    /// Whose agent.
    pub(crate) vendor: &'static str,
    /// For one platform alone.
    pub(crate) platform: Option<String>,
    /// The version.
    pub(crate) version: String,
}

fn check(text: &str) -> Result<Check, String> {
    text.parse().map_err(|error: edr::Error| error.message().to_owned())
}

fn newest(text: &str) -> Result<Newest, String> {
    let form = "write falcon=7.30 or cortex/linux=9.1";
    let (agent, version) = text.split_once('=').ok_or(form)?;
    let (vendor, platform) = agent.split_once('/').map_or((agent, None), |(v, p)| (v, Some(p.to_owned())));
    let vendor = <VendorChoice as clap::ValueEnum>::from_str(vendor, true).map_err(|_| form)?;
    let digits = version.starts_with(|c: char| c.is_ascii_digit()) && version.contains('.');
    if !digits {
        return Err(form.to_owned());
    }
    Ok(Newest { vendor: vendor.word(), platform, version: version.to_owned() })
}
