//! Bookings as they stand, and what was decided on each: `GET /v1/bookings`, `GET /v1/bookings/{id}`.
//!
//! Invariant: what people see of a booking, who has it and how it came about is for keys that may read its resource. A key
//! that may only ask for the resource's time is told where a booking stands whose id it has, and nothing of people.

mod history;
mod page;
mod view;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use daybook_domain::BookingId;
use daybook_ingest_core::BookingFilter;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::history::Entry;
pub use self::view::BookingView;
use self::view::{Kind, StatusWord};
use super::input::query;
use super::problem::{ProblemDocument, ProblemKind};
use super::{Api, Caller, Problem};

/// The routes.
pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// A page of bookings.
#[derive(Serialize, ToSchema)]
struct BookingPage {
    /// By start, then by id.
    bookings: Vec<BookingView>,
    /// What to give as `cursor` for the next page; null on the last.
    next: Option<String>,
}

/// Bookings, page by page.
///
/// In the order of their starts. Whatever is live (held, confirmed or awaiting its replacement) unless `status` says
/// otherwise. Without a `resource` it is every resource that the key may read, and `from` and `to` are needed, at most 31
/// days apart. Each page is of its own moment: a booking that moves meanwhile may come twice, or not at all.
#[utoipa::path(get, path = "/v1/bookings", operation_id = "list_bookings", tag = "bookings", params(
    ("resource" = Option<Vec<String>>, Query, explode, description = "Of these resources; up to 100, as several parameters.",
        example = json!(["room-7"])),
    ("from" = Option<String>, Query, format = DateTime, description = "That end after this: RFC 3339 with an offset or Z."),
    ("to" = Option<String>, Query, format = DateTime, description = "That begin before this: RFC 3339 with an offset or Z."),
    ("time_zone" = Option<String>, Query, description = "The IANA zone of local times in `from` and `to`."),
    ("status" = Option<Vec<StatusWord>>, Query, explode, description = "With one of these; several as several parameters."),
    ("kind" = Option<Kind>, Query, description = "`booking`, or `busy` for time that was only seen to be taken elsewhere."),
    ("source" = Option<String>, Query, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", description = "That this source speaks for."),
    ("limit" = Option<u64>, Query, minimum = 1, maximum = 200, description = "So many on a page; 50 unless said."),
    ("cursor" = Option<String>, Query, pattern = "^[0-9a-f]{56}$", description = "The `next` of the page before, with the same filter."),
), responses(
    (status = 200, description = "A page.", body = BookingPage),
    (status = 400, description = "A parameter is wrong; `errors` names each.", body = ProblemDocument,
        content_type = "application/problem+json"),
    (status = 403, description = "The key may not read one of the resources, or none at all.", body = ProblemDocument,
        content_type = "application/problem+json"),
))]
async fn list(State(api): State<Arc<Api>>, caller: Caller, RawQuery(text): RawQuery) -> Result<Response, Problem> {
    let filter = query(text.as_deref(), BookingFilter::read)?;
    let readable = caller.readable();
    let hidden: Vec<usize> =
        (0..).zip(&filter.resources).filter(|(_, it)| !caller.may_read(it)).map(|(at, _)| at).collect();
    if !hidden.is_empty() || readable.is_empty() {
        let problem = Problem::new(ProblemKind::Forbidden, "The key may not read these bookings.");
        let fix = "leave it out, or use a key with the scope read: for it";
        let fields =
            hidden.into_iter().fold(problem, |it, at| it.field(format!("resource[{at}]"), "may not be read", fix));
        return Err(fields);
    }
    let page = page::read(&api.store, &filter, &readable).await.map_err(|error| api.store_problem(error))?;
    let bookings = page.rows.iter().map(|row| BookingView::full(row, &caller)).collect();
    Ok(current(&BookingPage { bookings, next: page.next.map(|cursor| cursor.to_string()) }))
}

/// A booking with its history.
#[derive(Serialize, ToSchema)]
struct BookingWithHistory {
    #[serde(flatten)]
    booking: BookingView,
    /// Every decision on it, oldest first; only for keys that may read its resource. Decisions are kept for a year or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    history: Option<Vec<Entry>>,
}

/// A booking, and what was decided on it.
#[utoipa::path(get, path = "/v1/bookings/{id}", operation_id = "show_booking", tag = "bookings", params(
    ("id" = String, Path, format = "uuid", description = "The booking's id."),
), responses(
    (status = 200, description = "The booking.", body = BookingWithHistory),
    (status = 400, description = "This is no id.", body = ProblemDocument, content_type = "application/problem+json"),
    (status = 404, description = "No such booking, or none that the key may know of.", body = ProblemDocument,
        content_type = "application/problem+json"),
))]
async fn show(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    let id: BookingId = id.parse().map_err(|_| {
        Problem::new(ProblemKind::InvalidParameter, "The address names no booking.").field(
            "id",
            "is no booking's id",
            "give the UUID that a booking is shown with",
        )
    })?;
    let found = page::one(&api.store, id).await.map_err(|error| api.store_problem(error))?;
    let visible = found.filter(|found| caller.may_see_times(&found.row.resource));
    let row = visible.ok_or_else(|| Problem::new(ProblemKind::NotFound, "There is no booking of this id."))?;
    if !caller.may_read(&row.row.resource) {
        return Ok(current(&BookingWithHistory { booking: BookingView::bare(&row), history: None }));
    }
    let history = api.decisions.history(id).await.map_err(|unknown| unknown.problem(&api))?;
    let history = history.into_iter().map(Entry::from).collect();
    Ok(current(&BookingWithHistory { booking: BookingView::full(&row, &caller), history: Some(history) }))
}

/// Nobody may keep it: it holds what people see.
fn current(body: &impl Serialize) -> Response {
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response()
}
