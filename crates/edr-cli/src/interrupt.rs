//! Ctrl-C: the first one ends the reading and lets the output be finished. And `--timeout`, for what
//! cannot be given a time of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::exit::Exit;

/// How long the output may take to be finished: a reader that does not read must not hold us.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// Whether the user has had enough.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<State>);

#[derive(Debug, Default)]
struct State {
    raised: AtomicBool,
    disarmed: AtomicBool,
    changed: Notify,
}

impl Interrupt {
    /// Listens to SIGINT and SIGTERM from now on.
    pub(crate) fn listen() -> Self {
        let interrupt = Self::default();
        let ours = interrupt.clone();
        tokio::spawn(async move {
            signal().await;
            ours.raise();
            tokio::time::sleep(GRACE).await;
            if !ours.0.disarmed.load(Ordering::Acquire) {
                leave(Exit::Interrupted);
            }
        });
        interrupt
    }

    /// Ends the program when the time for the whole command is over and a grace has passed, whatever
    /// holds it: a reader that does not read, a standard input that says nothing. `say` tells why.
    pub(crate) fn expire(&self, timeout: Duration, say: impl FnOnce() + Send + 'static) {
        let ours = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(timeout + GRACE).await;
            if !ours.0.disarmed.load(Ordering::Acquire) {
                say();
                leave(Exit::Partial);
            }
        });
    }

    fn raise(&self) {
        self.0.raised.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
    }

    /// From now on the program ends by itself.
    pub(crate) fn disarm(&self) {
        self.0.disarmed.store(true, Ordering::Release);
    }

    /// True once it was raised.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::Acquire)
    }

    /// Waits until it is raised.
    pub(crate) async fn raised(&self) {
        let changed = self.0.changed.notified();
        if !self.is_raised() {
            changed.await;
        }
    }
}

#[expect(clippy::exit, reason = "the main thread may be stuck in a write that nobody reads")]
fn leave(exit: Exit) {
    std::process::exit(i32::from(exit.code()));
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_raised_interrupt_stays_raised() {
        let interrupt = Interrupt::default();
        interrupt.raise();
        interrupt.raised().await;
        assert!(interrupt.is_raised());
    }
}
