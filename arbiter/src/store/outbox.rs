//! What is stored and may not have been published.

use std::collections::BTreeMap;

use daybook_domain::BookingId;
use daybook_rows::{BookingColumns, BookingRow, COLUMNS};
use daybook_runtime::postgres::StoreError;
use daybook_wire::CanonicalBooking;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::Store;
use crate::ports::StoredDecision;

impl Store {
    /// Stored decisions after `seq`, in order.
    pub(super) async fn read_decisions(
        &self,
        partition: i32,
        seq: i64,
        limit: i64,
    ) -> Result<Vec<StoredDecision>, StoreError> {
        let rows = sqlx::query(
            "SELECT seq, resource_id, record FROM decision WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        )
        .bind(partition)
        .bind(seq)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(self.note())?;
        let decision = |row: &PgRow| {
            Ok(StoredDecision {
                seq: row.try_get("seq")?,
                resource: row.try_get("resource_id")?,
                record: row.try_get("record")?,
            })
        };
        rows.iter().map(decision).collect::<Result<_, sqlx::Error>>().map_err(self.note())
    }

    /// Those of these bookings that are this partition's and newer, as they stand now.
    pub(super) async fn read_newer(
        &self,
        partition: i32,
        than: &BTreeMap<BookingId, u64>,
    ) -> Result<Vec<CanonicalBooking>, StoreError> {
        let sql = format!(
            "SELECT b.*, r.display_time_zone FROM unnest($2::uuid[], $3::bigint[]) AS w(booking_id, version),
                 LATERAL (SELECT {COLUMNS} FROM booking b
                          WHERE b.booking_id = w.booking_id AND b.partition = $1 AND b.version > w.version OFFSET 0) AS b
                 LEFT JOIN resource r USING (resource_id)
             ORDER BY b.seq"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(partition)
            .bind(than.keys().map(|booking| booking.uuid()).collect::<Vec<_>>())
            .bind(than.values().map(|version| i64::try_from(*version).unwrap_or(i64::MAX)).collect::<Vec<_>>())
            .fetch_all(&self.pool)
            .await
            .map_err(self.note())?;
        rows.iter().map(|row| self.canonical(row)).collect()
    }

    fn canonical(&self, row: &PgRow) -> Result<CanonicalBooking, StoreError> {
        let columns = <BookingColumns as sqlx::FromRow<_>>::from_row(row).map_err(self.note())?;
        let zone = row.try_get("display_time_zone").map_err(self.note())?;
        Ok(BookingRow::try_from(columns)?.canonical(zone))
    }
}
