//! What became of a source's events, for the source itself; and its dead letters once more.

mod progress;
mod replay;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, SecondsFormat, Utc};
use daybook_domain::{SlugError, SourceName};
use daybook_ingest_core::{Fate, event_key, request_ids};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::progress::Progress;
use super::problem::ProblemDocument;
use super::{Api, Caller, Problem, ProblemKind};
use crate::trail::store::{self, DecidedRow, LetterRow};
use crate::trail::webhooks_of;

/// The routes.
pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(replay::replay))
}

/// An event, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
struct EventView {
    /// Its id: what the webhook's answer said, or the `ce_id` that was written to Kafka.
    #[schema(example = "msg_2b1c")]
    id: String,
    /// Whose it is.
    #[schema(example = "crm")]
    source: String,
    /// How far it is.
    status: EventStatus,
    /// When it came in.
    #[schema(format = DateTime)]
    received_at: String,
    /// What was decided on the requests that were made of it, so far.
    requests: Vec<RequestFate>,
    /// What in it could not be made into a request.
    dead_letters: Vec<DeadLetterView>,
}

/// `received`: kept, and not finished with; an event whose booking is not known yet waits here for a while. `waiting`: requests
/// were made of it, and not all are decided. `decided`: all are. `dead_lettered`: something in it needs mending, see
/// `dead_letters`. `no_effect`: nothing was to be made of it.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum EventStatus {
    Received,
    Waiting,
    Decided,
    DeadLettered,
    NoEffect,
}

/// One request that was made of an event, and the decision on it.
#[derive(Debug, Serialize, ToSchema)]
struct RequestFate {
    /// Its id.
    #[schema(format = Uuid)]
    request_id: String,
    /// Whose time it was about.
    #[schema(example = "room-7")]
    resource: String,
    /// What was asked.
    #[schema(example = "book")]
    operation: String,
    /// What was ruled.
    #[schema(example = "confirmed")]
    outcome: String,
    /// Why, where there is a reason.
    reason: Option<String>,
    /// About which booking.
    #[schema(format = Uuid)]
    booking_id: Option<String>,
    /// When, by the log.
    #[schema(format = DateTime)]
    decided_at: String,
}

/// Something in an event that could not be made into a request.
#[derive(Debug, Serialize, ToSchema)]
struct DeadLetterView {
    /// Which item of the event; null for all of it.
    item: Option<i32>,
    /// Why, from a bounded vocabulary.
    #[schema(example = "unknown_resource")]
    reason: String,
    /// Which field.
    #[schema(example = "events[0].resource")]
    field: String,
    /// What is wrong with it, and what would be right.
    problem: String,
    /// How often it was tried.
    attempts: i32,
    /// When it was given up.
    #[schema(format = DateTime)]
    failed_at: String,
}

/// What became of an event.
///
/// For as long as its record is kept: 7 days, and its dead letters 30. An event is known a moment after it was accepted.
#[utoipa::path(get, path = "/v1/sources/{source}/events/{ce_id}", operation_id = "show_event", tag = "sources",
    params(
        ("source" = String, Path, description = "The source's name.", example = "crm"),
        ("ce_id" = String, Path, description = "The event's id.", example = "msg_2b1c"),
    ),
    responses(
        (status = 200, description = "The event.", body = EventView),
        (status = 400, description = "The address names no source.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, description = "The key is not this source's.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "No such event is known, or not yet.", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((source, ce_id)): Path<(String, String)>,
) -> Result<Json<EventView>, Problem> {
    let source = own_source(&caller, &source)?;
    let fail = |error| api.store_problem(error);
    let key = event_key(&source, &ce_id);
    let unknown = || Problem::new(ProblemKind::NotFound, "No such event is known, or not yet, or not any more.");
    let event = store::event(&api.store, key).await.map_err(fail)?.ok_or_else(unknown)?;
    // How far the stages are is asked first: what is there afterwards is all that there was then.
    let passed = api.progress.passed(&api, &source, event.partition, event.raw_offset).await?;
    let resources = match event.booking_key {
        Some(booking) => store::resources_of(&api.store, booking).await.map_err(fail)?,
        None => Vec::new(),
    };
    let ce_source = event.ce_source.clone().unwrap_or_else(|| webhooks_of(&source));
    let ids: Vec<_> = request_ids(&ce_source, &ce_id, &resources).into_iter().map(|id| id.uuid()).collect();
    let decided = store::decided(&api.store, &ids).await.map_err(fail)?;
    let letters = store::letters_of(&api.store, key, &event).await.map_err(fail)?;
    Ok(Json(EventView {
        id: ce_id,
        source: source.to_string(),
        status: Fate::of(passed, decided.len(), letters.len()).into(),
        received_at: time(event.received_at),
        requests: decided.into_iter().map(RequestFate::from).collect(),
        dead_letters: letters.into_iter().map(DeadLetterView::from).collect(),
    }))
}

/// The source in an address, if the caller speaks for it.
fn own_source(caller: &Caller, text: &str) -> Result<SourceName, Problem> {
    let source: SourceName = text.parse().map_err(|error: SlugError| {
        Problem::new(ProblemKind::InvalidParameter, "The address names no source.").field(
            "source",
            error.to_string(),
            "give the source's name, as in /webhooks/{source}",
        )
    })?;
    let forbidden =
        || Problem::new(ProblemKind::Forbidden, "This needs a key with the scope source:<name> of that source.");
    if caller.speaks_for(&source) { Ok(source) } else { Err(forbidden()) }
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

impl From<Fate> for EventStatus {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Received => Self::Received,
            Fate::Waiting => Self::Waiting,
            Fate::Decided => Self::Decided,
            Fate::DeadLettered => Self::DeadLettered,
            Fate::NoEffect => Self::NoEffect,
        }
    }
}

impl From<DecidedRow> for RequestFate {
    fn from(row: DecidedRow) -> Self {
        Self {
            request_id: row.request_id.to_string(),
            resource: row.resource_id,
            operation: row.operation,
            outcome: row.outcome,
            reason: row.reason,
            booking_id: row.booking_id.map(|id| id.to_string()),
            decided_at: time(row.decided_at),
        }
    }
}

impl From<LetterRow> for DeadLetterView {
    fn from(row: LetterRow) -> Self {
        // As the normalizer writes it.
        let (field, problem) = row.message.split_once(": ").unwrap_or(("", &row.message));
        Self {
            item: row.item,
            reason: row.reason,
            field: field.to_owned(),
            problem: problem.to_owned(),
            attempts: row.attempts,
            failed_at: time(row.failed_at),
        }
    }
}
