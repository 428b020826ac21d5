//! Publishing what has become of each delivery, level-triggered: whatever is settled and not published yet.

use std::sync::Arc;
use std::time::Duration;

use daybook_runtime::admin::Health;
use daybook_runtime::retry::Advice;
use daybook_wire::{DeliveryOutcome, DeliveryResult};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::error::PublishError;
use crate::metrics::Metrics;
use crate::records::Records;
use crate::store::Store;

/// The name under which it beats.
const COMPONENT: &str = "outcomes";
/// How long outcomes are one process's to publish: as long as its producer tries (30 s), and twice that.
const CLAIM: Duration = Duration::from_secs(60);

/// The publisher.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub store: Store,
    pub records: Records,
    pub metrics: Metrics,
    pub health: Health,
    /// Rings when something was settled.
    pub bell: Arc<Notify>,
    pub batch: usize,
    pub poll: Duration,
}

impl Publisher {
    /// Publishes until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), PublishError> {
        self.health.enter(COMPONENT, 2 * CLAIM);
        while !shutdown.is_cancelled() {
            match self.round().await {
                Ok(count) => {
                    self.health.ready(COMPONENT);
                    if count == self.batch {
                        continue;
                    }
                }
                Err(error) => match error.advice() {
                    Advice::Stop => return Err(error),
                    Advice::Retry => {
                        self.health.waiting(COMPONENT, error.waits_for());
                        tracing::warn!(%error, "outcomes wait to be published");
                    }
                },
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.bell.notified() => {}
                () = tokio::time::sleep(self.poll) => {}
            }
        }
        Ok(())
    }

    /// Publishes one batch; says how many there were.
    async fn round(&self) -> Result<usize, PublishError> {
        let Some((claim, claimed)) = self.store.claim_outcomes(self.batch, CLAIM).await? else { return Ok(0) };
        let (acknowledged, failed) = self.records.publish(&claimed).await;
        let count = claimed.len();
        let published: Vec<DeliveryOutcome> =
            claimed.into_iter().take(acknowledged).map(|unpublished| unpublished.outcome).collect();
        if !published.is_empty() {
            self.store.published(claim, &published).await?;
        }
        for outcome in &published {
            self.metrics.outcomes_published_total.with_label_values(&[label(outcome.outcome)]).inc();
        }
        match failed {
            None => Ok(count),
            Some(error) => {
                self.store.disclaim_outcomes(claim).await?;
                Err(error)
            }
        }
    }
}

const fn label(result: DeliveryResult) -> &'static str {
    match result {
        DeliveryResult::Unknown => "unknown",
        DeliveryResult::Applied => "applied",
        DeliveryResult::Removed => "removed",
        DeliveryResult::NothingToShow => "nothing_to_show",
        DeliveryResult::Parked => "parked",
    }
}
