//! Kafka, as every service meets it: one consumer wrapper, one producer wrapper, one place for librdkafka's options.

mod client;
mod consumer;
mod follower;
mod group;
mod lanes;
mod producer;
mod tail;
mod topics;

pub use rdkafka::error::KafkaError;

pub use client::{KafkaConfig, SaslMechanism, SecurityConfig};
pub use consumer::{Claimed, Consumer, ConsumerSpec, FromGroup, Ownership, Start, TopicPartition};
pub use follower::{Follower, Pace};
pub use group::GroupView;
pub use lanes::{Partition, Progress, Record};
pub use producer::{Outgoing, Producer, ProducerError, ProducerSpec, Receipt, Sending};
pub use tail::{Tail, TailError, TailFrom, bounds, ends, follow, read_all, read_one, read_span};
pub use topics::{RECORD_BYTES_MAX, RECORD_CONTENT_MAX, TopicError, TopicsConfig, apply_topics};
