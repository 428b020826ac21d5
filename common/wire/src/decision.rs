//! `BookingDecision` on `booking.decisions`, and the hash chain over its bytes.

use std::sync::LazyLock;

use daybook_domain::Decision;

use crate::avro::{Codec, Schema, WireError};

mod read;
mod record;
mod write;

pub use record::DecisionRecord;

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

/// The codec of `booking.decisions`.
pub fn decision_codec() -> &'static Codec<DecisionRecord> {
    static CODEC: LazyLock<Codec<DecisionRecord>> =
        LazyLock::new(|| Codec::new(include_str!("../../../avro/BookingDecision.avsc")));
    &CODEC
}

/// The Avro datum of a decision.
pub fn encode_decision(logged: &LoggedDecision) -> Vec<u8> {
    decision_codec().write(&DecisionRecord::from(logged))
}

/// Reads a datum that was written with `writer`.
pub fn decode_decision(writer: &Schema, datum: &[u8]) -> Result<LoggedDecision, WireError> {
    decision_codec().read(writer, datum)?.read()
}

#[cfg(test)]
mod tests;
