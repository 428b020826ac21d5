//! Filling the store: bookings as the arbiter would have written them over the years, between the slots of the requests
//! that follow, so that every page that those touch is full of others.

use std::ops::Range;

use anyhow::{Context, Result};
use daybook_domain::topics::{PARTITIONS, partition_of};
use daybook_stack::PostgresUrls;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::rows::Pattern;

/// Of so many decisions one is of this month, and in the indexes that the arbiter's look-ups go to.
const MONTHS: usize = 10;

/// What was stored.
#[derive(Debug)]
pub struct Kept {
    /// Bookings.
    pub bookings: u64,
    /// Decisions of this month.
    pub decisions: u64,
}

/// As the superuser with triggers off, for this session alone: the rows' epochs are nobody's.
async fn connect(postgres: &PostgresUrls) -> Result<PgConnection> {
    let mut connection = PgConnection::connect(&postgres.superuser).await?;
    let settings =
        "SET session_replication_role = replica; SET synchronous_commit = off; SET maintenance_work_mem = '1GB';
                    SET statement_timeout = 0";
    sqlx::raw_sql(settings).execute(&mut connection).await?;
    Ok(connection)
}

/// Makes the resources with these numbers, each on the partition of its name.
pub async fn make_resources(postgres: &PostgresUrls, numbers: Range<usize>) -> Result<()> {
    let mut connection = connect(postgres).await?;
    let pattern = Pattern::read(&mut connection, "resource", "true").await?.context("no resource is defined")?;
    let names: Vec<String> = numbers.map(|number| format!("bench-{number}")).collect();
    let partitions: Vec<i32> = names.iter().map(|name| partition_of(name.as_bytes(), PARTITIONS)).collect();
    let own = [("resource_id", "n.id"), ("partition", "n.partition")];
    let sql = pattern.insert("public", &own, "FROM unnest($1::text[], $2::integer[]) AS n (id, partition)");
    sqlx::query(AssertSqlSafe(sql)).bind(names).bind(partitions).execute(&mut connection).await?;
    sqlx::raw_sql("VACUUM ANALYZE resource").execute(&mut connection).await?;
    Ok(())
}

/// Stores so many bookings of every resource, in the order of time.
pub async fn fill(postgres: &PostgresUrls, of_each: usize) -> Result<Kept> {
    let mut connection = connect(postgres).await?;
    let booking = Pattern::read(&mut connection, "booking", "status = 'confirmed'").await?.context("a booking")?;
    let decision = Pattern::read(&mut connection, "decision", "outcome = 'confirmed'").await?.context("a decision")?;
    // Built once over all rows and not row by row; the constraint is checked as it is built.
    let indexes = drop_indexes(&mut connection).await?;
    let mut own = vec![
        ("booking_id", "gen_random_uuid()"),
        ("resource_no", "r.resource_no"),
        ("resource_id", "r.resource_id"),
        ("partition", "r.partition"),
        ("start_time", "timestamptz '2030-01-01 00:00+00' + k * interval '1 hour'"),
        ("end_time", "timestamptz '2030-01-01 00:30+00' + k * interval '1 hour'"),
        ("source_event_id", "'flat-' || k || '-' || r.resource_no"),
        ("source_keys", "ARRAY[gen_random_uuid()]"),
        ("source_ids", "ARRAY['flat-' || k || '-' || r.resource_no]"),
        ("seq", "0"),
    ];
    let from = format!("FROM generate_series(0, {of_each} - 1) AS k, resource r");
    let bookings = run(&mut connection, &booking.insert("public", &own, &from)).await?;
    for sql in indexes {
        run(&mut connection, &sql).await?;
    }
    own.extend([
        ("request_id", "gen_random_uuid()"),
        // Below every number that a partition has given: published long ago.
        ("seq", "-row_number() OVER ()"),
        ("request_offset", "0"),
        ("decided_at", "now()"),
    ]);
    own.retain(|(column, value)| *column != "seq" || *value != "0");
    let from = format!("FROM generate_series(1, {}) AS k, resource r", (of_each / MONTHS).max(1));
    let decisions = run(&mut connection, &decision.insert("public", &own, &from)).await?;
    for sql in ["VACUUM (FREEZE, ANALYZE) booking", "VACUUM (FREEZE, ANALYZE) decision", "CHECKPOINT"] {
        run(&mut connection, sql).await?;
    }
    Ok(Kept { bookings, decisions })
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<u64> {
    Ok(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await?.rows_affected())
}

/// Takes every index off `booking`; the statements that put them back.
async fn drop_indexes(connection: &mut PgConnection) -> Result<Vec<String>> {
    let constraints: Vec<(String, String)> = sqlx::query_as(
        "SELECT format('ALTER TABLE public.booking DROP CONSTRAINT %I', conname),
             format('ALTER TABLE public.booking ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(oid))
         FROM pg_constraint WHERE conrelid = 'public.booking'::regclass AND contype IN ('p', 'u', 'x')",
    )
    .fetch_all(&mut *connection)
    .await?;
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid) FROM pg_index
         WHERE indrelid = 'public.booking'::regclass
             AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = indexrelid)",
    )
    .fetch_all(&mut *connection)
    .await?;
    let (drops, makes): (Vec<String>, Vec<String>) = constraints.into_iter().chain(indexes).unzip();
    for sql in drops {
        run(connection, &sql).await?;
    }
    Ok(makes)
}
