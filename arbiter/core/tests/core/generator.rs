//! Random stories about one resource: few names, few slots and few people, so that everything meets everything.
//!
//! An [`Event`] is what somebody means; [`Event::request`] says it in the core's words, given what is known by then.

mod words;

use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, Datelike, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use daybook_domain::{
    Attendee, Basis, BookingId, ContactId, Content, ContentDigest, Expected, Hours, Identity, Operation, Request,
    RequestId, ResourceId, Rules, SourceName, Timestamp,
};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

/// Who sends events. They use the same names for different things.
pub const SOURCES: [&str; 3] = ["calendly", "crm", "google"];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Where and when: an ordinary morning, and nights in which clocks change.
const DAYS: [(&str, &str); 8] = [
    ("Europe/Berlin", "2026-07-15T08:00:00Z"),
    ("Europe/Berlin", "2026-07-15T08:00:00Z"),
    ("Europe/Berlin", "2026-03-29T00:00:00Z"),
    ("Europe/Berlin", "2026-10-25T00:00:00Z"),
    ("America/New_York", "2026-03-08T06:00:00Z"),
    ("America/New_York", "2026-11-01T05:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T14:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T14:30:00Z"),
];

/// A zone that is none.
const NOWHERE: &str = "Nowhere/Land";

/// What happens to one resource from a moment on.
#[derive(Debug, Clone)]
pub struct Story {
    pub day: usize,
    pub rules: Setting,
    pub events: Vec<Event>,
}

/// One thing that somebody says.
#[derive(Debug, Clone)]
pub struct Event {
    /// Minutes since the event before.
    pub after: i64,
    pub source: usize,
    pub name: usize,
    /// Whether it is about something that is known: then source and name only choose among that.
    pub is_known: bool,
    /// How far its version is from what its place in the story suggests.
    pub lag: i64,
    pub is_promised: bool,
    /// And was there before anybody looked.
    pub is_imported: bool,
    pub belief: Belief,
    /// Minutes since it happened, if the source says.
    pub ago: Option<i64>,
    /// Whether what can be forgotten is forgotten before it.
    pub forgets: bool,
    pub what: What,
}

/// What the asker expects: so much more or less than what is true.
#[derive(Debug, Clone, Copy)]
pub enum Belief {
    Nothing,
    Booking(i64),
    Resource(i64),
}

#[derive(Debug, Clone)]
pub enum What {
    Book(Wish),
    Hold(Wish, u64),
    Confirm {
        content: Option<u8>,
        other: Option<usize>,
    },
    Release {
        other: Option<usize>,
    },
    Reschedule(usize, Wish),
    Update {
        content: u8,
        other: Option<usize>,
    },
    Cancel {
        is_half: bool,
        interval: Option<(i64, i64)>,
        other: Option<usize>,
    },
    Observe(Wish),
    Define(Setting),
    Redact,
    Expire {
        is_right: bool,
    },
    /// The arbiter's own: the booking stands although a move was wanted, under a name of its source.
    Stands {
        named: usize,
    },
    /// The arbiter's own: the booking is elsewhere now.
    Left,
}

/// What a claim asks for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// In tens of minutes from the two hours that the log is in; and in days.
    pub start: i64,
    pub days: i64,
    pub length: i64,
    /// Whether it is the time of something that stands: then the start only chooses among that.
    pub is_taken: bool,
    pub content: Option<u8>,
    pub contacts: u8,
    pub tags: u8,
    pub mark: Option<(usize, usize)>,
    /// The name at the resource that it comes from.
    pub moved_from: Option<usize>,
    /// A name whose id it uses, falsely.
    pub other: Option<usize>,
}

/// Rules, in minutes.
#[derive(Debug, Clone)]
pub struct Setting {
    pub capacity: u16,
    pub before: u64,
    pub after: u64,
    pub notice: u64,
    pub window: Option<u64>,
    pub wait: u64,
    /// Days from the story's, half-hours from its beginning, half-hours long.
    pub hours: Vec<(i64, i64, i64)>,
    pub is_nowhere: bool,
    pub is_retired: bool,
}

pub fn any_story(events: std::ops::Range<usize>) -> impl Strategy<Value = Story> {
    (0..DAYS.len(), any_setting(), vec(any_event(), events)).prop_map(|(day, rules, events)| Story {
        day,
        rules: Setting { is_nowhere: false, is_retired: false, ..rules },
        events,
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let after = prop_oneof![
        12 => Just(0),
        5 => 1..10i64,
        2 => select(&[15, 20, 40][..]),
        1 => select(&[180, 1_440, 14_400][..]),
    ];
    let who = (
        0..SOURCES.len(),
        0..NAMES.len(),
        prop::bool::weighted(0.5),
        -3..4i64,
        any::<bool>(),
        prop::bool::weighted(0.2),
    );
    let belief = prop_oneof![
        20 => Just(Belief::Nothing),
        1 => (-1..2i64).prop_map(Belief::Booking),
        1 => (-1..2i64).prop_map(Belief::Resource),
    ];
    let ago = weighted(0.5, select(&[-5, 0, 10, 60, 3_000][..]));
    (after, who, belief, ago, any_what(), prop::bool::weighted(0.2)).prop_map(
        |(after, (source, name, is_known, lag, is_promised, is_imported), belief, ago, what, forgets)| Event {
            after,
            source,
            name,
            is_known,
            lag,
            is_promised,
            is_imported,
            belief,
            ago,
            forgets,
            what,
        },
    )
}

fn any_what() -> impl Strategy<Value = What> {
    let name = || 0..NAMES.len();
    let other = || weighted(0.1, 0..NAMES.len());
    prop_oneof![
        10 => any_wish().prop_map(What::Book),
        6 => (any_wish(), select(&[1, 10, 20, 60][..])).prop_map(|(wish, ttl)| What::Hold(wish, ttl)),
        4 => (weighted(0.3, 0..4u8), other()).prop_map(|(content, other)| What::Confirm { content, other }),
        2 => other().prop_map(|other| What::Release { other }),
        8 => (name(), any_wish()).prop_map(|(previous, wish)| What::Reschedule(previous, wish)),
        3 => (0..4u8, other()).prop_map(|(content, other)| What::Update { content, other }),
        6 => (any::<bool>(), weighted(0.3, (0..10i64, 1..4i64)), other())
            .prop_map(|(is_half, interval, other)| What::Cancel { is_half, interval, other }),
        8 => any_wish().prop_map(|wish| What::Observe(Wish { content: None, ..wish })),
        3 => any_setting().prop_map(What::Define),
        1 => Just(What::Redact),
        3 => prop::bool::weighted(0.8).prop_map(|is_right| What::Expire { is_right }),
        1 => name().prop_map(|named| What::Stands { named }),
        1 => Just(What::Left),
    ]
}

fn any_wish() -> impl Strategy<Value = Wish> {
    let days = prop_oneof![20 => Just(0), 1 => Just(-10), 1 => Just(1), 1 => Just(45)];
    // Now and then a holiday.
    let length = prop_oneof![60 => 1..5i64, 1 => select(&[35 * 144, 70 * 144][..])];
    let time = (-2..10i64, days, length, prop::bool::weighted(0.2));
    let who = (weighted(0.7, 0..4u8), select(&[0, 0, 0, 1, 2, 3][..]), select(&[0, 0, 0, 0, 0, 1, 2, 3][..]));
    let odd = (
        weighted(0.05, (0..SOURCES.len(), 0..NAMES.len())),
        weighted(0.1, 0..NAMES.len()),
        weighted(0.03, 0..NAMES.len()),
    );
    (time, who, odd).prop_map(
        |((start, days, length, is_taken), (content, contacts, tags), (mark, moved_from, other))| Wish {
            start,
            days,
            length,
            is_taken,
            content,
            contacts,
            tags,
            mark,
            moved_from,
            other,
        },
    )
}

fn any_setting() -> impl Strategy<Value = Setting> {
    let hours = prop_oneof![
        4 => Just(Vec::new()),
        1 => vec((-1..2i64, -3..8i64, 1..10i64), 1..4),
    ];
    (
        select(&[1, 1, 1, 1, 2, 2, 3][..]),
        (select(&[0, 0, 10, 20, 5][..]), select(&[0, 0, 10, 30][..])),
        select(&[0, 0, 0, 20][..]),
        select(&[None, None, None, None, Some(90), Some(3_000)][..]),
        select(&[0, 15, 15, 40][..]),
        hours,
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(capacity, (before, after), notice, window, wait, hours, is_nowhere, is_retired)| Setting {
            capacity,
            before,
            after,
            notice,
            window,
            wait,
            hours,
            is_nowhere,
            is_retired,
        })
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

pub fn later(at: Timestamp, minutes: i64) -> Timestamp {
    Timestamp::from_micros(at.micros() + minutes * 60_000_000).expect("of our days")
}

pub fn source(nth: usize) -> SourceName {
    SOURCES[nth].parse().expect("a name")
}

/// The resource that bookings come from and go to.
pub fn elsewhere() -> ResourceId {
    "bob".parse().expect("a name")
}

/// What a source calls something.
pub fn identity(at: usize, name: usize) -> Identity {
    // Asked for so often that deriving them would take most of the time.
    static ALL: LazyLock<Vec<Identity>> = LazyLock::new(|| {
        let of = |at| NAMES.map(|name| Identity::new(&source(at), name));
        (0..SOURCES.len()).flat_map(of).collect()
    });
    ALL[at * NAMES.len() + name].clone()
}

pub fn booking_id(at: usize, name: usize, resource: &ResourceId) -> BookingId {
    BookingId::derive(&source(at), NAMES[name], resource)
}

pub fn contact(nth: u8) -> ContactId {
    ContactId::from_bytes([nth + 1; 16])
}

/// Those of two things whose bit is set.
fn of<T>(mask: u8, thing: impl Fn(u8) -> T) -> Vec<T> {
    (0..2).filter(|bit| mask & (1 << bit) != 0).map(thing).collect()
}

/// Content number so and so; its bits are who attends.
pub fn content(nth: u8) -> Content {
    let attendees = of(nth, contact)
        .into_iter()
        .map(|contact_id| Attendee { contact_id, name: None, email: None, phone: None })
        .collect();
    Content { title: None, attendees, source_time_zone: None, digest: ContentDigest([nth; 16]) }
}

impl Story {
    pub fn begins(&self) -> Timestamp {
        DAYS[self.day].1.parse().expect("a time")
    }

    /// The rules that it begins with, as a request of nobody in particular.
    pub fn first(&self, resource: &ResourceId) -> Request {
        Request {
            request_id: RequestId::derive("define", resource.as_str(), 0),
            resource: resource.clone(),
            source: source(0),
            event_id: String::new(),
            basis: Basis::Asked,
            expected: Expected::default(),
            digest: None,
            sourced_at: None,
            received_at: self.begins(),
            operation: Operation::Define(self.rules.rules(self.day)),
        }
    }
}

impl Setting {
    fn rules(&self, day: usize) -> Rules {
        let (zone, begins) = DAYS[day];
        let begins: DateTime<Utc> = begins.parse().expect("a time");
        let tz: Tz = zone.parse().expect("a zone");
        let local = tz.from_utc_datetime(&begins.naive_utc()).naive_local();
        let hours = self.hours.iter().map(|(days, from, length)| {
            let from = (i64::from(local.hour()) * 60 + from * 30).rem_euclid(24 * 60);
            let day = (local + TimeDelta::days(*days)).weekday();
            let minute = |minute: i64| u16::try_from(minute.min(24 * 60)).expect("of a day");
            Hours { day, from: minute(from), to: minute(from + length * 30) }
        });
        Rules {
            display_time_zone: if self.is_nowhere { NOWHERE } else { zone }.to_owned(),
            replacement_wait: minutes(self.wait),
            capacity: self.capacity,
            buffer_before: minutes(self.before),
            buffer_after: minutes(self.after),
            notice: minutes(self.notice),
            window: self.window.map(minutes),
            hours: hours.collect(),
            retired: self.is_retired,
        }
    }
}
