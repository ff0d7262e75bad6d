//! Where standard output goes: straight on, or through the user's pager.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::errors::Failure;
use crate::interrupt::Interrupt;

/// Standard output, buffered, possibly through a pager that starts with the first byte.
pub(crate) enum Output {
    /// Through a pager that runs.
    Paged(Child, BufWriter<ChildStdin>),
    /// Straight.
    Straight(BufWriter<io::Stdout>),
    /// Through this pager, once there is something to show.
    Waiting(String),
}

impl Output {
    /// Through `PAGER` for a table on a terminal, else straight.
    pub(crate) fn open(is_table: bool) -> Self {
        let wanted = is_table && io::stdout().is_terminal();
        let pager = std::env::var("PAGER").ok().filter(|p| wanted && !p.trim().is_empty() && p != "cat");
        pager.map_or_else(Self::straight, Self::Waiting)
    }

    fn straight() -> Self {
        Self::Straight(BufWriter::with_capacity(64 * 1024, io::stdout()))
    }

    /// A pager that does not start is done without.
    fn start(command: &str) -> Self {
        match spawn(command) {
            Ok((child, pipe)) => Self::Paged(child, BufWriter::new(pipe)),
            Err(_) => Self::straight(),
        }
    }

    /// Waits until the reader has left the pager; Ctrl-C belongs to the pager then. A pager that the
    /// shell could not start has shown nothing, which is a failure.
    pub(crate) fn close(self, interrupt: &Interrupt) -> Result<(), Failure> {
        let Self::Paged(mut child, pipe) = self else { return Ok(()) };
        interrupt.disarm();
        drop(pipe);
        match child.wait().ok().and_then(|status| status.code()) {
            Some(126 | 127) => Err(Failure::Other("the program in PAGER cannot be run".to_owned())),
            _ => Ok(()),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Self::Waiting(command) = self {
            *self = Self::start(command);
        }
        match self {
            Self::Paged(_, pipe) => pipe.write(bytes),
            Self::Straight(out) => out.write(bytes),
            Self::Waiting(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Paged(_, pipe) => pipe.flush(),
            Self::Straight(out) => out.flush(),
            Self::Waiting(_) => Ok(()),
        }
    }
}

/// `less` leaves when everything fits, and shows colour.
fn spawn(command: &str) -> io::Result<(Child, ChildStdin)> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        shell.env("LESS", "FRX");
    }
    let mut child = shell.spawn()?;
    let pipe = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    Ok((child, pipe))
}
