//! Bookings, and the decisions that made them.

use daybook_domain::{BookingId, ResourceId, Timestamp};
use serde::{Deserialize, Deserializer};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::{Result, optional_time, time};

/// A decision as it is kept.
#[derive(Debug, Clone)]
pub struct DecisionRow {
    /// The framed record, byte for byte as it is published.
    pub record: Vec<u8>,
    /// The store's clock when it was written.
    pub committed_at: Timestamp,
}

/// A booking as people see it. Personal data: no `Debug`.
pub struct BookingRow {
    pub booking_id: BookingId,
    pub resource: String,
    /// `booking` or `busy`.
    pub kind: String,
    pub status: String,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub awaiting_until: Option<Timestamp>,
    pub held_until: Option<Timestamp>,
    pub unit: i16,
    pub version: i64,
    pub source: String,
    pub source_ids: Vec<String>,
    pub shadows: Vec<ShadowRow>,
    /// Resource and booking that this one replaced.
    pub moved_from: Option<(String, Uuid)>,
    /// Resource and booking that replaced this one.
    pub moved_to: Option<(String, Uuid)>,
    pub title: Option<String>,
    pub attendees: serde_json::Value,
    pub source_time_zone: Option<String>,
}

/// A booking as another source shows it. What it is called there stays in the store.
#[derive(Debug, Clone, Deserialize)]
pub struct ShadowRow {
    pub source: String,
    /// `along`, `away` or `gone`.
    pub sight: String,
    #[serde(default, deserialize_with = "moment")]
    pub away_start: Option<Timestamp>,
    #[serde(default, deserialize_with = "moment")]
    pub away_end: Option<Timestamp>,
}

/// A booking.
pub async fn booking(pool: &PgPool, id: BookingId) -> Result<Option<BookingRow>> {
    let row = sqlx::query(
        "SELECT resource_id, kind, status, start_time, end_time, awaiting_until, held_until, unit, version,
                source_system, source_ids, shadows, moved_from_resource, moved_from_booking, moved_to_resource,
                moved_to_booking, title, attendee_details, source_time_zone
         FROM booking WHERE booking_id = $1",
    )
    .bind(id.uuid())
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        Ok(BookingRow {
            booking_id: id,
            resource: row.try_get("resource_id")?,
            kind: row.try_get("kind")?,
            status: row.try_get("status")?,
            start: optional_time(&row, "start_time")?,
            end: optional_time(&row, "end_time")?,
            awaiting_until: optional_time(&row, "awaiting_until")?,
            held_until: optional_time(&row, "held_until")?,
            unit: row.try_get("unit")?,
            version: row.try_get("version")?,
            source: row.try_get("source_system")?,
            source_ids: row.try_get("source_ids")?,
            shadows: row.try_get::<Json<Vec<ShadowRow>>, _>("shadows")?.0,
            moved_from: elsewhere(&row, "moved_from_resource", "moved_from_booking")?,
            moved_to: elsewhere(&row, "moved_to_resource", "moved_to_booking")?,
            title: row.try_get("title")?,
            attendees: row.try_get("attendee_details")?,
            source_time_zone: row.try_get("source_time_zone")?,
        })
    })
    .transpose()
}

/// The display zone of a resource; none if there is no such resource.
pub async fn resource_zone(pool: &PgPool, resource: &str) -> Result<Option<String>> {
    let zone = sqlx::query_scalar("SELECT display_time_zone FROM resource WHERE resource_id = $1");
    Ok(zone.bind(resource).fetch_optional(pool).await?)
}

/// The decisions on a booking, in order.
pub async fn decisions_on(pool: &PgPool, booking: BookingId) -> Result<Vec<DecisionRow>> {
    let rows = sqlx::query(
        "SELECT record, committed_at FROM decision WHERE booking_id = $1 ORDER BY decided_at, partition, seq",
    );
    decision_rows(&rows.bind(booking.uuid()).fetch_all(pool).await?)
}

/// The newest decisions about a resource's time, at most `limit` of them, in order.
pub async fn decisions_about(pool: &PgPool, resource: &ResourceId, limit: i64) -> Result<Vec<DecisionRow>> {
    let rows = sqlx::query(
        "SELECT record, committed_at FROM decision WHERE resource_id = $1
         ORDER BY decided_at DESC, partition DESC, seq DESC LIMIT $2",
    );
    let mut rows = decision_rows(&rows.bind(resource.as_str()).bind(limit).fetch_all(pool).await?)?;
    rows.reverse();
    Ok(rows)
}

fn decision_rows(rows: &[PgRow]) -> Result<Vec<DecisionRow>> {
    rows.iter()
        .map(|row| Ok(DecisionRow { record: row.try_get("record")?, committed_at: time(row, "committed_at")? }))
        .collect()
}

fn elsewhere(row: &PgRow, resource: &str, booking: &str) -> Result<Option<(String, Uuid)>> {
    let resource: Option<String> = row.try_get(resource)?;
    Ok(resource.zip(row.try_get::<Option<Uuid>, _>(booking)?))
}

/// RFC 3339, or microseconds since 1970. What is neither is not shown.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Timestamp>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => text.parse().ok(),
        serde_json::Value::Number(micros) => micros.as_i64().and_then(|micros| Timestamp::from_micros(micros).ok()),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => None,
    })
}
