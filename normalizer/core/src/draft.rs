//! What a vendor's payload asks for, in our words but before anything was looked up: what every vendor file makes, and
//! what `place.rs` finishes. Personal data: nothing here has a `Debug`.

use std::time::Duration;

pub(crate) use daybook_ask::{Address, Person, Shown};
use daybook_domain::{
    Basis, BookingId, CancelKind, Expected, Interval, RequestDigest, ResourceId, SourceVersion, Tag, Timestamp,
};
pub(crate) use daybook_format::ICAL;

use crate::json::Node;
use crate::path::Path;
use crate::place::IgnoredReason;
use crate::reject::{Fault, Reject, RejectReason};

/// One thing in a payload.
pub(crate) enum Entry {
    Draft(Box<Draft>),
    Ignored(IgnoredReason),
    Reject(Reject),
}

/// One booking's news.
pub(crate) struct Draft {
    /// Which item of the event it is, where it names no places.
    pub item: usize,
    /// Where the payload has it, for a reject.
    pub path: Path,
    /// What the source calls the booking.
    pub identity: String,
    pub version: SourceVersion,
    pub sourced_at: Option<Timestamp>,
    /// Whose time it is about; empty if the payload does not say.
    pub places: Vec<Place>,
    pub scope: Scope,
    pub basis: Basis,
    pub expected: Expected,
    /// The fingerprint of what was asked, where the same id may come with something else.
    pub digest: Option<RequestDigest>,
    /// The booking itself, where it is named by the id that we gave it.
    pub booking_id: Option<BookingId>,
    pub ask: Ask,
}

/// How far a booking's news reaches. Where a payload names no place, it always reaches everywhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The place that it names, which may be one of several that the booking has.
    Named,
    /// The places that it names, and these are all that the booking is to have.
    Whole,
    /// Besides those that it names, wherever a booking is known under this identity.
    Everywhere,
}

/// A resource as the payload names it.
pub(crate) struct Place {
    /// Which item of the event it is.
    pub item: usize,
    pub path: Path,
    /// The resource itself, where it is named by the id that we know it by.
    pub resource: Option<ResourceId>,
    /// Its names, the most trustworthy first.
    pub aliases: Vec<String>,
}

/// What is asked.
pub(crate) enum Ask {
    Book(Wish),
    Hold { wish: Wish, ttl: Duration },
    Confirm(Option<Shown>),
    Release,
    Reschedule { previous: String, wish: Wish },
    Update(Shown),
    Cancel { interval: Option<Interval>, kind: CancelKind },
    Observe(Wish),
}

impl Draft {
    /// Every name under which the source may have reported this booking before.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let previous = match &self.ask {
            Ask::Reschedule { previous, .. } => Some(previous.as_str()),
            Ask::Book(_)
            | Ask::Hold { .. }
            | Ask::Confirm(_)
            | Ask::Release
            | Ask::Update(_)
            | Ask::Cancel { .. }
            | Ask::Observe(_) => None,
        };
        previous.into_iter().chain(std::iter::once(self.identity.as_str()))
    }

    /// Whether it asks for nothing but an end, which there may be twice.
    pub const fn ends(&self) -> bool {
        match &self.ask {
            Ask::Cancel { .. } | Ask::Release => true,
            Ask::Book(_)
            | Ask::Hold { .. }
            | Ask::Confirm(_)
            | Ask::Reschedule { .. }
            | Ask::Update(_)
            | Ask::Observe(_) => false,
        }
    }

    /// Whether everything that it is about is named by our own ids: then there is nothing to look up.
    pub fn names_ours(&self) -> bool {
        !self.places.is_empty() && self.places.iter().all(|place| place.resource.is_some())
    }

    /// Everybody in it.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        let (shown, attending) = match &self.ask {
            Ask::Book(wish) | Ask::Hold { wish, .. } | Ask::Reschedule { wish, .. } | Ask::Observe(wish) => {
                (wish.shown.as_ref(), wish.attending.as_slice())
            }
            Ask::Update(shown) | Ask::Confirm(Some(shown)) => (Some(shown), [].as_slice()),
            Ask::Confirm(None) | Ask::Release | Ask::Cancel { .. } => (None, [].as_slice()),
        };
        shown.into_iter().flat_map(|shown| &shown.people).chain(attending)
    }
}

/// What a booking is to be.
pub(crate) struct Wish {
    pub interval: Interval,
    /// What people are to see; if it does not say, what they saw stays.
    pub shown: Option<Shown>,
    /// Who attends, where nothing is to be seen: only to tell appointments apart.
    pub attending: Vec<Person>,
    /// What the appointment is called across systems.
    pub tags: Vec<Tag>,
    /// The booking of ours whose mark it bears.
    pub mark: Option<BookingId>,
}

/// The interval from `start` to `end`, judged at the field of the end.
pub(crate) fn interval(start: Timestamp, end: Timestamp, end_field: &Node<'_>) -> Result<Interval, Fault> {
    judged(start, end).map_err(|(reason, problem)| end_field.fault(reason, problem))
}

/// The same, wherever the end stands.
pub(crate) fn judged(start: Timestamp, end: Timestamp) -> Result<Interval, (RejectReason, String)> {
    let interval = Interval::new(start, end).map_err(|error| (RejectReason::EmptyInterval, error.to_string()))?;
    if interval.length() > daybook_ask::LENGTH_MAX {
        let problem = "is more than 31 days after the start; is the date right?";
        return Err((RejectReason::InvalidTime, problem.to_owned()));
    }
    Ok(interval)
}
