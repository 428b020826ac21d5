//! `expire`: the wait of this booking is over. The arbiter's own, sent through the log.

use daybook_domain::{BookingId, Outcome, Standing, Timestamp, Unchanged};

use crate::Ruling;
use crate::state::State;

/// None if the deadline is still to come by the log's time. A booking that no longer waits for this deadline is left
/// alone: it was confirmed, or its replacement was decided, meanwhile.
pub(crate) fn decide(state: &State, now: Timestamp, id: BookingId, deadline: Timestamp) -> Option<Ruling> {
    let Some(booking) = state.booking(id).filter(|booking| booking.standing.deadline() == Some(deadline)) else {
        return Some(Ruling::of(Outcome::Unchanged(Unchanged::Stale), None));
    };
    if now < deadline {
        return None;
    }
    let mut after = booking.clone();
    after.standing = Standing::Cancelled { last: booking.standing.live() };
    after.version += 1;
    let is_hold = matches!(booking.standing, Standing::Held { .. });
    Some(Ruling::of(if is_hold { Outcome::Expired } else { Outcome::Cancelled }, Some(after)))
}

#[cfg(test)]
mod tests;
