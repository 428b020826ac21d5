//! Busy time over bookings, as it is now.

use daybook_domain::Timestamp;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::{Result, time};

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    pub booking_id: Uuid,
    pub source: String,
    pub start: Timestamp,
    pub end: Timestamp,
}

/// A booking, and what was taken elsewhere over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictRow {
    pub resource: String,
    /// The resource's display zone.
    pub time_zone: String,
    pub booking: Side,
    pub busy: Side,
}

/// Those that are not over, by their time: of one resource or of all, with one source on either side or with any.
pub async fn conflicts(pool: &PgPool, resource: Option<&str>, source: Option<&str>) -> Result<Vec<ConflictRow>> {
    let rows = sqlx::query(
        "SELECT y.resource_id, r.display_time_zone, y.booking_id AS busy_id, y.source_system AS busy_source,
            y.start_time AS busy_start, y.end_time AS busy_end, b.booking_id, b.source_system, b.start_time, b.end_time
         FROM booking y JOIN resource r USING (resource_no),
         LATERAL (SELECT booking_id, source_system, start_time, end_time FROM booking
                  WHERE booking_box(resource_no, unit, start_time, end_time)
                            && resource_box(y.resource_no, y.start_time, y.end_time)
                      AND kind = 'booking' AND status IN ('held', 'confirmed', 'awaiting')
                      AND start_time < y.end_time AND end_time > y.start_time) AS b
         WHERE y.kind = 'busy' AND y.status IN ('held', 'confirmed', 'awaiting') AND y.end_time > now()
             AND ($1::text IS NULL OR y.resource_id = $1)
             AND ($2::text IS NULL OR $2 IN (y.source_system, b.source_system))
         ORDER BY y.start_time, y.resource_id, b.start_time",
    )
    .bind(resource)
    .bind(source)
    .fetch_all(pool)
    .await?;
    let row = |row: &sqlx::postgres::PgRow| {
        Ok(ConflictRow {
            resource: row.try_get("resource_id")?,
            time_zone: row.try_get("display_time_zone")?,
            booking: Side {
                booking_id: row.try_get("booking_id")?,
                source: row.try_get("source_system")?,
                start: time(row, "start_time")?,
                end: time(row, "end_time")?,
            },
            busy: Side {
                booking_id: row.try_get("busy_id")?,
                source: row.try_get("busy_source")?,
                start: time(row, "busy_start")?,
                end: time(row, "busy_end")?,
            },
        })
    };
    rows.iter().map(row).collect()
}
