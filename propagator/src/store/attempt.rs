//! Recording what came of an attempt. Every statement is guarded by the lease and says whether it was still held.

use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::Timestamp;
use daybook_propagator_core::Settled;
use daybook_runtime::postgres::StoreError;
use daybook_wire::DeliveryAttempt;
use sqlx::postgres::PgArguments;
use sqlx::query::QueryScalar;
use sqlx::{Postgres, Row};

use super::{Leased, Store, stored};

/// One attempt, for the row's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Noted {
    pub at: Timestamp,
    pub result: &'static str,
    pub http_status: Option<u16>,
    pub duration: Duration,
    /// Whether anything was written, or may have been.
    pub wrote: bool,
}

/// What the target holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// What a call has made of it.
    Told(Settled),
    /// Nothing was ever told, and nothing is to be.
    NeverTold,
    /// What it held before: no call was needed.
    AsBefore,
}

/// Whether it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Recorded {
    /// It was.
    Yes,
    /// The lease was lost; somebody else's word counts.
    LeaseLost,
}

/// A statement that changes the row if it is still ours, and notes the attempt if there was one.
macro_rules! recording {
    ($set:literal) => {
        concat!(
            "WITH done AS (UPDATE delivery SET lease = NULL, leased_until = NULL, publishing = NULL, ",
            $set,
            " WHERE booking_id = $1 AND target = $2 AND lease = $3 RETURNING booking_id, target),
             noted AS (
                 INSERT INTO delivery_attempt (booking_id, target, version, attempt, at, result, http_status, duration_ms)
                 SELECT booking_id, target, $5, $6, $7, $8, $9, $10 FROM done WHERE $8 IS NOT NULL
                 ON CONFLICT (booking_id, target, version, attempt) DO UPDATE SET at = EXCLUDED.at,
                     result = EXCLUDED.result, http_status = EXCLUDED.http_status, duration_ms = EXCLUDED.duration_ms)
             SELECT EXISTS (SELECT FROM done)"
        )
    };
}

impl Store {
    /// The target holds this version. A newer one that has come meanwhile stays due.
    pub async fn settle(
        &self,
        leased: &Leased,
        version: u64,
        decided_at: Timestamp,
        entry: &Entry,
        noted: Option<&Noted>,
    ) -> Result<Recorded, StoreError> {
        let (outcome, external_id, etag, adopted) = match entry {
            Entry::Told(Settled::Shown { external_id, etag, adopted }) => {
                (Some("applied"), Some(external_id), etag.as_ref(), *adopted)
            }
            Entry::Told(Settled::Removed) => (Some("removed"), None, None, false),
            Entry::NeverTold => (Some("nothing_to_show"), None, None, false),
            Entry::AsBefore => (None, None, None, false),
        };
        // A store that has lost versions desires one that no booking has; it is brought down to what there is.
        let query = sqlx::query_scalar(recording!(
            "in_doubt = false, doubt_at = NULL, parked_reason = NULL, repair_since = NULL, applied_at = clock_timestamp(),
             applied_version = greatest(applied_version, $5),
             desired_version = CASE WHEN desired_version = $4 THEN greatest(applied_version, $5)
                                    ELSE greatest(desired_version, $5) END,
             decided_at = CASE WHEN $5 > desired_version THEN $11 ELSE decided_at END,
             traceparent = CASE WHEN $5 > desired_version THEN NULL ELSE traceparent END,
             decision_offset = CASE WHEN $5 > desired_version THEN NULL ELSE decision_offset END,
             attempt = CASE WHEN desired_version = $4 AND $8 IS NOT NULL THEN $6 ELSE attempt END,
             outcome = coalesce($12, outcome, 'nothing_to_show'),
             external_id = CASE WHEN $12 IS NULL THEN external_id ELSE $13 END,
             etag = CASE WHEN $12 IS NULL THEN etag ELSE $14 END,
             adopted = CASE WHEN $12 IS NULL THEN adopted ELSE $15 END,
             published_version = least(published_version, greatest(applied_version, $5) - 1)"
        ));
        let query = bind(query, leased, version, noted)
            .bind(DateTime::<Utc>::from(decided_at))
            .bind(outcome)
            .bind(external_id)
            .bind(etag)
            .bind(adopted);
        self.recorded(query).await
    }

    /// Nothing is settled: tried again after `wait`. `counts` is whether the attempt is one of those that the schedule
    /// allows.
    pub async fn retry(
        &self,
        leased: &Leased,
        version: u64,
        noted: &Noted,
        in_doubt: bool,
        wait: Duration,
        counts: bool,
    ) -> Result<Recorded, StoreError> {
        let query = sqlx::query_scalar(recording!(
            "in_doubt = $11,
             doubt_at = CASE WHEN NOT $11 THEN NULL WHEN $14 OR doubt_at IS NULL THEN clock_timestamp() ELSE doubt_at END,
             attempt = CASE WHEN desired_version = $4 AND $13 THEN $6 ELSE attempt END,
             next_at = CASE WHEN desired_version = $4 THEN clock_timestamp() + make_interval(secs => $12) ELSE next_at END"
        ));
        let query = bind(query, leased, version, Some(noted))
            .bind(in_doubt)
            .bind(wait.as_secs_f64())
            .bind(counts)
            .bind(noted.wrote);
        self.recorded(query).await
    }

    /// Given up, unless a newer version has come meanwhile.
    pub async fn park(
        &self,
        leased: &Leased,
        version: u64,
        noted: Option<&Noted>,
        in_doubt: bool,
        reason: &'static str,
    ) -> Result<Recorded, StoreError> {
        let query = sqlx::query_scalar(recording!(
            "in_doubt = $11,
             doubt_at = CASE WHEN NOT $11 THEN NULL WHEN $13 OR doubt_at IS NULL THEN clock_timestamp() ELSE doubt_at END,
             attempt = CASE WHEN desired_version = $4 AND $8 IS NOT NULL THEN $6 ELSE attempt END,
             parked_reason = CASE WHEN desired_version = $4 THEN $12 END,
             published_version = least(published_version, desired_version - 1)"
        ));
        let wrote = noted.is_some_and(|noted| noted.wrote);
        self.recorded(bind(query, leased, version, noted).bind(in_doubt).bind(reason).bind(wrote)).await
    }

    /// The attempts for this version, oldest first.
    pub async fn attempts(&self, leased: &Leased, version: u64) -> Result<Vec<DeliveryAttempt>, StoreError> {
        let rows = sqlx::query(
            "SELECT at, result, http_status FROM delivery_attempt
             WHERE booking_id = $1 AND target = $2 AND version = $3 ORDER BY attempt",
        )
        .bind(leased.booking_id.uuid())
        .bind(leased.target.as_str())
        .bind(stored(version))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        let attempt = |row: &sqlx::postgres::PgRow| {
            let at: DateTime<Utc> = row.try_get("at")?;
            let at = Timestamp::try_from(at).unwrap_or(Timestamp::EPOCH);
            Ok(DeliveryAttempt { at, result: row.try_get("result")?, http_status: row.try_get("http_status")? })
        };
        rows.iter().map(attempt).collect::<Result<_, sqlx::Error>>().map_err(|error| self.fail(error))
    }

    async fn recorded(&self, query: QueryScalar<'_, Postgres, bool, PgArguments>) -> Result<Recorded, StoreError> {
        let held = query.fetch_one(&self.pool).await.map_err(|error| self.fail(error))?;
        Ok(if held { Recorded::Yes } else { Recorded::LeaseLost })
    }
}

/// $1 to $10 of every recording statement.
fn bind<'q>(
    query: QueryScalar<'q, Postgres, bool, PgArguments>,
    leased: &Leased,
    version: u64,
    noted: Option<&Noted>,
) -> QueryScalar<'q, Postgres, bool, PgArguments> {
    let millis = noted.map_or(0, |noted| i64::try_from(noted.duration.as_millis()).unwrap_or(i64::MAX));
    query
        .bind(leased.booking_id.uuid())
        .bind(leased.target.as_str().to_owned())
        .bind(leased.lease)
        .bind(leased.desired_version)
        .bind(stored(version))
        .bind(i32::try_from(leased.attempts.saturating_add(1)).unwrap_or(i32::MAX))
        .bind(noted.map(|noted| DateTime::<Utc>::from(noted.at)))
        .bind(noted.map(|noted| noted.result))
        .bind(noted.and_then(|noted| noted.http_status).map(i32::from))
        .bind(millis)
}
