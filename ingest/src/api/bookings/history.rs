//! What was decided on a booking, as it is stored.

use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, Timestamp};
use daybook_runtime::postgres::StoreError;
use serde::Serialize;
use sqlx::PgPool;
use utoipa::ToSchema;
use uuid::Uuid;

/// A decision on a booking.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BookingDecision)]
pub struct Entry {
    /// By the log's time.
    #[schema(format = DateTime)]
    decided_at: String,
    /// The request that was decided.
    #[schema(format = "uuid")]
    request_id: String,
    /// Who asked.
    #[schema(example = "calendly")]
    source: String,
    /// What was asked, in a word.
    #[schema(example = "book")]
    operation: String,
    /// What was decided, in a word.
    #[schema(example = "confirmed")]
    outcome: String,
    /// Why, in a word, where the outcome has a reason.
    #[schema(example = "duplicate")]
    reason: Option<String>,
    /// When its source says that this happened.
    #[schema(format = DateTime)]
    sourced_at: Option<String>,
    /// When it came in.
    #[schema(format = DateTime)]
    received_at: String,
}

#[derive(sqlx::FromRow)]
struct DecisionColumns {
    decided_at: DateTime<Utc>,
    request_id: Uuid,
    source: String,
    operation: String,
    outcome: String,
    reason: Option<String>,
    sourced_at: Option<DateTime<Utc>>,
    received_at: DateTime<Utc>,
}

/// The decisions on a booking, oldest first.
pub async fn read(pool: &PgPool, booking: BookingId) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<DecisionColumns> = sqlx::query_as(
        "SELECT decided_at, request_id, source, operation, outcome, reason, sourced_at, received_at FROM decision
         WHERE booking_id = $1 ORDER BY decided_at, partition, seq",
    )
    .bind(booking.uuid())
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(entry).collect()
}

fn entry(row: DecisionColumns) -> Result<Entry, StoreError> {
    let time = |at: DateTime<Utc>| {
        Timestamp::try_from(at).map(|at| at.to_string()).map_err(|_| StoreError::Corrupt("decision's times".to_owned()))
    };
    Ok(Entry {
        decided_at: time(row.decided_at)?,
        request_id: row.request_id.to_string(),
        source: row.source,
        operation: row.operation,
        outcome: row.outcome,
        reason: row.reason,
        sourced_at: row.sourced_at.map(time).transpose()?,
        received_at: time(row.received_at)?,
    })
}
