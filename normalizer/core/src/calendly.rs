//! Calendly: `invitee.created` and `invitee.canceled` of its webhooks. Other types are passed over.
//!
//! What a payload is (Calendly's developer documentation, and what its webhooks were seen to send):
//! - The envelope is `{event, created_at, created_by, payload}`, and the payload is one *invitee*. Its `uri` is the
//!   booking's identity; `updated_at` is its version. The envelope's `created_at` is neither: it can be days later.
//! - `scheduled_event.event_memberships[]` are the hosts: one request for each, so that a collective event takes the time
//!   of all of them. A host is found by its user URI, else by its e-mail address.
//! - A reschedule is two deliveries in either order: `invitee.canceled` with `rescheduled: true` for the old invitee,
//!   which is to keep its slot until the other half is decided, and `invitee.created` with `old_invitee` for the new one.
//!   Its hosts are all that the booking is to have: one who is not among them any more has been replaced, and where more
//!   were than came in their place, the cancelling half ends the rest.
//! - A cancellation is about one invitee, never about the event: cancelling one guest of a group event leaves the other
//!   guests' bookings alone. It reaches every host, also one whose alias is gone, through the bookings that are known.
//! - An invitee whose `status` is `canceled` is cancelled, whatever the type of its event: what is delivered late may tell
//!   of a state that is later than its occasion.
//!
//! `scheduled_event.calendar_event` is the entry that Calendly wrote into a host's calendar: `{kind, external_id}`, by
//! which the same appointment is known again where that calendar is observed.
//!
//! Display fields never cost a booking its slot: a time zone or a reminder number that does not read is left out and
//! counted as drift. Neither does a `calendar_event` that does not read.
//!
//! Known limits. A group event puts several invitees into one slot of one host, and each is a booking of its own here: with
//! a capacity of one, every invitee after the first conflicts. The shape of before 2023, without `scheduled_event`, names
//! neither hosts nor times: ingest fetches its event, if it may ask the API, and what it makes of that is read here; without that it
//! is a dead letter. Its cancellations work, because their bookings are known.

use daybook_ask::zone::zone;
use daybook_domain::{Basis, CancelKind, Expected, Interval, SourceVersion, Tag};

use crate::contact;
use crate::draft::{Address, Ask, Draft, Entry, Person, Place, Scope, Shown, Wish, interval};
use crate::json::{Node, Object};
use crate::path::Drift;
use crate::place::IgnoredReason;
use crate::reject::{Fault, RejectReason};

const ENVELOPE: &[&str] = &["event", "created_at", "created_by", "payload"];
const INVITEE: &[&str] = &[
    "cancel_url",
    "cancellation",
    "created_at",
    "email",
    "event",
    "first_name",
    "invitee_scheduled_by",
    "last_name",
    "name",
    "new_invitee",
    "no_show",
    "old_invitee",
    "payment",
    "questions_and_answers",
    "reconfirmation",
    "reschedule_url",
    "rescheduled",
    "routing_form_submission",
    "scheduled_event",
    "scheduling_method",
    "status",
    "text_reminder_number",
    "timezone",
    "tracking",
    "updated_at",
    "uri",
];
const SCHEDULED_EVENT: &[&str] = &[
    "calendar_event",
    "cancellation",
    "created_at",
    "end_time",
    "event_guests",
    "event_memberships",
    "event_type",
    "invitees_counter",
    "location",
    "meeting_notes_html",
    "meeting_notes_plain",
    "name",
    "start_time",
    "status",
    "updated_at",
    "uri",
];
const CALENDAR_EVENT: &[&str] = &["external_id", "kind"];
const MEMBERSHIP: &[&str] = &["user", "user_email", "user_name", "buffered_start_time", "buffered_end_time"];
const GUEST: &[&str] = &["email", "created_at", "updated_at"];

/// More hosts than any event type has.
const HOSTS_MAX: usize = 100;
/// More guests than Calendly lets an invitee add.
const GUESTS_MAX: usize = 99;

pub(crate) fn read(body: &Node<'_>, drift: &mut Drift) -> Result<Vec<Entry>, Fault> {
    let envelope = body.object(ENVELOPE, drift)?;
    let occasion = match envelope.required("event")?.text()? {
        "invitee.created" => Occasion::Created,
        "invitee.canceled" => Occasion::Cancelled,
        _ => return Ok(vec![Entry::Ignored(IgnoredReason::EventType)]),
    };
    let invitee = envelope.required("payload")?.object(INVITEE, drift)?;
    let cancelled = match invitee.optional("status") {
        Some(status) => status.text()? == "canceled",
        None => false,
    };
    match occasion {
        Occasion::Created if !cancelled => created(&invitee, drift),
        Occasion::Created | Occasion::Cancelled => canceled(&invitee, drift),
    }
}

enum Occasion {
    Created,
    Cancelled,
}

fn created(invitee: &Object<'_>, drift: &mut Drift) -> Result<Vec<Entry>, Fault> {
    let event = invitee.required("scheduled_event")?.object(SCHEDULED_EVENT, drift)?;
    let members = event.required("event_memberships")?;
    let hosts = Hosts::read(&members, drift)?;
    if hosts.places.is_empty() && hosts.faulty.is_empty() {
        return Err(members.fault(RejectReason::InvalidValue, "names no host; whose time is it?"));
    }
    let wish = Wish {
        interval: times(&event)?,
        shown: Some(Shown {
            title: event.optional("name").map_or(Ok(None), |name| name.label())?,
            people: people(invitee, &event, drift)?,
            time_zone: time_zone(invitee, drift)?,
        }),
        attending: Vec::new(),
        tags: calendar_entry(&event, drift).into_iter().collect(),
        mark: None,
    };
    let ask = match invitee.optional("old_invitee") {
        Some(previous) => Ask::Reschedule { previous: previous.id()?.to_owned(), wish },
        None => Ask::Book(wish),
    };
    entries(invitee, hosts, Scope::Whole, ask)
}

fn canceled(invitee: &Object<'_>, drift: &mut Drift) -> Result<Vec<Entry>, Fault> {
    let event = invitee.optional("scheduled_event").map(|event| event.object(SCHEDULED_EVENT, drift)).transpose()?;
    let interval = event.as_ref().map(times).transpose()?;
    let hosts = match event.as_ref().and_then(|event| event.optional("event_memberships")) {
        Some(members) => Hosts::read(&members, drift)?,
        None => Hosts::default(),
    };
    let replaced = invitee.optional("rescheduled").map_or(Ok(false), |rescheduled| rescheduled.boolean())?;
    let kind = if replaced { CancelKind::AwaitingReplacement } else { CancelKind::Plain };
    entries(invitee, hosts, Scope::Everywhere, Ask::Cancel { interval, kind })
}

fn entries(invitee: &Object<'_>, hosts: Hosts, scope: Scope, ask: Ask) -> Result<Vec<Entry>, Fault> {
    let updated_at = invitee.required("updated_at")?.time()?;
    let draft = Draft {
        item: 0,
        path: invitee.path().clone(),
        identity: invitee.required("uri")?.id()?.to_owned(),
        version: SourceVersion { sequence: 0, updated_at },
        sourced_at: Some(updated_at),
        places: hosts.places,
        scope,
        basis: Basis::Promised,
        expected: Expected::default(),
        digest: None,
        booking_id: None,
        ask,
    };
    // Where every host is faulty, what remains names no place and would wait for a booking that nobody makes.
    let placeable = !draft.places.is_empty() || hosts.faulty.is_empty() || scope == Scope::Everywhere;
    Ok(hosts.faulty.into_iter().chain(placeable.then(|| Entry::Draft(Box::new(draft)))).collect())
}

/// The hosts of an event: those that read, and a reject for each that does not.
#[derive(Default)]
struct Hosts {
    places: Vec<Place>,
    faulty: Vec<Entry>,
}

impl Hosts {
    fn read(members: &Node<'_>, drift: &mut Drift) -> Result<Self, Fault> {
        let mut hosts = Self::default();
        for (item, member) in members.items(HOSTS_MAX)?.into_iter().enumerate() {
            match aliases(&member, drift) {
                Ok(aliases) => {
                    hosts.places.push(Place { item, path: member.path().clone(), resource: None, aliases });
                }
                Err(fault) => hosts.faulty.push(Entry::Reject(fault.at(Some(item)))),
            }
        }
        Ok(hosts)
    }
}

fn aliases(member: &Node<'_>, drift: &mut Drift) -> Result<Vec<String>, Fault> {
    let fields = member.object(MEMBERSHIP, drift)?;
    let user = fields.optional("user").map(|user| user.id().map(str::to_owned)).transpose()?;
    let email = fields.optional("user_email").map(|email| contact::email(&email)).transpose()?;
    let aliases: Vec<String> = user.into_iter().chain(email).collect();
    if aliases.is_empty() {
        return Err(member.fault(RejectReason::MissingField, "names no host: user and user_email are both missing"));
    }
    Ok(aliases)
}

fn times(event: &Object<'_>) -> Result<Interval, Fault> {
    let (start, end) = (event.required("start_time")?, event.required("end_time")?);
    interval(start.time()?, end.time()?, &end)
}

/// The entry that Calendly wrote into a host's calendar.
fn calendar_entry(event: &Object<'_>, drift: &mut Drift) -> Option<Tag> {
    let field = event.optional("calendar_event")?;
    let entry = field.object(CALENDAR_EVENT, drift).ok();
    let part = |name| entry.as_ref()?.optional(name)?.id().ok();
    let tag = part("kind").zip(part("external_id")).map(|(kind, id)| Tag::derive(kind, id));
    if tag.is_none() {
        drift.note(field.path());
    }
    tag
}

fn people(invitee: &Object<'_>, event: &Object<'_>, drift: &mut Drift) -> Result<Vec<Person>, Fault> {
    let address =
        Address::Email { email: contact::email(&invitee.required("email")?)?, phone: reminder_number(invitee, drift)? };
    let mut people = vec![Person { name: name(invitee)?, address }];
    if let Some(guests) = event.optional("event_guests") {
        for guest in guests.items(GUESTS_MAX)? {
            let email = contact::email(&guest.object(GUEST, drift)?.required("email")?)?;
            people.push(Person { name: None, address: Address::Email { email, phone: None } });
        }
    }
    Ok(people)
}

/// `name`, or what a form asked for in two fields.
fn name(invitee: &Object<'_>) -> Result<Option<String>, Fault> {
    let part = |field| invitee.optional(field).map_or(Ok(None), |part: Node<'_>| part.label());
    if let Some(name) = part("name")? {
        return Ok(Some(name));
    }
    let parts: Vec<String> = part("first_name")?.into_iter().chain(part("last_name")?).collect();
    Ok(if parts.is_empty() { None } else { Some(parts.join(" ")) })
}

fn reminder_number(invitee: &Object<'_>, drift: &mut Drift) -> Result<Option<String>, Fault> {
    let Some(number) = invitee.optional("text_reminder_number") else { return Ok(None) };
    if number.text()?.trim().is_empty() {
        return Ok(None);
    }
    let phone = contact::phone(&number).ok();
    if phone.is_none() {
        drift.note(number.path());
    }
    Ok(phone)
}

fn time_zone(invitee: &Object<'_>, drift: &mut Drift) -> Result<Option<String>, Fault> {
    let Some(field) = invitee.optional("timezone") else { return Ok(None) };
    let name = field.text()?;
    if zone(name).is_none() {
        drift.note(field.path());
        return Ok(None);
    }
    Ok(Some(name.to_owned()))
}
