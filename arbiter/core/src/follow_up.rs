//! What follows from a decision on another resource: the second half of a move, one way or the other.
//!
//! Derived from the decision alone, so that whoever publishes it, at once or after a crash, sends the same.

use daybook_domain::{
    Basis, Decision, Elsewhere, Expected, Identity, Operation, OperationKind, Outcome, Request, RequestId, SourceKey,
    SourceName, SourceVersion, Subject, Timestamp, Unchanged,
};

/// The request to send through the log once the decision is committed, before it is published.
///
/// Granted, the booking that was replaced is released. Refused, it is told that it stands after all, under the name that
/// its source has given to the move: otherwise the vendor's cancelling half would free it. (Where nobody was promised the
/// move, there is no such half, and nothing to tell.)
pub fn follow_up(decision: &Decision) -> Option<Request> {
    match (&decision.outcome, &decision.booking, &decision.wanted) {
        // A booking's `moved_from` is that of the claim that last made it a booking.
        (Outcome::Confirmed, Some(booking), _)
            if matches!(decision.operation, OperationKind::Book | OperationKind::Reschedule) =>
        {
            let here = Elsewhere { resource: decision.resource.clone(), booking_id: booking.booking_id };
            let (from, key) = (booking.moved_from.as_ref()?, booking.current_key()?);
            let subject = subject(from, key);
            Some(request(decision, from, Operation::Release { subject, moved_to: Some(here) }))
        }
        // The same appointment stands here already: what it was there goes, too.
        (Outcome::Unchanged(Unchanged::Shadow | Unchanged::Echo), Some(booking), Some(wanted)) => {
            let here = Elsewhere { resource: decision.resource.clone(), booking_id: booking.booking_id };
            let from = wanted.moved_from.as_ref()?;
            let subject = subject(from, wanted.key);
            Some(request(decision, from, Operation::Release { subject, moved_to: Some(here) }))
        }
        (Outcome::Rejected(_), _, Some(wanted)) if decision.basis != Basis::Asked => {
            let from = wanted.moved_from.as_ref()?;
            let subject = subject(from, wanted.key);
            Some(request(decision, from, Operation::Confirm { subject, content: None }))
        }
        (
            Outcome::Confirmed
            | Outcome::Held
            | Outcome::Rescheduled
            | Outcome::Updated
            | Outcome::Cancelled
            | Outcome::AwaitingReplacement
            | Outcome::Expired
            | Outcome::Observed
            | Outcome::Moved
            | Outcome::Defined
            | Outcome::Redacted
            | Outcome::Flagged(_)
            | Outcome::Rejected(_)
            | Outcome::Unchanged(_),
            _,
            _,
        ) => None,
    }
}

fn subject(from: &Elsewhere, key: SourceKey) -> Subject {
    let version = SourceVersion { sequence: 0, updated_at: Timestamp::EPOCH };
    Subject { booking_id: from.booking_id, identity: Identity::pseudonym(key), version }
}

fn request(decision: &Decision, from: &Elsewhere, operation: Operation) -> Request {
    let request_id = RequestId::of_follow_up(decision.request_id, from.booking_id);
    Request {
        request_id,
        resource: from.resource.clone(),
        source: SourceName::daybook(),
        event_id: decision.request_id.to_string(),
        basis: Basis::Asked,
        expected: Expected::default(),
        digest: None,
        sourced_at: decision.sourced_at,
        received_at: decision.received_at,
        operation,
    }
}

#[cfg(test)]
mod tests;
