//! `GET /v1/resources`: those that a key may see, page by page.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use daybook_domain::ResourceId;
use daybook_ingest_core::Resources;
use daybook_resources::store;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::ResourceView;
use crate::api::problem::ProblemDocument;
use crate::api::{Api, Caller, Problem, ProblemKind};

/// Resources on a page, unless the caller says otherwise.
const LIMIT: u16 = 50;
/// And at most.
const LIMIT_MAX: u16 = 200;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    limit: Option<u16>,
    after: Option<String>,
}

/// Some resources.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResourcePage {
    /// By their ids.
    resources: Vec<ResourceView>,
    /// What to give as `after` for the next page; null on the last.
    next: Option<String>,
}

/// Resources, page by page.
///
/// Those that the key may ask for or read, by their ids. Retired ones are not among them.
#[utoipa::path(get, path = "/v1/resources", operation_id = "list_resources", tag = "resources",
    params(
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 200, description = "So many on a page; 50 unless said."),
        ("after" = Option<String>, Query, description = "The `next` of the page before."),
    ),
    responses(
        (status = 200, description = "Resources.", body = ResourcePage),
        (status = 400, description = "A parameter is wrong.", body = ProblemDocument, content_type = "application/problem+json"),
    ))]
pub async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<ResourcePage>, Problem> {
    let invalid = |field: &str, fix: String| {
        Problem::new(ProblemKind::InvalidParameter, "The query is not as it must be.").field(
            field,
            "is not as it must be",
            fix,
        )
    };
    let Ok(Query(question)) = question else {
        return Err(invalid("(query)", format!("give limit (1 to {LIMIT_MAX}) and after, each at most once")));
    };
    let limit = question.limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(invalid("limit", format!("give 1 to {LIMIT_MAX}")));
    }
    let after = question.after.unwrap_or_default();
    if !after.is_empty() && after.parse::<ResourceId>().is_err() {
        return Err(invalid("after", "give the `next` of the page before".to_owned()));
    }
    let patterns: Vec<String> = caller.visible().iter().map(like).collect();
    let ids = store::visible(&api.store, &patterns, &after, i64::from(limit) + 1).await;
    let mut ids = ids.map_err(|error| api.store_problem(error))?;
    let more = ids.len() > usize::from(limit);
    ids.truncate(usize::from(limit));
    let found = store::resources(&api.store, &ids).await.map_err(|error| api.store_problem(error))?;
    let shown = found.iter().filter_map(|(id, stored)| {
        let id: ResourceId = id.parse().ok()?;
        Some(ResourceView::of(&id, stored, caller.may_read(&id)))
    });
    Ok(Json(ResourcePage { resources: shown.collect(), next: ids.pop().filter(|_| more) }))
}

/// Ids as a pattern of LIKE. Of its special characters an id may have the underscore.
fn like(resources: &Resources) -> String {
    let escaped = |text: &str| text.replace('_', "\\_");
    match resources {
        Resources::All => "%".to_owned(),
        Resources::Beginning(beginning) => format!("{}%", escaped(beginning)),
        Resources::One(id) => escaped(id.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_ids_that_the_scope_means() {
        assert_eq!(like(&Resources::All), "%");
        assert_eq!(like(&Resources::Beginning("room_".to_owned())), "room\\_%");
        assert_eq!(like(&Resources::One("a_b.c".parse().expect("an id"))), "a\\_b.c");
    }
}
