//! The vendors whose calendars are read, as far as they differ.

use daybook_domain::Timestamp;
use daybook_format::Format;
use serde_json::{Value, json};

use super::{Answer, Ask, Window, google, graph};

/// Whose calendars they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// Google Calendar.
    Google,
    /// Outlook, through Microsoft Graph.
    Graph,
}

impl Vendor {
    /// The vendor of a format; none of one whose calendars are not read.
    pub const fn of(format: &Format) -> Option<Self> {
        match format {
            Format::GoogleCalendar => Some(Self::Google),
            Format::Outlook => Some(Self::Graph),
            Format::Calendly | Format::Generic | Format::Api | Format::Described(_) => None,
        }
    }

    /// Where its API is, if the settings do not say otherwise.
    pub const fn base(self) -> &'static str {
        match self {
            Self::Google => google::BASE,
            Self::Graph => graph::BASE,
        }
    }

    /// The path and query of what is asked of a calendar.
    pub fn address(self, calendar: &str, ask: &Ask, window: Window) -> String {
        match self {
            Self::Google => google::address(calendar, ask, window),
            Self::Graph => graph::address(calendar, ask, window),
        }
    }

    /// The headers of whatever is asked.
    pub const fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Google => &[],
            Self::Graph => graph::HEADERS,
        }
    }

    /// What an answer says. `retry_after` is the header of that name.
    pub fn read(self, ask: &Ask, status: u16, retry_after: Option<&str>, now: Timestamp, body: &[u8]) -> Answer {
        match self {
            Self::Google => google::read(ask, status, retry_after, now, body),
            Self::Graph => graph::read(ask, status, retry_after, now, body),
        }
    }

    /// How it would say that an event is gone.
    pub(super) fn gone(self, id: &str) -> Value {
        match self {
            Self::Google => json!({ "id": id, "status": "cancelled" }),
            Self::Graph => json!({ "id": id, "@removed": { "reason": "deleted" } }),
        }
    }

    /// How it would write a page of these.
    pub(super) fn page(self, items: &[Value], zone: Option<&str>) -> Value {
        match (self, zone) {
            (Self::Google, Some(zone)) => json!({ "timeZone": zone, "items": items }),
            (Self::Google, None) => json!({ "items": items }),
            (Self::Graph, _) => json!({ "value": items }),
        }
    }
}
