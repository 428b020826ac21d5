//! How far the stages behind have come, asked of Kafka when somebody wants to know, and not more than once a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use daybook_domain::{SourceName, topics};
use daybook_ingest_core::Passed;
use daybook_runtime::kafka::{GroupView, KafkaConfig, Tail, TailError};

use crate::api::{Api, Problem, ProblemKind};
use crate::trail::{self, store};

/// How old an answer may be. Whoever asks again after a second sees the next one.
const FRESH: Duration = Duration::from_secs(1);
/// How long a broker may take.
const WITHIN: Duration = Duration::from_secs(3);

/// What Kafka has said, and when.
#[derive(Debug, Default)]
pub struct Progress(Mutex<BTreeMap<SourceName, (Instant, Arc<Seen>)>>);

/// How far the normalizer had come with a source, and what was there after that.
#[derive(Debug)]
struct Seen {
    normalized: BTreeMap<i32, i64>,
    /// Whether every dead letter was on the trail.
    letters_known: bool,
    requests_end: BTreeMap<i32, i64>,
}

impl Progress {
    /// Who has passed the record at this place of a source's topic.
    pub async fn passed(&self, api: &Api, source: &SourceName, partition: i32, offset: i64) -> Result<Passed, Problem> {
        let seen = self.seen(&api.kafka, source).await?;
        let positions = store::arbiter_positions(&api.store).await.map_err(|error| api.store_problem(error))?;
        let positions: BTreeMap<i32, i64> = positions.into_iter().collect();
        let decided = |(partition, end): (&i32, &i64)| positions.get(partition).is_some_and(|next| next >= end);
        Ok(Passed {
            normalized: seen.letters_known && seen.normalized.get(&partition).is_some_and(|next| *next > offset),
            decided: seen.requests_end.iter().filter(|(_, end)| **end > 0).all(decided),
        })
    }

    async fn seen(&self, kafka: &KafkaConfig, source: &SourceName) -> Result<Arc<Seen>, Problem> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(source).cloned();
        if let Some((_, seen)) = known.filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(seen);
        }
        let (kafka, topic) = (kafka.clone(), topics::raw(source));
        let at = Instant::now();
        let asked = tokio::task::spawn_blocking(move || ask(&kafka, &topic)).await;
        let away = |error: String| {
            tracing::warn!(error, "kafka does not say how far the stages are");
            Problem::new(ProblemKind::Unavailable, "Kafka does not say how far the event is.")
        };
        let seen = asked.map_err(|error| away(error.to_string()))?.map_err(|error| away(error.to_string()))?;
        let seen = Arc::new(seen);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(source.clone(), (at, Arc::clone(&seen)));
        Ok(seen)
    }
}

/// In this order: all that the normalizer made of what it has finished is among the requests and dead letters by then.
fn ask(kafka: &KafkaConfig, topic: &str) -> Result<Seen, TailError> {
    let normalized =
        GroupView::new(kafka, topics::GROUP_NORMALIZER)?.committed(topic, 0..topics::PARTITIONS_SIDE, WITHIN)?;
    let tail = Tail::connect(kafka, WITHIN)?;
    let letters = tail.bounds(topics::DLQ_NORMALIZER, &(0..topics::PARTITIONS_SIDE).collect::<Vec<_>>(), WITHIN)?;
    let requests = tail.bounds(topics::REQUESTS, &(0..topics::PARTITIONS).collect::<Vec<_>>(), WITHIN)?;
    let written =
        GroupView::new(kafka, trail::GROUP)?.committed(topics::DLQ_NORMALIZER, letters.keys().copied(), WITHIN)?;
    let is_known = |(partition, (begin, end)): (&i32, &(i64, i64))| {
        begin == end || written.get(partition).is_some_and(|next| next >= end)
    };
    Ok(Seen {
        normalized,
        letters_known: letters.iter().all(is_known),
        requests_end: requests.into_iter().map(|(partition, (_, end))| (partition, end)).collect(),
    })
}
