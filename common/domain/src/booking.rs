//! A booking: what the arbiter's decisions have made of a claim.
//!
//! Two halves. [`BookingState`] is what decisions are made on and what the decision log repeats: no personal data.
//! [`Content`] is what people see: it lives in the store and on `booking.canonical`, both of which can forget.

use std::fmt;

use crate::{BookingId, ContactId, Interval, ResourceId, SourceKey, SourceName, SourceVersion, Tag, Timestamp};

/// What occupies the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BookingKind {
    /// A booking that the arbiter granted. No two of them overlap beyond the resource's capacity.
    Booking,
    /// Time that was already taken elsewhere and could only be observed. It blocks every unit of the resource, and may
    /// lie over anything.
    Busy,
}

impl BookingKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Booking => "booking",
            Self::Busy => "busy",
        }
    }
}

/// Where a booking stands. Only a live one (held, confirmed or awaiting) occupies time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Occupies its interval like any other, until it is confirmed or the hold is over.
    Held {
        /// The interval it keeps.
        interval: Interval,
        /// When the hold is over, by the log's time.
        until: Timestamp,
    },
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
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Confirmed(_) => "confirmed",
            Self::Awaiting { .. } => "awaiting",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// The interval that it keeps others out of.
    pub const fn live(&self) -> Option<Interval> {
        match self {
            Self::Held { interval, .. } | Self::Confirmed(interval) | Self::Awaiting { interval, .. } => {
                Some(*interval)
            }
            Self::Cancelled { .. } => None,
        }
    }

    /// When it ends by itself, if it does.
    pub const fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Held { until, .. } | Self::Awaiting { until, .. } => Some(*until),
            Self::Confirmed(_) | Self::Cancelled { .. } => None,
        }
    }

    /// The interval to show, live or not.
    pub const fn interval(&self) -> Option<Interval> {
        match self {
            Self::Held { interval, .. } | Self::Confirmed(interval) | Self::Awaiting { interval, .. } => {
                Some(*interval)
            }
            Self::Cancelled { last } => *last,
        }
    }
}

/// The non-personal state of a booking, complete: folding decisions needs nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingState {
    /// Its id, for life.
    pub booking_id: BookingId,
    /// What it is.
    pub kind: BookingKind,
    /// Where it stands.
    pub standing: Standing,
    /// Which of the resource's units it occupies, from 0. Means nothing for busy time, which blocks all of them.
    pub unit: u16,
    /// Rises by one with every change that people could see. Starts at 1.
    pub version: u64,
    /// The source that speaks for it.
    pub source: SourceName,
    /// What that source has called it, oldest first; the last is what it is called now. Empty only for busy time that
    /// a booking has taken in (see [`BookingState::shadows`]): its names are that booking's now.
    pub keys: Vec<SourceKey>,
    /// The newest state of it that its source has reported.
    pub source_version: SourceVersion,
    /// The fingerprint of its content; none if it never had any.
    pub content: Option<ContentDigest>,
    /// Who attends, by pseudonym, sorted.
    pub contacts: Vec<ContactId>,
    /// What the same appointment is called in systems that know nothing of this source, by pseudonym, sorted: an
    /// iCalendar UID, the id of the entry that a vendor wrote into a calendar.
    pub tags: Vec<Tag>,
    /// The same appointment as other sources show it, in the order in which they were first seen.
    pub shadows: Vec<Shadow>,
    /// The booking on another resource that this one replaced.
    pub moved_from: Option<Elsewhere>,
    /// The booking on another resource that replaced this one.
    pub moved_to: Option<Elsewhere>,
}

/// One appointment as another source shows it. A shadow asks for nothing and decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// Who shows it.
    pub source: SourceName,
    /// What it is called there.
    pub key: SourceKey,
    /// The newest state of it that was seen.
    pub version: SourceVersion,
    /// Where it was seen.
    pub sight: Sight,
}

/// Where a shadow was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Where its booking is, or was when that booking last changed.
    Along,
    /// Somewhere else: that time is blocked for everybody but its booking, which may be on its way there.
    Away(Interval),
    /// Deleted there. The booking stands all the same.
    Gone,
}

/// A booking on another resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Elsewhere {
    /// Whose time.
    pub resource: ResourceId,
    /// Which booking.
    pub booking_id: BookingId,
}

impl BookingState {
    /// What the source calls it now.
    pub fn current_key(&self) -> Option<SourceKey> {
        self.keys.last().copied()
    }

    /// What another source calls it, if it does.
    pub fn shadow(&self, key: SourceKey) -> Option<&Shadow> {
        self.shadows.iter().find(|shadow| shadow.key == key)
    }

    /// Where the shadows of a live booking are that are not along with it.
    pub fn away(&self) -> impl Iterator<Item = Interval> + '_ {
        let live = self.standing.live().is_some();
        self.shadows.iter().filter_map(move |shadow| match shadow.sight {
            Sight::Away(interval) if live => Some(interval),
            Sight::Away(_) | Sight::Along | Sight::Gone => None,
        })
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
