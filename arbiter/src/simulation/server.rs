//! The store's server: transactions with their locks, and what becomes of a COMMIT.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arbiter_core::partition::Position;
use daybook_domain::BookingId;
use tokio::time::Instant;

use super::bug::{self, Bug};
use super::tables::{Ghost, Refusal, Shard};

/// `idle_in_transaction_session_timeout`.
pub const IDLE: Duration = Duration::from_secs(5);
/// `lock_timeout`.
pub const LOCK: Duration = Duration::from_secs(10);
/// How old a session's transaction is when a claim ends it.
const STUCK: Duration = Duration::from_secs(20);

/// A transaction's name.
pub type Id = u64;

/// What the server has.
#[derive(Debug)]
pub struct Server {
    began: Instant,
    shards: BTreeMap<i32, Arc<Shard>>,
    /// All of them after each commit, the newest last.
    versions: Vec<BTreeMap<i32, Arc<Shard>>>,
    open: BTreeMap<Id, Transaction>,
    next: Id,
    pub ghosts: Vec<Ghost>,
    pub restores: u64,
    /// Commits by others than the owner: the partition, the epoch of the writer, the epoch of the owner.
    pub stale: Vec<(i32, i64, i64)>,
}

#[derive(Debug)]
struct Transaction {
    partition: i32,
    /// What it sees: the committed rows when it had the lock, and its own writes.
    rows: Option<Shard>,
    /// Rows that nobody else can insert meanwhile.
    inserted: BTreeSet<BookingId>,
    locked: bool,
    /// The epoch that the client believes to be its own.
    writer: Option<i64>,
    began: Instant,
    last: Instant,
    /// The client has sent its COMMIT, so that it is not idle.
    committing: bool,
}

/// Why a transaction cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The session is gone, and the transaction with it.
    Gone,
    /// The statement was refused, and the transaction with it.
    Refused(Refusal),
    /// Rows of a stale epoch: the trigger.
    Stale,
    /// Somebody has the row, at least until then.
    Wait(Instant),
}

impl Server {
    pub fn new(partitions: i32) -> Self {
        let shards: BTreeMap<i32, Arc<Shard>> = (0..partitions).map(|nth| (nth, Arc::new(Shard::new(nth)))).collect();
        let versions = vec![shards.clone()];
        Self {
            began: Instant::now(),
            shards,
            versions,
            open: BTreeMap::new(),
            next: 0,
            ghosts: Vec::new(),
            restores: 0,
            stale: Vec::new(),
        }
    }

    /// What is committed.
    pub fn shard(&self, partition: i32) -> &Arc<Shard> {
        &self.shards[&partition]
    }

    pub fn shards(&self) -> impl Iterator<Item = &Arc<Shard>> {
        self.shards.values()
    }

    pub fn begin(&mut self, partition: i32) -> Id {
        self.next += 1;
        let now = Instant::now();
        let transaction = Transaction {
            partition,
            rows: None,
            inserted: BTreeSet::new(),
            locked: false,
            writer: None,
            began: now,
            last: now,
            committing: false,
        };
        self.open.insert(self.next, transaction);
        self.next
    }

    /// Ends the sessions that idle in their transactions.
    fn end_idle(&mut self) {
        let now = Instant::now();
        self.open.retain(|_, transaction| transaction.committing || now < transaction.last + IDLE);
    }

    /// A statement of this transaction comes.
    fn arrive(&mut self, id: Id) -> Result<&mut Transaction, Stop> {
        self.end_idle();
        let transaction = self.open.get_mut(&id).ok_or(Stop::Gone)?;
        transaction.last = Instant::now();
        Ok(transaction)
    }

    /// Locks the partition's row.
    pub fn lock(&mut self, id: Id) -> Result<(), Stop> {
        let partition = self.arrive(id)?.partition;
        let holder = self.open.iter().find(|(other, held)| **other != id && held.partition == partition && held.locked);
        if let Some((_, holder)) = holder {
            return Err(Stop::Wait(if holder.committing { Instant::now() + LOCK } else { holder.last + IDLE }));
        }
        let committed = Arc::clone(&self.shards[&partition]);
        let transaction = self.arrive(id)?;
        transaction.locked = true;
        match &mut transaction.rows {
            Some(rows) => rows.position = committed.position.clone(),
            None => transaction.rows = Some((*committed).clone()),
        }
        Ok(())
    }

    /// The fence: whether the row is where this arbiter left it. Moves it.
    pub fn fence(&mut self, id: Id, from: &Position, to: &Position) -> Result<bool, Stop> {
        let transaction = self.arrive(id)?;
        transaction.writer = Some(from.epoch);
        let Some(rows) = transaction.rows.as_mut().filter(|_| transaction.locked) else { return Err(Stop::Gone) };
        let is_mine = rows.position.epoch == from.epoch && rows.position.next_offset == from.next_offset;
        if is_mine || bug::is(Bug::NoFence) {
            rows.advance(from, to);
        }
        Ok(is_mine || bug::is(Bug::NoFence))
    }

    /// A statement that writes rows with this epoch, some of them new bookings.
    pub fn write(
        &mut self,
        id: Id,
        epoch: i64,
        new: &BTreeSet<BookingId>,
        statement: impl FnOnce(&mut Shard, &[Ghost]) -> Result<(), Refusal>,
    ) -> Result<(), Stop> {
        let partition = self.arrive(id)?.partition;
        // Only without the lock can another have inserted the same.
        let rival = self.open.iter().find(|(other, held)| **other != id && !held.inserted.is_disjoint(new));
        if let Some((_, rival)) = rival {
            return Err(Stop::Wait(if rival.committing { Instant::now() + LOCK } else { rival.last + IDLE }));
        }
        let committed = Arc::clone(&self.shards[&partition]);
        let ghosts = self.ghosts.clone();
        let transaction = self.arrive(id)?;
        let twice = !transaction.locked && new.iter().any(|booking| committed.bookings.contains_key(booking));
        let stale = committed.position.epoch != epoch && !bug::is(Bug::NoFence);
        let rows = transaction.rows.get_or_insert_with(|| (*committed).clone());
        let done = match (stale, twice) {
            (true, _) => Err(Stop::Stale),
            (_, true) => Err(Stop::Refused(Refusal::Rows)),
            (false, false) => statement(rows, &ghosts).map_err(Stop::Refused),
        };
        match done {
            Ok(()) => transaction.inserted.extend(new),
            Err(_) => {
                self.open.remove(&id);
            }
        }
        done
    }

    /// The client has sent COMMIT.
    pub fn committing(&mut self, id: Id) -> Result<(), Stop> {
        self.arrive(id)?.committing = true;
        Ok(())
    }

    /// COMMIT is carried out, if the session still is.
    pub fn commit(&mut self, id: Id) -> Result<(), Stop> {
        let transaction = self.open.remove(&id).ok_or(Stop::Gone)?;
        if let Some(rows) = transaction.rows {
            let epoch = rows.position.epoch;
            self.stale.extend(
                transaction
                    .writer
                    .filter(|writer| *writer != epoch)
                    .map(|writer| (transaction.partition, writer, epoch)),
            );
            self.shards.insert(transaction.partition, Arc::new(rows));
            self.versions.push(self.shards.clone());
        }
        Ok(())
    }

    pub fn rollback(&mut self, id: Id) {
        self.open.remove(&id);
    }

    /// A claim's statement, once it has the row.
    pub fn bump(&mut self, id: Id) -> Result<Position, Stop> {
        // To the clock, as the production statement does: a store that was put back gives out no epoch twice.
        let clock = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let transaction = self.arrive(id)?;
        let Some(rows) = &mut transaction.rows else { return Err(Stop::Gone) };
        rows.position.epoch = (rows.position.epoch + 1).max(clock);
        Ok(rows.position.clone())
    }

    /// A claim ends the sessions that were stuck for long.
    pub fn end_stuck(&mut self) {
        let now = Instant::now();
        self.open.retain(|_, transaction| now < transaction.began + STUCK);
    }

    /// Puts everything back to what it was so many commits ago, or, if claims are to be kept, to what it was after the last
    /// of them. Says how many commits were lost.
    pub fn restore(&mut self, back: usize, claims_are_kept: bool) -> usize {
        let epochs = |shards: &BTreeMap<i32, Arc<Shard>>| -> Vec<i64> {
            shards.values().map(|shard| shard.position.epoch).collect()
        };
        let newest = epochs(&self.shards);
        let lost = self.versions.iter().rev().take(back + 1);
        let lost = lost.take_while(|version| !claims_are_kept || epochs(version) == newest).count() - 1;
        self.versions.truncate(self.versions.len() - lost);
        if let Some(version) = self.versions.last() {
            self.shards.clone_from(version);
        }
        self.open.clear();
        self.restores += u64::from(lost > 0);
        lost
    }
}
