//! What a decision on a request looks at: what a state must hold of the store for it.

use daybook_domain::{BookingId, Interval, Request, SourceKey, Tag};

use crate::State;

/// What a request names. Besides it, a state must hold everything live of the time that a decision looks at; where it
/// does not, [`step`](crate::step) says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Bookings with any of these names, own or shadows'.
    pub keys: Vec<SourceKey>,
    /// Bookings with any of these tags.
    pub tags: Vec<Tag>,
    /// Bookings with any of these ids.
    pub bookings: Vec<BookingId>,
}

/// Time that a decision looks at, and of which the state does not hold everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The time.
    pub time: Interval,
}

/// What a request names.
pub fn reach(request: &Request) -> Reach {
    let operation = &request.operation;
    Reach {
        keys: operation.identities().map(daybook_domain::Identity::key).collect(),
        tags: operation.claim().map(|claim| claim.tags()).unwrap_or_default(),
        bookings: operation.booking_ids().collect(),
    }
}

/// The time that every decision on this request looks at: its claim's, and both buffers on either side. A refusal looks
/// further, for the next free slots.
pub fn surroundings(state: &State, request: &Request) -> Option<Interval> {
    let claim = request.operation.claim()?;
    let between = state.rules().map(|rules| rules.buffer_before + rules.buffer_after).unwrap_or_default();
    Some(claim.interval.widened(between, between))
}
