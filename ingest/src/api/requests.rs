//! `/v1/requests`: ask for a resource's time, wait for the answer, and ask later what became of it.
//!
//! Owns: "what was acknowledged is decided, and whoever asked can find out" (the body goes to `raw.api` as it came, the
//! answer is the decision), and "the same key with the same body is the same request, with another body it is none" (the
//! decision holds the fingerprint of what was asked, so every process can tell, also in a race).
//! Absent on purpose: a note of requests. A request that is not decided yet is known by its id, which proves itself.

mod answer;
mod body;
mod headers;
mod secret;

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{ETAG, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use daybook_ask::{Asked, Fault, FaultKind};
use daybook_domain::{RequestDigest, RequestId};
use daybook_ingest_core::{Call, CallSecret, IdempotencyKey, RequestName, digest, token};
use daybook_runtime::clock;
use daybook_runtime::kafka::Outgoing;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::answer::{Answer, RequestView, answer, waiting};
use self::body::RequestBody;
use self::headers::CallHeaders;
use super::decisions::{Decided, Unknown};
use super::{Api, Caller, FieldError, JsonBytes, Problem, ProblemDocument, ProblemKind};
use crate::breaker::Breaker;
use crate::error::Failure;
use crate::kafka;

/// The name of the API among the sources.
const API: &str = "api";
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// When to ask for a request that is not decided yet.
const SOON: HeaderValue = HeaderValue::from_static("1");

/// What asking needs besides what every route does.
#[derive(Debug)]
pub struct Desk {
    topic: String,
    breaker: Breaker,
    secret: secret::Secret,
}

impl Default for Desk {
    fn default() -> Self {
        Self { topic: daybook_ingest_core::topic(), breaker: Breaker::new(), secret: secret::Secret::default() }
    }
}

/// The routes.
pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(ask)).routes(routes!(show))
}

/// Ask for a resource's time.
///
/// The answer is held back until the request is decided, at most as long as `Prefer: wait` says. The same request under
/// the same Idempotency-Key is the same request, and is answered as it was before.
#[utoipa::path(
    post, path = "/v1/requests", tag = "requests", request_body = RequestBody,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters, new for every \
            request: needed by `book` and `hold`, good for all. Remembered for 40 days."),
        ("If-Match" = Option<String>, Header, description = "Only if the resource has this version: the `ETag` of an \
            answer about one resource."),
        ("Prefer" = Option<String>, Header, description = "`wait=N`: hold the answer back for at most N seconds. \
            `respond-async`: do not."),
    ),
    responses(
        (status = 200, description = "It was done, or was so already.", body = RequestView,
            headers(("ETag" = String, description = "The resource's version after it."))),
        (status = 201, description = "The booking or the hold was made.", body = RequestView,
            headers(("Location" = String, description = "The booking."),
                    ("ETag" = String, description = "The resource's version after it."))),
        (status = 202, description = "It is taken in and not decided yet.", body = RequestView,
            headers(("Location" = String, description = "Where to ask what became of it."))),
        (status = 400, description = "The body or a header is not as it must be.", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 403, description = "The key does not allow asking for this resource's time.", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 404, description = "There is no such resource, or no such booking of it.", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 408, description = "The body took too long.", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 409, description = "Somebody else has the time, a rule forbids it, or the booking's state does. \
            `conflict` names the interval, `next_free` where there is room.", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 412, description = "The booking or the resource has another version.", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 415, description = "The body is no JSON.", body = ProblemDocument,
            content_type = "application/problem+json"),
        (status = 422, description = "The Idempotency-Key was used for another request.", body = ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
async fn ask(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    JsonBytes(bytes): JsonBytes,
) -> Result<Response, Problem> {
    let began = Instant::now();
    let asked = Asked::read(&bytes).map_err(faulty)?;
    let headers = CallHeaders::read(&headers, asked.ask.creates(), &api.config)?;
    if !caller.may_request(&asked.resource) {
        let detail = "The key does not allow asking for this resource's time.";
        let fix = "use a key with the scope request:<resource>";
        return Err(Problem::new(ProblemKind::Forbidden, detail).field("resource", "is not among the key's", fix));
    }
    let secret = api.secret().await?;
    let repeatable = headers.key.is_some();
    let key = headers.key.unwrap_or_else(|| IdempotencyKey::random(rand::random()));
    let call = Call::new(&caller.name, &key);
    let (request_id, name) = (call.request_id(), call.name(secret).to_string());
    let fingerprint = digest(secret, &asked, headers.condition);
    let may_read = caller.may_read(&asked.resource);
    let reply = |decided: &Decided, again| reply(name.clone(), decided, fingerprint, may_read, again);

    // The place first, the look second: see `decisions.rs`.
    let ticket = if headers.wait.is_zero() { None } else { api.decisions.enter(&asked.resource, request_id) };
    // Without a store nothing can be decided, but it can be taken in.
    if repeatable && let Ok(Some(decided)) = api.decisions.recall(request_id).await {
        return reply(&decided, true);
    }
    let trace = crate::http::trace(headers.traceparent.as_deref());
    let record = call.raw_record(&asked, headers.condition, fingerprint, clock::now(), Some(trace));
    let outgoing = Outgoing {
        topic: &api.desk.topic,
        partition: None,
        key: Some(record.key.as_bytes()),
        value: Some(&bytes),
        headers: &record.event.headers(),
    };
    api.put(outgoing).await?;
    let decided = match ticket {
        Some(ticket) => api.decisions.within(ticket, headers.wait).await,
        None => None,
    };
    let operation = asked.ask.kind().as_str();
    let outcome = decided.as_ref().map_or("undecided", |decided| {
        let outcome = &decided.decision.outcome;
        outcome.reason().unwrap_or(outcome.as_str())
    });
    api.metrics.answers_total.with_label_values(&[operation, outcome]).inc();
    tracing::info!(
        request.id = %request_id,
        resource.id = %asked.resource,
        key.id = %caller.key,
        operation,
        outcome,
        trace.id = trace.trace_id(),
        duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "request answered"
    );
    match decided {
        Some(decided) => reply(&decided, false),
        None => Ok(later(name, headers.wait.as_secs())),
    }
}

/// What became of a request.
///
/// By the id that it was answered with, from any process, also after the connection was lost. If the answer never came
/// and so no id is known, the request's own Idempotency-Key stands for it.
#[utoipa::path(
    get, path = "/v1/requests/{id}", tag = "requests",
    params(("id" = String, Path, description = "The id of the request, or its Idempotency-Key.")),
    responses(
        (status = 200, description = "What is known of it.", body = RequestView),
        (status = 404, description = "There is no such request that this key may know of. By an Idempotency-Key: none \
            that is decided, yet.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let nothing =
        || Problem::new(ProblemKind::NotFound, "There is no such request, or it is not this key's to know of.");
    let Path(id) = id.map_err(|_| nothing())?;
    let secret = api.secret().await?;
    // As its own key first: a key may look like an id.
    if let Ok(key) = IdempotencyKey::parse(&id) {
        let call = Call::new(&caller.name, &key);
        if let Some(decided) = api.recall(call.request_id()).await? {
            let may_read = caller.may_read(&decided.decision.resource);
            return Ok(shown(answer(call.name(secret).to_string(), &decided.decision, may_read).view));
        }
    }
    let Some(name) = RequestName::parse(&id) else {
        let detail = "Nothing is decided under this Idempotency-Key. If the request was sent, it may still be: ask again, \
                      or send the same request again under the same key, which books nothing twice.";
        return Err(Problem::new(ProblemKind::NotFound, detail));
    };
    let given = name.is_of(secret, &caller.name);
    match api.recall(name.request_id()).await? {
        Some(decided) => {
            let may_read = caller.may_read(&decided.decision.resource);
            if given || may_read { Ok(shown(answer(id, &decided.decision, may_read).view)) } else { Err(nothing()) }
        }
        None if given => Ok(([(RETRY_AFTER, SOON)], Json(waiting(id))).into_response()),
        None => Err(nothing()),
    }
}

impl Api {
    async fn secret(&self) -> Result<&CallSecret, Problem> {
        self.desk.secret.get(&self.store).await.map_err(|error| self.store_problem(error))
    }

    async fn recall(&self, request_id: RequestId) -> Result<Option<Decided>, Problem> {
        self.decisions.recall(request_id).await.map_err(|error: Unknown| error.problem(self))
    }

    async fn put(&self, outgoing: Outgoing<'_>) -> Result<(), Problem> {
        let within = self.acknowledge_timeout;
        let put = kafka::put(&self.producer, API, &self.desk.breaker, outgoing, within, &self.door_metrics).await;
        let failure = match put {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        if failure == Failure::KafkaDead {
            self.service.life.die("the kafka client can send no more");
        }
        let detail = "Kafka has not acknowledged the request. It may have it all the same: send it again under the same \
                      Idempotency-Key, which books nothing twice.";
        Err(Problem::new(ProblemKind::Unavailable, detail))
    }
}

fn shown(view: RequestView) -> Response {
    Json(view).into_response()
}

/// The decision as the answer, if it is one on what was asked.
fn reply(
    name: String,
    decided: &Decided,
    fingerprint: RequestDigest,
    may_read: bool,
    again: bool,
) -> Result<Response, Problem> {
    let decision = &decided.decision;
    if decision.request_digest.is_some_and(|of| of != fingerprint) {
        let detail = "This Idempotency-Key stands for another request, which was decided. Use a new key.";
        let fix = "a new key for every new request; the same key only for the same request, headers included";
        return Err(Problem::new(ProblemKind::IdempotencyMismatch, detail)
            .field("Idempotency-Key", "was used for another request", fix)
            .with("request", name));
    }
    let Answer { status, view, problem } = answer(name, decision, may_read);
    let etag = HeaderValue::from_str(&token(decision.resource_version)).ok();
    let replayed = again.then_some(HeaderValue::from_static("true"));
    if let Some(mut problem) = problem {
        for (name, value) in [(ETAG, etag), (IDEMPOTENT_REPLAYED, replayed)] {
            if let Some(value) = value {
                problem = problem.header(name, value);
            }
        }
        return Err(problem);
    }
    let place = view.decision.as_ref().and_then(|view| view.booking.as_ref()).filter(|_| status == StatusCode::CREATED);
    let place = place.and_then(|it| HeaderValue::from_str(&format!("/v1/bookings/{}", it.booking_id)).ok());
    let mut response = (status, Json(view)).into_response();
    for (name, value) in [(ETAG, etag), (LOCATION, place), (IDEMPOTENT_REPLAYED, replayed)] {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// Taken in, and to be asked for.
fn later(name: String, waited_seconds: u64) -> Response {
    let place = HeaderValue::from_str(&format!("/v1/requests/{name}")).ok();
    let applied = HeaderValue::from_str(&format!("wait={waited_seconds}")).ok();
    let mut response = (StatusCode::ACCEPTED, Json(waiting(name))).into_response();
    for (name, value) in [(LOCATION, place), (PREFERENCE_APPLIED, applied), (RETRY_AFTER, Some(SOON))] {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn faulty(faults: Vec<Fault>) -> Problem {
    let only_unknown = faults.iter().all(|fault| fault.kind == FaultKind::Unknown);
    let kind = if only_unknown { ProblemKind::UnknownField } else { ProblemKind::InvalidBody };
    let count = faults.len();
    let detail = format!("The body has {count} fault{}; nothing was asked.", if count == 1 { "" } else { "s" });
    let errors = faults.into_iter().map(|Fault { field, problem, fix, .. }| FieldError { field, problem, fix });
    Problem::new(kind, detail).fields(errors)
}
