//! How a calendar of a CalDAV server is asked (RFC 4791), and what it answers. A calendar is a collection, by its path below the
//! address in the settings.
//!
//! - Changes come by `sync-collection` (RFC 6578). Where it stands is asked for as a property of the collection, which costs
//!   nothing; a server that has none is listed each time.
//! - What the server says of an event is its *object*: one UID, with whatever became of its instances. The feed names objects
//!   that have changed; each is then read, and what it does not have any more is gone, because it is all that there is of it. An
//!   object that the feed calls gone is asked for by its name before that is believed.
//! - The window is listed by `calendar-query`. Series come as they are, and are expanded here, by the same rules as everywhere.
//! - Times without a zone, and days, are those of the calendar's own zone (`calendar-timezone`), if it has one with a name;
//!   else of the one in the settings.
//! - Objects are named by paths; of what a server writes as an address only the path is taken, and only below ours, because our
//!   credentials go where the operator sent them.

use daybook_format::webdav::{Multistatus, Resource, multistatus};
use daybook_icalendar::time_zone;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::fields::{basic, later};
use super::ics::{page, unreadable};
use super::{Answer, Ask, Context, Item, Page, Request, Setback, State, Told};

/// What a path must not have, so that it remains the path that it is.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b']')
    .add(b'`')
    .add(b'{')
    .add(b'}');
/// The longest place in a feed.
const TOKEN_LENGTH_MAX: usize = 2_048;

/// What to ask.
pub fn request(ask: &Ask, context: &Context<'_>) -> Request {
    let escape = |path: &str| utf8_percent_encode(path, PATH).to_string();
    let collection = escape(&collection(context.calendar));
    let report = |depth: &str, body: String| Request {
        method: "REPORT",
        path: collection.clone(),
        headers: vec![("depth", depth.to_owned()), ("content-type", "application/xml; charset=utf-8".to_owned())],
        body: Some(format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{body}")),
    };
    match ask {
        Ask::Mark { .. } => Request {
            method: "PROPFIND",
            ..report(
                "0",
                "<d:propfind xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"><d:prop><d:sync-token/><d:resourcetype/>\
                 <c:calendar-timezone/></d:prop></d:propfind>"
                    .to_owned(),
            )
        },
        Ask::Changes { cursor, page } => {
            let token = page.as_deref().unwrap_or_else(|| token_of(cursor));
            report(
                "0",
                format!(
                    "<d:sync-collection xmlns:d=\"DAV:\"><d:sync-token>{}</d:sync-token><d:sync-level>1</d:sync-level>\
                     <d:prop><d:getetag/></d:prop></d:sync-collection>",
                    quick_xml::escape::escape(token)
                ),
            )
        }
        Ask::Listing { .. } | Ask::Whole { .. } => report(
            "1",
            format!(
                "<c:calendar-query xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"><d:prop><c:calendar-data/></d:prop>\
                 <c:filter><c:comp-filter name=\"VCALENDAR\"><c:comp-filter name=\"VEVENT\"><c:time-range start=\"{}\" end=\"{}\"/>\
                 </c:comp-filter></c:comp-filter></c:filter></c:calendar-query>",
                basic(context.window.from),
                basic(context.window.to)
            ),
        ),
        Ask::Instances { series: object, .. } | Ask::One { id: object } => Request {
            method: "GET",
            path: escape(object),
            headers: vec![("accept", "text/calendar".to_owned())],
            body: None,
        },
    }
}

/// The path of a collection, which ends in a slash.
fn collection(calendar: &str) -> String {
    format!("/{}/", calendar.trim_matches('/'))
}

/// The zone that a cursor remembers: a round of changes does not ask for it again.
pub fn zone_of(cursor: &str) -> Option<&str> {
    cursor.split_once(' ').map(|(zone, _)| zone).filter(|zone| *zone != NO_ZONE)
}

fn token_of(cursor: &str) -> &str {
    cursor.split_once(' ').map_or(cursor, |(_, token)| token)
}

/// Where a zone is remembered, and there is none.
const NO_ZONE: &str = "-";

fn cursor(token: &str, zone: Option<&str>) -> Option<String> {
    (token.len() <= TOKEN_LENGTH_MAX).then(|| format!("{} {token}", zone.unwrap_or(NO_ZONE)))
}

/// What an answer says.
pub fn read(ask: &Ask, context: &Context<'_>, told: &Told<'_>, go_on: &mut dyn FnMut() -> bool) -> Answer {
    let later = || later(told.retry_after, told.now);
    match (told.status, ask) {
        (207, Ask::Mark { .. }) => multistatus(told.body).map_or_else(later, |found| mark(&found)),
        (207, Ask::Changes { cursor, .. }) => {
            multistatus(told.body).and_then(|found| changes(&found, cursor, context)).map_or_else(later, Answer::Page)
        }
        (207, Ask::Listing { .. }) => match multistatus(told.body).and_then(|found| objects(found, context)) {
            Some(objects) => listing(&objects, context, go_on),
            None => later(),
        },
        (200, Ask::Instances { series: object, .. } | Ask::One { id: object }) => {
            page(told.body, Some(object), context, go_on).map_or_else(unreadable, Answer::Page)
        }
        (404 | 410, Ask::Instances { .. } | Ask::One { .. }) => Answer::Gone,
        (401, _) => Answer::Setback(Setback::Denied),
        // It does not know our place any more, or has no such feed: then everything is listed.
        (400 | 403 | 405 | 409 | 415 | 501 | 507, Ask::Changes { .. }) => Answer::Expired,
        (403 | 404 | 405 | 410, _) => Answer::Setback(Setback::Refused),
        (_, _) => later(),
    }
}

fn mark(found: &Multistatus) -> Answer {
    let Some(own) = found.resources.iter().find(|resource| resource.is_calendar) else {
        return Answer::Setback(Setback::Refused);
    };
    let zone = own.time_zone.as_deref().and_then(time_zone).map(|zone| zone.name().to_owned());
    let cursor = own.sync_token.as_deref().and_then(|token| cursor(token, zone.as_deref()));
    Answer::Page(Page { cursor, zone, ..Page::default() })
}

fn changes(found: &Multistatus, was: &str, context: &Context<'_>) -> Option<Page> {
    let collection = collection(context.calendar);
    let mut page = Page::default();
    let mut more = false;
    for resource in &found.resources {
        let path = below(&resource.href, context)?;
        if path == collection || format!("{path}/") == collection {
            // It says so of itself, if there was too much to say at once (RFC 6578, section 3.6).
            more |= resource.status == Some(507);
            continue;
        }
        let state = match resource.status {
            Some(404 | 410) => State::Gone,
            Some(200..=299) | None => State::Series,
            Some(_) => return None,
        };
        page.items.push(named(path, state));
    }
    let token = found.sync_token.as_deref()?;
    if more {
        page.next = Some(token.to_owned());
    } else {
        page.cursor = Some(cursor(token, zone_of(was))?);
    }
    Some(page)
}

/// An object of which no more is known than that it has changed, or is gone.
fn named(object: String, state: State) -> Item {
    let body = serde_json::Value::Null;
    Item { id: object, series: None, state, span: None, days: false, stamp: None, hash: [0; 32], body }
}

/// The objects of a listing; none if it is not all of it.
fn objects(found: Multistatus, context: &Context<'_>) -> Option<Vec<(String, String)>> {
    let object = |resource: Resource| match resource.status {
        Some(200..=299) | None => Some((below(&resource.href, context)?, resource.calendar_data?)),
        Some(_) => None,
    };
    found.resources.into_iter().map(object).collect()
}

fn listing(objects: &[(String, String)], context: &Context<'_>, go_on: &mut dyn FnMut() -> bool) -> Answer {
    let mut all = Page::default();
    for (path, text) in objects {
        match page(text.as_bytes(), Some(path), context, go_on) {
            Ok(found) => {
                all.items.extend(found.items);
                all.skipped += found.skipped;
            }
            Err(error) => return unreadable(error),
        }
    }
    Answer::Page(all)
}

/// The path of what a server names, below the address in the settings. Nothing of another's.
fn below(href: &str, context: &Context<'_>) -> Option<String> {
    let path = match href.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..))?,
        None => href,
    };
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let path = path.strip_prefix(context.root)?;
    path.starts_with('/').then(|| path.to_owned())
}
