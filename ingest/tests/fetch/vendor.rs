//! Acuity's API, as far as it is asked: appointments that change, and an API that misbehaves on command.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub const USER: &str = "39594627";
pub const KEY: &str = "an-api-key-of-acuity-0123456789";

/// What the next call meets instead of its answer.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    /// This status, and nothing said of when to come again.
    Status(u16),
    /// 429 with so many seconds.
    Busy(u64),
    /// 200 with an error inside.
    ErrorInside,
    /// 200 with half of the answer.
    Halved,
    /// No answer at all for so long.
    Silence(Duration),
    /// A connection that is dropped in the middle of the answer.
    Dropped,
}

#[derive(Debug, Default)]
struct Truth {
    appointments: BTreeMap<u64, Value>,
    troubles: VecDeque<Trouble>,
    /// Appointments that are never answered with anything but this status.
    broken: BTreeMap<u64, u16>,
    asked: Vec<u64>,
    key: Option<String>,
}

/// The vendor.
#[derive(Debug, Clone)]
pub struct Acuity {
    pub address: SocketAddr,
    truth: Arc<Mutex<Truth>>,
}

impl Acuity {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let truth = Arc::new(Mutex::new(Truth { key: Some(KEY.to_owned()), ..Truth::default() }));
        let app = Router::new().route("/api/v1/appointments/{id}", get(appointment)).with_state(Arc::clone(&truth));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, truth }
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().expect("nobody panicked")
    }

    /// From now on the appointment begins then.
    pub fn set(&self, id: u64, begins: &str) {
        let state = json!({
            "id": id, "firstName": "Mara", "lastName": "Quinn", "email": "mara.quinn@example.org", "phone": "",
            "datetime": begins, "duration": "50", "type": "Consultation", "calendarID": 4_038_206,
            "timezone": "Europe/Berlin", "canceled": false, "notes": "her knee",
        });
        self.truth().appointments.insert(id, state);
    }

    pub fn remove(&self, id: u64) {
        self.truth().appointments.remove(&id);
    }

    /// The next calls meet these, in this order.
    pub fn trouble(&self, troubles: &[Trouble]) {
        self.truth().troubles.extend(troubles);
    }

    /// This appointment is never answered with anything but this status.
    pub fn broken(&self, id: u64, status: u16) {
        self.truth().broken.insert(id, status);
    }

    /// The key that counts; none turns everybody away.
    pub fn key(&self, key: Option<&str>) {
        self.truth().key = key.map(str::to_owned);
    }

    /// How often this appointment was asked for.
    pub fn asked(&self, id: u64) -> usize {
        self.truth().asked.iter().filter(|asked| **asked == id).count()
    }
}

async fn appointment(State(truth): State<Arc<Mutex<Truth>>>, Path(id): Path<u64>, headers: HeaderMap) -> Response {
    let (trouble, state, allowed) = {
        let mut truth = truth.lock().expect("nobody panicked");
        truth.asked.push(id);
        let credential = truth
            .key
            .as_ref()
            .map(|key| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{key}"))));
        let given = headers.get("authorization").and_then(|value| value.to_str().ok());
        let allowed = credential.is_some() && given == credential.as_deref();
        let broken = truth.broken.get(&id).map(|status| Trouble::Status(*status));
        (broken.or_else(|| truth.troubles.pop_front()), truth.appointments.get(&id).cloned(), allowed)
    };
    match trouble {
        Some(Trouble::Status(status)) => return StatusCode::from_u16(status).expect("a status").into_response(),
        Some(Trouble::Busy(seconds)) => {
            return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds.to_string())]).into_response();
        }
        Some(Trouble::ErrorInside) => return axum::Json(json!({"status_code": 500, "error": "oops"})).into_response(),
        Some(Trouble::Halved) => {
            let text = state.unwrap_or_default().to_string();
            return text[..text.len() / 2].to_owned().into_response();
        }
        Some(Trouble::Silence(span)) => tokio::time::sleep(span).await,
        Some(Trouble::Dropped) => {
            let broken = futures::stream::iter([Ok("{\"id\":"), Err(std::io::Error::other("dropped"))]);
            return axum::body::Body::from_stream(broken).into_response();
        }
        None => {}
    }
    match state {
        _ if !allowed => (StatusCode::UNAUTHORIZED, axum::Json(json!({"error": "unauthorized"}))).into_response(),
        Some(state) => axum::Json(state).into_response(),
        None => (StatusCode::NOT_FOUND, axum::Json(json!({"status_code": 404}))).into_response(),
    }
}
