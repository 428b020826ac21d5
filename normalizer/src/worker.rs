//! One partition's work: take what is there, look up once, finish each event, send, wait for every acknowledgement, and
//! only then move the position.

use std::sync::Arc;

use daybook_normalizer_core::{Known, Questions};
use daybook_runtime::clock;
use daybook_runtime::kafka::{Partition, Record};
use daybook_runtime::postgres::StoreError;
use daybook_runtime::retry::forever;
use tokio::time::{Instant, sleep_until};

use crate::aside::Aside;
use crate::batch::Batch;
use crate::error::{StageError, Stopped};
use crate::event::Event;
use crate::frontier::Frontier;
use crate::health;
use crate::stage::{Shared, Source};

/// The worker of one partition.
#[derive(Debug)]
pub struct Worker {
    partition: Partition<()>,
    source: Source,
    schema: u32,
    shared: Arc<Shared>,
    frontier: Frontier,
    aside: Aside<Event>,
    /// How many of those are in the gauge.
    gauged: i64,
}

impl Worker {
    /// A worker that has not begun. `schema` is the id of the schema of requests.
    pub fn new(partition: Partition<()>, source: Source, schema: u32, shared: Arc<Shared>) -> Self {
        let aside = Aside::new(shared.patience);
        Self { partition, source, schema, shared, frontier: Frontier::new(), aside, gauged: 0 }
    }

    /// Works until the partition is revoked. What is not finished then, its next owner does again.
    pub async fn run(mut self) -> Result<(), StageError> {
        let stopped = loop {
            let fresh = match self.next().await {
                Ok(fresh) => fresh,
                Err(stopped) => break stopped,
            };
            if let Err(stopped) = self.batch(fresh).await {
                break stopped;
            }
        };
        self.gauge(0);
        match stopped {
            Stopped::Revoked => Ok(()),
            Stopped::Failed(error) => Err(error),
        }
    }

    /// What has come in; nothing, if an event that was put aside is due.
    async fn next(&mut self) -> Result<Vec<Record>, Stopped> {
        let mut fresh = Vec::new();
        let due = self.aside.next_due();
        tokio::select! {
            biased;
            () = self.partition.revoked.cancelled() => return Err(Stopped::Revoked),
            taken = self.partition.records.recv_many(&mut fresh, self.shared.batch_max) => {
                if taken == 0 {
                    return Err(Stopped::Revoked);
                }
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
        }
        Ok(fresh)
    }

    async fn batch(&mut self, fresh: Vec<Record>) -> Result<(), Stopped> {
        let mut events = self.aside.take_due(Instant::now(), self.shared.batch_max);
        self.shared.metrics.batch_records.observe((events.len() + fresh.len()) as f64);
        let mut batch = Batch::default();
        for record in fresh {
            self.frontier.begin(record.offset);
            let now = clock::now();
            match Event::open(&self.source.format, &self.source.name, record, now) {
                Ok(event) => events.push(event),
                Err(dead) => {
                    let (record, verdict) = *dead;
                    batch.bury(&record, verdict, now);
                }
            }
        }
        let known = self.known(&events).await?;
        for mut event in events {
            let came = event.finish(&known, &self.shared.key, self.schema);
            self.shared.seen.note(&self.shared.metrics, self.source.name.as_str(), &came.drift);
            batch.take(event, came, &mut self.aside, Instant::now());
        }
        self.shared.output.send(&batch.outbound, &self.partition.revoked).await?;
        self.acknowledged(&batch);
        self.gauge(i64::try_from(self.aside.len()).unwrap_or(i64::MAX));
        Ok(())
    }

    /// What the store knows of all these, waiting for it as long as it is away.
    async fn known(&self, events: &[Event]) -> Result<Known, Stopped> {
        let mut questions = Questions::default();
        for event in events {
            questions.extend(event.questions());
        }
        let answer = forever(
            &self.partition.revoked,
            || self.shared.lookup.known(&self.source.name, &questions),
            StoreError::advice,
            |error| {
                self.shared.metrics.retries_total.with_label_values(&["postgresql"]).inc();
                self.shared.health.waiting(health::STORE, "PostgreSQL");
                tracing::warn!(%error, source = self.source.name.as_str(), "waiting for postgresql");
            },
        );
        tokio::select! {
            known = answer => Ok(known?),
            () = self.partition.revoked.cancelled() => Err(Stopped::Revoked),
        }
    }

    /// Kafka has all of it: the position may move.
    fn acknowledged(&mut self, batch: &Batch) {
        for offset in &batch.finished {
            self.frontier.finish(*offset);
        }
        if let Some(position) = self.frontier.position() {
            self.partition.progress.done_below(position);
        }
        let now = clock::now();
        for tally in &batch.tallies {
            self.shared.metrics.looked(self.source.name.as_str(), tally, now);
        }
    }

    /// The partitions of a source share one gauge: each adds what has changed.
    fn gauge(&mut self, waiting: i64) {
        self.shared.metrics.unplaced.with_label_values(&[self.source.name.as_str()]).add(waiting - self.gauged);
        self.gauged = waiting;
    }
}
