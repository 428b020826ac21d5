//! Refused bookings that are live at their source.

use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, RequestId, ResourceId, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::{Result, optional_time, time};

/// A compensation. What the source calls the booking may be personal data: no `Debug`.
#[derive(Clone)]
pub struct CompensationRow {
    pub resource: String,
    /// The resource's display zone.
    pub time_zone: Option<String>,
    pub source_key: Uuid,
    pub booking_id: BookingId,
    pub source: String,
    pub source_booking_id: String,
    pub reason: String,
    pub rule: Option<String>,
    pub start: Timestamp,
    pub end: Timestamp,
    pub winner_booking_id: Option<Uuid>,
    pub winner_source: Option<String>,
    pub opened_at: Timestamp,
    pub request_id: RequestId,
    pub refusals: i64,
    pub closed_at: Option<Timestamp>,
    pub closed_by: Option<String>,
    pub close_reason: Option<String>,
    /// What Daybook itself has done about it at its source, if it was to: `cancelled`, `gone`, `later`, or why not; and since when nothing
    /// more is to be done.
    pub called_off: Option<(String, Option<Timestamp>)>,
}

/// The columns, and where they come from.
macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT c.resource_id, r.display_time_zone, c.source_key, c.booking_id, c.source_system,
                    c.source_booking_id, c.reason, c.rule, c.start_time, c.end_time, c.winner_booking_id,
                    c.winner_source, c.opened_at, c.request_id, c.refusals, c.closed_at, c.closed_by, c.close_reason,
                    k.result, k.done_at
             FROM compensation c LEFT JOIN resource r USING (resource_id)
             LEFT JOIN LATERAL (SELECT result, done_at FROM compensation_cancel k
                 WHERE k.resource_id = c.resource_id AND k.source_key = c.source_key AND k.opened_at = c.opened_at
                 ORDER BY k.done_at DESC NULLS LAST LIMIT 1) k ON true WHERE ",
            $where,
            " ORDER BY c.opened_at, c.resource_id, c.source_key"
        )
    };
}

/// Compensations, oldest first: the open ones or all, of one source or of all, of one resource or of all.
pub async fn compensations(
    pool: &PgPool,
    all: bool,
    source: Option<&str>,
    resource: Option<&str>,
) -> Result<Vec<CompensationRow>> {
    let rows = sqlx::query(select!(
        "($1 OR c.closed_at IS NULL) AND ($2::text IS NULL OR c.source_system = $2)
         AND ($3::text IS NULL OR c.resource_id = $3)"
    ));
    rows.bind(all).bind(source).bind(resource).fetch_all(pool).await?.iter().map(compensation).collect()
}

/// Those of a booking, open or closed.
pub async fn compensations_of(pool: &PgPool, booking: BookingId) -> Result<Vec<CompensationRow>> {
    let rows = sqlx::query(select!("c.booking_id = $1"));
    rows.bind(booking.uuid()).fetch_all(pool).await?.iter().map(compensation).collect()
}

/// Those of a resource that were promised a moment, open or closed.
pub async fn compensations_at(pool: &PgPool, resource: &ResourceId, at: Timestamp) -> Result<Vec<CompensationRow>> {
    let rows = sqlx::query(select!("c.resource_id = $1 AND c.start_time <= $2 AND c.end_time > $2"));
    let rows = rows.bind(resource.as_str()).bind(DateTime::<Utc>::from(at)).fetch_all(pool).await?;
    rows.iter().map(compensation).collect()
}

/// Closes an open one. Says whether it was open.
pub async fn close_compensation(pool: &PgPool, row: &CompensationRow, by: &str, reason: &str) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE compensation SET closed_at = clock_timestamp(), closed_by = $3, close_reason = $4
         WHERE resource_id = $1 AND source_key = $2 AND closed_at IS NULL",
    );
    let done = done.bind(&row.resource).bind(row.source_key).bind(by).bind(reason).execute(pool).await?;
    Ok(done.rows_affected() == 1)
}

fn compensation(row: &PgRow) -> Result<CompensationRow> {
    Ok(CompensationRow {
        resource: row.try_get("resource_id")?,
        time_zone: row.try_get("display_time_zone")?,
        source_key: row.try_get("source_key")?,
        booking_id: BookingId::from_uuid(row.try_get("booking_id")?),
        source: row.try_get("source_system")?,
        source_booking_id: row.try_get("source_booking_id")?,
        reason: row.try_get("reason")?,
        rule: row.try_get("rule")?,
        start: time(row, "start_time")?,
        end: time(row, "end_time")?,
        winner_booking_id: row.try_get("winner_booking_id")?,
        winner_source: row.try_get("winner_source")?,
        opened_at: time(row, "opened_at")?,
        request_id: RequestId::from_uuid(row.try_get("request_id")?),
        refusals: row.try_get("refusals")?,
        closed_at: optional_time(row, "closed_at")?,
        closed_by: row.try_get("closed_by")?,
        close_reason: row.try_get("close_reason")?,
        called_off: match row.try_get::<Option<String>, _>("result")? {
            Some(result) => Some((result, optional_time(row, "done_at")?)),
            None => None,
        },
    })
}
