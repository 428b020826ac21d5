//! iCalendar (RFC 5545): what a calendar says of its owner's time, series expanded.
//!
//! In: the text of a calendar, or of one object of it, and the time that is of interest. Out: [`Calendar`], each event with its
//! own identity, its instant in UTC and whether it takes time; and what could not be read, each with its field and its reason.
//! [`Event::write`] writes one as the standard lets a server write expanded events (RFC 4791, section 9.6.5): in UTC, without
//! rules. What ingest reads of a calendar goes on in that form, so whoever reads it then reads iCalendar again.
//!
//! - `text.rs` cuts a calendar into its components, so that one of 50,000 events is never held as a tree; `component.rs` reads
//!   one, with `calcard`; `rule.rs` is a rule, with `rrule`; `series.rs` is what becomes of a series; `zone.rs` is what its
//!   times mean.
//! - **Times are local until the last moment.** Rules, exceptions and overrides are matched as what the clock on the wall
//!   shows; only then is an occurrence an instant, by the rules for hours that occur twice or not at all (`daybook_ask::zone`).
//!   No library does all of that: some take such hours for UTC, or the zone that they do not know for the machine's own.
//! - **A zone is never guessed.** It is a name of IANA's, one of Windows', or a `VTIMEZONE` that says its own rules; times of a
//!   zone that is none of these are a [`Fault`], as are times without a zone in a calendar without one.
//! - An event is called by its UID; an instance of a series also by the time that its series had for it, in UTC, whatever it
//!   was moved to: `UID/20260304T090000Z`, or `UID/20260304` in a series of days.
//! - The first event of a series is always one of it, whether its rule says so or not. A series that repeats more often than
//!   anybody could attend is a fault, and so is a rule that is not understood to the last word.
//! - The duration is the same for all instances: to the second where the first one has an end, in days and hours on the wall
//!   where it has a `DURATION` (RFC 5545, section 3.8.5.3).
//!
//! Absent on purpose: titles, descriptions, places (an observed event is nobody's to show), tasks, journals, free/busy, and
//! `EXRULE`, which is deprecated and a fault.

mod component;
pub mod content_line;
mod rule;
mod series;
mod text;
mod write;
pub mod zone;

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use daybook_domain::Timestamp;

use crate::component::Component;
use crate::text::Part;
pub use crate::write::{FOOT, HEAD};
use crate::zone::Zones;

/// The most events and overrides that one calendar may have.
pub const COMPONENTS_MAX: usize = 100_000;
/// The most instances that a calendar may come to.
pub const INSTANCES_MAX: usize = 200_000;

/// What of a calendar is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Series are expanded from then. What is no series is there whenever it is.
    pub from: Timestamp,
    /// Up to then.
    pub to: Timestamp,
    /// The zone of times without one, and of days, where the calendar itself names none (`X-WR-TIMEZONE`).
    pub zone: Option<Tz>,
}

/// What a calendar says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calendar {
    /// The zone in which its days begin.
    pub zone: Option<Tz>,
    /// Its events, in the order of their ids.
    pub events: Vec<Event>,
    /// What could not be read.
    pub faults: Vec<Fault>,
    /// Properties whose values were passed over, because nothing hangs on them.
    pub passed_over: BTreeSet<&'static str>,
}

/// One event, or one instance of a series. Its `Debug` shows nobody's address.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// What it is called.
    pub id: EventId,
    /// From when until when. None of one of which it is only said that it is cancelled.
    pub times: Option<Times>,
    /// Whether it takes the time of the calendar's owner: not where it was cancelled, shows as free, or is of no length.
    pub takes_time: bool,
    /// When it was changed last.
    pub changed: Option<Timestamp>,
    /// The addresses of those who attend.
    pub attendees: BTreeSet<String>,
    /// The booking of ours that it says it is, as it was written.
    pub mark: Option<String>,
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Event({:?}, takes_time: {})", self.times, self.takes_time)
    }
}

/// When an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// From then.
    pub start: Timestamp,
    /// Until then, exclusive; not before its start.
    pub end: Timestamp,
}

/// What an event is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The UID, which the instances of a series share.
    pub uid: String,
    /// Of an instance: `20260304T090000Z`, or `20260304`.
    pub recurrence: Option<String>,
}

/// What could not be read: an event, an instance, or a whole series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which, if it says so.
    pub id: Option<EventId>,
    /// What is wrong.
    pub kind: FaultKind,
    /// Which property.
    pub property: &'static str,
    /// What is wrong and what to do about it; never the value.
    pub problem: &'static str,
    /// The component without what is nobody's business.
    pub text: String,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// A property that is needed is not there.
    Missing,
    /// A value that means nothing here.
    Value,
    /// Not a time.
    Time,
    /// The end is before the start.
    Interval,
    /// Not the name of a zone, or none where one is needed.
    Zone,
    /// More of it than is taken.
    TooMany,
}

/// Why a text is no calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The bytes are not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// It does not begin like one.
    #[error("is no iCalendar: it does not begin with BEGIN:VCALENDAR")]
    NotACalendar,
    /// It does not end like one: part of it is missing.
    #[error("is not whole: a component has no end")]
    Truncated,
    /// It has more events than are taken.
    #[error("has more than 100,000 events, or comes to more than 200,000 instances")]
    TooMany,
    /// Whoever reads it would not wait any longer.
    #[error("takes too long to be expanded")]
    TooSlow,
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.recurrence {
            Some(recurrence) => write!(f, "{}/{recurrence}", self.uid),
            None => f.write_str(&self.uid),
        }
    }
}

impl EventId {
    /// What [`Display`](std::fmt::Display) has written. A UID that ends like an instance's is read as one, and is written the
    /// same way again.
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once('/') {
            Some((uid, recurrence)) if is_recurrence(recurrence) && !uid.is_empty() => {
                Self { uid: uid.to_owned(), recurrence: Some(recurrence.to_owned()) }
            }
            Some(_) | None => Self { uid: text.to_owned(), recurrence: None },
        }
    }
}

fn is_recurrence(text: &str) -> bool {
    let shape: &[u8] = if text.len() == 8 { b"00000000" } else { b"00000000T000000Z" };
    let fits = |(found, wanted): (u8, &u8)| if *wanted == b'0' { found.is_ascii_digit() } else { found == *wanted };
    text.len() == shape.len() && text.bytes().zip(shape).all(fits)
}

/// Reads a calendar. `go_on` is asked before each series is expanded: a rule may take some milliseconds, and a calendar may
/// have very many.
pub fn read(bytes: &[u8], wanted: &Wanted, go_on: impl FnMut() -> bool) -> Result<Calendar, Unreadable> {
    let mut events = Vec::new();
    let calendar = read_each(bytes, wanted, go_on, |event| events.push(event))?;
    Ok(Calendar { events, ..calendar })
}

/// The same, with each event given to `take` rather than kept: of a calendar of very many, only the text and one series are held
/// at once. What was taken before a calendar turns out to be unreadable is to be thrown away.
pub fn read_each(
    bytes: &[u8],
    wanted: &Wanted,
    mut go_on: impl FnMut() -> bool,
    mut take: impl FnMut(Event),
) -> Result<Calendar, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::NotUtf8)?;
    let parts = text::parts(text)?;
    let mut zones = Zones::new(wanted);
    let mut cancelled = false;
    for part in &parts {
        match part {
            Part::Zone(block) => zones.define(block),
            Part::Property { name: "X-WR-TIMEZONE", value } => zones.calendar(value),
            Part::Property { name: "METHOD", value } => cancelled |= value.eq_ignore_ascii_case("CANCEL"),
            Part::Property { .. } | Part::Event(_) => {}
        }
    }
    let mut calendar = Calendar { zone: zones.of_calendar(), ..Calendar::default() };
    // Each is read twice: once for what it is called, and once it is its turn. To remember all that they say takes ten times the
    // memory of the text.
    let mut by_uid = BTreeMap::<String, Vec<&str>>::new();
    let mut components = 0;
    for part in parts {
        let Part::Event(block) = part else { continue };
        components += 1;
        if components > COMPONENTS_MAX {
            return Err(Unreadable::TooMany);
        }
        match component::read(block, &zones, &mut calendar.passed_over) {
            Ok(component) => by_uid.entry(component.uid).or_default().push(block),
            Err(fault) => calendar.faults.push(*fault),
        }
    }
    let mut instances = 0;
    for blocks in by_uid.into_values() {
        let read = |block| {
            let mut component = component::read(block, &zones, &mut calendar.passed_over).ok()?;
            component.cancelled |= cancelled;
            Some(component)
        };
        let components: Vec<Component<'_>> = blocks.into_iter().filter_map(read).collect();
        if components.iter().any(Component::repeats) && !go_on() {
            return Err(Unreadable::TooSlow);
        }
        series::expand(components, wanted, &mut calendar);
        instances += calendar.events.len();
        if instances > INSTANCES_MAX {
            return Err(Unreadable::TooMany);
        }
        calendar.events.drain(..).for_each(&mut take);
    }
    Ok(calendar)
}

/// The zone that a text describes, if it is one that has a name: what CalDAV has as the zone of a calendar (RFC 4791, section
/// 5.2.2).
pub fn time_zone(text: &str) -> Option<Tz> {
    text::parts(text).ok()?.iter().find_map(|part| match part {
        Part::Zone(block) => zone::described(block),
        Part::Event(_) | Part::Property { .. } => None,
    })
}

#[cfg(test)]
mod tests;
