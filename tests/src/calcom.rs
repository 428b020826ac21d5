//! Cal.com, as its webhooks are: a scheduler that nobody has coded for, read by its description.

use daybook_domain::Timestamp;
use serde_json::{Value, json};

use crate::calendly::Host;
use crate::people::{Person, mark, marked, next_number};

/// One booking, as Cal.com knows it. A reschedule makes another one of it.
#[derive(Debug, Clone)]
pub struct SiteBooking {
    /// What Cal.com calls it.
    pub uid: String,
    /// Whose time.
    pub host: Host,
    /// Who booked.
    pub person: Person,
    /// The type of event.
    pub title: String,
    /// From.
    pub start: Timestamp,
    /// Up to.
    pub end: Timestamp,
    /// When the webhook is made.
    pub created_at: Timestamp,
    /// The booking that this one replaces.
    pub replaces: Option<String>,
    ical_uid: String,
}

impl SiteBooking {
    /// A booking that nobody has heard of yet.
    pub fn new(host: &Host, person: Person, start: Timestamp, end: Timestamp, created_at: Timestamp) -> Self {
        let uid = format!("site-{}-{}", mark(), next_number());
        Self {
            ical_uid: format!("{uid}@site.example"),
            uid,
            host: host.clone(),
            person,
            title: marked("Site visit"),
            start,
            end,
            created_at,
            replaces: None,
        }
    }

    /// The same customer at another time: a booking of another name.
    pub fn moved(&self, start: Timestamp, end: Timestamp, at: Timestamp) -> Self {
        let uid = format!("site-{}-{}", mark(), next_number());
        Self { uid, start, end, created_at: at, replaces: Some(self.uid.clone()), ..self.clone() }
    }

    /// A delivery about it, as it is.
    pub fn delivery(&self, trigger: &str) -> Value {
        self.envelope(trigger, self.created_at, &json!({}))
    }

    /// `BOOKING_CANCELLED`; `asks` if the host wants the customer to choose another time.
    pub fn cancelled(&self, at: Timestamp, asks: bool) -> Value {
        let more = json!({
            "cancellationReason": marked("something came up"), "requestReschedule": asks, "status": "CANCELLED",
            "price": null, "requiresConfirmation": null,
        });
        self.envelope("BOOKING_CANCELLED", at, &more)
    }

    fn envelope(&self, trigger: &str, at: Timestamp, more: &Value) -> Value {
        let language = json!({"locale": "en"});
        let mut payload = json!({
            "type": "visit", "title": self.title, "eventTitle": self.title, "eventTypeId": 77, "length": 30,
            "startTime": self.start.to_string(), "endTime": self.end.to_string(),
            "organizer": {
                "id": 11, "name": self.host.name, "email": self.host.email, "username": format!("host-{}", mark()),
                "timeZone": "Europe/Berlin", "language": language, "timeFormat": "h:mma", "utcOffset": 60,
            },
            "attendees": [{
                "name": self.person.name, "email": self.person.email, "phoneNumber": self.person.phone,
                "timeZone": "America/New_York", "language": language, "utcOffset": -300,
            }],
            "uid": self.uid, "bookingId": 9001, "iCalUID": self.ical_uid, "iCalSequence": 0,
            "location": "integrations:daily", "destinationCalendar": [], "status": "ACCEPTED", "metadata": {},
        });
        if let Some(replaced) = &self.replaces {
            payload["rescheduleUid"] = json!(replaced);
        }
        for (name, value) in more.as_object().into_iter().flatten() {
            payload[name] = value.clone();
        }
        json!({"triggerEvent": trigger, "createdAt": at.to_string(), "payload": payload})
    }
}
