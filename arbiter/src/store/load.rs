//! What a batch loads: which of its requests were decided before, what it names, the rules of resources that it meets for
//! the first time, and stretches of their time.
//!
//! Each `OFFSET 0` keeps its look-up a look-up: one probe of an index for each key, in this order, and never the other way
//! round, whatever the sizes of the tables were when the plan was made: it is kept.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, BookingState, RequestId, ResourceId, Rules, Timestamp};
use daybook_rows::{BookingColumns, BookingRow, COLUMNS, LIVE, RULES_COLUMNS, RulesColumns, state_columns};
use daybook_runtime::postgres::StoreError;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Store;
use crate::ports::{Loaded, Wanted, Window};

/// How long request ids are remembered. Beyond that, the source's version decides.
const REMEMBERED: chrono::TimeDelta = chrono::TimeDelta::days(40);

impl Store {
    /// What a batch names, and the rules of the resources that are not in the cache.
    pub(super) async fn read_wanted(&self, wanted: &Wanted) -> Result<Loaded, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(self.note())?;
        let mut loaded = Loaded::default();
        if let Some(now) = wanted.now.filter(|_| !wanted.requests.is_empty()) {
            loaded.decided = decided(&mut connection, &wanted.requests, now).await.map_err(self.note())?;
        }
        if !wanted.resources.is_empty() {
            loaded.resources = self.resources(&mut connection, &wanted.resources).await?;
        }
        let named = named(&mut connection, wanted).await.map_err(self.note())?;
        loaded.rows = named.into_iter().map(BookingRow::try_from).collect::<Result<_, _>>()?;
        Ok(loaded)
    }

    /// Everything live that has a part of these windows.
    pub(super) async fn read_live(&self, windows: &[Window]) -> Result<Vec<(ResourceId, BookingState)>, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(self.note())?;
        let rows = live(&mut connection, windows).await.map_err(self.note())?;
        rows.into_iter().map(|row| BookingRow::try_from(row).map(|row| (row.resource, row.state))).collect()
    }

    /// The rows of these bookings.
    pub(super) async fn read_rows(&self, bookings: &BTreeSet<BookingId>) -> Result<Vec<BookingRow>, StoreError> {
        let sql = format!(
            "SELECT b.* FROM unnest($1::uuid[]) AS w(booking_id),
                 LATERAL (SELECT {COLUMNS} FROM booking b WHERE b.booking_id = w.booking_id OFFSET 0) AS b"
        );
        let rows: Vec<BookingColumns> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(bookings.iter().map(|booking| booking.uuid()).collect::<Vec<_>>())
            .fetch_all(&self.pool)
            .await
            .map_err(self.note())?;
        rows.into_iter().map(BookingRow::try_from).collect()
    }

    async fn resources(
        &self,
        connection: &mut PgConnection,
        resources: &BTreeSet<ResourceId>,
    ) -> Result<Vec<(ResourceId, u64, Rules)>, StoreError> {
        let names: Vec<&str> = resources.iter().map(ResourceId::as_str).collect();
        let sql = format!("SELECT {RULES_COLUMNS} FROM resource r WHERE r.resource_id = ANY($1)");
        let rows: Vec<RulesColumns> =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(names).fetch_all(connection).await.map_err(self.note())?;
        rows.into_iter().map(RulesColumns::read).collect()
    }
}

async fn decided(
    connection: &mut PgConnection,
    requests: &[RequestId],
    now: Timestamp,
) -> Result<BTreeSet<RequestId>, sqlx::Error> {
    let rows: Vec<Uuid> = sqlx::query_scalar(
        // Both bounds, so that neither past nor coming months are looked into: no decision is later than the log.
        // One that failed inside us is asked again when its dead letter is replayed.
        "SELECT d.request_id FROM unnest($1::uuid[]) AS w(request_id),
             LATERAL (SELECT request_id FROM decision d
                      WHERE d.request_id = w.request_id AND d.decided_at BETWEEN $2 AND $3
                          AND d.reason IS DISTINCT FROM 'internal' OFFSET 0) AS d",
    )
    .bind(requests.iter().map(|request| request.uuid()).collect::<Vec<_>>())
    .bind(DateTime::<Utc>::from(now) - REMEMBERED)
    .bind(DateTime::<Utc>::from(now))
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(RequestId::from_uuid).collect())
}

/// Bookings by the constraint's index, and what that leaves out: busy time, and shadows that have strayed.
async fn live(connection: &mut PgConnection, windows: &[Window]) -> Result<Vec<BookingColumns>, sqlx::Error> {
    let columns = state_columns();
    let sql = format!(
        "SELECT b.* FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS w(resource_id, s, e),
             LATERAL (SELECT resource_no FROM resource r WHERE r.resource_id = w.resource_id OFFSET 0) AS r,
             LATERAL (
                 SELECT {columns} FROM booking b WHERE b.kind = 'booking' AND {LIVE}
                     AND booking_box(b.resource_no, b.unit, b.start_time, b.end_time)
                         && resource_box(r.resource_no, w.s, w.e)
                 UNION ALL SELECT {columns} FROM booking b WHERE b.kind = 'busy' AND {LIVE}
                     AND booking_box(b.resource_no, b.unit, b.start_time, b.end_time)
                         && resource_box(r.resource_no, w.s, w.e)
                 UNION ALL SELECT {columns} FROM booking b
                     WHERE b.resource_no = r.resource_no AND b.away_until IS NOT NULL AND b.away_until > w.s
                 OFFSET 0) AS b"
    );
    let ends = windows.iter().map(|it| Some(it.time.end()).filter(|end| *end < Timestamp::MAX).map(Into::into));
    sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(windows.iter().map(|window| window.resource.as_str()).collect::<Vec<_>>())
        .bind(windows.iter().map(|window| window.time.start().into()).collect::<Vec<DateTime<Utc>>>())
        .bind(ends.collect::<Vec<Option<DateTime<Utc>>>>())
        .fetch_all(connection)
        .await
}

/// What the requests name.
async fn named(connection: &mut PgConnection, wanted: &Wanted) -> Result<Vec<BookingColumns>, sqlx::Error> {
    let sql = format!(
        "WITH wanted AS (
             SELECT b.booking_id FROM unnest($1::uuid[], $2::text[]) AS k(source_key, resource_id),
                 LATERAL (SELECT booking_id FROM booking b
                          WHERE b.source_key = k.source_key AND b.resource_id = k.resource_id OFFSET 0) AS b
             UNION SELECT s.booking_id FROM unnest($1::uuid[], $2::text[]) AS k(source_key, resource_id),
                 LATERAL (SELECT booking_id FROM booking_source s
                          WHERE s.source_key = k.source_key AND s.resource_id = k.resource_id OFFSET 0) AS s
             UNION SELECT t.booking_id FROM unnest($3::uuid[], $4::text[]) AS k(tag, resource_id),
                 LATERAL (SELECT booking_id FROM booking_tag t
                          WHERE t.tag = k.tag AND t.resource_id = k.resource_id OFFSET 0) AS t
             UNION SELECT unnest($5::uuid[])
         )
         SELECT b.* FROM wanted w,
             LATERAL (SELECT {COLUMNS} FROM booking b WHERE b.booking_id = w.booking_id OFFSET 0) AS b"
    );
    let (keys, key_resources): (Vec<Uuid>, Vec<&str>) =
        wanted.keys.iter().map(|(resource, key)| (key.uuid(), resource.as_str())).unzip();
    let (tags, tag_resources): (Vec<Uuid>, Vec<&str>) =
        wanted.tags.iter().map(|(resource, tag)| (tag.uuid(), resource.as_str())).unzip();
    sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(keys)
        .bind(key_resources)
        .bind(tags)
        .bind(tag_resources)
        .bind(wanted.bookings.iter().map(|booking| booking.uuid()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
}
