//! What is counted and logged of a committed batch. Ids and words only, never a person.

use daybook_domain::Outcome;
use daybook_runtime::clock;
use tokio::time::Instant;

use crate::batch::{Decided, Ready};
use crate::worker::Worker;

impl<B, T> Worker<B, T> {
    pub(crate) fn note(&self, decided: &Decided, began: Instant) {
        self.metrics.repeats_total.inc_by(decided.repeats);
        self.metrics.batch_seconds.observe(began.elapsed().as_secs_f64());
        #[allow(clippy::cast_precision_loss, reason = "a batch has at most thousands of records")]
        self.metrics.batch_records.observe(decided.decisions.len() as f64);
        let now = clock::now();
        for ready in &decided.decisions {
            let decision = &ready.logged.decision;
            let (operation, outcome) = (decision.operation.as_str(), decision.outcome.as_str());
            let reason = decision.outcome.reason().unwrap_or("");
            self.metrics.decisions_total.with_label_values(&[operation, outcome, reason]).inc();
            let age = now.since(decision.received_at).as_secs_f64();
            self.metrics.received_to_committed_seconds.observe(age);
            tracing::info!(
                request.id = %decision.request_id,
                resource.id = %decision.resource,
                booking.id = ready.booking_id.map(tracing::field::display),
                source = %decision.source,
                operation,
                outcome,
                reason,
                kafka.partition = ready.logged.partition,
                kafka.offset = ready.logged.offset,
                seq = ready.logged.seq,
                trace.id = ready.traceparent.as_deref().and_then(daybook_runtime::trace::trace_id),
                "decision committed"
            );
            warn(ready);
        }
    }
}

/// What a person has to look at.
fn warn(ready: &Ready) {
    let decision = &ready.logged.decision;
    let winner = decision.outcome.winner();
    if decision.opens_compensation() {
        tracing::warn!(
            request.id = %decision.request_id,
            resource.id = %decision.resource,
            booking.id = decision.wanted.as_ref().map(|wanted| tracing::field::display(wanted.booking_id)),
            winner.id = winner.map(|winner| tracing::field::display(winner.booking_id)),
            source = %decision.source,
            reason = decision.outcome.reason(),
            "compensation opened: a refused booking is live at its source"
        );
    } else if let Outcome::Flagged(winner) = &decision.outcome {
        tracing::warn!(
            request.id = %decision.request_id,
            resource.id = %decision.resource,
            booking.id = ready.booking_id.map(tracing::field::display),
            winner.id = %winner.booking_id,
            source = %decision.source,
            reason = decision.outcome.reason(),
            "flagged: time that is taken elsewhere lies over a booking"
        );
    }
}
