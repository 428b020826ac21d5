//! Stories of `lapse`.

use expect_test::expect;

use crate::story::check;

#[test]
fn a_rival_finds_a_lapsed_hold_gone() {
    check(
        "
        0 hold a 60-90 ttl=10
        9 crm: book b 60-90
        10 crm: book b 60-90
        11 expire a 10
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            9 crm: book b 60-90 => rejected conflict with a 60-90; free 90-120 120-150 150-180
            10 crm: book b 60-90 => expired, then confirmed
            11 expire a 10 => unchanged stale
            --
            a cancelled 60-90 version 2
            b confirmed 60-90 version 1
            resource version 4
        "#]],
    );
}

#[test]
fn a_rival_finds_a_lapsed_wait_gone_and_the_late_replacement_books_anew() {
    check(
        "
        0 book a 60-90
        1 replace a v=2
        16 crm: book b 60-90
        17 move a c 60-90 v=2
        ",
        expect![[r#"
            0 book a 60-90 => confirmed
            1 replace a v=2 => awaiting_replacement
            16 crm: book b 60-90 => cancelled, then confirmed
            17 move a c 60-90 v=2 => rejected conflict with b 60-90; free 90-120 120-150 150-180
            --
            ac cancelled 60-90 version 4
            b confirmed 60-90 version 1
            resource version 4
        "#]],
    );
}

#[test]
fn a_replacement_that_comes_after_its_wait_and_before_anybody_else_is_one_reschedule() {
    check(
        "
        0 book a 60-90
        1 replace a v=2
        20 move a b 120-150 v=2
        ",
        expect![[r#"
            0 book a 60-90 => confirmed
            1 replace a v=2 => awaiting_replacement
            20 move a b 120-150 v=2 => rescheduled
            --
            ab confirmed 120-150 version 3
            resource version 3
        "#]],
    );
}

#[test]
fn only_what_is_in_the_way_is_ended_first() {
    check(
        "
        0 hold a 60-90 ttl=10
        0 hold b 120-150 ttl=10
        11 crm: book c 60-90
        12 crm: book d 60-120
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            0 hold b 120-150 ttl=10 => held
            11 crm: book c 60-90 => expired, then confirmed
            12 crm: book d 60-120 => rejected conflict with c 60-90; free 90-150 150-210 210-270
            --
            a cancelled 60-90 version 2
            b held 120-150 until 10 version 1
            c confirmed 60-90 version 1
            resource version 5
        "#]],
    );
}

#[test]
fn a_lapsed_hold_within_a_buffer_is_in_the_way() {
    check(
        "
        0 define before=10 after=10
        0 hold a 60-90 ttl=10
        11 crm: book b 100-130
        ",
        expect![[r#"
            0 define before=10 after=10 => defined
            0 hold a 60-90 ttl=10 => held
            11 crm: book b 100-130 => expired, then confirmed
            --
            a cancelled 60-90 version 2
            b confirmed 100-130 version 1
            resource version 5
        "#]],
    );
}

#[test]
fn time_that_was_taken_elsewhere_is_not_flagged_over_a_lapsed_hold() {
    check(
        "
        0 hold a 60-90 ttl=10
        11 google: busy g 60-90
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            11 google: busy g 60-90 => expired, then observed
            --
            a cancelled 60-90 version 2
            g busy confirmed 60-90 version 1
            resource version 4
        "#]],
    );
}

#[test]
fn a_token_of_the_resource_is_good_for_time_that_has_lapsed_since() {
    check(
        "
        0 hold a 60-90 ttl=10
        11 crm: book b 60-90 at=2
        ",
        expect![[r#"
            0 hold a 60-90 ttl=10 => held
            11 crm: book b 60-90 at=2 => expired, then confirmed
            --
            a cancelled 60-90 version 2
            b confirmed 60-90 version 1
            resource version 4
        "#]],
    );
}
