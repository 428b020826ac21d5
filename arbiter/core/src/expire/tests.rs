//! Stories of `expire`.

use expect_test::expect;

use crate::story::check;

#[test]
fn a_wait_that_nothing_ends_becomes_a_plain_cancellation_at_its_deadline() {
    check(
        "
        0 book a 60-90 v=1
        1 replace a v=2
        15 expire a 16
        16 expire a 16
        17 expire a 16
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            1 replace a v=2 => awaiting_replacement
            15 expire a 16 => (too early)
            16 expire a 16 => cancelled
            17 expire a 16 => unchanged stale
            --
            a cancelled 60-90 version 3
            resource version 3
        "#]],
    );
}

#[test]
fn an_expiry_of_a_wait_that_was_ended_changes_nothing() {
    check(
        "
        0 book a 60-90 v=1
        1 replace a v=2
        2 move a b 120-150 v=2
        16 expire a 16
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            1 replace a v=2 => awaiting_replacement
            2 move a b 120-150 v=2 => rescheduled
            16 expire a 16 => unchanged stale
            --
            ab confirmed 120-150 version 3
            resource version 3
        "#]],
    );
}
