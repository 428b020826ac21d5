//! A trial: events are normalized and decided, one after the other, in memory.
//!
//! Whoever asked first by its source's own clock is decided first: that is about the order in which webhooks would have come.
//! What calendars show, and states that were fetched, is as of now, and comes last.

use std::collections::BTreeMap;
use std::time::Duration;

use arbiter_core::{State, follow_up, step};
use chrono_tz::Tz;
use daybook_domain::{Decision, Request, ResourceId, SourceKey, SourceName, Standing, Timestamp};
use daybook_format::Format;
use daybook_normalizer_core::{
    ContactKey, Fate, Item, Known, KnownBooking, Parsed, Questions, RawEvent, Region, Reject, normalize, parse,
};
use daybook_resources::Definition;
use daybook_wire::{Call, SourceEvent};

/// A payload.
pub struct Export {
    /// The source that sent it.
    pub source: SourceName,
    /// What it sends.
    pub format: Format,
    /// The type of the event, where it is one of ours.
    pub told: &'static str,
    /// The calendar that it is of.
    pub subject: Option<String>,
    /// Where it lies.
    pub at: String,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// What came of all of them.
#[derive(Default)]
pub struct Trial {
    /// How many payloads each source had.
    pub payloads: BTreeMap<SourceName, usize>,
    /// How many things in them there was nothing to do about.
    pub passed_over: usize,
    /// Every decision, in order, but those that define resources.
    pub decisions: Vec<Decision>,
    /// What could not be read or placed, with where it lies.
    pub rejects: Vec<(SourceName, String, Reject)>,
    /// Names that no resource has, and how many payloads name them.
    pub unmapped: BTreeMap<(SourceName, String), usize>,
    /// The zones of the resources.
    pub zones: BTreeMap<ResourceId, Tz>,
}

struct Event<'a> {
    export: &'a Export,
    parsed: Parsed,
    at: Timestamp,
}

/// What is decided so far.
struct Book {
    states: BTreeMap<ResourceId, State>,
    aliases: BTreeMap<(SourceName, String), ResourceId>,
    regions: BTreeMap<ResourceId, Region>,
    now: Timestamp,
    decisions: Vec<Decision>,
}

impl Trial {
    /// Tries them.
    pub fn run(definitions: &[Definition], exports: &[Export], key: &ContactKey, now: Timestamp) -> Self {
        let mut book = Book::new(definitions);
        let mut trial = Self {
            zones: definitions
                .iter()
                .filter_map(|it| Some((it.id.clone(), it.rules.display_time_zone.parse().ok()?)))
                .collect(),
            ..Self::default()
        };
        let mut events: Vec<Event<'_>> =
            exports.iter().enumerate().map(|(number, export)| read(export, number, now)).collect();
        events.sort_by_key(|event| event.at);
        let mut waiting = Vec::new();
        for event in events {
            *trial.payloads.entry(event.export.source.clone()).or_default() += 1;
            if !trial.take(&event, &mut book, key, true) {
                waiting.push(event);
            }
        }
        // What named no booking that was known then may name one now.
        for event in waiting {
            trial.take(&event, &mut book, key, false);
        }
        trial.decisions = book.decisions;
        trial
    }

    /// Whether everything in it was placed.
    fn take(&mut self, event: &Event<'_>, book: &mut Book, key: &ContactKey, first: bool) -> bool {
        let Event { export, parsed, .. } = event;
        let questions = parsed.questions();
        let known = book.known(&export.source, &questions);
        let mut placed = true;
        for item in normalize(parsed, &known, key).items {
            match item {
                Item::Request(request) => book.decide(&request),
                Item::Ignored(_) if first => self.passed_over += 1,
                Item::Reject(reject) if first => self.reject(export, reject),
                Item::Unplaced(_) if first => placed = false,
                Item::Unplaced(reject) => self.reject(export, reject),
                Item::Ignored(_) | Item::Reject(_) => {}
            }
        }
        if first {
            let named = parsed.named().map(|(_, names)| names);
            let nobodys = named.filter(|names| !names.iter().any(|name| known.aliases.contains_key(name)));
            for name in nobodys.filter_map(|names| names.first()) {
                *self.unmapped.entry((export.source.clone(), name.clone())).or_default() += 1;
            }
        }
        placed
    }

    fn reject(&mut self, export: &Export, reject: Reject) {
        self.rejects.push((export.source.clone(), export.at.clone(), reject));
    }
}

fn read(export: &Export, number: usize, now: Timestamp) -> Event<'_> {
    // What was asked for later is newer; of files, the later by name.
    let received_at = now.plus(Duration::from_micros(number as u64));
    let event = SourceEvent {
        id: format!("whatif-{number}"),
        source: format!("/whatif/{}", export.source),
        kind: export.told.to_owned(),
        subject: export.subject.clone(),
        time: None,
        content_type: if export.told.is_empty() { export.format.media().content_type() } else { "application/json" }
            .to_owned(),
        received_at,
        traceparent: None,
        call: Call::default(),
    };
    let parsed = parse(&export.format, RawEvent { source: &export.source, event: &event, body: &export.body });
    let at = parsed.sourced_at().unwrap_or(received_at);
    Event { export, parsed, at }
}

impl Book {
    fn new(definitions: &[Definition]) -> Self {
        let mut book = Self {
            states: BTreeMap::new(),
            aliases: BTreeMap::new(),
            regions: BTreeMap::new(),
            now: Timestamp::EPOCH,
            decisions: Vec::new(),
        };
        for Definition { id, rules, region, aliases, targets: _ } in definitions {
            book.states.insert(id.clone(), State::new(id.clone()));
            book.decide(&daybook_resources::request(id, rules, 0, 0, Timestamp::EPOCH));
            book.regions.extend(region.map(|region| (id.clone(), region)));
            book.aliases.extend(aliases.keys().map(|name| (name.clone(), id.clone())));
        }
        book.decisions.clear();
        book
    }

    fn known(&self, source: &SourceName, questions: &Questions) -> Known {
        let mut known = Known::default();
        if questions.regions {
            known.regions.clone_from(&self.regions);
        }
        for alias in questions.aliases.iter().chain(&questions.attendees) {
            if let Some(resource) = self.aliases.get(&(source.clone(), alias.clone())) {
                known.aliases.insert(alias.clone(), resource.clone());
            }
        }
        for id in &questions.bookings {
            let key = SourceKey::derive(source, id);
            let found = self.states.iter().filter_map(|(resource, state)| {
                let booking = state.by_key(key)?;
                let fate = match (&booking.standing, &booking.moved_to) {
                    (Standing::Cancelled { .. }, Some(_)) => Fate::Moved,
                    (Standing::Cancelled { .. }, None) => Fate::Gone,
                    (Standing::Held { .. } | Standing::Confirmed(_) | Standing::Awaiting { .. }, _) => Fate::Stands,
                };
                Some(KnownBooking { resource: resource.clone(), booking_id: booking.booking_id, fate })
            });
            let found: Vec<_> = found.collect();
            if !found.is_empty() {
                known.bookings.insert(id.clone(), found);
            }
        }
        known
    }

    fn decide(&mut self, request: &Request) {
        let Some(state) = self.states.get_mut(&request.resource) else { return };
        self.now = self.now.max(request.sourced_at.unwrap_or(Timestamp::EPOCH));
        // A state that has been built from nothing holds everything.
        let decisions = step(state, self.now, request).unwrap_or_default();
        let following: Vec<Request> = decisions.iter().filter_map(follow_up).collect();
        self.decisions.extend(decisions);
        for request in following {
            self.decide(&request);
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
