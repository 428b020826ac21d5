//! From a decision to its record.

use daybook_domain::{
    BookingState, Interval, Outcome, Rejection, Rule, Shadow, Sight, Timestamp, Unchanged, Wanted, Winner,
};

use super::LoggedDecision;
use super::record::{
    BookingRecord, DecisionRecord, OutcomeRecord, ReasonRecord, RuleRecord, ShadowRecord, SightRecord, SlotRecord,
    WantedRecord, WinnerRecord,
};
use crate::shared::{ElsewhereRecord, RulesRecord, StandingFields, count, digest_text, request_digest_text, texts};

impl From<&LoggedDecision> for DecisionRecord {
    fn from(logged: &LoggedDecision) -> Self {
        let decision = &logged.decision;
        Self {
            partition: logged.partition,
            seq: logged.seq,
            offset: logged.offset,
            previous_hash: hex::encode(logged.previous_hash),
            core_version: logged.core_version.clone(),
            request_id: decision.request_id.to_string(),
            request_digest: decision.request_digest.map(request_digest_text),
            resource_id: decision.resource.to_string(),
            resource_version: count(decision.resource_version),
            operation: decision.operation.into(),
            source: decision.source.to_string(),
            basis: decision.basis.into(),
            outcome: outcome(&decision.outcome),
            reason: reason(&decision.outcome),
            rule: rule(&decision.outcome),
            winner: decision.outcome.winner().map(winner),
            wanted: decision.wanted.as_ref().map(wanted),
            next_free: decision.next_free.iter().map(slot).collect(),
            booking: decision.booking.as_ref().map(booking),
            absorbed: texts(&decision.absorbed),
            rules: decision.rules.as_ref().map(RulesRecord::from),
            sourced_at: decision.sourced_at.map(Timestamp::micros),
            received_at: decision.received_at.micros(),
            decided_at: decision.decided_at.micros(),
        }
    }
}

fn outcome(outcome: &Outcome) -> OutcomeRecord {
    match outcome {
        Outcome::Confirmed => OutcomeRecord::Confirmed,
        Outcome::Held => OutcomeRecord::Held,
        Outcome::Rescheduled => OutcomeRecord::Rescheduled,
        Outcome::Updated => OutcomeRecord::Updated,
        Outcome::Cancelled => OutcomeRecord::Cancelled,
        Outcome::AwaitingReplacement => OutcomeRecord::AwaitingReplacement,
        Outcome::Expired => OutcomeRecord::Expired,
        Outcome::Observed => OutcomeRecord::Observed,
        Outcome::Moved => OutcomeRecord::Moved,
        Outcome::Defined => OutcomeRecord::Defined,
        Outcome::Redacted => OutcomeRecord::Redacted,
        Outcome::Flagged(_) => OutcomeRecord::Flagged,
        Outcome::Rejected(_) => OutcomeRecord::Rejected,
        Outcome::Unchanged(_) => OutcomeRecord::Unchanged,
    }
}

fn reason(outcome: &Outcome) -> Option<ReasonRecord> {
    match outcome {
        Outcome::Rejected(rejection) => Some(match rejection {
            Rejection::Conflict(_) => ReasonRecord::Conflict,
            Rejection::StaleVersion => ReasonRecord::StaleVersion,
            Rejection::UnknownBooking => ReasonRecord::UnknownBooking,
            Rejection::Past => ReasonRecord::Past,
            Rejection::InvalidTransition => ReasonRecord::InvalidTransition,
            Rejection::Policy(_) => ReasonRecord::Policy,
            Rejection::ConflictByStore => ReasonRecord::ConflictByStore,
            Rejection::Undecodable => ReasonRecord::Undecodable,
            Rejection::Internal => ReasonRecord::Internal,
        }),
        Outcome::Unchanged(unchanged) => Some(match unchanged {
            Unchanged::Duplicate => ReasonRecord::Duplicate,
            Unchanged::Stale => ReasonRecord::Stale,
            Unchanged::Echo => ReasonRecord::Echo,
            Unchanged::Shadow => ReasonRecord::Shadow,
        }),
        Outcome::Flagged(_) => Some(ReasonRecord::ExternalConflict),
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
        | Outcome::Redacted => None,
    }
}

fn rule(outcome: &Outcome) -> Option<RuleRecord> {
    outcome.rule().map(|rule| match rule {
        Rule::Defined => RuleRecord::Defined,
        Rule::Notice => RuleRecord::Notice,
        Rule::Window => RuleRecord::Window,
        Rule::Hours => RuleRecord::Hours,
        Rule::Retired => RuleRecord::Retired,
    })
}

fn winner(winner: &Winner) -> WinnerRecord {
    WinnerRecord {
        booking_id: winner.booking_id.to_string(),
        start_time: winner.interval.start().micros(),
        end_time: winner.interval.end().micros(),
        source: winner.source.to_string(),
    }
}

fn wanted(wanted: &Wanted) -> WantedRecord {
    WantedRecord {
        booking_id: wanted.booking_id.to_string(),
        source_key: wanted.key.to_string(),
        start_time: wanted.interval.start().micros(),
        end_time: wanted.interval.end().micros(),
        moved_from: wanted.moved_from.as_ref().map(ElsewhereRecord::from),
    }
}

fn slot(interval: &Interval) -> SlotRecord {
    SlotRecord { start_time: interval.start().micros(), end_time: interval.end().micros() }
}

fn booking(state: &BookingState) -> BookingRecord {
    let standing = StandingFields::from(&state.standing);
    BookingRecord {
        booking_id: state.booking_id.to_string(),
        kind: state.kind.into(),
        status: standing.status,
        start_time: standing.start_time,
        end_time: standing.end_time,
        awaiting_until: standing.awaiting_until,
        held_until: standing.held_until,
        unit: i32::from(state.unit),
        version: count(state.version),
        source: state.source.to_string(),
        source_keys: texts(&state.keys),
        source_version: state.source_version.into(),
        content_digest: state.content.map(digest_text),
        contact_ids: texts(&state.contacts),
        tags: texts(&state.tags),
        shadows: state.shadows.iter().map(shadow).collect(),
        moved_from: state.moved_from.as_ref().map(ElsewhereRecord::from),
        moved_to: state.moved_to.as_ref().map(ElsewhereRecord::from),
    }
}

fn shadow(shadow: &Shadow) -> ShadowRecord {
    let (sight, away) = match shadow.sight {
        Sight::Along => (SightRecord::Along, None),
        Sight::Away(interval) => (SightRecord::Away, Some(interval)),
        Sight::Gone => (SightRecord::Gone, None),
    };
    ShadowRecord {
        source: shadow.source.to_string(),
        source_key: shadow.key.to_string(),
        source_version: shadow.version.into(),
        sight,
        away_start: away.map(|interval| interval.start().micros()),
        away_end: away.map(|interval| interval.end().micros()),
    }
}
