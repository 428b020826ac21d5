//! Round trips of every operation, and what a record must not hold.

use chrono::Weekday;
use daybook_domain::{
    Attendee, Basis, ContactId, ContentDigest, Elsewhere, Hours, Interval, OperationKind, RequestDigest, RequestId,
    ResourceId, Rules, Tag,
};

use super::*;
use crate::shared::WeekdayRecord;

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
        basis: Basis::Asked,
        expected: Expected { booking_version: Some(3), resource_version: Some(0) },
        digest: Some(RequestDigest([5; 16])),
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
        content: Some(content()),
        contacts: vec![ContactId::from_bytes([8; 16])],
        tags: vec![Tag::derive("ical", "uid-1"), Tag::derive("google", "abc")],
        mark: Some(elsewhere("anna").booking_id),
        moved_from: Some(elsewhere("ben")),
    }
}

fn bare() -> Claim {
    Claim { content: None, contacts: Vec::new(), tags: Vec::new(), mark: None, moved_from: None, ..claim() }
}

fn content() -> Content {
    Content {
        title: Some("Intro".to_owned()),
        attendees: vec![Attendee {
            contact_id: ContactId::from_bytes([7; 16]),
            name: Some("Jane".to_owned()),
            email: Some("jane@example.com".to_owned()),
            phone: None,
        }],
        source_time_zone: Some("Asia/Kolkata".to_owned()),
        digest: ContentDigest([9; 16]),
    }
}

fn elsewhere(resource: &str) -> Elsewhere {
    let resource: ResourceId = resource.parse().expect("a name");
    Elsewhere { booking_id: BookingId::derive(&source(), "inv-1", &resource), resource }
}

fn subject() -> Subject {
    Subject { booking_id: claim().booking_id, identity: claim().identity, version: claim().version }
}

/// As the arbiter names it, which has pseudonyms only.
fn nameless() -> Subject {
    Subject { identity: Identity::pseudonym(claim().identity.key()), ..subject() }
}

fn rules() -> Rules {
    let days = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
    Rules {
        display_time_zone: "Europe/Berlin".to_owned(),
        replacement_wait: Rules::REPLACEMENT_WAIT_DEFAULT,
        capacity: Rules::CAPACITY_MAX,
        buffer_before: Rules::BUFFER_MAX,
        buffer_after: Duration::from_millis(1),
        notice: Rules::AHEAD_MAX,
        window: Some(Rules::AHEAD_MAX),
        hours: days.map(|day| Hours { day, from: 0, to: 1_440 }).to_vec(),
        retired: true,
    }
}

fn operations() -> Vec<Operation> {
    let cancel = |interval, kind| Operation::Cancel { subject: subject(), interval, kind };
    vec![
        Operation::Book(claim()),
        Operation::Book(bare()),
        Operation::Hold { claim: claim(), ttl: Duration::from_secs(1) },
        Operation::Hold { claim: bare(), ttl: Operation::HOLD_MAX },
        Operation::Confirm { subject: subject(), content: None },
        Operation::Confirm { subject: subject(), content: Some(content()) },
        Operation::Confirm { subject: nameless(), content: None },
        Operation::Release { subject: subject(), moved_to: None },
        Operation::Release { subject: nameless(), moved_to: Some(elsewhere("ben")) },
        Operation::Release { subject: subject(), moved_to: Some(elsewhere("ben")) },
        Operation::Reschedule { previous: Identity::new(&source(), "inv-1"), claim: claim() },
        Operation::Update { subject: subject(), content: content() },
        cancel(Some(claim().interval), CancelKind::Plain),
        cancel(None, CancelKind::AwaitingReplacement),
        Operation::Observe(claim()),
        Operation::Observe(bare()),
        Operation::Define(rules()),
        Operation::Define(Rules::new("Europe/Berlin".to_owned())),
        Operation::Redact { booking_id: claim().booking_id },
        Operation::Expire { booking_id: claim().booking_id, deadline: at("2026-03-01T00:15:00Z") },
    ]
}

#[test]
fn every_operation_survives_the_wire() {
    for kind in OperationKind::ALL.into_iter().filter(|kind| *kind != OperationKind::Unknown) {
        assert!(operations().iter().any(|operation| operation.kind() == kind), "{} is not tried", kind.as_str());
    }
    for operation in operations() {
        for (basis, expected) in
            [(Basis::Asked, request(operation.clone()).expected), (Basis::Promised, Expected::default())]
        {
            let request = Request { basis, expected, ..request(operation.clone()) };
            let datum = encode_request(&request);
            assert_eq!(decode_request(request_codec().schema(), &datum).expect("reads"), request);
        }
    }
}

#[test]
fn a_record_that_does_not_say_on_what_basis_is_of_something_promised() {
    let mut silent = record(&request(Operation::Book(claim())));
    silent.basis = BasisRecord::Unknown;
    let datum = request_codec().write(&silent);
    assert_eq!(decode_request(request_codec().schema(), &datum).expect("reads").basis, Basis::Promised);
}

#[test]
fn an_expectation_beyond_every_version_stays_beyond() {
    let expected = Expected { booking_version: Some(u64::MAX), resource_version: None };
    let datum = encode_request(&Request { expected, ..request(Operation::Book(claim())) });
    let read = decode_request(request_codec().schema(), &datum).expect("reads");
    assert_eq!(read.expected.booking_version, Some(i64::MAX.unsigned_abs()));
}

#[test]
fn what_a_producer_gets_wrong_is_named_with_the_way_out() {
    fn refused(operation: Operation, change: fn(&mut RequestRecord)) -> String {
        let mut record = record(&request(operation));
        change(&mut record);
        let datum = request_codec().write(&record);
        decode_request(request_codec().schema(), &datum).expect_err("refused").to_string()
    }
    fn rule(change: fn(&mut RulesRecord)) -> String {
        let mut wrong = RulesRecord::from(&rules());
        change(&mut wrong);
        wrong.read().expect_err("refused").to_string()
    }
    let hold = || Operation::Hold { claim: claim(), ttl: Duration::from_secs(60) };
    for ttl in [
        |record: &mut RequestRecord| record.hold_ttl_ms = Some(999),
        |record: &mut RequestRecord| record.hold_ttl_ms = Some(-1),
    ] {
        assert_eq!(refused(hold(), ttl), "field hold_ttl_ms: must be 1000 to 86400000");
    }
    assert_eq!(
        refused(hold(), |record| record.hold_ttl_ms = Some(86_400_001)),
        "field hold_ttl_ms: must be 1000 to 86400000"
    );
    assert_eq!(refused(hold(), |record| record.hold_ttl_ms = None), "field hold_ttl_ms: is required by this operation");
    assert_eq!(
        refused(hold(), |record| record.expected_version = Some(-1)),
        "field expected_version: must not be negative"
    );
    assert_eq!(
        refused(hold(), |record| record.source_booking_id = Some("a\0b".to_owned())),
        "field source_booking_id: must not contain U+0000"
    );
    assert!(refused(hold(), |record| record.tags = vec!["jane".to_owned()]).starts_with("field tags: "));
    assert!(refused(hold(), |record| record.mark = Some(String::new())).starts_with("field mark: "));
    assert_eq!(
        refused(Operation::Update { subject: subject(), content: content() }, |record| record.content = None),
        "field content: is required by this operation"
    );
    for capacity in [|rules: &mut RulesRecord| rules.capacity = 0, |rules: &mut RulesRecord| rules.capacity = 1_001] {
        assert_eq!(rule(capacity), "field rules.capacity: must be 1 to 1000");
    }
    for buffer in [
        |rules: &mut RulesRecord| rules.buffer_before_ms = -1,
        |rules: &mut RulesRecord| rules.buffer_before_ms = 86_400_001,
    ] {
        assert_eq!(rule(buffer), "field rules.buffer_before_ms: must be 0 to 86400000");
    }
    assert_eq!(rule(|rules| rules.buffer_after_ms = i64::MAX), "field rules.buffer_after_ms: must be 0 to 86400000");
    assert_eq!(rule(|rules| rules.notice_ms = i64::MAX), "field rules.notice_ms: must be 0 to 316224000000");
    assert_eq!(rule(|rules| rules.window_ms = Some(-1)), "field rules.window_ms: must be 0 to 316224000000");
    assert_eq!(
        rule(|rules| rules.hours = vec![rules.hours[0]; Rules::HOURS_MAX + 1]),
        "field rules.hours: must hold at most 336 stretches; join those that touch"
    );
    assert_eq!(
        rule(|rules| rules.hours[0].day = WeekdayRecord::Unknown),
        "field rules.hours.day: must be one of MONDAY to SUNDAY"
    );
    assert_eq!(rule(|rules| rules.hours[0].from_minute = 1_440), "field rules.hours.from_minute: must be 0 to 1439");
    for to in [
        |rules: &mut RulesRecord| rules.hours[0].to_minute = 0,
        |rules: &mut RulesRecord| rules.hours[0].to_minute = 1_441,
    ] {
        assert_eq!(rule(to), "field rules.hours.to_minute: must be above from_minute and at most 1440");
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
    let ours = apache_avro::to_value(record(&request)).expect("a value").resolve(writer.avro()).expect("fits");
    let datum = apache_avro::writer::datum::GenericDatumWriter::builder(writer.avro())
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
