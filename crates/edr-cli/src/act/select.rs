//! Which hosts are meant, and in which tenants. Nothing said never means everything.

use edr::Noun;
use edr::respond::{Selector, read_list};

use crate::args::{Globals, Targets};
use crate::context::Context;
use crate::errors::Failure;
use crate::listing;

/// A write names its tenants.
pub(crate) fn check_tenants(globals: &Globals) -> Result<(), Failure> {
    if globals.all_tenants || !globals.tenant.is_empty() || !globals.children_of.is_empty() {
        return Ok(());
    }
    let hint = "name the tenant with -t, or say --all-tenants".to_owned();
    Err(Failure::Usage("a command that changes something names its tenants".to_owned(), Some(hint)))
}

/// What the command line selects.
pub(super) fn selectors(
    context: &Context,
    targets: &Targets,
    by_operation: bool,
) -> Result<Vec<Selector>, Failure> {
    if targets.all || targets.limit.is_some() {
        return Err(Failure::usage("--all and --limit shape the output of a read, and never select hosts"));
    }
    let named = named(targets)?;
    let filtered = filtered(context, targets)?;
    let hint =
        || Some("--host, --from, --alert, or --filter with --platform, --status, --containment".to_owned());
    match (by_operation, named.is_empty(), filtered) {
        (true, true, None) => Ok(Vec::new()),
        (true, ..) => Err(Failure::usage("--operation selects its own hosts, and no others beside them")),
        (false, true, None) => {
            Err(Failure::Usage("nothing is selected; that never means everything".to_owned(), hint()))
        }
        (false, false, None) => Ok(named),
        (false, true, Some(filter)) => Ok(vec![filter]),
        (false, false, Some(_)) => {
            Err(Failure::usage("name hosts, or filter them: both at once could mean either"))
        }
    }
}

fn named(targets: &Targets) -> Result<Vec<Selector>, Failure> {
    if targets.terms.host.iter().chain(&targets.alert).any(|t| t.trim().is_empty()) {
        return Err(Failure::usage("an empty name selects nothing"));
    }
    let hosts = targets.terms.host.iter().map(|t| Selector::host(t.trim()));
    let mut all: Vec<Selector> = hosts.chain(targets.alert.iter().map(Selector::alert)).collect();
    if let Some(path) = &targets.terms.from {
        let text = listing::read_file(path)
            .map_err(|e| Failure::usage(format!("--from {path} cannot be read: {e}")))?;
        all.extend(read_list(&text)?);
    }
    Ok(all)
}

fn filtered(context: &Context, targets: &Targets) -> Result<Option<Selector>, Failure> {
    let mut filters = listing::expressions(Noun::Host, &targets.terms, context)?;
    for (field, values) in [
        ("os.type", &targets.platform),
        ("connection_state", &targets.status),
        ("containment_state", &targets.containment),
    ] {
        filters.extend(listing::alternatives(Noun::Host, field, values, context)?);
    }
    Ok((!filters.is_empty()).then_some(Selector::Filters(filters)))
}
