//! Stories of callers of the API.

use expect_test::expect;

use crate::story::{check, defined, request};
use crate::{decide, step};

#[test]
fn a_caller_names_a_booking_by_its_id_and_the_later_request_is_the_newer() {
    check(
        "
        0 api: book a 60-90 asked
        0 api: update a title=2 asked
        0 api: update a title=3 asked
        0 api: move a a 100-130 asked
        0 api: move a a 60-90 asked
        0 api: cancel a asked
        0 api: cancel a asked
        ",
        expect![[r#"
            0 api: book a 60-90 asked => confirmed
            0 api: update a title=2 asked => updated
            0 api: update a title=3 asked => updated
            0 api: move a a 100-130 asked => rescheduled
            0 api: move a a 60-90 asked => rescheduled
            0 api: cancel a asked => cancelled
            0 api: cancel a asked => unchanged duplicate
            --
            a cancelled 60-90 version 6
            resource version 5
        "#]],
    );
}

#[test]
fn a_hold_is_confirmed_or_released_by_its_id() {
    check(
        "
        0 api: hold a 60-90 ttl=5 asked
        0 api: hold b 100-130 ttl=5 asked
        1 api: confirm a title=1 asked
        1 api: confirm a asked
        1 api: release a asked
        1 api: release b asked
        ",
        expect![[r#"
            0 api: hold a 60-90 ttl=5 asked => held
            0 api: hold b 100-130 ttl=5 asked => held
            1 api: confirm a title=1 asked => confirmed
            1 api: confirm a asked => unchanged duplicate
            1 api: release a asked => rejected invalid_transition
            1 api: release b asked => cancelled
            --
            b cancelled 100-130 version 2
            a confirmed 60-90 version 2
            resource version 4
        "#]],
    );
}

#[test]
fn what_nobody_has_booked_is_unknown_and_leaves_no_tombstone() {
    check(
        "
        0 api: cancel a asked
        0 api: confirm a asked
        0 api: release a asked
        0 api: update a title=1 asked
        0 api: move a a 60-90 asked
        0 api: update a title=1 expect=1 asked
        0 api: book a 60-90 asked
        ",
        expect![[r#"
            0 api: cancel a asked => rejected unknown_booking
            0 api: confirm a asked => rejected unknown_booking
            0 api: release a asked => rejected unknown_booking
            0 api: update a title=1 asked => rejected unknown_booking
            0 api: move a a 60-90 asked => rejected unknown_booking
            0 api: update a title=1 expect=1 asked => rejected unknown_booking
            0 api: book a 60-90 asked => confirmed
            --
            a confirmed 60-90 version 1
            resource version 2
        "#]],
    );
}

#[test]
fn what_another_source_speaks_for_is_not_the_callers_to_change() {
    check(
        "
        0 book a 60-90
        0 busy b 200-230
        0 api: cancel calendly/a asked
        0 api: move calendly/a calendly/a 100-130 asked
        0 api: cancel calendly/b asked
        ",
        expect![[r#"
            0 book a 60-90 => confirmed
            0 busy b 200-230 => observed
            0 api: cancel calendly/a asked => rejected invalid_transition
            0 api: move calendly/a calendly/a 100-130 asked => rejected invalid_transition
            0 api: cancel calendly/b asked => rejected unknown_booking
            --
            a confirmed 60-90 version 1
            b busy confirmed 200-230 version 1
            resource version 3
        "#]],
    );
}

#[test]
fn what_is_gone_is_not_moved_back_to_life() {
    check(
        "
        0 api: book a 60-90 asked
        0 api: hold b 200-230 ttl=5 asked
        0 api: cancel a asked
        0 api: move a a 100-130 asked
        6 api: move b b 300-330 asked
        6 api: confirm b asked
        ",
        expect![[r#"
            0 api: book a 60-90 asked => confirmed
            0 api: hold b 200-230 ttl=5 asked => held
            0 api: cancel a asked => cancelled
            0 api: move a a 100-130 asked => rejected invalid_transition
            6 api: move b b 300-330 asked => expired, then rejected invalid_transition
            6 api: confirm b asked => rejected invalid_transition
            --
            b cancelled 200-230 version 2
            a cancelled 60-90 version 2
            resource version 5
        "#]],
    );
}

#[test]
fn a_refused_move_leaves_the_booking_where_it_is_and_names_what_is_free() {
    check(
        "
        0 api: book a 60-90 asked
        0 book b 100-130
        0 api: move a a 100-130 asked
        0 api: move a a 130-160 expect=9 asked
        0 api: move a a 130-160 expect=1 at=3 asked
        0 api: move a a 200-230 at=4 asked
        ",
        expect![[r#"
            0 api: book a 60-90 asked => confirmed
            0 book b 100-130 => confirmed
            0 api: move a a 100-130 asked => rejected conflict with b 100-130; free 130-160 160-190 190-220
            0 api: move a a 130-160 expect=9 asked => rejected stale_version; free 130-160 160-190 190-220
            0 api: move a a 130-160 expect=1 at=3 asked => rescheduled
            0 api: move a a 200-230 at=4 asked => rescheduled
            --
            b confirmed 100-130 version 1
            a confirmed 200-230 version 3
            resource version 5
        "#]],
    );
}

#[test]
fn a_resource_that_was_never_defined_refuses_every_caller_for_that() {
    let (now, request) = request(1, "0 api: cancel a asked");
    let mut state = crate::State::new(crate::story::resource());
    let decided = step(&mut state, now, &request).expect("nothing is missing");
    let [decision] = &decided[..] else { panic!("one decision") };
    assert_eq!(decision.outcome.reason(), Some("policy"));
}

#[test]
fn a_decision_repeats_the_fingerprint_of_what_was_asked() {
    let (now, mut asked) = request(1, "0 api: book a 60-90 asked");
    asked.digest = Some(daybook_domain::RequestDigest([7; 16]));
    let decision = decide(&defined(), now, &asked).expect("nothing is missing").expect("a decision");
    assert_eq!(decision.request_digest, asked.digest);
}
