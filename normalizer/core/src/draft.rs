//! What a vendor's payload asks for, in our words but before anything was looked up: what every vendor file makes, and
//! what `place.rs` finishes. Personal data: nothing here has a `Debug`.

use daybook_domain::{CancelKind, Interval, SourceVersion, Timestamp};

use crate::json::Node;
use crate::path::{Drift, Path};
use crate::place::IgnoredReason;
use crate::reject::{Fault, Reject, RejectReason};

/// The longest interval: one that is longer is a mistyped year, and would block a resource for good.
const INTERVAL_DAYS_MAX: u64 = 31;

/// One thing in a payload.
pub(crate) enum Entry {
    Draft(Draft),
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
    pub ask: Ask,
}

/// How far a booking's news reaches. Where a payload names no place, it always reaches everywhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The places that it names.
    Named,
    /// Besides those, wherever a booking is known under this identity.
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
    Cancel { interval: Option<Interval>, kind: CancelKind },
}

impl Draft {
    /// Every name under which the source may have reported this booking before.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let previous = match &self.ask {
            Ask::Reschedule { previous, .. } => Some(previous.as_str()),
            Ask::Book(_) | Ask::Cancel { .. } => None,
        };
        previous.into_iter().chain(std::iter::once(self.identity.as_str()))
    }
}

/// What a booking is to be.
pub(crate) struct Wish {
    pub interval: Interval,
    pub title: Option<String>,
    pub people: Vec<Person>,
    /// An IANA name, for display.
    pub time_zone: Option<String>,
    /// Whether it says what people see; if not, what they saw stays.
    pub shows: bool,
}

#[cfg(test)]
impl Wish {
    pub fn example() -> Self {
        let at = |text: &str| text.parse().expect("a time");
        let interval = Interval::new(at("2026-03-04T09:00:00Z"), at("2026-03-04T09:30:00Z")).expect("an interval");
        Self { interval, title: None, people: Vec::new(), time_zone: None, shows: true }
    }
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
