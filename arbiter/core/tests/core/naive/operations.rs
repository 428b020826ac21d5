//! What is ruled on each operation.

use std::cmp::Ordering;

use daybook_domain::{
    BookingId, BookingKind, BookingState, CancelKind, Claim, Content, Elsewhere, Interval, Operation, Outcome,
    Rejection, Request, Rules, SourceKey, SourceName, Standing, Subject, Timestamp, Unchanged, Winner,
};

use super::claims::{add_tags, show, take_in};
use super::{Aim, Answer, Naive, answer, no, nothing};

/// One question to the list.
pub struct Ask<'a> {
    pub book: &'a Naive,
    pub rules: &'a Rules,
    pub now: Timestamp,
    pub request: &'a Request,
}

impl Ask<'_> {
    pub fn rule(&self) -> Answer {
        match &self.request.operation {
            Operation::Book(claim) => self.book(claim, Aim::Booking),
            Operation::Hold { claim, ttl } => self.book(claim, Aim::HoldUntil(self.now.plus(*ttl))),
            Operation::Confirm { subject, content } => self.confirm(subject, content.as_ref()),
            Operation::Release { subject, moved_to } => self.release(subject, moved_to.as_ref()),
            Operation::Reschedule { previous, claim } => self.reschedule(previous.key(), claim),
            Operation::Update { subject, content } => self.update(subject, content),
            Operation::Cancel { subject, interval, kind } => self.cancel(subject, *interval, *kind),
            Operation::Observe(claim) => self.observe(claim),
            Operation::Redact { booking_id } => self.redact(*booking_id),
            Operation::Define(_) | Operation::Expire { .. } => unreachable!("ruled on before"),
        }
    }

    fn is_own(&self) -> bool {
        self.request.source == SourceName::daybook()
    }

    fn book(&self, claim: &Claim, aim: Aim) -> Answer {
        let key = claim.identity.key();
        let Some(known) = self.book.named(key) else { return self.first_heard_of(claim, &[key], aim) };
        if known.shadow(key).is_some() {
            return self.sighted(known, key, claim.version, Some(claim.interval));
        }
        if known.current_key() != Some(key) {
            return nothing(Unchanged::Stale, known.clone());
        }
        match claim.version.cmp(&known.source_version) {
            Ordering::Greater => self.change(known, claim, None, aim),
            Ordering::Equal if Self::says_what_is(known, claim, aim) => nothing(Unchanged::Duplicate, known.clone()),
            Ordering::Equal | Ordering::Less => nothing(Unchanged::Stale, known.clone()),
        }
    }

    fn says_what_is(known: &BookingState, claim: &Claim, aim: Aim) -> bool {
        let is_hold = matches!(known.standing, Standing::Held { .. });
        known.kind == BookingKind::Booking
            && known.standing.live() == Some(claim.interval)
            && (claim.content.is_none() || claim.content.as_ref().map(|content| content.digest) == known.content)
            && is_hold == matches!(aim, Aim::HoldUntil(_))
    }

    fn confirm(&self, subject: &Subject, content: Option<&Content>) -> Answer {
        let known = match self.subject(subject) {
            Ok(known) => known,
            Err(answer) => return *answer,
        };
        let Some(interval) = known.standing.live() else {
            return no(Rejection::InvalidTransition, Some(known.clone()));
        };
        let mut after = known.clone();
        let is_hold = matches!(known.standing, Standing::Held { .. });
        if !self.is_own() || !is_hold {
            after.standing = Standing::Confirmed(interval);
        }
        // A name is one booking's: the move may have been cancelled here before it was refused there.
        let is_renamed = self.is_own() && self.book.named(subject.identity.key()).is_none();
        if is_renamed {
            after.keys.push(subject.identity.key());
        }
        if !self.is_own() {
            after.source_version = subject.version;
        }
        show(&mut after, content);
        if after.standing != known.standing || is_renamed {
            after.version += 1;
            answer(Outcome::Confirmed, Some(after))
        } else if after.content != known.content {
            after.version += 1;
            answer(Outcome::Updated, Some(after))
        } else {
            nothing(Unchanged::Duplicate, after)
        }
    }

    fn release(&self, subject: &Subject, moved_to: Option<&Elsewhere>) -> Answer {
        let known = match self.subject(subject) {
            Ok(known) => known,
            Err(answer) => return *answer,
        };
        let mut after = known.clone();
        after.standing = Standing::Cancelled { last: known.standing.interval() };
        after.version += 1;
        if !self.is_own() {
            after.source_version = subject.version;
        }
        if let Some(moved_to) = moved_to {
            if known.moved_to.as_ref() == Some(moved_to) && known.standing.live().is_none() {
                return nothing(Unchanged::Duplicate, known.clone());
            }
            after.moved_to = Some(moved_to.clone());
            return answer(Outcome::Moved, Some(after));
        }
        match known.standing {
            Standing::Held { .. } => answer(Outcome::Cancelled, Some(after)),
            Standing::Cancelled { .. } => nothing(Unchanged::Duplicate, known.clone()),
            Standing::Confirmed(_) | Standing::Awaiting { .. } => no(Rejection::InvalidTransition, Some(known.clone())),
        }
    }

    fn reschedule(&self, previous: SourceKey, claim: &Claim) -> Answer {
        let key = claim.identity.key();
        let (old, new) = (self.book.named(previous), self.book.named(key));
        if let Some(new) = new.filter(|new| new.shadow(key).is_some()) {
            return self.sighted(new, key, claim.version, Some(claim.interval));
        }
        if let Some(shadowed) = old.filter(|old| old.shadow(previous).is_some()) {
            return match new {
                Some(new) => self.moved_on(new, claim),
                None => self.shadow_renamed(shadowed, previous, claim),
            };
        }
        match (old, new) {
            (None, None) if previous == key => self.first_heard_of(claim, &[key], Aim::Booking),
            (None, None) => self.first_heard_of(claim, &[previous, key], Aim::Booking),
            (Some(old), None) if old.current_key() == Some(previous) => self.change(old, claim, Some(key), Aim::AsItIs),
            (Some(old), None) => no(Rejection::StaleVersion, Some(old.clone())),
            (Some(old), Some(new)) if old.booking_id != new.booking_id => {
                let stands = old.current_key() == Some(previous) && old.standing.live().is_some();
                if !stands {
                    return nothing(Unchanged::Stale, new.clone());
                }
                let mut after = old.clone();
                after.standing = Standing::Cancelled { last: old.standing.live() };
                after.source_version = after.source_version.max(claim.version);
                after.version += 1;
                answer(Outcome::Cancelled, Some(after))
            }
            (Some(_), Some(new)) => self.moved_on(new, claim),
            (None, Some(new)) => {
                // The name before is learned late: it goes before the name that it had next.
                let mut answer = self.moved_on(new, claim);
                if let Some(booking) = &mut answer.booking {
                    let next = booking.keys.iter().position(|known| *known == key).expect("named so");
                    booking.keys.insert(next, previous);
                }
                answer
            }
        }
    }

    /// A move of a booking that goes, or went, by the name that it is to have.
    fn moved_on(&self, known: &BookingState, claim: &Claim) -> Answer {
        let is_gone = matches!(known.standing, Standing::Cancelled { .. });
        let is_newer =
            if is_gone { claim.version > known.source_version } else { claim.version >= known.source_version };
        if is_newer && known.current_key() == Some(claim.identity.key()) {
            self.change(known, claim, None, Aim::AsItIs)
        } else {
            nothing(Unchanged::Stale, known.clone())
        }
    }

    fn update(&self, subject: &Subject, content: &Content) -> Answer {
        let known = match self.subject(subject) {
            Ok(known) => known,
            Err(answer) => return *answer,
        };
        if known.standing.live().is_none() {
            return no(Rejection::InvalidTransition, Some(known.clone()));
        }
        let mut after = known.clone();
        after.source_version = subject.version;
        if known.content == Some(content.digest) {
            return nothing(Unchanged::Duplicate, after);
        }
        if subject.version == known.source_version {
            return nothing(Unchanged::Stale, known.clone());
        }
        show(&mut after, Some(content));
        after.version += 1;
        answer(Outcome::Updated, Some(after))
    }

    fn cancel(&self, subject: &Subject, interval: Option<Interval>, kind: CancelKind) -> Answer {
        let key = subject.identity.key();
        let Some(known) = self.book.named(key) else {
            if self.book.get(subject.booking_id).is_some() {
                return no(Rejection::InvalidTransition, None);
            }
            let mut tombstone = self.nobody(subject.booking_id, key, subject.version);
            tombstone.standing = Standing::Cancelled { last: interval };
            return answer(Outcome::Cancelled, Some(tombstone));
        };
        if known.shadow(key).is_some() {
            return self.sighted(known, key, subject.version, None);
        }
        if known.current_key() != Some(key) || subject.version < known.source_version {
            return nothing(Unchanged::Stale, known.clone());
        }
        let mut after = known.clone();
        after.source_version = subject.version;
        let is_to_wait = kind == CancelKind::AwaitingReplacement;
        let Some(live) = known.standing.live() else { return nothing(Unchanged::Duplicate, after) };
        if is_to_wait && matches!(known.standing, Standing::Awaiting { .. }) {
            return nothing(Unchanged::Duplicate, after);
        }
        after.version += 1;
        let can_wait = known.kind == BookingKind::Booking
            && matches!(known.standing, Standing::Confirmed(_))
            && !self.rules.replacement_wait.is_zero();
        if is_to_wait && can_wait {
            let until = self.now.plus(self.rules.replacement_wait);
            after.standing = Standing::Awaiting { interval: live, until };
            return answer(Outcome::AwaitingReplacement, Some(after));
        }
        after.standing = Standing::Cancelled { last: Some(live) };
        answer(Outcome::Cancelled, Some(after))
    }

    fn observe(&self, claim: &Claim) -> Answer {
        let key = claim.identity.key();
        let Some(known) = self.book.named(key) else {
            if let Some(answer) = self.seen_before(claim) {
                return answer;
            }
            if self.book.get(claim.booking_id).is_some() {
                return no(Rejection::InvalidTransition, None);
            }
            let mut busy = self.nobody(claim.booking_id, key, claim.version);
            busy.kind = BookingKind::Busy;
            busy.standing = Standing::Confirmed(claim.interval);
            busy.contacts = claim.contacts();
            busy.tags = claim.tags();
            return answer(self.over(claim, claim.booking_id), Some(busy));
        };
        if known.shadow(key).is_some() {
            return self.sighted(known, key, claim.version, Some(claim.interval));
        }
        let is_live = known.standing.live().is_some();
        if known.kind == BookingKind::Booking && is_live {
            return nothing(Unchanged::Shadow, known.clone());
        }
        let is_there = known.standing.live() == Some(claim.interval);
        if claim.version < known.source_version || (claim.version == known.source_version && !is_there) {
            return nothing(Unchanged::Stale, known.clone());
        }
        let mut after = known.clone();
        after.kind = BookingKind::Busy;
        after.standing = Standing::Confirmed(claim.interval);
        after.source_version = claim.version;
        after.contacts = claim.contacts();
        add_tags(&mut after.tags, &claim.tags());
        let is_news = claim.version > known.source_version;
        if let Some(standing) = self.standing(claim).filter(|_| is_news && known.kind == BookingKind::Busy) {
            let mut booking = standing.clone();
            take_in(&mut booking, &[&after]);
            return Answer { absorbed: vec![known.booking_id], ..self.shadowed(booking, claim.interval) };
        }
        if is_there {
            return nothing(Unchanged::Duplicate, after);
        }
        after.version += 1;
        answer(self.over(claim, known.booking_id), Some(after))
    }

    /// Whether observed time lies over a booking: the earliest of them.
    fn over(&self, claim: &Claim, own: BookingId) -> Outcome {
        self.lies_over(claim.interval, own).map_or(Outcome::Observed, Outcome::Flagged)
    }

    pub fn lies_over(&self, at: Interval, own: BookingId) -> Option<Winner> {
        let bookings = self.book.list.iter().filter(|known| {
            known.kind == BookingKind::Booking
                && known.booking_id != own
                && known.standing.live().is_some_and(|live| live.overlaps(&at))
        });
        let first = bookings.min_by_key(|known| (known.standing.live().map(|live| live.start()), known.booking_id))?;
        Some(Winner {
            booking_id: first.booking_id,
            interval: first.standing.live().expect("live"),
            source: first.source.clone(),
        })
    }

    fn redact(&self, id: BookingId) -> Answer {
        let Some(known) = self.book.get(id) else { return no(Rejection::UnknownBooking, None) };
        let mut after = known.clone();
        after.content = None;
        after.contacts.clear();
        after.version += 1;
        answer(Outcome::Redacted, Some(after))
    }

    /// The booking that a request without a claim is about. The arbiter names it by its id; a source by a name that it
    /// has for it, or by the id if it is the source's own.
    fn subject(&self, subject: &Subject) -> Result<&BookingState, Box<Answer>> {
        let by_id = self.book.get(subject.booking_id);
        let unknown = || Box::new(no(Rejection::UnknownBooking, None));
        if self.is_own() {
            return by_id.ok_or_else(unknown);
        }
        let key = subject.identity.key();
        let own = by_id.filter(|known| known.source == self.request.source);
        let known = self.book.named(key).or(own).ok_or_else(unknown)?;
        if known.shadow(key).is_some() {
            return Err(Box::new(nothing(Unchanged::Shadow, known.clone())));
        }
        let was_called_so = known.keys.contains(&key) && known.current_key() != Some(key);
        if was_called_so || subject.version < known.source_version {
            return Err(Box::new(nothing(Unchanged::Stale, known.clone())));
        }
        Ok(known)
    }
}
