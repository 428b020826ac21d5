//! `cancel`: this booking is to be gone, or, with a replacement announced, to be gone once that is decided.
//!
//! A cancellation may come before the creation: it leaves a tombstone under the source's name for the booking.

use daybook_domain::{
    BookingId, BookingState, CancelKind, Interval, Outcome, Rejection, Rules, SourceKey, SourceName, SourceVersion,
    Standing, Timestamp, Unchanged,
};

use crate::Ruling;
use crate::state::State;

/// What is to be gone.
pub(crate) struct Subject<'a> {
    pub booking_id: BookingId,
    pub key: SourceKey,
    pub source: &'a SourceName,
    pub version: SourceVersion,
    pub interval: Option<Interval>,
}

pub(crate) fn decide(state: &State, rules: &Rules, now: Timestamp, subject: &Subject<'_>, kind: CancelKind) -> Ruling {
    let Some(known) = state.by_key(subject.key) else { return tombstone(state, subject) };
    if known.current_key() != Some(subject.key) || subject.version < known.source_version {
        return Ruling::of(Outcome::Unchanged(Unchanged::Stale), Some(known.clone()));
    }
    let mut after = known.clone();
    after.source_version = subject.version;
    let duplicate = Outcome::Unchanged(Unchanged::Duplicate);
    let (standing, outcome) = match (known.standing, kind) {
        (Standing::Cancelled { .. }, _) | (Standing::Awaiting { .. }, CancelKind::AwaitingReplacement) => {
            return Ruling::of(duplicate, Some(after));
        }
        (Standing::Confirmed(interval), CancelKind::AwaitingReplacement) if !rules.replacement_wait.is_zero() => {
            let until = now.plus(rules.replacement_wait);
            (Standing::Awaiting { interval, until }, Outcome::AwaitingReplacement)
        }
        (Standing::Confirmed(_), CancelKind::AwaitingReplacement)
        | (Standing::Confirmed(_) | Standing::Awaiting { .. }, CancelKind::Plain) => {
            (Standing::Cancelled { last: known.standing.live() }, Outcome::Cancelled)
        }
    };
    after.standing = standing;
    after.version += 1;
    Ruling::of(outcome, Some(after))
}

fn tombstone(state: &State, subject: &Subject<'_>) -> Ruling {
    // Ids are derived from names, and nobody knows this name: the booking that has this id is not this one's to end.
    if state.booking(subject.booking_id).is_some() {
        return Ruling::rejected(Rejection::InvalidTransition, None);
    }
    let booking = BookingState {
        booking_id: subject.booking_id,
        standing: Standing::Cancelled { last: subject.interval },
        version: 1,
        source: subject.source.clone(),
        keys: vec![subject.key],
        source_version: subject.version,
        content: None,
        contacts: Vec::new(),
    };
    Ruling::of(Outcome::Cancelled, Some(booking))
}
