//! Bookings that their source has promised and Daybook has refused, on their way to be called off there.

use std::fmt;
use std::time::Duration;

use daybook_domain::{SourceName, TargetName};
use daybook_runtime::postgres::StoreError;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use super::Store;

/// Who has stopped what Daybook itself has stopped.
pub(crate) const BY_ITSELF: &str = "daybook";

/// One that is this process's for a while. What the source calls it may be personal data.
#[derive(Clone, FromRow)]
pub(crate) struct Refused {
    pub resource_id: String,
    pub source_key: Uuid,
    opened_at: chrono::DateTime<chrono::Utc>,
    lease: Uuid,
    /// What its source calls it.
    pub name: String,
    /// The booking that it would have been.
    pub booking_id: Uuid,
    /// Attempts before this one.
    pub attempts: i32,
    /// Whether it may have been called off before.
    pub in_doubt: bool,
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refused({})", self.booking_id)
    }
}

/// What there is to do.
#[derive(Debug, Clone)]
pub(crate) enum Due {
    /// This one.
    One(Refused),
    /// Nothing now.
    Nothing,
    /// Too much was called off within an hour: the target was stopped just now.
    Stopped,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Came {
    /// It is off; and whether it may be by our doing.
    Off {
        /// Whether it may.
        by_us: bool,
    },
    /// It is tried again after this; and whether it may be off already.
    Later(Duration, bool),
    /// Nobody tries again, for this reason.
    GivenUp(&'static str),
}

impl Store {
    /// What is to be called off next at `target` of what `source` has promised, unless somebody has stopped that. `most` may be called
    /// off within an hour: the next one stops the target instead. One process at a time counts.
    pub async fn take_refused(
        &self,
        target: &TargetName,
        source: &SourceName,
        most: u32,
        span: Duration,
    ) -> Result<Due, StoreError> {
        let taken = async {
            let mut work = self.pool.begin().await?;
            sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('compensation ' || $1, 0))")
                .bind(target.as_str())
                .execute(&mut *work)
                .await?;
            sqlx::query(
                "INSERT INTO compensation_cancel (target, resource_id, source_key, opened_at)
                 SELECT $1, resource_id, source_key, opened_at FROM compensation
                 WHERE source_system = $2 AND closed_at IS NULL AND NOT imported ON CONFLICT DO NOTHING",
            )
            .bind(target.as_str())
            .bind(source.as_str())
            .execute(&mut *work)
            .await?;
            // What is being called off counts as called off.
            let row = sqlx::query(
                "WITH due AS (
                     SELECT k.* FROM compensation_cancel k
                     JOIN compensation c ON c.resource_id = k.resource_id AND c.source_key = k.source_key
                                        AND c.opened_at = k.opened_at AND c.closed_at IS NULL AND NOT c.imported
                     WHERE k.target = $1 AND k.done_at IS NULL AND k.next_at <= clock_timestamp()
                       AND (k.leased_until IS NULL OR k.leased_until < clock_timestamp())
                       AND NOT EXISTS (SELECT FROM brake WHERE kind = 'all' OR kind = 'target' AND name = $1)
                     LIMIT 1
                 )
                 SELECT EXISTS (SELECT FROM due) AS is_due,
                        (SELECT count(*) FROM compensation_cancel k WHERE k.target = $1
                             AND (k.cancelled_at > greatest(clock_timestamp() - interval '1 hour', (
                                      SELECT stopped_at FROM compensation_stop WHERE target = $1))
                                  OR k.leased_until > clock_timestamp())) AS counted",
            )
            .bind(target.as_str())
            .fetch_one(&mut *work)
            .await?;
            let (is_due, counted): (bool, i64) = (row.try_get("is_due")?, row.try_get("counted")?);
            let due = match (is_due, counted < i64::from(most)) {
                (false, _) => Due::Nothing,
                (true, false) => {
                    sqlx::query(
                        "WITH stopped AS (
                             INSERT INTO brake (kind, name, who, reason)
                             VALUES ('target', $1, $2, 'more than ' || $3 || ' bookings refused by Daybook would be called off within an hour')
                             ON CONFLICT DO NOTHING)
                         INSERT INTO compensation_stop (target, stopped_at) VALUES ($1, clock_timestamp())
                         ON CONFLICT (target) DO UPDATE SET stopped_at = EXCLUDED.stopped_at",
                    )
                    .bind(target.as_str())
                    .bind(BY_ITSELF)
                    .bind(most.to_string())
                    .execute(&mut *work)
                    .await?;
                    Due::Stopped
                }
                (true, true) => {
                    let one = sqlx::query_as(
                        "UPDATE compensation_cancel k SET lease = gen_random_uuid(), attempts = k.attempts + 1, in_doubt = true,
                             leased_until = clock_timestamp() + make_interval(secs => $2)
                         FROM (
                             SELECT d.target, d.resource_id, d.source_key, d.opened_at, d.in_doubt, d.attempts, c.booking_id,
                                    c.source_booking_id
                             FROM compensation_cancel d
                             JOIN compensation c ON c.resource_id = d.resource_id AND c.source_key = d.source_key
                                                AND c.opened_at = d.opened_at AND c.closed_at IS NULL
                                                AND NOT c.imported
                             WHERE d.target = $1 AND d.done_at IS NULL AND d.next_at <= clock_timestamp()
                               AND (d.leased_until IS NULL OR d.leased_until < clock_timestamp())
                             ORDER BY d.next_at LIMIT 1 FOR UPDATE OF d SKIP LOCKED
                         ) due
                         WHERE k.target = due.target AND k.resource_id = due.resource_id AND k.source_key = due.source_key
                           AND k.opened_at = due.opened_at
                         RETURNING k.resource_id, k.source_key, k.opened_at, k.lease, due.source_booking_id AS name,
                                   due.booking_id, due.attempts, due.in_doubt",
                    )
                    .bind(target.as_str())
                    .bind(span.as_secs_f64())
                    .fetch_optional(&mut *work)
                    .await?;
                    one.map_or(Due::Nothing, Due::One)
                }
            };
            work.commit().await?;
            Ok(due)
        };
        taken.await.map_err(|error| self.fail(error))
    }

    /// Writes down what came of one.
    pub async fn settle_refused(&self, target: &TargetName, refused: &Refused, came: Came) -> Result<(), StoreError> {
        let (done, by_us, result, wait, in_doubt) = match came {
            Came::Off { by_us } => (true, by_us, if by_us { "cancelled" } else { "gone" }, Duration::ZERO, false),
            Came::Later(wait, in_doubt) => (false, false, "later", wait, in_doubt),
            Came::GivenUp(reason) => (true, false, reason, Duration::ZERO, false),
        };
        sqlx::query(
            "UPDATE compensation_cancel SET lease = NULL, leased_until = NULL, result = $6, in_doubt = $7,
                 next_at = clock_timestamp() + make_interval(secs => $8),
                 done_at = CASE WHEN $9 THEN clock_timestamp() END,
                 cancelled_at = CASE WHEN $10 THEN clock_timestamp() END
             WHERE target = $1 AND resource_id = $2 AND source_key = $3 AND opened_at = $4 AND lease = $5",
        )
        .bind(target.as_str())
        .bind(&refused.resource_id)
        .bind(refused.source_key)
        .bind(refused.opened_at)
        .bind(refused.lease)
        .bind(result)
        .bind(in_doubt)
        .bind(wait.as_secs_f64())
        .bind(done)
        .bind(by_us)
        .execute(&self.pool)
        .await
        .map_err(|error| self.fail(error))?;
        Ok(())
    }

    /// Whether Daybook itself has stopped a target, and nobody has let it go.
    pub async fn stopped_by_itself(&self, target: &TargetName) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM brake WHERE kind = 'target' AND name = $1 AND who = $2)")
            .bind(target.as_str())
            .bind(BY_ITSELF)
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.fail(error))
    }

    /// Forgets what was done about those that are older than `history`.
    pub async fn forget_refused(&self, history: Duration) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM compensation_cancel WHERE done_at < clock_timestamp() - make_interval(secs => $1)")
            .bind(history.as_secs_f64())
            .execute(&self.pool)
            .await
            .map_err(|error| self.fail(error))?;
        Ok(())
    }
}
