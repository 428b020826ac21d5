//! Stories of `observe`.

use expect_test::expect;

use crate::story::check;

#[test]
fn busy_time_blocks_bookings() {
    check(
        "
        0 google: busy g 60-90
        1 book a 75-105
        2 book b 90-120
        ",
        expect![[r#"
            0 google: busy g 60-90 => observed
            1 book a 75-105 => rejected conflict with g 60-90; free 90-120 120-150 150-180
            2 book b 90-120 => confirmed
            --
            b confirmed 90-120 version 1
            g busy confirmed 60-90 version 1
            resource version 3
        "#]],
    );
}

#[test]
fn busy_time_over_a_booking_is_flagged_and_moves_nothing() {
    check(
        "
        0 book a 60-90
        1 google: busy g 75-105
        2 book b 90-120
        3 google: busy g 75-105
        4 google: busy g 105-135
        5 book b 90-105
        ",
        expect![[r#"
            0 book a 60-90 => confirmed
            1 google: busy g 75-105 => flagged external_conflict with a 60-90
            2 book b 90-120 => rejected conflict with g 75-105; free 105-135 135-165 165-195
            3 google: busy g 75-105 => unchanged duplicate
            4 google: busy g 105-135 => observed
            5 book b 90-105 => confirmed
            --
            a confirmed 60-90 version 1
            b confirmed 90-105 version 1
            g busy confirmed 105-135 version 2
            resource version 5
        "#]],
    );
}

#[test]
fn busy_time_may_lie_over_busy_time() {
    check(
        "
        0 google: busy g 60-90
        1 outlook: busy o 60-90
        2 google: cancel g
        3 book a 60-90
        4 outlook: cancel o
        5 book b 60-90
        ",
        expect![[r#"
            0 google: busy g 60-90 => observed
            1 outlook: busy o 60-90 => observed
            2 google: cancel g => cancelled
            3 book a 60-90 => rejected conflict with o 60-90; free 90-120 120-150 150-180
            4 outlook: cancel o => cancelled
            5 book b 60-90 => confirmed
            --
            b confirmed 60-90 version 1
            o busy cancelled 60-90 version 2
            g busy cancelled 60-90 version 2
            resource version 6
        "#]],
    );
}

#[test]
fn an_observation_that_is_out_of_order_is_stale() {
    check(
        "
        0 google: busy g 60-90 v=5
        1 google: busy g 120-150 v=4
        2 google: cancel g v=6
        3 google: busy g 60-90 v=5
        4 google: busy g 60-90 v=6
        5 google: busy g 60-90 v=7
        ",
        expect![[r#"
            0 google: busy g 60-90 v=5 => observed
            1 google: busy g 120-150 v=4 => unchanged stale
            2 google: cancel g v=6 => cancelled
            3 google: busy g 60-90 v=5 => unchanged stale
            4 google: busy g 60-90 v=6 => unchanged stale
            5 google: busy g 60-90 v=7 => observed
            --
            g busy confirmed 60-90 version 3
            resource version 4
        "#]],
    );
}

#[test]
fn a_cancellation_before_the_observation_leaves_a_tombstone() {
    check(
        "
        0 google: cancel g v=3
        1 google: busy g 60-90 v=2
        ",
        expect![[r#"
            0 google: cancel g v=3 => cancelled
            1 google: busy g 60-90 v=2 => unchanged stale
            --
            g cancelled unseen version 1
            resource version 1
        "#]],
    );
}

#[test]
fn busy_time_blocks_every_unit() {
    check(
        "
        0 define capacity=3
        1 google: busy g 60-90
        2 book a 60-90
        ",
        expect![[r#"
            0 define capacity=3 => defined
            1 google: busy g 60-90 => observed
            2 book a 60-90 => rejected conflict with g 60-90; free 90-120 120-150 150-180
            --
            g busy confirmed 60-90 version 1
            resource version 3
        "#]],
    );
}

#[test]
fn an_observation_cannot_be_refused_for_its_hours() {
    check(
        "
        0 define weekdays=13-14 notice=60
        1 google: busy g 300-330
        ",
        expect![[r#"
            0 define weekdays=13-14 notice=60 => defined
            1 google: busy g 300-330 => observed
            --
            g busy confirmed 300-330 version 1
            resource version 3
        "#]],
    );
}
