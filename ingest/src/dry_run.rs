//! What a reading or a listing of everything would find, for whoever asks before it is done (`daybook sync --dry-run`).

use daybook_domain::SourceName;
use daybook_runtime::postgres::StoreError;
use sqlx::PgPool;

/// What was found. Nothing of it was sent, and nothing is remembered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// What is there and was not known here.
    pub new: i32,
    /// What is otherwise than it was known.
    pub changed: i32,
    /// What is not there any more.
    pub gone: i32,
    /// What is missing, and would be held: too much at once.
    pub missing: i32,
}

/// Of what.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// The calendar of this alias.
    Calendar(&'a str),
    /// This job.
    Job(&'a str),
}

/// It was done: what it found, or the word for why it came to nothing.
pub async fn done(
    pool: &PgPool,
    source: &SourceName,
    subject: Subject<'_>,
    result: Result<Found, &str>,
) -> Result<(), StoreError> {
    let (kind, name) = match subject {
        Subject::Calendar(name) => ("calendar", name),
        Subject::Job(name) => ("job", name),
    };
    let Found { new, changed, gone, missing } = result.unwrap_or_default();
    sqlx::query(
        "UPDATE dry_run SET done_at = now(), setback = $4, new = $5, changed = $6, gone = $7, missing = $8
         WHERE source = $1 AND kind = $2 AND subject = $3 AND done_at IS NULL",
    )
    .bind(source.as_str())
    .bind(kind)
    .bind(name)
    .bind(result.err())
    .bind(new)
    .bind(changed)
    .bind(gone)
    .bind(missing)
    .execute(pool)
    .await?;
    Ok(())
}
