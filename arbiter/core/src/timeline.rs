//! Who has which time, in order of the starts.

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_domain::{BookingId, Interval, Timestamp};

/// Spans of time and the bookings that they belong to. Spans may overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Timeline {
    spans: BTreeMap<(Timestamp, BookingId, Timestamp), u32>,
    /// How many spans have each length. The longest says how far back one must look for what reaches into a window.
    lengths: BTreeMap<Duration, u32>,
}

impl Timeline {
    /// A booking may have the same span twice: two shadows of it in one place.
    pub fn add(&mut self, id: BookingId, span: Interval) {
        *self.spans.entry((span.start(), id, span.end())).or_default() += 1;
        *self.lengths.entry(span.length()).or_default() += 1;
    }

    pub fn remove(&mut self, id: BookingId, span: Interval) {
        if take_one(&mut self.spans, &(span.start(), id, span.end())) {
            take_one(&mut self.lengths, &span.length());
        }
    }

    /// Everything that has a part of the window, by start, then by booking.
    pub fn over(&self, window: Interval) -> impl Iterator<Item = (BookingId, Interval)> + '_ {
        let nobody = BookingId::from_uuid(uuid::Uuid::nil());
        let longest = self.lengths.keys().next_back().copied().unwrap_or_default();
        let from = (window.start().minus(longest), nobody, Timestamp::EPOCH);
        let until = (window.end(), nobody, Timestamp::EPOCH);
        self.all_in(from..until).filter(move |(_, span)| span.overlaps(&window))
    }

    /// Everything, in the same order.
    pub fn all(&self) -> impl Iterator<Item = (BookingId, Interval)> + '_ {
        self.all_in(..)
    }

    fn all_in(
        &self,
        range: impl std::ops::RangeBounds<(Timestamp, BookingId, Timestamp)>,
    ) -> impl Iterator<Item = (BookingId, Interval)> + '_ {
        self.spans.range(range).map(|((start, id, end), _)| {
            (*id, Interval::new(*start, *end).expect("it was an interval when it was added"))
        })
    }
}

/// Whether there was one.
fn take_one<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) -> bool {
    let Some(count) = counts.get_mut(key) else { return false };
    *count -= 1;
    if *count == 0 {
        counts.remove(key);
    }
    true
}
