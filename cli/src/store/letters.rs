//! What was done about dead letters.

use std::collections::BTreeMap;

use daybook_domain::{BookingId, Timestamp};
use sqlx::{PgConnection, PgPool, Row};

use super::{Result, time};

/// What was done about one, last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandledRow {
    /// `replayed` or `discarded`.
    pub verdict: String,
    pub who: String,
    /// Why it was discarded.
    pub reason: Option<String>,
    pub at: Timestamp,
}

/// One letter: its queue, partition and offset.
pub type Place = (String, i32, i64);

/// All that were handled.
pub async fn handled(pool: &PgPool) -> Result<BTreeMap<Place, HandledRow>> {
    let rows = sqlx::query("SELECT queue, partition, letter_offset, verdict, who, reason, at FROM dead_letter_handled");
    let row = |row: &sqlx::postgres::PgRow| {
        let place = (row.try_get("queue")?, row.try_get("partition")?, row.try_get("letter_offset")?);
        let handled = HandledRow {
            verdict: row.try_get("verdict")?,
            who: row.try_get("who")?,
            reason: row.try_get("reason")?,
            at: time(row, "at")?,
        };
        Ok((place, handled))
    };
    rows.fetch_all(pool).await?.iter().map(row).collect()
}

/// Notes that it was sent through once more.
pub async fn put_replayed(pool: &PgPool, place: &Place, who: &str) -> Result<()> {
    put(&mut *pool.acquire().await?, place, "replayed", who, None).await
}

/// Notes that nothing is to be done about it.
pub async fn put_discarded(pool: &PgPool, place: &Place, who: &str, reason: &str) -> Result<()> {
    put(&mut *pool.acquire().await?, place, "discarded", who, Some(reason)).await
}

/// The same of a delivery, which rests then; whether it still did so for this version. A newer one takes it on again.
pub async fn discard_delivery(
    pool: &PgPool,
    place: &Place,
    (booking, target, version): (BookingId, &str, i64),
    who: &str,
    reason: &str,
) -> Result<bool> {
    let mut transaction = pool.begin().await?;
    let rests = sqlx::query(
        "UPDATE delivery SET parked_reason = 'discarded'
         WHERE booking_id = $1 AND target = $2 AND desired_version = $3 AND parked_reason IS NOT NULL",
    );
    let rests = rests.bind(booking.uuid()).bind(target).bind(version).execute(&mut *transaction).await?;
    put(&mut transaction, place, "discarded", who, Some(reason)).await?;
    transaction.commit().await?;
    Ok(rests.rows_affected() > 0)
}

async fn put(
    connection: &mut PgConnection,
    (queue, partition, offset): &Place,
    verdict: &str,
    who: &str,
    reason: Option<&str>,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO dead_letter_handled (queue, partition, letter_offset, verdict, who, reason)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (queue, partition, letter_offset) DO UPDATE SET verdict = excluded.verdict, who = excluded.who,
             reason = excluded.reason, at = excluded.at",
    )
    .bind(queue)
    .bind(partition)
    .bind(offset)
    .bind(verdict)
    .bind(who)
    .bind(reason)
    .execute(connection)
    .await?;
    Ok(())
}
