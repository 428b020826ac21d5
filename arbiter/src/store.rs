//! The store, as the arbiter uses it. Each of its subjects has a file: taking partitions over, what a batch loads, the one
//! transaction, what may not have been published, and what time alone calls for.

mod claim;
mod commit;
mod load;
mod outbox;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbiter_core::partition::Position;
use daybook_domain::{BookingId, BookingState, ResourceId};
use daybook_rows::BookingRow;
use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::postgres::StoreError;
use daybook_wire::CanonicalBooking;
use sqlx::PgPool;

use crate::batch::Decided;
use crate::error::Error;
use crate::ports::{Books, Loaded, StoredDecision, Wanted, Window};

pub use upkeep::{Due, keep_decision_partitions};

/// PostgreSQL's settings for each session of the arbiter.
///
/// The first five: every statement takes a batch of keys to their rows. That is a nested loop over an index, however large
/// the tables are and whatever the statistics say; a plan that reads a table whole would stall a partition. So every
/// statement is written to leave no other order, and its plan is made once: making it costs more than a small batch does.
///
/// The others bound how long an arbiter that froze (stopped, swapped out, cut off) can keep its successor out of a
/// partition, whose row it holds from the first statement of its transaction to the COMMIT. The server alone sees to it:
/// between two statements it ends the session after 5 s, and with it the lock; a statement ends after 15 s, of which at
/// most 10 s wait for a lock. Only a message that was half sent when its sender froze is bounded by none of them: whoever
/// takes over ends sessions that have waited for their client in a transaction that is older than both together.
///
/// A successor waits 10 s for the row, twice what the usual case takes, and tries again. So it has the row after 5 s in the
/// usual case, and in the worst after 20 s and what is left of a try: 30 s.
pub const SESSION: [(&str, &str); 12] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    // The penalties of the first three would make every plan look worth compiling.
    ("jit", "off"),
    // A live worker sends its next statement within milliseconds: it calls nothing in between, and computes no more than
    // the next batch.
    ("idle_in_transaction_session_timeout", "5s"),
    // The largest batch takes about a second to write; a checkpoint on a slow disk adds a few.
    ("statement_timeout", "15s"),
    // Whoever holds the row without working is gone by then, twice over.
    ("lock_timeout", "10s"),
    // A peer that has vanished without a word: 20 + 3 x 10 = 50 s. Its lock is long gone by then; this frees the session.
    ("tcp_keepalives_idle", "20"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
    // The same while the server has something to say to it, such as the rows of a load.
    ("tcp_user_timeout", "20s"),
];

/// Seconds of `idle_in_transaction_session_timeout` and `statement_timeout` together: no transaction of a worker that
/// lives is older and still waits for its client.
const STUCK_SECONDS: f64 = 20.0;

/// The store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    metrics: CommonMetrics,
}

impl Store {
    /// The store behind a pool.
    pub const fn new(pool: PgPool, metrics: CommonMetrics) -> Self {
        Self { pool, metrics }
    }

    fn note(&self) -> impl Fn(sqlx::Error) -> StoreError + '_ {
        |error| StoreError::from(error).noted(&self.metrics)
    }
}

/// Longer than every limit of the server's on a statement: only a connection that went silent, with nobody at its other end
/// to say so, takes as long.
const SILENT: Duration = Duration::from_secs(30);

/// An answer, or, from a connection that went silent, that the server is away.
async fn heard<T, E: From<StoreError>>(call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match tokio::time::timeout(SILENT, call).await {
        Ok(answer) => answer,
        Err(_) => Err(StoreError::Database(sqlx::Error::PoolTimedOut).into()),
    }
}

impl Books for Store {
    async fn position(&self, partition: i32) -> Result<Position, StoreError> {
        heard(self.read_position(partition)).await
    }

    async fn load(&self, wanted: &Wanted) -> Result<Loaded, StoreError> {
        heard(self.read_wanted(wanted)).await
    }

    async fn live(&self, windows: &[Window]) -> Result<Vec<(ResourceId, BookingState)>, StoreError> {
        heard(self.read_live(windows)).await
    }

    async fn rows(&self, bookings: &BTreeSet<BookingId>) -> Result<Vec<BookingRow>, StoreError> {
        heard(self.read_rows(bookings)).await
    }

    async fn commit(&self, from: &Position, decided: &Decided) -> Result<(), Error> {
        heard(self.write(from, decided)).await
    }

    async fn decisions_after(&self, partition: i32, seq: i64, limit: i64) -> Result<Vec<StoredDecision>, StoreError> {
        heard(self.read_decisions(partition, seq, limit)).await
    }

    async fn newer(
        &self,
        partition: i32,
        than: &BTreeMap<BookingId, u64>,
    ) -> Result<Vec<CanonicalBooking>, StoreError> {
        heard(self.read_newer(partition, than)).await
    }
}
