//! What the door decides: is this delivery authentic, and what are its CloudEvents attributes? And of a caller of the
//! API: what is its key, what does that allow, and what is its call called?
//!
//! In: the headers and the bytes of one HTTP request, the secrets that are valid today, the time. Out: a [`Refusal`],
//! or an [`Authentic`] and, from it, the record for `raw.<source>`; a [`PlainKey`], and the [`Scopes`] of one.
//! Owns: "only a delivery whose signature was checked over its raw bytes becomes an event" ([`Authentic`] cannot be
//! made any other way), and "the same delivery is the same event" (its id comes from the sender or from the bytes).
//! [`ping`]: is this word of a change one that we asked for. [`poll`]: what to ask of a calendar that is read again and again, and what has changed in it.
//! Absent on purpose: I/O, clocks, randomness, and any judgement of the body. Bytes that are authentic but make no
//! sense pass; the normalizer turns them into dead letters, because a 400 makes a vendor switch its webhook off.

mod authentic;
pub mod calendly;
mod call;
pub mod described;
mod event;
mod fate;
pub mod fetch;
mod key;
pub mod listing;
mod look;
mod media;
pub mod ping;
pub mod poll;
mod scope;
pub mod standard;
mod trace;

pub use authentic::{Authentic, Refusal, Window};
pub use call::{
    Call, CallSecret, ConditionError, IdempotencyKey, IdempotencyKeyError, RequestName, condition, digest,
    preferred_wait, token, topic,
};
pub use event::{Delivery, RawRecord, raw_record};
pub use fate::{Fate, Passed, event_key, request_ids};
pub use key::{KeyDigest, KeyId, KeyIdError, PlainKey};
pub use look::{BookingFilter, Cursor, Fields, FreeBusy, Status, Times};
pub use media::{JSON, Unsupported, check_content_type};
pub use scope::{Resources, Scope, ScopeError, Scopes};
pub use trace::{TraceParent, TraceParentError};
