//! What is offered is granted, and what is not offered is refused: `availability` against `step`, over random stories.

use std::time::Duration;

use arbiter_core::{Asked, Search, State, availability, step, taken};
use daybook_domain::{
    Basis, BookingId, Claim, Content, ContentDigest, Expected, Identity, Interval, Operation, Outcome, Rejection,
    Request, RequestId, ResourceId, Rule, SourceName, SourceVersion, Standing, Timestamp,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::generator::{any_story, later};
use crate::machine::cases;
use crate::naive::Naive;
use crate::naive::time::{Obstacle, spans};

/// What somebody asks after a story, in minutes.
#[derive(Debug, Clone)]
struct Question {
    /// After the story's last event.
    after: i64,
    /// How long the answer is good.
    good: i64,
    /// From the story's beginning, and on from there.
    from: i64,
    span: i64,
    length: i64,
    step: i64,
    /// Which of what stands is to move, if any.
    moving: Option<usize>,
}

fn any_question() -> impl Strategy<Value = Question> {
    (
        select(&[0, 0, 1, 10, 60][..]),
        select(&[0, 1, 15, 60][..]),
        select(&[-60, 0, 5, 90, 1_300, 2_880][..]),
        select(&[60, 300, 1_600][..]),
        select(&[5, 10, 25, 60, 90][..]),
        select(&[5, 10, 15, 60][..]),
        proptest::option::weighted(0.3, 0..8usize),
    )
        .prop_map(|(after, good, from, span, length, step, moving)| Question {
            after,
            good,
            from,
            span,
            length,
            step,
            moving,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(1_000)))]

    #[test]
    fn what_is_offered_is_granted_and_what_is_not_is_refused_for_a_reason(
        story in any_story(1..20),
        question in any_question(),
    ) {
        let mut state = State::new(anna());
        let mut naive = Naive::new(anna());
        let mut now = story.begins();
        step(&mut state, now, &story.first(&anna())).expect("nothing is missing");
        naive.step(now, &story.first(&anna()));
        for (nth, event) in story.events.iter().enumerate() {
            now = later(now, event.after);
            let request = event.request(nth, story.day, now, &naive);
            step(&mut state, now, &request).expect("nothing is missing");
            naive.step(now, &request);
        }
        let earliest = later(now, question.after);
        let asked = Asked { earliest, latest: later(earliest, question.good) };
        let from = later(story.begins(), question.from);
        let window = Interval::new(from, later(from, question.span)).expect("not empty");
        // A hold that lapses while the answer is good cannot be moved any more; it is gone.
        let lasting: Vec<BookingId> = state
            .bookings()
            .filter(|it| matches!(it.standing, Standing::Confirmed(_)) && it.kind == daybook_domain::BookingKind::Booking)
            .map(|it| it.booking_id)
            .collect();
        let moving = question.moving.and_then(|nth| lasting.get(nth % lasting.len().max(1)).copied());
        let search = Search { window, length: minutes(question.length), step: minutes(question.step), moving };
        let offered = availability(&state, asked, search);

        let mut start = from;
        let mut grid = Vec::new();
        while later(start, question.length) <= window.end() {
            grid.push(Interval::new(start, later(start, question.length)).expect("not empty"));
            start = later(start, question.step);
        }
        prop_assert!(offered.iter().all(|slot| grid.contains(slot)), "off the grid: {:?}", offered);
        prop_assert!(offered.is_sorted());
        for slot in grid {
            let rulings = [asked.earliest, asked.latest].map(|now| ruled(&state, now, slot, moving));
            let is_granted = rulings.iter().all(|ruling| matches!(ruling, Outcome::Confirmed | Outcome::Rescheduled));
            // Moved to where it is already: nothing is asked of the time.
            let own = moving.and_then(|id| state.booking(id)).and_then(|own| own.standing.live());
            let stays = own == Some(slot);
            let is_known = rulings.iter().any(|ruling| matches!(
                ruling,
                Outcome::Rejected(
                    Rejection::Past
                    | Rejection::Conflict(_)
                    | Rejection::Policy(Rule::Notice | Rule::Window | Rule::Hours | Rule::Retired)
                )
            ));
            if !stays {
                prop_assert_eq!(offered.contains(&slot), is_granted, "{:?} is ruled {:?}", slot, rulings);
                prop_assert!(is_granted || is_known, "{:?} is ruled {:?}", slot, rulings);
            }
        }
        check_taken(&state, &naive, earliest, window)?;
    }
}

/// What is taken, minute by minute, against the list.
fn check_taken(
    state: &State,
    naive: &Naive,
    earliest: Timestamp,
    window: Interval,
) -> Result<(), proptest::test_runner::TestCaseError> {
    let spans_taken = taken(state, earliest, window);
    let capacity = naive.rules.as_ref().map_or(1, |rules| usize::from(rules.capacity));
    let standing: Vec<_> = naive
        .list
        .iter()
        .filter(|booking| booking.standing.deadline().is_none_or(|deadline| deadline > earliest))
        .cloned()
        .collect();
    let all: Vec<Obstacle> = spans(&standing);
    let mut at = window.start();
    while at < window.end() {
        let there: Vec<_> = all.iter().filter(|span| span.start <= at && at < span.end).collect();
        let is_busy = there.iter().any(|span| span.unit.is_none());
        let is_full = is_busy || there.len() >= capacity;
        let said = spans_taken.iter().any(|span| span.start() <= at && at < span.end());
        prop_assert_eq!(said, is_full, "{} in {:?}", at, spans_taken);
        at = later(at, 5);
    }
    let mut pairs = spans_taken.windows(2);
    prop_assert!(pairs.all(|pair| pair[0].end() < pair[1].start()), "touching: {:?}", spans_taken);
    Ok(())
}

/// What a program that knows nobody here is told: of a new booking, or of the move of one.
fn ruled(state: &State, now: Timestamp, slot: Interval, moving: Option<BookingId>) -> Outcome {
    let known = moving.and_then(|id| state.booking(id));
    let source: SourceName = known.map_or_else(|| "api".parse().expect("a name"), |known| known.source.clone());
    let identity = known
        .and_then(|known| known.current_key())
        .map_or_else(|| Identity::new(&source, "wanted"), Identity::pseudonym);
    let version = known.map_or(SourceVersion { sequence: 0, updated_at: now }, |known| SourceVersion {
        sequence: known.source_version.sequence + 1,
        updated_at: known.source_version.updated_at,
    });
    let claim = Claim {
        booking_id: known.map_or_else(|| BookingId::derive(&source, "wanted", &anna()), |known| known.booking_id),
        identity: identity.clone(),
        version,
        interval: slot,
        contacts: Vec::new(),
        content: Some(Content {
            title: None,
            attendees: Vec::new(),
            source_time_zone: None,
            digest: ContentDigest([9; 16]),
        }),
        tags: Vec::new(),
        mark: None,
        moved_from: None,
    };
    let request_id = RequestId::derive("program", "wanted", 0);
    let operation = match known {
        Some(_) => Operation::Reschedule { previous: identity, claim },
        None => Operation::Book(claim),
    };
    let request = Request {
        request_id,
        resource: anna(),
        source,
        event_id: "wanted".to_owned(),
        basis: Basis::Asked,
        expected: Expected::default(),
        digest: None,
        sourced_at: None,
        received_at: now,
        operation,
    };
    let decisions = step(&mut state.clone(), now, &request).expect("nothing is missing");
    decisions.last().expect("whatever is asked is decided").outcome.clone()
}

fn anna() -> ResourceId {
    "anna".parse().expect("a name")
}

fn minutes(minutes: i64) -> Duration {
    Duration::from_secs(60 * u64::try_from(minutes).expect("not negative"))
}
