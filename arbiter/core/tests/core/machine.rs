//! The core against the naive reference, story after story, with the invariants looked at after every decision.

mod laws;

use std::collections::{BTreeMap, BTreeSet};

use arbiter_core::partition::{Content, Entry, Position, Record, Ruled, rule};
use arbiter_core::{State, evolve, reach, step};
use daybook_domain::{
    BookingId, BookingState, Decision, Expected, Operation, OperationKind, Outcome, Request, RequestId, ResourceId,
    Timestamp,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::generator::{Story, any_story, later};
use crate::naive::Naive;
use crate::naive::time::{blocks, spans};
use laws::{Told, is_booked, seen};

type Verdict = Result<(), TestCaseError>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(10_000)))]

    #[test]
    fn the_core_decides_what_a_flat_list_decides(story in any_story(1..30)) {
        Machine::new(&anna()).run(&story)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(300)))]

    #[test]
    fn the_same_log_gives_the_same_bytes_whatever_the_state_has_forgotten(story in any_story(1..30)) {
        let log = told(&story, &anna());
        let whole = ruled(&log, |_, _, _| {});
        let mut list = Naive::new(anna());
        let expected: Vec<Decision> = log.iter().flat_map(|(now, request)| list.step(*now, request)).collect();
        // An `expire` that was told already is passed over; the list would say again that it is stale.
        let first = |decision: &&Decision| decision.operation != OperationKind::Expire;
        prop_assert!(whole.iter().map(|entry| &entry.logged.decision).filter(first).eq(expected.iter().filter(first)));
        prop_assert_eq!(&whole, &ruled(&log, |_, _, _| {}), "told twice");
        let ids: BTreeSet<RequestId> = whole.iter().map(|entry| entry.logged.decision.request_id).collect();
        prop_assert_eq!(ids.len(), whole.len(), "decided twice");
        let mut store = Naive::new(anna());
        let forgetful = ruled(&log, |state, now, request| {
            // What was decided before has come to the store by now.
            store.list.retain(|known| state.booking(known.booking_id).is_none());
            store.list.extend(state.bookings().cloned());
            state.forget_before(now);
            supplied(&mut state.clone(), &store, now, request, state);
        });
        prop_assert_eq!(&whole, &forgetful, "forgotten and loaded again");
    }

    #[test]
    fn a_resource_is_decided_on_as_if_it_were_alone(
        one in any_story(1..20),
        two in any_story(1..20),
        order in vec(any::<bool>(), 40),
    ) {
        let two = Story { day: one.day, ..two };
        let (one, two) = (told(&one, &anna()), told(&two, &"carl".parse().expect("a name")));
        // The log's time is one for both: nothing comes before what happened earlier, and the rest in any order.
        let (mut ones, mut twos) = (one.iter().peekable(), two.iter().peekable());
        let mut mixed = Vec::new();
        for is_first in order {
            let next = match (ones.peek(), twos.peek()) {
                (Some((one, _)), Some((two, _))) if two < one || (one == two && !is_first) => twos.next(),
                (None, Some(_)) => twos.next(),
                (Some(_) | None, _) => ones.next(),
            };
            mixed.extend(next.cloned());
        }
        prop_assert_eq!(mixed.len(), one.len() + two.len());
        let decisions = |log: &[(Timestamp, Request)], of: &[(Timestamp, Request)]| -> Vec<Decision> {
            let all = ruled(log, |_, _, _| {}).into_iter().map(|entry| entry.logged.decision);
            all.filter(|decision| decision.resource == of[0].1.resource).collect()
        };
        prop_assert_eq!(decisions(&mixed, &one), decisions(&one, &one));
        prop_assert_eq!(decisions(&mixed, &two), decisions(&two, &two));
    }
}

/// Enough to find what a wrong comparison does; `DAYBOOK_SOAK=1` asks for the long run.
pub fn cases(usual: u32) -> u32 {
    if std::env::var_os("DAYBOOK_SOAK").is_some() { usual * 20 } else { usual }
}

fn anna() -> ResourceId {
    "anna".parse().expect("a name")
}

/// A story as a log: each request at its time. What is known when something is said is what the reference knows.
fn told(story: &Story, resource: &ResourceId) -> Vec<(Timestamp, Request)> {
    let mut naive = Naive::new(resource.clone());
    let mut now = story.begins();
    let mut log = vec![(now, story.first(resource))];
    naive.step(now, &log[0].1);
    for (nth, event) in story.events.iter().enumerate() {
        now = later(now, event.after);
        let request = event.request(nth, story.day, now, &naive);
        naive.step(now, &request);
        log.push((now, request));
    }
    log
}

/// The entries of a log, of which every record comes twice, and some bear a time before that of the record before.
/// `between` may do something to the state before a request.
fn ruled(log: &[(Timestamp, Request)], mut between: impl FnMut(&mut State, Timestamp, &Request)) -> Vec<Entry> {
    let mut position = Position::start(3);
    let (mut states, mut decided) = (BTreeMap::new(), BTreeSet::new());
    let mut all = Vec::new();
    for (nth, (now, request)) in (0..).zip(log) {
        let state = states.entry(request.resource.clone()).or_insert_with(|| State::new(request.resource.clone()));
        between(state, *now, request);
        let timestamp = if *now == position.now { later(*now, -7) } else { *now };
        for again in [false, true] {
            let record = Record { offset: 2 * nth + i64::from(again), timestamp, content: Content::Request(request) };
            let ruled = rule(&mut position, &mut states, &mut decided, &record, None, 7).expect("nothing is missing");
            if let Ruled::Decided(entries) = ruled {
                assert!(!again || entries.is_empty(), "decided twice");
                all.extend(entries);
            }
        }
    }
    all
}

/// What a request names.
fn named(store: &Naive, request: &Request) -> Vec<BookingState> {
    let reach = reach(request);
    let is_named = |booking: &&BookingState| {
        reach.bookings.contains(&booking.booking_id)
            || reach.tags.iter().any(|tag| booking.tags.contains(tag))
            || reach.keys.iter().any(|key| booking.keys.contains(key) || booking.shadow(*key).is_some())
    };
    store.list.iter().filter(is_named).cloned().collect()
}

/// Decides on a state that is given what the request names and, as the core asks for it, what is live of the time that it
/// misses; no more. `given` is given the same.
fn supplied(state: &mut State, store: &Naive, now: Timestamp, request: &Request, given: &mut State) -> Vec<Decision> {
    for booking in named(store, request) {
        state.learn(booking.clone());
        given.learn(booking);
    }
    loop {
        let before = state.clone();
        let missing = match step(state, now, request) {
            Ok(decisions) => return decisions,
            Err(missing) => missing,
        };
        assert_eq!(*state, before, "a state that misses something stays as it was");
        let live = |booking: &&BookingState| {
            spans(std::slice::from_ref(*booking)).iter().any(|span| missing.time.overlaps(&span.interval()))
        };
        for state in [&mut *state, &mut *given] {
            store.list.iter().filter(live).cloned().for_each(|booking| state.learn(booking));
            state.cover(missing.time);
        }
    }
}

/// The reference, the core, and what else must say the same.
struct Machine {
    naive: Naive,
    core: State,
    /// Folded from the decisions alone.
    rebuilt: State,
    /// Forgets now and then, and is given again only what a request names and the core asks for.
    cached: State,
    /// When each booking was granted its time, and under which capacity.
    granted: BTreeMap<BookingId, (usize, u16)>,
    grants: usize,
}

impl Machine {
    fn new(resource: &ResourceId) -> Self {
        let state = State::new(resource.clone());
        Self {
            naive: Naive::new(resource.clone()),
            core: state.clone(),
            rebuilt: state.clone(),
            cached: state,
            granted: BTreeMap::new(),
            grants: 0,
        }
    }

    fn run(mut self, story: &Story) -> Verdict {
        let mut now = story.begins();
        self.step(now, &story.first(&self.naive.resource.clone()), false)?;
        for (nth, event) in story.events.iter().enumerate() {
            now = later(now, event.after);
            let request = event.request(nth, story.day, now, &self.naive);
            self.step(now, &request, event.forgets)?;
        }
        prop_assert_eq!(&self.rebuilt, &self.core, "folded from the decisions");
        let loaded = State::load(
            self.core.resource().clone(),
            self.core.rules().cloned(),
            self.core.version(),
            self.naive.list.iter().cloned(),
        );
        prop_assert_eq!(loaded.as_ref(), Ok(&self.core), "loaded from the bookings");
        Ok(())
    }

    fn step(&mut self, now: Timestamp, request: &Request, forgets: bool) -> Verdict {
        if forgets {
            self.cached.forget_before(now);
        }
        for booking in self.cached.bookings() {
            let stored = self.naive.list.iter().find(|stored| stored.booking_id == booking.booking_id);
            prop_assert_eq!(stored, Some(booking), "what is not forgotten is true");
        }
        let mut again = self.cached.clone();
        let on_cached = supplied(&mut self.cached, &self.naive, now, request, &mut again);
        let on_cold = self.cold().filter(|_| forgets).map(|mut cold| {
            let mut given = cold.clone();
            supplied(&mut cold, &self.naive, now, request, &mut given)
        });
        let mut before = self.naive.clone();
        let expected = self.naive.step(now, request);
        let decisions = step(&mut self.core, now, request).expect("nothing is missing");
        prop_assert_eq!(&decisions, &expected, "the core (left) and the list on {:?}", request);
        prop_assert_eq!(self.core.check(), Ok(()));
        prop_assert!(self.core.bookings().eq(self.naive.list.iter()), "the bookings after {:?}", request);
        prop_assert_eq!(self.core.version(), self.naive.version);
        prop_assert_eq!(&on_cached, &decisions, "forgotten and loaded: {:?}", request);
        prop_assert_eq!(self.cached.check(), Ok(()));
        if let Some(on_cold) = on_cold {
            prop_assert_eq!(&on_cold, &decisions, "loaded for this request: {:?}", request);
        }
        for decision in &decisions {
            evolve(&mut self.rebuilt, decision);
            let mut after = before.clone();
            after.apply(decision);
            let told = Told { now, request, decision, before: &before, after: &after };
            told.check()?;
            self.check_capacity(&told)?;
            before = after;
        }
        self.check_again(now, request, decisions.last())
    }

    /// A state that has rules and nothing else, if there are any.
    fn cold(&self) -> Option<State> {
        let rules = self.core.rules().cloned()?;
        Some(State::unread(self.core.resource().clone(), rules, self.core.version()))
    }

    /// At no instant are there more live bookings than the capacity was when the last of them was granted, and never
    /// two on a unit, buffers kept from those that were there.
    fn check_capacity(&mut self, told: &Told<'_>) -> Verdict {
        let Some(rules) = &told.after.rules else { return Ok(()) };
        let Some(booking) = told.decision.booking.as_ref().filter(|booking| is_booked(booking)) else { return Ok(()) };
        if !told.is_granted(booking) {
            return Ok(());
        }
        self.grants += 1;
        self.granted.insert(booking.booking_id, (self.grants, rules.capacity));
        prop_assert!(booking.unit < rules.capacity);
        let live: Vec<&BookingState> = told.after.list.iter().filter(|booking| is_booked(booking)).collect();
        for moment in live.iter().filter_map(|booking| booking.standing.live()).map(|live| live.start()) {
            let there: Vec<_> = live
                .iter()
                .filter(|booking| {
                    booking.standing.live().is_some_and(|live| live.start() <= moment && moment < live.end())
                })
                .collect();
            let last = there.iter().filter_map(|booking| self.granted.get(&booking.booking_id)).max();
            let capacity = last.map_or(0, |(_, capacity)| usize::from(*capacity));
            prop_assert!(there.len() <= capacity, "{} live where {} can be", there.len(), capacity);
        }
        let taken = booking.standing.live().expect("live");
        for other in live.iter().filter(|other| other.booking_id != booking.booking_id && other.unit == booking.unit) {
            let span = spans(std::slice::from_ref(*other))[0];
            prop_assert!(!blocks(rules, &span, taken), "two on a unit, or nearer than the buffers");
        }
        for busy in told.after.timeline().iter().filter(|span| span.unit.is_none()) {
            let is_own = busy.id == booking.booking_id;
            prop_assert!(is_own || !blocks(rules, busy, taken), "granted over time that is taken elsewhere");
        }
        Ok(())
    }

    /// The same content under another id changes nothing that people see, and refuses nothing that was granted.
    fn check_again(&self, now: Timestamp, request: &Request, first: Option<&Decision>) -> Verdict {
        // A redaction is done again; and a wrong expectation may have come true, since something in the way has lapsed.
        if matches!(request.operation, Operation::Redact { .. }) || request.expected.resource_version.is_some() {
            return Ok(());
        }
        let again = Request { request_id: RequestId::derive("again", &request.event_id, 0), ..request.clone() };
        let mut state = self.core.clone();
        let second = step(&mut state, now, &again).expect("nothing is missing");
        prop_assert!(
            state.bookings().map(seen).eq(self.core.bookings().map(seen)),
            "told again, it changed something: {:?}",
            again
        );
        prop_assert_eq!(state.version(), self.core.version());
        let is_granted = first.is_some_and(|first| !matches!(first.outcome, Outcome::Rejected(_)));
        if let (true, Some(second)) = (is_granted && request.expected == Expected::default(), second.last()) {
            prop_assert!(matches!(second.outcome, Outcome::Unchanged(_)), "told again: {:?}", second);
        }
        Ok(())
    }
}
