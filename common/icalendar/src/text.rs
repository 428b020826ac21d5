//! A calendar as lines: where its components begin and end, and what is kept of one.

use crate::Unreadable;
use crate::content_line::{Property, unfold};

/// Deeper than any calendar goes: an alarm in an event in a calendar.
const DEPTH_MAX: usize = 8;
/// What is kept of an event that could not be read, for whoever is to find out why.
const KEPT: [&str; 20] = [
    "BEGIN",
    "DTEND",
    "DTSTAMP",
    "DTSTART",
    "DURATION",
    "END",
    "EXDATE",
    "EXRULE",
    "LAST-MODIFIED",
    "METHOD",
    "RDATE",
    "RECURRENCE-ID",
    "RRULE",
    "SEQUENCE",
    "STATUS",
    "TRANSP",
    "TZID",
    "UID",
    "X-DAYBOOK-BOOKING",
    "X-MICROSOFT-CDO-BUSYSTATUS",
];

/// A part of a calendar.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// A `VEVENT`, all of it.
    Event(&'a str),
    /// A `VTIMEZONE`, all of it.
    Zone(&'a str),
    /// A property of the calendar itself, whose name is one of those that matter.
    Property {
        /// Its name, in capitals.
        name: &'static str,
        /// Its value.
        value: &'a str,
    },
}

/// The parts of a text, in their order. Several calendars may follow each other (RFC 5545, section 3.4).
pub(crate) fn parts(text: &str) -> Result<Vec<Part<'_>>, Unreadable> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parts = Vec::new();
    // Where the components that are open began, and what they are.
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut began = false;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.trim_end_matches(['\r', '\n']);
        if line.starts_with([' ', '\t']) {
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.trim();
        if name.eq_ignore_ascii_case("BEGIN") {
            if open.is_empty() && !value.eq_ignore_ascii_case("VCALENDAR") {
                return Err(Unreadable::NotACalendar);
            }
            if open.len() >= DEPTH_MAX {
                return Err(Unreadable::Truncated);
            }
            began = true;
            open.push((start, value));
        } else if name.eq_ignore_ascii_case("END") {
            let Some((from, what)) = open.pop() else { return Err(Unreadable::NotACalendar) };
            if !what.eq_ignore_ascii_case(value) {
                return Err(Unreadable::Truncated);
            }
            let block = text.get(from..at).unwrap_or_default();
            if open.len() == 1 && what.eq_ignore_ascii_case("VEVENT") {
                parts.push(Part::Event(block));
            } else if open.len() == 1 && what.eq_ignore_ascii_case("VTIMEZONE") {
                parts.push(Part::Zone(block));
            }
        } else if open.is_empty() && !line.trim().is_empty() {
            return Err(Unreadable::NotACalendar);
        } else if open.len() == 1 {
            let known = ["METHOD", "X-WR-TIMEZONE"].into_iter().find(|known| name.eq_ignore_ascii_case(known));
            parts.extend(known.map(|name| Part::Property { name, value }));
        }
    }
    match (began, open.is_empty()) {
        (false, _) => Err(Unreadable::NotACalendar),
        (true, false) => Err(Unreadable::Truncated),
        (true, true) => Ok(parts),
    }
}

/// A component without what is nobody's business, and without components of its own.
pub(crate) fn kept(block: &str) -> String {
    let mut kept = String::new();
    let mut depth = 0_usize;
    for line in unfold(block.as_bytes()) {
        let Some(Property { name, .. }) = Property::read(&line) else { continue };
        if name == "BEGIN" {
            depth += 1;
        }
        if depth == 1 && KEPT.contains(&name.as_str()) {
            kept.push_str(line.trim_end());
            kept.push_str("\r\n");
        }
        if name == "END" {
            depth = depth.saturating_sub(1);
        }
    }
    kept
}
