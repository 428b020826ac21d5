//! The laws of rest about targets, with what keeps each and what breaks it.

use chrono::TimeZone as _;

use super::*;

fn row(status: &str, version: i64) -> BookingRow {
    let time = |hour| Utc.with_ymd_and_hms(2027, 3, 4, hour, 0, 0).single();
    BookingRow {
        booking_id: Uuid::from_u128(7),
        resource_id: "anna".to_owned(),
        kind: "booking".to_owned(),
        status: status.to_owned(),
        start_time: time(9),
        end_time: time(10),
        unit: 0,
        version,
        source_system: "generic".to_owned(),
        source_ids: vec!["b-1".to_owned()],
        title: Some("Surgery".to_owned()),
        attendee_details: serde_json::Value::Null,
        moved_from_booking: None,
        moved_to_booking: None,
        partition: 0,
        seq: 1,
    }
}

fn taken(version: i64) -> BookingRow {
    BookingRow { kind: "busy".to_owned(), ..row("confirmed", version) }
}

fn target(name: &str, fields: &[&str]) -> TargetRow {
    TargetRow {
        resource_id: "anna".to_owned(),
        target: name.to_owned(),
        address: String::new(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
    }
}

fn entry(version: u64, summary: &str) -> BTreeMap<String, Entry> {
    let uid = Uuid::from_u128(7).to_string();
    let entry = Entry {
        uid: uid.clone(),
        start: "2027-03-04T09:00:00Z".parse().expect("a time"),
        end: "2027-03-04T10:00:00Z".parse().expect("a time"),
        summary: summary.to_owned(),
        description: None,
        version: Some(version),
    };
    [(uid, entry)].into()
}

#[test]
fn a_calendar_shows_confirmed_bookings_in_their_newest_version_and_nothing_else() {
    let (open, busy) = (target("calendar", &["title"]), target("calendar", &[]));
    assert_eq!(the_calendar_shows(&open, &[row("confirmed", 2)], &entry(2, "Surgery")), Vec::<String>::new());
    assert_eq!(the_calendar_shows(&busy, &[row("awaiting", 2)], &entry(2, "Busy")), Vec::<String>::new());
    for (target, row, held) in [
        (&open, row("confirmed", 3), entry(2, "Surgery")),
        (&busy, row("confirmed", 2), entry(2, "Surgery")),
        (&open, row("cancelled", 2), entry(2, "Surgery")),
        (&open, row("confirmed", 2), BTreeMap::new()),
        (&open, row("held", 2), entry(2, "Surgery")),
        (&open, taken(2), entry(2, "Surgery")),
    ] {
        assert_eq!(the_calendar_shows(target, &[row], &held).len(), 1);
    }
}

#[test]
fn the_receiver_knows_what_it_hears_of_and_no_more() {
    let knows = |version: u64, status: &str| Shown {
        bookings: [(Uuid::from_u128(7).to_string(), (version, status.to_owned()))].into(),
        faults: Vec::new(),
    };
    let nothing = Shown { bookings: BTreeMap::new(), faults: Vec::new() };
    let partner = [target("partner", &[])];
    let sound = Vec::<String>::new();
    assert_eq!(the_receiver_believes(&partner, &[row("confirmed", 2)], &knows(2, "confirmed")), sound);
    assert_eq!(the_receiver_believes(&partner, &[row("cancelled", 2)], &nothing), sound);
    assert_eq!(the_receiver_believes(&[], &[row("confirmed", 2)], &nothing), sound);
    for not_shown in [row("held", 2), taken(2)] {
        assert_eq!(the_receiver_believes(&partner, std::slice::from_ref(&not_shown), &nothing), sound);
        assert_eq!(the_receiver_believes(&partner, &[not_shown], &knows(2, "confirmed")).len(), 1);
    }
    // What became of it after it was over is nobody's to know.
    assert_eq!(the_receiver_believes(&partner, &[row("cancelled", 3)], &knows(2, "cancelled")), sound);
    for (targets, row, shown) in [
        (&partner[..], row("confirmed", 2), nothing),
        (&partner[..], row("confirmed", 2), knows(1, "confirmed")),
        (&partner[..], row("cancelled", 2), knows(2, "confirmed")),
        (&[], row("confirmed", 2), knows(2, "confirmed")),
    ] {
        assert_eq!(the_receiver_believes(targets, &[row], &shown).len(), 1);
    }
}

#[test]
fn what_is_late_or_parked_is_not_settled() {
    let row = |applied_version, parked: Option<&str>| DeliveryRow {
        booking_id: Uuid::from_u128(7),
        target: "calendar".to_owned(),
        resource_id: "anna".to_owned(),
        desired_version: 2,
        applied_version,
        published_version: 0,
        attempt: 1,
        parked_reason: parked.map(str::to_owned),
    };
    assert_eq!(is_settled(&row(2, None)), None);
    assert!(is_settled(&row(1, None)).is_some());
    assert!(is_settled(&row(1, Some("exhausted"))).is_some());
}
