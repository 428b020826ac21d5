//! Calendars that are read and bookings that are listed, as ingest keeps them.

use daybook_domain::Timestamp;
use sqlx::{PgPool, Row};

use super::{Result, optional_time, time};

/// A calendar that is read, without its id, which is an address; or a job that lists bookings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalendarRow {
    pub source: String,
    /// Whose calendar.
    pub resource: Option<String>,
    /// Which job.
    pub job: Option<String>,
    /// When the last round began that counts; none before the first.
    pub read_at: Option<Timestamp>,
    /// When everything in it was listed last.
    pub listed_at: Option<Timestamp>,
    pub next_at: Timestamp,
    /// Rounds in a row that came to nothing.
    pub failures: i32,
    /// Why the last did.
    pub setback: Option<String>,
    /// What takes time in it.
    pub events: i64,
    /// What is missing from it and not believed gone.
    pub missing: i64,
    /// Until when its whole source is left alone, if it is.
    pub source_rests_until: Option<Timestamp>,
}

/// All of them, or those of one source; those first that have waited longest.
pub async fn calendars(pool: &PgPool, source: Option<&str>) -> Result<Vec<CalendarRow>> {
    let rows = sqlx::query(
        "SELECT c.source, c.resource_id, NULL AS job, nullif(c.began_at, 'epoch') AS read_at, nullif(c.full_at, 'epoch') AS listed_at,
            c.next_at, c.failures, c.setback, coalesce(e.events, 0) AS events, coalesce(e.missing, 0) AS missing,
            CASE WHEN a.free_at > now() + interval '2 seconds' THEN a.free_at END AS rests_until
         FROM polled_calendar c LEFT JOIN polled_account a ON a.source = c.source
         LEFT JOIN LATERAL (
            SELECT count(*) AS events, count(*) FILTER (WHERE missing_since IS NOT NULL) AS missing
            FROM polled_event e WHERE e.source = c.source AND e.calendar = c.calendar
         ) AS e ON true
         WHERE $1::text IS NULL OR c.source = $1
         UNION ALL
         SELECT l.source, NULL, l.job, nullif(l.began_at, 'epoch'),
            CASE WHEN l.full_at > 'epoch'::timestamptz + interval '1 day' THEN l.full_at END, l.next_at, l.failures,
            l.setback, (SELECT count(*) FROM listed_booking b WHERE b.source = l.source), 0,
            CASE WHEN a.free_at > now() + interval '2 seconds' THEN a.free_at END
         FROM listing l LEFT JOIN polled_account a ON a.source = l.source
         WHERE $1::text IS NULL OR l.source = $1
         ORDER BY 1, 4 NULLS FIRST, 2, 3",
    )
    .bind(source)
    .fetch_all(pool)
    .await?;
    let row = |row: &sqlx::postgres::PgRow| {
        Ok(CalendarRow {
            source: row.try_get("source")?,
            resource: row.try_get("resource_id")?,
            job: row.try_get("job")?,
            read_at: optional_time(row, "read_at")?,
            listed_at: optional_time(row, "listed_at")?,
            next_at: time(row, "next_at")?,
            failures: row.try_get("failures")?,
            setback: row.try_get("setback")?,
            events: row.try_get("events")?,
            missing: row.try_get("missing")?,
            source_rests_until: optional_time(row, "rests_until")?,
        })
    };
    rows.iter().map(row).collect()
}

/// What a source's account at its vendor is asked, and how long it is told of changes.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountRow {
    pub source: String,
    /// Calls in the last whole minute.
    pub calls: i32,
    /// How many there may be.
    pub calls_max: Option<f64>,
    /// When the first of its channels ends that live.
    pub channel_until: Option<Timestamp>,
}

/// Those of all sources, or of one.
pub async fn accounts(pool: &PgPool, source: Option<&str>) -> Result<Vec<AccountRow>> {
    let rows = sqlx::query(
        "SELECT a.source, 60 / extract(epoch FROM a.pace)::float8 AS calls_max,
            CASE date_trunc('minute', now()) - a.minute
                WHEN interval '0' THEN a.before_turns WHEN interval '1 minute' THEN a.minute_turns ELSE 0 END AS calls,
            (SELECT min(c.channel_until) FROM polled_calendar c
             WHERE c.source = a.source AND c.channel IS NOT NULL AND c.channel_until > now()) AS channel_until
         FROM polled_account a WHERE $1::text IS NULL OR a.source = $1 ORDER BY a.source",
    )
    .bind(source)
    .fetch_all(pool)
    .await?;
    let row = |row: &sqlx::postgres::PgRow| {
        Ok(AccountRow {
            source: row.try_get("source")?,
            calls: row.try_get("calls")?,
            calls_max: row.try_get("calls_max")?,
            channel_until: optional_time(row, "channel_until")?,
        })
    };
    rows.iter().map(row).collect()
}

/// Which calendars are to be read, and how.
#[derive(Debug, Clone, Copy)]
pub struct Prompt<'a> {
    pub source: &'a str,
    pub resource: Option<&'a str>,
    /// Everything is to be listed.
    pub full: bool,
    /// What is held to be missing is to be believed gone.
    pub believe: bool,
}

/// What is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prompted {
    /// Calendars.
    pub calendars: usize,
    /// Jobs that list bookings.
    pub jobs: usize,
    /// Events that are believed to be gone.
    pub events: usize,
}

/// What a dry run has found; nothing yet, if it is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRunRow {
    /// Whose calendar.
    pub resource: Option<String>,
    /// Or which job.
    pub job: Option<String>,
    pub done: bool,
    /// Why it came to nothing.
    pub setback: Option<String>,
    pub new: i32,
    pub changed: i32,
    pub gone: i32,
    /// What would be held.
    pub missing: i32,
}

/// Asks for dry runs of the same.
pub async fn ask_dry_runs(pool: &PgPool, source: &str, resource: Option<&str>) -> Result<()> {
    sqlx::query(
        "INSERT INTO dry_run AS d (source, kind, subject)
         SELECT source, 'calendar', calendar FROM polled_calendar
         WHERE source = $1 AND ($2::text IS NULL OR resource_id = $2)
         UNION ALL SELECT source, 'job', job FROM listing WHERE source = $1 AND $2::text IS NULL
         ON CONFLICT (source, kind, subject) DO UPDATE SET asked_at = now(), done_at = NULL, setback = NULL",
    )
    .bind(source)
    .bind(resource)
    .execute(pool)
    .await?;
    Ok(())
}

/// Those that were asked for last.
pub async fn dry_runs(pool: &PgPool, source: &str, resource: Option<&str>) -> Result<Vec<DryRunRow>> {
    let rows = sqlx::query(
        "SELECT c.resource_id, CASE WHEN d.kind = 'job' THEN d.subject END AS job, d.done_at IS NOT NULL AS done, d.setback,
            d.new, d.changed, d.gone, d.missing
         FROM dry_run d LEFT JOIN polled_calendar c
             ON d.kind = 'calendar' AND c.source = d.source AND c.calendar = d.subject
         WHERE d.source = $1 AND CASE WHEN d.kind = 'job' THEN $2::text IS NULL
                                      ELSE c.resource_id IS NOT NULL AND ($2::text IS NULL OR c.resource_id = $2) END
         ORDER BY 1 NULLS FIRST, 2",
    )
    .bind(source)
    .bind(resource)
    .fetch_all(pool)
    .await?;
    let row = |row: &sqlx::postgres::PgRow| {
        Ok(DryRunRow {
            resource: row.try_get("resource_id")?,
            job: row.try_get("job")?,
            done: row.try_get("done")?,
            setback: row.try_get("setback")?,
            new: row.try_get("new")?,
            changed: row.try_get("changed")?,
            gone: row.try_get("gone")?,
            missing: row.try_get("missing")?,
        })
    };
    rows.iter().map(row).collect()
}

/// Has them read next.
pub async fn prompt_calendars(pool: &PgPool, prompt: &Prompt<'_>) -> Result<Prompted> {
    let Prompt { source, resource, full, believe } = *prompt;
    let mut transaction = pool.begin().await?;
    let calendars = sqlx::query(
        "UPDATE polled_calendar SET next_at = now(), prompted_at = now(),
            full_at = CASE WHEN $3 THEN 'epoch' ELSE full_at END
         WHERE source = $1 AND ($2::text IS NULL OR resource_id = $2)",
    );
    let calendars = calendars.bind(source).bind(resource).bind(full).execute(&mut *transaction).await?;
    let jobs = sqlx::query(
        // Only a job that has never listed all finds what was there before anybody looked.
        "UPDATE listing SET next_at = now(),
            full_at = CASE WHEN $3 AND full_at > 'epoch' THEN timestamptz 'epoch' + interval '1 second' ELSE full_at END
         WHERE source = $1 AND $2::text IS NULL",
    );
    let jobs = jobs.bind(source).bind(resource).bind(full).execute(&mut *transaction).await?;
    let events = sqlx::query(
        "UPDATE polled_event e SET missing_since = 'epoch' FROM polled_calendar c
         WHERE $3 AND c.source = $1 AND ($2::text IS NULL OR c.resource_id = $2)
            AND e.source = c.source AND e.calendar = c.calendar AND e.missing_since IS NOT NULL",
    );
    let events = events.bind(source).bind(resource).bind(believe).execute(&mut *transaction).await?;
    transaction.commit().await?;
    let count = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
    Ok(Prompted {
        calendars: count(calendars.rows_affected()),
        jobs: count(jobs.rows_affected()),
        events: count(events.rows_affected()),
    })
}
