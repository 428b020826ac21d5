//! A resource's rules, as requests and decisions both carry them.

use std::time::Duration;

use chrono::Weekday;
use daybook_domain::{Hours, Rules};
use serde::{Deserialize, Serialize};

use crate::WireError;

/// Of a day, one after the last.
const MINUTES: u16 = 24 * 60;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename = "ResourceRules")]
pub(crate) struct RulesRecord {
    pub display_time_zone: String,
    pub replacement_wait_ms: i64,
    pub capacity: i32,
    pub buffer_before_ms: i64,
    pub buffer_after_ms: i64,
    pub notice_ms: i64,
    pub window_ms: Option<i64>,
    pub hours: Vec<HoursRecord>,
    pub retired: bool,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename = "Hours")]
pub(crate) struct HoursRecord {
    pub day: WeekdayRecord,
    pub from_minute: i32,
    pub to_minute: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Weekday", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum WeekdayRecord {
    Unknown,
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<&Rules> for RulesRecord {
    fn from(rules: &Rules) -> Self {
        Self {
            display_time_zone: rules.display_time_zone.clone(),
            replacement_wait_ms: millis(rules.replacement_wait),
            capacity: i32::from(rules.capacity),
            buffer_before_ms: millis(rules.buffer_before),
            buffer_after_ms: millis(rules.buffer_after),
            notice_ms: millis(rules.notice),
            window_ms: rules.window.map(millis),
            hours: rules.hours.iter().map(HoursRecord::from).collect(),
            retired: rules.retired,
        }
    }
}

impl RulesRecord {
    pub fn read(self) -> Result<Rules, WireError> {
        let capacity = u16::try_from(self.capacity)
            .ok()
            .filter(|capacity| (1..=Rules::CAPACITY_MAX).contains(capacity))
            .ok_or_else(|| WireError::field("rules.capacity", format!("must be 1 to {}", Rules::CAPACITY_MAX)))?;
        if self.hours.len() > Rules::HOURS_MAX {
            let problem = format!("must hold at most {} stretches; join those that touch", Rules::HOURS_MAX);
            return Err(WireError::field("rules.hours", problem));
        }
        let wait = u64::try_from(self.replacement_wait_ms)
            .map_err(|_| WireError::field("rules.replacement_wait_ms", "must not be negative"))?;
        Ok(Rules {
            display_time_zone: self.display_time_zone,
            replacement_wait: Duration::from_millis(wait),
            capacity,
            buffer_before: span("rules.buffer_before_ms", self.buffer_before_ms, Rules::BUFFER_MAX)?,
            buffer_after: span("rules.buffer_after_ms", self.buffer_after_ms, Rules::BUFFER_MAX)?,
            notice: span("rules.notice_ms", self.notice_ms, Rules::AHEAD_MAX)?,
            window: self.window_ms.map(|window| span("rules.window_ms", window, Rules::AHEAD_MAX)).transpose()?,
            hours: self.hours.into_iter().map(HoursRecord::read).collect::<Result<_, _>>()?,
            retired: self.retired,
        })
    }
}

impl From<&Hours> for HoursRecord {
    fn from(hours: &Hours) -> Self {
        let day = match hours.day {
            Weekday::Mon => WeekdayRecord::Monday,
            Weekday::Tue => WeekdayRecord::Tuesday,
            Weekday::Wed => WeekdayRecord::Wednesday,
            Weekday::Thu => WeekdayRecord::Thursday,
            Weekday::Fri => WeekdayRecord::Friday,
            Weekday::Sat => WeekdayRecord::Saturday,
            Weekday::Sun => WeekdayRecord::Sunday,
        };
        Self { day, from_minute: i32::from(hours.from), to_minute: i32::from(hours.to) }
    }
}

impl HoursRecord {
    fn read(self) -> Result<Hours, WireError> {
        let day = match self.day {
            WeekdayRecord::Monday => Weekday::Mon,
            WeekdayRecord::Tuesday => Weekday::Tue,
            WeekdayRecord::Wednesday => Weekday::Wed,
            WeekdayRecord::Thursday => Weekday::Thu,
            WeekdayRecord::Friday => Weekday::Fri,
            WeekdayRecord::Saturday => Weekday::Sat,
            WeekdayRecord::Sunday => Weekday::Sun,
            WeekdayRecord::Unknown => {
                return Err(WireError::field("rules.hours.day", "must be one of MONDAY to SUNDAY"));
            }
        };
        let from = u16::try_from(self.from_minute)
            .ok()
            .filter(|from| *from < MINUTES)
            .ok_or_else(|| WireError::field("rules.hours.from_minute", format!("must be 0 to {}", MINUTES - 1)))?;
        let to = u16::try_from(self.to_minute).ok().filter(|to| from < *to && *to <= MINUTES).ok_or_else(|| {
            WireError::field("rules.hours.to_minute", format!("must be above from_minute and at most {MINUTES}"))
        })?;
        Ok(Hours { day, from, to })
    }
}

/// What is longer than any rule may be stays so: the reader refuses it.
fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

fn span(field: &'static str, millis: i64, most: Duration) -> Result<Duration, WireError> {
    u64::try_from(millis)
        .ok()
        .map(Duration::from_millis)
        .filter(|span| *span <= most)
        .ok_or_else(|| WireError::field(field, format!("must be 0 to {}", most.as_millis())))
}
