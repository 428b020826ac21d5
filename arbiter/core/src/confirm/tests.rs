//! Stories of `confirm`.

use expect_test::expect;

use crate::story::check;

#[test]
fn a_hold_that_is_confirmed_stands_for_good() {
    check(
        "
        0 hold a 60-90 ttl=10
        1 confirm a
        2 confirm a
        10 expire a 10
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            1 confirm a => confirmed
            2 confirm a => unchanged duplicate
            10 expire a 10 => unchanged stale
            --
            a confirmed 60-90 version 2
            resource version 2
        "#]],
    );
}

#[test]
fn a_confirmation_may_bring_what_people_see() {
    check(
        "
        0 hold a 60-90 ttl=10
        1 confirm a title=3
        2 confirm a title=4
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            1 confirm a title=3 => confirmed
            2 confirm a title=4 => updated
            --
            a confirmed 60-90 version 3
            resource version 2
        "#]],
    );
}

#[test]
fn a_confirmation_after_the_end_of_the_hold_comes_too_late_however_soon() {
    check(
        "
        0 hold a 60-90 ttl=10
        10 confirm a
        11 confirm a
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            10 confirm a => expired, then rejected invalid_transition
            11 confirm a => rejected invalid_transition
            --
            a cancelled 60-90 version 2
            resource version 3
        "#]],
    );
}

#[test]
fn what_nobody_holds_cannot_be_confirmed() {
    check(
        "
        0 confirm a
        1 book b 60-90
        2 cancel b
        3 confirm b
        ",
        expect![[r#"
            0 confirm a => rejected unknown_booking
            1 book b 60-90 => confirmed
            2 cancel b => cancelled
            3 confirm b => rejected invalid_transition
            --
            b cancelled 60-90 version 2
            resource version 3
        "#]],
    );
}

#[test]
fn another_source_cannot_confirm_a_hold_that_is_not_its_own() {
    check(
        "
        0 hold a 60-90 ttl=10
        1 crm: confirm a
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            1 crm: confirm a => rejected unknown_booking
            --
            a held 60-90 until 10 version 1
            resource version 2
        "#]],
    );
}

#[test]
fn a_source_that_takes_its_cancellation_back_confirms() {
    check(
        "
        0 book a 60-90
        1 replace a
        2 confirm a
        16 expire a 16
        ",
        expect![[r#"
            0 book a 60-90 => confirmed
            1 replace a => awaiting_replacement
            2 confirm a => confirmed
            16 expire a 16 => unchanged stale
            --
            a confirmed 60-90 version 3
            resource version 2
        "#]],
    );
}
