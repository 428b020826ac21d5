//! Laws that hold for every story, tried on random ones.

use arbiter_core::{State, decide};
use daybook_domain::{Interval, Outcome, Rejection, Unchanged};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::story::{Event, Event::*, defined, interval, minute, request, tell};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn any_event() -> impl Strategy<Value = Event> {
    let name = || select(&NAMES[..]);
    let at = || (0..12i64, 1..4i64).prop_map(|(start, length)| (start * 10, (start + length) * 10));
    prop_oneof![
        4 => (name(), 0..6i64, at()).prop_map(|(name, v, at)| Book { name, v, at }),
        1 => (name(), 0..6i64, at(), 0..2u8).prop_map(|(name, v, at, title)| Titled { name, v, at, title }),
        3 => (name(), name(), 0..6i64, at()).prop_map(|(from, name, v, at)| Move { from, name, v, at }),
        2 => (name(), 0..6i64).prop_map(|(name, v)| Cancel { name, v }),
        2 => (name(), 0..6i64).prop_map(|(name, v)| Replace { name, v }),
        1 => (name(), 0..60i64).prop_map(|(name, deadline)| Expire { name, deadline }),
    ]
}

fn live(state: &State) -> Vec<Interval> {
    let mut live: Vec<_> = state.bookings().filter_map(|booking| booking.standing.live()).collect();
    live.sort();
    live
}

/// What one vendor sends about one appointment that is moved `moves` times and perhaps cancelled: every slot apart from
/// the others, so that nothing but order can go wrong.
fn appointment(moves: usize, cancelled: bool) -> Vec<Event> {
    let slot = |n: usize| (100 * n as i64, 100 * n as i64 + 30);
    let mut events = vec![Book { name: NAMES[0], v: 1, at: slot(0) }];
    for n in 0..moves {
        let v = 2 + n as i64;
        events.push(Replace { name: NAMES[n], v });
        events.push(Move { from: NAMES[n], name: NAMES[n + 1], v, at: slot(n + 1) });
    }
    if cancelled {
        events.push(Cancel { name: NAMES[moves], v: 2 + moves as i64 });
    }
    events
}

fn shuffled_with_repeats(moves: usize, cancelled: bool) -> impl Strategy<Value = Vec<Event>> {
    let events = appointment(moves, cancelled);
    let count = events.len();
    subsequence(events.clone(), 0..=count).prop_map(move |repeats| [events.clone(), repeats].concat()).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// A flat list, scanned linearly, says the same of who may have the time.
    #[test]
    fn a_claim_is_granted_exactly_when_a_linear_scan_finds_the_time_free(
        events in prop::collection::vec(any_event(), 1..40),
    ) {
        let mut state = defined();
        for (nth, event) in events.iter().enumerate() {
            let before: Vec<_> =
                state.bookings().filter_map(|b| Some((b.booking_id, b.standing.live()?))).collect();
            let Some(decision) = tell(&mut state, nth as i64, event, nth) else { continue };
            let wanted = match event {
                Book { at, .. } | Titled { at, .. } | Move { at, .. } => interval(*at),
                Cancel { .. } | Replace { .. } | Expire { .. } | Define { .. } => continue,
            };
            let own = decision.booking.as_ref().map(|booking| booking.booking_id);
            let mut rivals: Vec<_> =
                before.iter().filter(|(id, held)| Some(*id) != own && held.overlaps(&wanted)).collect();
            rivals.sort_by_key(|(id, held)| (held.start(), *id));
            match decision.outcome {
                Outcome::Rejected(Rejection::Conflict(winner)) => {
                    prop_assert_eq!(rivals.first().map(|(id, held)| (*id, *held)), Some((winner.booking_id, winner.interval)));
                }
                Outcome::Confirmed | Outcome::Rescheduled => prop_assert!(rivals.is_empty()),
                Outcome::Updated
                | Outcome::Cancelled
                | Outcome::AwaitingReplacement
                | Outcome::Defined
                | Outcome::Rejected(_)
                | Outcome::Unchanged(_) => {}
            }
        }
    }

    #[test]
    fn the_same_event_again_right_away_changes_nothing_that_people_see(
        events in prop::collection::vec(any_event(), 1..30),
    ) {
        let mut state = defined();
        for (nth, event) in events.iter().enumerate() {
            tell(&mut state, nth as i64, event, nth);
            let seen = live(&state);
            let versions: Vec<_> = state.bookings().map(|b| (b.booking_id, b.version, b.standing)).collect();
            tell(&mut state, nth as i64, event, nth + 1_000);
            prop_assert_eq!(live(&state), seen);
            let again: Vec<_> = state.bookings().map(|b| (b.booking_id, b.version, b.standing)).collect();
            prop_assert_eq!(again, versions);
        }
    }

    #[test]
    fn versions_never_fall_and_rise_with_every_visible_change(
        events in prop::collection::vec(any_event(), 1..40),
    ) {
        let mut state = defined();
        for (nth, event) in events.iter().enumerate() {
            let before = state.clone();
            let Some(decision) = tell(&mut state, nth as i64, event, nth) else { continue };
            let moved = live(&before) != live(&state);
            prop_assert_eq!(state.version() - before.version(), u64::from(moved || decision.rules.is_some()));
            for after in state.bookings() {
                let Some(earlier) = before.booking(after.booking_id) else { continue };
                let changed = earlier.standing != after.standing || earlier.content != after.content;
                if changed {
                    prop_assert_eq!(after.version, earlier.version + 1);
                } else {
                    prop_assert!(after.version >= earlier.version);
                }
            }
            if matches!(decision.outcome, Outcome::Unchanged(Unchanged::Duplicate | Unchanged::Stale)) {
                prop_assert!(!moved);
            }
        }
    }

    #[test]
    fn a_state_rebuilt_from_its_decisions_is_the_same_state(
        events in prop::collection::vec(any_event(), 1..40),
    ) {
        let mut state = defined();
        let mut decisions = Vec::new();
        for (nth, event) in events.iter().enumerate() {
            decisions.extend(tell(&mut state, nth as i64, event, nth));
        }
        let mut rebuilt = defined();
        for decision in &decisions {
            arbiter_core::evolve(&mut rebuilt, decision);
        }
        prop_assert_eq!(&rebuilt, &state);
        let loaded = State::load(
            state.resource().clone(),
            state.rules().cloned(),
            state.version(),
            state.bookings().cloned(),
        );
        prop_assert_eq!(loaded.as_ref(), Ok(&state));
    }

    /// However the halves of the reschedules arrive, and however often: at the end the last slot is held, or none.
    #[test]
    fn an_appointment_ends_the_same_in_every_order_of_arrival(
        (moves, cancelled, events) in (0..4usize, any::<bool>()).prop_flat_map(|(moves, cancelled)| {
            shuffled_with_repeats(moves, cancelled).prop_map(move |events| (moves, cancelled, events))
        }),
    ) {
        let mut state = defined();
        for (nth, event) in events.iter().enumerate() {
            tell(&mut state, 0, event, nth);
        }
        // Every wait runs out.
        let waiting: Vec<_> = state.bookings().map(|b| b.booking_id).collect();
        for (nth, booking_id) in waiting.into_iter().enumerate() {
            let mut expire = request(&Expire { name: "a", deadline: 15 }, 10_000 + nth);
            expire.operation = daybook_domain::Operation::Expire { booking_id, deadline: minute(15) };
            if let Some(decision) = decide(&state, minute(60), &expire) {
                arbiter_core::evolve(&mut state, &decision);
            }
        }
        let last = 100 * moves as i64;
        let expected = if cancelled { vec![] } else { vec![interval((last, last + 30))] };
        prop_assert_eq!(live(&state), expected, "{:?}", events);
    }
}

/// Enough to find what a wrong comparison does; `DAYBOOK_SOAK=1` asks for the long run.
fn cases() -> u32 {
    if std::env::var_os("DAYBOOK_SOAK").is_some() { 50_000 } else { 2_000 }
}
