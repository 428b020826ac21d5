//! Bookings, and the decisions that made them.

use daybook_domain::{BookingId, ResourceId, Timestamp};
use daybook_rows::{BookingColumns, BookingRow, COLUMNS};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgPool, Row};

use super::{Result, time};

/// A decision as it is kept.
#[derive(Debug, Clone)]
pub struct DecisionRow {
    /// The framed record, byte for byte as it is published.
    pub record: Vec<u8>,
    /// The store's clock when it was written.
    pub committed_at: Timestamp,
}

/// A booking.
pub async fn booking(pool: &PgPool, id: BookingId) -> Result<Option<BookingRow>> {
    let row: Option<BookingColumns> =
        sqlx::query_as(AssertSqlSafe(format!("SELECT {COLUMNS} FROM booking b WHERE b.booking_id = $1")))
            .bind(id.uuid())
            .fetch_optional(pool)
            .await?;
    row.map(BookingRow::try_from).transpose()
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
