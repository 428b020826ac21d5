//! One partition, from its first record to its revocation: gather, read, decide, commit, hand on to the publisher.
//!
//! While one batch commits, the next gathers in the queue: an idle system decides at once, a busy one in thousands.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use daybook_domain::{Rejection, Request, topics};
use daybook_runtime::admin::Health;
use daybook_runtime::clock;
use daybook_runtime::kafka::{Outgoing, Partition, Producer, ProducerError, Record};
use daybook_runtime::lifecycle::Lifecycle;
use daybook_runtime::postgres::{Sort, StoreError};
use daybook_runtime::registry::{Registry, RegistryError};
use daybook_runtime::retry::{self, Ended};
use daybook_wire::{DeadLetter, SCHEMAS};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::batch::{Decided, Position, decide_batch};
use crate::error::Error;
use crate::expiry::Owned;
use crate::fault;
use crate::intake::{self, Content, Entry};
use crate::metrics::Metrics;
use crate::ownership::{Claim, Published};
use crate::publish::{self, Group};
use crate::store::Store;

/// The name under which partitions report what they wait for.
pub const COMPONENT: &str = "partitions";
/// Committed groups that may wait for the publisher; beyond that, deciding waits too.
const GROUPS: usize = 64;
/// Decisions that one recovered group holds.
const RECOVER: i64 = 1_000;
/// How long a fenced worker waits to be told that its partition is gone. Far above a rebalance.
const FENCED_WAIT: Duration = Duration::from_secs(60);
/// How long to wait after a commit that was not done.
const COMMIT_AGAIN: Duration = Duration::from_millis(500);
/// How long a stopping worker lets its publisher finish. What it does not, the successor does.
const PUBLISH_DRAIN: Duration = Duration::from_secs(5);

/// The registry's ids of the schemas that the arbiter writes.
#[derive(Debug, Clone, Copy)]
pub struct Ids {
    /// Of `BookingRequest`.
    pub request: u32,
    /// Of `BookingDecision`.
    pub decision: u32,
    /// Of `Booking`.
    pub booking: u32,
}

impl Ids {
    /// Asks the registry.
    pub async fn resolve(registry: &Registry) -> Result<Self, RegistryError> {
        let [(request, request_text), (decision, decision_text), (booking, booking_text), ..] = SCHEMAS;
        Ok(Self {
            request: registry.id_of(request, request_text).await?,
            decision: registry.id_of(decision, decision_text).await?,
            booking: registry.id_of(booking, booking_text).await?,
        })
    }
}

/// What became of a commit.
enum Fate {
    Committed,
    NotCommitted,
    /// An earlier try of the same records was, and put the partition here.
    Earlier(Position),
}

/// What every partition's worker uses.
#[derive(Debug)]
pub struct Worker {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) log: Producer,
    pub(crate) side: Producer,
    pub(crate) ids: Ids,
    pub(crate) batch_max: usize,
    pub(crate) owned: Owned,
    pub(crate) life: Lifecycle,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
}

impl Worker {
    /// Works until the partition is revoked.
    pub async fn run(&self, mut partition: Partition<Claim>) -> Result<(), Error> {
        let id = partition.at.partition;
        match self.disagreement(&partition).await {
            Ok(None) => {}
            Ok(Some(why)) => {
                self.stand_still(&partition, &why).await;
                return Ok(());
            }
            Err(Error::Cancelled) => return Ok(()),
            Err(error) => return Err(error),
        }
        self.owned.gain(id);
        let (groups, receiver) = mpsc::channel(GROUPS);
        let publishing = publish::run(self.log.clone(), id, receiver, self.life.clone(), self.metrics.clone());
        let mut publisher = tokio::spawn(publishing);
        let result = self.work(&mut partition, groups).await;
        self.owned.lose(id);
        if tokio::time::timeout(PUBLISH_DRAIN, &mut publisher).await.is_err() {
            publisher.abort();
        }
        for gauge in [&self.metrics.unpublished, &self.metrics.epoch] {
            // Gone already, if nothing was ever counted.
            let _ = gauge.remove_label_values(&[&id.to_string()]);
        }
        match result {
            Ok(()) => Ok(()),
            Err(Error::Fenced) => {
                self.metrics.fenced_total.inc();
                tracing::warn!(kafka.partition = id, "fenced: another arbiter has taken this partition over");
                if tokio::time::timeout(FENCED_WAIT, partition.revoked.cancelled()).await.is_err() {
                    self.life.die("a fenced partition is still assigned to this process");
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the topic has what the store does not: then the store was put back to an earlier time, or the topic is
    /// not this store's. Publishing on would contradict what others have read.
    async fn disagreement(&self, partition: &Partition<Claim>) -> Result<Option<String>, Error> {
        let Claim { position, published, log: (begin, end) } = &partition.claim;
        if !(*begin..=*end).contains(&position.next_offset) {
            return Ok(Some(format!(
                "the store's next offset is {}, and booking.requests goes from {begin} to {end}",
                position.next_offset
            )));
        }
        let (seq, bytes) = match published {
            Published::Nothing => return Ok(None),
            Published::Foreign => return Ok(Some("the last record of booking.decisions is no decision".to_owned())),
            Published::Last { seq, bytes } => (seq, bytes),
        };
        if *seq >= position.next_seq {
            return Ok(Some(format!("booking.decisions has seq {seq}, and the store's next is {}", position.next_seq)));
        }
        let stored =
            self.patiently(&partition.revoked, async || Ok(self.store.decision(position.partition, *seq).await?));
        match stored.await? {
            Some(stored) if stored == *bytes => Ok(None),
            Some(_) => Ok(Some(format!("seq {seq} on booking.decisions is not the stored one"))),
            None => Ok(Some(format!("seq {seq} on booking.decisions is not in the store"))),
        }
    }

    /// Holds the partition and does nothing, loudly, until somebody has mended the disagreement.
    async fn stand_still(&self, partition: &Partition<Claim>, why: &str) {
        tracing::error!(
            kafka.partition = partition.at.partition,
            error = why,
            "partition stopped: the topic and the store disagree"
        );
        self.health.waiting(COMPONENT, "a person: the topic and the store disagree");
        self.metrics.partitions_stopped.inc();
        partition.revoked.cancelled().await;
        self.metrics.partitions_stopped.dec();
    }

    async fn work(&self, partition: &mut Partition<Claim>, groups: mpsc::Sender<Group>) -> Result<(), Error> {
        let revoked = partition.revoked.clone();
        let mut position = partition.claim.position.clone();
        let published = match &partition.claim.published {
            Published::Last { seq, .. } => *seq,
            Published::Nothing | Published::Foreign => 0,
        };
        let recovered = async { self.recover(&position, published, &groups, &revoked).await };
        match recovered.await {
            Err(Error::Cancelled) => return Ok(()),
            result => result?,
        }
        loop {
            let first = tokio::select! {
                biased;
                () = revoked.cancelled() => return Ok(()),
                record = partition.records.recv() => match record {
                    Some(record) => record,
                    None => return Ok(()),
                },
            };
            let mut records = vec![first];
            while records.len() < self.batch_max
                && let Ok(record) = partition.records.try_recv()
            {
                records.push(record);
            }
            // Records before the position can only come if the seek was not honoured; deciding them would be fenced.
            records.retain(|record| record.offset >= position.next_offset);
            if records.is_empty() {
                continue;
            }
            match self.batch(&mut position, &records, &groups, &revoked).await {
                Err(Error::Cancelled) => return Ok(()),
                result => result?,
            }
            partition.progress.done_below(position.next_offset);
            self.health.beat(COMPONENT);
        }
    }

    /// Publishes what the store has and the topic lacks. The bookings go back one group further than the decisions: a
    /// group's decisions may have been acknowledged while its bookings were not.
    async fn recover(
        &self,
        position: &Position,
        published: i64,
        groups: &mpsc::Sender<Group>,
        revoked: &CancellationToken,
    ) -> Result<(), Error> {
        let back = i64::try_from(self.batch_max).unwrap_or(i64::MAX);
        let bookings = self.patiently(revoked, async || {
            Ok(self.store.bookings_after(position.partition, published.saturating_sub(back)).await?)
        });
        let bookings: Vec<_> = bookings.await?.into_iter().map(|(row, zone)| row.canonical(zone)).collect();
        send(groups, Group::recovered(Vec::new(), &bookings, self.ids), revoked).await?;
        let mut after = published;
        while after + 1 < position.next_seq {
            let decisions = self.patiently(revoked, async || {
                Ok(self.store.decisions_after(position.partition, after, RECOVER).await?)
            });
            let decisions = decisions.await?;
            let Some(last) = decisions.last().map(|decision| decision.seq) else { return Ok(()) };
            tracing::info!(
                kafka.partition = position.partition,
                records = decisions.len(),
                "publishing decisions that a predecessor committed"
            );
            after = last;
            send(groups, Group::recovered(decisions, &[], self.ids), revoked).await?;
        }
        Ok(())
    }

    async fn batch(
        &self,
        position: &mut Position,
        records: &[Record],
        groups: &mpsc::Sender<Group>,
        revoked: &CancellationToken,
    ) -> Result<(), Error> {
        let mut entries = Vec::with_capacity(records.len());
        for record in records {
            let entry = self.patiently(revoked, async || Ok(intake::read(&self.registry, record).await?)).await?;
            if let Content::Unreadable(_, why) = &entry.content {
                self.dead_letter(record, why.as_str(), revoked).await?;
            }
            entries.push(entry);
        }
        match self.twice(position, &entries, groups, revoked).await {
            Err(error @ (Error::Exclusion | Error::Refused(_) | Error::Panicked)) => {
                tracing::error!(%error, kafka.partition = position.partition, "deciding a batch one request at a time");
            }
            result => return result,
        }
        // Something in it cannot be granted, or cannot be decided at all: find out what, one at a time.
        for (entry, record) in entries.into_iter().zip(records) {
            let entry = [entry];
            let verdict = match self.twice(position, &entry, groups, revoked).await {
                Err(Error::Exclusion) => Rejection::ConflictByStore,
                Err(Error::Panicked | Error::Refused(_)) => {
                    self.dead_letter(record, "internal", revoked).await?;
                    Rejection::Internal
                }
                result => {
                    result?;
                    continue;
                }
            };
            let verdicts = BTreeMap::from([(record.offset, verdict)]);
            self.attempt(position, &entry, &verdicts, groups, revoked).await?;
        }
        Ok(())
    }

    /// Decides and commits; should the constraint fire, once more from what the store says by then.
    async fn twice(
        &self,
        position: &mut Position,
        entries: &[Entry],
        groups: &mpsc::Sender<Group>,
        revoked: &CancellationToken,
    ) -> Result<(), Error> {
        let none = BTreeMap::new();
        match self.attempt(position, entries, &none, groups, revoked).await {
            Err(Error::Exclusion) => {
                self.metrics.constraint_fired_total.inc();
                tracing::error!(
                    kafka.partition = position.partition,
                    kafka.offset = position.next_offset,
                    "the store refused what the core had granted: deciding again"
                );
                self.attempt(position, entries, &none, groups, revoked).await
            }
            result => result,
        }
    }

    async fn attempt(
        &self,
        position: &mut Position,
        entries: &[Entry],
        verdicts: &BTreeMap<i64, Rejection>,
        groups: &mpsc::Sender<Group>,
        revoked: &CancellationToken,
    ) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            let requests: Vec<&Request> = entries.iter().filter_map(request).collect();
            let slice = self.patiently(revoked, async || self.store.slice(&requests, position.now).await).await?;
            let decide = AssertUnwindSafe(|| decide_batch(position, entries, slice, verdicts, self.ids.decision));
            let decided = catch_unwind(decide).map_err(|_| Error::Panicked)?;
            let fate = match self.store.commit(position, &decided).await {
                Ok(()) => Fate::Committed,
                Err(error) if in_doubt(&error) => self.resolve(position, &decided, revoked, &error).await?,
                Err(error) => return Err(error),
            };
            match fate {
                Fate::Committed => {}
                Fate::NotCommitted => {
                    // Reads work and commits do not: a server that is shutting down, read-only or full.
                    self.health.waiting(COMPONENT, "PostgreSQL");
                    tokio::select! {
                        () = tokio::time::sleep(COMMIT_AGAIN) => continue,
                        () = revoked.cancelled() => return Err(Error::Cancelled),
                    }
                }
                Fate::Earlier(found) => {
                    let published = position.next_seq - 1;
                    *position = found;
                    return self.recover(position, published, groups, revoked).await;
                }
            }
            self.health.ready(COMPONENT);
            fault::after_commit();
            self.note(&decided, began);
            *position = decided.after.clone();
            return send(groups, Group::of(&decided, self.ids), revoked).await;
        }
    }

    /// Reads what became of a commit whose answer was lost, or that somebody was faster than: ours, if the partition
    /// stands exactly where it would have put it; not done, if it stands where it stood. If it has moved in our epoch, it
    /// was an earlier try of the same records, whose COMMIT was still on its way when we looked. Else it is another's.
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
        let found = self.patiently(revoked, async || Ok(self.store.position(position.partition).await?)).await?;
        if found == decided.after {
            Ok(Fate::Committed)
        } else if found.epoch != position.epoch {
            Err(Error::Fenced)
        } else if found.next_offset > position.next_offset {
            Ok(Fate::Earlier(found))
        } else {
            Ok(Fate::NotCommitted)
        }
    }

    /// Calls until it succeeds. What can never succeed is an error; what time mends is waited out, and said.
    async fn patiently<T, F: Future<Output = Result<T, Error>>>(
        &self,
        revoked: &CancellationToken,
        call: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let mut waited = false;
        let result = retry::forever(revoked, call, Error::advice, |error| {
            waited = true;
            self.health.waiting(COMPONENT, error.waits_for());
            tracing::warn!(%error, "waiting");
        });
        let result = result.await;
        if waited && result.is_ok() {
            self.health.ready(COMPONENT);
        }
        result.map_err(|ended| match ended {
            Ended::Cancelled => Error::Cancelled,
            Ended::Stopped(error) => error,
        })
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
        let headers = letter.onto(record.headers.clone());
        let outgoing = Outgoing {
            topic: topics::DLQ_ARBITER,
            partition: None,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        };
        self.patiently(revoked, async || Ok(self.side.send_and_wait(outgoing).await?)).await?;
        self.metrics.dead_letters_total.with_label_values(&[reason]).inc();
        tracing::error!(
            kafka.partition = record.partition,
            kafka.offset = record.offset,
            reason,
            "request dead-lettered: nobody can decide it"
        );
        Ok(())
    }

    fn note(&self, decided: &Decided, began: Instant) {
        self.metrics.repeats_total.inc_by(decided.repeats);
        self.metrics.batch_seconds.observe(began.elapsed().as_secs_f64());
        #[allow(clippy::cast_precision_loss, reason = "a batch has at most thousands of records")]
        self.metrics.batch_records.observe(decided.decisions.len() as f64);
        let now = clock::now();
        for ready in &decided.decisions {
            let decision = &ready.logged.decision;
            let (operation, outcome) = (decision.operation.as_str(), decision.outcome.as_str());
            let reason = decision.outcome.reason().unwrap_or("");
            self.metrics.decisions_total.with_label_values(&[operation, outcome, reason]).inc();
            let age = now.since(decision.received_at).as_secs_f64();
            self.metrics.received_to_committed_seconds.observe(age);
            tracing::info!(
                request.id = %decision.request_id,
                resource.id = %decision.resource,
                booking.id = ready.booking_id.map(tracing::field::display),
                source = %decision.source,
                operation,
                outcome,
                reason,
                kafka.partition = ready.logged.partition,
                kafka.offset = ready.logged.offset,
                seq = ready.logged.seq,
                trace.id = ready.traceparent.as_deref().and_then(daybook_runtime::trace::trace_id),
                "decision committed"
            );
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
        | Error::DeadLetter(_) => false,
    }
}

/// Hands a group to the publisher, which is gone only if the process is ending. What a revoked partition does not hand
/// on, its next owner publishes.
async fn send(groups: &mpsc::Sender<Group>, group: Group, revoked: &CancellationToken) -> Result<(), Error> {
    tokio::select! {
        biased;
        result = groups.send(group) => result.map_err(|_| Error::Cancelled),
        () = revoked.cancelled() => Err(Error::Cancelled),
    }
}

impl Error {
    fn advice(&self) -> retry::Advice {
        match self {
            Self::Store(error) => error.advice(),
            Self::Registry(error) => error.advice(),
            Self::DeadLetter(error) => error.advice(),
            Self::Fenced | Self::Exclusion | Self::Refused(_) | Self::Panicked | Self::Cancelled => retry::Advice::Stop,
        }
    }

    fn waits_for(&self) -> &'static str {
        match self {
            Self::Store(StoreError::Database(_) | StoreError::Corrupt(_)) => "PostgreSQL",
            Self::Registry(_) => "the schema registry",
            Self::DeadLetter(ProducerError::QueueFull | ProducerError::NotAcknowledged(_)) => "Kafka",
            Self::Fenced | Self::Exclusion | Self::Refused(_) | Self::Panicked | Self::Cancelled => "nothing",
        }
    }
}
