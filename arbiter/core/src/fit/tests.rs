//! Stories of `fit`.

use expect_test::expect;

use crate::story::check;

#[test]
fn as_many_as_there_are_units_and_no_more() {
    check(
        "
        0 define capacity=2
        1 book a 60-90
        2 book b 60-90
        3 book c 60-90
        4 cancel a
        5 book d 75-105
        ",
        expect![[r#"
            0 define capacity=2 => defined
            1 book a 60-90 => confirmed
            2 book b 60-90 => confirmed
            3 book c 60-90 => rejected conflict with a 60-90; free 90-120 120-150 150-180
            4 cancel a => cancelled
            5 book d 75-105 => confirmed
            --
            a cancelled 60-90 version 2
            b confirmed 60-90 version 1 unit 1
            d confirmed 75-105 version 1
            resource version 6
        "#]],
    );
}

#[test]
fn a_booking_keeps_one_unit_from_start_to_end() {
    check(
        "
        0 define capacity=2
        1 book a 0-30
        2 book b 0-30
        3 book c 30-60
        4 cancel a
        5 book d 0-60
        ",
        expect![[r#"
            0 define capacity=2 => defined
            1 book a 0-30 => confirmed
            2 book b 0-30 => confirmed
            3 book c 30-60 => confirmed
            4 cancel a => cancelled
            5 book d 0-60 => rejected conflict with b 0-30; free 30-90 90-150 150-210
            --
            a cancelled 0-30 version 2
            b confirmed 0-30 version 1 unit 1
            c confirmed 30-60 version 1
            resource version 6
        "#]],
    );
}

#[test]
fn units_beyond_a_lowered_capacity_still_count() {
    check(
        "
        0 define capacity=3
        1 book a 60-90
        1 book b 60-90
        1 book c 60-90
        2 cancel a
        3 define capacity=1
        4 book d 60-90
        5 cancel b
        6 cancel c
        7 book d 60-90
        ",
        expect![[r#"
            0 define capacity=3 => defined
            1 book a 60-90 => confirmed
            1 book b 60-90 => confirmed
            1 book c 60-90 => confirmed
            2 cancel a => cancelled
            3 define capacity=1 => defined
            4 book d 60-90 => rejected conflict with b 60-90; free 90-120 120-150 150-180
            5 cancel b => cancelled
            6 cancel c => cancelled
            7 book d 60-90 => confirmed
            --
            a cancelled 60-90 version 2
            b cancelled 60-90 version 2 unit 1
            c cancelled 60-90 version 2 unit 2
            d confirmed 60-90 version 1
            resource version 10
        "#]],
    );
}

#[test]
fn both_buffers_lie_between_two_bookings() {
    check(
        "
        0 define before=10 after=5
        1 book a 60-90
        2 book b 104-120
        3 book c 105-120
        4 book d 30-46
        5 book e 30-45
        ",
        expect![[r#"
            0 define before=10 after=5 => defined
            1 book a 60-90 => confirmed
            2 book b 104-120 => rejected conflict with a 60-90; free 105-121 121-137 137-153
            3 book c 105-120 => confirmed
            4 book d 30-46 => rejected conflict with a 60-90; free 135-151 151-167 167-183
            5 book e 30-45 => confirmed
            --
            a confirmed 60-90 version 1
            c confirmed 105-120 version 1
            e confirmed 30-45 version 1
            resource version 5
        "#]],
    );
}

#[test]
fn busy_time_has_no_buffers_of_its_own() {
    check(
        "
        0 define before=10 after=5
        1 google: busy g 60-90
        2 book b 99-120
        3 book c 100-120
        4 book d 30-56
        5 book e 30-55
        ",
        expect![[r#"
            0 define before=10 after=5 => defined
            1 google: busy g 60-90 => observed
            2 book b 99-120 => rejected conflict with g 60-90; free 100-121 121-142 142-163
            3 book c 100-120 => confirmed
            4 book d 30-56 => rejected conflict with g 60-90; free 135-161 161-187 187-213
            5 book e 30-55 => confirmed
            --
            c confirmed 100-120 version 1
            e confirmed 30-55 version 1
            g busy confirmed 60-90 version 1
            resource version 5
        "#]],
    );
}

#[test]
fn a_reschedule_keeps_its_unit_if_it_can() {
    check(
        "
        0 define capacity=2
        1 book a 60-90
        2 book b 60-90
        3 cancel a
        4 move b b 75-105
        5 book c 75-105
        6 book d 105-135
        7 move d d 60-75
        ",
        expect![[r#"
            0 define capacity=2 => defined
            1 book a 60-90 => confirmed
            2 book b 60-90 => confirmed
            3 cancel a => cancelled
            4 move b b 75-105 => rescheduled
            5 book c 75-105 => confirmed
            6 book d 105-135 => confirmed
            7 move d d 60-75 => rescheduled
            --
            a cancelled 60-90 version 2
            b confirmed 75-105 version 2 unit 1
            c confirmed 75-105 version 1
            d confirmed 60-75 version 2
            resource version 9
        "#]],
    );
}

#[test]
fn a_refusal_offers_the_next_three_free_slots() {
    check(
        "
        0 book a 60-90
        1 book b 105-120
        2 book c 180-210
        3 book d 60-90
        4 book e 60-120
        5 book f 0-400
        ",
        expect![[r#"
            0 book a 60-90 => confirmed
            1 book b 105-120 => confirmed
            2 book c 180-210 => confirmed
            3 book d 60-90 => rejected conflict with a 60-90; free 120-150 150-180 210-240
            4 book e 60-120 => rejected conflict with a 60-90; free 120-180 210-270 270-330
            5 book f 0-400 => rejected conflict with a 60-90; free 210-610 610-1010 1010-1410
            --
            a confirmed 60-90 version 1
            b confirmed 105-120 version 1
            c confirmed 180-210 version 1
            resource version 4
        "#]],
    );
}

#[test]
fn what_has_lapsed_is_offered() {
    check(
        "
        0 hold a 90-120 ttl=5
        0 book b 60-90
        6 crm: book c 60-90
        ",
        expect![[r#"
            0 hold a 90-120 ttl=5 => held
            0 book b 60-90 => confirmed
            6 crm: book c 60-90 => rejected conflict with b 60-90; free 90-120 120-150 150-180
            --
            a held 90-120 until 5 version 1
            b confirmed 60-90 version 1
            resource version 3
        "#]],
    );
}
