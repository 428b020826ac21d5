//! A source's account at its vendor, whose budget all processes share: not before `free_at` is it asked again.

use std::time::Duration;

use daybook_domain::SourceName;
use daybook_runtime::postgres::StoreError;
use sqlx::PgPool;
use sqlx::postgres::types::PgInterval;

/// Every source that is asked has one.
pub async fn open(pool: &PgPool, source: &SourceName) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO polled_account (source) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(source.as_str())
        .execute(pool)
        .await?;
    Ok(())
}

/// A turn of the account's, of the one budget that all processes and all who ask have; how far off it is, and none, not taken, if that is
/// more than `most`.
pub async fn turn(
    pool: &PgPool,
    source: &SourceName,
    pace: Duration,
    most: Duration,
) -> Result<Option<Duration>, StoreError> {
    let wait: Option<f64> = sqlx::query_scalar("SELECT take_turn($1, $2, $3)")
        .bind(source.as_str())
        .bind(interval(pace))
        .bind(interval(most))
        .fetch_one(pool)
        .await?;
    Ok(wait.map(|wait| Duration::from_secs_f64(wait.max(0.0))))
}

/// Nothing of the source is asked for so long.
pub async fn leave_alone(pool: &PgPool, source: &SourceName, pause: Duration) -> Result<(), StoreError> {
    sqlx::query("UPDATE polled_account SET free_at = greatest(free_at, now() + $2) WHERE source = $1")
        .bind(source.as_str())
        .bind(interval(pause))
        .execute(pool)
        .await?;
    Ok(())
}

/// To the microsecond, which is all that PostgreSQL has.
pub fn interval(span: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(span.as_micros()).unwrap_or(i64::MAX) }
}
