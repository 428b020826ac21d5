//! The one loop that waits for something outside this process: until it holds, fails for good, or takes too long.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Asks `probe` until it gives an answer or `limit` has passed. There is nobody to be woken by: the other side is a
/// foreign process, so this is a poll, and its steps grow from 10 ms to 200 ms.
#[expect(clippy::disallowed_methods, reason = "polls a foreign process; nothing here must react to a shutdown")]
pub(crate) fn until<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    let mut step = Duration::from_millis(10);
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if start.elapsed() >= limit {
            return None;
        }
        thread::sleep(step);
        step = (step * 3 / 2).min(Duration::from_millis(200));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_the_wait_and_no_answer_ends_at_the_limit() {
        let mut asked = 0;
        let answer = until(Duration::from_secs(5), || {
            asked += 1;
            (asked == 3).then_some(asked)
        });
        assert_eq!(answer, Some(3));
        assert_eq!(until(Duration::ZERO, || None::<()>), None);
    }
}
