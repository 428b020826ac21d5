//! The address guard and the bounds of a call, against servers in this process.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::routing::any;
use daybook_runtime::config::Faults;
use daybook_runtime::prometheus::HistogramOpts;
use tokio::net::TcpListener;

use super::*;
use crate::target::TargetConfig;
use daybook_runtime::guard::{Guard, SystemLookup};

/// Serves until the test's runtime ends; where.
pub async fn serve(app: Router) -> String {
    daybook_runtime::tls::install();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// A target as the settings would give it.
pub fn target(toml: &str) -> Target {
    use figment::Figment;
    use figment::providers::{Format, Toml};
    let config: TargetConfig = Figment::from(Toml::string(toml)).extract().expect("settings");
    let mut faults = Faults::default();
    let name = "partner".parse().expect("a name");
    config.parse(name, "targets.partner", Duration::from_secs(20), &mut faults).unwrap_or_else(|| panic!("{faults}"))
}

pub fn durations() -> Histogram {
    Histogram::with_opts(HistogramOpts::new("test_seconds", "test")).expect("a histogram")
}

fn sender(base: &str) -> Sender {
    let target = target(&format!(
        "kind = 'caldav'\nbase_url = '{base}'\nusername = 'daybook'\npassword = 'x'\nlane = {{ timeout = '300ms' }}"
    ));
    Sender::new(&target, None, durations()).expect("a client")
}

fn get() -> Call {
    Call { method: Method::Get, path: "x.ics".to_owned(), headers: Vec::new(), body: Vec::new() }
}

fn envelope() -> Envelope<'static> {
    Envelope { deadline: Instant::now() + Duration::from_secs(5), traceparent: None, identity: Identity::Nobody }
}

async fn answer(app: Router) -> Answer {
    let sender = sender(&serve(app).await);
    let url = sender.url("cal", "x.ics").expect("an address");
    sender.send(url, get(), envelope()).await
}

fn status(answer: &Answer) -> Option<u16> {
    match answer {
        Answer::Replied(reply) => Some(reply.status),
        Answer::NotSent | Answer::Lost => None,
    }
}

#[tokio::test]
async fn the_parts_of_an_answer_that_matter_are_read() {
    let app = Router::new()
        .route("/cal/x.ics", any(|| async { (StatusCode::OK, [("etag", "\"1\""), ("retry-after", "7")], "body") }));
    let wanted = Reply {
        status: 200,
        etag: Some("\"1\"".to_owned()),
        retry_after: Some(RetryAfter::In(Duration::from_secs(7))),
        body: b"body".to_vec(),
    };
    assert_eq!(answer(app).await, Answer::Replied(wanted));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let app = Router::new()
        .route("/cal/x.ics", any(|| async { Redirect::permanent("/elsewhere") }))
        .route("/elsewhere", any(|| async { StatusCode::OK }));
    assert_eq!(status(&answer(app).await), Some(308));
}

#[tokio::test]
async fn a_target_that_keeps_silent_leaves_doubt() {
    let app = Router::new().route("/cal/x.ics", any(std::future::pending::<StatusCode>));
    assert_eq!(answer(app).await, Answer::Lost);
}

#[tokio::test]
async fn an_answer_without_an_end_is_no_answer() {
    let app = Router::new().route("/cal/x.ics", any(|| async { vec![b'x'; BODY_MAX + 1].into_response() }));
    assert_eq!(answer(app).await, Answer::Lost);
}

#[tokio::test]
async fn a_target_that_is_not_there_was_sent_nothing() {
    daybook_runtime::tls::install();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("it has an address"));
    drop(listener);
    let sender = sender(&base);
    let url = sender.url("", "x.ics").expect("an address");
    assert_eq!(sender.send(url, get(), envelope()).await, Answer::NotSent);
}

#[tokio::test]
async fn after_the_deadline_nothing_is_sent() {
    let app = Router::new().fallback(any(|| async { StatusCode::OK }));
    let sender = sender(&serve(app).await);
    let url = sender.url("", "x.ics").expect("an address");
    let late = Envelope { deadline: Instant::now(), ..envelope() };
    assert_eq!(sender.send(url.clone(), get(), late).await, Answer::NotSent);
    assert_eq!(status(&sender.send(url, get(), envelope()).await), Some(200));
}

#[tokio::test]
async fn a_request_carries_its_headers_the_trace_and_the_credentials() {
    let app = Router::new().fallback(any(|headers: HeaderMap, request: Request| async move {
        let get = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
        let sent = ["if-match", "traceparent", "authorization", "cookie"].map(get).join(" ");
        format!("{} {sent}", request.method())
    }));
    let sender = sender(&serve(app).await);
    let call = Call { method: Method::Delete, headers: vec![("if-match", "\"1\"".to_owned())], ..get() };
    let envelope = Envelope { traceparent: Some("00-a-b-01"), identity: Identity::Basic("daybook", "x"), ..envelope() };
    let url = sender.url("", "x.ics").expect("an address");
    let Answer::Replied(reply) = sender.send(url, call, envelope).await else { panic!("no answer") };
    assert_eq!(String::from_utf8_lossy(&reply.body), "DELETE \"1\" 00-a-b-01 Basic ZGF5Ym9vazp4 -");
}

#[tokio::test]
async fn a_guarded_target_at_a_name_of_this_machine_is_not_reached() {
    daybook_runtime::tls::install();
    let target =
        target("kind = 'webhook'\nurl = 'https://localhost:1/'\nsecrets = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']");
    let guard = Guard::new(&target.name, Arc::new(SystemLookup));
    let sender = Sender::new(&target, Some(guard), durations()).expect("a client");
    let url = sender.url("", "").expect("an address");
    assert_eq!(sender.send(url, get(), envelope()).await, Answer::NotSent);
}

#[test]
fn an_address_stays_below_its_base_and_keeps_what_is_escaped() {
    daybook_runtime::tls::install();
    let sender = sender("https://dav.example.com/base/");
    let url = |address: &str| sender.url(address, "x.ics").map(|url| url.to_string());
    assert_eq!(url("/anna/cal/"), Ok("https://dav.example.com/base/anna/cal/x.ics".to_owned()));
    assert_eq!(url("anna%40example/cal"), Ok("https://dav.example.com/base/anna%40example/cal/x.ics".to_owned()));
    assert_eq!(url(""), Ok("https://dav.example.com/base/x.ics".to_owned()));
    assert_eq!(url("//evil.example/cal"), Ok("https://dav.example.com/base/evil.example/cal/x.ics".to_owned()));
    for address in ["../admin", "a/%2e%2E/b", "a/./b", "a?b", "a#b", "a\\b", "a b", "a%2fb", "a%5Cb", "a\nb"] {
        assert_eq!(url(address), Err(AddressError), "{address}");
    }
}

#[test]
fn a_webhook_without_a_path_of_its_own_is_posted_to_its_address_as_it_is() {
    daybook_runtime::tls::install();
    let sender = sender("https://hooks.example.com/in");
    let url = sender.url("", "").map(|url| url.to_string());
    assert_eq!(url, Ok("https://hooks.example.com/in".to_owned()));
}
