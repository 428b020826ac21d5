//! An event as the standard lets a server write expanded ones: in UTC, without rules (RFC 4791, section 9.6.5).

use chrono::{DateTime, Utc};
use daybook_domain::Timestamp;

use crate::content_line::{clean, escape, push};
use crate::{Event, EventId};

/// Before the events of a calendar.
pub const HEAD: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Daybook//Ingest//EN\r\n";
/// After them.
pub const FOOT: &str = "END:VCALENDAR\r\n";

impl Event {
    /// Its component. Days are times, too: when they begin has been found out.
    pub fn write(&self) -> String {
        let mut out = begin(&self.id);
        let mut line = |name: &str, value: &str| push(&mut out, name, value);
        match self.times {
            Some(times) => {
                line("DTSTART", &utc(times.start));
                line("DTEND", &utc(times.end));
            }
            None => line("STATUS", "CANCELLED"),
        }
        if self.times.is_some() && !self.takes_time {
            line("TRANSP", "TRANSPARENT");
        }
        for attendee in &self.attendees {
            line("ATTENDEE", &format!("mailto:{}", clean(attendee).replace('\n', "")));
        }
        if let Some(mark) = &self.mark {
            line("X-DAYBOOK-BOOKING", &escape(mark));
        }
        end(out)
    }
}

impl EventId {
    /// The component of an event that is gone.
    pub fn write_gone(&self) -> String {
        let mut out = begin(self);
        push(&mut out, "STATUS", "CANCELLED");
        end(out)
    }
}

fn begin(id: &EventId) -> String {
    let mut out = String::new();
    push(&mut out, "BEGIN", "VEVENT");
    push(&mut out, "UID", &escape(&id.uid));
    match &id.recurrence {
        Some(day) if !day.contains('T') => push(&mut out, "RECURRENCE-ID;VALUE=DATE", day),
        Some(time) => push(&mut out, "RECURRENCE-ID", time),
        None => {}
    }
    out
}

fn end(mut out: String) -> String {
    push(&mut out, "END", "VEVENT");
    out
}

fn utc(time: Timestamp) -> String {
    DateTime::<Utc>::from(time).format("%Y%m%dT%H%M%SZ").to_string()
}
