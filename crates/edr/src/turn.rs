//! Who is read, and when: a bounded number of tenants at a time, of which none can hold the others up.
//!
//! A tenant that is read holds a turn. While its vendor lets it wait, be it slow, silent or asking for a
//! pause, it stands aside and another tenant has its turn. There is room for as many aside as there are
//! turns; when that is full, who waits keeps the turn, so the number under way stays bounded.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a tenant may wait for its vendor before it stands aside.
const PATIENCE: Duration = Duration::from_millis(250);

/// The turns of an estate. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    active: Arc<Semaphore>,
    aside: Arc<Semaphore>,
}

/// One tenant's turn, or its place aside. Gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Turns,
    /// Absent only where the semaphore was closed, which nobody does.
    place: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// So many at a time.
    pub(crate) fn new(count: usize) -> Self {
        let room = || Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Self { active: room(), aside: room() }
    }

    /// Waits for a turn; they are given in the order of asking.
    pub(crate) async fn take(&self) -> Turn {
        let place = self.active.clone().acquire_owned().await.ok();
        Turn { turns: self.clone(), place }
    }
}

impl Turn {
    /// Waits for the vendor, aside if it takes long.
    pub(crate) async fn wait<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if let Ok(done) = timeout(PATIENCE, &mut work).await {
            return done;
        }
        self.change(&self.turns.aside.clone());
        let done = work.await;
        self.change(&self.turns.active.clone());
        done
    }

    /// Takes a place there if one is free, and gives the present one up.
    fn change(&mut self, room: &Arc<Semaphore>) {
        if let Ok(place) = room.clone().try_acquire_owned() {
            self.place = Some(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    /// When each of these tenants ends, each of which waits so long for its vendor, with two turns.
    async fn ends(waits: &[u64]) -> Vec<u128> {
        let (turns, began) = (Turns::new(2), Instant::now());
        let one = |wait: u64| {
            let turns = turns.clone();
            async move {
                let mut turn = turns.take().await;
                turn.wait(sleep(Duration::from_millis(wait))).await;
                began.elapsed().as_millis()
            }
        };
        futures_util::future::join_all(waits.iter().map(|w| one(*w))).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_quick_do_not_wait_for_the_slow() {
        assert_eq!(ends(&[60_000, 60_000, 100, 100, 100]).await, [60_000, 60_000, 350, 350, 450]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_under_way_stays_bounded() {
        // Two stand aside, two hold the turns, and the fifth begins when one of these has ended.
        assert_eq!(ends(&[1000, 1000, 1000, 1000, 100]).await, [1000, 1000, 1250, 1250, 1350]);
    }
}
