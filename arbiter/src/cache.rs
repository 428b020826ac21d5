//! What a partition's worker remembers of its resources between batches.
//!
//! Owns: that a batch is decided on what the store says. Within an epoch the worker is the only writer, so what it has
//! committed is what the store has. A cache belongs to the run of one claim and ends with it. A batch [opens](Cache::open)
//! the cache and [settles](Cache::settle) it after a clean commit; a cache that was opened and not settled is empty at the
//! next opening, whatever came between: an error, a panic, a cancellation. One more batch may be opened
//! [ahead](Cache::open_ahead), on top of one that is being committed: it is settled after that one, or gone with it.
//!
//! A resource is in it with everything live that ends after its floor, and with whatever else requests have named. What is
//! missing is loaded: by name with every batch, by time where a claim reaches back beyond the floor. More than is needed
//! changes no decision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arbiter_core::{State, reach};
use daybook_domain::{BookingId, Request, RequestId, ResourceId, Timestamp};
use daybook_rows::BookingRow;
use daybook_runtime::postgres::StoreError;

use crate::ports::{Loaded, Wanted};

/// How far back of the log's time a loaded state is complete. Two days are the widest buffers that a claim is compared
/// across; three more are for what sources report late.
const BACK: Duration = Duration::from_secs(5 * 24 * 60 * 60);
/// How much older a floor may get before what ended below it is dropped.
const PRUNE: Duration = Duration::from_secs(24 * 60 * 60);
/// How many bookings a state may gain before what is over is dropped.
const GROWTH: usize = 64;

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
}

#[derive(Debug)]
struct About {
    /// Everything live that ends after it is there.
    floor: Timestamp,
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
        self.batch = requests.iter().map(|request| request.resource.clone()).collect();
        let floor = now.minus(BACK);
        let mut wanted = Wanted { now: Some(now), floor: Some(floor), ..Wanted::default() };
        for request in requests {
            let resource = &request.resource;
            let reach = reach(request);
            wanted.requests.push(request.request_id);
            wanted.keys.extend(reach.keys.into_iter().map(|key| (resource.clone(), key)));
            wanted.tags.extend(reach.tags.into_iter().map(|tag| (resource.clone(), tag)));
            wanted.bookings.extend(reach.bookings);
            let complete_from = match self.about.get_mut(resource) {
                Some(about) => {
                    about.used = self.turn;
                    about.floor
                }
                None => {
                    wanted.whole.insert(resource.clone());
                    floor
                }
            };
            if let Some(interval) = reach.interval.filter(|interval| interval.start() < complete_from) {
                wanted.probes.push((resource.clone(), interval));
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
    ) -> Result<(BTreeMap<BookingId, BookingRow>, BTreeSet<RequestId>), StoreError> {
        let Loaded { decided, resources, live, rows } = loaded;
        let mut stored: BTreeMap<_, _> =
            resources.into_iter().map(|(resource, version, rules)| (resource, (version, rules))).collect();
        let mut of_resource: BTreeMap<ResourceId, Vec<_>> = BTreeMap::new();
        for (resource, state) in live {
            of_resource.entry(resource).or_default().push(state);
        }
        for resource in &wanted.whole {
            let bookings = of_resource.remove(resource).unwrap_or_default();
            let (version, rules) =
                stored.remove(resource).map(|(version, rules)| (Some(version), Some(rules))).unwrap_or_default();
            let state = State::load(resource.clone(), rules, version.unwrap_or_default(), bookings)
                .map_err(|violation| StoreError::Corrupt(violation.to_string()))?;
            let about = About {
                floor: wanted.floor.unwrap_or(Timestamp::EPOCH),
                stored: version,
                used: self.turn,
                weight: 0,
                pruned: state.len(),
            };
            self.about.insert(resource.clone(), about);
            self.states.insert(resource.clone(), state);
        }
        for (resource, bookings) in of_resource {
            bookings.into_iter().for_each(|booking| self.learn(&resource, &booking));
        }
        let mut by_id = BTreeMap::new();
        for row in rows {
            if !self.batch.contains(&row.resource) {
                continue;
            }
            self.learn(&row.resource, &row.state);
            by_id.insert(row.state.booking_id, row);
        }
        Ok((by_id, decided))
    }

    /// A booking that is there already is as new as the store's.
    fn learn(&mut self, resource: &ResourceId, booking: &daybook_domain::BookingState) {
        if let Some(state) = self.states.get_mut(resource)
            && state.booking(booking.booking_id).is_none()
        {
            state.learn(booking.clone());
        }
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
                about.floor = about.floor.max(floor);
                state.forget_before(about.floor);
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
    /// Counts a state in the budget; says for how much.
    fn weigh(&mut self, state: &State, budget: &Budget) -> usize {
        // The resource itself counts, or names of nothing would fill the memory.
        let weight = state.len() + 1;
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
