//! A strict reader of JSON that knows where it is: every fault names its field, and no fault repeats a value.
//!
//! Stricter than serde_json alone: a field named twice in one object is a fault, since two readers of it would see two
//! different bookings. Depth is bounded by serde_json (128). Fields that nobody declared are no faults but drift.

use std::fmt;

use daybook_domain::Timestamp;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, error::Category};

use crate::path::{Drift, Path};
use crate::reject::{Fault, RejectReason};

/// The longest id, alias or other opaque text, in characters.
pub(crate) const ID_LENGTH_MAX: usize = 512;
/// The longest title or name, in characters.
pub(crate) const LABEL_LENGTH_MAX: usize = 1_000;
/// Reads bytes as one JSON value.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Fault> {
    let fault = |reason, problem: &dyn fmt::Display| Fault::new(reason, Path::default(), problem);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        fault(RejectReason::InvalidUtf8, &format_args!("is not UTF-8 at byte {at}; send UTF-8"))
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| {
        // serde_json's own text may quote the payload; its position cannot.
        let problem = match error.classify() {
            Category::Data => "names a field twice in one object",
            Category::Eof => "ends too early",
            Category::Syntax | Category::Io => "is not JSON, or is nested more than 127 deep",
        };
        let (line, column) = (error.line(), error.column());
        fault(RejectReason::InvalidJson, &format_args!("{problem}, at line {line}, column {column}"))
    })
}

/// Builds a [`Value`], refusing a field that is named twice.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key_seed(Name)? {
            let value = fields.next_value_seed(Strict)?;
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom("field named twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

/// A value and where it is.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    value: &'a Value,
    path: Path,
}

impl<'a> Node<'a> {
    pub fn root(value: &'a Value) -> Self {
        Self { value, path: Path::default() }
    }

    pub const fn path(&self) -> &Path {
        &self.path
    }

    pub fn fault(&self, reason: RejectReason, problem: impl fmt::Display) -> Fault {
        Fault::new(reason, &self.path, problem)
    }

    fn wrong_type(&self, wanted: &str) -> Fault {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.fault(RejectReason::WrongType, format_args!("is {found}; it must be {wanted}"))
    }

    /// The object here, whose declared fields are `fields`; the others are drift.
    pub fn object(&self, fields: &'static [&'static str], drift: &mut Drift) -> Result<Object<'a>, Fault> {
        let Some(map) = self.value.as_object() else { return Err(self.wrong_type("an object")) };
        for name in map.keys().filter(|name| !fields.contains(&name.as_str())) {
            drift.field(&self.path, name);
        }
        Ok(Object { map, fields, path: self.path.clone() })
    }

    /// The items of the array here, at most `max`.
    pub fn items(&self, max: usize) -> Result<Vec<Node<'a>>, Fault> {
        let Some(array) = self.value.as_array() else { return Err(self.wrong_type("an array")) };
        if array.len() > max {
            let (count, problem) = (array.len(), RejectReason::TooManyItems);
            return Err(self.fault(problem, format_args!("has {count} items; at most {max} are taken, so split it")));
        }
        let node = |(at, value)| Node { value, path: self.path.item(at) };
        Ok(array.iter().enumerate().map(node).collect())
    }

    /// The items of the array here, at most `max`; or the one object here.
    pub fn items_or_one(&self, max: usize) -> Result<Vec<Node<'a>>, Fault> {
        if self.value.is_object() { Ok(vec![self.clone()]) } else { self.items(max) }
    }

    pub fn text(&self) -> Result<&'a str, Fault> {
        self.value.as_str().ok_or_else(|| self.wrong_type("a string"))
    }

    /// An opaque name: 1 to 512 characters, not only blanks, none of control.
    pub fn id(&self) -> Result<&'a str, Fault> {
        let text = self.text()?;
        let sized = !text.trim().is_empty() && text.chars().count() <= ID_LENGTH_MAX;
        if sized && !text.chars().any(char::is_control) {
            Ok(text)
        } else {
            let problem = format!("must have 1 to {ID_LENGTH_MAX} characters, and no control characters");
            Err(self.fault(RejectReason::InvalidValue, problem))
        }
    }

    /// A text for people, trimmed; none if nothing is left. Control characters become blanks, since no store and no
    /// calendar wants them and no booking should be lost over them.
    pub fn label(&self) -> Result<Option<String>, Fault> {
        let text = self.text()?;
        if text.chars().count() > LABEL_LENGTH_MAX {
            let problem = format!("is longer than {LABEL_LENGTH_MAX} characters; shorten it");
            return Err(self.fault(RejectReason::InvalidValue, problem));
        }
        let plain: String =
            text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
        let plain = plain.trim();
        Ok(if plain.is_empty() { None } else { Some(plain.to_owned()) })
    }

    pub fn boolean(&self) -> Result<bool, Fault> {
        self.value.as_bool().ok_or_else(|| self.wrong_type("true or false"))
    }

    /// A whole number from 0 to 2^63 - 1.
    pub fn count(&self) -> Result<i64, Fault> {
        if !self.value.is_number() {
            return Err(self.wrong_type("a whole number, without quotes"));
        }
        self.value.as_i64().filter(|number| *number >= 0).ok_or_else(|| {
            self.fault(RejectReason::InvalidValue, "must be a whole number from 0 to 9223372036854775807")
        })
    }

    /// An instant: RFC 3339 with an offset or `Z`.
    pub fn time(&self) -> Result<Timestamp, Fault> {
        self.text()?.parse().map_err(|error| self.fault(RejectReason::InvalidTime, error))
    }
}

/// An object, where it is, and what it may hold.
pub(crate) struct Object<'a> {
    map: &'a Map<String, Value>,
    fields: &'static [&'static str],
    path: Path,
}

impl<'a> Object<'a> {
    pub const fn path(&self) -> &Path {
        &self.path
    }

    /// The field `name`, which must be there. Null counts as there and fails on its type, which says so.
    pub fn required(&self, name: &'static str) -> Result<Node<'a>, Fault> {
        self.get(name).ok_or_else(|| {
            Fault::new(RejectReason::MissingField, self.path.field(name), "is missing and is required here")
        })
    }

    /// The field `name`, if it is there and not null.
    pub fn optional(&self, name: &'static str) -> Option<Node<'a>> {
        self.get(name).filter(|node| !node.value.is_null())
    }

    fn get(&self, name: &'static str) -> Option<Node<'a>> {
        debug_assert!(self.fields.contains(&name), "{name} is read but not declared, and would be counted as drift");
        self.map.get(name).map(|value| Node { value, path: self.path.field(name) })
    }
}

#[cfg(test)]
mod tests;
