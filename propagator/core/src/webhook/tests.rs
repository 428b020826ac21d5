//! The body as receivers rely on it, the signature under a judge that is not ours, and every kind of answer.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use daybook_domain::ContactId;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Maker;
use crate::{Reply, RetryAfter};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn target() -> TargetName {
    "partner".parse().expect("a name")
}

fn interval() -> Interval {
    Interval::new(at("2026-03-04T09:00:00Z"), at("2026-03-04T09:30:00Z")).expect("an interval")
}

fn visible() -> Visible {
    Visible {
        booking_id: "4acc2233-7ebf-5ca1-aa36-48892920231a".parse().expect("an id"),
        resource: "anna".parse().expect("a name"),
        version: 3,
        status: VisibleStatus::Confirmed,
        interval: interval(),
        decided_at: at("2026-03-01T00:00:02.5Z"),
        resource_time_zone: Some("Europe/Berlin".to_owned()),
        source_time_zone: None,
        title: None,
        attendees: Vec::new(),
    }
}

fn removal() -> Removal {
    Removal {
        booking_id: visible().booking_id,
        resource: visible().resource,
        version: 4,
        last: Some(interval()),
        decided_at: at("2026-03-02T00:00:00Z"),
        resource_time_zone: None,
    }
}

fn body(message: &Message) -> Value {
    serde_json::from_slice(&message.body).expect("JSON")
}

#[test]
fn a_message_of_busy_time_says_this_and_no_more() {
    let expected = json!({
        "type": "booking.confirmed",
        "booking_id": "4acc2233-7ebf-5ca1-aa36-48892920231a",
        "version": 3,
        "resource_id": "anna",
        "status": "confirmed",
        "start": "2026-03-04T09:00:00Z",
        "end": "2026-03-04T09:30:00Z",
        "decided_at": "2026-03-01T00:00:02.500Z",
        "time_zone": "Europe/Berlin",
    });
    assert_eq!(body(&Message::show(&visible(), &target())), expected);
}

#[test]
fn a_message_to_a_target_that_may_know_more_says_more() {
    let attendee = Attendee {
        contact_id: ContactId::from_bytes([7; 16]),
        name: Some("Jane".to_owned()),
        email: Some("jane@example.com".to_owned()),
        phone: None,
    };
    let seen = Visible {
        status: VisibleStatus::Awaiting,
        title: Some("Intro".to_owned()),
        attendees: vec![attendee],
        source_time_zone: Some("Asia/Tokyo".to_owned()),
        ..visible()
    };
    let body = body(&Message::show(&seen, &target()));
    assert_eq!(body["type"], "booking.awaiting_replacement");
    assert_eq!(body["status"], "awaiting_replacement");
    assert_eq!(body["title"], "Intro");
    assert_eq!(body["attendees"], json!([{"name": "Jane", "email": "jane@example.com"}]));
    assert_eq!(body["source_time_zone"], "Asia/Tokyo");
}

#[test]
fn a_cancellation_names_the_last_interval_if_there_was_one() {
    let body_of = |last| body(&Message::remove(&Removal { last, ..removal() }, &target()));
    let with = body_of(Some(interval()));
    assert_eq!((&with["type"], &with["status"]), (&json!("booking.cancelled"), &json!("cancelled")));
    assert_eq!(with["start"], "2026-03-04T09:00:00Z");
    assert_eq!(body_of(None).get("start"), None);
}

#[test]
fn the_id_is_the_versions_and_the_targets_own_and_pinned_for_ever() {
    let id = |version, target: &str| {
        Message::show(&Visible { version, ..visible() }, &target.parse().expect("a name")).id().to_owned()
    };
    assert_eq!(id(3, "partner"), "msg_437f3dba-1d45-5b03-a129-e7fab47aa313");
    assert_ne!(id(3, "partner"), id(4, "partner"));
    assert_ne!(id(3, "partner"), id(3, "other"));
}

#[test]
fn an_attempt_changes_the_time_and_the_signature_and_nothing_else() {
    let message = Message::show(&visible(), &target());
    let secrets = [SECRET.parse().expect("a secret")];
    let first = message.call(&secrets, at("2026-03-01T00:00:03.9Z"));
    let second = message.call(&secrets, at("2026-03-01T00:01:00Z"));
    assert_eq!(first.header("webhook-timestamp"), Some("1772323203"));
    assert_eq!(first.header("webhook-id"), Some(message.id()));
    assert_eq!(first.header("idempotency-key"), Some(message.id()));
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.body, second.body);
    assert_ne!(first.header("webhook-signature"), second.header("webhook-signature"));
    assert_eq!((first.method, first.path.as_str()), (Method::Post, ""));
}

fn replied(status: u16) -> Answer {
    Answer::Replied(Reply { status, ..Reply::default() })
}

fn concluded(answer: &Answer) -> Conclusion {
    Message::show(&visible(), &target()).conclude(&Known::Nothing, answer)
}

#[test]
fn a_2xx_settles_the_message() {
    let applied = Verdict::Applied { external_id: visible().booking_id.to_string(), etag: None, adopted: false };
    assert_eq!(concluded(&replied(204)), Conclusion { verdict: applied, in_doubt: false });
    let unsure = Known::Unsure { version: 0, external_id: None, maker: Maker::Daybook };
    let gone = Message::remove(&removal(), &target()).conclude(&unsure, &replied(200));
    assert_eq!(gone, Conclusion { verdict: Verdict::Gone, in_doubt: false });
}

#[test]
fn each_refusal_is_what_the_receiver_meant_by_it() {
    for (status, verdict) in [
        (302, Verdict::Permanent(Reason::Redirected)),
        (400, Verdict::Permanent(Reason::Refused)),
        (401, Verdict::Unauthorized),
        (404, Verdict::Permanent(Reason::Refused)),
        (408, Verdict::Retryable(Trouble::Busy)),
        (409, Verdict::Retryable(Trouble::Busy)),
        (410, Verdict::Permanent(Reason::TargetClosed)),
        (425, Verdict::Retryable(Trouble::Busy)),
        (429, Verdict::Throttled { retry_after: None }),
    ] {
        assert_eq!(concluded(&replied(status)), Conclusion { verdict, in_doubt: false }, "{status}");
    }
}

#[test]
fn a_server_error_or_silence_is_repeated_under_the_same_id_and_leaves_doubt() {
    let retry = |trouble| Conclusion { verdict: Verdict::Retryable(trouble), in_doubt: true };
    assert_eq!(concluded(&replied(500)), retry(Trouble::ServerError));
    assert_eq!(concluded(&replied(503)), retry(Trouble::ServerError));
    assert_eq!(concluded(&Answer::Lost), retry(Trouble::NoAnswer));
    let retry_after = Some(RetryAfter::In(Duration::from_secs(2)));
    let throttled = Answer::Replied(Reply { status: 503, retry_after, ..Reply::default() });
    assert_eq!(concluded(&throttled).verdict, Verdict::Throttled { retry_after });
}

#[test]
fn a_request_that_cannot_have_arrived_leaves_the_doubt_as_it_was() {
    let message = Message::show(&visible(), &target());
    assert!(!message.conclude(&Known::Nothing, &Answer::NotSent).in_doubt);
    assert!(
        message
            .conclude(&Known::Unsure { version: 0, external_id: None, maker: Maker::Daybook }, &Answer::NotSent)
            .in_doubt
    );
}

proptest! {
    #[test]
    fn another_implementation_makes_the_same_signature_with_each_secret(
        keys in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 24..=64), 1..4),
        title in any::<String>(), micros in 0..253_402_300_799_999_999i64,
    ) {
        let texts: Vec<_> = keys.iter().map(|key| format!("whsec_{}", STANDARD.encode(key))).collect();
        let secrets: Vec<Secret> = texts.iter().map(|text| text.parse().expect("a secret")).collect();
        let message = Message::show(&Visible { title: Some(title), ..visible() }, &target());
        let now = Timestamp::from_micros(micros).expect("in range");
        let call = message.call(&secrets, now);
        let judged: Vec<_> = texts
            .iter()
            .map(|text| {
                let judge = standardwebhooks::Webhook::new(text).expect("a secret");
                judge.sign(message.id(), micros / 1_000_000, &call.body).expect("signs")
            })
            .collect();
        prop_assert_eq!(call.header("webhook-signature").map(str::to_owned), Some(judged.join(" ")));
    }
}
