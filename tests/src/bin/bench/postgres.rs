//! What PostgreSQL does without us: one pessimistic transaction a request, and the most that a batch could do.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_tests::world::World;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection};

/// How long pgbench runs, in seconds.
const PGBENCH_SECONDS: u32 = 8;
/// How long batches are written.
const BATCHES: Duration = Duration::from_secs(5);
const BATCH: i64 = 1_000;

/// What everybody writes first: lock the resource, look, insert.
const PESSIMISTIC: &str = "\\set r random(1, 1000)
\\set s random(1, 100000)
BEGIN;
SELECT id FROM bench.resource WHERE id = :r FOR UPDATE;
INSERT INTO bench.pessimistic (resource_no, start_time, end_time)
    SELECT :r, t, t + interval '30 minutes' FROM (SELECT timestamptz '2026-01-01' + :s * interval '30 minutes' AS t) AS q
    WHERE NOT EXISTS (SELECT FROM bench.pessimistic b WHERE b.resource_no = :r
        AND tstzrange(b.start_time, b.end_time) && tstzrange(t, t + interval '30 minutes'));
COMMIT;
";

/// The same rows as a decision writes, under the same constraints and indexes; no triggers, no fence, nothing read.
const BATCHED: [&str; 3] = [
    "INSERT INTO bench.booking (booking_id, resource_no, resource_id, status, start_time, end_time, version, source_system,
         source_event_id, source_keys, source_ids, source_sequence, source_updated_at, title, attendee_details,
         content_digest, contact_ids, received_at, decided_at, partition, epoch, seq)
     SELECT gen_random_uuid(), n % 1000, 'bench-' || n % 1000, 'confirmed', t, t + interval '30 minutes', 1, 'generic',
         'bench-' || n, ARRAY[gen_random_uuid()], ARRAY['bench-' || n], 1, now(), 'Consultation',
         '[{\"contact_id\": \"01010101010101010101010101010101\", \"name\": \"A. Customer\", \"email\": \"customer@guests.example\"}]',
         '\\x01010101010101010101010101010101', ARRAY['01010101010101010101010101010101'], now(), now(), 1, 1, n
     FROM generate_series($1::bigint, $1 + $2 - 1) AS n,
         LATERAL (SELECT timestamptz '2026-01-01' + (n / 1000) * interval '30 minutes' AS t) AS q",
    "INSERT INTO bench.booking_source (source_key, resource_id, booking_id, source_booking_id, partition, epoch)
     SELECT gen_random_uuid(), 'bench-' || n % 1000, gen_random_uuid(), 'bench-' || n, 1, 1
     FROM generate_series($1::bigint, $1 + $2 - 1) AS n",
    "INSERT INTO bench.decision (partition, seq, decided_at, request_offset, request_id, resource_id, booking_id, operation,
         outcome, source, received_at, epoch, record)
     SELECT 1, n, now(), n, gen_random_uuid(), 'bench-' || n % 1000, gen_random_uuid(), 'book', 'confirmed', 'generic',
         now(), 1, decode(repeat('ab', 330), 'hex')
     FROM generate_series($1::bigint, $1 + $2 - 1) AS n",
];

/// Makes the tables, in a schema of their own.
pub async fn prepare(world: &World) -> Result<()> {
    let mut owner = PgConnection::connect(&world.endpoints.postgres.owner).await?;
    sqlx::raw_sql(
        "CREATE SCHEMA bench;
         CREATE TABLE bench.resource (id integer PRIMARY KEY);
         INSERT INTO bench.resource SELECT generate_series(1, 1000);
         CREATE TABLE bench.pessimistic (id bigserial PRIMARY KEY, resource_no integer NOT NULL,
             start_time timestamptz NOT NULL, end_time timestamptz NOT NULL);
         CREATE INDEX ON bench.pessimistic USING gist (resource_no, tstzrange(start_time, end_time));
         CREATE TABLE bench.booking (LIKE public.booking INCLUDING ALL);
         CREATE TABLE bench.booking_source (LIKE public.booking_source INCLUDING ALL);
         CREATE TABLE bench.decision (LIKE public.decision INCLUDING ALL)",
    )
    .execute(&mut owner)
    .await?;
    Ok(())
}

/// Pessimistic transactions per second.
pub fn locked_per_second(world: &World) -> Result<f64> {
    let script = std::env::temp_dir().join(format!("daybook-bench-{}.sql", std::process::id()));
    std::fs::write(&script, PESSIMISTIC)?;
    let seconds = PGBENCH_SECONDS.to_string();
    let output = Command::new(pgbench()?)
        .args(["--no-vacuum", "--client=16", "--jobs=2", "--protocol=prepared"])
        .args(["--time", &seconds, "--file"])
        .arg(&script)
        .arg(&world.endpoints.postgres.owner)
        .output()
        .context("pgbench")?;
    std::fs::remove_file(&script)?;
    ensure!(output.status.success(), "pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("tps = ")).context("pgbench's tps")?;
    line.split_whitespace().next().context("a number")?.parse().context("a number")
}

/// `pgbench` where Debian's packages put it, or on the path.
fn pgbench() -> Result<std::path::PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin/pgbench")).filter(|p| p.exists()).collect();
    found.sort();
    Ok(found.pop().unwrap_or_else(|| "pgbench".into()))
}

/// Decisions' rows per second, written in batches on one connection.
pub async fn batched_per_second(world: &World, turn: usize) -> Result<f64> {
    let pool = PgPoolOptions::new().max_connections(1).connect(&world.endpoints.postgres.owner).await?;
    // Each turn writes its own slots and seqs.
    let mut from = i64::try_from(turn)? * 100_000_000;
    let (began, mut written) = (Instant::now(), 0);
    while began.elapsed() < BATCHES {
        let mut transaction = pool.begin().await?;
        for sql in BATCHED {
            sqlx::query(sql).bind(from).bind(BATCH).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        from += BATCH;
        written += BATCH;
    }
    pool.close().await;
    #[allow(clippy::cast_precision_loss, reason = "counts of a few seconds")]
    Ok(written as f64 / began.elapsed().as_secs_f64())
}
