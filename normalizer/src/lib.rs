//! The normalizer: source events become requests.
//!
//! In: the records of every `raw.<source>`, trusted in nothing. Out: `booking.requests`, keyed by resource, and
//! `dlq.normalizer`, with the original bytes and the reason.
//! Owns: "no record is passed over": a partition's position moves past a record only when Kafka has everything that came
//! of it (see `frontier.rs`); and "nothing that is away is poison": while PostgreSQL, Kafka or the registry is away, a
//! partition waits and says for what.
//! Absent on purpose: what a payload means (`daybook-normalizer-core`), and exactly-once: after a crash the same record
//! makes the same requests again, and the arbiter knows them by their ids.

mod aside;
mod batch;
mod config;
mod error;
mod event;
mod frontier;
mod health;
mod lookup;
mod metrics;
mod output;
mod stage;
mod worker;

use daybook_runtime::kafka::{Producer, ProducerSpec};
use daybook_runtime::registry::Registry;
use daybook_runtime::service::Service;

pub use config::{Config, NormalizerConfig, SourceConfig};
pub use error::StageError;

use crate::lookup::Lookup;
use crate::metrics::{NormalizerMetrics, SeenDrift};
use crate::output::Output;
use crate::stage::{Shared, Sources, Stage};

/// Sets the service going.
pub async fn start(config: Config, service: &Service) -> Result<(), StageError> {
    let metrics = NormalizerMetrics::new(&service.registry)?;
    let producer = Producer::start(&config.kafka, ProducerSpec::PIPELINE, &service.metrics)?;
    let pool = config.postgres.pool("daybook normalizer")?;
    let registry = Registry::new(&config.registry, &service.metrics)?;
    health::enter(&service.health);
    let watch = health::watch(pool.clone(), producer.clone(), service.health.clone(), service.life.shutdown().clone());
    service.life.spawn("watch", watch);

    let shared = Shared {
        sources: Sources::new(&config.sources)?,
        key: config.normalizer.key()?,
        lookup: Lookup::new(pool, service.metrics.clone()),
        output: Output::new(producer, service.health.clone(), metrics.clone()),
        health: service.health.clone(),
        metrics,
        seen: SeenDrift::default(),
        batch_max: config.normalizer.batch_max,
        patience: config.normalizer.patience(),
    };
    let stage = Stage::new(config, registry, service.clone(), shared);
    service.life.spawn("stage", stage.run());
    Ok(())
}
