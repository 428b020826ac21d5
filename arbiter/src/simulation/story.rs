//! What is asked: rivals for a few slots of a few resources, by a few sources, twice, late, out of order, and sometimes
//! nothing that anybody can read.

use std::collections::BTreeSet;
use std::time::Duration;

use arbiter_core::expire;
use daybook_domain::{
    Attendee, Basis, BookingId, CancelKind, Claim, ContactId, Content, ContentDigest, Elsewhere, Expected, Hours,
    Identity, Interval, Operation, Request, RequestId, ResourceId, Rules, SourceName, SourceVersion, Subject, Tag,
    Timestamp,
};

use super::dice::Dice;
use super::tables::slot;
use super::world::{Sim, World};
use crate::intake;

const RESOURCES: [&str; 3] = ["r0", "r1", "r2"];
const SOURCES: [&str; 3] = ["calendly", "hubspot", "google"];
const NAMES: usize = 5;
/// Half-hours that are fought for.
const SLOTS: i64 = 8;
const SLOT: Duration = Duration::from_secs(30 * 60);
const DAY: i64 = 24 * 60 * 60;

/// Tells one run's requests.
#[derive(Debug)]
pub struct Story {
    begins: Timestamp,
    nth: usize,
    told: Vec<Request>,
    /// What is on a detour and comes after what it came before.
    late: Vec<Request>,
    undefined: Vec<ResourceId>,
    expired: BTreeSet<RequestId>,
}

fn resource(name: &str) -> ResourceId {
    name.parse().expect("a name")
}

fn source(nth: usize) -> SourceName {
    SOURCES[nth].parse().expect("a name")
}

/// The text that people see, by its fingerprint.
pub fn title(digest: ContentDigest) -> String {
    format!("title {}", digest.0[0])
}

fn content(nth: u8, poison: bool) -> Content {
    let digest = ContentDigest([nth; 16]);
    let title = if poison { "\0".to_owned() } else { title(digest) };
    let attendee = |contact| Attendee { contact_id: contact, name: Some("Jane".to_owned()), email: None, phone: None };
    let attendees = (0..nth % 3).map(|nth| attendee(ContactId::from_bytes([nth + 1; 16]))).collect();
    Content { title: Some(title), attendees, source_time_zone: None, digest }
}

fn rules(dice: &mut Dice) -> Rules {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let hours = |day| Hours { day, from: 60, to: 23 * 60 };
    let week = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].map(|day| hours(day.parse().expect("a day")));
    Rules {
        display_time_zone: dice.pick(&["Europe/Berlin", "America/New_York"]).to_owned(),
        replacement_wait: Duration::from_secs(dice.pick(&[0, 5, 20, 60])),
        capacity: dice.pick(&[1, 1, 1, 1, 2, 3]),
        buffer_before: minutes(dice.pick(&[0, 0, 0, 10])),
        buffer_after: minutes(dice.pick(&[0, 0, 0, 30])),
        notice: minutes(dice.pick(&[0, 0, 0, 0, 600])),
        window: dice.pick(&[None, None, None, None, Some(minutes(3 * 24 * 60))]),
        hours: if dice.chance(1_000) { week.to_vec() } else { Vec::new() },
        retired: false,
    }
}

impl Story {
    pub fn new(sim: &Sim) -> Self {
        let begins = sim.world().now();
        Self {
            begins,
            nth: 0,
            told: Vec::new(),
            late: Vec::new(),
            undefined: RESOURCES.iter().map(|name| resource(name)).collect(),
            expired: BTreeSet::new(),
        }
    }

    /// Some records.
    pub fn tell(&mut self, world: &mut World) {
        if world.dice.chance(3_000) {
            self.expire(world);
        }
        for _ in 0..=world.dice.below(3) {
            let unreadable = world.fault(|profile| profile.unreadable);
            let poison = world.fault(|profile| profile.poison);
            let now = world.now();
            let roll = world.dice.below(100);
            if unreadable && world.dice.chance(5_000) {
                let partition =
                    i32::try_from(world.dice.below(usize::try_from(world.broker.partitions()).unwrap_or(1)))
                        .unwrap_or_default();
                let whose = world.dice.chance(5_000).then(|| resource(RESOURCES[0]));
                world.note(|| format!("rubbish for partition {partition}"));
                world.broker.rubbish(partition, whose, now);
                continue;
            }
            let request = match roll {
                0..14 if !self.told.is_empty() => {
                    world.count("told again");
                    world.dice.pick(&self.told)
                }
                14..22 if !self.told.is_empty() => {
                    let again = world.dice.pick(&self.told);
                    self.nth += 1;
                    Request { request_id: self.id(), event_id: self.nth.to_string(), ..again }
                }
                22..30 if !self.late.is_empty() => {
                    let nth = world.dice.below(self.late.len());
                    self.late.swap_remove(nth)
                }
                _ => {
                    let (whose, from) = (resource(world.dice.pick(&RESOURCES)), world.dice.below(SOURCES.len()));
                    let request = self.request(&mut world.dice, now, &whose, from, poison);
                    if world.dice.chance(1_000) {
                        self.late.push(request);
                        continue;
                    }
                    request
                }
            };
            self.ask(world, request, unreadable);
        }
    }

    fn ask(&mut self, world: &mut World, request: Request, unknown: bool) {
        world.note(|| {
            format!("{} asks {} on {}: {:?}", request.source, request.request_id, request.resource, request.operation)
        });
        let partition = super::broker::partition_of(&request.resource, world.broker.partitions());
        let now = world.now();
        let unknown_until = unknown.then(|| now.plus(world.dice.millis(0, 20_000)));
        world.broker.append(partition, intake::Content::Request(Box::new(request.clone())), now, unknown_until);
        self.told.push(request);
    }

    /// What had not come yet, and one more on each resource, so that nobody sleeps on.
    pub fn end(&mut self, world: &mut World) {
        for request in std::mem::take(&mut self.late) {
            self.ask(world, request, false);
        }
        for name in RESOURCES {
            let now = world.now();
            let from = world.dice.below(SOURCES.len());
            let request = self.request(&mut world.dice, now, &resource(name), from, false);
            self.ask(world, request, false);
        }
    }

    /// What `expiry.rs` does: whose wait is over is told so, by the wall clock, which may be early.
    pub fn expire(&mut self, world: &mut World) {
        let now = world.now();
        let early = if world.calm { Duration::ZERO } else { world.dice.millis(0, 4_000) };
        let rows = world.server.shards().flat_map(|shard| shard.bookings.values());
        let waits =
            rows.filter_map(|row| Some((row.resource.clone(), row.state.booking_id, row.state.standing.deadline()?)));
        let due: Vec<_> = waits.filter(|(.., deadline)| *deadline <= now.plus(early)).collect();
        for (resource, booking, deadline) in due {
            let request = expire(resource, booking, deadline, now);
            // Told again later only if it was early.
            if self.expired.insert(request.request_id) || deadline > now || world.dice.chance(500) {
                world.count("expire requests");
                self.ask(world, request, false);
            }
        }
    }

    fn id(&self) -> RequestId {
        RequestId::derive("story", &self.nth.to_string(), 0)
    }

    fn request(&mut self, dice: &mut Dice, now: Timestamp, whose: &ResourceId, from: usize, poison: bool) -> Request {
        self.nth += 1;
        let undefined = self.undefined.iter().position(|undefined| undefined == whose).filter(|_| dice.chance(6_000));
        let operation = match undefined {
            Some(nth) => {
                self.undefined.swap_remove(nth);
                Operation::Define(rules(dice))
            }
            None => self.operation(dice, whose, from, poison),
        };
        let observed = matches!(operation, Operation::Observe(_));
        let promised = observed || dice.chance(6_000);
        let expected = match dice.below(40) {
            0 => Expected { booking_version: Some(1), resource_version: None },
            1 => Expected {
                booking_version: None,
                resource_version: Some(u64::try_from(dice.below(4)).unwrap_or_default()),
            },
            _ => Expected::default(),
        };
        Request {
            request_id: self.id(),
            resource: whose.clone(),
            source: source(from),
            event_id: self.nth.to_string(),
            basis: if promised { Basis::Promised } else { Basis::Asked },
            expected,
            digest: None,
            sourced_at: dice.chance(5_000).then(|| now.minus(dice.millis(0, 600_000))),
            received_at: now,
            operation,
        }
    }

    fn operation(&self, dice: &mut Dice, resource: &ResourceId, from: usize, poison: bool) -> Operation {
        match dice.below(100) {
            0..30 => Operation::Book(self.claim(dice, resource, from, poison)),
            30..38 => {
                let ttl = Duration::from_secs(dice.pick(&[1, 5, 20, 60]));
                Operation::Hold { claim: self.claim(dice, resource, from, poison), ttl }
            }
            38..44 => {
                let shown = dice.chance(3_000).then(|| content(dice.pick(&[1, 2, 3]), poison));
                Operation::Confirm { subject: self.subject(dice, resource, from), content: shown }
            }
            44..47 => Operation::Release { subject: self.subject(dice, resource, from), moved_to: None },
            47..65 => {
                let previous = self.identity(dice, from);
                Operation::Reschedule { previous, claim: self.claim(dice, resource, from, poison) }
            }
            65..70 => Operation::Update {
                subject: self.subject(dice, resource, from),
                content: content(dice.pick(&[1, 2, 3, 4]), poison),
            },
            70..84 => {
                let kind = if dice.chance(6_000) { CancelKind::Plain } else { CancelKind::AwaitingReplacement };
                Operation::Cancel { subject: self.subject(dice, resource, from), interval: None, kind }
            }
            84..94 => {
                let claim = self.claim(dice, resource, from, false);
                Operation::Observe(Claim { content: None, moved_from: None, ..claim })
            }
            94..97 => Operation::Define(rules(dice)),
            _ => Operation::Redact { booking_id: booking(dice, resource, from) },
        }
    }

    fn identity(&self, dice: &mut Dice, from: usize) -> Identity {
        Identity::new(&source(from), name(dice))
    }

    fn version(&self, dice: &mut Dice) -> SourceVersion {
        let nth = i64::try_from(self.nth).unwrap_or(i64::MAX);
        let lag = dice.pick(&[0, 0, 0, 0, 1, 5]);
        SourceVersion { sequence: (nth / 2 - lag).max(0), updated_at: Timestamp::EPOCH }
    }

    fn subject(&self, dice: &mut Dice, resource: &ResourceId, from: usize) -> Subject {
        let name = name(dice);
        Subject {
            booking_id: BookingId::derive(&source(from), &name, resource),
            identity: Identity::new(&source(from), name),
            version: self.version(dice),
        }
    }

    fn claim(&self, dice: &mut Dice, whose: &ResourceId, from: usize, poison: bool) -> Claim {
        let Subject { booking_id, identity, version } = self.subject(dice, whose, from);
        let moved_from = dice.chance(1_200).then(|| {
            let others: Vec<&str> = RESOURCES.into_iter().filter(|name| *name != whose.as_str()).collect();
            let there = resource(dice.pick(&others));
            Elsewhere { booking_id: booking(dice, &there, from), resource: there }
        });
        Claim {
            booking_id,
            identity,
            version,
            interval: self.interval(dice),
            content: dice.chance(7_000).then(|| content(dice.pick(&[1, 2, 3, 4, 5]), poison)),
            contacts: if dice.chance(1_000) { vec![ContactId::from_bytes([1; 16])] } else { Vec::new() },
            tags: if dice.chance(1_000) { vec![Tag::derive("ical", dice.pick(&["a", "b"]))] } else { Vec::new() },
            mark: None,
            moved_from,
        }
    }

    fn interval(&self, dice: &mut Dice) -> Interval {
        let day = dice.pick(&[1, 1, 1, 1, 1, 1, 1, 2, 4, -1, -6]);
        let begins = Timestamp::from_micros(self.begins.micros() + day * DAY * 1_000_000).unwrap_or(Timestamp::EPOCH);
        let at = |nth: i64| begins.plus(SLOT * u32::try_from(nth).unwrap_or_default());
        let start = dice.between(0, SLOTS - 1);
        Interval::new(at(start), at(start + dice.pick(&[1, 1, 1, 2, 3]))).expect("not empty")
    }
}

fn name(dice: &mut Dice) -> String {
    format!("n{}", dice.below(NAMES))
}

fn booking(dice: &mut Dice, resource: &ResourceId, from: usize) -> BookingId {
    BookingId::derive(&source(from), &name(dice), resource)
}

/// Somebody goes round the arbiter and takes time that is free.
pub fn haunt(world: &mut World) {
    let whose = resource(world.dice.pick(&RESOURCES));
    let begins = world.now().plus(Duration::from_secs(DAY.unsigned_abs()));
    let start = begins.plus(SLOT * u32::try_from(world.dice.below(8)).unwrap_or_default());
    let interval = Interval::new(start, start.plus(SLOT)).expect("not empty");
    let rows = world.server.shards().flat_map(|shard| shard.bookings.values()).filter(|row| row.resource == whose);
    let taken = rows.filter_map(|row| slot(&row.state)).any(|(other, unit)| unit == 0 && other.overlaps(&interval));
    if !taken {
        world.note(|| format!("a row that nobody loads takes {interval:?} of {whose}"));
        world.count("ghosts");
        world.server.ghosts.push((whose, 0, interval));
    }
}
