//! The rows of `delivery`: one booking's state on its way to one target.
//!
//! Owns: that a row is one worker's at a time (a lease, by the database's clock), that whoever has lost the lease
//! records nothing, and that what is recorded about one version never undoes a newer one's arrival. Absent on purpose:
//! any write to what only the arbiter may write; the role has no right to it.

mod attempt;
mod booking;
mod compensations;
mod gauges;
mod intake;
mod lease;
mod outcomes;
mod reconcile;

use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::postgres::StoreError;
use sqlx::PgPool;

pub(crate) use attempt::{Entry, Noted, Recorded};
pub(crate) use compensations::{Came, Due, Refused};
pub(crate) use gauges::{Compensations, Gauges, Unread};
pub(crate) use intake::Seen;
pub(crate) use lease::{Leased, WITHDRAWN};
pub(crate) use outcomes::Unpublished;
pub(crate) use reconcile::{Asked, Drifted, Reading, Row};

/// The store, as the propagator uses it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pool: PgPool,
    metrics: CommonMetrics,
}

impl Store {
    pub fn new(pool: PgPool, metrics: CommonMetrics) -> Self {
        Self { pool, metrics }
    }

    /// Every error of the store comes through here, so that a forbidden write is loud.
    fn fail(&self, error: sqlx::Error) -> StoreError {
        StoreError::from(error).noted(&self.metrics)
    }
}

/// A version as the store keeps it.
fn stored(version: u64) -> i64 {
    i64::try_from(version).expect("a version counts changes and stays far below 2^63")
}
