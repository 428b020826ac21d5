//! Who has which time, at every prefix of the log. Found one by one, with no index, because what is judged may well be
//! clever.

use std::collections::BTreeMap;

use daybook_domain::{
    BookingId, BookingKind, BookingState, Decision, Interval, Outcome, Rejection, ResourceId, Rules, Standing,
};

use super::Kept;

/// After every single decision: live bookings on one unit do not overlap, whoever has just been given time has it within
/// the capacity, with its buffers, and over nothing that is busy; versions never fall; a named winner stands where it is
/// said to.
pub fn nobody_overlaps(kept: &[Kept]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut resources: BTreeMap<&ResourceId, Timeline> = BTreeMap::new();
    for row in kept {
        let decision = &row.logged.decision;
        let timeline = resources.entry(&decision.resource).or_default();
        let (partition, seq, resource) = (row.partition, row.seq, &decision.resource);
        let why = timeline.decide(decision);
        broken.extend(why.into_iter().map(|why| format!("partition {partition}, seq {seq}, {resource}: {why}")));
    }
    broken
}

#[derive(Debug, Default)]
struct Timeline {
    rules: Option<Rules>,
    bookings: BTreeMap<BookingId, BookingState>,
}

impl Timeline {
    fn decide(&mut self, decision: &Decision) -> Vec<String> {
        let mut broken = Vec::new();
        if let Outcome::Flagged(winner) | Outcome::Rejected(Rejection::Conflict(winner)) = &decision.outcome {
            let stands = self.bookings.get(&winner.booking_id).is_some_and(|booking| {
                spans(booking).any(|span| span == winner.interval) && booking.source == winner.source
            });
            if !stands {
                broken.push(format!("names {} as the winner, which does not stand there", winner.booking_id));
            }
        }
        if let Some(rules) = &decision.rules {
            self.rules = Some(rules.clone());
        }
        for id in &decision.absorbed {
            match self.bookings.get_mut(id) {
                Some(busy) if busy.kind == BookingKind::Busy && busy.standing.live().is_some() => {
                    busy.standing = Standing::Cancelled { last: busy.standing.interval() };
                    busy.version += 1;
                    busy.shadows.clear();
                }
                Some(_) | None => broken.push(format!("takes in {id}, which is no busy time")),
            }
        }
        let Some(after) = &decision.booking else { return broken };
        let id = after.booking_id;
        let before = self.bookings.insert(id, after.clone());
        if before.as_ref().is_some_and(|before| after.version < before.version) {
            broken.push(format!("the version of {id} falls"));
        }
        let Some(interval) = after.standing.live().filter(|_| after.kind == BookingKind::Booking) else {
            return broken;
        };
        let had = before.filter(|before| before.kind == BookingKind::Booking);
        let had = had.and_then(|before| Some((before.standing.live()?, before.unit)));
        broken.extend(self.shares_its_unit(after, interval));
        if had != Some((interval, after.unit)) {
            broken.extend(self.was_not_free(after, interval));
        }
        broken
    }

    /// Nobody else is on the booking's unit at its time.
    fn shares_its_unit(&self, booking: &BookingState, interval: Interval) -> Vec<String> {
        let others = self.others(booking.booking_id).filter(|(other, span)| {
            other.kind == BookingKind::Booking && other.unit == booking.unit && span.overlaps(&interval)
        });
        others.map(|(other, _)| format!("{} overlaps {}", booking.booking_id, other.booking_id)).collect()
    }

    /// What stood in the way of a booking that has just been given this time.
    fn was_not_free(&self, booking: &BookingState, interval: Interval) -> Vec<String> {
        let id = booking.booking_id;
        let Some(rules) = &self.rules else { return vec![format!("{id} has time of a resource without rules")] };
        let (before, after) = (rules.buffer_before, rules.buffer_after);
        let mut broken = Vec::new();
        if booking.unit >= rules.capacity {
            broken.push(format!("{id} is on unit {} of {}", booking.unit, rules.capacity));
        }
        let wide = interval.widened(before + after, before + after);
        let mut starts = vec![interval.start()];
        for (other, span) in self.others(id) {
            match other.kind {
                BookingKind::Booking if other.unit == booking.unit && span.overlaps(&wide) => {
                    broken.push(format!("{id} is within the buffers of {}", other.booking_id));
                }
                BookingKind::Booking => starts.push(span.start()),
                BookingKind::Busy => {}
            }
        }
        // The most that are there at once are there when one of them begins.
        let at_once = starts.iter().filter(|at| interval.start() <= **at && **at < interval.end()).map(|at| {
            let there = |(other, span): &(&BookingState, Interval)| {
                other.kind == BookingKind::Booking && span.start() <= *at && *at < span.end()
            };
            1 + self.others(id).filter(there).count()
        });
        let most = at_once.max().unwrap_or(1);
        if most > usize::from(rules.capacity) {
            broken.push(format!("{id} is one of {most} at once, and there is room for {}", rules.capacity));
        }
        let near = interval.widened(before, after);
        let busy =
            self.bookings.values().filter(|other| other.booking_id != id && busy(other).any(|at| at.overlaps(&near)));
        broken.extend(busy.map(|other| format!("{id} lies over busy time of {}", other.booking_id)));
        broken
    }

    /// Everything else that is live.
    fn others(&self, id: BookingId) -> impl Iterator<Item = (&BookingState, Interval)> {
        let live = |booking: &'_ BookingState| booking.standing.live();
        self.bookings
            .values()
            .filter(move |other| other.booking_id != id)
            .filter_map(move |other| Some((other, live(other)?)))
    }
}

/// The time that a booking keeps everybody out of, on whatever unit.
fn busy(booking: &BookingState) -> impl Iterator<Item = Interval> + '_ {
    let own = booking.standing.live().filter(|_| booking.kind == BookingKind::Busy);
    own.into_iter().chain(booking.away())
}

/// Everywhere it stands.
fn spans(booking: &BookingState) -> impl Iterator<Item = Interval> + '_ {
    booking.standing.live().into_iter().chain(booking.away())
}
