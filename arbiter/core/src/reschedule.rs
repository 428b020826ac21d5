//! `reschedule`: the booking that its source called `previous` is to become this claim.
//!
//! One decision: granted, the old slot goes and the new one comes together; refused, the old one stands. Events may
//! come in any order, so either name may be known already: the chain of names is what ties them together. A booking
//! that moves here from another resource is new here; what it was there follows from the decision.

use std::cmp::Ordering;

use daybook_domain::{BookingState, Claim, Outcome, Rejection, SourceKey, Standing};

use crate::claim::{Making, change, fresh, stale};
use crate::{Case, Ruling, shadow};

pub(crate) fn decide(case: Case<'_>, previous: SourceKey, claim: &Claim) -> Ruling {
    let key = claim.identity.key();
    let by_key = |key| case.state.by_key(key);
    let shown = |key| by_key(key).filter(|known| known.shadow(key).is_some());
    match (shown(previous), by_key(key)) {
        (_, Some(known)) if known.shadow(key).is_some() => {
            return shadow::seen(case, known, key, claim.version, Some(claim.interval));
        }
        (Some(known), None) => return shadow::renamed(case, known, previous, claim),
        (Some(_), Some(new)) => return newer(case, new, claim),
        (None, _) => {}
    }
    if key == previous {
        return match by_key(key) {
            None => fresh(case, claim, vec![key], Making::Booking),
            Some(known) => newer(case, known, claim),
        };
    }
    match (by_key(previous), by_key(key)) {
        // The creation was never seen; should it come late, its name says that it was superseded.
        (None, None) => fresh(case, claim, vec![previous, key], Making::Booking),
        (Some(old), None) if old.current_key() == Some(previous) => change(case, old, claim, Some(key), Making::Same),
        // Its source has moved that booking on already, to somewhere else.
        (Some(old), None) => Ruling::rejected(Rejection::StaleVersion, Some(old.clone())),
        (None, Some(new)) => link(case, new, previous, claim),
        (Some(old), Some(new)) if old.booking_id == new.booking_id => newer(case, new, claim),
        (Some(old), Some(new)) => settle(old, previous, new, claim),
    }
}

/// The claim speaks of a booking by a name that it has or had.
fn newer(case: Case<'_>, known: &BookingState, claim: &Claim) -> Ruling {
    let current = known.current_key() == Some(claim.identity.key());
    // A cancellation of the same version is the later of the two.
    let cancelled = matches!(known.standing, Standing::Cancelled { .. });
    match claim.version.cmp(&known.source_version) {
        Ordering::Greater if current => change(case, known, claim, None, Making::Same),
        Ordering::Equal if current && !cancelled => change(case, known, claim, None, Making::Same),
        Ordering::Greater | Ordering::Equal | Ordering::Less => stale(known),
    }
}

/// The new name is known and the old one is not: a later event came first. Remember that the old name was superseded,
/// so that its creation, should it come late, books nothing.
fn link(case: Case<'_>, new: &BookingState, previous: SourceKey, claim: &Claim) -> Ruling {
    let mut ruling = newer(case, new, claim);
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

#[cfg(test)]
mod tests;
