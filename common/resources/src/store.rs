//! Resources, their regions, aliases and targets, in the store. Of a resource's rules nothing is written here: the arbiter
//! does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use daybook_domain::{Request, RequestId, ResourceId, Rules, Timestamp};
use daybook_rows::{RULES_COLUMNS, RulesColumns};
use daybook_runtime::postgres::StoreError;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row};

use crate::hours::sorted;
use crate::{Definition, Mirror, Stored, request};

type Result<T> = std::result::Result<T, StoreError>;

/// The resources of these ids, as far as they exist.
pub async fn resources(pool: &PgPool, ids: &[String]) -> Result<BTreeMap<String, Stored>> {
    let sql = format!("SELECT {RULES_COLUMNS} FROM resource r WHERE r.resource_id = ANY($1)");
    let rows: Vec<RulesColumns> = sqlx::query_as(AssertSqlSafe(sql)).bind(ids).fetch_all(pool).await?;
    let mut found = BTreeMap::new();
    for row in rows {
        let (resource, version, rules) = row.read()?;
        let rules = Rules { hours: sorted(rules.hours), ..rules };
        let stored = Stored { version, rules, region: None, aliases: BTreeSet::new(), targets: BTreeMap::new() };
        found.insert(resource.to_string(), stored);
    }
    let regions = sqlx::query("SELECT resource_id, region FROM resource_region WHERE resource_id = ANY($1)");
    for row in &regions.bind(ids).fetch_all(pool).await? {
        if let Some(stored) = found.get_mut(row.try_get::<&str, _>("resource_id")?) {
            stored.region = row.try_get("region")?;
        }
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

/// The request for these rules that is to be sent: the one of this change, or the next one after it was refused.
pub async fn open_request(
    pool: &PgPool,
    id: &ResourceId,
    rules: &Rules,
    version: u64,
    now: Timestamp,
) -> Result<Request> {
    let mut refused = 0;
    loop {
        let request = request(id, rules, version, refused, now);
        match decided(pool, request.request_id).await? {
            Some((outcome, _)) if outcome == "rejected" => refused += 1,
            Some(_) | None => return Ok(request),
        }
    }
}

/// Makes all of these resources what the file says but their rules: regions, aliases and targets; all of them or none.
pub async fn replace_besides_rules(pool: &PgPool, definitions: &[&Definition]) -> Result<()> {
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
    if definition.region.is_none() {
        sqlx::query("DELETE FROM resource_region WHERE resource_id = $1")
            .bind(definition.id.as_str())
            .execute(&mut *connection)
            .await?;
    }
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
    if let Some(region) = definition.region {
        sqlx::query(
            "INSERT INTO resource_region (resource_id, region) VALUES ($1, $2)
             ON CONFLICT (resource_id) DO UPDATE SET region = excluded.region",
        )
        .bind(definition.id.as_str())
        .bind(region.as_str())
        .execute(&mut *connection)
        .await?;
    }
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

/// The ids of resources that are not retired and fit one of these patterns of LIKE, after `after`, in their order.
pub async fn visible(pool: &PgPool, patterns: &[String], after: &str, limit: i64) -> Result<Vec<String>> {
    let ids = sqlx::query_scalar(
        "SELECT resource_id FROM resource WHERE NOT retired AND resource_id LIKE ANY($1) AND resource_id > $2
         ORDER BY resource_id LIMIT $3",
    );
    Ok(ids.bind(patterns).bind(after).bind(limit).fetch_all(pool).await?)
}

/// How many bookings stand on a resource that are not over, and until when; none if none does.
pub async fn standing(pool: &PgPool, id: &ResourceId) -> Result<Option<(u64, Timestamp)>> {
    // By the constraint's index, which knows what stands.
    let (bookings, until): (i64, Option<DateTime<Utc>>) = sqlx::query_as(
        "SELECT count(*), max(b.end_time) FROM resource r JOIN booking b
           ON booking_box(b.resource_no, b.unit, b.start_time, b.end_time)
              && resource_box(r.resource_no, clock_timestamp(), NULL)
         WHERE r.resource_id = $1 AND b.kind = 'booking' AND b.status IN ('held', 'confirmed', 'awaiting')",
    )
    .bind(id.as_str())
    .fetch_one(pool)
    .await?;
    let until =
        until.map(|time| time.try_into().map_err(|_| StoreError::Corrupt("end_time".to_owned()))).transpose()?;
    Ok(until.map(|until| (u64::try_from(bookings).unwrap_or(0), until)))
}

/// A retired resource `r`, of id $1 or any, on which no booking stands that is not over.
const OVER: &str = "r.retired AND ($1::text IS NULL OR r.resource_id = $1)
    AND NOT EXISTS (
        SELECT FROM booking b
        WHERE booking_box(b.resource_no, b.unit, b.start_time, b.end_time)
              && resource_box(r.resource_no, clock_timestamp(), NULL)
          AND b.kind = 'booking' AND b.status IN ('held', 'confirmed', 'awaiting'))";

/// Lets the names, regions and targets of retired resources go, of one or of all, where no booking stands that is not over; a
/// target only when no delivery is on its way there. Says how many.
pub async fn let_go(pool: &PgPool, id: Option<&ResourceId>) -> Result<u64> {
    let names = format!("DELETE FROM resource_alias a USING resource r WHERE r.resource_id = a.resource_id AND {OVER}");
    let regions =
        format!("DELETE FROM resource_region g USING resource r WHERE r.resource_id = g.resource_id AND {OVER}");
    let targets = format!(
        "DELETE FROM resource_target t USING resource r WHERE r.resource_id = t.resource_id AND {OVER}
           AND NOT EXISTS (
               SELECT FROM delivery d
               WHERE d.target = t.target AND d.resource_id = t.resource_id AND d.applied_version < d.desired_version
                 AND d.parked_reason IS NULL)"
    );
    let mut rows = 0;
    for sql in [names, regions, targets] {
        rows += sqlx::query(AssertSqlSafe(sql)).bind(id.map(ResourceId::as_str)).execute(pool).await?.rows_affected();
    }
    Ok(rows)
}
