//! [`Books`] over the server in memory, one statement after the other, as `store/` sends them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arbiter_core::partition::Position;
use daybook_domain::{BookingId, BookingState, ResourceId};
use daybook_rows::BookingRow;
use daybook_runtime::postgres::StoreError;
use daybook_wire::CanonicalBooking;
use tokio::time::Instant;

use super::bug::{self, Bug};
use super::host::{Host, Lost};
use super::server::{Id, LOCK, Server, Stop};
use super::tables::{Ghost, Refusal, Shard};
use super::world::Sim;
use crate::batch::Decided;
use crate::error::Error;
use crate::ports::{Books, Loaded, StoredDecision, Wanted, Window};

/// A process's connections to the store.
#[derive(Debug, Clone)]
pub struct SimBooks(pub Arc<Host>);

/// A session inside a transaction. When its client is gone the server ends it, sooner or later.
struct Session<'a> {
    host: &'a Host,
    id: Id,
    over: bool,
}

impl From<Lost> for StoreError {
    fn from(_: Lost) -> Self {
        Self::Database(sqlx::Error::PoolTimedOut)
    }
}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        Self::Store(lost.into())
    }
}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Gone | Stop::Wait(_) => Lost.into(),
            Stop::Refused(Refusal::Exclusion) => Self::Exclusion,
            Stop::Refused(Refusal::Rows) => Self::Refused(StoreError::Corrupt("refused".to_owned())),
            Stop::Stale => Self::Store(StoreError::Corrupt("rows of a stale epoch".to_owned())),
        }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if !self.over {
            let mut world = self.host.sim.world();
            // A machine that vanishes says no farewell: then its transaction idles until its time is up.
            if world.calm || world.dice.chance(5_000) {
                world.server.rollback(self.id);
                self.host.sim.released.notify_waiters();
            }
        }
    }
}

impl<'a> Session<'a> {
    fn begin(host: &'a Host, partition: i32) -> Self {
        let id = host.sim.world().server.begin(partition);
        Self { host, id, over: false }
    }

    /// Tries until nobody is in the way, or for too long.
    async fn insist<R>(&mut self, mut statement: impl FnMut(&mut Server, Id) -> Result<R, Stop>) -> Result<R, Stop> {
        let sim: &Sim = &self.host.sim;
        let deadline = Instant::now() + LOCK;
        loop {
            let released = sim.released.notified();
            let done = statement(&mut sim.world().server, self.id);
            match done {
                Err(Stop::Wait(until)) if Instant::now() < deadline => {
                    sim.world().count("waits for a lock");
                    tokio::select! {
                        biased;
                        () = released => {}
                        () = tokio::time::sleep_until(until.min(deadline)) => {}
                    }
                }
                Err(stop @ Stop::Wait(_)) => return Err(stop),
                Err(stop) => {
                    self.over = true;
                    sim.released.notify_waiters();
                    return Err(stop);
                }
                Ok(result) => return Ok(result),
            }
        }
    }

    async fn write(
        &mut self,
        at: &'static str,
        epoch: i64,
        new: &BTreeSet<BookingId>,
        mut statement: impl FnMut(&mut Shard, &[Ghost]) -> Result<(), Refusal>,
    ) -> Result<(), Error> {
        self.host.point(at).await?;
        Ok(self.insist(|server, id| server.write(id, epoch, new, &mut statement)).await?)
    }

    fn rollback(mut self) {
        self.over = true;
        self.host.sim.world().server.rollback(self.id);
        self.host.sim.released.notify_waiters();
    }

    /// COMMIT. Without an answer it may have been carried out, or be carried out later, or never.
    async fn commit(mut self) -> Result<(), Error> {
        let (host, id, sim) = (self.host, self.id, &self.host.sim);
        host.point("commit: about to").await?;
        let unknown = sim.world().fault(|profile| profile.unknown);
        if !unknown {
            let done = sim.world().server.commit(id);
            self.over = true;
            sim.released.notify_waiters();
            done?;
            return Ok(host.point("commit: done").await?);
        }
        self.over = true;
        unanswered(host, id)?;
        sim.released.notify_waiters();
        host.point("commit: unanswered").await?;
        Err(Lost.into())
    }
}

/// What becomes of a COMMIT whose answer is lost: done, not done, or on its way still.
fn unanswered(host: &Host, id: Id) -> Result<(), Stop> {
    let mut world = host.sim.world();
    world.server.committing(id)?;
    let (fate, late) = (world.dice.below(3), world.dice.millis(10, 9_000));
    world.note(|| format!("{}'s COMMIT has no answer, fate {fate}", host.name));
    match fate {
        0 => {
            world.server.commit(id)?;
            world.count("unknown: committed");
        }
        1 => {
            world.server.rollback(id);
            world.count("unknown: not committed");
        }
        _ => {
            let sim = host.sim.clone();
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                let mut world = sim.world();
                let done = world.server.commit(id).is_ok();
                world.count(if done { "unknown: committed late" } else { "unknown: not committed" });
                world.note(|| format!("a COMMIT that was on its way is carried out: {done}"));
                drop(world);
                sim.released.notify_waiters();
            });
        }
    }
    Ok(())
}

impl SimBooks {
    async fn transaction(&self, from: &Position, decided: &Decided) -> Result<(), Error> {
        let host = &*self.0;
        host.point("begin").await?;
        let mut session = Session::begin(host, from.partition);
        if !bug::is(Bug::FenceLast) && !self.fence(&mut session, from, &decided.after).await? {
            session.rollback();
            host.point("fenced").await?;
            return Err(Error::Fenced);
        }
        if bug::is(Bug::OffsetFirst) {
            session.commit().await?;
            session = Session::begin(host, from.partition);
            session.insist(Server::lock).await?;
        }
        self.rows(&mut session, from, decided).await?;
        if bug::is(Bug::FenceLast) && !self.fence(&mut session, from, &decided.after).await? {
            session.rollback();
            return Err(Error::Fenced);
        }
        session.commit().await
    }

    async fn fence(&self, session: &mut Session<'_>, from: &Position, to: &Position) -> Result<bool, Error> {
        session.insist(Server::lock).await?;
        let is_mine = session.insist(|server, id| server.fence(id, from, to)).await?;
        if !is_mine {
            self.0.sim.world().count("fences");
        }
        Ok(is_mine)
    }

    async fn rows(&self, session: &mut Session<'_>, from: &Position, decided: &Decided) -> Result<(), Error> {
        let (epoch, none) = (from.epoch, BTreeSet::new());
        if !decided.resources.is_empty() {
            session.write("write: resources", epoch, &none, |rows, _| rows.write_resources(&decided.resources)).await?;
        }
        if !decided.bookings.is_empty() {
            let new = decided.bookings.iter().filter(|touched| touched.before.is_none());
            let new = new.map(|touched| touched.row.state.booking_id).collect();
            let write = |rows: &mut Shard, ghosts: &[Ghost]| rows.write_bookings(&decided.bookings, ghosts);
            session.write("write: bookings", epoch, &new, write).await?;
        }
        if !decided.names.is_empty() || !decided.tags.is_empty() {
            let write = |rows: &mut Shard, _: &[Ghost]| {
                rows.write_names(decided);
                rows.write_tags(decided);
                Ok(())
            };
            session.write("write: names", epoch, &none, write).await?;
        }
        if !decided.decisions.is_empty() {
            let write = |rows: &mut Shard, _: &[Ghost]| rows.write_decisions(&decided.decisions, epoch);
            session.write("write: decisions", epoch, &none, write).await?;
        }
        if !decided.compensations.is_empty() || !decided.redactions.is_empty() {
            let write = |rows: &mut Shard, _: &[Ghost]| {
                rows.open(&decided.compensations);
                rows.close(&decided.compensations);
                rows.redact(decided);
                Ok(())
            };
            session.write("write: compensations", epoch, &none, write).await?;
        }
        Ok(())
    }

    /// Takes a partition over, as `store/claim.rs` does.
    pub async fn acquire(&self, partition: i32) -> Result<Position, Lost> {
        self.0.point("claim: begin").await?;
        let mut session = Session::begin(&self.0, partition);
        match session.insist(Server::lock).await {
            Ok(()) => {}
            Err(_) => {
                session.rollback();
                self.0.sim.world().server.end_stuck();
                self.0.sim.released.notify_waiters();
                return Err(Lost);
            }
        }
        let position = session.insist(Server::bump).await.map_err(|_| Lost)?;
        session.commit().await.map_err(|_| Lost)?;
        let mut world = self.0.sim.world();
        world.count("claims");
        world.note(|| {
            format!(
                "{} owns partition {partition} in epoch {}, next offset {}",
                self.0.name, position.epoch, position.next_offset
            )
        });
        Ok(position)
    }
}

impl Books for SimBooks {
    async fn position(&self, partition: i32) -> Result<Position, StoreError> {
        self.0.point("position: ask").await?;
        let position = self.0.sim.world().server.shard(partition).position.clone();
        self.0.point("position: answer").await?;
        Ok(position)
    }

    async fn load(&self, wanted: &Wanted) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded::default();
        self.0.point("load: decided").await?;
        if let Some(now) = wanted.now {
            let requests: BTreeSet<_> = wanted.requests.iter().copied().collect();
            let world = self.0.sim.world();
            loaded.decided = world.server.shards().flat_map(|shard| shard.decided(&requests, now)).collect();
        }
        if !wanted.resources.is_empty() {
            self.0.point("load: resources").await?;
            let world = self.0.sim.world();
            let rules = world.server.shards().flat_map(|shard| &shard.resources);
            let rules = rules.filter(|(resource, _)| wanted.resources.contains(*resource));
            loaded.resources =
                rules.map(|(resource, (version, rules))| (resource.clone(), *version, rules.clone())).collect();
        }
        self.0.point("load: named").await?;
        loaded.rows = self.named(wanted);
        self.0.point("load: answer").await?;
        Ok(loaded)
    }

    async fn live(&self, windows: &[Window]) -> Result<Vec<(ResourceId, BookingState)>, StoreError> {
        self.0.point("live: ask").await?;
        let live = {
            let world = self.0.sim.world();
            let shards = world.server.shards();
            shards
                .flat_map(|shard| windows.iter().flat_map(move |it| shard.live(&it.resource, it.time)))
                .collect::<Vec<_>>()
        };
        self.0.point("live: answer").await?;
        Ok(live)
    }

    async fn rows(&self, bookings: &BTreeSet<BookingId>) -> Result<Vec<BookingRow>, StoreError> {
        self.0.point("rows: ask").await?;
        let rows = self.by_id(bookings);
        self.0.point("rows: answer").await?;
        Ok(rows)
    }

    async fn commit(&self, from: &Position, decided: &Decided) -> Result<(), Error> {
        let done = self.transaction(from, decided).await;
        let mut world = self.0.sim.world();
        world.note(|| {
            let (decisions, next) = (decided.decisions.len(), decided.after.next_offset);
            let (name, partition, from) = (&self.0.name, from.partition, from.next_offset);
            format!("{name} commits {from}..{next} of partition {partition}, {decisions} decisions: {done:?}")
        });
        world.broker.learn(&decided.decisions);
        if done.is_ok() {
            world.count("commits");
        }
        done
    }

    async fn decisions_after(&self, partition: i32, seq: i64, limit: i64) -> Result<Vec<StoredDecision>, StoreError> {
        self.0.point("decisions: ask").await?;
        let found = {
            let world = self.0.sim.world();
            let rows = world.server.shard(partition).decisions.range((seq + 1, daybook_domain::Timestamp::EPOCH)..);
            let limit = usize::try_from(limit).unwrap_or_default();
            let stored = rows.take(limit).map(|((seq, _), row)| StoredDecision {
                seq: *seq,
                resource: row.ready.logged.decision.resource.to_string(),
                record: row.ready.bytes.clone(),
            });
            stored.collect()
        };
        self.0.point("decisions: answer").await?;
        Ok(found)
    }

    async fn newer(
        &self,
        partition: i32,
        than: &BTreeMap<BookingId, u64>,
    ) -> Result<Vec<CanonicalBooking>, StoreError> {
        self.0.point("bookings: ask").await?;
        let mut found: Vec<CanonicalBooking> = {
            let world = self.0.sim.world();
            let shard = world.server.shard(partition);
            let newer = |row: &BookingRow| than.get(&row.state.booking_id).is_some_and(|old| *old < row.state.version);
            let rows = shard.bookings.values().filter(|row| newer(row));
            let zone =
                |row: &BookingRow| shard.resources.get(&row.resource).map(|(_, rules)| rules.display_time_zone.clone());
            rows.map(|row| row.canonical(zone(row))).collect()
        };
        found.sort_by_key(|booking| booking.seq);
        self.0.point("bookings: answer").await?;
        Ok(found)
    }
}

impl SimBooks {
    fn by_id(&self, bookings: &BTreeSet<BookingId>) -> Vec<BookingRow> {
        let world = self.0.sim.world();
        let rows = world.server.shards().flat_map(|shard| bookings.iter().filter_map(|id| shard.bookings.get(id)));
        rows.map(|row| (**row).clone()).collect()
    }

    fn named(&self, wanted: &Wanted) -> Vec<BookingRow> {
        let mut ids = wanted.bookings.clone();
        {
            let world = self.0.sim.world();
            for shard in world.server.shards() {
                ids.extend(wanted.keys.iter().flat_map(|(resource, key)| shard.named(resource, *key)));
                ids.extend(wanted.tags.iter().flat_map(|(resource, tag)| shard.tagged(resource, *tag)));
            }
        }
        self.by_id(&ids)
    }
}
