//! How each tool is asked, and what it answers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use daybook_domain::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{Asked, Kept, Question, Write};

/// Whose way of writing it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Acuity Scheduling's. The number of a type of appointment is how many minutes it takes.
    Acuity,
    /// Cal.com's.
    CalCom,
    /// Calendly's, which takes cancellations and nothing else.
    Calendly,
    /// HubSpot's.
    HubSpot,
    /// Zendesk's.
    Zendesk,
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn text(value: &Value, path: &str) -> Option<String> {
    value.pointer(path).and_then(Value::as_str).map(str::to_owned)
}

fn time(value: &Value, path: &str) -> Option<Timestamp> {
    let text = text(value, path)?;
    let with_offset = || DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%z").ok();
    text.parse().ok().or_else(|| Timestamp::try_from(with_offset()?.to_utc()).ok())
}

fn after(start: Timestamp, minutes: u64) -> Timestamp {
    start.plus(std::time::Duration::from_secs(60 * minutes))
}

/// The booking that an address of a client is of.
fn local_part(address: &str) -> String {
    address.split('@').next().unwrap_or_default().to_owned()
}

impl Dialect {
    pub(super) fn id(self, number: u64) -> String {
        match self {
            Self::Acuity | Self::HubSpot | Self::Zendesk => format!("{}", 9_000_000 + number),
            Self::CalCom | Self::Calendly => format!("written-{number}"),
        }
    }

    /// Whether what is over can still be changed, and so be brought back.
    pub(super) const fn takes_late_changes(self) -> bool {
        match self {
            Self::Acuity | Self::CalCom | Self::Calendly => false,
            Self::HubSpot | Self::Zendesk => true,
        }
    }

    /// Whether it stands in lists.
    pub(super) const fn lists(self, kept: &Kept) -> bool {
        match self {
            Self::Acuity => !kept.ended,
            Self::CalCom | Self::Calendly | Self::HubSpot | Self::Zendesk => true,
        }
    }

    pub(super) fn question(self, asked: &Asked<'_>) -> Question {
        let (path, query) = asked.target.split_once('?').unwrap_or((asked.target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let query: BTreeMap<String, String> = pairs.map(|(name, value)| (decode(name), decode(value))).collect();
        let path: Vec<String> = path.trim_start_matches('/').split('/').map(decode).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let question = match self {
            Self::Acuity => acuity(asked, &path, &query),
            Self::CalCom if asked.header("cal-api-version") == Some("2024-08-13") => calcom(asked, &path, &query),
            Self::CalCom => None,
            Self::Calendly => calendly(asked, &path),
            Self::HubSpot => hubspot(asked, &path, &query),
            Self::Zendesk => zendesk(asked, &path, &query),
        };
        question.unwrap_or(Question::Refused(400))
    }

    pub(super) fn one(self, kept: &Kept) -> Value {
        match self {
            Self::Acuity | Self::HubSpot => entry(self, kept),
            Self::CalCom => json!({ "status": "success", "data": entry(self, kept) }),
            Self::Calendly => json!({ "resource": entry(self, kept) }),
            Self::Zendesk => json!({ "ticket": entry(self, kept) }),
        }
    }

    /// What is answered to whoever has ended it.
    pub(super) fn ended(self, kept: &Kept) -> Value {
        match self {
            Self::Calendly => {
                json!({ "resource": { "canceled_by": "Daybook", "canceler_type": "host", "reason": "" } })
            }
            Self::Acuity | Self::CalCom | Self::HubSpot | Self::Zendesk => self.one(kept),
        }
    }

    pub(super) fn list(self, kept: Vec<&Kept>) -> Value {
        let entries: Vec<Value> = kept.into_iter().map(|kept| entry(self, kept)).collect();
        match self {
            Self::Acuity | Self::Calendly | Self::HubSpot => json!(entries),
            Self::CalCom => json!({ "status": "success", "data": entries, "pagination": {} }),
            Self::Zendesk => json!({ "tickets": entries, "count": entries.len(), "next_page": null }),
        }
    }
}

fn acuity(asked: &Asked<'_>, path: &[&str], query: &BTreeMap<String, String>) -> Option<Question> {
    let body = &asked.body;
    let is = |name: &str| query.get(name).is_some_and(|value| value == "true");
    // Whoever forgets one of them has written to a customer.
    let quiet = is("admin") && is("noEmail");
    match (asked.method, path) {
        ("POST", ["api", "v1", "appointments"]) if quiet => {
            body["calendarID"].as_u64()?;
            let start = time(body, "/datetime")?;
            Some(Question::Write(Write::Create(Kept {
                id: String::new(),
                booking: local_part(&text(body, "/email")?),
                version: None,
                start,
                end: after(start, body["appointmentTypeID"].as_u64()?),
                title: text(body, "/notes")?,
                person: text(body, "/firstName")?,
                ended: false,
                next: None,
            })))
        }
        ("PUT", ["api", "v1", "appointments", id, "reschedule"]) if quiet => {
            let start = time(body, "/datetime")?;
            let change = move |kept: &mut Kept| {
                let length = kept.end.since(kept.start);
                (kept.start, kept.end) = (start, start.plus(length));
            };
            Some(Question::Write(Write::Change((*id).to_owned(), Box::new(change), false)))
        }
        ("PUT", ["api", "v1", "appointments", id, "cancel"]) if quiet => {
            Some(Question::Write(Write::End((*id).to_owned(), None)))
        }
        ("GET", ["api", "v1", "appointments", id]) => Some(Question::One((*id).to_owned())),
        ("GET", ["api", "v1", "appointments"]) => Some(Question::Of(local_part(query.get("email")?))),
        _ => None,
    }
}

fn calcom(asked: &Asked<'_>, path: &[&str], query: &BTreeMap<String, String>) -> Option<Question> {
    let body = &asked.body;
    match (asked.method, path) {
        ("POST", ["v2", "bookings"]) => {
            body["eventTypeId"].as_u64()?;
            let start = time(body, "/start")?;
            Some(Question::Write(Write::Create(Kept {
                id: String::new(),
                booking: local_part(&text(body, "/attendee/email")?),
                version: None,
                start,
                end: after(start, body["lengthInMinutes"].as_u64()?),
                title: text(body, "/metadata/daybook_title")?,
                person: text(body, "/attendee/name")?,
                ended: false,
                next: None,
            })))
        }
        ("POST", ["v2", "bookings", uid, "reschedule"]) => {
            let start = time(body, "/start")?;
            let change = move |kept: &mut Kept| {
                let length = kept.end.since(kept.start);
                (kept.start, kept.end) = (start, start.plus(length));
            };
            Some(Question::Write(Write::Change((*uid).to_owned(), Box::new(change), true)))
        }
        ("POST", ["v2", "bookings", uid, "cancel"]) => Some(Question::Write(Write::End((*uid).to_owned(), None))),
        ("GET", ["v2", "bookings", uid]) => Some(Question::One((*uid).to_owned())),
        ("GET", ["v2", "bookings"]) => Some(Question::Of(local_part(query.get("attendeeEmail")?))),
        _ => None,
    }
}

fn zendesk(asked: &Asked<'_>, path: &[&str], query: &BTreeMap<String, String>) -> Option<Question> {
    let ticket = &asked.body["ticket"];
    let version = || {
        let tags = ticket["tags"].as_array()?.iter().filter_map(Value::as_str);
        tags.filter_map(|tag| tag.strip_prefix("daybook_version_")).find_map(|version| version.parse::<u64>().ok())
    };
    let cancelled = || ticket["tags"].as_array().is_some_and(|tags| tags.contains(&json!("daybook_cancelled")));
    match (asked.method, path) {
        ("POST", ["api", "v2", "tickets"]) => {
            asked.header("idempotency-key")?;
            let start = time(ticket, "/due_at")?;
            Some(Question::Write(Write::Create(Kept {
                id: String::new(),
                booking: text(ticket, "/external_id")?,
                version: Some(version()?),
                start,
                end: start,
                title: text(ticket, "/subject")?,
                person: text(ticket, "/comment/body")?,
                ended: false,
                next: None,
            })))
        }
        ("PUT", ["api", "v2", "tickets", id]) if cancelled() => {
            Some(Question::Write(Write::End((*id).to_owned(), version())))
        }
        ("PUT", ["api", "v2", "tickets", id]) => {
            let (start, version, title) = (time(ticket, "/due_at")?, Some(version()?), text(ticket, "/subject")?);
            let change = move |kept: &mut Kept| {
                (kept.start, kept.end, kept.version, kept.title) = (start, start, version, title);
            };
            Some(Question::Write(Write::Change((*id).to_owned(), Box::new(change), false)))
        }
        ("GET", ["api", "v2", "tickets", id]) => Some(Question::One((*id).to_owned())),
        ("GET", ["api", "v2", "tickets"]) => Some(Question::Of(query.get("external_id")?.clone())),
        _ => None,
    }
}

fn calendly(asked: &Asked<'_>, path: &[&str]) -> Option<Question> {
    match (asked.method, path) {
        ("GET", ["scheduled_events", event] | ["scheduled_events", event, "invitees", _]) => {
            Some(Question::One((*event).to_owned()))
        }
        ("POST", ["scheduled_events", event, "cancellation"]) => {
            (!text(&asked.body, "/reason")?.is_empty()).then_some(())?;
            Some(Question::Write(Write::End((*event).to_owned(), None)))
        }
        _ => None,
    }
}

fn hubspot(asked: &Asked<'_>, path: &[&str], query: &BTreeMap<String, String>) -> Option<Question> {
    let body = &asked.body;
    let by_ours = query.get("idProperty").is_some_and(|property| property == "daybook_booking_id");
    match (asked.method, path) {
        ("POST", ["crm", "v3", "objects", "meetings", "batch", "upsert"]) => {
            let input = body.pointer("/inputs/0")?;
            let booking = text(input, "/id")?;
            (text(input, "/idProperty")? == "daybook_booking_id").then_some(())?;
            (text(input, "/properties/daybook_booking_id")? == booking).then_some(())?;
            text(input, "/properties/hubspot_owner_id")?;
            Some(Question::Write(Write::Upsert(Kept {
                id: String::new(),
                booking,
                version: text(input, "/properties/daybook_version")?.parse().ok(),
                start: time(input, "/properties/hs_meeting_start_time")?,
                end: time(input, "/properties/hs_meeting_end_time")?,
                title: text(input, "/properties/hs_meeting_title")?,
                person: text(input, "/properties/hs_meeting_body")?,
                ended: text(input, "/properties/hs_meeting_outcome")? == "CANCELED",
                next: None,
            })))
        }
        ("PATCH", ["crm", "v3", "objects", "meetings", booking]) if by_ours => {
            (text(body, "/properties/hs_meeting_outcome")? == "CANCELED").then_some(())?;
            let version = text(body, "/properties/daybook_version")?.parse().ok();
            Some(Question::Write(Write::EndOf((*booking).to_owned(), version)))
        }
        ("GET", ["crm", "v3", "objects", "meetings", booking]) if by_ours => {
            Some(Question::OneOf((*booking).to_owned()))
        }
        ("POST", ["crm", "v3", "objects", "contacts", "batch", "upsert"]) => {
            let inputs = body["inputs"].as_array()?.iter();
            Some(Question::Contacts(inputs.map(|input| text(input, "/id")).collect::<Option<_>>()?))
        }
        ("POST", ["crm", "v4", "associations", "meetings", "contacts", "batch", "associate", "default"]) => {
            let inputs = body["inputs"].as_array()?.iter();
            let links = inputs.map(|input| Some((text(input, "/from/id")?, text(input, "/to/id")?)));
            Some(Question::Links(links.collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// What a batch of one is answered that was done.
pub(super) fn batch(kept: &Kept) -> Value {
    json!({ "status": "COMPLETE", "results": [entry(Dialect::HubSpot, kept)] })
}

/// And one that was not.
pub(super) fn partial() -> Value {
    json!({ "status": "COMPLETE", "results": [], "numErrors": 1, "errors": [
        { "status": "error", "category": "CONFLICT", "message": "somebody is at work on it" },
    ] })
}

/// The contacts of these addresses, which are there or are made; what is no address is refused.
pub(super) fn contacts(emails: &[String]) -> Value {
    let (sound, wrong): (Vec<&String>, Vec<&String>) = emails.iter().partition(|email| email.contains('@'));
    let results: Vec<Value> =
        sound.iter().map(|email| json!({ "id": format!("contact-of-{email}"), "new": true })).collect();
    let errors: Vec<Value> = wrong.iter().map(|_| json!({ "category": "VALIDATION_ERROR" })).collect();
    json!({ "status": "COMPLETE", "results": results, "errors": errors })
}

fn entry(dialect: Dialect, kept: &Kept) -> Value {
    let minutes = kept.end.since(kept.start).as_secs() / 60;
    match dialect {
        Dialect::Acuity => json!({
            "id": kept.id.parse::<u64>().unwrap_or_default(), "firstName": kept.person, "lastName": "-",
            "email": format!("{}@bookings.example", kept.booking), "phone": "", "calendarID": 7,
            "datetime": DateTime::<Utc>::from(kept.start).format("%Y-%m-%dT%H:%M:%S+0000").to_string(),
            "duration": minutes.to_string(), "canceled": kept.ended, "notes": kept.title,
        }),
        Dialect::CalCom => json!({
            "uid": kept.id, "status": if kept.ended { "cancelled" } else { "accepted" },
            "start": kept.start.to_string(), "end": kept.end.to_string(), "duration": minutes,
            "attendees": [{ "name": kept.person, "email": format!("{}@bookings.example", kept.booking) }],
            "metadata": { "daybook_booking": kept.booking }, "rescheduledToUid": kept.next,
        }),
        // The event and its one invitee in one.
        Dialect::Calendly => json!({
            "status": if kept.ended { "canceled" } else { "active" },
            "start_time": kept.start.to_string(), "end_time": kept.end.to_string(),
            "invitees_counter": { "total": 1, "active": u8::from(!kept.ended), "limit": 1 },
        }),
        Dialect::HubSpot => json!({
            "id": kept.id, "properties": {
                "daybook_booking_id": kept.booking, "daybook_version": kept.version.map(|version| version.to_string()),
                "hs_meeting_title": kept.title, "hs_meeting_start_time": kept.start.to_string(),
                "hs_meeting_end_time": kept.end.to_string(),
                "hs_meeting_outcome": if kept.ended { "CANCELED" } else { "SCHEDULED" },
            },
        }),
        Dialect::Zendesk => {
            let version = kept.version.map_or(Value::Null, |version| json!(format!("daybook_version_{version}")));
            let mut tags = vec![json!("daybook"), version];
            if kept.ended {
                tags.push(json!("daybook_cancelled"));
            }
            json!({
                "id": kept.id.parse::<u64>().unwrap_or_default(), "external_id": kept.booking, "subject": kept.title,
                "due_at": kept.start.to_string(), "tags": tags, "status": if kept.ended { "solved" } else { "open" },
            })
        }
    }
}
