//! What a partition's worker remembers of its resources between batches.
//!
//! Owns: that a batch is decided on what the store says. Within an epoch the worker is the only writer, so what it has
//! committed is what the store has. A cache belongs to the run of one claim and ends with it. A batch [opens](Cache::open)
//! the cache and [settles](Cache::settle) it after a clean commit; a cache that was opened and not settled is empty at the
//! next opening, whatever came between: an error, a panic, a cancellation. One more batch may be opened
//! [ahead](Cache::open_ahead), on top of one that is being committed: it is settled after that one, or gone with it.
//!
//! A resource is in it with its rules, with what requests have named, and with everything live of the stretches of its time
//! that decisions have looked at so far. What is missing is loaded: by name with every batch, by time as the core says what
//! it misses. At first that is no more than a claim and its buffers; the more often a resource misses something, the
//! longer the stretch that is loaded, until all of it is there. More than is needed changes no decision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arbiter_core::partition::Gap;
use arbiter_core::{Coverage, State, reach, surroundings};
use daybook_domain::{BookingId, BookingState, Interval, Request, RequestId, ResourceId, Timestamp};
use daybook_rows::BookingRow;
use daybook_runtime::postgres::StoreError;

use crate::ports::{Loaded, Wanted, Window};

/// How long before the log's time what is over is kept: for what sources report late.
const BACK: Duration = Duration::from_secs(5 * 24 * 60 * 60);
/// How much older than that it may get before it is dropped.
const PRUNE: Duration = Duration::from_secs(24 * 60 * 60);
/// How many bookings a state may gain before what is over is dropped.
const GROWTH: usize = 64;
/// How much is loaded when a resource misses something for the second time; four times as much with every further time.
const STRETCH: Duration = Duration::from_secs(6 * 60 * 60);
/// When a resource has missed something so often, all of its time from [`BACK`] on is loaded: the stretch would be a year.
const MISSES: u32 = 8;
/// A resource with so many bookings in memory is loaded piece by piece, however often it misses something.
const DENSE: usize = 5_000;

/// What a resource itself weighs, as so many bookings: its rules, and a first node of each index.
const OWN_WEIGHT: usize = 3;

/// How many bookings all caches of a process may hold together. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget {
    max: usize,
    held: Arc<AtomicUsize>,
}

impl Budget {
    /// At most `max`, beyond what the batch in hand needs.
    pub fn new(max: usize) -> Self {
        Self { max, held: Arc::default() }
    }

    #[cfg(test)]
    fn address(&self) -> usize {
        Arc::as_ptr(&self.held).addr()
    }

    /// How many are held now.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// The states of a partition's resources.
#[derive(Debug)]
pub struct Cache {
    budget: Budget,
    states: BTreeMap<ResourceId, State>,
    about: BTreeMap<ResourceId, About>,
    /// Of the batch in hand: never dropped.
    batch: BTreeSet<ResourceId>,
    /// Batches that were opened and not settled.
    open: u8,
    turn: u64,
    weight: usize,
    /// The log's time less [`BACK`].
    floor: Timestamp,
}

#[derive(Debug)]
struct About {
    /// Before which everything was dropped last.
    floor: Timestamp,
    /// How often it missed something.
    misses: u32,
    /// The version in the store; none if the store does not have the resource.
    stored: Option<u64>,
    /// The turn of its last batch.
    used: u64,
    /// What it counts for in the budget.
    weight: usize,
    /// How many bookings were left when it was last pruned.
    pruned: usize,
}

impl Cache {
    /// With nothing in it.
    pub fn new(budget: Budget) -> Self {
        #[cfg(test)]
        if let Some(kept) = crate::simulation::bug::kept(budget.address()) {
            return kept;
        }
        Self {
            budget,
            states: BTreeMap::new(),
            about: BTreeMap::new(),
            batch: BTreeSet::new(),
            open: 0,
            turn: 0,
            weight: 0,
            floor: Timestamp::EPOCH,
        }
    }

    /// Begins a batch: says what it needs of the store. Empties the cache first if the batch before was not settled.
    pub fn open(&mut self, requests: &[&Request], now: Timestamp) -> Wanted {
        if self.open > 0 {
            self.clear();
        }
        self.open = 1;
        self.begin(requests, now)
    }

    /// Begins a batch on top of the one that is open: what that one has decided counts as stored.
    pub fn open_ahead(&mut self, requests: &[&Request], now: Timestamp) -> Wanted {
        self.carry();
        self.open += 1;
        self.begin(requests, now)
    }

    fn begin(&mut self, requests: &[&Request], now: Timestamp) -> Wanted {
        self.turn += 1;
        self.floor = now.minus(BACK);
        self.batch = requests.iter().map(|request| request.resource.clone()).collect();
        let mut wanted = Wanted { now: Some(now), ..Wanted::default() };
        for request in requests {
            let resource = &request.resource;
            let reach = reach(request);
            wanted.requests.push(request.request_id);
            wanted.keys.extend(reach.keys.into_iter().map(|key| (resource.clone(), key)));
            wanted.tags.extend(reach.tags.into_iter().map(|tag| (resource.clone(), tag)));
            wanted.bookings.extend(reach.bookings);
            match self.about.get_mut(resource) {
                Some(about) => about.used = self.turn,
                None => {
                    wanted.resources.insert(resource.clone());
                }
            }
        }
        wanted
    }

    /// Takes in what the store said to `wanted`: the rows by id, for those of the batch's resources, and which requests
    /// were decided before.
    pub fn take_in(
        &mut self,
        wanted: &Wanted,
        loaded: Loaded,
    ) -> (BTreeMap<BookingId, BookingRow>, BTreeSet<RequestId>) {
        let Loaded { decided, resources, rows } = loaded;
        let mut stored: BTreeMap<_, _> =
            resources.into_iter().map(|(resource, version, rules)| (resource, (version, rules))).collect();
        for resource in &wanted.resources {
            let (state, stored) = match stored.remove(resource) {
                Some((version, rules)) => (State::unread(resource.clone(), rules, version), Some(version)),
                // Nothing is decided before its first rules.
                None => (State::new(resource.clone()), None),
            };
            let about = About { floor: self.floor, misses: 0, stored, used: self.turn, weight: 0, pruned: 0 };
            self.about.insert(resource.clone(), about);
            self.states.insert(resource.clone(), state);
        }
        let mut by_id = BTreeMap::new();
        for row in rows {
            if !self.batch.contains(&row.resource) {
                continue;
            }
            if let Some(state) = self.states.get_mut(&row.resource) {
                state.learn(row.state.clone());
            }
            by_id.insert(row.state.booking_id, row);
        }
        (by_id, decided)
    }

    /// What is missing for sure, before anything is decided: time around what is claimed.
    pub fn surroundings(&mut self, requests: &[&Request]) -> Vec<Window> {
        let gaps = requests.iter().filter_map(|request| {
            let state = self.states.get(&request.resource)?;
            let time = surroundings(state, request).filter(|time| !state.coverage().holds(*time))?;
            Some(Gap { resource: request.resource.clone(), time })
        });
        let gaps: Vec<Gap> = gaps.collect();
        self.windows(&gaps)
    }

    /// The stretches to be loaded for what was missed: at least that.
    pub fn windows(&mut self, gaps: &[Gap]) -> Vec<Window> {
        let mut stretches: BTreeMap<&ResourceId, Coverage> = BTreeMap::new();
        for Gap { resource, time } in gaps {
            let (Some(state), Some(about)) = (self.states.get(resource), self.about.get_mut(resource)) else {
                continue;
            };
            about.misses += 1;
            let stretch = about.stretch(*time, state.len(), self.floor);
            stretches.entry(resource).or_default().add(stretch);
        }
        let of = |(resource, stretches): (&ResourceId, Coverage)| {
            let window = |time| Window { resource: resource.clone(), time };
            stretches.pieces().map(window).collect::<Vec<_>>()
        };
        stretches.into_iter().flat_map(of).collect()
    }

    /// Takes in everything live of these windows.
    pub fn cover(&mut self, windows: &[Window], live: Vec<(ResourceId, BookingState)>) -> Result<(), StoreError> {
        for (resource, booking) in live {
            if let Some(state) = self.states.get_mut(&resource) {
                state.learn(booking);
            }
        }
        let mut covered = BTreeSet::new();
        for window in windows {
            if let Some(state) = self.states.get_mut(&window.resource) {
                state.cover(window.time);
                covered.insert(&window.resource);
            }
        }
        for state in covered.into_iter().filter_map(|resource| self.states.get(resource)) {
            state.check().map_err(|violation| StoreError::Corrupt(violation.to_string()))?;
        }
        Ok(())
    }

    /// The states to decide on, in place.
    pub const fn states(&mut self) -> &mut BTreeMap<ResourceId, State> {
        &mut self.states
    }

    /// Those of the batch's resources that have rules, with the version that the store has of each.
    pub fn resources(&self) -> impl Iterator<Item = (&State, Option<u64>)> {
        self.batch.iter().filter_map(|resource| {
            let state = self.states.get(resource).filter(|state| state.rules().is_some())?;
            Some((state, self.about.get(resource).and_then(|about| about.stored)))
        })
    }

    /// Ends a batch that was committed, surely and by us: what was decided is what the store has. Drops what is over, and
    /// then what was used longest ago, as far as the budget asks; but not while another batch is open, whose decisions
    /// only the states have.
    pub fn settle(&mut self, now: Timestamp) {
        self.open = self.open.saturating_sub(1);
        if self.open > 0 {
            return;
        }
        self.carry();
        for resource in &self.batch {
            let (Some(state), Some(about)) = (self.states.get_mut(resource), self.about.get_mut(resource)) else {
                continue;
            };
            let floor = now.minus(BACK);
            if floor.since(about.floor) > PRUNE || state.len() > 2 * about.pruned + GROWTH {
                about.floor = floor;
                state.forget_before(floor);
                about.pruned = state.len();
            }
            self.weight -= about.weight;
            self.weight += about.weigh(state, &self.budget);
        }
        self.shrink();
    }

    /// What the batch has decided counts as stored, and its weight as held.
    fn carry(&mut self) {
        for resource in &self.batch {
            let (Some(state), Some(about)) = (self.states.get(resource), self.about.get_mut(resource)) else {
                continue;
            };
            if state.rules().is_some() {
                about.stored = Some(state.version());
            }
            self.weight -= about.weight;
            self.weight += about.weigh(state, &self.budget);
        }
    }

    fn shrink(&mut self) {
        let excess = self.budget.held().saturating_sub(self.budget.max);
        if excess == 0 {
            return;
        }
        let idle = self.about.iter().filter(|(resource, _)| !self.batch.contains(*resource));
        let mut oldest: Vec<(u64, ResourceId)> = idle.map(|(resource, about)| (about.used, resource.clone())).collect();
        oldest.sort();
        let mut freed = 0;
        for (_, resource) in oldest {
            if freed >= excess {
                break;
            }
            if let Some(about) = self.about.remove(&resource) {
                freed += about.weight;
                self.weight -= about.weight;
                self.budget.held.fetch_sub(about.weight, Ordering::Relaxed);
            }
            self.states.remove(&resource);
        }
    }

    fn clear(&mut self) {
        self.states.clear();
        self.about.clear();
        self.budget.held.fetch_sub(self.weight, Ordering::Relaxed);
        self.weight = 0;
    }
}

impl About {
    /// What to load where this time is missed.
    fn stretch(&self, time: Interval, held: usize, floor: Timestamp) -> Interval {
        let Some(again) = self.misses.checked_sub(2) else { return time };
        if self.misses >= MISSES && held < DENSE {
            return Interval::new(time.start().min(floor), Timestamp::MAX).unwrap_or(time);
        }
        let longer = if held < DENSE { STRETCH * 4_u32.pow(again) } else { STRETCH };
        // A claim of a week has its next free slots weeks away.
        let length = longer.max(8 * time.length());
        Interval::new(time.start(), time.start().plus(length)).unwrap_or(time)
    }

    /// Counts a state in the budget; says for how much.
    fn weigh(&mut self, state: &State, budget: &Budget) -> usize {
        let weight = state.len() + OWN_WEIGHT;
        budget.held.fetch_add(weight, Ordering::Relaxed);
        budget.held.fetch_sub(self.weight, Ordering::Relaxed);
        self.weight = weight;
        weight
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        #[cfg(test)]
        crate::simulation::bug::keep(self.budget.address(), || {
            let empty = Self::new(self.budget.clone());
            std::mem::replace(self, empty)
        });
        self.clear();
    }
}

#[cfg(test)]
mod tests;
