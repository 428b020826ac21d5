//! Deliveries that are settled or given up and whose outcome is not on `propagation.outcomes` yet.

use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, Timestamp};
use daybook_runtime::postgres::StoreError;
use daybook_wire::{DeliveryOutcome, DeliveryResult};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use super::Store;

/// An outcome to publish.
#[derive(Debug)]
pub(crate) struct Unpublished {
    pub outcome: DeliveryOutcome,
    pub traceparent: Option<String>,
}

impl Store {
    /// Claims up to `limit` outcomes for `span`. While they are claimed nobody else publishes them, so that two processes
    /// do not publish two states of one delivery in the wrong order. None if there is none.
    pub async fn claim_outcomes(
        &self,
        limit: usize,
        span: Duration,
    ) -> Result<Option<(Uuid, Vec<Unpublished>)>, StoreError> {
        let rows = sqlx::query(
            "WITH claim AS MATERIALIZED (SELECT gen_random_uuid() AS id), picked AS (
                 SELECT booking_id, target FROM delivery
                 WHERE (published_version < applied_version
                        OR (parked_reason IS NOT NULL AND published_version < desired_version))
                   AND (publishing IS NULL OR publishing_until < clock_timestamp())
                 LIMIT $1 FOR UPDATE SKIP LOCKED
             )
             UPDATE delivery d SET publishing = claim.id, publishing_until = clock_timestamp() + make_interval(secs => $2)
             FROM picked, claim WHERE d.booking_id = picked.booking_id AND d.target = picked.target
             RETURNING d.booking_id, d.target, d.resource_id, d.outcome, d.external_id, d.attempt, d.traceparent,
                       d.publishing, d.decided_at, coalesce(d.applied_at, clock_timestamp()) AS applied_at, clock_timestamp() AS now,
                       d.applied_version, d.desired_version,
                       d.parked_reason IS NOT NULL AND d.applied_version < d.desired_version AS parked",
        )
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(span.as_secs_f64())
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        let Some(first) = rows.first() else { return Ok(None) };
        let claim = first.try_get("publishing").map_err(|error| self.fail(error))?;
        // One row that cannot be read must not hold up the others; it comes up again when its claim has run out.
        let readable = rows.iter().filter_map(|row| {
            read(row).inspect_err(|error| tracing::error!(%error, "outcome passed over: its row cannot be read")).ok()
        });
        Ok(Some((claim, readable.collect())))
    }

    /// Notes that these outcomes are published. Those whose claim was lost meanwhile are published once more: this word
    /// may have landed after a newer one.
    pub async fn published(&self, claim: Uuid, outcomes: &[DeliveryOutcome]) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = outcomes.iter().map(|outcome| outcome.booking_id.uuid()).collect();
        let targets: Vec<&str> = outcomes.iter().map(|outcome| outcome.target.as_str()).collect();
        let versions: Vec<i64> = outcomes.iter().map(|outcome| outcome.version).collect();
        sqlx::query(
            "UPDATE delivery d SET
                 published_version = CASE WHEN d.publishing = $1 THEN p.version
                     ELSE least(d.published_version, greatest(d.applied_version, CASE WHEN d.parked_reason IS NOT NULL
                                                                                   THEN d.desired_version ELSE 0 END) - 1)
                 END,
                 publishing = CASE WHEN d.publishing = $1 THEN NULL ELSE d.publishing END
             FROM unnest($2::uuid[], $3::text[], $4::bigint[]) AS p (booking_id, target, version)
             WHERE d.booking_id = p.booking_id AND d.target = p.target",
        )
        .bind(claim)
        .bind(ids)
        .bind(targets)
        .bind(versions)
        .execute(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(())
    }

    /// Gives up the claims that were not honoured, so that they can be taken at once.
    pub async fn disclaim_outcomes(&self, claim: Uuid) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE delivery SET publishing = NULL WHERE publishing = $1
               AND (published_version < applied_version
                    OR (parked_reason IS NOT NULL AND published_version < desired_version))",
        )
        .bind(claim)
        .execute(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(())
    }
}

#[derive(FromRow)]
struct OutcomeRow {
    booking_id: Uuid,
    target: String,
    resource_id: String,
    outcome: Option<String>,
    external_id: Option<String>,
    attempt: i32,
    traceparent: Option<String>,
    decided_at: DateTime<Utc>,
    applied_at: DateTime<Utc>,
    now: DateTime<Utc>,
    applied_version: i64,
    desired_version: i64,
    parked: bool,
}

fn read(row: &PgRow) -> Result<Unpublished, StoreError> {
    let row = OutcomeRow::from_row(row)?;
    let corrupt = |column: &str| StoreError::Corrupt(format!("{column} of delivery {}", row.booking_id));
    let outcome = match row.outcome.as_deref() {
        _ if row.parked => DeliveryResult::Parked,
        Some("applied") => DeliveryResult::Applied,
        Some("removed") => DeliveryResult::Removed,
        Some("nothing_to_show") => DeliveryResult::NothingToShow,
        Some(_) | None => return Err(corrupt("outcome")),
    };
    let settled_at = if row.parked { row.now } else { row.applied_at };
    // The row's decision, attempts and trace are the desired version's.
    let is_desired = row.parked || row.applied_version == row.desired_version;
    Ok(Unpublished {
        outcome: DeliveryOutcome {
            booking_id: BookingId::from_uuid(row.booking_id),
            target: row.target.parse().map_err(|_| corrupt("target"))?,
            resource: row.resource_id.parse().map_err(|_| corrupt("resource_id"))?,
            version: if row.parked { row.desired_version } else { row.applied_version },
            outcome,
            external_id: row.external_id,
            attempts: row.attempt,
            decided_at: Timestamp::try_from(row.decided_at).map_err(|_| corrupt("decided_at"))?,
            settled_at: Timestamp::try_from(settled_at).map_err(|_| corrupt("applied_at"))?,
        },
        traceparent: row.traceparent.filter(|_| is_desired),
    })
}
