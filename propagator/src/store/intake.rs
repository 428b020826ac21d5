//! What is desired of each target, from bookings as they stand.

use std::collections::BTreeSet;
use std::time::Duration;

use daybook_domain::BookingId;
use daybook_runtime::postgres::StoreError;
use sqlx::Row;
use uuid::Uuid;

use super::{Store, stored};

/// A decision that has come by: which booking to look at, and how the decision was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub booking_id: BookingId,
    /// The version that the decision speaks of. Not believed: only compared, to tell whose trace it is.
    pub version: u64,
    /// Its offset on its partition.
    pub offset: i64,
    pub traceparent: Option<String>,
}

/// What one slice of the sweep came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slice {
    /// The last booking compared; none when there was none left.
    pub last: Option<Uuid>,
    /// The targets for which something was missing, once a row.
    pub raised: Vec<String>,
}

impl Store {
    /// Raises what is desired to each booking's newest version, for every target of its resource. The targets for which
    /// that was news. The bookings must differ from each other. No row is begun for what no target is to be told of, a
    /// hold or time that is taken elsewhere; one that is there already is raised all the same.
    pub async fn raise(&self, seen: &[Seen]) -> Result<BTreeSet<String>, StoreError> {
        let ids: Vec<Uuid> = seen.iter().map(|seen| seen.booking_id.uuid()).collect();
        let versions: Vec<i64> = seen.iter().map(|seen| stored(seen.version)).collect();
        let offsets: Vec<i64> = seen.iter().map(|seen| seen.offset).collect();
        let traces: Vec<Option<&str>> = seen.iter().map(|seen| seen.traceparent.as_deref()).collect();
        // In one order of rows, so that two processes never wait for each other in a circle.
        let targets = sqlx::query_scalar(
            "INSERT INTO delivery AS d
                 (booking_id, target, resource_id, desired_version, decided_at, decision_offset, traceparent)
             SELECT b.booking_id, t.target, b.resource_id, b.version, b.decided_at,
                    CASE WHEN s.version = b.version THEN s.record_offset END,
                    CASE WHEN s.version = b.version THEN s.traceparent END
             FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[])
                      AS s (booking_id, version, record_offset, traceparent)
             JOIN booking b ON b.booking_id = s.booking_id
             JOIN resource_target t ON t.resource_id = b.resource_id
             WHERE (b.kind = 'booking' AND b.status <> 'held')
                OR EXISTS (SELECT FROM delivery known WHERE known.booking_id = b.booking_id AND known.target = t.target)
             ORDER BY b.booking_id, t.target
             ON CONFLICT (booking_id, target) DO UPDATE SET
                 desired_version = EXCLUDED.desired_version, decided_at = EXCLUDED.decided_at,
                 decision_offset = EXCLUDED.decision_offset, traceparent = EXCLUDED.traceparent,
                 attempt = 0, next_at = clock_timestamp(), parked_reason = NULL, repair_since = NULL
             WHERE d.desired_version < EXCLUDED.desired_version
             RETURNING d.target",
        )
        .bind(ids)
        .bind(versions)
        .bind(offsets)
        .bind(traces)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(targets.into_iter().collect())
    }

    /// Compares the next `limit` bookings after `after` with what is desired, and raises what lags behind. A target that
    /// a resource has just been given is told of what is live and not yet over, not of the past.
    pub async fn sweep(&self, after: Uuid, limit: u32) -> Result<Slice, StoreError> {
        let row = sqlx::query(
            "WITH slice AS (
                 SELECT booking_id, resource_id, version, decided_at, kind, status, end_time
                 FROM booking WHERE booking_id > $1 ORDER BY booking_id LIMIT $2
             ), raised AS (
                 INSERT INTO delivery AS d (booking_id, target, resource_id, desired_version, decided_at)
                 SELECT s.booking_id, t.target, s.resource_id, s.version, s.decided_at
                 FROM slice s
                 JOIN resource_target t ON t.resource_id = s.resource_id
                 LEFT JOIN delivery known ON known.booking_id = s.booking_id AND known.target = t.target
                 WHERE CASE WHEN known.booking_id IS NULL
                            THEN s.kind = 'booking' AND s.status IN ('confirmed', 'awaiting')
                                 AND s.end_time > clock_timestamp()
                            ELSE known.desired_version < s.version OR known.parked_reason = 'withdrawn' END
                 ORDER BY s.booking_id, t.target
                 ON CONFLICT (booking_id, target) DO UPDATE SET
                     desired_version = EXCLUDED.desired_version, decided_at = EXCLUDED.decided_at,
                     decision_offset = NULL, traceparent = NULL,
                     attempt = 0, next_at = clock_timestamp(), parked_reason = NULL, repair_since = NULL
                 WHERE d.desired_version < EXCLUDED.desired_version
                    OR (d.parked_reason = 'withdrawn' AND d.desired_version = EXCLUDED.desired_version)
                 RETURNING d.target
             )
             SELECT (SELECT booking_id FROM slice ORDER BY booking_id DESC LIMIT 1) AS last,
                    (SELECT coalesce(array_agg(target), '{}') FROM raised) AS raised",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_one(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        let slice = || Ok(Slice { last: row.try_get("last")?, raised: row.try_get("raised")? });
        slice().map_err(|error| self.fail(error))
    }

    /// Forgets attempts that are older than `history`, at most 5,000 of them. How many.
    pub async fn forget_attempts(&self, history: Duration) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "DELETE FROM delivery_attempt WHERE ctid = ANY (ARRAY(
                 SELECT ctid FROM delivery_attempt
                 WHERE at < clock_timestamp() - make_interval(secs => $1) LIMIT 5000))",
        )
        .bind(history.as_secs_f64())
        .execute(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(done.rows_affected())
    }
}
