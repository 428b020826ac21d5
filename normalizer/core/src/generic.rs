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
//! | `type` | string | all | see below |
//! | `id` | string, ≤ 512 | all | what your system calls the booking, or the busy time |
//! | `previous_id` | string, ≤ 512 | | on `booking.rescheduled`: what it was called before, if your ids change; else it is `id` |
//! | `version` | integer ≥ 0 | all: one of these two | your counter of this booking's states |
//! | `updated_at` | RFC 3339, with offset or `Z` | | your clock when you made this state |
//! | `resource` | string, ≤ 512 | created, observed | one of the resource's aliases for your source, e-mail addresses in any case. Only an alias: a resource id is none unless it was also entered as one |
//! | `start`, `end` | time | created, rescheduled, observed | from `start` up to, not including, `end`; at most 31 days; years 1970 to 9999 |
//! | `time_zone` | IANA name | with local times | the zone of local times; also kept for display |
//! | `title` | string, ≤ 1,000 | updated: one of these two | what people see |
//! | `attendees` | array, ≤ 100 | | `{name, email, phone}`, each with an `email` or a `phone`; a phone number is kept by E.164 if it has `+` and the code of its country, or if it reads as it is dialled in the resource's `region`; another one as it is |
//! | `promised` | boolean | | on `booking.created` and `booking.rescheduled`: whether your customer has been told that it is so; `true` if left out |
//! | `replacement_follows` | boolean | | on `booking.cancelled`: keep the slot for the `booking.rescheduled` that follows |
//! | `ical_uid` | string, ≤ 512 | | on created, rescheduled and observed, as are the next two: the iCalendar UID of the appointment |
//! | `external_ids` | `{system, id}`, or an array of ≤ 20 | | what the appointment is called in other systems, such as `{"system": "google", "id": "…"}` |
//! | `daybook_booking_id` | UUID | | the mark that Daybook left on the entry, where it wrote the entry itself |
//! | `system` | string, ≤ 512 | | on `busy.observed`: the system in which `id` is the appointment's id, such as `google` |
//!
//! | type | what it says |
//! |---|---|
//! | `booking.created` | the booking is to exist |
//! | `booking.rescheduled` | it is to be at another time, on another resource, or both |
//! | `booking.updated` | people are to see something else of it; its time stays |
//! | `booking.cancelled` | it is gone |
//! | `busy.observed` | a calendar shows this time as taken. It is not asked for and not refused: it blocks the resource |
//! | `busy.gone` | the calendar shows it no more |
//!
//! - *What people see*: a `booking.rescheduled` with neither `title` nor `attendees` leaves both as they were; with one of
//!   them it replaces both, and the zone for display with them. A `booking.updated` does that too, and needs one of them.
//!   Of a `busy.observed` nobody sees anything but the time: its `attendees` serve to tell whether it is an appointment
//!   that is known already, by pseudonym, and no name or title of it is kept.
//! - *An attendee who is the resource*, by one of its aliases for your source, is not an attendee.
//! - *Versions*: the higher `version` is the newer state, and where it is equal or left out, the later `updated_at`. The order
//!   of arrival means nothing. Send the same of the two with every event of a booking. A version is of the whole booking: an
//!   event that says a part of it and is overtaken by a newer one is out of date with all that it says. `booking.created`
//!   again, in full, is right in every order.
//! - *Times* are RFC 3339 with an offset or `Z`, or local, `YYYY-MM-DDTHH:MM[:SS]`, beside `time_zone`. A local time that occurs
//!   twice (clocks set back) is its first occurrence; one that does not occur (clocks set forward) is read with the
//!   offset before the change. A zone that is not known is refused, never guessed; Windows names are not known.
//! - *Without `resource`*, a `booking.rescheduled`, `booking.updated`, `booking.cancelled` or `busy.gone` is about every
//!   booking that is known under its id (or `previous_id`). If none is known, yet, it is tried again for a while and is a
//!   dead letter then.
//! - *Moves*: a `booking.rescheduled` that names another `resource` than the one that the booking is on moves it there: once
//!   it is granted there, the old time is given up; if it is refused there, the old time stands. Only a booking that is on
//!   one resource moves: where an id is on several at once, cancel it on one and create it on the other. Send `title` and
//!   `attendees` with a move: what people saw on the old resource does not come along.
//! - *Not promised*: a claim with `promised: false` can be refused for a rule of the resource, or because its time is over,
//!   and nobody has to be told. Without it the claim is taken for what your customer believes already.
//! - *One appointment, several systems*: the UID and the ids of other systems are how one that is booked here and also shown
//!   in a calendar is known for one. They are compared to the letter and kept as pseudonyms. Instances of a series share
//!   their UID: leave `ical_uid` out for them, and send the instance's own id. A `daybook_booking_id` that is none is counted
//!   and ignored.
//! - `null` is the same as leaving an optional field out. Fields that are not in the table are counted and ignored; a field
//!   that is in the table but not needed by the type is ignored too. A field twice in one object is refused.
//!
//! ```json
//! {"events": [
//!   {"type": "booking.rescheduled", "id": "4711", "version": 2,
//!    "start": "2026-03-05T10:00:00+01:00", "end": "2026-03-05T10:30:00+01:00"},
//!   {"type": "booking.updated", "id": "4711", "version": 3, "title": "Second consultation"},
//!   {"type": "booking.cancelled", "id": "4711", "version": 4}
//! ]}
//! ```
//!
//! ```json
//! {"events": [{
//!   "type": "busy.observed",
//!   "id": "7kb2",
//!   "system": "google",
//!   "updated_at": "2026-03-01T08:00:00Z",
//!   "resource": "Room 7",
//!   "start": "2026-03-04T13:00:00+01:00",
//!   "end": "2026-03-04T14:00:00+01:00",
//!   "ical_uid": "7kb2@google.com",
//!   "attendees": [{"email": "jane.doe@example.com"}]
//! }]}
//! ```

use chrono_tz::Tz;
use daybook_ask::zone;
use daybook_domain::{
    Basis, BookingId, CancelKind, Expected, Interval, SourceVersion, Tag, Timestamp, TimestampError, normal_alias,
};

use crate::contact;
use crate::draft::{Address, Ask, Draft, Entry, ICAL, Person, Place, Scope, Shown, Wish, interval};
use crate::json::{Node, Object};
use crate::path::Drift;
use crate::reject::{Fault, RejectReason};

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
    "promised",
    "replacement_follows",
    "ical_uid",
    "external_ids",
    "daybook_booking_id",
    "system",
];
const ATTENDEE: &[&str] = &["name", "email", "phone"];
const EXTERNAL_ID: &[&str] = &["system", "id"];

const EVENTS_MAX: usize = 100;
const ATTENDEES_MAX: usize = 100;
const EXTERNAL_IDS_MAX: usize = 20;

pub(crate) fn read(body: &Node<'_>, drift: &mut Drift) -> Result<Vec<Entry>, Fault> {
    let events = body.object(BODY, drift)?.required("events")?;
    let items = events.items(EVENTS_MAX)?;
    if items.is_empty() {
        return Err(events.fault(RejectReason::InvalidValue, "has no events; send at least one"));
    }
    let entry = |(item, node): (usize, &Node<'_>)| match event(item, node, drift) {
        Ok(draft) => Entry::Draft(Box::new(draft)),
        Err(fault) => Entry::Reject(fault.at(Some(item))),
    };
    Ok(items.iter().enumerate().map(entry).collect())
}

fn event(item: usize, node: &Node<'_>, drift: &mut Drift) -> Result<Draft, Fault> {
    let event = node.object(EVENT, drift)?;
    let kind = event.required("type")?;
    let identity = event.required("id")?.id()?.to_owned();
    let (version, sourced_at) = version(&event)?;
    let (resource, basis, ask) = match kind.text()? {
        "booking.created" => {
            let resource = event.required("resource")?;
            let wish = Wish { shown: Some(shown(&event, drift)?), ..claim(&event, drift)? };
            (Some(resource), basis(&event)?, Ask::Book(wish))
        }
        "booking.rescheduled" => {
            let previous = event.optional("previous_id").map(|id| id.id().map(str::to_owned)).transpose()?;
            let previous = previous.unwrap_or_else(|| identity.clone());
            let shown = shows(&event).then(|| shown(&event, drift)).transpose()?;
            let wish = Wish { shown, ..claim(&event, drift)? };
            (event.optional("resource"), basis(&event)?, Ask::Reschedule { previous, wish })
        }
        "booking.updated" => {
            if !shows(&event) {
                let problem = "title and attendees are both missing; one of them must say what people are to see";
                return Err(Fault::new(RejectReason::MissingField, event.path().field("title"), problem));
            }
            (event.optional("resource"), Basis::Promised, Ask::Update(shown(&event, drift)?))
        }
        "booking.cancelled" => {
            let follows = event.optional("replacement_follows").map_or(Ok(false), |follows| follows.boolean())?;
            let kind = if follows { CancelKind::AwaitingReplacement } else { CancelKind::Plain };
            let interval = former_times(&event)?;
            (event.optional("resource"), Basis::Promised, Ask::Cancel { interval, kind })
        }
        "busy.observed" => {
            let resource = event.required("resource")?;
            let mut wish = Wish { attending: people(&event, drift)?, ..claim(&event, drift)? };
            if let Some(system) = event.optional("system") {
                wish.tags.push(Tag::derive(system.id()?, &identity));
            }
            (Some(resource), Basis::Promised, Ask::Observe(wish))
        }
        "busy.gone" => {
            let interval = former_times(&event)?;
            (event.optional("resource"), Basis::Promised, Ask::Cancel { interval, kind: CancelKind::Plain })
        }
        _ => {
            let problem = "must be booking.created, booking.rescheduled, booking.updated, booking.cancelled, \
                           busy.observed or busy.gone";
            return Err(kind.fault(RejectReason::UnknownEventType, problem));
        }
    };
    let place = |resource: Node<'_>| {
        let path = resource.path().clone();
        Ok(Place { item, path, resource: None, aliases: vec![normal_alias(resource.id()?)] })
    };
    Ok(Draft {
        item,
        path: node.path().clone(),
        identity,
        version,
        sourced_at,
        places: resource.map(place).into_iter().collect::<Result<_, _>>()?,
        scope: Scope::Named,
        basis,
        expected: Expected::default(),
        digest: None,
        booking_id: None,
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

/// What created, rescheduled and observed have in common.
fn claim(event: &Object<'_>, drift: &mut Drift) -> Result<Wish, Fault> {
    Ok(Wish {
        interval: times(&event.required("start")?, &event.required("end")?, time_zone(event)?)?,
        shown: None,
        attending: Vec::new(),
        tags: tags(event, drift)?,
        mark: mark(event, drift),
    })
}

fn basis(event: &Object<'_>) -> Result<Basis, Fault> {
    let promised = event.optional("promised").map_or(Ok(true), |promised| promised.boolean())?;
    Ok(if promised { Basis::Promised } else { Basis::Asked })
}

/// Whether it says what people are to see.
fn shows(event: &Object<'_>) -> bool {
    event.optional("title").is_some() || event.optional("attendees").is_some()
}

fn shown(event: &Object<'_>, drift: &mut Drift) -> Result<Shown, Fault> {
    Ok(Shown {
        title: event.optional("title").map_or(Ok(None), |title| title.label())?,
        people: people(event, drift)?,
        time_zone: time_zone(event)?.map(|zone| zone.name().to_owned()),
    })
}

fn tags(event: &Object<'_>, drift: &mut Drift) -> Result<Vec<Tag>, Fault> {
    let mut tags = Vec::new();
    if let Some(uid) = event.optional("ical_uid") {
        tags.push(Tag::derive(ICAL, uid.id()?));
    }
    if let Some(ids) = event.optional("external_ids") {
        for node in ids.items_or_one(EXTERNAL_IDS_MAX)? {
            let entry = node.object(EXTERNAL_ID, drift)?;
            let (system, id) = (entry.required("system")?, entry.required("id")?);
            tags.push(Tag::derive(system.id()?, id.id()?));
        }
    }
    Ok(tags)
}

/// Whatever a calendar made of our mark, the time that bears it is taken.
fn mark(event: &Object<'_>, drift: &mut Drift) -> Option<BookingId> {
    let field = event.optional("daybook_booking_id")?;
    let mark = field.text().ok().and_then(|text| text.parse().ok());
    if mark.is_none() {
        drift.note(field.path());
    }
    mark
}

/// When what is gone was, if the event says so.
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
    let address = Address::of(email, phone).ok_or_else(|| {
        attendee.fault(RejectReason::MissingField, "email and phone are both missing; one of them must say who it is")
    })?;
    Ok(Person { name: fields.optional("name").map_or(Ok(None), |name| name.label())?, address })
}
