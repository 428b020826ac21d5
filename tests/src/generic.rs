//! Systems that send Daybook's own documented JSON, signed by Standard Webhooks.

use daybook_domain::Timestamp;
use serde_json::{Value, json};

use crate::people::{Person, mark, marked, next_number};

/// One booking, as its system knows it.
#[derive(Debug, Clone)]
pub struct Appointment {
    /// What its system calls it.
    pub id: String,
    /// What its system calls our resource.
    pub resource: String,
    /// Who comes.
    pub person: Person,
    /// What people see.
    pub title: String,
    /// From.
    pub start: Timestamp,
    /// Up to.
    pub end: Timestamp,
    /// Its system's counter of its states.
    pub version: u64,
}

impl Appointment {
    /// A booking that nobody has heard of yet.
    pub fn new(resource: &str, person: Person, start: Timestamp, end: Timestamp) -> Self {
        Self {
            id: format!("bk-{}-{}", mark(), next_number()),
            resource: resource.to_owned(),
            person,
            title: marked("Site visit"),
            start,
            end,
            version: 1,
        }
    }

    /// With another title.
    pub fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    /// `booking.created`.
    pub fn created(&self) -> Value {
        self.event("booking.created")
    }

    /// `booking.rescheduled`, with the appointment as it is then.
    pub fn rescheduled(&self, start: Timestamp, end: Timestamp) -> (Value, Self) {
        let moved = Self { start, end, version: self.version + 1, ..self.clone() };
        (moved.event("booking.rescheduled"), moved)
    }

    /// `booking.cancelled`.
    pub fn cancelled(&self) -> Value {
        json!({
            "type": "booking.cancelled",
            "id": self.id,
            "version": self.version + 1,
            "resource": self.resource,
        })
    }

    fn event(&self, kind: &str) -> Value {
        json!({
            "type": kind,
            "id": self.id,
            "version": self.version,
            "resource": self.resource,
            "start": self.start.to_string(),
            "end": self.end.to_string(),
            "title": self.title,
            "attendees": [{"name": self.person.name, "email": self.person.email, "phone": self.person.phone}],
        })
    }
}

/// A body of these events.
pub fn body(events: &[Value]) -> Value {
    json!({ "events": events })
}
