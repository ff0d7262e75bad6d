//! Long work that asks now and then whether it is still wanted.

use crate::{Error, Result};

/// How many rows pass before the caller is asked whether to go on.
const BREATH: u64 = 256;

/// Counts rows, and asks the caller.
pub(crate) struct Pace<'a> {
    go_on: &'a dyn Fn() -> bool,
    rows: u64,
}

impl<'a> Pace<'a> {
    pub(crate) fn new(go_on: &'a dyn Fn() -> bool) -> Self {
        Self { go_on, rows: 0 }
    }

    /// One row more; an error when the caller wants no more.
    pub(crate) fn step(&mut self) -> Result<()> {
        if self.rows.is_multiple_of(BREATH) {
            ask(self.go_on)?;
        }
        self.rows += 1;
        Ok(())
    }
}

/// An error when the caller wants no more.
pub(crate) fn ask(go_on: &dyn Fn() -> bool) -> Result<()> {
    if go_on() { Ok(()) } else { Err(Error::stopped()) }
}
