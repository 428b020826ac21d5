//! Sources whose format is described: the fields are where the description's paths find them, and mean what they mean in
//! every other format here.
//!
//! A field that is found and has another type than it must is a reject, named by the path that found it. What a booking
//! can do without never costs it its slot: a zone for display, an address or a number that does not read, the former
//! times of a cancellation, are left out and counted as drift. So is a type of event that the description does not list,
//! because it may be news of a booking that nobody has thought of yet.
//!
//! Every resource that an event names is to have the booking, and no other: as at Calendly, an event is about the whole
//! of it, and its cancellation reaches everywhere where it is known.

use std::collections::BTreeSet;

use chrono::DateTime;
use chrono_tz::Tz;
use daybook_ask::zone;
use daybook_domain::{
    Basis, CancelKind, Expected, Interval, SourceVersion, Tag, Timestamp, TimestampError, normal_alias,
};
use daybook_format::{
    Attendees, BookingFields, Description, FETCHED, Finding, GONE, Length, Meaning, Media, Query, Times, Type, form,
    gone_id,
};
use serde_json::Value;

use crate::draft::{Address, Ask, Draft, Entry, ICAL, Person, Place, Scope, Shown, Wish, interval};
use crate::json::{self, Node};
use crate::path::{Drift, Path};
use crate::place::IgnoredReason;
use crate::reject::{Fault, RejectReason};
use crate::source::RawEvent;

/// Events of a delivery, with one for each resource that an event names.
const ITEMS_MAX: usize = 100;
const ATTENDEES_MAX: usize = 100;

pub(crate) fn read(description: &Description, raw: RawEvent<'_>, drift: &mut Drift) -> Result<Vec<Entry>, Fault> {
    let body = match Media::of(&raw.event.content_type) {
        Media::Form => {
            form(raw.body).map_err(|error| Fault::new(RejectReason::InvalidValue, Path::default(), error))?
        }
        Media::Json | Media::Calendar => json::read(raw.body)?,
    };
    // The states that ingest has fetched: as of when they were asked for.
    match raw.event.kind.as_str() {
        _ if description.fetch.is_none() => {}
        FETCHED => {
            let event = Node::root(&body);
            watch(&description.known, &event, drift);
            let reader = Reader { fields: &description.booking, event: &event, number: 0 };
            return reader.state(Meaning::State, Some(raw.event.received_at), drift);
        }
        GONE => return gone(&body, raw.event.received_at),
        _ => {}
    }
    let events = match &description.events.items {
        None => vec![Node::root(&body)],
        Some(items) => {
            let (found, query) = items.all(&body);
            if found.is_empty() {
                let path = Path::default().query(query.text());
                return Err(Fault::new(RejectReason::MissingField, path, "finds no event in this delivery"));
            }
            let alone = found.len() == 1;
            let path = |at| if alone { Path::default() } else { Path::default().item(at) };
            found.into_iter().enumerate().map(|(at, value)| Node::found(value, path(at))).collect()
        }
    };
    let mut entries = Vec::new();
    let mut number = 0;
    for event in events {
        watch(&description.known, &event, drift);
        let reader = Reader { fields: &description.booking, event: &event, number };
        let made = reader.read(description, drift);
        let made = made.unwrap_or_else(|fault| vec![Entry::Reject(fault.at(Some(number)))]);
        number += made.iter().map(items_of).sum::<usize>().max(1);
        if number > ITEMS_MAX {
            let problem = format!("is more than {ITEMS_MAX} items with those before it; send less in one delivery");
            entries.push(Entry::Reject(event.fault(RejectReason::TooManyItems, problem).at(None)));
            break;
        }
        entries.extend(made);
    }
    Ok(entries)
}

/// There is no such booking at the vendor any more.
fn gone(body: &Value, asked: Timestamp) -> Result<Vec<Entry>, Fault> {
    let path = Path::default().field("id");
    let id = gone_id(body).ok_or_else(|| Fault::new(RejectReason::MissingField, &path, "names no booking"))?;
    Ok(vec![Entry::Draft(Box::new(Draft {
        item: 0,
        path,
        identity: id.to_owned(),
        version: SourceVersion { sequence: 0, updated_at: asked },
        sourced_at: Some(asked),
        places: Vec::new(),
        scope: Scope::Everywhere,
        basis: Basis::Promised,
        expected: Expected::default(),
        digest: None,
        booking_id: None,
        ask: Ask::Cancel { interval: None, kind: CancelKind::Plain },
    }))])
}

/// How many items an entry takes up: one for each resource that it names.
fn items_of(entry: &Entry) -> usize {
    match entry {
        Entry::Draft(draft) => draft.places.len().max(1),
        Entry::Ignored(_) | Entry::Reject(_) => 1,
    }
}

/// Counts the names that nobody has declared of the objects that the description watches.
fn watch(known: &[(Query, BTreeSet<String>)], event: &Node<'_>, drift: &mut Drift) {
    for (query, names) in known {
        for object in query.all(event.value()).into_iter().filter_map(Value::as_object) {
            for name in object.keys().filter(|name| !names.contains(*name)) {
                drift.field(&event.path().query(query.text()), name);
            }
        }
    }
}

/// One event, and where the fields of its booking are.
struct Reader<'a> {
    fields: &'a BookingFields,
    event: &'a Node<'a>,
    /// The number of its first item.
    number: usize,
}

/// What of a description is found below `at`.
fn find<'a>(at: &Node<'a>, finding: &Finding) -> Option<Node<'a>> {
    let (value, query) = finding.first(at.value())?;
    Some(Node::found(value, at.path().query(query.text())))
}

fn maybe<'a>(at: &Node<'a>, finding: Option<&Finding>) -> Option<Node<'a>> {
    finding.and_then(|finding| find(at, finding))
}

fn need<'a>(at: &Node<'a>, finding: &Finding) -> Result<Node<'a>, Fault> {
    find(at, finding).ok_or_else(|| {
        let path = at.path().query(finding.named().text());
        Fault::new(RejectReason::MissingField, path, "is missing and is required here")
    })
}

/// Each that is found below `event`, or the event itself, where a description does not say where they are.
fn each<'a>(event: &Node<'a>, at: Option<&Finding>) -> Vec<Node<'a>> {
    let Some(finding) = at else { return vec![event.clone()] };
    let (found, query) = finding.all(event.value());
    let alone = found.len() == 1;
    let path = event.path().query(query.text());
    let path = |number| if alone { path.clone() } else { path.item(number) };
    found.into_iter().enumerate().map(|(number, value)| Node::found(value, path(number))).collect()
}

impl<'a> Reader<'a> {
    fn read(&self, description: &Description, drift: &mut Drift) -> Result<Vec<Entry>, Fault> {
        if description.events.only.as_ref().is_some_and(|only| !only.holds(self.event.value())) {
            return Ok(vec![Entry::Ignored(IgnoredReason::EventType)]);
        }
        let meaning = match &description.events.types {
            None if description.fetch.is_some() => Meaning::Changed,
            None => Meaning::State,
            Some((finding, meanings)) => {
                let kind = need(self.event, finding)?;
                match meanings.get(kind.text()?) {
                    Some(Type::Means(meaning)) => *meaning,
                    Some(Type::Ignored) => return Ok(vec![Entry::Ignored(IgnoredReason::EventType)]),
                    None => {
                        drift.note(kind.path());
                        return Ok(vec![Entry::Ignored(IgnoredReason::EventType)]);
                    }
                }
            }
        };
        self.state(meaning, None, drift)
    }

    /// What an event of this meaning says; `as_of` is when its state was asked for, if it was.
    fn state(&self, meaning: Meaning, as_of: Option<Timestamp>, drift: &mut Drift) -> Result<Vec<Entry>, Fault> {
        let fields = self.fields;
        let identity = need(self.event, &fields.id)?.name()?;
        if meaning == Meaning::Changed {
            return Ok(vec![Entry::Ignored(IgnoredReason::Fetched)]);
        }
        let zone = Zone::read(maybe(self.event, fields.time_zone.as_ref()))?;
        let (version, sourced_at) = match as_of {
            Some(asked) => (SourceVersion { sequence: 0, updated_at: asked }, Some(asked)),
            None => self.version(&zone)?,
        };
        let ends = fields.cancelled.as_ref().is_some_and(|finding| finding.holds(self.event.value()));
        let (ask, basis) = match meaning {
            _ if ends => (self.cancel(&zone, drift), Basis::Promised),
            Meaning::Created => (self.book(&identity, &zone, drift)?, Basis::Promised),
            Meaning::State => (self.restate(&identity, &zone, drift)?, Basis::Promised),
            Meaning::Requested => (self.book(&identity, &zone, drift)?, Basis::Asked),
            Meaning::Rescheduled => (self.reschedule(&identity, &zone, drift)?, Basis::Promised),
            Meaning::Updated => (self.update(drift)?, Basis::Promised),
            // What has changed was passed over above.
            Meaning::Cancelled | Meaning::Gone | Meaning::Changed => (self.cancel(&zone, drift), Basis::Promised),
            Meaning::Observed => {
                let wish = Wish { attending: self.people(drift)?, ..self.claim(&zone)? };
                (Ask::Observe(wish), Basis::Promised)
            }
        };
        let scope = match &ask {
            Ask::Cancel { .. } | Ask::Release => Scope::Everywhere,
            Ask::Book(_)
            | Ask::Hold { .. }
            | Ask::Confirm(_)
            | Ask::Reschedule { .. }
            | Ask::Update(_)
            | Ask::Observe(_) => Scope::Whole,
        };
        let (places, faulty) = self.places()?;
        let claims = matches!(ask, Ask::Book(_) | Ask::Observe(_)) || meaning == Meaning::State && !ends;
        if claims && places.is_empty() && faulty.is_empty() {
            let first = fields.resources.first().and_then(|resource| resource.at.as_ref().or(resource.names.first()));
            let path = first.map_or_else(|| self.event.path().clone(), |it| self.event.path().query(it.named().text()));
            return Err(Fault::new(RejectReason::MissingField, path, "names no resource; whose time is it?"));
        }
        let draft = Draft {
            item: self.number,
            path: self.event.path().clone(),
            identity,
            version,
            sourced_at,
            places,
            scope,
            basis,
            expected: Expected::default(),
            digest: None,
            booking_id: None,
            ask,
        };
        // Where every resource is faulty, what remains names none and would wait for a booking that nobody makes.
        let placeable = !draft.places.is_empty() || faulty.is_empty() || scope == Scope::Everywhere;
        Ok(faulty.into_iter().chain(placeable.then(|| Entry::Draft(Box::new(draft)))).collect())
    }

    fn version(&self, zone: &Zone) -> Result<(SourceVersion, Option<Timestamp>), Fault> {
        let fields = self.fields;
        let sequence = maybe(self.event, fields.sequence.as_ref()).map(|node| node.number()).transpose()?;
        let updated_at =
            maybe(self.event, fields.updated_at.as_ref()).map(|node| self.time(&node, zone)).transpose()?;
        if sequence.is_none() && updated_at.is_none() {
            // A description has one of the two.
            let finding = fields.updated_at.as_ref().or(fields.sequence.as_ref()).unwrap_or(&fields.id);
            let path = self.event.path().query(finding.named().text());
            let problem = "is missing; it must say which state of the booking is the newer";
            return Err(Fault::new(RejectReason::MissingField, path, problem));
        }
        let updated = updated_at.unwrap_or(Timestamp::EPOCH);
        Ok((SourceVersion { sequence: sequence.unwrap_or(0), updated_at: updated }, updated_at))
    }

    fn book(&self, identity: &str, zone: &Zone, drift: &mut Drift) -> Result<Ask, Fault> {
        let wish = Wish { shown: Some(self.shown(drift)?), ..self.claim(zone)? };
        let previous = self.previous()?.filter(|previous| previous != identity);
        Ok(match previous {
            Some(previous) => Ask::Reschedule { previous, wish },
            None => Ask::Book(wish),
        })
    }

    /// The whole of what is true of it now: wherever and whenever it was before, it is to be so.
    fn restate(&self, identity: &str, zone: &Zone, drift: &mut Drift) -> Result<Ask, Fault> {
        let wish = Wish { shown: Some(self.shown(drift)?), ..self.claim(zone)? };
        Ok(Ask::Reschedule { previous: self.previous()?.unwrap_or_else(|| identity.to_owned()), wish })
    }

    fn reschedule(&self, identity: &str, zone: &Zone, drift: &mut Drift) -> Result<Ask, Fault> {
        let shown = self.shows().then(|| self.shown(drift)).transpose()?;
        let wish = Wish { shown, ..self.claim(zone)? };
        Ok(Ask::Reschedule { previous: self.previous()?.unwrap_or_else(|| identity.to_owned()), wish })
    }

    fn previous(&self) -> Result<Option<String>, Fault> {
        maybe(self.event, self.fields.previous_id.as_ref()).map(|node| node.name()).transpose()
    }

    fn update(&self, drift: &mut Drift) -> Result<Ask, Fault> {
        if self.shows() {
            return self.shown(drift).map(Ask::Update);
        }
        let finding = self.fields.title.as_ref().unwrap_or(&self.fields.id);
        let path = self.event.path().query(finding.named().text());
        Err(Fault::new(RejectReason::MissingField, path, "is missing, and so are attendees; what are people to see?"))
    }

    /// When what is gone was is told if it can be.
    fn cancel(&self, zone: &Zone, drift: &mut Drift) -> Ask {
        let interval = maybe(self.event, Some(&self.fields.start)).and_then(|start| {
            let interval = self.interval(zone).ok();
            if interval.is_none() {
                drift.note(start.path());
            }
            interval
        });
        let follows = self.fields.replacement_follows.as_ref().is_some_and(|it| it.holds(self.event.value()));
        let kind = if follows { CancelKind::AwaitingReplacement } else { CancelKind::Plain };
        Ask::Cancel { interval, kind }
    }

    fn claim(&self, zone: &Zone) -> Result<Wish, Fault> {
        Ok(Wish { interval: self.interval(zone)?, shown: None, attending: Vec::new(), tags: self.tags()?, mark: None })
    }

    fn interval(&self, zone: &Zone) -> Result<Interval, Fault> {
        let start = self.time(&need(self.event, &self.fields.start)?, zone)?;
        match &self.fields.end {
            Length::Until(finding) => {
                let end = need(self.event, finding)?;
                interval(start, self.time(&end, zone)?, &end)
            }
            Length::For(finding, seconds) => {
                let length = need(self.event, finding)?;
                let micros = length.number()?.checked_mul(*seconds).and_then(|span| span.checked_mul(1_000_000));
                let end = micros.and_then(|span| start.micros().checked_add(span));
                let end = end.and_then(|micros| Timestamp::from_micros(micros).ok());
                let end = end.ok_or_else(|| length.fault(RejectReason::InvalidTime, TimestampError::OutOfRange))?;
                interval(start, end, &length)
            }
        }
    }

    fn time(&self, node: &Node<'_>, zone: &Zone) -> Result<Timestamp, Fault> {
        let fault = |problem: &dyn std::fmt::Display| node.fault(RejectReason::InvalidTime, problem);
        match &self.fields.times {
            Times::Rfc3339 => {
                let text = node.text()?;
                let Some(local) = zone::local(text) else { return node.time() };
                let zone = zone.known(node)?;
                zone::resolve(local, zone).ok_or_else(|| fault(&TimestampError::OutOfRange))
            }
            Times::UnixSeconds => unix(node, 1_000_000),
            Times::UnixMilliseconds => unix(node, 1_000),
            Times::Pattern(pattern) => {
                let time = DateTime::parse_from_str(node.text()?, pattern);
                let time = time.map_err(|_| fault(&format_args!("is no time of the pattern {pattern}")))?;
                Timestamp::try_from(time.to_utc()).map_err(|error| fault(&error))
            }
        }
    }

    /// Whether it says what people are to see.
    fn shows(&self) -> bool {
        let attendees = || {
            self.fields.attendees.as_ref().is_some_and(|attendees| {
                each(self.event, attendees.at.as_ref()).iter().any(|node| {
                    maybe(node, attendees.email.as_ref()).or_else(|| maybe(node, attendees.phone.as_ref())).is_some()
                })
            })
        };
        maybe(self.event, self.fields.title.as_ref()).is_some() || attendees()
    }

    fn shown(&self, drift: &mut Drift) -> Result<Shown, Fault> {
        let title = maybe(self.event, self.fields.title.as_ref()).map_or(Ok(None), |title| title.label())?;
        let mut time_zone = None;
        if let Some(node) = maybe(self.event, self.fields.display_zone.as_ref()) {
            time_zone = zone::zone(node.text()?.trim()).map(|zone| zone.name().to_owned());
            if time_zone.is_none() {
                drift.note(node.path());
            }
        }
        Ok(Shown { title, people: self.people(drift)?, time_zone })
    }

    fn people(&self, drift: &mut Drift) -> Result<Vec<Person>, Fault> {
        let Some(attendees) = &self.fields.attendees else { return Ok(Vec::new()) };
        let nodes = each(self.event, attendees.at.as_ref());
        if nodes.len() > ATTENDEES_MAX {
            let problem = format!("has {} attendees; at most {ATTENDEES_MAX} are taken", nodes.len());
            return Err(self.event.fault(RejectReason::TooManyItems, problem));
        }
        let mut people = Vec::with_capacity(nodes.len());
        for node in &nodes {
            people.extend(person(node, attendees, drift)?);
        }
        Ok(people)
    }

    fn tags(&self) -> Result<Vec<Tag>, Fault> {
        let mut tags = Vec::new();
        if let Some(uid) = maybe(self.event, self.fields.ical_uid.as_ref()) {
            tags.push(Tag::derive(ICAL, uid.id()?));
        }
        for external in &self.fields.external_ids {
            if let Some(id) = find(self.event, &external.id) {
                tags.push(Tag::derive(&external.system, &id.name()?));
            }
        }
        Ok(tags)
    }

    /// The resources that it names, each with its item; and a reject for each that has no name.
    fn places(&self) -> Result<(Vec<Place>, Vec<Entry>), Fault> {
        let (mut places, mut faulty) = (Vec::new(), Vec::new());
        let mut item = self.number;
        for resource in &self.fields.resources {
            for node in each(self.event, resource.at.as_ref()) {
                let names: Vec<Node<'_>> = resource.names.iter().filter_map(|name| find(&node, name)).collect();
                // Without a place for it, an event that names nothing just does not say.
                if names.is_empty() && resource.at.is_none() {
                    continue;
                }
                match aliases(&node, &names) {
                    Ok((path, aliases)) => places.push(Place { item, path, resource: None, aliases }),
                    Err(fault) => faulty.push(Entry::Reject(fault.at(Some(item)))),
                }
                item += 1;
                if item - self.number > ITEMS_MAX {
                    let problem = format!("names more than {ITEMS_MAX} resources");
                    return Err(self.event.fault(RejectReason::TooManyItems, problem));
                }
            }
        }
        Ok((places, faulty))
    }
}

/// What a resource is called by all of its names, and where the first of them is.
fn aliases(node: &Node<'_>, names: &[Node<'_>]) -> Result<(Path, Vec<String>), Fault> {
    let Some(first) = names.first() else {
        return Err(node.fault(RejectReason::MissingField, "has no name; whose time is it?"));
    };
    let aliases: Result<_, Fault> = names.iter().map(|name| Ok(normal_alias(&name.name()?))).collect();
    Ok((first.path().clone(), aliases?))
}

/// Somebody who can be told from others; none, counted as drift, where no address reads.
fn person(node: &Node<'_>, attendees: &Attendees, drift: &mut Drift) -> Result<Option<Person>, Fault> {
    let mut address = |finding: Option<&Finding>, read: fn(&str) -> Option<String>| {
        let Some(field) = maybe(node, finding) else { return Ok::<_, Fault>(None) };
        let address = read(field.text()?);
        if address.is_none() {
            drift.note(field.path());
        }
        Ok(address)
    };
    let email = address(attendees.email.as_ref(), daybook_ask::email)?;
    let phone = address(attendees.phone.as_ref(), daybook_ask::phone)?;
    let Some(address) = Address::of(email, phone) else { return Ok(None) };
    let label = |finding: Option<&Finding>| maybe(node, finding).map_or(Ok(None), |name| name.label());
    let mut name = label(attendees.name.as_ref())?;
    if name.is_none() {
        let [first, last] = &attendees.first_and_last;
        let parts: Vec<String> = label(first.as_ref())?.into_iter().chain(label(last.as_ref())?).collect();
        name = (!parts.is_empty()).then(|| parts.join(" "));
    }
    Ok(Some(Person { name, address }))
}

fn unix(node: &Node<'_>, micros: i64) -> Result<Timestamp, Fault> {
    let time = node.number()?.checked_mul(micros).and_then(|micros| Timestamp::from_micros(micros).ok());
    time.ok_or_else(|| node.fault(RejectReason::InvalidTime, TimestampError::OutOfRange))
}

/// The zone of an event's local times.
struct Zone(Option<(Path, Option<Tz>)>);

impl Zone {
    fn read(node: Option<Node<'_>>) -> Result<Self, Fault> {
        let Some(node) = node else { return Ok(Self(None)) };
        Ok(Self(Some((node.path().clone(), zone::zone(node.text()?.trim())))))
    }

    fn known(&self, time: &Node<'_>) -> Result<Tz, Fault> {
        match &self.0 {
            Some((_, Some(zone))) => Ok(*zone),
            Some((path, None)) => {
                let problem = "is not the IANA name of a time zone, such as Europe/Berlin, and the times are local";
                Err(Fault::new(RejectReason::UnknownTimeZone, path, problem))
            }
            None => {
                let problem = "is a local time, and nothing names its zone; send an offset or Z";
                Err(time.fault(RejectReason::InvalidTime, problem))
            }
        }
    }
}
