//! Where in a payload something is, and which paths were not expected there.
//!
//! Drift is how a vendor's change of format is seen before it hurts: it is counted and alerted on, and refuses nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// More unknown paths than an operator reads. It bounds the set, whoever writes the payload.
const DRIFT_MAX: usize = 32;
/// The longest field name that is recorded.
const DRIFT_NAME_LENGTH_MAX: usize = 40;

/// Where a value is. Made of names that we or a description declared, so it never repeats a payload.
#[derive(Debug, Clone, Default)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug, Clone)]
enum Step {
    Field(&'static str),
    Item(usize),
    Query(Arc<str>),
}

impl Path {
    /// The path of item `at` below this one.
    pub fn item(&self, at: usize) -> Self {
        self.join(Step::Item(at))
    }

    /// The path of what a description's query, which begins with `$`, finds below this one.
    pub fn query(&self, text: &Arc<str>) -> Self {
        self.join(Step::Query(Arc::clone(text)))
    }

    fn join(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// The path of the field `name` below this one.
    pub fn field(&self, name: &'static str) -> Self {
        self.join(Step::Field(name))
    }

    /// The path without the positions in arrays: what drift is counted by. No declared name has a digit.
    fn pattern(&self) -> String {
        self.to_string().chars().filter(|character| !character.is_ascii_digit()).collect()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(body)");
        }
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if at == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item(item) => write!(f, "[{item}]")?,
                Step::Query(text) if at == 0 => f.write_str(text)?,
                Step::Query(text) => f.write_str(text.strip_prefix('$').unwrap_or(text))?,
            }
        }
        Ok(())
    }
}

/// The paths of what a payload had and nobody declared, bounded in number and length.
#[derive(Debug, Default)]
pub(crate) struct Drift(BTreeSet<String>);

impl Drift {
    /// Records a value that this version cannot use, by its path.
    pub fn note(&mut self, path: &Path) {
        self.insert(path.pattern());
    }

    /// Records an unknown field of the object at `path`. Only what looks like a name that a programmer gave is
    /// repeated: a key can be somebody's e-mail address.
    pub fn field(&mut self, path: &Path, name: &str) {
        // camelCase is some vendors' spelling.
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let letter = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        let plain = letter && name.len() <= DRIFT_NAME_LENGTH_MAX && name.bytes().all(word);
        let name = if plain { name } else { "(other)" };
        self.insert(if path.0.is_empty() { name.to_owned() } else { format!("{}.{name}", path.pattern()) });
    }

    fn insert(&mut self, path: String) {
        if self.0.len() < DRIFT_MAX {
            self.0.insert(path);
        }
    }

    pub fn into_paths(self) -> BTreeSet<String> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_a_programmer_would_write_it_and_its_pattern_has_no_positions() {
        let path = Path::default().field("events").item(12).field("attendees").item(0).field("email");
        assert_eq!(path.to_string(), "events[12].attendees[0].email");
        assert_eq!(path.pattern(), "events[].attendees[].email");
        assert_eq!(Path::default().to_string(), "(body)");
        let found = Path::default().query(&"$.guests[*]".into()).item(1).query(&"$.email".into());
        assert_eq!(found.to_string(), "$.guests[*][1].email");
    }

    #[test]
    fn drift_repeats_only_what_looks_like_a_field_name() {
        let mut drift = Drift::default();
        let long = "x".repeat(41);
        for name in ["new_field", "newField", "jane@example.com", "4915112345678", "Jane", "", &long] {
            drift.field(&Path::default(), name);
        }
        drift.field(&Path::default().field("payload").item(3), "colour");
        assert_eq!(
            drift.into_paths().into_iter().collect::<Vec<_>>(),
            ["(other)", "newField", "new_field", "payload[].colour"]
        );
    }

    #[test]
    fn drift_is_bounded_in_number() {
        let mut drift = Drift::default();
        for number in 0..100 {
            drift.field(&Path::default(), &format!("field_{number}"));
        }
        assert_eq!(drift.into_paths().len(), DRIFT_MAX);
    }
}
