//! Reading a calendar back: which entries in it bear our mark, against those that should be there.
//!
//! - A calendar is listed within a window, page by page ([`Listing`]). At Google and Microsoft only entries with our mark are asked
//!   for; of a CalDAV server only names and tags are. So nobody else's appointments are ever read.
//! - The listing raises suspicion and no more ([`survey`]): answers are stale, cut off or of another moment. Each suspect is then
//!   asked for by name, and what that shows is judged ([`judge`], [`stands`]).
//! - Putting it right is an attempt like any other, which looks once more before it writes.
//!
//! Absent on purpose: targets that cannot be read, which are those of signed messages.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, Interval, Timestamp};
use daybook_format::webdav::multistatus;
use percent_encoding::percent_decode_str;

use crate::entry::{self, Owner};
use crate::mirror::{self, Content, Entry, Phase, Seen, Subject, Vendor};
use crate::verdict::{Effect, refusal, reply};
use crate::{Answer, Call, Difference, Field, Method, Reason, Trouble, Verdict, Visible, google, outlook};

/// Pages of one listing, at most. A calendar with more entries of ours in the window is read no further, and nothing is
/// concluded from what was read.
pub const PAGES_MAX: u16 = 500;
/// How much of the window a CalDAV server is asked for at once; it has no pages.
const SLICE: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Whose calendar it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readable {
    /// A CalDAV server's.
    CalDav,
    /// A vendor's.
    Api(Vendor),
}

/// A listing in progress.
#[derive(Debug, Clone)]
pub struct Listing {
    readable: Readable,
    calendar: String,
    window: Interval,
    /// What the next page is asked for by.
    page: Option<String>,
    /// Where the next slice begins.
    from: Timestamp,
    pages: u16,
    found: Vec<Found>,
    known: BTreeSet<String>,
}

/// Where a listing stands after an answer.
#[derive(Debug, Clone)]
pub enum Listed {
    /// Send the next call.
    Next(Box<Listing>),
    /// That is all there is.
    Over(Vec<Found>),
}

/// An entry that bears our mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What the target calls it.
    pub external_id: String,
    /// The booking that its mark names.
    pub booking_id: BookingId,
    etag: Option<String>,
    /// What it says, where the listing told.
    entry: Option<Entry>,
}

/// An entry that should be there.
#[derive(Debug, Clone)]
pub struct Expected {
    /// What the target calls it.
    pub external_id: String,
    /// The tag of what was written last.
    pub etag: Option<String>,
    /// Whether a vendor has made it: it bears no mark, and only its times are ours to say.
    pub adopted: bool,
    /// What it should say.
    pub visible: Visible,
}

/// What a listing leaves to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// Which of the expected ones were not seen as they should be, by their place in the list.
    pub suspects: Vec<usize>,
    /// Those that are not expected, by their place in the list.
    pub strangers: Vec<usize>,
}

/// An entry that is there and should not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// Its tag, to remove it by.
    pub etag: Option<String>,
    /// When it is shown, as far as that can be said.
    pub shown: Option<Interval>,
}

impl Listing {
    /// Of a calendar, within a window.
    pub fn new(readable: Readable, calendar: &str, window: Interval) -> Self {
        Self {
            readable,
            calendar: calendar.to_owned(),
            from: window.start(),
            window,
            page: None,
            pages: 0,
            found: Vec::new(),
            known: BTreeSet::new(),
        }
    }

    /// What to send now.
    pub fn call(&self) -> Call {
        match self.readable {
            Readable::Api(Vendor::Google) => google::listing(&self.calendar, &self.window, self.page.as_deref()),
            Readable::Api(Vendor::Outlook) => outlook::listing(&self.calendar, &self.window, self.page.as_deref()),
            Readable::CalDav => names(self.from, self.until()),
        }
    }

    fn until(&self) -> Timestamp {
        self.from.plus(SLICE).min(self.window.end())
    }

    /// What its answer leads to, or why there is nothing to be had.
    pub fn answer(mut self, answer: &Answer) -> Result<Listed, Verdict> {
        let reply = reply(answer, Effect::None)?;
        self.pages += 1;
        let is_last = match self.readable {
            Readable::Api(vendor) => {
                let (entries, next) = match vendor {
                    Vendor::Google => google::page(reply)?,
                    Vendor::Outlook => outlook::page(reply)?,
                };
                for entry in entries {
                    // What bears half a mark is looked at by the name that it should have.
                    let Some(Ok(booking_id)) = entry.booking.as_deref().map(str::parse) else { continue };
                    let (external_id, etag) = (entry.id.clone(), entry.etag.clone());
                    self.find(Found { external_id, booking_id, etag, entry: Some(entry) });
                }
                self.page = next;
                self.page.is_none()
            }
            Readable::CalDav => {
                match reply.status {
                    207 => {}
                    404 | 410 => return Err(Verdict::Permanent(Reason::CollectionMissing)),
                    200..=299 => return Err(Verdict::Retryable(Trouble::Unreadable)),
                    _ => return Err(refusal(reply, Effect::None)),
                }
                let body = multistatus(&reply.body).ok_or(Verdict::Retryable(Trouble::Unreadable))?;
                for resource in body.resources {
                    let name = resource.href.rsplit('/').next().unwrap_or_default();
                    let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
                    // Ours are called after their booking.
                    let Some(Ok(booking_id)) = name.strip_suffix(".ics").map(str::parse) else { continue };
                    let etag = resource.etag;
                    self.find(Found { external_id: name, booking_id, etag, entry: None });
                }
                self.from = self.until();
                self.from >= self.window.end()
            }
        };
        match is_last {
            true => Ok(Listed::Over(self.found)),
            false if self.pages >= PAGES_MAX => Err(Verdict::Retryable(Trouble::Unreadable)),
            false => Ok(Listed::Next(Box::new(self))),
        }
    }

    /// An entry that lies in two slices, or that was moved from one page to the next, is one.
    fn find(&mut self, found: Found) {
        if self.known.insert(found.external_id.clone()) {
            self.found.push(found);
        }
    }
}

/// Names and tags of the entries in a slice of time (RFC 4791, section 7.8).
fn names(from: Timestamp, to: Timestamp) -> Call {
    let basic = |time: Timestamp| DateTime::<Utc>::from(time).format("%Y%m%dT%H%M%SZ").to_string();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><c:calendar-query xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\">\
         <d:prop><d:getetag/></d:prop><c:filter><c:comp-filter name=\"VCALENDAR\"><c:comp-filter name=\"VEVENT\">\
         <c:time-range start=\"{}\" end=\"{}\"/></c:comp-filter></c:comp-filter></c:filter></c:calendar-query>",
        basic(from),
        basic(to)
    );
    let headers = vec![("depth", "1".to_owned()), ("content-type", "application/xml; charset=utf-8".to_owned())];
    Call { method: Method::Report, path: String::new(), headers, body: body.into_bytes() }
}

/// What of a listing must be looked at.
pub fn survey(expected: &[Expected], found: &[Found]) -> Survey {
    let well = |expected: &Expected| {
        found.iter().filter(|found| found.external_id == expected.external_id).any(|found| match &found.entry {
            Some(entry) => differs(entry, &expected.visible).is_none(),
            None => found.etag.is_some() && found.etag.as_deref().map(strong) == expected.etag.as_deref().map(strong),
        })
    };
    let expected_ids: BTreeSet<&str> = expected.iter().map(|expected| expected.external_id.as_str()).collect();
    Survey {
        suspects: (0..expected.len()).filter(|at| !well(&expected[*at])).collect(),
        strangers: (0..found.len()).filter(|at| !expected_ids.contains(found[*at].external_id.as_str())).collect(),
    }
}

fn strong(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

/// Asks for one entry by its name.
pub fn look(readable: Readable, calendar: &str, booking_id: BookingId, external_id: &str) -> Call {
    let subject = Subject { calendar, booking_id, id: external_id, lost: None, visible: None, adopted: false };
    match readable {
        Readable::Api(Vendor::Google) => google::call(&Phase::Look, &subject),
        Readable::Api(Vendor::Outlook) => outlook::call(&Phase::Look, &subject),
        Readable::CalDav => {
            let headers = vec![("accept", "text/calendar".to_owned())];
            Call { method: Method::Get, path: external_id.to_owned(), headers, body: Vec::new() }
        }
    }
}

/// What the entry that was asked for says; none if there is none.
enum Sight<'a> {
    Entry(Entry),
    Text(&'a [u8], Option<String>),
    Nothing,
}

fn sight(readable: Readable, booking_id: BookingId, answer: &Answer) -> Result<Sight<'_>, Verdict> {
    let reply = reply(answer, Effect::None)?;
    let seen = match readable {
        Readable::Api(Vendor::Google) => google::read(&Phase::Look, reply, Effect::None),
        Readable::Api(Vendor::Outlook) => outlook::read(&Phase::Look, booking_id, reply, Effect::None),
        Readable::CalDav => {
            return match reply.status {
                200 => Ok(Sight::Text(&reply.body, reply.etag.clone())),
                404 | 410 => Ok(Sight::Nothing),
                201..=299 => Err(Verdict::Retryable(Trouble::Unreadable)),
                _ => Err(refusal(reply, Effect::None)),
            };
        }
    };
    match seen {
        Seen::Entry(entry) if entry.deleted => Ok(Sight::Nothing),
        Seen::Entry(entry) => Ok(Sight::Entry(entry)),
        Seen::Nothing => Ok(Sight::Nothing),
        Seen::NoCalendar => Err(Verdict::Permanent(Reason::CollectionMissing)),
        Seen::Conflict | Seen::Taken(_) => Err(Verdict::Retryable(Trouble::Unreadable)),
        Seen::Other(verdict) => Err(verdict),
    }
}

/// How the entry that was asked for differs from what it should be; none if it does not.
pub fn judge(readable: Readable, expected: &Expected, answer: &Answer) -> Result<Option<Difference>, Verdict> {
    let wanted = &expected.visible;
    match sight(readable, wanted.booking_id, answer)? {
        Sight::Nothing => Ok(Some(Difference::MISSING)),
        Sight::Entry(entry) if expected.adopted => {
            let same = entry.times == Some((mirror::start(wanted), mirror::end(wanted)));
            let shown = entry.times.and_then(|(start, end)| Interval::new(start, end).ok());
            Ok(Difference::of(shown, (!same).then_some(Field::Time).into_iter().collect(), entry.etag))
        }
        Sight::Entry(entry) => Ok(differs(&entry, wanted)),
        Sight::Text(text, seen) => match entry::difference(text, wanted) {
            Ok(found) => Ok(found.map(|found| Difference { seen, ..found })),
            Err(_) => Err(Verdict::Retryable(Trouble::Unreadable)),
        },
    }
}

/// Whether the entry that should not be there is there, and bears our mark for this booking.
pub fn stands(readable: Readable, booking_id: BookingId, answer: &Answer) -> Result<Option<Stranger>, Verdict> {
    Ok(match sight(readable, booking_id, answer)? {
        Sight::Nothing => None,
        Sight::Entry(entry) => {
            let ours = matches!(mirror::owner(&entry, booking_id), Owner::Ours(_));
            let shown = entry.content.as_ref().and_then(when);
            ours.then_some(Stranger { etag: entry.etag, shown })
        }
        Sight::Text(text, etag) => {
            let ours = matches!(entry::owner(text, booking_id), Owner::Ours(Some(_)));
            ours.then(|| Stranger { etag, shown: entry::shown(text) })
        }
    })
}

fn when(content: &Content) -> Option<Interval> {
    Interval::new(content.start, content.end).ok()
}

fn differs(entry: &Entry, wanted: &Visible) -> Option<Difference> {
    let booking = wanted.booking_id.to_string();
    let mut fields = Vec::new();
    match &entry.content {
        Some(content) => {
            let same_time = content.start == mirror::start(wanted) && content.end == mirror::end(wanted);
            let same_text = content.text.as_ref().is_none_or(|text| text.trim() == mirror::text_of(wanted));
            fields.extend((!same_time).then_some(Field::Time));
            fields.extend((content.title != mirror::title(wanted)).then_some(Field::Title));
            fields.extend((!same_text).then_some(Field::Text));
        }
        None => fields.push(Field::Nature),
    }
    let marked = entry.booking.as_deref() == Some(booking.as_str());
    fields.extend((!marked).then_some(Field::Mark));
    fields.extend((marked && entry.version != Some(wanted.version)).then_some(Field::Version));
    Difference::of(entry.content.as_ref().and_then(when), fields, entry.etag.clone())
}

#[cfg(test)]
mod tests;
