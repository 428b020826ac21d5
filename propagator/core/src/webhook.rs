//! A booking as a signed message (Standard Webhooks 1.0), and what the receiver's answer means.
//!
//! `POST` to the target's address, `content-type: application/json`:
//!
//! | field | |
//! |---|---|
//! | `type` | `booking.confirmed`, `booking.awaiting_replacement` or `booking.cancelled`: the state, not the change |
//! | `booking_id` | the booking, for life |
//! | `version` | rises with every change; versions may be skipped; ignore one that is not above the newest you hold |
//! | `resource_id` | whose time |
//! | `status` | `confirmed`, `awaiting_replacement` or `cancelled` |
//! | `start`, `end` | RFC 3339 in UTC; of a cancelled booking the last interval it had, if it had one |
//! | `decided_at` | RFC 3339 in UTC |
//! | `time_zone` | IANA name for showing `start` and `end`, if the resource has one |
//! | `title` | only for targets that may know it |
//! | `attendees`, `source_time_zone` | only for targets that may know them; each attendee has `name`, `email`, `phone`, as known |
//!
//! Fields without a value are left out. `webhook-id` and `Idempotency-Key` are the same for every attempt to deliver one
//! version to one target, and differ otherwise; `webhook-timestamp` is the time of the attempt; `webhook-signature`
//! holds one `v1,…` for every secret in force. The receiver answers 2xx when it has the message, and 410 when it wants
//! no more of them.

use daybook_domain::{Attendee, BookingId, Interval, TargetName, Timestamp};
use daybook_wire::standard_webhooks::{Secret, sign};
use serde::Serialize;
use uuid::Uuid;

use crate::verdict::{Effect, leaves_doubt, refusal, reply};
use crate::{Answer, Call, Conclusion, Known, Method, Reason, Removal, Trouble, Verdict, Visible, VisibleStatus};

/// The name space of message ids: a UUID drawn once, never to be changed.
const MESSAGES: Uuid = Uuid::from_u128(0x5e0d_3c71_8ba4_5f26_b9d7_41f8_0a6c_e293);

/// A message to one target. `Debug` shows its id only.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    id: String,
    booking_id: BookingId,
    removes: bool,
    body: Vec<u8>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({})", self.id)
    }
}

/// The message's body. Its field names are a contract with receivers: they may be added to, never changed.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    booking_id: String,
    version: u64,
    resource_id: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    decided_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attendees: Vec<Person<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_time_zone: Option<&'a str>,
}

#[derive(Serialize)]
struct Person<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<&'a str>,
}

impl Message {
    /// The message that shows a live booking.
    pub fn show(visible: &Visible, target: &TargetName) -> Self {
        let (r#type, status) = match visible.status {
            VisibleStatus::Confirmed => ("booking.confirmed", "confirmed"),
            VisibleStatus::Awaiting => ("booking.awaiting_replacement", "awaiting_replacement"),
        };
        let body = Body {
            r#type,
            booking_id: visible.booking_id.to_string(),
            version: visible.version,
            resource_id: visible.resource.as_str(),
            status,
            start: Some(visible.interval.start().to_string()),
            end: Some(visible.interval.end().to_string()),
            decided_at: visible.decided_at.to_string(),
            time_zone: visible.resource_time_zone.as_deref(),
            title: visible.title.as_deref(),
            attendees: visible.attendees.iter().map(person).collect(),
            source_time_zone: visible.source_time_zone.as_deref(),
        };
        Self::new(visible.booking_id, visible.version, target, false, &body)
    }

    /// The message that a booking is gone.
    pub fn remove(removal: &Removal, target: &TargetName) -> Self {
        let time = |pick: fn(&Interval) -> Timestamp| removal.last.as_ref().map(|last| pick(last).to_string());
        let body = Body {
            r#type: "booking.cancelled",
            booking_id: removal.booking_id.to_string(),
            version: removal.version,
            resource_id: removal.resource.as_str(),
            status: "cancelled",
            start: time(Interval::start),
            end: time(Interval::end),
            decided_at: removal.decided_at.to_string(),
            time_zone: removal.resource_time_zone.as_deref(),
            title: None,
            attendees: Vec::new(),
            source_time_zone: None,
        };
        Self::new(removal.booking_id, removal.version, target, true, &body)
    }

    fn new(booking_id: BookingId, version: u64, target: &TargetName, removes: bool, body: &Body<'_>) -> Self {
        // None of the three can hold a colon, so the parts cannot run into each other.
        let name = format!("{booking_id}:{version}:{target}");
        let id = format!("msg_{}", Uuid::new_v5(&MESSAGES, name.as_bytes()).hyphenated());
        let body = serde_json::to_vec(body).expect("text and numbers under fixed names are always JSON");
        Self { id, booking_id, removes, body }
    }

    /// The same for every attempt to deliver this version to this target.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The call, signed with every secret in force. `now` is the time of this attempt.
    pub fn call(&self, secrets: &[Secret], now: Timestamp) -> Call {
        let seconds = now.millis() / 1_000;
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", sign(secrets, &self.id, seconds, &self.body)),
            ("idempotency-key", self.id.clone()),
        ];
        Call { method: Method::Post, path: String::new(), headers, body: self.body.clone() }
    }

    /// What the receiver's answer means. A message may be repeated as it is, for it says what it is by its id; so doubt
    /// is remembered (a later cancellation must then be told) but needs no look.
    pub fn conclude(&self, known: &Known, answer: &Answer) -> Conclusion {
        let verdict = match reply(answer, Effect::None) {
            Err(verdict) => verdict,
            Ok(reply) => match reply.status {
                200..=299 if self.removes => Verdict::Gone,
                200..=299 => Verdict::Applied { external_id: self.booking_id.to_string(), etag: None, adopted: false },
                409 => Verdict::Retryable(Trouble::Busy),
                410 => Verdict::Permanent(Reason::TargetClosed),
                _ => refusal(reply, Effect::None),
            },
        };
        let settled = matches!(verdict, Verdict::Applied { .. } | Verdict::Gone);
        let in_doubt = !settled && (leaves_doubt(answer) || matches!(known, Known::Unsure { .. }));
        Conclusion { verdict, in_doubt }
    }
}

fn person(attendee: &Attendee) -> Person<'_> {
    Person { name: attendee.name.as_deref(), email: attendee.email.as_deref(), phone: attendee.phone.as_deref() }
}

#[cfg(test)]
mod tests;
