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

/// The topic of a source's raw events.
pub fn raw(source: &SourceName) -> String {
    format!("raw.{source}")
}

/// Every topic of an installation with these sources.
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
    topics.extend(sources.iter().map(|source| topic(&raw(source), PARTITIONS_SIDE, Kept::For(7 * DAY), None)));
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
    fn only_the_requests_are_stamped_by_the_broker() {
        let stamped: Vec<_> = all(&[]).into_iter().filter(|topic| topic.broker_time).map(|topic| topic.name).collect();
        assert_eq!(stamped, [REQUESTS]);
    }
}
