//! Which times are free: what `book` would be granted, over a whole window at once, by the same functions.
//!
//! Nothing of it is decided or kept. An answer is used a while after it was given, so it is given for a span of the log's
//! time: a slot is offered if its booking would be granted whenever within that span it is decided, as long as nobody else
//! changes the resource. Absent on purpose: the present, and whoever asks: a claim that turns out to be an appointment
//! that stands already may be given time that is not free to others.

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_domain::{BookingId, BookingKind, Interval, Timestamp};

use crate::fit::{Own, room};
use crate::policy;
use crate::state::State;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// Slots lie inside, from start to end.
    pub window: Interval,
    /// How long each is.
    pub length: Duration,
    /// They begin with the window, and every so much later. At least a microsecond.
    pub step: Duration,
    /// The booking that is to move there, and is not in its own way.
    pub moving: Option<BookingId>,
}

/// When the claims on what is offered are going to be decided, by the log's time: no earlier, no later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// What has lapsed by then is gone, and the window of the rules ends so long after it.
    pub earliest: Timestamp,
    /// Nothing begins before it, and the rules' notice is counted from it.
    pub latest: Timestamp,
}

/// The slots of the search that are free, in order. They may overlap each other. None without rules, and none of a resource
/// that is retired.
pub fn availability(state: &State, asked: Asked, search: Search) -> Vec<Interval> {
    let mut slots = Vec::new();
    let Some(rules) = state.rules().filter(|rules| !rules.retired) else { return slots };
    let first = asked.latest.plus(rules.notice);
    let last = rules.window.map_or(Timestamp::MAX, |window| asked.earliest.plus(window));
    let own: Vec<BookingId> = search.moving.into_iter().collect();
    let own = Own { bookings: &own, unit: None };
    for open in policy::open(rules, search.window) {
        let end = open.end().min(search.window.end());
        let mut start = search.at_or_after(open.start().max(first));
        while let Some(slot) = search.slot(start).filter(|slot| start <= last && slot.end() <= end) {
            start = match room(state, rules, slot, own, asked.earliest) {
                Ok(_) => {
                    slots.push(slot);
                    search.after(start)
                }
                Err(blocked) => search.at_or_after(blocked.until).max(search.after(start)),
            };
        }
    }
    slots
}

/// When nobody can have the resource, however short the time: every unit is taken, or the time is taken elsewhere. In
/// order, none touching another. Buffers, hours and what else the rules forbid are not in it.
pub fn taken(state: &State, earliest: Timestamp, window: Interval) -> Vec<Interval> {
    let capacity = state.rules().map_or(1, |rules| isize::try_from(rules.capacity).unwrap_or(isize::MAX));
    // At each instant, how many bookings begin less how many end, and the same of busy time.
    let mut turns = BTreeMap::<Timestamp, (isize, isize)>::new();
    let spans = [(BookingKind::Booking, &state.booked), (BookingKind::Busy, &state.busy)];
    for (kind, timeline) in spans {
        for (id, span) in timeline.over(window) {
            if state.booking(id).and_then(|booking| booking.standing.deadline()).is_some_and(|end| end <= earliest) {
                continue;
            }
            for (at, turn) in [(span.start().max(window.start()), 1), (span.end().min(window.end()), -1)] {
                let (booked, busy) = turns.entry(at).or_default();
                match kind {
                    BookingKind::Booking => *booked += turn,
                    BookingKind::Busy => *busy += turn,
                }
            }
        }
    }
    let (mut booked, mut busy) = (0, 0);
    let mut since = None;
    let mut all = Vec::new();
    for (at, turn) in turns {
        booked += turn.0;
        busy += turn.1;
        let is_taken = booked >= capacity || busy > 0;
        match since {
            None if is_taken => since = Some(at),
            Some(start) if !is_taken => {
                all.extend(Interval::new(start, at));
                since = None;
            }
            Some(_) | None => {}
        }
    }
    all
}

impl Search {
    /// The start that follows a start.
    fn after(&self, start: Timestamp) -> Timestamp {
        start.plus(self.step.max(Duration::from_micros(1)))
    }

    /// The first start that is not before this.
    fn at_or_after(&self, at: Timestamp) -> Timestamp {
        let begins = self.window.start();
        let step = self.step.as_micros().max(1);
        let steps = at.since(begins).as_micros().div_ceil(step);
        begins.plus(Duration::from_micros(u64::try_from(steps * step).unwrap_or(u64::MAX)))
    }

    /// Shorter only at the end of time, and then it is none.
    fn slot(&self, start: Timestamp) -> Option<Interval> {
        Interval::new(start, start.plus(self.length)).ok().filter(|slot| slot.length() == self.length)
    }
}

#[cfg(test)]
mod tests;
