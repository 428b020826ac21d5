//! The records of `avro/BookingDecision.avsc`, field for field.

use serde::{Deserialize, Serialize};

use crate::shared::{
    BasisRecord, ElsewhereRecord, KindRecord, OperationRecord, RulesRecord, SourceVersionRecord, StatusRecord,
};

/// Mirrors `avro/BookingDecision.avsc`, field for field.
#[derive(Serialize, Deserialize)]
#[serde(rename = "BookingDecision")]
pub struct DecisionRecord {
    pub(super) partition: i32,
    pub(super) seq: i64,
    pub(super) offset: i64,
    pub(super) previous_hash: String,
    pub(super) core_version: String,
    pub(super) request_id: String,
    pub(super) request_digest: Option<String>,
    pub(super) resource_id: String,
    pub(super) resource_version: i64,
    pub(super) operation: OperationRecord,
    pub(super) source: String,
    pub(super) basis: BasisRecord,
    pub(super) outcome: OutcomeRecord,
    pub(super) reason: Option<ReasonRecord>,
    pub(super) rule: Option<RuleRecord>,
    pub(super) winner: Option<WinnerRecord>,
    pub(super) wanted: Option<WantedRecord>,
    pub(super) next_free: Vec<SlotRecord>,
    pub(super) booking: Option<BookingRecord>,
    pub(super) absorbed: Vec<String>,
    pub(super) rules: Option<RulesRecord>,
    pub(super) sourced_at: Option<i64>,
    pub(super) received_at: i64,
    pub(super) decided_at: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Outcome", rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum OutcomeRecord {
    Unknown,
    Confirmed,
    Rescheduled,
    Updated,
    Cancelled,
    AwaitingReplacement,
    Defined,
    Rejected,
    Unchanged,
    Held,
    Expired,
    Observed,
    Moved,
    Redacted,
    Flagged,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Reason", rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum ReasonRecord {
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
    Past,
    ExternalConflict,
    Echo,
    Shadow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Rule", rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum RuleRecord {
    Unknown,
    Defined,
    Notice,
    Window,
    Hours,
    Retired,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Winner")]
pub(super) struct WinnerRecord {
    pub booking_id: String,
    pub start_time: i64,
    pub end_time: i64,
    pub source: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Wanted")]
pub(super) struct WantedRecord {
    pub booking_id: String,
    pub source_key: String,
    pub start_time: i64,
    pub end_time: i64,
    pub moved_from: Option<ElsewhereRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Slot")]
pub(super) struct SlotRecord {
    pub start_time: i64,
    pub end_time: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "DecidedBooking")]
pub(super) struct BookingRecord {
    pub booking_id: String,
    pub kind: KindRecord,
    pub status: StatusRecord,
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    pub awaiting_until: Option<i64>,
    pub held_until: Option<i64>,
    pub unit: i32,
    pub version: i64,
    pub source: String,
    pub source_keys: Vec<String>,
    pub source_version: SourceVersionRecord,
    pub content_digest: Option<String>,
    pub contact_ids: Vec<String>,
    pub tags: Vec<String>,
    pub shadows: Vec<ShadowRecord>,
    pub moved_from: Option<ElsewhereRecord>,
    pub moved_to: Option<ElsewhereRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Shadow")]
pub(super) struct ShadowRecord {
    pub source: String,
    pub source_key: String,
    pub source_version: SourceVersionRecord,
    pub sight: SightRecord,
    pub away_start: Option<i64>,
    pub away_end: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Sight", rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum SightRecord {
    Unknown,
    Along,
    Away,
    Gone,
}
