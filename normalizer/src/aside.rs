//! Events that wait for their booking to become known: a bounded number, each looked at a bounded number of times.
//!
//! Only tries that got an answer from the store count, so an outage uses nobody's patience up.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// How often, how long, how many.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How often an event is looked at.
    pub tries: u32,
    /// The wait after the first time; each one after it is twice the last.
    pub first_delay: Duration,
    /// How many events wait at once.
    pub events_max: usize,
}

impl Patience {
    /// How long to wait after so many tries; none if they were enough.
    fn delay(&self, tries: u32) -> Option<Duration> {
        (tries < self.tries).then(|| self.first_delay.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1))))
    }

    /// How long an event waits at most.
    pub fn total(&self) -> Duration {
        (1..self.tries).filter_map(|tries| self.delay(tries)).fold(Duration::ZERO, Duration::saturating_add)
    }
}

/// What waits, by when it is due and its offset.
#[derive(Debug)]
pub struct Aside<E> {
    patience: Patience,
    waiting: BTreeMap<(Instant, i64), E>,
}

impl<E> Aside<E> {
    /// Nothing waits.
    pub const fn new(patience: Patience) -> Self {
        Self { patience, waiting: BTreeMap::new() }
    }

    /// Keeps the event at `offset`, after `tries` tries, to be looked at again. Gives it back if that was enough, or if
    /// there is no room.
    pub fn keep(&mut self, offset: i64, tries: u32, event: E, now: Instant) -> Result<(), E> {
        match self.patience.delay(tries) {
            Some(delay) if self.waiting.len() < self.patience.events_max => {
                self.waiting.insert((now + delay, offset), event);
                Ok(())
            }
            Some(_) | None => Err(event),
        }
    }

    /// When the next one is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// At most `limit` that are due.
    pub fn take_due(&mut self, now: Instant, limit: usize) -> Vec<E> {
        let mut due = Vec::new();
        while due.len() < limit
            && let Some(entry) = self.waiting.first_entry()
            && entry.key().0 <= now
        {
            due.push(entry.remove());
        }
        due
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { tries: 5, first_delay: Duration::from_secs(2), events_max: 2 };

    #[test]
    fn five_tries_take_thirty_seconds() {
        let delays: Vec<_> = (1..=5).map(|tries| PATIENCE.delay(tries).map(|delay| delay.as_secs())).collect();
        assert_eq!(delays, [Some(2), Some(4), Some(8), Some(16), None]);
        assert_eq!(PATIENCE.total(), Duration::from_secs(30));
    }

    #[test]
    fn an_event_is_due_after_its_delay_and_is_given_back_after_its_last_try() {
        let mut aside = Aside::new(PATIENCE);
        let now = Instant::now();
        assert_eq!(aside.keep(7, 1, "event", now), Ok(()));
        assert!(aside.take_due(now + Duration::from_millis(1_999), 10).is_empty());
        assert_eq!(aside.next_due(), Some(now + Duration::from_secs(2)));
        assert_eq!(aside.take_due(now + Duration::from_secs(2), 10), ["event"]);
        assert_eq!(aside.keep(7, 5, "event", now), Err("event"));
        assert_eq!((aside.len(), aside.next_due()), (0, None));
    }

    #[test]
    fn more_than_there_is_room_for_is_given_back_at_once() {
        let mut aside = Aside::new(PATIENCE);
        let now = Instant::now();
        let kept: Vec<_> = (0..3).map(|offset| aside.keep(offset, 1, offset, now)).collect();
        assert_eq!(kept, [Ok(()), Ok(()), Err(2)]);
    }

    #[test]
    fn the_earliest_come_first_and_no_more_than_asked_for() {
        let mut aside = Aside::new(PATIENCE);
        let now = Instant::now();
        assert_eq!(aside.keep(1, 2, "later", now), Ok(()));
        assert_eq!(aside.keep(2, 1, "sooner", now), Ok(()));
        let late = now + Duration::from_secs(60);
        assert_eq!(aside.take_due(late, 1), ["sooner"]);
        assert_eq!(aside.take_due(late, 1), ["later"]);
    }
}
