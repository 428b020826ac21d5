//! What holds for every decision, looked at with nothing but the list before and after it.

use daybook_domain::{
    Basis, BookingId, BookingKind, BookingState, ContentDigest, Decision, Interval, Operation, OperationKind, Outcome,
    Rejection, Request, Standing, Timestamp, Unchanged,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::Verdict;
use crate::generator::later;
use crate::naive::Naive;
use crate::naive::time::{Obstacle, blocks, forbidden, units};

/// What people see of a booking.
pub fn seen(booking: &BookingState) -> (BookingId, BookingKind, Standing, u64, Option<ContentDigest>) {
    (booking.booking_id, booking.kind, booking.standing, booking.version, booking.content)
}

pub fn is_booked(booking: &BookingState) -> bool {
    booking.kind == BookingKind::Booking && booking.standing.live().is_some()
}

/// A decision, and the list before and after it.
pub struct Told<'a> {
    pub now: Timestamp,
    pub request: &'a Request,
    pub decision: &'a Decision,
    pub before: &'a Naive,
    pub after: &'a Naive,
}

impl Told<'_> {
    pub fn check(&self) -> Verdict {
        self.check_versions()?;
        self.check_deadlines()?;
        self.check_winner()?;
        self.check_offers()?;
        self.check_reschedule()?;
        self.check_observed()
    }

    /// Whether the booking has time that it did not have before.
    pub fn is_granted(&self, booking: &BookingState) -> bool {
        let before = self.before.get(booking.booking_id).filter(|before| is_booked(before));
        let time = |booking: &BookingState| (booking.standing.live(), booking.unit);
        before.map(time) != Some(time(booking))
    }

    fn check_versions(&self) -> Verdict {
        for after in &self.after.list {
            let Some(before) = self.before.get(after.booking_id) else {
                prop_assert_eq!(after.version, 1, "new");
                continue;
            };
            let visible = |b: &BookingState| (b.kind, b.standing, b.content, b.moved_to.clone());
            let rise = after.version.checked_sub(before.version);
            prop_assert!(
                rise == Some(1) || (rise == Some(0) && visible(before) == visible(after)),
                "{:?}",
                self.decision
            );
            let is_named = self.decision.booking.as_ref().is_some_and(|booking| booking.booking_id == after.booking_id);
            let is_absorbed = self.decision.absorbed.contains(&after.booking_id);
            prop_assert!(before == after || is_named || is_absorbed, "changed by a decision on another");
        }
        prop_assert!(self.before.list.iter().all(|before| self.after.get(before.booking_id).is_some()));
        let is_new = self.before.timeline() != self.after.timeline() || self.before.rules != self.after.rules;
        prop_assert_eq!(
            self.after.version - self.before.version,
            u64::from(is_new || !self.decision.absorbed.is_empty())
        );
        if let Outcome::Unchanged(Unchanged::Duplicate | Unchanged::Stale | Unchanged::Echo) = self.decision.outcome {
            prop_assert!(!is_new, "{:?}", self.decision);
        }
        Ok(())
    }

    fn check_deadlines(&self) -> Verdict {
        for booking in &self.after.list {
            let is_new = self.before.get(booking.booking_id).is_none_or(|before| before.standing != booking.standing);
            if let Standing::Held { until, .. } | Standing::Awaiting { until, .. } = booking.standing {
                prop_assert!(!is_new || until > self.now, "over before it began");
            }
        }
        Ok(())
    }

    /// A refusal names who stands in the way, and nobody stands there before.
    fn check_winner(&self) -> Verdict {
        let (Some(winner), Some(rules)) = (self.decision.outcome.winner(), &self.before.rules) else { return Ok(()) };
        let Some(claim) = self.request.operation.claim() else {
            return Err(TestCaseError::fail("a winner of nothing"));
        };
        // A shadow has no time of its own to find: it lies over bookings, or it does not.
        let names: Vec<_> = self.request.operation.identities().map(|identity| identity.key()).collect();
        let is_shadow = |it: &&BookingState| !it.keys.iter().any(|key| names.contains(key));
        let shadow_of = self.decision.booking.as_ref().filter(is_shadow);
        // What was there before anybody looked is flagged for what a refusal would have named.
        let observed = self.decision.operation == OperationKind::Observe;
        let lies_over = observed && matches!(self.decision.outcome, Outcome::Flagged(_)) || shadow_of.is_some();
        let is_rival = |span: &Obstacle| match (lies_over, span.unit) {
            (true, Some(_)) => span.interval().overlaps(&claim.interval),
            (true, None) => false,
            (false, _) => blocks(rules, span, claim.interval),
        };
        let winners = self
            .before
            .timeline()
            .into_iter()
            .filter(|span| span.id == winner.booking_id && span.interval() == winner.interval && is_rival(span));
        prop_assert!(winners.count() > 0, "{:?} is not in the way", winner);
        prop_assert_eq!(self.before.get(winner.booking_id).map(|known| &known.source), Some(&winner.source));
        let named = self.before.about(self.request).into_iter().chain(shadow_of);
        let own: Vec<BookingId> = named.map(|known| known.booking_id).collect();
        let earlier = self.before.timeline().into_iter().find(|span| {
            is_rival(span)
                && !own.contains(&span.id)
                && (span.start, span.id) < (winner.interval.start(), winner.booking_id)
        });
        let is_same = |span: &Obstacle| {
            self.before
                .get(span.id)
                .is_some_and(|known| known.source != self.request.source && known.kind == BookingKind::Busy)
        };
        prop_assert!(earlier.is_none_or(|span| is_same(&span)), "{:?} is earlier than {:?}", earlier, winner);
        Ok(())
    }

    /// What is offered is free by every rule for somebody who asks now, is in order, and nothing before it is.
    fn check_offers(&self) -> Verdict {
        let offers = &self.decision.next_free;
        if offers.is_empty() {
            return Ok(());
        }
        let (Some(claim), Some(rules)) = (self.request.operation.claim(), &self.before.rules) else {
            return Err(TestCaseError::fail("an offer of nothing"));
        };
        prop_assert!(matches!(self.decision.outcome, Outcome::Rejected(_)) && offers.len() <= 3);
        let own: Vec<BookingId> = self.before.about(self.request).iter().map(|known| known.booking_id).collect();
        let spans = self.before.spans_at(self.now, &own);
        let asked = Request { basis: Basis::Asked, ..self.request.clone() };
        let is_free =
            |slot: Interval| forbidden(rules, self.now, &asked, slot).is_none() && units(rules, &spans, slot).is_ok();
        let mut from = claim.interval.start().max(self.now);
        for offer in offers {
            prop_assert!(is_free(*offer) && offer.length() == claim.interval.length() && from <= offer.start());
            // Minute by minute, for a while.
            for minute in 0..90 {
                let start = later(from, minute);
                let slot = Interval::new(start, start.plus(offer.length())).expect("not empty");
                if start >= offer.start() {
                    break;
                }
                prop_assert!(!is_free(slot), "{:?} would have been sooner than {:?}", slot, offer);
            }
            from = offer.end();
        }
        Ok(())
    }

    /// Granted, the old time goes and the new one comes; refused, everything stands where it stood.
    fn check_reschedule(&self) -> Verdict {
        let Operation::Reschedule { previous, claim } = &self.request.operation else { return Ok(()) };
        if self.decision.operation != OperationKind::Reschedule {
            return Ok(());
        }
        let live = |naive: &Naive| -> Vec<(BookingId, Option<Interval>)> {
            naive
                .list
                .iter()
                .map(|known| (known.booking_id, known.standing.live()))
                .filter(|known| known.1.is_some())
                .collect()
        };
        if let Outcome::Rejected(_) = self.decision.outcome {
            prop_assert_eq!(live(self.before), live(self.after), "refused");
        }
        if self.decision.outcome == Outcome::Rescheduled {
            let is_there =
                self.decision.booking.as_ref().is_some_and(|booking| booking.standing.live() == Some(claim.interval));
            let others = |naive: &Naive| -> Vec<_> {
                let is_other = |id: &BookingId| {
                    self.decision.booking.as_ref().is_none_or(|booking| booking.booking_id != *id)
                        && !self.decision.absorbed.contains(id)
                };
                live(naive).into_iter().filter(|(id, _)| is_other(id)).collect()
            };
            prop_assert!(is_there && others(self.before) == others(self.after));
        }
        // However it went, the old name and the new one never stand side by side.
        let stands = |key| {
            let known = self.after.list.iter().find(|known| known.current_key() == Some(key));
            known.filter(|known| known.standing.live().is_some())
        };
        let (old, new) = (stands(previous.key()), stands(claim.identity.key()));
        let is_settled = !matches!(self.decision.outcome, Outcome::Rejected(_) | Outcome::Unchanged(_));
        prop_assert!(!is_settled || previous == &claim.identity || old.is_none() || new.is_none(), "both stand");
        Ok(())
    }

    fn check_observed(&self) -> Verdict {
        if self.decision.operation != OperationKind::Observe {
            return Ok(());
        }
        prop_assert!(!matches!(self.decision.outcome, Outcome::Rejected(Rejection::Conflict(_) | Rejection::Past)));
        for before in self.before.list.iter().filter(|known| is_booked(known)) {
            let after = self.after.get(before.booking_id);
            prop_assert_eq!(after.map(|after| (after.standing, after.unit)), Some((before.standing, before.unit)));
        }
        Ok(())
    }
}
