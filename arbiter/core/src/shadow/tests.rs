//! Stories of `shadow`.

use expect_test::expect;

use crate::story::check;

#[test]
fn the_booking_first_and_then_what_others_show_of_it() {
    check(
        "
        0 book a 60-90 with=7
        1 google: busy g 60-90 with=7
        2 crm: book c 60-90 with=7
        3 book b 60-90
        ",
        expect![[r#"
            0 book a 60-90 with=7 => confirmed
            1 google: busy g 60-90 with=7 => unchanged shadow
            2 crm: book c 60-90 with=7 => unchanged shadow
            3 book b 60-90 => rejected conflict with a 60-90; free 90-120 120-150 150-180
            --
            a confirmed 60-90 version 1, google along, crm along
            resource version 2
        "#]],
    );
}

#[test]
fn what_others_show_first_and_then_the_booking() {
    check(
        "
        0 google: busy g 60-90 with=7
        1 book a 60-90 with=7
        2 google: busy g 60-90 with=7
        3 google: busy g 60-90 with=7 v=2
        ",
        expect![[r#"
            0 google: busy g 60-90 with=7 => observed
            1 book a 60-90 with=7 => confirmed
            2 google: busy g 60-90 with=7 => unchanged shadow
            3 google: busy g 60-90 with=7 v=2 => unchanged stale
            --
            a confirmed 60-90 version 1, google along
             busy cancelled 60-90 version 2
            resource version 3
        "#]],
    );
}

#[test]
fn an_id_in_common_links_whatever_the_time() {
    check(
        "
        0 book a 60-90 tag=x
        1 google: busy g 120-150 tag=x
        2 book b 120-150
        3 move a a 120-150
        4 book b 60-90
        ",
        expect![[r#"
            0 book a 60-90 tag=x => confirmed
            1 google: busy g 120-150 tag=x => unchanged shadow
            2 book b 120-150 => rejected conflict with a 120-150; free 150-180 180-210 210-240
            3 move a a 120-150 => rescheduled
            4 book b 60-90 => confirmed
            --
            a confirmed 120-150 version 2, google along
            b confirmed 60-90 version 1
            resource version 5
        "#]],
    );
}

#[test]
fn busy_time_with_an_id_in_common_becomes_a_shadow() {
    check(
        "
        0 google: busy g 120-150 tag=x
        1 book a 60-90 tag=x
        2 book b 120-150
        ",
        expect![[r#"
            0 google: busy g 120-150 tag=x => observed
            1 book a 60-90 tag=x => confirmed
            2 book b 120-150 => rejected conflict with a 120-150; free 150-180 180-210 210-240
            --
            a confirmed 60-90 version 1, google away 120-150
             busy cancelled 120-150 version 2
            resource version 3
        "#]],
    );
}

#[test]
fn two_different_meetings_at_one_time_are_a_conflict() {
    check(
        "
        0 book a 60-90 with=7
        1 crm: book b 60-90 with=8
        2 crm: book c 60-100 with=7
        3 google: busy g 60-90 with=8
        ",
        expect![[r#"
            0 book a 60-90 with=7 => confirmed
            1 crm: book b 60-90 with=8 => rejected conflict with a 60-90; free 90-120 120-150 150-180
            2 crm: book c 60-100 with=7 => rejected conflict with a 60-90; free 90-130 130-170 170-210
            3 google: busy g 60-90 with=8 => flagged external_conflict with a 60-90
            --
            a confirmed 60-90 version 1
            g busy confirmed 60-90 version 1
            resource version 3
        "#]],
    );
}

#[test]
fn two_names_of_one_source_are_two_appointments() {
    check(
        "
        0 book a 60-90 with=7 tag=x
        1 book b 60-90 with=7 tag=x
        ",
        expect![[r#"
            0 book a 60-90 with=7 tag=x => confirmed
            1 book b 60-90 with=7 tag=x => rejected conflict with a 60-90; free 90-120 120-150 150-180
            --
            a confirmed 60-90 version 1
            resource version 2
        "#]],
    );
}

#[test]
fn a_rescheduled_booking_takes_its_shadow_along_in_either_order() {
    check(
        "
        0 book a 60-90 with=7 v=1
        1 google: busy g 60-90 with=7 v=1
        2 google: busy g 120-150 with=7 v=2
        3 move a b 120-150 v=2
        4 cancel b v=3
        5 google: cancel g v=3
        ",
        expect![[r#"
            0 book a 60-90 with=7 v=1 => confirmed
            1 google: busy g 60-90 with=7 v=1 => unchanged shadow
            2 google: busy g 120-150 with=7 v=2 => unchanged shadow
            3 move a b 120-150 v=2 => rescheduled
            4 cancel b v=3 => cancelled
            5 google: cancel g v=3 => unchanged shadow
            --
            ab cancelled 120-150 version 3, google gone
            resource version 5
        "#]],
    );
    check(
        "
        0 book a 60-90 with=7 v=1
        1 google: busy g 60-90 with=7 v=1
        2 move a b 120-150 v=2
        3 google: busy g 60-90 with=7 v=1
        4 google: busy g 120-150 with=7 v=2
        5 google: cancel g v=3
        6 cancel b v=3
        ",
        expect![[r#"
            0 book a 60-90 with=7 v=1 => confirmed
            1 google: busy g 60-90 with=7 v=1 => unchanged shadow
            2 move a b 120-150 v=2 => rescheduled
            3 google: busy g 60-90 with=7 v=1 => unchanged shadow
            4 google: busy g 120-150 with=7 v=2 => unchanged shadow
            5 google: cancel g v=3 => unchanged shadow
            6 cancel b v=3 => cancelled
            --
            ab cancelled 120-150 version 3, google gone
            resource version 4
        "#]],
    );
}

#[test]
fn a_shadow_that_is_deleted_or_cancelled_frees_nothing() {
    check(
        "
        0 book a 60-90 with=7
        1 google: busy g 60-90 with=7
        2 google: cancel g
        3 crm: book c 60-90 with=7
        4 crm: cancel c
        5 book b 60-90
        ",
        expect![[r#"
            0 book a 60-90 with=7 => confirmed
            1 google: busy g 60-90 with=7 => unchanged shadow
            2 google: cancel g => unchanged shadow
            3 crm: book c 60-90 with=7 => unchanged shadow
            4 crm: cancel c => unchanged shadow
            5 book b 60-90 => rejected conflict with a 60-90; free 90-120 120-150 150-180
            --
            a confirmed 60-90 version 1, google gone, crm gone
            resource version 2
        "#]],
    );
}

#[test]
fn a_shadow_that_is_moved_blocks_where_it_is_and_never_moves_the_booking() {
    check(
        "
        0 book a 60-90 with=7
        1 crm: book c 60-90 with=7
        2 crm: move c d 120-150
        3 book b 120-150
        4 crm: cancel d
        5 book e 120-150
        ",
        expect![[r#"
            0 book a 60-90 with=7 => confirmed
            1 crm: book c 60-90 with=7 => unchanged shadow
            2 crm: move c d 120-150 => unchanged shadow
            3 book b 120-150 => rejected conflict with a 120-150; free 150-180 180-210 210-240
            4 crm: cancel d => unchanged shadow
            5 book e 120-150 => confirmed
            --
            a confirmed 60-90 version 1, crm gone, crm gone
            e confirmed 120-150 version 1
            resource version 5
        "#]],
    );
}

#[test]
fn the_echo_of_our_own_write_changes_nothing() {
    check(
        "
        0 book a 60-90
        1 google: busy g 60-90 mark=a
        3 crm: book c 60-90 mark=a
        4 book b 120-150
        ",
        expect![[r#"
            0 book a 60-90 => confirmed
            1 google: busy g 60-90 mark=a => unchanged echo
            3 crm: book c 60-90 mark=a => unchanged echo
            4 book b 120-150 => confirmed
            --
            a confirmed 60-90 version 1
            b confirmed 120-150 version 1
            resource version 3
        "#]],
    );
}

#[test]
fn a_refused_booking_leaves_busy_time_as_it_was() {
    check(
        "
        0 google: busy g 60-90 tag=x
        1 crm: book c 120-150
        2 book a 120-150 tag=x
        3 google: busy h 120-130
        ",
        expect![[r#"
            0 google: busy g 60-90 tag=x => observed
            1 crm: book c 120-150 => confirmed
            2 book a 120-150 tag=x => rejected conflict with c 120-150; free 150-180 180-210 210-240
            3 google: busy h 120-130 => flagged external_conflict with c 120-150
            --
            h busy confirmed 120-130 version 1
            c confirmed 120-150 version 1
            g busy confirmed 60-90 version 1
            resource version 4
        "#]],
    );
}

#[test]
fn a_shadow_that_lies_over_another_booking_is_flagged_and_a_claim_there_is_refused() {
    check(
        "
        0 book a 60-90 tag=x
        1 book b 120-150
        2 google: busy g 120-150 tag=x
        3 crm: book c 130-160 tag=x
        4 google: busy g 60-90
        5 crm: cancel c
        ",
        expect![[r#"
            0 book a 60-90 tag=x => confirmed
            1 book b 120-150 => confirmed
            2 google: busy g 120-150 tag=x => flagged external_conflict with b 120-150
            3 crm: book c 130-160 tag=x => rejected conflict with b 120-150; free 150-180 180-210 210-240
            4 google: busy g 60-90 => unchanged shadow
            5 crm: cancel c => unchanged shadow
            --
            a confirmed 60-90 version 1, google along, crm gone
            b confirmed 120-150 version 1
            resource version 7
        "#]],
    );
}

#[test]
fn an_entry_with_our_mark_in_another_place_takes_that_time() {
    check(
        "
        0 book a 60-90
        1 google: busy g 120-150 mark=a
        2 book b 120-150
        3 google: busy g 60-90
        4 book c 120-150
        5 google: busy h 120-150 mark=a
        ",
        expect![[r#"
            0 book a 60-90 => confirmed
            1 google: busy g 120-150 mark=a => unchanged shadow
            2 book b 120-150 => rejected conflict with a 120-150; free 150-180 180-210 210-240
            3 google: busy g 60-90 => unchanged shadow
            4 book c 120-150 => confirmed
            5 google: busy h 120-150 mark=a => flagged external_conflict with c 120-150
            --
            a confirmed 60-90 version 1, google along, google away 120-150
            c confirmed 120-150 version 1
            resource version 6
        "#]],
    );
}

#[test]
fn busy_time_that_moves_onto_its_booking_becomes_its_shadow() {
    check(
        "
        0 google: busy g 60-90 with=7
        1 book a 120-150 with=7
        2 google: busy g 120-150 with=7
        3 book b 60-90
        ",
        expect![[r#"
            0 google: busy g 60-90 with=7 => observed
            1 book a 120-150 with=7 => confirmed
            2 google: busy g 120-150 with=7 => unchanged shadow
            3 book b 60-90 => confirmed
            --
            a confirmed 120-150 version 1, google along
            b confirmed 60-90 version 1
             busy cancelled 60-90 version 2
            resource version 5
        "#]],
    );
}

#[test]
fn busy_time_is_not_taken_for_a_claim_where_only_a_shadow_of_it_has_strayed_to() {
    check(
        "
        0 google: busy g 60-90 with=7
        1 google: busy h 100-130 mark=google/g
        2 book a 100-130 with=7
        3 book b 60-90 with=7
        ",
        expect![[r#"
            0 google: busy g 60-90 with=7 => observed
            1 google: busy h 100-130 mark=google/g => unchanged shadow
            2 book a 100-130 with=7 => rejected conflict with g 100-130; free 130-160 160-190 190-220
            3 book b 60-90 with=7 => confirmed
            --
            b confirmed 60-90 version 1, google along, google away 100-130
             busy cancelled 60-90 version 2
            resource version 4
        "#]],
    );
}

#[test]
fn nothing_is_taken_for_a_hold_which_ends_by_itself() {
    check(
        "
        0 web: hold h 60-90 ttl=10 with=7
        1 book a 60-90 with=7
        11 book a 60-90 with=7
        ",
        expect![[r#"
            0 web: hold h 60-90 ttl=10 with=7 => held
            1 book a 60-90 with=7 => rejected conflict with h 60-90; free 90-120 120-150 150-180
            11 book a 60-90 with=7 => expired, then confirmed
            --
            a confirmed 60-90 version 1
            h cancelled 60-90 version 2
            resource version 4
        "#]],
    );
}
