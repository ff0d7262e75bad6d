//! Real Time Response: sessions with hosts, one or ten thousand at a time, commands of three privilege levels, files
//! and scripts. Scopes "Real time response", "Real time response (admin)" and "Real time response audit".
//!
//! [`crate::FalconClient::rtr_session`] and [`crate::FalconClient::rtr_batch`] give handles that keep a session awake
//! and follow a command to its end; every operation has a call of its own as well.

mod batch;
mod command;
mod library;
mod sessions;

use std::time::Duration;

use edr_http::RequestPlan;

use super::{Endpoint, Paging};
pub use batch::*;
pub use command::{BaseCommand, Command, CommandError, Level};
pub use library::*;
pub use sessions::*;

const READ: &str = "Real time response: read";
const WRITE: &str = "Real time response: write";
const ADMIN: &str = "Real time response (admin): write";
const AUDIT: &str = "Real time response audit: read";
const LISTING: &[&str] = &["filter", "limit", "offset", "sort"];
const WAIT: &[&str] = &["timeout", "timeout_duration"];
const WAITS: &[&str] = &["host_timeout_duration", "timeout", "timeout_duration"];
const UNCAPPED: Paging = Paging::Offset { cap: None };

/// A session without a word for so long is over.
pub const IDLE: Duration = Duration::from_secs(600);
/// The longest that a call may wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// The endpoints of this service.
pub(crate) const ENDPOINTS: &[&Endpoint] = &[
    &INIT,
    &REFRESH,
    &SESSION_IDS,
    &SESSIONS,
    &DELETE,
    &AGGREGATES,
    &QUEUED,
    &DELETE_QUEUED,
    &EXECUTE_READ,
    &EXECUTE_ACTIVE,
    &EXECUTE_ADMIN,
    &STATUS_READ,
    &STATUS_ACTIVE,
    &STATUS_ADMIN,
    &BATCH_INIT,
    &BATCH_REFRESH,
    &BATCH_READ,
    &BATCH_ACTIVE,
    &BATCH_ADMIN,
    &BATCH_GET,
    &BATCH_GET_STATUS,
    &FILES_V1,
    &FILES_V2,
    &DELETE_FILE_V1,
    &DELETE_FILE_V2,
    &EXTRACTED,
    &PUT_FILE_IDS,
    &PUT_FILES_V1,
    &PUT_FILES_V2,
    &CREATE_PUT_FILE_V1,
    &CREATE_PUT_FILE_V2,
    &DELETE_PUT_FILE,
    &PUT_FILE_CONTENTS,
    &SCRIPT_IDS,
    &SCRIPTS_V1,
    &SCRIPTS_V2,
    &CREATE_SCRIPT_V1,
    &CREATE_SCRIPT_V2,
    &UPDATE_SCRIPT_V1,
    &UPDATE_SCRIPT_V2,
    &DELETE_SCRIPT,
    &FALCON_SCRIPT_IDS,
    &FALCON_SCRIPTS,
    &AUDIT_SESSIONS,
];

/// Of two versions of an operation, which. The second tells more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// The first.
    V1,
    /// The second.
    #[default]
    V2,
}

impl Version {
    fn of(self, first: &'static Endpoint, second: &'static Endpoint) -> &'static Endpoint {
        match self {
            Self::V1 => first,
            Self::V2 => second,
        }
    }
}

impl Level {
    fn of(
        self,
        read: &'static Endpoint,
        active: &'static Endpoint,
        admin: &'static Endpoint,
    ) -> &'static Endpoint {
        match self {
            Self::ReadOnly => read,
            Self::ActiveResponder => active,
            Self::Admin => admin,
        }
    }
}

/// How long a call waits for its hosts. The service allows up to five minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The whole call.
    pub overall: Duration,
    /// Each host in it; a bit less than the whole when it is not said, and never more.
    pub host: Option<Duration>,
}

impl Default for Wait {
    fn default() -> Self {
        Self { overall: Duration::from_secs(30), host: None }
    }
}

impl Wait {
    /// The whole call waits so long.
    #[must_use]
    pub fn of(overall: Duration) -> Self {
        Self { overall, host: None }
    }

    /// The wait as it is asked for: one second to five minutes.
    #[must_use]
    pub fn within(self) -> Duration {
        self.overall.clamp(Duration::from_secs(1), LONGEST_WAIT)
    }

    fn on(self, plan: RequestPlan) -> RequestPlan {
        let overall = self.within();
        // The answer may be on its way when the wait is over.
        plan.patient(overall + Duration::from_secs(15))
            .query("timeout", overall.as_secs().to_string())
            .query("timeout_duration", span(overall))
    }

    fn with_hosts(self, plan: RequestPlan) -> RequestPlan {
        let host = self.host.map(|host| span(host.min(self.within())));
        self.on(plan).maybe("host_timeout_duration", host)
    }
}

/// A span of time as the service reads it.
fn span(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}
