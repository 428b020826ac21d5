//! Deciding the next batch while one is being committed: a partition with a backlog, alone with a turn to spare, keeps the
//! store and itself at work at once.
//!
//! The next batch is decided as if both were one. The resources' states have what the first one decided; what is read of
//! the store does not, and is corrected by what is about to be there. Should the first one not be committed, surely and
//! by us, what was decided on top of it is thrown away with the states, and its records are decided again.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::batch::Decided;
use crate::error::Error;
use crate::fate::Ground;
use crate::gather::Next;
use crate::intake::Entry;
use crate::ports::{Books, Topics};
use crate::worker::{Run, Turn, Worker};

/// The part of a full batch that must wait before it is decided ahead, as one in so many: what is decided ahead does not
/// grow any more, and a small batch costs the store nearly as much as a large one.
const BACKLOG: usize = 4;
/// How long a batch that is committed waits to be published until the next one is decided. Far above what that takes; it is
/// for a store that is away again.
const REST: Duration = Duration::from_secs(1);
/// Batches that are decided ahead one after the other at most. Then one is not, so that the cache can be tidied.
const STREAK: u32 = 16;

/// A batch that was decided ahead.
#[derive(Debug)]
pub(crate) struct Plan {
    pub decided: Box<Decided>,
    pub began: Instant,
}

impl<B: Books, T: Topics> Worker<B, T> {
    /// Commits a batch; meanwhile, if it can, decides the next one.
    pub(crate) async fn commit<'a>(&'a self, run: &mut Run<'a>, decided: &Decided) -> Result<(), Error> {
        let from = run.position.clone();
        let mut commit = pin!(self.books.commit(&from, decided));
        let Some(turn) = self.spare_turn(run) else {
            run.streak = 0;
            return commit.await;
        };
        run.streak += 1;
        let (result, next) = {
            let mut plan = pin!(self.plan(run, decided, turn));
            tokio::select! {
                biased;
                result = &mut commit => match result {
                    Ok(()) => (Ok(()), tokio::time::timeout(REST, plan).await.ok().flatten()),
                    Err(error) => (Err(error), None),
                },
                next = &mut plan => (commit.await, next),
            }
        };
        match (&result, next) {
            (Ok(()), next) => {
                self.metrics.planned_total.inc_by(u64::from(next.is_some()));
                run.planned = next;
            }
            (Err(_), Some(next)) => run.backlog.put_back(next.gathered, 0),
            (Err(_), None) => {}
        }
        result
    }

    /// A turn that nobody waits for, if there is enough to be decided.
    fn spare_turn(&self, run: &Run<'_>) -> Option<Turn<'_>> {
        let backlog = run.backlog.len() + run.entries.len();
        let enough = backlog > 0 && backlog >= self.batch_max / BACKLOG;
        // Who holds a turn must not wait for the publisher, as it would after this commit.
        let published = run.groups.capacity() > 0;
        let may = enough && published && run.streak < STREAK && !run.alone && run.again.is_over();
        may.then(|| self.turns.try_acquire().ok()).flatten()
    }

    /// None if it cannot be decided: whoever decides it in its own turn finds out why.
    async fn plan<'a>(&'a self, run: &mut Run<'a>, base: &Decided, turn: Turn<'a>) -> Option<Next<'a>> {
        let began = Instant::now();
        let Run { cache, again, entries, backlog, revoked, .. } = run;
        while backlog.len() < self.batch_max
            && let Ok(read) = entries.try_recv()
        {
            backlog.push(read);
        }
        // A dead letter waits for the brokers, and nobody does that in his turn.
        if backlog.entries.iter().any(Entry::is_unreadable) {
            return None;
        }
        let none = BTreeMap::new();
        let decided = self.decide(Ground::Ahead(base), cache, again, &backlog.entries, &none, revoked).await.ok()?;
        let plan = Plan { decided: Box::new(decided), began };
        Some(Next { gathered: std::mem::take(backlog), plan: Some(plan), turn })
    }
}
