//! Following single partitions of a topic without a group, as they come and go.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::client::KafkaConfig;
use super::consumer::{TopicPartition, record};
use super::lanes::Record;
use super::tail::{TailError, options};

/// How soon records are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Nobody waits for them: few fetches, and little of them in memory.
    Leisurely,
    /// Somebody does: each as soon as the broker has it.
    Prompt,
}

/// Follows single partitions of a topic, each from an offset of its own, all on one thread.
#[derive(Debug)]
pub struct Follower(SyncSender<(i32, i64)>);

impl Follower {
    /// Starts the thread, which ends with `shutdown`. `each` is given every record, those of a partition in order, and
    /// breaks off to have no more of that partition. A broker that is away is waited for.
    pub fn start(
        kafka: &KafkaConfig,
        topic: &'static str,
        pace: Pace,
        shutdown: CancellationToken,
        each: impl FnMut(Record) -> ControlFlow<()> + Send + 'static,
    ) -> Result<Self, TailError> {
        let fail = |source| TailError::Kafka { topic: topic.to_owned(), source };
        let mut options = options(kafka);
        // An offset that is gone was compacted away, or is not there yet: what comes next is what is left to follow.
        options.set("auto.offset.reset", "latest");
        options.set("queued.min.messages", "1000");
        options.set("fetch.queue.backoff.ms", "10");
        match pace {
            Pace::Leisurely => {
                options.set("fetch.wait.max.ms", "500");
                options.set("fetch.min.bytes", "1048576");
            }
            // The broker answers as soon as there is a record, and asks for patience no oftener than this.
            Pace::Prompt => {
                options.set("fetch.wait.max.ms", "250");
                options.set("fetch.min.bytes", "1");
            }
        }
        let consumer: BaseConsumer = options.create().map_err(fail)?;
        let (sender, wanted) = std::sync::mpsc::sync_channel(1_024);
        std::thread::Builder::new()
            .name("kafka-follower".to_owned())
            .spawn(move || follow_each(&consumer, topic, &shutdown, &wanted, each))
            .map_err(|_| fail(KafkaError::ClientCreation("cannot start the follower's thread".to_owned())))?;
        Ok(Self(sender))
    }

    /// Follows a partition from an offset on; should it be followed already, from there instead.
    pub fn follow(&self, partition: i32, from: i64) {
        // The thread takes them within a poll; it is gone only when the process ends.
        let _ = self.0.send((partition, from));
    }
}

fn follow_each(
    consumer: &BaseConsumer,
    topic: &str,
    shutdown: &CancellationToken,
    wanted: &Receiver<(i32, i64)>,
    mut each: impl FnMut(Record) -> ControlFlow<()>,
) {
    // The next offset of each partition.
    let mut at: BTreeMap<i32, i64> = BTreeMap::new();
    let mut changed = false;
    while !shutdown.is_cancelled() {
        for (partition, from) in wanted.try_iter() {
            at.insert(partition, from);
            changed = true;
        }
        if std::mem::take(&mut changed) {
            let mut list = TopicPartitionList::new();
            for (partition, next) in &at {
                // Adding an offset to a list fails only for an offset that is none.
                let _ = list.add_partition_offset(topic, *partition, Offset::Offset(*next));
            }
            if let Err(error) = consumer.assign(&list) {
                tracing::warn!(%error, "cannot follow partitions; trying again");
                changed = true;
            }
        }
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => {
                let partition = message.partition();
                let Some(next) = at.get_mut(&partition) else { continue };
                *next = message.offset() + 1;
                if each(record(&TopicPartition::new(topic, partition), &message)).is_break() {
                    at.remove(&partition);
                    changed = true;
                }
            }
            // librdkafka connects again by itself.
            Some(Err(error)) => {
                let code = error.rdkafka_error_code().map_or_else(|| "other".to_owned(), |code| format!("{code:?}"));
                tracing::debug!(error = code, "kafka follower error; librdkafka tries again");
            }
        }
    }
}
