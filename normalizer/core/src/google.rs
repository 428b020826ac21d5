//! Google Calendar: events of a calendar that is observed, as `events.list` and `events.get` of its API (version 3) write
//! them. Ingest reads the calendars and sends what has changed, a page at a time; what it says of an event is as of when
//! it asked.
//!
//! - `ce_subject` is the calendar, by the id that is also its alias. Without it (`daybook explain`), it is whoever is marked
//!   as `self`. One event is in many calendars under one id: here it is called by both, as `<calendar>/<event>`.
//! - An event that takes the owner's time is observed; one that does not, or not any more, is no longer. See
//!   [`daybook_format::google::takes_time`].
//! - A time's offset need not be that of its `timeZone`: the instant counts. All-day events are days in the zone of the
//!   calendar, the page's `timeZone`; without one they are refused.
//! - The rule of a series is passed over: Google expands it, and the instances come on their own, each with its own id.
//! - What tells appointments apart across systems: the event's id, of the system `google`, as Calendly names it too; the
//!   iCalendar UID, which the instances of a series share, so not theirs; the addresses of those who attend.
//!
//! Titles, descriptions and places are not read, and not even fetched: an observed event is nobody's to show.
//!
//! Known limit: an event that is longer than 31 days is refused.

use chrono::NaiveDate;
use chrono_tz::Tz;
use daybook_ask::zone;
use daybook_domain::{BookingId, Interval, Tag, Timestamp, TimestampError};
use daybook_format::google::{MARK, SYSTEM, is_series, takes_time};

use crate::draft::{Entry, ICAL, Person, Wish, interval};
use crate::json::{self, Node, Object};
use crate::observed::{Sighting, attendee, subject};
use crate::path::{Drift, Path};
use crate::place::IgnoredReason;
use crate::reject::{Fault, RejectReason};
use crate::source::RawEvent;

const PAGE: &[&str] = &[
    "accessRole",
    "defaultReminders",
    "description",
    "etag",
    "items",
    "kind",
    "nextPageToken",
    "nextSyncToken",
    "summary",
    "timeZone",
    "updated",
];
const EVENT: &[&str] = &[
    "anyoneCanAddSelf",
    "attachments",
    "attendees",
    "attendeesOmitted",
    "birthdayProperties",
    "colorId",
    "conferenceData",
    "created",
    "creator",
    "description",
    "end",
    "endTimeUnspecified",
    "etag",
    "eventType",
    "extendedProperties",
    "focusTimeProperties",
    "gadget",
    "guestsCanInviteOthers",
    "guestsCanModify",
    "guestsCanSeeOtherGuests",
    "hangoutLink",
    "htmlLink",
    "iCalUID",
    "id",
    "kind",
    "location",
    "locked",
    "organizer",
    "originalStartTime",
    "outOfOfficeProperties",
    "privateCopy",
    "recurrence",
    "recurringEventId",
    "reminders",
    "sequence",
    "source",
    "start",
    "status",
    "summary",
    "transparency",
    "updated",
    "visibility",
    "workingLocationProperties",
];
const TIME: &[&str] = &["date", "dateTime", "timeZone"];
const PERSON: &[&str] = &[
    "additionalGuests",
    "comment",
    "displayName",
    "email",
    "id",
    "optional",
    "organizer",
    "resource",
    "responseStatus",
    "self",
];
const PROPERTIES: &[&str] = &["private", "shared"];
const PRIVATE: &[&str] = &[MARK];

/// More than ingest puts into one record.
const ITEMS_MAX: usize = 250;
/// More than an event can have.
const ATTENDEES_MAX: usize = 1_000;

pub(crate) fn read(raw: RawEvent<'_>, drift: &mut Drift) -> Result<Vec<Entry>, Fault> {
    let body = json::read(raw.body)?;
    let root = Node::root(&body);
    let reader = Reader { raw, zone: None };
    if body.get("items").is_none() {
        return Ok(vec![reader.entry(0, &root, drift)]);
    }
    let page = root.object(PAGE, drift)?;
    is_kind(&page, "calendar#events")?;
    let reader = Reader { zone: page.optional("timeZone"), ..reader };
    let items = page.required("items")?.items(ITEMS_MAX)?;
    if items.is_empty() {
        return Ok(vec![Entry::Ignored(IgnoredReason::Empty)]);
    }
    Ok(items.iter().enumerate().map(|(item, event)| reader.entry(item, event, drift)).collect())
}

/// Everything that Google answers says what it is; it may be left out.
fn is_kind(object: &Object<'_>, wanted: &'static str) -> Result<(), Fault> {
    match object.optional("kind") {
        Some(kind) if kind.text()? != wanted => {
            Err(kind.fault(RejectReason::InvalidValue, format_args!("is not {wanted}, and nothing else is read here")))
        }
        Some(_) | None => Ok(()),
    }
}

struct Reader<'a> {
    raw: RawEvent<'a>,
    /// Where the zone of the calendar is.
    zone: Option<Node<'a>>,
}

impl Reader<'_> {
    fn entry(&self, item: usize, node: &Node<'_>, drift: &mut Drift) -> Entry {
        self.event(item, node, drift).unwrap_or_else(|fault| Entry::Reject(fault.at(Some(item))))
    }

    fn event(&self, item: usize, node: &Node<'_>, drift: &mut Drift) -> Result<Entry, Fault> {
        let event = node.object(EVENT, drift)?;
        is_kind(&event, "calendar#event")?;
        let id = event.required("id")?.id()?;
        if let Some(status) = event.optional("status") {
            status.text()?;
        }
        if is_series(node.value()) {
            return Ok(Entry::Ignored(IgnoredReason::Series));
        }
        let calendar = self.calendar(&event, drift)?;
        let wish = takes_time(node.value()).then(|| self.wish(id, &event, drift)).transpose()?;
        Ok(Sighting { raw: self.raw, item, path: node.path(), calendar, id }.entry(wish))
    }

    /// Whose calendar it is, and where that is said.
    fn calendar(&self, event: &Object<'_>, drift: &mut Drift) -> Result<(String, Path), Fault> {
        if let Some(calendar) = subject(self.raw) {
            return Ok(calendar);
        }
        let mut people: Vec<Node<'_>> = event.optional("organizer").into_iter().collect();
        if let Some(attendees) = event.optional("attendees") {
            people.extend(attendees.items(ATTENDEES_MAX)?);
        }
        for person in people {
            let fields = person.object(PERSON, drift)?;
            let own = fields.optional("self").map_or(Ok(false), |own| own.boolean())?;
            if let Some(email) = fields.optional("email").filter(|_| own) {
                return Ok((email.id()?.to_owned(), email.path().clone()));
            }
        }
        let problem = "is missing and says whose calendar it is, since nobody in the event is marked as self";
        Err(Fault::new(RejectReason::MissingField, "ce_subject", problem))
    }

    fn wish(&self, id: &str, event: &Object<'_>, drift: &mut Drift) -> Result<Wish, Fault> {
        let end = event.required("end")?;
        let mut tags = vec![Tag::derive(SYSTEM, id)];
        if event.optional("recurringEventId").is_none()
            && let Some(uid) = event.optional("iCalUID")
        {
            tags.push(Tag::derive(ICAL, uid.id()?));
        }
        Ok(Wish {
            interval: self.times(&event.required("start")?, &end, drift)?,
            shown: None,
            attending: attending(event, drift)?,
            tags,
            mark: mark(event, drift),
        })
    }

    fn times(&self, start: &Node<'_>, end: &Node<'_>, drift: &mut Drift) -> Result<Interval, Fault> {
        interval(self.time(start, drift)?, self.time(end, drift)?, end)
    }

    fn time(&self, node: &Node<'_>, drift: &mut Drift) -> Result<Timestamp, Fault> {
        let fields = node.object(TIME, drift)?;
        if let Some(instant) = fields.optional("dateTime") {
            return instant.time();
        }
        let field = fields.required("date")?;
        let date: NaiveDate = field
            .text()?
            .parse()
            .map_err(|_| field.fault(RejectReason::InvalidTime, "is no date such as 2026-03-04"))?;
        let midnight = date.and_hms_opt(0, 0, 0).expect("every day has a midnight on paper");
        zone::resolve(midnight, self.calendar_zone()?)
            .ok_or_else(|| field.fault(RejectReason::InvalidTime, TimestampError::OutOfRange))
    }

    fn calendar_zone(&self) -> Result<Tz, Fault> {
        let Some(field) = &self.zone else {
            let problem =
                "is missing; without the calendar's zone nobody knows when the days of an all-day event begin";
            return Err(Fault::new(RejectReason::UnknownTimeZone, "timeZone", problem));
        };
        let problem = "is not the IANA name of a time zone, such as Europe/Berlin";
        zone::zone(field.text()?).ok_or_else(|| field.fault(RejectReason::UnknownTimeZone, problem))
    }
}

/// Those who attend, by their addresses.
fn attending(event: &Object<'_>, drift: &mut Drift) -> Result<Vec<Person>, Fault> {
    let Some(attendees) = event.optional("attendees") else { return Ok(Vec::new()) };
    let mut people = Vec::new();
    for node in attendees.items(ATTENDEES_MAX)? {
        let email = node.object(PERSON, drift)?.optional("email");
        people.extend(email.and_then(|email| attendee(&email, drift)));
    }
    Ok(people)
}

/// Whatever a calendar made of our mark, the time that bears it is taken.
fn mark(event: &Object<'_>, drift: &mut Drift) -> Option<BookingId> {
    let properties = event.optional("extendedProperties")?.object(PROPERTIES, drift).ok()?;
    // Other programs have properties of their own here, which are none of our business.
    let field = properties.optional("private")?.object(PRIVATE, &mut Drift::default()).ok()?.optional(MARK)?;
    let mark = field.text().ok().and_then(|text| text.parse().ok());
    if mark.is_none() {
        drift.note(field.path());
    }
    mark
}
