//! Where there is room, and when it is open: by trying every unit, every booking and every instant that matters.

use std::time::Duration;

use chrono::{DateTime, Datelike, Days, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use daybook_domain::{
    Basis, BookingId, BookingKind, BookingState, Interval, Rejection, Request, Rule, Rules, Timestamp,
};

/// A span of somebody's time that a claim may not have. `unit` is none where it blocks every unit. In order of the
/// starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Obstacle {
    pub start: Timestamp,
    pub id: BookingId,
    pub unit: Option<u16>,
    pub end: Timestamp,
}

impl Obstacle {
    pub fn interval(&self) -> Interval {
        Interval::new(self.start, self.end).expect("it was an interval")
    }
}

/// What each live booking takes: its own time, and wherever its shadows have strayed to.
pub fn spans(list: &[BookingState]) -> Vec<Obstacle> {
    let mut all = Vec::new();
    for booking in list {
        let Some(live) = booking.standing.live() else { continue };
        let unit = match booking.kind {
            BookingKind::Booking => Some(booking.unit),
            BookingKind::Busy => None,
        };
        let of = |at: Interval, unit| Obstacle { start: at.start(), id: booking.booking_id, unit, end: at.end() };
        all.push(of(live, unit));
        all.extend(booking.away().map(|at| of(at, None)));
    }
    all
}

/// Whether the span leaves no room for the wanted interval, buffers kept, on the unit that it blocks.
pub fn blocks(rules: &Rules, span: &Obstacle, wanted: Interval) -> bool {
    let (before, after) = (micros(rules.buffer_before), micros(rules.buffer_after));
    // Behind a booking its own buffer after and the claim's buffer before; behind busy time only the claim's own.
    let (lead, trail) = if span.unit.is_some() { (before + after, before + after) } else { (before, after) };
    wanted.start().micros() < span.end.micros() + lead && span.start.micros() < wanted.end().micros() + trail
}

/// Which units a claim could have, or who is in the way: the earliest.
pub fn units(rules: &Rules, spans: &[Obstacle], wanted: Interval) -> Result<Vec<u16>, Obstacle> {
    let mut in_the_way: Vec<Obstacle> = spans.iter().copied().filter(|span| blocks(rules, span, wanted)).collect();
    in_the_way.sort();
    let is_on = |unit: u16| in_the_way.iter().any(|span| span.unit == Some(unit));
    let free: Vec<u16> = (0..rules.capacity).filter(|unit| !is_on(*unit)).collect();
    // Units from a day of more capacity take away from what there is now.
    let surplus = (rules.capacity..=u16::MAX).take_while(|unit| *unit < 64).filter(|unit| is_on(*unit)).count();
    let is_busy = in_the_way.iter().any(|span| span.unit.is_none());
    match in_the_way.first() {
        Some(first) if is_busy || free.len() <= surplus => Err(*first),
        Some(_) | None => Ok(free),
    }
}

/// What the rules say of a claim, whoever else has the time.
pub fn forbidden(rules: &Rules, now: Timestamp, request: &Request, wanted: Interval) -> Option<Rejection> {
    if rules.retired {
        return Some(Rejection::Policy(Rule::Retired));
    }
    let asked_at = match request.basis {
        Basis::Asked if wanted.start() < now => return Some(Rejection::Past),
        Basis::Asked => now,
        Basis::Imported => return None,
        // When the source says that it happened, or when it reached us: never later than the log's time.
        Basis::Promised => request.sourced_at.unwrap_or(request.received_at).min(now),
    };
    let ahead = wanted.start().micros() - asked_at.micros();
    let notice = micros(rules.notice);
    if notice > 0 && ahead < notice {
        Some(Rejection::Policy(Rule::Notice))
    } else if rules.window.is_some_and(|window| ahead > micros(window)) {
        Some(Rejection::Policy(Rule::Window))
    } else if !Opening::around(rules, wanted.start(), wanted.end()).is_open(wanted) {
        Some(Rejection::Policy(Rule::Hours))
    } else {
        None
    }
}

/// The soonest three that are free, none over another, within 60 days of the earliest that could be.
pub fn next_free(rules: &Rules, spans: &[Obstacle], now: Timestamp, wanted: Interval) -> Vec<Interval> {
    if rules.retired {
        return Vec::new();
    }
    // Most often they are soon.
    let soon = free_within(days(8), rules, spans, now, wanted);
    if soon.len() == 3 { soon } else { free_within(days(60), rules, spans, now, wanted) }
}

fn free_within(
    horizon: Duration,
    rules: &Rules,
    spans: &[Obstacle],
    now: Timestamp,
    wanted: Interval,
) -> Vec<Interval> {
    let mut from = wanted.start().max(now.plus(rules.notice));
    let limit = from.plus(horizon).min(rules.window.map_or(Timestamp::MAX, |window| now.plus(window)));
    let opening = Opening::around(rules, from, limit.plus(wanted.length()));
    let mut found = Vec::new();
    while found.len() < 3 {
        let mut starts = opening.starts();
        starts.extend(spans.iter().map(|span| {
            let lead = if span.unit.is_some() { rules.buffer_before + rules.buffer_after } else { rules.buffer_before };
            span.end.plus(lead)
        }));
        starts.push(from);
        starts.retain(|start| (from..=limit).contains(start));
        starts.sort();
        let slots = starts.into_iter().filter_map(|start| Interval::new(start, start.plus(wanted.length())).ok());
        let Some(slot) = slots.into_iter().find(|slot| opening.is_open(*slot) && units(rules, spans, *slot).is_ok())
        else {
            break;
        };
        from = slot.end();
        found.push(slot);
    }
    found
}

/// When a resource is open; none for always.
pub struct Opening(Option<Vec<(Timestamp, Timestamp)>>);

impl Opening {
    /// Everything that it is open between two instants, each stretch of each day by itself.
    pub fn around(rules: &Rules, from: Timestamp, until: Timestamp) -> Self {
        if rules.hours.is_empty() {
            return Self(None);
        }
        let Ok(zone) = rules.display_time_zone.parse::<Tz>() else { return Self(Some(Vec::new())) };
        let utc = |at: Timestamp| DateTime::<Utc>::from(at).date_naive();
        let (first, last) = (utc(from) - Days::new(2), utc(until) + Days::new(2));
        let mut stretches = Vec::new();
        for date in first.iter_days().take_while(|date| *date <= last) {
            for hours in rules.hours.iter().filter(|hours| hours.day == date.weekday()) {
                let local = |minute: u16| date.and_time(NaiveTime::MIN) + TimeDelta::minutes(minute.into());
                let (start, end) = (first_instant(zone, local(hours.from)), last_instant(zone, local(hours.to)));
                if start < end {
                    stretches.push((start, end));
                }
            }
        }
        Self(Some(stretches))
    }

    fn starts(&self) -> Vec<Timestamp> {
        self.0.iter().flatten().map(|(start, _)| *start).collect()
    }

    /// Whether it is open from its start to its end without a gap.
    pub fn is_open(&self, wanted: Interval) -> bool {
        let Some(stretches) = &self.0 else { return true };
        let mut open_until = wanted.start();
        while open_until < wanted.end() {
            let here = stretches.iter().filter(|(start, end)| *start <= open_until && open_until < *end);
            match here.map(|(_, end)| *end).max() {
                Some(end) => open_until = end,
                None => return false,
            }
        }
        true
    }
}

/// Every instant at which clocks show this, and failing that the one that the offset before the gap makes of it.
fn instants(zone: Tz, local: NaiveDateTime) -> Vec<Timestamp> {
    let offset_at = |utc: NaiveDateTime| zone.offset_from_utc_datetime(&utc).fix().local_minus_utc();
    let offsets = [-15, 15].map(|hours| offset_at(local + TimeDelta::hours(hours)));
    let at = |offset: i32| local - TimeDelta::seconds(offset.into());
    let mut shown: Vec<_> = offsets.into_iter().filter(|offset| offset_at(at(*offset)) == *offset).map(at).collect();
    if shown.is_empty() {
        shown.push(at(offsets[0]));
    }
    shown.sort();
    shown.into_iter().map(|utc| Timestamp::try_from(utc.and_utc()).expect("of our days")).collect()
}

fn first_instant(zone: Tz, local: NaiveDateTime) -> Timestamp {
    *instants(zone, local).first().expect("at least one")
}

fn last_instant(zone: Tz, local: NaiveDateTime) -> Timestamp {
    *instants(zone, local).last().expect("at least one")
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).expect("a few years at most")
}

const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}
