//! Deliveries that only say that something has changed: what they speak of is fetched, however the vendor's API behaves.
//!
//! On two threads each, because looking at a topic blocks one.

mod vendor;

use std::collections::BTreeSet;
use std::time::Duration;

use daybook_domain::topics;
use daybook_format::{FETCHED, GONE, shipped};
use daybook_ingest::{Config, SourceApiConfig, SourceConfig};
use daybook_ingest_core::described::{Shared, SharedSecret, sign};
use daybook_runtime::clock;
use daybook_runtime::kafka::Record;
use daybook_wire::header;
use serde_json::Value;

use crate::support::Door;
use vendor::{Acuity, KEY, Trouble, USER};

/// A door with Acuity as a source, whose API this is.
async fn door(acuity: &Acuity) -> Door {
    let base = acuity.base();
    Door::with(|config: &mut Config| {
        let source = SourceConfig {
            kind: "acuity".to_owned(),
            description: None,
            secrets: vec![KEY.into()],
            public_url: None,
            window_past: None,
            window_future: None,
            poll: None,
            feeds: Default::default(),
            api: Some(SourceApiConfig {
                base: Some(base),
                account: None,
                username: Some(USER.to_owned()),
                password: Some(KEY.into()),
                token: None,
                service_account_file: None,
                impersonate: None,
                client_id: None,
                client_secret: None,
                token_url: None,
                refresh_token: None,
                token_key: None,
                requests_per_second: 100.try_into().expect("above zero"),
                timeout: Duration::from_secs(1),
                attempts_max: 3,
                gone_in_a_row_max: 2,
            }),
        };
        config.sources.insert("acuity".to_owned(), source);
    })
    .await
}

/// Acuity says that this has happened to the appointment.
async fn tell(door: &Door, action: &str, id: u64) {
    let delivery = shipped("acuity").expect("shipped").delivery;
    let secret = SharedSecret::new(KEY, &delivery).expect("a secret");
    let body = format!("action={action}&id={id}&calendarID=4038206&appointmentTypeID=1");
    let shared = Shared { secrets: vec![secret], url: None };
    let request = door.http.post(door.url("acuity")).header("content-type", "application/x-www-form-urlencoded");
    let signed = sign(&delivery, &shared, clock::now(), body.as_bytes());
    let request = signed.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    assert_eq!(request.body(body).send().await.expect("an answer").status(), 200);
}

/// The states on the topic that were fetched, in order: their types, and what they say.
fn states(door: &Door) -> Vec<(String, Value)> {
    let fetched = |record: &Record| matches!(record.headers.get(header::CE_TYPE), Some(FETCHED | GONE));
    let state = |record: Record| {
        let kind = record.headers.get(header::CE_TYPE).unwrap_or_default().to_owned();
        (kind, serde_json::from_slice(record.value.as_deref().unwrap_or_default()).expect("JSON"))
    };
    door.records("acuity").into_iter().filter(fetched).map(state).collect()
}

async fn until_states(door: &Door, count: usize) -> Vec<(String, Value)> {
    door.until("the states are fetched", || states(door).len() >= count).await;
    states(door)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_is_fetched_and_is_an_event_of_its_own() {
    let acuity = Acuity::start().await;
    acuity.set(399, "2026-06-15T09:30:00+0300");
    let door = door(&acuity).await;
    tell(&door, "scheduled", 399).await;
    let found = until_states(&door, 1).await;
    assert_eq!(found[0].0, FETCHED);
    assert_eq!(found[0].1["datetime"], "2026-06-15T09:30:00+0300");
    assert!(found[0].1.get("notes").is_none(), "what people wrote for the vendor goes no further");
    let records = door.records("acuity");
    assert_eq!(records.len(), 2);
    let is_told = |record: &&Record| record.headers.get(header::CE_TYPE) == Some("scheduled");
    let told = records.iter().find(is_told).expect("what was told");
    let state = records.iter().find(|record| !is_told(record)).expect("its state");
    assert_eq!(state.key.as_deref(), Some(&b"399"[..]));
    assert_eq!(state.headers.get(header::CE_SOURCE), Some("/fetched/acuity"));
    assert_eq!(state.headers.get(header::CE_ID).map(str::len), Some(64));
    assert_eq!(state.headers.get(header::CONTENT_TYPE), Some("application/json"));
    assert_eq!(told.headers.get(header::CONTENT_TYPE), Some("application/x-www-form-urlencoded"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_state_is_that_of_the_vendor_and_what_is_gone_is_said_to_be() {
    let acuity = Acuity::start().await;
    let door = door(&acuity).await;
    acuity.set(7, "2026-06-15T09:30:00+0300");
    tell(&door, "appointment.scheduled", 7).await;
    until_states(&door, 1).await;
    acuity.set(7, "2026-06-16T09:30:00+0300");
    tell(&door, "appointment.rescheduled", 7).await;
    until_states(&door, 2).await;
    acuity.remove(7);
    tell(&door, "appointment.canceled", 7).await;
    let found = until_states(&door, 3).await;
    let begins: Vec<_> = found.iter().map(|(_, state)| state["datetime"].as_str().unwrap_or("gone")).collect();
    assert_eq!(begins, ["2026-06-15T09:30:00+0300", "2026-06-16T09:30:00+0300", "gone"]);
    assert_eq!(found[2], (GONE.to_owned(), serde_json::json!({"id": "7"})));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_the_vendor_misbehaves_the_state_is_fetched_in_the_end() {
    for troubles in [
        &[Trouble::Status(500), Trouble::Status(503)][..],
        &[Trouble::Busy(1)],
        &[Trouble::Status(429), Trouble::Status(423)],
        &[Trouble::ErrorInside, Trouble::Halved],
        &[Trouble::Dropped, Trouble::ErrorInside],
        &[Trouble::Silence(Duration::from_secs(3))],
    ] {
        let acuity = Acuity::start().await;
        acuity.set(399, "2026-06-15T09:30:00+0300");
        acuity.trouble(troubles);
        let door = door(&acuity).await;
        tell(&door, "changed", 399).await;
        let found = until_states(&door, 1).await;
        assert_eq!(found.len(), 1, "{troubles:?}");
        assert_eq!(found[0].1["id"], 399, "{troubles:?}");
        assert!(acuity.asked(399) > troubles.len(), "{troubles:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_that_goes_back_to_where_it_was_is_told_a_third_time() {
    let acuity = Acuity::start().await;
    let door = door(&acuity).await;
    // The vendor's deliveries are the same bytes each time, and so are the first state and the third.
    for (count, begins) in
        ["2026-06-15T09:30:00+0300", "2026-06-15T10:30:00+0300", "2026-06-15T09:30:00+0300"].into_iter().enumerate()
    {
        acuity.set(7, begins);
        tell(&door, "changed", 7).await;
        until_states(&door, count + 1).await;
    }
    let records = door.records("acuity");
    let is_state = |record: &&Record| record.headers.get(header::CE_TYPE) == Some(FETCHED);
    let ids: BTreeSet<_> = records.iter().filter(is_state).filter_map(|it| it.headers.get(header::CE_ID)).collect();
    assert_eq!(ids.len(), 3, "what has the same id is decided once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_never_answered_while_others_are_is_a_dead_letter_and_the_others_pass() {
    for (status, reason) in [(500, "fetch_failed"), (403, "fetch_failed"), (400, "fetch_refused")] {
        let acuity = Acuity::start().await;
        acuity.broken(1, status);
        let door = door(&acuity).await;
        tell(&door, "changed", 1).await;
        let mut others = 0;
        while door.topic(topics::DLQ_NORMALIZER).is_empty() {
            others += 1;
            assert!(others < 100, "it is never given up");
            acuity.set(1_000 + others, "2026-06-15T09:30:00+0300");
            tell(&door, "changed", 1_000 + others).await;
            until_states(&door, usize::try_from(others).expect("few")).await;
        }
        let letters = door.topic(topics::DLQ_NORMALIZER);
        assert_eq!(letters.len(), 1);
        let header = |name| letters[0].headers.get(name);
        assert_eq!(header(header::DLQ_REASON), Some(reason));
        assert_eq!(header(header::ERROR_STAGE), Some("ingest"));
        assert_eq!(header(header::ERROR_TOPIC), Some("raw.acuity"));
        let told = &b"action=changed&id=1&calendarID=4038206&appointmentTypeID=1"[..];
        assert_eq!(letters[0].value.as_deref(), Some(told));
        let labels = [("source", "acuity"), ("reason", reason)];
        assert!(door.metric("daybook_ingest_fetches_given_up_total", &labels) > 0.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_answers_for_nobody_makes_everything_of_it_wait_and_nothing_a_dead_letter() {
    let acuity = Acuity::start().await;
    acuity.set(399, "2026-06-15T09:30:00+0300");
    // Far more than what one booking is given.
    acuity.trouble(&[Trouble::Busy(0); 12]);
    let door = door(&acuity).await;
    tell(&door, "changed", 399).await;
    until_states(&door, 1).await;
    assert_eq!(acuity.asked(399), 13);
    assert!(door.topic(topics::DLQ_NORMALIZER).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_knows_none_of_its_bookings_is_not_believed_until_it_knows_one() {
    let acuity = Acuity::start().await;
    let door = door(&acuity).await;
    for id in 1..=4 {
        tell(&door, "canceled", id).await;
    }
    let held = || door.metric("daybook_ingest_fetches_total", &[("source", "acuity"), ("answer", "gone_held")]);
    door.until("two are held", || held() >= 2.0).await;
    assert_eq!(states(&door).len(), 2, "more were believed to be gone");
    acuity.set(9, "2026-06-15T09:30:00+0300");
    tell(&door, "changed", 9).await;
    assert_eq!(until_states(&door, 5).await.iter().filter(|(kind, _)| kind == GONE).count(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_turns_us_away_makes_everything_of_it_wait_and_loses_nothing() {
    let acuity = Acuity::start().await;
    acuity.set(5, "2026-06-15T09:30:00+0300");
    acuity.key(Some("a-key-that-was-drawn-anew"));
    let door = door(&acuity).await;
    tell(&door, "changed", 5).await;
    let denied = || door.metric("daybook_ingest_fetch_denied", &[("source", "acuity")]);
    door.until("the vendor turns us away", || denied() > 0.0).await;
    // Other sources do not wait with it.
    let answer = crate::support::generic(&door, "msg_1", b"{}").send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(states(&door).is_empty() && door.topic(topics::DLQ_NORMALIZER).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_deliveries_about_one_booking_that_wait_together_are_fetched_once() {
    let acuity = Acuity::start().await;
    acuity.set(9, "2026-06-15T09:30:00+0300");
    // While this one is asked for, the others gather.
    acuity.trouble(&[Trouble::Silence(Duration::from_millis(900))]);
    let door = door(&acuity).await;
    tell(&door, "scheduled", 9).await;
    door.until("the first is asked for", || acuity.asked(9) == 1).await;
    for action in ["changed", "rescheduled", "appointment.changed", "appointment.rescheduled"] {
        tell(&door, action, 9).await;
    }
    until_states(&door, 2).await;
    door.until("the group is done", || acuity.asked(9) == 2).await;
    assert_eq!(states(&door).len(), 2);
}
