//! What a caller of the API asks: the body of `POST /v1/requests`, read strictly, every fault at once.
//!
//! In: the bytes of a body. Out: an [`Asked`], or [`Fault`]s that each name a field, what is wrong with it and what would be
//! right. Two services read it: ingest, to refuse what cannot be asked while the caller is still there; the normalizer, to
//! make a request of it. One reader, so that what the door has taken in is never a dead letter behind it.
//! Owns: "unknown fields are refused, with the nearest known name", "a local time needs a zone", and with the second that a
//! local time becomes UTC by one rule ([`zone`]) wherever it came in. Beside that, and with as little I/O: what a phone number means
//! in a country ([`Region`]).
//! Absent on purpose: I/O, clocks, whose the resource is, whether the time is free; and any value of a body in a fault's
//! text, because those are logged, and values are people's names and addresses.

mod address;
mod asked;
mod fault;
mod fields;
pub mod json;
mod region;
pub mod zone;

pub use address::{Address, Person, Shown, email, phone};
pub use asked::{ATTENDEES_MAX, Ask, Asked, CALLS, FIELDS, LENGTH_MAX, Place};
pub use fault::{Fault, FaultKind, nearest};
pub use region::{Region, RegionError};
