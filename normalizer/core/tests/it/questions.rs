//! What is asked between the two steps.

use crate::world::{Kind, parse};

fn questions(kind: Kind, body: &str) -> (Vec<String>, Vec<String>) {
    let questions = parse(kind, body.as_bytes()).questions();
    (questions.aliases.into_iter().collect(), questions.bookings.into_iter().collect())
}

#[test]
fn a_calendly_host_is_asked_for_by_uri_and_by_lower_cased_address_and_the_booking_by_both_names() {
    let body = include_str!("../fixtures/calendly/reschedule_new_half_to_another_host.json");
    let (aliases, bookings) = questions(Kind::Calendly, body);
    assert_eq!(aliases, ["bert@clinic.example", "https://api.calendly.com/users/BERT000000000002"]);
    assert_eq!(
        bookings,
        [
            "https://api.calendly.com/scheduled_events/EVT0/invitees/OLD",
            "https://api.calendly.com/scheduled_events/EVT1/invitees/NEW"
        ]
    );
}

#[test]
fn a_generic_event_asks_for_its_alias_as_written() {
    let body = r#"{"events":[
        {"type":"booking.cancelled","id":"1","version":1,"resource":"Room 7"},
        {"type":"booking.cancelled","id":"2","version":1},
        {"type":"booking.cancelled","id":3,"version":1,"resource":"Room 8"}]}"#;
    let (aliases, bookings) = questions(Kind::Generic, body);
    assert_eq!(aliases, ["Room 7"]);
    assert_eq!(bookings, ["1", "2"]);
}

#[test]
fn the_previous_name_is_asked_for_also_where_a_resource_is_named() {
    let body = r#"{"events":[{"type":"booking.rescheduled","id":"new","previous_id":"old","version":2,
        "resource":"Room 7","start":"2026-03-04T09:00:00Z","end":"2026-03-04T09:30:00Z"}]}"#;
    let (aliases, bookings) = questions(Kind::Generic, body);
    assert_eq!(aliases, ["Room 7"]);
    assert_eq!(bookings, ["new", "old"]);
}

#[test]
fn everybody_who_may_be_the_resource_itself_is_asked_for_apart_from_the_aliases() {
    let attendees = r#"[{"email":"Mara.Quinn@example.org"},{"email":"Room7@clinic.example"},{"phone":"15550100199"}]"#;
    for kind in ["booking.created", "booking.rescheduled", "booking.updated", "busy.observed"] {
        let body = format!(
            r#"{{"events":[{{"type":"{kind}","id":"1","version":1,"resource":"Room 7","attendees":{attendees},
                "start":"2026-03-04T09:00:00Z","end":"2026-03-04T09:30:00Z"}}]}}"#
        );
        let questions = parse(Kind::Generic, body.as_bytes()).questions();
        assert_eq!(questions.aliases.into_iter().collect::<Vec<_>>(), ["Room 7"], "{kind}");
        let attendees: Vec<_> = questions.attendees.into_iter().collect();
        assert_eq!(attendees, ["mara.quinn@example.org", "room7@clinic.example"], "{kind}");
    }
}

#[test]
fn a_phone_number_asks_for_the_resources_region_only_if_it_does_not_say_its_country() {
    let asks = |kind: Kind, body: &str| {
        let questions = parse(kind, body.as_bytes()).questions();
        let resources: Vec<String> = questions.resources.iter().map(ToString::to_string).collect();
        (questions.regions, resources)
    };
    for (phone, wanted) in [("030 5550100", true), ("0049 30 5550100", true), ("+49 30 5550100", false)] {
        let attendees = format!(r#"[{{"email":"mara.quinn@example.org","phone":"{phone}"}}]"#);
        let times = r#""start":"2026-03-04T09:00:00Z","end":"2026-03-04T09:30:00Z""#;
        let body = format!(
            r#"{{"events":[{{"type":"booking.created","id":"1","version":1,"resource":"Room 7",{times},"attendees":{attendees}}}]}}"#
        );
        assert_eq!(asks(Kind::Generic, &body), (wanted, vec![]), "{phone}");
        // By its own id, it is all that is asked for.
        let body =
            format!(r#"{{"operation":"book","resource":"room-7",{times},"title":null,"attendees":{attendees}}}"#);
        let named = if wanted { vec!["room-7".to_owned()] } else { vec![] };
        assert_eq!(asks(Kind::Api, &body), (wanted, named), "{phone}");
        let questions = parse(Kind::Api, body.as_bytes()).questions();
        assert!(questions.aliases.is_empty() && questions.attendees.is_empty() && questions.bookings.is_empty());
    }
}

#[test]
fn nothing_that_waits_shows_personal_data_in_its_debug_text() {
    let body = include_bytes!("../fixtures/calendly/created.json");
    let parsed = parse(Kind::Calendly, body);
    assert_eq!(format!("{parsed:?}"), "Parsed(calendly, 1 entries)");
    assert_eq!(format!("{:?}", parsed.questions()), "Questions(2 aliases, 1 attendees, 1 bookings, 0 resources)");
}
