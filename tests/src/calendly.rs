//! Calendly, as its webhooks are: every field of the payloads that it sends, and its reschedule in two halves.

use daybook_domain::Timestamp;
use serde_json::{Value, json};

use crate::people::{Person, mark, marked, next_number};

/// A host: what Calendly calls one of our resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The user's URI, which is an alias.
    pub uri: String,
    /// The user's address, which is one too.
    pub email: String,
    /// Shown to invitees.
    pub name: String,
}

impl Host {
    /// A host of its own.
    pub fn invent() -> Self {
        let id = format!("{}-{}", mark(), next_number());
        Self {
            uri: format!("https://api.calendly.com/users/{id}"),
            email: format!("host.{id}@office.example"),
            name: format!("Host {id}"),
        }
    }

    /// A host with a name, for people to read. `id` must be new.
    pub fn named(name: &str, id: &str) -> Self {
        let local = name.to_lowercase().replace(' ', ".");
        Self {
            uri: format!("https://api.calendly.com/users/{id}"),
            email: format!("{local}.{id}@office.example"),
            name: name.to_owned(),
        }
    }
}

/// One invitee of one scheduled event: one booking, as Calendly knows it.
#[derive(Debug, Clone)]
pub struct Invitee {
    /// Who invited themselves.
    pub person: Person,
    /// Whose time.
    pub host: Host,
    /// The scheduled event's name.
    pub title: String,
    /// From.
    pub start: Timestamp,
    /// Up to.
    pub end: Timestamp,
    /// The invitee's display zone.
    pub time_zone: String,
    /// When the booking was made, by Calendly's clock.
    pub created_at: Timestamp,
    /// When it was last changed: its version.
    pub updated_at: Timestamp,
    /// The invitee that this one replaces.
    pub old_invitee: Option<String>,
    event_id: String,
    invitee_id: String,
}

impl Invitee {
    /// A booking that nobody has heard of yet.
    pub fn new(host: &Host, person: Person, start: Timestamp, end: Timestamp, created_at: Timestamp) -> Self {
        Self {
            title: marked("First consultation"),
            host: host.clone(),
            person,
            start,
            end,
            time_zone: "America/Los_Angeles".to_owned(),
            created_at,
            updated_at: created_at,
            old_invitee: None,
            event_id: format!("ev-{}-{}", mark(), next_number()),
            invitee_id: format!("in-{}-{}", mark(), next_number()),
        }
    }

    /// With another title.
    pub fn titled(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    /// The invitee's URI: what Calendly calls this booking.
    pub fn uri(&self) -> String {
        format!("{}/invitees/{}", self.event_uri(), self.invitee_id)
    }

    fn event_uri(&self) -> String {
        format!("https://api.calendly.com/scheduled_events/{}", self.event_id)
    }

    /// `invitee.created`.
    pub fn created(&self) -> Value {
        self.envelope("invitee.created", &self.payload("active", &Value::Null, None))
    }

    /// `invitee.canceled`, and nothing comes instead. `at` is when.
    pub fn canceled(&self, at: Timestamp) -> Value {
        let mut last = self.clone();
        last.updated_at = at;
        last.envelope("invitee.canceled", &last.payload("canceled", &last.cancellation(), None))
    }

    /// The same customer at another time: `invitee.canceled` of this invitee, and the new one, whose `created` is the
    /// other half. Both bear the same time, as Calendly's do.
    pub fn moved(&self, start: Timestamp, end: Timestamp, at: Timestamp) -> (Value, Self) {
        let mut new = Self::new(&self.host, self.person.clone(), start, end, at).titled(&self.title);
        new.old_invitee = Some(self.uri());
        let mut old = self.clone();
        old.updated_at = at;
        let half = old.envelope("invitee.canceled", &old.payload("canceled", &old.cancellation(), Some(&new.uri())));
        (half, new)
    }

    fn cancellation(&self) -> Value {
        json!({
            "canceled_by": self.person.name,
            "canceler_type": "invitee",
            "created_at": micros(self.updated_at),
            "reason": marked("my dentist called"),
        })
    }

    fn envelope(&self, event: &str, payload: &Value) -> Value {
        json!({
            // Calendly stamps the envelope when it sends, which may be days later.
            "created_at": micros(self.updated_at.plus(std::time::Duration::from_millis(750))),
            "created_by": self.host.uri,
            "event": event,
            "payload": payload,
        })
    }

    fn payload(&self, status: &str, cancellation: &Value, new_invitee: Option<&str>) -> Value {
        let mut payload = json!({
            "cancel_url": format!("https://calendly.com/cancellations/{}", self.invitee_id),
            "created_at": micros(self.created_at),
            "email": self.person.email,
            "event": self.event_uri(),
            "first_name": null,
            "invitee_scheduled_by": null,
            "last_name": null,
            "name": self.person.name,
            "new_invitee": new_invitee,
            "no_show": null,
            "old_invitee": self.old_invitee,
            "payment": null,
            "questions_and_answers": [
                {"answer": marked("My knee hurts"), "position": 0, "question": "What is it about?"}
            ],
            "reconfirmation": null,
            "reschedule_url": format!("https://calendly.com/reschedulings/{}", self.invitee_id),
            "rescheduled": new_invitee.is_some(),
            "routing_form_submission": null,
            "scheduled_event": self.scheduled_event(status, cancellation),
            "scheduling_method": null,
            "status": status,
            "text_reminder_number": self.person.phone,
            "timezone": self.time_zone,
            "tracking": {
                "utm_campaign": null,
                "utm_source": null,
                "utm_medium": null,
                "utm_content": null,
                "utm_term": null,
                "salesforce_uuid": null,
            },
            "updated_at": micros(self.updated_at),
            "uri": self.uri(),
        });
        if !cancellation.is_null() {
            payload["cancellation"] = cancellation.clone();
        }
        payload
    }

    fn scheduled_event(&self, status: &str, cancellation: &Value) -> Value {
        let mut event = json!({
            "created_at": micros(self.created_at),
            "end_time": micros(self.end),
            "event_guests": [],
            "event_memberships": [
                {"user": self.host.uri, "user_email": self.host.email, "user_name": self.host.name}
            ],
            "event_type": "https://api.calendly.com/event_types/first-consultation",
            "invitees_counter": {"total": 1, "active": i32::from(status == "active"), "limit": 1},
            "location": {
                "data": {"id": 81_000_000_001_u64, "settings": {}, "password": marked("pw"), "extra": null},
                "join_url": format!("https://meet.example/j/{}", self.event_id),
                "status": "pushed",
                "type": "zoom",
            },
            "meeting_notes_html": null,
            "meeting_notes_plain": null,
            "name": self.title,
            "start_time": micros(self.start),
            "status": status,
            "updated_at": micros(self.updated_at),
            "uri": self.event_uri(),
        });
        if !cancellation.is_null() {
            event["cancellation"] = cancellation.clone();
        }
        event
    }
}

/// Calendly writes six digits after the second, always.
fn micros(time: Timestamp) -> String {
    chrono::DateTime::<chrono::Utc>::from(time).format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn invitee() -> Invitee {
        let (start, end) = (at("2027-03-04T09:00:00Z"), at("2027-03-04T09:30:00Z"));
        Invitee::new(&Host::invent(), Person::invent(), start, end, at("2027-03-01T00:00:00Z"))
    }

    #[test]
    fn the_two_halves_of_a_reschedule_name_each_other() {
        let old = invitee();
        let (half, new) = old.moved(at("2027-03-05T09:00:00Z"), at("2027-03-05T09:30:00Z"), at("2027-03-02T00:00:00Z"));
        let created = new.created();
        assert_eq!(half["payload"]["rescheduled"], true);
        assert_eq!(half["payload"]["new_invitee"], created["payload"]["uri"]);
        assert_eq!(created["payload"]["old_invitee"], half["payload"]["uri"]);
        assert_eq!(created["payload"]["rescheduled"], false);
        assert_ne!(half["payload"]["event"], created["payload"]["event"]);
    }

    #[test]
    fn a_cancellation_is_told_twice_and_is_newer_than_the_creation() {
        let canceled = invitee().canceled(at("2027-03-02T00:00:00Z"));
        assert_eq!(canceled["payload"]["cancellation"], canceled["payload"]["scheduled_event"]["cancellation"]);
        assert_eq!(canceled["payload"]["updated_at"], "2027-03-02T00:00:00.000000Z");
        assert_eq!(canceled["payload"]["created_at"], "2027-03-01T00:00:00.000000Z");
    }
}
