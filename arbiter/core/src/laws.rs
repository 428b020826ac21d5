//! Laws that hold for every story, tried on random ones.

use daybook_domain::Interval;
use proptest::prelude::*;
use proptest::sample::subsequence;

use crate::State;
use crate::story::{defined, interval, tell};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn live(state: &State) -> Vec<Interval> {
    let mut live: Vec<_> = state.bookings().filter_map(|booking| booking.standing.live()).collect();
    live.sort();
    live
}

/// What one vendor sends about one appointment that is moved `moves` times and perhaps cancelled: every slot apart from
/// the others, so that nothing but order can go wrong.
fn appointment(moves: usize, cancelled: bool) -> Vec<String> {
    let slot = |n: usize| format!("{}-{}", 100 * n, 100 * n + 30);
    let mut lines = vec![format!("0 book {} {} v=1", NAMES[0], slot(0))];
    for n in 0..moves {
        let v = 2 + n;
        lines.push(format!("0 replace {} v={v}", NAMES[n]));
        lines.push(format!("0 move {} {} {} v={v}", NAMES[n], NAMES[n + 1], slot(n + 1)));
    }
    if cancelled {
        lines.push(format!("0 cancel {} v={}", NAMES[moves], 2 + moves));
    }
    lines
}

fn shuffled_with_repeats(moves: usize, cancelled: bool) -> impl Strategy<Value = Vec<String>> {
    let lines = appointment(moves, cancelled);
    let count = lines.len();
    subsequence(lines.clone(), 0..=count).prop_map(move |repeats| [lines.clone(), repeats].concat()).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// However the halves of the reschedules arrive, and however often: at the end the last slot is held, or none.
    #[test]
    fn an_appointment_ends_the_same_in_every_order_of_arrival(
        (moves, cancelled, lines) in (0..4usize, any::<bool>()).prop_flat_map(|(moves, cancelled)| {
            shuffled_with_repeats(moves, cancelled).prop_map(move |lines| (moves, cancelled, lines))
        }),
    ) {
        let mut state = defined();
        for (nth, line) in lines.iter().enumerate() {
            tell(&mut state, nth + 1, line);
        }
        // Every wait runs out.
        for (nth, name) in NAMES.into_iter().enumerate() {
            tell(&mut state, 1_000 + nth, &format!("60 expire {name} 15"));
        }
        let last = 100 * i64::try_from(moves).expect("few");
        let expected = if cancelled { vec![] } else { vec![interval((last, last + 30))] };
        prop_assert_eq!(live(&state), expected, "{:?}", lines);
    }
}

/// Enough to find what a wrong comparison does; `DAYBOOK_SOAK=1` asks for the long run.
fn cases() -> u32 {
    if std::env::var_os("DAYBOOK_SOAK").is_some() { 50_000 } else { 2_000 }
}
