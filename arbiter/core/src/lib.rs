//! The arbiter's core: what is decided, and nothing else.
//!
//! In: one resource's [`State`], the log's time, a request. Out: a decision, which alone changes the state.
//! Owns: that two live bookings of a resource never overlap, that a reschedule never leaves both or neither, and that
//! the same log gives the same decisions, byte for byte. [`decide`] and [`evolve`] are total and deterministic; a
//! losing request is a decision, not an error. Absent on purpose: I/O, clocks, randomness, other resources.

mod book;
mod cancel;
mod claim;
mod define;
mod expire;
mod reschedule;
mod state;

use daybook_domain::{BookingState, Decision, Operation, Outcome, Rejection, Request, Rules, Timestamp};

pub use state::{State, Violation};

/// The version that every decision records. The same log gives the same decisions under the same version; raise it
/// with any change that could give another.
pub const CORE_VERSION: &str = "1";

/// Decides a request. None for an `expire` that came before its deadline by the log's time: nothing is written, and it
/// is sent again.
pub fn decide(state: &State, now: Timestamp, request: &Request) -> Option<Decision> {
    let ruling = match (&request.operation, state.rules()) {
        (Operation::Define(rules), _) => define::decide(state, rules),
        (Operation::Expire { booking_id, deadline }, _) => expire::decide(state, now, *booking_id, *deadline)?,
        (Operation::Book(_) | Operation::Reschedule { .. } | Operation::Cancel { .. }, None) => {
            Ruling::rejected(Rejection::Policy, None)
        }
        (Operation::Book(claim), Some(_)) => book::decide(state, &request.source, claim),
        (Operation::Reschedule { previous, claim }, Some(_)) => {
            reschedule::decide(state, &request.source, previous.key(), claim)
        }
        (Operation::Cancel { booking_id, identity, version, interval, kind }, Some(rules)) => {
            let subject = cancel::Subject {
                booking_id: *booking_id,
                key: identity.key(),
                source: &request.source,
                version: *version,
                interval: *interval,
            };
            cancel::decide(state, rules, now, &subject, *kind)
        }
    };
    let moved = ruling.booking.as_ref().is_some_and(|after| {
        state.booking(after.booking_id).and_then(|before| before.standing.live()) != after.standing.live()
    });
    Some(Decision {
        request_id: request.request_id,
        resource: request.resource.clone(),
        operation: request.operation.kind(),
        source: request.source.clone(),
        outcome: ruling.outcome,
        resource_version: state.version() + u64::from(moved || ruling.rules.is_some()),
        booking: ruling.booking,
        rules: ruling.rules,
        sourced_at: request.sourced_at,
        received_at: request.received_at,
        decided_at: now,
    })
}

/// Applies a decision: the only way that a state changes.
pub fn evolve(state: &mut State, decision: &Decision) {
    state.apply(decision);
}

/// What an operation's file decides; [`decide`] completes it.
struct Ruling {
    outcome: Outcome,
    booking: Option<BookingState>,
    rules: Option<Rules>,
}

impl Ruling {
    const fn of(outcome: Outcome, booking: Option<BookingState>) -> Self {
        Self { outcome, booking, rules: None }
    }

    const fn rejected(rejection: Rejection, booking: Option<BookingState>) -> Self {
        Self::of(Outcome::Rejected(rejection), booking)
    }
}
