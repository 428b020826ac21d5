//! Connections on which nothing is being worked on: who has to go when another one wants the place.
//!
//! Invariant: the one that has been idle longest goes first, and one with a request on it never. So thousands of
//! connections that say nothing, or say it a byte at a time, take places from each other, and from nobody who asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The idle connections.
#[derive(Debug, Default)]
pub struct Idle(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    /// Of the next one to become idle.
    next: u64,
    /// By the order in which they did.
    waiting: BTreeMap<u64, CancellationToken>,
}

/// One connection: idle, but while a [`Busy`] of it lives, from the end of a request's body to its answer.
#[derive(Debug)]
pub struct Seat {
    idle: Arc<Idle>,
    /// Cancelled when it is to go.
    gone: CancellationToken,
    /// Its place in the queue. HTTP/1.1 has one request at a time, so there is one busy at most.
    at: Mutex<u64>,
}

/// A request is being worked on.
#[derive(Debug)]
pub struct Busy(Arc<Seat>);

impl Idle {
    /// A new connection, idle.
    pub fn seat(self: &Arc<Self>) -> Arc<Seat> {
        let gone = CancellationToken::new();
        let at = Mutex::new(self.enter(&gone));
        Arc::new(Seat { idle: Arc::clone(self), gone, at })
    }

    /// Tells the one that has been idle longest to go. Says whether there was one.
    pub fn give_up_one(&self) -> bool {
        let Some((_, gone)) = self.queue().waiting.pop_first() else { return false };
        gone.cancel();
        true
    }

    fn enter(&self, gone: &CancellationToken) -> u64 {
        let mut queue = self.queue();
        let at = queue.next;
        queue.next += 1;
        queue.waiting.insert(at, gone.clone());
        at
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// A request has come.
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.idle.queue().waiting.remove(&self.at());
        Busy(Arc::clone(self))
    }

    /// Comes back when it is to go.
    pub async fn gone(&self) {
        self.gone.cancelled().await;
    }

    fn at(&self) -> MutexGuard<'_, u64> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.at() = self.0.idle.enter(&self.0.gone);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.idle.queue().waiting.remove(&self.at());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_idle_longest_goes_first_and_one_at_work_never() {
        let idle = Arc::new(Idle::default());
        let seats: Vec<Arc<Seat>> = (0..4).map(|_| idle.seat()).collect();
        let working = seats[0].busy();
        // It has asked something just now, and so is the last to go.
        drop(seats[1].busy());
        let left = || seats.iter().map(|seat| !seat.gone.is_cancelled()).collect::<Vec<_>>();
        assert!(idle.give_up_one());
        assert_eq!(left(), [true, true, false, true]);
        assert!(idle.give_up_one() && idle.give_up_one());
        assert_eq!(left(), [true, false, false, false]);
        assert!(!idle.give_up_one());
        drop(working);
        assert!(idle.give_up_one());
        drop(seats);
        assert!(!idle.give_up_one() && idle.queue().waiting.is_empty());
    }
}
