//! `BookingDecision` on `booking.decisions`, and the hash chain over its bytes.

use std::sync::LazyLock;

use apache_avro::Schema;
use daybook_domain::{
    BookingState, Decision, Interval, OperationKind, Outcome, Rejection, Standing, Timestamp, Unchanged, Winner,
};
use serde::{Deserialize, Serialize};

use crate::avro::{Codec, WireError};
use crate::shared::{
    RulesRecord, SourceVersionRecord, contacts, digest, digest_text, optional_interval, optional_time, parse, required,
    time,
};

/// A decision at its place in its partition's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedDecision {
    /// The partition of `booking.requests`, and of `booking.decisions`.
    pub partition: i32,
    /// Dense per partition, from 1.
    pub seq: i64,
    /// The request's offset.
    pub offset: i64,
    /// SHA-256 over the whole value of the record before; zeros for the first.
    pub previous_hash: [u8; 32],
    /// Version of the deciding code.
    pub core_version: String,
    /// What was decided.
    pub decision: Decision,
}

/// Mirrors `avro/BookingDecision.avsc`, field for field.
#[derive(Serialize, Deserialize)]
#[serde(rename = "BookingDecision")]
pub struct DecisionRecord {
    partition: i32,
    seq: i64,
    offset: i64,
    previous_hash: String,
    core_version: String,
    request_id: String,
    resource_id: String,
    resource_version: i64,
    operation: OperationRecord,
    source: String,
    outcome: OutcomeRecord,
    reason: Option<ReasonRecord>,
    winner: Option<WinnerRecord>,
    booking: Option<BookingRecord>,
    rules: Option<RulesRecord>,
    sourced_at: Option<i64>,
    received_at: i64,
    decided_at: i64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename = "Operation", rename_all = "SCREAMING_SNAKE_CASE")]
enum OperationRecord {
    Unknown,
    Book,
    Reschedule,
    Cancel,
    Define,
    Expire,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename = "Outcome", rename_all = "SCREAMING_SNAKE_CASE")]
enum OutcomeRecord {
    Unknown,
    Confirmed,
    Rescheduled,
    Updated,
    Cancelled,
    AwaitingReplacement,
    Defined,
    Rejected,
    Unchanged,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename = "Reason", rename_all = "SCREAMING_SNAKE_CASE")]
enum ReasonRecord {
    Unknown,
    Conflict,
    StaleVersion,
    UnknownBooking,
    InvalidTransition,
    Policy,
    ConflictByStore,
    Undecodable,
    Internal,
    Duplicate,
    Stale,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Winner")]
struct WinnerRecord {
    booking_id: String,
    start_time: i64,
    end_time: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "DecidedBooking")]
struct BookingRecord {
    booking_id: String,
    status: StatusRecord,
    start_time: Option<i64>,
    end_time: Option<i64>,
    awaiting_until: Option<i64>,
    version: i64,
    source: String,
    source_keys: Vec<String>,
    source_version: SourceVersionRecord,
    content_digest: Option<String>,
    contact_ids: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "BookingStatus", rename_all = "SCREAMING_SNAKE_CASE")]
enum StatusRecord {
    Unknown,
    Confirmed,
    Awaiting,
    Cancelled,
}

/// The codec of `booking.decisions`.
pub fn decision_codec() -> &'static Codec<DecisionRecord> {
    static CODEC: LazyLock<Codec<DecisionRecord>> =
        LazyLock::new(|| Codec::new(include_str!("../../../avro/BookingDecision.avsc")));
    &CODEC
}

/// The Avro datum of a decision.
pub fn encode_decision(logged: &LoggedDecision) -> Vec<u8> {
    let decision = &logged.decision;
    decision_codec().write(&DecisionRecord {
        partition: logged.partition,
        seq: logged.seq,
        offset: logged.offset,
        previous_hash: hex::encode(logged.previous_hash),
        core_version: logged.core_version.clone(),
        request_id: decision.request_id.to_string(),
        resource_id: decision.resource.to_string(),
        resource_version: count(decision.resource_version),
        operation: operation(decision.operation),
        source: decision.source.to_string(),
        outcome: outcome(&decision.outcome),
        reason: reason(&decision.outcome),
        winner: decision.outcome.winner().map(|winner| WinnerRecord {
            booking_id: winner.booking_id.to_string(),
            start_time: winner.interval.start().micros(),
            end_time: winner.interval.end().micros(),
        }),
        booking: decision.booking.as_ref().map(booking),
        rules: decision.rules.as_ref().map(RulesRecord::from),
        sourced_at: decision.sourced_at.map(Timestamp::micros),
        received_at: decision.received_at.micros(),
        decided_at: decision.decided_at.micros(),
    })
}

/// Reads a datum that was written with `writer`.
pub fn decode_decision(writer: &Schema, datum: &[u8]) -> Result<LoggedDecision, WireError> {
    let record = decision_codec().read(writer, datum)?;
    let mut previous_hash = [0; 32];
    hex::decode_to_slice(&record.previous_hash, &mut previous_hash)
        .map_err(|error| WireError::field("previous_hash", error))?;
    Ok(LoggedDecision {
        partition: record.partition,
        seq: record.seq,
        offset: record.offset,
        previous_hash,
        core_version: record.core_version,
        decision: Decision {
            request_id: parse("request_id", &record.request_id)?,
            resource: parse("resource_id", &record.resource_id)?,
            operation: read_operation(record.operation),
            source: parse("source", &record.source)?,
            outcome: read_outcome(record.outcome, record.reason, record.winner)?,
            resource_version: read_count("resource_version", record.resource_version)?,
            booking: record.booking.as_ref().map(read_booking).transpose()?,
            rules: record.rules.map(RulesRecord::read).transpose()?,
            sourced_at: optional_time("sourced_at", record.sourced_at)?,
            received_at: time("received_at", record.received_at)?,
            decided_at: time("decided_at", record.decided_at)?,
        },
    })
}

/// Versions count changes, one at a time from zero: they do not reach 2^63.
fn count(version: u64) -> i64 {
    i64::try_from(version).expect("a version counts changes and stays far below 2^63")
}

fn read_count(field: &'static str, version: i64) -> Result<u64, WireError> {
    u64::try_from(version).map_err(|_| WireError::field(field, "must not be negative"))
}

fn operation(kind: OperationKind) -> OperationRecord {
    match kind {
        OperationKind::Book => OperationRecord::Book,
        OperationKind::Reschedule => OperationRecord::Reschedule,
        OperationKind::Cancel => OperationRecord::Cancel,
        OperationKind::Define => OperationRecord::Define,
        OperationKind::Expire => OperationRecord::Expire,
        OperationKind::Unknown => OperationRecord::Unknown,
    }
}

fn read_operation(record: OperationRecord) -> OperationKind {
    match record {
        OperationRecord::Book => OperationKind::Book,
        OperationRecord::Reschedule => OperationKind::Reschedule,
        OperationRecord::Cancel => OperationKind::Cancel,
        OperationRecord::Define => OperationKind::Define,
        OperationRecord::Expire => OperationKind::Expire,
        OperationRecord::Unknown => OperationKind::Unknown,
    }
}

fn outcome(outcome: &Outcome) -> OutcomeRecord {
    match outcome {
        Outcome::Confirmed => OutcomeRecord::Confirmed,
        Outcome::Rescheduled => OutcomeRecord::Rescheduled,
        Outcome::Updated => OutcomeRecord::Updated,
        Outcome::Cancelled => OutcomeRecord::Cancelled,
        Outcome::AwaitingReplacement => OutcomeRecord::AwaitingReplacement,
        Outcome::Defined => OutcomeRecord::Defined,
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
            Rejection::InvalidTransition => ReasonRecord::InvalidTransition,
            Rejection::Policy => ReasonRecord::Policy,
            Rejection::ConflictByStore => ReasonRecord::ConflictByStore,
            Rejection::Undecodable => ReasonRecord::Undecodable,
            Rejection::Internal => ReasonRecord::Internal,
        }),
        Outcome::Unchanged(Unchanged::Duplicate) => Some(ReasonRecord::Duplicate),
        Outcome::Unchanged(Unchanged::Stale) => Some(ReasonRecord::Stale),
        Outcome::Confirmed
        | Outcome::Rescheduled
        | Outcome::Updated
        | Outcome::Cancelled
        | Outcome::AwaitingReplacement
        | Outcome::Defined => None,
    }
}

fn read_outcome(
    outcome: OutcomeRecord,
    reason: Option<ReasonRecord>,
    winner: Option<WinnerRecord>,
) -> Result<Outcome, WireError> {
    Ok(match outcome {
        OutcomeRecord::Confirmed => Outcome::Confirmed,
        OutcomeRecord::Rescheduled => Outcome::Rescheduled,
        OutcomeRecord::Updated => Outcome::Updated,
        OutcomeRecord::Cancelled => Outcome::Cancelled,
        OutcomeRecord::AwaitingReplacement => Outcome::AwaitingReplacement,
        OutcomeRecord::Defined => Outcome::Defined,
        OutcomeRecord::Rejected => Outcome::Rejected(read_rejection(reason, winner)?),
        OutcomeRecord::Unchanged => Outcome::Unchanged(read_unchanged(reason)?),
        OutcomeRecord::Unknown => return Err(WireError::field("outcome", "is UNKNOWN to this version")),
    })
}

fn read_rejection(reason: Option<ReasonRecord>, winner: Option<WinnerRecord>) -> Result<Rejection, WireError> {
    Ok(match required("reason", reason)? {
        ReasonRecord::Conflict => Rejection::Conflict(read_winner(&required("winner", winner)?)?),
        ReasonRecord::StaleVersion => Rejection::StaleVersion,
        ReasonRecord::UnknownBooking => Rejection::UnknownBooking,
        ReasonRecord::InvalidTransition => Rejection::InvalidTransition,
        ReasonRecord::Policy => Rejection::Policy,
        ReasonRecord::ConflictByStore => Rejection::ConflictByStore,
        ReasonRecord::Undecodable => Rejection::Undecodable,
        ReasonRecord::Internal => Rejection::Internal,
        ReasonRecord::Unknown | ReasonRecord::Duplicate | ReasonRecord::Stale => {
            return Err(WireError::field("reason", "is no reason for a rejection"));
        }
    })
}

fn read_unchanged(reason: Option<ReasonRecord>) -> Result<Unchanged, WireError> {
    Ok(match required("reason", reason)? {
        ReasonRecord::Duplicate => Unchanged::Duplicate,
        ReasonRecord::Stale => Unchanged::Stale,
        ReasonRecord::Unknown
        | ReasonRecord::Conflict
        | ReasonRecord::StaleVersion
        | ReasonRecord::UnknownBooking
        | ReasonRecord::InvalidTransition
        | ReasonRecord::Policy
        | ReasonRecord::ConflictByStore
        | ReasonRecord::Undecodable
        | ReasonRecord::Internal => return Err(WireError::field("reason", "is no reason for leaving things be")),
    })
}

fn read_winner(record: &WinnerRecord) -> Result<Winner, WireError> {
    Ok(Winner {
        booking_id: parse("winner.booking_id", &record.booking_id)?,
        interval: required("winner", optional_interval(Some(record.start_time), Some(record.end_time))?)?,
    })
}

fn booking(state: &BookingState) -> BookingRecord {
    let interval = state.standing.interval();
    let (status, awaiting_until) = match state.standing {
        Standing::Confirmed(_) => (StatusRecord::Confirmed, None),
        Standing::Awaiting { until, .. } => (StatusRecord::Awaiting, Some(until.micros())),
        Standing::Cancelled { .. } => (StatusRecord::Cancelled, None),
    };
    BookingRecord {
        booking_id: state.booking_id.to_string(),
        status,
        start_time: interval.map(|interval| interval.start().micros()),
        end_time: interval.map(|interval| interval.end().micros()),
        awaiting_until,
        version: count(state.version),
        source: state.source.to_string(),
        source_keys: state.keys.iter().map(ToString::to_string).collect(),
        source_version: state.source_version.into(),
        content_digest: state.content.map(digest_text),
        contact_ids: state.contacts.iter().map(ToString::to_string).collect(),
    }
}

fn read_booking(record: &BookingRecord) -> Result<BookingState, WireError> {
    let interval: Option<Interval> = optional_interval(record.start_time, record.end_time)?;
    let standing = match record.status {
        StatusRecord::Confirmed => Standing::Confirmed(required("booking.start_time", interval)?),
        StatusRecord::Awaiting => Standing::Awaiting {
            interval: required("booking.start_time", interval)?,
            until: time("booking.awaiting_until", required("booking.awaiting_until", record.awaiting_until)?)?,
        },
        StatusRecord::Cancelled => Standing::Cancelled { last: interval },
        StatusRecord::Unknown => return Err(WireError::field("booking.status", "is UNKNOWN to this version")),
    };
    Ok(BookingState {
        booking_id: parse("booking.booking_id", &record.booking_id)?,
        standing,
        version: read_count("booking.version", record.version)?,
        source: parse("booking.source", &record.source)?,
        keys: record.source_keys.iter().map(|key| parse("booking.source_keys", key)).collect::<Result<_, _>>()?,
        source_version: record.source_version.read()?,
        content: record.content_digest.as_deref().map(|text| digest("booking.content_digest", text)).transpose()?,
        contacts: contacts("booking.contact_ids", &record.contact_ids)?,
    })
}

#[cfg(test)]
mod tests;
