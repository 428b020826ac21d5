//! Which booking a request is about that claims no time.

use daybook_domain::{BookingState, Outcome, Rejection, Subject, Unchanged};

use crate::claim::stale;
use crate::{Case, Ruling};

/// What was found under a subject's name.
pub(crate) enum Found<'a> {
    /// A booking that this source speaks for, and that it has said nothing newer of.
    Own(&'a BookingState),
    /// None of them; what to rule then.
    Other(Box<Ruling>),
}

/// The arbiter itself names a booking by its id. A source names it as it calls it, or, where it was never told the name,
/// by the id, if it is its own.
pub(crate) fn find<'a>(case: Case<'a>, subject: &Subject) -> Found<'a> {
    let other = |ruling| Found::Other(Box::new(ruling));
    let by_id = case.state.booking(subject.booking_id);
    if case.is_own() {
        return by_id.map_or_else(|| other(Ruling::rejected(Rejection::UnknownBooking, None)), Found::Own);
    }
    let key = subject.identity.key();
    let known = case.state.by_key(key).or(by_id.filter(|known| known.source == case.request.source));
    let Some(known) = known else { return other(Ruling::rejected(Rejection::UnknownBooking, None)) };
    if known.shadow(key).is_some() {
        return other(Ruling::of(Outcome::Unchanged(Unchanged::Shadow), Some(known.clone())));
    }
    let superseded = known.keys.contains(&key) && known.current_key() != Some(key);
    if superseded || subject.version < known.source_version {
        return other(stale(known));
    }
    Found::Own(known)
}
