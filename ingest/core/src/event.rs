//! What an authentic delivery is called: its CloudEvents attributes and its Kafka key.
//!
//! The body is read here only to look for a name, a time and a key, and is believed in nothing: whatever does not read
//! is left empty, and the bytes go on as they came.

use daybook_domain::{SourceName, Timestamp};
use daybook_format::{Delivery as Described, Finding, Format, Media, TOLD, as_written, form};
use daybook_wire::{Call, SourceEvent};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::authentic::Authentic;
use crate::fetch::calendly;
use crate::trace::TraceParent;

/// How the types of the events begin that ingest makes itself.
const OWN_TYPES: &str = "daybook.";
/// The longest type that is taken over.
const TYPE_LENGTH_MAX: usize = 128;
/// The longest name of a booking or an event that is taken; the normalizer refuses longer ones.
pub(crate) const NAME_LENGTH_MAX: usize = 512;

/// One delivery, as the shell holds it.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// What its source sends.
    pub format: &'a Format,
    /// Its source.
    pub source: &'a SourceName,
    /// The bytes as received, of the media type of the format.
    pub body: &'a [u8],
    /// When they were.
    pub received_at: Timestamp,
    /// The trace that it continues.
    pub traceparent: Option<TraceParent>,
    /// Whether what it only tells of is fetched.
    pub fetched: bool,
}

/// What goes to `raw.<source>` beside the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// The CloudEvents attributes.
    pub event: SourceEvent,
    /// The record's key: the source's own booking id, or the event's id where the body names none. It may hold
    /// personal data and is never logged.
    pub key: String,
}

/// The record of an authentic delivery. The same delivery makes the same id and key, however often it comes.
pub fn raw_record(authentic: &Authentic, delivery: &Delivery<'_>) -> RawRecord {
    let names = Names::look(delivery);
    let id = match authentic.delivery_id() {
        Some(id) => id.to_owned(),
        None => digest(delivery.body),
    };
    RawRecord {
        key: names.key.unwrap_or_else(|| id.clone()),
        event: SourceEvent {
            id,
            source: format!("/webhooks/{}", delivery.source),
            kind: names.kind.unwrap_or_default(),
            subject: None,
            time: names.time,
            content_type: delivery.format.media().content_type().to_owned(),
            received_at: delivery.received_at,
            traceparent: delivery.traceparent.map(|trace| trace.to_string()),
            call: Call::default(),
        },
    }
}

/// The id of a delivery that has none of its own: the SHA-256 of its bytes, which `sha256sum` also prints. A retry
/// sends the same bytes; two events never do, because each carries its own URIs and microseconds.
fn digest(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// The id of an event that ingest makes itself: of these parts, each with its length, so that none runs into the next.
pub(crate) fn made_id(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize())
}

/// What the body says about itself, as far as it does.
#[derive(Default)]
struct Names {
    kind: Option<String>,
    time: Option<Timestamp>,
    key: Option<String>,
}

impl Names {
    fn look(delivery: &Delivery<'_>) -> Self {
        let format = delivery.format;
        let read = match format.media() {
            Media::Json => serde_json::from_slice::<Value>(delivery.body).ok(),
            Media::Form => form(delivery.body).ok(),
            Media::Calendar => None,
        };
        let Some(body) = read else { return Self::default() };
        let text = |path: &str| body.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let (kind, time, key) = match format {
            Format::Calendly => (text("/event"), text("/created_at"), text("/payload/uri")),
            Format::Generic => (text("/events/0/type"), text("/events/0/updated_at"), text("/events/0/id")),
            // Not delivered by a webhook; see `call.rs` and `poll.rs`.
            Format::Api | Format::GoogleCalendar | Format::Outlook | Format::CalDav | Format::IcsFeed => {
                (None, None, None)
            }
            Format::Described(description) => described(&description.delivery, &body),
        };
        let only_told = delivery.fetched && matches!(format, Format::Calendly) && calendly::only_told(&body).is_some();
        Self {
            kind: if only_told { Some(TOLD.to_owned()) } else { kind.filter(|kind| is_type(kind)) },
            time: time.and_then(|time| time.parse().ok()),
            key: key.filter(|key| is_name(key)),
        }
    }
}

fn described(delivery: &Described, body: &Value) -> (Option<String>, Option<String>, Option<String>) {
    let text = |finding: &Finding| as_written(finding.first(body)?.0);
    (delivery.kind.as_ref().and_then(text), delivery.time.as_ref().and_then(text), text(&delivery.key))
}

/// A type ends up in logs, so it is a word of a vocabulary or nothing. Our own are for nobody else to say.
fn is_type(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=TYPE_LENGTH_MAX).contains(&text.len()) && text.bytes().all(word) && !text.starts_with(OWN_TYPES)
}

/// Whether a vendor's name for something can be taken: as a key, and into the store, which takes no control characters.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= NAME_LENGTH_MAX && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(format: &Format, delivery_id: Option<&str>, body: &[u8]) -> RawRecord {
        let source: SourceName = "shop".parse().expect("a name");
        let authentic = Authentic::new(Timestamp::EPOCH, delivery_id.map(str::to_owned));
        let (received_at, traceparent) = (Timestamp::EPOCH, None);
        let delivery = Delivery { format, source: &source, body, received_at, traceparent, fetched: true };
        raw_record(&authentic, &delivery)
    }

    #[test]
    fn a_calendly_event_is_named_by_its_bytes_and_keyed_by_its_invitee() {
        let body =
            br#"{"event":"invitee.created","created_at":"2026-03-01T08:00:00.000000Z","payload":{"uri":"inv-1"}}"#;
        let record = record(&Format::Calendly, None, body);
        assert_eq!(record.key, "inv-1");
        assert_eq!(record.event.id, digest(body));
        assert_eq!(record.event.id.len(), 64);
        assert_eq!(record.event.source, "/webhooks/shop");
        assert_eq!(record.event.kind, "invitee.created");
        assert_eq!(record.event.time.map(|time| time.to_string()).as_deref(), Some("2026-03-01T08:00:00Z"));
        assert_eq!(record.event.content_type, "application/json");
    }

    #[test]
    fn a_calendly_event_that_only_names_its_event_is_of_a_type_of_our_own_where_that_is_fetched() {
        let body = br#"{"event":"invitee.created","payload":{"uri":"https://api.calendly.com/scheduled_events/E/invitees/I","event":"https://api.calendly.com/scheduled_events/E"}}"#;
        let told = record(&Format::Calendly, None, body);
        assert_eq!((told.event.kind.as_str(), told.event.id), (TOLD, digest(body)));
        assert_eq!(told.key, "https://api.calendly.com/scheduled_events/E/invitees/I");
    }

    #[test]
    fn a_generic_event_is_named_by_its_sender_and_keyed_by_its_first_booking() {
        let body = br#"{"events":[{"type":"booking.created","id":"b-1"},{"type":"booking.cancelled","id":"b-2"}]}"#;
        let record = record(&Format::Generic, Some("msg_1"), body);
        assert_eq!((record.event.id.as_str(), record.key.as_str()), ("msg_1", "b-1"));
        assert_eq!(record.event.kind, "booking.created");
        assert_eq!(record.event.time, None);
    }

    #[test]
    fn a_described_event_is_named_and_keyed_as_its_description_says() {
        let cal = Format::new("cal.com", None).expect("a format");
        let body =
            br#"{"triggerEvent":"BOOKING_CREATED","createdAt":"2026-03-01T08:00:00.000Z","payload":{"uid":"u1"}}"#;
        let record = record(&cal, None, body);
        assert_eq!((record.key.as_str(), record.event.kind.as_str()), ("u1", "BOOKING_CREATED"));
        assert_eq!(record.event.id, digest(body));
        assert_eq!(record.event.time.map(|time| time.to_string()).as_deref(), Some("2026-03-01T08:00:00Z"));
    }

    #[test]
    fn bytes_that_make_no_sense_pass_under_their_own_digest() {
        for body in [&b""[..], b"\xff\xfe", b"{", b"[]", br#"{"event":7,"created_at":"now","payload":{"uri":""}}"#] {
            let record = record(&Format::Calendly, None, body);
            assert_eq!(record.key, record.event.id);
            assert_eq!((record.event.kind.as_str(), record.event.time), ("", None));
        }
    }

    #[test]
    fn a_type_or_key_that_is_no_name_is_not_taken_over() {
        let body = br#"{"event":"jane@example.com","payload":{"uri":"a\u0000b"}}"#;
        let record = record(&Format::Calendly, None, body);
        assert_eq!(record.event.kind, "");
        assert_eq!(record.key, record.event.id);
        assert!(!is_name(&"x".repeat(513)));
        assert!(!is_type(&"x".repeat(129)));
        assert!(!is_type(daybook_format::GONE) && !is_type(daybook_format::FETCHED));
    }

    proptest! {
        #[test]
        fn any_bytes_make_a_record_with_an_id_and_a_key(body in prop::collection::vec(any::<u8>(), 0..300)) {
            for kind in ["calendly", "generic", "cal.com", "zendesk"] {
                let record = record(&Format::new(kind, None).expect("a format"), None, &body);
                prop_assert!(!record.key.is_empty() && !record.event.id.is_empty());
            }
        }
    }
}
