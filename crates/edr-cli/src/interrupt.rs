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
    /// Something is under way that must not be cut off.
    held: AtomicBool,
    /// What must not be cut off was begun: whoever ends the program from now on cuts off the output alone.
    begun: AtomicBool,
    changed: Notify,
}

/// Until it is dropped, nothing ends the program before it ends by itself.
#[derive(Debug)]
pub(crate) struct Hold(Interrupt);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.held.store(false, Ordering::Release);
    }
}

impl Interrupt {
    /// Listens to SIGINT and SIGTERM from now on.
    pub(crate) fn listen() -> Self {
        let interrupt = Self::default();
        let ours = interrupt.clone();
        tokio::spawn(async move {
            signal().await;
            ours.raise();
            ours.grace().await;
            if !ours.0.disarmed.load(Ordering::Acquire) {
                leave(ours.cut_off());
            }
        });
        interrupt
    }

    /// Ends the program when the time for the whole command is over and a grace has passed, whatever
    /// holds it: a reader that does not read, a standard input that says nothing. `say` tells why.
    pub(crate) fn expire(&self, timeout: Duration, say: impl FnOnce() + Send + 'static) {
        let ours = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            ours.grace().await;
            if !ours.0.disarmed.load(Ordering::Acquire) {
                say();
                leave(Exit::Partial);
            }
        });
    }

    /// Gives the program time to end by itself, and once more when something is done that must not be cut off.
    async fn grace(&self) {
        let mut waits = true;
        while waits {
            tokio::time::sleep(GRACE).await;
            waits = self.is_held();
            while self.is_held() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Begins what must not be cut off: neither a signal nor the end of the time ends the program meanwhile. Whoever had
    /// enough before is seen by [`Self::is_raised`].
    pub(crate) fn hold(&self) -> Hold {
        self.0.held.store(true, Ordering::Release);
        self.0.begun.store(true, Ordering::Release);
        Hold(self.clone())
    }

    fn is_held(&self) -> bool {
        self.0.held.load(Ordering::Acquire)
    }

    /// How a program ends that nobody waits for any more: what is in its place was not interrupted.
    fn cut_off(&self) -> Exit {
        if self.0.begun.load(Ordering::Acquire) { Exit::Failed } else { Exit::Interrupted }
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

    #[tokio::test]
    async fn what_must_not_be_cut_off_is_waited_for() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.cut_off(), Exit::Interrupted);
        let hold = interrupt.hold();
        let ours = interrupt.clone();
        let grace = tokio::spawn(async move { ours.grace().await });
        tokio::time::sleep(GRACE + Duration::from_millis(300)).await;
        assert!(!grace.is_finished(), "it is held");
        drop(hold);
        let let_go = tokio::time::Instant::now();
        grace.await.unwrap();
        assert!(let_go.elapsed() + Duration::from_millis(50) >= GRACE, "the output has its time, too");
        assert_eq!(interrupt.cut_off(), Exit::Failed);
    }
}
