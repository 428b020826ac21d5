//! The second step: drafts become requests, now that it is known whose time they are about.
//!
//! Owns: "the same event makes the same request ids", also when more has become known in between. A request whose
//! resource the payload names has the id of its item. One whose resource was only looked up has it too, if it is the
//! only one; several such are told apart by their resource, not by a position that the next look-up may shift.
//!
//! And "a booking that changes its resource is moved, not doubled". A reschedule that names resources *leaves* those on
//! which its booking stands and which it does not name, and *enters* those that it names and on which it does not stand.
//! One left (by resource id) and one entered (in the payload's order) make a pair: the claim on the entered resource says
//! what it is to replace, and the arbiter gives that up once the claim is granted. What is entered without a partner is a
//! plain claim; what is left without one is for the source to cancel. Whether a claim is a move changes nothing of its
//! request's id: that is its item's.
//!
//! What stands where is what the store says, which may be a moment behind. Where the booking is not known yet, the claim
//! is plain: on the same resource the arbiter's chain of names finds out what it replaces, and for another one the
//! vendor's cancelling half ends it; the generic format has none, so a booking that moves twice within that moment stays
//! where it was between. Where one event names one place of perhaps several ([`Scope::Named`]) and the booking stands on
//! more than one, nobody can tell which of them is left, so none is: time that is kept too long is the smaller fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use daybook_ask::Region;
use daybook_domain::{
    Basis, BookingId, Claim, Elsewhere, Identity, Operation, Request, RequestId, ResourceId, Subject,
};

use daybook_format::IMPORTED;

use crate::contact::ContactKey;
use crate::draft::{Ask, Draft, Entry, Person, Place, Scope, Wish};
use crate::reject::{Fault, Reject, RejectReason};
use crate::source::Parsed;

/// The answers to [`Questions`](crate::Questions); what is not in them is not known. The `Debug` counts only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The resource of each alias, and of each attendee who is one.
    pub aliases: BTreeMap<String, ResourceId>,
    /// The bookings that the source has ever called so: one for each resource that they are about.
    pub bookings: BTreeMap<String, Vec<KnownBooking>>,
    /// The regions of resources that have one, where phone numbers ask for it.
    pub regions: BTreeMap<ResourceId, Region>,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { aliases, bookings, regions } = self;
        let (aliases, bookings, regions) = (aliases.len(), bookings.len(), regions.len());
        write!(f, "Known({aliases} aliases, {bookings} bookings, {regions} regions)")
    }
}

/// A booking that the store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownBooking {
    /// Whose time.
    pub resource: ResourceId,
    /// Its id.
    pub booking_id: BookingId,
    /// What has become of it.
    pub fate: Fate,
}

/// What has become of a booking, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It occupies its time.
    Stands,
    /// It is cancelled, and may come back.
    Gone,
    /// It is on another resource now.
    Moved,
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
    /// It only says that something has changed. The state is fetched, and is an event of its own.
    Fetched,
    /// It is the rule of a series. What takes time are its instances, which are events of their own.
    Series,
    /// A page on which nothing is.
    Empty,
}

impl IgnoredReason {
    /// The word for it, which is also the metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventType => "event_type",
            Self::SameResource => "same_resource",
            Self::Fetched => "fetched",
            Self::Series => "series",
            Self::Empty => "empty",
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
        let mut named: Vec<(usize, &ResourceId)> = Vec::with_capacity(draft.places.len());
        let mut unknown = Vec::new();
        for place in &draft.places {
            match self.resource_of(place) {
                Some(resource) if named.iter().any(|(_, other)| *other == resource) => {
                    items.push((place.item, Item::Ignored(IgnoredReason::SameResource)));
                }
                Some(resource) => named.push((place.item, resource)),
                None => unknown.push(place),
            }
        }
        let mut moves = self.moves(draft, &named);
        for (item, resource) in &named {
            items.push((*item, self.request(self.request_id(*item), resource, moves.remove(resource), draft)));
        }
        let elsewhere = match (draft.scope, draft.places.is_empty()) {
            (Scope::Named | Scope::Whole, false) => BTreeMap::new(),
            (Scope::Named | Scope::Whole | Scope::Everywhere, _) => {
                let mut known = self.fates(draft);
                known.retain(|resource, _| !named.iter().any(|(_, other)| other == resource));
                known
            }
        };
        // Ids go by everything that is known, whatever has become of it: a fate may change between two readings.
        let alone = draft.places.is_empty() && elsewhere.len() == 1;
        let somewhere = elsewhere.values().any(|fate| *fate != Fate::Moved);
        for (resource, fate) in &elsewhere {
            let id = if alone { self.request_id(draft.item) } else { self.request_id_on(draft.item, resource) };
            if *fate != Fate::Moved || !somewhere || draft.ends() {
                items.push((draft.item, self.request(id, resource, None, draft)));
            }
        }
        // A booking that was found without its alias stands for one host that was not.
        if unknown.len() > elsewhere.len() {
            items.extend(unknown.into_iter().map(|place| (place.item, Item::Reject(unknown_resource(place)))));
        }
        if draft.places.is_empty() && elsewhere.is_empty() {
            items.push((draft.item, Item::Unplaced(unknown_booking(draft))));
        }
    }

    fn resource_of<'r>(&'r self, place: &'r Place) -> Option<&'r ResourceId> {
        let by_alias = || place.aliases.iter().find_map(|alias| self.known.aliases.get(alias));
        place.resource.as_ref().or_else(by_alias)
    }

    /// What the claim on each entered resource is to replace.
    fn moves<'r>(&self, draft: &Draft, named: &[(usize, &'r ResourceId)]) -> BTreeMap<&'r ResourceId, Elsewhere> {
        let previous = match &draft.ask {
            Ask::Reschedule { previous, .. } => previous,
            Ask::Book(_)
            | Ask::Hold { .. }
            | Ask::Confirm(_)
            | Ask::Release
            | Ask::Update(_)
            | Ask::Cancel { .. }
            | Ask::Observe(_) => return BTreeMap::new(),
        };
        let standing: BTreeMap<_, _> =
            self.standing(previous).map(|booking| (&booking.resource, booking.booking_id)).collect();
        match draft.scope {
            Scope::Whole => {}
            Scope::Named if standing.len() <= 1 => {}
            Scope::Named | Scope::Everywhere => return BTreeMap::new(),
        }
        let entered = named.iter().map(|(_, resource)| *resource).filter(|resource| {
            !draft.names().flat_map(|name| self.standing(name)).any(|booking| booking.resource == **resource)
        });
        let left = standing.into_iter().filter(|(resource, _)| !named.iter().any(|(_, other)| other == resource));
        let pair = |(entered, (resource, booking_id)): (_, (&ResourceId, _))| {
            (entered, Elsewhere { resource: resource.clone(), booking_id })
        };
        entered.zip(left).map(pair).collect()
    }

    fn request_id(&self, item: usize) -> RequestId {
        RequestId::derive(&self.parsed.event_source, &self.parsed.event_id, item)
    }

    fn request_id_on(&self, item: usize, resource: &ResourceId) -> RequestId {
        RequestId::derive(&self.parsed.event_source, &format!("{} {resource}", self.parsed.event_id), item)
    }

    fn named(&self, name: &str) -> impl Iterator<Item = &KnownBooking> {
        self.known.bookings.get(name).into_iter().flatten()
    }

    fn standing(&self, name: &str) -> impl Iterator<Item = &KnownBooking> {
        self.named(name).filter(|booking| booking.fate == Fate::Stands)
    }

    /// The bookings that are known under any name of the draft's.
    fn bookings(&self, draft: &Draft) -> impl Iterator<Item = &KnownBooking> {
        draft.names().flat_map(|name| self.named(name))
    }

    /// Every resource on which the booking is known, and what has become of it there; the best, if it has two names.
    fn fates(&self, draft: &Draft) -> BTreeMap<&ResourceId, Fate> {
        let mut fates = BTreeMap::new();
        for booking in self.bookings(draft) {
            let fate = fates.entry(&booking.resource).or_insert(booking.fate);
            *fate = booking.fate.min(*fate);
        }
        fates
    }

    fn request(
        &self,
        request_id: RequestId,
        resource: &ResourceId,
        moved_from: Option<Elsewhere>,
        draft: &Draft,
    ) -> Item {
        let source = &self.parsed.source;
        let identity = Identity::new(source, draft.identity.as_str());
        let known = self.bookings(draft).filter(|booking| booking.resource == *resource).min_by_key(|it| it.fate);
        let booking_id = draft
            .booking_id
            .or(known.map(|booking| booking.booking_id))
            .unwrap_or_else(|| BookingId::derive(source, &draft.identity, resource));
        let version = draft.version;
        let own = self.own_addresses(draft, resource);
        let region = self.known.regions.get(resource).copied();
        let attends = |person: &Person| !person.email().is_some_and(|email| own.contains(email));
        let claim = |wish: &Wish, identity| Claim {
            booking_id,
            identity,
            version,
            interval: wish.interval,
            content: wish.shown.as_ref().map(|shown| self.key.content(shown, region, attends)),
            contacts: self.key.contacts(&wish.attending, region, attends),
            tags: wish.tags.iter().copied().collect::<BTreeSet<_>>().into_iter().collect(),
            mark: wish.mark,
            moved_from,
        };
        let operation = match &draft.ask {
            Ask::Book(wish) => Operation::Book(claim(wish, identity)),
            Ask::Hold { wish, ttl } => Operation::Hold { claim: claim(wish, identity), ttl: *ttl },
            Ask::Confirm(shown) => Operation::Confirm {
                subject: Subject { booking_id, identity, version },
                content: shown.as_ref().map(|shown| self.key.content(shown, region, attends)),
            },
            Ask::Release => Operation::Release { subject: Subject { booking_id, identity, version }, moved_to: None },
            Ask::Reschedule { previous, wish } => Operation::Reschedule {
                previous: Identity::new(source, previous.as_str()),
                claim: claim(wish, identity),
            },
            Ask::Update(shown) => Operation::Update {
                subject: Subject { booking_id, identity, version },
                content: self.key.content(shown, region, attends),
            },
            Ask::Cancel { interval, kind } => Operation::Cancel {
                subject: Subject { booking_id, identity, version },
                interval: *interval,
                kind: *kind,
            },
            Ask::Observe(wish) => Operation::Observe(claim(wish, identity)),
        };
        Item::Request(Box::new(Request {
            request_id,
            resource: resource.clone(),
            source: source.clone(),
            event_id: self.parsed.event_id.clone(),
            basis: if draft.basis == Basis::Promised
                && self.parsed.event_source.strip_prefix(IMPORTED) == Some(source.as_str())
            {
                Basis::Imported
            } else {
                draft.basis
            },
            expected: draft.expected,
            digest: draft.digest,
            sourced_at: draft.sourced_at,
            received_at: self.parsed.received_at,
            operation,
        }))
    }

    /// The addresses by which the source calls the resource itself: whoever has one of them does not attend.
    fn own_addresses<'d>(&self, draft: &'d Draft, resource: &ResourceId) -> BTreeSet<&'d str> {
        let own = |place: &&Place| self.resource_of(place) == Some(resource);
        let named = draft.places.iter().filter(own).flat_map(|place| &place.aliases).map(String::as_str);
        let entered = |email: &&str| self.known.aliases.get(*email) == Some(resource);
        named.chain(draft.people().filter_map(Person::email).filter(entered)).collect()
    }
}

fn unknown_resource(place: &Place) -> Reject {
    let problem = "no resource has this alias at this source; add it to the resource's aliases, then replay";
    Fault::new(RejectReason::UnknownResource, &place.path, problem).at(Some(place.item))
}

fn unknown_booking(draft: &Draft) -> Reject {
    let problem = "names no resource, and no booking is known under its id; replay once the booking is there";
    Fault::new(RejectReason::UnknownBooking, &draft.path, problem).at(Some(draft.item))
}
