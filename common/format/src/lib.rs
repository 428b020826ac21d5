//! Which formats of source events there are, and how one is described that nobody has coded for.
//!
//! In: the word that the settings have for a source's format, and, where it is `described`, the description. Out: a
//! [`Format`], which ingest verifies deliveries by and the normalizer reads them by: both go by the same one.
//! Owns: "a tool that nobody coded for is added without code" ([`Description`]), and that a description is judged as a
//! whole when a service starts, every fault at once, so that none is left to be found by a booking.
//! Absent on purpose: I/O, and judging payloads: signatures are `ingest-core`'s, fields `normalizer-core`'s.
//!
//! Where deliveries only say that something has changed, the state is fetched and goes the same way as an event of its own,
//! whose type is [`FETCHED`], or [`GONE`] with [`gone_body`] where there is none any more.
//!
//! What deliveries have not told of is found by listing ([`List`]), and goes the same way: an event of type [`LISTED`] says which
//! bookings are to be fetched. So does a delivery of another shape that names its booking and nothing else, [`TOLD`].
//!
//! Calendars are read again and again instead: what changed in one goes the same way, as events of type [`POLLED`].
//!
//! `formats/` has the descriptions that come with Daybook, each a file to learn from: [`shipped`].
//!
//! A system that bookings are written to is described as well ([`target`]), in the same words and judged in the same way.

/// The name space of iCalendar UIDs among the names that tell appointments apart across systems: the same for every vendor, or
/// one appointment would not be known again.
pub const ICAL: &str = "ical";

mod description;
mod fetched;
mod form;
mod format;
pub mod google;
mod judge;
mod list;
pub mod outlook;
mod query;
mod shipped;
mod signed;
pub mod target;
pub mod webdav;
mod written;

pub use description::{
    Attendees, BookingFields, Delivery, Description, Events, ExternalId, Fetch, Length, Meaning, Proof, Resource,
    Times, Type,
};
pub use fetched::{
    FETCHED, GONE, IMPORTED, LISTED, POLLED, TOLD, gone_body, gone_id, listed_body, listed_first, listed_ids,
};
pub use form::{FormError, form};
pub use format::{DESCRIBED, Format, FormatFault};
pub use judge::DescriptionFault;
pub use list::{ESCAPED, Filling, List, Pages, Query as Listing, WrittenList};
pub use query::{Finding, Query, as_written};
pub use shipped::{SHIPPED, calendly_list, shipped};
pub use signed::{Clock, Encoding, Hash, Part, Signature, Unit};
pub use written::{Media, Written};
