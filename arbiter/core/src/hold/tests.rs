//! Stories of `hold`.

use expect_test::expect;

use crate::story::check;

#[test]
fn nobody_books_or_holds_through_a_hold() {
    check(
        "
        0 hold a 60-90 ttl=10
        1 crm: book b 60-90
        2 crm: hold c 75-105 ttl=5
        3 crm: book d 90-120
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            1 crm: book b 60-90 => rejected conflict with a 60-90; free 90-120 120-150 150-180
            2 crm: hold c 75-105 ttl=5 => rejected conflict with a 60-90; free 90-120 120-150 150-180
            3 crm: book d 90-120 => confirmed
            --
            a held 60-90 until 10 version 1
            d confirmed 90-120 version 1
            resource version 3
        "#]],
    );
}

#[test]
fn a_newer_hold_of_the_same_name_moves_it_and_sets_its_end_anew() {
    check(
        "
        0 hold a 60-90 ttl=10
        5 hold a 60-90 ttl=10
        6 hold a 120-150 ttl=10
        6 hold a 120-150 ttl=10 v=3
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            5 hold a 60-90 ttl=10 => held
            6 hold a 120-150 ttl=10 => rescheduled
            6 hold a 120-150 ttl=10 v=3 => unchanged stale
            --
            a held 120-150 until 16 version 3
            resource version 3
        "#]],
    );
}

#[test]
fn what_is_confirmed_cannot_be_held() {
    check(
        "
        0 book a 60-90
        1 hold a 60-90 ttl=10
        1 hold a 120-150 ttl=10
        ",
        expect![[r#"
            0 book a 60-90 => confirmed
            1 hold a 60-90 ttl=10 => rejected invalid_transition
            1 hold a 120-150 ttl=10 => rejected invalid_transition
            --
            a confirmed 60-90 version 1
            resource version 2
        "#]],
    );
}

#[test]
fn a_hold_that_its_holder_books_is_a_booking() {
    check(
        "
        0 hold a 60-90 ttl=10
        1 book a 60-90
        11 expire a 10
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            1 book a 60-90 => confirmed
            11 expire a 10 => unchanged stale
            --
            a confirmed 60-90 version 2
            resource version 2
        "#]],
    );
}

#[test]
fn a_hold_that_was_given_up_can_be_held_again() {
    check(
        "
        0 hold a 60-90 ttl=10
        1 release a
        2 hold a 60-90 ttl=10
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            1 release a => cancelled
            2 hold a 60-90 ttl=10 => held
            --
            a held 60-90 until 12 version 3
            resource version 4
        "#]],
    );
}

#[test]
fn a_hold_is_rescheduled_as_a_hold() {
    check(
        "
        0 hold a 60-90 ttl=10
        1 move a a 120-150
        10 expire a 10
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            1 move a a 120-150 => rescheduled
            10 expire a 10 => expired
            --
            a cancelled 120-150 version 3
            resource version 4
        "#]],
    );
}
