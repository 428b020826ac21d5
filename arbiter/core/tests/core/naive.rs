//! The reference that the core is proven against: one flat list of bookings, scanned from end to end for every question.
//!
//! Written from the rules in the types' docs and in the design. It shares no code with the core but the domain's types,
//! and keeps nothing that could be out of date: no indexes, no deadlines apart, no counts.

mod claims;
mod operations;
pub mod time;

use daybook_domain::{
    Basis, BookingId, BookingState, Decision, Expected, Operation, Outcome, Rejection, Request, RequestId, ResourceId,
    Rule, Rules, SourceKey, SourceName, Standing, Timestamp, Unchanged, Wanted,
};

use operations::Ask;
use time::{Obstacle, blocks, next_free, spans};

/// One resource, as a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naive {
    pub resource: ResourceId,
    pub rules: Option<Rules>,
    pub version: u64,
    pub list: Vec<BookingState>,
}

/// What is ruled on a request, before it is written down.
struct Answer {
    outcome: Outcome,
    booking: Option<BookingState>,
    absorbed: Vec<BookingId>,
}

/// What a claim is to become.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aim {
    Booking,
    HoldUntil(Timestamp),
    /// A hold if it is one, else a booking.
    AsItIs,
}

fn answer(outcome: Outcome, booking: Option<BookingState>) -> Answer {
    Answer { outcome, booking, absorbed: Vec::new() }
}

fn no(rejection: Rejection, booking: Option<BookingState>) -> Answer {
    answer(Outcome::Rejected(rejection), booking)
}

fn nothing(why: Unchanged, booking: BookingState) -> Answer {
    answer(Outcome::Unchanged(why), Some(booking))
}

impl Naive {
    pub const fn new(resource: ResourceId) -> Self {
        Self { resource, rules: None, version: 0, list: Vec::new() }
    }

    /// Decides a request, and before it the ends of those waits that are over and concern it.
    pub fn step(&mut self, now: Timestamp, request: &Request) -> Vec<Decision> {
        let seen = self.version;
        let mut decisions = Vec::new();
        for request in self.overdue(now, request).into_iter().chain([request.clone()]) {
            if let Some(decision) = self.decide(seen, now, &request) {
                self.apply(&decision);
                decisions.push(decision);
            }
        }
        decisions
    }

    pub fn get(&self, id: BookingId) -> Option<&BookingState> {
        self.list.iter().find(|booking| booking.booking_id == id)
    }

    /// Whose name this is, or whose shadow's.
    pub fn named(&self, key: SourceKey) -> Option<&BookingState> {
        self.list.iter().find(|booking| booking.keys.contains(&key) || booking.shadow(key).is_some())
    }

    /// Every booking that a request names, by name or by id.
    pub fn about(&self, request: &Request) -> Vec<&BookingState> {
        let names = request.operation.identities().filter_map(|identity| self.named(identity.key()));
        names.chain(request.operation.booking_ids().filter_map(|id| self.get(id))).collect()
    }

    pub fn apply(&mut self, decision: &Decision) {
        self.version = decision.resource_version;
        if let Some(rules) = &decision.rules {
            self.rules = Some(rules.clone());
        }
        for busy in self.list.iter_mut().filter(|booking| decision.absorbed.contains(&booking.booking_id)) {
            // It is no longer a thing of its own: its names are those of the booking's shadows.
            busy.standing = Standing::Cancelled { last: busy.standing.interval() };
            busy.version += 1;
            busy.keys.clear();
            busy.tags.clear();
            busy.shadows.clear();
        }
        if let Some(booking) = &decision.booking {
            self.list.retain(|known| known.booking_id != booking.booking_id);
            self.list.push(booking.clone());
            self.list.sort_by_key(|known| known.booking_id);
        }
    }

    /// The ends of the waits that are over by the log's time and concern this request: holds that it names, whatever is
    /// in its way, and what it could be taken for.
    fn overdue(&self, now: Timestamp, request: &Request) -> Vec<Request> {
        if matches!(request.operation, Operation::Expire { .. }) {
            return Vec::new();
        }
        let named = self.about(request);
        let mut over: Vec<(Timestamp, BookingId)> = Vec::new();
        for booking in &self.list {
            let Some(deadline) = booking.standing.deadline().filter(|deadline| *deadline <= now) else { continue };
            let is_named = named.iter().any(|named| named.booking_id == booking.booking_id);
            let is_hold = matches!(booking.standing, Standing::Held { .. });
            let is_in_the_way = || {
                let (Some(claim), Some(rules)) = (request.operation.claim(), &self.rules) else { return false };
                let is_same = booking.tags.iter().any(|tag| claim.tags.contains(tag));
                is_same || spans(std::slice::from_ref(booking)).iter().any(|span| blocks(rules, span, claim.interval))
            };
            if if is_named { is_hold } else { is_in_the_way() } {
                over.push((deadline, booking.booking_id));
            }
        }
        over.sort();
        over.into_iter().map(|(deadline, id)| end_of_wait(&self.resource, id, deadline, now)).collect()
    }

    fn decide(&self, seen: u64, now: Timestamp, request: &Request) -> Option<Decision> {
        let mut rules_set = None;
        let answer = match (&request.operation, &self.rules) {
            _ if !self.is_as_expected(seen, request) => {
                no(Rejection::StaleVersion, self.about(request).first().copied().cloned())
            }
            (Operation::Define(rules), known) if known.as_ref() == Some(rules) => {
                answer(Outcome::Unchanged(Unchanged::Duplicate), None)
            }
            (Operation::Define(rules), _) => {
                if rules.hours.is_empty() || rules.display_time_zone.parse::<chrono_tz::Tz>().is_ok() {
                    rules_set = Some(rules.clone());
                    answer(Outcome::Defined, None)
                } else {
                    no(Rejection::Policy(Rule::Hours), None)
                }
            }
            (Operation::Expire { booking_id, deadline }, _) => self.expire(now, *booking_id, *deadline)?,
            (_, None) => no(Rejection::Policy(Rule::Defined), None),
            (_, Some(rules)) => Ask { book: self, rules, now, request }.rule(),
        };
        Some(self.written(now, request, answer, rules_set))
    }

    fn is_as_expected(&self, seen: u64, request: &Request) -> bool {
        if matches!(request.operation, Operation::Observe(_)) {
            return true;
        }
        let Expected { booking_version, resource_version } = request.expected;
        let known = self.about(request).first().map(|booking| booking.version);
        resource_version.is_none_or(|version| version == seen)
            && (booking_version.is_none() || booking_version == known)
    }

    fn expire(&self, now: Timestamp, id: BookingId, deadline: Timestamp) -> Option<Answer> {
        match self.get(id) {
            Some(booking) if booking.standing.deadline() == Some(deadline) => {
                if deadline > now {
                    return None;
                }
                let mut after = booking.clone();
                after.standing = Standing::Cancelled { last: booking.standing.live() };
                after.version += 1;
                Some(match booking.standing {
                    Standing::Held { .. } => answer(Outcome::Expired, Some(after)),
                    _ => answer(Outcome::Cancelled, Some(after)),
                })
            }
            _ => Some(answer(Outcome::Unchanged(Unchanged::Stale), None)),
        }
    }

    fn written(&self, now: Timestamp, request: &Request, answer: Answer, rules_set: Option<Rules>) -> Decision {
        let claim = request.operation.claim().filter(|claim| match answer.outcome {
            Outcome::Rejected(_) => true,
            Outcome::Unchanged(Unchanged::Shadow | Unchanged::Echo) => claim.moved_from.is_some(),
            _ => false,
        });
        let wanted = claim.map(|claim| Wanted {
            booking_id: claim.booking_id,
            key: claim.identity.key(),
            interval: claim.interval,
            moved_from: claim.moved_from.clone(),
        });
        let own: Vec<BookingId> = self.about(request).iter().map(|booking| booking.booking_id).collect();
        let next_free = match (&self.rules, claim, &answer.outcome) {
            (
                Some(rules),
                Some(claim),
                Outcome::Rejected(
                    Rejection::Conflict(_)
                    | Rejection::Past
                    | Rejection::StaleVersion
                    | Rejection::Policy(Rule::Notice | Rule::Window | Rule::Hours),
                ),
            ) => next_free(rules, &self.spans_at(now, &own), now, claim.interval),
            _ => Vec::new(),
        };
        let mut after = self.clone();
        after.list.retain(|known| answer.booking.as_ref().is_none_or(|booking| booking.booking_id != known.booking_id));
        after.list.extend(answer.booking.clone());
        let is_new = rules_set.is_some() || !answer.absorbed.is_empty() || after.timeline() != self.timeline();
        Decision {
            request_id: request.request_id,
            request_digest: request.digest,
            resource: request.resource.clone(),
            operation: request.operation.kind(),
            source: request.source.clone(),
            basis: request.basis,
            outcome: answer.outcome,
            resource_version: self.version + u64::from(is_new),
            booking: answer.booking,
            absorbed: answer.absorbed,
            wanted,
            next_free,
            rules: rules_set,
            sourced_at: request.sourced_at,
            received_at: request.received_at,
            decided_at: now,
        }
    }

    /// Who has which time on which unit.
    pub fn timeline(&self) -> Vec<Obstacle> {
        let mut all = spans(&self.list);
        all.sort();
        all
    }

    /// Everything in anybody's way but these, without what is over by then.
    pub fn spans_at(&self, now: Timestamp, without: &[BookingId]) -> Vec<Obstacle> {
        let stands = |booking: &&BookingState| {
            !without.contains(&booking.booking_id) && booking.standing.deadline().is_none_or(|deadline| deadline > now)
        };
        spans(&self.list.iter().filter(stands).cloned().collect::<Vec<_>>())
    }
}

/// The request that ends a wait.
fn end_of_wait(resource: &ResourceId, booking_id: BookingId, deadline: Timestamp, now: Timestamp) -> Request {
    let request_id = RequestId::of_expiry(booking_id, deadline);
    Request {
        request_id,
        resource: resource.clone(),
        source: SourceName::daybook(),
        event_id: request_id.to_string(),
        basis: Basis::Asked,
        expected: Expected::default(),
        digest: None,
        sourced_at: Some(deadline),
        received_at: now,
        operation: Operation::Expire { booking_id, deadline },
    }
}
