//! Stories of `cancel`.

use expect_test::expect;

use crate::story::check;

#[test]
fn a_cancellation_frees_the_slot_and_wins_a_tie_of_versions() {
    check(
        "
        0 book a 60-90 v=1
        0 cancel a v=1
        0 book a 60-90 v=1
        0 cancel a v=1
        0 book b 60-90 v=1
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            0 cancel a v=1 => cancelled
            0 book a 60-90 v=1 => unchanged stale
            0 cancel a v=1 => unchanged duplicate
            0 book b 60-90 v=1 => confirmed
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
        "
        0 cancel a v=2
        0 book a 60-90 v=1
        ",
        expect![[r#"
            0 cancel a v=2 => cancelled
            0 book a 60-90 v=1 => unchanged stale
            --
            a cancelled unseen version 1
            resource version 1
        "#]],
    );
}

#[test]
fn a_creation_newer_than_the_cancellation_books_again() {
    check(
        "
        0 book a 60-90 v=1
        0 cancel a v=2
        0 book a 60-90 v=3
        ",
        expect![[r#"
            0 book a 60-90 v=1 => confirmed
            0 cancel a v=2 => cancelled
            0 book a 60-90 v=3 => confirmed
            --
            a confirmed 60-90 version 3
            resource version 4
        "#]],
    );
}

#[test]
fn a_cancellation_older_than_the_booking_is_stale() {
    check(
        "
        0 book a 60-90 v=5
        0 cancel a v=4
        ",
        expect![[r#"
            0 book a 60-90 v=5 => confirmed
            0 cancel a v=4 => unchanged stale
            --
            a confirmed 60-90 version 1
            resource version 2
        "#]],
    );
}
