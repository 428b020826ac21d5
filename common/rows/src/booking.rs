//! A booking as the store has it: the state that is decided on, and the content beside it.

use std::collections::BTreeMap;
use std::fmt;

use daybook_domain::{Attendee, BookingState, Content, ResourceId, SourceKey, Timestamp};
use daybook_wire::{CanonicalBooking, ShadowName};

/// What people see of a booking, and where the state came from. Personal data: `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct BookingRow {
    /// The state.
    pub state: BookingState,
    /// Whose time.
    pub resource: ResourceId,
    /// What the source has called it, in the order of the state's keys. Empty texts where only the pseudonym is known.
    pub source_ids: Vec<String>,
    /// What other sources call it, in the order of the state's shadows.
    pub shadow_ids: Vec<String>,
    /// What the meeting is called.
    pub title: Option<String>,
    /// Who attends.
    pub attendees: Vec<Attendee>,
    /// Display only.
    pub source_time_zone: Option<String>,
    /// Of the event that made this state.
    pub event_id: String,
    /// The source's clock.
    pub sourced_at: Option<Timestamp>,
    /// When ingest took that event in.
    pub received_at: Timestamp,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// Of that decision.
    pub seq: i64,
}

impl fmt::Debug for BookingRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BookingRow({} version {} of seq {})", self.state.booking_id, self.state.version, self.seq)
    }
}

impl BookingRow {
    /// Takes over what a claim says that people should see.
    pub fn show(&mut self, content: &Content) {
        self.title.clone_from(&content.title);
        self.attendees.clone_from(&content.attendees);
        self.source_time_zone.clone_from(&content.source_time_zone);
    }

    /// Takes over a state, with the texts of its names: the row's own where it has them, else those of `brought`.
    pub fn become_state(&mut self, state: &BookingState, brought: &BTreeMap<SourceKey, String>) {
        let mut texts = brought.clone();
        texts.extend(self.texts().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key, text.to_owned())));
        let text = |key: &SourceKey| texts.get(key).cloned().unwrap_or_default();
        self.source_ids = state.keys.iter().map(text).collect();
        self.shadow_ids = state.shadows.iter().map(|shadow| text(&shadow.key)).collect();
        self.state = state.clone();
    }

    /// Forgets the person: what people saw, and every text that a source chose. In place of a text stands its pseudonym.
    pub fn forget(&mut self) {
        self.title = None;
        self.attendees = Vec::new();
        self.source_time_zone = None;
        self.source_ids = self.state.keys.iter().map(ToString::to_string).collect();
        self.shadow_ids = self.state.shadows.iter().map(|shadow| shadow.key.to_string()).collect();
    }

    /// Its names, the source's own and those of its shadows, with their texts.
    pub fn texts(&self) -> impl Iterator<Item = (SourceKey, &str)> {
        let own = self.state.keys.iter().copied().zip(&self.source_ids);
        let shadows = self.state.shadows.iter().map(|shadow| shadow.key).zip(&self.shadow_ids);
        own.chain(shadows).map(|(key, text)| (key, text.as_str()))
    }

    /// As it goes to `booking.canonical`.
    pub fn canonical(&self, resource_time_zone: Option<String>) -> CanonicalBooking {
        let shadows = self.state.shadows.iter().zip(&self.shadow_ids);
        CanonicalBooking {
            booking_id: self.state.booking_id,
            resource: self.resource.clone(),
            kind: self.state.kind,
            standing: self.state.standing,
            unit: self.state.unit,
            version: self.state.version,
            seq: self.seq,
            resource_time_zone,
            source_time_zone: self.source_time_zone.clone(),
            title: self.title.clone(),
            attendees: self.attendees.clone(),
            source: self.state.source.clone(),
            source_ids: self.source_ids.clone(),
            shadows: shadows.map(|(shadow, id)| ShadowName { source: shadow.source.clone(), id: id.clone() }).collect(),
            moved_from: self.state.moved_from.clone(),
            moved_to: self.state.moved_to.clone(),
            sourced_at: self.sourced_at,
            received_at: self.received_at,
            decided_at: self.decided_at,
        }
    }
}
