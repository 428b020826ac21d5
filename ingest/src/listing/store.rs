//! What is known of what a vendor lists: whose walk it is, how bookings were listed last, and what came of those that were news.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::{SourceKey, SourceName};
use daybook_ingest_core::listing::Listed;
use daybook_ingest_core::poll::Job;
use daybook_runtime::postgres::StoreError;
use sqlx::PgPool;
use uuid::Uuid;

use crate::account::{self, interval};
use crate::dry_run::{self, Found, Subject};

type Result<T> = std::result::Result<T, StoreError>;

/// How long a booking is remembered that is not listed any more. Whoever comes back later is fetched once more.
const REMEMBERED_DAYS: i32 = 40;

/// The store, as far as one source's listings go.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pool: PgPool,
    source: SourceName,
    /// How long a walk is its process's without another answer.
    lease: Duration,
}

/// A walk that is due, and is ours.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Turn {
    owner: Uuid,
    /// When it begins, by the store's clock.
    pub now: DateTime<Utc>,
    /// When the last began that counts.
    pub began_at: DateTime<Utc>,
    /// When the last began that went through the whole window.
    pub full_at: DateTime<Utc>,
    /// Walks in a row that came to nothing.
    pub failures: i32,
    /// Whether it is only to be said what a walk would find.
    pub dry: bool,
}

/// A state that was fetched because it was listed.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct StateRow {
    pub event_id: String,
    pub booking_key: Uuid,
    /// How long ago.
    pub age_seconds: f64,
}

impl Store {
    pub(super) const fn new(pool: PgPool, source: SourceName, lease: Duration) -> Self {
        Self { pool, source, lease }
    }

    /// Every job that is asked has a row.
    pub(super) async fn begin(&self, job: Job) -> Result<()> {
        account::open(&self.pool, &self.source).await?;
        sqlx::query("INSERT INTO listing (source, job) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(self.source.as_str())
            .bind(job.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The job's walk, if it is due and nobody's, and its source is not left alone.
    pub(super) async fn claim(&self, job: Job) -> Result<Option<Turn>> {
        let row = sqlx::query_as(
            "UPDATE listing l SET owner = $3, leased_until = now() + $4
             FROM polled_account a LEFT JOIN dry_run d
                ON d.source = a.source AND d.kind = 'job' AND d.subject = $2 AND d.done_at IS NULL
             WHERE l.source = $1 AND l.job = $2 AND (l.next_at <= now() OR d.subject IS NOT NULL) AND l.leased_until <= now()
                AND a.source = l.source AND a.free_at <= now() + interval '1 second'
             RETURNING $3 AS owner, now() AS now, l.began_at, l.full_at, l.failures, d.subject IS NOT NULL AS dry",
        )
        .bind(self.source.as_str())
        .bind(job.as_str())
        .bind(Uuid::from_u128(rand::random()))
        .bind(interval(self.lease))
        .fetch_optional(&self.pool)
        .await?;
        Ok(row)
    }

    /// A turn at the vendor, of the one budget that all processes have for the account; how far off it is, and none if the walk is
    /// another's by now.
    pub(super) async fn turn(&self, job: Job, turn: &Turn, every: Duration) -> Result<Option<Duration>> {
        let wait: Option<Option<f64>> = sqlx::query_scalar(
            "WITH mine AS (
                UPDATE listing SET leased_until = now() + $4
                WHERE source = $1 AND job = $2 AND owner = $3 AND leased_until > now()
                RETURNING source
             )
             SELECT take_turn(source, $5, interval '1 day') FROM mine",
        )
        .bind(self.source.as_str())
        .bind(job.as_str())
        .bind(turn.owner)
        .bind(interval(self.lease))
        .bind(interval(every))
        .fetch_optional(&self.pool)
        .await?;
        Ok(wait.flatten().map(|wait| Duration::from_secs_f64(wait.max(0.0))))
    }

    /// How these were listed before, of those that were.
    pub(super) async fn known(&self, listed: &[Listed]) -> Result<BTreeMap<String, Vec<u8>>> {
        let rows: Vec<(String, Vec<u8>)> =
            sqlx::query_as("SELECT booking, fingerprint FROM listed_booking WHERE source = $1 AND booking = ANY($2)")
                .bind(self.source.as_str())
                .bind(listed.iter().map(|listed| listed.id.as_str()).collect::<Vec<_>>())
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().collect())
    }

    /// Which of these the store has a booking of, however it stands.
    pub(super) async fn booked(&self, listed: &[&Listed]) -> Result<BTreeSet<String>> {
        let key = |listed: &&Listed| SourceKey::derive(&self.source, &listed.id).uuid();
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT n.id FROM unnest($1::text[], $2::uuid[]) AS n(id, key)
             WHERE EXISTS (SELECT FROM booking b WHERE b.source_key = n.key)
                OR EXISTS (SELECT FROM booking_source s WHERE s.source_key = n.key)",
        )
        .bind(listed.iter().map(|listed| listed.id.as_str()).collect::<Vec<_>>())
        .bind(listed.iter().map(key).collect::<Vec<_>>())
        .fetch_all(&self.pool)
        .await?;
        Ok(ids.into_iter().collect())
    }

    /// Kafka has word of these.
    pub(super) async fn put(&self, listed: &[Listed]) -> Result<()> {
        sqlx::query(
            "INSERT INTO listed_booking AS b (source, booking, fingerprint)
             SELECT DISTINCT ON (n.booking) $1, n.booking, n.fingerprint
             FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS n(booking, fingerprint, nth) ORDER BY n.booking, n.nth DESC
             ON CONFLICT (source, booking) DO UPDATE SET fingerprint = excluded.fingerprint, seen_at = excluded.seen_at
             WHERE b.fingerprint <> excluded.fingerprint OR b.seen_at < now() - interval '1 day'",
        )
        .bind(self.source.as_str())
        .bind(listed.iter().map(|listed| listed.id.as_str()).collect::<Vec<_>>())
        .bind(listed.iter().map(|listed| listed.fingerprint.to_vec()).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The walk counts. False if it was another's by then. One through the whole window forgets what nobody lists any more.
    pub(super) async fn keep(&self, job: Job, turn: &Turn, full: bool, next_in: Duration) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE listing SET began_at = $4, full_at = CASE WHEN $5 THEN $4 ELSE full_at END, next_at = now() + $6,
                failures = 0, setback = NULL, owner = NULL, leased_until = 'epoch'
             WHERE source = $1 AND job = $2 AND owner = $3 AND leased_until > now()",
        )
        .bind(self.source.as_str())
        .bind(job.as_str())
        .bind(turn.owner)
        .bind(turn.now)
        .bind(full)
        .bind(interval(next_in))
        .execute(&self.pool)
        .await?;
        if full {
            sqlx::query("DELETE FROM listed_booking WHERE source = $1 AND seen_at < now() - make_interval(days => $2)")
                .bind(self.source.as_str())
                .bind(REMEMBERED_DAYS)
                .execute(&self.pool)
                .await?;
        }
        Ok(done.rows_affected() > 0)
    }

    /// The walk came to nothing; the account is left alone for so long.
    pub(super) async fn set_back(
        &self,
        job: Job,
        turn: &Turn,
        word: &str,
        next_in: Duration,
        alone: Duration,
    ) -> Result<()> {
        let done = sqlx::query(
            "UPDATE listing SET failures = failures + 1, setback = $4, next_at = now() + $5, owner = NULL,
                leased_until = 'epoch'
             WHERE source = $1 AND job = $2 AND owner = $3",
        )
        .bind(self.source.as_str())
        .bind(job.as_str())
        .bind(turn.owner)
        .bind(word)
        .bind(interval(next_in))
        .execute(&self.pool)
        .await?;
        if done.rows_affected() > 0 && !alone.is_zero() {
            account::leave_alone(&self.pool, &self.source, alone).await?;
        }
        Ok(())
    }

    /// A dry run is over, and the job is due when it was.
    pub(super) async fn rehearsed(
        &self,
        job: Job,
        turn: &Turn,
        result: std::result::Result<Found, &str>,
    ) -> Result<()> {
        dry_run::done(&self.pool, &self.source, Subject::Job(job.as_str()), result).await?;
        self.release(job, turn).await
    }

    /// Lets go of a walk that nobody is to blame for.
    pub(super) async fn release(&self, job: Job, turn: &Turn) -> Result<()> {
        sqlx::query(
            "UPDATE listing SET owner = NULL, leased_until = 'epoch' WHERE source = $1 AND job = $2 AND owner = $3",
        )
        .bind(self.source.as_str())
        .bind(job.as_str())
        .bind(turn.owner)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Seconds since the job has listed last.
    pub(super) async fn age(&self, job: Job) -> Result<f64> {
        let age = sqlx::query_scalar(
            "SELECT extract(epoch FROM now() - greatest(began_at, added_at))::float8 FROM listing
             WHERE source = $1 AND job = $2",
        );
        let age: Option<f64> = age.bind(self.source.as_str()).bind(job.as_str()).fetch_optional(&self.pool).await?;
        Ok(age.unwrap_or(0.0))
    }

    /// Some of the states of which is not known yet what came of them.
    pub(super) async fn open_states(&self) -> Result<Vec<StateRow>> {
        let rows = sqlx::query_as(
            "SELECT event_id, booking_key, extract(epoch FROM now() - at)::float8 AS age_seconds FROM listed_state
             WHERE source = $1 ORDER BY at LIMIT 500",
        );
        Ok(rows.bind(self.source.as_str()).fetch_all(&self.pool).await?)
    }

    /// It is known of these. How many were there still: another process may have counted them.
    pub(super) async fn settle_states(&self, events: &[String]) -> Result<Vec<String>> {
        let gone =
            sqlx::query_scalar("DELETE FROM listed_state WHERE source = $1 AND event_id = ANY($2) RETURNING event_id");
        Ok(gone.bind(self.source.as_str()).bind(events).fetch_all(&self.pool).await?)
    }
}

/// A state was fetched because its booking was listed.
pub(crate) async fn put_state(pool: &PgPool, source: &SourceName, event_id: &str, key: &str) -> Result<()> {
    sqlx::query("INSERT INTO listed_state (source, event_id, booking_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(source.as_str())
        .bind(event_id)
        .bind(SourceKey::derive(source, key).uuid())
        .execute(pool)
        .await?;
    Ok(())
}
