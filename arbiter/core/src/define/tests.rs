//! Stories of `define`.

use daybook_domain::{Outcome, Rejection, Rule};
use expect_test::expect;

use crate::story::{check, minute, request, resource};
use crate::{State, decide};

#[test]
fn the_same_rules_again_are_a_duplicate_and_no_wait_is_a_plain_cancellation() {
    check(
        "
        0 define wait=15
        0 define wait=0
        0 book a 60-90 v=1
        1 replace a v=2
        ",
        expect![[r#"
            0 define wait=15 => unchanged duplicate
            0 define wait=0 => defined
            0 book a 60-90 v=1 => confirmed
            1 replace a v=2 => cancelled
            --
            a cancelled 60-90 version 2
            resource version 4
        "#]],
    );
}

#[test]
fn a_retired_resource_takes_no_new_booking_and_what_stands_can_be_changed_and_cancelled() {
    check(
        "
        0 book a 60-90 v=1
        0 hold h 120-150 ttl=60
        1 define retired=yes
        1 define retired=yes
        2 book b 200-230
        2 hold c 200-230 ttl=10 asked
        2 move a a2 200-230 v=2 asked
        3 confirm h
        3 update a title=2 v=3
        3 google: busy g 300-330
        4 cancel a v=4
        5 define wait=15
        6 book b 200-230
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            0 hold h 120-150 ttl=60 => held
            1 define retired=yes => defined
            1 define retired=yes => unchanged duplicate
            2 book b 200-230 => rejected policy retired
            2 hold c 200-230 ttl=10 asked => rejected policy retired
            2 move a a2 200-230 v=2 asked => rejected policy retired
            3 confirm h => confirmed
            3 update a title=2 v=3 => updated
            3 google: busy g 300-330 => observed
            4 cancel a v=4 => cancelled
            5 define wait=15 => defined
            6 book b 200-230 => confirmed
            --
            a cancelled 60-90 version 3
            b confirmed 200-230 version 1
            g busy confirmed 300-330 version 1
            h confirmed 120-150 version 2
            resource version 8
        "#]],
    );
}

#[test]
fn a_resource_without_rules_cannot_be_booked() {
    let state = State::new(resource());
    for line in ["0 book a 60-90", "0 cancel a", "0 google: busy g 60-90"] {
        let decision = decide(&state, minute(0), &request(0, line).1).expect("nothing is missing").expect("decided");
        assert_eq!(decision.outcome, Outcome::Rejected(Rejection::Policy(Rule::Defined)), "{line}");
        assert_eq!(decision.next_free, []);
    }
}

#[test]
fn what_is_booked_stands_whatever_the_rules_become() {
    check(
        "
        0 book a 60-90
        1 define notice=600 weekdays=8-9 before=60
        2 update a title=5
        3 move a a 60-90 v=9
        4 move a a 70-100
        ",
        expect![[r#"
            0 book a 60-90 => confirmed
            1 define notice=600 weekdays=8-9 before=60 => defined
            2 update a title=5 => updated
            3 move a a 60-90 v=9 => updated
            4 move a a 70-100 => unchanged stale
            --
            a confirmed 60-90 version 3
            resource version 3
        "#]],
    );
}

#[test]
fn a_stale_token_of_the_resource_is_refused_with_what_is_true_now() {
    check(
        "
        0 book a 60-90 at=1
        0 book b 120-150 at=1
        0 book b 120-150 at=2
        0 update b title=4 at=3
        0 update b title=5 at=3
        ",
        expect![[r#"
            0 book a 60-90 at=1 => confirmed
            0 book b 120-150 at=1 => rejected stale_version; free 120-150 150-180 180-210
            0 book b 120-150 at=2 => confirmed
            0 update b title=4 at=3 => updated
            0 update b title=5 at=3 => updated
            --
            a confirmed 60-90 version 1
            b confirmed 120-150 version 3
            resource version 3
        "#]],
    );
}
