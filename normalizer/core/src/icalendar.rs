//! iCalendar (RFC 5545): events of a calendar that is observed, as a CalDAV server or a published file has them. Ingest reads
//! the calendars and sends what has changed, series expanded; what it says of an event is as of when it asked. Whoever writes
//! to the topic of such a source, and `daybook explain`, may give a whole calendar instead.
//!
//! - `ce_subject` is the calendar, by its alias: nothing in a calendar says whose it is.
//! - An event that takes time is observed, by its UID, and by its `RECURRENCE-ID` where it is an instance of a series; one that
//!   takes none, or not any more, is no longer. What a calendar says, and in which zone, `daybook-icalendar` reads.
//! - Series are expanded from 30 days before the event was received to 180 days after; what ingest sends has none left.
//! - What tells appointments apart across systems: the UID, which the instances of a series share, so not theirs; the addresses
//!   of those who attend; our own mark on what Daybook has written.
//!
//! Titles, descriptions and places are not read: an observed event is nobody's to show. What an event could not be read for is
//! the reject of that event alone.
//!
//! Known limits: an event that is longer than 31 days is refused; the owner of a calendar who has declined an event and keeps it
//! there is busy, since nothing says which of those who attend is the owner.

use std::time::Duration;

use daybook_domain::{BookingId, Tag};
use daybook_icalendar::{Event, Fault as Broken, FaultKind, Unreadable, Wanted};
use serde_json::Value;

use crate::draft::{Entry, ICAL, Wish, judged};
use crate::json::{ID_LENGTH_MAX, Node};
use crate::observed::{Sighting, attendee, subject};
use crate::path::{Drift, Path};
use crate::place::IgnoredReason;
use crate::reject::{Fault, RejectReason};
use crate::source::RawEvent;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How far back series are expanded.
const PAST: u32 = 30;
/// How far ahead.
const FUTURE: u32 = 180;
/// More than ingest puts into one record, and less than anybody's calendar should be sent as.
const ITEMS_MAX: usize = 5_000;
/// Each may cost some milliseconds, whatever comes of it.
const SERIES_MAX: usize = 500;

pub(crate) fn read(raw: RawEvent<'_>, drift: &mut Drift) -> Result<Vec<Entry>, Fault> {
    let received = raw.event.received_at;
    let wanted = Wanted { from: received.minus(DAY * PAST), to: received.plus(DAY * FUTURE), zone: None };
    let mut series = 0;
    let calendar = daybook_icalendar::read(raw.body, &wanted, || {
        series += 1;
        series <= SERIES_MAX
    });
    let calendar = calendar.map_err(unreadable)?;
    let subject = subject(raw).ok_or_else(|| {
        Fault::new(RejectReason::MissingField, "ce_subject", "is missing; nothing else says whose calendar it is")
    })?;
    for property in &calendar.passed_over {
        drift.note(&Path::default().field(property));
    }
    let count = calendar.events.len() + calendar.faults.len();
    if count == 0 {
        return Ok(vec![Entry::Ignored(IgnoredReason::Empty)]);
    }
    if count > ITEMS_MAX {
        let problem = "comes to more than 5,000 events; have ingest read the calendar, or send it in parts";
        return Err(Fault::new(RejectReason::TooManyItems, Path::default(), problem));
    }
    let events = calendar.events.iter().enumerate().map(|(item, event)| {
        let path = Path::default().item(item);
        let id = event.id.to_string();
        let entry = wish(event, &id, &path, drift);
        let sighted = |wish| Sighting { raw, item, path: &path, calendar: subject.clone(), id: &id }.entry(wish);
        entry.map_or_else(|fault| Entry::Reject(fault.at(Some(item))), sighted)
    });
    let mut entries: Vec<Entry> = events.collect();
    let first = entries.len();
    entries.extend(calendar.faults.iter().enumerate().map(|(at, broken)| {
        let item = first + at;
        Entry::Reject(fault(broken, &Path::default().item(item)).at(Some(item)))
    }));
    Ok(entries)
}

fn unreadable(error: Unreadable) -> Fault {
    let (reason, problem) = match error {
        Unreadable::NotUtf8 => (RejectReason::InvalidUtf8, error.to_string()),
        Unreadable::NotACalendar | Unreadable::Truncated => (RejectReason::InvalidValue, error.to_string()),
        Unreadable::TooMany => (RejectReason::TooManyItems, error.to_string()),
        Unreadable::TooSlow => (RejectReason::TooManyItems, format!("has more than {SERIES_MAX} series")),
    };
    Fault::new(reason, Path::default(), problem)
}

fn fault(broken: &Broken, path: &Path) -> Fault {
    let reason = match broken.kind {
        FaultKind::Missing => RejectReason::MissingField,
        FaultKind::Value => RejectReason::InvalidValue,
        FaultKind::Time => RejectReason::InvalidTime,
        FaultKind::Interval => RejectReason::EmptyInterval,
        FaultKind::Zone => RejectReason::UnknownTimeZone,
        FaultKind::TooMany => RejectReason::TooManyItems,
    };
    Fault::new(reason, path.field(broken.property), broken.problem)
}

/// What it takes; nothing, if it takes no time.
fn wish(event: &Event, id: &str, path: &Path, drift: &mut Drift) -> Result<Option<Wish>, Fault> {
    if id.chars().count() > ID_LENGTH_MAX {
        let problem = format!("is longer than {ID_LENGTH_MAX} characters, with the RECURRENCE-ID");
        return Err(Fault::new(RejectReason::InvalidValue, path.field("UID"), problem));
    }
    let Some(times) = event.times.filter(|_| event.takes_time) else { return Ok(None) };
    let interval =
        judged(times.start, times.end).map_err(|(reason, problem)| Fault::new(reason, path.field("DTEND"), problem))?;
    let address = path.field("ATTENDEE");
    let attending = event.attendees.iter().filter_map(|address_text| {
        attendee(&Node::found(&Value::String(address_text.clone()), address.clone()), drift)
    });
    let attending = attending.collect();
    let tags = match event.id.recurrence {
        None => vec![Tag::derive(ICAL, &event.id.uid)],
        Some(_) => Vec::new(),
    };
    Ok(Some(Wish { interval, shown: None, attending, tags, mark: mark(event, path, drift) }))
}

/// Whatever a calendar made of our mark, the time that bears it is taken.
fn mark(event: &Event, path: &Path, drift: &mut Drift) -> Option<BookingId> {
    let mark = event.mark.as_deref()?.parse().ok();
    if mark.is_none() {
        drift.note(&path.field("X-DAYBOOK-BOOKING"));
    }
    mark
}
