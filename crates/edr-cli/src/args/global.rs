//! Flags that every command takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use edr::Selection;

use crate::output::Format;
use crate::output::time::{Zone, duration};

/// Flags that every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Only this tenant, by its exact name (repeatable)
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) tenant: Vec<String>,
    /// All tenants; reads do so anyway
    #[arg(long, global = true, conflicts_with = "tenant")]
    pub(crate) all_tenants: bool,
    /// All children of this Flight Control parent, without the parent (repeatable)
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "all_tenants")]
    pub(crate) children_of: Vec<String>,
    /// Only tenants with this tag (repeatable: one of them is enough)
    #[arg(long, global = true, value_name = "TAG")]
    pub(crate) tenant_tag: Vec<String>,
    /// Only tenants of this vendor
    #[arg(long, global = true, value_enum)]
    pub(crate) vendor: Option<VendorChoice>,
    /// The configuration file [env: EDR_CONFIG] [default: $XDG_CONFIG_HOME/edr/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The format [default: table on a terminal, tab-separated values in a pipe]
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<FormatChoice>,
    /// Only these fields, by their names in the model, comma-separated
    #[arg(long, global = true, value_name = "FIELDS", value_delimiter = ',')]
    pub(crate) columns: Option<Vec<String>>,
    /// The zone of times: utc, local or an offset such as +02:00
    #[arg(long, global = true, value_name = "ZONE", default_value = "utc", allow_hyphen_values = true)]
    pub(crate) tz: Zone,
    /// When to colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,
    /// No progress, warnings or notes; errors and the outcome stay
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say on standard error what is done; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Print every request and answer on standard error, without secrets [env: EDR_DEBUG]
    #[arg(long, global = true)]
    pub(crate) debug: bool,
    /// Time for the whole command, such as 30s or 5m; what came by then is kept
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Use a simulated estate with both vendors; no credentials needed
    #[cfg(feature = "sim")]
    #[arg(long, global = true, conflicts_with = "config")]
    pub(crate) demo: bool,
    /// The tenants were not named by the user: one that nobody knows any more is left out.
    #[arg(skip)]
    pub(crate) known_only: bool,
}

impl Globals {
    /// The tenants that are asked for.
    pub(crate) fn selection(&self) -> Selection {
        let mut selection = Selection::names(&self.tenant);
        selection.tags.clone_from(&self.tenant_tag);
        selection.children_of.clone_from(&self.children_of);
        selection.vendor = self.vendor.map(|v| v.word().to_owned());
        selection.known_only = self.known_only;
        selection
    }

    /// What narrows the tenants, in words.
    pub(crate) fn selected_words(&self) -> Vec<String> {
        let named = [("tenant", &self.tenant), ("children-of", &self.children_of), ("tag", &self.tenant_tag)];
        let words =
            named.iter().flat_map(|(what, names)| names.iter().map(move |name| format!("{what}={name}")));
        let mut words: Vec<String> =
            words.chain(self.vendor.map(|vendor| format!("vendor={}", vendor.word()))).collect();
        words.sort();
        words
    }

    /// True when the estate is a simulated one; never in a program without the simulator.
    pub(crate) fn is_demo(&self) -> bool {
        #[cfg(feature = "sim")]
        return self.demo;
        #[cfg(not(feature = "sim"))]
        return false;
    }

    /// True when the command line itself narrows the tenants.
    pub(crate) fn narrows(&self) -> bool {
        !self.tenant.is_empty()
            || !self.children_of.is_empty()
            || !self.tenant_tag.is_empty()
            || self.vendor.is_some()
    }

    /// The first flag that means nothing to a command without tenants and records.
    pub(crate) fn misplaced(&self) -> Option<&'static str> {
        let flags = [
            (!self.tenant.is_empty(), "--tenant"),
            (self.all_tenants, "--all-tenants"),
            (!self.children_of.is_empty(), "--children-of"),
            (!self.tenant_tag.is_empty(), "--tenant-tag"),
            (self.vendor.is_some(), "--vendor"),
            (self.config.is_some(), "--config"),
            (self.output.is_some(), "--output"),
            (self.columns.is_some(), "--columns"),
            (self.timeout.is_some(), "--timeout"),
            (self.is_demo(), "--demo"),
        ];
        flags.into_iter().find(|(given, _)| *given).map(|(_, flag)| flag)
    }

    /// True when a page is asked for.
    pub(crate) fn wants_html(&self) -> bool {
        self.output == Some(FormatChoice::Html)
    }

    /// The format.
    pub(crate) fn format(&self, terminal: bool) -> Format {
        match self.output {
            Some(FormatChoice::Csv) => Format::Csv,
            Some(FormatChoice::Ecs) => Format::Ecs,
            Some(FormatChoice::Json) => Format::Json,
            Some(FormatChoice::Jsonl) => Format::Jsonl,
            Some(FormatChoice::Ocsf) => Format::Ocsf,
            // The page is made by the command itself: see `wants_html`.
            Some(FormatChoice::Html | FormatChoice::Table) => Format::Table,
            Some(FormatChoice::Wide) => Format::Wide,
            Some(FormatChoice::Yaml) => Format::Yaml,
            None if terminal => Format::Table,
            None => Format::Tsv,
        }
    }
}

/// The formats that `-o` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatChoice {
    /// For a person
    Table,
    /// A table with more columns and whole values
    Wide,
    /// One array
    Json,
    /// One object a line
    Jsonl,
    /// Comma-separated values with a header
    Csv,
    /// A list
    Yaml,
    /// A page by itself; reports alone
    Html,
    /// One event of OCSF 1.8.0 a line; hosts, alerts, cases and indicators
    Ocsf,
    /// One document of ECS 9 a line; hosts and alerts
    Ecs,
}

/// The vendors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VendorChoice {
    /// CrowdStrike Falcon
    Falcon,
    /// Palo Alto Cortex XDR
    Cortex,
}

impl VendorChoice {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Cortex => "cortex",
            Self::Falcon => "falcon",
        }
    }
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The environment, as far as colour goes.
pub(crate) struct ColorEnv<'a> {
    /// Looks a variable up.
    pub(crate) var: &'a dyn Fn(&str) -> Option<String>,
    /// Standard output is a terminal.
    pub(crate) terminal: bool,
}

impl ColorChoice {
    /// Whether to colour: the flag, then `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR`, then the terminal.
    pub(crate) fn wants(self, env: &ColorEnv<'_>) -> bool {
        let set = |name: &str| (env.var)(name).filter(|v| !v.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if set("NO_COLOR").is_some() => false,
            Self::Auto if set("CLICOLOR_FORCE").is_some_and(|v| v != "0") => true,
            Self::Auto if set("CLICOLOR").is_some_and(|v| v == "0") => false,
            Self::Auto => env.terminal && set("TERM").is_none_or(|t| t != "dumb"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(choice: ColorChoice, terminal: bool, pairs: &[(&str, &str)]) -> bool {
        let var = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        choice.wants(&ColorEnv { var: &var, terminal })
    }

    #[test]
    fn colour_follows_flag_then_environment_then_terminal() {
        assert!(wants(ColorChoice::Auto, true, &[]));
        assert!(!wants(ColorChoice::Auto, false, &[]));
        assert!(!wants(ColorChoice::Auto, true, &[("NO_COLOR", "1")]));
        assert!(wants(ColorChoice::Auto, true, &[("NO_COLOR", "")]));
        assert!(!wants(ColorChoice::Auto, true, &[("CLICOLOR", "0")]));
        assert!(wants(ColorChoice::Auto, false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!wants(ColorChoice::Auto, true, &[("TERM", "dumb")]));
        assert!(wants(ColorChoice::Always, false, &[("NO_COLOR", "1")]));
        assert!(!wants(ColorChoice::Never, true, &[("CLICOLOR_FORCE", "1")]));
    }
}
