//! Stories of `redact`.

use expect_test::expect;

use crate::story::check;

#[test]
fn a_redacted_booking_keeps_its_time() {
    check(
        "
        0 book a 60-90 title=1 with=7
        1 redact a
        2 book b 60-90
        3 redact c
        ",
        expect![[r#"
            0 book a 60-90 title=1 with=7 => confirmed
            1 redact a => redacted
            2 book b 60-90 => rejected conflict with a 60-90; free 90-120 120-150 150-180
            3 redact c => rejected unknown_booking
            --
            a confirmed 60-90 version 2
            resource version 2
        "#]],
    );
}
