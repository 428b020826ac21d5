//! How each tool is asked, and what it answers.

use std::collections::BTreeMap;

use daybook_domain::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{Booked, Fault, ORGANIZATION, PAGE};
use crate::people::{mark, marked};

/// Whose way of writing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Acuity Scheduling's.
    Acuity,
    /// Cal.com's.
    CalCom,
    /// Calendly's.
    Calendly,
    /// HubSpot's.
    HubSpot,
}

/// What is asked.
#[derive(Debug)]
pub(super) enum Question {
    /// One booking.
    One(String),
    /// Its invitees.
    Invitees(String),
    /// Those of which this is true, behind that many.
    List { only: Only, skip: usize, size: usize },
}

impl Question {
    /// The one that is asked for.
    pub(super) fn id(&self) -> Option<&str> {
        match self {
            Self::One(id) | Self::Invitees(id) => Some(id),
            Self::List { .. } => None,
        }
    }
}

/// Which are listed.
#[derive(Debug)]
pub(super) struct Only {
    cancelled: Option<bool>,
    starts: Option<(Timestamp, Timestamp)>,
    created: Option<Timestamp>,
    changed: Option<Timestamp>,
}

impl Only {
    fn has(&self, booked: &Booked) -> bool {
        self.cancelled.is_none_or(|cancelled| booked.cancelled == cancelled)
            && self.starts.is_none_or(|(from, to)| booked.start >= from && booked.start <= to)
            && self.created.is_none_or(|since| booked.created >= since)
            && self.changed.is_none_or(|since| booked.changed >= since)
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn micros(time: Timestamp) -> String {
    chrono::DateTime::<chrono::Utc>::from(time).format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

impl Dialect {
    /// Whether a booking that moves is the same one still.
    pub(super) const fn keeps_ids(self) -> bool {
        matches!(self, Self::Acuity | Self::HubSpot)
    }

    /// The header that says how long to wait.
    pub(super) const fn wait_header(self) -> &'static str {
        match self {
            Self::Calendly => "x-ratelimit-reset",
            Self::Acuity | Self::CalCom | Self::HubSpot => "retry-after",
        }
    }

    pub(super) fn id(self, number: u64) -> String {
        match self {
            Self::Acuity | Self::HubSpot => format!("{}", 7_000_000 + number),
            Self::CalCom => format!("uid-{}-{number}", mark()),
            Self::Calendly => format!("EV-{}-{number}", mark()),
        }
    }

    pub(super) fn question(self, target: &str, body: &[u8]) -> Option<Question> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query: BTreeMap<String, String> = pairs.map(|(name, value)| (decode(name), decode(value))).collect();
        let path: Vec<String> = path.trim_start_matches('/').split('/').map(decode).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let get = |name: &str| query.get(name).map(String::as_str);
        let time = |name: &str| get(name)?.parse::<Timestamp>().ok();
        let number = |name: &str| get(name)?.parse::<usize>().ok();
        let none = Only { cancelled: None, starts: None, created: None, changed: None };
        match (self, &*path) {
            (Self::Acuity, ["api", "v1", "appointments", id]) => Some(Question::One((*id).to_owned())),
            (Self::Acuity, ["api", "v1", "appointments"]) => {
                let day = |name: &str, clock: &str| format!("{}T{clock}Z", get(name)?).parse::<Timestamp>().ok();
                let starts = Some((day("minDate", "00:00:00")?, day("maxDate", "23:59:59")?));
                let cancelled = Some(get("canceled") == Some("true"));
                Some(Question::List { only: Only { cancelled, starts, ..none }, skip: 0, size: number("max")? })
            }
            (Self::CalCom, ["v2", "bookings", uid]) => Some(Question::One((*uid).to_owned())),
            (Self::CalCom, ["v2", "bookings"]) => {
                let cancelled = get("status").map(|status| status == "cancelled");
                let only = Only { cancelled, created: time("afterCreatedAt"), changed: time("afterUpdatedAt"), ..none };
                Some(Question::List { only, skip: number("skip")?, size: number("take")? })
            }
            (Self::Calendly, ["scheduled_events", id]) => Some(Question::One((*id).to_owned())),
            (Self::Calendly, ["scheduled_events", id, "invitees"]) => Some(Question::Invitees((*id).to_owned())),
            (Self::Calendly, ["scheduled_events"]) if get("organization") == Some(ORGANIZATION) => {
                let starts = Some((time("min_start_time")?, time("max_start_time")?));
                let cancelled = Some(get("status")? == "canceled");
                let skip = number("page_token").unwrap_or(0);
                Some(Question::List { only: Only { cancelled, starts, ..none }, skip, size: PAGE })
            }
            (Self::HubSpot, ["crm", "v3", "objects", "meetings", "search"]) => {
                let body: Value = serde_json::from_slice(body).ok()?;
                let filter = body.pointer("/filterGroups/0/filters/0")?;
                let since = Timestamp::from_millis(filter["value"].as_str()?.parse().ok()?).ok();
                let only = match filter["propertyName"].as_str()? {
                    "hs_createdate" => Only { cancelled: Some(false), created: since, ..none },
                    _ => Only { cancelled: Some(false), changed: since, ..none },
                };
                let skip = body["after"].as_str().map_or(Some(0), |after| after.parse().ok())?;
                Some(Question::List { only, skip, size: PAGE })
            }
            (Self::HubSpot, ["crm", "v3", "objects", "meetings"]) => {
                let only = Only { cancelled: Some(get("archived") == Some("true")), ..none };
                Some(Question::List { only, skip: number("after").unwrap_or(0), size: PAGE })
            }
            (Self::HubSpot, ["crm", "v3", "objects", "meetings", id]) => Some(Question::One((*id).to_owned())),
            _ => None,
        }
    }

    pub(super) fn reply(
        self,
        bookings: &BTreeMap<String, Booked>,
        question: &Question,
        fault: Option<Fault>,
    ) -> Option<Value> {
        let (only, skip, size) = match question {
            Question::One(id) => {
                // What HubSpot has archived is not found.
                let booked = bookings.get(id).filter(|booked| self != Self::HubSpot || !booked.cancelled)?;
                let one = self.write(booked);
                return Some(match self {
                    Self::Acuity | Self::HubSpot => one,
                    Self::CalCom => json!({ "status": "success", "data": one }),
                    Self::Calendly => json!({ "resource": one }),
                });
            }
            Question::Invitees(id) => {
                let invitees = [invitee(bookings.get(id)?)];
                return Some(json!({ "collection": invitees, "pagination": { "count": 1, "next_page_token": null } }));
            }
            Question::List { only, skip, size } => (only, *skip, *size),
        };
        let found: Vec<&Booked> = bookings.values().filter(|booked| only.has(booked)).collect();
        let page: Vec<Value> = found.iter().skip(skip).take(size).map(|booked| self.write(booked)).collect();
        let next = (found.len() > skip + page.len()).then(|| (skip + page.len()).to_string());
        let page: Vec<Value> = match fault {
            Some(Fault::Half) => page.into_iter().step_by(2).collect(),
            Some(Fault::Nothing) => Vec::new(),
            Some(_) | None => page,
        };
        Some(match self {
            Self::Acuity => json!(page),
            Self::CalCom => json!({ "status": "success", "data": page, "pagination": { "totalItems": found.len() } }),
            Self::Calendly => json!({ "collection": page, "pagination": { "next_page_token": next } }),
            Self::HubSpot => match next {
                Some(after) => json!({ "results": page, "paging": { "next": { "after": after } } }),
                None => json!({ "results": page }),
            },
        })
    }

    fn write(self, booked: &Booked) -> Value {
        let Booked { id, host, number, person, .. } = booked;
        let minutes = booked.end.since(booked.start).as_secs() / 60;
        match self {
            Self::Acuity => json!({
                "id": id.parse::<u64>().expect("a number"), "firstName": person.name, "lastName": mark(),
                "email": person.email, "phone": "", "calendarID": number,
                "datetime": chrono::DateTime::<chrono::Utc>::from(booked.start).format("%Y-%m-%dT%H:%M:%S+0000").to_string(),
                "duration": minutes.to_string(), "type": marked("Consultation"), "timezone": "Europe/Berlin",
                "canceled": booked.cancelled, "notes": marked("her knee"),
            }),
            Self::CalCom => json!({
                "id": 9_001, "uid": id, "title": marked("Site visit"), "status": if booked.cancelled { "cancelled" } else { "accepted" },
                "start": booked.start.to_string(), "end": booked.end.to_string(), "duration": minutes,
                "hosts": [{ "id": 11, "name": host.name, "email": host.email, "username": mark(), "timeZone": "Europe/Berlin" }],
                "attendees": [{ "name": person.name, "email": person.email, "timeZone": "America/New_York", "absent": false }],
                "createdAt": micros(booked.created), "updatedAt": micros(booked.changed),
                "rescheduledFromUid": booked.previous, "rescheduledToUid": booked.next,
                "icsUid": format!("{id}@site.example"),
            }),
            Self::Calendly => json!({
                "uri": format!("https://api.calendly.com/scheduled_events/{id}"), "name": marked("Intro call"),
                "status": if booked.cancelled { "canceled" } else { "active" },
                "start_time": micros(booked.start), "end_time": micros(booked.end),
                "created_at": micros(booked.created), "updated_at": micros(booked.changed),
                "event_memberships": [{ "user": host.uri, "user_email": host.email, "user_name": host.name }],
                "event_guests": [], "invitees_counter": { "total": 1, "active": u8::from(!booked.cancelled), "limit": 1 },
                "meeting_notes_plain": marked("a note"),
            }),
            Self::HubSpot => json!({
                "id": id, "archived": booked.cancelled,
                "createdAt": micros(booked.created), "updatedAt": micros(booked.changed),
                "properties": {
                    "hs_meeting_title": marked("Demo"), "hs_meeting_start_time": booked.start.to_string(),
                    "hs_meeting_end_time": booked.end.to_string(), "hs_meeting_outcome": "SCHEDULED",
                    "hubspot_owner_id": number.to_string(), "hs_object_id": id,
                },
            }),
        }
    }
}

/// The URI of the one invitee of an event.
pub(super) fn invitee_uri(event: &str) -> String {
    format!("https://api.calendly.com/scheduled_events/{event}/invitees/I-{event}")
}

fn invitee(booked: &Booked) -> Value {
    json!({
        "uri": invitee_uri(&booked.id), "event": format!("https://api.calendly.com/scheduled_events/{}", booked.id),
        "email": booked.person.email, "name": booked.person.name, "timezone": "Asia/Calcutta",
        "status": if booked.cancelled { "canceled" } else { "active" }, "rescheduled": booked.next.is_some(),
        "old_invitee": booked.previous.as_deref().map(invitee_uri), "new_invitee": booked.next.as_deref().map(invitee_uri),
        "created_at": micros(booked.created), "updated_at": micros(booked.changed),
        "questions_and_answers": [{ "question": "Why?", "answer": marked("her knee"), "position": 0 }],
        "cancel_url": format!("https://calendly.com/cancellations/{}", mark()),
    })
}

impl Booked {
    /// What Calendly's webhooks said of a new booking before 2023: where its event is, and nothing of it.
    pub fn told_of_old(&self) -> Value {
        let uri = invitee_uri(&self.id);
        let event = format!("https://api.calendly.com/scheduled_events/{}", self.id);
        let payload = json!({
            "uri": uri, "event": event, "email": self.person.email, "name": self.person.name, "status": "active",
            "created_at": micros(self.created), "updated_at": micros(self.changed),
        });
        json!({ "event": "invitee.created", "created_at": micros(self.created), "payload": payload })
    }
}
