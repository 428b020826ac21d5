//! Every topic, once: its name, what keys it, what it keeps. Code, tests and the checks of compose and helm read this.

use std::time::Duration;

use crate::SourceName;

/// Partitions of `booking.requests`, `booking.decisions` and `booking.canonical`. More than one will ever need arbiters,
/// because it can never be raised: a resource would move to another partition.
pub const PARTITIONS: i32 = 24;
/// Partitions of every other topic, where order across a resource does not matter.
pub const PARTITIONS_SIDE: i32 = 6;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a topic keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Everything, this long.
    For(Duration),
    /// The newest value of every key; an overwritten one is gone after at most this long.
    NewestOfKey {
        /// `max.compaction.lag.ms`: what bounds an erasure.
        lag_max: Duration,
    },
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions it is created with.
    pub partitions: i32,
    /// What it keeps.
    pub kept: Kept,
    /// Whether the broker stamps the records (`LogAppendTime`); else the producer's stamp stands.
    pub broker_time: bool,
    /// The registry's name for its value schema (`<topic>-value`), with the file in `avro/`; none if the value is
    /// not ours.
    pub schema: Option<(&'static str, &'static str)>,
}

/// Requests, keyed by resource. The arbiter's input; its *now* is the broker's time.
pub const REQUESTS: &str = "booking.requests";
/// Decisions, keyed by resource.
pub const DECISIONS: &str = "booking.decisions";
/// The newest state of each booking, keyed by booking, on the partition of its resource.
pub const CANONICAL: &str = "booking.canonical";
/// What became of each delivery, keyed by booking and target.
pub const OUTCOMES: &str = "propagation.outcomes";
/// Source events that could not be made into requests.
pub const DLQ_NORMALIZER: &str = "dlq.normalizer";
/// Requests that could not be read.
pub const DLQ_ARBITER: &str = "dlq.arbiter";
/// Deliveries that were given up.
pub const DLQ_PROPAGATOR: &str = "dlq.propagator";

/// The group in which normalizers share the raw events: its position says what has become of each.
pub const GROUP_NORMALIZER: &str = "daybook-normalizer";

/// The topic of a source's raw events.
pub fn raw(source: &SourceName) -> String {
    format!("raw.{source}")
}

/// The partition that Java's default partitioner, and librdkafka's `murmur2_random`, choose for a key: where a
/// resource's records must be, on each of its topics.
pub fn partition_of(key: &[u8], partitions: i32) -> i32 {
    // Kafka: `Utils.toPositive(Utils.murmur2(keyBytes)) % numPartitions`.
    (murmur2(key).cast_signed() & i32::MAX) % partitions
}

/// 32-bit `MurmurHash2` as Kafka's `org.apache.kafka.common.utils.Utils.murmur2` computes it.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let (words, rest) = data.as_chunks::<4>();
    // Kafka's keys are far below 4 GiB; Java's own length is an i32.
    let mut hash = SEED ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (shift, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * shift);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// Every topic of an installation with these sources, and with the API, which is one in every installation.
pub fn all(sources: &[SourceName]) -> Vec<Topic> {
    let topic = |name: &str, partitions, kept, schema| Topic {
        name: name.to_owned(),
        partitions,
        kept,
        broker_time: name == REQUESTS,
        schema,
    };
    let newest = Kept::NewestOfKey { lag_max: DAY };
    let mut topics = vec![
        topic(REQUESTS, PARTITIONS, Kept::For(30 * DAY), Some(("booking.requests-value", "BookingRequest.avsc"))),
        topic(DECISIONS, PARTITIONS, Kept::For(366 * DAY), Some(("booking.decisions-value", "BookingDecision.avsc"))),
        topic(CANONICAL, PARTITIONS, newest, Some(("booking.canonical-value", "Booking.avsc"))),
        topic(OUTCOMES, PARTITIONS_SIDE, newest, Some(("propagation.outcomes-value", "DeliveryOutcome.avsc"))),
        topic(DLQ_NORMALIZER, PARTITIONS_SIDE, Kept::For(30 * DAY), None),
        topic(DLQ_ARBITER, PARTITIONS_SIDE, Kept::For(30 * DAY), None),
        topic(
            DLQ_PROPAGATOR,
            PARTITIONS_SIDE,
            Kept::For(30 * DAY),
            Some(("dlq.propagator-value", "DeliveryFailure.avsc")),
        ),
    ];
    let api = SourceName::api();
    let sources = sources.iter().filter(|source| **source != api).chain([&api]);
    topics.extend(sources.map(|source| topic(&raw(source), PARTITIONS_SIDE, Kept::For(7 * DAY), None)));
    topics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_topics_of_a_resource_have_the_same_number_of_partitions() {
        let topics = all(&[]);
        let partitions = |name| topics.iter().find(|topic| topic.name == name).map(|topic| topic.partitions);
        assert_eq!(partitions(REQUESTS), partitions(DECISIONS));
        assert_eq!(partitions(REQUESTS), partitions(CANONICAL));
    }

    #[test]
    fn murmur2_gives_what_kafkas_own_tests_expect() {
        let vectors: [(&[u8], i32); 5] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2(key).cast_signed(), hash);
            assert!((0..PARTITIONS).contains(&partition_of(key, PARTITIONS)));
        }
    }

    #[test]
    fn only_the_requests_are_stamped_by_the_broker() {
        let stamped: Vec<_> = all(&[]).into_iter().filter(|topic| topic.broker_time).map(|topic| topic.name).collect();
        assert_eq!(stamped, [REQUESTS]);
    }
}
