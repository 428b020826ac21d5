//! The arbiter: decides every request exactly once.
//!
//! In: `booking.requests`, partition by partition. Out: one PostgreSQL transaction a batch (the fence, the position,
//! the bookings, the decisions), and only then `booking.decisions` and `booking.canonical`.
//! Owns: that an arbiter which lost its partition commits nothing, that no request is decided twice, and that what is
//! published is what is stored, in order and without a gap. Deciding itself is `arbiter-core`'s.
//! Absent on purpose: Kafka transactions (the store is the one place of exactness), a wall clock in any decision, and
//! calls to anything but PostgreSQL inside the transaction.

mod batch;
mod cache;
mod canonical;
mod compensation;
mod config;
mod error;
mod expiry;
mod fate;
mod fault;
mod gather;
mod intake;
mod metrics;
mod note;
mod ownership;
mod patience;
mod plan;
mod ports;
mod publish;
mod recover;
#[cfg(test)]
mod simulation;
mod store;
mod topics;
mod worker;
mod written;

use std::sync::Arc;

use daybook_domain::topics::REQUESTS;
use daybook_runtime::kafka::{Consumer, ConsumerSpec};
use daybook_runtime::registry::Registry;
use daybook_runtime::retry;
use daybook_runtime::service::Service;
use tokio::sync::Semaphore;

use cache::Budget;
pub use config::Config;
use expiry::Owned;
use metrics::Metrics;
use ownership::Epochs;
use store::Store;
use topics::{Ids, KafkaTopics};
use worker::{Feed, Worker};

/// Sets the arbiter going.
pub async fn start(config: Config, service: &Service) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let metrics = Metrics::new(&service.registry)?;
    let registry = Registry::new(&config.registry, &service.metrics)?;
    let store = Store::new(config.postgres.pool_with("daybook arbiter", &store::SESSION)?, service.metrics.clone());
    let shutdown = service.life.shutdown().clone();
    let topics = KafkaTopics::start(&config.kafka, &registry, &service.metrics, shutdown)?;
    let side = topics.side().clone();
    let owned = Owned::default();

    service.health.enter(worker::COMPONENT, std::time::Duration::from_secs(120));
    service.health.waiting(worker::COMPONENT, "the schema registry");
    let (life, health) = (service.life.clone(), service.health.clone());
    let service = service.clone();
    service.life.clone().spawn("arbiter", async move {
        let shutdown = life.shutdown().clone();
        let ids = retry::forever(
            &shutdown,
            async || Ids::resolve(&registry).await,
            daybook_runtime::registry::RegistryError::advice,
            |error| tracing::warn!(%error, "waiting for the schema registry"),
        );
        let ids = match ids.await {
            Ok(ids) => ids,
            Err(retry::Ended::Cancelled) => return Ok(()),
            Err(retry::Ended::Stopped(error)) => return Err(error.into()),
        };
        health.waiting(worker::COMPONENT, "partitions");
        let epochs = Epochs::new(store.clone(), config.kafka.clone(), registry.clone(), &service, metrics.clone());
        let spec = ConsumerSpec {
            group: "daybook-arbiter".to_owned(),
            topics: vec![REQUESTS.to_owned()],
            // As many again wait, read, for their turn.
            queue: config.arbiter.batch_max.div_ceil(2),
            session_timeout: config.arbiter.session_timeout,
        };
        let mut consumer = Consumer::start(&config.kafka, &spec, epochs, &life, &health, &service.metrics)?;
        life.spawn(
            "expiry",
            expiry::run(
                config.arbiter.expire_every,
                store.clone(),
                side,
                ids,
                owned.clone(),
                health.clone(),
                shutdown.clone(),
            ),
        );
        life.spawn("decision partitions", store::keep_decision_partitions(store.clone(), shutdown.clone()));
        let worker = Arc::new(Worker {
            books: store,
            topics,
            ids,
            batch_max: config.arbiter.batch_max,
            turns: Semaphore::new(config.arbiter.turns),
            budget: Budget::new(config.arbiter.cache_bookings),
            owned,
            life: life.clone(),
            health: health.clone(),
            metrics,
        });
        while let Some(mut partition) = consumer.partitions.recv().await {
            health.ready(worker::COMPONENT);
            let worker = Arc::clone(&worker);
            life.spawn("partition", async move {
                let feed = Feed { records: &mut partition.records, revoked: &partition.revoked };
                let progress = &partition.progress;
                worker.run(&partition.claim, feed, |offset| progress.done_below(offset)).await
            });
        }
        consumer.join().await;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    });
    Ok(())
}
