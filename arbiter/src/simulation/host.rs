//! A process as the machine has it: it crashes, freezes and loses connections wherever it waits; its Kafka client has
//! queues of its own.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::broker::Lane;
use super::world::Sim;
use crate::ports::Post;

/// How long the group waits for a silent process.
const SESSION: Duration = Duration::from_secs(10);

/// The connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

/// What happens at an await.
enum Fate {
    Nothing,
    Yield,
    Delay(Duration),
    Lost,
    Crash,
}

/// A process.
#[derive(Debug)]
pub struct Host {
    pub sim: Sim,
    pub name: String,
    /// It has crashed.
    pub died: CancellationToken,
    /// Partitions that it has been told are its own, until it is told otherwise.
    pub seats: Mutex<BTreeMap<i32, CancellationToken>>,
    /// Partitions of its that the group should give to somebody else.
    pub given_up: Mutex<Vec<(i32, bool)>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    frozen_until: Option<Instant>,
    lanes: BTreeMap<Lane, LaneQueue>,
    tasks: Vec<AbortHandle>,
}

#[derive(Debug, Default)]
struct LaneQueue {
    waiting: VecDeque<Sending>,
    rung: Arc<Notify>,
}

/// A record in a client's queue.
#[derive(Debug)]
struct Sending {
    post: Post,
    acknowledge: Option<oneshot::Sender<bool>>,
}

impl Host {
    pub fn new(sim: &Sim, name: String) -> Arc<Self> {
        Arc::new(Self {
            sim: sim.clone(),
            name,
            died: CancellationToken::new(),
            seats: Mutex::default(),
            given_up: Mutex::default(),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn is_dead(&self) -> bool {
        self.died.is_cancelled()
    }

    /// A task that dies with the process.
    pub fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        if !self.is_dead() {
            let handle = tokio::spawn(task);
            self.state().tasks.push(handle.abort_handle());
        }
    }

    /// An await of the loop's. Here a process crashes, freezes, loses its partition or its connection, or is merely slow.
    pub async fn point(&self, at: &'static str) -> Result<(), Lost> {
        match self.roll(at) {
            Fate::Nothing => {}
            Fate::Yield => tokio::task::yield_now().await,
            Fate::Delay(delay) => tokio::time::sleep(delay).await,
            Fate::Crash => {
                self.died.cancel();
                std::future::pending::<()>().await;
            }
            Fate::Lost => {
                self.thawed().await;
                return Err(Lost);
            }
        }
        self.thawed().await;
        Ok(())
    }

    fn roll(&self, at: &'static str) -> Fate {
        let mut world = self.sim.world();
        if world.calm {
            return Fate::Nothing;
        }
        if world.fault(|profile| profile.revoke) {
            let told = world.dice.chance(6_000);
            let nth = world.dice.below(8);
            drop(world);
            self.give_up(nth, told, at);
            return Fate::Nothing;
        }
        if world.fault(|profile| profile.freeze) {
            let span =
                if world.dice.chance(5_000) { world.dice.millis(100, 8_000) } else { world.dice.millis(8_000, 90_000) };
            world.count("freezes");
            world.note(|| format!("{} freezes for {span:?} at {at}", self.name));
            let missed = span > SESSION && world.dice.chance(7_000);
            drop(world);
            self.freeze(span);
            if missed {
                let seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
                let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
                given_up.extend(seats.keys().map(|partition| (*partition, false)));
            }
            return Fate::Nothing;
        }
        if world.fault(|profile| profile.crash) {
            world.count(&format!("crash at {at}"));
            world.note(|| format!("{} crashes at {at}", self.name));
            return Fate::Crash;
        }
        if world.fault(|profile| profile.lost) {
            world.note(|| format!("{} loses its connection at {at}", self.name));
            return Fate::Lost;
        }
        if world.fault(|profile| profile.delay) {
            let long = world.dice.chance(500);
            return Fate::Delay(if long { world.dice.millis(1_000, 8_000) } else { world.dice.millis(1, 80) });
        }
        if world.dice.chance(2_000) { Fate::Yield } else { Fate::Nothing }
    }

    fn give_up(&self, nth: usize, told: bool, at: &'static str) {
        let seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((partition, revoked)) = seats.iter().nth(nth % seats.len().max(1)) else { return };
        if told {
            revoked.cancel();
        }
        self.sim.world().note(|| format!("{} is to lose partition {partition} at {at}, told: {told}", self.name));
        self.given_up.lock().unwrap_or_else(PoisonError::into_inner).push((*partition, told));
    }

    pub fn freeze(&self, span: Duration) {
        let until = Instant::now() + span;
        let mut state = self.state();
        state.frozen_until = state.frozen_until.max(Some(until));
    }

    pub fn thaw(&self) {
        self.state().frozen_until = None;
    }

    /// Comes back when the process runs.
    pub async fn thawed(&self) {
        loop {
            let until = self.state().frozen_until.filter(|until| *until > Instant::now());
            match until {
                None if self.is_dead() => std::future::pending().await,
                None => return,
                // Looked at again, should the freeze be over before.
                Some(until) => tokio::time::sleep_until(until.min(Instant::now() + Duration::from_secs(1))).await,
            }
        }
    }

    /// Ends it as a kill does. Of what its client has sent, some may be on its way still.
    pub fn kill(&self) {
        self.died.cancel();
        let (tasks, lanes) = {
            let mut state = self.state();
            (std::mem::take(&mut state.tasks), std::mem::take(&mut state.lanes))
        };
        tasks.iter().for_each(AbortHandle::abort);
        for (lane, queue) in lanes {
            let (sim, name, mut world) = (self.sim.clone(), self.name.clone(), self.sim.world());
            let on_its_way = if world.calm { 0 } else { world.dice.below(queue.waiting.len().min(5) + 1) };
            let delay = world.dice.millis(0, 20_000);
            drop(world);
            let last: Vec<Post> = queue.waiting.into_iter().take(on_its_way).map(|sending| sending.post).collect();
            if !last.is_empty() {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let mut world = sim.world();
                    world.count("late writes of the dead");
                    last.iter().for_each(|post| land(&mut world, &name, lane, post));
                    drop(world);
                    sim.landed.notify_waiters();
                });
            }
        }
    }

    /// Takes a record into the client's queue. The answer comes when the broker has it.
    pub fn send(self: &Arc<Self>, post: Post) -> oneshot::Receiver<bool> {
        let (acknowledge, acknowledged) = oneshot::channel();
        let lane = self.sim.world().broker.lane(&post);
        let mut state = self.state();
        let is_new = !state.lanes.contains_key(&lane);
        let queue = state.lanes.entry(lane).or_default();
        queue.waiting.push_back(Sending { post, acknowledge: Some(acknowledge) });
        queue.rung.notify_one();
        let rung = Arc::clone(&queue.rung);
        drop(state);
        if is_new {
            let host = Arc::clone(self);
            self.spawn(async move { host.carry(lane, &rung).await });
        }
        acknowledged
    }

    /// The client's own thread, for one partition of one topic: in order, one after the other.
    async fn carry(&self, lane: Lane, rung: &Notify) {
        loop {
            let is_empty = self.state().lanes.get(&lane).is_none_or(|queue| queue.waiting.is_empty());
            if is_empty {
                rung.notified().await;
                continue;
            }
            let delay = {
                let mut world = self.sim.world();
                let is_slow = world.fault(|profile| profile.delay);
                is_slow.then(|| {
                    if world.dice.chance(500) { world.dice.millis(100, 5_000) } else { world.dice.millis(1, 20) }
                })
            };
            if let Some(delay) = delay {
                tokio::time::sleep(delay).await;
            }
            self.thawed().await;
            let next = self.state().lanes.get_mut(&lane).and_then(|queue| queue.waiting.pop_front());
            let Some(mut sending) = next else { continue };
            let mut world = self.sim.world();
            // Of the log's two topics nothing is ever given up; of the others, some is.
            let is_side = !matches!(lane.0, daybook_domain::topics::DECISIONS | daybook_domain::topics::CANONICAL);
            let failed = is_side && world.fault(|profile| profile.unacknowledged);
            let kept = !failed || world.dice.chance(5_000);
            if kept {
                land(&mut world, &self.name, lane, &sending.post);
            }
            drop(world);
            self.sim.landed.notify_waiters();
            if let Some(acknowledge) = sending.acknowledge.take() {
                let _ = acknowledge.send(!failed);
            }
        }
    }

    /// Whether its client has sent everything.
    pub fn is_drained(&self) -> bool {
        self.state().lanes.values().all(|queue| queue.waiting.is_empty())
    }
}

fn land(world: &mut super::world::World, name: &str, lane: Lane, post: &Post) {
    let now = world.now();
    let what = world.broker.land(lane, post, now);
    world.note(|| format!("{name}: {what} lands on {}[{}]", lane.0, lane.1));
}
