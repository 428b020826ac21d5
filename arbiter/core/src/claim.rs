//! What `book` and `reschedule` share: granting a claim, and carrying a change of a known booking out.

use daybook_domain::{BookingState, Claim, Content, Outcome, Rejection, SourceKey, SourceName, Standing, Unchanged};

use crate::Ruling;
use crate::state::State;

/// Grants a claim that no booking stands behind, or refuses it for whoever has the time. `keys` is what the source has
/// called it, oldest first.
pub(crate) fn grant_new(state: &State, source: &SourceName, claim: &Claim, keys: Vec<SourceKey>) -> Ruling {
    if state.booking(claim.booking_id).is_some() {
        // Ids are derived from names, and nobody knows this name: the request does not fit the booking it points at.
        return Ruling::rejected(Rejection::InvalidTransition, None);
    }
    if let Some(winner) = state.winner(claim.interval, None) {
        return Ruling::rejected(Rejection::Conflict(winner), None);
    }
    let booking = BookingState {
        booking_id: claim.booking_id,
        standing: Standing::Confirmed(claim.interval),
        version: 1,
        source: source.clone(),
        keys,
        source_version: claim.version,
        content: claim.content.as_ref().map(|content| content.digest),
        contacts: claim.content.as_ref().map(Content::contacts).unwrap_or_default(),
    };
    Ruling::of(Outcome::Confirmed, Some(booking))
}

/// Carries out what a newer event says of a known booking: move it, change what people see, bring it back to life, or
/// find that nothing has changed. A refusal leaves it as it stands.
pub(crate) fn change(state: &State, before: &BookingState, claim: &Claim, rename: Option<SourceKey>) -> Ruling {
    let mut after = before.clone();
    after.source_version = claim.version;
    if let Some(content) = &claim.content {
        after.content = Some(content.digest);
        after.contacts = content.contacts();
    }
    after.standing = Standing::Confirmed(claim.interval);
    after.keys.extend(rename);
    let was = before.standing.live();
    if was != Some(claim.interval)
        && let Some(winner) = state.winner(claim.interval, Some(before.booking_id))
    {
        return Ruling::rejected(Rejection::Conflict(winner), Some(refused(before, claim, rename)));
    }
    let outcome = if was.is_none() {
        Outcome::Confirmed
    } else if was != Some(claim.interval) || rename.is_some() {
        Outcome::Rescheduled
    } else if before.content != after.content || before.standing != after.standing {
        Outcome::Updated
    } else {
        Outcome::Unchanged(Unchanged::Duplicate)
    };
    if outcome != Outcome::Unchanged(Unchanged::Duplicate) {
        after.version += 1;
    }
    Ruling::of(outcome, Some(after))
}

/// The booking that stands after its change was refused: no longer waiting for it. If the source has renamed it, it goes
/// by the new name from now on, although at its old time: the cancelling half of that reschedule, which uses the old
/// name, frees nothing; and whatever the source does next under the new name, move it on or cancel it, is done to it.
fn refused(before: &BookingState, claim: &Claim, rename: Option<SourceKey>) -> BookingState {
    let mut after = before.clone();
    after.source_version = claim.version;
    after.keys.extend(rename);
    if let Standing::Awaiting { interval, .. } = before.standing {
        after.standing = Standing::Confirmed(interval);
    }
    if after.standing != before.standing || rename.is_some() {
        after.version += 1;
    }
    after
}
