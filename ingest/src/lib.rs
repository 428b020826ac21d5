//! Ingest: the only door.
//!
//! In: webhooks, `POST /webhooks/<source>`, the API, `/v1`, the states that webhooks only speak of (`fetch.rs`), or that
//! their vendor lists (`listing.rs`), and calendars (`poll.rs`). Out: a webhook's bytes, a state's, and what has changed in a calendar, on `raw.<source>`, named by
//! CloudEvents headers; answers to the API's callers (`api.rs`).
//! Owns: "2xx means that the broker has it" (acks=all), "only what was signed passes", and bounds: of bodies, of
//! connections, of requests at once, of what a stranger can make it log.
//! Absent on purpose: any judgement of a webhook's body (the normalizer's), and a flush at shutdown: a request is answered only
//! after its acknowledgement, and one that was not answered is the sender's to repeat.

mod account;
pub mod api;
mod body;
mod breaker;
mod config;
mod descriptors;
mod dry_run;
mod error;
mod fetch;
mod http;
mod idle;
mod kafka;
mod line_budget;
mod listing;
mod metrics;
mod poll;
mod server;
mod source;
mod trail;
mod vendor;
mod watched;

use std::net::SocketAddr;
use std::sync::Arc;

use daybook_runtime::brake;
use daybook_runtime::kafka::{Producer, ProducerSpec};
use daybook_runtime::postgres::PostgresConfig;
use daybook_runtime::registry::Registry;
use daybook_runtime::reread;
use daybook_runtime::service::Service;

pub use api::ApiConfig;
pub use config::{Config, IngestConfig, SourceConfig};
pub use error::StartError;
pub use poll::PollConfig;
pub use vendor::SourceApiConfig;

use crate::api::Api;
use crate::http::Door;
use crate::metrics::IngestMetrics;
use crate::source::Sources;

/// Connections to the store that the reading of calendars may hold: its statements are short, and most of its time is a
/// vendor's.
const POLLING_CONNECTIONS: u32 = 4;

/// Sets the service going: the door, and the watch on Kafka. Comes back, with the door's address, once it listens.
pub async fn start(config: Config, service: &Service) -> Result<SocketAddr, StartError> {
    let metrics = IngestMetrics::new(&service.registry)?;
    let sources = Arc::new(Sources::new(&config.sources)?);
    let held = Arc::clone(&sources);
    reread::watch(service, &config, Config::key_files, move |fresh| {
        // Settings that are read are sound, and a key file that has changed since is read again.
        if let Ok(fresh) = Sources::new(&fresh.sources) {
            held.renew(&fresh);
        }
    });
    let spec = ProducerSpec { timeout: config.ingest.acknowledge_timeout, ..ProducerSpec::FRONT };
    let producer = Producer::start(&config.kafka, spec, &service.metrics)?;
    let listen = config.ingest.listen;
    let listener = server::listen(listen).map_err(|source| StartError::Listen { listen, source })?;
    let address = listener.local_addr().map_err(|source| StartError::Listen { listen, source })?;

    service.health.enter(kafka::COMPONENT, kafka::SILENCE_MAX);
    // Connects when it is first asked, so that webhooks come in whether or not the store is up.
    // Compiling a plan takes longer than any of the API's look-ups.
    let store = config.postgres.pool_with("daybook-ingest", &[("jit", "off")])?;
    let parts = api::Parts {
        config: config.api,
        body_timeout: config.ingest.body_timeout,
        acknowledge_timeout: config.ingest.acknowledge_timeout,
        registry: Registry::new(&config.registry, &service.metrics)?,
        kafka: config.kafka.clone(),
        store: store.clone(),
        producer: producer.clone(),
        door_metrics: metrics.clone(),
    };
    let api = Api::start(parts, service)?;
    let raw_topics = sources.all().map(|source| source.topic.clone()).collect();
    trail::start(&config.kafka, raw_topics, &store, &api.metrics, service)?;

    let (asked, paused) = (sources.asked(), metrics.sources_paused.clone());
    let brakes = brake::watch(store.clone(), service, move |braked| {
        for source in &asked {
            paused.with_label_values(&[source]).set(i64::from(braked.source(source)));
        }
    });
    fetch::start(&config.kafka, &sources, &store, &producer, &brakes, &metrics, service)?;
    // Of its own: calendars that are read at once must not keep the API's callers waiting.
    let calendars = PostgresConfig { connections: POLLING_CONNECTIONS, ..config.postgres.clone() };
    let calendars = calendars.pool("daybook-ingest")?;
    poll::start(&sources, &calendars, &producer, &metrics, service)?;
    listing::start(&sources, &calendars, &producer, &brakes, &metrics, service)?;

    let shutdown = service.life.shutdown().clone();
    let topic = sources.all().next().map(|source| source.topic.clone()).unwrap_or_default();
    let watch = kafka::watch(producer.clone(), topic, service.health.clone(), shutdown.clone());
    service.life.spawn("watch on kafka", watch);

    let limits = server::Limits::of(&config.ingest);
    let door = Arc::new(Door::new(config.ingest, sources, producer, store, metrics.clone(), service.life.clone()));
    let app = http::router(door).merge(api::router(api));
    service.life.spawn("door", server::serve(listener, app, limits, metrics, shutdown));
    tracing::info!(address = %address, "door open");
    Ok(address)
}
