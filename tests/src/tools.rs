//! Tools that are written to, behind HTTP: one for each installation, which names itself as the first segment of the path.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use daybook_runtime::clock;
use tokio::net::TcpListener;

use crate::tool::{Answered, Asked, Dialect, Tool};

/// The token that counts.
pub const TOKEN: &str = "a-token-of-a-tool-0123456789";

#[derive(Debug)]
struct Truth {
    dialect: Dialect,
    tools: BTreeMap<String, Tool>,
    /// Whether the token counts no more.
    revoked: bool,
}

/// The server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tools {
    address: SocketAddr,
    truth: Arc<Mutex<Truth>>,
}

impl Tools {
    /// Listens on a free port, for as long as the runtime lasts.
    pub async fn start(dialect: Dialect) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port")?;
        let address = listener.local_addr()?;
        let truth = Truth { dialect, tools: BTreeMap::new(), revoked: false };
        let tools = Self { address, truth: Arc::new(Mutex::new(truth)) };
        let app = Router::new().fallback(answer).with_state(tools.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(tools)
    }

    /// Where the tool of an installation is.
    pub fn base(&self, installation: &str) -> String {
        format!("http://{}/{installation}", self.address)
    }

    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens in an installation's tool.
    pub fn tool<T>(&self, installation: &str, change: impl FnOnce(&mut Tool) -> T) -> T {
        let mut truth = self.truth();
        let dialect = truth.dialect;
        change(truth.tools.entry(installation.to_owned()).or_insert_with(|| Tool::new(dialect)))
    }

    /// Whether the token is taken back.
    pub fn revoke(&self, revoked: bool) {
        self.truth().revoked = revoked;
    }
}

async fn answer(State(tools): State<Tools>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let known = text(header::AUTHORIZATION) == Some(&format!("Bearer {TOKEN}"));
    if !known || tools.truth().revoked {
        return (StatusCode::UNAUTHORIZED, "{}").into_response();
    }
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let Some((installation, rest)) = target.trim_start_matches('/').split_once('/') else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let pairs =
        headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    let asked = Asked {
        method: method.as_str(),
        target: &format!("/{rest}"),
        headers: &pairs.collect::<Vec<_>>(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let answered = tools.tool(installation, |tool| tool.request(clock::now().millis(), &asked));
    let (status, retry_after, body) = match answered {
        Answered::With(status, retry_after, body) => (status, retry_after, body),
        Answered::Nothing => {
            // The connection breaks off in the middle of an answer.
            let broken = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("it breaks off"))];
            return Body::from_stream(futures::stream::iter(broken)).into_response();
        }
        // Until whoever asks has had enough.
        Answered::Silence => std::future::pending().await,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match retry_after.map(|wait| [(header::RETRY_AFTER, wait)]) {
        Some(wait) => (status, wait, body).into_response(),
        None => (status, body).into_response(),
    }
}
