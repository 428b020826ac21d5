//! A description as it is written: what TOML, YAML or the environment may say, before any of it is judged. The field
//! comments are the definition that people write by.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::list::WrittenList;
use crate::query::WrittenFinding;
use crate::signed::{Clock, Encoding, Hash};

/// A description of a format.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// How its deliveries come.
    pub delivery: WrittenDelivery,
    /// Which events there are; without it a delivery is one event, and a state.
    #[serde(default)]
    pub events: WrittenEvents,
    /// Where the fields of a booking are: in its state that is fetched, where it is, else in the event.
    pub booking: WrittenBooking,
    /// How the state of a booking is fetched, where events only say that it has changed.
    #[serde(default)]
    pub fetch: Option<WrittenFetch>,
    /// How bookings are listed that deliveries may not have told of; each that is new or changed is fetched.
    #[serde(default)]
    pub list: Option<WrittenList>,
    /// The names that each object may have, by the JSONPath of the object: another name is counted as drift. Objects that
    /// are not listed here are not watched.
    #[serde(default)]
    pub known: BTreeMap<String, Vec<String>>,
}

impl Written {
    /// Reads TOML, or says where it is none of a description.
    pub fn read(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }
}

/// How its deliveries come.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenDelivery {
    /// How bodies are written.
    #[serde(default)]
    pub media: Media,
    /// How they are signed. Either this or `token`.
    #[serde(default)]
    pub signature: Option<WrittenSignature>,
    /// Which header has a secret that both sides know, for a tool that cannot sign.
    #[serde(default)]
    pub token: Option<WrittenToken>,
    /// The header with an id that every attempt at one delivery has in common; without it a delivery is named by its bytes.
    #[serde(default)]
    pub id_header: Option<String>,
    /// Where the source's id of the booking is, which keeps the events of one booking in order.
    pub key: WrittenFinding,
    /// Where the type of the event is.
    #[serde(default, rename = "type")]
    pub kind: Option<WrittenFinding>,
    /// Where the time of the event is, in RFC 3339.
    #[serde(default)]
    pub time: Option<WrittenFinding>,
}

/// How bodies are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Media {
    /// `application/json`.
    #[default]
    Json,
    /// `application/x-www-form-urlencoded`: read as an object of its fields, each a string.
    Form,
    /// `text/calendar`, of calendars that are read; no delivery is written so.
    #[serde(skip)]
    Calendar,
}

impl Media {
    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
            Self::Calendar => "text/calendar",
        }
    }

    /// How a body of this content type is to be read: as JSON, if it is not said to be something else.
    pub fn of(content_type: &str) -> Self {
        let others = [Self::Form, Self::Calendar];
        others.into_iter().find(|media| content_type.starts_with(media.content_type())).unwrap_or(Self::Json)
    }
}

/// How deliveries are signed: an HMAC of what is signed, in one header.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenSignature {
    /// The header.
    pub header: String,
    /// What stands before the signature in it, such as `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// Which hash.
    #[serde(default = "sha256")]
    pub hash: Hash,
    /// How the signature is written: `hex` or `base64`.
    pub encoding: Encoding,
    /// How the secret is written: `text`, the default, `hex` or `base64`.
    #[serde(default = "text")]
    pub secret: Encoding,
    /// What is signed: `{body}`, and `{timestamp}`, `{method}` and `{url}` where they are, with any text between. For the
    /// URL, the settings of the source must say which one the vendor was given (`public_url`).
    pub signed: String,
    /// Where the time of the signature is.
    #[serde(default)]
    pub timestamp: Option<Clock>,
}

const fn sha256() -> Hash {
    Hash::Sha256
}

const fn text() -> Encoding {
    Encoding::Text
}

/// A secret in a header.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenToken {
    /// The header.
    pub header: String,
}

/// Which events there are.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenEvents {
    /// Where the events of a delivery are, at most 100; without it the delivery is one. Every other path starts at an event.
    #[serde(default)]
    pub items: Option<WrittenFinding>,
    /// Found in an event that is about a booking; others are passed over. Without it, all are.
    #[serde(default)]
    pub only: Option<WrittenFinding>,
    /// Where the type of an event is; without it every event has the meaning `state`, or `changed` where states are fetched.
    #[serde(default, rename = "type")]
    pub kind: Option<WrittenFinding>,
    /// What each type means. A type that is not here is passed over and counted as drift.
    #[serde(default)]
    pub meaning: BTreeMap<String, String>,
}

/// Where the fields of a booking are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenBooking {
    /// What the source calls the booking.
    pub id: WrittenFinding,
    /// What it called it before, where its ids change. An event that has this is a reschedule, whatever its type says.
    #[serde(default)]
    pub previous_id: Option<WrittenFinding>,
    /// A counter of the booking's states. Give it only if every event has it: one without counts as the oldest.
    #[serde(default)]
    pub sequence: Option<WrittenFinding>,
    /// When the source made this state.
    #[serde(default)]
    pub updated_at: Option<WrittenFinding>,
    /// Whose time it is.
    pub resources: Vec<WrittenResource>,
    /// From when.
    pub start: WrittenFinding,
    /// Until when; or `length`.
    #[serde(default)]
    pub end: Option<WrittenFinding>,
    /// How long.
    #[serde(default)]
    pub length: Option<WrittenLength>,
    /// How times are written: `rfc3339`, which is also what takes local times beside a `time_zone`; `unix`, `unix_ms`; or
    /// a pattern in the words of strftime with `%z`, such as `%Y-%m-%dT%H:%M:%S%z`.
    #[serde(default)]
    pub times: Option<String>,
    /// The IANA name of the zone of local times; without it they are refused.
    #[serde(default)]
    pub time_zone: Option<WrittenFinding>,
    /// The IANA name of the zone that is shown; without it, the zone of local times.
    #[serde(default)]
    pub display_zone: Option<WrittenFinding>,
    /// What people see.
    #[serde(default)]
    pub title: Option<WrittenFinding>,
    /// Who attends.
    #[serde(default)]
    pub attendees: Option<WrittenAttendees>,
    /// The iCalendar UID of the appointment.
    #[serde(default)]
    pub ical_uid: Option<WrittenFinding>,
    /// What the appointment is called in other systems.
    #[serde(default)]
    pub external_ids: Vec<WrittenExternalId>,
    /// Found in an event whose booking is gone, whatever its type says.
    #[serde(default)]
    pub cancelled: Option<WrittenFinding>,
    /// Found in a cancellation that announces a replacement: the slot is kept for it for a while.
    #[serde(default)]
    pub replacement_follows: Option<WrittenFinding>,
}

/// How the state of a booking is fetched: a GET, whose answer is JSON and has the booking's id where `booking.id` is. Its
/// version is when it was asked for, so a state needs none of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenFetch {
    /// Where the vendor's API is. The settings of the source may say another place.
    pub base: String,
    /// The path below it, with the version of the API that is read here; `{id}` stands for the booking's id.
    pub path: String,
    /// The names of the answer's fields that are kept, at its first level; the others may hold what nobody here needs to
    /// know, and go no further. All, if left out.
    #[serde(default)]
    pub keep: Vec<String>,
    /// The answers that mean that there is no such booking any more; 404 and 410 if left out.
    #[serde(default = "gone")]
    pub gone: Vec<u16>,
    /// Headers that go with every question, such as the version of the API.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

fn gone() -> Vec<u16> {
    vec![404, 410]
}

/// Whose time it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenResource {
    /// Where each of them is; without it there is one, and the names start at the event.
    #[serde(default)]
    pub at: Option<WrittenFinding>,
    /// Its names there, the most trustworthy first: texts or numbers.
    pub names: Vec<WrittenFinding>,
}

/// How long a booking is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenLength {
    /// Where that is: a whole number, or a text of one.
    pub at: WrittenFinding,
    /// What it counts: `seconds`, `minutes` or `hours`.
    pub unit: String,
}

/// Who attends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenAttendees {
    /// Where each of them is; without it there is one, and the names start at the event.
    #[serde(default)]
    pub at: Option<WrittenFinding>,
    /// What they are called.
    #[serde(default)]
    pub name: Option<WrittenFinding>,
    /// Or their two names.
    #[serde(default)]
    pub first_name: Option<WrittenFinding>,
    /// The second of the two.
    #[serde(default)]
    pub last_name: Option<WrittenFinding>,
    /// Their e-mail address; this or `phone` must be found for each.
    #[serde(default)]
    pub email: Option<WrittenFinding>,
    /// Their phone number. One that does not read is left out and counted as drift where there is an address.
    #[serde(default)]
    pub phone: Option<WrittenFinding>,
}

/// What the appointment is called in another system.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenExternalId {
    /// The system, such as `google`.
    pub system: String,
    /// Its id there.
    pub id: WrittenFinding,
}
