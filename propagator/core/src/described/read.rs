//! What an answer shows of an entry, by where its description says that everything is.

use chrono::DateTime;
use daybook_domain::{BookingId, Timestamp};
use daybook_format::target::{self, Target};
use daybook_format::{Length, Times, as_written};
use serde_json::Value;

use crate::Visible;
use crate::mirror::{end, start, title};

/// What an answer shows.
#[derive(Debug)]
pub(super) enum Seen {
    /// An entry.
    Entry(Entry),
    /// That there is none.
    Nothing,
    /// Neither.
    Unreadable,
}

/// An entry, as far as it is ours to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub id: String,
    /// The text that has the booking's id in it.
    pub booking: Option<String>,
    pub version: Option<u64>,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    /// Whether where it ends is said at all.
    ends: bool,
    /// Whether it has its version written in it.
    versioned: bool,
    /// Its title, where that is to be compared.
    pub title: Option<String>,
    pub cancelled: bool,
    pub next: Option<String>,
}

/// Whether an entry is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// It is.
    Same,
    /// It begins when it should, and the rest is otherwise.
    Altered,
    /// It is something else: an older state, or what somebody has made of it.
    Other,
    /// It is of a newer version.
    Newer,
}

/// The entry of an answer that has one.
pub(super) fn one(target: &Target, body: &[u8]) -> Seen {
    let Some(body) = sound(target, body) else { return Seen::Unreadable };
    let at = match &target.entry.at {
        Some(at) => at.first(&body).map(|(found, _)| found),
        None => Some(&body),
    };
    at.and_then(|at| entry(target, at)).map_or(Seen::Unreadable, Seen::Entry)
}

/// The entry of a booking, of an answer that has several: the one that stands; else one that names what came in its place, unless that
/// is over, too: by this answer, or because it is one of `over`.
pub(super) fn found(target: &Target, body: &[u8], booking_id: BookingId, over: &[String]) -> Seen {
    let Some(body) = sound(target, body) else { return Seen::Unreadable };
    let items = target.find.items.every(&body).into_iter().find_map(Value::as_array);
    let Some(items) = items else { return Seen::Unreadable };
    let entries = items.iter().filter_map(|item| entry(target, item));
    let ours: Vec<Entry> = entries.filter(|entry| entry.is_of(booking_id)).collect();
    if let Some(stands) = ours.iter().filter(|it| !it.cancelled && it.next.is_none()).min_by(|a, b| a.id.cmp(&b.id)) {
        return Seen::Entry(stands.clone());
    }
    let leads = ours.iter().find(|entry| {
        let next = entry.next.as_ref();
        next.is_some_and(|next| !over.contains(next) && ours.iter().all(|known| known.id != *next))
    });
    leads.map_or(Seen::Nothing, |entry| Seen::Entry(entry.clone()))
}

/// The answer, unless it is none, or an error.
fn sound(target: &Target, body: &[u8]) -> Option<Value> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = target.error.as_ref().is_some_and(|error| error.first(&body).is_some());
    (!error).then_some(body)
}

fn entry(target: &Target, value: &Value) -> Option<Entry> {
    let target::Entry { id, booking, version, start, end, title, cancelled, next, .. } = &target.entry;
    let text = |finding: &daybook_format::Finding| finding.first(value).and_then(|(found, _)| as_written(found));
    let start = start.first(value).and_then(|(found, _)| time(found, &target.times));
    let until = match end {
        None => None,
        Some(Length::Until(finding)) => finding.first(value).and_then(|(found, _)| time(found, &target.times)),
        Some(Length::For(finding, seconds)) => text(finding).and_then(|length| {
            let length: i64 = length.trim().parse().ok()?;
            let micros = length.checked_mul(*seconds)?.checked_mul(1_000_000)?.checked_add(start?.micros())?;
            Timestamp::from_micros(micros).ok()
        }),
    };
    // As a segment of a path these would lead elsewhere, however they are written.
    let named = |finding: &daybook_format::Finding| text(finding).filter(|id| id != "." && id != "..");
    Some(Entry {
        id: named(id)?,
        booking: text(booking),
        version: version.as_ref().and_then(text).and_then(|text| trailing_number(&text)),
        start,
        end: until,
        ends: end.is_some(),
        versioned: version.is_some(),
        title: title.as_ref().map(|title| text(title).unwrap_or_default()),
        cancelled: cancelled.as_ref().is_some_and(|cancelled| cancelled.holds(value)),
        next: next.as_ref().and_then(named),
    })
}

fn time(value: &Value, times: &Times) -> Option<Timestamp> {
    let number = |scale: i64| {
        let number: i64 = as_written(value)?.trim().parse().ok()?;
        Timestamp::from_micros(number.checked_mul(scale)?).ok()
    };
    match times {
        Times::Rfc3339 => value.as_str()?.parse().ok(),
        Times::UnixSeconds => number(1_000_000),
        Times::UnixMilliseconds => number(1_000),
        Times::Pattern(pattern) => {
            let time = DateTime::parse_from_str(value.as_str()?, pattern).ok()?;
            Timestamp::try_from(time.to_utc()).ok()
        }
    }
}

fn trailing_number(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
    text[text.len() - digits..].parse().ok()
}

impl Entry {
    /// Whether it is of this booking: its id stands in it.
    pub fn is_of(&self, booking_id: BookingId) -> bool {
        let id = booking_id.to_string();
        self.booking.as_ref().is_some_and(|text| text.to_ascii_lowercase().contains(&id))
    }

    pub fn shows(&self, wanted: &Visible) -> Match {
        if self.version.is_some_and(|version| version > wanted.version) {
            return Match::Newer;
        }
        let starts = self.start == Some(start(wanted));
        let version = !self.versioned || self.version == Some(wanted.version);
        let ends = !self.ends || self.end == Some(end(wanted));
        let titled = self.title.as_ref().is_none_or(|shown| shown.trim() == title(wanted));
        match (starts && version, ends && titled) {
            (true, true) => Match::Same,
            (true, false) => Match::Altered,
            (false, _) => Match::Other,
        }
    }
}
