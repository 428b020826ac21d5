//! The rule of a series: the times on the wall that it comes to.
//!
//! The library counts on a clock that is never set back or forward: what the wall shows is given to it as if it were UTC.
//! Asked in steps, because a rule may go on for ever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime};
use rrule::{Frequency, RRule, RRuleSet, Tz, Unvalidated};

/// Occurrences of one rule that are looked at, those before the time of interest included.
const STEPS_MAX: usize = 100_000;

/// The fifth last of a weekday in its month is that weekday among these days, counted from the end: the library has no fifth last.
const FIFTH_LAST: &str = "BYMONTHDAY=-29,-30,-31";

/// A rule as it was written, understood to the last word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    /// Without `UNTIL`.
    rule: RRule<Unvalidated>,
    /// What it comes to besides; none of both with `COUNT`, then.
    besides: Option<RRule<Unvalidated>>,
    /// How many times it has in all, where neither part can say.
    count: Option<usize>,
    /// The last time that may be one of the series.
    pub until: Option<Until>,
}

/// The end of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// An instant.
    Utc(NaiveDateTime),
    /// What the wall shows.
    Local(NaiveDateTime),
}

/// A rule that cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuleFault {
    /// It means nothing.
    Nothing,
    /// It comes to too much.
    TooMuch,
}

impl Rule {
    /// Reads the value of an `RRULE`.
    pub fn parse(text: &str) -> Result<Self, RuleFault> {
        // RFC 5545 §3.3.10 has nothing else in a rule, and the library cuts a day's name into bytes.
        if !text.is_ascii() {
            return Err(RuleFault::Nothing);
        }
        let mut until = None;
        let mut parts = Vec::new();
        for part in text.trim().trim_end_matches(';').split(';') {
            let part = part.trim().to_ascii_uppercase();
            match part.strip_prefix("UNTIL=") {
                Some(time) if until.is_none() => until = Some(Until::parse(time).ok_or(RuleFault::Nothing)?),
                Some(_) => return Err(RuleFault::Nothing),
                None if part.strip_prefix("BYDAY=").is_some_and(|days| !days.split(',').all(is_day)) => {
                    return Err(RuleFault::Nothing);
                }
                None => parts.push(part),
            }
        }
        let read =
            |parts: &[String]| guarded(|| RRule::from_str(&parts.join(";")).ok()).flatten().ok_or(RuleFault::Nothing);
        let rule = read(&parts)?;
        if rule.get_interval() == 0 || rule.get_count() == Some(0) {
            return Err(RuleFault::Nothing);
        }
        let Some((fifths, others)) = fifth_last(&rule, &parts) else {
            return Ok(Self { rule, besides: None, count: None, until });
        };
        let count = rule.get_count().map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        let besides = others.map(|others| read(&others)).transpose()?;
        Ok(Self { rule: read(&fifths)?, besides, count, until })
    }

    /// The times that it comes to from `from` to `to`, beginning at `start`; `until` is the last one that may be. In their order.
    pub fn times(
        &self,
        start: NaiveDateTime,
        until: Option<NaiveDateTime>,
        from: NaiveDateTime,
        to: NaiveDateTime,
    ) -> Result<Vec<NaiveDateTime>, RuleFault> {
        if until.is_some_and(|until| until < start) {
            return Ok(Vec::new());
        }
        let last = until.map_or(to, |until| until.min(to));
        let start = self.nearer(start, from);
        let build = |rule: &RRule<Unvalidated>| {
            guarded(|| rule.clone().build(zoned(start)).ok()).flatten().ok_or(RuleFault::Nothing)
        };
        let sets: Vec<RRuleSet> =
            std::iter::once(&self.rule).chain(&self.besides).map(build).collect::<Result<_, _>>()?;
        guarded(|| steps(&sets, self.count, from, last)).unwrap_or(Err(RuleFault::Nothing))
    }

    /// Where a rule of days or weeks may as well begin, so that years need not be counted through.
    fn nearer(&self, start: NaiveDateTime, from: NaiveDateTime) -> NaiveDateTime {
        let unit = match self.rule.get_freq() {
            Frequency::Daily => 1,
            Frequency::Weekly => 7,
            Frequency::Yearly | Frequency::Monthly | Frequency::Hourly | Frequency::Minutely | Frequency::Secondly => {
                return start;
            }
        };
        let period = i64::from(self.rule.get_interval()) * unit;
        let periods = from.signed_duration_since(start).num_days() / period - 1;
        if self.rule.get_count().is_some() || periods <= 0 {
            return start;
        }
        let days = u64::try_from(periods * period).unwrap_or(0);
        start.checked_add_days(Days::new(days)).unwrap_or(start)
    }
}

/// A weekday with or without a number. The library takes anything before a weekday for no number.
fn is_day(text: &str) -> bool {
    let text = text.trim();
    let Some((number, day)) = text.len().checked_sub(2).map(|at| text.split_at(at)) else { return false };
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    ["MO", "TU", "WE", "TH", "FR", "SA", "SU"].contains(&day)
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (number.is_empty() || !digits.is_empty())
}

/// Two rules instead of one by the month that has fifth last weekdays, without their `COUNT`: of those, and of the other days.
fn fifth_last(rule: &RRule<Unvalidated>, parts: &[String]) -> Option<(Vec<String>, Option<Vec<String>>)> {
    let days = parts.iter().find_map(|part| part.strip_prefix("BYDAY="))?;
    let (fifths, others): (Vec<&str>, Vec<&str>) = days.split(',').partition(|day| day.starts_with("-5"));
    // Positions, and days of months, are among all that a month comes to.
    let among = |part: &String| part.starts_with("BYSETPOS=") || part.starts_with("BYMONTHDAY=");
    if rule.get_freq() != Frequency::Monthly || fifths.is_empty() || parts.iter().any(among) {
        return None;
    }
    let left = parts.iter().filter(|part| !part.starts_with("BYDAY=") && !part.starts_with("COUNT="));
    let with = |days: String| left.clone().cloned().chain([format!("BYDAY={days}")]).collect::<Vec<_>>();
    let plain: Vec<&str> = fifths.iter().filter_map(|day| day.strip_prefix("-5")).collect();
    let mut fifths = with(plain.join(","));
    fifths.push(FIFTH_LAST.to_owned());
    Some((fifths, (!others.is_empty()).then(|| with(others.join(",")))))
}

fn steps(
    sets: &[RRuleSet],
    count: Option<usize>,
    from: NaiveDateTime,
    last: NaiveDateTime,
) -> Result<Vec<NaiveDateTime>, RuleFault> {
    // Limited: a rule that never comes to anything ends there.
    let mut heads: Vec<_> = sets.iter().map(|set| set.clone().limit().into_iter().peekable()).collect();
    let mut times = Vec::new();
    for step in 0..count.unwrap_or(usize::MAX) {
        let Some(time) = heads.iter_mut().filter_map(|head| head.peek().copied()).min() else { break };
        for head in &mut heads {
            head.next_if(|it| *it == time);
        }
        let time = time.naive_utc();
        if time > last {
            break;
        }
        if step >= STEPS_MAX {
            return Err(RuleFault::TooMuch);
        }
        if time >= from {
            times.push(time);
        }
    }
    Ok(times)
}

fn zoned(time: NaiveDateTime) -> DateTime<Tz> {
    time.and_utc().with_timezone(&Tz::UTC)
}

/// A library that counts days for strangers may give up on a rule in the worst way; that is the rule's fault.
fn guarded<T>(what: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(what)).ok()
}

impl Until {
    fn parse(text: &str) -> Option<Self> {
        let (time, utc) = text.strip_suffix('Z').map_or((text, false), |time| (time, true));
        let date = NaiveDate::parse_from_str(time.get(..8)?, "%Y%m%d").ok()?;
        let time = match time.get(8..)? {
            // All of that day.
            "" => NaiveTime::from_hms_opt(23, 59, 59)?,
            time => NaiveTime::parse_from_str(time.strip_prefix('T')?, "%H%M%S").ok()?,
        };
        let time = date.and_time(time);
        Some(if utc { Self::Utc(time) } else { Self::Local(time) })
    }
}

/// The rule of an observance of a zone, which began long ago: once a year, and no longer than until `to`.
pub(crate) fn observances(
    rule: &Rule,
    start: NaiveDateTime,
    until: Option<NaiveDateTime>,
    to: NaiveDateTime,
) -> Result<Vec<NaiveDateTime>, RuleFault> {
    let start = recent(start).unwrap_or(start);
    rule.times(start, until, start, to)
}

/// Exchange's zones begin in 1601. Nobody's appointment is before 1970.
fn recent(start: NaiveDateTime) -> Option<NaiveDateTime> {
    const FIRST: i32 = 1_970;
    if start.year() >= FIRST {
        return None;
    }
    start.with_year(FIRST)
}
