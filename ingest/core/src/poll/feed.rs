//! How a published calendar is asked: a file of iCalendar, all of it each time, unless it is the same as before (RFC 9110,
//! section 13.1.2).
//!
//! - What is the same is known by the server's `ETag`, and by a hash of the bytes: many servers have none, or another each time.
//! - A file says all that there is, and there is nobody to ask for one event alone: what becomes of that, `round.rs` decides.
//! - A file that is not whole, or is no calendar, is a bad moment, and is asked for again.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::fields::later;
use super::ics::{page, unreadable};
use super::{Answer, Ask, Context, Page, Request, Setback, Told};

/// The longest `ETag` that is sent back.
const ETAG_LENGTH_MAX: usize = 256;
/// What a path must not have, so that it remains the path that it is.
const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}');

/// What to ask. The path is the alias; where the settings give an address for it, that counts.
pub fn request(ask: &Ask, context: &Context<'_>) -> Request {
    let mut headers = vec![("accept", "text/calendar, text/plain;q=0.5, */*;q=0.1".to_owned())];
    if let Ask::Whole { cursor: Some(cursor) } = ask
        && let Some((_, etag)) = cursor.split_once(' ')
    {
        headers.push(("if-none-match", etag.to_owned()));
    }
    let path = format!("/{}", utf8_percent_encode(context.calendar.trim_start_matches('/'), PATH));
    Request { method: "GET", path, headers, body: None }
}

/// What an answer says.
pub fn read(ask: &Ask, context: &Context<'_>, told: &Told<'_>, go_on: &mut dyn FnMut() -> bool) -> Answer {
    let Ask::Whole { cursor } = ask else { return Answer::Setback(Setback::Refused) };
    match told.status {
        304 if cursor.is_some() => Answer::Same,
        200 => {
            let hash = hex::encode(Sha256::digest(told.body));
            if cursor.as_ref().is_some_and(|cursor| cursor.split(' ').next() == Some(&hash)) {
                return Answer::Same;
            }
            let etag = told.etag.filter(|etag| etag.len() <= ETAG_LENGTH_MAX && etag.ends_with('"'));
            let cursor = etag.map_or(hash.clone(), |etag| format!("{hash} {etag}"));
            match page(told.body, None, context, go_on) {
                Ok(found) => Answer::Page(Page { cursor: Some(cursor), ..found }),
                Err(error) => unreadable(error),
            }
        }
        401 | 403 => Answer::Setback(Setback::Denied),
        404 | 410 | 301 | 302 | 307 | 308 => Answer::Setback(Setback::Refused),
        _ => later(told.retry_after, told.now),
    }
}
