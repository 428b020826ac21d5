//! Kafka, as every service meets it: one consumer wrapper, one producer wrapper, one place for librdkafka's options.

mod client;
mod consumer;
mod lanes;
mod producer;
mod tail;
mod topics;

pub use client::{KafkaConfig, SaslMechanism, SecurityConfig};
pub use consumer::{Claimed, Consumer, ConsumerSpec, FromGroup, Ownership, Start, TopicPartition};
pub use lanes::{Partition, Progress, Record};
pub use producer::{Outgoing, Producer, ProducerError, ProducerSpec, Receipt};
pub use tail::{TailError, end_offsets, last_records, read_all};
pub use topics::{TopicError, TopicsConfig, apply_topics};
