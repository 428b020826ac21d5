//! Calendars that are read, as ingest keeps them.

use daybook_domain::Timestamp;
use sqlx::{PgPool, Row};

use super::{Result, optional_time, time};

/// A calendar that is read. Without its id, which is an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarRow {
    pub source: String,
    pub resource: String,
    /// When the last round began that counts; none before the first.
    pub read_at: Option<Timestamp>,
    /// When everything in it was listed last.
    pub listed_at: Option<Timestamp>,
    pub next_at: Timestamp,
    /// Rounds in a row that came to nothing.
    pub failures: i32,
    /// Why the last did.
    pub setback: Option<String>,
    /// What takes time in it.
    pub events: i64,
    /// What is missing from it and not believed gone.
    pub missing: i64,
    /// Until when its whole source is left alone, if it is.
    pub source_rests_until: Option<Timestamp>,
}

/// All of them, or those of one source; those first that have waited longest.
pub async fn calendars(pool: &PgPool, source: Option<&str>) -> Result<Vec<CalendarRow>> {
    let rows = sqlx::query(
        "SELECT c.source, c.resource_id, nullif(c.began_at, 'epoch') AS read_at, nullif(c.full_at, 'epoch') AS listed_at,
            c.next_at, c.failures, c.setback, coalesce(e.events, 0) AS events, coalesce(e.missing, 0) AS missing,
            CASE WHEN a.free_at > now() + interval '2 seconds' THEN a.free_at END AS rests_until
         FROM polled_calendar c LEFT JOIN polled_account a ON a.source = c.source
         LEFT JOIN LATERAL (
            SELECT count(*) AS events, count(*) FILTER (WHERE missing_since IS NOT NULL) AS missing
            FROM polled_event e WHERE e.source = c.source AND e.calendar = c.calendar
         ) AS e ON true
         WHERE $1::text IS NULL OR c.source = $1
         ORDER BY c.source, c.began_at, c.resource_id",
    )
    .bind(source)
    .fetch_all(pool)
    .await?;
    let row = |row: &sqlx::postgres::PgRow| {
        Ok(CalendarRow {
            source: row.try_get("source")?,
            resource: row.try_get("resource_id")?,
            read_at: optional_time(row, "read_at")?,
            listed_at: optional_time(row, "listed_at")?,
            next_at: time(row, "next_at")?,
            failures: row.try_get("failures")?,
            setback: row.try_get("setback")?,
            events: row.try_get("events")?,
            missing: row.try_get("missing")?,
            source_rests_until: optional_time(row, "rests_until")?,
        })
    };
    rows.iter().map(row).collect()
}
