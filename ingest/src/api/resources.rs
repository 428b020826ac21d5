//! Resources: who can be booked, by which rules, what the sources call them, and who mirrors them.
//!
//! Invariant: rules go through the log and are decided like any other request; the region, aliases and targets, which no
//! decision reads, are written once the rules are decided. What one `PUT` says is what `daybook resources apply` makes of
//! the same words, because both are read by the same crate. The other services read the store anew for each batch, so a change
//! reaches them with the next one.

mod define;
mod page;
mod remove;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{ETAG, IF_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use daybook_domain::{Expected, ResourceId};
use daybook_resources::{Definition, Fault, Stored, read_one, store};
use daybook_runtime::clock;
use daybook_runtime::postgres::{Sort, StoreError};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::remove::upkeep;
use self::view::{ResourceBody, ResourceView};
use super::problem::ProblemDocument;
use super::{Api, Caller, FieldError, JsonBytes, Problem, ProblemKind, input};

/// The routes.
pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(page::list)).routes(routes!(show, put, remove::remove))
}

/// A resource.
///
/// Its aliases and targets are shown to keys that may read it. The `ETag` is its version, which rises with its rules and its
/// timeline.
#[utoipa::path(get, path = "/v1/resources/{id}", operation_id = "show_resource", tag = "resources",
    params(("id" = String, Path, description = "The resource's id.", example = "room-7")),
    responses(
        (status = 200, description = "The resource.", body = ResourceView, headers(("ETag" = String))),
        (status = 400, description = "The address names no resource.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, description = "The key may neither ask for it nor read it.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "There is none, or it is retired.", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
async fn show(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = input::resource(&id)?;
    if !caller.may_see_times(&id) {
        return Err(Problem::new(
            ProblemKind::Forbidden,
            "The key may neither ask for this resource's time nor read it.",
        ));
    }
    let stored = stored(&api, &id).await?.filter(|stored| !stored.rules.retired);
    let stored = stored.ok_or_else(|| Problem::new(ProblemKind::NotFound, "There is no such resource."))?;
    Ok(answer(StatusCode::OK, &id, &stored, &caller))
}

/// Makes a resource what the body says.
///
/// The whole of it: a rule that is left out has its default, and a region, alias or target that is left out goes. The same
/// body twice changes nothing. What was booked before stands, whatever the rules become. Once this is answered the rules are
/// decided; the other services read regions, aliases and targets within seconds. With `If-Match`, only if nothing has
/// changed since.
#[utoipa::path(put, path = "/v1/resources/{id}", operation_id = "put_resource", tag = "resources",
    params(
        ("id" = String, Path, description = "The resource's id: 1 to 64 of a-z 0-9 . _ -", example = "room-7"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what is to be changed."),
    ),
    request_body = ResourceBody,
    responses(
        (status = 200, description = "It is so.", body = ResourceView, headers(("ETag" = String))),
        (status = 201, description = "It is new.", body = ResourceView, headers(("ETag" = String), ("Location" = String))),
        (status = 400, description = "The body is not as it must be.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, description = "The key is no administrator's.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "An alias belongs to another resource.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 412, description = "It has changed since.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON.", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
async fn put(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let id = input::resource(&id)?;
    administrator(&caller)?;
    let expected = if_match(&headers)?;
    let definition = read_one(&id, &body).map_err(|faults| faulty(&faults))?;
    let before = stored(&api, &id).await?;
    let version = before.as_ref().map_or(0, |stored| stored.version);
    is_current(expected, version)?;
    no_alias_of_another(&api, &definition).await?;
    if before.as_ref().is_none_or(|stored| stored.rules != definition.rules) {
        let request = store::open_request(&api.store, &id, &definition.rules, version, clock::now()).await;
        let mut request = request.map_err(|error| api.store_problem(error))?;
        request.expected = Expected { resource_version: expected, ..request.expected };
        define::decide(&api, &request).await?;
    }
    store::replace_besides_rules(&api.store, &[&definition]).await.map_err(|error| written(&api, error))?;
    let after = stored(&api, &id).await?;
    let after = after.ok_or_else(|| Problem::new(ProblemKind::Internal, "It was decided and is not there."))?;
    let is_new = before.is_none_or(|before| before.rules.retired);
    let mut response = answer(if is_new { StatusCode::CREATED } else { StatusCode::OK }, &id, &after, &caller);
    if is_new && let Ok(location) = HeaderValue::try_from(format!("/v1/resources/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    tracing::info!(resource.id = %id, key.id = %caller.key, version = after.version, "resource set");
    Ok(response)
}

fn answer(status: StatusCode, id: &ResourceId, stored: &Stored, caller: &Caller) -> Response {
    let mut response = (status, Json(ResourceView::of(id, stored, caller.may_read(id)))).into_response();
    if let Ok(etag) = HeaderValue::try_from(format!("\"{}\"", stored.version)) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

async fn stored(api: &Api, id: &ResourceId) -> Result<Option<Stored>, Problem> {
    let found = store::resources(&api.store, &[id.to_string()]).await;
    let mut found: BTreeMap<String, Stored> = found.map_err(|error| api.store_problem(error))?;
    Ok(found.remove(id.as_str()))
}

fn administrator(caller: &Caller) -> Result<(), Problem> {
    let problem = || Problem::new(ProblemKind::Forbidden, "Changing resources needs a key with the scope admin.");
    if caller.is_admin() { Ok(()) } else { Err(problem()) }
}

/// The version that the caller has seen; none if it does not care, or only that there is one.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let version =
        value.to_str().ok().map(str::trim).and_then(|text| text.strip_prefix('"')?.strip_suffix('"')?.parse().ok());
    version.map(Some).ok_or_else(|| {
        Problem::new(ProblemKind::InvalidParameter, "If-Match is not a version of a resource.").field(
            "If-Match",
            "is not an ETag of a resource",
            "send the ETag that GET has answered, quotes included, such as \"7\"",
        )
    })
}

fn is_current(expected: Option<u64>, version: u64) -> Result<(), Problem> {
    if expected.is_none_or(|expected| expected == version) { Ok(()) } else { Err(stale()) }
}

fn stale() -> Problem {
    Problem::new(ProblemKind::StaleVersion, "The resource has changed since; GET it again.")
}

fn faulty(faults: &[Fault]) -> Problem {
    let detail = match faults.len() {
        1 => "One thing is wrong with the body; nothing was changed.".to_owned(),
        many => format!("{many} things are wrong with the body; nothing was changed."),
    };
    let is_unknown = faults.iter().all(|fault| fault.problem.starts_with("is no field"));
    let kind = if is_unknown { ProblemKind::UnknownField } else { ProblemKind::InvalidBody };
    Problem::new(kind, detail).fields(faults.iter().map(|fault| {
        let (problem, fix) = fault.parts();
        FieldError { field: fault.at.clone(), problem: problem.to_owned(), fix: fix.to_owned() }
    }))
}

async fn no_alias_of_another(api: &Api, definition: &Definition) -> Result<(), Problem> {
    let aliases: Vec<(String, String)> =
        definition.aliases.keys().map(|(source, alias)| (source.to_string(), alias.clone())).collect();
    let owners = store::alias_owners(&api.store, &aliases).await.map_err(|error| api.store_problem(error))?;
    let taken = definition.aliases.iter().filter_map(|((source, alias), at)| {
        let owner = owners.get(&(source.to_string(), alias.clone()))?;
        (owner != definition.id.as_str()).then(|| FieldError {
            field: at.clone(),
            problem: format!("is an alias of {owner}"),
            fix: format!("take it from {owner} first, or leave it out here"),
        })
    });
    let taken: Vec<FieldError> = taken.collect();
    if taken.is_empty() { Ok(()) } else { Err(alias_taken().fields(taken)) }
}

fn alias_taken() -> Problem {
    Problem::new(ProblemKind::AliasTaken, "An alias means one resource; no region, alias or target was changed.")
}

/// The rules are decided by then; whoever was faster with an alias has it.
fn written(api: &Api, error: StoreError) -> Problem {
    if error.sort() == Sort::Refused { alias_taken() } else { api.store_problem(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_body_is_told_with_its_field_and_its_fix() {
        let id = "room-7".parse().expect("an id");
        let body = br#"{"id": "room-8", "time_zone": "Europe/Berln", "notice": "2 fortnights", "capacty": 2}"#;
        let problem = faulty(&read_one(&id, body).expect_err("faults"));
        assert_eq!(problem.kind(), ProblemKind::InvalidBody);
        let told: Vec<String> = problem
            .errors()
            .iter()
            .map(|error| format!("{}: {} | {}", error.field, error.problem, error.fix))
            .collect();
        expect_test::expect![[r#"
            id: is not the id in the address | leave it out
            capacty: is no field | known here: id, time_zone, replacement_wait, capacity, buffer_before, buffer_after, notice, window, hours, region, aliases, targets; did you mean capacity?
            time_zone: is no IANA time zone, such as Europe/Berlin | did you mean Europe/Berlin?
            notice: is no duration | write a number and a unit, such as 15m, 90s or 2h"#]].assert_eq(&told.join("\n"));
        let only_unknown = faulty(&read_one(&id, br#"{"time_zone": "UTC", "capacty": 2}"#).expect_err("a fault"));
        assert_eq!(only_unknown.kind(), ProblemKind::UnknownField);
    }

    #[test]
    fn if_match_is_a_version_in_quotes() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, HeaderValue::from_static(value));
            if_match(&headers).map_err(|problem| problem.kind())
        };
        assert_eq!(of("\"7\""), Ok(Some(7)));
        for wrong in ["7", "W/\"7\"", "*", "\"seven\""] {
            assert_eq!(of(wrong), Err(ProblemKind::InvalidParameter), "{wrong}");
        }
    }
}
