//! The store, as `daybook_reader` sees it.

use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use daybook_domain::RequestId;
use sqlx::postgres::PgPoolOptions;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

/// Reads everything, writes nothing.
#[derive(Debug, Clone)]
pub struct Store(PgPool);

/// A row of `decision`.
#[derive(Debug, Clone, FromRow)]
#[allow(missing_docs, reason = "the columns are documented where the table is made")]
pub struct DecisionRow {
    pub partition: i32,
    pub seq: i64,
    pub request_id: Uuid,
    pub resource_id: String,
    pub booking_id: Option<Uuid>,
    pub operation: String,
    pub outcome: String,
    pub reason: Option<String>,
    pub source: String,
    pub decided_at: DateTime<Utc>,
    pub committed_at: DateTime<Utc>,
    pub record: Vec<u8>,
}

/// A row of `booking`.
#[derive(Debug, Clone, FromRow, PartialEq, Eq)]
#[allow(missing_docs, reason = "the columns are documented where the table is made")]
pub struct BookingRow {
    pub booking_id: Uuid,
    pub resource_id: String,
    pub kind: String,
    pub status: String,
    pub start_time: Option<DateTime<Utc>>,
    pub end_time: Option<DateTime<Utc>>,
    pub unit: i16,
    pub version: i64,
    pub source_system: String,
    pub source_ids: Vec<String>,
    pub title: Option<String>,
    pub attendee_details: serde_json::Value,
    pub moved_from_booking: Option<Uuid>,
    pub moved_to_booking: Option<Uuid>,
    pub partition: i32,
    pub seq: i64,
}

impl BookingRow {
    /// Whether it occupies its time.
    pub fn is_live(&self) -> bool {
        matches!(self.status.as_str(), "held" | "confirmed" | "awaiting")
    }

    /// Whether targets are to show it: not a hold, which may never come to anything, nor time that is taken elsewhere.
    pub fn is_shown(&self) -> bool {
        self.kind == "booking" && matches!(self.status.as_str(), "confirmed" | "awaiting")
    }
}

/// A row of `arbiter_partition`.
#[derive(Debug, Clone, FromRow)]
#[allow(missing_docs, reason = "the columns are documented where the table is made")]
pub struct PartitionRow {
    pub partition: i32,
    pub epoch: i64,
    pub next_offset: i64,
    pub next_seq: i64,
    pub chain: Vec<u8>,
}

/// A row of `delivery`.
#[derive(Debug, Clone, FromRow)]
#[allow(missing_docs, reason = "the columns are documented where the table is made")]
pub struct DeliveryRow {
    pub booking_id: Uuid,
    pub target: String,
    pub resource_id: String,
    pub desired_version: i64,
    pub applied_version: i64,
    pub published_version: i64,
    pub attempt: i32,
    pub parked_reason: Option<String>,
}

/// A row of `resource_target`.
#[derive(Debug, Clone, FromRow)]
#[allow(missing_docs, reason = "the columns are documented where the table is made")]
pub struct TargetRow {
    pub resource_id: String,
    pub target: String,
    pub address: String,
    pub fields: Vec<String>,
}

const DECISION: &str = "SELECT partition, seq, request_id, resource_id, booking_id, operation, outcome, reason, source, \
                        decided_at, committed_at, record FROM decision";
const BOOKING: &str = "SELECT booking_id, resource_id, kind, status, start_time, end_time, unit, version, source_system, \
                       source_ids, title, attendee_details, moved_from_booking, moved_to_booking, partition, seq \
                       FROM booking";

impl Store {
    /// Connects when first used.
    pub fn new(url: &str) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(Duration::from_secs(10));
        Ok(Self(pool.connect_lazy(url).context("the reader's URL")?))
    }

    /// The pool, for a question that only one test asks.
    pub const fn pool(&self) -> &PgPool {
        &self.0
    }

    /// Every decision, in the order of each partition's log.
    pub async fn decisions(&self) -> Result<Vec<DecisionRow>> {
        let sql = format!("{DECISION} ORDER BY partition, seq");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&self.0).await?)
    }

    /// The decisions of these requests.
    pub async fn decisions_of(&self, requests: &[RequestId]) -> Result<Vec<DecisionRow>> {
        let ids: Vec<Uuid> = requests.iter().map(|request| request.uuid()).collect();
        let sql = format!("{DECISION} WHERE request_id = ANY($1) ORDER BY partition, seq");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(ids).fetch_all(&self.0).await?)
    }

    /// The decisions about a resource.
    pub async fn decisions_about(&self, resource: &str) -> Result<Vec<DecisionRow>> {
        let sql = format!("{DECISION} WHERE resource_id = $1 ORDER BY partition, seq");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(resource).fetch_all(&self.0).await?)
    }

    /// How many of these requests are decided.
    pub async fn count_decided(&self, requests: &[Uuid]) -> Result<usize> {
        let sql = "SELECT count(DISTINCT request_id) FROM decision WHERE request_id = ANY($1)";
        let count: i64 = sqlx::query_scalar(sql).bind(requests).fetch_one(&self.0).await?;
        Ok(usize::try_from(count)?)
    }

    /// Every booking.
    pub async fn bookings(&self) -> Result<Vec<BookingRow>> {
        let sql = format!("{BOOKING} ORDER BY booking_id");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&self.0).await?)
    }

    /// The bookings of a resource.
    pub async fn bookings_of(&self, resource: &str) -> Result<Vec<BookingRow>> {
        let sql = format!("{BOOKING} WHERE resource_id = $1 ORDER BY start_time, booking_id");
        Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(resource).fetch_all(&self.0).await?)
    }

    /// Where each partition stands.
    pub async fn partitions(&self) -> Result<Vec<PartitionRow>> {
        let sql = "SELECT partition, epoch, next_offset, next_seq, chain FROM arbiter_partition ORDER BY partition";
        Ok(sqlx::query_as(sql).fetch_all(&self.0).await?)
    }

    /// Every delivery.
    pub async fn deliveries(&self) -> Result<Vec<DeliveryRow>> {
        let sql = "SELECT booking_id, target, resource_id, desired_version, applied_version, published_version, attempt, \
                   parked_reason FROM delivery ORDER BY booking_id, target";
        Ok(sqlx::query_as(sql).fetch_all(&self.0).await?)
    }

    /// The targets that a resource's calendars are read back at, and whether each was since somebody last asked for it.
    pub async fn readings_of(&self, resource: &str) -> Result<Vec<(String, bool)>> {
        let sql =
            "SELECT target, owner IS NULL AND next_at > clock_timestamp() FROM reconciliation WHERE resource_id = $1";
        Ok(sqlx::query_as(sql).bind(resource).fetch_all(&self.0).await?)
    }

    /// Which target shows which resource.
    pub async fn targets(&self) -> Result<Vec<TargetRow>> {
        let sql = "SELECT resource_id, target, address, fields FROM resource_target ORDER BY resource_id, target";
        Ok(sqlx::query_as(sql).fetch_all(&self.0).await?)
    }

    /// What is still on its way to a target: of a resource, or of all. What no target is to be told of needs no delivery.
    pub async fn undelivered(&self, resource: Option<&str>) -> Result<i64> {
        let sql = "SELECT count(*) FROM booking b JOIN resource_target t USING (resource_id) \
                   LEFT JOIN delivery d ON d.booking_id = b.booking_id AND d.target = t.target \
                   WHERE ($1::text IS NULL OR b.resource_id = $1) AND d.parked_reason IS NULL \
                   AND (d.applied_version < b.version \
                        OR (d.booking_id IS NULL AND b.kind = 'booking' AND b.status <> 'held'))";
        Ok(sqlx::query_scalar(sql).bind(resource).fetch_one(&self.0).await?)
    }
}
