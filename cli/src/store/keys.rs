//! Keys of the API. Their digests go in and never come out.

use chrono::{DateTime, Utc};
use daybook_domain::{CallerName, Timestamp};
use daybook_ingest_core::{KeyDigest, KeyId, Scopes};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use super::{Result, optional_time, time};

/// A key that is to be.
#[derive(Debug)]
pub struct NewKey<'a> {
    pub id: KeyId,
    pub caller: &'a CallerName,
    pub digest: KeyDigest,
    pub scopes: &'a Scopes,
    /// Requests a second, and how many of them at once.
    pub rate: Option<(u32, u32)>,
    pub expires_at: Option<Timestamp>,
    pub by: &'a str,
}

/// A key, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    pub id: String,
    pub caller: String,
    pub scopes: Vec<String>,
    pub rate: Option<(i32, i32)>,
    pub created_at: Timestamp,
    pub created_by: String,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub revoked_by: Option<String>,
}

/// Keeps a key. Says whether there was none of its id.
pub async fn insert_key(pool: &PgPool, key: &NewKey<'_>) -> Result<bool> {
    let scopes: Vec<String> = key.scopes.iter().map(ToString::to_string).collect();
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let inserted = sqlx::query(
        "INSERT INTO api_key (key_id, caller, secret_sha256, scopes, rate_per_second, rate_burst, expires_at, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (key_id) DO NOTHING",
    );
    let inserted = inserted
        .bind(key.id.to_string())
        .bind(key.caller.as_str())
        .bind(key.digest.as_bytes().as_slice())
        .bind(scopes)
        .bind(key.rate.map(|(per_second, _)| number(per_second)))
        .bind(key.rate.map(|(_, burst)| number(burst)))
        .bind(key.expires_at.map(DateTime::<Utc>::from))
        .bind(key.by)
        .execute(pool)
        .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The keys by caller, the oldest first.
pub async fn keys(pool: &PgPool) -> Result<Vec<KeyRow>> {
    let rows = sqlx::query(
        "SELECT key_id, caller, scopes, rate_per_second, rate_burst, created_at, created_by, expires_at, revoked_at,
                revoked_by
         FROM api_key ORDER BY caller, created_at, key_id",
    );
    rows.fetch_all(pool).await?.iter().map(key).collect()
}

/// Ends those of these keys that have not ended, and says which they were.
pub async fn revoke_keys(pool: &PgPool, ids: &[String], by: &str) -> Result<Vec<String>> {
    let revoked = sqlx::query_scalar(
        "UPDATE api_key SET revoked_at = clock_timestamp(), revoked_by = $2
         WHERE key_id = ANY($1) AND revoked_at IS NULL RETURNING key_id",
    );
    Ok(revoked.bind(ids).bind(by).fetch_all(pool).await?)
}

fn key(row: &PgRow) -> Result<KeyRow> {
    let rate: (Option<i32>, Option<i32>) = (row.try_get("rate_per_second")?, row.try_get("rate_burst")?);
    Ok(KeyRow {
        id: row.try_get("key_id")?,
        caller: row.try_get("caller")?,
        scopes: row.try_get("scopes")?,
        rate: rate.0.zip(rate.1),
        created_at: time(row, "created_at")?,
        created_by: row.try_get("created_by")?,
        expires_at: optional_time(row, "expires_at")?,
        revoked_at: optional_time(row, "revoked_at")?,
        revoked_by: row.try_get("revoked_by")?,
    })
}
