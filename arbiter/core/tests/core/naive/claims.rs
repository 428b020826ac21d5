//! What becomes of a claim: what it may be besides a new booking, the unit that it gets, and how a booking changes.

use daybook_domain::{
    Basis, BookingId, BookingKind, BookingState, Claim, Content, Interval, Operation, Outcome, Rejection, Shadow,
    Sight, SourceKey, SourceVersion, Standing, Tag, Unchanged, Winner,
};

use super::operations::Ask;
use super::time::{forbidden, spans, units};
use super::{Aim, Answer, no, nothing};

impl Ask<'_> {
    /// What a claim under a new name may be besides a new booking: what we wrote ourselves, or what stands already.
    pub fn seen_before(&self, claim: &Claim) -> Option<Answer> {
        if let Some(ours) = claim.mark.and_then(|mark| self.book.get(mark)) {
            if ours.standing.interval() == Some(claim.interval) {
                return Some(nothing(Unchanged::Echo, ours.clone()));
            }
            if ours.standing.live().is_some() {
                return Some(self.shadowed(self.with_shadow(ours, claim), claim.interval));
            }
        }
        let known = self.standing(claim)?;
        Some(self.shadowed(self.with_shadow(known, claim), claim.interval))
    }

    /// The booking that it is a shadow of. A hold has none: it may be gone in a moment.
    pub fn standing(&self, claim: &Claim) -> Option<&BookingState> {
        let same = self.same(claim, BookingKind::Booking);
        same.into_iter().find(|known| !matches!(known.standing, Standing::Held { .. }))
    }

    /// What is said of a shadow that is there now: if it is not where its booking is, it may lie over another.
    pub fn shadowed(&self, after: BookingState, at: Interval) -> Answer {
        let is_away = after.standing.live().is_some_and(|live| live != at);
        let winner = self.lies_over(at, after.booking_id).filter(|_| is_away);
        let outcome = match (winner, &self.request.operation) {
            (None, _) => Outcome::Unchanged(Unchanged::Shadow),
            (Some(winner), Operation::Observe(_)) => Outcome::Flagged(winner),
            (Some(winner), _) => {
                let is_asked = self.request.basis == Basis::Asked;
                let before = self.book.get(after.booking_id).cloned().filter(|_| is_asked);
                return no(Rejection::Conflict(winner), before.or(Some(after)));
            }
        };
        Answer { outcome, booking: Some(after), absorbed: Vec::new() }
    }

    /// What stands under another source and is the same appointment: an id in common, or the time and somebody.
    pub fn same(&self, claim: &Claim, kind: BookingKind) -> Vec<&BookingState> {
        let is_same = |known: &&BookingState| {
            let id = known.tags.iter().any(|tag| claim.tags.contains(tag));
            let somebody = known.contacts.iter().any(|contact| claim.contacts().contains(contact));
            let live = known.standing.live();
            known.kind == kind
                && live.is_some()
                && known.source != self.request.source
                && (id || (live == Some(claim.interval) && somebody))
        };
        let mut same: Vec<_> = self.book.list.iter().filter(is_same).collect();
        same.sort_by_key(|known| (known.standing.live(), known.booking_id));
        same
    }

    pub fn with_shadow(&self, known: &BookingState, claim: &Claim) -> BookingState {
        let mut after = known.clone();
        after.shadows.push(Shadow {
            source: self.request.source.clone(),
            key: claim.identity.key(),
            version: claim.version,
            sight: sight(known, claim.interval),
        });
        add_tags(&mut after.tags, &claim.tags());
        after
    }

    pub fn shadow_renamed(&self, known: &BookingState, previous: SourceKey, claim: &Claim) -> Answer {
        let mut after = self.with_shadow(known, claim);
        for shadow in after.shadows.iter_mut().filter(|shadow| shadow.key == previous) {
            shadow.sight = Sight::Gone;
        }
        self.shadowed(after, claim.interval)
    }

    pub fn nobody(&self, booking_id: BookingId, key: SourceKey, version: SourceVersion) -> BookingState {
        BookingState {
            booking_id,
            kind: BookingKind::Booking,
            standing: Standing::Cancelled { last: None },
            unit: 0,
            version: 1,
            source: self.request.source.clone(),
            keys: vec![key],
            source_version: version,
            content: None,
            contacts: Vec::new(),
            tags: Vec::new(),
            shadows: Vec::new(),
            moved_from: None,
            moved_to: None,
        }
    }

    pub fn first_heard_of(&self, claim: &Claim, keys: &[SourceKey], aim: Aim) -> Answer {
        if let Some(answer) = self.seen_before(claim) {
            return answer;
        }
        if self.book.get(claim.booking_id).is_some() {
            return no(Rejection::InvalidTransition, None);
        }
        let absorbed = self.same(claim, BookingKind::Busy);
        let ids: Vec<BookingId> = absorbed.iter().map(|busy| busy.booking_id).collect();
        let unit = match self.unit_for(claim.interval, &ids, None) {
            Ok(unit) => unit,
            Err(rejection) if self.request.basis == Basis::Imported && matches!(aim, Aim::Booking) => {
                return self.there_before(claim, keys, rejection);
            }
            Err(rejection) => return no(rejection, None),
        };
        let mut booking = self.nobody(claim.booking_id, claim.identity.key(), claim.version);
        booking.keys = keys.to_vec();
        booking.unit = unit;
        show(&mut booking, claim.content.as_ref());
        booking.contacts = claim.contacts();
        booking.tags = claim.tags();
        let outcome = if let Aim::HoldUntil(until) = aim {
            booking.standing = Standing::Held { interval: claim.interval, until };
            Outcome::Held
        } else {
            booking.standing = Standing::Confirmed(claim.interval);
            booking.moved_from.clone_from(&claim.moved_from);
            Outcome::Confirmed
        };
        take_in(&mut booking, &absorbed);
        Answer { outcome, booking: Some(booking), absorbed: ids }
    }

    /// It was there before anybody looked, so it takes its time: busy, whatever is in its way.
    fn there_before(&self, claim: &Claim, keys: &[SourceKey], rejection: Rejection) -> Answer {
        let mut busy = self.nobody(claim.booking_id, claim.identity.key(), claim.version);
        busy.kind = BookingKind::Busy;
        busy.standing = Standing::Confirmed(claim.interval);
        busy.keys = keys.to_vec();
        busy.contacts = claim.contacts();
        busy.tags = claim.tags();
        Answer { outcome: all_the_same(rejection), booking: Some(busy), absorbed: Vec::new() }
    }

    pub fn change(&self, before: &BookingState, claim: &Claim, rename: Option<SourceKey>, aim: Aim) -> Answer {
        let is_booking = before.kind == BookingKind::Booking;
        let was = before.standing.live().filter(|_| is_booking);
        let was_held = matches!(before.standing, Standing::Held { .. });
        if was.is_some() && !was_held && matches!(aim, Aim::HoldUntil(_)) {
            return no(Rejection::InvalidTransition, Some(before.clone()));
        }
        let is_to_move = was != Some(claim.interval);
        let mut absorbed = if is_to_move { self.same(claim, BookingKind::Busy) } else { Vec::new() };
        absorbed.retain(|busy| busy.booking_id != before.booking_id);
        let ids: Vec<BookingId> = absorbed.iter().map(|busy| busy.booking_id).collect();
        let mut after = before.clone();
        after.source_version = claim.version;
        after.keys.extend(rename);
        if is_to_move {
            let own: Vec<BookingId> = ids.iter().copied().chain([before.booking_id]).collect();
            match self.unit_for(claim.interval, &own, Some(before.unit)) {
                Ok(unit) => after.unit = unit,
                Err(rejection)
                    if !is_booking
                        && before.standing.live().is_some()
                        && (self.request.basis == Basis::Imported
                            || before.standing.live() == Some(claim.interval))
                        && !matches!(aim, Aim::HoldUntil(_)) =>
                {
                    // Busy it was, and busy it is, wherever its source says.
                    let is_there = before.standing.live() == Some(claim.interval) && rename.is_none();
                    after.standing = Standing::Confirmed(claim.interval);
                    after.contacts = claim.contacts();
                    add_tags(&mut after.tags, &claim.tags());
                    after.version += u64::from(!is_there);
                    let outcome =
                        if is_there { Outcome::Unchanged(Unchanged::Duplicate) } else { all_the_same(rejection) };
                    return Answer { outcome, booking: Some(after), absorbed: Vec::new() };
                }
                Err(rejection) if self.request.basis == Basis::Asked => return no(rejection, Some(before.clone())),
                Err(rejection) => {
                    // It stands where it stood, and waits no longer.
                    if let Standing::Awaiting { interval, .. } = before.standing {
                        after.standing = Standing::Confirmed(interval);
                    }
                    after.version += u64::from(after.standing != before.standing || rename.is_some());
                    return no(rejection, Some(after));
                }
            }
            for shadow in after.shadows.iter_mut().filter(|shadow| shadow.sight != Sight::Gone) {
                shadow.sight = Sight::Along;
            }
        }
        after.kind = BookingKind::Booking;
        after.moved_to = None;
        if claim.content.is_some() {
            show(&mut after, claim.content.as_ref());
            after.contacts = claim.contacts();
        }
        let interval = claim.interval;
        after.standing = match (aim, before.standing) {
            (Aim::HoldUntil(until), _) | (Aim::AsItIs, Standing::Held { until, .. }) => {
                Standing::Held { interval, until }
            }
            (Aim::Booking | Aim::AsItIs, _) => Standing::Confirmed(interval),
        };
        add_tags(&mut after.tags, &claim.tags());
        take_in(&mut after, &absorbed);
        let is_held = matches!(after.standing, Standing::Held { .. });
        let outcome = if was.is_none() {
            if is_held { Outcome::Held } else { Outcome::Confirmed }
        } else if is_to_move || rename.is_some() {
            Outcome::Rescheduled
        } else if after.standing != before.standing && (was_held || is_held) {
            if is_held { Outcome::Held } else { Outcome::Confirmed }
        } else if after.standing != before.standing || after.content != before.content {
            Outcome::Updated
        } else {
            return nothing(Unchanged::Duplicate, after);
        };
        if outcome == Outcome::Confirmed {
            after.moved_from.clone_from(&claim.moved_from);
        }
        after.version += 1;
        Answer { outcome, booking: Some(after), absorbed: ids }
    }

    /// What a source says of a shadow of its: where it is, or that it is gone.
    pub fn sighted(
        &self,
        known: &BookingState,
        key: SourceKey,
        version: SourceVersion,
        at: Option<Interval>,
    ) -> Answer {
        let mut after = known.clone();
        let shadow = after.shadows.iter_mut().find(|shadow| shadow.key == key).expect("a shadow of this name");
        if version < shadow.version {
            return nothing(Unchanged::Stale, known.clone());
        }
        let is_news = version > shadow.version;
        shadow.version = version;
        let Some(at) = at else {
            shadow.sight = Sight::Gone;
            return nothing(Unchanged::Shadow, after);
        };
        // An old word about where it was does not unsay that its booking has moved since.
        if is_news || sight(known, at) == Sight::Along {
            shadow.sight = sight(known, at);
            return self.shadowed(after, at);
        }
        nothing(Unchanged::Shadow, after)
    }

    /// The unit that a claim gets: the one that it has if that is free, else the lowest.
    pub fn unit_for(&self, wanted: Interval, own: &[BookingId], has: Option<u16>) -> Result<u16, Rejection> {
        if let Some(rejection) = forbidden(self.rules, self.now, self.request, wanted) {
            return Err(rejection);
        }
        let mut spans = spans(&self.book.list);
        spans.retain(|span| !own.contains(&span.id));
        match units(self.rules, &spans, wanted) {
            Ok(free) => Ok(has.filter(|unit| free.contains(unit)).unwrap_or(free[0])),
            Err(first) => {
                let booking = self.book.get(first.id).expect("it is in the list");
                Err(Rejection::Conflict(Winner {
                    booking_id: booking.booking_id,
                    interval: first.interval(),
                    source: booking.source.clone(),
                }))
            }
        }
    }
}

fn sight(known: &BookingState, at: Interval) -> Sight {
    if known.standing.live().is_none_or(|live| live == at) { Sight::Along } else { Sight::Away(at) }
}

pub fn show(booking: &mut BookingState, content: Option<&Content>) {
    if let Some(content) = content {
        booking.content = Some(content.digest);
        booking.contacts = content.contacts();
    }
}

pub fn take_in(booking: &mut BookingState, absorbed: &[&BookingState]) {
    for busy in absorbed {
        for (nth, key) in busy.keys.iter().enumerate() {
            let is_newest = nth + 1 == busy.keys.len();
            let at = busy.standing.live().filter(|_| is_newest);
            booking.shadows.push(Shadow {
                source: busy.source.clone(),
                key: *key,
                version: busy.source_version,
                sight: at.map_or(Sight::Gone, |at| sight(booking, at)),
            });
        }
        booking.shadows.extend(busy.shadows.iter().cloned());
        add_tags(&mut booking.tags, &busy.tags);
    }
}

pub fn add_tags(tags: &mut Vec<Tag>, more: &[Tag]) {
    tags.extend(more);
    tags.sort();
    tags.dedup();
}

/// What a refusal is to what was there before anybody looked.
fn all_the_same(rejection: Rejection) -> Outcome {
    if let Rejection::Conflict(winner) = rejection { Outcome::Flagged(winner) } else { Outcome::Observed }
}
