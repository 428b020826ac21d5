//! `DELETE /v1/resources/{id}`: it takes no new bookings any more, and once nothing stands on it, its names are free.
//!
//! What stands stands: whoever has been promised time keeps it until it is cancelled or over. Until then its names stay its
//! own, because an event about it may come by name and must not reach another resource, and its targets go on hearing of it.
//! [`upkeep`] lets them go after that. The resource's decisions stay: they are the audit trail, and the arbiter deletes
//! nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use daybook_domain::{Expected, Rules};
use daybook_resources::{Stored, store};
use daybook_runtime::clock;
use daybook_runtime::postgres::StoreError;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::{administrator, define, if_match, is_current, stored};
use crate::api::problem::ProblemDocument;
use crate::api::{Api, Caller, Problem, ProblemKind, input};

/// How often retired resources are looked at.
const EVERY: Duration = Duration::from_secs(60);

/// A resource that is retired, with what stands on it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Retired {
    /// Bookings that stand, and are not over.
    bookings: u64,
    /// The end of the last of them.
    #[schema(format = DateTime)]
    until: String,
}

/// Retires a resource.
///
/// From then on it takes no new bookings and is not listed. Bookings that stand are not touched: they can still be confirmed,
/// changed in what they say, and cancelled; its aliases and targets stay until the last of them is over, and then are free. A
/// `PUT` opens it again.
#[utoipa::path(delete, path = "/v1/resources/{id}", operation_id = "delete_resource", tag = "resources",
    params(
        ("id" = String, Path, description = "The resource's id.", example = "room-7"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what is to be retired."),
    ),
    responses(
        (status = 204, description = "It is retired, and nothing stands on it."),
        (status = 202, description = "It is retired; bookings stand, and its aliases and targets stay until the last is over.", body = Retired),
        (status = 400, description = "A parameter is wrong.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, description = "The key is no administrator's.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "There is none, or it is retired already.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 412, description = "It has changed since.", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn remove(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = input::resource(&id)?;
    administrator(&caller)?;
    let expected = if_match(&headers)?;
    let before = stored(&api, &id).await?;
    // Until its names and targets are gone, whoever asks again is told what still stands.
    let is_gone = |Stored { version: _, rules, region, aliases, targets }: &Stored| {
        rules.retired && region.is_none() && aliases.is_empty() && targets.is_empty()
    };
    let before = before.filter(|stored| !is_gone(stored));
    let before = before.ok_or_else(|| Problem::new(ProblemKind::NotFound, "There is no such resource."))?;
    is_current(expected, before.version)?;
    if !before.rules.retired {
        let rules = Rules { retired: true, ..before.rules };
        let request = store::open_request(&api.store, &id, &rules, before.version, clock::now()).await;
        let mut request = request.map_err(|error| api.store_problem(error))?;
        request.expected = Expected { resource_version: expected, ..request.expected };
        define::decide(&api, &request).await?;
    }
    let fail = |error| api.store_problem(error);
    let left = store::standing(&api.store, &id).await.map_err(fail)?;
    store::let_go(&api.store, Some(&id)).await.map_err(fail)?;
    tracing::info!(resource.id = %id, key.id = %caller.key, bookings = left.map_or(0, |left| left.0), "resource retired");
    Ok(match left {
        None => StatusCode::NO_CONTENT.into_response(),
        Some((bookings, until)) => {
            (StatusCode::ACCEPTED, Json(Retired { bookings, until: until.to_string() })).into_response()
        }
    })
}

/// Lets the names, regions and targets of retired resources go, once nothing stands on them.
pub async fn upkeep(api: Arc<Api>, shutdown: CancellationToken) -> Result<(), Infallible> {
    let mut rounds = interval(EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        match store::let_go(&api.store, None).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "names, regions and targets of retired resources were let go"),
            // The next round tries again; whether the store is there is watched elsewhere.
            Err(error) => note(&api, error),
        }
    }
}

fn note(api: &Api, error: StoreError) {
    let error = error.noted(&api.service.metrics);
    tracing::debug!(%error, "retired resources were not looked at");
}
