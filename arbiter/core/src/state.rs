//! One resource's state: its rules, its bookings, and who has which time.
//!
//! Four indexes, of which [`State::check`] proves that they agree with the bookings: by what sources call them, by what
//! they are called across systems, and by time, bookings apart from busy time. Sorted maps only, so that no iteration
//! depends on a hash.

use std::collections::{BTreeMap, BTreeSet};

use daybook_domain::{
    BookingId, BookingKind, BookingState, Decision, Interval, ResourceId, Rules, Shadow, Sight, SourceKey, Standing,
    Tag, Timestamp,
};
use uuid::Uuid;

use crate::Missing;
use crate::coverage::Coverage;
use crate::timeline::Timeline;

/// What decisions are made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    resource: ResourceId,
    rules: Option<Rules>,
    version: u64,
    /// Boxed: a map's nodes have room for eleven, and most resources in memory have one or two.
    bookings: BTreeMap<BookingId, Box<BookingState>>,
    keys: BTreeMap<SourceKey, BookingId>,
    tags: BTreeSet<(Tag, BookingId)>,
    /// Live bookings.
    pub(crate) booked: Timeline,
    /// Live busy time, and where shadows of live bookings have strayed to.
    pub(crate) busy: Timeline,
    /// Of which time everything live is there. Changes no decision, only whether one can be made.
    coverage: Coverage,
}

/// A broken invariant. The state must not be used, and whoever holds it must be loud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Two live bookings overlap on one unit.
    Overlap(BookingId, BookingId),
    /// An index disagrees with the bookings.
    Index(BookingId),
    /// A live booking has no name, or a booking has version zero.
    Malformed(BookingId),
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Overlap(a, b) => write!(f, "live bookings {a} and {b} overlap on one unit"),
            Self::Index(id) => write!(f, "an index disagrees with booking {id}"),
            Self::Malformed(id) => write!(f, "booking {id} is live without a name, or has no version"),
        }
    }
}

impl std::error::Error for Violation {}

impl State {
    /// A resource of which nothing has been decided.
    pub fn new(resource: ResourceId) -> Self {
        Self {
            resource,
            rules: None,
            version: 0,
            bookings: BTreeMap::new(),
            keys: BTreeMap::new(),
            tags: BTreeSet::new(),
            booked: Timeline::default(),
            busy: Timeline::default(),
            coverage: Coverage::all(),
        }
    }

    /// A resource of which the store has rules, and whose bookings are to be [covered](State::cover) as they are needed.
    pub fn unread(resource: ResourceId, rules: Rules, version: u64) -> Self {
        Self { rules: Some(rules), version, coverage: Coverage::none(), ..Self::new(resource) }
    }

    /// A state as the store has it. Everything live must be among `bookings`, and whatever else a coming request
    /// [names](crate::Reach).
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
        self.bookings.get(&id).map(Box::as_ref)
    }

    /// The booking that some source calls, or has called, this: its own, or one whose shadow that source shows.
    pub fn by_key(&self, key: SourceKey) -> Option<&BookingState> {
        self.keys.get(&key).and_then(|id| self.booking(*id))
    }

    /// The bookings that are called this across systems, by id.
    pub(crate) fn by_tag(&self, tag: Tag) -> impl Iterator<Item = &BookingState> {
        let (first, last) = (BookingId::from_uuid(Uuid::nil()), BookingId::from_uuid(Uuid::max()));
        self.tags.range((tag, first)..=(tag, last)).filter_map(|(_, id)| self.booking(*id))
    }

    /// Every booking, by id.
    pub fn bookings(&self) -> impl Iterator<Item = &BookingState> {
        self.bookings.values().map(Box::as_ref)
    }

    /// How many bookings it holds.
    pub fn len(&self) -> usize {
        self.bookings.len()
    }

    /// Whether it holds no booking.
    pub fn is_empty(&self) -> bool {
        self.bookings.is_empty()
    }

    /// Of which time everything live is there.
    pub const fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Puts a booking in as the store has it. One that is there already is as new as the store's, or newer.
    pub fn learn(&mut self, booking: BookingState) {
        if !self.bookings.contains_key(&booking.booking_id) {
            self.put(booking);
        }
    }

    /// From now on everything live that has a part of this time is there: it has been [learnt](State::learn).
    pub fn cover(&mut self, time: Interval) {
        self.coverage.add(time);
    }

    /// Whether everything live that has a part of this time is there.
    pub(crate) fn holds(&self, time: Interval) -> Result<(), Missing> {
        if self.coverage.holds(time) { Ok(()) } else { Err(Missing { time }) }
    }

    /// Drops what is not live, and what ended before `floor`; of the time before it nothing is certain any more.
    pub fn forget_before(&mut self, floor: Timestamp) {
        self.coverage.cut_before(floor);
        let gone: Vec<BookingId> = self
            .bookings
            .values()
            .filter(|booking| {
                let ended = |span: Interval| span.end() <= floor;
                booking.standing.live().is_none_or(ended) && booking.away().all(ended)
            })
            .map(|booking| booking.booking_id)
            .collect();
        for id in gone {
            self.take(id);
        }
    }

    pub(crate) fn apply(&mut self, decision: &Decision) {
        // A verdict about a record that could not be read knows no version: it never takes one back.
        self.version = self.version.max(decision.resource_version);
        if let Some(rules) = &decision.rules {
            self.rules = Some(rules.clone());
        }
        for id in &decision.absorbed {
            if let Some(busy) = self.bookings.get(id) {
                let absorbed = absorbed(busy);
                self.put(absorbed);
            }
        }
        if let Some(booking) = &decision.booking {
            self.put(booking.clone());
        }
    }

    fn put(&mut self, booking: BookingState) {
        let id = booking.booking_id;
        self.take(id);
        self.index(&booking);
        self.bookings.insert(id, Box::new(booking));
    }

    fn take(&mut self, id: BookingId) {
        let Some(before) = self.bookings.remove(&id) else { return };
        if let Some(span) = before.standing.live() {
            self.timeline(before.kind).remove(id, span);
        }
        for span in before.away() {
            self.busy.remove(id, span);
        }
        for key in names(&before) {
            if self.keys.get(&key) == Some(&id) {
                self.keys.remove(&key);
            }
        }
        for tag in &before.tags {
            self.tags.remove(&(*tag, id));
        }
    }

    fn index(&mut self, booking: &BookingState) {
        let id = booking.booking_id;
        if let Some(span) = booking.standing.live() {
            self.timeline(booking.kind).add(id, span);
        }
        for span in booking.away() {
            self.busy.add(id, span);
        }
        self.keys.extend(names(booking).map(|key| (key, id)));
        self.tags.extend(booking.tags.iter().map(|tag| (*tag, id)));
    }

    const fn timeline(&mut self, kind: BookingKind) -> &mut Timeline {
        match kind {
            BookingKind::Booking => &mut self.booked,
            BookingKind::Busy => &mut self.busy,
        }
    }

    /// Proves the invariants: no overlap on a unit, indexes that agree, bookings that are whole.
    pub fn check(&self) -> Result<(), Violation> {
        let mut ends: BTreeMap<u16, (Timestamp, BookingId)> = BTreeMap::new();
        for (id, span) in self.booked.all() {
            let booking = self.booking(id).filter(|booking| booking.standing.live() == Some(span));
            let unit = booking.ok_or(Violation::Index(id))?.unit;
            if let Some((_, before)) = ends.get(&unit).filter(|(end, _)| *end > span.start()) {
                return Err(Violation::Overlap(*before, id));
            }
            ends.insert(unit, (span.end(), id));
        }
        let mut again = Self::new(self.resource.clone());
        for booking in self.bookings.values() {
            if booking.version == 0 || (booking.keys.is_empty() && booking.standing.live().is_some()) {
                return Err(Violation::Malformed(booking.booking_id));
            }
            if names(booking).any(|key| self.keys.get(&key) != Some(&booking.booking_id)) {
                return Err(Violation::Index(booking.booking_id));
            }
            again.index(booking);
        }
        let same = again.keys == self.keys
            && again.tags == self.tags
            && again.booked == self.booked
            && again.busy == self.busy;
        match self.bookings.keys().next() {
            Some(id) if !same => Err(Violation::Index(*id)),
            Some(_) | None => Ok(()),
        }
    }
}

/// Its own names and those of its shadows.
fn names(booking: &BookingState) -> impl Iterator<Item = SourceKey> + '_ {
    booking.keys.iter().copied().chain(booking.shadows.iter().map(|shadow| shadow.key))
}

/// Busy time after a booking has taken it in: its names are shadows of that booking now.
pub fn absorbed(busy: &BookingState) -> BookingState {
    BookingState {
        standing: Standing::Cancelled { last: busy.standing.interval() },
        version: busy.version + 1,
        keys: Vec::new(),
        tags: Vec::new(),
        shadows: Vec::new(),
        ..busy.clone()
    }
}

/// What a booking knows of busy time that it has taken in: a shadow under each of its names.
pub(crate) fn shadows_of(busy: &BookingState, own: Option<Interval>) -> impl Iterator<Item = Shadow> + '_ {
    let seen = busy.standing.live();
    let sight = if seen == own { Sight::Along } else { seen.map_or(Sight::Gone, Sight::Away) };
    let newest = busy.keys.last().copied();
    let named = busy.keys.iter().map(move |key| Shadow {
        source: busy.source.clone(),
        key: *key,
        version: busy.source_version,
        sight: if Some(*key) == newest { sight } else { Sight::Gone },
    });
    named.chain(busy.shadows.iter().cloned())
}
