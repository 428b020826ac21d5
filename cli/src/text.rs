//! Times and spans as people read them. UTC unless a zone is named; a local time always stands beside its UTC time.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use daybook_domain::{Interval, Timestamp};

/// `2026-03-04 09:00:00.123 UTC`.
pub fn moment(time: Timestamp) -> String {
    let utc = DateTime::<Utc>::from(time);
    if time.micros() % 1_000_000 == 0 {
        utc.format("%Y-%m-%d %H:%M:%S UTC").to_string()
    } else {
        utc.format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string()
    }
}

/// `2026-03-04T09:00:00.123Z`: for a column that is sorted and copied.
pub fn stamp(time: Timestamp) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)`; without a zone only the UTC half.
pub fn interval(interval: Interval, zone: Option<Tz>) -> String {
    match zone.filter(|zone| *zone != Tz::UTC) {
        None => format!("{} UTC", span_of_day(interval, Tz::UTC)),
        Some(zone) => format!("{} {zone} ({} UTC)", span_of_day(interval, zone), hours(interval, zone)),
    }
}

fn span_of_day(interval: Interval, zone: Tz) -> String {
    let (start, end) = local(interval, zone);
    if start.date_naive() == end.date_naive() {
        format!("{} to {}", start.format("%a %-d %b %Y %H:%M"), end.format("%H:%M"))
    } else {
        format!("{} to {}", start.format("%a %-d %b %Y %H:%M"), end.format("%a %-d %b %Y %H:%M"))
    }
}

/// The UTC times of an interval, with the day where it is not the zone's.
fn hours(interval: Interval, zone: Tz) -> String {
    let (start, end) = local(interval, Tz::UTC);
    let (there, there_end) = local(interval, zone);
    let same = start.date_naive() == there.date_naive() && end.date_naive() == there_end.date_naive();
    if same && start.date_naive() == end.date_naive() {
        format!("{} to {}", start.format("%H:%M"), end.format("%H:%M"))
    } else {
        span_of_day(interval, Tz::UTC)
    }
}

fn local(interval: Interval, zone: Tz) -> (DateTime<Tz>, DateTime<Tz>) {
    let at = |time| DateTime::<Utc>::from(time).with_timezone(&zone);
    (at(interval.start()), at(interval.end()))
}

/// `Wed 4 Mar 2026 10:15 Europe/Berlin (09:15 UTC)`.
pub fn instant(time: Timestamp, zone: Option<Tz>) -> String {
    let utc = DateTime::<Utc>::from(time);
    let Some(zone) = zone.filter(|zone| *zone != Tz::UTC) else {
        return utc.format("%a %-d %b %Y %H:%M UTC").to_string();
    };
    let there = utc.with_timezone(&zone);
    let day = if there.date_naive() == utc.date_naive() { "%H:%M UTC" } else { "%a %-d %b %Y %H:%M UTC" };
    format!("{} {zone} ({})", there.format("%a %-d %b %Y %H:%M"), utc.format(day))
}

/// The time from `earlier` to `later`: `+320 ms`, `+1.2 s`, `+3 min 4 s`; `-40 ms` where the clocks disagree.
pub fn delay(earlier: Timestamp, later: Timestamp) -> String {
    if later >= earlier {
        format!("+{}", span(later.since(earlier)))
    } else {
        format!("-{}", span(earlier.since(later)))
    }
}

/// `320 ms`, `1.2 s`, `3 min 4 s`, `2 h 5 min`, `3 days 4 h`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let pair = |big: u64, unit: &str, small: u64, part: &str| {
        if small == 0 { format!("{big} {unit}") } else { format!("{big} {unit} {small} {part}") }
    };
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..60 => format!("{}.{} s", seconds, span.subsec_millis() / 100).replace(".0 s", " s"),
        60..3_600 => pair(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => pair(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => pair(seconds / 86_400, if seconds < 172_800 { "day" } else { "days" }, seconds % 86_400 / 3_600, "h"),
    }
}

/// `1 item`, `2 items`.
pub fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(start: &str, end: &str) -> Interval {
        Interval::new(start.parse().expect("a time"), end.parse().expect("a time")).expect("an interval")
    }

    #[test]
    fn an_interval_shows_both_times_and_the_day_wherever_it_differs() {
        let morning = between("2026-03-04T09:00:00Z", "2026-03-04T09:30:00Z");
        assert_eq!(
            interval(morning, Some(Tz::Europe__Berlin)),
            "Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)"
        );
        assert_eq!(interval(morning, None), "Wed 4 Mar 2026 09:00 to 09:30 UTC");
        let evening = between("2026-03-04T01:00:00Z", "2026-03-04T02:00:00Z");
        assert_eq!(
            interval(evening, Some(Tz::America__New_York)),
            "Tue 3 Mar 2026 20:00 to 21:00 America/New_York (Wed 4 Mar 2026 01:00 to 02:00 UTC)"
        );
    }

    #[test]
    fn a_span_has_two_units_at_most() {
        let shown = |millis| span(Duration::from_millis(millis));
        assert_eq!(
            [12, 1_250, 5_000, 184_000, 7_500_000, 273_600_000].map(shown),
            ["12 ms", "1.2 s", "5 s", "3 min 4 s", "2 h 5 min", "3 days 4 h"]
        );
    }

    #[test]
    fn clocks_that_disagree_are_shown_to_disagree() {
        let at = |text: &str| text.parse().expect("a time");
        assert_eq!(delay(at("2026-03-04T09:00:01Z"), at("2026-03-04T09:00:00.960Z")), "-40 ms");
    }
}
