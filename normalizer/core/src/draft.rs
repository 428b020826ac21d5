//! What a vendor's payload asks for, in our words but before anything was looked up: what every vendor file makes, and
//! what `place.rs` finishes. Personal data: nothing here has a `Debug`.

use daybook_domain::{Basis, BookingId, CancelKind, Interval, SourceVersion, Tag, Timestamp};

use crate::json::Node;
use crate::path::{Drift, Path};
use crate::place::IgnoredReason;
use crate::reject::{Fault, Reject, RejectReason};

/// The longest interval: one that is longer is a mistyped year, and would block a resource for good.
const INTERVAL_DAYS_MAX: u64 = 31;

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
    /// Its names, the most trustworthy first.
    pub aliases: Vec<String>,
}

/// What is asked.
pub(crate) enum Ask {
    Book(Wish),
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
            Ask::Book(_) | Ask::Update(_) | Ask::Cancel { .. } | Ask::Observe(_) => None,
        };
        previous.into_iter().chain(std::iter::once(self.identity.as_str()))
    }

    /// Whether it asks for nothing but an end, which there may be twice.
    pub const fn ends(&self) -> bool {
        match &self.ask {
            Ask::Cancel { .. } => true,
            Ask::Book(_) | Ask::Reschedule { .. } | Ask::Update(_) | Ask::Observe(_) => false,
        }
    }

    /// Everybody in it.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        let (shown, attending) = match &self.ask {
            Ask::Book(wish) | Ask::Reschedule { wish, .. } | Ask::Observe(wish) => {
                (wish.shown.as_ref(), wish.attending.as_slice())
            }
            Ask::Update(shown) => (Some(shown), [].as_slice()),
            Ask::Cancel { .. } => (None, [].as_slice()),
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

/// What people see.
pub(crate) struct Shown {
    pub title: Option<String>,
    pub people: Vec<Person>,
    /// An IANA name, for display.
    pub time_zone: Option<String>,
}

/// Somebody who attends.
pub(crate) struct Person {
    pub name: Option<String>,
    pub address: Address,
}

/// How to reach somebody, and so who it is: by e-mail address if there is one, else by phone number.
pub(crate) enum Address {
    Email { email: String, phone: Option<String> },
    Phone(String),
}

impl Person {
    pub fn email(&self) -> Option<&str> {
        match &self.address {
            Address::Email { email, .. } => Some(email),
            Address::Phone(_) => None,
        }
    }
}

/// The interval from `start` to `end`, judged at the field of the end.
pub(crate) fn interval(start: Timestamp, end: Timestamp, end_field: &Node<'_>) -> Result<Interval, Fault> {
    let interval = Interval::new(start, end).map_err(|error| end_field.fault(RejectReason::EmptyInterval, error))?;
    if end.since(start).as_secs() > INTERVAL_DAYS_MAX * 24 * 60 * 60 {
        let problem = format!("is more than {INTERVAL_DAYS_MAX} days after the start; is the date right?");
        return Err(end_field.fault(RejectReason::InvalidTime, problem));
    }
    Ok(interval)
}

/// What a vendor file makes of a payload.
pub(crate) type Reader = fn(&Node<'_>, &mut Drift) -> Result<Vec<Entry>, Fault>;
