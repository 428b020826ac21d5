//! Stories of `reschedule`.

use daybook_domain::{Operation, Outcome};
use expect_test::expect;

use crate::decide;
use crate::story::{check, defined, id, request, tell};

#[test]
fn a_reschedule_pair_in_either_order_is_one_reschedule() {
    check(
        "
        0 book a 60-90 v=1
        1 replace a v=2
        2 move a b 75-105 v=2
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            1 replace a v=2 => awaiting_replacement
            2 move a b 75-105 v=2 => rescheduled
            --
            ab confirmed 75-105 version 3
            resource version 3
        "#]],
    );
    check(
        "
        0 book a 60-90 v=1
        1 move a b 75-105 v=2
        2 replace a v=2
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            1 move a b 75-105 v=2 => rescheduled
            2 replace a v=2 => unchanged stale
            --
            ab confirmed 75-105 version 2
            resource version 3
        "#]],
    );
}

#[test]
fn nobody_gets_the_slot_while_its_replacement_is_awaited() {
    check(
        "
        0 book a 60-90 v=1
        1 replace a v=2
        2 book b 60-90 v=1
        3 move a c 120-150 v=2
        4 book d 60-90 v=1
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            1 replace a v=2 => awaiting_replacement
            2 book b 60-90 v=1 => rejected conflict with a 60-90; free 90-120 120-150 150-180
            3 move a c 120-150 v=2 => rescheduled
            4 book d 60-90 v=1 => confirmed
            --
            ac confirmed 120-150 version 3
            d confirmed 60-90 version 1
            resource version 4
        "#]],
    );
}

#[test]
fn a_refused_reschedule_leaves_the_old_booking_whichever_half_comes_first() {
    check(
        "
        0 book a 60-90 v=1
        0 book d 120-150 v=1
        1 move a b 120-150 v=2
        2 replace a v=2
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            0 book d 120-150 v=1 => confirmed
            1 move a b 120-150 v=2 => rejected conflict with d 120-150; free 150-180 180-210 210-240
            2 replace a v=2 => unchanged stale
            --
            ab confirmed 60-90 version 2
            d confirmed 120-150 version 1
            resource version 3
        "#]],
    );
    check(
        "
        0 book a 60-90 v=1
        0 book d 120-150 v=1
        1 replace a v=2
        2 move a b 120-150 v=2
        16 expire a 16
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            0 book d 120-150 v=1 => confirmed
            1 replace a v=2 => awaiting_replacement
            2 move a b 120-150 v=2 => rejected conflict with d 120-150; free 150-180 180-210 210-240
            16 expire a 16 => unchanged stale
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
        "
        0 book a 60-90 v=1
        1 move a b 70-100 v=2
        2 move b b 80-110 v=3
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            1 move a b 70-100 v=2 => rescheduled
            2 move b b 80-110 v=3 => rescheduled
            --
            ab confirmed 80-110 version 3
            resource version 4
        "#]],
    );
}

#[test]
fn a_reschedule_whose_creation_was_never_seen_books_the_new_slot_and_outdates_the_old_name() {
    check(
        "
        0 move a b 120-150 v=2
        1 book a 60-90 v=1
        2 replace a v=2
        ",
        expect![[r#"
            0 move a b 120-150 v=2 => confirmed
            1 book a 60-90 v=1 => unchanged stale
            2 replace a v=2 => unchanged stale
            --
            ab confirmed 120-150 version 1
            resource version 2
        "#]],
    );
}

#[test]
fn a_cancellation_that_overtakes_its_reschedule_cancels_what_was_to_be_moved() {
    check(
        "
        0 book a 60-90 v=1
        1 cancel b v=3
        2 move a b 120-150 v=2
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            1 cancel b v=3 => cancelled
            2 move a b 120-150 v=2 => cancelled
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
        "
        0 book a 60-90 v=1
        1 move a b 120-150 v=2
        2 move a c 180-210 v=3
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            1 move a b 120-150 v=2 => rescheduled
            2 move a c 180-210 v=3 => rejected stale_version; free 180-210 210-240 240-270
            --
            ab confirmed 120-150 version 2
            resource version 3
        "#]],
    );
}

#[test]
fn after_a_refused_reschedule_the_next_move_is_from_the_refused_name_and_leaves_one_booking() {
    check(
        "
        0 book a 60-90 v=1
        0 book d 120-150 v=1
        1 replace a v=2
        1 move a b 120-150 v=2
        2 replace b v=3
        2 move b c 150-180 v=3
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            0 book d 120-150 v=1 => confirmed
            1 replace a v=2 => awaiting_replacement
            1 move a b 120-150 v=2 => rejected conflict with d 120-150; free 150-180 180-210 210-240
            2 replace b v=3 => awaiting_replacement
            2 move b c 150-180 v=3 => rescheduled
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
        "
        0 book a 60-90 v=1
        0 book d 120-150 v=1
        1 move a b 120-150 v=2
        2 cancel b v=3
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            0 book d 120-150 v=1 => confirmed
            1 move a b 120-150 v=2 => rejected conflict with d 120-150; free 150-180 180-210 210-240
            2 cancel b v=3 => cancelled
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
        "
        0 book a 60-90 v=1
        0 book d 120-150 v=1
        1 move a b 120-150 v=2
        2 cancel d v=2
        3 move a b 120-150 v=2
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            0 book d 120-150 v=1 => confirmed
            1 move a b 120-150 v=2 => rejected conflict with d 120-150; free 150-180 180-210 210-240
            2 cancel d v=2 => cancelled
            3 move a b 120-150 v=2 => rescheduled
            --
            ab confirmed 120-150 version 3
            d cancelled 120-150 version 2
            resource version 5
        "#]],
    );
}

#[test]
fn a_reschedule_that_says_nothing_of_the_content_leaves_it_as_it_was() {
    let mut state = defined();
    tell(&mut state, 1, "0 book a 60-90 title=7 with=3");
    let (now, mut moved) = request(2, "1 move a a 120-150");
    let Operation::Reschedule { claim, .. } = &mut moved.operation else { panic!("a reschedule: {moved:?}") };
    claim.content = None;
    let decision = decide(&state, now, &moved).expect("nothing is missing").expect("decided");
    assert_eq!(decision.outcome, Outcome::Rescheduled);
    let after = decision.booking.expect("a booking");
    let before = state.booking(id("a")).expect("known");
    assert_eq!((after.content, after.contacts), (before.content, before.contacts.clone()));
}

#[test]
fn a_refused_reschedule_that_nobody_was_promised_leaves_everything_as_it_was() {
    check(
        "
        0 book a 60-90
        0 book d 120-150
        1 move a b 120-150 asked
        2 cancel a
        ",
        expect![[r#"
            0 book a 60-90 => confirmed
            0 book d 120-150 => confirmed
            1 move a b 120-150 asked => rejected conflict with d 120-150; free 150-180 180-210 210-240
            2 cancel a => cancelled
            --
            a cancelled 60-90 version 2
            d confirmed 120-150 version 1
            resource version 4
        "#]],
    );
}
