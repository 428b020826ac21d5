//! A booking: what the arbiter's decisions have made of a claim.
//!
//! Two halves. [`BookingState`] is what decisions are made on and what the decision log repeats: no personal data.
//! [`Content`] is what people see: it lives in the store and on `booking.canonical`, both of which can forget.

use std::fmt;

use crate::{BookingId, ContactId, Interval, SourceKey, SourceName, SourceVersion, Timestamp};

/// Where a booking stands. Only a live one (confirmed or awaiting) occupies time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Occupies its interval.
    Confirmed(Interval),
    /// Its source cancelled it and announced a replacement: it keeps its interval until the replacement is granted
    /// or the wait is over.
    Awaiting {
        /// The interval it keeps.
        interval: Interval,
        /// When the wait is over, by the log's time.
        until: Timestamp,
    },
    /// Occupies nothing.
    Cancelled {
        /// The last interval it had; none if it was cancelled before anybody heard of its creation.
        last: Option<Interval>,
    },
}

impl Standing {
    /// The interval that it keeps others out of.
    pub const fn live(&self) -> Option<Interval> {
        match self {
            Self::Confirmed(interval) | Self::Awaiting { interval, .. } => Some(*interval),
            Self::Cancelled { .. } => None,
        }
    }

    /// The interval to show, live or not.
    pub const fn interval(&self) -> Option<Interval> {
        match self {
            Self::Confirmed(interval) | Self::Awaiting { interval, .. } => Some(*interval),
            Self::Cancelled { last } => *last,
        }
    }
}

/// The non-personal state of a booking, complete: folding decisions needs nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingState {
    /// Its id, for life.
    pub booking_id: BookingId,
    /// Where it stands.
    pub standing: Standing,
    /// Rises by one with every change that people could see. Starts at 1.
    pub version: u64,
    /// The source that speaks for it.
    pub source: SourceName,
    /// What that source has called it, oldest first; the last is what it is called now.
    pub keys: Vec<SourceKey>,
    /// The newest state of it that its source has reported.
    pub source_version: SourceVersion,
    /// The fingerprint of its content; none if it never had any.
    pub content: Option<ContentDigest>,
    /// Who attends, by pseudonym, sorted.
    pub contacts: Vec<ContactId>,
}

impl BookingState {
    /// What the source calls it now.
    pub fn current_key(&self) -> Option<SourceKey> {
        self.keys.last().copied()
    }
}

/// A keyed fingerprint of a [`Content`], made by the normalizer: equal content, equal digest. Keyed, because a bare
/// hash of a name and an e-mail address can be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentDigest(pub [u8; 16]);

/// What people see of a booking. Personal data: `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// What the meeting is called.
    pub title: Option<String>,
    /// Who attends besides the resource.
    pub attendees: Vec<Attendee>,
    /// The IANA zone that the source gave with the times, for display.
    pub source_time_zone: Option<String>,
    /// The fingerprint of the fields above.
    pub digest: ContentDigest,
}

impl Content {
    /// The attendees' pseudonyms, sorted and without repeats.
    pub fn contacts(&self) -> Vec<ContactId> {
        let mut contacts: Vec<_> = self.attendees.iter().map(|attendee| attendee.contact_id.clone()).collect();
        contacts.sort();
        contacts.dedup();
        contacts
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} attendees)", self.attendees.len())
    }
}

/// A person who attends. Personal data: `Debug` shows the pseudonym only.
#[derive(Clone, PartialEq, Eq)]
pub struct Attendee {
    /// The pseudonym.
    pub contact_id: ContactId,
    /// The name as the source gave it.
    pub name: Option<String>,
    /// Lower-cased.
    pub email: Option<String>,
    /// As the source gave it, without blanks.
    pub phone: Option<String>,
}

impl fmt::Debug for Attendee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attendee({})", self.contact_id)
    }
}
