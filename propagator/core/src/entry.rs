//! A booking as an entry of a calendar (RFC 5545, RFC 4791), and what an entry that was read back says of it.
//!
//! One booking, one UID, one name, derived from its id, so that the same booking can never be two entries. An entry
//! names nobody as attendee or organizer: a server would write to them, and exactly one system notifies the customer.
//! It carries our marks, booking and version, and [`compare`] judges by them and by the content, never by a flag:
//! servers reorder and refold what they store, and people edit it.

use chrono::{DateTime, NaiveDateTime, Utc};
use daybook_domain::{Attendee, BookingId, Interval, Timestamp};

use crate::{Difference, Field, Visible};
use daybook_icalendar::content_line::{Property, clean, escape, push, unescape, unfold};

/// The mark that names the booking.
const MARK_BOOKING: &str = "X-DAYBOOK-BOOKING";
/// The mark that names its version.
const MARK_VERSION: &str = "X-DAYBOOK-VERSION";
/// What a target that may not know the title reads.
const BUSY: &str = "Busy";

/// The media type of an entry.
pub const CONTENT_TYPE: &str = "text/calendar; charset=utf-8; component=vevent";

/// The UID: the booking's id, as RFC 7986 (section 5.3) recommends. No host name, which would tell where it came from.
pub fn uid(booking_id: BookingId) -> String {
    booking_id.to_string()
}

/// The name of the entry in its collection: UID and `.ics`, the form that servers with an opinion insist on.
pub fn name(booking_id: BookingId) -> String {
    format!("{booking_id}.ics")
}

/// The entry. The same input gives the same bytes.
pub fn render(visible: &Visible) -> String {
    let mut out = String::with_capacity(512);
    let mut line = |name: &str, value: &str| push(&mut out, name, value);
    line("BEGIN", "VCALENDAR");
    line("VERSION", "2.0");
    line("PRODID", "-//Daybook//Propagator//EN");
    line("BEGIN", "VEVENT");
    line("UID", &uid(visible.booking_id));
    line("DTSTAMP", &utc(visible.decided_at));
    line("DTSTART", &utc(visible.interval.start()));
    line("DTEND", &utc(up(visible.interval.end())));
    line("SEQUENCE", &visible.version.saturating_sub(1).to_string());
    line("SUMMARY", &escape(summary(visible)));
    let description = description(&visible.attendees);
    if !description.is_empty() {
        line("DESCRIPTION", &escape(&description));
    }
    line("STATUS", "CONFIRMED");
    line("TRANSP", "OPAQUE");
    line(MARK_BOOKING, &visible.booking_id.to_string());
    line(MARK_VERSION, &visible.version.to_string());
    line("END", "VEVENT");
    line("END", "VCALENDAR");
    out
}

pub(crate) fn summary(visible: &Visible) -> &str {
    match &visible.title {
        Some(title) if !clean(title).trim().is_empty() => title,
        Some(_) | None => BUSY,
    }
}

/// One line a person, with whatever is known of them.
pub(crate) fn description(attendees: &[Attendee]) -> String {
    let lines = attendees.iter().map(|attendee| {
        let email = attendee.email.as_ref().map(|email| format!("<{email}>"));
        let parts = [attendee.name.clone(), email, attendee.phone.clone()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    });
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// iCalendar knows whole seconds. A start is rounded down and an end up, so that no busy moment shows as free.
fn utc(time: Timestamp) -> String {
    DateTime::<Utc>::from(time).format("%Y%m%dT%H%M%SZ").to_string()
}

pub(crate) fn up(time: Timestamp) -> Timestamp {
    time.plus(std::time::Duration::from_micros(999_999))
}

/// What an entry that was read back says of what we want it to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Our marks, this version, this content.
    Same,
    /// Our marks, an older version.
    Older {
        /// Which.
        version: u64,
    },
    /// Our marks, a newer version.
    Newer {
        /// Which.
        version: u64,
    },
    /// Our entry, yet not what we wrote: somebody changed its content or its marks.
    Edited,
    /// An entry of another UID.
    Foreign,
    /// No calendar entry at all: an error page with a good status, say.
    Unreadable,
}

/// Compares an entry that was read back with what it should be. What others added to it (an alarm, a colour) is no
/// difference; what changes the time, the text or the occurrences is.
pub fn compare(read_back: &[u8], wanted: &Visible) -> Comparison {
    let found = match read(read_back) {
        Found::Entry(entry) => entry,
        Found::Nothing => return Comparison::Unreadable,
    };
    if !found.is_of(wanted.booking_id) {
        return Comparison::Foreign;
    }
    match found.version(wanted.booking_id) {
        Some(version) if version < wanted.version => Comparison::Older { version },
        Some(version) if version > wanted.version => Comparison::Newer { version },
        Some(_) => match read(render(wanted).as_bytes()) {
            Found::Entry(wanted) if wanted == found => Comparison::Same,
            Found::Entry(_) | Found::Nothing => Comparison::Edited,
        },
        None => Comparison::Edited,
    }
}

/// What was read back is no entry at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoEntry;

/// How an entry that was read back differs from what it should be; none if it does not.
pub fn difference(read_back: &[u8], wanted: &Visible) -> Result<Option<Difference>, NoEntry> {
    let Found::Entry(found) = read(read_back) else { return Err(NoEntry) };
    let Found::Entry(ours) = read(render(wanted).as_bytes()) else { return Err(NoEntry) };
    let nature = |entry: &Entry| (entry.status.clone(), entry.transparent, entry.surplus);
    let marked = found.uid == ours.uid && found.mark_booking == ours.mark_booking;
    let differing = [
        (Field::Time, (&found.start, &found.end) != (&ours.start, &ours.end)),
        (Field::Title, found.summary != ours.summary),
        (Field::Text, found.description != ours.description),
        (Field::Nature, nature(&found) != nature(&ours)),
        (Field::Mark, !marked),
        (Field::Version, marked && found.mark_version != ours.mark_version),
    ];
    let fields = differing.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect();
    Ok(Difference::of(found.interval(), fields, None))
}

/// When an entry that was read back is, as far as that can be said.
pub fn shown(read_back: &[u8]) -> Option<Interval> {
    match read(read_back) {
        Found::Entry(entry) => entry.interval(),
        Found::Nothing => None,
    }
}

/// Whose an entry is that is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Ours; with the version that its marks name, unless somebody took them off.
    Ours(Option<u64>),
    /// Somebody else's.
    Foreign,
    /// There is no entry in it.
    Unreadable,
}

/// Whose the entry is that was read back.
pub fn owner(read_back: &[u8], booking_id: BookingId) -> Owner {
    match read(read_back) {
        Found::Entry(entry) if entry.is_of(booking_id) => Owner::Ours(entry.version(booking_id)),
        Found::Entry(_) => Owner::Foreign,
        Found::Nothing => Owner::Unreadable,
    }
}

/// The content of an entry in one form, however it was folded, ordered and dressed.
#[derive(Debug, PartialEq, Eq, Default)]
struct Entry {
    uid: Option<String>,
    start: Option<String>,
    end: Option<String>,
    summary: String,
    description: String,
    status: Option<String>,
    transparent: bool,
    /// How many of RRULE, RDATE, EXDATE and DURATION, which we never write, and how many events too many.
    surplus: usize,
    mark_booking: Option<String>,
    mark_version: Option<u64>,
}

enum Found {
    Entry(Entry),
    Nothing,
}

impl Entry {
    fn is_of(&self, booking_id: BookingId) -> bool {
        self.uid.as_deref() == Some(uid(booking_id).as_str())
    }

    /// Where both ends are in UTC.
    fn interval(&self) -> Option<Interval> {
        let time = |text: &Option<String>| {
            let time = NaiveDateTime::parse_from_str(text.as_deref()?, "%Y%m%dT%H%M%SZ").ok()?;
            Timestamp::try_from(time.and_utc()).ok()
        };
        Interval::new(time(&self.start)?, time(&self.end)?).ok()
    }

    fn version(&self, booking_id: BookingId) -> Option<u64> {
        self.mark_version.filter(|_| self.mark_booking.as_deref() == Some(booking_id.to_string().as_str()))
    }

    fn take(&mut self, property: &Property<'_>) {
        let text = || unescape(property.value).trim().to_owned();
        match property.name.as_str() {
            "UID" => self.uid = Some(text()),
            "DTSTART" => self.start = Some(instant(property)),
            "DTEND" => self.end = Some(instant(property)),
            "SUMMARY" => self.summary = text(),
            "DESCRIPTION" => self.description = text(),
            "STATUS" => self.status = Some(text().to_ascii_uppercase()),
            "TRANSP" => self.transparent = text().eq_ignore_ascii_case("TRANSPARENT"),
            "RRULE" | "RDATE" | "EXDATE" | "DURATION" => self.surplus += 1,
            MARK_BOOKING => self.mark_booking = Some(text()),
            MARK_VERSION => self.mark_version = text().parse().ok(),
            _ => {}
        }
    }
}

fn read(body: &[u8]) -> Found {
    let mut within: Vec<String> = Vec::new();
    let mut events = 0;
    let mut entry = Entry::default();
    for line in unfold(body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)) {
        let Some(property) = Property::read(&line) else { continue };
        match property.name.as_str() {
            "BEGIN" => {
                within.push(property.value.trim().to_ascii_uppercase());
                events += usize::from(within == ["VCALENDAR", "VEVENT"]);
            }
            "END" => {
                within.pop();
            }
            // Only the first event's own properties: an alarm inside it has a DESCRIPTION too.
            _ if events == 1 && within == ["VCALENDAR", "VEVENT"] => entry.take(&property),
            _ => {}
        }
    }
    if events == 0 {
        return Found::Nothing;
    }
    entry.surplus += events - 1;
    Found::Entry(entry)
}

/// A time in one form: `TZID=UTC` says what `Z` says. Any other zone is another text, and so a difference.
fn instant(property: &Property<'_>) -> String {
    let value = property.value.trim().to_ascii_uppercase();
    match property.param("TZID").as_deref() {
        Some("UTC" | "Etc/UTC") if !value.ends_with('Z') => value + "Z",
        Some(zone) if !value.ends_with('Z') => format!("{zone}:{value}"),
        Some(_) | None => value,
    }
}

#[cfg(test)]
mod tests;
