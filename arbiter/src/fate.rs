//! One attempt at a batch, and what became of its commit.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use arbiter_core::partition::Position;
use daybook_domain::{Rejection, Request};
use daybook_runtime::postgres::Sort;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::batch::{Decided, Pause, Ruled, Ruling};
use crate::cache::Cache;
use crate::error::Error;
use crate::fault;
use crate::intake::{Content, Entry};
use crate::patience::send;
use crate::plan::Plan;
use crate::ports::{Books, Topics, Window};
use crate::publish::Commit;
use crate::recover::{Again, Unpublished};
use crate::worker::{COMPONENT, Run, Turn, Worker};
use crate::written::Written;

/// How long to wait after a commit that was not done.
const COMMIT_AGAIN: Duration = Duration::from_millis(500);

/// Records that are ruled on without a pause. A millisecond or so: meanwhile nothing else of this partition goes on.
const BREATH: usize = 32;

/// What a batch is decided on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ground<'a> {
    /// What the store has, where the partition stands.
    Stored(&'a Position),
    /// What it will have once this is committed.
    Ahead(&'a Decided),
}

/// What became of a try.
enum Fate {
    Committed(Box<Decided>),
    NotCommitted,
    /// An earlier try of the same records was, and put the partition here.
    Earlier(Position),
}

impl<B: Books, T: Topics> Worker<B, T> {
    /// Decides records and commits what was decided, until one of both fails for good.
    pub(crate) async fn attempt<'a>(
        &'a self,
        run: &mut Run<'a>,
        entries: &[Entry],
        verdicts: &BTreeMap<i64, Rejection>,
        plan: Option<Plan>,
        turn: Turn<'a>,
    ) -> Result<(), Error> {
        let began = plan.as_ref().map_or_else(Instant::now, |plan| plan.began);
        let mut decided = plan.map(|plan| *plan.decided);
        let mut tried = false;
        let mut decided = loop {
            match self.once(run, entries, verdicts, decided.take(), tried).await? {
                Fate::Committed(decided) => break decided,
                Fate::NotCommitted => {
                    // Reads work and commits do not: a server that is shutting down, read-only or full.
                    self.health.waiting(COMPONENT, "PostgreSQL");
                    tried = true;
                    tokio::select! {
                        biased;
                        () = run.revoked.cancelled() => return Err(Error::Cancelled),
                        () = tokio::time::sleep(COMMIT_AGAIN) => {}
                    }
                }
                Fate::Earlier(found) => {
                    drop(turn);
                    // What it decided is not at hand, so it is published as a successor would.
                    let before = run.position.next_seq - 1;
                    let next_seq = found.next_seq;
                    run.again.done_below(next_seq);
                    run.position = found;
                    self.owned.stands(&run.position);
                    let span = Unpublished { after: before, published: run.again.last().max(before), next_seq };
                    return self.recover(run.position.partition, span, run.groups, run.revoked).await;
                }
            }
        };
        drop(turn);
        // Megabytes that nobody needs any more; the publisher may have this batch for a while.
        decided.written = Written::default();
        self.health.ready(COMPONENT);
        fault::after_commit();
        self.note(&decided, began);
        self.metrics.cache_bookings.set(i64::try_from(self.budget.held()).unwrap_or(i64::MAX));
        run.position = decided.after.clone();
        self.owned.stands(&run.position);
        let commit = Commit::Decided { decided, published: run.again.last() };
        let again = run.again.done_below(run.position.next_seq);
        self.metrics.decided_again_total.inc_by(u64::try_from(again).unwrap_or(u64::MAX));
        send(run.groups, commit, run.revoked).await
    }

    /// One try. `tried` if the COMMIT of an earlier one may still be on its way.
    async fn once<'a>(
        &'a self,
        run: &mut Run<'a>,
        entries: &[Entry],
        verdicts: &BTreeMap<i64, Rejection>,
        decided: Option<Decided>,
        tried: bool,
    ) -> Result<Fate, Error> {
        let decided = match decided {
            Some(decided) => Ok(decided),
            None => {
                let Run { position, cache, again, revoked, .. } = run;
                self.decide(Ground::Stored(position), cache, again, entries, verdicts, revoked).await
            }
        };
        let decided = match decided {
            // What was read half before and half after an earlier try was carried out, or the store was put back, says
            // nothing.
            Err(error) if tried || matches!(error, Error::Disagreement(_)) => {
                let moved = self.moved(&run.position, run.revoked).await?;
                return moved.map(Fate::Earlier).ok_or(error);
            }
            decided => decided?,
        };
        match self.commit(run, &decided).await {
            Ok(()) => {
                run.cache.settle(decided.after.now);
                Ok(Fate::Committed(Box::new(decided)))
            }
            Err(error) if in_doubt(&error) => self.resolve(run, decided, tried, &error).await,
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn decide(
        &self,
        ground: Ground<'_>,
        cache: &mut Cache,
        again: &Again,
        entries: &[Entry],
        verdicts: &BTreeMap<i64, Rejection>,
        revoked: &CancellationToken,
    ) -> Result<Decided, Error> {
        let requests: Vec<&Request> = entries.iter().filter_map(request).collect();
        let (position, wanted) = match ground {
            Ground::Stored(position) => (position, cache.open(&requests, position.now)),
            Ground::Ahead(base) => (&base.after, cache.open_ahead(&requests, base.after.now)),
        };
        let mut loaded = self.patiently(revoked, async || Ok(self.books.load(&wanted).await?)).await?;
        if let Ground::Ahead(base) = ground {
            loaded.decided.extend(base.requests());
        }
        self.metrics.cache_loads_total.inc_by(u64::try_from(wanted.resources.len()).unwrap_or(u64::MAX));
        let (mut rows, decided) = cache.take_in(&wanted, loaded);
        let missing = cache.surroundings(&requests);
        self.cover(cache, &missing, revoked).await?;
        let mut all_verdicts = again.verdicts(entries);
        all_verdicts.extend(verdicts.iter().map(|(offset, verdict)| (*offset, verdict.clone())));
        let ruling = Ruling::new(position, entries, decided, &all_verdicts, self.ids.decision);
        let ruled = self.rule(ruling, cache, revoked).await?;
        again.compare(&ruled)?;
        let mut missing = ruled.touched();
        if let Ground::Ahead(base) = ground {
            let newer = base.bookings.iter().map(|touched| &touched.row);
            let newer = newer.filter(|row| missing.contains(&row.state.booking_id));
            rows.extend(newer.map(|row| (row.state.booking_id, row.clone())));
        }
        missing.retain(|booking| !rows.contains_key(booking) && !wanted.bookings.contains(booking));
        if !missing.is_empty() {
            let found = self.patiently(revoked, async || Ok(self.books.rows(&missing).await?)).await?;
            rows.extend(found.into_iter().map(|row| (row.state.booking_id, row)));
        }
        let finish = AssertUnwindSafe(|| ruled.finish(entries, rows, &wanted.bookings, cache.resources()));
        Ok(catch_unwind(finish).map_err(|_| Error::Panicked)??)
    }

    /// Rules on a batch; loads what the core misses on the way.
    async fn rule(
        &self,
        mut ruling: Ruling<'_>,
        cache: &mut Cache,
        revoked: &CancellationToken,
    ) -> Result<Ruled, Error> {
        loop {
            let go_on = AssertUnwindSafe(|| ruling.go_on(cache.states(), BREATH));
            match catch_unwind(go_on).map_err(|_| Error::Panicked)? {
                Pause::Done => return Ok(ruling.finish()),
                // Another batch may be committed meanwhile, and its next statement wait to be sent.
                Pause::Breath => tokio::task::yield_now().await,
                Pause::Gap(gap) => {
                    let to_come = AssertUnwindSafe(|| ruling.gaps_to_come(cache.states()));
                    let mut gaps = catch_unwind(to_come).map_err(|_| Error::Panicked)?;
                    gaps.push(gap);
                    let missing = cache.windows(&gaps);
                    self.cover(cache, &missing, revoked).await?;
                }
            }
        }
    }

    async fn cover(&self, cache: &mut Cache, missing: &[Window], revoked: &CancellationToken) -> Result<(), Error> {
        if missing.is_empty() {
            return Ok(());
        }
        self.metrics.cache_windows_total.inc_by(u64::try_from(missing.len()).unwrap_or(u64::MAX));
        let live = self.patiently(revoked, async || Ok(self.books.live(missing).await?)).await?;
        Ok(cache.cover(missing, live)?)
    }

    /// Reads what became of a commit whose answer was lost, or that somebody was faster than: ours, if the partition
    /// stands exactly where it would have put it; not done, if it stands where it stood. Else it was an earlier try of the
    /// same records, whose COMMIT was still on its way when we looked. So may the first be, where there was one: then some
    /// of the rows that this one was decided on may be that one's already, and it cannot tell what it has changed.
    async fn resolve(&self, run: &Run<'_>, decided: Decided, tried: bool, cause: &Error) -> Result<Fate, Error> {
        #[cfg(test)]
        if crate::simulation::bug::is(crate::simulation::bug::Bug::BlindRetry) {
            return if matches!(cause, Error::Fenced) { Err(Error::Fenced) } else { Ok(Fate::NotCommitted) };
        }
        if !matches!(cause, Error::Fenced) {
            tracing::warn!(error = %cause, kafka.partition = run.position.partition, "reading what became of a commit");
        }
        Ok(match self.moved(&run.position, run.revoked).await? {
            None => Fate::NotCommitted,
            Some(found) if found == decided.after && !tried => Fate::Committed(Box::new(decided)),
            Some(found) => Fate::Earlier(found),
        })
    }

    /// Where the partition has moved to since it stood here, if it has, in our epoch. [`Error::Fenced`] if it is another's.
    /// [`Error::PutBack`] if it stands earlier, where nobody can have put it but a restore.
    pub(crate) async fn moved(
        &self,
        position: &Position,
        revoked: &CancellationToken,
    ) -> Result<Option<Position>, Error> {
        let found = self.patiently(revoked, async || Ok(self.books.position(position.partition).await?)).await?;
        if found == *position {
            Ok(None)
        } else if found.epoch > position.epoch {
            Err(Error::Fenced)
        } else if found.epoch == position.epoch && found.next_offset > position.next_offset {
            Ok(Some(found))
        } else {
            Err(Error::PutBack)
        }
    }
}

fn request(entry: &Entry) -> Option<&Request> {
    match &entry.content {
        Content::Request(request) => Some(request),
        Content::Unreadable(..) => None,
    }
}

/// Whether the transaction may have been committed all the same.
fn in_doubt(error: &Error) -> bool {
    match error {
        Error::Fenced => true,
        Error::Store(error) => matches!(error.sort(), Sort::Away | Sort::Serialization),
        Error::Exclusion
        | Error::Refused(_)
        | Error::Panicked
        | Error::Cancelled
        | Error::Registry(_)
        | Error::DeadLetter(_)
        | Error::Topic(_)
        | Error::PutBack
        | Error::Disagreement(_) => false,
    }
}
