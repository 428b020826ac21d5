//! Record headers: CloudEvents in binary mode, the trace, and why a record is a dead letter.

use daybook_domain::{RequestDigest, Timestamp};

use crate::shared::{request_digest, request_digest_text};

/// Header names. CloudEvents: Kafka protocol binding 1.0.2, §3.2 (binary content mode).
pub mod header {
    /// The sender's delivery id.
    pub const CE_ID: &str = "ce_id";
    /// Where the event came in.
    pub const CE_SOURCE: &str = "ce_source";
    /// What the sender calls this kind of event.
    pub const CE_TYPE: &str = "ce_type";
    /// What of its source it is about: a calendar. May be an e-mail address.
    pub const CE_SUBJECT: &str = "ce_subject";
    /// When the sender says that it happened, RFC 3339.
    pub const CE_TIME: &str = "ce_time";
    /// Calls of the API: the fingerprint of what was asked, 32 hexadecimal digits.
    pub const CE_REQUEST_DIGEST: &str = "ce_requestdigest";
    /// Calls of the API: the version that the resource must have.
    pub const CE_RESOURCE_VERSION: &str = "ce_resourceversion";
    /// CloudEvents version: `1.0`.
    pub const CE_SPECVERSION: &str = "ce_specversion";
    /// The media type of the value.
    pub const CONTENT_TYPE: &str = "content-type";
    /// When ingest took it in, RFC 3339.
    pub const RECEIVED_AT: &str = "received-at";
    /// W3C Trace Context.
    pub const TRACEPARENT: &str = "traceparent";
    /// Kafka Connect's name for the topic a dead letter came from.
    pub const ERROR_TOPIC: &str = "__connect.errors.topic";
    /// Kafka Connect's name for the partition it came from.
    pub const ERROR_PARTITION: &str = "__connect.errors.partition";
    /// Kafka Connect's name for its offset there.
    pub const ERROR_OFFSET: &str = "__connect.errors.offset";
    /// Kafka Connect's name for the stage that gave it up.
    pub const ERROR_STAGE: &str = "__connect.errors.stage";
    /// Kafka Connect's name for the error's text: the field and the fix, never the value.
    pub const ERROR_MESSAGE: &str = "__connect.errors.exception.message";
    /// The reason, from a bounded vocabulary.
    pub const DLQ_REASON: &str = "dlq.reason";
    /// How often it was tried.
    pub const DLQ_ATTEMPTS: &str = "dlq.attempts";
    /// When it first failed, RFC 3339.
    pub const DLQ_FIRST_FAILED_AT: &str = "dlq.first-failed-at";
    /// Which item of the event was given up; its siblings may have passed.
    pub const DLQ_ITEM: &str = "dlq.item";
}

/// The headers of a record, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, Vec<u8>)>);

impl Headers {
    /// None.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of the last header of this name, as text.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().rev().find(|(found, _)| found == name)?;
        std::str::from_utf8(value).ok()
    }

    /// Sets a header, replacing those of the same name.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.retain(|(found, _)| found != name);
        self.0.push((name.to_owned(), value.into()));
    }

    /// Sets a header if there is a value.
    pub fn set_some(&mut self, name: &str, value: Option<impl Into<Vec<u8>>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// How many bytes their names and values are.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// The headers that a replay sends again: all but those that say why it failed.
    pub fn without_dead_letter(mut self) -> Self {
        self.0.retain(|(name, _)| !name.starts_with("__connect.errors.") && !name.starts_with("dlq."));
        self
    }
}

/// The longest id or source of an event, in characters.
pub const ATTRIBUTE_LENGTH_MAX: usize = 512;

/// Whether a text can be an event's id or source. An upstream system writes these headers itself, and they end up in ids,
/// stores and log lines: an e-mail address must not get there as one.
pub fn is_attribute(text: &str) -> bool {
    let strange = |c: char| c.is_control() || c.is_whitespace() || c == '@';
    (1..=ATTRIBUTE_LENGTH_MAX).contains(&text.chars().count()) && !text.chars().any(strange)
}

/// The CloudEvents attributes of a raw source event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceEvent {
    /// The sender's delivery id, or one derived from the bytes where it has none.
    pub id: String,
    /// Where it came in: the namespace of `id`.
    pub source: String,
    /// What the sender calls this kind of event; empty if it does not say.
    pub kind: String,
    /// What of its source it is about, where one source has many: a calendar. May be an e-mail address; never logged.
    pub subject: Option<String>,
    /// When the sender says that it happened.
    pub time: Option<Timestamp>,
    /// The media type of the bytes.
    pub content_type: String,
    /// When ingest took it in.
    pub received_at: Timestamp,
    /// W3C Trace Context, if the event is traced.
    pub traceparent: Option<String>,
    /// What a call of the API says beside its body.
    pub call: Call,
}

/// What a call of the API says beside its body. Nothing else says any of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Call {
    /// The fingerprint of all that was asked.
    pub digest: Option<RequestDigest>,
    /// The version that the resource must have.
    pub resource_version: Option<u64>,
}

impl SourceEvent {
    /// As headers.
    pub fn headers(&self) -> Headers {
        let mut headers = Headers::new();
        headers.set(header::CE_SPECVERSION, "1.0");
        headers.set(header::CE_ID, self.id.as_str());
        headers.set(header::CE_SOURCE, self.source.as_str());
        headers.set(header::CE_TYPE, self.kind.as_str());
        headers.set_some(header::CE_SUBJECT, self.subject.as_deref());
        headers.set_some(header::CE_TIME, self.time.map(|time| time.to_string()));
        headers.set(header::CONTENT_TYPE, self.content_type.as_str());
        headers.set(header::RECEIVED_AT, self.received_at.to_string());
        headers.set_some(header::TRACEPARENT, self.traceparent.as_deref());
        headers.set_some(header::CE_REQUEST_DIGEST, self.call.digest.map(request_digest_text));
        let resource_version = self.call.resource_version.map(|version| version.to_string());
        headers.set_some(header::CE_RESOURCE_VERSION, resource_version);
        headers
    }

    /// From headers. `id` and `source` are the only ones that must be there: without them the same event sent twice
    /// could not be told from two events. `received` stands in where ingest was passed by.
    pub fn from_headers(headers: &Headers, received: Timestamp) -> Result<Self, &'static str> {
        let required = |name| headers.get(name).filter(|value| !value.is_empty()).ok_or(name);
        Ok(Self {
            id: required(header::CE_ID)?.to_owned(),
            source: required(header::CE_SOURCE)?.to_owned(),
            kind: headers.get(header::CE_TYPE).unwrap_or_default().to_owned(),
            subject: headers.get(header::CE_SUBJECT).map(str::to_owned),
            time: headers.get(header::CE_TIME).and_then(|text| text.parse().ok()),
            content_type: headers.get(header::CONTENT_TYPE).unwrap_or("application/json").to_owned(),
            received_at: headers.get(header::RECEIVED_AT).and_then(|text| text.parse().ok()).unwrap_or(received),
            traceparent: headers.get(header::TRACEPARENT).map(str::to_owned),
            call: Call {
                digest: headers
                    .get(header::CE_REQUEST_DIGEST)
                    .and_then(|text| request_digest(Some(text)).ok().flatten()),
                // A condition that does not read is met by nothing.
                resource_version: headers.get(header::CE_RESOURCE_VERSION).map(|text| text.parse().unwrap_or(u64::MAX)),
            },
        })
    }
}

/// Why a record is a dead letter. Beside its original headers, which stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The topic it came from.
    pub topic: String,
    /// The partition it came from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// The stage that gave it up: `ingest`, `normalizer`, `arbiter`, `propagator`.
    pub stage: &'static str,
    /// From a bounded vocabulary.
    pub reason: &'static str,
    /// The field and the fix; never the value.
    pub message: String,
    /// Which item of the event, where it has several.
    pub item: Option<usize>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it first failed.
    pub first_failed_at: Timestamp,
}

impl DeadLetter {
    /// The value and the headers of the dead letter of a record: as it came, with the reasons behind. An upstream system
    /// that compresses can get more through than can be sent on: where key, value and headers would be more than
    /// `bytes_max` together, the value is left where it came from, and the message says so.
    pub fn around<V: AsRef<[u8]>>(
        mut self,
        key: Option<&[u8]>,
        value: Option<V>,
        original: &Headers,
        bytes_max: usize,
    ) -> (Option<V>, Headers) {
        let headers = self.onto(original.clone());
        let length = value.as_ref().map_or(0, |value| value.as_ref().len());
        if key.map_or(0, <[u8]>::len) + length + headers.bytes() <= bytes_max {
            return (value, headers);
        }
        self.message.push_str("; the value is too large for a dead letter and is kept only where it came from");
        (None, self.onto(original.clone()))
    }

    /// The original headers with the reasons behind them.
    pub fn onto(&self, original: Headers) -> Headers {
        let mut headers = original.without_dead_letter();
        headers.set(header::ERROR_TOPIC, self.topic.as_str());
        headers.set(header::ERROR_PARTITION, self.partition.to_string());
        headers.set(header::ERROR_OFFSET, self.offset.to_string());
        headers.set(header::ERROR_STAGE, self.stage);
        headers.set(header::ERROR_MESSAGE, self.message.as_str());
        headers.set(header::DLQ_REASON, self.reason);
        headers.set(header::DLQ_ATTEMPTS, self.attempts.to_string());
        headers.set(header::DLQ_FIRST_FAILED_AT, self.first_failed_at.to_string());
        headers.set_some(header::DLQ_ITEM, self.item.map(|item| item.to_string()));
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> SourceEvent {
        SourceEvent {
            id: "evt-1".to_owned(),
            source: "/webhooks/generic".to_owned(),
            kind: "booking.created".to_owned(),
            subject: Some("room-7@example.com".to_owned()),
            time: None,
            content_type: "application/json".to_owned(),
            received_at: Timestamp::EPOCH,
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            call: Call { digest: Some(RequestDigest([7; 16])), resource_version: Some(3) },
        }
    }

    #[test]
    fn an_event_survives_its_headers() {
        assert_eq!(SourceEvent::from_headers(&event().headers(), Timestamp::MAX), Ok(event()));
    }

    #[test]
    fn an_event_without_an_id_is_refused_by_the_name_of_the_header() {
        let mut headers = event().headers();
        headers.set(header::CE_ID, "");
        assert_eq!(SourceEvent::from_headers(&headers, Timestamp::MAX), Err("ce_id"));
    }

    #[test]
    fn a_condition_that_does_not_read_is_met_by_nothing() {
        let mut headers = event().headers();
        headers.set(header::CE_RESOURCE_VERSION, "new");
        headers.set(header::CE_REQUEST_DIGEST, "old");
        let call = SourceEvent::from_headers(&headers, Timestamp::MAX).expect("an event").call;
        assert_eq!(call, Call { digest: None, resource_version: Some(u64::MAX) });
    }

    #[test]
    fn a_dead_letter_keeps_the_original_headers_and_gives_them_back() {
        let letter = DeadLetter {
            topic: "raw.generic".to_owned(),
            partition: 1,
            offset: 2,
            stage: "normalizer",
            reason: "missing_field",
            message: "events[0].start: is missing".to_owned(),
            item: Some(0),
            attempts: 1,
            first_failed_at: Timestamp::EPOCH,
        };
        let headers = letter.onto(event().headers());
        assert_eq!(headers.get(header::DLQ_REASON), Some("missing_field"));
        assert_eq!(headers.get(header::ERROR_OFFSET), Some("2"));
        assert_eq!(headers.without_dead_letter(), event().headers());

        // Key and headers count as well as the value.
        let value = vec![7; 1_000];
        let around = |key: &[u8], max| letter.clone().around(Some(key), Some(&value), &event().headers(), max);
        let whole = letter.onto(event().headers()).bytes() + value.len();
        assert_eq!(around(b"", whole), (Some(&value), letter.onto(event().headers())));
        let (left, headers) = around(b"k", whole);
        assert_eq!(left, None);
        assert!(headers.get(header::ERROR_MESSAGE).is_some_and(|message| message.ends_with("where it came from")));
    }
}
