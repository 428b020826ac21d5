//! Google's and Microsoft's APIs, behind HTTP: calendars that change, answers that go wrong on command, and channels by which
//! they say that something has changed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::calendar::{Answered, Calendar, Dialect};

/// The token that counts.
pub const TOKEN: &str = "a-token-of-a-vendor-0123456789";

/// A channel that was asked for.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Of which calendar.
    pub calendar: String,
    /// What it is called.
    pub id: String,
    /// What goes with each ping.
    pub proof: String,
    /// Where pings go.
    pub address: String,
}

#[derive(Debug)]
struct Truth {
    dialect: Dialect,
    calendars: BTreeMap<String, Calendar>,
    /// Asked for, and not there.
    refused: BTreeMap<String, usize>,
    channels: Vec<Channel>,
    closed: usize,
    /// Where the doors really are that installations name in their addresses.
    doors: BTreeMap<String, String>,
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
        let truth = Truth {
            dialect,
            calendars: BTreeMap::new(),
            refused: BTreeMap::new(),
            channels: Vec::new(),
            closed: 0,
            doors: BTreeMap::new(),
        };
        let vendor = Self { address, truth: Arc::new(Mutex::new(truth)) };
        let app = Router::new().fallback(answer).with_state(vendor.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(vendor)
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

    /// Before an installation is up, nobody knows its door's port: it names itself in the address instead, as the first
    /// segment of its path. This is where it really is.
    pub fn door(&self, installation: &str, url: &str) {
        self.truth().doors.insert(installation.to_owned(), url.to_owned());
    }

    /// The channels of a calendar.
    pub fn channels(&self, calendar: &str) -> Vec<Channel> {
        self.truth().channels.iter().filter(|channel| channel.calendar == calendar).cloned().collect()
    }

    /// How many were closed.
    pub fn closed(&self) -> usize {
        self.truth().closed
    }

    fn really(&self, address: &str) -> Result<String> {
        let path = address.splitn(4, '/').nth(3).context("an address has a path")?;
        let (installation, rest) = path.split_once('/').context("its path begins with the installation")?;
        let truth = self.truth();
        Ok(format!("{}/{rest}", truth.doors.get(installation).context("an installation that is up")?))
    }

    /// Says by every channel of a calendar that it has changed, or another word of the vendor's; what was answered.
    pub async fn ping(&self, http: &reqwest::Client, calendar: &str, word: Option<&str>) -> Result<Vec<u16>> {
        let mut answers = Vec::new();
        for channel in self.channels(calendar) {
            let dialect = self.truth().dialect;
            let request = http.post(self.really(&channel.address)?);
            let request = match dialect {
                Dialect::Google => request
                    .header("x-goog-channel-id", &channel.id)
                    .header("x-goog-channel-token", &channel.proof)
                    .header("x-goog-resource-state", word.unwrap_or("exists"))
                    .header("x-goog-message-number", "7"),
                Dialect::Graph => {
                    let mut element =
                        json!({"subscriptionId": channel.id, "clientState": channel.proof, "tenantId": "t"});
                    match word {
                        Some(word) => element["lifecycleEvent"] = json!(word),
                        None => element["changeType"] = json!("updated"),
                    }
                    request.json(&json!({ "value": [element] }))
                }
            };
            answers.push(request.send().await?.status().as_u16());
        }
        Ok(answers)
    }

    /// Asks whether an address is the subscriber's own, as Microsoft does before it grants anything.
    async fn validated(&self, address: &str) -> Result<()> {
        let address = format!("{}?validationToken=Validation%3A%20one%2Btwo", self.really(address)?);
        let answer = reqwest::Client::new().post(address).send().await?;
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        ensure!(kind.is_some_and(|kind| kind.starts_with("text/plain")), "answered {kind:?}");
        ensure!(answer.text().await? == "Validation: one+two", "answered another token");
        Ok(())
    }

    async fn open(&self, calendar: Option<String>, body: &Value) -> Option<Value> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let dialect = self.truth().dialect;
        let (channel, answer) = match dialect {
            Dialect::Google => {
                let (id, proof, address) = (text("id")?, text("token")?, text("address")?);
                let answer =
                    json!({"kind": "api#channel", "id": id, "resourceId": "r", "expiration": text("expiration")?});
                (Channel { calendar: calendar?, id, proof, address }, answer)
            }
            Dialect::Graph => {
                let (proof, address) = (text("clientState")?, text("notificationUrl")?);
                self.validated(&address).await.ok()?;
                let calendar = text("resource")?.trim_start_matches("users/").trim_end_matches("/events").to_owned();
                let id = format!("subscription-{}", crate::people::next_number());
                let answer = json!({"id": id, "expirationDateTime": text("expirationDateTime")?});
                (Channel { calendar, id, proof, address }, answer)
            }
        };
        self.truth().channels.push(channel);
        Some(answer)
    }

    fn close(&self, id: &str) {
        let mut truth = self.truth();
        let before = truth.channels.len();
        truth.channels.retain(|channel| channel.id != id);
        truth.closed += before - truth.channels.len();
    }
}

async fn answer(State(vendor): State<Vendor>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if bearer != Some(&format!("Bearer {TOKEN}")) {
        return (StatusCode::UNAUTHORIZED, "{}").into_response();
    }
    let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let path: Vec<String> = uri.path().trim_start_matches('/').split('/').map(decoded).collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    match (&method, path.as_slice()) {
        (&Method::POST, ["calendar", "v3", "channels", "stop"]) => {
            vendor.close(body["id"].as_str().unwrap_or_default());
            return StatusCode::NO_CONTENT.into_response();
        }
        (&Method::DELETE, ["v1.0", "subscriptions", id]) => {
            vendor.close(id);
            return StatusCode::NO_CONTENT.into_response();
        }
        (&Method::POST, ["calendar", "v3", "calendars", calendar, "events", "watch"]) => {
            return opened(vendor.open(Some((*calendar).to_owned()), &body).await);
        }
        (&Method::POST, ["v1.0", "subscriptions"]) => return opened(vendor.open(None, &body).await),
        (_, _) => {}
    }
    let mut truth = vendor.truth();
    let at = match truth.dialect {
        Dialect::Google => 3,
        Dialect::Graph => 2,
    };
    let name = path.get(at).copied().unwrap_or_default().to_owned();
    let Some(calendar) = truth.calendars.get_mut(&name) else {
        *truth.refused.entry(name).or_default() += 1;
        let body = match truth.dialect {
            Dialect::Google => r#"{"error": {"errors": [{"reason": "notFound"}]}}"#,
            Dialect::Graph => r#"{"error": {"code": "ErrorInvalidUser"}}"#,
        };
        return (StatusCode::NOT_FOUND, body).into_response();
    };
    let condition = headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    let target = uri.path_and_query().map_or("", |target| target.as_str());
    let Answered::With(status, retry_after, body) = calendar.request(method.as_str(), target, condition, &body) else {
        // The connection breaks off in the middle of an answer.
        let broken = futures::stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("it breaks off"))]);
        return Body::from_stream(broken).into_response();
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let wait = retry_after.map(|wait| [(header::RETRY_AFTER, wait)]);
    match wait {
        Some(wait) => (status, wait, body).into_response(),
        None => (status, body).into_response(),
    }
}

fn opened(answer: Option<Value>) -> Response {
    match answer {
        Some(answer) => (StatusCode::CREATED, axum::Json(answer)).into_response(),
        None => (StatusCode::BAD_REQUEST, "{}").into_response(),
    }
}
