//! A span of a resource's time.

use std::time::Duration;

use crate::Timestamp;

/// `[start, end)` in UTC, never empty and never reversed. Half-open, so back to back is no conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    start: Timestamp,
    end: Timestamp,
}

/// Why two instants are no interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("end must be after start")]
pub struct IntervalError;

impl Interval {
    /// How long a claim may be: a year, which is longer than any appointment and most absences.
    pub const CLAIM_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

    /// The span from `start` up to, not including, `end`.
    pub fn new(start: Timestamp, end: Timestamp) -> Result<Self, IntervalError> {
        if start < end { Ok(Self { start, end }) } else { Err(IntervalError) }
    }

    /// The first instant inside.
    pub const fn start(&self) -> Timestamp {
        self.start
    }

    /// The first instant after.
    pub const fn end(&self) -> Timestamp {
        self.end
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        self.end.since(self.start)
    }

    /// This span and what lies up to `before` its start and up to `after` its end.
    pub fn widened(&self, before: Duration, after: Duration) -> Self {
        Self { start: self.start.minus(before), end: self.end.plus(after) }
    }

    /// Whether every instant of `other` is inside.
    pub fn contains(&self, other: &Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Whether some instant is inside both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: i64, end: i64) -> Interval {
        let at = |micros| Timestamp::from_micros(micros).expect("in range");
        Interval::new(at(start), at(end)).expect("start before end")
    }

    #[test]
    fn an_empty_or_reversed_interval_is_refused() {
        let at = |micros| Timestamp::from_micros(micros).expect("in range");
        assert_eq!(Interval::new(at(5), at(5)), Err(IntervalError));
        assert_eq!(Interval::new(at(6), at(5)), Err(IntervalError));
    }

    #[test]
    fn back_to_back_does_not_overlap_and_one_microsecond_does() {
        assert!(!span(0, 10).overlaps(&span(10, 20)));
        assert!(!span(10, 20).overlaps(&span(0, 10)));
        assert!(span(0, 11).overlaps(&span(10, 20)));
        assert!(span(0, 30).overlaps(&span(10, 20)));
        assert!(span(10, 20).overlaps(&span(0, 30)));
    }
}
