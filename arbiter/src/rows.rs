//! A booking as the store has it: the state that is decided on, and the content beside it.

use chrono::{DateTime, Utc};
use daybook_domain::{
    Attendee, BookingState, Content, ContentDigest, Interval, ResourceId, SourceKey, SourceVersion, Standing, Timestamp,
};
use daybook_runtime::postgres::StoreError;
use daybook_wire::CanonicalBooking;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

/// What people see of a booking, and where the state came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingRow {
    /// The state.
    pub state: BookingState,
    /// Whose time.
    pub resource: ResourceId,
    /// What the source has called it, in the order of the state's keys.
    pub source_ids: Vec<String>,
    /// What the meeting is called.
    pub title: Option<String>,
    /// Who attends.
    pub attendees: Vec<Attendee>,
    /// Display only.
    pub source_time_zone: Option<String>,
    /// Of the event that made this state.
    pub event_id: String,
    /// The source's clock.
    pub sourced_at: Option<Timestamp>,
    /// When ingest took that event in.
    pub received_at: Timestamp,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// Of that decision.
    pub seq: i64,
}

impl BookingRow {
    /// Takes over what a claim says that people should see.
    pub fn show(&mut self, content: &Content) {
        self.title.clone_from(&content.title);
        self.attendees.clone_from(&content.attendees);
        self.source_time_zone.clone_from(&content.source_time_zone);
    }

    /// As it goes to `booking.canonical`.
    pub fn canonical(&self, resource_time_zone: Option<String>) -> CanonicalBooking {
        CanonicalBooking {
            booking_id: self.state.booking_id,
            resource: self.resource.clone(),
            standing: self.state.standing,
            version: self.state.version,
            seq: self.seq,
            resource_time_zone,
            source_time_zone: self.source_time_zone.clone(),
            title: self.title.clone(),
            attendees: self.attendees.clone(),
            source: self.state.source.clone(),
            source_ids: self.source_ids.clone(),
            sourced_at: self.sourced_at,
            received_at: self.received_at,
            decided_at: self.decided_at,
        }
    }
}

/// The columns of `booking`, for reading by name and for writing as one JSON document a batch: PostgreSQL's `unnest`
/// cannot take arrays of arrays.
#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub struct BookingColumns {
    booking_id: Uuid,
    resource_id: String,
    status: String,
    start_time: Option<DateTime<Utc>>,
    end_time: Option<DateTime<Utc>>,
    awaiting_until: Option<DateTime<Utc>>,
    version: i64,
    source_system: String,
    source_event_id: String,
    source_keys: Vec<Uuid>,
    source_ids: Vec<String>,
    source_sequence: i64,
    source_updated_at: DateTime<Utc>,
    title: Option<String>,
    attendee_details: Json<Vec<AttendeeColumn>>,
    source_time_zone: Option<String>,
    /// Hexadecimal: JSON has no bytes.
    content_digest: Option<String>,
    contact_ids: Vec<String>,
    sourced_at: Option<DateTime<Utc>>,
    received_at: DateTime<Utc>,
    decided_at: DateTime<Utc>,
    seq: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct AttendeeColumn {
    contact_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

/// Versions count changes, one at a time: they do not reach 2^63.
fn signed(version: u64) -> i64 {
    i64::try_from(version).expect("a version counts changes and stays far below 2^63")
}

impl From<&BookingRow> for BookingColumns {
    fn from(row: &BookingRow) -> Self {
        let state = &row.state;
        let (status, awaiting_until) = match state.standing {
            Standing::Confirmed(_) => ("confirmed", None),
            Standing::Awaiting { until, .. } => ("awaiting", Some(until)),
            Standing::Cancelled { .. } => ("cancelled", None),
        };
        let interval = state.standing.interval();
        let attendees = row.attendees.iter().map(|attendee| AttendeeColumn {
            contact_id: attendee.contact_id.to_string(),
            name: attendee.name.clone(),
            email: attendee.email.clone(),
            phone: attendee.phone.clone(),
        });
        Self {
            booking_id: state.booking_id.uuid(),
            resource_id: row.resource.to_string(),
            status: status.to_owned(),
            start_time: interval.map(|interval| interval.start().into()),
            end_time: interval.map(|interval| interval.end().into()),
            awaiting_until: awaiting_until.map(Into::into),
            version: signed(state.version),
            source_system: state.source.to_string(),
            source_event_id: row.event_id.clone(),
            source_keys: state.keys.iter().map(|key| key.uuid()).collect(),
            source_ids: row.source_ids.clone(),
            source_sequence: state.source_version.sequence,
            source_updated_at: state.source_version.updated_at.into(),
            title: row.title.clone(),
            attendee_details: Json(attendees.collect()),
            source_time_zone: row.source_time_zone.clone(),
            content_digest: state.content.map(|digest| hex::encode(digest.0)),
            contact_ids: state.contacts.iter().map(ToString::to_string).collect(),
            sourced_at: row.sourced_at.map(Into::into),
            received_at: row.received_at.into(),
            decided_at: row.decided_at.into(),
            seq: row.seq,
        }
    }
}

fn corrupt(what: &str) -> impl Fn() -> StoreError + '_ {
    move || StoreError::Corrupt(format!("booking.{what}"))
}

fn time(what: &str, time: DateTime<Utc>) -> Result<Timestamp, StoreError> {
    Timestamp::try_from(time).map_err(|_| corrupt(what)())
}

fn parse<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| corrupt(what)())
}

impl TryFrom<BookingColumns> for BookingRow {
    type Error = StoreError;

    fn try_from(row: BookingColumns) -> Result<Self, StoreError> {
        let interval = match (row.start_time, row.end_time) {
            (Some(start), Some(end)) => {
                let (start, end) = (time("start_time", start)?, time("end_time", end)?);
                Some(Interval::new(start, end).map_err(|_| corrupt("end_time")())?)
            }
            _ => None,
        };
        let standing = match (row.status.as_str(), interval, row.awaiting_until) {
            ("confirmed", Some(interval), _) => Standing::Confirmed(interval),
            ("awaiting", Some(interval), Some(until)) => {
                Standing::Awaiting { interval, until: time("awaiting_until", until)? }
            }
            ("cancelled", last, _) => Standing::Cancelled { last },
            _ => return Err(corrupt("status")()),
        };
        let digest = |text: String| {
            let mut bytes = [0; 16];
            hex::decode_to_slice(text, &mut bytes)
                .map_err(|_| corrupt("content_digest")())
                .map(|()| ContentDigest(bytes))
        };
        let attendees = row.attendee_details.0.into_iter().map(|attendee| {
            Ok(Attendee {
                contact_id: parse("attendee_details", &attendee.contact_id)?,
                name: attendee.name,
                email: attendee.email,
                phone: attendee.phone,
            })
        });
        Ok(Self {
            state: BookingState {
                booking_id: daybook_domain::BookingId::from_uuid(row.booking_id),
                standing,
                version: u64::try_from(row.version).map_err(|_| corrupt("version")())?,
                source: parse("source_system", &row.source_system)?,
                keys: row.source_keys.into_iter().map(SourceKey::from_uuid).collect(),
                source_version: SourceVersion {
                    sequence: row.source_sequence,
                    updated_at: time("source_updated_at", row.source_updated_at)?,
                },
                content: row.content_digest.map(digest).transpose()?,
                contacts: row
                    .contact_ids
                    .iter()
                    .map(|contact| parse("contact_ids", contact))
                    .collect::<Result<_, _>>()?,
            },
            resource: parse("resource_id", &row.resource_id)?,
            source_ids: row.source_ids,
            title: row.title,
            attendees: attendees.collect::<Result<_, StoreError>>()?,
            source_time_zone: row.source_time_zone,
            event_id: row.source_event_id,
            sourced_at: row.sourced_at.map(|at| time("sourced_at", at)).transpose()?,
            received_at: time("received_at", row.received_at)?,
            decided_at: time("decided_at", row.decided_at)?,
            seq: row.seq,
        })
    }
}
