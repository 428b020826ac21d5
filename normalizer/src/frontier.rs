//! How far a partition is finished, when records finish out of order.
//!
//! Invariant: the position is never past a record that was begun and not finished. Offsets rise, and may skip (a
//! compacted topic, a transaction's marker).

use std::collections::BTreeSet;

/// The records of a partition that are begun and not finished, and where the next one is.
#[derive(Debug, Default)]
pub struct Frontier {
    unfinished: BTreeSet<i64>,
    next: Option<i64>,
}

impl Frontier {
    /// Nothing begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// The record at `offset` is being worked on.
    pub fn begin(&mut self, offset: i64) {
        self.unfinished.insert(offset);
        self.next = self.next.max(Some(offset + 1));
    }

    /// Everything that came of the record at `offset` is kept.
    pub fn finish(&mut self, offset: i64) {
        self.unfinished.remove(&offset);
    }

    /// The offset that a successor must begin at; none if no record was begun.
    pub fn position(&self) -> Option<i64> {
        self.unfinished.first().copied().or(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(offsets: &[i64]) -> Frontier {
        let mut frontier = Frontier::new();
        for offset in offsets {
            frontier.begin(*offset);
        }
        frontier
    }

    #[test]
    fn nothing_begun_is_no_position() {
        assert_eq!(Frontier::new().position(), None);
    }

    #[test]
    fn records_that_finish_in_order_move_it() {
        let mut frontier = begun(&[7, 8]);
        assert_eq!(frontier.position(), Some(7));
        frontier.finish(7);
        assert_eq!(frontier.position(), Some(8));
        frontier.finish(8);
        assert_eq!(frontier.position(), Some(9));
    }

    #[test]
    fn an_unfinished_record_holds_it_while_later_ones_finish() {
        let mut frontier = begun(&[7, 8, 9]);
        frontier.finish(9);
        frontier.finish(8);
        assert_eq!(frontier.position(), Some(7));
        frontier.begin(10);
        frontier.finish(7);
        assert_eq!(frontier.position(), Some(10));
        frontier.finish(10);
        assert_eq!(frontier.position(), Some(11));
    }

    #[test]
    fn offsets_may_skip() {
        let mut frontier = begun(&[3, 40]);
        frontier.finish(3);
        assert_eq!(frontier.position(), Some(40));
        frontier.finish(40);
        assert_eq!(frontier.position(), Some(41));
    }

    #[test]
    fn a_record_that_finishes_twice_changes_nothing() {
        let mut frontier = begun(&[3, 4]);
        frontier.finish(3);
        frontier.finish(3);
        assert_eq!(frontier.position(), Some(4));
    }

    #[test]
    fn in_whatever_order_they_finish_it_is_the_lowest_that_has_not() {
        // All orders of four records, as the digits of a number to the base four.
        for order in 0..256_i64 {
            let mut frontier = begun(&[0, 1, 2, 3]);
            let mut open = BTreeSet::from([0, 1, 2, 3]);
            for digit in [order % 4, order / 4 % 4, order / 16 % 4, order / 64] {
                frontier.finish(digit);
                open.remove(&digit);
                assert_eq!(frontier.position(), Some(open.first().copied().unwrap_or(4)));
            }
        }
    }
}
