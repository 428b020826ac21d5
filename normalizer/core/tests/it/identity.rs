//! The same event makes the same requests, whatever becomes known between two readings of it.

use std::collections::BTreeMap;

use daybook_domain::{Basis, ContactId, Operation, Request, RequestId};
use daybook_normalizer_core::{Fate, Item, Known, KnownBooking, RawEvent, RejectReason, normalize};

use crate::world::{Kind, booking_id, event, key, known, parse, resource};

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
fn what_was_there_before_anybody_looked_is_promised_as_ever_and_says_so() {
    let kind = Kind::Acuity;
    let body = include_bytes!("../fixtures/acuity/across_the_change_of_the_clocks.json");
    let basis = |source: &str| {
        let mut event = event(kind);
        event.source = source.to_owned();
        let raw = RawEvent { source: &crate::world::source(kind), event: &event, body };
        let normalized = normalize(&daybook_normalizer_core::parse(kind.format(), raw), &known(kind), &key());
        let [Item::Request(request)] = &normalized.items[..] else { panic!("one request") };
        request.basis
    };
    assert_eq!(basis("/fetched/acuity"), Basis::Promised);
    assert_eq!(basis("/listed/acuity"), Basis::Promised);
    assert_eq!(basis("/imported/acuity"), Basis::Imported);
    assert_eq!(basis("/imported/another"), Basis::Promised, "nobody speaks for another source");
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

/// The pseudonyms of whoever attends, and the numbers that are kept of them, request by request.
fn attending(kind: Kind, body: &str, known: &Known) -> Vec<(String, Vec<ContactId>, Vec<String>)> {
    let normalized = normalize(&parse(kind, body.as_bytes()), known, &key());
    let people = |item| {
        let Item::Request(request) = item else { panic!("a request: {item:?}") };
        let (contacts, content) = match request.operation {
            Operation::Book(claim) | Operation::Observe(claim) | Operation::Hold { claim, .. } => {
                (claim.contacts, claim.content)
            }
            Operation::Update { content, .. } => (vec![], Some(content)),
            Operation::Confirm { .. }
            | Operation::Release { .. }
            | Operation::Reschedule { .. }
            | Operation::Cancel { .. }
            | Operation::Define(_)
            | Operation::Redact { .. }
            | Operation::Expire { .. } => panic!("nobody attends by this"),
        };
        let (seen, phones) = content.map_or_else(Default::default, |content| {
            let phones = content.attendees.iter().filter_map(|attendee| attendee.phone.clone()).collect();
            (content.contacts(), phones)
        });
        (request.resource.to_string(), [contacts, seen].concat(), phones)
    };
    normalized.items.into_iter().map(people).collect()
}

#[test]
fn a_number_that_says_no_country_is_read_as_of_the_resources_region_whatever_is_asked() {
    const TIMES: &str = r#""start":"2026-03-04T09:00:00Z","end":"2026-03-04T09:30:00Z""#;
    let mut germany = known(Kind::Generic);
    germany.regions.insert(resource("room-7"), "DE".parse().expect("a region"));
    let nowhere = known(Kind::Generic);
    for kind in ["booking.created", "booking.updated", "busy.observed"] {
        let with = |phone: &str| {
            format!(
                r#"{{"events":[{{"type":"{kind}","id":"new","version":1,"resource":"Room 7",{TIMES},
                    "attendees":[{{"phone":"{phone}"}}]}},
                  {{"type":"{kind}","id":"new","version":1,"resource":"desk-anna",{TIMES},
                    "attendees":[{{"phone":"{phone}"}}]}}]}}"#
            )
        };
        let whole = attending(Kind::Generic, &with("+49 30 5550100"), &nowhere);
        let read = attending(Kind::Generic, &with("030 5550100"), &germany);
        assert_eq!(read[0], whole[0], "{kind}");
        // Anna's region is not known: the number is what it was.
        assert_ne!(read[1], whole[1], "{kind}");
        assert_eq!(read[1], attending(Kind::Generic, &with("030 5550100"), &nowhere)[1], "{kind}");
        assert!(read[1].2.iter().all(|phone| phone == "0305550100"), "{kind}");
    }
    let asked = |phone: &str| {
        format!(
            r#"{{"operation":"hold","ttl":"10m","resource":"room-7",{TIMES},"title":null,"attendees":[{{"phone":"{phone}"}}]}}"#
        )
    };
    let read = attending(Kind::Api, &asked("030 5550100"), &germany);
    assert_eq!(read, attending(Kind::Api, &asked("+49305550100"), &nowhere));
    assert_eq!(read[0].2, ["+49305550100"]);
}
