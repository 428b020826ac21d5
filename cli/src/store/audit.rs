//! The decisions as an auditor reads them: in order, a page at a time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use daybook_runtime::postgres::StoreError;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use super::Result;

/// Where a partition stands, and which rows it has, at one moment.
#[derive(Debug, Clone)]
pub struct HeadRow {
    pub partition: i32,
    /// Of the first request not decided, of the next decision, and SHA-256 of the last; none without a row.
    pub head: Option<(i64, i64, Vec<u8>)>,
    /// The lowest seq in the table.
    pub first: Option<i64>,
    /// The highest.
    pub last: Option<i64>,
}

/// A decision with its columns.
#[derive(Debug, Clone)]
pub struct LinkRow {
    pub partition: i32,
    pub seq: i64,
    pub offset: i64,
    pub request_id: Uuid,
    pub resource: String,
    pub booking_id: Option<Uuid>,
    pub operation: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub source: String,
    pub sourced_at: Option<DateTime<Utc>>,
    pub received_at: DateTime<Utc>,
    pub decided_at: DateTime<Utc>,
    pub record: Vec<u8>,
}

/// Where these partitions stand.
pub async fn heads(pool: &PgPool, partitions: &[i32]) -> Result<Vec<HeadRow>> {
    // One statement, so that head and rows are of one moment.
    let rows = sqlx::query(
        "SELECT p.partition, a.next_offset, a.next_seq, a.chain,
                (SELECT min(seq) FROM decision d WHERE d.partition = p.partition) AS first,
                (SELECT max(seq) FROM decision d WHERE d.partition = p.partition) AS last
         FROM unnest($1::int[]) AS p(partition) LEFT JOIN arbiter_partition a USING (partition) ORDER BY p.partition",
    );
    rows.bind(partitions).fetch_all(pool).await?.iter().map(head).collect()
}

fn head(row: &PgRow) -> Result<HeadRow> {
    let chain: Option<Vec<u8>> = row.try_get("chain")?;
    let (offset, seq): (Option<i64>, Option<i64>) = (row.try_get("next_offset")?, row.try_get("next_seq")?);
    Ok(HeadRow {
        partition: row.try_get("partition")?,
        head: offset.zip(seq).zip(chain).map(|((offset, seq), chain)| (offset, seq, chain)),
        first: row.try_get("first")?,
        last: row.try_get("last")?,
    })
}

/// At most `limit` decisions of a partition after `after`, a seq and its time, and below `until`, in order.
pub async fn links(
    pool: &PgPool,
    partition: i32,
    after: (i64, DateTime<Utc>),
    until: i64,
    limit: i64,
) -> Result<Vec<LinkRow>> {
    // By seq and time, which is the key: a second row under one seq must not hide behind the end of a page.
    let rows = sqlx::query(
        "SELECT partition, seq, request_offset, request_id, resource_id, booking_id, operation, outcome, reason, source,
                sourced_at, received_at, decided_at, record
         FROM decision WHERE partition = $1 AND (seq, decided_at) > ($2, $3) AND seq < $4
         ORDER BY seq, decided_at LIMIT $5",
    );
    let rows = rows.bind(partition).bind(after.0).bind(after.1).bind(until).bind(limit).fetch_all(pool).await?;
    rows.iter().map(link).collect()
}

fn link(row: &PgRow) -> Result<LinkRow> {
    Ok(LinkRow {
        partition: row.try_get("partition")?,
        seq: row.try_get("seq")?,
        offset: row.try_get("request_offset")?,
        request_id: row.try_get("request_id")?,
        resource: row.try_get("resource_id")?,
        booking_id: row.try_get("booking_id")?,
        operation: row.try_get("operation")?,
        outcome: row.try_get("outcome")?,
        reason: row.try_get("reason")?,
        source: row.try_get("source")?,
        sourced_at: row.try_get("sourced_at")?,
        received_at: row.try_get("received_at")?,
        decided_at: row.try_get("decided_at")?,
        record: row.try_get("record")?,
    })
}

/// The SHA-256 of these decisions, by seq, as far as they are stored.
pub async fn hashes(pool: &PgPool, partition: i32, seqs: &[i64]) -> Result<BTreeMap<i64, [u8; 32]>> {
    let rows = sqlx::query("SELECT seq, sha256(record) AS hash FROM decision WHERE partition = $1 AND seq = ANY($2)");
    let rows = rows.bind(partition).bind(seqs).fetch_all(pool).await?;
    rows.iter()
        .map(|row| {
            let hash: Vec<u8> = row.try_get("hash")?;
            let hash = hash.try_into().map_err(|_| StoreError::Corrupt("sha256".to_owned()))?;
            Ok((row.try_get("seq")?, hash))
        })
        .collect()
}
