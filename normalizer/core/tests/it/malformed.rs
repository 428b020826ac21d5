//! Payloads of described formats that are wrong in one place: each is a reject with its reason, named by the path that
//! found it, and none of its values is told.

use std::fs;
use std::path::Path;

use daybook_normalizer_core::{Item, Normalized};
use serde_json::{Value, json};

use crate::world::{Kind, normalize};

/// What is put where, by JSON pointer; what came of it: the reason and the field.
type Case = (&'static str, Value, &'static str, &'static str);

fn check(kind: Kind, cases: &[Case]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind.name()).join("created.json");
    let sound: Value = serde_json::from_slice(&fs::read(file).expect("a fixture")).expect("JSON");
    for (at, value, reason, field) in cases {
        let mut body = sound.clone();
        *body.pointer_mut(at).unwrap_or_else(|| panic!("{at} is not there")) = value.clone();
        let normalized = normalize(kind, body.to_string().as_bytes());
        assert_eq!(rejects(&normalized), [(*reason, *field)], "{at} = {value}");
    }
}

/// The reasons and fields of what is nothing but rejects.
fn rejects(normalized: &Normalized) -> Vec<(&str, &str)> {
    let items = normalized.items.iter();
    items
        .map(|item| match item {
            Item::Reject(reject) => (reject.reason.as_str(), reject.field.as_str()),
            Item::Request(_) | Item::Ignored(_) | Item::Unplaced(_) => panic!("{item:?}"),
        })
        .collect()
}

#[test]
fn what_is_wrong_with_an_event_of_icalendar_is_told_by_its_property() {
    const START: &str = "DTSTART;TZID=Europe/Berlin:20260504T090000";
    const END: &str = "DTEND;TZID=Europe/Berlin:20260504T093000";
    let sound = include_str!("../fixtures/icalendar/created.ics");
    let cases = [
        ("UID:e1", "UID:", "missing_field", "[0].UID"),
        ("UID:e1", "X-UID:e1", "missing_field", "[0].UID"),
        (START, "X-START:20260504T090000", "missing_field", "[0].DTSTART"),
        (START, "DTSTART;TZID=Europe/Berlin:20260230T090000", "invalid_time", "[0].DTSTART"),
        (START, "DTSTART;TZID=Europe/Berlin:9 o'clock", "invalid_time", "[0].DTSTART"),
        (START, "DTSTART;TZID=Berlin:20260504T090000", "unknown_time_zone", "[0].DTSTART"),
        // A day, of a calendar that does not say where.
        (START, "DTSTART;VALUE=DATE:20260504", "unknown_time_zone", "[0].DTSTART"),
        (END, "DTEND;TZID=Europe/Berlin:20260504T085959", "empty_interval", "[0].DTEND"),
        (END, "DTEND;TZID=Berlin:20260504T093000", "unknown_time_zone", "[0].DTEND"),
        (END, "DTEND;TZID=Europe/Berlin:20260704T093000", "invalid_time", "[0].DTEND"),
        (END, "DURATION:half an hour", "invalid_value", "[0].DURATION"),
        (END, "DURATION:-PT30M", "invalid_value", "[0].DURATION"),
        ("SEQUENCE:0", "RRULE:FREQ=NEVER", "invalid_value", "[0].RRULE"),
    ];
    for (old, new, reason, field) in cases {
        assert!(sound.contains(old), "{old} is not there");
        let normalized = normalize(Kind::Icalendar, sound.replacen(old, new, 1).as_bytes());
        assert_eq!(rejects(&normalized), [(reason, field)], "{new}");
    }
}

#[test]
fn what_is_wrong_with_a_call_is_told_by_its_field() {
    let sound: Value = serde_json::from_str(include_str!("../fixtures/api/book.json")).expect("JSON");
    let cases = [
        ("/operation", json!("borrow"), "operation"),
        ("/operation", json!(7), "operation"),
        ("/resource", json!("Room 7"), "resource"),
        ("/resource", json!([]), "resource"),
        ("/start", json!("9 o'clock"), "start"),
        ("/start", json!(1_772_614_800), "start"),
        ("/start", json!("2026-02-30T09:00:00Z"), "start"),
        ("/end", Value::Null, "end"),
        ("/end", json!("2026-05-11T09:00"), "end"),
        ("/time_zone", json!("Berlin"), "time_zone"),
        ("/title", json!({}), "title"),
        ("/attendees", json!("jane"), "attendees"),
        ("/attendees/0/email", json!("jane"), "attendees[0].email"),
        ("/attendees/1/phone", json!("12"), "attendees[1].phone"),
    ];
    for (at, value, field) in cases {
        let mut body = sound.clone();
        *body.pointer_mut(at).unwrap_or_else(|| panic!("{at} is not there")) = value.clone();
        let normalized = normalize(Kind::Api, body.to_string().as_bytes());
        let found = rejects(&normalized);
        assert!(matches!(found[..], [(_, found)] if found == field), "{at} = {value}: {found:?}");
    }
}

#[test]
fn what_is_wrong_with_a_delivery_of_cal_com_is_told_by_its_path() {
    check(
        Kind::CalCom,
        &[
            ("/payload/uid", Value::Null, "missing_field", "$.payload.uid"),
            ("/payload/uid", json!(true), "wrong_type", "$.payload.uid"),
            ("/payload/uid", json!("x".repeat(513)), "invalid_value", "$.payload.uid"),
            ("/createdAt", json!("yesterday"), "invalid_time", "$.createdAt"),
            ("/payload/startTime", Value::Null, "missing_field", "$.payload.startTime"),
            ("/payload/startTime", json!("2026-03-04T09:00"), "invalid_time", "$.payload.startTime"),
            ("/payload/startTime", json!("2026-02-30T09:00:00Z"), "invalid_time", "$.payload.startTime"),
            ("/payload/startTime", json!(1_772_614_800), "wrong_type", "$.payload.startTime"),
            ("/payload/endTime", json!("2026-03-04T09:00:00Z"), "empty_interval", "$.payload.endTime"),
            ("/payload/endTime", json!("2026-06-04T09:00:00Z"), "invalid_time", "$.payload.endTime"),
            ("/payload/organizer", Value::Null, "missing_field", "$.payload.organizer"),
            ("/payload/organizer/email", json!(["anna@clinic.example"]), "wrong_type", "$.payload.organizer.email"),
            ("/payload/attendees/0/email", json!({}), "wrong_type", "$.payload.attendees[*].email"),
            ("/payload/iCalUID", json!(7), "wrong_type", "$.payload.iCalUID"),
            ("/triggerEvent", json!(7), "wrong_type", "$.triggerEvent"),
        ],
    );
}

#[test]
fn what_is_wrong_with_a_delivery_of_zendesk_is_told_by_its_path() {
    check(
        Kind::Zendesk,
        &[
            ("/type", json!(""), "missing_field", "$.type"),
            ("/ticket", json!(""), "missing_field", "$.ticket"),
            ("/ticket", json!(1.5), "wrong_type", "$.ticket"),
            ("/updated_at", json!(""), "missing_field", "$.updated_at"),
            ("/updated_at", json!("March 1"), "invalid_time", "$.updated_at"),
            ("/assignee", json!(""), "missing_field", "$.assignee"),
            ("/start", json!("9 o'clock"), "invalid_time", "$.start"),
            ("/end", json!(""), "missing_field", "$.end"),
            ("/end", json!("2026-03-04T08:30"), "empty_interval", "$.end"),
            ("/time_zone", json!("Berlin"), "unknown_time_zone", "$.time_zone"),
            ("/time_zone", json!(""), "invalid_time", "$.start"),
            ("/title", json!("x".repeat(1_001)), "invalid_value", "$.title"),
            ("/requester_email", json!(7), "wrong_type", "$.requester_email"),
        ],
    );
}

#[test]
fn what_is_wrong_with_a_state_of_acuity_is_told_by_its_path() {
    check(
        Kind::Acuity,
        &[
            ("/id", Value::Null, "missing_field", "$.id"),
            ("/id", json!([4712]), "wrong_type", "$.id"),
            ("/datetime", json!(""), "missing_field", "$.datetime"),
            ("/datetime", json!("June 15, 2026"), "invalid_time", "$.datetime"),
            ("/datetime", json!("2026-03-04T09:30:00"), "invalid_time", "$.datetime"),
            ("/datetime", json!("2026-02-30T09:30:00+0300"), "invalid_time", "$.datetime"),
            ("/datetime", json!(1_772_614_800), "wrong_type", "$.datetime"),
            ("/duration", json!("0"), "empty_interval", "$.duration"),
            ("/duration", json!("fifty"), "invalid_value", "$.duration"),
            ("/duration", json!("99999999999999999999"), "invalid_value", "$.duration"),
            ("/duration", json!("9223372036854775807"), "invalid_time", "$.duration"),
            ("/duration", json!(-50), "invalid_value", "$.duration"),
            ("/calendarID", Value::Null, "missing_field", "$.calendarID"),
            ("/calendarID", json!(1.5), "wrong_type", "$.calendarID"),
            ("/timezone", json!(3), "wrong_type", "$.timezone"),
        ],
    );
}

#[test]
fn what_is_wrong_with_a_state_of_hubspot_is_told_by_its_path() {
    const START: &str = "$.properties.hs_meeting_start_time";
    const END: &str = "$.properties.hs_meeting_end_time";
    check(
        Kind::Hubspot,
        &[
            ("/id", json!(""), "missing_field", "$.objectId"),
            ("/id", json!(false), "wrong_type", "$.id"),
            ("/properties", Value::Null, "missing_field", START),
            ("/properties", json!("none"), "missing_field", START),
            ("/properties/hs_meeting_start_time", json!("1772614800000"), "invalid_time", START),
            ("/properties/hs_meeting_start_time", json!("2026-03-04T09:00"), "invalid_time", START),
            ("/properties/hs_meeting_end_time", Value::Null, "missing_field", END),
            ("/properties/hs_meeting_end_time", json!("2026-03-04T09:00:00Z"), "empty_interval", END),
            ("/properties/hs_meeting_end_time", json!("2027-03-04T09:00:00Z"), "invalid_time", END),
            ("/properties/hubspot_owner_id", Value::Null, "missing_field", "$.properties.hubspot_owner_id"),
            ("/properties/hubspot_owner_id", json!({}), "wrong_type", "$.properties.hubspot_owner_id"),
            ("/properties/hs_meeting_title", json!(7), "wrong_type", "$.properties.hs_meeting_title"),
        ],
    );
}

#[test]
fn what_is_wrong_with_an_event_of_google_is_told_by_its_path() {
    check(
        Kind::Google,
        &[
            ("/items", json!({}), "wrong_type", "items"),
            ("/items/0", json!("none"), "wrong_type", "items[0]"),
            ("/items/0/id", Value::Null, "wrong_type", "items[0].id"),
            ("/items/0/id", json!(7), "wrong_type", "items[0].id"),
            ("/items/0/id", json!("x".repeat(513)), "invalid_value", "items[0].id"),
            ("/items/0/kind", json!("api#channel"), "invalid_value", "items[0].kind"),
            ("/items/0/status", json!(1), "wrong_type", "items[0].status"),
            ("/items/0/start", Value::Null, "wrong_type", "items[0].start"),
            ("/items/0/start", json!("2026-03-04"), "wrong_type", "items[0].start"),
            ("/items/0/start", json!({}), "missing_field", "items[0].start.date"),
            ("/items/0/start", json!({"date": "2026-02-30"}), "invalid_time", "items[0].start.date"),
            ("/items/0/start/dateTime", json!("2026-03-04T09:00"), "invalid_time", "items[0].start.dateTime"),
            ("/items/0/start/dateTime", json!(1_772_614_800), "wrong_type", "items[0].start.dateTime"),
            ("/items/0/end/dateTime", json!("2026-03-04T08:00:00+01:00"), "empty_interval", "items[0].end"),
            ("/items/0/end/dateTime", json!("2026-05-04T08:00:00+01:00"), "invalid_time", "items[0].end"),
            ("/items/0/iCalUID", json!(7), "wrong_type", "items[0].iCalUID"),
            ("/items/0/attendees", json!("jane"), "wrong_type", "items[0].attendees"),
        ],
    );
}

#[test]
fn what_is_wrong_with_an_event_of_outlook_is_told_by_its_path() {
    check(
        Kind::Outlook,
        &[
            ("/value", json!({}), "wrong_type", "value"),
            ("/value/0", json!(7), "wrong_type", "value[0]"),
            ("/value/0/id", Value::Null, "wrong_type", "value[0].id"),
            ("/value/0/id", json!(""), "invalid_value", "value[0].id"),
            ("/value/0/isAllDay", json!("yes"), "wrong_type", "value[0].isAllDay"),
            ("/value/0/isCancelled", json!(0), "wrong_type", "value[0].isCancelled"),
            ("/value/0/start", Value::Null, "wrong_type", "value[0].start"),
            ("/value/0/start", json!({"timeZone": "UTC"}), "missing_field", "value[0].start.dateTime"),
            ("/value/0/start/dateTime", json!("March 4"), "invalid_time", "value[0].start.dateTime"),
            ("/value/0/start/dateTime", json!("2026-03-04T08:00:00Z"), "invalid_time", "value[0].start.dateTime"),
            ("/value/0/start/timeZone", Value::Null, "wrong_type", "value[0].start.timeZone"),
            ("/value/0/start/timeZone", json!("Berlin"), "unknown_time_zone", "value[0].start.timeZone"),
            ("/value/0/end/dateTime", json!("2026-03-04T07:00:00.0000000"), "empty_interval", "value[0].end"),
            ("/value/0/end/dateTime", json!("2026-05-04T07:00:00.0000000"), "invalid_time", "value[0].end"),
            ("/value/0/iCalUId", json!(7), "wrong_type", "value[0].iCalUId"),
            ("/value/0/attendees", json!({}), "wrong_type", "value[0].attendees"),
        ],
    );
}
