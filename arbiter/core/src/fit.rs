//! Whether there is room: units, buffers, busy time; and where there is some next.
//!
//! A booking needs its own time and the buffers around it, on one unit from start to end. Two bookings on a unit are
//! therefore both buffers apart; busy time has no buffers of its own and blocks every unit. A unit beyond the capacity,
//! left from a day when there was more, still counts as one that is taken.

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_domain::{BookingId, Interval, Rules, Timestamp, Winner};

use crate::state::State;
use crate::{Missing, policy};

/// How many free slots a refusal offers.
const OFFERS: usize = 3;
/// How far after the wanted start they are looked for.
const OFFER_WITHIN: Duration = Duration::from_secs(60 * 24 * 60 * 60);
/// How many obstacles the search passes before it gives up: a calendar that is full for months has no near slot.
const OBSTACLES_MAX: usize = 500;

/// No room.
#[derive(Debug)]
pub(crate) struct Blocked {
    /// Who is in the way: the earliest.
    pub winner: (BookingId, Interval),
    /// No start before this one has room.
    pub until: Timestamp,
}

impl Blocked {
    pub fn winner(&self, state: &State) -> Winner {
        let (booking_id, interval) = self.winner;
        let source = state.booking(booking_id).map(|booking| booking.source.clone());
        Winner { booking_id, interval, source: source.unwrap_or_else(daybook_domain::SourceName::daybook) }
    }
}

/// Whose time does not count: the claimant's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own<'a> {
    /// The booking that is to move, and busy time that is the same appointment.
    pub bookings: &'a [BookingId],
    /// The unit it has, to be kept if it can.
    pub unit: Option<u16>,
}

/// The unit on which the wanted interval fits: the one it has, else the lowest.
pub(crate) fn fit(state: &State, rules: &Rules, wanted: Interval, own: Own<'_>) -> Result<u16, Blocked> {
    room(state, rules, wanted, own, Timestamp::EPOCH)
}

/// The same; what has lapsed by `now` is as good as gone.
pub(crate) fn room(
    state: &State,
    rules: &Rules,
    wanted: Interval,
    own: Own<'_>,
    now: Timestamp,
) -> Result<u16, Blocked> {
    let (before, after) = (rules.buffer_before, rules.buffer_after);
    let between = before + after;
    let is_over = |id| state.booking(id).and_then(|booking| booking.standing.deadline()).is_some_and(|end| end <= now);
    let others = |id: &BookingId| !own.bookings.contains(id) && !is_over(*id);
    let busy = state.busy.over(wanted.widened(before, after)).filter(|(id, _)| others(id));
    let (mut first, mut until) = (None, wanted.start());
    for (id, span) in busy {
        first = first.or(Some((id, span)));
        until = until.max(span.end().plus(before));
    }
    let is_busy = first.is_some();
    // The latest end on each unit that is taken.
    let mut taken: BTreeMap<u16, Timestamp> = BTreeMap::new();
    for (id, span) in state.booked.over(wanted.widened(between, between)).filter(|(id, _)| others(id)) {
        let Some(booking) = state.booking(id) else { continue };
        if first.is_none_or(|(other, earliest): (_, Interval)| (span.start(), id) < (earliest.start(), other)) {
            first = Some((id, span));
        }
        let end = taken.entry(booking.unit).or_insert(span.end());
        *end = span.end().max(*end);
    }
    let capacity = usize::from(rules.capacity);
    if taken.len() >= capacity {
        // So many of them have to be free again.
        let mut ends: Vec<_> = taken.values().collect();
        ends.sort();
        if let Some(end) = ends.get(taken.len() - capacity) {
            until = until.max(end.plus(between));
        }
    }
    match first {
        Some(winner) if is_busy || taken.len() >= capacity => Err(Blocked { winner, until }),
        Some(_) | None => {
            let free = |unit: &u16| *unit < rules.capacity && !taken.contains_key(unit);
            Ok(own.unit.filter(free).or_else(|| (0..rules.capacity).find(free)).unwrap_or(0))
        }
    }
}

/// Up to three slots of the wanted length, from the wanted start or from now on, soonest first, none over another.
pub(crate) fn next_free(
    state: &State,
    rules: &Rules,
    now: Timestamp,
    wanted: Interval,
    own: Own<'_>,
) -> Result<Vec<Interval>, Missing> {
    if rules.retired {
        return Ok(Vec::new());
    }
    let between = rules.buffer_before + rules.buffer_after;
    let length = wanted.length();
    let mut from = wanted.start().max(now.plus(rules.notice));
    let window = rules.window.map_or(Timestamp::MAX, |window| now.plus(window));
    let last = from.plus(OFFER_WITHIN).min(window);
    let mut offers = Vec::new();
    for _ in 0..OBSTACLES_MAX {
        if offers.len() == OFFERS {
            break;
        }
        let Some(start) = policy::next_open(rules, from, length).filter(|start| *start <= last) else { break };
        // Shorter only at the end of time.
        let Some(slot) = Interval::new(start, start.plus(length)).ok().filter(|slot| slot.length() == length) else {
            break;
        };
        state.holds(slot.widened(between, between))?;
        match room(state, rules, slot, own, now) {
            Ok(_) => {
                offers.push(slot);
                from = slot.end();
            }
            Err(blocked) => from = blocked.until,
        }
    }
    Ok(offers)
}

#[cfg(test)]
mod tests;
