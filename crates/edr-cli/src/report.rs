//! Standard error: progress, warnings, errors, and the outcome as the last line. With `-o json` and
//! `-o jsonl` every line is one JSON object.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use edr::{Error, TenantId};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::errors::{ErrorObject, Failure};
use crate::outcome::Tally;
use crate::output::text;

/// What speaks on standard error.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    quiet: bool,
    still: bool,
    bar: ProgressBar,
}

#[derive(Serialize)]
struct WarningObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'a str,
    tenant: Option<&'a TenantId>,
    message: &'a str,
}

impl Report {
    /// Speaks JSON or prose; `quiet` leaves errors and the outcome.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet, still: quiet, bar: ProgressBar::hidden() }
    }

    /// Leaves progress out, too, where something else is printed all the time.
    pub(crate) fn without_progress(mut self, still: bool) -> Self {
        self.still |= still;
        self
    }

    /// Shows progress from now on, where a person would see it.
    pub(crate) fn start_progress(&mut self) {
        if self.json || self.still || !io::stderr().is_terminal() {
            return;
        }
        self.bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]") {
            self.bar.set_style(style);
        }
        self.bar.enable_steady_tick(Duration::from_millis(120));
    }

    /// How far it is.
    pub(crate) fn progress(&self, message: impl FnOnce() -> String) {
        if !self.bar.is_hidden() {
            self.bar.set_message(message());
        }
    }

    /// Takes the progress away.
    pub(crate) fn stop_progress(&self) {
        self.bar.finish_and_clear();
    }

    /// Something that the user should know and that is no failure.
    pub(crate) fn warn(&self, code: &str, tenant: Option<&TenantId>, message: &str) {
        if self.quiet {
            return;
        }
        if self.json {
            return self.object(&WarningObject { kind: "warning", code, tenant, message });
        }
        let tenant = tenant.map(|t| format!("{t}: ")).unwrap_or_default();
        self.line(&text::plain(&format!("warning: {tenant}{message}")));
    }

    /// Something worth knowing about the output.
    pub(crate) fn note(&self, code: &str, message: &str) {
        if self.json {
            return self.warn(code, None, message);
        }
        if !self.quiet {
            self.line(&text::plain(message));
        }
    }

    /// A tenant's failure.
    pub(crate) fn tenant_error(&self, error: &Error) {
        if self.json {
            return self.object(&ErrorObject::of(error));
        }
        self.line(&text::plain(&format!("error: {error}")));
    }

    /// The failure that ends the command.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            return self.object(&failure.object());
        }
        self.line(&format!("error: {}", failure.line()));
    }

    /// The last line.
    pub(crate) fn outcome(&self, tally: &Tally) {
        if self.json {
            return self.object(&tally.object());
        }
        self.line(&text::plain(&tally.line()));
    }

    /// What a program gets as an object and a person as lines; it is never left out.
    pub(crate) fn told<T: Serialize>(&self, lines: &[String], object: &T) {
        if self.json {
            return self.object(object);
        }
        lines.iter().for_each(|line| self.line(&text::plain(line)));
    }

    /// A line for the person at the terminal.
    pub(crate) fn ask(&self, line: &str) {
        self.line(&text::plain(line));
    }

    fn object<T: Serialize>(&self, object: &T) {
        if let Ok(line) = serde_json::to_string(object) {
            self.line(&line);
        }
    }

    /// A standard error that is gone cannot be complained about.
    fn line(&self, line: &str) {
        self.bar.suspend(|| {
            let _ = writeln!(io::stderr().lock(), "{line}");
        });
    }
}
