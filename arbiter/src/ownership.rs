//! Taking partitions over: the epoch in the store, then what the topic already has.
//!
//! In this order, because after the epoch is bumped a predecessor can still publish what it has committed, but commit
//! nothing more: what the topic lacks at most, the store has.

use std::collections::BTreeMap;
use std::time::Duration;

use arbiter_core::partition::Position;
use daybook_domain::topics;
use daybook_runtime::admin::Health;
use daybook_runtime::kafka::{
    Claimed, KafkaConfig, Ownership, Record, Start, TailError, TopicPartition, bounds, last_records,
};
use daybook_runtime::lifecycle::Lifecycle;
use daybook_runtime::postgres::StoreError;
use daybook_runtime::registry::{Registry, RegistryError};
use daybook_runtime::retry::{self, Advice, Ended};
use daybook_runtime::service::Service;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::store::Store;
use crate::topics::read_decision;
use crate::worker::COMPONENT;

/// How long the topic's last records may take to come.
const TAIL: Duration = Duration::from_secs(10);

/// Records of `booking.canonical` before its end that a successor looks at, too: an older version may have landed last
/// while nobody followed, or just before whoever followed was gone. Each booking among them is one look-up.
pub const FOLLOW_BACK: i64 = 10_000;

/// What a claimed partition begins with.
#[derive(Debug)]
pub struct Claim {
    /// Where it stands, in our epoch.
    pub position: Position,
    /// The last record on `booking.decisions`.
    pub published: LastPublished,
    /// The first offset on `booking.requests`, and one past the last.
    pub log: (i64, i64),
    /// Where to begin to follow `booking.canonical`.
    pub canonical_from: i64,
}

/// The last record of a partition of `booking.decisions`.
#[derive(Debug)]
pub enum LastPublished {
    /// There is none.
    Nothing,
    /// A decision.
    Decision {
        /// Its `seq`.
        seq: i64,
        /// Its value.
        bytes: Vec<u8>,
    },
    /// Somebody else's.
    Foreign,
}

/// Claims partitions by bumping their epochs.
#[derive(Debug)]
pub struct Epochs {
    store: Store,
    kafka: KafkaConfig,
    registry: Registry,
    handle: Handle,
    owner: String,
    life: Lifecycle,
    health: Health,
    metrics: Metrics,
}

#[derive(Debug, thiserror::Error)]
enum ClaimError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Tail(#[from] TailError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl ClaimError {
    fn advice(&self) -> Advice {
        match self {
            Self::Store(error) => error.advice(),
            Self::Registry(error) => error.advice(),
            Self::Tail(_) => Advice::Retry,
        }
    }
}

impl Epochs {
    /// Must be made inside the asynchronous runtime, whose handle it keeps.
    pub fn new(store: Store, kafka: KafkaConfig, registry: Registry, service: &Service, metrics: Metrics) -> Self {
        Self {
            store,
            kafka,
            registry,
            handle: Handle::current(),
            owner: format!("process {}", std::process::id()),
            life: service.life.clone(),
            health: service.health.clone(),
            metrics,
        }
    }

    async fn acquire(&self, partitions: &[i32]) -> Result<Vec<Claim>, ClaimError> {
        let positions = self.store.acquire(partitions, &self.owner).await?;
        let mut published = self.published(partitions).await?;
        let logs = bounds(&self.kafka, topics::REQUESTS, partitions, TAIL)?;
        let canonical = bounds(&self.kafka, topics::CANONICAL, partitions, TAIL)?;
        Ok(positions
            .into_iter()
            .map(|position| Claim {
                published: published.remove(&position.partition).unwrap_or(LastPublished::Nothing),
                log: logs.get(&position.partition).copied().unwrap_or_default(),
                canonical_from: canonical
                    .get(&position.partition)
                    .map_or(0, |(begin, end)| (end - FOLLOW_BACK).max(*begin)),
                position,
            })
            .collect())
    }

    /// The last decision on the topic, by partition.
    async fn published(&self, partitions: &[i32]) -> Result<BTreeMap<i32, LastPublished>, ClaimError> {
        // Blocks, which is what the consumer's own thread is for.
        let last = last_records(&self.kafka, topics::DECISIONS, partitions, TAIL)?;
        let mut published = BTreeMap::new();
        for (partition, record) in last {
            published.insert(partition, self.decision(record).await?);
        }
        Ok(published)
    }

    async fn decision(&self, record: Record) -> Result<LastPublished, RegistryError> {
        let Some(bytes) = record.value else { return Ok(LastPublished::Foreign) };
        Ok(match read_decision(&self.registry, &bytes).await? {
            Some(logged) => LastPublished::Decision { seq: logged.seq, bytes },
            None => LastPublished::Foreign,
        })
    }
}

impl Ownership for Epochs {
    type Claim = Claim;

    fn claim(&self, assigned: &[TopicPartition], shutdown: &CancellationToken) -> Option<Vec<Claimed<Claim>>> {
        let partitions: Vec<i32> = assigned.iter().map(|at| at.partition).collect();
        let claims = self.handle.block_on(retry::forever(
            shutdown,
            async || self.acquire(&partitions).await,
            ClaimError::advice,
            |error| {
                self.health.waiting(COMPONENT, "PostgreSQL, Kafka or the registry, to take partitions over");
                self.health.beat("consumer");
                tracing::warn!(%error, "cannot take partitions over yet");
            },
        ));
        let claims = match claims {
            Ok(claims) => claims,
            Err(Ended::Cancelled) => return None,
            Err(Ended::Stopped(error)) => {
                self.life.die(&format!("partitions cannot be taken over: {error}"));
                return None;
            }
        };
        let mut by_partition: BTreeMap<i32, Claim> =
            claims.into_iter().map(|claim| (claim.position.partition, claim)).collect();
        let claimed = assigned.iter().filter_map(|at| {
            let claim = by_partition.remove(&at.partition)?;
            let label = at.partition.to_string();
            self.metrics.epoch.with_label_values(&[&label]).set(claim.position.epoch);
            Some(Claimed { at: at.clone(), start: Start::At(claim.position.next_offset), claim })
        });
        Some(claimed.collect())
    }
}
