//! A bound on log lines that strangers can cause: some a second are written, the rest are counted, and the next line
//! says how many. Metrics count them all.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines in any second.
const LINES: u32 = 10;
const SPAN: Duration = Duration::from_secs(1);

/// The budget.
#[derive(Debug)]
pub struct LineBudget(Mutex<Second>);

#[derive(Debug)]
struct Second {
    began: Instant,
    written: u32,
    suppressed: u64,
}

impl LineBudget {
    /// A budget of which nothing is spent.
    pub fn new(now: Instant) -> Self {
        Self(Mutex::new(Second { began: now, written: 0, suppressed: 0 }))
    }

    /// Whether a line may be written, and how many were not since the last one.
    pub fn take(&self, now: Instant) -> Option<u64> {
        let mut second = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(second.began) >= SPAN {
            second.began = now;
            second.written = 0;
        }
        if second.written == LINES {
            second.suppressed += 1;
            return None;
        }
        second.written += 1;
        Some(std::mem::take(&mut second.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_second_are_written_and_the_next_one_counts_the_rest() {
        let began = Instant::now();
        let budget = LineBudget::new(began);
        let written = (0..25).filter(|_| budget.take(began).is_some()).count();
        assert_eq!(written, 10);
        assert_eq!(budget.take(began + SPAN), Some(15));
        assert_eq!(budget.take(began + SPAN), Some(0));
    }
}
