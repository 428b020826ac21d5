//! Kafka and the schema registry, as a reader of the topics sees them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use daybook_domain::{Request, topics};
use daybook_runtime::kafka::{KafkaConfig, Producer, ProducerSpec, Record, read_all};
use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::prometheus;
use daybook_runtime::registry::{Registry, RegistryConfig};
use daybook_wire::{
    CanonicalBooking, LoggedDecision, Schema, decode_booking, decode_decision, decode_request, unframe,
};

/// The longest silence of a broker that is up.
const SILENCE: Duration = Duration::from_secs(20);

/// Reads topics, and decodes them by the registry.
#[derive(Debug, Clone)]
pub struct Kafka {
    config: KafkaConfig,
    registry: Registry,
    metrics: CommonMetrics,
}

impl Kafka {
    /// Connects when first used.
    pub fn new(brokers: &str, registry: &str) -> Result<Self> {
        let metrics = CommonMetrics::of("tests", &prometheus::Registry::new())?;
        let config = RegistryConfig { url: registry.to_owned(), username: None, password: None };
        Ok(Self {
            config: KafkaConfig { brokers: brokers.to_owned(), security: None, options: BTreeMap::new() },
            registry: Registry::new(&config, &metrics)?,
            metrics,
        })
    }

    /// How to reach the brokers.
    pub const fn config(&self) -> &KafkaConfig {
        &self.config
    }

    /// The registry.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// A producer like those of the services.
    pub fn producer(&self) -> Result<Producer> {
        Ok(Producer::start(&self.config, ProducerSpec::PIPELINE, &self.metrics)?)
    }

    /// Every record of a topic that is there now.
    pub async fn records(&self, topic: &str) -> Result<Vec<Record>> {
        let (config, topic) = (self.config.clone(), topic.to_owned());
        let read = move || {
            let mut records = Vec::new();
            read_all(&config, &topic, SILENCE, |record| records.push(record))?;
            records.sort_by_key(|record| (record.partition, record.offset));
            Ok(records)
        };
        tokio::task::spawn_blocking(read).await?
    }

    /// Every decision on `booking.decisions`, repeats included, partition by partition in order.
    pub async fn decisions(&self) -> Result<Vec<(Record, LoggedDecision)>> {
        self.decoded(topics::DECISIONS, decode_decision).await
    }

    /// Every state on `booking.canonical` that is there now, partition by partition in order.
    pub async fn canonical(&self) -> Result<Vec<(Record, CanonicalBooking)>> {
        self.decoded(topics::CANONICAL, decode_booking).await
    }

    /// Every record on `booking.requests`, with the request that it is, if it reads.
    pub async fn requests(&self) -> Result<Vec<(Record, Option<Request>)>> {
        let mut all = Vec::new();
        for record in self.records(topics::REQUESTS).await? {
            let request = match &record.value {
                Some(value) => self.decode(value, decode_request).await.ok(),
                None => None,
            };
            all.push((record, request));
        }
        Ok(all)
    }

    /// What can be decoded of one value.
    pub async fn decode<T, E>(&self, value: &[u8], decode: impl Fn(&Schema, &[u8]) -> Result<T, E>) -> Result<T>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let (id, datum) = unframe(value)?;
        Ok(decode(&*self.registry.schema(id).await?, datum)?)
    }

    async fn decoded<T, E>(
        &self,
        topic: &str,
        decode: impl Fn(&Schema, &[u8]) -> Result<T, E>,
    ) -> Result<Vec<(Record, T)>>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let mut all = Vec::new();
        for record in self.records(topic).await? {
            let value = record.value.clone().with_context(|| format!("{record:?} is a tombstone"))?;
            let decoded = self.decode(&value, &decode).await.with_context(|| format!("{record:?}"))?;
            all.push((record, decoded));
        }
        Ok(all)
    }
}
