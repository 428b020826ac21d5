//! What somebody has stopped.

use daybook_domain::Timestamp;
use sqlx::{PgPool, Row};

use super::{Result, time};

/// One thing that is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrakeRow {
    /// `target`, `source` or `all`.
    pub kind: String,
    pub name: String,
    pub who: String,
    pub reason: String,
    pub since: Timestamp,
}

/// All of them, the oldest first.
pub async fn brakes(pool: &PgPool) -> Result<Vec<BrakeRow>> {
    let rows = sqlx::query("SELECT kind, name, who, reason, since FROM brake ORDER BY since, kind, name")
        .fetch_all(pool)
        .await?;
    let row = |row: &sqlx::postgres::PgRow| {
        Ok(BrakeRow {
            kind: row.try_get("kind")?,
            name: row.try_get("name")?,
            who: row.try_get("who")?,
            reason: row.try_get("reason")?,
            since: time(row, "since")?,
        })
    };
    rows.iter().map(row).collect()
}

/// Whether anybody has heard of it: a target that a resource is or was shown at, a source that knows a resource or whose calendars
/// are read.
pub async fn is_known(pool: &PgPool, (kind, name): (&str, &str)) -> Result<bool> {
    let known = sqlx::query_scalar(
        "SELECT CASE $1
             WHEN 'target' THEN EXISTS (SELECT FROM resource_target WHERE target = $2)
                 OR EXISTS (SELECT FROM delivery WHERE target = $2)
             WHEN 'source' THEN EXISTS (SELECT FROM resource_alias WHERE source = $2)
                 OR EXISTS (SELECT FROM polled_calendar WHERE source = $2)
             ELSE true END",
    );
    Ok(known.bind(kind).bind(name).fetch_one(pool).await?)
}

/// Stops it. What is stopped already says from now on who wants it so, and why; since when, it keeps.
pub async fn put_brake(pool: &PgPool, (kind, name): (&str, &str), who: &str, reason: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO brake (kind, name, who, reason) VALUES ($1, $2, $3, $4)
         ON CONFLICT (kind, name) DO UPDATE SET who = excluded.who, reason = excluded.reason",
    )
    .bind(kind)
    .bind(name)
    .bind(who)
    .bind(reason)
    .execute(pool)
    .await?;
    Ok(())
}

/// Lets it go on; whether it was stopped.
pub async fn release_brake(pool: &PgPool, (kind, name): (&str, &str)) -> Result<bool> {
    let done =
        sqlx::query("DELETE FROM brake WHERE kind = $1 AND name = $2").bind(kind).bind(name).execute(pool).await?;
    Ok(done.rows_affected() > 0)
}
