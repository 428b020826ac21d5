//! What resources look like at one moment: the states that the arbiter's core decides on, from one snapshot of the store.
//!
//! Invariant: rules, version, bookings and the log's time of one answer belong together. The arbiter commits a batch whole,
//! and a snapshot sees a batch whole or not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use arbiter_core::{Asked, State};
use chrono::{DateTime, Utc};
use daybook_domain::{BookingId, BookingState, Interval, ResourceId, Rules, Timestamp};
use daybook_rows::{BookingColumns, BookingRow, LIVE, RULES_COLUMNS, RulesColumns, state_columns};
use daybook_runtime::postgres::StoreError;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, FromRow, PgConnection, PgPool, Row};

/// How long an answer is good, as far as the passing of time can make it wrong: somebody looks, chooses, and asks.
const GOOD: Duration = Duration::from_secs(60);
/// How far our clock and the brokers' may differ.
const SKEW: Duration = Duration::from_secs(2);

/// A resource at that moment.
#[derive(Debug)]
pub struct Seen {
    /// What is decided on, as far as claims in the window look at it.
    pub state: State,
    /// The log's time on its partition: what was decided last was decided then.
    pub log: Timestamp,
}

impl Seen {
    /// The moment that an answer is of: our clock's, or the log's where that is ahead. The arbiter's time is that of the
    /// brokers and never falls, so what is asked now is decided no earlier than at the log's time.
    pub fn as_of(&self, clock: Timestamp) -> Timestamp {
        clock.max(self.log)
    }

    /// When claims on what is offered may be decided: from now, whatever the brokers' clocks say, until the answer is no
    /// longer good.
    pub fn asked(&self, clock: Timestamp) -> Asked {
        Asked { earliest: self.log.max(clock.minus(SKEW)), latest: self.good_until(clock).plus(SKEW) }
    }

    /// Until when what is offered can be asked for, as long as nobody changes the resource.
    pub fn good_until(&self, clock: Timestamp) -> Timestamp {
        self.as_of(clock).plus(GOOD)
    }
}

/// These resources as far as claims in the window look at them; those that were never defined are left out. With them,
/// the resource of the booking that is to move, if there is such a booking.
pub async fn read(
    pool: &PgPool,
    resources: &[ResourceId],
    window: Interval,
    moving: Option<BookingId>,
) -> Result<(BTreeMap<ResourceId, Seen>, Option<ResourceId>), StoreError> {
    let mut snapshot = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let mut bookings = live(&mut snapshot, resources, window).await?;
    let mut seen = BTreeMap::new();
    for (resource, version, rules, log) in rules(&mut snapshot, resources).await? {
        let own = bookings.remove(&resource).unwrap_or_default();
        let state = State::load(resource.clone(), Some(rules), version, own)
            .map_err(|violation| StoreError::Corrupt(format!("{resource}: {violation}")))?;
        seen.insert(resource, Seen { state, log });
    }
    let whose = match moving {
        Some(booking) => whose(&mut snapshot, booking).await?,
        None => None,
    };
    // Nothing was written: how it ends is all the same.
    snapshot.rollback().await?;
    Ok((seen, whose))
}

async fn rules(
    connection: &mut PgConnection,
    resources: &[ResourceId],
) -> Result<Vec<(ResourceId, u64, Rules, Timestamp)>, StoreError> {
    let sql = format!(
        "SELECT {RULES_COLUMNS}, p.now FROM resource r LEFT JOIN arbiter_partition p USING (partition)
         WHERE r.resource_id = ANY($1)"
    );
    let rows: Vec<PgRow> = sqlx::query(AssertSqlSafe(sql)).bind(names(resources)).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let (resource, version, rules) = RulesColumns::from_row(row)?.read()?;
            let log: Option<DateTime<Utc>> = row.try_get("now")?;
            let log = log.map_or(Ok(Timestamp::EPOCH), Timestamp::try_from);
            let log = log.map_err(|_| StoreError::Corrupt("arbiter_partition.now".to_owned()))?;
            Ok((resource, version, rules, log))
        })
        .collect()
}

/// Whatever is live and could be in the way of a claim in the window. Each `OFFSET 0` keeps its look-up a probe of an index,
/// in this order, however large the tables are.
async fn live(
    connection: &mut PgConnection,
    resources: &[ResourceId],
    window: Interval,
) -> Result<BTreeMap<ResourceId, Vec<BookingState>>, StoreError> {
    let columns = state_columns();
    let near = |kind: &str| {
        format!(
            "SELECT b.booking_id FROM booking b WHERE b.kind = '{kind}' AND {LIVE}
                 AND booking_box(b.resource_no, b.unit, b.start_time, b.end_time) && resource_box(r.resource_no, $2, $3)"
        )
    };
    let sql = format!(
        "SELECT b.* FROM resource r,
             LATERAL ({} UNION {} UNION SELECT b.booking_id FROM booking b
                 WHERE b.resource_no = r.resource_no AND b.away_until IS NOT NULL AND b.away_until > $2 OFFSET 0) AS n,
             LATERAL (SELECT {columns} FROM booking b WHERE b.booking_id = n.booking_id OFFSET 0) AS b
         WHERE r.resource_id = ANY($1)",
        near("booking"),
        near("busy"),
    );
    // Both buffers between two neighbours, whatever the rules say.
    let buffers = 2 * Rules::BUFFER_MAX;
    let reached = window.widened(buffers, buffers);
    let rows: Vec<BookingColumns> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(names(resources))
        .bind(DateTime::<Utc>::from(reached.start()))
        .bind(DateTime::<Utc>::from(reached.end()))
        .fetch_all(connection)
        .await?;
    let mut all = BTreeMap::<ResourceId, Vec<BookingState>>::new();
    for row in rows {
        let row = BookingRow::try_from(row)?;
        all.entry(row.resource).or_default().push(row.state);
    }
    Ok(all)
}

async fn whose(connection: &mut PgConnection, booking: BookingId) -> Result<Option<ResourceId>, StoreError> {
    let sql = format!("SELECT b.resource_id FROM booking b WHERE b.booking_id = $1 AND {LIVE}");
    let name: Option<String> =
        sqlx::query_scalar(AssertSqlSafe(sql)).bind(booking.uuid()).fetch_optional(connection).await?;
    name.map(|name| name.parse().map_err(|_| StoreError::Corrupt("booking.resource_id".to_owned()))).transpose()
}

fn names(resources: &[ResourceId]) -> Vec<&str> {
    resources.iter().map(ResourceId::as_str).collect()
}
