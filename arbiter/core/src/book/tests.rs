//! Stories of `book`.

use daybook_domain::{Operation, Outcome, Rejection};
use expect_test::expect;

use crate::decide;
use crate::story::{check, defined, id, interval, minute, request, source, tell};

#[test]
fn of_two_rivals_the_first_in_the_log_wins_and_the_refusal_names_it() {
    check(
        "
        0 book a 60-90 v=1
        0 book b 75-105 v=1
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            0 book b 75-105 v=1 => rejected conflict with a 60-90; free 90-120 120-150 150-180
            --
            a confirmed 60-90 version 1
            resource version 2
        "#]],
    );
}

#[test]
fn back_to_back_is_no_conflict_on_either_side() {
    check(
        "
        0 book a 60-90 v=1
        0 book b 90-120 v=1
        0 book c 30-60 v=1
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            0 book b 90-120 v=1 => confirmed
            0 book c 30-60 v=1 => confirmed
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
        "
        0 book a 60-90 v=1
        0 book b 100-120 v=1
        0 book c 0-200 v=1
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            0 book b 100-120 v=1 => confirmed
            0 book c 0-200 v=1 => rejected conflict with a 60-90; free 120-320 320-520 520-720
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
        "
        0 book a 60-90 v=1
        0 book a 60-90 v=1
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            0 book a 60-90 v=1 => unchanged duplicate
            --
            a confirmed 60-90 version 1
            resource version 2
        "#]],
    );
}

#[test]
fn a_newer_creation_of_a_known_booking_changes_it_and_an_older_one_does_not() {
    check(
        "
        0 book a 60-90 v=2 title=1
        0 book a 60-90 v=3 title=2
        0 book a 60-90 v=2 title=1
        0 book a 120-150 v=4 title=2
        0 book a 120-150 v=5 title=2
        0 book a 0-30 v=5 title=2
        ",
        expect![[r#"
            0 book a 60-90 v=2 title=1 => confirmed
            0 book a 60-90 v=3 title=2 => updated
            0 book a 60-90 v=2 title=1 => unchanged stale
            0 book a 120-150 v=4 title=2 => rescheduled
            0 book a 120-150 v=5 title=2 => unchanged duplicate
            0 book a 0-30 v=5 title=2 => unchanged stale
            --
            a confirmed 120-150 version 3
            resource version 3
        "#]],
    );
}

#[test]
fn a_request_that_points_at_a_booking_of_another_name_is_refused() {
    let mut state = defined();
    tell(&mut state, 1, "0 book a 60-90");
    for line in ["1 book b 60-90", "1 cancel b"] {
        let (now, mut forged) = request(2, line);
        if let Operation::Book(claim) = &mut forged.operation {
            claim.booking_id = id("a");
        } else if let Operation::Cancel { subject, .. } = &mut forged.operation {
            subject.booking_id = id("a");
        }
        let decision = decide(&state, now, &forged).expect("nothing is missing").expect("decided");
        assert_eq!(decision.outcome, Outcome::Rejected(Rejection::InvalidTransition));
        assert_eq!(decision.booking, None);
    }
}

#[test]
fn a_refusal_names_the_winner_its_interval_and_its_source_and_what_was_wanted() {
    let mut state = defined();
    tell(&mut state, 1, "0 crm: book a 60-90");
    let refused = tell(&mut state, 2, "0 book b 75-105").remove(0);
    let winner = refused.outcome.winner().expect("a winner");
    assert_eq!((winner.interval, &winner.source), (interval((60, 90)), &source("crm")));
    let wanted = refused.wanted.as_ref().expect("what was wanted");
    assert_eq!((wanted.booking_id, wanted.interval), (id("b"), interval((75, 105))));
    assert!(refused.opens_compensation());
    assert_eq!((refused.booking, refused.decided_at), (None, minute(0)));
    assert!(!tell(&mut state, 3, "0 book c 75-105 asked").remove(0).opens_compensation());
}

#[test]
fn what_was_there_before_anybody_looked_is_flagged_and_not_refused_and_moves_nobody() {
    check(
        "
        0 book a 60-90 v=1
        0 book b 75-105 v=1 imported
        0 book b 75-105 v=1 imported
        0 book c 120-150 v=1 imported
        1 book d 80-100 v=1
        1 cancel a v=2
        2 book b 75-105 v=2
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            0 book b 75-105 v=1 imported => flagged external_conflict with a 60-90
            0 book b 75-105 v=1 imported => unchanged stale
            0 book c 120-150 v=1 imported => confirmed
            1 book d 80-100 v=1 => rejected conflict with a 60-90; free 150-170 170-190 190-210
            1 cancel a v=2 => cancelled
            2 book b 75-105 v=2 => confirmed
            --
            a cancelled 60-90 version 2
            b confirmed 75-105 version 2
            c confirmed 120-150 version 1
            resource version 6
        "#]],
    );
}

#[test]
fn what_was_there_before_anybody_looked_is_booked_whatever_the_rules_are_now() {
    check(
        "
        0 define notice=60
        0 book a 30-60 v=1
        0 book b 30-60 v=1 imported
        ",
        expect![[r#"
            0 define notice=60 => defined
            0 book a 30-60 v=1 => rejected policy notice; free 60-90 90-120 120-150
            0 book b 30-60 v=1 imported => confirmed
            --
            b confirmed 30-60 version 1
            resource version 3
        "#]],
    );
}

#[test]
fn what_was_there_before_anybody_looked_stays_where_it_is_whoever_speaks_of_it_next() {
    let mut state = defined();
    let lines = [
        "0 book a 60-90 v=1",
        "0 book b 75-105 v=1 imported",
        "1 book b 75-105 v=2",
        "2 book b 80-110 v=3",
        "3 book e 200-230 v=1",
        "3 book e 70-95 v=2 imported",
    ];
    let told: Vec<_> =
        lines.into_iter().enumerate().map(|(nth, line)| tell(&mut state, nth + 1, line).remove(0)).collect();
    let opened: Vec<(String, bool)> =
        told.iter().map(|decision| (decision.outcome.as_str().to_owned(), decision.opens_compensation())).collect();
    let word = |outcome: &str, opens| (outcome.to_owned(), opens);
    assert_eq!(
        opened,
        [
            word("confirmed", false),
            word("flagged", false),
            // A word about it that leaves it where it is refuses nothing.
            word("unchanged", false),
            // Moved since, to where somebody is: that is a promise of today.
            word("rejected", true),
            word("confirmed", false),
            // And so is what is known here and was moved, though only a first listing has told of it.
            word("rejected", true),
        ]
    );
}
