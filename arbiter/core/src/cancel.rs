//! `cancel`: this booking is to be gone, or, with a replacement announced, to be gone once that is decided.
//!
//! A cancellation may come before the creation: it leaves a tombstone under the source's name for the booking. What
//! another source only shows is not its to cancel: the shadow is gone, and the booking stands.

use daybook_domain::{
    BookingKind, BookingState, CancelKind, Interval, Outcome, Rejection, Standing, Subject, Unchanged,
};

use crate::claim::stale;
use crate::{Case, Ruling, shadow};

pub(crate) fn decide(case: Case<'_>, subject: &Subject, interval: Option<Interval>, kind: CancelKind) -> Ruling {
    let key = subject.identity.key();
    let Some(known) = case.state.by_key(key) else { return tombstone(case, subject, interval) };
    if known.shadow(key).is_some() {
        return shadow::seen(case, known, key, subject.version, None);
    }
    if known.current_key() != Some(key) || subject.version < known.source_version {
        return stale(known);
    }
    let mut after = known.clone();
    after.source_version = subject.version;
    let duplicate = Outcome::Unchanged(Unchanged::Duplicate);
    let wait = case.rules.replacement_wait;
    let (standing, outcome) = match (known.standing, kind) {
        (Standing::Cancelled { .. }, _) | (Standing::Awaiting { .. }, CancelKind::AwaitingReplacement) => {
            return Ruling::of(duplicate, Some(after));
        }
        (Standing::Confirmed(interval), CancelKind::AwaitingReplacement)
            if !wait.is_zero() && known.kind == BookingKind::Booking =>
        {
            (Standing::Awaiting { interval, until: case.now.plus(wait) }, Outcome::AwaitingReplacement)
        }
        (Standing::Confirmed(_) | Standing::Held { .. }, CancelKind::AwaitingReplacement)
        | (Standing::Confirmed(_) | Standing::Held { .. } | Standing::Awaiting { .. }, CancelKind::Plain) => {
            (Standing::Cancelled { last: known.standing.live() }, Outcome::Cancelled)
        }
    };
    after.standing = standing;
    after.version += 1;
    Ruling::of(outcome, Some(after))
}

fn tombstone(case: Case<'_>, subject: &Subject, interval: Option<Interval>) -> Ruling {
    // Ids are derived from names, and nobody knows this name: the booking that has this id is not this one's to end.
    if case.state.booking(subject.booking_id).is_some() {
        return Ruling::rejected(Rejection::InvalidTransition, None);
    }
    let booking = BookingState {
        booking_id: subject.booking_id,
        kind: BookingKind::Booking,
        standing: Standing::Cancelled { last: interval },
        unit: 0,
        version: 1,
        source: case.request.source.clone(),
        keys: vec![subject.identity.key()],
        source_version: subject.version,
        content: None,
        contacts: Vec::new(),
        tags: Vec::new(),
        shadows: Vec::new(),
        moved_from: None,
        moved_to: None,
    };
    Ruling::of(Outcome::Cancelled, Some(booking))
}

#[cfg(test)]
mod tests;
