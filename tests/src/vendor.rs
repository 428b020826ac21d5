//! Google's and Microsoft's APIs, behind HTTP: calendars that change, and answers that go wrong on command.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;

use crate::calendar::{Calendar, Dialect};

/// The token that counts.
pub const TOKEN: &str = "a-token-of-a-vendor-0123456789";

#[derive(Debug)]
struct Truth {
    dialect: Dialect,
    calendars: BTreeMap<String, Calendar>,
    /// Asked for, and not there.
    refused: BTreeMap<String, usize>,
}

/// The vendor. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vendor {
    address: SocketAddr,
    truth: Arc<Mutex<Truth>>,
}

impl Vendor {
    /// Listens on a free port, for as long as the runtime lasts.
    pub async fn start(dialect: Dialect) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port")?;
        let address = listener.local_addr()?;
        let truth = Arc::new(Mutex::new(Truth { dialect, calendars: BTreeMap::new(), refused: BTreeMap::new() }));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&truth));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, truth })
    }

    /// Where it is.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens in a calendar, which is made if it is not there.
    pub fn calendar<T>(&self, id: &str, change: impl FnOnce(&mut Calendar) -> T) -> T {
        let mut truth = self.truth();
        let dialect = truth.dialect;
        change(truth.calendars.entry(id.to_owned()).or_insert_with(|| Calendar::new(dialect)))
    }

    /// How often a calendar was asked for that is not there.
    pub fn refused(&self, id: &str) -> usize {
        self.truth().refused.get(id).copied().unwrap_or(0)
    }
}

async fn answer(State(truth): State<Arc<Mutex<Truth>>>, uri: Uri, headers: HeaderMap) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if bearer != Some(&format!("Bearer {TOKEN}")) {
        return (StatusCode::UNAUTHORIZED, "{}").into_response();
    }
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let mut truth = truth.lock().unwrap_or_else(PoisonError::into_inner);
    let prefix = match truth.dialect {
        Dialect::Google => "/calendar/v3/calendars/",
        Dialect::Graph => "/v1.0/users/",
    };
    let name = uri.path().trim_start_matches(prefix).split('/').next().unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8_lossy().into_owned();
    let Some(calendar) = truth.calendars.get_mut(&name) else {
        *truth.refused.entry(name).or_default() += 1;
        let body = match truth.dialect {
            Dialect::Google => r#"{"error": {"errors": [{"reason": "notFound"}]}}"#,
            Dialect::Graph => r#"{"error": {"code": "ErrorInvalidUser"}}"#,
        };
        return (StatusCode::NOT_FOUND, body).into_response();
    };
    let (status, retry_after, body) = calendar.answer(target);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let wait = retry_after.map(|wait| [(header::RETRY_AFTER, wait)]);
    match wait {
        Some(wait) => (status, wait, body).into_response(),
        None => (status, body).into_response(),
    }
}
