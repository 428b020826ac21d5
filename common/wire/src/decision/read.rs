//! From a decision's record back to the decision.

use daybook_domain::{
    BookingState, Decision, Interval, Outcome, Rejection, Rule, Shadow, Sight, Unchanged, Wanted, Winner,
};

use super::LoggedDecision;
use super::record::{
    BookingRecord, DecisionRecord, OutcomeRecord, ReasonRecord, RuleRecord, ShadowRecord, SightRecord, SlotRecord,
    WantedRecord, WinnerRecord,
};
use crate::avro::WireError;
use crate::shared::{
    RulesRecord, StandingFields, digest, elsewhere, list, optional_interval, optional_time, parse, read_count,
    read_unit, request_digest, required, time,
};

impl DecisionRecord {
    pub(super) fn read(self) -> Result<LoggedDecision, WireError> {
        let mut previous_hash = [0; 32];
        hex::decode_to_slice(&self.previous_hash, &mut previous_hash)
            .map_err(|error| WireError::field("previous_hash", error))?;
        Ok(LoggedDecision {
            partition: self.partition,
            seq: self.seq,
            offset: self.offset,
            previous_hash,
            core_version: self.core_version,
            decision: Decision {
                request_id: parse("request_id", &self.request_id)?,
                request_digest: request_digest(self.request_digest.as_deref())?,
                resource: parse("resource_id", &self.resource_id)?,
                operation: self.operation.into(),
                source: parse("source", &self.source)?,
                basis: self.basis.into(),
                outcome: outcome(self.outcome, self.reason, self.rule, self.winner.as_ref())?,
                resource_version: read_count("resource_version", self.resource_version)?,
                booking: self.booking.as_ref().map(booking).transpose()?,
                absorbed: list("absorbed", &self.absorbed)?,
                wanted: self.wanted.as_ref().map(wanted).transpose()?,
                next_free: self.next_free.iter().map(slot).collect::<Result<_, _>>()?,
                rules: self.rules.map(RulesRecord::read).transpose()?,
                sourced_at: optional_time("sourced_at", self.sourced_at)?,
                received_at: time("received_at", self.received_at)?,
                decided_at: time("decided_at", self.decided_at)?,
            },
        })
    }
}

fn outcome(
    outcome: OutcomeRecord,
    reason: Option<ReasonRecord>,
    rule: Option<RuleRecord>,
    winner: Option<&WinnerRecord>,
) -> Result<Outcome, WireError> {
    Ok(match outcome {
        OutcomeRecord::Confirmed => Outcome::Confirmed,
        OutcomeRecord::Held => Outcome::Held,
        OutcomeRecord::Rescheduled => Outcome::Rescheduled,
        OutcomeRecord::Updated => Outcome::Updated,
        OutcomeRecord::Cancelled => Outcome::Cancelled,
        OutcomeRecord::AwaitingReplacement => Outcome::AwaitingReplacement,
        OutcomeRecord::Expired => Outcome::Expired,
        OutcomeRecord::Observed => Outcome::Observed,
        OutcomeRecord::Moved => Outcome::Moved,
        OutcomeRecord::Defined => Outcome::Defined,
        OutcomeRecord::Redacted => Outcome::Redacted,
        OutcomeRecord::Flagged => Outcome::Flagged(read_winner(required("winner", winner)?)?),
        OutcomeRecord::Rejected => Outcome::Rejected(rejection(required("reason", reason)?, rule, winner)?),
        OutcomeRecord::Unchanged => Outcome::Unchanged(unchanged(required("reason", reason)?)?),
        OutcomeRecord::Unknown => return Err(WireError::field("outcome", "is UNKNOWN to this version")),
    })
}

fn rejection(
    reason: ReasonRecord,
    rule: Option<RuleRecord>,
    winner: Option<&WinnerRecord>,
) -> Result<Rejection, WireError> {
    Ok(match reason {
        ReasonRecord::Conflict => Rejection::Conflict(read_winner(required("winner", winner)?)?),
        ReasonRecord::StaleVersion => Rejection::StaleVersion,
        ReasonRecord::UnknownBooking => Rejection::UnknownBooking,
        ReasonRecord::Past => Rejection::Past,
        ReasonRecord::InvalidTransition => Rejection::InvalidTransition,
        ReasonRecord::Policy => Rejection::Policy(read_rule(rule)?),
        ReasonRecord::ConflictByStore => Rejection::ConflictByStore,
        ReasonRecord::Undecodable => Rejection::Undecodable,
        ReasonRecord::Internal => Rejection::Internal,
        ReasonRecord::Unknown
        | ReasonRecord::Duplicate
        | ReasonRecord::Stale
        | ReasonRecord::ExternalConflict
        | ReasonRecord::Echo
        | ReasonRecord::Shadow => {
            return Err(WireError::field("reason", "is no reason for a rejection"));
        }
    })
}

/// A record that names no rule was written when being defined was the only one.
fn read_rule(rule: Option<RuleRecord>) -> Result<Rule, WireError> {
    Ok(match rule {
        None | Some(RuleRecord::Defined) => Rule::Defined,
        Some(RuleRecord::Notice) => Rule::Notice,
        Some(RuleRecord::Window) => Rule::Window,
        Some(RuleRecord::Hours) => Rule::Hours,
        Some(RuleRecord::Retired) => Rule::Retired,
        Some(RuleRecord::Unknown) => return Err(WireError::field("rule", "is UNKNOWN to this version")),
    })
}

fn unchanged(reason: ReasonRecord) -> Result<Unchanged, WireError> {
    Ok(match reason {
        ReasonRecord::Duplicate => Unchanged::Duplicate,
        ReasonRecord::Stale => Unchanged::Stale,
        ReasonRecord::Echo => Unchanged::Echo,
        ReasonRecord::Shadow => Unchanged::Shadow,
        ReasonRecord::Unknown
        | ReasonRecord::Conflict
        | ReasonRecord::StaleVersion
        | ReasonRecord::UnknownBooking
        | ReasonRecord::InvalidTransition
        | ReasonRecord::Policy
        | ReasonRecord::ConflictByStore
        | ReasonRecord::Undecodable
        | ReasonRecord::Internal
        | ReasonRecord::Past
        | ReasonRecord::ExternalConflict => {
            return Err(WireError::field("reason", "is no reason for leaving things be"));
        }
    })
}

fn read_winner(record: &WinnerRecord) -> Result<Winner, WireError> {
    Ok(Winner {
        booking_id: parse("winner.booking_id", &record.booking_id)?,
        interval: span("winner", record.start_time, record.end_time)?,
        source: parse("winner.source", &record.source)?,
    })
}

fn wanted(record: &WantedRecord) -> Result<Wanted, WireError> {
    Ok(Wanted {
        booking_id: parse("wanted.booking_id", &record.booking_id)?,
        key: parse("wanted.source_key", &record.source_key)?,
        interval: span("wanted", record.start_time, record.end_time)?,
        moved_from: elsewhere("wanted.moved_from", record.moved_from.as_ref())?,
    })
}

fn slot(record: &SlotRecord) -> Result<Interval, WireError> {
    span("next_free", record.start_time, record.end_time)
}

fn span(field: &'static str, start: i64, end: i64) -> Result<Interval, WireError> {
    Interval::new(time(field, start)?, time(field, end)?).map_err(|error| WireError::field(field, error))
}

fn booking(record: &BookingRecord) -> Result<BookingState, WireError> {
    let standing = StandingFields {
        status: record.status,
        start_time: record.start_time,
        end_time: record.end_time,
        awaiting_until: record.awaiting_until,
        held_until: record.held_until,
    };
    Ok(BookingState {
        booking_id: parse("booking.booking_id", &record.booking_id)?,
        kind: record.kind.read()?,
        standing: standing.read()?,
        unit: read_unit(record.unit)?,
        version: read_count("booking.version", record.version)?,
        source: parse("booking.source", &record.source)?,
        keys: list("booking.source_keys", &record.source_keys)?,
        source_version: record.source_version.read()?,
        content: record.content_digest.as_deref().map(|text| digest("booking.content_digest", text)).transpose()?,
        contacts: list("booking.contact_ids", &record.contact_ids)?,
        tags: list("booking.tags", &record.tags)?,
        shadows: record.shadows.iter().map(shadow).collect::<Result<_, _>>()?,
        moved_from: elsewhere("booking.moved_from", record.moved_from.as_ref())?,
        moved_to: elsewhere("booking.moved_to", record.moved_to.as_ref())?,
    })
}

fn shadow(record: &ShadowRecord) -> Result<Shadow, WireError> {
    let sight = match record.sight {
        SightRecord::Along => Sight::Along,
        SightRecord::Away => {
            let away = optional_interval(record.away_start, record.away_end)?;
            Sight::Away(required("booking.shadows.away_start", away)?)
        }
        SightRecord::Gone => Sight::Gone,
        SightRecord::Unknown => return Err(WireError::field("booking.shadows.sight", "is UNKNOWN to this version")),
    };
    Ok(Shadow {
        source: parse("booking.shadows.source", &record.source)?,
        key: parse("booking.shadows.source_key", &record.source_key)?,
        version: record.source_version.read()?,
        sight,
    })
}
