//! What an appointment is called across systems: by pseudonym, from every place in a payload that tells.

use daybook_domain::Tag;
use daybook_normalizer_core::Item;

use crate::world::{Kind, normalize};

fn tags(kind: Kind, body: &[u8], item: usize) -> Vec<Tag> {
    let normalized = normalize(kind, body);
    let Some(Item::Request(request)) = normalized.items.get(item) else { panic!("a request: {normalized:?}") };
    request.operation.claim().expect("a claim").tags.clone()
}

fn sorted<const N: usize>(tags: [Tag; N]) -> Vec<Tag> {
    let mut tags = Vec::from(tags);
    tags.sort();
    tags
}

#[test]
fn the_ical_uid_and_each_external_id_make_a_tag_and_the_same_one_twice_makes_one() {
    let body = include_bytes!("../fixtures/generic/names_across_systems.json");
    let expected = sorted([
        Tag::derive("ical", "mara.quinn@example.org/consultation"),
        Tag::derive("google", "evt-of-mara"),
        Tag::derive("crm", "0001"),
    ]);
    assert_eq!(tags(Kind::Generic, body, 0), expected);
    assert_eq!(tags(Kind::Generic, body, 1), [Tag::derive("ical", "uid-1")]);
    assert_eq!(tags(Kind::Generic, body, 2), []);
}

#[test]
fn busy_time_in_a_known_system_is_tagged_by_its_own_id() {
    let body = include_bytes!("../fixtures/generic/busy_observed.json");
    assert_eq!(tags(Kind::Generic, body, 0), []);
    let expected = sorted([
        Tag::derive("google", "busy-1"),
        Tag::derive("ical", "busy-1@google.com"),
        Tag::derive("calendly", "INV1"),
    ]);
    assert_eq!(tags(Kind::Generic, body, 1), expected);
}

#[test]
fn the_entry_that_calendly_wrote_and_the_one_that_a_calendar_shows_are_one_appointment() {
    let entry = "mara_quinn_at_example.org_8suu9k3hj00mni03ss12ba0ce0";
    let written = tags(Kind::Calendly, include_bytes!("../fixtures/calendly/created_with_calendar_event.json"), 0);
    let shown = format!(
        r#"{{"events":[{{"type":"busy.observed","id":"{entry}","system":"google","version":1,"resource":"Room 7",
            "start":"2026-03-04T09:00:00Z","end":"2026-03-04T09:30:00Z"}}]}}"#
    );
    assert_eq!(written, [Tag::derive("google", entry)]);
    assert_eq!(tags(Kind::Generic, shown.as_bytes(), 0), written);
}
