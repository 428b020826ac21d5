//! The API: the same gate as the webhooks', for programs and people.
//!
//! In: requests under `/v1`, each with a key. Out: answers, or problems (RFC 9457) that name the field and the fix.
//! Owns: that nobody without a key that counts gets past the gate, that callers have a room of their own, and that every
//! route is described in the OpenAPI document. Absent on purpose: deciding anything. What changes a booking or a rule goes
//! through Kafka to the arbiter; here it is only waited for.

mod body;
mod bookings;
mod caller;
mod config;
mod decisions;
mod docs;
mod document;
mod events;
mod gate;
mod input;
mod keys;
mod metrics;
mod pages;
mod problem;
mod rate;
mod requests;
mod resources;
mod snapshot;
mod times;
mod whoami;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::middleware;
use daybook_runtime::kafka::{KafkaConfig, Producer};
use daybook_runtime::postgres::StoreError;
use daybook_runtime::registry::Registry;
use daybook_runtime::service::Service;
use sqlx::PgPool;
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;

pub use body::JsonBytes;
pub use caller::Caller;
pub use config::ApiConfig;
pub use decisions::Decisions;
pub use metrics::ApiMetrics;
pub use problem::{FieldError, Problem, ProblemDocument, ProblemKind};

use self::keys::Keys;
use self::requests::Desk;
use crate::body::Memory;
use crate::metrics::IngestMetrics;

/// What every request needs.
#[derive(Debug)]
pub struct Api {
    /// Its settings.
    pub config: ApiConfig,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long Kafka may take to acknowledge.
    pub acknowledge_timeout: Duration,
    /// The store, as daybook_ingest.
    pub store: PgPool,
    /// The way to Kafka.
    pub producer: Producer,
    /// How to reach the brokers, for what is read there.
    pub kafka: KafkaConfig,
    /// How far the stages behind have come.
    pub progress: events::Progress,
    /// The schemas of what goes to the log.
    pub registry: Registry,
    /// What the arbiters decide.
    pub decisions: Decisions,
    /// What it counts.
    pub metrics: ApiMetrics,
    /// What the door counts.
    pub door_metrics: IngestMetrics,
    /// What it shares with the rest of the process.
    pub service: Service,
    keys: Arc<Keys>,
    room: Semaphore,
    memory: Memory,
    desk: Desk,
}

/// What an API is made of.
#[derive(Debug)]
pub struct Parts {
    /// Its settings.
    pub config: ApiConfig,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long Kafka may take to acknowledge.
    pub acknowledge_timeout: Duration,
    /// How to reach the brokers.
    pub kafka: KafkaConfig,
    /// The schemas.
    pub registry: Registry,
    /// The store, as daybook_ingest.
    pub store: PgPool,
    /// The way to Kafka.
    pub producer: Producer,
    /// What the door counts.
    pub door_metrics: IngestMetrics,
}

impl Api {
    /// An API that nobody has called yet; begins to read the keys.
    pub fn start(parts: Parts, service: &Service) -> daybook_runtime::prometheus::Result<Arc<Self>> {
        let Parts { config, body_timeout, acknowledge_timeout, kafka, registry, store, producer, door_metrics } = parts;
        let metrics = ApiMetrics::new(&service.registry)?;
        let keys = Arc::new(Keys::new(config.pace()));
        let shutdown = service.life.shutdown().clone();
        let (reader, counted) = (store.clone(), (metrics.clone(), service.metrics.clone()));
        let follow = keys::follow(Arc::clone(&keys), reader, counted.0, counted.1, shutdown.clone());
        service.life.spawn("keys", follow);
        let places = config.waiting_max;
        let decisions = Decisions::start(&kafka, registry.clone(), store.clone(), places, metrics.clone(), service);
        door_metrics.kafka_available.with_label_values(&["api"]).set(1);
        let life = service.life.clone();
        let api = Arc::new(Self {
            room: Semaphore::new(config.in_flight_max),
            memory: Memory::for_bodies(config.in_flight_max, config.body_max_bytes),
            desk: Desk::default(),
            service: service.clone(),
            config,
            body_timeout,
            acknowledge_timeout,
            store,
            kafka,
            progress: events::Progress::default(),
            producer,
            registry,
            decisions,
            metrics,
            door_metrics,
            keys,
        });
        life.spawn("retired resources", resources::upkeep(Arc::clone(&api), shutdown));
        Ok(api)
    }

    /// What an error of the store is to a caller.
    pub fn store_problem(&self, error: StoreError) -> Problem {
        use daybook_runtime::retry::Advice;
        let error = error.noted(&self.service.metrics);
        match error.advice() {
            Advice::Retry => Problem::new(ProblemKind::Unavailable, "The store does not answer."),
            Advice::Stop => {
                tracing::error!(%error, "the store refuses what the api asks");
                Problem::new(ProblemKind::Internal, "The store refused what we asked of it.")
            }
        }
    }
}

/// Everything behind the gate. A module's routes are added here.
fn gated() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(document::base())
        .merge(requests::routes())
        .merge(whoami::routes())
        .merge(resources::routes())
        .merge(events::routes())
        .merge(times::routes())
        .merge(bookings::routes())
}

/// What needs no key.
fn public() -> OpenApiRouter<Arc<Api>> {
    pages::routes().merge(docs::routes())
}

/// The routes.
pub fn router(api: Arc<Api>) -> Router {
    let (gated, _) = gated().split_for_parts();
    let (public, _) = public().split_for_parts();
    gated
        .route_layer(middleware::from_fn_with_state(Arc::clone(&api), gate::gate))
        .merge(public)
        .route("/v1/{*rest}", axum::routing::any(nothing_here))
        .method_not_allowed_fallback(not_by_this_method)
        .with_state(api)
}

async fn nothing_here() -> Problem {
    Problem::new(ProblemKind::NotFound, "There is nothing at this address; /v1/openapi.json lists what there is.")
}

async fn not_by_this_method() -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed, "See /v1/openapi.json for the methods of this address.")
}

/// The OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, mut document) = gated().split_for_parts();
    let (_, public) = public().split_for_parts();
    document::finish(&mut document, &public);
    document
}

/// The same as text, which is also the file `openapi.json` beside the code.
pub fn openapi_text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let text = openapi().to_pretty_json().expect("a document of strings is JSON");
        format!("{text}\n")
    });
    &TEXT
}
