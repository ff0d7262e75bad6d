//! What changed on top of the generated estate: small maps, keyed by index.

use std::collections::{BTreeMap, BTreeSet};

/// The containment (Cortex: isolation) state of a host; one machine for both vendors.
///
/// Facts: falcon-api section 4 (pending until the sensor acknowledges, an offline host stays pending) and
/// cortex-xdr-api 4.3. Times are virtual milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Containment {
    /// Not contained.
    #[default]
    Normal,
    /// Asked to contain; the sensor has not acknowledged.
    ContainPending {
        /// When it was asked.
        since: i64,
    },
    /// Contained.
    Contained {
        /// When the sensor acknowledged.
        since: i64,
    },
    /// Asked to release; the sensor has not acknowledged.
    LiftPending {
        /// When it was asked.
        since: i64,
    },
}

impl Containment {
    /// The state at `now`, for a host that has been online since `online_since` (None: it is offline).
    #[must_use]
    pub fn resolve(self, now: i64, online_since: Option<i64>, delay_ms: i64) -> Self {
        let done = |since: i64| online_since.map(|up| since.max(up) + delay_ms).filter(|at| *at <= now);
        match self {
            Self::ContainPending { since } => done(since).map_or(self, |at| Self::Contained { since: at }),
            Self::LiftPending { since } => done(since).map_or(self, |_| Self::Normal),
            settled => settled,
        }
    }

    /// Whether an action is under way.
    #[must_use]
    pub fn is_pending(self) -> bool {
        matches!(self, Self::ContainPending { .. } | Self::LiftPending { .. })
    }
}

/// What was changed on one host.
#[derive(Debug, Clone, Default)]
pub struct Overlay {
    /// A test's word on whether the host is online, with the virtual time of the change.
    pub online: Option<(bool, i64)>,
    /// The containment state as last stored; read it through `TenantEstate::containment`.
    pub containment: Option<Containment>,
    /// The tags, once they were changed; they replace the generated ones.
    pub tags: Option<Vec<String>>,
    /// Whether the host is hidden from lists (Falcon).
    pub hidden: bool,
    /// Whether its detections are suppressed (Falcon).
    pub suppressed: bool,
    /// The ids of the groups it was added to (Falcon).
    pub joined: BTreeSet<String>,
    /// The ids of the groups it was taken out of (Falcon).
    pub left: BTreeSet<String>,
    /// What searches still see, and until when, in virtual milliseconds.
    pub before: Option<(i64, Box<Overlay>)>,
    /// Free-form values that a vendor half keeps for this host (an alias, a scan state …).
    pub extra: BTreeMap<&'static str, String>,
}

impl Overlay {
    /// Keeps what searches see until `until`. Changes in quick succession all come to them at once, with the last.
    pub(crate) fn remember(&mut self, now: i64, until: i64) {
        let seen = match self.before.take() {
            Some((since, seen)) if since > now => seen,
            _ => Box::new(self.clone()),
        };
        self.before = (until > now).then_some((until, seen));
    }

    /// What searches see at `now`: the past, but for the connection, which they know at once.
    pub(crate) fn searched(mut self, now: i64) -> Self {
        match self.before.take() {
            Some((until, seen)) if until > now => Self { online: self.online, ..*seen },
            _ => self,
        }
    }
}

/// One comment on an alert.
#[derive(Debug, Clone)]
pub struct Comment {
    /// The text.
    pub text: String,
    /// Who wrote it.
    pub author: String,
    /// When, in virtual milliseconds.
    pub at: i64,
}

/// What was changed on one alert. `None` leaves the generated value.
#[derive(Debug, Clone, Default)]
pub struct AlertOverlay {
    /// The status.
    pub status: Option<super::alert::Status>,
    /// The verdict; `Some(None)` clears it.
    pub verdict: Option<Option<super::alert::Verdict>>,
    /// The assignee (name or mail); `Some(None)` clears it.
    pub assigned_to: Option<Option<String>>,
    /// The severity.
    pub severity: Option<super::alert::Severity>,
    /// The tags.
    pub tags: Option<Vec<String>>,
    /// Whether it is shown in the console (Falcon).
    pub show_in_ui: Option<bool>,
    /// The comments, oldest first.
    pub comments: Vec<Comment>,
    /// When it was last changed, in virtual milliseconds.
    pub updated: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_online_host_is_contained_after_the_delay() {
        let asked = Containment::ContainPending { since: 1_000 };
        assert_eq!(asked.resolve(5_999, Some(0), 5_000), asked);
        assert_eq!(asked.resolve(6_000, Some(0), 5_000), Containment::Contained { since: 6_000 });
    }

    #[test]
    fn an_offline_host_stays_pending_until_it_is_back() {
        let asked = Containment::ContainPending { since: 1_000 };
        assert_eq!(asked.resolve(1_000_000, None, 5_000), asked);
        assert_eq!(asked.resolve(52_000, Some(50_000), 5_000), asked);
        assert_eq!(asked.resolve(55_000, Some(50_000), 5_000), Containment::Contained { since: 55_000 });
    }

    #[test]
    fn searches_see_the_past_for_a_while() {
        let mut overlay = Overlay::default();
        overlay.remember(0, 1_000);
        overlay.tags = Some(vec!["a".to_owned()]);
        overlay.online = Some((false, 0));
        overlay.remember(500, 1_500);
        overlay.hidden = true;
        let seen = overlay.clone().searched(1_499);
        assert_eq!((seen.tags, seen.hidden, seen.online), (None, false, Some((false, 0))));
        let seen = overlay.clone().searched(1_500);
        assert_eq!((seen.tags.map(|t| t.len()), seen.hidden), (Some(1), true));
        overlay.remember(2_000, 2_000);
        assert!(overlay.before.is_none());
    }

    #[test]
    fn a_lift_ends_in_normal() {
        let asked = Containment::LiftPending { since: 0 };
        assert!(asked.is_pending());
        assert_eq!(asked.resolve(5_000, Some(0), 5_000), Containment::Normal);
        assert_eq!(Containment::Normal.resolve(9, Some(0), 1), Containment::Normal);
    }
}
