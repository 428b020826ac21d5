//! The partner's system of the demonstration: what a receiver of Daybook's signed webhooks does, and what one may suffer.
//!
//! In: `POST /hook`, judged by the `standardwebhooks` crate, which is not ours. Out: `GET /received`, what came and what
//! is now believed of each booking. Owns: a message id takes effect once, and an older version never replaces a newer
//! one. `POST /misbehave` makes it fail on command. Absent on purpose: storage; a restart forgets everything.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How many deliveries are remembered; the oldest are forgotten first, with their ids.
const LOG_MAX: usize = 100_000;

/// A receiver that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Receiver {
    addr: SocketAddr,
    received: Received,
    stop: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

impl Receiver {
    /// Starts it. Each secret is `whsec_` and base64; a message signed with any of them is accepted.
    pub async fn start(listen: SocketAddr, secrets: &[String]) -> Result<Self> {
        let judges = secrets.iter().enumerate().map(|(index, secret)| {
            anyhow::ensure!(secret.starts_with("whsec_"), "secret number {} does not begin with whsec_", index + 1);
            Webhook::new(secret).with_context(|| format!("secret number {} is not base64", index + 1))
        });
        let judges = judges.collect::<Result<Vec<_>>>()?;
        anyhow::ensure!(!judges.is_empty(), "no secret: nothing could be accepted");
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let addr = listener.local_addr().context("the listener has no address")?;
        let stop = CancellationToken::new();
        let received = Received::default();
        let partner = Arc::new(Partner { judges, received: received.clone(), stop: stop.clone() });
        let router = Router::new()
            .route("/hook", post(hook))
            .route("/misbehave", post(misbehave))
            .route("/received", get(show).delete(clear))
            .route("/healthz", get(StatusCode::OK))
            .with_state(partner);
        let server = tokio::spawn(
            axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future(),
        );
        Ok(Self { addr, received, stop, server })
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address to give to the propagator.
    pub fn hook_url(&self) -> String {
        format!("http://{}/hook", self.addr)
    }

    /// What it has received.
    pub const fn received(&self) -> &Received {
        &self.received
    }

    /// Ends it, hung answers included.
    pub async fn stop(mut self) -> Result<()> {
        self.stop.cancel();
        (&mut self.server).await.context("the server panicked")?.context("the server failed")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What was received, shared with the running server.
#[derive(Debug, Clone, Default)]
pub struct Received(Arc<Mutex<Memory>>);

impl Received {
    /// Everything, as `GET /received` shows it.
    pub fn report(&self) -> Report {
        let memory = self.lock();
        Report {
            log: memory.log.iter().cloned().collect(),
            bookings: memory.bookings.clone(),
            bad_signatures: memory.bad_signatures,
            refused_on_command: memory.refused_on_command,
            forgotten: memory.forgotten,
        }
    }

    /// Forgets everything that was received, and every order to misbehave.
    pub fn clear(&self) {
        *self.lock() = Memory::default();
    }

    /// Gives an order; it replaces the one before.
    pub fn misbehave(&self, order: Order) {
        self.lock().order = Some(order);
    }

    /// A panic in a handler leaves the memory as it was between two lines; a test still wants to see it.
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was received and what is believed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Every delivery that was taken in, in the order of arrival.
    pub log: Vec<Delivery>,
    /// The newest state of each booking.
    pub bookings: BTreeMap<String, Booking>,
    /// Deliveries whose signature, or the time in it, was no good.
    pub bad_signatures: u64,
    /// Deliveries that an order turned away unseen.
    pub refused_on_command: u64,
    /// Deliveries that the log no longer holds.
    pub forgotten: u64,
}

/// One delivery.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Delivery {
    /// Counts the deliveries, from 1.
    pub order: u64,
    /// `webhook-id`.
    pub id: String,
    /// `type`.
    pub r#type: String,
    /// Which booking.
    pub booking_id: String,
    /// Which version of it.
    pub version: u64,
    /// `confirmed`, `cancelled`, ….
    pub status: String,
    /// Whether this id had come before.
    pub duplicate: bool,
    /// Whether a newer version had come before, and this is not a mere repeat of an earlier message.
    pub regression: bool,
}

/// What is believed of one booking.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Booking {
    /// The newest version that came.
    pub version: u64,
    /// Its status.
    pub status: String,
    /// The whole message.
    pub body: Value,
}

/// How to fail, and how often; `times` is 1 unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Order {
    /// `{"status":503,"times":10,"retry_after":2}`: answer so, without looking at the message.
    Refuse {
        /// The status.
        #[serde(with = "status_code")]
        status: StatusCode,
        /// How often.
        #[serde(default = "once")]
        times: u64,
        /// `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// `{"apply_then_status":500,"times":3}`: take the message in, and answer so.
    ApplyThen {
        /// The status.
        #[serde(with = "status_code")]
        apply_then_status: StatusCode,
        /// How often.
        #[serde(default = "once")]
        times: u64,
    },
    /// `{"hang_ms":5000}`: take the message in, and answer late.
    Hang {
        /// For how long.
        hang_ms: u64,
        /// How often.
        #[serde(default = "once")]
        times: u64,
    },
}

const fn once() -> u64 {
    1
}

mod status_code {
    use axum::http::StatusCode;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusCode, D::Error> {
        StatusCode::from_u16(u16::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Order {
    fn times(&mut self) -> &mut u64 {
        match self {
            Self::Refuse { times, .. } | Self::ApplyThen { times, .. } | Self::Hang { times, .. } => times,
        }
    }
}

#[derive(Debug, Default)]
struct Memory {
    log: VecDeque<Delivery>,
    ids: HashSet<String>,
    bookings: BTreeMap<String, Booking>,
    arrivals: u64,
    bad_signatures: u64,
    refused_on_command: u64,
    forgotten: u64,
    order: Option<Order>,
}

impl Memory {
    /// The order that this delivery meets.
    fn next_order(&mut self) -> Option<Order> {
        let order = self.order.as_mut()?;
        let met = *order;
        let times = order.times();
        if *times == 0 {
            self.order = None;
            return None;
        }
        *times -= 1;
        Some(met)
    }

    fn take(&mut self, id: &str, message: Message, body: Value) {
        let duplicate = !self.ids.insert(id.to_owned());
        let newest = self.bookings.get(&message.booking_id).map_or(0, |booking| booking.version);
        let regression = !duplicate && message.version < newest;
        if !duplicate && message.version > newest {
            let booking = Booking { version: message.version, status: message.status.clone(), body };
            self.bookings.insert(message.booking_id.clone(), booking);
        }
        self.arrivals += 1;
        self.log.push_back(Delivery {
            order: self.arrivals,
            id: id.to_owned(),
            r#type: message.r#type,
            booking_id: message.booking_id,
            version: message.version,
            status: message.status,
            duplicate,
            regression,
        });
        if self.log.len() > LOG_MAX
            && let Some(oldest) = self.log.pop_front()
        {
            self.ids.remove(&oldest.id);
            self.forgotten += 1;
        }
    }
}

/// The fields of a message that this receiver acts on.
#[derive(Deserialize)]
struct Message {
    r#type: String,
    booking_id: String,
    version: u64,
    status: String,
}

struct Partner {
    judges: Vec<Webhook>,
    received: Received,
    stop: CancellationToken,
}

async fn hook(State(partner): State<Arc<Partner>>, headers: HeaderMap, body: Bytes) -> Response {
    let order = partner.received.lock().next_order();
    if let Some(Order::Refuse { status, retry_after, .. }) = order {
        partner.received.lock().refused_on_command += 1;
        return match retry_after {
            Some(seconds) => (status, [(header::RETRY_AFTER, seconds.to_string())]).into_response(),
            None => status.into_response(),
        };
    }
    if !partner.judges.iter().any(|judge| judge.verify(&body, &headers).is_ok()) {
        partner.received.lock().bad_signatures += 1;
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let id = headers.get(standardwebhooks::HEADER_WEBHOOK_ID).and_then(|id| id.to_str().ok());
    let value = serde_json::from_slice::<Value>(&body);
    let message = serde_json::from_slice::<Message>(&body);
    let (Some(id), Ok(value), Ok(message)) = (id, value, message) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    partner.received.lock().take(id, message, value);
    match order {
        Some(Order::ApplyThen { apply_then_status, .. }) => apply_then_status.into_response(),
        Some(Order::Hang { hang_ms, .. }) => {
            let hang = tokio::time::sleep(Duration::from_millis(hang_ms));
            tokio::select! {
                () = hang => StatusCode::NO_CONTENT.into_response(),
                () = partner.stop.cancelled() => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            }
        }
        Some(Order::Refuse { .. }) | None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn misbehave(State(partner): State<Arc<Partner>>, Json(order): Json<Order>) -> StatusCode {
    partner.received.misbehave(order);
    StatusCode::NO_CONTENT
}

async fn show(State(partner): State<Arc<Partner>>) -> Json<Report> {
    Json(partner.received.report())
}

async fn clear(State(partner): State<Arc<Partner>>) -> StatusCode {
    partner.received.clear();
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests;
