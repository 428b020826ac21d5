//! Each booking's way to each target.

use daybook_domain::{BookingId, Timestamp};
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::{Result, optional_time, time};

/// One booking's way to one target.
#[derive(Debug, Clone)]
pub struct DeliveryRow {
    pub target: String,
    pub desired_version: i64,
    pub applied_version: i64,
    pub applied_at: Option<Timestamp>,
    pub shown: bool,
    pub external_id: Option<String>,
    pub attempt: i32,
    pub next_at: Timestamp,
    pub parked_reason: Option<String>,
    /// The calls, oldest first.
    pub attempts: Vec<AttemptRow>,
}

/// One call.
#[derive(Debug, Clone)]
pub struct AttemptRow {
    pub version: i64,
    pub attempt: i32,
    pub at: Timestamp,
    pub result: String,
    pub http_status: Option<i32>,
    pub duration_ms: i64,
}

/// What became of a wish to try a parked delivery again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unparked {
    /// It is due now.
    Done,
    /// A newer version is wanted, and is taken care of by itself.
    Superseded {
        /// That version.
        by: i64,
    },
    /// It is not parked: on its way, or done.
    NotParked,
    /// There is no such delivery.
    Unknown,
}

/// A booking's way to every target.
pub async fn deliveries(pool: &PgPool, booking: BookingId) -> Result<Vec<DeliveryRow>> {
    let rows = sqlx::query(
        "SELECT target, desired_version, applied_version, applied_at, shown, external_id, attempt, next_at, parked_reason
         FROM delivery WHERE booking_id = $1 ORDER BY target",
    )
    .bind(booking.uuid())
    .fetch_all(pool)
    .await?;
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in &rows {
        deliveries.push(DeliveryRow {
            target: row.try_get("target")?,
            desired_version: row.try_get("desired_version")?,
            applied_version: row.try_get("applied_version")?,
            applied_at: optional_time(row, "applied_at")?,
            shown: row.try_get("shown")?,
            external_id: row.try_get("external_id")?,
            attempt: row.try_get("attempt")?,
            next_at: time(row, "next_at")?,
            parked_reason: row.try_get("parked_reason")?,
            attempts: attempts(pool, booking, row.try_get("target")?).await?,
        });
    }
    Ok(deliveries)
}

async fn attempts(pool: &PgPool, booking: BookingId, target: &str) -> Result<Vec<AttemptRow>> {
    let rows = sqlx::query(
        "SELECT version, attempt, at, result, http_status, duration_ms FROM delivery_attempt
         WHERE booking_id = $1 AND target = $2 ORDER BY version, attempt",
    );
    let rows = rows.bind(booking.uuid()).bind(target).fetch_all(pool).await?;
    rows.iter()
        .map(|row| {
            Ok(AttemptRow {
                version: row.try_get("version")?,
                attempt: row.try_get("attempt")?,
                at: time(row, "at")?,
                result: row.try_get("result")?,
                http_status: row.try_get("http_status")?,
                duration_ms: row.try_get("duration_ms")?,
            })
        })
        .collect()
}

/// Makes a parked delivery due again, from its first attempt. The attempts that were made are in the dead letter; their
/// rows go, because the new ones are numbered from 1 again.
pub async fn unpark(pool: &PgPool, booking: BookingId, target: &str, version: i64) -> Result<Unparked> {
    let mut transaction = pool.begin().await?;
    let row: Option<(i64, Option<String>)> = sqlx::query_as(
        "SELECT desired_version, parked_reason FROM delivery WHERE booking_id = $1 AND target = $2 FOR UPDATE",
    )
    .bind(booking.uuid())
    .bind(target)
    .fetch_optional(&mut *transaction)
    .await?;
    let unparked = match row {
        None => Unparked::Unknown,
        Some((desired, _)) if desired > version => Unparked::Superseded { by: desired },
        Some((_, None)) => Unparked::NotParked,
        Some((_, Some(_))) => {
            release(&mut transaction, booking.uuid(), target, version).await?;
            Unparked::Done
        }
    };
    transaction.commit().await?;
    Ok(unparked)
}

async fn release(connection: &mut PgConnection, booking: Uuid, target: &str, version: i64) -> Result<()> {
    sqlx::query(
        // That it was given up has been published as this version's outcome; its next outcome is to be published too.
        "UPDATE delivery SET parked_reason = NULL, attempt = 0, next_at = clock_timestamp(),
                published_version = least(published_version, applied_version)
         WHERE booking_id = $1 AND target = $2",
    )
    .bind(booking)
    .bind(target)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM delivery_attempt WHERE booking_id = $1 AND target = $2 AND version = $3")
        .bind(booking)
        .bind(target)
        .bind(version)
        .execute(&mut *connection)
        .await?;
    Ok(())
}
