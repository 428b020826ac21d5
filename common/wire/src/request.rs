//! `BookingRequest` on `booking.requests`.

use std::sync::LazyLock;
use std::time::Duration;

use daybook_domain::{
    BookingId, CancelKind, Claim, Content, Expected, Identity, Interval, Operation, Request, SourceName, SourceVersion,
    Subject, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::avro::{Codec, Schema, WireError};
use crate::shared::{
    AttendeeRecord, BasisRecord, ElsewhereRecord, OperationRecord, RulesRecord, SourceVersionRecord, digest,
    digest_text, elsewhere, list, optional_interval, optional_time, parse, read_count, request_digest,
    request_digest_text, required, texts, time,
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
    basis: BasisRecord,
    request_digest: Option<String>,
    expected_version: Option<i64>,
    expected_resource_version: Option<i64>,
    booking_id: Option<String>,
    source_booking_id: Option<String>,
    source_key: Option<String>,
    previous_source_booking_id: Option<String>,
    source_version: Option<SourceVersionRecord>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    content: Option<ContentRecord>,
    contact_ids: Vec<String>,
    tags: Vec<String>,
    mark: Option<String>,
    moved_from: Option<ElsewhereRecord>,
    moved_to: Option<ElsewhereRecord>,
    hold_ttl_ms: Option<i64>,
    awaiting_replacement: bool,
    deadline: Option<i64>,
    rules: Option<RulesRecord>,
    sourced_at: Option<i64>,
    received_at: i64,
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

/// A hold shorter than this is over before its holder has heard of it.
const HOLD_MIN: Duration = Duration::from_secs(1);

fn record(request: &Request) -> RequestRecord {
    let mut record = RequestRecord {
        request_id: request.request_id.to_string(),
        resource_id: request.resource.to_string(),
        operation: request.operation.kind().into(),
        source: request.source.to_string(),
        event_id: request.event_id.clone(),
        basis: request.basis.into(),
        request_digest: request.digest.map(request_digest_text),
        expected_version: request.expected.booking_version.map(expectation),
        expected_resource_version: request.expected.resource_version.map(expectation),
        booking_id: None,
        source_booking_id: None,
        source_key: None,
        previous_source_booking_id: None,
        source_version: None,
        start_time: None,
        end_time: None,
        content: None,
        contact_ids: Vec::new(),
        tags: Vec::new(),
        mark: None,
        moved_from: None,
        moved_to: None,
        hold_ttl_ms: None,
        awaiting_replacement: false,
        deadline: None,
        rules: None,
        sourced_at: request.sourced_at.map(Timestamp::micros),
        received_at: request.received_at.micros(),
    };
    match &request.operation {
        Operation::Book(claim) | Operation::Observe(claim) => put_claim(&mut record, claim),
        Operation::Hold { claim, ttl } => {
            record.hold_ttl_ms = Some(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
            put_claim(&mut record, claim);
        }
        Operation::Confirm { subject, content } => {
            put_subject(&mut record, subject);
            record.content = content.as_ref().map(ContentRecord::from);
        }
        Operation::Release { subject, moved_to } => {
            put_subject(&mut record, subject);
            record.moved_to = moved_to.as_ref().map(ElsewhereRecord::from);
        }
        Operation::Reschedule { previous, claim } => {
            record.previous_source_booking_id = Some(previous.id().to_owned());
            put_claim(&mut record, claim);
        }
        Operation::Update { subject, content } => {
            put_subject(&mut record, subject);
            record.content = Some(ContentRecord::from(content));
        }
        Operation::Cancel { subject, interval, kind } => {
            put_subject(&mut record, subject);
            record.start_time = interval.map(|interval| interval.start().micros());
            record.end_time = interval.map(|interval| interval.end().micros());
            record.awaiting_replacement = match kind {
                CancelKind::Plain => false,
                CancelKind::AwaitingReplacement => true,
            };
        }
        Operation::Define(rules) => record.rules = Some(RulesRecord::from(rules)),
        Operation::Redact { booking_id } => record.booking_id = Some(booking_id.to_string()),
        Operation::Expire { booking_id, deadline } => {
            record.booking_id = Some(booking_id.to_string());
            record.deadline = Some(deadline.micros());
        }
    }
    record
}

/// An asker may expect any number. No version reaches 2^63, so what is higher is as unmet as the highest.
fn expectation(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

fn put_subject(record: &mut RequestRecord, subject: &Subject) {
    put_name(record, subject.booking_id, &subject.identity, subject.version);
}

fn put_name(record: &mut RequestRecord, booking_id: BookingId, identity: &Identity, version: SourceVersion) {
    record.booking_id = Some(booking_id.to_string());
    // An identity without a text is one of which only the pseudonym is known.
    match identity.id() {
        "" => record.source_key = Some(identity.key().to_string()),
        id => record.source_booking_id = Some(id.to_owned()),
    }
    record.source_version = Some(version.into());
}

fn put_claim(record: &mut RequestRecord, claim: &Claim) {
    put_name(record, claim.booking_id, &claim.identity, claim.version);
    record.start_time = Some(claim.interval.start().micros());
    record.end_time = Some(claim.interval.end().micros());
    record.content = claim.content.as_ref().map(ContentRecord::from);
    record.contact_ids = texts(&claim.contacts);
    record.tags = texts(&claim.tags);
    record.mark = claim.mark.map(|booking_id| booking_id.to_string());
    record.moved_from = claim.moved_from.as_ref().map(ElsewhereRecord::from);
}

fn read(record: RequestRecord) -> Result<Request, WireError> {
    no_nul(&record)?;
    let source: SourceName = parse("source", &record.source)?;
    let version = |field, version: Option<i64>| version.map(|version| read_count(field, version)).transpose();
    Ok(Request {
        request_id: parse("request_id", &record.request_id)?,
        resource: parse("resource_id", &record.resource_id)?,
        event_id: record.event_id.clone(),
        basis: record.basis.into(),
        digest: request_digest(record.request_digest.as_deref())?,
        expected: Expected {
            booking_version: version("expected_version", record.expected_version)?,
            resource_version: version("expected_resource_version", record.expected_resource_version)?,
        },
        sourced_at: optional_time("sourced_at", record.sourced_at)?,
        received_at: time("received_at", record.received_at)?,
        operation: read_operation(&source, record)?,
        source,
    })
}

/// PostgreSQL's `text` cannot hold U+0000: a request with one could be decided and never written down.
fn no_nul(record: &RequestRecord) -> Result<(), WireError> {
    let content = record.content.as_ref();
    let attendees = content.into_iter().flat_map(|content| &content.attendees);
    let people = attendees.flat_map(|attendee| {
        [
            ("attendees.name", attendee.name.as_deref()),
            ("attendees.email", attendee.email.as_deref()),
            ("attendees.phone", attendee.phone.as_deref()),
        ]
    });
    let texts = [
        ("event_id", Some(record.event_id.as_str())),
        ("source_booking_id", record.source_booking_id.as_deref()),
        ("previous_source_booking_id", record.previous_source_booking_id.as_deref()),
        ("content.title", content.and_then(|content| content.title.as_deref())),
        ("content.source_time_zone", content.and_then(|content| content.source_time_zone.as_deref())),
        ("rules.display_time_zone", record.rules.as_ref().map(|rules| rules.display_time_zone.as_str())),
    ];
    let found = texts.into_iter().chain(people).find(|(_, text)| text.is_some_and(|text| text.contains('\0')));
    found.map_or(Ok(()), |(field, _)| Err(WireError::field(field, "must not contain U+0000")))
}

fn read_operation(source: &SourceName, record: RequestRecord) -> Result<Operation, WireError> {
    Ok(match record.operation {
        OperationRecord::Book => Operation::Book(read_claim(source, record)?),
        OperationRecord::Hold => Operation::Hold {
            ttl: read_ttl(required("hold_ttl_ms", record.hold_ttl_ms)?)?,
            claim: read_claim(source, record)?,
        },
        OperationRecord::Confirm => Operation::Confirm {
            subject: read_subject(source, &record)?,
            content: record.content.map(ContentRecord::read).transpose()?,
        },
        OperationRecord::Release => Operation::Release {
            subject: read_subject(source, &record)?,
            moved_to: elsewhere("moved_to", record.moved_to.as_ref())?,
        },
        OperationRecord::Reschedule => Operation::Reschedule {
            previous: Identity::new(
                source,
                required("previous_source_booking_id", record.previous_source_booking_id.clone())?,
            ),
            claim: read_claim(source, record)?,
        },
        OperationRecord::Update => Operation::Update {
            subject: read_subject(source, &record)?,
            content: required("content", record.content)?.read()?,
        },
        OperationRecord::Cancel => Operation::Cancel {
            subject: read_subject(source, &record)?,
            interval: optional_interval(record.start_time, record.end_time)?,
            kind: if record.awaiting_replacement { CancelKind::AwaitingReplacement } else { CancelKind::Plain },
        },
        OperationRecord::Observe => Operation::Observe(read_claim(source, record)?),
        OperationRecord::Define => Operation::Define(required("rules", record.rules)?.read()?),
        OperationRecord::Redact => Operation::Redact { booking_id: read_booking_id(&record)? },
        OperationRecord::Expire => Operation::Expire {
            booking_id: read_booking_id(&record)?,
            deadline: time("deadline", required("deadline", record.deadline)?)?,
        },
        OperationRecord::Unknown => {
            return Err(WireError::field("operation", "is UNKNOWN to this version; a newer writer made the record"));
        }
    })
}

fn read_booking_id(record: &RequestRecord) -> Result<BookingId, WireError> {
    parse("booking_id", required("booking_id", record.booking_id.as_deref())?)
}

fn read_ttl(millis: i64) -> Result<Duration, WireError> {
    u64::try_from(millis)
        .ok()
        .map(Duration::from_millis)
        .filter(|ttl| (HOLD_MIN..=Operation::HOLD_MAX).contains(ttl))
        .ok_or_else(|| {
            let (least, most) = (HOLD_MIN.as_millis(), Operation::HOLD_MAX.as_millis());
            WireError::field("hold_ttl_ms", format!("must be {least} to {most}"))
        })
}

fn read_subject(source: &SourceName, record: &RequestRecord) -> Result<Subject, WireError> {
    Ok(Subject {
        booking_id: read_booking_id(record)?,
        identity: read_identity(source, record)?,
        version: required("source_version", record.source_version.as_ref())?.read()?,
    })
}

fn read_identity(source: &SourceName, record: &RequestRecord) -> Result<Identity, WireError> {
    match (&record.source_booking_id, &record.source_key) {
        (Some(id), _) => Ok(Identity::new(source, id)),
        (None, Some(key)) => Ok(Identity::pseudonym(parse("source_key", key)?)),
        (None, None) => Err(WireError::field("source_booking_id", "is required by this operation")),
    }
}

fn read_span(record: &RequestRecord) -> Result<Interval, WireError> {
    let interval = required("start_time", optional_interval(record.start_time, record.end_time)?)?;
    if interval.length() > Interval::CLAIM_MAX {
        return Err(WireError::field("end_time", "must be at most 366 days after start_time"));
    }
    Ok(interval)
}

fn read_claim(source: &SourceName, record: RequestRecord) -> Result<Claim, WireError> {
    let Subject { booking_id, identity, version } = read_subject(source, &record)?;
    Ok(Claim {
        booking_id,
        identity,
        version,
        interval: read_span(&record)?,
        content: record.content.map(ContentRecord::read).transpose()?,
        contacts: list("contact_ids", &record.contact_ids)?,
        tags: list("tags", &record.tags)?,
        mark: record.mark.as_deref().map(|text| parse("mark", text)).transpose()?,
        moved_from: elsewhere("moved_from", record.moved_from.as_ref())?,
    })
}

#[cfg(test)]
mod tests;
