//! Webhooks, signed and of each vendor's real shape, over kept-alive connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_domain::Timestamp;
use daybook_runtime::clock;
use daybook_stack::Service;
use daybook_tests::calcom::SiteBooking;
use daybook_tests::calendly::Invitee;
use daybook_tests::generic::Appointment;
use daybook_tests::people::{Person, next_number};
use daybook_tests::resources::Resource;
use daybook_tests::sender::{Sender, Webhook};
use daybook_tests::wait::{not_yet, wait_until};
use daybook_tests::world::World;

use crate::installation::Installation;
use crate::kafka;
use crate::report::{Report, Row, Unit};

/// Whose webhooks: one that is coded, our own format, and one that is described.
const VENDORS: [&str; 3] = ["Calendly", "the generic format", "Cal.com"];
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
    for (place, vendor) in VENDORS.into_iter().enumerate() {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        let samples = webhooks(vendor, resources, 2_000)?;
        let bytes = samples.iter().map(|webhook| webhook.body.len()).sum::<usize>() / samples.len();
        for turn in 0..turns {
            bare.push(runtime.block_on(kafka::acknowledged_per_second(world, &samples, place + turn == 0))?);
            ours.push(runtime.block_on(acknowledged_per_second(world, vendor, resources))?);
        }
        let what = format!("webhooks of {vendor} acknowledged, {bytes} bytes");
        report.pair(&Row::new(&what, "bare producer, acks=all, same bytes", Unit::PerSecond, ""), &ours, &bare);
    }
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

/// Some webhooks of a vendor, for many resources.
fn webhooks(vendor: &str, resources: &[Resource], count: usize) -> Result<Vec<Webhook>> {
    let at = |minutes: usize| {
        let micros = 1_900_000_000_000_000 + i64::try_from(minutes)? * 60_000_000;
        Ok::<_, anyhow::Error>(Timestamp::from_micros(micros)?)
    };
    let webhook = |n: usize| {
        let (resource, slot) = (&resources[n % resources.len()], n / resources.len());
        let (start, end, now) = (at(30 * slot)?, at(30 * slot + 30)?, clock::now());
        let (host, person) = (&resource.host, Person::invent());
        Ok(match vendor {
            "Calendly" => Webhook::calendly(&Invitee::new(host, person, start, end, now).created()),
            "Cal.com" => Webhook::site(&SiteBooking::new(host, person, start, end, now).delivery("BOOKING_CREATED")),
            _ => {
                let event = Appointment::new(&resource.alias, person, start, end).created();
                Webhook::generic(format!("msg-{}", next_number()), &[event])
            }
        })
    };
    (0..count).map(webhook).collect()
}

/// Webhooks acknowledged per second.
async fn acknowledged_per_second(world: &World, vendor: &str, resources: &[Resource]) -> Result<f64> {
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
    let webhooks = webhooks(vendor, resources, 60_000)?;
    let (webhooks, next) = (Arc::new(webhooks), Arc::new(AtomicUsize::new(0)));
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
