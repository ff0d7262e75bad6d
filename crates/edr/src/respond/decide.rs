//! What would happen to one host, from what is seen of it. Pure.

use edr_core::{Capabilities, ConnectionState, ContainmentState, Host, ResponseAction, Standing};

use super::plan::Decision;
use super::protect::Protection;

/// What would happen to this host. Its age and its other agents are looked at elsewhere.
pub(super) fn decide(
    action: &ResponseAction,
    host: &Host,
    capabilities: &Capabilities,
    protection: &Protection,
) -> Decision {
    if let Some(rule) = protected(action, host, protection) {
        return Decision::Protected { rule };
    }
    if let Err(error) = capabilities.require(action.feature()) {
        return Decision::Unsupported { reason: error.message().to_owned() };
    }
    if host.connection_state == ConnectionState::Uninstalled {
        return Decision::Unsupported { reason: "the agent was removed from the host".to_owned() };
    }
    match state(action, host) {
        State::Done => Decision::AlreadyDone,
        State::OnItsWay => Decision::Pending,
        State::Open | State::Hidden if is_away(host) => Decision::Offline,
        State::Open | State::Hidden => Decision::Act,
    }
}

/// A release gives a host back; nobody is protected from that.
fn protected(action: &ResponseAction, host: &Host, protection: &Protection) -> Option<String> {
    if matches!(action, ResponseAction::Release) { None } else { protection.rule_for(host) }
}

fn is_away(host: &Host) -> bool {
    matches!(host.connection_state, ConnectionState::Offline | ConnectionState::Lost)
}

/// How far what is asked for is visible at the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Done,
    /// It cannot be seen.
    Hidden,
    OnItsWay,
    Open,
}

fn state(action: &ResponseAction, host: &Host) -> State {
    let is_hidden = matches!(host.containment_state, ContainmentState::Unknown | ContainmentState::Other(_));
    let by_containment = matches!(action, ResponseAction::Contain | ResponseAction::Release);
    match action.standing_of(host) {
        None => State::Hidden,
        Some(Standing::Done) => State::Done,
        Some(Standing::Pending | Standing::PendingOffline | Standing::Running) => State::OnItsWay,
        Some(_) if by_containment && is_hidden => State::Hidden,
        Some(_) => State::Open,
    }
}

/// Whether what was asked for is so, or on its way; `None` when a look at the host does not tell.
pub(super) fn is_done(action: &ResponseAction, host: &Host) -> Option<bool> {
    match state(action, host) {
        State::Done | State::OnItsWay => Some(true),
        State::Open => Some(false),
        State::Hidden => None,
    }
}

/// True where one agent of a machine is enough. Cutting a machine off by one agent keeps only that agent's cloud within
/// reach, so the other could not be told to let go.
pub(super) fn once_a_machine(action: &ResponseAction) -> bool {
    !matches!(
        action,
        ResponseAction::Release
            | ResponseAction::Scan { .. }
            | ResponseAction::Tag { .. }
            | ResponseAction::Untag { .. }
    )
}

#[cfg(test)]
mod tests {
    use edr_core::{Feature, Tag};

    use super::*;

    fn host(containment: ContainmentState, connection: ConnectionState) -> Host {
        let mut host = Host::new("v", "t", "1", "{}");
        (host.containment_state, host.connection_state) = (containment, connection);
        host
    }

    #[test]
    fn the_state_of_a_host_decides() {
        use ConnectionState::{Lost, Offline, Online, Uninstalled};
        use ContainmentState::{Contained, ContainmentPending, LiftPending, Normal};
        let capabilities = Capabilities::new().with([Feature::HostContain, Feature::HostRelease]);
        let word = |action: &ResponseAction, state, link| {
            decide(action, &host(state, link), &capabilities, &Protection::default()).as_str()
        };
        let contain = |state, link| word(&ResponseAction::Contain, state, link);
        assert_eq!(contain(Normal, Online), "act");
        assert_eq!(contain(Normal, Offline), "offline");
        assert_eq!(contain(LiftPending, Lost), "offline");
        assert_eq!(contain(Contained, Offline), "already_done");
        assert_eq!(contain(ContainmentPending, Online), "pending");
        assert_eq!(contain(Normal, Uninstalled), "unsupported");
        let release = |state| word(&ResponseAction::Release, state, Online);
        assert_eq!(release(Contained), "act");
        assert_eq!(release(ContainmentPending), "act");
        assert_eq!(release(LiftPending), "pending");
        assert_eq!(release(Normal), "already_done");
        assert_eq!(word(&ResponseAction::Scan { paths: vec![] }, Normal, Online), "unsupported");
    }

    #[test]
    fn who_is_protected_is_not_cut_off_but_given_back() {
        let mut controller = host(ContainmentState::Contained, ConnectionState::Online);
        controller.roles = vec!["domain_controller".into()];
        let capabilities = Capabilities::new().with([Feature::HostContain, Feature::HostRelease]);
        let decide = |action| decide(&action, &controller, &capabilities, &Protection::default());
        assert_eq!(decide(ResponseAction::Contain).as_str(), "protected");
        assert_eq!(decide(ResponseAction::Release), Decision::Act);
    }

    #[test]
    fn what_cannot_be_seen_is_not_guessed() {
        let mut tagged = host(ContainmentState::Unknown, ConnectionState::Online);
        tagged.tags = vec![Tag { source: Some("FalconGroupingTags".into()), value: "x".into() }];
        let tags = |t: &str| ResponseAction::Tag { tags: vec![t.into()] };
        assert_eq!(is_done(&tags("x"), &tagged), Some(true));
        assert_eq!(is_done(&tags("FalconGroupingTags/x"), &tagged), Some(true));
        assert_eq!(is_done(&tags("y"), &tagged), Some(false));
        assert_eq!(is_done(&ResponseAction::Contain, &tagged), None);
        assert_eq!(is_done(&ResponseAction::Scan { paths: vec![] }, &tagged), None);
    }
}
