//! The exit codes: a contract, listed in `docs/OUTPUT.md`.

use std::process::ExitCode;

use edr::{Error, ErrorKind};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for is there; an empty list included.
    Complete,
    /// It failed.
    Failed,
    /// The command line is wrong.
    Usage,
    /// Some of it is there, and what is missing is named.
    Partial,
    /// The credentials are refused, or lack a scope or role.
    Denied,
    /// Asked for by id, and not there.
    NotFound,
    /// Refused by a rule of safety.
    Refused,
    /// `--wait` ended before the vendors said what became of everything.
    TimedOut,
    /// Declined at the prompt.
    Declined,
    /// A diff found a difference, or a report does not meet what it was held to.
    Differs,
    /// The vendor's rate limit outlasted the retries.
    RateLimited,
    /// Interrupted.
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Denied => 4,
            Self::NotFound => 5,
            Self::Refused => 6,
            Self::TimedOut => 7,
            Self::RateLimited => 8,
            Self::Declined => 9,
            Self::Differs => 10,
            Self::Interrupted => 130,
        }
    }

    /// The code of a failure. With `--timeout`, time that ran out is partial: the output holds what
    /// came in time.
    pub(crate) fn of(error: &Error, timed: bool) -> Self {
        Self::of_kind(error.kind(), timed)
    }

    /// The code of a kind of failure.
    pub(crate) fn of_kind(kind: ErrorKind, timed: bool) -> Self {
        match kind {
            ErrorKind::Authentication | ErrorKind::Permission => Self::Denied,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::RateLimited => Self::RateLimited,
            ErrorKind::Timeout if timed => Self::Partial,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_their_codes() {
        for (kind, code) in [
            (ErrorKind::Authentication, 4),
            (ErrorKind::Permission, 4),
            (ErrorKind::NotFound, 5),
            (ErrorKind::RateLimited, 8),
            (ErrorKind::Network, 1),
            (ErrorKind::Configuration, 1),
            (ErrorKind::Timeout, 1),
        ] {
            assert_eq!(Exit::of(&Error::new(kind, ""), false).code(), code, "{kind:?}");
        }
        assert_eq!(Exit::of(&Error::new(ErrorKind::Timeout, ""), true).code(), 3);
    }
}
