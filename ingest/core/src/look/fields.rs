//! Named values, from a query or a JSON object, taken one by one; what nobody takes is unknown, and refused.
//!
//! Invariant: no fault repeats what was sent. Local times become UTC beside a `time_zone` only, by the one rule that there is
//! for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use chrono_tz::Tz;
use daybook_ask::{Fault, FaultKind, nearest, zone};
use daybook_domain::{Timestamp, TimestampError};
use serde_json::{Map, Value};

/// What a span of time looks like.
pub const SPAN: &str = "give a span such as 30m or 1h 30m";
/// What an instant looks like.
pub const TIME: &str = "give RFC 3339 with an offset or Z, such as 2027-03-04T09:00:00Z";

/// In which zone local times are.
#[derive(Debug, Clone, Copy)]
pub struct Zone {
    named: Option<Tz>,
    sound: bool,
}

/// Named values and what was found wrong with them.
#[derive(Debug)]
pub struct Fields {
    values: BTreeMap<String, Vec<Value>>,
    known: BTreeSet<&'static str>,
    faults: Vec<Fault>,
    /// In a query every value is a text, and a list is a name that is there several times.
    is_query: bool,
}

impl Fields {
    /// Those of a query.
    pub fn of_query(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut values = BTreeMap::<String, Vec<Value>>::new();
        for (name, value) in pairs {
            values.entry(name).or_default().push(Value::String(value));
        }
        Self { values, known: BTreeSet::new(), faults: Vec::new(), is_query: true }
    }

    /// Those of a JSON object. `null` is as good as absent.
    pub fn of_object(object: Map<String, Value>) -> Self {
        let present = object.into_iter().filter(|(_, value)| !value.is_null());
        let values = present.map(|(name, value)| match value {
            Value::Array(list) => (name, list),
            value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                (name, vec![value])
            }
        });
        Self { values: values.collect(), known: BTreeSet::new(), faults: Vec::new(), is_query: false }
    }

    /// Notes a fault of a value.
    pub fn fault(&mut self, field: impl Into<String>, problem: impl Into<String>, fix: impl Into<String>) {
        self.note(FaultKind::Value, field, problem, fix);
    }

    fn note(&mut self, kind: FaultKind, field: impl Into<String>, problem: impl Into<String>, fix: impl Into<String>) {
        self.faults.push(Fault { kind, field: field.into(), problem: problem.into(), fix: fix.into() });
    }

    /// A text that reads as a `T`; `fix` says what one looks like.
    pub fn one<T: FromStr<Err: Display>>(&mut self, name: &'static str, fix: &str) -> Option<T> {
        let text = self.text(name, fix)?;
        self.read(name.to_owned(), &text, fix)
    }

    /// A fault if there is none of this name.
    pub fn require(&mut self, name: &'static str, fix: &str) {
        if !self.values.contains_key(name) {
            self.note(FaultKind::Missing, name, "is missing and is required here", fix);
        }
    }

    /// Several texts that each read as a `T`, in their order.
    pub fn list<T: FromStr<Err: Display>>(&mut self, name: &'static str, fix: &str) -> Vec<T> {
        self.known.insert(name);
        let values = self.values.remove(name).unwrap_or_default();
        let mut all = Vec::with_capacity(values.len());
        for (at, value) in values.into_iter().enumerate() {
            let field = if self.is_query { name.to_owned() } else { format!("{name}[{at}]") };
            match value {
                Value::String(text) => all.extend(self.read(field, &text, fix)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    self.note(FaultKind::Type, field, "is no text", fix);
                }
            }
        }
        all
    }

    /// The zone of local times, in the field `time_zone`; and whether that is all right.
    pub fn zone(&mut self) -> Zone {
        const FIX: &str = "give an IANA name, such as Europe/Berlin";
        let is_there = self.values.contains_key("time_zone");
        let Some(text) = self.text("time_zone", FIX) else { return Zone { named: None, sound: !is_there } };
        let named = zone::zone(&text);
        if named.is_none() {
            let near = nearest(&text, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()));
            let fix = near.map_or_else(|| FIX.to_owned(), |near| format!("did you mean {near}?"));
            self.note(FaultKind::Zone, "time_zone", "is not the name of a time zone", fix);
        }
        Zone { named, sound: named.is_some() }
    }

    /// An instant: RFC 3339 with an offset or `Z`, or a local time beside a zone.
    pub fn time(&mut self, name: &'static str, zone: Zone) -> Option<Timestamp> {
        let text = self.text(name, TIME)?;
        let (problem, fix) = match (zone::local(&text), zone) {
            (Some(local), Zone { named: Some(zone), .. }) => match zone::resolve(local, zone) {
                Some(time) => return Some(time),
                None => ("is outside the years 1970 to 9999", "mend the year"),
            },
            // The zone is there, and is what has to be mended.
            (Some(_), Zone { sound: false, .. }) => return None,
            (Some(_), Zone { sound: true, .. }) => (
                "is a local time, and which instant that is depends on where",
                "add time_zone with an IANA name, or write the time with an offset or Z",
            ),
            (None, _) => match text.parse() {
                Ok(time) => return Some(time),
                Err(TimestampError::OutOfRange) => ("is outside the years 1970 to 9999", "mend the year"),
                Err(TimestampError::NotRfc3339) if self.is_query && lost_its_plus(&text) => {
                    ("holds a blank where an offset has its +", "write %2B: in a query a + is a blank; or use Z")
                }
                Err(TimestampError::NotRfc3339) => ("is not a time", TIME),
            },
        };
        self.note(FaultKind::Time, name, problem, fix);
        None
    }

    /// A span of time, such as `30m`, between these bounds.
    pub fn span(&mut self, name: &'static str, least: Duration, most: Duration) -> Option<Duration> {
        let text = self.text(name, SPAN)?;
        let Ok(span) = humantime::parse_duration(&text) else {
            self.fault(name, "is no span of time", SPAN);
            return None;
        };
        if span < least || span > most || span.subsec_nanos() % 1_000_000 != 0 {
            let (least, most) = (humantime::format_duration(least), humantime::format_duration(most));
            self.fault(name, "is out of bounds", format!("give whole milliseconds, {least} to {most}"));
            return None;
        }
        Some(span)
    }

    /// A whole number between these bounds.
    pub fn number(&mut self, name: &'static str, least: u64, most: u64) -> Option<u64> {
        let fix = format!("give a whole number, {least} to {most}");
        self.known.insert(name);
        let values = self.values.remove(name)?;
        let number = match (values.as_slice(), self.is_query) {
            ([Value::String(text)], true) => text.parse().ok(),
            ([Value::Number(number)], false) => number.as_u64(),
            _ => None,
        };
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.fault(name, "is out of bounds, or no whole number", fix);
        }
        number
    }

    /// Everything that was wrong, unknown names included.
    pub fn finish(mut self) -> Vec<Fault> {
        for name in std::mem::take(&mut self.values).into_keys() {
            let fix = match nearest(&name, self.known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("leave it out; there is {}", self.known.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            // What is no name may be anything.
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            let is_name = name.len() <= 40 && name.bytes().all(word);
            let field = if is_name { name } else { "(other)".to_owned() };
            self.note(FaultKind::Unknown, field, "is not known", fix);
        }
        self.faults
    }

    fn text(&mut self, name: &'static str, fix: &str) -> Option<String> {
        self.known.insert(name);
        let mut values = self.values.remove(name)?;
        match (values.pop(), values.is_empty()) {
            (Some(Value::String(text)), true) => Some(text),
            (Some(_), false) => {
                self.fault(name, "is there more than once", fix);
                None
            }
            (_, _) => {
                self.note(FaultKind::Type, name, "is no text", fix);
                None
            }
        }
    }

    fn read<T: FromStr<Err: Display>>(&mut self, field: String, text: &str, fix: &str) -> Option<T> {
        match text.parse::<T>() {
            Ok(value) => Some(value),
            Err(problem) => {
                self.fault(field, problem.to_string(), fix);
                None
            }
        }
    }
}

/// Whether a text would be a time if its blank were the `+` that a query's decoding takes for one.
fn lost_its_plus(text: &str) -> bool {
    text.replacen(' ', "+", 1).parse::<Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Fields {
        Fields::of_query(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    fn told(fields: Fields) -> Vec<String> {
        fields.finish().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_local_time_needs_a_zone_and_a_lost_plus_is_recognised() {
        let times = [("a", "2027-03-04T09:00:00"), ("b", "2027-03-04T09:00:00 01:00"), ("c", "tomorrow")];
        let mut fields = query(&times);
        let zone = fields.zone();
        assert_eq!(["a", "b", "c"].map(|name| fields.time(name, zone)), [None; 3]);
        let told_of = told(fields);
        assert!(told_of[0].contains("is a local time") && told_of[0].contains("add time_zone"), "{told_of:?}");
        assert!(told_of[1].contains("%2B") && told_of[2].contains("is not a time"), "{told_of:?}");
        let mut fields = query(&[&times[..], &[("time_zone", "Europe/Berlin")]].concat());
        let zone = fields.zone();
        assert_eq!(fields.time("a", zone), "2027-03-04T08:00:00Z".parse().ok());
        let mut fields = query(&[&times[..1], &[("time_zone", "Europe/Berln")]].concat());
        let zone = fields.zone();
        assert_eq!(fields.time("a", zone), None);
        assert_eq!(told(fields), ["time_zone: is not the name of a time zone; did you mean Europe/Berlin?"]);
    }

    #[test]
    fn every_fault_is_told_at_once_and_an_unknown_name_with_the_one_that_was_meant() {
        let mut fields = query(&[("form", "2027-03-04T09:00:00Z"), ("duration", "long"), ("limit", "0"), ("x y", "")]);
        fields.require("from", TIME);
        assert_eq!(fields.one::<Timestamp>("from", TIME), None);
        assert_eq!(fields.span("duration", Duration::from_secs(1), Duration::from_secs(60)), None);
        assert_eq!(fields.number("limit", 1, 10), None);
        let told_of = told(fields);
        assert_eq!(told_of.len(), 5, "{told_of:?}");
        assert!(told_of.contains(&"form: is not known; did you mean from?".to_owned()), "{told_of:?}");
        assert!(told_of.iter().any(|fault| fault.starts_with("(other): is not known; leave it out")), "{told_of:?}");
    }

    #[test]
    fn a_body_has_types_and_a_name_that_is_there_twice_in_a_query_is_a_fault() {
        let Value::Object(object) = serde_json::json!({"limit": "7", "from": 5, "resources": ["anna", 7]}) else {
            unreachable!("it is an object")
        };
        let mut fields = Fields::of_object(object);
        assert_eq!(fields.number("limit", 1, 10), None);
        assert_eq!(fields.one::<Timestamp>("from", TIME), None);
        assert_eq!(fields.list::<daybook_domain::ResourceId>("resources", "give an id").len(), 1);
        assert!(told(fields).iter().any(|fault| fault.starts_with("resources[1]: is no text")));
        let mut twice = query(&[("from", "2027-03-04T09:00:00Z"), ("from", "2027-03-04T09:00:00Z")]);
        assert_eq!(twice.one::<Timestamp>("from", TIME), None);
        assert!(told(twice)[0].contains("more than once"));
    }
}
