//! Stories of `availability`: what was decided, and then what is free.

use std::time::Duration;

use expect_test::{Expect, expect};

use super::{Asked, Search, availability, taken};
use crate::story::{defined, id, interval, minute, shown, tell};

/// What is free between two minutes, in slots of `length` every `step`, for whoever asks at a minute or a minute later.
struct Question {
    window: (i64, i64),
    length: u64,
    step: u64,
    at: i64,
}

const HALF_HOURS: Question = Question { window: (0, 240), length: 30, step: 30, at: 0 };

#[allow(clippy::needless_pass_by_value, reason = "expectations are written where they are used up")]
fn check(lines: &str, question: Question, expected: Expect) {
    let mut state = defined();
    for (nth, line) in lines.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        tell(&mut state, nth + 1, line);
    }
    let window = interval(question.window);
    let asked = Asked { earliest: minute(question.at), latest: minute(question.at + 1) };
    let minutes = |minutes| Duration::from_secs(60 * minutes);
    let search = Search { window, length: minutes(question.length), step: minutes(question.step), moving: None };
    let shown = |spans: Vec<_>| spans.into_iter().map(shown).collect::<Vec<_>>().join(" ");
    let free = shown(availability(&state, asked, search));
    let moving = Search { moving: Some(id("a")), ..search };
    let moved = shown(availability(&state, asked, moving));
    let taken = shown(taken(&state, asked.earliest, window));
    expected.assert_eq(&format!("free {free}\nfor a {moved}\ntaken {taken}\n"));
}

#[test]
fn a_booking_takes_its_time_and_leaves_the_rest() {
    check(
        "
        0 book a 60-90
        0 book b 100-110
        ",
        HALF_HOURS,
        expect![[r#"
            free 30-60 120-150 150-180 180-210 210-240
            for a 30-60 60-90 120-150 150-180 180-210 210-240
            taken 60-90 100-110
        "#]],
    );
}

#[test]
fn starts_are_counted_from_the_windows_and_slots_may_overlap() {
    check(
        "0 book a 60-90",
        Question { window: (5, 130), length: 30, step: 10, at: 0 },
        expect![[r#"
            free 5-35 15-45 25-55 95-125
            for a 5-35 15-45 25-55 35-65 45-75 55-85 65-95 75-105 85-115 95-125
            taken 60-90
        "#]],
    );
}

#[test]
fn a_hold_counts_until_it_has_lapsed_for_whoever_asks_first() {
    let lines = "0 hold a 60-90 ttl=20";
    check(
        lines,
        Question { at: 19, ..HALF_HOURS },
        expect![[r#"
            free 30-60 90-120 120-150 150-180 180-210 210-240
            for a 30-60 60-90 90-120 120-150 150-180 180-210 210-240
            taken 60-90
        "#]],
    );
    check(
        lines,
        Question { at: 20, ..HALF_HOURS },
        expect![[r#"
            free 30-60 60-90 90-120 120-150 150-180 180-210 210-240
            for a 30-60 60-90 90-120 120-150 150-180 180-210 210-240
            taken 
        "#]],
    );
}

#[test]
fn with_room_for_two_the_time_is_taken_where_there_are_two_and_a_slot_needs_one_unit_throughout() {
    check(
        "
        0 define capacity=2
        0 book a 60-90
        0 book b 60-120
        0 book c 90-150
        ",
        Question { length: 60, ..HALF_HOURS },
        expect![[r#"
            free 120-180 150-210 180-240
            for a 30-90 120-180 150-210 180-240
            taken 60-120
        "#]],
    );
}

#[test]
fn buffers_lie_between_two_bookings_and_around_busy_time_only_those_of_the_slot() {
    check(
        "
        0 define before=10 after=5
        0 book a 90-120
        0 google: busy x 180-190
        ",
        Question { window: (0, 260), length: 30, step: 5, at: 0 },
        expect![[r#"
            free 5-35 10-40 15-45 20-50 25-55 30-60 35-65 40-70 45-75 135-165 140-170 145-175 200-230 205-235 210-240 215-245 220-250 225-255 230-260
            for a 5-35 10-40 15-45 20-50 25-55 30-60 35-65 40-70 45-75 50-80 55-85 60-90 65-95 70-100 75-105 80-110 85-115 90-120 95-125 100-130 105-135 110-140 115-145 120-150 125-155 130-160 135-165 140-170 145-175 200-230 205-235 210-240 215-245 220-250 225-255 230-260
            taken 90-120 180-190
        "#]],
    );
}

#[test]
fn notice_is_counted_from_the_last_moment_and_the_window_from_the_first() {
    check(
        "0 define notice=30 window=120",
        Question { window: (0, 240), length: 10, step: 10, at: 9 },
        expect![[r#"
            free 40-50 50-60 60-70 70-80 80-90 90-100 100-110 110-120 120-130
            for a 40-50 50-60 60-70 70-80 80-90 90-100 100-110 110-120 120-130
            taken 
        "#]],
    );
}

#[test]
fn slots_lie_inside_the_hours_of_the_resources_zone() {
    // A story begins on a Tuesday at noon in Berlin: five hours on it is 17:00 there.
    check(
        "0 define weekdays=9-17",
        Question { window: (200, 1_500), length: 50, step: 50, at: 0 },
        expect![[r#"
            free 200-250 250-300 1300-1350 1350-1400 1400-1450 1450-1500
            for a 200-250 250-300 1300-1350 1350-1400 1400-1450 1450-1500
            taken 
        "#]],
    );
}

#[test]
fn a_shadow_that_has_strayed_blocks_where_it_is() {
    check(
        "
        0 book a 60-90 tag=t
        0 google: busy x 60-90 tag=t
        0 google: busy x 150-180 tag=t
        ",
        HALF_HOURS,
        expect![[r#"
            free 30-60 90-120 120-150 180-210 210-240
            for a 30-60 60-90 90-120 120-150 150-180 180-210 210-240
            taken 60-90 150-180
        "#]],
    );
}
