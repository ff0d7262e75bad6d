//! The engine's state: where it is, who acts, and files of plans.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use edr::Estate;
use edr::respond::{Plan, Responder, Safety};

use super::write;
use crate::context::{Context, Session, state_folder};
use crate::errors::Failure;
use crate::output::Record;
use crate::output::pager::Output;

/// The engine for these tenants, under the rules of the configuration.
pub(crate) fn open(context: &Context, session: &Session, estate: Estate) -> Result<Responder, Failure> {
    let safety = Safety::of(&session.config.safety, session.config.path.as_deref())?;
    let folder = folder(context)?;
    Ok(Responder::builder(estate, folder).safety(safety).actor(actor()).open()?)
}

/// `$XDG_STATE_HOME/edr`; for the demo, whose estate ends with it, a folder of its own.
fn folder(context: &Context) -> Result<PathBuf, Failure> {
    if context.is_demo() {
        return demo_folder(context);
    }
    let none = || Failure::Other("there is no place for the journal: set XDG_STATE_HOME or HOME".to_owned());
    state_folder(&|name| std::env::var_os(name)).ok_or_else(none)
}

fn demo_folder(context: &Context) -> Result<PathBuf, Failure> {
    let name = format!("edr-demo-{}-{}", std::process::id(), context.now().timestamp_micros());
    let home = std::env::temp_dir().join(name);
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    // A folder that is there already is somebody else's.
    let failed = |e| Failure::Other(format!("the demo has no place for its journal: {e}"));
    builder.create(&home).map_err(failed)?;
    let message = format!("demo: its journal is in {}/edr, which you may delete", home.display());
    context.report.note("demo", &message);
    Ok(home.join("edr"))
}

/// Who acts: the account and the machine.
fn actor() -> String {
    let account = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let name = |path: &str| fs::read_to_string(path).ok();
    let machine = name("/proc/sys/kernel/hostname").or_else(|| name("/etc/hostname"));
    let machine = machine.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let account = account.filter(|a| !a.is_empty()).unwrap_or_else(|| "unnamed".to_owned());
    match machine.trim() {
        "" => account,
        machine => format!("{account}@{machine}"),
    }
}

/// Writes a plan into a new private file: what a person has reviewed is never written over.
pub(super) fn write_plan(path: &Path, plan: &Plan) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::Other(format!("--plan-out {}: {e}", path.display()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let text = plan.to_json()?;
    let mut file = options.open(path).map_err(failed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // It is ours, and half a plan would keep the same line from being run again.
        let _ = fs::remove_file(path);
    }
    written.map_err(failed)
}

/// Prints rows.
pub(crate) fn print<T: Record>(context: &Context, rows: &[T]) -> Result<(), Failure> {
    let mut output = Output::open(context.view.format.is_table());
    let written = write(context, rows, &mut output);
    output.close(&context.interrupt)?;
    Ok(written?)
}
