//! The trail of events: where each lies in `raw.<source>`, and which of them are dead letters, for whoever asks later what
//! became of one.
//!
//! Invariant: it is written behind the door, from the topics, and never in the way of a webhook: while PostgreSQL is away
//! the topics wait, and what was answered 200 is on them. All processes of ingest share the partitions out as a group, and
//! what is read twice is written once. A row goes when its record does. Absent on purpose: bodies, ids and keys, which may
//! hold anything; what is kept of them are pseudonyms.

mod note;
pub mod store;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use daybook_domain::topics;
use daybook_runtime::admin::Health;
use daybook_runtime::kafka::{Consumer, ConsumerSpec, FromGroup, KafkaConfig, KafkaError, Partition, Record};
use daybook_runtime::metrics::CommonMetrics;
use daybook_runtime::postgres::{Sort, StoreError};
use daybook_runtime::retry::{Advice, Ended, forever};
use daybook_runtime::service::Service;
use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

pub use self::note::webhooks_of;
use self::note::{letter, sighting};
use crate::api::ApiMetrics;

/// The group of all processes of ingest.
pub const GROUP: &str = "daybook-ingest";
/// Records in one transaction at most. Few statements are many rows, and nobody waits for them.
const BATCH: usize = 1_000;
/// How long records gather before they are written. Somebody who asks after an event knows it for at least as long.
const GATHER: Duration = Duration::from_millis(200);
/// How long the group waits for a silent process. Nobody minds if its partitions wait.
const SESSION_TIMEOUT: Duration = Duration::from_secs(30);
/// How often rows are forgotten whose records are gone.
const FORGET_EVERY: Duration = Duration::from_secs(10 * 60);

/// What the workers share.
#[derive(Debug)]
struct Shared {
    store: PgPool,
    metrics: ApiMetrics,
    common: CommonMetrics,
}

/// Follows these topics, and the dead letters, until shutdown.
pub fn start(
    kafka: &KafkaConfig,
    raw_topics: Vec<String>,
    store: &PgPool,
    metrics: &ApiMetrics,
    service: &Service,
) -> Result<(), KafkaError> {
    let spec = ConsumerSpec {
        group: GROUP.to_owned(),
        topics: raw_topics.into_iter().chain([topics::DLQ_NORMALIZER.to_owned()]).collect(),
        queue: BATCH,
        session_timeout: SESSION_TIMEOUT,
    };
    let life = &service.life;
    // A health of its own, which nobody asks: without the trail the door is as ready as with it.
    let mut consumer = Consumer::start(kafka, &spec, FromGroup, life, &Health::new(), &service.metrics)?;
    let shared = Arc::new(Shared { store: store.clone(), metrics: metrics.clone(), common: service.metrics.clone() });
    let (workers, of_all) = (life.clone(), Arc::clone(&shared));
    life.spawn("trail of events", async move {
        while let Some(partition) = consumer.partitions.recv().await {
            workers.spawn("trail of a partition", work(partition, Arc::clone(&of_all)));
        }
        consumer.join().await;
        Ok::<(), Infallible>(())
    });
    life.spawn("forgetting of events", forget(shared, life.shutdown().clone()));
    Ok(())
}

/// Writes down a partition's records until it is revoked.
async fn work(mut partition: Partition<()>, shared: Arc<Shared>) -> Result<(), Infallible> {
    let revoked = partition.revoked.clone();
    loop {
        let mut records = Vec::new();
        let taken = tokio::select! {
            taken = partition.records.recv_many(&mut records, BATCH) => taken,
            () = revoked.cancelled() => 0,
        };
        if taken == 0 {
            return Ok(());
        }
        // A few milliseconds' worth becomes one statement.
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            () = revoked.cancelled() => return Ok(()),
        }
        while records.len() < BATCH
            && let Ok(record) = partition.records.try_recv()
        {
            records.push(record);
        }
        let mut said = false;
        let written = forever(
            &revoked,
            || write(&shared, &records),
            advice,
            |error| {
                shared.metrics.trail_retries_total.inc();
                // A right or a table that is missing is for somebody to mend; an outage mends itself.
                if error.advice() == Advice::Stop && !std::mem::replace(&mut said, true) {
                    tracing::error!(%error, "events cannot be written down; was daybook migrate run?");
                }
            },
        );
        match written.await {
            Ok(()) => {}
            Err(Ended::Cancelled) => return Ok(()),
            // They stay on their topic, and can be asked after no more. Better than all that come behind them.
            Err(Ended::Stopped(error)) => tracing::error!(%error, "a batch of events is refused and passed over"),
        }
        if let Some(last) = records.last() {
            partition.progress.done_below(last.offset + 1);
        }
    }
}

/// Nothing here ends the process: webhooks need no trail.
fn advice(error: &StoreError) -> Advice {
    if error.sort() == Sort::Refused { Advice::Stop } else { Advice::Retry }
}

async fn write(shared: &Shared, records: &[Record]) -> Result<(), StoreError> {
    let sightings: Vec<_> = records.iter().filter_map(sighting).collect();
    let letters: Vec<_> = records.iter().filter_map(letter).collect();
    let written = async {
        store::put_sightings(&shared.store, &sightings).await?;
        store::put_letters(&shared.store, &letters).await
    };
    written.await.map_err(|error| error.noted(&shared.common))
}

/// Forgets what Kafka has forgotten.
async fn forget(shared: Arc<Shared>, shutdown: CancellationToken) -> Result<(), Infallible> {
    let mut rounds = interval(FORGET_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        match store::forget(&shared.store).await {
            Ok(rows) => tracing::debug!(rows, "events were forgotten"),
            Err(error) => {
                let error = error.noted(&shared.common);
                tracing::debug!(%error, "events were not forgotten; the next round tries again");
            }
        }
    }
}
