//! Reading a topic without a group: its last records, one of them, all of it up to now, or all of it from now on.
//! Blocking; for start-up and for tools.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::{ClientConfig, ClientContext, Message, Offset, TopicPartitionList};

use super::client::KafkaConfig;
use super::consumer::{TopicPartition, record};
use super::lanes::Record;

/// Why a topic could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The client or a broker refused.
    #[error("cannot read {topic}")]
    Kafka {
        /// The topic.
        topic: String,
        /// Why.
        #[source]
        source: KafkaError,
    },
    /// There is no such topic.
    #[error("there is no topic {topic}; run daybook topics apply")]
    Missing {
        /// The topic.
        topic: String,
    },
    /// The records did not come in time.
    #[error("records of {topic} did not come within {seconds} s")]
    Timeout {
        /// The topic.
        topic: String,
        /// How long was waited.
        seconds: u64,
    },
}

fn open(kafka: &KafkaConfig, topic: &str) -> Result<BaseConsumer, TailError> {
    options(kafka).create().map_err(|source| TailError::Kafka { topic: topic.to_owned(), source })
}

pub(super) fn options(kafka: &KafkaConfig) -> ClientConfig {
    let mut options = kafka.client();
    // librdkafka wants a group's name even of a consumer that joins none.
    options.set("group.id", "daybook-tail");
    options.set("enable.auto.commit", "false");
    options.set("auto.offset.reset", "earliest");
    options.set("fetch.wait.max.ms", "50");
    options
}

/// Whether librdkafka mends it by itself, by connecting again.
fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve
        )
    )
}

/// The first offset of each partition, and one past its last record.
pub fn bounds(
    kafka: &KafkaConfig,
    topic: &str,
    partitions: &[i32],
    timeout: Duration,
) -> Result<BTreeMap<i32, (i64, i64)>, TailError> {
    Tail::connect(kafka, timeout)?.bounds(topic, partitions, timeout)
}

/// One past the last record of each partition of a topic.
pub fn ends(kafka: &KafkaConfig, topic: &str, timeout: Duration) -> Result<BTreeMap<i32, i64>, TailError> {
    let tail = Tail::connect(kafka, timeout)?;
    let partitions = partitions(&tail.0, topic, timeout)?;
    tail.ask(topic, &partitions, Offset::End, timeout)
}

/// A consumer without a group, for whoever asks several things at once. It has nothing to say before the first.
pub struct Tail(BaseConsumer);

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tail")
    }
}

impl Tail {
    /// Connects, and learns where the partitions of all topics are: asked for one topic after the other, librdkafka takes a
    /// tenth of a second and more for each.
    pub fn connect(kafka: &KafkaConfig, timeout: Duration) -> Result<Self, TailError> {
        let fail = |source| TailError::Kafka { topic: "the list of topics".to_owned(), source };
        let mut options = options(kafka);
        // Single records are wanted: of their batches no more than has to be.
        options.set("fetch.message.max.bytes", "65536");
        let consumer: BaseConsumer = options.create().map_err(fail)?;
        consumer.fetch_metadata(None, timeout).map_err(fail)?;
        Ok(Self(consumer))
    }

    /// Every topic, with its partitions.
    pub fn topics(&self, timeout: Duration) -> Result<BTreeMap<String, Vec<i32>>, TailError> {
        let fail = |source| TailError::Kafka { topic: "the list of topics".to_owned(), source };
        let metadata = self.0.fetch_metadata(None, timeout).map_err(fail)?;
        let partitions = |topic: &MetadataTopic| topic.partitions().iter().map(MetadataPartition::id).collect();
        Ok(metadata.topics().iter().map(|topic| (topic.name().to_owned(), partitions(topic))).collect())
    }

    /// The first offset of each partition, and one past its last record.
    pub fn bounds(
        &self,
        topic: &str,
        partitions: &[i32],
        timeout: Duration,
    ) -> Result<BTreeMap<i32, (i64, i64)>, TailError> {
        let begin = self.ask(topic, partitions, Offset::Beginning, timeout)?;
        let end = self.ask(topic, partitions, Offset::End, timeout)?;
        Ok(begin
            .into_iter()
            .filter_map(|(partition, begin)| Some((partition, (begin, *end.get(&partition)?))))
            .collect())
    }

    /// One question to each broker, however many partitions there are.
    fn ask(
        &self,
        topic: &str,
        partitions: &[i32],
        which: Offset,
        timeout: Duration,
    ) -> Result<BTreeMap<i32, i64>, TailError> {
        let fail = |source| TailError::Kafka { topic: topic.to_owned(), source };
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition_offset(topic, *partition, which).map_err(fail)?;
        }
        let answers = self.0.offsets_for_times(list, timeout).map_err(fail)?;
        let mut found = BTreeMap::new();
        for answer in answers.elements() {
            answer.error().map_err(fail)?;
            // A partition without records ends where it begins, and Kafka has no offset for that.
            let offset = match answer.offset() {
                Offset::Offset(offset) => offset,
                Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => {
                    let (begin, end) = watermarks(&self.0, topic, answer.partition(), timeout)?;
                    if which == Offset::Beginning { begin } else { end }
                }
            };
            found.insert(answer.partition(), offset);
        }
        Ok(found)
    }

    /// The record at each of these offsets of a topic that is not compacted, by partition; each of them is there.
    pub fn records_at(
        &self,
        topic: &str,
        offsets: &BTreeMap<i32, i64>,
        timeout: Duration,
    ) -> Result<BTreeMap<i32, Record>, TailError> {
        let spans = offsets.iter().map(|(partition, offset)| (*partition, (*offset, offset + 1))).collect();
        let mut found = BTreeMap::new();
        read(&self.0, topic, &spans, timeout, |record| {
            found.insert(record.partition, record);
        })?;
        Ok(found)
    }
}

fn watermarks(
    consumer: &BaseConsumer,
    topic: &str,
    partition: i32,
    timeout: Duration,
) -> Result<(i64, i64), TailError> {
    consumer
        .fetch_watermarks(topic, partition, timeout)
        .map_err(|source| TailError::Kafka { topic: topic.to_owned(), source })
}

/// Every record of a topic that is there now, partition by partition in order.
pub fn read_all(
    kafka: &KafkaConfig,
    topic: &str,
    timeout: Duration,
    each: impl FnMut(Record),
) -> Result<(), TailError> {
    let consumer = open(kafka, topic)?;
    let mut from = BTreeMap::new();
    for partition in partitions(&consumer, topic, timeout)? {
        let (begin, end) = watermarks(&consumer, topic, partition, timeout)?;
        if end > begin {
            from.insert(partition, (begin, end));
        }
    }
    read(&consumer, topic, &from, timeout, each)
}

/// Logs no error beside those that are returned: rdkafka takes the end of a partition for one.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Quiet {}

/// Hands on the records of one partition from the first of `span` to before its end, until `each` breaks off. Offsets
/// without a record are passed over. `timeout` is the longest silence. A record of the span that the broker has deleted
/// before it could be read is an error: nothing is skipped unnoticed.
pub fn read_span(
    kafka: &KafkaConfig,
    topic: &str,
    partition: i32,
    (begin, end): (i64, i64),
    timeout: Duration,
    mut each: impl FnMut(Record) -> ControlFlow<()>,
) -> Result<(), TailError> {
    let fail = |source| TailError::Kafka { topic: topic.to_owned(), source };
    if begin >= end {
        return Ok(());
    }
    let mut options = options(kafka);
    options.set("auto.offset.reset", "error");
    // The last offsets before the end may have no record: then only this says that there is no more to come.
    options.set("enable.partition.eof", "true");
    let consumer: BaseConsumer<Quiet> = options.create_with_context(Quiet).map_err(fail)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(begin)).map_err(fail)?;
    consumer.assign(&list).map_err(fail)?;
    let at = TopicPartition::new(topic, partition);
    let mut heard = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(200)) {
            None if heard.elapsed() > timeout => {
                return Err(TailError::Timeout { topic: topic.to_owned(), seconds: timeout.as_secs() });
            }
            None => {}
            Some(Ok(message)) => {
                let offset = message.offset();
                if offset >= end || each(record(&at, &message)).is_break() || offset + 1 == end {
                    return Ok(());
                }
                // After `each`, which may take its time.
                heard = Instant::now();
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            // librdkafka connects again by itself; if it cannot, the silence is too long.
            Some(Err(error)) if is_passing(&error) => {}
            Some(Err(error)) => return Err(fail(error)),
        }
    }
}

/// The record at `offset` of a topic that is not compacted; none if it is not there, yet or any more.
pub fn read_one(
    kafka: &KafkaConfig,
    topic: &str,
    partition: i32,
    offset: i64,
    timeout: Duration,
) -> Result<Option<Record>, TailError> {
    let consumer = open(kafka, topic)?;
    if !partitions(&consumer, topic, timeout)?.contains(&partition) {
        return Ok(None);
    }
    let (begin, end) = watermarks(&consumer, topic, partition, timeout)?;
    if !(begin..end).contains(&offset) {
        return Ok(None);
    }
    let mut found = None;
    read(&consumer, topic, &BTreeMap::from([(partition, (offset, offset + 1))]), timeout, |record| {
        found = Some(record);
    })?;
    Ok(found)
}

/// Where [`follow`] begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TailFrom {
    /// With the oldest record that is kept.
    Beginning,
    /// With the next one.
    Now,
}

/// Hands on the records of a topic as they come, until `each` breaks off. Partitions take turns, each in order. A
/// broker that goes away once it was there is waited for.
pub fn follow(
    kafka: &KafkaConfig,
    topic: &str,
    from: TailFrom,
    timeout: Duration,
    mut each: impl FnMut(Record) -> ControlFlow<()>,
) -> Result<(), TailError> {
    let fail = |source| TailError::Kafka { topic: topic.to_owned(), source };
    let consumer = open(kafka, topic)?;
    let mut list = TopicPartitionList::new();
    for partition in partitions(&consumer, topic, timeout)? {
        let (_, end) = watermarks(&consumer, topic, partition, timeout)?;
        let offset = match from {
            TailFrom::Beginning => Offset::Beginning,
            TailFrom::Now => Offset::Offset(end),
        };
        list.add_partition_offset(topic, partition, offset).map_err(fail)?;
    }
    consumer.assign(&list).map_err(fail)?;
    loop {
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            Some(Ok(message)) => {
                let at = TopicPartition::new(topic, message.partition());
                if each(record(&at, &message)).is_break() {
                    return Ok(());
                }
            }
            Some(Err(error)) if is_passing(&error) => {}
            Some(Err(error)) => return Err(fail(error)),
        }
    }
}

/// The partitions of a topic.
fn partitions(consumer: &BaseConsumer, topic: &str, timeout: Duration) -> Result<Vec<i32>, TailError> {
    let metadata = consumer
        .fetch_metadata(Some(topic), timeout)
        .map_err(|source| TailError::Kafka { topic: topic.to_owned(), source })?;
    let found = metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions);
    let found: Vec<i32> = found.map(rdkafka::metadata::MetadataPartition::id).collect();
    if found.is_empty() { Err(TailError::Missing { topic: topic.to_owned() }) } else { Ok(found) }
}

/// Reads each partition from its first offset to its end. `timeout` is the longest silence.
fn read(
    consumer: &BaseConsumer,
    topic: &str,
    spans: &BTreeMap<i32, (i64, i64)>,
    timeout: Duration,
    mut each: impl FnMut(Record),
) -> Result<(), TailError> {
    let fail = |source| TailError::Kafka { topic: topic.to_owned(), source };
    if spans.is_empty() {
        return Ok(());
    }
    let mut list = TopicPartitionList::new();
    for (partition, (begin, _)) in spans {
        list.add_partition_offset(topic, *partition, Offset::Offset(*begin)).map_err(fail)?;
    }
    consumer.assign(&list).map_err(fail)?;
    let mut open = spans.clone();
    let mut heard = Instant::now();
    while !open.is_empty() {
        if let Some(message) = consumer.poll(Duration::from_millis(50)) {
            let message = message.map_err(fail)?;
            heard = Instant::now();
            let at = TopicPartition::new(topic, message.partition());
            let Some((_, end)) = open.get(&at.partition) else { continue };
            if message.offset() < *end {
                each(record(&at, &message));
            }
        } else if heard.elapsed() > timeout {
            return Err(TailError::Timeout { topic: topic.to_owned(), seconds: timeout.as_secs() });
        }
        // The end may be a record that compaction has taken: the position says whether it was passed.
        let positions = consumer.position().map_err(fail)?;
        open.retain(|partition, (_, end)| {
            let position = positions.find_partition(topic, *partition).and_then(|at| at.offset().to_raw());
            position.is_none_or(|position| position < *end)
        });
    }
    Ok(())
}
