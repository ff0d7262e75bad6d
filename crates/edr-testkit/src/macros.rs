//! The three ways in which a case ends before its last line.

/// Fails the case unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err($crate::Failure::new(format!($($message)+)));
        }
    };
}

/// Skips the case unless the condition holds.
macro_rules! needs {
    ($holds:expr, $($reason:tt)+) => {
        if !$holds {
            return Ok($crate::Ran::Skipped(format!($($reason)+)));
        }
    };
}

/// Skips the case when the provider does not offer a feature, with the provider's own reason.
macro_rules! needs_feature {
    ($world:expr, $($feature:expr),+) => {
        $(if let ::edr_core::Support::None { reason } = $world.provider().capabilities().support($feature) {
            return Ok($crate::Ran::Skipped(reason));
        })+
    };
}
