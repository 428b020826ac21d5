//! A dead letter: what its headers and, for the propagator, its body say.

use std::fmt;
use std::str::FromStr;

use crate::connect::Role;
use crate::store::Place;
use clap::ValueEnum;
use daybook_domain::topics;
use daybook_runtime::kafka::Record;
use daybook_runtime::registry::Registry;
use daybook_wire::{DeliveryFailure, decode_failure, header, unframe};

/// Whose dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Queue {
    /// Source events that could not be made into requests.
    Normalizer,
    /// Requests that could not be read.
    Arbiter,
    /// Deliveries that were given up.
    Propagator,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 3] = [Self::Normalizer, Self::Arbiter, Self::Propagator];

    /// Its topic.
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Normalizer => topics::DLQ_NORMALIZER,
            Self::Arbiter => topics::DLQ_ARBITER,
            Self::Propagator => topics::DLQ_PROPAGATOR,
        }
    }

    /// Who notes what is done about its letters.
    pub const fn role(self) -> Role {
        match self {
            Self::Normalizer | Self::Arbiter => Role::Ingest,
            Self::Propagator => Role::Propagator,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normalizer => "normalizer",
            Self::Arbiter => "arbiter",
            Self::Propagator => "propagator",
        }
    }
}

/// Where a letter is in its queue: `partition:offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LetterId {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.offset)
    }
}

impl FromStr for LetterId {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once(':').and_then(|(partition, offset)| {
            Some(Self { partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        });
        let sound = numbers.filter(|id| id.partition >= 0 && id.offset >= 0);
        sound.ok_or("is no letter's id; copy PARTITION:OFFSET from daybook dlq list, such as 2:17")
    }
}

/// A dead letter.
pub struct Letter {
    /// Whose.
    pub queue: Queue,
    /// The record.
    pub record: Record,
    /// The propagator's body, or why it could not be read; none in the other queues.
    pub failure: Option<Result<DeliveryFailure, String>>,
}

impl Letter {
    /// Where it is.
    pub fn id(&self) -> LetterId {
        LetterId { partition: self.record.partition, offset: self.record.offset }
    }

    /// The same, with its queue, as the store has it.
    pub fn place(&self) -> Place {
        (self.queue.as_str().to_owned(), self.record.partition, self.record.offset)
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.record.headers.get(name)
    }

    /// The propagator's body, if it could be read.
    pub fn delivery(&self) -> Option<&DeliveryFailure> {
        self.failure.as_ref().and_then(|failure| failure.as_ref().ok())
    }

    /// Why it was given up.
    pub fn reason(&self) -> &str {
        let told = self.header(header::DLQ_REASON);
        told.or_else(|| self.delivery().map(|failure| failure.reason.as_str())).unwrap_or("unknown")
    }

    /// The source whose event it is.
    pub fn source(&self) -> Option<&str> {
        self.header(header::ERROR_TOPIC).and_then(|topic| topic.strip_prefix("raw."))
    }

    /// What is wrong: the field and the fix, or which delivery it was.
    pub fn message(&self) -> String {
        match &self.failure {
            Some(Ok(failure)) => format!(
                "{} at {}: version {} of booking {}",
                operation(failure),
                failure.target,
                failure.desired_version,
                failure.booking_id
            ),
            Some(Err(problem)) => problem.clone(),
            None => self.header(header::ERROR_MESSAGE).unwrap_or_default().to_owned(),
        }
    }
}

/// What a target was to do.
pub fn operation(failure: &DeliveryFailure) -> &'static str {
    match failure.operation {
        daybook_wire::DeliveryOperation::Put => "show",
        daybook_wire::DeliveryOperation::Remove => "remove",
        daybook_wire::DeliveryOperation::Unknown => "(an operation that this version does not know)",
    }
}

/// Reads the propagator's body.
pub async fn failure(body: &[u8], registry: &Registry) -> Result<DeliveryFailure, String> {
    let (id, datum) = unframe(body).map_err(|error| format!("the body cannot be read: {error}"))?;
    let schema = registry.schema(id).await.map_err(|error| format!("the body cannot be read: {error}"))?;
    decode_failure(&schema, datum).map_err(|error| format!("the body cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_partition_and_an_offset() {
        assert_eq!("2:17".parse(), Ok(LetterId { partition: 2, offset: 17 }));
        for text in ["", "2", "2:", ":17", "-1:2", "2:-1", "a:b"] {
            assert!(text.parse::<LetterId>().is_err(), "{text}");
        }
    }
}

/// Letters for tests.
#[cfg(test)]
pub mod samples {
    use daybook_domain::BookingId;
    use daybook_wire::{DeadLetter, DeliveryAttempt, DeliveryOperation, Headers, header};
    use uuid::Uuid;

    use super::*;
    use crate::sample::at;

    fn record(topic: &str, headers: Headers) -> Record {
        Record {
            topic: topic.into(),
            partition: 2,
            offset: 17,
            timestamp: at("2026-03-01T08:00:03Z"),
            key: Some(b"cal-1".to_vec()),
            value: Some(b"{\"name\":\"Jane\"}".to_vec()),
            headers,
        }
    }

    /// An event without a start.
    pub fn event() -> Letter {
        let mut headers = Headers::new();
        headers.set(header::CE_ID, "evt-1");
        headers.set(header::CONTENT_TYPE, "application/json");
        let letter = DeadLetter {
            topic: "raw.generic".to_owned(),
            partition: 1,
            offset: 2,
            stage: "normalizer",
            reason: "missing_field",
            message: "events[0].start: is missing".to_owned(),
            item: Some(0),
            attempts: 1,
            first_failed_at: at("2026-03-01T08:00:02Z"),
        };
        Letter { queue: Queue::Normalizer, record: record(topics::DLQ_NORMALIZER, letter.onto(headers)), failure: None }
    }

    /// A delivery that the calendar refused.
    pub fn delivery() -> Letter {
        let failure = DeliveryFailure {
            booking_id: BookingId::from_uuid(Uuid::from_u128(0xb00c)),
            target: "calendar".parse().expect("a name"),
            target_kind: "caldav".to_owned(),
            resource: "anna".parse().expect("a name"),
            operation: DeliveryOperation::Put,
            desired_version: 2,
            applied_version: 1,
            external_id: None,
            reason: "refused".to_owned(),
            attempts: vec![DeliveryAttempt {
                at: at("2026-03-01T08:00:02Z"),
                result: "refused".to_owned(),
                http_status: Some(422),
            }],
            failed_at: at("2026-03-01T08:00:03Z"),
        };
        let record = record(topics::DLQ_PROPAGATOR, Headers::new());
        Letter { queue: Queue::Propagator, record, failure: Some(Ok(failure)) }
    }
}
