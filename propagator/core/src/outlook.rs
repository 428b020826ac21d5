//! How Outlook's calendars are written to through Microsoft Graph: `v1.0`, which is pinned here and nowhere else on this side. A
//! calendar is the default one of a mailbox, by its address or id.
//!
//! - `POST` with a `transactionId` of ours, the booking and the version that is shown; a second one with the same is refused with
//!   `ErrorDuplicateTransactionId`, whatever its status, also when its event is gone: so an entry that takes the place of one which
//!   is known to be gone has a transaction that names that one, too. The transaction is
//!   the mark, too, by which ingest knows what Daybook has written, since it comes with every event.
//! - What Microsoft calls the entry, it says in its answer. Where that was lost, the entry is found by an extended property, which
//!   also says at which version it is: no answer to a write shows it, so every write is read back.
//! - No invitation can be muted, so nobody is ever invited.
//! - Ids that do not change when an event is moved, and times in UTC, are asked for with every call (`Prefer`).

use daybook_domain::{BookingId, Interval, Tag, Timestamp};
use daybook_format::outlook::{SYSTEM, mark, transaction};
use daybook_format::{ESCAPED, ICAL};
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::mirror::{Content, Entry, Phase, Seen, Subject, end, start, text_of, title};
use crate::verdict::{Effect, Verdict, refusal};
use crate::{Call, Method, Reason, Reply, Trouble, Visible};

/// Where the API is, if the settings do not say otherwise.
pub const BASE: &str = "https://graph.microsoft.com";
const PREFER: &str = "outlook.timezone=\"UTC\", IdType=\"ImmutableId\"";
/// The name space of our extended properties: a GUID drawn once, never to be changed.
const SPACE: &str = "{6e1f8a52-9c07-4b0d-8d3c-5a41f0c2b9e7}";
/// The name space of entries that others took the place of: a UUID drawn once, never to be changed.
const AFTER: Uuid = Uuid::from_u128(0x9a5c_1f0e_64b7_5d38_8e21_c04f_7b96_d3a5);
/// The codes of a mailbox that is none, or not ours to write to.
const NO_MAILBOX: [&str; 4] =
    ["ErrorInvalidUser", "MailboxNotEnabledForRESTAPI", "Request_ResourceNotFound", "ResourceNotFound"];
/// What is asked for of an entry.
const SELECT: &str = "$select=id,subject,start,end,showAs,isCancelled,isAllDay,type,attendees";

fn booking_property() -> String {
    format!("String {SPACE} Name daybook_booking_id")
}

fn version_property() -> String {
    format!("String {SPACE} Name daybook_version")
}

/// The property that every entry of ours has, to list them by.
fn own_property() -> String {
    format!("String {SPACE} Name daybook")
}

/// With the marks of each entry.
fn expand() -> String {
    format!(
        "$expand=singleValueExtendedProperties({})",
        escape(&format!("$filter=id eq '{}' or id eq '{}'", booking_property(), version_property()))
    )
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

fn asking() -> Vec<(&'static str, String)> {
    vec![("prefer", PREFER.to_owned()), ("accept", "application/json".to_owned())]
}

/// How the entries that bear our mark are listed, a page of them. Nobody else's are asked for.
pub(crate) fn listing(calendar: &str, window: &Interval, page: Option<&str>) -> Call {
    let path = page.map_or_else(
        || {
            let filter = format!(
                "singleValueExtendedProperties/Any(ep: ep/id eq '{}' and ep/value eq '1') and start/dateTime lt '{}' and \
                 end/dateTime gt '{}'",
                own_property(),
                written(window.end()),
                written(window.start()),
            );
            format!("/v1.0/users/{}/events?{SELECT}&$top=100&$filter={}&{}", escape(calendar), escape(&filter), expand())
        },
        str::to_owned,
    );
    Call { method: Method::Get, path, headers: asking(), body: Vec::new() }
}

/// A page of the entries, and what to ask for the next by.
pub(crate) fn page(reply: &Reply) -> Result<(Vec<Entry>, Option<String>), Verdict> {
    let body = serde_json::from_slice::<Value>(&reply.body).ok();
    let unreadable = Verdict::Retryable(Trouble::Unreadable);
    match reply.status {
        200..=299 => {
            let body = body.ok_or(unreadable.clone())?;
            let events = body.get("value").and_then(Value::as_array).ok_or(unreadable.clone())?;
            let next = match body.get("@odata.nextLink").and_then(Value::as_str) {
                Some(link) => Some(below(link).ok_or(unreadable)?),
                None => None,
            };
            Ok((events.iter().filter_map(entry).collect(), next))
        }
        404 if body.is_some() => Err(Verdict::Permanent(Reason::CollectionMissing)),
        404 => Err(unreadable),
        _ => Err(refusal(reply, Effect::None)),
    }
}

/// Path and query of a link. Where the API is, the settings say, because our credentials go there.
fn below(link: &str) -> Option<String> {
    let (_, rest) = link.split_once("://")?;
    let path = &rest[rest.find('/')?..];
    path.starts_with("/v1.0/").then(|| path.to_owned())
}

pub(crate) fn call(phase: &Phase, subject: &Subject<'_>) -> Call {
    let events = format!("/v1.0/users/{}/events", escape(subject.calendar));
    let entry = format!("{events}/{}", escape(subject.id));
    let expand = expand();
    let found = format!(
        "$filter={}",
        escape(&format!(
            "singleValueExtendedProperties/Any(ep: ep/id eq '{}' and ep/value eq '{}')",
            booking_property(),
            subject.booking_id
        ))
    );
    let mut headers = asking();
    let made = |transaction: Option<String>| {
        let body = subject.visible.map(|visible| body(visible, transaction).to_string().into_bytes());
        body.unwrap_or_default()
    };
    let (method, path, body) = match phase {
        Phase::Kin => (Method::Get, kin_path(subject), Vec::new()),
        Phase::Change { .. } if subject.adopted => {
            let times = subject.visible.map(|visible| times(visible).to_string().into_bytes());
            (Method::Patch, entry, times.unwrap_or_default())
        }
        Phase::Find => (Method::Get, format!("{events}?{SELECT}&$top=2&{found}&{expand}"), Vec::new()),
        Phase::Look | Phase::Verify => (Method::Get, format!("{entry}?{SELECT}&{expand}"), Vec::new()),
        Phase::Create => {
            let version = subject.visible.map_or(0, |visible| visible.version);
            let transaction = transaction(&subject.booking_id.to_string(), version);
            // That of an entry which somebody has deleted stays taken.
            let transaction = match subject.lost {
                Some(lost) => format!("{transaction}:{}", Uuid::new_v5(&AFTER, lost.as_bytes()).simple()),
                None => transaction,
            };
            (Method::Post, events, made(Some(transaction)))
        }
        Phase::Change { .. } => (Method::Patch, entry, made(None)),
        Phase::Remove { .. } => (Method::Delete, entry, Vec::new()),
    };
    if let Phase::Change { etag } | Phase::Remove { etag } = phase {
        headers.push(("if-match", etag.clone()));
    }
    if !body.is_empty() {
        headers.push(("content-type", "application/json".to_owned()));
    }
    Call { method, path, headers, body }
}

/// A time as it is written, in UTC.
fn written(time: Timestamp) -> String {
    time.to_string().trim_end_matches('Z').to_owned()
}

/// The times alone.
fn times(visible: &Visible) -> Value {
    let time = |time: Timestamp| json!({"dateTime": written(time), "timeZone": "UTC"});
    json!({"start": time(start(visible)), "end": time(end(visible))})
}

/// What is in the booking's time, by its names alone.
fn kin_path(subject: &Subject<'_>) -> String {
    let times = subject.visible.map_or_else(String::new, |visible| {
        let time = |time: Timestamp| escape(&format!("{}Z", written(time)));
        format!("startDateTime={}&endDateTime={}&", time(start(visible)), time(end(visible)))
    });
    format!(
        "/v1.0/users/{}/calendarView?{times}$top=100&$select=id,iCalUId,transactionId,seriesMasterId,start,end,isCancelled,isAllDay,type",
        escape(subject.calendar)
    )
}

/// The entry that has one of these names; an occurrence of a series by its own alone, since all have one UID.
pub(crate) fn kin(reply: &Reply, tags: &[Tag]) -> Seen {
    let body = serde_json::from_slice::<Value>(&reply.body).ok();
    let body = match reply.status {
        200..=299 => body,
        404 if body.is_some() => return Seen::NoCalendar,
        404 => None,
        _ => return Seen::Other(refusal(reply, Effect::None)),
    };
    let events = body.as_ref().and_then(|body| body.get("value")).and_then(Value::as_array);
    let Some(events) = events else { return Seen::Other(Verdict::Retryable(Trouble::Unreadable)) };
    let named = |event: &&Value| {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let alone = text("seriesMasterId").is_none();
        let uid = text("iCalUId").filter(|_| alone).map(|uid| Tag::derive(ICAL, uid));
        let names = [text("id").map(|id| Tag::derive(SYSTEM, id)), uid];
        let ours = mark(event).is_some() || event.get("isCancelled").and_then(Value::as_bool) == Some(true);
        !ours && names.into_iter().flatten().any(|name| tags.contains(&name))
    };
    let kin = events.iter().filter(named).filter_map(entry).filter(|entry| entry.times.is_some());
    kin.min_by(|a, b| a.id.cmp(&b.id)).map_or(Seen::Nothing, Seen::Entry)
}

fn body(visible: &Visible, transaction: Option<String>) -> Value {
    let mut body = times(visible);
    let rest = json!({
        "subject": title(visible), "body": {"contentType": "text", "content": text_of(visible)},
        "showAs": "busy", "isReminderOn": false,
        "singleValueExtendedProperties": [
            {"id": booking_property(), "value": visible.booking_id.to_string()},
            {"id": version_property(), "value": visible.version.to_string()},
            {"id": own_property(), "value": "1"},
        ],
    });
    if let (Value::Object(body), Value::Object(rest)) = (&mut body, rest) {
        body.extend(rest);
    }
    if let Some(transaction) = transaction {
        body["transactionId"] = json!(transaction);
    }
    body
}

pub(crate) fn read(phase: &Phase, booking_id: BookingId, reply: &Reply, effect: Effect) -> Seen {
    let body = serde_json::from_slice::<Value>(&reply.body).ok();
    let code = body.as_ref().and_then(|body| body.pointer("/error/code")).and_then(Value::as_str);
    match (reply.status, code, phase) {
        (204, _, Phase::Remove { .. }) => Seen::Nothing,
        // It says nothing of having removed it.
        (200..=299, _, Phase::Remove { .. }) => Seen::Conflict,
        // Its answer does not show our marks.
        (200..=299, _, Phase::Create | Phase::Change { .. }) => {
            Seen::Taken(body.as_ref().and_then(entry).map(|entry| entry.id))
        }
        (200..=299, _, Phase::Kin) => Seen::Other(effect.doubt(Trouble::Unreadable)),
        (200..=299, _, Phase::Find) => found(body.as_ref(), booking_id, effect),
        (200..=299, _, Phase::Look | Phase::Verify) => {
            let entry = body.as_ref().and_then(entry);
            entry.map_or(Seen::Other(effect.doubt(Trouble::Unreadable)), Seen::Entry)
        }
        (_, Some("ErrorDuplicateTransactionId" | "ErrorIrresolvableConflict"), _) | (412, _, _) => Seen::Conflict,
        (404, Some(code), _) if NO_MAILBOX.contains(&code) => Seen::NoCalendar,
        (404, Some(_), Phase::Create) => Seen::NoCalendar,
        (404 | 410, Some(_), _) => Seen::Nothing,
        // A page of something in between is nobody's word.
        (404 | 410, None, _) => Seen::Other(effect.doubt(Trouble::Unreadable)),
        (409, _, _) => Seen::Other(Verdict::Retryable(Trouble::Busy)),
        (_, _, _) => Seen::Other(refusal(reply, effect)),
    }
}

/// The entry that bears our mark.
fn found(body: Option<&Value>, booking_id: BookingId, effect: Effect) -> Seen {
    let events = body.and_then(|body| body.get("value")).and_then(Value::as_array);
    let Some(events) = events else { return Seen::Other(effect.doubt(Trouble::Unreadable)) };
    let entries = events.iter().filter_map(entry);
    let ours = entries.filter(|entry| entry.booking.as_deref() == Some(booking_id.to_string().as_str()));
    ours.min_by(|a, b| a.id.cmp(&b.id)).map_or(Seen::Nothing, Seen::Entry)
}

fn entry(event: &Value) -> Option<Entry> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let properties = event.get("singleValueExtendedProperties").and_then(Value::as_array);
    let own = |wanted: &str| {
        let is = |property: &&Value| {
            let id = property.get("id").and_then(Value::as_str);
            // Microsoft writes the GUID as it likes.
            id.is_some_and(|id| id.eq_ignore_ascii_case(wanted))
        };
        let found = properties.into_iter().flatten().find(is)?;
        found.get("value").and_then(Value::as_str).map(str::to_owned)
    };
    Some(Entry {
        id: text("id").filter(|id| !id.is_empty())?.to_owned(),
        etag: text("@odata.etag").map(str::to_owned),
        deleted: false,
        booking: own(&booking_property()),
        version: own(&version_property()).and_then(|version| version.parse().ok()),
        times: when(event),
        content: content(event),
    })
}

fn when(event: &Value) -> Option<(Timestamp, Timestamp)> {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str);
    let time = |name: &str| {
        let local = text(&format!("/{name}/dateTime"))?;
        (text(&format!("/{name}/timeZone")) == Some("UTC")).then_some(())?;
        format!("{}Z", local.trim_end_matches('Z')).parse::<Timestamp>().ok()
    };
    let days = event.get("isAllDay").and_then(Value::as_bool) == Some(true);
    if days { None } else { Some((time("start")?, time("end")?)) }
}

/// What somebody has made of it is not what we have written: a series, a day, free time, other people.
fn content(event: &Value) -> Option<Content> {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str);
    let is = |name: &str| event.get(name).and_then(Value::as_bool) == Some(true);
    let alone = event.get("attendees").is_none_or(|attendees| attendees.is_null() || *attendees == json!([]));
    let single = text("/type").is_none_or(|kind| kind == "singleInstance");
    let busy = text("/showAs").is_none_or(|shown| shown == "busy");
    let ours = busy && single && alone && !is("isCancelled") && !is("isAllDay");
    let ((start, end), title) = (when(event)?, text("/subject").unwrap_or_default().to_owned());
    ours.then_some(Content { start, end, title, text: None })
}
