//! What lies in the store, for the gauges.

use std::collections::BTreeSet;
use std::time::Duration;

use daybook_runtime::postgres::StoreError;
use sqlx::{FromRow, Row};

use super::Store;

/// What lies there now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gauges {
    /// Deliveries on their way or given up.
    pub backlog: Vec<Backlog>,
    /// Every target that some resource is to be shown by.
    pub wanted: BTreeSet<String>,
    /// Outcomes that are not published.
    pub unpublished: i64,
    /// What is open of refused bookings, by source.
    pub compensations: Vec<Compensations>,
    /// Entries that differ from what they should be.
    pub drift: Vec<Drifting>,
    /// Seconds since the calendar that was not read back for longest was, by target.
    pub unread: Vec<Unread>,
}

/// Entries at a target that differ in one way.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct Drifting {
    pub target: String,
    pub kind: String,
    pub entries: i64,
    /// Of them, those that are left to a person.
    pub stopped: i64,
    /// Seconds since the oldest of them was found.
    pub oldest: f64,
}

/// How long ago a target was read back.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct Unread {
    pub target: String,
    pub oldest: f64,
}

/// What one source has promised and is still to be put right.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct Compensations {
    pub source: String,
    pub open: i64,
    /// Seconds since the oldest of them was opened.
    pub oldest: f64,
}

/// Deliveries to one target that are in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub target: String,
    /// Why they were given up; none of those on their way.
    pub parked_reason: Option<String>,
    pub deliveries: i64,
    /// Since the oldest of them was decided.
    pub oldest: Duration,
}

impl Store {
    /// Looks.
    pub async fn gauges(&self) -> Result<Gauges, StoreError> {
        let read = async {
            let rows = sqlx::query(
                "SELECT target, NULL AS parked_reason, count(*) AS deliveries,
                        extract(epoch FROM clock_timestamp() - min(coalesce(repair_since, decided_at)))::float8 AS oldest
                 FROM delivery WHERE applied_version < desired_version AND parked_reason IS NULL GROUP BY target
                 UNION ALL
                 SELECT target, parked_reason, count(*), extract(epoch FROM clock_timestamp() - min(decided_at))::float8
                 FROM delivery WHERE parked_reason IS NOT NULL GROUP BY target, parked_reason",
            )
            .fetch_all(&self.pool)
            .await?;
            let backlog = rows.iter().map(|row| {
                let BacklogRow { target, parked_reason, deliveries, oldest } = BacklogRow::from_row(row)?;
                // A decision may be stamped a little ahead of the database's clock.
                let oldest = Duration::try_from_secs_f64(oldest).unwrap_or(Duration::ZERO);
                Ok(Backlog { target, parked_reason, deliveries, oldest })
            });
            let row = sqlx::query(
                "SELECT coalesce((SELECT array_agg(DISTINCT target) FROM resource_target), '{}') AS wanted,
                        (SELECT count(*) FROM delivery WHERE published_version < applied_version
                             OR (parked_reason IS NOT NULL AND published_version < desired_version)) AS unpublished",
            )
            .fetch_one(&self.pool)
            .await?;
            let wanted: Vec<String> = row.try_get("wanted")?;
            let compensations = sqlx::query_as(
                "SELECT source_system AS source, count(*) AS open,
                        extract(epoch FROM clock_timestamp() - min(opened_at))::float8 AS oldest
                 FROM compensation WHERE closed_at IS NULL GROUP BY source_system",
            )
            .fetch_all(&self.pool)
            .await?;
            let drift = sqlx::query_as(
                "SELECT target, kind, count(*) AS entries, count(stopped_at) AS stopped,
                        extract(epoch FROM clock_timestamp() - min(found_at))::float8 AS oldest
                 FROM drift GROUP BY target, kind",
            )
            .fetch_all(&self.pool)
            .await?;
            let unread = sqlx::query_as(
                "SELECT r.target, extract(epoch FROM clock_timestamp() - min(coalesce(r.done_at, r.added_at)))::float8 AS oldest
                 FROM reconciliation r JOIN resource_target t USING (target, resource_id) GROUP BY r.target",
            )
            .fetch_all(&self.pool)
            .await?;
            Ok(Gauges {
                drift,
                unread,
                backlog: backlog.collect::<Result<_, sqlx::Error>>()?,
                wanted: wanted.into_iter().collect(),
                unpublished: row.try_get("unpublished")?,
                compensations,
            })
        };
        read.await.map_err(|error| self.fail(error))
    }
}

#[derive(FromRow)]
struct BacklogRow {
    target: String,
    parked_reason: Option<String>,
    deliveries: i64,
    oldest: f64,
}
