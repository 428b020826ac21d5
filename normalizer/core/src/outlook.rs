//! Outlook: events of a calendar that is observed, as Microsoft Graph (version 1.0) writes them. Ingest reads the calendars
//! and sends what has changed, a page at a time; what it says of an event is as of when it asked.
//!
//! - `ce_subject` is the calendar: the mailbox, by the address or id that is also its alias. Nothing in an event says so.
//! - An event that takes the owner's time is observed; one that does not, or not any more, is no longer. See
//!   [`daybook_format::outlook::takes_time`].
//! - Times have no offset: their zone stands beside them, `UTC` as ingest asks for it, else an IANA or a Windows name. All-day
//!   events are days, whatever zone is written beside them: those of the zone in which they were entered
//!   (`originalStartTimeZone`).
//! - The rule of a series is passed over: Graph expands it, and the occurrences come on their own, each with its own id.
//! - What tells appointments apart across systems: the event's id, of the system `outlook`; the iCalendar UID, which the
//!   occurrences of a series share, so not theirs; the addresses of those who attend.
//!
//! Subjects, bodies and places are not read: an observed event is nobody's to show.
//!
//! Known limit: an event that is longer than 31 days is refused.

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use daybook_ask::zone;
use daybook_domain::{BookingId, Interval, Tag, Timestamp, TimestampError};
use daybook_format::outlook::{SYSTEM, is_series, takes_time};

use crate::draft::{Entry, ICAL, Person, Wish, interval};
use crate::json::{self, Node, Object};
use crate::observed::{Sighting, attendee, subject};
use crate::path::Drift;
use crate::place::IgnoredReason;
use crate::reject::{Fault, RejectReason};
use crate::source::RawEvent;

const PAGE: &[&str] = &["@odata.context", "@odata.deltaLink", "@odata.nextLink", "value"];
const EVENT: &[&str] = &[
    "@odata.context",
    "@odata.etag",
    "@odata.type",
    "@removed",
    "allowNewTimeProposals",
    "attendees",
    "body",
    "bodyPreview",
    "calendar",
    "cancelledOccurrences",
    "categories",
    "changeKey",
    "createdDateTime",
    "end",
    "exceptionOccurrences",
    "hasAttachments",
    "hideAttendees",
    "iCalUId",
    "id",
    "importance",
    "isAllDay",
    "isCancelled",
    "isDraft",
    "isOnlineMeeting",
    "isOrganizer",
    "isReminderOn",
    "lastModifiedDateTime",
    "location",
    "locations",
    "occurrenceId",
    "onlineMeeting",
    "onlineMeetingProvider",
    "onlineMeetingUrl",
    "organizer",
    "originalEndTimeZone",
    "originalStart",
    "originalStartTimeZone",
    "recurrence",
    "reminderMinutesBeforeStart",
    "responseRequested",
    "responseStatus",
    "sensitivity",
    "seriesMasterId",
    "showAs",
    "start",
    "subject",
    "transactionId",
    "type",
    "uid",
    "webLink",
];
const TIME: &[&str] = &["dateTime", "timeZone"];
const ATTENDEE: &[&str] = &["emailAddress", "proposedNewTime", "status", "type"];
const ADDRESS: &[&str] = &["address", "name"];

/// More than ingest puts into one record.
const ITEMS_MAX: usize = 250;
/// More than an event can have.
const ATTENDEES_MAX: usize = 1_000;

pub(crate) fn read(raw: RawEvent<'_>, drift: &mut Drift) -> Result<Vec<Entry>, Fault> {
    let body = json::read(raw.body)?;
    let root = Node::root(&body);
    if body.get("value").is_none() {
        return Ok(vec![entry(raw, 0, &root, drift)]);
    }
    let items = root.object(PAGE, drift)?.required("value")?.items(ITEMS_MAX)?;
    if items.is_empty() {
        return Ok(vec![Entry::Ignored(IgnoredReason::Empty)]);
    }
    Ok(items.iter().enumerate().map(|(item, node)| entry(raw, item, node, drift)).collect())
}

fn entry(raw: RawEvent<'_>, item: usize, node: &Node<'_>, drift: &mut Drift) -> Entry {
    event(raw, item, node, drift).unwrap_or_else(|fault| Entry::Reject(fault.at(Some(item))))
}

fn event(raw: RawEvent<'_>, item: usize, node: &Node<'_>, drift: &mut Drift) -> Result<Entry, Fault> {
    let event = node.object(EVENT, drift)?;
    let id = event.required("id")?.id()?;
    for flag in ["isAllDay", "isCancelled"] {
        event.optional(flag).map(|flag| flag.boolean()).transpose()?;
    }
    if is_series(node.value()) {
        return Ok(Entry::Ignored(IgnoredReason::Series));
    }
    let calendar = subject(raw).ok_or_else(|| {
        Fault::new(RejectReason::MissingField, "ce_subject", "is missing; nothing else says whose calendar it is")
    })?;
    let wish = takes_time(node.value()).then(|| wish(id, node, &event, drift)).transpose()?;
    Ok(Sighting { raw, item, path: node.path(), calendar, id }.entry(wish))
}

fn wish(id: &str, node: &Node<'_>, event: &Object<'_>, drift: &mut Drift) -> Result<Wish, Fault> {
    let mut tags = vec![Tag::derive(SYSTEM, id)];
    if event.optional("seriesMasterId").is_none()
        && let Some(uid) = event.optional("iCalUId")
    {
        tags.push(Tag::derive(ICAL, uid.id()?));
    }
    Ok(Wish {
        interval: times(event, drift)?,
        shown: None,
        attending: attending(event, drift)?,
        tags,
        mark: mark(node, drift),
    })
}

/// The booking of ours that an event shows, by the transaction that made it.
fn mark(node: &Node<'_>, drift: &mut Drift) -> Option<BookingId> {
    let mark = daybook_format::outlook::mark(node.value())?.parse().ok();
    if mark.is_none() {
        drift.note(&node.path().field("transactionId"));
    }
    mark
}

fn times(event: &Object<'_>, drift: &mut Drift) -> Result<Interval, Fault> {
    let (start, end) = (event.required("start")?, event.required("end")?);
    let all_day = event.optional("isAllDay").map_or(Ok(false), |flag| flag.boolean())?;
    let days = if all_day { Some(named_zone(&event.required("originalStartTimeZone")?)?) } else { None };
    interval(time(&start, days, drift)?, time(&end, days, drift)?, &end)
}

/// `days` is the zone of an all-day event.
fn time(node: &Node<'_>, days: Option<Tz>, drift: &mut Drift) -> Result<Timestamp, Fault> {
    let fields = node.object(TIME, drift)?;
    let field = fields.required("dateTime")?;
    let local: NaiveDateTime = field.text()?.parse().map_err(|_| {
        field.fault(
            RejectReason::InvalidTime,
            "is no local time such as 2026-03-04T09:00:00.0000000, with its zone beside it",
        )
    })?;
    let zone = match days {
        Some(zone) => zone,
        None => named_zone(&fields.required("timeZone")?)?,
    };
    zone::resolve(local, zone).ok_or_else(|| field.fault(RejectReason::InvalidTime, TimestampError::OutOfRange))
}

fn named_zone(field: &Node<'_>) -> Result<Tz, Fault> {
    let name = field.text()?;
    let problem =
        "is neither the IANA nor the Windows name of a time zone, such as Europe/Berlin or W. Europe Standard Time";
    zone::zone(name)
        .or_else(|| daybook_icalendar::zone::windows(name))
        .ok_or_else(|| field.fault(RejectReason::UnknownTimeZone, problem))
}

/// Those who attend, by their addresses.
fn attending(event: &Object<'_>, drift: &mut Drift) -> Result<Vec<Person>, Fault> {
    let Some(attendees) = event.optional("attendees") else { return Ok(Vec::new()) };
    let mut people = Vec::new();
    for node in attendees.items(ATTENDEES_MAX)? {
        let Some(address) = node.object(ATTENDEE, drift)?.optional("emailAddress") else { continue };
        let address = address.object(ADDRESS, drift)?.optional("address");
        people.extend(address.and_then(|address| attendee(&address, drift)));
    }
    Ok(people)
}
