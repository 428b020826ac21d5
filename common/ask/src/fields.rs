//! The fields of one JSON object, taken one by one; what is wrong with each is noted, and reading goes on.
//!
//! `null` is as good as absent. A field is known by being declared; any other is a fault.

use std::str::FromStr;
use std::time::Duration;

use chrono_tz::Tz;
use daybook_domain::{Timestamp, TimestampError};
use serde_json::{Map, Value};

use crate::fault::{Fault, FaultKind, nearest};
use crate::zone;

/// The longest title or name, in characters.
const LABEL_LENGTH_MAX: usize = 1_000;

/// An object that is being read, and what was found wrong so far.
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    /// Before each name: empty, or `attendees[0].`.
    path: String,
    pub faults: Vec<Fault>,
}

impl<'a> Fields<'a> {
    pub const fn new(map: &'a Map<String, Value>, path: String) -> Self {
        Self { map, path, faults: Vec::new() }
    }

    /// Notes what is wrong with the field `name`.
    pub fn fault(&mut self, kind: FaultKind, name: &str, problem: impl Into<String>, fix: impl Into<String>) {
        let field = format!("{}{name}", self.path);
        self.faults.push(Fault { kind, field, problem: problem.into(), fix: fix.into() });
    }

    /// Refuses every field that is not among `known`; those of `elsewhere` are fields, but not here.
    pub fn only(&mut self, known: &[&'static str], elsewhere: &[&'static str], of: &str) {
        for name in self.map.keys() {
            if known.contains(&name.as_str()) {
                continue;
            }
            if elsewhere.contains(&name.as_str()) {
                let fix = format!("leave it out; there is {}", known.join(", "));
                self.fault(FaultKind::Unknown, name, format!("is no field of {of}"), fix);
                continue;
            }
            let fix = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("leave it out; there is {}", known.join(", ")),
            };
            // What is no name may be anything.
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            let name = if name.len() <= 40 && name.bytes().all(word) { name.as_str() } else { "(other)" };
            self.fault(FaultKind::Unknown, name, "is not known", fix);
        }
    }

    /// Whether a field is there, if only as `null`.
    pub fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// The value of a field, if it is there.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// The value of a field that must be there.
    pub fn need(&mut self, name: &str, fix: &str) -> Option<&'a Value> {
        let value = self.get(name);
        if value.is_none() {
            self.fault(FaultKind::Missing, name, "is missing and is required here", fix);
        }
        value
    }

    /// A text.
    pub fn text(&mut self, name: &str, value: &'a Value, fix: &str) -> Option<&'a str> {
        let text = value.as_str();
        if text.is_none() {
            self.fault(FaultKind::Type, name, format!("is {}; it must be a string", kind_of(value)), fix);
        }
        text
    }

    /// A text that reads as something.
    pub fn parsed<T: FromStr<Err: std::fmt::Display>>(&mut self, name: &str, value: &'a Value, fix: &str) -> Option<T> {
        match self.text(name, value, fix)?.parse() {
            Ok(value) => Some(value),
            Err(_) => {
                self.fault(FaultKind::Value, name, "does not read", fix);
                None
            }
        }
    }

    /// A text for people, trimmed; an empty one is none. Control characters become blanks.
    pub fn label(&mut self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        let text = self.text(name, value, "give a text, or leave it out")?;
        if text.chars().count() > LABEL_LENGTH_MAX {
            self.fault(FaultKind::Value, name, format!("is longer than {LABEL_LENGTH_MAX} characters"), "shorten it");
            return None;
        }
        let plain: String = text.chars().map(|found| if found.is_control() { ' ' } else { found }).collect();
        let plain = plain.trim();
        (!plain.is_empty()).then(|| plain.to_owned())
    }

    /// A whole number from 1 on.
    pub fn count(&mut self, name: &str) -> Option<u64> {
        let value = self.get(name)?;
        let count = value.as_u64().filter(|count| (1..=i64::MAX.unsigned_abs()).contains(count));
        if count.is_none() {
            self.fault(FaultKind::Value, name, "is no version", "give a whole number from 1 on, without quotes");
        }
        count
    }

    /// The zone of the field `time_zone`; none if it is not there. The other is whether that is all right.
    pub fn zone(&mut self) -> (Option<Tz>, bool) {
        const FIX: &str = "give an IANA name, such as Europe/Berlin";
        let Some(value) = self.get("time_zone") else { return (None, true) };
        let Some(text) = self.text("time_zone", value, FIX) else { return (None, false) };
        let zone = zone::zone(text);
        if zone.is_none() {
            let near = nearest(text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
            let fix = near.map_or_else(|| FIX.to_owned(), |near| format!("did you mean {near}?"));
            self.fault(FaultKind::Zone, "time_zone", "is not the name of a time zone", fix);
        }
        (zone, zone.is_some())
    }

    /// An instant: RFC 3339 with an offset or `Z`, or a local time beside a zone.
    pub fn time(&mut self, name: &str, (zone, sound): (Option<Tz>, bool)) -> Option<Timestamp> {
        const FIX: &str = "give RFC 3339 with an offset or Z, such as 2026-03-04T09:00:00Z";
        let value = self.need(name, FIX)?;
        let text = self.text(name, value, FIX)?;
        let mut wrong = |problem: &str, fix: &str| self.fault(FaultKind::Time, name, problem, fix);
        match (zone::local(text), zone) {
            (Some(local), Some(zone)) => {
                let time = zone::resolve(local, zone);
                if time.is_none() {
                    wrong("is outside the years 1970 to 9999", "mend the year");
                }
                time
            }
            // The zone is there, and is what has to be mended.
            (Some(_), None) if !sound => None,
            (Some(_), None) => {
                let why = "is a local time, and which instant that is depends on where";
                wrong(why, "add time_zone with an IANA name, or write the time with an offset or Z");
                None
            }
            (None, _) => match text.parse() {
                Ok(time) => Some(time),
                Err(TimestampError::OutOfRange) => {
                    wrong("is outside the years 1970 to 9999", "mend the year");
                    None
                }
                Err(TimestampError::NotRfc3339) => {
                    wrong("is not a time", FIX);
                    None
                }
            },
        }
    }

    /// A span within bounds.
    pub fn span(&mut self, name: &str, least: Duration, most: Duration) -> Option<Duration> {
        let bounds = format!("{} to {}", humantime::format_duration(least), humantime::format_duration(most));
        let fix = format!("give a span of {bounds}, such as 10m or 1h 30m");
        let value = self.need(name, &fix)?;
        let text = self.text(name, value, &fix)?;
        let span = humantime::parse_duration(text).ok().filter(|span| (least..=most).contains(span));
        if span.is_none() {
            self.fault(FaultKind::Value, name, format!("is no span of {bounds}"), fix);
        }
        span
    }
}

pub(crate) const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
