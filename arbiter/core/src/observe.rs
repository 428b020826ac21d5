//! `observe`: this time is taken already, elsewhere. It cannot be refused, since it has happened.
//!
//! It blocks from now on. Over a booking it is flagged, with both sides named, and the booking stands: a bypass made
//! visible. What turns out to be an appointment that stands already is its shadow.

use std::cmp::Ordering;

use daybook_domain::{BookingId, BookingKind, BookingState, Claim, Outcome, Rejection, SourceKey, Standing, Unchanged};

use crate::claim::{merge, stale};
use crate::{Case, Ruling, shadow};

pub(crate) fn decide(case: Case<'_>, claim: &Claim) -> Ruling {
    let key = claim.identity.key();
    match case.state.by_key(key) {
        None => unknown(case, claim, key),
        Some(known) if known.shadow(key).is_some() => {
            shadow::seen(case, known, key, claim.version, Some(claim.interval))
        }
        Some(known) if known.kind == BookingKind::Booking && known.standing.live().is_some() => {
            Ruling::of(Outcome::Unchanged(Unchanged::Shadow), Some(known.clone()))
        }
        Some(known) => again(case, known, claim),
    }
}

fn unknown(case: Case<'_>, claim: &Claim, key: SourceKey) -> Ruling {
    if let Some(echo) = shadow::echo(case, claim) {
        return echo;
    }
    if let Some(known) = shadow::standing(case, claim) {
        return shadow::linked(case, known, claim);
    }
    if case.state.booking(claim.booking_id).is_some() {
        return Ruling::rejected(Rejection::InvalidTransition, None);
    }
    let busy = busy(case, claim, vec![key]);
    Ruling::of(outcome(case, claim, busy.booking_id), Some(busy))
}

/// A booking that was there before anybody looked, and cannot have its time here: it has it all the same. Flagged for what
/// stands in its way.
pub(crate) fn imported(case: Case<'_>, claim: &Claim, keys: Vec<SourceKey>, rejection: Rejection) -> Ruling {
    Ruling::of(all_the_same(rejection), Some(busy(case, claim, keys)))
}

/// The same, once more: where it was, or somewhere else that it cannot have.
pub(crate) fn imported_again(
    before: &BookingState,
    claim: &Claim,
    rename: Option<SourceKey>,
    rejection: Rejection,
) -> Ruling {
    let mut after = before.clone();
    after.standing = Standing::Confirmed(claim.interval);
    after.source_version = claim.version;
    after.contacts = claim.contacts();
    merge(&mut after.tags, claim.tags());
    if before.standing.live() == Some(claim.interval) && rename.is_none() {
        return Ruling::of(Outcome::Unchanged(Unchanged::Duplicate), Some(after));
    }
    after.keys.extend(rename);
    after.version += 1;
    Ruling::of(all_the_same(rejection), Some(after))
}

fn all_the_same(rejection: Rejection) -> Outcome {
    if let Rejection::Conflict(winner) = rejection { Outcome::Flagged(winner) } else { Outcome::Observed }
}

fn busy(case: Case<'_>, claim: &Claim, keys: Vec<SourceKey>) -> BookingState {
    BookingState {
        booking_id: claim.booking_id,
        kind: BookingKind::Busy,
        standing: Standing::Confirmed(claim.interval),
        unit: 0,
        version: 1,
        source: case.request.source.clone(),
        keys,
        source_version: claim.version,
        content: None,
        contacts: claim.contacts(),
        tags: claim.tags(),
        shadows: Vec::new(),
        moved_from: None,
        moved_to: None,
    }
}

/// What a source says of busy time that it has spoken of before.
fn again(case: Case<'_>, known: &BookingState, claim: &Claim) -> Ruling {
    let is_so = known.standing.live() == Some(claim.interval);
    match claim.version.cmp(&known.source_version) {
        Ordering::Less => return stale(known),
        Ordering::Equal if !is_so => return stale(known),
        Ordering::Equal | Ordering::Greater => {}
    }
    let mut after = known.clone();
    after.kind = BookingKind::Busy;
    after.standing = Standing::Confirmed(claim.interval);
    after.source_version = claim.version;
    after.contacts = claim.contacts();
    merge(&mut after.tags, claim.tags());
    if known.kind == BookingKind::Busy
        && claim.version > known.source_version
        && let Some(standing) = shadow::standing(case, claim)
    {
        return shadow::taken_in(case, standing, &after, claim.interval);
    }
    if is_so {
        return Ruling::of(Outcome::Unchanged(Unchanged::Duplicate), Some(after));
    }
    after.version += 1;
    Ruling::of(outcome(case, claim, known.booking_id), Some(after))
}

/// Flagged for the earliest booking that it lies over.
fn outcome(case: Case<'_>, claim: &Claim, own: BookingId) -> Outcome {
    shadow::over(case, claim.interval, own).map_or(Outcome::Observed, Outcome::Flagged)
}

#[cfg(test)]
mod tests;
