//! Bytes as one JSON value, more strictly than serde_json alone: a field that is named twice in one object is refused,
//! since two readers of it would see two different things. Depth is bounded by serde_json (128).

use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, error::Category};

/// Why bytes are no JSON of ours. Says where, and never repeats them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Not UTF-8, from this byte on.
    NotUtf8 {
        /// The first byte that is none.
        at: usize,
    },
    /// Not JSON, or a field twice.
    NotJson {
        /// What is wrong.
        problem: &'static str,
        /// In which line.
        line: usize,
        /// At which column of it.
        column: usize,
    },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 { at } => write!(f, "is not UTF-8 at byte {at}; send UTF-8"),
            Self::NotJson { problem, line, column } => write!(f, "{problem}, at line {line}, column {column}"),
        }
    }
}

/// Reads bytes as one JSON value.
pub fn read(bytes: &[u8]) -> Result<Value, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|error| Unreadable::NotUtf8 { at: error.valid_up_to() })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| {
        // serde_json's own text may quote the payload; its position cannot.
        let problem = match error.classify() {
            Category::Data => "names a field twice in one object",
            Category::Eof => "ends too early",
            Category::Syntax | Category::Io => "is not JSON, or is nested more than 127 deep",
        };
        Unreadable::NotJson { problem, line: error.line(), column: error.column() }
    })
}

/// The one text of all that say the same: fields in order, no blanks, and what is null left out.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text.push_str(&value.to_string()),
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write(item, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().filter(|(_, value)| !value.is_null()).collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            text.push('{');
            for (name, value) in fields {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(value, text);
                text.push(',');
            }
            text.push('}');
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> String {
        read(bytes).expect_err("unreadable").to_string()
    }

    #[test]
    fn what_is_unreadable_is_told_by_its_place_only() {
        assert_eq!(problem(b"{\"a\":\xff}"), "is not UTF-8 at byte 5; send UTF-8");
        assert_eq!(problem(b"{\"jane\":1,\"jane\":2}"), "names a field twice in one object, at line 1, column 19");
        assert_eq!(problem(b"{\"a\":"), "ends too early, at line 1, column 5");
        assert!(problem(b"{a}").starts_with("is not JSON"));
        assert!(problem("[".repeat(200).as_bytes()).starts_with("is not JSON"));
    }

    #[test]
    fn what_says_the_same_has_one_canonical_text() {
        let text = |text: &str| canonical(&read(text.as_bytes()).expect("JSON"));
        let one = text(r#"{"b": [1, {"d": null, "c": "x"}], "a": true}"#);
        assert_eq!(one, text(r#"{"a":true,"n":null,"b":[1,{"c":"\u0078"}]}"#));
        assert_ne!(one, text(r#"{"a":true,"b":[1,{"c":"y"}]}"#));
        assert_ne!(text(r#"{"a":["b","c"]}"#), text(r#"{"a":["b,c"]}"#));
    }
}
