//! Stories of `policy`.

use std::time::Duration;

use chrono::Weekday;
use daybook_domain::{Hours, Interval, Rules, Timestamp};
use expect_test::expect;

use super::{is_open, next_open};
use crate::story::check;

#[test]
fn what_nobody_was_promised_must_not_be_past() {
    check(
        "
        60 book a 30-50 asked
        60 book b 30-50
        60 book c 60-90 asked
        ",
        expect![[r#"
            60 book a 30-50 asked => rejected past; free 60-80 80-100 100-120
            60 book b 30-50 => confirmed
            60 book c 60-90 asked => confirmed
            --
            b confirmed 30-50 version 1
            c confirmed 60-90 version 1
            resource version 3
        "#]],
    );
}

#[test]
fn notice_is_counted_from_when_somebody_asked() {
    check(
        "
        0 define notice=30
        60 book a 80-90 asked
        60 book b 80-90 sourced=55
        60 book c 80-90 sourced=50
        60 book d 90-100 asked
        60 book e 70-75 sourced=99
        ",
        expect![[r#"
            0 define notice=30 => defined
            60 book a 80-90 asked => rejected policy notice; free 90-100 100-110 110-120
            60 book b 80-90 sourced=55 => rejected policy notice; free 90-100 100-110 110-120
            60 book c 80-90 sourced=50 => confirmed
            60 book d 90-100 asked => confirmed
            60 book e 70-75 sourced=99 => rejected policy notice; free 100-105 105-110 110-115
            --
            c confirmed 80-90 version 1
            d confirmed 90-100 version 1
            resource version 4
        "#]],
    );
}

#[test]
fn the_window_is_counted_from_when_somebody_asked() {
    check(
        "
        0 define window=60
        0 book a 61-90
        0 book b 60-90
        5 book c 120-130 sourced=0
        ",
        expect![[r#"
            0 define window=60 => defined
            0 book a 61-90 => rejected policy window
            0 book b 60-90 => confirmed
            5 book c 120-130 sourced=0 => rejected policy window
            --
            b confirmed 60-90 version 1
            resource version 3
        "#]],
    );
}

#[test]
fn a_booking_lies_within_the_hours() {
    check(
        "
        0 define weekdays=9-13
        0 book a 0-30
        0 book b 30-61
        0 book c 30-60
        0 book d 60-90
        ",
        expect![[r#"
            0 define weekdays=9-13 => defined
            0 book a 0-30 => confirmed
            0 book b 30-61 => rejected policy hours; free 1260-1291 1291-1322 1322-1353
            0 book c 30-60 => confirmed
            0 book d 60-90 => rejected policy hours; free 1260-1290 1290-1320 1320-1350
            --
            a confirmed 0-30 version 1
            c confirmed 30-60 version 1
            resource version 4
        "#]],
    );
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn span(start: &str, end: &str) -> Interval {
    Interval::new(at(start), at(end)).expect("an interval")
}

fn open(zone: &str, hours: &[(Weekday, u16, u16)]) -> Rules {
    let hours = hours.iter().map(|(day, from, to)| Hours { day: *day, from: *from, to: *to });
    Rules { hours: hours.collect(), ..Rules::new(zone.to_owned()) }
}

#[test]
fn stretches_that_touch_at_midnight_are_one() {
    let rules = open("Europe/Berlin", &[(Weekday::Fri, 1_320, 1_440), (Weekday::Sat, 0, 120)]);
    assert!(is_open(&rules, span("2026-03-06T21:30:00Z", "2026-03-07T00:30:00Z")));
    assert!(!is_open(&rules, span("2026-03-06T21:30:00Z", "2026-03-07T01:01:00Z")));
}

#[test]
fn hours_are_local_before_and_after_the_clocks_change() {
    let rules = open("America/New_York", &[(Weekday::Fri, 540, 600), (Weekday::Mon, 540, 600)]);
    assert!(is_open(&rules, span("2026-10-30T13:00:00Z", "2026-10-30T14:00:00Z")));
    assert!(is_open(&rules, span("2026-11-02T14:00:00Z", "2026-11-02T15:00:00Z")));
    assert!(!is_open(&rules, span("2026-11-02T13:00:00Z", "2026-11-02T14:00:00Z")));
}

#[test]
fn an_hour_that_comes_twice_is_open_both_times_and_one_that_is_skipped_is_not_there() {
    let rules = open("America/New_York", &[(Weekday::Sun, 60, 120)]);
    assert!(is_open(&rules, span("2026-11-01T05:00:00Z", "2026-11-01T07:00:00Z")));
    let skipped = open("America/New_York", &[(Weekday::Sun, 120, 180)]);
    assert_eq!(
        next_open(&skipped, at("2026-03-08T06:00:00Z"), Duration::from_secs(60)),
        Some(at("2026-03-15T06:00:00Z"))
    );
}

#[test]
fn the_next_opening_is_long_enough() {
    let rules = open("Europe/Berlin", &[(Weekday::Mon, 540, 600), (Weekday::Wed, 540, 720)]);
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    assert_eq!(next_open(&rules, at("2026-03-02T08:30:00Z"), hours(1)), Some(at("2026-03-04T08:00:00Z")));
    assert_eq!(next_open(&rules, at("2026-03-02T07:00:00Z"), hours(1)), Some(at("2026-03-02T08:00:00Z")));
    assert_eq!(next_open(&rules, at("2026-03-02T07:00:00Z"), hours(4)), None);
}
