//! Bookings that a source has promised its customer and Daybook has refused: called off there, where its target says so.
//!
//! Owns: that no more of them are called off within an hour than somebody has allowed. The next one stops the target, which only a
//! person lets go again: whatever refuses so many bookings of a source, a mistake in its settings, say, is not to cancel them all.
//! The compensation itself stays open until the source shows the booking gone.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use daybook_domain::{SourceName, TargetName};
use daybook_propagator_core::{Jitter, RetrySchedule, Settled, Step, next_step};
use daybook_runtime::admin::Health;
use daybook_runtime::clock;
use daybook_runtime::postgres::StoreError;
use daybook_runtime::retry::Advice;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::adapter::Adapter;
use crate::config::LEASE_MARGIN;
use crate::metrics::Metrics;
use crate::store::{Came, Due, Refused, Store};

/// One target's compensations.
#[derive(Debug)]
pub(crate) struct Compensator {
    pub target: TargetName,
    /// Whose bookings.
    pub source: SourceName,
    /// How many may be called off within an hour.
    pub most: NonZeroU32,
    pub adapter: Arc<Adapter>,
    pub schedule: RetrySchedule,
    pub lease: Duration,
    pub poll: Duration,
    pub history: Duration,
    pub store: Store,
    pub metrics: Metrics,
    pub health: Health,
    pub shutdown: CancellationToken,
}

impl Compensator {
    /// Calls off what is to be until shutdown.
    pub async fn run(self) -> Result<(), StoreError> {
        // Once a target and process: components are named for the life of the process.
        let component: &'static str = format!("compensations {}", self.target).leak();
        self.health.enter(component, Duration::from_secs(60) + self.lease);
        while !self.shutdown.is_cancelled() {
            let more = match self.step().await {
                Ok(more) => {
                    self.health.ready(component);
                    more
                }
                Err(error) if error.advice() == Advice::Retry => {
                    self.health.waiting(component, "PostgreSQL");
                    tracing::warn!(%error, target = %self.target, "compensations wait for the store");
                    false
                }
                Err(error) => return Err(error),
            };
            if !more {
                tokio::select! {
                    () = self.shutdown.cancelled() => {}
                    () = tokio::time::sleep(self.poll) => {}
                }
            }
            self.health.beat(component);
        }
        Ok(())
    }

    /// The next one, if there is one. Whether there was.
    async fn step(&self) -> Result<bool, StoreError> {
        let until = Instant::now() + self.lease.saturating_sub(LEASE_MARGIN);
        let due = self.store.take_refused(&self.target, &self.source, self.most.get(), self.lease).await?;
        let more = match due {
            Due::One(refused) => {
                self.adapter.turn().await;
                self.call_off(&refused, until).await?
            }
            Due::Stopped => {
                tracing::error!(
                    target = %self.target, source = %self.source, limit = self.most.get(),
                    "target stopped: too many refused bookings would be called off within an hour; find out why they are refused"
                );
                false
            }
            Due::Nothing => {
                self.store.forget_refused(self.history).await?;
                false
            }
        };
        let stopped = self.store.stopped_by_itself(&self.target).await?;
        self.metrics.compensations_stopped.with_label_values(&[self.source.as_str()]).set(i64::from(stopped));
        Ok(more)
    }

    /// One of them; whether the next one may follow at once.
    async fn call_off(&self, refused: &Refused, until: Instant) -> Result<bool, StoreError> {
        let number = u32::try_from(refused.attempts).unwrap_or(u32::MAX).saturating_add(1);
        let (came, result) = match self.adapter.call_off(&refused.name, refused.in_doubt, until).await {
            // It bears no name that leads to anybody: of a shape that we do not know, or forgotten.
            Err(_) => (Came::GivenUp("bad_name"), "bad_name"),
            Ok(ended) => {
                let (verdict, in_doubt) = (ended.conclusion.verdict, ended.conclusion.in_doubt);
                let now = clock::now();
                let later =
                    |until: daybook_domain::Timestamp| (Came::Later(until.since(now), in_doubt), verdict.as_str());
                match next_step(&self.schedule, number, &verdict, now, Jitter::new(rand::random())) {
                    Step::Done(Settled::Removed | Settled::Shown { .. }) => {
                        let by_us = ended.wrote || refused.in_doubt;
                        (Came::Off { by_us }, if by_us { "cancelled" } else { "gone" })
                    }
                    Step::RetryAt(time) => later(time),
                    Step::Pause { until, .. } => later(until),
                    Step::GiveUp(reason) | Step::Disable(reason) => (Came::GivenUp(reason.as_str()), reason.as_str()),
                }
            }
        };
        self.metrics.compensations_cancelled_total.with_label_values(&[self.source.as_str(), result]).inc();
        match came {
            Came::Off { .. } => tracing::info!(
                booking.id = %refused.booking_id, resource.id = refused.resource_id, source = %self.source, result,
                "refused booking called off at its source"
            ),
            Came::Later(..) => tracing::warn!(
                booking.id = %refused.booking_id, resource.id = refused.resource_id, source = %self.source, result,
                "refused booking not called off at its source; it is tried again"
            ),
            Came::GivenUp(_) => tracing::error!(
                booking.id = %refused.booking_id, resource.id = refused.resource_id, source = %self.source, result,
                "refused booking cannot be called off at its source; a person must do it"
            ),
        }
        self.store.settle_refused(&self.target, refused, came).await?;
        Ok(!matches!(came, Came::Later(..)))
    }
}
