//! What the normalizer counts; and the one place where a dead letter and a field that nobody declared are both counted
//! and logged.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use daybook_domain::Timestamp;

use crate::batch::{EventResult, Tally};
use crate::error::Verdict;

daybook_runtime::metrics! {
    /// What the normalizer counts.
    pub struct NormalizerMetrics("daybook_normalizer") {
        /// Events that are finished, by source and result: `normalized` (requests, or rightly nothing), `partly` (some of
        /// its items are dead letters), `dead_lettered` (nothing else came of it).
        events_total: IntCounterVec["source", "result"],
        /// Requests that Kafka has, by operation.
        requests_total: IntCounterVec["source", "operation"],
        /// Dead letters by source and reason. Alert on any `internal` (a fault of ours); on unknown_resource (an alias is
        /// missing: add it, then replay); and when another reason rises on a source (its format has changed).
        dead_letters_total: IntCounterVec["source", "reason"],
        /// Items that were rightly passed over.
        ignored_total: IntCounterVec["source", "reason"],
        /// Fields in payloads that nobody declared. Alert when it rises on a source that was quiet: its format is
        /// changing.
        drift_fields_total: IntCounterVec["source"],
        /// Events that wait for their booking to become known. Alert when it stays above zero for minutes.
        unplaced: IntGaugeVec["source"],
        /// Time from an event's arrival at ingest to its requests being on Kafka, in seconds. Alert above 60.
        record_age_seconds: HistogramVec["source"],
        /// Records that were worked on together.
        batch_records: Histogram,
        /// Calls that failed and are made again, by what was called: postgresql, kafka, registry.
        retries_total: IntCounterVec["dependency"],
    }
}

/// More paths than all sources together ever grow at once. Beyond it they are counted and not logged.
const SEEN_MAX: usize = 500;

/// The fields that nobody declared and that were logged once.
#[derive(Debug, Clone, Default)]
pub struct SeenDrift(Arc<Mutex<BTreeSet<(String, String)>>>);

impl SeenDrift {
    /// Counts these, and logs each the first time.
    pub fn note(&self, metrics: &NormalizerMetrics, source: &str, paths: &BTreeSet<String>) {
        if paths.is_empty() {
            return;
        }
        metrics.drift_fields_total.with_label_values(&[source]).inc_by(paths.len() as u64);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for path in paths {
            if seen.len() < SEEN_MAX && seen.insert((source.to_owned(), path.clone())) {
                tracing::info!(source, field = path, "a payload has a field that nobody declared");
            }
        }
    }
}

impl NormalizerMetrics {
    /// What came of a look at an event, now that Kafka has it.
    pub fn looked(&self, source: &str, tally: &Tally, now: Timestamp) {
        for operation in &tally.operations {
            self.requests_total.with_label_values(&[source, operation.as_str()]).inc();
        }
        for reason in &tally.ignored {
            self.ignored_total.with_label_values(&[source, reason.as_str()]).inc();
        }
        for verdict in &tally.verdicts {
            self.dead_lettered(source, tally, verdict);
        }
        if let Some(result) = tally.result {
            self.events_total.with_label_values(&[source, result.as_str()]).inc();
            let age = now.since(tally.received_at).as_secs_f64();
            self.record_age_seconds.with_label_values(&[source]).observe(age);
        }
        tracing::info!(
            source,
            event.id = tally.event_id,
            kafka.partition = tally.partition,
            kafka.offset = tally.offset,
            trace.id = tally.trace_id,
            records = tally.operations.len(),
            outcome = tally.result.map_or("waits", EventResult::as_str),
            "event normalized"
        );
    }

    fn dead_lettered(&self, source: &str, tally: &Tally, verdict: &Verdict) {
        let reason = verdict.reason.as_str();
        self.dead_letters_total.with_label_values(&[source, reason]).inc();
        tracing::info!(
            source,
            event.id = tally.event_id,
            reason,
            field = verdict.field,
            kafka.partition = tally.partition,
            kafka.offset = tally.offset,
            trace.id = tally.trace_id,
            "event dead-lettered"
        );
    }
}
