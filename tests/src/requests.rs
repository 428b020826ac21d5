//! Requests as the normalizer makes them, straight to `booking.requests`: for tests of deciding alone.
//!
//! [`contended`] draws a whole crowd of them from a seed: too little time for everybody, every operation, told twice, told
//! again under another id, told in another order.

use std::time::Duration;

use anyhow::Result;
use chrono::Weekday;
use daybook_domain::{
    Attendee, Basis, BookingId, CancelKind, Claim, ContactId, Content, ContentDigest, Elsewhere, Expected, Hours,
    Identity, Interval, Operation, Request, RequestId, ResourceId, Rules, SourceName, SourceVersion, Subject, Tag,
    Timestamp, topics,
};
use daybook_runtime::kafka::{Outgoing, Producer, Receipt};
use daybook_wire::{Headers, SCHEMAS, encode_request, frame};
use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::people::mark;
use crate::seed::{generator, word};
use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A Monday morning that is far away: no request is late for it.
pub fn monday() -> Timestamp {
    "2031-03-03T08:00:00Z".parse().expect("a time")
}

/// So many minutes after that, for so many.
pub fn minutes(from: u64, length: u64) -> Interval {
    let start = monday().plus(MINUTE * u32::try_from(from).unwrap_or(u32::MAX));
    Interval::new(start, start.plus(MINUTE * u32::try_from(length).unwrap_or(u32::MAX))).expect("it has a length")
}

/// One appointment, as its source speaks of it.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Whose time.
    pub resource: ResourceId,
    /// Who speaks.
    pub source: SourceName,
    /// What it is called there.
    pub id: String,
}

impl Visit {
    /// A visit to this resource, as the source `generic` knows it.
    pub fn new(resource: &ResourceId, id: impl Into<String>) -> Self {
        Self::at(resource, "generic", id)
    }

    /// The same, as another source knows it.
    pub fn at(resource: &ResourceId, source: &str, id: impl Into<String>) -> Self {
        Self { resource: resource.clone(), source: source.parse().expect("a name"), id: id.into() }
    }

    /// Its booking's id, should the booking be new.
    pub fn booking_id(&self) -> BookingId {
        BookingId::derive(&self.source, &self.id, &self.resource)
    }

    /// That it is to be then.
    pub fn claim(&self, version: i64, interval: Interval) -> Claim {
        Claim {
            booking_id: self.booking_id(),
            identity: Identity::new(&self.source, &self.id),
            version: source_version(version),
            interval,
            content: Some(self.content(version)),
            contacts: Vec::new(),
            tags: Vec::new(),
            mark: None,
            moved_from: None,
        }
    }

    /// That it is meant.
    pub fn subject(&self, version: i64) -> Subject {
        Subject {
            booking_id: self.booking_id(),
            identity: Identity::new(&self.source, &self.id),
            version: source_version(version),
        }
    }

    /// What people see of it in this version.
    pub fn content(&self, version: i64) -> Content {
        let digest = Tag::derive("content", &format!("{}:{version}", self.id)).uuid().into_bytes();
        Content {
            title: Some(format!("Visit {version} of {}", mark())),
            attendees: vec![Attendee {
                contact_id: ContactId::from_bytes(Tag::derive("contact", &self.id).uuid().into_bytes()),
                name: Some(format!("Zelda {}", mark())),
                email: Some(format!("zelda.{}@guests.example", mark())),
                phone: None,
            }],
            source_time_zone: Some("Europe/Berlin".to_owned()),
            digest: ContentDigest(digest),
        }
    }

    /// The request that asks this of it, in the delivery `event`.
    pub fn asks(&self, event: impl Into<String>, operation: Operation) -> Request {
        let event = event.into();
        Request {
            request_id: RequestId::derive("tests", &event, 0),
            resource: self.resource.clone(),
            source: self.source.clone(),
            event_id: event,
            basis: Basis::Promised,
            expected: Expected::default(),
            digest: None,
            sourced_at: None,
            received_at: "2030-01-01T00:00:00Z".parse().expect("a time"),
            operation,
        }
    }
}

/// The version that its source gives the `number`-th state.
pub fn source_version(number: i64) -> SourceVersion {
    SourceVersion { sequence: number, updated_at: Timestamp::EPOCH }
}

/// The request that gives a resource its rules.
pub fn define(resource: &ResourceId, event: impl Into<String>, rules: Rules) -> Request {
    Visit::at(resource, "daybook", "").asks(event, Operation::Define(rules))
}

/// Puts requests on `booking.requests`.
#[derive(Debug, Clone)]
pub struct Asker {
    producer: Producer,
    schema: u32,
}

impl Asker {
    /// One that knows the schema.
    pub async fn new(world: &World) -> Result<Self> {
        let (subject, text) = SCHEMAS[0];
        Ok(Self { producer: world.kafka.producer()?, schema: world.kafka.registry().id_of(subject, text).await? })
    }

    /// Sends them in this order, and waits until the broker has them. Where each lies.
    pub async fn ask(&self, requests: &[Request]) -> Result<Vec<Receipt>> {
        let headers = Headers::new();
        let mut sending = Vec::with_capacity(requests.len());
        for request in requests {
            let (key, value) = (request.resource.to_string(), frame(self.schema, &encode_request(request)));
            let outgoing = Outgoing {
                topic: topics::REQUESTS,
                partition: None,
                key: Some(key.as_bytes()),
                value: Some(&value),
                headers: &headers,
            };
            sending.push(self.producer.send_when_room(outgoing).await?);
        }
        let mut receipts = Vec::with_capacity(sending.len());
        for record in sending {
            receipts.push(record.acknowledged().await?);
        }
        Ok(receipts)
    }
}

/// Requests of a seed about `resources` resources, in the order in which they are to be sent; the first define them.
/// Customers want about three times the time that there is.
pub fn contended(seed: u64, resources: usize, requests: usize) -> Vec<Request> {
    let mut random = generator(seed, 100);
    let word = word(&mut random, 6);
    let names = (0..resources).map(|at| format!("crowd-{word}-{at}").parse().expect("a name"));
    let places: Vec<(ResourceId, Rules)> = names.map(|name| (name, rules(&mut random))).collect();
    let lives = requests / (resources.max(1) * 2);
    let mut crowd =
        Crowd { random, word, places, quarters: (lives * 3 / 2).max(24), requests: 0, visits: 0, said: Vec::new() };
    let mut all: Vec<Request> = Vec::with_capacity(requests);
    for (resource, rules) in crowd.places.clone() {
        let event = crowd.event();
        all.push(define(&resource, event, rules));
    }
    let wanted = requests.saturating_sub(all.len());
    while crowd.said.len() < wanted {
        crowd.somebody(wanted as u64);
    }
    // A stable sort: what was said at the same moment stays in the order in which it was said.
    crowd.said.sort_by_key(|(at, _)| *at);
    all.extend(crowd.said.into_iter().map(|(_, request)| request));
    all.truncate(requests);
    all
}

fn rules(random: &mut StdRng) -> Rules {
    let mut rules = Rules::new("Europe/Berlin".to_owned());
    rules.capacity = [1, 1, 1, 2, 3][random.random_range(0..5)];
    if random.random_range(0..3) == 0 {
        rules.buffer_before = MINUTE * 5 * random.random_range(0..4);
        rules.buffer_after = MINUTE * 5 * random.random_range(0..4);
    }
    if random.random_range(0..2) == 0 {
        rules.replacement_wait = Duration::from_secs(2);
    }
    if random.random_range(0..8) == 0 {
        let days = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri];
        rules.hours = days.into_iter().map(|day| Hours { day, from: 9 * 60, to: 18 * 60 }).collect();
    }
    rules
}

struct Crowd {
    random: StdRng,
    word: String,
    places: Vec<(ResourceId, Rules)>,
    /// How many quarters of an hour there are.
    quarters: usize,
    requests: usize,
    visits: usize,
    /// What is said, and when in the order of things.
    said: Vec<(u64, Request)>,
}

impl Crowd {
    /// What somebody has to say, strewn over the whole, some of it twice and some of it the wrong way round.
    fn somebody(&mut self, span: u64) {
        let story = self.story();
        let mut at = self.random.random_range(0..span);
        let mut moments = Vec::with_capacity(story.len());
        for _ in &story {
            moments.push(at);
            at += 1 + self.random.random_range(0..span / 20 + 20);
        }
        for later in 1..moments.len() {
            if self.random.random_range(0..6) == 0 {
                moments.swap(later - 1, later);
            }
        }
        for (at, request) in moments.into_iter().zip(story) {
            let again = at + self.random.random_range(0..span / 20 + 20);
            match self.random.random_range(0..30) {
                // Delivered twice.
                0..3 => self.said.push((again, request.clone())),
                // Told twice: the same, in another delivery.
                3 => {
                    let event = self.event();
                    let told = Request { request_id: RequestId::derive("tests", &event, 0), ..request.clone() };
                    self.said.push((again, Request { event_id: event, ..told }));
                }
                _ => {}
            }
            self.said.push((at, request));
        }
    }

    fn event(&mut self) -> String {
        self.requests += 1;
        format!("{}-event-{}", self.word, self.requests)
    }

    fn visit(&mut self, resource: &ResourceId, source: &str) -> Visit {
        self.visits += 1;
        Visit::at(resource, source, format!("{}-visit-{}", self.word, self.visits))
    }

    fn place(&mut self) -> ResourceId {
        let at = self.random.random_range(0..self.places.len());
        self.places[at].0.clone()
    }

    /// Some time; half of everybody wants the first quarter of all that there is.
    fn when(&mut self) -> Interval {
        let all = if self.random.random_range(0..2) == 0 { self.quarters / 4 } else { self.quarters };
        let length = [1, 2, 2, 3, 4, 6][self.random.random_range(0..6)];
        minutes(15 * self.random.random_range(0..all.max(1)) as u64, 15 * length)
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.random.random_range(0..many) == 0
    }

    fn story(&mut self) -> Vec<Request> {
        match self.random.random_range(0..100) {
            0..28 => self.booking(),
            28..46 => self.renamed(),
            46..64 => self.held(),
            64..76 => self.moved_elsewhere(),
            76..86 => self.observed(),
            86..95 => self.seen_twice(),
            95..97 => self.forgotten(),
            _ => self.redefined(),
        }
    }

    /// Booked, and perhaps changed, moved and cancelled, by one name.
    fn booking(&mut self) -> Vec<Request> {
        let place = self.place();
        let visit = self.visit(&place, "generic");
        let (first, then) = (self.when(), self.when());
        let mut asked = visit.asks(self.event(), Operation::Book(visit.claim(1, first)));
        if self.one_in(8) {
            asked.basis = Basis::Asked;
            asked.expected.resource_version = Some(self.random.random_range(1..40));
        }
        let mut story = vec![asked];
        if self.one_in(3) {
            let update = Operation::Update { subject: visit.subject(2), content: visit.content(2) };
            let mut asked = visit.asks(self.event(), update);
            asked.expected.booking_version = Some(1).filter(|_| self.one_in(2));
            story.push(asked);
        }
        if self.one_in(2) {
            let previous = Identity::new(&visit.source, &visit.id);
            story.push(visit.asks(self.event(), Operation::Reschedule { previous, claim: visit.claim(3, then) }));
        }
        if self.one_in(3) {
            let cancel = Operation::Cancel { subject: visit.subject(4), interval: None, kind: CancelKind::Plain };
            story.push(visit.asks(self.event(), cancel));
        }
        story
    }

    /// Moved by a vendor that gives what it moves another name, and sends both halves in either order.
    fn renamed(&mut self) -> Vec<Request> {
        let place = self.place();
        let (old, new) = (self.visit(&place, "calendly"), self.visit(&place, "calendly"));
        let (first, then) = (self.when(), self.when());
        let cancel = |visit: &Visit, version, kind| Operation::Cancel {
            subject: visit.subject(version),
            interval: Some(first),
            kind,
        };
        let previous = Identity::new(&old.source, &old.id);
        let mut halves = vec![
            old.asks(self.event(), cancel(&old, 2, CancelKind::AwaitingReplacement)),
            new.asks(self.event(), Operation::Reschedule { previous, claim: new.claim(1, then) }),
        ];
        if self.one_in(2) {
            halves.reverse();
        }
        // One whose other half never comes.
        halves.truncate(if self.one_in(6) { 1 } else { 2 });
        let mut story = vec![old.asks(self.event(), Operation::Book(old.claim(1, first)))];
        story.extend(halves);
        if self.one_in(4) {
            story.push(new.asks(self.event(), cancel(&new, 2, CancelKind::Plain)));
        }
        story
    }

    /// Held while somebody makes up their mind: confirmed, given up, or too late.
    fn held(&mut self) -> Vec<Request> {
        let place = self.place();
        let visit = self.visit(&place, "desk");
        let ttl = if self.one_in(2) { HOUR } else { Duration::from_secs(self.random.random_range(1..6)) };
        let mut story = vec![visit.asks(self.event(), Operation::Hold { claim: visit.claim(1, self.when()), ttl })];
        let subject = visit.subject(2);
        match self.random.random_range(0..5) {
            0 | 1 => {
                let content = Some(visit.content(2)).filter(|_| self.one_in(2));
                story.push(visit.asks(self.event(), Operation::Confirm { subject, content }));
            }
            2 => story.push(visit.asks(self.event(), Operation::Release { subject, moved_to: None })),
            3 => {
                let claim = visit.claim(2, self.when());
                let previous = Identity::new(&visit.source, &visit.id);
                story.push(visit.asks(self.event(), Operation::Reschedule { previous, claim }));
            }
            _ => {}
        }
        for request in &mut story {
            request.basis = Basis::Asked;
        }
        story
    }

    /// Moved to another resource: granted there first, then released here.
    fn moved_elsewhere(&mut self) -> Vec<Request> {
        let (here, there) = (self.place(), self.place());
        let (old, new) = (self.visit(&here, "calendly"), self.visit(&there, "calendly"));
        let (first, then) = (self.when(), self.when());
        let from = Elsewhere { resource: here.clone(), booking_id: old.booking_id() };
        let claim = Claim { moved_from: Some(from).filter(|_| here != there), ..new.claim(1, then) };
        let cancel =
            Operation::Cancel { subject: old.subject(2), interval: Some(first), kind: CancelKind::AwaitingReplacement };
        let mut halves = vec![new.asks(self.event(), Operation::Book(claim)), old.asks(self.event(), cancel)];
        if self.one_in(2) {
            halves.reverse();
        }
        let mut story = vec![old.asks(self.event(), Operation::Book(old.claim(1, first)))];
        story.extend(halves);
        story
    }

    /// Busy elsewhere, moved there, and gone again.
    fn observed(&mut self) -> Vec<Request> {
        let place = self.place();
        let visit = self.visit(&place, "calendar");
        let mut story = Vec::new();
        for version in 1..=self.random.random_range(1..4) {
            let claim = Claim { content: None, ..visit.claim(version, self.when()) };
            story.push(visit.asks(self.event(), Operation::Observe(claim)));
        }
        if self.one_in(2) {
            let cancel = Operation::Cancel { subject: visit.subject(9), interval: None, kind: CancelKind::Plain };
            story.push(visit.asks(self.event(), cancel));
        }
        story
    }

    /// One appointment in two systems, of which either may speak first; one of them moves it or deletes it.
    fn seen_twice(&mut self) -> Vec<Request> {
        let place = self.place();
        let (own, other) = (self.visit(&place, "generic"), self.visit(&place, "calendar"));
        let (when, then) = (self.when(), self.when());
        let tags = vec![Tag::derive("ical", &own.id)];
        let book = Claim { tags: tags.clone(), ..own.claim(1, when) };
        let seen = Claim { tags, content: None, ..other.claim(1, when) };
        let mut story = vec![
            own.asks(self.event(), Operation::Book(book)),
            other.asks(self.event(), Operation::Observe(seen.clone())),
        ];
        if self.one_in(2) {
            story.reverse();
        }
        if self.one_in(2) {
            let strayed = Claim { version: source_version(2), interval: then, ..seen };
            story.push(other.asks(self.event(), Operation::Observe(strayed)));
        }
        if self.one_in(2) {
            let subject = if self.one_in(2) { own.subject(5) } else { other.subject(5) };
            let visit = if subject.booking_id == own.booking_id() { &own } else { &other };
            let cancel = Operation::Cancel { subject, interval: None, kind: CancelKind::Plain };
            story.push(visit.asks(self.event(), cancel));
        }
        story
    }

    /// Booked by somebody who wants to be forgotten, or comes back as our own echo.
    fn forgotten(&mut self) -> Vec<Request> {
        let place = self.place();
        let (visit, echo) = (self.visit(&place, "generic"), self.visit(&place, "calendar"));
        let when = self.when();
        let marked = Claim { mark: Some(visit.booking_id()), content: None, ..echo.claim(1, when) };
        vec![
            visit.asks(self.event(), Operation::Book(visit.claim(1, when))),
            echo.asks(self.event(), Operation::Observe(marked)),
            visit.asks(self.event(), Operation::Redact { booking_id: visit.booking_id() }),
        ]
    }

    /// Other rules from now on; what is booked stands.
    fn redefined(&mut self) -> Vec<Request> {
        let place = self.place();
        let rules = rules(&mut self.random);
        vec![define(&place, self.event(), rules)]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use daybook_domain::OperationKind;

    use super::*;

    #[test]
    fn a_seed_gives_the_same_requests_every_time_and_another_seed_others() {
        let ids = |seed| contended(seed, 5, 300).into_iter().map(|request| request.request_id).collect::<Vec<_>>();
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
        assert_eq!(ids(7).len(), 300);
    }

    #[test]
    fn a_crowd_asks_for_everything_twice_and_in_another_order() {
        let requests = contended(3, 40, 4_000);
        let kinds: BTreeSet<OperationKind> = requests.iter().map(|request| request.operation.kind()).collect();
        let never = [OperationKind::Expire, OperationKind::Unknown];
        let missing = OperationKind::ALL.into_iter().filter(|kind| !kinds.contains(kind) && !never.contains(kind));
        assert_eq!(missing.collect::<Vec<_>>(), []);
        let distinct: BTreeSet<RequestId> = requests.iter().map(|request| request.request_id).collect();
        assert!(requests.len() - distinct.len() > 200, "{} of 4000 are sent twice", requests.len() - distinct.len());
        let out_of_order = requests.iter().enumerate().any(|(at, request)| {
            let Operation::Cancel { subject, .. } = &request.operation else { return false };
            let books = |later: &Request| {
                matches!(&later.operation, Operation::Book(claim) if claim.identity == subject.identity)
            };
            requests[at..].iter().any(books)
        });
        assert!(out_of_order, "no cancellation comes before its booking");
    }
}
