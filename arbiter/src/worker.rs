//! One partition, from its first record to its revocation: gather, load, decide, commit, hand on to the publisher.
//!
//! A batch is what has come by the time it is the partition's turn: an idle system decides at once, a busy one in
//! thousands. Reading records, deciding and publishing are parts of one future: while the store works for one of them,
//! the others go on. What one attempt does is in `fate.rs`, what a partition begins with in `recover.rs`. The store and the topics are behind
//! [`Books`] and [`Topics`]; nothing here starts a task, and time is tokio's.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use arbiter_core::partition::Position;
use daybook_domain::{Rejection, topics};
use daybook_runtime::admin::Health;
use daybook_runtime::clock;
use daybook_runtime::kafka::Record;
use daybook_runtime::lifecycle::Lifecycle;
use daybook_wire::DeadLetter;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use crate::cache::{Budget, Cache};
use crate::canonical::Watch;
use crate::error::Error;
use crate::expiry::Owned;
use crate::gather::{Gathered, Next, Read};
use crate::intake::Entry;
use crate::metrics::Metrics;
use crate::ownership::Claim;
use crate::plan::Plan;
use crate::ports::{Books, Post, Topics};
use crate::publish::{Commit, Publisher};
use crate::recover::{Again, Unpublished};
use crate::topics::Ids;

/// The name under which partitions report what they wait for.
pub const COMPONENT: &str = "partitions";
/// Commits that may wait for the publisher, some megabytes each; beyond that, deciding waits too.
const GROUPS: usize = 4;
/// How long a fenced worker waits to be told that its partition is gone. Far above a rebalance.
const FENCED_WAIT: Duration = Duration::from_secs(60);
/// How long a stopping worker lets its publisher finish. What it does not, the successor does.
const PUBLISH_DRAIN: Duration = Duration::from_secs(5);

/// What every partition's worker uses.
#[derive(Debug)]
pub struct Worker<B, T> {
    /// The store.
    pub books: B,
    /// The log.
    pub topics: T,
    /// The schemas' ids.
    pub ids: Ids,
    /// Requests in one transaction at most.
    pub batch_max: usize,
    /// Who may decide and commit now: see [`Turn`].
    pub turns: Semaphore,
    /// What all caches may hold.
    pub budget: Budget,
    /// Which partitions are ours.
    pub owned: Owned,
    /// Ended when a partition can go on only in another process.
    pub life: Lifecycle,
    /// Told what is waited for.
    pub health: Health,
    /// What is counted.
    pub metrics: Metrics,
}

/// The right to decide and commit a batch. There are few: a batch costs the store the same whether it holds one request or
/// fifty, so that fewer and larger ones at a time are done sooner. Held by nobody who waits for anything but the store.
pub(crate) type Turn<'a> = SemaphorePermit<'a>;

/// A partition's records, and how its worker is told to stop.
#[derive(Debug)]
pub struct Feed<'a> {
    /// The records, in order, from the position on.
    pub records: &'a mut mpsc::Receiver<Record>,
    /// Cancelled when the partition is revoked.
    pub revoked: &'a CancellationToken,
}

/// What lasts as long as one claim.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub position: Position,
    pub cache: Cache,
    pub again: Again,
    pub entries: &'a mut mpsc::Receiver<Read>,
    /// Taken from `entries`, and not decided: what comes next.
    pub backlog: Gathered,
    /// Whether nothing was gathered yet.
    pub is_first: bool,
    /// Decided on top of what is in hand, or was committed last.
    pub planned: Option<Next<'a>>,
    /// How many batches were decided ahead, one after the other.
    pub streak: u32,
    /// Whether nothing may be decided on top of what is in hand.
    pub alone: bool,
    pub groups: &'a mpsc::Sender<Commit>,
    pub revoked: &'a CancellationToken,
}

impl<B: Books, T: Topics> Worker<B, T> {
    /// Works until the partition is revoked. `done_below` is told how far it has come.
    pub async fn run(&self, claim: &Claim, feed: Feed<'_>, done_below: impl Fn(i64) + Send) -> Result<(), Error> {
        let (id, revoked) = (claim.position.partition, feed.revoked);
        let result = match self.compare(claim, revoked).await {
            Ok(again) => self.own(claim, again, feed, done_below).await,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) | Err(Error::Cancelled) => Ok(()),
            Err(Error::Disagreement(why)) => {
                self.stand_still(id, &why, revoked).await;
                Ok(())
            }
            Err(Error::Fenced) => {
                self.metrics.fenced_total.inc();
                tracing::warn!(kafka.partition = id, "fenced: another arbiter has taken this partition over");
                if tokio::time::timeout(FENCED_WAIT, revoked.cancelled()).await.is_err() {
                    self.life.die("a fenced partition is still assigned to this process");
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn own(
        &self,
        claim: &Claim,
        again: Again,
        feed: Feed<'_>,
        done_below: impl Fn(i64) + Send,
    ) -> Result<(), Error> {
        let id = claim.position.partition;
        self.owned.gain(&claim.position);
        let result = self.work_and_publish(claim, again, feed, done_below).await;
        self.owned.lose(id);
        for gauge in [&self.metrics.unpublished, &self.metrics.epoch] {
            // Gone already, if nothing was ever counted.
            let _ = gauge.remove_label_values(&[&id.to_string()]);
        }
        result
    }

    /// Three parts of one future: dropped, all are gone.
    async fn work_and_publish(
        &self,
        claim: &Claim,
        again: Again,
        feed: Feed<'_>,
        done_below: impl Fn(i64) + Send,
    ) -> Result<(), Error> {
        let watch = Watch::default();
        let Feed { records, revoked } = feed;
        let (groups, receiver) = mpsc::channel(GROUPS);
        let (sender, mut entries) = mpsc::channel(self.batch_max);
        let mut reading = pin!(self.read(records, sender, revoked));
        let publisher = Publisher {
            books: &self.books,
            topics: &self.topics,
            partition: claim.position.partition,
            canonical_from: claim.canonical_from,
            ids: self.ids,
            watch: &watch,
            life: &self.life,
            metrics: &self.metrics,
        };
        let mut publishing = pin!(publisher.run(receiver));
        let result = {
            let mut working = pin!(self.work(claim, again, &mut entries, revoked, groups, done_below));
            let mut all_read = false;
            loop {
                tokio::select! {
                    biased;
                    result = &mut working => break result,
                    // It ends first only if nothing can be published any more, and the process ends.
                    () = &mut publishing => return Err(Error::Cancelled),
                    result = &mut reading, if !all_read => {
                        match result {
                            // What is in hand is finished first.
                            Ok(()) | Err(Error::Cancelled) => all_read = true,
                            Err(error) => return Err(error),
                        }
                    }
                }
            }
        };
        // The worker is gone, and with it the sender: the publisher ends with the last group.
        let _ = tokio::time::timeout(PUBLISH_DRAIN, publishing).await;
        result
    }

    async fn work(
        &self,
        claim: &Claim,
        again: Again,
        entries: &mut mpsc::Receiver<Read>,
        revoked: &CancellationToken,
        groups: mpsc::Sender<Commit>,
        done_below: impl Fn(i64),
    ) -> Result<(), Error> {
        let position = claim.position.clone();
        let span = Unpublished { after: again.last(), published: again.last(), next_seq: position.next_seq };
        self.recover(position.partition, span, &groups, revoked).await?;
        let cache = Cache::new(self.budget.clone());
        let mut run = Run {
            position,
            cache,
            again,
            entries,
            backlog: Gathered::default(),
            is_first: true,
            planned: None,
            streak: 0,
            alone: false,
            groups: &groups,
            revoked,
        };
        while let Some(Next { gathered, plan, turn }) = self.next(&mut run).await? {
            self.batch(&mut run, gathered, plan, turn).await?;
            done_below(run.position.next_offset);
            self.health.beat(COMPONENT);
        }
        Ok(())
    }

    /// Decides what was gathered, as far as it is not decided by now; what is left of it goes back.
    async fn batch<'a>(
        &'a self,
        run: &mut Run<'a>,
        mut gathered: Gathered,
        plan: Option<Plan>,
        turn: Turn<'a>,
    ) -> Result<(), Error> {
        run.again.unread(&mut gathered.entries);
        match self.twice(run, &gathered.entries, plan, turn).await {
            Err(error @ (Error::Exclusion | Error::Refused(_) | Error::Panicked)) => {
                let partition = run.position.partition;
                tracing::error!(%error, kafka.partition = partition, "deciding a batch one request at a time");
                // What comes after it has to wait.
                run.alone = true;
                self.one_at_a_time(run, &gathered).await?;
                run.alone = false;
            }
            result => result?,
        }
        run.backlog.put_back(gathered, run.position.next_offset);
        Ok(())
    }

    async fn one_at_a_time<'a>(&'a self, run: &mut Run<'a>, gathered: &Gathered) -> Result<(), Error> {
        // Something in it cannot be granted, or cannot be decided at all: find out what, one at a time.
        for (entry, record) in gathered.entries.iter().zip(&gathered.records) {
            if record.offset < run.position.next_offset {
                continue;
            }
            let entry = std::slice::from_ref(entry);
            let turn = self.turn(run.revoked).await?;
            let verdict = match self.twice(run, entry, None, turn).await {
                Err(Error::Exclusion) => Rejection::ConflictByStore,
                Err(Error::Panicked | Error::Refused(_)) => {
                    self.dead_letter(record, "internal", run.revoked).await?;
                    Rejection::Internal
                }
                result => {
                    result?;
                    continue;
                }
            };
            let verdicts = BTreeMap::from([(record.offset, verdict)]);
            let turn = self.turn(run.revoked).await?;
            self.attempt(run, entry, &verdicts, None, turn).await?;
        }
        Ok(())
    }

    /// Decides and commits; should the constraint fire, once more from what the store says by then.
    async fn twice<'a>(
        &'a self,
        run: &mut Run<'a>,
        entries: &[Entry],
        plan: Option<Plan>,
        turn: Turn<'a>,
    ) -> Result<(), Error> {
        let none = BTreeMap::new();
        match self.attempt(run, entries, &none, plan, turn).await {
            Err(Error::Exclusion) => {
                self.metrics.constraint_fired_total.inc();
                tracing::error!(
                    kafka.partition = run.position.partition,
                    kafka.offset = run.position.next_offset,
                    "the store refused what the core had granted: deciding again"
                );
                let turn = self.turn(run.revoked).await?;
                self.attempt(run, entries, &none, None, turn).await
            }
            result => result,
        }
    }

    pub(crate) async fn dead_letter(
        &self,
        record: &Record,
        reason: &'static str,
        revoked: &CancellationToken,
    ) -> Result<(), Error> {
        let letter = DeadLetter {
            topic: topics::REQUESTS.to_owned(),
            partition: record.partition,
            offset: record.offset,
            stage: "arbiter",
            reason,
            message: "the record is kept here as it came; mend its writer, then replay it".to_owned(),
            item: None,
            attempts: 1,
            first_failed_at: clock::now(),
        };
        let post = [Post {
            topic: topics::DLQ_ARBITER,
            partition: None,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: letter.onto(record.headers.clone()),
        }];
        self.patiently(revoked, async || Ok(self.topics.put(&post).await?)).await?;
        self.metrics.dead_letters_total.with_label_values(&[reason]).inc();
        tracing::error!(
            kafka.partition = record.partition,
            kafka.offset = record.offset,
            reason,
            "request dead-lettered: nobody can decide it"
        );
        Ok(())
    }
}
