//! `reschedule`: the booking that its source called `previous` is to become this claim.
//!
//! One decision: granted, the old slot goes and the new one comes together; refused, the old one stands. Events may
//! come in any order, so either name may be known already: the chain of names is what ties them together.

use std::cmp::Ordering;

use daybook_domain::{BookingState, Claim, Outcome, Rejection, SourceKey, SourceName, Standing, Unchanged};

use crate::Ruling;
use crate::claim::{change, grant_new};
use crate::state::State;

pub(crate) fn decide(state: &State, source: &SourceName, previous: SourceKey, claim: &Claim) -> Ruling {
    let key = claim.identity.key();
    if key == previous {
        return match state.by_key(key) {
            None => grant_new(state, source, claim, vec![key]),
            Some(known) => newer(state, known, claim),
        };
    }
    match (state.by_key(previous), state.by_key(key)) {
        // The creation was never seen; should it come late, its name says that it was superseded.
        (None, None) => grant_new(state, source, claim, vec![previous, key]),
        (Some(old), None) if old.current_key() == Some(previous) => change(state, old, claim, Some(key)),
        // Its source has moved that booking on already, to somewhere else.
        (Some(old), None) => Ruling::rejected(Rejection::StaleVersion, Some(old.clone())),
        (None, Some(new)) => link(state, new, previous, claim),
        (Some(old), Some(new)) if old.booking_id == new.booking_id => newer(state, new, claim),
        (Some(old), Some(new)) => settle(old, previous, new, claim),
    }
}

/// The claim speaks of a booking by a name that it has or had.
fn newer(state: &State, known: &BookingState, claim: &Claim) -> Ruling {
    let current = known.current_key() == Some(claim.identity.key());
    // A cancellation of the same version is the later of the two.
    let cancelled = matches!(known.standing, Standing::Cancelled { .. });
    match claim.version.cmp(&known.source_version) {
        Ordering::Greater if current => change(state, known, claim, None),
        Ordering::Equal if current && !cancelled => change(state, known, claim, None),
        Ordering::Greater | Ordering::Equal | Ordering::Less => stale(known),
    }
}

fn stale(known: &BookingState) -> Ruling {
    Ruling::of(Outcome::Unchanged(Unchanged::Stale), Some(known.clone()))
}

/// The new name is known and the old one is not: a later event came first. Remember that the old name was superseded,
/// so that its creation, should it come late, books nothing.
fn link(state: &State, new: &BookingState, previous: SourceKey, claim: &Claim) -> Ruling {
    let mut ruling = newer(state, new, claim);
    if let Some(booking) = &mut ruling.booking {
        let at = booking.keys.iter().position(|key| *key == claim.identity.key()).unwrap_or(0);
        booking.keys.insert(at, previous);
    }
    ruling
}

/// Both names are known, as two bookings: the replacement has met its fate before this event told what it replaced.
/// Then what it replaced has to go, if it still stands under that name.
fn settle(old: &BookingState, previous: SourceKey, new: &BookingState, claim: &Claim) -> Ruling {
    if old.current_key() != Some(previous) || old.standing.live().is_none() {
        return stale(new);
    }
    let mut after = old.clone();
    after.standing = Standing::Cancelled { last: old.standing.live() };
    after.source_version = after.source_version.max(claim.version);
    after.version += 1;
    Ruling::of(Outcome::Cancelled, Some(after))
}
