//! A decision as an answer to the caller who asked. Pure: the same decision is the same answer, at once or a month later.
//!
//! Invariant: who has the time, and for which source, is shown only to those who may read the resource.

use axum::http::StatusCode;
use daybook_domain::{
    BookingKind, BookingState, Decision, Interval, OperationKind, Outcome, Rejection, Rule, SourceName, Standing,
    Unchanged, Winner,
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::api::{Problem, ProblemDocument, ProblemKind};

/// What became of a request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Request)]
pub struct RequestView {
    /// Its id, for `GET /v1/requests/{id}`.
    #[schema(example = "46d747f0-1668-5420-8639-f34c91b6ccdd-9f86d081884c")]
    pub id: String,
    /// `waiting` until it is decided.
    pub status: RequestStatus,
    /// What was decided; null while it waits.
    pub decision: Option<DecisionView>,
}

/// Whether a request is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RequestStatus {
    /// Not yet, as far as is known.
    Waiting,
    /// Yes, for good.
    Decided,
}

/// What was decided on a request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Decision)]
pub struct DecisionView {
    /// What was asked.
    #[schema(example = "book")]
    pub operation: &'static str,
    /// Whose time.
    #[schema(example = "room-7")]
    pub resource: String,
    /// The answer: `confirmed`, `held`, `rescheduled`, `updated`, `cancelled`, `unchanged` or `rejected`.
    #[schema(example = "confirmed")]
    pub outcome: &'static str,
    /// Why it was rejected, or why there was nothing to do: `conflict`, `stale_version`, `duplicate`, `shadow` and so on.
    pub reason: Option<&'static str>,
    /// The booking after it, without what people see of it: that is at `/v1/bookings/{booking_id}`. Null where there is
    /// none, or none that this key may know of.
    pub booking: Option<DecidedBooking>,
    /// The version of the resource's timeline after it, which `If-Match` goes by.
    pub resource_version: u64,
    /// By the log's time, RFC 3339, UTC.
    #[schema(format = DateTime)]
    pub decided_at: String,
    /// The problem with which a rejected request was answered.
    #[schema(value_type = Option<ProblemDocument>)]
    pub problem: Option<Value>,
}

/// A booking as a decision left it. No personal data.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecidedBooking {
    /// Its id, for life.
    #[schema(format = "uuid")]
    pub booking_id: String,
    /// `booking`, or `busy` for time that was only seen to be taken elsewhere.
    #[schema(example = "booking")]
    pub kind: &'static str,
    /// `held` until `held_until`, unless it is confirmed; `confirmed`, `awaiting` or `cancelled`.
    #[schema(example = "confirmed")]
    pub status: &'static str,
    /// RFC 3339, UTC.
    #[schema(format = DateTime)]
    pub start: Option<String>,
    /// RFC 3339, UTC, not included.
    #[schema(format = DateTime)]
    pub end: Option<String>,
    /// When a hold is over.
    #[schema(format = DateTime)]
    pub held_until: Option<String>,
    /// Rises with every change that people could see; `expected_version` goes by it.
    pub version: u64,
}

/// A decision, ready to be answered.
#[derive(Debug)]
pub struct Answer {
    /// The status where nothing is wrong.
    pub status: StatusCode,
    /// What it says.
    pub view: RequestView,
    /// What is wrong.
    pub problem: Option<Problem>,
}

/// The answer to a caller who `may_read` the resource or not. `id` is the request's, as the caller has it.
pub fn answer(id: String, decision: &Decision, may_read: bool) -> Answer {
    let made = matches!(decision.operation, OperationKind::Book | OperationKind::Hold)
        && matches!(decision.outcome, Outcome::Confirmed | Outcome::Held);
    let problem = match &decision.outcome {
        Outcome::Rejected(rejection) => Some(refused(decision, rejection, may_read).with("request", id.clone())),
        Outcome::Unchanged(Unchanged::Stale) => {
            let detail = "Something newer has been decided about this booking.";
            Some(Problem::new(ProblemKind::InvalidTransition, detail).with("request", id.clone()))
        }
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
        | Outcome::Unchanged(_) => None,
    };
    let known = |booking: &&BookingState| may_read || booking.source == SourceName::api();
    let view = DecisionView {
        operation: decision.operation.as_str(),
        resource: decision.resource.to_string(),
        outcome: decision.outcome.as_str(),
        reason: decision.outcome.reason(),
        booking: decision.booking.as_ref().filter(known).map(decided),
        resource_version: decision.resource_version,
        decided_at: decision.decided_at.to_string(),
        problem: problem.as_ref().map(|problem| json!(problem.document())),
    };
    Answer {
        status: if made { StatusCode::CREATED } else { StatusCode::OK },
        view: RequestView { id, status: RequestStatus::Decided, decision: Some(view) },
        problem,
    }
}

/// The answer while nothing is decided.
pub const fn waiting(id: String) -> RequestView {
    RequestView { id, status: RequestStatus::Waiting, decision: None }
}

fn decided(booking: &BookingState) -> DecidedBooking {
    let interval = booking.standing.interval();
    DecidedBooking {
        booking_id: booking.booking_id.to_string(),
        kind: match booking.kind {
            BookingKind::Booking => "booking",
            BookingKind::Busy => "busy",
        },
        status: match booking.standing {
            Standing::Held { .. } => "held",
            Standing::Confirmed(_) => "confirmed",
            Standing::Awaiting { .. } => "awaiting",
            Standing::Cancelled { .. } => "cancelled",
        },
        start: interval.map(|interval| interval.start().to_string()),
        end: interval.map(|interval| interval.end().to_string()),
        held_until: match booking.standing {
            Standing::Held { until, .. } => Some(until.to_string()),
            Standing::Confirmed(_) | Standing::Awaiting { .. } | Standing::Cancelled { .. } => None,
        },
        version: booking.version,
    }
}

fn refused(decision: &Decision, rejection: &Rejection, may_read: bool) -> Problem {
    let free = |problem: Problem| problem.with("next_free", decision.next_free.iter().map(slot).collect::<Value>());
    let problem = |kind, detail: &str| Problem::new(kind, detail);
    match rejection {
        Rejection::Conflict(winner) => free(
            problem(ProblemKind::Conflict, "Another booking, or busy time, has this time.")
                .with("conflict", conflict(winner, may_read)),
        ),
        Rejection::ConflictByStore => {
            free(problem(ProblemKind::Conflict, "The time could not be given. Whoever runs this has been told."))
        }
        Rejection::StaleVersion => {
            let stale = problem(ProblemKind::StaleVersion, "The booking or the resource has changed since you looked.")
                .with("resource_version", decision.resource_version);
            let version = decision.booking.as_ref().map(|booking| booking.version);
            free(match version {
                Some(version) => stale.with("booking_version", version),
                None => stale,
            })
        }
        Rejection::UnknownBooking => problem(ProblemKind::NotFound, "The resource has no booking with this id.").field(
            "booking_id",
            "is no booking of this resource",
            "give the id that the booking was answered with, beside the resource that it is on",
        ),
        Rejection::Past => free(problem(ProblemKind::Past, "The time has begun already, by the log's clock.")),
        Rejection::InvalidTransition => transition(decision),
        Rejection::Policy(Rule::Defined) => problem(ProblemKind::NotFound, "There is no such resource.").field(
            "resource",
            "is no resource that is known here",
            "give a resource's id, as it was entered",
        ),
        Rejection::Policy(Rule::Retired) => problem(ProblemKind::NotFound, "The resource takes no bookings any more.")
            .field("resource", "was taken out of the book", "ask for another resource, or enter this one anew"),
        Rejection::Policy(rule @ (Rule::Notice | Rule::Window | Rule::Hours)) => {
            let detail = match rule {
                Rule::Notice => "It begins too soon: the resource wants to be asked earlier.",
                Rule::Window => "It begins too late: the resource cannot be asked that long before.",
                Rule::Hours | Rule::Defined | Rule::Retired => "It lies outside the resource's hours.",
            };
            free(problem(ProblemKind::Policy, detail).with("rule", rule.as_str()))
        }
        Rejection::Undecodable | Rejection::Internal => {
            problem(ProblemKind::Internal, "Deciding it failed within us. Nothing was booked.")
        }
    }
}

fn transition(decision: &Decision) -> Problem {
    let detail = match decision.booking.as_ref() {
        Some(booking) if booking.source != SourceName::api() => {
            "Another system speaks for this booking, and only there it can be changed."
        }
        Some(BookingState { standing: Standing::Cancelled { .. }, .. }) => "The booking is gone.",
        Some(BookingState { standing: Standing::Confirmed(_), .. }) => {
            "The booking is confirmed: it can be cancelled, and not released."
        }
        Some(_) | None => "In the state in which the booking is, this is not possible.",
    };
    let problem = Problem::new(ProblemKind::InvalidTransition, detail);
    match decision.booking.as_ref().filter(|booking| booking.source == SourceName::api()) {
        Some(booking) => problem.with("booking", json!(decided(booking))),
        None => problem,
    }
}

fn conflict(winner: &Winner, may_read: bool) -> Value {
    let mut conflict = slot(&winner.interval);
    if may_read && let Value::Object(fields) = &mut conflict {
        fields.insert("booking_id".to_owned(), winner.booking_id.to_string().into());
        fields.insert("source".to_owned(), winner.source.as_str().into());
    }
    conflict
}

fn slot(interval: &Interval) -> Value {
    json!({"start": interval.start().to_string(), "end": interval.end().to_string()})
}

#[cfg(test)]
mod tests;
