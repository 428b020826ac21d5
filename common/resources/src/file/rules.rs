//! The rules of one resource, as a file writes them.

use std::time::Duration;

use chrono_tz::{TZ_VARIANTS, Tz};
use daybook_domain::{Hours, Rules};
use serde_norway::{Mapping, Value};

use super::{Reader, kind};
use crate::nearest::hint;
use crate::{describe, hours};

/// The keys of a resource that are rules.
pub const KEYS: [&str; 8] =
    ["time_zone", "replacement_wait", "capacity", "buffer_before", "buffer_after", "notice", "window", "hours"];
/// The shortest wait for a replacement that makes sense: both halves of a reschedule need some time to arrive.
const REPLACEMENT_WAIT_MIN: Duration = Duration::from_secs(1);

impl Reader {
    /// The rules, once everything that is wrong with them has been noted; none if something was.
    pub(super) fn rules(&mut self, at: &str, map: &Mapping) -> Option<Rules> {
        let before = self.faults.len();
        let zone =
            self.required_text(at, map, "time_zone").and_then(|text| self.zone(&format!("{at}.time_zone"), &text));
        let mut span = |key, least, most| self.span(&format!("{at}.{key}"), map.get(key), least, most);
        let wait = span("replacement_wait", REPLACEMENT_WAIT_MIN, Rules::REPLACEMENT_WAIT_MAX);
        let buffer_before = span("buffer_before", Duration::ZERO, Rules::BUFFER_MAX);
        let buffer_after = span("buffer_after", Duration::ZERO, Rules::BUFFER_MAX);
        let notice = span("notice", Duration::ZERO, Rules::AHEAD_MAX);
        let window = span("window", Duration::ZERO, Rules::AHEAD_MAX);
        if let Some(window) = window
            && window <= notice.unwrap_or_default()
        {
            let problem = match notice.filter(|notice| !notice.is_zero()) {
                None => "must be above zero, or nothing can be booked; leave it out for no limit".to_owned(),
                Some(notice) => {
                    format!("must be longer than notice ({}), or nothing can be booked", describe::span(notice))
                }
            };
            self.fault(&format!("{at}.window"), problem);
        }
        let capacity = self.capacity(&format!("{at}.capacity"), map.get("capacity"));
        let hours = self.hours(&format!("{at}.hours"), map.get("hours"));
        if self.faults.len() > before {
            return None;
        }
        Some(Rules {
            replacement_wait: wait.unwrap_or(Rules::REPLACEMENT_WAIT_DEFAULT),
            capacity,
            buffer_before: buffer_before.unwrap_or_default(),
            buffer_after: buffer_after.unwrap_or_default(),
            notice: notice.unwrap_or_default(),
            window,
            hours,
            ..Rules::new(zone?)
        })
    }

    fn zone(&mut self, at: &str, text: &str) -> Option<String> {
        if text.parse::<Tz>().is_ok() {
            return Some(text.to_owned());
        }
        let hint = hint(text, TZ_VARIANTS.iter().map(|zone| zone.name()));
        self.fault(at, format!("is no IANA time zone, such as Europe/Berlin{hint}"));
        None
    }

    /// A duration; none if it is left out or wrong.
    fn span(&mut self, at: &str, value: Option<&Value>, least: Duration, most: Duration) -> Option<Duration> {
        let value = value.filter(|value| !value.is_null())?;
        let read = match value.as_u64() {
            // The one number that needs no unit.
            Some(0) => Some(Duration::ZERO),
            Some(_) | None => value.as_str().and_then(|text| humantime::parse_duration(text).ok()),
        };
        let Some(span) = read else {
            self.fault(at, "is no duration; write a number and a unit, such as 15m, 90s or 2h");
            return None;
        };
        if !(least..=most).contains(&span) {
            let least = if least.is_zero() { String::new() } else { format!("at least {} and ", limit(least)) };
            self.fault(at, format!("must be {least}at most {}", limit(most)));
            return None;
        }
        // The wire and the store count milliseconds.
        Some(Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    fn capacity(&mut self, at: &str, value: Option<&Value>) -> u16 {
        let Some(value) = value.filter(|value| !value.is_null()) else { return 1 };
        let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
        let sound = number.filter(|number| (1..=Rules::CAPACITY_MAX).contains(number));
        if sound.is_none() {
            let most = Rules::CAPACITY_MAX;
            self.fault(
                at,
                format!("must be a whole number from 1 to {most}: how many bookings may have the same time"),
            );
        }
        sound.unwrap_or(1)
    }

    fn hours(&mut self, at: &str, value: Option<&Value>) -> Vec<Hours> {
        let Some(value) = value.filter(|value| !value.is_null()) else { return Vec::new() };
        let before = self.faults.len();
        let mut hours = Vec::new();
        if let Some(map) = value.as_mapping() {
            for (key, value) in map {
                let at = format!("{at}.{}", key.as_str().unwrap_or("(not text)"));
                self.hours_of_days(&at, key.as_str().unwrap_or_default(), value, &mut hours);
            }
        } else if let Some(list) = value.as_sequence() {
            for (number, value) in list.iter().enumerate() {
                self.hours_of_line(&format!("{at}[{number}]"), value, &mut hours);
            }
        } else {
            let problem = "must be a mapping such as {mon-fri: [\"09:00-17:00\"]}, or a list such as \
                           [\"mon-fri 09:00-17:00\"], not";
            self.fault(at, format!("{problem} {}", kind(value)));
        }
        let hours = hours::sorted(hours);
        if self.faults.len() == before && hours.is_empty() {
            self.fault(
                at,
                "leaves no time in which anything can be booked; leave hours out if it may be booked always",
            );
        }
        if hours.len() > Rules::HOURS_MAX {
            self.fault(at, format!("must have at most {} stretches; join those that touch", Rules::HOURS_MAX));
        }
        hours
    }

    /// `mon-fri: ["09:00-12:00", "13:00-17:00"]`.
    fn hours_of_days(&mut self, at: &str, days: &str, value: &Value, hours: &mut Vec<Hours>) {
        let days = hours::days(days).map_err(|problem| self.fault(at, problem)).unwrap_or_default();
        let list = match value {
            Value::Sequence(list) => list.as_slice(),
            Value::String(_) => std::slice::from_ref(value),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Mapping(_) | Value::Tagged(_) => {
                let problem = "must be a list of stretches such as [\"09:00-12:00\"], [] for a closed day, not";
                self.fault(at, format!("{problem} {}", kind(value)));
                return;
            }
        };
        for (number, value) in list.iter().enumerate() {
            let at = format!("{at}[{number}]");
            let read = value.as_str().map_or(Err(NO_STRETCH.to_owned()), hours::stretch);
            match read {
                Ok((from, to)) => hours.extend(days.iter().map(|day| Hours { day: *day, from, to })),
                Err(problem) => self.fault(&at, problem),
            }
        }
    }

    /// `"mon-fri 09:00-12:00 13:00-17:00"`.
    fn hours_of_line(&mut self, at: &str, value: &Value, hours: &mut Vec<Hours>) {
        let Some((days, times)) = value.as_str().and_then(|line| line.trim().split_once(char::is_whitespace)) else {
            self.fault(at, "must be text with days and times, such as \"mon-fri 09:00-12:00 13:00-17:00\"");
            return;
        };
        let days = hours::days(days).map_err(|problem| self.fault(at, problem)).unwrap_or_default();
        for time in times.split([' ', ',']).filter(|time| !time.is_empty()) {
            match hours::stretch(time) {
                Ok((from, to)) => hours.extend(days.iter().map(|day| Hours { day: *day, from, to })),
                Err(problem) => self.fault(at, format!("{time} {problem}")),
            }
        }
    }
}

const NO_STRETCH: &str = "must be text such as \"09:00-12:00\"";

/// A limit as people say it: whole days above one, hours, seconds.
fn limit(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        172_800.. => format!("{}d", seconds / 86_400),
        3_600.. => format!("{}h", seconds / 3_600),
        _ => format!("{seconds}s"),
    }
}
