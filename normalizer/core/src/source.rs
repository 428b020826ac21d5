//! The first step: bytes to drafts, and the questions that they raise.

use std::collections::BTreeSet;
use std::fmt;

use daybook_domain::{ResourceId, SourceName, Timestamp};
use daybook_format::{Format, LISTED, TOLD};
use daybook_wire::{ATTRIBUTE_LENGTH_MAX, SourceEvent, header, is_attribute};

use crate::draft::{Draft, Entry, Person};
use crate::json::{self, Node};
use crate::path::Drift;
use crate::place::IgnoredReason;
use crate::reject::{Fault, RejectReason};
use crate::{api, calendly, described, generic, google, icalendar, outlook};

/// A record of `raw.<source>`.
#[derive(Clone, Copy)]
pub struct RawEvent<'a> {
    /// The source whose topic it is; what the event says of itself is not believed in this.
    pub source: &'a SourceName,
    /// Its CloudEvents attributes.
    pub event: &'a SourceEvent,
    /// Its bytes.
    pub body: &'a [u8],
}

impl fmt::Debug for RawEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawEvent({}, {} bytes)", self.source, self.body.len())
    }
}

/// An event that was read and waits for its look-ups. Holds personal data: its `Debug` counts only.
pub struct Parsed {
    pub(crate) source: SourceName,
    pub(crate) event_source: String,
    pub(crate) event_id: String,
    pub(crate) received_at: Timestamp,
    pub(crate) entries: Vec<Entry>,
    pub(crate) drift: BTreeSet<String>,
}

impl fmt::Debug for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parsed({}, {} entries)", self.source, self.entries.len())
    }
}

/// What must be looked up before an event can be normalized. Aliases may be e-mail addresses and booking ids may hold
/// them: the `Debug` counts only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Questions {
    /// Which resource has this alias at the event's source?
    pub aliases: BTreeSet<String>,
    /// The same of an attendee's address: who attends may be the resource itself. Answered among the aliases.
    pub attendees: BTreeSet<String>,
    /// Which bookings does the event's source know by this id?
    pub bookings: BTreeSet<String>,
    /// Whether somebody has a phone number that says no country, so that it is asked which region each resource has that is found.
    pub regions: bool,
    /// The same of resources that the payload names by their ids.
    pub resources: BTreeSet<ResourceId>,
}

impl Questions {
    /// The questions of both.
    pub fn extend(&mut self, other: Self) {
        let Self { aliases, attendees, bookings, regions, resources } = other;
        self.aliases.extend(aliases);
        self.attendees.extend(attendees);
        self.bookings.extend(bookings);
        self.regions |= regions;
        self.resources.extend(resources);
    }
}

impl fmt::Debug for Questions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { aliases, attendees, bookings, regions: _, resources } = self;
        let (aliases, attendees, bookings) = (aliases.len(), attendees.len(), bookings.len());
        let resources = resources.len();
        write!(f, "Questions({aliases} aliases, {attendees} attendees, {bookings} bookings, {resources} resources)")
    }
}

/// Reads an event strictly, item by item.
pub fn parse(format: &Format, raw: RawEvent<'_>) -> Parsed {
    let mut drift = Drift::default();
    let entries = match read(format, raw, &mut drift) {
        Ok(entries) => entries,
        Err(fault) => vec![Entry::Reject(fault.at(None))],
    };
    Parsed {
        source: raw.source.clone(),
        event_source: raw.event.source.clone(),
        event_id: raw.event.id.clone(),
        received_at: raw.event.received_at,
        entries,
        drift: drift.into_paths(),
    }
}

fn read(format: &Format, raw: RawEvent<'_>, drift: &mut Drift) -> Result<Vec<Entry>, Fault> {
    check_attribute(header::CE_ID, &raw.event.id)?;
    check_attribute(header::CE_SOURCE, &raw.event.source)?;
    // What they name is fetched, and is an event of its own.
    if matches!(raw.event.kind.as_str(), LISTED | TOLD) {
        return Ok(vec![Entry::Ignored(IgnoredReason::Fetched)]);
    }
    match format {
        Format::Calendly => calendly::read(&Node::root(&json::read(raw.body)?), drift),
        Format::Generic => generic::read(&Node::root(&json::read(raw.body)?), drift),
        Format::GoogleCalendar => google::read(raw, drift),
        Format::Outlook => outlook::read(raw, drift),
        Format::CalDav | Format::IcsFeed => icalendar::read(raw, drift),
        // What our own API has taken in has one reader, there and here.
        Format::Api => api::read(raw),
        Format::Described(description) => described::read(description, raw, drift),
    }
}

fn check_attribute(name: &'static str, text: &str) -> Result<(), Fault> {
    if is_attribute(text) {
        return Ok(());
    }
    let problem = format!("must have 1 to {ATTRIBUTE_LENGTH_MAX} characters, and no blanks, '@' or control characters");
    Err(Fault::new(RejectReason::InvalidValue, name, problem))
}

impl Parsed {
    /// What must be looked up.
    pub fn questions(&self) -> Questions {
        let mut questions = Questions::default();
        for entry in &self.entries {
            match entry {
                Entry::Draft(draft) => {
                    if draft.people().any(Person::has_national_phone) {
                        questions.regions = true;
                        questions.resources.extend(draft.places.iter().filter_map(|place| place.resource.clone()));
                    }
                    if draft.names_ours() {
                        continue;
                    }
                    questions.bookings.extend(draft.names().map(str::to_owned));
                    questions.aliases.extend(draft.places.iter().flat_map(|place| place.aliases.iter().cloned()));
                    questions.attendees.extend(draft.people().filter_map(Person::email).map(str::to_owned));
                }
                Entry::Ignored(_) | Entry::Reject(_) => {}
            }
        }
        questions
    }

    /// When its source says that it happened: the earliest of what it says.
    pub fn sourced_at(&self) -> Option<Timestamp> {
        self.drafts().filter_map(|draft| draft.sourced_at).min()
    }

    /// Whose time it is about: which item of the event says so, and the names that it is called by, the most trustworthy first.
    pub fn named(&self) -> impl Iterator<Item = (usize, &[String])> {
        let places = self.drafts().flat_map(|draft| &draft.places);
        places.filter(|place| place.resource.is_none()).map(|place| (place.item, place.aliases.as_slice()))
    }

    fn drafts(&self) -> impl Iterator<Item = &Draft> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Draft(draft) => Some(&**draft),
            Entry::Ignored(_) | Entry::Reject(_) => None,
        })
    }
}
