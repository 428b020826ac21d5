//! The trail in the store: written in batches, read for one event.

use chrono::{DateTime, Utc};
use daybook_domain::{ResourceId, Timestamp};
use daybook_runtime::postgres::StoreError;
use sqlx::PgPool;
use uuid::Uuid;

use super::note::{Letter, Sighting};

type Result<T> = std::result::Result<T, StoreError>;

/// Rows that are forgotten at once: a statement of moderate length.
const FORGET_MAX: i64 = 10_000;

/// Where an event lies.
#[derive(Debug, sqlx::FromRow)]
pub struct EventRow {
    /// In its raw topic.
    pub partition: i32,
    /// There.
    pub raw_offset: i64,
    /// None for the webhooks of its source.
    pub ce_source: Option<String>,
    /// Of the booking that it is keyed by.
    pub booking_key: Option<Uuid>,
    /// When it came in.
    pub received_at: DateTime<Utc>,
}

/// A dead letter.
#[derive(Debug, sqlx::FromRow)]
pub struct LetterRow {
    /// In `dlq.normalizer`.
    pub partition: i32,
    /// There.
    pub letter_offset: i64,
    /// Which item of the event; none for all of it.
    pub item: Option<i32>,
    /// From a bounded vocabulary.
    pub reason: String,
    /// The field, what is wrong and the fix.
    pub message: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Of the record that it came from.
    pub raw_partition: i32,
    /// There.
    pub raw_offset: i64,
    /// When it was given up.
    pub failed_at: DateTime<Utc>,
}

/// A decision on one of an event's requests.
#[derive(Debug, sqlx::FromRow)]
pub struct DecidedRow {
    /// The request.
    pub request_id: Uuid,
    /// Whose time.
    pub resource_id: String,
    /// What was asked.
    pub operation: String,
    /// What was ruled.
    pub outcome: String,
    /// Why, where there is a reason.
    pub reason: Option<String>,
    /// About which booking.
    pub booking_id: Option<Uuid>,
    /// When, by the log.
    pub decided_at: DateTime<Utc>,
}

/// Writes where events lie; the place where one was seen last stands.
pub async fn put_sightings(pool: &PgPool, sightings: &[Sighting]) -> Result<()> {
    if sightings.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO source_event AS e (event_key, partition, raw_offset, ce_source, booking_key, received_at)
         SELECT DISTINCT ON (event_key) * FROM unnest($1::uuid[], $2::integer[], $3::bigint[], $4::text[], $5::uuid[],
             $6::timestamptz[]) AS n (event_key, partition, raw_offset, ce_source, booking_key, received_at)
         ORDER BY event_key, raw_offset DESC
         ON CONFLICT (event_key) DO UPDATE SET partition = excluded.partition, raw_offset = excluded.raw_offset,
             ce_source = excluded.ce_source, booking_key = excluded.booking_key, received_at = excluded.received_at,
             seen_at = excluded.seen_at
         WHERE e.partition <> excluded.partition OR e.raw_offset < excluded.raw_offset",
    )
    .bind(sightings.iter().map(|seen| seen.event_key).collect::<Vec<_>>())
    .bind(sightings.iter().map(|seen| seen.partition).collect::<Vec<_>>())
    .bind(sightings.iter().map(|seen| seen.offset).collect::<Vec<_>>())
    .bind(sightings.iter().map(|seen| seen.ce_source.clone()).collect::<Vec<_>>())
    .bind(sightings.iter().map(|seen| seen.booking_key).collect::<Vec<_>>())
    .bind(sightings.iter().map(|seen| DateTime::<Utc>::from(seen.received_at)).collect::<Vec<_>>())
    .execute(pool)
    .await?;
    Ok(())
}

/// Writes dead letters, each once.
pub async fn put_letters(pool: &PgPool, letters: &[Letter]) -> Result<()> {
    if letters.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO event_dead_letter (partition, letter_offset, event_key, source, item, reason, message, attempts,
             raw_partition, raw_offset, failed_at)
         SELECT * FROM unnest($1::integer[], $2::bigint[], $3::uuid[], $4::text[], $5::integer[], $6::text[], $7::text[],
             $8::integer[], $9::integer[], $10::bigint[], $11::timestamptz[])
         ON CONFLICT (partition, letter_offset) DO NOTHING",
    )
    .bind(letters.iter().map(|letter| letter.partition).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.offset).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.event_key).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.source.clone()).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.item).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.reason.clone()).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.message.clone()).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.attempts).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.raw_partition).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.raw_offset).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| DateTime::<Utc>::from(letter.failed_at)).collect::<Vec<_>>())
    .execute(pool)
    .await?;
    Ok(())
}

/// Forgets rows whose records are gone, a day after Kafka may forget them: raw events after 7 days, dead letters after 30.
pub async fn forget(pool: &PgPool) -> Result<u64> {
    let mut forgotten = 0;
    loop {
        let events = sqlx::query(
            "DELETE FROM source_event WHERE event_key IN (
                 SELECT event_key FROM source_event WHERE seen_at < clock_timestamp() - interval '8 days' LIMIT $1)",
        );
        let rows = events.bind(FORGET_MAX).execute(pool).await?.rows_affected();
        forgotten += rows;
        if rows < FORGET_MAX.unsigned_abs() {
            break;
        }
    }
    let letters = sqlx::query("DELETE FROM event_dead_letter WHERE failed_at < clock_timestamp() - interval '31 days'");
    forgotten += letters.execute(pool).await?.rows_affected();
    let handled = sqlx::query("DELETE FROM dead_letter_handled WHERE at < clock_timestamp() - interval '31 days'");
    Ok(forgotten + handled.execute(pool).await?.rows_affected())
}

/// Where an event lies, if it is known.
pub async fn event(pool: &PgPool, key: Uuid) -> Result<Option<EventRow>> {
    let row = sqlx::query_as(
        "SELECT partition, raw_offset, ce_source, booking_key, received_at FROM source_event WHERE event_key = $1",
    );
    Ok(row.bind(key).fetch_optional(pool).await?)
}

/// The dead letters that came of an event as it was seen last; those of earlier times are superseded.
pub async fn letters_of(pool: &PgPool, key: Uuid, at: &EventRow) -> Result<Vec<LetterRow>> {
    let rows = sqlx::query_as(
        "SELECT partition, letter_offset, item, reason, message, attempts, raw_partition, raw_offset, failed_at
         FROM event_dead_letter WHERE event_key = $1 AND raw_partition = $2 AND raw_offset = $3 AND replayed_at IS NULL
         ORDER BY item NULLS FIRST, letter_offset",
    );
    Ok(rows.bind(key).bind(at.partition).bind(at.raw_offset).fetch_all(pool).await?)
}

/// The resources on which a booking with this name is known.
pub async fn resources_of(pool: &PgPool, booking_key: Uuid) -> Result<Vec<ResourceId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT resource_id FROM booking WHERE source_key = $1
         UNION SELECT resource_id FROM booking_source WHERE source_key = $1 LIMIT 100",
    )
    .bind(booking_key)
    .fetch_all(pool)
    .await?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// The decisions on these requests.
pub async fn decided(pool: &PgPool, requests: &[Uuid]) -> Result<Vec<DecidedRow>> {
    let rows = sqlx::query_as(
        "SELECT DISTINCT ON (request_id) request_id, resource_id, operation, outcome, reason, booking_id, decided_at
         FROM decision WHERE request_id = ANY($1) ORDER BY request_id, decided_at",
    );
    Ok(rows.bind(requests).fetch_all(pool).await?)
}

/// How far the arbiter has decided each partition of the requests.
pub async fn arbiter_positions(pool: &PgPool) -> Result<Vec<(i32, i64)>> {
    Ok(sqlx::query_as("SELECT partition, next_offset FROM arbiter_partition").fetch_all(pool).await?)
}

/// Dead letters of a source that nobody has replayed, oldest first: of these events or of all, with this reason or any.
pub async fn open_letters(
    pool: &PgPool,
    source: &str,
    events: Option<&[Uuid]>,
    reason: Option<&str>,
    limit: i64,
) -> Result<Vec<LetterRow>> {
    let rows = sqlx::query_as(
        "SELECT l.partition, l.letter_offset, l.item, l.reason, l.message, l.attempts, l.raw_partition, l.raw_offset,
                l.failed_at
         FROM event_dead_letter l LEFT JOIN source_event e USING (event_key)
         WHERE l.source = $1 AND l.replayed_at IS NULL AND ($2::uuid[] IS NULL OR l.event_key = ANY($2))
           AND ($3::text IS NULL OR l.reason = $3)
           -- Sent again since, by its source or by somebody: then that counts.
           AND (e.event_key IS NULL OR (e.partition = l.raw_partition AND e.raw_offset <= l.raw_offset))
         ORDER BY l.failed_at, l.partition, l.letter_offset LIMIT $4",
    );
    Ok(rows.bind(source).bind(events).bind(reason).bind(limit).fetch_all(pool).await?)
}

/// Notes that the letters of these raw records were replayed.
pub async fn replayed(pool: &PgPool, source: &str, records: &[(i32, i64)], at: Timestamp) -> Result<()> {
    let (partitions, offsets): (Vec<i32>, Vec<i64>) = records.iter().copied().unzip();
    sqlx::query(
        "UPDATE event_dead_letter SET replayed_at = $4
         WHERE source = $1 AND replayed_at IS NULL
           AND (raw_partition, raw_offset) IN (SELECT * FROM unnest($2::integer[], $3::bigint[]))",
    )
    .bind(source)
    .bind(partitions)
    .bind(offsets)
    .bind(DateTime::<Utc>::from(at))
    .execute(pool)
    .await?;
    Ok(())
}
