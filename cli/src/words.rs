//! Decisions in plain words, for people who do not know the code. Pure.

use chrono_tz::Tz;
use daybook_domain::{Decision, OperationKind, Outcome, Rejection, Standing, Unchanged};

use crate::text;

/// What was asked, and by whom.
pub fn asked(decision: &Decision) -> String {
    let source = &decision.source;
    match decision.operation {
        OperationKind::Book => format!("{source} asked to book"),
        OperationKind::Reschedule => format!("{source} asked to move the booking"),
        OperationKind::Cancel => format!("{source} said that the booking is cancelled"),
        OperationKind::Define => format!("new rules were given for {}", decision.resource),
        OperationKind::Expire => "the wait for a replacement came to its end".to_owned(),
        OperationKind::Unknown => "a record came that could not be read".to_owned(),
    }
}

/// What was answered.
pub fn answered(decision: &Decision, zone: Option<Tz>) -> String {
    let standing = decision.booking.as_ref().map(|booking| booking.standing);
    let when = standing.and_then(|standing| standing.interval()).map(|interval| text::interval(interval, zone));
    let when = when.unwrap_or_else(|| "its time is not known".to_owned());
    match &decision.outcome {
        Outcome::Confirmed => format!("GRANTED: {when}"),
        Outcome::Rescheduled => format!("GRANTED: moved to {when}"),
        Outcome::Updated => "UPDATED: what people see of it changed, its time did not".to_owned(),
        Outcome::Cancelled => format!("CANCELLED: {when}"),
        Outcome::AwaitingReplacement => match standing {
            Some(Standing::Awaiting { until, .. }) => {
                format!("WAITING: it keeps its time for its replacement until {}", text::moment(until))
            }
            Some(Standing::Confirmed(_) | Standing::Cancelled { .. }) | None => "WAITING for a replacement".to_owned(),
        },
        Outcome::Defined => "DONE: the rules are in force".to_owned(),
        Outcome::Rejected(rejection) => format!("REFUSED: {}", refused(rejection, zone)),
        Outcome::Unchanged(Unchanged::Duplicate) => "NOTHING TO DO: this already holds".to_owned(),
        Outcome::Unchanged(Unchanged::Stale) => "NOTHING TO DO: a newer state of it is known".to_owned(),
    }
}

fn refused(rejection: &Rejection, zone: Option<Tz>) -> String {
    match rejection {
        Rejection::Conflict(winner) => {
            format!("booking {} has {}", winner.booking_id, text::interval(winner.interval, zone))
        }
        Rejection::StaleVersion => "a newer event of its source had moved the booking on".to_owned(),
        Rejection::UnknownBooking => "there is no such booking".to_owned(),
        Rejection::InvalidTransition => {
            "it would free a slot whose replacement was refused, and leave the customer with nothing".to_owned()
        }
        Rejection::Policy => "a rule of the resource forbids it, or the resource is not defined".to_owned(),
        Rejection::ConflictByStore => {
            "the store refused it although the rules did not; this is an alarm for the engineers".to_owned()
        }
        Rejection::Undecodable => "the record could not be read; its bytes are in dlq.arbiter".to_owned(),
        Rejection::Internal => "deciding it failed; its bytes are in dlq.arbiter".to_owned(),
    }
}

/// The rule behind an answer; none where the answer says it.
pub fn rule(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Rejected(Rejection::Conflict(_)) => {
            Some("the first request to be decided has the time; requests are decided in the order Kafka kept them")
        }
        Outcome::Rejected(Rejection::StaleVersion) | Outcome::Unchanged(Unchanged::Stale) => {
            Some("a source's own version of a booking decides which of its events is newer, not the order of arrival")
        }
        Outcome::Rejected(Rejection::InvalidTransition) => {
            Some("a slot is never freed before its replacement is granted")
        }
        Outcome::AwaitingReplacement => Some("a slot is never freed before its replacement is granted"),
        Outcome::Unchanged(Unchanged::Duplicate) => {
            Some("the same content again, also under another delivery, changes nothing")
        }
        Outcome::Confirmed
        | Outcome::Rescheduled
        | Outcome::Updated
        | Outcome::Cancelled
        | Outcome::Defined
        | Outcome::Rejected(
            Rejection::UnknownBooking
            | Rejection::Policy
            | Rejection::ConflictByStore
            | Rejection::Undecodable
            | Rejection::Internal,
        ) => None,
    }
}

/// The outcome with its reason, for a column: `rejected(conflict)`.
pub fn outcome(outcome: &Outcome) -> String {
    outcome.reason().map_or_else(|| outcome.as_str().to_owned(), |reason| format!("{}({reason})", outcome.as_str()))
}
