//! One tree of settings: built-in defaults, then a file, then a directory of secrets, then the environment.
//!
//! Owns: that every fault is reported at once, each naming its key and the fix. Secrets are `SecretString`s, so that a
//! printed tree withholds them by type.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

/// The prefix of environment variables; levels are separated by two underscores: `DAYBOOK__KAFKA__BROKERS`.
pub const ENV_PREFIX: &str = "DAYBOOK__";

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<String>);

impl Faults {
    /// Notes a fault of the setting `key`.
    pub fn add(&mut self, key: &str, problem: impl fmt::Display) {
        self.0.push(format!("{key}: {problem}"));
    }

    /// Notes a fault unless `holds`.
    pub fn require(&mut self, holds: bool, key: &str, problem: impl fmt::Display) {
        if !holds {
            self.add(key, problem);
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the configuration has {} fault(s):", self.0.len())?;
        for fault in &self.0 {
            writeln!(f, "  - {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// A configuration tree: what its types cannot say, `validate` checks.
pub trait Tree: DeserializeOwned {
    /// The built-in defaults, TOML.
    const DEFAULTS: &'static str;
    /// Cross-field rules; each fault names the keys.
    fn validate(&self, faults: &mut Faults);
}

/// Where a tree is read from, besides the defaults and the environment.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// A file of settings.
    pub file: Option<PathBuf>,
    /// A directory with a file for each secret, named as the variable would be: what Kubernetes makes of a Secret.
    pub secrets: Option<PathBuf>,
}

/// Reads the tree. Every fault is reported, not only the first.
pub fn load<T: Tree>(origin: &Origin) -> Result<T, Faults> {
    let mut figment = Figment::from(Toml::string(T::DEFAULTS));
    if let Some(file) = &origin.file {
        figment = figment.merge(Toml::file_exact(file));
    }
    if let Some(directory) = &origin.secrets {
        let secrets = secrets(directory).map_err(|error| {
            let mut faults = Faults::default();
            faults.add("(secrets)", format_args!("cannot be read, at {}: {error}", directory.display()));
            faults
        })?;
        for (key, text) in secrets {
            let value: Value = text.parse().unwrap_or_else(|never| match never {});
            figment = figment.merge(Serialized::default(&key, value));
        }
    }
    extract(&figment.merge(Env::prefixed(ENV_PREFIX).split("__")))
}

/// The settings that a directory has, by their keys. A file that is not named as a setting is none, as with variables; nor is one
/// with a dot in its name, which somebody is about to rename.
pub(crate) fn secrets(directory: &Path) -> io::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix(ENV_PREFIX)) else { continue };
        if name.contains('.') {
            continue;
        }
        let text = std::fs::read_to_string(entry.path())?;
        found.push((name.to_ascii_lowercase().replace("__", "."), text.trim_end().to_owned()));
    }
    found.sort();
    Ok(found)
}

/// Reads the tree from a text over the defaults: no file, and whatever the environment holds. For tests.
pub fn read<T: Tree>(text: &str) -> Result<T, Faults> {
    extract(&Figment::from(Toml::string(T::DEFAULTS)).merge(Toml::string(text)))
}

fn extract<T: Tree>(figment: &Figment) -> Result<T, Faults> {
    let mut faults = Faults::default();
    let defaults: Dict = Figment::from(Toml::string(T::DEFAULTS)).extract().unwrap_or_default();
    let mut tree: Dict = figment.extract().map_err(|error| {
        let mut faults = Faults::default();
        for error in error {
            // What follows the first line is the file's own, and may be a secret.
            faults.add("(file)", error.to_string().lines().next().unwrap_or("is no TOML"));
        }
        faults
    })?;
    // A wrong value is noted and put back to its default, so that the next fault can be seen behind it.
    let mut mended = BTreeSet::new();
    let config = loop {
        let error = match Value::from(tree.clone()).deserialize::<T>() {
            Ok(config) => break Some(config),
            Err(error) => error,
        };
        let mut path = error.path.clone();
        if let Kind::MissingField(field) = &error.kind {
            path.push(field.to_string());
            if !mended.contains(&path) {
                faults.add(&path.join("."), "is required and has no default");
            }
            break None;
        }
        faults.add(&path.join("."), describe(&error.kind));
        if !mended.insert(path.clone()) || !put(&mut tree, &path, find(&defaults, &path)) {
            break None;
        }
    };
    if let Some(config) = &config {
        config.validate(&mut faults);
    }
    match config {
        Some(config) if faults.is_empty() => Ok(config),
        _ => Err(faults),
    }
}

/// The fault without the value: a value may be a secret.
fn describe(kind: &Kind) -> String {
    match kind {
        Kind::InvalidType(_, expected) => format!("has the wrong type; expected {expected}"),
        Kind::InvalidValue(_, expected) => format!("has a value that is not allowed; expected {expected}"),
        Kind::InvalidLength(_, expected) => format!("has the wrong length; expected {expected}"),
        Kind::UnknownField(_, known) => format!("is no setting; known here: {}", known.join(", ")),
        Kind::UnknownVariant(_, known) => format!("is not one of {}", known.join(", ")),
        Kind::Message(message) => message.clone(),
        Kind::MissingField(_)
        | Kind::DuplicateField(_)
        | Kind::ISizeOutOfRange(_)
        | Kind::USizeOutOfRange(_)
        | Kind::Unsupported(_)
        | Kind::UnsupportedKey(..) => kind.to_string(),
    }
}

fn find(dict: &Dict, path: &[String]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    match (dict.get(first)?, rest) {
        (value, []) => Some(value.clone()),
        (Value::Dict(_, inner), rest) => find(inner, rest),
        _ => None,
    }
}

/// Sets or removes the value at `path`; says whether there was anything to change.
fn put(dict: &mut Dict, path: &[String], value: Option<Value>) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    if rest.is_empty() {
        return match value {
            Some(value) => dict.insert(first.clone(), value).is_some(),
            None => dict.remove(first).is_some(),
        };
    }
    match dict.get_mut(first) {
        Some(Value::Dict(_, inner)) => put(inner, rest, value),
        // The path leads into something that is no table (an element of a list): give the whole back.
        Some(_) => dict.remove(first).is_some(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        kafka: Inner,
        level: String,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        brokers: String,
        queue: u16,
    }

    impl Tree for Sample {
        const DEFAULTS: &'static str = "level = 'info'\n[kafka]\nbrokers = 'localhost:9092'\nqueue = 10\n";
        fn validate(&self, faults: &mut Faults) {
            faults.require(self.kafka.queue > 0, "kafka.queue", "must be at least 1");
        }
    }

    fn read(file: &str) -> Result<Sample, Faults> {
        super::read(file)
    }

    #[test]
    fn a_file_that_is_no_toml_is_named_by_its_line_and_nothing_of_it_is_shown() {
        let faults = read("port = 1\npassword = \"hunter2\n").expect_err("a fault").to_string();
        assert!(faults.contains("line 2") && !faults.contains("hunter2"), "{faults}");
    }

    #[test]
    fn a_file_overrides_the_defaults() {
        let sample = read("[kafka]\nbrokers = 'broker:1'").expect("valid");
        assert_eq!(sample.kafka, Inner { brokers: "broker:1".to_owned(), queue: 10 });
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let faults = read("level = 3\nlevle = 'x'\n[kafka]\nbrokers = 7\nqueue = 0\n[kafak]\nx = 1").expect_err("five");
        let text = faults.to_string();
        for key in [
            "- level: has the wrong type",
            "- levle: is no setting",
            "- kafak: is no setting",
            "kafka.brokers: has the wrong type",
            "kafka.queue: must",
        ] {
            assert!(text.contains(key), "{key} in {text}");
        }
    }

    #[test]
    fn a_directory_of_secrets_is_above_the_file_and_says_where_it_is_if_it_cannot_be_read() {
        let place = std::env::temp_dir().join(format!("daybook-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&place).expect("a directory");
        let file = place.join("daybook.toml");
        for (name, text) in [
            ("daybook.toml", "level = 'debug'\n[kafka]\nbrokers = 'broker:1'"),
            ("DAYBOOK__KAFKA__BROKERS", "broker:2\n"),
            ("DAYBOOK__KAFKA__QUEUE", "12"),
            ("DAYBOOK__KAFKA__QUEUE.new", "half written"),
            ("tls.crt", "nobody's setting"),
        ] {
            std::fs::write(place.join(name), text).expect("written");
        }
        let origin = Origin { file: Some(file), secrets: Some(place.clone()) };
        let sample: Sample = load(&origin).expect("sound");
        let expected = Inner { brokers: "broker:2".to_owned(), queue: 12 };
        assert_eq!(sample, Sample { kafka: expected, level: "debug".to_owned() });
        std::fs::remove_dir_all(&place).expect("removed");
        let faults = load::<Sample>(&Origin { file: None, ..origin }).expect_err("it is gone").to_string();
        assert!(faults.contains("(secrets): cannot be read, at ") && faults.contains("daybook-secrets-"), "{faults}");
    }

    #[test]
    fn a_fault_never_repeats_the_value() {
        let faults = read("[kafka]\nqueue = 'hunter2'").expect_err("a fault");
        assert!(!faults.to_string().contains("hunter2"));
    }
}
