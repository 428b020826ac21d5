//! What a target may see of a booking.
//!
//! Invariant: a [`Visible`] holds nothing that the target did not list. The renderers take one of these and nothing
//! else, so none of them can leak.

use std::fmt;

use daybook_domain::{Attendee, BookingId, Interval, ResourceId, Timestamp};

/// The fields beyond busy time that a target may receive. By default none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields {
    /// What the meeting is called.
    pub title: bool,
    /// Who attends, and in which zone they booked.
    pub attendees: bool,
}

/// A live booking as one target may see it. `Debug` shows nothing that people see.
#[derive(Clone, PartialEq, Eq)]
pub struct Visible {
    /// Which booking.
    pub booking_id: BookingId,
    /// Whose time.
    pub resource: ResourceId,
    /// Which version of it.
    pub version: u64,
    /// Where it stands.
    pub status: VisibleStatus,
    /// When.
    pub interval: Interval,
    /// When this version was decided.
    pub decided_at: Timestamp,
    /// IANA zone of the resource; display only.
    pub resource_time_zone: Option<String>,
    /// IANA zone that the source gave; display only, and only for targets that may see the attendees.
    pub source_time_zone: Option<String>,
    /// What the meeting is called, for targets that may know.
    pub title: Option<String>,
    /// Who attends, for targets that may know.
    pub attendees: Vec<Attendee>,
}

impl fmt::Debug for Visible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Visible({} version {})", self.booking_id, self.version)
    }
}

/// Where a live booking stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisibleStatus {
    /// It occupies its interval.
    Confirmed,
    /// It keeps its interval until its replacement is decided.
    Awaiting,
}

/// A booking that is to be shown no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Which booking.
    pub booking_id: BookingId,
    /// Whose time.
    pub resource: ResourceId,
    /// The version that ended it.
    pub version: u64,
    /// The last interval it had.
    pub last: Option<Interval>,
    /// When the end was decided.
    pub decided_at: Timestamp,
    /// IANA zone of the resource; display only.
    pub resource_time_zone: Option<String>,
}
