//! Whatever is cached, dropped and loaded again: the decisions are those of the whole state.

use std::time::Duration;

use arbiter_core::partition::Position;
use daybook_domain::{
    Basis, BookingState, CancelKind, Claim, ContactId, Expected, Identity, Interval, Operation, Rules, SourceName,
    SourceVersion, Subject, Tag,
};
use proptest::prelude::*;

use super::*;
use crate::batch::{Decided, Pause, Ruling};
use crate::intake::{Content, Entry};

const MINUTE: i64 = 60_000_000;
/// Two weeks before the log begins, so that claims reach back beyond any floor.
const PAST: i64 = 20_000;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000 + minute * MINUTE).expect("in range")
}

fn resource(n: usize) -> ResourceId {
    format!("r{n}").parse().expect("a name")
}

fn source(n: usize) -> SourceName {
    ["calendly", "crm", "google"][n % 3].parse().expect("a name")
}

/// A store in memory that answers as PostgreSQL does: exactly what is asked for, and no more.
#[derive(Default)]
struct Shelf {
    resources: BTreeMap<ResourceId, (u64, Rules)>,
    rows: BTreeMap<BookingId, BookingRow>,
    decided: BTreeSet<RequestId>,
}

impl Shelf {
    fn load(&self, wanted: &Wanted) -> Loaded {
        let names = |state: &BookingState| -> Vec<_> {
            state.keys.iter().copied().chain(state.shadows.iter().map(|shadow| shadow.key)).collect()
        };
        let named = self.rows.values().filter(|row| {
            let resource = &row.resource;
            names(&row.state).into_iter().any(|key| wanted.keys.contains(&(resource.clone(), key)))
                || row.state.tags.iter().any(|tag| wanted.tags.contains(&(resource.clone(), *tag)))
                || wanted.bookings.contains(&row.state.booking_id)
        });
        Loaded {
            decided: self.decided.clone(),
            resources: wanted
                .resources
                .iter()
                .filter_map(|id| self.resources.get(id).map(|(version, rules)| (id.clone(), *version, rules.clone())))
                .collect(),
            rows: named.cloned().collect(),
        }
    }

    fn live(&self, windows: &[Window]) -> Vec<(ResourceId, BookingState)> {
        let of = |window: &Window| {
            let (resource, time) = (window.resource.clone(), window.time);
            self.rows.values().filter(move |row| {
                let own = row.state.standing.live().is_some_and(|span| span.overlaps(&time));
                row.resource == resource && (own || row.state.away().any(|span| span.overlaps(&time)))
            })
        };
        windows.iter().flat_map(of).map(|row| (row.resource.clone(), row.state.clone())).collect()
    }

    /// As `fate.rs` does it; `everything` puts all that the store has into the cache first.
    fn decide(&self, cache: &mut Cache, position: &Position, entries: &[Entry], everything: bool) -> Decided {
        let requests: Vec<&Request> = entries
            .iter()
            .map(|entry| match &entry.content {
                Content::Request(request) => &**request,
                Content::Unreadable(..) => unreachable!("only requests are made here"),
            })
            .collect();
        let wanted = cache.open(&requests, position.now);
        let (mut rows, decided) = cache.take_in(&wanted, self.load(&wanted));
        let missing = if everything {
            let always = Interval::new(Timestamp::EPOCH, Timestamp::MAX).expect("an interval");
            cache.batch.iter().map(|resource| Window { resource: resource.clone(), time: always }).collect()
        } else {
            cache.surroundings(&requests)
        };
        cache.cover(&missing, self.live(&missing)).expect("sound");
        let none = BTreeMap::new();
        let mut ruling = Ruling::new(position, entries, decided, &none, 1);
        let ruled = loop {
            match ruling.go_on(cache.states(), 3) {
                Pause::Done => break ruling.finish(),
                Pause::Breath => {}
                Pause::Gap(gap) => {
                    assert!(!everything, "nothing is missing");
                    let mut gaps = ruling.gaps_to_come(cache.states());
                    gaps.push(gap);
                    let missing = cache.windows(&gaps);
                    cache.cover(&missing, self.live(&missing)).expect("sound");
                }
            }
        };
        for id in ruled.touched() {
            if let Some(row) = self.rows.get(&id) {
                rows.entry(id).or_insert_with(|| row.clone());
            }
        }
        ruled.finish(entries, rows, &wanted.bookings, cache.resources()).expect("sound")
    }

    fn commit(&mut self, decided: &Decided) {
        for touched in &decided.bookings {
            self.rows.insert(touched.row.state.booking_id, touched.row.clone());
        }
        for changed in &decided.resources {
            self.resources.insert(changed.resource.clone(), (changed.version, changed.rules.clone()));
        }
        self.decided.extend(decided.decisions.iter().map(|ready| ready.logged.decision.request_id));
    }
}

/// What becomes of a batch.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Committed,
    /// Committed, but the answer was lost: the cache is not settled.
    Unsure,
    /// Not committed, and tried again.
    Lost,
}

#[derive(Debug, Clone)]
struct Step {
    resource: usize,
    source: usize,
    name: u8,
    other: u8,
    what: u8,
    start: i64,
    minutes: i64,
    later: i64,
    tag: Option<u8>,
    version: i64,
}

fn step() -> impl Strategy<Value = Step> {
    let when = prop_oneof![8 => 0..2_000_i64, 2 => -PAST..0_i64];
    let later = prop_oneof![20 => 0..30_i64, 1 => 3_000..9_000_i64];
    (0..3_usize, 0..3_usize, 0..6_u8, 0..6_u8, 0..10_u8, when, 10..300_i64, later, prop::option::of(0..3_u8), 0..5_i64)
        .prop_map(|(resource, source, name, other, what, start, minutes, later, tag, version)| Step {
            resource,
            source,
            name,
            other,
            what,
            start,
            minutes,
            later,
            tag,
            version,
        })
}

fn operation(step: &Step, now: i64) -> Operation {
    let (source, resource) = (source(step.source), resource(step.resource));
    let identity = |name: u8| Identity::new(&source, format!("n{name}"));
    let version = SourceVersion { sequence: step.version, updated_at: Timestamp::EPOCH };
    let booking_id = BookingId::derive(&source, &format!("n{}", step.name), &resource);
    let start = now + step.start / 30 * 30;
    let claim = Claim {
        booking_id,
        identity: identity(step.name),
        version,
        interval: Interval::new(at(start), at(start + step.minutes / 30 * 30 + 30)).expect("an interval"),
        content: None,
        contacts: vec![ContactId::from_bytes([step.other % 2; 16])],
        tags: step.tag.map(|tag| Tag::derive("ical", &tag.to_string())).into_iter().collect(),
        mark: None,
        moved_from: None,
    };
    let subject = Subject { booking_id, identity: identity(step.name), version };
    match step.what {
        0..=2 => Operation::Book(claim),
        3 => Operation::Hold { claim, ttl: Duration::from_secs(600) },
        4 | 5 => Operation::Observe(claim),
        6 => Operation::Reschedule { previous: identity(step.other), claim },
        7 => Operation::Cancel { subject, interval: None, kind: CancelKind::Plain },
        8 => Operation::Cancel { subject, interval: None, kind: CancelKind::AwaitingReplacement },
        _ => Operation::Confirm { subject, content: None },
    }
}

fn rules(n: usize) -> Rules {
    Rules {
        capacity: [1, 1, 2][n],
        buffer_before: Duration::from_secs([0, 3_600, 0][n]),
        ..Rules::new("UTC".to_owned())
    }
}

fn batches() -> impl Strategy<Value = Vec<(Vec<Step>, Fate)>> {
    let fate = prop_oneof![6 => Just(Fate::Committed), 1 => Just(Fate::Unsure), 1 => Just(Fate::Lost)];
    prop::collection::vec((prop::collection::vec(step(), 1..12), fate), 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_batch_on_cached_states_is_decided_as_on_the_whole_state(batches in batches(), max in 0..40_usize) {
        let mut shelf = Shelf::default();
        for n in 0..3 {
            shelf.resources.insert(resource(n), (1, rules(n)));
        }
        let budget = Budget::new(max);
        let mut cache = Cache::new(budget.clone());
        let mut position = Position { now: at(0), ..Position::start(0) };
        let mut minute = 0;
        let mut count = 0_u32;
        for (steps, fate) in &batches {
            let mut entries = Vec::new();
            for step in steps {
                minute += step.later;
                count += 1;
                let request = Request {
                    request_id: RequestId::derive("test", &count.to_string(), 0),
                    resource: resource(step.resource),
                    source: source(step.source),
                    event_id: count.to_string(),
                    basis: Basis::Promised,
                    expected: Expected::default(),
                    digest: None,
                    sourced_at: None,
                    received_at: at(minute),
                    operation: operation(step, minute),
                };
                entries.push(Entry {
                    offset: i64::from(count),
                    timestamp: at(minute),
                    traceparent: None,
                    content: Content::Request(Box::new(request)),
                });
            }
            let whole = shelf.decide(&mut Cache::new(Budget::new(1_000_000)), &position, &entries, true);
            if matches!(fate, Fate::Lost) {
                shelf.decide(&mut cache, &position, &entries, false);
            }
            let cached = shelf.decide(&mut cache, &position, &entries, false);
            let bytes = |decided: &Decided| -> Vec<Vec<u8>> {
                decided.decisions.iter().map(|ready| ready.bytes.clone()).collect()
            };
            prop_assert_eq!(bytes(&whole), bytes(&cached));
            prop_assert_eq!(&whole.bookings, &cached.bookings);
            prop_assert_eq!(&whole.resources, &cached.resources);
            shelf.commit(&cached);
            position = cached.after.clone();
            if !matches!(fate, Fate::Unsure) {
                cache.settle(position.now);
                let batch: usize = cache.batch.iter().map(|id| cache.about.get(id).map_or(0, |about| about.weight)).sum();
                prop_assert!(budget.held() <= max.max(batch));
                prop_assert_eq!(budget.held(), cache.about.values().map(|about| about.weight).sum::<usize>());
            }
        }
        drop(cache);
        prop_assert_eq!(budget.held(), 0);
    }
}

#[test]
fn what_was_not_settled_is_gone_with_the_next_opening() {
    let shelf = Shelf { resources: [(resource(0), (1, rules(0)))].into(), ..Shelf::default() };
    let mut cache = Cache::new(Budget::new(100));
    let request = Request {
        request_id: RequestId::derive("test", "1", 0),
        resource: resource(0),
        source: source(0),
        event_id: "1".to_owned(),
        basis: Basis::Promised,
        expected: Expected::default(),
        digest: None,
        sourced_at: None,
        received_at: at(0),
        operation: Operation::Define(rules(1)),
    };
    for (settle, loads) in [(false, true), (true, true), (true, false)] {
        let wanted = cache.open(&[&request], at(0));
        assert_eq!(wanted.resources.contains(&resource(0)), loads);
        cache.take_in(&wanted, shelf.load(&wanted));
        if settle {
            cache.settle(at(0));
        }
    }
}

#[test]
fn a_state_is_pruned_as_the_floor_rises() {
    let mut shelf = Shelf { resources: [(resource(0), (1, rules(0)))].into(), ..Shelf::default() };
    let mut cache = Cache::new(Budget::new(1_000));
    let mut position = Position { now: at(0), ..Position::start(0) };
    for day in 0..30_i64 {
        let step = Step {
            resource: 0,
            source: 0,
            name: 0,
            other: 0,
            what: 0,
            start: 60,
            minutes: 30,
            later: 0,
            tag: None,
            version: 1,
        };
        let Operation::Book(mut claim) = operation(&step, day * 1_440) else { unreachable!("it books") };
        claim.identity = Identity::new(&source(0), format!("day {day}"));
        claim.booking_id = BookingId::derive(&source(0), &format!("day {day}"), &resource(0));
        let request = Request {
            request_id: RequestId::derive("test", &day.to_string(), 0),
            resource: resource(0),
            source: source(0),
            event_id: day.to_string(),
            basis: Basis::Promised,
            expected: Expected::default(),
            digest: None,
            sourced_at: None,
            received_at: at(day * 1_440),
            operation: Operation::Book(claim),
        };
        let content = Content::Request(Box::new(request));
        let entries = [Entry { offset: day, timestamp: at(day * 1_440), traceparent: None, content }];
        let decided = shelf.decide(&mut cache, &position, &entries, false);
        shelf.commit(&decided);
        position = decided.after;
        cache.settle(position.now);
    }
    assert_eq!(shelf.rows.len(), 30);
    let held = cache.states.values().map(State::len).sum::<usize>();
    assert!(
        (5..=8).contains(&held),
        "{held} are held: those of the last five days, and of those since the last pruning"
    );
}
