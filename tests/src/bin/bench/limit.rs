//! The most that a batch could do: the same rows, under the same constraints and indexes, a thousand decisions a
//! transaction on one connection. Nothing is read, sent or decided; no triggers, no fence.

use std::time::{Duration, Instant};

use anyhow::Result;
use daybook_stack::PostgresUrls;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::installation::{RESOURCES, rate};
use crate::rows::Rows;

/// How long batches are written.
const SPAN: Duration = Duration::from_secs(5);
/// Decisions in one batch.
const BATCH: i64 = 1_000;
/// Resources of its own, behind those of pgbench.
const FIRST_RESOURCE: usize = 10_000;
/// Its numbers begin here, behind those of pgbench.
const FIRST_NUMBER: i64 = 10_000_000_000;
/// Numbers that one turn may take.
const NUMBERS: i64 = 10_000_000;

/// What a batch holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mix {
    /// A booking for every decision.
    Booked,
    /// Three in ten decisions refuse.
    Contended,
}

/// Decisions' rows per second.
pub async fn per_second(postgres: &PostgresUrls, rows: &Rows, mix: Mix, turn: usize) -> Result<f64> {
    let mut connection = PgConnection::connect(&postgres.owner).await?;
    let every = source("true");
    let (made, refused) = (source("g % 10 < 7"), source("g % 10 >= 7"));
    let statements = match mix {
        Mix::Booked => vec![rows.book(&every), rows.confirm(&every)],
        Mix::Contended => {
            let mut statements = vec![rows.book(&made), rows.confirm(&made)];
            statements.extend(rows.refuse(&refused));
            statements
        }
    };
    let mut from = FIRST_NUMBER + i64::try_from(2 * turn + usize::from(mix == Mix::Contended))? * NUMBERS;
    let (began, mut written) = (Instant::now(), 0);
    while began.elapsed() < SPAN {
        let mut transaction = connection.begin().await?;
        for sql in &statements {
            sqlx::query(AssertSqlSafe(sql.clone())).bind(from).bind(BATCH).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        from += BATCH;
        written += BATCH;
    }
    let seconds = began.elapsed().as_secs_f64();
    connection.close().await?;
    Ok(rate(usize::try_from(written)?, seconds))
}

/// Each batch takes one slot of each resource, whose turn it is to be refused changes.
fn source(condition: &str) -> String {
    format!(
        "FROM (SELECT g, ({FIRST_RESOURCE} + (g + g / {RESOURCES} * 7) % {RESOURCES})::integer AS r,
             timestamptz '2030-01-01 00:30+00' + (g - {FIRST_NUMBER}) / {RESOURCES} * interval '1 hour' AS t
         FROM generate_series($1::bigint, $1 + $2 - 1) AS g WHERE {condition}) AS q"
    )
}
