//! Every `fixtures/<vendor>/*.json` and `*.ics` comes to what stands in the `.txt` beside it. After a change that is meant:
//! `UPDATE_EXPECT=1 cargo test -p daybook-normalizer-core`, and read the difference.

use std::fs;
use std::path::{Path, PathBuf};

use daybook_format::{FETCHED, GONE, LISTED, TOLD, gone_body, listed_body};
use daybook_normalizer_core::{Item, RawEvent};
use daybook_wire::SourceEvent;
use expect_test::{expect, expect_file};

use crate::world::{Kind, event, key, known, normalize, render, source};

pub fn payloads(kind: Kind) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind.name());
    let files = fs::read_dir(folder).expect("the fixtures").map(|entry| entry.expect("an entry").path());
    let mut payloads: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "json" || end == "ics")).collect();
    payloads.sort();
    payloads
}

fn check(kind: Kind) {
    for payload in payloads(kind) {
        let body = fs::read(&payload).expect("a fixture");
        let text = render(kind, &normalize(kind, &body));
        expect_file![payload.with_extension("txt")].assert_eq(&text);
    }
}

#[test]
fn each_calendly_payload_comes_to_what_stands_beside_it() {
    check(Kind::Calendly);
}

#[test]
fn each_generic_payload_comes_to_what_stands_beside_it() {
    check(Kind::Generic);
}

#[test]
fn each_payload_of_cal_com_comes_to_what_stands_beside_it() {
    check(Kind::CalCom);
}

#[test]
fn each_payload_of_zendesk_comes_to_what_stands_beside_it() {
    check(Kind::Zendesk);
}

#[test]
fn each_state_of_acuity_comes_to_what_stands_beside_it() {
    check(Kind::Acuity);
}

#[test]
fn each_state_of_hubspot_comes_to_what_stands_beside_it() {
    check(Kind::Hubspot);
}

#[test]
fn each_page_of_google_comes_to_what_stands_beside_it() {
    check(Kind::Google);
}

#[test]
fn each_page_of_outlook_comes_to_what_stands_beside_it() {
    check(Kind::Outlook);
}

#[test]
fn each_calendar_comes_to_what_stands_beside_it() {
    check(Kind::Icalendar);
}

#[test]
fn without_a_subject_nobody_knows_whose_event_of_outlook_it_is() {
    let source = source(Kind::Outlook);
    let told = SourceEvent { subject: None, ..event(Kind::Outlook) };
    let body = br#"{"id": "e1", "start": {"dateTime": "2026-03-04T09:00:00", "timeZone": "UTC"}}"#;
    let parsed =
        daybook_normalizer_core::parse(Kind::Outlook.format(), RawEvent { source: &source, event: &told, body });
    let found = render(Kind::Outlook, &daybook_normalizer_core::normalize(&parsed, &known(Kind::Outlook), &key()));
    assert!(found.starts_with("reject missing_field item 0\n  ce_subject: "), "{found}");
}

#[test]
fn without_a_subject_a_calendar_is_whoever_is_marked_as_self_in_it() {
    let source = source(Kind::Google);
    let told = SourceEvent { subject: None, ..event(Kind::Google) };
    let come_to = |people: &str| {
        let body = format!(
            r#"{{"id": "e1", {people}, "start": {{"dateTime": "2026-03-04T09:00:00Z"}}, "end": {{"dateTime": "2026-03-04T10:00:00Z"}}}}"#
        );
        let raw = RawEvent { source: &source, event: &told, body: body.as_bytes() };
        let parsed = daybook_normalizer_core::parse(Kind::Google.format(), raw);
        render(Kind::Google, &daybook_normalizer_core::normalize(&parsed, &known(Kind::Google), &key()))
    };
    let attends =
        come_to(r#""attendees": [{"email": "jane@example.com"}, {"email": "anna@clinic.example", "self": true}]"#);
    assert!(attends.contains("identity    anna@clinic.example/e1"), "{attends}");
    let organizes = come_to(r#""organizer": {"email": "anna@clinic.example", "self": true}"#);
    assert!(organizes.contains("resource    anna"), "{organizes}");
    let nobody = come_to(r#""organizer": {"email": "jane@example.com"}"#);
    assert!(nobody.starts_with("reject missing_field item 0\n  ce_subject: "), "{nobody}");
}

/// What a source's event of this type comes to.
fn of_type(source_kind: Kind, kind: &str, content_type: &str, body: &[u8]) -> String {
    let source = source(source_kind);
    let told = SourceEvent { kind: kind.to_owned(), content_type: content_type.to_owned(), ..event(source_kind) };
    let parsed = daybook_normalizer_core::parse(source_kind.format(), RawEvent { source: &source, event: &told, body });
    render(source_kind, &daybook_normalizer_core::normalize(&parsed, &known(source_kind), &key()))
}

#[test]
fn a_booking_of_cal_com_that_was_fetched_says_in_other_words_what_its_webhooks_say() {
    let state = |status: &str, from: Option<&str>, to: Option<&str>| {
        let body = serde_json::json!({ "status": "success", "data": {
            "uid": "uid-9", "title": "Site visit", "status": status, "start": "2026-06-01T09:00:00.000Z",
            "end": "2026-06-01T09:30:00.000Z", "hosts": [{ "name": "Anna", "email": "anna@clinic.example" }],
            "attendees": [{ "name": "Mara Quinn", "email": "mara@example.org", "timeZone": "America/New_York" }],
            "createdAt": "2026-05-01T07:00:00.000Z", "updatedAt": "2026-05-01T07:00:00.000Z",
            "rescheduledFromUid": from, "rescheduledToUid": to, "icsUid": "uid-9@site.example",
        }});
        of_type(Kind::CalCom, FETCHED, "application/json", body.to_string().as_bytes())
    };
    let booked = state("accepted", None, None);
    // A state is where the booking is, whether or not it was elsewhere.
    assert!(booked.contains("previous    uid-9\n") && booked.contains("2026-06-01T09:00:00Z"), "{booked}");
    // Its version is when it was asked for, and not when it was made.
    assert!(booked.contains("0 2026-05-04T07:12:12Z"), "{booked}");
    let instead = state("accepted", Some("uid-8"), None);
    assert!(instead.contains("previous    uid-8\n") && instead.contains("identity    uid-9\n"), "{instead}");
    for gone in [state("cancelled", None, None), state("rejected", None, None)] {
        assert!(gone.starts_with("request cancel\n") && !gone.contains("AwaitingReplacement"), "{gone}");
    }
    let moved = state("accepted", None, Some("uid-10"));
    assert!(moved.starts_with("request cancel\n") && moved.contains("AwaitingReplacement"), "{moved}");
}

#[test]
fn what_only_names_bookings_is_passed_over_whatever_else_it_says() {
    for kind in [Kind::Calendly, Kind::CalCom, Kind::Acuity, Kind::Hubspot] {
        let listed = of_type(kind, LISTED, "application/json", listed_body(&["399"], false).as_bytes());
        assert_eq!(listed, "ignored fetched\n", "{}", kind.name());
        assert_eq!(of_type(kind, TOLD, "application/json", b"{"), "ignored fetched\n", "{}", kind.name());
    }
}

#[test]
fn what_only_says_that_something_has_changed_is_fetched_and_what_is_gone_is_cancelled() {
    let items = |kind: &str, content_type: &str, body: &[u8]| of_type(Kind::Acuity, kind, content_type, body);
    let form = "application/x-www-form-urlencoded";
    assert_eq!(items("changed", form, b"action=changed&id=399&calendarID=4038206"), "ignored fetched\n");
    assert_eq!(items("order.completed", form, b"action=order.completed&id=1"), "ignored event_type\n");
    expect![[r#"
        reject missing_field item 0
          $.id: is missing and is required here
    "#]]
    .assert_eq(&items("changed", form, b"action=changed"));
    expect![[r#"
        reject invalid_value item -
          (body): names a field twice
    "#]]
    .assert_eq(&items("changed", form, b"id=1&id=2"));
    let gone = items(GONE, "application/json", gone_body("399").as_bytes());
    assert!(gone.starts_with("request cancel\n") && gone.contains("known (first-name-of-4711 on room-7)"), "{gone}");
    assert!(gone.contains("version     0 2026-05-04T07:12:12Z"), "its version is when it was asked for: {gone}");
}

#[test]
fn each_body_of_the_api_comes_to_what_stands_beside_it() {
    check(Kind::Api);
}

#[test]
fn the_examples_in_the_generic_formats_definition_are_accepted() {
    let source = include_str!("../../src/generic.rs");
    let doc: Vec<_> = source.lines().map_while(|line| line.strip_prefix("//!")).collect();
    let doc = doc.join("\n");
    let examples: Vec<_> = doc.split("```json").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        let normalized = normalize(Kind::Generic, example.as_bytes());
        assert!(normalized.items.iter().all(|item| matches!(item, Item::Request(_))), "{normalized:?}");
        assert!(normalized.drift.is_empty());
    }
}
