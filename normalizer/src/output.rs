//! What goes out: requests and dead letters as Kafka records, sent until the broker has them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use daybook_domain::{Request, Timestamp, topics};
use daybook_runtime::admin::Health;
use daybook_runtime::kafka::{Outgoing, Producer, ProducerError, RECORD_CONTENT_MAX, Record};
use daybook_runtime::retry::{Advice, Ended, forever};
use daybook_runtime::trace;
use daybook_wire::{DeadLetter, Headers, SourceEvent, encode_request, frame, header};
use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::error::Verdict;
use crate::health;
use crate::metrics::NormalizerMetrics;

/// A record to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    topic: &'static str,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Headers,
}

impl Outbound {
    /// A request, on its resource's key.
    pub fn request(request: &Request, event: &SourceEvent, schema: u32) -> Self {
        let mut headers = Headers::new();
        headers.set(header::CE_ID, event.id.as_str());
        headers.set(header::CE_SOURCE, event.source.as_str());
        // An upstream system may have written anything there.
        let traceparent = event.traceparent.as_deref().filter(|text| trace::trace_id(text).is_some());
        headers.set_some(header::TRACEPARENT, traceparent);
        headers.set(header::RECEIVED_AT, event.received_at.to_string());
        Self {
            topic: topics::REQUESTS,
            key: Some(request.resource.as_str().as_bytes().to_vec()),
            value: Some(frame(schema, &encode_request(request))),
            headers,
        }
    }

    /// A dead letter: the record as it came, and why.
    pub fn dead_letter(record: &Record, verdict: &Verdict, tries: u32, first_failed_at: Timestamp) -> Self {
        let letter = DeadLetter {
            topic: record.topic.to_string(),
            partition: record.partition,
            offset: record.offset,
            stage: "normalizer",
            reason: verdict.reason.as_str(),
            message: format!("{}: {}", verdict.field, verdict.problem),
            item: verdict.item,
            attempts: tries,
            first_failed_at,
        };
        let (key, value) = (record.key.as_deref(), record.value.clone());
        let (value, headers) = letter.around(key, value, &record.headers, RECORD_CONTENT_MAX);
        Self { topic: topics::DLQ_NORMALIZER, key: record.key.clone(), value, headers }
    }

    /// As the producer takes it.
    pub fn as_sent(&self) -> Outgoing<'_> {
        Outgoing {
            topic: self.topic,
            partition: None,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
        }
    }
}

/// The way out.
#[derive(Debug, Clone)]
pub struct Output {
    producer: Producer,
    health: Health,
    metrics: NormalizerMetrics,
}

impl Output {
    /// Through this producer.
    pub const fn new(producer: Producer, health: Health, metrics: NormalizerMetrics) -> Self {
        Self { producer, health, metrics }
    }

    /// Sends all of these, again and again until the broker has each, or until `revoked`. What is sent twice has the
    /// same id twice.
    pub async fn send(&self, outbound: &[Outbound], revoked: &CancellationToken) -> Result<(), Ended<ProducerError>> {
        let open = Mutex::new(outbound.iter().collect());
        let rounds = forever(
            revoked,
            || self.round(&open),
            ProducerError::advice,
            |error| {
                self.metrics.retries_total.with_label_values(&["kafka"]).inc();
                self.health.waiting(health::OUTPUT, "Kafka");
                tracing::warn!(%error, "output was not acknowledged; sending it again");
            },
        );
        tokio::select! {
            result = rounds => result,
            () = revoked.cancelled() => Err(Ended::Cancelled),
        }
    }

    /// Sends all that are open and waits for all of them; leaves open what was not acknowledged.
    async fn round(&self, open: &Mutex<Vec<&Outbound>>) -> Result<(), ProducerError> {
        let sending = std::mem::take(&mut *lock(open));
        let mut sent = Vec::with_capacity(sending.len());
        for outbound in sending {
            sent.push((outbound, self.producer.send_when_room(outbound.as_sent()).await));
        }
        let results = join_all(sent.into_iter().map(async |(outbound, sending)| match sending {
            Ok(sending) => (outbound, sending.acknowledged().await.err()),
            Err(error) => (outbound, Some(error)),
        }));
        let mut worst: Option<ProducerError> = None;
        for (outbound, error) in results.await {
            let Some(error) = error else { continue };
            lock(open).push(outbound);
            // One that no retry mends is not hidden by another that some will.
            if worst.as_ref().is_none_or(|worst| worst.advice() == Advice::Retry) {
                worst = Some(error);
            }
        }
        worst.map_or(Ok(()), Err)
    }
}

fn lock<'m, 'o>(open: &'m Mutex<Vec<&'o Outbound>>) -> MutexGuard<'m, Vec<&'o Outbound>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}
