//! One resource's state: its rules, its bookings, and who has which time.
//!
//! Two indexes, of which [`State::check`] proves that they agree with the bookings: by what sources call them, and by
//! time. Sorted maps only, so that no iteration depends on a hash.

use std::collections::BTreeMap;

use daybook_domain::{BookingId, BookingState, Decision, Interval, ResourceId, Rules, SourceKey, Timestamp, Winner};
use uuid::Uuid;

/// What decisions are made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    resource: ResourceId,
    rules: Option<Rules>,
    version: u64,
    bookings: BTreeMap<BookingId, BookingState>,
    keys: BTreeMap<SourceKey, BookingId>,
    timeline: BTreeMap<(Timestamp, BookingId), Interval>,
}

/// A broken invariant. The state must not be used, and whoever holds it must be loud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Two live bookings overlap.
    Overlap(BookingId, BookingId),
    /// An index disagrees with the bookings.
    Index(BookingId),
    /// A booking has no name, or its version is zero.
    Malformed(BookingId),
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Overlap(a, b) => write!(f, "live bookings {a} and {b} overlap"),
            Self::Index(id) => write!(f, "an index disagrees with booking {id}"),
            Self::Malformed(id) => write!(f, "booking {id} has no identity or no version"),
        }
    }
}

impl std::error::Error for Violation {}

impl State {
    /// A resource of which nothing has been decided.
    pub const fn new(resource: ResourceId) -> Self {
        Self {
            resource,
            rules: None,
            version: 0,
            bookings: BTreeMap::new(),
            keys: BTreeMap::new(),
            timeline: BTreeMap::new(),
        }
    }

    /// A state as the store has it. Every booking that a coming request may name or overlap must be among `bookings`.
    pub fn load(
        resource: ResourceId,
        rules: Option<Rules>,
        version: u64,
        bookings: impl IntoIterator<Item = BookingState>,
    ) -> Result<Self, Violation> {
        let mut state = Self { rules, version, ..Self::new(resource) };
        for booking in bookings {
            state.put(booking);
        }
        state.check().map(|()| state)
    }

    /// Whose state.
    pub const fn resource(&self) -> &ResourceId {
        &self.resource
    }

    /// Its rules; none before the first `define`.
    pub const fn rules(&self) -> Option<&Rules> {
        self.rules.as_ref()
    }

    /// Rises when the timeline or the rules change.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The booking with this id.
    pub fn booking(&self, id: BookingId) -> Option<&BookingState> {
        self.bookings.get(&id)
    }

    /// The booking that some source calls, or has called, this.
    pub fn by_key(&self, key: SourceKey) -> Option<&BookingState> {
        self.keys.get(&key).and_then(|id| self.bookings.get(id))
    }

    /// Every booking, by id.
    pub fn bookings(&self) -> impl Iterator<Item = &BookingState> {
        self.bookings.values()
    }

    /// Whoever has a part of `wanted`, other than `except`: the earliest one.
    pub(crate) fn winner(&self, wanted: Interval, except: Option<BookingId>) -> Option<Winner> {
        let before_end = (wanted.end(), BookingId::from_uuid(Uuid::nil()));
        // Live bookings do not overlap, so in order of their starts their ends rise too: going back from the last one
        // that starts before the end, the first that ends at or before the start closes the search.
        self.timeline
            .range(..before_end)
            .rev()
            .take_while(|(_, interval)| interval.end() > wanted.start())
            .filter(|((_, id), _)| Some(*id) != except)
            .last()
            .map(|((_, id), interval)| Winner { booking_id: *id, interval: *interval })
    }

    pub(crate) fn apply(&mut self, decision: &Decision) {
        // A verdict about a record that could not be read knows no version: it never takes one back.
        self.version = self.version.max(decision.resource_version);
        if let Some(rules) = &decision.rules {
            self.rules = Some(rules.clone());
        }
        if let Some(booking) = &decision.booking {
            self.put(booking.clone());
        }
    }

    fn put(&mut self, booking: BookingState) {
        let id = booking.booking_id;
        if let Some(before) = self.bookings.get(&id).and_then(|before| before.standing.live()) {
            self.timeline.remove(&(before.start(), id));
        }
        if let Some(interval) = booking.standing.live() {
            self.timeline.insert((interval.start(), id), interval);
        }
        for key in &booking.keys {
            self.keys.insert(*key, id);
        }
        self.bookings.insert(id, booking);
    }

    /// Proves the invariants: no overlap, indexes that agree, bookings that are whole.
    pub fn check(&self) -> Result<(), Violation> {
        let mut last: Option<(BookingId, Interval)> = None;
        for ((start, id), interval) in &self.timeline {
            if let Some((before, earlier)) = last.filter(|(_, earlier)| earlier.overlaps(interval)) {
                debug_assert!(earlier.start() <= interval.start());
                return Err(Violation::Overlap(before, *id));
            }
            let live = self.booking(*id).and_then(|booking| booking.standing.live());
            if live != Some(*interval) || interval.start() != *start {
                return Err(Violation::Index(*id));
            }
            last = Some((*id, *interval));
        }
        let live = self.bookings.values().filter(|booking| booking.standing.live().is_some()).count();
        for booking in self.bookings.values() {
            let id = booking.booking_id;
            if booking.keys.is_empty() || booking.version == 0 {
                return Err(Violation::Malformed(id));
            }
            if live != self.timeline.len() || booking.keys.iter().any(|key| self.keys.get(key) != Some(&id)) {
                return Err(Violation::Index(id));
            }
        }
        Ok(())
    }
}
