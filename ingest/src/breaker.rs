//! Whether it is worth asking Kafka: while it is known to be away, callers are told so at once instead of after seconds.
//!
//! Open from the first failure to the next success; while open, one caller a second goes through and finds out.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often one caller is let through while Kafka is away.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// The breaker.
#[derive(Debug, Default)]
pub struct Breaker {
    /// When the next probe may go; none while Kafka takes what it is given.
    next_probe: Mutex<Option<Instant>>,
}

impl Breaker {
    /// Closed: Kafka is believed to be there.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether this caller may try.
    pub fn admits(&self, now: Instant) -> bool {
        let mut state = self.state();
        match *state {
            None => true,
            Some(next) if next <= now => {
                *state = Some(now + PROBE_EVERY);
                true
            }
            Some(_) => false,
        }
    }

    /// Kafka took a record. Says whether that is news.
    pub fn succeeded(&self) -> bool {
        self.state().take().is_some()
    }

    /// Kafka took none in time. Says whether that is news.
    pub fn failed(&self, now: Instant) -> bool {
        let mut state = self.state();
        let news = state.is_none();
        if news {
            *state = Some(now + PROBE_EVERY);
        }
        news
    }

    fn state(&self) -> MutexGuard<'_, Option<Instant>> {
        self.next_probe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_a_second_goes_through_until_one_succeeds() {
        let breaker = Breaker::new();
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        assert!(breaker.admits(at(0)) && breaker.admits(at(0)));
        assert!(breaker.failed(at(0)));
        let admitted: Vec<u64> = (0..=2_500).step_by(100).filter(|millis| breaker.admits(at(*millis))).collect();
        assert_eq!(admitted, [1_000, 2_000]);
        assert!(breaker.succeeded());
        assert!(breaker.admits(at(2_501)) && breaker.admits(at(2_501)));
    }

    #[test]
    fn a_failure_while_open_does_not_put_the_next_probe_off() {
        let breaker = Breaker::new();
        let began = Instant::now();
        assert!(breaker.failed(began));
        assert!(!breaker.failed(began + Duration::from_millis(900)));
        assert!(breaker.admits(began + Duration::from_secs(1)));
    }
}
