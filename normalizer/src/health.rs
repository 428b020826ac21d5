//! What the normalizer needs besides its records, and whether it is there. The partitions say what they wait for as they
//! find out; this watch says when it is back, and on an idle system too.

use std::convert::Infallible;
use std::time::Duration;

use daybook_domain::topics;
use daybook_runtime::admin::Health;
use daybook_runtime::kafka::Producer;
use sqlx::PgPool;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// The store.
pub const STORE: &str = "store";
/// The way out.
pub const OUTPUT: &str = "output";
/// The schema registry, until the one schema's id is known.
pub const REGISTRY: &str = "registry";

/// Many rounds of the watch.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Readiness is no faster than an orchestrator's own probes.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How long each may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Enters all three.
pub fn enter(health: &Health) {
    for name in [STORE, OUTPUT, REGISTRY] {
        health.enter(name, SILENCE_MAX);
    }
}

/// Asks until shutdown.
pub async fn watch(
    pool: PgPool,
    producer: Producer,
    health: Health,
    shutdown: CancellationToken,
) -> Result<(), Infallible> {
    let mut rounds = interval(ASK_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        match timeout(ANSWER_WITHIN, sqlx::query("SELECT 1").execute(&pool)).await {
            Ok(Ok(_)) => health.ready(STORE),
            Ok(Err(_)) | Err(_) => health.waiting(STORE, "PostgreSQL"),
        }
        if producer.reaches_a_broker(topics::REQUESTS, ANSWER_WITHIN).await {
            health.ready(OUTPUT);
        } else {
            health.waiting(OUTPUT, "Kafka");
        }
        // Its one answer is kept for ever; whether it is still there matters no more.
        health.beat(REGISTRY);
    }
}
