//! `bench`: what Daybook costs, as ratios against bare Kafka and bare PostgreSQL on the same machine in the same run.
//!
//! Each figure is the median of three turns, and each pair is measured turn by turn (A, B, A, B, …), so that a machine
//! whose speed drifts moves both sides. Whole services of the release build, real servers, everything on this machine:
//! the load generator's share is in the figures.

mod decisions;
mod kafka;
mod postgres;
mod report;
mod webhooks;

use anyhow::{Context, Result};
use daybook_stack::{Engine, Service, Stack, Until};
use daybook_tests::resources::Resource;
use daybook_tests::world::World;

use report::{Report, Row};

/// How often each pair is measured.
const TURNS: usize = 3;
/// Resources that decisions are spread over.
const RESOURCES: usize = 1_000;

fn main() -> Result<()> {
    let bin_dir = std::env::current_exe()?.parent().context("a directory")?.to_owned();
    // Blocking, and so outside the runtime.
    let mut stack =
        Stack::builder().instance("bench").engine(Engine::Native).until(Until::Services).bin_dir(bin_dir).ephemeral();
    for service in [Service::Ingest, Service::Normalizer, Service::Arbiter, Service::Propagator] {
        // A line for each decision is a choice of the operator, not a part of deciding.
        stack = stack.env(service, "DAYBOOK__LOG__FILTER", "warn");
    }
    let stack = stack.up()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let world = runtime.block_on(async { World::new(stack.endpoints().clone()) })?;
    let resources: Vec<Resource> = (0..RESOURCES).map(|n| Resource::unseen(format!("bench-{n}"))).collect();
    runtime.block_on(world.load(&resources))?;

    let mut report = Report::default();
    let pipeline = [Service::Normalizer, Service::Arbiter, Service::Propagator];
    // Ingest alone against the bare producer; what comes behind it has its own row.
    for service in pipeline {
        stack.service(service).stop()?;
    }
    let mut pairs = Vec::new();
    for turn in 0..TURNS {
        let bare = runtime.block_on(kafka::acknowledged_per_second(&world, turn))?;
        pairs.push((runtime.block_on(webhooks::acknowledged_per_second(&world, &resources))?, bare));
    }
    report.pair(Row::new("webhooks acknowledged", "bare producer, acks=all, same bytes"), &pairs);

    // What was just acknowledged goes through the rest: each service's memory is read after it has worked.
    for service in pipeline {
        stack.service(service).start_ready()?;
    }
    runtime.block_on(webhooks::drained(&world))?;
    for service in [Service::Ingest, Service::Normalizer, Service::Propagator] {
        report.memory(service.name(), stack.service(service).pid())?;
    }
    stack.service(Service::Normalizer).stop()?;
    stack.service(Service::Propagator).stop()?;
    let (mut locked, mut limit) = (Vec::new(), Vec::new());
    runtime.block_on(postgres::prepare(&world))?;
    for turn in 0..TURNS {
        let decided = runtime.block_on(decisions::decided_per_second(&world, RESOURCES, turn))?;
        if turn + 1 == TURNS {
            report.memory(Service::Arbiter.name(), stack.service(Service::Arbiter).pid())?;
        }
        // It polls for new requests, and its sessions would share the server.
        stack.service(Service::Arbiter).stop()?;
        locked.push((decided, postgres::locked_per_second(&world)?));
        limit.push((decided, runtime.block_on(postgres::batched_per_second(&world, turn))?));
        if turn + 1 < TURNS {
            stack.service(Service::Arbiter).start_ready()?;
        }
    }
    report.pair(Row::new("decisions committed", "pgbench, SELECT … FOR UPDATE, 16 clients"), &locked);
    report.pair(
        Row::new("decisions committed", "limit: 1,000-row batches, same rows and indexes, one connection"),
        &limit,
    );
    report.print();
    Ok(())
}
