//! Trials of some payloads, and the pages that they come to.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::whatif::page::page;

const RESOURCES: &str = "
resources:
  - id: anna
    time_zone: Europe/Berlin
    aliases:
      calendly: ['https://api.calendly.com/users/ANNA', anna@clinic.example]
      generic: [Anna]
      google: [anna@clinic.example]
  - id: bert
    time_zone: UTC
    aliases: {generic: [Bert]}
";

fn export(source: &str, kind: &str, told: &'static str, at: &str, body: &Value) -> Export {
    Export {
        source: source.parse().expect("a name"),
        format: Format::new(kind, None).expect("a format"),
        told,
        subject: (kind == "google-calendar").then(|| "anna@clinic.example".to_owned()),
        at: at.to_owned(),
        body: body.to_string().into_bytes(),
    }
}

fn generic(at: &str, event: &Value) -> Export {
    export("generic", "generic", "", at, &json!({ "events": [event] }))
}

fn calendly(host: &str, uri: &str, start: &str, end: &str) -> Export {
    let body = json!({"event": "invitee.created", "created_at": "2026-03-01T08:00:00Z", "payload": {
        "uri": uri, "email": "jane@example.com", "updated_at": "2026-03-01T08:00:00Z", "status": "active",
        "scheduled_event": {"start_time": start, "end_time": end, "name": "Visit",
            "event_memberships": [{"user": host, "user_email": "x@clinic.example"}]}}});
    export("calendly", "calendly", "", "calendly/1.json", &body)
}

fn check(exports: &[Export], expected: &Expect) {
    let definitions = daybook_resources::read(RESOURCES).expect("sound");
    let key = ContactKey::new(&[7; 32]).expect("32 bytes");
    let now = "2026-03-02T00:00:00Z".parse().expect("a time");
    expected.assert_eq(&page(&Trial::run(&definitions, exports, &key, now)));
}

fn created(id: &str, resource: &str, start: &str, end: &str, at: &str) -> Value {
    json!({"type": "booking.created", "id": id, "updated_at": at, "resource": resource, "start": start, "end": end, "title": "Visit"})
}

#[test]
fn what_two_have_promised_what_a_calendar_shows_beside_it_and_what_is_nobodys_is_told() {
    let page_of = json!({"timeZone": "Europe/Berlin", "items": [{
        "id": "lunch", "status": "confirmed", "start": {"dateTime": "2026-03-04T09:10:00Z"}, "end": {"dateTime": "2026-03-04T09:20:00Z"}}]});
    let exports = [
        generic(
            "generic/2.json",
            &created("4712", "Anna", "2026-03-04T09:15:00Z", "2026-03-04T09:45:00Z", "2026-03-01T09:00:00Z"),
        ),
        calendly("https://api.calendly.com/users/ANNA", "inv-1", "2026-03-04T09:00:00Z", "2026-03-04T09:30:00Z"),
        calendly("https://api.calendly.com/users/CARL", "inv-2", "2026-03-04T09:00:00Z", "2026-03-04T09:30:00Z"),
        export("google", "google-calendar", daybook_format::POLLED, "google/anna@clinic.example.json", &page_of),
        generic("generic/3.json", &json!({"type": "booking.created", "id": "x", "version": 1, "resource": "Anna"})),
    ];
    check(
        &exports,
        &expect![[r#"
            5 payloads (calendly 2, generic 2, google 1)
            3 decisions, 0 passed over, 2 dead letters
                   1  confirmed
                   1  flagged(external_conflict)
                   1  rejected(conflict)

            DOUBLE BOOKINGS: two have promised one time (1)
              anna  Wed 4 Mar 2026 10:15 to 10:45 Europe/Berlin (09:15 to 09:45 UTC)
                generic wants it; calendly has Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)
                free instead: Wed 4 Mar 2026 10:30 to 11:00 Europe/Berlin (09:30 to 10:00 UTC)

            TAKEN TWICE: a calendar shows time as taken that is booked (1)
              anna  Wed 4 Mar 2026 10:10 to 10:20 Europe/Berlin (09:10 to 09:20 UTC)
                google shows it as taken; calendly has Wed 4 Mar 2026 10:00 to 10:30 Europe/Berlin (09:00 to 09:30 UTC)

            NOT READ (1)
              generic  1 time, first in generic/3.json
                missing_field: events[0].start: is missing and is required here

            NOBODY'S: names that no resource has (1); enter each with whoever it means
                calendly: ["https://api.calendly.com/users/CARL"]   # 1 payload
        "#]],
    );
}

#[test]
fn what_names_a_booking_that_comes_later_waits_for_it_and_a_clean_trial_says_so() {
    let exports = [
        generic(
            "generic/1.json",
            &json!({"type": "booking.cancelled", "id": "4711", "updated_at": "2026-03-01T07:00:00Z"}),
        ),
        generic(
            "generic/2.json",
            &created("4711", "Bert", "2026-03-04T09:00:00Z", "2026-03-04T09:30:00Z", "2026-03-01T06:00:00Z"),
        ),
        // Moves to another resource, and back to back with nobody.
        generic(
            "generic/3.json",
            &created("1", "Anna", "2026-03-04T09:00:00Z", "2026-03-04T09:30:00Z", "2026-03-01T06:00:00Z"),
        ),
        generic(
            "generic/4.json",
            &json!({"type": "booking.rescheduled", "id": "1", "updated_at": "2026-03-01T08:00:00Z",
            "resource": "Bert", "start": "2026-03-04T09:00:00Z", "end": "2026-03-04T09:30:00Z"}),
        ),
    ];
    check(
        &exports,
        &expect![[r#"
        4 payloads (generic 4)
        5 decisions, 0 passed over, 0 dead letters
               1  cancelled
               3  confirmed
               1  moved

        nothing is booked twice, refused, or left over
    "#]],
    );
}

#[test]
fn one_number_with_and_without_its_country_is_one_person_where_the_region_says_so() {
    let of = |phone: &str, source: &str| {
        let mut event = created("1", "Dora", "2026-03-04T09:00:00Z", "2026-03-04T09:30:00Z", "2026-03-01T06:00:00Z");
        event["attendees"] = json!([{ "phone": phone }]);
        export(source, "generic", "", source, &json!({ "events": [event] }))
    };
    let exports = [of("030 5550100", "shop"), of("+49 30 5550100", "clinic")];
    let doubled = |region: &str| {
        let file =
            format!("resources: [{{id: dora, time_zone: UTC, {region} aliases: {{shop: [Dora], clinic: [Dora]}}}}]");
        let definitions = daybook_resources::read(&file).expect("sound");
        let key = ContactKey::new(&[7; 32]).expect("32 bytes");
        page(&Trial::run(&definitions, &exports, &key, Timestamp::EPOCH)).contains("DOUBLE BOOKINGS")
    };
    assert!(!doubled("region: DE,"), "one person's appointment is two");
    assert!(doubled("") && doubled("region: US,"), "two people's appointments are one");
}
