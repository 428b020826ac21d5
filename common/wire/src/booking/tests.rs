//! Round trips of every kind and standing.

use daybook_domain::{ContactId, Interval};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn booking(kind: BookingKind, standing: Standing) -> CanonicalBooking {
    let resource: ResourceId = "anna".parse().expect("a name");
    let source: SourceName = "calendly".parse().expect("a name");
    CanonicalBooking {
        booking_id: BookingId::derive(&source, "inv-1", &resource),
        resource,
        kind,
        standing,
        unit: 2,
        version: 3,
        seq: 17,
        resource_time_zone: Some("Europe/Berlin".to_owned()),
        source_time_zone: None,
        title: Some("Intro".to_owned()),
        attendees: vec![Attendee {
            contact_id: ContactId::from_bytes([7; 16]),
            name: Some("Jane".to_owned()),
            email: Some("jane@example.com".to_owned()),
            phone: None,
        }],
        source: source.clone(),
        source_ids: vec!["inv-0".to_owned(), "inv-1".to_owned()],
        shadows: vec![ShadowName { source: "caldav".parse().expect("a name"), id: "uid-1@example.com".to_owned() }],
        moved_from: Some(elsewhere("ben")),
        moved_to: Some(elsewhere("cleo")),
        sourced_at: None,
        received_at: at("2026-03-01T00:00:01Z"),
        decided_at: at("2026-03-01T00:00:02Z"),
    }
}

fn elsewhere(resource: &str) -> Elsewhere {
    let resource: ResourceId = resource.parse().expect("a name");
    let source: SourceName = "calendly".parse().expect("a name");
    Elsewhere { booking_id: BookingId::derive(&source, "inv-1", &resource), resource }
}

fn read(record: &BookingRecord) -> Result<CanonicalBooking, WireError> {
    decode_booking(booking_codec().schema(), &booking_codec().write(record))
}

fn record(booking: &CanonicalBooking) -> BookingRecord {
    booking_codec().read(booking_codec().schema(), &encode_booking(booking)).expect("reads")
}

#[test]
fn a_booking_survives_the_wire() {
    let interval = Interval::new(at("2026-03-04T09:00:00Z"), at("2026-03-04T09:30:00Z")).expect("an interval");
    for kind in [BookingKind::Booking, BookingKind::Busy] {
        for standing in [
            Standing::Held { interval, until: at("2026-03-01T00:10:00Z") },
            Standing::Confirmed(interval),
            Standing::Awaiting { interval, until: at("2026-03-01T00:00:00Z") },
            Standing::Cancelled { last: Some(interval) },
            Standing::Cancelled { last: None },
        ] {
            let full = booking(kind, standing);
            let bare = CanonicalBooking {
                unit: 0,
                source_ids: Vec::new(),
                shadows: Vec::new(),
                moved_from: None,
                moved_to: None,
                ..full.clone()
            };
            for booking in [full, bare] {
                let datum = encode_booking(&booking);
                assert_eq!(decode_booking(booking_codec().schema(), &datum).expect("reads"), booking);
            }
        }
    }
}

#[test]
fn what_a_booking_cannot_be_is_refused_by_name() {
    let good = booking(BookingKind::Booking, Standing::Cancelled { last: None });
    let refused = |change: fn(&mut BookingRecord)| {
        let mut record = record(&good);
        change(&mut record);
        read(&record).expect_err("refused").to_string()
    };
    assert_eq!(refused(|record| record.unit = 1_000), "field unit: must be 0 to 999");
    assert_eq!(refused(|record| record.kind = KindRecord::Unknown), "field kind: is UNKNOWN to this version");
    assert_eq!(refused(|record| record.status = StatusRecord::Unknown), "field status: is UNKNOWN to this version");
    assert_eq!(refused(|record| record.status = StatusRecord::Held), "field start_time: is required by this operation");
}

#[test]
fn the_debug_text_of_a_shadows_name_hides_it() {
    let booking = booking(BookingKind::Booking, Standing::Cancelled { last: None });
    assert!(!format!("{:?}", booking.shadows).contains("example.com"));
}
