//! What a batch loads: which of its requests were decided before, what it names, and the resources it meets for the first
//! time.
//!
//! Each `OFFSET 0` keeps its look-up a look-up: one probe of an index for each key, in this order, and never the other way
//! round, whatever the sizes of the tables were when the plan was made: it is kept.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, BookingState, Hours, Interval, RequestId, ResourceId, Rules, Timestamp};
use daybook_runtime::postgres::StoreError;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::{COLUMNS, LIVE, Store};
use crate::ports::{Loaded, Wanted};
use crate::rows::{BookingColumns, BookingRow};

/// How long request ids are remembered. Beyond that, the source's version decides.
const REMEMBERED: chrono::TimeDelta = chrono::TimeDelta::days(40);

/// [`COLUMNS`] without what people see: a state alone is wanted.
fn state_columns() -> String {
    COLUMNS
        .replace("b.title", "NULL::text AS title")
        .replace("b.attendee_details", "'[]'::jsonb AS attendee_details")
        .replace("b.source_time_zone", "NULL::text AS source_time_zone")
}

impl Store {
    /// What a batch needs that is not in the cache.
    pub(super) async fn read_wanted(&self, wanted: &Wanted) -> Result<Loaded, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(self.note())?;
        let mut loaded = Loaded::default();
        if let Some(now) = wanted.now.filter(|_| !wanted.requests.is_empty()) {
            loaded.decided = decided(&mut connection, &wanted.requests, now).await.map_err(self.note())?;
        }
        if let Some(floor) = wanted.floor.filter(|_| !wanted.whole.is_empty()) {
            loaded.resources = self.resources(&mut connection, &wanted.whole).await?;
            let whole = whole(&mut connection, &wanted.whole, floor).await.map_err(self.note())?;
            loaded.live = states(whole)?;
        }
        if !wanted.probes.is_empty() {
            let probed = probes(&mut connection, &wanted.probes).await.map_err(self.note())?;
            loaded.live.extend(states(probed)?);
        }
        let named = named(&mut connection, wanted).await.map_err(self.note())?;
        loaded.rows = named.into_iter().map(BookingRow::try_from).collect::<Result<_, _>>()?;
        Ok(loaded)
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
        let rows: Vec<RulesColumns> = sqlx::query_as(
            "SELECT resource_id, version, display_time_zone, replacement_wait_ms, capacity, buffer_before_ms,
                 buffer_after_ms, notice_ms, window_ms, hours
             FROM resource WHERE resource_id = ANY($1)",
        )
        .bind(names)
        .fetch_all(connection)
        .await
        .map_err(self.note())?;
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

fn states(rows: Vec<BookingColumns>) -> Result<Vec<(ResourceId, BookingState)>, StoreError> {
    rows.into_iter().map(|row| BookingRow::try_from(row).map(|row| (row.resource, row.state))).collect()
}

/// Everything of these resources that is live and ends after `floor`: bookings by the constraint's index, and what that
/// leaves out.
async fn whole(
    connection: &mut PgConnection,
    resources: &BTreeSet<ResourceId>,
    floor: Timestamp,
) -> Result<Vec<BookingColumns>, sqlx::Error> {
    let columns = state_columns();
    let sql = format!(
        "SELECT b.* FROM unnest($1::text[]) AS w(resource_id),
             LATERAL (SELECT resource_no FROM resource r WHERE r.resource_id = w.resource_id OFFSET 0) AS r,
             LATERAL (
                 SELECT b.booking_id FROM booking b WHERE b.kind = 'booking' AND {LIVE}
                     AND booking_box(b.resource_no, b.unit, b.start_time, b.end_time)
                         && resource_box(r.resource_no, $2, NULL)
                 UNION SELECT b.booking_id FROM booking b WHERE b.kind = 'busy' AND {LIVE}
                     AND booking_box(b.resource_no, b.unit, b.start_time, b.end_time)
                         && resource_box(r.resource_no, $2, NULL)
                 UNION SELECT b.booking_id FROM booking b
                     WHERE b.resource_no = r.resource_no AND b.away_until IS NOT NULL AND b.away_until > $2
                 OFFSET 0) AS n,
             LATERAL (SELECT {columns} FROM booking b WHERE b.booking_id = n.booking_id OFFSET 0) AS b"
    );
    sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(resources.iter().map(ResourceId::as_str).collect::<Vec<_>>())
        .bind(DateTime::<Utc>::from(floor))
        .fetch_all(connection)
        .await
}

/// Everything live that has a part of these times.
async fn probes(
    connection: &mut PgConnection,
    probes: &[(ResourceId, Interval)],
) -> Result<Vec<BookingColumns>, sqlx::Error> {
    let columns = state_columns();
    let sql = format!(
        "SELECT b.* FROM (
             SELECT DISTINCT n.booking_id
             FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS w(resource_id, s, e),
                 LATERAL (SELECT resource_no FROM resource r WHERE r.resource_id = w.resource_id OFFSET 0) AS r,
                 LATERAL (
                     SELECT b.booking_id FROM booking b WHERE b.kind = 'booking' AND {LIVE}
                         AND booking_box(b.resource_no, b.unit, b.start_time, b.end_time)
                             && resource_box(r.resource_no, w.s, w.e)
                     UNION SELECT b.booking_id FROM booking b WHERE b.kind = 'busy' AND {LIVE}
                         AND booking_box(b.resource_no, b.unit, b.start_time, b.end_time)
                             && resource_box(r.resource_no, w.s, w.e)
                     UNION SELECT b.booking_id FROM booking b
                         WHERE b.resource_no = r.resource_no AND b.away_until IS NOT NULL AND b.away_until > w.s
                     OFFSET 0) AS n
             ) AS n,
             LATERAL (SELECT {columns} FROM booking b WHERE b.booking_id = n.booking_id OFFSET 0) AS b"
    );
    let at = |pick: fn(&Interval) -> Timestamp| -> Vec<DateTime<Utc>> {
        probes.iter().map(|(_, interval)| pick(interval).into()).collect()
    };
    sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(probes.iter().map(|(resource, _)| resource.as_str()).collect::<Vec<_>>())
        .bind(at(Interval::start))
        .bind(at(Interval::end))
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

/// A resource's rules in its row.
#[derive(Debug, sqlx::FromRow)]
struct RulesColumns {
    resource_id: String,
    version: i64,
    display_time_zone: String,
    replacement_wait_ms: i64,
    capacity: i32,
    buffer_before_ms: i64,
    buffer_after_ms: i64,
    notice_ms: i64,
    window_ms: Option<i64>,
    hours: Json<Vec<HoursColumn>>,
}

/// A stretch of `resource.hours`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HoursColumn {
    day: String,
    from_minute: u16,
    to_minute: u16,
}

impl From<&Hours> for HoursColumn {
    fn from(hours: &Hours) -> Self {
        let day = match hours.day {
            chrono::Weekday::Mon => "MONDAY",
            chrono::Weekday::Tue => "TUESDAY",
            chrono::Weekday::Wed => "WEDNESDAY",
            chrono::Weekday::Thu => "THURSDAY",
            chrono::Weekday::Fri => "FRIDAY",
            chrono::Weekday::Sat => "SATURDAY",
            chrono::Weekday::Sun => "SUNDAY",
        };
        Self { day: day.to_owned(), from_minute: hours.from, to_minute: hours.to }
    }
}

impl RulesColumns {
    fn read(self) -> Result<(ResourceId, u64, Rules), StoreError> {
        let bad = || StoreError::Corrupt("resource".to_owned());
        let span = |millis: i64| u64::try_from(millis).map(Duration::from_millis).map_err(|_| bad());
        let hours = self.hours.0.iter().map(|hours| {
            let day = hours.day.parse().map_err(|_| bad())?;
            Ok(Hours { day, from: hours.from_minute, to: hours.to_minute })
        });
        let rules = Rules {
            display_time_zone: self.display_time_zone,
            replacement_wait: span(self.replacement_wait_ms)?,
            capacity: u16::try_from(self.capacity).map_err(|_| bad())?,
            buffer_before: span(self.buffer_before_ms)?,
            buffer_after: span(self.buffer_after_ms)?,
            notice: span(self.notice_ms)?,
            window: self.window_ms.map(span).transpose()?,
            hours: hours.collect::<Result<_, StoreError>>()?,
        };
        Ok((self.resource_id.parse().map_err(|_| bad())?, u64::try_from(self.version).map_err(|_| bad())?, rules))
    }
}
