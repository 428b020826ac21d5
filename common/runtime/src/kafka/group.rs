//! How far a group has come, for whoever is not in it. Blocking.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::client::KafkaConfig;
use super::tail::{TailError, options};

/// A look at a group from outside.
pub struct GroupView {
    group: String,
    consumer: BaseConsumer,
}

impl std::fmt::Debug for GroupView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GroupView({})", self.group)
    }
}

impl GroupView {
    /// Of this group. It is never joined.
    pub fn new(kafka: &KafkaConfig, group: &str) -> Result<Self, TailError> {
        let mut options = options(kafka);
        options.set("group.id", group);
        let consumer = options.create().map_err(|source| TailError::Kafka { topic: group.to_owned(), source })?;
        Ok(Self { group: group.to_owned(), consumer })
    }

    /// How many processes are in it.
    pub fn members(&self, timeout: Duration) -> Result<usize, TailError> {
        let fail = |source| TailError::Kafka { topic: format!("the group {}", self.group), source };
        let list = self.consumer.fetch_group_list(Some(&self.group), timeout).map_err(fail)?;
        Ok(list.groups().iter().find(|group| group.name() == self.group).map_or(0, |group| group.members().len()))
    }

    /// The first offset of each of these partitions of a topic that the group has not finished; none for one that it has
    /// never committed.
    pub fn committed(
        &self,
        topic: &str,
        partitions: impl IntoIterator<Item = i32>,
        timeout: Duration,
    ) -> Result<BTreeMap<i32, i64>, TailError> {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(topic, partition);
        }
        let fail = |source| TailError::Kafka { topic: topic.to_owned(), source };
        let committed = self.consumer.committed_offsets(list, timeout).map_err(fail)?;
        let offset = |offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None };
        Ok(committed.elements().iter().filter_map(|at| Some((at.partition(), offset(at.offset())?))).collect())
    }
}
