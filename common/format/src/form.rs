//! A delivery of `application/x-www-form-urlencoded`, as the object of texts that the paths of a description start at.

use serde_json::{Map, Value};

/// Fields of a form; more is no form that a scheduler sends.
const FIELDS_MAX: usize = 256;

/// Why bytes are no form of ours. Never repeats them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Two readers of it would see two different things.
    #[error("names a field twice")]
    Twice,
    /// Too many fields.
    #[error("has more than 256 fields")]
    TooMany,
    /// What its escapes stand for is not UTF-8.
    #[error("is not UTF-8; send UTF-8")]
    NotUtf8,
}

/// Reads a form.
pub fn form(bytes: &[u8]) -> Result<Value, FormError> {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(bytes) {
        // The library puts this character where bytes are not UTF-8.
        if [&name, &value].iter().any(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(FormError::NotUtf8);
        }
        if fields.len() == FIELDS_MAX {
            return Err(FormError::TooMany);
        }
        if fields.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
            return Err(FormError::Twice);
        }
    }
    Ok(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_is_an_object_of_texts() {
        let value = form(b"action=appointment.scheduled&id=399&note=a+b%2Bc%C3%A9&empty=").expect("a form");
        assert_eq!(value, json!({"action": "appointment.scheduled", "id": "399", "note": "a b+cé", "empty": ""}));
        assert_eq!(form(b""), Ok(json!({})));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        assert_eq!(form(b"id=1&id=2"), Err(FormError::Twice));
        assert_eq!(form(b"id=%FF"), Err(FormError::NotUtf8));
        let many: Vec<String> = (0..257).map(|number| format!("f{number}=")).collect();
        assert_eq!(form(many.join("&").as_bytes()), Err(FormError::TooMany));
    }
}
