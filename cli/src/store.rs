//! Every statement that the command line sends to PostgreSQL. A command brings its own role; what a role may not do
//! comes back as SQLSTATE 42501, and the command says which role it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, RequestId, ResourceId, Rules, Timestamp};
use daybook_runtime::postgres::StoreError;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use crate::resources::{Definition, Mirror, Stored};

type Result<T> = std::result::Result<T, StoreError>;

/// A decision as it is kept.
#[derive(Debug, Clone)]
pub struct DecisionRow {
    /// The framed record, byte for byte as it is published.
    pub record: Vec<u8>,
    /// The store's clock when it was written.
    pub committed_at: Timestamp,
}

/// A booking as people see it. Personal data: no `Debug`.
pub struct BookingRow {
    pub booking_id: BookingId,
    pub resource: String,
    pub status: String,
    pub start: Option<Timestamp>,
    pub end: Option<Timestamp>,
    pub awaiting_until: Option<Timestamp>,
    pub version: i64,
    pub source: String,
    pub source_ids: Vec<String>,
    pub title: Option<String>,
    pub attendees: serde_json::Value,
    pub source_time_zone: Option<String>,
}

/// One booking's way to one target.
#[derive(Debug, Clone)]
pub struct DeliveryRow {
    pub target: String,
    pub desired_version: i64,
    pub applied_version: i64,
    pub applied_at: Option<Timestamp>,
    pub shown: bool,
    pub external_id: Option<String>,
    pub attempt: i32,
    pub next_at: Timestamp,
    pub parked_reason: Option<String>,
    /// The calls, oldest first.
    pub attempts: Vec<AttemptRow>,
}

/// One call.
#[derive(Debug, Clone)]
pub struct AttemptRow {
    pub version: i64,
    pub attempt: i32,
    pub at: Timestamp,
    pub result: String,
    pub http_status: Option<i32>,
    pub duration_ms: i64,
}

/// What became of a wish to try a parked delivery again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unparked {
    /// It is due now.
    Done,
    /// A newer version is wanted, and is taken care of by itself.
    Superseded {
        /// That version.
        by: i64,
    },
    /// It is not parked: on its way, or done.
    NotParked,
    /// There is no such delivery.
    Unknown,
}

/// The resources of these ids, as far as they exist.
pub async fn resources(pool: &PgPool, ids: &[String]) -> Result<BTreeMap<String, Stored>> {
    let rows = sqlx::query(
        "SELECT resource_id, version, display_time_zone, replacement_wait_ms FROM resource WHERE resource_id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(pool)
    .await?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let wait: i64 = row.try_get("replacement_wait_ms")?;
        let rules = Rules {
            display_time_zone: row.try_get("display_time_zone")?,
            replacement_wait: Duration::from_millis(u64::try_from(wait).unwrap_or(0)),
        };
        let stored =
            Stored { version: row.try_get("version")?, rules, aliases: BTreeSet::new(), targets: BTreeMap::new() };
        found.insert(row.try_get("resource_id")?, stored);
    }
    let aliases = sqlx::query("SELECT resource_id, source, alias FROM resource_alias WHERE resource_id = ANY($1)");
    for row in &aliases.bind(ids).fetch_all(pool).await? {
        if let Some(stored) = found.get_mut(row.try_get::<&str, _>("resource_id")?) {
            stored.aliases.insert((row.try_get("source")?, row.try_get("alias")?));
        }
    }
    let targets =
        sqlx::query("SELECT resource_id, target, address, fields FROM resource_target WHERE resource_id = ANY($1)");
    for row in &targets.bind(ids).fetch_all(pool).await? {
        if let Some(stored) = found.get_mut(row.try_get::<&str, _>("resource_id")?) {
            let fields: Vec<String> = row.try_get("fields")?;
            let mirror = Mirror { address: row.try_get("address")?, fields: fields.into_iter().collect() };
            stored.targets.insert(row.try_get("target")?, mirror);
        }
    }
    Ok(found)
}

/// How many resources there are besides these.
pub async fn resources_besides(pool: &PgPool, ids: &[String]) -> Result<i64> {
    let count = sqlx::query_scalar("SELECT count(*) FROM resource WHERE resource_id <> ALL($1)");
    Ok(count.bind(ids).fetch_one(pool).await?)
}

/// Whose alias each of these is, as far as they are anybody's.
pub async fn alias_owners(pool: &PgPool, aliases: &[(String, String)]) -> Result<BTreeMap<(String, String), String>> {
    let (sources, texts): (Vec<_>, Vec<_>) = aliases.iter().cloned().unzip();
    let rows = sqlx::query(
        "SELECT source, alias, resource_id FROM resource_alias
         WHERE (source, alias) IN (SELECT * FROM unnest($1::text[], $2::text[]))",
    )
    .bind(sources)
    .bind(texts)
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| Ok(((row.try_get("source")?, row.try_get("alias")?), row.try_get("resource_id")?))).collect()
}

/// Outcome and reason of the decision on a request, once there is one.
pub async fn decided(pool: &PgPool, request: RequestId) -> Result<Option<(String, Option<String>)>> {
    let row = sqlx::query_as("SELECT outcome, reason FROM decision WHERE request_id = $1 ORDER BY seq LIMIT 1");
    Ok(row.bind(request.uuid()).fetch_optional(pool).await?)
}

/// Makes the aliases and targets of these resources what the file says; all of them or none.
pub async fn replace_aliases_and_targets(pool: &PgPool, definitions: &[&Definition]) -> Result<()> {
    let mut transaction = pool.begin().await?;
    // First everything goes that is to go, so that an alias can move from one resource of the file to another.
    for definition in definitions {
        delete_what_is_not_wanted(&mut transaction, definition).await?;
    }
    for definition in definitions {
        put_what_is_wanted(&mut transaction, definition).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn delete_what_is_not_wanted(connection: &mut PgConnection, definition: &Definition) -> Result<()> {
    let (sources, texts) = aliases(definition);
    sqlx::query(
        "DELETE FROM resource_alias WHERE resource_id = $1
         AND (source, alias) NOT IN (SELECT * FROM unnest($2::text[], $3::text[]))",
    )
    .bind(definition.id.as_str())
    .bind(sources)
    .bind(texts)
    .execute(&mut *connection)
    .await?;
    let targets: Vec<&str> = definition.targets.keys().map(|target| target.as_str()).collect();
    sqlx::query("DELETE FROM resource_target WHERE resource_id = $1 AND target <> ALL($2)")
        .bind(definition.id.as_str())
        .bind(targets)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

async fn put_what_is_wanted(connection: &mut PgConnection, definition: &Definition) -> Result<()> {
    let (sources, texts) = aliases(definition);
    // An alias that somebody else has given to another resource meanwhile is a conflict, and undoes everything.
    sqlx::query(
        "INSERT INTO resource_alias (source, alias, resource_id)
         SELECT source, alias, $1 FROM unnest($2::text[], $3::text[]) AS wanted (source, alias)
         WHERE NOT EXISTS (SELECT FROM resource_alias known
             WHERE known.source = wanted.source AND known.alias = wanted.alias AND known.resource_id = $1)",
    )
    .bind(definition.id.as_str())
    .bind(sources)
    .bind(texts)
    .execute(&mut *connection)
    .await?;
    for (target, mirror) in &definition.targets {
        let fields: Vec<&str> = mirror.fields.iter().map(String::as_str).collect();
        sqlx::query(
            "INSERT INTO resource_target (resource_id, target, address, fields) VALUES ($1, $2, $3, $4)
             ON CONFLICT (resource_id, target) DO UPDATE SET address = excluded.address, fields = excluded.fields",
        )
        .bind(definition.id.as_str())
        .bind(target.as_str())
        .bind(&mirror.address)
        .bind(fields)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn aliases(definition: &Definition) -> (Vec<&str>, Vec<&str>) {
    definition.aliases.keys().map(|(source, alias)| (source.as_str(), alias.as_str())).unzip()
}

/// A booking.
pub async fn booking(pool: &PgPool, id: BookingId) -> Result<Option<BookingRow>> {
    let row = sqlx::query(
        "SELECT resource_id, status, start_time, end_time, awaiting_until, version, source_system, source_ids, title,
                attendee_details, source_time_zone
         FROM booking WHERE booking_id = $1",
    )
    .bind(id.uuid())
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        Ok(BookingRow {
            booking_id: id,
            resource: row.try_get("resource_id")?,
            status: row.try_get("status")?,
            start: optional_time(&row, "start_time")?,
            end: optional_time(&row, "end_time")?,
            awaiting_until: optional_time(&row, "awaiting_until")?,
            version: row.try_get("version")?,
            source: row.try_get("source_system")?,
            source_ids: row.try_get("source_ids")?,
            title: row.try_get("title")?,
            attendees: row.try_get("attendee_details")?,
            source_time_zone: row.try_get("source_time_zone")?,
        })
    })
    .transpose()
}

/// The display zone of a resource; none if there is no such resource.
pub async fn resource_zone(pool: &PgPool, resource: &str) -> Result<Option<String>> {
    let zone = sqlx::query_scalar("SELECT display_time_zone FROM resource WHERE resource_id = $1");
    Ok(zone.bind(resource).fetch_optional(pool).await?)
}

/// The decisions on a booking, in order.
pub async fn decisions_on(pool: &PgPool, booking: BookingId) -> Result<Vec<DecisionRow>> {
    let rows = sqlx::query(
        "SELECT record, committed_at FROM decision WHERE booking_id = $1 ORDER BY decided_at, partition, seq",
    );
    decision_rows(&rows.bind(booking.uuid()).fetch_all(pool).await?)
}

/// The newest decisions about a resource's time, at most `limit` of them, in order.
pub async fn decisions_about(pool: &PgPool, resource: &ResourceId, limit: i64) -> Result<Vec<DecisionRow>> {
    let rows = sqlx::query(
        "SELECT record, committed_at FROM decision WHERE resource_id = $1
         ORDER BY decided_at DESC, partition DESC, seq DESC LIMIT $2",
    );
    let mut rows = decision_rows(&rows.bind(resource.as_str()).bind(limit).fetch_all(pool).await?)?;
    rows.reverse();
    Ok(rows)
}

fn decision_rows(rows: &[PgRow]) -> Result<Vec<DecisionRow>> {
    rows.iter()
        .map(|row| Ok(DecisionRow { record: row.try_get("record")?, committed_at: time(row, "committed_at")? }))
        .collect()
}

/// A booking's way to every target.
pub async fn deliveries(pool: &PgPool, booking: BookingId) -> Result<Vec<DeliveryRow>> {
    let rows = sqlx::query(
        "SELECT target, desired_version, applied_version, applied_at, shown, external_id, attempt, next_at, parked_reason
         FROM delivery WHERE booking_id = $1 ORDER BY target",
    )
    .bind(booking.uuid())
    .fetch_all(pool)
    .await?;
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in &rows {
        deliveries.push(DeliveryRow {
            target: row.try_get("target")?,
            desired_version: row.try_get("desired_version")?,
            applied_version: row.try_get("applied_version")?,
            applied_at: optional_time(row, "applied_at")?,
            shown: row.try_get("shown")?,
            external_id: row.try_get("external_id")?,
            attempt: row.try_get("attempt")?,
            next_at: time(row, "next_at")?,
            parked_reason: row.try_get("parked_reason")?,
            attempts: attempts(pool, booking, row.try_get("target")?).await?,
        });
    }
    Ok(deliveries)
}

async fn attempts(pool: &PgPool, booking: BookingId, target: &str) -> Result<Vec<AttemptRow>> {
    let rows = sqlx::query(
        "SELECT version, attempt, at, result, http_status, duration_ms FROM delivery_attempt
         WHERE booking_id = $1 AND target = $2 ORDER BY version, attempt",
    );
    let rows = rows.bind(booking.uuid()).bind(target).fetch_all(pool).await?;
    rows.iter()
        .map(|row| {
            Ok(AttemptRow {
                version: row.try_get("version")?,
                attempt: row.try_get("attempt")?,
                at: time(row, "at")?,
                result: row.try_get("result")?,
                http_status: row.try_get("http_status")?,
                duration_ms: row.try_get("duration_ms")?,
            })
        })
        .collect()
}

/// Makes a parked delivery due again, from its first attempt. The attempts that were made are in the dead letter; their
/// rows go, because the new ones are numbered from 1 again.
pub async fn unpark(pool: &PgPool, booking: BookingId, target: &str, version: i64) -> Result<Unparked> {
    let mut transaction = pool.begin().await?;
    let row: Option<(i64, Option<String>)> = sqlx::query_as(
        "SELECT desired_version, parked_reason FROM delivery WHERE booking_id = $1 AND target = $2 FOR UPDATE",
    )
    .bind(booking.uuid())
    .bind(target)
    .fetch_optional(&mut *transaction)
    .await?;
    let unparked = match row {
        None => Unparked::Unknown,
        Some((desired, _)) if desired > version => Unparked::Superseded { by: desired },
        Some((_, None)) => Unparked::NotParked,
        Some((_, Some(_))) => {
            release(&mut transaction, booking.uuid(), target, version).await?;
            Unparked::Done
        }
    };
    transaction.commit().await?;
    Ok(unparked)
}

async fn release(connection: &mut PgConnection, booking: Uuid, target: &str, version: i64) -> Result<()> {
    sqlx::query(
        // That it was given up has been published as this version's outcome; its next outcome is to be published too.
        "UPDATE delivery SET parked_reason = NULL, attempt = 0, next_at = clock_timestamp(),
                published_version = least(published_version, applied_version)
         WHERE booking_id = $1 AND target = $2",
    )
    .bind(booking)
    .bind(target)
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM delivery_attempt WHERE booking_id = $1 AND target = $2 AND version = $3")
        .bind(booking)
        .bind(target)
        .bind(version)
        .execute(&mut *connection)
        .await?;
    Ok(())
}

fn time(row: &PgRow, column: &str) -> Result<Timestamp> {
    optional_time(row, column)?.ok_or_else(|| StoreError::Corrupt(format!("{column} is null")))
}

fn optional_time(row: &PgRow, column: &str) -> Result<Option<Timestamp>> {
    let time: Option<DateTime<Utc>> = row.try_get(column)?;
    time.map(|time| time.try_into().map_err(|error| StoreError::Corrupt(format!("{column} {error}")))).transpose()
}
