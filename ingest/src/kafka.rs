//! The two ways to meet Kafka here: putting one event, and watching whether a broker answers.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use daybook_runtime::admin::Health;
use daybook_runtime::kafka::{Outgoing, Producer, ProducerError, Receipt};
use daybook_runtime::retry::Advice;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::breaker::Breaker;
use crate::error::Failure;
use crate::metrics::IngestMetrics;

/// The name under which the watch beats.
pub const COMPONENT: &str = "kafka";
/// Many rounds of the watch.
pub const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How often a broker is asked. Readiness is no faster than an orchestrator's own probes.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How long it may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Puts one event on the topic of the source of this name and waits for the acknowledgement, at most `within`.
pub async fn put(
    producer: &Producer,
    name: &str,
    breaker: &Breaker,
    outgoing: Outgoing<'_>,
    within: Duration,
    metrics: &IngestMetrics,
) -> Result<Receipt, Failure> {
    if !breaker.admits(Instant::now()) {
        return Err(Failure::KafkaUnavailable);
    }
    let error = match producer.send(outgoing) {
        // librdkafka gives up on its own, but looks at its clock only once a second.
        Ok(sending) => match timeout(within, sending.acknowledged()).await {
            Ok(Ok(receipt)) => {
                if breaker.succeeded() {
                    tracing::info!(source = name, "kafka takes events again");
                }
                metrics.kafka_available.with_label_values(&[name]).set(1);
                return Ok(receipt);
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        },
        Err(error) => Some(error),
    };
    if let Some(error) = error.as_ref().filter(|error| error.advice() == Advice::Stop) {
        if error.is_fatal() {
            return Err(Failure::KafkaDead);
        }
        // Not the breaker's business: another event of this source may pass.
        tracing::error!(error = chain(error), source = name, "kafka refuses an event; no retry will help");
        return Err(Failure::KafkaRefused);
    }
    if breaker.failed(Instant::now()) {
        let error = error.as_ref().map_or_else(|| "no acknowledgement in time".to_owned(), chain);
        tracing::warn!(error, source = name, "kafka takes no events; answering 503");
    }
    metrics.kafka_available.with_label_values(&[name]).set(0);
    Err(Failure::KafkaUnavailable)
}

fn chain(error: &ProducerError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// Asks for a broker until shutdown, and reports it as the service's readiness.
pub async fn watch(
    producer: Producer,
    topic: String,
    health: Health,
    shutdown: CancellationToken,
) -> Result<(), Infallible> {
    let mut rounds = interval(ASK_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        if producer.reaches_a_broker(&topic, ANSWER_WITHIN).await {
            health.ready(COMPONENT);
        } else {
            health.waiting(COMPONENT, "Kafka");
        }
    }
}
