//! How Google Calendar is asked, and what it answers: its API, version 3, which is pinned here and nowhere else.
//!
//! - Changes come by `syncToken`. The first is got by paging through `events.list` without filters, since one with filters has
//!   none; only tokens are asked for there (`fields`), so a large calendar costs little.
//! - Windows are listed with `singleEvents=true`, so that Google expands series.
//! - Only what is used is asked for, and nothing else is kept should it come anyway: no titles, descriptions or places.
//! - 410 on a sync token: it has been forgotten. 403 is a quota or a verdict, by the `reason` in its body.
//! - A 200 that is not of the `kind` that was asked for is none: in between there are others who answer 200.

use chrono::NaiveDate;
use daybook_domain::Timestamp;
use daybook_format::ESCAPED;
use daybook_format::google::{MARK, QUOTAS, is_series, takes_time};
use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value};

use super::fields::{hash, items, later, second};
use super::{Answer, Ask, Item, Page, Setback, State, Window};

/// Where the API is, if the settings do not say otherwise.
pub const BASE: &str = "https://www.googleapis.com";
/// Events on a page; Google takes at most 2,500. With hundreds of people in each, a page is a megabyte.
const PAGE_SIZE: u16 = 100;

const EVENT: &str = "kind,id,status,iCalUID,start,end,updated,sequence,transparency,eventType,recurringEventId,recurrence,\
                     attendees(email,self,responseStatus),extendedProperties/private";
/// What is kept of an event.
const KEPT: [&str; 12] = [
    "attendees",
    "end",
    "eventType",
    "extendedProperties",
    "iCalUID",
    "id",
    "recurringEventId",
    "sequence",
    "start",
    "status",
    "transparency",
    "updated",
];
/// What is kept of an attendee; of the calendar's owner, the answer too.
const KEPT_OF_ATTENDEE: [&str; 2] = ["email", "self"];
/// What changes without anything having changed for us.
const VOLATILE: [&str; 2] = ["sequence", "updated"];

/// The path and query of what is asked of a calendar.
pub fn address(calendar: &str, ask: &Ask, window: Window) -> String {
    let escape = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let events = format!("/calendar/v3/calendars/{}/events", escape(calendar));
    let more =
        |page: &Option<String>| page.as_ref().map_or_else(String::new, |page| format!("&pageToken={}", escape(page)));
    let times = format!("timeMin={}&timeMax={}", escape(&second(window.from)), escape(&second(window.to)));
    let list = format!(
        "maxResults={PAGE_SIZE}&prettyPrint=false&fields={}",
        escape(&format!("kind,timeZone,nextPageToken,nextSyncToken,items({EVENT})"))
    );
    match ask {
        Ask::Mark { page } => {
            let fields = escape("kind,nextPageToken,nextSyncToken");
            format!("{events}?maxResults=2500&prettyPrint=false&fields={fields}{}", more(page))
        }
        Ask::Changes { cursor, page } => format!("{events}?{list}&syncToken={}{}", escape(cursor), more(page)),
        Ask::Whole { .. } => format!("{events}?{list}&singleEvents=true&{times}"),
        Ask::Listing { page } => format!("{events}?{list}&singleEvents=true&{times}{}", more(page)),
        Ask::Instances { series, page } => {
            format!("{events}/{}/instances?{list}&{times}{}", escape(series), more(page))
        }
        Ask::One { id } => format!("{events}/{}?fields={}", escape(id), escape(EVENT)),
    }
}

/// What an answer says. `retry_after` is the header of that name.
pub fn read(ask: &Ask, status: u16, retry_after: Option<&str>, now: Timestamp, body: &[u8]) -> Answer {
    let later = || later(retry_after, now);
    let body = serde_json::from_slice::<Value>(body).ok();
    // A page of something in between is nobody's word.
    let object = body.as_ref().is_some_and(Value::is_object);
    match (status, ask) {
        (200..=299, _) => body.and_then(|body| page(ask, body)).map_or_else(later, Answer::Page),
        (410, Ask::Changes { .. }) => Answer::Expired,
        (404 | 410, Ask::One { .. } | Ask::Instances { .. }) if object => Answer::Gone,
        (404, _) if object => Answer::Setback(Setback::Refused),
        (401, _) => Answer::Setback(Setback::Denied),
        (400, Ask::One { .. } | Ask::Instances { .. }) if object => Answer::Untold,
        (403, Ask::One { .. } | Ask::Instances { .. }) if body.as_ref().is_some_and(is_verdict) => Answer::Untold,
        (403, _) if body.as_ref().is_some_and(is_verdict) => Answer::Setback(Setback::Refused),
        // The token is one of another kind of listing, or none at all.
        (400, Ask::Changes { page: None, .. }) if object => Answer::Expired,
        (400, _) if object => Answer::Setback(Setback::Refused),
        (_, _) => later(),
    }
}

fn is_verdict(body: &Value) -> bool {
    let reason = body.pointer("/error/errors/0/reason").and_then(Value::as_str);
    reason.is_some_and(|reason| !QUOTAS.contains(&reason))
}

fn page(ask: &Ask, mut body: Value) -> Option<Page> {
    let kind = body.get("kind").and_then(Value::as_str).map(str::to_owned);
    if let Ask::One { id } = ask {
        let one = item(body).filter(|item| item.id == *id && kind.as_deref() == Some("calendar#event"))?;
        return Some(Page { items: vec![one], ..Page::default() });
    }
    if kind.as_deref() != Some("calendar#events") {
        return None;
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let (next, cursor, zone) = (text("nextPageToken"), text("nextSyncToken"), text("timeZone"));
    // Where the tokens alone were asked for, and on an empty page, there are none.
    let (items, skipped) = match body.get_mut("items").map(Value::take) {
        None | Some(Value::Null) => (Vec::new(), 0),
        Some(Value::Array(values)) => items(values, item)?,
        Some(_) => return None,
    };
    // The last page of a feed says where it stands.
    let ends = next.is_some() || cursor.is_some() || !matches!(ask, Ask::Mark { .. } | Ask::Changes { .. });
    ends.then_some(Page { items, next, cursor, zone, skipped })
}

/// One event; none of what is no event, which makes the whole answer none.
fn item(mut event: Value) -> Option<Item> {
    let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
    let id = text("id").filter(|id| !id.is_empty())?;
    let series = text("recurringEventId");
    let stamp = text("updated").and_then(|updated| updated.parse().ok());
    let state = state(&event);
    keep(event.as_object_mut()?);
    let span = event.get("start").and_then(moment).zip(event.get("end").and_then(moment));
    let days = event.pointer("/start/date").is_some();
    Some(Item { id, series, state, span, days, stamp, hash: hash(&event, &VOLATILE), body: event })
}

fn state(event: &Value) -> State {
    if event.get("status").and_then(Value::as_str) == Some("cancelled") {
        State::Gone
    } else if is_series(event) {
        State::Series
    } else if takes_time(event) {
        State::Busy
    } else {
        State::Free
    }
}

fn keep(fields: &mut Map<String, Value>) {
    fields.retain(|name, _| KEPT.contains(&name.as_str()));
    if let Some(Value::Array(attendees)) = fields.get_mut("attendees") {
        for attendee in attendees.iter_mut().filter_map(Value::as_object_mut) {
            let owner = attendee.get("self").and_then(Value::as_bool) == Some(true);
            let kept = |name: &str| KEPT_OF_ATTENDEE.contains(&name) || owner && name == "responseStatus";
            attendee.retain(|name, _| kept(name));
        }
        // Whatever order they came in.
        attendees.sort_by_cached_key(Value::to_string);
    }
    let mark = fields.get("extendedProperties").and_then(|all| all.pointer(&format!("/private/{MARK}"))).cloned();
    match mark {
        Some(mark) => fields.insert("extendedProperties".to_owned(), serde_json::json!({"private": {MARK: mark}})),
        None => fields.remove("extendedProperties"),
    };
}

fn moment(time: &Value) -> Option<Timestamp> {
    if let Some(instant) = time.get("dateTime").and_then(Value::as_str) {
        return instant.parse().ok();
    }
    let date: NaiveDate = time.get("date")?.as_str()?.parse().ok()?;
    Timestamp::try_from(date.and_hms_opt(0, 0, 0)?.and_utc()).ok()
}
