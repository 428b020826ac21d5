//! Going round the arbiter: every role, every way, the same answer, and loudly.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use daybook_runtime::clock;
use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::postgres::{Sort, StoreError};
use daybook_runtime::prometheus::Registry;
use daybook_tests::generic::Appointment;
use daybook_tests::people::Person;
use daybook_tests::resources::Resource;
use daybook_tests::sender::Webhook;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tracing_subscriber::fmt::MakeWriter;

use crate::instance::{Instance, shared};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// The tables that only the arbiter may write.
const BOOKING_TABLES: [&str; 5] = ["booking", "booking_source", "decision", "arbiter_partition", "resource"];

/// What no role may do, the arbiter included: be somebody else, or take the fence away.
const NOBODY: [&str; 11] = [
    "ALTER TABLE booking DISABLE TRIGGER ALL",
    "ALTER TABLE booking DISABLE TRIGGER booking_epoch_insert",
    "ALTER TABLE booking DROP CONSTRAINT booking_no_overlap",
    "DROP TRIGGER booking_epoch_update ON booking",
    "DROP TABLE decision",
    "CREATE TABLE mine (id integer)",
    "CREATE OR REPLACE FUNCTION refuse_stale_epoch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
    "ALTER ROLE daybook_owner PASSWORD 'mine'",
    "SET ROLE daybook_owner",
    "SET SESSION AUTHORIZATION daybook_owner",
    "SET session_replication_role = replica",
];

#[test]
fn no_role_but_the_arbiters_can_write_a_booking_and_not_even_that_one_with_a_stale_epoch() -> Result<()> {
    shared(async |it| {
        let resource = Resource::unseen(it.name("bypass"));
        it.world.load(std::slice::from_ref(&resource)).await?;
        let now = clock::now();
        let visit = Appointment::new(&resource.alias, Person::invent(), now.plus(HOUR * 24), now.plus(HOUR * 25));
        let webhook = Webhook::generic(it.name("visit"), &[visit.created()]);
        ensure!(it.world.sender.send(&webhook).await?.status == 200, "not accepted");
        it.decided(&[webhook.request_id(0)]).await?;
        let before = everything_about(it, &resource.id).await?;

        let metrics = CommonMetrics::of("bypass", &Registry::new())?;
        let log = Log::default();
        let mut attempts = 0;
        let urls = it.world.endpoints.postgres.clone();
        for (role, url) in [("ingest", &urls.ingest), ("propagator", &urls.propagator), ("reader", &urls.reader)] {
            let mut connection = PgConnection::connect(url).await?;
            let mut forbidden = writes(&resource.id);
            forbidden.extend(NOBODY.map(str::to_owned));
            forbidden.push("SET ROLE daybook_arbiter".to_owned());
            forbidden.push("SELECT make_decision_partitions('2030-01-01', 1)".to_owned());
            if role == "reader" {
                forbidden.extend(side_tables(&resource.id));
            }
            for sql in forbidden {
                is_forbidden(&mut connection, role, &sql, &metrics, &log).await?;
                attempts += 1;
            }
            // Whoever has some right to a table is only warned here; that nothing is given away is seen below.
            let _ = sqlx::raw_sql("GRANT ALL ON booking, decision TO PUBLIC").execute(&mut connection).await;
        }

        let mut arbiter = PgConnection::connect(&urls.arbiter).await?;
        let mut forbidden: Vec<String> = NOBODY.map(str::to_owned).to_vec();
        forbidden.extend(BOOKING_TABLES.map(|table| format!("DELETE FROM {table}")));
        forbidden.extend(BOOKING_TABLES.map(|table| format!("TRUNCATE {table} CASCADE")));
        forbidden.push("UPDATE decision SET outcome = 'confirmed'".to_owned());
        forbidden.extend(side_tables(&resource.id));
        forbidden.extend(stale(&resource.id));
        for sql in forbidden {
            is_forbidden(&mut arbiter, "arbiter", &sql, &metrics, &log).await?;
            attempts += 1;
        }

        ensure!(
            metrics.forbidden_writes_total.get() == attempts,
            "{attempts} attempts, and {} were counted",
            metrics.forbidden_writes_total.get()
        );
        let errors =
            log.text().lines().filter(|line| line.contains("ERROR") && line.contains("forbidden write")).count();
        ensure!(u64::try_from(errors)? == attempts, "{attempts} attempts, and {errors} lines of ERROR");
        ensure!(everything_about(it, &resource.id).await? == before, "something was written all the same");
        Ok(())
    })
}

#[test]
fn each_service_is_connected_to_the_store_as_its_own_role_and_no_other() -> Result<()> {
    shared(async |it| {
        let mut superuser = PgConnection::connect(&it.world.endpoints.postgres.superuser).await?;
        let sql = "SELECT DISTINCT application_name, usename::text FROM pg_stat_activity \
                   WHERE application_name LIKE 'daybook %' AND datname = 'daybook' ORDER BY 1";
        let found: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&mut superuser).await?;
        for (service, role) in
            [("arbiter", "daybook_arbiter"), ("propagator", "daybook_propagator"), ("normalizer", "daybook_reader")]
        {
            let roles: Vec<&str> =
                found.iter().filter(|(name, _)| name.ends_with(service)).map(|(_, role)| role.as_str()).collect();
            ensure!(roles == [role], "{service} is connected as {roles:?}");
        }
        Ok(())
    })
}

/// Every kind of write of every table, about this resource.
fn writes(resource: &str) -> Vec<String> {
    let mut all: Vec<String> = BOOKING_TABLES
        .into_iter()
        .flat_map(|table| {
            // One column of a booking is made by the server, and could not be written by anybody.
            let what =
                if table == "booking" { "(booking_id) SELECT booking_id" } else { "OVERRIDING SYSTEM VALUE SELECT *" };
            [
                format!("INSERT INTO {table} {what} FROM {table} LIMIT 1"),
                format!("DELETE FROM {table}"),
                format!("TRUNCATE {table} CASCADE"),
                format!("COPY {table} FROM STDIN"),
                format!("DO $$ BEGIN LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE; END $$"),
            ]
        })
        .collect();
    all.extend([
        format!("UPDATE booking SET status = 'cancelled' WHERE resource_id = '{resource}'"),
        format!("UPDATE booking_source SET source_booking_id = '' WHERE resource_id = '{resource}'"),
        format!("UPDATE decision SET outcome = 'confirmed' WHERE resource_id = '{resource}'"),
        "UPDATE arbiter_partition SET epoch = epoch + 1".to_owned(),
        format!("UPDATE resource SET version = version + 1 WHERE resource_id = '{resource}'"),
    ]);
    all
}

/// What belongs to others: who is called what, who mirrors whom, and what is on its way there.
fn side_tables(resource: &str) -> Vec<String> {
    vec![
        format!("INSERT INTO resource_alias VALUES ('generic', 'mine', '{resource}')"),
        format!("DELETE FROM resource_alias WHERE resource_id = '{resource}'"),
        format!("INSERT INTO resource_region VALUES ('{resource}', 'DE')"),
        format!("INSERT INTO resource_target VALUES ('{resource}', 'partner', '', '{{}}')"),
        format!("UPDATE delivery SET applied_version = desired_version WHERE resource_id = '{resource}'"),
        "DELETE FROM delivery_attempt".to_owned(),
    ]
}

/// What a predecessor would write that has lost its partition, and one that never had it.
fn stale(resource: &str) -> Vec<String> {
    let columns = "resource_no, unit, resource_id, status, start_time, end_time, awaiting_until, version, source_system, \
                   source_event_id, source_keys, source_ids, source_sequence, source_updated_at, received_at, decided_at";
    let insert = |partition: &str, epoch: &str| {
        format!(
            "INSERT INTO booking (booking_id, {columns}, partition, epoch, seq) \
             SELECT '00000000-0000-5000-8000-000000000001', resource_no, unit, resource_id, status, \
             start_time + interval '1 year', end_time + interval '1 year', awaiting_until, version, source_system, \
             source_event_id, source_keys, source_ids, source_sequence, source_updated_at, received_at, decided_at, \
             {partition}, {epoch}, seq FROM booking WHERE resource_id = '{resource}'"
        )
    };
    vec![
        insert("partition", "epoch - 1"),
        insert("partition", "epoch + 1"),
        insert("4711", "epoch"),
        format!("UPDATE booking SET epoch = epoch - 1 WHERE resource_id = '{resource}'"),
        format!(
            "INSERT INTO decision (partition, seq, decided_at, request_offset, request_id, resource_id, operation, \
             outcome, source, received_at, epoch, record) SELECT partition, seq + 1000000, decided_at, request_offset, \
             '00000000-0000-5000-8000-000000000002', resource_id, operation, outcome, source, received_at, epoch - 1, \
             record FROM decision WHERE resource_id = '{resource}'"
        ),
    ]
}

/// Tries it, and passes what comes of it on, as every service does.
async fn is_forbidden(
    connection: &mut PgConnection,
    role: &str,
    sql: &str,
    metrics: &CommonMetrics,
    log: &Log,
) -> Result<()> {
    let error = match sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *connection).await {
        Ok(_) => anyhow::bail!("as daybook_{role}, this was done: {sql}"),
        Err(error) => StoreError::from(error),
    };
    ensure!(error.sort() == Sort::Forbidden, "as daybook_{role}, {sql}: {error}");
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let noted = tracing::subscriber::with_default(subscriber, || error.noted(metrics));
    ensure!(noted.to_string().contains("42501"), "{sql}: {noted}");
    Ok(())
}

/// The resource's rows in all tables that only the arbiter may write.
async fn everything_about(it: &Instance, resource: &str) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    // The last three hold nothing about a booking that has one name and was granted, and must go on so.
    let filled = ["booking", "decision", "resource", "resource_alias"].map(|table| (table, true));
    let empty = ["booking_source", "booking_tag", "compensation"].map(|table| (table, false));
    for (table, is_filled) in filled.into_iter().chain(empty) {
        let sql = format!("SELECT t::text FROM {table} t WHERE resource_id = '{resource}' ORDER BY 1");
        let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(it.world.store.pool()).await?;
        ensure!(found.is_empty() != is_filled, "{table} holds {} rows about {resource}", found.len());
        rows.extend(found);
    }
    let sql = "SELECT relname || coalesce(relacl::text, '') FROM pg_class WHERE relnamespace = 'public'::regnamespace \
               AND relkind IN ('r', 'p') AND relname NOT LIKE 'decision\\_%' ORDER BY 1";
    rows.extend(sqlx::query_scalar::<_, String>(sql).fetch_all(it.world.store.pool()).await?);
    let sql = "SELECT count(*) FROM booking WHERE booking_id = '00000000-0000-5000-8000-000000000001'";
    let forged: i64 = sqlx::query_scalar(sql).fetch_one(it.world.store.pool()).await.context("forged bookings")?;
    ensure!(forged == 0, "a forged booking was written");
    Ok(rows)
}

/// What was logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
