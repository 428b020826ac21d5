//! One appointment that its source moves to and fro between two resources: each has a log of its own, and what follows
//! from a decision on one goes through the log of the other.

use std::collections::VecDeque;

use arbiter_core::{State, expire, follow_up, step};
use daybook_domain::{
    Basis, BookingId, CancelKind, Claim, Elsewhere, Expected, Identity, Interval, Operation, Request, RequestId,
    ResourceId, Rules, SourceVersion, Subject, Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::generator::{later, source};
use crate::machine::cases;

/// What its source does with it.
#[derive(Debug, Clone, Copy)]
struct Move {
    /// To the other resource, or to another time on its own.
    is_away: bool,
    is_renamed: bool,
    /// Where it is renamed: whether a cancelling half comes, and before the other one.
    half: Option<bool>,
    /// Whether somebody else has that time.
    is_refused: bool,
}

struct Log {
    state: State,
    coming: VecDeque<Request>,
}

struct World {
    logs: [Log; 2],
    sent: usize,
}

fn resource(nth: usize) -> ResourceId {
    ["anna", "bob"][nth].parse().expect("a name")
}

fn now() -> Timestamp {
    "2026-07-15T08:00:00Z".parse().expect("a time")
}

/// Slots apart from each other: nobody but the rival of a refused move is in the way.
fn slot(nth: usize) -> Interval {
    let start = later(now(), 60 * i64::try_from(nth + 1).expect("few"));
    Interval::new(start, later(start, 30)).expect("not empty")
}

fn version(nth: usize) -> SourceVersion {
    SourceVersion { sequence: i64::try_from(nth).expect("few"), updated_at: Timestamp::EPOCH }
}

/// The `nth` slot for what a source calls so, at a resource.
fn claim(by: usize, name: &str, at: usize, nth: usize, moved_from: Option<Elsewhere>) -> Claim {
    Claim {
        booking_id: BookingId::derive(&source(by), name, &resource(at)),
        identity: Identity::new(&source(by), name),
        version: version(nth),
        interval: slot(nth),
        content: None,
        contacts: Vec::new(),
        tags: Vec::new(),
        mark: None,
        moved_from,
    }
}

impl World {
    fn new() -> Self {
        let logs = [0, 1].map(|nth| Log { state: State::new(resource(nth)), coming: VecDeque::new() });
        let mut world = Self { logs, sent: 0 };
        for at in 0..2 {
            world.send(at, 0, Operation::Define(Rules::new("Europe/Berlin".to_owned())));
        }
        world
    }

    fn send(&mut self, to: usize, by: usize, operation: Operation) {
        self.sent += 1;
        self.logs[to].coming.push_back(Request {
            request_id: RequestId::derive("moves", "", self.sent),
            resource: resource(to),
            source: source(by),
            event_id: String::new(),
            basis: Basis::Promised,
            expected: Expected::default(),
            digest: None,
            sourced_at: None,
            received_at: now(),
            operation,
        });
    }

    /// Each log takes what it has, until nothing follows any more.
    fn take_all(&mut self) {
        while let Some(at) = self.logs.iter().position(|log| !log.coming.is_empty()) {
            let log = &mut self.logs[at];
            let Some(request) = log.coming.pop_front() else { return };
            let decisions = step(&mut log.state, now(), &request).expect("nothing is missing");
            log.state.check().expect("sound");
            for request in decisions.iter().filter_map(follow_up) {
                self.logs[usize::from(request.resource == resource(1))].coming.push_back(request);
            }
        }
    }

    /// Where something of this name stands, as the normalizer would look it up.
    fn find(&self, name: &str) -> Option<(usize, BookingId)> {
        let key = Identity::new(&source(0), name).key();
        let live = |log: &Log| {
            let known = log.state.by_key(key).filter(|known| known.standing.live().is_some())?;
            Some(known.booking_id)
        };
        self.logs.iter().enumerate().find_map(|(at, log)| Some((at, live(log)?)))
    }

    /// What stands of the source's at the end, when every wait is over.
    fn standing(&mut self) -> Vec<(usize, Interval)> {
        let mut standing = Vec::new();
        for (at, log) in self.logs.iter_mut().enumerate() {
            let waits: Vec<(BookingId, Timestamp)> =
                log.state.bookings().filter_map(|known| Some((known.booking_id, known.standing.deadline()?))).collect();
            for (id, deadline) in waits {
                step(&mut log.state, deadline, &expire(resource(at), id, deadline, deadline))
                    .expect("nothing is missing");
            }
            let own = log.state.bookings().filter(|known| known.source == source(0));
            standing.extend(own.filter_map(|known| Some((at, known.standing.live()?))));
        }
        standing
    }
}

/// Tells the moves, and where the appointment has to be after them.
fn told(moves: &[Move]) -> (World, (usize, Interval)) {
    let mut world = World::new();
    let mut name = "0".to_owned();
    let mut stands = (0, slot(0));
    world.send(0, 0, Operation::Book(claim(0, &name, 0, 0, None)));
    world.take_all();
    for (nth, it) in (1..).zip(moves) {
        let (at, booking_id) = world.find(&name).unwrap_or_else(|| panic!("move {nth}: {name} stands nowhere"));
        let to = if it.is_away { 1 - at } else { at };
        let new = if it.is_renamed { nth.to_string() } else { name.clone() };
        if it.is_refused {
            world.send(to, 1, Operation::Book(claim(1, &new, to, nth, None)));
        }
        let previous = Identity::new(&source(0), name.as_str());
        let half = Operation::Cancel {
            subject: Subject { booking_id, identity: previous.clone(), version: version(nth) },
            interval: None,
            kind: CancelKind::AwaitingReplacement,
        };
        let moved_from = it.is_away.then(|| Elsewhere { resource: resource(at), booking_id });
        let other_half = Operation::Reschedule { previous, claim: claim(0, &new, to, nth, moved_from) };
        match it.half.filter(|_| it.is_renamed) {
            None => world.send(to, 0, other_half),
            Some(true) => {
                world.send(at, 0, half);
                world.take_all();
                world.send(to, 0, other_half);
            }
            Some(false) => {
                world.send(to, 0, other_half);
                world.take_all();
                world.send(at, 0, half);
            }
        }
        world.take_all();
        if !it.is_refused {
            stands = (to, slot(nth));
        }
        name = new;
    }
    (world, stands)
}

fn any_move() -> impl Strategy<Value = Move> {
    (any::<bool>(), any::<bool>(), any::<Option<bool>>(), prop::bool::weighted(0.3))
        .prop_map(|(is_away, is_renamed, half, is_refused)| Move { is_away, is_renamed, half, is_refused })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(1_000)))]

    #[test]
    fn an_appointment_that_moves_to_and_fro_stands_once_where_it_was_moved_last(moves in vec(any_move(), 0..8)) {
        let (mut world, stands) = told(&moves);
        prop_assert_eq!(world.standing(), [stands]);
    }
}
