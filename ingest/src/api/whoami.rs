//! `GET /v1/key`: what a key is and allows, for whoever holds it and wonders why it is refused.

use std::sync::Arc;

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Api, Caller};

/// The routes.
pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(show))
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
struct KeyView {
    /// Its public half, as logs and `daybook keys list` show it.
    #[schema(example = "9f86d081884c7d65")]
    id: String,
    /// Whose it is.
    #[schema(example = "crm")]
    caller: String,
    /// What it allows.
    #[schema(example = json!(["request:room-*", "read:room-7"]))]
    scopes: Vec<String>,
    /// When it ends; null if it does not.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// What the key of this request is, and what it allows.
#[utoipa::path(get, path = "/v1/key", tag = "about", responses(
    (status = 200, description = "The key.", body = KeyView),
))]
async fn show(caller: Caller) -> Json<KeyView> {
    Json(KeyView {
        id: caller.key.to_string(),
        caller: caller.name.to_string(),
        scopes: caller.scopes().map(ToString::to_string).collect(),
        expires_at: caller.expires_at().map(|time| time.to_string()),
    })
}
