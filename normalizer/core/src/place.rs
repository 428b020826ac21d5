//! The second step: drafts become requests, now that it is known whose time they are about.
//!
//! Owns: "the same event makes the same request ids", also when more has become known in between. A request whose
//! resource the payload names has the id of its item. One whose resource was only looked up has it too, if it is the
//! only one; several such are told apart by their resource, not by a position that the next look-up may shift.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use daybook_domain::{BookingId, Claim, Identity, Operation, Request, RequestId, ResourceId};

use crate::contact::ContactKey;
use crate::draft::{Ask, Draft, Entry, Place, Scope, Wish};
use crate::reject::{Fault, Reject, RejectReason};
use crate::source::Parsed;

/// The answers to [`Questions`](crate::Questions); what is not in them is not known. The `Debug` counts only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The resource of each alias.
    pub aliases: BTreeMap<String, ResourceId>,
    /// The bookings that the source has ever called so: one for each resource that they are about.
    pub bookings: BTreeMap<String, Vec<KnownBooking>>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Known({} aliases, {} bookings)", self.aliases.len(), self.bookings.len())
    }
}

/// A booking that the store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownBooking {
    /// Whose time.
    pub resource: ResourceId,
    /// Its id.
    pub booking_id: BookingId,
}

/// What an event came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalized {
    /// In the order of the payload. Never empty.
    pub items: Vec<Item>,
    /// Fields that this version does not know or cannot use, by path; no values, at most 32.
    pub drift: BTreeSet<String>,
}

/// What one thing in an event came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// For `booking.requests`.
    Request(Box<Request>),
    /// Nothing to do, and that is right.
    Ignored(IgnoredReason),
    /// For `dlq.normalizer`.
    Reject(Reject),
    /// It names no resource, and no booking is known under its id. The booking may be on its way: look again a little
    /// later, a bounded number of times; the reject is for the dead letter after that.
    Unplaced(Reject),
}

/// Why there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IgnoredReason {
    /// The vendor has more types of events than are about bookings.
    EventType,
    /// Another item of the same event is about the same booking of the same resource.
    SameResource,
}

impl IgnoredReason {
    /// The word for it, which is also the metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventType => "event_type",
            Self::SameResource => "same_resource",
        }
    }
}

/// Finishes an event. May be called again when more is known; what had come out before comes out the same.
pub fn normalize(parsed: &Parsed, known: &Known, key: &ContactKey) -> Normalized {
    let placing = Placing { parsed, known, key };
    let mut items = Vec::with_capacity(parsed.entries.len());
    for entry in &parsed.entries {
        match entry {
            Entry::Draft(draft) => placing.place(draft, &mut items),
            Entry::Ignored(reason) => items.push((0, Item::Ignored(*reason))),
            Entry::Reject(reject) => items.push((reject.item.unwrap_or(0), Item::Reject(reject.clone()))),
        }
    }
    items.sort_by_key(|(number, _)| *number);
    Normalized { items: items.into_iter().map(|(_, item)| item).collect(), drift: parsed.drift.clone() }
}

struct Placing<'a> {
    parsed: &'a Parsed,
    known: &'a Known,
    key: &'a ContactKey,
}

impl Placing<'_> {
    /// First the resources that the payload names, then those where the booking is known to be.
    fn place(&self, draft: &Draft, items: &mut Vec<(usize, Item)>) {
        let mut named = BTreeSet::new();
        let mut unknown = Vec::new();
        for place in &draft.places {
            match place.aliases.iter().find_map(|alias| self.known.aliases.get(alias)) {
                Some(resource) if named.insert(resource) => {
                    let id = self.request_id(place.item);
                    items.push((place.item, self.request(id, resource, draft)));
                }
                Some(_) => items.push((place.item, Item::Ignored(IgnoredReason::SameResource))),
                None => unknown.push(place),
            }
        }
        let elsewhere = match draft.scope {
            Scope::Named if !draft.places.is_empty() => BTreeSet::new(),
            Scope::Named | Scope::Everywhere => self.resources(draft).difference(&named).copied().collect(),
        };
        let alone = draft.places.is_empty() && elsewhere.len() == 1;
        for resource in &elsewhere {
            let id = if alone { self.request_id(draft.item) } else { self.request_id_on(draft.item, resource) };
            items.push((draft.item, self.request(id, resource, draft)));
        }
        // A booking that was found without its alias stands for one host that was not.
        if unknown.len() > elsewhere.len() {
            items.extend(unknown.into_iter().map(|place| (place.item, Item::Reject(unknown_resource(place)))));
        }
        if draft.places.is_empty() && elsewhere.is_empty() {
            items.push((draft.item, Item::Unplaced(unknown_booking(draft))));
        }
    }

    fn request_id(&self, item: usize) -> RequestId {
        RequestId::derive(&self.parsed.event_source, &self.parsed.event_id, item)
    }

    fn request_id_on(&self, item: usize, resource: &ResourceId) -> RequestId {
        RequestId::derive(&self.parsed.event_source, &format!("{} {resource}", self.parsed.event_id), item)
    }

    /// The bookings that are known under any name of the draft's.
    fn bookings(&self, draft: &Draft) -> impl Iterator<Item = &KnownBooking> {
        draft.names().filter_map(|name| self.known.bookings.get(name)).flatten()
    }

    fn resources(&self, draft: &Draft) -> BTreeSet<&ResourceId> {
        self.bookings(draft).map(|booking| &booking.resource).collect()
    }

    fn request(&self, request_id: RequestId, resource: &ResourceId, draft: &Draft) -> Item {
        let source = &self.parsed.source;
        let identity = Identity::new(source, draft.identity.as_str());
        let known = self.bookings(draft).find(|booking| booking.resource == *resource);
        let booking_id = match known {
            Some(booking) => booking.booking_id,
            None => BookingId::derive(source, &draft.identity, resource),
        };
        let claim = |wish: &Wish, identity| Claim {
            booking_id,
            identity,
            version: draft.version,
            interval: wish.interval,
            content: wish.shows.then(|| self.key.content(wish)),
        };
        let operation = match &draft.ask {
            Ask::Book(wish) => Operation::Book(claim(wish, identity)),
            Ask::Reschedule { previous, wish } => Operation::Reschedule {
                previous: Identity::new(source, previous.as_str()),
                claim: claim(wish, identity),
            },
            Ask::Cancel { interval, kind } => {
                Operation::Cancel { booking_id, identity, version: draft.version, interval: *interval, kind: *kind }
            }
        };
        Item::Request(Box::new(Request {
            request_id,
            resource: resource.clone(),
            source: source.clone(),
            event_id: self.parsed.event_id.clone(),
            sourced_at: draft.sourced_at,
            received_at: self.parsed.received_at,
            operation,
        }))
    }
}

/// An alias as it is stored and looked up: an e-mail address is one address however it was typed; everything else is
/// taken to the letter.
pub fn normal_alias(alias: &str) -> String {
    if alias.contains('@') && !alias.contains('/') { alias.to_lowercase() } else { alias.to_owned() }
}

fn unknown_resource(place: &Place) -> Reject {
    let problem = "no resource has this alias at this source; add it to the resource's aliases, then replay";
    Fault::new(RejectReason::UnknownResource, &place.path, problem).at(Some(place.item))
}

fn unknown_booking(draft: &Draft) -> Reject {
    let problem = "names no resource, and no booking is known under its id; replay once the booking is there";
    Fault::new(RejectReason::UnknownBooking, &draft.path, problem).at(Some(draft.item))
}
