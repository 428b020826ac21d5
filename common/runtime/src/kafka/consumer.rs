//! The consumer: librdkafka on a thread of its own, one lane per owned partition.
//!
//! Owns: when a partition is ours. `BaseConsumer` on an OS thread rather than `StreamConsumer`, because rebalance
//! callbacks are synchronous and must be able to wait: for a claim on the store before the first record, and for the
//! worker to stop after the last. Classic protocol, cooperative-sticky, dynamic membership. `assignment_lost()` is not
//! asked: a lost partition is drained like any other, and whoever must not write after losing it is fenced by the store.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use daybook_domain::Timestamp;
use daybook_wire::Headers;
use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers as _, Message};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::client::KafkaConfig;
use super::lanes::{Lane, Lanes, Offered, Partition, Record, drain};
use crate::admin::Health;
use crate::clock;
use crate::lifecycle::Lifecycle;
use crate::metrics::CommonMetrics;

/// The name under which the consumer beats.
const COMPONENT: &str = "consumer";
/// How long a revoked partition's worker may take to stop. Below `max.poll.interval.ms`, far above one commit.
const DRAIN: Duration = Duration::from_secs(10);
/// How often a member asks after its group. At most a third of the shortest session, 6 s.
const HEARTBEAT: Duration = Duration::from_millis(200);
/// How often finished positions are committed to the group. They are where a successor begins, or a hint for lag tools.
/// As often as a heartbeat: librdkafka's own thread, which sends those, sleeps for up to a second unless something
/// wakes it.
const COMMIT_EVERY: Duration = HEARTBEAT;
/// How long after an error silence is no sign of health. Longer than librdkafka takes to report a broker it cannot reach.
const DOUBT: Duration = Duration::from_secs(5);
/// How long one poll waits. Bounds how late a pause, a commit or a stop can be.
const POLL: Duration = Duration::from_millis(100);
/// The same while a lane is full: its worker frees room within milliseconds.
const POLL_WHILE_FULL: Duration = Duration::from_millis(2);

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: &str, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.partition)
    }
}

/// Where a claimed partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Where the group's committed offset says, or at the beginning.
    Committed,
    /// At this offset.
    At(i64),
}

/// A partition that has been claimed.
#[derive(Debug)]
pub struct Claimed<C> {
    /// Which.
    pub at: TopicPartition,
    /// Where to begin.
    pub start: Start,
    /// What the worker needs of the claim.
    pub claim: C,
}

/// Makes assigned partitions ours. Called on the consumer's thread, inside the rebalance: it may block, and should
/// only come back without the claims when `shutdown` says so.
pub trait Ownership: Send + Sync + 'static {
    /// What a claim gives.
    type Claim: Send + 'static;
    /// Claims every partition that was assigned; none of them, if the process is to end.
    fn claim(&self, assigned: &[TopicPartition], shutdown: &CancellationToken) -> Option<Vec<Claimed<Self::Claim>>>;
}

/// The ownership of consumers whose offsets live in the group: nothing to claim.
#[derive(Debug, Clone, Copy)]
pub struct FromGroup;

impl Ownership for FromGroup {
    type Claim = ();
    fn claim(&self, assigned: &[TopicPartition], _: &CancellationToken) -> Option<Vec<Claimed<()>>> {
        let claimed = |at: &TopicPartition| Claimed { at: at.clone(), start: Start::Committed, claim: () };
        Some(assigned.iter().map(claimed).collect())
    }
}

/// What to consume.
#[derive(Debug, Clone)]
pub struct ConsumerSpec {
    /// The group.
    pub group: String,
    /// The topics.
    pub topics: Vec<String>,
    /// Records that may wait for one partition's worker.
    pub queue: usize,
    /// How long the group waits for a silent member before it gives its partitions away.
    pub session_timeout: Duration,
}

/// A running consumer.
#[derive(Debug)]
pub struct Consumer<C> {
    /// Partitions as they become ours; the service runs a worker for each.
    pub partitions: mpsc::Receiver<Partition<C>>,
    thread: Option<JoinHandle<()>>,
}

impl<C: Send + 'static> Consumer<C> {
    /// Starts the thread. It ends when `life` does, after every worker has stopped and every position is committed.
    pub fn start<O: Ownership<Claim = C>>(
        kafka: &KafkaConfig,
        spec: &ConsumerSpec,
        ownership: O,
        life: &Lifecycle,
        health: &Health,
        metrics: &CommonMetrics,
    ) -> Result<Self, KafkaError> {
        let (handover, partitions) = mpsc::channel(4_096);
        let context = Context {
            ownership,
            lanes: Mutex::new(Lanes::new()),
            handover,
            queue: spec.queue,
            life: life.clone(),
            health: health.clone(),
            metrics: metrics.clone(),
        };
        let consumer = BaseConsumer::from_config_and_context(&options(kafka, spec), context)?;
        let topics: Vec<&str> = spec.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics)?;
        health.enter(COMPONENT, Duration::from_secs(60));
        let life = life.clone();
        let thread = std::thread::Builder::new()
            .name("kafka-consumer".to_owned())
            .spawn(move || {
                // A panic here would leave the process up with nobody reading.
                let run = std::panic::AssertUnwindSafe(|| poll_until_shutdown(consumer));
                if std::panic::catch_unwind(run).is_err() {
                    life.die("the consumer's thread panicked");
                }
            })
            .map_err(|_| KafkaError::ClientCreation("cannot start the consumer's thread".to_owned()))?;
        Ok(Self { partitions, thread: Some(thread) })
    }

    /// Waits until the thread has ended, which it does once shutdown was asked for.
    pub async fn join(mut self) {
        self.partitions.close();
        if let Some(thread) = self.thread.take() {
            // The thread reports its own panic; there is nothing left to do with the result.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

fn options(kafka: &KafkaConfig, spec: &ConsumerSpec) -> ClientConfig {
    let mut options = kafka.client();
    options.set("group.id", &spec.group);
    // Positions are what workers have finished, never what was merely fetched.
    options.set("enable.auto.commit", "false");
    options.set("enable.auto.offset.store", "false");
    // Partitions that stay are not interrupted when others move.
    options.set("partition.assignment.strategy", "cooperative-sticky");
    // A group that has never committed begins at the beginning: nothing acknowledged is skipped.
    options.set("auto.offset.reset", "earliest");
    options.set("session.timeout.ms", spec.session_timeout.as_millis().to_string());
    // Far more often than the session asks for: it is by the answer to a heartbeat that a member hears of partitions
    // that have lost their owner.
    options.set("heartbeat.interval.ms", HEARTBEAT.as_millis().to_string());
    // A claim may wait for the store as long as the store is away; the heartbeat goes on meanwhile.
    options.set("max.poll.interval.ms", "3600000");
    // With librdkafka's default of 100,000, partitions that are already owned fill the fetch queue, and a newly taken
    // one starves behind them (measured: 13 s instead of 6 s to the first record).
    options.set("queued.min.messages", "1000");
    // Once that many wait, the next fetch is put off by this. The default, a second, holds a partition that has a
    // backlog to one queue's length a second (measured: 600 records/s).
    options.set("fetch.queue.backoff.ms", "10");
    // The same for an error that passes, such as a leader's epoch that is not known yet; the default is half a second.
    options.set("fetch.error.backoff.ms", "50");
    // A broker that answers as soon as there is a record is asked again as soon as it has: each time about every partition,
    // because librdkafka has no fetch sessions (KIP-227). A few of them busied a core (measured, at 1,200 records/s).
    // So it gathers for a moment.
    options.set("fetch.wait.max.ms", "10");
    options.set("fetch.min.bytes", "65536");
    // What one answer may hold of all partitions together; the default of 50 MB is held in memory several times over while a
    // backlog is read.
    options.set("fetch.max.bytes", "8388608");
    options
}

struct Context<O: Ownership> {
    ownership: O,
    lanes: Mutex<Lanes>,
    handover: mpsc::Sender<Partition<O::Claim>>,
    queue: usize,
    life: Lifecycle,
    health: Health,
    metrics: CommonMetrics,
}

impl<O: Ownership> ClientContext for Context<O> {
    fn error(&self, error: KafkaError, _reason: &str) {
        // The reason may hold host names and more; the code says enough.
        let code = error.rdkafka_error_code().map_or_else(|| "other".to_owned(), |code| format!("{code:?}"));
        self.metrics.kafka_errors_total.with_label_values(&[&code]).inc();
        tracing::debug!(error = code, "kafka client error");
    }
}

impl<O: Ownership> ConsumerContext for Context<O> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "librdkafka's list, of which two occur here")]
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let moved = list.elements().iter().map(|e| TopicPartition::new(e.topic(), e.partition())).collect::<Vec<_>>();
        let result = match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.assigned(consumer, list, &moved),
            _ => self.revoked(consumer, list, &moved),
        };
        if let Err(error) = result {
            self.life.die(&format!("a rebalance could not be carried out: {error}"));
        }
    }
}

impl<O: Ownership> Context<O> {
    fn assigned(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &mut TopicPartitionList,
        assigned: &[TopicPartition],
    ) -> KafkaResult<()> {
        if assigned.is_empty() {
            return consumer.incremental_assign(list);
        }
        let Some(claimed) = self.ownership.claim(assigned, self.life.shutdown()) else {
            // The process ends: assign nothing, fetch nothing.
            return consumer.incremental_assign(&TopicPartitionList::new());
        };
        for Claimed { at, start, claim } in claimed {
            if let Start::At(offset) = start {
                list.set_partition_offset(&at.topic, at.partition, Offset::Offset(offset))?;
            }
            let (lane, partition) = Lane::open(at.clone(), claim, self.queue);
            self.lanes().insert(at.clone(), lane);
            if self.handover.try_send(partition).is_err() {
                return Err(KafkaError::Canceled);
            }
            self.metrics.partitions_owned.with_label_values(&[&*at.topic]).inc();
            tracing::info!(kafka.topic = &*at.topic, kafka.partition = at.partition, "partition gained");
        }
        consumer.incremental_assign(list)?;
        // librdkafka keeps an application's pause across assignments: a lane that was full when the partition was last
        // lost would never be read again.
        consumer.resume(list)
    }

    fn revoked(
        &self,
        consumer: &BaseConsumer<Self>,
        list: &TopicPartitionList,
        revoked: &[TopicPartition],
    ) -> KafkaResult<()> {
        self.stop(consumer, revoked);
        consumer.incremental_unassign(list)
    }

    /// Stops the workers of these partitions and commits how far they came.
    fn stop(&self, consumer: &BaseConsumer<Self>, revoked: &[TopicPartition]) {
        let mut stopped: Vec<(TopicPartition, Lane)> =
            revoked.iter().filter_map(|at| Some((at.clone(), self.lanes().remove(at)?))).collect();
        let (names, lanes): (Vec<_>, Vec<_>) = stopped.drain(..).unzip();
        drain(&lanes, DRAIN, &self.metrics);
        let mut positions = TopicPartitionList::new();
        for (at, mut lane) in names.iter().zip(lanes) {
            if let Some(position) = lane.take_position() {
                // Adding an offset to a list fails only for an offset that is none.
                let _ = positions.add_partition_offset(&at.topic, at.partition, Offset::Offset(position));
            }
            self.metrics.partitions_owned.with_label_values(&[&*at.topic]).dec();
            let _ = self.metrics.records_in_flight.remove_label_values(&[&*at.topic, &at.partition.to_string()]);
            tracing::info!(kafka.topic = &*at.topic, kafka.partition = at.partition, "partition lost");
        }
        if positions.count() > 0
            && let Err(error) = consumer.commit(&positions, CommitMode::Sync)
        {
            // The successor begins a little earlier; what it sees again is known by its id.
            tracing::warn!(%error, "positions of revoked partitions were not committed");
        }
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn poll_until_shutdown<O: Ownership>(consumer: BaseConsumer<Context<O>>) {
    let context = Arc::clone(consumer.context());
    let mut committed_at = Instant::now();
    let mut full = false;
    let mut failed_at: Option<Instant> = None;
    while !context.life.shutdown().is_cancelled() {
        match consumer.poll(if full { POLL_WHILE_FULL } else { POLL }) {
            Some(Ok(message)) => {
                failed_at = None;
                context.health.ready(COMPONENT);
                hand_on(&context, &consumer, &message);
            }
            Some(Err(error)) => {
                failed_at = Some(Instant::now());
                report(&context, &error);
            }
            // Silence is health, unless it follows an error too closely to tell.
            None if failed_at.is_some_and(|at| at.elapsed() < DOUBT) => context.health.beat(COMPONENT),
            None => context.health.ready(COMPONENT),
        }
        full = relieve(&context, &consumer);
        if committed_at.elapsed() >= COMMIT_EVERY {
            committed_at = Instant::now();
            commit(&context, &consumer);
        }
    }
    let owned: Vec<_> = context.lanes().keys().cloned().collect();
    context.stop(&consumer, &owned);
    // Dropping the consumer leaves the group, so that a successor need not wait for the session to time out.
    drop(consumer);
}

fn hand_on<O: Ownership>(context: &Context<O>, consumer: &BaseConsumer<Context<O>>, message: &BorrowedMessage<'_>) {
    let at = TopicPartition::new(message.topic(), message.partition());
    let offered = match context.lanes().get_mut(&at) {
        // Fetched before the partition was revoked; its next owner has it.
        None => return,
        Some(lane) => lane.offer(record(&at, message)),
    };
    match offered {
        Offered::Taken => {}
        Offered::Full => set_paused(consumer, &at, true),
        Offered::WorkerGone => context.life.die(&format!("the worker of {at} is gone")),
    }
}

pub(super) fn record(at: &TopicPartition, message: &impl Message) -> Record {
    // rdkafka panics on a header whose name is not UTF-8. Such a record goes on without its headers, and becomes a dead
    // letter wherever they are needed.
    let read = std::panic::AssertUnwindSafe(|| {
        message.headers().map_or_else(Headers::new, |headers| {
            let pairs = headers.iter().map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec()));
            Headers(pairs.collect())
        })
    });
    let headers = std::panic::catch_unwind(read).unwrap_or_default();
    let stamp = message.timestamp().to_millis().and_then(|millis| Timestamp::from_millis(millis).ok());
    Record {
        topic: Arc::clone(&at.topic),
        partition: at.partition,
        offset: message.offset(),
        timestamp: stamp.unwrap_or_else(clock::now),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}

/// Hands on what did not fit before; says whether some lane is still full.
fn relieve<O: Ownership>(context: &Context<O>, consumer: &BaseConsumer<Context<O>>) -> bool {
    let mut resumed = Vec::new();
    let mut still_full = false;
    for (at, lane) in context.lanes().iter_mut().filter(|(_, lane)| lane.is_full()) {
        match lane.relieve() {
            Offered::Taken => resumed.push(at.clone()),
            Offered::Full => still_full = true,
            Offered::WorkerGone => context.life.die(&format!("the worker of {at} is gone")),
        }
    }
    for at in resumed {
        set_paused(consumer, &at, false);
    }
    still_full
}

fn set_paused<C: ConsumerContext>(consumer: &BaseConsumer<C>, at: &TopicPartition, paused: bool) {
    let mut list = TopicPartitionList::new();
    list.add_partition(&at.topic, at.partition);
    let result = if paused { consumer.pause(&list) } else { consumer.resume(&list) };
    if let Err(error) = result {
        tracing::warn!(%error, kafka.topic = &*at.topic, kafka.partition = at.partition, "cannot pause or resume");
    }
}

fn commit<O: Ownership>(context: &Context<O>, consumer: &BaseConsumer<Context<O>>) {
    let mut positions = TopicPartitionList::new();
    for (at, lane) in context.lanes().iter_mut() {
        let labels = [&*at.topic, &at.partition.to_string()];
        context.metrics.records_in_flight.with_label_values(&labels).set(lane.in_flight());
        if let Some(position) = lane.take_position() {
            // Adding an offset to a list fails only for an offset that is none.
            let _ = positions.add_partition_offset(&at.topic, at.partition, Offset::Offset(position));
        }
    }
    if positions.count() > 0
        && let Err(error) = consumer.commit(&positions, CommitMode::Async)
    {
        report(context, &error);
    }
}

fn report<O: Ownership>(context: &Context<O>, error: &KafkaError) {
    let code = error.rdkafka_error_code().map_or_else(|| "other".to_owned(), |code| format!("{code:?}"));
    context.metrics.kafka_errors_total.with_label_values(&[&code]).inc();
    context.health.waiting(COMPONENT, "Kafka");
    tracing::warn!(error = code, "kafka consumer error; librdkafka tries again");
}
