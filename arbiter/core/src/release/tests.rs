//! Stories of `release`.

use expect_test::expect;

use crate::story::check;

#[test]
fn a_hold_that_is_given_up_is_free_at_once() {
    check(
        "
        0 hold a 60-90 ttl=10
        1 release a
        2 release a
        3 book b 60-90
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            1 release a => cancelled
            2 release a => unchanged duplicate
            3 book b 60-90 => confirmed
            --
            a cancelled 60-90 version 2
            b confirmed 60-90 version 1
            resource version 4
        "#]],
    );
}

#[test]
fn a_booking_is_cancelled_and_not_released() {
    check(
        "
        0 book a 60-90
        1 release a
        2 release c
        ",
        expect![[r#"
            0 book a 60-90 => confirmed
            1 release a => rejected invalid_transition
            2 release c => rejected unknown_booking
            --
            a confirmed 60-90 version 1
            resource version 2
        "#]],
    );
}
