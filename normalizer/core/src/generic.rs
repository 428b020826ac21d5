//! The generic format: JSON for every system that has no reader of its own here. This page is its definition.
//!
//! A body is `{"events": [ … ]}` with 1 to 100 events, delivered to `POST /webhooks/<source>` and signed by Standard
//! Webhooks, or produced to `raw.<source>`. Each event is judged on its own: a bad one becomes a dead letter, and the
//! others pass.
//!
//! ```json
//! {"events": [{
//!   "type": "booking.created",
//!   "id": "4711",
//!   "version": 1,
//!   "updated_at": "2026-03-01T08:00:00Z",
//!   "resource": "Room 7",
//!   "start": "2026-03-04T09:00",
//!   "end": "2026-03-04T09:30",
//!   "time_zone": "Europe/Berlin",
//!   "title": "First consultation",
//!   "attendees": [{"name": "Jane Doe", "email": "jane.doe@example.com", "phone": "+1 555 010 0199"}]
//! }]}
//! ```
//!
//! | field | type | needed by | meaning |
//! |---|---|---|---|
//! | `type` | string | all | `booking.created`, `booking.rescheduled` or `booking.cancelled` |
//! | `id` | string, ≤ 512 | all | what your system calls the booking |
//! | `previous_id` | string, ≤ 512 | | on `booking.rescheduled`: what it was called before, if your ids change; else it is `id` |
//! | `version` | integer ≥ 0 | all: one of these two | your counter of this booking's states |
//! | `updated_at` | RFC 3339, with offset or `Z` | | your clock when you made this state |
//! | `resource` | string, ≤ 512 | created | one of the resource's aliases for your source, e-mail addresses in any case. Only an alias: a resource id is none unless it was also entered as one |
//! | `start`, `end` | time | created, rescheduled | from `start` up to, not including, `end`; at most 31 days; years 1970 to 9999 |
//! | `time_zone` | IANA name | with local times | the zone of local times; also kept for display |
//! | `title` | string, ≤ 1,000 | | what people see |
//! | `attendees` | array, ≤ 100 | | `{name, email, phone}`, each with an `email` or a `phone` |
//! | `replacement_follows` | boolean | | on `booking.cancelled`: keep the slot for the `booking.rescheduled` that follows |
//!
//! - *What people see*: a `booking.rescheduled` with neither `title` nor `attendees` leaves both as they were; with one of
//!   them it replaces both.
//! - *Versions*: the higher `version` is the newer state, and where it is equal or left out, the later `updated_at`. The order
//!   of arrival means nothing. Send the same of the two with every event of a booking.
//! - *Times* are RFC 3339 with an offset or `Z`, or local, `YYYY-MM-DDTHH:MM[:SS]`, beside `time_zone`. A local time that occurs
//!   twice (clocks set back) is its first occurrence; one that does not occur (clocks set forward) is read with the
//!   offset before the change. A zone that is not known is refused, never guessed; Windows names are not known.
//! - *Without `resource`*, a `booking.rescheduled` or `booking.cancelled` is about every booking that is known under its id
//!   (or `previous_id`). If none is known, yet, it is tried again for a while and is a dead letter then.
//! - `null` is the same as leaving an optional field out. Fields that are not in the table are counted and ignored; a field
//!   that is in the table but not needed by the type is ignored too. A field twice in one object is refused.
//!
//! ```json
//! {"events": [
//!   {"type": "booking.rescheduled", "id": "4711", "version": 2,
//!    "start": "2026-03-05T10:00:00+01:00", "end": "2026-03-05T10:30:00+01:00"},
//!   {"type": "booking.cancelled", "id": "4711", "version": 3}
//! ]}
//! ```

use chrono_tz::Tz;
use daybook_domain::{CancelKind, Interval, SourceVersion, Timestamp, TimestampError};

use crate::contact;
use crate::draft::{Address, Ask, Draft, Entry, Person, Place, Scope, Wish, interval};
use crate::json::{Node, Object};
use crate::path::Drift;
use crate::place::normal_alias;
use crate::reject::{Fault, RejectReason};
use crate::zone;

const BODY: &[&str] = &["events"];
const EVENT: &[&str] = &[
    "type",
    "id",
    "previous_id",
    "version",
    "updated_at",
    "resource",
    "start",
    "end",
    "time_zone",
    "title",
    "attendees",
    "replacement_follows",
];
const ATTENDEE: &[&str] = &["name", "email", "phone"];

const EVENTS_MAX: usize = 100;
const ATTENDEES_MAX: usize = 100;

pub(crate) fn read(body: &Node<'_>, drift: &mut Drift) -> Result<Vec<Entry>, Fault> {
    let events = body.object(BODY, drift)?.required("events")?;
    let items = events.items(EVENTS_MAX)?;
    if items.is_empty() {
        return Err(events.fault(RejectReason::InvalidValue, "has no events; send at least one"));
    }
    let entry = |(item, node): (usize, &Node<'_>)| match event(item, node, drift) {
        Ok(draft) => Entry::Draft(draft),
        Err(fault) => Entry::Reject(fault.at(Some(item))),
    };
    Ok(items.iter().enumerate().map(entry).collect())
}

fn event(item: usize, node: &Node<'_>, drift: &mut Drift) -> Result<Draft, Fault> {
    let event = node.object(EVENT, drift)?;
    let kind = event.required("type")?;
    let identity = event.required("id")?.id()?.to_owned();
    let (version, sourced_at) = version(&event)?;
    let (resource, ask) = match kind.text()? {
        "booking.created" => {
            let resource = event.required("resource")?;
            (Some(resource), Ask::Book(wish(&event, drift)?))
        }
        "booking.rescheduled" => {
            let previous = event.optional("previous_id").map(|id| id.id().map(str::to_owned)).transpose()?;
            let previous = previous.unwrap_or_else(|| identity.clone());
            let shows = event.optional("title").is_some() || event.optional("attendees").is_some();
            let wish = Wish { shows, ..wish(&event, drift)? };
            (event.optional("resource"), Ask::Reschedule { previous, wish })
        }
        "booking.cancelled" => {
            let follows = event.optional("replacement_follows").map_or(Ok(false), |follows| follows.boolean())?;
            let kind = if follows { CancelKind::AwaitingReplacement } else { CancelKind::Plain };
            (event.optional("resource"), Ask::Cancel { interval: former_times(&event)?, kind })
        }
        _ => {
            let problem = "must be booking.created, booking.rescheduled or booking.cancelled";
            return Err(kind.fault(RejectReason::UnknownEventType, problem));
        }
    };
    let place = |resource: Node<'_>| {
        Ok(Place { item, path: resource.path().clone(), aliases: vec![normal_alias(resource.id()?)] })
    };
    Ok(Draft {
        item,
        path: node.path().clone(),
        identity,
        version,
        sourced_at,
        places: resource.map(place).into_iter().collect::<Result<_, _>>()?,
        scope: Scope::Named,
        ask,
    })
}

fn version(event: &Object<'_>) -> Result<(SourceVersion, Option<Timestamp>), Fault> {
    let sequence = event.optional("version").map(|version| version.count()).transpose()?;
    let updated_at = event.optional("updated_at").map(|time| time.time()).transpose()?;
    if sequence.is_none() && updated_at.is_none() {
        let problem = "version and updated_at are both missing; one of them must say which state is the newer";
        return Err(Fault::new(RejectReason::MissingField, event.path().field("version"), problem));
    }
    let version = SourceVersion { sequence: sequence.unwrap_or(0), updated_at: updated_at.unwrap_or(Timestamp::EPOCH) };
    Ok((version, updated_at))
}

fn wish(event: &Object<'_>, drift: &mut Drift) -> Result<Wish, Fault> {
    let time_zone = time_zone(event)?;
    Ok(Wish {
        interval: times(&event.required("start")?, &event.required("end")?, time_zone)?,
        title: event.optional("title").map_or(Ok(None), |title| title.label())?,
        people: people(event, drift)?,
        time_zone: time_zone.map(|zone| zone.name().to_owned()),
        shows: true,
    })
}

/// When a cancelled booking was, if the event says so.
fn former_times(event: &Object<'_>) -> Result<Option<Interval>, Fault> {
    if event.optional("start").is_none() && event.optional("end").is_none() {
        return Ok(None);
    }
    times(&event.required("start")?, &event.required("end")?, time_zone(event)?).map(Some)
}

fn time_zone(event: &Object<'_>) -> Result<Option<Tz>, Fault> {
    let Some(field) = event.optional("time_zone") else { return Ok(None) };
    let problem = "is not the IANA name of a time zone, such as Europe/Berlin";
    zone::zone(field.text()?).map(Some).ok_or_else(|| field.fault(RejectReason::UnknownTimeZone, problem))
}

fn times(start: &Node<'_>, end: &Node<'_>, time_zone: Option<Tz>) -> Result<Interval, Fault> {
    interval(time(start, time_zone)?, time(end, time_zone)?, end)
}

fn time(node: &Node<'_>, time_zone: Option<Tz>) -> Result<Timestamp, Fault> {
    let text = node.text()?;
    let fault = |problem: &dyn std::fmt::Display| node.fault(RejectReason::InvalidTime, problem);
    match (zone::local(text), time_zone) {
        (Some(local), Some(time_zone)) => {
            zone::resolve(local, time_zone).ok_or_else(|| fault(&TimestampError::OutOfRange))
        }
        (Some(_), None) => Err(fault(&"is a local time, and time_zone is missing; add it, or an offset or Z")),
        (None, _) => text.parse().map_err(|error| match error {
            TimestampError::OutOfRange => fault(&error),
            TimestampError::NotRfc3339 => fault(
                &"is neither RFC 3339 with an offset or Z, such as 2026-03-04T09:00:00Z, \
                  nor a local time, such as 2026-03-04T09:00",
            ),
        }),
    }
}

fn people(event: &Object<'_>, drift: &mut Drift) -> Result<Vec<Person>, Fault> {
    let Some(attendees) = event.optional("attendees") else { return Ok(Vec::new()) };
    attendees.items(ATTENDEES_MAX)?.iter().map(|attendee| person(attendee, drift)).collect()
}

fn person(attendee: &Node<'_>, drift: &mut Drift) -> Result<Person, Fault> {
    let fields = attendee.object(ATTENDEE, drift)?;
    let email = fields.optional("email").map(|email| contact::email(&email)).transpose()?;
    let phone = fields.optional("phone").map(|phone| contact::phone(&phone)).transpose()?;
    let address = match (email, phone) {
        (Some(email), phone) => Address::Email { email, phone },
        (None, Some(phone)) => Address::Phone(phone),
        (None, None) => {
            let problem = "email and phone are both missing; one of them must say who it is";
            return Err(attendee.fault(RejectReason::MissingField, problem));
        }
    };
    Ok(Person { name: fields.optional("name").map_or(Ok(None), |name| name.label())?, address })
}
