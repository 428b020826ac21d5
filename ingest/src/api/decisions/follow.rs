//! `booking.decisions` as it grows, for those who wait here: without a group, because every process has waiters of its own.
//!
//! Nothing depends on it but speed. Whoever is not told in time looks into the store.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use daybook_domain::topics;
use daybook_runtime::kafka::{Follower, KafkaConfig, Pace, Record, TailError, ends};
use daybook_runtime::registry::Registry;
use daybook_wire::{SCHEMAS, decode_decision, unframe};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::waiters::Waiters;

/// How long a broker may take to say where the topic ends.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long after that it is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// The registry's name for the schema of decisions.
const SUBJECT: &str = "booking.decisions-value";

/// Tells the waiters of every decision from now on, until shutdown.
pub async fn follow(
    kafka: KafkaConfig,
    registry: Registry,
    waiters: Waiters,
    shutdown: CancellationToken,
) -> Result<(), Infallible> {
    tokio::select! {
        () = begin(&kafka, &registry, &waiters, &shutdown) => shutdown.cancelled().await,
        () = shutdown.cancelled() => {}
    }
    Ok(())
}

async fn begin(kafka: &KafkaConfig, registry: &Registry, waiters: &Waiters, shutdown: &CancellationToken) {
    learn(registry).await;
    let mut waiting = false;
    let follower = loop {
        match start(kafka, registry, waiters, shutdown).await {
            Ok(follower) => break follower,
            Err(error) => {
                if !std::mem::replace(&mut waiting, true) {
                    tracing::warn!(%error, "cannot follow decisions yet; waiters are answered from the store");
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    tracing::info!("following decisions");
    // Its thread ends with the shutdown.
    drop(follower);
}

/// The schema that this version writes, so that the usual record needs no question. If the registry is away, the first
/// record asks again.
async fn learn(registry: &Registry) {
    let text = SCHEMAS.iter().find(|(subject, _)| *subject == SUBJECT).map_or("", |(_, text)| text);
    if let Err(error) = registry.id_of(SUBJECT, text).await {
        tracing::warn!(%error, "the schema of decisions is not known yet");
    }
}

async fn start(
    kafka: &KafkaConfig,
    registry: &Registry,
    waiters: &Waiters,
    shutdown: &CancellationToken,
) -> Result<Follower, TailError> {
    let (asked, topic) = (kafka.clone(), topics::DECISIONS);
    let asking = tokio::task::spawn_blocking(move || ends(&asked, topic, ANSWER_WITHIN));
    let ends = asking.await.unwrap_or_else(|_| Err(TailError::Missing { topic: topic.to_owned() }))?;
    let (registry, waiters, handle) = (registry.clone(), waiters.clone(), Handle::current());
    let follower = Follower::start(kafka, topic, Pace::Prompt, shutdown.clone(), move |record| {
        if record.key.as_ref().is_some_and(|key| waiters.care_for(key)) {
            handle.block_on(tell(&record, &registry, &waiters));
        }
        ControlFlow::Continue(())
    })?;
    for (partition, end) in ends {
        follower.follow(partition, end);
    }
    Ok(follower)
}

async fn tell(record: &Record, registry: &Registry, waiters: &Waiters) {
    let Some((id, datum)) = record.value.as_deref().and_then(|value| unframe(value).ok()) else { return };
    let decided = match registry.schema(id).await {
        Ok(schema) => decode_decision(&schema, datum).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match decided {
        Ok(decided) => waiters.tell(&Arc::new(decided)),
        Err(error) => tracing::warn!(
            error,
            kafka.partition = record.partition,
            kafka.offset = record.offset,
            "a decision cannot be read; whoever waits for it is answered from the store"
        ),
    }
}
