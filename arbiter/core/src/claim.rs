//! What the operations that claim time share: granting a claim that is new, and carrying a change of a known booking
//! out.

use std::cmp::Ordering;

use daybook_domain::{
    Basis, BookingId, BookingKind, BookingState, Claim, Interval, Outcome, Rejection, Sight, SourceKey, Standing,
    Timestamp, Unchanged,
};

use crate::fit::{Own, fit};
use crate::state::shadows_of;
use crate::{Case, Ruling, observe, policy, shadow};

/// What is to be made of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Making {
    /// A booking.
    Booking,
    /// A hold until then.
    Hold(Timestamp),
    /// What the booking is already: a hold that is rescheduled is still a hold.
    Same,
}

impl Making {
    fn standing(self, before: Option<Standing>, interval: Interval) -> Standing {
        match (self, before) {
            (Self::Hold(until), _) | (Self::Same, Some(Standing::Held { until, .. })) => {
                Standing::Held { interval, until }
            }
            (Self::Booking | Self::Same, _) => Standing::Confirmed(interval),
        }
    }
}

/// A claim under a name that nobody knows: our own echo, an appointment that stands already, or a new booking. `keys` is
/// what the source has called it, oldest first.
pub(crate) fn fresh(case: Case<'_>, claim: &Claim, keys: Vec<SourceKey>, making: Making) -> Ruling {
    if let Some(echo) = shadow::echo(case, claim) {
        return echo;
    }
    if let Some(known) = shadow::standing(case, claim) {
        return shadow::linked(case, known, claim);
    }
    if case.state.booking(claim.booking_id).is_some() {
        // Ids are derived from names, and nobody knows this name: the request does not fit the booking it points at.
        return Ruling::rejected(Rejection::InvalidTransition, None);
    }
    let absorbed = shadow::absorbable(case, claim);
    let own = Own { bookings: &absorbed, unit: None };
    let unit = match admit(case, claim.interval, own) {
        Ok(unit) => unit,
        Err(rejection) if case.request.basis == Basis::Imported && making == Making::Booking => {
            return observe::imported(case, claim, keys, rejection);
        }
        Err(rejection) => return Ruling::rejected(rejection, None),
    };
    let standing = making.standing(None, claim.interval);
    let mut booking = BookingState {
        booking_id: claim.booking_id,
        kind: BookingKind::Booking,
        standing,
        unit,
        version: 1,
        source: case.request.source.clone(),
        keys,
        source_version: claim.version,
        content: claim.content.as_ref().map(|content| content.digest),
        contacts: claim.contacts(),
        tags: claim.tags(),
        shadows: Vec::new(),
        // A hold moves nothing yet.
        moved_from: claim.moved_from.clone().filter(|_| standing.deadline().is_none()),
        moved_to: None,
    };
    take_in(case, &mut booking, &absorbed);
    let outcome = if standing.deadline().is_some() { Outcome::Held } else { Outcome::Confirmed };
    Ruling { absorbed, ..Ruling::of(outcome, Some(booking)) }
}

/// A claim under the name of a booking that its own source speaks of.
///
/// It never overrides a state of the same source version: of two events that bear the same version, the one that says
/// what it is to be from the start is the older.
pub(crate) fn restated(case: Case<'_>, known: &BookingState, claim: &Claim, making: Making) -> Ruling {
    if known.current_key() != Some(claim.identity.key()) {
        return stale(known);
    }
    match claim.version.cmp(&known.source_version) {
        Ordering::Less => stale(known),
        Ordering::Equal if is_so(known, claim, making) => {
            Ruling::of(Outcome::Unchanged(Unchanged::Duplicate), Some(known.clone()))
        }
        Ordering::Equal => stale(known),
        Ordering::Greater => change(case, known, claim, None, making),
    }
}

fn is_so(known: &BookingState, claim: &Claim, making: Making) -> bool {
    let shown = claim.content.as_ref().is_none_or(|content| known.content == Some(content.digest));
    let held = matches!(known.standing, Standing::Held { .. });
    let made = match making {
        Making::Booking => !held,
        Making::Hold(_) => held,
        Making::Same => true,
    };
    known.kind == BookingKind::Booking && known.standing.live() == Some(claim.interval) && shown && made
}

pub(crate) fn stale(known: &BookingState) -> Ruling {
    Ruling::of(Outcome::Unchanged(Unchanged::Stale), Some(known.clone()))
}

/// Carries out what a newer event says of a known booking: move it, change what people see, bring it back to life, or
/// find that nothing has changed. A refusal leaves it as it stands.
pub(crate) fn change(
    case: Case<'_>,
    before: &BookingState,
    claim: &Claim,
    rename: Option<SourceKey>,
    making: Making,
) -> Ruling {
    let was = before.standing.live().filter(|_| before.kind == BookingKind::Booking);
    let is_new = matches!(making, Making::Hold(_))
        && matches!(before.standing, Standing::Confirmed(_) | Standing::Awaiting { .. });
    if is_new && was.is_some() {
        return Ruling::rejected(Rejection::InvalidTransition, Some(before.clone()));
    }
    let moves = was != Some(claim.interval);
    let mut after = before.clone();
    let mut absorbed = Vec::new();
    if moves {
        absorbed = shadow::absorbable(case, claim);
        absorbed.retain(|id| *id != before.booking_id);
        let own: Vec<BookingId> = absorbed.iter().copied().chain([before.booking_id]).collect();
        match admit(case, claim.interval, Own { bookings: &own, unit: Some(before.unit) }) {
            Ok(unit) => after.unit = unit,
            // Busy it was before anybody looked, and is where it was, whoever says so.
            Err(rejection)
                if before.kind == BookingKind::Busy
                    && (case.request.basis == Basis::Imported && before.standing.live().is_some()
                        || before.standing.live() == Some(claim.interval))
                    && !matches!(making, Making::Hold(_)) =>
            {
                return observe::imported_again(before, claim, rename, rejection);
            }
            // Nobody has been told of the change: everything is as it was.
            Err(rejection) if case.request.basis == Basis::Asked => {
                return Ruling::rejected(rejection, Some(before.clone()));
            }
            Err(rejection) => return Ruling::rejected(rejection, Some(refused(before, claim, rename))),
        }
        // It has gone where its source says; so will what others show of it.
        for shadow in after.shadows.iter_mut().filter(|shadow| shadow.sight != Sight::Gone) {
            shadow.sight = Sight::Along;
        }
    }
    after.kind = BookingKind::Booking;
    after.source_version = claim.version;
    if let Some(content) = &claim.content {
        after.content = Some(content.digest);
        after.contacts = claim.contacts();
    }
    after.standing = making.standing(Some(before.standing), claim.interval);
    after.keys.extend(rename);
    merge(&mut after.tags, claim.tags());
    take_in(case, &mut after, &absorbed);
    let is_held = matches!(after.standing, Standing::Held { .. });
    let was_held = matches!(before.standing, Standing::Held { .. });
    let outcome = match was {
        None if is_held => Outcome::Held,
        None => Outcome::Confirmed,
        Some(_) if moves || rename.is_some() => Outcome::Rescheduled,
        Some(_) if was_held && !is_held => Outcome::Confirmed,
        Some(_) if is_held && before.standing != after.standing => Outcome::Held,
        Some(_) if before.content != after.content || before.standing != after.standing => Outcome::Updated,
        Some(_) => Outcome::Unchanged(Unchanged::Duplicate),
    };
    if outcome == Outcome::Confirmed {
        // It may have moved away before, and come back from there.
        after.moved_from.clone_from(&claim.moved_from);
    }
    after.moved_to = None;
    if outcome != Outcome::Unchanged(Unchanged::Duplicate) {
        after.version += 1;
    }
    Ruling { absorbed, ..Ruling::of(outcome, Some(after)) }
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

/// The unit on which a claim may have its time, by every rule.
fn admit(case: Case<'_>, wanted: Interval, own: Own<'_>) -> Result<u16, Rejection> {
    if let Some(rejection) = policy::broken(case.rules, case.now, case.request, wanted) {
        return Err(rejection);
    }
    fit(case.state, case.rules, wanted, own).map_err(|blocked| Rejection::Conflict(blocked.winner(case.state)))
}

/// Makes busy time that is the same appointment a part of its booking.
fn take_in(case: Case<'_>, booking: &mut BookingState, absorbed: &[BookingId]) {
    let own = booking.standing.live();
    for busy in absorbed.iter().filter_map(|id| case.state.booking(*id)) {
        booking.shadows.extend(shadows_of(busy, own));
        merge(&mut booking.tags, busy.tags.clone());
    }
}

/// Both, sorted and without repeats.
pub(crate) fn merge<T: Ord>(into: &mut Vec<T>, more: Vec<T>) {
    into.extend(more);
    into.sort();
    into.dedup();
}
