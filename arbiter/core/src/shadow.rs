//! Shadows: one appointment as several systems show it.
//!
//! Calendly writes its booking into the host's calendar, which is observed too; a CRM books what a scheduler has booked.
//! Whoever comes first makes the booking; the others are linked to it and change nothing, in whichever order they come.
//! What links: our own mark, an id that both carry (an external id, an iCalendar UID), or the same interval with an
//! attendee in common. Never two names of one source: those are two appointments.

use daybook_domain::{
    BookingId, BookingKind, BookingState, Claim, Interval, Outcome, Shadow, Sight, SourceKey, SourceName,
    SourceVersion, Tag, Unchanged,
};

use crate::claim::{merge, stale};
use crate::{Case, Ruling};

/// What we wrote ourselves, coming back.
pub(crate) fn echo(case: Case<'_>, claim: &Claim) -> Option<Ruling> {
    let known = case.state.booking(claim.mark?)?;
    Some(Ruling::of(Outcome::Unchanged(Unchanged::Echo), Some(known.clone())))
}

/// The live booking of another source that this claim is the same appointment as: the earliest of them.
pub(crate) fn standing<'a>(case: Case<'a>, claim: &Claim) -> Option<&'a BookingState> {
    same(case, claim, BookingKind::Booking).into_iter().next()
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
    let attended = timeline
        .over(claim.interval)
        .filter(|(_, span)| *span == claim.interval)
        .filter_map(|(id, _)| case.state.booking(id))
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
    link(known, &case.request.source, claim.identity.key(), claim.version, claim.interval, claim.tags())
}

fn link(
    known: &BookingState,
    source: &SourceName,
    key: SourceKey,
    version: SourceVersion,
    at: Interval,
    tags: Vec<Tag>,
) -> Ruling {
    let mut after = known.clone();
    let sight = if known.standing.live() == Some(at) { Sight::Along } else { Sight::Away(at) };
    after.shadows.push(Shadow { source: source.clone(), key, version, sight });
    merge(&mut after.tags, tags);
    Ruling::of(Outcome::Unchanged(Unchanged::Shadow), Some(after))
}

/// What a source says of a shadow of its: that it is there, or, without an interval, that it is gone. The booking stands
/// where it stands.
pub(crate) fn seen(known: &BookingState, key: SourceKey, version: SourceVersion, at: Option<Interval>) -> Ruling {
    let mut after = known.clone();
    let Some(shadow) = after.shadows.iter_mut().find(|shadow| shadow.key == key) else { return stale(known) };
    if version < shadow.version {
        return stale(known);
    }
    let live = known.standing.live();
    shadow.sight = match at {
        None => Sight::Gone,
        Some(at) if live.is_none() || live == Some(at) => Sight::Along,
        // Told again what it had said before the booking moved.
        Some(_) if version == shadow.version => shadow.sight,
        Some(at) => Sight::Away(at),
    };
    shadow.version = version;
    Ruling::of(Outcome::Unchanged(Unchanged::Shadow), Some(after))
}

/// A shadow that its source calls otherwise from now on.
pub(crate) fn renamed(case: Case<'_>, known: &BookingState, previous: SourceKey, claim: &Claim) -> Ruling {
    let key = claim.identity.key();
    if known.shadow(key).is_some() {
        return seen(known, key, claim.version, Some(claim.interval));
    }
    let mut ruling = linked(case, known, claim);
    let shadows = ruling.booking.iter_mut().flat_map(|booking| &mut booking.shadows);
    for shadow in shadows.filter(|shadow| shadow.key == previous) {
        shadow.sight = Sight::Gone;
    }
    ruling
}

#[cfg(test)]
mod tests;
