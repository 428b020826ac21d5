//! Records of every schema that was ever registered read with today's code, and today's records read with every
//! schema that was ever registered. `tests/fixtures` keeps those schemas and one datum of each record.

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::SchemaCompatibility;
use apache_avro::types::Value;
use daybook_domain::{
    Attendee, Basis, BookingId, BookingKind, BookingState, ContactId, Content, ContentDigest, Decision, Elsewhere,
    Expected, Identity, Interval, Operation, OperationKind, Outcome, Rejection, Request, RequestId, ResourceId, Rule,
    Rules, SourceKey, SourceName, SourceVersion, Standing, Timestamp, Winner,
};
use daybook_domain::{CancelKind, Claim, Subject};
use daybook_wire::{
    CanonicalBooking, LoggedDecision, SCHEMAS, Schema, booking_codec, decision_codec, decode_booking, decode_decision,
    decode_request, encode_booking, encode_decision, encode_request, request_codec,
};

const REQUEST: &str = include_str!("fixtures/first/BookingRequest.avsc");
const DECISION: &str = include_str!("fixtures/first/BookingDecision.avsc");
const BOOKING: &str = include_str!("fixtures/first/Booking.avsc");
const SECOND_REQUEST: &str = include_str!("fixtures/second/BookingRequest.avsc");
const SECOND_DECISION: &str = include_str!("fixtures/second/BookingDecision.avsc");

fn schema(text: &str) -> Schema {
    Schema::parse_str(text).expect("parses")
}

fn datum(hexadecimal: &str) -> Vec<u8> {
    hex::decode(hexadecimal.trim()).expect("hexadecimal")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn anna() -> ResourceId {
    "anna".parse().expect("a name")
}

fn calendly() -> SourceName {
    "calendly".parse().expect("a name")
}

fn interval() -> Interval {
    Interval::new(at("2026-03-04T09:00:00Z"), at("2026-03-04T09:30:00Z")).expect("an interval")
}

fn version() -> SourceVersion {
    SourceVersion { sequence: 2, updated_at: at("2026-03-01T00:00:00Z") }
}

fn booking_id() -> BookingId {
    BookingId::derive(&calendly(), "inv-2", &anna())
}

fn jane() -> Attendee {
    Attendee {
        contact_id: ContactId::from_bytes([7; 16]),
        name: Some("Jane".to_owned()),
        email: Some("jane@example.com".to_owned()),
        phone: None,
    }
}

fn request(operation: Operation) -> Request {
    Request {
        request_id: RequestId::derive("/webhooks/calendly", "evt-1", 0),
        resource: anna(),
        source: calendly(),
        event_id: "evt-1".to_owned(),
        basis: Basis::Promised,
        expected: Expected::default(),
        digest: None,
        sourced_at: Some(at("2026-03-01T00:00:00Z")),
        received_at: at("2026-03-01T00:00:01Z"),
        operation,
    }
}

fn claim() -> Claim {
    Claim {
        booking_id: booking_id(),
        identity: Identity::new(&calendly(), "inv-2"),
        version: version(),
        interval: interval(),
        content: Some(Content {
            title: Some("Intro".to_owned()),
            attendees: vec![jane()],
            source_time_zone: Some("Asia/Kolkata".to_owned()),
            digest: ContentDigest([9; 16]),
        }),
        contacts: Vec::new(),
        tags: Vec::new(),
        mark: None,
        moved_from: None,
    }
}

fn state(standing: Standing) -> BookingState {
    BookingState {
        booking_id: booking_id(),
        kind: BookingKind::Booking,
        standing,
        unit: 0,
        version: 2,
        source: calendly(),
        keys: vec![SourceKey::derive(&calendly(), "inv-1"), SourceKey::derive(&calendly(), "inv-2")],
        source_version: version(),
        content: Some(ContentDigest([3; 16])),
        contacts: vec![ContactId::from_bytes([7; 16])],
        tags: Vec::new(),
        shadows: Vec::new(),
        moved_from: None,
        moved_to: None,
    }
}

fn logged(outcome: Outcome, booking: Option<BookingState>, rules: Option<Rules>) -> LoggedDecision {
    LoggedDecision {
        partition: 5,
        seq: 17,
        offset: 99,
        previous_hash: [0xab; 32],
        core_version: "0.1.0".to_owned(),
        decision: Decision {
            request_id: RequestId::derive("/webhooks/calendly", "evt-1", 0),
            request_digest: None,
            resource: anna(),
            operation: OperationKind::Book,
            source: calendly(),
            basis: Basis::Promised,
            outcome,
            resource_version: 4,
            booking,
            absorbed: Vec::new(),
            wanted: None,
            next_free: Vec::new(),
            rules,
            sourced_at: Some(at("2026-03-01T00:00:00Z")),
            received_at: at("2026-03-01T00:00:01Z"),
            decided_at: at("2026-03-01T00:00:02Z"),
        },
    }
}

fn winner(source: SourceName) -> Winner {
    Winner { booking_id: booking_id(), interval: interval(), source }
}

fn canonical(kind: BookingKind, standing: Standing) -> CanonicalBooking {
    CanonicalBooking {
        booking_id: booking_id(),
        resource: anna(),
        kind,
        standing,
        unit: 0,
        version: 3,
        seq: 17,
        resource_time_zone: Some("Europe/Berlin".to_owned()),
        source_time_zone: None,
        title: Some("Intro".to_owned()),
        attendees: vec![jane()],
        source: calendly(),
        source_ids: vec!["inv-0".to_owned(), "inv-1".to_owned()],
        shadows: Vec::new(),
        moved_from: None,
        moved_to: None,
        sourced_at: None,
        received_at: at("2026-03-01T00:00:01Z"),
        decided_at: at("2026-03-01T00:00:02Z"),
    }
}

#[test]
fn a_request_of_the_first_schema_reads_as_a_vendors_promise() {
    let reschedule = Operation::Reschedule { previous: Identity::new(&calendly(), "inv-1"), claim: claim() };
    let read = decode_request(&schema(REQUEST), &datum(include_str!("fixtures/first/request_reschedule.hex")));
    assert_eq!(read.expect("reads"), request(reschedule));
}

#[test]
fn rules_of_the_first_schema_allow_one_booking_at_any_time() {
    let read = decode_request(&schema(REQUEST), &datum(include_str!("fixtures/first/request_define.hex")));
    assert_eq!(read.expect("reads"), request(Operation::Define(Rules::new("Europe/Berlin".to_owned()))));
}

#[test]
fn a_decision_of_the_first_schema_reads_with_a_winner_of_no_particular_source() {
    let read = decode_decision(&schema(DECISION), &datum(include_str!("fixtures/first/decision_conflict.hex")));
    let daybook = "daybook".parse().expect("a name");
    let awaiting = Standing::Awaiting { interval: interval(), until: at("2026-03-01T00:15:00Z") };
    let expected = logged(
        Outcome::Rejected(Rejection::Conflict(winner(daybook))),
        Some(state(awaiting)),
        Some(Rules::new("Europe/Berlin".to_owned())),
    );
    assert_eq!(read.expect("reads"), expected);
}

#[test]
fn a_policy_refusal_of_the_first_schema_was_for_a_resource_never_defined() {
    let read = decode_decision(&schema(DECISION), &datum(include_str!("fixtures/first/decision_policy.hex")));
    let expected = logged(Outcome::Rejected(Rejection::Policy(Rule::Defined)), None, None);
    assert_eq!(read.expect("reads"), expected);
}

#[test]
fn a_booking_of_the_first_schema_reads() {
    let read = decode_booking(&schema(BOOKING), &datum(include_str!("fixtures/first/booking.hex")));
    assert_eq!(read.expect("reads"), canonical(BookingKind::Booking, Standing::Confirmed(interval())));
}

#[test]
fn records_of_the_second_schema_have_no_fingerprint() {
    let hold = Operation::Hold { claim: claim(), ttl: std::time::Duration::from_secs(600) };
    let read = decode_request(&schema(SECOND_REQUEST), &datum(include_str!("fixtures/second/request_hold.hex")));
    assert_eq!(read.expect("reads"), request(hold));
    let read = decode_decision(&schema(SECOND_DECISION), &datum(include_str!("fixtures/second/decision_flagged.hex")));
    let held = Standing::Held { interval: interval(), until: at("2026-03-01T00:10:00Z") };
    assert_eq!(read.expect("reads"), logged(Outcome::Flagged(winner(calendly())), Some(state(held)), None));
}

#[test]
fn each_schema_and_its_predecessors_read_one_another() {
    for (name, now, before) in [
        ("booking.requests-value", request_codec().schema(), REQUEST),
        ("booking.decisions-value", decision_codec().schema(), DECISION),
        ("booking.requests-value", request_codec().schema(), SECOND_REQUEST),
        ("booking.decisions-value", decision_codec().schema(), SECOND_DECISION),
        ("booking.canonical-value", booking_codec().schema(), BOOKING),
    ] {
        let before = schema(before);
        SchemaCompatibility::can_read(before.avro(), now.avro()).unwrap_or_else(|error| panic!("{name}: {error}"));
        SchemaCompatibility::can_read(now.avro(), before.avro())
            .unwrap_or_else(|error| panic!("{name}, backwards: {error}"));
    }
}

#[test]
fn every_enumeration_has_a_way_to_say_that_it_does_not_know_and_none_lost_a_symbol() {
    let before: Vec<_> = [REQUEST, DECISION, BOOKING].iter().flat_map(|text| enumerations(text)).collect();
    for (subject, text) in SCHEMAS {
        for (name, symbols, default) in enumerations(text) {
            assert_eq!((symbols[0].as_str(), default.as_deref()), ("UNKNOWN", Some("UNKNOWN")), "{name} of {subject}");
        }
    }
    for (old, new) in [REQUEST, DECISION, BOOKING].iter().zip(&SCHEMAS) {
        let now = enumerations(new.1);
        for (name, symbols, _) in enumerations(old) {
            let kept = now.iter().find(|(other, ..)| *other == name).expect("an enumeration is never removed");
            assert_eq!(kept.1[..symbols.len()], symbols[..], "{name}: new symbols stand at the end");
        }
    }
    assert!(!before.is_empty(), "the search for enumerations found some");
}

/// Name, symbols and default of every enumeration in a schema.
fn enumerations(text: &str) -> Vec<(String, Vec<String>, Option<String>)> {
    fn search(value: &serde_json::Value, found: &mut Vec<(String, Vec<String>, Option<String>)>) {
        if value["type"] == "enum" {
            let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
            let symbols = value["symbols"].as_array().expect("symbols").iter().filter_map(text).collect();
            found.push((text(&value["name"]).expect("a name"), symbols, text(&value["default"])));
        }
        match value {
            serde_json::Value::Array(items) => items.iter().for_each(|item| search(item, found)),
            serde_json::Value::Object(fields) => fields.values().for_each(|field| search(field, found)),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => {}
        }
    }
    let mut found = Vec::new();
    search(&serde_json::from_str(text).expect("JSON"), &mut found);
    found
}

/// What somebody who still has the first schema reads of a record of today.
fn as_first(writer: &Schema, first: &str, mut datum: &[u8]) -> Vec<(String, Value)> {
    let first = schema(first);
    let value = GenericDatumReader::builder(writer.avro())
        .reader_schema(first.avro())
        .build()
        .and_then(|reader| reader.read_value(&mut datum))
        .expect("reads");
    let Value::Record(fields) = value else { panic!("a record") };
    fields
}

fn symbol(fields: &[(String, Value)], name: &str) -> String {
    let value = fields.iter().find(|(field, _)| field == name).map(|(_, value)| value).expect("the field");
    let value = if let Value::Union(_, inner) = value { inner } else { value };
    let Value::Enum(_, symbol) = value else { panic!("a symbol") };
    symbol.clone()
}

#[test]
fn whoever_still_has_the_first_schema_reads_todays_records() {
    let there = Elsewhere { resource: anna(), booking_id: booking_id() };
    let subject = Subject { booking_id: booking_id(), identity: claim().identity, version: version() };
    let full = Claim { mark: Some(booking_id()), moved_from: Some(there.clone()), ..claim() };
    let hold = encode_request(&request(Operation::Hold { claim: full, ttl: Operation::HOLD_MAX }));
    let cancel = Operation::Cancel { subject, interval: None, kind: CancelKind::Plain };
    let cancel = encode_request(&request(cancel));
    let operation = |datum| symbol(&as_first(request_codec().schema(), REQUEST, datum), "operation");
    assert_eq!((operation(&hold).as_str(), operation(&cancel).as_str()), ("UNKNOWN", "CANCEL"));

    let held = Standing::Held { interval: interval(), until: at("2026-03-01T00:10:00Z") };
    let moved = BookingState { moved_to: Some(there.clone()), moved_from: Some(there), ..state(held) };
    let flagged = encode_decision(&logged(Outcome::Flagged(winner(calendly())), Some(moved), None));
    let fields = as_first(decision_codec().schema(), DECISION, &flagged);
    assert_eq!((symbol(&fields, "outcome"), symbol(&fields, "reason")), ("UNKNOWN".to_owned(), "UNKNOWN".to_owned()));

    let busy = encode_booking(&canonical(BookingKind::Busy, held));
    let fields = as_first(booking_codec().schema(), BOOKING, &busy);
    assert_eq!((symbol(&fields, "kind"), symbol(&fields, "status")), ("BUSY".to_owned(), "UNKNOWN".to_owned()));
}
