//! A small language for stories: events of one source about one resource, and what was decided of each.

use arbiter_core::{State, decide, evolve};
use daybook_domain::{
    Attendee, BookingId, CancelKind, Claim, ContactId, Content, ContentDigest, Decision, Identity, Interval, Operation,
    Outcome, Request, RequestId, ResourceId, Rules, SourceName, SourceVersion, Standing, Timestamp,
};
use std::fmt::Write;
use std::time::Duration;

/// Noon of an arbitrary day; intervals are minutes after it.
const NOON: i64 = 1_790_000_000_000_000;
const MINUTE: i64 = 60_000_000;

/// How long a story's resource waits for a replacement.
pub const WAIT: Duration = Duration::from_secs(15 * 60);

/// What a source says. Names are what it calls bookings; `v` is its version; times are minutes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Book { name: &'static str, v: i64, at: (i64, i64) },
    Titled { name: &'static str, v: i64, at: (i64, i64), title: u8 },
    Move { from: &'static str, name: &'static str, v: i64, at: (i64, i64) },
    Cancel { name: &'static str, v: i64 },
    Replace { name: &'static str, v: i64 },
    Expire { name: &'static str, deadline: i64 },
    Define { wait: Duration },
}

pub fn source() -> SourceName {
    "calendly".parse().expect("a name")
}

pub fn resource() -> ResourceId {
    "anna".parse().expect("a name")
}

pub fn minute(minute: i64) -> Timestamp {
    Timestamp::from_micros(NOON + minute * MINUTE).expect("in range")
}

pub fn interval((start, end): (i64, i64)) -> Interval {
    Interval::new(minute(start), minute(end)).expect("an interval")
}

pub fn id(name: &str) -> BookingId {
    BookingId::derive(&source(), name, &resource())
}

fn version(v: i64) -> SourceVersion {
    SourceVersion { sequence: 0, updated_at: Timestamp::from_micros(v).expect("in range") }
}

fn claim(name: &str, v: i64, at: (i64, i64), title: u8) -> Claim {
    Claim {
        booking_id: id(name),
        identity: Identity::new(&source(), name),
        version: version(v),
        interval: interval(at),
        content: Some(Content {
            title: Some(format!("title {title}")),
            attendees: vec![Attendee {
                contact_id: ContactId::from_bytes([1; 16]),
                name: None,
                email: None,
                phone: None,
            }],
            source_time_zone: None,
            digest: ContentDigest([title; 16]),
        }),
    }
}

/// The request that the normalizer makes of an event; `nth` tells deliveries apart.
pub fn request(event: &Event, nth: usize) -> Request {
    let cancel = |name: &str, v, kind| Operation::Cancel {
        booking_id: id(name),
        identity: Identity::new(&source(), name),
        version: version(v),
        interval: None,
        kind,
    };
    let operation = match event {
        Event::Book { name, v, at } => Operation::Book(claim(name, *v, *at, 0)),
        Event::Titled { name, v, at, title } => Operation::Book(claim(name, *v, *at, *title)),
        Event::Move { from, name, v, at } => {
            Operation::Reschedule { previous: Identity::new(&source(), *from), claim: claim(name, *v, *at, 0) }
        }
        Event::Cancel { name, v } => cancel(name, *v, CancelKind::Plain),
        Event::Replace { name, v } => cancel(name, *v, CancelKind::AwaitingReplacement),
        Event::Expire { name, deadline } => Operation::Expire { booking_id: id(name), deadline: minute(*deadline) },
        Event::Define { wait } => {
            Operation::Define(Rules { display_time_zone: "Europe/Berlin".to_owned(), replacement_wait: *wait })
        }
    };
    Request {
        request_id: RequestId::derive("story", &nth.to_string(), 0),
        resource: resource(),
        source: source(),
        event_id: nth.to_string(),
        sourced_at: None,
        received_at: Timestamp::EPOCH,
        operation,
    }
}

/// A resource that has rules.
pub fn defined() -> State {
    let mut state = State::new(resource());
    tell(&mut state, 0, &Event::Define { wait: WAIT }, usize::MAX);
    state
}

/// Decides one event at a minute, applies it, and proves the invariants.
pub fn tell(state: &mut State, now: i64, event: &Event, nth: usize) -> Option<Decision> {
    let request = request(event, nth);
    let decision = decide(state, minute(now), &request)?;
    assert_eq!(decide(state, minute(now), &request).as_ref(), Some(&decision), "the same twice");
    evolve(state, &decision);
    state.check().expect("the invariants hold");
    Some(decision)
}

/// Tells a story from a defined resource on, and writes down what was decided and what stands at the end.
pub fn story(events: &[(i64, Event)]) -> String {
    let mut state = defined();
    let mut text = String::new();
    for (nth, (now, event)) in events.iter().enumerate() {
        match tell(&mut state, *now, event, nth) {
            Some(decision) => writeln!(text, "{}", line(&decision.outcome)),
            None => writeln!(text, "(too early)"),
        }
        .expect("a string takes all");
    }
    text.push_str("--\n");
    for booking in state.bookings() {
        let names = ["a", "b", "c", "d"]
            .into_iter()
            .filter(|name| booking.keys.contains(&Identity::new(&source(), *name).key()));
        let names: Vec<_> = names.collect();
        writeln!(text, "{} {} version {}", names.join(""), standing(&booking.standing), booking.version)
            .expect("a string takes all");
    }
    writeln!(text, "resource version {}", state.version()).expect("a string takes all");
    text
}

fn minutes(interval: Interval) -> String {
    let at = |time: Timestamp| (time.micros() - NOON) / MINUTE;
    format!("{}-{}", at(interval.start()), at(interval.end()))
}

fn line(outcome: &Outcome) -> String {
    let mut text = outcome.as_str().to_owned();
    if let Some(reason) = outcome.reason() {
        write!(text, " {reason}").expect("a string takes all");
    }
    if let Some(winner) = outcome.winner() {
        write!(text, " with {}", minutes(winner.interval)).expect("a string takes all");
    }
    text
}

fn standing(standing: &Standing) -> String {
    match standing {
        Standing::Confirmed(interval) => format!("confirmed {}", minutes(*interval)),
        Standing::Awaiting { interval, until } => {
            format!("awaiting {} until {}", minutes(*interval), (until.micros() - NOON) / MINUTE)
        }
        Standing::Cancelled { last: Some(interval) } => format!("cancelled {}", minutes(*interval)),
        Standing::Cancelled { last: None } => "cancelled unseen".to_owned(),
    }
}
