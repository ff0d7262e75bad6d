//! The back end under test, as the suite sees it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use edr_core::clock::{Clock as _, SystemClock};
use edr_core::{EdrProvider, Noun};

/// Something that goes wrong with the next listing or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disturbance {
    /// One item of the next listing arrives in a form that cannot be decoded. Its id may be readable.
    BadItem,
    /// Every request is refused for lack of a right, until [`World::calm`].
    Denied,
    /// The second page of the next listing is empty, though more follow.
    EmptyPage,
    /// The next order or change is carried out, and its answer is lost on the way.
    LoseAnswer,
    /// The second page of the next listing names itself as the next one.
    RepeatCursor,
    /// While the next listing is read, items come or go before the place that is read, so that the
    /// pages slip against each other.
    ShiftWhileReading,
}

/// A back end with a known content, and a provider that reads it.
///
/// The suite wants at least 8 items of each noun, so that a listing has several pages, and it makes
/// some hundreds of requests: turn pacing off. `edr_testkit::MemoryWorld` is an implementation to copy.
///
/// ```
/// use edr_core::{EdrProvider, Host, InMemory};
/// use edr_testkit::World;
///
/// #[derive(Debug)]
/// struct Mine(InMemory);
///
/// impl World for Mine {
///     fn provider(&self) -> &dyn EdrProvider {
///         &self.0
///     }
///     fn host_uids(&self) -> Vec<String> {
///         vec!["1".to_owned()]
///     }
///     fn alert_uids(&self) -> Vec<String> {
///         Vec::new()
///     }
/// }
///
/// let world = Mine(InMemory::builder("acme").host(Host::new("memory", "acme", "1", "{}")).build());
/// assert_eq!(world.provider().tenant().as_str(), "acme");
/// ```
#[async_trait]
pub trait World: Send + Sync {
    /// The provider under test.
    fn provider(&self) -> &dyn EdrProvider;

    /// The ids of all hosts that the back end holds now: known from the back end, not from the provider.
    fn host_uids(&self) -> Vec<String>;

    /// The ids of all alerts that the back end holds now.
    fn alert_uids(&self) -> Vec<String>;

    /// The ids of all items of a noun that the back end holds now. A back end that has more than hosts and alerts
    /// says so here.
    fn uids(&self, noun: Noun) -> Vec<String> {
        match noun {
            Noun::Alert => self.alert_uids(),
            Noun::Host => self.host_uids(),
            _ => Vec::new(),
        }
    }

    /// The back end's present time.
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }

    /// Requests that have reached the back end so far, where it counts them.
    fn requests(&self) -> Option<u64> {
        None
    }

    /// Lets something go wrong with the next listing of this noun, once. False when this back end
    /// cannot do it, or when it cannot happen there.
    async fn disturb(&self, noun: Noun, disturbance: Disturbance) -> bool {
        let _ = (noun, disturbance);
        false
    }

    /// Takes back what [`Self::disturb`] has left, met or not.
    async fn calm(&self) {}

    /// The target of every change that the back end has carried out, in order: known from the back end, not from
    /// the provider. Without it nothing is ever changed by the suite.
    fn mutations(&self) -> Option<Vec<String>> {
        None
    }

    /// A script that the back end has, with the values that it takes.
    fn script(&self) -> Option<(String, Vec<(String, String)>)> {
        None
    }

    /// Connects a host or takes it off its network. False when that is not possible.
    async fn set_online(&self, uid: &str, online: bool) -> bool {
        let _ = (uid, online);
        false
    }

    /// Lets the sensors of the hosts that are online carry out what is asked of them, and lets every change be
    /// seen. False when that is not possible.
    async fn settle(&self) -> bool {
        false
    }

    /// Moves the back end's time, and the provider's. False when that is not possible.
    async fn advance(&self, by: TimeDelta) -> bool {
        let _ = by;
        false
    }
}

/// A world that stands still: a provider, and the ids that must be there.
///
/// ```
/// use std::sync::Arc;
/// use edr_core::{Host, InMemory};
/// use edr_testkit::Still;
///
/// let provider = InMemory::builder("acme").host(Host::new("memory", "acme", "1", "{}")).build();
/// let world = Still::new(Arc::new(provider)).hosts(["1"]);
/// ```
#[derive(Clone)]
pub struct Still {
    provider: Arc<dyn EdrProvider>,
    hosts: Vec<String>,
    alerts: Vec<String>,
}

impl Still {
    /// A world with this provider, and nothing in it.
    #[must_use]
    pub fn new(provider: Arc<dyn EdrProvider>) -> Self {
        Self { provider, hosts: Vec::new(), alerts: Vec::new() }
    }

    /// The ids of the hosts that must be there.
    #[must_use]
    pub fn hosts<U: Into<String>>(mut self, uids: impl IntoIterator<Item = U>) -> Self {
        self.hosts = uids.into_iter().map(Into::into).collect();
        self
    }

    /// The ids of the alerts that must be there.
    #[must_use]
    pub fn alerts<U: Into<String>>(mut self, uids: impl IntoIterator<Item = U>) -> Self {
        self.alerts = uids.into_iter().map(Into::into).collect();
        self
    }
}

impl World for Still {
    fn provider(&self) -> &dyn EdrProvider {
        self.provider.as_ref()
    }

    fn host_uids(&self) -> Vec<String> {
        self.hosts.clone()
    }

    fn alert_uids(&self) -> Vec<String> {
        self.alerts.clone()
    }
}

impl fmt::Debug for Still {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Still")
            .field("provider", &self.provider)
            .field("hosts", &self.hosts.len())
            .field("alerts", &self.alerts.len())
            .finish()
    }
}
