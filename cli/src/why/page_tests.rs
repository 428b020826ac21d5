//! What a support person reads, word for word.

use expect_test::expect;

use super::*;
use crate::sample::{self, at};

fn row(status: &str, version: i64) -> BookingRow {
    BookingRow {
        booking_id: sample::booking_id(),
        resource: "anna".to_owned(),
        status: status.to_owned(),
        start: Some(at("2026-03-04T10:00:00Z")),
        end: Some(at("2026-03-04T10:30:00Z")),
        awaiting_until: (status == "awaiting").then(|| at("2026-03-01T08:15:00Z")),
        version,
        source: "calendly".to_owned(),
        source_ids: vec!["inv-1".to_owned()],
        title: None,
        attendees: serde_json::json!([]),
        source_time_zone: None,
    }
}

fn target(name: &str, applied: i64, attempts: Vec<AttemptRow>) -> DeliveryRow {
    DeliveryRow {
        target: name.to_owned(),
        desired_version: 2,
        applied_version: applied,
        applied_at: (applied > 0).then(|| at("2026-03-01T08:00:01.900Z")),
        shown: applied > 0,
        external_id: None,
        attempt: i32::try_from(attempts.len()).expect("few"),
        next_at: at("2026-03-01T08:01:00Z"),
        parked_reason: None,
        attempts,
    }
}

fn call(version: i64, attempt: i32, result: &str, http_status: Option<i32>) -> AttemptRow {
    AttemptRow {
        version,
        attempt,
        at: at("2026-03-01T08:00:01.500Z"),
        result: result.to_owned(),
        http_status,
        duration_ms: 120,
    }
}

fn facts(logged: Vec<LoggedDecision>, bookings: Vec<Known>) -> Facts {
    let sightings = logged.into_iter().map(|logged| Sighting { logged, committed_at: at("2026-03-01T08:00:01.236Z") });
    Facts { zone: Some(Tz::Europe__Berlin), bookings, sightings: sightings.collect() }
}

#[test]
fn the_page_of_a_booking_tells_its_story_and_what_is_open() {
    let parked = DeliveryRow {
        parked_reason: Some("refused".to_owned()),
        ..target("partner", 1, vec![call(1, 1, "applied", Some(204)), call(2, 1, "refused", Some(422))])
    };
    let deliveries = vec![
        target("calendar", 2, vec![call(1, 1, "applied", Some(201)), call(2, 1, "applied", Some(204))]),
        target("crm", 0, vec![call(2, 1, "server_error", Some(503)), call(2, 2, "no_answer", None)]),
        parked,
        target("skipped", 2, vec![]),
    ];
    let booking = Known { booking: row("confirmed", 2), deliveries };
    let page =
        super::booking(&facts(vec![sample::confirmed(1), sample::duplicate(2), sample::moved(3)], vec![booking]));
    expect![[r#"
        Booking 00000000-0000-0000-0000-00000000b00c
          confirmed (version 2): Wed 4 Mar 2026 11:00 to 11:30 Europe/Berlin (10:00 to 10:30 UTC)
          of anna, known from calendly

        What happened, in order
          1. 2026-03-01 08:00:00 UTC  calendly asked to book
              GRANTED: Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
              received +1.2 s after its source's clock, decided +30 ms, written down +6 ms
              shown at calendar +390 ms
              not shown at crm yet
              shown at partner +670 ms
              never shown at skipped: version 2 came before it was
              request 00000000-0000-0000-0000-000000000001, decision 3/1
          2. 2026-03-01 08:00:00 UTC  calendly asked to book
              NOTHING TO DO: this already holds
              received +1.2 s after its source's clock, decided +30 ms, written down +6 ms
              request 00000000-0000-0000-0000-000000000002, decision 3/2
          3. 2026-03-01 08:00:00 UTC  calendly asked to move the booking
              GRANTED: moved to Wed 4 Mar 2026 11:00 to 11:30 Europe/Berlin (10:00 to 10:30 UTC)
              received +1.2 s after its source's clock, decided +30 ms, written down +6 ms
              shown at calendar +670 ms
              not shown at crm yet
              not shown at partner yet
              shown at skipped +670 ms
              request 00000000-0000-0000-0000-000000000003, decision 3/3

        By which rule
          the same content again, also under another delivery, changes nothing

        Still open
          crm shows nothing and should show version 2
            last attempt 2 at 2026-03-01 08:00:01.500 UTC: no_answer, took 120 ms
            next try 2026-03-01 08:01:00 UTC
          partner shows version 1 and should show version 2
            last attempt 1 at 2026-03-01 08:00:01.500 UTC: refused, HTTP 422, took 120 ms
            given up: refused; once the cause is mended, replay its dead letter:
            daybook dlq list --queue propagator
    "#]]
    .assert_eq(&page);
}

#[test]
fn the_page_of_a_slot_names_who_has_it_and_who_was_refused() {
    let winner = BookingRow {
        start: Some(at("2026-03-04T09:00:00Z")),
        end: Some(at("2026-03-04T09:30:00Z")),
        ..row("confirmed", 1)
    };
    let facts =
        facts(vec![sample::confirmed(1), sample::refused(2)], vec![Known { booking: winner, deliveries: Vec::new() }]);
    let resource = "anna".parse().expect("a name");
    expect![[r#"
        anna at Wed 4 Mar 2026 10:15 Europe/Berlin (09:15 UTC)

        Who has this time
          booking 00000000-0000-0000-0000-00000000b00c of calendly
            confirmed (version 1): Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)

        What was asked for it, in order
          1. 2026-03-01 08:00:00 UTC  calendly asked to book
              GRANTED: Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
              received +1.2 s after its source's clock, decided +30 ms, written down +6 ms
              request 00000000-0000-0000-0000-000000000001, decision 3/1
          2. 2026-03-01 08:00:00 UTC  generic asked to book
              REFUSED: booking 00000000-0000-0000-0000-00000000b00c has Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
              received +1.2 s after its source's clock, decided +30 ms, written down +6 ms
              request 00000000-0000-0000-0000-000000000002, decision 3/2

        By which rule
          the first request to be decided has the time; requests are decided in the order Kafka kept them

        Still open
          generic was refused (request 00000000-0000-0000-0000-000000000002)
            if it has told its customer otherwise, that must be put right there
    "#]].assert_eq(&slot(&facts, &resource, at("2026-03-04T09:15:00Z")));
}

#[test]
fn a_free_slot_is_said_to_be_free() {
    let resource = "anna".parse().expect("a name");
    let facts = facts(Vec::new(), Vec::new());
    expect![[r#"
        anna at Wed 4 Mar 2026 10:15 Europe/Berlin (09:15 UTC)

        Who has this time
          nobody: it is free as far as Daybook knows
          nothing was ever decided about it; an event that could not be read would be in
          the dead letters: daybook dlq list
    "#]]
    .assert_eq(&slot(&facts, &resource, at("2026-03-04T09:15:00Z")));
}

#[test]
fn a_booking_that_waits_says_until_when() {
    let page = super::booking(&facts(Vec::new(), vec![Known { booking: row("awaiting", 2), deliveries: Vec::new() }]));
    expect![[r#"
        Booking 00000000-0000-0000-0000-00000000b00c
          cancelled, replacement announced (version 2): keeps Wed 4 Mar 2026 11:00 to 11:30 Europe/Berlin (10:00 to 10:30 UTC) until 2026-03-01 08:15:00 UTC
          of anna, known from calendly

        What happened, in order
          the decisions are no longer kept

        Still open
          booking 00000000-0000-0000-0000-00000000b00c waits for its replacement until 2026-03-01 08:15:00 UTC
            its time is free after that
    "#]].assert_eq(&page);
}
