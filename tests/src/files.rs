//! A server of files that are published: each is what it is until it is changed, and misbehaves on command.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

/// A file, and how often it was asked for.
#[derive(Debug, Clone, Default)]
struct File {
    text: String,
    changed: u64,
    asked: usize,
    unchanged: usize,
}

/// The server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Files {
    address: SocketAddr,
    files: Arc<Mutex<BTreeMap<String, File>>>,
}

impl Files {
    /// Listens on a free port, for as long as the runtime lasts.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port")?;
        let files = Self { address: listener.local_addr()?, files: Arc::default() };
        let app = Router::new().fallback(answer).with_state(files.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(files)
    }

    /// Where it is.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a file, or another in its place.
    pub fn publish(&self, name: &str, text: &str) {
        let mut all = self.all();
        let file = all.entry(name.to_owned()).or_default();
        text.clone_into(&mut file.text);
        file.changed += 1;
    }

    /// How often a file was asked for, and how often it was the same as before.
    pub fn asked(&self, name: &str) -> (usize, usize) {
        self.all().get(name).map_or((0, 0), |file| (file.asked, file.unchanged))
    }
}

async fn answer(State(files): State<Files>, uri: Uri, headers: HeaderMap) -> Response {
    let mut all = files.all();
    let Some(file) = all.get_mut(uri.path().trim_start_matches('/')) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    file.asked += 1;
    let etag = format!("\"{}\"", file.changed);
    if headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()) == Some(&etag) {
        file.unchanged += 1;
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    ([(header::ETAG, etag)], file.text.clone()).into_response()
}
