//! Of which time a state holds everything: a resource with a long calendar is loaded piece by piece.

use daybook_domain::{Interval, Timestamp};

/// Spans of time, sorted, with time between each and the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage(Vec<Interval>);

impl Coverage {
    /// All time.
    pub fn all() -> Self {
        Self::from(Timestamp::EPOCH)
    }

    /// All time from an instant on.
    pub fn from(start: Timestamp) -> Self {
        Self(Interval::new(start, Timestamp::MAX).into_iter().collect())
    }

    /// No time at all.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Each span once, in order.
    pub fn pieces(&self) -> impl Iterator<Item = Interval> + '_ {
        self.0.iter().copied()
    }

    /// Whether every instant of a span is covered.
    pub fn holds(&self, span: Interval) -> bool {
        let after = self.0.partition_point(|piece| piece.start() <= span.start());
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|piece| piece.contains(&span))
    }

    /// Covers a span too.
    pub fn add(&mut self, span: Interval) {
        let first = self.0.partition_point(|piece| piece.end() < span.start());
        let last = self.0.partition_point(|piece| piece.start() <= span.end());
        let touched = self.0.get(first..last).unwrap_or_default();
        let start = touched.first().map_or(span.start(), |piece| piece.start().min(span.start()));
        let end = touched.last().map_or(span.end(), |piece| piece.end().max(span.end()));
        let joined = Interval::new(start, end).expect("no shorter than the span");
        self.0.splice(first..last, [joined]);
    }

    /// Covers nothing before an instant any more.
    pub fn cut_before(&mut self, instant: Timestamp) {
        self.0 =
            self.0.iter().filter_map(|piece| Interval::new(piece.start().max(instant), piece.end()).ok()).collect();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span(start: i64, end: i64) -> Interval {
        let at = |micros| Timestamp::from_micros(micros).expect("in range");
        Interval::new(at(start), at(end)).expect("start before end")
    }

    proptest! {
        #[test]
        fn it_covers_each_instant_that_was_added_and_no_other(
            pieces in prop::collection::vec((0..40_i64, 1..10_i64), 0..12),
            cut in prop::option::of(0..50_i64),
        ) {
            let mut coverage = Coverage::none();
            for (start, length) in &pieces {
                coverage.add(span(*start, start + length));
            }
            if let Some(cut) = cut {
                coverage.cut_before(Timestamp::from_micros(cut).expect("in range"));
            }
            let has = |instant: i64| {
                let added = pieces.iter().any(|(start, length)| (*start..start + length).contains(&instant));
                added && cut.is_none_or(|cut| cut <= instant)
            };
            for start in 0..50 {
                for end in start + 1..=50 {
                    prop_assert_eq!(coverage.holds(span(start, end)), (start..end).all(has), "{}..{}", start, end);
                }
            }
            prop_assert!(coverage.0.is_sorted_by(|one, next| one.end() < next.start()), "joined where they touch");
        }
    }

    #[test]
    fn all_time_holds_every_span() {
        assert!(Coverage::all().holds(span(0, 1)));
        assert!(Coverage::all().holds(Interval::new(Timestamp::EPOCH, Timestamp::MAX).expect("an interval")));
        assert!(!Coverage::none().holds(span(0, 1)));
    }
}
