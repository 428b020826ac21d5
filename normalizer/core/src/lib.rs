//! What the normalizer decides: which requests a source event makes, and what in it cannot be one.
//!
//! In: the bytes and attributes of a raw event, from whoever was able to write to its topic. Out: one [`Item`] for each
//! thing in it, in its order: a request in Daybook's words, a reject with a bounded reason, or something to pass over.
//! Two pure steps, with the shell's look-ups between them: [`parse`] reads strictly and says what must be looked up
//! ([`Parsed::questions`]); [`normalize`] takes the answers ([`Known`]) and finishes.
//! Owns: "never trust what came in" (good siblings of a bad item pass, and nothing makes it panic), "a local time
//! becomes UTC here or nowhere", the pseudonyms of people, and the ids of requests, which the same event always gets
//! again.
//! Absent on purpose: I/O, clocks, randomness, logging; and any value of a payload in an error text, because those
//! travel to headers, logs and metrics, and values are people's names and addresses.
//!
//! Each vendor is one file: [`calendly`], [`google`], [`outlook`], [`icalendar`], and [`generic`], the format that Daybook documents for everybody else; `api`, for
//! what callers of our own API ask; and `described`, for all that are described instead of coded (`daybook-format`).

mod api;
pub mod calendly;
mod contact;
mod described;
mod draft;
pub mod generic;
pub mod google;
pub mod icalendar;
mod json;
mod observed;
pub mod outlook;
mod path;
mod place;
mod reject;
mod source;

pub use contact::{ContactKey, ContactKeyError};
pub use daybook_ask::Region;
pub use place::{Fate, IgnoredReason, Item, Known, KnownBooking, Normalized, normalize};
pub use reject::{Reject, RejectReason};
pub use source::{Parsed, Questions, RawEvent, parse};
