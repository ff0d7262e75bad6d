//! What every command works with: the flags, the view, the voice, the tenants.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use edr::core::clock::{Clock as _, SystemClock};
use edr::{Config, Estate, FileTokenStore, Options, TenantConfig, TokenStore};
use tokio::time::Instant;

use crate::args::Globals;
use crate::errors::Failure;
use crate::interrupt::{GRACE, Interrupt};
use crate::output::style::Palette;
use crate::output::{Format, Record, View};
use crate::report::Report;

/// What every command works with.
pub(crate) struct Context {
    /// The flags of every command.
    pub(crate) globals: Globals,
    /// Standard error.
    pub(crate) report: Report,
    /// Ctrl-C.
    pub(crate) interrupt: Interrupt,
    /// How records are shown.
    pub(crate) view: View,
    /// Standard output is a terminal.
    pub(crate) terminal: bool,
    /// When the command began.
    started: Instant,
}

/// The tenants of a command, and what keeps them alive.
pub(crate) struct Session {
    /// The configuration.
    pub(crate) config: Config,
    /// The tenants, where children of Flight Control had to be asked for.
    discovered: Option<Estate>,
    #[cfg(feature = "sim")]
    _demo: Option<crate::demo::Demo>,
}

impl Context {
    /// Reads the surroundings.
    pub(crate) fn new(globals: Globals, interrupt: Interrupt) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let format = globals.format(terminal);
        let var = |name: &str| std::env::var(name).ok();
        let colored = globals.color.wants(&crate::args::ColorEnv { var: &var, terminal });
        let view = View {
            format,
            columns: globals.columns.clone(),
            zone: globals.tz,
            palette: Palette(colored),
            width: width(),
            now: SystemClock.now(),
        };
        let report = Report::new(format.is_json(), globals.quiet).without_progress(globals.debug);
        Self { globals, report, interrupt, view, terminal, started: Instant::now() }
    }

    /// The present.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.view.now
    }

    /// Checks `--columns` and `--raw` against what is shown.
    pub(crate) fn check_view<T: Record>(&self, raw: bool) -> Result<(), Failure> {
        crate::output::standard::check::<T>(&self.view)?;
        let names = self.view.columns.iter().flatten();
        if let Some(stranger) = names.into_iter().find(|n| T::column(n).is_none()) {
            return Err(unknown_column::<T>(stranger));
        }
        if raw && !self.view.format.is_record() {
            return Err(Failure::usage("--raw needs -o json, jsonl, yaml, ocsf or ecs"));
        }
        if raw && self.view.columns.is_some() {
            return Err(Failure::usage("--raw and --columns exclude each other"));
        }
        Ok(())
    }

    /// True with `--demo`.
    pub(crate) fn is_demo(&self) -> bool {
        #[cfg(feature = "sim")]
        return self.globals.demo;
        #[cfg(not(feature = "sim"))]
        false
    }

    /// Whether a table stops after its first rows.
    pub(crate) fn is_short(&self) -> bool {
        self.terminal && matches!(self.view.format, Format::Table | Format::Wide)
    }

    /// Reads the configuration, or starts the demo, and asks for the children that are selected.
    pub(crate) async fn session(&self) -> Result<Session, Failure> {
        let session = self.configured().await?;
        self.discover(session).await
    }

    /// As [`Self::session`], for a command that tells the warnings itself.
    pub(crate) async fn open(&self) -> Result<Session, Failure> {
        let session = self.load().await?;
        self.discover(session).await
    }

    /// As [`Self::session`], for tenants that the user did not name: those that are chosen, as far as they are known still.
    pub(crate) async fn session_of(
        &mut self,
        choose: impl FnOnce(&Config) -> Vec<String>,
    ) -> Result<Session, Failure> {
        let session = self.load().await?;
        (self.globals.tenant, self.globals.known_only) = (choose(&session.config), true);
        self.warn_of(&session)?;
        self.discover(session).await
    }

    /// As [`Self::session`], without asking for children: nothing is sent.
    pub(crate) async fn configured(&self) -> Result<Session, Failure> {
        let session = self.load().await?;
        self.warn_of(&session)?;
        Ok(session)
    }

    /// Reads the configuration, or starts the demo, and says nothing.
    pub(crate) async fn load(&self) -> Result<Session, Failure> {
        #[cfg(feature = "sim")]
        if self.globals.demo {
            let demo = crate::demo::Demo::start().await?;
            self.report.note("demo", "demo: a simulated estate, nothing in it is real");
            return Ok(Session { config: demo.config.clone(), discovered: None, _demo: Some(demo) });
        }
        Ok(Session {
            config: self.configuration()?,
            discovered: None,
            #[cfg(feature = "sim")]
            _demo: None,
        })
    }

    /// Asks for the children of Flight Control that are selected and that the configuration does not have:
    /// once a run, and not at all where none is.
    pub(crate) async fn discover(&self, mut session: Session) -> Result<Session, Failure> {
        let selection = self.globals.selection();
        if !session.config.reaches_children(&selection) {
            return Ok(session);
        }
        let options = self.options(&session)?;
        let estate = tokio::select! {
            () = self.interrupt.raised() => return Err(Failure::Interrupted),
            estate = Estate::discover(&session.config, &selection, &options) => estate,
        };
        let estate = estate.map_err(|e| self.misnamed(&session, e))?;
        estate.warnings().iter().for_each(|w| self.report.warn("read", Some(&w.tenant), &w.message));
        session.discovered = Some(estate);
        Ok(session)
    }

    /// Tells what is odd about the configuration, as far as it is about what is selected.
    fn warn_of(&self, session: &Session) -> Result<(), Failure> {
        let selected = self.selected(session)?;
        let is_about = |w: &str, t: &TenantConfig| is_warning_of(t.name.as_str(), w);
        let others = |w: &str| session.config.tenants.iter().any(|t| is_about(w, t));
        let parent = |w: &str| {
            let mut named = self.globals.tenant.iter().chain(&self.globals.children_of);
            named.any(|n| is_warning_of(n.split_once('/').map_or(n, |(parent, _)| parent), w))
        };
        let ours = |w: &&String| selected.iter().any(|t| is_about(w, t)) || parent(w) || !others(w);
        session.config.warnings.iter().filter(ours).for_each(|w| self.report.warn("configuration", None, w));
        Ok(())
    }

    fn configuration(&self) -> Result<Config, Failure> {
        let named = std::env::var_os("EDR_CONFIG").filter(|v: &OsString| !v.is_empty()).map(PathBuf::from);
        let path = self.globals.config.clone().or(named);
        if let Some(path) = path.as_deref().filter(|p| !p.exists()) {
            let message = format!("there is no configuration file {}", path.display());
            return Err(Failure::Usage(message, Some("give the right one with --config".to_owned())));
        }
        Ok(Config::load(path.as_deref(), &|name| std::env::var(name).ok())?)
    }

    /// Connects the tenants that are asked for.
    pub(crate) fn estate(&self, session: &Session) -> Result<Estate, Failure> {
        if let Some(estate) = &session.discovered {
            return Ok(self.in_time(estate));
        }
        let options = self.options(session)?;
        let estate = Estate::connect(&session.config, &self.globals.selection(), &options)?;
        Ok(self.in_time(&estate))
    }

    /// What the selected tenants are connected with.
    fn options(&self, session: &Session) -> Result<Options, Failure> {
        let selected = self.selected(session)?;
        let parents = session.config.reaches_children(&self.globals.selection());
        let parents = session.config.tenants.iter().filter(|t| parents && t.vendor.has_children());
        Ok(self.options_for(selected.into_iter().chain(parents)))
    }

    /// What these tenants are connected with.
    pub(crate) fn options_for<'t>(&self, tenants: impl IntoIterator<Item = &'t TenantConfig>) -> Options {
        let shares = tenants.into_iter().any(|t| t.vendor.shares_token());
        let mut options = Options::default();
        options.deadline = self.left();
        if shares && !self.globals.is_demo() {
            options.token_store = self.token_store(&options);
        }
        options
    }

    /// Where tokens are shared with other runs. Without it each run asks for its own.
    fn token_store(&self, options: &Options) -> Option<Arc<dyn TokenStore>> {
        let folder = state_folder(&|name| std::env::var_os(name))?.join("tokens");
        match FileTokenStore::open(folder, options.clock.clone()) {
            Ok(store) => Some(Arc::new(store)),
            Err(error) => {
                let message = format!("tokens are not shared with other runs: {error}");
                self.report.warn("token_store", None, &message);
                None
            }
        }
    }

    /// Gives back what the tenants hold at their vendors. It is a courtesy: it takes a few seconds at
    /// most, and what cannot be given back changes nothing about how the command ended. It comes after what is
    /// printed, which must not wait for it, and before the outcome, which is the last line.
    pub(crate) async fn close(&self, estate: &Estate) {
        let limit = self.courtesy();
        match tokio::time::timeout(limit, estate.close()).await {
            Ok(errors) => errors.iter().for_each(|e| self.report.warn("close", None, &e.to_string())),
            Err(_) => {
                let message = format!("not everything was given back within {:.0} s", limit.as_secs_f32());
                self.report.warn("close", None, &message);
            }
        }
    }

    /// The time for giving back. Where the program is ended from outside, the outcome comes before that.
    fn courtesy(&self) -> Duration {
        let most = Duration::from_secs(if self.interrupt.is_raised() { 1 } else { 3 });
        let left = |timeout: Duration| (timeout + GRACE / 2).saturating_sub(self.started.elapsed());
        self.globals.timeout.map_or(most, |timeout| most.min(left(timeout)))
    }

    /// What is left of `--timeout`.
    pub(crate) fn left(&self) -> Option<Duration> {
        let timeout = self.globals.timeout?;
        Some(timeout.saturating_sub(self.started.elapsed()).max(Duration::from_millis(1)))
    }

    /// The estate with what is left of `--timeout`, which is for the command as a whole.
    pub(crate) fn in_time(&self, estate: &Estate) -> Estate {
        self.left().map_or_else(|| estate.clone(), |left| estate.clone().with_deadline(left))
    }

    /// The tenants that are asked for. A name that does not exist is a mistake of the command line;
    /// a configuration without tenants is not.
    pub(crate) fn selected<'s>(&self, session: &'s Session) -> Result<Vec<&'s edr::TenantConfig>, Failure> {
        session.config.select(&self.globals.selection()).map_err(|error| self.misnamed(session, error))
    }

    /// A selection that cannot be had.
    pub(crate) fn misnamed(&self, session: &Session, error: edr::Error) -> Failure {
        match self.globals.narrows() && !session.config.tenants.is_empty() {
            true => Failure::Usage(error.message().to_owned(), error.hint().map(str::to_owned)),
            false => Failure::Estate(error),
        }
    }
}

/// Warnings about a tenant begin with its name.
fn is_warning_of(tenant: &str, warning: &str) -> bool {
    warning.strip_prefix(tenant).is_some_and(|rest| rest.starts_with(": "))
}

/// `$XDG_STATE_HOME/edr`, by default `~/.local/state/edr`.
pub(crate) fn state_folder(var: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| var(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("edr"))
}

fn unknown_column<T: Record>(name: &str) -> Failure {
    let known: Vec<&str> = T::COLUMNS.iter().map(|c| c.name).collect();
    let (one, _) = T::NOUNS;
    Failure::usage(format!("a {one} has no column '{name}'; there are: {}", known.join(", ")))
}

/// `COLUMNS`, else the terminal's width, else 100.
fn width() -> usize {
    let named = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).filter(|c| *c >= 20);
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    named.or_else(terminal).unwrap_or(100)
}
