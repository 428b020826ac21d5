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
