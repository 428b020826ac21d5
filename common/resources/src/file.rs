//! `resources.yaml`, and the body of a `PUT`: what they may say. Pure.
//!
//! Owns: that every fault is reported at once, each at its position and with the way to mend it; and that
//! what comes out is sound, so that nothing after this needs to look again.

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use daybook_ask::Region;
use daybook_domain::{ResourceId, Rules, SourceName, TargetName, normal_alias};
use serde_norway::{Mapping, Value};

use crate::nearest::hint;

/// As long as the longest id that the normalizer takes from a payload.
const ALIAS_LENGTH_MAX: usize = 512;
/// As long as the longest URL that is sensible anywhere.
const ADDRESS_LENGTH_MAX: usize = 2_000;
/// What a target may be told beyond busy time.
const FIELDS: [&str; 2] = ["title", "attendees"];

/// One resource, as the file wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its id.
    pub id: ResourceId,
    /// Its rules.
    pub rules: Rules,
    /// As whose a phone number is read that says no country.
    pub region: Option<Region>,
    /// What each source calls it, with the position in the file.
    pub aliases: BTreeMap<(SourceName, String), String>,
    /// Which systems mirror it.
    pub targets: BTreeMap<TargetName, Mirror>,
}

/// How one target mirrors a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirror {
    /// Where at the target: a calendar's path.
    pub address: String,
    /// What it may receive beyond busy time.
    pub fields: BTreeSet<String>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: `resources[2].aliases.calendly[0]`.
    pub at: String,
    /// What, and how it is right.
    pub problem: String,
}

impl Fault {
    /// What is wrong, and what would be right, apart. Where the text says only what must be, that is the fix.
    pub fn parts(&self) -> (&str, &str) {
        self.problem.split_once("; ").unwrap_or(("is not as it must be", &self.problem))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.problem)
    }
}

/// Reads a file: all of it, or every fault in it.
pub fn read(text: &str) -> Result<Vec<Definition>, Vec<Fault>> {
    let mut reader = Reader::default();
    let definitions = match serde_norway::from_str::<Value>(text) {
        Ok(value) => reader.file(&value),
        Err(error) => {
            reader.fault("(file)", format!("is not YAML: {error}"));
            Vec::new()
        }
    };
    if reader.faults.is_empty() { Ok(definitions) } else { Err(reader.faults) }
}

/// Reads one resource, `id`, from JSON: the same keys as in a file. Its own id may stand there too.
pub fn read_one(id: &ResourceId, json: &[u8]) -> Result<Definition, Vec<Fault>> {
    let fault = |at: &str, problem: String| Err(vec![Fault { at: at.to_owned(), problem }]);
    let mut map = match serde_json::from_slice::<Value>(json) {
        Ok(Value::Mapping(map)) => map,
        Ok(other) => return fault("(body)", format!("must be a JSON object, not {}", kind(&other))),
        Err(error) => return fault("(body)", format!("does not read ({error}); send one JSON object in UTF-8")),
    };
    let mut reader = Reader::default();
    let own = Value::String(id.to_string());
    match map.insert("id".into(), own.clone()) {
        Some(named) if named != own => reader.fault(".id", "is not the id in the address; leave it out"),
        Some(_) | None => {}
    }
    match reader.resource("", &Value::Mapping(map)) {
        Some(mut definition) if reader.faults.is_empty() => {
            definition.aliases.values_mut().for_each(|at| *at = bare(at));
            Ok(definition)
        }
        Some(_) | None => Err(reader.faults.into_iter().map(|fault| Fault { at: bare(&fault.at), ..fault }).collect()),
    }
}

/// A position in a body: there is nothing before its first name.
fn bare(at: &str) -> String {
    at.trim_start_matches('.').to_owned()
}

#[derive(Default)]
struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, at: &str, problem: impl fmt::Display) {
        self.faults.push(Fault { at: at.to_owned(), problem: problem.to_string() });
    }

    fn file(&mut self, value: &Value) -> Vec<Definition> {
        let Some(file) = self.mapping("(file)", value) else { return Vec::new() };
        self.known_keys("", file, &["resources"]);
        let Some(list) = file.get("resources") else {
            self.fault("resources", "is missing; it is a list of resources");
            return Vec::new();
        };
        let Some(list) = self.sequence("resources", list) else { return Vec::new() };
        let read = list.iter().enumerate().map(|(at, value)| self.resource(&format!("resources[{at}]"), value));
        let read: Vec<Option<Definition>> = read.collect();
        self.no_repeats(&read);
        read.into_iter().flatten().collect()
    }

    /// What one resource alone cannot get wrong.
    fn no_repeats(&mut self, read: &[Option<Definition>]) {
        let mut ids = BTreeMap::new();
        let mut aliases = BTreeMap::new();
        for (at, definition) in read.iter().enumerate() {
            let Some(definition) = definition else { continue };
            if let Some(first) = ids.insert(&definition.id, at) {
                let problem = format!("{} is defined by resources[{first}] already", definition.id);
                self.fault(&format!("resources[{at}].id"), problem);
                continue;
            }
            for (alias, at) in &definition.aliases {
                if let Some((owner, first)) = aliases.insert(alias, (&definition.id, at)) {
                    self.fault(at, format!("is an alias of {owner} already ({first}); an alias means one resource"));
                }
            }
        }
    }

    fn resource(&mut self, at: &str, value: &Value) -> Option<Definition> {
        let map = self.mapping(at, value)?;
        let known: Vec<&str> = ["id"].into_iter().chain(rules::KEYS).chain(["region", "aliases", "targets"]).collect();
        self.known_keys(at, map, &known);
        let id = self.required_text(at, map, "id").and_then(|text| self.slug(&format!("{at}.id"), &text));
        let rules = self.rules(at, map);
        let region = self.region(&format!("{at}.region"), map.get("region"));
        let aliases = self.aliases(&format!("{at}.aliases"), map.get("aliases"));
        let targets = self.targets(&format!("{at}.targets"), map.get("targets"));
        Some(Definition { id: id?, rules: rules?, region, aliases, targets })
    }

    fn region(&mut self, at: &str, value: Option<&Value>) -> Option<Region> {
        let text = self.text(at, value.filter(|value| !value.is_null())?, ALIAS_LENGTH_MAX)?;
        text.parse().map_err(|error| self.fault(at, error)).ok()
    }

    fn aliases(&mut self, at: &str, value: Option<&Value>) -> BTreeMap<(SourceName, String), String> {
        let mut aliases = BTreeMap::new();
        for (source, at, value) in self.entries::<SourceName>(at, value) {
            let Some(list) = self.sequence(&at, value) else { continue };
            for (number, value) in list.iter().enumerate() {
                let at = format!("{at}[{number}]");
                let Some(alias) = self.text(&at, value, ALIAS_LENGTH_MAX) else { continue };
                if let Some(first) = aliases.insert((source.clone(), normal_alias(&alias)), at.clone()) {
                    self.fault(&at, format!("is the same as {first}; e-mail addresses are compared in lower case"));
                }
            }
        }
        aliases
    }

    fn targets(&mut self, at: &str, value: Option<&Value>) -> BTreeMap<TargetName, Mirror> {
        let entries = self.entries::<TargetName>(at, value);
        entries.into_iter().map(|(target, at, value)| (target, self.mirror(&at, value))).collect()
    }

    fn mirror(&mut self, at: &str, value: &Value) -> Mirror {
        if value.is_null() {
            return Mirror::default();
        }
        let Some(map) = self.mapping(at, value) else { return Mirror::default() };
        self.known_keys(at, map, &["address", "fields"]);
        let address = map.get("address").map_or_else(
            || Some(String::new()),
            |value| self.text(&format!("{at}.address"), value, ADDRESS_LENGTH_MAX),
        );
        let mut fields = BTreeSet::new();
        let list = map.get("fields").and_then(|value| self.sequence(&format!("{at}.fields"), value));
        for (number, value) in list.into_iter().flatten().enumerate() {
            let at = format!("{at}.fields[{number}]");
            match value.as_str() {
                Some(field) if FIELDS.contains(&field) => {
                    fields.insert(field.to_owned());
                }
                Some(field) => self.fault(&at, format!("is not one of {}{}", FIELDS.join(", "), hint(field, FIELDS))),
                None => self.fault(&at, format!("must be one of {}", FIELDS.join(", "))),
            }
        }
        Mirror { address: address.unwrap_or_default(), fields }
    }

    /// The entries of a mapping from names, which may be left out.
    fn entries<'a, N>(&mut self, at: &str, value: Option<&'a Value>) -> Vec<(N, String, &'a Value)>
    where
        N: FromStr,
        N::Err: fmt::Display,
    {
        let Some(value) = value.filter(|value| !value.is_null()) else { return Vec::new() };
        let Some(map) = self.mapping(at, value) else { return Vec::new() };
        let mut entries = Vec::new();
        for (key, value) in map {
            let Some(key) = key.as_str() else {
                self.fault(at, "has a key that is no text");
                continue;
            };
            let at = format!("{at}.{key}");
            if let Some(name) = self.slug(&at, key) {
                entries.push((name, at, value));
            }
        }
        entries
    }

    fn slug<N>(&mut self, at: &str, text: &str) -> Option<N>
    where
        N: FromStr,
        N::Err: fmt::Display,
    {
        text.parse().map_err(|error| self.fault(at, format!("the name {error}"))).ok()
    }

    fn required_text(&mut self, at: &str, map: &Mapping, key: &str) -> Option<String> {
        let at = format!("{at}.{key}");
        match map.get(key) {
            Some(value) => self.text(&at, value, ALIAS_LENGTH_MAX),
            None => {
                self.fault(&at, "is missing");
                None
            }
        }
    }

    fn text(&mut self, at: &str, value: &Value, length_max: usize) -> Option<String> {
        let Some(text) = value.as_str().map(str::trim) else {
            self.fault(at, format!("must be text, not {}; put it in quotes", kind(value)));
            return None;
        };
        if text.is_empty() || text.chars().count() > length_max || text.chars().any(char::is_control) {
            self.fault(at, format!("must have 1 to {length_max} characters, and no control characters"));
            return None;
        }
        Some(text.to_owned())
    }

    fn mapping<'a>(&mut self, at: &str, value: &'a Value) -> Option<&'a Mapping> {
        let map = value.as_mapping();
        if map.is_none() {
            self.fault(at, format!("must be a mapping of names to values, not {}", kind(value)));
        }
        map
    }

    fn sequence<'a>(&mut self, at: &str, value: &'a Value) -> Option<&'a Vec<Value>> {
        let list = value.as_sequence();
        if list.is_none() {
            self.fault(at, format!("must be a list, not {}", kind(value)));
        }
        list
    }

    fn known_keys(&mut self, at: &str, map: &Mapping, known: &[&str]) {
        for key in map.keys() {
            let key = key.as_str().unwrap_or("(not text)");
            if !known.contains(&key) {
                let at = if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
                let hint = hint(key, known.iter().copied());
                self.fault(&at, format!("is no field; known here: {}{hint}", known.join(", ")));
            }
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
        Value::Tagged(_) => "a tagged value",
    }
}

#[cfg(test)]
mod tests;
