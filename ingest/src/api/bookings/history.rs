//! What was decided on a booking, as those see it who may read its resource.

use daybook_domain::{Decision, Rule};
use daybook_wire::LoggedDecision;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::times::Span;

/// A decision on a booking.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BookingDecision)]
pub struct Entry {
    /// By the log's time.
    #[schema(format = DateTime)]
    decided_at: String,
    /// The request that was decided, as the log has it.
    #[schema(format = "uuid")]
    request_id: String,
    /// Who asked.
    #[schema(example = "calendly")]
    source: String,
    /// What was asked, in a word.
    #[schema(example = "book")]
    operation: &'static str,
    /// What was decided, in a word.
    #[schema(example = "confirmed")]
    outcome: &'static str,
    /// Why, in a word, where the outcome has a reason.
    #[schema(example = "duplicate")]
    reason: Option<&'static str>,
    /// The rule that forbids it, where that is the reason.
    #[schema(example = "notice")]
    rule: Option<&'static str>,
    /// The booking's version after it.
    version: Option<u64>,
    /// Where the booking stands after it: `held`, `confirmed`, `awaiting` or `cancelled`.
    #[schema(example = "confirmed")]
    status: Option<&'static str>,
    /// The booking's time after it, or the last that it had.
    time: Option<Span>,
    /// The time that was wanted and refused.
    wanted: Option<Span>,
    /// Who has that time.
    winner: Option<WinnerView>,
    /// When its source says that this happened.
    #[schema(format = DateTime)]
    sourced_at: Option<String>,
    /// When it came in.
    #[schema(format = DateTime)]
    received_at: String,
}

/// The booking that stands in the way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Winner)]
struct WinnerView {
    /// Its id.
    #[schema(format = "uuid")]
    booking_id: String,
    /// Who speaks for it.
    source: String,
    /// Its time.
    time: Span,
}

impl From<LoggedDecision> for Entry {
    fn from(logged: LoggedDecision) -> Self {
        let Decision { outcome, booking, wanted, .. } = &logged.decision;
        let winner = outcome.winner().map(|winner| WinnerView {
            booking_id: winner.booking_id.to_string(),
            source: winner.source.to_string(),
            time: winner.interval.into(),
        });
        Self {
            decided_at: logged.decision.decided_at.to_string(),
            request_id: logged.decision.request_id.to_string(),
            source: logged.decision.source.to_string(),
            operation: logged.decision.operation.as_str(),
            outcome: outcome.as_str(),
            reason: outcome.reason(),
            rule: outcome.rule().map(Rule::as_str),
            version: booking.as_ref().map(|booking| booking.version),
            status: booking.as_ref().map(|booking| booking.standing.as_str()),
            time: booking.as_ref().and_then(|booking| booking.standing.interval()).map(Span::from),
            wanted: wanted.as_ref().map(|wanted| wanted.interval.into()),
            winner,
            sourced_at: logged.decision.sourced_at.map(|at| at.to_string()),
            received_at: logged.decision.received_at.to_string(),
        }
    }
}
