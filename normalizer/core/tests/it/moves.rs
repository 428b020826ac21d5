//! Moves to another resource: whatever is known, and whatever becomes known in between, a request keeps its id, and no
//! booking is given up that the event does not leave.

use std::collections::{BTreeMap, BTreeSet};

use daybook_domain::{Elsewhere, Operation, Request, RequestId, ResourceId};
use daybook_normalizer_core::{Fate, Item, Known, KnownBooking, Parsed, normalize};

use crate::world::{Kind, booking_id, key, parse, resource};

const RESOURCES: [&str; 3] = ["anna", "bert", "carl"];
/// A cancelled booking is to a move what one that has moved is.
const FATES: [Option<Fate>; 3] = [None, Some(Fate::Stands), Some(Fate::Moved)];

/// A reschedule from one name to another, or under the same.
struct Event {
    kind: Kind,
    parsed: Parsed,
    previous: &'static str,
    identity: &'static str,
    /// The resources that it names, in its order.
    named: Vec<&'static str>,
}

impl Event {
    fn generic(previous: &'static str, identity: &'static str, named: Option<&'static str>) -> Self {
        let resource = named.map_or_else(String::new, |name| format!(r#""resource":"{name}","#));
        let body = format!(
            r#"{{"events":[{{"type":"booking.rescheduled","id":"{identity}","previous_id":"{previous}","version":2,
                {resource}"start":"2026-03-04T09:00:00Z","end":"2026-03-04T09:30:00Z"}}]}}"#
        );
        let kind = Kind::Generic;
        Self { kind, parsed: parse(kind, body.as_bytes()), previous, identity, named: named.into_iter().collect() }
    }

    fn calendly(named: &[&'static str]) -> Self {
        let host = |name: &&str| format!(r#"{{"user":"{name}"}}"#);
        let hosts = named.iter().map(host).collect::<Vec<_>>().join(",");
        let body = format!(
            r#"{{"event":"invitee.created","payload":{{"uri":"new","old_invitee":"old","email":"mara.quinn@example.org",
                "updated_at":"2026-03-01T08:00:00Z","scheduled_event":{{"event_memberships":[{hosts}],
                "start_time":"2026-03-04T09:00:00Z","end_time":"2026-03-04T09:30:00Z"}}}}}}"#
        );
        let kind = Kind::Calendly;
        Self { kind, parsed: parse(kind, body.as_bytes()), previous: "old", identity: "new", named: named.to_vec() }
    }

    /// Everything that can be known of it: any of the aliases, and any fate of a booking under either of its names.
    fn worlds(&self) -> Vec<Known> {
        let names: BTreeSet<_> = [self.previous, self.identity].into_iter().collect();
        let mut worlds: Vec<Known> = (0..1 << RESOURCES.len())
            .map(|mask| {
                let entered = RESOURCES.iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0);
                let aliases = entered.map(|(_, name)| ((*name).to_owned(), resource(name))).collect();
                Known { aliases, ..Known::default() }
            })
            .collect();
        for name in names {
            for on in RESOURCES {
                worlds =
                    worlds.iter().flat_map(|world| FATES.map(|fate| self.knowing(world, name, on, fate))).collect();
            }
        }
        worlds
    }

    fn knowing(&self, world: &Known, name: &str, on: &str, fate: Option<Fate>) -> Known {
        let mut world = world.clone();
        if let Some(fate) = fate {
            let booking = KnownBooking { resource: resource(on), booking_id: booking_id(self.kind, name, on), fate };
            world.bookings.entry(name.to_owned()).or_default().push(booking);
        }
        world
    }

    fn requests(&self, known: &Known) -> Vec<Request> {
        let request = |item: Item| match item {
            Item::Request(request) => Some(*request),
            Item::Ignored(_) | Item::Reject(_) | Item::Unplaced(_) => None,
        };
        normalize(&self.parsed, known, &key()).items.into_iter().filter_map(request).collect()
    }

    fn id(&self, item: usize) -> RequestId {
        RequestId::derive(&format!("/webhooks/{}", self.kind.name()), "evt-1", item)
    }

    /// The resources on which a booking stands under `name`.
    fn standing(known: &Known, name: &str) -> BTreeSet<ResourceId> {
        let bookings = known.bookings.get(name).into_iter().flatten();
        bookings.filter(|booking| booking.fate == Fate::Stands).map(|booking| booking.resource.clone()).collect()
    }
}

fn moved_from(request: &Request) -> Option<Elsewhere> {
    let Operation::Reschedule { claim, .. } = &request.operation else { panic!("a reschedule: {request:?}") };
    claim.moved_from.clone()
}

fn events() -> Vec<Event> {
    vec![
        Event::generic("x", "x", Some("bert")),
        Event::generic("old", "new", Some("anna")),
        Event::calendly(&["bert"]),
        Event::calendly(&["carl", "anna"]),
        Event::calendly(&["bert", "carl", "anna"]),
    ]
}

#[test]
fn whatever_is_known_a_named_resources_request_has_the_id_of_its_item() {
    for event in events() {
        let worlds = event.worlds();
        assert!(worlds.len() >= 8 * 27);
        for known in &worlds {
            let expected: Vec<_> = (event.named.iter().enumerate())
                .filter(|(_, name)| known.aliases.contains_key(**name))
                .map(|(item, name)| (resource(name), event.id(item)))
                .collect();
            let requests = event.requests(known);
            let found: Vec<_> = requests.into_iter().map(|request| (request.resource, request.request_id)).collect();
            assert_eq!(found, expected, "{known:?}");
        }
    }
}

#[test]
fn whatever_is_known_no_request_id_ever_serves_two_resources() {
    for event in [Event::generic("x", "x", None), Event::generic("old", "new", None)] {
        let mut owners: BTreeMap<RequestId, BTreeSet<ResourceId>> = BTreeMap::new();
        for known in event.worlds() {
            for request in event.requests(&known) {
                owners.entry(request.request_id).or_default().insert(request.resource);
            }
        }
        // The item's own id belongs to whichever booking is the only one that is known.
        owners.remove(&event.id(0));
        assert_eq!(owners.len(), RESOURCES.len());
        assert!(owners.values().all(|resources| resources.len() == 1), "{owners:?}");
    }
}

#[test]
fn whatever_is_known_only_what_the_event_leaves_is_given_up_and_only_once() {
    for event in events() {
        let mut moves = 0;
        for known in event.worlds() {
            let named: BTreeSet<_> = event.named.iter().filter_map(|name| known.aliases.get(*name)).collect();
            let (before, after) = (Event::standing(&known, event.previous), Event::standing(&known, event.identity));
            let requests = event.requests(&known);
            let left: BTreeSet<_> = requests.iter().filter_map(moved_from).collect();
            assert_eq!(left.len(), requests.iter().filter_map(moved_from).count(), "one replacement each");
            for elsewhere in &left {
                assert!(before.contains(&elsewhere.resource) && !named.contains(&elsewhere.resource), "{known:?}");
                assert_eq!(elsewhere.booking_id, booking_id(event.kind, event.previous, elsewhere.resource.as_str()));
            }
            for request in requests.iter().filter(|request| moved_from(request).is_some()) {
                assert!(!before.contains(&request.resource) && !after.contains(&request.resource), "it is there");
            }
            let entered = named.iter().filter(|on| !before.contains(**on) && !after.contains(**on)).count();
            let leavable = before.iter().filter(|on| !named.contains(on)).count();
            let expected = match event.kind {
                Kind::Calendly => entered.min(leavable),
                Kind::Generic if before.len() == 1 => entered.min(leavable),
                Kind::Generic
                | Kind::Api
                | Kind::CalCom
                | Kind::Zendesk
                | Kind::Acuity
                | Kind::Hubspot
                | Kind::Google
                | Kind::Outlook
                | Kind::Icalendar => 0,
            };
            assert_eq!(left.len(), expected, "{known:?}");
            moves += left.len();
        }
        assert!(moves > 0);
    }
}

#[test]
fn several_moves_pair_by_resource_id_and_by_the_payloads_order() {
    let event = Event::calendly(&["zoe", "yan"]);
    let alias = |name: &str| (name.to_owned(), resource(name));
    let mut known = Known { aliases: ["zoe", "yan"].map(alias).into(), ..Known::default() };
    for on in ["carl", "anna", "bert"] {
        known = event.knowing(&known, "old", on, Some(Fate::Stands));
    }
    let from = |request: &Request| (request.resource.to_string(), moved_from(request).map(|from| from.resource));
    let pairs: Vec<_> = event.requests(&known).iter().map(from).collect();
    let pair = |to: &str, from: &str| (to.to_owned(), Some(resource(from)));
    assert_eq!(pairs, [pair("zoe", "anna"), pair("yan", "bert")]);
}

#[test]
fn news_without_a_resource_go_where_the_booking_has_moved_and_only_an_end_goes_everywhere() {
    let resched = Event::generic("x", "x", None);
    let body = br#"{"events":[{"type":"booking.cancelled","id":"x","version":2}]}"#;
    let cancel = Event { parsed: parse(Kind::Generic, body), ..Event::generic("x", "x", None) };
    let on = |event: &Event, known: &Known| -> Vec<String> {
        event.requests(known).iter().map(|request| request.resource.to_string()).collect()
    };
    let here = resched.knowing(&Known::default(), "x", "anna", Some(Fate::Moved));
    let moved = resched.knowing(&here, "x", "bert", Some(Fate::Stands));
    assert_eq!((on(&resched, &moved), on(&cancel, &moved)), (vec!["bert".into()], vec!["anna".into(), "bert".into()]));
    let ended = resched.knowing(&here, "x", "bert", Some(Fate::Gone));
    assert_eq!(on(&resched, &ended), ["bert"]);
    // Its new place is not known under this name: whoever decides about the old one shall say so.
    assert_eq!(on(&resched, &here), ["anna"]);
}
