//! From partitions to workers: learn the schema's id, join the group, run one worker for each partition that is ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use daybook_domain::{SourceName, topics};
use daybook_format::Format;
use daybook_normalizer_core::ContactKey;
use daybook_runtime::admin::Health;
use daybook_runtime::kafka::{Consumer, ConsumerSpec, FromGroup};
use daybook_runtime::registry::{Registry, RegistryError};
use daybook_runtime::retry::{Ended, forever};
use daybook_runtime::service::Service;
use daybook_wire::SCHEMAS;

use crate::aside::Patience;
use crate::config::{Config, SourceConfig};
use crate::error::StageError;
use crate::health;
use crate::lookup::Lookup;
use crate::metrics::{NormalizerMetrics, SeenDrift};
use crate::output::Output;
use crate::worker::Worker;

/// The registry's name for the schema of requests.
const SUBJECT: &str = "booking.requests-value";

/// A source, as its topic's worker needs it.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name.
    pub name: SourceName,
    /// What it sends.
    pub format: Format,
}

/// The sources, by topic.
#[derive(Debug)]
pub struct Sources(BTreeMap<String, Source>);

impl Sources {
    /// As configured, and the API, which is there in every installation.
    pub fn new(configured: &BTreeMap<String, SourceConfig>) -> Result<Self, StageError> {
        let placed = |source: Source| (topics::raw(&source.name), source);
        let source = |(name, config): (&String, &SourceConfig)| {
            let format = Format::new(&config.kind, config.description.as_ref());
            let format = format.map_err(|faults| StageError::Format { of: name.clone(), faults })?;
            Ok(placed(Source { name: name.parse()?, format }))
        };
        let mut sources: BTreeMap<_, _> = configured.iter().map(source).collect::<Result<_, StageError>>()?;
        sources.extend([placed(Source { name: SourceName::api(), format: Format::Api })]);
        Ok(Self(sources))
    }
}

/// What the workers share.
#[derive(Debug)]
pub struct Shared {
    /// The sources.
    pub sources: Sources,
    /// The key of people's pseudonyms.
    pub key: ContactKey,
    /// What is known.
    pub lookup: Lookup,
    /// The way out.
    pub output: Output,
    /// Where to say what is waited for.
    pub health: Health,
    /// What is counted.
    pub metrics: NormalizerMetrics,
    /// Fields that were logged once.
    pub seen: SeenDrift,
    /// Records at once.
    pub batch_max: usize,
    /// How long an event may wait for its booking.
    pub patience: Patience,
}

/// The stage.
#[derive(Debug)]
pub struct Stage {
    config: Config,
    registry: Registry,
    service: Service,
    shared: Shared,
}

impl Stage {
    /// A stage that has not begun.
    pub const fn new(config: Config, registry: Registry, service: Service, shared: Shared) -> Self {
        Self { config, registry, service, shared }
    }

    /// Works until shutdown.
    pub async fn run(self) -> Result<(), StageError> {
        // Before joining the group: a partition stays with those who can work on it.
        let schema = match self.schema_id().await {
            Ok(schema) => schema,
            Err(Ended::Cancelled) => return Ok(()),
            Err(Ended::Stopped(error)) => return Err(error.into()),
        };
        let Self { config, service, shared, .. } = self;
        let spec = ConsumerSpec {
            group: topics::GROUP_NORMALIZER.to_owned(),
            topics: shared.sources.0.keys().cloned().collect(),
            queue: shared.batch_max,
            session_timeout: config.normalizer.session_timeout,
        };
        let (life, health, metrics) = (&service.life, &service.health, &service.metrics);
        let mut consumer = Consumer::start(&config.kafka, &spec, FromGroup, life, health, metrics)?;
        let shared = Arc::new(shared);
        // Ends when the consumer's thread does.
        while let Some(partition) = consumer.partitions.recv().await {
            // The group gives no partition of a topic that was not subscribed to.
            let Some(source) = shared.sources.0.get(&*partition.at.topic).cloned() else { continue };
            life.spawn("worker", Worker::new(partition, source, schema, Arc::clone(&shared)).run());
        }
        consumer.join().await;
        Ok(())
    }

    async fn schema_id(&self) -> Result<u32, Ended<RegistryError>> {
        let text = SCHEMAS.iter().find(|(subject, _)| *subject == SUBJECT).map_or("", |(_, text)| text);
        let found = forever(
            self.service.life.shutdown(),
            || self.registry.id_of(SUBJECT, text),
            RegistryError::advice,
            |error| {
                self.shared.metrics.retries_total.with_label_values(&["registry"]).inc();
                self.shared.health.waiting(health::REGISTRY, "the schema registry");
                tracing::warn!(%error, "waiting for the schema registry");
            },
        );
        let id = found.await?;
        self.shared.health.ready(health::REGISTRY);
        Ok(id)
    }
}
