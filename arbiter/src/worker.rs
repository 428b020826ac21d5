//! One partition, from its first record to its revocation: gather, load, decide, commit, hand on to the publisher.
//!
//! While one batch commits, the next gathers in the queue: an idle system decides at once, a busy one in thousands. What
//! one attempt does is in `fate.rs`, what a partition begins with in `recover.rs`. The store and the topics are behind
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
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cache::{Budget, Cache};
use crate::canonical::Watch;
use crate::error::Error;
use crate::expiry::Owned;
use crate::intake::{Content, Entry};
use crate::metrics::Metrics;
use crate::ownership::Claim;
use crate::ports::{Books, Post, Topics};
use crate::publish::{Group, Publisher};
use crate::recover::{Again, Unpublished};
use crate::topics::Ids;

/// The name under which partitions report what they wait for.
pub const COMPONENT: &str = "partitions";
/// Committed groups that may wait for the publisher; beyond that, deciding waits too.
const GROUPS: usize = 64;
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
    /// Decisions that are sent together at most: see [`TOGETHER`](crate::publish::TOGETHER).
    pub together: usize,
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
    pub groups: &'a mpsc::Sender<Group>,
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

    /// Two halves of one future: dropped, both are gone.
    async fn work_and_publish(
        &self,
        claim: &Claim,
        again: Again,
        feed: Feed<'_>,
        done_below: impl Fn(i64) + Send,
    ) -> Result<(), Error> {
        let watch = Watch::default();
        self.topics.watch_canonical(claim.position.partition, claim.canonical_from, &watch);
        let (groups, receiver) = mpsc::channel(GROUPS);
        let publisher = Publisher {
            books: &self.books,
            topics: &self.topics,
            partition: claim.position.partition,
            together: self.together,
            ids: self.ids,
            watch: &watch,
            life: &self.life,
            metrics: &self.metrics,
        };
        let mut publishing = pin!(publisher.run(receiver));
        let result = {
            let mut working = pin!(self.work(claim, again, feed, groups, done_below));
            tokio::select! {
                biased;
                result = &mut working => result,
                // It ends first only if nothing can be published any more, and the process ends.
                () = &mut publishing => return Err(Error::Cancelled),
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
        feed: Feed<'_>,
        groups: mpsc::Sender<Group>,
        done_below: impl Fn(i64),
    ) -> Result<(), Error> {
        let Feed { records: queue, revoked } = feed;
        let position = claim.position.clone();
        let span = Unpublished {
            // What was sent together with the last decision on the topic may not be there.
            after: again.last().saturating_sub(i64::try_from(self.together).unwrap_or(i64::MAX)).max(0),
            published: again.last(),
            next_seq: position.next_seq,
        };
        self.recover(position.partition, span, &groups, revoked).await?;
        let cache = Cache::new(self.budget.clone());
        let mut run = Run { position, cache, again, groups: &groups, revoked };
        loop {
            let first = tokio::select! {
                biased;
                () = revoked.cancelled() => return Ok(()),
                record = queue.recv() => match record {
                    Some(record) => record,
                    None => return Ok(()),
                },
            };
            let mut records = vec![first];
            while records.len() < self.batch_max
                && let Ok(record) = queue.try_recv()
            {
                records.push(record);
            }
            // Records before the position can only come if the seek was not honoured; deciding them would be fenced.
            records.retain(|record| record.offset >= run.position.next_offset);
            if records.is_empty() {
                continue;
            }
            self.batch(&mut run, &records).await?;
            done_below(run.position.next_offset);
            self.health.beat(COMPONENT);
        }
    }

    async fn batch(&self, run: &mut Run<'_>, records: &[Record]) -> Result<(), Error> {
        let mut entries = Vec::with_capacity(records.len());
        for record in records {
            let entry = self.patiently(run.revoked, async || Ok(self.topics.read(record).await?)).await?;
            if let Content::Unreadable(_, why) = &entry.content {
                self.dead_letter(record, why.as_str(), run.revoked).await?;
            }
            entries.push(entry);
        }
        run.again.unread(&mut entries);
        match self.twice(run, &entries).await {
            Err(error @ (Error::Exclusion | Error::Refused(_) | Error::Panicked)) => {
                let partition = run.position.partition;
                tracing::error!(%error, kafka.partition = partition, "deciding a batch one request at a time");
            }
            result => return result,
        }
        // Something in it cannot be granted, or cannot be decided at all: find out what, one at a time.
        for (entry, record) in entries.into_iter().zip(records) {
            let entry = [entry];
            let verdict = match self.twice(run, &entry).await {
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
            self.attempt(run, &entry, &verdicts).await?;
        }
        Ok(())
    }

    /// Decides and commits; should the constraint fire, once more from what the store says by then.
    async fn twice(&self, run: &mut Run<'_>, entries: &[Entry]) -> Result<(), Error> {
        let none = BTreeMap::new();
        match self.attempt(run, entries, &none).await {
            Err(Error::Exclusion) => {
                self.metrics.constraint_fired_total.inc();
                tracing::error!(
                    kafka.partition = run.position.partition,
                    kafka.offset = run.position.next_offset,
                    "the store refused what the core had granted: deciding again"
                );
                self.attempt(run, entries, &none).await
            }
            result => result,
        }
    }

    async fn dead_letter(
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
