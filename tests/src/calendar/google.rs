//! As Google Calendar writes it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{After, Event, Kind, Question, Shown, rfc3339, seconds};

pub(super) fn question(path: &[&str], query: &BTreeMap<String, String>) -> Option<Question> {
    let time = |name: &str| query.get(name).map(|time| seconds(time));
    let kind = match path {
        ["calendar", "v3", "calendars", _, "events"] if query.contains_key("privateExtendedProperty") => {
            (query["privateExtendedProperty"] == "daybook=1").then_some(Kind::Marked)?
        }
        ["calendar", "v3", "calendars", _, "events"] if query.contains_key("singleEvents") => Kind::Listing,
        ["calendar", "v3", "calendars", _, "events"] => Kind::Feed(match query.get("syncToken") {
            Some(token) => Some(token.parse().ok()?),
            None => None,
        }),
        ["calendar", "v3", "calendars", _, "events", id] => Kind::One((*id).to_owned()),
        ["calendar", "v3", "calendars", _, "events", id, "instances"] => Kind::Instances((*id).to_owned()),
        _ => return None,
    };
    // What a sync token goes with is documented, and so is what it does not.
    let filtered = ["timeMin", "timeMax", "orderBy", "q", "updatedMin"].iter().any(|name| query.contains_key(*name));
    if filtered && matches!(kind, Kind::Feed(_)) {
        return None;
    }
    Some(Question {
        whose: path.get(3)?.to_string(),
        kind,
        from: time("timeMin").unwrap_or(i64::MIN),
        to: time("timeMax").unwrap_or(i64::MAX),
        after: query.get("pageToken").map(|token| token.trim_start_matches("page ").to_owned()),
    })
}

/// A series with all its exceptions, at times with these alone.
pub(super) fn feed<'a>(id: &'a str, event: &'a Event) -> Vec<Shown<'a>> {
    if event.gone && !event.hidden {
        return vec![Shown::Gone(id.to_owned(), None)];
    }
    if event.gone {
        let planned = (0..event.count.unwrap_or(0)).map(|day| event.planned(day));
        return planned.map(|planned| Shown::Gone(event.name(id, planned), Some((id, planned)))).collect();
    }
    let mut shown = if event.alone || event.hidden { Vec::new() } else { vec![Shown::Whole(id, event)] };
    if event.count.is_some() {
        let shows = |day: &i64| event.hidden || event.exceptions.contains_key(day);
        let instances = event.instances(id).into_iter().filter(|it| shows(&it.day));
        shown.extend(instances.map(|it| Shown::Instance(id, event, it)));
        let cancelled = event.exceptions.iter().filter(|(_, later)| later.is_none());
        shown.extend(cancelled.map(|(day, _)| {
            let planned = event.planned(*day);
            Shown::Gone(event.name(id, planned), Some((id, planned)))
        }));
    }
    shown
}

pub(super) fn write(shown: &Shown<'_>) -> Value {
    match shown {
        Shown::Gone(id, series) => {
            let mut gone = json!({"kind": "calendar#event", "etag": "\"0\"", "id": id, "status": "cancelled"});
            if let Some((series, planned)) = series {
                gone["recurringEventId"] = json!(series);
                gone["originalStartTime"] = json!({"dateTime": rfc3339(*planned)});
            }
            gone
        }
        Shown::Whole(id, event) => {
            let mut whole = common(id, event, event.start, event.end);
            if let Some(count) = event.count {
                whole["recurrence"] = json!([format!("RRULE:FREQ=DAILY;COUNT={count}")]);
            }
            whole
        }
        Shown::Instance(series, event, it) => {
            let mut instance = common(&it.id, event, it.start, it.end);
            if event.count.is_some() {
                instance["recurringEventId"] = json!(series);
                instance["originalStartTime"] = json!({"dateTime": rfc3339(event.planned(it.day))});
            }
            instance
        }
    }
}

/// An entry, all of it.
pub(super) fn entry(id: &str, event: &Event) -> Value {
    common(id, event, event.start, event.end)
}

fn common(id: &str, event: &Event, start: i64, end: i64) -> Value {
    let mut common = plain(id, event, start, end);
    if let Some(ours) = &event.ours {
        common["summary"] = json!(ours.title);
        common["description"] = json!(ours.text);
        common["extendedProperties"] = json!({"private": {
            "daybook_booking_id": ours.booking, "daybook_version": ours.version.to_string(),
        }});
        if ours.marked {
            common["extendedProperties"]["private"]["daybook"] = json!("1");
        }
    }
    common
}

fn plain(id: &str, event: &Event, start: i64, end: i64) -> Value {
    let attendee = |email: &String| json!({"email": email, "responseStatus": "accepted"});
    json!({
        "kind": "calendar#event", "etag": format!("\"{}\"", event.changed), "id": id, "status": "confirmed",
        "updated": event.stamp(), "summary": "Her knee", "iCalUID": format!("{id}@google.com"),
        "start": {"dateTime": rfc3339(start), "timeZone": "UTC"}, "end": {"dateTime": rfc3339(end), "timeZone": "UTC"},
        "attendees": event.attendees.iter().map(attendee).collect::<Vec<_>>(),
        "transparency": if event.free { "transparent" } else { "opaque" },
    })
}

pub(super) fn page(items: &[Value], after: &After) -> Value {
    let mut page = json!({"kind": "calendar#events", "timeZone": "UTC", "items": items});
    match after {
        After::Page(key) => page["nextPageToken"] = json!(format!("page {key}")),
        After::Mark(clock) => page["nextSyncToken"] = json!(clock.to_string()),
        After::Nothing => {}
    }
    page
}

pub(super) fn error(status: u16) -> String {
    let reason = match status {
        403 => "userRateLimitExceeded",
        404 => "notFound",
        410 => "fullSyncRequired",
        429 => "rateLimitExceeded",
        _ => "backendError",
    };
    json!({"error": {"code": status, "message": "x", "errors": [{"domain": "x", "reason": reason}]}}).to_string()
}
