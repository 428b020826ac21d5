//! What time alone calls for: waits that are over, and the months of the decision table.

use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, ResourceId, Timestamp};
use daybook_runtime::clock;
use daybook_runtime::postgres::StoreError;
use sqlx::Row;
use sqlx::postgres::PgRow;
use tokio_util::sync::CancellationToken;

use super::Store;

/// A wait that is over: a hold's, or for a replacement.
#[derive(Debug, Clone)]
pub struct Due {
    /// The booking that waits.
    pub booking_id: BookingId,
    /// Whose time.
    pub resource: ResourceId,
    /// The deadline that was set.
    pub deadline: Timestamp,
}

impl Store {
    /// Waits of these partitions that are over at `now`, those that have been over longest first.
    pub async fn due(&self, partitions: &[i32], now: Timestamp) -> Result<Vec<Due>, StoreError> {
        let rows = sqlx::query(
            "(SELECT booking_id, resource_id, awaiting_until AS deadline FROM booking
              WHERE status = 'awaiting' AND partition = ANY($1) AND awaiting_until <= $2
              ORDER BY awaiting_until LIMIT 1000)
             UNION ALL
             (SELECT booking_id, resource_id, held_until FROM booking
              WHERE status = 'held' AND partition = ANY($1) AND held_until <= $2 ORDER BY held_until LIMIT 1000)
             ORDER BY deadline LIMIT 1000",
        )
        .bind(partitions)
        .bind(DateTime::<Utc>::from(now))
        .fetch_all(&self.pool)
        .await
        .map_err(self.note())?;
        let due = |row: &PgRow| {
            let resource: String = row.try_get("resource_id").map_err(self.note())?;
            let deadline: DateTime<Utc> = row.try_get("deadline").map_err(self.note())?;
            Ok(Due {
                booking_id: BookingId::from_uuid(row.try_get("booking_id").map_err(self.note())?),
                resource: resource.parse().map_err(|_| StoreError::Corrupt("booking.resource_id".to_owned()))?,
                deadline: deadline.try_into().map_err(|_| StoreError::Corrupt("booking.deadline".to_owned()))?,
            })
        };
        rows.iter().map(due).collect()
    }

    /// Whether one of these partitions stands before this epoch and offset.
    pub async fn is_behind(&self, stands: &[(i32, i64, i64)]) -> Result<bool, StoreError> {
        sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS w(partition, epoch, next_offset)
                 LEFT JOIN arbiter_partition p USING (partition)
             WHERE p.partition IS NULL OR (p.epoch, p.next_offset) < (w.epoch, w.next_offset))",
        )
        .bind(stands.iter().map(|(partition, _, _)| *partition).collect::<Vec<_>>())
        .bind(stands.iter().map(|(_, epoch, _)| *epoch).collect::<Vec<_>>())
        .bind(stands.iter().map(|(_, _, offset)| *offset).collect::<Vec<_>>())
        .fetch_one(&self.pool)
        .await
        .map_err(self.note())
    }

    async fn make_decision_partitions(&self) -> Result<(), StoreError> {
        let last_month = DateTime::<Utc>::from(clock::now()) - chrono::TimeDelta::days(31);
        sqlx::query("SELECT make_decision_partitions($1::date, 15)")
            .bind(last_month.date_naive())
            .execute(&self.pool)
            .await
            .map_err(self.note())?;
        Ok(())
    }
}

/// Keeps a year of monthly partitions ahead. What comes without one lands in the default partition, so a failure here
/// is no more than a warning.
pub async fn keep_decision_partitions(store: Store, shutdown: CancellationToken) -> Result<(), StoreError> {
    loop {
        let wait = match store.make_decision_partitions().await {
            Ok(()) => Duration::from_secs(24 * 60 * 60),
            Err(error) => {
                tracing::warn!(%error, "cannot make the months of the decision table; trying again");
                Duration::from_secs(30)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}
