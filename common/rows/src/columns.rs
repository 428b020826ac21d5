//! The columns of `booking`: to a [`BookingRow`] and back.

use chrono::{DateTime, Utc};
use daybook_domain::{
    Attendee, BookingId, BookingKind, BookingState, ContentDigest, Elsewhere, Interval, Shadow, Sight, SourceKey,
    SourceVersion, Standing, Tag, Timestamp,
};
use daybook_runtime::postgres::StoreError;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::BookingRow;

/// The columns that [`BookingColumns`] reads, of a table that goes by `b`.
pub const COLUMNS: &str = "b.booking_id, b.resource_id, b.kind, b.unit, b.status, b.start_time, b.end_time, b.awaiting_until, \
    b.held_until, b.away_until, b.version, b.source_system, b.source_event_id, b.source_keys, b.source_ids, \
    b.source_sequence, b.source_updated_at, b.title, b.attendee_details, b.source_time_zone, \
    b.content_digest, b.contact_ids, b.tags, b.shadows, b.moved_from_resource, \
    b.moved_from_booking, b.moved_to_resource, b.moved_to_booking, b.sourced_at, b.received_at, b.decided_at, b.seq";

/// [`COLUMNS`] without what people see: for whoever wants a state alone.
pub fn state_columns() -> String {
    COLUMNS
        .replace("b.title", "NULL::text AS title")
        .replace("b.attendee_details", "'[]'::jsonb AS attendee_details")
        .replace("b.source_time_zone", "NULL::text AS source_time_zone")
}

/// What occupies time, as the constraint and the indexes beside it say it.
pub const LIVE: &str = "b.status IN ('held', 'confirmed', 'awaiting')";

/// One row of `booking`, as it is read by name and as it is written: a batch as one array of the type `booking_row`, whose columns are
/// these, in this order. Personal data: no `Debug`.
#[derive(sqlx::FromRow, sqlx::Type)]
#[sqlx(type_name = "booking_row")]
pub struct BookingColumns {
    booking_id: Uuid,
    resource_id: String,
    kind: String,
    unit: i16,
    status: String,
    start_time: Option<DateTime<Utc>>,
    end_time: Option<DateTime<Utc>>,
    awaiting_until: Option<DateTime<Utc>>,
    held_until: Option<DateTime<Utc>>,
    away_until: Option<DateTime<Utc>>,
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
    content_digest: Option<Vec<u8>>,
    contact_ids: Vec<String>,
    tags: Vec<Uuid>,
    shadows: Json<Vec<ShadowColumn>>,
    moved_from_resource: Option<String>,
    moved_from_booking: Option<Uuid>,
    moved_to_resource: Option<String>,
    moved_to_booking: Option<Uuid>,
    sourced_at: Option<DateTime<Utc>>,
    received_at: DateTime<Utc>,
    decided_at: DateTime<Utc>,
    seq: i64,
}

#[derive(Serialize, Deserialize)]
struct AttendeeColumn {
    contact_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ShadowColumn {
    source: String,
    key: Uuid,
    id: String,
    sequence: i64,
    updated_at: DateTime<Utc>,
    sight: SightColumn,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    away_start: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    away_end: Option<DateTime<Utc>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SightColumn {
    Along,
    Away,
    Gone,
}

/// Versions count changes, one at a time: they do not reach 2^63.
fn signed(version: u64) -> i64 {
    i64::try_from(version).expect("a version counts changes and stays far below 2^63")
}

impl ShadowColumn {
    fn of(shadow: &Shadow, id: &str) -> Self {
        let (sight, away) = match shadow.sight {
            Sight::Along => (SightColumn::Along, None),
            Sight::Away(interval) => (SightColumn::Away, Some(interval)),
            Sight::Gone => (SightColumn::Gone, None),
        };
        Self {
            source: shadow.source.to_string(),
            key: shadow.key.uuid(),
            id: id.to_owned(),
            sequence: shadow.version.sequence,
            updated_at: shadow.version.updated_at.into(),
            sight,
            away_start: away.map(|interval| interval.start().into()),
            away_end: away.map(|interval| interval.end().into()),
        }
    }

    fn read(&self) -> Result<Shadow, StoreError> {
        let sight = match (&self.sight, self.away_start, self.away_end) {
            (SightColumn::Along, _, _) => Sight::Along,
            (SightColumn::Gone, _, _) => Sight::Gone,
            (SightColumn::Away, Some(start), Some(end)) => Sight::Away(interval("shadows", start, end)?),
            (SightColumn::Away, _, _) => return Err(corrupt("shadows")()),
        };
        Ok(Shadow {
            source: parse("shadows", &self.source)?,
            key: SourceKey::from_uuid(self.key),
            version: SourceVersion { sequence: self.sequence, updated_at: time("shadows", self.updated_at)? },
            sight,
        })
    }
}

impl From<&BookingRow> for BookingColumns {
    fn from(row: &BookingRow) -> Self {
        let state = &row.state;
        let (awaiting_until, held_until) = match state.standing {
            Standing::Held { until, .. } => (None, Some(until)),
            Standing::Awaiting { until, .. } => (Some(until), None),
            Standing::Confirmed(_) | Standing::Cancelled { .. } => (None, None),
        };
        let interval = state.standing.interval();
        let attendees = row.attendees.iter().map(|attendee| AttendeeColumn {
            contact_id: attendee.contact_id.to_string(),
            name: attendee.name.clone(),
            email: attendee.email.clone(),
            phone: attendee.phone.clone(),
        });
        let shadows = state.shadows.iter().zip(&row.shadow_ids).map(|(shadow, id)| ShadowColumn::of(shadow, id));
        let resource = |elsewhere: &Option<Elsewhere>| elsewhere.as_ref().map(|other| other.resource.to_string());
        let booking = |elsewhere: &Option<Elsewhere>| elsewhere.as_ref().map(|other| other.booking_id.uuid());
        Self {
            booking_id: state.booking_id.uuid(),
            resource_id: row.resource.to_string(),
            kind: state.kind.as_str().to_owned(),
            unit: i16::try_from(state.unit).expect("a unit is below the highest capacity, 1000"),
            status: state.standing.as_str().to_owned(),
            start_time: interval.map(|interval| interval.start().into()),
            end_time: interval.map(|interval| interval.end().into()),
            awaiting_until: awaiting_until.map(Into::into),
            held_until: held_until.map(Into::into),
            away_until: state.away().map(|interval| interval.end()).max().map(Into::into),
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
            content_digest: state.content.map(|digest| digest.0.to_vec()),
            contact_ids: state.contacts.iter().map(ToString::to_string).collect(),
            tags: state.tags.iter().map(|tag| tag.uuid()).collect(),
            shadows: Json(shadows.collect()),
            moved_from_resource: resource(&state.moved_from),
            moved_from_booking: booking(&state.moved_from),
            moved_to_resource: resource(&state.moved_to),
            moved_to_booking: booking(&state.moved_to),
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

fn interval(what: &str, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Interval, StoreError> {
    Interval::new(time(what, start)?, time(what, end)?).map_err(|_| corrupt(what)())
}

fn parse<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| corrupt(what)())
}

fn elsewhere(what: &str, resource: Option<&str>, booking: Option<Uuid>) -> Result<Option<Elsewhere>, StoreError> {
    match (resource, booking) {
        (Some(resource), Some(booking)) => {
            Ok(Some(Elsewhere { resource: parse(what, resource)?, booking_id: BookingId::from_uuid(booking) }))
        }
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err(corrupt(what)()),
    }
}

impl BookingColumns {
    fn standing(&self) -> Result<Standing, StoreError> {
        let interval = match (self.start_time, self.end_time) {
            (Some(start), Some(end)) => Some(interval("end_time", start, end)?),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => return Err(corrupt("end_time")()),
        };
        let until = |what, until: Option<DateTime<Utc>>| time(what, until.ok_or_else(corrupt(what))?);
        let live = || interval.ok_or_else(corrupt("start_time"));
        Ok(match self.status.as_str() {
            "held" => Standing::Held { interval: live()?, until: until("held_until", self.held_until)? },
            "confirmed" => Standing::Confirmed(live()?),
            "awaiting" => {
                Standing::Awaiting { interval: live()?, until: until("awaiting_until", self.awaiting_until)? }
            }
            "cancelled" => Standing::Cancelled { last: interval },
            _ => return Err(corrupt("status")()),
        })
    }

    fn state(&self) -> Result<BookingState, StoreError> {
        let digest = |bytes: &Vec<u8>| {
            let bytes = <[u8; 16]>::try_from(bytes.as_slice());
            bytes.map(ContentDigest).map_err(|_| corrupt("content_digest")())
        };
        let contacts = self.contact_ids.iter().map(|contact| parse("contact_ids", contact));
        Ok(BookingState {
            booking_id: BookingId::from_uuid(self.booking_id),
            kind: match self.kind.as_str() {
                "booking" => BookingKind::Booking,
                "busy" => BookingKind::Busy,
                _ => return Err(corrupt("kind")()),
            },
            standing: self.standing()?,
            unit: u16::try_from(self.unit).map_err(|_| corrupt("unit")())?,
            version: u64::try_from(self.version).map_err(|_| corrupt("version")())?,
            source: parse("source_system", &self.source_system)?,
            keys: self.source_keys.iter().copied().map(SourceKey::from_uuid).collect(),
            source_version: SourceVersion {
                sequence: self.source_sequence,
                updated_at: time("source_updated_at", self.source_updated_at)?,
            },
            content: self.content_digest.as_ref().map(digest).transpose()?,
            contacts: contacts.collect::<Result<_, _>>()?,
            tags: self.tags.iter().copied().map(Tag::from_uuid).collect(),
            shadows: self.shadows.0.iter().map(ShadowColumn::read).collect::<Result<_, _>>()?,
            moved_from: elsewhere("moved_from", self.moved_from_resource.as_deref(), self.moved_from_booking)?,
            moved_to: elsewhere("moved_to", self.moved_to_resource.as_deref(), self.moved_to_booking)?,
        })
    }
}

impl TryFrom<BookingColumns> for BookingRow {
    type Error = StoreError;

    fn try_from(row: BookingColumns) -> Result<Self, StoreError> {
        let state = row.state()?;
        let attendees = row.attendee_details.0.into_iter().map(|attendee| {
            Ok(Attendee {
                contact_id: parse("attendee_details", &attendee.contact_id)?,
                name: attendee.name,
                email: attendee.email,
                phone: attendee.phone,
            })
        });
        Ok(Self {
            state,
            resource: parse("resource_id", &row.resource_id)?,
            source_ids: row.source_ids,
            shadow_ids: row.shadows.0.into_iter().map(|shadow| shadow.id).collect(),
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
