//! The topics as Kafka has them, behind [`Topics`].

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use daybook_domain::{BookingId, topics};
use daybook_runtime::kafka::{
    Follower, KafkaConfig, Outgoing, Pace, Producer, ProducerError, ProducerSpec, Record, TailError, bounds, read_span,
};
use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::registry::{Registry, RegistryError};
use daybook_wire::{LoggedDecision, SCHEMAS, decode_booking, decode_decision, unframe};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::canonical::{Watch, WeakWatch};
use crate::error::Error;
use crate::intake::{self, Entry};
use crate::ports::{Post, Published, PublishedDecisions, Topics};

/// How long the topic's records may take to come.
const TAIL: Duration = Duration::from_secs(10);

/// The registry's ids of the schemas that the arbiter writes.
#[derive(Debug, Clone, Copy)]
pub struct Ids {
    /// Of `BookingRequest`.
    pub request: u32,
    /// Of `BookingDecision`.
    pub decision: u32,
    /// Of `Booking`.
    pub booking: u32,
}

impl Ids {
    /// Asks the registry.
    pub async fn resolve(registry: &Registry) -> Result<Self, RegistryError> {
        let [(request, request_text), (decision, decision_text), (booking, booking_text), ..] = SCHEMAS;
        Ok(Self {
            request: registry.id_of(request, request_text).await?,
            decision: registry.id_of(decision, decision_text).await?,
            booking: registry.id_of(booking, booking_text).await?,
        })
    }
}

type Watches = Arc<Mutex<BTreeMap<i32, WeakWatch>>>;

/// Kafka and the registry.
#[derive(Debug)]
pub struct KafkaTopics {
    kafka: KafkaConfig,
    registry: Registry,
    /// For what must arrive in order and without a gap.
    log: Producer,
    /// For everything else.
    side: Producer,
    follower: Follower,
    watches: Watches,
}

/// Why the topics cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// A producer could not be made.
    #[error(transparent)]
    Producer(#[from] daybook_runtime::kafka::KafkaError),
    /// The canonical topic cannot be followed.
    #[error(transparent)]
    Tail(#[from] TailError),
}

impl KafkaTopics {
    /// Connects. Must be called inside the asynchronous runtime. Does not wait for a broker.
    pub fn start(
        kafka: &KafkaConfig,
        registry: &Registry,
        metrics: &CommonMetrics,
        shutdown: CancellationToken,
    ) -> Result<Self, TopicsError> {
        let watches = Watches::default();
        let landing = Landing { registry: registry.clone(), handle: Handle::current(), watches: Arc::clone(&watches) };
        let follower = Follower::start(kafka, topics::CANONICAL, Pace::Leisurely, shutdown, move |record| {
            landing.landed(&record)
        })?;
        Ok(Self {
            kafka: kafka.clone(),
            registry: registry.clone(),
            log: Producer::start(kafka, ProducerSpec::LOG, metrics)?,
            side: Producer::start(kafka, ProducerSpec::PIPELINE, metrics)?,
            follower,
            watches,
        })
    }

    /// The producer for what is not part of a log.
    pub const fn side(&self) -> &Producer {
        &self.side
    }
}

/// A decision's record, read; none for what is no decision.
pub async fn read_decision(registry: &Registry, value: &[u8]) -> Result<Option<LoggedDecision>, RegistryError> {
    let Ok((id, datum)) = unframe(value) else { return Ok(None) };
    match registry.schema(id).await {
        Ok(schema) => Ok(decode_decision(&schema, datum).ok()),
        Err(RegistryError::Refused(_) | RegistryError::NotAvro { .. }) => Ok(None),
        Err(error @ RegistryError::Away(_)) => Err(error),
    }
}

/// The last `count` offsets of a partition of `booking.decisions`, and whether there are none before them.
pub fn read_back(kafka: &KafkaConfig, partition: i32, count: i64) -> Result<(Vec<Record>, bool), TailError> {
    let (begin, end) = bounds(kafka, topics::DECISIONS, &[partition], TAIL)?.remove(&partition).unwrap_or_default();
    let from = begin.max(end - count);
    let mut records = Vec::new();
    read_span(kafka, topics::DECISIONS, partition, (from, end), TAIL, |record| {
        records.push(record);
        ControlFlow::Continue(())
    })?;
    Ok((records, from == begin))
}

impl Topics for KafkaTopics {
    async fn read(&self, record: &Record) -> Result<Entry, RegistryError> {
        intake::read(&self.registry, record).await
    }

    async fn decision(&self, value: &[u8]) -> Result<Option<LoggedDecision>, RegistryError> {
        read_decision(&self.registry, value).await
    }

    async fn published_from(&self, partition: i32, seq: i64) -> Result<PublishedDecisions, Error> {
        let mut back = 1_000;
        loop {
            let kafka = self.kafka.clone();
            let read = tokio::task::spawn_blocking(move || read_back(&kafka, partition, back));
            let (records, whole) = read.await.map_err(|_| Error::Panicked)??;
            let mut found = PublishedDecisions::new();
            for record in records {
                let bytes = record.value.unwrap_or_default();
                let logged = read_decision(&self.registry, &bytes).await?;
                let no_decision =
                    || Error::Disagreement("booking.decisions holds a record that is no decision".to_owned());
                let published = Published { logged: logged.ok_or_else(no_decision)?, bytes };
                let at = published.logged.seq;
                if at >= seq
                    && let Some(other) = found.insert(at, published.clone())
                    && other != published
                {
                    return Err(Error::Disagreement(format!("booking.decisions holds two decisions of seq {at}")));
                }
            }
            // Older ones may have landed late, so that the lowest says nothing: the row must be without a gap.
            let gapless = found.keys().zip(seq..).all(|(found, expected)| *found == expected);
            if whole || (gapless && !found.is_empty()) {
                return Ok(found);
            }
            back *= 4;
        }
    }

    async fn put(&self, posts: &[Post]) -> Result<(), ProducerError> {
        let mut sending = Vec::with_capacity(posts.len());
        for post in posts {
            let is_log = post.topic == topics::DECISIONS || post.topic == topics::CANONICAL;
            let producer = if is_log { &self.log } else { &self.side };
            let outgoing = Outgoing {
                topic: post.topic,
                partition: post.partition,
                key: post.key.as_deref(),
                value: post.value.as_deref(),
                headers: &post.headers,
            };
            sending.push(producer.send_when_room(outgoing).await?);
        }
        for record in sending {
            record.acknowledged().await?;
        }
        Ok(())
    }

    fn watch_canonical(&self, partition: i32, from: i64, watch: &Watch) {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, watch.downgrade());
        self.follower.follow(partition, from);
    }
}

/// What happens when a record lands on `booking.canonical`. Runs on the follower's thread.
struct Landing {
    registry: Registry,
    handle: Handle,
    watches: Watches,
}

impl Landing {
    /// Breaks off once the partition's claim is over.
    fn landed(&self, record: &Record) -> ControlFlow<()> {
        let watch = {
            let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
            watches.get(&record.partition).and_then(WeakWatch::upgrade)
        };
        let Some(watch) = watch else { return ControlFlow::Break(()) };
        // A tombstone is an erasure, and last whatever it follows.
        if let Some(value) = &record.value {
            match self.read(value) {
                Some((booking, version)) => watch.landed(booking, version),
                None => {
                    let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
                    if let Some(booking) = key.and_then(|key| key.parse().ok()) {
                        watch.defaced(booking);
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn read(&self, value: &[u8]) -> Option<(BookingId, u64)> {
        let (id, datum) = unframe(value).ok()?;
        let schema = self.handle.block_on(self.registry.schema(id)).ok()?;
        let booking = decode_booking(&schema, datum).ok()?;
        Some((booking.booking_id, booking.version))
    }
}
