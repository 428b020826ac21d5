//! The words of Daybook as types, shared by every service.
//!
//! In: values that an edge has parsed. Out: the same values, with their invariants proved by construction.
//! Owns: "one word for one thing" (resource, source, request, decision, booking, target), the half-open UTC
//! interval, the order of source versions, the derivation of ids, and the list of topics.
//! Absent on purpose: I/O, clocks, randomness, wire formats (`daybook-wire` converts both ways) and rules
//! (`arbiter-core` decides).

mod alias;
mod booking;
mod decision;
mod ids;
mod interval;
mod request;
mod rules;
mod slug;
mod time;
pub mod topics;
mod version;

pub use alias::normal_alias;
pub use booking::{Attendee, BookingKind, BookingState, Content, ContentDigest, Elsewhere, Shadow, Sight, Standing};
pub use decision::{Decision, Outcome, Rejection, Unchanged, Wanted, Winner};
pub use ids::{BookingId, ContactId, Identity, RequestId, SourceKey, Tag};
pub use interval::{Interval, IntervalError};
pub use request::{Basis, CancelKind, Claim, Expected, Operation, OperationKind, Request, RequestDigest, Subject};
pub use rules::{Hours, Rule, Rules};
pub use slug::{CallerName, ResourceId, SlugError, SourceName, TargetName};
pub use time::{Timestamp, TimestampError};
pub use version::SourceVersion;
