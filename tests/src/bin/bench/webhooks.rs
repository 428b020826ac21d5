//! Webhooks, signed and of Calendly's real shape, over kept-alive connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_domain::Timestamp;
use daybook_runtime::clock;
use daybook_stack::Service;
use daybook_tests::calendly::{Host, Invitee};
use daybook_tests::people::Person;
use daybook_tests::resources::Resource;
use daybook_tests::sender::{Sender, Webhook};
use daybook_tests::wait::{not_yet, wait_until};
use daybook_tests::world::World;

use crate::installation::Installation;
use crate::kafka;
use crate::report::{Report, Row, Unit};

/// How long one turn sends.
pub const SPAN: Duration = Duration::from_secs(5);
/// Requests without an answer at any moment.
pub const IN_FLIGHT: usize = 64;

/// Measures ingest against the bare producer, and the memory of each service after it has worked.
pub fn measure(report: &mut Report, turns: usize) -> Result<()> {
    let installation = Installation::whole()?;
    let Installation { stack, runtime, world, resources, .. } = &installation;
    let pipeline = [Service::Normalizer, Service::Arbiter, Service::Propagator];
    // Ingest alone; what comes behind it has its own row.
    for service in pipeline {
        stack.service(service).stop()?;
    }
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for turn in 0..turns {
        bare.push(runtime.block_on(kafka::acknowledged_per_second(world, turn))?);
        ours.push(runtime.block_on(acknowledged_per_second(world, resources))?);
    }
    let row = Row::new("webhooks acknowledged", "bare producer, acks=all, same bytes", Unit::PerSecond, "");
    report.pair(&row, &ours, &bare);
    // What was just acknowledged goes through the rest.
    for service in pipeline {
        stack.service(service).start_ready()?;
    }
    runtime.block_on(drained(world))?;
    for service in [Service::Ingest, Service::Normalizer, Service::Propagator] {
        installation.memory(report, service, "")?;
    }
    Ok(())
}

fn invitee(host: &Host, n: usize) -> Result<Invitee> {
    let at = |minutes: usize| {
        let micros = 1_900_000_000_000_000 + i64::try_from(minutes)? * 60_000_000;
        Ok::<_, anyhow::Error>(Timestamp::from_micros(micros)?)
    };
    Ok(Invitee::new(host, Person::invent(), at(30 * n)?, at(30 * n + 30)?, clock::now()))
}

/// Bodies of the size that is sent, for the bare producer.
pub fn samples(count: usize) -> Vec<Vec<u8>> {
    let host = Host::invent();
    let body = |n| serde_json::to_vec(&invitee(&host, n).ok()?.created()).ok();
    (0..count).filter_map(body).collect()
}

/// Webhooks acknowledged per second.
async fn acknowledged_per_second(world: &World, resources: &[Resource]) -> Result<f64> {
    let endpoints = &world.endpoints;
    let http = reqwest::Client::builder().pool_max_idle_per_host(IN_FLIGHT).build()?;
    let sender = Sender::new(
        &http,
        &endpoints.ingest_url,
        &endpoints.calendly_secret,
        &endpoints.generic_secret,
        &endpoints.site_secret,
    )?;
    // Made before the clock runs: making them is the vendor's work.
    let webhooks: Result<Vec<_>> = (0..20_000)
        .map(|n| {
            let resource = &resources[n % resources.len()];
            Ok(Webhook::calendly(&invitee(&resource.host, n / resources.len())?.created()))
        })
        .collect();
    let (webhooks, next) = (Arc::new(webhooks?), Arc::new(AtomicUsize::new(0)));
    let began = Instant::now();
    let workers = (0..IN_FLIGHT).map(|_| {
        let (sender, webhooks, next) = (sender.clone(), Arc::clone(&webhooks), Arc::clone(&next));
        tokio::spawn(async move {
            let mut acknowledged = 0_usize;
            while began.elapsed() < SPAN {
                let Some(webhook) = webhooks.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                let answer = sender.send(webhook).await?;
                ensure!(answer.acknowledged(), "ingest answered {}", answer.status);
                acknowledged += 1;
            }
            Ok(acknowledged)
        })
    });
    let mut acknowledged = 0;
    for worker in workers.collect::<Vec<_>>() {
        acknowledged += worker.await??;
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of a few seconds")]
    Ok(acknowledged as f64 / began.elapsed().as_secs_f64())
}

/// Waits until nothing is decided any more.
async fn drained(world: &World) -> Result<()> {
    let mut last = (-1, Instant::now());
    wait_until("the pipeline is idle", Duration::from_secs(300), async || {
        let decided = decided(world).await?;
        if decided != last.0 {
            last = (decided, Instant::now());
        }
        not_yet(last.1.elapsed() > Duration::from_secs(5), || format!("{decided} requests decided and rising"))
    })
    .await
}

/// Requests that arbiters have decided: the sum of the partitions' positions.
async fn decided(world: &World) -> Result<i64> {
    sqlx::query_scalar("SELECT coalesce(sum(next_offset), 0)::bigint FROM arbiter_partition")
        .fetch_one(world.store.pool())
        .await
        .context("what is decided")
}
