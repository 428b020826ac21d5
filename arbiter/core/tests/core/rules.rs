//! Every rule, as a story.

use std::time::Duration;

use arbiter_core::{State, decide};
use daybook_domain::{Outcome, Rejection, Timestamp};
use expect_test::{Expect, expect};

use crate::story::{Event, Event::*, WAIT, defined, id, interval, minute, request, resource, story, tell};

fn check(events: &[(i64, Event)], expected: Expect) {
    expected.assert_eq(&story(events));
}

#[test]
fn of_two_rivals_the_first_in_the_log_wins_and_the_refusal_names_it() {
    check(
        &[(0, Book { name: "a", v: 1, at: (60, 90) }), (0, Book { name: "b", v: 1, at: (75, 105) })],
        expect![[r#"
            confirmed
            rejected conflict with 60-90
            --
            a confirmed 60-90 version 1
            resource version 2
        "#]],
    );
    let mut state = defined();
    tell(&mut state, 0, &Book { name: "a", v: 1, at: (60, 90) }, 0);
    let refused = tell(&mut state, 0, &Book { name: "b", v: 1, at: (75, 105) }, 1).expect("decided");
    let winner = refused.outcome.winner().expect("a winner");
    assert_eq!((winner.booking_id, winner.interval), (id("a"), interval((60, 90))));
    assert_eq!(refused.booking, None);
}

#[test]
fn back_to_back_is_no_conflict_on_either_side() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (0, Book { name: "b", v: 1, at: (90, 120) }),
            (0, Book { name: "c", v: 1, at: (30, 60) }),
        ],
        expect![[r#"
            confirmed
            confirmed
            confirmed
            --
            a confirmed 60-90 version 1
            b confirmed 90-120 version 1
            c confirmed 30-60 version 1
            resource version 4
        "#]],
    );
}

#[test]
fn a_long_claim_is_refused_for_the_earliest_of_those_in_the_way() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (0, Book { name: "b", v: 1, at: (100, 120) }),
            (0, Book { name: "c", v: 1, at: (0, 200) }),
        ],
        expect![[r#"
            confirmed
            confirmed
            rejected conflict with 60-90
            --
            a confirmed 60-90 version 1
            b confirmed 100-120 version 1
            resource version 3
        "#]],
    );
}

#[test]
fn the_same_content_under_another_delivery_is_a_duplicate() {
    check(
        &[(0, Book { name: "a", v: 1, at: (60, 90) }), (0, Book { name: "a", v: 1, at: (60, 90) })],
        expect![[r#"
            confirmed
            unchanged duplicate
            --
            a confirmed 60-90 version 1
            resource version 2
        "#]],
    );
}

#[test]
fn a_newer_creation_of_a_known_booking_changes_it_and_an_older_one_does_not() {
    check(
        &[
            (0, Titled { name: "a", v: 2, at: (60, 90), title: 1 }),
            (0, Titled { name: "a", v: 3, at: (60, 90), title: 2 }),
            (0, Titled { name: "a", v: 2, at: (60, 90), title: 1 }),
            (0, Titled { name: "a", v: 4, at: (120, 150), title: 2 }),
            (0, Titled { name: "a", v: 5, at: (120, 150), title: 2 }),
            (0, Titled { name: "a", v: 5, at: (0, 30), title: 2 }),
        ],
        expect![[r#"
            confirmed
            updated
            unchanged stale
            rescheduled
            unchanged duplicate
            unchanged stale
            --
            a confirmed 120-150 version 3
            resource version 3
        "#]],
    );
}

#[test]
fn a_cancellation_frees_the_slot_and_wins_a_tie_of_versions() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (0, Cancel { name: "a", v: 1 }),
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (0, Cancel { name: "a", v: 1 }),
            (0, Book { name: "b", v: 1, at: (60, 90) }),
        ],
        expect![[r#"
            confirmed
            cancelled
            unchanged stale
            unchanged duplicate
            confirmed
            --
            a cancelled 60-90 version 2
            b confirmed 60-90 version 1
            resource version 4
        "#]],
    );
}

#[test]
fn a_cancellation_before_the_creation_leaves_a_tombstone() {
    check(
        &[(0, Cancel { name: "a", v: 2 }), (0, Book { name: "a", v: 1, at: (60, 90) })],
        expect![[r#"
            cancelled
            unchanged stale
            --
            a cancelled unseen version 1
            resource version 1
        "#]],
    );
}

#[test]
fn a_creation_newer_than_the_cancellation_books_again() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (0, Cancel { name: "a", v: 2 }),
            (0, Book { name: "a", v: 3, at: (60, 90) }),
        ],
        expect![[r#"
            confirmed
            cancelled
            confirmed
            --
            a confirmed 60-90 version 3
            resource version 4
        "#]],
    );
}

#[test]
fn a_cancellation_older_than_the_booking_is_stale() {
    check(
        &[(0, Book { name: "a", v: 5, at: (60, 90) }), (0, Cancel { name: "a", v: 4 })],
        expect![[r#"
            confirmed
            unchanged stale
            --
            a confirmed 60-90 version 1
            resource version 2
        "#]],
    );
}

#[test]
fn a_reschedule_pair_in_either_order_is_one_reschedule() {
    let expected = expect![[r#"
        confirmed
        awaiting_replacement
        rescheduled
        --
        ab confirmed 75-105 version 3
        resource version 3
    "#]];
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (1, Replace { name: "a", v: 2 }),
            (2, Move { from: "a", name: "b", v: 2, at: (75, 105) }),
        ],
        expected,
    );
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (1, Move { from: "a", name: "b", v: 2, at: (75, 105) }),
            (2, Replace { name: "a", v: 2 }),
        ],
        expect![[r#"
            confirmed
            rescheduled
            unchanged stale
            --
            ab confirmed 75-105 version 2
            resource version 3
        "#]],
    );
}

#[test]
fn nobody_gets_the_slot_while_its_replacement_is_awaited() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (1, Replace { name: "a", v: 2 }),
            (2, Book { name: "b", v: 1, at: (60, 90) }),
            (3, Move { from: "a", name: "c", v: 2, at: (120, 150) }),
            (4, Book { name: "d", v: 1, at: (60, 90) }),
        ],
        expect![[r#"
            confirmed
            awaiting_replacement
            rejected conflict with 60-90
            rescheduled
            confirmed
            --
            ac confirmed 120-150 version 3
            d confirmed 60-90 version 1
            resource version 4
        "#]],
    );
}

#[test]
fn a_wait_that_nothing_ends_becomes_a_plain_cancellation_at_its_deadline() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (1, Replace { name: "a", v: 2 }),
            (15, Expire { name: "a", deadline: 16 }),
            (16, Expire { name: "a", deadline: 16 }),
            (17, Expire { name: "a", deadline: 16 }),
        ],
        expect![[r#"
            confirmed
            awaiting_replacement
            (too early)
            cancelled
            unchanged stale
            --
            a cancelled 60-90 version 3
            resource version 3
        "#]],
    );
}

#[test]
fn an_expiry_of_a_wait_that_was_ended_changes_nothing() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (1, Replace { name: "a", v: 2 }),
            (2, Move { from: "a", name: "b", v: 2, at: (120, 150) }),
            (16, Expire { name: "a", deadline: 16 }),
        ],
        expect![[r#"
            confirmed
            awaiting_replacement
            rescheduled
            unchanged stale
            --
            ab confirmed 120-150 version 3
            resource version 3
        "#]],
    );
}

#[test]
fn a_refused_reschedule_leaves_the_old_booking_whichever_half_comes_first() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (0, Book { name: "d", v: 1, at: (120, 150) }),
            (1, Move { from: "a", name: "b", v: 2, at: (120, 150) }),
            (2, Replace { name: "a", v: 2 }),
        ],
        expect![[r#"
            confirmed
            confirmed
            rejected conflict with 120-150
            unchanged stale
            --
            ab confirmed 60-90 version 2
            d confirmed 120-150 version 1
            resource version 3
        "#]],
    );
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (0, Book { name: "d", v: 1, at: (120, 150) }),
            (1, Replace { name: "a", v: 2 }),
            (2, Move { from: "a", name: "b", v: 2, at: (120, 150) }),
            (16, Expire { name: "a", deadline: 16 }),
        ],
        expect![[r#"
            confirmed
            confirmed
            awaiting_replacement
            rejected conflict with 120-150
            unchanged stale
            --
            ab confirmed 60-90 version 3
            d confirmed 120-150 version 1
            resource version 3
        "#]],
    );
}

#[test]
fn a_reschedule_may_overlap_its_own_old_slot() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (1, Move { from: "a", name: "b", v: 2, at: (70, 100) }),
            (2, Move { from: "b", name: "b", v: 3, at: (80, 110) }),
        ],
        expect![[r#"
            confirmed
            rescheduled
            rescheduled
            --
            ab confirmed 80-110 version 3
            resource version 4
        "#]],
    );
}

#[test]
fn a_reschedule_whose_creation_was_never_seen_books_the_new_slot_and_outdates_the_old_name() {
    check(
        &[
            (0, Move { from: "a", name: "b", v: 2, at: (120, 150) }),
            (1, Book { name: "a", v: 1, at: (60, 90) }),
            (2, Replace { name: "a", v: 2 }),
        ],
        expect![[r#"
            confirmed
            unchanged stale
            unchanged stale
            --
            ab confirmed 120-150 version 1
            resource version 2
        "#]],
    );
}

#[test]
fn a_cancellation_that_overtakes_its_reschedule_cancels_what_was_to_be_moved() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (1, Cancel { name: "b", v: 3 }),
            (2, Move { from: "a", name: "b", v: 2, at: (120, 150) }),
        ],
        expect![[r#"
            confirmed
            cancelled
            cancelled
            --
            a cancelled 60-90 version 2
            b cancelled unseen version 1
            resource version 3
        "#]],
    );
}

#[test]
fn two_different_reschedules_of_one_booking_cannot_both_stand() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (1, Move { from: "a", name: "b", v: 2, at: (120, 150) }),
            (2, Move { from: "a", name: "c", v: 3, at: (180, 210) }),
        ],
        expect![[r#"
            confirmed
            rescheduled
            rejected stale_version
            --
            ab confirmed 120-150 version 2
            resource version 3
        "#]],
    );
}

#[test]
fn a_resource_without_rules_cannot_be_booked() {
    let state = State::new(resource());
    let decision = decide(&state, minute(0), &request(&Book { name: "a", v: 1, at: (60, 90) }, 0)).expect("decided");
    assert_eq!(decision.outcome, Outcome::Rejected(Rejection::Policy));
    assert_eq!(decision.decided_at, minute(0));
    assert_eq!(decision.received_at, Timestamp::EPOCH);
}

#[test]
fn the_same_rules_again_are_a_duplicate_and_no_wait_is_a_plain_cancellation() {
    check(
        &[
            (0, Define { wait: WAIT }),
            (0, Define { wait: Duration::ZERO }),
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (1, Replace { name: "a", v: 2 }),
        ],
        expect![[r#"
            unchanged duplicate
            defined
            confirmed
            cancelled
            --
            a cancelled 60-90 version 2
            resource version 4
        "#]],
    );
}

#[test]
fn a_request_that_points_at_a_booking_of_another_name_is_refused() {
    let mut state = defined();
    tell(&mut state, 0, &Book { name: "a", v: 1, at: (60, 90) }, 0);
    for event in [Book { name: "b", v: 9, at: (60, 90) }, Cancel { name: "b", v: 9 }] {
        let mut forged = request(&event, 1);
        match &mut forged.operation {
            daybook_domain::Operation::Book(claim) => claim.booking_id = id("a"),
            daybook_domain::Operation::Cancel { booking_id, .. } => *booking_id = id("a"),
            other => panic!("no such event here: {other:?}"),
        }
        let decision = decide(&state, minute(1), &forged).expect("decided");
        assert_eq!(decision.outcome, Outcome::Rejected(Rejection::InvalidTransition));
        assert_eq!(decision.booking, None);
    }
}

#[test]
fn a_reschedule_that_says_nothing_of_the_content_leaves_it_as_it_was() {
    let mut state = defined();
    tell(&mut state, 0, &Titled { name: "a", v: 1, at: (60, 90), title: 7 }, 0);
    let mut moved = request(&Move { from: "a", name: "a", v: 2, at: (120, 150) }, 1);
    match &mut moved.operation {
        daybook_domain::Operation::Reschedule { claim, .. } => claim.content = None,
        other => panic!("a reschedule: {other:?}"),
    }
    let decision = decide(&state, minute(1), &moved).expect("decided");
    assert_eq!(decision.outcome, Outcome::Rescheduled);
    let after = decision.booking.expect("a booking");
    let before = state.booking(id("a")).expect("known");
    assert_eq!((after.content, after.contacts), (before.content, before.contacts.clone()));
}

#[test]
fn after_a_refused_reschedule_the_next_move_is_from_the_refused_name_and_leaves_one_booking() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (0, Book { name: "d", v: 1, at: (120, 150) }),
            (1, Replace { name: "a", v: 2 }),
            (1, Move { from: "a", name: "b", v: 2, at: (120, 150) }),
            (2, Replace { name: "b", v: 3 }),
            (2, Move { from: "b", name: "c", v: 3, at: (150, 180) }),
        ],
        expect![[r#"
            confirmed
            confirmed
            awaiting_replacement
            rejected conflict with 120-150
            awaiting_replacement
            rescheduled
            --
            abc confirmed 150-180 version 5
            d confirmed 120-150 version 1
            resource version 4
        "#]],
    );
}

#[test]
fn a_cancellation_under_the_refused_name_cancels_what_still_stands() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (0, Book { name: "d", v: 1, at: (120, 150) }),
            (1, Move { from: "a", name: "b", v: 2, at: (120, 150) }),
            (2, Cancel { name: "b", v: 3 }),
        ],
        expect![[r#"
            confirmed
            confirmed
            rejected conflict with 120-150
            cancelled
            --
            ab cancelled 60-90 version 3
            d confirmed 120-150 version 1
            resource version 4
        "#]],
    );
}

#[test]
fn a_refused_reschedule_that_is_told_again_is_tried_again() {
    check(
        &[
            (0, Book { name: "a", v: 1, at: (60, 90) }),
            (0, Book { name: "d", v: 1, at: (120, 150) }),
            (1, Move { from: "a", name: "b", v: 2, at: (120, 150) }),
            (2, Cancel { name: "d", v: 2 }),
            (3, Move { from: "a", name: "b", v: 2, at: (120, 150) }),
        ],
        expect![[r#"
            confirmed
            confirmed
            rejected conflict with 120-150
            cancelled
            rescheduled
            --
            ab confirmed 120-150 version 3
            d cancelled 120-150 version 2
            resource version 5
        "#]],
    );
}
