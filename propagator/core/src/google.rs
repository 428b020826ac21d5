//! How Google Calendar is written to: its API, version 3, which is pinned here and nowhere else on this side.
//!
//! - `events.insert` with an id of ours: 32 hexadecimal digits of the booking's and `g` with its generation, which is base32hex as
//!   Google wants it. 409: it is there already. An id that was deleted stays taken, and answers as `cancelled`: such an entry is
//!   brought back by `events.update`, which says all of it anew.
//! - `sendUpdates=none` with every write; nobody is invited anyway.
//! - The mark is a private extended property, which other calendars that are invited do not get to see.
//! - 403 is a limit, a verdict about one calendar, or about our account, by the `reason` in its body.

use daybook_domain::{BookingId, Interval, Tag, Timestamp};
use daybook_format::google::{MARK, MARK_OF_ALL, MARK_VERSION, MARKED, QUOTAS, SYSTEM};
use daybook_format::{ESCAPED, ICAL};
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};

use crate::mirror::{Content, Entry, Phase, Seen, Subject, end, start, text_of, title};
use crate::verdict::{Effect, Reason, Verdict, refusal};
use crate::{Call, Method, Reply, Trouble, Visible};

/// Where the API is, if the settings do not say otherwise.
pub const BASE: &str = "https://www.googleapis.com";
/// The reasons of a 403 that are about our account, and so about every calendar.
const ACCOUNT: [&str; 4] = ["accessNotConfigured", "authError", "domainPolicy", "insufficientPermissions"];
/// What is asked for of each entry that is listed: what it is compared by.
const LISTED: &str =
    "id,etag,status,summary,description,start,end,transparency,recurrence,attendees(email),extendedProperties/private";

/// What is asked for of everything in the time of a booking: names and times.
const KIN: &str = "id,etag,status,iCalUID,recurringEventId,start,end,extendedProperties/private";

/// What an entry is called.
pub(crate) fn id(booking_id: BookingId, generation: u64) -> String {
    format!("{}g{generation}", booking_id.uuid().simple())
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

pub(crate) fn call(phase: &Phase, subject: &Subject<'_>) -> Call {
    let events = format!("/calendar/v3/calendars/{}/events", escape(subject.calendar));
    let entry = format!("{events}/{}", escape(subject.id));
    let written = |entry: Option<&str>| {
        let body = subject.visible.map(|visible| body(visible, entry).to_string().into_bytes());
        body.unwrap_or_default()
    };
    let json = || ("content-type", "application/json; charset=utf-8".to_owned());
    let condition = |etag: &str| ("if-match", etag.to_owned());
    let call = |method, path, headers, body| Call { method, path, headers, body };
    match phase {
        Phase::Kin => kin_call(subject),
        Phase::Change { etag } if subject.adopted => {
            let body = subject.visible.map(|visible| times(visible).to_string().into_bytes()).unwrap_or_default();
            call(Method::Patch, format!("{entry}?sendUpdates=none"), vec![json(), condition(etag)], body)
        }
        Phase::Find | Phase::Look | Phase::Verify => call(Method::Get, entry, Vec::new(), Vec::new()),
        Phase::Create => {
            call(Method::Post, format!("{events}?sendUpdates=none"), vec![json()], written(Some(subject.id)))
        }
        Phase::Change { etag } => {
            call(Method::Put, format!("{entry}?sendUpdates=none"), vec![json(), condition(etag)], written(None))
        }
        Phase::Remove { etag } => {
            call(Method::Delete, format!("{entry}?sendUpdates=none"), vec![condition(etag)], Vec::new())
        }
    }
}

/// How the entries that bear our mark are listed, a page of them. Nobody else's are asked for.
pub(crate) fn listing(calendar: &str, window: &Interval, page: Option<&str>) -> Call {
    let page = page.map_or_else(String::new, |page| format!("&pageToken={}", escape(page)));
    let path = format!(
        "/calendar/v3/calendars/{}/events?privateExtendedProperty={}&timeMin={}&timeMax={}&maxResults=100&prettyPrint=false\
         &fields={}{page}",
        escape(calendar),
        escape(&format!("{MARK_OF_ALL}={MARKED}")),
        escape(&window.start().to_string()),
        escape(&window.end().to_string()),
        escape(&format!("kind,nextPageToken,items({LISTED})")),
    );
    Call { method: Method::Get, path, headers: Vec::new(), body: Vec::new() }
}

/// A page of the entries, and what to ask for the next by.
pub(crate) fn page(reply: &Reply) -> Result<(Vec<Entry>, Option<String>), Verdict> {
    match reply.status {
        200..=299 => {
            let body = serde_json::from_slice::<Value>(&reply.body).ok();
            let body = body.filter(|body| body.get("kind").and_then(Value::as_str) == Some("calendar#events"));
            let body = body.ok_or(Verdict::Retryable(Trouble::Unreadable))?;
            let items = body.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let next = body.get("nextPageToken").and_then(Value::as_str).map(str::to_owned);
            Ok((items.iter().filter_map(entry_of).collect(), next))
        }
        404 | 410 => Err(Verdict::Permanent(Reason::CollectionMissing)),
        403 => Err(forbidden(reply, Effect::None)),
        _ => Err(refusal(reply, Effect::None)),
    }
}

/// The times alone.
fn times(visible: &Visible) -> Value {
    json!({"start": {"dateTime": start(visible).to_string()}, "end": {"dateTime": end(visible).to_string()}})
}

/// What is in the booking's time, by its names alone.
fn kin_call(subject: &Subject<'_>) -> Call {
    let times = subject.visible.map_or_else(String::new, |visible| {
        let (from, to) = (start(visible).to_string(), end(visible).to_string());
        format!("&timeMin={}&timeMax={}", escape(&from), escape(&to))
    });
    let path = format!(
        "/calendar/v3/calendars/{}/events?singleEvents=true{times}&maxResults=250&prettyPrint=false&fields={}",
        escape(subject.calendar),
        escape(&format!("kind,items({KIN})")),
    );
    Call { method: Method::Get, path, headers: Vec::new(), body: Vec::new() }
}

/// The entry that has one of these names; an instance of a series by its own alone, since all have one UID.
pub(crate) fn kin(reply: &Reply, tags: &[Tag]) -> Seen {
    let events = match reply.status {
        200..=299 => serde_json::from_slice::<Value>(&reply.body).ok(),
        404 | 410 => return Seen::NoCalendar,
        403 => return Seen::Other(forbidden(reply, Effect::None)),
        _ => return Seen::Other(refusal(reply, Effect::None)),
    };
    let events = events.filter(|body| body.get("kind").and_then(Value::as_str) == Some("calendar#events"));
    let Some(events) = events else { return Seen::Other(Verdict::Retryable(Trouble::Unreadable)) };
    let events = events.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let named = |event: &&Value| {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let alone = text("recurringEventId").is_none();
        let uid = text("iCalUID").filter(|_| alone).map(|uid| Tag::derive(ICAL, uid));
        let names = [text("id").map(|id| Tag::derive(SYSTEM, id)), uid];
        names.into_iter().flatten().any(|name| tags.contains(&name))
    };
    let kin = events.iter().filter(named).filter_map(entry_of);
    let kin = kin.filter(|entry| entry.booking.is_none() && !entry.deleted && entry.times.is_some());
    kin.min_by(|a, b| a.id.cmp(&b.id)).map_or(Seen::Nothing, Seen::Entry)
}

fn forbidden(reply: &Reply, effect: Effect) -> Verdict {
    match reason(&reply.body).as_deref() {
        Some(reason) if QUOTAS.contains(&reason) => Verdict::Throttled { retry_after: reply.retry_after },
        Some(reason) if ACCOUNT.contains(&reason) => Verdict::Unauthorized,
        // The calendar is not shared with us, or not to be written to.
        Some(_) => Verdict::Permanent(Reason::Refused),
        None => effect.doubt(Trouble::Unreadable),
    }
}

fn body(visible: &Visible, id: Option<&str>) -> Value {
    let mut body = json!({
        "status": "confirmed", "summary": title(visible), "description": text_of(visible),
        "start": {"dateTime": start(visible).to_string()}, "end": {"dateTime": end(visible).to_string()},
        "transparency": "opaque", "reminders": {"useDefault": false},
        "extendedProperties": {"private": {
            MARK: visible.booking_id.to_string(), MARK_VERSION: visible.version.to_string(),
            MARK_OF_ALL: MARKED,
        }},
    });
    if let Some(id) = id {
        body["id"] = json!(id);
    }
    body
}

pub(crate) fn read(phase: &Phase, reply: &Reply, effect: Effect) -> Seen {
    let removes = matches!(phase, Phase::Remove { .. });
    match reply.status {
        204 if removes => Seen::Nothing,
        // It says nothing of having removed it.
        200..=299 if removes => Seen::Conflict,
        200..=299 => entry(&reply.body).map_or_else(|| unreadable(phase, effect), Seen::Entry),
        404 if *phase == Phase::Create => Seen::NoCalendar,
        404 | 410 => Seen::Nothing,
        409 | 412 => Seen::Conflict,
        403 => Seen::Other(forbidden(reply, effect)),
        _ => Seen::Other(refusal(reply, effect)),
    }
}

/// A success that shows nothing: what was written is looked up, what was asked for is asked again.
fn unreadable(phase: &Phase, effect: Effect) -> Seen {
    match phase {
        Phase::Create | Phase::Change { .. } => Seen::Taken(None),
        Phase::Kin | Phase::Find | Phase::Look | Phase::Verify | Phase::Remove { .. } => {
            Seen::Other(effect.doubt(Trouble::Unreadable))
        }
    }
}

fn reason(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.pointer("/error/errors/0/reason").and_then(Value::as_str).map(str::to_owned)
}

fn entry(body: &[u8]) -> Option<Entry> {
    entry_of(&serde_json::from_slice(body).ok()?)
}

fn entry_of(event: &Value) -> Option<Entry> {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str);
    let own = |name: &str| text(&format!("/extendedProperties/private/{name}")).map(str::to_owned);
    Some(Entry {
        id: text("/id").filter(|id| !id.is_empty())?.to_owned(),
        etag: text("/etag").map(str::to_owned),
        deleted: text("/status") == Some("cancelled"),
        booking: own(MARK),
        version: own(MARK_VERSION).and_then(|version| version.parse().ok()),
        times: when(event),
        content: content(event),
    })
}

fn when(event: &Value) -> Option<(Timestamp, Timestamp)> {
    let time = |path: &str| event.pointer(path).and_then(Value::as_str)?.parse::<Timestamp>().ok();
    Some((time("/start/dateTime")?, time("/end/dateTime")?))
}

/// What somebody has made of it is not what we have written: a series, a day, free time, other people.
fn content(event: &Value) -> Option<Content> {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str);
    let absent = |name: &str| event.get(name).is_none_or(|value| value.is_null() || *value == json!([]));
    let ours = text("/transparency") != Some("transparent") && absent("recurrence") && absent("attendees");
    let (start, end) = when(event)?;
    let (title, text) = (text("/summary").unwrap_or_default(), text("/description").unwrap_or_default());
    ours.then(|| Content { start, end, title: title.to_owned(), text: Some(text.to_owned()) })
}
