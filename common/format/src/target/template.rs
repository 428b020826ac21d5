//! A text with holes, and what goes into them: escaped for where each stands, so that nothing that a person wrote can be anything else
//! than a value.

use percent_encoding::utf8_percent_encode;

use crate::list::ESCAPED;

/// What stands for what: a value, or none where there is none.
pub trait Filling {
    /// The value of this word.
    fn value(&self, word: &str) -> Option<String>;
}

/// Why a template cannot be filled: a value is missing that nothing stands in for, or is no number where one must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is missing, or is no number where one must be")]
pub struct Unfit(pub &'static str);

/// The words of an entry's own: known before and after it is shown.
pub(super) const OWN: [&str; 9] =
    ["booking", "version", "resource", "id", "address", "address_1", "address_2", "address_3", "account"];
/// The words of what is shown.
pub(super) const SHOWN: [&str; 12] = [
    "key",
    "start",
    "end",
    "start_local",
    "end_local",
    "zone",
    "minutes",
    "title",
    "name",
    "email",
    "phone",
    "attendees",
];
/// The words that may have no value.
const OPTIONAL: [&str; 5] = ["title", "name", "email", "phone", "attendees"];

/// A text with holes.
#[derive(Debug, Clone)]
pub struct Template {
    place: Place,
    parts: Vec<Part>,
}

/// Where a template stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Json,
    Form,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Hole {
        word: &'static str,
        quoted: bool,
    },
    /// Left out where a value is missing; the text stands there instead.
    Maybe(Vec<Part>, String),
}

impl Template {
    /// Reads a template, or says what is wrong with it.
    pub(super) fn parse(text: &str, place: Place) -> Result<Self, String> {
        let mut reader = Reader { quoted: false, escaped: false };
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("[[") {
            parts.extend(reader.holes(before)?);
            let Some((inner, behind)) = after.split_once("]]") else {
                return Err("has [[ without ]] after it".to_owned());
            };
            let (inner, instead) = inner.split_once("||").unwrap_or((inner, ""));
            if holes_of(instead) {
                return Err("has a word in braces behind ||, which would need to be there itself".to_owned());
            }
            let inner = reader.holes(inner)?;
            if !inner.iter().any(|part| matches!(part, Part::Hole { .. })) {
                return Err("has [[ ]] with no word in braces between: when is that left out?".to_owned());
            }
            parts.push(Part::Maybe(inner, instead.to_owned()));
            rest = behind;
        }
        parts.extend(reader.holes(rest)?);
        let bare = |part: &Part| matches!(part, Part::Hole { word, .. } if OPTIONAL.contains(word));
        if let Some(Part::Hole { word, .. }) = parts.iter().find(|part| bare(part)) {
            return Err(format!("has {{{word}}}, which may be missing, outside of [[ ]]"));
        }
        let template = Self { place, parts };
        if place == Place::Json {
            template.judge_json()?;
        }
        Ok(template)
    }

    /// It is JSON with everything that may be there, and without.
    fn judge_json(&self) -> Result<(), String> {
        struct All(bool);
        impl Filling for All {
            fn value(&self, word: &str) -> Option<String> {
                (self.0 || !OPTIONAL.contains(&word)).then(|| "0".to_owned())
            }
        }
        for (all, when) in [(true, "with all that may be there"), (false, "without what may be missing")] {
            let text = self.fill(&All(all)).map_err(|unfit| unfit.to_string())?;
            serde_json::from_str::<serde_json::Value>(&text).map_err(|error| format!("is no JSON {when}: {error}"))?;
        }
        Ok(())
    }

    /// The words that it has.
    pub(super) fn words(&self) -> Vec<&'static str> {
        fn of(parts: &[Part], words: &mut Vec<&'static str>) {
            for part in parts {
                match part {
                    Part::Text(_) => {}
                    Part::Hole { word, .. } => words.push(word),
                    Part::Maybe(inner, _) => of(inner, words),
                }
            }
        }
        let mut words = Vec::new();
        of(&self.parts, &mut words);
        words
    }

    /// The text, with these values.
    pub fn fill(&self, filling: &impl Filling) -> Result<String, Unfit> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Hole { word, quoted } => text.push_str(&self.value(word, *quoted, filling)?),
                Part::Maybe(inner, instead) => {
                    let missing = |part: &Part| match part {
                        Part::Hole { word, .. } => filling.value(word).is_none(),
                        Part::Text(_) | Part::Maybe(..) => false,
                    };
                    if inner.iter().any(missing) {
                        text.push_str(instead);
                        continue;
                    }
                    for part in inner {
                        match part {
                            Part::Text(plain) => text.push_str(plain),
                            Part::Hole { word, quoted } => text.push_str(&self.value(word, *quoted, filling)?),
                            // Nothing is left out of what may be left out.
                            Part::Maybe(..) => {}
                        }
                    }
                }
            }
        }
        Ok(text)
    }

    fn value(&self, word: &'static str, quoted: bool, filling: &impl Filling) -> Result<String, Unfit> {
        let value = filling.value(word).ok_or(Unfit(word))?;
        match (self.place, quoted) {
            (Place::Path, _) => Ok(utf8_percent_encode(&value, ESCAPED).to_string()),
            (Place::Form, _) => Ok(value),
            (Place::Json, true) => {
                let text = serde_json::Value::from(value).to_string();
                Ok(text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned())
            }
            (Place::Json, false) => {
                let number = serde_json::from_str::<serde_json::Number>(&value).map_err(|_| Unfit(word))?;
                Ok(number.to_string())
            }
        }
    }
}

/// Reads from left to right, and knows whether it is between the quotes of JSON.
struct Reader {
    quoted: bool,
    escaped: bool,
}

impl Reader {
    /// Braces that hold no word are the text's own: bodies are JSON.
    fn holes(&mut self, text: &str) -> Result<Vec<Part>, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let word = word_at(&rest[open + 1..]);
            if let Some(found) = word {
                let known = OWN.iter().chain(SHOWN.iter()).find(|known| **known == found);
                let word = known.ok_or_else(|| {
                    let known: Vec<&str> = OWN.into_iter().chain(SHOWN).collect();
                    format!("has {{{found}}}; use {}", known.join(", "))
                })?;
                self.pass(&rest[..open]);
                parts.push(Part::Text(rest[..open].to_owned()));
                parts.push(Part::Hole { word, quoted: self.quoted });
                rest = &rest[open + found.len() + 2..];
            } else {
                self.pass(&rest[..=open]);
                parts.push(Part::Text(rest[..=open].to_owned()));
                rest = &rest[open + 1..];
            }
        }
        self.pass(rest);
        parts.push(Part::Text(rest.to_owned()));
        Ok(parts)
    }

    fn pass(&mut self, text: &str) {
        for character in text.chars() {
            match (character, self.quoted, self.escaped) {
                ('"', _, false) => self.quoted = !self.quoted,
                ('\\', true, false) => {
                    self.escaped = true;
                    continue;
                }
                _ => {}
            }
            self.escaped = false;
        }
    }
}

/// The word that begins here and is closed by a brace.
fn word_at(text: &str) -> Option<&str> {
    let (word, _) = text.split_once('}')?;
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!word.is_empty() && word.bytes().all(sound)).then_some(word)
}

fn holes_of(text: &str) -> bool {
    text.split('{').skip(1).any(|piece| word_at(piece).is_some())
}
