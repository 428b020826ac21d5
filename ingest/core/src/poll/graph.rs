//! How Outlook's calendars are asked through Microsoft Graph, and what it answers: `v1.0`, which is pinned here and nowhere
//! else. A calendar is the default one of a mailbox, by its address or id.
//!
//! - Changes come by `calendarView/delta`, whose window is fixed when it begins, so each full round begins another. It refuses
//!   `$select`: what it says beyond what is kept is dropped here. Its pages, and where it stands, are links; of those the path
//!   is taken and no more, because our credentials go where the operator sent them.
//! - Windows are listed by `calendarView`, series expanded. In the feed, an occurrence lacks most of what its series says, so it
//!   only says that its series has changed; `instances` lists it in full.
//! - `@removed` also marks what was changed outside the window: it proves nothing, and the event is asked for by its id.
//! - Times are asked for in UTC, ids that do not change when an event is moved (`Prefer`).
//! - 410, or any refusal with `syncStateNotFound`: the place in the feed has been forgotten. 429 and 503 say for how long.

use chrono::{NaiveDateTime, Utc};
use daybook_domain::Timestamp;
use daybook_format::ESCAPED;
use daybook_format::outlook::{is_series, takes_time};
use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use super::fields::{hash, items, later, second};
use super::{Answer, Ask, Item, Page, Setback, State, Window};

/// Where the API is, if the settings do not say otherwise.
pub const BASE: &str = "https://graph.microsoft.com";
/// What is asked for in every call.
pub const HEADERS: &[(&str, &str)] =
    &[("prefer", "outlook.timezone=\"UTC\", IdType=\"ImmutableId\", odata.maxpagesize=100")];
const VERSION: &str = "/v1.0/";
/// Events on a page of a listing.
const PAGE_SIZE: u16 = 100;
/// The longest link.
const LINK_LENGTH_MAX: usize = 16 * 1_024;

/// What is asked for of an event where that can be said, and kept of it everywhere.
const KEPT: [&str; 14] = [
    "attendees",
    "end",
    "iCalUId",
    "id",
    "isAllDay",
    "isCancelled",
    "lastModifiedDateTime",
    "originalStartTimeZone",
    "responseStatus",
    "seriesMasterId",
    "showAs",
    "start",
    "transactionId",
    "type",
];
/// What changes without anything having changed for us.
const VOLATILE: [&str; 1] = ["lastModifiedDateTime"];
/// The codes of a mailbox that is none, or not ours to read.
const NO_MAILBOX: [&str; 4] =
    ["ErrorInvalidUser", "MailboxNotEnabledForRESTAPI", "Request_ResourceNotFound", "ResourceNotFound"];

/// The path and query of what is asked of a calendar.
pub fn address(calendar: &str, ask: &Ask, window: Window) -> String {
    let escape = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let user = format!("{VERSION}users/{}", escape(calendar));
    let times = format!("startDateTime={}&endDateTime={}", escape(&second(window.from)), escape(&second(window.to)));
    let select = format!("$select={}", KEPT.join(","));
    match ask {
        // A page's name is its path, and so is a place in the feed.
        Ask::Mark { page: Some(link) }
        | Ask::Changes { page: Some(link), .. }
        | Ask::Changes { cursor: link, page: None }
        | Ask::Listing { page: Some(link) }
        | Ask::Instances { page: Some(link), .. } => link.clone(),
        Ask::Mark { page: None } => format!("{user}/calendarView/delta?{times}"),
        Ask::Listing { page: None } | Ask::Whole { .. } => {
            format!("{user}/calendarView?{times}&$top={PAGE_SIZE}&{select}")
        }
        Ask::Instances { series, page: None } => {
            format!("{user}/events/{}/instances?{times}&$top={PAGE_SIZE}&{select}", escape(series))
        }
        Ask::One { id } => format!("{user}/events/{}?{select}", escape(id)),
    }
}

/// What an answer says. `retry_after` is the header of that name.
pub fn read(ask: &Ask, status: u16, retry_after: Option<&str>, now: Timestamp, body: &[u8]) -> Answer {
    let later = || later(retry_after, now);
    let body = serde_json::from_slice::<Value>(body).ok();
    if (200..=299).contains(&status) {
        return body.and_then(|body| page(ask, body)).map_or_else(later, Answer::Page);
    }
    // A page of something in between has no code, and is nobody's word.
    let code = body.as_ref().and_then(|body| body.pointer("/error/code")).and_then(Value::as_str).unwrap_or_default();
    let forgotten = code.eq_ignore_ascii_case("syncStateNotFound") || code.eq_ignore_ascii_case("resyncRequired");
    match (status, ask) {
        (400..=499, Ask::Changes { .. }) if forgotten || status == 410 => Answer::Expired,
        (401, _) => Answer::Setback(Setback::Denied),
        (404, _) if NO_MAILBOX.contains(&code) => Answer::Setback(Setback::Refused),
        (404 | 410, Ask::One { .. } | Ask::Instances { .. }) if !code.is_empty() => Answer::Gone,
        (400 | 403, Ask::One { .. } | Ask::Instances { .. }) if !code.is_empty() => Answer::Untold,
        (403 | 404, _) if !code.is_empty() => Answer::Setback(Setback::Refused),
        (400, Ask::Changes { page: None, .. }) if !code.is_empty() => Answer::Expired,
        (400, _) if !code.is_empty() => Answer::Setback(Setback::Refused),
        (_, _) => later(),
    }
}

fn page(ask: &Ask, mut body: Value) -> Option<Page> {
    if let Ask::One { id } = ask {
        let one = item(body).filter(|item| item.id == *id)?;
        return Some(Page { items: vec![one], ..Page::default() });
    }
    let link = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(link) => path(link.as_str()?).map(Some),
    };
    let (next, cursor) = (link("@odata.nextLink")?, link("@odata.deltaLink")?);
    let values = match body.get_mut("value").map(Value::take) {
        Some(Value::Array(values)) => values,
        Some(_) | None => return None,
    };
    let (items, skipped) = match ask {
        // Only where the feed stands matters.
        Ask::Mark { .. } => (Vec::new(), 0),
        Ask::Changes { .. } | Ask::Listing { .. } | Ask::Whole { .. } | Ask::Instances { .. } | Ask::One { .. } => {
            items(values, item)?
        }
    };
    // The last page of a feed says where it stands.
    let ends = next.is_some() || cursor.is_some() || !matches!(ask, Ask::Mark { .. } | Ask::Changes { .. });
    ends.then_some(Page { items, next, cursor, zone: None, skipped })
}

/// The path and query of a link; none of one that leads anywhere but into the API.
fn path(link: &str) -> Option<String> {
    let (_, rest) = link.split_once("://")?;
    let path = &rest[rest.find('/')?..];
    let sound = path.len() <= LINK_LENGTH_MAX && path.starts_with(VERSION) && path.is_ascii() && !path.contains("/../");
    (sound && !path.bytes().any(|byte| byte.is_ascii_control() || byte == b' ')).then(|| path.to_owned())
}

/// One event; none of what is no event, which makes the whole answer none.
fn item(mut event: Value) -> Option<Item> {
    let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = text("id").filter(|id| !id.is_empty())?;
    let series = text("seriesMasterId").filter(|id| !id.is_empty());
    let stamp = text("lastModifiedDateTime").and_then(|changed| changed.parse().ok());
    let state = if event.get("@removed").is_some() {
        State::Gone
    } else if is_series(&event) {
        State::Series
    } else if takes_time(&event) {
        State::Busy
    } else {
        State::Free
    };
    keep(&mut event)?;
    let span = event.get("start").and_then(moment).zip(event.get("end").and_then(moment));
    Some(Item { id, series, state, span, days: false, stamp, hash: hash(&event, &VOLATILE), body: event })
}

fn keep(event: &mut Value) -> Option<()> {
    let fields = event.as_object_mut()?;
    fields.retain(|name, value| KEPT.contains(&name.as_str()) && !value.is_null());
    if let Some(Value::Array(attendees)) = fields.get_mut("attendees") {
        for attendee in attendees.iter_mut().filter_map(Value::as_object_mut) {
            attendee.retain(|name, _| name == "emailAddress");
            if let Some(address) = attendee.get_mut("emailAddress").and_then(Value::as_object_mut) {
                address.retain(|name, _| name == "address");
            }
        }
        // Whatever order they came in.
        attendees.sort_by_cached_key(Value::to_string);
    }
    if let Some(Value::Object(response)) = fields.get_mut("responseStatus") {
        response.retain(|name, _| name == "response");
    }
    Some(())
}

/// Roughly: whatever the zone says, it was asked for in UTC.
fn moment(time: &Value) -> Option<Timestamp> {
    let local: NaiveDateTime = time.get("dateTime")?.as_str()?.trim_end_matches('Z').parse().ok()?;
    Timestamp::try_from(local.and_local_timezone(Utc).single()?).ok()
}
