//! Why something in an event could not be made into a request.

use std::fmt;

/// One thing that could not be made into a request, for the dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Which item of the event; none if the event could not be read as a whole.
    pub item: Option<usize>,
    /// The reason, from a bounded vocabulary.
    pub reason: RejectReason,
    /// Where, as a path: `payload.scheduled_event.end_time`.
    pub field: String,
    /// What is wrong and what to do about it; never the value.
    pub problem: String,
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

/// Why. The word of it is the dead letter's header and the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectReason {
    /// The bytes are not UTF-8.
    InvalidUtf8,
    /// The text is not JSON, is nested too deeply, or names a field twice in one object.
    InvalidJson,
    /// A field that is needed is not there.
    MissingField,
    /// A field has another type than it must; null is one.
    WrongType,
    /// A value of the right type that means nothing, or is too long.
    InvalidValue,
    /// Not a time, a local time without a zone, a time outside 1970 to 9999, or an interval of more than 31 days.
    InvalidTime,
    /// The end is not after the start.
    EmptyInterval,
    /// More items, hosts or attendees than are taken.
    TooManyItems,
    /// A type of event that the format does not have.
    UnknownEventType,
    /// No resource has this alias. Replay cures it, once the alias is there.
    UnknownResource,
    /// Not the name of a time zone.
    UnknownTimeZone,
    /// Names no resource, and no booking is known under its id.
    UnknownBooking,
}

impl RejectReason {
    /// Every reason, for tables and tests.
    pub const ALL: [Self; 12] = [
        Self::InvalidUtf8,
        Self::InvalidJson,
        Self::MissingField,
        Self::WrongType,
        Self::InvalidValue,
        Self::InvalidTime,
        Self::EmptyInterval,
        Self::TooManyItems,
        Self::UnknownEventType,
        Self::UnknownResource,
        Self::UnknownTimeZone,
        Self::UnknownBooking,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidUtf8 => "invalid_utf8",
            Self::InvalidJson => "invalid_json",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::InvalidValue => "invalid_value",
            Self::InvalidTime => "invalid_time",
            Self::EmptyInterval => "empty_interval",
            Self::TooManyItems => "too_many_items",
            Self::UnknownEventType => "unknown_event_type",
            Self::UnknownResource => "unknown_resource",
            Self::UnknownTimeZone => "unknown_time_zone",
            Self::UnknownBooking => "unknown_booking",
        }
    }
}

/// A reject before it is known to which item it belongs.
#[derive(Debug)]
pub(crate) struct Fault {
    pub reason: RejectReason,
    pub field: String,
    pub problem: String,
}

impl Fault {
    pub fn new(reason: RejectReason, field: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self { reason, field: field.to_string(), problem: problem.to_string() }
    }

    /// The reject of item `item`, or of the whole event.
    pub fn at(self, item: Option<usize>) -> Reject {
        Reject { item, reason: self.reason, field: self.field, problem: self.problem }
    }
}
