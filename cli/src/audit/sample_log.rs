//! A partition's log for tests: requests of every kind from a small generator, decided as the arbiter decides them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbiter_core::partition::{Content, Position, Record, Ruled, rule};
use daybook_domain::{
    Basis, BookingId, CancelKind, Claim, Expected, Identity, Interval, Operation, Rejection, Request, RequestId,
    ResourceId, Rules, SourceName, SourceVersion, Subject, Timestamp,
};
use daybook_wire::{decision_codec, decode_decision, encode_decision, frame, unframe};
use sha2::{Digest, Sha256};

use super::compare::Stored;

/// The schema's id in every frame.
pub const SCHEMA: u32 = 7;
/// Noon of an arbitrary day.
const NOON: i64 = 1_790_000_000_000_000;
const MINUTE: i64 = 60_000_000;

/// A record of `booking.requests`.
#[derive(Debug, Clone)]
pub struct Asked {
    pub offset: i64,
    pub timestamp: Timestamp,
    /// None for one that nobody can read.
    pub request: Option<Request>,
    /// A ruling that had to be made without the core.
    pub verdict: Option<Rejection>,
}

pub fn at(minute: i64) -> Timestamp {
    Timestamp::from_micros(NOON + minute * MINUTE).expect("in range")
}

pub fn resource(number: u64) -> ResourceId {
    ["anna", "bea"][usize::try_from(number % 2).expect("small")].parse().expect("a name")
}

fn source() -> SourceName {
    "calendly".parse().expect("a name")
}

/// A request of some id about one resource.
pub fn request(id: &str, resource: &ResourceId, operation: Operation) -> Request {
    Request {
        request_id: RequestId::derive("sample", id, 0),
        resource: resource.clone(),
        source: source(),
        event_id: id.to_owned(),
        basis: Basis::Promised,
        expected: Expected::default(),
        digest: None,
        sourced_at: None,
        received_at: at(0),
        operation,
    }
}

pub fn define(resource: &ResourceId) -> Request {
    request(&format!("define {resource}"), resource, Operation::Define(Rules::new("Europe/Berlin".to_owned())))
}

pub fn book(id: &str, resource: &ResourceId, name: &str, start: i64) -> Request {
    request(id, resource, Operation::Book(claim(resource, name, 1, start)))
}

fn claim(resource: &ResourceId, name: &str, version: i64, start: i64) -> Claim {
    let Subject { booking_id, identity, version } = subject(resource, name, version);
    Claim {
        booking_id,
        identity,
        version,
        interval: Interval::new(at(start), at(start + 30)).expect("an interval"),
        content: None,
        contacts: Vec::new(),
        tags: Vec::new(),
        mark: None,
        moved_from: None,
    }
}

fn subject(resource: &ResourceId, name: &str, version: i64) -> Subject {
    Subject {
        booking_id: BookingId::derive(&source(), name, resource),
        identity: Identity::new(&source(), name),
        version: SourceVersion { sequence: version, updated_at: Timestamp::EPOCH },
    }
}

/// Numbers without a pattern, always the same ones.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        // Knuth's MMIX; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// `count` records after two definitions: books, holds, moves, cancellations, repeats, one that is unreadable, one that
/// the store refused, gaps between the offsets.
pub fn records(count: u64) -> Vec<Asked> {
    let mut dice = Dice(42);
    let mut records: Vec<Asked> = Vec::new();
    for number in 0..count {
        let offset = records.last().map_or(0, |last| last.offset + 1) + i64::from(dice.below(9) == 0);
        let timestamp = at(i64::try_from(number).expect("small"));
        let resource = resource(dice.below(2));
        let name = format!("booking {}", dice.below(count / 8 + 1));
        let version = i64::try_from(dice.below(5)).expect("small");
        let start = 500 + 15 * i64::try_from(dice.below(120)).expect("small");
        let id = format!("request {number}");
        let claim = || claim(&resource, &name, version, start);
        let request = match (number, dice.below(8)) {
            (0 | 1, _) => Some(define(&self::resource(number))),
            (10, _) => None,
            (_, 0..=3) => Some(request(&id, &resource, Operation::Book(claim()))),
            (_, 4) => Some(request(&id, &resource, Operation::Hold { claim: claim(), ttl: Duration::from_secs(300) })),
            (_, 5) => {
                let previous = Identity::new(&source(), format!("booking {}", dice.below(count / 8 + 1)));
                Some(request(&id, &resource, Operation::Reschedule { previous, claim: claim() }))
            }
            (_, 6) => {
                let subject = subject(&resource, &name, version);
                let kind = if dice.below(2) == 0 { CancelKind::Plain } else { CancelKind::AwaitingReplacement };
                Some(request(&id, &resource, Operation::Cancel { subject, interval: None, kind }))
            }
            _ => records.last().and_then(|last| last.request.clone()),
        };
        let verdict = (number == 12).then_some(Rejection::ConflictByStore);
        records.push(Asked { offset, timestamp, request, verdict });
    }
    records
}

/// What the arbiter makes of these records.
pub fn decided(records: &[Asked]) -> Vec<Stored> {
    let mut position = Position::start(3);
    let (mut states, mut decided) = (BTreeMap::new(), BTreeSet::new());
    let mut rows = Vec::new();
    for asked in records {
        let content = asked.request.as_ref().map_or(Content::Unreadable(None), Content::Request);
        let record = Record { offset: asked.offset, timestamp: asked.timestamp, content };
        let verdict = asked.verdict.clone();
        if let Ok(Ruled::Decided(entries)) = rule(&mut position, &mut states, &mut decided, &record, verdict, SCHEMA) {
            rows.extend(entries.into_iter().map(|entry| stored(entry.logged.seq, asked.offset, entry.bytes)));
        }
    }
    rows
}

/// A row of these bytes.
pub fn stored(seq: i64, offset: i64, bytes: Vec<u8>) -> Stored {
    let logged = unframe(&bytes)
        .map_err(|error| error.to_string())
        .and_then(|(_, datum)| decode_decision(decision_codec().schema(), datum).map_err(|error| error.to_string()));
    Stored { seq, offset, bytes, logged, own_schema: true }
}

/// The rows after somebody has changed some and chained the rest anew, so that only what they say is wrong.
pub fn rechained(rows: &[Stored], mut change: impl FnMut(&mut daybook_wire::LoggedDecision)) -> Vec<Stored> {
    let mut chain = [0; 32];
    let changed = rows.iter().map(|row| {
        let mut logged = row.logged.clone().expect("readable");
        change(&mut logged);
        logged.previous_hash = chain;
        let bytes = frame(SCHEMA, &encode_decision(&logged));
        chain = Sha256::digest(&bytes).into();
        stored(row.seq, row.offset, bytes)
    });
    changed.collect()
}
