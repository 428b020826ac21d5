//! What a support person reads, word for word.

use daybook_domain::{Basis, BookingState, OperationKind, Rejection, Rule, SourceName, Winner};
use expect_test::expect;
use uuid::Uuid;

use super::*;
use crate::compensations;
use crate::sample::{self, at};

fn ten() -> Interval {
    sample::interval("2026-03-04T10:00:00Z", "2026-03-04T10:30:00Z")
}

fn row(standing: Standing, version: u64) -> BookingRow {
    sample::row(sample::booking(standing, version))
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
    Facts { zone: Some(Tz::Europe__Berlin), bookings, sightings: sightings.collect(), compensations: Vec::new() }
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
    let booking = Known { booking: row(Standing::Confirmed(ten()), 2), deliveries };
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
    let winner = row(Standing::Confirmed(sample::nine()), 1);
    let facts =
        facts(vec![sample::confirmed(1), sample::refused(2)], vec![Known { booking: winner, deliveries: Vec::new() }]);
    let facts = Facts { compensations: vec![compensations::samples::open()], ..facts };
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
              REFUSED: booking 00000000-0000-0000-0000-00000000b00c of calendly has Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
              wanted: Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
              free instead: Wed 4 Mar 2026 10:30 to 11:00 Europe/Berlin (09:30 to 10:00 UTC)
                       or: Wed 4 Mar 2026 11:30 to 12:00 Europe/Berlin (10:30 to 11:00 UTC)
              received +1.2 s after its source's clock, decided +30 ms, written down +6 ms
              request 00000000-0000-0000-0000-000000000002, decision 3/2

        By which rule
          the first request to be decided has the time; requests are decided in the order Kafka kept them

        Still open
          generic has promised its customer Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC) (booking 00000000-0000-0000-0000-0000000105e7)
            and was refused: the time is taken (conflict); open since 2026-03-01 08:00:01.230 UTC
            put it right at generic: daybook compensations --resource anna
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
    let awaiting = Standing::Awaiting { interval: ten(), until: at("2026-03-01T08:15:00Z") };
    let page = super::booking(&facts(Vec::new(), vec![Known { booking: row(awaiting, 2), deliveries: Vec::new() }]));
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

#[test]
fn a_hold_says_until_when_and_busy_time_whose_it_is() {
    let held = Standing::Held { interval: ten(), until: at("2026-03-01T08:10:00Z") };
    let held = Known { booking: row(held, 1), deliveries: Vec::new() };
    let busy = BookingState { kind: BookingKind::Busy, ..sample::booking(Standing::Confirmed(ten()), 1) };
    let busy = Known { booking: sample::row(busy), deliveries: Vec::new() };
    let page = super::booking(&facts(Vec::new(), vec![held, busy]));
    expect![[r#"
        Booking 00000000-0000-0000-0000-00000000b00c
          held (version 1): keeps Wed 4 Mar 2026 11:00 to 11:30 Europe/Berlin (10:00 to 10:30 UTC) until 2026-03-01 08:10:00 UTC, unless it is confirmed
          of anna, known from calendly
        Booking 00000000-0000-0000-0000-00000000b00c
          taken elsewhere (version 1): Wed 4 Mar 2026 11:00 to 11:30 Europe/Berlin (10:00 to 10:30 UTC)
          of anna, known from calendly

        What happened, in order
          the decisions are no longer kept

        Still open
          booking 00000000-0000-0000-0000-00000000b00c waits to be confirmed until 2026-03-01 08:10:00 UTC
            its time is free after that
    "#]].assert_eq(&page);
}

#[test]
fn the_page_of_a_slot_tells_what_lies_over_a_booking_what_was_refused_by_a_rule_and_what_is_shown_there() {
    let winner = Winner { booking_id: sample::booking_id(), interval: sample::nine(), source: source("calendly") };
    let busy = BookingState {
        booking_id: BookingId::from_uuid(Uuid::from_u128(0xb057)),
        kind: BookingKind::Busy,
        source: source("caldav"),
        ..sample::booking(Standing::Confirmed(sample::nine()), 1)
    };
    let mut flagged = sample::decision(2, OperationKind::Observe, Outcome::Flagged(winner), Some(busy));
    flagged.decision.source = source("caldav");
    let mut late = sample::refused(3);
    late.decision.basis = Basis::Asked;
    late.decision.outcome = Outcome::Rejected(Rejection::Policy(Rule::Notice));
    let stray = BookingState {
        shadows: vec![
            sample::shadow("outlook", Sight::Away(sample::nine())),
            sample::shadow("outlook", Sight::Along),
            sample::shadow("outlook", Sight::Gone),
        ],
        moved_from: Some(sample::elsewhere()),
        ..sample::booking(Standing::Confirmed(ten()), 2)
    };
    let moved = Standing::Cancelled { last: Some(ten()) };
    let moved = BookingState { moved_to: Some(sample::elsewhere()), ..sample::booking(moved, 3) };
    let (stray, moved) = (sample::row(stray), sample::row(moved));
    let known = |booking| Known { booking, deliveries: Vec::new() };
    let facts = facts(vec![sample::confirmed(1), flagged, late], vec![known(stray), known(moved)]);
    let resource = "anna".parse().expect("a name");
    expect![[r#"
        anna at Wed 4 Mar 2026 10:15 Europe/Berlin (09:15 UTC)

        Who has this time
          booking 00000000-0000-0000-0000-00000000b00c of calendly is shown here by outlook
            it stands elsewhere: confirmed (version 2): Wed 4 Mar 2026 11:00 to 11:30 Europe/Berlin (10:00 to 10:30 UTC)

        What was asked for it, in order
          1. 2026-03-01 08:00:00 UTC  calendly asked to book
              GRANTED: Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
              booking 00000000-0000-0000-0000-00000000b00c
              received +1.2 s after its source's clock, decided +30 ms, written down +6 ms
              request 00000000-0000-0000-0000-000000000001, decision 3/1
          2. 2026-03-01 08:00:00 UTC  caldav showed that the time is taken
              TO BE SETTLED: taken elsewhere: Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC); booking 00000000-0000-0000-0000-00000000b00c of calendly has Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
              booking 00000000-0000-0000-0000-00000000b057
              received +1.2 s after its source's clock, decided +30 ms, written down +6 ms
              request 00000000-0000-0000-0000-000000000002, decision 3/2
          3. 2026-03-01 08:00:00 UTC  generic asked to book
              REFUSED: the resource must be asked for longer before the start
              wanted: Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
              free instead: Wed 4 Mar 2026 10:30 to 11:00 Europe/Berlin (09:30 to 10:00 UTC)
                       or: Wed 4 Mar 2026 11:30 to 12:00 Europe/Berlin (10:30 to 11:00 UTC)
              received +1.2 s after its source's clock, decided +30 ms, written down +6 ms
              request 00000000-0000-0000-0000-000000000003, decision 3/3

        By which rule
          a resource's rules are those of the moment of the request; what is booked already stands
          what is taken elsewhere cannot be refused: it blocks its time, and what is booked already stands

        Still open
          caldav has something else at the time of booking 00000000-0000-0000-0000-00000000b00c (request 00000000-0000-0000-0000-000000000002)
            both stand: somebody has to say which of them goes
    "#]].assert_eq(&slot(&facts, &resource, at("2026-03-04T09:15:00Z")));
    expect![[r#"
        Booking 00000000-0000-0000-0000-00000000b00c
          confirmed (version 2): Wed 4 Mar 2026 11:00 to 11:30 Europe/Berlin (10:00 to 10:30 UTC)
          of anna, known from calendly
          replaced booking 00000000-0000-0000-0000-000000000bea of bea
          outlook shows it elsewhere, and blocks that time: Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
          outlook shows it too
          outlook showed it and shows it no more
        Booking 00000000-0000-0000-0000-00000000b00c
          moved to another resource (version 3): had Wed 4 Mar 2026 11:00 to 11:30 Europe/Berlin (10:00 to 10:30 UTC)
          of anna, known from calendly
          replaced by booking 00000000-0000-0000-0000-000000000bea of bea
    "#]].assert_eq(&super::booking(&facts).lines().take(12).collect::<Vec<_>>().join("\n"));
}

fn source(name: &str) -> SourceName {
    name.parse().expect("a name")
}

#[test]
fn the_page_of_a_booking_that_was_refused_says_what_was_promised_until_it_is_settled() {
    let of = |compensation| Facts { compensations: vec![compensation], ..facts(vec![sample::refused(2)], Vec::new()) };
    expect![[r#"
        Booking 00000000-0000-0000-0000-0000000105e7
          of anna, known from generic: refused, and never made

        What happened, in order
          1. 2026-03-01 08:00:00 UTC  generic asked to book
              REFUSED: booking 00000000-0000-0000-0000-00000000b00c of calendly has Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
              wanted: Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
              free instead: Wed 4 Mar 2026 10:30 to 11:00 Europe/Berlin (09:30 to 10:00 UTC)
                       or: Wed 4 Mar 2026 11:30 to 12:00 Europe/Berlin (10:30 to 11:00 UTC)
              received +1.2 s after its source's clock, decided +30 ms, written down +6 ms
              request 00000000-0000-0000-0000-000000000002, decision 3/2

        By which rule
          the first request to be decided has the time; requests are decided in the order Kafka kept them

        Still open
          generic has promised its customer Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC) (booking 00000000-0000-0000-0000-0000000105e7)
            and was refused: the time is taken (conflict); open since 2026-03-01 08:00:01.230 UTC
            put it right at generic: daybook compensations --resource anna
    "#]].assert_eq(&booking(&of(compensations::samples::open())));
    let settled = booking(&of(compensations::samples::closed()));
    assert!(settled.ends_with("Still open\n  nothing\n"), "{settled}");
}
