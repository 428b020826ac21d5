//! The producer: idempotent, acks=all, and the partitioner of the Java client.

use std::time::Duration;

use daybook_wire::Headers;
use rdkafka::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _};

use super::client::KafkaConfig;
use super::topics::RECORD_BYTES_MAX;
use crate::metrics::CommonMetrics;
use crate::retry::Advice;

/// What a producer is for.
#[derive(Debug, Clone, Copy)]
pub struct ProducerSpec {
    /// How long a record may wait for its acknowledgement before it counts as not sent.
    pub timeout: Duration,
    /// How long the client gathers records into one batch.
    pub linger: Duration,
    /// Whether records of a partition form a log: none is ever given up, because the next would then leave a gap.
    /// `timeout` bounds nothing then.
    pub log: bool,
}

impl ProducerSpec {
    /// For callers who have a caller waiting: an answer within seconds, good or bad.
    pub const FRONT: Self = Self { timeout: Duration::from_secs(5), linger: Duration::from_millis(1), log: false };
    /// For callers who send again until it is done.
    pub const PIPELINE: Self = Self { timeout: Duration::from_secs(30), linger: Duration::from_millis(2), log: false };
    /// For what must arrive in order and without a gap.
    pub const LOG: Self = Self { timeout: Duration::from_secs(30), linger: Duration::from_millis(1), log: true };
}

/// A record to send.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Where to.
    pub topic: &'a str,
    /// Which partition; the key decides without it.
    pub partition: Option<i32>,
    /// The key; none for a record that must be spread.
    pub key: Option<&'a [u8]>,
    /// The value; none for a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: &'a Headers,
}

/// Where a record was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// Why a record is not known to be kept. It may be, all the same.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// The client's own buffer is full: the broker is slower than we are.
    #[error("the producer's queue is full")]
    QueueFull,
    /// The broker did not acknowledge it.
    #[error("the broker did not acknowledge the record")]
    NotAcknowledged(#[source] KafkaError),
}

impl ProducerError {
    /// Whether the client can never send again: only a new process can.
    pub fn is_fatal(&self) -> bool {
        let Self::NotAcknowledged(error) = self else { return false };
        matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::Fatal | RDKafkaErrorCode::Fenced))
    }

    /// What the caller does next. By name; an unknown error is tried again.
    pub fn advice(&self) -> Advice {
        let Self::NotAcknowledged(error) = self else { return Advice::Retry };
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidRecord
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::Fatal
                | RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::UnknownPartition,
            ) => Advice::Stop,
            _ => Advice::Retry,
        }
    }
}

struct Context(CommonMetrics);

impl ClientContext for Context {
    fn error(&self, error: KafkaError, _reason: &str) {
        let code = error.rdkafka_error_code().map_or_else(|| "other".to_owned(), |code| format!("{code:?}"));
        self.0.kafka_errors_total.with_label_values(&[&code]).inc();
    }
}

/// Sends records. Cheap to clone.
#[derive(Clone)]
pub struct Producer(FutureProducer<Context>);

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Producer")
    }
}

/// A record on its way: await it for the acknowledgement.
pub struct Sending(DeliveryFuture);

impl std::fmt::Debug for Sending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sending")
    }
}

impl Sending {
    /// Waits for the acknowledgement.
    pub async fn acknowledged(self) -> Result<Receipt, ProducerError> {
        match self.0.await {
            Ok(Ok(delivery)) => Ok(Receipt { partition: delivery.partition, offset: delivery.offset }),
            Ok(Err((error, _))) => Err(ProducerError::NotAcknowledged(error)),
            // The client has shut down and no longer tells.
            Err(_) => Err(ProducerError::NotAcknowledged(KafkaError::Canceled)),
        }
    }
}

impl Producer {
    /// Connects. Does not wait for a broker.
    pub fn start(kafka: &KafkaConfig, spec: ProducerSpec, metrics: &CommonMetrics) -> Result<Self, KafkaError> {
        let mut options = kafka.client();
        // No duplicates and no reordering within this producer's life; acks=all comes with it.
        options.set("enable.idempotence", "true");
        options.set("acks", "all");
        // Java's partitioner. librdkafka's own default (CRC32) would send a Java tool's record of the same resource
        // to another partition, and so to another arbiter.
        options.set("partitioner", "murmur2_random");
        // What the topics take: a body of 1 MiB with its headers around it.
        options.set("message.max.bytes", RECORD_BYTES_MAX.to_string());
        options.set("linger.ms", spec.linger.as_millis().to_string());
        if spec.log {
            // 0 is for ever: a record that timed out would be followed by the next, and that is a gap.
            options.set("message.timeout.ms", "0");
            // Should a batch fail for good all the same, stop with a fatal error rather than send the next.
            options.set("enable.gapless.guarantee", "true");
        } else {
            options.set("message.timeout.ms", spec.timeout.as_millis().to_string());
        }
        // Below the message timeout, so that a lost answer is asked for again within it.
        options.set("request.timeout.ms", (spec.timeout.as_millis() / 2).max(1_000).to_string());
        FutureProducer::from_config_and_context(&options, Context(metrics.clone())).map(Self)
    }

    /// Puts a record on its way. Records of one partition keep the order of these calls.
    pub fn send(&self, outgoing: Outgoing<'_>) -> Result<Sending, ProducerError> {
        let mut headers = OwnedHeaders::new_with_capacity(outgoing.headers.0.len());
        for (key, value) in &outgoing.headers.0 {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let mut record = FutureRecord::<[u8], [u8]>::to(outgoing.topic).headers(headers);
        record.key = outgoing.key;
        record.payload = outgoing.value;
        record.partition = outgoing.partition;
        self.0.send_result(record).map(Sending).map_err(|(error, _)| match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => ProducerError::QueueFull,
            _ => ProducerError::NotAcknowledged(error),
        })
    }

    /// Puts a record on its way, waiting for room in the queue.
    pub async fn send_when_room(&self, outgoing: Outgoing<'_>) -> Result<Sending, ProducerError> {
        loop {
            match self.send(outgoing) {
                Err(ProducerError::QueueFull) => tokio::time::sleep(Duration::from_millis(5)).await,
                result => return result,
            }
        }
    }

    /// Sends one record and waits for its acknowledgement.
    pub async fn send_and_wait(&self, outgoing: Outgoing<'_>) -> Result<Receipt, ProducerError> {
        self.send_when_room(outgoing).await?.acknowledged().await
    }

    /// Whether a broker answers within `timeout`. Asked on a thread that may block, because librdkafka's question does.
    pub async fn reaches_a_broker(&self, topic: &str, timeout: Duration) -> bool {
        let (producer, topic) = (self.0.clone(), topic.to_owned());
        let ask = move || producer.client().fetch_metadata(Some(&topic), timeout).is_ok();
        tokio::task::spawn_blocking(ask).await.unwrap_or(false)
    }
}
