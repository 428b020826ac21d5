//! Decisions in plain words, for people who do not know the code. Pure.

use chrono_tz::Tz;
use daybook_domain::{
    Basis, BookingKind, BookingState, Decision, Elsewhere, OperationKind, Outcome, Rejection, Rule, Standing,
    Unchanged, Winner,
};

use crate::text;

/// What was asked, and by whom.
pub fn asked(decision: &Decision) -> String {
    let source = &decision.source;
    match decision.operation {
        OperationKind::Book => format!("{source} asked to book"),
        OperationKind::Hold => format!("{source} asked to keep the time for a while"),
        OperationKind::Confirm => format!("{source} asked to confirm the booking"),
        OperationKind::Release => match decision.outcome {
            Outcome::Moved => "the booking was granted on another resource".to_owned(),
            Outcome::Confirmed
            | Outcome::Held
            | Outcome::Rescheduled
            | Outcome::Updated
            | Outcome::Cancelled
            | Outcome::AwaitingReplacement
            | Outcome::Expired
            | Outcome::Observed
            | Outcome::Defined
            | Outcome::Redacted
            | Outcome::Flagged(_)
            | Outcome::Rejected(_)
            | Outcome::Unchanged(_) => format!("{source} gave the time up that was kept"),
        },
        OperationKind::Reschedule => format!("{source} asked to move the booking"),
        OperationKind::Update => format!("{source} changed what people see of the booking"),
        OperationKind::Cancel => format!("{source} said that the booking is cancelled"),
        OperationKind::Observe => format!("{source} showed that the time is taken"),
        OperationKind::Define => format!("new rules were given for {}", decision.resource),
        OperationKind::Redact => "a person in the booking is to be forgotten".to_owned(),
        OperationKind::Expire => "the wait for a replacement or a confirmation came to its end".to_owned(),
        OperationKind::Unknown => "a record came that could not be read".to_owned(),
    }
}

/// What was answered.
pub fn answered(decision: &Decision, zone: Option<Tz>) -> String {
    let booking = decision.booking.as_ref();
    let standing = booking.map(|booking| booking.standing);
    let when = standing.and_then(|standing| standing.interval()).map(|interval| text::interval(interval, zone));
    let when = when.unwrap_or_else(|| "its time is not known".to_owned());
    let until = standing.and_then(|standing| standing.deadline()).map(text::moment);
    match &decision.outcome {
        Outcome::Confirmed => format!("GRANTED: {when}"),
        Outcome::Held => match until {
            Some(until) => format!("HELD: {when}, until {until}"),
            None => format!("HELD: {when}"),
        },
        Outcome::Rescheduled => format!("GRANTED: moved to {when}"),
        Outcome::Updated => "UPDATED: what people see of it changed, its time did not".to_owned(),
        Outcome::Cancelled => format!("CANCELLED: {when}"),
        Outcome::AwaitingReplacement => match until {
            Some(until) => format!("WAITING: it keeps its time for its replacement until {until}"),
            None => "WAITING for a replacement".to_owned(),
        },
        Outcome::Expired => format!("EXPIRED: nobody confirmed it in time; it kept {when}"),
        Outcome::Observed => format!("NOTED: taken elsewhere: {when}"),
        Outcome::Moved => match booking.and_then(|booking| booking.moved_to.as_ref()) {
            Some(to) => format!("MOVED: it is {} now; it had {when}", elsewhere(to)),
            None => format!("MOVED to another resource; it had {when}"),
        },
        Outcome::Defined => "DONE: the rules are in force".to_owned(),
        Outcome::Redacted => "REDACTED: nobody sees anything of it but its time".to_owned(),
        Outcome::Flagged(winner) => {
            format!("TO BE SETTLED: taken elsewhere: {when}; {}", had(winner, zone))
        }
        Outcome::Rejected(rejection) => format!("REFUSED: {}", refused(rejection, zone)),
        Outcome::Unchanged(Unchanged::Duplicate) => "NOTHING TO DO: this already holds".to_owned(),
        Outcome::Unchanged(Unchanged::Stale) => "NOTHING TO DO: a newer state of it is known".to_owned(),
        Outcome::Unchanged(Unchanged::Echo) => "NOTHING TO DO: it is what Daybook wrote there itself".to_owned(),
        Outcome::Unchanged(Unchanged::Shadow) => {
            format!("NOTHING TO DO: {} shows an appointment that stands already", decision.source)
        }
    }
}

/// What else there is to say of an answer, a line each.
pub fn more(decision: &Decision, zone: Option<Tz>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(wanted) = &decision.wanted {
        lines.push(format!("wanted: {}", text::interval(wanted.interval, zone)));
        if let Some(from) = &wanted.moved_from {
            lines.push(format!("it was to replace {}, which stands", elsewhere(from)));
        }
    }
    for (number, slot) in decision.next_free.iter().enumerate() {
        let lead = if number == 0 { "free instead:" } else { "         or:" };
        lines.push(format!("{lead} {}", text::interval(*slot, zone)));
    }
    let from = decision.booking.as_ref().and_then(|booking| booking.moved_from.as_ref());
    if let (Outcome::Confirmed | Outcome::Held, Some(from)) = (&decision.outcome, from) {
        lines.push(format!("it replaces {}", elsewhere(from)));
    }
    for busy in &decision.absorbed {
        lines.push(format!("time that was noted as taken elsewhere ({busy}) turned out to be this very booking"));
    }
    lines
}

/// A booking on another resource.
pub fn elsewhere(elsewhere: &Elsewhere) -> String {
    format!("booking {} of {}", elsewhere.booking_id, elsewhere.resource)
}

fn refused(rejection: &Rejection, zone: Option<Tz>) -> String {
    match rejection {
        Rejection::Conflict(winner) => had(winner, zone),
        Rejection::StaleVersion => {
            "a newer event had moved the booking on, or it is no longer what the asker expected".to_owned()
        }
        Rejection::UnknownBooking => "there is no such booking".to_owned(),
        Rejection::Past => "that time is over".to_owned(),
        Rejection::InvalidTransition => {
            "the booking does not stand so that this could be done, or goes by another name".to_owned()
        }
        Rejection::Policy(Rule::Defined) => {
            "the resource is not defined; enter it with daybook resources apply".to_owned()
        }
        Rejection::Policy(Rule::Notice) => "the resource must be asked for longer before the start".to_owned(),
        Rejection::Policy(Rule::Window) => "the resource cannot be asked for so long before the start".to_owned(),
        Rejection::Policy(Rule::Hours) => "it is not within the resource's hours".to_owned(),
        Rejection::Policy(Rule::Retired) => "the resource takes no new bookings any more".to_owned(),
        Rejection::ConflictByStore => {
            "the store refused it although the rules did not; this is an alarm for the engineers".to_owned()
        }
        Rejection::Undecodable => "the record could not be read; its bytes are in dlq.arbiter".to_owned(),
        Rejection::Internal => "deciding it failed; its bytes are in dlq.arbiter".to_owned(),
    }
}

fn had(winner: &Winner, zone: Option<Tz>) -> String {
    format!("booking {} of {} has {}", winner.booking_id, winner.source, text::interval(winner.interval, zone))
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
        Outcome::Rejected(Rejection::Past) => {
            Some("time that is over is refused to whoever has promised it to nobody; a promise that comes late is kept")
        }
        Outcome::AwaitingReplacement => Some("a slot is never freed before its replacement is granted"),
        Outcome::Rejected(Rejection::Policy(Rule::Notice | Rule::Window | Rule::Hours | Rule::Retired)) => {
            Some("a resource's rules are those of the moment of the request; what is booked already stands")
        }
        Outcome::Moved => Some("a booking that moves to another resource is kept until it is granted there"),
        Outcome::Held | Outcome::Expired => {
            Some("a hold keeps its time like a booking, is shown to nobody, and ends by itself")
        }
        Outcome::Observed | Outcome::Flagged(_) => {
            Some("what is taken elsewhere cannot be refused: it blocks its time, and what is booked already stands")
        }
        Outcome::Unchanged(Unchanged::Duplicate) => {
            Some("the same content again, also under another delivery, changes nothing")
        }
        Outcome::Unchanged(Unchanged::Echo | Unchanged::Shadow) => {
            Some("one appointment that several systems show is one booking; whoever showed it first speaks for it")
        }
        Outcome::Confirmed
        | Outcome::Rescheduled
        | Outcome::Updated
        | Outcome::Cancelled
        | Outcome::Defined
        | Outcome::Redacted
        | Outcome::Rejected(
            Rejection::UnknownBooking
            | Rejection::InvalidTransition
            | Rejection::Policy(Rule::Defined)
            | Rejection::ConflictByStore
            | Rejection::Undecodable
            | Rejection::Internal,
        ) => None,
    }
}

/// The outcome with its reason, for a column: `rejected(conflict)`, `rejected(policy:notice)`.
pub fn outcome(outcome: &Outcome) -> String {
    let word = outcome.as_str();
    match (outcome.reason(), outcome.rule().map(Rule::as_str)) {
        (Some(reason), Some(rule)) => format!("{word}({reason}:{rule})"),
        (Some(reason), None) => format!("{word}({reason})"),
        (None, _) => word.to_owned(),
    }
}

/// Where a booking stands, in a word.
pub const fn status(standing: &Standing) -> &'static str {
    match standing {
        Standing::Held { .. } => "held",
        Standing::Confirmed(_) => "confirmed",
        Standing::Awaiting { .. } => "awaiting",
        Standing::Cancelled { .. } => "cancelled",
    }
}

/// What a booking is, in a word.
pub const fn kind(booking: &BookingState) -> &'static str {
    match booking.kind {
        BookingKind::Booking => "booking",
        BookingKind::Busy => "busy",
    }
}

/// Whether somebody had been told yes already, in a word.
pub const fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Asked => "asked",
        Basis::Promised => "promised",
        Basis::Imported => "imported",
    }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
