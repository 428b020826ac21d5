//! Stories of `update`.

use expect_test::expect;

use crate::story::check;

#[test]
fn an_update_changes_what_people_see_and_nothing_else() {
    check(
        "
        0 book a 60-90 title=1
        1 update a title=2
        2 update a title=2
        3 update a title=1 v=2
        4 update a title=3 expect=2
        5 update a title=4 expect=2
        ",
        expect![[r#"
            0 book a 60-90 title=1 => confirmed
            1 update a title=2 => updated
            2 update a title=2 => unchanged duplicate
            3 update a title=1 v=2 => unchanged stale
            4 update a title=3 expect=2 => updated
            5 update a title=4 expect=2 => rejected stale_version
            --
            a confirmed 60-90 version 3
            resource version 2
        "#]],
    );
}

#[test]
fn what_is_not_there_cannot_be_updated() {
    check(
        "
        0 update a title=1
        1 book b 60-90
        2 cancel b
        3 update b title=1
        ",
        expect![[r#"
            0 update a title=1 => rejected unknown_booking
            1 book b 60-90 => confirmed
            2 cancel b => cancelled
            3 update b title=1 => rejected invalid_transition
            --
            b cancelled 60-90 version 2
            resource version 3
        "#]],
    );
}
