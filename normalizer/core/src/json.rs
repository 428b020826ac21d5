//! A strict reader of JSON that knows where it is: every fault names its field, and no fault repeats a value.
//!
//! A field that is named twice in one object is a fault. Fields that nobody declared are no faults but drift.

use std::fmt;

use daybook_ask::json::Unreadable;
use daybook_domain::Timestamp;
use serde_json::{Map, Value};

use crate::path::{Drift, Path};
use crate::reject::{Fault, RejectReason};

/// The longest id, alias or other opaque text, in characters.
pub(crate) const ID_LENGTH_MAX: usize = 512;
/// The longest title or name, in characters.
pub(crate) const LABEL_LENGTH_MAX: usize = 1_000;

/// Reads bytes as one JSON value.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Fault> {
    daybook_ask::json::read(bytes).map_err(|error| {
        let reason = match error {
            Unreadable::NotUtf8 { .. } => RejectReason::InvalidUtf8,
            Unreadable::NotJson { .. } => RejectReason::InvalidJson,
        };
        Fault::new(reason, Path::default(), error)
    })
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

    /// A value that a description's query has found.
    pub const fn found(value: &'a Value, path: Path) -> Self {
        Self { value, path }
    }

    pub const fn value(&self) -> &'a Value {
        self.value
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

    /// An opaque name that may be written as a whole number too.
    pub fn name(&self) -> Result<String, Fault> {
        match self.value {
            Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
            Value::String(_) => self.id().map(str::to_owned),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.wrong_type("a string or a whole number"))
            }
        }
    }

    /// A whole number from 0 to 2^63 - 1 that may be written as a text too.
    pub fn number(&self) -> Result<i64, Fault> {
        let Some(text) = self.value.as_str() else { return self.count() };
        let digits = text.trim();
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten().ok_or_else(|| {
            self.fault(RejectReason::InvalidValue, "must be a whole number from 0 to 9223372036854775807")
        })
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
