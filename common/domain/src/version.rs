//! Which of two states that a source reported is the newer.

use crate::Timestamp;

/// A source's own order of one booking's states: its sequence number, then its update time. Never the time of arrival.
///
/// A source that numbers its states leaves equal times; one that only stamps them leaves the sequence at zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceVersion {
    /// The source's counter (iCalendar `SEQUENCE`, `version`), or 0 where it has none.
    pub sequence: i64,
    /// The source's own clock when it made this state.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_rules_and_the_time_breaks_ties() {
        let version = |sequence, micros| SourceVersion {
            sequence,
            updated_at: Timestamp::from_micros(micros).expect("in range"),
        };
        assert!(version(2, 0) > version(1, 99));
        assert!(version(1, 2) > version(1, 1));
    }
}
