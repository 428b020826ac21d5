//! `DeliveryOutcome` on `propagation.outcomes` and `DeliveryFailure` on `dlq.propagator`.

use std::sync::LazyLock;

use daybook_domain::{BookingId, ResourceId, TargetName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::avro::{Codec, Schema, WireError};
use crate::shared::{parse, time};

/// What a target shows of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryResult {
    /// A result that this version does not know.
    Unknown,
    /// It shows this version.
    Applied,
    /// It shows nothing any more.
    Removed,
    /// It never had to show anything: created and cancelled before it was told.
    NothingToShow,
    /// Given up; a person or a newer version takes it on.
    Parked,
}

/// One target's settled delivery of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// Which booking.
    pub booking_id: BookingId,
    /// Where.
    pub target: TargetName,
    /// Whose time.
    pub resource: ResourceId,
    /// Which version of the booking.
    pub version: i64,
    /// What became of it.
    pub outcome: DeliveryResult,
    /// What the target calls it.
    pub external_id: Option<String>,
    /// Calls made for this version.
    pub attempts: i32,
    /// When the version was decided.
    pub decided_at: Timestamp,
    /// When it was settled, by the propagator's clock.
    pub settled_at: Timestamp,
}

/// What a target was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeliveryOperation {
    /// An operation that this version does not know.
    Unknown,
    /// Show the booking as it is.
    Put,
    /// Show it no more.
    Remove,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// When.
    pub at: Timestamp,
    /// How it ended, from a bounded vocabulary.
    pub result: String,
    /// The HTTP status, if there was an answer.
    pub http_status: Option<i32>,
}

/// A delivery that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFailure {
    /// Which booking.
    pub booking_id: BookingId,
    /// Where.
    pub target: TargetName,
    /// Which kind of target: `caldav`, `webhook`.
    pub target_kind: String,
    /// Whose time.
    pub resource: ResourceId,
    /// What was to be done.
    pub operation: DeliveryOperation,
    /// The version that was to be shown.
    pub desired_version: i64,
    /// The version that is shown; 0 for none.
    pub applied_version: i64,
    /// What the target calls it.
    pub external_id: Option<String>,
    /// Why it was given up, from a bounded vocabulary.
    pub reason: String,
    /// The calls made for this version, oldest first.
    pub attempts: Vec<DeliveryAttempt>,
    /// When it was given up.
    pub failed_at: Timestamp,
}

/// Mirrors `avro/DeliveryOutcome.avsc`.
#[derive(Serialize, Deserialize)]
#[serde(rename = "DeliveryOutcome")]
pub struct OutcomeRecord {
    booking_id: String,
    target: String,
    resource_id: String,
    version: i64,
    outcome: DeliveryResult,
    external_id: Option<String>,
    attempts: i32,
    decided_at: i64,
    settled_at: i64,
}

/// Mirrors `avro/DeliveryFailure.avsc`.
#[derive(Serialize, Deserialize)]
#[serde(rename = "DeliveryFailure")]
pub struct FailureRecord {
    booking_id: String,
    target: String,
    target_kind: String,
    resource_id: String,
    operation: DeliveryOperation,
    desired_version: i64,
    applied_version: i64,
    external_id: Option<String>,
    reason: String,
    attempts: Vec<AttemptRecord>,
    failed_at: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "DeliveryAttempt")]
struct AttemptRecord {
    at: i64,
    result: String,
    http_status: Option<i32>,
}

/// The codec of `propagation.outcomes`.
pub fn outcome_codec() -> &'static Codec<OutcomeRecord> {
    static CODEC: LazyLock<Codec<OutcomeRecord>> =
        LazyLock::new(|| Codec::new(include_str!("../../../avro/DeliveryOutcome.avsc")));
    &CODEC
}

/// The codec of `dlq.propagator`.
pub fn failure_codec() -> &'static Codec<FailureRecord> {
    static CODEC: LazyLock<Codec<FailureRecord>> =
        LazyLock::new(|| Codec::new(include_str!("../../../avro/DeliveryFailure.avsc")));
    &CODEC
}

/// The Avro datum of an outcome.
pub fn encode_outcome(outcome: &DeliveryOutcome) -> Vec<u8> {
    outcome_codec().write(&OutcomeRecord {
        booking_id: outcome.booking_id.to_string(),
        target: outcome.target.to_string(),
        resource_id: outcome.resource.to_string(),
        version: outcome.version,
        outcome: outcome.outcome,
        external_id: outcome.external_id.clone(),
        attempts: outcome.attempts,
        decided_at: outcome.decided_at.micros(),
        settled_at: outcome.settled_at.micros(),
    })
}

/// Reads a datum that was written with `writer`.
pub fn decode_outcome(writer: &Schema, datum: &[u8]) -> Result<DeliveryOutcome, WireError> {
    let record = outcome_codec().read(writer, datum)?;
    Ok(DeliveryOutcome {
        booking_id: parse("booking_id", &record.booking_id)?,
        target: parse("target", &record.target)?,
        resource: parse("resource_id", &record.resource_id)?,
        version: record.version,
        outcome: record.outcome,
        external_id: record.external_id,
        attempts: record.attempts,
        decided_at: time("decided_at", record.decided_at)?,
        settled_at: time("settled_at", record.settled_at)?,
    })
}

/// The Avro datum of a failure.
pub fn encode_failure(failure: &DeliveryFailure) -> Vec<u8> {
    let attempts = failure.attempts.iter().map(|attempt| AttemptRecord {
        at: attempt.at.micros(),
        result: attempt.result.clone(),
        http_status: attempt.http_status,
    });
    failure_codec().write(&FailureRecord {
        booking_id: failure.booking_id.to_string(),
        target: failure.target.to_string(),
        target_kind: failure.target_kind.clone(),
        resource_id: failure.resource.to_string(),
        operation: failure.operation,
        desired_version: failure.desired_version,
        applied_version: failure.applied_version,
        external_id: failure.external_id.clone(),
        reason: failure.reason.clone(),
        attempts: attempts.collect(),
        failed_at: failure.failed_at.micros(),
    })
}

/// Reads a datum that was written with `writer`.
pub fn decode_failure(writer: &Schema, datum: &[u8]) -> Result<DeliveryFailure, WireError> {
    let record = failure_codec().read(writer, datum)?;
    let attempts = record.attempts.into_iter().map(|attempt| {
        Ok(DeliveryAttempt {
            at: time("attempts.at", attempt.at)?,
            result: attempt.result,
            http_status: attempt.http_status,
        })
    });
    Ok(DeliveryFailure {
        booking_id: parse("booking_id", &record.booking_id)?,
        target: parse("target", &record.target)?,
        target_kind: record.target_kind,
        resource: parse("resource_id", &record.resource_id)?,
        operation: record.operation,
        desired_version: record.desired_version,
        applied_version: record.applied_version,
        external_id: record.external_id,
        reason: record.reason,
        attempts: attempts.collect::<Result<_, WireError>>()?,
        failed_at: time("failed_at", record.failed_at)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn an_outcome_survives_the_wire() {
        let outcome = DeliveryOutcome {
            booking_id: BookingId::from_uuid(uuid::Uuid::from_u128(7)),
            target: "calendar".parse().expect("a name"),
            resource: "anna".parse().expect("a name"),
            version: 2,
            outcome: DeliveryResult::Applied,
            external_id: Some("x.ics".to_owned()),
            attempts: 3,
            decided_at: at("2026-03-01T00:00:02Z"),
            settled_at: at("2026-03-01T00:00:03Z"),
        };
        let datum = encode_outcome(&outcome);
        assert_eq!(decode_outcome(outcome_codec().schema(), &datum).expect("reads"), outcome);
    }

    #[test]
    fn a_failure_survives_the_wire() {
        let failure = DeliveryFailure {
            booking_id: BookingId::from_uuid(uuid::Uuid::from_u128(7)),
            target: "calendar".parse().expect("a name"),
            target_kind: "caldav".to_owned(),
            resource: "anna".parse().expect("a name"),
            operation: DeliveryOperation::Put,
            desired_version: 2,
            applied_version: 1,
            external_id: None,
            reason: "exhausted".to_owned(),
            attempts: vec![DeliveryAttempt {
                at: at("2026-03-01T00:00:03Z"),
                result: "server_error".to_owned(),
                http_status: Some(503),
            }],
            failed_at: at("2026-03-01T00:00:04Z"),
        };
        let datum = encode_failure(&failure);
        assert_eq!(decode_failure(failure_codec().schema(), &datum).expect("reads"), failure);
    }
}
