//! A topic, as an ordinary consumer reads it: librdkafka with its defaults, `read_committed`, nothing of Daybook's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use daybook_domain::Timestamp;
use daybook_runtime::clock;
use daybook_tests::world::World;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

/// The longest silence before the next record is given up.
const SILENCE: Duration = Duration::from_secs(60);
/// Records that may wait for whoever counts them.
const WAITING: usize = 100_000;

/// A record that was read.
#[derive(Debug)]
pub struct Seen {
    /// When it was in our hands.
    pub at: Instant,
    /// The same, by the clock that the broker stamps with.
    pub clock: Timestamp,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its stamp, in milliseconds: the broker's, where the topic says so.
    pub stamp: i64,
    /// Its value.
    pub value: Vec<u8>,
}

impl Seen {
    /// How long after that stamp it was in our hands, in milliseconds.
    #[allow(clippy::cast_precision_loss, reason = "milliseconds")]
    pub fn since(&self, stamp: i64) -> f64 {
        (self.clock.micros() - stamp * 1_000) as f64 / 1_000.0
    }
}

/// Where each partition of a topic ends.
#[derive(Debug, Clone)]
pub struct Ends(BTreeMap<i32, i64>);

/// Reads a topic until it is dropped.
#[derive(Debug)]
pub struct Reader {
    topic: String,
    began: Instant,
    seen: Option<Receiver<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

fn consumer(world: &World) -> Result<BaseConsumer> {
    let mut options = ClientConfig::new();
    options.set("bootstrap.servers", &world.endpoints.kafka_brokers);
    options.set("group.id", "bench");
    options.set("enable.auto.commit", "false");
    options.set("isolation.level", "read_committed");
    options.create().context("a consumer")
}

/// Where each partition ends now.
pub fn ends(world: &World, topic: &str) -> Result<Ends> {
    let consumer = consumer(world)?;
    let metadata = consumer.fetch_metadata(Some(topic), SILENCE)?;
    let partitions = metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions);
    let end = |partition| Ok((partition, consumer.fetch_watermarks(topic, partition, SILENCE)?.1));
    Ok(Ends(partitions.map(|partition| end(partition.id())).collect::<Result<_>>()?))
}

impl Reader {
    /// Reads what comes from now on. Its time begins to run with this.
    pub fn from_now(world: &World, topic: &str) -> Result<Self> {
        Self::from(world, topic, &ends(world, topic)?)
    }

    /// Reads what came after these ends.
    pub fn from(world: &World, topic: &str, ends: &Ends) -> Result<Self> {
        let consumer = consumer(world)?;
        let mut list = TopicPartitionList::new();
        for (partition, end) in &ends.0 {
            list.add_partition_offset(topic, *partition, Offset::Offset(*end))?;
        }
        consumer.assign(&list)?;
        let (sender, seen) = sync_channel(WAITING);
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !asked.load(Ordering::Relaxed) {
                // An error is a broker that is away for a moment, or somebody waits in vain and says so.
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else { continue };
                let seen = Seen {
                    at: Instant::now(),
                    clock: clock::now(),
                    partition: message.partition(),
                    offset: message.offset(),
                    stamp: message.timestamp().to_millis().unwrap_or_default(),
                    value: message.payload().unwrap_or_default().to_vec(),
                };
                if sender.send(seen).is_err() {
                    return;
                }
            }
        });
        Ok(Self { topic: topic.to_owned(), began: Instant::now(), seen: Some(seen), stop, thread: Some(thread) })
    }

    /// The next record.
    pub fn next(&self) -> Result<Seen> {
        self.within(SILENCE)?.with_context(|| format!("{} was silent for {} s", self.topic, SILENCE.as_secs()))
    }

    /// The next record, if it comes in time.
    pub fn within(&self, limit: Duration) -> Result<Option<Seen>> {
        use std::sync::mpsc::RecvTimeoutError;
        match self.seen.as_ref().context("it reads")?.recv_timeout(limit) {
            Ok(seen) => Ok(Some(seen)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the reader of {} has ended", self.topic),
        }
    }

    /// Reads so many records; how long after the beginning the last of them came.
    pub fn await_count(&self, count: usize) -> Result<Duration> {
        let mut last = Duration::ZERO;
        for n in 0..count {
            let seen = self.next().with_context(|| format!("after {n} of {count} records"))?;
            last = seen.at.saturating_duration_since(self.began);
        }
        Ok(last)
    }

    /// Reads so many records.
    pub fn take(&self, count: usize) -> Result<Vec<Seen>> {
        (0..count).map(|n| self.next().with_context(|| format!("after {n} of {count} records"))).collect()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A thread that waits for room would wait for ever.
        self.seen = None;
        if let Some(thread) = self.thread.take() {
            // It is only a reader: that it panicked was seen by whoever waited for its records.
            let _ = thread.join();
        }
    }
}
