//! Response actions: what is taken, what the sensor makes of it, and what is read back.

use std::sync::MutexGuard;

use crate::{
    Answer, ConnectionState, ContainmentState, Error, ErrorKind, Host, Noun, Receipt, ResponseAction,
    Standing, Tag, Target,
};

use super::{Content, InMemory, Quirk};

/// An action that was taken for one host.
pub(super) struct Order {
    handle: String,
    uid: String,
    action: ResponseAction,
    /// Looks until an online host's sensor confirms.
    left: Option<u32>,
    standing: Standing,
}

impl InMemory {
    /// Lets the sensors of all online hosts confirm what is asked of them.
    pub fn settle(&self) {
        self.content().settle(|_| true);
    }

    /// Connects a host or takes it off its network. A sensor that is offline confirms nothing.
    pub fn set_online(&self, uid: &str, online: bool) {
        let state = if online { ConnectionState::Online } else { ConnectionState::Offline };
        if let Some(host) = self.content().host(uid) {
            host.connection_state = state;
        }
    }

    /// The content, for a call that looks at hosts; sensors that were given so many looks confirm now.
    pub(super) fn look(&self) -> MutexGuard<'_, Content> {
        let mut content = self.asked();
        for order in &mut content.orders {
            order.left = order.left.map(|left| left.saturating_sub(1));
        }
        content.settle(|order| order.left == Some(0));
        content
    }

    /// Does it to each host, in the order asked.
    pub(super) fn act(
        &self,
        content: &mut Content,
        action: &ResponseAction,
        hosts: &[String],
    ) -> Vec<Receipt> {
        let handle = content.writes.to_string();
        hosts.iter().map(|uid| self.act_on(content, action, uid, &handle)).collect()
    }

    fn act_on(&self, content: &mut Content, action: &ResponseAction, uid: &str, handle: &str) -> Receipt {
        let quirk = content.quirks.get(uid).copied();
        if let Some(Quirk::Refused(kind)) = quirk {
            return Receipt::new(uid, Answer::Refused(self.said(kind, "this host is refused")));
        }
        let answer = match content.host(uid) {
            Some(host) => begin(action, host),
            None => Answer::Refused(self.absent(Noun::Host, uid)),
        };
        if !matches!(answer, Answer::Accepted) {
            return Receipt::new(uid, answer).ordered();
        }
        content.log(action.verb(), uid);
        let at_once = matches!(action, ResponseAction::Tag { .. } | ResponseAction::Untag { .. });
        content.orders.push(Order {
            handle: handle.to_owned(),
            uid: uid.to_owned(),
            action: action.clone(),
            left: self.settles_after,
            standing: if at_once { Standing::Done } else { Standing::Pending },
        });
        let unmentioned = || self.said(ErrorKind::Vendor, "the answer does not mention it");
        let answer = match quirk {
            Some(Quirk::Unmentioned) => Answer::Unknown(unmentioned().with_outcome_unknown()),
            _ => answer,
        };
        Receipt::new(uid, answer).with_handle(Some(handle.to_owned()))
    }
}

/// What a host does when it is asked: what is refused or there already changes nothing.
fn begin(action: &ResponseAction, host: &mut Host) -> Answer {
    use ContainmentState::{Contained, ContainmentPending, LiftPending, Normal};
    if host.connection_state == ConnectionState::Uninstalled {
        return refused("the agent was removed from this host");
    }
    match (action, &host.containment_state) {
        (ResponseAction::Contain, Contained | ContainmentPending)
        | (ResponseAction::Release, Normal | LiftPending) => return Answer::Already,
        (ResponseAction::Contain, LiftPending) => return refused("its release is under way"),
        (ResponseAction::Contain, _) => host.containment_state = ContainmentPending,
        (ResponseAction::Release, _) => host.containment_state = LiftPending,
        (ResponseAction::Tag { tags }, _) => return add_tags(&mut host.tags, tags),
        (ResponseAction::Untag { tags }, _) => return remove_tags(&mut host.tags, tags),
        _ => {}
    }
    Answer::Accepted
}

fn refused(why: &'static str) -> Answer {
    Answer::Refused(Error::new(ErrorKind::Conflict, why))
}

fn add_tags(has: &mut Vec<Tag>, tags: &[String]) -> Answer {
    let before = has.len();
    for tag in tags {
        if !has.iter().any(|t| t.value == *tag) {
            has.push(Tag { source: None, value: tag.clone() });
        }
    }
    if has.len() == before { Answer::Already } else { Answer::Accepted }
}

fn remove_tags(has: &mut Vec<Tag>, tags: &[String]) -> Answer {
    let before = has.len();
    has.retain(|t| !tags.contains(&t.value));
    if has.len() == before { Answer::Already } else { Answer::Accepted }
}

impl Content {
    fn host(&mut self, uid: &str) -> Option<&mut Host> {
        self.hosts.iter_mut().find(|h| h.uid == uid)
    }

    /// Lets the sensors of online hosts carry out those orders.
    fn settle(&mut self, due: impl Fn(&Order) -> bool) {
        let Self { orders, hosts, quirks, .. } = self;
        for order in orders.iter_mut().filter(|o| o.standing == Standing::Pending && due(o)) {
            let host = hosts.iter_mut().find(|h| h.uid == order.uid);
            let Some(host) = host.filter(|h| !is_offline(h)) else { continue };
            let fails = quirks.get(&order.uid) == Some(&Quirk::Fails);
            order.standing = if fails { failed() } else { Standing::Done };
            confirm(&order.action, host, fails);
        }
    }

    /// Where an action stands, read back from the host where the host shows it.
    pub(super) fn standing(&self, action: &ResponseAction, target: &Target) -> Standing {
        let Some(host) = self.hosts.iter().find(|h| h.uid == target.uid) else {
            return Standing::Unknown { word: "no such host".to_owned() };
        };
        let order = self.orders.iter().rev().find(|o| {
            o.uid == target.uid
                && o.action.verb() == action.verb()
                && target.handle.as_ref().is_none_or(|handle| *handle == o.handle)
        });
        match order.map(|o| o.standing.clone()) {
            Some(failed @ Standing::Failed { .. }) => failed,
            standing => action.standing_of(host).or(standing).map_or_else(
                || Standing::Unknown { word: "no such action".to_owned() },
                |s| if s == Standing::Pending && is_offline(host) { Standing::PendingOffline } else { s },
            ),
        }
    }
}

fn is_offline(host: &Host) -> bool {
    matches!(host.connection_state, ConnectionState::Offline | ConnectionState::Lost)
}

fn failed() -> Standing {
    Standing::Failed { reason: "the sensor could not do it".to_owned() }
}

fn confirm(action: &ResponseAction, host: &mut Host, fails: bool) {
    let contained = match action {
        ResponseAction::Contain => !fails,
        ResponseAction::Release => fails,
        _ => return,
    };
    host.containment_state = if contained { ContainmentState::Contained } else { ContainmentState::Normal };
}
