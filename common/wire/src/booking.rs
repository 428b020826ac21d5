//! `Booking` on `booking.canonical`: a booking as people see it.

use std::fmt;
use std::sync::LazyLock;

use daybook_domain::{Attendee, BookingId, BookingKind, Elsewhere, ResourceId, SourceName, Standing, Timestamp};
use serde::{Deserialize, Serialize};

use crate::avro::{Codec, Schema, WireError};
use crate::shared::{
    AttendeeRecord, ElsewhereRecord, KindRecord, StandingFields, StatusRecord, count, elsewhere, optional_time, parse,
    read_count, read_unit, time,
};

/// A booking as it stands in the store, with its personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalBooking {
    /// Its id.
    pub booking_id: BookingId,
    /// Whose time.
    pub resource: ResourceId,
    /// What it is.
    pub kind: BookingKind,
    /// Where it stands.
    pub standing: Standing,
    /// Which of the resource's units it occupies, from 0. Means nothing for busy time.
    pub unit: u16,
    /// Rises with every change.
    pub version: u64,
    /// Of the decision that made this state.
    pub seq: i64,
    /// IANA zone of the resource; display only.
    pub resource_time_zone: Option<String>,
    /// IANA zone that the source gave; display only.
    pub source_time_zone: Option<String>,
    /// What the meeting is called.
    pub title: Option<String>,
    /// Who attends.
    pub attendees: Vec<Attendee>,
    /// The source that speaks for it.
    pub source: SourceName,
    /// What the source has called it, oldest first.
    pub source_ids: Vec<String>,
    /// What other sources call it, in the order in which they were first seen.
    pub shadows: Vec<ShadowName>,
    /// The booking on another resource that this one replaced.
    pub moved_from: Option<Elsewhere>,
    /// The booking on another resource that replaced this one.
    pub moved_to: Option<Elsewhere>,
    /// The source's clock.
    pub sourced_at: Option<Timestamp>,
    /// When ingest took in the event that made this state.
    pub received_at: Timestamp,
    /// When this state was decided, by the log's time.
    pub decided_at: Timestamp,
}

/// What another source calls a booking. Its `Debug` shows the source only: an id may hold an e-mail address.
#[derive(Clone, PartialEq, Eq)]
pub struct ShadowName {
    /// Who shows it.
    pub source: SourceName,
    /// What it is called there.
    pub id: String,
}

impl fmt::Debug for ShadowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShadowName({})", self.source)
    }
}

/// Mirrors `avro/Booking.avsc`, field for field.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Booking")]
pub struct BookingRecord {
    booking_id: String,
    resource_id: String,
    kind: KindRecord,
    status: StatusRecord,
    version: i64,
    seq: i64,
    start_time: Option<i64>,
    end_time: Option<i64>,
    awaiting_until: Option<i64>,
    held_until: Option<i64>,
    unit: i32,
    resource_time_zone: Option<String>,
    source_time_zone: Option<String>,
    title: Option<String>,
    attendees: Vec<AttendeeRecord>,
    source: String,
    source_ids: Vec<String>,
    shadows: Vec<ShadowRecord>,
    moved_from: Option<ElsewhereRecord>,
    moved_to: Option<ElsewhereRecord>,
    sourced_at: Option<i64>,
    received_at: i64,
    decided_at: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Shadow")]
struct ShadowRecord {
    source: String,
    source_id: String,
}

impl From<&ShadowName> for ShadowRecord {
    fn from(shadow: &ShadowName) -> Self {
        Self { source: shadow.source.to_string(), source_id: shadow.id.clone() }
    }
}

impl ShadowRecord {
    fn read(self) -> Result<ShadowName, WireError> {
        Ok(ShadowName { source: parse("shadows.source", &self.source)?, id: self.source_id })
    }
}

/// The codec of `booking.canonical`.
pub fn booking_codec() -> &'static Codec<BookingRecord> {
    static CODEC: LazyLock<Codec<BookingRecord>> =
        LazyLock::new(|| Codec::new(include_str!("../../../avro/Booking.avsc")));
    &CODEC
}

/// The Avro datum of a booking.
pub fn encode_booking(booking: &CanonicalBooking) -> Vec<u8> {
    let standing = StandingFields::from(&booking.standing);
    booking_codec().write(&BookingRecord {
        booking_id: booking.booking_id.to_string(),
        resource_id: booking.resource.to_string(),
        kind: booking.kind.into(),
        status: standing.status,
        version: count(booking.version),
        seq: booking.seq,
        start_time: standing.start_time,
        end_time: standing.end_time,
        awaiting_until: standing.awaiting_until,
        held_until: standing.held_until,
        unit: i32::from(booking.unit),
        resource_time_zone: booking.resource_time_zone.clone(),
        source_time_zone: booking.source_time_zone.clone(),
        title: booking.title.clone(),
        attendees: booking.attendees.iter().map(AttendeeRecord::from).collect(),
        source: booking.source.to_string(),
        source_ids: booking.source_ids.clone(),
        shadows: booking.shadows.iter().map(ShadowRecord::from).collect(),
        moved_from: booking.moved_from.as_ref().map(ElsewhereRecord::from),
        moved_to: booking.moved_to.as_ref().map(ElsewhereRecord::from),
        sourced_at: booking.sourced_at.map(Timestamp::micros),
        received_at: booking.received_at.micros(),
        decided_at: booking.decided_at.micros(),
    })
}

/// Reads a datum that was written with `writer`.
pub fn decode_booking(writer: &Schema, datum: &[u8]) -> Result<CanonicalBooking, WireError> {
    let record = booking_codec().read(writer, datum)?;
    let standing = StandingFields {
        status: record.status,
        start_time: record.start_time,
        end_time: record.end_time,
        awaiting_until: record.awaiting_until,
        held_until: record.held_until,
    };
    Ok(CanonicalBooking {
        booking_id: parse("booking_id", &record.booking_id)?,
        resource: parse("resource_id", &record.resource_id)?,
        kind: record.kind.read()?,
        standing: standing.read()?,
        unit: read_unit(record.unit)?,
        version: read_count("version", record.version)?,
        seq: record.seq,
        resource_time_zone: record.resource_time_zone,
        source_time_zone: record.source_time_zone,
        title: record.title,
        attendees: record.attendees.into_iter().map(AttendeeRecord::read).collect::<Result<_, _>>()?,
        source: parse("source", &record.source)?,
        source_ids: record.source_ids,
        shadows: record.shadows.into_iter().map(ShadowRecord::read).collect::<Result<_, _>>()?,
        moved_from: elsewhere("moved_from", record.moved_from.as_ref())?,
        moved_to: elsewhere("moved_to", record.moved_to.as_ref())?,
        sourced_at: optional_time("sourced_at", record.sourced_at)?,
        received_at: time("received_at", record.received_at)?,
        decided_at: time("decided_at", record.decided_at)?,
    })
}

#[cfg(test)]
mod tests;
