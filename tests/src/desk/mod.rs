//! A scheduling tool and its API, as Acuity, Cal.com, Calendly and HubSpot have it: bookings that are made, moved and cancelled, lists of
//! them in pages of three, and answers that go wrong on command. How each writes that is in `dialect.rs`, from what they document
//! and were seen to do. Its webhooks are whatever a test sends; what it does not send is lost.

mod dialect;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use daybook_domain::Timestamp;
use daybook_runtime::clock;
use tokio::net::TcpListener;

pub use self::dialect::Dialect;
use crate::calendly::Host;
use crate::people::Person;

/// The token that counts.
pub const TOKEN: &str = "a-token-of-a-desk-0123456789";
/// Whose bookings are listed, where one has to say so.
pub const ORGANIZATION: &str = "https://api.calendly.com/organizations/ACME";
/// Bookings on a page.
const PAGE: usize = 3;
/// How many seconds an access token is said to live: a few more than anybody leaves over.
const LIFE: u64 = 123;

/// How an answer goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 429, with `Retry-After` or without.
    TooMany(Option<u32>),
    /// 503.
    Away,
    /// 500 with a page of something in between.
    Page,
    /// 200, with an error in it.
    Error,
    /// Cut off in the middle.
    Halved,
    /// Of a list: sound, but for every second booking.
    Half,
    /// Of a list: sound, but for every booking.
    Nothing,
    /// The token is not taken.
    Denied,
}

impl Fault {
    /// All that pass within a moment; after a denial everybody waits for half a minute.
    pub const ALL: [Self; 8] = [
        Self::TooMany(None),
        Self::TooMany(Some(1)),
        Self::Away,
        Self::Page,
        Self::Error,
        Self::Halved,
        Self::Half,
        Self::Nothing,
    ];
}

/// A booking, as the tool has it.
#[derive(Debug, Clone)]
pub struct Booked {
    /// What it is called.
    pub id: String,
    /// Whose time.
    pub host: Host,
    /// What the tool calls them, where that is a number.
    pub number: u64,
    /// Who booked.
    pub person: Person,
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub changed: Timestamp,
    /// Whether it is off.
    pub cancelled: bool,
    /// The one that it came in place of.
    pub previous: Option<String>,
    /// The one that came in its place.
    pub next: Option<String>,
}

#[derive(Debug)]
struct Truth {
    dialect: Dialect,
    bookings: BTreeMap<String, Booked>,
    faults: VecDeque<Fault>,
    made: u64,
    /// Bookings that were asked for by their ids.
    asked: BTreeSet<String>,
    /// How often each consent was refreshed: its refresh token is its name and that number, and counts once.
    refreshed: BTreeMap<String, u64>,
    /// How often somebody came with one that had been used.
    reused: u64,
}

/// The tool. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Desk {
    address: SocketAddr,
    truth: Arc<Mutex<Truth>>,
}

impl Desk {
    /// Listens on a free port, for as long as the runtime lasts.
    pub async fn start(dialect: Dialect) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port")?;
        let address = listener.local_addr()?;
        let truth = Truth {
            dialect,
            bookings: BTreeMap::new(),
            faults: VecDeque::new(),
            made: 0,
            asked: BTreeSet::new(),
            refreshed: BTreeMap::new(),
            reused: 0,
        };
        let desk = Self { address, truth: Arc::new(Mutex::new(truth)) };
        let app = Router::new().fallback(answer).with_state(desk.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(desk)
    }

    /// Where it is.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody books; the booking.
    pub fn book(&self, host: &Host, number: u64, start: Timestamp, end: Timestamp) -> Booked {
        self.put(host, number, (start, end), false)
    }

    /// Somebody had booked, and it was off before anybody looked; the booking.
    pub fn archive(&self, host: &Host, number: u64, start: Timestamp, end: Timestamp) -> Booked {
        self.put(host, number, (start, end), true)
    }

    fn put(&self, host: &Host, number: u64, (start, end): (Timestamp, Timestamp), cancelled: bool) -> Booked {
        let mut truth = self.truth();
        let id = truth.new_id();
        let now = clock::now();
        let booked = Booked {
            id: id.clone(),
            host: host.clone(),
            number,
            person: Person::invent(),
            start,
            end,
            created: now,
            changed: now,
            cancelled,
            previous: None,
            next: None,
        };
        truth.bookings.insert(id, booked.clone());
        booked
    }

    /// It is at another time from now on: the same booking, or another one in its place, as the tool has it. The booking.
    pub fn reschedule(&self, id: &str, start: Timestamp, end: Timestamp) -> Booked {
        let mut truth = self.truth();
        let now = clock::now();
        if truth.dialect.keeps_ids() {
            let booked = truth.bookings.get_mut(id).expect("a booking");
            (booked.start, booked.end, booked.changed) = (start, end, now);
            return booked.clone();
        }
        let new = truth.new_id();
        let calendly = truth.dialect == Dialect::Calendly;
        let old = truth.bookings.get_mut(id).expect("a booking");
        old.next = Some(new.clone());
        old.changed = now;
        // Cal.com leaves it as it was, and says what came in its place.
        old.cancelled = calendly;
        let booked = Booked {
            id: new.clone(),
            start,
            end,
            created: now,
            changed: now,
            cancelled: false,
            previous: Some(id.to_owned()),
            next: None,
            ..old.clone()
        };
        truth.bookings.insert(new, booked.clone());
        booked
    }

    /// It is off. The booking.
    pub fn cancel(&self, id: &str) -> Booked {
        let mut truth = self.truth();
        let booked = truth.bookings.get_mut(id).expect("a booking");
        (booked.cancelled, booked.changed) = (true, clock::now());
        booked.clone()
    }

    /// What goes wrong next.
    pub fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.truth().faults = faults.into_iter().collect();
    }

    /// Whether it was asked for by its id.
    pub fn was_asked(&self, id: &str) -> bool {
        self.truth().asked.contains(id)
    }

    /// How often a consent was refreshed, and how often anybody came with a refresh token that had been used.
    pub fn refreshed(&self, consent: &str) -> (u64, u64) {
        let truth = self.truth();
        (truth.refreshed.get(consent).copied().unwrap_or(0), truth.reused)
    }

    /// The bookings of a host that stand: from when until when.
    pub fn standing(&self, host: &Host) -> BTreeMap<Timestamp, Timestamp> {
        let truth = self.truth();
        let standing = truth.bookings.values().filter(|it| it.host == *host && it.stands());
        standing.map(|it| (it.start, it.end)).collect()
    }

    /// Those of a host that stand.
    pub fn ids(&self, host: &Host) -> Vec<String> {
        let truth = self.truth();
        truth.bookings.values().filter(|it| it.host == *host && it.stands()).map(|it| it.id.clone()).collect()
    }
}

impl Booked {
    const fn stands(&self) -> bool {
        !self.cancelled && self.next.is_none()
    }
}

impl Truth {
    fn new_id(&mut self) -> String {
        self.made += 1;
        self.dialect.id(self.made)
    }

    fn answer(&mut self, target: &str, version: Option<&str>, body: &[u8]) -> Response {
        let fault = self.faults.pop_front();
        let status = |status: StatusCode| {
            (status, [(header::CONTENT_TYPE, "application/json")], "{\"error\":1}").into_response()
        };
        match fault {
            Some(Fault::TooMany(None)) => return status(StatusCode::TOO_MANY_REQUESTS),
            Some(Fault::TooMany(Some(wait))) => {
                let wait = [(self.dialect.wait_header(), wait.to_string())];
                return (StatusCode::TOO_MANY_REQUESTS, wait).into_response();
            }
            Some(Fault::Away) => return status(StatusCode::SERVICE_UNAVAILABLE),
            Some(Fault::Page) => {
                return (StatusCode::INTERNAL_SERVER_ERROR, "<html>Bad Gateway</html>").into_response();
            }
            Some(Fault::Error) => return status(StatusCode::OK),
            Some(Fault::Denied) => return status(StatusCode::UNAUTHORIZED),
            Some(Fault::Halved | Fault::Half | Fault::Nothing) | None => {}
        }
        if self.dialect == Dialect::CalCom && version != Some("2024-08-13") {
            return status(StatusCode::BAD_REQUEST);
        }
        let Some(question) = self.dialect.question(target, body) else { return status(StatusCode::BAD_REQUEST) };
        if let Some(id) = question.id() {
            self.asked.insert(id.to_owned());
        }
        let Some(value) = self.dialect.reply(&self.bookings, &question, fault) else {
            return status(StatusCode::NOT_FOUND);
        };
        let mut text = value.to_string();
        if fault == Some(Fault::Halved) {
            text = text.chars().take(text.chars().count() / 2).collect();
        }
        ([(header::CONTENT_TYPE, "application/json")], text).into_response()
    }
}

impl Truth {
    /// `consent.7` counts once, and brings `consent.8`.
    fn refresh(&mut self, body: &[u8]) -> Response {
        let form: BTreeMap<_, _> = form_urlencoded::parse(body).into_owned().collect();
        let token = form.get("refresh_token").and_then(|token| token.rsplit_once('.'));
        let Some((consent, number)) = token.and_then(|(name, number)| Some((name, number.parse::<u64>().ok()?))) else {
            return (StatusCode::BAD_REQUEST, "{\"error\":\"invalid_request\"}").into_response();
        };
        let current = self.refreshed.entry(consent.to_owned()).or_default();
        if *current != number {
            self.reused += 1;
            return (StatusCode::BAD_REQUEST, "{\"error\":\"invalid_grant\"}").into_response();
        }
        *current += 1;
        let tokens = serde_json::json!({
            "access_token": format!("{consent}/{current}"), "refresh_token": format!("{consent}.{current}"),
            "expires_in": LIFE, "token_type": "Bearer",
        });
        axum::Json(tokens).into_response()
    }

    /// The last two tokens of a consent count: calls take their time.
    fn knows(&self, token: &str) -> bool {
        let granted = token.rsplit_once('/').and_then(|(name, number)| Some((name, number.parse::<u64>().ok()?)));
        let counts = |(name, number): (&str, u64)| {
            self.refreshed.get(name).is_some_and(|current| (1..=*current).contains(&number) && number + 1 >= *current)
        };
        token == TOKEN || granted.is_some_and(counts)
    }
}

async fn answer(State(desk): State<Desk>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let target = uri.path_and_query().map_or("", |target| target.as_str()).to_owned();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if target == "/oauth/token" {
        return desk.truth().refresh(&body);
    }
    if !header("authorization").and_then(|it| it.strip_prefix("Bearer ")).is_some_and(|token| desk.truth().knows(token))
    {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    desk.truth().answer(&target, header("cal-api-version"), &body)
}
