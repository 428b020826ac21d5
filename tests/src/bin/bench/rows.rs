//! The rows that a decision writes, for whoever writes them without Daybook: read from what the arbiter has written, so
//! that they are the same, column by column, whatever the tables become.
//!
//! The tables of `bench` are like Daybook's, with every constraint and index; no triggers, and no months.

use anyhow::{Context, Result};
use daybook_stack::PostgresUrls;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::installation::RESOURCES;

/// Resources to lock.
const LOCKS: usize = RESOURCES;

/// What differs from row to row, from `g` (a number of its own), `r` (the resource's number) and `t` (the beginning).
/// Columns that a table does not have are passed over.
const OWN: [(&str, &str); 17] = [
    ("booking_id", "gen_random_uuid()"),
    ("request_id", "gen_random_uuid()"),
    ("resource_no", "r"),
    ("resource_id", "'bench-' || r"),
    ("start_time", "t"),
    ("end_time", "t + interval '30 minutes'"),
    ("source_event_id", "'bench-' || g"),
    ("source_booking_id", "'bench-' || g"),
    ("source_key", "gen_random_uuid()"),
    ("source_keys", "ARRAY[gen_random_uuid()]"),
    ("source_ids", "ARRAY['bench-' || g]"),
    ("seq", "g"),
    ("request_offset", "g"),
    ("decided_at", "now()"),
    ("received_at", "now()"),
    ("committed_at", "clock_timestamp()"),
    ("opened_at", "now()"),
];

/// One row of a table, as the arbiter wrote it.
#[derive(Debug)]
pub struct Pattern {
    table: &'static str,
    /// Name, type, and value as a literal.
    columns: Vec<(String, String, String)>,
}

/// What decisions write, and how the store finds an overlap.
#[derive(Debug)]
pub struct Rows {
    booking: Pattern,
    confirmed: Pattern,
    refused: Pattern,
    /// Of the refusal of what was promised. None if the arbiter writes none.
    compensation: Option<Pattern>,
    /// The elements of the constraint, expression and operator, and its condition.
    constraint: (Vec<(String, String)>, String),
}

impl Rows {
    /// Reads them, and makes the tables.
    pub async fn prepare(postgres: &PostgresUrls) -> Result<Self> {
        let mut owner = PgConnection::connect(&postgres.owner).await?;
        let pattern = async |connection: &mut PgConnection, table, condition| {
            let found = Pattern::read(connection, table, condition).await?;
            found.with_context(|| format!("the arbiter has written no {table} where {condition}"))
        };
        let booking = pattern(&mut owner, "booking", "status = 'confirmed'").await?;
        let confirmed = pattern(&mut owner, "decision", "outcome = 'confirmed'").await?;
        let refused = pattern(&mut owner, "decision", "outcome = 'rejected'").await?;
        let compensation = Pattern::read(&mut owner, "compensation", "true").await?;
        let tables = ["booking", "decision", "compensation"];
        let like = tables.map(|table| format!("CREATE TABLE bench.{table} (LIKE public.{table} INCLUDING ALL);"));
        let make = format!(
            "CREATE SCHEMA bench; {} CREATE TABLE bench.resource (resource_no integer PRIMARY KEY);
             INSERT INTO bench.resource SELECT generate_series(0, {LOCKS})",
            like.concat()
        );
        sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut owner).await?;
        sqlx::raw_sql("VACUUM ANALYZE bench.resource").execute(&mut owner).await?;
        let constraint = constraint(&mut owner).await?;
        Ok(Self { booking, confirmed, refused, compensation, constraint })
    }

    /// Stores the bookings of what `from` gives: rows of `g`, `r` and `t`.
    pub fn book(&self, from: &str) -> String {
        self.booking.insert("bench", &OWN, from)
    }

    /// Stores their decisions.
    pub fn confirm(&self, from: &str) -> String {
        self.confirmed.insert("bench", &OWN, from)
    }

    /// Stores the decisions that refuse them, and what else a refusal writes.
    pub fn refuse(&self, from: &str) -> Vec<String> {
        let mut statements = vec![self.refused.insert("bench", &OWN, from)];
        statements.extend(self.compensation.iter().map(|compensation| compensation.insert("bench", &OWN, from)));
        statements
    }

    /// How many bookings overlap the one that `from` gives, by the index of the constraint.
    pub fn overlapping(&self, from: &str) -> String {
        let (elements, condition) = &self.constraint;
        let compared = |column: &str| elements.iter().any(|(expression, _)| expression.contains(column));
        let columns = self.booking.list(&OWN, |column, value| compared(column).then(|| format!("{value} AS {column}")));
        let wanted = format!("(SELECT {columns} {from}) AS wanted");
        let mut conditions = vec![format!("({condition})")];
        conditions.extend(
            elements
                .iter()
                .map(|(expression, operator)| format!("({expression}) {operator} (SELECT {expression} FROM {wanted})")),
        );
        format!("SELECT count(*) AS taken FROM bench.booking WHERE {}", conditions.join(" AND "))
    }
}

impl Pattern {
    /// A row that fulfils the condition.
    pub async fn read(connection: &mut PgConnection, table: &'static str, condition: &str) -> Result<Option<Self>> {
        // What the database writes by itself is left to it.
        let columns: Vec<(String, String)> = sqlx::query_as(
            "SELECT quote_ident(attname), format_type(atttypid, atttypmod) FROM pg_attribute
             WHERE attrelid = to_regclass('public.' || $1) AND attnum > 0 AND NOT attisdropped
                 AND attgenerated = '' AND attidentity = '' ORDER BY attnum",
        )
        .bind(table)
        .fetch_all(&mut *connection)
        .await?;
        let literals: Vec<String> = columns.iter().map(|(name, _)| format!("quote_nullable({name}::text)")).collect();
        let sql = format!("SELECT ARRAY[{}] FROM public.{table} WHERE {condition} LIMIT 1", literals.join(", "));
        let row: Option<Vec<String>> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_optional(connection).await?;
        Ok(row.map(|values| {
            let columns = columns.into_iter().zip(values).map(|((name, kind), value)| (name, kind, value)).collect();
            Self { table, columns }
        }))
    }

    /// Stores a row like it in that schema for each that `from` gives. `own` are the columns with a value of their own.
    pub fn insert(&self, schema: &str, own: &[(&str, &str)], from: &str) -> String {
        let columns = self.list(own, |column, _| Some(column.to_owned()));
        let values = self.list(own, |_, value| Some(value.to_owned()));
        format!("INSERT INTO {schema}.{} ({columns}) SELECT {values} {from}", self.table)
    }

    /// Of each column with its value: its own, or the pattern's.
    fn list(&self, own: &[(&str, &str)], item: impl Fn(&str, &str) -> Option<String>) -> String {
        let value = |name: &str, literal: &str| {
            let own = own.iter().find(|(column, _)| *column == name && literal != "NULL");
            own.map_or_else(|| literal.to_owned(), |(_, expression)| format!("({expression})"))
        };
        let items = self.columns.iter().filter_map(|(name, kind, literal)| {
            let value = value(name, literal);
            item(name, &format!("{value}::{kind}"))
        });
        items.collect::<Vec<_>>().join(", ")
    }
}

/// What the one exclusion constraint of `bench.booking` compares, and of which rows.
async fn constraint(owner: &mut PgConnection) -> Result<(Vec<(String, String)>, String)> {
    let elements: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT pg_get_indexdef(i.indexrelid, e.k::integer, true), o.oprname::text,
             coalesce(pg_get_expr(i.indpred, i.indrelid), 'true')
         FROM pg_constraint c JOIN pg_index i ON i.indexrelid = c.conindid,
             unnest(c.conexclop) WITH ORDINALITY AS e (operator, k) JOIN pg_operator o ON o.oid = e.operator
         WHERE c.conrelid = 'bench.booking'::regclass AND c.contype = 'x' ORDER BY e.k",
    )
    .fetch_all(owner)
    .await?;
    let condition = elements.first().context("bookings have an exclusion constraint")?.2.clone();
    Ok((elements.into_iter().map(|(expression, operator, _)| (expression, operator)).collect(), condition))
}
