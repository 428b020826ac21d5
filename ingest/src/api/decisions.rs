//! Decisions, for whoever waits for one here, and for whoever asks later: heard on `booking.decisions`, found in the store.
//!
//! Owns: that a decision which was committed is found, by whichever process is asked. Somebody who waits takes a place
//! first and looks into the store afterwards: what was decided before is found there, and what is decided later is heard.

mod follow;
mod recall;
mod waiters;

use std::sync::Arc;
use std::time::Duration;

use daybook_domain::{BookingId, RequestId, ResourceId};
use daybook_runtime::kafka::KafkaConfig;
use daybook_runtime::registry::Registry;
use daybook_runtime::service::Service;
use daybook_wire::LoggedDecision;
use sqlx::PgPool;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use recall::Unknown;
pub use waiters::{Decided, Ticket};

use self::waiters::Waiters;
use super::metrics::ApiMetrics;

/// The decisions.
#[derive(Debug)]
pub struct Decisions {
    store: PgPool,
    registry: Registry,
    waiters: Waiters,
    metrics: ApiMetrics,
    shutdown: CancellationToken,
}

impl Decisions {
    /// Begins to follow them. At most `places` wait at once.
    pub fn start(
        kafka: &KafkaConfig,
        registry: Registry,
        store: PgPool,
        places: usize,
        metrics: ApiMetrics,
        service: &Service,
    ) -> Self {
        let waiters = Waiters::new(places);
        let shutdown = service.life.shutdown().clone();
        let follow = follow::follow(kafka.clone(), registry.clone(), waiters.clone(), shutdown.clone());
        service.life.spawn("decisions", follow);
        Self { store, registry, waiters, metrics, shutdown }
    }

    /// A place to wait for the decision on a request: take it before the request can have been decided. None if every
    /// place is taken.
    pub fn enter(&self, resource: &ResourceId, request_id: RequestId) -> Option<Ticket> {
        let ticket = self.waiters.enter(resource, request_id);
        self.count();
        ticket
    }

    /// The decision on a request that was made by now.
    pub async fn recall(&self, request_id: RequestId) -> Result<Option<Decided>, Unknown> {
        recall::recall(&self.store, &self.registry, request_id).await.map(|found| found.map(Arc::new))
    }

    /// What was decided on a booking by now, oldest first.
    pub async fn history(&self, booking: BookingId) -> Result<Vec<LoggedDecision>, Unknown> {
        recall::history(&self.store, &self.registry, booking).await
    }

    /// The decision for this ticket, once it is made, at most after `wait`. At the end the store is asked, too: it may have
    /// been decided and not been heard. A stop of the process ends every wait.
    pub async fn within(&self, mut ticket: Ticket, wait: Duration) -> Option<Decided> {
        let heard = tokio::select! {
            heard = timeout(wait, ticket.decided()) => heard.ok().flatten(),
            () = self.shutdown.cancelled() => None,
        };
        let request_id = ticket.request_id();
        drop(ticket);
        self.count();
        if heard.is_some() {
            return heard;
        }
        let found = self.recall(request_id).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "nobody can say what was decided yet");
            None
        });
        if found.is_some() {
            self.metrics.unheard_total.inc();
        }
        found
    }

    fn count(&self) {
        self.metrics.waiting.set(i64::try_from(self.waiters.len()).unwrap_or(i64::MAX));
    }
}
