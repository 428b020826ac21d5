//! Round trips of every operation, and what a record must not hold.

use daybook_domain::{Attendee, ContactId, ContentDigest, Interval, RequestId, ResourceId, Rules};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn source() -> SourceName {
    "calendly".parse().expect("a name")
}

fn request(operation: Operation) -> Request {
    Request {
        request_id: RequestId::derive("/webhooks/calendly", "evt-1", 0),
        resource: "anna".parse().expect("a name"),
        source: source(),
        event_id: "evt-1".to_owned(),
        sourced_at: Some(at("2026-03-01T00:00:00Z")),
        received_at: at("2026-03-01T00:00:01Z"),
        operation,
    }
}

fn claim() -> Claim {
    let resource: ResourceId = "anna".parse().expect("a name");
    Claim {
        booking_id: BookingId::derive(&source(), "inv-2", &resource),
        identity: Identity::new(&source(), "inv-2"),
        version: SourceVersion { sequence: 2, updated_at: at("2026-03-01T00:00:00Z") },
        interval: Interval::new(at("2026-03-04T09:00:00Z"), at("2026-03-04T09:30:00Z")).expect("an interval"),
        content: Some(Content {
            title: Some("Intro".to_owned()),
            attendees: vec![Attendee {
                contact_id: ContactId::from_bytes([7; 16]),
                name: Some("Jane".to_owned()),
                email: Some("jane@example.com".to_owned()),
                phone: None,
            }],
            source_time_zone: Some("Asia/Kolkata".to_owned()),
            digest: ContentDigest([9; 16]),
        }),
    }
}

fn operations() -> Vec<Operation> {
    let cancel = |interval, kind| Operation::Cancel {
        booking_id: claim().booking_id,
        identity: claim().identity,
        version: claim().version,
        interval,
        kind,
    };
    vec![
        Operation::Book(claim()),
        Operation::Book(Claim { content: None, ..claim() }),
        Operation::Reschedule { previous: Identity::new(&source(), "inv-1"), claim: claim() },
        cancel(Some(claim().interval), CancelKind::Plain),
        cancel(None, CancelKind::AwaitingReplacement),
        Operation::Define(Rules {
            display_time_zone: "Europe/Berlin".to_owned(),
            replacement_wait: Rules::REPLACEMENT_WAIT_DEFAULT,
        }),
        Operation::Expire { booking_id: claim().booking_id, deadline: at("2026-03-01T00:15:00Z") },
    ]
}

#[test]
fn every_operation_survives_the_wire() {
    for operation in operations() {
        let request = request(operation);
        let datum = encode_request(&request);
        assert_eq!(decode_request(request_codec().schema(), &datum).expect("reads"), request);
    }
}

#[test]
fn a_record_of_an_equal_schema_that_was_parsed_elsewhere_reads_too() {
    let writer = Schema::parse_str(include_str!("../../../../avro/BookingRequest.avsc")).expect("parses");
    let request = request(Operation::Book(claim()));
    assert_eq!(decode_request(&writer, &encode_request(&request)).expect("reads"), request);
}

#[test]
fn a_record_of_a_newer_schema_reads_without_its_new_field() {
    let newer = include_str!("../../../../avro/BookingRequest.avsc").replacen(
        r#"{"name": "sourced_at""#,
        r#"{"name": "novelty", "type": ["null", "string"], "default": null}, {"name": "sourced_at""#,
        1,
    );
    let writer = Schema::parse_str(&newer).expect("parses");
    let request = request(Operation::Book(claim()));
    let ours = apache_avro::to_value(record(&request)).expect("a value").resolve(&writer).expect("fits");
    let datum = apache_avro::writer::datum::GenericDatumWriter::builder(&writer)
        .build()
        .and_then(|writer| writer.write_value_to_vec(ours))
        .expect("writes");
    assert_eq!(decode_request(&writer, &datum).expect("reads"), request);
}

#[test]
fn what_an_operation_needs_must_be_there() {
    let mut broken = record(&request(Operation::Book(claim())));
    broken.end_time = broken.start_time;
    let datum = request_codec().write(&broken);
    let error = decode_request(request_codec().schema(), &datum).expect_err("an empty interval");
    assert_eq!(error.to_string(), "field end_time: end must be after start");

    let mut broken = record(&request(Operation::Book(claim())));
    broken.source_version = None;
    let datum = request_codec().write(&broken);
    let error = decode_request(request_codec().schema(), &datum).expect_err("no version");
    assert_eq!(error.to_string(), "field source_version: is required by this operation");
}

#[test]
fn truncated_and_overlong_data_are_refused() {
    let datum = encode_request(&request(Operation::Book(claim())));
    assert!(decode_request(request_codec().schema(), &datum[..datum.len() - 1]).is_err());
    let overlong = [datum.as_slice(), b"x"].concat();
    assert!(decode_request(request_codec().schema(), &overlong).is_err());
}
