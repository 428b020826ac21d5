//! Where resources are free: `GET /v1/resources/{id}/availability`, and `POST /v1/freebusy` for many.
//!
//! Invariant: what is offered is what the arbiter would grant, because the arbiter's own core says so, on one snapshot of
//! the store. Between the look and the request only a rival can come. Absent on purpose: people. Whoever may ask for a
//! resource's time may see where it is free, and no more.

use std::sync::Arc;

use arbiter_core::{Search, availability, taken};
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, ETAG};
use axum::response::{IntoResponse, Response};
use daybook_domain::{Interval, ResourceId, Timestamp};
use daybook_ingest_core::{FreeBusy, Times};
use daybook_runtime::clock;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{object, query, resource};
use super::problem::{ProblemDocument, ProblemKind};
use super::snapshot::{self, Seen};
use super::{Api, Caller, JsonBytes, Problem};

/// The routes.
pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(free)).routes(routes!(many))
}

/// A span of time, the end not included.
#[derive(Debug, Serialize, ToSchema)]
pub struct Span {
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2027-03-04T09:00:00Z")]
    start: String,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2027-03-04T09:30:00Z")]
    end: String,
}

impl From<Interval> for Span {
    fn from(interval: Interval) -> Self {
        Self { start: interval.start().to_string(), end: interval.end().to_string() }
    }
}

/// A resource's free slots.
#[derive(Debug, Serialize, ToSchema)]
struct Availability {
    #[serde(flatten)]
    of: AsOf,
    /// In order. They may overlap each other: each can be had, not all of them.
    slots: Vec<Span>,
}

/// Which resource, and as of when.
#[derive(Debug, Serialize, ToSchema)]
struct AsOf {
    /// The resource's id.
    resource: String,
    /// Where people see its times, and where its hours are: an IANA name.
    #[schema(example = "Europe/Berlin")]
    time_zone: String,
    /// Rises with every change of the resource's time or rules.
    version: u64,
    /// The version as a token: a request with it as `If-Match` is decided only if nothing has changed since.
    #[schema(example = "\"17\"")]
    etag: String,
    /// The moment of the answer: now, or the time of the resource's last decision where the brokers' clock is ahead of
    /// ours. The arbiter's time never falls, and goes by the brokers.
    #[schema(format = DateTime)]
    as_of: String,
    /// Until then every slot can be asked for, as far as the passing of time is concerned: none begins too soon for the
    /// notice, or for being asked for at all. Whether somebody else is faster is another question.
    #[schema(format = DateTime)]
    good_until: String,
}

impl AsOf {
    fn new(seen: &Seen, clock: Timestamp) -> Self {
        let state = &seen.state;
        Self {
            resource: state.resource().to_string(),
            time_zone: state.rules().map(|rules| rules.display_time_zone.clone()).unwrap_or_default(),
            version: state.version(),
            etag: etag(state.version()),
            as_of: seen.as_of(clock).to_string(),
            good_until: seen.good_until(clock).to_string(),
        }
    }
}

/// The token of a resource's version.
fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Free slots of a resource.
///
/// What the arbiter would grant: its own rules (capacity, buffers, notice, window, hours) on one snapshot of what is
/// booked, held and taken elsewhere. A hold that has lapsed is free. Slots begin at `from` and every `granularity` later,
/// and lie inside `from` and `to`. The `ETag` is the resource's version.
#[utoipa::path(get, path = "/v1/resources/{id}/availability", operation_id = "find_free_slots", tag = "availability", params(
    ("id" = String, Path, description = "The resource.", pattern = "^[a-z0-9][a-z0-9._-]{0,63}$"),
    ("from" = String, Query, format = DateTime, description = "RFC 3339 with an offset or Z. The grid of starts begins here.",
        example = "2027-03-04T08:00:00Z"),
    ("to" = String, Query, format = DateTime, description = "RFC 3339 with an offset or Z; at most 366 days after `from`.",
        example = "2027-03-04T18:00:00Z"),
    ("time_zone" = Option<String>, Query, description = "The IANA zone of local times in `from` and `to`."),
    ("duration" = String, Query, pattern = "^[1-9][0-9]*(s|m|h|d)( [1-9][0-9]*(s|m|h))*$",
        description = "How long a slot is: `30m`, `1h 30m`.", example = "30m"),
    ("granularity" = Option<String>, Query, pattern = "^[1-9][0-9]*(s|m|h|d)( [1-9][0-9]*(s|m|h))*$",
        description = "How far apart starts are; as long as a slot, unless said. At most 5,000 starts may be tried.",
        example = "15m"),
    ("moving" = Option<String>, Query, format = "uuid", description = "A booking of this resource that is to be rescheduled: \
        it is not in its own way."),
), responses(
    (status = 200, description = "The slots.", body = Availability, headers(
        ("ETag" = String, description = "The resource's version, for `If-Match`."))),
    (status = 400, description = "A parameter is wrong; `errors` names each.", body = ProblemDocument,
        content_type = "application/problem+json"),
    (status = 403, description = "The key may neither ask for this resource's time nor read it.", body = ProblemDocument,
        content_type = "application/problem+json"),
    (status = 404, description = "No such resource, or no such booking on it.", body = ProblemDocument,
        content_type = "application/problem+json"),
))]
async fn free(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    RawQuery(text): RawQuery,
) -> Result<Response, Problem> {
    let resource = resource(&id)?;
    let times = query(text.as_deref(), Times::read)?;
    if !caller.may_see_times(&resource) {
        return Err(forbidden());
    }
    let asked = std::slice::from_ref(&resource);
    let seen = snapshot::read(&api.store, asked, times.window, times.moving).await;
    let (mut seen, moving) = seen.map_err(|error| api.store_problem(error))?;
    let seen = seen.remove(&resource).ok_or_else(no_such_resource)?;
    if times.moving.is_some() && moving.as_ref() != Some(&resource) {
        return Err(Problem::new(ProblemKind::NotFound, "The resource has no live booking of this id.").field(
            "moving",
            "is no live booking of this resource",
            "give the id of one, or leave it out",
        ));
    }
    let clock = clock::now();
    let search = Search { window: times.window, length: times.duration, step: times.granularity, moving: times.moving };
    let slots = availability(&seen.state, seen.asked(clock), search);
    let answer = Availability { of: AsOf::new(&seen, clock), slots: slots.into_iter().map(Span::from).collect() };
    let mut response = current(Json(&answer));
    // Digits between quotes are a header's value.
    response.headers_mut().extend(HeaderValue::try_from(&answer.of.etag).ok().map(|etag| (ETAG, etag)));
    Ok(response)
}

/// What is asked of many resources.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "read field by field, so that every fault is told at once; this is its description")]
struct FreeBusyQuestion {
    /// Their ids: 1 to 100.
    #[schema(min_items = 1, max_items = 100, example = json!(["room-7", "anna"]))]
    resources: Vec<String>,
    /// RFC 3339 with an offset or Z.
    #[schema(format = DateTime)]
    from: String,
    /// RFC 3339 with an offset or Z; at most 366 days after `from`.
    #[schema(format = DateTime)]
    to: String,
    /// The IANA zone of local times in `from` and `to`.
    #[schema(example = "Europe/Berlin", required = false, nullable = false)]
    time_zone: Option<String>,
    /// How long a slot is; without it there are no slots in the answer.
    #[schema(example = "30m", required = false, nullable = false)]
    duration: Option<String>,
    /// How far apart starts are; as long as a slot, unless said. At most 5,000 starts may be tried, over all resources.
    #[schema(example = "15m", required = false, nullable = false)]
    granularity: Option<String>,
}

/// Free and busy times of many resources, all from one snapshot.
#[derive(Debug, Serialize, ToSchema)]
struct FreeBusyAnswer {
    /// In the order of the question.
    resources: Vec<FreeBusyEntry>,
}

/// One resource's times, or why there are none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum FreeBusyEntry {
    /// The times.
    Times {
        #[serde(flatten)]
        of: AsOf,
        /// When every unit is taken or the time is taken elsewhere. Buffers and hours are not in it.
        busy: Vec<Span>,
        /// What could be booked, as `availability` says it; absent without a `duration`.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(required = false, nullable = false)]
        slots: Option<Vec<Span>>,
    },
    /// There is no such resource, or the key may not see its times; the others are answered all the same.
    Problem {
        /// The id as it was asked for.
        resource: String,
        /// As it would be told if this were all of the question.
        problem: ProblemDocument,
    },
}

/// Free and busy times of many resources.
///
/// All from one snapshot. A resource that does not exist, or whose times the key may not see, has a `problem` in its place.
#[utoipa::path(post, path = "/v1/freebusy", operation_id = "show_free_and_busy", tag = "availability",
    request_body(content = FreeBusyQuestion, content_type = "application/json"), responses(
    (status = 200, description = "The times.", body = FreeBusyAnswer),
    (status = 400, description = "The body is wrong; `errors` names each field.", body = ProblemDocument,
        content_type = "application/problem+json"),
))]
async fn many(State(api): State<Arc<Api>>, caller: Caller, JsonBytes(body): JsonBytes) -> Result<Response, Problem> {
    let question = object(&body, FreeBusy::read)?;
    let visible: Vec<ResourceId> =
        question.resources.iter().filter(|resource| caller.may_see_times(resource)).cloned().collect();
    let seen = snapshot::read(&api.store, &visible, question.window, None).await;
    let (seen, _) = seen.map_err(|error| api.store_problem(error))?;
    let clock = clock::now();
    let entry = |resource: &ResourceId| match seen.get(resource) {
        Some(seen) => times(seen, &question, clock),
        None => {
            let problem = if visible.contains(resource) { no_such_resource() } else { forbidden() };
            FreeBusyEntry::Problem { resource: resource.to_string(), problem: problem.document() }
        }
    };
    Ok(current(Json(&FreeBusyAnswer { resources: question.resources.iter().map(entry).collect() })))
}

fn times(seen: &Seen, question: &FreeBusy, clock: Timestamp) -> FreeBusyEntry {
    let asked = seen.asked(clock);
    let slots = question.slots.map(|(length, step)| {
        let search = Search { window: question.window, length, step, moving: None };
        availability(&seen.state, asked, search).into_iter().map(Span::from).collect()
    });
    let busy = taken(&seen.state, asked.earliest, question.window).into_iter().map(Span::from).collect();
    FreeBusyEntry::Times { of: AsOf::new(seen, clock), busy, slots }
}

/// Nobody may keep it: it is of a moment.
fn current(body: impl IntoResponse) -> Response {
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], body).into_response()
}

fn forbidden() -> Problem {
    Problem::new(ProblemKind::Forbidden, "The key may neither ask for this resource's time nor read it.")
}

fn no_such_resource() -> Problem {
    Problem::new(ProblemKind::NotFound, "There is no resource of this id.")
}
