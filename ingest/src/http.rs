//! The door: what is asked of a request, in this order, and what it is answered.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use daybook_ingest_core::poll::Pinger;
use daybook_ingest_core::{Delivery, RawRecord, TraceParent, check_content_type, ping, raw_record};
use daybook_runtime::clock;
use daybook_runtime::kafka::{Outgoing, Producer, Receipt};
use daybook_runtime::lifecycle::Lifecycle;
use daybook_wire::header;
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::body::{Memory, Unread};
use crate::config::IngestConfig;
use crate::error::Failure;
use crate::kafka;
use crate::line_budget::LineBudget;
use crate::metrics::{IngestMetrics, Visit};
use crate::poll::{self, Pings, Polled};
use crate::source::{Source, Sources};

/// What every request needs.
#[derive(Debug)]
pub struct Door {
    config: IngestConfig,
    sources: Arc<Sources>,
    producer: Producer,
    store: PgPool,
    metrics: IngestMetrics,
    life: Lifecycle,
    room: Semaphore,
    memory: Memory,
    lines: LineBudget,
}

impl Door {
    /// A door that nobody has come to yet.
    pub fn new(
        config: IngestConfig,
        sources: Arc<Sources>,
        producer: Producer,
        store: PgPool,
        metrics: IngestMetrics,
        life: Lifecycle,
    ) -> Self {
        for source in sources.all() {
            metrics.kafka_available.with_label_values(&[source.name.as_str()]).set(1);
        }
        let room = Semaphore::new(config.in_flight_max);
        let memory = Memory::for_bodies(config.in_flight_max, config.body_max_bytes);
        Self { config, sources, producer, store, metrics, life, room, memory, lines: LineBudget::new(Instant::now()) }
    }
}

/// The routes.
pub fn router(door: Arc<Door>) -> Router {
    let webhook = post(webhook).fallback(async || Failure::MethodNotAllowed);
    Router::new().route("/webhooks/{source}", webhook).fallback(async || Failure::NoSuchPage).with_state(door)
}

/// The answer to an event that Kafka has.
#[derive(Serialize)]
struct Accepted {
    id: String,
}

/// What a webhook came to.
enum Taken {
    /// An event, which Kafka has.
    Event(Accepted),
    /// Word of changes in calendars, which are read next.
    Prompted,
    /// A question whether this address is ours, with what it wants to hear.
    Handshake(String),
}

impl IntoResponse for Taken {
    fn into_response(self) -> Response {
        match self {
            Self::Event(accepted) => Json(accepted).into_response(),
            Self::Prompted => StatusCode::ACCEPTED.into_response(),
            // As plain text, and nothing that a browser could take for more.
            Self::Handshake(token) => {
                let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
                (headers, token).into_response()
            }
        }
    }
}

async fn webhook(
    State(door): State<Arc<Door>>,
    name: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let source = name.ok().and_then(|Path(name)| door.sources.get(&name)).filter(|source| source.delivers());
    let visit = Visit::new(&door.metrics, source.map(|source| source.name.as_str()));
    let mut body = Unread::new(body);
    let result = match source {
        Some(source) => match &source.polled {
            Some(Polled { pings: Some(pings), .. }) => {
                door.prompt(source, pings, query.as_deref(), &headers, &mut body, &visit).await
            }
            Some(_) | None => door.take_in(source, &headers, &mut body, &visit).await.map(Taken::Event),
        },
        None => Err(Failure::UnknownSource),
    };
    if let Err(failure) = &result {
        door.log_refusal(*failure, source);
        // Whoever asks first (Expect) has sent nothing yet, and whoever was too slow stays so.
        if *failure != Failure::SlowBody && !headers.contains_key(EXPECT) {
            body.discard().await;
        }
    }
    visit.answered(&result);
    match result {
        Ok(taken) => taken.into_response(),
        Err(failure) => failure.into_response(),
    }
}

impl Door {
    /// Word that a calendar has changed, which says no more than that: not an event, and nothing that has to be kept. The store
    /// has it, or the vendor is told to come again.
    #[allow(clippy::too_many_arguments, reason = "each is a part of one request")]
    async fn prompt(
        &self,
        source: &Source,
        pings: &Pings,
        query: Option<&str>,
        headers: &HeaderMap,
        body: &mut Unread,
        visit: &Visit,
    ) -> Result<Taken, Failure> {
        let pings = match pings.pinger {
            Pinger::Google => {
                let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
                vec![ping::google(header, &pings.secrets.get()).map_err(Failure::Refused)?]
            }
            Pinger::Graph => {
                if let Some(token) = query.and_then(ping::handshake) {
                    return Ok(Taken::Handshake(token));
                }
                let kept = body.read(self.config.body_max_bytes, self.config.body_timeout, &self.memory).await?;
                visit.body(kept.bytes.len());
                ping::graph(&kept.bytes, &pings.secrets.get()).map_err(Failure::Refused)?
            }
        };
        let Ok(_place) = self.room.try_acquire() else { return Err(Failure::Busy) };
        poll::prompt(&self.store, &source.name, &pings).await.map_err(|error| {
            tracing::warn!(%error, source = source.name.as_str(), "word of a change was not taken: the store");
            Failure::StoreUnavailable
        })?;
        Ok(Taken::Prompted)
    }

    async fn take_in(
        &self,
        source: &Source,
        headers: &HeaderMap,
        body: &mut Unread,
        visit: &Visit,
    ) -> Result<Accepted, Failure> {
        check_content_type(text(headers, &CONTENT_TYPE), source.format.media())
            .map_err(|_| Failure::UnsupportedMediaType)?;
        if headers.contains_key(CONTENT_ENCODING) {
            return Err(Failure::UnsupportedMediaType);
        }
        let announced = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
        if announced.is_some_and(|length| length > self.config.body_max_bytes) {
            return Err(Failure::TooLarge);
        }
        // Whoever takes its time to send takes no place from others, only the memory of what it has sent.
        let kept = body.read(self.config.body_max_bytes, self.config.body_timeout, &self.memory).await?;
        let Ok(_place) = self.room.try_acquire() else { return Err(Failure::Busy) };
        let bytes = &kept.bytes;
        visit.body(bytes.len());
        let now = clock::now();
        let authentic = source.verify(headers, bytes, now).map_err(Failure::Refused)?;
        let trace = trace(headers.get(header::TRACEPARENT).and_then(|value| value.to_str().ok()));
        let record = raw_record(
            &authentic,
            &Delivery {
                format: &source.format,
                source: &source.name,
                body: bytes,
                received_at: now,
                traceparent: Some(trace),
                fetched: source.fetched.is_some(),
            },
        );
        let receipt = self.put(source, &record, bytes).await?;
        tracing::info!(
            source = source.name.as_str(),
            event.id = record.event.id,
            kafka.topic = source.topic,
            kafka.partition = receipt.partition,
            kafka.offset = receipt.offset,
            trace.id = trace.trace_id(),
            duration_ms = u64::try_from(visit.began().elapsed().as_millis()).unwrap_or(u64::MAX),
            "webhook accepted"
        );
        Ok(Accepted { id: record.event.id })
    }

    async fn put(&self, source: &Source, record: &RawRecord, bytes: &Bytes) -> Result<Receipt, Failure> {
        let outgoing = Outgoing {
            topic: &source.topic,
            partition: None,
            key: Some(record.key.as_bytes()),
            value: Some(bytes),
            headers: &record.event.headers(),
        };
        let result = {
            let (name, within) = (source.name.as_str(), self.config.acknowledge_timeout);
            kafka::put(&self.producer, name, &source.breaker, outgoing, within, &self.metrics).await
        };
        if result == Err(Failure::KafkaDead) {
            self.life.die("the kafka client can send no more");
        }
        result
    }

    /// At most ten lines a second, whoever knocks; the metric counts every one.
    fn log_refusal(&self, failure: Failure, source: Option<&Source>) {
        // What is no source could be anything, and so is not logged.
        let Some(source) = source else { return };
        if let Some(suppressed) = self.lines.take(Instant::now()) {
            let source = source.name.as_str();
            tracing::warn!(source, reason = failure.as_str(), suppressed, "webhook refused");
        }
    }
}

/// The caller's trace with a new span, or a new trace.
pub fn trace(incoming: Option<&str>) -> TraceParent {
    TraceParent::continue_or_root(incoming, rand::random(), rand::random())
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
