//! Taking partitions over, and where they stand.

use arbiter_core::partition::Position;
use chrono::{DateTime, Utc};
use daybook_runtime::postgres::StoreError;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{STUCK_SECONDS, Store};

/// PostgreSQL's `lock_not_available`: `lock_timeout` has passed.
const LOCK_NOT_AVAILABLE: &str = "55P03";

impl Store {
    /// Takes partitions over: raises each one's epoch, so that whoever had it commits nothing any more. To the server's clock
    /// where that is more than one on: a store that was put back must not give out an epoch again that somebody frozen may
    /// still hold. Waits for whoever
    /// holds a row; should that take too long, ends sessions of arbiters that froze inside a transaction, and fails, for
    /// the caller to try again.
    pub async fn acquire(&self, partitions: &[i32], owner: &str) -> Result<Vec<Position>, StoreError> {
        let rows = sqlx::query(
            "INSERT INTO arbiter_partition AS p (partition, epoch, owner)
             SELECT partition, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, $2
             FROM unnest($1::int[]) AS t(partition) ORDER BY partition
             ON CONFLICT (partition) DO UPDATE
                 SET epoch = greatest(p.epoch + 1, excluded.epoch), owner = excluded.owner, acquired_at = clock_timestamp()
             RETURNING p.partition, p.epoch, p.next_offset, p.next_seq, p.now, p.chain",
        )
        .bind(partitions)
        .bind(owner)
        .fetch_all(&self.pool)
        .await;
        match rows {
            Ok(rows) => rows.iter().map(position).collect(),
            Err(error) => {
                let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
                if code.is_some_and(|code| code == LOCK_NOT_AVAILABLE) {
                    self.end_stuck_sessions().await?;
                }
                Err(self.note()(error))
            }
        }
    }

    /// Where a partition stands, whoever owns it.
    pub(super) async fn read_position(&self, partition: i32) -> Result<Position, StoreError> {
        let row = sqlx::query(
            "SELECT partition, epoch, next_offset, next_seq, now, chain FROM arbiter_partition WHERE partition = $1",
        )
        .bind(partition)
        .fetch_one(&self.pool)
        .await
        .map_err(self.note())?;
        position(&row)
    }

    /// A role may end its own sessions, wherever they come from.
    async fn end_stuck_sessions(&self) -> Result<(), StoreError> {
        let ended: i64 = sqlx::query_scalar(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
                 AND wait_event_type = 'Client' AND xact_start < clock_timestamp() - make_interval(secs => $1)",
        )
        .bind(STUCK_SECONDS)
        .fetch_one(&self.pool)
        .await
        .map_err(self.note())?;
        if ended > 0 {
            tracing::warn!(sessions = ended, "ended sessions of an arbiter that froze inside a transaction");
        }
        Ok(())
    }
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("arbiter_partition.{what}"))
}

fn position(row: &PgRow) -> Result<Position, StoreError> {
    let now: DateTime<Utc> = row.try_get("now")?;
    let chain: Vec<u8> = row.try_get("chain")?;
    Ok(Position {
        partition: row.try_get("partition")?,
        epoch: row.try_get("epoch")?,
        next_offset: row.try_get("next_offset")?,
        next_seq: row.try_get("next_seq")?,
        now: now.try_into().map_err(|_| corrupt("now"))?,
        chain: chain.try_into().map_err(|_| corrupt("chain"))?,
    })
}
