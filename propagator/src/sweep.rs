//! The backstop that makes level level: all bookings, slice by slice, compared with what is desired.
//!
//! It finds what no decision has raised: a target that a resource was given after the fact, a decision that could not be
//! read, a row that was lost. It also forgets old attempts, and calendars that are shown no more.

use std::time::Duration;

use daybook_runtime::admin::Health;
use daybook_runtime::postgres::StoreError;
use daybook_runtime::retry::Advice;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::metrics::Metrics;
use crate::store::Store;
use crate::wake::Bells;

/// The name under which it beats.
const COMPONENT: &str = "sweep";
/// Between two slices, so that a pass over millions of bookings leaves the store to others most of the time.
const BREATH: Duration = Duration::from_millis(100);
/// Between two tries while the store is away.
const PATIENCE: Duration = Duration::from_secs(2);

/// The sweep.
#[derive(Debug)]
pub(crate) struct Sweep {
    pub store: Store,
    pub bells: Bells,
    pub metrics: Metrics,
    pub health: Health,
    /// Between two passes.
    pub every: Duration,
    /// Bookings compared by one statement.
    pub slice: u32,
    /// How long attempts are remembered.
    pub history: Duration,
}

impl Sweep {
    /// Sweeps until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), StoreError> {
        self.health.enter(COMPONENT, self.every + Duration::from_secs(60));
        let mut after = Uuid::nil();
        while !shutdown.is_cancelled() {
            let wait = match self.step(after).await {
                Ok(Some(last)) => {
                    self.health.ready(COMPONENT);
                    after = last;
                    BREATH
                }
                Ok(None) => {
                    self.health.ready(COMPONENT);
                    after = Uuid::nil();
                    self.every
                }
                Err(error) if error.advice() == Advice::Retry => {
                    self.health.waiting(COMPONENT, "PostgreSQL");
                    tracing::warn!(%error, "the sweep waits for the store");
                    PATIENCE
                }
                Err(error) => return Err(error),
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        Ok(())
    }

    /// One slice; where it ended, or nothing if that was the last.
    async fn step(&self, after: Uuid) -> Result<Option<Uuid>, StoreError> {
        let found = self.store.sweep(after, self.slice).await?;
        for target in &found.raised {
            self.metrics.swept_total.with_label_values(&[target]).inc();
            self.bells.ring(target);
        }
        if found.last.is_none() {
            self.store.forget_attempts(self.history).await?;
            self.store.forget_readings().await?;
        }
        Ok(found.last)
    }
}
