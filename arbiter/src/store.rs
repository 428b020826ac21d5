//! The store, as the arbiter uses it: claiming partitions, reading what a batch needs, and the one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbiter_core::State;
use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, Interval, Operation, Request, RequestId, ResourceId, Rules, SourceKey, Timestamp};
use daybook_runtime::clock;
use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::postgres::{Sort, StoreError};
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool, Row};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::batch::{Decided, Position, Slice};
use crate::error::Error;
use crate::rows::{BookingColumns, BookingRow};

/// How long request ids are remembered. Beyond that, the source's version decides.
const REMEMBERED: chrono::TimeDelta = chrono::TimeDelta::days(40);

/// The columns that [`BookingColumns`] reads.
const COLUMNS: &str = "b.booking_id, b.resource_id, b.status, b.start_time, b.end_time, b.awaiting_until, b.version, \
    b.source_system, b.source_event_id, b.source_keys, b.source_ids, b.source_sequence, b.source_updated_at, b.title, \
    b.attendee_details, b.source_time_zone, encode(b.content_digest, 'hex') AS content_digest, b.contact_ids, \
    b.sourced_at, b.received_at, b.decided_at, b.seq";

/// Every statement of the arbiter takes a batch of keys to their rows. That is a nested loop over an index, however large
/// the tables are and whatever the statistics say; a plan that reads a table whole would stall a partition.
pub const SESSION: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    // A plan that was kept from the day when the tables were small loops the wrong way round.
    ("plan_cache_mode", "force_custom_plan"),
    // The penalties of the first three would make every plan look worth compiling.
    ("jit", "off"),
];

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    metrics: CommonMetrics,
}

/// A stored decision that may not have been published.
#[derive(Debug, Clone)]
pub struct StoredDecision {
    /// Its place.
    pub seq: i64,
    /// Its key on the topic.
    pub resource: String,
    /// Its value on the topic.
    pub record: Vec<u8>,
}

/// A wait that is over.
#[derive(Debug, Clone)]
pub struct Due {
    /// The booking that waits.
    pub booking_id: BookingId,
    /// Whose time.
    pub resource: ResourceId,
    /// The deadline that was set.
    pub deadline: Timestamp,
}

impl Store {
    /// The store behind a pool.
    pub const fn new(pool: PgPool, metrics: CommonMetrics) -> Self {
        Self { pool, metrics }
    }

    fn note(&self) -> impl Fn(sqlx::Error) -> StoreError + '_ {
        |error| StoreError::from(error).noted(&self.metrics)
    }

    /// Takes partitions over: bumps each one's epoch, so that whoever had it commits nothing any more.
    pub async fn acquire(&self, partitions: &[i32], owner: &str) -> Result<Vec<Position>, StoreError> {
        let rows = sqlx::query(
            "INSERT INTO arbiter_partition AS p (partition, epoch, owner)
             SELECT partition, 1, $2 FROM unnest($1::int[]) AS t(partition) ORDER BY partition
             ON CONFLICT (partition) DO UPDATE
                 SET epoch = p.epoch + 1, owner = excluded.owner, acquired_at = clock_timestamp()
             RETURNING p.partition, p.epoch, p.next_offset, p.next_seq, p.now, p.chain",
        )
        .bind(partitions)
        .bind(owner)
        .fetch_all(&self.pool)
        .await
        .map_err(self.note())?;
        rows.iter().map(position).collect()
    }

    /// Where a partition stands, whoever owns it: how an unknown COMMIT is resolved.
    pub async fn position(&self, partition: i32) -> Result<Position, StoreError> {
        let row = sqlx::query(
            "SELECT partition, epoch, next_offset, next_seq, now, chain FROM arbiter_partition WHERE partition = $1",
        )
        .bind(partition)
        .fetch_one(&self.pool)
        .await
        .map_err(self.note())?;
        position(&row)
    }

    /// Reads everything that these requests can name or collide with.
    pub async fn slice(&self, requests: &[&Request], now: Timestamp) -> Result<Slice, Error> {
        let wanted = Wanted::of(requests);
        let mut connection = self.pool.acquire().await.map_err(self.note())?;
        let decided = decided(&mut connection, &wanted.requests, now).await.map_err(self.note())?;
        let resources = resources(&mut connection, &wanted.resources).await.map_err(self.note())?;
        let rows = bookings(&mut connection, &wanted).await.map_err(self.note())?;
        let mut slice = Slice { decided, ..Slice::default() };
        let mut of_resource: BTreeMap<ResourceId, Vec<BookingRow>> = BTreeMap::new();
        for row in rows {
            let row = BookingRow::try_from(row)?;
            of_resource.entry(row.resource.clone()).or_default().push(row);
        }
        for row in resources {
            let (resource, version, rules) = row?;
            let rows = of_resource.remove(&resource).unwrap_or_default();
            let states = rows.iter().map(|row| row.state.clone());
            let state = State::load(resource.clone(), Some(rules), version, states)
                .map_err(|violation| StoreError::Corrupt(violation.to_string()))?;
            slice.rows.extend(rows.into_iter().map(|row| (row.state.booking_id, row)));
            slice.stored_resources.insert(resource.clone());
            slice.states.insert(resource, state);
        }
        Ok(slice)
    }

    /// Commits a batch, or nothing of it. An error of the sort `Away` leaves open whether it was committed; after one
    /// of the sort `Serialization` the partition's row says who was faster.
    pub async fn commit(&self, from: &Position, decided: &Decided) -> Result<(), Error> {
        match self.transaction(from, decided).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Fenced),
            Err(error) => match error.sort() {
                Sort::Exclusion => Err(Error::Exclusion),
                Sort::Refused => Err(Error::Refused(error)),
                Sort::Forbidden | Sort::Serialization | Sort::Away | Sort::Fault => Err(error.into()),
            },
        }
    }

    async fn transaction(&self, from: &Position, decided: &Decided) -> Result<bool, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(self.note())?;
        if !fence(&mut transaction, from, &decided.after).await.map_err(self.note())? {
            transaction.rollback().await.map_err(self.note())?;
            return Ok(false);
        }
        write_resources(&mut transaction, from, decided).await.map_err(self.note())?;
        write_bookings(&mut transaction, from, decided).await.map_err(self.note())?;
        write_names(&mut transaction, from, decided).await.map_err(self.note())?;
        write_decisions(&mut transaction, from, decided).await.map_err(self.note())?;
        transaction.commit().await.map_err(self.note())?;
        Ok(true)
    }

    /// Stored decisions after `seq`, in order.
    pub async fn decisions_after(
        &self,
        partition: i32,
        seq: i64,
        limit: i64,
    ) -> Result<Vec<StoredDecision>, StoreError> {
        let rows = sqlx::query(
            "SELECT seq, resource_id, record FROM decision WHERE partition = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        )
        .bind(partition)
        .bind(seq)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(self.note())?;
        let decision = |row: &sqlx::postgres::PgRow| {
            Ok(StoredDecision {
                seq: row.try_get("seq")?,
                resource: row.try_get("resource_id")?,
                record: row.try_get("record")?,
            })
        };
        rows.iter().map(decision).collect::<Result<_, sqlx::Error>>().map_err(self.note())
    }

    /// The bytes of one stored decision.
    pub async fn decision(&self, partition: i32, seq: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.decisions_after(partition, seq - 1, 1).await?;
        Ok(found.into_iter().find(|decision| decision.seq == seq).map(|decision| decision.record))
    }

    /// Bookings of a partition whose state was made by a decision after `seq`, with their resources' display zones.
    pub async fn bookings_after(
        &self,
        partition: i32,
        seq: i64,
    ) -> Result<Vec<(BookingRow, Option<String>)>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, r.display_time_zone
             FROM (SELECT DISTINCT booking_id FROM decision
                   WHERE partition = $1 AND seq > $2 AND booking_id IS NOT NULL) AS d
                 JOIN booking b USING (booking_id) LEFT JOIN resource r USING (resource_id)
             WHERE b.partition = $1 ORDER BY b.seq"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(partition)
            .bind(seq)
            .fetch_all(&self.pool)
            .await
            .map_err(self.note())?;
        let booking = |row: &sqlx::postgres::PgRow| {
            let columns = <BookingColumns as sqlx::FromRow<_>>::from_row(row).map_err(self.note())?;
            let zone = row.try_get("display_time_zone").map_err(self.note())?;
            Ok((BookingRow::try_from(columns)?, zone))
        };
        rows.iter().map(booking).collect()
    }

    /// Waits of these partitions that are over at `now`.
    pub async fn due(&self, partitions: &[i32], now: Timestamp) -> Result<Vec<Due>, StoreError> {
        let rows = sqlx::query(
            "SELECT booking_id, resource_id, awaiting_until FROM booking
             WHERE status = 'awaiting' AND partition = ANY($1) AND awaiting_until <= $2
             ORDER BY awaiting_until LIMIT 1000",
        )
        .bind(partitions)
        .bind(DateTime::<Utc>::from(now))
        .fetch_all(&self.pool)
        .await
        .map_err(self.note())?;
        let due = |row: &sqlx::postgres::PgRow| {
            let resource: String = row.try_get("resource_id").map_err(self.note())?;
            let deadline: DateTime<Utc> = row.try_get("awaiting_until").map_err(self.note())?;
            Ok(Due {
                booking_id: BookingId::from_uuid(row.try_get("booking_id").map_err(self.note())?),
                resource: resource.parse().map_err(|_| StoreError::Corrupt("booking.resource_id".to_owned()))?,
                deadline: deadline.try_into().map_err(|_| StoreError::Corrupt("booking.awaiting_until".to_owned()))?,
            })
        };
        rows.iter().map(due).collect()
    }

    async fn make_decision_partitions(&self) -> Result<(), StoreError> {
        let last_month = DateTime::<Utc>::from(clock::now()) - chrono::TimeDelta::days(31);
        sqlx::query("SELECT make_decision_partitions($1::date, 15)")
            .bind(last_month.date_naive())
            .execute(&self.pool)
            .await
            .map_err(self.note())?;
        Ok(())
    }
}

/// Keeps a year of monthly partitions ahead. What comes without one lands in the default partition, so a failure here
/// is no more than a warning.
pub async fn keep_decision_partitions(store: Store, shutdown: CancellationToken) -> Result<(), StoreError> {
    loop {
        let wait = match store.make_decision_partitions().await {
            Ok(()) => Duration::from_secs(24 * 60 * 60),
            Err(error) => {
                tracing::warn!(%error, "cannot make the months of the decision table; trying again");
                Duration::from_secs(30)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("arbiter_partition.{what}"))
}

fn position(row: &sqlx::postgres::PgRow) -> Result<Position, StoreError> {
    let now: DateTime<Utc> = row.try_get("now")?;
    let chain: Vec<u8> = row.try_get("chain")?;
    Ok(Position {
        partition: row.try_get("partition")?,
        epoch: row.try_get("epoch")?,
        next_offset: row.try_get("next_offset")?,
        next_seq: row.try_get("next_seq")?,
        now: now.try_into().map_err(|_| corrupt("now"))?,
        chain: chain.try_into().map_err(|_| corrupt("chain"))?,
    })
}

/// What a batch can name or collide with.
#[derive(Debug, Default)]
struct Wanted {
    requests: Vec<Uuid>,
    resources: BTreeSet<ResourceId>,
    keys: Vec<(SourceKey, String)>,
    bookings: BTreeSet<Uuid>,
    intervals: Vec<(String, Interval)>,
}

impl Wanted {
    fn of(requests: &[&Request]) -> Self {
        let mut wanted = Self::default();
        for request in requests {
            wanted.requests.push(request.request_id.uuid());
            wanted.resources.insert(request.resource.clone());
            let resource = request.resource.to_string();
            match &request.operation {
                Operation::Book(claim) => wanted.keys.push((claim.identity.key(), resource.clone())),
                Operation::Reschedule { previous, claim } => {
                    wanted.keys.push((claim.identity.key(), resource.clone()));
                    wanted.keys.push((previous.key(), resource.clone()));
                }
                Operation::Cancel { identity, booking_id, .. } => {
                    wanted.keys.push((identity.key(), resource.clone()));
                    wanted.bookings.insert(booking_id.uuid());
                }
                Operation::Expire { booking_id, .. } => {
                    wanted.bookings.insert(booking_id.uuid());
                }
                Operation::Define(_) => {}
            }
            if let Some(claim) = request.operation.claim() {
                wanted.bookings.insert(claim.booking_id.uuid());
                wanted.intervals.push((resource, claim.interval));
            }
        }
        wanted
    }
}

async fn decided(
    connection: &mut PgConnection,
    requests: &[Uuid],
    now: Timestamp,
) -> Result<BTreeSet<RequestId>, sqlx::Error> {
    let rows: Vec<Uuid> = sqlx::query_scalar(
        // Both bounds, so that neither past nor coming months are looked into: no decision is later than the log.
        // One that failed inside us is asked again when its dead letter is replayed.
        "SELECT request_id FROM decision WHERE request_id = ANY($1) AND decided_at BETWEEN $2 AND $3
             AND reason IS DISTINCT FROM 'internal'",
    )
    .bind(requests)
    .bind(DateTime::<Utc>::from(now) - REMEMBERED)
    .bind(DateTime::<Utc>::from(now))
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(RequestId::from_uuid).collect())
}

type ResourceRow = Result<(ResourceId, u64, Rules), StoreError>;

async fn resources(
    connection: &mut PgConnection,
    resources: &BTreeSet<ResourceId>,
) -> Result<Vec<ResourceRow>, sqlx::Error> {
    let names: Vec<&str> = resources.iter().map(ResourceId::as_str).collect();
    let rows: Vec<(String, i64, String, i64)> = sqlx::query_as(
        "SELECT resource_id, version, display_time_zone, replacement_wait_ms FROM resource WHERE resource_id = ANY($1)",
    )
    .bind(names)
    .fetch_all(connection)
    .await?;
    let resource = |(id, version, display_time_zone, wait): (String, i64, String, i64)| {
        let bad = || StoreError::Corrupt("resource".to_owned());
        let rules = Rules {
            display_time_zone,
            replacement_wait: Duration::from_millis(u64::try_from(wait).map_err(|_| bad())?),
        };
        Ok((id.parse().map_err(|_| bad())?, u64::try_from(version).map_err(|_| bad())?, rules))
    };
    Ok(rows.into_iter().map(resource).collect())
}

/// The bookings that the requests name or collide with. Each `OFFSET 0` keeps its look-up a look-up: one probe of an index
/// for each key, in this order, and never the other way round.
async fn bookings(connection: &mut PgConnection, wanted: &Wanted) -> Result<Vec<BookingColumns>, sqlx::Error> {
    let sql = format!(
        "WITH wanted AS (
             SELECT s.booking_id FROM unnest($1::uuid[], $2::text[]) AS k(source_key, resource_id),
                 LATERAL (SELECT booking_id FROM booking_source s
                          WHERE s.source_key = k.source_key AND s.resource_id = k.resource_id OFFSET 0) AS s
             UNION SELECT unnest($3::uuid[])
             UNION SELECT b.booking_id FROM unnest($4::text[], $5::timestamptz[], $6::timestamptz[]) AS w(resource_id, s, e),
                 LATERAL (SELECT resource_no FROM resource r WHERE r.resource_id = w.resource_id OFFSET 0) AS r,
                 LATERAL (SELECT booking_id FROM booking b
                          WHERE b.resource_no = r.resource_no AND b.unit = 0 AND b.status IN ('confirmed', 'awaiting')
                              AND tstzrange(b.start_time, b.end_time) && tstzrange(w.s, w.e) OFFSET 0) AS b
         )
         SELECT b.* FROM wanted w,
             LATERAL (SELECT {COLUMNS} FROM booking b WHERE b.booking_id = w.booking_id OFFSET 0) AS b"
    );
    let (keys, key_resources): (Vec<Uuid>, Vec<&str>) =
        wanted.keys.iter().map(|(key, resource)| (key.uuid(), resource.as_str())).unzip();
    let resources: Vec<&str> = wanted.intervals.iter().map(|(resource, _)| resource.as_str()).collect();
    let at = |pick: fn(&Interval) -> Timestamp| -> Vec<DateTime<Utc>> {
        wanted.intervals.iter().map(|(_, interval)| pick(interval).into()).collect()
    };
    sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(keys)
        .bind(key_resources)
        .bind(wanted.bookings.iter().copied().collect::<Vec<_>>())
        .bind(resources)
        .bind(at(Interval::start))
        .bind(at(Interval::end))
        .fetch_all(connection)
        .await
}

/// The transaction's first statement. No row means that the partition has a new owner.
async fn fence(connection: &mut PgConnection, from: &Position, to: &Position) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE arbiter_partition SET next_offset = $4, next_seq = next_seq + $5, now = $6, chain = $7
         WHERE partition = $1 AND epoch = $2 AND next_offset = $3",
    )
    .bind(from.partition)
    .bind(from.epoch)
    .bind(from.next_offset)
    .bind(to.next_offset)
    .bind(to.next_seq - from.next_seq)
    .bind(DateTime::<Utc>::from(to.now))
    .bind(&to.chain[..])
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn write_resources(connection: &mut PgConnection, from: &Position, decided: &Decided) -> Result<(), sqlx::Error> {
    // Two statements rather than ON CONFLICT, which would draw a number of the identity column at every update.
    const UPDATE: &str = "UPDATE resource r SET version = n.version, display_time_zone = n.zone,
             replacement_wait_ms = n.wait, epoch = $6
         FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[]) AS n(id, version, zone, wait)
         WHERE r.resource_id = n.id AND r.partition = $5";
    const INSERT: &str =
        "INSERT INTO resource (resource_id, version, display_time_zone, replacement_wait_ms, partition, epoch)
         SELECT n.id, n.version, n.zone, n.wait, $5, $6
         FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[]) AS n(id, version, zone, wait)";
    for (stored, sql) in [(true, UPDATE), (false, INSERT)] {
        let changed: Vec<_> = decided.resources.iter().filter(|resource| resource.stored == stored).collect();
        if changed.is_empty() {
            continue;
        }
        let millis = |wait: Duration| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        sqlx::query(sql)
            .bind(changed.iter().map(|r| r.resource.as_str()).collect::<Vec<_>>())
            .bind(changed.iter().map(|r| i64::try_from(r.version).unwrap_or(i64::MAX)).collect::<Vec<_>>())
            .bind(changed.iter().map(|r| r.rules.display_time_zone.as_str()).collect::<Vec<_>>())
            .bind(changed.iter().map(|r| millis(r.rules.replacement_wait)).collect::<Vec<_>>())
            .bind(from.partition)
            .bind(from.epoch)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Each touched booking once. First what gives a slot up, then what takes one: the constraint looks at every row as it
/// is written.
async fn write_bookings(connection: &mut PgConnection, from: &Position, decided: &Decided) -> Result<(), sqlx::Error> {
    const UPDATE: &str = "UPDATE booking b SET status = n.status, start_time = n.start_time, end_time = n.end_time,
             awaiting_until = n.awaiting_until, version = n.version, source_event_id = n.source_event_id,
             source_keys = n.source_keys, source_ids = n.source_ids, source_sequence = n.source_sequence,
             source_updated_at = n.source_updated_at, title = n.title, attendee_details = n.attendee_details,
             source_time_zone = n.source_time_zone, content_digest = decode(n.content_digest, 'hex'),
             contact_ids = n.contact_ids, sourced_at = n.sourced_at,
             received_at = n.received_at, decided_at = n.decided_at, epoch = $2, seq = n.seq
         FROM jsonb_to_recordset($1) AS n(booking_id uuid, status text, start_time timestamptz, end_time timestamptz,
             awaiting_until timestamptz, version bigint, source_event_id text, source_keys uuid[], source_ids text[],
             source_sequence bigint, source_updated_at timestamptz, title text, attendee_details jsonb,
             source_time_zone text, content_digest text, contact_ids text[], sourced_at timestamptz,
             received_at timestamptz, decided_at timestamptz, seq bigint)
         WHERE b.booking_id = n.booking_id";
    const VACATE: &str = "UPDATE booking SET status = 'cancelled', awaiting_until = NULL, epoch = $2
         WHERE booking_id = ANY($1)";
    const INSERT: &str = "INSERT INTO booking (booking_id, resource_no, resource_id, status, start_time, end_time,
             awaiting_until, version, source_system, source_event_id, source_keys, source_ids, source_sequence,
             source_updated_at, title, attendee_details, source_time_zone, content_digest, contact_ids,
             sourced_at, received_at, decided_at, partition, epoch, seq)
         SELECT n.booking_id, r.resource_no, n.resource_id, n.status, n.start_time, n.end_time, n.awaiting_until,
             n.version, n.source_system, n.source_event_id, n.source_keys, n.source_ids, n.source_sequence,
             n.source_updated_at, n.title, n.attendee_details, n.source_time_zone, decode(n.content_digest, 'hex'),
             n.contact_ids, n.sourced_at, n.received_at, n.decided_at, $3, $2, n.seq
         FROM jsonb_to_recordset($1) AS n(booking_id uuid, resource_id text, status text, start_time timestamptz,
             end_time timestamptz, awaiting_until timestamptz, version bigint, source_system text,
             source_event_id text, source_keys uuid[], source_ids text[], source_sequence bigint,
             source_updated_at timestamptz, title text, attendee_details jsonb, source_time_zone text,
             content_digest text, contact_ids text[], sourced_at timestamptz,
             received_at timestamptz, decided_at timestamptz, seq bigint)
         JOIN resource r USING (resource_id)";
    let (mut ended, mut moved, mut changed, mut new) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for touched in &decided.bookings {
        let columns = BookingColumns::from(&touched.row);
        let live = touched.row.state.standing.live();
        match &touched.before {
            None => new.push(columns),
            Some(_) if live.is_none() => ended.push(columns),
            Some(before) => {
                if before.standing.live().is_some_and(|was| Some(was) != live) {
                    moved.push(before.booking_id.uuid());
                }
                changed.push(columns);
            }
        }
    }
    if !ended.is_empty() {
        sqlx::query(UPDATE).bind(Json(ended)).bind(from.epoch).execute(&mut *connection).await?;
    }
    if !moved.is_empty() {
        sqlx::query(VACATE).bind(moved).bind(from.epoch).execute(&mut *connection).await?;
    }
    if !changed.is_empty() {
        sqlx::query(UPDATE).bind(Json(changed)).bind(from.epoch).execute(&mut *connection).await?;
    }
    if !new.is_empty() {
        sqlx::query(INSERT).bind(Json(new)).bind(from.epoch).bind(from.partition).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn write_names(connection: &mut PgConnection, from: &Position, decided: &Decided) -> Result<(), sqlx::Error> {
    let names = &decided.names;
    if names.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO booking_source (source_key, resource_id, booking_id, source_booking_id, partition, epoch)
         SELECT n.key, n.resource, n.booking, n.name, $5, $6
         FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[]) AS n(key, resource, booking, name)",
    )
    .bind(names.iter().map(|name| name.key.uuid()).collect::<Vec<_>>())
    .bind(names.iter().map(|name| name.resource.as_str()).collect::<Vec<_>>())
    .bind(names.iter().map(|name| name.booking_id.uuid()).collect::<Vec<_>>())
    .bind(names.iter().map(|name| name.name.as_str()).collect::<Vec<_>>())
    .bind(from.partition)
    .bind(from.epoch)
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_decisions(connection: &mut PgConnection, from: &Position, decided: &Decided) -> Result<(), sqlx::Error> {
    let ready = &decided.decisions;
    if ready.is_empty() {
        return Ok(());
    }
    let times = |pick: fn(&daybook_domain::Decision) -> Option<Timestamp>| -> Vec<Option<DateTime<Utc>>> {
        ready.iter().map(|ready| pick(&ready.logged.decision).map(Into::into)).collect()
    };
    let texts = |pick: fn(&daybook_domain::Decision) -> Option<&str>| -> Vec<Option<&str>> {
        ready.iter().map(|ready| pick(&ready.logged.decision)).collect()
    };
    sqlx::query(
        "INSERT INTO decision (partition, seq, request_offset, request_id, resource_id, booking_id, operation, outcome,
             reason, source, sourced_at, received_at, decided_at, record, epoch)
         SELECT $1, n.* , $15 FROM unnest($2::bigint[], $3::bigint[], $4::uuid[], $5::text[], $6::uuid[], $7::text[],
             $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[],
             $14::bytea[]) AS n",
    )
    .bind(from.partition)
    .bind(ready.iter().map(|ready| ready.logged.seq).collect::<Vec<_>>())
    .bind(ready.iter().map(|ready| ready.logged.offset).collect::<Vec<_>>())
    .bind(ready.iter().map(|ready| ready.logged.decision.request_id.uuid()).collect::<Vec<_>>())
    .bind(texts(|decision| Some(decision.resource.as_str())))
    .bind(ready.iter().map(|ready| ready.booking_id.map(BookingId::uuid)).collect::<Vec<_>>())
    .bind(texts(|decision| Some(decision.operation.as_str())))
    .bind(texts(|decision| Some(decision.outcome.as_str())))
    .bind(texts(|decision| decision.outcome.reason()))
    .bind(texts(|decision| Some(decision.source.as_str())))
    .bind(times(|decision| decision.sourced_at))
    .bind(times(|decision| Some(decision.received_at)))
    .bind(times(|decision| Some(decision.decided_at)))
    .bind(ready.iter().map(|ready| ready.bytes.as_slice()).collect::<Vec<_>>())
    .bind(from.epoch)
    .execute(connection)
    .await?;
    Ok(())
}
