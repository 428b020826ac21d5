//! Wire formats: how Daybook's words travel.
//!
//! In: bytes and headers as Kafka or HTTP carried them. Out: domain values, and the way back.
//! Owns: the Avro records of `avro/` and their Confluent framing, the CloudEvents and dead-letter headers, the
//! Standard Webhooks signature, and `Retry-After`. Reading resolves the writer's schema to ours, so that old and new records both read.
//! Absent on purpose: I/O (the registry client is in `daybook-runtime`) and serde derives on domain types, which would
//! silently make them a contract.

mod avro;
mod booking;
mod decision;
mod delivery;
mod frame;
mod headers;
mod request;
mod retry_after;
mod shared;
pub mod standard_webhooks;

pub use avro::{Codec, Schema, WireError};
pub use booking::{CanonicalBooking, ShadowName, booking_codec, decode_booking, encode_booking};
pub use decision::{LoggedDecision, decision_codec, decode_decision, encode_decision};
pub use delivery::{
    DeliveryAttempt, DeliveryFailure, DeliveryOperation, DeliveryOutcome, DeliveryResult, decode_failure,
    decode_outcome, encode_failure, encode_outcome, failure_codec, outcome_codec,
};
pub use frame::{FrameError, frame, unframe};
pub use headers::{ATTRIBUTE_LENGTH_MAX, Call, DeadLetter, Headers, SourceEvent, header, is_attribute};
pub use request::{decode_request, encode_request, request_codec};
pub use retry_after::RetryAfter;

/// Every schema that Daybook registers: subject, and the text of the file in `avro/`.
pub const SCHEMAS: [(&str, &str); 5] = [
    ("booking.requests-value", include_str!("../../../avro/BookingRequest.avsc")),
    ("booking.decisions-value", include_str!("../../../avro/BookingDecision.avsc")),
    ("booking.canonical-value", include_str!("../../../avro/Booking.avsc")),
    ("propagation.outcomes-value", include_str!("../../../avro/DeliveryOutcome.avsc")),
    ("dlq.propagator-value", include_str!("../../../avro/DeliveryFailure.avsc")),
];
