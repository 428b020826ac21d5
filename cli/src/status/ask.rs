//! Asking Kafka how far everybody is. Blocking, a few seconds at most.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use daybook_domain::topics;
use daybook_runtime::kafka::{GroupView, KafkaConfig, Record, Tail, TailError};

use super::report::{Group, Logged};

/// How long Kafka may take to answer one question.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The groups, and what each of them reads; of the arbiter's, PostgreSQL has the place.
const GROUPS: [(&str, &str, Reads); 5] = [
    ("normalizer", topics::GROUP_NORMALIZER, Reads::Raw),
    ("arbiter", "daybook-arbiter", Reads::Nothing),
    ("propagator", "daybook-propagator", Reads::Decisions),
    ("ingest (the trail of events)", "daybook-ingest", Reads::Raw),
    ("ingest (fetching of states)", "daybook-fetch", Reads::Some),
];
/// What the topics of sources begin with.
const RAW: &str = "raw.";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    Raw,
    Decisions,
    /// Some sources' topics, which only ingest's settings say; without any there is no such group.
    Some,
    Nothing,
}

/// What Kafka says, without what is in the decisions; and the last decision of each partition, to be decoded.
pub fn kafka(
    kafka: &KafkaConfig,
    positions: &BTreeMap<i32, i64>,
) -> Result<(Logged, BTreeMap<i32, Record>), TailError> {
    let tail = Tail::connect(kafka, TIMEOUT)?;
    let known = tail.topics(TIMEOUT)?;
    let mut log = Logged::default();
    let bounds = |topic: &str| match known.get(topic) {
        Some(partitions) => tail.bounds(topic, partitions, TIMEOUT),
        None => Err(TailError::Missing { topic: topic.to_owned() }),
    };
    log.requests = bounds(topics::REQUESTS)?.into_iter().map(|(partition, (_, end))| (partition, end)).collect();
    let undecided: BTreeMap<i32, i64> = positions
        .iter()
        .filter(|(partition, next)| log.requests.get(partition).is_some_and(|end| end > next))
        .map(|(partition, next)| (*partition, *next))
        .collect();
    let first = tail.records_at(topics::REQUESTS, &undecided, TIMEOUT)?;
    log.waiting_since = first.into_iter().map(|(partition, record)| (partition, record.timestamp)).collect();
    let last = |topic: &str| -> Result<BTreeMap<i32, Record>, TailError> {
        let ends = bounds(topic)?.into_iter().filter(|(_, (begin, end))| end > begin);
        tail.records_at(topic, &ends.map(|(partition, (_, end))| (partition, end - 1)).collect(), TIMEOUT)
    };
    let decisions = last(topics::DECISIONS)?;
    let raw: BTreeSet<&String> = known.keys().filter(|topic| topic.starts_with(RAW)).collect();
    for topic in &raw {
        let newest = last(topic)?.into_values().map(|record| record.timestamp).max();
        log.last_event.extend(newest.map(|newest| (topic[RAW.len()..].to_owned(), newest)));
    }
    for queue in [topics::DLQ_NORMALIZER, topics::DLQ_ARBITER, topics::DLQ_PROPAGATOR] {
        let records = bounds(queue)?.values().map(|(begin, end)| end - begin).sum();
        log.letters.insert(queue.to_owned(), records);
    }
    for (service, name, reads) in GROUPS {
        let group = GroupView::new(kafka, name)?;
        let members = group.members(TIMEOUT)?;
        if members == 0 && reads == Reads::Some {
            continue;
        }
        let of: Vec<&str> = match reads {
            Reads::Raw => raw.iter().map(|topic| topic.as_str()).collect(),
            Reads::Decisions => vec![topics::DECISIONS],
            Reads::Some | Reads::Nothing => Vec::new(),
        };
        let mut lag = 0;
        for topic in &of {
            let bounds = bounds(topic)?;
            let committed = group.committed(topic, bounds.keys().copied(), TIMEOUT)?;
            let of_topic = bounds
                .iter()
                .map(|(partition, (begin, end))| end - committed.get(partition).copied().unwrap_or(*begin).max(*begin))
                .sum::<i64>();
            lag += of_topic;
            if name == topics::GROUP_NORMALIZER {
                log.source_lag.insert(topic[RAW.len()..].to_owned(), of_topic);
            }
        }
        let lag = Some(lag).filter(|_| !of.is_empty());
        log.groups.push(Group { service, name: name.to_owned(), members, lag });
    }
    Ok((log, decisions))
}
