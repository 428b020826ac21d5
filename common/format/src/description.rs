//! A description, as it is used: where everything is, and what it means. [`judge`](crate::judge) makes one.

use std::collections::{BTreeMap, BTreeSet};

use crate::list::List;
use crate::query::{Finding, Query};
use crate::signed::Signature;
use crate::written::Media;

/// A format that is described, not coded.
#[derive(Debug, Clone)]
pub struct Description {
    /// How its deliveries come.
    pub delivery: Delivery,
    /// Which events there are.
    pub events: Events,
    /// Where the fields of a booking are.
    pub booking: BookingFields,
    /// How a booking's state is fetched.
    pub fetch: Option<Fetch>,
    /// How bookings are listed that may not have been told of.
    pub list: Option<List>,
    /// The names that objects may have.
    pub known: Vec<(Query, BTreeSet<String>)>,
}

impl Description {
    /// Whether its deliveries say of something only that it has changed, so that nothing is known of it without a fetch.
    pub fn only_tells(&self) -> bool {
        let changed = |meaning: &Type| *meaning == Type::Means(Meaning::Changed);
        let fetched = self.fetch.is_some();
        fetched && self.events.types.as_ref().is_none_or(|(_, meanings)| meanings.values().any(changed))
    }
}

/// How a booking's state is fetched.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Where the vendor's API is, without a slash at its end.
    pub base: String,
    /// The path below it, before the id and after it.
    pub path: (String, String),
    /// The fields that are kept of an answer; all, if empty.
    pub keep: BTreeSet<String>,
    /// What means that there is none any more.
    pub gone: Vec<u16>,
    /// What is said beside every question.
    pub headers: BTreeMap<String, String>,
}

/// How its deliveries come.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// How bodies are written.
    pub media: Media,
    /// What makes one authentic.
    pub proof: Proof,
    /// The header with the delivery's id, in lower case.
    pub id_header: Option<String>,
    /// Where the booking's id is.
    pub key: Finding,
    /// Where the type is.
    pub kind: Option<Finding>,
    /// Where the time is.
    pub time: Option<Finding>,
}

/// What makes a delivery authentic.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A signature.
    Signature(Signature),
    /// A secret that both sides know, in this header, in lower case.
    Token(String),
}

/// Which events there are.
#[derive(Debug, Clone)]
pub struct Events {
    /// Where they are; none if a delivery is one.
    pub items: Option<Finding>,
    /// Found in those that are about a booking; none if all are.
    pub only: Option<Finding>,
    /// Where the type is, and what each type means; none if every event is a state.
    pub types: Option<(Finding, BTreeMap<String, Type>)>,
}

/// What a type of event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Something about a booking.
    Means(Meaning),
    /// Nothing that concerns us, and that is known.
    Ignored,
}

/// What an event says of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It is to exist, and its customer believes that it does.
    Created,
    /// The same, but nobody has been promised anything yet.
    Requested,
    /// It is to be at another time, on another resource, or both.
    Rescheduled,
    /// People are to see something else of it.
    Updated,
    /// It is gone.
    Cancelled,
    /// The whole of what is true of it now: it exists so, unless it is cancelled.
    State,
    /// This time is taken, elsewhere; nobody asks.
    Observed,
    /// It is taken no more.
    Gone,
    /// Something about it has changed: its state is fetched.
    Changed,
}

/// Where the fields of a booking are. See [`Written`](crate::Written) for what each means.
#[derive(Debug, Clone)]
pub struct BookingFields {
    /// Its id.
    pub id: Finding,
    /// The id before.
    pub previous_id: Option<Finding>,
    /// The counter of its states.
    pub sequence: Option<Finding>,
    /// The time of its state.
    pub updated_at: Option<Finding>,
    /// Whose time.
    pub resources: Vec<Resource>,
    /// From when.
    pub start: Finding,
    /// Until when.
    pub end: Length,
    /// How times are written.
    pub times: Times,
    /// The zone of local times.
    pub time_zone: Option<Finding>,
    /// The zone that is shown.
    pub display_zone: Option<Finding>,
    /// What people see.
    pub title: Option<Finding>,
    /// Who attends.
    pub attendees: Option<Attendees>,
    /// The iCalendar UID.
    pub ical_uid: Option<Finding>,
    /// Ids elsewhere.
    pub external_ids: Vec<ExternalId>,
    /// Whether it is gone.
    pub cancelled: Option<Finding>,
    /// Whether a replacement follows.
    pub replacement_follows: Option<Finding>,
}

/// Whose time it is.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Where each of them is.
    pub at: Option<Finding>,
    /// Its names.
    pub names: Vec<Finding>,
}

/// Where a booking ends.
#[derive(Debug, Clone)]
pub enum Length {
    /// There.
    Until(Finding),
    /// So many times so many seconds after its start.
    For(Finding, i64),
}

/// How times are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Times {
    /// RFC 3339, or local beside a zone.
    Rfc3339,
    /// Seconds since 1970.
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMilliseconds,
    /// This pattern of strftime, which has an offset.
    Pattern(String),
}

/// Who attends.
#[derive(Debug, Clone)]
pub struct Attendees {
    /// Where each of them is.
    pub at: Option<Finding>,
    /// The whole name.
    pub name: Option<Finding>,
    /// Or the two names.
    pub first_and_last: [Option<Finding>; 2],
    /// The e-mail address.
    pub email: Option<Finding>,
    /// The phone number.
    pub phone: Option<Finding>,
}

/// What the appointment is called in another system.
#[derive(Debug, Clone)]
pub struct ExternalId {
    /// The system.
    pub system: String,
    /// Its id there.
    pub id: Finding,
}
