//! What anybody may read, without a key: the OpenAPI document, and what each problem means.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::problem::{Problem, ProblemKind};

/// The routes.
pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(openapi)).routes(routes!(explain))
}

/// This API, as OpenAPI 3.1.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "about", security(()), responses(
    (status = 200, description = "The document.", body = Object),
))]
async fn openapi() -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], super::openapi_text()).into_response()
}

/// What a problem's type means.
#[utoipa::path(get, path = "/v1/problems/{word}", tag = "about", security(()),
    params(("word" = String, Path, description = "The last part of a problem's `type`.")),
    responses(
        (status = 200, description = "In words.", body = String, content_type = "text/plain"),
        (status = 404, description = "No such problem.", body = super::problem::ProblemDocument,
            content_type = "application/problem+json"),
))]
async fn explain(Path(word): Path<String>) -> Result<String, Problem> {
    let kind = ProblemKind::ALL.iter().find(|kind| kind.as_str() == word);
    let kind = kind.ok_or_else(|| Problem::new(ProblemKind::NotFound, "There is no problem of this name."))?;
    let meaning: String = kind.meaning().lines().map(|line| format!("{}\n", line.trim_start())).collect();
    Ok(format!("{} {}\n\n{meaning}", kind.status().as_u16(), kind.title()))
}
