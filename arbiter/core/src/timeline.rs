//! Who has which time, in order of the starts.

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_domain::{BookingId, Interval, Timestamp};

/// Spans of time and the bookings that they belong to. Spans may overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Timeline {
    spans: BTreeMap<(Timestamp, BookingId, Timestamp), u32>,
    /// At least the length of the longest span: how far back one must look for what reaches into a window. It never
    /// falls, and answers do not depend on it.
    reach: Reach,
}

/// Equal to every other: two timelines with the same spans give the same answers.
#[derive(Debug, Clone, Copy, Default)]
struct Reach(Duration);

impl PartialEq for Reach {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Reach {}

impl Timeline {
    /// A booking may have the same span twice: two shadows of it in one place.
    pub fn add(&mut self, id: BookingId, span: Interval) {
        *self.spans.entry((span.start(), id, span.end())).or_default() += 1;
        self.reach.0 = self.reach.0.max(span.length());
    }

    pub fn remove(&mut self, id: BookingId, span: Interval) {
        let key = (span.start(), id, span.end());
        if let Some(count) = self.spans.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.spans.remove(&key);
            }
        }
    }

    /// Everything that has a part of the window, by start, then by booking.
    pub fn over(&self, window: Interval) -> impl Iterator<Item = (BookingId, Interval)> + '_ {
        let nobody = BookingId::from_uuid(uuid::Uuid::nil());
        let from = (window.start().minus(self.reach.0), nobody, Timestamp::EPOCH);
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
