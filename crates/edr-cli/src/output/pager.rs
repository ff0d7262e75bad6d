//! Where standard output goes: straight on, or through the user's pager.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::process::{Child, Command, Stdio};

/// Standard output, buffered, possibly through a pager.
pub(crate) struct Output {
    pager: Option<Child>,
}

impl Output {
    /// Through `PAGER` for a table on a terminal, else straight.
    pub(crate) fn open(is_table: bool) -> Self {
        let wanted = is_table && io::stdout().is_terminal();
        let pager = std::env::var("PAGER").ok().filter(|p| wanted && !p.trim().is_empty() && p != "cat");
        Self { pager: pager.and_then(|command| spawn(&command)) }
    }

    /// The writer; everything goes through it.
    pub(crate) fn writer(&mut self) -> Box<dyn Write> {
        match self.pager.as_mut().and_then(|child| child.stdin.take()) {
            Some(pipe) => Box::new(BufWriter::new(pipe)),
            None => Box::new(BufWriter::with_capacity(64 * 1024, io::stdout())),
        }
    }

    /// Waits until the reader has left the pager.
    pub(crate) fn close(mut self) {
        if let Some(child) = self.pager.as_mut() {
            let _ = child.wait();
        }
    }
}

/// A pager that does not start is done without. `less` leaves when everything fits, and shows colour.
fn spawn(command: &str) -> Option<Child> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        shell.env("LESS", "FRX");
    }
    shell.spawn().ok()
}
