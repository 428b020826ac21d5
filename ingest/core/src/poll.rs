//! A calendar that is read again and again: what to ask its vendor next, and what has changed.
//!
//! A *round* begins with what was known of a calendar after the last one, asks until it knows what is true now, and ends with
//! the difference. It is a machine without a wire: [`Round::next`] is what to ask, [`Round::answer`] takes what came back.
//! A round that meets a [`Setback`] is thrown away, and nothing of it has happened.
//!
//! - A round of *changes* follows the vendor's own feed of changes from where the last round left it. A *full* round lists
//!   everything in the window: the first one, when the vendor has forgotten our place in its feed, and once in a while, since
//!   feeds lose things and the window moves on. Nothing is deleted before it is listed.
//! - Series are expanded by the vendor, which knows its own rules best: where anything of a series changes, its instances in
//!   the window are listed. Where the vendor has files of iCalendar, they are expanded here (`daybook-icalendar`).
//! - **Absence is a suspicion, not news.** What a listing lacks, and what a feed calls cancelled, is asked for by its own
//!   name before it is believed gone; of a series the vendor may say in one word that all of it is cancelled, else each
//!   instance is asked for. With more than [`SUSPECTS_MAX`] suspects (a whole series is one) not even that is believed: they
//!   are *held*, until a full round, some time later, misses them again. So neither an empty answer nor half of one cancels
//!   anything, nor does a vendor's bad quarter of an hour.
//! - Where there is nobody to ask for an event by name, because there is one file and nothing else, whatever it lacks is held, but
//!   for instances of a series that is there.
//! - Instances are known by their own ids, whichever series they are said to be of: a series may be split, and somebody who is
//!   invited to some instances of one may not see the series at all.
//! - What is older than what we know of an event (an old page, played again) is asked for by name.
//!
//! The machine is in `round.rs`; here are its words, and the records that its outcome makes.
//! Absent on purpose: calls, clocks, storage. `google.rs`, `graph.rs`, `caldav.rs` and `feed.rs` know how each vendor is asked and
//! what it answers ([`Vendor`]).

pub mod caldav;
mod channel;
pub mod feed;
mod fields;
pub mod google;
pub mod graph;
mod ics;
mod round;
mod vendor;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use daybook_domain::{SourceName, Timestamp};
use daybook_format::POLLED;
use daybook_wire::{Call as ApiCall, SourceEvent};
use serde_json::Value;

pub use self::channel::{Call, Channel, Opening, Pinger, is_due};
pub use self::round::{Round, SUSPECTS_MAX};
pub use self::vendor::{Context, Request, Told, Vendor};
use crate::event::{RawRecord, made_id};

/// What a listing is not blamed for lacking: vendors round the ends of a window, and days have zones.
const EDGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Items that one record holds.
const ITEMS_PER_RECORD: usize = 50;

/// The time that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From then.
    pub from: Timestamp,
    /// Up to then.
    pub to: Timestamp,
}

impl Window {
    /// So much around a moment.
    pub fn around(now: Timestamp, past: Duration, future: Duration) -> Self {
        Self { from: now.minus(past), to: now.plus(future) }
    }

    fn has(self, (from, until): (Timestamp, Timestamp)) -> bool {
        from < self.to && until > self.from
    }

    /// Without its ends.
    fn inner(self) -> Self {
        Self { from: self.from.plus(EDGE), to: self.to.minus(EDGE) }
    }
}

/// What to ask a vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Where its feed of changes stands.
    Mark {
        /// Which page of the answer; the first, without.
        page: Option<String>,
    },
    /// What has changed since.
    Changes {
        /// Where the feed stood.
        cursor: String,
        /// Which page.
        page: Option<String>,
    },
    /// Everything in the window, series expanded.
    Listing {
        /// Which page.
        page: Option<String>,
    },
    /// Everything, as one file, if it is not the same as before.
    Whole {
        /// What is known of it.
        cursor: Option<String>,
    },
    /// The instances of a series in the window; of an object, all that there is of it.
    Instances {
        /// Which.
        series: String,
        /// Which page.
        page: Option<String>,
    },
    /// One event.
    One {
        /// Which.
        id: String,
    },
}

impl Ask {
    fn with_page(self, page: String) -> Self {
        let page = Some(page);
        match self {
            Self::Mark { .. } => Self::Mark { page },
            Self::Changes { cursor, .. } => Self::Changes { cursor, page },
            Self::Listing { .. } => Self::Listing { page },
            Self::Whole { cursor } => Self::Whole { cursor },
            Self::Instances { series, .. } => Self::Instances { series, page },
            Self::One { id } => Self::One { id },
        }
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// What was asked for, or a page of it.
    Page(Page),
    /// Nothing has changed.
    Same,
    /// The vendor has forgotten where we were in its feed.
    Expired,
    /// There is nothing of this name, or none that is ours to see.
    Gone,
    /// This one thing is not answered for, and everything else may be.
    Untold,
    /// Nothing that can be used.
    Setback(Setback),
}

/// Why a round came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setback {
    /// Ask again, after so long if the vendor says so.
    Later(Option<Duration>),
    /// The credentials do not count.
    Denied,
    /// It will not be answered otherwise until somebody sees to it: the calendar is not shared with us, or is none.
    Refused,
}

/// A page of an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// In its order.
    pub items: Vec<Item>,
    /// How the next page is called.
    pub next: Option<String>,
    /// Where the feed stands after the last page.
    pub cursor: Option<String>,
    /// The zone of the calendar, if it says so.
    pub zone: Option<String>,
    /// Events whose id cannot be taken: it is too long, or has control characters.
    pub skipped: usize,
}

/// One event, as far as a round looks into it. `body` is what is sent on, with people's addresses: the `Debug` shows none.
#[derive(Clone, PartialEq)]
pub struct Item {
    /// What the vendor calls it.
    pub id: String,
    /// The series that it is an instance of.
    pub series: Option<String>,
    /// What it says.
    pub state: State,
    /// From when until when, roughly: days are taken as if in UTC.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Whether it is of days, which begin when the zone of the calendar says.
    pub days: bool,
    /// When the vendor says that it was changed.
    pub stamp: Option<Timestamp>,
    /// The fingerprint of all that matters of it.
    pub hash: [u8; 32],
    /// The fields that are kept.
    pub body: Value,
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({:?}, {:?})", self.state, self.span)
    }
}

/// What an event says of its owner's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is taken.
    Busy,
    /// It is not.
    Free,
    /// Its instances say.
    Series,
    /// It is cancelled or deleted.
    Gone,
}

/// What is known of an event that takes time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The series that it is an instance of.
    pub series: Option<String>,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// When the vendor said that it was changed.
    pub stamp: Option<Timestamp>,
    /// The fingerprint of what was sent on.
    pub hash: [u8; 32],
    /// Since when it is held to be missing without being believed gone.
    pub missing_since: Option<Timestamp>,
}

/// Who takes care of a change: each is counted on its own, and what is held belongs to cancellations alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// Time that was free is taken.
    NewAppointmentSync,
    /// It is taken otherwise.
    UpdateSync,
    /// It is free again.
    CancellationSync,
}

impl Job {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NewAppointmentSync, Self::UpdateSync, Self::CancellationSync];

    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewAppointmentSync => "new_appointment",
            Self::UpdateSync => "update",
            Self::CancellationSync => "cancellation",
        }
    }
}

/// One change. Its `Debug` shows nobody's address.
#[derive(Clone, PartialEq)]
pub struct Change {
    /// Whose.
    pub job: Job,
    /// Which event.
    pub id: String,
    /// What is sent on.
    pub body: Value,
    /// What is known of it from now on; none of one that takes no time any more.
    pub known: Option<Known>,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Change({:?}, {})", self.job, self.id)
    }
}

/// What a round came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// What has changed.
    pub changes: Vec<Change>,
    /// What is over and need not be known any more.
    pub past: Vec<String>,
    /// What is held to be missing.
    pub missing: Vec<String>,
    /// What was, and is there.
    pub found: Vec<String>,
    /// Where the feed stands.
    pub cursor: Option<String>,
    /// The zone of the calendar.
    pub zone: Option<String>,
    /// Whether everything was listed, and nothing is held.
    pub complete: bool,
    /// Events whose id cannot be taken: it is too long, or has control characters.
    pub skipped: usize,
}

/// What a calendar is given up with: everything that is known of it is gone.
pub fn farewell(vendor: Vendor, known: &BTreeMap<String, Known>) -> Vec<Change> {
    let change =
        |id: &String| Change { job: Job::CancellationSync, id: id.clone(), body: vendor.gone(id), known: None };
    known.keys().map(change).collect()
}

/// The records of changes, each of some of them, in their order. All are as of when the round began.
pub fn records<'a>(
    vendor: Vendor,
    source: &'a SourceName,
    calendar: &'a str,
    changes: &'a [Change],
    zone: Option<&'a str>,
    began: Timestamp,
) -> impl Iterator<Item = (RawRecord, Vec<u8>)> + 'a {
    let record = move |(number, part): (usize, &[Change])| {
        let items: Vec<Value> = part.iter().map(|change| change.body.clone()).collect();
        let body = vendor.page(&items, zone);
        let (began_at, number) = (began.micros().to_be_bytes(), (number as u64).to_be_bytes());
        let id = made_id(&[source.as_str().as_bytes(), calendar.as_bytes(), &began_at, &number, &body]);
        let event = SourceEvent {
            id,
            source: format!("/polled/{source}"),
            kind: POLLED.to_owned(),
            subject: Some(calendar.to_owned()),
            time: Some(began),
            content_type: vendor.media().to_owned(),
            received_at: began,
            traceparent: None,
            call: ApiCall::default(),
        };
        (RawRecord { key: calendar.to_owned(), event }, body)
    };
    changes.chunks(ITEMS_PER_RECORD).enumerate().map(record)
}

/// How long to wait after so many rounds in a row that came to nothing (the first is 1): exponential, from the interval of
/// the calendar up to `most`, with full jitter. `chance` is from 0 to 1. What the vendor says is not undercut.
pub fn backoff(failures: u32, interval: Duration, most: Duration, told: Option<Duration>, chance: f64) -> Duration {
    let most = interval.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(most);
    most.mul_f64(chance.clamp(0.0, 1.0)).max(told.unwrap_or_default())
}

#[cfg(test)]
mod tests;
