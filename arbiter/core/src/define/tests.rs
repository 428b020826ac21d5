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
