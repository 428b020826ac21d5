//! Taking partitions over: the epoch in the store, then what the topic already has.
//!
//! In this order, because after the epoch is bumped a predecessor can still publish what it has committed, but commit
//! nothing more: what the topic lacks at most, the store has.

use std::collections::BTreeMap;
use std::time::Duration;

use arbiter_core::partition::Position;
use daybook_domain::topics;
use daybook_runtime::admin::Health;
use daybook_runtime::kafka::{Claimed, KafkaConfig, Ownership, Record, Start, Tail, TailError, TopicPartition};
use daybook_runtime::lifecycle::Lifecycle;
use daybook_runtime::postgres::StoreError;
use daybook_runtime::registry::{Registry, RegistryError};
use daybook_runtime::retry::{self, Advice, Ended};
use daybook_runtime::service::Service;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::publish::TOGETHER;
use crate::store::Store;
use crate::topics::{read_back, read_decision};
use crate::worker::COMPONENT;

/// How long the topic's last records may take to come.
const TAIL: Duration = Duration::from_secs(10);

/// Records of `booking.canonical` before its end that a successor looks at, too: an older version may have landed last
/// while nobody followed, or just before whoever followed was gone. Each booking among them is one look-up.
pub const FOLLOW_BACK: i64 = 10_000;

/// Records of `booking.decisions` before its end among which a successor looks for the newest decision. The very last may be
/// older: what a predecessor that froze had sent and not heard of, and its client repeated when it thawed. Two groups of
/// those, of [`TOGETHER`] each. Where as many decisions were made between two records as there are records, none of them is
/// a repeat: then the two are all that has to be read.
#[allow(clippy::cast_possible_wrap, reason = "thousands")]
pub const LOOK_BACK: i64 = 2 * TOGETHER as i64 + 1;

/// What a claimed partition begins with.
#[derive(Debug)]
pub struct Claim {
    /// Where it stands, in our epoch.
    pub position: Position,
    /// The newest decision on `booking.decisions`.
    pub published: LastPublished,
    /// The first offset on `booking.requests`, and one past the last.
    pub log: (i64, i64),
    /// Where to begin to follow `booking.canonical`.
    pub canonical_from: i64,
}

/// The newest decision of a partition of `booking.decisions`.
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
    /// The last record is somebody else's.
    Foreign,
}

impl LastPublished {
    /// The next record on the topic: a decision, or not.
    pub fn then(&mut self, record: Option<(i64, Vec<u8>)>) {
        *self = match (record, std::mem::replace(self, Self::Nothing)) {
            (None, _) => Self::Foreign,
            (Some((seq, _)), Self::Decision { seq: newest, bytes }) if newest > seq => {
                Self::Decision { seq: newest, bytes }
            }
            (Some((seq, bytes)), _) => Self::Decision { seq, bytes },
        };
    }
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
        // Blocks, which is what the consumer's own thread is for.
        let tail = Tail::connect(&self.kafka, TAIL)?;
        let mut published = self.published(&tail, partitions).await?;
        let logs = tail.bounds(topics::REQUESTS, partitions, TAIL)?;
        let canonical = tail.bounds(topics::CANONICAL, partitions, TAIL)?;
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

    /// The newest decision on the topic, by partition.
    async fn published(&self, tail: &Tail, partitions: &[i32]) -> Result<BTreeMap<i32, LastPublished>, ClaimError> {
        let mut bounds = tail.bounds(topics::DECISIONS, partitions, TAIL)?;
        bounds.retain(|_, (begin, end)| begin < end);
        let firsts = bounds.iter().map(|(partition, (begin, end))| (*partition, (*begin).max(end - LOOK_BACK)));
        let lasts = bounds.iter().map(|(partition, (_, end))| (*partition, end - 1)).collect();
        let firsts = tail.records_at(topics::DECISIONS, &firsts.collect(), TAIL)?;
        let lasts = tail.records_at(topics::DECISIONS, &lasts, TAIL)?;
        let mut published = BTreeMap::new();
        for (partition, last) in lasts {
            let first = match firsts.get(&partition) {
                Some(first) => Some((first.offset, self.decision(first).await?)),
                None => None,
            };
            let mut newest = LastPublished::Nothing;
            match (first, self.decision(&last).await?) {
                (Some((offset, Some((first, _)))), Some((seq, bytes))) if last.offset - offset == seq - first => {
                    newest.then(Some((seq, bytes)));
                }
                _ => {
                    for record in read_back(&self.kafka, partition, LOOK_BACK)?.0 {
                        newest.then(self.decision(&record).await?);
                    }
                }
            }
            published.insert(partition, newest);
        }
        Ok(published)
    }

    /// A decision's `seq` and bytes; none for what is no decision.
    async fn decision(&self, record: &Record) -> Result<Option<(i64, Vec<u8>)>, RegistryError> {
        let bytes = record.value.clone().unwrap_or_default();
        Ok(read_decision(&self.registry, &bytes).await?.map(|logged| (logged.seq, bytes)))
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
