//! `BookingRequest` on `booking.requests`.

use std::sync::LazyLock;

use apache_avro::Schema;
use daybook_domain::{
    BookingId, CancelKind, Claim, Content, Identity, Operation, Request, SourceName, SourceVersion, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::avro::{Codec, WireError};
use crate::shared::{
    AttendeeRecord, RulesRecord, SourceVersionRecord, digest, digest_text, optional_interval, optional_time, parse,
    required, time,
};

/// Mirrors `avro/BookingRequest.avsc`, field for field.
#[derive(Serialize, Deserialize)]
#[serde(rename = "BookingRequest")]
pub struct RequestRecord {
    request_id: String,
    resource_id: String,
    operation: OperationRecord,
    source: String,
    event_id: String,
    booking_id: Option<String>,
    source_booking_id: Option<String>,
    previous_source_booking_id: Option<String>,
    source_version: Option<SourceVersionRecord>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    content: Option<ContentRecord>,
    awaiting_replacement: bool,
    deadline: Option<i64>,
    rules: Option<RulesRecord>,
    sourced_at: Option<i64>,
    received_at: i64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename = "Operation", rename_all = "SCREAMING_SNAKE_CASE")]
enum OperationRecord {
    Unknown,
    Book,
    Reschedule,
    Cancel,
    Define,
    Expire,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Content")]
struct ContentRecord {
    title: Option<String>,
    attendees: Vec<AttendeeRecord>,
    source_time_zone: Option<String>,
    digest: String,
}

impl From<&Content> for ContentRecord {
    fn from(content: &Content) -> Self {
        Self {
            title: content.title.clone(),
            attendees: content.attendees.iter().map(AttendeeRecord::from).collect(),
            source_time_zone: content.source_time_zone.clone(),
            digest: digest_text(content.digest),
        }
    }
}

impl ContentRecord {
    fn read(self) -> Result<Content, WireError> {
        Ok(Content {
            title: self.title,
            attendees: self.attendees.into_iter().map(AttendeeRecord::read).collect::<Result<_, _>>()?,
            source_time_zone: self.source_time_zone,
            digest: digest("content.digest", &self.digest)?,
        })
    }
}

/// The codec of `booking.requests`.
pub fn request_codec() -> &'static Codec<RequestRecord> {
    static CODEC: LazyLock<Codec<RequestRecord>> =
        LazyLock::new(|| Codec::new(include_str!("../../../avro/BookingRequest.avsc")));
    &CODEC
}

/// The Avro datum of a request.
pub fn encode_request(request: &Request) -> Vec<u8> {
    request_codec().write(&record(request))
}

/// Reads a datum that was written with `writer`.
pub fn decode_request(writer: &Schema, datum: &[u8]) -> Result<Request, WireError> {
    read(request_codec().read(writer, datum)?)
}

fn record(request: &Request) -> RequestRecord {
    let mut record = RequestRecord {
        request_id: request.request_id.to_string(),
        resource_id: request.resource.to_string(),
        operation: OperationRecord::Unknown,
        source: request.source.to_string(),
        event_id: request.event_id.clone(),
        booking_id: None,
        source_booking_id: None,
        previous_source_booking_id: None,
        source_version: None,
        start_time: None,
        end_time: None,
        content: None,
        awaiting_replacement: false,
        deadline: None,
        rules: None,
        sourced_at: request.sourced_at.map(Timestamp::micros),
        received_at: request.received_at.micros(),
    };
    match &request.operation {
        Operation::Book(claim) => {
            record.operation = OperationRecord::Book;
            put_claim(&mut record, claim);
        }
        Operation::Reschedule { previous, claim } => {
            record.operation = OperationRecord::Reschedule;
            record.previous_source_booking_id = Some(previous.id().to_owned());
            put_claim(&mut record, claim);
        }
        Operation::Cancel { booking_id, identity, version, interval, kind } => {
            record.operation = OperationRecord::Cancel;
            put_subject(&mut record, *booking_id, identity, *version);
            record.start_time = interval.map(|interval| interval.start().micros());
            record.end_time = interval.map(|interval| interval.end().micros());
            record.awaiting_replacement = match kind {
                CancelKind::Plain => false,
                CancelKind::AwaitingReplacement => true,
            };
        }
        Operation::Define(rules) => {
            record.operation = OperationRecord::Define;
            record.rules = Some(RulesRecord::from(rules));
        }
        Operation::Expire { booking_id, deadline } => {
            record.operation = OperationRecord::Expire;
            record.booking_id = Some(booking_id.to_string());
            record.deadline = Some(deadline.micros());
        }
    }
    record
}

fn put_subject(record: &mut RequestRecord, booking_id: BookingId, identity: &Identity, version: SourceVersion) {
    record.booking_id = Some(booking_id.to_string());
    record.source_booking_id = Some(identity.id().to_owned());
    record.source_version = Some(version.into());
}

fn put_claim(record: &mut RequestRecord, claim: &Claim) {
    put_subject(record, claim.booking_id, &claim.identity, claim.version);
    record.start_time = Some(claim.interval.start().micros());
    record.end_time = Some(claim.interval.end().micros());
    record.content = claim.content.as_ref().map(ContentRecord::from);
}

fn read(record: RequestRecord) -> Result<Request, WireError> {
    let source: SourceName = parse("source", &record.source)?;
    Ok(Request {
        request_id: parse("request_id", &record.request_id)?,
        resource: parse("resource_id", &record.resource_id)?,
        event_id: record.event_id.clone(),
        sourced_at: optional_time("sourced_at", record.sourced_at)?,
        received_at: time("received_at", record.received_at)?,
        operation: read_operation(&source, record)?,
        source,
    })
}

fn read_operation(source: &SourceName, record: RequestRecord) -> Result<Operation, WireError> {
    Ok(match record.operation {
        OperationRecord::Book => Operation::Book(read_claim(source, record)?),
        OperationRecord::Reschedule => Operation::Reschedule {
            previous: Identity::new(
                source,
                required("previous_source_booking_id", record.previous_source_booking_id.clone())?,
            ),
            claim: read_claim(source, record)?,
        },
        OperationRecord::Cancel => {
            let (booking_id, identity, version) = read_subject(source, &record)?;
            let kind = if record.awaiting_replacement { CancelKind::AwaitingReplacement } else { CancelKind::Plain };
            let interval = optional_interval(record.start_time, record.end_time)?;
            Operation::Cancel { booking_id, identity, version, interval, kind }
        }
        OperationRecord::Define => Operation::Define(required("rules", record.rules)?.read()?),
        OperationRecord::Expire => Operation::Expire {
            booking_id: parse("booking_id", &required("booking_id", record.booking_id)?)?,
            deadline: time("deadline", required("deadline", record.deadline)?)?,
        },
        OperationRecord::Unknown => {
            return Err(WireError::field("operation", "is UNKNOWN to this version; a newer writer made the record"));
        }
    })
}

fn read_subject(
    source: &SourceName,
    record: &RequestRecord,
) -> Result<(BookingId, Identity, SourceVersion), WireError> {
    Ok((
        parse("booking_id", required("booking_id", record.booking_id.as_deref())?)?,
        Identity::new(source, required("source_booking_id", record.source_booking_id.as_deref())?),
        required("source_version", record.source_version.as_ref())?.read()?,
    ))
}

fn read_claim(source: &SourceName, record: RequestRecord) -> Result<Claim, WireError> {
    let (booking_id, identity, version) = read_subject(source, &record)?;
    Ok(Claim {
        booking_id,
        identity,
        version,
        interval: required("start_time", optional_interval(record.start_time, record.end_time)?)?,
        content: record.content.map(ContentRecord::read).transpose()?,
    })
}

#[cfg(test)]
mod tests;
