//! FQL, the Falcon Query Language: read, checked against a service's properties, and evaluated.
//!
//! Facts: falcon-api section 8. `+` is AND and binds tighter than `,`, which is OR; parentheses group.

mod eval;
mod parse;
#[cfg(test)]
mod tests;

pub(crate) use eval::{Dialect, Filter, Kind, Record, Val};
pub use parse::{Expr, Literal, Op, Syntax, Term, parse};

/// Why a filter is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FqlError {
    /// It cannot be read.
    #[error("{0}")]
    Syntax(#[from] Syntax),
    /// A property that the service does not know.
    #[error("'{0}' is an unknown property")]
    UnknownProperty(String),
    /// A value that the property cannot have, or an operator that it does not take.
    #[error("'{0}' does not take this operator or value")]
    BadValue(String),
    /// A wildcard on a property on which the real service breaks (falconpy #1253).
    #[error("wildcard on '{0}'")]
    Breaks(String),
    /// More than 20 properties.
    #[error("more than 20 properties")]
    TooMany,
}
