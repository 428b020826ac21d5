//! The vendors whose calendars are read, as far as they differ.

use chrono_tz::Tz;
use daybook_domain::Timestamp;
use daybook_format::{Format, Media};
use serde_json::{Value, json};

use super::channel::Pinger;
use super::{Answer, Ask, Window, caldav, feed, google, graph, ics};

/// Whose calendars they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// Google Calendar.
    Google,
    /// Outlook, through Microsoft Graph.
    Graph,
    /// A CalDAV server.
    CalDav,
    /// Whoever publishes files of iCalendar.
    Feed,
}

/// What there is to ask when something is missing, before it is believed to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The event, by its own name.
    Event,
    /// All that there is of the object that it was in, which is what its series is called.
    Object,
    /// Nobody: there is the whole calendar, and nothing else.
    Nothing,
}

/// What a question is about.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The calendar, by its alias.
    pub calendar: &'a str,
    /// The time that is watched.
    pub window: Window,
    /// The zone of times that have none, as far as is known.
    pub zone: Option<Tz>,
    /// The path of the address in the settings, without a slash at its end.
    pub root: &'a str,
}

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: &'static str,
    /// The path and query, below the address in the settings.
    pub path: String,
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body, if there is one.
    pub body: Option<String>,
}

/// What has come back.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// The header `ETag`.
    pub etag: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
    /// All of the body.
    pub body: &'a [u8],
}

impl Vendor {
    /// The vendor of a format; none of one whose calendars are not read.
    pub const fn of(format: &Format) -> Option<Self> {
        match format {
            Format::GoogleCalendar => Some(Self::Google),
            Format::Outlook => Some(Self::Graph),
            Format::CalDav => Some(Self::CalDav),
            Format::IcsFeed => Some(Self::Feed),
            Format::Calendly | Format::Generic | Format::Api | Format::Described(_) => None,
        }
    }

    /// Where its API is, if the settings do not say otherwise.
    pub const fn base(self) -> Option<&'static str> {
        match self {
            Self::Google => Some(google::BASE),
            Self::Graph => Some(graph::BASE),
            Self::CalDav | Self::Feed => None,
        }
    }

    /// How it says that something has changed, if it can.
    pub const fn pinger(self) -> Option<Pinger> {
        match self {
            Self::Google => Some(Pinger::Google),
            Self::Graph => Some(Pinger::Graph),
            Self::CalDav | Self::Feed => None,
        }
    }

    /// How much of an answer is read. What comes in pages of some events is short; a file is as long as the calendar.
    pub const fn body_max(self) -> usize {
        match self {
            Self::Google | Self::Graph => 8 * 1_024 * 1_024,
            Self::CalDav | Self::Feed => 32 * 1_024 * 1_024,
        }
    }

    /// What there is to ask for what is missing.
    pub(super) const fn proof(self) -> Proof {
        match self {
            Self::Google | Self::Graph => Proof::Event,
            Self::CalDav => Proof::Object,
            Self::Feed => Proof::Nothing,
        }
    }

    /// The zone that a place in its feed remembers.
    pub(super) fn zone_of(self, cursor: &str) -> Option<&str> {
        match self {
            Self::CalDav => caldav::zone_of(cursor),
            Self::Google | Self::Graph | Self::Feed => None,
        }
    }

    /// What to send.
    pub fn request(self, ask: &Ask, context: &Context<'_>) -> Request {
        let get = |path, headers: &[(&'static str, &str)]| {
            let accept = ("accept", "application/json".to_owned());
            let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
            Request { method: "GET", path, headers: std::iter::once(accept).chain(headers).collect(), body: None }
        };
        match self {
            Self::Google => get(google::address(context.calendar, ask, context.window), &[]),
            Self::Graph => get(graph::address(context.calendar, ask, context.window), graph::HEADERS),
            Self::CalDav => caldav::request(ask, context),
            Self::Feed => feed::request(ask, context),
        }
    }

    /// What an answer says. `go_on` is asked before each series that is expanded here.
    pub fn read(self, ask: &Ask, context: &Context<'_>, told: &Told<'_>, go_on: &mut dyn FnMut() -> bool) -> Answer {
        let Told { status, retry_after, now, body, .. } = *told;
        match self {
            Self::Google => google::read(ask, status, retry_after, now, body),
            Self::Graph => graph::read(ask, status, retry_after, now, body),
            Self::CalDav => caldav::read(ask, context, told, go_on),
            Self::Feed => feed::read(ask, context, told, go_on),
        }
    }

    /// How it would say that an event is gone.
    pub(super) fn gone(self, id: &str) -> Value {
        match self {
            Self::Google => json!({ "id": id, "status": "cancelled" }),
            Self::Graph => json!({ "id": id, "@removed": { "reason": "deleted" } }),
            Self::CalDav | Self::Feed => ics::gone(id),
        }
    }

    /// How it would write a page of these.
    pub(super) fn page(self, items: &[Value], zone: Option<&str>) -> Vec<u8> {
        let page = match (self, zone) {
            (Self::Google, Some(zone)) => json!({ "timeZone": zone, "items": items }),
            (Self::Google, None) => json!({ "items": items }),
            (Self::Graph, _) => json!({ "value": items }),
            (Self::CalDav | Self::Feed, _) => return ics::written(items),
        };
        page.to_string().into_bytes()
    }

    /// The media type of such a page.
    pub(super) const fn media(self) -> &'static str {
        match self {
            Self::Google | Self::Graph => Media::Json.content_type(),
            Self::CalDav | Self::Feed => Media::Calendar.content_type(),
        }
    }
}
