//! Against a calendar that keeps state: entries with entity tags, and the conditions of RFC 9110.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use daybook_domain::{BookingId, BookingKind, Interval, Standing, Timestamp};
use daybook_propagator_core::{BookingView, Fields, Known, Maker, plan};
use tokio::time::Instant;

use super::super::sender::tests::{durations, serve, target};
use super::*;
use daybook_runtime::reread::Held;

#[derive(Debug, Default)]
struct Calendar {
    entries: BTreeMap<String, (u64, Bytes)>,
    writes: u64,
    /// Answer the next write with this, after it has been done.
    then: Option<StatusCode>,
}

type Shared = Arc<Mutex<Calendar>>;

async fn entry(
    State(calendar): State<Shared>,
    Path(name): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut calendar = calendar.lock().expect("no panic");
    if !headers.contains_key("authorization") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let known = calendar.entries.get(&name).cloned();
    let tag = known.as_ref().map(|(version, _)| format!("\"{version}\""));
    let is = |header: &str, wanted: &str| headers.get(header).is_some_and(|value| value == wanted);
    let holds = match &tag {
        Some(tag) => is("if-match", tag),
        None => is("if-none-match", "*"),
    };
    match method {
        Method::GET => known.map_or(StatusCode::NOT_FOUND.into_response(), |(version, body)| {
            ([("etag", format!("\"{version}\""))], body).into_response()
        }),
        _ if !holds => StatusCode::PRECONDITION_FAILED.into_response(),
        _ => {
            calendar.writes += 1;
            let version = calendar.writes;
            let status = if method == Method::PUT {
                calendar.entries.insert(name, (version, body));
                StatusCode::CREATED
            } else {
                calendar.entries.remove(&name);
                StatusCode::NO_CONTENT
            };
            let status = calendar.then.take().unwrap_or(status);
            (status, [("etag", format!("\"{version}\""))]).into_response()
        }
    }
}

async fn calendar() -> (Shared, CalDav) {
    let shared = Shared::default();
    let base = serve(Router::new().route("/anna/{name}", any(entry)).with_state(Arc::clone(&shared))).await;
    let target = target(&format!("kind = 'caldav'\nbase_url = '{base}'\nusername = 'daybook'\npassword = 'x'"));
    let sender = Sender::new(&target, None, durations()).expect("a client");
    (shared, CalDav::new(sender, Held::new(("daybook".to_owned(), "x".into()))))
}

fn booking(version: u64, is_live: bool) -> BookingView {
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let interval = Interval::new(at("2026-03-04T09:00:00Z"), at("2026-03-04T09:30:00Z")).expect("an interval");
    BookingView {
        booking_id: "4acc2233-7ebf-5ca1-aa36-48892920231a".parse::<BookingId>().expect("an id"),
        resource: "anna".parse().expect("a name"),
        kind: BookingKind::Booking,
        standing: if is_live { Standing::Confirmed(interval) } else { Standing::Cancelled { last: Some(interval) } },
        version,
        decided_at: at("2026-03-01T00:00:00Z"),
        resource_time_zone: None,
        source_time_zone: None,
        title: None,
        attendees: Vec::new(),
        tags: Vec::new(),
    }
}

/// One attempt; what is known after it.
async fn attempt(caldav: &CalDav, booking: &BookingView, known: &Known) -> (Ended, Known) {
    let action = plan(booking, Fields::default(), known);
    let deadline = Instant::now() + Duration::from_secs(5);
    let attempt = Attempt {
        action: &action,
        known,
        tags: &[],
        doubt: None,
        address: "/anna/",
        name: None,
        tries: 0,
        deadline,
        traceparent: None,
    };
    let ended = caldav.attempt(&attempt).await.expect("a plain address");
    let (external_id, etag) = match &ended.conclusion.verdict {
        Verdict::Applied { external_id, etag, .. } => (Some(external_id.clone()), etag.clone()),
        Verdict::Gone
        | Verdict::LookFirst(_)
        | Verdict::Reread
        | Verdict::Throttled { .. }
        | Verdict::Unauthorized
        | Verdict::Retryable(_)
        | Verdict::Permanent(_) => (None, None),
    };
    let known = Known::from_row(booking.version, external_id, etag, ended.conclusion.in_doubt, Maker::Daybook);
    (ended, known)
}

#[tokio::test]
async fn a_booking_is_made_changed_and_removed() {
    let (shared, caldav) = calendar().await;
    let (_, known) = attempt(&caldav, &booking(1, true), &Known::Nothing).await;
    assert!(matches!(&known, Known::Entry { etag: Some(etag), .. } if etag == "\"1\""));
    let (_, known) = attempt(&caldav, &booking(2, true), &known).await;
    let text = shared.lock().expect("no panic").entries.values().next().expect("one entry").1.clone();
    assert!(String::from_utf8_lossy(&text).contains("X-DAYBOOK-VERSION:2"));
    let (ended, _) = attempt(&caldav, &booking(3, false), &known).await;
    assert_eq!((ended.conclusion.verdict, ended.status), (Verdict::Gone, Some(204)));
    assert!(shared.lock().expect("no panic").entries.is_empty());
}

#[tokio::test]
async fn a_create_whose_answer_was_an_error_is_found_and_not_repeated() {
    let (shared, caldav) = calendar().await;
    shared.lock().expect("no panic").then = Some(StatusCode::BAD_GATEWAY);
    let (ended, known) = attempt(&caldav, &booking(1, true), &Known::Nothing).await;
    assert!(matches!(ended.conclusion.verdict, Verdict::LookFirst(_)));
    let (ended, _) = attempt(&caldav, &booking(1, true), &known).await;
    assert!(matches!(ended.conclusion.verdict, Verdict::Applied { .. }));
    assert_eq!(shared.lock().expect("no panic").writes, 1);
}

#[tokio::test]
async fn a_worker_that_comes_late_does_not_undo_a_newer_version() {
    let (shared, caldav) = calendar().await;
    let (_, first) = attempt(&caldav, &booking(1, true), &Known::Nothing).await;
    let (_, _) = attempt(&caldav, &booking(3, true), &first).await;
    let (late, _) = attempt(&caldav, &booking(2, true), &first).await;
    assert!(matches!(late.conclusion.verdict, Verdict::Permanent(daybook_propagator_core::Reason::TargetAhead)));
    let text = shared.lock().expect("no panic").entries.values().next().expect("one entry").1.clone();
    assert!(String::from_utf8_lossy(&text).contains("X-DAYBOOK-VERSION:3"));
}
