//! Shadows: one appointment as several systems show it.
//!
//! Calendly writes its booking into the host's calendar, which is observed too; a CRM books what a scheduler has booked.
//! Whoever comes first makes the booking; the others are linked to it and change nothing, in whichever order they come.
//! What links: our own mark, an id that both carry (an external id, an iCalendar UID), or the same interval with an
//! attendee in common. Never two names of one source: those are two appointments. And never a hold: it ends by itself,
//! and with it whatever had been taken for the same.
//!
//! A shadow decides nothing, but where it lies over another booking that is said: an observation is flagged, and a claim
//! that its source has made there is refused.

use daybook_domain::{
    Basis, BookingId, BookingKind, BookingState, Claim, Interval, Operation, Outcome, Rejection, Shadow, Sight,
    SourceKey, SourceVersion, Standing, Unchanged, Winner,
};

use crate::claim::{merge, stale};
use crate::state::shadows_of;
use crate::{Case, Ruling};

/// What we wrote ourselves, coming back. What bears our mark and is somewhere else was moved or copied by somebody: a
/// shadow like any other, as long as its booking stands.
pub(crate) fn echo(case: Case<'_>, claim: &Claim) -> Option<Ruling> {
    let known = case.state.booking(claim.mark?)?;
    if known.standing.interval() == Some(claim.interval) {
        return Some(Ruling::of(Outcome::Unchanged(Unchanged::Echo), Some(known.clone())));
    }
    known.standing.live().map(|_| linked(case, known, claim))
}

/// The earliest booking, other than `own`, that a span lies over.
pub(crate) fn over(case: Case<'_>, at: Interval, own: BookingId) -> Option<Winner> {
    let (id, interval) = case.state.booked.over(at).find(|(id, _)| *id != own)?;
    let source = case.state.booking(id)?.source.clone();
    Some(Winner { booking_id: id, interval, source })
}

/// The live booking of another source that this claim is the same appointment as: the earliest of them.
pub(crate) fn standing<'a>(case: Case<'a>, claim: &Claim) -> Option<&'a BookingState> {
    same(case, claim, BookingKind::Booking).into_iter().find(|known| !matches!(known.standing, Standing::Held { .. }))
}

/// The busy time that this claim is the same appointment as, by start.
pub(crate) fn absorbable(case: Case<'_>, claim: &Claim) -> Vec<BookingId> {
    same(case, claim, BookingKind::Busy).into_iter().map(|busy| busy.booking_id).collect()
}

fn same<'a>(case: Case<'a>, claim: &Claim, kind: BookingKind) -> Vec<&'a BookingState> {
    let (tags, contacts) = (claim.tags(), claim.contacts());
    let tagged = tags.iter().flat_map(|tag| case.state.by_tag(*tag));
    let timeline = match kind {
        BookingKind::Booking => &case.state.booked,
        BookingKind::Busy => &case.state.busy,
    };
    // Where it is itself, not where a shadow of it has strayed to.
    let attended = timeline
        .over(claim.interval)
        .filter_map(|(id, _)| case.state.booking(id))
        .filter(|known| known.standing.live() == Some(claim.interval))
        .filter(|known| known.contacts.iter().any(|contact| contacts.contains(contact)));
    let mut same: Vec<&BookingState> = tagged
        .chain(attended)
        .filter(|known| known.kind == kind && known.standing.live().is_some() && known.source != case.request.source)
        .collect();
    same.sort_by_key(|known| (known.standing.live(), known.booking_id));
    same.dedup_by_key(|known| known.booking_id);
    same
}

/// The booking with this claim as one more shadow.
pub(crate) fn linked(case: Case<'_>, known: &BookingState, claim: &Claim) -> Ruling {
    let sight = sight(known, claim.interval);
    let (source, key) = (case.request.source.clone(), claim.identity.key());
    let mut after = known.clone();
    after.shadows.push(Shadow { source, key, version: claim.version, sight });
    merge(&mut after.tags, claim.tags());
    ruled(case, known, after, sight)
}

/// The booking with busy time that has turned out to be its own.
pub(crate) fn taken_in(case: Case<'_>, known: &BookingState, busy: &BookingState, at: Interval) -> Ruling {
    let mut after = known.clone();
    after.shadows.extend(shadows_of(busy, known.standing.live()));
    merge(&mut after.tags, busy.tags.clone());
    Ruling { absorbed: vec![busy.booking_id], ..ruled(case, known, after, sight(known, at)) }
}

/// What a source says of a shadow of its: that it is there, or, without an interval, that it is gone. The booking stands
/// where it stands.
pub(crate) fn seen(
    case: Case<'_>,
    known: &BookingState,
    key: SourceKey,
    version: SourceVersion,
    at: Option<Interval>,
) -> Ruling {
    let mut after = known.clone();
    let Some(shadow) = after.shadows.iter_mut().find(|shadow| shadow.key == key) else { return stale(known) };
    if version < shadow.version {
        return stale(known);
    }
    let seen = at.map_or(Sight::Gone, |at| sight(known, at));
    let told_again = version == shadow.version && matches!(seen, Sight::Away(_));
    // Told again what it had said before the booking moved, it says nothing of where it is now.
    let news = if told_again { Sight::Along } else { seen };
    if !told_again {
        shadow.sight = seen;
    }
    shadow.version = version;
    ruled(case, known, after, news)
}

/// Where a shadow is, by where its booking is.
fn sight(known: &BookingState, at: Interval) -> Sight {
    let live = known.standing.live();
    if live.is_none() || live == Some(at) { Sight::Along } else { Sight::Away(at) }
}

fn ruled(case: Case<'_>, known: &BookingState, after: BookingState, sight: Sight) -> Ruling {
    let over = match sight {
        Sight::Away(at) => over(case, at, after.booking_id),
        Sight::Along | Sight::Gone => None,
    };
    let outcome = match over {
        None => Outcome::Unchanged(Unchanged::Shadow),
        Some(winner) if matches!(case.request.operation, Operation::Observe(_)) => Outcome::Flagged(winner),
        Some(winner) if case.request.basis == Basis::Asked => {
            // Nobody has been promised it, so nobody is there.
            return Ruling::rejected(Rejection::Conflict(winner), Some(known.clone()));
        }
        Some(winner) => Outcome::Rejected(Rejection::Conflict(winner)),
    };
    Ruling::of(outcome, Some(after))
}

/// A shadow that its source calls otherwise from now on.
pub(crate) fn renamed(case: Case<'_>, known: &BookingState, previous: SourceKey, claim: &Claim) -> Ruling {
    let key = claim.identity.key();
    if known.shadow(key).is_some() {
        return seen(case, known, key, claim.version, Some(claim.interval));
    }
    let mut ruling = linked(case, known, claim);
    let renamed = ruling.booking.iter_mut().filter(|booking| booking.shadow(key).is_some());
    let shadows = renamed.flat_map(|booking| &mut booking.shadows);
    for shadow in shadows.filter(|shadow| shadow.key == previous) {
        shadow.sight = Sight::Gone;
    }
    ruling
}

#[cfg(test)]
mod tests;
