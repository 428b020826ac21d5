//! The course of a run: requests come, processes come and go, the group gives the partitions to them, and in the end it is
//! quiet.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::process::Process;
use super::story::Story;
use super::world::{Kind, Sim};

/// How long it may take after the last fault until everything is at rest. A fenced worker waits for a minute.
const REST: Duration = Duration::from_secs(600);

/// The group, and what happens to it.
#[derive(Debug)]
pub struct Stage {
    sim: Sim,
    slots: Vec<Slot>,
    seats: BTreeMap<i32, Seat>,
    started: usize,
}

#[derive(Debug)]
struct Slot {
    process: Option<Process>,
    /// When a new one takes the place of one that has died.
    back_at: Instant,
}

/// Whose a partition is.
#[derive(Debug)]
struct Seat {
    /// None until somebody takes it.
    owner: Option<usize>,
    revoked: CancellationToken,
    /// When it is given to somebody.
    given_at: Instant,
}

/// The longest time that nobody looks at the processes.
const TICK: Duration = Duration::from_millis(50);

impl Stage {
    pub fn new(sim: &Sim) -> Self {
        let mut world = sim.world();
        let (partitions, slots) = (world.broker.partitions(), 2 + usize::from(world.dice.chance(3_000)));
        drop(world);
        let seat = |_| Seat { owner: None, revoked: CancellationToken::new(), given_at: Instant::now() };
        Self {
            sim: sim.clone(),
            slots: (0..slots).map(|_| Slot { process: None, back_at: Instant::now() }).collect(),
            seats: (0..partitions).map(|nth| (nth, seat(nth))).collect(),
            started: 0,
        }
    }

    /// From the first request to rest.
    pub async fn play(&mut self) {
        let mut story = Story::new(&self.sim);
        let steps = 10 + self.sim.world().dice.below(50);
        for _ in 0..steps {
            let pause = {
                let mut world = self.sim.world();
                match world.dice.below(10) {
                    0..5 => Duration::ZERO,
                    5..8 => world.dice.millis(1, 300),
                    8 => world.dice.millis(300, 3_000),
                    _ => world.dice.millis(1_000, 20_000),
                }
            };
            self.wait(pause).await;
            self.accident();
            story.tell(&mut self.sim.world());
            self.sim.landed.notify_waiters();
        }
        let pause = self.sim.world().dice.millis(0, 60_000);
        self.wait(pause).await;
        {
            let mut world = self.sim.world();
            world.calm = true;
            world.note(|| "calm".to_owned());
            story.end(&mut world);
        }
        self.sim.landed.notify_waiters();
        self.rest(&mut story).await;
        self.slots.iter().filter_map(|slot| slot.process.as_ref()).for_each(Process::account);
    }

    async fn wait(&mut self, span: Duration) {
        let until = Instant::now() + span;
        loop {
            self.look();
            let now = Instant::now();
            if now >= until {
                return;
            }
            tokio::time::sleep_until(until.min(now + TICK)).await;
        }
    }

    /// Until nothing is left to do, and still is not after a while.
    async fn rest(&mut self, story: &mut Story) {
        let deadline = Instant::now() + REST;
        let mut quiet = 0;
        // Longer than a partition takes to begin to follow what lands.
        while quiet < 6 {
            if Instant::now() > deadline {
                let open = self.unfinished();
                self.sim.world().complain(Kind::Restless, open.unwrap_or_default());
                return;
            }
            self.slots.iter().filter_map(|slot| slot.process.as_ref()).for_each(|process| process.host.thaw());
            self.wait(Duration::from_millis(700)).await;
            story.expire(&mut self.sim.world());
            self.sim.landed.notify_waiters();
            quiet = if self.unfinished().is_some() { 0 } else { quiet + 1 };
        }
    }

    /// What is still to be done.
    fn unfinished(&self) -> Option<String> {
        let world = self.sim.world();
        for (partition, seat) in &self.seats {
            let position = &world.server.shard(*partition).position;
            let end = world.broker.requests(*partition).len();
            if usize::try_from(position.next_offset) != Ok(end) {
                return Some(format!("partition {partition} stands before {} of {end}", position.next_offset));
            }
            if seat.owner.is_none() {
                return Some(format!("partition {partition} is nobody's"));
            }
            let stored = world.server.shard(*partition).decisions.len();
            let landed = world.broker.decisions(*partition).iter().filter_map(|landed| landed.says.as_ref());
            let published = landed.map(|logged| logged.seq).max().unwrap_or_default();
            if i64::try_from(stored) != Ok(published) {
                return Some(format!("partition {partition}: {stored} decisions, {published} published"));
            }
        }
        let busy =
            self.slots.iter().filter_map(|slot| slot.process.as_ref()).find(|process| !process.host.is_drained());
        busy.map(|process| format!("{} still sends", process.host.name))
    }

    /// Something happens that no single process's await is the occasion of.
    fn accident(&mut self) {
        let mut world = self.sim.world();
        if world.fault(|profile| profile.leap) {
            let hours = world.dice.pick(&[1, 1, 5, 26, 30, 50]);
            world.leap(Duration::from_secs(3_600 * hours));
            world.note(|| format!("the log's time leaps by {hours} h"));
        }
        if world.fault(|profile| profile.restore) {
            let back = 1 + world.dice.below(6);
            // Without its claim a successor is nobody, and its predecessor, should it thaw, the owner: it decides the same,
            // but for what somebody could read by then.
            let claims_are_kept = world.profile.unreadable > 0;
            let lost = world.server.restore(back, claims_are_kept);
            world.count("restores");
            world.note(|| format!("the store has lost {lost} commits"));
            drop(world);
            self.sim.released.notify_waiters();
            return;
        }
        // What was granted and published once would be refused after both.
        if world.profile.restore == 0 && world.fault(|profile| profile.ghost) {
            super::story::haunt(&mut world);
        }
    }

    /// What the group sees of its processes.
    fn look(&mut self) {
        for nth in 0..self.slots.len() {
            self.alarms(nth);
            self.bury(nth);
            self.hand_over(nth);
            let slot = &mut self.slots[nth];
            if slot.process.is_none() && slot.back_at <= Instant::now() {
                self.started += 1;
                let name = format!("arbiter {nth}.{}", self.started);
                self.sim.world().note(|| format!("{name} starts"));
                slot.process = Some(Process::start(&self.sim, name));
            }
        }
        let alive: Vec<usize> = (0..self.slots.len()).filter(|nth| self.slots[*nth].process.is_some()).collect();
        if alive.is_empty() {
            return;
        }
        for (partition, seat) in &mut self.seats {
            if seat.owner.is_none() && seat.given_at <= Instant::now() {
                let owner = self.sim.world().dice.pick(&alive);
                seat.owner = Some(owner);
                seat.revoked = CancellationToken::new();
                if let Some(process) = &self.slots[owner].process {
                    self.sim.world().note(|| format!("partition {partition} is given to {}", process.host.name));
                    process.take(*partition, &seat.revoked);
                }
            }
        }
    }

    /// A process that has died is killed, missed after its session, and started again.
    fn bury(&mut self, nth: usize) {
        let slot = &mut self.slots[nth];
        let Some(process) = slot.process.take_if(|process| process.host.is_dead()) else { return };
        process.host.kill();
        process.account();
        let mut world = self.sim.world();
        let now = Instant::now();
        slot.back_at = now + world.dice.millis(500, 20_000);
        for seat in self.seats.values_mut().filter(|seat| seat.owner == Some(nth)) {
            seat.owner = None;
            seat.given_at = now + world.dice.millis(0, 10_000);
        }
    }

    /// Partitions that somebody else is to have: the group has told it, or takes it for dead and tells it later.
    fn hand_over(&mut self, nth: usize) {
        let Some(process) = &self.slots[nth].process else { return };
        let given_up = std::mem::take(&mut *process.host.given_up.lock().unwrap_or_else(PoisonError::into_inner));
        let mut world = self.sim.world();
        for (partition, told) in given_up {
            let Some(seat) = self.seats.get_mut(&partition).filter(|seat| seat.owner == Some(nth)) else { continue };
            world.count(if told { "revocations" } else { "usurpations" });
            seat.owner = None;
            seat.given_at = Instant::now() + world.dice.millis(0, if told { 2_000 } else { 10_000 });
            if !told {
                let (revoked, after) = (seat.revoked.clone(), world.dice.millis(0, 50_000));
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    revoked.cancel();
                });
            }
        }
    }

    /// What people would be called for.
    fn alarms(&self, nth: usize) {
        let Some(process) = &self.slots[nth].process else { return };
        let (fired, stopped) = process.alarms();
        let (mut world, name) = (self.sim.world(), &process.host.name);
        if fired > 0 && world.server.ghosts.is_empty() {
            world.complain(Kind::Constraint, format!("{name}: the constraint fired"));
        }
        if stopped > 0 {
            world.complain(Kind::Stopped, format!("{name} has stopped a partition: the topic and the store disagree"));
        }
    }
}
