//! Entries at targets that are not what they should be, and calendars to be read back.

use daybook_domain::Timestamp;
use daybook_runtime::postgres::StoreError;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::{Result, optional_time, time};

/// An entry that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftRow {
    pub target: String,
    pub resource: String,
    /// The resource's display zone.
    pub time_zone: String,
    pub booking_id: Uuid,
    /// How.
    pub kind: String,
    /// In what.
    pub fields: Vec<String>,
    /// The booking's version that should be shown; 0 of one that is not known here.
    pub version: i64,
    /// When it should be.
    pub wanted: Option<(Timestamp, Timestamp)>,
    /// When it is shown.
    pub shown: Option<(Timestamp, Timestamp)>,
    pub found: Timestamp,
    /// How often it was put right.
    pub repairs: i32,
    /// Whether it is left to a person.
    pub stopped: bool,
    /// Whether its booking was asked to be where it is.
    pub asked: bool,
}

/// Those of a target or of all, of a resource or of all, oldest first.
pub async fn drift(pool: &PgPool, target: Option<&str>, resource: Option<&str>) -> Result<Vec<DriftRow>> {
    let rows = sqlx::query(
        "SELECT d.target, d.resource_id, coalesce(r.display_time_zone, 'UTC') AS display_time_zone, d.booking_id, d.kind, d.fields,
                d.version, d.shown_start, d.shown_end, d.found_at, d.repairs, d.stopped_at IS NOT NULL AS stopped,
                d.asked_request IS NOT NULL AS asked,
                CASE WHEN b.status IN ('confirmed', 'awaiting') THEN b.start_time END AS start_time,
                CASE WHEN b.status IN ('confirmed', 'awaiting') THEN b.end_time END AS end_time
         FROM drift d LEFT JOIN resource r ON r.resource_id = d.resource_id LEFT JOIN booking b ON b.booking_id = d.booking_id
         WHERE ($1::text IS NULL OR d.target = $1) AND ($2::text IS NULL OR d.resource_id = $2)
         ORDER BY d.found_at, d.target, d.booking_id, d.entry",
    )
    .bind(target)
    .bind(resource)
    .fetch_all(pool)
    .await?;
    let row = |row: &sqlx::postgres::PgRow| {
        let span = |from, to| Ok::<_, StoreError>(optional_time(row, from)?.zip(optional_time(row, to)?));
        Ok(DriftRow {
            target: row.try_get("target")?,
            resource: row.try_get("resource_id")?,
            time_zone: row.try_get("display_time_zone")?,
            booking_id: row.try_get("booking_id")?,
            kind: row.try_get("kind")?,
            fields: row.try_get("fields")?,
            version: row.try_get("version")?,
            wanted: span("start_time", "end_time")?,
            shown: span("shown_start", "shown_end")?,
            found: time(row, "found_at")?,
            repairs: row.try_get("repairs")?,
            stopped: row.try_get("stopped")?,
            asked: row.try_get("asked")?,
        })
    };
    rows.iter().map(row).collect()
}

/// Has calendars read back next. How many.
pub async fn read_back(pool: &PgPool, target: Option<&str>, resource: Option<&str>) -> Result<u64> {
    let done = sqlx::query(
        "UPDATE reconciliation r SET next_at = '-infinity'
         WHERE ($1::text IS NULL OR target = $1) AND ($2::text IS NULL OR resource_id = $2)
           AND EXISTS (SELECT FROM resource_target t WHERE t.target = r.target AND t.resource_id = r.resource_id)",
    )
    .bind(target)
    .bind(resource)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
