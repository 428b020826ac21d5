//! One delivery: what is to be told, the attempt, and what follows from its verdict.

use std::sync::Arc;
use std::time::Duration;

use daybook_propagator_core::{Action, BookingView, Jitter, Step, next_step};
use daybook_runtime::clock;
use daybook_runtime::postgres::StoreError;
use daybook_runtime::retry::{Advice, Ended};
use daybook_wire::DeliveryOperation;
use tokio::time::Instant;

use super::{Lane, Sign};
use crate::adapter::Attempt;
use crate::metrics::GivenUp;
use crate::store::{Entry, Leased, Noted, Recorded, WITHDRAWN};

/// What a call is about, for the dead letter.
pub(super) struct Subject<'a> {
    pub leased: &'a Leased,
    pub version: u64,
    pub operation: DeliveryOperation,
}

impl Lane {
    /// Makes one attempt and records it. What it has shown of the target.
    pub(super) async fn deliver(self: Arc<Self>, leased: Leased, until: Instant) -> Result<Sign, StoreError> {
        let mut brakes = self.brakes.clone();
        let done = tokio::select! {
            biased;
            // Nothing has been sent: whoever comes next can have it at once.
            () = self.shutdown.cancelled() => self.give_back(&leased).await,
            () = brakes.target_stopped(&self.target) => self.give_back(&leased).await,
            () = self.adapter.turn() => self.consider(&leased, until).await,
        };
        match done {
            Ok(sign) => Ok(sign),
            // Shutdown while the store was away: the lease runs out, and the doubt that came with it is looked into.
            Err(Ended::Cancelled) => Ok(Sign::None),
            Err(Ended::Stopped(error)) if error.advice() == Advice::Retry => Ok(Sign::None),
            Err(Ended::Stopped(error)) => Err(error),
        }
    }

    async fn give_back(&self, leased: &Leased) -> Result<Sign, Ended<StoreError>> {
        self.store.release(leased).await.map(|()| Sign::None).map_err(Ended::Stopped)
    }

    /// Where nothing is sent, it does not matter whether the lease was still ours when that was recorded.
    async fn consider(&self, leased: &Leased, until: Instant) -> Result<Sign, Ended<StoreError>> {
        let desired = u64::try_from(leased.desired_version).unwrap_or_default();
        let booking = match &leased.booking {
            Ok(booking) => booking,
            Err(column) => {
                tracing::error!(booking.id = %leased.booking_id, field = column, "the booking's row cannot be read");
                let subject = Subject { leased, version: desired, operation: DeliveryOperation::Unknown };
                let _ = self.give_up(&subject, GivenUp::Corrupt, None, leased.in_doubt, until).await?;
                return Ok(Sign::None);
            }
        };
        let Some(place) = &leased.place else {
            let rest = || self.store.park(leased, booking.version, None, leased.in_doubt, WITHDRAWN);
            let _ = self.persist(rest).await?;
            tracing::warn!(
                booking.id = %leased.booking_id, target = %self.target, resource.id = %leased.resource,
                "delivery rests: its resource is no longer shown by the target"
            );
            return Ok(Sign::None);
        };
        let action = self.adapter.plan(booking, &leased.source, place.fields, &leased.known);
        let (operation, settled) = match &action {
            Action::Put(_) => (DeliveryOperation::Put, None),
            Action::Remove(_) => (DeliveryOperation::Remove, None),
            Action::NothingToShow => (DeliveryOperation::Unknown, Some(Entry::NeverTold)),
            Action::UpToDate => (DeliveryOperation::Unknown, Some(Entry::AsBefore)),
        };
        if let Some(entry) = settled {
            let _ = self.settle(leased, booking, &entry, None).await?;
            return Ok(Sign::None);
        }
        let subject = Subject { leased, version: booking.version, operation };
        let attempt = Attempt {
            action: &action,
            known: &leased.known,
            tags: &booking.tags,
            tries: leased.attempts,
            doubt: leased.doubt,
            address: &place.address,
            name: leased.source_name.as_deref(),
            deadline: until,
            traceparent: leased.traceparent.as_deref(),
        };
        self.call(&subject, booking, &attempt).await
    }

    async fn call(
        &self,
        subject: &Subject<'_>,
        booking: &BookingView,
        attempt: &Attempt<'_>,
    ) -> Result<Sign, Ended<StoreError>> {
        let leased = subject.leased;
        let (at, began) = (clock::now(), Instant::now());
        let Ok(ended) = self.adapter.attempt(attempt).await else {
            let _ = self.give_up(subject, GivenUp::BadAddress, None, leased.in_doubt, attempt.deadline).await?;
            return Ok(Sign::None);
        };
        let verdict = ended.conclusion.verdict;
        let noted = Noted {
            at,
            result: verdict.as_str(),
            http_status: ended.status,
            duration: began.elapsed(),
            wrote: ended.wrote,
        };
        self.metrics.attempts_total.with_label_values(&[self.kind.as_str(), noted.result]).inc();
        let in_doubt = ended.conclusion.in_doubt;
        let number = leased.attempts.saturating_add(1);
        let now = clock::now();
        let step = next_step(&self.schedule, number, &verdict, now, Jitter::new(rand::random()));
        let sign = Sign::of(&verdict, &step);
        let recorded = match step {
            Step::Done(settled) => self.settle(leased, booking, &Entry::Told(settled), Some(&noted)).await?,
            Step::RetryAt(time) => self.retry(subject, &noted, in_doubt, time.since(now), true).await?,
            Step::Pause { until, .. } => self.retry(subject, &noted, in_doubt, until.since(now), false).await?,
            Step::Disable(_) => self.retry(subject, &noted, in_doubt, Duration::ZERO, false).await?,
            Step::GiveUp(reason) => {
                self.give_up(subject, GivenUp::By(reason), Some(&noted), in_doubt, attempt.deadline).await?
            }
        };
        if recorded == Recorded::LeaseLost {
            self.look_again(leased).await?;
        }
        Ok(sign)
    }
}
