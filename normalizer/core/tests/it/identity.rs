//! The same event makes the same requests, whatever becomes known between two readings of it.

use std::collections::BTreeMap;

use daybook_domain::{Request, RequestId};
use daybook_normalizer_core::{Fate, Item, Known, KnownBooking, RejectReason, normalize};

use crate::world::{Kind, booking_id, key, known, parse, resource};

const CANCEL: &[u8] = br#"{"events":[{"type":"booking.cancelled","id":"x","version":2}]}"#;

fn knowing(resources: &[&str]) -> Known {
    let booking = |on: &&str| KnownBooking {
        resource: resource(on),
        booking_id: booking_id(Kind::Generic, "x", on),
        fate: Fate::Stands,
    };
    let bookings = BTreeMap::from([("x".to_owned(), resources.iter().map(booking).collect())]);
    Known { bookings, ..known(Kind::Generic) }
}

fn requests(body: &[u8], known: &Known) -> BTreeMap<String, RequestId> {
    let normalized = normalize(&parse(Kind::Generic, body), known, &key());
    let entry = |item: Item| match item {
        Item::Request(request) => {
            let Request { resource, request_id, .. } = *request;
            Some((resource.to_string(), request_id))
        }
        Item::Ignored(_) | Item::Reject(_) | Item::Unplaced(_) => None,
    };
    normalized.items.into_iter().filter_map(entry).collect()
}

#[test]
fn a_request_id_is_that_of_its_item() {
    let body = include_bytes!("../fixtures/calendly/created_collective_one_host_unknown.json");
    let kind = Kind::Calendly;
    let normalized = normalize(&parse(kind, body), &known(kind), &key());
    let ids: Vec<_> = normalized
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Request(request) => Some(request.request_id),
            Item::Ignored(_) | Item::Reject(_) | Item::Unplaced(_) => None,
        })
        .collect();
    let of_item = |item| RequestId::derive("/webhooks/calendly", "evt-1", item);
    assert_eq!(ids, [of_item(0), of_item(2)]);
}

#[test]
fn a_host_that_becomes_known_gets_the_id_that_was_kept_for_it() {
    let kind = Kind::Calendly;
    let parsed = parse(kind, include_bytes!("../fixtures/calendly/created_collective_one_host_unknown.json"));
    let before = normalize(&parsed, &known(kind), &key());
    let mut more = known(kind);
    more.aliases.insert("nobody@clinic.example".to_owned(), resource("carl"));
    let after = normalize(&parsed, &more, &key());
    assert_eq!(before.items[0], after.items[0]);
    assert_eq!(before.items[2], after.items[2]);
    let Item::Request(request) = &after.items[1] else { panic!("placed now") };
    assert_eq!(request.request_id, RequestId::derive("/webhooks/calendly", "evt-1", 1));
}

#[test]
fn an_event_placed_by_its_only_known_booking_has_the_id_of_its_item() {
    let only = RequestId::derive("/webhooks/generic", "evt-1", 0);
    assert_eq!(requests(CANCEL, &knowing(&["room-7"])), BTreeMap::from([("room-7".to_owned(), only)]));
}

#[test]
fn a_second_known_booking_never_gets_an_id_that_another_had() {
    let first = requests(CANCEL, &knowing(&["room-7"]));
    let later = requests(CANCEL, &knowing(&["room-7", "anna"]));
    let latest = requests(CANCEL, &knowing(&["bert", "anna", "room-7"]));
    assert_eq!(later.len(), 2);
    assert!(later.values().all(|id| !first.values().any(|used| used == id)));
    for (resource, id) in &later {
        assert_eq!(latest.get(resource), Some(id));
    }
}

#[test]
fn an_unplaced_event_is_placed_once_its_booking_is_there() {
    let parsed = parse(Kind::Generic, CANCEL);
    let before = normalize(&parsed, &knowing(&[]), &key());
    assert!(matches!(&before.items[..], [Item::Unplaced(reject)] if reject.reason == RejectReason::UnknownBooking));
    let after = normalize(&parsed, &knowing(&["room-7"]), &key());
    assert!(matches!(&after.items[..], [Item::Request(_)]));
}
