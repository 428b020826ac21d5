//! What everybody in a run shares: the dice, the clock, the store, the topics, and what is written down of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use daybook_domain::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::broker::Broker;
use super::dice::Dice;
use super::server::Server;

/// Log time at the beginning of every run.
const BEGINS: i64 = 1_790_000_000_000_000;

/// What may go wrong in a run, and how often: of ten thousand. A seed chooses, so that each fault is also seen without the
/// others.
#[derive(Debug, Clone)]
pub struct Profile {
    /// At an await: it takes a while.
    pub delay: u32,
    /// At an await: the connection is lost.
    pub lost: u32,
    /// At an await: the process crashes.
    pub crash: u32,
    /// At an await: the process freezes, and goes on.
    pub freeze: u32,
    /// At an await: somebody else takes the partition over.
    pub revoke: u32,
    /// A COMMIT without an answer.
    pub unknown: u32,
    /// A record that the client takes and says that it did not, or that it had no room for.
    pub unacknowledged: u32,
    /// A step: the store is put back by some commits.
    pub restore: u32,
    /// A step: somebody writes a row into the store that nobody loads.
    pub ghost: u32,
    /// A record that the store refuses.
    pub poison: u32,
    /// A record that nobody can read, or only later.
    pub unreadable: u32,
    /// A step: the log's time leaps by hours or days.
    pub leap: u32,
}

impl Profile {
    pub fn roll(dice: &mut Dice) -> Self {
        if dice.chance(500) {
            return Self::calm();
        }
        let mut of = |often: &[u32]| if dice.chance(4_000) { 0 } else { dice.pick(often) };
        Self {
            delay: of(&[500, 1_500, 4_000]),
            lost: of(&[50, 200, 800]),
            crash: of(&[10, 40, 120]),
            freeze: of(&[10, 40, 120]),
            revoke: of(&[10, 40, 120]),
            unknown: of(&[300, 1_000, 3_000]),
            unacknowledged: of(&[200, 1_000, 2_500]),
            restore: if of(&[1]) > 0 { of(&[0, 150, 500]) } else { 0 },
            ghost: of(&[0, 0, 0, 100]),
            poison: of(&[0, 0, 100, 300]),
            unreadable: of(&[0, 100, 300]),
            leap: of(&[0, 300, 1_000]),
        }
    }

    const fn calm() -> Self {
        Self {
            delay: 0,
            lost: 0,
            crash: 0,
            freeze: 0,
            revoke: 0,
            unknown: 0,
            unacknowledged: 0,
            restore: 0,
            ghost: 0,
            poison: 0,
            unreadable: 0,
            leap: 0,
        }
    }
}

/// What was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A request of the log without a decision, or a decision without a request.
    Undecided,
    /// A request with two.
    DecidedTwice,
    /// `seq` has a gap, or does not follow the log.
    Gap,
    /// The hash chain is broken.
    Chain,
    /// The core, asked again, decides otherwise.
    Replay,
    /// Two bookings on one unit.
    Overlap,
    /// A refusal names a winner who was not in the way.
    RefusedForNothing,
    /// A refused reschedule, or half of one, has freed the old time.
    FreedEarly,
    /// Of a move between resources only a half was done.
    HalfMoved,
    /// The store's rows are not what follows from the decisions.
    Rows,
    /// The compensations are not what follows from the decisions.
    Compensations,
    /// An arbiter has committed that did not own the partition.
    StaleOwner,
    /// The decisions' epochs fall.
    Epochs,
    /// The topic's decisions are not the store's.
    Published,
    /// The last record of a booking is not its row.
    Canonical,
    /// A record was dead-lettered although it was decided, or the other way round.
    DeadLetter,
    /// The constraint fired although nobody went round the arbiter.
    Constraint,
    /// An arbiter stopped for a new owner whom there was not.
    FalseFence,
    /// An arbiter stopped for good: an error, a panic, a disagreement.
    Stopped,
    /// It did not come to rest.
    Restless,
}

/// What the judge says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub kind: Kind,
    pub what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}

/// A world.
#[derive(Debug)]
pub struct World {
    pub dice: Dice,
    pub profile: Profile,
    /// No more faults.
    pub calm: bool,
    pub server: Server,
    pub broker: Broker,
    pub complaints: Vec<Complaint>,
    /// What has happened how often, and where the crashes were.
    pub count: BTreeMap<String, u64>,
    /// What happened, line by line, if somebody wants to read it.
    pub trace: Option<Vec<String>>,
    began: Instant,
    leapt: Duration,
}

impl World {
    /// By the brokers' clock.
    pub fn now(&self) -> Timestamp {
        let begins = Timestamp::from_micros(BEGINS).unwrap_or(Timestamp::EPOCH);
        begins.plus(self.began.elapsed()).plus(self.leapt)
    }

    pub fn leap(&mut self, by: Duration) {
        self.leapt += by;
    }

    pub fn complain(&mut self, kind: Kind, what: impl Into<String>) {
        let what = what.into();
        self.note(|| format!("COMPLAINT {kind:?}: {what}"));
        let complaint = Complaint { kind, what };
        if !self.complaints.contains(&complaint) {
            self.complaints.push(complaint);
        }
    }

    pub fn count(&mut self, what: &str) {
        match self.count.get_mut(what) {
            Some(count) => *count += 1,
            None => {
                self.count.insert(what.to_owned(), 1);
            }
        }
    }

    pub fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9.3} {}", self.began.elapsed().as_secs_f64(), what()));
        }
    }

    /// Chance, as long as there are faults.
    pub fn fault(&mut self, often: impl FnOnce(&Profile) -> u32) -> bool {
        let often = often(&self.profile);
        !self.calm && often > 0 && self.dice.chance(often)
    }
}

/// A world that everybody can reach. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sim {
    world: Arc<Mutex<World>>,
    /// Rung when a transaction has ended.
    pub released: Arc<Notify>,
    /// Rung when a record has landed.
    pub landed: Arc<Notify>,
}

impl Sim {
    /// Must be made inside the runtime, whose clock it reads.
    pub fn new(seed: u64, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        let profile = Profile::roll(&mut dice);
        let partitions = 1 + i32::from(dice.chance(7_000));
        let mut world = World {
            dice,
            profile,
            calm: false,
            server: Server::new(partitions),
            broker: Broker::new(partitions),
            complaints: Vec::new(),
            count: BTreeMap::new(),
            trace: traced.then(Vec::new),
            began: Instant::now(),
            leapt: Duration::ZERO,
        };
        let profile = world.profile.clone();
        world.note(|| format!("{partitions} partitions, {profile:?}"));
        Self { world: Arc::new(Mutex::new(world)), released: Arc::default(), landed: Arc::default() }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
