//! The floor of ingest: the same bytes, by the same producer, with nothing around it.

use std::time::{Duration, Instant};

use anyhow::Result;
use daybook_domain::topics::{Kept, PARTITIONS_SIDE, Topic};
use daybook_runtime::kafka::{Outgoing, TopicsConfig, apply_topics};
use daybook_tests::sender::Webhook;
use daybook_tests::world::World;
use daybook_wire::Headers;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::webhooks::{IN_FLIGHT, SPAN};

const TOPIC: &str = "bench.bare";

/// Records acknowledged per second, as many in flight as the webhooks have.
pub async fn acknowledged_per_second(world: &World, samples: &[Webhook], first: bool) -> Result<f64> {
    if first {
        let topic = Topic {
            name: TOPIC.to_owned(),
            partitions: PARTITIONS_SIDE,
            kept: Kept::For(Duration::from_secs(3_600)),
            broker_time: false,
            schema: None,
        };
        apply_topics(world.kafka.config(), &TopicsConfig { replication: 1, min_insync_replicas: 1 }, &[topic]).await?;
    }
    let producer = world.kafka.producer()?;
    let headers = Headers::new();
    let send = |n: usize| {
        let value = &samples[n % samples.len()].body;
        let key = n.to_string();
        let (producer, headers) = (&producer, &headers);
        async move {
            let outgoing =
                Outgoing { topic: TOPIC, partition: None, key: Some(key.as_bytes()), value: Some(value), headers };
            producer.send_and_wait(outgoing).await
        }
    };
    let mut sending: FuturesUnordered<_> = (0..IN_FLIGHT).map(send).collect();
    let (began, mut sent) = (Instant::now(), IN_FLIGHT);
    while let Some(result) = sending.next().await {
        result?;
        if began.elapsed() < SPAN {
            sending.push(send(sent));
            sent += 1;
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of a few seconds")]
    Ok(sent as f64 / began.elapsed().as_secs_f64())
}
