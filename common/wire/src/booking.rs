//! `Booking` on `booking.canonical`: a booking as people see it.

use std::sync::LazyLock;

use apache_avro::Schema;
use daybook_domain::{Attendee, BookingId, Interval, ResourceId, SourceName, Standing, Timestamp};
use serde::{Deserialize, Serialize};

use crate::avro::{Codec, WireError};
use crate::shared::{AttendeeRecord, optional_interval, optional_time, parse, required, time};

/// A booking as it stands in the store, with its personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalBooking {
    /// Its id.
    pub booking_id: BookingId,
    /// Whose time.
    pub resource: ResourceId,
    /// Where it stands.
    pub standing: Standing,
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
    /// The source's clock.
    pub sourced_at: Option<Timestamp>,
    /// When ingest took in the event that made this state.
    pub received_at: Timestamp,
    /// When this state was decided, by the log's time.
    pub decided_at: Timestamp,
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
    resource_time_zone: Option<String>,
    source_time_zone: Option<String>,
    title: Option<String>,
    attendees: Vec<AttendeeRecord>,
    source: String,
    source_ids: Vec<String>,
    sourced_at: Option<i64>,
    received_at: i64,
    decided_at: i64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename = "BookingKind", rename_all = "SCREAMING_SNAKE_CASE")]
enum KindRecord {
    Unknown,
    Booking,
    Busy,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename = "BookingStatus", rename_all = "SCREAMING_SNAKE_CASE")]
enum StatusRecord {
    Unknown,
    Confirmed,
    Awaiting,
    Cancelled,
}

/// The codec of `booking.canonical`.
pub fn booking_codec() -> &'static Codec<BookingRecord> {
    static CODEC: LazyLock<Codec<BookingRecord>> =
        LazyLock::new(|| Codec::new(include_str!("../../../avro/Booking.avsc")));
    &CODEC
}

/// The Avro datum of a booking.
pub fn encode_booking(booking: &CanonicalBooking) -> Vec<u8> {
    let interval = booking.standing.interval();
    let (status, awaiting_until) = match booking.standing {
        Standing::Confirmed(_) => (StatusRecord::Confirmed, None),
        Standing::Awaiting { until, .. } => (StatusRecord::Awaiting, Some(until.micros())),
        Standing::Cancelled { .. } => (StatusRecord::Cancelled, None),
    };
    booking_codec().write(&BookingRecord {
        booking_id: booking.booking_id.to_string(),
        resource_id: booking.resource.to_string(),
        kind: KindRecord::Booking,
        status,
        version: i64::try_from(booking.version).expect("a version counts changes and stays far below 2^63"),
        seq: booking.seq,
        start_time: interval.map(|interval| interval.start().micros()),
        end_time: interval.map(|interval| interval.end().micros()),
        awaiting_until,
        resource_time_zone: booking.resource_time_zone.clone(),
        source_time_zone: booking.source_time_zone.clone(),
        title: booking.title.clone(),
        attendees: booking.attendees.iter().map(AttendeeRecord::from).collect(),
        source: booking.source.to_string(),
        source_ids: booking.source_ids.clone(),
        sourced_at: booking.sourced_at.map(Timestamp::micros),
        received_at: booking.received_at.micros(),
        decided_at: booking.decided_at.micros(),
    })
}

/// Reads a datum that was written with `writer`.
pub fn decode_booking(writer: &Schema, datum: &[u8]) -> Result<CanonicalBooking, WireError> {
    let record = booking_codec().read(writer, datum)?;
    match record.kind {
        KindRecord::Booking => {}
        KindRecord::Busy | KindRecord::Unknown => {
            return Err(WireError::field("kind", "is one that this version does not write"));
        }
    }
    let interval: Option<Interval> = optional_interval(record.start_time, record.end_time)?;
    let standing = match record.status {
        StatusRecord::Confirmed => Standing::Confirmed(required("start_time", interval)?),
        StatusRecord::Awaiting => Standing::Awaiting {
            interval: required("start_time", interval)?,
            until: time("awaiting_until", required("awaiting_until", record.awaiting_until)?)?,
        },
        StatusRecord::Cancelled => Standing::Cancelled { last: interval },
        StatusRecord::Unknown => return Err(WireError::field("status", "is UNKNOWN to this version")),
    };
    Ok(CanonicalBooking {
        booking_id: parse("booking_id", &record.booking_id)?,
        resource: parse("resource_id", &record.resource_id)?,
        standing,
        version: u64::try_from(record.version).map_err(|_| WireError::field("version", "must not be negative"))?,
        seq: record.seq,
        resource_time_zone: record.resource_time_zone,
        source_time_zone: record.source_time_zone,
        title: record.title,
        attendees: record.attendees.into_iter().map(AttendeeRecord::read).collect::<Result<_, _>>()?,
        source: parse("source", &record.source)?,
        source_ids: record.source_ids,
        sourced_at: optional_time("sourced_at", record.sourced_at)?,
        received_at: time("received_at", record.received_at)?,
        decided_at: time("decided_at", record.decided_at)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_booking_survives_the_wire() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let interval = Interval::new(at("2026-03-04T09:00:00Z"), at("2026-03-04T09:30:00Z")).expect("an interval");
        let resource: ResourceId = "anna".parse().expect("a name");
        let source: SourceName = "calendly".parse().expect("a name");
        for standing in [
            Standing::Confirmed(interval),
            Standing::Awaiting { interval, until: at("2026-03-01T00:00:00Z") },
            Standing::Cancelled { last: None },
        ] {
            let booking = CanonicalBooking {
                booking_id: BookingId::derive(&source, "inv-1", &resource),
                resource: resource.clone(),
                standing,
                version: 3,
                seq: 17,
                resource_time_zone: Some("Europe/Berlin".to_owned()),
                source_time_zone: None,
                title: Some("Intro".to_owned()),
                attendees: vec![Attendee {
                    contact_id: daybook_domain::ContactId::from_bytes([7; 16]),
                    name: Some("Jane".to_owned()),
                    email: Some("jane@example.com".to_owned()),
                    phone: None,
                }],
                source: source.clone(),
                source_ids: vec!["inv-0".to_owned(), "inv-1".to_owned()],
                sourced_at: None,
                received_at: at("2026-03-01T00:00:01Z"),
                decided_at: at("2026-03-01T00:00:02Z"),
            };
            let datum = encode_booking(&booking);
            assert_eq!(decode_booking(booking_codec().schema(), &datum).expect("reads"), booking);
        }
    }
}
