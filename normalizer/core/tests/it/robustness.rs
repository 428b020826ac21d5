//! Payloads of no shape at all: nothing makes it panic, and nothing of a payload gets into an error text.

use std::fs;

use daybook_domain::SourceName;
use daybook_normalizer_core::{Item, Normalized, RawEvent, Reject, RejectReason};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixtures::payloads;
use crate::world::{Kind, event, key, known, normalize, source};

const KINDS: [Kind; 10] = Kind::ALL;
/// What the fixtures hold of people, in lower case: none of it may turn up in a reject or in drift.
const PERSONAL: [&str; 10] = [
    "mara",
    "quinn",
    "example.org",
    "clinic.example",
    "15550100199",
    "555 010",
    "555-0199",
    "knee",
    "hauptstrasse",
    "consultation",
];

fn rejects(normalized: &Normalized) -> Vec<&Reject> {
    fn reject(item: &Item) -> Option<&Reject> {
        match item {
            Item::Reject(reject) | Item::Unplaced(reject) => Some(reject),
            Item::Request(_) | Item::Ignored(_) => None,
        }
    }
    normalized.items.iter().filter_map(reject).collect()
}

/// What a shell, a log or a metric would get to see.
fn public_text(normalized: &Normalized) -> String {
    format!("{normalized:?} {}", rejects(normalized).iter().map(ToString::to_string).collect::<String>()).to_lowercase()
}

fn check(kind: Kind, body: &[u8]) {
    let normalized = normalize(kind, body);
    let text = public_text(&normalized);
    for personal in PERSONAL {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
    assert!(!normalized.items.is_empty(), "an event must come to something");
    assert!(normalized.drift.len() <= 32 && normalized.drift.iter().all(|path| path.len() <= 128));
}

#[test]
fn the_fixtures_tell_no_personal_data_to_logs_and_metrics() {
    for kind in KINDS {
        for payload in payloads(kind) {
            check(kind, &fs::read(payload).expect("a fixture"));
        }
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_one_reject_of_the_whole_event() {
    let mut body = include_bytes!("../fixtures/calendly/created.json").to_vec();
    let at = body.windows(4).position(|window| window == b"Mara").expect("her name");
    body[at] = 0xff;
    let normalized = normalize(Kind::Calendly, &body);
    let [reject] = rejects(&normalized)[..] else { panic!("one reject") };
    assert_eq!((reject.item, reject.reason), (None, RejectReason::InvalidUtf8));
}

#[test]
fn more_than_a_hundred_events_are_refused_whole_and_a_hundred_are_not() {
    let cancel = json!({"type": "booking.cancelled", "id": "4711", "version": 1});
    let body = |count| json!({"events": vec![cancel.clone(); count]}).to_string();
    let normalized = normalize(Kind::Generic, body(101).as_bytes());
    let [reject] = rejects(&normalized)[..] else { panic!("one reject") };
    assert_eq!((reject.item, reject.reason), (None, RejectReason::TooManyItems));
    assert_eq!(normalize(Kind::Generic, body(100).as_bytes()).items.len(), 100);
}

#[test]
fn an_upstream_systems_headers_are_not_trusted_either() {
    let kind = Kind::Generic;
    let source: SourceName = source(kind);
    for (id, ce_source) in [("a\u{0}b", "/x"), ("", "/x"), ("a", ""), ("a", "/\n"), (&"x".repeat(513), "/x")] {
        let mut event = event(kind);
        (event.id, event.source) = (id.to_owned(), ce_source.to_owned());
        let raw = RawEvent { source: &source, event: &event, body: b"{}" };
        let parsed = daybook_normalizer_core::parse(kind.format(), raw);
        let normalized = daybook_normalizer_core::normalize(&parsed, &known(kind), &key());
        let [reject] = rejects(&normalized)[..] else { panic!("one reject") };
        assert_eq!(reject.reason, RejectReason::InvalidValue);
        assert!(["ce_id", "ce_source"].contains(&reject.field.as_str()));
    }
}

#[test]
fn each_reject_reason_has_its_own_word() {
    let words: std::collections::BTreeSet<_> = RejectReason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(words.len(), RejectReason::ALL.len());
}

/// The paths to every value in a payload.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    match value {
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                places(item, &format!("{path}/{at}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                places(field, &format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(true)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        Just(json!("")),
        Just(json!([])),
        Just(json!({})),
        Just(json!([null])),
        Just(json!("mara.quinn@example.org")),
        Just(json!({"mara.quinn@example.org": "mara.quinn@example.org"})),
        Just(json!("2026-05-12T09:00:00+23:59")),
        Just(json!("9999-12-31T23:59:59.999999999Z")),
        Just(json!("2026-03-08T02:30")),
        Just(json!("booking.rescheduled")),
        Just(json!("booking.updated")),
        Just(json!("busy.observed")),
        Just(json!("busy.gone")),
        Just(json!({"system": "mara.quinn@example.org", "id": "knee"})),
        Just(json!([{"system": "google", "id": "mara.quinn@example.org"}])),
        Just(json!({"kind": "google", "external_id": "mara.quinn@example.org"})),
        Just(json!("invitee.canceled")),
        ".{0,20}".prop_map(Value::String),
    ]
}

fn fixture() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    let all: Vec<_> = KINDS
        .into_iter()
        .flat_map(|kind| payloads(kind).into_iter().map(move |path| (kind, fs::read(path).expect("a fixture"))))
        .collect();
    prop::sample::select(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_come_to_something(body in prop::collection::vec(any::<u8>(), 0..400)) {
        for kind in KINDS {
            check(kind, &body);
        }
    }

    #[test]
    fn a_fixture_with_values_replaced_tells_no_personal_data(
        (kind, body) in fixture(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), replacement()), 1..4),
    ) {
        if let Ok(mut value) = serde_json::from_slice::<Value>(&body) {
            for (at, new) in changes {
                let mut found = Vec::new();
                places(&value, "", &mut found);
                *value.pointer_mut(at.get::<String>(&found)).expect("just found") = new;
            }
            check(kind, value.to_string().as_bytes());
        }
    }

    #[test]
    fn a_fixture_with_bytes_changed_or_cut_off_tells_no_personal_data(
        (kind, mut body) in fixture(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        for (at, byte) in changes {
            if !body.is_empty() {
                let at = at.index(body.len());
                body[at] = byte;
            }
        }
        if !whole && !body.is_empty() {
            body.truncate(cut.index(body.len()));
        }
        for kind in KINDS.into_iter().filter(|other| *other == kind || whole) {
            check(kind, &body);
        }
    }
}
