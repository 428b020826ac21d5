//! Bodies that are asked, and everything that can be wrong with one.

use proptest::prelude::*;

use super::*;

const BOOKING: &str = "4acc2233-7ebf-5ca1-aa36-48892920231a";

fn read(body: &str) -> Asked {
    match Asked::read(body.as_bytes()) {
        Ok(asked) => asked,
        Err(faults) => panic!("{faults:?}"),
    }
}

fn faults(body: &str) -> Vec<String> {
    match Asked::read(body.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

fn fields(body: &str) -> Vec<String> {
    Asked::read(body.as_bytes()).err().unwrap_or_default().into_iter().map(|fault| fault.field).collect()
}

#[test]
fn a_booking_is_read_with_everything_in_it() {
    let asked = read(
        r#"{"operation": "book", "resource": "room-7", "start": "2027-03-04T09:00", "end": "2027-03-04T08:30:00Z",
            "time_zone": "Europe/Berlin", "title": " First\nconsultation ",
            "attendees": [{"name": "Jane", "email": "Jane@Example.com"}, {"phone": "+1 555 0100"}]}"#,
    );
    let Ask::Book(Place { interval, shown }) = &asked.ask else { panic!("book") };
    assert_eq!(asked.resource.as_str(), "room-7");
    assert_eq!(interval.start().to_string(), "2027-03-04T08:00:00Z");
    assert_eq!(interval.end().to_string(), "2027-03-04T08:30:00Z");
    assert_eq!(shown.title.as_deref(), Some("First consultation"));
    assert_eq!(shown.people[0].email(), Some("jane@example.com"));
    assert_eq!((shown.people[1].email(), shown.time_zone.as_deref()), (None, Some("Europe/Berlin")));
    assert!(asked.ask.creates() && asked.ask.booking().is_none());
}

#[test]
fn what_exists_is_named_by_its_id_and_may_be_held_to_a_version() {
    for kind in ["confirm", "release", "cancel"] {
        let asked = read(&format!(
            r#"{{"operation": "{kind}", "resource": "room-7", "booking_id": "{BOOKING}", "expected_version": 3}}"#
        ));
        assert_eq!((asked.ask.kind().as_str(), asked.expected_version), (kind, Some(3)));
        assert_eq!(asked.ask.booking().map(|id| id.to_string()).as_deref(), Some(BOOKING));
        assert!(!asked.ask.creates());
    }
    let asked = read(
        &format!(
            r#"{{"operation": "reschedule", "resource": "a", "booking_id": "{BOOKING}", "start": "2027-03-04T09:00:00Z",
             "end": "2027-03-04T10:00:00+00:30", "title": null}}"#
        )
        .replace(", \"title\": null", ""),
    );
    assert!(matches!(asked.ask, Ask::Reschedule(..)));
    let hold = r#"{"operation": "hold", "resource": "a", "start": "2027-03-04T09:00:00Z", "end": "2027-03-04T10:00:00Z", "ttl": "1h 30m"}"#;
    assert!(matches!(read(hold).ask, Ask::Hold(_, ttl) if ttl == Duration::from_secs(5_400)));
}

#[test]
fn every_fault_is_told_at_once() {
    let found = faults(
        r#"{"operation": "book", "resource": "Room 7", "start": "2027-03-04T09:00", "titel": "x", "ttl": "5m",
            "attendees": [{"email": "jane"}, 7, {"name": "Jane", "mail": "j@x"}], "expected_version": 2}"#,
    );
    let expected = [
        "expected_version: is no field of book; leave it out; there is operation, resource, start, end, time_zone, \
         title, attendees",
        "titel: is not known; did you mean title?",
        "ttl: is no field of book; leave it out; there is operation, resource, start, end, time_zone, title, attendees",
        "resource: does not read; give a resource's id: 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit",
        "start: is a local time, and which instant that is depends on where; add time_zone with an IANA name, or write \
         the time with an offset or Z",
        "end: is missing and is required here; give RFC 3339 with an offset or Z, such as 2026-03-04T09:00:00Z",
        "attendees[0].email: is no address of this kind; give an address such as name@host",
        "attendees[1]: is a number; it must be an object; give an array of {name, email, phone}",
        "attendees[2].mail: is not known; did you mean email?",
        "attendees[2].email: is missing, and so is phone; one of them must say who it is; give an address such as \
         name@host",
    ];
    for line in expected {
        assert!(found.contains(&line.to_owned()), "{line}\nnot in\n{found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn a_zone_that_is_none_is_the_only_fault_of_local_times() {
    let body = r#"{"operation": "book", "resource": "a", "start": "2027-03-04T09:00", "end": "2027-03-04T10:00",
                   "time_zone": "Europe/Berln"}"#;
    assert_eq!(faults(body), ["time_zone: is not the name of a time zone; did you mean Europe/Berlin?"]);
}

#[test]
fn an_interval_ends_after_it_begins_and_lasts_no_month() {
    let body = |end: &str| {
        format!(r#"{{"operation": "book", "resource": "a", "start": "2027-03-04T09:00:00Z", "end": "{end}"}}"#)
    };
    assert_eq!(faults(&body("2027-03-04T09:00:00Z")), ["end: is not after start; give an end that is later"]);
    assert_eq!(fields(&body("2027-04-04T09:00:01Z")), ["end"]);
    assert!(faults(&body("2027-04-04T09:00:00Z")).is_empty());
    assert_eq!(fields(&body("tomorrow")), ["end"]);
    assert_eq!(fields(&body("1969-12-31T23:00:00Z")), ["end"]);
}

#[test]
fn nobody_loses_attendees_over_a_title() {
    let body = |kind: &str, more: &str| {
        format!(r#"{{"operation": "{kind}", "resource": "a", "booking_id": "{BOOKING}"{more}}}"#)
    };
    assert_eq!(fields(&body("update", r#", "title": "x""#)), ["attendees"]);
    assert_eq!(fields(&body("update", r#", "attendees": []"#)), ["title"]);
    assert_eq!(fields(&body("update", "")), ["title", "attendees"]);
    assert!(faults(&body("update", r#", "title": null, "attendees": []"#)).is_empty());
    assert_eq!(fields(&body("confirm", r#", "title": "x""#)), ["attendees"]);
    assert_eq!(fields(&body("confirm", r#", "time_zone": "UTC""#)), ["time_zone"]);
    assert!(matches!(read(&body("confirm", "")).ask, Ask::Confirm(_, None)));
    let both = r#", "title": "x", "attendees": [], "time_zone": "UTC""#;
    assert!(matches!(read(&body("confirm", both)).ask, Ask::Confirm(_, Some(_))));
}

#[test]
fn a_hold_is_bounded() {
    let body = |ttl: &str| {
        format!(
            r#"{{"operation": "hold", "resource": "a", "start": "2027-03-04T09:00:00Z", "end": "2027-03-04T10:00:00Z",
                 "ttl": {ttl}}}"#
        )
    };
    for ttl in [r#""1s""#, r#""24h""#, r#""1day""#] {
        assert!(faults(&body(ttl)).is_empty(), "{ttl}");
    }
    for ttl in [r#""999ms""#, r#""24h 1s""#, r#""ten""#, "600", "null"] {
        assert_eq!(fields(&body(ttl)), ["ttl"], "{ttl}");
    }
}

#[test]
fn an_operation_that_is_none_is_told_the_nearest() {
    assert_eq!(faults(r#"{"operation": "boook"}"#), ["operation: is none that there is; did you mean book?"]);
    assert_eq!(fields("{}"), ["operation"]);
    for body in ["", "[]", "7", "{", r#"{"operation":"book","operation":"book"}"#] {
        assert_eq!(fields(body), ["(body)"], "{body}");
    }
}

#[test]
fn no_fault_repeats_what_was_sent() {
    let found = faults(
        r#"{"operation": "book", "resource": "jane@example.com", "start": "jane@example.com", "end": 7,
            "time_zone": "jane@example.com", "jane@example.com": 1, "attendees": "jane@example.com"}"#,
    );
    assert!(!found.concat().contains("jane"), "{found:#?}");
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Asked::read(&body);
    }

    #[test]
    fn whatever_is_wrong_is_said(
        operation in prop::sample::select(vec!["book", "hold", "confirm", "release", "reschedule", "update", "cancel"]),
        values in prop::collection::btree_map(
            prop::sample::select(FIELDS.iter().flat_map(|(_, fields)| fields.iter().copied()).collect::<Vec<_>>()),
            prop::sample::select(vec![
                "null", "7", "\"x\"", "[]", "{}", "true", "\"2027-03-04T09:00:00Z\"", "\"2027-03-04T10:00\"", "\"5m\"",
                "\"Europe/Berlin\"", "\"4acc2233-7ebf-5ca1-aa36-48892920231a\"", "[{\"email\": \"a@b\"}]",
            ]),
            0..9,
        ),
    ) {
        let rest: String =
            values.iter().filter(|(name, _)| **name != "operation").map(|(name, value)| format!(", \"{name}\": {value}")).collect();
        let body = format!("{{\"operation\": \"{operation}\"{rest}}}");
        if let Err(faults) = Asked::read(body.as_bytes()) {
            prop_assert!(!faults.is_empty());
            prop_assert!(faults.iter().all(|fault| !fault.fix.is_empty() && !fault.problem.is_empty()));
        }
    }
}
