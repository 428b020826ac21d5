//! What is written down of a record. Pure.

use daybook_domain::{SourceKey, SourceName, Timestamp, topics};
use daybook_ingest_core::event_key;
use daybook_runtime::kafka::Record;
use daybook_wire::{SourceEvent, header};
use uuid::Uuid;

/// The longest message of a dead letter that is kept.
const MESSAGE_CHARS_MAX: usize = 1_000;

/// An event on `raw.<source>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    pub event_key: Uuid,
    pub partition: i32,
    pub offset: i64,
    /// None for the webhooks of its source.
    pub ce_source: Option<String>,
    pub booking_key: Option<Uuid>,
    pub received_at: Timestamp,
}

/// A dead letter of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub partition: i32,
    pub offset: i64,
    pub event_key: Option<Uuid>,
    pub source: String,
    pub item: Option<i32>,
    pub reason: String,
    pub message: String,
    pub attempts: i32,
    pub raw_partition: i32,
    pub raw_offset: i64,
    pub failed_at: Timestamp,
}

/// The source whose raw topic this is.
fn source_of(topic: &str) -> Option<SourceName> {
    topic.strip_prefix("raw.")?.parse().ok()
}

/// Where the webhooks of a source come in.
pub fn webhooks_of(source: &SourceName) -> String {
    format!("/webhooks/{source}")
}

/// What a raw record says; none if it is another, or has no id to ask by.
pub fn sighting(record: &Record) -> Option<Sighting> {
    let source = source_of(&record.topic)?;
    let event = SourceEvent::from_headers(&record.headers, record.timestamp).ok()?;
    // PostgreSQL keeps no text with a NUL in it, and nobody asks after such a source.
    if event.source.contains('\0') {
        return None;
    }
    let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
    Some(Sighting {
        event_key: event_key(&source, &event.id),
        partition: record.partition,
        offset: record.offset,
        ce_source: (event.source != webhooks_of(&source)).then_some(event.source),
        booking_key: key.map(|key| SourceKey::derive(&source, key).uuid()),
        received_at: event.received_at,
    })
}

/// What a dead letter of the normalizer says; none if it is another record, or does not say where it came from.
pub fn letter(record: &Record) -> Option<Letter> {
    if &*record.topic != topics::DLQ_NORMALIZER {
        return None;
    }
    let text = |name| record.headers.get(name);
    let source = source_of(text(header::ERROR_TOPIC)?)?;
    Some(Letter {
        partition: record.partition,
        offset: record.offset,
        event_key: text(header::CE_ID).map(|id| event_key(&source, id)),
        source: source.to_string(),
        item: text(header::DLQ_ITEM).and_then(|item| item.parse().ok()),
        reason: kept(text(header::DLQ_REASON).unwrap_or("unknown")),
        message: kept(text(header::ERROR_MESSAGE).unwrap_or_default()),
        attempts: text(header::DLQ_ATTEMPTS).and_then(|attempts| attempts.parse().ok()).unwrap_or(1),
        raw_partition: text(header::ERROR_PARTITION)?.parse().ok()?,
        raw_offset: text(header::ERROR_OFFSET)?.parse().ok()?,
        failed_at: record.timestamp,
    })
}

/// As much of a text as is kept, without what PostgreSQL does not keep.
fn kept(text: &str) -> String {
    text.chars().filter(|character| *character != '\0').take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use daybook_wire::{DeadLetter, Headers};

    use super::*;

    fn record(topic: &str, headers: Headers) -> Record {
        Record {
            topic: topic.into(),
            partition: 2,
            offset: 17,
            timestamp: Timestamp::EPOCH,
            key: Some(b"jane@example.com".to_vec()),
            value: Some(b"{}".to_vec()),
            headers,
        }
    }

    fn headers(ce_source: &str) -> Headers {
        let mut headers = Headers::new();
        headers.set(header::CE_ID, "jane@example.com/1");
        headers.set(header::CE_SOURCE, ce_source);
        headers
    }

    #[test]
    fn of_an_event_only_its_place_and_pseudonyms_are_kept() {
        let seen = sighting(&record("raw.crm", headers("/webhooks/crm"))).expect("an event");
        assert_eq!((seen.partition, seen.offset, seen.ce_source.clone()), (2, 17, None));
        assert!(!format!("{seen:?}").contains("jane"));
        let own = sighting(&record("raw.crm", headers("/crm/eu"))).expect("an event");
        assert_eq!((own.ce_source.as_deref(), own.event_key), (Some("/crm/eu"), seen.event_key));
        assert_eq!(sighting(&record("raw.crm", Headers::new())), None);
        assert_eq!(sighting(&record(topics::DLQ_NORMALIZER, headers("/webhooks/crm"))), None);
    }

    #[test]
    fn a_dead_letter_is_kept_with_its_reason_and_where_it_came_from() {
        let dead = DeadLetter {
            topic: "raw.crm".to_owned(),
            partition: 1,
            offset: 2,
            stage: "normalizer",
            reason: "missing_field",
            message: "events[0].start: is missing".to_owned(),
            item: Some(3),
            attempts: 1,
            first_failed_at: Timestamp::EPOCH,
        };
        let kept = letter(&record(topics::DLQ_NORMALIZER, dead.onto(headers("/webhooks/crm")))).expect("a letter");
        assert_eq!((kept.raw_partition, kept.raw_offset, kept.item), (1, 2, Some(3)));
        assert_eq!((kept.source.as_str(), kept.reason.as_str()), ("crm", "missing_field"));
        assert_eq!(kept.message, "events[0].start: is missing");
        let forged = DeadLetter { topic: "booking.requests".to_owned(), ..dead };
        assert_eq!(letter(&record(topics::DLQ_NORMALIZER, forged.onto(headers("/x")))), None);
        assert_eq!(letter(&record("raw.crm", headers("/webhooks/crm"))), None);
    }
}
