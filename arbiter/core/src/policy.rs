//! The rules that look at a claim alone: retired, past, notice, window and hours.

use std::time::Duration;

use chrono::{DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use daybook_domain::{Basis, Interval, Rejection, Request, Rule, Rules, Timestamp};

/// Why a claim on this interval may not be, whoever else has the time.
///
/// Notice and window are counted from the moment that somebody asked: the log's time for what nobody was promised, the
/// source's own clock (never later than the log) for what it has promised already. A delivery that comes late does not
/// turn a timely booking into an untimely one.
pub(crate) fn broken(rules: &Rules, now: Timestamp, request: &Request, wanted: Interval) -> Option<Rejection> {
    // Before all others, because no other time would do.
    if rules.retired {
        return Some(Rejection::Policy(Rule::Retired));
    }
    let asked_at = match request.basis {
        Basis::Asked => now,
        // It was there before these rules were anybody's.
        Basis::Imported => return None,
        Basis::Promised => request.sourced_at.unwrap_or(request.received_at).min(now),
    };
    if request.basis == Basis::Asked && wanted.start() < now {
        return Some(Rejection::Past);
    }
    if !rules.notice.is_zero() && wanted.start() < asked_at.plus(rules.notice) {
        return Some(Rejection::Policy(Rule::Notice));
    }
    if rules.window.is_some_and(|window| wanted.start() > asked_at.plus(window)) {
        return Some(Rejection::Policy(Rule::Window));
    }
    (!is_open(rules, wanted)).then_some(Rejection::Policy(Rule::Hours))
}

/// Whether rules can be followed: hours need a zone that is known.
pub(crate) fn is_sound(rules: &Rules) -> bool {
    rules.hours.is_empty() || zone(rules).is_some()
}

/// The first start at or after `from` at which a claim of this length lies within the hours.
pub(crate) fn next_open(rules: &Rules, from: Timestamp, length: Duration) -> Option<Timestamp> {
    if rules.hours.is_empty() {
        return Some(from);
    }
    // Hours repeat weekly: if not within the week after, and a day on either side for zones, then never.
    let until = from.plus(length).plus(Duration::from_secs(9 * 24 * 60 * 60));
    stretches(rules, from, until).into_iter().find_map(|stretch| {
        let start = from.max(stretch.start());
        (start.plus(length) <= stretch.end()).then_some(start)
    })
}

/// The stretches in which claims may lie, as far as they have a part of the window, in order and none touching another.
pub(crate) fn open(rules: &Rules, window: Interval) -> Vec<Interval> {
    if rules.hours.is_empty() {
        return vec![window];
    }
    stretches(rules, window.start(), window.end()).into_iter().filter(|stretch| stretch.overlaps(&window)).collect()
}

fn is_open(rules: &Rules, wanted: Interval) -> bool {
    let contains = |stretch: Interval| stretch.contains(&wanted);
    rules.hours.is_empty() || stretches(rules, wanted.start(), wanted.end()).into_iter().any(contains)
}

fn zone(rules: &Rules) -> Option<Tz> {
    rules.display_time_zone.parse().ok()
}

/// When it is open between two instants, and around them: those that touch or overlap are one.
fn stretches(rules: &Rules, from: Timestamp, until: Timestamp) -> Vec<Interval> {
    let Some(zone) = zone(rules) else { return Vec::new() };
    let local = |at: Timestamp| DateTime::<Utc>::from(at).with_timezone(&zone).date_naive();
    let Some(first) = local(from).checked_sub_days(Days::new(1)) else { return Vec::new() };
    let Some(last) = local(until).checked_add_days(Days::new(1)) else { return Vec::new() };
    let mut spans: Vec<Interval> = Vec::new();
    for date in first.iter_days().take_while(|date| *date <= last) {
        for hours in rules.hours.iter().filter(|hours| hours.day == date.weekday()) {
            let (start, end) = (instant(zone, date, hours.from, Side::Start), instant(zone, date, hours.to, Side::End));
            if let (Some(start), Some(end)) = (start, end) {
                spans.extend(Interval::new(start, end));
            }
        }
    }
    spans.sort();
    let mut merged: Vec<Interval> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start() <= last.end() => {
                *last = Interval::new(last.start(), last.end().max(span.end())).expect("no shorter than it was");
            }
            Some(_) | None => merged.push(span),
        }
    }
    merged
}

#[derive(Clone, Copy)]
enum Side {
    Start,
    End,
}

/// A minute of a local day as an instant. Where clocks are set back it is there twice, and a stretch has all of both:
/// it begins with the first and ends with the second. Where they are set forward it may not be there: then what the
/// clock would have shown with the offset before the change (RFC 5545, section 3.3.5).
fn instant(zone: Tz, date: NaiveDate, minute: u16, side: Side) -> Option<Timestamp> {
    let local = date.and_time(NaiveTime::MIN) + TimeDelta::minutes(i64::from(minute));
    let at = match (zone.from_local_datetime(&local), side) {
        (LocalResult::Single(at), _) | (LocalResult::Ambiguous(at, _), Side::Start) => at,
        (LocalResult::Ambiguous(_, at), Side::End) => at,
        (LocalResult::None, _) => {
            let day_before = zone.from_local_datetime(&(local - TimeDelta::days(1))).earliest()?;
            day_before + TimeDelta::days(1)
        }
    };
    Timestamp::try_from(at.with_timezone(&Utc)).ok()
}

#[cfg(test)]
mod tests;
