//! What follows from an attempt, in the row, on Kafka, in the log and in the metrics.

use std::time::Duration;

use daybook_domain::Timestamp;
use daybook_propagator_core::{BookingView, Settled};
use daybook_runtime::clock;
use daybook_runtime::postgres::StoreError;
use daybook_runtime::retry::{Ended, forever};
use daybook_runtime::trace::trace_id;
use daybook_wire::{DeliveryAttempt, DeliveryFailure};
use tokio::time::Instant;

use super::deliver::Subject;
use super::{Lane, millis};
use crate::metrics::GivenUp;
use crate::store::{Entry, Leased, Noted, Recorded};

/// The least time that a dead letter gets to be acknowledged, however late it is.
const LETTER_MIN: Duration = Duration::from_secs(2);
/// When to try again that could not be given up because Kafka was away.
const LETTER_RETRY: Duration = Duration::from_secs(30);

impl Lane {
    pub(super) async fn settle(
        &self,
        leased: &Leased,
        booking: &BookingView,
        entry: &Entry,
        noted: Option<&Noted>,
    ) -> Result<Recorded, Ended<StoreError>> {
        let (version, decided_at) = (booking.version, booking.decided_at);
        let recorded = self.persist(|| self.store.settle(leased, version, decided_at, entry, noted)).await?;
        if recorded == Recorded::LeaseLost {
            return Ok(recorded);
        }
        self.outcomes.notify_one();
        let target = self.target.as_str();
        let outcome = match entry {
            Entry::Told(Settled::Shown { .. }) => "applied",
            Entry::Told(Settled::Removed) => "removed",
            Entry::NeverTold => "nothing_to_show",
            Entry::AsBefore => "up_to_date",
        };
        if noted.is_some() {
            self.metrics.applied_total.with_label_values(&[target]).inc();
            // What is put right was shown in time before.
            if leased.repairs {
                self.metrics.drift_repaired_total.with_label_values(&[target]).inc();
            } else {
                let lag = clock::now().since(decided_at);
                self.metrics.shown_seconds.with_label_values(&[target]).observe(lag.as_secs_f64());
            }
        }
        tracing::info!(
            booking.id = %leased.booking_id,
            resource.id = %leased.resource,
            target,
            version,
            outcome,
            attempt = noted.map(|_| leased.attempts.saturating_add(1)),
            http.status = noted.and_then(|noted| noted.http_status),
            duration_ms = noted.map(|noted| millis(noted.duration)),
            trace.id = leased.traceparent.as_deref().and_then(trace_id),
            "delivery applied"
        );
        Ok(recorded)
    }

    pub(super) async fn retry(
        &self,
        subject: &Subject<'_>,
        noted: &Noted,
        in_doubt: bool,
        wait: Duration,
        counts: bool,
    ) -> Result<Recorded, Ended<StoreError>> {
        let leased = subject.leased;
        tracing::warn!(
            booking.id = %leased.booking_id,
            resource.id = %leased.resource,
            target = %self.target,
            version = subject.version,
            result = noted.result,
            attempt = leased.attempts.saturating_add(1),
            http.status = noted.http_status,
            duration_ms = millis(noted.duration),
            trace.id = leased.traceparent.as_deref().and_then(trace_id),
            "delivery not applied; it is tried again"
        );
        self.persist(|| self.store.retry(leased, subject.version, noted, in_doubt, wait, counts)).await
    }

    /// Dead letter first, acknowledged; then the row is parked. So a delivery that is given up is never given up in
    /// silence; after a crash between the two it is given up twice.
    pub(super) async fn give_up(
        &self,
        subject: &Subject<'_>,
        reason: GivenUp,
        noted: Option<&Noted>,
        in_doubt: bool,
        until: Instant,
    ) -> Result<Recorded, Ended<StoreError>> {
        let leased = subject.leased;
        if !self.persist(|| self.store.holds(leased)).await? {
            return Ok(Recorded::LeaseLost);
        }
        let mut attempts = self.persist(|| self.store.attempts(leased, subject.version)).await?;
        if let Some(noted) = noted {
            attempts.push(DeliveryAttempt {
                at: noted.at,
                result: noted.result.to_owned(),
                http_status: noted.http_status.map(i32::from),
            });
        }
        let now = clock::now();
        let failure = self.failure(subject, reason, attempts, now);
        let patience = until.saturating_duration_since(Instant::now()).max(LETTER_MIN);
        if let Err(error) = self.records.dead_letter(leased, &failure, reason, patience).await {
            tracing::warn!(%error, booking.id = %leased.booking_id, target = %self.target, "a dead letter waits for Kafka");
            let noted = noted.cloned().unwrap_or(Noted {
                at: now,
                result: reason.as_str(),
                http_status: None,
                duration: Duration::ZERO,
                wrote: false,
            });
            let later = || self.store.retry(leased, subject.version, &noted, in_doubt, LETTER_RETRY, false);
            return self.persist(later).await;
        }
        let park = || self.store.park(leased, subject.version, noted, in_doubt, reason.as_str());
        let recorded = self.persist(park).await?;
        if recorded == Recorded::Yes {
            self.outcomes.notify_one();
            self.metrics.dead_letters_total.with_label_values(&[self.kind.as_str(), reason.as_str()]).inc();
            tracing::error!(
                booking.id = %leased.booking_id,
                resource.id = %leased.resource,
                target = %self.target,
                version = subject.version,
                reason = reason.as_str(),
                attempt = leased.attempts.saturating_add(1),
                http.status = noted.and_then(|noted| noted.http_status),
                trace.id = leased.traceparent.as_deref().and_then(trace_id),
                "delivery given up; it is a dead letter"
            );
        }
        Ok(recorded)
    }

    fn failure(
        &self,
        subject: &Subject<'_>,
        reason: GivenUp,
        attempts: Vec<DeliveryAttempt>,
        failed_at: Timestamp,
    ) -> DeliveryFailure {
        let Subject { leased, version, operation } = subject;
        DeliveryFailure {
            booking_id: leased.booking_id,
            target: leased.target.clone(),
            target_kind: self.kind.as_str().to_owned(),
            resource: leased.resource.clone(),
            operation: *operation,
            desired_version: i64::try_from(*version).unwrap_or(i64::MAX),
            applied_version: leased.applied_version,
            external_id: leased.external_id().map(str::to_owned),
            reason: reason.as_str().to_owned(),
            attempts,
            failed_at,
        }
    }

    /// Something was sent and the lease was gone when it was to be recorded.
    pub(super) async fn look_again(&self, leased: &Leased) -> Result<(), Ended<StoreError>> {
        let target = self.target.as_str();
        self.metrics.leases_lost_total.with_label_values(&[target]).inc();
        tracing::warn!(booking.id = %leased.booking_id, target, "lease lost during a call; the target is looked at again");
        while !self.persist(|| self.store.look_again(leased)).await? {
            tokio::select! {
                () = self.shutdown.cancelled() => return Err(Ended::Cancelled),
                () = tokio::time::sleep(self.poll) => {}
            }
        }
        Ok(())
    }

    /// Waits for a store that is away. A lease that runs out meanwhile is still ours if nobody else has come.
    pub(super) async fn persist<T, F>(&self, call: impl FnMut() -> F) -> Result<T, Ended<StoreError>>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        forever(&self.shutdown, call, StoreError::advice, |error| {
            tracing::warn!(%error, target = %self.target, "a result waits for the store");
        })
        .await
    }
}
