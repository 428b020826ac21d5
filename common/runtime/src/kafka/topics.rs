//! Creating the topics, with their settings, and never with the broker's defaults.

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_domain::topics::{Kept, Topic};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::Deserialize;

use super::client::KafkaConfig;

/// The largest record that a topic takes: 2 MiB. Kafka's default, 1 MiB and 12 bytes, would refuse a body of 1 MiB,
/// which ingest takes, for the headers around it.
pub const RECORD_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// What key, value and headers of a record may be together: what a broker adds to them is 16 KiB at most, generously.
pub const RECORD_CONTENT_MAX: usize = RECORD_BYTES_MAX - 16 * 1_024;

/// What an installation decides about its topics.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicsConfig {
    /// Copies of each partition: 3 wherever there are three brokers.
    pub replication: i32,
    /// Copies that must have a record before it is acknowledged: 2 wherever there are three.
    pub min_insync_replicas: i32,
}

/// Why the topics could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// No broker did it.
    #[error("cannot create topics")]
    Kafka(#[source] KafkaError),
    /// A broker refused one of them.
    #[error("topic {topic} was refused: {code:?}")]
    Refused {
        /// The topic.
        topic: String,
        /// Why.
        code: RDKafkaErrorCode,
    },
    /// It is there with another number of partitions, which can never be mended in place.
    #[error("topic {topic} has {found} partitions and must have {wanted}; a resource would move to another arbiter")]
    Partitions {
        /// The topic.
        topic: String,
        /// What is there.
        found: usize,
        /// What is right.
        wanted: i32,
    },
}

/// The settings that a topic is created with.
pub fn settings(topic: &Topic, config: &TopicsConfig) -> BTreeMap<&'static str, String> {
    let mut settings = BTreeMap::from([
        ("min.insync.replicas", config.min_insync_replicas.to_string()),
        ("max.message.bytes", RECORD_BYTES_MAX.to_string()),
    ]);
    match topic.kept {
        Kept::For(span) => {
            settings.insert("cleanup.policy", "delete".to_owned());
            settings.insert("retention.ms", span.as_millis().to_string());
        }
        Kept::NewestOfKey { lag_max } => {
            settings.insert("cleanup.policy", "compact".to_owned());
            settings.insert("max.compaction.lag.ms", lag_max.as_millis().to_string());
            // Compaction never touches the active segment; roll it, so that an erasure is bounded on a quiet topic.
            settings.insert("segment.ms", lag_max.as_millis().to_string());
        }
    }
    if topic.broker_time {
        settings.insert("message.timestamp.type", "LogAppendTime".to_owned());
    }
    settings
}

/// Creates what is missing and checks what is there. Says which topics it created.
pub async fn apply_topics(
    kafka: &KafkaConfig,
    config: &TopicsConfig,
    topics: &[Topic],
) -> Result<Vec<String>, TopicError> {
    let admin: AdminClient<DefaultClientContext> = kafka.client().create().map_err(TopicError::Kafka)?;
    let settings: Vec<_> = topics.iter().map(|topic| settings(topic, config)).collect();
    let wanted: Vec<NewTopic<'_>> = topics
        .iter()
        .zip(&settings)
        .map(|(topic, settings)| {
            let new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(config.replication));
            settings.iter().fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let results = admin.create_topics(&wanted, &options).await.map_err(TopicError::Kafka)?;
    let mut created = Vec::new();
    for result in results {
        match result {
            Ok(topic) => created.push(topic),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(TopicError::Refused { topic, code }),
        }
    }
    for topic in topics.iter().filter(|topic| !created.contains(&topic.name)) {
        let metadata =
            admin.inner().fetch_metadata(Some(&topic.name), Duration::from_secs(30)).map_err(TopicError::Kafka)?;
        let found = metadata.topics().first().map_or(0, |found| found.partitions().len());
        if i32::try_from(found).ok() != Some(topic.partitions) {
            return Err(TopicError::Partitions { topic: topic.name.clone(), found, wanted: topic.partitions });
        }
    }
    Ok(created)
}
