//! Agreeing: the number that a person types, or the flags of a program. And picking among hosts of one name.

use std::io::{self, IsTerminal as _};

use edr::respond::{Consent, DEFAULT_MAX_HOSTS, Found, HostRef, Operation, Plan, Resolved, Signature};

use super::Run;
use super::told::radius;
use crate::args::Guards;
use crate::errors::Failure;
use crate::report::Report;

/// What is agreed to beside the flags.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    /// Who signed.
    pub(super) signatures: Vec<Signature>,
    /// Hosts that moved are left out.
    pub(super) without_moved: bool,
    /// A number that was given to confirm was held against an operation that is finished now, or against all of the run.
    pub(super) confirmed: bool,
    /// The run was found to bear all that is left to be asked for; the plan, of which some is done, may be of so many hosts.
    pub(super) at_least: Option<usize>,
}

impl Agreement {
    /// For a plan that acts on nothing.
    pub(super) fn of_nothing(before: &[Operation]) -> Self {
        Self { confirmed: !before.is_empty(), ..Self::default() }
    }
}

impl Run<'_> {
    /// A person can be asked.
    pub(super) fn is_interactive(&self) -> bool {
        is_interactive(self.guards)
    }

    /// What the flags agree to. A plan that acts on nothing needs nobody's consent, and keeps every other rule.
    pub(super) fn agreement(&self, plan: &Plan, agreement: Agreement) -> Consent {
        let mut consent = consent_of(self.guards);
        consent.confirm = consent.confirm.filter(|_| !agreement.confirmed);
        if let Some(hosts) = agreement.at_least {
            consent.max_hosts = Some(consent.max_hosts.unwrap_or(DEFAULT_MAX_HOSTS).max(hosts));
        }
        consent.without_moved = agreement.without_moved;
        consent.signatures = agreement.signatures;
        if plan.count() == 0 {
            consent.typed = Some(0);
        }
        consent
    }

    /// Who agrees to the plan: the flags, or the person at the terminal.
    pub(super) async fn consent(&self, plan: &Plan, agreement: Agreement) -> Result<Consent, Failure> {
        let mut consent = self.agreement(plan, agreement);
        if consent.yes || consent.typed.is_some() || !self.is_interactive() {
            return Ok(consent);
        }
        // Nobody is asked for a number that another rule refuses anyway.
        consent.typed = Some(plan.count());
        self.responder.guard().check(plan, &consent)?;
        self.context.report.stop_progress();
        radius(plan).iter().for_each(|line| self.context.report.ask(line));
        let question = format!(
            "type {} to {}, anything else to stop:",
            plan.count(),
            plan.action.verb().replace('_', " ")
        );
        typed(&self.context.report, &question, plan.count()).await?;
        Ok(consent)
    }
}

/// A person can be asked.
pub(super) fn is_interactive(guards: &Guards) -> bool {
    !guards.no_input && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// What the flags agree to.
pub(super) fn consent_of(guards: &Guards) -> Consent {
    let mut consent = Consent::default();
    consent.max_hosts = guards.max_hosts;
    if guards.yes && is_interactive(guards) {
        consent.max_hosts = guards.max_hosts.or(Some(DEFAULT_MAX_HOSTS));
    }
    consent.confirm = guards.confirm;
    consent.yes = guards.yes;
    consent.strict = guards.strict;
    consent
}

/// The person at the terminal types the number, or declines.
pub(crate) async fn typed(report: &Report, question: &str, count: usize) -> Result<(), Failure> {
    report.ask(question);
    match read_line().await?.trim().parse::<usize>() {
        Ok(n) if n == count => Ok(()),
        _ => Err(Failure::Declined),
    }
}

/// Lets the person at the terminal choose among hosts of one name; without one they are left out.
pub(super) async fn pick(run: &Run<'_>, resolved: &mut Resolved, dry_run: bool) -> Result<(), Failure> {
    if dry_run || run.guards.yes || !run.is_interactive() {
        return Ok(());
    }
    let ambiguous: Vec<(String, Vec<HostRef>)> = resolved
        .findings
        .iter()
        .filter_map(|f| match &f.found {
            Found::Ambiguous { hosts } => Some((f.selector.clone(), hosts.clone())),
            _ => None,
        })
        .collect();
    for (selector, hosts) in ambiguous {
        run.context.report.ask(&format!("{selector} is several hosts:"));
        for (at, host) in hosts.iter().enumerate() {
            let seen =
                host.last_seen.map(|t| format!(", seen {}", t.format("%Y-%m-%d %H:%M"))).unwrap_or_default();
            run.context.report.ask(&format!("  {}  {host}{seen}", at + 1));
        }
        run.context.report.ask("type its number, or nothing to leave it out:");
        let Some(chosen) = choice(&read_line().await?, &hosts) else { continue };
        let member = run.estate.members().iter().find(|m| m.tenant == chosen.tenant);
        let Some(provider) = member.and_then(|m| m.provider.as_ref().ok()) else { continue };
        let host = provider.host(&chosen.uid).await?;
        resolved.pick(&selector, host)?;
    }
    Ok(())
}

fn choice<'h>(answer: &str, hosts: &'h [HostRef]) -> Option<&'h HostRef> {
    let number = answer.trim().parse::<usize>().ok()?;
    hosts.get(number.checked_sub(1)?)
}

/// A line of the person at the terminal. Waiting for it holds nothing else up.
async fn read_line() -> Result<String, Failure> {
    let read = || {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    };
    let line = tokio::task::spawn_blocking(read).await;
    line.map_err(|_| Failure::Declined)?.map_err(|_| Failure::Declined)
}

#[cfg(test)]
mod tests {
    use edr::Host;

    use super::*;

    #[test]
    fn a_choice_is_a_number_of_the_list_and_nothing_else() {
        let hosts = ["a", "b"].map(|uid| HostRef::from(&Host::new("v", "t", uid, "{}")));
        let chosen = |answer| choice(answer, &hosts).map(|h| h.uid.as_str());
        assert_eq!((chosen("1\n"), chosen(" 2 ")), (Some("a"), Some("b")));
        for answer in ["", "\n", "0", "3", "-1", "a", "1 2", "y"] {
            assert_eq!(chosen(answer), None, "{answer:?}");
        }
    }

    #[test]
    fn flags_agree_to_what_they_say_and_to_no_more() {
        let guards = Guards { yes: true, no_input: true, confirm: Some(3), ..Guards::default() };
        let consent = consent_of(&guards);
        assert!(consent.yes && !consent.strict);
        assert_eq!((consent.max_hosts, consent.confirm, consent.typed), (None, Some(3), None));
    }
}
