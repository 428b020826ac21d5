//! As Microsoft Graph writes it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{After, Event, Kind, Question, Shown, decode, rfc3339, seconds};

/// Its own address in links; a reader takes the path.
const HOST: &str = "https://graph.microsoft.com";

pub(super) fn question(path: &[&str], query: &BTreeMap<String, String>) -> Option<Question> {
    let ["v1.0", "users", whose, path @ ..] = path else { return None };
    let told = query.get("$skiptoken").or_else(|| query.get("$deltatoken"));
    // Which window, since when, behind what: a link says all of it.
    let (from, to, since, after) = match told {
        Some(token) => {
            let mut parts = token.splitn(4, '|');
            let mut part = || parts.next();
            let (from, to) = (part()?.parse().ok()?, part()?.parse().ok()?);
            (from, to, part()?.parse().ok(), part().filter(|after| !after.is_empty()).map(decode))
        }
        None => match (query.get("startDateTime"), query.get("endDateTime"), query.get("$filter")) {
            (Some(from), Some(to), _) => (seconds(from), seconds(to), None, None),
            (_, _, Some(filter)) => {
                (within(filter, "end/dateTime gt")?, within(filter, "start/dateTime lt")?, None, None)
            }
            _ => (i64::MIN, i64::MAX, None, None),
        },
    };
    let kind = match path {
        // It refuses to be told which fields.
        ["calendarView", "delta"] if query.contains_key("$select") => return None,
        ["calendarView", "delta"] => Kind::Feed(since),
        ["calendarView"] => Kind::Listing,
        ["events"] => Kind::Marked,
        ["events", id] => Kind::One((*id).to_owned()),
        ["events", id, "instances"] => Kind::Instances((*id).to_owned()),
        _ => return None,
    };
    Some(Question { whose: (*whose).to_owned(), kind, from, to, after })
}

/// The time that a filter compares with.
fn within(filter: &str, comparison: &str) -> Option<i64> {
    let time = filter.split(comparison).nth(1)?.split('\'').nth(1)?;
    Some(seconds(&format!("{time}Z")))
}

/// What is gone, and what lies outside the window, are both removed. A series comes with its occurrences.
pub(super) fn feed<'a>(id: &'a str, event: &'a Event, question: &Question) -> Vec<Shown<'a>> {
    let within = |start: i64, end: i64| start < question.to && end > question.from;
    let removed = |id: &str| Shown::Gone(id.to_owned(), None);
    if event.gone && event.hidden {
        let planned = (0..event.count.unwrap_or(0)).map(|day| event.planned(day));
        return planned.map(|planned| removed(&event.name(id, planned))).collect();
    }
    if event.gone || event.count.is_none() && !within(event.start, event.end) {
        return vec![removed(id)];
    }
    let mut shown = vec![Shown::Whole(id, event)];
    if event.count.is_some() {
        let instances = event.instances(id).into_iter();
        shown.extend(
            instances.map(|it| if within(it.start, it.end) { Shown::Instance(id, event, it) } else { removed(&it.id) }),
        );
        let cancelled = event.exceptions.iter().filter(|(_, later)| later.is_none());
        shown.extend(cancelled.map(|(day, _)| removed(&event.name(id, event.planned(*day)))));
        if event.alone || event.hidden {
            shown.remove(0);
        }
    }
    shown
}

/// In the feed an occurrence has little but its times.
pub(super) fn reduced(item: &mut Value) {
    if let Some(fields) = item.as_object_mut().filter(|fields| fields.get("type") == Some(&json!("occurrence"))) {
        fields.retain(|name, _| ["id", "type", "start", "end", "seriesMasterId"].contains(&name.as_str()));
    }
}

pub(super) fn write(shown: &Shown<'_>) -> Value {
    match shown {
        Shown::Gone(id, _) => {
            json!({"@odata.type": "#microsoft.graph.event", "id": id, "@removed": {"reason": "deleted"}})
        }
        Shown::Whole(id, event) => {
            let kind = if event.count.is_some() { "seriesMaster" } else { "singleInstance" };
            common(id, event, event.start, event.end, kind)
        }
        Shown::Instance(series, event, it) if event.count.is_some() => {
            let kind = if event.exceptions.contains_key(&it.day) { "exception" } else { "occurrence" };
            let mut instance = common(&it.id, event, it.start, it.end, kind);
            instance["seriesMasterId"] = json!(series);
            instance
        }
        Shown::Instance(_, event, it) => common(&it.id, event, it.start, it.end, "singleInstance"),
    }
}

/// An entry, all of it.
pub(super) fn entry(id: &str, event: &Event) -> Value {
    common(id, event, event.start, event.end, "singleInstance")
}

fn common(id: &str, event: &Event, start: i64, end: i64, kind: &str) -> Value {
    let mut common = plain(id, event, start, end, kind);
    if let Some(ours) = &event.ours {
        common["subject"] = json!(ours.title);
        common["transactionId"] = json!(ours.transaction);
        // Written as it likes.
        let space = "{6E1F8A52-9C07-4B0D-8D3C-5A41F0C2B9E7}";
        common["singleValueExtendedProperties"] = json!([
            {"id": format!("String {space} Name daybook_booking_id"), "value": ours.booking},
            {"id": format!("String {space} Name daybook_version"), "value": ours.version.to_string()},
        ]);
    }
    common
}

fn plain(id: &str, event: &Event, start: i64, end: i64, kind: &str) -> Value {
    let attendee = |email: &String| json!({"type": "required", "status": {"response": "none"}, "emailAddress": {"name": "Jane", "address": email}});
    json!({
        "@odata.etag": format!("W/\"{}\"", event.changed), "id": id, "type": kind, "subject": "Her knee", "isAllDay": false,
        "lastModifiedDateTime": event.stamp(), "iCalUId": format!("uid-{id}"), "seriesMasterId": null, "isCancelled": false,
        "start": {"dateTime": local(start), "timeZone": "UTC"}, "end": {"dateTime": local(end), "timeZone": "UTC"},
        "originalStartTimeZone": "W. Europe Standard Time", "responseStatus": {"response": "organizer", "time": "0001-01-01T00:00:00Z"},
        "attendees": event.attendees.iter().map(attendee).collect::<Vec<_>>(),
        "showAs": if event.free { "free" } else { "busy" },
    })
}

/// Seven decimals and no offset.
fn local(time: i64) -> String {
    rfc3339(time).replace("+00:00", ".0000000")
}

pub(super) fn page(question: &Question, items: &[Value], after: &After) -> Value {
    let path = match &question.kind {
        Kind::Feed(_) => "calendarView/delta".to_owned(),
        Kind::Listing => "calendarView".to_owned(),
        Kind::Instances(id) => format!("events/{id}/instances"),
        Kind::One(id) => format!("events/{id}"),
        Kind::Marked => "events".to_owned(),
    };
    let whose = question.whose.replace('@', "%40");
    let link = |name: &str, since: Option<u64>, after: &str| {
        let since = since.map_or_else(String::new, |since| since.to_string());
        let after = after.replace(' ', "%2520");
        format!("{HOST}/v1.0/users/{whose}/{path}?${name}={}%7C{}%7C{since}%7C{after}", question.from, question.to)
    };
    let mut page = json!({"@odata.context": format!("{HOST}/v1.0/$metadata#Collection(event)"), "value": items});
    match after {
        After::Page(key) => {
            let since = if let Kind::Feed(since) = question.kind { since } else { None };
            page["@odata.nextLink"] = json!(link("skiptoken", since, key));
        }
        After::Mark(clock) => page["@odata.deltaLink"] = json!(link("deltatoken", Some(*clock), "")),
        After::Nothing => {}
    }
    page
}

pub(super) fn error(status: u16) -> String {
    let code = match status {
        404 => "ErrorItemNotFound",
        410 => "syncStateNotFound",
        429 => "ApplicationThrottled",
        503 => "serviceNotAvailable",
        _ => "UnknownError",
    };
    json!({"error": {"code": code, "message": "x"}}).to_string()
}
