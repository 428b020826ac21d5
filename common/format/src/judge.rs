//! Judges a description: every path is one, every word means something, and what belongs together is there.

use std::collections::BTreeMap;
use std::fmt;

use chrono::format::{Item, StrftimeItems};

use crate::description::{
    Attendees, BookingFields, Delivery, Description, Events, ExternalId, Fetch, Length, Meaning, Proof, Resource,
    Times, Type,
};
use crate::list::List;
use crate::query::{Finding, Query, WrittenFinding};
use crate::signed::{Encoding, Part, Signature, parts};
use crate::written::{
    Written, WrittenBooking, WrittenDelivery, WrittenEvents, WrittenFetch, WrittenLength, WrittenSignature,
};

/// What is wrong with a description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {problem}")]
pub struct DescriptionFault {
    /// Which setting of it: `booking.start`.
    pub key: String,
    /// What is wrong with it and what would be right.
    pub problem: String,
}

const MEANINGS: [(&str, Type); 10] = [
    ("created", Type::Means(Meaning::Created)),
    ("requested", Type::Means(Meaning::Requested)),
    ("rescheduled", Type::Means(Meaning::Rescheduled)),
    ("updated", Type::Means(Meaning::Updated)),
    ("cancelled", Type::Means(Meaning::Cancelled)),
    ("state", Type::Means(Meaning::State)),
    ("observed", Type::Means(Meaning::Observed)),
    ("gone", Type::Means(Meaning::Gone)),
    ("changed", Type::Means(Meaning::Changed)),
    ("ignored", Type::Ignored),
];

impl Description {
    /// Judges a description, or says everything that is wrong with it.
    pub fn new(written: &Written) -> Result<Self, Vec<DescriptionFault>> {
        let mut judge = Judge::default();
        let delivery = judge.delivery(&written.delivery);
        let events = judge.events(&written.events);
        let whole = events.as_ref().is_some_and(|events| says_something(events, written.fetch.is_some()));
        let booking = judge.booking(&written.booking, whole);
        let fetch = written.fetch.as_ref().and_then(|fetch| judge.fetch(fetch));
        if let Some(events) = &events {
            judge.changed(events, written.fetch.is_some(), written.list.is_some());
        }
        let list = written.list.as_ref().and_then(|list| {
            if written.fetch.is_none() {
                judge.fault("fetch", "is missing; how is what is listed fetched?");
            }
            List::new(list, |key, problem| judge.fault(&format!("list.{key}"), problem))
        });
        let mut known = Vec::new();
        for (object, names) in &written.known {
            match Query::parse(object) {
                Ok(query) => known.push((query, names.iter().cloned().collect())),
                Err(problem) => judge.fault(&format!("known.\"{object}\""), problem),
            }
        }
        match (delivery, events, booking, judge.0.is_empty()) {
            (Some(delivery), Some(events), Some(booking), true) => {
                Ok(Self { delivery, events, booking, fetch, list, known })
            }
            _ => Err(judge.0),
        }
    }
}

/// Whether some of its events say more than that something has changed.
fn says_something(events: &Events, fetched: bool) -> bool {
    let meanings = events.types.as_ref().map(|(_, meanings)| meanings).filter(|meanings| !meanings.is_empty());
    let says = |meaning: &Type| !matches!(meaning, Type::Ignored | Type::Means(Meaning::Changed));
    meanings.map_or(!fetched, |meanings| meanings.values().any(says))
}

/// Collects what is wrong. Whatever is none was said to be wrong.
#[derive(Debug, Default)]
pub(crate) struct Judge(Vec<DescriptionFault>);

impl Judge {
    pub(crate) fn fault(&mut self, key: &str, problem: impl fmt::Display) {
        self.0.push(DescriptionFault { key: key.to_owned(), problem: problem.to_string() });
    }

    pub(crate) const fn none(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_faults(self) -> Vec<DescriptionFault> {
        self.0
    }

    pub(crate) fn finding(&mut self, key: &str, written: &WrittenFinding) -> Option<Finding> {
        written.judge(|problem| self.fault(key, problem))
    }

    pub(crate) fn maybe(&mut self, key: &str, written: Option<&WrittenFinding>) -> Option<Finding> {
        written.and_then(|written| self.finding(key, written))
    }

    pub(crate) fn headers(&mut self, key: &str, written: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let headers = written.iter().map(|(name, value)| {
            if value.is_empty() || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
                self.fault(&format!("{key}.{name}"), "must be plain characters");
            }
            (self.header(&format!("{key}.{name}"), name), value.clone())
        });
        headers.collect()
    }

    pub(crate) fn header(&mut self, key: &str, name: &str) -> String {
        // RFC 9110 §5.6.2: a field's name is a token.
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            self.fault(key, "is not the name of an HTTP header");
        }
        name.to_ascii_lowercase()
    }

    fn delivery(&mut self, written: &WrittenDelivery) -> Option<Delivery> {
        let proof = match (&written.signature, &written.token) {
            (Some(signature), None) => self.signature(signature).map(Proof::Signature),
            (None, Some(token)) => Some(Proof::Token(self.header("delivery.token.header", &token.header))),
            (None, None) => {
                self.fault("delivery.signature", "and delivery.token are both missing; anybody could write bookings");
                None
            }
            (Some(_), Some(_)) => {
                self.fault("delivery.signature", "and delivery.token are both given; keep the signature");
                None
            }
        };
        let id_header = written.id_header.as_deref().map(|name| self.header("delivery.id_header", name));
        let key = self.finding("delivery.key", &written.key);
        let kind = self.maybe("delivery.type", written.kind.as_ref());
        let time = self.maybe("delivery.time", written.time.as_ref());
        Some(Delivery { media: written.media, proof: proof?, id_header, key: key?, kind, time })
    }

    fn signature(&mut self, written: &WrittenSignature) -> Option<Signature> {
        let header = self.header("delivery.signature.header", &written.header);
        if written.encoding == Encoding::Text {
            self.fault("delivery.signature.encoding", "must be hex or base64; a hash is no text");
        }
        let parts = parts(&written.signed).map_err(|error| self.fault("delivery.signature.signed", error)).ok()?;
        let clock = written.timestamp.clone().map(|mut clock| {
            clock.header = self.header("delivery.signature.timestamp.header", &clock.header);
            clock
        });
        match (parts.contains(&Part::Timestamp), clock.is_some()) {
            (true, false) => self.fault("delivery.signature.timestamp", "is missing; signed has {timestamp}"),
            // What is not signed can be changed by whoever replays it.
            (false, true) => self.fault("delivery.signature.signed", "has no {timestamp}, so its time proves nothing"),
            (true, true) | (false, false) => {}
        }
        Some(Signature {
            header,
            prefix: written.prefix.clone(),
            hash: written.hash,
            encoding: written.encoding,
            secret: written.secret,
            parts,
            clock,
        })
    }

    fn events(&mut self, written: &WrittenEvents) -> Option<Events> {
        let items = self.maybe("events.items", written.items.as_ref());
        let only = self.maybe("events.only", written.only.as_ref());
        let kind = self.maybe("events.type", written.kind.as_ref());
        let mut meanings = BTreeMap::new();
        for (name, word) in &written.meaning {
            match MEANINGS.iter().find(|(known, _)| known == word) {
                Some((_, meaning)) => {
                    meanings.insert(name.clone(), *meaning);
                }
                None => {
                    let known: Vec<_> = MEANINGS.iter().map(|(word, _)| *word).collect();
                    self.fault(&format!("events.meaning.{name}"), format!("must be one of {}", known.join(", ")));
                }
            }
        }
        match (&written.kind, written.meaning.is_empty()) {
            (Some(_), true) => self.fault("events.meaning", "is missing; say what each type means"),
            (None, false) => self.fault("events.type", "is missing; where is the type that events.meaning speaks of?"),
            (Some(_), false) | (None, true) => {}
        }
        Some(Events { items, only, types: kind.map(|kind| (kind, meanings)) })
    }

    /// What is said to have changed is fetched, and what is fetched is said to have changed, or listed.
    fn changed(&mut self, events: &Events, fetched: bool, listed: bool) {
        let changed = |meaning: &Type| *meaning == Type::Means(Meaning::Changed);
        let told = events.types.as_ref().map_or(fetched, |(_, meanings)| meanings.values().any(changed));
        match (told, fetched) {
            (true, false) => self.fault("fetch", "is missing; how is the state of what has changed fetched?"),
            (false, true) if listed => {}
            (false, true) => self.fault("events.meaning", "has no type that means changed, so nothing is ever fetched"),
            (true, true) | (false, false) => {}
        }
    }

    fn fetch(&mut self, written: &WrittenFetch) -> Option<Fetch> {
        let base = written.base.trim_end_matches('/');
        if base.strip_prefix("https://").is_none_or(str::is_empty) {
            self.fault("fetch.base", "is no https:// address; what is asked there bears your credentials");
        }
        let path = written.path.split_once("{id}");
        let sound = path.filter(|(before, after)| before.starts_with('/') && !after.contains("{id}"));
        let Some((before, after)) = sound else {
            self.fault("fetch.path", "must begin with a slash and have {id} once");
            return None;
        };
        let path = (before.to_owned(), after.to_owned());
        let keep = written.keep.iter().cloned().collect();
        let headers = self.headers("fetch.headers", &written.headers);
        Some(Fetch { base: base.to_owned(), path, keep, gone: written.gone.clone(), headers })
    }

    /// `whole` if some events say more than that something has changed: a state that is fetched has its own version.
    fn booking(&mut self, written: &WrittenBooking, whole: bool) -> Option<BookingFields> {
        let id = self.finding("booking.id", &written.id);
        if written.sequence.is_none() && written.updated_at.is_none() && whole {
            let problem = "and booking.sequence are both missing; one of them must say which state is the newer";
            self.fault("booking.updated_at", problem);
        }
        if written.resources.is_empty() {
            self.fault("booking.resources", "is empty; whose time is it?");
        }
        let resources = written.resources.iter().enumerate().map(|(number, resource)| {
            let key = format!("booking.resources[{number}]");
            if resource.names.is_empty() {
                self.fault(&format!("{key}.names"), "is empty; how is the resource called?");
            }
            Resource {
                at: self.maybe(&format!("{key}.at"), resource.at.as_ref()),
                names: resource.names.iter().filter_map(|name| self.finding(&format!("{key}.names"), name)).collect(),
            }
        });
        let resources = resources.collect();
        let start = self.finding("booking.start", &written.start);
        let end = self.until("booking", written.end.as_ref(), written.length.as_ref());
        let times = self.times("booking.times", written.times.as_deref());
        let attendees = written.attendees.as_ref().map(|attendees| {
            if attendees.email.is_none() && attendees.phone.is_none() {
                let problem = "and booking.attendees.phone are both missing; one of them must say who it is";
                self.fault("booking.attendees.email", problem);
            }
            let mut part = |name: &str, written: &Option<WrittenFinding>| {
                self.maybe(&format!("booking.attendees.{name}"), written.as_ref())
            };
            Attendees {
                at: part("at", &attendees.at),
                name: part("name", &attendees.name),
                first_and_last: [part("first_name", &attendees.first_name), part("last_name", &attendees.last_name)],
                email: part("email", &attendees.email),
                phone: part("phone", &attendees.phone),
            }
        });
        let external_ids = written.external_ids.iter().enumerate().filter_map(|(number, external)| {
            let id = self.finding(&format!("booking.external_ids[{number}].id"), &external.id)?;
            Some(ExternalId { system: external.system.clone(), id })
        });
        let external_ids = external_ids.collect();
        let mut part =
            |name: &str, written: &Option<WrittenFinding>| self.maybe(&format!("booking.{name}"), written.as_ref());
        let time_zone = part("time_zone", &written.time_zone);
        Some(BookingFields {
            previous_id: part("previous_id", &written.previous_id),
            sequence: part("sequence", &written.sequence),
            updated_at: part("updated_at", &written.updated_at),
            display_zone: part("display_zone", &written.display_zone).or_else(|| time_zone.clone()),
            time_zone,
            title: part("title", &written.title),
            ical_uid: part("ical_uid", &written.ical_uid),
            cancelled: part("cancelled", &written.cancelled),
            replacement_follows: part("replacement_follows", &written.replacement_follows),
            id: id?,
            resources,
            start: start?,
            end: end?,
            times: times?,
            attendees,
            external_ids,
        })
    }

    pub(crate) fn until(
        &mut self,
        key: &str,
        end: Option<&WrittenFinding>,
        length: Option<&WrittenLength>,
    ) -> Option<Length> {
        match (end, length) {
            (Some(end), None) => self.finding(&format!("{key}.end"), end).map(Length::Until),
            (None, Some(length)) => {
                let unit = match length.unit.as_str() {
                    "seconds" => Some(1),
                    "minutes" => Some(60),
                    "hours" => Some(3_600),
                    _ => {
                        self.fault(&format!("{key}.length.unit"), "must be seconds, minutes or hours");
                        None
                    }
                };
                let at = self.finding(&format!("{key}.length.at"), &length.at);
                Some(Length::For(at?, unit?))
            }
            (None, None) => {
                self.fault(&format!("{key}.end"), format_args!("and {key}.length are both missing; until when is it?"));
                None
            }
            (Some(_), Some(_)) => {
                self.fault(&format!("{key}.end"), format_args!("and {key}.length are both given; keep the end"));
                None
            }
        }
    }

    pub(crate) fn times(&mut self, key: &str, written: Option<&str>) -> Option<Times> {
        match written {
            None | Some("rfc3339") => Some(Times::Rfc3339),
            Some("unix") => Some(Times::UnixSeconds),
            Some("unix_ms") => Some(Times::UnixMilliseconds),
            Some(pattern) if pattern.contains("%z") && is_pattern(pattern) => Some(Times::Pattern(pattern.to_owned())),
            Some(_) => {
                self.fault(key, "must be rfc3339, unix, unix_ms, or a pattern of strftime that has %z");
                None
            }
        }
    }
}

/// Whether strftime knows every word of it: a time that is written by another could not be.
fn is_pattern(pattern: &str) -> bool {
    !StrftimeItems::new(pattern).any(|item| item == Item::Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"
        [delivery]
        key = "$.id"
        [delivery.signature]
        header = "X-Signature"
        encoding = "hex"
        signed = "{body}"
        [events]
        type = "$.type"
        meaning.made = "created"
        [booking]
        id = "$.id"
        updated_at = "$.at"
        resources = [{ names = ["$.room"] }]
        start = "$.from"
        end = "$.to"
    "#;

    fn faults(text: &str) -> Vec<String> {
        let written = Written::read(text).expect("the shape");
        Description::new(&written).err().into_iter().flatten().map(|fault| fault.to_string()).collect()
    }

    fn changed(from: &str, to: &str) -> Vec<String> {
        assert!(SOUND.contains(from), "{from}");
        faults(&SOUND.replace(from, to))
    }

    #[test]
    fn a_sound_description_has_no_fault_and_its_headers_are_in_lower_case() {
        assert_eq!(faults(SOUND), [""; 0]);
        let written = Written::read(SOUND).expect("the shape");
        let description = Description::new(&written).expect("sound");
        assert!(
            matches!(description.delivery.proof, Proof::Signature(Signature { header, .. }) if header == "x-signature")
        );
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let text = SOUND.replace("\"$.id\"\n        updated_at = \"$.at\"", "\"id\"").replace("created", "creates");
        let found = faults(&text);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("events.meaning.made must be one of created,"), "{found:?}");
        assert!(found[1].starts_with("booking.id is no JSONPath"), "{found:?}");
        assert!(found[2].starts_with("booking.updated_at and booking.sequence are both missing"), "{found:?}");
    }

    #[test]
    fn what_belongs_together_is_there_together() {
        for (from, to, begins) in [
            ("signed = \"{body}\"", "signed = \"{timestamp}{body}\"", "delivery.signature.timestamp is missing"),
            (
                "signed = \"{body}\"",
                "signed = \"{body}\"\ntimestamp = { header = \"T\", unit = \"seconds\" }",
                "delivery.signature.signed has no {timestamp}",
            ),
            ("encoding = \"hex\"", "encoding = \"text\"", "delivery.signature.encoding must be hex or base64"),
            ("X-Signature", "X Signature", "delivery.signature.header is not the name"),
            ("meaning.made = \"created\"", "", "events.meaning is missing"),
            ("type = \"$.type\"", "", "events.type is missing"),
            ("{ names = [\"$.room\"] }", "", "booking.resources is empty"),
            ("[\"$.room\"]", "[]", "booking.resources[0].names is empty"),
            ("end = \"$.to\"", "", "booking.end and booking.length are both missing"),
            ("end = \"$.to\"", "length = { at = \"$.d\", unit = \"days\" }", "booking.length.unit must be"),
            ("end = \"$.to\"", "end = \"$.to\"\ntimes = \"%H:%M\"", "booking.times must be"),
            ("end = \"$.to\"", "end = \"$.to\"\nattendees = {}", "booking.attendees.email and"),
            ("created", "changed", "fetch is missing"),
            (
                "end = \"$.to\"",
                "end = \"$.to\"\n[fetch]\nbase = \"https://a\"\npath = \"/b/{id}\"",
                "events.meaning has no type",
            ),
            (
                "end = \"$.to\"",
                "end = \"$.to\"\n[list]\nitems = \"$\"\nid = \"$.id\"\nupdate.path = \"/all\"",
                "fetch is missing; how is what is listed",
            ),
            (
                "end = \"$.to\"",
                "end = \"$.to\"\n[fetch]\nbase = \"https://a\"\npath = \"/b/{id}\"\n[list]\nitems = \"$\"\nid = \"$.id\"\nupdate.path = \"all\"",
                "list.update.path must begin",
            ),
        ] {
            let found = changed(from, to);
            assert_eq!(found.len(), 1, "{to}: {found:?}");
            assert!(found[0].starts_with(begins), "{to}: {found:?}");
        }
        let unsigned = SOUND.replace("[delivery.signature]", "[known]").replace("header = \"X-Signature\"", "");
        let unsigned = unsigned.replace("encoding = \"hex\"", "").replace("signed = \"{body}\"", "");
        assert_eq!(
            faults(&unsigned),
            ["delivery.signature and delivery.token are both missing; anybody could write bookings"]
        );
    }

    #[test]
    fn events_that_say_something_say_which_is_the_newer_though_states_are_fetched_as_well() {
        let listed = "end = \"$.to\"\n[fetch]\nbase = \"https://a\"\npath = \"/b/{id}\"\n[list]\nitems = \"$\"\nid = \"$.id\"\nupdate.path = \"/all\"";
        let text = SOUND.replace("end = \"$.to\"", listed);
        assert_eq!(faults(&text), [""; 0]);
        let unversioned = text.replace("updated_at = \"$.at\"", "");
        let missing = "booking.updated_at and booking.sequence are both missing";
        assert!(faults(&unversioned)[0].starts_with(missing), "{:?}", faults(&unversioned));
        assert_eq!(faults(&unversioned.replace("\"created\"", "\"changed\"")), [""; 0]);
    }

    #[test]
    fn a_setting_that_nobody_knows_is_refused_when_it_is_read() {
        let wrong = SOUND.replace("end = ", "ends = ");
        let error = Written::read(&wrong).expect_err("an unknown field");
        assert!(error.contains("unknown field `ends`"), "{error}");
    }
}
