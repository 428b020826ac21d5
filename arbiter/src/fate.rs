//! One attempt at a batch, and what became of its commit.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use arbiter_core::partition::Position;
use daybook_domain::{Rejection, Request};
use daybook_runtime::postgres::Sort;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::batch::{self, Decided};
use crate::error::Error;
use crate::fault;
use crate::intake::{Content, Entry};
use crate::patience::send;
use crate::ports::{Books, Topics};
use crate::publish::Group;
use crate::worker::{COMPONENT, Run, Worker};

/// How long to wait after a commit that was not done.
const COMMIT_AGAIN: Duration = Duration::from_millis(500);

/// What became of a commit.
enum Fate {
    Committed,
    NotCommitted,
    /// An earlier try of the same records was, and put the partition here.
    Earlier(Position),
}

impl<B: Books, T: Topics> Worker<B, T> {
    /// Decides records and commits what was decided, until one of both fails for good.
    pub(crate) async fn attempt(
        &self,
        run: &mut Run<'_>,
        entries: &[Entry],
        verdicts: &BTreeMap<i64, Rejection>,
    ) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            let decided = self.decide(run, entries, verdicts).await?;
            let fate = match self.books.commit(&run.position, &decided).await {
                Ok(()) => {
                    run.cache.settle(decided.after.now);
                    Fate::Committed
                }
                Err(error) if in_doubt(&error) => self.resolve(&run.position, &decided, run.revoked, &error).await?,
                Err(error) => return Err(error),
            };
            match fate {
                Fate::Committed => {}
                Fate::NotCommitted => {
                    // Reads work and commits do not: a server that is shutting down, read-only or full.
                    self.health.waiting(COMPONENT, "PostgreSQL");
                    tokio::select! {
                        biased;
                        () = run.revoked.cancelled() => return Err(Error::Cancelled),
                        () = tokio::time::sleep(COMMIT_AGAIN) => continue,
                    }
                }
                Fate::Earlier(found) => {
                    // What it decided is not at hand, so it is published as a successor would.
                    let published = run.again.last().max(run.position.next_seq - 1);
                    let next_seq = found.next_seq;
                    run.again.done_below(next_seq);
                    run.position = found;
                    self.owned.stands(&run.position);
                    let partition = run.position.partition;
                    return self.recover(partition, published, next_seq, run.groups, run.revoked).await;
                }
            }
            self.health.ready(COMPONENT);
            fault::after_commit();
            self.note(&decided, began);
            self.metrics.cache_bookings.set(i64::try_from(self.budget.held()).unwrap_or(i64::MAX));
            run.position = decided.after.clone();
            self.owned.stands(&run.position);
            let group = Group::of(&decided, run.again.last(), self.ids);
            let again = run.again.done_below(run.position.next_seq);
            self.metrics.decided_again_total.inc_by(u64::try_from(again).unwrap_or(u64::MAX));
            return send(run.groups, group, run.revoked).await;
        }
    }

    async fn decide(
        &self,
        run: &mut Run<'_>,
        entries: &[Entry],
        verdicts: &BTreeMap<i64, Rejection>,
    ) -> Result<Decided, Error> {
        let Run { position, cache, again, revoked, .. } = run;
        let requests: Vec<&Request> = entries.iter().filter_map(request).collect();
        let wanted = cache.open(&requests, position.now);
        let loaded = self.patiently(revoked, async || Ok(self.books.load(&wanted).await?)).await?;
        self.metrics.cache_loads_total.inc_by(u64::try_from(wanted.whole.len()).unwrap_or(u64::MAX));
        let (mut rows, decided) = cache.take_in(&wanted, loaded)?;
        let mut all_verdicts = again.verdicts(entries);
        all_verdicts.extend(verdicts.iter().map(|(offset, verdict)| (*offset, verdict.clone())));
        let schema = self.ids.decision;
        let rule = AssertUnwindSafe(|| batch::rule(position, entries, cache.states(), decided, &all_verdicts, schema));
        let ruled = catch_unwind(rule).map_err(|_| Error::Panicked)?;
        again.compare(&ruled)?;
        let mut missing = ruled.touched();
        missing.retain(|booking| !rows.contains_key(booking) && !wanted.bookings.contains(booking));
        if !missing.is_empty() {
            let found = self.patiently(revoked, async || Ok(self.books.rows(&missing).await?)).await?;
            rows.extend(found.into_iter().map(|row| (row.state.booking_id, row)));
        }
        let finish = AssertUnwindSafe(|| ruled.finish(entries, rows, &wanted.bookings, cache.resources()));
        Ok(catch_unwind(finish).map_err(|_| Error::Panicked)??)
    }

    /// Reads what became of a commit whose answer was lost, or that somebody was faster than: ours, if the partition
    /// stands exactly where it would have put it; not done, if it stands where it stood. If it has moved in our epoch, it
    /// was an earlier try of the same records, whose COMMIT was still on its way when we looked. Earlier than where it stood
    /// is where nobody can have put it but a restore. Else it is another's.
    async fn resolve(
        &self,
        position: &Position,
        decided: &Decided,
        revoked: &CancellationToken,
        cause: &Error,
    ) -> Result<Fate, Error> {
        if !matches!(cause, Error::Fenced) {
            tracing::warn!(error = %cause, kafka.partition = position.partition, "reading what became of a commit");
        }
        let found = self.patiently(revoked, async || Ok(self.books.position(position.partition).await?)).await?;
        if found == decided.after {
            Ok(Fate::Committed)
        } else if found == *position {
            Ok(Fate::NotCommitted)
        } else if found.epoch > position.epoch {
            Err(Error::Fenced)
        } else if found.epoch == position.epoch && found.next_offset > position.next_offset {
            Ok(Fate::Earlier(found))
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
