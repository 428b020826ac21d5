//! What waits, as the store has it.

use daybook_domain::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::{Result, optional_time, time};

/// How far one partition has been decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionRow {
    pub partition: i32,
    pub epoch: i64,
    /// Who took it last.
    pub owner: String,
    pub acquired_at: Timestamp,
    /// Of the first request that is not decided.
    pub next_offset: i64,
    /// Of the last decision.
    pub last_seq: i64,
}

/// What one target is still to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRow {
    pub target: String,
    pub due: i64,
    /// When the oldest of them was decided.
    pub oldest: Option<Timestamp>,
    pub parked: i64,
    /// Entries that differ from their bookings.
    pub differing: i64,
    /// Of those, the ones that are left to a person.
    pub left: i64,
    pub paused: bool,
}

/// What one source's calendars and events wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRow {
    pub source: String,
    pub readings: i64,
    pub failing: i64,
    pub missing: i64,
    /// Dead letters that were not replayed.
    pub letters: i64,
    pub oldest_letter: Option<Timestamp>,
    pub paused: bool,
}

/// What of refused bookings is still to be put right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenRow {
    pub compensations: i64,
    pub oldest: Option<Timestamp>,
}

/// How far each partition is.
pub async fn partitions(pool: &PgPool) -> Result<Vec<PartitionRow>> {
    let rows = sqlx::query(
        "SELECT partition, epoch, owner, acquired_at, next_offset, next_seq - 1 AS last_seq
         FROM arbiter_partition ORDER BY partition",
    )
    .fetch_all(pool)
    .await?;
    let row = |row: &PgRow| {
        Ok(PartitionRow {
            partition: row.try_get("partition")?,
            epoch: row.try_get("epoch")?,
            owner: row.try_get("owner")?,
            acquired_at: time(row, "acquired_at")?,
            next_offset: row.try_get("next_offset")?,
            last_seq: row.try_get("last_seq")?,
        })
    };
    rows.iter().map(row).collect()
}

/// Every target that some resource is or was shown at.
pub async fn targets(pool: &PgPool) -> Result<Vec<TargetRow>> {
    let rows = sqlx::query(
        "WITH known AS (
             SELECT target FROM resource_target UNION SELECT target FROM delivery
                 WHERE (applied_version < desired_version AND parked_reason IS NULL) OR parked_reason IS NOT NULL
             UNION SELECT name FROM brake WHERE kind = 'target'
         ), waiting AS (
             SELECT target, count(*) AS due, min(coalesce(repair_since, decided_at)) AS oldest FROM delivery
             WHERE applied_version < desired_version AND parked_reason IS NULL GROUP BY target
         ), parked AS (
             SELECT target, count(*) AS parked FROM delivery
             WHERE parked_reason IS NOT NULL AND parked_reason NOT IN ('withdrawn', 'discarded') GROUP BY target
         )
         SELECT k.target, coalesce(w.due, 0) AS due, w.oldest, coalesce(p.parked, 0) AS parked,
             (SELECT count(*) FROM drift d WHERE d.target = k.target) AS differing,
             (SELECT count(stopped_at) FROM drift d WHERE d.target = k.target) AS stopped,
             EXISTS (SELECT FROM brake WHERE kind = 'all' OR kind = 'target' AND name = k.target) AS paused
         FROM known k LEFT JOIN waiting w USING (target) LEFT JOIN parked p USING (target) ORDER BY k.target",
    )
    .fetch_all(pool)
    .await?;
    let row = |row: &PgRow| {
        Ok(TargetRow {
            target: row.try_get("target")?,
            due: row.try_get("due")?,
            oldest: optional_time(row, "oldest")?,
            parked: row.try_get("parked")?,
            differing: row.try_get("differing")?,
            left: row.try_get("stopped")?,
            paused: row.try_get("paused")?,
        })
    };
    rows.iter().map(row).collect()
}

/// Every source that resources know, that is read or listed, or has dead letters.
pub async fn sources(pool: &PgPool) -> Result<Vec<SourceRow>> {
    let rows = sqlx::query(
        "WITH readings AS (
             SELECT source, count(*) AS readings, count(*) FILTER (WHERE failures > 0) AS failing
             FROM (SELECT source, failures FROM polled_calendar UNION ALL SELECT source, failures FROM listing) AS each
             GROUP BY source
         ), missing AS (
             SELECT source, count(*) AS missing FROM polled_event WHERE missing_since IS NOT NULL GROUP BY source
         ), letters AS (
             SELECT l.source, count(*) AS letters, min(l.failed_at) AS oldest
             FROM event_dead_letter l LEFT JOIN source_event e USING (event_key)
             WHERE l.replayed_at IS NULL
                 -- Sent again since, by its source or by somebody: then that counts.
                 AND (e.event_key IS NULL OR (e.partition = l.raw_partition AND e.raw_offset <= l.raw_offset))
                 AND NOT EXISTS (SELECT FROM dead_letter_handled h WHERE h.queue = 'normalizer'
                                 AND h.partition = l.partition AND h.letter_offset = l.letter_offset)
             GROUP BY l.source
         ), known AS (
             SELECT source FROM resource_alias UNION SELECT source FROM readings UNION SELECT source FROM letters
             UNION SELECT name FROM brake WHERE kind = 'source'
         )
         SELECT k.source, coalesce(c.readings, 0) AS readings, coalesce(c.failing, 0) AS failing,
             coalesce(m.missing, 0) AS missing, coalesce(l.letters, 0) AS letters, l.oldest,
             EXISTS (SELECT FROM brake WHERE kind = 'source' AND name = k.source) AS paused
         FROM known k LEFT JOIN readings c USING (source) LEFT JOIN missing m USING (source)
             LEFT JOIN letters l USING (source) ORDER BY k.source",
    )
    .fetch_all(pool)
    .await?;
    let row = |row: &PgRow| {
        Ok(SourceRow {
            source: row.try_get("source")?,
            readings: row.try_get("readings")?,
            failing: row.try_get("failing")?,
            missing: row.try_get("missing")?,
            letters: row.try_get("letters")?,
            oldest_letter: optional_time(row, "oldest")?,
            paused: row.try_get("paused")?,
        })
    };
    rows.iter().map(row).collect()
}

/// How much is open.
pub async fn open(pool: &PgPool) -> Result<OpenRow> {
    let row = sqlx::query(
        "SELECT count(*) AS compensations, min(opened_at) AS oldest FROM compensation WHERE closed_at IS NULL",
    )
    .fetch_one(pool)
    .await?;
    Ok(OpenRow { compensations: row.try_get("compensations")?, oldest: optional_time(&row, "oldest")? })
}
